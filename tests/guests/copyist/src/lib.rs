//! A guest that reads a blob and writes it again in capitals; or says what comes of opening one that it was not given.

use std::io::{Read as _, Write as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stepwell_sdk::blob::{self, Blob};
use stepwell_sdk::{StepError, step};

/// How much is read at once.
const PIECE: usize = 100_000;

/// What to read.
#[derive(Debug, Deserialize, JsonSchema)]
struct Input {
    /// To copy.
    #[serde(default)]
    blob: Option<Blob>,
    /// Where to begin.
    #[serde(default)]
    offset: u64,
    /// To open by its digest alone.
    #[serde(default)]
    digest: Option<String>,
}

/// What came of it.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Output {
    /// The copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<Blob>,
    /// Bytes that were read.
    read: u64,
    /// Why a blob could not be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

#[step]
fn copyist(input: Input) -> Result<Output, StepError> {
    let Some(original) = input.blob else { return open(input.digest.as_deref().unwrap_or_default()) };
    let (mut reader, mut writer) = (blob::open_at(&original, input.offset)?, blob::create()?);
    let (mut piece, mut read) = (vec![0; PIECE], 0);
    loop {
        let length = reader.read(&mut piece).map_err(blob::Error::from)?;
        if length == 0 {
            break;
        }
        read += length as u64;
        piece[..length].make_ascii_uppercase();
        writer.write_all(&piece[..length]).map_err(blob::Error::from)?;
    }
    let copy = writer.finish(&original.media_type)?.named("copy.txt");
    Ok(Output { copy: Some(copy), read, refused: None })
}

fn open(digest: &str) -> Result<Output, StepError> {
    let blob = json!({"$blob": digest, "size": 0, "media_type": "text/plain"});
    let blob: Blob =
        serde_json::from_value(blob).map_err(|error| StepError::invalid_input(error.to_string()))?;
    let refused = blob::open(&blob).err().map(|error| format!("{:?}: {error}", error.kind));
    Ok(Output { refused, ..Output::default() })
}
