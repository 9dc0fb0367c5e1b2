//! A run again, offline, from its journal: the same, or told where it is not.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{client, output};
use crate::support::guests;
use crate::support::server::Server;
use crate::support::workflows::workflow;
use crate::support::world::{Answer, World};

/// Replays a run; gives whether nothing differs, and the report.
async fn replay(server: &Server, id: &str, more: &[&str]) -> (bool, Value) {
    let output = output(client(server, &[&["run", "replay", id, "--json"], more].concat())).await;
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {said}"));
    assert_eq!(output.status.success(), report["same"] == true, "{report:#}");
    (output.status.success(), report)
}

/// A server with a workflow that shapes something, and sends a request for each of its order's `urls`.
async fn travelling(world: &World) -> Server {
    let server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    server.publish(&guests::test("courier")).await;
    let nodes = json!({
        "shape": {"step": "transform@^1", "config": {"template": {"n": "{{ input.n }}"}}, "input": {"n": 7}},
        "send": {
            "needs": ["shape"],
            "step": "courier@^1",
            "input": "{{ input.order }}",
            "grants": {"http": [{"host": world.host}]},
            "retry": {"attempts": 2, "delay": "1ms"}
        }
    });
    server.apply(&json!({"name": "travel", "version": "1.0.0", "nodes": nodes})).await;
    server
}

