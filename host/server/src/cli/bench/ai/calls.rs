//! The server's CPU time for a model's call by `llm-chat`, and for the same exchange by `http-request`.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::load::{self, Load};
use super::super::{process, scenario};
use crate::cli::local_server::LocalServer;
use crate::cli::{CliError, Screen};

const BARE: &str = "bare";
const CHAT: &str = "chat";
const IN_FLIGHT: usize = 64;

/// Milliseconds of CPU a call.
pub(super) struct Calls {
    /// Before and after the other.
    bare: [f64; 2],
    chat: f64,
}

pub(super) async fn measure(
    server: LocalServer,
    model: SocketAddr,
    seconds: u64,
    screen: &Screen,
) -> Result<Calls, CliError> {
    let client = server.client()?;
    for (name, node, number) in [
        (BARE, bare(model), "{{ nodes.it.output.json.choices[0].message.content | int }}"),
        (CHAT, chat(model, "at-once"), "{{ nodes.it.output.text | int }}"),
    ] {
        let definition = json!({
            "name": name, "version": "1.0.0",
            "triggers": [{"http": {"path": format!("/{name}"), "method": "POST"}}],
            "nodes": {"it": node},
            "output": {"number": number},
        });
        client.put(&format!("/v1/workflows/{name}"), &definition).await?;
    }
    let (bare, chat) =
        (scenario::load(BARE, server.connection())?, scenario::load(CHAT, server.connection())?);
    let task = screen.task("Measuring calls of a model, and the bare exchange");
    let time = Duration::from_secs(seconds);
    let before = cpu(&server, &bare, time).await?;
    let chat = cpu(&server, &chat, time).await?;
    let after = cpu(&server, &bare, time).await?;
    let calls = Calls { bare: [before, after], chat };
    task.done(format_args!("{:.3} ms of CPU a call more", calls.added()));
    server.stop().await?;
    Ok(calls)
}

fn bare(model: SocketAddr) -> Value {
    json!({
        "step": "http-request@^1",
        "config": {"expect": [200]},
        "input": {
            "method": "POST", "url": format!("http://{model}/v1/chat/completions"),
            "json": {"model": "at-once", "messages": [{"role": "user", "content": "{{ input.number | string }}"}]},
        },
        "grants": {"http": [{"host": model.to_string(), "methods": ["POST"]}]},
    })
}

/// A node that asks the model.
pub(super) fn chat(model: SocketAddr, name: &str) -> Value {
    json!({
        "step": "llm-chat@^1",
        "config": {
            "provider": "openai-compatible", "base_url": format!("http://{model}/v1"), "model": name, "api_key_secret": null,
        },
        "input": {"prompt": "{{ input.number | string }}"},
        "grants": {"http": [{"host": model.to_string(), "methods": ["POST"]}]},
    })
}

/// Milliseconds of the server's CPU time for each of many runs.
async fn cpu(server: &LocalServer, load: &Load, time: Duration) -> Result<f64, CliError> {
    // Warm-up: connections, caches, pools.
    load::drive(load, IN_FLIGHT, time.min(Duration::from_secs(1))).await?;
    let before = process::cpu_time(server.pid())?;
    let sample = load::drive(load, IN_FLIGHT, time).await?;
    let spent = process::cpu_time(server.pid())?.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1000.0 / sample.count() as f64)
}

impl Calls {
    fn mean_of_bare(&self) -> f64 {
        self.bare.iter().sum::<f64>() / self.bare.len() as f64
    }

    fn added(&self) -> f64 {
        self.chat - self.mean_of_bare()
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"bare_cpu_ms": self.bare, "llm_chat_cpu_ms": self.chat, "added_cpu_ms": self.added()})
    }

    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        let [before, after] = self.bare.map(|ms| format!("{ms:.3}"));
        vec![
            [
                "CPU of a run with one bare exchange, before and after the next (ms)".to_owned(),
                format!("{before}, {after}"),
            ],
            ["CPU of a run with one `llm-chat` (ms)".to_owned(), format!("{:.3}", self.chat)],
            ["so `llm-chat` adds (ms)".to_owned(), format!("{:.3}", self.added())],
        ]
    }
}
