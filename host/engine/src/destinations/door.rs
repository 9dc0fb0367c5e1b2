//! The door of one destination: who may go through it, who waits before it, and what those who come back tell.
//!
//! It is locked for moments and never across an await. Who waits has a place in the line; the first sleeps until the next token,
//! the others until they are the first.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use stepwell_core::breaker::{Breaker, BreakerState, Change, Pass, Verdict};
use stepwell_core::bucket::Bucket;
use stepwell_core::destination::Destination;
use stepwell_core::failure::{Failure, FailureKind};
use stepwell_core::limits::LimitKind;
use stepwell_core::priority::{Line, Priority, Spot};
use stepwell_sandbox::{Exchange, Leave};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::DestinationPolicy;
use super::view::{BreakerView, DestinationView};
use crate::clock;
use crate::live::lock;
use crate::meters::FlowMeters;

/// A destination may ask for no longer pause than this: it would be a pause for everybody.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The longest text of a fault that is kept, in characters.
const LONGEST_FAULT: usize = 300;

/// When an attempt's time is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    time_ms: u64,
}

impl Deadline {
    /// That of an attempt which begins now.
    pub(crate) fn in_ms(time_ms: u64) -> Self {
        let now = Instant::now();
        // A time that the clock cannot name never comes.
        let at = now.checked_add(Duration::from_millis(time_ms));
        Self { at: at.unwrap_or(now + Duration::from_secs(u64::from(u32::MAX))), time_ms }
    }
}

pub(crate) struct Door {
    destination: Destination,
    /// The moment from which breaker and bucket count.
    origin: Instant,
    meters: FlowMeters,
    inside: Mutex<Inside>,
}

struct Inside {
    breaker: Option<Breaker>,
    bucket: Bucket,
    line: Line<Arc<Notify>>,
    in_flight: usize,
    last_used: Instant,
    /// Since when the breaker has not been closed.
    opened_at: Option<Timestamp>,
    last_fault: Option<String>,
    opens: u64,
    refusals: u64,
}

impl Inside {
    /// Something changed for all who wait.
    fn call_all(&self) {
        self.line.iter().for_each(|waiting| waiting.notify_one());
    }

    fn call_first(&self) {
        if let Some((_, first)) = self.line.first() {
            first.notify_one();
        }
    }
}

/// What became of a look at the door.
enum Look {
    /// Through it.
    Through(Passage),
    /// It is one's turn, once there is a token.
    At(Duration),
    /// It is somebody else's turn.
    Behind,
}

impl Door {
    pub(super) fn new(destination: Destination, policy: DestinationPolicy, meters: FlowMeters) -> Self {
        let inside = Inside {
            breaker: policy.breaker.map(Breaker::new),
            bucket: Bucket::new(policy.rate),
            line: Line::default(),
            in_flight: 0,
            last_used: Instant::now(),
            opened_at: None,
            last_fault: None,
            opens: 0,
            refusals: 0,
        };
        Self { destination, origin: Instant::now(), meters, inside: Mutex::new(inside) }
    }

    /// Goes through, waiting for a token where one must be waited for. An error is that of the attempt which wanted through.
    pub(crate) async fn pass(
        self: &Arc<Self>,
        priority: Priority,
        deadline: Deadline,
    ) -> Result<Passage, Failure> {
        if let Look::Through(passage) = self.look(None, priority, deadline)? {
            return Ok(passage);
        }
        let waiting = Waiting::join(self, priority);
        let began = Instant::now();
        let waited = tokio::time::timeout_at(deadline.at, waiting.for_a_token(deadline)).await;
        self.meters.wait_seconds.record(began.elapsed());
        waited.unwrap_or_else(|_| Err(self.overtaken(deadline)))
    }

    /// `spot` is one's place in the line, of one who has joined it.
    fn look(
        self: &Arc<Self>,
        spot: Option<Spot>,
        priority: Priority,
        deadline: Deadline,
    ) -> Result<Look, Failure> {
        let now = self.now();
        let mut inside = self.inside();
        if let Some(breaker) = &inside.breaker
            && let Some(stay_away) = breaker.refusal(now)
        {
            let refusal = self.circuit_open(&inside, breaker.state(now), stay_away);
            inside.refusals += 1;
            self.meters.refusals.increment(1);
            return Err(refusal);
        }
        let place = spot.unwrap_or_else(|| inside.line.spot(now, priority));
        let turn = inside.bucket.ready_behind(now, inside.line.before(place));
        // A turn that the clock cannot name never comes.
        if self.origin.checked_add(turn).is_none_or(|turn| turn > deadline.at) {
            return Err(self.too_long(&inside, turn.saturating_sub(now), deadline));
        }
        if inside.line.first().map(|(first, _)| first) != spot {
            return Ok(Look::Behind);
        }
        if let Err(ready) = inside.bucket.take(now) {
            return Ok(Look::At(ready));
        }
        // It did not refuse a moment ago, under the same lock.
        let pass = inside.breaker.as_mut().and_then(|breaker| breaker.pass(now).ok());
        inside.in_flight += 1;
        inside.last_used = Instant::now();
        Ok(Look::Through(Passage { door: Arc::clone(self), pass, is_back: false }))
    }

