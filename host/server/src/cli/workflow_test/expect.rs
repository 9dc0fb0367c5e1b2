//! What a test expects of a run, and where the run is otherwise.
//!
//! Both are JSON documents of one shape, `{"status", "output", "failure", "nodes", "effects", "events", "totals"}`: an expectation
//! is a part of what may be observed, so to judge is to compare.

use serde_json::{Map, Value, json};
use stepwell_core::definition::{Cursor, Fields};
use stepwell_core::failure::FailureKind;
use stepwell_core::mistake::code;
use stepwell_core::run::{NodeStatus, RunStatus, RunView};

use super::definitions::Names;
use super::take::Take;
use crate::cli::difference::{Difference, Extent, differences, field};

const FIELDS: &[&str] =
    &["status", "output", "output_includes", "nodes", "effects", "events", "failure", "totals"];

/// What may be expected of a node.
const NODE_FIELDS: &[&str] = &["status", "attempts", "output", "output_includes", "compensation"];

/// What of a run's totals is the same each time.
const TOTALS: &[&str] =
    &["attempts", "effects", "model_calls", "input_tokens", "output_tokens", "cost_micro_usd"];

const ENDS: [RunStatus; 3] = [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled];

const FINAL: [NodeStatus; 4] =
    [NodeStatus::Succeeded, NodeStatus::Failed, NodeStatus::Skipped, NodeStatus::Cancelled];

/// How what undoes a node ends.
const UNDONE: [NodeStatus; 2] = [NodeStatus::Succeeded, NodeStatus::Failed];

/// What must hold of a run when it has ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Expectation {
    /// Must be there; there may be more.
    part: Value,
    /// Must be there and nothing else: pointers with their values.
    whole: Vec<(String, Value)>,
    /// The data of each event, by type: so many, in this order, with this in them.
    events: Vec<(String, Value)>,
    /// Must stand in the failure's message.
    message: Option<String>,
}

