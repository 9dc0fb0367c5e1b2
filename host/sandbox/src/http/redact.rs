//! Takes texts that must not be seen out of what comes from outside, in whatever form a program may have written them there.
//!
//! It knows the texts and what is to stand in their place; not whose they are, nor who may see them.

use std::collections::BTreeSet;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::{Bytes, BytesMut};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

/// A shorter value is not looked for in answers: it would be found everywhere, and hides nothing.
const SHORTEST_REDACTED: usize = 4;

/// What the URL standard encodes in a path, and leaves elsewhere.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// RFC 3986 section 2.3: what many programs leave as it is.
const UNRESERVED_KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Puts the placeholders back where the values stand, in whatever form.
pub(super) struct Redactor {
    values: AhoCorasick,
    forms: Vec<String>,
    placeholders: Vec<String>,
}

impl Redactor {
    /// Puts each of these texts in the place of what is beside it.
    pub(super) fn new<'a>(hidden: impl IntoIterator<Item = (String, &'a SecretString)>) -> Self {
        let found = hidden.into_iter().flat_map(|(placeholder, value)| {
            forms(value.expose_secret()).into_iter().map(move |form| (form, placeholder.clone()))
        });
        let (forms, placeholders): (Vec<_>, Vec<_>) = found.unzip();
        #[expect(clippy::expect_used, reason = "fails only for more patterns than memory holds")]
        let values = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&forms)
            .expect("a few short patterns make an automaton");
        Self { values, forms, placeholders }
    }

    /// How many bytes at the front are redacted alike whatever follows.
    fn settled(&self, bytes: &[u8]) -> usize {
        let mut from = 0;
        loop {
            let open = self.begins_at(bytes, from);
            // A value that begins sooner is found, and takes what would have been the beginning of another.
            let across = self.values.find_iter(&bytes[from..]).find(|found| from + found.end() > open);
            match across.filter(|found| from + found.start() < open) {
                Some(found) => from += found.end(),
                None => return open,
            }
        }
    }

    /// Where the first value may begin that is not whole yet.
    fn begins_at(&self, bytes: &[u8], from: usize) -> usize {
        let longest = self.forms.iter().map(String::len).max().unwrap_or_default();
        let first = bytes.len().saturating_sub(longest.saturating_sub(1)).max(from);
        let is_begun = |at: &usize| {
            let tail = &bytes[*at..];
            self.forms.iter().any(|form| form.len() > tail.len() && form.as_bytes().starts_with(tail))
        };
        (first..bytes.len()).find(is_begun).unwrap_or(bytes.len())
    }

    /// Whether one of them stands in a text.
    pub(super) fn finds_in(&self, text: &str) -> bool {
        self.values.is_match(text)
    }

    pub(super) fn redact_text(&self, text: &mut String) {
        if self.finds_in(text) {
            *text = self.values.replace_all(text, &self.placeholders);
        }
    }

    pub(super) fn redact_bytes(&self, bytes: &mut Bytes) {
        if self.values.is_match(bytes.as_ref()) {
            *bytes = self.values.replace_all_bytes(bytes, &self.placeholders).into();
        }
    }
}

/// A value as it stands, within JSON, within a URL as different programs encode it, in a form, and in base64.
fn forms(value: &str) -> BTreeSet<String> {
    if value.len() < SHORTEST_REDACTED {
        return BTreeSet::new();
    }
    let json = serde_json::Value::from(value).to_string();
    let json = json.trim_matches('"');
    let encoded =
        [NON_ALPHANUMERIC, UNRESERVED_KEPT, IN_PATH].map(|set| utf8_percent_encode(value, set).to_string());
    let form: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let in_lower_case: Vec<String> =
        encoded.iter().chain([&form]).map(|text| with_lower_digits(text)).collect();
    let others = [
        value.to_owned(),
        json.to_owned(),
        json.replace('/', "\\/"),
        form,
        STANDARD_NO_PAD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
    ];
    encoded.into_iter().chain(in_lower_case).chain(others).collect()
}

/// `%2F` as some programs write it: `%2f`.
fn with_lower_digits(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        text + "%" + &digits.to_ascii_lowercase() + rest
    })
}

