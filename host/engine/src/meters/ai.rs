//! What the AI work of attempts adds to the metrics.
//!
//! Providers, models and labels are what steps say they are. A step could say something new each time, and a metric has a price for
//! every value of its labels: so many are told apart for each node and for all, and what is new beyond them is counted as `other`.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use metrics::{counter, describe_counter, describe_histogram, histogram};
use stepwell_core::attempt::{Account, Decision, ModelCall};
use stepwell_core::failure::FailureKind;
use stepwell_core::id::{NodeId, WorkflowName};
use stepwell_core::run::Confidence;

const CALLS: &str = "stepwell_ai_calls_total";
const TOKENS: &str = "stepwell_ai_tokens_total";
const COST: &str = "stepwell_ai_cost_micro_usd_total";
const WITHOUT_PRICE: &str = "stepwell_ai_calls_without_price_total";
const DECISIONS: &str = "stepwell_ai_decisions_total";
const QUALITY: &str = "stepwell_ai_quality_score";
const GATE_FAILURES: &str = "stepwell_gate_failures_total";
const FALLBACKS: &str = "stepwell_fallbacks_total";

/// So many models, and as many labels, are told apart for a node.
const MAX_OF_A_NODE: usize = 50;
/// And so many for all nodes together.
const MAX_OF_ALL: usize = 10_000;

const OTHER: &str = "other";

pub(super) fn describe() {
    describe_counter!(CALLS, "Calls of AI models, by `provider`, `model`, `workflow` and `node`");
    describe_counter!(TOKENS, "Tokens of those calls; `direction`: `input` or `output`");
    describe_counter!(COST, "Millionths of a US dollar of the calls whose price is known");
    describe_counter!(WITHOUT_PRICE, "Calls whose price is not known");
    describe_counter!(DECISIONS, "Decisions, by `label`, band of `confidence`, `workflow` and `node`");
    describe_histogram!(QUALITY, "Scores of outputs, from 0 to 1, by `workflow` and `node`");
    describe_counter!(GATE_FAILURES, "Outputs that did not pass their node's gate, by `workflow` and `node`");
    describe_counter!(FALLBACKS, "Attempts at a node's fallbacks, by `workflow` and `node`");
}

/// The metrics of AI work.
#[derive(Default)]
pub(crate) struct AiMeters {
    told_apart: Mutex<ToldApart>,
}

/// What steps chose freely, so far.
#[derive(Default)]
struct ToldApart {
    by_node: HashMap<(Chosen, WorkflowName, NodeId), HashSet<[String; 2]>>,
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Chosen {
    Model,
    Label,
}

/// The node that an attempt was for.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) workflow: &'a WorkflowName,
    pub(crate) node: &'a NodeId,
}

impl AiMeters {
    /// An attempt was dropped; its models are paid all the same.
    pub(super) fn attempt_abandoned(&self, place: Place<'_>, account: &Account) {
        account.usage.iter().for_each(|call| self.called(place, call));
    }

    /// An attempt ended.
    pub(super) fn attempt_ended(
        &self,
        place: Place<'_>,
        call: u32,
        failure: Option<FailureKind>,
        account: &Account,
    ) {
        account.usage.iter().for_each(|call| self.called(place, call));
        account.decisions.iter().for_each(|decision| self.decided(place, decision));
        if failure == Some(FailureKind::Gate) {
            counter!(GATE_FAILURES, "workflow" => place.workflow(), "node" => place.node()).increment(1);
        }
        if call > 0 {
            counter!(FALLBACKS, "workflow" => place.workflow(), "node" => place.node()).increment(1);
        }
    }

    fn called(&self, place: Place<'_>, call: &ModelCall) {
        let (provider, model) = self.tell_apart(place, Chosen::Model, &call.provider, &call.model);
        let labels = [
            ("provider", provider),
            ("model", model),
            ("workflow", place.workflow()),
            ("node", place.node()),
        ];
        counter!(CALLS, &labels).increment(1);
        for (direction, tokens) in [("input", call.input_tokens), ("output", call.output_tokens)] {
            let mut labels = labels.to_vec();
            labels.push(("direction", direction.to_owned()));
            counter!(TOKENS, &labels).increment(tokens);
        }
        match call.cost_micro_usd {
            Some(cost) => counter!(COST, &labels).increment(cost),
            None => counter!(WITHOUT_PRICE, &labels).increment(1),
        }
    }

    fn decided(&self, place: Place<'_>, decision: &Decision) {
        if let Some(score) = decision.score() {
            histogram!(QUALITY, "workflow" => place.workflow(), "node" => place.node()).record(score);
            return;
        }
        let confidence = Confidence::of(decision.confidence).as_str();
        let (label, _) = self.tell_apart(place, Chosen::Label, &decision.label(), "");
        let labels = [
            ("label", label),
            ("confidence", confidence.to_owned()),
            ("workflow", place.workflow()),
            ("node", place.node()),
        ];
        counter!(DECISIONS, &labels).increment(1);
    }

    /// These words of a step, if they are known or there is room for new ones.
    fn tell_apart(&self, place: Place<'_>, chosen: Chosen, one: &str, two: &str) -> (String, String) {
        // Whatever panicked, the sets are whole.
        let mut told_apart = self.told_apart.lock().unwrap_or_else(PoisonError::into_inner);
        let ToldApart { by_node, count } = &mut *told_apart;
        let known = by_node.entry((chosen, place.workflow.clone(), place.node.clone())).or_default();
        let words = [one.to_owned(), two.to_owned()];
        if !known.contains(&words) {
            if known.len() >= MAX_OF_A_NODE || *count >= MAX_OF_ALL {
                return (OTHER.to_owned(), OTHER.to_owned());
            }
            *count += 1;
            known.insert(words.clone());
        }
        words.into()
    }
}

impl Place<'_> {
    fn workflow(self) -> String {
        self.workflow.to_string()
    }

    fn node(self) -> String {
        self.node.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step that calls everything by a new name must not fill the memory of who keeps the metrics.
    #[test]
    fn words_without_end_are_counted_as_one() {
        let (workflow, node) = (WorkflowName::new("w").unwrap(), NodeId::new("n").unwrap());
        let place = Place { workflow: &workflow, node: &node };
        let meters = AiMeters::default();
        let model = |place, model: &str| meters.tell_apart(place, Chosen::Model, "p", model);
        for number in 0..MAX_OF_A_NODE {
            let name = format!("m{number}");
            assert_eq!(model(place, &name), ("p".to_owned(), name));
        }
        assert_eq!(model(place, "new"), (OTHER.to_owned(), OTHER.to_owned()));
        assert_eq!(model(place, "m7"), ("p".to_owned(), "m7".to_owned()));

        let label = meters.tell_apart(place, Chosen::Label, "Billing", "");
        assert_eq!(label.0, "Billing", "labels have room of their own");
        let other = NodeId::new("other").unwrap();
        assert_eq!(model(Place { node: &other, ..place }, "new").1, "new", "and so has each node");
    }
}
