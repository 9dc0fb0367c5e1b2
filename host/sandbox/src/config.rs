//! What the operator decides about the sandbox, with its defaults.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use stepwell_core::limits::Limits;

use crate::http::{EffectStandIn, NetworkPolicy};

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// The folder of compiled code; made if it is not there, for this user alone.
    pub cache_dir: PathBuf,
    /// Instances that live at the same time; attempts beyond them wait. The kernel's `vm.max_map_count` must allow them.
    pub max_live: u32,
    /// An attempt that waits longer than this for an answer of `http` gives its instance up meanwhile. Where others wait for one, it
    /// does so sooner.
    pub park_after: Duration,
    /// Steps that are kept ready in memory; others are read from the cache when they are called.
    pub max_loaded: usize,
    /// The most that any attempt's limits may be: the pool is laid out for it.
    pub ceiling: Limits,
    /// Where steps may send requests at all.
    pub network: NetworkPolicy,
    /// Answers every effect that is granted, so that none leaves the machine: for tests and replays.
    pub stand_in: Option<Arc<dyn EffectStandIn>>,
    /// Size of a component.
    pub max_component_bytes: usize,
    /// Components that are compiled at the same time, each on one thread.
    pub compile_parallelism: usize,
    /// How long a compilation may take.
    pub compile_timeout: Duration,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            cache_dir: PathBuf::from("compiled"),
            max_live: 1_000,
            park_after: Duration::from_secs(1),
            max_loaded: 1_000,
            ceiling: Limits::default_ceiling(),
            network: NetworkPolicy::default(),
            stand_in: None,
            max_component_bytes: 64 << 20,
            compile_parallelism: half_of_the_cores(),
            compile_timeout: Duration::from_secs(120),
        }
    }
}

/// So that the other half goes on with the runs.
fn half_of_the_cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).div_ceil(2)
}
