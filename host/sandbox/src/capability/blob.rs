//! `blob`: values that are not JSON.
//!
//! No effect: what is read is always the same, and what is written again is the same blob. So a guest that comes back in another
//! life reads and writes all of it again. While it waits here it keeps its instance: only an errand of `http` can be taken up by
//! another guest.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use stepwell_core::blob::MediaType;
use stepwell_core::failure::{Failure, FailureKind};
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::stepwell::step::blob::{
    BlobError as WitError, BlobRef, Host, HostReader, HostWriter, add_to_linker,
};
use crate::blob::{BlobError, BlobSession, BlobSink, BlobSource};
use crate::guest::{GuestState, Work};

/// The most that one call gives.
const MAX_PIECE: usize = 1 << 20;

/// A blob that is read.
#[expect(unreachable_pub, reason = "the generated bindings name it as if it were public")]
pub struct BlobReader {
    source: BlobSource,
    /// What came and was not read yet.
    rest: Bytes,
}

/// A blob that is written.
#[expect(unreachable_pub, reason = "the generated bindings name it as if it were public")]
pub struct BlobWriter {
    /// None after an error: what was written before is lost.
    sink: Option<BlobSink>,
}

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl Host for GuestState {
    async fn open(
        &mut self,
        digest: String,
        offset: u64,
    ) -> wasmtime::Result<Result<Resource<BlobReader>, WitError>> {
        let blobs = self.enter("blob.open")?.blobs()?;
        Ok(match blobs.open(&digest, offset).await {
            Ok(source) => Ok(self.table.push(BlobReader::new(source))?),
            Err(error) => Err(error.into()),
        })
    }

    async fn create(&mut self) -> wasmtime::Result<Result<Resource<BlobWriter>, WitError>> {
        let blobs = self.enter("blob.create")?.blobs()?;
        Ok(match blobs.create().await {
            Ok(sink) => Ok(self.table.push(BlobWriter { sink: Some(sink) })?),
            Err(error) => Err(error.into()),
        })
    }
}

impl HostReader for GuestState {
    async fn size(&mut self, reader: Resource<BlobReader>) -> wasmtime::Result<u64> {
        self.enter("blob.reader.size")?;
        Ok(self.table.get(&reader)?.source.size)
    }

    async fn read(
        &mut self,
        reader: Resource<BlobReader>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, WitError>> {
        self.enter("blob.reader.read")?;
        let most = usize::try_from(max).unwrap_or(MAX_PIECE).clamp(1, MAX_PIECE);
        Ok(match self.table.get_mut(&reader)?.read(most).await {
            Ok(piece) => {
                self.meter.received.take(piece.len() as u64)?;
                Ok(piece)
            }
            Err(error) => Err(error.into()),
        })
    }

    async fn drop(&mut self, reader: Resource<BlobReader>) -> wasmtime::Result<()> {
        self.table.delete(reader)?;
        Ok(())
    }
}

impl HostWriter for GuestState {
    async fn write(
        &mut self,
        writer: Resource<BlobWriter>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), WitError>> {
        self.enter("blob.writer.write")?;
        self.meter.sent.take(bytes.len() as u64)?;
        Ok(self.table.get_mut(&writer)?.write(bytes.into()).await.map_err(WitError::from))
    }

    async fn finish(
        &mut self,
        writer: Resource<BlobWriter>,
        media_type: String,
    ) -> wasmtime::Result<Result<BlobRef, WitError>> {
        self.enter("blob.writer.finish")?;
        let writer = self.table.delete(writer)?;
        let media_type: MediaType = media_type.parse().map_err(|error| {
            Failure::new(FailureKind::Permanent, format!("`blob.writer.finish`: {error}"))
        })?;
        Ok(match writer.finish(media_type).await {
            Ok(blob) => Ok(BlobRef {
                digest: blob.digest.to_string(),
                size: blob.size,
                media_type: blob.media_type.into(),
            }),
            Err(error) => Err(error.into()),
        })
    }

    async fn drop(&mut self, writer: Resource<BlobWriter>) -> wasmtime::Result<()> {
        self.table.delete(writer)?;
        Ok(())
    }
}

impl BlobReader {
    fn new(source: BlobSource) -> Self {
        Self { source, rest: Bytes::new() }
    }

    /// The next bytes: as many as are asked for, fewer only at the blob's end. How the store cuts a blob differs from one read to the
    /// next, and a guest that saw it would not do the same when it runs again.
    async fn read(&mut self, most: usize) -> Result<Vec<u8>, BlobError> {
        let mut bytes = Vec::new();
        while bytes.len() < most {
            if self.rest.is_empty() {
                let Some(piece) = self.source.bytes.next().await else { break };
                self.rest = piece?;
            }
            let length = self.rest.len().min(most - bytes.len());
            bytes.extend_from_slice(&self.rest.split_to(length));
        }
        Ok(bytes)
    }
}

impl BlobWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        let Some(sink) = &mut self.sink else { return Err(broken()) };
        let written = sink.write(bytes).await;
        if written.is_err() {
            self.sink = None;
        }
        written
    }

    async fn finish(self, media_type: MediaType) -> Result<stepwell_core::blob::BlobRef, BlobError> {
        self.sink.ok_or_else(broken)?.finish(media_type).await
    }
}

fn broken() -> BlobError {
    BlobError::Unavailable("the blob broke off with an earlier error: begin it again".to_owned())
}

impl Work {
    fn blobs(&self) -> Result<Arc<BlobSession>, Failure> {
        self.blobs.clone().ok_or_else(|| {
            Failure::new(FailureKind::Internal, "a component that imports `blob` was started without blobs")
        })
    }
}

impl From<BlobError> for WitError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Unknown(message) => Self::Unknown(message),
            BlobError::Denied(message) => Self::Denied(message),
            BlobError::TooLarge(message) => Self::TooLarge(message),
            BlobError::Unavailable(message) => Self::Unavailable(message),
        }
    }
}
