//! Writing a blob: its digest is known when all of it was written, so it is written beside its place first.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt as _};
use stepwell_core::digest::{Digest, Hasher};
use stepwell_core::id::TenantId;
use tokio::runtime::Handle;

use super::{BlobError, Shared};

/// A blob that is written. Dropped before it is kept, it leaves nothing.
pub struct NewBlob {
    shared: Arc<Shared>,
    tenant: TenantId,
    hasher: Hasher,
    size: u64,
    /// What was not sent yet: less than a part.
    part: BytesMut,
    upload: Option<Upload>,
}

/// A blob that is whole, and that nobody finds yet.
pub struct SealedBlob {
    shared: Arc<Shared>,
    tenant: TenantId,
    digest: Digest,
    size: u64,
    bytes: Staged,
}

/// Where a whole blob is.
enum Staged {
    Memory(Bytes),
    Store(Unkept),
}

/// A blob on its way to the store, in parts.
struct Upload {
    path: Path,
    /// None once it has ended.
    parts: Option<Box<dyn MultipartUpload>>,
}

impl NewBlob {
    pub(super) fn begin(shared: Arc<Shared>, tenant: TenantId) -> Self {
        Self { shared, tenant, hasher: Hasher::default(), size: 0, part: BytesMut::new(), upload: None }
    }

    /// Adds bytes.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > self.shared.max_bytes {
            return Err(BlobError::TooLarge { limit: self.shared.max_bytes });
        }
        self.hasher.update(&bytes);
        while self.part.len() + bytes.len() >= self.shared.part_bytes {
            let missing = self.shared.part_bytes - self.part.len();
            self.part.extend_from_slice(&bytes.split_to(missing));
            self.send_part().await?;
        }
        self.part.extend_from_slice(&bytes);
        Ok(())
    }

    /// Ends the blob: all of it is where it does not get lost.
    pub async fn seal(mut self) -> Result<SealedBlob, BlobError> {
        let digest = std::mem::take(&mut self.hasher).finish();
        let bytes = if self.upload.is_none() && self.shared.is_atomic {
            Staged::Memory(std::mem::take(&mut self.part).freeze())
        } else {
            if !self.part.is_empty() || self.upload.is_none() {
                self.send_part().await?;
            }
            Staged::Store(self.end_upload().await?)
        };
        let Self { shared, tenant, size, .. } = self;
        Ok(SealedBlob { shared, tenant, digest, size, bytes })
    }

    /// Bytes that are in memory.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.part.len()
    }

    async fn send_part(&mut self) -> Result<(), BlobError> {
        let part = self.part.split().freeze();
        if self.upload.is_none() {
            let path = self.shared.new_path();
            let parts = self.shared.store.put_multipart(&path).await;
            let parts = Some(parts.map_err(|error| BlobError::unwritten(&error))?);
            self.upload = Some(Upload { path, parts });
        }
        let Some(parts) = self.upload.as_mut().and_then(|upload| upload.parts.as_mut()) else {
            return Err(over());
        };
        parts.put_part(part.into()).await.map_err(|error| BlobError::unwritten(&error))
    }

    async fn end_upload(&mut self) -> Result<Unkept, BlobError> {
        let mut upload = self.upload.take().ok_or_else(over)?;
        let parts = upload.parts.as_mut().ok_or_else(over)?;
        parts.complete().await.map_err(|error| BlobError::unwritten(&error))?;
        upload.parts = None;
        Ok(Unkept { shared: Arc::clone(&self.shared), path: Some(std::mem::take(&mut upload.path)) })
    }
}

fn over() -> BlobError {
    BlobError::Unavailable { what: "write".to_owned(), why: "the blob has ended already".to_owned() }
}

impl Drop for Upload {
    /// What was sent is taken back.
    fn drop(&mut self) {
        let (Some(mut parts), Ok(runtime)) = (self.parts.take(), Handle::try_current()) else { return };
        runtime.spawn(async move {
            if let Err(error) = parts.abort().await {
                tracing::debug!(%error, "a blob that was not finished may have left parts in its store");
            }
        });
    }
}

impl SealedBlob {
    /// Of its bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// In bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Puts the blob in its place: from now on it is found, also after a crash.
    pub async fn keep(self) -> Result<(), BlobError> {
        let place = self.shared.path(&self.tenant, &self.digest);
        let kept = match self.bytes {
            Staged::Memory(bytes) => self.shared.store.put(&place, bytes.into()).await.map(|_| ()),
            Staged::Store(mut unkept) => match &unkept.path {
                Some(path) => {
                    let moved = self.shared.store.rename(path, &place).await;
                    if moved.is_ok() {
                        unkept.path = None;
                    }
                    moved
                }
                None => Ok(()),
            },
        };
        kept.map_err(|error| BlobError::unavailable("keep", &self.digest, &error))
    }
}

/// A whole blob beside its place. Dropped before it was moved there, it is removed.
struct Unkept {
    shared: Arc<Shared>,
    path: Option<Path>,
}

impl Drop for Unkept {
    fn drop(&mut self) {
        let (Some(path), Ok(runtime)) = (self.path.take(), Handle::try_current()) else { return };
        let shared = Arc::clone(&self.shared);
        runtime.spawn(async move {
            if let Err(error) = shared.store.delete(&path).await {
                tracing::debug!(%error, "a blob that was not kept is left where it was written, until the next start");
            }
        });
    }
}
