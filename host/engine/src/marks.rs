//! What is to be found of a run without reading its journal: what it waits for, what it left behind.
//!
//! Which marks there should be follows from the run's state; what changes is the difference to those that were kept.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use stepwell_core::digest::Digest;
use stepwell_core::id::{NodeId, Part, RunId};
use stepwell_core::plan::Work;
use stepwell_core::run::{OpenApproval, RunState, Trigger};
use stepwell_store::{Mark, MarkChange, MarkKind};

/// The marks that are kept of a run, by kind and key. None in the place of one: there may be one, and nobody knows which.
#[derive(Debug, Default)]
pub(crate) struct Kept(BTreeMap<(MarkKind, String), Option<Mark>>);

impl Kept {
    /// Those of a run that was read back: they were kept with its entries.
    pub(crate) fn of(state: &RunState) -> Self {
        Self(known(standing(state)))
    }

    /// Those of a run that was read back, and of which they may not have been kept: all are put again, or removed.
    pub(crate) fn maybe(state: &RunState) -> Self {
        Self(standing(state).into_keys().map(|place| (place, None)).collect())
    }

    /// What changes, now that the run stands so.
    pub(crate) fn update(&mut self, state: &RunState) -> Vec<MarkChange> {
        let now = standing(state);
        if now.is_empty() && self.0.is_empty() {
            return Vec::new();
        }
        let gone = self.0.keys().filter(|place| !now.contains_key(*place));
        let gone = gone.map(|(kind, key)| MarkChange::Remove { kind: *kind, key: key.clone() });
        let is_kept =
            |(place, mark): &(&_, &Mark)| self.0.get(*place).and_then(Option::as_ref) == Some(*mark);
        let new = now.iter().filter(|it| !is_kept(it));
        let changes = gone.chain(new.map(|(_, mark)| MarkChange::Put(mark.clone()))).collect();
        self.0 = known(now);
        changes
    }
}

fn known(marks: BTreeMap<(MarkKind, String), Mark>) -> BTreeMap<(MarkKind, String), Option<Mark>> {
    marks.into_iter().map(|(place, mark)| (place, Some(mark))).collect()
}

/// The key of the timer at which a run goes on.
pub(crate) fn timer(run: RunId, due: Timestamp) -> MarkChange {
    MarkChange::Put(Mark {
        kind: MarkKind::Timer,
        key: run.to_string(),
        run: Some(run),
        due: Some(due),
        body: Value::Null,
    })
}

/// A run waits for no time any more.
pub(crate) fn no_timer(run: RunId) -> MarkChange {
    MarkChange::Remove { kind: MarkKind::Timer, key: run.to_string() }
}

/// The key of a callback: its token is kept in the run's journal alone.
pub(crate) fn callback_key(token: &str) -> String {
    Digest::of(token.as_bytes()).to_string()
}

/// The key of a dead letter, by which people name it.
pub(crate) fn dead_letter_key(run: RunId, node: &NodeId, part: Part) -> String {
    format!("{run}.{node}{part}")
}

/// Every mark that there should be, but for the timer of a run that leaves memory.
fn standing(state: &RunState) -> BTreeMap<(MarkKind, String), Mark> {
    let marks = approvals(state).chain(callbacks(state)).chain(dead_letters(state));
    let marks = marks.chain(end_of_child(state)).chain(work_with_ai(state));
    marks.map(|mark| ((mark.kind, mark.key.clone()), mark)).collect()
}

fn approvals(state: &RunState) -> impl Iterator<Item = Mark> {
    state.approvals().map(|approval| Mark {
        kind: MarkKind::Approval,
        key: format!("{}.{}", state.run(), approval.node),
        run: Some(state.run()),
        due: approval.expires_at,
        body: approval_body(state, &approval),
    })
}

fn approval_body(state: &RunState, approval: &OpenApproval<'_>) -> Value {
    let plan = state.plan();
    let (who, form) = match &plan.nodes[approval.node].work {
        Work::Approval(work) => {
            let also = work.escalate.as_ref().filter(|_| approval.escalated);
            let who = work.who.iter().chain(also.iter().flat_map(|also| &also.who)).cloned().collect();
            (if work.who.is_empty() { Vec::new() } else { who }, work.form_json.clone())
        }
        _ => (Vec::<String>::new(), None),
    };
    json!({
        "run": state.run(), "workflow": plan.name, "version": plan.version, "node": approval.node,
        "show": &**approval.show, "who": who, "form": form, "escalated": approval.escalated,
        "asked_at": approval.asked_at, "expires_at": approval.expires_at,
    })
}

fn callbacks(state: &RunState) -> impl Iterator<Item = Mark> {
    state.callbacks().map(|(node, token)| Mark {
        kind: MarkKind::Callback,
        key: callback_key(token),
        run: Some(state.run()),
        due: None,
        body: json!({ "node": node }),
    })
}

fn dead_letters(state: &RunState) -> impl Iterator<Item = Mark> {
    state.dead_letters().iter().map(|(node, part)| Mark {
        kind: MarkKind::DeadLetter,
        key: dead_letter_key(state.run(), node, *part),
        run: Some(state.run()),
        due: None,
        body: json!({
            "run": state.run(), "workflow": state.plan().name, "version": state.plan().version,
            "node": node, "part": part, "failure": state.dead_letter(node, *part), "at": state.ended_at(),
        }),
    })
}

/// What a run did with AI, for those who ask about all runs.
fn work_with_ai(state: &RunState) -> impl Iterator<Item = Mark> {
    (!state.ai().is_empty())
        .then(|| Mark {
            kind: MarkKind::Ai,
            key: state.run().to_string(),
            run: Some(state.run()),
            due: None,
            body: json!({ "workflow": state.plan().name, "nodes": state.ai() }),
        })
        .into_iter()
}

/// The end of a run that another one waits for stays marked until that one has heard of it.
fn end_of_child(state: &RunState) -> impl Iterator<Item = Mark> {
    let parent = match (state.trigger(), state.outcome()) {
        (Trigger::Parent { run, node }, Some(_)) => Some((run, node)),
        _ => None,
    };
    parent.into_iter().map(|(run, node)| Mark {
        kind: MarkKind::Child,
        key: state.run().to_string(),
        run: Some(*run),
        due: None,
        body: json!({ "node": node }),
    })
}
