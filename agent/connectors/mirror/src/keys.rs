//! Names and definitions of all keys.

use std::sync::Arc;

use sluice_api::config::{ConfigError, ConfigType, ConfigValue, Importance, Validator, validators};
use sluice_api::{ConfigDef, ConfigKey};

use crate::client_keys;

pub(crate) const NAME: &str = "name";
pub(crate) const ENABLED: &str = "enabled";
pub(crate) const SOURCE_ALIAS: &str = "source.cluster.alias";
pub(crate) const TARGET_ALIAS: &str = "target.cluster.alias";
pub(crate) const ADMIN_TIMEOUT: &str = "admin.timeout.ms";
pub(crate) const POLICY_CLASS: &str = "replication.policy.class";
pub(crate) const SEPARATOR: &str = "replication.policy.separator";
pub(crate) const INTERNAL_SEPARATOR: &str = "replication.policy.internal.topic.separator.enabled";
const FORWARDING_ADMIN: &str = "forwarding.admin.class";

pub(crate) const TOPICS: &str = "topics";
pub(crate) const TOPICS_EXCLUDE: &str = "topics.exclude";
const TOPIC_FILTER_CLASS: &str = "topic.filter.class";
pub(crate) const CONFIG_PROPERTIES_EXCLUDE: &str = "config.properties.exclude";
const CONFIG_PROPERTY_FILTER_CLASS: &str = "config.property.filter.class";
/// Not defined by Kafka either, but read by its filter of configs.
pub(crate) const USE_DEFAULTS_FROM: &str = "use.defaults.from";
pub(crate) const POLL_TIMEOUT: &str = "consumer.poll.timeout.ms";
pub(crate) const REFRESH_TOPICS: &str = "refresh.topics";
pub(crate) const SYNC_TOPIC_CONFIGS: &str = "sync.topic.configs";
pub(crate) const SYNC_TOPIC_ACLS: &str = "sync.topic.acls";
pub(crate) const REPLICATION_FACTOR: &str = "replication.factor";
pub(crate) const OFFSET_SYNCS_REPLICATION_FACTOR: &str = "offset-syncs.topic.replication.factor";
pub(crate) const OFFSET_LAG_MAX: &str = "offset.lag.max";
pub(crate) const OFFSET_SYNCS_LOCATION: &str = "offset-syncs.topic.location";
pub(crate) const EMIT_OFFSET_SYNCS: &str = "emit.offset-syncs.enabled";
pub(crate) const HEARTBEATS_REPLICATION: &str = "heartbeats.replication.enabled";
const METRIC_NAMES: &str = "metric.names.formats";
/// Added to task configs.
pub(crate) const TASK_PARTITIONS: &str = "task.assigned.partitions";
/// Added to task configs.
pub(crate) const TASK_INDEX: &str = "task.index";

pub(crate) const GROUPS: &str = "groups";
pub(crate) const GROUPS_EXCLUDE: &str = "groups.exclude";
const GROUP_FILTER_CLASS: &str = "group.filter.class";
pub(crate) const REFRESH_GROUPS: &str = "refresh.groups";
pub(crate) const EMIT_CHECKPOINTS: &str = "emit.checkpoints";
pub(crate) const SYNC_GROUP_OFFSETS: &str = "sync.group.offsets";
pub(crate) const CHECKPOINTS_REPLICATION_FACTOR: &str = "checkpoints.topic.replication.factor";
/// Added to task configs.
pub(crate) const TASK_GROUPS: &str = "task.assigned.groups";

pub(crate) const EMIT_HEARTBEATS: &str = "emit.heartbeats";
pub(crate) const HEARTBEATS_REPLICATION_FACTOR: &str = "heartbeats.topic.replication.factor";

pub(crate) const TOPICS_EXCLUDE_DEFAULT: &str = r"mm2.*\.internal, .*\.replica, __.*";
pub(crate) const CONFIG_PROPERTIES_EXCLUDE_DEFAULT: &str = "follower.replication.throttled.replicas, \
     leader.replication.throttled.replicas, message.timestamp.difference.max.ms, \
     log.message.timestamp.before.max.ms, log.message.timestamp.after.max.ms, message.timestamp.type, \
     unclean.leader.election.enable, min.insync.replicas";
pub(crate) const GROUPS_EXCLUDE_DEFAULT: &str = "console-consumer-.*, connect-.*, __.*";

pub(crate) const DEFAULT_POLICY: &str = "org.apache.kafka.connect.mirror.DefaultReplicationPolicy";
pub(crate) const IDENTITY_POLICY: &str =
    "org.apache.kafka.connect.mirror.IdentityReplicationPolicy";
const DEFAULT_TOPIC_FILTER: &str = "org.apache.kafka.connect.mirror.DefaultTopicFilter";
const DEFAULT_GROUP_FILTER: &str = "org.apache.kafka.connect.mirror.DefaultGroupFilter";
const DEFAULT_CONFIG_FILTER: &str = "org.apache.kafka.connect.mirror.DefaultConfigPropertyFilter";
const DEFAULT_ADMIN: &str = "org.apache.kafka.clients.admin.ForwardingAdmin";

