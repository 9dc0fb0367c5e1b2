//! One part of an e-mail: what its head says of it, and what it holds.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::{Message, MimeHeaders as _};

use crate::charset;

/// A part that has no others.
pub(super) struct Part<'a> {
    /// In lower case, without parameters.
    pub(super) media_type: String,
    /// What its sender calls it.
    pub(super) name: Option<String>,
    charset: Option<String>,
    encoding: String,
    /// Whether it says that it is attached.
    pub(super) is_attached: bool,
    body: &'a [u8],
}

impl<'a> Part<'a> {
    /// A part, as its head describes it, or else of the usual media type. It is empty yet.
    pub(super) fn new(head: Option<&Message<'_>>, usual: &str) -> Self {
        let content = head.and_then(|head| head.content_type());
        let media_type = content.map_or(usual.into(), |content| {
            format!("{}/{}", content.ctype(), content.subtype().unwrap_or("octet-stream"))
                .to_ascii_lowercase()
        });
        let disposition = head.and_then(|head| head.content_disposition());
        let encoding = head.and_then(|head| head.content_transfer_encoding()).unwrap_or_default();
        Self {
            media_type,
            name: head.and_then(|head| head.attachment_name()).map(Into::into),
            charset: content.and_then(|content| content.attribute("charset")).map(Into::into),
            encoding: encoding.trim().to_ascii_lowercase(),
            is_attached: disposition.is_some_and(|disposition| disposition.is_attachment()),
            body: &[],
        }
    }

    pub(super) fn holding(self, body: &'a [u8]) -> Self {
        Self { body, ..self }
    }

    pub(super) fn is_text(&self) -> bool {
        self.media_type.starts_with("text/")
    }

    pub(super) fn is_html(&self) -> bool {
        self.media_type == "text/html"
    }

    /// Whether people read it as it is.
    pub(super) fn is_body(&self) -> bool {
        self.is_html() || self.media_type == "text/plain"
    }

    /// What it holds; as it is, if it is not encoded as it is said to be.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        match self.encoding.as_str() {
            "base64" => base64_decode(self.body).map_or(Cow::Borrowed(self.body), Cow::Owned),
            "quoted-printable" => Cow::Owned(quoted_printable(self.body)),
            _ => Cow::Borrowed(self.body),
        }
    }

    /// What it says.
    pub(super) fn text(&self) -> String {
        let bytes = self.bytes();
        match self.charset.as_ref().and_then(|charset| charset_decoder(charset.as_bytes())) {
            Some(decode) => decode(&bytes),
            None => match std::str::from_utf8(&bytes) {
                Ok(text) => text.into(),
                Err(_) => charset::decode(&bytes, None).0,
            },
        }
    }
}

/// Where what stands before a place ends, without the line end.
pub(super) fn before_line_end(body: &[u8], at: usize) -> usize {
    let before = &body[..at];
    let before = before.strip_suffix(b"\n").unwrap_or(before);
    before.strip_suffix(b"\r").unwrap_or(before).len()
}

/// Decodes RFC 2045's encoding of mostly plain text. A `=` that encodes nothing stays: servers append lines to what is encoded.
fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (mut rest, end) = (line.trim_ascii_end(), &line[before_line_end(line, line.len())..]);
        let is_soft = rest.ends_with(b"=");
        rest = rest.strip_suffix(b"=").unwrap_or(rest);
        while let [first, others @ ..] = rest {
            let byte = others.first_chunk().filter(|_| *first == b'=').and_then(|digits| hex(*digits));
            decoded.push(byte.unwrap_or(*first));
            rest = &others[if byte.is_some() { 2 } else { 0 }..];
        }
        if !is_soft {
            decoded.extend_from_slice(end);
        }
    }
    decoded
}

fn hex([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}
