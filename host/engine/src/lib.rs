//! Drives runs: core decides, sandbox executes, store remembers.
//!
//! An [`Engine`] is one object that the server holds: steps are published to it, workflows applied, runs started, watched
//! and cancelled. Each run that lives has a task of its own, which goes round one small loop (`drive`): decide, execute, journal,
//! apply. A run that was interrupted by a crash is folded from its journal and goes round the same loop.
//!
//! What the engine promises:
//!
//! - What it acknowledges is on disk: a start, an end, a cancellation.
//! - An effect starts only when all that it depends on is on disk; its answer is journalled at once and, after a
//!   crash, is given to the guest again instead of being asked for again.
//! - Between effect-free nodes nothing is waited for.
//! - A run whose journal fails is told to nobody as ended: it leaves memory and comes back from what is on disk.
//!
//! This crate knows no HTTP and no files. Time and tasks are tokio's.

mod ai;
mod apply;
mod attempt;
mod attempts;
mod blobs;
mod children;
mod clock;
mod config;
mod control;
mod credentials;
mod destinations;
mod drive;
mod error;
mod events;
mod gate;
mod hooks;
mod ledger;
mod live;
mod marks;
mod memo;
mod meters;
mod mint;
mod outbox;
mod pauses;
mod plans;
mod publish;
mod read;
mod recovery;
mod release;
pub mod replay;
mod retention;
mod schedules;
mod slots;
mod start;
mod state;
mod stats;
mod steps;
mod subworkflows;
mod surroundings;
mod timers;
mod triggers;
mod watch;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use stepwell_core::id::{RunId, TenantId};
use stepwell_sandbox::Sandbox;
use stepwell_store::{Catalogue, Journal};
use tokio::sync::{Notify, mpsc, watch as signal};
use tokio_util::task::TaskTracker;

pub use ai::{AiQuery, AiReport};
pub use apply::Applied;
pub use blobs::{BlobFault, BlobInfo, BlobUpload};
pub use config::{BlobConfig, EngineConfig};
pub use control::{
    ApprovalAnswer, ApprovalError, CallbackError, Cancel, CancelOutcome, ControlError, DeadLetterError,
    NotAsked, Reopen, ReopenError,
};
pub use destinations::{BreakerView, DestinationPolicy, DestinationView, FlowConfig};
pub use error::{ApplyError, EngineError, PublishError, ReleaseError, StartError};
pub use events::{Delivery, DeliveryFailure};
pub use hooks::{Hook, HookLookup};
pub use outbox::{PostError, PostEvent, Sink, outbox_mark};
pub use publish::Published;
pub use release::Released;
pub use start::{StartRequest, Started};
pub use state::{KeptState, PutStateError, StatePage, state_mark};
pub use stats::EngineStats;
pub use watch::WatchItem;

/// Drives every run of one store. A clone is the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

/// What the engine's callers and tasks share.
pub(crate) struct Shared {
    config: EngineConfig,
    catalogue: Arc<dyn Catalogue>,
    journal: Arc<dyn Journal>,
    sandbox: Arc<Sandbox>,
    blobs: blobs::Shelf,
    steps: steps::Shelves,
    plans: plans::Plans,
    hooks: RwLock<hooks::HookTable>,
    events: RwLock<events::EventTable>,
    schedules: schedules::Schedules,
    outbox: outbox::Outbox,
    /// Held while a version is applied or released: what is checked against the others must still hold when it is kept.
    applying: tokio::sync::Mutex<()>,
    runs: live::LiveRuns,
    gate: Arc<gate::Gate>,
    destinations: destinations::Destinations,
    /// Of runs whose workflows bound how many are under way.
    slots: slots::Slots,
    states: state::Turns,
    meters: meters::Meters,
    /// Every run's task, and the one that recovers runs.
    tasks: TaskTracker,
    phase: signal::Sender<Phase>,
    ready: signal::Sender<bool>,
    /// Runs whose journal failed, on their way to being recovered.
    stranded: mpsc::UnboundedSender<(TenantId, RunId)>,
    timers: timers::Timers,
    /// Wakes who waits for a run that is not in memory: one was recovered, or the engine stops.
    arrivals: Notify,
}

