//! Versions of a workflow: what sets them apart, going back to one, trying one on a share of new runs; all of it across restarts.

use std::collections::BTreeSet;
use std::process::Output;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stepwell_core::id::RunId;
use stepwell_core::split::Percent;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::guests;
use crate::support::server::{KEY, PATIENCE, Server, stepwell};

async fn server() -> Server {
    let server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    server
}

/// A version whose runs say which it is, with an HTTP trigger at this path.
fn version(version: &str, path: &str) -> Value {
    json!({
        "name": "told", "version": version,
        "triggers": [{"http": {"path": path, "method": "POST"}}],
        "nodes": {"tell": {"step": "transform@^1", "config": {"template": {"version": version}}, "input": {}}},
        "output": "{{ nodes.tell.output.version }}",
    })
}

/// A version of a workflow of one node that may send to these hosts.
fn granted(version: &str, hosts: &[&str]) -> Value {
    let grants: Vec<Value> = hosts.iter().map(|host| json!({"host": host, "methods": ["POST"]})).collect();
    let url = format!("https://{}/", hosts[0]);
    let input = json!({"method": "POST", "url": url, "json": {}});
    json!({
        "name": "sends", "version": version,
        "nodes": {"send": {"step": "http-request@^1", "input": input, "grants": {"http": grants}}},
    })
}

async fn apply_canary(server: &Server, definition: &Value, percent: &str) -> (StatusCode, Value) {
    let name = definition["name"].as_str().unwrap();
    server.put(&format!("/v1/workflows/{name}?canary={percent}"), definition).await
}

async fn run_of(server: &Server, path: &str) -> Value {
    let request = server.request(Method::POST, path).header("prefer", "wait=60").json(&json!({}));
    let (status, answer) = server.json(request).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    server.run(answer["run_id"].as_str().unwrap()).await
}

async fn new_run(server: &Server) -> Value {
    run_of(server, "/v1/workflows/told/runs").await
}

async fn current(server: &Server) -> Value {
    server.get("/v1/workflows/told").await.1
}

fn refused((status, problem): (StatusCode, Value), expected: u16, slug: &str) -> Value {
    let kind = problem["type"].as_str().and_then(|uri| uri.rsplit('/').next()).unwrap_or_default();
    assert_eq!((status.as_u16(), kind), (expected, slug), "{problem:#}");
    problem
}

