//! The real host: the contract's imports and exports, and the SDK's types translated to them.

mod blob;
mod http;
mod state;

use crate::__private::{About, Capability};
use crate::context::Attempt;
use crate::decision::Verdict;
use crate::handler::{self, Handler};
use crate::log::Level;
use crate::schema::Schemas;
use crate::usage::ModelCall;
use crate::{StepError, StepErrorKind};

use bindings::stepwell::step as wit;

pub(crate) use blob::{
    BlobReader, BlobWriter, blob_size, create_blob, finish_blob, open_blob, read_blob, write_blob,
};
pub(crate) use http::{IncomingBody, exchange, open, read_incoming, send, send_all};
pub(crate) use state::{delete_state, get_state, set_state, swap_state};

/// Generated from the WIT package.
///
/// `unsafe` is allowed here because the canonical ABI passes pointers into linear memory; the code is wit-bindgen's, unedited.
#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated code")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "step",
        pub_export_macro: true,
        export_macro_name: "__export_guest",
        default_bindings_module: "stepwell_sdk::__private::bindings",
        runtime_path: "stepwell_sdk::__private::wit_bindgen::rt",
    });
}

/// Serves a step from the memory that the linker leaves above the data (`--initial-heap`): a small step never calls
/// `memory.grow`, which costs the host two system calls and a kernel lock in every fresh instance.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Makes a function of the crate the component's exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_step {
    ($function:path, $about:path) => {
        struct ExportedStep;

        impl $crate::__private::bindings::Guest for ExportedStep {
            fn describe() -> $crate::__private::bindings::Manifest {
                $crate::__private::describe(&$function, &$about)
            }

            fn run(input: String, config: String) -> Result<String, $crate::__private::bindings::StepError> {
                $crate::__private::run(&$function, &input, &config)
            }
        }

        $crate::__private::bindings::__export_guest!(ExportedStep with_types_in $crate::__private::bindings);
    };
}

#[doc(hidden)]
pub fn describe<A, H: Handler<A>>(step: &H, about: &About) -> wit::types::Manifest {
    report_panics();
    let schemas = Schemas::of(step);
    let need = |need: &crate::__private::Need| wit::types::CapabilityNeed {
        capability: match need.capability {
            Capability::Http => wit::types::Capability::Http,
            Capability::State => wit::types::Capability::State,
        },
        reason: need.reason.into(),
    };
    wit::types::Manifest {
        name: about.name.into(),
        version: about.version.into(),
        summary: about.summary.into(),
        input_schema: schemas.input.as_value().to_string(),
        config_schema: schemas.config.as_value().to_string(),
        output_schema: schemas.output.as_value().to_string(),
        capabilities: about.needs.iter().map(need).collect(),
    }
}

#[doc(hidden)]
pub fn run<A, H: Handler<A>>(step: &H, input: &str, config: &str) -> Result<String, wit::types::StepError> {
    report_panics();
    handler::run(step, input, config).map_err(error_to_wit)
}

/// A panic ends the component with a bare trap; this line is all that the host learns of its reason.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a panic without a message");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        write_log(Level::Error, &format!("{message} (at {at})"), &[("panic", "true".into())]);
    }));
}

fn error_to_wit(error: StepError) -> wit::types::StepError {
    let StepError { kind, message, detail, retry_after } = error;
    let detail = detail.map(|detail| detail.to_string());
    match kind {
        StepErrorKind::InvalidInput => {
            wit::types::StepError::InvalidInput(wit::types::Failure { message, detail })
        }
        StepErrorKind::Permanent => wit::types::StepError::Permanent(wit::types::Failure { message, detail }),
        StepErrorKind::Retryable => {
            let retry_after_ms = retry_after.map(to_ms);
            wit::types::StepError::Retryable(wit::types::RetryableFailure { message, detail, retry_after_ms })
        }
    }
}

pub(crate) fn write_log(level: Level, message: &str, fields: &[(&str, String)]) {
    let level = match level {
        Level::Trace => wit::log::Level::Trace,
        Level::Debug => wit::log::Level::Debug,
        Level::Info => wit::log::Level::Info,
        Level::Warn => wit::log::Level::Warn,
        Level::Error => wit::log::Level::Error,
    };
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    wit::log::write(level, message, &fields);
}

pub(crate) fn current_attempt() -> Attempt {
    let attempt = wit::context::current();
    Attempt {
        run_id: attempt.run_id,
        workflow: attempt.workflow,
        workflow_version: attempt.workflow_version,
        node: attempt.node,
        attempt: attempt.attempt,
        started_at_ms: attempt.started_at_ms,
        deadline_ms: attempt.deadline_ms,
        idempotency_key: attempt.idempotency_key,
        traceparent: attempt.traceparent,
    }
}

pub(crate) fn record_usage(call: ModelCall) {
    wit::usage::record(&wit::usage::ModelCall {
        provider: call.provider,
        model: call.model,
        input_tokens: call.input_tokens,
        output_tokens: call.output_tokens,
        cost_micro_usd: call.cost_micro_usd,
    });
}

pub(crate) fn record_decision(verdict: Verdict) {
    wit::decision::record(&wit::decision::Verdict {
        decided: verdict.decided.to_string(),
        confidence: verdict.confidence,
        explanation: verdict.explanation,
        model_version: verdict.model_version,
    });
}

pub(crate) fn emit_progress(chunk: &str) {
    wit::progress::emit(chunk);
}

fn to_ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
