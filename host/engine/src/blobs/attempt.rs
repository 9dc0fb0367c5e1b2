//! The blobs that an attempt's sandbox asks for, in its terms.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use stepwell_core::blob::{BlobRef, MediaType};
use stepwell_core::digest::Digest;
use stepwell_core::id::{RunId, TenantId};
use stepwell_sandbox::{BlobError as Told, BlobStore, NewBlob, OpenBlob};
use stepwell_store::BlobError;

use super::{BlobFault, BlobUpload};
use crate::{Engine, Shared};

/// The blobs of a run's tenant. What is written is the run's, until it is purged.
pub(crate) struct AttemptBlobs {
    engine: Engine,
    tenant: TenantId,
    run: RunId,
}

impl AttemptBlobs {
    pub(crate) fn new(engine: Arc<Shared>, tenant: TenantId, run: RunId) -> Self {
        Self { engine: Engine(engine), tenant, run }
    }
}

#[async_trait]
impl BlobStore for AttemptBlobs {
    async fn open(&self, digest: &Digest, offset: u64) -> Result<OpenBlob, Told> {
        let info = self.engine.known_blob(&self.tenant, digest).await?;
        let size = info.ok_or(BlobFault::Blob(BlobError::Unknown(*digest)))?.size;
        let bytes = self.engine.read_blob(&self.tenant, digest, offset.min(size)..size).await?;
        Ok(OpenBlob { size, bytes: bytes.map_err(|error| Told::from(BlobFault::Blob(error))).boxed() })
    }

    async fn create(&self) -> Result<Box<dyn NewBlob>, Told> {
        Ok(Box::new(Upload(self.engine.blob_of(&self.tenant, Some(self.run)))))
    }
}

struct Upload(BlobUpload);

#[async_trait]
impl NewBlob for Upload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Told> {
        Ok(self.0.write(bytes).await?)
    }

    async fn finish(self: Box<Self>, media_type: MediaType) -> Result<BlobRef, Told> {
        Ok(self.0.finish(media_type).await?)
    }
}

impl From<BlobFault> for Told {
    fn from(fault: BlobFault) -> Self {
        let message = fault.to_string();
        match fault {
            BlobFault::Blob(BlobError::Unknown(_)) => Self::Unknown(message),
            BlobFault::Blob(BlobError::TooLarge { .. }) => Self::TooLarge(message),
            BlobFault::Blob(BlobError::Unavailable { .. }) | BlobFault::Store(_) => {
                Self::Unavailable(message)
            }
        }
    }
}