/// Where an engine stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Starts runs and attempts.
    Open,
    /// Starts nothing new; attempts in flight go on.
    Draining,
    /// Drops what is in flight.
    Stopped,
}

impl Engine {
    /// Opens an engine over a store. Runs that had not ended are recovered in the background: see [`Engine::is_ready`].
    ///
    /// A `metrics` recorder should be installed before, or the first counts are lost.
    pub async fn open(
        config: EngineConfig,
        catalogue: Arc<dyn Catalogue>,
        journal: Arc<dyn Journal>,
        sandbox: Arc<Sandbox>,
    ) -> Result<Self, EngineError> {
        let (stranded, to_recover) = mpsc::unbounded_channel();
        let engine = Self(Arc::new(Shared {
            gate: Arc::new(gate::Gate::new(config.max_live_attempts)),
            blobs: blobs::Shelf::new(&config.blobs),
            outbox: outbox::Outbox::new(&config.sinks),
            meters: meters::Meters::new(),
            destinations: destinations::Destinations::new(config.flow.clone(), meters::FlowMeters::new()),
            slots: slots::Slots::default(),
            states: state::Turns::default(),
            config,
            catalogue,
            journal,
            sandbox,
            steps: steps::Shelves::default(),
            plans: plans::Plans::default(),
            hooks: RwLock::default(),
            events: RwLock::default(),
            schedules: schedules::Schedules::default(),
            applying: tokio::sync::Mutex::default(),
            runs: live::LiveRuns::default(),
            tasks: TaskTracker::new(),
            phase: signal::Sender::new(Phase::Open),
            ready: signal::Sender::new(false),
            stranded,
            timers: timers::Timers::default(),
            arrivals: Notify::new(),
        }));
        // Before anything is done by it.
        clock::kept::go_on(&*engine.0.journal).await?;
        // Before the first start: a run that had a place keeps it.
        let queued = slots::restore(&engine.0).await?;
        engine.load_triggers().await?;
        engine.0.tasks.spawn(recovery::keep(Arc::clone(&engine.0), queued, to_recover));
        engine.0.tasks.spawn(timers::keep(Arc::clone(&engine.0)));
        engine.0.tasks.spawn(outbox::keep(engine.clone()));
        if let Some(keep_unused) = engine.0.config.blobs.keep_unused {
            engine.0.tasks.spawn(blobs::keep(Arc::clone(&engine.0), keep_unused));
        }
        if let Some(retention) = engine.0.config.retention {
            engine.0.tasks.spawn(retention::keep(Arc::clone(&engine.0), retention));
        }
        if engine.0.config.run_schedules {
            engine.0.tasks.spawn(schedules::keep(engine.clone()));
        }
        Ok(engine)
    }

    /// Whether every run that had not ended when the engine was opened is in memory again.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.0.ready.borrow()
    }

    /// Returns once [`Engine::is_ready`].
    pub async fn ready(&self) {
        // The sender lives as long as the engine does: the wait cannot fail.
        let _ = self.0.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// What time it is, by the clock that runs go by.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// What people wrote, to read.
    #[must_use]
    pub fn catalogue(&self) -> &dyn Catalogue {
        &*self.0.catalogue
    }

    /// What runs did, to read.
    #[must_use]
    pub fn journal(&self) -> &dyn Journal {
        &*self.0.journal
    }

    /// Stops: starts nothing new, gives attempts in flight so much time to end, then drops them. What has not ended goes on
    /// when the store is opened again. Closes the journal.
    pub async fn shutdown(&self, grace: Duration) {
        let engine = &self.0;
        engine.enter(Phase::Draining);
        engine.tasks.close();
        if tokio::time::timeout(grace, engine.tasks.wait()).await.is_err() {
            tracing::info!(
                live_runs = engine.runs.count(),
                "the grace period is over: attempts in flight are dropped"
            );
            engine.enter(Phase::Stopped);
            engine.tasks.wait().await;
        }
        if let Err(error) = engine.journal.close().await {
            tracing::error!(%error, "the journal was not closed properly; what was acknowledged is on disk");
        }
    }
}

impl Shared {
    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    fn mint(&self) -> mint::Random {
        mint::Random { public_url: Arc::clone(&self.config.public_url) }
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
        self.runs.poke_all();
        self.arrivals.notify_waiters();
    }
}
