//! `state`: small values that a workflow keeps.

use stepwell_core::failure::{Failure, FailureKind};
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::stepwell::step::state::{Entry, Host, StateError, Swap, add_to_linker};
use crate::guest::GuestState;

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

fn not_yet() -> wasmtime::Error {
    Failure::new(FailureKind::Internal, "`state` is not there yet").into()
}

impl Host for GuestState {
    async fn get(&mut self, _key: String) -> wasmtime::Result<Result<Option<Entry>, StateError>> {
        Err(not_yet())
    }

    async fn set(
        &mut self,
        _key: String,
        _value: String,
        _ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<u64, StateError>> {
        Err(not_yet())
    }

    async fn compare_and_swap(
        &mut self,
        _key: String,
        _version: Option<u64>,
        _value: String,
        _ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<Swap, StateError>> {
        Err(not_yet())
    }

    async fn delete(&mut self, _key: String) -> wasmtime::Result<Result<bool, StateError>> {
        Err(not_yet())
    }
}
