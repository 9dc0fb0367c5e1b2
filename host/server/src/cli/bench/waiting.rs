//! `stepwell bench waiting`: what runs cost that wait. They are started, counted, left alone through a kill, and brought to their end.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::{fleet, process};
use crate::cli::local_server::LocalServer;
use crate::cli::{CliError, Client, Screen, screen};

const NAME: &str = "waiting";

/// What was measured.
pub(super) struct Waiting {
    runs: u64,
    /// Of the server with a tenth of them, and with all.
    tenth_bytes: u64,
    bytes: u64,
    starts_per_s: f64,
    restart: Duration,
    restarted_bytes: u64,
    ends_per_s: f64,
}

pub(super) async fn measure(runs: u64, screen: &Screen) -> Result<Waiting, CliError> {
    let mut server = LocalServer::start().await?;
    let client = server.client()?;
    let definition = json!({
        "name": NAME, "version": "1.0.0",
        "nodes": {"hold": {"wait": {"signal": "go", "timeout": "24h"}}},
        "output": {"number": "{{ input.number }}", "sent": "{{ nodes.hold.output }}"},
    });
    client.put(&format!("/v1/workflows/{NAME}"), &definition).await?;

    let task = screen.task(format!("Starting {runs} runs that wait"));
    let began = Instant::now();
    let mut ids = fleet::start(&client, NAME, 0..runs / 10).await?;
    fleet::come_to(&client, NAME, "waiting", ids.len()).await?;
    let tenth_bytes = process::memory(server.pid())?;
    ids.extend(fleet::start(&client, NAME, runs / 10..runs).await?);
    fleet::come_to(&client, NAME, "waiting", ids.len()).await?;
    let starts_per_s = runs as f64 / began.elapsed().as_secs_f64();
    let bytes = process::memory(server.pid())?;
    task.done(format_args!("{starts_per_s:.0} a second"));

    let task = screen.task("Killing the server and starting it again");
    server.kill().await?;
    let restart = fleet::restart(&mut server).await?;
    let client = server.client()?;
    let restarted_bytes = process::memory(server.pid())?;
    task.done(format_args!("ready after {:.2} s", restart.as_secs_f64()));

    let task = screen.task("Bringing all of them to their end");
    let began = Instant::now();
    signal(&client, &ids).await?;
    fleet::come_to(&client, NAME, "succeeded", ids.len()).await?;
    let ends_per_s = runs as f64 / began.elapsed().as_secs_f64();
    check(&client, &ids).await?;
    task.done(format_args!("{ends_per_s:.0} a second"));
    server.stop().await?;
    Ok(Waiting { runs, tenth_bytes, bytes, starts_per_s, restart, restarted_bytes, ends_per_s })
}

async fn signal(client: &Client, ids: &[(u64, String)]) -> Result<(), CliError> {
    let sent = stream::iter(ids).map(|(number, id)| async move {
        let body = json!({"name": "go", "payload": number});
        client.post(&format!("/v1/runs/{id}/signals"), &body).await.map(|_| ())
    });
    sent.buffer_unordered(fleet::AT_ONCE).try_collect().await
}

/// Looks at some of them whole: each has its own number, and the signal that was sent to it.
async fn check(client: &Client, ids: &[(u64, String)]) -> Result<(), CliError> {
    let some = ids.iter().step_by((ids.len() / 500).max(1));
    for (number, id) in some {
        let run = client.get(&format!("/v1/runs/{id}")).await?;
        if run["output"] != json!({"number": number, "sent": number}) {
            return Err(CliError::failed("the check failed", format!("the run {id} gave {}", run["output"])));
        }
    }
    Ok(())
}

impl Waiting {
    /// Bytes that one more run takes: the slope between a tenth and all.
    fn slope(&self) -> f64 {
        let (tenth, all) = (self.runs as f64 / 10.0, self.runs as f64);
        (self.bytes as f64 - self.tenth_bytes as f64) / (all - tenth)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "runs": self.runs,
            "starts_per_s": self.starts_per_s,
            "memory_bytes": self.bytes,
            "memory_bytes_a_run": self.slope(),
            "memory_bytes_at_a_million": self.bytes as f64 + self.slope() * (1e6 - self.runs as f64),
            "restart_s": self.restart.as_secs_f64(),
            "memory_bytes_after_restart": self.restarted_bytes,
            "ends_per_s": self.ends_per_s,
        })
    }

    pub(super) fn to_table(&self) -> String {
        let mib = |bytes: f64| format!("{:.0} MiB", bytes / f64::from(1 << 20));
        let million = self.bytes as f64 + self.slope() * (1e6 - self.runs as f64);
        let rows = [
            [format!("{} runs that wait", self.runs), mib(self.bytes as f64)],
            ["one more of them".to_owned(), format!("{:.0} bytes", self.slope().max(0.0))],
            ["so a million".to_owned(), mib(million)],
            ["started".to_owned(), format!("{:.0}/s", self.starts_per_s)],
            [
                "killed and started again: ready after".to_owned(),
                format!("{:.2} s", self.restart.as_secs_f64()),
            ],
            ["memory then".to_owned(), mib(self.restarted_bytes as f64)],
            ["all brought to their end".to_owned(), format!("{:.0}/s", self.ends_per_s)],
        ];
        screen::table(["", ""], rows)
    }
}
