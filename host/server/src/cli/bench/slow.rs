//! `stepwell bench slow`: very many runs at once that each wait for a slow answer over HTTP, and what short runs notice of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::load::{self, Load};
use super::report::Latency;
use super::{echo, fleet, process, scenario};
use crate::cli::local_server::LocalServer;
use crate::cli::{CliError, Client, Connection, Screen, screen, standard_steps};

const SLOW: &str = "slow";
/// Short runs: one step that computes, one that calls the echo.
const SHORT: [&str; 2] = ["compute", "call"];

/// Short runs that are under way at the same time.
const SHORT_AT_ONCE: usize = 16;

/// The longest that short runs are measured for a figure.
const MEASURE: Duration = Duration::from_secs(5);

/// How long the last of them may take to be under way.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was measured.
pub(super) struct Slow {
    runs: u64,
    answer: Duration,
    started: Duration,
    ended: Duration,
    peak_memory: u64,
    open_files: usize,
    beside: [Beside; 2],
}

/// A short run's latency: with nothing beside, while the slow runs wait, and while they are answered.
struct Beside {
    alone: Latency,
    waiting: Latency,
    answered: Latency,
}

pub(super) async fn measure(runs: u64, seconds: u64, screen: &Screen) -> Result<Slow, CliError> {
    let answer = Duration::from_secs(seconds);
    let components = standard_steps::build_all(&["transform", "http-request"], screen).await?;
    let echo = echo::Echo::start().await?;
    let server = LocalServer::start().await?;
    let client = server.client()?;
    standard_steps::publish_all(&client, &components).await?;
    apply(&client, echo.address(), answer).await?;
    let shorts =
        [scenario::load(SHORT[0], server.connection())?, scenario::load(SHORT[1], server.connection())?];

    let task = screen.task("Measuring short runs alone");
    let alone = both(&shorts, MEASURE).await?;
    task.done(format_args!("p99 {:.1} and {:.1} ms", alone[0].p99, alone[1].p99));

    let task = screen.task(format!("Starting {runs} runs whose answers take {seconds} s"));
    let began = Instant::now();
    let ids = fleet::start(&client, SLOW, 0..runs).await?;
    under_way(&client, echo.address(), runs).await?;
    let started = began.elapsed();
    let open_files = process::open_files(server.pid())?;
    task.done(format_args!("all wait after {:.1} s", started.as_secs_f64()));

    let task = screen.task("Measuring short runs while they wait");
    let waiting = both(&shorts, time_for_each(started, answer)?).await?;
    task.done(format_args!("p99 {:.1} and {:.1} ms", waiting[0].p99, waiting[1].p99));

    let task = screen.task("Measuring short runs while they are answered");
    tokio::time::sleep(answer.saturating_sub(began.elapsed())).await;
    // Their answers come as far apart as they were started.
    let answered = both(&shorts, (started / 2).max(Duration::from_secs(1))).await?;
    task.done(format_args!("p99 {:.1} and {:.1} ms", answered[0].p99, answered[1].p99));

    let task = screen.task("Waiting for their end, and checking every one");
    fleet::come_to(&client, SLOW, "succeeded", ids.len()).await?;
    let peak_memory = process::peak_memory(server.pid())?;
    let ended = check(&client, &ids).await?;
    asked_once(echo.address(), runs).await?;
    task.done(format_args!("all ended rightly after {:.1} s", ended.as_secs_f64()));
    server.stop().await?;

    let [alone, waiting, answered] = [alone, waiting, answered].map(|[compute, call]| (compute, call));
    let beside = [
        Beside { alone: alone.0, waiting: waiting.0, answered: answered.0 },
        Beside { alone: alone.1, waiting: waiting.1, answered: answered.1 },
    ];
    Ok(Slow { runs, answer, started, ended, peak_memory, open_files, beside })
}

async fn apply(client: &Client, echo: SocketAddr, answer: Duration) -> Result<(), CliError> {
    let call = |path: &str| {
        json!({
            "step": "http-request@^1",
            "config": {"expect": [200]},
            "input": {"method": "POST", "url": format!("http://{echo}{path}"), "json": "{{ input }}"},
            "grants": {"http": [{"host": echo.to_string(), "methods": ["POST"]}]},
        })
    };
    let mut slow = call(&format!("/slow?ms={}", answer.as_millis()));
    // Whoever comes back waits for the others that do.
    slow["timeout"] = json!(format!("{}s", answer.as_secs() + 60));
    let compute =
        json!({"step": "transform@^1", "config": {"template": "{{ input }}"}, "input": "{{ input }}"});
    let workflows = [
        (SLOW, slow, "{{ nodes.it.output.json.number }}"),
        (SHORT[0], compute, "{{ nodes.it.output.number }}"),
        (SHORT[1], call("/"), "{{ nodes.it.output.json.number }}"),
    ];
    for (name, node, number) in workflows {
        let definition = json!({
            "name": name, "version": "1.0.0",
            "triggers": [{"http": {"path": format!("/{name}"), "method": "POST"}}],
            "nodes": {"it": node},
            "output": {"number": number},
        });
        client.put(&format!("/v1/workflows/{name}"), &definition).await?;
    }
    Ok(())
}

