//! The command line as its users meet it: a step of one's own from nothing, definitions checked offline, JSON for scripts.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::client::{client, output};
use crate::support::guests;
use crate::support::server::{Server, stepwell};

/// Runs a command that must succeed; gives its JSON.
async fn json(command: Command) -> Value {
    let output = output(command).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {output:?}"))
}

#[tokio::test]
async fn a_new_step_builds_tests_and_publishes_as_it_is() {
    let folder = TempDir::new().unwrap();
    let step = folder.path().join("greeter");
    let server = Server::start().await;
    json(client(&server, &["--json", "step", "new", path(&step)])).await;
    let built = json(client(&server, &["--json", "step", "build", path(&step)])).await;
    assert!(Path::new(built["path"].as_str().unwrap()).is_file(), "{built:#}");
    let tested = output(client(&server, &["step", "test", path(&step)])).await;
    assert!(tested.status.success(), "{tested:?}");
    let published = json(client(&server, &["--json", "step", "publish", path(&step)])).await;
    assert_eq!(published["name"], "greeter", "{published:#}");

    let workflow = folder.path().join("greet.yaml");
    std::fs::write(&workflow, include_str!("../docs/first-step/greet.yaml")).unwrap();
    json(client(&server, &["--json", "workflow", "apply", path(&workflow)])).await;
    let input = r#"{"name": "Ada"}"#;
    let run =
        json(client(&server, &["--json", "run", "start", "greet", "--input", input, "--wait", "30"])).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(run["output"]["greeting"], "Hello, Ada!", "{run:#}");
}

#[tokio::test]
async fn mistakes_are_shown_in_the_file_without_a_server() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("wrong.yaml");
    std::fs::write(&file, "name: wrong\nversion: 1.0.0\nnodes:\n  a:\n    step: x@^1\n    needs: [ghost]\n")
        .unwrap();
    let shown = output(lint(&file, &[])).await;
    let said = String::from_utf8_lossy(&shown.stderr);
    assert!(!shown.status.success());
    assert!(said.contains("ghost") && said.contains("wrong.yaml:6"), "{said}");

    let output = output(lint(&file, &["--json"])).await;
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["mistakes"][0]["pointer"], "/nodes/a/needs/0", "{verdict:#}");
}

#[tokio::test]
async fn the_example_has_no_mistakes() {
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/support-ticket-triage/workflow.json");
    let verdict = json(lint(&example, &["--json"])).await;
    assert_eq!(verdict["mistakes"], json!([]));
}

fn lint(file: &Path, more: &[&str]) -> Command {
    let mut command = stepwell();
    command.args(["workflow", "lint"]).arg(file).args(more);
    command
}

#[tokio::test]
async fn every_list_speaks_json_and_secrets_never_come_out() {
    let server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    let mut set = client(&server, &["secret", "set", "TOKEN", "--json"]);
    let file = server.data().join("../value");
    std::fs::write(&file, "hunter2\n").unwrap();
    set.stdin(std::fs::File::open(&file).unwrap());
    assert_eq!(json(set).await, json!({"name": "TOKEN"}));
    for (command, expected) in [
        (&["step", "list"][..], "transform"),
        (&["workflow", "list"], "workflows"),
        (&["run", "list"], "runs"),
        (&["secret", "list"], "TOKEN"),
        (&["key", "list"], "keys"),
    ] {
        let listed = json(client(&server, &[command, &["--json"]].concat())).await.to_string();
        assert!(listed.contains(expected) && !listed.contains("hunter2"), "{command:?}: {listed}");
    }
}

#[tokio::test]
async fn an_error_says_what_and_how_to_mend_it() {
    let server = Server::start().await;
    let output = output(client(&server, &["run", "start", "nothing"])).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nothing"), "{said}");

    let mut nowhere = stepwell();
    nowhere.args(["run", "list", "--url", "http://127.0.0.1:9"]);
    let output = self::output(nowhere).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("127.0.0.1:9") && said.contains("stepwell serve"), "{said}");
}

#[tokio::test]
async fn a_watched_run_is_told_to_its_end() {
    let server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    let node =
        json!({"step": "transform@^1", "config": {"template": {"n": "{{ input.n }}"}}, "input": {"n": 7}});
    server.apply(&json!({"name": "tiny", "version": "1.0.0", "nodes": {"tiny": node}})).await;
    let id = server.start_run("tiny", &json!({})).await;
    let watched = output(client(&server, &["run", "watch", &id, "--json"])).await;
    let lines: Vec<Value> = String::from_utf8(watched.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.first().unwrap()["type"], "run-accepted");
    assert_eq!(lines.last().unwrap()["outcome"]["status"], "succeeded");
    assert!(watched.status.success());

    let again = output(client(&server, &["run", "retry", &id, "--latest"])).await;
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(said.contains(&format!("is started in place of {id}")), "{again:?}");
    let at = "2200-01-01T00:00:00Z";
    let later = json(client(&server, &["--json", "run", "start", "tiny", "--at", at])).await;
    assert_eq!(later["status"], "queued", "{later:#}");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
