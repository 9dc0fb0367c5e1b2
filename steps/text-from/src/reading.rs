//! One document being read, with those that are attached to it: what they may have of text together.

use stepwell_sdk::StepError;

use crate::blocks::{self, Block};
use crate::charset;
use crate::config::{Config, TooLong};
use crate::detect::{self, Kind, Said};
use crate::document::{Document, Heading};
use crate::{docx, html, mail, pdf, problem, tables};

/// What ends a text that was cut.
const CUT: &str = "[…]";

/// How much may still come.
pub(crate) struct Reading<'a> {
    config: &'a Config,
    chars: usize,
    attachments: usize,
    /// Whether the text is longer than it may be, and the workflow wants no part of one.
    is_refused: bool,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(config: &'a Config) -> Self {
        Self { config, chars: config.max_chars, attachments: config.max_attachments, is_refused: false }
    }

    /// Reads a document; of an e-mail, its attachments so deep.
    pub(crate) fn document(
        &mut self,
        bytes: &[u8],
        said: Said<'_>,
        depth: usize,
    ) -> Result<Document, StepError> {
        let text = || charset::decode(bytes, said.media_type.and_then(charset::of_media_type));
        let mut document = match detect::kind(bytes, said)? {
            // It has attachments to share with, and sees to the limit itself.
            Kind::Email => return mail::read(bytes, self, depth),
            Kind::Pdf => pdf::read(bytes, self.config)?,
            Kind::Docx => docx::read(bytes, self.config)?,
            Kind::Xlsx => tables::read_xlsx(bytes, self.config)?,
            Kind::Csv => encoded(tables::read_csv(&text().0, self.config)?, text().1),
            Kind::Html => page(&label_of_page(bytes, said)),
            kind @ (Kind::Markdown | Kind::Text) => {
                let (text, encoding) = text();
                encoded(plain(kind, text), encoding)
            }
        };
        self.fit(&mut document)?;
        Ok(document)
    }

    /// Whether there may be one more attachment.
    pub(crate) fn take_attachment(&mut self) -> bool {
        let may = self.attachments > 0;
        self.attachments = self.attachments.saturating_sub(1);
        may
    }

    /// Whether an error is that of the whole, not of one attachment.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Cuts a document's text to what may still come, or refuses it.
    pub(crate) fn fit(&mut self, document: &mut Document) -> Result<(), StepError> {
        let length = document.text.chars().count();
        if length <= self.chars {
            self.chars -= length;
            return Ok(());
        }
        if self.config.too_long == TooLong::Fail {
            self.is_refused = true;
            let long = format!("{} has {length} characters", document.kind.article());
            return Err(problem::limit(&long, "max_chars", self.config.max_chars as u64));
        }
        cut(document, std::mem::take(&mut self.chars));
        Ok(())
    }
}

fn cut(document: &mut Document, chars: usize) {
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

fn cut_text(text: &mut String, chars: usize) {
    let end = text.char_indices().nth(chars).map_or(text.len(), |(end, _)| end);
    text.truncate(end);
    text.push_str(CUT);
}

fn encoded(mut document: Document, encoding: &str) -> Document {
    document.note("charset", Some(encoding));
    document
}

/// A page may say itself how it is encoded, early on.
fn label_of_page(bytes: &[u8], said: Said<'_>) -> String {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    let own = head.split("charset=").nth(1).map(|rest| {
        rest.trim_start_matches(['"', '\'']).split(['"', '\'', '>', ';', ' ', '/']).next().unwrap_or_default()
    });
    let label = said.media_type.and_then(charset::of_media_type).or(own);
    charset::decode(bytes, label).0
}

fn page(html: &str) -> Document {
    let page = html::read(html);
    let mut document = Document::new(Kind::Html);
    let first = page.blocks.iter().find_map(|block| match block {
        Block::Heading(1, says) => Some(says.clone()),
        _ => None,
    });
    document.title = page.title.or(first);
    (document.text, document.headings) = blocks::write(&page.blocks);
    document
}

/// A text as it is; of Markdown, the headings are found.
fn plain(kind: Kind, text: String) -> Document {
    let mut document = Document::new(kind);
    if kind == Kind::Markdown {
        document.headings = headings(&text);
        document.title =
            document.headings.iter().find(|heading| heading.level == 1).map(|one| one.text.clone());
    }
    document.text = text;
    document
}

/// Lines that begin with `#`, outside of code.
fn headings(text: &str) -> Vec<Heading> {
    let mut headings = Vec::new();
    let (mut start, mut in_code) = (0, false);
    for line in text.split_inclusive('\n') {
        in_code ^= line.starts_with("```") || line.starts_with("~~~");
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        let says = line[level..].trim();
        if !in_code && (1..=6).contains(&level) && line[level..].starts_with(' ') && !says.is_empty() {
            let level = u8::try_from(level).unwrap_or(6);
            headings.push(Heading { level, text: says.trim_end_matches('#').trim().into(), start });
        }
        start += line.chars().count();
    }
    headings
}
