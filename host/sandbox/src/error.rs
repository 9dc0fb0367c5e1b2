//! What can go wrong outside an attempt: with the sandbox itself, and with a component that somebody publishes.
//!
//! What goes wrong inside an attempt is a [`Failure`]: the run's journal keeps it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use stepwell_core::failure::Failure;
use stepwell_core::mistake::Mistake;

use crate::component::{CONTRACT_INTERFACES, WASI_HTTP_INTERFACES, WASI_PACKAGES};

/// The sandbox cannot work.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// wasmtime refused its configuration or its own compiled code.
    #[error("the WebAssembly engine can't be set up: {0:#}")]
    Engine(#[source] wasmtime::Error),
    /// The kernel allows fewer memory maps than the instances need.
    #[error(
        "{max_live} live instances need {needed} memory maps and the kernel allows {allowed}: \
         lower the number of live instances, or run `sysctl -w vm.max_map_count={needed}`"
    )]
    MemoryMaps {
        /// Live instances that were asked for.
        max_live: u32,
        /// Maps that they need.
        needed: u64,
        /// Maps that the kernel allows.
        allowed: u64,
    },
    /// The cache of compiled code cannot be read or written.
    #[error("the cache of compiled steps at `{}` can't be used: {error}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The HTTP client cannot be set up.
    #[error("the HTTP client can't be set up: {0}")]
    Http(String),
    /// A thread of ours died: its panic is in the log.
    #[error("compiling a step failed inside the host; its log says more")]
    Compiler,
}

/// A component that cannot be published, in words for its author.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// More bytes than the configuration allows.
    #[error("the component has {size} bytes and may have {limit} at most")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// Not WebAssembly.
    #[error("this is no WebAssembly: a component starts with the bytes `\\0asm`")]
    NotWebAssembly,
    /// A core module.
    #[error("this is a core module and not a component: encode it as a component with `stepwell step build`")]
    CoreModule,
    /// WebAssembly that breaks its own rules.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// Imports outside the contract.
    #[error(
        "the component imports {}, which no step may: a step imports from `stepwell:step` 1 ({}) and from WASI 0.2 ({}, \
         and of http: {})",
        quoted(.0), CONTRACT_INTERFACES.join(", "), WASI_PACKAGES.join(", "), WASI_HTTP_INTERFACES.join(", ")
    )]
    ForbiddenImports(Vec<String>),
    /// Exports missing.
    #[error("the component does not export {}: a step exports the world `stepwell:step/step`", quoted(.0))]
    MissingExports(Vec<String>),
    /// Imports or exports of another shape than the contract's.
    #[error("the component does not fit the world `stepwell:step/step`: {0}")]
    OtherWorld(String),
    /// Compilation took too long.
    #[error("the component took longer than {} s to compile: make it smaller", .0.as_secs())]
    CompileTimeout(Duration),
    /// `describe` did not answer.
    #[error("the step's `describe` failed: {0}")]
    Describe(#[source] Failure),
    /// `describe` answered something wrong.
    #[error("the step's manifest is wrong: {}", messages(.0))]
    Manifest(Vec<Mistake>),
    /// Not the component's fault.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn messages(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|m| format!("`{}` {}", m.pointer, m.message)).collect::<Vec<_>>().join("; ")
}
