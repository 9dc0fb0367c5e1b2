//! Blobs in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use stepwell_core::blob::{BlobRef, MediaType};
use stepwell_core::digest::Digest;

use super::{BlobError, BlobStore, NewBlob, OpenBlob};

/// Small pieces: whoever reads has to put some together.
const PIECE: usize = 1000;

/// The blobs of one test.
#[derive(Default, Clone)]
pub(crate) struct MemoryBlobs {
    blobs: Arc<Mutex<BTreeMap<Digest, Bytes>>>,
    /// Bytes that a blob may have; `None` for any number.
    most: Option<u64>,
}

impl MemoryBlobs {
    pub(crate) fn of_at_most(bytes: u64) -> Self {
        Self { most: Some(bytes), ..Self::default() }
    }

    pub(crate) fn put(&self, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        self.blobs.lock().expect("blobs").insert(digest, bytes);
        digest
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Bytes> {
        self.blobs.lock().expect("blobs").get(digest).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.blobs.lock().expect("blobs").len()
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn open(&self, digest: &Digest, offset: u64) -> Result<OpenBlob, BlobError> {
        let bytes =
            self.get(digest).ok_or_else(|| BlobError::Unknown(format!("there is no blob {digest}")))?;
        let size = bytes.len() as u64;
        let rest = bytes.slice(bytes.len().min(usize::try_from(offset).expect("an offset"))..);
        let pieces: Vec<_> = rest.chunks(PIECE).map(|piece| Ok(rest.slice_ref(piece))).collect();
        Ok(OpenBlob { size, bytes: stream::iter(pieces).boxed() })
    }

    async fn create(&self) -> Result<Box<dyn NewBlob>, BlobError> {
        Ok(Box::new(New { bytes: Vec::new(), blobs: self.clone() }))
    }
}

struct New {
    bytes: Vec<u8>,
    blobs: MemoryBlobs,
}

#[async_trait]
impl NewBlob for New {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.bytes.extend_from_slice(&bytes);
        match self.blobs.most.filter(|most| self.bytes.len() as u64 > *most) {
            Some(most) => Err(BlobError::TooLarge(format!("a blob may have {most} bytes at most"))),
            None => Ok(()),
        }
    }

    async fn finish(self: Box<Self>, media_type: MediaType) -> Result<BlobRef, BlobError> {
        let size = self.bytes.len() as u64;
        Ok(BlobRef { digest: self.blobs.put(self.bytes), size, media_type, name: None })
    }
}
