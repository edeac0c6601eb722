//! How to talk to the brokers of a cluster on Kafka's wire protocol.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sluice_api::config::{ConfigError, Props};

use super::props::text;
use super::security::{Sasl, SecurityError, SecurityProtocol, Tls};
use super::tls::TlsClient;
use crate::backoff::Backoff;

/// How to talk to the brokers of a cluster.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `bootstrap.servers`, each `host:port`.
    pub bootstrap_servers: Vec<String>,
    /// Present with a TLS protocol (`security.protocol`).
    pub tls: Option<Arc<TlsClient>>,
    /// Present with a SASL protocol.
    pub sasl: Option<Sasl>,
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
    /// `connections.max.idle.ms`: a connection that was not used for longer is not used again.
    pub max_idle: Duration,
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
        /// The key at fault, as Kafka names it.
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

/// Keys that name files of TLS.
const TLS_FILES: [&str; 2] = ["ssl.truststore.location", "ssl.keystore.location"];

/// `connections.max.idle.ms` with the default of Kafka's admin client; a negative one is no limit.
fn max_idle(props: &Props) -> Result<Duration, ClientSettingsError> {
    const KEY: &str = "connections.max.idle.ms";
    let Some(value) = text(props, KEY) else {
        return Ok(Duration::from_millis(300_000));
    };
    match value.parse::<i64>() {
        Ok(ms) => Ok(u64::try_from(ms).map_or(Duration::MAX, Duration::from_millis)),
        Err(_) => Err(ClientSettingsError::Invalid {
            key: KEY,
            value: value.to_owned(),
            expected: "milliseconds",
        }),
    }
}

/// The TLS settings of clients, which follow the stores that they name.
fn tls(props: &Props) -> Result<Arc<TlsClient>, SecurityError> {
    let files = TLS_FILES.iter().filter_map(|key| text(props, key));
    let files = files.map(PathBuf::from).collect();
    let keys = props.iter().filter(|(key, _)| key.starts_with("ssl."));
    let keys: Props = keys.map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(TlsClient::new(files, move || Tls::from_props(&keys))?)
}

impl ClientSettings {
    /// The pauses between attempts.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.retry_backoff, self.retry_backoff_max)
    }

    /// Reads client properties, with the defaults of a distributed worker.
    ///
    /// # Errors
    /// The first key that is missing or does not parse.
    pub fn from_props(props: &Props, default_client_id: &str) -> Result<Self, ClientSettingsError> {
        let bootstrap = text(props, "bootstrap.servers")
            .ok_or(ClientSettingsError::Missing("bootstrap.servers"))?;
        let millis = |key, default| millis(props, key, default);
        let protocol = SecurityProtocol::from_props(props)?;
        let tls = protocol.has_tls().then(|| tls(props));
        let sasl = protocol.has_sasl().then(|| Sasl::from_props(props));
        Ok(Self {
            tls: tls.transpose()?,
            sasl: sasl.transpose()?,
            bootstrap_servers: super::bootstrap::parse(bootstrap)?
                .iter()
                .map(ToString::to_string)
                .collect(),
            client_id: text(props, "client.id")
                .unwrap_or(default_client_id)
                .to_owned(),
            request_timeout: millis("request.timeout.ms", 40_000)?,
            connect_timeout: millis("socket.connection.setup.timeout.ms", 10_000)?,
            retry_backoff: millis("retry.backoff.ms", 100)?,
            retry_backoff_max: millis("retry.backoff.max.ms", 1000)?,
            api_timeout: millis("default.api.timeout.ms", 60_000)?,
            max_idle: max_idle(props)?,
        })
    }
}
