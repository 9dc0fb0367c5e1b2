//! The graph at work: parallel branches, retries, timeouts, joins, cancellation.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::server::{Server, node};
use crate::support::workflows::{request_node, workflow};
use crate::support::world::{Answer, World};

async fn server() -> Server {
    let server = Server::start().await;
    server.publish(&guests::standard("http-request")).await;
    server
}

#[tokio::test]
async fn parallel_branches_overlap_in_time() {
    let (world, server) = (World::start().await, server().await);
    let mut nodes = json!({
        "left": request_node(&world, "/hold/left"),
        "right": request_node(&world, "/hold/right"),
        "join": request_node(&world, "/joined"),
    });
    nodes["join"]["needs"] = json!(["left", "right"]);
    server.apply(&workflow("branches", nodes)).await;
    let run = server.start_run("branches", &json!({})).await;
    // Neither is answered before both have arrived: they can only arrive at the same time.
    world.arrived("/hold", 2).await;
    assert_eq!(world.seen("/joined").len(), 0, "the join waits for both");
    world.let_go();
    assert_eq!(server.ended(&run).await["status"], "succeeded");
    assert_eq!(world.seen("/joined").len(), 1);
}

#[tokio::test]
async fn a_retryable_failure_is_tried_again_no_sooner_than_the_service_asked() {
    let (world, server) = (World::start().await, server().await);
    world.script("/flaky", [Answer::new(503, "{}").header("retry-after", "1"), Answer::new(500, "{}")]);
    let mut flaky = request_node(&world, "/flaky");
    flaky["retry"] = json!({"attempts": 3, "delay": "10ms", "factor": 2, "on": ["retryable"]});
    server.apply(&workflow("flaky", json!({"flaky": flaky}))).await;
    let run = server.run_to_end("flaky", &json!({})).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    let attempts = node(&run, "flaky")["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 3);
    let waited = moment(&attempts[1]["started_at"]).duration_since(moment(&attempts[0]["ended_at"]));
    assert!(waited.as_millis() >= 1000, "waited {waited:?} where Retry-After said 1 s");
    let keys: Vec<_> =
        world.seen("/flaky").iter().map(|seen| seen.header("idempotency-key").to_owned()).collect();
    assert!(keys[0] != keys[1] && keys[1] != keys[2], "each attempt buys anew: {keys:?}");
}

#[tokio::test]
async fn a_permanent_failure_is_not_tried_again_and_fails_the_run() {
    let (world, server) = (World::start().await, server().await);
    world.script("/gone", [Answer::new(404, r#"{"error":"no such thing"}"#)]);
    let mut gone = request_node(&world, "/gone");
    gone["retry"] = json!({"attempts": 5, "delay": "1ms"});
    let mut nodes = json!({"gone": gone, "next": request_node(&world, "/next")});
    nodes["next"]["needs"] = json!(["gone"]);
    server.apply(&workflow("gone", nodes)).await;
    let run = server.run_to_end("gone", &json!({})).await;
    assert_eq!(run["status"], "failed");
    assert_eq!(run["failure"]["kind"], "permanent", "{run:#}");
    assert_eq!(node(&run, "next")["status"], "cancelled");
    assert_eq!((world.seen("/gone").len(), world.seen("/next").len()), (1, 0));
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_ended_and_tried_again() {
    let (world, server) = (World::start().await, server().await);
    let mut slow = request_node(&world, "/hold");
    slow["timeout"] = json!("250ms");
    slow["retry"] = json!({"attempts": 2, "delay": "1ms", "on": ["timeout"]});
    server.apply(&workflow("slow", json!({"slow": slow}))).await;
    let run = server.run_to_end("slow", &json!({})).await;
    assert_eq!(run["status"], "failed");
    let attempts = node(&run, "slow")["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0]["failure"]["kind"], "timeout", "{run:#}");
    assert_eq!(attempts[0]["failure"]["limit"], json!({"name": "time_ms", "value": 250}));
}

#[tokio::test]
async fn a_run_whose_time_is_over_ends_with_its_budget_named() {
    let (world, server) = (World::start().await, server().await);
    let mut definition = workflow("hurried", json!({"slow": request_node(&world, "/hold")}));
    definition["budget"] = json!({"time": "300ms"});
    server.apply(&definition).await;
    let run = server.run_to_end("hurried", &json!({})).await;
    assert_eq!(run["failure"]["kind"], "budget-exceeded", "{run:#}");
}

#[tokio::test]
async fn any_goes_on_with_the_first_and_when_skips() {
    let (world, server) = (World::start().await, server().await);
    let mut nodes = json!({
        "chosen": request_node(&world, "/chosen"),
        "unchosen": request_node(&world, "/unchosen"),
        "behind": request_node(&world, "/behind"),
        "either": request_node(&world, "/either"),
    });
    nodes["chosen"]["when"] = json!("input.choice == 'yes'");
    nodes["unchosen"]["when"] = json!("input.choice == 'no'");
    nodes["behind"]["needs"] = json!(["unchosen"]);
    nodes["either"]["needs"] = json!(["chosen", "unchosen"]);
    nodes["either"]["join"] = json!("any");
    server.apply(&workflow("choice", nodes)).await;
    let run = server.run_to_end("choice", &json!({"choice": "yes"})).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    let status = |id| node(&run, id)["status"].clone();
    assert_eq!([status("chosen"), status("either")], ["succeeded", "succeeded"]);
    assert_eq!([status("unchosen"), status("behind")], ["skipped", "skipped"]);
    assert_eq!(world.seen("/unchosen").len() + world.seen("/behind").len(), 0);
}

#[tokio::test]
async fn a_cancelled_run_ends_at_once_and_stays_ended() {
    let (world, mut server) = (World::start().await, server().await);
    server.apply(&workflow("long", json!({"long": request_node(&world, "/hold")}))).await;
    let run = server.start_run("long", &json!({})).await;
    world.arrived("/hold", 1).await;
    let (status, answer) = server.post(&format!("/v1/runs/{run}/cancel"), &json!({"reason": "a test"})).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    let ended = server.ended(&run).await;
    assert_eq!(ended["status"], "cancelled");
    let (status, again) = server.post(&format!("/v1/runs/{run}/cancel"), &json!({})).await;
    assert_eq!(status, StatusCode::OK, "cancelling twice is cancelling once: {again:#}");
    server.kill().await;
    server.restart().await;
    assert_eq!(server.run(&run).await["status"], "cancelled");
}

fn moment(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is no time")).parse().unwrap()
}
