//! Pages: how long they are, and where the next one goes on.
//!
//! A cursor is opaque: what stands in it is nobody's business, so that it can change.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::problem::{Place, Problem};

/// A page's length unless the caller asks for another.
const DEFAULT_LIMIT: usize = 50;
/// The longest page.
const MAX_LIMIT: usize = 500;

/// The length of a page, from what was asked for.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit @ 1..=MAX_LIMIT) => Ok(limit),
        Some(_) => Err(invalid(format!("`limit` is a number from 1 to {MAX_LIMIT}"))),
    }
}

/// Writes a cursor.
pub(crate) fn encode(position: u128) -> String {
    URL_SAFE_NO_PAD.encode(position.to_be_bytes())
}

/// Reads a cursor.
pub(crate) fn decode(cursor: &str) -> Result<u128, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| bytes.try_into().ok());
    bytes
        .map(u128::from_be_bytes)
        .ok_or_else(|| invalid("`cursor` is not one that a page gave as `next_cursor`".to_owned()))
}

fn invalid(message: String) -> Problem {
    Problem::InvalidRequest { place: Place::Query, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_what_it_writes_and_nothing_else() {
        assert_eq!(decode(&encode(12_345)).unwrap(), 12_345);
        for bad in ["", "x", "!!!", "AAAA"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_has_bounds() {
        assert_eq!(limit(None).unwrap(), DEFAULT_LIMIT);
        assert!(limit(Some(0)).is_err() && limit(Some(MAX_LIMIT + 1)).is_err());
    }
}
