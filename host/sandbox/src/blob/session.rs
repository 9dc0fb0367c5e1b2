//! One attempt's blobs: it reads those that it was given or made, and no others.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::BoxStream;
use stepwell_core::blob::{BlobRef, KEY, MediaType, digests_in_text};
use stepwell_core::digest::Digest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{BlobError, BlobStore, NewBlob, OpenBlob};
use crate::attempt::{Attempt, AttemptHost};

/// Blobs that an attempt may read and write at the same time: parts of each are in memory.
const MAX_OPEN: usize = 16;

/// The blobs of one attempt, over all its lives in this process.
pub(crate) struct BlobSession {
    store: Arc<dyn BlobStore>,
    /// Those that it may read.
    given: Mutex<BTreeSet<Digest>>,
    places: Arc<Semaphore>,
}

/// Makes what one attempt needs to use blobs.
pub(crate) fn prepare(host: &dyn AttemptHost, attempt: &Attempt) -> BlobSession {
    let mut given = digests_in_text(&attempt.input);
    given.extend(digests_in_text(&attempt.config));
    BlobSession { store: host.blobs(), given: Mutex::new(given), places: Arc::new(Semaphore::new(MAX_OPEN)) }
}

impl BlobSession {
    /// Opens a blob that the attempt may read, at an offset in bytes.
    pub(crate) async fn open(&self, digest: &str, offset: u64) -> Result<BlobSource, BlobError> {
        let digest: Digest = digest.parse().map_err(|error| BlobError::Unknown(format!("{error}")))?;
        if !self.is_given(&digest) {
            return Err(denied(&digest));
        }
        let place = self.place()?;
        let OpenBlob { size, bytes } = self.store.open(&digest, offset).await?;
        Ok(BlobSource { size, bytes, _place: place })
    }

    /// Begins a blob; the attempt may read it once it is finished.
    pub(crate) async fn create(self: &Arc<Self>) -> Result<BlobSink, BlobError> {
        let place = self.place()?;
        Ok(BlobSink { new: self.store.create().await?, session: Arc::clone(self), _place: place })
    }

    /// The attempt may read this blob from now on.
    pub(crate) fn give(&self, digest: Digest) {
        // A set under this lock is whole whatever panics.
        self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, BlobError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            BlobError::Unavailable(format!(
                "{MAX_OPEN} blobs are open at the same time, which is the most: finish or drop one first"
            ))
        })
    }

    fn is_given(&self, digest: &Digest) -> bool {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }
}

/// A blob that an attempt reads.
pub(crate) struct BlobSource {
    /// Of the whole blob, in bytes.
    pub(crate) size: u64,
    /// From the offset on.
    pub(crate) bytes: BoxStream<'static, Result<Bytes, BlobError>>,
    _place: OwnedSemaphorePermit,
}

/// A blob that an attempt writes. Dropped before it is finished, it leaves nothing.
pub(crate) struct BlobSink {
    new: Box<dyn NewBlob>,
    session: Arc<BlobSession>,
    _place: OwnedSemaphorePermit,
}

impl BlobSink {
    /// Adds bytes.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.new.write(bytes).await
    }

    /// Ends the blob.
    pub(crate) async fn finish(self, media_type: MediaType) -> Result<BlobRef, BlobError> {
        let blob = self.new.finish(media_type).await?;
        self.session.give(blob.digest);
        Ok(blob)
    }
}

fn denied(digest: &Digest) -> BlobError {
    BlobError::Denied(format!(
        "the attempt may not read the blob {digest}: neither its input nor its config names it. Pass the whole reference, \
         `{{\"{KEY}\": \"{digest}\", \"size\": ..., \"media_type\": ...}}`, in the node's `input`"
    ))
}
