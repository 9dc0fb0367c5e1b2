//! Cuts a text into chunks, for embedding and search: as large as allowed, and where a reader would cut.

mod cut;
mod place;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_sdk::StepError;

use cut::{Cutter, Unit};
use place::{Heading, Page, Places};

/// How large chunks are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// The most that a chunk has, in `unit`.
    size: usize,
    /// What `size` and `overlap` count.
    unit: Unit,
    /// How much of its predecessor's end a chunk begins with, in `unit`; less than half of `size`. 0: none, and the chunks together
    /// are the text, character by character.
    overlap: usize,
    /// Headings up to this level begin a chunk, however short the one before is. 0: none does.
    split_headings: u8,
    /// More chunks than this are an error.
    max_chunks: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { size: 1_500, unit: Unit::Chars, overlap: 0, split_headings: 0, max_chunks: 5_000 }
    }
}

/// A text. The output of `text-from` fits as it is; fields that are not listed here are passed over.
#[derive(Deserialize, JsonSchema)]
struct Input {
    /// The text.
    text: String,
    /// Where pages start, so that each chunk can say which it is from.
    #[serde(default)]
    pages: Vec<Page>,
    /// Where headings start. Without any, lines that begin with `#` are taken, as in Markdown.
    #[serde(default)]
    headings: Vec<Heading>,
}

/// The chunks.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// In the text's order.
    chunks: Vec<Chunk>,
}

/// One chunk.
#[derive(Serialize, JsonSchema)]
struct Chunk {
    /// From 0.
    index: usize,
    /// Its text.
    text: String,
    /// Where it starts in the whole text, in characters.
    start: usize,
    /// Where it ends: the first character that is not in it.
    end: usize,
    /// Roughly how many tokens a model makes of it.
    tokens: usize,
    /// The page that it starts on, where there are pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<usize>,
    /// The page that it ends on, where there are pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_page: Option<usize>,
    /// The headings that it stands under, from the highest on.
    headings: Vec<String>,
}

#[stepwell_sdk::step]
fn chunk(input: Input, config: Config) -> Result<Output, StepError> {
    let Config { size, unit, overlap, split_headings, max_chunks } = config;
    if size == 0 || overlap * 2 >= size {
        return Err(StepError::permanent(format!(
            "config: `size` must be at least 1 and `overlap` less than half of it; they are {size} and {overlap}"
        )));
    }
    let Input { text, pages, headings } = input;
    let headings = if headings.is_empty() { place::headings(&text) } else { headings };
    let places = Places::new(&text, pages, headings, split_headings);
    let mut cutter = Cutter::new(&text, &places.breaks, unit, size, overlap);
    let mut chunks = Vec::new();
    while let Some(piece) = cutter.next() {
        if chunks.len() == max_chunks {
            return Err(StepError::invalid_input(format!(
                "the text makes more than {max_chunks} chunks: raise `max_chunks` or `size`"
            )));
        }
        chunks.push(Chunk {
            index: chunks.len(),
            text: text[piece.bytes].into(),
            start: piece.start,
            end: piece.end,
            tokens: piece.tokens,
            page: places.page(piece.start),
            last_page: places.page(piece.end - 1),
            headings: places.path(piece.start),
        });
    }
    Ok(Output { chunks })
}
