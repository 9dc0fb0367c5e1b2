//! `stepwell workflow test`: workflows against their test files, through crashes and faults.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::output;
use crate::support::guests;
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

/// Every folder of examples.
fn examples() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let folders = std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[tokio::test]
async fn each_example_passes_its_test_through_every_crash_and_fault() {
    let examples = examples();
    assert!(examples.len() >= 2, "{examples:?}");
    for example in examples {
        let (passed, report) = test(&example.join("workflow.json"), &["--chaos"]).await;
        assert!(passed, "{}: {report:#}", example.display());
        let cases = report["cases"].as_array().unwrap();
        for case in cases {
            for kind in ["alone", "crashes"] {
                assert!(case[kind]["tried"].as_u64() > Some(0), "{}: {case:#}", example.display());
            }
        }
        // A case that is over before anything is asked for has no effect that could fail.
        let faults = cases.iter().filter_map(|case| case["faults"]["tried"].as_u64());
        assert!(faults.sum::<u64>() > 0, "{}: {report:#}", example.display());
    }
}

#[tokio::test]
async fn a_crash_follows_each_entry_and_each_effect_fails_in_each_way() {
    let tests = json!({"cases": {"one": {"effects": [{"answer": {"json": {}}}], "expect": {}}}});
    let (passed, report) = Folder::new(&json!({"ask": ask("/granted/a")}), &tests).test(&["--chaos"]).await;
    assert!(passed, "{report:#}");
    // Acceptance, an attempt with its effect and its end, the run's end.
    assert_eq!(report["cases"][0]["crashes"], json!({"tried": 5, "passed": 5}), "{report:#}");
    assert_eq!(report["cases"][0]["faults"], json!({"tried": 7, "passed": 7}), "{report:#}");
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
    assert!(passed, "an hour later the second attempt is answered: {report:#}");
    assert_eq!(report["takes"], 1);
}

#[tokio::test]
async fn a_disruption_that_never_comes_is_not_green() {
    let tests = json!({"cases": {"one": {"effects": [{"answer": {"json": {}}}], "expect": {}}}});
    let folder = Folder::new(&json!({"ask": ask("/granted/a")}), &tests);
    let (passed, report) = folder.test(&["--only", "one/crash@4"]).await;
    assert!(passed, "the run's end is entry 4: {report:#}");
    for (only, why) in [
        ("one/crash@5", "the last entry that the journal was given is 4"),
        ("one/truncated@a.1.0", "no effect `a.1.0` was asked for; effects: ask.1.0"),
        ("one/429@ask.2.0", "effects: ask.1.0"),
    ] {
        let mut command = stepwell();
        command.args(["workflow", "test", "--only", only]).arg(folder.workflow());
        let output = output(command).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.contains(why)), (Some(2), true), "{only}: {said}");
    }
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
    let tests = json!({
        "workflows": {"other": "other.json"},
        "cases": {"a": {
            "input": {}, "expect": {"nodes": {"ghost": {}}}, "exepct": 1, "approvals": [{"node": "ask", "decide": "approve"}]
        }}
    });
    let folder = Folder::new(&json!({"ask": ask("/granted/a")}), &tests);
    let (passed, report) = folder.test(&[]).await;
    assert!(!passed);
    let places: Vec<&str> =
        report["mistakes"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(
        places,
        ["/cases/a/approvals/0/node", "/cases/a/exepct", "/cases/a/expect/nodes/ghost", "/workflows/other"]
    );

    std::fs::remove_file(folder.folder.path().join("tried.test.json")).unwrap();
    let mut command = stepwell();
    command.args(["workflow", "test"]).arg(folder.workflow());
    let none = output(command).await;
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("tried.test.json"), "{none:?}");
}

/// Asks `ann`, hands a job to the world, and waits for a signal and for a week.
fn with_others() -> Value {
    let mut job = ask("/granted/jobs");
    job["needs"] = json!(["review"]);
    job["callback"] = json!({"expires": "1h"});
    job["input"]["json"] = json!({"when_done": "{{ callback.url }}"});
    json!({
        "review": {"approval": {"who": ["ann"], "timeout": "72h"}},
        "job": job,
        "hold": {"wait": {"signal": "paid", "timeout": "100h"}, "needs": ["job"]},
        "rest": {"wait": "168h", "needs": ["hold"]}
    })
}

#[tokio::test]
async fn people_callbacks_and_signals_of_a_case_are_played_and_survive_every_crash() {
    let tests = json!({"cases": {"weeks": {
        "effects": [{"match": {"node": "job"}, "answer": {"json": {}}}],
        "approvals": [
            {"node": "review", "after": "2h", "decide": "approve", "by": "eve", "refused": "not-allowed"},
            {"node": "review", "after": "71h", "decide": "approve", "by": "ann"}
        ],
        "callbacks": [
            {"node": "job", "after": "59m", "body": {"n": 1}},
            {"node": "job", "after": "1h", "body": {"n": 2}, "refused": "used"}
        ],
        "signals": [{"name": "paid", "when": {"node": "hold"}, "after": "99h", "payload": {"n": 3}}],
        "expect": {
            "nodes": {"job": {"output": {"n": 1}}, "hold": {"output": {"n": 3}}, "review": {"output_includes": {"by": "ann"}}},
            "effects": {"0": 1}
        }
    }}});
    let (passed, report) = Folder::new(&with_others(), &tests).test(&["--chaos"]).await;
    assert!(passed, "{report:#}");
    assert!(report["cases"][0]["crashes"]["tried"].as_u64() > Some(12), "{report:#}");
}

