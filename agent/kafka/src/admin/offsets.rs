//! Committed offsets of groups, of one or of many in one call.
//!
//! On the wire one FindCoordinator and one OffsetFetch carry many groups (KIP-699, KIP-709), so that hundreds
//! of sinks cost a handful of requests. Brokers before 3.0 get a request for each group, all of them under
//! way at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use sluice_api::OffsetAndMetadata;

use super::call::Target;
use super::error::check;
use super::{Admin, AdminError};
use crate::types::{TopicPartition, by_topic, group_id, topic_name};
use crate::wire::connection::BrokerConnection;
use crate::wire::discovery::CoordinatorOf;

/// First version of OffsetFetch that has many groups.
const MANY_GROUPS: i16 = 8;
/// First version of OffsetFetch that can wait for transactions (KIP-447).
const REQUIRE_STABLE: i16 = 7;

/// What a group committed.
pub type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// What a broker answered for one group.
type Found = (String, Result<Offsets, AdminError>);

impl Admin {
    /// All committed offsets of a group. Empty for a group that does not exist.
    ///
    /// With `require_stable` it waits for offsets of open transactions; without they do not count yet, as in
    /// Java's `listConsumerGroupOffsets`.
    pub async fn offsets(&self, group: &str, require_stable: bool) -> Result<Offsets, AdminError> {
        const WHAT: &str = "list offsets";
        let target = Target::Coordinator(CoordinatorOf::Groups, group);
        self.retrying(WHAT, || async {
            let connection = self.connection(WHAT, target).await?;
            let found = self
                .fetch_offsets(WHAT, &connection, &[group], require_stable)
                .await?;
            let found = found.into_iter().next().map(|(_, offsets)| offsets);
            found.unwrap_or_else(|| Ok(Offsets::new()))
        })
        .await
    }

    /// All committed offsets of many groups, as [`Admin::offsets`] without waiting. A group whose coordinator
    /// is not there or refuses is left out; why is logged at level debug.
    ///
    /// # Errors
    /// No broker could be asked for coordinators.
    pub async fn offsets_of_groups(
        &self,
        groups: &[&str],
    ) -> Result<BTreeMap<String, Offsets>, AdminError> {
        const WHAT: &str = "list offsets";
        let mut offsets = BTreeMap::new();
        for (connection, groups) in self.by_coordinator(WHAT, groups).await? {
            match self.fetch_offsets(WHAT, &connection, &groups, false).await {
                Ok(found) => offsets.extend(answered(found)),
                Err(error) => tracing::debug!(%error, "groups of one coordinator are left out"),
            }
        }
        Ok(offsets)
    }

    /// Asks a coordinator what its groups committed.
    async fn fetch_offsets(
        &self,
        what: &'static str,
        connection: &Arc<BrokerConnection>,
        groups: &[&str],
        require_stable: bool,
    ) -> Result<Vec<Found>, AdminError> {
        let version = self.version::<OffsetFetchRequest>(what, connection)?;
        let stable = require_stable && version >= REQUIRE_STABLE;
        let request = OffsetFetchRequest::default().with_require_stable(stable);
        if version >= MANY_GROUPS {
            let groups = groups.iter().map(|group| {
                OffsetFetchRequestGroup::default()
                    .with_group_id(group_id(group))
                    .with_topics(None)
            });
            let request = request.with_groups(groups.collect());
            let answer = self.ask(what, connection, &request).await?;
            return Ok(offsets_of_many(what, answer));
        }
        let one = |group| {
            let request = request
                .clone()
                .with_group_id(group_id(group))
                .with_topics(None);
            async move {
                let answer = self.ask(what, connection, &request).await?;
                Ok((group.to_owned(), offsets_of_one(what, group, answer)))
            }
        };
        let found = join_all(groups.iter().map(|group| one(*group))).await;
        found.into_iter().collect()
    }

