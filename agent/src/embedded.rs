//! `bootstrap.servers=embedded:DIR`: the broker of this process instead of a Kafka, with its data in `DIR`.
//!
//! The worker and everybody else reach it over TCP; its address is logged. Port and host come from the worker's
//! `embedded.port` (default 0: a free port) and `embedded.host` (default 127.0.0.1), which the JVM worker does not know.

use sluice_api::config::Props;
use sluice_broker::{Broker, BrokerConfig, BrokerError};

/// In front of the folder.
const SCHEME: &str = "embedded:";
/// Host to listen on.
const HOST: &str = "embedded.host";
/// Port to listen on.
const PORT: &str = "embedded.port";

/// Why the broker of the process did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// `embedded.port` is no port.
    #[error(
        "invalid value {0} for configuration embedded.port: it must be a number from 0 to 65535"
    )]
    Port(String),
    /// The broker.
    #[error("the embedded broker cannot start")]
    Broker(#[from] BrokerError),
}

/// Starts a broker if the worker's `bootstrap.servers` asks for one, and puts its address in the place of what asked.
///
/// # Errors
/// If it cannot start.
pub async fn start(props: &mut Props) -> Result<Option<Broker>, EmbeddedError> {
    let Some(dir) = props
        .get("bootstrap.servers")
        .and_then(|servers| servers.trim().strip_prefix(SCHEME))
        .map(str::to_owned)
    else {
        return Ok(None);
    };
    let mut config = BrokerConfig::new(dir);
    if let Some(port) = props.shift_remove(PORT) {
        config.port = port.trim().parse().map_err(|_| EmbeddedError::Port(port))?;
    }
    if let Some(host) = props.shift_remove(HOST) {
        config.host = host.trim().to_owned();
    }
    let broker = Broker::start(config).await?;
    props.insert("bootstrap.servers".to_owned(), broker.bootstrap());
    Ok(Some(broker))
}
