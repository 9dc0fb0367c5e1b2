//! A step that is compiled and linked: what an attempt instantiates.

use std::sync::Arc;

use stepwell_core::digest::Digest;
use stepwell_core::manifest::Capability;
use wasmtime::component::{Component, Linker};

use crate::bindings::StepPre;
use crate::component::{effect_of, imports_interface};
use crate::error::PublishError;
use crate::guest::GuestState;

/// A step, ready to be called. Cheap to clone.
#[derive(Clone)]
pub struct Step(Arc<Linked>);

struct Linked {
    digest: Digest,
    pre: StepPre<GuestState>,
    sends_http: bool,
    uses_blobs: bool,
}

impl Step {
    /// Links a compiled component; its types must fit the contract.
    pub(crate) fn link(
        linker: &Linker<GuestState>,
        digest: Digest,
        component: &Component,
    ) -> Result<Self, PublishError> {
        let other_world = |error: wasmtime::Error| PublishError::OtherWorld(format!("{error:#}"));
        let kind = component.component_type();
        let sends_http =
            kind.imports(linker.engine()).any(|(name, _)| effect_of(name) == Some(Capability::Http));
        // Also the bodies of `http` may be blobs.
        let uses_blobs =
            sends_http || kind.imports(linker.engine()).any(|(name, _)| imports_interface(name, "blob"));
        let pre = linker.instantiate_pre(component).and_then(StepPre::new).map_err(other_world)?;
        Ok(Self(Arc::new(Linked { digest, pre, sends_http, uses_blobs })))
    }

    /// Of the component's bytes.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.0.digest
    }

    /// Whether an attempt needs a way out.
    pub(crate) fn sends_http(&self) -> bool {
        self.0.sends_http
    }

    /// Whether an attempt may ask for blobs.
    pub(crate) fn uses_blobs(&self) -> bool {
        self.0.uses_blobs
    }

    pub(crate) fn pre(&self) -> &StepPre<GuestState> {
        &self.0.pre
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Step").field(self.digest()).finish()
    }
}
