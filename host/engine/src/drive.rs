//! The loop that every run goes through: decide, execute, journal, apply. Each run has a task of its own here, unless somebody
//! waits for it.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::thread::panicking;
use std::time::Duration;

use jiff::Timestamp;
use stepwell_core::cloud_event::CloudEvent;
use stepwell_core::run::RunStatus;
use stepwell_store::{StoreError, Ticket};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::Instrument;

use crate::attempt::Order;
use crate::attempts::Attempts;
use crate::children::{self, Child, Children};
use crate::live::{Departure, LiveRun};
use crate::meters::Place;
use crate::{Engine, Phase, Shared, clock};

/// Gives a run its task. `interrupted` are the attempts that were in flight when the run was last in memory.
pub(crate) fn spawn(engine: &Arc<Shared>, run: &Arc<LiveRun>, interrupted: Vec<Order>) {
    engine.tasks.spawn(drive(engine, run, interrupted));
}

/// Drives a new run in the task of whoever waits for it, which spares both the way to another one. Whoever stops waiting leaves the
/// run a task of its own.
pub(crate) async fn attend(engine: &Arc<Shared>, run: &Arc<LiveRun>) {
    let drive = engine.tasks.track_future(drive(engine, run, Vec::new()));
    let mut attended = Attended(Some(Box::pin(drive)));
    if let Some(drive) = &mut attended.0 {
        drive.await;
    }
    attended.0 = None;
}

struct Attended(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Drop for Attended {
    fn drop(&mut self) {
        // What panicked cannot go on; and without a runtime the process is about to end, and the run goes on at the next start.
        if let (Some(drive), Ok(runtime), false) = (self.0.take(), Handle::try_current(), panicking()) {
            runtime.spawn(drive);
        }
    }
}

fn drive(
    engine: &Arc<Shared>,
    run: &Arc<LiveRun>,
    interrupted: Vec<Order>,
) -> impl Future<Output = ()> + Send + use<> {
    let span =
        tracing::debug_span!("run", run = %run.id, workflow = %run.plan.name, version = %run.plan.version);
    drive_to_departure(Arc::clone(engine), Arc::clone(run), interrupted).instrument(span)
}

async fn drive_to_departure(engine: Arc<Shared>, run: Arc<LiveRun>, interrupted: Vec<Order>) {
    let departure = live(&engine, &run, interrupted).await;
    engine.runs.remove(run.id);
    match &departure {
        Ok(()) => {
            engine.meters.run_ended(&run);
            children::tell_parent(&engine, &run);
            engine.release_place(run.id);
        }
        Err(Departure::Stopped) => tracing::debug!("the run goes on at the next start"),
        Err(Departure::Parked) => engine.timers.look(),
        Err(Departure::Journal(error)) => {
            tracing::error!(run = %run.id, %error, "the run's journal failed; the run goes on from what is on disk once it can be written");
            engine.strand(&run);
        }
        Err(Departure::Fold(why)) => {
            tracing::error!(run = %run.id, why, "the run contradicts itself; it is left as it stands");
            engine.release_place(run.id);
        }
    }
    run.leave(departure);
}

/// Lives a run to its end, which is on disk when this returns `Ok`.
async fn live(engine: &Arc<Shared>, run: &Arc<LiveRun>, interrupted: Vec<Order>) -> Result<(), Departure> {
    let mut attempts = Attempts::default();
    let mut children = Children::default();
    let mut happened = Vec::new();
    let mut orders = interrupted;
    loop {
        let phase = engine.phase();
        let turn = run.advance(std::mem::take(&mut happened), phase == Phase::Open)?;
        for (node, account) in &turn.abandoned {
            engine.meters.attempt_abandoned(Place { workflow: &run.plan.name, node }, account);
        }
        if turn.stop {
            orders.clear();
            attempts = Attempts::default();
        }
        orders.extend(turn.orders);
        for order in orders.drain(..) {
            attempts.start(engine, run, order);
        }

        let rest = Rest::of(run);
        if !rest.told.is_empty() {
            give_out(engine, run, rest.told);
        }
        if rest.ended {
            drop(attempts);
            return Ok(run.durable().await?);
        }
        if phase == Phase::Stopped || (phase == Phase::Draining && attempts.is_empty()) {
            run.hand_over();
            return Err(Departure::Stopped);
        }
        children.look_after(engine, run, &rest.children, &turn.unwanted);
        if rest.waits && attempts.is_empty() && children.is_settled() && is_far(turn.wake_at) {
            if run.park(turn.seen, turn.wake_at).await? {
                return Err(Departure::Parked);
            }
            continue;
        }

        tokio::select! {
            // Most attempts end without ever having waited: no timer is set for them.
            biased;
            outcomes = attempts.ended() => happened = outcomes?,
            () = run.poke.notified() => {}
            () = at_time(engine, turn.wake_at) => {}
            () = children.settled() => {}
            () = at_instant(rest.hand_over_by) => { run.hand_over(); }
            Err(error) = settled(rest.unsettled) => return Err(error.into()),
        }
    }
}

/// Sends events on their way once they are on disk. The outbox has them: what fails here is made up for there.
fn give_out(engine: &Arc<Shared>, run: &Arc<LiveRun>, events: Vec<CloudEvent>) {
    let (engine, run) = (Engine(Arc::clone(engine)), Arc::clone(run));
    engine.0.tasks.clone().spawn(async move {
        if run.durable().await.is_err() {
            // They may be on disk nevertheless.
            return engine.0.outbox.look();
        }
        for event in events {
            let id = event.id.clone();
            if let Err(error) = engine.emit(&run.tenant, event).await {
                tracing::warn!(event = id, %error, "an event waits in the outbox");
                engine.0.outbox.look();
            }
        }
    });
}

/// A run that waits for longer than this leaves memory meanwhile.
const WORTH_LEAVING: Duration = Duration::from_secs(1);

fn is_far(wake_at: Option<Timestamp>) -> bool {
    wake_at.is_none_or(|wake_at| clock::until(wake_at) > WORTH_LEAVING)
}

/// What the run's ledger says before the task rests.
struct Rest {
    ended: bool,
    /// Nothing is in flight, and only time or somebody outside can change that.
    waits: bool,
    children: Vec<Child>,
    told: Vec<CloudEvent>,
    hand_over_by: Option<Instant>,
    unsettled: Option<Ticket>,
}

impl Rest {
    fn of(run: &LiveRun) -> Self {
        let mut ledger = run.ledger();
        let state = ledger.state();
        let status = state.status();
        Self {
            ended: status.is_final(),
            waits: match status {
                RunStatus::Waiting | RunStatus::Queued => true,
                RunStatus::Paused => !state.has_attempts(),
                _ => false,
            },
            children: state.children().map(Child::from).collect(),
            hand_over_by: ledger.hand_over_by(),
            unsettled: ledger.unsettled(),
            told: ledger.take_told(),
        }
    }
}

/// Not later than a second after a clock that was put forward says so: whoever puts it does not wake anybody.
async fn at_time(engine: &Shared, time: Option<Timestamp>) {
    match time {
        Some(time) => tokio::time::sleep(clock::until(time).min(engine.config.clock_check)).await,
        None => pending().await,
    }
}

async fn at_instant(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => pending().await,
    }
}

async fn settled(ticket: Option<Ticket>) -> Result<(), StoreError> {
    match ticket {
        Some(ticket) => ticket.durable().await,
        None => pending().await,
    }
}
