//! What can go wrong with a blob.

use std::error::Error as _;

use stepwell_core::digest::Digest;

/// Why a blob cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("there is no blob {0}: it was never uploaded, or nothing needed it any more")]
    Unknown(Digest),
    /// A blob may not be as large.
    #[error("a blob may have {limit} bytes at most (`blobs.max_bytes` of the server's configuration)")]
    TooLarge {
        /// The most that it may have.
        limit: u64,
    },
    /// The store failed; it may work again later.
    #[error("the blob store cannot {what}: {why}")]
    Unavailable {
        /// What was being done, with what.
        what: String,
        /// What it said.
        why: String,
    },
}

impl BlobError {
    pub(super) fn unavailable(verb: &str, digest: &Digest, error: &object_store::Error) -> Self {
        Self::Unavailable { what: format!("{verb} {digest}"), why: words(error) }
    }

    pub(super) fn unwritten(error: &object_store::Error) -> Self {
        Self::Unavailable { what: "write".to_owned(), why: words(error) }
    }
}

/// With what lies behind it: the outermost error seldom says why.
pub(super) fn words(error: &object_store::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = error.source();
    }
    words
}
