//! One attempt's blobs: it reads those that it was given or made, and no others.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use stepwell_core::blob::{BlobRef, KEY, MediaType, digests_in_text};
use stepwell_core::digest::Digest;

use super::{BlobError, BlobStore, NewBlob, OpenBlob};
use crate::attempt::{Attempt, AttemptHost};

/// The blobs of one attempt, over all its lives in this process.
pub(crate) struct BlobSession {
    store: Arc<dyn BlobStore>,
    /// Those that it may read.
    given: Mutex<BTreeSet<Digest>>,
}

/// Makes what one attempt needs to use blobs.
pub(crate) fn prepare(host: &dyn AttemptHost, attempt: &Attempt) -> BlobSession {
    let mut given = digests_in_text(&attempt.input);
    given.extend(digests_in_text(&attempt.config));
    BlobSession { store: host.blobs(), given: Mutex::new(given) }
}

impl BlobSession {
    /// Opens a blob that the attempt may read, at an offset in bytes.
    pub(crate) async fn open(&self, digest: &str, offset: u64) -> Result<OpenBlob, BlobError> {
        let digest: Digest = digest.parse().map_err(|error| BlobError::Unknown(format!("{error}")))?;
        if !self.is_given(&digest) {
            return Err(denied(&digest));
        }
        self.store.open(&digest, offset).await
    }

    /// Begins a blob; the attempt may read it once it is finished.
    pub(crate) async fn create(self: &Arc<Self>) -> Result<BlobSink, BlobError> {
        Ok(BlobSink { new: self.store.create().await?, session: Arc::clone(self) })
    }

    /// The attempt may read this blob from now on.
    pub(crate) fn give(&self, digest: Digest) {
        // A set under this lock is whole whatever panics.
        self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }

    fn is_given(&self, digest: &Digest) -> bool {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }
}

/// A blob that an attempt writes. Dropped before it is finished, it leaves nothing.
pub(crate) struct BlobSink {
    new: Box<dyn NewBlob>,
    session: Arc<BlobSession>,
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
