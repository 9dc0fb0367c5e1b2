//! What was recorded against what was replayed: one verdict an attempt, and the report of them all.

use serde_json::{Value, json};
use stepwell_core::attempt::Account;
use stepwell_core::effect::Effect;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::id::{AttemptNumber, NodeId, Part};
use stepwell_core::run::RunView;
use stepwell_engine::replay::{RecordedAttempt, Recording, Undecided};
use stepwell_sandbox::AttemptReport;

use super::recorded::Refused;
use crate::cli::difference::{Difference, Extent, differences};
use crate::cli::screen;

/// The differences of one attempt that a person is shown; `--json` has all.
const SHOWN: usize = 10;

/// What became of one attempt, again.
pub(super) struct Verdict {
    node: NodeId,
    part: Part,
    attempt: AttemptNumber,
    step: String,
    course: Course,
}

enum Course {
    /// It could be compared: what it recorded, what it did now, and where the two differ.
    Compared { recorded: Value, replayed: Value, differences: Vec<Difference> },
    /// What happened then does not repeat.
    NotComparable(String),
}

/// Why an attempt cannot be compared, if it cannot.
pub(super) fn not_comparable(attempt: &RecordedAttempt) -> Option<String> {
    let Some((result, _)) = &attempt.end else {
        return Some("the run did not wait for its end".to_owned());
    };
    if attempt.cached {
        return Some("its output was remembered, and nothing ran".to_owned());
    }
    let failure = result.as_ref().err()?;
    let why = match failure.kind {
        FailureKind::Timeout => "its time ran out, and time does not repeat",
        FailureKind::Cancelled => "it was cancelled from outside",
        FailureKind::Internal => "the host failed, not the step",
        FailureKind::Replay => "it was found out after a crash",
        _ => return None,
    };
    Some(format!("{why} ({})", failure.message))
}

impl Verdict {
    pub(super) fn not_comparable(attempt: &RecordedAttempt, step: String, why: String) -> Self {
        Self::new(attempt, step, Course::NotComparable(why))
    }

    /// Compares everything but time.
    pub(super) fn of(
        attempt: &RecordedAttempt,
        step: String,
        report: &AttemptReport,
        effects: &[Effect],
        refused: Option<Refused>,
    ) -> Self {
        let Some((result, account)) = &attempt.end else {
            return Self::not_comparable(attempt, step, "the run did not wait for its end".to_owned());
        };
        // Asked for then as well, but the attempt ended before the answer came.
        let unanswered = |it: &Refused| it.recorded.is_none() && it.index < account.effects;
        if let Some(refused) = refused.as_ref().filter(|it| unanswered(it)) {
            let why = format!("its effect {} (`{}`) was never answered", refused.index, refused.summary);
            return Self::not_comparable(attempt, step, why);
        }
        let recorded = course(result.as_ref().map(|output| &**output), account, &attempt.effects, None);
        let replayed = course(report.result.as_ref(), &report.account, effects, refused);
        let differences = differences(&recorded, &replayed, Extent::Whole);
        Self::new(attempt, step, Course::Compared { recorded, replayed, differences })
    }

    fn new(attempt: &RecordedAttempt, step: String, course: Course) -> Self {
        Self { node: attempt.node.clone(), part: attempt.part, attempt: attempt.attempt, step, course }
    }

    fn word(&self) -> &'static str {
        match &self.course {
            Course::NotComparable(_) => "not comparable",
            Course::Compared { differences, .. } if differences.is_empty() => "same",
            Course::Compared { .. } => "differs",
        }
    }

    fn row(&self) -> [String; 7] {
        let (fuel, effects, outcome) = match &self.course {
            Course::NotComparable(_) => Default::default(),
            Course::Compared { recorded, replayed, .. } => {
                let both = |of: fn(&Value) -> String| change(&of(recorded), &of(replayed));
                (both(|it| screen::cell(&it["fuel"])), both(count_effects), both(outcome))
            }
        };
        let (node, attempt) = (format!("{}{}", self.node, self.part), self.attempt.to_string());
        [node, attempt, self.step.clone(), outcome, fuel, effects, self.word().to_owned()]
    }

    /// What a person is told below the table.
    fn remarks(&self) -> Vec<String> {
        let place = format!("{}{} (attempt {})", self.node, self.part, self.attempt);
        match &self.course {
            Course::NotComparable(why) => vec![format!("{place} is not comparable: {why}")],
            Course::Compared { differences, .. } => remarks(&place, differences),
        }
    }

    fn to_json(&self) -> Value {
        let mut shown = json!({
            "node": self.node,
            "part": self.part,
            "attempt": self.attempt,
            "step": self.step,
            "verdict": self.word().replace(' ', "-"),
        });
        match &self.course {
            Course::NotComparable(why) => shown["why"] = json!(why),
            Course::Compared { recorded, replayed, differences } => {
                (shown["recorded"], shown["replayed"]) = (recorded.clone(), replayed.clone());
                shown["differences"] = to_json(differences);
            }
        }
        shown
    }
}

