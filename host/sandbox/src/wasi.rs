//! WASI 0.2 for components whose toolchain always imports it: linked, but empty and deterministic.
//!
//! There are no files, no sockets, no environment and no arguments. Standard output and error go to the
//! log. Random numbers are seeded from the attempt, and the clocks show a time of the attempt's own, so that
//! a replayed attempt sees again what it saw the first time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chacha20::ChaCha12Rng;
use chacha20::rand_core::SeedableRng;
use stepwell_core::attempt::LogLevel;
use stepwell_core::digest::Digest;
use stepwell_core::failure::Failure;
use tokio::time::Instant;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamError, StreamResult, subscribe};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::guest::{GuestState, Phase};
use crate::log::{LineWriter, Log};

/// Most random bytes, and most bytes written, in one call.
const MAX_CALL_BYTES: usize = 64 << 10;

/// How far the clock goes on when it is read: a program that measures time never divides by zero, and one that
/// waits by reading the clock ends.
const TICK_NANOS: u64 = 1_000;

/// Links WASI, with a monotonic clock of our own.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<GuestState, Clock>(linker, |state| {
        let wasi = state.wasi();
        ClockView { clock: &wasi.clock, table: &mut wasi.table }
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What one guest has of WASI.
pub(crate) struct WasiGuest {
    ctx: WasiCtx,
    table: ResourceTable,
    clock: Clock,
    output: [LogStream; 2],
}

impl WasiGuest {
    /// `seed` is the same for every life of an attempt; so is `started`, since the Unix epoch.
    fn new(seed: &str, started: Duration, log: &Arc<Log>) -> Self {
        let clock = Clock { started, elapsed_nanos: Arc::default() };
        let stdout = LogStream::new(log, LogLevel::Info, "stdout");
        let stderr = LogStream::new(log, LogLevel::Warn, "stderr");
        let ctx = WasiCtx::builder()
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .wall_clock(clock.clone())
            .secure_random(random(seed, "secure"))
            .insecure_random(random(seed, "insecure"))
            .insecure_random_seed(u128::from_le_bytes(first_half(&derive(seed, "seed"))))
            .max_random_size(MAX_CALL_BYTES as u64)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        Self { ctx, table: ResourceTable::new(), clock, output: [stdout, stderr] }
    }

    /// Nothing more will be written: what was begun is a line.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.output.iter().try_for_each(|stream| stream.writer().finish())
    }
}

impl GuestState {
    /// Counts a call of WASI and gives what it works on.
    ///
    /// There is no way to refuse the call here; whoever drives the guest sees the overdrawn counter and ends it.
    fn wasi(&mut self) -> &mut WasiGuest {
        self.meter.host_calls.take(1).ok();
        self.wasi.get_or_insert_with(|| {
            Box::new(match &self.phase {
                Phase::Describe => WasiGuest::new("describe", Duration::ZERO, &self.log),
                Phase::Run(work) => {
                    let started = work.context.started_at.as_duration();
                    let started = Duration::try_from(started).unwrap_or(Duration::ZERO);
                    WasiGuest::new(&work.context.idempotency_key(), started, &self.log)
                }
            })
        })
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

fn random(seed: &str, purpose: &str) -> ChaCha12Rng {
    ChaCha12Rng::from_seed(*derive(seed, purpose).as_bytes())
}

fn derive(seed: &str, purpose: &str) -> Digest {
    Digest::of(format!("wasi:random {purpose} {seed}").as_bytes())
}

fn first_half(digest: &Digest) -> [u8; 16] {
    std::array::from_fn(|i| digest.as_bytes()[i])
}

/// Time as the guest sees it: it starts with the attempt, and goes on by being read and by being waited for.
#[derive(Clone)]
struct Clock {
    started: Duration,
    elapsed_nanos: Arc<AtomicU64>,
}

impl Clock {
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

struct ClockView<'a> {
    clock: &'a Clock,
    table: &'a mut ResourceTable,
}

impl ClockView<'_> {
    fn subscribe(&mut self, due_nanos: u64) -> wasmtime::Result<Resource<DynPollable>> {
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

/// Standard output or error: lines of the attempt's log.
#[derive(Clone)]
struct LogStream(Arc<Mutex<LineWriter>>);

impl LogStream {
    fn new(log: &Arc<Log>, level: LogLevel, stream: &'static str) -> Self {
        Self(Arc::new(Mutex::new(LineWriter::new(Arc::clone(log), level, stream))))
    }

    fn writer(&self) -> MutexGuard<'_, LineWriter> {
        // Bytes that a panic left behind are still bytes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.1 and 0.3 ask for it, and neither is linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.writer().write(&bytes).map_err(|failure| StreamError::Trap(failure.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_CALL_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}
