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
    /// A start with none of them, and with all.
    start: Duration,
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

    server.kill().await?;
    let start = fleet::restart(&mut server).await?;
    let client = server.client()?;

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
    Ok(Waiting { runs, tenth_bytes, bytes, starts_per_s, start, restart, restarted_bytes, ends_per_s })
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
    fn bytes_a_run(&self) -> f64 {
        (self.bytes as f64 - self.tenth_bytes as f64) / (self.runs as f64 * 0.9)
    }

    /// Seconds that a start takes longer for each run: the slope between none and all.
    fn restart_a_run(&self) -> f64 {
        (self.restart.as_secs_f64() - self.start.as_secs_f64()) / self.runs as f64
    }

    /// On a line through what was measured, with this slope.
    fn at_a_million(&self, measured: f64, slope: f64) -> f64 {
        measured + slope.max(0.0) * (1e6 - self.runs as f64)
    }

    fn bytes_at_a_million(&self) -> f64 {
        self.at_a_million(self.bytes as f64, self.bytes_a_run())
    }

    fn restart_at_a_million(&self) -> f64 {
        self.at_a_million(self.restart.as_secs_f64(), self.restart_a_run())
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "runs": self.runs,
            "starts_per_s": self.starts_per_s,
            "memory_bytes": self.bytes,
            "memory_bytes_a_run": self.bytes_a_run(),
            "memory_bytes_at_a_million": self.bytes_at_a_million(),
            "start_s": self.start.as_secs_f64(),
            "restart_s": self.restart.as_secs_f64(),
            "restart_s_at_a_million": self.restart_at_a_million(),
            "memory_bytes_after_restart": self.restarted_bytes,
            "ends_per_s": self.ends_per_s,
        })
    }

    pub(super) fn to_table(&self) -> String {
        let mib = |bytes: f64| format!("{:.0} MiB", bytes / f64::from(1 << 20));
        let ready = |seconds: f64| format!("ready after {seconds:.2} s");
        let row = |what: &str, value: String| [what.to_owned(), value];
        let rows = [
            [format!("{} runs that wait", self.runs), mib(self.bytes as f64)],
            row("each run more", format!("{:.0} bytes", self.bytes_a_run().max(0.0))),
            row("so a million", mib(self.bytes_at_a_million())),
            row("started", format!("{:.0}/s", self.starts_per_s)),
            row("killed and started again without any", ready(self.start.as_secs_f64())),
            row("killed and started again", ready(self.restart.as_secs_f64())),
            row("memory then", mib(self.restarted_bytes as f64)),
            row("each run more", format!("{:.1} us", self.restart_a_run().max(0.0) * 1e6)),
            row("so a million", ready(self.restart_at_a_million())),
            row("all brought to their end", format!("{:.0}/s", self.ends_per_s)),
        ];
        screen::table(["", ""], rows)
    }
}
