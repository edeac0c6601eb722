//! Configurations of topics, and those of the broker for reading.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as AlterResult;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ListConfigResourcesRequest,
    ListConfigResourcesResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::node::{NODE, Node};
use super::{distinct, text};
use crate::error_code::{INVALID_CONFIG, INVALID_REQUEST, NONE, UNKNOWN_TOPIC_OR_PARTITION};
use crate::state::Shared;
use crate::topic_config::{self, ConfigKey, ConfigType, KEYS};
use crate::writer::Writer;

/// Kinds of resources (`ConfigResource.Type`).
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;

/// Where a value comes from (`ConfigSource`).
const OF_TOPIC: i8 = 1;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;

/// What an incremental change does (`AlterConfigOp.OpType`).
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// A key of a topic with the value it has.
pub(super) struct Effective {
    pub(super) key: &'static ConfigKey,
    pub(super) value: String,
    pub(super) source: i8,
}

/// All keys of a topic with these values of its own.
pub(super) fn effective<'a>(
    node: &'a Node,
    configs: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = Effective> + 'a {
    KEYS.iter().map(move |key| match configs.get(key.name) {
        Some(value) => Effective {
            key,
            value: value.clone(),
            source: OF_TOPIC,
        },
        None => Effective {
            key,
            value: if key.name == "max.message.bytes" {
                node.config.limits.batch_bytes.to_string()
            } else {
                key.default.to_owned()
            },
            source: DEFAULT,
        },
    })
}

/// What the broker tells of itself. Keys are those of Kafka's `server.properties`.
fn broker_configs(node: &Node) -> Vec<(&'static str, ConfigType, String)> {
    let config = &node.config;
    let limits = &config.limits;
    let millis = |duration: std::time::Duration| duration.as_millis().to_string();
    vec![
        (
            "advertised.listeners",
            ConfigType::List,
            format!("PLAINTEXT://{}:{}", node.host, node.port),
        ),
        (
            "auto.create.topics.enable",
            ConfigType::Boolean,
            config.auto_create_topics.to_string(),
        ),
        ("broker.id", ConfigType::Int, NODE.to_string()),
        (
            "default.replication.factor",
            ConfigType::Int,
            "1".to_owned(),
        ),
        (
            "group.initial.rebalance.delay.ms",
            ConfigType::Int,
            "0".to_owned(),
        ),
        ("log.cleanup.policy", ConfigType::List, "delete".to_owned()),
        (
            "log.dirs",
            ConfigType::List,
            config.dir.display().to_string(),
        ),
        (
            "log.retention.check.interval.ms",
            ConfigType::Long,
            millis(config.maintenance_interval),
        ),
        (
            "message.max.bytes",
            ConfigType::Int,
            limits.batch_bytes.to_string(),
        ),
        ("min.insync.replicas", ConfigType::Int, "1".to_owned()),
        ("node.id", ConfigType::Int, NODE.to_string()),
        (
            "num.partitions",
            ConfigType::Int,
            config.default_partitions.to_string(),
        ),
        (
            "offsets.retention.minutes",
            ConfigType::Int,
            (config.offsets_retention.as_secs() / 60).to_string(),
        ),
        (
            "socket.request.max.bytes",
            ConfigType::Int,
            limits.request_bytes.to_string(),
        ),
        (
            "transaction.max.timeout.ms",
            ConfigType::Int,
            millis(config.longest_transaction),
        ),
    ]
}

pub(super) fn describe(
    node: &Node,
    shared: &Shared,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let named = |resource: &DescribeConfigsResource| {
        (resource.resource_type, resource.resource_name.clone())
    };
    let results = distinct(request.resources, named)
        .iter()
        .map(|resource| {
            let result = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            match describe_one(node, shared, resource, request.include_synonyms) {
                Ok(configs) => result.with_error_message(None).with_configs(configs),
                Err((code, message)) => result
                    .with_error_code(code)
                    .with_error_message(Some(text(message))),
            }
        })
        .collect();
    DescribeConfigsResponse::default().with_results(results)
}

