//! What tags mean, and what their attributes say.

use html5gum::StartTag;

use crate::grid::Span;

/// The most columns that a cell may span, by HTML's own word.
const MAX_COLUMNS: usize = 1_000;

/// The most rows.
const MAX_ROWS: usize = 65_534;

/// An attribute's value.
pub(super) fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    tag.attributes.get(name).map(|value| String::from_utf8_lossy(value).trim().to_string())
}

/// Links that lead nowhere but here tell a reader of the text nothing.
pub(super) fn leads_on(to: &str) -> bool {
    !to.is_empty() && !to.starts_with('#') && !to.to_ascii_lowercase().starts_with("javascript:")
}

/// Whether a tag ends the lines before it.
pub(super) fn is_block(name: &[u8]) -> bool {
    const BLOCKS: [&[u8]; 27] = [
        b"address",
        b"article",
        b"aside",
        b"body",
        b"caption",
        b"details",
        b"div",
        b"dl",
        b"dt",
        b"fieldset",
        b"figcaption",
        b"figure",
        b"footer",
        b"form",
        b"h1",
        b"h2",
        b"h3",
        b"h4",
        b"h5",
        b"h6",
        b"header",
        b"main",
        b"nav",
        b"p",
        b"section",
        b"summary",
        b"option",
    ];
    BLOCKS.contains(&name)
}

/// How many places a cell takes.
pub(super) fn span(tag: &StartTag<()>) -> Span {
    let number =
        |name, most| attribute(tag, name).and_then(|value| value.parse().ok()).unwrap_or(1).clamp(1, most);
    Span { rows: number(b"rowspan", MAX_ROWS), columns: number(b"colspan", MAX_COLUMNS) }
}
