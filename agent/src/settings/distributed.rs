//! What a worker of a cluster has besides: the group, its topics, and the times it waits.

use std::time::Duration;

use sluice_api::config::{ConfigError, Props};

use super::Values;
use crate::properties::with_prefix;
use crate::session::HMAC_SHA256;

/// Rebalance protocols a worker offers (`connect.protocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectProtocol {
    /// Metadata version 0: everything stops in every rebalance.
    Eager,
    /// Version 1: incremental cooperative.
    Compatible,
    /// Version 2: as 1, with signed internal requests.
    Sessioned,
}

/// Whether source tasks are exactly-once (`exactly.once.source.support`, KIP-618).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnceSupport {
    /// Source tasks deliver at least once.
    Disabled,
    /// The leader writes transactionally, tasks do not yet.
    Preparing,
    /// Source tasks are exactly-once.
    Enabled,
}

/// Whether to join a group that has connectors whose classes this agent lacks (`sluice.join`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinPolicy {
    /// Not while there are such connectors.
    Capable,
    /// All the same; what it lacks is FAILED here.
    Always,
}

/// One of the three topics that hold the state of a cluster.
#[derive(Debug, Clone)]
pub struct InternalTopic {
    /// The key that names it, for errors.
    pub key: &'static str,
    /// Its name, which is not empty.
    pub name: String,
    /// Partitions if it is created; -1 for the broker's default.
    pub partitions: i32,
    /// Copies if it is created; -1 for the broker's default.
    pub replication: i32,
    /// Topic settings if it is created: the other keys under its prefix (KIP-605).
    pub settings: Props,
}

impl InternalTopic {
    fn take(
        values: &mut Values,
        props: &Props,
        key: &'static str,
        partitions: Option<i32>,
    ) -> Result<Self, ConfigError> {
        let prefix = key.trim_end_matches("topic");
        let mut settings = with_prefix(props, prefix);
        settings.retain(|key, _| {
            !matches!(
                key.as_str(),
                "topic" | "partitions" | "replication.factor" | "cleanup.policy" | "file.filename"
            )
        });
        let replication: i16 = values.take(&format!("{prefix}replication.factor"))?;
        Ok(Self {
            key,
            name: values.take(key)?,
            partitions: match partitions {
                Some(partitions) => partitions,
                None => values.take(&format!("{prefix}partitions"))?,
            },
            replication: replication.into(),
            settings,
        })
    }
}

/// The topic of metrics and events, and how often they are sent.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    /// `telemetry.storage.topic`, or the status topic's name with `-telemetry` behind it.
    pub topic: String,
    /// `telemetry.interval.ms`, at least 100 ms.
    pub interval: Duration,
    /// Partitions if it is created.
    pub partitions: i32,
    /// Copies if it is created; -1 for the broker's default.
    pub replication: i32,
}

