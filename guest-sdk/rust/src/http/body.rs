//! Bodies that the host puts together: bytes and blobs, one after the other.

use crate::blob::Blob;
use crate::context;
use crate::http::Request;

/// A part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes, as they are.
    Bytes(Vec<u8>),
    /// The bytes of the blob of this digest. They do not enter the step.
    Blob(String),
}

impl From<&Blob> for Part {
    fn from(blob: &Blob) -> Self {
        Self::Blob(blob.digest.clone())
    }
}

impl From<Vec<u8>> for Part {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

/// A form with files (RFC 7578), for [`Request::multipart`].
///
/// ```
/// use stepwell_sdk::http::{self, Multipart};
/// use stepwell_sdk::testing::FakeHost;
///
/// let host = FakeHost::new();
/// let sound = host.put_blob("audio/mpeg", [0xff, 0xfb]);
/// let form = Multipart::new().text("model", "whisper-1").blob("file", "call.mp3", &sound);
/// let request = http::post("https://api.openai.com/v1/audio/transcriptions").multipart(form);
/// assert!(request.header_value("content-type").unwrap().starts_with("multipart/form-data; boundary="));
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a form does nothing until it is sent"]
pub struct Multipart {
    fields: Vec<Field>,
}

#[derive(Debug, Clone)]
struct Field {
    /// The field's own headers, without the boundary before it.
    head: String,
    content: Part,
}

impl Multipart {
    /// A form without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub fn text(self, name: &str, value: impl Into<String>) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n\r\n", quoted(name));
        self.field(head, Part::from(value.into()))
    }

    /// Adds a file whose bytes are at hand.
    pub fn file(self, name: &str, file_name: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.field(file_head(name, file_name, media_type), Part::Bytes(bytes.into()))
    }

    /// Adds a file whose bytes are a blob's.
    pub fn blob(self, name: &str, file_name: &str, blob: &Blob) -> Self {
        self.field(file_head(name, file_name, &blob.media_type), Part::from(blob))
    }

    fn field(mut self, head: String, content: Part) -> Self {
        self.fields.push(Field { head, content });
        self
    }

    fn into_parts(self, boundary: &str) -> Vec<Part> {
        let mut parts = Vec::with_capacity(2 * self.fields.len() + 1);
        let mut before = String::new();
        for Field { head, content } in self.fields {
            parts.push(Part::from(format!("{before}--{boundary}\r\n{head}")));
            parts.push(content);
            before = "\r\n".into();
        }
        parts.push(Part::from(format!("{before}--{boundary}--\r\n")));
        parts
    }
}

impl Request {
    /// Adds a part to the end of the body.
    pub fn part(mut self, part: impl Into<Part>) -> Self {
        self.parts.push(part.into());
        self
    }

    /// Sends a form with files, in place of another body.
    pub fn multipart(mut self, form: Multipart) -> Self {
        // Nobody who wrote a file could have guessed it, and a replay has the same one.
        let boundary = format!(
            "stepwell-{}",
            context::current().idempotency_key.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
        );
        let boundary: String = boundary.chars().take(70).collect();
        self.body.clear();
        self.parts = form.into_parts(&boundary);
        self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        self.header("content-type", format!("multipart/form-data; boundary={boundary}"))
    }
}

fn file_head(name: &str, file_name: &str, media_type: &str) -> String {
    let media_type = media_type.replace(['\r', '\n'], " ");
    format!(
        "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {media_type}\r\n\r\n",
        quoted(name),
        quoted(file_name)
    )
}

/// As browsers write names (WHATWG HTML, multipart/form-data encoding algorithm).
fn quoted(name: &str) -> String {
    name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;
    use crate::testing::FakeHost;

    fn texts(parts: &[Part]) -> Vec<String> {
        let text = |part: &Part| match part {
            Part::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            Part::Blob(digest) => format!("<{digest}>"),
        };
        parts.iter().map(text).collect()
    }

    #[test]
    fn a_form_is_written_as_its_readers_want_it() {
        let host = FakeHost::new();
        let sound = host.put_blob("audio/mpeg", [0xff]);
        let form = Multipart::new().text("a", "1").blob("file", "say \"hi\".mp3", &sound).file(
            "b",
            "b.txt",
            "text/plain",
            "B",
        );
        let expected = [
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n",
            "1",
            "\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"say %22hi%22.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n",
            &format!("<{}>", sound.digest),
            "\r\n--x\r\nContent-Disposition: form-data; name=\"b\"; filename=\"b.txt\"\r\nContent-Type: text/plain\r\n\r\n",
            "B",
            "\r\n--x--\r\n",
        ];
        assert_eq!(texts(&form.into_parts("x")), expected);
    }

    #[test]
    fn a_boundary_is_the_attempts_own_and_short_enough() {
        let _host = FakeHost::new();
        let request = http::post("https://a/").multipart(Multipart::new().text("a", "b"));
        let kind = request.header_value("content-type").unwrap();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert!(boundary.starts_with("stepwell-01890a5d") && boundary.len() <= 70, "{boundary}");
    }
}
