//! How long a run has waited for what is outside of it, for a time budget that does not count that.

use jiff::{SignedDuration, Timestamp};

/// Time in which nothing was in flight and something outside was waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waited {
    before: SignedDuration,
    since: Option<Timestamp>,
}

impl Waited {
    /// The run waits from now on, or no more.
    pub(super) fn set(&mut self, waits: bool, at: Timestamp) {
        match (waits, self.since) {
            (true, None) => self.since = Some(at),
            (false, Some(since)) => {
                self.before = self.before.saturating_add(at.duration_since(since));
                self.since = None;
            }
            _ => {}
        }
    }

    /// How long, up to now; none while it waits, which no time budget ends.
    pub(super) fn total(&self) -> Option<SignedDuration> {
        self.since.is_none().then_some(self.before)
    }
}
