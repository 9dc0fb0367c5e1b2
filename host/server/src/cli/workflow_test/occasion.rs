//! What in a run's journal gives others something to do.

use std::fmt;

use jiff::Timestamp;
use stepwell_core::id::{RunId, WorkflowName};
use stepwell_core::run::{Entry, Event};

/// What somebody waits for before they do something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Cue {
    /// A run begins.
    Begins,
    /// A node asks a person.
    Asks(String),
    /// A node can be called back.
    CanBeCalled(String),
    /// A node waits for a time or a signal.
    Waits(String),
}

impl Cue {
    /// Whose it is.
    pub(super) fn node(&self) -> Option<&str> {
        match self {
            Self::Begins => None,
            Self::Asks(node) | Self::CanBeCalled(node) | Self::Waits(node) => Some(node),
        }
    }

    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::RunAccepted { .. } => Some(Self::Begins),
            Event::ApprovalOpened { node, .. } => Some(Self::Asks(node.to_string())),
            Event::CallbackOpened { node, .. } => Some(Self::CanBeCalled(node.to_string())),
            Event::WaitStarted { node, .. } => Some(Self::Waits(node.to_string())),
            _ => None,
        }
    }
}

impl fmt::Display for Cue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins => f.write_str("its run began"),
            Self::Asks(node) => write!(f, "`{node}` asked"),
            Self::CanBeCalled(node) => write!(f, "`{node}` could be called back"),
            Self::Waits(node) => write!(f, "`{node}` waited"),
        }
    }
}

/// One time that a cue came.
#[derive(Debug, Clone)]
pub(super) struct Occasion {
    pub(super) cue: Cue,
    pub(super) workflow: WorkflowName,
    pub(super) run: RunId,
    pub(super) seq: u64,
    pub(super) at: Timestamp,
    /// Where to call back, if that is what it is about.
    pub(super) token: Option<String>,
}

impl Occasion {
    /// What an entry of a run's journal is an occasion for, if it is one.
    pub(super) fn of(workflow: &WorkflowName, run: RunId, entry: &Entry) -> Option<Self> {
        let token = match &entry.event {
            Event::CallbackOpened { token, .. } => Some(token.clone()),
            _ => None,
        };
        let cue = Cue::of(&entry.event)?;
        Some(Self { cue, workflow: workflow.clone(), run, seq: entry.seq, at: entry.at, token })
    }
}
