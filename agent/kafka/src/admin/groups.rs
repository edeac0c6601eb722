//! Groups of every type: which there are, who is in them and what is assigned, and deleting them.
//!
//! Kafka describes each type of group by a call of its own: DescribeGroups those of the classic protocol,
//! Connect's among them, ConsumerGroupDescribe those of KIP-848, ShareGroupDescribe those of KIP-932, and
//! StreamsGroupDescribe those of KIP-1071. A group that one of them does not know is looked for by the next,
//! as Java's admin client does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, GroupId,
    ListGroupsRequest, ShareGroupDescribeRequest,
};
use kafka_protocol::protocol::Request;

use super::call::{Target, address_of};
use super::error::check;
use super::streams::StreamsGroupDescribeRequest;
use super::{Admin, AdminError};
use crate::types::{TopicPartition, group_id};
use crate::wire::connection::BrokerConnection;
use crate::wire::discovery::{self, CoordinatorOf};

/// Groups in one request.
const AT_ONCE: usize = 100;

/// A group as a broker lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Id of the group.
    pub group: String,
    /// `consumer`, `connect`, ...; empty for a group that only has offsets.
    pub protocol_type: String,
    /// State as the broker spells it; empty from old brokers.
    pub state: String,
    /// `classic`, `consumer`, `share`, ...; empty from brokers before 4.0.
    pub group_type: String,
}

/// By which protocol the members of a group work together (`org.apache.kafka.common.GroupType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupType {
    /// Consumers and Connect workers that agree among themselves (JoinGroup).
    Classic,
    /// Consumers that the coordinator gives their partitions (KIP-848).
    Consumer,
    /// Consumers that share partitions (KIP-932).
    Share,
    /// Members of one Kafka Streams application (KIP-1071).
    Streams,
}

/// As Kafka spells it.
impl fmt::Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "Classic",
            Self::Consumer => "Consumer",
            Self::Share => "Share",
            Self::Streams => "Streams",
        })
    }
}

/// A group as its coordinator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// By which protocol it works.
    pub group_type: GroupType,
    /// State as the coordinator spells it: `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`,
    /// `Assigning`, `Reconciling`, `NotReady`.
    pub state: String,
    /// Of a classic group what its members say: `consumer`, `connect`, ...; else `consumer`, `share` or
    /// `streams`.
    pub protocol_type: String,
    /// Of a classic group the protocol chosen, for example `sessioned`; else the assignor, if it has one.
    pub protocol: String,
    /// Its members, in the coordinator's sequence.
    pub members: Vec<DescribedMember>,
}

/// A member of a described group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The id that the coordinator knows it by.
    pub member_id: String,
    /// Its `client.id`, which it chose itself.
    pub client_id: String,
    /// Its address as the broker sees it.
    pub client_host: String,
    /// What a member of a classic group says about itself, in the protocol's layout; else empty.
    pub metadata: Bytes,
    /// What a member of a classic group is assigned, in the protocol's layout; else empty.
    pub assignment: Bytes,
    /// The partitions that a consumer reads; of other members none are known.
    pub partitions: Vec<TopicPartition>,
}

/// What a coordinator answered for one group.
type Answered = (GroupId, i16, DescribedGroup);

/// A group of a protocol in which the coordinator gives members their partitions. The protocol crate has a
/// type of its own for each such protocol, with the same fields.
macro_rules! assigned_by_coordinator {
    ($read:ident, $answer:ident, $group_type:expr, $protocol_type:literal) => {
        fn $read(group: kafka_protocol::messages::$answer::DescribedGroup) -> Answered {
            let members = group.members.into_iter().map(|member| DescribedMember {
                member_id: member.member_id.to_string(),
                client_id: member.client_id.to_string(),
                client_host: member.client_host.to_string(),
                metadata: Bytes::new(),
                assignment: Bytes::new(),
                partitions: (member.assignment.topic_partitions.iter())
                    .flat_map(|topic| {
                        let name = topic.topic_name.0.as_str();
                        let partitions = topic.partitions.iter();
                        partitions.map(move |partition| TopicPartition::new(name, *partition))
                    })
                    .collect(),
            });
            let described = DescribedGroup {
                group_type: $group_type,
                state: group.group_state.to_string(),
                protocol_type: $protocol_type.to_owned(),
                protocol: group.assignor_name.to_string(),
                members: members.collect(),
            };
            (group.group_id, group.error_code, described)
        }
    };
}

assigned_by_coordinator!(
    consumer,
    consumer_group_describe_response,
    GroupType::Consumer,
    "consumer"
);
assigned_by_coordinator!(
    share,
    share_group_describe_response,
    GroupType::Share,
    "share"
);

