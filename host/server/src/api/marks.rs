//! Pages of marks: what is found without reading runs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use stepwell_store::Mark;

use crate::problem::{Place, Problem};

/// The cursor of the page behind this one, if there may be one.
pub(super) fn next(page: &[Mark], limit: usize) -> Option<String> {
    page.last().filter(|_| page.len() == limit).map(|last| encode(&last.key))
}

/// The cursor that stands for a key.
pub(super) fn encode(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

/// The key that a cursor stands for.
pub(super) fn decode(cursor: &str) -> Result<String, Problem> {
    let key = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| Problem::InvalidRequest {
        place: Place::Query,
        message: "`cursor` is not one that a page gave as `next_cursor`".to_owned(),
    })
}
