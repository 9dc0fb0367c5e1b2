//! A test file: read whole, with every mistake at its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepwell_core::definition::{Cursor, Fields, Mistakes};
use stepwell_core::mistake::{Mistake, code};
use stepwell_core::state::{StateKey, check_size};

use super::acts::Act;
use super::definitions::{Names, Written, name_of};
use super::expect::Expectation;
use super::fault::Fault;
use super::files::Files;
use super::stand_in::StandIn;
use super::steps::Source;
use crate::cli::CliError;

/// What a test file is called after its workflow's name.
const ENDINGS: [&str; 3] = ["test.json", "test.yaml", "test.yml"];

const CASE_FIELDS: &[&str] =
    &["input", "state", "effects", "approvals", "callbacks", "signals", "expect", "expect_under_faults"];

/// A test file.
pub(super) struct TestFile {
    /// Other workflows that are applied, beside the one under test.
    pub(super) workflows: Vec<Written>,
    /// Where steps come from, by their names.
    pub(super) steps: BTreeMap<String, Source>,
    pub(super) cases: Vec<Case>,
    /// The case that shows what the workflow does.
    pub(super) demo: Option<String>,
    /// What blobs there are from the beginning.
    pub(super) files: Files,
}

/// One run to try.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) input: Value,
    /// What the workflow under test keeps when the run begins.
    pub(super) state: Vec<(StateKey, Value)>,
    /// In the order in which they are asked whether they cover a request.
    pub(super) stand_ins: Vec<StandIn>,
    /// What others do.
    pub(super) acts: Vec<Act>,
    pub(super) expect: Expectation,
    pub(super) under_faults: UnderFaults,
}

/// What is to hold when an effect fails.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderFaults {
    any: Option<Expectation>,
    by_fault: BTreeMap<Fault, Expectation>,
}

impl UnderFaults {
    /// What the test says of this fault, if it says anything.
    pub(super) fn of(&self, fault: Fault) -> Option<&Expectation> {
        self.by_fault.get(&fault).or(self.any.as_ref())
    }
}

/// The test file of a workflow's file: beside it, and called after it.
pub(super) fn beside(workflow: &Path) -> Result<PathBuf, CliError> {
    let candidates = ENDINGS.map(|ending| workflow.with_extension(ending));
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let names: Vec<_> = candidates.iter().map(|path| format!("`{}`", path.display())).collect();
        CliError::Usage(format!(
            "there is no test file: none of {} is there; write one, or say where it is with --tests",
            names.join(", ")
        ))
    })
}

/// Reads a test file of the workflow `tried`, or tells every mistake. `files` are those that it names, and `beside` is where it is.
pub(super) fn read(
    document: &Value,
    files: Files,
    tried: &Value,
    beside: &Path,
) -> Result<TestFile, Vec<Mistake>> {
    let mistakes = Mistakes::default();
    let file = read_file(&Cursor::new(document, "", &mistakes), files, tried, beside);
    let mut mistakes = mistakes.into_inner();
    mistakes.sort();
    mistakes.dedup();
    match file {
        Some(file) if mistakes.is_empty() => Ok(file),
        _ => Err(mistakes),
    }
}

fn read_file(file: &Cursor<'_>, files: Files, tried: &Value, beside: &Path) -> Option<TestFile> {
    let fields = file.fields(&["steps", "workflows", "effects", "cases", "demo"])?;
    let steps = fields.get("steps").map(|it| it.entries()).unwrap_or_default();
    let steps =
        steps.into_iter().filter_map(|(name, source)| Some((name.to_owned(), Source::read(&source)?)));
    let steps = steps.collect();
    let workflows = fields.get("workflows");
    let workflows = workflows.map(|it| Written::read_others(&it, name_of(tried), beside)).unwrap_or_default();
    let names = Names::new(tried, workflows.iter().map(Written::definition));
    let cases = read_cases(&fields, &names, &files)?;
    let demo = fields.get("demo").and_then(|it| read_demo(&it, &cases));
    Some(TestFile { steps, cases, demo, workflows, files })
}

fn read_demo(demo: &Cursor<'_>, cases: &[Case]) -> Option<String> {
    let name = demo.text()?;
    if !cases.iter().any(|case| case.name == name) {
        demo.wrong(code::BAD_NAME, format!("there is no case `{name}`"));
    }
    Some(name.to_owned())
}

fn read_cases<'a>(file: &Fields<'a>, names: &Names<'a>, files: &Files) -> Option<Vec<Case>> {
    let shared = read_stand_ins(file, "shared ", names, files);
    let cases =
        file.require("cases", "write `\"cases\": {\"a name\": {\"input\": {...}, \"expect\": {...}}}`")?;
    let entries = cases.entries();
    if entries.is_empty() && cases.value.is_object() {
        cases.wrong(code::MISSING_FIELD, "a test has one case at least");
    }
    Some(entries.iter().filter_map(|(name, case)| read_case(name, case, &shared, names, files)).collect())
}