impl Admin {
    /// All groups of the cluster, sorted by id.
    pub async fn list_groups(&self) -> Result<Vec<ListedGroup>, AdminError> {
        const WHAT: &str = "list groups";
        self.retrying(WHAT, || async {
            let metadata = self.metadata(WHAT, Some(&[])).await?;
            let ids = metadata.brokers.iter().map(|broker| broker.node_id);
            let mut groups = Vec::new();
            for address in ids.filter_map(|id| address_of(&metadata, id)) {
                let connection = self.connection(WHAT, Target::At(&address)).await?;
                let request = ListGroupsRequest::default();
                let answer = self.ask(WHAT, &connection, &request).await?;
                check(WHAT, &address, answer.error_code)?;
                groups.extend(answer.groups.into_iter().map(|group| ListedGroup {
                    group: group.group_id.0.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                    state: group.group_state.to_string(),
                    group_type: group.group_type.to_string(),
                }));
            }
            groups.sort_by(|a, b| a.group.cmp(&b.group));
            Ok(groups)
        })
        .await
    }

    /// Describes a group of any type; `None` when it does not exist.
    pub async fn describe_group(&self, group: &str) -> Result<Option<DescribedGroup>, AdminError> {
        const WHAT: &str = "describe group";
        let target = Target::Coordinator(CoordinatorOf::Groups, group);
        self.retrying(WHAT, || async {
            let connection = self.connection(WHAT, target).await?;
            let mut found = self.describe_on(WHAT, &connection, &[group]).await?;
            found.remove(group).transpose()
        })
        .await
    }

    /// Describes many groups of any type. One that does not exist, or whose coordinator is not there or
    /// refuses, is left out; why is logged at level debug.
    ///
    /// # Errors
    /// No broker could be asked for coordinators.
    pub async fn describe_groups(
        &self,
        groups: &[&str],
    ) -> Result<BTreeMap<String, DescribedGroup>, AdminError> {
        const WHAT: &str = "describe groups";
        let mut described = BTreeMap::new();
        for (connection, groups) in self.by_coordinator(WHAT, groups).await? {
            let found = match self.describe_on(WHAT, &connection, &groups).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::debug!(%error, "groups of one coordinator are left out");
                    continue;
                }
            };
            for (group, found) in found {
                match found {
                    Ok(found) => {
                        described.insert(group, found);
                    }
                    Err(error) => tracing::debug!(%error, group, "a group is left out"),
                }
            }
        }
        Ok(described)
    }

    /// Deletes a group with all its offsets; a group that does not exist is fine.
    pub async fn delete_group(&self, group: &str) -> Result<(), AdminError> {
        const WHAT: &str = "delete group";
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(group)]);
        let target = Target::Coordinator(CoordinatorOf::Groups, group);
        self.call(WHAT, target, &request, |answer| {
            let results = answer.results.iter();
            let mut codes = results.map(|result| result.error_code);
            codes.try_for_each(|code| match code.err() {
                Some(ResponseError::GroupIdNotFound) => Ok(()),
                _ => check(WHAT, group, code),
            })
        })
        .await
    }

    /// Groups by the connection to their coordinator, no more than fit into one request. Those without one
    /// are left out; why is logged at level debug.
    pub(super) async fn by_coordinator<'a>(
        &self,
        what: &'static str,
        groups: &[&'a str],
    ) -> Result<Vec<(Arc<BrokerConnection>, Vec<&'a str>)>, AdminError> {
        let mut by_address: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for some in groups.chunks(AT_ONCE) {
            let found = self
                .retrying(what, || async {
                    let broker = self.connection(what, Target::Any).await?;
                    let in_use = self.connections.using(&broker);
                    let of = CoordinatorOf::Groups;
                    let found = discovery::coordinators(&broker, of, some, &self.settings).await;
                    let found = found.map_err(|source| AdminError::Connection { what, source })?;
                    in_use.answered();
                    Ok(found)
                })
                .await?;
            for (key, address) in found {
                let group = some.iter().find(|group| **group == key);
                match (address, group) {
                    (Ok(address), Some(group)) => {
                        by_address.entry(address).or_default().push(*group);
                    }
                    (Err(error), _) => tracing::debug!(%error, key, "a group is left out"),
                    (Ok(_), None) => {}
                }
            }
        }
        let mut connected = Vec::new();
        for (address, groups) in by_address {
            match self.connection(what, Target::At(&address)).await {
                Ok(connection) => {
                    let chunks = groups.chunks(AT_ONCE);
                    connected.extend(chunks.map(|some| (Arc::clone(&connection), some.to_vec())));
                }
                Err(error) => {
                    tracing::debug!(%error, address, "groups of one coordinator are left out");
                }
            }
        }
        Ok(connected)
    }

    /// Asks a coordinator about its groups, by the call for each type in turn as long as some are left.
    async fn describe_on(
        &self,
        what: &'static str,
        connection: &Arc<BrokerConnection>,
        groups: &[&str],
    ) -> Result<BTreeMap<String, Result<DescribedGroup, AdminError>>, AdminError> {
        let mut look = Look {
            admin: self,
            what,
            connection,
            left: groups.iter().map(|group| group_id(group)).collect(),
            found: BTreeMap::new(),
        };
        let request = DescribeGroupsRequest::default().with_groups(look.left.clone());
        look.describe(request, |answer| {
            let groups = answer.groups.into_iter();
            groups.map(classic).collect()
        })
        .await?;
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(look.left.clone());
        look.describe(request, |answer| {
            let groups = answer.groups.into_iter();
            groups.map(consumer).collect()
        })
        .await?;
        let request = ShareGroupDescribeRequest::default().with_group_ids(look.left.clone());
        look.describe(request, |answer| {
            let groups = answer.groups.into_iter();
            groups.map(share).collect()
        })
        .await?;
        let request = StreamsGroupDescribeRequest::of(&look.left);
        look.describe(request, |answer| answer.described()).await?;
        Ok(look.found)
    }
}