fn describe_one(
    node: &Node,
    shared: &Shared,
    resource: &DescribeConfigsResource,
    synonyms: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, (i16, String)> {
    let keys: Option<BTreeSet<&str>> = resource
        .configuration_keys
        .as_ref()
        .filter(|keys| !keys.is_empty())
        .map(|keys| keys.iter().map(|key| &**key).collect());
    let wanted = |name: &str| keys.as_ref().is_none_or(|keys| keys.contains(name));
    match resource.resource_type {
        TOPIC => {
            let topic = shared.topic(&resource.resource_name).ok_or_else(|| {
                let message = "This server does not host this topic-partition.";
                (UNKNOWN_TOPIC_OR_PARTITION, message.to_owned())
            })?;
            Ok(effective(node, &topic.configs)
                .filter(|config| wanted(config.key.name))
                .map(|config| {
                    let name = StrBytes::from_static_str(config.key.name);
                    let synonyms = if synonyms && config.source == OF_TOPIC {
                        vec![
                            synonym(&name, &config.value, OF_TOPIC),
                            synonym(&name, config.key.default, DEFAULT),
                        ]
                    } else if synonyms {
                        vec![synonym(&name, &config.value, DEFAULT)]
                    } else {
                        Vec::new()
                    };
                    DescribeConfigsResourceResult::default()
                        .with_name(name)
                        .with_value(Some(text(config.value)))
                        .with_config_source(config.source)
                        .with_config_type(config.key.kind as i8)
                        .with_documentation(None)
                        .with_synonyms(synonyms)
                })
                .collect())
        }
        BROKER => {
            let name = &*resource.resource_name;
            if !name.is_empty() && name != NODE.to_string() {
                let message = format!("Unexpected broker id, expected {NODE}, but received {name}");
                return Err((INVALID_REQUEST, message));
            }
            if name.is_empty() {
                // The dynamic defaults of all brokers: there are none.
                return Ok(Vec::new());
            }
            Ok(broker_configs(node)
                .into_iter()
                .filter(|(name, _, _)| wanted(name))
                .map(|(name, kind, value)| {
                    DescribeConfigsResourceResult::default()
                        .with_name(StrBytes::from_static_str(name))
                        .with_value(Some(text(value)))
                        .with_read_only(true)
                        .with_config_source(STATIC_BROKER)
                        .with_config_type(kind as i8)
                        .with_documentation(None)
                })
                .collect())
        }
        BROKER_LOGGER => Ok(Vec::new()),
        other => Err((
            INVALID_REQUEST,
            format!("Resource type {other} is not known here."),
        )),
    }
}

fn synonym(name: &StrBytes, value: &str, source: i8) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(name.clone())
        .with_value(Some(text(value)))
        .with_source(source)
}

pub(super) async fn alter(writer: &Writer, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut answer = AlterConfigsResponse::default();
    for resource in request.resources {
        let mut configs = BTreeMap::new();
        for config in resource.configs {
            if let Some(value) = config.value {
                configs.insert(config.name.to_string(), value.to_string());
            }
        }
        let outcome = if resource.resource_type == TOPIC {
            change(
                writer,
                &resource.resource_name,
                request.validate_only,
                move |_| Ok(configs.clone()),
            )
            .await
        } else {
            Err(only_topics())
        };
        let (code, message) = outcome.err().unwrap_or((NONE, String::new()));
        answer.responses.push(
            AlterResult::default()
                .with_error_code(code)
                .with_error_message((code != NONE).then(|| text(message)))
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name),
        );
    }
    answer
}

