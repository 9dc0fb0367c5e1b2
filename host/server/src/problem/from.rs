//! What the errors of the rooms below mean to a client.

use stepwell_core::schema::SchemaViolation;
use stepwell_engine::{
    ApplyError, ApprovalError, BlobFault, CallbackError, ControlError, DeadLetterError, EngineError,
    PublishError, ReleaseError, ReopenError, StartError,
};
use stepwell_store::{BlobError, StoreError};

use super::{LimitSetting, Problem};
use crate::document::SyntaxError;

impl From<SyntaxError> for Problem {
    fn from(error: SyntaxError) -> Self {
        let SyntaxError { format, message, line, column } = error;
        Self::MalformedBody { format, message, line, column }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(message) => Self::Conflict(message),
            StoreError::DiskFull { free, reserve, .. } => {
                tracing::error!(%error, "new work was refused");
                Self::DiskFull { free, reserve }
            }
            StoreError::Closed => Self::ShuttingDown,
            broken => Self::internal(broken),
        }
    }
}

impl From<BlobFault> for Problem {
    fn from(fault: BlobFault) -> Self {
        match fault {
            BlobFault::Blob(BlobError::Unknown(digest)) => Self::UnknownBlob(digest),
            BlobFault::Blob(BlobError::TooLarge { limit }) => {
                let set_by = LimitSetting::Config("blobs.max_bytes");
                Self::TooLarge { limit: usize::try_from(limit).unwrap_or(usize::MAX), set_by }
            }
            BlobFault::Blob(error @ BlobError::Unavailable { .. }) => {
                tracing::error!(%error, "a call for a blob was refused");
                Self::BlobsUnavailable
            }
            BlobFault::Store(error) => error.into(),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::ShuttingDown => Self::ShuttingDown,
            EngineError::Unavailable { run } => Self::RunUnavailable(run),
            broken => Self::internal(broken),
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Refused(refusal) => refusal.into(),
            PublishError::Conflict(message) => Self::Conflict(message),
            PublishError::Store(error) => error.into(),
        }
    }
}

impl From<stepwell_sandbox::PublishError> for Problem {
    fn from(error: stepwell_sandbox::PublishError) -> Self {
        use stepwell_sandbox::PublishError as Refusal;
        match error {
            Refusal::TooLarge { limit, .. } => {
                Self::TooLarge { limit, set_by: LimitSetting::Config("http.max_component_bytes") }
            }
            Refusal::Sandbox(broken) => Self::internal(broken),
            refusal => Self::InvalidComponent(refusal.to_string()),
        }
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Mistakes(mistakes) => Self::InvalidDefinition { mistakes },
            ApplyError::Conflict(message) => Self::Conflict(message),
            ApplyError::Store(error) => error.into(),
            ApplyError::Engine(error) => error.into(),
            ApplyError::Release(error) => error.into(),
        }
    }
}

impl From<ReleaseError> for Problem {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::UnknownWorkflow { .. }
            | ReleaseError::UnknownVersion { .. }
            | ReleaseError::FirstCanary { .. } => Self::UnknownWorkflow(error.to_string()),
            ReleaseError::NoEarlierVersion { .. } => Self::NoEarlierVersion(error.to_string()),
            ReleaseError::NoCanary { .. } => Self::NoCanary(error.to_string()),
            ReleaseError::CanaryIsCurrent { .. } => Self::CanaryIsCurrent(error.to_string()),
            ReleaseError::Mistakes(mistakes) => Self::InvalidDefinition { mistakes },
            ReleaseError::Store(error) => error.into(),
            ReleaseError::Engine(error) => error.into(),
        }
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        match error {
            StartError::UnknownWorkflow { .. } | StartError::UnknownVersion { .. } => {
                Self::UnknownWorkflow(error.to_string())
            }
            StartError::InvalidInput(violations) => Self::InvalidInput { violations },
            StartError::InputTooLarge { limit, .. } => {
                Self::TooLarge { limit, set_by: LimitSetting::Config("http.max_json_bytes") }
            }
            StartError::IdempotencyMismatch { run } => Self::IdempotencyMismatch { run },
            StartError::Full { limit, max_queued, .. } => {
                Self::WorkflowFull { message: error.to_string(), limit, max_queued }
            }
            StartError::ConcurrencyKey(failure) => Self::InvalidInput {
                violations: vec![SchemaViolation { pointer: String::new(), message: failure.message }],
            },
            StartError::Store(error) => error.into(),
            StartError::ShuttingDown => Self::ShuttingDown,
            StartError::Engine(error) => error.into(),
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::UnknownRun(run) => Self::UnknownRun(run),
            ControlError::Ended { run, status } => Self::RunEnded { run, status },
            ControlError::Cancelling(_) => Self::RunCancelling(error.to_string()),
            ControlError::UnknownSignal { .. } => Self::UnknownSignal(error.to_string()),
            ControlError::TooManySignals { .. } => Self::TooManySignals(error.to_string()),
            ControlError::Engine(error) => error.into(),
        }
    }
}

impl From<ApprovalError> for Problem {
    fn from(error: ApprovalError) -> Self {
        let message = error.to_string();
        match error {
            ApprovalError::UnknownRun(run) => Self::UnknownRun(run),
            ApprovalError::UnknownNode { .. } => Self::UnknownApproval(message),
            ApprovalError::NotWaiting { .. } => Self::NotWaiting(message),
            ApprovalError::NotAllowed { who, .. } => Self::NotAllowed { message, who },
            ApprovalError::Form(violations) => Self::SchemaMismatch { what: "`form`".to_owned(), violations },
            ApprovalError::Engine(error) => error.into(),
        }
    }
}

impl From<CallbackError> for Problem {
    fn from(error: CallbackError) -> Self {
        let message = error.to_string();
        match error {
            CallbackError::Unknown => Self::UnknownCallback,
            CallbackError::Used => Self::CallbackUsed(message),
            CallbackError::Expired { .. } | CallbackError::Closed => Self::CallbackGone(message),
            CallbackError::Body(violations) => {
                Self::SchemaMismatch { what: "the body".to_owned(), violations }
            }
            CallbackError::Engine(error) => error.into(),
        }
    }
}

impl From<ReopenError> for Problem {
    fn from(error: ReopenError) -> Self {
        let message = error.to_string();
        match error {
            ReopenError::UnknownRun(run) => Self::UnknownRun(run),
            ReopenError::NotEnded { run, status } => Self::RunNotEnded { run, status },
            ReopenError::NothingFailed { .. } => Self::NothingFailed(message),
            ReopenError::NotUndone { .. } => Self::NotUndone(message),
            ReopenError::UnknownNode { .. } => {
                Self::InvalidRequest { place: super::Place::Body("/from".to_owned()), message }
            }
            ReopenError::NoEdit { .. } => {
                Self::InvalidRequest { place: super::Place::Body(String::new()), message }
            }
            ReopenError::Edit { node, violations } => {
                Self::SchemaMismatch { what: format!("what `{node}` is to be given"), violations }
            }
            ReopenError::Start(error) => error.into(),
            ReopenError::Engine(error) => error.into(),
        }
    }
}

impl From<DeadLetterError> for Problem {
    fn from(error: DeadLetterError) -> Self {
        let message = error.to_string();
        match error {
            DeadLetterError::Unknown(_) => Self::UnknownDeadLetter(message),
            DeadLetterError::Reopen(error) => error.into(),
            DeadLetterError::Engine(error) => error.into(),
        }
    }
}
