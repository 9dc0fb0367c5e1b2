//! One node: do its kind, its edges and its expressions fit the graph that it stands in?

use std::collections::BTreeMap;

use super::call::{self, Role};
use super::graph::Graph;
use super::references::{self, Reader};
use super::{
    ApprovalWork, CallbackWork, EmitWork, MapWork, OnError, PlannedNode, StepWork, Surroundings, WaitWork,
    Work, WorkflowResolution, WorkflowWork, fit,
};
use crate::definition::{Mistakes, NodeDraft, OnErrorDraft, StepDraft, WorkDraft};
use crate::expression::{References, Template};
use crate::id::{NodeId, WorkflowName};
use crate::mistake::{Mistake, code};
use crate::plan::LockSlot;

/// What a node is planned in.
pub(super) struct Site<'a> {
    pub(super) graph: &'a Graph<'a>,
    /// The ids of the nodes by their index in the graph; none where the name is bad.
    pub(super) ids: &'a [Option<NodeId>],
    /// The workflow's name, if it is good.
    pub(super) workflow: Option<&'a WorkflowName>,
    pub(super) surroundings: &'a dyn Surroundings,
    pub(super) mistakes: &'a Mistakes,
}

impl Site<'_> {
    /// Checks what an expression names that may name no secret.
    pub(super) fn check(&self, references: &References, at: usize, locals: &[&str]) {
        references::check_nodes(references, Reader::Node(at), self.graph, self.mistakes);
        references::check_locals(references, locals, self.mistakes);
        references::refuse_secrets(references, self.mistakes);
    }
}

/// Notes what does not fit; the planned node, unless something is missing for it.
pub(super) fn plan(draft: NodeDraft<'_>, at: usize, site: &Site<'_>) -> Option<PlannedNode> {
    if let Some(when) = &draft.when {
        site.check(when.references(), at, &[]);
    }
    let on_error = plan_on_error(draft.on_error, at, site);
    let compensate = draft.compensate.map(|call| {
        let slot = draft.id.as_ref().map(LockSlot::compensation);
        call::plan(call, slot.as_ref(), Role { at, locals: &["original"] }, site)
    });
    let work = plan_work(draft.work?, draft.id.as_ref(), at, site);
    Some(PlannedNode {
        id: draft.id?,
        needs: ids(site.graph.needs(at), site)?,
        dependents: ids(site.graph.dependents(at), site)?,
        join: draft.join,
        when: draft.when,
        work: work?,
        on_error: on_error?,
        compensate: match compensate {
            Some(call) => Some(call?),
            None => None,
        },
    })
}

fn ids(nodes: &[usize], site: &Site<'_>) -> Option<Vec<NodeId>> {
    nodes.iter().map(|node| site.ids[*node].clone()).collect()
}

fn plan_on_error(draft: OnErrorDraft<'_>, at: usize, site: &Site<'_>) -> Option<OnError> {
    Some(match draft {
        OnErrorDraft::Fail => OnError::Fail,
        OnErrorDraft::Continue(output) => {
            site.check(output.references(), at, &[]);
            OnError::Continue(output)
        }
        OnErrorDraft::GoTo(handler) => OnError::GoTo(site.ids[site.graph.find(handler.node)?].clone()?),
    })
}

