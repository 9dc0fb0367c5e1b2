//! One call of one guest: a store of its own, its limits, and what became of it.
//!
//! However a guest ends, its store is dropped with it: nothing of it reaches the next one.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde_json::Value;
use stepwell_core::attempt::Account;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::limits::{LimitKind, Limits};
use tokio::time::Instant;
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::attempt::AttemptReport;
use crate::bindings::stepwell::step::types::{Manifest, StepError};
use crate::guest::GuestState;
use crate::http::{Errand, UnderWay};
use crate::lives::{Absence, LifeEnd, Said};
use crate::meter::Meter;
use crate::room::Rooms;
use crate::step::Step;

/// Fuel between two turns of a long computation: about a fifth of a millisecond. The others get theirs in between,
/// and the clock is looked at.
const FUEL_PER_TURN: u64 = 2_000_000;

/// What the structure of a value costs beside its text when it crosses from guest to host.
const HANDOVER_SLACK: u64 = 1 << 20;

/// A guest in its store.
pub(crate) struct Guest {
    store: Store<GuestState>,
    limits: Limits,
    time: Time,
}

impl Guest {
    pub(crate) fn new(
        engine: &Engine,
        state: GuestState,
        limits: Limits,
        time: Time,
    ) -> Result<Self, Failure> {
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(handover(&limits));
        let fueled =
            store.set_fuel(limits.fuel).and_then(|()| store.fuel_async_yield_interval(Some(FUEL_PER_TURN)));
        fueled.map_err(|error| {
            Failure::new(FailureKind::Internal, format!("the guest got no fuel: {error:#}"))
        })?;
        Ok(Self { store, limits, time })
    }

    /// Calls `run`, to its end or until the guest is better gone while it waits.
    pub(crate) async fn live(mut self, step: &Step, input: &str, config: &str, rooms: &Rooms) -> LifeEnd {
        match self.run(step, input, config, rooms).await {
            Ok(Called::Away(under_way)) => LifeEnd::Away(self.go(under_way)),
            Ok(Called::Back(output)) => {
                LifeEnd::Done(AttemptReport { result: Ok(output), account: self.end().0 })
            }
            Err(failure) => LifeEnd::Done(AttemptReport { result: Err(failure), account: self.end().0 }),
        }
    }

    async fn run(
        &mut self,
        step: &Step,
        input: &str,
        config: &str,
        rooms: &Rooms,
    ) -> Result<Called<Value>, Failure> {
        let state = self.store.data();
        let (meter, errand) = (Arc::clone(&state.meter), Arc::clone(&state.errand));
        // The binding of a named string type asks for a `String`.
        let (input, config) = (input.to_owned(), config.to_owned());
        let call = async {
            let instance = step.pre().instantiate_async(&mut self.store).await?;
            instance.call_run(&mut self.store, &input, &config).await
        };
        let called = bounded(or_away(call, &errand, rooms), &meter, self.time).await;
        let result = match called {
            Ok(Called::Away(under_way)) => return Ok(Called::Away(under_way)),
            Ok(Called::Back(Ok(output))) => self.output(&output),
            Ok(Called::Back(Err(error))) => Err(error.into()),
            Err(error) => Err(self.explain(&error)),
        };
        let finished = self.store.data_mut().finish();
        result.and_then(|output| finished.map(|()| Called::Back(output)))
    }

    /// Calls `describe`.
    pub(crate) async fn describe(&mut self, step: &Step) -> Result<Manifest, Failure> {
        let meter = Arc::clone(&self.store.data().meter);
        let call = async {
            let instance = step.pre().instantiate_async(&mut self.store).await?;
            instance.call_describe(&mut self.store).await
        };
        bounded(call, &meter, self.time).await.map_err(|error| self.explain(&error))
    }

    /// Drops the guest; what it waited for goes on.
    fn go(self, under_way: UnderWay) -> Absence {
        let state = self.store.data();
        let (effects, meter) = (Arc::clone(&state.effects), Arc::clone(&state.meter));
        let (account, said) = self.end();
        Absence { under_way, effects, meter, said, account }
    }

    /// Drops the guest: what it used and recorded, and how much it said.
    fn end(self) -> (Account, Said) {
        // Only an engine without fuel could not tell; it could not have begun either.
        let left = self.store.get_fuel().unwrap_or(0);
        let state = self.store.into_data();
        let said = state.said();
        let fuel = self.limits.fuel.saturating_sub(left);
        (self.time.spent_by(Account { fuel, ..state.into_account() }), said)
    }

    fn output(&self, text: &str) -> Result<Value, Failure> {
        if text.len() as u64 > self.limits.output_bytes {
            return Err(Failure::limit(LimitKind::OutputBytes, self.limits.output_bytes));
        }
        serde_json::from_str(text).map_err(|error| {
            Failure::new(FailureKind::InvalidOutput, format!("the step's output is no JSON: {error}"))
        })
    }

