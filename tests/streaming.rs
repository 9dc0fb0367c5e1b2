//! Answers that are watched while they come, and what a workflow keeps from run to run: through kills of the real server.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::server::{Server, node};
use crate::support::workflows::workflow;
use crate::support::world::World;

/// A node that reads `/stream` and counts, and asks `then` before it ends.
fn narrator(world: &World, then: Option<&str>) -> Value {
    json!({
        "step": "narrator@^1",
        "input": {
            "url": world.url("/stream"), "key": "counts/{{ input.key }}", "then": then.map(|path| world.url(path)),
        },
        "grants": {"http": [{"host": world.host}], "state": ["counts/*"]},
        "timeout": "1m",
    })
}

/// A node that counts, and asks `then` before it ends.
fn counter(world: &World, then: Option<&str>) -> Value {
    let mut counter = narrator(world, then);
    counter["input"].as_object_mut().unwrap().remove("url");
    counter
}

async fn server_with(name: &str, node: Value) -> Server {
    let server = Server::start().await;
    server.publish(&guests::test("narrator")).await;
    server.apply(&workflow(name, json!({"n": node}))).await;
    server
}

#[tokio::test]
async fn a_watcher_sees_each_piece_while_the_answer_is_still_under_way() {
    let world = World::start().await;
    let server = server_with("tell", narrator(&world, None)).await;
    let run = server.start_run("tell", &json!({"key": "a"})).await;
    let watched = server.request(Method::GET, &format!("/v1/runs/{run}/events")).send().await.unwrap();
    let mut watched = watched.bytes_stream();
    world.arrived("/stream", 1).await;
    let mut seen = String::new();
    for piece in ["Once ", "upon ", "a time."] {
        world.say(piece);
        let chunk = json!(piece).to_string();
        while !seen.contains(&chunk) {
            seen += &String::from_utf8_lossy(&watched.next().await.expect("more").unwrap());
        }
    }
    assert!(!seen.contains("effect-answered") && !seen.contains("run-ended"), "{seen}");
    world.said_all();
    let run = server.ended(&run).await;
    assert_eq!(node(&run, "n")["output"], json!({"told": "Once upon a time.", "count": 1}), "{run:#}");
}

#[tokio::test]
async fn a_kill_in_the_middle_of_an_answer_asks_once_more_and_one_behind_it_does_not() {
    let world = World::start().await;
    let mut server = server_with("tell", narrator(&world, Some("/hold"))).await;
    let run = server.start_run("tell", &json!({"key": "a"})).await;
    world.arrived("/stream", 1).await;
    world.say("Once ");
    server.kill().await;
    server.restart().await;
    world.arrived("/stream", 2).await;
    world.say("upon a time.");
    world.said_all();
    // The answer is journalled, and so is the count, before this leaves.
    world.arrived("/hold", 1).await;
    for _ in 0..2 {
        server.kill().await;
        server.restart().await;
    }
    world.let_go();
    let run = server.ended(&run).await;
    assert_eq!(node(&run, "n")["output"], json!({"told": "Once upon a time.", "count": 1}), "{run:#}");
    assert_eq!(world.seen("/stream").len(), 2);
    let keys: BTreeSet<String> =
        world.seen("/stream").iter().map(|seen| seen.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys.len(), 1, "what is sent again bears the same key");
    let (_, kept) = server.get("/v1/workflows/tell/state/counts%2Fa").await;
    assert_eq!((&kept["value"], &kept["changed_by"]), (&json!(1), &run["id"]), "{kept:#}");
}

#[tokio::test]
async fn runs_that_count_at_the_same_time_lose_nothing() {
    const RUNS: usize = 40;
    let world = World::start().await;
    let server = server_with("count", counter(&world, None)).await;
    let input = json!({"key": "all"});
    let runs = join_all((0..RUNS).map(|_| server.run_to_end("count", &input))).await;
    let counts: BTreeSet<u64> =
        runs.iter().map(|run| node(run, "n")["output"]["count"].as_u64().expect("a count")).collect();
    assert_eq!(counts, (1..=RUNS as u64).collect());
}

