//! Marks: what can be found without reading runs. What a run waits for, and what it left behind.
//!
//! A mark is written in the same atomic step as the entries that it follows from, so that no run waits for a timer that nobody keeps.
//! What a mark's key and body say is known to whoever puts it; the journal keeps them, and finds them by key and by time.

use jiff::Timestamp;
use serde_json::Value;
use stepwell_core::id::RunId;

use crate::StoreError;

/// The longest key of a mark, in bytes.
pub const MAX_MARK_KEY_BYTES: usize = 1 << 10;

/// Something to be found. There is one of a tenant, kind and key.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// What it is.
    pub kind: MarkKind,
    /// By which it is found, and replaced.
    pub key: String,
    /// The run that it is about, if it is about one. It goes when the run is purged.
    pub run: Option<RunId>,
    /// When something is to be done about it, to the millisecond.
    pub due: Option<Timestamp>,
    /// Whatever else is to be known.
    pub body: Value,
}

/// What a mark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkKind {
    /// A run goes on at a time.
    Timer,
    /// A run waits for somebody's decision.
    Approval,
    /// A run waits for a call.
    Callback,
    /// A node whose attempts ran out, until somebody retries or discards it. It keeps its run from being purged.
    DeadLetter,
    /// Something is to be sent.
    Outbox,
    /// An answer that may be used again. Once it is due it is removed, sooner or later.
    Memo,
    /// A workflow starts at a time.
    Cron,
    /// A run waits for another one.
    Child,
    /// What time it was.
    Clock,
    /// What a run did with AI. Its key is the run's id, so that these stand in the order of acceptance.
    Ai,
    /// A value that a workflow keeps. Once it is due it is removed, sooner or later.
    State,
    /// A blob, and when to look whether anybody still needs it.
    Blob,
    /// Somebody needs a blob.
    BlobUse,
}

impl MarkKind {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::Timer,
        Self::Approval,
        Self::Callback,
        Self::DeadLetter,
        Self::Outbox,
        Self::Memo,
        Self::Cron,
        Self::Child,
        Self::Clock,
        Self::Ai,
        Self::State,
        Self::Blob,
        Self::BlobUse,
    ];

    /// Those that go by themselves once they are due.
    pub(crate) const PASSING: [Self; 2] = [Self::Memo, Self::State];

    /// As written for people and programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::Approval => "approval",
            Self::Callback => "callback",
            Self::DeadLetter => "dead-letter",
            Self::Outbox => "outbox",
            Self::Memo => "memo",
            Self::Cron => "cron",
            Self::Child => "child",
            Self::Clock => "clock",
            Self::Ai => "ai",
            Self::State => "state",
            Self::Blob => "blob",
            Self::BlobUse => "blob-use",
        }
    }
}

/// A change to the marks of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub enum MarkChange {
    /// Puts a mark in the place of an older one.
    Put(Mark),
    /// Removes a mark, if it is there.
    Remove {
        /// Its kind.
        kind: MarkKind,
        /// Its key.
        key: String,
    },
}

impl MarkChange {
    /// Which mark changes.
    #[must_use]
    pub fn place(&self) -> (MarkKind, &str) {
        match self {
            Self::Put(mark) => (mark.kind, &mark.key),
            Self::Remove { kind, key } => (*kind, key),
        }
    }
}

/// Refuses marks that cannot be kept.
pub(crate) fn check(changes: &[MarkChange]) -> Result<(), StoreError> {
    let too_long = changes.iter().map(MarkChange::place).find(|(_, key)| key.len() > MAX_MARK_KEY_BYTES);
    match too_long {
        Some((kind, key)) => {
            Err(StoreError::MarkKey { kind: kind.as_str(), bytes: key.len(), limit: MAX_MARK_KEY_BYTES })
        }
        None => Ok(()),
    }
}
