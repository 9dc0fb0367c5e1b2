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
    /// Where the model is, in place of `https://api.openai.com`.
    pub(crate) model_url: String,
    /// Where the departments are, in place of `https://departments.example.com`.
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
            model_url: format!("http://{address}/model"),
            departments_url: format!("http://{address}/departments"),
            requests_url: format!("http://{address}/requests"),
            model_key: model_key.to_owned(),
            server,
        })
    }
}

impl StandIns {
    /// Configuration by which a server sends to the stand-ins what the workflow asks of the services that it names; a real model, where there
    /// is one, is left alone.
    pub(crate) fn routes(&self, with_model: bool) -> String {
        let model = format!("\"api.openai.com\" = \"{}\"\n", self.model_url);
        let model = if with_model { model.as_str() } else { "" };
        format!("[network.routes]\n{model}\"departments.example.com\" = \"{}\"\n", self.departments_url)
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        self.server.abort();
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
    json!({"because": explanation, "choice": label, "confidence": confidence})
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
