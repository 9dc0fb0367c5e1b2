//! Why there is no answer to a request.

use crate::{Fault, StepError};

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is malformed.
    InvalidRequest,
    /// No grant covers the request.
    Denied,
    /// The name did not resolve.
    Dns,
    /// No connection, or it broke.
    Connection,
    /// The peer's certificate was not accepted.
    Tls,
    /// No whole answer in time.
    Timeout,
    /// The answer is larger than the attempt may receive.
    TooLarge,
    /// The peer does not speak HTTP, or redirected too often.
    Protocol,
    /// The answer came, but its body is not what was asked for.
    Body,
}

impl ErrorKind {
    /// Whether the same request may be answered later. A body that cannot be read counts: it is
    /// most often a proxy's error page or a cut answer.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Dns | Self::Connection | Self::Timeout | Self::Protocol | Self::Body => true,
            Self::InvalidRequest | Self::Denied | Self::Tls | Self::TooLarge => false,
        }
    }
}

/// Why there is no answer to a request.
pub type Error = Fault<ErrorKind>;

impl From<Error> for StepError {
    fn from(error: Error) -> Self {
        match error.kind.is_retryable() {
            true => Self::retryable(error.message),
            false => Self::permanent(error.message),
        }
    }
}