fn verdicts(report: &Value) -> Vec<&str> {
    report["attempts"].as_array().unwrap().iter().map(|it| it["verdict"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_run_replays_with_the_same_outputs_fuel_and_effects_and_without_the_world() {
    let world = World::start().await;
    let server = travelling(&world).await;
    for at_once in [false, true] {
        let urls = [world.url("/a"), world.url("/b"), "http://nowhere.example/".to_owned()];
        let run = server.run_to_end("travel", &json!({"order": {"urls": urls, "at_once": at_once}})).await;
        assert_eq!(run["status"], "succeeded", "{run:#}");
        let asked = world.seen("/a").len();
        let (same, report) = replay(&server, run["id"].as_str().unwrap(), &[]).await;
        assert!(same, "{report:#}");
        assert_eq!(verdicts(&report), ["same", "same"]);
        let send = &report["attempts"][1];
        assert_eq!(send["replayed"]["effects"].as_array().unwrap().len(), 3, "a denied request among them");
        assert!(send["replayed"]["fuel"].as_u64().is_some_and(|fuel| fuel > 0), "{send:#}");
        assert_eq!(world.seen("/a").len(), asked, "nothing leaves the machine");
    }
}

#[tokio::test]
async fn a_failed_run_fails_again_in_the_same_way_and_what_ran_out_of_time_is_not_compared() {
    let world = World::start().await;
    let server = Server::start().await;
    server.publish(&guests::standard("http-request")).await;
    world.script("/down", [Answer::new(500, "{}"), Answer::new(500, "{}")]);
    let node = |path: &str| {
        json!({
            "step": "http-request@^1",
            "input": {"url": world.url(path)},
            "grants": {"http": [{"host": world.host}]},
        })
    };
    let mut down = node("/down");
    down["retry"] = json!({"attempts": 2, "delay": "1ms"});
    server.apply(&json!({"name": "down", "version": "1.0.0", "nodes": {"ask": down}})).await;
    let failed = server.run_to_end("down", &json!({})).await;
    assert_eq!(failed["status"], "failed", "{failed:#}");
    let (same, report) = replay(&server, failed["id"].as_str().unwrap(), &[]).await;
    assert!(same, "{report:#}");
    assert_eq!(verdicts(&report), ["same", "same"]);
    assert_eq!(report["attempts"][0]["replayed"]["failure"]["kind"], "retryable");

    let mut slow = node("/hold");
    slow["timeout"] = json!("200ms");
    server.apply(&json!({"name": "slow", "version": "1.0.0", "nodes": {"ask": slow}})).await;
    let late = server.run_to_end("slow", &json!({})).await;
    let (same, report) = replay(&server, late["id"].as_str().unwrap(), &[]).await;
    assert!(same, "{report:#}");
    assert_eq!(verdicts(&report), ["not-comparable"]);
    assert!(report["attempts"][0]["why"].as_str().unwrap().contains("time"), "{report:#}");
}

#[tokio::test]
async fn a_remembered_output_that_did_not_count_is_not_compared() {
    let server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    let node = json!({
        "step": "transform@^1", "config": {"template": 1}, "input": {}, "cache": "1h", "gate": "not input.strict",
    });
    server.apply(&json!({"name": "picky", "version": "1.0.0", "nodes": {"make": node}})).await;
    let taken = server.run_to_end("picky", &json!({"strict": false})).await;
    assert_eq!(taken["status"], "succeeded", "{taken:#}");
    let refused = server.run_to_end("picky", &json!({"strict": true})).await;
    let attempt = &refused["nodes"][0]["attempts"][0];
    assert_eq!(
        (&attempt["failure"]["kind"], &attempt["cached"]),
        (&json!("gate"), &json!(true)),
        "{refused:#}"
    );
    let (same, report) = replay(&server, refused["id"].as_str().unwrap(), &[]).await;
    assert!(same, "nothing ran then: {report:#}");
    assert_eq!(verdicts(&report), ["not-comparable"]);
}

#[tokio::test]
async fn a_run_that_a_crash_interrupted_replays_like_any_other() {
    let world = World::start().await;
    let mut server = travelling(&world).await;
    let input = json!({"order": {"urls": [world.url("/first"), world.url("/hold")]}});
    let id = server.start_run("travel", &input).await;
    world.arrived("/hold", 1).await;
    server.kill().await;
    world.let_go();
    server.restart().await;
    let run = server.ended(&id).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    let (same, report) = replay(&server, &id, &[]).await;
    assert!(same, "{report:#}");
}

#[tokio::test]
async fn another_step_is_tried_against_what_really_happened() {
    let world = World::start().await;
    let server = travelling(&world).await;
    let run = server.run_to_end("travel", &json!({"order": {"urls": [world.url("/a")]}})).await;
    let id = run["id"].as_str().unwrap();
    let (same, report) = replay(&server, id, &["--node", "send", "--step", "courier@1.0.0"]).await;
    assert!(same, "{report:#}");
    assert_eq!(verdicts(&report), ["same"], "the node's attempts alone");

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("other.wasm");
    std::fs::write(&file, guests::standard("http-request")).unwrap();
    let (same, report) = replay(&server, id, &["--node", "send", "--step", file.to_str().unwrap()]).await;
    assert!(!same, "{report:#}");
    let attempt = &report["attempts"][0];
    assert_eq!(attempt["step"], "http-request@1.0.0");
    let places: Vec<&str> =
        attempt["differences"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(attempt["replayed"]["failure"]["kind"], "invalid-input", "{attempt:#}");
    for place in ["/effects/0", "/failure", "/fuel", "/output"] {
        assert!(places.contains(&place), "{place}: {places:?}");
    }

    let unfit =
        output(client(&server, &["run", "replay", id, "--node", "send", "--step", "transform@1.0.0"])).await;
    let said = String::from_utf8_lossy(&unfit.stderr);
    assert!(!unfit.status.success() && said.contains("does not fit the node `send`"), "{said}");

    server.apply(&workflow("pause", json!({"w": {"wait": "1ms"}}))).await;
    let waited = server.run_to_end("pause", &json!({})).await;
    let nothing = ["run", "replay", waited["id"].as_str().unwrap(), "--node", "w"];
    let nothing = output(client(&server, &nothing)).await;
    assert_eq!(nothing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("`w` has no attempts"), "{nothing:?}");

    let unfit = output(client(&server, &["run", "replay", id, "--node", "nobody"])).await;
    assert_eq!(unfit.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unfit.stderr).contains("its nodes: send, shape"), "{unfit:?}");
}
