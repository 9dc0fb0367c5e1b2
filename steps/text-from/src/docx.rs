//! DOCX: the text of a word processor, with its headings, lists and tables.

mod body;
mod styles;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use stepwell_sdk::StepError;

use crate::archive::Archive;
use crate::blocks::Writer;
use crate::config::Config;
use crate::detect::Kind;
use crate::document::Document;
use crate::problem;

use body::Body;
use styles::{Numbering, Styles};

const WHAT: &str = "the DOCX";

/// The most bytes of an attribute: ids, names and numbers are short, and many elements may ask for the same.
const MAX_ATTRIBUTE: usize = 1_024;

/// Reads a document, no more of it than so many characters and those that show that there are more.
pub(crate) fn read(bytes: &[u8], config: &Config, chars: usize) -> Result<Document, StepError> {
    let mut archive = Archive::open(bytes, WHAT, config)?;
    let mut part = |name: &str| archive.file(name);
    let main =
        part("word/document.xml")?.ok_or_else(|| problem::broken(WHAT, "word/document.xml is not in it"))?;
    let styles = Styles::read(&part("word/styles.xml")?.unwrap_or_default(), config)?;
    let numbering = Numbering::read(&part("word/numbering.xml")?.unwrap_or_default(), config)?;
    let mut body = Body::new(config, Writer::new(chars), styles, numbering);
    walk(&main, config, &mut body)?;
    for notes in ["word/footnotes.xml", "word/endnotes.xml"] {
        if let Some(notes) = part(notes)? {
            walk(&notes, config, &mut body)?;
        }
    }
    let mut document = Document::new(Kind::Docx);
    let mut properties = Properties { document: &mut document, field: None, text: String::new() };
    if let Some(core) = part("docProps/core.xml")? {
        walk(&core, config, &mut properties)?;
    }
    document.title = document.metadata.remove("title").or(body.title);
    document.truncated = body.truncated;
    (document.text, document.headings) = body.writer.finish();
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

/// An attribute's value, whatever its name's prefix; none if it is too long to be one.
fn attribute(element: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    let attribute = element
        .attributes()
        .with_checks(false)
        .flatten()
        .find(|one| one.key.local_name().as_ref() == name)
        .filter(|one| one.value.len() <= MAX_ATTRIBUTE)?;
    Some(String::from_utf8_lossy(&attribute.value).into_owned())
}

/// `docProps/core.xml`.
struct Properties<'a> {
    document: &'a mut Document,
    field: Option<&'static str>,
    /// What the field says so far.
    text: String,
}

impl Listener for Properties<'_> {
    fn start(&mut self, name: &[u8], _: &BytesStart<'_>) {
        self.text.clear();
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
        let text = std::mem::take(&mut self.text);
        if let Some(field) = self.field.take() {
            self.document.note(field, Some(text));
        }
    }

    fn text(&mut self, text: &str) {
        if self.field.is_some() {
            self.text.push_str(text);
        }
    }
}
