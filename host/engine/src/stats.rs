//! How much the engine has in hand.

use serde::Serialize;

use crate::Engine;

/// How much the engine has in hand at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EngineStats {
    /// Runs in memory.
    pub live_runs: usize,
    /// Runs that wait for a place under their workflow's concurrency limit.
    pub queued_runs: usize,
    /// Attempts that have an instance.
    pub live_attempts: usize,
    /// Attempts that wait for room.
    pub queued_attempts: usize,
    /// Attempts that wait for an answer and need no room meanwhile.
    pub away_attempts: usize,
}

impl Engine {
    /// How much the engine has in hand now.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        EngineStats {
            live_runs: self.0.runs.count(),
            queued_runs: self.0.slots.queued(),
            live_attempts: self.0.gate.inside(),
            queued_attempts: self.0.gate.queued(),
            away_attempts: self.0.sandbox.stats().away as usize,
        }
    }
}
