//! From bytes to text: what a byte order mark or a label says holds, and the rest is guessed.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};

/// How much is looked at to guess an encoding.
const SAMPLE: usize = 64 << 10;

/// A text, and the name of the encoding that it was in. Bytes that fit no encoding become U+FFFD.
pub(crate) fn decode(bytes: &[u8], label: Option<&str>) -> (String, &'static str) {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None if std::str::from_utf8(bytes).is_ok() => UTF_8,
        None => label.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or_else(|| guess(bytes)),
    };
    let (text, _) = encoding.decode_with_bom_removal(bytes);
    (text.replace("\r\n", "\n").replace('\r', "\n"), encoding.name())
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    detector.feed(sample, sample.len() == bytes.len());
    detector.guess(None, Utf8Detection::Deny)
}

/// The `charset` of a media type.
pub(crate) fn of_media_type(media_type: &str) -> Option<&str> {
    media_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_by_mark_by_label_and_by_guess() {
        assert_eq!(decode(b"\xff\xfea\0\r\0\n\0", None), ("a\n".into(), "UTF-16LE"));
        assert_eq!(decode("é".as_bytes(), Some("iso-8859-1")), ("é".into(), "UTF-8"));
        assert_eq!(decode(b"caf\xe9", of_media_type("text/plain; Charset=\"latin1\"")).0, "café");
        let german = b"Die M\xfchle geh\xf6rt der Stra\xdfenbahn, sagt J\xf6rg.";
        assert_eq!(decode(german, None).0, "Die Mühle gehört der Straßenbahn, sagt Jörg.");
        let (japanese, _) =
            decode(b"\x93\xfa\x96\x7b\x8c\xea\x82\xcc\x95\xb6\x8f\x91\x82\xc5\x82\xb7\x81B", None);
        assert_eq!(japanese, "日本語の文書です。");
    }
}
