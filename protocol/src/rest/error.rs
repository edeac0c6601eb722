//! The error body, and the error every REST handler ends with.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::visible::visible;

/// Body of every failed call: `{"error_code":404,"message":"..."}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// The HTTP status once more.
    pub error_code: u16,
    /// The text; JSON `null` when the JVM's exception had none.
    #[serde(default)]
    pub message: Option<String>,
}

/// A failed REST call: an HTTP status and a text for the caller.
///
/// The one place where failures get their status. Not found is 404, already exists and rebalance conflicts are 409,
/// faults of the request 400, everything else 500.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (status {status})")]
pub struct RestError {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// Text shown to the caller, in Kafka Connect's words.
    pub message: String,
}

impl RestError {
    /// A failure with any status.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// 400: the request itself is at fault.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 403: switched off, or a wrong signature.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, message)
    }

    /// 404: the thing named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    /// 409: it exists already, or a rebalance is under way; clients try again.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, message)
    }

    /// 500: anything else.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, message)
    }

    /// 503: still starting.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, message)
    }

    /// 404 `Connector NAME not found`.
    pub fn connector_not_found(name: &str) -> Self {
        Self::not_found(format!("Connector {name} not found"))
    }

    /// 404 `Unknown connector NAME`, the text of pause, resume and stop.
    pub fn unknown_connector(name: &str) -> Self {
        Self::not_found(format!("Unknown connector {name}"))
    }

    /// 409: nobody knows who leads right now.
    pub fn no_leader() -> Self {
        Self::conflict(
            "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.",
        )
    }

    /// 409: the call was forwarded already and still reached the wrong worker.
    pub fn rebalance_conflict() -> Self {
        Self::conflict(
            "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
        )
    }

    /// 409: this worker knows that a rebalance is due.
    pub fn stale_config() -> Self {
        Self::conflict(
            "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)",
        )
    }

    /// Whether the same call may succeed when it is sent again later: 409 and 503.
    pub const fn is_retriable(&self) -> bool {
        matches!(self.status, 409 | 503)
    }

    /// The body to send. Names of two things that look alike do not in it: what cannot be seen is shown by its code.
    pub fn body(&self) -> ErrorMessage {
        ErrorMessage {
            error_code: self.status,
            message: Some(visible(&self.message).into_owned()),
        }
    }
}

impl From<ErrorMessage> for RestError {
    fn from(body: ErrorMessage) -> Self {
        Self::new(body.error_code, body.message.unwrap_or_default())
    }
}

impl fmt::Display for ErrorMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.error_code,
            self.message.as_deref().unwrap_or("null")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_has_the_shape_of_the_jvm() {
        let body = serde_json::to_string(&RestError::connector_not_found("c").body()).unwrap();
        assert_eq!(
            body,
            r#"{"error_code":404,"message":"Connector c not found"}"#
        );
        let read: ErrorMessage =
            serde_json::from_str(r#"{"error_code":500,"message":null}"#).unwrap();
        assert_eq!(read.message, None);
    }
}
