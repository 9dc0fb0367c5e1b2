//! What kind of document some bytes are: by the bytes, and only where these leave it open by name and media type.

use schemars::JsonSchema;
use serde::Serialize;
use stepwell_sdk::StepError;

use crate::problem;

const PDF: &[u8] = b"%PDF-";

/// How far into a file the signature of a PDF may stand.
const PDF_PREFIX: usize = 1024;

/// How much of a text is looked at to tell what it is.
const HEAD: usize = 4096;

/// A kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Portable Document Format.
    Pdf,
    /// A text document of Word and others.
    Docx,
    /// A workbook of Excel and others.
    Xlsx,
    /// A web page.
    Html,
    /// A message as RFC 5322 has it.
    Email,
    /// Values separated by commas, semicolons, tabs or bars.
    Csv,
    /// Text with marks.
    Markdown,
    /// Any other text.
    Text,
}

/// What people say of the bytes.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Said<'a> {
    /// A file's name.
    pub(crate) name: Option<&'a str>,
    pub(crate) media_type: Option<&'a str>,
}

/// Tells the kind.
pub(crate) fn kind(bytes: &[u8], said: Said<'_>) -> Result<Kind, StepError> {
    if let Some(kind) = by_signature(bytes)? {
        return Ok(kind);
    }
    let named = said.name.and_then(by_name).or_else(|| said.media_type.and_then(by_media_type));
    match named {
        // Some have something else in front, which readers pass over.
        Some(Kind::Pdf) if contains(&bytes[..bytes.len().min(PDF_PREFIX)], PDF) => Ok(Kind::Pdf),
        Some(kind @ (Kind::Pdf | Kind::Docx | Kind::Xlsx)) => Err(problem::unknown(format!(
            "the document is said to be {}, and its bytes are not: {}",
            kind.article(),
            seen(bytes)
        ))),
        _ if !is_text(bytes) => Err(problem::unknown(format!(
            "the document is none that can be read (PDF, DOCX, XLSX, CSV, HTML, e-mail, Markdown, plain text): {}",
            seen(bytes)
        ))),
        Some(kind @ (Kind::Html | Kind::Email | Kind::Csv | Kind::Markdown)) => Ok(kind),
        _ => Ok(by_content(bytes)),
    }
}

impl Kind {
    /// As a message says it.
    pub(crate) fn article(self) -> &'static str {
        match self {
            Self::Pdf => "a PDF",
            Self::Docx => "a DOCX",
            Self::Xlsx => "an XLSX",
            Self::Html => "an HTML page",
            Self::Email => "an e-mail",
            Self::Csv => "a CSV",
            Self::Markdown => "a Markdown text",
            Self::Text => "a plain text",
        }
    }
}

fn by_signature(bytes: &[u8]) -> Result<Option<Kind>, StepError> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return in_archive(bytes).map(Some);
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Err(compound(bytes));
    }
    if let Some(image) = image(bytes) {
        return Err(problem::unknown(format!("the document is {image}: `ocr` reads the text of images")));
    }
    Ok(bytes.trim_ascii_start().starts_with(PDF).then_some(Kind::Pdf))
}

/// The names of an archive's files stand in it as they are.
fn in_archive(bytes: &[u8]) -> Result<Kind, StepError> {
    if contains(bytes, b"word/document.xml") {
        Ok(Kind::Docx)
    } else if contains(bytes, b"xl/workbook.xml") {
        Ok(Kind::Xlsx)
    } else {
        Err(problem::unknown(
            "the document is a ZIP archive that is neither DOCX nor XLSX, or it ends too soon",
        ))
    }
}

/// Office files with a password, and those from before 2007, share a container.
fn compound(bytes: &[u8]) -> StepError {
    let package: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    if contains(bytes, &package) {
        problem::encrypted("the Office document")
    } else {
        problem::unknown(
            "the document is of an Office from before 2007 (DOC, XLS, PPT, MSG): save it as DOCX or XLSX",
        )
    }
}

fn image(bytes: &[u8]) -> Option<&'static str> {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    let is_heic = bytes.get(4..8) == Some(b"ftyp") && bytes.get(8..11) == Some(b"hei");
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("a PNG image"),
        [0xff, 0xd8, 0xff, ..] => Some("a JPEG image"),
        [b'G', b'I', b'F', b'8', ..] => Some("a GIF image"),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("a TIFF image"),
        _ if is_webp => Some("a WebP image"),
        _ if is_heic => Some("an HEIC image"),
        _ => None,
    }
}

