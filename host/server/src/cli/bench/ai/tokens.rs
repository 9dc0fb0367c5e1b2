//! How long a model's words take from the moment that they are said to whoever watches the run.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::report::Latency;
use super::calls::chat;
use super::model::{WORDS, now_us};
use crate::cli::local_server::LocalServer;
use crate::cli::{CliError, Screen, run, screen};

const WORKFLOW: &str = "streamed";

/// From the model's clock to the watcher's.
pub(super) struct Tokens {
    first: Latency,
    all: Latency,
    answers: u64,
}

pub(super) async fn measure(
    server: LocalServer,
    model: SocketAddr,
    answers: u64,
    screen: &Screen,
) -> Result<Tokens, CliError> {
    let client = server.client()?;
    let mut node = chat(model, "at-once");
    node["config"]["stream"] = json!(true);
    let definition = json!({"name": WORKFLOW, "version": "1.0.0", "nodes": {"it": node}});
    client.put(&format!("/v1/workflows/{WORKFLOW}"), &definition).await?;

    let task = screen.task(format!("Watching {answers} answers as they come"));
    let (mut first, mut all) = (Vec::new(), Vec::new());
    for number in 0..answers {
        let body = json!({"input": {"number": number}});
        let started = client.start_run(&format!("/v1/workflows/{WORKFLOW}/runs"), &body, None, None).await?;
        let mut seen = Vec::new();
        let status = run::follow_to_end(&client, &screen::cell(&started["run_id"]), |event| {
            seen.extend(late(event));
            Ok(())
        })
        .await?;
        if status != "succeeded" || seen.len() != WORDS as usize {
            let verdict = format!("a run {status}, and {} of {WORDS} words were seen", seen.len());
            return Err(CliError::failed("the check failed", verdict));
        }
        first.extend(seen.first().copied());
        all.extend(seen);
    }
    let tokens = Tokens { first: Latency::of_all(first), all: Latency::of_all(all), answers };
    task.done(format_args!(
        "the first word after {:.2} ms, p99 {:.2} ms",
        tokens.first.p50, tokens.first.p99
    ));
    server.stop().await?;
    Ok(tokens)
}

/// How late a word comes.
fn late(event: &Value) -> Option<Duration> {
    let said: u64 = event["chunk"]["text"].as_str()?.trim().parse().ok()?;
    Some(Duration::from_micros(now_us().saturating_sub(said)))
}

impl Tokens {
    pub(super) fn to_json(&self) -> Value {
        json!({"answers": self.answers, "words": WORDS, "first_ms": self.first, "all_ms": self.all})
    }

    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        let ms = |latency: Latency| format!("{:.2} / {:.2}", latency.p50, latency.p99);
        vec![
            [
                format!(
                    "the first word of {} answers, from the model to a watcher (ms: p50 / p99)",
                    self.answers
                ),
                ms(self.first),
            ],
            [format!("each of the {WORDS} words of each"), ms(self.all)],
        ]
    }
}