fn plan_work(draft: WorkDraft, id: Option<&NodeId>, at: usize, site: &Site<'_>) -> Option<Work> {
    let check = |template: &Template| site.check(template.references(), at, &[]);
    Some(match draft {
        WorkDraft::Step(step) => Work::Step(plan_step(step, id, at, &[], site)?),
        WorkDraft::Map { over, concurrency, on_item_error, step } => {
            check(&over);
            let step = plan_step(step, id, at, &["item", "index"], site)?;
            Work::Map(MapWork { over, concurrency, on_item_error, step })
        }
        WorkDraft::Wait(wait) => {
            if let WaitWork::For(moment) | WaitWork::Until(moment) = &wait {
                check(moment);
            }
            Work::Wait(wait)
        }
        WorkDraft::Approval(approval) => {
            check(&approval.show);
            Work::Approval(ApprovalWork { ..approval })
        }
        WorkDraft::Callback { submit, expires, schema } => {
            let submit = plan_step(submit, id, at, &["callback"], site)?;
            Work::Callback(CallbackWork { submit, expires, schema })
        }
        WorkDraft::Workflow { place, workflow, input, input_place } => {
            check(&input);
            let (name, range) = workflow?;
            if site.workflow == Some(&name) {
                note_circle(&place, &[&name, &name], site);
                return None;
            }
            let slot = LockSlot::node(id?);
            let found = match site.surroundings.resolve_workflow(&slot, &name, &range) {
                WorkflowResolution::Found(found) => found,
                WorkflowResolution::Missing(versions) => {
                    site.mistakes.add(call::missing("workflow", &place, name.as_str(), &range, &versions));
                    return None;
                }
                WorkflowResolution::Offline => return None,
            };
            check_circle(&place, &name, &found.reaches, site);
            call::note(fit::misfits(input.root(), &found.input), &input_place, code::INPUT_MISMATCH, site);
            Work::Workflow(WorkflowWork { workflow: found.locked, input })
        }
        WorkDraft::Emit(emit) => {
            [Some(&emit.event_type), emit.subject.as_ref(), Some(&emit.data)]
                .into_iter()
                .flatten()
                .for_each(check);
            Work::Emit(EmitWork { ..emit })
        }
    })
}

/// A workflow that runs itself, by whatever way, would do so without an end.
fn check_circle(
    place: &str,
    named: &WorkflowName,
    reaches: &BTreeMap<WorkflowName, WorkflowName>,
    site: &Site<'_>,
) {
    let Some(own) = site.workflow else { return };
    let Some(mut runner) = reaches.get(own) else { return };
    let mut way = vec![own];
    // From the end of the circle back to the one that is named here. A way is no longer than there are workflows.
    while runner != named && way.len() <= reaches.len() {
        way.push(runner);
        let Some(before) = reaches.get(runner) else { break };
        runner = before;
    }
    way.extend([named, own]);
    way.reverse();
    note_circle(place, &way, site);
}

fn note_circle(place: &str, way: &[&WorkflowName], site: &Site<'_>) {
    let way: Vec<&str> = way.iter().map(|name| name.as_str()).collect();
    let message = format!("these workflows run each other in a circle: {}", way.join(" -> "));
    let help = "break the circle, or start the run with an event (`emit`)";
    site.mistakes.add(Mistake::new(place, code::CYCLE, message).with_help(help));
}

fn plan_step(
    draft: StepDraft,
    id: Option<&NodeId>,
    at: usize,
    locals: &[&str],
    site: &Site<'_>,
) -> Option<StepWork> {
    let judged: Vec<&str> = locals.iter().chain(&["output"]).copied().collect();
    if let Some(gate) = &draft.gate {
        site.check(gate.that.references(), at, &judged);
        if let Some(reason) = &gate.reason {
            site.check(reason.references(), at, &judged);
        }
    }
    if let Some(until) = &draft.until {
        site.check(until.that.references(), at, &judged);
    }
    let slot = |index: usize| match index {
        0 => id.map(LockSlot::node),
        further => id.map(|id| LockSlot::fallback(id, further - 1)),
    };
    let drafts = draft.calls.into_iter().enumerate();
    // All of them are looked at, also behind one that cannot be planned: each may have mistakes.
    let calls: Vec<_> = drafts
        .map(|(index, call)| call::plan(call, slot(index).as_ref(), Role { at, locals }, site))
        .collect();
    let calls = calls.into_iter().collect::<Option<Vec<_>>>()?;
    if let Some((place, _)) = &draft.cache {
        check_cache(place, &calls, site);
    }
    let cache = draft.cache.map(|(_, ttl)| ttl);
    Some(StepWork { calls, gate: draft.gate, until: draft.until, cache, when_open: draft.when_open })
}

/// What was answered once to the same question can be given again only if nothing but the question counts.
fn check_cache(place: &str, calls: &[super::Call], site: &Site<'_>) {
    if let Some(call) = calls.iter().find(|call| !call.effect_free) {
        let name = &call.step.name;
        let message =
            format!("the step `{name}` has effects, so what it answered once cannot stand for the next time");
        let help = "remove `cache`: only a step that imports nothing with effects can be remembered";
        site.mistakes.add(Mistake::new(place, code::CACHE_WITH_EFFECTS, message).with_help(help));
    }
}
