//! `bootstrap.servers=embedded:DIR`: the broker of this process instead of a Kafka, with its data in `DIR`.
//!
//! The worker and everybody else reach it over TCP; its address is logged. Port and host come from
//! the worker's `embedded.port` (default 0: a free port), `embedded.host` (default 127.0.0.1) and
//! `embedded.advertised.host` (default: the host), which the JVM worker does not know. There is one
//! node, so the worker's own topics have one copy, where Kafka's default would be three.

use sluice_api::config::Props;
use sluice_broker::{Broker, BrokerConfig, BrokerError};
use tokio::runtime::Runtime;

/// In front of the folder.
const SCHEME: &str = "embedded:";
/// Host to listen on.
const HOST: &str = "embedded.host";
/// Host that clients are told to connect to, if it is another.
const ADVERTISED_HOST: &str = "embedded.advertised.host";
/// Port to listen on.
const PORT: &str = "embedded.port";
/// In front of the keys of the worker's own topics.
const TOPICS: [&str; 4] = [
    "config.storage",
    "offset.storage",
    "status.storage",
    "telemetry.storage",
];
/// Threads that serve connections.
const THREADS: usize = 2;

/// Why the broker of the process did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// `bootstrap.servers` names no folder.
    #[error(
        "invalid value embedded for configuration bootstrap.servers: a folder has to follow, as in \
         embedded:/var/lib/sluice"
    )]
    Folder,
    /// `embedded.port` is no port.
    #[error(
        "invalid value {0} for configuration embedded.port: it must be a number from 0 to 65535"
    )]
    Port(String),
    /// A topic of the worker is to have several copies.
    #[error(
        "invalid value {value} for configuration {key}: the embedded broker is one node, so it must \
         be 1, or be left out"
    )]
    Replication {
        /// Key of the worker's file.
        key: String,
        /// What it is set to.
        value: String,
    },
    /// The system gives no threads.
    #[error("the embedded broker cannot start")]
    System(#[from] std::io::Error),
    /// The broker in this process, with what stopped it.
    #[error("the embedded broker cannot start")]
    Broker(#[from] BrokerError),
}

impl EmbeddedError {
    /// Whether the worker's properties are at fault.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Folder
            | Self::Port(_)
            | Self::Replication { .. }
            | Self::Broker(BrokerError::Advertised(_)) => true,
            Self::System(_) | Self::Broker(_) => false,
        }
    }
}

/// The broker of the process, on threads of its own: a worker at full load does not keep it from
/// answering heartbeats.
#[derive(Debug)]
pub struct Embedded {
    broker: Broker,
    runtime: OwnRuntime,
}

impl Embedded {
    /// Ends all connections, writes what was acknowledged to the disk and gives the folder back.
    pub async fn shutdown(self) {
        let Self { broker, runtime } = self;
        broker.shutdown().await;
        drop(runtime);
    }
}

