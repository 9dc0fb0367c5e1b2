//! What the host keeps for one guest while it runs: the data of its store.

use std::sync::Arc;

use stepwell_core::attempt::{Account, Decision, ModelCall};
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::grant::Grants;
use stepwell_core::limits::{LimitKind, Limits};
use stepwell_core::wildcard::Wildcard;
use tokio::time::Instant;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;

use crate::attempt::{AttemptContext, AttemptHost};
use crate::blob::BlobSession;
use crate::capability::state;
use crate::effects::Effects;
use crate::http::{Errand, HttpSession};
use crate::lives::{Past, Said};
use crate::log::Log;
use crate::meter::Meter;
use crate::wasi::WasiGuest;

/// Everything that host functions reach for one guest.
pub(crate) struct GuestState {
    pub(crate) phase: Phase,
    pub(crate) host: Arc<dyn AttemptHost>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) effects: Arc<Effects>,
    pub(crate) errand: Arc<Errand>,
    pub(crate) log: Arc<Log>,
    pub(crate) usage: Vec<ModelCall>,
    /// Chunks of progress.
    pub(crate) chunks: usize,
    /// What the host heard from earlier lives of the attempt.
    pub(crate) heard: Said,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) memory: MemoryLimiter,
    /// The resources of the contract's interfaces; WASI has its own.
    pub(crate) table: ResourceTable,
    /// When this life of the attempt began.
    pub(crate) began: Instant,
    /// Keys of the state that it may use.
    pub(crate) granted_keys: Vec<Wildcard>,
    /// Made when the guest first calls WASI: most never do.
    pub(crate) wasi: Option<Box<WasiGuest>>,
}

/// What the guest was called for.
pub(crate) enum Phase {
    /// `describe`: it may write to the log, and nothing else.
    Describe,
    /// `run`.
    Run(Work),
}

/// What only a guest at work has, whichever of its attempt's lives it is.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) context: AttemptContext,
    /// Only for components that import `http`.
    pub(crate) http: Option<Arc<HttpSession>>,
    /// Only for components that import `blob` or `http`.
    pub(crate) blobs: Option<Arc<BlobSession>>,
}

impl GuestState {
    /// A guest that describes itself, until it is given work.
    pub(crate) fn new(host: Arc<dyn AttemptHost>, limits: &Limits, past: Past) -> Self {
        let Past { effects, meter, said } = past;
        Self {
            phase: Phase::Describe,
            effects,
            errand: Arc::default(),
            log: Arc::new(Log::new(Arc::clone(&host), Arc::clone(&meter), said.lines)),
            host,
            meter,
            usage: Vec::new(),
            chunks: 0,
            heard: said,
            decisions: Vec::new(),
            memory: MemoryLimiter::new(*limits),
            table: ResourceTable::new(),
            began: Instant::now(),
            granted_keys: Vec::new(),
            wasi: None,
        }
    }

    /// This guest is to work.
    pub(crate) fn at_work(self, work: Work, grants: &Grants) -> Self {
        Self { phase: Phase::Run(work), granted_keys: state::granted(grants), ..self }
    }

    /// Every host function of the contract begins with this: the call is counted, and refused where the guest has
    /// no business with the world.
    pub(crate) fn enter(&self, function: &'static str) -> Result<&Work, Failure> {
        self.meter.host_calls.take(1)?;
        match &self.phase {
            Phase::Run(work) => Ok(work),
            Phase::Describe => Err(Failure::new(
                FailureKind::Permanent,
                format!(
                    "`describe` called `{function}`: it must answer from what the step is, not from the world"
                ),
            )),
        }
    }

    /// The guest has ended: writes the line that it left unfinished, and checks that it left no question open.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        if let Some(wasi) = &mut self.wasi {
            wasi.finish()?;
        }
        if let Phase::Run(Work { http: Some(http), .. }) = &self.phase {
            http.give_up_streams()?;
        }
        self.effects.check_all_asked()
    }

    /// How much it said to its host.
    pub(crate) fn said(&self) -> Said {
        Said { lines: self.log.len(), calls: self.usage.len(), chunks: self.chunks }
    }

    /// The bill; fuel and time are added by who measured them.
    pub(crate) fn into_account(self) -> Account {
        Account {
            effects: self.effects.count(),
            usage: self.usage,
            decisions: self.decisions,
            log: self.log.take(),
            ..Account::default()
        }
    }
}

/// Holds a guest to its limits of memory and tables, with an error that says so.
///
/// Both limits are for all memories and all tables of the component together.
pub(crate) struct MemoryLimiter {
    limits: Limits,
    memory: u64,
    tables: u64,
}

impl MemoryLimiter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, memory: 0, tables: 0 }
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        grow(&mut self.memory, current, desired, maximum, self.limits.memory_bytes, LimitKind::MemoryBytes)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        grow(
            &mut self.tables,
            current,
            desired,
            maximum,
            self.limits.table_elements,
            LimitKind::TableElements,
        )
    }
}

fn grow(
    used: &mut u64,
    current: usize,
    desired: usize,
    maximum: Option<usize>,
    limit: u64,
    kind: LimitKind,
) -> wasmtime::Result<bool> {
    let total = used.saturating_add((desired - current) as u64);
    if total > limit {
        return Err(Failure::limit(kind, limit).into());
    }
    // Beyond what the module itself declares, `memory.grow` says no and the guest goes on.
    let allowed = maximum.is_none_or(|maximum| desired <= maximum);
    if allowed {
        *used = total;
    }
    Ok(allowed)
}
