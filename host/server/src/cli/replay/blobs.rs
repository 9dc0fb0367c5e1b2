//! The blobs of a replay: those that the run read come from its server, those that it writes again stay here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use stepwell_core::blob::{BlobRef, MediaType};
use stepwell_core::digest::Digest;
use stepwell_sandbox::{BlobError, BlobStore, NewBlob, OpenBlob};

use crate::cli::{CliError, Client};

/// What a replay reads and writes.
pub(super) struct ServersBlobs {
    client: Client,
    written: Arc<Written>,
}

/// What was written again: in memory, for as long as the replay takes.
#[derive(Default)]
struct Written(Mutex<BTreeMap<Digest, Bytes>>);

impl ServersBlobs {
    pub(super) fn new(client: Client) -> Self {
        Self { client, written: Arc::default() }
    }
}

impl Written {
    fn get(&self, digest: &Digest) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    fn put(&self, bytes: Bytes) -> Digest {
        let digest = Digest::of(&bytes);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, bytes);
        digest
    }
}

#[async_trait]
impl BlobStore for ServersBlobs {
    async fn open(&self, digest: &Digest, offset: u64) -> Result<OpenBlob, BlobError> {
        if let Some(bytes) = self.written.get(digest) {
            let size = bytes.len() as u64;
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            return Ok(OpenBlob { size, bytes: stream::iter([Ok(bytes.slice(from..))]).boxed() });
        }
        let answer =
            self.client.get_stream(&format!("/v1/blobs/{digest}")).await.map_err(|error| told(&error))?;
        let size = answer.content_length().unwrap_or_default();
        let failed = |error: reqwest::Error| BlobError::Unavailable(error.without_url().to_string());
        let bytes = skip(answer.bytes_stream().map_err(failed), offset);
        Ok(OpenBlob { size, bytes: bytes.boxed() })
    }

    async fn create(&self) -> Result<Box<dyn NewBlob>, BlobError> {
        Ok(Box::new(New { bytes: BytesMut::new(), written: Arc::clone(&self.written) }))
    }
}

/// What comes behind so many bytes.
fn skip(
    pieces: impl stream::Stream<Item = Result<Bytes, BlobError>> + Send,
    mut offset: u64,
) -> impl stream::Stream<Item = Result<Bytes, BlobError>> + Send {
    pieces.map_ok(move |mut piece| {
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX).min(piece.len());
        offset -= skipped as u64;
        piece.split_off(skipped)
    })
}

fn told(error: &CliError) -> BlobError {
    match error {
        CliError::Problem(problem) if problem["status"] == 404 => BlobError::Unknown(error.to_string()),
        _ => BlobError::Unavailable(error.to_string()),
    }
}

struct New {
    bytes: BytesMut,
    written: Arc<Written>,
}

#[async_trait]
impl NewBlob for New {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>, media_type: MediaType) -> Result<BlobRef, BlobError> {
        let size = self.bytes.len() as u64;
        Ok(BlobRef { digest: self.written.put(self.bytes.freeze()), size, media_type, name: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_lies_before_an_offset_is_skipped() {
        for (offset, left) in [(0, "abcdef"), (1, "bcdef"), (3, "def"), (4, "ef"), (9, "")] {
            let pieces = ["abc", "def"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
            let read: Vec<Bytes> = skip(stream::iter(pieces), offset).try_collect().await.unwrap();
            assert_eq!(read.concat(), left.as_bytes());
        }
    }
}
