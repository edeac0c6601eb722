//! Admin calls librdkafka's Rust binding lacks: offsets and state of consumer groups, the cluster id, end
//! offsets, and fencing of producers.
//!
//! Every call connects anew and is tried until `default.api.timeout.ms` is over, as Java's admin client does;
//! errors that can't get better end it at once.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    BrokerId, DeleteGroupsRequest, DescribeGroupsRequest, FetchRequest, InitProducerIdRequest,
    ListGroupsRequest, ListOffsetsRequest, MetadataRequest, MetadataResponse, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use sluice_api::config::Props;
use sluice_api::{OffsetAndMetadata, TopicPartition};
use tokio::time::Instant;

use crate::connection::{BrokerConnection, ConnectionError};
use crate::discovery::{self, DiscoveryError, is_tls_refusal};
use crate::error_code::{self, GROUP_ID_NOT_FOUND, UNKNOWN_TOPIC_OR_PARTITION};
use crate::group_of;
use crate::settings::{ClientSettings, ClientSettingsError};
use sluice_api::causes::with_causes;

const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;
/// Markers are small: more need not be fetched to see that a partition ends with them.
const MARKER_FETCH_BYTES: i32 = 16 * 1024;

/// Timestamp in ListOffsets that asks for the end.
const LATEST: i64 = -1;

/// Why an admin call failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No broker or coordinator can be talked to.
    #[error("{what}: no broker to ask")]
    Discovery {
        /// What was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: DiscoveryError,
    },
    /// The connection broke.
    #[error("{what}: connection to the broker failed")]
    Connection {
        /// What was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: ConnectionError,
    },
    /// The broker answered with an error.
    #[error("{what} of {object:?}: {}", error_code::text(*code))]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Group, topic partition or transactional id.
        object: String,
        /// Kafka's error code.
        code: i16,
    },
    /// The time allowed is over; the last failure is in the text.
    #[error("{what} timed out after {limit:?}, last failure: {last}")]
    Timeout {
        /// What was asked for.
        what: &'static str,
        /// The time allowed.
        limit: Duration,
        /// The last failure.
        last: String,
    },
}

impl AdminError {
    /// Whether the call was refused because the group still has members; it may be tried again later.
    pub const fn group_has_members(&self) -> bool {
        // UNKNOWN_MEMBER_ID and GROUP_SUBSCRIBED_TO_TOPIC on altering, NON_EMPTY_GROUP on deleting.
        matches!(
            self,
            Self::Refused {
                code: 25 | 86 | 68,
                ..
            }
        )
    }

    /// Kafka's error code, when a broker answered.
    pub const fn code(&self) -> Option<i16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    fn is_retriable(&self) -> bool {
        match self {
            Self::Discovery { source, .. } => !source.is_fatal() && !source.is_tls_refusal(),
            Self::Connection { source, .. } => {
                let for_good = matches!(
                    source,
                    ConnectionError::Authentication { .. }
                        | ConnectionError::Tls(_)
                        | ConnectionError::NoVersion { .. }
                        | ConnectionError::Malformed { .. }
                );
                !for_good && !is_tls_refusal(source)
            }
            // Coordinator loading, not available, moved; leader not available, moved, just elected;
            // controller moved; concurrent transactions.
            Self::Refused { code, .. } => matches!(code, 14..=16 | 5 | 6 | 41 | 74..=76 | 78 | 51),
            Self::Timeout { .. } => false,
        }
    }

    pub(crate) fn refused(what: &'static str, object: impl Into<String>, code: i16) -> Self {
        Self::Refused {
            what,
            object: object.into(),
            code,
        }
    }
}

fn check(what: &'static str, object: &str, code: i16) -> Result<(), AdminError> {
    match code {
        error_code::NONE => Ok(()),
        code => Err(AdminError::refused(what, object, code)),
    }
}

/// A group as a broker lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Group id.
    pub group: String,
    /// `consumer`, `connect`, ...; empty for a group that only has offsets.
    pub protocol_type: String,
    /// State as the broker spells it; empty from old brokers.
    pub state: String,
    /// `classic`, `consumer`, `share`, ...; empty from brokers before 4.0.
    pub group_type: String,
}

