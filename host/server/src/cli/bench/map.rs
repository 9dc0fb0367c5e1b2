//! `stepwell bench map`: a step for each item of a list, and whether the cost of an item stays the same in a longer one; and a run of very
//! many nodes in a row, whose last ones are to cost what its first ones do.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::local_server::LocalServer;
use crate::cli::{CliError, Client, Screen, screen, standard_steps};

/// How many items a list has.
const ITEMS: [u64; 3] = [1_000, 3_000, 10_000];

/// Nodes of the long run, and how many of its first and last ones are compared.
const NODES: usize = 1_000;
const COMPARED: usize = 100;

/// What was measured.
pub(super) struct Maps {
    maps: Vec<(u64, Duration)>,
    /// Of one of the first nodes of a long run, and of one of its last.
    first_node: Duration,
    last_node: Duration,
}

pub(super) async fn measure(screen: &Screen) -> Result<Maps, CliError> {
    let components = standard_steps::build_all(&["transform"], screen).await?;
    let server = LocalServer::start().await?;
    let client = server.client()?;
    standard_steps::publish_all(&client, &components).await?;
    client.put("/v1/workflows/map", &map()).await?;
    client.put("/v1/workflows/long", &long()).await?;
    run(&client, "map", &json!({"items": items(100)})).await?;
    let mut maps = Vec::new();
    for count in ITEMS {
        let task = screen.task(format!("A map over {count} items, 50 at a time"));
        let began = Instant::now();
        let output = run(&client, "map", &json!({"items": items(count)})).await?["output"].take();
        let time = began.elapsed();
        let wanted: Vec<u64> = (0..count).map(|n| n + 1).collect();
        if output != json!({ "each": wanted }) {
            return Err(CliError::failed("the check failed", format!("the map over {count} items is wrong")));
        }
        task.done(format_args!("{:.2} s", time.as_secs_f64()));
        maps.push((count, time));
    }
    let task = screen.task(format!("A run of {NODES} nodes in a row"));
    let view = run(&client, "long", &json!({})).await?;
    let (first_node, last_node) = compare(&view)?;
    task.done(format_args!("{first_node:.0?} a node at first, {last_node:.0?} at last"));
    server.stop().await?;
    Ok(Maps { maps, first_node, last_node })
}

fn items(count: u64) -> Vec<u64> {
    (0..count).collect()
}

fn transform(template: &str, input: &Value) -> Value {
    json!({"step": "transform@^1", "config": {"template": template}, "input": input})
}

fn map() -> Value {
    let mut each = transform("{{ input.n + 1 }}", &json!({"n": "{{ item }}"}));
    each["map"] = json!({"over": "{{ input.items }}", "concurrency": 50});
    json!({"name": "map", "version": "1.0.0", "nodes": {"each": each}})
}

fn long() -> Value {
    let id = |n: usize| format!("n{n:04}");
    let node = |n: usize| {
        let mut node = match n {
            0 => transform("{{ input.n + 1 }}", &json!({"n": 0})),
            _ => {
                transform("{{ input.n + 1 }}", &json!({"n": format!("{{{{ nodes.{}.output }}}}", id(n - 1))}))
            }
        };
        node["needs"] = if n == 0 { json!([]) } else { json!([id(n - 1)]) };
        (id(n), node)
    };
    let nodes: serde_json::Map<String, Value> = (0..NODES).map(node).collect();
    json!({"name": "long", "version": "1.0.0", "nodes": nodes, "output": format!("{{{{ nodes.{}.output }}}}", id(NODES - 1))})
}

/// Starts a run and waits for its end; gives it whole.
async fn run(client: &Client, workflow: &str, input: &Value) -> Result<Value, CliError> {
    let path = format!("/v1/workflows/{workflow}/runs");
    let wait = Some(Duration::from_secs(60));
    let started = client.start_run(&path, &json!({ "input": input }), wait, None).await?;
    let run = client.get(&format!("/v1/runs/{}", screen::cell(&started["run_id"]))).await?;
    if run["status"] != "succeeded" {
        let verdict = format!("the run of `{workflow}` is {}: {}", run["status"], run["failure"]);
        return Err(CliError::failed("the check failed", verdict));
    }
    Ok(run)
}

/// How long one of the first nodes took, from its start to the next one's, and one of the last.
fn compare(view: &Value) -> Result<(Duration, Duration), CliError> {
    if view["output"] != json!(NODES) {
        return Err(CliError::failed("the check failed", format!("the long run gave {}", view["output"])));
    }
    let started = |at: usize| {
        let text = view["nodes"][at]["attempts"][0]["started_at"].as_str().unwrap_or_default();
        text.parse::<Timestamp>().map_err(|source| CliError::failed("reading a run's times", source))
    };
    let between = |from: usize, to: usize| -> Result<Duration, CliError> {
        let time = started(to)?.duration_since(started(from)?).unsigned_abs();
        Ok(time / u32::try_from(to - from).unwrap_or(1))
    };
    // The very first warms things up.
    Ok((between(10, 10 + COMPARED)?, between(NODES - 1 - COMPARED, NODES - 1)?))
}

impl Maps {
    pub(super) fn to_json(&self) -> Value {
        let maps: Vec<Value> = self
            .maps
            .iter()
            .map(|(count, time)| json!({"items": count, "seconds": time.as_secs_f64()}))
            .collect();
        json!({
            "maps": maps,
            "long_run": {
                "nodes": NODES,
                "first_nodes_ms": self.first_node.as_secs_f64() * 1e3,
                "last_nodes_ms": self.last_node.as_secs_f64() * 1e3,
            },
        })
    }

    pub(super) fn to_table(&self) -> String {
        let map = |(count, time): &(u64, Duration)| {
            let each = time.as_secs_f64() * 1e6 / *count as f64;
            [
                format!("a map over {count} items"),
                format!("{:.2} s, {each:.0} us an item", time.as_secs_f64()),
            ]
        };
        let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        let long = [
            [format!("nodes 10 to {} of {NODES} in a row, each", 10 + COMPARED), ms(self.first_node)],
            [format!("the last {COMPARED} of them, each"), ms(self.last_node)],
        ];
        screen::table(["", ""], self.maps.iter().map(map).chain(long))
    }
}
