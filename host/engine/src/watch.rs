//! Watching a run: its journal from any point on, then what happens, until it has ended.
//!
//! A watcher pulls: it learns that there is news, waits until the news is on disk, and reads it from the journal like what was
//! kept before. So it sees nothing that a crash could take back, and a slow one costs nobody anything. What guests say
//! meanwhile (progress, log lines) is passed on as it comes and is lost to who is not there or too slow.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::Stream;
use serde_json::Value;
use stepwell_core::attempt::LogLine;
use stepwell_core::id::{AttemptNumber, NodeId, Part, RunId, TenantId};
use stepwell_core::run::Entry;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::live::LiveRun;
use crate::{Engine, EngineError, Phase, Shared};

const ENTRIES_A_PAGE: usize = 256;

/// What a watcher of a run sees.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchItem {
    /// A line of the journal, on disk.
    Entry(Entry),
    /// A chunk that a guest handed out. Not kept.
    Progress {
        /// The node.
        node: NodeId,
        /// Which part of its work.
        part: Part,
        /// Which attempt.
        attempt: AttemptNumber,
        /// The chunk.
        chunk: Value,
    },
    /// A line that a guest logs. Kept with the attempt's outcome.
    Log {
        /// The node.
        node: NodeId,
        /// Which part of its work.
        part: Part,
        /// Which attempt.
        attempt: AttemptNumber,
        /// The line.
        line: LogLine,
    },
}

impl Engine {
    /// The run's journal behind `after` (all of it, for none), then what happens, until the run has ended. None: there
    /// is no such run. When the engine stops, the stream ends before the run does.
    pub async fn watch(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: Option<u64>,
    ) -> Result<Option<impl Stream<Item = Result<WatchItem, EngineError>> + Send + use<>>, EngineError> {
        let live = self.0.runs.get(tenant, run);
        if live.is_none() && self.0.journal.summary(tenant, run).await?.is_none() {
            return Ok(None);
        }
        let watcher = Watcher {
            engine: Arc::clone(&self.0),
            tenant: tenant.clone(),
            run,
            next: after.map_or(0, |seq| seq.saturating_add(1)),
            page: VecDeque::new(),
            chatter: live.as_deref().map(LiveRun::listen),
            done: false,
        };
        Ok(Some(futures::stream::unfold(watcher, |mut watcher| async move {
            let item = watcher.next().await?;
            Some((item, watcher))
        })))
    }
}

struct Watcher {
    engine: Arc<Shared>,
    tenant: TenantId,
    run: RunId,
    /// The entry that is to come next.
    next: u64,
    /// Entries that were read and not yet given out.
    page: VecDeque<Entry>,
    chatter: Option<Receiver<WatchItem>>,
    done: bool,
}

/// What a look for more came to.
enum Found {
    /// Entries, on the page.
    Entries,
    /// Something that a guest said.
    Said(Box<WatchItem>),
    /// There is news, or the run came into memory or left it: look again.
    Nothing,
    /// The run will not go on while this engine lives.
    End,
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<WatchItem, EngineError>> {
        loop {
            // First, so that what was said during an attempt comes before the attempt's end.
            if let Some(item) = self.overheard() {
                return Some(Ok(item));
            }
            if let Some(entry) = self.page.pop_front() {
                self.next = entry.seq + 1;
                return Some(Ok(WatchItem::Entry(entry)));
            }
            if self.done {
                return None;
            }
            match self.look().await {
                Ok(Found::Entries | Found::Nothing) => {}
                Ok(Found::Said(item)) => return Some(Ok(*item)),
                Ok(Found::End) => return None,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
    }

    /// What was said meanwhile.
    fn overheard(&mut self) -> Option<WatchItem> {
        let chatter = self.chatter.as_mut()?;
        loop {
            match chatter.try_recv() {
                Ok(item) => return Some(item),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Closed) => {
                    // Of an earlier life of the run.
                    self.chatter = None;
                    return None;
                }
            }
        }
    }

    async fn look(&mut self) -> Result<Found, EngineError> {
        let engine = Arc::clone(&self.engine);
        match engine.runs.get(&self.tenant, self.run) {
            Some(live) => self.look_at(&live).await,
            None => self.look_back().await,
        }
    }

    /// At a run in memory: what it recorded, once that is on disk; else whatever comes first.
    async fn look_at(&mut self, live: &LiveRun) -> Result<Found, EngineError> {
        let mut news = Box::pin(live.news.notified());
        news.as_mut().enable();
        if live.has_left() {
            return Ok(Found::Nothing);
        }
        let known = live.ledger().state().next_seq();
        if known > self.next {
            live.durable().await?;
            return self.read(known - self.next).await;
        }
        let chatter = self.chatter.get_or_insert_with(|| live.listen());
        tokio::select! {
            biased;
            said = chatter.recv() => Ok(match said {
                Ok(item) => Found::Said(Box::new(item)),
                Err(RecvError::Lagged(_) | RecvError::Closed) => Found::Nothing,
            }),
            () = news => Ok(Found::Nothing),
        }
    }

    /// At a run that is not in memory: what the journal has of it; else its coming back.
    async fn look_back(&mut self) -> Result<Found, EngineError> {
        let engine = Arc::clone(&self.engine);
        let mut arrival = Box::pin(engine.arrivals.notified());
        arrival.as_mut().enable();
        if let Found::Entries = self.read(u64::MAX).await? {
            return Ok(Found::Entries);
        }
        if self.has_ended().await? || engine.phase() != Phase::Open {
            return Ok(Found::End);
        }
        if engine.runs.get(&self.tenant, self.run).is_none() {
            self.chatter = None;
            arrival.await;
        }
        Ok(Found::Nothing)
    }

    async fn read(&mut self, at_most: u64) -> Result<Found, EngineError> {
        let limit = usize::try_from(at_most).unwrap_or(usize::MAX).min(ENTRIES_A_PAGE);
        self.page = self.engine.journal.read(&self.tenant, self.run, self.next, limit).await?.into();
        Ok(if self.page.is_empty() { Found::Nothing } else { Found::Entries })
    }

    /// Whether there is nothing more to come: the run's last end was told, and nobody has let it go on since.
    async fn has_ended(&self) -> Result<bool, EngineError> {
        let summary = self.engine.journal.summary(&self.tenant, self.run).await?;
        Ok(summary.is_none_or(|summary| summary.ended_at.is_some()))
    }
}
