//! What a workflow fixes: what is made, and how its pages look.

use schemars::JsonSchema;
use serde::Deserialize;

/// What is made of the text, and how it looks.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// What is made: `html`, `pdf`, or both.
    pub(crate) formats: Vec<Format>,
    /// The size of the PDF's pages.
    pub(crate) page_size: PageSize,
    /// White space around the PDF's text, in millimetres, 5 to 80.
    pub(crate) margin_mm: f32,
    /// Above the text of each page of the PDF. `{page}`, `{pages}`, `{title}`, `{author}` and `{date}` are filled in.
    pub(crate) header: String,
    /// Below the text of each page of the PDF, filled in like `header`.
    pub(crate) footer: String,
    /// The language of the text, as BCP 47 has it: `en`, `de-AT`.
    pub(crate) language: String,
    /// More pages than this are an error.
    pub(crate) max_pages: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            formats: vec![Format::Html, Format::Pdf],
            page_size: PageSize::A4,
            margin_mm: 22.0,
            header: String::new(),
            footer: "{page} / {pages}".into(),
            language: "en".into(),
            max_pages: 500,
        }
    }
}

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// One page that needs nothing else.
    Html,
    /// Pages to print.
    Pdf,
}

/// A size of paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PageSize {
    /// 210 x 297 mm.
    A4,
    /// 148 x 210 mm.
    A5,
    /// 8.5 x 11 inches.
    Letter,
}

impl PageSize {
    /// In points.
    pub(crate) fn points(self) -> (f32, f32) {
        match self {
            Self::A4 => (595.28, 841.89),
            Self::A5 => (419.53, 595.28),
            Self::Letter => (612.0, 792.0),
        }
    }
}
