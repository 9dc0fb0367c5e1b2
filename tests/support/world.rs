//! The world outside: an HTTP server that answers as a test tells it, holds answers back until the test lets go, and remembers
//! every request. Nothing here sleeps.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::Stream;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::server::PATIENCE;

/// A world that ends with the test.
pub(crate) struct World {
    pub(crate) host: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

struct Shared {
    seen: watch::Sender<Vec<Seen>>,
    scripts: Mutex<HashMap<String, VecDeque<Answer>>>,
    let_go: watch::Sender<bool>,
    /// What is said below `/stream`, and whether that is all.
    said: watch::Sender<(Vec<String>, bool)>,
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    is_held: bool,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.into(),
            is_held: false,
        }
    }

    /// It comes once [`World::let_go`] was called.
    pub(crate) fn held(self) -> Self {
        Self { is_held: true, ..self }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared {
            seen: watch::Sender::new(Vec::new()),
            scripts: Mutex::default(),
            let_go: watch::Sender::new(false),
            said: watch::Sender::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { host, shared, server }
    }

    /// A URL in this world. Paths that start with `/hold` are answered once [`World::let_go`] was called.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// Answers this path with these, one a request, and then as it answers without: with 200, and the request's place in [`World::all`].
    pub(crate) fn script(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.shared.scripts.lock().unwrap().insert(path.to_owned(), answers.into_iter().collect());
    }

    /// Answers what was held back, and holds nothing back from now on.
    pub(crate) fn let_go(&self) {
        self.shared.let_go.send_replace(true);
    }

    /// Says this to whoever reads below `/stream`, at once.
    pub(crate) fn say(&self, piece: &str) {
        self.shared.said.send_modify(|(said, _)| said.push(piece.to_owned()));
    }

    /// Ends the answers below `/stream`.
    pub(crate) fn said_all(&self) {
        self.shared.said.send_modify(|(_, all)| *all = true);
    }

    /// Every request so far, in the order in which they arrived.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }

    /// Every request to this path so far.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        self.all().into_iter().filter(|seen| seen.path == path).collect()
    }

    /// Waits until so many requests to paths with this beginning have arrived.
    pub(crate) async fn arrived(&self, prefix: &str, count: usize) {
        let mut seen = self.shared.seen.subscribe();
        let enough =
            seen.wait_for(|all| all.iter().filter(|seen| seen.path.starts_with(prefix)).count() >= count);
        let arrived = timeout(PATIENCE, enough).await.is_ok();
        assert!(arrived, "{count} requests to {prefix} did not arrive: {:?}", self.shared.seen.borrow());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    async fn wait_to_let_go(&self) {
        // The sender lives as long as the server.
        let _ = self.let_go.subscribe().wait_for(|let_go| *let_go).await;
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    // Read to its end, so that the connection can be used again.
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path().to_owned();
    let seen = Seen { path: path.clone(), headers: parts.headers, body };
    let mut number = 0;
    shared.seen.send_modify(|all| {
        number = all.len();
        all.push(seen);
    });
    if path.starts_with("/hold") {
        shared.wait_to_let_go().await;
    }
    if path.starts_with("/stream") {
        return Response::new(Body::from_stream(pieces(shared.said.subscribe())));
    }
    let scripted = shared.scripts.lock().unwrap().get_mut(&path).and_then(VecDeque::pop_front);
    let answer =
        scripted.unwrap_or_else(|| Answer::new(200, json!({"path": path, "number": number}).to_string()));
    if answer.is_held {
        shared.wait_to_let_go().await;
    }
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    for (name, value) in answer.headers {
        response.headers_mut().insert(header::HeaderName::from_static(name), value.parse().unwrap());
    }
    response.into_response()
}

/// What is said, as it is said.
fn pieces(said: watch::Receiver<(Vec<String>, bool)>) -> impl Stream<Item = Result<String, Infallible>> {
    futures::stream::unfold((said, 0), |(mut said, next)| async move {
        let piece = {
            let now = said.wait_for(|(pieces, all)| pieces.len() > next || *all).await.ok()?;
            now.0.get(next)?.clone()
        };
        Some((Ok(piece), (said, next + 1)))
    })
}
