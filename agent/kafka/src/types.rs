//! Names of things in Kafka, as the calls of this crate take and give them.

use std::collections::BTreeMap;
use std::fmt;

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;

/// A topic and one of its partitions (`org.apache.kafka.common.TopicPartition`).
///
/// Consumers give and take the plugin contract's type of the same name instead, because what they give goes
/// to tasks as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Name of the topic.
    pub topic: String,
    /// Number of the partition, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of the topic with this name.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

/// `topic-partition`, as Kafka writes it.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl From<&TopicPartition> for sluice_api::TopicPartition {
    fn from(of: &TopicPartition) -> Self {
        Self::new(of.topic.as_str(), of.partition)
    }
}

impl From<&sluice_api::TopicPartition> for TopicPartition {
    fn from(of: &sluice_api::TopicPartition) -> Self {
        Self::new(&*of.topic, of.partition)
    }
}

/// A group's id as the protocol crate takes it.
#[must_use]
pub fn group_id(id: &str) -> GroupId {
    GroupId(StrBytes::from_string(id.to_owned()))
}

/// A topic's name as the protocol crate takes it.
pub(crate) fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// Partitions by their topics, as requests name them.
pub(crate) fn by_topic<'a, T>(
    partitions: impl IntoIterator<Item = (&'a TopicPartition, T)>,
) -> BTreeMap<&'a str, Vec<T>> {
    let mut topics: BTreeMap<&str, Vec<T>> = BTreeMap::new();
    for (of, what) in partitions {
        topics.entry(&of.topic).or_default().push(what);
    }
    topics
}
