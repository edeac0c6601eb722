//! Committed offsets of groups: commit, fetch, delete.

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
use kafka_protocol::protocol::{Decodable, StrBytes};

use super::{distinct, text, topic_name};
use crate::clock;
use crate::data::Data;
use crate::error_code::{
    GROUP_ID_NOT_FOUND, GROUP_SUBSCRIBED_TO_TOPIC, INVALID_GROUP_ID, NON_EMPTY_GROUP, NONE,
    OFFSET_METADATA_TOO_LARGE, UNKNOWN_TOPIC_OR_PARTITION, UNSTABLE_OFFSET_COMMIT,
};
use crate::groups::group::{GroupState, Speaker};
use crate::groups::{Groups, LiveGroup};
use crate::state::{OffsetEntry, Shared};
use crate::store::keys::{self, tag};
use crate::store::{Store, StoreError};
use crate::writer::Writer;

/// Largest metadata of an offset, as `offset.metadata.max.bytes`.
const METADATA: usize = 4096;

/// The offsets of a commit, with or without a transaction, as far as they may be committed.
pub(super) struct Entries<'a> {
    shared: &'a Shared,
    /// Error code for the whole commit; 0 if only each offset is to be looked at.
    refused: i16,
    now: i64,
    /// Topic, partition and offset.
    pub(super) taken: Vec<(String, i32, OffsetEntry)>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(shared: &'a Shared, refused: i16) -> Self {
        Self {
            shared,
            refused,
            now: clock::now(),
            taken: Vec::new(),
        }
    }

    /// Takes an offset with its leader epoch. Gives its error code; 0 if it may be committed.
    pub(super) fn take(
        &mut self,
        topic: &str,
        partition: i32,
        (offset, leader_epoch): (i64, i32),
        metadata: Option<StrBytes>,
    ) -> i16 {
        let metadata = metadata.unwrap_or_default();
        if self.refused != NONE {
            return self.refused;
        }
        let found = self.shared.topic(topic);
        if found.is_none_or(|topic| topic.partition(partition).is_none()) {
            return UNKNOWN_TOPIC_OR_PARTITION;
        }
        if metadata.len() > METADATA {
            return OFFSET_METADATA_TOO_LARGE;
        }
        let entry = OffsetEntry {
            offset,
            leader_epoch,
            metadata: metadata.to_string(),
            timestamp: self.now,
        };
        self.taken.push((topic.to_owned(), partition, entry));
        NONE
    }
}

pub(super) async fn commit(
    groups: &Groups,
    data: &Data,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let group = request.group_id.to_string();
    let speaker = Speaker {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let refused = if group.is_empty() && speaker.generation >= 0 {
        INVALID_GROUP_ID
    } else {
        groups.check_commit(&group, speaker, false)
    };
    let mut entries = Entries::new(&data.shared, refused);
    let mut response = OffsetCommitResponse::default();
    for topic in request.topics {
        let partitions = topic.partitions.into_iter().map(|partition| {
            let index = partition.partition_index;
            let offset = (partition.committed_offset, partition.committed_leader_epoch);
            let code = entries.take(&topic.name, index, offset, partition.committed_metadata);
            OffsetCommitResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(code)
        });
        let partitions = partitions.collect();
        response.topics.push(
            OffsetCommitResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    let entries = entries.taken;
    if entries.is_empty() {
        return response;
    }
    let record = groups.touch(&group);
    let written = data
        .writer
        .run(move |_, commit| {
            commit.check_space()?;
            commit.put(keys::named(tag::GROUP, &group), record);
            for (topic, partition, entry) in entries {
                commit.put(keys::offset(&group, &topic, partition), entry.encode());
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
    data: &Data,
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
                match find(data, group.group_id.to_string(), topics, stable).await {
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
    match find(data, request.group_id.to_string(), topics, stable).await {
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
    data: &Data,
    group: String,
    topics: Option<Vec<(TopicName, Vec<i32>)>>,
    stable: bool,
) -> Result<FoundTopics, StoreError> {
    let unstable = if stable {
        data.shared.unstable.lock().get(&group).cloned()
    } else {
        None
    }
    .unwrap_or_default();
    let held_back = move |topic: &str, index: i32| unstable.contains(&(topic.to_owned(), index));
    data.reader
        .read(move |store| match topics {
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

pub(super) async fn delete(
    groups: &Groups,
    writer: &Writer,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let group = request.group_id.to_string();
    let subscribed = groups.with(&group, |group, _, _| match group.state {
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
    let removed = writer
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
