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
    ConsumerProtocolSubscription, GroupId, OffsetCommitRequest, OffsetCommitResponse,
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
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

type Asked = Option<Vec<(TopicName, Vec<i32>)>>;

pub(super) async fn fetch(
    data: &Data,
    request: OffsetFetchRequest,
    version: i16,
) -> OffsetFetchResponse {
    let stable = request.require_stable;
    let mut answer = OffsetFetchResponse::default();
    if version >= 8 {
        for group in distinct(request.groups, |group| group.group_id.clone()) {
            let asked: Asked = group.topics.map(|topics| {
                let topics = topics.into_iter();
                topics
                    .map(|topic| (topic.name, topic.partition_indexes))
                    .collect()
            });
            answer
                .groups
                .push(fetch_group(data, group.group_id, asked, stable).await);
        }
        return answer;
    }
    let asked: Asked = request.topics.map(|topics| {
        let topics = topics.into_iter();
        topics
            .map(|topic| (topic.name, topic.partition_indexes))
            .collect()
    });
    let group = fetch_group(data, request.group_id, asked, stable).await;
    answer.error_code = group.error_code;
    answer.topics = group.topics.into_iter().map(before_groups).collect();
    answer
}

async fn fetch_group(
    data: &Data,
    group: GroupId,
    asked: Asked,
    stable: bool,
) -> OffsetFetchResponseGroup {
    let found = find(data, group.to_string(), asked, stable).await;
    let answer = OffsetFetchResponseGroup::default().with_group_id(group);
    match found {
        Ok(topics) => answer.with_topics(topics),
        Err(error) => answer.with_error_code(super::storage_error(&error)),
    }
}

/// The answer for a topic as it was before a request could name several groups.
fn before_groups(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|found| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(found.partition_index)
            .with_committed_offset(found.committed_offset)
            .with_committed_leader_epoch(found.committed_leader_epoch)
            .with_metadata(found.metadata)
            .with_error_code(found.error_code)
    });
    OffsetFetchResponseTopic::default()
        .with_name(topic.name)
        .with_partitions(partitions.collect())
}

/// Looks offsets up; no list asks for all that the group has. Where an open transaction holds an offset back
/// and `stable` is wanted, the client is to ask again (KIP-447): what the transaction replaces would make
/// records be read twice if it commits.
async fn find(
    data: &Data,
    group: String,
    asked: Asked,
    stable: bool,
) -> Result<Vec<OffsetFetchResponseTopics>, StoreError> {
    let unstable = if stable {
        data.shared.unstable.lock().get(&group).cloned()
    } else {
        None
    }
    .unwrap_or_default();
    let one = move |store: &Store, group: &str, topic: &str, index| {
        if unstable.contains(&(topic.to_owned(), index)) {
            let refused = partition(index, None);
            return Ok(refused.with_error_code(UNSTABLE_OFFSET_COMMIT));
        }
        let value = store.get(&keys::offset(group, topic, index))?;
        let entry = value.map(|value| decode(&value)).transpose()?;
        Ok(partition(index, entry))
    };
    data.reader
        .read(move |store| match asked {
            None => all(store, &group),
            Some(topics) => topics
                .into_iter()
                .map(|(name, indexes)| {
                    let indexes = indexes.into_iter();
                    let found: Result<_, StoreError> = indexes
                        .map(|index| one(store, &group, &name, index))
                        .collect();
                    Ok(OffsetFetchResponseTopics::default()
                        .with_name(name)
                        .with_partitions(found?))
                })
                .collect(),
        })
        .await
}

/// What a group has committed for a partition; -1 for nothing.
fn partition(index: i32, entry: Option<OffsetEntry>) -> OffsetFetchResponsePartitions {
    let (offset, leader_epoch, metadata) = entry.map_or((-1, -1, String::new()), |entry| {
        (entry.offset, entry.leader_epoch, entry.metadata)
    });
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(leader_epoch)
        .with_metadata(Some(text(metadata)))
}

fn decode(value: &[u8]) -> Result<OffsetEntry, StoreError> {
    OffsetEntry::decode(value).ok_or(StoreError::Damaged("offset"))
}

fn all(store: &Store, group: &str) -> Result<Vec<OffsetFetchResponseTopics>, StoreError> {
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    for (key, value) in store.prefix(&keys::offsets_of(group))? {
        let (_, topic, index) = keys::parse_offset(&key).ok_or(StoreError::Damaged("offset"))?;
        let found = partition(index, Some(decode(&value)?));
        match topics.last_mut() {
            Some(last) if last.name.as_str() == topic => last.partitions.push(found),
            _ => topics.push(
                OffsetFetchResponseTopics::default()
                    .with_name(topic_name(topic))
                    .with_partitions(vec![found]),
            ),
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
