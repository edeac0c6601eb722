//! What a sink task reads: a list of topics, or those that match a pattern.

use std::time::Duration;

use sluice_api::{ConnectError, ErrorKind, Result};
use sluice_jvm_text::regex::JavaRegex;
use sluice_kafka::consumer::BatchConsumer;
use sluice_protocol::ConnectorTaskId;
use tokio::time::Instant;

use super::clock::MAX_WAIT;
use crate::settings::TopicSelection;
use crate::worker::sink_context::SinkContext;
use crate::worker::task_context::TaskContext;

/// How often topics of a pattern are looked up (`metadata.max.age.ms` of the Java consumer).
const TOPIC_REFRESH: Duration = Duration::from_secs(300);

/// Pause before topics are first looked up again; it doubles each time.
const FIRST_REFRESH: Duration = Duration::from_secs(1);

/// What a sink task is subscribed to.
pub(super) struct Subscription {
    topics: TopicSelection,
    /// Topics that the consumer was given.
    subscribed: Vec<String>,
    pub(super) next_refresh: Instant,
    refresh_after: Duration,
}

/// Whether a topic can have this name (`Topic.validate`).
fn is_topic_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !matches!(name, "" | "." | "..") && name.len() <= 249 && name.chars().all(legal)
}

impl Subscription {
    /// A subscription that is not made yet.
    ///
    /// # Errors
    /// No topics are configured, or there can be none of that name.
    pub(super) fn of(context: &TaskContext) -> Result<Self> {
        let Some(topics) = context.connector.topics.clone() else {
            let text = "Must configure one of topics or topics.regex";
            return Err(ConnectError::config(text));
        };
        if let TopicSelection::Listed(names) = &topics {
            let invalid: Vec<&str> = names
                .iter()
                .map(String::as_str)
                .filter(|topic| !is_topic_name(topic))
                .collect();
            if !invalid.is_empty() {
                // Text of Kafka's `InvalidTopicException`.
                let text = format!("Invalid topics: [{}]", invalid.join(", "));
                return Err(ConnectError::new(ErrorKind::Kafka, text));
            }
        }
        Ok(Self {
            topics,
            subscribed: Vec::new(),
            next_refresh: Instant::now(),
            refresh_after: FIRST_REFRESH,
        })
    }

    /// Subscribes to the topics of a list; those of a pattern have to be looked up first.
    pub(super) fn begin(&mut self, consumer: &BatchConsumer) -> Result<()> {
        if let TopicSelection::Listed(topics) = &self.topics {
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
        if let TopicSelection::Pattern(pattern) = &self.topics {
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