/// `KEY.enabled`.
pub(crate) fn enabled(feature: &str) -> String {
    format!("{feature}.enabled")
}

/// `KEY.interval.seconds`.
pub(crate) fn interval(feature: &str) -> String {
    format!("{feature}.interval.seconds")
}

fn key(
    name: &str,
    kind: ConfigType,
    default: &str,
    importance: Importance,
    doc: &str,
) -> ConfigKey {
    ConfigKey::new(name, kind)
        .default(default)
        .importance(importance)
        .doc(doc)
}

/// A key that can name only what is built in.
fn class(name: &str, known: &'static [&'static str], doc: &str) -> ConfigKey {
    let default = known.first().copied().unwrap_or_default();
    let check: Validator =
        Arc::new(move |name, value| match value {
            ConfigValue::Class(class) if !known.contains(&class.as_str()) => Err(
                ConfigError::invalid(name, class, format!("Class {class} could not be found.")),
            ),
            _ => Ok(()),
        });
    key(name, ConfigType::Class, default, Importance::Low, doc).validator(check)
}

fn list_of(allowed: &'static [&'static str]) -> Validator {
    let not_empty = validators::distinct_list(false, false);
    Arc::new(move |name, value| {
        not_empty(name, value)?;
        match value {
            ConfigValue::List(list) => {
                match list.iter().find(|one| !allowed.contains(&one.as_str())) {
                    Some(wrong) => Err(ConfigError::invalid(
                        name,
                        wrong,
                        format!("String must be one of: {}", allowed.join(", ")),
                    )),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    })
}

/// `X.enabled` and `X.interval.seconds`.
fn repeated(def: &mut ConfigDef, feature: &str, on: &str, seconds: &str, what: &str) {
    use ConfigType::{Boolean, Long};
    use Importance::Low;
    let doc = format!("Whether to {what}.");
    def.add(key(&enabled(feature), Boolean, on, Low, &doc));
    let doc = format!("How often to {what}, in seconds.");
    def.add(key(&interval(feature), Long, seconds, Low, &doc));
}

fn base_def() -> ConfigDef {
    use ConfigType::{Boolean, List, Long, String};
    use Importance::{High, Low, Medium};
    let mut def = ConfigDef::new()
        .define(key(ENABLED, Boolean, "true", Low, "Whether to replicate source->target."))
        .define(
            ConfigKey::new(SOURCE_ALIAS, String)
                .importance(High)
                .doc("Alias of the source cluster. Example: us-west"),
        )
        .define(key(TARGET_ALIAS, String, "target", High, "Alias of the target cluster."))
        .define(key(
            ADMIN_TIMEOUT,
            Long,
            "60000",
            Low,
            "Time for administrative calls such as finding new topics, in milliseconds.",
        ))
        .define(class(
            POLICY_CLASS,
            &[DEFAULT_POLICY, IDENTITY_POLICY],
            "How topics are named on the target: DefaultReplicationPolicy puts the source's alias before the \
             name, IdentityReplicationPolicy keeps the name.",
        ))
        .define(key(SEPARATOR, String, ".", Low, "What stands between alias and name of a topic."))
        .define(key(
            INTERNAL_SEPARATOR,
            Boolean,
            "true",
            Low,
            "Whether the topics of checkpoints and offset syncs are named with a separator that is set; else \
             with a dot.",
        ))
        .define(class(FORWARDING_ADMIN, &[DEFAULT_ADMIN], "Makes the admin client; there is one only."))
        .define(
            key(
                "metric.reporters",
                List,
                "org.apache.kafka.common.metrics.JmxReporter",
                Low,
                "Has no effect: figures are in the worker's telemetry.",
            )
            .distinct(true),
        )
        .define(
            key("security.protocol", String, "PLAINTEXT", Medium, "As in the settings of Kafka's clients.")
                .validator(validators::one_of_ignoring_case(&["SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT"])),
        )
        .define(key("config.providers", List, "", Low, "Has no effect: the worker's providers are \
                                                        used.").distinct(true));
    for key in client_keys::definitions() {
        def.add(key);
    }
    def
}

fn topics(def: ConfigDef) -> ConfigDef {
    use ConfigType::List;
    use Importance::High;
    let doc = "Topics to replicate: names and regular expressions, separated by commas.";
    let exclude = "Topics not to replicate; wins over topics.";
    def.define(key(TOPICS, List, ".*", High, doc).distinct(true))
        .define(key(TOPICS_EXCLUDE, List, TOPICS_EXCLUDE_DEFAULT, High, exclude).distinct(true))
}

fn topic_filter() -> ConfigKey {
    class(
        TOPIC_FILTER_CLASS,
        &[DEFAULT_TOPIC_FILTER],
        "Selects topics; there is one only.",
    )
}

fn poll_timeout() -> ConfigKey {
    let doc =
        "Longest wait for records of the source, in milliseconds; no more than a second is waited.";
    key(POLL_TIMEOUT, ConfigType::Long, "1000", Importance::Low, doc)
}

fn offset_syncs_location() -> ConfigKey {
    let doc = "The cluster that holds the topic of offset syncs: source or target.";
    key(
        OFFSET_SYNCS_LOCATION,
        ConfigType::String,
        "source",
        Importance::Low,
        doc,
    )
    .validator(validators::one_of(&["source", "target"]))
}

fn metric_names() -> ConfigKey {
    let doc = "Has no effect: figures are in the worker's telemetry.";
    key(
        METRIC_NAMES,
        ConfigType::List,
        "legacy",
        Importance::Low,
        doc,
    )
    .validator(list_of(&["legacy", "new"]))
}

/// Keys of `MirrorSourceConnector`.
pub(crate) fn source_def() -> ConfigDef {
    use ConfigType::{Boolean, Int, List, Long, Short};
    use Importance::{High, Low};
    let mut def = topics(base_def())
        .define(
            key(
                CONFIG_PROPERTIES_EXCLUDE,
                List,
                CONFIG_PROPERTIES_EXCLUDE_DEFAULT,
                High,
                "Configs of topics not to replicate: names and regular expressions, separated by commas.",
            )
            .distinct(true),
        )
        .define(topic_filter())
        .define(class(
            CONFIG_PROPERTY_FILTER_CLASS,
            &[DEFAULT_CONFIG_FILTER],
            "Selects configs of topics; there is one only.",
        ))
        .define(poll_timeout());
    repeated(
        &mut def,
        REFRESH_TOPICS,
        "true",
        "600",
        "look for new topics and partitions",
    );
    repeated(
        &mut def,
        SYNC_TOPIC_CONFIGS,
        "true",
        "600",
        "bring configs of topics to the target",
    );
    repeated(
        &mut def,
        SYNC_TOPIC_ACLS,
        "true",
        "600",
        "bring ACLs of topics to the target",
    );
    def.define(key(REPLICATION_FACTOR, Int, "2", Low, "Replicas of topics made on the target."))
        .define(key(OFFSET_SYNCS_REPLICATION_FACTOR, Short, "3", Low, "Replicas of the topic of offset \
                                                                       syncs."))
        .define(key(
            OFFSET_LAG_MAX,
            Long,
            "100",
            Low,
            "How many records translated offsets may be behind before an offset sync is written.",
        ))
        .define(offset_syncs_location())
        .define(key(
            EMIT_OFFSET_SYNCS,
            Boolean,
            "true",
            Low,
            "Whether to write offset syncs, which the translation of consumer groups' offsets needs.",
        ))
        .define(key(
            HEARTBEATS_REPLICATION,
            Boolean,
            "true",
            Low,
            "Whether to replicate topics of heartbeats even if the filter of topics does not name them.",
        ))
        .define(metric_names())
}

/// Keys of `MirrorCheckpointConnector`.
pub(crate) fn checkpoint_def() -> ConfigDef {
    use ConfigType::{List, Short};
    use Importance::{High, Low};
    let mut def = base_def()
        .define(poll_timeout())
        .define(
            key(
                GROUPS,
                List,
                ".*",
                High,
                "Consumer groups to replicate: names and regular expressions, separated by commas.",
            )
            .distinct(true),
        )
        .define(
            key(
                GROUPS_EXCLUDE,
                List,
                GROUPS_EXCLUDE_DEFAULT,
                High,
                "Consumer groups not to replicate; wins over groups.",
            )
            .distinct(true),
        )
        .define(class(
            GROUP_FILTER_CLASS,
            &[DEFAULT_GROUP_FILTER],
            "Selects groups; there is one only.",
        ));
    repeated(
        &mut def,
        REFRESH_GROUPS,
        "true",
        "600",
        "look for new consumer groups",
    );
    repeated(
        &mut def,
        EMIT_CHECKPOINTS,
        "true",
        "60",
        "write translated offsets of consumer groups to the target",
    );
    repeated(
        &mut def,
        SYNC_GROUP_OFFSETS,
        "false",
        "60",
        "commit translated offsets on the target, for groups without members there",
    );
    def.define(key(
        CHECKPOINTS_REPLICATION_FACTOR,
        Short,
        "3",
        Low,
        "Replicas of the topic of checkpoints.",
    ))
    .define(offset_syncs_location())
    .define(topic_filter())
    .define(metric_names())
}

/// Keys of `MirrorHeartbeatConnector`.
pub(crate) fn heartbeat_def() -> ConfigDef {
    let mut def = base_def();
    repeated(&mut def, EMIT_HEARTBEATS, "true", "1", "write heartbeats");
    let doc = "Replicas of the topic of heartbeats.";
    def.define(key(
        HEARTBEATS_REPLICATION_FACTOR,
        ConfigType::Short,
        "3",
        Importance::Low,
        doc,
    ))
}
