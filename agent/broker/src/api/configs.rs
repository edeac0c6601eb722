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

/// What the broker says of itself. Keys are those of Kafka's `server.properties`.
fn broker_configs(node: &Node) -> [(&'static str, ConfigType, String); 15] {
    use ConfigType::{Boolean, Int, List, Long};
    let config = &node.config;
    let limits = &config.limits;
    let millis = |duration: std::time::Duration| duration.as_millis().to_string();
    let text = str::to_owned;
    let listeners = format!("PLAINTEXT://{}:{}", node.host, node.port);
    let creates = config.auto_create_topics.to_string();
    let check_interval = millis(config.maintenance_interval);
    let retention_minutes = (config.offsets_retention.as_secs() / 60).to_string();
    let transaction_timeout = millis(config.longest_transaction);
    [
        ("advertised.listeners", List, listeners),
        ("auto.create.topics.enable", Boolean, creates),
        ("broker.id", Int, NODE.to_string()),
        ("default.replication.factor", Int, text("1")),
        ("group.initial.rebalance.delay.ms", Int, text("0")),
        ("log.cleanup.policy", List, text("delete")),
        ("log.dirs", List, config.dir.display().to_string()),
        ("log.retention.check.interval.ms", Long, check_interval),
        ("message.max.bytes", Int, limits.batch_bytes.to_string()),
        ("min.insync.replicas", Int, text("1")),
        ("node.id", Int, NODE.to_string()),
        ("num.partitions", Int, config.default_partitions.to_string()),
        ("offsets.retention.minutes", Int, retention_minutes),
        (
            "socket.request.max.bytes",
            Int,
            limits.request_bytes.to_string(),
        ),
        ("transaction.max.timeout.ms", Int, transaction_timeout),
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
            let topic = shared
                .topic(&resource.resource_name)
                .ok_or_else(unknown_topic)?;
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
        let configs: BTreeMap<String, String> = resource
            .configs
            .into_iter()
            .filter_map(|config| Some((config.name.to_string(), config.value?.to_string())))
            .collect();
        let named = (resource.resource_type, &*resource.resource_name);
        let update = move |_: &_| Ok(configs.clone());
        let (code, message) = change(writer, named, request.validate_only, update).await;
        answer.responses.push(
            AlterResult::default()
                .with_error_code(code)
                .with_error_message(message)
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
        let changes = resource.configs;
        let named = (resource.resource_type, &*resource.resource_name);
        let update = move |before: &Configs| {
            changes.iter().try_fold(before.clone(), |configs, change| {
                let value = change.value.as_deref();
                apply(configs, &change.name, change.config_operation, value)
            })
        };
        let (code, message) = change(writer, named, request.validate_only, update).await;
        answer.responses.push(
            AlterConfigsResourceResponse::default()
                .with_error_code(code)
                .with_error_message(message)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name),
        );
    }
    answer
}

type Refusal = (i16, String);
type Configs = BTreeMap<String, String>;

/// One change to the values of a topic.
fn apply(
    mut configs: Configs,
    name: &str,
    operation: i8,
    value: Option<&str>,
) -> Result<Configs, Refusal> {
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
                format!("Can't append to or subtract from {name}: it is not a list."),
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

/// Changes the configuration of a topic; gives the error code, and why if it is not 0. Only topics have
/// configurations that can be changed.
async fn change(
    writer: &Writer,
    (kind, name): (i8, &str),
    validate_only: bool,
    update: impl Fn(&Configs) -> Result<Configs, Refusal> + Send + 'static,
) -> (i16, Option<StrBytes>) {
    if kind != TOPIC {
        let message = "Only the configuration of topics can be changed on this broker.";
        return (INVALID_REQUEST, Some(StrBytes::from_static_str(message)));
    }
    let topic = name.to_owned();
    let changed = writer
        .run(move |state, commit| {
            let record = state.topics.get(&topic).ok_or_else(unknown_topic)?;
            let configs = update(&record.configs)?;
            for (name, value) in &configs {
                topic_config::check(name, value).map_err(|text| (INVALID_CONFIG, text))?;
            }
            if validate_only {
                return Ok(());
            }
            state
                .configure_topic(commit, &topic, configs)
                .map_err(|_| unknown_topic())
        })
        .await
        .unwrap_or_else(|error| Err((super::storage_error(&error), error.to_string())));
    match changed {
        Ok(()) => (NONE, None),
        Err((code, message)) => (code, Some(text(message))),
    }
}

fn unknown_topic() -> Refusal {
    let message = "This server does not host this topic-partition.";
    (UNKNOWN_TOPIC_OR_PARTITION, message.to_owned())
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
