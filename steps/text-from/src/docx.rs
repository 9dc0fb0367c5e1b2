//! DOCX: the text of a word processor, with its headings, lists and tables.

mod styles;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use stepwell_sdk::StepError;

use crate::archive::Archive;
use crate::blocks::{self, Block};
use crate::config::Config;
use crate::detect::Kind;
use crate::document::Document;
use crate::problem;

use styles::{Numbering, Styles};

const WHAT: &str = "the DOCX";

/// Reads a document.
pub(crate) fn read(bytes: &[u8], config: &Config) -> Result<Document, StepError> {
    let mut archive = Archive::open(bytes, WHAT, config)?;
    let mut part = |name: &str| archive.file(name, WHAT);
    let main =
        part("word/document.xml")?.ok_or_else(|| problem::broken(WHAT, "word/document.xml is not in it"))?;
    let mut body = Body {
        styles: Styles::read(&part("word/styles.xml")?.unwrap_or_default(), config)?,
        numbering: Numbering::read(&part("word/numbering.xml")?.unwrap_or_default(), config)?,
        ..Body::default()
    };
    walk(&main, config, &mut body)?;
    for notes in ["word/footnotes.xml", "word/endnotes.xml"] {
        if let Some(notes) = part(notes)? {
            walk(&notes, config, &mut body)?;
        }
    }
    let mut document = Document::new(Kind::Docx);
    let mut properties = Properties { document: &mut document, field: None };
    if let Some(core) = part("docProps/core.xml")? {
        walk(&core, config, &mut properties)?;
    }
    let (text, headings) = blocks::write(&body.blocks);
    document.title = document.metadata.remove("title").or(body.title);
    document.text = text;
    document.headings = headings;
    Ok(document)
}

