//! Blobs as one attempt sees them: where their bytes come from, and which of them it may read.
//!
//! The sandbox keeps no blob. Its caller gives an attempt a [`BlobStore`] ([`crate::AttemptHost::blobs`]); a [`BlobSession`] stands between
//! that and whatever acts for the guest: the interface `blob`, and the parts and kept answers of `http.exchange`.

#[cfg(test)]
pub(crate) mod memory;
mod session;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use stepwell_core::blob::{BlobRef, MediaType};
use stepwell_core::digest::Digest;

pub(crate) use session::{BlobSession, BlobSink, BlobSource, prepare};

/// The blobs of an attempt's tenant.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Opens a blob at an offset in bytes; one beyond its end opens it there.
    async fn open(&self, digest: &Digest, offset: u64) -> Result<OpenBlob, BlobError>;

    /// Begins a blob.
    async fn create(&self) -> Result<Box<dyn NewBlob>, BlobError>;
}

/// A blob that is read.
pub struct OpenBlob {
    /// Of the whole blob, in bytes.
    pub size: u64,
    /// From the offset on, in pieces of any size. They are fetched as they are asked for.
    pub bytes: BoxStream<'static, Result<Bytes, BlobError>>,
}

/// A blob that is written. Dropped before it is finished, it leaves nothing.
#[async_trait]
pub trait NewBlob: Send {
    /// Adds bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;

    /// Ends the blob. It is on disk when this returns.
    async fn finish(self: Box<Self>, media_type: MediaType) -> Result<BlobRef, BlobError>;
}

/// Why a blob cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The text is no digest, or there is no such blob (any more).
    #[error("{0}")]
    Unknown(String),
    /// The attempt was not given the blob.
    #[error("{0}")]
    Denied(String),
    /// A blob may not be as large.
    #[error("{0}")]
    TooLarge(String),
    /// The blob store failed; it may work again later.
    #[error("{0}")]
    Unavailable(String),
}

/// For hosts that keep no blobs.
#[derive(Debug, Clone, Copy)]
pub struct NoBlobs;

#[async_trait]
impl BlobStore for NoBlobs {
    async fn open(&self, _: &Digest, _: u64) -> Result<OpenBlob, BlobError> {
        Err(none())
    }

    async fn create(&self) -> Result<Box<dyn NewBlob>, BlobError> {
        Err(none())
    }
}

fn none() -> BlobError {
    BlobError::Unavailable("there is no blob store here".to_owned())
}
