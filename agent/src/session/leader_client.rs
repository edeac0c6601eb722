//! Requests of a worker to the leader of its group.

use reqwest::{Client, Method, StatusCode, Url};
use sluice_api::causes::with_causes;
use sluice_protocol::ConnectorName;
use sluice_protocol::rest::ErrorMessage;

use super::signature::{ALGORITHM_HEADER, HMAC_SHA256, SIGNATURE_HEADER, sign};

/// Why the leader did not do what it was sent. `Display` is its own text if it answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LeaderError {
    /// It has another session key: one of the two has not read the current one yet.
    #[error("{0}")]
    OtherKey(String),
    /// It cannot do this now: a rebalance is under way, or it is starting.
    #[error("{0}")]
    Busy(String),
    /// It does not answer; the group will have another leader if this one is gone.
    #[error("{0}")]
    Unreachable(String),
    /// It answered that it will not, and would again.
    #[error("{0}")]
    Refused(String),
}

impl LeaderError {
    /// Whether the same request may succeed later, at this leader or the next one.
    pub(crate) const fn is_retriable(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unreachable(_))
    }

    /// The one place where the status of a leader's answer is read.
    fn of_answer(status: StatusCode, text: String) -> Self {
        match status {
            StatusCode::FORBIDDEN => Self::OtherKey(text),
            StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE => Self::Busy(text),
            _ => Self::Refused(text),
        }
    }
}

/// A leader as this worker reaches it.
pub(crate) struct LeaderClient<'a> {
    pub(crate) client: &'a Client,
    pub(crate) url: &'a str,
    /// The session key that requests are signed with; `None` outside a sessioned group.
    pub(crate) key: Option<&'a [u8]>,
}

impl LeaderClient<'_> {
    /// Sends `POST connectors/NAME/tasks` with task configs as a JSON array.
    ///
    /// # Errors
    /// The leader could not be reached, or its answer.
    pub(crate) async fn post_task_configs(
        &self,
        connector: &ConnectorName,
        body: Vec<u8>,
    ) -> Result<(), LeaderError> {
        self.send(Method::POST, connector, "tasks", body).await
    }

    /// Sends `PUT connectors/NAME/fence`, which has the producers of earlier tasks fenced (KIP-618).
    ///
    /// # Errors
    /// The leader could not be reached, or its answer.
    pub(crate) async fn put_fence(&self, connector: &ConnectorName) -> Result<(), LeaderError> {
        self.send(Method::PUT, connector, "fence", Vec::new()).await
    }

    async fn send(
        &self,
        method: Method,
        connector: &ConnectorName,
        what: &str,
        body: Vec<u8>,
    ) -> Result<(), LeaderError> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("the leader cannot be asked for {what} of connector {connector}: {error}")
        };
        let mut url = Url::parse(self.url).map_err(|error| LeaderError::Refused(failed(&error)))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(["connectors", connector.as_str(), what]);
        }
        let mut request = self.client.request(method, url);
        if !body.is_empty() {
            request = request.header("Content-Type", "application/json");
        }
        if let Some(key) = self.key {
            request = request
                .header(SIGNATURE_HEADER, sign(key, &body))
                .header(ALGORITHM_HEADER, HMAC_SHA256);
        }
        let reply = request.body(body).send().await.map_err(|error| {
            LeaderError::Unreachable(failed(&with_causes(&error.without_url())))
        })?;
        let status = reply.status();
        if status.is_success() {
            return Ok(());
        }
        let text = reply.bytes().await.unwrap_or_default();
        let error: Option<ErrorMessage> = serde_json::from_slice(&text).ok();
        let text = error
            .and_then(|error| error.message)
            .unwrap_or_else(|| status.to_string());
        Err(LeaderError::of_answer(status, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_leader_may_answer_later_and_one_that_refuses_will_not() {
        let of = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            LeaderError::of_answer(status, "x".to_owned())
        };
        assert_eq!(of(403), LeaderError::OtherKey("x".to_owned()));
        for status in [409, 503] {
            assert!(of(status).is_retriable(), "{status}");
        }
        for status in [400, 403, 404, 500] {
            assert!(!of(status).is_retriable(), "{status}");
        }
    }
}
