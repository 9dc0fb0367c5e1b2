//! The machine's ceiling: a bare JSON echo, in a process of its own as the server is.

use std::net::SocketAddr;
use std::process::{ExitCode, Stdio};

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::cli::{CliError, Screen};

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
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    screen.line(&json!({"listening": address}).to_string())?;
    let app = Router::new().route("/", post(|Json(body): Json<Value>| async { Json(body) }));
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
