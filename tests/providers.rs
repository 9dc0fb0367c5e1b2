//! Providers that do not answer as they should, byte by byte: each run ends with an error that names the provider and the cause, and what the
//! answer cost all the same is on its account.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::guests;
use crate::support::server::{Server, node};

/// A provider that writes these bytes for each request, one after the other, and closes the connection.
struct Provider {
    url: String,
    server: JoinHandle<()>,
}

impl Provider {
    async fn saying(answers: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answers.lock().unwrap().pop_front().unwrap_or_default();
                tokio::spawn(answer_once(stream, answer));
            }
        });
        Self { url, server }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Reads a whole request, whose length its head tells, and answers it.
async fn answer_once(mut stream: TcpStream, answer: String) {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let Ok(length @ 1..) = stream.read(&mut buffer).await else { return };
        read.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&read).to_lowercase();
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let said = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        if read.len() >= head + 4 + said.map_or(0, |said| said.parse().unwrap()) {
            break;
        }
    }
    // Who asked may be gone.
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn reply(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn completion(content: &str) -> String {
    let body = json!({
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000},
    });
    reply("200 OK", "application/json", &body.to_string())
}

/// The run of a node that asks the provider in OpenAI's place.
async fn run(step: &str, config: Value, answers: &[String], has_key: bool) -> Value {
    let provider = Provider::saying(answers.iter().cloned()).await;
    let config_file = format!(
        "[network]\nallow_networks = [\"127.0.0.0/8\"]\n[network.routes]\n\"api.openai.com\" = \"{}\"\n",
        provider.url
    );
    let server = Server::start_with(&config_file).await;
    server.publish(&guests::standard(step)).await;
    if has_key {
        let (status, _) = server.put("/v1/secrets/OPENAI_API_KEY", &json!({"value": "sk-1234567890"})).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    let grants =
        json!({"http": [{"host": "api.openai.com"}], "secrets": {"OPENAI_API_KEY": ["api.openai.com"]}});
    let node = json!({"step": format!("{step}@^1"), "config": config, "input": {"prompt": "Hello"}, "grants": grants});
    server.apply(&json!({"name": "asking", "version": "1.0.0", "nodes": {"ask": node}})).await;
    server.run_to_end("asking", &json!({})).await
}

fn chat(more: Value) -> Value {
    let mut config = json!({"provider": "openai", "model": "gpt-4o-mini"});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

/// Checks the failure, and gives the run's cost in micro-USD.
fn assert_failed(what: &str, run: &Value, kind: &str, cause: &str, part: &str) -> u64 {
    assert_eq!(run["status"], "failed", "{what}: {run:#}");
    let failure = &node(run, "ask")["failure"];
    assert_eq!(failure["kind"], kind, "{what}: {failure:#}");
    assert_eq!(
        (&failure["detail"]["provider"], &failure["detail"]["cause"]),
        (&json!("openai"), &json!(cause)),
        "{what}: {failure:#}"
    );
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("openai") && message.contains(part), "{what}: {message}");
    run["ai"]["ask"]["models"][0]["cost_micro_usd"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn an_answer_that_is_none_names_the_provider_and_the_cause() {
    let json_kind = "application/json";
    let mut cut = completion("It is");
    cut.truncate(cut.len() - 40);
    let told = json!({"error": {"message": "The server had an error.", "type": "server_error"}}).to_string();
    let unknown = json!({"error": {"message": "The model `gpt-9` does not exist.", "type": "invalid_request_error", "code": "model_not_found"}});
    let stream = "data: {\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"It \"},\"finish_reason\":null}]}\n\n";
    for (what, config, answer, kind, cause, part, calls) in [
        (
            "a page",
            json!({}),
            reply("200 OK", "text/html", "<html><title>Sign in</title></html>"),
            "retryable",
            "not_json",
            "Sign in",
            1,
        ),
        ("a wrong length", json!({}), cut, "retryable", "unreachable", "api.openai.com", 0),
        (
            "half a document",
            json!({}),
            reply("200 OK", json_kind, "{\"choices\": [{\"mess"),
            "retryable",
            "not_json",
            "mess",
            1,
        ),
        (
            "an error inside",
            json!({}),
            reply("200 OK", json_kind, &told),
            "retryable",
            "provider_failed",
            "The server had an error.",
            1,
        ),
        (
            "half a stream",
            json!({"stream": true}),
            reply("200 OK", "text/event-stream", stream),
            "retryable",
            "cut",
            "",
            1,
        ),
        (
            "an unknown model",
            json!({"model": "gpt-9"}),
            reply("404 Not Found", json_kind, &unknown.to_string()),
            "permanent",
            "unknown_model",
            "gpt-9",
            0,
        ),
        ("nothing", json!({}), String::new(), "retryable", "unreachable", "api.openai.com", 0),
    ] {
        let run = run("llm-chat", chat(config), &[answer], true).await;
        assert_failed(what, &run, kind, cause, part);
        // What was answered was paid, however much: the answer does not tell.
        assert_eq!(run["totals"]["model_calls"].as_u64().unwrap_or(0), calls, "{what}: {run:#}");
        let without_price = &run["ai"]["ask"]["models"][0]["calls_without_price"];
        assert_eq!(without_price.as_u64().unwrap_or(0), calls, "{what}: {run:#}");
    }
}

/// A million tokens at 15 cents, twice.
#[tokio::test]
async fn an_answer_that_misses_its_schema_twice_is_an_error_and_paid_for() {
    let schema = json!({"type": "object", "required": ["label"], "properties": {"label": {"enum": ["Billing"]}}, "additionalProperties": false});
    let answers = [completion("It is about money."), completion("{\"label\": \"Money\"}")];
    let run = run("llm-chat", chat(json!({"schema": schema})), &answers, true).await;
    let cost = assert_failed("a misfit", &run, "retryable", "misfit", "label");
    assert_eq!(cost, 300_000, "{run:#}");
}

#[tokio::test]
async fn an_image_that_is_none_and_one_that_breaks_off_are_errors() {
    for (image, part) in [("bm8gaW1hZ2U=", "no image"), ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB", "breaks off")] {
        let body =
            json!({"data": [{"b64_json": image}], "usage": {"input_tokens": 10, "output_tokens": 100}});
        let answer = reply("200 OK", "application/json", &body.to_string());
        let run = run("image-generate", json!({"provider": "openai"}), &[answer], true).await;
        let cost = assert_failed(image, &run, "retryable", "misfit", part);
        assert!(cost > 0, "{run:#}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_set_is_named_with_how_to_set_it() {
    let run = run("llm-chat", chat(json!({})), &[], false).await;
    assert_failed("no key", &run, "permanent", "denied", "`stepwell secret set OPENAI_API_KEY`");
}
