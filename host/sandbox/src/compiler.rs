//! From a component's bytes to a linked step: checked, compiled, kept on disk.
//!
//! Everything here computes or reads files, and blocks meanwhile: it belongs on threads where that is allowed.

use stepwell_core::digest::Digest;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::cache::DiskCache;
use crate::component::{Imports, inspect};
use crate::error::{PublishError, SandboxError};
use crate::guest::GuestState;
use crate::step::Step;

/// Compiles, and remembers on disk what it compiled.
pub(crate) struct Compiler {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<GuestState>,
    pub(crate) disk: DiskCache,
    pub(crate) max_component_bytes: usize,
}

impl Compiler {
    /// Checks, compiles and links. A component that was compiled before is not compiled again.
    pub(crate) fn compile(&self, bytes: &[u8]) -> Result<(Step, Imports), PublishError> {
        let (size, limit) = (bytes.len(), self.max_component_bytes);
        if size > limit {
            return Err(PublishError::TooLarge { size, limit });
        }
        let imports = inspect(bytes)?;
        let digest = Digest::of(bytes);
        let component = match self.disk.load(&self.engine, &digest)? {
            Some(component) => component,
            None => {
                let component = Component::from_binary(&self.engine, bytes)
                    .map_err(|error| PublishError::Invalid(format!("{error:#}")))?;
                self.disk.store(&digest, &component)?;
                component
            }
        };
        Ok((Step::link(&self.linker, digest, &component)?, imports))
    }

    /// The step of this digest, if it was compiled before.
    pub(crate) fn load(&self, digest: &Digest) -> Result<Option<Step>, SandboxError> {
        let Some(component) = self.disk.load(&self.engine, digest)? else { return Ok(None) };
        match Step::link(&self.linker, *digest, &component) {
            Ok(step) => Ok(Some(step)),
            // It was compiled by an engine like this one, and yet does not fit: let `compile` say why.
            Err(error) => {
                tracing::warn!(%digest, %error, "a compiled step can't be linked any more");
                Ok(None)
            }
        }
    }
}
