//! Every API in every version that is offered is answered, in a form that decodes.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;

use super::Served;
use super::client::{self, Client, topic_name};

async fn all_versions<R: Request>(
    client: &mut Client,
    offered: &ApiVersionsResponse,
    request: impl Fn(i16) -> R,
) {
    let api = offered
        .api_keys
        .iter()
        .find(|api| api.api_key == R::KEY)
        .unwrap_or_else(|| panic!("API {} is not offered", R::KEY));
    for version in api.min_version..=api.max_version {
        let asked = request(version);
        client
            .call(&asked, version)
            .await
            .unwrap_or_else(|error| panic!("API {} version {version}: {error}", R::KEY));
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of all APIs")]
async fn every_offered_version_of_every_api_is_answered() {
    let served = Served::start().await;
    let mut client = served.client().await;
    assert_eq!(client.create_topic("t", 2).await.unwrap(), 0);
    let offered = client
        .call(&ApiVersionsRequest::default(), 0)
        .await
        .unwrap();
    let c = &mut client;
    let group = || GroupId(kafka_protocol::protocol::StrBytes::from_static_str("g"));
    let transactional =
        || TransactionalId(kafka_protocol::protocol::StrBytes::from_static_str("x"));
    let text = kafka_protocol::protocol::StrBytes::from_static_str;

    all_versions(c, &offered, |_| {
        ApiVersionsRequest::default()
            .with_client_software_name(text("test"))
            .with_client_software_version(text("1"))
    })
    .await;
    all_versions(c, &offered, |_| {
        MetadataRequest::default().with_topics(Some(vec![
            metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("t"))),
        ]))
    })
    .await;
    all_versions(c, &offered, |_| {
        client::produce_request("t", client::batch(client::ANYBODY, 5, &[(None, Some("v"))]))
    })
    .await;
    all_versions(c, &offered, |version| {
        let mut fetch = client::fetch_request("t", 0, 0, 1);
        if version >= 13 {
            fetch.topics[0].topic = topic_name("");
        }
        fetch
    })
    .await;
    all_versions(c, &offered, |_| {
        ListOffsetsRequest::default().with_topics(vec![
            list_offsets_request::ListOffsetsTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![
                    list_offsets_request::ListOffsetsPartition::default().with_timestamp(1),
                ]),
        ])
    })
    .await;
    all_versions(c, &offered, |_| {
        OffsetForLeaderEpochRequest::default().with_topics(vec![
            offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
                .with_topic(topic_name("t"))
                .with_partitions(vec![
                    offset_for_leader_epoch_request::OffsetForLeaderPartition::default(),
                ]),
        ])
    })
    .await;
    all_versions(c, &offered, |version| {
        let request = FindCoordinatorRequest::default();
        if version >= 4 {
            request.with_coordinator_keys(vec![text("g")])
        } else {
            request.with_key(text("g"))
        }
    })
    .await;
    all_versions(c, &offered, |version| {
        let request = JoinGroupRequest::default()
            .with_group_id(group())
            .with_session_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_member_id(text("nobody"));
        if version >= 1 {
            request.with_rebalance_timeout_ms(1000)
        } else {
            request
        }
    })
    .await;
    all_versions(c, &offered, |_| {
        SyncGroupRequest::default().with_group_id(group())
    })
    .await;
    all_versions(c, &offered, |_| {
        HeartbeatRequest::default().with_group_id(group())
    })
    .await;
    all_versions(c, &offered, |version| {
        let request = LeaveGroupRequest::default().with_group_id(group());
        if version >= 3 {
            request.with_members(vec![
                leave_group_request::MemberIdentity::default().with_member_id(text("m")),
            ])
        } else {
            request
        }
    })
    .await;
    all_versions(c, &offered, |_| {
        OffsetCommitRequest::default()
            .with_group_id(group())
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![
                offset_commit_request::OffsetCommitRequestTopic::default()
                    .with_name(topic_name("t"))
                    .with_partitions(vec![
                        offset_commit_request::OffsetCommitRequestPartition::default()
                            .with_committed_offset(3),
                    ]),
            ])
    })
    .await;
    all_versions(c, &offered, |version| {
        let request = OffsetFetchRequest::default();
        if version >= 8 {
            request.with_groups(vec![
                offset_fetch_request::OffsetFetchRequestGroup::default()
                    .with_group_id(group())
                    .with_topics(None),
            ])
        } else if version >= 2 {
            request.with_group_id(group()).with_topics(None)
        } else {
            request.with_group_id(group()).with_topics(Some(Vec::new()))
        }
    })
    .await;
    all_versions(c, &offered, |_| ListGroupsRequest::default()).await;
    all_versions(c, &offered, |_| {
        DescribeGroupsRequest::default().with_groups(vec![group()])
    })
    .await;
    all_versions(c, &offered, |_| {
        OffsetDeleteRequest::default().with_group_id(group())
    })
    .await;
    all_versions(c, &offered, |_| {
        DeleteGroupsRequest::default().with_groups_names(vec![group()])
    })
    .await;
    all_versions(c, &offered, |_| {
        InitProducerIdRequest::default()
            .with_transactional_id(Some(transactional()))
            .with_transaction_timeout_ms(60_000)
    })
    .await;
    all_versions(c, &offered, |_| {
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transactional())
            .with_v3_and_below_topics(vec![
                add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
                    .with_name(topic_name("t"))
                    .with_partitions(vec![0]),
            ])
    })
    .await;
    all_versions(c, &offered, |_| {
        AddOffsetsToTxnRequest::default()
            .with_transactional_id(transactional())
            .with_group_id(group())
    })
    .await;
    all_versions(c, &offered, |_| {
        TxnOffsetCommitRequest::default()
            .with_transactional_id(transactional())
            .with_group_id(group())
            .with_topics(vec![
                txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
                    .with_name(topic_name("t"))
                    .with_partitions(vec![
                        txn_offset_commit_request::TxnOffsetCommitRequestPartition::default(),
                    ]),
            ])
    })
    .await;
    all_versions(c, &offered, |_| {
        EndTxnRequest::default().with_transactional_id(transactional())
    })
    .await;
    all_versions(c, &offered, |_| {
        DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional()])
    })
    .await;
    all_versions(c, &offered, |_| ListTransactionsRequest::default()).await;
    all_versions(c, &offered, |_| {
        DescribeProducersRequest::default().with_topics(vec![
            describe_producers_request::TopicRequest::default()
                .with_name(topic_name("t"))
                .with_partition_indexes(vec![0, 7]),
        ])
    })
    .await;
    all_versions(c, &offered, |_| DescribeAclsRequest::default()).await;
    all_versions(c, &offered, |_| {
        DescribeConfigsRequest::default().with_resources(vec![
            describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("t"))
                .with_configuration_keys(None),
            describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(4)
                .with_resource_name(text("1"))
                .with_configuration_keys(None),
        ])
    })
    .await;
    all_versions(c, &offered, |_| {
        AlterConfigsRequest::default().with_resources(vec![
            alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("t")),
        ])
    })
    .await;
    all_versions(c, &offered, |_| {
        IncrementalAlterConfigsRequest::default().with_resources(vec![
            incremental_alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("t")),
        ])
    })
    .await;
    all_versions(c, &offered, |_| ListConfigResourcesRequest::default()).await;
    all_versions(c, &offered, |_| {
        DescribeLogDirsRequest::default().with_topics(None)
    })
    .await;
    all_versions(c, &offered, |_| DescribeClusterRequest::default()).await;
    all_versions(c, &offered, |_| {
        ListPartitionReassignmentsRequest::default()
    })
    .await;
    all_versions(c, &offered, |_| {
        CreateTopicsRequest::default().with_topics(vec![
            create_topics_request::CreatableTopic::default()
                .with_name(topic_name("n"))
                .with_num_partitions(1)
                .with_replication_factor(1),
        ])
    })
    .await;
    all_versions(c, &offered, |_| {
        CreatePartitionsRequest::default().with_topics(vec![
            create_partitions_request::CreatePartitionsTopic::default()
                .with_name(topic_name("n"))
                .with_count(1),
        ])
    })
    .await;
    all_versions(c, &offered, |_| {
        DeleteRecordsRequest::default().with_topics(vec![
            delete_records_request::DeleteRecordsTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![
                    delete_records_request::DeleteRecordsPartition::default().with_offset(-1),
                ]),
        ])
    })
    .await;
    all_versions(c, &offered, |version| {
        let request = DeleteTopicsRequest::default();
        if version >= 6 {
            request.with_topics(vec![
                delete_topics_request::DeleteTopicState::default().with_name(Some(topic_name("n"))),
            ])
        } else {
            request.with_topic_names(vec![topic_name("n")])
        }
    })
    .await;
    assert_eq!(
        offered.api_keys.len(),
        37,
        "an API is offered that is not in this list"
    );
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_with_the_known_ones() {
    let served = Served::start().await;
    let mut client = served.client().await;
    let mut frame = client::frame(&ApiVersionsRequest::default(), 3, 1).to_vec();
    frame[7] = 99;
    client.send_raw(&frame).await.unwrap();
    let mut answer = client.receive_raw().await.unwrap();
    use kafka_protocol::protocol::Decodable as _;
    ResponseHeader::decode(&mut answer, 0).unwrap();
    let answer = ApiVersionsResponse::decode(&mut answer, 0).unwrap();
    assert_eq!(answer.error_code, 35);
    assert!(!answer.api_keys.is_empty());
}
