//! How to talk to the brokers of a cluster on Kafka's wire protocol.

use std::time::Duration;

use sluice_api::config::{ConfigError, Props};

use crate::security::{Security, SecurityError};

/// How to talk to the brokers of a cluster.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `bootstrap.servers`, each `host:port`.
    pub bootstrap_servers: Vec<String>,
    /// How to reach brokers.
    pub security: Security,
    /// `client.id`.
    pub client_id: String,
    /// `request.timeout.ms`.
    pub request_timeout: Duration,
    /// `socket.connection.setup.timeout.ms`.
    pub connect_timeout: Duration,
    /// `retry.backoff.ms`.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Duration,
    /// `default.api.timeout.ms`: how long an admin call is tried.
    pub api_timeout: Duration,
}

/// A property that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientSettingsError {
    /// The key is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The value does not parse.
    #[error("{key} {value:?}: expected {expected}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A security setting that can't be honoured.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// A value that Kafka's client would not take either.
    #[error(transparent)]
    Value(#[from] ConfigError),
}

/// The value of a key without blanks around it; `None` if it is not given or empty.
#[must_use]
pub fn text<'a>(props: &'a Props, key: &str) -> Option<&'a str> {
    props
        .get(key)
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
}

/// A time in milliseconds.
///
/// # Errors
/// The value is no such time.
pub fn millis(
    props: &Props,
    key: &'static str,
    default: u64,
) -> Result<Duration, ClientSettingsError> {
    let Some(value) = text(props, key) else {
        return Ok(Duration::from_millis(default));
    };
    match value.parse::<i32>().map(u64::try_from) {
        Ok(Ok(ms)) => Ok(Duration::from_millis(ms)),
        _ => Err(ClientSettingsError::Invalid {
            key,
            value: value.to_owned(),
            expected: "milliseconds",
        }),
    }
}

impl ClientSettings {
    /// Reads client properties, with the defaults of a distributed worker.
    ///
    /// # Errors
    /// The first key that is missing or does not parse.
    pub fn from_props(props: &Props, default_client_id: &str) -> Result<Self, ClientSettingsError> {
        let bootstrap = text(props, "bootstrap.servers")
            .ok_or(ClientSettingsError::Missing("bootstrap.servers"))?;
        let millis = |key, default| millis(props, key, default);
        Ok(Self {
            bootstrap_servers: crate::bootstrap::parse(bootstrap)?
                .iter()
                .map(ToString::to_string)
                .collect(),
            security: Security::from_props(props)?,
            client_id: text(props, "client.id")
                .unwrap_or(default_client_id)
                .to_owned(),
            request_timeout: millis("request.timeout.ms", 40_000)?,
            connect_timeout: millis("socket.connection.setup.timeout.ms", 10_000)?,
            retry_backoff: millis("retry.backoff.ms", 100)?,
            retry_backoff_max: millis("retry.backoff.max.ms", 1000)?,
            api_timeout: millis("default.api.timeout.ms", 60_000)?,
        })
    }
}
