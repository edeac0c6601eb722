//! The layout of the requests, from Kafka's message definitions, so that lengths can be checked before anything is read.
//!
//! Per API: the first version with compact lengths and tagged fields, then the fields in order, each with the first and
//! the last version that has it. Tagged fields are not listed; they carry their own length.

use kafka_protocol::messages::ApiKey;

use super::shape::Field;
use super::shape::Kind::{Array, Bytes, Fixed, Struct, Text};

/// Of APIs without compact versions.
const NEVER: i16 = i16::MAX;

/// API, first flexible version, fields.
#[rustfmt::skip]
pub(super) const SHAPES: &[(ApiKey, i16, &[Field])] = &[
    (ApiKey::Produce, 9, &[(3, 13, Text), (3, 13, Fixed(2)), (3, 13, Fixed(4)), (3, 13, Array(&Struct(&[(3, 12, Text), (13, 13, Fixed(16)), (3, 13, Array(&Struct(&[(3, 13, Fixed(4)), (3, 13, Bytes)])))])))]),
    (ApiKey::Fetch, 12, &[(4, 14, Fixed(4)), (4, 18, Fixed(4)), (4, 18, Fixed(4)), (4, 18, Fixed(4)), (4, 18, Fixed(1)), (7, 18, Fixed(4)), (7, 18, Fixed(4)), (4, 18, Array(&Struct(&[(4, 12, Text), (13, 18, Fixed(16)), (4, 18, Array(&Struct(&[(4, 18, Fixed(4)), (9, 18, Fixed(4)), (4, 18, Fixed(8)), (12, 18, Fixed(4)), (5, 18, Fixed(8)), (4, 18, Fixed(4))])))]))), (7, 18, Array(&Struct(&[(7, 12, Text), (13, 18, Fixed(16)), (7, 18, Array(&Fixed(4)))]))), (11, 18, Text)]),
    (ApiKey::ListOffsets, 6, &[(1, 10, Fixed(4)), (2, 10, Fixed(1)), (1, 10, Array(&Struct(&[(1, 10, Text), (1, 10, Array(&Struct(&[(1, 10, Fixed(4)), (4, 10, Fixed(4)), (1, 10, Fixed(8))])))]))), (10, 10, Fixed(4))]),
    (ApiKey::Metadata, 9, &[(0, 13, Array(&Struct(&[(10, 13, Fixed(16)), (0, 13, Text)]))), (4, 13, Fixed(1)), (8, 10, Fixed(1)), (8, 13, Fixed(1))]),
    (ApiKey::OffsetCommit, 8, &[(2, 9, Text), (2, 9, Fixed(4)), (2, 9, Text), (7, 9, Text), (2, 4, Fixed(8)), (2, 9, Array(&Struct(&[(2, 9, Text), (2, 9, Array(&Struct(&[(2, 9, Fixed(4)), (2, 9, Fixed(8)), (6, 9, Fixed(4)), (2, 9, Text)])))])))]),
    (ApiKey::OffsetFetch, 6, &[(1, 7, Text), (1, 7, Array(&Struct(&[(1, 7, Text), (1, 7, Array(&Fixed(4)))]))), (8, 9, Array(&Struct(&[(8, 9, Text), (9, 9, Text), (9, 9, Fixed(4)), (8, 9, Array(&Struct(&[(8, 9, Text), (8, 9, Array(&Fixed(4)))])))]))), (7, 9, Fixed(1))]),
    (ApiKey::FindCoordinator, 3, &[(0, 3, Text), (1, 6, Fixed(1)), (4, 6, Array(&Text))]),
    (ApiKey::JoinGroup, 6, &[(0, 9, Text), (0, 9, Fixed(4)), (1, 9, Fixed(4)), (0, 9, Text), (5, 9, Text), (0, 9, Text), (0, 9, Array(&Struct(&[(0, 9, Text), (0, 9, Bytes)]))), (8, 9, Text)]),
    (ApiKey::Heartbeat, 4, &[(0, 4, Text), (0, 4, Fixed(4)), (0, 4, Text), (3, 4, Text)]),
    (ApiKey::LeaveGroup, 4, &[(0, 5, Text), (0, 2, Text), (3, 5, Array(&Struct(&[(3, 5, Text), (3, 5, Text), (5, 5, Text)])))]),
    (ApiKey::SyncGroup, 4, &[(0, 5, Text), (0, 5, Fixed(4)), (0, 5, Text), (3, 5, Text), (5, 5, Text), (5, 5, Text), (0, 5, Array(&Struct(&[(0, 5, Text), (0, 5, Bytes)])))]),
    (ApiKey::DescribeGroups, 5, &[(0, 6, Array(&Text)), (3, 6, Fixed(1))]),
    (ApiKey::ListGroups, 3, &[(4, 5, Array(&Text)), (5, 5, Array(&Text))]),
    (ApiKey::ApiVersions, 3, &[(3, 4, Text), (3, 4, Text)]),
    (ApiKey::CreateTopics, 5, &[(2, 7, Array(&Struct(&[(2, 7, Text), (2, 7, Fixed(4)), (2, 7, Fixed(2)), (2, 7, Array(&Struct(&[(2, 7, Fixed(4)), (2, 7, Array(&Fixed(4)))]))), (2, 7, Array(&Struct(&[(2, 7, Text), (2, 7, Text)])))]))), (2, 7, Fixed(4)), (2, 7, Fixed(1))]),
    (ApiKey::DeleteTopics, 4, &[(6, 6, Array(&Struct(&[(6, 6, Text), (6, 6, Fixed(16))]))), (1, 5, Array(&Text)), (1, 6, Fixed(4))]),
    (ApiKey::DeleteRecords, 2, &[(0, 2, Array(&Struct(&[(0, 2, Text), (0, 2, Array(&Struct(&[(0, 2, Fixed(4)), (0, 2, Fixed(8))])))]))), (0, 2, Fixed(4))]),
    (ApiKey::InitProducerId, 2, &[(0, 5, Text), (0, 5, Fixed(4)), (3, 5, Fixed(8)), (3, 5, Fixed(2))]),
    (ApiKey::OffsetForLeaderEpoch, 4, &[(3, 4, Fixed(4)), (2, 4, Array(&Struct(&[(2, 4, Text), (2, 4, Array(&Struct(&[(2, 4, Fixed(4)), (2, 4, Fixed(4)), (2, 4, Fixed(4))])))])))]),
    (ApiKey::AddPartitionsToTxn, 3, &[(4, 5, Array(&Struct(&[(4, 5, Text), (4, 5, Fixed(8)), (4, 5, Fixed(2)), (4, 5, Fixed(1)), (4, 5, Array(&Struct(&[(0, 5, Text), (0, 5, Array(&Fixed(4)))])))]))), (0, 3, Text), (0, 3, Fixed(8)), (0, 3, Fixed(2)), (0, 3, Array(&Struct(&[(0, 5, Text), (0, 5, Array(&Fixed(4)))])))]),
    (ApiKey::AddOffsetsToTxn, 3, &[(0, 4, Text), (0, 4, Fixed(8)), (0, 4, Fixed(2)), (0, 4, Text)]),
    (ApiKey::EndTxn, 3, &[(0, 5, Text), (0, 5, Fixed(8)), (0, 5, Fixed(2)), (0, 5, Fixed(1))]),
    (ApiKey::TxnOffsetCommit, 3, &[(0, 5, Text), (0, 5, Text), (0, 5, Fixed(8)), (0, 5, Fixed(2)), (3, 5, Fixed(4)), (3, 5, Text), (3, 5, Text), (0, 5, Array(&Struct(&[(0, 5, Text), (0, 5, Array(&Struct(&[(0, 5, Fixed(4)), (0, 5, Fixed(8)), (2, 5, Fixed(4)), (0, 5, Text)])))])))]),
    (ApiKey::DescribeAcls, 2, &[(1, 3, Fixed(1)), (1, 3, Text), (1, 3, Fixed(1)), (1, 3, Text), (1, 3, Text), (1, 3, Fixed(1)), (1, 3, Fixed(1))]),
    (ApiKey::DescribeConfigs, 4, &[(1, 4, Array(&Struct(&[(1, 4, Fixed(1)), (1, 4, Text), (1, 4, Array(&Text))]))), (1, 4, Fixed(1)), (3, 4, Fixed(1))]),
    (ApiKey::AlterConfigs, 2, &[(0, 2, Array(&Struct(&[(0, 2, Fixed(1)), (0, 2, Text), (0, 2, Array(&Struct(&[(0, 2, Text), (0, 2, Text)])))]))), (0, 2, Fixed(1))]),
    (ApiKey::DescribeLogDirs, 2, &[(1, 4, Array(&Struct(&[(1, 4, Text), (1, 4, Array(&Fixed(4)))])))]),
    (ApiKey::CreatePartitions, 2, &[(0, 3, Array(&Struct(&[(0, 3, Text), (0, 3, Fixed(4)), (0, 3, Array(&Struct(&[(0, 3, Array(&Fixed(4)))])))]))), (0, 3, Fixed(4)), (0, 3, Fixed(1))]),
    (ApiKey::DeleteGroups, 2, &[(0, 2, Array(&Text))]),
    (ApiKey::IncrementalAlterConfigs, 1, &[(0, 1, Array(&Struct(&[(0, 1, Fixed(1)), (0, 1, Text), (0, 1, Array(&Struct(&[(0, 1, Text), (0, 1, Fixed(1)), (0, 1, Text)])))]))), (0, 1, Fixed(1))]),
    (ApiKey::ListPartitionReassignments, 0, &[(0, 0, Fixed(4)), (0, 0, Array(&Struct(&[(0, 0, Text), (0, 0, Array(&Fixed(4)))])))]),
    (ApiKey::OffsetDelete, NEVER, &[(0, 0, Text), (0, 0, Array(&Struct(&[(0, 0, Text), (0, 0, Array(&Struct(&[(0, 0, Fixed(4))])))])))]),
    (ApiKey::DescribeCluster, 0, &[(0, 2, Fixed(1)), (1, 2, Fixed(1)), (2, 2, Fixed(1))]),
    (ApiKey::DescribeProducers, 0, &[(0, 0, Array(&Struct(&[(0, 0, Text), (0, 0, Array(&Fixed(4)))])))]),
    (ApiKey::DescribeTransactions, 0, &[(0, 0, Array(&Text))]),
    (ApiKey::ListTransactions, 0, &[(0, 2, Array(&Text)), (0, 2, Array(&Fixed(8))), (1, 2, Fixed(8)), (2, 2, Text)]),
    (ApiKey::ListConfigResources, 0, &[(1, 1, Array(&Fixed(1)))]),
];
