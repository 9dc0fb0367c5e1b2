//! The clocks of one guest: they start with the attempt, and tell the same when it is replayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::HostWallClock;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::http::Errand;

/// How far the clock goes on when it is read: a program that measures time never divides by zero, and one that
/// waits by reading the clock ends.
const TICK_NANOS: u64 = 1_000;

/// Time as the guest sees it: it starts with the attempt, and goes on by being read and by being waited for.
#[derive(Clone)]
pub(super) struct Clock {
    started: Duration,
    elapsed_nanos: Arc<AtomicU64>,
    errand: Arc<Errand>,
}

impl Clock {
    /// A clock that starts at a time since the Unix epoch.
    pub(super) fn new(started: Duration, errand: Arc<Errand>) -> Self {
        Self { started, elapsed_nanos: Arc::default(), errand }
    }

    fn read(&self) -> u64 {
        self.elapsed_nanos.fetch_add(TICK_NANOS, Ordering::Relaxed)
    }

    fn peek(&self) -> u64 {
        self.elapsed_nanos.load(Ordering::Relaxed)
    }

    fn advance_to(&self, nanos: u64) {
        self.elapsed_nanos.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(TICK_NANOS)
    }

    fn now(&self) -> Duration {
        self.started + Duration::from_nanos(self.read())
    }
}

impl HasData for Clock {
    type Data<'a> = ClockView<'a>;
}

pub(super) struct ClockView<'a> {
    pub(super) clock: &'a Clock,
    pub(super) table: &'a mut ResourceTable,
}

impl ClockView<'_> {
    fn subscribe(&mut self, due_nanos: u64) -> wasmtime::Result<Resource<DynPollable>> {
        // Another guest in its place would wait for all of it once more.
        self.clock.errand.stay();
        let left = Duration::from_nanos(due_nanos.saturating_sub(self.clock.peek()));
        let due = Instant::now().checked_add(left);
        let timer = Timer { clock: self.clock.clone(), due_nanos, due, yielded: false };
        let timer = self.table.push(timer)?;
        subscribe(self.table, timer)
    }
}

impl monotonic_clock::Host for ClockView<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock.read())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(TICK_NANOS)
    }

    fn subscribe_instant(&mut self, due_nanos: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe(due_nanos)
    }

    fn subscribe_duration(&mut self, nanos: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe(self.clock.peek().saturating_add(nanos))
    }
}

/// Waits in real time, then moves the guest's time.
struct Timer {
    clock: Clock,
    due_nanos: u64,
    /// None: later than there is time.
    due: Option<Instant>,
    yielded: bool,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
        if !self.yielded {
            // A guest that polls in a busy loop must let others go first.
            self.yielded = true;
            tokio::task::yield_now().await;
        }
        self.clock.advance_to(self.due_nanos);
    }
}
