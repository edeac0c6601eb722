//! The keys every connector has besides its own (Kafka's `ConnectorConfig`, `SourceConnectorConfig`,
//! `SinkConnectorConfig`), with the groups and orders that validation answers show.

use std::sync::Arc;

use sluice_api::config::ConfigType::{Boolean, Class, Int, List, Long, Short, String as Text};
use sluice_api::config::{ConfigDef, ConfigKey, Importance, Recommendation, Recommender, Width};
use sluice_protocol::ConnectorType;

#[cfg(test)]
use super::WithoutField;
use super::{Check, Row};

const COMMON_GROUP: &str = "Common";
const TRANSFORMS: &str = "Transforms";
const PREDICATES: &str = "Predicates";
const ERRORS: &str = "Error Handling";
const TOPIC_CREATION: &str = "Topic Creation";
const EXACTLY_ONCE: &str = "Exactly Once Support";
const OFFSETS_TOPIC: &str = "offsets.topic";

/// Keys that validation alone reads, or nothing.
#[cfg(test)]
pub(crate) const WITHOUT_FIELD: WithoutField = &[
    (
        &["name"],
        "a configuration is stored and run under its name, which its text repeats",
    ),
    (
        &[
            "connector.plugin.version",
            "key.converter.plugin.version",
            "value.converter.plugin.version",
            "header.converter.plugin.version",
        ],
        "checked by validation: a build has one version of each plugin",
    ),
    (
        &["predicates"],
        "checked by validation: transformations name the predicates that they use",
    ),
    (
        &["exactly.once.support"],
        "checked by validation, which refuses a connector that cannot be so",
    ),
];

/// What the keys' recommenders suggest, and defaults that depend on plugins and worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Suggestions {
    /// Version of the connector.
    pub connector_version: Option<String>,
    /// For `key.converter`.
    pub key_converter: ConverterSuggestion,
    /// For `value.converter`.
    pub value_converter: ConverterSuggestion,
    /// For `header.converter`.
    pub header_converter: ConverterSuggestion,
}

/// What is suggested for one of the three converters.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConverterSuggestion {
    /// Classes of converters of this kind.
    pub classes: Vec<String>,
    /// The worker's class, which is used when the connector names none.
    pub worker_class: Option<String>,
    /// Version of the class in use; `None` when there is no such class.
    pub version: Option<String>,
}

/// The definition for a connector of a type; an unknown type has the common keys only.
pub(crate) fn definition(kind: ConnectorType, suggestions: &Suggestions) -> ConfigDef {
    let mut def = ConfigDef::new();
    let of_kind: &[Row] = match kind {
        ConnectorType::Sink => &SINK,
        ConnectorType::Source => &SOURCE,
        ConnectorType::Unknown => &[],
    };
    for row in COMMON.iter().chain(of_kind) {
        def.add(suggestions.add_to(row.key()));
    }
    def
}

impl Suggestions {
    /// Sets what depends on plugins and worker.
    fn add_to(&self, key: ConfigKey) -> ConfigKey {
        let converter = match key.name.split('.').next() {
            Some("key") => &self.key_converter,
            Some("value") => &self.value_converter,
            _ => &self.header_converter,
        };
        match key.name.as_str() {
            "connector.plugin.version" => versioned(key, self.connector_version.as_ref()),
            "key.converter" | "value.converter" | "header.converter" => {
                with_default(key, converter.worker_class.as_ref())
                    .recommender(suggest(&converter.classes))
            }
            "key.converter.plugin.version"
            | "value.converter.plugin.version"
            | "header.converter.plugin.version" => versioned(key, converter.version.as_ref()),
            _ => key,
        }
    }
}

/// The key of a version, with the one that there is as default and suggestion.
fn versioned(key: ConfigKey, version: Option<&String>) -> ConfigKey {
    with_default(key, version).recommender(version_of(version))
}

fn suggest(values: &[String]) -> Recommender {
    let values = values.to_vec();
    Arc::new(move |_, _| Recommendation {
        values: values.clone(),
        visible: true,
    })
}