/// A runtime that may be dropped by a task of another one.
#[derive(Debug)]
struct OwnRuntime(Option<Runtime>);

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Starts a broker if the worker's `bootstrap.servers` asks for one, and puts its address in the
/// place of what asked.
///
/// # Errors
/// If it cannot start, or the worker asks for what one node cannot give.
pub async fn start(props: &mut Props) -> Result<Option<Embedded>, EmbeddedError> {
    let Some(config) = broker_config(props)? else {
        return Ok(None);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("broker")
        .enable_all()
        .build()?;
    let runtime = OwnRuntime(Some(runtime));
    let broker = match &runtime.0 {
        Some(own) => own.spawn(Broker::start(config)).await,
        None => return Ok(None),
    };
    let broker = broker.map_err(std::io::Error::other)??;
    props.insert("bootstrap.servers".to_owned(), broker.bootstrap());
    Ok(Some(Embedded { broker, runtime }))
}

/// Whether the worker's `bootstrap.servers` asks for a broker, with its address in the place of what asked;
/// nothing is started.
///
/// # Errors
/// If the worker asks for what one node cannot give.
pub fn check(props: &mut Props) -> Result<bool, EmbeddedError> {
    let Some(config) = broker_config(props)? else {
        return Ok(false);
    };
    let address = format!("{}:{}", config.host, config.port.max(1));
    props.insert("bootstrap.servers".to_owned(), address);
    Ok(true)
}

/// What the broker is told by the worker's properties, which lose the keys that are the broker's
/// and get those that follow from there being one node; `None` if they name another broker.
fn broker_config(props: &mut Props) -> Result<Option<BrokerConfig>, EmbeddedError> {
    let Some(dir) = props
        .get("bootstrap.servers")
        .map(|servers| servers.trim())
        .and_then(|servers| match servers {
            // Without a folder it is no address either.
            "embedded" => Some(""),
            servers => servers.strip_prefix(SCHEME),
        })
        .map(|dir| dir.trim().to_owned())
    else {
        return Ok(None);
    };
    if dir.is_empty() {
        return Err(EmbeddedError::Folder);
    }
    one_copy(props)?;
    let mut config = BrokerConfig::new(dir);
    if let Some(port) = props.shift_remove(PORT) {
        config.port = port.trim().parse().map_err(|_| EmbeddedError::Port(port))?;
    }
    if let Some(host) = props.shift_remove(HOST) {
        config.host = host.trim().to_owned();
    }
    if let Some(host) = props.shift_remove(ADVERTISED_HOST) {
        config.advertised_host = Some(host.trim().to_owned());
    }
    Ok(Some(config))
}

/// Gives the worker's own topics one copy, unless the properties say so themselves (-1 is the
/// broker's default: one).
fn one_copy(props: &mut Props) -> Result<(), EmbeddedError> {
    for prefix in TOPICS {
        let key = format!("{prefix}.replication.factor");
        match props.get(&key) {
            Some(value) => {
                // What is no number is for the worker's own validation to refuse.
                let copies = value.trim().parse::<i64>();
                if copies.is_ok_and(|copies| copies != 1 && copies != -1) {
                    let value = value.trim().to_owned();
                    return Err(EmbeddedError::Replication { key, value });
                }
            }
            // A worker without the topic, such as a standalone one, does not know the key.
            None if props.contains_key(&format!("{prefix}.topic")) => {
                props.insert(key, "1".to_owned());
            }
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(pairs: &[(&str, &str)]) -> Props {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn own_topics_have_one_copy_unless_told_so_themselves() {
        let mut given = props(&[
            ("bootstrap.servers", "embedded:/data"),
            ("config.storage.topic", "configs"),
            ("offset.storage.topic", "offsets"),
            ("offset.storage.replication.factor", "-1"),
            ("embedded.port", "1234"),
        ]);
        let config = broker_config(&mut given).unwrap().unwrap();
        assert_eq!(config.port, 1234);
        assert_eq!(config.host, "127.0.0.1");
        assert_eq!(given["config.storage.replication.factor"], "1");
        assert_eq!(given["offset.storage.replication.factor"], "-1");
        assert!(!given.contains_key("status.storage.replication.factor"));
        assert!(!given.contains_key("embedded.port"));
    }

    #[test]
    fn several_copies_are_refused_by_key_and_value() {
        let mut given = props(&[
            ("bootstrap.servers", "embedded:/data"),
            ("status.storage.topic", "status"),
            ("status.storage.replication.factor", " 3 "),
        ]);
        let error = broker_config(&mut given).unwrap_err();
        assert!(error.is_configuration());
        assert_eq!(
            error.to_string(),
            "invalid value 3 for configuration status.storage.replication.factor: the embedded \
             broker is one node, so it must be 1, or be left out"
        );
    }

    #[test]
    fn other_brokers_are_left_alone_and_a_folder_is_needed() {
        let mut given = props(&[
            ("bootstrap.servers", "kafka:9092"),
            ("config.storage.topic", "configs"),
            ("config.storage.replication.factor", "3"),
        ]);
        let before = given.clone();
        assert!(broker_config(&mut given).unwrap().is_none());
        assert_eq!(given, before);
        let mut given = props(&[("bootstrap.servers", "embedded: ")]);
        assert!(matches!(
            broker_config(&mut given),
            Err(EmbeddedError::Folder)
        ));
    }
}
