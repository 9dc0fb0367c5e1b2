//! What was answered is not asked again, what was acknowledged is kept: shown by killing the real server.

use std::collections::HashSet;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::guests;
use crate::support::server::{Server, node};
use crate::support::workflows::{courier_node, request_node, workflow};
use crate::support::world::World;

async fn server_with_guests() -> Server {
    let server = Server::start().await;
    server.publish(&guests::standard("http-request")).await;
    server.publish(&guests::test("courier")).await;
    server
}

#[tokio::test]
async fn after_a_kill_in_the_middle_of_an_attempt_its_answered_effects_are_not_sent_again() {
    let world = World::start().await;
    let mut server = server_with_guests().await;
    let courier = courier_node(&world, &["/first", "/second", "/hold"]);
    server.apply(&workflow("errand", json!({"courier": courier}))).await;
    let run = server.start_run("errand", &json!({})).await;
    // The third request leaves only once the first two answers are on disk.
    world.arrived("/hold", 1).await;
    server.kill().await;
    server.restart().await;
    world.arrived("/hold", 2).await;
    world.let_go();
    let run = server.ended(&run).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(node(&run, "courier")["attempts"].as_array().unwrap().len(), 1, "a crash is no new attempt");
    assert_eq!((world.seen("/first").len(), world.seen("/second").len()), (1, 1));
    let keys: HashSet<String> =
        world.seen("/hold").iter().map(|seen| seen.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys.len(), 1, "what is sent again bears the same key: {keys:?}");
}

#[tokio::test]
async fn after_a_kill_between_nodes_the_run_goes_on_where_it_was() {
    let world = World::start().await;
    let mut server = server_with_guests().await;
    let mut nodes =
        json!({"before": request_node(&world, "/before"), "after": request_node(&world, "/hold")});
    nodes["after"]["needs"] = json!(["before"]);
    server.apply(&workflow("two-nodes", nodes)).await;
    let run = server.start_run("two-nodes", &json!({})).await;
    world.arrived("/hold", 1).await;
    server.kill().await;
    server.restart().await;
    world.let_go();
    let run = server.ended(&run).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(world.seen("/before").len(), 1);
}

#[tokio::test]
async fn a_graceful_stop_keeps_the_run_for_the_next_start() {
    let world = World::start().await;
    let mut server = Server::start_with(
        "[network]\nallow_networks = [\"127.0.0.0/8\"]\n[engine]\nshutdown_grace = \"100ms\"\n",
    )
    .await;
    server.publish(&guests::test("courier")).await;
    server.apply(&workflow("errand", json!({"courier": courier_node(&world, &["/first", "/hold"])}))).await;
    let run = server.start_run("errand", &json!({})).await;
    world.arrived("/hold", 1).await;
    server.stop().await;
    server.restart().await;
    world.let_go();
    let run = server.ended(&run).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(world.seen("/first").len(), 1);
}

#[tokio::test]
async fn every_acknowledged_run_survives_a_kill_and_ends() {
    let world = World::start().await;
    let mut server = server_with_guests().await;
    server.apply(&workflow("held", json!({"one": request_node(&world, "/hold")}))).await;
    let mut runs = Vec::new();
    for _ in 0..30 {
        runs.push(server.start_run("held", &json!({})).await);
    }
    server.kill().await;
    server.restart().await;
    world.let_go();
    for run in &runs {
        let run = server.ended(run).await;
        assert_eq!(run["status"], "succeeded", "{run:#}");
    }
}

#[tokio::test]
async fn the_same_idempotency_key_gives_the_same_run_even_after_a_kill() {
    let world = World::start().await;
    let mut server = server_with_guests().await;
    server.apply(&workflow("once", json!({"one": request_node(&world, "/once")}))).await;
    let start = |server: &Server, input| {
        let request =
            server.request(Method::POST, "/v1/workflows/once/runs").header("idempotency-key", "order-17");
        request.json(&json!({"input": input}))
    };
    let requests = (0..8).map(|_| server.json(start(&server, json!({}))));
    let answers = futures::future::join_all(requests).await;
    let ids: HashSet<String> =
        answers.iter().map(|(_, answer)| answer["run_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    let id = ids.into_iter().next().unwrap();
    server.ended(&id).await;

    server.kill().await;
    server.restart().await;
    let (_, again) = server.json(start(&server, json!({}))).await;
    assert_eq!(again["run_id"], *id);
    assert_eq!(world.seen("/once").len(), 1);

    let (status, problem) = server.json(start(&server, json!({"other": true}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    assert!(problem["type"].as_str().unwrap().ends_with("/idempotency-mismatch"), "{problem:#}");
}
