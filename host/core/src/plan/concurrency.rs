//! How many runs of a workflow may be under way at once.

use serde_json::Value;

use crate::expression::{Scope, Template};
use crate::failure::Failure;

/// How many runs of a workflow may be under way at once, and what happens to one more.
#[derive(Debug)]
pub struct Concurrency {
    /// So many.
    pub limit: u32,
    /// Runs for which this gives different values do not count together; none: all runs do.
    pub key: Option<Template>,
    /// What happens to one more.
    pub on_full: OnFull,
    /// The most that queue, of one key.
    pub max_queued: u32,
}

/// What happens to a run that finds no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// It is accepted, and waits.
    Queue,
    /// It is not accepted.
    Reject,
}

impl Concurrency {
    /// What a run counts together with: its key's value as JSON text; empty without a key.
    pub fn key_of(&self, scope: &Scope) -> Result<String, Failure> {
        let Some(template) = &self.key else { return Ok(String::new()) };
        let mut value = Value::clone(&*template.render(scope)?);
        // Equal values then have equal texts.
        value.sort_all_objects();
        Ok(value.to_string())
    }
}
