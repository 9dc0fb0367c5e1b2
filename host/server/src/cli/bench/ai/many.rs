//! Very many calls of a slow model at the same time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::{fleet, process};
use super::calls::chat;
use crate::cli::local_server::LocalServer;
use crate::cli::{CliError, Screen};

const WORKFLOW: &str = "slow-chat";

/// What was measured.
pub(super) struct Many {
    calls: u64,
    seconds: u64,
    ended: Duration,
    peak_memory: u64,
}

pub(super) async fn measure(
    server: LocalServer,
    model: SocketAddr,
    calls: u64,
    seconds: u64,
    screen: &Screen,
) -> Result<Many, CliError> {
    let client = server.client()?;
    let mut node = chat(model, &format!("after-{}ms", seconds * 1000));
    // Whoever comes back waits for the others that do.
    node["timeout"] = json!(format!("{}s", seconds + 60));
    let definition = json!({
        "name": WORKFLOW, "version": "1.0.0", "nodes": {"it": node},
        "output": {"number": "{{ nodes.it.output.text | int }}"},
    });
    client.put(&format!("/v1/workflows/{WORKFLOW}"), &definition).await?;
    let task = screen.task(format!("Making {calls} calls that take {seconds} s each"));
    let began = Instant::now();
    let ids = fleet::start(&client, WORKFLOW, 0..calls).await?;
    fleet::come_to(&client, WORKFLOW, "succeeded", ids.len()).await?;
    let ended = began.elapsed();
    let peak_memory = process::peak_memory(server.pid())?;
    for (number, id) in &ids {
        let run = client.get(&format!("/v1/runs/{id}")).await?;
        if run["output"] != json!({"number": number}) {
            return Err(CliError::failed("the check failed", format!("the run {id} gave {}", run["output"])));
        }
    }
    task.done(format_args!("all ended rightly after {:.1} s", ended.as_secs_f64()));
    server.stop().await?;
    Ok(Many { calls, seconds, ended, peak_memory })
}

impl Many {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "calls": self.calls,
            "call_s": self.seconds,
            "all_ended_s": self.ended.as_secs_f64(),
            "peak_rss_mb": self.peak_memory as f64 / f64::from(1 << 20),
        })
    }

    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        vec![
            [
                format!("{} calls of {} s at once: all ended after", self.calls, self.seconds),
                format!("{:.1} s", self.ended.as_secs_f64()),
            ],
            ["server peak memory".to_owned(), format!("{} MiB", self.peak_memory >> 20)],
        ]
    }
}
