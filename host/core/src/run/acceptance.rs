//! How a run began: its first entry, read. What followed is [`super::state`]'s.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::event::{Entry, Event, Trigger, whole_millisecond};
use super::fold::Misfit;
use crate::plan::Plan;
use crate::priority::Priority;
use crate::split::Split;

/// How the run began.
#[derive(Debug)]
pub(super) struct Acceptance {
    pub(super) at: Timestamp,
    pub(super) input: Arc<Value>,
    pub(super) trigger: Trigger,
    pub(super) traceparent: String,
    pub(super) start_at: Option<Timestamp>,
    pub(super) rules: u32,
    /// From when on its time budget counts.
    pub(super) clock_from: Timestamp,
    pub(super) priority: Priority,
    pub(super) split: Option<Split>,
}

impl Acceptance {
    /// Reads a run's first entry, which must be of a run of this plan.
    pub(super) fn of(plan: &Plan, first: &Entry) -> Result<Self, Misfit> {
        if first.seq != 0 {
            return Err(Misfit::Sequence { expected: 0 });
        }
        let Event::RunAccepted {
            workflow,
            version,
            input,
            trigger,
            traceparent,
            start_at,
            priority,
            split,
            rules,
        } = &first.event
        else {
            return Err(Misfit::NotAccepted);
        };
        if (workflow, version) != (&plan.name, &plan.version) {
            return Err(Misfit::OtherPlan {
                accepted: format!("{workflow}@{version}"),
                planned: format!("{}@{}", plan.name, plan.version),
            });
        }
        let at = whole_millisecond(first.at);
        let start_at = start_at.map(whole_millisecond);
        Ok(Self {
            at,
            clock_from: start_at.map_or(at, |start_at| start_at.max(at)),
            input: input.clone(),
            trigger: trigger.clone(),
            traceparent: traceparent.clone(),
            start_at,
            rules: *rules,
            priority: *priority,
            split: split.clone(),
        })
    }
}