    /// Why the call did not come to its end.
    fn explain(&self, error: &wasmtime::Error) -> Failure {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.clone();
        }
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return self.explain_trap(*trap);
        }
        if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
            return trapped(format!("the step called `exit({code})`: a step ends by returning from `run`"));
        }
        if is_handover_exhausted(error) {
            return self.explain_handover(error);
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Failure::new(FailureKind::Internal, format!("no room for another guest: {error:#}"));
        }
        trapped(format!("the step broke off: {error:#}"))
    }

    fn explain_trap(&self, trap: Trap) -> Failure {
        match trap {
            Trap::OutOfFuel => Failure::limit(LimitKind::Fuel, self.limits.fuel),
            Trap::UnreachableCodeReached => match self.store.data().log.panic_message() {
                Some(message) => trapped(format!("the step panicked: {message}")),
                None => trapped("the step stopped at an `unreachable` instruction: it panicked or aborted".to_owned()),
            },
            Trap::StackOverflow => trapped("the step's stack overflowed: it recursed too deeply".to_owned()),
            Trap::MemoryOutOfBounds => trapped(
                "the step reached for memory out of its bounds: a bad pointer, or in a Rust step a recursion too deep"
                    .to_owned(),
            ),
            other => trapped(format!("the step trapped: {other}")),
        }
    }

    /// More came over at once than any limit allows: from inside the guest it was sent, else it is the output.
    fn explain_handover(&self, error: &wasmtime::Error) -> Failure {
        if error.is::<WasmBacktrace>() {
            Failure::limit(LimitKind::SentBytes, self.limits.sent_bytes)
        } else {
            Failure::limit(LimitKind::OutputBytes, self.limits.output_bytes)
        }
    }
}

/// What became of a call.
enum Called<T> {
    /// It came back.
    Back(T),
    /// Its guest only waits for this, and is to be dropped.
    Away(UnderWay),
}

/// Lets a call go on until it comes back, or until its guest is better dropped because it only waits.
async fn or_away<T>(
    call: impl Future<Output = wasmtime::Result<T>>,
    errand: &Errand,
    rooms: &Rooms,
) -> wasmtime::Result<Called<T>> {
    let mut call = pin!(call);
    let mut waiting = None;
    poll_fn(|context| {
        if let Poll::Ready(result) = call.as_mut().poll(context) {
            return Poll::Ready(result.map(Called::Back));
        }
        let Some((number, patience)) = errand.current() else { return Poll::Pending };
        // Each errand has its own time: a guest that has many short ones stays.
        let (_, mut enough) = waiting
            .take()
            .filter(|(of, _)| *of == number)
            .unwrap_or_else(|| (number, Box::pin(rooms.worth_leaving(patience))));
        if enough.as_mut().poll(context).is_ready()
            && let Some(under_way) = errand.take()
        {
            return Poll::Ready(Ok(Called::Away(under_way)));
        }
        waiting = Some((number, enough));
        Poll::Pending
    })
    .await
}

/// The time of one attempt, over all its lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    began: Instant,
    limit_ms: u64,
}

impl Time {
    /// That of an attempt which begins now.
    pub(crate) fn begin(limits: &Limits) -> Self {
        Self { began: Instant::now(), limit_ms: limits.time_ms }
    }

    /// The account of an attempt which ends now.
    pub(crate) fn spent_by(&self, account: Account) -> Account {
        let duration_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Account { duration_us, ..account }
    }

    fn left(&self) -> Duration {
        Duration::from_millis(self.limit_ms).saturating_sub(self.began.elapsed())
    }
}

/// Lets an attempt go on until its time is over, or until it is ended from where no error could be returned. (WASI's functions
/// can't refuse a call too many: a guest that calls them in a loop is stopped here, at its next turn.)
pub(crate) async fn bounded<T, E: From<Failure>>(
    work: impl Future<Output = Result<T, E>>,
    meter: &Meter,
    time: Time,
) -> Result<T, E> {
    let mut work = pin!(work);
    let watched = poll_fn(|context| {
        let polled = work.as_mut().poll(context);
        match meter.ended() {
            Some(failure) => Poll::Ready(Err(failure.clone().into())),
            None => polled,
        }
    });
    let mut watched = pin!(watched);
    // Most calls end without ever having waited: no timer is made for them.
    if let Poll::Ready(result) = futures::poll!(watched.as_mut()) {
        return result;
    }
    match tokio::time::timeout(time.left(), watched).await {
        Ok(result) => result,
        Err(_) => {
            let failure = Failure::limit(LimitKind::TimeMs, time.limit_ms);
            // For what the attempt leaves behind when it is dropped.
            meter.end(failure.clone());
            Err(failure.into())
        }
    }
}

/// The most that may cross from guest to host in one call.
fn handover(limits: &Limits) -> usize {
    let bytes = limits.output_bytes.max(limits.sent_bytes).saturating_add(HANDOVER_SLACK);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// wasmtime has no public type for this error; a test holds its words.
fn is_handover_exhausted(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls has been exhausted")
}

fn trapped(message: String) -> Failure {
    Failure::new(FailureKind::Trap, message)
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        let (kind, message, detail, retry_after_ms) = match error {
            StepError::InvalidInput(f) => (FailureKind::InvalidInput, f.message, f.detail, None),
            StepError::Permanent(f) => (FailureKind::Permanent, f.message, f.detail, None),
            StepError::Retryable(f) => (FailureKind::Retryable, f.message, f.detail, f.retry_after_ms),
        };
        // A detail that is no JSON is still worth showing.
        let detail = detail.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        Self { detail, retry_after_ms, ..Self::new(kind, message) }
    }
}
