//! What the recorded process does: it opens a store, writes from many sides, says what was acknowledged, closes, and does it again.

use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use stepwell_core::id::TenantId;
use stepwell_core::run::RunStatus;

use super::super::open;
use crate::conformance::samples;
use crate::{Accepted, Append, Catalogue, Journal, Mark, MarkChange, MarkKind, Reason, Release};

/// What the process was told by the store, and tells us.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Told {
    /// So many entries of a run are on disk.
    Run { n: u32, entries: u64 },
    /// A mark has at least this value.
    Mark { key: String, value: u64 },
    /// A mark was removed for good.
    Gone { key: String },
    /// A step and its component were kept.
    Step { n: u32 },
    /// A workflow was kept.
    Workflow { n: u32 },
    /// A secret has at least this value.
    Secret { value: u64 },
    /// From here on runs that have ended may be missing.
    Purging,
}

impl Told {
    fn say(self) {
        let line = format!("@ {}\n", serde_json::to_string(&self).unwrap());
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).unwrap();
    }

    /// What a piece of output tells, beside what the test harness writes.
    pub(super) fn parse(output: &str) -> impl Iterator<Item = Self> {
        output
            .lines()
            .filter_map(|line| line.split_once("@ "))
            .map(|(_, told)| serde_json::from_str(told).unwrap())
    }
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount {
    pub(super) lives: u32,
    pub(super) writers: u32,
    pub(super) runs: u32,
    /// Marks with large bodies: so many that tables are written out.
    pub(super) large_marks: u32,
}

/// Lives that often on a folder.
pub(super) fn live(folder: &Path, amount: Amount) {
    for life in 0..amount.lives {
        live_once(folder, life, amount);
    }
}

fn live_once(folder: &Path, life: u32, amount: Amount) {
    let store = open(folder).unwrap();
    let (journal, catalogue) = (store.journal(), store.catalogue());
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..amount.writers {
            let journal = store.journal();
            tasks.spawn(async move {
                for run in 0..amount.runs {
                    let n = (life * amount.writers + writer) * amount.runs + run;
                    live_one_run(&*journal, n, Told::say).await;
                }
            });
        }
        tasks.spawn({
            let journal = store.journal();
            async move { note(&*journal, life, amount.large_marks).await }
        });
        tasks.spawn(async move { write_catalogue(&*catalogue, life).await });
        tasks.join_all().await;
        Told::Purging.say();
        journal.purge(samples::at(1_000), 3).await.unwrap();
        journal.close().await.unwrap();
    });
}

/// A run of five entries, whose start is claimed, and which waits for a timer in between.
pub(super) async fn live_one_run(journal: &dyn Journal, n: u32, tell: impl Fn(Told)) {
    let (tenant, run, workflow) = (TenantId::default(), samples::run(n), samples::workflow("triage"));
    let claim = samples::claim(&workflow, &format!("key {n}"), "request");
    let accepted = journal.accept(samples::first_batch(&tenant, run, &workflow), claim).await.unwrap();
    assert_eq!(accepted, Accepted::New);
    tell(Told::Run { n, entries: 1 });
    let (timer, key) = (samples::mark(MarkKind::Timer, &timer_of(n), Some(samples::at(n))), timer_of(n));
    let waits = Append {
        marks: vec![MarkChange::Put(Mark { run: Some(run), ..timer })],
        ..samples::middle_batch(&tenant, run, 1..4)
    };
    journal.append(waits).durable().await.unwrap();
    tell(Told::Run { n, entries: 4 });
    let ends = Append {
        marks: vec![MarkChange::Remove { kind: MarkKind::Timer, key }],
        ..samples::last_batch(&tenant, run, &workflow, 4, RunStatus::Succeeded)
    };
    journal.append(ends).durable().await.unwrap();
    tell(Told::Run { n, entries: 5 });
}

pub(super) fn timer_of(run: u32) -> String {
    format!("timer of {run}")
}

/// One mark that counts, and others with large bodies, some of which go again.
async fn note(journal: &dyn Journal, life: u32, large: u32) {
    let tenant = TenantId::default();
    for n in 0..large {
        let value = u64::from(life * large + n);
        let key = format!("large {value}");
        // Larger than what a disk writes at once, and smaller than what fjall compresses.
        put(journal, &tenant, "count", value, 3_000).await;
        Told::Mark { key: "count".to_owned(), value }.say();
        put(journal, &tenant, &key, value, 25_000).await;
        if n % 3 != 0 {
            Told::Mark { key, value }.say();
        } else {
            let remove = MarkChange::Remove { kind: MarkKind::Outbox, key: key.clone() };
            journal.note(&tenant, vec![remove]).durable().await.unwrap();
            Told::Gone { key }.say();
        }
    }
}

async fn put(journal: &dyn Journal, tenant: &TenantId, key: &str, value: u64, padding: usize) {
    let body = json!({"value": value, "padding": noise(value, padding)});
    let mark = Mark { kind: MarkKind::Outbox, key: key.to_owned(), run: None, due: None, body };
    journal.note(tenant, vec![MarkChange::Put(mark)]).durable().await.unwrap();
}

/// Text that does not compress.
pub(super) fn noise(seed: u64, bytes: usize) -> String {
    let digest = |n: usize| stepwell_core::digest::Digest::of(format!("{seed} {n}").as_bytes()).to_hex();
    (0..bytes / 64).map(digest).collect()
}

async fn write_catalogue(catalogue: &dyn Catalogue, life: u32) {
    let tenant = TenantId::default();
    for n in life * 3..life * 3 + 3 {
        let component = component(n);
        let version = format!("{n}.0.0");
        catalogue
            .put_step(&tenant, &samples::published("llm-chat", &version, &component), &component)
            .await
            .unwrap();
        Told::Step { n }.say();
        // Large enough for a file of its own, for one in two.
        let text = noise(u64::from(n), if n % 2 == 0 { 300_000 } else { 1_000 });
        let applied = samples::applied("triage", &version, json!({"text": text}), n);
        catalogue.put_workflow(&tenant, &applied, Release::Current(Reason::Applied)).await.unwrap();
        Told::Workflow { n }.say();
        catalogue.put_secret(&tenant, &samples::secret("KEY"), &n.to_string().into()).await.unwrap();
        Told::Secret { value: n.into() }.say();
    }
}

pub(super) fn component(n: u32) -> Vec<u8> {
    noise(u64::from(n), 10_000).into_bytes()
}
