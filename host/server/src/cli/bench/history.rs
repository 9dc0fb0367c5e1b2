//! `stepwell bench history`: what a server costs that has had very many runs. It is to be ready as soon as one that has had none, and to
//! serve as fast; also while it removes what retention says.
//!
//! After a kill, a start reads back the log of what was written last: its length, which is bounded, is told beside the time.
//!
//! The history is put into the store as its own journal takes it, without the server: copies of one run that the server did.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::Entry;
use stepwell_store::{Append, EmbeddedStore, Journal, OpenOptions, RunSummary, StoreError};
use uuid::{NoContext, Uuid};

use super::load;
use super::report::Latency;
use super::{fleet, scenario};
use crate::cli::local_server::LocalServer;
use crate::cli::{CliError, Client, Screen, screen, standard_steps};

const NAME: &str = "history";

/// Runs that are handed to the journal before the last of them is waited for.
const PAGE: u64 = 4_000;
/// Copies that are looked at afterwards.
const LOOKED_AT: u64 = 200;
/// How long ago the copies ended, and how long runs are kept then.
const AGE: SignedDuration = SignedDuration::from_hours(72);
/// Microseconds from the acceptance of one copy to that of the next.
const APART_US: u64 = 100;
const RETENTION: &str = "[engine]\nretention = \"48h\"\n";

/// Starts of which the middle one counts.
const STARTS: usize = 3;
/// Runs under way at the same time, and for how long.
const AT_ONCE: usize = 16;
const TIME: Duration = Duration::from_secs(3);

/// How long the removal may take.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// What was measured.
pub(super) struct History {
    runs: u64,
    without: Stand,
    with: Stand,
    /// While old runs are removed.
    purging: Stand,
    purged: Duration,
}

/// A start, and what runs take.
struct Stand {
    start: Start,
    latency: Latency,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Start {
    ready: Duration,
    /// What it had to read back.
    log_bytes: u64,
}

pub(super) async fn measure(runs: u64, screen: &Screen) -> Result<History, CliError> {
    let components = standard_steps::build_all(&["transform"], screen).await?;
    let mut server = LocalServer::start().await?;
    let client = server.client()?;
    standard_steps::publish_all(&client, &components).await?;
    client.put(&format!("/v1/workflows/{NAME}"), &workflow()).await?;
    let first = fleet::start(&client, NAME, 0..1).await?;
    fleet::come_to(&client, NAME, "succeeded", 1).await?;

    let task = screen.task("Starting without a history");
    let without = stand(&mut server).await?;
    task.done(&without);

    let task = screen.task(format!("Putting {runs} runs into the store"));
    server.kill().await?;
    let began = Instant::now();
    let copies = Copies { data: server.data(), of: id(&first[0].1)?, runs };
    let sample = copies.make().await.map_err(|source| CliError::failed("filling the store", source))?;
    task.done(format_args!("{:.0} a second", runs as f64 / began.elapsed().as_secs_f64()));

    let task = screen.task("Starting with them");
    fleet::restart(&mut server).await?;
    let with = stand(&mut server).await?;
    check(&server.client()?, &sample).await?;
    task.done(&with);

    let task = screen.task("Starting with them, and removing them");
    server.configure(RETENTION)?;
    let began = Instant::now();
    let start = start_again(&mut server).await?;
    let purging = Stand { start, latency: short_runs(&server).await? };
    task.done(&purging);
    let task = screen.task("Waiting until they are removed");
    let client = server.client()?;
    purged(&client, runs).await?;
    let purged = began.elapsed();
    check_gone(&client, &sample, &first[0].1).await?;
    task.done(format_args!("after {:.0} s", purged.as_secs_f64()));
    server.stop().await?;
    Ok(History { runs, without, with, purging, purged })
}

fn workflow() -> Value {
    json!({
        "name": NAME, "version": "1.0.0",
        "triggers": [{"http": {"path": format!("/{NAME}"), "method": "POST"}}],
        "nodes": {"it": {"step": "transform@^1", "config": {"template": "{{ input }}"}, "input": "{{ input }}"}},
        "output": {"number": "{{ nodes.it.output.number }}"},
    })
}

fn id(text: &str) -> Result<RunId, CliError> {
    text.parse().map_err(|source| CliError::failed("reading a run's id", source))
}

/// Measures runs, then kills the server and starts it again, a few times.
async fn stand(server: &mut LocalServer) -> Result<Stand, CliError> {
    let latency = short_runs(server).await?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(start_again(server).await?);
    }
    starts.sort_unstable();
    Ok(Stand { start: starts[STARTS / 2], latency })
}

async fn start_again(server: &mut LocalServer) -> Result<Start, CliError> {
    server.kill().await?;
    let log_bytes = log_bytes(&server.data().join("journal"))
        .map_err(|source| CliError::failed("measuring the journal's log", source))?;
    Ok(Start { ready: fleet::restart(server).await?, log_bytes })
}

/// What the journal's log files take up on disk: each is made longer than what is in it.
fn log_bytes(journal: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for file in journal.read_dir()? {
        let file = file?;
        if file.path().extension().is_some_and(|extension| extension == "jnl") {
            bytes += file.metadata()?.blocks() * 512;
        }
    }
    Ok(bytes)
}

async fn short_runs(server: &LocalServer) -> Result<Latency, CliError> {
    let load = scenario::load(NAME, server.connection())?;
    Ok(Latency::of(&load::drive(&load, AT_ONCE, TIME).await?))
}

/// Copies of a run, to be put into a store that nobody has open.
struct Copies {
    data: PathBuf,
    of: RunId,
    runs: u64,
}

