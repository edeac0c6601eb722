//! `Metadata`: topics, their partitions, the one node.

use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};

use super::cluster::{CLUSTER_OPERATIONS, TOPIC_OPERATIONS, operations};
use super::node::{NODE, Node};
use super::{distinct, text, topic_name};
use crate::data::Data;
use crate::error_code::{INVALID_TOPIC, NONE, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION};
use crate::state::{NewTopic, Topic, TopicError, is_internal, legal_name};

pub(super) async fn handle(
    node: &Node,
    data: &Data,
    request: MetadataRequest,
    version: i16,
) -> MetadataResponse {
    let mut answer = MetadataResponse::default();
    answer.brokers = vec![
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(NODE))
            .with_host(text(node.host.clone()))
            .with_port(i32::from(node.port)),
    ];
    answer.cluster_id = Some(text(node.cluster_id.clone()));
    answer.controller_id = BrokerId(NODE);
    answer.cluster_authorized_operations = operations(
        request.include_cluster_authorized_operations,
        CLUSTER_OPERATIONS,
    );
    let operations = operations(
        request.include_topic_authorized_operations,
        TOPIC_OPERATIONS,
    );
    // No list, or in version 0 an empty one, asks for all topics.
    let wanted = request
        .topics
        .filter(|topics| version > 0 || !topics.is_empty());
    let Some(wanted) = wanted else {
        let topics = data.shared.topics();
        answer.topics = topics
            .by_name
            .values()
            .map(|topic| describe(topic, operations))
            .collect();
        return answer;
    };
    let wanted = distinct(wanted, |topic| (topic.name.clone(), topic.topic_id));
    for topic in wanted {
        let described = match topic.name {
            Some(name) => {
                by_name(
                    node,
                    data,
                    &name.0,
                    request.allow_auto_topic_creation,
                    operations,
                )
                .await
            }
            None => match data.shared.topics().by_id.get(&topic.topic_id) {
                Some(found) => describe(found, operations),
                None => MetadataResponseTopic::default()
                    .with_error_code(UNKNOWN_TOPIC_ID)
                    .with_name(None)
                    .with_topic_id(topic.topic_id),
            },
        };
        answer.topics.push(described);
    }
    answer
}

async fn by_name(
    node: &Node,
    data: &Data,
    name: &str,
    may_create: bool,
    operations: i32,
) -> MetadataResponseTopic {
    if let Some(topic) = data.shared.topic(name) {
        return describe(&topic, operations);
    }
    let refused = |code| {
        MetadataResponseTopic::default()
            .with_error_code(code)
            .with_name(Some(topic_name(name)))
            .with_is_internal(is_internal(name))
            .with_topic_authorized_operations(operations)
    };
    if !legal_name(name) {
        return refused(INVALID_TOPIC);
    }
    if !(may_create && node.config.auto_create_topics) {
        return refused(UNKNOWN_TOPIC_OR_PARTITION);
    }
    let new = NewTopic {
        name: name.to_owned(),
        partitions: usize::try_from(node.config.default_partitions).unwrap_or(1),
        configs: std::collections::BTreeMap::new(),
    };
    let created = data
        .writer
        .run(move |state, commit| state.create_topic(commit, new))
        .await;
    match created {
        Ok(Ok(_) | Err(TopicError::Exists)) => match data.shared.topic(name) {
            Some(topic) => describe(&topic, operations),
            None => refused(UNKNOWN_TOPIC_OR_PARTITION),
        },
        Ok(Err(_)) => refused(crate::error_code::KAFKA_STORAGE_ERROR),
        Err(error) => refused(super::storage_error(&error)),
    }
}

fn describe(topic: &Topic, operations: i32) -> MetadataResponseTopic {
    let partitions = (0..)
        .zip(&topic.partitions)
        .map(|(index, _)| {
            MetadataResponsePartition::default()
                .with_error_code(NONE)
                .with_partition_index(index)
                .with_leader_id(BrokerId(NODE))
                .with_leader_epoch(0)
                .with_replica_nodes(vec![BrokerId(NODE)])
                .with_isr_nodes(vec![BrokerId(NODE)])
        })
        .collect();
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(topic.name.clone())))
        .with_topic_id(topic.id)
        .with_is_internal(is_internal(&topic.name))
        .with_partitions(partitions)
        .with_topic_authorized_operations(operations)
}
