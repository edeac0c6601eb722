//! Topics from outside: create, delete, grow, delete records.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::configs::effective;
use super::node::{NODE, Node};
use super::text;
use crate::data::Data;
use crate::error_code::{
    INVALID_CONFIG, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR,
    INVALID_REQUEST, INVALID_TOPIC, KAFKA_STORAGE_ERROR, NONE, OFFSET_OUT_OF_RANGE,
    TOPIC_ALREADY_EXISTS, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION,
};
use crate::maintenance;
use crate::state::{NewTopic, TopicError, legal_name};
use crate::topic_config;

type Refusal = (i16, String);

pub(super) async fn create(
    node: &Node,
    data: &Data,
    request: CreateTopicsRequest,
    version: i16,
) -> CreateTopicsResponse {
    let mut answer = CreateTopicsResponse::default();
    let mut names = BTreeSet::new();
    let twice: BTreeSet<StrBytes> = request
        .topics
        .iter()
        .filter(|topic| !names.insert(topic.name.0.clone()))
        .map(|topic| topic.name.0.clone())
        .collect();
    for topic in request.topics {
        let name = topic.name.clone();
        let outcome = if twice.contains(&name.0) {
            Err((INVALID_REQUEST, "Duplicate topic name.".to_owned()))
        } else {
            create_one(node, data, &topic, request.validate_only).await
        };
        let result = CreatableTopicResult::default().with_name(name);
        answer.topics.push(match outcome {
            Ok((id, new)) => result
                .with_topic_id(id)
                .with_error_message(None)
                .with_num_partitions(i32::try_from(new.partitions).unwrap_or(i32::MAX))
                .with_replication_factor(1)
                .with_configs(Some(if version >= 5 {
                    configs_of(node, &new.configs)
                } else {
                    Vec::new()
                })),
            Err((code, message)) => result
                .with_error_code(code)
                .with_error_message(Some(text(message)))
                .with_num_partitions(-1)
                .with_replication_factor(-1)
                .with_configs(Some(Vec::new())),
        });
    }
    answer
}

async fn create_one(
    node: &Node,
    data: &Data,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<(uuid::Uuid, NewTopic), Refusal> {
    let new = check(node, topic)?;
    let storage = |code| (code, "The broker's storage failed.".to_owned());
    if validate_only {
        return if data.shared.topic(&new.name).is_some() {
            Err(exists(&new.name))
        } else {
            Ok((uuid::Uuid::nil(), new))
        };
    }
    let wanted = new.clone();
    let created = data
        .writer
        .run(move |state, commit| state.create_topic(commit, wanted))
        .await
        .map_err(|error| storage(super::storage_error(&error)))?;
    match created {
        Ok(id) => Ok((id, new)),
        Err(TopicError::Exists) => Err(exists(&new.name)),
        Err(_) => Err(storage(KAFKA_STORAGE_ERROR)),
    }
}

fn exists(name: &str) -> Refusal {
    (
        TOPIC_ALREADY_EXISTS,
        format!("Topic '{name}' already exists."),
    )
}

fn check(node: &Node, topic: &CreatableTopic) -> Result<NewTopic, Refusal> {
    let name = topic.name.to_string();
    if !legal_name(&name) {
        return Err((
            INVALID_TOPIC,
            format!(
                "Topic name is invalid: '{name}' is empty, too long, or contains one or more characters \
                 other than ASCII alphanumerics, '.', '_' and '-'"
            ),
        ));
    }
    let partitions = if topic.assignments.is_empty() {
        if !matches!(topic.replication_factor, -1 | 1) {
            return Err((
                INVALID_REPLICATION_FACTOR,
                format!(
                    "Unable to replicate the partition {} time(s): The target replication factor of {} \
                     cannot be reached because only 1 broker(s) are registered.",
                    topic.replication_factor, topic.replication_factor
                ),
            ));
        }
        match topic.num_partitions {
            -1 => node.config.default_partitions,
            count => count,
        }
    } else {
        assigned(topic)?
    };
    let most = node.config.limits.partitions_per_topic;
    let partitions = usize::try_from(partitions)
        .ok()
        .filter(|count| (1..=most).contains(count))
        .ok_or_else(|| {
            (
                INVALID_PARTITIONS,
                format!("Number of partitions was set to an invalid value: it must be between 1 and {most}."),
            )
        })?;
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        if let Some(value) = &config.value {
            topic_config::check(&config.name, value).map_err(|text| (INVALID_CONFIG, text))?;
            configs.insert(config.name.to_string(), value.to_string());
        }
    }
    Ok(NewTopic {
        name,
        partitions,
        configs,
    })
}

/// The number of partitions that a manual assignment means; all of them have to be on the one node.
fn assigned(topic: &CreatableTopic) -> Result<i32, Refusal> {
    let wrong = |text: &str| Err((INVALID_REPLICA_ASSIGNMENT, text.to_owned()));
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        return Err((
            INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions or replicationFactor was not set \
             to -1.".to_owned(),
        ));
    }
    let mut indexes = BTreeSet::new();
    for assignment in &topic.assignments {
        if !matches!(assignment.broker_ids.as_slice(), [only] if only.0 == NODE) {
            return wrong("Partitions can only be assigned to the one broker there is.");
        }
        indexes.insert(assignment.partition_index);
    }
    let count = i32::try_from(topic.assignments.len()).unwrap_or(i32::MAX);
    if indexes.iter().copied().eq(0..count) {
        Ok(count)
    } else {
        wrong("Partitions have to be numbered from 0 without gaps.")
    }
}

