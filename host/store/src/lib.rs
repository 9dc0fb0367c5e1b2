//! What Stepwell remembers: the **catalogue** (what people wrote), the **journal** (what runs did) and the **blobs** (values that are not
//! JSON).
//!
//! The first two are traits, narrow and batch-shaped, that know nothing of the embedded store that implements them here.
//! A new implementation passes the same conformance suite. This crate runs nothing and decides nothing.

mod blobs;
mod catalogue;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod embedded;
mod error;
mod journal;
mod mark;
pub mod memory;
mod release;

pub use blobs::{BlobError, BlobLocation, BlobUrlError, Blobs, ByteStream, NewBlob, SealedBlob};
pub use catalogue::{ApiKeyRecord, Catalogue, WorkflowVersion};
pub use embedded::{DEFAULT_RESERVE_BYTES, EmbeddedStore, OpenOptions};
pub use error::StoreError;
pub use journal::{
    Accepted, Append, Cursor, IdempotencyClaim, Journal, RunPage, RunQuery, RunSummary, Ticket, TicketState,
};
pub use mark::{MAX_MARK_KEY_BYTES, Mark, MarkChange, MarkKind};
pub use release::{Canary, Reason, Release, Succession, WorkflowSummary};

#[cfg(test)]
mod tests;
