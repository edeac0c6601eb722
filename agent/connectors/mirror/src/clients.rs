//! Clients of the two clusters.
//!
//! Settings of a client, later ones win: the connection settings behind `source.cluster.`, then everything
//! behind `consumer.` (or `producer.`, `admin.`), then behind `source.consumer.`; for the target likewise.

use rdkafka::ClientConfig;
use sluice_api::{ConnectError, Props, Result};
use sluice_kafka::admin::Admin;
use sluice_kafka::client::config::librdkafka_config;
use sluice_kafka::client::keys::ClientKind;
use sluice_kafka::consumer::BatchConsumer;

use crate::client_keys::is_client_key;
use crate::config::{Location, MirrorConfig};

/// Most records that a consumer gives at once (`max.poll.records`).
const POLL_RECORDS: usize = 500;

fn location_name(location: Location) -> &'static str {
    match location {
        Location::Source => "source",
        Location::Target => "target",
    }
}

fn role_name(kind: ClientKind) -> &'static str {
    match kind {
        ClientKind::Producer => "producer",
        ClientKind::Consumer => "consumer",
        ClientKind::Admin => "admin",
    }
}

/// Whether a key begins like one of a client without being one: `consumer.poll.timeout.ms` and
/// `producer.override.KEY`.
fn is_of_others(key: &str) -> bool {
    key == "poll.timeout.ms" || key.starts_with("override.")
}

/// Java properties of a client, without a client id of ours.
pub(crate) fn client_props(props: &Props, location: Location, kind: ClientKind) -> Props {
    let (location, kind_name) = (location_name(location), role_name(kind));
    let cluster = format!("{location}.cluster.");
    let mut own = Props::new();
    let mut add = |prefix: &str, all: bool| {
        for (key, value) in props {
            if let Some(key) = key.strip_prefix(prefix)
                && (all && !is_of_others(key) || is_client_key(key))
            {
                own.insert(key.to_owned(), value.clone());
            }
        }
    };
    add(&cluster, false);
    add(&format!("{kind_name}."), true);
    add(&format!("{location}.{kind_name}."), true);
    if kind == ClientKind::Consumer {
        own.insert("enable.auto.commit".to_owned(), "false".to_owned());
        own.entry("auto.offset.reset".to_owned())
            .or_insert_with(|| "earliest".to_owned());
    }
    own
}

fn with_client_id(config: &MirrorConfig, mut props: Props, role: &str) -> Props {
    let id = format!("{}|{role}", config.label());
    let id = match props.get("client.id") {
        Some(user) => format!("{user}|{id}"),
        None => id,
    };
    props.insert("client.id".to_owned(), id);
    props
}

fn librdkafka(
    config: &MirrorConfig,
    location: Location,
    kind: ClientKind,
    role: &str,
) -> Result<ClientConfig> {
    let props = with_client_id(config, client_props(&config.props, location, kind), role);
    if props.get("bootstrap.servers").is_none() {
        return Err(ConnectError::config(format!(
            "Missing required configuration \"{}.cluster.bootstrap.servers\" which has no default value.",
            location_name(location)
        )));
    }
    librdkafka_config(kind, &Props::new(), &props)
        .map_err(|error| ConnectError::config(error.to_string()))
}

fn set_default(config: &mut ClientConfig, key: &str, value: &str) {
    if config.get(key).is_none() {
        config.set(key, value);
    }
}

/// A consumer of no group. `to_end`: it tells when everything was read.
pub(crate) fn consumer(
    config: &MirrorConfig,
    location: Location,
    role: &str,
    to_end: bool,
) -> Result<BatchConsumer> {
    let props = client_props(&config.props, location, ClientKind::Consumer);
    let records = props
        .get("max.poll.records")
        .and_then(|text| text.trim().parse().ok())
        .filter(|count| *count > 0)
        .unwrap_or(POLL_RECORDS);
    let mut settings = librdkafka(config, location, ClientKind::Consumer, role)?;
    // What is fetched ahead is bounded as for sinks: librdkafka's 64 MB times many tasks would be too much.
    set_default(&mut settings, "queued.max.messages.kbytes", "16384");
    set_default(&mut settings, "queued.min.messages", "20000");
    set_default(&mut settings, "fetch.queue.backoff.ms", "5");
    if to_end {
        settings.set("enable.partition.eof", "true");
    }
    BatchConsumer::without_group(&settings, records)
}

/// Settings of a producer, idempotent as Java's are by default.
pub(crate) fn producer_config(
    config: &MirrorConfig,
    location: Location,
    role: &str,
) -> Result<ClientConfig> {
    let mut settings = librdkafka(config, location, ClientKind::Producer, role)?;
    set_default(&mut settings, "enable.idempotence", "true");
    Ok(settings)
}

fn admin_props(config: &MirrorConfig, location: Location, role: &str) -> Props {
    let mut props = client_props(&config.props, location, ClientKind::Admin);
    props
        .entry("default.api.timeout.ms".to_owned())
        .or_insert_with(|| config.admin_timeout.as_millis().to_string());
    with_client_id(config, props, role)
}

/// A client for admin calls.
pub(crate) fn admin(config: &MirrorConfig, location: Location, role: &str) -> Result<Admin> {
    Admin::new(&admin_props(config, location, role)).map_err(|error| client_error(location, &error))
}

fn client_error(location: Location, error: &dyn std::error::Error) -> ConnectError {
    ConnectError::config(format!(
        "settings of the {} cluster: {}",
        location_name(location),
        sluice_api::causes::with_causes(error)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_prefix_wins_and_only_connection_settings_come_from_the_cluster() {
        let props: Props = [
            ("source.cluster.bootstrap.servers", "a:1"),
            ("source.cluster.alias", "a"),
            ("source.cluster.isolation.level", "read_committed"),
            ("source.cluster.sasl.mechanism", "PLAIN"),
            ("consumer.fetch.min.bytes", "1"),
            ("consumer.poll.timeout.ms", "1"),
            ("consumer.override.group.id", "g"),
            ("source.consumer.fetch.min.bytes", "2"),
            ("target.consumer.fetch.min.bytes", "3"),
            ("consumer.enable.auto.commit", "true"),
            ("consumer.auto.offset.reset", "latest"),
        ]
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
        let own = client_props(&props, Location::Source, ClientKind::Consumer);
        let get = |key: &str| own.get(key).map(String::as_str);
        assert_eq!(get("bootstrap.servers"), Some("a:1"));
        assert_eq!(get("sasl.mechanism"), Some("PLAIN"));
        assert_eq!(get("alias"), None);
        assert_eq!(get("isolation.level"), None, "as in Kafka");
        assert_eq!(get("fetch.min.bytes"), Some("2"));
        assert_eq!(get("poll.timeout.ms"), None, "the task's");
        assert_eq!(get("override.group.id"), None, "the framework's");
        assert_eq!(get("enable.auto.commit"), Some("false"));
        assert_eq!(get("auto.offset.reset"), Some("latest"));
    }
}
