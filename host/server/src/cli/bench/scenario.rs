//! What is measured: a workflow of three steps in a row, and how its answers are checked.

use std::collections::HashSet;
use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::load::Load;
use crate::cli::{CliError, Client, Connection};

/// One workflow to measure.
pub(super) struct Scenario {
    definition: Value,
}

const NAME: &str = "bench";

/// About 200 bytes that bear a number.
pub(super) fn input(number: u64) -> Value {
    json!({
        "number": number,
        "subject": "The quarterly report cannot be exported",
        "description": "Since yesterday's update the export button does nothing; the log shows no error at all.",
        "customer": "ada@example.com",
    })
}

impl Scenario {
    /// Three steps without effects.
    pub(super) fn transforms() -> Self {
        let node = |input: &str, template: Value| json!({"step": "transform@^1", "config": {"template": template}, "input": input});
        let mut nodes = json!({
            "tidy": node("{{ input }}", json!({"number": "{{ input.number }}", "text": "{{ input.subject }}: {{ input.description }}"})),
            "shout": node("{{ nodes.tidy.output }}", json!({"number": "{{ input.number }}", "text": "{{ input.text | upper }}"})),
            "shape": node("{{ nodes.shout.output }}", json!({"answer": {"number": "{{ input.number }}", "text": "{{ input.text }}"}})),
        });
        nodes["shout"]["needs"] = json!(["tidy"]);
        nodes["shape"]["needs"] = json!(["shout"]);
        Self::new(&nodes, "{{ nodes.shape.output.answer.number }}")
    }

    /// Three steps that each ask the echo.
    pub(super) fn effects(echo: SocketAddr) -> Self {
        let node = |json: &str| {
            json!({
                "step": "http-request@^1",
                "config": {"expect": [200]},
                "input": {"method": "POST", "url": format!("http://{echo}/"), "json": json},
                "grants": {"http": [{"host": echo.to_string(), "methods": ["POST"]}]},
            })
        };
        let mut nodes = json!({
            "first": node("{{ input }}"),
            "second": node("{{ nodes.first.output.json }}"),
            "third": node("{{ nodes.second.output.json }}"),
        });
        nodes["second"]["needs"] = json!(["first"]);
        nodes["third"]["needs"] = json!(["second"]);
        Self::new(&nodes, "{{ nodes.third.output.json.number }}")
    }

    fn new(nodes: &Value, number: &str) -> Self {
        let definition = json!({
            "name": NAME,
            "version": "1.0.0",
            "triggers": [{"http": {"path": format!("/{NAME}"), "method": "POST"}}],
            "nodes": nodes,
            "output": {"number": number},
        });
        Self { definition }
    }

    pub(super) fn name(&self) -> &'static str {
        NAME
    }

    pub(super) fn definition(&self) -> &Value {
        &self.definition
    }

    /// Triggers a run and waits for its end.
    pub(super) fn load(&self, server: &Connection) -> Result<Load, CliError> {
        load(NAME, server)
    }

    /// Every run that the server says has succeeded.
    pub(super) async fn ended_runs(&self, client: &Client) -> Result<HashSet<Uuid>, CliError> {
        let mut runs = HashSet::new();
        let mut query = vec![
            ("workflow", NAME.to_owned()),
            ("status", "succeeded".to_owned()),
            ("limit", "500".to_owned()),
        ];
        loop {
            let page = client.get_with("/v1/runs", &query).await?;
            let page: Page = serde_json::from_value(page)
                .map_err(|source| CliError::failed("reading a page of runs", source))?;
            runs.extend(page.runs.iter().map(|run| run.id));
            query.retain(|(name, _)| *name != "cursor");
            match page.next_cursor {
                Some(cursor) => query.push(("cursor", cursor)),
                None => return Ok(runs),
            }
        }
    }
}

/// Triggers a run of a workflow that answers with the number of its input, and waits for its end.
pub(super) fn load(workflow: &str, server: &Connection) -> Result<Load, CliError> {
    let address = server.url.trim_start_matches("http://");
    let address = address
        .parse()
        .map_err(|source| CliError::failed(format!("reading the address {address}"), source))?;
    let key = server.key.clone().unwrap_or_default();
    Ok(Load {
        address,
        path: format!("/hooks/{workflow}"),
        headers: vec![("prefer", "wait=60".to_owned()), ("authorization", format!("Bearer {key}"))],
        body: input,
        check,
    })
}

#[derive(Deserialize)]
struct Page {
    runs: Vec<Line>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    id: Uuid,
}

#[derive(Deserialize)]
struct Answer {
    run_id: Uuid,
    status: String,
    output: Option<Value>,
}

fn check(number: u64, answer: &[u8]) -> Result<Option<Uuid>, String> {
    let wrong = || format!("the run with number {number} gave {}", String::from_utf8_lossy(answer));
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| wrong())?;
    let right = answer.status == "succeeded" && answer.output == Some(json!({"number": number}));
    if right { Ok(Some(answer.run_id)) } else { Err(wrong()) }
}
