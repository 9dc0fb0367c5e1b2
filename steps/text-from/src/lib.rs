//! Reads the text of a document, with the structure that its format has.
//!
//! What a document is, its bytes say. What it may cost, the config says: each way in which a document can be larger than it looks has a
//! limit, and an error that names it.

mod answer;
mod archive;
mod blocks;
mod charset;
mod config;
mod detect;
mod document;
mod docx;
mod grid;
mod html;
mod mail;
mod pdf;
mod problem;
mod reading;
mod tables;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::Deserialize;
use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

use config::Config;
use detect::Said;
use document::Document;
use reading::Reading;

/// The document to read.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Its bytes: PDF, DOCX, XLSX, CSV, HTML, e-mail (RFC 5322), Markdown or plain text.
    document: Blob,
    /// Its file's name, in place of the blob's. It tells texts apart: `list.csv`, `page.html`, `notes.md`.
    name: Option<String>,
    /// Its media type, in place of the blob's. It tells texts apart that no name does, and with `charset` how they are encoded.
    media_type: Option<String>,
}

#[stepwell_sdk::step]
fn text_from(input: Input, config: Config) -> Result<Document, StepError> {
    let Input { document: blob, name, media_type } = input;
    if blob.size > config.max_bytes {
        let size = format!("the document has {} bytes", blob.size);
        return Err(problem::limit(&size, "max_bytes", config.max_bytes));
    }
    let bytes = blob.bytes(config.max_bytes)?;
    let said = Said {
        name: name.as_deref().or(blob.name.as_deref()),
        media_type: media_type.as_deref().or(Some(&blob.media_type)),
    };
    let depth = config.attachment_depth;
    let document = Reading::new(&config).document(&bytes, said, depth)?;
    tell(&document, &config);
    Ok(document)
}

fn tell(document: &Document, config: &Config) {
    if document.truncated {
        stepwell_sdk::warn!(
            max_chars = config.max_chars,
            max_output_bytes = config.max_output_bytes,
            max_rows = config.max_rows,
            max_columns = config.max_columns,
            "not all of the document was read: it is larger than the config allows"
        );
    }
    if document.needs_ocr {
        stepwell_sdk::warn!(
            pages = document.page_count,
            "the document has pages and no text: `ocr` reads those"
        );
    }
}
