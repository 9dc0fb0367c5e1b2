//! What can go wrong, by what was asked for. These errors know nothing of HTTP: the server maps them.

use semver::Version;
use stepwell_core::failure::Failure;
use stepwell_core::id::{RunId, WorkflowName};
use stepwell_core::mistake::Mistake;
use stepwell_core::schema::SchemaViolation;
use stepwell_store::StoreError;

/// Why the engine cannot go on with something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored workflow does not become a plan any more.
    #[error("the stored version {version} of workflow `{workflow}` cannot be loaded: {why}")]
    Plan {
        /// The workflow.
        workflow: WorkflowName,
        /// Its version.
        version: Version,
        /// What stands in the way.
        why: String,
    },
    /// A run's journal does not tell one story.
    #[error("the journal of run {run} cannot be read back: {why}")]
    Journal {
        /// The run.
        run: RunId,
        /// What does not follow.
        why: String,
    },
    /// The run is not in memory: it was not recovered yet, or its journal failed.
    #[error(
        "run {run} is not being driven at the moment: try again in a few seconds; if it stays so, the server's log says why"
    )]
    Unavailable {
        /// The run.
        run: RunId,
    },
    /// The engine is stopping.
    #[error("the server is shutting down: try again when it is back")]
    ShuttingDown,
    /// The run waits and has left memory. Never told to callers: whoever meets it looks again.
    #[error("the run waits")]
    Parked,
}

/// Why a step was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The component is not a step that may be published.
    #[error(transparent)]
    Refused(#[from] stepwell_sandbox::PublishError),
    /// The same name and version is published with other bytes.
    #[error("{0}")]
    Conflict(String),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

/// Why a workflow was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The definition has mistakes: all of them.
    #[error("the definition has {} mistake(s)", .0.len())]
    Mistakes(Vec<Mistake>),
    /// The same version was applied with another definition.
    #[error("{0}")]
    Conflict(String),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// What was applied before cannot be loaded.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It cannot be the canary.
    #[error(transparent)]
    Release(#[from] ReleaseError),
}

/// Why another version did not become what new runs get.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// There is no such workflow.
    #[error("there is no workflow `{name}`{}", known_workflows(known))]
    UnknownWorkflow {
        /// What was asked for.
        name: WorkflowName,
        /// Those that there are.
        known: Vec<WorkflowName>,
    },
    /// The workflow has no such version.
    #[error("workflow `{name}` has no version {version}; it has {}", list(known))]
    UnknownVersion {
        /// The workflow.
        name: WorkflowName,
        /// What was asked for.
        version: Version,
        /// Those that there are, oldest first.
        known: Vec<Version>,
    },
    /// Nothing is remembered from before the current version.
    #[error(
        "no version of workflow `{name}` is known to have been current before {current}: name the one to go back to"
    )]
    NoEarlierVersion {
        /// The workflow.
        name: WorkflowName,
        /// Its current version.
        current: Version,
    },
    /// No version gets a share of new runs.
    #[error("workflow `{name}` has no canary: every new run gets its current version")]
    NoCanary {
        /// The workflow.
        name: WorkflowName,
    },
    /// What gets all new runs cannot get a share of them.
    #[error(
        "version {version} of workflow `{name}` is the current one, and so cannot be the canary beside it: a canary is another version"
    )]
    CanaryIsCurrent {
        /// The workflow.
        name: WorkflowName,
        /// The version.
        version: Version,
    },
    /// There is no current version that a canary could be beside.
    #[error(
        "workflow `{name}` was never applied, and its first version cannot be a canary: apply it without a share first"
    )]
    FirstCanary {
        /// The workflow.
        name: WorkflowName,
    },
    /// The version does not fit into this place any more: all that stands in the way.
    #[error("the version has {} mistake(s) in this place", .0.len())]
    Mistakes(Vec<Mistake>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored version cannot be loaded.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why a run was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such workflow.
    #[error("there is no workflow `{name}`{}", known_workflows(known))]
    UnknownWorkflow {
        /// What was asked for.
        name: WorkflowName,
        /// Those that there are.
        known: Vec<WorkflowName>,
    },
    /// The workflow has no such version.
    #[error("workflow `{name}` has no version {version}; it has {}", list(known))]
    UnknownVersion {
        /// The workflow.
        name: WorkflowName,
        /// What was asked for.
        version: Version,
        /// Those that there are, oldest first.
        known: Vec<Version>,
    },
    /// The input does not match the workflow's `input` schema.
    #[error("the input does not match the workflow's schema in {} place(s): {}", .0.len(), first_places(.0))]
    InvalidInput(Vec<SchemaViolation>),
    /// The input is too large.
    #[error(
        "the input has {size} bytes of JSON, and a run's input may have {limit}: hand over a reference instead of the data"
    )]
    InputTooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The idempotency key was used for another request.
    #[error(
        "the idempotency key was used before for another request, which started run {run}: use a new key"
    )]
    IdempotencyMismatch {
        /// The run that the key started.
        run: RunId,
    },
    /// As many runs of the workflow are under way as may be, and no more may queue.
    #[error("{}", full_words(workflow, *limit, *max_queued))]
    Full {
        /// The workflow.
        workflow: WorkflowName,
        /// So many runs may be under way at once.
        limit: u32,
        /// So many may queue; none if the workflow refuses instead.
        max_queued: Option<u32>,
    },
    /// With what the run counts together cannot be made from its input.
    #[error(transparent)]
    ConcurrencyKey(Failure),
    /// The store failed; no room on the disk is among its errors.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine is stopping.
    #[error("the server is shutting down: try again when it is back")]
    ShuttingDown,
    /// The workflow cannot be loaded, or the run cannot be waited for.
    #[error(transparent)]
    Engine(EngineError),
}

