//! The interfaces of the contract, one module each, all of one shape.
//!
//! - `link` puts the interface's host functions into the linker, once.
//! - `check` judges a grant for it, when a workflow is applied: only where there are grants for it.
//! - `prepare` makes what one attempt needs of it: only where that is more than the [`GuestState`] has anyway.
//!
//! `http` is such a module too; it has its own folder, [`crate::http`]. A new capability is one WIT file, one such
//! module, and one line in [`link`].

#[expect(unreachable_pub, reason = "the generated bindings name it as if it were public")]
pub mod blob;
pub(crate) mod context;
pub(crate) mod decision;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod state;
pub(crate) mod usage;

use serde_json::Value;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::grant::Grants;
use stepwell_core::mistake::Mistake;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::stepwell::step::types;
use crate::guest::GuestState;
use crate::http;

/// Links every interface of the contract.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    blob::link(linker)?;
    context::link(linker)?;
    decision::link(linker)?;
    log::link(linker)?;
    progress::link(linker)?;
    state::link(linker)?;
    usage::link(linker)?;
    http::link(linker)
}

/// What is wrong with a node's grants, with pointers into them.
#[must_use]
pub fn check_grants(grants: &Grants) -> Vec<Mistake> {
    [http::check(grants), state::check(grants)].concat()
}

/// Shapes alone: there is nothing to call.
impl types::Host for GuestState {}

/// Reads a JSON document that the guest handed in; `what` names it in the error.
fn parse_json(what: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::new(FailureKind::Permanent, format!("the step gave {what} that is no JSON: {error}"))
    })
}
