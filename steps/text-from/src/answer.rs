//! Fits a document into what the answer may have of it: so many characters of text, and so many bytes as JSON. The second is exact, because
//! what a character costs depends on it, from one byte to six, and an answer that is too large is none at all.

use std::io;

use serde::Serialize;

use crate::document::{Document, Page, Table};

/// What ends a text that was cut.
const CUT: &str = "[…]";

/// Bytes for the names of what a document has, and for the marks where it was cut.
const SPARE: usize = 160;

/// How many bytes something has as JSON.
pub(crate) fn size(value: &impl Serialize) -> usize {
    let mut counter = Counter(0);
    // Of what is answered, nothing can fail to be written: it is text, numbers, and lists of them.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Cuts a document's text to so many characters, with its headings and pages.
pub(crate) fn cut(document: &mut Document, chars: usize) {
    document.truncated = true;
    cut_text(&mut document.text, chars);
    document.headings.retain(|heading| heading.start < chars);
    document.pages.retain(|page| page.start < chars);
    if let Some(last) = document.pages.last_mut()
        && last.text.chars().count() > chars - last.start
    {
        cut_text(&mut last.text, chars - last.start);
    }
}

/// Cuts a text to so many characters, in sight.
pub(crate) fn cut_text(text: &mut String, chars: usize) {
    let end = text.char_indices().nth(chars).map_or(text.len(), |(end, _)| end);
    text.truncate(end);
    text.push_str(CUT);
}

/// Leaves out of a document, of what it says of itself, of its tables and of its text in this order, what is more than so many bytes. Tells
/// whether anything was.
pub(crate) fn fit(document: &mut Document, bytes: usize) -> bool {
    let mut left = bytes.saturating_sub(SPARE);
    let mut fits = fit_fields(document, &mut left);
    fits &= fit_tables(&mut document.tables, &mut left);
    if let Some(chars) = fitting_chars(document, left) {
        cut(document, chars);
        fits = false;
    }
    document.truncated |= !fits;
    !fits
}

fn fit_fields(document: &mut Document, left: &mut usize) -> bool {
    let fields = size(&document.title) + size(&document.metadata);
    if take(left, fields) {
        return true;
    }
    document.title = None;
    document.metadata.clear();
    false
}

fn fit_tables(tables: &mut Vec<Table>, left: &mut usize) -> bool {
    let mut kept = 0;
    let mut fits = true;
    for table in tables.iter_mut() {
        let rows = std::mem::take(&mut table.rows);
        if !take(left, size(table) + 1) {
            fits = false;
            break;
        }
        let all = rows.len();
        table.rows = rows.into_iter().take_while(|row| take(left, size(row) + 1)).collect();
        table.truncated |= table.rows.len() < all;
        fits &= table.rows.len() == all;
        kept += 1;
    }
    tables.truncate(kept);
    fits
}

/// How many characters of the text fit, with the headings and pages that start there; none if all do.
fn fitting_chars(document: &Document, mut left: usize) -> Option<usize> {
    // A page has its text once more.
    let copies = if document.pages.is_empty() { 1 } else { 2 };
    let mut headings = document.headings.iter().peekable();
    let mut pages = document.pages.iter().peekable();
    let costs = document.text.chars().map(|character| copies * cost(character)).chain([0]);
    for (place, mut cost) in costs.enumerate() {
        while let Some(heading) = headings.next_if(|heading| heading.start <= place) {
            cost += size(heading) + 1;
        }
        while let Some(page) = pages.next_if(|page| page.start <= place) {
            cost += size(&Page { text: String::new(), ..*page }) + 1;
        }
        if !take(&mut left, cost) {
            return Some(place);
        }
    }
    None
}

/// Bytes of a character in a JSON string.
fn cost(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        character if character < ' ' => 6,
        character => character.len_utf8(),
    }
}

fn take(left: &mut usize, cost: usize) -> bool {
    let rest = left.checked_sub(cost);
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::detect::Kind;
    use crate::document::Heading;

    fn document(pages: Vec<String>, rows: Vec<Vec<String>>, title: String, headings: usize) -> Document {
        let mut document = Document::new(Kind::Pdf);
        for (place, text) in pages.into_iter().enumerate() {
            let start = document.text.chars().count();
            document.text.push_str(&text);
            document.pages.push(Page { number: place + 1, start, text });
        }
        let headings = headings.min(document.text.chars().count());
        document.headings =
            (0..headings).map(|start| Heading { level: 1, text: "h\n".into(), start }).collect();
        document.tables = vec![Table { name: Some("t".into()), rows, truncated: false }];
        document.note("author", Some(&title));
        document.title = Some(title);
        document.page_count = Some(document.pages.len());
        document
    }

    proptest! {
        #[test]
        fn whatever_it_holds_a_document_fits(
            pages in vec(any::<String>(), 0..8),
            rows in vec(vec(any::<String>(), 0..4), 0..4),
            title in any::<String>(),
            headings in 0..40_usize,
            bytes in 300..2_000_usize,
        ) {
            let mut document = document(pages, rows, title, headings);
            let before = size(&document);
            let is_cut = fit(&mut document, bytes);
            prop_assert!(size(&document) <= bytes, "{} > {bytes}", size(&document));
            prop_assert_eq!(is_cut, document.truncated);
            prop_assert!(before > bytes - SPARE || !is_cut);
        }
    }

    #[test]
    fn a_page_costs_its_text_twice() {
        let mut document = document(vec!["é".repeat(1_000)], vec![], String::new(), 0);
        assert!(fit(&mut document, 3_000));
        assert!((600..700).contains(&document.text.chars().count()));
        assert_eq!(document.text, document.pages[0].text);
    }
}
