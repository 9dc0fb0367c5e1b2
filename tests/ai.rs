//! What AI work costs and how well it goes: on the run, over all runs, on `/metrics`.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::client::{client, output};
use crate::support::guests;
use crate::support::server::Server;
use crate::support::world::{Answer, World};

/// A model's answer with a label.
fn labelled(model: &str, label: &str, confidence: f64) -> Answer {
    let content = json!({"label": label, "confidence": confidence, "explanation": "because"}).to_string();
    let answer = json!({
        "model": model,
        "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
    });
    Answer::new(200, answer.to_string())
}

/// A workflow that asks a small model first, and a large one where that is not sure enough.
fn workflow(host: &str) -> Value {
    let config = |model: &str, price: Value| {
        json!({
            "provider": "openai-compatible", "base_url": format!("http://{host}/{model}"), "model": model, "price": price,
            "schema": {"type": "object", "required": ["label", "confidence", "explanation"], "properties": {
                "label": {"type": "string"}, "confidence": {"type": "number"}, "explanation": {"type": "string"}}},
        })
    };
    let price = json!({"input_per_million_usd": 10, "output_per_million_usd": 100});
    json!({
        "name": "sorted", "version": "1.0.0",
        "nodes": {"classify": {
            "step": "llm-chat@^1",
            "config": config("small", price),
            "input": {"prompt": "{{ input.text }}"},
            "grants": {"http": [{"host": host}]},
            "gate": "output.confidence >= 0.8",
            "fallback": [{"config": config("large", Value::Null)}],
        }},
        "output": "{{ nodes.classify.output.label }}",
    })
}

#[tokio::test]
async fn tokens_money_decisions_gates_and_fallbacks_are_counted_where_people_look() {
    let world = World::start().await;
    world.script(
        "/small/chat/completions",
        [labelled("small-1", "Spam", 0.6), labelled("small-1", "Billing", 0.95)],
    );
    world.script("/large/chat/completions", [labelled("large-1", "Billing", 0.91)]);
    let mut server = Server::start().await;
    server.publish(&guests::standard("llm-chat")).await;
    server.apply(&workflow(&world.host)).await;

    let unsure = server.run_to_end("sorted", &json!({"text": "one"})).await;
    assert_eq!(unsure["output"], "Billing", "{unsure:#}");
    let expected = json!({"classify": {
        "models": [
            {"provider": "openai-compatible", "model": "small-1", "calls": 1, "input_tokens": 100, "output_tokens": 10, "cost_micro_usd": 2000},
            {"provider": "openai-compatible", "model": "large-1", "calls": 1, "calls_without_price": 1, "input_tokens": 100, "output_tokens": 10, "cost_micro_usd": 0},
        ],
        "decisions": [
            {"label": "Spam", "confidence": "0.5-0.7", "count": 1},
            {"label": "Billing", "confidence": "0.9-1", "count": 1},
        ],
        "gate_failures": 1,
        "fallbacks": 1,
    }});
    assert_eq!(unsure["ai"], expected);
    let sure = server.run_to_end("sorted", &json!({"text": "two"})).await;
    assert_eq!(sure["ai"]["classify"]["models"][0]["calls"], 1);

    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        r#"stepwell_ai_calls_total{provider="openai-compatible",model="small-1",workflow="sorted",node="classify"} 2"#,
        r#"stepwell_ai_tokens_total{provider="openai-compatible",model="small-1",workflow="sorted",node="classify",direction="input"} 200"#,
        r#"stepwell_ai_cost_micro_usd_total{provider="openai-compatible",model="small-1",workflow="sorted",node="classify"} 4000"#,
        r#"stepwell_ai_calls_without_price_total{provider="openai-compatible",model="large-1",workflow="sorted",node="classify"} 1"#,
        r#"stepwell_ai_decisions_total{label="Billing",confidence="0.9-1",workflow="sorted",node="classify"} 2"#,
        r#"stepwell_gate_failures_total{workflow="sorted",node="classify"} 1"#,
        r#"stepwell_fallbacks_total{workflow="sorted",node="classify"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }

    // What is kept outlives the process.
    server.kill().await;
    server.restart().await;
    let (status, all) = server.get("/v1/ai").await;
    assert_eq!((status, &all["runs"]), (StatusCode::OK, &json!(2)), "{all:#}");
    assert_eq!(all["models"][0]["model"], "small-1", "the dearest first: {all:#}");
    assert_eq!(all["models"][0]["cost_micro_usd"], 4000);
    assert_eq!(
        (&all["nodes"][0]["workflow"], &all["nodes"][0]["node"]),
        (&json!("sorted"), &json!("classify"))
    );
    let (_, none) = server.get("/v1/ai?workflow=another").await;
    assert_eq!(none["runs"], 0);
    let (_, past) = server.get("/v1/ai?until=2020-01-01T00:00:00Z").await;
    assert_eq!(past["runs"], 0);
    let since = sure["accepted_at"].as_str().unwrap();
    let (_, recent) = server.get(&format!("/v1/ai?from={since}")).await;
    assert_eq!(recent["runs"], 1);
    let (status, refused) = server.get("/v1/ai?from=yesterday").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refused:#}");

    let shown = output(client(&server, &["ai"])).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for words in ["small-1", "Billing", "0.9-1", "2 runs"] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
}