impl StartError {
    /// Whether the same start, made again later, would fail again in the same way.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::UnknownWorkflow { .. }
            | Self::UnknownVersion { .. }
            | Self::InvalidInput(_)
            | Self::InputTooLarge { .. }
            | Self::ConcurrencyKey(_)
            | Self::IdempotencyMismatch { .. } => true,
            Self::Engine(error) => matches!(error, EngineError::Plan { .. }),
            // The workflow takes no more runs at the moment, or the disk none.
            Self::Full { .. } | Self::Store(_) | Self::ShuttingDown => false,
        }
    }
}

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => Self::Store(error),
            EngineError::ShuttingDown => Self::ShuttingDown,
            other => Self::Engine(other),
        }
    }
}

fn full_words(workflow: &WorkflowName, limit: u32, max_queued: Option<u32>) -> String {
    let under_way =
        format!("{limit} run(s) of workflow `{workflow}` are under way, as many as its `concurrency` allows");
    match max_queued {
        Some(max_queued) => {
            format!("{under_way}, and {max_queued} queue, which is the most: try again later")
        }
        None => format!("{under_way}: try again later"),
    }
}

fn known_workflows(known: &[WorkflowName]) -> String {
    if known.is_empty() {
        "; none is applied yet".to_owned()
    } else {
        format!("; there are: {}", list(known))
    }
}

/// The first of them; a number alone would send whoever reads it looking.
fn first_places(violations: &[SchemaViolation]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = violations.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if violations.len() > SHOWN { "; ..." } else { "" };
    format!("{}{more}", shown.join("; "))
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_does_not_match_is_told_by_its_first_places() {
        let violation = |at| SchemaViolation { pointer: format!("/{at}"), message: "no number".to_owned() };
        let told = StartError::InvalidInput((0..4).map(violation).collect()).to_string();
        assert!(told.ends_with("in 4 place(s): /0: no number; /1: no number; /2: no number; ..."), "{told}");
    }
}
