//! Pauses between tries at something that failed in passing: longer and longer ones, so that a disk that is full is not asked for ever.
//!
//! Knows nothing of what is tried.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);

/// Each pause is twice as long as the one before, up to the longest.
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// Returns when the next pause is over.
    pub(crate) async fn next(&mut self) {
        let pause = self.0;
        self.0 = (2 * pause).min(LONGEST);
        tokio::time::sleep(pause).await;
    }
}
