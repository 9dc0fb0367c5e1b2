//! WASI 0.2 for components whose toolchain always imports it: linked, but empty and deterministic.
//!
//! There are no files, no sockets, no environment and no arguments. Standard output and error go to the
//! log. Random numbers are seeded from the attempt, and the clocks show a time of the attempt's own, so that
//! a replayed attempt sees again what it saw the first time. HTTP requests go through the gate of [`crate::http`].

mod clock;
mod http;
mod output;

use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::SeedableRng;
use stepwell_core::attempt::LogLevel;
use stepwell_core::digest::Digest;
use stepwell_core::failure::Failure;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use self::clock::{Clock, ClockView};
use self::http::HttpGate;
use self::output::LogStream;
use crate::guest::{GuestState, Phase, Work};

/// Most random bytes, and most bytes written, in one call.
const MAX_CALL_BYTES: usize = 64 << 10;

/// Links WASI, with a monotonic clock of our own.
pub(crate) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
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
    http: WasiHttpCtx,
    gate: HttpGate,
    table: ResourceTable,
    clock: Clock,
    output: [LogStream; 2],
}

impl WasiGuest {
    fn new(state: &GuestState) -> Self {
        let (seed, started) = match &state.phase {
            Phase::Describe => ("describe".to_owned(), Duration::ZERO),
            Phase::Run(work) => (work.context.idempotency_key(), started(work)),
        };
        let clock = Clock::new(started, Arc::clone(&state.errand));
        let stdout = LogStream::new(&state.log, LogLevel::Info, "stdout");
        let stderr = LogStream::new(&state.log, LogLevel::Warn, "stderr");
        let ctx = WasiCtx::builder()
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .wall_clock(clock.clone())
            .secure_random(random(&seed, "secure"))
            .insecure_random(random(&seed, "insecure"))
            .insecure_random_seed(u128::from_le_bytes(first_half(&derive(&seed, "seed"))))
            .max_random_size(MAX_CALL_BYTES as u64)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let (http, gate, table) = (WasiHttpCtx::new(), HttpGate::new(state), ResourceTable::new());
        Self { ctx, http, gate, table, clock, output: [stdout, stderr] }
    }

    /// Nothing more will be written: what was begun is a line.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.output.iter().try_for_each(|stream| stream.writer().finish())
    }
}

impl GuestState {
    /// Counts a call of WASI and gives what it works on. There is no way to refuse the call here: one too many
    /// ends the attempt from outside.
    fn wasi(&mut self) -> &mut WasiGuest {
        if let Err(failure) = self.meter.host_calls.take(1) {
            self.meter.end(failure);
        }
        let wasi = self.wasi.take().unwrap_or_else(|| Box::new(WasiGuest::new(self)));
        self.wasi.insert(wasi)
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let wasi = self.wasi();
        WasiHttpCtxView { ctx: &mut wasi.http, table: &mut wasi.table, hooks: &mut wasi.gate }
    }
}

/// Since the Unix epoch; what lies before it is the epoch.
fn started(work: &Work) -> Duration {
    Duration::try_from(work.context.started_at.as_duration()).unwrap_or(Duration::ZERO)
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
