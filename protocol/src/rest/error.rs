//! The body of errors.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Body of every failed call: `{"error_code":404,"message":"..."}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// The HTTP status once more.
    pub error_code: u16,
    /// The text; JSON `null` when the JVM's exception had none.
    #[serde(default)]
    pub message: Option<String>,
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
        let body = ErrorMessage {
            error_code: 404,
            message: Some("Connector c not found".to_owned()),
        };
        let body = serde_json::to_string(&body).unwrap();
        assert_eq!(
            body,
            r#"{"error_code":404,"message":"Connector c not found"}"#
        );
        let read: ErrorMessage =
            serde_json::from_str(r#"{"error_code":500,"message":null}"#).unwrap();
        assert_eq!(read.message, None);
    }
}
