//! `stepwell workflow test`: workflows against their test files, through crashes and faults.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::output;
use crate::support::server::stepwell;

/// A workflow and its test file, in a folder that goes when the test ends.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn new(nodes: &Value, tests: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        let definition = json!({"name": "tried", "version": "1.0.0", "nodes": nodes});
        std::fs::write(folder.path().join("tried.json"), definition.to_string()).unwrap();
        std::fs::write(folder.path().join("tried.test.json"), tests.to_string()).unwrap();
        Self { folder }
    }

    fn workflow(&self) -> PathBuf {
        self.folder.path().join("tried.json")
    }

    async fn test(&self, more: &[&str]) -> (bool, Value) {
        test(&self.workflow(), more).await
    }
}

/// Runs a workflow's test; gives whether it passed, and the report.
async fn test(workflow: &Path, more: &[&str]) -> (bool, Value) {
    let mut command = stepwell();
    command.args(["workflow", "test", "--json"]).arg(workflow).args(more);
    let output = output(command).await;
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), report)
}

/// A node that sends a request to a world that is not there.
fn ask(path: &str) -> Value {
    json!({
        "step": "http-request@^1",
        "input": {"method": "POST", "url": format!("https://world.example{path}"), "json": {"hello": "world"}},
        "grants": {"http": [{"host": "world.example", "paths": ["/granted/*"]}]},
        "retry": {"attempts": 3, "delay": "1h"}
    })
}

#[tokio::test]
async fn the_example_passes_its_test_through_every_crash_and_fault() {
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/support-ticket-triage/workflow.json");
    let (passed, report) = test(&example, &["--chaos"]).await;
    assert!(passed, "{report:#}");
    let cases = report["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        for kind in ["alone", "crashes", "faults"] {
            assert!(case[kind]["tried"].as_u64() > Some(0), "{case:#}");
        }
    }
    // Acceptance, ingest, classify with its effect, billing with its effect, two skips, receipt, end.
    assert_eq!(cases[3]["crashes"]["tried"], 14, "{report:#}");
    assert_eq!(cases[3]["faults"]["tried"], 2 * 7, "{report:#}");
}

#[tokio::test]
async fn an_expectation_that_breaks_is_told_with_how_to_run_it_alone() {
    let tests = json!({"cases": {
        "right": {"effects": [{"answer": {"json": {"n": 1}}}], "expect": {"effects": {"0": 1}}},
        "wrong": {
            "effects": [{"name": "world", "answer": {"json": {"n": 1}}}],
            "expect": {"nodes": {"ask": {"attempts": 2, "output_includes": {"json": {"n": 2}}}}, "effects": {"world": 2}}
        }
    }});
    let folder = Folder::new(&json!({"ask": ask("/granted/a")}), &tests);
    let (passed, report) = folder.test(&[]).await;
    assert!(!passed);
    let failed = &report["failed"][0];
    assert_eq!((&report["failed"][1], &failed["name"]), (&Value::Null, &json!("wrong")), "{report:#}");
    let places: Vec<&str> = failed["breaches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|breach| breach["difference"]["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(places, ["/effects/world", "/nodes/ask/attempts", "/nodes/ask/output/json/n"]);
    assert!(failed["run_alone"].as_str().unwrap().ends_with("--only 'wrong'"), "{failed:#}");

    let (passed, report) = folder.test(&["--only", "right/429@ask.1.0"]).await;
    assert!(passed, "retries are due at once, and the second attempt is answered: {report:#}");
    assert_eq!(report["takes"], 1);
}

#[tokio::test]
async fn what_a_run_does_not_bear_is_named_by_its_fault_and_can_be_run_alone() {
    let mut node = ask("/granted/a");
    node["retry"] = json!({"attempts": 1});
    let tests = json!({"cases": {"once": {
        "effects": [{"answer": {"json": {"n": 1}}}],
        "expect": {},
        "expect_under_faults": {"429": {"status": "succeeded"}}
    }}});
    let folder = Folder::new(&json!({"ask": node}), &tests);
    let (passed, report) = folder.test(&["--chaos"]).await;
    assert!(!passed);
    let names: Vec<&str> =
        report["failed"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["once/429@ask.1.0"], "{report:#}");
    let (passed, report) = folder.test(&["--only", names[0]]).await;
    assert!(!passed);
    assert_eq!(report["failed"][0]["breaches"][0]["difference"]["pointer"], "/status", "{report:#}");
}

#[tokio::test]
async fn a_missing_grant_fails_a_test_as_it_fails_a_run_and_an_uncovered_request_is_named() {
    let nodes = json!({"ask": ask("/secret"), "other": ask("/granted/b")});
    let tests = json!({"cases": {"two": {
        "effects": [{"match": {"url": "*/secret"}, "answer": {}}],
        "expect": {"failure": {"node": "ask", "message": "no grant of this node covers"}}
    }}});
    let (passed, report) = Folder::new(&nodes, &tests).test(&[]).await;
    assert!(!passed);
    let breaches = report["failed"][0]["breaches"].as_array().unwrap();
    assert_eq!(breaches.len(), 1, "the grant that is missing is as expected: {report:#}");
    assert_eq!(breaches[0]["kind"], "not-covered");
    assert!(breaches[0]["message"].as_str().unwrap().contains("`POST https://world.example/granted/b`"));
}

#[tokio::test]
async fn mistakes_in_a_test_file_are_shown_where_they_stand() {
    let tests = json!({"cases": {"a": {"input": {}, "expect": {"nodes": {"ghost": {}}}, "exepct": 1}}});
    let folder = Folder::new(&json!({"ask": ask("/granted/a")}), &tests);
    let (passed, report) = folder.test(&[]).await;
    assert!(!passed);
    let places: Vec<&str> =
        report["mistakes"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(places, ["/cases/a/exepct", "/cases/a/expect/nodes/ghost"]);

    std::fs::remove_file(folder.folder.path().join("tried.test.json")).unwrap();
    let mut command = stepwell();
    command.args(["workflow", "test"]).arg(folder.workflow());
    let none = output(command).await;
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("tried.test.json"), "{none:?}");
}
