//! Topics of source connectors, created by the rules of `topic.creation.*` (KIP-158).
//!
//! Active only if the worker allows it and the connector has any such key; else the broker's own
//! creation applies.

use std::collections::HashSet;
use std::time::Duration;

use bytestring::ByteString;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sluice_api::config::Props;
use sluice_api::{ConnectError, ErrorKind, Result};
use sluice_jvm_text::regex::JavaRegex;

const PREFIX: &str = "topic.creation.";
const GROUPS: &str = "topic.creation.groups";
const DEFAULT_GROUP: &str = "default";
/// Time for one look-up or creation.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How topics of a group are created.
#[derive(Debug, Clone)]
pub(crate) struct TopicCreationGroup {
    name: String,
    include: Vec<JavaRegex>,
    exclude: Vec<JavaRegex>,
    partitions: i32,
    replication: i32,
    configs: Vec<(String, String)>,
}

impl TopicCreationGroup {
    fn matches(&self, topic: &str) -> bool {
        let any = |patterns: &[JavaRegex]| {
            patterns
                .iter()
                .any(|pattern| pattern.matches(topic).unwrap_or(false))
        };
        !any(&self.exclude) && any(&self.include)
    }
}

/// Rules of a connector: groups in order, then the default.
#[derive(Debug, Clone)]
pub(crate) struct TopicCreationRules {
    groups: Vec<TopicCreationGroup>,
    default: TopicCreationGroup,
}

fn invalid(key: &str, value: &str, why: &str) -> ConnectError {
    ConnectError::config(format!(
        "Invalid value {value} for configuration {key}: {why}"
    ))
}

fn list(text: &str) -> Vec<&str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .collect()
}

impl TopicCreationRules {
    /// Rules of a configuration; `None` without any `topic.creation.` key.
    ///
    /// # Errors
    /// A required key is missing, or a value is not valid.
    pub(crate) fn from_props(props: &Props) -> Result<Option<Self>> {
        if !props.keys().any(|key| key.starts_with(PREFIX)) {
            return Ok(None);
        }
        let mut default = group(props, DEFAULT_GROUP, None)?;
        default.include.clear();
        default.exclude.clear();
        let mut groups = Vec::new();
        let mut seen = HashSet::new();
        for name in props.get(GROUPS).map(|text| list(text)).unwrap_or_default() {
            if name == DEFAULT_GROUP {
                tracing::warn!(
                    "Topic creation group 'default' is always there and need not be listed in {GROUPS}"
                );
                continue;
            }
            if !seen.insert(name) {
                return Err(invalid(GROUPS, name, "groups must not be repeated"));
            }
            groups.push(group(props, name, Some(&default))?);
        }
        Ok(Some(Self { groups, default }))
    }

    /// Rules that create every topic alike, for topics of the framework.
    #[must_use]
    pub(crate) fn fixed(partitions: i32, replication: i32) -> Self {
        Self {
            groups: Vec::new(),
            default: TopicCreationGroup {
                name: DEFAULT_GROUP.to_owned(),
                include: Vec::new(),
                exclude: Vec::new(),
                partitions,
                replication,
                configs: Vec::new(),
            },
        }
    }

    /// The group that creates a topic: the first that matches, else the default.
    #[must_use]
    pub(crate) fn group_of(&self, topic: &str) -> &TopicCreationGroup {
        self.groups
            .iter()
            .find(|group| group.matches(topic))
            .unwrap_or(&self.default)
    }
}

fn group(
    props: &Props,
    name: &str,
    default: Option<&TopicCreationGroup>,
) -> Result<TopicCreationGroup> {
    let prefix = format!("{PREFIX}{name}.");
    let number = |suffix: &str, inherited: Option<i32>| {
        let key = format!("{prefix}{suffix}");
        match (props.get(&key), inherited) {
            (Some(text), _) => match text.trim().parse::<i32>() {
                Ok(value) if value == -1 || value > 0 => Ok(value),
                Ok(_) => Err(invalid(
                    &key,
                    text,
                    "must be positive, or -1 to use the broker's default",
                )),
                Err(_) => Err(invalid(&key, text, "Not a number of type INT")),
            },
            (None, Some(value)) => Ok(value),
            (None, None) => Err(ConnectError::config(format!(
                "Missing required configuration \"{key}\" which has no default value."
            ))),
        }
    };
    let patterns = |suffix: &str| {
        let key = format!("{prefix}{suffix}");
        list(props.get(&key).map_or("", String::as_str))
            .into_iter()
            .map(|pattern| {
                JavaRegex::new(pattern)
                    .map_err(|_| invalid(&key, pattern, "not a valid regular expression"))
            })
            .collect::<Result<Vec<_>>>()
    };
    let replication = number("replication.factor", default.map(|group| group.replication))?;
    let partitions = number("partitions", default.map(|group| group.partitions))?;
    Ok(TopicCreationGroup {
        name: name.to_owned(),
        include: patterns("include")?,
        exclude: patterns("exclude")?,
        partitions,
        replication,
        configs: props
            .iter()
            .filter_map(|(key, value)| {
                let suffix = key.strip_prefix(&prefix)?;
                let own = ["include", "exclude", "partitions", "replication.factor"];
                (!own.contains(&suffix)).then(|| (suffix.to_owned(), value.clone()))
            })
            .collect(),
    })
}