    /// Something that was let through is over; none: it was given up.
    fn back(&self, pass: Option<Pass>, how: Option<Exchange>) {
        let now = self.now();
        let mut inside = self.inside();
        inside.in_flight -= 1;
        if let Some(pause) = pause_in(how.as_ref()) {
            inside.bucket.stop_until(now.saturating_add(pause));
            inside.call_all();
            tracing::info!(destination = %self.destination, ?pause, "a destination asked to be left alone");
        }
        let verdict = verdict_on(how.as_ref());
        inside.last_fault = fault_in(how).or_else(|| inside.last_fault.take());
        let change = match (&mut inside.breaker, pass) {
            (Some(breaker), Some(pass)) => breaker.report(pass, verdict, now),
            _ => None,
        };
        match change {
            Some(Change::Opened(open_for)) => self.opened(&mut inside, open_for),
            Some(Change::Closed) => self.closed(&mut inside),
            None => {}
        }
    }

    fn opened(&self, inside: &mut Inside, open_for: Duration) {
        inside.opened_at.get_or_insert_with(clock::now);
        inside.opens += 1;
        self.meters.opens.increment(1);
        // Those who wait for a token are refused, too.
        inside.call_all();
        let last_fault = inside.last_fault.as_deref().unwrap_or_default();
        tracing::warn!(destination = %self.destination, ?open_for, last_fault, "a circuit breaker opened");
    }

    fn closed(&self, inside: &mut Inside) {
        inside.opened_at = None;
        tracing::info!(destination = %self.destination, "a circuit breaker closed");
    }

    /// Closes the breaker and ends a stop, by hand.
    pub(super) fn reset(&self) {
        let mut inside = self.inside();
        inside.bucket.go_on();
        if let Some(breaker) = &mut inside.breaker {
            breaker.reset();
        }
        self.closed(&mut inside);
        inside.call_all();
    }

    pub(super) fn touch(&self) {
        self.inside().last_used = Instant::now();
    }

    pub(super) fn last_used(&self) -> Instant {
        self.inside().last_used
    }

    /// Whether it knows more than one that was made anew would.
    pub(super) fn is_telling(&self) -> bool {
        let (inside, now) = (self.inside(), self.now());
        let state = inside.breaker.as_ref().map(|breaker| breaker.state(now));
        let is_fresh = matches!(state, None | Some(BreakerState::Closed { failures: 0 }))
            && inside.bucket.stopped_until(now).is_none()
            && inside.bucket.limit().is_none();
        !is_fresh || inside.in_flight > 0 || !inside.line.is_empty()
    }

    pub(super) fn view(&self) -> DestinationView {
        let (inside, now) = (self.inside(), self.now());
        DestinationView {
            destination: self.destination.clone(),
            breaker: inside.breaker.as_ref().map(|breaker| breaker_view(breaker.state(now), &inside, now)),
            rate: inside.bucket.limit(),
            tokens: inside.bucket.tokens(now),
            slowed_until: inside.bucket.stopped_until(now).map(|then| wall_clock(then, now)),
            in_flight: inside.in_flight,
            queued: inside.line.len(),
        }
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        lock(&self.inside)
    }
}

/// Why an attempt does not get through, in words.
impl Door {
    fn circuit_open(&self, inside: &Inside, state: BreakerState, stay_away: Duration) -> Failure {
        let since = inside.opened_at.map(|at| format!(" since {at}")).unwrap_or_default();
        let how = match state {
            BreakerState::HalfOpen { .. } => {
                "is half open: one probe is under way to see whether it works again, after it failed again and again"
                    .to_owned()
            }
            BreakerState::Open { .. } | BreakerState::Closed { .. } => {
                format!("is open{since} because it failed again and again")
            }
        };
        let last = inside.last_fault.as_deref().unwrap_or("not known any more");
        let message = format!(
            "nothing was sent to `{}`: its circuit breaker {how}, the last fault: {last}. The next try may come in {:.1} s",
            self.destination,
            stay_away.as_secs_f64()
        );
        Failure {
            detail: Some(json!({"destination": self.destination, "opened_at": inside.opened_at})),
            retry_after_ms: Some(whole_ms(stay_away)),
            ..Failure::new(FailureKind::CircuitOpen, message)
        }
    }

