//! Finding brokers: any of the bootstrap servers, and the coordinators of groups and transactional ids.

use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::connection::{BrokerConnection, ConnectionError};
use super::settings::ClientSettings;

/// First version of FindCoordinator that has many keys (KIP-699).
const MANY_KEYS: i16 = 4;

/// What a coordinator is looked for (`FindCoordinatorRequest.CoordinatorType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoordinatorOf {
    /// Groups, by their ids.
    Groups = 0,
    /// Transactions, by their transactional ids.
    Transactions = 1,
}

/// Why no coordinator was found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// No bootstrap server can be talked to; the error is that of the last one.
    #[error("none of the bootstrap servers answers")]
    NoBroker(#[source] ConnectionError),
    /// There are no bootstrap servers.
    #[error("bootstrap.servers is empty")]
    NoServers,
    /// The broker says there is no coordinator now.
    #[error("no coordinator for {key:?}: {error} {message}")]
    NoCoordinator {
        /// Group or transactional id.
        key: String,
        /// The broker's error, by its name in Kafka.
        error: ResponseError,
        /// Its text, maybe empty.
        message: String,
    },
    /// The coordinator can't be talked to.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

impl DiscoveryError {
    /// The connection that failed, if that is the reason.
    pub(crate) fn connection(&self) -> Option<&ConnectionError> {
        match self {
            Self::NoBroker(error) | Self::Connection(error) => Some(error),
            Self::NoServers | Self::NoCoordinator { .. } => None,
        }
    }

    /// Whether trying again can't help: authentication, authorisation and TLS settings.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::NoServers => false,
            Self::NoCoordinator { error, .. } => matches!(
                error,
                ResponseError::GroupAuthorizationFailed | ResponseError::InvalidGroupId
            ),
            Self::NoBroker(error) | Self::Connection(error) => matches!(
                error,
                ConnectionError::Authentication { .. } | ConnectionError::Tls(_)
            ),
        }
    }
}

/// Connects to the first bootstrap server that answers.
pub async fn any_broker(config: &ClientSettings) -> Result<BrokerConnection, DiscoveryError> {
    let mut last = DiscoveryError::NoServers;
    for server in &config.bootstrap_servers {
        match BrokerConnection::connect(server, config).await {
            Ok(connection) => return Ok(connection),
            Err(error) => {
                tracing::debug!(server, %error, "bootstrap server does not answer");
                last = DiscoveryError::NoBroker(error);
            }
        }
    }
    Err(last)
}

/// Connects to the coordinator of a group.
pub async fn group_coordinator(
    config: &ClientSettings,
    group: &str,
) -> Result<BrokerConnection, DiscoveryError> {
    let broker = any_broker(config).await?;
    let address = coordinator(&broker, CoordinatorOf::Groups, group, config).await?;
    if address == broker.address() {
        return Ok(broker);
    }
    Ok(BrokerConnection::connect(&address, config).await?)
}

/// The address of one coordinator, `host:port`, as a broker knows it.
pub(crate) async fn coordinator(
    broker: &BrokerConnection,
    of: CoordinatorOf,
    key: &str,
    config: &ClientSettings,
) -> Result<String, DiscoveryError> {
    let found = coordinators(broker, of, &[key], config).await?;
    let found = found.into_iter().next().map(|(_, address)| address);
    found.unwrap_or_else(|| Err(none(key, ResponseError::CoordinatorNotAvailable, None)))
}

/// The address of each coordinator, `host:port`, or why there is none. One request asks for all of them;
/// brokers before 3.0 get one for each, all of them under way at once.
pub(crate) async fn coordinators(
    broker: &BrokerConnection,
    of: CoordinatorOf,
    keys: &[&str],
    config: &ClientSettings,
) -> Result<Vec<(String, Result<String, DiscoveryError>)>, ConnectionError> {
    let limit = config.request_timeout;
    let text = |key: &&str| StrBytes::from_string((*key).to_owned());
    let request = FindCoordinatorRequest::default().with_key_type(of as i8);
    if broker.version::<FindCoordinatorRequest>(i16::MAX)? >= MANY_KEYS {
        let request = request.with_coordinator_keys(keys.iter().map(text).collect());
        let answer = broker.call(&request, limit).await?;
        let found = answer.coordinators.into_iter().map(|found| {
            let key = found.key.to_string();
            let at = address(&found.host, found.port);
            let refused = found.error_code.err();
            let at = refused.map_or(Ok(at), |error| Err(none(&key, error, found.error_message)));
            (key, at)
        });
        return Ok(found.collect());
    }
    let mut pending = Vec::with_capacity(keys.len());
    for key in keys {
        let request = request.clone().with_key(text(key));
        pending.push((*key, broker.send(&request, limit)?));
    }
    let mut found = Vec::with_capacity(keys.len());
    for (key, mut pending) in pending {
        let answer: FindCoordinatorResponse = pending.wait().await?;
        let at = match answer.error_code.err() {
            None => Ok(address(&answer.host, answer.port)),
            Some(error) => Err(none(key, error, answer.error_message)),
        };
        found.push((key.to_owned(), at));
    }
    Ok(found)
}

fn none(key: &str, error: ResponseError, message: Option<StrBytes>) -> DiscoveryError {
    DiscoveryError::NoCoordinator {
        key: key.to_owned(),
        error,
        message: message.map(|text| text.to_string()).unwrap_or_default(),
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn address(host: &str, port: i32) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
