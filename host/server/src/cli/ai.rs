//! `stepwell ai`: what runs did with AI.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::{CliError, Client, Connection, Screen, screen};

#[derive(Debug, Args)]
pub(crate) struct AiArgs {
    /// Runs of this workflow alone.
    #[arg(long)]
    workflow: Option<String>,
    /// Runs that were accepted at this time or later: 2026-11-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Runs that were accepted before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn ai(args: AiArgs, screen: &Screen) -> Result<ExitCode, CliError> {
    let AiArgs { workflow, from, until, connection } = args;
    let asked = [("workflow", workflow), ("from", from), ("until", until)];
    let query: Vec<_> = asked.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let summary = Client::new(&connection)?.get_with("/v1/ai", &query).await?;
    screen.data(&summary, || describe(&summary))?;
    Ok(ExitCode::SUCCESS)
}

fn describe(summary: &Value) -> String {
    let nodes: Vec<&Value> = summary["nodes"].as_array().into_iter().flatten().collect();
    let models =
        nodes.iter().flat_map(|node| items(&node["models"]).map(move |model| model_row(node, model)));
    let head = ["WORKFLOW", "NODE", "PROVIDER", "MODEL", "CALLS", "TOKENS IN", "TOKENS OUT", "USD"];
    let mut parts = vec![screen::table(head, models)];

    let decisions =
        nodes.iter().flat_map(|node| items(&node["decisions"]).map(move |it| decision_row(node, it)));
    let decisions: Vec<_> = decisions.collect();
    if !decisions.is_empty() {
        parts.push(screen::table(["WORKFLOW", "NODE", "DECIDED", "CONFIDENCE", "COUNT"], decisions));
    }
    let others: Vec<_> = nodes.iter().filter_map(|node| other_row(node)).collect();
    if !others.is_empty() {
        let head = ["WORKFLOW", "NODE", "QUALITY", "SCORES", "GATE FAILURES", "FALLBACKS"];
        parts.push(screen::table(head, others));
    }
    parts.push(format!("{} runs", summary["runs"]));
    parts.join("\n")
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn model_row(node: &Value, model: &Value) -> [String; 8] {
    let [workflow, name] = ["workflow", "node"].map(|field| screen::cell(&node[field]));
    let [provider, id, calls, input, output] =
        ["provider", "model", "calls", "input_tokens", "output_tokens"]
            .map(|field| screen::cell(&model[field]));
    let cost = model["cost_micro_usd"].as_f64().unwrap_or_default() / 1e6;
    let unknown = model["calls_without_price"].as_u64().unwrap_or_default();
    let cost = if unknown == 0 {
        format!("{cost:.4}")
    } else {
        format!("{cost:.4} ({unknown} calls without a price)")
    };
    [workflow, name, provider, id, calls, input, output, cost]
}

fn decision_row(node: &Value, decided: &Value) -> [String; 5] {
    let [workflow, name] = ["workflow", "node"].map(|field| screen::cell(&node[field]));
    let [label, confidence, count] =
        ["label", "confidence", "count"].map(|field| screen::cell(&decided[field]));
    [workflow, name, label, confidence, count]
}

fn other_row(node: &Value) -> Option<[String; 6]> {
    let quality = &node["quality"];
    let [gates, fallbacks] =
        ["gate_failures", "fallbacks"].map(|field| node[field].as_u64().unwrap_or_default());
    if quality.is_null() && gates == 0 && fallbacks == 0 {
        return None;
    }
    let [workflow, name] = ["workflow", "node"].map(|field| screen::cell(&node[field]));
    let mean = quality["mean"].as_f64().map(|mean| format!("{mean:.2}")).unwrap_or_default();
    Some([workflow, name, mean, screen::cell(&quality["count"]), gates.to_string(), fallbacks.to_string()])
}
