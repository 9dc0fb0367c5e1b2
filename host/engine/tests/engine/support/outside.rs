//! The world outside: an HTTP server, with a thread of its own, that remembers every request.
//!
//! `/hold/...` is answered once the test lets go; `/meet/...` once two requests are there; everything else at once.

use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::extract::{Request, State};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use super::PATIENCE;

/// A request as it arrived: its path and its `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) key: String,
}

pub(crate) struct Outside {
    host: String,
    state: Arc<Shared>,
    _stop: oneshot::Sender<()>,
}

struct Shared {
    seen: watch::Sender<Vec<Seen>>,
    let_go: watch::Sender<bool>,
}

impl Outside {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Shared { seen: watch::Sender::default(), let_go: watch::Sender::default() });
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, host) = oneshot::channel();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&state));
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap().to_string()).unwrap();
                tokio::select! {
                    served = axum::serve(listener, app) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { host: host.blocking_recv().unwrap(), state, _stop: stop }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// Answers what is held back, and holds nothing back from now on.
    pub(crate) fn let_go(&self) {
        self.state.let_go.send_replace(true);
    }

    /// Every request so far, in the order in which they arrived.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.state.seen.borrow().clone()
    }

    /// The requests to this path so far.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        self.state.seen.borrow().iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// Waits until so many requests have come to this path.
    pub(crate) async fn arrived(&self, path: &str, count: usize) {
        let mut all = self.state.seen.subscribe();
        let enough = all.wait_for(|all| all.iter().filter(|seen| seen.path == path).count() >= count);
        assert!(tokio::time::timeout(PATIENCE, enough).await.is_ok(), "{count} requests to {path} arrive");
    }
}

async fn answer(State(state): State<Arc<Shared>>, request: Request) -> &'static str {
    let path = request.uri().path().to_owned();
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    state.seen.send_modify(|all| all.push(Seen { path: path.clone(), key: key.to_owned() }));
    if path.starts_with("/hold/") {
        state.let_go.subscribe().wait_for(|let_go| *let_go).await.unwrap();
    }
    if path.starts_with("/meet/") {
        let both = |all: &Vec<Seen>| all.iter().filter(|seen| seen.path == path).count() >= 2;
        state.seen.subscribe().wait_for(both).await.unwrap();
    }
    "answered"
}
