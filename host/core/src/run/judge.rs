//! Whether an output counts: the `gate` and the `until` of a node.
//!
//! Asked once, when an attempt gave its output; the answer is the event that the journal keeps.

use std::sync::Arc;

use serde_json::{Value, json};

use super::state::RunState;
use crate::expression::{Expression, Scope};
use crate::failure::{Failure, FailureKind};
use crate::id::{NodeId, Part};
use crate::plan::Gate;

impl RunState {
    /// Why an output does not count, if it does not. What undoes a node is not judged.
    pub fn judge(&self, node: &NodeId, part: Part, output: &Arc<Value>) -> Result<(), Failure> {
        let step = self.plan.nodes.get(node).and_then(|planned| planned.work.step());
        let Some(step) = step.filter(|_| part != Part::Compensation) else { return Ok(()) };
        if step.gate.is_none() && step.until.is_none() {
            return Ok(());
        }
        let scope = self.scope_of(node, part);
        let scope = scope.as_ref().unwrap_or(&self.scope).with("output", output);
        if let Some(until) = &step.until {
            wait_for(&until.that, &scope, output)?;
        }
        match &step.gate {
            Some(gate) => pass(gate, &scope, output),
            None => Ok(()),
        }
    }
}

fn wait_for(that: &Expression, scope: &Scope, output: &Arc<Value>) -> Result<(), Failure> {
    if that.is_true(scope)? {
        return Ok(());
    }
    Err(Failure {
        detail: Some(json!({"output": &**output})),
        ..Failure::new(FailureKind::Until, format!("`{}` does not hold yet", that.source()))
    })
}

fn pass(gate: &Gate, scope: &Scope, output: &Arc<Value>) -> Result<(), Failure> {
    if gate.that.is_true(scope)? {
        return Ok(());
    }
    let reason = match &gate.reason {
        Some(reason) => reason.render(scope)?.as_str().map(|reason| format!(": {reason}")),
        None => None,
    };
    let message =
        format!("the output does not pass the gate `{}`{}", gate.that.source(), reason.unwrap_or_default());
    Err(Failure { detail: Some(json!({"output": &**output})), ..Failure::new(FailureKind::Gate, message) })
}