/// A run that is cancelled between two calls has paid for the first.
#[tokio::test]
async fn what_an_abandoned_attempt_has_paid_is_counted() {
    let world = World::start().await;
    let misfit = json!({
        "model": "small-1", "choices": [{"message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
    });
    let answers = [Answer::new(200, misfit.to_string()), labelled("small-1", "Late", 0.9).held()];
    world.script("/small/chat/completions", answers);
    let mut server = Server::start().await;
    server.publish(&guests::standard("llm-chat")).await;
    server.apply(&workflow(&world.host)).await;

    let run = server.start_run("sorted", &json!({"text": "one"})).await;
    world.arrived("/small", 2).await;
    server.post(&format!("/v1/runs/{run}/cancel"), &json!({})).await;
    let cancelled = server.ended(&run).await;
    assert_eq!(cancelled["status"], "cancelled", "{cancelled:#}");
    assert_eq!(cancelled["totals"]["cost_micro_usd"], 2000, "{cancelled:#}");
    assert_eq!(cancelled["nodes"][0]["attempts"][0]["status"], "abandoned");
    assert_eq!(cancelled["nodes"][0]["attempts"][0]["usage"][0]["model"], "small-1");
    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let line = r#"stepwell_ai_cost_micro_usd_total{provider="openai-compatible",model="small-1",workflow="sorted",node="classify"} 2000"#;
    assert!(metrics.contains(line), "{metrics}");

    server.kill().await;
    server.restart().await;
    assert_eq!(server.run(&run).await, cancelled, "it is the same after a crash");
    let (_, all) = server.get("/v1/ai").await;
    assert_eq!(all["models"][0]["cost_micro_usd"], 2000, "{all:#}");
    world.let_go();
}

#[tokio::test]
async fn scores_of_outputs_are_told_on_the_run_over_all_runs_and_on_the_metrics() {
    let server = Server::start().await;
    server.publish(&guests::standard("quality")).await;
    let node = json!({
        "step": "quality@^1", "config": {"pass": 0.1, "rules": {"forbidden": {"of": ["as an AI"]}}},
        "input": {"output": "{{ input.text }}"}, "grants": {"http": []},
    });
    server.apply(&json!({"name": "scored", "version": "1.0.0", "nodes": {"score": node}})).await;
    let run = server.run_to_end("scored", &json!({"text": "All is well."})).await;
    let quality = json!({"count": 1, "mean": 1.0, "min": 1.0, "max": 1.0});
    assert_eq!(run["ai"]["score"]["quality"], quality, "{run:#}");
    let (_, all) = server.get("/v1/ai").await;
    assert_eq!(all["nodes"][0]["quality"], quality, "{all:#}");
    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stepwell_ai_quality_score"), "{metrics}");
    assert!(metrics.contains(r#"workflow="scored",node="score""#), "{metrics}");
}
