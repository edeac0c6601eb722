//! About the broker itself: versions, nodes, coordinators, folders.

use std::collections::BTreeMap;

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, DescribeAclsResponse, DescribeClusterRequest,
    DescribeClusterResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, ListPartitionReassignmentsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::node::{NODE, Node};
use super::{text, topic_name};
use crate::error_code::{INVALID_REQUEST, NONE, SECURITY_DISABLED};
use crate::state::Shared;
use crate::wire;

/// Operations on the cluster and on topics that clients may do by what answers say: all of them, since there are no
/// rights. As bits of `AclOperation`.
pub(super) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;
pub(super) const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
pub(super) const GROUP_OPERATIONS: i32 = 0b1_0001_0100_1000;

/// The operations in an answer: `all` if the client asked for them.
pub(super) fn operations(asked: bool, all: i32) -> i32 {
    if asked { all } else { i32::MIN }
}

pub(super) fn api_versions(error: i16) -> ApiVersionsResponse {
    let mut answer = ApiVersionsResponse::default();
    answer.error_code = error;
    answer.finalized_features_epoch = -1;
    answer.api_keys = wire::supported()
        .map(|(api, oldest, newest)| {
            ApiVersion::default()
                .with_api_key(api as i16)
                .with_min_version(oldest)
                .with_max_version(newest)
        })
        .collect();
    answer
}

pub(super) fn describe(node: &Node, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let mut answer = DescribeClusterResponse::default();
    answer.endpoint_type = 1;
    answer.cluster_id = text(node.cluster_id.clone());
    answer.controller_id = BrokerId(NODE);
    answer.cluster_authorized_operations = operations(
        request.include_cluster_authorized_operations,
        CLUSTER_OPERATIONS,
    );
    if request.endpoint_type == 2 {
        answer.error_code = INVALID_REQUEST;
        answer.error_message = Some(StrBytes::from_static_str(
            "This broker has no controller endpoints.",
        ));
        return answer;
    }
    answer.brokers = vec![
        DescribeClusterBroker::default()
            .with_broker_id(BrokerId(NODE))
            .with_host(text(node.host.clone()))
            .with_port(i32::from(node.port)),
    ];
    answer
}

pub(super) fn find_coordinator(
    node: &Node,
    request: FindCoordinatorRequest,
    version: i16,
) -> FindCoordinatorResponse {
    // 0 is a group, 1 a transactional id; share groups (2) are not known here.
    let error = if matches!(request.key_type, 0 | 1) {
        NONE
    } else {
        INVALID_REQUEST
    };
    let (id, host, port) = if error == NONE {
        (NODE, text(node.host.clone()), i32::from(node.port))
    } else {
        (-1, StrBytes::new(), -1)
    };
    let mut answer = FindCoordinatorResponse::default();
    if version < 4 {
        answer.error_code = error;
        answer.node_id = BrokerId(id);
        answer.host = host;
        answer.port = port;
        return answer;
    }
    answer.coordinators = request
        .coordinator_keys
        .into_iter()
        .map(|key| {
            Coordinator::default()
                .with_key(key)
                .with_node_id(BrokerId(id))
                .with_host(host.clone())
                .with_port(port)
                .with_error_code(error)
        })
        .collect();
    answer
}

pub(super) fn log_dirs(
    node: &Node,
    shared: &Shared,
    request: &DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let wanted: Option<BTreeMap<&str, &Vec<i32>>> = request.topics.as_ref().map(|topics| {
        topics
            .iter()
            .map(|topic| (topic.topic.as_str(), &topic.partitions))
            .collect()
    });
    let topics = shared.topics();
    let described = topics
        .by_name
        .values()
        .filter_map(|topic| {
            let indexes: Vec<i32> = match &wanted {
                None => (0..i32::try_from(topic.partitions.len()).ok()?).collect(),
                Some(wanted) => (*wanted.get(topic.name.as_str())?).clone(),
            };
            let partitions = indexes
                .into_iter()
                .filter_map(|index| {
                    let bytes = topic.partition(index)?.read().bytes;
                    Some(
                        DescribeLogDirsPartition::default()
                            .with_partition_index(index)
                            .with_partition_size(i64::try_from(bytes).unwrap_or(i64::MAX)),
                    )
                })
                .collect();
            Some(
                DescribeLogDirsTopic::default()
                    .with_name(topic_name(topic.name.clone()))
                    .with_partitions(partitions),
            )
        })
        .collect();
    let space = rustix::fs::statvfs(&node.config.dir).ok();
    let bytes = |blocks: Option<u64>, size: Option<u64>| {
        blocks
            .zip(size)
            .and_then(|(blocks, size)| i64::try_from(blocks.saturating_mul(size)).ok())
            .unwrap_or(-1)
    };
    let size = space.as_ref().map(|space| space.f_frsize);
    let result = DescribeLogDirsResult::default()
        .with_log_dir(text(node.config.dir.display().to_string()))
        .with_topics(described)
        .with_total_bytes(bytes(space.as_ref().map(|space| space.f_blocks), size))
        .with_usable_bytes(bytes(space.as_ref().map(|space| space.f_bavail), size));
    DescribeLogDirsResponse::default().with_results(vec![result])
}

/// There are no rights to list: what a broker without an authorizer says.
pub(super) fn describe_acls() -> DescribeAclsResponse {
    DescribeAclsResponse::default()
        .with_error_code(SECURITY_DISABLED)
        .with_error_message(Some(StrBytes::from_static_str(
            "No Authorizer is configured on the broker",
        )))
}

/// One node moves no partitions.
pub(super) fn list_reassignments() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}