/// Suggests the version there is, and hides the key when there is none.
fn version_of(version: Option<&String>) -> Recommender {
    let values: Vec<String> = version.into_iter().cloned().collect();
    Arc::new(move |_, _| Recommendation {
        values: values.clone(),
        visible: !values.is_empty(),
    })
}

fn with_default(key: ConfigKey, default: Option<&String>) -> ConfigKey {
    match default {
        Some(default) => key.default(default),
        None => key.optional(),
    }
}

const COMMON: [Row; 19] = [
    Row::required("name", Text, "Globally unique name to use for this connector.").check(Check::Name).group(COMMON_GROUP, 1, Width::Medium, "Connector name"),
    Row::required("connector.class", Text, "Name or alias of the class for this connector, such as FileStreamSink or \
                 org.apache.kafka.connect.file.FileStreamSinkConnector.").group(COMMON_GROUP, 2, Width::Long, "Connector class"),
    Row::optional("connector.plugin.version", Text, "Version of the connector.").importance(Importance::Medium).group(COMMON_GROUP, 3, Width::Medium, "Connector version"),
    Row::with("tasks.max", Int, "1", "Maximum number of tasks to use for this connector.").check(Check::AtLeast(1)).importance(Importance::High).group(COMMON_GROUP, 4, Width::Short, "Tasks max"),
    Row::with("tasks.max.enforce", Boolean, "true", "(Deprecated) Whether a connector that generates more tasks than tasks.max fails.").group(COMMON_GROUP, 5, Width::Short, "Enforce tasks max"),
    Row::optional("key.converter", Class, "Converter of record keys between Connect's data and the bytes in Kafka; the worker's if not given. Its own keys follow under this prefix.").group(COMMON_GROUP, 6, Width::Short, "Key converter class"),
    Row::optional("key.converter.plugin.version", Text, "Version of the key converter.").group(COMMON_GROUP, 7, Width::Short, "Key converter version"),
    Row::optional("value.converter", Class, "Converter of record values between Connect's data and the bytes in Kafka; the worker's if not given. Its own keys follow under this prefix.").group(COMMON_GROUP, 8, Width::Short, "Value converter class"),
    Row::optional("value.converter.plugin.version", Text, "Version of the value converter.").group(COMMON_GROUP, 9, Width::Short, "Value converter version"),
    Row::optional("header.converter", Class, "Converter of record headers between Connect's data and the bytes in Kafka; the worker's if not given. Its own keys follow under this prefix.").group(COMMON_GROUP, 10, Width::Short, "Header converter class"),
    Row::optional("header.converter.plugin.version", Text, "Version of the header converter.").group(COMMON_GROUP, 11, Width::Short, "Header converter version"),
    Row::with("transforms", List, "", "Aliases of the transformations applied to records, in this order.").check(Check::UniqueAliases).group(TRANSFORMS, 12, Width::Long, "Transforms"),
    Row::with("predicates", List, "", "Aliases of the predicates that transformations refer to.").check(Check::UniqueAliases).group(PREDICATES, 13, Width::Long, "Predicates"),
    Row::with("config.action.reload", Text, "restart", "What happens when a config provider's value expires: none, or restart.").check(Check::OneOf(&["none", "restart"])).group(COMMON_GROUP, 14, Width::Medium, "Reload Action"),
    Row::with("errors.retry.timeout", Long, "0", "How long in milliseconds a failed operation is retried; 0 for no retry, -1 for no limit.").importance(Importance::Medium).group(ERRORS, 1, Width::Medium, "Retry Timeout for Errors"),
    Row::with("errors.retry.delay.max.ms", Long, "60000", "Longest pause in milliseconds between retries.").importance(Importance::Medium).group(ERRORS, 2, Width::Medium, "Maximum Delay Between Retries for Errors"),
    Row::with("errors.tolerance", Text, "none", "none fails the task at the first error, all skips records with errors.").check(Check::OneOf(&["none", "all"])).importance(Importance::Medium).group(ERRORS, 3, Width::Short, "Error Tolerance"),
    Row::with("errors.log.enable", Boolean, "false", "Whether each error is logged with its operation.").importance(Importance::Medium).group(ERRORS, 4, Width::Short, "Log Errors"),
    Row::with("errors.log.include.messages", Boolean, "false", "Whether logged errors name the record.").importance(Importance::Medium).group(ERRORS, 5, Width::Short, "Log Error Details"),
];

