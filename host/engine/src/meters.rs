//! What the engine counts and measures, for operators. Every metric of the engine is named here and nowhere else.
//!
//! What stands at a moment (live runs, attempts in the queue) is not counted but asked for: [`crate::EngineStats`].

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use stepwell_core::attempt::Account;
use stepwell_core::failure::FailureKind;
use stepwell_core::run::{RunOutcome, RunStatus};

use crate::live::LiveRun;

const RUNS_STARTED: &str = "stepwell_runs_started_total";
const RUNS_RECOVERED: &str = "stepwell_runs_recovered_total";
const RUNS_ENDED: &str = "stepwell_runs_ended_total";
const ATTEMPTS: &str = "stepwell_attempts_total";
const ATTEMPT_SECONDS: &str = "stepwell_attempt_seconds";
const FUEL: &str = "stepwell_fuel_total";
const EFFECTS: &str = "stepwell_effects_total";

/// Gives each metric its unit and its line of help, once a recorder is installed.
pub(crate) fn describe() {
    describe_counter!(RUNS_STARTED, "Runs accepted");
    describe_counter!(RUNS_RECOVERED, "Runs that were taken up again from the journal");
    describe_counter!(RUNS_ENDED, "Runs ended, by `status`");
    describe_counter!(ATTEMPTS, "Attempts ended, by `outcome`: `succeeded` or the kind of the failure");
    describe_histogram!(ATTEMPT_SECONDS, Unit::Seconds, "Wall-clock time of attempts");
    describe_counter!(FUEL, "Units of computation that attempts used");
    describe_counter!(EFFECTS, "Effects answered; a replayed one is not counted again");
}

pub(crate) fn run_started() {
    counter!(RUNS_STARTED).increment(1);
}

pub(crate) fn run_recovered() {
    counter!(RUNS_RECOVERED).increment(1);
}

pub(crate) fn run_ended(run: &LiveRun) {
    let Some(status) = run.ledger().state().outcome().map(RunOutcome::status) else { return };
    let status = match status {
        RunStatus::Running => "running",
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
    };
    counter!(RUNS_ENDED, "status" => status).increment(1);
}

pub(crate) fn attempt_ended(failure: Option<FailureKind>, account: &Account) {
    let outcome = failure.map_or("succeeded", FailureKind::as_str);
    counter!(ATTEMPTS, "outcome" => outcome).increment(1);
    histogram!(ATTEMPT_SECONDS).record(Duration::from_micros(account.duration_us));
    counter!(FUEL).increment(account.fuel);
}

pub(crate) fn effect_answered() {
    counter!(EFFECTS).increment(1);
}
