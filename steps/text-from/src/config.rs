//! What a workflow fixes: how much a document may be, and what is made of one that is too long.

use schemars::JsonSchema;
use serde::Deserialize;

/// How much of a document is read. Each limit bounds what a hostile document can cost.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Characters of text, those of attachments included. The same bound holds for the cells of all tables together, each and each row
    /// counting for one character more.
    pub(crate) max_chars: usize,
    /// Bytes of the answer as JSON, with all that is in it. Keep it below the node's limit `output_bytes`.
    pub(crate) max_output_bytes: usize,
    /// What becomes of a document that has more of either: it is cut, or the step fails.
    pub(crate) too_long: TooLong,
    /// Bytes of the document. They have to fit into the step's memory, together with what they unpack to.
    pub(crate) max_bytes: u64,
    /// Bytes that all files of a DOCX or XLSX unpack to; of a PDF, that any one stream does, that those with objects do together, and that its
    /// pages draw, what is drawn again counted again.
    pub(crate) max_unpacked_bytes: u64,
    /// How many times its size a packed file may unpack to. It holds for those that unpack to more than 1 MiB.
    pub(crate) max_ratio: u64,
    /// Files in a DOCX or XLSX, sheets of an XLSX, parts of an e-mail.
    pub(crate) max_entries: usize,
    /// Elements within elements in the XML of a DOCX, parts within parts of an e-mail.
    pub(crate) max_depth: usize,
    /// Pages of a PDF.
    pub(crate) max_pages: usize,
    /// Rows of each table of a CSV, XLSX, HTML page or DOCX; the rest is left out and told of.
    pub(crate) max_rows: usize,
    /// Columns of each table of a CSV, XLSX, HTML page or DOCX; the rest is left out and told of.
    pub(crate) max_columns: usize,
    /// Attachments of an e-mail, those of its attachments included; the rest is left out and told of.
    pub(crate) max_attachments: usize,
    /// How deep attachments are read: 0 reads the e-mail alone, 1 its attachments, 2 theirs.
    pub(crate) attachment_depth: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_chars: 200_000,
            // An answer may have 1 MiB unless the node's limits say otherwise.
            max_output_bytes: 1_000_000,
            too_long: TooLong::Cut,
            max_bytes: 32 << 20,
            max_unpacked_bytes: 64 << 20,
            max_ratio: 200,
            max_entries: 2_000,
            max_depth: 256,
            max_pages: 2_000,
            max_rows: 2_000,
            max_columns: 100,
            max_attachments: 50,
            attachment_depth: 2,
        }
    }
}

/// What becomes of a document that is too long.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TooLong {
    /// Its text is cut and ends with `[…]`, and `truncated` is true.
    Cut,
    /// The step fails.
    Fail,
}
