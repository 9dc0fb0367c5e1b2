//! A destination as people and programs see it.

use jiff::Timestamp;
use stepwell_core::bucket::RateLimit;
use stepwell_core::destination::Destination;

/// How a destination stands at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationView {
    /// Which.
    pub destination: Destination,
    /// Its circuit breaker, if it has one.
    pub breaker: Option<BreakerView>,
    /// How often it is called at most, if that is bounded.
    pub rate: Option<RateLimit>,
    /// Calls that could leave at once now, if it has a rate.
    pub tokens: Option<u32>,
    /// Until when it asked to be left alone.
    pub slowed_until: Option<Timestamp>,
    /// Calls that are under way.
    pub in_flight: usize,
    /// Calls that wait for a token.
    pub queued: usize,
}

/// How a circuit breaker stands at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerView {
    /// `closed`, `half-open` or `open`.
    pub state: &'static str,
    /// Failures in a row, while it is closed.
    pub failures: u32,
    /// Until when it is open.
    pub until: Option<Timestamp>,
    /// Since when it has not been closed.
    pub opened_at: Option<Timestamp>,
    /// What went wrong last.
    pub last_fault: Option<String>,
    /// How often it has opened.
    pub opens: u64,
    /// How many calls it has refused.
    pub refusals: u64,
}

impl BreakerView {
    /// 0 closed, 1 half-open, 2 open: as the metric shows it.
    #[must_use]
    pub fn openness(&self) -> u8 {
        match self.state {
            "open" => 2,
            "half-open" => 1,
            _ => 0,
        }
    }
}
