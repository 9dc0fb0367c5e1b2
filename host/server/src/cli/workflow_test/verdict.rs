//! What is wrong with a take, and the report of them all.

use serde_json::{Value, json};

use super::acts::Refusal;
use super::cast::{Answer, NotPlayed, Played};
use super::disruption::Disruption;
use super::expect::observe;
use super::file::Case;
use super::take::{End, FOR_EVER, Hung, PATIENCE, Take};
use crate::cli::difference::Difference;
use crate::cli::{run, screen};

/// One thing that is wrong with a take.
#[derive(Debug)]
pub(super) enum Breach {
    /// An expectation does not hold.
    Expectation(Difference),
    /// No stand-in covers a request.
    NotCovered(String),
    /// An effect was sent again after it had been answered.
    SentAgain(String),
    /// The run did not end.
    Hang(String),
    /// What somebody was to do never came to be done.
    NotDone(String, NotPlayed),
    /// It was done, and its answer is another than it was to be.
    Answered(String),
    /// It was taken, and is not known any more.
    Forgotten(String),
    /// The run was not started.
    Refused(String),
    /// The run was accepted, and lost.
    Lost,
    /// The engine could not go on with the run.
    Broken(String),
}

impl Breach {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Expectation(_) => "expectation",
            Self::NotCovered(_) => "not-covered",
            Self::SentAgain(_) => "sent-again",
            Self::Hang(_) => "hang",
            Self::NotDone(..) => "not-done",
            Self::Answered(_) => "answered",
            Self::Forgotten(_) => "forgotten",
            Self::Refused(_) => "refused",
            Self::Lost => "lost",
            Self::Broken(_) => "broken",
        }
    }

    pub(super) fn message(&self) -> String {
        match self {
            Self::Expectation(difference) => {
                let side =
                    |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
                format!(
                    "{} is {}, and {} is expected",
                    difference.pointer,
                    side(&difference.found),
                    side(&difference.wanted)
                )
            }
            Self::NotCovered(what) => {
                format!("no stand-in covers {what}: add one to `effects`, or raise its `times`")
            }
            Self::SentAgain(what) => format!("{what} was sent again after it had been answered"),
            Self::Hang(why) => format!("the run did not end: {why}"),
            Self::NotDone(act, why) => format!("{act} was never done: {why}"),
            Self::Answered(how) => how.clone(),
            Self::Forgotten(act) => format!("{act} was acknowledged, and is not known any more"),
            Self::Refused(why) => format!("the run was not started: {why}"),
            Self::Lost => "the run was accepted, and is not known any more".to_owned(),
            Self::Broken(why) => format!("the engine could not go on with the run: {why}"),
        }
    }
}

/// Everything that is wrong with a take.
pub(super) fn judge(case: &Case, disruption: Option<&Disruption>, take: &Take) -> Vec<Breach> {
    let mut breaches = match &take.end {
        End::Hung(hung) => vec![Breach::Hang(why(hung))],
        End::Refused(why) => vec![Breach::Refused(why.clone())],
        End::Lost => vec![Breach::Lost],
        End::Broken(why) => vec![Breach::Broken(why.clone())],
        End::Ended(run) => {
            let observed = observe(run, take);
            let differences = match disruption {
                Some(Disruption::Fault(fault, _)) => match case.under_faults.of(*fault) {
                    Some(expect) => expect.judge(&observed),
                    None => case.expect.judge_under_fault(&observed),
                },
                Some(Disruption::Crash(_)) | None => case.expect.judge(&observed),
            };
            differences.into_iter().map(Breach::Expectation).collect()
        }
    };
    breaches.extend(take.effects.uncovered.iter().cloned().map(Breach::NotCovered));
    breaches.extend(take.effects.sent_again.iter().cloned().map(Breach::SentAgain));
    let is_otherwise = matches!(disruption, Some(Disruption::Fault(..)));
    breaches.extend(take.played.iter().filter_map(|played| judge_act(played, is_otherwise)));
    breaches
}

/// Why a run does not end.
fn why(hung: &Hung) -> String {
    if hung.is_busy {
        return format!("it was still busy after {} s of the computer's time", PATIENCE.as_secs());
    }
    if hung.waits.is_empty() {
        return format!("nothing came of it in {} days", FOR_EVER.as_secs() / (24 * 60 * 60));
    }
    hung.waits.join("; ")
}

/// What is wrong with what somebody did. In a run that goes `otherwise` than it is meant to, it may be out of place.
fn judge_act(played: &Played, otherwise: bool) -> Option<Breach> {
    let Played { act, refused, answer, is_lost } = played;
    if *is_lost {
        return Some(Breach::Forgotten(act.clone()));
    }
    match (answer, refused) {
        (Ok(Answer::Failed(why)), _) => Some(Breach::Answered(format!("{act} could not be done: {why}"))),
        (_, _) if otherwise => None,
        (Err(why), _) => Some(Breach::NotDone(act.clone(), why.clone())),
        (Ok(Answer::Taken), Some(refusal)) => {
            let how = format!("{act} was taken, and was to be refused as `{}`", refusal.word());
            Some(Breach::Answered(how))
        }
        (Ok(Answer::Refused(refusal, _)), Some(wanted)) if refusal == wanted => None,
        (Ok(Answer::Refused(refusal, why)), wanted) => {
            let wanted =
                wanted.map(Refusal::word).map_or("taken".to_owned(), |word| format!("refused as `{word}`"));
            let how = format!("{act} was refused as `{}`, and was to be {wanted}: {why}", refusal.word());
            Some(Breach::Answered(how))
        }
        (Ok(Answer::Taken), None) => None,
    }
}