/// A classic group as its coordinator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// State as the coordinator spells it: `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`,
    /// `Dead`.
    pub state: String,
    /// `consumer`, `connect`, ...
    pub protocol_type: String,
    /// The protocol chosen, for example `sessioned`.
    pub protocol: String,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member of a described group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Member id.
    pub member_id: String,
    /// Its client id.
    pub client_id: String,
    /// Its address as the broker sees it.
    pub client_host: String,
    /// Its metadata, in the protocol's layout.
    pub metadata: bytes::Bytes,
    /// Its assignment, in the protocol's layout.
    pub assignment: bytes::Bytes,
}

/// Asks and changes consumer groups. Cheap: keeps no connection.
#[derive(Clone, Debug)]
pub struct GroupAdmin {
    pub(crate) settings: ClientSettings,
}

impl GroupAdmin {
    /// An admin client from client properties; a whole worker file will do.
    ///
    /// # Errors
    /// The first key that is missing or does not parse.
    pub fn new(props: &Props) -> Result<Self, ClientSettingsError> {
        Ok(Self {
            settings: ClientSettings::from_props(props, "sluice-admin")?,
        })
    }

    /// The id of the Kafka cluster; empty when the broker has none.
    pub async fn cluster_id(&self) -> Result<String, AdminError> {
        let metadata = self
            .retrying("cluster id", || {
                async { self.metadata("cluster id", Some(&[])).await }.boxed()
            })
            .await?;
        Ok(metadata
            .cluster_id
            .map(|id| id.to_string())
            .unwrap_or_default())
    }

    /// All committed offsets of a group: topic, partition, offset, sorted. Empty for a group that does not
    /// exist.
    ///
    /// Waits for offsets of open transactions.
    pub async fn list_offsets(&self, group: &str) -> Result<Vec<(String, i32, i64)>, AdminError> {
        let committed = self.fetch_offsets(group, true).await?;
        Ok(committed
            .into_iter()
            .map(|(tp, committed)| (tp.topic.to_string(), tp.partition, committed.offset))
            .collect())
    }

