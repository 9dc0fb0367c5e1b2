//! How a node's work begins: what each kind of node does first, and what its input is.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::action::Action;
use super::event::whole_millisecond;
use super::retry::later;
use super::state::RunState;
use crate::expression::{Scope, Template};
use crate::failure::{Failure, FailureKind};
use crate::id::{NodeId, Part};
use crate::plan::{ApprovalWork, Call, EmitWork, PlannedNode, WaitWork, Work, WorkflowWork};
use crate::quantity;
use crate::schema::SchemaViolation;

/// The most items of one map.
const MAX_ITEMS: usize = 100_000;

impl RunState {
    /// The first thing that a node does.
    pub(super) fn begin_work(&self, planned: &PlannedNode, now: Timestamp) -> Action {
        let node = planned.id.clone();
        let begun = match &planned.work {
            Work::Step(_) => return self.attempt(&node, Part::Whole, now),
            Work::Map(map) => {
                self.list(&planned.id, &map.over).map(|items| Action::StartMap { node: node.clone(), items })
            }
            Work::Wait(wait) => self
                .wait_until(&planned.id, wait, now)
                .map(|until| Action::Wait { node: node.clone(), until }),
            Work::Approval(approval) => self.ask(&node, approval, now),
            Work::Callback(callback) => Ok(Action::OpenCallback {
                node: node.clone(),
                expires_at: whole_millisecond(later(now, callback.expires)),
            }),
            Work::Workflow(WorkflowWork { input, .. }) => {
                input.render(&self.scope).map(|input| Action::StartChild { node: node.clone(), input })
            }
            Work::Emit(emit) => self.event(&node, emit, now),
        };
        begun.unwrap_or_else(|failure| Action::fail(node, failure))
    }

    fn list(&self, id: &NodeId, over: &Template) -> Result<Arc<Value>, Failure> {
        let items = over.render(&self.scope)?;
        match items.as_array() {
            Some(list) if list.len() <= MAX_ITEMS => Ok(items),
            Some(list) => Err(Failure::new(
                FailureKind::Expression,
                format!(
                    "/nodes/{id}/map/over: the list has {} items, more than {MAX_ITEMS}: split it",
                    list.len()
                ),
            )),
            None => Err(Failure::new(
                FailureKind::Expression,
                format!(
                    "/nodes/{id}/map/over: a list is wanted here, and the expression gives {}",
                    kind(&items)
                ),
            )),
        }
    }

