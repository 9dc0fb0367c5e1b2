//! Strangers' steps that misbehave: each is ended with a typed error, and its neighbour does not notice.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::server::{Server, node};
use crate::support::workflows::{courier_node, workflow};
use crate::support::world::{Answer, World};

/// A server with the hostile guest and a workflow in which it misbehaves as the run's input says, while a
/// neighbour of the same run behaves.
async fn server() -> Server {
    let server = Server::start().await;
    server.publish(&guests::test("hostile")).await;
    let hostile = json!({
        "step": "hostile@^1",
        "input": {"mode": "{{ input.mode }}"},
        "timeout": "20s",
        "limits": {"fuel": 2_000_000_000, "memory_bytes": 64 << 20},
    });
    let neighbour = json!({"step": "hostile@^1", "input": {"mode": "behave"}});
    server.apply(&workflow("hostile", json!({"hostile": hostile, "neighbour": neighbour}))).await;
    server
}

/// Lets the guest misbehave; gives the failure of its attempt, once the neighbour was seen to be well.
async fn misbehave(mode: &str) -> Value {
    let server = server().await;
    let run = server.run_to_end("hostile", &json!({"mode": mode})).await;
    assert_eq!(run["status"], "failed", "{run:#}");
    assert_eq!(node(&run, "neighbour")["output"], json!({"text": "well"}), "{run:#}");
    let after = server.run_to_end("hostile", &json!({"mode": "behave"})).await;
    assert_eq!(after["status"], "succeeded", "the next run is well: {after:#}");
    node(&run, "hostile")["failure"].clone()
}

#[tokio::test]
async fn an_endless_loop_runs_out_of_fuel() {
    let failure = misbehave("endless-loop").await;
    assert_eq!(failure["kind"], "limit");
    assert_eq!(failure["limit"], json!({"name": "fuel", "value": 2_000_000_000}));
}

#[tokio::test]
async fn an_endless_allocation_hits_the_memory_limit() {
    let failure = misbehave("endless-allocation").await;
    assert_eq!(failure["kind"], "limit", "{failure}");
    assert_eq!(failure["limit"], json!({"name": "memory_bytes", "value": 64 << 20}));
}

#[tokio::test]
async fn a_deep_recursion_traps() {
    assert_eq!(misbehave("deep-recursion").await["kind"], "trap");
}

#[tokio::test]
async fn a_trap_is_a_trap() {
    assert_eq!(misbehave("trap").await["kind"], "trap");
}

#[tokio::test]
async fn a_panic_is_told_in_its_own_words() {
    let failure = misbehave("panic").await;
    assert_eq!(failure["kind"], "trap");
    assert!(failure["message"].as_str().unwrap().contains("this guest panics on purpose"), "{failure}");
}

#[tokio::test]
async fn a_giant_output_hits_a_limit() {
    let failure = misbehave("giant-output").await;
    assert_eq!(failure["kind"], "limit", "{failure}");
    let limit = failure["limit"]["name"].as_str().unwrap();
    assert!(["output_bytes", "memory_bytes"].contains(&limit), "{failure}");
}

#[tokio::test]
async fn endless_log_lines_hit_their_limit() {
    let failure = misbehave("endless-log").await;
    assert_eq!(failure["limit"]["name"], "log_lines", "{failure}");
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_timeout_where_fuel_is_plenty() {
    let server = Server::start().await;
    server.publish(&guests::test("hostile")).await;
    let node_definition = json!({
        "step": "hostile@^1", "input": {"mode": "endless-loop"}, "timeout": "300ms",
        "limits": {"fuel": 1_000_000_000_000_u64},
    });
    server.apply(&workflow("slow", json!({"slow": node_definition}))).await;
    let run = server.run_to_end("slow", &json!({})).await;
    assert_eq!(node(&run, "slow")["failure"]["limit"], json!({"name": "time_ms", "value": 300}), "{run:#}");
}

#[tokio::test]
async fn a_component_that_imports_what_is_not_in_the_contract_is_refused_by_name() {
    let server = Server::start().await;
    let component = wat::parse_str(
        r#"(component (import "evil:host/shell@1.0.0" (instance (export "exec" (func (param "command" string))))))"#,
    )
    .unwrap();
    let (status, problem) = publish(&server, component).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    assert!(problem["type"].as_str().unwrap().ends_with("/invalid-component"), "{problem:#}");
    assert!(problem.to_string().contains("evil:host/shell@1.0.0"), "{problem:#}");
}

#[tokio::test]
async fn a_component_for_another_world_is_refused_with_what_it_lacks() {
    let server = Server::start().await;
    let component = wat::parse_str("(component)").unwrap();
    let (status, problem) = publish(&server, component).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem:#}");
    assert!(problem["detail"].as_str().unwrap().contains("describe"), "{problem:#}");
}

async fn publish(server: &Server, component: Vec<u8>) -> (StatusCode, Value) {
    let request =
        server.request(reqwest::Method::POST, "/v1/steps").header("content-type", "application/wasm");
    server.json(request.body(component)).await
}

/// What the courier was told, in a server that allows loopback or not.
async fn errand(server: &Server, courier: Value) -> String {
    server.publish(&guests::test("courier")).await;
    server.apply(&workflow("errand", json!({"courier": courier}))).await;
    let run = server.run_to_end("errand", &json!({})).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    node(&run, "courier")["output"]["answers"][0].to_string()
}

#[tokio::test]
async fn a_host_that_was_not_granted_is_denied_with_the_grant_that_would_allow_it() {
    let (world, server) = (World::start().await, Server::start().await);
    let mut courier = courier_node(&world, &["/secret"]);
    courier["grants"] = json!({"http": [{"host": "api.example.com"}]});
    let answer = errand(&server, courier).await;
    assert!(answer.contains("Denied") && answer.contains(&world.host), "{answer}");
    assert!(answer.contains(r#"\"host\":"#), "it shows the JSON of the grant: {answer}");
    assert_eq!(world.seen("/secret").len(), 0);
}

#[tokio::test]
async fn a_private_address_is_denied_even_where_it_was_granted() {
    let (world, server) = (World::start().await, Server::start_with("").await);
    let answer = errand(&server, courier_node(&world, &["/secret"])).await;
    assert!(answer.contains("Denied") && answer.contains("allow_networks"), "{answer}");
    assert_eq!(world.seen("/secret").len(), 0);
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_denied() {
    // 127.0.0.1 is allowed, and sends on to 127.0.0.2, which is not.
    let world = World::start().await;
    let server = Server::start_with("[network]\nallow_networks = [\"127.0.0.1/32\"]\n").await;
    let inner = world.host.replace("127.0.0.1", "127.0.0.2");
    let away = format!("http://{inner}/inner");
    world.script("/out", [Answer::new(302, "").header("location", away)]);
    let mut courier = courier_node(&world, &["/out"]);
    courier["input"]["max_redirects"] = json!(3);
    courier["grants"] = json!({"http": [{"host": world.host}, {"host": inner}]});
    let answer = errand(&server, courier).await;
    assert!(answer.contains("Denied"), "{answer}");
    assert_eq!((world.seen("/out").len(), world.seen("/inner").len()), (1, 0));
}
