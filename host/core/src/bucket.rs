//! A token bucket: so many a second (a minute, an hour), some of them at once; and it can be stopped until a moment.
//!
//! `now` is the time since a fixed moment of the caller's choosing, on a clock that is never set back. (`governor` does the
//! counting as well, but its limiters cannot be stopped, and serve who waits in no order.)

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The most tokens in one unit of time.
const MOST: u32 = 1_000_000;

/// What a rate looks like, for messages.
const FORM: &str = "write it like `50/s`, `600/m` or `1000/h`, with 1 to 1000000 of them";

/// How often: `50/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    count: NonZeroU32,
    per: Per,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Per {
    Second,
    Minute,
    Hour,
}

/// A text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate: {FORM}")]
pub struct InvalidRate(String);

impl Rate {
    /// Between two tokens.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.per.duration() / self.count.get()
    }

    /// As many as come in a second, and one at least: how many go at once unless somebody says otherwise.
    #[must_use]
    pub fn usual_burst(&self) -> NonZeroU32 {
        let in_a_second = u64::from(self.count.get()).div_ceil(self.per.duration().as_secs());
        u32::try_from(in_a_second).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }
}

impl Per {
    fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        })
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let read = || {
            let (count, per) = text.split_once('/')?;
            let count = count.trim().parse().ok().filter(|count| *count <= MOST)?;
            let per = match per.trim() {
                "s" => Per::Second,
                "m" => Per::Minute,
                "h" => Per::Hour,
                _ => return None,
            };
            Some(Self { count: NonZeroU32::new(count)?, per })
        };
        read().ok_or_else(|| InvalidRate(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Per::Second => "s",
            Per::Minute => "m",
            Per::Hour => "h",
        };
        write!(f, "{}/{per}", self.count)
    }
}

impl TryFrom<String> for Rate {
    type Error = InvalidRate;
    fn try_from(text: String) -> Result<Self, InvalidRate> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

/// How often, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How often in the long run.
    pub rate: Rate,
    /// How many at once after a pause.
    pub burst: NonZeroU32,
}