impl Expectation {
    /// Reads one. A run that is not said to fail must succeed.
    pub(super) fn read<'a>(expect: &Cursor<'a>, names: &Names<'a>, stand_ins: &[&str]) -> Option<Self> {
        let fields = expect.fields(FIELDS)?;
        let mut this = Self::default();
        let failure = fields.get("failure");
        let default = if failure.is_some() { RunStatus::Failed } else { RunStatus::Succeeded };
        let words: Vec<_> = ENDS.into_iter().map(|status| (status.as_str(), status)).collect();
        let status = fields.get("status").map_or(Some(default), |it| it.word(&words)).unwrap_or(default);
        this.part = json!({"status": status.as_str()});
        this.read_output("", &fields);
        if let Some(failure) = failure {
            this.read_failure(&failure, names);
        }
        if let Some(nodes) = fields.get("nodes") {
            this.read_nodes(&nodes, names);
        }
        if let Some(effects) = fields.get("effects") {
            this.read_effects(&effects, stand_ins);
        }
        if let Some(events) = fields.get("events") {
            this.read_events(&events, names);
        }
        if let Some(totals) = fields.get("totals") {
            this.read_totals(&totals);
        }
        Some(this)
    }

    fn read_output(&mut self, at: &str, fields: &Fields<'_>) {
        if let Some(output) = fields.get("output") {
            self.whole.push((format!("{at}/output"), output.value.clone()));
        }
        if let Some(output) = fields.get("output_includes") {
            self.want(at, "output", output.value.clone());
        }
    }

    fn read_failure<'a>(&mut self, failure: &Cursor<'a>, names: &Names<'a>) {
        let Some(fields) = failure.fields(&["kind", "message", "node"]) else { return };
        let kinds: Vec<_> = FailureKind::ALL.into_iter().map(|kind| (kind.as_str(), kind)).collect();
        if let Some(kind) = fields.get("kind").and_then(|it| it.word(&kinds)) {
            self.want("/failure", "kind", json!(kind));
        }
        if let Some(node) = fields.get("node").and_then(|it| names.node(&it, Some(names.tried))) {
            self.want("/failure", "node", json!(node));
        }
        self.message = fields.get("message").and_then(|it| it.text().map(str::to_owned));
    }

    fn read_nodes(&mut self, nodes: &Cursor<'_>, names: &Names<'_>) {
        let (words, undone) = (words(&FINAL), words(&UNDONE));
        for (name, node) in nodes.entries() {
            if !names.check_entry(name, &node) {
                continue;
            }
            let Some(fields) = node.fields(NODE_FIELDS) else { continue };
            let at = format!("/nodes/{name}");
            if let Some(status) = fields.get("status").and_then(|it| it.word(&words)) {
                self.want(&at, "status", json!(status));
            }
            if let Some(attempts) = fields.get("attempts").and_then(|it| it.count(0, u64::MAX)) {
                self.want(&at, "attempts", json!(attempts));
            }
            if let Some(undone) = fields.get("compensation").and_then(|it| it.word(&undone)) {
                self.want(&at, "compensation", json!(undone));
            }
            self.read_output(&at, &fields);
        }
    }

    fn read_effects(&mut self, effects: &Cursor<'_>, stand_ins: &[&str]) {
        for (name, count) in effects.entries() {
            if !stand_ins.contains(&name) {
                let known = stand_ins.join(", ");
                let message = format!("no stand-in of this case is called `{name}`; they are: {known}");
                count.wrong(code::BAD_NAME, message);
            }
            if let Some(count) = count.count(0, u64::MAX) {
                self.want("/effects", name, json!(count));
            }
        }
    }

    fn read_events(&mut self, events: &Cursor<'_>, names: &Names<'_>) {
        for (name, data) in events.entries() {
            names.check_event(name, &data);
            // What is no list is noted.
            data.items();
            self.events.push((name.to_owned(), data.value.clone()));
        }
    }

    fn read_totals(&mut self, totals: &Cursor<'_>) {
        let Some(fields) = totals.fields(TOTALS) else { return };
        for name in TOTALS {
            if let Some(total) = fields.get(name).and_then(|it| it.count(0, u64::MAX)) {
                self.want("/totals", name, json!(total));
            }
        }
    }

    /// Adds a value to what must be there, at `at/name`. Names of nodes and stand-ins are taken as they are written.
    fn want(&mut self, at: &str, name: &str, value: Value) {
        let mut place = &mut self.part;
        for segment in at.split('/').filter(|segment| !segment.is_empty()) {
            place = &mut place[segment];
        }
        place[name] = value;
    }

    /// Where a run is otherwise.
    pub(super) fn judge(&self, observed: &Value) -> Vec<Difference> {
        let mut all = differences(&self.part, observed, Extent::Part);
        for (pointer, wanted) in &self.whole {
            let found = observed.pointer(pointer).unwrap_or(&Value::Null);
            all.extend(below(pointer, differences(wanted, found, Extent::Whole)));
        }
        let none = json!([]);
        for (name, wanted) in &self.events {
            let found = observed["events"].get(name).unwrap_or(&none);
            all.extend(below(&field("/events", name), differences(wanted, found, Extent::Part)));
        }
        let message = &observed["failure"]["message"];
        if let Some(wanted) = &self.message
            && !message.as_str().is_some_and(|message| message.contains(wanted))
        {
            all.push(Difference::new("/failure/message", Some(&json!(wanted)), Some(message)));
        }
        all
    }

    /// What is to hold under a fault that the test says nothing of: the run ends as expected, or with a failure that is not the
    /// host's.
    pub(super) fn judge_under_fault(&self, observed: &Value) -> Vec<Difference> {
        if observed["status"] == RunStatus::Failed.as_str() {
            let kind = &observed["failure"]["kind"];
            let of_the_host =
                [FailureKind::Internal, FailureKind::Replay].iter().any(|it| json!(it) == *kind);
            let wanted = json!("a failure of the step or of the workflow");
            let difference = Difference::new("/failure/kind", Some(&wanted), Some(kind));
            return if of_the_host { vec![difference] } else { Vec::new() };
        }
        let end = |difference: &Difference| {
            let pointer = &difference.pointer;
            pointer == "/status" || pointer == "/output" || pointer.starts_with("/output/")
        };
        self.judge(observed).into_iter().filter(end).collect()
    }
}

/// These words with what they stand for.
fn words(statuses: &[NodeStatus]) -> Vec<(&'static str, NodeStatus)> {
    statuses.iter().map(|status| (status.as_str(), *status)).collect()
}

/// Differences within a value that stands at this place.
fn below(place: &str, all: Vec<Difference>) -> impl Iterator<Item = Difference> {
    all.into_iter().map(move |it| Difference { pointer: format!("{place}{}", it.pointer), ..it })
}

