//! Errors as REST answers them: the one place where failures of the herder get their HTTP status.

use axum::http::StatusCode;
use axum::response::Response;
use sluice_protocol::rest::ErrorMessage;
use sluice_protocol::visible::visible;

use super::calls::json;
use crate::herder::HerderError;
use crate::session::SignatureError;

/// A failed REST call: an HTTP status from 400 to 599, and the text for the caller in Kafka Connect's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RestError {
    status: StatusCode,
    message: String,
}

impl RestError {
    /// A failure with a status of another worker's answer, whose text may be anything.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, message }
    }

    /// 400: the request itself is at fault.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 500: anything that has no status of its own.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// The body to send. Names of two things that look alike do not in it: what cannot be seen is
    /// shown by its code.
    fn body(&self) -> ErrorMessage {
        ErrorMessage {
            error_code: self.status.as_u16(),
            message: Some(visible(&self.message).into_owned()),
        }
    }

    pub(super) fn response(&self) -> Response {
        json(self.status, &self.body())
    }
}

impl From<HerderError> for RestError {
    /// A call that another worker should carry out, and that is not forwarded, conflicts with a rebalance.
    fn from(error: HerderError) -> Self {
        let error = match error {
            HerderError::NotHere { .. } => HerderError::rebalance_conflict(),
            error => error,
        };
        Self::new(status(&error), error.to_string())
    }
}

/// The statuses of Kafka's `ConnectExceptionMapper` and of the exceptions that name one themselves.
fn status(error: &HerderError) -> StatusCode {
    match error {
        HerderError::Invalid(_) => StatusCode::BAD_REQUEST,
        HerderError::Disabled(_) => StatusCode::FORBIDDEN,
        HerderError::NotFound(_) => StatusCode::NOT_FOUND,
        HerderError::Conflict(_) | HerderError::NotHere { .. } => StatusCode::CONFLICT,
        HerderError::Failed(_) | HerderError::Leader(_) => StatusCode::INTERNAL_SERVER_ERROR,
        HerderError::Signature(error) => match error {
            SignatureError::NoKey => StatusCode::SERVICE_UNAVAILABLE,
            SignatureError::Wrong => StatusCode::FORBIDDEN,
            SignatureError::Missing
            | SignatureError::UnknownAlgorithm(_)
            | SignatureError::NotBase64(_)
            | SignatureError::NotPermitted { .. } => StatusCode::BAD_REQUEST,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(error: HerderError) -> String {
        serde_json::to_string(&RestError::from(error).body()).unwrap()
    }

    #[test]
    fn body_has_the_shape_of_the_jvm() {
        assert_eq!(
            answered(HerderError::connector_not_found("c")),
            r#"{"error_code":404,"message":"Connector c not found"}"#
        );
    }

    #[test]
    fn every_kind_of_failure_has_the_status_of_its_exception() {
        let text = || "x".to_owned();
        for (error, code) in [
            (HerderError::Invalid(text()), 400),
            (HerderError::Disabled("x"), 403),
            (HerderError::NotFound(text()), 404),
            (HerderError::Conflict(text()), 409),
            (HerderError::NotHere { url: None }, 409),
            (HerderError::Failed(text()), 500),
            (SignatureError::Missing.into(), 400),
            (SignatureError::NotBase64(text()).into(), 400),
            (SignatureError::Wrong.into(), 403),
            (SignatureError::NoKey.into(), 503),
        ] {
            let shown = answered(error.clone());
            let start = format!(r#"{{"error_code":{code},"#);
            assert!(shown.starts_with(&start), "{error:?}: {shown}");
        }
    }
}
