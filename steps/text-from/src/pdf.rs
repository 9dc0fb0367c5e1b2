//! PDF: what stands on its pages.

mod content;
mod fonts;
mod guard;
mod lines;
mod page;

use hayro_syntax::object::DateTime;
use hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use stepwell_sdk::StepError;

use crate::charset;
use crate::config::Config;
use crate::detect::Kind;
use crate::document::{Document, Page};
use crate::problem;

use content::Content;

const WHAT: &str = "the PDF";

/// Reads a document, no more of it than so many characters and those that show that there are more. One with a password for its owner alone
/// opens without.
pub(crate) fn read(bytes: &[u8], config: &Config, chars: usize) -> Result<Document, StepError> {
    guard::check(bytes, config)?;
    let pdf = Pdf::new(bytes.to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => problem::encrypted(WHAT),
        LoadPdfError::Decryption(error) => problem::broken(WHAT, format!("its encryption: {error:?}")),
        LoadPdfError::Invalid => problem::broken(WHAT, "it is broken, or ends too soon"),
    })?;
    let pages = pdf.pages();
    if pages.is_empty() {
        return Err(problem::broken(WHAT, "it has no pages"));
    }
    if pages.len() > config.max_pages {
        let many = format!("{WHAT} has {} pages", pages.len());
        return Err(problem::limit(&many, "max_pages", config.max_pages as u64));
    }
    let mut document = Document::new(Kind::Pdf);
    let mut content = Content::new(config);
    document.page_count = Some(pages.len());
    document.needs_ocr = true;
    let mut length = 0;
    for (place, page) in pages.iter().enumerate() {
        if place > 0 {
            document.text.push_str("\n\n");
            length += 2;
        }
        if length > chars && !document.needs_ocr {
            break;
        }
        let text = page::read(page, &mut content, chars.saturating_sub(length))?;
        document.needs_ocr &= text.is_empty();
        document.text.push_str(&text);
        document.pages.push(Page { number: place + 1, start: length, text });
        length += document.pages[place].text.chars().count();
    }
    if document.needs_ocr {
        document.text.clear();
        document.pages.iter_mut().for_each(|page| page.start = 0);
    }
    if content.unreadable > 0 {
        stepwell_sdk::warn!(
            unreadable = content.unreadable,
            "some characters of the PDF cannot be told: its fonts do not say what they are"
        );
    }
    describe(&pdf, &mut document);
    Ok(document)
}

fn describe(pdf: &Pdf, document: &mut Document) {
    let said = pdf.metadata();
    let text = |bytes: &Option<Box<[u8]>>| bytes.as_deref().map(text);
    document.title =
        text(&said.title).map(|title| title.trim().to_string()).filter(|title| !title.is_empty());
    document.note("author", text(&said.author));
    document.note("subject", text(&said.subject));
    document.note("keywords", text(&said.keywords));
    document.note("creator", text(&said.creator));
    document.note("producer", text(&said.producer));
    document.note("created", said.creation_date.as_ref().map(date));
    document.note("modified", said.modification_date.as_ref().map(date));
}

/// A string as a PDF's own encoding has it, unless it says that it is in another.
fn text(bytes: &[u8]) -> String {
    const OWN: &str = "•†‡…—–ƒ⁄‹›−‰„“”‘’‚™ﬁﬂŁŒŠŸŽıłœšž\u{fffd}€";
    if bytes.starts_with(&[0xfe, 0xff])
        || bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xef, 0xbb, 0xbf])
    {
        return charset::decode(bytes, None).0;
    }
    let own = |byte: u8| byte.checked_sub(0x80).and_then(|place| OWN.chars().nth(usize::from(place)));
    bytes.iter().map(|byte| own(*byte).unwrap_or(char::from(*byte))).filter(|one| !one.is_control()).collect()
}

fn date(date: &DateTime) -> String {
    let DateTime { year, month, day, hour, minute, second, utc_offset_hour, utc_offset_minute } = date;
    let zone = match (utc_offset_hour, utc_offset_minute) {
        (0, 0) => "Z".into(),
        (hours, minutes) => format!("{hours:+03}:{minutes:02}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_in_the_own_encoding_or_in_utf_16() {
        assert_eq!(text(b"a\x85b \x93\xa0\xe9\0"), "a–b ﬁ€é");
        assert_eq!(text(b"\xfe\xff\x20\x13"), "–");
    }
}