#[tokio::test]
async fn somebody_who_is_missing_or_has_nothing_to_do_is_told() {
    let case = |approval: Value| {
        json!({
            "effects": [{"answer": {"json": {}}}], "approvals": [approval],
            "callbacks": [{"node": "job", "after": "10m"}], "expect": {}
        })
    };
    let tests = json!({"cases": {
        "no signal": case(json!({"node": "review", "decide": "approve", "by": "ann"})),
        "too late": case(json!({"node": "review", "decide": "approve", "by": "ann", "after": "80h"}))
    }});
    let mut nodes = with_others();
    nodes["hold"]["wait"] = json!({"signal": "paid"});
    let (passed, report) = Folder::new(&nodes, &tests).test(&[]).await;
    assert!(!passed);
    let told = |index: usize| {
        let breaches = report["failed"][index]["breaches"].as_array().unwrap();
        breaches.iter().map(|it| it["message"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
    };
    assert!(
        told(0).contains("`hold` of `tried` waits for a signal that nobody in this case sends"),
        "{report:#}"
    );
    assert!(told(1).contains("(ann approves `review`) was refused as `not-waiting`"), "{report:#}");
    assert!(
        told(1).contains("(the call to `job`) was never done: that `job` could be called back"),
        "{report:#}"
    );
}

#[tokio::test]
async fn a_sub_workflow_is_applied_first_and_its_crashes_effects_and_people_count() {
    let tests = json!({
        "workflows": {"helper": "helper.json"},
        "cases": {"one": {
            "effects": [{"match": {"node": "fetch"}, "answer": {"json": {"n": 1}}}],
            "approvals": [{"workflow": "helper", "node": "review", "after": "1h", "decide": "approve"}],
            "expect": {"output_includes": {"n": 1}, "effects": {"0": 1}, "events": {"com.example.told": [{"n": 1}]}}
        }}
    });
    let nodes = json!({
        "help": {"workflow": "helper@^1"},
        "tell": {"emit": {"type": "com.example.told", "data": {"n": "{{ nodes.help.output.n }}"}}, "needs": ["help"]},
        "rest": {"wait": "24h", "needs": ["tell", "help"]}
    });
    let folder = Folder::new(&nodes, &tests);
    let mut fetch = ask("/granted/a");
    fetch["needs"] = json!(["review"]);
    let helper = json!({
        "name": "helper", "version": "1.0.0", "nodes": {"review": {"approval": {}}, "fetch": fetch},
        "output": {"n": "{{ nodes.fetch.output.json.n }}"}
    });
    std::fs::write(folder.folder.path().join("helper.json"), helper.to_string()).unwrap();
    let mut definition: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.workflow()).unwrap()).unwrap();
    definition["output"] = json!({"n": "{{ nodes.help.output.n }}"});
    std::fs::write(folder.workflow(), definition.to_string()).unwrap();
    let (passed, report) = folder.test(&["--chaos"]).await;
    assert!(passed, "{report:#}");
    assert_eq!(report["cases"][0]["faults"]["tried"], 7, "{report:#}");
    // Seven entries of either run: beginning, what it waits for and what came of that, work, end.
    assert!(report["cases"][0]["crashes"]["tried"].as_u64() >= Some(14), "{report:#}");
    let (_, report) = folder.test(&["--only", "one/500@helper:fetch.1.0"]).await;
    assert_eq!((&report["passed"], &report["takes"]), (&json!(true), &json!(1)), "{report:#}");
}

/// Reads `/stream` as it comes, and counts on from what the case says is kept.
#[tokio::test]
async fn a_stand_in_answers_in_chunks_and_a_case_has_a_state_of_its_own_through_every_crash_and_fault() {
    let narrator = json!({
        "step": "narrator@^1",
        "input": {"url": "https://world.example/stream", "key": "count", "then": "https://world.example/then"},
        "grants": {"http": [{"host": "world.example"}], "state": ["count"]},
        "retry": {"attempts": 3, "delay": "1s"}
    });
    let component = TempDir::new().unwrap();
    let file = component.path().join("narrator.wasm");
    std::fs::write(&file, guests::test("narrator")).unwrap();
    let tests = json!({
        "steps": {"narrator": {"file": file}},
        "effects": [
            {"match": {"url": "*/stream"}, "answer": {"chunks": ["Once ", "upon ", "a time."]}},
            {"match": {"url": "*/then"}, "answer": {"text": ""}},
        ],
        "cases": {"it goes on": {
            "state": {"count": 6},
            "expect": {"nodes": {"n": {"output": {"told": "Once upon a time.", "count": 7}}}},
            "expect_under_faults": {"any": {}},
        }}
    });
    let folder = Folder::new(&json!({"n": narrator}), &tests);
    let (passed, report) = folder.test(&["--chaos"]).await;
    assert!(passed, "{report:#}");
    assert!(report["cases"][0]["crashes"]["tried"].as_u64() > Some(5), "{report:#}");
}
