//! One call of one step: a fresh store and instance, about 200 bytes of JSON in and out, and everything dropped.
//!
//! `cargo bench --workspace --bench call`

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use divan::Bencher;
use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::attempt::{LogLine, ModelCall};
use stepwell_core::destination::Destination;
use stepwell_core::effect::Effect;
use stepwell_core::failure::Failure;
use stepwell_core::id::{AttemptNumber, Part};
use stepwell_core::limits::Limits;
use stepwell_sandbox::{Attempt, AttemptContext, AttemptHost, Leave, Sandbox, SandboxConfig, Step};
use stepwell_toolchain::{BuildOptions, Quiet, Toolchain, build, shared_target_dir};
use tokio::runtime::{Builder, Runtime};

fn main() {
    divan::main();
}

/// The standard step `transform`, which computes and has no effects.
#[divan::bench(threads = [1, 2])]
fn instantiate_call_drop(bencher: Bencher<'_, '_>) {
    let (runtime, sandbox, step) = &*READY;
    let host: Arc<dyn AttemptHost> = Arc::new(Nobody);
    bencher.with_inputs(attempt).bench_values(|attempt| {
        let report = runtime.block_on(sandbox.run(step, attempt, Arc::clone(&host)));
        assert!(report.result.is_ok(), "{:?}", report.result);
        report
    });
}

static READY: LazyLock<(Runtime, Sandbox, Step)> = LazyLock::new(|| {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let options = BuildOptions { target_dir: Some(shared_target_dir(&repository)) };
    let toolchain = Toolchain::ready(&mut Quiet).expect("a toolchain for Rust steps");
    let built =
        build(&toolchain, &repository.join("steps/transform"), &options, &mut Quiet).expect("the step");

    let cache = tempfile::tempdir().expect("a folder");
    let config = SandboxConfig { cache_dir: cache.path().join("compiled"), ..SandboxConfig::default() };
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let sandbox = Sandbox::new(config).expect("a sandbox");
    let step = runtime.block_on(sandbox.compile(built.bytes.into())).expect("a step");
    (runtime, sandbox, step)
});

fn attempt() -> Attempt {
    const INPUT: &str = r#"{"id": 4711, "subject": "My invoice is wrong", "customer": {"name": "Ada", "tier": "gold"},
        "tags": ["billing", "urgent"], "description": "You have charged me twice for the month of May."}"#;
    const CONFIG: &str = r#"{"template": {"title": "{{ input.subject }}", "who": "{{ input.customer.name }}",
        "tags": "{{ input.tags }}", "text": "{{ input.description }}"}}"#;
    Attempt {
        context: AttemptContext {
            run: "0190f3a5-0000-7000-8000-000000000000".parse().expect("a run"),
            workflow: "bench".parse().expect("a name"),
            version: semver::Version::new(1, 0, 0),
            node: "shape".parse().expect("a name"),
            part: Part::Whole,
            attempt: AttemptNumber::FIRST,
            started_at: Timestamp::UNIX_EPOCH,
            deadline: Timestamp::UNIX_EPOCH,
            run_traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        },
        input: INPUT.to_owned(),
        config: CONFIG.into(),
        grants: Arc::default(),
        secrets: Default::default(),
        limits: Limits::default(),
        replay: Vec::new(),
    }
}

/// The step has nothing to tell.
struct Nobody;

#[async_trait]
impl AttemptHost for Nobody {
    async fn before_effect(&self, _: Option<&Destination>) -> Result<Box<dyn Leave>, Failure> {
        Ok(Box::new(()))
    }
    fn answered(&self, _: Effect) {}
    fn used(&self, _: &ModelCall) {}
    fn logged(&self, _: &LogLine) {}
    fn progress(&self, _: Value) {}
}
