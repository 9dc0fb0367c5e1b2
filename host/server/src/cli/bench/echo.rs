//! The machine's ceiling: a bare JSON echo, in a process of its own as the server is. `/slow?ms=` answers the same after so long, and `/asked`
//! tells how often that was asked. Beside it there is a model ([`ai::model`]).

use std::net::SocketAddr;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::ai;
use crate::cli::{CliError, Screen};
use crate::open_files;

/// A running echo; it ends when dropped.
pub(super) struct Echo {
    address: SocketAddr,
    _child: Child,
}

impl Echo {
    pub(super) async fn start() -> Result<Self, CliError> {
        let failed = |source| CliError::failed("starting the echo", source);
        let program =
            std::env::current_exe().map_err(|source| CliError::failed("finding this program", source))?;
        let mut child = Command::new(program)
            .args(["bench", "--serve-echo"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let output = child.stdout.take().ok_or_else(|| CliError::failed("starting the echo", "no output"))?;
        let line = BufReader::new(output).lines().next_line().await.map_err(failed)?.unwrap_or_default();
        let address = serde_json::from_str::<Value>(&line)
            .ok()
            .and_then(|ready| ready["listening"].as_str()?.parse().ok())
            .ok_or_else(|| CliError::failed("starting the echo", format!("it said `{line}`")))?;
        Ok(Self { address, _child: child })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves until standard input is closed.
pub(super) async fn serve(screen: &Screen) -> Result<ExitCode, CliError> {
    let failed = |source| CliError::failed("serving the echo", source);
    open_files::allow_most();
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    screen.line(&json!({"listening": address}).to_string())?;
    let app = Router::new()
        .route("/", post(|Json(body): Json<Value>| async { Json(body) }))
        .route("/slow", post(slow))
        .route("/asked", get(|State(asked): State<Asked>| async move { Json(asked.load(Ordering::Relaxed)) }))
        .merge(ai::model::routes())
        .with_state(Asked::default());
    let closed = async {
        // An input that cannot be read is closed as well.
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // Without it the echo is merely slower.
        let _ = stream.set_nodelay(true);
    });
    tokio::select! {
        served = axum::serve(listener, app).into_future() => served.map_err(failed)?,
        () = closed => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// How often a slow answer was asked for.
type Asked = Arc<AtomicU64>;

#[derive(Deserialize)]
struct Slowly {
    ms: u64,
}

async fn slow(
    State(asked): State<Asked>,
    Query(Slowly { ms }): Query<Slowly>,
    Json(body): Json<Value>,
) -> Json<Value> {
    asked.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(ms)).await;
    Json(body)
}
