//! The engine's clock: as fine as the journal keeps it, so that a run that lives and a run that is folded are equal.

use std::time::Duration;

use jiff::Timestamp;

/// Now, to the millisecond.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// How long it is until then; nothing if it has passed.
pub(crate) fn until(then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(Timestamp::now())).unwrap_or_default()
}