/// Hears what an XML file says, in its order.
trait Listener {
    fn start(&mut self, name: &[u8], element: &BytesStart<'_>);
    fn end(&mut self, name: &[u8]);
    fn text(&mut self, _text: &str) {}
}

/// Reads an XML file. Entities that it defines itself are not resolved, so that none can grow.
fn walk(xml: &[u8], config: &Config, listener: &mut impl Listener) -> Result<(), StepError> {
    let broken = |reader: &Reader<&[u8]>, error: quick_xml::Error| {
        problem::broken(WHAT, format!("its XML at byte {}: {error}", reader.error_position()))
    };
    let mut reader = Reader::from_reader(xml);
    let mut depth = 0_usize;
    loop {
        match reader.read_event().map_err(|error| broken(&reader, error))? {
            Event::Start(element) => {
                depth += 1;
                if depth > config.max_depth {
                    return Err(problem::limit(
                        "the DOCX nests its XML too deeply",
                        "max_depth",
                        config.max_depth as u64,
                    ));
                }
                listener.start(element.local_name().as_ref(), &element);
            }
            Event::Empty(element) => {
                listener.start(element.local_name().as_ref(), &element);
                listener.end(element.local_name().as_ref());
            }
            Event::End(element) => {
                depth = depth.saturating_sub(1);
                listener.end(element.local_name().as_ref());
            }
            Event::Text(text) => listener.text(&String::from_utf8_lossy(&text)),
            Event::CData(text) => listener.text(&String::from_utf8_lossy(&text)),
            Event::GeneralRef(reference) => listener.text(resolve(&reference).encode_utf8(&mut [0; 4])),
            Event::Eof if depth > 0 => return Err(problem::broken(WHAT, "its XML ends too soon")),
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn resolve(reference: &BytesRef<'_>) -> char {
    match &reference[..] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        _ => reference.resolve_char_ref().ok().flatten().unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

/// An attribute's value, whatever its name's prefix.
fn attribute(element: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    let attribute = element
        .attributes()
        .with_checks(false)
        .flatten()
        .find(|one| one.key.local_name().as_ref() == name)?;
    Some(String::from_utf8_lossy(&attribute.value).into_owned())
}

#[derive(Default)]
struct Body {
    styles: Styles,
    numbering: Numbering,
    blocks: Vec<Block>,
    title: Option<String>,
    paragraph: String,
    style: Option<String>,
    /// The list that the paragraph is in, and how deep.
    list: Option<(String, usize)>,
    /// How far each list has counted, by depth.
    counted: std::collections::BTreeMap<(String, usize), usize>,
    /// The rows of the table that is read. A table in a table is read as part of its cell.
    rows: Vec<Vec<String>>,
    tables: usize,
    /// Within an element whose characters are text.
    in_text: bool,
    /// Within the second version of something, for older readers.
    fallbacks: usize,
}

impl Listener for Body {
    fn start(&mut self, name: &[u8], element: &BytesStart<'_>) {
        let value = || attribute(element, b"val");
        match name {
            b"Fallback" => self.fallbacks += 1,
            b"t" => self.in_text = true,
            b"tab" if self.tables == 0 => self.paragraph.push('\t'),
            b"br" | b"cr" => self.paragraph.push('\n'),
            b"pStyle" => self.style = value(),
            b"numId" => {
                let depth = self.list.take().map_or(0, |(_, depth)| depth);
                self.list = value().filter(|list| list != "0").map(|list| (list, depth));
            }
            b"ilvl" => {
                let depth = value().and_then(|depth| depth.parse().ok()).unwrap_or(0);
                self.list = Some((String::new(), depth));
            }
            b"tbl" => {
                self.end_paragraph();
                self.tables += 1;
            }
            b"tr" if self.tables == 1 => self.rows.push(Vec::new()),
            b"tc" if self.tables == 1 => {
                if let Some(row) = self.rows.last_mut() {
                    row.push(String::new());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        match name {
            b"Fallback" => self.fallbacks = self.fallbacks.saturating_sub(1),
            b"t" => self.in_text = false,
            b"p" => self.end_paragraph(),
            b"tbl" => {
                self.tables = self.tables.saturating_sub(1);
                let rows = if self.tables == 0 { std::mem::take(&mut self.rows) } else { Vec::new() };
                if rows.iter().flatten().any(|cell| !cell.is_empty()) {
                    self.blocks.push(Block::Table(rows));
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_text && self.fallbacks == 0 {
            self.paragraph.push_str(text);
        }
    }
}

impl Body {
    fn end_paragraph(&mut self) {
        let text = std::mem::take(&mut self.paragraph).trim().to_string();
        let style = self.style.take();
        let list = self.list.take().filter(|(list, _)| !list.is_empty());
        if text.is_empty() {
            return;
        }
        if self.tables > 0 {
            if let Some(cell) = self.rows.last_mut().and_then(|row| row.last_mut()) {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&text);
            }
            return;
        }
        let role = style.as_deref().map(|style| self.styles.role(style)).unwrap_or_default();
        let list = list.or(role.list);
        if let Some(level) = role.heading {
            if role.is_title {
                self.title.get_or_insert_with(|| text.clone());
            }
            self.blocks.push(Block::Heading(level, blocks::squeeze(&text)));
        } else if let Some((list, depth)) = list {
            let number = self.numbering.counts(&list, depth).then(|| self.count(&list, depth));
            self.blocks.push(Block::Item { depth, number, text: blocks::squeeze(&text) });
        } else {
            self.blocks.push(Block::Paragraph(text));
        }
    }

    /// The next number of a list; those below it begin anew.
    fn count(&mut self, list: &str, depth: usize) -> usize {
        self.counted.retain(|(other, deeper), _| other != list || *deeper <= depth);
        let counted = self.counted.entry((list.into(), depth)).or_default();
        *counted += 1;
        *counted
    }
}

/// `docProps/core.xml`.
struct Properties<'a> {
    document: &'a mut Document,
    field: Option<&'static str>,
}

impl Listener for Properties<'_> {
    fn start(&mut self, name: &[u8], _: &BytesStart<'_>) {
        self.field = match name {
            b"title" => Some("title"),
            b"creator" => Some("author"),
            b"subject" => Some("subject"),
            b"keywords" => Some("keywords"),
            b"created" => Some("created"),
            b"modified" => Some("modified"),
            b"language" => Some("language"),
            _ => None,
        };
    }

    fn end(&mut self, _: &[u8]) {
        self.field = None;
    }

    fn text(&mut self, text: &str) {
        if let Some(field) = self.field {
            let value = self.document.metadata.remove(field).unwrap_or_default() + text;
            self.document.note(field, Some(value));
        }
    }
}