async fn cli(server: &Server, arguments: &[&str]) -> Output {
    let mut command = stepwell();
    command.args(arguments).env("STEPWELL_URL", &server.url).env("STEPWELL_KEY", KEY);
    timeout(PATIENCE, command.output()).await.expect("the command ends").unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_difference_tells_new_permissions_first_and_its_exit_code_says_whether_there_is_one() {
    let server = Server::start().await;
    server.publish(&guests::standard("http-request")).await;
    let wider = granted("1.1.0", &["a.example", "b.example"]);
    server.apply(&granted("1.0.0", &["a.example"])).await;
    server.apply(&wider).await;
    let (status, answer) = server.get("/v1/workflows/sends/diff?from=1.0.0&to=1.1.0").await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    let gained = json!({"http": [{"host": "b.example", "methods": ["POST"]}]});
    assert_eq!(answer["difference"]["grants"], json!([{"node": "send", "gained": gained, "lost": {}}]));
    assert_eq!(server.get("/v1/workflows/sends/diff?from=1.0.0").await.1, answer, "to the current one");
    refused(server.get("/v1/workflows/sends/diff?from=9.9.9").await, 404, "unknown-workflow");
    refused(server.get("/v1/workflows/sends/diff?from=one").await, 400, "invalid-request");

    let differs = cli(&server, &["workflow", "diff", "sends@1.0.0", "sends"]).await;
    assert_eq!(differs.status.code(), Some(1), "{}", said(&differs));
    let first_lines =
        "sends@1.0.0 -> sends@1.1.0\nGRANTS GAINED\n  + send: HTTP to b.example, POST, every path\n";
    assert!(said(&differs).starts_with(first_lines), "{}", said(&differs));
    let same = cli(&server, &["workflow", "diff", "sends@1.1.0", "sends"]).await;
    assert_eq!(same.status.code(), Some(0), "{}", said(&same));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sends.json");
    std::fs::write(&file, wider.to_string()).unwrap();
    let with_file = cli(&server, &["--json", "workflow", "diff", "sends", file.to_str().unwrap()]).await;
    assert_eq!(with_file.status.code(), Some(0), "{}", said(&with_file));
    let trouble = cli(&server, &["workflow", "diff", "sends", "ghost"]).await;
    assert_eq!(trouble.status.code(), Some(2), "{}", said(&trouble));
}

#[tokio::test]
async fn going_back_takes_the_triggers_along_and_survives_a_kill() {
    let mut server = server().await;
    refused(server.post("/v1/workflows/told/rollback", &json!({})).await, 404, "unknown-workflow");
    server.apply(&version("1.0.0", "/old")).await;
    refused(server.post("/v1/workflows/told/rollback", &json!({})).await, 409, "no-earlier-version");
    server.apply(&version("1.1.0", "/new")).await;
    let (_, first) = server.get("/v1/workflows/told?version=1.0.0").await;

    let (status, released) = server.post("/v1/workflows/told/rollback", &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{released:#}");
    assert_eq!((&released["before"], &released["current"]), (&json!("1.1.0"), &json!("1.0.0")));
    assert_eq!(released["difference"]["triggers"]["added"][0]["http"]["path"], "/old", "{released:#}");
    server.kill().await;
    server.restart().await;

    let now = current(&server).await;
    assert_eq!((&now["version"], &now["lock"]), (&json!("1.0.0"), &first["lock"]));
    let history: Vec<_> =
        now["history"].as_array().unwrap().iter().map(|then| then["reason"].clone()).collect();
    assert_eq!(history, ["applied", "applied", "rolled-back"]);
    assert_eq!(new_run(&server).await["output"], "1.0.0");
    assert_eq!(run_of(&server, "/hooks/old").await["version"], "1.0.0");
    refused(server.post("/hooks/new", &json!({})).await, 404, "unknown-hook");

    refused(
        server.post("/v1/workflows/told/rollback", &json!({"version": "9.0.0"})).await,
        404,
        "unknown-workflow",
    );
    let body = json!({"version": "one"});
    let problem = refused(server.post("/v1/workflows/told/rollback", &body).await, 400, "invalid-request");
    assert_eq!(problem["pointer"], "/version");
    let forward = cli(&server, &["workflow", "rollback", "told"]).await;
    assert!(
        forward.status.success() && said(&forward).contains("1.1.0 instead of 1.0.0"),
        "{}",
        said(&forward)
    );
    let again = cli(&server, &["workflow", "rollback", "told", "--to", "1.1.0"]).await;
    assert!(again.status.success() && said(&again).contains("already"), "{}", said(&again));
    assert_eq!(run_of(&server, "/hooks/new").await["version"], "1.1.0");
}

#[tokio::test]
async fn going_back_to_a_path_that_another_workflow_has_taken_is_refused() {
    let server = server().await;
    server.apply(&version("1.0.0", "/in")).await;
    server.apply(&version("1.1.0", "/other")).await;
    let mut other = version("1.0.0", "/in");
    other["name"] = json!("taker");
    server.apply(&other).await;
    let problem =
        refused(server.post("/v1/workflows/told/rollback", &json!({})).await, 422, "invalid-definition");
    assert_eq!(problem["mistakes"][0]["code"], "hook-taken", "{problem:#}");
    assert_eq!(current(&server).await["version"], "1.1.0", "nothing changed");
}

#[tokio::test]
async fn a_canary_gets_its_share_of_new_runs_until_it_is_promoted() {
    let mut server = server().await;
    server.apply(&version("1.0.0", "/told")).await;
    let before = server.start_run("told", &json!({})).await;
    let (status, applied) = apply_canary(&server, &version("1.1.0", "/new"), "50").await;
    assert_eq!((status, &applied["canary"]), (StatusCode::CREATED, &json!(50)), "{applied:#}");
    assert_eq!(current(&server).await["version"], "1.0.0", "it is not the current version");

    let first = split_runs(&server, 40, 50).await;
    server.kill().await;
    server.restart().await;
    let second = split_runs(&server, 40, 50).await;
    for run in first.iter().chain(&second) {
        let id = run["id"].as_str().unwrap();
        let kept = server.run(id).await;
        assert_eq!((&kept["split"], &kept["version"]), (&run["split"], &run["version"]));
    }
    let (_, journal) = server.get(&format!("/v1/runs/{}/journal", first[0]["id"].as_str().unwrap())).await;
    assert_eq!(journal["entries"][0]["split"], first[0]["split"], "{journal:#}");
    assert_eq!(server.ended(&before).await["split"], Value::Null, "it was started before");
    let named = json!({"version": "1.1.0"});
    let (_, named) = server.post("/v1/workflows/told/runs", &named).await;
    assert_eq!(
        server.ended(named["run_id"].as_str().unwrap()).await["split"],
        Value::Null,
        "it named its version"
    );
    refused(server.post("/hooks/new", &json!({})).await, 404, "unknown-hook");

    let (status, released) = server.json(server.request(Method::POST, "/v1/workflows/told/promote")).await;
    assert_eq!((status, &released["current"]), (StatusCode::OK, &json!("1.1.0")), "{released:#}");
    server.kill().await;
    server.restart().await;
    let run = run_of(&server, "/hooks/new").await;
    assert_eq!((&run["output"], &run["split"]), (&json!("1.1.0"), &Value::Null), "{run:#}");
    let now = current(&server).await;
    assert_eq!((&now["rollout"]["canary"], &now["history"][1]["reason"]), (&Value::Null, &json!("promoted")));
}

/// Starts so many runs, half of them by the trigger; each says which version it got, by the rule that its id alone decides.
async fn split_runs(server: &Server, count: usize, percent: u64) -> Vec<Value> {
    let share = Percent::new(percent).unwrap();
    let mut runs = Vec::new();
    for n in 0..count {
        let path = if n % 2 == 0 { "/v1/workflows/told/runs" } else { "/hooks/told" };
        let run = run_of(server, path).await;
        let id: RunId = run["id"].as_str().unwrap().parse().unwrap();
        let (chosen, version) = if share.takes(id) { ("canary", "1.1.0") } else { ("current", "1.0.0") };
        assert_eq!(run["split"], json!({"canary": "1.1.0", "percent": percent, "chosen": chosen}), "{run:#}");
        assert_eq!((&run["version"], &run["output"]), (&json!(version), &json!(version)));
        runs.push(run);
    }
    let versions: BTreeSet<String> = runs.iter().map(|run| run["version"].to_string()).collect();
    assert_eq!(versions.len(), 2, "of {count} runs both get some");
    runs
}

#[tokio::test]
async fn a_canary_that_cannot_be_is_refused_with_the_reason() {
    let server = server().await;
    let canary = "/v1/workflows/told/canary";
    let promote = async || server.json(server.request(Method::POST, "/v1/workflows/told/promote")).await;
    let end = async || server.json(server.request(Method::DELETE, canary)).await;
    refused(apply_canary(&server, &version("1.0.0", "/told"), "10").await, 404, "unknown-workflow");
    refused(server.put(canary, &json!({"version": "1.0.0", "percent": 10})).await, 404, "unknown-workflow");
    server.apply(&version("1.0.0", "/told")).await;
    refused(promote().await, 409, "no-canary");
    refused(end().await, 409, "no-canary");
    refused(server.put(canary, &json!({"version": "1.0.0", "percent": 10})).await, 409, "canary-is-current");
    refused(apply_canary(&server, &version("1.0.0", "/other"), "10").await, 409, "canary-is-current");
    refused(server.put(canary, &json!({"version": "2.0.0", "percent": 10})).await, 404, "unknown-workflow");
    for percent in [json!(0), json!(100), json!(-1), json!(2.5), json!(300)] {
        let body = json!({"version": "1.0.0", "percent": percent});
        let problem = refused(server.put(canary, &body).await, 400, "invalid-request");
        assert_eq!(problem["pointer"], "/percent", "{problem:#}");
    }
    for percent in ["0", "100", "x"] {
        refused(apply_canary(&server, &version("1.1.0", "/told"), percent).await, 400, "invalid-request");
    }

    apply_canary(&server, &version("1.1.0", "/told"), "10").await;
    let (status, rollout) = server.put(canary, &json!({"version": "1.1.0", "percent": 99})).await;
    assert_eq!((status, &rollout["canary"]["percent"]), (StatusCode::OK, &json!(99)), "{rollout:#}");
    let (status, rollout) = end().await;
    assert_eq!(
        (status, &rollout["canary"], &rollout["current"]),
        (StatusCode::OK, &Value::Null, &json!("1.0.0"))
    );
    assert_eq!(new_run(&server).await["split"], Value::Null);
}

#[tokio::test]
async fn the_command_line_tries_promotes_and_ends_a_canary() {
    let server = server().await;
    server.apply(&version("1.0.0", "/told")).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("told.json");
    std::fs::write(&file, version("1.1.0", "/told").to_string()).unwrap();
    for (arguments, expected) in [
        (
            &["workflow", "apply", file.to_str().unwrap(), "--canary", "10"][..],
            "told@1.1.0 is applied to 10 % of new runs",
        ),
        (
            &["workflow", "canary", "told", "1.1.0", "--percent", "20"],
            "20 % of new runs of told get 1.1.0, the others 1.0.0",
        ),
        (&["workflow", "list"], "1.1.0 (20 %)"),
        (&["workflow", "canary", "told", "--off"], "every new run of told gets 1.0.0"),
        (&["workflow", "canary", "told", "1.1.0", "--percent", "99"], "99 %"),
        (&["workflow", "promote", "told"], "new runs of told get 1.1.0 instead of 1.0.0"),
    ] {
        let output = cli(&server, arguments).await;
        assert!(
            output.status.success() && said(&output).contains(expected),
            "{arguments:?}: {}",
            said(&output)
        );
    }
    for wrong in [
        &["workflow", "canary", "told"][..],
        &["workflow", "canary", "told", "1.0.0"],
        &["workflow", "canary", "told", "1.0.0", "--percent", "100"],
        &["workflow", "canary", "told", "1.0.0", "--percent", "10", "--off"],
    ] {
        assert_eq!(cli(&server, wrong).await.status.code(), Some(2), "{wrong:?}");
    }
}
