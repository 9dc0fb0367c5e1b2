//! A model for benchmarks: it speaks OpenAI's chat completions, says again what it was told, and does so when its name says.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::time::sleep;

/// Words of a streamed answer.
pub(super) const WORDS: u32 = 40;
/// Before the first word, so that who watches is there, and between two.
const BEFORE: Duration = Duration::from_millis(300);
const BETWEEN: Duration = Duration::from_millis(10);

/// `/v1/chat/completions`, and `/document`, which sends back what it is sent.
pub(in crate::cli::bench) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/document", post(|body: Body| async { Response::new(body) }))
        .layer(DefaultBodyLimit::disable())
}

/// A model of the name `after-20000ms` takes that long. With `stream`, each word of the answer is the time at which it is said.
async fn complete(Json(body): Json<Value>) -> Response {
    if body["stream"] == true {
        let events = stream::unfold(0, said);
        return ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response();
    }
    let model = body["model"].as_str().unwrap_or_default();
    let ms = model.strip_prefix("after-").and_then(|rest| rest.strip_suffix("ms"));
    if let Some(ms) = ms.and_then(|ms| ms.parse().ok()) {
        sleep(Duration::from_millis(ms)).await;
    }
    let told = body["messages"].as_array().and_then(|all| all.last()).map(|last| &last["content"]);
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": told}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 40, "total_tokens": 80},
    });
    (StatusCode::OK, Json(answer)).into_response()
}

async fn said(word: u32) -> Option<(Result<Bytes, Infallible>, u32)> {
    if word > WORDS {
        return None;
    }
    sleep(if word == 0 { BEFORE } else { BETWEEN }).await;
    let chunk = |delta: Value, reason: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "at-once", "choices": choices})
    };
    let event = match word {
        WORDS => format!("data: {}\n\ndata: [DONE]\n\n", chunk(json!({}), json!("stop"))),
        _ => format!("data: {}\n\n", chunk(json!({"content": format!("{} ", now_us())}), Value::Null)),
    };
    Some((Ok(event.into()), word + 1))
}

/// Microseconds since 1970, the same for all processes of a machine.
pub(super) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
