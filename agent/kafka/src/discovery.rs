//! Finding brokers: any of the bootstrap servers, and the coordinator of a group.

use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::StrBytes;

use crate::connection::{BrokerConnection, ConnectionError};
use crate::error_code;
use crate::settings::ClientSettings;

/// Key type of a group in FindCoordinator.
const GROUP: i8 = 0;
/// Key type of a transactional id in FindCoordinator.
const TRANSACTION: i8 = 1;

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
    #[error("no coordinator for {key:?}: {} {message}", error_code::text(*code))]
    NoCoordinator {
        /// Group or transactional id.
        key: String,
        /// Kafka's error code.
        code: i16,
        /// Its text, maybe empty.
        message: String,
    },
    /// The coordinator can't be talked to.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// Whether a TLS connection was refused for what one of the two sides is: a certificate that is not trusted,
/// or no TLS at all. A connection that merely broke may be made the next time.
pub(crate) fn is_tls_refusal(error: &ConnectionError) -> bool {
    matches!(
        error,
        ConnectionError::Io { source, .. } if source.kind() == std::io::ErrorKind::InvalidData
    )
}

impl DiscoveryError {
    /// Whether the broker and we do not agree on TLS.
    pub(crate) fn is_tls_refusal(&self) -> bool {
        match self {
            Self::NoBroker(error) | Self::Connection(error) => is_tls_refusal(error),
            Self::NoServers | Self::NoCoordinator { .. } => false,
        }
    }

    /// Whether trying again can't help: authentication, authorisation and TLS settings.
    pub fn is_fatal(&self) -> bool {
        let (Self::NoBroker(error) | Self::Connection(error)) = self else {
            // GROUP_AUTHORIZATION_FAILED, INVALID_GROUP_ID
            return matches!(self, Self::NoCoordinator { code: 30 | 24, .. });
        };
        matches!(
            error,
            ConnectionError::Authentication { .. } | ConnectionError::Tls(_)
        )
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
    coordinator(config, group, GROUP).await
}

/// Connects to the coordinator of a transactional id.
pub async fn transaction_coordinator(
    config: &ClientSettings,
    transactional_id: &str,
) -> Result<BrokerConnection, DiscoveryError> {
    coordinator(config, transactional_id, TRANSACTION).await
}

async fn coordinator(
    config: &ClientSettings,
    key: &str,
    key_type: i8,
) -> Result<BrokerConnection, DiscoveryError> {
    let broker = any_broker(config).await?;
    let name = StrBytes::from_string(key.to_owned());
    // Versions below 4 read `key`, later ones `coordinator_keys`; the encoder refuses the field of the other.
    let newer = FindCoordinatorRequest::default()
        .with_key_type(key_type)
        .with_coordinator_keys(vec![name.clone()]);
    let older = FindCoordinatorRequest::default()
        .with_key_type(key_type)
        .with_key(name);
    let answer = match broker.send(&newer, config.request_timeout) {
        Ok(mut pending) => pending.wait().await?,
        Err(ConnectionError::Malformed { .. }) => {
            broker
                .send_at_most(&older, 3, config.request_timeout)?
                .wait()
                .await?
        }
        Err(error) => return Err(error.into()),
    };
    let (code, message, host, port) = match answer.coordinators.into_iter().next() {
        Some(found) => (
            found.error_code,
            found.error_message,
            found.host,
            found.port,
        ),
        None => (
            answer.error_code,
            answer.error_message,
            answer.host,
            answer.port,
        ),
    };
    if code != 0 {
        return Err(DiscoveryError::NoCoordinator {
            key: key.to_owned(),
            code,
            message: message.map(|text| text.to_string()).unwrap_or_default(),
        });
    }
    let address = address(&host, port);
    if address == broker.address() {
        return Ok(broker);
    }
    Ok(BrokerConnection::connect(&address, config).await?)
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn address(host: &str, port: i32) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