/// Takes secrets out of pieces, also where one reaches from one piece into the next: what may be the beginning of a value is held back
/// until it is known not to be.
pub(crate) struct Seam {
    redactor: Option<Arc<Redactor>>,
    held: BytesMut,
}

impl Seam {
    pub(super) fn new(redactor: Option<Arc<Redactor>>) -> Self {
        Self { redactor, held: BytesMut::new() }
    }

    /// What may be given away, now that this piece has come.
    pub(crate) fn pass(&mut self, piece: Bytes) -> Bytes {
        let Some(redactor) = &self.redactor else { return piece };
        let mut bytes = if self.held.is_empty() {
            piece
        } else {
            self.held.extend_from_slice(&piece);
            std::mem::take(&mut self.held).freeze()
        };
        let held = bytes.split_off(redactor.settled(&bytes));
        self.held.extend_from_slice(&held);
        redactor.redact_bytes(&mut bytes);
        bytes
    }

    /// What is left when nothing more comes.
    pub(crate) fn rest(self) -> Bytes {
        let mut rest = self.held.freeze();
        if let Some(redactor) = self.redactor {
            redactor.redact_bytes(&mut rest);
        }
        rest
    }
}

/// A text without a secret that somebody may have repeated in it.
pub(super) fn without(text: &str, secret: &SecretString) -> String {
    let mut text = text.to_owned();
    Redactor::new([("[secret]".to_owned(), secret)]).redact_text(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_found_however_a_program_encodes_it() {
        let base64 = |value| [STANDARD_NO_PAD.encode(value), URL_SAFE_NO_PAD.encode(value)].join(" ");
        assert_eq!(without(&base64("sk-ä\"/+ 123~?>"), &"sk-ä\"/+ 123~?>".into()), "[secret] [secret]");
        // A token of Telegram's form, and one with what JSON and forms write in several ways.
        for (value, echoes) in [
            (
                "123:ABC-d_x",
                &["123%3AABC-d_x", "123%3aABC-d_x", "123%3AABC%2Dd%5Fx", "123%3aABC%2dd%5fx"][..],
            ),
            ("a/b c\"d", &["a\\/b c\\\"d", "a%2Fb+c%22d", "a%2fb+c%22d", "a/b%20c%22d"]),
        ] {
            for echo in echoes {
                assert_eq!(without(&format!("<{echo}>"), &value.into()), "<[secret]>", "{echo}");
            }
        }
    }

    fn redactor(hidden: &[(&str, &str)]) -> Arc<Redactor> {
        let hidden: Vec<(String, SecretString)> =
            hidden.iter().map(|&(shown, value)| (shown.to_owned(), value.into())).collect();
        Arc::new(Redactor::new(hidden.iter().map(|(shown, value)| (shown.clone(), value))))
    }

    proptest! {
        #[test]
        fn wherever_an_answer_is_cut_no_more_of_a_secret_is_seen_than_in_the_whole(
            pieces in proptest::collection::vec("[abc]{0,9}", 0..9)
        ) {
            // Values that begin alike, overlap, and hold one another.
            let redactor = redactor(&[("<A>", "abab"), ("<B>", "ababcc"), ("<C>", "bcab"), ("<D>", "abcabc")]);
            let mut whole = Bytes::from(pieces.concat());
            redactor.redact_bytes(&mut whole);
            let mut seam = Seam::new(Some(redactor));
            let mut passed: Vec<Bytes> =
                pieces.into_iter().map(|piece| seam.pass(Bytes::from(piece))).collect();
            passed.push(seam.rest());
            prop_assert_eq!(Bytes::from(passed.concat()), whole);
        }
    }

    #[test]
    fn only_what_may_begin_a_secret_is_held_back() {
        let mut seam = Seam::new(Some(redactor(&[("[key]", "the-key-123"), ("[other]", "other-value")])));
        assert_eq!(seam.pass(Bytes::from_static(b"data: other-v")), "data: ");
        assert_eq!(seam.pass(Bytes::from_static(b"alu")), "");
        assert_eq!(seam.pass(Bytes::from_static(b"es\n")), "[other]s\n");
        assert_eq!(seam.pass(Bytes::from_static(b"an oth")), "an ");
        assert_eq!(seam.rest(), "oth");
    }
}
