//! Settings of the group client, from the worker's properties.

use std::time::Duration;

use sluice_api::config::Props;
use sluice_kafka::wire::props;
use sluice_kafka::wire::settings::{self, ClientSettings, ClientSettingsError};
use sluice_protocol::WorkerId;
use sluice_protocol::group::Subprotocol;

/// What the group client needs to know.
#[derive(Clone, Debug)]
pub(crate) struct GroupConfig {
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

impl GroupConfig {
    /// Reads the worker's properties, with the defaults of `DistributedConfig`.
    ///
    /// # Errors
    /// The first key that is missing or does not parse.
    pub(crate) fn from_props(
        props: &Props,
        worker_id: &WorkerId,
        rest_url: &str,
    ) -> Result<Self, ClientSettingsError> {
        let text = |key: &str| props::text(props, key);
        let millis = |key, default| settings::millis(props, key, default);
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
                return Err(ClientSettingsError::Invalid {
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
                .ok_or(ClientSettingsError::Missing("group.id"))?
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