/// A run that ended as expectations see it, with what its take came to.
pub(super) fn observe(run: &RunView, take: &Take) -> Value {
    let mut observed = json!({
        "status": run.status, "effects": take.effects.counts, "events": take.emitted, "totals": run.totals
    });
    if let Some(output) = &run.output {
        observed["output"] = (**output).clone();
    }
    if let Some(failure) = &run.failure {
        observed["failure"] =
            json!({"kind": failure.kind, "message": failure.message, "node": run.failed_node});
    }
    let nodes = run.nodes.iter().map(|node| {
        let mut seen = json!({"status": node.status, "attempts": node.attempts.len()});
        if let Some(output) = &node.output {
            seen["output"] = (**output).clone();
        }
        if let Some(undone) = &node.compensation {
            seen["compensation"] = json!(undone.status);
        }
        (node.id.to_string(), seen)
    });
    observed["nodes"] = Value::Object(nodes.collect::<Map<_, _>>());
    observed
}

#[cfg(test)]
mod tests {
    use stepwell_core::definition::Mistakes;

    use super::*;

    fn read(expect: &Value) -> (Expectation, Vec<String>) {
        let mistakes = Mistakes::default();
        let tried = json!({"name": "flow", "nodes": {"ask": {}, "answer": {"emit": {"type": "told"}}}});
        let names = Names::new(&tried, []);
        let read = Expectation::read(&Cursor::new(expect, "/expect", &mistakes), &names, &["model"]);
        let places = mistakes.into_inner().into_iter().map(|mistake| mistake.pointer).collect();
        (read.unwrap_or_default(), places)
    }

    fn observed() -> Value {
        json!({
            "status": "succeeded",
            "output": {"a": 1, "b": 2},
            "nodes": {"ask": {"status": "succeeded", "attempts": 2, "output": [1]}},
            "effects": {"model": 2},
            "events": {"told": [{"a": 1, "b": 2}]},
            "totals": {"attempts": 2},
        })
    }

    fn places(expect: &Value) -> Vec<String> {
        let (expectation, mistakes) = read(expect);
        assert_eq!(mistakes, Vec::<String>::new());
        expectation.judge(&observed()).into_iter().map(|it| it.pointer).collect()
    }

    #[test]
    fn each_expectation_that_breaks_is_told_by_its_place() {
        assert_eq!(places(&json!({"output_includes": {"a": 1}, "effects": {"model": 2}})), [""; 0]);
        assert_eq!(places(&json!({"output": {"a": 1}})), ["/output/b"]);
        assert_eq!(places(&json!({"events": {"told": [{"a": 1}]}, "totals": {"attempts": 2}})), [""; 0]);
        assert_eq!(places(&json!({"events": {"told": []}})), ["/events/told/0"]);
        assert_eq!(places(&json!({"events": {"told": [{"a": 2}]}})), ["/events/told/0/a"]);
        assert_eq!(
            places(&json!({"nodes": {"ask": {"attempts": 1, "output": [2]}}})),
            ["/nodes/ask/attempts", "/nodes/ask/output/0"]
        );
        assert_eq!(
            places(&json!({"failure": {"kind": "timeout", "message": "late"}})),
            ["/failure", "/status", "/failure/message"]
        );
    }

    #[test]
    fn each_mistake_is_noted_at_its_place() {
        let (_, mistakes) = read(&json!({
            "status": "ended", "nodes": {"ghost": {}, "ask": {"attempts": -1, "state": 1}},
            "effects": {"other": "x"}, "failure": {"kind": "bad"}, "events": {"said": [], "told": 1},
            "totals": {"fuel": 1}
        }));
        assert_eq!(
            mistakes,
            [
                "/expect/status",
                "/expect/failure/kind",
                "/expect/nodes/ask/state",
                "/expect/nodes/ask/attempts",
                "/expect/nodes/ghost",
                "/expect/effects/other",
                "/expect/effects/other",
                "/expect/events/said",
                "/expect/events/told",
                "/expect/totals/fuel",
            ]
        );
    }

    #[test]
    fn under_a_fault_a_run_ends_as_expected_or_with_a_failure_of_its_own() {
        let (expectation, _) = read(&json!({"output_includes": {"a": 1}, "effects": {"model": 1}}));
        assert!(expectation.judge_under_fault(&observed()).is_empty(), "effects may be asked for again");
        let failed = |kind: &str| json!({"status": "failed", "failure": {"kind": kind}});
        assert!(expectation.judge_under_fault(&failed("retryable")).is_empty());
        assert_eq!(expectation.judge_under_fault(&failed("internal"))[0].pointer, "/failure/kind");
        let other = json!({"status": "succeeded", "output": {"a": 2}});
        assert_eq!(expectation.judge_under_fault(&other)[0].pointer, "/output/a");
    }
}