/// Creates the topics of one task, each at most once.
pub(crate) struct TopicCreation {
    rules: TopicCreationRules,
    admin: ClientConfig,
    known: HashSet<ByteString>,
    last: ByteString,
}

impl TopicCreation {
    /// Creates topics by rules, with an admin client of these settings that lives only as long as
    /// it is needed.
    #[must_use]
    pub(crate) fn new(rules: TopicCreationRules, admin: ClientConfig) -> Self {
        Self {
            rules,
            admin,
            known: HashSet::new(),
            last: ByteString::new(),
        }
    }

    /// Whether a topic is known to exist; asked for each record.
    #[must_use]
    pub(crate) fn is_known(&mut self, topic: &ByteString) -> bool {
        if self.last == *topic && !topic.is_empty() {
            return true;
        }
        let known = self.known.contains(topic);
        if known {
            self.last = topic.clone();
        }
        known
    }

    /// Makes sure that a topic exists.
    ///
    /// # Errors
    /// Retriable if the brokers did not answer in time, fatal if they refused.
    pub(crate) async fn ensure(&mut self, topic: &ByteString) -> Result<()> {
        let config = self.admin.clone();
        let name = topic.clone();
        let (admin, exists) = tokio::task::spawn_blocking(move || {
            let admin: AdminClient<DefaultClientContext> = config.create()?;
            // Asking for one topic would let the broker create it by its own rules.
            let metadata = admin.inner().fetch_metadata(None, TIMEOUT)?;
            let exists = metadata
                .topics()
                .iter()
                .any(|found| found.name() == &*name && found.error().is_none());
            Ok::<_, KafkaError>((admin, exists))
        })
        .await
        .map_err(|error| ConnectError::connect(error.to_string()))?
        .map_err(|error| kafka_error(topic, &error))?;
        let outcome = if exists {
            Ok(())
        } else {
            self.create(&admin, topic).await
        };
        tokio::task::spawn_blocking(move || drop(admin));
        outcome?;
        self.known.insert(topic.clone());
        Ok(())
    }

    async fn create(
        &self,
        admin: &AdminClient<DefaultClientContext>,
        topic: &ByteString,
    ) -> Result<()> {
        let group = self.rules.group_of(topic);
        tracing::info!(
            topic = %topic,
            group = group.name,
            partitions = group.partitions,
            replication = group.replication,
            "creating topic"
        );
        let mut new_topic = NewTopic::new(
            topic,
            group.partitions,
            TopicReplication::Fixed(group.replication),
        );
        for (key, value) in &group.configs {
            new_topic = new_topic.set(key, value);
        }
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let results = admin
            .create_topics([&new_topic], &options)
            .await
            .map_err(|error| kafka_error(topic, &error))?;
        match results.into_iter().next() {
            Some(Ok(_)) | Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => {
                Err(refused(topic).caused_by(ConnectError::new(ErrorKind::Kafka, code.to_string())))
            }
            None => Err(refused(topic)),
        }
    }
}

fn refused(topic: &str) -> ConnectError {
    ConnectError::connect(format!(
        "Task failed to create new topic {topic}. Ensure that the task is authorized to create topics or \
         that the topic exists and restart the task"
    ))
}

fn kafka_error(topic: &str, error: &KafkaError) -> ConnectError {
    let retriable = matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::NotController
                | RDKafkaErrorCode::CoordinatorLoadInProgress
        )
    );
    let cause = ConnectError::new(ErrorKind::Kafka, error.to_string());
    if retriable {
        ConnectError::retriable(format!("failed to look up or create topic {topic}"))
            .caused_by(cause)
    } else {
        refused(topic).caused_by(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(pairs: &[(&str, &str)]) -> Result<Option<TopicCreationRules>> {
        let props = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        TopicCreationRules::from_props(&props)
    }

    #[test]
    fn without_any_key_there_are_no_rules() {
        assert!(rules(&[("topic", "t")]).unwrap().is_none());
    }

    #[test]
    fn the_default_group_needs_both_numbers() {
        let error = rules(&[("topic.creation.default.partitions", "1")]).unwrap_err();
        assert!(
            error
                .message()
                .contains("topic.creation.default.replication.factor")
        );
        for bad in ["0", "-2", "x"] {
            assert!(
                rules(&[
                    ("topic.creation.default.partitions", bad),
                    ("topic.creation.default.replication.factor", "1"),
                ])
                .is_err()
            );
        }
    }

    #[test]
    fn the_first_group_that_matches_wins_and_exclude_beats_include() {
        let rules = rules(&[
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.default.replication.factor", "-1"),
            ("topic.creation.groups", "a, b"),
            ("topic.creation.a.include", "x.*, y"),
            ("topic.creation.a.exclude", "xx"),
            ("topic.creation.a.partitions", "3"),
            ("topic.creation.a.cleanup.policy", "compact"),
            ("topic.creation.b.include", ".*"),
            ("topic.creation.b.exclude", "z"),
        ])
        .unwrap()
        .unwrap();
        let group = rules.group_of("x1");
        assert_eq!(
            (group.name.as_str(), group.partitions, group.replication),
            ("a", 3, -1)
        );
        assert_eq!(
            group.configs,
            [("cleanup.policy".to_owned(), "compact".to_owned())]
        );
        assert_eq!(rules.group_of("xx").name, "b");
        assert_eq!(rules.group_of("yy").name, "b");
        assert_eq!(rules.group_of("z").name, "default");
    }
}