    /// Sets committed offsets of a group without members.
    pub async fn alter_offsets(&self, group: &str, offsets: &Offsets) -> Result<(), AdminError> {
        const WHAT: &str = "alter offsets";
        let partitions = offsets.iter().map(|(of, committed)| {
            let metadata = committed.metadata.clone().unwrap_or_default();
            let partition = OffsetCommitRequestPartition::default()
                .with_partition_index(of.partition)
                .with_committed_offset(committed.offset)
                .with_committed_metadata(Some(StrBytes::from_string(metadata)));
            (of, partition)
        });
        let topics = by_topic(partitions).into_iter().map(|(topic, partitions)| {
            OffsetCommitRequestTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions)
        });
        // No member and no generation: an admin, not a consumer.
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(group))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(topics.collect());
        let target = Target::Coordinator(CoordinatorOf::Groups, group);
        self.call(WHAT, target, &request, |answer| {
            for topic in &answer.topics {
                for p in &topic.partitions {
                    let object = object(group, &topic.name, p.partition_index);
                    check(WHAT, &object, p.error_code)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Forgets committed offsets of a group; a group that does not exist has none, which is fine.
    pub async fn delete_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<(), AdminError> {
        const WHAT: &str = "delete offsets";
        let partitions = partitions.iter().map(|of| {
            let partition =
                OffsetDeleteRequestPartition::default().with_partition_index(of.partition);
            (of, partition)
        });
        let topics = by_topic(partitions).into_iter().map(|(topic, partitions)| {
            OffsetDeleteRequestTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions)
        });
        let request = OffsetDeleteRequest::default()
            .with_group_id(group_id(group))
            .with_topics(topics.collect());
        let target = Target::Coordinator(CoordinatorOf::Groups, group);
        self.call(WHAT, target, &request, |answer| {
            if answer.error_code.err() == Some(ResponseError::GroupIdNotFound) {
                return Ok(());
            }
            check(WHAT, group, answer.error_code)?;
            for topic in &answer.topics {
                for p in &topic.partitions {
                    let object = object(group, &topic.name, p.partition_index);
                    check(WHAT, &object, p.error_code)?;
                }
            }
            Ok(())
        })
        .await
    }
}

/// Group and partition, for errors.
fn object(group: &str, topic: &TopicName, partition: i32) -> String {
    format!("{group} {}-{partition}", topic.0)
}

/// The groups that were answered; why others were not is logged.
fn answered(found: Vec<Found>) -> impl Iterator<Item = (String, Offsets)> {
    found
        .into_iter()
        .filter_map(|(group, offsets)| match offsets {
            Ok(offsets) => Some((group, offsets)),
            Err(error) => {
                tracing::debug!(%error, group, "a group is left out");
                None
            }
        })
}

fn offsets_of_many(what: &'static str, answer: OffsetFetchResponse) -> Vec<Found> {
    let groups = answer.groups.into_iter();
    groups
        .map(|found| {
            let group = found.group_id.to_string();
            let partitions = found.topics.into_iter().flat_map(|topic| {
                let topic_name = topic.name;
                topic.partitions.into_iter().map(move |p| {
                    let place = (topic_name.clone(), p.partition_index);
                    (place, p.error_code, p.committed_offset, p.metadata)
                })
            });
            let offsets = check(what, &group, found.error_code)
                .and_then(|()| collect(what, &group, partitions));
            (group, offsets)
        })
        .collect()
}

fn offsets_of_one(
    what: &'static str,
    group: &str,
    answer: OffsetFetchResponse,
) -> Result<Offsets, AdminError> {
    check(what, group, answer.error_code)?;
    let partitions = answer.topics.into_iter().flat_map(|topic| {
        let topic_name = topic.name;
        topic.partitions.into_iter().map(move |p| {
            let place = (topic_name.clone(), p.partition_index);
            (place, p.error_code, p.committed_offset, p.metadata)
        })
    });
    collect(what, group, partitions)
}

/// The offsets of partitions that have one.
fn collect(
    what: &'static str,
    group: &str,
    partitions: impl Iterator<Item = ((TopicName, i32), i16, i64, Option<StrBytes>)>,
) -> Result<Offsets, AdminError> {
    let mut offsets = Offsets::new();
    for ((topic, partition), code, offset, metadata) in partitions {
        check(what, &object(group, &topic, partition), code)?;
        // -1 stands for none.
        if offset >= 0 {
            let committed = OffsetAndMetadata {
                offset,
                metadata: metadata.map(|text| text.to_string()),
            };
            offsets.insert(TopicPartition::new(topic.0.as_str(), partition), committed);
        }
    }
    Ok(offsets)
}
