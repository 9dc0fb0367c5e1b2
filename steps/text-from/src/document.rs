//! What the step answers: a document's text with the structure that its format has.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use stepwell_sdk::blob::Blob;

use crate::detect::Kind;

/// What was read.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Document {
    /// What the document is, by its bytes.
    pub(crate) kind: Kind,
    /// Its title, or an e-mail's subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    /// All of its text: headings, lists and tables as Markdown writes them, paragraphs with an empty line between.
    pub(crate) text: String,
    /// Whether anything was left out because of a limit: of the text, of a table or of the attachments.
    pub(crate) truncated: bool,
    /// Whether there are pages but no text on them, as in a scan: `ocr` reads those.
    pub(crate) needs_ocr: bool,
    /// How many pages there are, where the format has pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) page_count: Option<usize>,
    /// The pages that were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pages: Vec<Page>,
    /// The headings, in order, where the format has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) headings: Vec<Heading>,
    /// The rows of a CSV or of an XLSX's sheets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tables: Vec<Table>,
    /// What else the document says of itself: `author`, `created`; of an e-mail `from`, `to`, `cc`, `date`, `message_id`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    /// What was attached to an e-mail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attachments: Vec<Attachment>,
}

impl Document {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            title: None,
            text: String::new(),
            truncated: false,
            needs_ocr: false,
            page_count: None,
            pages: Vec::new(),
            headings: Vec::new(),
            tables: Vec::new(),
            metadata: BTreeMap::new(),
            attachments: Vec::new(),
        }
    }

    /// Notes a field, if there is anything to note.
    pub(crate) fn note(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        let value = value.as_ref().map(|value| value.as_ref().trim()).unwrap_or_default();
        if !value.is_empty() {
            self.metadata.insert(name.into(), value.into());
        }
    }
}

/// One page.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Page {
    /// From 1.
    pub(crate) number: usize,
    /// Where its text starts in the document's, in characters.
    pub(crate) start: usize,
    /// Its text; empty for a page without.
    pub(crate) text: String,
}

/// One heading.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Heading {
    /// From 1, the highest.
    pub(crate) level: u8,
    /// What it says.
    pub(crate) text: String,
    /// Where it starts in the document's text, in characters.
    pub(crate) start: usize,
}

/// One table.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Table {
    /// The sheet's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Its rows from the first on, each with its cells as text. Cells that are empty up to a row's end are left out.
    pub(crate) rows: Vec<Vec<String>>,
    /// Whether rows or columns were left out because of a limit.
    pub(crate) truncated: bool,
}

/// One attachment.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Attachment {
    /// Its bytes.
    pub(crate) blob: Blob,
    /// What was read of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<Box<Document>>,
    /// Why it was not read, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}
