//! How long one durable append takes, and how many there are a second, with 1, 64 and 1,024 writers that each wait for their own.
//!
//! `cargo bench -p stepwell-store`, on a disk that is a disk: in a temporary folder that is memory nothing is synced.
#![expect(clippy::unwrap_used, reason = "a panic is how a benchmark fails")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId};
use stepwell_core::run::{Entry, Event};
use stepwell_store::{Append, EmbeddedStore, Journal, OpenOptions};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Bytes of an event's text: with its names and numbers an event has about 300.
const TEXT: usize = 200;

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 64, 1024], sample_count = 50)]
fn append(bencher: Bencher<'_, '_>, writers: usize) {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let folder = tempfile::tempdir_in(target).unwrap();
    let store = EmbeddedStore::open(&OpenOptions::new(folder.path())).unwrap();
    let writers: Vec<Writer> = (0..writers).map(|_| Writer::new(store.journal())).collect();
    let runtime = Runtime::new().unwrap();
    bencher.counter(ItemsCount::new(writers.len())).bench(|| {
        runtime.block_on(async {
            let mut appends = tokio::task::JoinSet::new();
            for writer in &writers {
                appends.spawn(writer.clone().append());
            }
            appends.join_all().await
        })
    });
}

/// Whoever writes one run's journal.
#[derive(Clone)]
struct Writer {
    journal: Arc<dyn Journal>,
    run: RunId,
    next: Arc<AtomicU64>,
}

impl Writer {
    fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, run: RunId(Uuid::now_v7()), next: Arc::default() }
    }

    async fn append(self) {
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let event = Event::CancelRequested { reason: Some("x".repeat(TEXT)) };
        let entries = vec![Entry { seq, at: Timestamp::UNIX_EPOCH, event }];
        let batch =
            Append { tenant: TenantId::default(), run: self.run, entries, summary: None, marks: Vec::new() };
        self.journal.append(batch).durable().await.unwrap();
    }
}
