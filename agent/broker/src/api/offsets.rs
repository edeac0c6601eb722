//! Committed offsets of groups: commit, fetch, delete.

use std::sync::Arc;

use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    ConsumerProtocolSubscription, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::Decodable;

use super::{distinct, text, topic_name};
use crate::broker::Core;
use crate::error_code::{
    GROUP_ID_NOT_FOUND, GROUP_SUBSCRIBED_TO_TOPIC, INVALID_GROUP_ID, NON_EMPTY_GROUP, NONE,
    OFFSET_METADATA_TOO_LARGE, UNKNOWN_TOPIC_OR_PARTITION, UNSTABLE_OFFSET_COMMIT,
};
use crate::groups::LiveGroup;
use crate::groups::group::{GroupState, Speaker};
use crate::state::OffsetEntry;
use crate::store::keys::{self, tag};
use crate::store::{Store, StoreError};

/// Largest metadata of an offset, as `offset.metadata.max.bytes`.
pub(super) const METADATA: usize = 4096;

/// Error code for one offset; 0 if it may be committed.
pub(super) fn check_offset(core: &Core, topic: &str, partition: i32, metadata: &str) -> i16 {
    let known = core
        .shared
        .topic(topic)
        .is_some_and(|topic| topic.partition(partition).is_some());
    if !known {
        UNKNOWN_TOPIC_OR_PARTITION
    } else if metadata.len() > METADATA {
        OFFSET_METADATA_TOO_LARGE
    } else {
        NONE
    }
}