/// How many takes of a kind there were, and how many were right.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    tried: usize,
    passed: usize,
}

impl Tally {
    fn add(&mut self, passed: bool) {
        self.tried += 1;
        self.passed += usize::from(passed);
    }

    fn cell(self) -> String {
        if self.tried == 0 { String::new() } else { format!("{} of {}", self.passed, self.tried) }
    }

    fn to_json(self) -> Value {
        json!({"tried": self.tried, "passed": self.passed})
    }
}

/// One case's takes.
#[derive(Debug)]
struct Line {
    case: String,
    plain: Tally,
    crashes: Tally,
    faults: Tally,
}

/// A take that is not right.
#[derive(Debug)]
struct Failed {
    name: String,
    breaches: Vec<Breach>,
    run: Value,
}

/// All takes of a test.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<Line>,
    failed: Vec<Failed>,
}

impl Report {
    /// Begins with a case.
    pub(super) fn begin(&mut self, case: &Case) {
        let none = Tally::default();
        self.lines.push(Line { case: case.name.clone(), plain: none, crashes: none, faults: none });
    }

    /// Adds a take of the case that was begun last; tells whether it is right.
    pub(super) fn add(&mut self, case: &Case, disruption: Option<&Disruption>, take: &Take) -> bool {
        let breaches = judge(case, disruption, take);
        let passed = breaches.is_empty();
        if let Some(line) = self.lines.last_mut() {
            let tally = match disruption {
                None => &mut line.plain,
                Some(Disruption::Crash(_)) => &mut line.crashes,
                Some(Disruption::Fault(..)) => &mut line.faults,
            };
            tally.add(passed);
        }
        if !passed {
            let name = name_of(case, disruption);
            self.failed.push(Failed { name, breaches, run: take.run_to_json() });
        }
        passed
    }

    pub(super) fn is_right(&self) -> bool {
        self.failed.is_empty()
    }

    pub(super) fn takes(&self) -> usize {
        self.lines.iter().map(|line| line.plain.tried + line.crashes.tried + line.faults.tried).sum()
    }

    /// `alone` is the command that runs one of them alone, up to its name.
    pub(super) fn to_json(&self, alone: &str) -> Value {
        let cases = self.lines.iter().map(|line| {
            json!({
                "case": line.case,
                "alone": line.plain.to_json(),
                "crashes": line.crashes.to_json(),
                "faults": line.faults.to_json(),
            })
        });
        let failed = self.failed.iter().map(|failed| failed.to_json(alone));
        json!({
            "passed": self.is_right(),
            "takes": self.takes(),
            "cases": cases.collect::<Vec<_>>(),
            "failed": failed.collect::<Vec<_>>(),
        })
    }

    pub(super) fn describe(&self, alone: &str) -> String {
        let row =
            |line: &Line| [line.case.clone(), line.plain.cell(), line.crashes.cell(), line.faults.cell()];
        let mut text =
            screen::table(["CASE", "ALONE", "CRASHES SURVIVED", "FAULTS BORNE"], self.lines.iter().map(row));
        for failed in &self.failed {
            text.push_str(&failed.describe(alone));
        }
        let takes = self.takes();
        let verdict = match self.failed.len() {
            0 => format!("{takes} runs, all as expected"),
            count => format!("{takes} runs, {count} not as expected"),
        };
        text.push_str(&format!("\n{verdict}\n"));
        text
    }
}

impl Failed {
    fn to_json(&self, alone: &str) -> Value {
        let breaches = self.breaches.iter().map(|breach| {
            let mut shown = json!({"kind": breach.word(), "message": breach.message()});
            if let Breach::Expectation(difference) = breach {
                shown["difference"] = difference.to_json("expected", "found");
            }
            shown
        });
        json!({
            "name": self.name,
            "breaches": breaches.collect::<Vec<_>>(),
            "run_alone": format!("{alone} '{}'", self.name),
            "run": self.run,
        })
    }

    fn describe(&self, alone: &str) -> String {
        let mut text = format!("\n{} is not as expected\n", self.name);
        for breach in &self.breaches {
            text.push_str(&format!("  {}\n", breach.message()));
        }
        if !self.run.is_null() {
            let nodes = run::describe_nodes(&self.run);
            text.extend(nodes.lines().map(|line| format!("    {line}\n")));
        }
        text.push_str(&format!("  run it alone: {alone} '{}'\n", self.name));
        text
    }
}

/// `case`, or `case/crash@7`.
pub(super) fn name_of(case: &Case, disruption: Option<&Disruption>) -> String {
    match disruption {
        None => case.name.clone(),
        Some(disruption) => format!("{}/{disruption}", case.name),
    }
}
