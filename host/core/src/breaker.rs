//! A circuit breaker: after so many failures in a row nothing is sent for a while; then one probe shows whether it is over.
//!
//! ```text
//! closed --failures in a row--> open --its time--> half-open: one probe --success--> closed
//!                                ^                     |
//!                                +--failure: twice as long, up to the cap
//! ```
//!
//! `now` is the time since a fixed moment of the caller's choosing, on a clock that is never set back: a breaker lives in
//! memory, and must not stay open for an hour because somebody set the wall clock.

use std::num::NonZeroU32;
use std::time::Duration;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// So many failures in a row open it.
    pub failures: NonZeroU32,
    /// How long it stays open the first time.
    pub open_for: Duration,
    /// Each further time in a row is twice as long, but never longer than this (nor shorter than the first).
    pub cap: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();
        Self { failures: TEN, open_for: Duration::from_secs(30), cap: Duration::from_secs(600) }
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything goes through.
    Closed {
        /// Failures in a row so far.
        failures: u32,
    },
    /// Nothing goes through.
    Open {
        /// Until then.
        until: Duration,
    },
    /// One probe may go through, and no more.
    HalfOpen {
        /// Whether it is under way.
        probing: bool,
    },
}

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: BreakerState,
    /// How often it opened since it was last closed.
    openings: u32,
    /// Counts its changes: what was let through before a change says nothing about what is after it.
    epoch: u64,
}

/// Leave to go through. Whoever has it reports what came of it, once.
#[must_use = "a pass that is not reported leaves the breaker waiting for its probe"]
#[derive(Debug, PartialEq, Eq)]
pub struct Pass {
    epoch: u64,
}

/// What came of something that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The other side works.
    Success,
    /// It does not.
    Failure,
    /// Nobody learned: it was given up, or never left.
    Unknown,
}