/// A token bucket, full at first; without a limit it is never empty, but can be stopped.
#[derive(Debug)]
pub struct Bucket {
    limit: Option<RateLimit>,
    /// When it is full again if nothing more is taken. All that a bucket has to remember.
    full_at: Duration,
    stopped_until: Duration,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, full_at: Duration::ZERO, stopped_until: Duration::ZERO }
    }

    /// Its limit.
    #[must_use]
    pub fn limit(&self) -> Option<RateLimit> {
        self.limit
    }

    /// When the next token is there: `now`, or later.
    #[must_use]
    pub fn ready_at(&self, now: Duration) -> Duration {
        let by_rate = self.limit.map_or(Duration::ZERO, |limit| {
            self.full_at.saturating_sub(limit.rate.interval() * (limit.burst.get() - 1))
        });
        by_rate.max(self.stopped_until).max(now)
    }

    /// When the token is there that so many others do not take before.
    #[must_use]
    pub fn ready_behind(&self, now: Duration, others: usize) -> Duration {
        let first = self.ready_at(now);
        let Some(RateLimit { rate, burst }) = self.limit else { return first };
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let full_at = self.full_at.max(first).saturating_add(rate.interval().saturating_mul(others));
        full_at.saturating_sub(rate.interval() * (burst.get() - 1)).max(first)
    }

    /// Takes a token, or says when the next is there.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let ready = self.ready_at(now);
        if ready > now {
            return Err(ready);
        }
        if let Some(limit) = self.limit {
            self.full_at = self.full_at.max(now) + limit.rate.interval();
        }
        Ok(())
    }

    /// How many could be taken now, if it has a limit and is not stopped.
    #[must_use]
    pub fn tokens(&self, now: Duration) -> Option<u32> {
        let limit = self.limit?;
        let missing = self.full_at.saturating_sub(now).as_nanos();
        let taken = missing.div_ceil(limit.rate.interval().as_nanos().max(1));
        Some(limit.burst.get().saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX)))
    }

    /// Nothing is given out until then. A stop never shortens an earlier one.
    pub fn stop_until(&mut self, then: Duration) {
        self.stopped_until = self.stopped_until.max(then);
    }

    /// Until when it is stopped, if it is.
    #[must_use]
    pub fn stopped_until(&self, now: Duration) -> Option<Duration> {
        (self.stopped_until > now).then_some(self.stopped_until)
    }

    /// Ends a stop.
    pub fn go_on(&mut self) {
        self.stopped_until = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(rate: &str, burst: u32) -> Bucket {
        let burst = NonZeroU32::new(burst).unwrap();
        Bucket::new(Some(RateLimit { rate: rate.parse().unwrap(), burst }))
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    proptest! {
        /// What is told of the line is what comes of it.
        #[test]
        fn a_token_behind_others_is_there_when_they_have_taken_theirs(
            burst in 1u32..5, taken in prop::collection::vec(0u64..900, 0..8), stop in 0u64..3_000, others in 0usize..8,
        ) {
            let mut bucket = bucket("2/s", burst);
            let mut now = Duration::ZERO;
            for pause in taken {
                now += ms(pause);
                _ = bucket.take(now);
            }
            bucket.stop_until(ms(stop));
            let told = bucket.ready_behind(now, others);
            for _ in 0..others {
                now = bucket.ready_at(now);
                prop_assert_eq!(bucket.take(now), Ok(()));
            }
            prop_assert_eq!(told, bucket.ready_at(now));
        }
    }

    #[test]
    fn a_rate_reads_what_it_writes_and_nothing_else() {
        for (text, interval, burst) in
            [("50/s", ms(20), 50), ("600/m", ms(100), 10), ("30/h", ms(120_000), 1)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string(), text);
            assert_eq!((rate.interval(), rate.usual_burst().get()), (interval, burst), "{text}");
        }
        for text in ["", "50", "0/s", "-1/s", "1.5/s", "50/d", "1000001/s", "s/50"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_its_rate() {
        let mut bucket = bucket("10/s", 3);
        assert_eq!(bucket.tokens(ms(0)), Some(3));
        for _ in 0..3 {
            assert_eq!(bucket.take(ms(0)), Ok(()));
        }
        assert_eq!((bucket.take(ms(0)), bucket.tokens(ms(0))), (Err(ms(100)), Some(0)));
        assert_eq!(bucket.take(ms(100)), Ok(()));
        assert_eq!(bucket.take(ms(150)), Err(ms(200)));
        assert_eq!(bucket.tokens(ms(400)), Some(3), "it is full again");
    }

    #[test]
    fn a_stop_holds_for_everybody_and_is_never_shortened() {
        let mut bucket = Bucket::new(None);
        assert_eq!(bucket.take(ms(0)), Ok(()));
        bucket.stop_until(ms(500));
        bucket.stop_until(ms(200));
        assert_eq!(bucket.take(ms(300)), Err(ms(500)));
        assert_eq!((bucket.stopped_until(ms(300)), bucket.tokens(ms(300))), (Some(ms(500)), None));
        assert_eq!((bucket.take(ms(500)), bucket.stopped_until(ms(500))), (Ok(()), None));
        bucket.stop_until(ms(900));
        bucket.go_on();
        assert_eq!(bucket.take(ms(600)), Ok(()));
    }

    proptest! {
        /// In no stretch of time more is given out than the burst and what the rate allows in it; and whoever comes at the
        /// time they were told gets a token.
        #[test]
        fn no_stretch_of_time_gives_more_than_burst_and_rate(
            burst in 1u32..20,
            pauses in prop::collection::vec(0u64..400, 1..200),
        ) {
            let mut bucket = bucket("10/s", burst);
            let mut now = ms(0);
            let mut given: Vec<Duration> = Vec::new();
            for pause in pauses {
                now += ms(pause);
                match bucket.take(now) {
                    Ok(()) => given.push(now),
                    Err(then) => {
                        prop_assert!(then > now && bucket.ready_at(then) == then);
                    }
                }
            }
            for (at, first) in given.iter().enumerate() {
                for (count, last) in given[at..].iter().enumerate() {
                    let allowed = u64::from(burst) + u64::try_from((*last - *first).as_millis() / 100).unwrap();
                    prop_assert!((count as u64) < allowed);
                }
            }
        }
    }
}
