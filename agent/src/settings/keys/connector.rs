//! The keys every connector has besides its own (Kafka's `ConnectorConfig`, `SourceConnectorConfig`,
//! `SinkConnectorConfig`), with the groups and orders that validation answers show.

use std::sync::Arc;

use sluice_api::config::{
    ConfigDef, ConfigKey, ConfigType, Importance, Recommendation, Recommender, Width,
};
use sluice_protocol::ConnectorType;

#[cfg(test)]
use super::WithoutField;
use super::{Absent, Check, Group, Row};

const COMMON: &str = "Common";
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
    /// What is suggested for `key.converter`.
    pub key_converter: ConverterSuggestion,
    /// What is suggested for `value.converter`.
    pub value_converter: ConverterSuggestion,
    /// What is suggested for `header.converter`.
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
        ConnectorType::Sink => SINK,
        ConnectorType::Source => SOURCE,
        ConnectorType::Unknown => &[],
    };
    for row in EVERY.iter().chain(of_kind) {
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

const EVERY: &[Row] = rows! {
    "name" String required Name => "Globally unique name to use for this connector.",
        High in COMMON 1 Medium "Connector name";
    "connector.class" String required =>
        "Name or alias of the class for this connector, such as FileStreamSink or \
         org.apache.kafka.connect.file.FileStreamSinkConnector.",
        High in COMMON 2 Long "Connector class";
    "connector.plugin.version" String none => "Version of the connector.",
        Medium in COMMON 3 Medium "Connector version";
    "tasks.max" Int "1" AtLeast(1) => "Maximum number of tasks to use for this connector.",
        High in COMMON 4 Short "Tasks max";
    "tasks.max.enforce" Boolean "true" =>
        "(Deprecated) Whether a connector that generates more tasks than tasks.max fails.",
        Low in COMMON 5 Short "Enforce tasks max";
    "key.converter" Class none =>
        "Converter of record keys between Connect's data and the bytes in Kafka; the worker's if not \
         given. Its own keys follow under this prefix.",
        Low in COMMON 6 Short "Key converter class";
    "key.converter.plugin.version" String none => "Version of the key converter.",
        Low in COMMON 7 Short "Key converter version";
    "value.converter" Class none =>
        "Converter of record values between Connect's data and the bytes in Kafka; the worker's if \
         not given. Its own keys follow under this prefix.",
        Low in COMMON 8 Short "Value converter class";
    "value.converter.plugin.version" String none => "Version of the value converter.",
        Low in COMMON 9 Short "Value converter version";
    "header.converter" Class none =>
        "Converter of record headers between Connect's data and the bytes in Kafka; the worker's if \
         not given. Its own keys follow under this prefix.",
        Low in COMMON 10 Short "Header converter class";
    "header.converter.plugin.version" String none => "Version of the header converter.",
        Low in COMMON 11 Short "Header converter version";
    "transforms" List "" UniqueAliases =>
        "Aliases of the transformations applied to records, in this order.",
        Low in TRANSFORMS 12 Long "Transforms";
    "predicates" List "" UniqueAliases => "Aliases of the predicates that transformations refer to.",
        Low in PREDICATES 13 Long "Predicates";
    "config.action.reload" String "restart" OneOf(&["none", "restart"]) =>
        "What happens when a config provider's value expires: none, or restart.",
        Low in COMMON 14 Medium "Reload Action";
    "errors.retry.timeout" Long "0" =>
        "How long in milliseconds a failed operation is retried; 0 for no retry, -1 for no limit.",
        Medium in ERRORS 1 Medium "Retry Timeout for Errors";
    "errors.retry.delay.max.ms" Long "60000" => "Longest pause in milliseconds between retries.",
        Medium in ERRORS 2 Medium "Maximum Delay Between Retries for Errors";
    "errors.tolerance" String "none" OneOf(&["none", "all"]) =>
        "none fails the task at the first error, all skips records with errors.",
        Medium in ERRORS 3 Short "Error Tolerance";
    "errors.log.enable" Boolean "false" => "Whether each error is logged with its operation.",
        Medium in ERRORS 4 Short "Log Errors";
    "errors.log.include.messages" Boolean "false" => "Whether logged errors name the record.",
        Medium in ERRORS 5 Short "Log Error Details";
};

const SINK: &[Row] = rows! {
    "topics" List "" Distinct(true) => "Topics to consume, comma separated.",
        High in COMMON 4 Long "Topics";
    "topics.regex" String "" Regex => "Regular expression for the topics to consume, instead of a list.",
        High in COMMON 4 Long "Topics regex";
    "errors.deadletterqueue.topic.name" String "" => "Topic for records that failed; empty for none.",
        Medium in ERRORS 6 Medium "Dead Letter Queue Topic Name";
    "errors.deadletterqueue.topic.replication.factor" Short "3" =>
        "Copies of that topic when it is created.",
        Medium in ERRORS 7 Medium "Dead Letter Queue Topic Replication Factor";
    "errors.deadletterqueue.context.headers.enable" Boolean "false" =>
        "Whether records there carry headers that tell what went wrong.",
        Medium in ERRORS 8 Medium "Enable Error Context Headers";
};

const SOURCE: &[Row] = rows! {
    "topic.creation.groups" List "" UniqueAliases =>
        "Groups of rules for topics that the connector creates.",
        Low in TOPIC_CREATION 1 Long "Topic Creation Groups";
    "exactly.once.support" String "requested" OneOfIgnoringCase(&["requested", "required"]) =>
        "required makes validation fail if the connector cannot be exactly-once.",
        Medium in EXACTLY_ONCE 2 Short "Exactly once support";
    "transaction.boundary" String "poll" OneOfIgnoringCase(&["poll", "interval", "connector"]) =>
        "When transactions are committed: after each poll, by interval, or by the connector.",
        Medium in EXACTLY_ONCE 3 Short "Transaction Boundary";
    "transaction.boundary.interval.ms" Long none AtLeastIfGiven(0) =>
        "Interval of commits in milliseconds; the worker's offset.flush.interval.ms if not given.",
        Low in EXACTLY_ONCE 4 Short "Transaction boundary interval";
    "offsets.storage.topic" String none NonEmpty =>
        "Offsets topic of this connector alone; the worker's if not given.",
        Low in OFFSETS_TOPIC 1 Long "Offsets topic";
};

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
        assert_eq!(def.groups(), [COMMON, TRANSFORMS, PREDICATES, ERRORS]);
        let source = definition(ConnectorType::Source, &Suggestions::default());
        assert_eq!(
            source.groups()[4..],
            [TOPIC_CREATION, EXACTLY_ONCE, OFFSETS_TOPIC]
        );
    }
}
