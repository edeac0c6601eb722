//! What a sink task reads: a list of topics, or those that match a pattern.

use std::time::Duration;

use sluice_api::java_regex::JavaRegex;
use sluice_api::{ConnectError, ErrorKind, Result};
use tokio::time::Instant;

use super::{Loop, MAX_WAIT};
use crate::worker::task_context::TaskContext;

/// How often topics of a pattern are looked up (`metadata.max.age.ms` of the Java consumer).
const TOPIC_REFRESH: Duration = Duration::from_secs(300);

/// Topics of a sink connector.
pub(super) enum Subscription {
    Topics(Vec<String>),
    Pattern(JavaRegex),
}

impl Subscription {
    pub(super) fn of(context: &TaskContext) -> Result<Self> {
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
                Ok(Self::Topics(distinct))
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

impl Loop<'_> {
    /// Looks for topics of the pattern, and for subscribed topics that did not exist.
    pub(super) async fn refresh_topics(&mut self) -> Result<()> {
        let now = Instant::now();
        if now < self.next_refresh {
            return Ok(());
        }
        if let Subscription::Pattern(pattern) = &self.subscription {
            match self.consumer.list_topics().await {
                Ok(topics) => {
                    let mut matching: Vec<String> = topics
                        .into_iter()
                        .filter(|topic| {
                            pattern.matches(topic).unwrap_or_else(|error| {
                                tracing::warn!(task = %self.context.id, topic, %error, "topics.regex");
                                false
                            })
                        })
                        .collect();
                    matching.sort_unstable();
                    if matching != self.subscribed && !matching.is_empty() {
                        self.consumer.subscribe(&matching)?;
                        self.subscribed = matching;
                    }
                }
                Err(error) => tracing::warn!(task = %self.context.id, %error, "cannot list topics"),
            }
        } else if self.plugin.assigned().is_empty() && self.refresh_after > Duration::from_secs(1) {
            // A topic that is created after the subscription is found by looking again.
            if let Err(error) = self.consumer.refresh_metadata().await {
                tracing::debug!(task = %self.context.id, %error, "cannot refresh metadata");
            }
        }
        let limit = if self.plugin.assigned().is_empty() {
            MAX_WAIT
        } else {
            TOPIC_REFRESH
        };
        self.refresh_after = (self.refresh_after * 2).min(limit);
        self.next_refresh = now + self.refresh_after;
        Ok(())
    }
}
