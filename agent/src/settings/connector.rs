//! A connector's configuration as worker and tasks use it (Kafka's `ConnectorConfig`,
//! `SourceConnectorConfig`, `SinkConnectorConfig`).
//!
//! It is made where a stored configuration is put to use. REST has validated it before, but another
//! worker may have stored it, and config providers may give other values since: a fault makes the
//! connector or task FAILED.

use std::fmt;
use std::time::Duration;

use sluice_api::config::{ConfigError, Props};
use sluice_protocol::{ConfigMap, ConnectorType};

use super::keys::connector::{Suggestions, definition};
use super::{
    ClientProps, ErrorSettings, PluginChoice, TopicCreationRules, TopicSelection, TransformChoice,
    Values, WorkerSettings,
};

/// Where the transactions of an exactly-once source task end (`transaction.boundary`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionBoundary {
    /// After each batch that was polled.
    Poll,
    /// After the batch that ends an interval.
    Interval(Duration),
    /// Where the task says.
    Connector,
}

/// The settings of a connector.
#[derive(Clone)]
pub struct ConnectorSettings {
    /// `connector.class`: class name or alias.
    pub class: String,
    /// Most tasks that it may have, at least 1.
    pub tasks_max: usize,
    /// Whether more tasks than that are an error (`tasks.max.enforce`).
    pub tasks_max_enforced: bool,
    /// Whether it starts anew when values of config providers expire (`config.action.reload`).
    pub reloads: bool,
    /// Of record keys; `None` for the worker's.
    pub key_converter: Option<PluginChoice>,
    /// Of record values; `None` for the worker's.
    pub value_converter: Option<PluginChoice>,
    /// Of headers; `None` for the worker's.
    pub header_converter: Option<PluginChoice>,
    /// Transformations, in their order.
    pub transforms: Vec<TransformChoice>,
    /// What happens to records that fail.
    pub errors: ErrorSettings,
    /// Topics of a sink.
    pub topics: Option<TopicSelection>,
    /// Rules for topics of a source; `None` if the worker or the connector wants none.
    pub topic_creation: Option<TopicCreationRules>,
    /// Transactions of a source with exactly-once.
    pub boundary: TransactionBoundary,
    /// The offsets topic of this source alone (`offsets.storage.topic`).
    pub offsets_topic: Option<String>,
    /// Client settings it overrides.
    pub overrides: ClientProps,
    /// All properties with values for variables, as the connector gets them.
    pub props: Props,
}

impl fmt::Debug for ConnectorSettings {
    /// Names the class only: properties may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorSettings")
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

impl ConnectorSettings {
    /// The settings of a connector of this kind, from properties with values for variables.
    ///
    /// # Errors
    /// The first fault, with Kafka's text.
    pub fn new(
        worker: &WorkerSettings,
        kind: ConnectorType,
        props: Props,
    ) -> Result<Self, ConfigError> {
        let mut values = Values::parsed(&definition(kind, &Suggestions::default()), &props)?;
        Self::take(&mut values, worker, kind, props)
    }

    /// The settings for a task of a sink, whose own topics count, if it has some: it was made with
    /// them.
    ///
    /// # Errors
    /// The first fault, with Kafka's text.
    pub fn of_sink_task(
        worker: &WorkerSettings,
        mut connector: Props,
        task: &Props,
    ) -> Result<Self, ConfigError> {
        for (key, text) in TopicSelection::texts(task) {
            connector.insert(key.to_owned(), text.clone());
        }
        Self::new(worker, ConnectorType::Sink, connector)
    }

    fn take(
        values: &mut Values,
        worker: &WorkerSettings,
        kind: ConnectorType,
        props: Props,
    ) -> Result<Self, ConfigError> {
        let tasks_max: i32 = values.take("tasks.max")?;
        let reload: String = values.take("config.action.reload")?;
        let is_sink = kind == ConnectorType::Sink;
        let mut taken = Self {
            class: values.take("connector.class")?,
            tasks_max: usize::try_from(tasks_max).unwrap_or(1),
            tasks_max_enforced: values.take("tasks.max.enforce")?,
            reloads: reload != "none",
            key_converter: PluginChoice::take_optional(values, &props, "key.converter")?,
            value_converter: PluginChoice::take_optional(values, &props, "value.converter")?,
            header_converter: PluginChoice::take_optional(values, &props, "header.converter")?,
            transforms: TransformChoice::all(values.take("transforms")?, &props)?,
            errors: ErrorSettings::take(values, kind)?,
            topics: if is_sink {
                TopicSelection::take(values)?
            } else {
                None
            },
            topic_creation: None,
            boundary: TransactionBoundary::Poll,
            offsets_topic: None,
            overrides: ClientProps::of_connector(&props),
            props,
        };
        if kind == ConnectorType::Source {
            taken.take_source(values, worker)?;
        }
        Ok(taken)
    }

