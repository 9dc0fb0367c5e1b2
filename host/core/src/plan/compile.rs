//! From a definition to a plan, or to every mistake at once.

use std::collections::BTreeMap;

use serde_json::Value;

use super::graph::Graph;
use super::node::{self, Site};
use super::references::{self, Reader};
use super::{Lock, LockSlot, Locked, Plan, PlannedNode, Surroundings, Work, WorkflowWork, trigger};
use crate::definition::{self, Draft, Mistakes};
use crate::id::NodeId;
use crate::mistake::{Mistake, code};
use crate::schema::Schema;

/// So many mistakes are reported; more would not help anybody.
const MAX_MISTAKES: usize = 500;

/// What keeps a definition without mistakes from becoming a plan.
pub(super) const WITHOUT_CATALOGUE: &str = "steps cannot be resolved without a catalogue";

/// Checks a definition and resolves its steps. The mistakes are in the order of their places.
pub fn compile(definition: &Value, surroundings: &dyn Surroundings) -> Result<Plan, Vec<Mistake>> {
    let (plan, mistakes) = examine(definition, surroundings);
    conclude(plan, sorted(mistakes.into_inner()))
}

/// The plan of a definition that was accepted before. What can never do what is meant, and was not looked for then, does not keep
/// it from running.
pub fn restore(definition: &Value, surroundings: &dyn Surroundings) -> Result<Plan, Vec<Mistake>> {
    let (plan, mistakes) = examine(definition, surroundings);
    conclude(plan, sorted(mistakes.into_hindrances()))
}

fn conclude(plan: Option<Plan>, mistakes: Vec<Mistake>) -> Result<Plan, Vec<Mistake>> {
    match plan {
        Some(plan) if mistakes.is_empty() => Ok(plan),
        None if mistakes.is_empty() => {
            Err(vec![Mistake::new("/nodes", code::UNKNOWN_STEP, WITHOUT_CATALOGUE)])
        }
        _ => Err(mistakes),
    }
}

/// Checks a definition without wanting a plan: all that can be done where there is no catalogue.
#[must_use]
pub fn lint(definition: &Value, surroundings: &dyn Surroundings) -> Vec<Mistake> {
    sorted(examine(definition, surroundings).1.into_inner())
}

/// The plan, unless something in the definition or the catalogue is missing for it, and the mistakes.
fn examine(definition: &Value, surroundings: &dyn Surroundings) -> (Option<Plan>, Mistakes) {
    let mistakes = Mistakes::default();
    let mut draft = definition::read(definition, &mistakes);
    let graph = Graph::draw(&draft.nodes, &mistakes);
    check_output(&draft, &graph, &mistakes);
    check_concurrency(&draft, &mistakes);
    if let Some(input) = &draft.input {
        trigger::check_inputs(&draft.triggers, input, &mistakes);
    }
    let nodes = plan_nodes(&mut draft, &graph, surroundings, &mistakes);
    let plan = nodes.and_then(|nodes| assemble(draft, nodes, &graph));
    (plan, mistakes)
}

fn check_output(draft: &Draft<'_>, graph: &Graph<'_>, mistakes: &Mistakes) {
    if let Some(output) = &draft.output {
        references::check_nodes(output.references(), Reader::Output, graph, mistakes);
        references::refuse_secrets(output.references(), mistakes);
        references::check_locals(output.references(), &[], mistakes);
    }
}

/// A run's key is made when it starts: no node has run by then.
fn check_concurrency(draft: &Draft<'_>, mistakes: &Mistakes) {
    if let Some(key) = draft.concurrency.as_ref().and_then(|concurrency| concurrency.key.as_ref()) {
        references::refuse_nodes(key.references(), mistakes);
        references::refuse_secrets(key.references(), mistakes);
        references::refuse_locals(key.references(), mistakes);
    }
}

/// Every node, if every node can be planned.
fn plan_nodes(
    draft: &mut Draft<'_>,
    graph: &Graph<'_>,
    surroundings: &dyn Surroundings,
    mistakes: &Mistakes,
) -> Option<Vec<PlannedNode>> {
    let ids: Vec<Option<NodeId>> = draft.nodes.iter().map(|node| node.id.clone()).collect();
    let site = Site { graph, ids: &ids, workflow: draft.name.as_ref(), surroundings, mistakes };
    let drafts = std::mem::take(&mut draft.nodes).into_iter().enumerate();
    // All of them are looked at, also behind one that cannot be planned: each may have mistakes.
    let planned: Vec<Option<PlannedNode>> = drafts.map(|(at, node)| node::plan(node, at, &site)).collect();
    planned.into_iter().collect()
}

fn assemble(draft: Draft<'_>, nodes: Vec<PlannedNode>, graph: &Graph<'_>) -> Option<Plan> {
    let order = graph.order().iter().map(|at| nodes[*at].id.clone()).collect();
    let lock = Lock(nodes.iter().flat_map(locked).collect());
    let nodes: BTreeMap<NodeId, PlannedNode> =
        nodes.into_iter().map(|node| (node.id.clone(), node)).collect();
    Some(Plan {
        name: draft.name?,
        version: draft.version?,
        input: draft.input.unwrap_or_else(Schema::any),
        triggers: draft.triggers.into_iter().map(|draft| draft.trigger).collect(),
        budget: draft.budget,
        on_failure: draft.on_failure,
        priority: draft.priority,
        concurrency: draft.concurrency,
        nodes,
        order,
        output: draft.output,
        lock,
    })
}

/// All that a node's ranges were resolved to.
fn locked(node: &PlannedNode) -> Vec<(LockSlot, Locked)> {
    let slot = |at: usize| match at {
        0 => LockSlot::node(&node.id),
        further => LockSlot::fallback(&node.id, further - 1),
    };
    let calls = node.work.step().into_iter().flat_map(|step| &step.calls).enumerate();
    let mut locked: Vec<_> = calls.map(|(at, call)| (slot(at), Locked::Step(call.step.clone()))).collect();
    if let Work::Workflow(WorkflowWork { workflow, .. }) = &node.work {
        locked.push((LockSlot::node(&node.id), Locked::Workflow(workflow.clone())));
    }
    if let Some(call) = &node.compensate {
        locked.push((LockSlot::compensation(&node.id), Locked::Step(call.step.clone())));
    }
    locked
}

fn sorted(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort();
    mistakes.dedup();
    let more = mistakes.len().saturating_sub(MAX_MISTAKES);
    if more > 0 {
        mistakes.truncate(MAX_MISTAKES);
        mistakes.push(Mistake::new("", code::TOO_LARGE, format!("{more} more mistakes are not shown")));
    }
    mistakes
}
