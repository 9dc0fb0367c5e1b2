//! The engine's clock: as fine as the journal keeps it, so that a run that lives and a run that is folded are equal.
//!
//! It is the system's clock, which people and daemons put forward and back. Forward is taken as it is. Back is not: whoever waited
//! for ten seconds would wait for an hour and ten seconds. The clock goes on from where it was instead, as fast as time passes,
//! until the system's has caught up, also where that happened while no engine was open, unless it is about more than a day: a clock that
//! was wrong by so much is one that somebody set right. How fast time passes says the runtime: one whose clock is paused makes years of an engine's life
//! a matter of moments.

pub(crate) mod kept;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A step back that is worth a line in the log.
const NOTABLE: SignedDuration = SignedDuration::from_secs(1);

/// A clock that was put back by more while nobody looked has been wrong before.
const BELIEVED: SignedDuration = SignedDuration::from_hours(24);

static CLOCK: Mutex<Option<Steady>> = Mutex::new(None);

/// Now, to the millisecond. It never goes back while the process lives.
pub(crate) fn now() -> Timestamp {
    let now = with_clock(Steady::read);
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// It has been so late before: in an earlier life, whose clock may have been put back since.
fn go_on_from(known: Timestamp) {
    with_clock(|clock, system, instant| clock.go_on_from(known, system, instant));
}

fn with_clock<T>(look: impl FnOnce(&mut Steady, Timestamp, Instant) -> T) -> T {
    let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let (system, instant) = (Timestamp::now(), Instant::now());
    look(clock.get_or_insert(Steady { at: system, instant, is_ahead: false }), system, instant)
}

/// How long it is until then; nothing if it has passed.
pub(crate) fn until(then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now())).unwrap_or_default()
}

/// What the clock said last.
struct Steady {
    at: Timestamp,
    instant: Instant,
    /// The system's clock was put back, and has not caught up.
    is_ahead: bool,
}

impl Steady {
    fn read(&mut self, system: Timestamp, instant: Instant) -> Timestamp {
        let passed = SignedDuration::try_from(instant.saturating_duration_since(self.instant));
        let steady = self.at.saturating_add(passed.unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX);
        let back = steady.duration_since(system);
        if back > NOTABLE && !self.is_ahead {
            tracing::warn!(
                seconds = back.as_secs(),
                "the system's clock was put back: timers go on as if it had not been"
            );
        }
        self.is_ahead = back > NOTABLE;
        // Less than that is the difference of two clocks that are corrected all the time.
        let now = if self.is_ahead { steady } else { system.max(self.at) };
        (self.at, self.instant) = (now, instant);
        now
    }

    fn go_on_from(&mut self, known: Timestamp, system: Timestamp, instant: Instant) {
        let back = known.duration_since(self.read(system, instant));
        if back > BELIEVED {
            tracing::warn!(
                seconds = back.as_secs(),
                "the system's clock was put back by more than a day since the last start: timers that were set before are late by that"
            );
            return;
        }
        if back > NOTABLE {
            tracing::warn!(
                seconds = back.as_secs(),
                "the system's clock was put back since the last start: timers go on as if it had not been"
            );
            self.is_ahead = true;
        }
        self.at = self.at.max(known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_clock_that_is_put_back_goes_on_from_where_it_was() {
        let start = Instant::now();
        let mut clock = Steady { at: at(0), instant: start, is_ahead: false };
        assert_eq!(clock.read(at(10), start + Duration::from_secs(10)), at(10));
        assert_eq!(clock.read(at(-3590), start + Duration::from_secs(20)), at(20));
        assert_eq!(clock.read(at(-3580), start + Duration::from_secs(30)), at(30));
        // The system's clock is set right again.
        assert_eq!(clock.read(at(40), start + Duration::from_secs(40)), at(40));
    }

    #[test]
    fn a_clock_that_is_put_forward_is_followed() {
        let start = Instant::now();
        let mut clock = Steady { at: at(0), instant: start, is_ahead: false };
        assert_eq!(clock.read(at(3600), start + Duration::from_secs(1)), at(3600));
        assert_eq!(clock.read(at(3601), start + Duration::from_secs(2)), at(3601));
    }

    #[test]
    fn a_clock_that_was_put_back_between_two_lives_goes_on_from_where_it_was() {
        let start = Instant::now();
        let mut clock = Steady { at: at(-7200), instant: start, is_ahead: false };
        clock.go_on_from(at(0), at(-7200), start);
        assert_eq!(clock.read(at(-7192), start + Duration::from_secs(8)), at(8));
        clock.go_on_from(at(4), at(-7192), start + Duration::from_secs(8));
        assert_eq!(clock.read(at(-7190), start + Duration::from_secs(10)), at(10), "what it knew is older");
    }

    #[test]
    fn a_clock_that_was_wrong_by_more_than_a_day_is_set_right_by_a_restart() {
        let start = Instant::now();
        let mut clock = Steady { at: at(0), instant: start, is_ahead: false };
        clock.go_on_from(at(2 * 24 * 3600), at(0), start);
        assert_eq!(clock.read(at(1), start + Duration::from_secs(1)), at(1));
    }

    #[test]
    fn it_never_goes_back() {
        let start = Instant::now();
        let mut clock = Steady { at: at(5), instant: start, is_ahead: false };
        assert_eq!(clock.read(at(5) - Duration::from_millis(3), start), at(5));
    }
}