    fn take_source(
        &mut self,
        values: &mut Values,
        worker: &WorkerSettings,
    ) -> Result<(), ConfigError> {
        let groups: Vec<String> = values.take("topic.creation.groups")?;
        if worker.topic_creation {
            self.topic_creation = TopicCreationRules::of(&groups, &self.props)?;
        }
        let boundary: String = values.take("transaction.boundary")?;
        let interval: Option<Duration> = values.take("transaction.boundary.interval.ms")?;
        self.boundary = match boundary.to_ascii_lowercase().as_str() {
            "interval" => {
                TransactionBoundary::Interval(interval.unwrap_or(worker.offset_flush_interval))
            }
            "connector" => TransactionBoundary::Connector,
            _ => TransactionBoundary::Poll,
        };
        self.offsets_topic = values.take("offsets.storage.topic")?;
        Ok(())
    }

    /// Adds what each task is to have of the connector's configuration.
    pub(crate) fn complete_task(&self, task: &mut ConfigMap) {
        for (key, text) in TopicSelection::texts(&self.props) {
            task.set(key, text.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mode;
    use super::super::keys::connector::WITHOUT_FIELD;
    use super::*;

    fn worker() -> WorkerSettings {
        let props = [
            ("bootstrap.servers", "localhost:9092"),
            ("key.converter", "a"),
            ("value.converter", "b"),
            ("offset.storage.file.filename", "o"),
        ];
        WorkerSettings::from_props(texts(&props), Mode::Standalone).unwrap()
    }

    fn texts(pairs: &[(&str, &str)]) -> Props {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn settings(
        kind: ConnectorType,
        more: &[(&str, &str)],
    ) -> Result<ConnectorSettings, ConfigError> {
        let mut props = texts(&[("name", "c"), ("connector.class", "X")]);
        props.extend(texts(more));
        ConnectorSettings::new(&worker(), kind, props)
    }

    #[test]
    fn every_key_of_the_tables_has_a_field_or_a_reason() {
        for kind in [ConnectorType::Sink, ConnectorType::Source] {
            let def = definition(kind, &Suggestions::default());
            let props = texts(&[("name", "c"), ("connector.class", "X")]);
            let mut values = Values::parsed(&def, &props).unwrap();
            ConnectorSettings::take(&mut values, &worker(), kind, props).unwrap();
            assert_eq!(values.unaccounted(&def, WITHOUT_FIELD), [""; 0], "{kind:?}");
        }
    }

    #[test]
    fn what_is_not_given_has_kafkas_defaults() {
        let sink = settings(ConnectorType::Sink, &[("topics", "b, a,b")]).unwrap();
        assert_eq!((sink.tasks_max, sink.tasks_max_enforced), (1, true));
        assert_eq!(sink.errors, ErrorSettings::default());
        assert!(sink.reloads && sink.value_converter.is_none() && sink.transforms.is_empty());
        let listed = |topics: &Option<TopicSelection>| match topics {
            Some(TopicSelection::Listed(topics)) => topics.clone(),
            _ => Vec::new(),
        };
        assert_eq!(listed(&sink.topics), ["b", "a"], "each topic once");
        let source = settings(ConnectorType::Source, &[]).unwrap();
        assert!(source.topic_creation.is_none() && source.offsets_topic.is_none());
        assert_eq!(source.boundary, TransactionBoundary::Poll);
        let interval = [("transaction.boundary", "INTERVAL")];
        let source = settings(ConnectorType::Source, &interval).unwrap();
        let flush = worker().offset_flush_interval;
        assert_eq!(source.boundary, TransactionBoundary::Interval(flush));
    }

    #[test]
    fn every_group_of_keys_is_taken() {
        let sink = settings(
            ConnectorType::Sink,
            &[
                ("tasks.max", " 7 "),
                ("tasks.max.enforce", "False"),
                ("config.action.reload", "none"),
                ("topics.regex", "t.*"),
                ("value.converter", " JsonConverter "),
                ("value.converter.schemas.enable", "false"),
                ("errors.retry.timeout", "-1"),
                ("errors.retry.delay.max.ms", "5"),
                ("errors.tolerance", "all"),
                ("errors.deadletterqueue.topic.name", "dlq"),
                ("errors.deadletterqueue.topic.replication.factor", "1"),
                ("consumer.override.max.poll.records", "9"),
                ("transforms", "a, b"),
                ("transforms.a.type", "Drop"),
                ("transforms.a.predicate", "p"),
                ("transforms.a.negate", "TRUE"),
                ("transforms.b.type", "Flatten"),
                ("predicates", "p"),
                ("predicates.p.type", "HasHeaderKey"),
                ("predicates.p.name", "h"),
            ],
        )
        .unwrap();
        assert_eq!((sink.tasks_max, sink.tasks_max_enforced), (7, false));
        assert!(!sink.reloads);
        let converter = sink.value_converter.unwrap();
        assert_eq!(converter.class, "JsonConverter");
        assert_eq!(converter.props, texts(&[("schemas.enable", "false")]));
        let errors = ErrorSettings {
            retry_timeout: None,
            retry_delay_max: Duration::from_millis(5),
            tolerate_all: true,
            dead_letter_topic: Some("dlq".to_owned()),
            dead_letter_replication: 1,
            ..ErrorSettings::default()
        };
        assert_eq!(sink.errors, errors);
        assert!(matches!(sink.topics, Some(TopicSelection::Pattern(_))));
        let consumer = texts(&[("max.poll.records", "9")]);
        assert_eq!(sink.overrides.consumer, consumer);
        let [first, second] = &sink.transforms[..] else {
            panic!("{:?}", sink.transforms)
        };
        assert_eq!((first.alias.as_str(), first.negate), ("a", true));
        let predicate = first.predicate.as_ref().unwrap();
        assert_eq!(predicate.class, "HasHeaderKey");
        assert_eq!(predicate.props["name"], "h");
        assert_eq!(
            (second.plugin.class.as_str(), second.negate),
            ("Flatten", false)
        );
        assert_eq!(second.predicate, None);
    }

    #[test]
    fn a_stored_value_at_fault_is_an_error_with_kafkas_text_and_no_default() {
        let both = ConnectorType::Sink;
        let invalid =
            |key: &str, value: &str, why: &str| ConfigError::invalid(key, value, why).to_string();
        for (kind, key, value, why) in [
            (both, "tasks.max", "many", "Not a number of type INT"),
            (both, "tasks.max", "0", "Value must be at least 1"),
            (
                both,
                "tasks.max.enforce",
                "maybe",
                "Expected value to be either true or false",
            ),
            (
                both,
                "errors.retry.timeout",
                "soon",
                "Not a number of type LONG",
            ),
            (
                both,
                "errors.retry.delay.max.ms",
                "1.5",
                "Not a number of type LONG",
            ),
            (
                both,
                "errors.tolerance",
                "some",
                "String must be one of: none, all",
            ),
            (
                both,
                "errors.log.enable",
                "1",
                "Expected value to be either true or false",
            ),
            (
                both,
                "config.action.reload",
                "odd",
                "String must be one of: none, restart",
            ),
            (
                both,
                "errors.deadletterqueue.topic.replication.factor",
                "70000",
                "Not a number of type SHORT",
            ),
            (
                ConnectorType::Source,
                "transaction.boundary.interval.ms",
                "x",
                "Not a number of type LONG",
            ),
            (
                ConnectorType::Source,
                "transaction.boundary",
                "never",
                "String must be one of (case insensitive): POLL, INTERVAL, CONNECTOR",
            ),
            (
                ConnectorType::Source,
                "offsets.storage.topic",
                " ",
                "String must be non-empty",
            ),
        ] {
            let fault = settings(kind, &[("topics", "t"), (key, value)]).unwrap_err();
            assert_eq!(fault.to_string(), invalid(key, value.trim(), why));
        }
        let fault = settings(both, &[("topics", "t"), ("topics.regex", "t")]).unwrap_err();
        assert!(fault.0.contains("mutually exclusive"), "{fault}");
        let negate = [("transforms", "a"), ("transforms.a.negate", "x")];
        let fault = settings(both, &negate).unwrap_err();
        assert!(fault.0.contains("transforms.a.negate"), "{fault}");
        let creation = [("topic.creation.default.partitions", "1")];
        let fault = settings(ConnectorType::Source, &creation).unwrap_err();
        assert!(
            fault
                .0
                .contains("topic.creation.default.replication.factor"),
            "{fault}"
        );
    }

    #[test]
    fn the_topics_of_a_task_count_for_it() {
        let connector = texts(&[("name", "c"), ("connector.class", "X"), ("topics", "new")]);
        let task = texts(&[("topics", "old")]);
        let settings = ConnectorSettings::of_sink_task(&worker(), connector, &task).unwrap();
        let Some(TopicSelection::Listed(topics)) = &settings.topics else {
            panic!("{:?}", settings.topics)
        };
        assert_eq!(topics, &["old"]);
        let mut next = ConfigMap::default();
        settings.complete_task(&mut next);
        assert_eq!(next.text("topics"), Some("old"));
    }
}
