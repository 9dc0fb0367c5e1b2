//! Loads, limits and calls one component; gives it the capabilities that it was granted.
//!
//! This crate knows no workflow, no journal and no HTTP API. Its caller says what an attempt may do
//! ([`Attempt`]), is asked before each effect and told each answer ([`AttemptHost`]), and gets a report.
//!
//! ```text
//! publish   bytes -> component (imports judged) -> compiler (cache) -> step -> describe -> PublishedStep
//! run       step + Attempt -> room -> guest in its store -> call (limits) -> AttemptReport
//!                              |          |
//!                              |          +-- capability, http: what the guest imports; effects: asked once
//!                              |          +-- blob: which blobs it may read
//!                              |          +-- wasi: empty, deterministic
//!                              +- lives: a guest that only waits goes, and another comes back to the answer
//! ```

mod attempt;
mod bindings;
mod blob;
mod cache;
mod call;
mod capability;
mod compiler;
mod component;
mod config;
mod describe;
mod effects;
mod engine;
mod error;
mod guest;
mod http;
mod lives;
mod log;
mod meter;
mod room;
mod sandbox;
mod step;
#[cfg(test)]
mod tests;
mod wasi;

pub use attempt::{Attempt, AttemptContext, AttemptHost, AttemptReport, Credential, Exchange, Leave};
pub use blob::{BlobError, BlobStore, NewBlob, NoBlobs, OpenBlob};
pub use capability::check_grants;
pub use config::SandboxConfig;
pub use error::{PublishError, SandboxError};
pub use http::{
    EffectStandIn, HostPattern, HttpAnswer, HttpAsked, HttpError, HttpKept, HttpResponse, HttpStream,
    InvalidHost, InvalidRoute, NetworkPolicy, Route, StreamEnd,
};
pub use sandbox::{Sandbox, SandboxStats};
pub use step::Step;
