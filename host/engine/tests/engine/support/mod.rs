//! What the tests stand on.

mod disk;
pub(crate) mod guests;
mod outside;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stepwell_core::id::{RunId, TenantId, WorkflowName};
use stepwell_core::run::{RunView, Trigger};
use stepwell_engine::{Applied, Cancel, CancelOutcome, Engine, EngineConfig, StartRequest, Started};
use stepwell_sandbox::{NetworkPolicy, Sandbox, SandboxConfig};
use stepwell_store::memory::{MemoryCatalogue, MemoryJournal};
use tokio::runtime::Runtime;

pub(crate) use disk::Disk;
pub(crate) use outside::Outside;

/// Long enough for anything that ends at all, on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What outlives an engine: the store and the world outside.
pub(crate) struct Ground {
    catalogue: Arc<MemoryCatalogue>,
    journal: Arc<MemoryJournal>,
    pub(crate) outside: Outside,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self { catalogue: Arc::default(), journal: Arc::default(), outside: Outside::start() }
    }

    /// An engine that lives on this ground, with what it had to recover recovered.
    pub(crate) fn life(&self) -> Life {
        self.life_with(EngineConfig::default())
    }

    pub(crate) fn life_with(&self, config: EngineConfig) -> Life {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let network =
            NetworkPolicy { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], ..Default::default() };
        let sandbox = SandboxConfig {
            // Shared by all tests: code is kept under its component's digest.
            cache_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("engine-code"),
            max_live: 8,
            network,
            ..SandboxConfig::default()
        };
        let disk = Disk::over(Arc::clone(&self.journal));
        let engine = runtime.block_on(async {
            let sandbox = Arc::new(Sandbox::new(sandbox).unwrap());
            let engine = Engine::open(config, self.catalogue.clone(), disk.clone(), sandbox);
            let engine = engine.await.unwrap();
            engine.ready().await;
            engine
        });
        Life { runtime: Some(runtime), engine, disk }
    }

    /// The hosts that a node's grant must name to reach the world outside.
    pub(crate) fn grants(&self) -> Value {
        json!({"http": [{"host": self.outside.host()}]})
    }

    /// A node that sends requests to these paths outside, one after the other.
    pub(crate) fn courier(&self, paths: &[&str]) -> Value {
        let urls: Vec<_> = paths.iter().map(|path| self.outside.url(path)).collect();
        json!({"step": "courier@^1", "input": {"urls": urls}, "grants": self.grants()})
    }
}

/// An engine and the tasks that it has.
pub(crate) struct Life {
    runtime: Option<Runtime>,
    pub(crate) engine: Engine,
    pub(crate) disk: Arc<Disk>,
}

impl Life {
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let patient = async { tokio::time::timeout(PATIENCE, future).await.expect("it ends in time") };
        self.runtime.as_ref().expect("the life goes on").block_on(patient)
    }

    /// Does something beside the test.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.as_ref().expect("the life goes on").spawn(future)
    }

    /// Ends as a crash does: nothing more is written or done, whatever was under way.
    pub(crate) fn crash(mut self) {
        self.disk.break_down();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(PATIENCE);
        }
    }

    pub(crate) fn publish(&self, name: &str) {
        self.block_on(self.engine.publish_step(&tenant(), guests::component(name).into())).unwrap();
    }

    /// Applies `{"name": "test", "version": "1.0.0"}` with these fields added.
    pub(crate) fn apply(&self, fields: &Value) -> Applied {
        let definition = definition(fields);
        self.block_on(self.engine.apply_workflow(&tenant(), &workflow(), definition)).unwrap()
    }

    /// Starts a run of the test's workflow, and does not wait for it.
    pub(crate) fn start(&self) -> RunId {
        self.block_on(self.engine.start(request(json!({})))).unwrap().run
    }

    /// Takes a place with an attempt that computes, and needs it until the run is cancelled. The workflow is of a version of its own.
    pub(crate) fn occupy(&self) -> RunId {
        self.publish("hostile");
        let limits = json!({"fuel": 1_000_000_000_000_u64});
        let node = json!({"step": "hostile@^1", "input": {"mode": "endless-loop"}, "limits": limits});
        self.apply(&json!({"version": "0.1.0", "nodes": {"busy": node}}));
        let busy = self.start();
        self.block_on(async {
            while self.engine.stats().live_attempts == 0 {
                tokio::task::yield_now().await;
            }
        });
        busy
    }

    /// Waits until so many attempts queue.
    pub(crate) async fn queued(&self, attempts: usize) {
        while self.engine.stats().queued_attempts < attempts {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn cancel(&self, run: RunId) {
        let cancelled = self.block_on(self.engine.cancel(&tenant(), run, Cancel::default())).unwrap();
        assert_eq!(cancelled, CancelOutcome::Cancelled);
    }

    /// Starts a run of the test's workflow and waits for its end.
    pub(crate) fn complete(&self, input: Value) -> RunView {
        let started = self.block_on(self.engine.start(waiting(request(input)))).unwrap();
        let Started { run, ended: Some(outcome), existing: false, .. } = started else {
            panic!("not ended: {started:?}")
        };
        let view = self.end_of(run);
        assert_eq!(view.clone().into_outcome(), Some(outcome), "what was told is what is kept");
        view
    }

    /// Waits for a run's end.
    pub(crate) fn end_of(&self, run: RunId) -> RunView {
        let view =
            self.block_on(self.engine.wait(&tenant(), run, PATIENCE)).unwrap().expect("the run exists");
        assert!(view.ended_at.is_some(), "the run ended: {view:?}");
        view
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn tenant() -> TenantId {
    TenantId::default()
}

pub(crate) fn workflow() -> WorkflowName {
    "test".parse().unwrap()
}

pub(crate) fn definition(fields: &Value) -> Value {
    let mut definition = json!({"name": "test", "version": "1.0.0"});
    for (name, value) in fields.as_object().expect("fields") {
        definition[name] = value.clone();
    }
    definition
}

/// A wish to run the test's workflow.
pub(crate) fn request(input: Value) -> StartRequest {
    StartRequest {
        tenant: tenant(),
        workflow: workflow(),
        version: None,
        input,
        priority: None,
        trigger: Trigger::Api,
        traceparent: String::new(),
        idempotency_key: None,
        wait: None,
        start_at: None,
    }
}

pub(crate) fn waiting(request: StartRequest) -> StartRequest {
    StartRequest { wait: Some(PATIENCE), ..request }
}