/// Short runs of both kinds, for so long each.
async fn both(shorts: &[Load; 2], time: Duration) -> Result<[Latency; 2], CliError> {
    let [compute, call] = shorts;
    Ok([
        Latency::of(&load::drive(compute, SHORT_AT_ONCE, time).await?),
        Latency::of(&load::drive(call, SHORT_AT_ONCE, time).await?),
    ])
}

/// How long each kind can be measured before the first answer comes.
fn time_for_each(started: Duration, answer: Duration) -> Result<Duration, CliError> {
    let left = answer.saturating_sub(started + Duration::from_secs(1)) / 2;
    if left < Duration::from_secs(1) {
        let why = format!(
            "it took {:.1} s until all were under way: nothing can be measured while they wait. Take a larger `--seconds`",
            started.as_secs_f64()
        );
        return Err(CliError::failed("measuring short runs", why));
    }
    Ok(left.min(MEASURE))
}

/// Returns once so many calls to the echo are under way at the same moment.
async fn under_way(client: &Client, echo: SocketAddr, wanted: u64) -> Result<(), CliError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let list = client.get("/v1/destinations").await?;
        let destinations = list["destinations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let echo = destinations.iter().find(|it| it["destination"] == json!(echo.to_string()));
        let now = echo.and_then(|echo| echo["in_flight"].as_u64()).unwrap_or(0);
        if now >= wanted {
            return Ok(());
        }
        if Instant::now() > until {
            let verdict = format!("{now} of {wanted} calls are under way: a larger `--seconds` may help");
            return Err(CliError::failed("the check failed", verdict));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Looks at each run whole: it has its own number, from one attempt with one effect. Gives the time from the first one's start to the
/// last one's end.
async fn check(client: &Client, ids: &[(u64, String)]) -> Result<Duration, CliError> {
    let looked = stream::iter(ids).map(|(number, id)| async move {
        let run = client.get(&format!("/v1/runs/{id}")).await?;
        let attempts = run["nodes"][0]["attempts"].as_array().map_or(0, Vec::len);
        let effects = run["nodes"][0]["attempts"][0]["effects"].as_array().map_or(0, Vec::len);
        if run["output"] != json!({"number": number}) || (attempts, effects) != (1, 1) {
            let verdict = format!("the run {id} has {attempts} attempts and gave {}", run["output"]);
            return Err(CliError::failed("the check failed", verdict));
        }
        Ok((time(&run["accepted_at"])?, time(&run["ended_at"])?))
    });
    let (mut first, mut last) = (Timestamp::MAX, Timestamp::MIN);
    let mut looked = looked.buffer_unordered(fleet::AT_ONCE);
    while let Some((accepted_at, ended_at)) = looked.try_next().await? {
        (first, last) = (first.min(accepted_at), last.max(ended_at));
    }
    Ok(last.duration_since(first).unsigned_abs())
}

fn time(value: &Value) -> Result<Timestamp, CliError> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(|source| CliError::failed("reading a run's times", source))
}

/// Nobody who came back asked again.
async fn asked_once(echo: SocketAddr, runs: u64) -> Result<(), CliError> {
    let client = Client::new(&Connection { url: format!("http://{echo}"), key: None })?;
    let asked = client.get("/asked").await?;
    if asked == json!(runs) {
        return Ok(());
    }
    Err(CliError::failed("the check failed", format!("{runs} runs asked {asked} times")))
}

impl Slow {
    pub(super) fn to_json(&self) -> Value {
        let beside = |of: &Beside| json!({"alone": of.alone, "waiting": of.waiting, "answered": of.answered});
        json!({
            "runs": self.runs,
            "answer_s": self.answer.as_secs_f64(),
            "all_waiting_s": self.started.as_secs_f64(),
            "all_ended_s": self.ended.as_secs_f64(),
            "peak_rss_mb": self.peak_memory as f64 / f64::from(1 << 20),
            "open_files": self.open_files,
            "compute_ms": beside(&self.beside[0]),
            "call_ms": beside(&self.beside[1]),
        })
    }

    pub(super) fn to_table(&self) -> String {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let ms = |latency: Latency| format!("{:.1} / {:.1} ms", latency.p50, latency.p99);
        let head = [
            [
                format!("{} runs that wait {}: all wait after", self.runs, seconds(self.answer)),
                seconds(self.started),
            ],
            ["all ended, each checked, each asked once, after".to_owned(), seconds(self.ended)],
            ["server peak memory".to_owned(), format!("{} MiB", self.peak_memory >> 20)],
            ["server open files, while they wait".to_owned(), self.open_files.to_string()],
        ];
        let kinds = ["a short run that computes", "a short run that calls the echo"];
        let beside = kinds.into_iter().zip(&self.beside).flat_map(|(kind, of)| {
            [
                [format!("{kind}, {SHORT_AT_ONCE} in flight, alone (p50 / p99)"), ms(of.alone)],
                ["... while the slow ones wait".to_owned(), ms(of.waiting)],
                ["... while they are answered".to_owned(), ms(of.answered)],
            ]
        });
        screen::table(["", ""], head.into_iter().chain(beside))
    }
}