pub(super) async fn alter_incrementally(
    writer: &Writer,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut answer = IncrementalAlterConfigsResponse::default();
    for resource in request.resources {
        let changes: Vec<(String, i8, Option<String>)> = resource
            .configs
            .into_iter()
            .map(|config| {
                (
                    config.name.to_string(),
                    config.config_operation,
                    config.value.map(|value| value.to_string()),
                )
            })
            .collect();
        let outcome = if resource.resource_type == TOPIC {
            change(
                writer,
                &resource.resource_name,
                request.validate_only,
                move |before| {
                    changes
                        .iter()
                        .try_fold(before.clone(), |configs, (name, operation, value)| {
                            apply(configs, name, *operation, value.as_deref())
                        })
                },
            )
            .await
        } else {
            Err(only_topics())
        };
        let (code, message) = outcome.err().unwrap_or((NONE, String::new()));
        answer.responses.push(
            AlterConfigsResourceResponse::default()
                .with_error_code(code)
                .with_error_message((code != NONE).then(|| text(message)))
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name),
        );
    }
    answer
}

type Refusal = (i16, String);

fn only_topics() -> Refusal {
    (
        INVALID_REQUEST,
        "Only the configuration of topics can be changed on this broker.".to_owned(),
    )
}

/// One change to the values of a topic.
fn apply(
    mut configs: BTreeMap<String, String>,
    name: &str,
    operation: i8,
    value: Option<&str>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let key = topic_config::find(name)
        .ok_or_else(|| (INVALID_CONFIG, format!("Unknown topic config name: {name}")))?;
    let value = value.unwrap_or_default();
    let mut list: Vec<String> = configs
        .get(name)
        .map_or(key.default, String::as_str)
        .split(',')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    match operation {
        SET => {
            configs.insert(name.to_owned(), value.to_owned());
        }
        DELETE => {
            configs.remove(name);
        }
        APPEND | SUBTRACT if key.kind != ConfigType::List => {
            return Err((
                INVALID_CONFIG,
                format!("Can't append to or subtract from {name}: it is no list."),
            ));
        }
        APPEND => {
            for part in value.split(',') {
                if !list.iter().any(|known| known == part) {
                    list.push(part.to_owned());
                }
            }
            configs.insert(name.to_owned(), list.join(","));
        }
        SUBTRACT => {
            list.retain(|known| !value.split(',').any(|part| part == known));
            configs.insert(name.to_owned(), list.join(","));
        }
        other => {
            return Err((INVALID_REQUEST, format!("Operation {other} is not known.")));
        }
    }
    Ok(configs)
}

async fn change(
    writer: &Writer,
    topic: &str,
    validate_only: bool,
    update: impl Fn(&BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refusal>
    + Send
    + 'static,
) -> Result<(), Refusal> {
    let topic = topic.to_owned();
    writer
        .run(move |state, commit| {
            let record = state.topics.get(&topic).ok_or_else(|| {
                let message = "This server does not host this topic-partition.";
                (UNKNOWN_TOPIC_OR_PARTITION, message.to_owned())
            })?;
            let configs = update(&record.configs)?;
            for (name, value) in &configs {
                topic_config::check(name, value).map_err(|text| (INVALID_CONFIG, text))?;
            }
            if validate_only {
                return Ok(());
            }
            state
                .configure_topic(commit, &topic, configs)
                .map_err(|_| (UNKNOWN_TOPIC_OR_PARTITION, String::new()))
        })
        .await
        .map_err(|error| (super::storage_error(&error), error.to_string()))?
}

/// The resources that have a configuration. Version 0 asks for metrics subscriptions, which there are not.
pub(super) fn list(
    shared: &Shared,
    request: &ListConfigResourcesRequest,
    version: i16,
) -> ListConfigResourcesResponse {
    let mut answer = ListConfigResourcesResponse::default();
    if version == 0 {
        return answer;
    }
    let wanted =
        |kind: i8| request.resource_types.is_empty() || request.resource_types.contains(&kind);
    let resource = |kind, name: &str| {
        ConfigResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
    };
    if wanted(TOPIC) {
        let topics = shared.topics();
        let names = topics.by_name.keys();
        answer
            .config_resources
            .extend(names.map(|name| resource(TOPIC, name)));
    }
    if wanted(BROKER) {
        answer
            .config_resources
            .push(resource(BROKER, &NODE.to_string()));
    }
    answer
}
