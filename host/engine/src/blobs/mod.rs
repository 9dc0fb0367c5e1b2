//! Blobs: what is kept of them beside their bytes, and who needs them.
//!
//! The store has the bytes; the journal's marks say what they are (`Blob`) and who needs them (`BlobUse`: a run that names one, a
//! version of a workflow that does). A mark is there before the bytes are found and goes after they do, so that no bytes are left that
//! nobody knows of; a mark without bytes is no blob. Whoever writes, touches or removes a blob does it in the blob's turn: an upload of the same bytes and their removal
//! never meet.

mod attempt;
mod collect;
mod named;
mod uses;

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use stepwell_core::blob::{BlobRef, MediaType};
use stepwell_core::digest::Digest;
use stepwell_core::id::{RunId, TenantId};
use stepwell_store::{BlobError, Blobs, ByteStream, Mark, MarkChange, MarkKind, StoreError};
use tokio::sync::{Mutex, MutexGuard};

use crate::config::BlobConfig;
use crate::{Engine, Shared, clock};

pub(crate) use attempt::AttemptBlobs;
pub(crate) use collect::keep;
pub(crate) use uses::{Uses, of_version};

/// Turns that there are; blobs whose digests begin alike share one.
const TURNS: usize = 64;

/// The blobs of an engine.
pub(crate) struct Shelf {
    store: Blobs,
    keep_unused: Option<Duration>,
    turns: [Mutex<()>; TURNS],
}

/// What is known of a blob without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobInfo {
    /// In bytes.
    pub size: u64,
    /// As whoever wrote it last said.
    pub media_type: MediaType,
}

/// A blob that is written for a tenant. Dropped before it is finished, it leaves nothing.
pub struct BlobUpload {
    engine: Engine,
    tenant: TenantId,
    /// The run that writes it, and so needs it.
    run: Option<RunId>,
    new: stepwell_store::NewBlob,
}

/// Why something did not become of a blob.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BlobFault {
    /// It is not there, too large, or its store failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// What is known of it cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<BlobFault> for StoreError {
    fn from(fault: BlobFault) -> Self {
        match fault {
            BlobFault::Store(error) => error,
            BlobFault::Blob(error) => {
                Self::Io { what: "a blob".to_owned(), why: Arc::new(io::Error::other(error)) }
            }
        }
    }
}

impl Shelf {
    pub(crate) fn new(config: &BlobConfig) -> Self {
        let BlobConfig { store, keep_unused } = config.clone();
        Self { store, keep_unused, turns: std::array::from_fn(|_| Mutex::default()) }
    }

    async fn turn(&self, digest: &Digest) -> MutexGuard<'_, ()> {
        self.turns[usize::from(digest.as_bytes()[0]) % TURNS].lock().await
    }

    /// When to look whether a blob is still needed that was needed now; none: never.
    fn next_look(&self) -> Option<Timestamp> {
        let grace = SignedDuration::try_from(self.keep_unused?).unwrap_or(SignedDuration::MAX);
        Some(clock::now().saturating_add(grace).unwrap_or(Timestamp::MAX))
    }

    /// Whether a look is so near that somebody who names the blob might not be done by then.
    fn is_soon(&self, due: Option<Timestamp>) -> bool {
        let (Some(due), Some(keep_unused)) = (due, self.keep_unused) else { return false };
        let half = SignedDuration::try_from(keep_unused / 2).unwrap_or(SignedDuration::MAX);
        due.duration_since(clock::now()) < half
    }
}

impl Engine {
    /// Begins a blob.
    #[must_use]
    pub fn create_blob(&self, tenant: &TenantId) -> BlobUpload {
        self.blob_of(tenant, None)
    }

    fn blob_of(&self, tenant: &TenantId, run: Option<RunId>) -> BlobUpload {
        let new = self.0.blobs.store.create(tenant);
        BlobUpload { engine: self.clone(), tenant: tenant.clone(), run, new }
    }

    /// Bytes that a blob may have.
    #[must_use]
    pub fn max_blob_bytes(&self) -> u64 {
        self.0.blobs.store.max_bytes()
    }

    /// What is known of a blob; none if there is no such blob.
    pub async fn blob(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<BlobInfo>, BlobFault> {
        let Some(info) = self.known_blob(tenant, digest).await? else { return Ok(None) };
        let is_there = self.0.blobs.store.size(tenant, digest).await? == Some(info.size);
        Ok(is_there.then_some(info))
    }

    /// The same, but for bytes that a crash kept from being there: whoever reads them hears of it.
    async fn known_blob(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<BlobInfo>, BlobFault> {
        let mark = self.0.journal.mark(tenant, MarkKind::Blob, &digest.to_hex()).await?;
        Ok(mark.map(|mark| info(digest, &mark)).transpose()?)
    }

    /// Some of a blob's bytes, which it has to have.
    pub async fn read_blob(
        &self,
        tenant: &TenantId,
        digest: &Digest,
        range: Range<u64>,
    ) -> Result<ByteStream, BlobFault> {
        Ok(self.0.blobs.store.read(tenant, digest, range).await?)
    }
}

impl Shared {
    /// What is known of a blob, if it is there; if so, nobody removes it before it was left alone for a while.
    async fn touch_blob(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<BlobInfo>, BlobFault> {
        let _turn = self.blobs.turn(digest).await;
        let Some(mark) = self.journal.mark(tenant, MarkKind::Blob, &digest.to_hex()).await? else {
            return Ok(None);
        };
        if self.blobs.store.size(tenant, digest).await?.is_none() {
            return Ok(None);
        }
        let info = info(digest, &mark)?;
        if self.blobs.is_soon(mark.due) {
            let later = MarkChange::Put(Mark { due: self.blobs.next_look(), ..mark });
            self.journal.note(tenant, vec![later]).durable().await?;
        }
        Ok(Some(info))
    }
}

impl BlobUpload {
    /// Adds bytes, unless what running work needs of the disk would be touched.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobFault> {
        self.engine.0.journal.admit()?;
        Ok(self.new.write(bytes).await?)
    }

    /// Ends the blob. When this returns it is on disk, and is found.
    pub async fn finish(self, media_type: MediaType) -> Result<BlobRef, BlobFault> {
        let Self { engine, tenant, run, new } = self;
        let sealed = new.seal().await?;
        let (digest, size) = (sealed.digest(), sealed.size());
        let (shared, blobs) = (&engine.0, &engine.0.blobs);
        let _turn = blobs.turn(&digest).await;
        let info = BlobInfo { size, media_type };
        let mut marks = vec![known(&digest, &info, blobs.next_look())];
        marks.extend(run.map(|run| uses::by_run(&digest, run)));
        shared.journal.note(&tenant, marks).durable().await?;
        sealed.keep().await?;
        Ok(BlobRef { digest, size, media_type: info.media_type, name: None })
    }
}

/// That a blob is known, and when to look whether it is still needed.
fn known(digest: &Digest, info: &BlobInfo, due: Option<Timestamp>) -> MarkChange {
    let BlobInfo { size, media_type } = info;
    MarkChange::Put(Mark {
        kind: MarkKind::Blob,
        key: digest.to_hex(),
        run: None,
        due,
        body: serde_json::json!({"size": size, "media_type": media_type}),
    })
}

fn info(digest: &Digest, mark: &Mark) -> Result<BlobInfo, StoreError> {
    BlobInfo::deserialize(&mark.body).map_err(|why| StoreError::Corrupt {
        what: format!("the mark of the blob {digest}"),
        why: why.to_string(),
    })
}

#[cfg(test)]
mod tests;
