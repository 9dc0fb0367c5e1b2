//! What the engine counts and measures, for operators. Every metric of the engine is named here and nowhere else.
//!
//! What stands at a moment (live runs, attempts in the queue) is not counted but asked for: [`crate::EngineStats`].
//!
//! The recorder is asked for each metric once, when the engine is opened: to find one again costs more than to count.

mod ai;

use std::time::Duration;

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use stepwell_core::attempt::Account;
use stepwell_core::failure::FailureKind;
use stepwell_core::run::RunStatus;

use crate::live::LiveRun;

use self::ai::AiMeters;
pub(crate) use self::ai::Place;

const RUNS_STARTED: &str = "stepwell_runs_started_total";
const RUNS_RECOVERED: &str = "stepwell_runs_recovered_total";
const RUNS_PURGED: &str = "stepwell_runs_purged_total";
const BLOBS_REMOVED: &str = "stepwell_blobs_removed_total";
const RUNS_ENDED: &str = "stepwell_runs_ended_total";
const ATTEMPTS: &str = "stepwell_attempts_total";
const ATTEMPT_SECONDS: &str = "stepwell_attempt_seconds";
const FUEL: &str = "stepwell_fuel_total";
const EFFECTS: &str = "stepwell_effects_total";
const BREAKER_OPENS: &str = "stepwell_breaker_opens_total";
const BREAKER_REFUSALS: &str = "stepwell_breaker_refusals_total";
const DESTINATION_WAIT_SECONDS: &str = "stepwell_destination_wait_seconds";
const FIRES: &str = "stepwell_schedule_fires_total";
const EVENTS_SENT: &str = "stepwell_events_sent_total";

/// Gives each metric its unit and its line of help, once a recorder is installed.
fn describe() {
    ai::describe();
    describe_counter!(RUNS_STARTED, "Runs accepted");
    describe_counter!(RUNS_RECOVERED, "Runs that were taken up again from the journal");
    describe_counter!(RUNS_PURGED, "Runs removed because they ended long ago");
    describe_counter!(BLOBS_REMOVED, "Blobs removed because nothing needed them any more");
    describe_counter!(RUNS_ENDED, "Runs ended, by `status`");
    describe_counter!(ATTEMPTS, "Attempts ended, by `outcome`: `succeeded` or the kind of the failure");
    describe_histogram!(ATTEMPT_SECONDS, Unit::Seconds, "Wall-clock time of attempts");
    describe_counter!(FUEL, "Units of computation that attempts used");
    describe_counter!(EFFECTS, "Effects answered; a replayed one is not counted again");
    describe_counter!(BREAKER_OPENS, "Circuit breakers that opened");
    describe_counter!(BREAKER_REFUSALS, "Effects that an open circuit breaker refused");
    let waits = "Time that effects waited for a token of their destination; those that waited for none are not counted";
    describe_histogram!(DESTINATION_WAIT_SECONDS, Unit::Seconds, waits);
    describe_counter!(
        FIRES,
        "Fires of schedules, by `outcome`: `started`, `queued`, `skipped` (the run before went on), `failed`; `missed` counts times in which \
         some were missed"
    );
    describe_counter!(
        EVENTS_SENT,
        "Tries to send an event to a sink, by `outcome`: `sent`, `unavailable` (also without a try, while the sink is left alone), `refused`"
    );
}

/// What destinations count. A destination is no label of these: there may be very many.
#[derive(Clone)]
pub(crate) struct FlowMeters {
    pub(crate) opens: Counter,
    pub(crate) refusals: Counter,
    pub(crate) wait_seconds: Histogram,
}

impl FlowMeters {
    pub(crate) fn new() -> Self {
        Self {
            opens: counter!(BREAKER_OPENS),
            refusals: counter!(BREAKER_REFUSALS),
            wait_seconds: histogram!(DESTINATION_WAIT_SECONDS),
        }
    }
}

/// What became of sending an event to a sink.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sent {
    Done,
    Unavailable,
    Refused,
}

impl Sent {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "sent",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
        }
    }
}

/// What became of a schedule's fire.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fire {
    Started,
    Queued,
    Skipped,
    Missed,
    Failed,
}

impl Fire {
    fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Queued => "queued",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
            Self::Failed => "failed",
        }
    }
}

/// The engine's metrics.
pub(crate) struct Meters {
    pub(crate) runs_started: Counter,
    pub(crate) runs_recovered: Counter,
    pub(crate) runs_purged: Counter,
    pub(crate) blobs_removed: Counter,
    pub(crate) effects_answered: Counter,
    runs_ended: [(RunStatus, Counter); 3],
    attempts_succeeded: Counter,
    attempt_seconds: Histogram,
    fuel: Counter,
    ai: AiMeters,
}

impl Meters {
    /// Those of the recorder that is installed now.
    pub(crate) fn new() -> Self {
        describe();
        Self {
            runs_started: counter!(RUNS_STARTED),
            runs_recovered: counter!(RUNS_RECOVERED),
            runs_purged: counter!(RUNS_PURGED),
            blobs_removed: counter!(BLOBS_REMOVED),
            effects_answered: counter!(EFFECTS),
            runs_ended: [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled]
                .map(|status| (status, counter!(RUNS_ENDED, "status" => status.as_str()))),
            attempts_succeeded: counter!(ATTEMPTS, "outcome" => "succeeded"),
            attempt_seconds: histogram!(ATTEMPT_SECONDS),
            fuel: counter!(FUEL),
            ai: AiMeters::default(),
        }
    }

    pub(crate) fn run_ended(&self, run: &LiveRun) {
        let status = run.ledger().state().status();
        if let Some((_, counter)) = self.runs_ended.iter().find(|(ended, _)| *ended == status) {
            counter.increment(1);
        }
    }

    pub(crate) fn event_sent(&self, sent: Sent) {
        counter!(EVENTS_SENT, "outcome" => sent.as_str()).increment(1);
    }

    /// Fires are rare: the recorder may be asked for each.
    pub(crate) fn fired(&self, fire: Fire) {
        counter!(FIRES, "outcome" => fire.as_str()).increment(1);
    }

    /// An attempt was dropped that had called AI models.
    pub(crate) fn attempt_abandoned(&self, place: Place<'_>, account: &Account) {
        self.ai.attempt_abandoned(place, account);
    }

    /// An attempt ended, at this of the node's ways to run its step.
    pub(crate) fn attempt_ended(
        &self,
        place: Place<'_>,
        call: u32,
        failure: Option<FailureKind>,
        account: &Account,
    ) {
        self.ai.attempt_ended(place, call, failure, account);
        match failure {
            None => self.attempts_succeeded.increment(1),
            Some(kind) => counter!(ATTEMPTS, "outcome" => kind.as_str()).increment(1),
        }
        self.attempt_seconds.record(Duration::from_micros(account.duration_us));
        self.fuel.increment(account.fuel);
    }
}
