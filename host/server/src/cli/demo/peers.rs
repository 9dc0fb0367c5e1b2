//! The services around an example: one HTTP server on loopback, which answers for all of them as the example's test file says.
//!
//! The server of the demo sends there what the workflow's steps ask of other hosts (`network.routes`), and says which host was meant.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::cli::CliError;
use crate::cli::workflow_test::scene::Peers;
use crate::cli::workflow_test::stand_in::{Asked, Spoken};

/// Between the pieces of an answer that comes in pieces, so that one sees them come.
const PACE: Duration = Duration::from_millis(40);
/// Before a service calls back.
const WORK: Duration = Duration::from_secs(1);
/// How a callback's URL goes on behind the server's own address.
const CALLBACKS: &str = "/v1/callbacks/";

/// The services, serving until dropped.
pub(super) struct Services {
    /// Where they are.
    pub(super) url: String,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
    peers: Peers,
    /// What was asked, oldest first.
    log: Mutex<Vec<Value>>,
    http: reqwest::Client,
}

impl Services {
    /// Starts them on a free port of 127.0.0.1.
    pub(super) async fn start(peers: Peers) -> Result<Self, CliError> {
        let failed = |source| CliError::failed("starting the stand-ins", source);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let http = reqwest::Client::builder()
            .tls_backend_rustls()
            .build()
            .map_err(|source| CliError::failed("setting up HTTP", source))?;
        let shared = Arc::new(Shared { peers, log: Mutex::default(), http });
        let router = Router::new()
            .route("/requests", get(list))
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(shared);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the stand-ins ended");
            }
        });
        Ok(Self { url, server })
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn list(State(shared): State<Arc<Shared>>) -> axum::Json<Value> {
    axum::Json(Value::Array(shared.log().clone()))
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let host = text("x-forwarded-host");
    let url = format!("https://{host}{uri}");
    let node = node_of(text("idempotency-key"));
    let spoken = shared.peers.answer(&Asked { node, method: method.as_str(), url: &url, body: &body });
    let status = spoken.as_ref().map_or(StatusCode::NOT_IMPLEMENTED.as_u16(), |spoken| spoken.status);
    shared.log().push(json!({"node": node, "method": method.as_str(), "url": url, "status": status}));
    let Some(spoken) = spoken else { return uncovered(&method, &url) };
    // Each call is made once: it is taken by the request that brings the URL.
    if let Some(url) = callback_url(&uri, &body)
        && let Some(call) = shared.peers.call(node)
    {
        tokio::spawn(call_back(shared.http.clone(), url, call));
    }
    speak(spoken)
}

/// The node that asks: the default key of its request is `<run>.<node>.<attempt>.<n>`, its part behind the node.
fn node_of(idempotency_key: &str) -> &str {
    let node = idempotency_key.split('.').nth(1).unwrap_or_default();
    let end = node.find(|it: char| !it.is_ascii_alphanumeric() && !matches!(it, '-' | '_'));
    &node[..end.unwrap_or(node.len())]
}

fn uncovered(method: &Method, url: &str) -> Response<Body> {
    let message = format!("no stand-in of the example's test file covers {method} {url}");
    let mut response = Response::new(Body::from(message));
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    response
}

fn speak(Spoken { status, headers, body }: Spoken) -> Response<Body> {
    let pieces = stream::unfold((body.into_iter(), false), async |(mut pieces, is_begun)| {
        let piece = pieces.next()?;
        if is_begun {
            sleep(PACE).await;
        }
        Some((Ok::<_, std::convert::Infallible>(piece), (pieces, true)))
    });
    let response = headers
        .into_iter()
        .fold(Response::builder().status(status), |response, (name, value)| response.header(name, value));
    response.body(Body::from_stream(pieces)).unwrap_or_else(|error| {
        let mut wrong = Response::new(Body::from(format!("the stand-in's answer is none: {error}")));
        *wrong.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        wrong
    })
}

/// The URL to call back that stands in a request's body or query.
fn callback_url(uri: &Uri, body: &Bytes) -> Option<String> {
    let query = percent_decode_str(uri.query().unwrap_or_default()).decode_utf8_lossy();
    let body = String::from_utf8_lossy(body);
    [body, query].iter().find_map(|text| url_in(text).map(str::to_owned))
}

fn url_in(text: &str) -> Option<&str> {
    let at = text.find(CALLBACKS)?;
    let start = text[..at].rfind("http")?;
    let is_of_token = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.' | '~');
    let token = &text[at + CALLBACKS.len()..];
    let end = token.find(|it| !is_of_token(it)).unwrap_or(token.len());
    Some(&text[start..at + CALLBACKS.len() + end])
}

async fn call_back(http: reqwest::Client, url: String, body: Value) {
    sleep(WORK).await;
    if let Err(error) = http.post(&url).json(&body).send().await {
        tracing::warn!(%error, "a stand-in could not call back");
    }
}

impl Shared {
    fn log(&self) -> std::sync::MutexGuard<'_, Vec<Value>> {
        // A list under this lock is whole whatever panics.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_stands_in_the_key_of_the_request() {
        assert_eq!(node_of("01936b2e-8f0a-7cc3-a2cf-5f7d3a1a9e11.fetch-logs.1.0"), "fetch-logs");
        assert_eq!(node_of("01936b2e.summarise[3].1.0"), "summarise");
        assert_eq!(node_of("my own key"), "");
    }

    #[test]
    fn a_callbacks_url_is_found_in_a_body_and_in_a_query() {
        let url = "http://127.0.0.1:7700/v1/callbacks/abc-DEF_1";
        let body =
            Bytes::from(json!({"input": "http://other.example/x", "webhook": url, "more": 1}).to_string());
        assert_eq!(callback_url(&Uri::from_static("/jobs"), &body).as_deref(), Some(url));
        let uri =
            "/jobs?webhook=http%3A%2F%2F127.0.0.1%3A7700%2Fv1%2Fcallbacks%2Fabc-DEF_1&x=1".parse().unwrap();
        assert_eq!(callback_url(&uri, &Bytes::new()).as_deref(), Some(url));
        assert_eq!(callback_url(&Uri::from_static("/jobs"), &Bytes::from("none")), None);
    }
}