fn read_case<'a>(
    name: &str,
    case: &Cursor<'a>,
    shared: &[StandIn],
    names: &Names<'a>,
    files: &Files,
) -> Option<Case> {
    if name.is_empty() || name.contains('/') {
        case.wrong(
            code::BAD_NAME,
            "a case's name is not empty and holds no `/`: reports write `case/crash@7`",
        );
    }
    let fields = case.fields(CASE_FIELDS)?;
    let mut stand_ins = read_stand_ins(&fields, "", names, files);
    stand_ins.extend_from_slice(shared);
    let called: Vec<&str> = stand_ins.iter().map(|stand_in| stand_in.name.as_str()).collect();
    let expect = fields
        .require("expect", "write `\"expect\": {\"status\": \"succeeded\"}`, or more")
        .and_then(|it| Expectation::read(&it, names, &called));
    let under_faults = fields.get("expect_under_faults");
    let under_faults = under_faults.map(|it| read_under_faults(&it, names, &called)).unwrap_or_default();
    Some(Case {
        name: name.to_owned(),
        input: fields.get("input").map_or_else(|| json!({}), |it| it.value.clone()),
        state: fields.get("state").map(|it| read_state(&it)).unwrap_or_default(),
        acts: Act::read_all(&fields, names),
        expect: expect?,
        under_faults,
        stand_ins,
    })
}

/// Values by their keys.
fn read_state(state: &Cursor<'_>) -> Vec<(StateKey, Value)> {
    let read = |(key, value): (&str, Cursor<'_>)| {
        let key =
            key.parse::<StateKey>().map_err(|error| value.wrong(code::BAD_NAME, error.to_string())).ok()?;
        let size = check_size(value.value.to_string().len());
        size.map_err(|error| value.wrong(code::TOO_LARGE, error.to_string())).ok()?;
        Some((key, value.value.clone()))
    };
    state.entries().into_iter().filter_map(read).collect()
}

/// Those without a name of their own are called by their place.
fn read_stand_ins<'a>(fields: &Fields<'a>, prefix: &str, names: &Names<'a>, files: &Files) -> Vec<StandIn> {
    let items = fields.get("effects").map(|it| it.items()).unwrap_or_default();
    let read: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(place, it)| StandIn::read(it, format!("{prefix}{place}"), names, files))
        .collect();
    for (place, stand_in) in read.iter().enumerate() {
        let Some(stand_in) = stand_in else { continue };
        if read[..place].iter().flatten().any(|earlier| earlier.name == stand_in.name) {
            items[place].wrong(code::DUPLICATE, format!("another stand-in is called `{}`", stand_in.name));
        }
    }
    read.into_iter().flatten().collect()
}

fn read_under_faults<'a>(under: &Cursor<'a>, names: &Names<'a>, stand_ins: &[&str]) -> UnderFaults {
    let mut read = UnderFaults::default();
    let words = Fault::words();
    for (word, expect) in under.entries() {
        let fault = words.iter().find(|(known, _)| *known == word).map(|(_, fault)| *fault);
        match (word, fault) {
            ("any", _) => read.any = Expectation::read(&expect, names, stand_ins),
            (_, Some(fault)) => {
                let expectation = Expectation::read(&expect, names, stand_ins);
                read.by_fault.extend(expectation.map(|it| (fault, it)));
            }
            (word, None) => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let message = format!("`{word}` is no fault; there are: any, {}", known.join(", "));
                expect.wrong(code::UNKNOWN_FIELD, message);
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried() -> Value {
        json!({"name": "flow", "nodes": {"ask": {"step": "ask@^1"}}})
    }

    fn places(document: &Value) -> Vec<String> {
        let Err(mistakes) = read(document, Files::default(), &tried(), Path::new("")) else {
            return Vec::new();
        };
        mistakes.into_iter().map(|mistake| mistake.pointer).collect()
    }

    #[test]
    fn a_test_file_is_read_whole() {
        let file = read(
            &json!({
                "steps": {"ask": {"folder": "../ask"}, "tell": "standard", "x": {"server": "1.0.0"}},
                "effects": [{"name": "shared", "answer": {"text": "hello"}}],
                "cases": {"one": {
                    "input": {"a": 1},
                    "effects": [{"match": {"node": "ask", "url": "https://a/*"}, "fault": "timeout", "times": 1}],
                    "expect": {"effects": {"0": 1, "shared": 1}},
                    "expect_under_faults": {"any": {"status": "failed"}, "429": {}}
                }}
            }),
            Files::default(),
            &tried(),
            Path::new(""),
        )
        .unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let case = &file.cases[0];
        assert_eq!((file.steps.len(), case.stand_ins.len()), (3, 2));
        assert_eq!(case.stand_ins[1].name, "shared", "a case's own stand-ins come first");
        assert!(case.under_faults.of(Fault::Slow).is_some());
    }

    #[test]
    fn every_mistake_is_told_at_its_place() {
        let wrong = json!({
            "stpes": {},
            "workflows": {"flow": "flow.json", "other": "not-there.json"},
            "steps": {"ask": {"folder": 1}},
            "cases": {
                "a/b": {"expect": {}},
                "two": {
                    "effects": [
                        {"match": {"node": "ghost"}, "answer": {"json": 1, "text": "1"}},
                        {"fault": "truncated"},
                        {"name": "0", "answer": {"status": 99}},
                        {"fault": "explodes"}
                    ],
                    "approvals": [{"node": "ask", "decide": "approve"}],
                    "expect_under_faults": {"418": {}}
                }
            }
        });
        assert_eq!(
            places(&wrong),
            [
                "/cases/a~1b",
                "/cases/two",
                "/cases/two/approvals/0/node",
                "/cases/two/effects/0/answer",
                "/cases/two/effects/0/match/node",
                "/cases/two/effects/1",
                "/cases/two/effects/2/answer/status",
                "/cases/two/effects/3/fault",
                "/cases/two/expect_under_faults/418",
                "/steps/ask/folder",
                "/stpes",
                "/workflows/flow",
                "/workflows/other",
            ]
        );
        assert_eq!(places(&json!({"cases": {}})), ["/cases"]);
        assert_eq!(places(&json!([])), [""]);
    }
}
