//! CloudEvents that come in over HTTP, in every mode.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use stepwell_core::cloud_event::CloudEvent;
use stepwell_core::id::TenantId;
use stepwell_engine::outbox_mark;
use stepwell_store::{EmbeddedStore, OpenOptions};

use crate::support::guests;
use crate::support::server::Server;
use crate::support::world::{Answer, World};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// A server with a workflow `all` for every event and a workflow `large` for large orders.
async fn server() -> Server {
    let server = Server::start().await;
    server.publish(&guests::standard("transform")).await;
    server.apply(&workflow("all", json!({"type": "*", "input": {"event": "{{ event }}"}}))).await;
    let large =
        json!({"type": "com.example.order.*", "source": "/shop/*", "when": "event.data.amount > 100"});
    server.apply(&workflow("large", large)).await;
    server
}

fn workflow(name: &str, event: Value) -> Value {
    json!({
        "name": name,
        "version": "1.0.0",
        "triggers": [{"event": event}],
        "nodes": {"shape": {"step": "transform@^1", "config": {"template": "{{ input }}"}, "input": "{{ input }}"}},
        "output": "{{ nodes.shape.output }}",
    })
}

fn order(id: &str, amount: u32) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/shop/orders", "type": "com.example.order.created",
        "data": {"amount": amount},
    })
}

fn post(server: &Server, content_type: &str, body: String) -> RequestBuilder {
    server.request(Method::POST, "/v1/events").header("content-type", content_type).body(body)
}

async fn send(server: &Server, event: &Value) -> Value {
    let (status, answer) = server.json(post(server, STRUCTURED, event.to_string())).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer:#}");
    answer
}

