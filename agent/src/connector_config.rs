//! The keys every connector has besides its own (Kafka's `ConnectorConfig`, `SourceConnectorConfig`,
//! `SinkConnectorConfig`), with the groups and orders that validation answers show.

use std::sync::Arc;

use sluice_api::config::validators::{
    at_least, distinct_list, non_empty, non_empty_without_control_characters, one_of,
    one_of_ignoring_case,
};
use sluice_api::config::{
    ConfigDef, ConfigError, ConfigKey, ConfigType, ConfigValue, Importance, Recommendation,
    Recommender, Validator, Width,
};
use sluice_jvm_text::regex::JavaRegex;
use sluice_protocol::ConnectorType;

const COMMON: &str = "Common";
const TRANSFORMS: &str = "Transforms";
const PREDICATES: &str = "Predicates";
const ERRORS: &str = "Error Handling";
const TOPIC_CREATION: &str = "Topic Creation";
const EXACTLY_ONCE: &str = "Exactly Once Support";
const OFFSETS_TOPIC: &str = "offsets.topic";

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
    match kind {
        ConnectorType::Sink => {
            common(&mut def, suggestions);
            sink(&mut def);
        }
        ConnectorType::Source => {
            common(&mut def, suggestions);
            source(&mut def);
        }
        ConnectorType::Unknown => common(&mut def, suggestions),
    }
    def
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

fn common(def: &mut ConfigDef, suggestions: &Suggestions) {
    use ConfigType::{Boolean, Class, Int, List, Long, String};
    def.add(
        ConfigKey::new("name", String)
            .validator(non_empty_without_control_characters())
            .importance(Importance::High)
            .doc("Globally unique name to use for this connector.")
            .group(COMMON, 1, Width::Medium, "Connector name"),
    );
    def.add(
        ConfigKey::new("connector.class", String)
            .importance(Importance::High)
            .doc(
                "Name or alias of the class for this connector, such as FileStreamSink or \
                 org.apache.kafka.connect.file.FileStreamSinkConnector.",
            )
            .group(COMMON, 2, Width::Long, "Connector class"),
    );
    def.add(
        with_default(
            ConfigKey::new("connector.plugin.version", String),
            suggestions.connector_version.as_ref(),
        )
        .doc("Version of the connector.")
        .group(COMMON, 3, Width::Medium, "Connector version")
        .recommender(version_of(suggestions.connector_version.as_ref())),
    );
    def.add(
        ConfigKey::new("tasks.max", Int)
            .default("1")
            .validator(at_least(1))
            .importance(Importance::High)
            .doc("Maximum number of tasks to use for this connector.")
            .group(COMMON, 4, Width::Short, "Tasks max"),
    );
    def.add(
        ConfigKey::new("tasks.max.enforce", Boolean)
            .default("true")
            .importance(Importance::Low)
            .doc("(Deprecated) Whether a connector that generates more tasks than tasks.max fails.")
            .group(COMMON, 5, Width::Short, "Enforce tasks max"),
    );
    let converters = [
        (
            "key.converter",
            6,
            "Key converter class",
            &suggestions.key_converter,
        ),
        (
            "value.converter",
            8,
            "Value converter class",
            &suggestions.value_converter,
        ),
        (
            "header.converter",
            10,
            "Header converter class",
            &suggestions.header_converter,
        ),
    ];
    for (name, order, display, suggestion) in converters {
        let what = name.trim_end_matches(".converter");
        def.add(
            with_default(
                ConfigKey::new(name, Class),
                suggestion.worker_class.as_ref(),
            )
            .importance(Importance::Low)
            .doc(format!(
                "Converter of record {what}s between Connect's data and the bytes in \
                     Kafka; the worker's if not given. Its own keys follow under this prefix."
            ))
            .group(COMMON, order, Width::Short, display)
            .recommender(suggest(&suggestion.classes)),
        );
        def.add(
            with_default(
                ConfigKey::new(format!("{name}.plugin.version"), String),
                suggestion.version.as_ref(),
            )
            .importance(Importance::Low)
            .doc(format!("Version of the {what} converter."))
            .group(
                COMMON,
                order + 1,
                Width::Short,
                &display.replace("class", "version"),
            )
            .recommender(version_of(suggestion.version.as_ref())),
        );
    }
    def.add(
        ConfigKey::new("transforms", List)
            .default("")
            .validator(unique_aliases())
            .importance(Importance::Low)
            .doc("Aliases of the transformations applied to records, in this order.")
            .group(TRANSFORMS, 12, Width::Long, "Transforms"),
    );
    def.add(
        ConfigKey::new("predicates", List)
            .default("")
            .validator(unique_aliases())
            .importance(Importance::Low)
            .doc("Aliases of the predicates that transformations refer to.")
            .group(PREDICATES, 13, Width::Long, "Predicates"),
    );
    def.add(
        ConfigKey::new("config.action.reload", String)
            .default("restart")
            .validator(one_of(&["none", "restart"]))
            .importance(Importance::Low)
            .doc("What happens when a config provider's value expires: none, or restart.")
            .group(COMMON, 14, Width::Medium, "Reload Action"),
    );
    let errors = [
        (
            "errors.retry.timeout",
            Long,
            "0",
            1,
            "Retry Timeout for Errors",
            "How long in milliseconds a failed operation is retried; 0 for no retry, -1 for no limit.",
        ),
        (
            "errors.retry.delay.max.ms",
            Long,
            "60000",
            2,
            "Maximum Delay Between Retries for Errors",
            "Longest pause in milliseconds between retries.",
        ),
        (
            "errors.tolerance",
            String,
            "none",
            3,
            "Error Tolerance",
            "none fails the task at the first error, all skips records with errors.",
        ),
        (
            "errors.log.enable",
            Boolean,
            "false",
            4,
            "Log Errors",
            "Whether each error is logged with its operation.",
        ),
        (
            "errors.log.include.messages",
            Boolean,
            "false",
            5,
            "Log Error Details",
            "Whether logged errors name the record.",
        ),
    ];
    for (name, kind, default, order, display, doc) in errors {
        let mut key = ConfigKey::new(name, kind).default(default).doc(doc).group(
            ERRORS,
            order,
            if kind == Boolean {
                Width::Short
            } else {
                Width::Medium
            },
            display,
        );
        if name == "errors.tolerance" {
            key =
                key.validator(one_of(&["none", "all"]))
                    .group(ERRORS, order, Width::Short, display);
        }
        def.add(key);
    }
}