    /// There is no sense in holding a guest that will not get its token: another attempt may.
    fn too_long(&self, inside: &Inside, pause: Duration, deadline: Deadline) -> Failure {
        let why = match inside.bucket.limit() {
            Some(limit) if inside.bucket.stopped_until(self.now()).is_none() => {
                format!("its rate of {} in this server's configuration", limit.rate)
            }
            _ => "a `Retry-After` that it sent".to_owned(),
        };
        let message = format!(
            "nothing was sent to `{}`: its turn comes in {:.1} s ({why}), which is longer than the {:.1} s that the attempt has",
            self.destination,
            pause.as_secs_f64(),
            deadline.at.saturating_duration_since(Instant::now()).as_secs_f64()
        );
        Failure { retry_after_ms: Some(whole_ms(pause)), ..Failure::new(FailureKind::Retryable, message) }
    }

    fn overtaken(&self, deadline: Deadline) -> Failure {
        let failure = Failure::limit(LimitKind::TimeMs, deadline.time_ms);
        let message = format!("{}, while it waited for its turn at `{}`", failure.message, self.destination);
        Failure { message, ..failure }
    }
}

/// A place in a door's line.
struct Waiting<'a> {
    door: &'a Arc<Door>,
    priority: Priority,
    spot: Spot,
    call: Arc<Notify>,
}

impl<'a> Waiting<'a> {
    fn join(door: &'a Arc<Door>, priority: Priority) -> Self {
        let call = Arc::new(Notify::new());
        let spot = door.inside().line.join(door.now(), priority, Arc::clone(&call));
        Self { door, priority, spot, call }
    }

    async fn for_a_token(self, deadline: Deadline) -> Result<Passage, Failure> {
        loop {
            match self.door.look(Some(self.spot), self.priority, deadline)? {
                Look::Through(passage) => return Ok(passage),
                Look::Behind => self.call.notified().await,
                Look::At(ready) => tokio::select! {
                    biased;
                    () = self.call.notified() => {}
                    () = tokio::time::sleep_until(self.door.origin + ready) => {}
                },
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut inside = self.door.inside();
        inside.line.leave(self.spot);
        inside.call_first();
    }
}

/// One effect's way through a door, until it is back. Dropped before, it was given up.
pub(crate) struct Passage {
    door: Arc<Door>,
    pass: Option<Pass>,
    is_back: bool,
}

impl Passage {
    fn come_back(&mut self, how: Option<Exchange>) {
        if !self.is_back {
            self.is_back = true;
            self.door.back(self.pass.take(), how);
        }
    }
}

impl Leave for Passage {
    fn ended(mut self: Box<Self>, how: Exchange) {
        self.come_back(Some(how));
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.come_back(None);
    }
}

/// What tells that a destination does not work: faults of the wire, and its own errors. One that says no, or not now, works.
fn verdict_on(how: Option<&Exchange>) -> Verdict {
    match how {
        Some(Exchange::Answered { status, .. }) if *status >= 500 => Verdict::Failure,
        Some(Exchange::Answered { .. }) => Verdict::Success,
        Some(Exchange::Fault { .. }) => Verdict::Failure,
        Some(Exchange::Inconclusive) | None => Verdict::Unknown,
    }
}

fn fault_in(how: Option<Exchange>) -> Option<String> {
    match how? {
        Exchange::Answered { status, .. } if status >= 500 => Some(format!("it answered {status}")),
        Exchange::Fault { why } => Some(why.chars().take(LONGEST_FAULT).collect()),
        Exchange::Answered { .. } | Exchange::Inconclusive => None,
    }
}

/// Who answers 429 (too many requests) or 503 (unavailable) and says for how long, means everybody.
fn pause_in(how: Option<&Exchange>) -> Option<Duration> {
    match how? {
        Exchange::Answered { status: 429 | 503, retry_after: Some(pause) } if !pause.is_zero() => {
            Some((*pause).min(LONGEST_PAUSE))
        }
        _ => None,
    }
}

fn breaker_view(state: BreakerState, inside: &Inside, now: Duration) -> BreakerView {
    let (state, failures, until) = match state {
        BreakerState::Closed { failures } => ("closed", failures, None),
        BreakerState::HalfOpen { .. } => ("half-open", 0, None),
        BreakerState::Open { until } => ("open", 0, Some(wall_clock(until, now))),
    };
    BreakerView {
        state,
        failures,
        until,
        opened_at: inside.opened_at,
        last_fault: inside.last_fault.clone(),
        opens: inside.opens,
        refusals: inside.refusals,
    }
}

/// A moment of a door's own clock on that of the wall.
fn wall_clock(then: Duration, now: Duration) -> Timestamp {
    let from_now = SignedDuration::try_from(then.saturating_sub(now)).unwrap_or(SignedDuration::MAX);
    clock::now().saturating_add(from_now).unwrap_or(Timestamp::MAX)
}

/// Rounded up: who comes back then is not a moment too early.
fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
