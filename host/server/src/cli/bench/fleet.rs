//! Very many runs of one workflow: started, counted, waited for, each with a number in its input; and the server's next start with them.

use std::ops::Range;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::json;

use crate::cli::local_server::LocalServer;
use crate::cli::{CliError, Client, screen};

/// Requests under way at the same time.
pub(super) const AT_ONCE: usize = 64;

/// How long the last runs may take to stand as they should.
const PATIENCE: Duration = Duration::from_secs(120);

/// Starts a run for each number; gives each with its run's id.
pub(super) async fn start(
    client: &Client,
    workflow: &str,
    numbers: Range<u64>,
) -> Result<Vec<(u64, String)>, CliError> {
    let path = format!("/v1/workflows/{workflow}/runs");
    let started = stream::iter(numbers).map(|number| {
        let path = &path;
        async move {
            let answer = client.post(path, &json!({"input": {"number": number}})).await?;
            Ok::<_, CliError>((number, screen::cell(&answer["run_id"])))
        }
    });
    started.buffer_unordered(AT_ONCE).try_collect().await
}

/// Returns once so many of a workflow's runs are listed so.
pub(super) async fn come_to(
    client: &Client,
    workflow: &str,
    status: &str,
    wanted: usize,
) -> Result<(), CliError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = count(client, workflow, status).await?;
        if found == wanted {
            return Ok(());
        }
        if Instant::now() > until {
            let verdict = format!("{found} of {wanted} runs are {status}");
            return Err(CliError::failed("the check failed", verdict));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn count(client: &Client, workflow: &str, status: &str) -> Result<usize, CliError> {
    let mut query =
        vec![("workflow", workflow.to_owned()), ("status", status.to_owned()), ("limit", "500".to_owned())];
    let mut count = 0;
    loop {
        let page = client.get_with("/v1/runs", &query).await?;
        count += page["runs"].as_array().map_or(0, Vec::len);
        query.retain(|(name, _)| *name != "cursor");
        match page["next_cursor"].as_str() {
            Some(cursor) => query.push(("cursor", cursor.to_owned())),
            None => return Ok(count),
        }
    }
}

/// Starts a server again that was killed, and says how long it took until it was ready.
pub(super) async fn restart(server: &mut LocalServer) -> Result<Duration, CliError> {
    let began = Instant::now();
    server.restart().await?;
    let client = server.client()?;
    while client.get("/readyz").await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(began.elapsed())
}
