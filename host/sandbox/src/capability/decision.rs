//! `decision`: the audit record of an AI decision.

use stepwell_core::attempt::Decision;
use stepwell_core::failure::{Failure, FailureKind};
use wasmtime::component::{HasSelf, Linker};

use super::parse_json;
use crate::bindings::stepwell::step::decision::{Host, Verdict, add_to_linker};
use crate::guest::GuestState;

pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl Host for GuestState {
    fn record(&mut self, verdict: Verdict) -> wasmtime::Result<()> {
        self.enter("decision.record")?;
        let text = verdict.decided.len()
            + verdict.model_version.len()
            + verdict.explanation.as_ref().map_or(0, String::len);
        self.meter.sent.take(text as u64)?;
        self.decisions.push(decision(verdict)?);
        Ok(())
    }
}

fn decision(verdict: Verdict) -> Result<Decision, Failure> {
    if let Some(confidence) = verdict.confidence.filter(|confidence| !(0.0..=1.0).contains(confidence)) {
        return Err(Failure::new(
            FailureKind::Permanent,
            format!("the step recorded a decision with confidence {confidence}: it must be 0 to 1"),
        ));
    }
    Ok(Decision {
        decided: parse_json("`decided` of a decision", &verdict.decided)?,
        confidence: verdict.confidence,
        explanation: verdict.explanation,
        model_version: verdict.model_version,
    })
}