async fn refused(server: &Server, request: RequestBuilder) -> (u16, String, Value) {
    let (status, problem) = server.json(request).await;
    let slug = problem["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    (status.as_u16(), slug, problem)
}

/// The runs of an answer: workflow, and whether it was there before.
fn runs(answer: &Value) -> Vec<(String, bool)> {
    let runs = answer["runs"].as_array().unwrap();
    runs.iter()
        .map(|run| (run["workflow"].as_str().unwrap().to_owned(), run["existing"].as_bool().unwrap()))
        .collect()
}

async fn output(server: &Server, answer: &Value, at: usize) -> Value {
    server.ended(answer["runs"][at]["run_id"].as_str().unwrap()).await["output"].clone()
}

#[tokio::test]
async fn an_event_in_structured_mode_starts_those_who_want_it_once() {
    let server = server().await;
    let answer = send(&server, &order("1", 120)).await;
    assert_eq!(runs(&answer), [("all".to_owned(), false), ("large".to_owned(), false)]);
    assert_eq!(answer["runs"][0]["event_id"], "1");
    assert_eq!(output(&server, &answer, 1).await, json!({"amount": 120}));

    let again = send(&server, &order("1", 120)).await;
    assert_eq!(runs(&again), [("all".to_owned(), true), ("large".to_owned(), true)]);
    assert_eq!(again["runs"][0]["run_id"], answer["runs"][0]["run_id"]);
    assert_eq!(runs(&send(&server, &order("2", 99)).await), [("all".to_owned(), false)], "the filter");

    let run = server.run(answer["runs"][0]["run_id"].as_str().unwrap()).await;
    assert_eq!(
        run["trigger"],
        json!({"kind": "event", "id": "1", "source": "/shop/orders", "event_type": "com.example.order.created"})
    );
}

#[tokio::test]
async fn an_event_in_binary_mode_is_the_same_event() {
    let server = server().await;
    let binary = |content_type: &str, body: &str| {
        post(&server, content_type, body.to_owned())
            .header("ce-specversion", "1.0")
            .header("ce-source", "/shop/orders")
            .header("ce-type", "com.example.order.created")
            .header("ce-subject", "Gr%C3%BC%C3%9Fe")
            .header("ce-sequence", "7")
    };
    let (status, answer) =
        server.json(binary("application/json", r#"{"amount": 120}"#).header("ce-id", "1")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer:#}");
    assert_eq!(runs(&answer), [("all".to_owned(), false), ("large".to_owned(), false)]);
    let event = &output(&server, &answer, 0).await["event"];
    assert_eq!(event["subject"], "Gr\u{fc}\u{df}e");
    assert_eq!((&event["extensions"]["sequence"], &event["data"]), (&json!("7"), &json!({"amount": 120})));
    assert_eq!(
        runs(&send(&server, &order("1", 120)).await)[0],
        ("all".to_owned(), true),
        "whichever mode it came in"
    );

    let (_, answer) = server.json(binary("text/plain", "hello").header("ce-id", "2")).await;
    assert_eq!(output(&server, &answer, 0).await["event"]["data"], "hello");
    assert_eq!(answer["failures"][0]["workflow"], "large", "text has no amount: {answer:#}");
    assert!(
        answer["failures"][0]["detail"].as_str().unwrap().contains("/triggers/0/event/when"),
        "{answer:#}"
    );
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let server = server().await;
    let batch = json!([order("1", 120), order("2", 5), order("1", 120)]);
    let (status, answer) = server.json(post(&server, BATCH, batch.to_string())).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer:#}");
    let ids: Vec<_> =
        answer["runs"].as_array().unwrap().iter().map(|run| run["event_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "1", "2", "1", "1"]);
    let (_, page) = server.get("/v1/runs?limit=100").await;
    assert_eq!(page["runs"].as_array().unwrap().len(), 3, "the third is the first again: {page:#}");

    let bad = json!([order("3", 120), {"id": "4"}]);
    let (status, slug, problem) = refused(&server, post(&server, BATCH, bad.to_string())).await;
    assert_eq!((status, slug.as_str(), &problem["event"]), (400, "invalid-event", &json!(1)), "{problem:#}");
    let (_, page) = server.get("/v1/runs?limit=100").await;
    assert_eq!(page["runs"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_no_event_is_refused_with_all_that_is_wrong() {
    let server = server().await;
    let mut event = order("1", 1);
    event["source"] = json!("");
    event["time"] = json!("noon");
    let (status, slug, problem) = refused(&server, post(&server, STRUCTURED, event.to_string())).await;
    assert_eq!((status, slug.as_str()), (400, "invalid-event"));
    let wrong: Vec<_> =
        problem["mistakes"].as_array().unwrap().iter().map(|it| it["attribute"].as_str().unwrap()).collect();
    assert_eq!(wrong, ["source", "time"]);

    let bare = post(&server, "application/json", order("1", 1).to_string());
    let (status, slug, problem) = refused(&server, bare).await;
    assert_eq!(
        (status, slug.as_str()),
        (400, "invalid-event"),
        "structured JSON under the wrong content type"
    );
    assert!(problem["detail"].as_str().unwrap().contains(STRUCTURED), "{problem:#}");

    let other = post(&server, "application/cloudevents+xml", "<event/>".to_owned());
    assert_eq!(refused(&server, other).await.1, "unsupported-media-type");
    assert_eq!(refused(&server, post(&server, STRUCTURED, "{".to_owned())).await.1, "malformed-body");
    assert_eq!(refused(&server, post(&server, STRUCTURED, "[]".to_owned())).await.1, "invalid-request");
    assert_eq!(refused(&server, post(&server, BATCH, "{}".to_owned())).await.1, "invalid-request");
    let (_, page) = server.get("/v1/runs").await;
    assert_eq!(page["runs"], json!([]), "nothing was started");
}

#[tokio::test]
async fn an_event_that_was_answered_is_not_started_again_after_a_kill() {
    let mut server = server().await;
    let answer = send(&server, &order("1", 120)).await;
    server.kill().await;
    server.restart().await;
    let again = send(&server, &order("1", 120)).await;
    assert_eq!(runs(&again), [("all".to_owned(), true), ("large".to_owned(), true)]);
    assert_eq!(again["runs"][1]["run_id"], answer["runs"][1]["run_id"]);
    assert_eq!(output(&server, &again, 1).await, json!({"amount": 120}));
}

const SINK: &str = "[network]\nallow_networks = [\"127.0.0.0/8\", \"::1/128\"]\n";

/// An event waits in the data folder of a server that was killed: put there as whoever emits it does.
async fn leave_in_outbox(server: &Server, event: CloudEvent) {
    let data = server.data();
    let store = tokio::task::spawn_blocking(move || EmbeddedStore::open(&OpenOptions::new(data)).unwrap());
    let journal = store.await.unwrap().journal();
    journal.note(&TenantId::default(), vec![outbox_mark(&event)]).durable().await.unwrap();
    journal.close().await.unwrap();
}

#[tokio::test]
async fn an_event_that_is_on_disk_reaches_workflows_and_sinks_in_both_modes_though_they_are_away_at_first() {
    let (world, mut server) = (World::start().await, server().await);
    server.kill().await;
    let event = CloudEvent::new("A-1", "/shop/orders", "com.example.order.created", json!({"amount": 120}));
    leave_in_outbox(&server, event).await;
    let sink = |name: &str, mode: &str| {
        let url = world.url(&format!("/{name}"));
        format!(
            "[[event_sinks]]\nname = \"{name}\"\nurl = \"{url}\"\ntypes = [\"com.example.*\"]\nmode = \"{mode}\"\ntoken = \"of-{name}\"\n"
        )
    };
    server.configure(&format!("{SINK}{}{}", sink("whole", "structured"), sink("parts", "binary")));
    world.script("/whole", [Answer::new(503, "{}"), Answer::new(429, "{}")]);
    server.restart().await;
    world.arrived("/whole", 3).await;
    world.arrived("/parts", 1).await;

    let whole = &world.seen("/whole")[2];
    assert_eq!(
        (whole.header("content-type"), whole.header("authorization")),
        (STRUCTURED, "Bearer of-whole")
    );
    let sent: Value = serde_json::from_slice(&whole.body).unwrap();
    assert_eq!(sent["specversion"], "1.0");
    assert_eq!((&sent["id"], &sent["data"]), (&json!("A-1"), &json!({"amount": 120})));
    let parts = &world.seen("/parts")[0];
    assert_eq!((parts.header("ce-id"), parts.header("ce-source")), ("A-1", "/shop/orders"));
    assert_eq!(
        (parts.header("content-type"), &parts.body[..]),
        ("application/json", &b"{\"amount\":120}"[..])
    );

    // The workflows have it as well: what comes again is known.
    let again = send(&server, &order("A-1", 120)).await;
    assert_eq!(runs(&again), [("all".to_owned(), true), ("large".to_owned(), true)]);
}