    /// All committed offsets of a group with the text beside them, as Java's `listConsumerGroupOffsets`:
    /// those of open transactions are not waited for. Empty for a group that does not exist.
    pub async fn committed(
        &self,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, OffsetAndMetadata>, AdminError> {
        self.fetch_offsets(group, false).await
    }

    async fn fetch_offsets(
        &self,
        group: &str,
        require_stable: bool,
    ) -> Result<BTreeMap<TopicPartition, OffsetAndMetadata>, AdminError> {
        const WHAT: &str = "list offsets";
        self.retrying(WHAT, || {
            async {
                let connection = self.coordinator(WHAT, group).await?;
                let newer = OffsetFetchRequest::default()
                    .with_groups(vec![
                        OffsetFetchRequestGroup::default()
                            .with_group_id(group_of(group))
                            .with_topics(None),
                    ])
                    .with_require_stable(require_stable);
                let older = OffsetFetchRequest::default()
                    .with_group_id(group_of(group))
                    .with_topics(None);
                let limit = self.settings.request_timeout;
                let pending = match connection.send_at_most(&newer, 9, limit) {
                    Err(ConnectionError::Malformed { .. }) => {
                        connection.send_at_most(&older, 5, limit)
                    }
                    other => other,
                };
                let answer = self.answered(WHAT, pending).await?;
                check(WHAT, group, answer.error_code)?;
                let mut offsets = BTreeMap::new();
                let mut add =
                    |topic: &TopicName, partition, code, offset, metadata: Option<StrBytes>| {
                        check(WHAT, &format!("{group} {}-{partition}", topic.0), code)?;
                        if offset >= 0 {
                            offsets.insert(
                                TopicPartition::new(topic.0.as_str(), partition),
                                OffsetAndMetadata {
                                    offset,
                                    metadata: metadata.map(|text| text.to_string()),
                                },
                            );
                        }
                        Ok(())
                    };
                for topic in answer.topics {
                    for p in topic.partitions {
                        add(
                            &topic.name,
                            p.partition_index,
                            p.error_code,
                            p.committed_offset,
                            p.metadata,
                        )?;
                    }
                }
                for found in answer.groups {
                    check(WHAT, group, found.error_code)?;
                    for topic in found.topics {
                        for p in topic.partitions {
                            add(
                                &topic.name,
                                p.partition_index,
                                p.error_code,
                                p.committed_offset,
                                p.metadata,
                            )?;
                        }
                    }
                }
                Ok(offsets)
            }
            .boxed()
        })
        .await
    }

    /// Sets committed offsets of a group without members.
    pub async fn alter_offsets(
        &self,
        group: &str,
        offsets: BTreeMap<(String, i32), i64>,
    ) -> Result<(), AdminError> {
        let offsets = offsets
            .into_iter()
            .map(|((topic, partition), offset)| {
                (
                    TopicPartition::new(topic, partition),
                    OffsetAndMetadata::new(offset),
                )
            })
            .collect();
        self.commit(group, &offsets).await
    }

    /// Sets committed offsets of a group without members, with the text beside them.
    pub async fn commit(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<(), AdminError> {
        const WHAT: &str = "alter offsets";
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (tp, committed) in offsets {
            let metadata = committed.metadata.clone().unwrap_or_default();
            topics.entry(&tp.topic).or_default().push(
                OffsetCommitRequestPartition::default()
                    .with_partition_index(tp.partition)
                    .with_committed_offset(committed.offset)
                    .with_committed_metadata(Some(StrBytes::from_string(metadata))),
            );
        }
        // No member and no generation: an admin, not a consumer.
        let request = OffsetCommitRequest::default()
            .with_group_id(group_of(group))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(
                topics
                    .into_iter()
                    .map(|(topic, partitions)| {
                        OffsetCommitRequestTopic::default()
                            .with_name(topic_of(topic))
                            .with_partitions(partitions)
                    })
                    .collect(),
            );
        self.retrying(WHAT, || {
            async {
                let connection = self.coordinator(WHAT, group).await?;
                let limit = self.settings.request_timeout;
                let pending = connection.send_at_most(&request, 9, limit);
                let answer = self.answered(WHAT, pending).await?;
                for topic in &answer.topics {
                    for p in &topic.partitions {
                        let object = format!("{group} {}-{}", topic.name.0, p.partition_index);
                        check(WHAT, &object, p.error_code)?;
                    }
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Forgets committed offsets of a group; a group that does not exist has none, which is fine.
    pub async fn delete_offsets(
        &self,
        group: &str,
        partitions: Vec<(String, i32)>,
    ) -> Result<(), AdminError> {
        const WHAT: &str = "delete offsets";
        let mut topics: BTreeMap<String, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for (topic, partition) in partitions {
            topics
                .entry(topic)
                .or_default()
                .push(OffsetDeleteRequestPartition::default().with_partition_index(partition));
        }
        let request = OffsetDeleteRequest::default()
            .with_group_id(group_of(group))
            .with_topics(
                topics
                    .into_iter()
                    .map(|(topic, partitions)| {
                        OffsetDeleteRequestTopic::default()
                            .with_name(topic_of(&topic))
                            .with_partitions(partitions)
                    })
                    .collect(),
            );
        self.retrying(WHAT, || {
            async {
                let connection = self.coordinator(WHAT, group).await?;
                let pending = connection.send(&request, self.settings.request_timeout);
                let answer = self.answered(WHAT, pending).await?;
                if answer.error_code == GROUP_ID_NOT_FOUND {
                    return Ok(());
                }
                check(WHAT, group, answer.error_code)?;
                for topic in &answer.topics {
                    for p in &topic.partitions {
                        let object = format!("{group} {}-{}", topic.name.0, p.partition_index);
                        check(WHAT, &object, p.error_code)?;
                    }
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Deletes a group with all its offsets; a group that does not exist is fine.
    pub async fn delete_group(&self, group: &str) -> Result<(), AdminError> {
        const WHAT: &str = "delete group";
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group_of(group)]);
        self.retrying(WHAT, || {
            async {
                let connection = self.coordinator(WHAT, group).await?;
                let pending = connection.send(&request, self.settings.request_timeout);
                let answer = self.answered(WHAT, pending).await?;
                for result in &answer.results {
                    if result.error_code != GROUP_ID_NOT_FOUND {
                        check(WHAT, group, result.error_code)?;
                    }
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// All groups of the cluster, sorted by id.
    pub async fn list_groups(&self) -> Result<Vec<ListedGroup>, AdminError> {
        const WHAT: &str = "list groups";
        self.retrying(WHAT, || {
            async {
                let metadata = self.metadata(WHAT, Some(&[])).await?;
                let mut groups = Vec::new();
                for address in broker_addresses(&metadata).values() {
                    let connection = self.connect(WHAT, address).await?;
                    let request = ListGroupsRequest::default();
                    let pending = connection.send(&request, self.settings.request_timeout);
                    let answer = self.answered(WHAT, pending).await?;
                    check(WHAT, address, answer.error_code)?;
                    groups.extend(answer.groups.into_iter().map(|group| ListedGroup {
                        group: group.group_id.0.to_string(),
                        protocol_type: group.protocol_type.to_string(),
                        state: group.group_state.to_string(),
                        group_type: group.group_type.to_string(),
                    }));
                }
                groups.sort_by(|a, b| a.group.cmp(&b.group));
                Ok(groups)
            }
            .boxed()
        })
        .await
    }

    /// Describes a classic group; `None` when it does not exist.
    pub async fn describe_group(&self, group: &str) -> Result<Option<DescribedGroup>, AdminError> {
        const WHAT: &str = "describe group";
        let request = DescribeGroupsRequest::default().with_groups(vec![group_of(group)]);
        self.retrying(WHAT, || {
            async {
                let connection = self.coordinator(WHAT, group).await?;
                let pending = connection.send(&request, self.settings.request_timeout);
                let answer = self.answered(WHAT, pending).await?;
                let Some(found) = answer.groups.into_iter().next() else {
                    return Ok(None);
                };
                if found.error_code == GROUP_ID_NOT_FOUND || *found.group_state == *"Dead" {
                    return Ok(None);
                }
                check(WHAT, group, found.error_code)?;
                Ok(Some(DescribedGroup {
                    state: found.group_state.to_string(),
                    protocol_type: found.protocol_type.to_string(),
                    protocol: found.protocol_data.to_string(),
                    members: found
                        .members
                        .into_iter()
                        .map(|member| DescribedMember {
                            member_id: member.member_id.to_string(),
                            client_id: member.client_id.to_string(),
                            client_host: member.client_host.to_string(),
                            metadata: member.member_metadata,
                            assignment: member.member_assignment,
                        })
                        .collect(),
                }))
            }
            .boxed()
        })
        .await
    }

    /// End offsets (high watermarks) of partitions; partitions that do not exist or have no leader are left
    /// out.
    pub async fn end_offsets(
        &self,
        partitions: &[(String, i32)],
    ) -> Result<BTreeMap<(String, i32), i64>, AdminError> {
        self.ends(partitions, READ_UNCOMMITTED).await
    }

    /// As [`GroupAdmin::end_offsets`], but the last stable offsets: before the first record of an open
    /// transaction.
    pub async fn stable_offsets(
        &self,
        partitions: &[(String, i32)],
    ) -> Result<BTreeMap<(String, i32), i64>, AdminError> {
        self.ends(partitions, READ_COMMITTED).await
    }

    async fn ends(
        &self,
        partitions: &[(String, i32)],
        isolation_level: i8,
    ) -> Result<BTreeMap<(String, i32), i64>, AdminError> {
        const WHAT: &str = "end offsets";
        self.retrying(WHAT, || {
            async {
                let mut names: Vec<&str> =
                    partitions.iter().map(|(topic, _)| topic.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                if names.is_empty() {
                    return Ok(BTreeMap::new());
                }
                let metadata = self.metadata(WHAT, Some(&names)).await?;
                let addresses = broker_addresses(&metadata);
                let mut asked: HashMap<&String, BTreeMap<String, Vec<ListOffsetsPartition>>> =
                    HashMap::new();
                for topic in &metadata.topics {
                    let Some(name) = topic.name.as_ref().map(|name| name.0.as_str()) else {
                        continue;
                    };
                    for partition in &topic.partitions {
                        let index = partition.partition_index;
                        let wanted = partitions.iter().any(|(t, p)| t == name && *p == index);
                        if let (true, Some(address)) = (wanted, addresses.get(&partition.leader_id))
                        {
                            asked
                                .entry(address)
                                .or_default()
                                .entry(name.to_owned())
                                .or_default()
                                .push(
                                    ListOffsetsPartition::default()
                                        .with_partition_index(index)
                                        .with_timestamp(LATEST),
                                );
                        }
                    }
                }
                let mut ends = BTreeMap::new();
                for (address, topics) in asked {
                    let connection = self.connect(WHAT, address).await?;
                    let request = ListOffsetsRequest::default()
                        .with_replica_id(BrokerId(-1))
                        .with_isolation_level(isolation_level)
                        .with_topics(
                            topics
                                .into_iter()
                                .map(|(topic, partitions)| {
                                    ListOffsetsTopic::default()
                                        .with_name(topic_of(&topic))
                                        .with_partitions(partitions)
                                })
                                .collect(),
                        );
                    let pending =
                        connection.send_at_most(&request, 9, self.settings.request_timeout);
                    let answer = self.answered(WHAT, pending).await?;
                    for topic in &answer.topics {
                        for p in &topic.partitions {
                            if p.error_code == UNKNOWN_TOPIC_OR_PARTITION {
                                continue;
                            }
                            let object = format!("{}-{}", topic.name.0, p.partition_index);
                            check(WHAT, &object, p.error_code)?;
                            ends.insert((topic.name.0.to_string(), p.partition_index), p.offset);
                        }
                    }
                }
                Ok(ends)
            }
            .boxed()
        })
        .await
    }

    /// Whether nothing but transaction markers stands from `from` up to `end`, as far as one fetch shows.
    pub async fn only_markers(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        end: i64,
    ) -> Result<bool, AdminError> {
        const WHAT: &str = "fetch";
        let request = FetchRequest::default()
            .with_max_wait_ms(0)
            .with_min_bytes(0)
            .with_max_bytes(MARKER_FETCH_BYTES)
            .with_topics(vec![
                FetchTopic::default()
                    .with_topic(topic_of(topic))
                    .with_partitions(vec![
                        FetchPartition::default()
                            .with_partition(partition)
                            .with_fetch_offset(from)
                            .with_partition_max_bytes(MARKER_FETCH_BYTES),
                    ]),
            ]);
        self.retrying(WHAT, || {
            async {
                let metadata = self.metadata(WHAT, Some(&[topic])).await?;
                let leader = metadata
                    .topics
                    .iter()
                    .flat_map(|topic| &topic.partitions)
                    .find(|found| found.partition_index == partition)
                    .and_then(|found| broker_addresses(&metadata).remove(&found.leader_id));
                let Some(address) = leader else {
                    return Ok(false);
                };
                let connection = self.connect(WHAT, &address).await?;
                // Later versions name topics by their ids.
                let pending = connection.send_at_most(&request, 12, self.settings.request_timeout);
                let answer = self.answered(WHAT, pending).await?;
                check(WHAT, topic, answer.error_code)?;
                let found = answer.responses.first().and_then(|t| t.partitions.first());
                let Some(found) = found else {
                    return Ok(false);
                };
                check(WHAT, &format!("{topic}-{partition}"), found.error_code)?;
                let records = found.records.as_deref().unwrap_or_default();
                Ok(batches_are_markers(records, from, end))
            }
            .boxed()
        })
        .await
    }

    /// Fences whoever produces with a transactional id (KIP-618).
    pub async fn fence_producer(&self, transactional_id: &str) -> Result<(), AdminError> {
        const WHAT: &str = "fence producer";
        let id = StrBytes::from_string(transactional_id.to_owned());
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(id)))
            .with_transaction_timeout_ms(1)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        self.retrying(WHAT, || {
            async {
                let connection =
                    discovery::transaction_coordinator(&self.settings, transactional_id)
                        .await
                        .map_err(|source| AdminError::Discovery { what: WHAT, source })?;
                let pending = connection.send_at_most(&request, 4, self.settings.request_timeout);
                let answer = self.answered(WHAT, pending).await?;
                check(WHAT, transactional_id, answer.error_code)
            }
            .boxed()
        })
        .await
    }

    pub(crate) async fn retrying<'a, T>(
        &self,
        what: &'static str,
        call: impl Fn() -> BoxFuture<'a, Result<T, AdminError>>,
    ) -> Result<T, AdminError> {
        let limit = self.settings.api_timeout;
        let deadline = Instant::now() + limit;
        let mut pause = self.settings.retry_backoff.max(Duration::from_millis(1));
        let mut last = "no answer yet".to_owned();
        let mut failed: u32 = 0;
        loop {
            match tokio::time::timeout_at(deadline, call()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) if error.is_retriable() => {
                    failed += 1;
                    last = with_causes(&error);
                    if failed.is_power_of_two() {
                        tracing::warn!(
                            what,
                            failed,
                            error = last,
                            "Kafka does not answer, trying again"
                        );
                    }
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(AdminError::Timeout { what, limit, last }),
            }
            if Instant::now() + pause >= deadline {
                return Err(AdminError::Timeout { what, limit, last });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.settings.retry_backoff_max.max(pause));
        }
    }

    pub(crate) async fn connect(
        &self,
        what: &'static str,
        address: &str,
    ) -> Result<BrokerConnection, AdminError> {
        BrokerConnection::connect(address, &self.settings)
            .await
            .map_err(|source| AdminError::Connection { what, source })
    }

    async fn coordinator(
        &self,
        what: &'static str,
        group: &str,
    ) -> Result<BrokerConnection, AdminError> {
        discovery::group_coordinator(&self.settings, group)
            .await
            .map_err(|source| AdminError::Discovery { what, source })
    }

    pub(crate) async fn answered<R: kafka_protocol::protocol::Request>(
        &self,
        what: &'static str,
        pending: Result<crate::connection::PendingResponse<R>, ConnectionError>,
    ) -> Result<R::Response, AdminError> {
        let failed = |source| AdminError::Connection { what, source };
        pending.map_err(failed)?.wait().await.map_err(failed)
    }

    /// Brokers, cluster id, and the named topics; without names all topics.
    pub(crate) async fn metadata(
        &self,
        what: &'static str,
        topics: Option<&[&str]>,
    ) -> Result<MetadataResponse, AdminError> {
        let connection = discovery::any_broker(&self.settings)
            .await
            .map_err(|source| AdminError::Discovery { what, source })?;
        let topics = topics.map(|names| {
            names
                .iter()
                .map(|topic| MetadataRequestTopic::default().with_name(Some(topic_of(topic))))
                .collect()
        });
        let request = MetadataRequest::default()
            .with_topics(topics)
            .with_allow_auto_topic_creation(false);
        let pending = connection.send(&request, self.settings.request_timeout);
        self.answered(what, pending).await
    }
}

/// Whether record batches hold nothing but control records from `from` on, and reach up to `end`.
///
/// A batch begins with its base offset (8 bytes), length (4), leader epoch (4), magic (1), checksum (4),
/// attributes (2, bit 5 for control batches) and the offset of its last record relative to the first (4).
fn batches_are_markers(mut records: &[u8], from: i64, end: i64) -> bool {
    const OVERHEAD: usize = 12;
    const CONTROL: u8 = 0x20;
    let mut next = from;
    while next < end {
        let number = |at: usize| -> Option<i32> {
            let bytes = records.get(at..at + 4)?;
            Some(i32::from_be_bytes(bytes.try_into().ok()?))
        };
        let base = records
            .get(..8)
            .and_then(|bytes| Some(i64::from_be_bytes(bytes.try_into().ok()?)));
        let (Some(base), Some(length), Some(last)) = (base, number(8), number(23)) else {
            return false;
        };
        let after = base + i64::from(last) + 1;
        if after > next {
            if records.get(22).is_none_or(|low| low & CONTROL == 0) {
                return false;
            }
            next = after;
        }
        let whole = usize::try_from(length).unwrap_or(usize::MAX);
        match records.get(OVERHEAD.saturating_add(whole)..) {
            Some(rest) => records = rest,
            None => return next >= end,
        }
    }
    true
}

pub(crate) fn topic_of(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

pub(crate) fn broker_addresses(metadata: &MetadataResponse) -> BTreeMap<BrokerId, String> {
    metadata
        .brokers
        .iter()
        .map(|broker| {
            (
                broker.node_id,
                discovery::address(&broker.host, broker.port),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of so many records from an offset on, without the records.
    fn batch(base: i64, records: i32, control: bool) -> Vec<u8> {
        let mut bytes = base.to_be_bytes().to_vec();
        bytes.extend(49_i32.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.push(2);
        bytes.extend([0; 4]);
        bytes.extend(if control { [0, 0x30] } else { [0, 0] });
        bytes.extend((records - 1).to_be_bytes());
        bytes.resize(61, 0);
        bytes
    }

    #[test]
    fn a_gap_is_of_markers_only_if_every_batch_in_it_is_one() {
        let markers = [batch(5, 1, true), batch(6, 1, true)].concat();
        assert!(batches_are_markers(&markers, 5, 7));
        assert!(!batches_are_markers(&markers, 5, 8));
        let data = [batch(5, 1, true), batch(6, 3, false)].concat();
        assert!(batches_are_markers(&data, 5, 6));
        assert!(!batches_are_markers(&data, 5, 7));
        // A batch that begins earlier does not count.
        let earlier = [batch(2, 3, false), batch(5, 1, true)].concat();
        assert!(batches_are_markers(&earlier, 5, 6));
        assert!(!batches_are_markers(&markers[..30], 5, 7));
        assert!(!batches_are_markers(&[], 5, 7));
    }
}
