//! What is done to runs from outside twice, or to no purpose; and a clock that is put back between two starts.

use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde_json::{Value, json};
use stepwell_core::id::TenantId;
use stepwell_store::{EmbeddedStore, Mark, MarkChange, MarkKind, OpenOptions};

use crate::support::guests;
use crate::support::server::{Server, node};
use crate::support::workflows::{request_node, workflow};
use crate::support::world::World;

/// A server, and a run of which `a` is done, and can be undone at `/undo`, and `b` is in flight.
async fn half_way(world: &World) -> (Server, String) {
    let server = Server::start().await;
    server.publish(&guests::standard("http-request")).await;
    let mut a = request_node(world, "/a");
    a["compensate"] = request_node(world, "/undo");
    let mut b = request_node(world, "/hold/b");
    b["needs"] = json!(["a"]);
    server.apply(&workflow("half", json!({"a": a, "b": b}))).await;
    let run = server.start_run("half", &json!({})).await;
    world.arrived("/hold/b", 1).await;
    (server, run)
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|uri| uri.rsplit('/').next()).unwrap_or_default()
}

#[tokio::test]
async fn a_second_wish_to_cancel_counts_and_the_run_shows_what_is_under_way() {
    let world = World::start().await;
    let (server, run) = half_way(&world).await;
    let cancel = format!("/v1/runs/{run}/cancel");
    let (status, _) = server.post(&cancel, &json!({"grace_seconds": 3600})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let view = server.run(&run).await;
    assert_eq!(view["cancelling"]["compensate"], false, "{view:#}");
    let pause = format!("/v1/runs/{run}/pause");
    let (status, problem) = server.post(&pause, &json!({})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::CONFLICT, "run-cancelling"), "{problem:#}");
    let wish = json!({"grace_seconds": 1, "compensate": true, "reason": "undo it"});
    let (status, _) = server.post(&cancel, &wish).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let run = server.ended(&run).await;
    assert_eq!((&run["status"], &run["cancel_reason"]), (&json!("cancelled"), &json!("undo it")), "{run:#}");
    assert!(run["cancelling"].is_null(), "{run:#}");
    assert_eq!(node(&run, "a")["compensation"]["status"], "succeeded");
    assert_eq!(world.seen("/undo").len(), 1);
}

#[tokio::test]
async fn a_second_wish_without_grace_ends_the_run_before_it_is_answered() {
    let world = World::start().await;
    let (server, run) = half_way(&world).await;
    let cancel = format!("/v1/runs/{run}/cancel");
    let (status, _) = server.post(&cancel, &json!({"grace_seconds": 3600, "reason": "soon"})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let (status, answer) = server.post(&cancel, &json!({"reason": "now!"})).await;
    assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("cancelled")), "{answer:#}");
    let run = server.run(&run).await;
    assert_eq!((&run["status"], &run["cancel_reason"]), (&json!("cancelled"), &json!("now!")), "{run:#}");
}

#[tokio::test]
async fn a_signal_to_no_purpose_is_refused() {
    let server = Server::start().await;
    server.apply(&workflow("paid", json!({"w": {"wait": {"signal": "paid"}}}))).await;
    let run = server.start_run("paid", &json!({})).await;
    let path = format!("/v1/runs/{run}/signals");
    let (status, problem) = server.post(&path, &json!({"name": "payed"})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::NOT_FOUND, "unknown-signal"), "{problem:#}");
    assert!(problem["detail"].as_str().unwrap().contains("its signals: paid"), "{problem:#}");
    let (status, problem) = server.post(&path, &json!({"name": ""})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "invalid-request"), "{problem:#}");
    assert_eq!(problem["pointer"], "/name", "{problem:#}");
}

#[tokio::test]
async fn a_clock_that_is_put_back_before_a_start_delays_no_timer() {
    let mut server = Server::start().await;
    server.apply(&workflow("nothing", json!({"w": {"wait": "1ms"}}))).await;
    server.stop().await;
    let two_hours_on = Timestamp::now() + SignedDuration::from_hours(2);
    {
        let store = EmbeddedStore::open(&OpenOptions::new(server.data())).unwrap();
        let (kind, key) = (MarkKind::Clock, "now".to_owned());
        let told = Mark { kind, key, run: None, due: None, body: json!(two_hours_on) };
        store.journal().note(&TenantId::default(), vec![MarkChange::Put(told)]).durable().await.unwrap();
        store.journal().close().await.unwrap();
    }
    server.restart().await;
    let run = server.run_to_end("nothing", &json!({})).await;
    let accepted: Timestamp = run["accepted_at"].as_str().unwrap().parse().unwrap();
    assert!(accepted + SignedDuration::from_secs(1) > two_hours_on, "{accepted} is before {two_hours_on}");
    assert!(server.log().contains("put back since the last start"), "{}", server.log());
}
