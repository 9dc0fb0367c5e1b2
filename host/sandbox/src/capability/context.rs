//! `context`: where the attempt stands.

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::stepwell::step::context::{Attempt, Host, add_to_linker};
use crate::guest::GuestState;

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl Host for GuestState {
    fn current(&mut self) -> wasmtime::Result<Attempt> {
        let context = &self.enter("context.current")?.context;
        Ok(Attempt {
            run_id: context.run.to_string(),
            workflow: context.workflow.to_string(),
            workflow_version: context.version.to_string(),
            node: context.node.to_string(),
            attempt: context.attempt.0,
            started_at_ms: since_epoch_ms(context.started_at),
            deadline_ms: since_epoch_ms(context.deadline),
            idempotency_key: context.idempotency_key(),
            traceparent: context.traceparent(),
        })
    }
}

/// Milliseconds since the Unix epoch; what lies before it is the epoch.
fn since_epoch_ms(time: jiff::Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}
