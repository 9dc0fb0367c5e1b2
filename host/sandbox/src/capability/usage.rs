//! `usage`: what an AI call cost.

use stepwell_core::attempt::ModelCall;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::stepwell::step::usage::{Host, ModelCall as GuestModelCall, add_to_linker};
use crate::guest::GuestState;

/// A longer name is cut: it is repeated wherever costs are told.
const MAX_NAME_BYTES: usize = 256;

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl Host for GuestState {
    fn record(&mut self, call: GuestModelCall) -> wasmtime::Result<()> {
        self.enter("usage.record")?;
        self.meter.sent.take((call.provider.len() + call.model.len()) as u64)?;
        let call = ModelCall {
            provider: name(call.provider),
            model: name(call.model),
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

fn name(mut written: String) -> String {
    written.truncate(written.floor_char_boundary(MAX_NAME_BYTES));
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_between_characters() {
        assert_eq!(name("gpt-4o".to_owned()), "gpt-4o");
        assert_eq!(name("ä".repeat(200)).len(), 256);
        assert_eq!(name(format!("x{}", "ä".repeat(200))).len(), 255);
    }
}
