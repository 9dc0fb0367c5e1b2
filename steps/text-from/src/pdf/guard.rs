//! Keeps a PDF from filling the memory: each of its packed streams is unpacked once to nowhere, as far as the limit goes.
//!
//! What is kept unpacked for as long as the document is read is bounded more narrowly: streams of objects together, and the tables of where
//! the objects are, whose entries take many times their bytes.
//!
//! Streams are found by the word that begins them, so that one that no table mentions is found as well. What is packed twice, or
//! packed and encrypted, is not looked into: there the step's memory is the limit.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;
use stepwell_sdk::StepError;

use crate::config::Config;
use crate::problem;

const WORD: &[u8] = b"stream";

const OBJECT: &[u8] = b"obj";

/// How far before its stream a dictionary may say what it is.
const DICTIONARY: usize = 1_024;

/// Tables of no more than this are never too long for their file.
const SMALL: u64 = 1 << 20;

/// Refuses a PDF with a stream that unpacks to too much.
pub(super) fn check(bytes: &[u8], config: &Config) -> Result<(), StepError> {
    let (mut at, mut objects, mut tables) = (0, 0, 0);
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
        let size = config.max_unpacked_bytes.saturating_add(1) - unpacked.limit();
        let dictionary = &bytes[at.saturating_sub(DICTIONARY)..at];
        objects += if says(dictionary, b"/ObjStm") { size } else { 0 };
        tables += if says(dictionary, b"/XRef") { size } else { 0 };
        if size.max(objects) > config.max_unpacked_bytes {
            return Err(problem::limit(
                "a stream of the PDF, or those of its objects together, unpack to too many bytes",
                "max_unpacked_bytes",
                config.max_unpacked_bytes,
            ));
        }
        if tables > SMALL.max(bytes.len() as u64) {
            return Err(problem::broken("the PDF", "it is said to have more objects than fit into it"));
        }
        at += usize::try_from(unpacked.into_inner().total_in()).unwrap_or(0);
        at = at.min(bytes.len());
    }
    Ok(())
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(WORD.len()).position(|window| window == WORD)
}

/// Whether the dictionary that ends here has a word. What stands before its object is another's.
fn says(before: &[u8], word: &[u8]) -> bool {
    let start = before.windows(OBJECT.len()).rposition(|window| window == OBJECT).unwrap_or(0);
    before[start..].windows(word.len()).any(|window| window == word)
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