pub(super) async fn commit(core: &Arc<Core>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let group = request.group_id.to_string();
    let speaker = Speaker {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let refused = if group.is_empty() && speaker.generation >= 0 {
        INVALID_GROUP_ID
    } else {
        core.groups.check_commit(&group, speaker, false)
    };
    let now = (core.clock)();
    let mut entries = Vec::new();
    let mut response = OffsetCommitResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let metadata = partition.committed_metadata.unwrap_or_default();
            let code = match refused {
                NONE => check_offset(core, &topic.name, partition.partition_index, &metadata),
                code => code,
            };
            if code == NONE {
                let entry = OffsetEntry {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: metadata.to_string(),
                    timestamp: now,
                };
                let key = keys::offset(&group, &topic.name, partition.partition_index);
                entries.push((key, entry.encode()));
            }
            partitions.push(
                OffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(code),
            );
        }
        response.topics.push(
            OffsetCommitResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    if entries.is_empty() {
        return response;
    }
    let record = core.groups.touch(&group);
    let group_key = keys::named(tag::GROUP, &group);
    let written = core
        .writer
        .run(move |_, commit| {
            commit.check_space()?;
            commit.put(group_key, record);
            for (key, value) in entries {
                commit.put(key, value);
            }
            Ok::<_, StoreError>(())
        })
        .await
        .and_then(|written| written);
    if let Err(error) = written {
        let code = super::storage_error(&error);
        for topic in &mut response.topics {
            for partition in &mut topic.partitions {
                if partition.error_code == NONE {
                    partition.error_code = code;
                }
            }
        }
    }
    response
}

/// What a group has for a partition: offset, epoch, metadata, error code.
struct Found {
    index: i32,
    entry: Option<OffsetEntry>,
    error: i16,
}

type FoundTopics = Vec<(TopicName, Vec<Found>)>;

pub(super) async fn fetch(
    core: &Arc<Core>,
    request: OffsetFetchRequest,
    version: i16,
) -> OffsetFetchResponse {
    let stable = request.require_stable;
    let mut answer = OffsetFetchResponse::default();
    if version >= 8 {
        for group in distinct(request.groups, |group| group.group_id.clone()) {
            let topics = group.topics.map(|topics| {
                topics
                    .into_iter()
                    .map(|topic| (topic.name, topic.partition_indexes))
                    .collect()
            });
            let response =
                OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
            answer.groups.push(
                match find(core, group.group_id.to_string(), topics, stable).await {
                    Err(error) => response.with_error_code(super::storage_error(&error)),
                    Ok(found) => response.with_topics(
                        found
                            .into_iter()
                            .map(|(name, partitions)| {
                                let partitions = partitions.into_iter().map(|found| {
                                    let (offset, epoch, metadata) = found.parts();
                                    OffsetFetchResponsePartitions::default()
                                        .with_partition_index(found.index)
                                        .with_committed_offset(offset)
                                        .with_committed_leader_epoch(epoch)
                                        .with_metadata(Some(text(metadata)))
                                        .with_error_code(found.error)
                                });
                                OffsetFetchResponseTopics::default()
                                    .with_name(name)
                                    .with_partitions(partitions.collect())
                            })
                            .collect(),
                    ),
                },
            );
        }
        return answer;
    }
    let topics = request.topics.map(|topics| {
        topics
            .into_iter()
            .map(|topic| (topic.name, topic.partition_indexes))
            .collect()
    });
    match find(core, request.group_id.to_string(), topics, stable).await {
        Err(error) => answer.error_code = super::storage_error(&error),
        Ok(found) => {
            answer.topics = found
                .into_iter()
                .map(|(name, partitions)| {
                    let partitions = partitions.into_iter().map(|found| {
                        let (offset, epoch, metadata) = found.parts();
                        OffsetFetchResponsePartition::default()
                            .with_partition_index(found.index)
                            .with_committed_offset(offset)
                            .with_committed_leader_epoch(epoch)
                            .with_metadata(Some(text(metadata)))
                            .with_error_code(found.error)
                    });
                    OffsetFetchResponseTopic::default()
                        .with_name(name)
                        .with_partitions(partitions.collect())
                })
                .collect();
        }
    }
    answer
}

impl Found {
    fn parts(&self) -> (i64, i32, String) {
        match &self.entry {
            Some(entry) => (entry.offset, entry.leader_epoch, entry.metadata.clone()),
            None => (-1, -1, String::new()),
        }
    }
}

/// Looks offsets up; no list asks for all that the group has. Where an open transaction holds an offset back
/// and `stable` is wanted, the client is told to ask again (KIP-447).
async fn find(
    core: &Arc<Core>,
    group: String,
    topics: Option<Vec<(TopicName, Vec<i32>)>>,
    stable: bool,
) -> Result<FoundTopics, StoreError> {
    let unstable = if stable {
        core.shared.unstable.lock().get(&group).cloned()
    } else {
        None
    }
    .unwrap_or_default();
    let held_back = move |topic: &str, index: i32| unstable.contains(&(topic.to_owned(), index));
    core.blocking(move |store| match topics {
        None => all(store, &group),
        Some(topics) => topics
            .into_iter()
            .map(|(name, indexes)| {
                let found: Result<Vec<Found>, StoreError> = indexes
                    .into_iter()
                    .map(|index| {
                        if held_back(&name, index) {
                            return Ok(Found {
                                index,
                                entry: None,
                                error: UNSTABLE_OFFSET_COMMIT,
                            });
                        }
                        let entry = store
                            .get(&keys::offset(&group, &name, index))?
                            .map(|value| decode(&value))
                            .transpose()?;
                        Ok(Found {
                            index,
                            entry,
                            error: NONE,
                        })
                    })
                    .collect();
                Ok((name, found?))
            })
            .collect(),
    })
    .await
}

fn decode(value: &[u8]) -> Result<OffsetEntry, StoreError> {
    OffsetEntry::decode(value).ok_or(StoreError::Damaged("offset"))
}

fn all(store: &Store, group: &str) -> Result<FoundTopics, StoreError> {
    let mut topics: FoundTopics = Vec::new();
    for (key, value) in store.prefix(&keys::offsets_of(group))? {
        let (_, topic, index) = keys::parse_offset(&key).ok_or(StoreError::Damaged("offset"))?;
        let found = Found {
            index,
            entry: Some(decode(&value)?),
            error: NONE,
        };
        match topics.last_mut() {
            Some((name, partitions)) if name.as_str() == topic => partitions.push(found),
            _ => topics.push((topic_name(topic), vec![found])),
        }
    }
    Ok(topics)
}

pub(super) async fn delete(core: &Arc<Core>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let group = request.group_id.to_string();
    let subscribed = core.groups.with(&group, |group, _, _| match group.state {
        GroupState::Empty => Ok(Vec::new()),
        _ if group.protocol_type.as_deref() == Some("consumer") => Ok(subscriptions(group)),
        _ => Err(NON_EMPTY_GROUP),
    });
    let subscribed = match subscribed {
        Some(Ok(topics)) => topics,
        Some(Err(code)) => return OffsetDeleteResponse::default().with_error_code(code),
        None => return OffsetDeleteResponse::default().with_error_code(GROUP_ID_NOT_FOUND),
    };
    let mut gone = Vec::new();
    let mut response = OffsetDeleteResponse::default();
    for topic in request.topics {
        let in_use = subscribed.iter().any(|name| name == topic.name.as_str());
        let partitions = topic
            .partitions
            .into_iter()
            .map(|partition| {
                let index = partition.partition_index;
                if !in_use {
                    gone.push(keys::offset(&group, &topic.name, index));
                }
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(if in_use {
                        GROUP_SUBSCRIBED_TO_TOPIC
                    } else {
                        NONE
                    })
            })
            .collect();
        response.topics.push(
            OffsetDeleteResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    let removed = core
        .writer
        .run(move |_, commit| {
            for key in gone {
                commit.remove(key);
            }
        })
        .await;
    if let Err(error) = removed {
        response.error_code = super::storage_error(&error);
    }
    response
}

/// The topics that members of a consumer group subscribe to.
fn subscriptions(group: &LiveGroup) -> Vec<String> {
    group
        .members
        .values()
        .flat_map(|member| &member.protocols)
        .filter_map(|(_, metadata)| {
            // A version of two bytes, then the subscription; later versions only add to it.
            let mut metadata = metadata.clone();
            if metadata.len() < 6 {
                return None;
            }
            let mut count = metadata.slice(2..6);
            let claimed = usize::try_from(bytes::Buf::get_i32(&mut count)).ok()?;
            if claimed > metadata.len() {
                return None;
            }
            bytes::Buf::advance(&mut metadata, 2);
            ConsumerProtocolSubscription::decode(&mut metadata, 0).ok()
        })
        .flat_map(|subscription| subscription.topics)
        .map(|topic| topic.to_string())
        .collect()
}
