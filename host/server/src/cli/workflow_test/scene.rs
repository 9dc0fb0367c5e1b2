//! A case of a test file, for who plays it against a real server: its stand-ins, and what people do in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use stepwell_core::blob::MediaType;
use stepwell_core::mistake::Mistake;
use stepwell_core::state::StateKey;
use stepwell_engine::ApprovalAnswer;

use super::acts::Deed;
use super::definitions::{Written, in_order};
use super::file::{self, Case};
use super::files::{self, File};
use super::stand_in::{Asked, Spoken, StandIn};
use super::steps;
use crate::cli::CliError;
use crate::cli::lint::Source;

/// A case, and the workflows that it needs.
pub(in crate::cli) struct Scene {
    /// Those that are applied, each behind those that it runs.
    pub(in crate::cli) workflows: Vec<Value>,
    /// The steps that they use: their names.
    pub(in crate::cli) steps: BTreeSet<String>,
    /// The one that is played: its name.
    pub(in crate::cli) workflow: String,
    pub(in crate::cli) case: String,
    pub(in crate::cli) input: Value,
    /// What the workflow keeps when the run begins.
    pub(in crate::cli) state: Vec<(StateKey, Value)>,
    pub(in crate::cli) files: Vec<(Bytes, MediaType)>,
    pub(in crate::cli) peers: Peers,
    /// What people decide, by node, in this order.
    pub(in crate::cli) decisions: Vec<(String, ApprovalAnswer)>,
}

/// Who answers requests, and calls back.
pub(in crate::cli) struct Peers {
    stand_ins: Vec<StandIn>,
    /// What is posted to the URL that a node's step was given, in this order; each once.
    calls: Mutex<Vec<(String, Value)>>,
}

impl Peers {
    /// What comes back of a request; none if no stand-in covers it.
    pub(in crate::cli) fn answer(&self, asked: &Asked<'_>) -> Option<Spoken> {
        self.stand_ins.iter().find(|stand_in| stand_in.covers(asked)).map(StandIn::speak)
    }

    /// What is posted next to the callback of a node.
    pub(in crate::cli) fn call(&self, node: &str) -> Option<Value> {
        // A list under this lock is whole whatever panics.
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let place = calls.iter().position(|(called, _)| called == node)?;
        Some(calls.remove(place).1)
    }
}

/// Reads a workflow with the test file beside it, and the case of this name; without one, that which the test file shows.
pub(in crate::cli) fn read(file: &Path, case: Option<&str>) -> Result<Scene, CliError> {
    let workflow = Written::read(file.to_owned())?;
    let tests = file::beside(file)?;
    let source = Source::read(&tests)?;
    let beside = tests.parent().unwrap_or(Path::new(""));
    let refused = |mistakes: Vec<Mistake>| refused(&tests, &mistakes);
    let (document, files) = files::resolve(source.definition(), beside).map_err(refused)?;
    let test_file = file::read(&document, files, workflow.definition(), beside).map_err(refused)?;
    let wanted = case.or(test_file.demo.as_deref());
    let case = pick(&test_file.cases, wanted, &tests)?;
    if let Some(what) = what_cannot_be_played(&case) {
        return Err(CliError::Usage(format!(
            "the case `{}` cannot be played on a real server, because it has {what}: `stepwell workflow test` tries it",
            case.name
        )));
    }
    let all: Vec<&Value> = test_file.workflows.iter().chain([&workflow]).map(Written::definition).collect();
    Ok(Scene {
        steps: all.iter().flat_map(|definition| steps::used(definition)).collect(),
        workflows: in_order(&all).into_iter().cloned().collect(),
        workflow: workflow.name().to_owned(),
        case: case.name.clone(),
        input: case.input.clone(),
        state: case.state.clone(),
        files: test_file.files.into_iter().map(|File { bytes, media_type }| (bytes, media_type)).collect(),
        peers: Peers { stand_ins: case.stand_ins.clone(), calls: Mutex::new(calls(&case)) },
        decisions: decisions(&case),
    })
}

fn pick(cases: &[Case], wanted: Option<&str>, tests: &Path) -> Result<Case, CliError> {
    let found = cases.iter().find(|case| wanted.is_none_or(|wanted| case.name == wanted));
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        CliError::Usage(format!(
            "`{}` has no case `{}`; it has: {}",
            tests.display(),
            wanted.unwrap_or_default(),
            known.join(", ")
        ))
    })
}

fn refused(tests: &Path, mistakes: &[Mistake]) -> CliError {
    CliError::Mistakes { count: mistakes.len(), path: tests.to_owned() }
}

fn what_cannot_be_played(case: &Case) -> Option<&'static str> {
    let signals = case.acts.iter().any(|act| matches!(act.deed, Deed::Signal { .. }));
    match () {
        () if case.stand_ins.iter().any(StandIn::is_for_tests) => Some("stand-ins with `fault` or `times`"),
        () if signals => Some("signals"),
        () => None,
    }
}

fn decisions(case: &Case) -> Vec<(String, ApprovalAnswer)> {
    done(case, |deed| match deed {
        Deed::Decide(answer) => Some(answer.clone()),
        Deed::CallBack(_) | Deed::Signal { .. } => None,
    })
}

fn calls(case: &Case) -> Vec<(String, Value)> {
    done(case, |deed| match deed {
        Deed::CallBack(body) => Some(body.clone()),
        Deed::Decide(_) | Deed::Signal { .. } => None,
    })
}

/// What is done to which node, of what is not to be refused: that is for tests.
fn done<T>(case: &Case, of: impl Fn(&Deed) -> Option<T>) -> Vec<(String, T)> {
    let taken = case.acts.iter().filter(|act| act.refused.is_none());
    taken.filter_map(|act| Some((act.cue().node()?.to_owned(), of(&act.deed)?))).collect()
}
