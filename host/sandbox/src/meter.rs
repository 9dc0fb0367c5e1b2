//! What one attempt may still use of the limits that host functions watch over.
//!
//! Fuel, memory, tables and time are counted elsewhere, by those who see them spent.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use stepwell_core::failure::Failure;
use stepwell_core::limits::{LimitKind, Limits};

/// The counters of one attempt, over all its lives. Shared by all that act for it, also at the same time.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Calls of host functions, WASI's among them.
    pub(crate) host_calls: Counter,
    /// Bytes sent through capabilities.
    pub(crate) sent: Counter,
    /// Bytes received through capabilities, those that a replay gives again among them.
    pub(crate) received: Counter,
    /// Lines written to the run's log.
    pub(crate) log_lines: Counter,
    ended: OnceLock<Failure>,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            host_calls: Counter::new(LimitKind::HostCalls, limits.host_calls),
            sent: Counter::new(LimitKind::SentBytes, limits.sent_bytes),
            received: Counter::new(LimitKind::ReceivedBytes, limits.received_bytes),
            log_lines: Counter::new(LimitKind::LogLines, limits.log_lines),
            ended: OnceLock::new(),
        }
    }

    /// Another guest takes the place of the last one, and uses everything again.
    pub(crate) fn begin_again(&self) {
        for counter in [&self.host_calls, &self.sent, &self.received, &self.log_lines] {
            counter.used.store(0, Ordering::Relaxed);
        }
    }

    /// Ends the attempt from where no error can be returned. The first to end it gives the reason.
    pub(crate) fn end(&self, failure: Failure) {
        self.ended.get_or_init(|| failure);
    }

    /// Why the attempt was ended, if it was.
    pub(crate) fn ended(&self) -> Option<&Failure> {
        self.ended.get()
    }
}

/// Counts one thing up to its limit.
#[derive(Debug)]
pub(crate) struct Counter {
    kind: LimitKind,
    limit: u64,
    used: AtomicU64,
}

impl Counter {
    pub(crate) fn new(kind: LimitKind, limit: u64) -> Self {
        Self { kind, limit, used: AtomicU64::new(0) }
    }

    /// Uses up `amount`, or tells that the limit does not allow it. What went beyond stays counted: the attempt
    /// is over.
    pub(crate) fn take(&self, amount: u64) -> Result<(), Failure> {
        let before = self.used.fetch_add(amount, Ordering::Relaxed);
        if before.saturating_add(amount) <= self.limit { Ok(()) } else { Err(self.failure()) }
    }

    /// What is left.
    pub(crate) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    /// The limit, as the failure of whoever hits it.
    pub(crate) fn failure(&self) -> Failure {
        Failure::limit(self.kind, self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_gives_out_its_limit_and_no_more() {
        let counter = Counter::new(LimitKind::SentBytes, 10);
        assert_eq!(counter.take(4), Ok(()));
        assert_eq!(counter.left(), 6);
        assert_eq!(counter.take(6), Ok(()));
        assert_eq!(counter.take(1), Err(Failure::limit(LimitKind::SentBytes, 10)));
        assert_eq!(counter.left(), 0);
    }
}