#[tokio::test]
async fn what_was_counted_before_kills_is_counted_once() {
    let world = World::start().await;
    let mut server = server_with("count", counter(&world, Some("/hold"))).await;
    let mut runs = Vec::new();
    for _ in 0..10 {
        runs.push(server.start_run("count", &json!({"key": "all"})).await);
    }
    for kill in 1..=3 {
        world.arrived("/hold", 10 * kill).await;
        server.kill().await;
        server.restart().await;
    }
    world.let_go();
    let mut counts = BTreeSet::new();
    for run in &runs {
        counts.insert(node(&server.ended(run).await, "n")["output"]["count"].as_u64().expect("a count"));
    }
    assert_eq!(counts, (1..=10).collect());
    let (_, kept) = server.get("/v1/workflows/count/state/counts%2Fall").await;
    assert_eq!(kept["value"], 10);
}

#[tokio::test]
async fn operators_look_at_what_is_kept_and_mend_it() {
    let world = World::start().await;
    let server = server_with("count", counter(&world, None)).await;
    for key in ["a", "b", "b", "c"] {
        server.run_to_end("count", &json!({"key": key})).await;
    }
    let path = |rest: &str| format!("/v1/workflows/count/state{rest}");
    let (_, page) = server.get(&path("?prefix=counts/&limit=2")).await;
    let values = |page: &Value| -> Vec<(String, Value)> {
        let values = page["values"].as_array().unwrap().iter();
        values.map(|kept| (kept["key"].as_str().unwrap().to_owned(), kept["value"].clone())).collect()
    };
    let expected = |key: &str, count: u64| (format!("counts/{key}"), json!(count));
    assert_eq!(values(&page), [expected("a", 1), expected("b", 2)]);
    let next = page["next_cursor"].as_str().unwrap();
    let (_, page) = server.get(&path(&format!("?prefix=counts/&limit=2&cursor={next}"))).await;
    assert_eq!(values(&page), [expected("c", 1)]);
    assert!(page.get("next_cursor").is_none());

    let (status, put) = server.put(&path("/counts%2Fb"), &json!({"value": 41})).await;
    assert_eq!(status, StatusCode::OK, "{put:#}");
    let run = server.run_to_end("count", &json!({"key": "b"})).await;
    assert_eq!(node(&run, "n")["output"]["count"], 42);
    let delete = || server.json(server.request(Method::DELETE, &path("/counts%2Fb")));
    assert_eq!(
        server.request(Method::DELETE, &path("/counts%2Fb")).send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    let (status, problem) = delete().await;
    assert!(status == StatusCode::NOT_FOUND && problem["type"].as_str().unwrap().ends_with("unknown-state"));
    let (status, problem) = server.put(&path("/x"), &json!({"value": "x".repeat(70_000)})).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    assert!(problem["type"].as_str().unwrap().ends_with("state-too-large"), "{problem:#}");
    assert_eq!(server.get("/v1/workflows/none/state").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_key_that_is_not_granted_is_refused_with_what_would_allow_it() {
    let world = World::start().await;
    let mut narrow = counter(&world, None);
    narrow["grants"]["state"] = json!(["other/*"]);
    let server = server_with("narrow", narrow).await;
    let run = server.run_to_end("narrow", &json!({"key": "a"})).await;
    let failure = run["failure"].to_string();
    assert!(failure.contains(r#"\"grants\": {\"state\": [\"counts/a\"]}"#), "{failure}");

    let mut wrong = counter(&world, None);
    wrong["grants"]["state"] = json!(["", "a*b", "fine/*"]);
    let (status, problem) = server.put("/v1/workflows/wrong", &workflow("wrong", json!({"n": wrong}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let pointers: Vec<&str> =
        problem["mistakes"].as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/nodes/n/grants/state/0", "/nodes/n/grants/state/1"], "{problem:#}");
}
