//! Settings of the group client, from the worker's properties.

use std::time::Duration;

use sluice_api::config::Props;
use sluice_protocol::WorkerId;
use sluice_protocol::group::Subprotocol;

use crate::kafka_client::security::{Security, SecurityError};

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

/// What the group client needs to know.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// The cluster.
    pub client: ClientSettings,
    /// `group.id`.
    pub group_id: String,
    /// Own REST URL, with trailing slash.
    pub rest_url: String,
    /// Subprotocols offered, best first; from `connect.protocol`.
    pub subprotocols: Vec<Subprotocol>,
    /// `session.timeout.ms`.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`; also how long a coordinator is looked for before work is given up.
    pub heartbeat_interval: Duration,
    /// `rebalance.timeout.ms`; also the longest pause between polls.
    pub rebalance_timeout: Duration,
    /// `scheduled.rebalance.max.delay.ms`.
    pub max_delay: Duration,
}

/// A worker property the group client can't use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupConfigError {
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
}

fn text<'a>(props: &'a Props, key: &str) -> Option<&'a str> {
    props
        .get(key)
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
}

fn millis(props: &Props, key: &'static str, default: u64) -> Result<Duration, GroupConfigError> {
    let Some(value) = text(props, key) else {
        return Ok(Duration::from_millis(default));
    };
    match value.parse::<i32>().map(u64::try_from) {
        Ok(Ok(ms)) => Ok(Duration::from_millis(ms)),
        _ => Err(GroupConfigError::Invalid {
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
    pub fn from_props(props: &Props, default_client_id: &str) -> Result<Self, GroupConfigError> {
        let bootstrap = text(props, "bootstrap.servers")
            .ok_or(GroupConfigError::Missing("bootstrap.servers"))?;
        let millis = |key, default| millis(props, key, default);
        Ok(Self {
            bootstrap_servers: bootstrap
                .split(',')
                .map(|server| server.trim().to_owned())
                .filter(|server| !server.is_empty())
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

impl GroupConfig {
    /// Reads the worker's properties, with the defaults of `DistributedConfig`.
    ///
    /// # Errors
    /// The first key that is missing or does not parse.
    pub fn from_props(
        props: &Props,
        worker_id: &WorkerId,
        rest_url: &str,
    ) -> Result<Self, GroupConfigError> {
        let text = |key: &str| text(props, key);
        let millis = |key, default| millis(props, key, default);
        let protocol = text("connect.protocol").unwrap_or("sessioned");
        let subprotocols = match protocol.to_ascii_lowercase().as_str() {
            "sessioned" => vec![
                Subprotocol::Sessioned,
                Subprotocol::Compatible,
                Subprotocol::Default,
            ],
            "compatible" => vec![Subprotocol::Compatible, Subprotocol::Default],
            "eager" => vec![Subprotocol::Default],
            _ => {
                return Err(GroupConfigError::Invalid {
                    key: "connect.protocol",
                    value: protocol.to_owned(),
                    expected: "eager, compatible or sessioned",
                });
            }
        };
        let default_client_id = format!("connect-{worker_id}");
        Ok(Self {
            client: ClientSettings::from_props(props, &default_client_id)?,
            group_id: text("group.id")
                .ok_or(GroupConfigError::Missing("group.id"))?
                .to_owned(),
            rest_url: rest_url.to_owned(),
            subprotocols,
            session_timeout: millis("session.timeout.ms", 10_000)?,
            heartbeat_interval: millis("heartbeat.interval.ms", 3000)?,
            rebalance_timeout: millis("rebalance.timeout.ms", 60_000)?,
            max_delay: millis("scheduled.rebalance.max.delay.ms", 300_000)?,
        })
    }

    /// How long JoinGroup may take: the broker holds it back for the rebalance timeout.
    pub(super) fn join_timeout(&self) -> Duration {
        self.client
            .request_timeout
            .max(self.rebalance_timeout + Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_jvm_worker() {
        let props: Props = [("bootstrap.servers", "a:1, b:2"), ("group.id", "g")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let config = GroupConfig::from_props(&props, &"h:8083".into(), "http://h:8083/").unwrap();
        assert_eq!(config.client.bootstrap_servers, ["a:1", "b:2"]);
        assert_eq!(config.client.client_id, "connect-h:8083");
        assert_eq!(config.subprotocols.len(), 3);
        assert_eq!(config.join_timeout(), Duration::from_secs(65));
        let mut wrong = props;
        wrong.insert("session.timeout.ms".to_owned(), "soon".to_owned());
        assert_eq!(
            GroupConfig::from_props(&wrong, &"h:1".into(), "")
                .unwrap_err()
                .to_string(),
            "session.timeout.ms \"soon\": expected milliseconds"
        );
    }
}