fn by_name(name: &str) -> Option<Kind> {
    match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "pdf" => Some(Kind::Pdf),
        "docx" | "docm" | "dotx" => Some(Kind::Docx),
        "xlsx" | "xlsm" => Some(Kind::Xlsx),
        "html" | "htm" | "xhtml" => Some(Kind::Html),
        "eml" => Some(Kind::Email),
        "csv" | "tsv" => Some(Kind::Csv),
        "md" | "markdown" => Some(Kind::Markdown),
        "txt" | "text" | "log" => Some(Kind::Text),
        _ => None,
    }
}

fn by_media_type(media_type: &str) -> Option<Kind> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/pdf" => Some(Kind::Pdf),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => Some(Kind::Docx),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Some(Kind::Xlsx),
        "text/html" | "application/xhtml+xml" => Some(Kind::Html),
        "message/rfc822" => Some(Kind::Email),
        "text/csv" | "text/tab-separated-values" => Some(Kind::Csv),
        "text/markdown" => Some(Kind::Markdown),
        _ => None,
    }
}

/// For texts that nobody said anything of, or no more than that they are text.
fn by_content(bytes: &[u8]) -> Kind {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]);
    let head = head.trim_start_matches('\u{feff}').trim_start();
    let start = head.get(..14).unwrap_or(head).to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        Kind::Html
    } else if is_mail(head) {
        Kind::Email
    } else {
        Kind::Text
    }
}

/// Whether a text begins with header fields, two of which every message has or passes a server with.
fn is_mail(head: &str) -> bool {
    const KNOWN: [&str; 9] = [
        "from",
        "to",
        "subject",
        "date",
        "received",
        "message-id",
        "mime-version",
        "return-path",
        "delivered-to",
    ];
    let mut known = 0;
    for line in head.lines().take_while(|line| !line.is_empty()) {
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { return false };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return false;
        }
        known += usize::from(KNOWN.iter().any(|field| name.eq_ignore_ascii_case(field)));
    }
    known >= 2
}

/// Text has no zero bytes, unless it is in UTF-16 and says so.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    is_utf16 || !bytes[..bytes.len().min(HEAD)].contains(&0)
}

fn seen(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "it is empty".into();
    }
    let first: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("it begins with the bytes {}", first.join(" "))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(bytes: &[u8], name: &str) -> Result<Kind, StepError> {
        kind(bytes, Said { name: Some(name), media_type: None })
    }

    #[test]
    fn bytes_win_over_names_and_names_over_media_types() {
        assert_eq!(named(b"%PDF-1.7\n", "a.txt").unwrap(), Kind::Pdf);
        let both = Said { name: Some("a.csv"), media_type: Some("text/html") };
        assert_eq!(kind(b"a,b", both).unwrap(), Kind::Csv);
        let html = Said { name: None, media_type: Some("Text/HTML; charset=utf-8") };
        assert_eq!(kind(b"a", html).unwrap(), Kind::Html);
        assert_eq!(kind(b"a", Said::default()).unwrap(), Kind::Text);
    }

    #[test]
    fn a_text_is_looked_into() {
        for (text, expected) in [
            ("\u{feff} <!DOCTYPE html><p>", Kind::Html),
            ("From: a@example.com\r\nSubject: x\r\n\r\nbody", Kind::Email),
            ("From: here\nTo the end", Kind::Text),
            ("Note: this\n", Kind::Text),
        ] {
            assert_eq!(kind(text.as_bytes(), Said::default()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_only_pretends_is_named_for_what_it_is() {
        let error = named(b"\x89PNG\r\n\x1a\n", "scan.pdf").unwrap_err();
        assert!(error.message.contains("a PNG image") && error.message.contains("`ocr`"), "{error}");
        let error = named(b"hello", "scan.pdf").unwrap_err();
        assert!(error.message.contains("said to be a PDF") && error.message.contains("68 65 6c"), "{error}");
        let error = named(b"", "a.docx").unwrap_err();
        assert!(error.message.contains("it is empty"), "{error}");
        assert!(named(b"PK\x03\x04zzz", "a.docx").unwrap_err().message.contains("ZIP archive"));
        assert!(named(b"\x00\x01", "a").unwrap_err().message.contains("none that can be read"));
    }

    #[test]
    fn office_files_with_a_password_are_told_from_old_ones() {
        let mut bytes = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
        assert!(named(&bytes, "a.doc").unwrap_err().message.contains("before 2007"));
        bytes.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
        assert!(named(&bytes, "a.docx").unwrap_err().message.contains("encrypted"));
    }
}
