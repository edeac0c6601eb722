//! Admin calls about topics: which there are, creating and growing them, their configs, and who may use them.
//!
//! Calls behave as those of [`crate::admin`]. Calls on many topics answer for each of them: what a broker
//! refuses for one does not stop the others.

use std::collections::BTreeMap;
use std::fmt;

use futures::FutureExt as _;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    CreateAclsRequest, CreatePartitionsRequest, CreateTopicsRequest, DescribeAclsRequest,
    DescribeConfigsRequest, IncrementalAlterConfigsRequest,
};
use kafka_protocol::protocol::StrBytes;
use sluice_api::config::Props;

use crate::admin::{AdminError, GroupAdmin, broker_addresses, topic_of};
use crate::connection::BrokerConnection;
use crate::discovery;
use crate::error_code::{
    self, NONE, NOT_CONTROLLER, SECURITY_DISABLED, UNKNOWN_TOPIC_OR_PARTITION,
};
use crate::settings::{ClientSettings, ClientSettingsError};

/// `ResourceType.TOPIC`, as configs number it.
const CONFIG_OF_TOPIC: i8 = 2;
/// `ResourceType.TOPIC`, as ACLs number it.
const ACL_OF_TOPIC: i8 = 2;
/// `ANY` of pattern types, operations and permission types.
const ANY: i8 = 1;

/// What a broker says to one topic of a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// Kafka's error code.
    pub code: i16,
    /// The broker's words, maybe empty.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&error_code::text(self.code))?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// Answers by topic.
pub type ByTopic = BTreeMap<String, Result<(), Refusal>>;

fn outcome(code: i16, message: Option<StrBytes>) -> Result<(), Refusal> {
    if code == NONE {
        return Ok(());
    }
    Err(Refusal {
        code,
        message: message.map(|text| text.to_string()).unwrap_or_default(),
    })
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Partitions.
    pub partitions: i32,
    /// Replicas of each partition; -1 is the broker's default.
    pub replication_factor: i16,
    /// Configs.
    pub configs: BTreeMap<String, String>,
}

/// Where the value of a config comes from (`ConfigEntry.ConfigSource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Kafka's default.
    Default,
    /// The file of the broker.
    StaticBroker,
    /// Set on the topic, or on brokers while they run.
    Dynamic,
}

/// One config of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; brokers don't tell sensitive ones.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// It can't be set.
    pub read_only: bool,
    /// Its value is a secret.
    pub sensitive: bool,
}

/// A change of one config (`AlterConfigOp`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Sets it.
    Set(String, Option<String>),
    /// Goes back to the default.
    Delete(String),
}

/// What somebody may or may not do with a topic (`AclBinding`), in Kafka's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicAcl {
    /// Topic, or its beginning, as `pattern_type` says.
    pub topic: String,
    /// 3 is literal, 4 is prefixed.
    pub pattern_type: i8,
    /// `User:alice`.
    pub principal: String,
    /// Address, or `*`.
    pub host: String,
    /// 2 is ALL, 3 READ, 4 WRITE.
    pub operation: i8,
    /// 2 is DENY, 3 ALLOW.
    pub permission_type: i8,
}

/// Asks about topics and changes them. Cheap: keeps no connection.
#[derive(Clone, Debug)]
pub struct TopicAdmin {
    admin: GroupAdmin,
}

impl TopicAdmin {
    /// An admin client from client properties.
    ///
    /// # Errors
    /// The first key that is missing or does not parse.
    pub fn new(props: &Props) -> Result<Self, ClientSettingsError> {
        Ok(Self {
            admin: GroupAdmin::new(props)?,
        })
    }

