//! One document being read, with those that are attached to it: what they may have together, of text, of cells and of the answer.

use serde::Serialize;
use stepwell_sdk::StepError;

use crate::answer;
use crate::blocks::Writer;
use crate::charset;
use crate::config::{Config, TooLong};
use crate::detect::{self, Kind, Said};
use crate::document::{Document, Heading};
use crate::{docx, html, mail, pdf, problem, tables};

/// Bytes that the answer needs for an attachment of which nothing is read: its blob, with all that a sender can make long, and a problem.
const ATTACHMENT: usize = 8 << 10;

/// Bytes for the names of what an attachment has.
const NAMES: usize = 48;

/// What may still come.
pub(crate) struct Left {
    /// Characters of text.
    pub(crate) chars: usize,
    /// Characters of tables, and one more for each cell and each row.
    pub(crate) cells: usize,
    /// Bytes of the answer as JSON.
    bytes: usize,
    attachments: usize,
}

impl Left {
    pub(crate) fn all(config: &Config) -> Self {
        Self {
            chars: config.max_chars,
            cells: config.max_chars,
            bytes: config.max_output_bytes,
            attachments: config.max_attachments,
        }
    }
}

/// How far the documents are read.
pub(crate) struct Reading<'a> {
    config: &'a Config,
    left: Left,
    /// Whether there is more than may be, and the workflow wants no part of it.
    is_refused: bool,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(config: &'a Config) -> Self {
        Self { config, left: Left::all(config), is_refused: false }
    }

    pub(crate) fn config(&self) -> &'a Config {
        self.config
    }

    /// Characters of text that may still come.
    pub(crate) fn chars(&self) -> usize {
        self.left.chars
    }

    /// Reads a document; of an e-mail, its attachments so deep.
    pub(crate) fn document(
        &mut self,
        bytes: &[u8],
        said: Said<'_>,
        depth: usize,
    ) -> Result<Document, StepError> {
        let (config, chars) = (self.config, self.left.chars);
        let text = || charset::decode(bytes, said.media_type.and_then(charset::of_media_type));
        let mut document = match detect::kind(bytes, said)? {
            // It has attachments to share with, and sees to the limits itself.
            Kind::Email => return mail::read(bytes, self, depth),
            Kind::Pdf => pdf::read(bytes, config, chars)?,
            Kind::Docx => docx::read(bytes, config, chars)?,
            Kind::Xlsx => tables::read_xlsx(bytes, config, &mut self.left)?,
            Kind::Csv => {
                let (text, encoding) = text();
                encoded(tables::read_csv(&text, config, &mut self.left)?, encoding)
            }
            Kind::Html => page(&label_of_page(bytes, said), config, chars),
            kind @ (Kind::Markdown | Kind::Text) => {
                let (text, encoding) = text();
                encoded(plain(kind, text, chars), encoding)
            }
        };
        self.fit(&mut document)?;
        Ok(document)
    }

    /// Whether there may be one more attachment.
    pub(crate) fn take_attachment(&mut self) -> bool {
        let may = self.left.attachments > 0 && self.left.bytes >= ATTACHMENT;
        self.left.attachments = self.left.attachments.saturating_sub(1);
        may
    }

    /// Counts something that an attachment has beside what is read of it.
    pub(crate) fn spend(&mut self, value: &impl Serialize) {
        self.left.bytes = self.left.bytes.saturating_sub(answer::size(value) + NAMES);
    }

    /// Whether an error is that of the whole, not of one attachment.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Cuts a document to what may still come, or refuses it.
    pub(crate) fn fit(&mut self, document: &mut Document) -> Result<(), StepError> {
        let length = document.text.chars().count();
        let is_long = length > self.left.chars;
        let has_too_many_cells = self.left.cells == 0 && document.tables.iter().any(|table| table.truncated);
        if is_long || has_too_many_cells {
            self.refuse(document, "text is too long", "max_chars", self.config.max_chars)?;
        }
        if is_long {
            answer::cut(document, self.left.chars);
        }
        self.left.chars = self.left.chars.saturating_sub(length);
        if answer::fit(document, self.left.bytes) {
            self.refuse(document, "content is too long", "max_output_bytes", self.config.max_output_bytes)?;
        }
        self.left.bytes = self.left.bytes.saturating_sub(answer::size(document));
        Ok(())
    }

    /// Refuses a document that is too long, if the workflow says so.
    fn refuse(&mut self, document: &Document, why: &str, limit: &str, value: usize) -> Result<(), StepError> {
        if self.config.too_long == TooLong::Cut {
            return Ok(());
        }
        self.is_refused = true;
        let what = format!("{} whose {why}", document.kind.article());
        Err(problem::limit(&what, limit, value as u64))
    }
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

fn page(html: &str, config: &Config, chars: usize) -> Document {
    let mut document = Document::new(Kind::Html);
    let mut writer = Writer::new(chars);
    let page = html::read(html, config, &mut writer);
    (document.text, document.headings) = writer.finish();
    document.title = page.title.or_else(|| title(&document.headings));
    document.truncated = page.truncated;
    document
}

/// The first of the highest headings.
fn title(headings: &[Heading]) -> Option<String> {
    headings.iter().find(|heading| heading.level == 1).map(|heading| heading.text.clone())
}

/// A text as it is; of Markdown, the headings are found.
fn plain(kind: Kind, text: String, chars: usize) -> Document {
    let mut document = Document::new(kind);
    if kind == Kind::Markdown {
        document.headings = headings(&text, chars);
        document.title = title(&document.headings);
    }
    document.text = text;
    document
}

/// Lines that begin with `#`, outside of code, as far as the text may go.
fn headings(text: &str, chars: usize) -> Vec<Heading> {
    let mut headings = Vec::new();
    let (mut start, mut in_code) = (0, false);
    for line in text.split_inclusive('\n') {
        if start >= chars {
            break;
        }
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