/// Groups that a coordinator is asked about, by one call after the other.
struct Look<'a> {
    admin: &'a Admin,
    what: &'static str,
    connection: &'a Arc<BrokerConnection>,
    /// Those that no call so far has known.
    left: Vec<GroupId>,
    found: BTreeMap<String, Result<DescribedGroup, AdminError>>,
}

impl Look<'_> {
    /// Makes one call about the groups that are left, if the broker has it.
    async fn describe<R: Request>(
        &mut self,
        request: R,
        read: impl FnOnce(R::Response) -> Vec<Answered>,
    ) -> Result<(), AdminError> {
        if self.left.is_empty() {
            return Ok(());
        }
        let answer = match self.admin.ask(self.what, self.connection, &request).await {
            Ok(answer) => answer,
            Err(error) if error.is_unsupported() => return Ok(()),
            Err(error) => return Err(error),
        };
        for (group, code, described) in read(answer) {
            let unknown = matches!(
                code.err(),
                // A broker may have the call and not the protocol, where features of the cluster are older.
                Some(ResponseError::GroupIdNotFound | ResponseError::UnsupportedVersion)
            );
            if unknown || described.state == DEAD {
                continue;
            }
            self.left.retain(|other| *other != group);
            let found = check(self.what, &group.0, code).map(|()| described);
            self.found.insert(group.0.to_string(), found);
        }
        Ok(())
    }
}

/// State of a group that does not exist, from brokers that have no error for it.
const DEAD: &str = "Dead";

fn classic(group: kafka_protocol::messages::describe_groups_response::DescribedGroup) -> Answered {
    let is_consumer = *group.protocol_type == *"consumer";
    let members = group.members.into_iter().map(|member| DescribedMember {
        member_id: member.member_id.to_string(),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        partitions: Some(&member.member_assignment)
            .filter(|_| is_consumer)
            .and_then(|bytes| assigned(bytes))
            .unwrap_or_default(),
        metadata: member.member_metadata,
        assignment: member.member_assignment,
    });
    let described = DescribedGroup {
        group_type: GroupType::Classic,
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        members: members.collect(),
    };
    (group.group_id, group.error_code, described)
}

/// Reads an assignment of the classic consumer protocol (`ConsumerProtocolAssignment`): version, then topics
/// with their partitions. Members choose these bytes, so that nothing in them is believed before it is
/// there.
fn assigned(bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    let mut reader = Reader(bytes);
    reader.i16()?;
    let mut partitions = Vec::new();
    for _ in 0..reader.i32()? {
        let length = usize::try_from(reader.i16()?).ok()?;
        let topic = std::str::from_utf8(reader.take(length)?).ok()?;
        for _ in 0..reader.i32()? {
            partitions.push(TopicPartition::new(topic, reader.i32()?));
        }
    }
    Some(partitions)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take(2)?.try_into().ok().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_a_broken_one_is_refused() {
        let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2];
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 4]);
        let partitions = assigned(&bytes).unwrap();
        let at = |partition| TopicPartition::new("t", partition);
        assert_eq!(partitions, [at(0), at(4)]);
        for cut in 0..bytes.len() {
            assert_eq!(assigned(&bytes[..cut]), None);
        }
        assert_eq!(assigned(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), None);
    }
}
