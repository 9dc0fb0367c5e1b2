//! `usage`: what an AI call cost.

use stepwell_core::attempt::ModelCall;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::stepwell::step::usage::{Host, ModelCall as GuestModelCall, add_to_linker};
use crate::guest::GuestState;

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl Host for GuestState {
    fn record(&mut self, call: GuestModelCall) -> wasmtime::Result<()> {
        self.enter("usage.record")?;
        self.meter.sent.take((call.provider.len() + call.model.len()) as u64)?;
        let call = ModelCall {
            provider: call.provider,
            model: call.model,
            input_tokens: call.input_tokens,
            output_tokens: call.output_tokens,
            cost_micro_usd: call.cost_micro_usd,
        };
        if self.usage.len() >= self.heard.calls {
            self.host.used(&call);
        }
        self.usage.push(call);
        Ok(())
    }
}