fn unique_aliases() -> Validator {
    Arc::new(|name, value| {
        let ConfigValue::List(aliases) = value else {
            return Ok(());
        };
        let distinct: std::collections::HashSet<&String> = aliases.iter().collect();
        if distinct.len() < aliases.len() {
            return Err(ConfigError(format!(
                "Invalid value [{}] for configuration {name}: Duplicate alias provided.",
                aliases.join(", ")
            )));
        }
        Ok(())
    })
}

fn regex_or_empty() -> Validator {
    Arc::new(|name, value| match value {
        ConfigValue::String(pattern) => JavaRegex::new(pattern).map(drop).map_err(|error| {
            ConfigError::invalid(name, pattern, format!("Invalid regex: {error}"))
        }),
        _ => Ok(()),
    })
}

fn sink(def: &mut ConfigDef) {
    use ConfigType::{Boolean, List, Short, String};
    def.add(
        ConfigKey::new("topics", List)
            .default("")
            .validator(distinct_list(true, false))
            .importance(Importance::High)
            .doc("Topics to consume, comma separated.")
            .group(COMMON, 4, Width::Long, "Topics"),
    );
    def.add(
        ConfigKey::new("topics.regex", String)
            .default("")
            .validator(regex_or_empty())
            .importance(Importance::High)
            .doc("Regular expression for the topics to consume, instead of a list.")
            .group(COMMON, 4, Width::Long, "Topics regex"),
    );
    def.add(
        ConfigKey::new("errors.deadletterqueue.topic.name", String)
            .default("")
            .doc("Topic for records that failed; empty for none.")
            .group(ERRORS, 6, Width::Medium, "Dead Letter Queue Topic Name"),
    );
    def.add(
        ConfigKey::new("errors.deadletterqueue.topic.replication.factor", Short)
            .default("3")
            .doc("Copies of that topic when it is created.")
            .group(
                ERRORS,
                7,
                Width::Medium,
                "Dead Letter Queue Topic Replication Factor",
            ),
    );
    def.add(
        ConfigKey::new("errors.deadletterqueue.context.headers.enable", Boolean)
            .default("false")
            .doc("Whether records there carry headers that tell what went wrong.")
            .group(ERRORS, 8, Width::Medium, "Enable Error Context Headers"),
    );
}

fn source(def: &mut ConfigDef) {
    use ConfigType::{List, Long, String};
    def.add(
        ConfigKey::new("topic.creation.groups", List)
            .default("")
            .validator(unique_aliases())
            .importance(Importance::Low)
            .doc("Groups of rules for topics that the connector creates.")
            .group(TOPIC_CREATION, 1, Width::Long, "Topic Creation Groups"),
    );
    def.add(
        ConfigKey::new("exactly.once.support", String)
            .default("requested")
            .validator(one_of_ignoring_case(&["requested", "required"]))
            .doc("required makes validation fail if the connector cannot be exactly-once.")
            .group(EXACTLY_ONCE, 2, Width::Short, "Exactly once support"),
    );
    def.add(
        ConfigKey::new("transaction.boundary", String)
            .default("poll")
            .validator(one_of_ignoring_case(&["poll", "interval", "connector"]))
            .doc("When transactions are committed: after each poll, by interval, or by the connector.")
            .group(EXACTLY_ONCE, 3, Width::Short, "Transaction Boundary"),
    );
    let at_least_zero = at_least(0);
    def.add(
        ConfigKey::new("transaction.boundary.interval.ms", Long)
            .optional()
            .validator(Arc::new(move |name, value| match value {
                ConfigValue::Null => Ok(()),
                given => at_least_zero(name, given),
            }))
            .importance(Importance::Low)
            .doc("Interval of commits in milliseconds; the worker's offset.flush.interval.ms if not given.")
            .group(EXACTLY_ONCE, 4, Width::Short, "Transaction boundary interval"),
    );
    def.add(
        ConfigKey::new("offsets.storage.topic", String)
            .optional()
            .validator(non_empty())
            .importance(Importance::Low)
            .doc("Offsets topic of this connector alone; the worker's if not given.")
            .group(OFFSETS_TOPIC, 1, Width::Long, "Offsets topic"),
    );
}

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
