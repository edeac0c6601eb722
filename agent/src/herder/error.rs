//! Why calls of a herder fail, in Kafka Connect's words.
//!
//! The kinds are what callers decide by; which HTTP status each has is known to `rest/answer.rs` alone.

use std::fmt::Display;

use sluice_api::ConnectError;
use sluice_api::causes::with_causes;

use crate::logging::LoggerError;
use crate::plugins::NoConnector;
use crate::session::{LeaderError, SignatureError};
use crate::storage::StorageError;
use crate::validation::ValidationError;

/// Why a call of the herder failed. `Display` is the text for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HerderError {
    /// What the call names does not exist (`NotFoundException`).
    #[error("{0}")]
    NotFound(String),
    /// It exists already, or another change came first (`AlreadyExistsException`,
    /// `ConnectRestException` with 409); the latter passes.
    #[error("{0}")]
    Conflict(String),
    /// The request itself is at fault (`BadRequestException`).
    #[error("{0}")]
    Invalid(String),
    /// The worker's file disables the call.
    #[error("{0}")]
    Disabled(&'static str),
    /// The request of another worker is not signed as it has to be (KIP-507).
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The leader did not do what this worker requested.
    #[error(transparent)]
    Leader(#[from] LeaderError),
    /// Anything else: a store, Kafka or a connector failed (`ConnectException`).
    #[error("{0}")]
    Failed(String),
    /// Another worker has to carry out the call; `None` if it is unknown which one.
    #[error("the request has to be carried out by {}", url.as_deref().unwrap_or("an unknown worker"))]
    NotHere {
        /// Advertised URL of that worker, with a trailing slash.
        url: Option<String>,
    },
}

/// Result of a herder's call.
pub(crate) type HerderResult<T> = Result<T, HerderError>;

impl HerderError {
    /// `Connector NAME not found`.
    pub(crate) fn connector_not_found(name: &str) -> Self {
        Self::NotFound(format!("Connector {name} not found"))
    }

    /// `Unknown connector NAME`, the text of pause, resume and stop.
    pub(crate) fn unknown_connector(name: &str) -> Self {
        Self::NotFound(format!("Unknown connector {name}"))
    }

    /// A failure whose text is that of its cause, without the causes behind it.
    pub(crate) fn failed(cause: impl Display) -> Self {
        Self::Failed(cause.to_string())
    }

    /// The leader has to carry out a call, and its URL is unknown.
    pub(crate) fn no_leader() -> Self {
        Self::Conflict(
            "Cannot complete request momentarily due to no known leader URL, likely because a \
             rebalance was underway."
                .to_owned(),
        )
    }

    /// The call was forwarded already and still reached the wrong worker.
    pub(crate) fn rebalance_conflict() -> Self {
        Self::Conflict(
            "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
                .to_owned(),
        )
    }

    /// The same error for callers that forward nothing: leadership moved meanwhile.
    pub(crate) fn unforwarded(self) -> Self {
        match self {
            Self::NotHere { .. } => Self::no_leader(),
            error => error,
        }
    }

    /// Whether the same call may succeed when it is sent again later.
    pub(crate) fn is_retriable(&self) -> bool {
        match self {
            Self::Conflict(_) | Self::NotHere { .. } => true,
            Self::Signature(error) => *error == SignatureError::NoKey,
            Self::Leader(error) => error.is_retriable(),
            Self::NotFound(_) | Self::Invalid(_) | Self::Disabled(_) | Self::Failed(_) => false,
        }
    }
}

impl From<StorageError> for HerderError {
    /// The text has the causes of the store's failure.
    fn from(error: StorageError) -> Self {
        Self::Failed(with_causes(&error))
    }
}

impl From<ConnectError> for HerderError {
    fn from(error: ConnectError) -> Self {
        Self::failed(error)
    }
}

impl From<NoConnector> for HerderError {
    fn from(error: NoConnector) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<ValidationError> for HerderError {
    fn from(error: ValidationError) -> Self {
        match error {
            ValidationError::Invalid(text) => Self::Invalid(text),
            ValidationError::UnknownPlugin(_) => Self::NotFound(error.to_string()),
            ValidationError::Failed(text) => Self::Failed(text),
        }
    }
}

impl From<LoggerError> for HerderError {
    /// An unknown level is not found, as in the JVM worker; one that is missing is a failure there.
    fn from(error: LoggerError) -> Self {
        let text = error.to_string();
        match error {
            LoggerError::Unknown(_) | LoggerError::UnknownLevel(_) => Self::NotFound(text),
            LoggerError::TooMany(_) => Self::Invalid(text),
            LoggerError::NoLevel => Self::Failed(text),
        }
    }
}