/// The settings of a worker of a cluster (Kafka's `DistributedConfig`).
#[derive(Debug, Clone)]
pub struct DistributedSettings {
    /// `group.id`, the name of the cluster.
    pub group_id: String,
    /// `client.id`, in the client ids of the worker's own clients; empty for none.
    pub client_id: String,
    /// Protocols that are offered to the group.
    pub protocol: ConnectProtocol,
    /// Whether to join a group that this agent can run only in part.
    pub join: JoinPolicy,
    /// A worker silent for this long is dropped (`session.timeout.ms`).
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`, lower than the session timeout.
    pub heartbeat_interval: Duration,
    /// How long a rebalance waits for a worker (`rebalance.timeout.ms`).
    pub rebalance_timeout: Duration,
    /// How long lost work waits for its worker (`scheduled.rebalance.max.delay.ms`).
    pub max_delay: Duration,
    /// Configurations of connectors and tasks.
    pub config_topic: InternalTopic,
    /// Offsets of source connectors.
    pub offset_topic: InternalTopic,
    /// States of connectors and tasks, and active topics.
    pub status_topic: InternalTopic,
    /// `None` if `telemetry.storage.topic` is given without a value.
    pub telemetry: Option<TelemetrySettings>,
    /// How long reading the config topic to its end may take (`worker.sync.timeout.ms`).
    pub sync_timeout: Duration,
    /// Pause after that failed, with the eager protocol (`worker.unsync.backoff.ms`).
    pub unsync_backoff: Duration,
    /// How long creating internal topics may be tried (`default.api.timeout.ms`).
    pub api_timeout: Duration,
    /// Life of a session key (`inter.worker.key.ttl.ms`); zero for keys that are not renewed.
    pub session_key_ttl: Duration,
    /// Length of a session key in bytes.
    pub session_key_bytes: usize,
    /// Algorithms that are accepted in signatures of other workers' requests.
    pub verification_algorithms: Vec<String>,
    /// Whether source tasks are exactly-once.
    pub exactly_once: ExactlyOnceSupport,
}

impl DistributedSettings {
    /// Takes the keys of a cluster, and adds faults of several keys together to `faults`.
    pub(super) fn take(
        values: &mut Values,
        props: &Props,
        faults: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let verification_algorithms = algorithms(values, faults)?;
        let status_topic = InternalTopic::take(values, props, "status.storage.topic", None)?;
        let key_bits: Option<i32> = values.take("inter.worker.key.size")?;
        let key_bytes = key_bits.and_then(|bits| usize::try_from(bits / 8).ok());
        let taken = Self {
            group_id: values.take("group.id")?,
            client_id: values.take("client.id")?,
            protocol: protocol(values)?,
            join: join(values)?,
            session_timeout: values.take("session.timeout.ms")?,
            heartbeat_interval: values.take("heartbeat.interval.ms")?,
            rebalance_timeout: values.take("rebalance.timeout.ms")?,
            max_delay: values.take("scheduled.rebalance.max.delay.ms")?,
            config_topic: InternalTopic::take(values, props, "config.storage.topic", Some(1))?,
            offset_topic: InternalTopic::take(values, props, "offset.storage.topic", None)?,
            telemetry: telemetry(values, &status_topic)?,
            status_topic,
            sync_timeout: values.take("worker.sync.timeout.ms")?,
            unsync_backoff: values.take("worker.unsync.backoff.ms")?,
            api_timeout: values.take("default.api.timeout.ms")?,
            session_key_ttl: values.take("inter.worker.key.ttl.ms")?,
            session_key_bytes: key_bytes.filter(|bytes| *bytes > 0).unwrap_or(32),
            verification_algorithms,
            exactly_once: exactly_once(values)?,
        };
        if taken.heartbeat_interval >= taken.session_timeout {
            faults.push(format!(
                "heartbeat.interval.ms: {} must be lower than session.timeout.ms, {}",
                taken.heartbeat_interval.as_millis(),
                taken.session_timeout.as_millis()
            ));
        }
        Ok(taken)
    }
}

/// The algorithms of signatures that are accepted, after those that this worker uses were checked.
fn algorithms(values: &mut Values, faults: &mut Vec<String>) -> Result<Vec<String>, ConfigError> {
    const GENERATION: &str = "inter.worker.key.generation.algorithm";
    const SIGNATURE: &str = "inter.worker.signature.algorithm";
    let (generation, signature): (String, String) =
        (values.take(GENERATION)?, values.take(SIGNATURE)?);
    let accepted: Vec<String> = values.take("inter.worker.verification.algorithms")?;
    if !accepted.contains(&signature) {
        faults.push(format!(
            "{SIGNATURE}: {signature} must be in the list inter.worker.verification.algorithms"
        ));
    }
    for (key, algorithm) in [(GENERATION, generation), (SIGNATURE, signature)] {
        if algorithm != HMAC_SHA256 {
            faults.push(format!(
                "{key}: {algorithm} is not available, this worker has {HMAC_SHA256}"
            ));
        }
    }
    Ok(accepted)
}

fn telemetry(
    values: &mut Values,
    status_topic: &InternalTopic,
) -> Result<Option<TelemetrySettings>, ConfigError> {
    let topic: Option<String> = values.take("telemetry.storage.topic")?;
    let replication: i16 = values.take("telemetry.storage.replication.factor")?;
    let settings = TelemetrySettings {
        topic: topic.unwrap_or_else(|| format!("{}-telemetry", status_topic.name)),
        interval: values.take("telemetry.interval.ms")?,
        partitions: values.take("telemetry.storage.partitions")?,
        replication: replication.into(),
    };
    Ok(Some(settings).filter(|settings| !settings.topic.is_empty()))
}

fn protocol(values: &mut Values) -> Result<ConnectProtocol, ConfigError> {
    let name: String = values.take("connect.protocol")?;
    Ok(match name.to_ascii_lowercase().as_str() {
        "eager" => ConnectProtocol::Eager,
        "compatible" => ConnectProtocol::Compatible,
        _ => ConnectProtocol::Sessioned,
    })
}

fn join(values: &mut Values) -> Result<JoinPolicy, ConfigError> {
    let policy: String = values.take("sluice.join")?;
    Ok(if policy.eq_ignore_ascii_case("always") {
        JoinPolicy::Always
    } else {
        JoinPolicy::Capable
    })
}

fn exactly_once(values: &mut Values) -> Result<ExactlyOnceSupport, ConfigError> {
    let support: String = values.take("exactly.once.source.support")?;
    Ok(match support.to_ascii_lowercase().as_str() {
        "preparing" => ExactlyOnceSupport::Preparing,
        "enabled" => ExactlyOnceSupport::Enabled,
        _ => ExactlyOnceSupport::Disabled,
    })
}
