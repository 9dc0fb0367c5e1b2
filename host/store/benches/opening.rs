//! How long it takes to open a store: an empty one, and one with many runs that ended. It should be the same.
//!
//! `cargo bench -p stepwell-store --bench opening`; `STEPWELL_BENCH_RUNS=1000000` for a long history.
#![expect(clippy::unwrap_used, reason = "a panic is how a benchmark fails, and stderr how it speaks")]

use std::path::PathBuf;

use divan::Bencher;
use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::{Entry, Event, RunStatus};
use stepwell_store::{Append, EmbeddedStore, OpenOptions, RunSummary};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Entries of a run, of about 300 bytes each.
const ENTRIES: u64 = 8;
const TEXT: usize = 200;
/// Runs that are handed over before the first of them is waited for.
const IN_FLIGHT: usize = 4_000;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn empty(bencher: Bencher<'_, '_>) {
    open(bencher, 0);
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn with_history(bencher: Bencher<'_, '_>) {
    let runs = std::env::var("STEPWELL_BENCH_RUNS").map_or(20_000, |runs| runs.parse().unwrap());
    open(bencher, runs);
}

fn open(bencher: Bencher<'_, '_>, runs: usize) {
    let folder = tempfile::tempdir_in(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let options = OpenOptions::new(folder.path());
    fill(&options, runs);
    bencher.bench_local(|| EmbeddedStore::open(&options).unwrap());
}

/// Lives and ends so many runs.
fn fill(options: &OpenOptions, runs: usize) {
    let store = EmbeddedStore::open(options).unwrap();
    let journal = store.journal();
    Runtime::new().unwrap().block_on(async {
        let mut left = runs;
        while left > 0 {
            let page = left.min(IN_FLIGHT);
            let last = (0..page).map(|_| journal.append(whole_run())).reduce(|_, last| last);
            last.unwrap().durable().await.unwrap();
            left -= page;
        }
        journal.close().await.unwrap();
    });
}

fn whole_run() -> Append {
    let (run, now) = (RunId(Uuid::now_v7()), Timestamp::now());
    let event = || Event::CancelRequested {
        reason: Some("x".repeat(TEXT)),
        grace_ms: 0,
        compensate: false,
        by: None,
    };
    let summary = RunSummary {
        id: run,
        workflow: "triage".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        status: RunStatus::Succeeded,
        accepted_at: now,
        ended_at: Some(now),
    };
    Append {
        tenant: TenantId::default(),
        run,
        entries: (0..ENTRIES).map(|seq| Entry { seq, at: now, event: event() }).collect(),
        summary: Some(summary),
        marks: Vec::new(),
    }
}