/// What a report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It opened, for so long.
    Opened(Duration),
    /// It closed.
    Closed,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: BreakerState::Closed { failures: 0 }, openings: 0, epoch: 0 }
    }

    /// Where it stands at `now`: one whose time is over is half-open, though nobody has come yet.
    #[must_use]
    pub fn state(&self, now: Duration) -> BreakerState {
        match self.state {
            BreakerState::Open { until } if until <= now => BreakerState::HalfOpen { probing: false },
            state => state,
        }
    }

    /// How long whoever came now had to stay away; none if they would get through.
    #[must_use]
    pub fn refusal(&self, now: Duration) -> Option<Duration> {
        match self.state(now) {
            BreakerState::Closed { .. } | BreakerState::HalfOpen { probing: false } => None,
            BreakerState::Open { until } => Some(until.saturating_sub(now)),
            // When the probe ends is not known. To come back sooner than this would be to knock all the time.
            BreakerState::HalfOpen { probing: true } => Some(self.policy.open_for),
        }
    }

    /// Lets one through, or says how long to stay away.
    pub fn pass(&mut self, now: Duration) -> Result<Pass, Duration> {
        if let Some(stay_away) = self.refusal(now) {
            return Err(stay_away);
        }
        if let BreakerState::HalfOpen { .. } = self.state(now) {
            self.enter(BreakerState::HalfOpen { probing: true });
        }
        Ok(Pass { epoch: self.epoch })
    }

    /// What came of a pass. One from before the last change says nothing any more.
    #[expect(clippy::needless_pass_by_value, reason = "a pass is reported once")]
    pub fn report(&mut self, pass: Pass, verdict: Verdict, now: Duration) -> Option<Change> {
        if pass.epoch != self.epoch {
            return None;
        }
        match (self.state, verdict) {
            (BreakerState::Closed { .. }, Verdict::Success) => {
                self.state = BreakerState::Closed { failures: 0 };
                None
            }
            (BreakerState::Closed { failures }, Verdict::Failure) => self.fail(failures + 1, now),
            (BreakerState::HalfOpen { .. }, Verdict::Success) => Some(self.close()),
            (BreakerState::HalfOpen { .. }, Verdict::Failure) => Some(self.open(now)),
            (BreakerState::HalfOpen { .. }, Verdict::Unknown) => {
                self.enter(BreakerState::HalfOpen { probing: false });
                None
            }
            (BreakerState::Closed { .. }, Verdict::Unknown) | (BreakerState::Open { .. }, _) => None,
        }
    }

    /// Closes it by hand, whatever was before.
    pub fn reset(&mut self) {
        self.close();
    }

    fn fail(&mut self, failures: u32, now: Duration) -> Option<Change> {
        if failures >= self.policy.failures.get() {
            return Some(self.open(now));
        }
        self.state = BreakerState::Closed { failures };
        None
    }

    fn open(&mut self, now: Duration) -> Change {
        let doubled = 2u32
            .checked_pow(self.openings)
            .map_or(Duration::MAX, |by| self.policy.open_for.checked_mul(by).unwrap_or(Duration::MAX));
        let open_for = doubled.min(self.policy.cap.max(self.policy.open_for));
        self.openings = self.openings.saturating_add(1);
        self.enter(BreakerState::Open { until: now.saturating_add(open_for) });
        Change::Opened(open_for)
    }

    fn close(&mut self) -> Change {
        self.openings = 0;
        self.enter(BreakerState::Closed { failures: 0 });
        Change::Closed
    }

    fn enter(&mut self, state: BreakerState) {
        self.state = state;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        let failures = NonZeroU32::new(3).unwrap();
        Breaker::new(BreakerPolicy { failures, open_for: SECOND * 10, cap: SECOND * 35 })
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn meet(breaker: &mut Breaker, verdict: Verdict, now: Duration) -> Option<Change> {
        let pass = breaker.pass(now).unwrap();
        breaker.report(pass, verdict, now)
    }

    /// One that has just opened, at the origin of time.
    fn opened() -> Breaker {
        let mut breaker = breaker();
        for _ in 0..2 {
            assert_eq!(meet(&mut breaker, Verdict::Failure, seconds(0)), None);
        }
        assert_eq!(meet(&mut breaker, Verdict::Failure, seconds(0)), Some(Change::Opened(seconds(10))));
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut breaker = breaker();
        for _ in 0..5 {
            for verdict in [Verdict::Failure, Verdict::Failure, Verdict::Unknown, Verdict::Success] {
                assert_eq!(meet(&mut breaker, verdict, seconds(0)), None);
            }
        }
        assert_eq!(breaker.state(seconds(0)), BreakerState::Closed { failures: 0 });
        opened();
    }

    #[test]
    fn while_it_is_open_nobody_passes_and_everybody_learns_for_how_long() {
        let mut breaker = opened();
        assert_eq!(breaker.pass(seconds(0)), Err(seconds(10)));
        assert_eq!(breaker.pass(seconds(9)), Err(seconds(1)));
        assert_eq!(breaker.state(seconds(10)), BreakerState::HalfOpen { probing: false });
    }

    #[test]
    fn a_probe_that_succeeds_closes_it() {
        let mut breaker = opened();
        let probe = breaker.pass(seconds(10)).unwrap();
        assert_eq!(breaker.pass(seconds(11)), Err(seconds(10)), "one probe at a time");
        assert_eq!(breaker.report(probe, Verdict::Success, seconds(12)), Some(Change::Closed));
        assert!(breaker.pass(seconds(12)).is_ok());
    }

    #[test]
    fn each_probe_that_fails_doubles_the_time_up_to_the_cap_and_a_success_starts_anew() {
        let mut breaker = opened();
        let mut now = seconds(10);
        for expected in [20, 35, 35] {
            let change = meet(&mut breaker, Verdict::Failure, now);
            assert_eq!(change, Some(Change::Opened(seconds(expected))));
            now += seconds(expected);
        }
        assert_eq!(meet(&mut breaker, Verdict::Success, now), Some(Change::Closed));
        for _ in 0..2 {
            assert_eq!(meet(&mut breaker, Verdict::Failure, now), None);
        }
        assert_eq!(meet(&mut breaker, Verdict::Failure, now), Some(Change::Opened(seconds(10))));
    }

    #[test]
    fn a_probe_that_was_given_up_makes_room_for_another() {
        let mut breaker = opened();
        assert_eq!(meet(&mut breaker, Verdict::Unknown, seconds(10)), None);
        assert!(breaker.pass(seconds(10)).is_ok());
    }

    #[test]
    fn what_was_let_through_before_a_change_says_nothing_about_what_is_after_it() {
        let mut breaker = breaker();
        let slow = breaker.pass(seconds(0)).unwrap();
        let slower = breaker.pass(seconds(0)).unwrap();
        for _ in 0..3 {
            meet(&mut breaker, Verdict::Failure, seconds(0));
        }
        assert_eq!(breaker.report(slow, Verdict::Success, seconds(1)), None);
        assert!(breaker.pass(seconds(1)).is_err(), "it stays open");
        let probe = breaker.pass(seconds(10)).unwrap();
        assert_eq!(breaker.report(slower, Verdict::Failure, seconds(11)), None);
        assert_eq!(breaker.state(seconds(11)), BreakerState::HalfOpen { probing: true });
        assert_eq!(breaker.report(probe, Verdict::Success, seconds(12)), Some(Change::Closed));
    }

    #[test]
    fn it_can_be_closed_by_hand() {
        let mut breaker = opened();
        breaker.reset();
        assert!(breaker.pass(seconds(1)).is_ok());
    }

    #[test]
    fn opening_for_ever_is_no_panic() {
        let failures = NonZeroU32::MIN;
        let policy = BreakerPolicy { failures, open_for: Duration::MAX, cap: Duration::MAX };
        let mut breaker = Breaker::new(policy);
        meet(&mut breaker, Verdict::Failure, seconds(1));
        assert!(breaker.pass(Duration::MAX - SECOND).is_err());
        let mut breaker = Breaker::new(BreakerPolicy { open_for: SECOND, ..policy });
        let mut now = seconds(0);
        for _ in 0..70 {
            if meet(&mut breaker, Verdict::Failure, now) == Some(Change::Opened(Duration::MAX)) {
                return;
            }
            if let BreakerState::Open { until } = breaker.state(now) {
                now = until;
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Come,
        /// One of those under way, by its place among them.
        Report(prop::sample::Index, Verdict),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let verdict = prop_oneof![
            4 => Just(Verdict::Failure),
            1 => Just(Verdict::Success),
            2 => Just(Verdict::Unknown),
        ];
        prop_oneof![
            4 => Just(Step::Come),
            4 => (any::<prop::sample::Index>(), verdict).prop_map(|(which, verdict)| Step::Report(which, verdict)),
            2 => (0u64..15).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// Whatever comes, goes and is given up: there are never two probes at once, and once everything under way has been
        /// reported, however, somebody gets through after the cap at the latest.
        #[test]
        fn there_is_one_probe_at_a_time_and_never_a_dead_end(steps in prop::collection::vec(step(), 0..200)) {
            let mut breaker = breaker();
            let mut now = seconds(0);
            let mut under_way: Vec<(Pass, bool)> = Vec::new();
            for step in steps {
                match step {
                    Step::Pass(time) => now += seconds(time),
                    Step::Come => {
                        let closed = matches!(breaker.state(now), BreakerState::Closed { .. });
                        if let Ok(pass) = breaker.pass(now) {
                            let current = |(other, probe): &(Pass, bool)| *probe && other.epoch == breaker.epoch;
                            prop_assert!(closed || !under_way.iter().any(current), "two probes");
                            under_way.push((pass, !closed));
                        }
                    }
                    Step::Report(which, verdict) if !under_way.is_empty() => {
                        let (pass, _) = under_way.swap_remove(which.index(under_way.len()));
                        breaker.report(pass, verdict, now);
                    }
                    Step::Report(..) => {}
                }
            }
            for (pass, _) in under_way {
                breaker.report(pass, Verdict::Unknown, now);
            }
            prop_assert!(breaker.pass(now + seconds(35)).is_ok());
        }
    }
}
