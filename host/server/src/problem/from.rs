//! What the errors of the rooms below mean to a client.

use stepwell_core::schema::SchemaViolation;
use stepwell_engine::{ApplyError, EngineError, PublishError, StartError};
use stepwell_store::StoreError;

use super::Problem;
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
            Refusal::TooLarge { limit, .. } => Self::TooLarge { limit, key: "http.max_component_bytes" },
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
            StartError::InputTooLarge { limit, .. } => Self::TooLarge { limit, key: "http.max_json_bytes" },
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