    fn wait_until(&self, id: &NodeId, wait: &WaitWork, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let (value, field) = match wait {
            WaitWork::Signal { timeout, .. } => {
                return Ok(timeout.map(|timeout| whole_millisecond(later(now, timeout))));
            }
            WaitWork::For(value) => (value.render(&self.scope)?, "for"),
            WaitWork::Until(value) => (value.render(&self.scope)?, "until"),
        };
        let moment = match (wait, &*value) {
            (WaitWork::For(_), Value::String(text)) => quantity::duration(text).map(|by| later(now, by)),
            // A number is taken for seconds.
            (WaitWork::For(_), Value::Number(seconds)) => seconds
                .as_f64()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .filter(|by| *by <= quantity::MAX_DURATION)
                .map(|by| later(now, by)),
            (_, Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        moment.map(whole_millisecond).map(Some).ok_or_else(|| {
            let wanted = match field {
                "for" => "a duration such as `20s`, or a number of seconds, of a year at most",
                _ => "a time such as `2026-12-24T18:00:00Z`",
            };
            Failure::new(
                FailureKind::Expression,
                format!("/nodes/{id}/wait/{field}: {wanted} is wanted here, not {}", shown(&value)),
            )
        })
    }

    fn ask(&self, node: &NodeId, approval: &ApprovalWork, now: Timestamp) -> Result<Action, Failure> {
        let after = |by: Duration| whole_millisecond(later(now, by));
        Ok(Action::OpenApproval {
            node: node.clone(),
            show: approval.show.render(&self.scope)?,
            expires_at: approval.timeout.map(|(timeout, _)| after(timeout)),
            escalates_at: approval.escalate.as_ref().map(|escalation| after(escalation.after)),
        })
    }

    /// The event as a CloudEvent 1.0 in its JSON form. Its id is made of run and node: told twice, it is one event.
    fn event(&self, node: &NodeId, emit: &EmitWork, now: Timestamp) -> Result<Action, Failure> {
        let text = |template: &Template, field: &str| match &*template.render(&self.scope)? {
            Value::String(text) if !text.is_empty() => Ok(text.clone()),
            other => Err(Failure::new(
                FailureKind::Expression,
                format!("/nodes/{node}/emit/{field}: a text is wanted here, not {}", shown(other)),
            )),
        };
        let mut event = json!({
            "specversion": "1.0",
            "id": format!("{}.{node}", self.run),
            "source": format!("/workflows/{}", self.plan.name),
            "type": text(&emit.event_type, "type")?,
            "time": whole_millisecond(now).to_string(),
            "datacontenttype": "application/json",
            "data": &*emit.data.render(&self.scope)?,
        });
        if let Some(subject) = &emit.subject {
            event["subject"] = json!(text(subject, "subject")?);
        }
        Ok(Action::Emit { node: node.clone(), event: Arc::new(event) })
    }
}

/// Attempts.
impl RunState {
    /// The way in which a part of a node's work runs its step next.
    #[must_use]
    pub fn call_of(&self, node: &NodeId, part: Part) -> Option<&Call> {
        let state = self.nodes.get(node)?;
        self.call_at(node, part, state.task(part).map_or(0, super::task::Task::call))
    }

    /// One of the ways in which a part of a node's work can run its step.
    #[must_use]
    pub fn call_at(&self, node: &NodeId, part: Part, call: u32) -> Option<&Call> {
        let planned = self.plan.nodes.get(node)?;
        match part {
            Part::Compensation => planned.compensate.as_ref().filter(|_| call == 0),
            Part::Whole | Part::Item(_) => planned.work.step()?.calls.get(call as usize),
        }
    }

    /// A task's next attempt, unless its input cannot be made.
    pub(super) fn attempt(&self, id: &NodeId, part: Part, now: Timestamp) -> Action {
        let (node, state) = (id.clone(), &self.nodes[id]);
        let call_number = state.task(part).map_or(0, super::task::Task::call);
        let Some(call) = self.call_at(id, part, call_number) else {
            let failure = Failure::new(FailureKind::Internal, "the plan has no step for this");
            return Action::Fail { node, part, failure, falls_back: false };
        };
        match self.input_of(id, part, call) {
            Err(failure) => {
                // The next way to run the step may have an input of its own.
                let falls_back = self.call_at(id, part, call_number + 1).is_some();
                Action::Fail { node, part, failure, falls_back }
            }
            Ok(input) => {
                let attempt = state.next_attempt(part);
                let deadline = later(now, Duration::from_millis(call.limits.time_ms));
                let deadline = whole_millisecond(deadline);
                Action::Start { node, part, attempt, input, deadline, call: call_number }
            }
        }
    }

    fn input_of(&self, id: &NodeId, part: Part, call: &Call) -> Result<Arc<Value>, Failure> {
        let edit = self.nodes[id].edit(part).filter(|_| !matches!(part, Part::Item(_)));
        let input = match edit.and_then(|edit| edit.input.clone()) {
            Some(input) => input,
            None => match self.scope_of(id, part) {
                Some(scope) => call.input.render(&scope)?,
                None => call.input.render(&self.scope)?,
            },
        };
        call.input_schema.check(&input).map_err(|violations| unfit_input(id, part, call, &violations))?;
        Ok(input)
    }

    /// What the expressions of a part of a node's work see; none: what every expression sees.
    pub(super) fn scope_of(&self, id: &NodeId, part: Part) -> Option<Scope> {
        let state = &self.nodes[id];
        match part {
            Part::Whole => {
                let callback = json!({"url": state.callback()?.url});
                Some(self.scope.with("callback", &Arc::new(callback)))
            }
            Part::Item(index) => {
                let item = Arc::new(state.map()?.item(index)?.clone());
                Some(self.scope.with("item", &item).with("index", &Arc::new(json!(index))))
            }
            Part::Compensation => {
                let input = state.more.as_ref().and_then(|more| more.input.as_deref());
                let original = json!({"input": input, "output": state.output().map(|output| &**output)});
                Some(self.scope.with("original", &Arc::new(original)))
            }
        }
    }
}

fn unfit_input(id: &NodeId, part: Part, call: &Call, violations: &[SchemaViolation]) -> Failure {
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let place = match part {
        Part::Compensation => format!("/nodes/{id}/compensate/input"),
        Part::Whole | Part::Item(_) => format!("/nodes/{id}/input"),
    };
    let of_item = match part {
        Part::Item(index) => format!(" for item {index}"),
        Part::Whole | Part::Compensation => String::new(),
    };
    let message = format!(
        "{place}: what it gives{of_item} does not match the input schema of `{}@{}`: {}",
        call.step.name,
        call.step.version,
        list.join("; ")
    );
    Failure {
        detail: Some(json!({ "violations": violations })),
        ..Failure::new(FailureKind::InvalidInput, message)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value for a message, cut to a length that can be shown.
fn shown(value: &Value) -> String {
    match value {
        Value::String(_) | Value::Number(_) => {
            format!("`{}`", value.to_string().chars().take(80).collect::<String>())
        }
        other => kind(other).to_owned(),
    }
}