const SINK: [Row; 5] = [
    Row::with("topics", List, "", "Topics to consume, comma separated.")
        .check(Check::Distinct(true))
        .importance(Importance::High)
        .group(COMMON_GROUP, 4, Width::Long, "Topics"),
    Row::with(
        "topics.regex",
        Text,
        "",
        "Regular expression for the topics to consume, instead of a list.",
    )
    .check(Check::Regex)
    .importance(Importance::High)
    .group(COMMON_GROUP, 4, Width::Long, "Topics regex"),
    Row::with(
        "errors.deadletterqueue.topic.name",
        Text,
        "",
        "Topic for records that failed; empty for none.",
    )
    .importance(Importance::Medium)
    .group(ERRORS, 6, Width::Medium, "Dead Letter Queue Topic Name"),
    Row::with(
        "errors.deadletterqueue.topic.replication.factor",
        Short,
        "3",
        "Copies of that topic when it is created.",
    )
    .importance(Importance::Medium)
    .group(
        ERRORS,
        7,
        Width::Medium,
        "Dead Letter Queue Topic Replication Factor",
    ),
    Row::with(
        "errors.deadletterqueue.context.headers.enable",
        Boolean,
        "false",
        "Whether records there carry headers that tell what went wrong.",
    )
    .importance(Importance::Medium)
    .group(ERRORS, 8, Width::Medium, "Enable Error Context Headers"),
];

const SOURCE: [Row; 5] = [
    Row::with(
        "topic.creation.groups",
        List,
        "",
        "Groups of rules for topics that the connector creates.",
    )
    .check(Check::UniqueAliases)
    .group(TOPIC_CREATION, 1, Width::Long, "Topic Creation Groups"),
    Row::with(
        "exactly.once.support",
        Text,
        "requested",
        "required makes validation fail if the connector cannot be exactly-once.",
    )
    .check(Check::OneOfIgnoringCase(&["requested", "required"]))
    .importance(Importance::Medium)
    .group(EXACTLY_ONCE, 2, Width::Short, "Exactly once support"),
    Row::with(
        "transaction.boundary",
        Text,
        "poll",
        "When transactions are committed: after each poll, by interval, or by the connector.",
    )
    .check(Check::OneOfIgnoringCase(&["poll", "interval", "connector"]))
    .importance(Importance::Medium)
    .group(EXACTLY_ONCE, 3, Width::Short, "Transaction Boundary"),
    Row::optional(
        "transaction.boundary.interval.ms",
        Long,
        "Interval of commits in milliseconds; the worker's offset.flush.interval.ms if not given.",
    )
    .check(Check::AtLeastIfGiven(0))
    .group(
        EXACTLY_ONCE,
        4,
        Width::Short,
        "Transaction boundary interval",
    ),
    Row::optional(
        "offsets.storage.topic",
        Text,
        "Offsets topic of this connector alone; the worker's if not given.",
    )
    .check(Check::NonEmpty)
    .group(OFFSETS_TOPIC, 1, Width::Long, "Offsets topic"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framework_keys_stand_in_the_order_of_the_jvm() {
        let def = definition(ConnectorType::Sink, &Suggestions::default());
        let keys: Vec<&str> = def.keys().map(|key| key.name.as_str()).collect();
        assert_eq!(
            keys[..6],
            [
                "name",
                "connector.class",
                "connector.plugin.version",
                "tasks.max",
                "tasks.max.enforce",
                "key.converter"
            ]
        );
        assert_eq!(def.groups(), [COMMON_GROUP, TRANSFORMS, PREDICATES, ERRORS]);
        let source = definition(ConnectorType::Source, &Suggestions::default());
        assert_eq!(
            source.groups()[4..],
            [TOPIC_CREATION, EXACTLY_ONCE, OFFSETS_TOPIC]
        );
    }
}
