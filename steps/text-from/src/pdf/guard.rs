//! Keeps a PDF from filling the memory: each of its packed streams is unpacked once to nowhere, as far as the limit goes.
//!
//! Streams are found by the word that begins them, so that one that no table mentions is found as well. What is packed twice, or
//! packed and encrypted, is not looked into: there the step's memory is the limit.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;
use stepwell_sdk::StepError;

use crate::config::Config;
use crate::problem;

const WORD: &[u8] = b"stream";

/// Refuses a PDF with a stream that unpacks to too much.
pub(super) fn check(bytes: &[u8], config: &Config) -> Result<(), StepError> {
    let mut at = 0;
    while let Some(found) = find(&bytes[at..]) {
        at += found + WORD.len();
        let line_end = bytes[at..].iter().take(2).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let packed = &bytes[at + line_end..];
        if !is_packed(packed) {
            continue;
        }
        let mut unpacked = ZlibDecoder::new(packed).take(config.max_unpacked_bytes.saturating_add(1));
        // One that is broken says so when it is read.
        let _ = io::copy(&mut unpacked, &mut io::sink());
        if unpacked.limit() == 0 {
            return Err(problem::limit(
                "a stream of the PDF unpacks to too many bytes",
                "max_unpacked_bytes",
                config.max_unpacked_bytes,
            ));
        }
        at += usize::try_from(unpacked.into_inner().total_in()).unwrap_or(0);
        at = at.min(bytes.len());
    }
    Ok(())
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(WORD.len()).position(|window| window == WORD)
}

/// Whether a head as RFC 1950 has it stands here.
fn is_packed(bytes: &[u8]) -> bool {
    match bytes {
        [method, flags, ..] => {
            method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)).is_multiple_of(31)
        }
        _ => false,
    }
}
