//! Settings of the group client, from the worker's properties.

use std::time::Duration;

use sluice_api::config::Props;
use sluice_kafka::wire::settings::{ClientSettings, ClientSettingsError};
use sluice_protocol::WorkerId;
use sluice_protocol::group::Subprotocol;

use crate::settings::{ConnectProtocol, DistributedSettings};

/// What the group client needs to know.
#[derive(Clone, Debug)]
pub(crate) struct GroupConfig {
    /// Brokers, security and client id, as every client of the worker has them.
    pub client: ClientSettings,
    /// `group.id`, the name of the Connect cluster.
    pub group_id: String,
    /// Own REST URL, with trailing slash.
    pub rest_url: String,
    /// Subprotocols offered, best first; from `connect.protocol`.
    pub subprotocols: Vec<Subprotocol>,
    /// `session.timeout.ms`: how long the group waits for a silent member.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`; also how long a coordinator is looked for before work is given up.
    pub heartbeat_interval: Duration,
    /// `rebalance.timeout.ms`; also the longest pause between polls.
    pub rebalance_timeout: Duration,
    /// `scheduled.rebalance.max.delay.ms`: how long work of a member that left is kept for it.
    pub max_delay: Duration,
}

impl GroupConfig {
    /// The group client of a worker.
    ///
    /// # Errors
    /// The first key of the connection that is missing or does not parse.
    pub(crate) fn new(
        props: &Props,
        cluster: &DistributedSettings,
        worker_id: &WorkerId,
        rest_url: &str,
    ) -> Result<Self, ClientSettingsError> {
        let subprotocols = match cluster.protocol {
            ConnectProtocol::Sessioned => vec![
                Subprotocol::Sessioned,
                Subprotocol::Compatible,
                Subprotocol::Default,
            ],
            ConnectProtocol::Compatible => vec![Subprotocol::Compatible, Subprotocol::Default],
            ConnectProtocol::Eager => vec![Subprotocol::Default],
        };
        let default_client_id = format!("connect-{worker_id}");
        Ok(Self {
            client: ClientSettings::from_props(props, &default_client_id)?,
            group_id: cluster.group_id.clone(),
            rest_url: rest_url.to_owned(),
            subprotocols,
            session_timeout: cluster.session_timeout,
            heartbeat_interval: cluster.heartbeat_interval,
            rebalance_timeout: cluster.rebalance_timeout,
            max_delay: cluster.max_delay,
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
    use crate::settings::{Mode, WorkerSettings};

    #[test]
    fn defaults_are_those_of_the_jvm_worker() {
        let props = [
            ("bootstrap.servers", "a:1, b:2"),
            ("group.id", "g"),
            ("key.converter", "k"),
            ("value.converter", "v"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
        ];
        let props = props.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let props: Props = props.into_iter().collect();
        let worker = WorkerSettings::from_props(props.clone(), Mode::Distributed).unwrap();
        let cluster = worker.distributed().unwrap();
        let config = GroupConfig::new(&props, cluster, &"h:8083".into(), "http://h:8083/").unwrap();
        assert_eq!(config.client.bootstrap_servers, ["a:1", "b:2"]);
        assert_eq!(config.client.client_id, "connect-h:8083");
        assert_eq!(config.subprotocols.len(), 3);
        assert_eq!(config.join_timeout(), Duration::from_secs(65));
    }
}