/// What an attempt did, as one document to compare.
fn course(
    result: Result<&Value, &Failure>,
    account: &Account,
    effects: &[Effect],
    refused: Option<Refused>,
) -> Value {
    let asked = |effect: &Effect| json!({"summary": effect.summary, "request_digest": effect.request_digest});
    let refused = refused
        .map(|it| json!({"summary": it.summary, "request_digest": it.digest, "refused": "not recorded"}));
    let effects: Vec<Value> = effects.iter().map(asked).chain(refused).collect();
    let mut course = json!({
        "fuel": account.fuel,
        "effects": effects,
        "usage": account.usage,
        "decisions": account.decisions,
        "log": account.log,
    });
    match result {
        Ok(output) => course["output"] = output.clone(),
        Err(failure) => course["failure"] = json!(failure),
    }
    course
}

fn count_effects(course: &Value) -> String {
    course["effects"].as_array().map_or(0, Vec::len).to_string()
}

fn outcome(course: &Value) -> String {
    match &course["failure"]["kind"] {
        Value::Null => "output".to_owned(),
        kind => screen::cell(kind),
    }
}

fn change(recorded: &str, replayed: &str) -> String {
    if recorded == replayed { recorded.to_owned() } else { format!("{recorded} -> {replayed}") }
}

fn remarks(place: &str, differences: &[Difference]) -> Vec<String> {
    let line = |difference: &Difference| {
        let side = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
        let pointer = if difference.pointer.is_empty() { "(whole)" } else { &difference.pointer };
        format!(
            "{place} differs at {pointer}\n    recorded: {}\n    replayed: {}",
            side(&difference.wanted),
            side(&difference.found)
        )
    };
    let mut lines: Vec<String> = differences.iter().take(SHOWN).map(line).collect();
    if differences.len() > SHOWN {
        lines
            .push(format!("{place} differs at {} more places: --json shows them", differences.len() - SHOWN));
    }
    lines
}

fn to_json(differences: &[Difference]) -> Value {
    differences.iter().map(|it| it.to_json("recorded", "replayed")).collect()
}

/// All that was replayed of a run.
pub(super) struct Report {
    head: Value,
    /// What the run decided then and would not decide now, of a replay of the whole run.
    undecided: Vec<Value>,
    verdicts: Vec<Verdict>,
}

impl Report {
    pub(super) fn new(
        run: &RunView,
        recording: &Recording,
        only: Option<&NodeId>,
        verdicts: Vec<Verdict>,
    ) -> Self {
        let head =
            json!({"run": run.id, "workflow": run.workflow, "version": run.version, "status": run.status});
        let undecided = match only {
            None => recording.undecided.iter().map(undecided).collect(),
            Some(_) => Vec::new(),
        };
        Self { head, undecided, verdicts }
    }

    /// Whether nothing differs. What cannot be compared does not differ.
    pub(super) fn is_same(&self) -> bool {
        self.undecided.is_empty() && self.verdicts.iter().all(|verdict| verdict.word() != "differs")
    }

    pub(super) fn to_json(&self) -> Value {
        let mut report = self.head.clone();
        report["same"] = json!(self.is_same());
        report["undecided"] = json!(self.undecided);
        report["attempts"] = self.verdicts.iter().map(Verdict::to_json).collect();
        report
    }

    pub(super) fn describe(&self) -> String {
        let head = |field: &str| screen::cell(&self.head[field]);
        let mut text =
            format!("{} {}@{}: {}\n", head("run"), head("workflow"), head("version"), head("status"));
        let heading = ["NODE", "ATTEMPT", "STEP", "OUTCOME", "FUEL", "EFFECTS", "VERDICT"];
        text.push_str(&screen::table(heading, self.verdicts.iter().map(Verdict::row)));
        let decisions = self.undecided.iter().map(|it| {
            format!(
                "the run decides otherwise\n    recorded: {}\n    replayed: {}",
                it["recorded"], it["decided"]
            )
        });
        for remark in decisions.chain(self.verdicts.iter().flat_map(Verdict::remarks)) {
            text.push_str(&format!("\n{remark}\n"));
        }
        text.push_str(&format!("\n{}\n", self.summary()));
        text
    }

    fn summary(&self) -> String {
        let count = |word: &str| self.verdicts.iter().filter(|verdict| verdict.word() == word).count();
        let (same, differ, not) = (count("same"), count("differs"), count("not comparable"));
        let decisions = match self.undecided.len() {
            0 => String::new(),
            count => format!(", {count} decisions of the run differ"),
        };
        format!("attempts: {same} same, {differ} different, {not} not comparable{decisions}")
    }
}

fn undecided(of: &Undecided) -> Value {
    json!({"recorded": of.recorded, "decided": of.decided})
}
