//! What is wrong with a take, and the report of them all.

use serde_json::{Value, json};

use super::disruption::Disruption;
use super::expect::observe;
use super::file::Case;
use super::take::{End, Take};
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
    Hang,
    /// The run was not started.
    Refused(String),
    /// The run was accepted, and lost.
    Lost,
    /// The engine could not go on with the run.
    Broken(String),
}

impl Breach {
    fn word(&self) -> &'static str {
        match self {
            Self::Expectation(_) => "expectation",
            Self::NotCovered(_) => "not-covered",
            Self::SentAgain(_) => "sent-again",
            Self::Hang => "hang",
            Self::Refused(_) => "refused",
            Self::Lost => "lost",
            Self::Broken(_) => "broken",
        }
    }

    fn message(&self) -> String {
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
            Self::Hang => "the run did not end".to_owned(),
            Self::Refused(why) => format!("the run was not started: {why}"),
            Self::Lost => "the run was accepted, and is not known any more".to_owned(),
            Self::Broken(why) => format!("the engine could not go on with the run: {why}"),
        }
    }
}

/// Everything that is wrong with a take.
pub(super) fn judge(case: &Case, disruption: Option<&Disruption>, take: &Take) -> Vec<Breach> {
    let mut breaches = match &take.end {
        End::Hung(_) => vec![Breach::Hang],
        End::Refused(why) => vec![Breach::Refused(why.clone())],
        End::Lost => vec![Breach::Lost],
        End::Broken(why) => vec![Breach::Broken(why.clone())],
        End::Ended(run) => {
            let observed = observe(run, &take.effects.counts);
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
    breaches
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
fn name_of(case: &Case, disruption: Option<&Disruption>) -> String {
    match disruption {
        None => case.name.clone(),
        Some(disruption) => format!("{}/{disruption}", case.name),
    }
}