    fn settings(&self) -> &ClientSettings {
        &self.admin.settings
    }

    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.settings().request_timeout.as_millis()).unwrap_or(i32::MAX)
    }

    /// All topics but Kafka's internal ones, with the number of their partitions.
    pub async fn topics(&self) -> Result<BTreeMap<String, i32>, AdminError> {
        const WHAT: &str = "list topics";
        self.admin
            .retrying(WHAT, || {
                async {
                    let metadata = self.admin.metadata(WHAT, None).await?;
                    let mut topics = BTreeMap::new();
                    for topic in metadata.topics {
                        let Some(name) = topic.name.filter(|_| !topic.is_internal) else {
                            continue;
                        };
                        match topic.error_code {
                            NONE => {}
                            // Deleted in this moment.
                            UNKNOWN_TOPIC_OR_PARTITION => continue,
                            code => return Err(AdminError::refused(WHAT, name.0.as_str(), code)),
                        }
                        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
                        topics.insert(name.0.to_string(), count);
                    }
                    Ok(topics)
                }
                .boxed()
            })
            .await
    }

    /// Creates topics.
    pub async fn create_topics(&self, topics: &[NewTopic]) -> Result<ByTopic, AdminError> {
        const WHAT: &str = "create topics";
        if topics.is_empty() {
            return Ok(ByTopic::new());
        }
        let request = CreateTopicsRequest::default()
            .with_timeout_ms(self.timeout_ms())
            .with_topics(topics.iter().map(creatable).collect());
        self.admin
            .retrying(WHAT, || {
                async {
                    let connection = self.controller(WHAT).await?;
                    let pending = connection.send(&request, self.settings().request_timeout);
                    let answer = self.admin.answered(WHAT, pending).await?;
                    answer
                        .topics
                        .into_iter()
                        .map(|topic| {
                            answered_for(WHAT, topic.name.0.as_str(), topic.error_code)?;
                            let outcome = outcome(topic.error_code, topic.error_message);
                            Ok((topic.name.0.to_string(), outcome))
                        })
                        .collect()
                }
                .boxed()
            })
            .await
    }

    /// Grows topics to so many partitions.
    pub async fn create_partitions(
        &self,
        totals: &BTreeMap<String, i32>,
    ) -> Result<ByTopic, AdminError> {
        const WHAT: &str = "create partitions";
        if totals.is_empty() {
            return Ok(ByTopic::new());
        }
        let request = CreatePartitionsRequest::default()
            .with_timeout_ms(self.timeout_ms())
            .with_topics(
                totals
                    .iter()
                    .map(|(topic, total)| {
                        CreatePartitionsTopic::default()
                            .with_name(topic_of(topic))
                            .with_count(*total)
                            .with_assignments(None)
                    })
                    .collect(),
            );
        self.admin
            .retrying(WHAT, || {
                async {
                    let connection = self.controller(WHAT).await?;
                    let pending = connection.send(&request, self.settings().request_timeout);
                    let answer = self.admin.answered(WHAT, pending).await?;
                    answer
                        .results
                        .into_iter()
                        .map(|topic| {
                            answered_for(WHAT, topic.name.0.as_str(), topic.error_code)?;
                            let outcome = outcome(topic.error_code, topic.error_message);
                            Ok((topic.name.0.to_string(), outcome))
                        })
                        .collect()
                }
                .boxed()
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
        let request = DescribeConfigsRequest::default().with_resources(
            topics
                .iter()
                .map(|topic| {
                    DescribeConfigsResource::default()
                        .with_resource_type(CONFIG_OF_TOPIC)
                        .with_resource_name(StrBytes::from_string(topic.clone()))
                        .with_configuration_keys(None)
                })
                .collect(),
        );
        self.admin
            .retrying(WHAT, || {
                async {
                    let connection = self.any_broker(WHAT).await?;
                    let pending = connection.send(&request, self.settings().request_timeout);
                    let answer = self.admin.answered(WHAT, pending).await?;
                    let mut configs = BTreeMap::new();
                    for result in answer.results {
                        let name = result.resource_name.as_str();
                        match result.error_code {
                            NONE => {}
                            UNKNOWN_TOPIC_OR_PARTITION => continue,
                            code => return Err(AdminError::refused(WHAT, name, code)),
                        }
                        let entries = result
                            .configs
                            .into_iter()
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
                            .collect();
                        configs.insert(result.resource_name.to_string(), entries);
                    }
                    Ok(configs)
                }
                .boxed()
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
        let request = IncrementalAlterConfigsRequest::default().with_resources(
            changes
                .iter()
                .map(|(topic, changes)| {
                    AlterConfigsResource::default()
                        .with_resource_type(CONFIG_OF_TOPIC)
                        .with_resource_name(StrBytes::from_string(topic.clone()))
                        .with_configs(changes.iter().map(alterable).collect())
                })
                .collect(),
        );
        self.admin
            .retrying(WHAT, || {
                async {
                    let connection = self.any_broker(WHAT).await?;
                    let pending = connection.send(&request, self.settings().request_timeout);
                    let answer = self.admin.answered(WHAT, pending).await?;
                    answer
                        .responses
                        .into_iter()
                        .map(|topic| {
                            answered_for(WHAT, topic.resource_name.as_str(), topic.error_code)?;
                            let outcome = outcome(topic.error_code, topic.error_message);
                            Ok((topic.resource_name.to_string(), outcome))
                        })
                        .collect()
                }
                .boxed()
            })
            .await
    }

    /// What is said about the use of topics; `None` if the cluster has no authorizer.
    pub async fn topic_acls(&self) -> Result<Option<Vec<TopicAcl>>, AdminError> {
        const WHAT: &str = "describe ACLs";
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(ACL_OF_TOPIC)
            .with_resource_name_filter(None)
            .with_pattern_type_filter(ANY)
            .with_principal_filter(None)
            .with_host_filter(None)
            .with_operation(ANY)
            .with_permission_type(ANY);
        self.admin
            .retrying(WHAT, || {
                async {
                    let connection = self.any_broker(WHAT).await?;
                    let pending = connection.send(&request, self.settings().request_timeout);
                    let answer = self.admin.answered(WHAT, pending).await?;
                    match answer.error_code {
                        NONE => {}
                        SECURITY_DISABLED => return Ok(None),
                        code => return Err(AdminError::refused(WHAT, "topics", code)),
                    }
                    let mut acls = Vec::new();
                    for resource in answer.resources {
                        if resource.resource_type != ACL_OF_TOPIC {
                            continue;
                        }
                        acls.extend(resource.acls.into_iter().map(|acl| TopicAcl {
                            topic: resource.resource_name.to_string(),
                            pattern_type: resource.pattern_type,
                            principal: acl.principal.to_string(),
                            host: acl.host.to_string(),
                            operation: acl.operation,
                            permission_type: acl.permission_type,
                        }));
                    }
                    Ok(Some(acls))
                }
                .boxed()
            })
            .await
    }

    /// Lets a cluster say this about topics, beside what it says already. Answers in the order given.
    pub async fn create_acls(
        &self,
        acls: &[TopicAcl],
    ) -> Result<Vec<Result<(), Refusal>>, AdminError> {
        const WHAT: &str = "create ACLs";
        if acls.is_empty() {
            return Ok(Vec::new());
        }
        let text = |text: &String| StrBytes::from_string(text.clone());
        let request = CreateAclsRequest::default().with_creations(
            acls.iter()
                .map(|acl| {
                    AclCreation::default()
                        .with_resource_type(ACL_OF_TOPIC)
                        .with_resource_name(text(&acl.topic))
                        .with_resource_pattern_type(acl.pattern_type)
                        .with_principal(text(&acl.principal))
                        .with_host(text(&acl.host))
                        .with_operation(acl.operation)
                        .with_permission_type(acl.permission_type)
                })
                .collect(),
        );
        self.admin
            .retrying(WHAT, || {
                async {
                    let connection = self.controller(WHAT).await?;
                    let pending = connection.send(&request, self.settings().request_timeout);
                    let answer = self.admin.answered(WHAT, pending).await?;
                    answer
                        .results
                        .into_iter()
                        .map(|result| {
                            answered_for(WHAT, "topics", result.error_code)?;
                            Ok(outcome(result.error_code, result.error_message))
                        })
                        .collect()
                }
                .boxed()
            })
            .await
    }

    async fn any_broker(&self, what: &'static str) -> Result<BrokerConnection, AdminError> {
        discovery::any_broker(self.settings())
            .await
            .map_err(|source| AdminError::Discovery { what, source })
    }

    /// The controller, or a broker that passes calls on to it.
    async fn controller(&self, what: &'static str) -> Result<BrokerConnection, AdminError> {
        let metadata = self.admin.metadata(what, Some(&[])).await?;
        match broker_addresses(&metadata).get(&metadata.controller_id) {
            Some(address) => self.admin.connect(what, address).await,
            None => self.any_broker(what).await,
        }
    }
}

/// Errors that end a whole call, so that it is tried again.
fn answered_for(what: &'static str, object: &str, code: i16) -> Result<(), AdminError> {
    match code {
        NOT_CONTROLLER => Err(AdminError::refused(what, object, code)),
        _ => Ok(()),
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_of(&topic.name))
        .with_num_partitions(topic.partitions)
        .with_replication_factor(topic.replication_factor)
        .with_configs(
            topic
                .configs
                .iter()
                .map(|(name, value)| {
                    CreatableTopicConfig::default()
                        .with_name(StrBytes::from_string(name.clone()))
                        .with_value(Some(StrBytes::from_string(value.clone())))
                })
                .collect(),
        )
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
