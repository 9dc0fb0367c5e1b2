//! What comes too late: a decision, a callback. Whoever brings it is told why it is not taken, and nothing else than what is so.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::guests;
use crate::support::server::{Server, http_client, node};
use crate::support::workflows::{request_node, workflow};
use crate::support::world::World;

/// Decides; gives the status and the words of the refusal.
async fn refused(server: &Server, run: &str, node: &str) -> (StatusCode, String) {
    let yes = json!({"decision": "approve"});
    let (status, problem) = server.post(&format!("/v1/runs/{run}/approvals/{node}"), &yes).await;
    (status, problem["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_late_decision_is_told_what_became_of_the_question() {
    let server = Server::start().await;
    let nodes = json!({
        "w": {"wait": {"signal": "go"}},
        "soon": {"approval": {"timeout": "20ms"}, "on_error": "continue"},
        "after": {"approval": {}, "needs": ["w"]},
    });
    server.apply(&workflow("ask", nodes)).await;
    let run = server.start_run("ask", &json!({})).await;
    while node(&server.run(&run).await, "soon")["status"] != "failed" {
        tokio::task::yield_now().await;
    }
    let expired = "it expired before anybody decided";
    let (status, why) = refused(&server, &run, "soon").await;
    assert!(status == StatusCode::CONFLICT && why.contains(expired), "{why}");
    let (status, why) = refused(&server, &run, "after").await;
    assert!(status == StatusCode::CONFLICT && why.contains("its turn has not come"), "{why}");

    // The same questions to a run that has ended, and some that never were.
    assert_eq!(server.post(&format!("/v1/runs/{run}/cancel"), &json!({})).await.0, StatusCode::OK);
    server.ended(&run).await;
    let (status, why) = refused(&server, &run, "soon").await;
    assert!(status == StatusCode::CONFLICT && why.contains(expired), "{why}");
    let (status, why) = refused(&server, &run, "after").await;
    assert!(status == StatusCode::CONFLICT && why.contains("its run ended without it (cancelled)"), "{why}");
    for none in ["w", "nobody"] {
        let (status, why) = refused(&server, &run, none).await;
        assert!(status == StatusCode::NOT_FOUND && why.contains("its approvals: after, soon"), "{why}");
    }
}

#[tokio::test]
async fn a_late_callback_is_told_when_it_expired_whether_its_run_goes_on_or_not() {
    let world = World::start().await;
    let server = Server::start().await;
    server.publish(&guests::standard("http-request")).await;
    let mut job = request_node(&world, "/jobs");
    job["input"]["json"] = json!({"reply_to": "{{ callback.url }}"});
    job["callback"] = json!({"expires": "50ms"});
    job["on_error"] = json!("continue");
    server.apply(&workflow("late", json!({"job": job, "w": {"wait": {"signal": "go"}}}))).await;
    let run = server.start_run("late", &json!({})).await;
    let job = loop {
        let view = server.run(&run).await;
        if node(&view, "job")["status"] == "failed" {
            break node(&view, "job").clone();
        }
        tokio::task::yield_now().await;
    };
    assert!(job["failure"]["message"].as_str().unwrap().contains("within 50ms"), "{job:#}");
    let sent: Value = serde_json::from_slice(&world.seen("/jobs")[0].body).unwrap();
    let url = sent["reply_to"].as_str().unwrap();
    for is_over in [false, true] {
        if is_over {
            server.post(&format!("/v1/runs/{run}/signals"), &json!({"name": "go"})).await;
            server.ended(&run).await;
        }
        let (status, problem) = server.json(http_client().post(url).json(&json!({}))).await;
        let why = problem["detail"].as_str().unwrap();
        assert!(status == StatusCode::GONE && why.contains("expired at"), "{is_over}: {problem:#}");
    }
}
