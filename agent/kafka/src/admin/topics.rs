//! Topics: which there are, creating and growing them, and their configs.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::call::Target;
use super::error::{check, outcome};
use super::{Admin, AdminError, Refusal};
use crate::types::topic_name;

/// Topics, as configs number what they belong to (`ConfigResource.Type.TOPIC`).
const TOPIC: i8 = 2;

/// What was answered for each topic of a call.
pub type ByTopic = BTreeMap<String, Result<(), Refusal>>;

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Name of the topic.
    pub name: String,
    /// How many partitions it gets; -1 is the broker's default.
    pub partitions: i32,
    /// Replicas of each partition; -1 is the broker's default.
    pub replication_factor: i16,
    /// Configs that differ from the broker's defaults.
    pub configs: BTreeMap<String, String>,
}

/// Where the value of a config comes from (`ConfigEntry.ConfigSource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Kafka's default, which nothing changes.
    Default,
    /// The file of the broker.
    StaticBroker,
    /// Set on the topic, or on brokers while they run.
    Dynamic,
}

/// One config of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Name of the config, as `cleanup.policy`.
    pub name: String,
    /// Its value; brokers keep sensitive ones to themselves.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether it can't be set.
    pub read_only: bool,
    /// Whether its value is a secret.
    pub sensitive: bool,
}

/// A change of one config (`AlterConfigOp`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Sets the config of this name to a value.
    Set(String, Option<String>),
    /// Lets the config of this name have its default again.
    Delete(String),
}

impl Admin {
    /// All topics but Kafka's internal ones, with the number of their partitions.
    pub async fn topics(&self) -> Result<BTreeMap<String, i32>, AdminError> {
        const WHAT: &str = "list topics";
        self.retrying(WHAT, || async {
            let mut topics = BTreeMap::new();
            for topic in self.metadata(WHAT, None).await?.topics {
                let Some(name) = topic.name.filter(|_| !topic.is_internal) else {
                    continue;
                };
                // Deleted in this moment.
                if topic.error_code.err() == Some(ResponseError::UnknownTopicOrPartition) {
                    continue;
                }
                check(WHAT, &name.0, topic.error_code)?;
                let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
                topics.insert(name.0.to_string(), count);
            }
            Ok(topics)
        })
        .await
    }

    /// Creates topics; the answer comes when the controller has made them, or refused.
    pub async fn create_topics(&self, topics: &[NewTopic]) -> Result<ByTopic, AdminError> {
        const WHAT: &str = "create topics";
        if topics.is_empty() {
            return Ok(ByTopic::new());
        }
        let request = CreateTopicsRequest::default()
            .with_timeout_ms(self.request_timeout_ms())
            .with_topics(topics.iter().map(creatable).collect());
        self.call(WHAT, Target::Controller, &request, |answer| {
            let topics = answer.topics.into_iter();
            by_topic(
                WHAT,
                topics.map(|t| (t.name.0, t.error_code, t.error_message)),
            )
        })
        .await
    }

    /// Grows topics to these numbers of partitions.
    pub async fn create_partitions(
        &self,
        totals: &BTreeMap<String, i32>,
    ) -> Result<ByTopic, AdminError> {
        const WHAT: &str = "create partitions";
        if totals.is_empty() {
            return Ok(ByTopic::new());
        }
        let topics = totals.iter().map(|(topic, total)| {
            CreatePartitionsTopic::default()
                .with_name(topic_name(topic))
                .with_count(*total)
                .with_assignments(None)
        });
        let request = CreatePartitionsRequest::default()
            .with_timeout_ms(self.request_timeout_ms())
            .with_topics(topics.collect());
        self.call(WHAT, Target::Controller, &request, |answer| {
            let topics = answer.results.into_iter();
            by_topic(
                WHAT,
                topics.map(|t| (t.name.0, t.error_code, t.error_message)),
            )
        })
        .await
    }

    /// All configs of topics. A topic that does not exist is left out.
    pub async fn describe_configs(
        &self,
        topics: &[String],
    ) -> Result<BTreeMap<String, Vec<ConfigEntry>>, AdminError> {
        const WHAT: &str = "describe configs";
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let resources = topics.iter().map(|topic| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(StrBytes::from_string(topic.clone()))
                .with_configuration_keys(None)
        });
        let request = DescribeConfigsRequest::default().with_resources(resources.collect());
        self.call(WHAT, Target::Any, &request, |answer| {
            let mut configs = BTreeMap::new();
            for result in answer.results {
                if result.error_code.err() == Some(ResponseError::UnknownTopicOrPartition) {
                    continue;
                }
                check(WHAT, &result.resource_name, result.error_code)?;
                configs.insert(result.resource_name.to_string(), entries(result));
            }
            Ok(configs)
        })
        .await
    }

    /// Changes configs of topics (`incrementalAlterConfigs`).
    pub async fn alter_configs(
        &self,
        changes: &BTreeMap<String, Vec<ConfigChange>>,
    ) -> Result<ByTopic, AdminError> {
        const WHAT: &str = "alter configs";
        if changes.is_empty() {
            return Ok(ByTopic::new());
        }
        let resources = changes.iter().map(|(topic, changes)| {
            AlterConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(StrBytes::from_string(topic.clone()))
                .with_configs(changes.iter().map(alterable).collect())
        });
        let request = IncrementalAlterConfigsRequest::default().with_resources(resources.collect());
        self.call(WHAT, Target::Any, &request, |answer| {
            let topics = answer.responses.into_iter();
            by_topic(
                WHAT,
                topics.map(|t| (t.resource_name, t.error_code, t.error_message)),
            )
        })
        .await
    }
}

/// What a broker answered for each topic.
fn by_topic(
    what: &'static str,
    answers: impl Iterator<Item = (StrBytes, i16, Option<StrBytes>)>,
) -> Result<ByTopic, AdminError> {
    answers
        .map(|(topic, code, message)| {
            let outcome = outcome(what, &topic, code, message)?;
            Ok((topic.to_string(), outcome))
        })
        .collect()
}

fn entries(result: DescribeConfigsResult) -> Vec<ConfigEntry> {
    let configs = result.configs.into_iter();
    configs
        .map(|config| ConfigEntry {
            name: config.name.to_string(),
            value: config.value.map(|value| value.to_string()),
            source: match config.config_source {
                5 => ConfigSource::Default,
                4 => ConfigSource::StaticBroker,
                _ => ConfigSource::Dynamic,
            },
            read_only: config.read_only,
            sensitive: config.is_sensitive,
        })
        .collect()
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let configs = topic.configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_value(Some(StrBytes::from_string(value.clone())))
    });
    CreatableTopic::default()
        .with_name(topic_name(&topic.name))
        .with_num_partitions(topic.partitions)
        .with_replication_factor(topic.replication_factor)
        .with_configs(configs.collect())
}

fn alterable(change: &ConfigChange) -> AlterableConfig {
    const SET: i8 = 0;
    const DELETE: i8 = 1;
    let (name, operation, value) = match change {
        ConfigChange::Set(name, value) => (name, SET, value.clone()),
        ConfigChange::Delete(name) => (name, DELETE, None),
    };
    AlterableConfig::default()
        .with_name(StrBytes::from_string(name.clone()))
        .with_config_operation(operation)
        .with_value(value.map(StrBytes::from_string))
}
