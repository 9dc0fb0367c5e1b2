//! Stand-ins for the services that the support-ticket triage calls: a language model and three departments.
//!
//! Each is a small HTTP server on a free loopback port. The model speaks OpenAI's chat completions, well enough for the
//! example, and decides by keywords: it understands nothing. All keep a log of what they were asked, to be read at
//! `/requests`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The stand-ins, serving until dropped.
pub(crate) struct StandIns {
    /// The model's base URL, as `config.base_url` of `llm-chat` wants it.
    pub(crate) model_url: String,
    /// The departments' base URL.
    pub(crate) departments_url: String,
    /// Where to read what they were asked, oldest first.
    pub(crate) requests_url: String,
    /// The key that the model asks for.
    pub(crate) model_key: String,
    server: tokio::task::JoinHandle<()>,
}

/// Each request that a stand-in was sent: to whom (`to`), its `idempotency_key`, its `body`.
type RequestLog = Arc<Mutex<Vec<Value>>>;

#[derive(Clone)]
struct Shared {
    log: RequestLog,
    model_key: Arc<str>,
}

impl StandIns {
    /// Starts them on a free port of 127.0.0.1. The model answers only who sends `model_key` as bearer token.
    pub(crate) async fn start(model_key: &str) -> std::io::Result<Self> {
        let shared = Shared { log: RequestLog::default(), model_key: model_key.into() };
        let app = Router::new()
            .route("/model/v1/chat/completions", post(chat_completion))
            .route("/departments/{department}/tickets", post(receive_ticket))
            .route("/requests", get(list_requests))
            .with_state(shared);
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "the stand-ins stopped");
            }
        });
        Ok(Self {
            model_url: format!("http://{address}/model/v1"),
            departments_url: format!("http://{address}/departments"),
            requests_url: format!("http://{address}/requests"),
            model_key: model_key.to_owned(),
            server,
        })
    }
}

/// A language model for the workflow to ask.
#[derive(Clone, Copy)]
pub(crate) struct Model<'a> {
    pub(crate) url: &'a str,
    /// Instead of the one that the workflow names.
    pub(crate) name: Option<&'a str>,
    /// How it takes a schema, instead of the step's default.
    pub(crate) response_format: Option<&'a str>,
}

impl StandIns {
    /// The stand-in for the model.
    pub(crate) fn model(&self) -> Model<'_> {
        Model { url: &self.model_url, name: None, response_format: None }
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Points the example's workflow at other services than those it names.
pub(crate) fn point_at(workflow: &mut Value, model: &Model<'_>, departments_url: &str) {
    let (model_host, model_path) = host_and_path(model.url);
    if let Some(classify) = workflow.pointer_mut("/nodes/classify") {
        classify["config"]["base_url"] = json!(model.url);
        if model_host != "api.openai.com" {
            classify["config"]["provider"] = json!("openai-compatible");
            classify["config"]["api_key_secret"] = json!("OPENAI_API_KEY");
        }
        if let Some(name) = model.name {
            classify["config"]["model"] = json!(name);
        }
        if let Some(format) = model.response_format {
            classify["config"]["response_format"] = json!(format);
        }
        classify["grants"] = json!({
            "http": [{"host": model_host, "methods": ["POST"], "paths": [format!("{model_path}/chat/completions")]}],
            "secrets": {"OPENAI_API_KEY": [model_host]},
        });
    }
    let (departments_host, departments_path) = host_and_path(departments_url);
    for department in ["billing", "technical", "general"] {
        if let Some(node) = workflow.pointer_mut(&format!("/nodes/{department}")) {
            node["input"]["url"] = json!(format!("{departments_url}/{department}/tickets"));
            let path = format!("{departments_path}/{department}/tickets");
            node["grants"] =
                json!({"http": [{"host": departments_host, "methods": ["POST"], "paths": [path]}]});
        }
    }
}

/// `http://127.0.0.1:8080/v1` is at `127.0.0.1:8080`, below `/v1`.
fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find('/') {
        Some(slash) => (&rest[..slash], rest[slash..].trim_end_matches('/')),
        None => (rest, ""),
    }
}

async fn chat_completion(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let expected = format!("Bearer {}", shared.model_key);
    if text(&headers, header::AUTHORIZATION.as_str()) != expected {
        let error =
            json!({"error": {"message": "Incorrect API key provided.", "type": "invalid_request_error"}});
        return (StatusCode::UNAUTHORIZED, Json(error));
    }
    remember(&shared.log, "model", &headers, &body);
    let ticket = body["messages"]
        .as_array()
        .and_then(|all| all.last())
        .map_or("", |last| last["content"].as_str().unwrap_or_default());
    let content = classify(ticket).to_string();
    let answer = json!({
        "id": "chatcmpl-stand-in",
        "object": "chat.completion",
        "model": "stand-in",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": content},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": ticket.len() / 4, "completion_tokens": content.len() / 4},
    });
    (StatusCode::OK, Json(answer))
}

/// Counts keywords. A stand-in, not a model.
fn classify(ticket: &str) -> Value {
    const BILLING: [&str; 6] = ["invoice", "refund", "charged", "payment", "price", "card"];
    const TECHNICAL: [&str; 6] = ["crash", "error", "bug", "update", "export", "fails"];
    let ticket = ticket.to_lowercase();
    let found = |words: &[&'static str]| -> Vec<&'static str> {
        words.iter().copied().filter(|word| ticket.contains(word)).collect()
    };
    let (billing, technical) = (found(&BILLING), found(&TECHNICAL));
    let (label, words) = match (billing.len(), technical.len()) {
        (0, 0) => ("General", Vec::new()),
        (b, t) if b >= t => ("Billing", billing),
        _ => ("Technical", technical),
    };
    let explanation = match words.as_slice() {
        [] => "It speaks neither of money nor of anything broken.".to_owned(),
        words => format!("It mentions {}.", words.join(", ")),
    };
    let confidence = if words.is_empty() { 0.6 } else { (0.7 + 0.1 * words.len() as f64).min(0.95) };
    json!({"label": label, "confidence": confidence, "explanation": explanation})
}

async fn receive_ticket(
    State(shared): State<Shared>,
    Path(department): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let number = remember(&shared.log, &department, &headers, &body);
    let mut name = department;
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    (StatusCode::CREATED, Json(json!({"department": name, "ticket": format!("T-{number:04}")})))
}

async fn list_requests(State(shared): State<Shared>) -> Json<Value> {
    Json(Value::Array(locked(&shared.log).clone()))
}

fn remember(log: &RequestLog, to: &str, headers: &HeaderMap, body: &Value) -> usize {
    let mut log = locked(log);
    log.push(json!({"to": to, "idempotency_key": text(headers, "idempotency-key"), "body": body}));
    log.len()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn locked(log: &RequestLog) -> std::sync::MutexGuard<'_, Vec<Value>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
