//! How an engine is set up: every knob with its default, in one place.

use std::sync::Arc;
use std::time::Duration;

use stepwell_core::limits::Limits;
use stepwell_store::Blobs;

use crate::Sink;
use crate::destinations::FlowConfig;

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Attempts that have an instance at the same time; further ones queue. Each costs a guest's memory and six kernel memory maps.
    /// One that waits for an answer of `http` gives its instance up for who queues.
    pub max_live_attempts: usize,
    /// How long a start's idempotency key is remembered.
    pub idempotency_ttl: Duration,
    /// How long runs that have ended are kept; none: for ever. Shorter than `idempotency_ttl`, a start that is repeated may be answered
    /// with a run that is gone.
    pub retention: Option<Duration>,
    /// Bytes of a run's input, as JSON text.
    pub max_input_bytes: usize,
    /// Keys that a workflow's state may have.
    pub max_state_keys: usize,
    /// The most that a node may set as its limits.
    pub ceiling: Limits,
    /// How others reach this server: callbacks' URLs begin with it.
    pub public_url: Arc<str>,
    /// Circuit breakers and rate limits of destinations.
    pub flow: FlowConfig,
    /// Whether schedules go by the clock; else they do what [`Engine::run_schedules`](crate::Engine::run_schedules) is called for.
    pub run_schedules: bool,
    /// Whoever waits for a time looks at the system's clock so often: somebody may have put it forward.
    pub clock_check: Duration,
    /// Where the events that workflows emit are sent, beside the workflows here.
    pub sinks: Vec<Sink>,
    /// Values that are not JSON.
    pub blobs: BlobConfig,
}

/// Where blobs are kept, and how long.
#[derive(Debug, Clone)]
pub struct BlobConfig {
    /// Their bytes.
    pub store: Blobs,
    /// How long a blob is kept that no run and no workflow names, counted from when that was last looked for, or it was uploaded; none: for ever.
    pub keep_unused: Option<Duration>,
}

impl Default for BlobConfig {
    /// In memory: whoever wants them to last says where.
    fn default() -> Self {
        Self { store: Blobs::in_memory(1 << 30), keep_unused: None }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_live_attempts: 512,
            idempotency_ttl: Duration::from_secs(24 * 60 * 60),
            retention: None,
            max_input_bytes: 1 << 20,
            max_state_keys: 100_000,
            ceiling: Limits::default_ceiling(),
            public_url: "http://127.0.0.1:8080".into(),
            flow: FlowConfig::default(),
            run_schedules: true,
            clock_check: Duration::from_millis(500),
            sinks: Vec::new(),
            blobs: BlobConfig::default(),
        }
    }
}
