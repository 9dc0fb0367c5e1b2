//! The whole sandbox, with guests of a few instructions each.

mod blobs;
mod caching;
mod contract;
mod guest;
mod limits;
mod parking;
mod publishing;
mod replaying;
mod streaming;
mod wasi;

use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::attempt::{LogLine, ModelCall};
use stepwell_core::destination::Destination;
use stepwell_core::effect::Effect;
use stepwell_core::failure::Failure;
use stepwell_core::grant::Grants;
use stepwell_core::id::{AttemptNumber, Part};
use stepwell_core::limits::Limits;
use tempfile::TempDir;

use self::guest::Guest;
use crate::{Attempt, AttemptContext, AttemptHost, AttemptReport, Leave, Sandbox, SandboxConfig};

/// What an attempt told its host.
#[derive(Default)]
pub(crate) struct Witness {
    answered: Mutex<Vec<Effect>>,
    used: Mutex<Vec<ModelCall>>,
    logged: Mutex<Vec<LogLine>>,
    progress: Mutex<Vec<Value>>,
}

impl Witness {
    /// All that it was told.
    fn heard(&self) -> (Vec<Effect>, Vec<ModelCall>, Vec<LogLine>, Vec<Value>) {
        let Self { answered, used, logged, progress } = self;
        (
            answered.lock().expect("a witness").clone(),
            used.lock().expect("a witness").clone(),
            logged.lock().expect("a witness").clone(),
            progress.lock().expect("a witness").clone(),
        )
    }
}

#[async_trait]
impl AttemptHost for Witness {
    async fn before_effect(&self, _: Option<&Destination>) -> Result<Box<dyn Leave>, Failure> {
        Ok(Box::new(()))
    }
    fn answered(&self, effect: Effect) {
        self.answered.lock().expect("a witness").push(effect);
    }
    fn used(&self, call: &ModelCall) {
        self.used.lock().expect("a witness").push(call.clone());
    }
    fn logged(&self, line: &LogLine) {
        self.logged.lock().expect("a witness").push(line.clone());
    }
    fn progress(&self, chunk: Value) {
        self.progress.lock().expect("a witness").push(chunk);
    }
}

/// A small sandbox with a cache of its own.
struct House {
    sandbox: Sandbox,
    _cache: TempDir,
}

fn config() -> (SandboxConfig, TempDir) {
    let cache = tempfile::tempdir().expect("a folder");
    let config =
        SandboxConfig { cache_dir: cache.path().join("compiled"), max_live: 4, ..SandboxConfig::default() };
    (config, cache)
}

impl House {
    fn new() -> Self {
        let (config, cache) = config();
        Self { sandbox: Sandbox::new(config).expect("a sandbox"), _cache: cache }
    }

    /// Runs a guest once, with some input.
    async fn run(&self, guest: Guest<'_>, attempt: Attempt) -> AttemptReport {
        self.run_component(guest.build(), attempt, Arc::default()).await
    }

    async fn run_component(
        &self,
        component: Bytes,
        attempt: Attempt,
        witness: Arc<Witness>,
    ) -> AttemptReport {
        let step = self.sandbox.compile(component).await.expect("a step");
        self.sandbox.run(&step, attempt, witness).await
    }
}

/// The house that most tests share: setting one up costs more than what they do in it.
static HOUSE: LazyLock<House> = LazyLock::new(House::new);

pub(crate) fn attempt(input: &str) -> Attempt {
    Attempt {
        context: AttemptContext {
            run: "0190f3a5-0000-7000-8000-000000000000".parse().expect("a run"),
            workflow: "flow".parse().expect("a name"),
            version: semver::Version::new(2, 1, 0),
            node: "node".parse().expect("a name"),
            part: Part::Whole,
            attempt: AttemptNumber::FIRST,
            started_at: Timestamp::from_second(1_700_000_000).expect("a time"),
            deadline: Timestamp::from_second(1_700_000_060).expect("a time"),
            run_traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        },
        input: input.to_owned(),
        config: "{}".into(),
        grants: Arc::new(Grants::default()),
        secrets: Default::default(),
        limits: Limits::default(),
        replay: Vec::new(),
    }
}

fn limited(limits: Limits) -> Attempt {
    Attempt { limits, ..attempt("null") }
}
