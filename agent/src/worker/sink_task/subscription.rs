//! What a sink task reads: a list of topics, or those that match a pattern.

use std::time::Duration;

use sluice_api::{ConnectError, ErrorKind, Result};
use sluice_jvm_text::regex::JavaRegex;
use sluice_kafka::consumer::BatchConsumer;
use sluice_protocol::ConnectorTaskId;
use tokio::time::Instant;

use super::clock::MAX_WAIT;
use crate::worker::sink_context::SinkContext;
use crate::worker::task_context::TaskContext;

/// How often topics of a pattern are looked up (`metadata.max.age.ms` of the Java consumer).
const TOPIC_REFRESH: Duration = Duration::from_secs(300);

/// Pause before topics are first looked up again; it doubles each time.
const FIRST_REFRESH: Duration = Duration::from_secs(1);

/// Topics of a sink connector.
enum Topics {
    Listed(Vec<String>),
    Pattern(JavaRegex),
}

/// What a sink task is subscribed to.
pub(super) struct Subscription {
    topics: Topics,
    /// Topics that the consumer was given.
    subscribed: Vec<String>,
    pub(super) next_refresh: Instant,
    refresh_after: Duration,
}

impl Topics {
    fn of(context: &TaskContext) -> Result<Self> {
        let key = |name: &str| {
            context
                .task_props
                .get(name)
                .or_else(|| context.connector_props.get(name))
                .map(|text| text.trim())
                .filter(|text| !text.is_empty())
        };
        match (key("topics"), key("topics.regex")) {
            (Some(_), Some(_)) => Err(ConnectError::config(
                "topics and topics.regex are mutually exclusive options, but both are set.",
            )),
            (None, None) => Err(ConnectError::config(
                "Must configure one of topics or topics.regex",
            )),
            (Some(topics), None) => {
                let mut distinct = Vec::new();
                for topic in topics
                    .split(',')
                    .map(str::trim)
                    .filter(|topic| !topic.is_empty())
                {
                    if !distinct.iter().any(|known| known == topic) {
                        distinct.push(topic.to_owned());
                    }
                }
                let invalid: Vec<&str> = distinct
                    .iter()
                    .map(String::as_str)
                    .filter(|topic| !is_topic_name(topic))
                    .collect();
                if !invalid.is_empty() {
                    // Text of Kafka's `InvalidTopicException`.
                    let text = format!("Invalid topics: [{}]", invalid.join(", "));
                    return Err(ConnectError::new(ErrorKind::Kafka, text));
                }
                Ok(Self::Listed(distinct))
            }
            (None, Some(pattern)) => JavaRegex::new(pattern)
                .map(Self::Pattern)
                .map_err(|error| ConnectError::config(format!("Invalid regex: {error}"))),
        }
    }
}

/// Whether a topic can have this name (`Topic.validate`).
fn is_topic_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !matches!(name, "" | "." | "..") && name.len() <= 249 && name.chars().all(legal)
}

impl Subscription {
    /// The topics of `topics` or `topics.regex`, to which nothing is subscribed yet.
    pub(super) fn of(context: &TaskContext) -> Result<Self> {
        Ok(Self {
            topics: Topics::of(context)?,
            subscribed: Vec::new(),
            next_refresh: Instant::now(),
            refresh_after: FIRST_REFRESH,
        })
    }

    /// Subscribes to the topics of a list; those of a pattern have to be looked up first.
    pub(super) fn begin(&mut self, consumer: &BatchConsumer) -> Result<()> {
        if let Topics::Listed(topics) = &self.topics {
            consumer.subscribe(topics)?;
            self.subscribed.clone_from(topics);
        }
        Ok(())
    }

    /// Looks for topics of the pattern, and for subscribed topics that did not exist, when it is time to.
    pub(super) async fn refresh(
        &mut self,
        consumer: &BatchConsumer,
        id: &ConnectorTaskId,
        plugin: &SinkContext,
    ) -> Result<()> {
        let now = Instant::now();
        if now < self.next_refresh {
            return Ok(());
        }
        let has_partitions = !plugin.assigned().is_empty();
        if let Topics::Pattern(pattern) = &self.topics {
            match consumer.list_topics().await {
                Ok(topics) => {
                    let matching = matching(pattern, topics, id);
                    if matching != self.subscribed && !matching.is_empty() {
                        consumer.subscribe(&matching)?;
                        self.subscribed = matching;
                    }
                }
                Err(error) => tracing::warn!(task = %id, %error, "cannot list topics"),
            }
        } else if !has_partitions && self.refresh_after > FIRST_REFRESH {
            // A topic that is created after the subscription is found by looking again.
            if let Err(error) = consumer.refresh_metadata().await {
                tracing::debug!(task = %id, %error, "cannot refresh metadata");
            }
        }
        let limit = if has_partitions {
            TOPIC_REFRESH
        } else {
            MAX_WAIT
        };
        self.refresh_after = (self.refresh_after * 2).min(limit);
        self.next_refresh = now + self.refresh_after;
        Ok(())
    }
}

/// The topics that match, sorted; a pattern that takes too long on a name does not match it.
fn matching(pattern: &JavaRegex, topics: Vec<String>, id: &ConnectorTaskId) -> Vec<String> {
    let mut matching: Vec<String> = topics
        .into_iter()
        .filter(|topic| {
            pattern.matches(topic).unwrap_or_else(|error| {
                tracing::warn!(task = %id, topic, %error, "topics.regex");
                false
            })
        })
        .collect();
    matching.sort_unstable();
    matching
}
