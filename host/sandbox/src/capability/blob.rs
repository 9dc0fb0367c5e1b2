//! `blob`: values that are not JSON.

use stepwell_core::failure::{Failure, FailureKind};
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::stepwell::step::blob::{
    BlobError, BlobRef, Host, HostReader, HostWriter, add_to_linker,
};
use crate::guest::GuestState;

/// A blob that is read.
#[expect(unreachable_pub, reason = "the generated bindings name it as if it were public")]
pub struct BlobReader;

/// A blob that is written.
#[expect(unreachable_pub, reason = "the generated bindings name it as if it were public")]
pub struct BlobWriter;

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

fn not_yet() -> wasmtime::Error {
    Failure::new(FailureKind::Internal, "`blob` is not there yet").into()
}

impl Host for GuestState {
    async fn open(
        &mut self,
        _digest: String,
        _offset: u64,
    ) -> wasmtime::Result<Result<Resource<BlobReader>, BlobError>> {
        Err(not_yet())
    }

    async fn create(&mut self) -> wasmtime::Result<Result<Resource<BlobWriter>, BlobError>> {
        Err(not_yet())
    }
}

impl HostReader for GuestState {
    async fn size(&mut self, _reader: Resource<BlobReader>) -> wasmtime::Result<u64> {
        Err(not_yet())
    }

    async fn read(
        &mut self,
        _reader: Resource<BlobReader>,
        _max: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, BlobError>> {
        Err(not_yet())
    }

    async fn drop(&mut self, _reader: Resource<BlobReader>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl HostWriter for GuestState {
    async fn write(
        &mut self,
        _writer: Resource<BlobWriter>,
        _bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), BlobError>> {
        Err(not_yet())
    }

    async fn finish(
        &mut self,
        _writer: Resource<BlobWriter>,
        _media_type: String,
    ) -> wasmtime::Result<Result<BlobRef, BlobError>> {
        Err(not_yet())
    }

    async fn drop(&mut self, _writer: Resource<BlobWriter>) -> wasmtime::Result<()> {
        Ok(())
    }
}