fn configs_of(node: &Node, configs: &BTreeMap<String, String>) -> Vec<CreatableTopicConfigs> {
    effective(node, configs)
        .map(|config| {
            CreatableTopicConfigs::default()
                .with_name(StrBytes::from_static_str(config.key.name))
                .with_value(Some(text(config.value)))
                .with_config_source(config.source)
        })
        .collect()
}

pub(super) async fn delete(
    data: &Data,
    request: DeleteTopicsRequest,
    version: i16,
) -> DeleteTopicsResponse {
    let mut answer = DeleteTopicsResponse::default();
    let mut wanted: Vec<DeletableTopicResult> = Vec::new();
    for name in request.topic_names {
        wanted.push(DeletableTopicResult::default().with_name(Some(name)));
    }
    for topic in request.topics {
        let result = DeletableTopicResult::default().with_topic_id(topic.topic_id);
        wanted.push(match topic.name {
            Some(name) => result.with_name(Some(name)),
            None => match data.shared.topics().by_id.get(&topic.topic_id) {
                Some(found) => result.with_name(Some(super::topic_name(found.name.clone()))),
                None => result.with_name(None).with_error_code(UNKNOWN_TOPIC_ID),
            },
        });
    }
    for mut result in wanted {
        if let Some(name) = result.name.clone()
            && result.error_code == NONE
        {
            let deleted = data
                .writer
                .run(move |state, commit| state.delete_topic(commit, &name))
                .await;
            match deleted {
                Ok(Ok(id)) if version >= 6 => result.topic_id = id,
                Ok(Ok(_)) => (),
                Ok(Err(_)) => result.error_code = UNKNOWN_TOPIC_OR_PARTITION,
                Err(error) => result.error_code = super::storage_error(&error),
            }
        }
        answer.responses.push(result);
    }
    answer
}

pub(super) async fn grow(
    node: &Node,
    data: &Data,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut answer = CreatePartitionsResponse::default();
    for topic in request.topics {
        let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
        let most = node.config.limits.partitions_per_topic;
        let misplaced = topic.assignments.iter().flatten().any(
            |assignment| !matches!(assignment.broker_ids.as_slice(), [only] if only.0 == NODE),
        );
        let count = usize::try_from(topic.count)
            .ok()
            .filter(|count| *count <= most);
        let outcome = match count {
            _ if misplaced => Err((
                INVALID_REPLICA_ASSIGNMENT,
                "Partitions can only be assigned to the one broker there is.".to_owned(),
            )),
            None => Err((
                INVALID_PARTITIONS,
                format!("Number of partitions must be between 1 and {most}."),
            )),
            Some(count) => {
                let validate_only = request.validate_only;
                let grown = data
                    .writer
                    .run(move |state, commit| {
                        state.grow_topic(commit, &topic.name, count, validate_only)
                    })
                    .await;
                match grown {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(TopicError::Partitions(text))) => Err((INVALID_PARTITIONS, text)),
                    Ok(Err(TopicError::Unknown)) => Err((
                        UNKNOWN_TOPIC_OR_PARTITION,
                        "This server does not host this topic-partition.".to_owned(),
                    )),
                    Ok(Err(_)) => Err((KAFKA_STORAGE_ERROR, "The disk is full.".to_owned())),
                    Err(error) => Err((super::storage_error(&error), error.to_string())),
                }
            }
        };
        answer.results.push(match outcome {
            Ok(()) => result.with_error_message(None),
            Err((code, message)) => result
                .with_error_code(code)
                .with_error_message(Some(text(message))),
        });
    }
    answer
}

pub(super) async fn delete_records(
    data: &Data,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let mut answer = DeleteRecordsResponse::default();
    for topic in request.topics {
        let found = data.shared.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            let id = found
                .as_ref()
                .and_then(|topic| topic.partition(asked.partition_index))
                .map(|view| view.id);
            let outcome = match id {
                None => Err(UNKNOWN_TOPIC_OR_PARTITION),
                Some(id) => delete_before(data, id, asked.offset).await,
            };
            let part =
                DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
            partitions.push(match outcome {
                Ok(low) => part.with_low_watermark(low),
                Err(code) => part.with_error_code(code).with_low_watermark(-1),
            });
        }
        answer.topics.push(
            DeleteRecordsTopicResult::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    answer
}

async fn delete_before(data: &Data, id: u64, offset: i64) -> Result<i64, i16> {
    let start = data
        .writer
        .run(move |state, commit| {
            let log = state
                .partitions
                .get_mut(&id)
                .ok_or(UNKNOWN_TOPIC_OR_PARTITION)?;
            // -1 is the high watermark.
            let offset = if offset == -1 { log.end } else { offset };
            if offset < 0 || offset > log.end {
                return Err(OFFSET_OUT_OF_RANGE);
            }
            if offset > log.start {
                log.delete_before(offset);
                commit.changed.partitions.insert(id);
            }
            Ok(log.start)
        })
        .await
        .map_err(|error| super::storage_error(&error))??;
    maintenance::remove_before(data, id, start)
        .await
        .map_err(|error| super::storage_error(&error))?;
    Ok(start)
}