impl Copies {
    /// Makes them; gives some of their ids, from the whole length.
    async fn make(self) -> Result<Vec<RunId>, StoreError> {
        let options = OpenOptions::new(self.data.clone());
        // A panic of the store is its own to tell.
        let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(&options)).await;
        let store = opened.map_err(|panic| StoreError::Corrupt {
            what: "the store".to_owned(),
            why: panic.to_string(),
        })??;
        let journal = store.journal();
        let sample = self.fill(&*journal).await?;
        journal.close().await?;
        Ok(sample)
    }

    async fn fill(&self, journal: &dyn Journal) -> Result<Vec<RunId>, StoreError> {
        let tenant = TenantId::default();
        let entries = journal.read(&tenant, self.of, 0, usize::MAX).await?;
        let Some(summary) = journal.summary(&tenant, self.of).await? else {
            return Err(StoreError::Corrupt {
                what: format!("run {}", self.of),
                why: "it is not there".to_owned(),
            });
        };
        let mut sample = Vec::new();
        let mut last = None;
        for number in 0..self.runs {
            let copy = copy(number, &entries, &summary);
            if number % self.runs.div_ceil(LOOKED_AT) == 0 {
                sample.push(copy.run);
            }
            last = Some(journal.append(copy));
            if number % PAGE == 0
                && let Some(last) = last.take()
            {
                last.durable().await?;
            }
        }
        if let Some(last) = last {
            last.durable().await?;
        }
        Ok(sample)
    }
}

/// A run that was accepted long ago, one after the other, and that lived as this one did. An id tells the time, too.
fn copy(number: u64, entries: &[Entry], of: &RunSummary) -> Append {
    let after = SignedDuration::from_micros(i64::try_from(number * APART_US).unwrap_or(0));
    let then = |time: Timestamp| time.saturating_sub(AGE - after).unwrap_or(Timestamp::MIN);
    let accepted_at = then(of.accepted_at);
    let seconds = u64::try_from(accepted_at.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(accepted_at.subsec_nanosecond()).unwrap_or(0);
    let run = RunId(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds)));
    let entries = entries.iter().map(|entry| Entry { at: then(entry.at), ..entry.clone() });
    let ended_at = of.ended_at.map(then);
    Append {
        tenant: TenantId::default(),
        run,
        entries: entries.collect(),
        summary: Some(RunSummary { id: run, accepted_at, ended_at, ..of.clone() }),
        marks: Vec::new(),
    }
}

/// The copies are runs like others: the server tells what became of each.
async fn check(client: &Client, sample: &[RunId]) -> Result<(), CliError> {
    for run in sample {
        let view = client.get(&format!("/v1/runs/{run}")).await?;
        if view["output"] != json!({"number": 0}) {
            return Err(CliError::failed(
                "the check failed",
                format!("the run {run} gave {}", view["output"]),
            ));
        }
    }
    Ok(())
}

/// Those whose time is over are gone, and another is not.
async fn check_gone(client: &Client, sample: &[RunId], kept: &str) -> Result<(), CliError> {
    for run in sample {
        if client.get(&format!("/v1/runs/{run}")).await.is_ok() {
            return Err(CliError::failed("the check failed", format!("the run {run} is still there")));
        }
    }
    client.get(&format!("/v1/runs/{kept}")).await.map(|_| ())
}

/// Returns once the server says that it has removed so many runs.
async fn purged(client: &Client, wanted: u64) -> Result<(), CliError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let metrics = client.get_bytes("/metrics").await?;
        let metrics = String::from_utf8_lossy(&metrics);
        let purged = metrics.lines().find_map(|line| line.strip_prefix("stepwell_runs_purged_total "));
        let purged: u64 = purged.and_then(|count| count.parse().ok()).unwrap_or(0);
        if purged == wanted {
            return Ok(());
        }
        if purged > wanted || Instant::now() > until {
            let verdict = format!("{purged} runs were removed, and {wanted} were to be");
            return Err(CliError::failed("the check failed", verdict));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

impl std::fmt::Display for Stand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ready after {}, p99 {:.1} ms", self.start, self.latency.p99)
    }
}

impl std::fmt::Display for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} s ({} MB of log)", self.ready.as_secs_f64(), self.log_bytes / 1_000_000)
    }
}

impl History {
    pub(super) fn to_json(&self) -> Value {
        let stand = |of: &Stand| {
            json!({
                "ready_s": of.start.ready.as_secs_f64(),
                "log_bytes": of.start.log_bytes,
                "latency_ms": of.latency,
            })
        };
        json!({
            "runs": self.runs,
            "without": stand(&self.without),
            "with": stand(&self.with),
            "purging": stand(&self.purging),
            "purged_s": self.purged.as_secs_f64(),
        })
    }

    pub(super) fn to_table(&self) -> String {
        let row = |name: String, of: &Stand| {
            let Latency { p50, p99, .. } = of.latency;
            [name, of.start.to_string(), format!("{p50:.1} / {p99:.1} ms")]
        };
        let rows = [
            row("a store without a history".to_owned(), &self.without),
            row(format!("with {} runs that ended", self.runs), &self.with),
            row("... while they are removed".to_owned(), &self.purging),
            ["all removed".to_owned(), format!("after {:.0} s", self.purged.as_secs_f64()), String::new()],
        ];
        let runs = format!("RUNS, {AT_ONCE} IN FLIGHT (P50 / P99)");
        screen::table(["", "READY AFTER", runs.as_str()], rows)
    }
}
