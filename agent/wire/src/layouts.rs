//! The layout of every request and answer, made by `layouts.py` from the message definitions of Kafka 4.3.0.
//! Not edited by hand.

use crate::layout::Kind::{Array, Bytes, Fixed, Optional, Struct, Text};
use crate::layout::{Message, field, layout};

/// What clients send, by the number of the API.
#[rustfmt::skip]
pub(crate) const REQUESTS: &[Message] = &[
    Message { api: 0, flexible: 9, body: layout!(86, [
        field!("transactional_id", 3.., Text), field!("acks", 0.., Fixed(2)),
        field!("timeout_ms", 0.., Fixed(4)),
        field!("topic_data", 0.., Array(&Struct(&layout!(96, [
            field!("name", 0..=12, Text), field!("topic_id", 13.., Fixed(16)),
            field!("partition_data", 0.., Array(&Struct(&layout!(60, [
                field!("index", 0.., Fixed(4)), field!("records", 0.., Bytes),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 1, flexible: 12, body: layout!(205, [
        field!("replica_id", 0..=14, Fixed(4)), field!("max_wait_ms", 0.., Fixed(4)),
        field!("min_bytes", 0.., Fixed(4)), field!("max_bytes", 3.., Fixed(4)),
        field!("isolation_level", 4.., Fixed(1)), field!("session_id", 7.., Fixed(4)),
        field!("session_epoch", 7.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(96, [
            field!("topic", 0..=12, Text), field!("topic_id", 13.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(80, [
                field!("partition", 0.., Fixed(4)), field!("current_leader_epoch", 9.., Fixed(4)),
                field!("fetch_offset", 0.., Fixed(8)), field!("last_fetched_epoch", 12.., Fixed(4)),
                field!("log_start_offset", 5.., Fixed(8)), field!("partition_max_bytes", 0.., Fixed(4)),
            ], [
                field!(0, "replica_directory_id", 17.., Fixed(16)),
                field!(1, "high_watermark", 18.., Fixed(8)),
            ])))),
        ], [])))),
        field!("forgotten_topics_data", 7.., Array(&Struct(&layout!(96, [
            field!("topic", 7..=12, Text), field!("topic_id", 13.., Fixed(16)),
            field!("partitions", 7.., Array(&Fixed(4))),
        ], [])))),
        field!("rack_id", 11.., Text),
    ], [
        field!(0, "cluster_id", 12.., Text),
        field!(1, "replica_state", 15.., Struct(&layout!(36, [
            field!("replica_id", 15.., Fixed(4)), field!("replica_epoch", 15.., Fixed(8)),
        ], []))),
    ]) },
    Message { api: 2, flexible: 6, body: layout!(57, [
        field!("replica_id", 0.., Fixed(4)), field!("isolation_level", 2.., Fixed(1)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(40, [
                field!("partition_index", 0.., Fixed(4)), field!("current_leader_epoch", 4.., Fixed(4)),
                field!("timestamp", 0.., Fixed(8)),
            ], [])))),
        ], [])))),
        field!("timeout_ms", 10.., Fixed(4)),
    ], []) },
    Message { api: 3, flexible: 9, body: layout!(51, [
        field!("topics", 0.., Array(&Struct(&layout!(72, [
            field!("topic_id", 10.., Fixed(16)), field!("name", 0.., Text),
        ], [])))),
        field!("allow_auto_topic_creation", 4.., Fixed(1)),
        field!("include_cluster_authorized_operations", 8..=10, Fixed(1)),
        field!("include_topic_authorized_operations", 8.., Fixed(1)),
    ], []) },
    Message { api: 8, flexible: 8, body: layout!(156, [
        field!("group_id", 0.., Text), field!("generation_id_or_member_epoch", 1.., Fixed(4)),
        field!("member_id", 1.., Text), field!("group_instance_id", 7.., Text),
        field!("retention_time_ms", 2..=4, Fixed(8)),
        field!("topics", 0.., Array(&Struct(&layout!(96, [
            field!("name", 0..=9, Text), field!("topic_id", 10.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(72, [
                field!("partition_index", 0.., Fixed(4)), field!("committed_offset", 0.., Fixed(8)),
                field!("committed_leader_epoch", 6.., Fixed(4)), field!("committed_metadata", 0.., Text),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 9, flexible: 6, body: layout!(105, [
        field!("group_id", 0..=7, Text),
        field!("topics", 0..=7, Array(&Struct(&layout!(80, [
            field!("name", 0..=7, Text), field!("partition_indexes", 0..=7, Array(&Fixed(4))),
        ], [])))),
        field!("groups", 8.., Array(&Struct(&layout!(116, [
            field!("group_id", 8.., Text), field!("member_id", 9.., Text),
            field!("member_epoch", 9.., Fixed(4)),
            field!("topics", 8.., Array(&Struct(&layout!(96, [
                field!("name", 8..=9, Text), field!("topic_id", 10.., Fixed(16)),
                field!("partition_indexes", 8.., Array(&Fixed(4))),
            ], [])))),
        ], [])))),
        field!("require_stable", 7.., Fixed(1)),
    ], []) },
    Message { api: 10, flexible: 3, body: layout!(81, [
        field!("key", 0..=3, Text), field!("key_type", 1.., Fixed(1)),
        field!("coordinator_keys", 4.., Array(&Text)),
    ], []) },
    Message { api: 11, flexible: 6, body: layout!(216, [
        field!("group_id", 0.., Text), field!("session_timeout_ms", 0.., Fixed(4)),
        field!("rebalance_timeout_ms", 1.., Fixed(4)), field!("member_id", 0.., Text),
        field!("group_instance_id", 5.., Text), field!("protocol_type", 0.., Text),
        field!("protocols", 0.., Array(&Struct(&layout!(88, [
            field!("name", 0.., Text), field!("metadata", 0.., Bytes),
        ], [])))),
        field!("reason", 8.., Text),
    ], []) },
    Message { api: 12, flexible: 4, body: layout!(124, [
        field!("group_id", 0.., Text), field!("generation_id", 0.., Fixed(4)), field!("member_id", 0.., Text),
        field!("group_instance_id", 3.., Text),
    ], []) },
    Message { api: 13, flexible: 4, body: layout!(112, [
        field!("group_id", 0.., Text), field!("member_id", 0..=2, Text),
        field!("members", 3.., Array(&Struct(&layout!(120, [
            field!("member_id", 3.., Text), field!("group_instance_id", 3.., Text),
            field!("reason", 5.., Text),
        ], [])))),
    ], []) },
    Message { api: 14, flexible: 4, body: layout!(212, [
        field!("group_id", 0.., Text), field!("generation_id", 0.., Fixed(4)), field!("member_id", 0.., Text),
        field!("group_instance_id", 3.., Text), field!("protocol_type", 5.., Text),
        field!("protocol_name", 5.., Text),
        field!("assignments", 0.., Array(&Struct(&layout!(88, [
            field!("member_id", 0.., Text), field!("assignment", 0.., Bytes),
        ], [])))),
    ], []) },
    Message { api: 15, flexible: 5, body: layout!(49, [
        field!("groups", 0.., Array(&Text)), field!("include_authorized_operations", 3.., Fixed(1)),
    ], []) },
    Message { api: 16, flexible: 3, body: layout!(72, [
        field!("states_filter", 4.., Array(&Text)), field!("types_filter", 5.., Array(&Text)),
    ], []) },
    Message { api: 17, flexible: 32767, body: layout!(56, [
        field!("mechanism", 0.., Text),
    ], []) },
    Message { api: 18, flexible: 3, body: layout!(88, [
        field!("client_software_name", 3.., Text), field!("client_software_version", 3.., Text),
    ], []) },
    Message { api: 19, flexible: 5, body: layout!(53, [
        field!("topics", 0.., Array(&Struct(&layout!(110, [
            field!("name", 0.., Text), field!("num_partitions", 0.., Fixed(4)),
            field!("replication_factor", 0.., Fixed(2)),
            field!("assignments", 0.., Array(&Struct(&layout!(52, [
                field!("partition_index", 0.., Fixed(4)), field!("broker_ids", 0.., Array(&Fixed(4))),
            ], [])))),
            field!("configs", 0.., Array(&Struct(&layout!(88, [
                field!("name", 0.., Text), field!("value", 0.., Text),
            ], [])))),
        ], [])))),
        field!("timeout_ms", 0.., Fixed(4)), field!("validate_only", 1.., Fixed(1)),
    ], []) },
    Message { api: 20, flexible: 4, body: layout!(76, [
        field!("topics", 6.., Array(&Struct(&layout!(72, [
            field!("name", 6.., Text), field!("topic_id", 6.., Fixed(16)),
        ], [])))),
        field!("topic_names", 0..=5, Array(&Text)), field!("timeout_ms", 0.., Fixed(4)),
    ], []) },
    Message { api: 21, flexible: 2, body: layout!(52, [
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(36, [
                field!("partition_index", 0.., Fixed(4)), field!("offset", 0.., Fixed(8)),
            ], [])))),
        ], [])))),
        field!("timeout_ms", 0.., Fixed(4)),
    ], []) },
    Message { api: 22, flexible: 2, body: layout!(72, [
        field!("transactional_id", 0.., Text), field!("transaction_timeout_ms", 0.., Fixed(4)),
        field!("producer_id", 3.., Fixed(8)), field!("producer_epoch", 3.., Fixed(2)),
        field!("enable2_pc", 6.., Fixed(1)), field!("keep_prepared_txn", 6.., Fixed(1)),
    ], []) },
    Message { api: 23, flexible: 4, body: layout!(52, [
        field!("replica_id", 3.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(36, [
                field!("partition", 0.., Fixed(4)), field!("current_leader_epoch", 2.., Fixed(4)),
                field!("leader_epoch", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 24, flexible: 3, body: layout!(114, [
        field!("transactions", 4.., Array(&Struct(&layout!(91, [
            field!("transactional_id", 4.., Text), field!("producer_id", 4.., Fixed(8)),
            field!("producer_epoch", 4.., Fixed(2)), field!("verify_only", 4.., Fixed(1)),
            field!("topics", 4.., Array(&Struct(&layout!(80, [
                field!("name", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
            ], [])))),
        ], [])))),
        field!("v3_and_below_transactional_id", 0..=3, Text),
        field!("v3_and_below_producer_id", 0..=3, Fixed(8)),
        field!("v3_and_below_producer_epoch", 0..=3, Fixed(2)),
        field!("v3_and_below_topics", 0..=3, Array(&Struct(&layout!(80, [
            field!("name", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
    ], []) },
    Message { api: 25, flexible: 3, body: layout!(98, [
        field!("transactional_id", 0.., Text), field!("producer_id", 0.., Fixed(8)),
        field!("producer_epoch", 0.., Fixed(2)), field!("group_id", 0.., Text),
    ], []) },
    Message { api: 26, flexible: 3, body: layout!(67, [
        field!("transactional_id", 0.., Text), field!("producer_id", 0.., Fixed(8)),
        field!("producer_epoch", 0.., Fixed(2)), field!("committed", 0.., Fixed(1)),
    ], []) },
    Message { api: 27, flexible: 1, body: layout!(48, [
        field!("markers", 0.., Array(&Struct(&layout!(64, [
            field!("producer_id", 0.., Fixed(8)), field!("producer_epoch", 0.., Fixed(2)),
            field!("transaction_result", 0.., Fixed(1)),
            field!("topics", 0.., Array(&Struct(&layout!(80, [
                field!("name", 0.., Text), field!("partition_indexes", 0.., Array(&Fixed(4))),
            ], [])))),
            field!("coordinator_epoch", 0.., Fixed(4)), field!("transaction_version", 2.., Fixed(1)),
        ], [])))),
    ], []) },
    Message { api: 28, flexible: 3, body: layout!(190, [
        field!("transactional_id", 0.., Text), field!("group_id", 0.., Text),
        field!("producer_id", 0.., Fixed(8)), field!("producer_epoch", 0.., Fixed(2)),
        field!("generation_id", 3.., Fixed(4)), field!("member_id", 3.., Text),
        field!("group_instance_id", 3.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(72, [
                field!("partition_index", 0.., Fixed(4)), field!("committed_offset", 0.., Fixed(8)),
                field!("committed_leader_epoch", 2.., Fixed(4)), field!("committed_metadata", 0.., Text),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 29, flexible: 2, body: layout!(124, [
        field!("resource_type_filter", 0.., Fixed(1)), field!("resource_name_filter", 0.., Text),
        field!("pattern_type_filter", 1.., Fixed(1)), field!("principal_filter", 0.., Text),
        field!("host_filter", 0.., Text), field!("operation", 0.., Fixed(1)),
        field!("permission_type", 0.., Fixed(1)),
    ], []) },
    Message { api: 30, flexible: 2, body: layout!(48, [
        field!("creations", 0.., Array(&Struct(&layout!(124, [
            field!("resource_type", 0.., Fixed(1)), field!("resource_name", 0.., Text),
            field!("resource_pattern_type", 1.., Fixed(1)), field!("principal", 0.., Text),
            field!("host", 0.., Text), field!("operation", 0.., Fixed(1)),
            field!("permission_type", 0.., Fixed(1)),
        ], [])))),
    ], []) },
    Message { api: 31, flexible: 2, body: layout!(48, [
        field!("filters", 0.., Array(&Struct(&layout!(124, [
            field!("resource_type_filter", 0.., Fixed(1)), field!("resource_name_filter", 0.., Text),
            field!("pattern_type_filter", 1.., Fixed(1)), field!("principal_filter", 0.., Text),
            field!("host_filter", 0.., Text), field!("operation", 0.., Fixed(1)),
            field!("permission_type", 0.., Fixed(1)),
        ], [])))),
    ], []) },
    Message { api: 32, flexible: 4, body: layout!(50, [
        field!("resources", 0.., Array(&Struct(&layout!(81, [
            field!("resource_type", 0.., Fixed(1)), field!("resource_name", 0.., Text),
            field!("configuration_keys", 0.., Array(&Text)),
        ], [])))),
        field!("include_synonyms", 1.., Fixed(1)), field!("include_documentation", 3.., Fixed(1)),
    ], []) },
    Message { api: 33, flexible: 2, body: layout!(49, [
        field!("resources", 0.., Array(&Struct(&layout!(81, [
            field!("resource_type", 0.., Fixed(1)), field!("resource_name", 0.., Text),
            field!("configs", 0.., Array(&Struct(&layout!(88, [
                field!("name", 0.., Text), field!("value", 0.., Text),
            ], [])))),
        ], [])))),
        field!("validate_only", 0.., Fixed(1)),
    ], []) },
    Message { api: 34, flexible: 2, body: layout!(48, [
        field!("dirs", 0.., Array(&Struct(&layout!(80, [
            field!("path", 0.., Text),
            field!("topics", 0.., Array(&Struct(&layout!(80, [
                field!("name", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 35, flexible: 2, body: layout!(48, [
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
    ], []) },
    Message { api: 36, flexible: 2, body: layout!(56, [
        field!("auth_bytes", 0.., Bytes),
    ], []) },
    Message { api: 37, flexible: 2, body: layout!(53, [
        field!("topics", 0.., Array(&Struct(&layout!(84, [
            field!("name", 0.., Text), field!("count", 0.., Fixed(4)),
            field!("assignments", 0.., Array(&Struct(&layout!(48, [
                field!("broker_ids", 0.., Array(&Fixed(4))),
            ], [])))),
        ], [])))),
        field!("timeout_ms", 0.., Fixed(4)), field!("validate_only", 0.., Fixed(1)),
    ], []) },
    Message { api: 38, flexible: 2, body: layout!(120, [
        field!("owner_principal_type", 3.., Text), field!("owner_principal_name", 3.., Text),
        field!("renewers", 0.., Array(&Struct(&layout!(88, [
            field!("principal_type", 0.., Text), field!("principal_name", 0.., Text),
        ], [])))),
        field!("max_lifetime_ms", 0.., Fixed(8)),
    ], []) },
    Message { api: 39, flexible: 2, body: layout!(64, [
        field!("hmac", 0.., Bytes), field!("renew_period_ms", 0.., Fixed(8)),
    ], []) },
    Message { api: 40, flexible: 2, body: layout!(64, [
        field!("hmac", 0.., Bytes), field!("expiry_time_period_ms", 0.., Fixed(8)),
    ], []) },
    Message { api: 41, flexible: 2, body: layout!(48, [
        field!("owners", 0.., Array(&Struct(&layout!(88, [
            field!("principal_type", 0.., Text), field!("principal_name", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 42, flexible: 2, body: layout!(48, [
        field!("groups_names", 0.., Array(&Text)),
    ], []) },
    Message { api: 43, flexible: 2, body: layout!(53, [
        field!("election_type", 1.., Fixed(1)),
        field!("topic_partitions", 0.., Array(&Struct(&layout!(80, [
            field!("topic", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
        field!("timeout_ms", 0.., Fixed(4)),
    ], []) },
    Message { api: 44, flexible: 1, body: layout!(49, [
        field!("resources", 0.., Array(&Struct(&layout!(81, [
            field!("resource_type", 0.., Fixed(1)), field!("resource_name", 0.., Text),
            field!("configs", 0.., Array(&Struct(&layout!(89, [
                field!("name", 0.., Text), field!("config_operation", 0.., Fixed(1)),
                field!("value", 0.., Text),
            ], [])))),
        ], [])))),
        field!("validate_only", 0.., Fixed(1)),
    ], []) },
    Message { api: 45, flexible: 0, body: layout!(53, [
        field!("timeout_ms", 0.., Fixed(4)), field!("allow_replication_factor_change", 1.., Fixed(1)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(52, [
                field!("partition_index", 0.., Fixed(4)), field!("replicas", 0.., Array(&Fixed(4))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 46, flexible: 0, body: layout!(52, [
        field!("timeout_ms", 0.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text), field!("partition_indexes", 0.., Array(&Fixed(4))),
        ], [])))),
    ], []) },
    Message { api: 47, flexible: 32767, body: layout!(80, [
        field!("group_id", 0.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(28, [
                field!("partition_index", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 48, flexible: 1, body: layout!(49, [
        field!("components", 0.., Array(&Struct(&layout!(89, [
            field!("entity_type", 0.., Text), field!("match_type", 0.., Fixed(1)), field!("match", 0.., Text),
        ], [])))),
        field!("strict", 0.., Fixed(1)),
    ], []) },
    Message { api: 49, flexible: 1, body: layout!(49, [
        field!("entries", 0.., Array(&Struct(&layout!(72, [
            field!("entity", 0.., Array(&Struct(&layout!(88, [
                field!("entity_type", 0.., Text), field!("entity_name", 0.., Text),
            ], [])))),
            field!("ops", 0.., Array(&Struct(&layout!(65, [
                field!("key", 0.., Text), field!("value", 0.., Fixed(8)), field!("remove", 0.., Fixed(1)),
            ], [])))),
        ], [])))),
        field!("validate_only", 0.., Fixed(1)),
    ], []) },
    Message { api: 50, flexible: 0, body: layout!(48, [
        field!("users", 0.., Array(&Struct(&layout!(56, [
            field!("name", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 51, flexible: 0, body: layout!(72, [
        field!("deletions", 0.., Array(&Struct(&layout!(57, [
            field!("name", 0.., Text), field!("mechanism", 0.., Fixed(1)),
        ], [])))),
        field!("upsertions", 0.., Array(&Struct(&layout!(125, [
            field!("name", 0.., Text), field!("mechanism", 0.., Fixed(1)),
            field!("iterations", 0.., Fixed(4)), field!("salt", 0.., Bytes),
            field!("salted_password", 0.., Bytes),
        ], [])))),
    ], []) },
    Message { api: 52, flexible: 0, body: layout!(84, [
        field!("cluster_id", 0.., Text), field!("voter_id", 1.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic_name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(81, [
                field!("partition_index", 0.., Fixed(4)), field!("replica_epoch", 0.., Fixed(4)),
                field!("replica_id", 0.., Fixed(4)), field!("replica_directory_id", 1.., Fixed(16)),
                field!("voter_directory_id", 1.., Fixed(16)), field!("last_offset_epoch", 0.., Fixed(4)),
                field!("last_offset", 0.., Fixed(8)), field!("pre_vote", 2.., Fixed(1)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 53, flexible: 1, body: layout!(108, [
        field!("cluster_id", 0.., Text), field!("voter_id", 1.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic_name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(52, [
                field!("partition_index", 0.., Fixed(4)), field!("voter_directory_id", 1.., Fixed(16)),
                field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
        field!("leader_endpoints", 1.., Array(&Struct(&layout!(90, [
            field!("name", 1.., Text), field!("host", 1.., Text), field!("port", 1.., Fixed(2)),
        ], [])))),
    ], []) },
    Message { api: 54, flexible: 1, body: layout!(104, [
        field!("cluster_id", 0.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic_name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(84, [
                field!("partition_index", 0.., Fixed(4)), field!("leader_id", 0.., Fixed(4)),
                field!("leader_epoch", 0.., Fixed(4)),
                field!("preferred_successors", 0..=0, Array(&Fixed(4))),
                field!("preferred_candidates", 1.., Array(&Struct(&layout!(44, [
                    field!("candidate_id", 1.., Fixed(4)), field!("candidate_directory_id", 1.., Fixed(16)),
                ], [])))),
            ], [])))),
        ], [])))),
        field!("leader_endpoints", 1.., Array(&Struct(&layout!(90, [
            field!("name", 1.., Text), field!("host", 1.., Text), field!("port", 1.., Fixed(2)),
        ], [])))),
    ], []) },
    Message { api: 55, flexible: 0, body: layout!(48, [
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic_name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(28, [
                field!("partition_index", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 56, flexible: 0, body: layout!(60, [
        field!("broker_id", 0.., Fixed(4)), field!("broker_epoch", 0.., Fixed(8)),
        field!("topics", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 2.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(85, [
                field!("partition_index", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
                field!("new_isr", 0..=2, Array(&Fixed(4))),
                field!("new_isr_with_epochs", 3.., Array(&Struct(&layout!(36, [
                    field!("broker_id", 3.., Fixed(4)), field!("broker_epoch", 3.., Fixed(8)),
                ], [])))),
                field!("leader_recovery_state", 1.., Fixed(1)), field!("partition_epoch", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 57, flexible: 0, body: layout!(53, [
        field!("timeout_ms", 0.., Fixed(4)),
        field!("feature_updates", 0.., Array(&Struct(&layout!(60, [
            field!("feature", 0.., Text), field!("max_version_level", 0.., Fixed(2)),
            field!("allow_downgrade", 0..=0, Fixed(1)), field!("upgrade_type", 1.., Fixed(1)),
        ], [])))),
        field!("validate_only", 1.., Fixed(1)),
    ], []) },
    Message { api: 58, flexible: 0, body: layout!(120, [
        field!("request_data", 0.., Bytes), field!("request_principal", 0.., Bytes),
        field!("client_host_address", 0.., Bytes),
    ], []) },
    Message { api: 59, flexible: 0, body: layout!(88, [
        field!("replica_id", 0.., Fixed(4)), field!("max_bytes", 0.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(100, [
                field!("partition", 0.., Fixed(4)), field!("current_leader_epoch", 0.., Fixed(4)),
                field!("snapshot_id", 0.., Struct(&layout!(36, [
                    field!("end_offset", 0.., Fixed(8)), field!("epoch", 0.., Fixed(4)),
                ], []))),
                field!("position", 0.., Fixed(8)),
            ], [
                field!(0, "replica_directory_id", 1.., Fixed(16)),
            ])))),
        ], [])))),
    ], [
        field!(0, "cluster_id", 0.., Text),
    ]) },
    Message { api: 60, flexible: 0, body: layout!(27, [
        field!("include_cluster_authorized_operations", 0.., Fixed(1)),
        field!("endpoint_type", 1.., Fixed(1)), field!("include_fenced_brokers", 2.., Fixed(1)),
    ], []) },
    Message { api: 61, flexible: 0, body: layout!(48, [
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text), field!("partition_indexes", 0.., Array(&Fixed(4))),
        ], [])))),
    ], []) },
    Message { api: 62, flexible: 0, body: layout!(189, [
        field!("broker_id", 0.., Fixed(4)), field!("cluster_id", 0.., Text),
        field!("incarnation_id", 0.., Fixed(16)),
        field!("listeners", 0.., Array(&Struct(&layout!(92, [
            field!("name", 0.., Text), field!("host", 0.., Text), field!("port", 0.., Fixed(2)),
            field!("security_protocol", 0.., Fixed(2)),
        ], [])))),
        field!("features", 0.., Array(&Struct(&layout!(60, [
            field!("name", 0.., Text), field!("min_supported_version", 0.., Fixed(2)),
            field!("max_supported_version", 0.., Fixed(2)),
        ], [])))),
        field!("rack", 0.., Text), field!("is_migrating_zk_broker", 1.., Fixed(1)),
        field!("log_dirs", 2.., Array(&Fixed(16))), field!("previous_broker_epoch", 3.., Fixed(8)),
    ], []) },
    Message { api: 63, flexible: 0, body: layout!(94, [
        field!("broker_id", 0.., Fixed(4)), field!("broker_epoch", 0.., Fixed(8)),
        field!("current_metadata_offset", 0.., Fixed(8)), field!("want_fence", 0.., Fixed(1)),
        field!("want_shut_down", 0.., Fixed(1)),
    ], [
        field!(0, "offline_log_dirs", 1.., Array(&Fixed(16))),
        field!(1, "cordoned_log_dirs", 2.., Array(&Fixed(16))),
    ]) },
    Message { api: 64, flexible: 0, body: layout!(28, [
        field!("broker_id", 0.., Fixed(4)),
    ], []) },
    Message { api: 65, flexible: 0, body: layout!(48, [
        field!("transactional_ids", 0.., Array(&Text)),
    ], []) },
    Message { api: 66, flexible: 0, body: layout!(112, [
        field!("state_filters", 0.., Array(&Text)), field!("producer_id_filters", 0.., Array(&Fixed(8))),
        field!("duration_filter", 1.., Fixed(8)), field!("transactional_id_pattern", 2.., Text),
    ], []) },
    Message { api: 67, flexible: 0, body: layout!(36, [
        field!("broker_id", 0.., Fixed(4)), field!("broker_epoch", 0.., Fixed(8)),
    ], []) },
    Message { api: 68, flexible: 0, body: layout!(272, [
        field!("group_id", 0.., Text), field!("member_id", 0.., Text), field!("member_epoch", 0.., Fixed(4)),
        field!("instance_id", 0.., Text), field!("rack_id", 0.., Text),
        field!("rebalance_timeout_ms", 0.., Fixed(4)), field!("subscribed_topic_names", 0.., Array(&Text)),
        field!("subscribed_topic_regex", 1.., Text), field!("server_assignor", 0.., Text),
        field!("topic_partitions", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
    ], []) },
    Message { api: 69, flexible: 0, body: layout!(49, [
        field!("group_ids", 0.., Array(&Text)), field!("include_authorized_operations", 0.., Fixed(1)),
    ], []) },
    Message { api: 70, flexible: 0, body: layout!(93, [
        field!("controller_id", 0.., Fixed(4)), field!("incarnation_id", 0.., Fixed(16)),
        field!("zk_migration_ready", 0.., Fixed(1)),
        field!("listeners", 0.., Array(&Struct(&layout!(92, [
            field!("name", 0.., Text), field!("host", 0.., Text), field!("port", 0.., Fixed(2)),
            field!("security_protocol", 0.., Fixed(2)),
        ], [])))),
        field!("features", 0.., Array(&Struct(&layout!(60, [
            field!("name", 0.., Text), field!("min_supported_version", 0.., Fixed(2)),
            field!("max_supported_version", 0.., Fixed(2)),
        ], [])))),
    ], []) },
    Message { api: 71, flexible: 0, body: layout!(40, [
        field!("client_instance_id", 0.., Fixed(16)),
    ], []) },
    Message { api: 72, flexible: 0, body: layout!(78, [
        field!("client_instance_id", 0.., Fixed(16)), field!("subscription_id", 0.., Fixed(4)),
        field!("terminating", 0.., Fixed(1)), field!("compression_type", 0.., Fixed(1)),
        field!("metrics", 0.., Bytes),
    ], []) },
    Message { api: 73, flexible: 0, body: layout!(60, [
        field!("broker_id", 0.., Fixed(4)), field!("broker_epoch", 0.., Fixed(8)),
        field!("directories", 0.., Array(&Struct(&layout!(64, [
            field!("id", 0.., Fixed(16)),
            field!("topics", 0.., Array(&Struct(&layout!(64, [
                field!("topic_id", 0.., Fixed(16)),
                field!("partitions", 0.., Array(&Struct(&layout!(28, [
                    field!("partition_index", 0.., Fixed(4)),
                ], [])))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 74, flexible: 0, body: layout!(48, [
        field!("resource_types", 1.., Array(&Fixed(1))),
    ], []) },
    Message { api: 75, flexible: 0, body: layout!(120, [
        field!("topics", 0.., Array(&Struct(&layout!(56, [
            field!("name", 0.., Text),
        ], [])))),
        field!("response_partition_limit", 0.., Fixed(4)),
        field!("cursor", 0.., Optional(0, 32767, &layout!(60, [
            field!("topic_name", 0.., Text), field!("partition_index", 0.., Fixed(4)),
        ], []))),
    ], []) },
    Message { api: 76, flexible: 0, body: layout!(148, [
        field!("group_id", 0.., Text), field!("member_id", 0.., Text), field!("member_epoch", 0.., Fixed(4)),
        field!("rack_id", 0.., Text), field!("subscribed_topic_names", 0.., Array(&Text)),
    ], []) },
    Message { api: 77, flexible: 0, body: layout!(49, [
        field!("group_ids", 0.., Array(&Text)), field!("include_authorized_operations", 0.., Fixed(1)),
    ], []) },
    Message { api: 78, flexible: 0, body: layout!(162, [
        field!("group_id", 0.., Text), field!("member_id", 0.., Text),
        field!("share_session_epoch", 0.., Fixed(4)), field!("max_wait_ms", 0.., Fixed(4)),
        field!("min_bytes", 0.., Fixed(4)), field!("max_bytes", 0.., Fixed(4)),
        field!("max_records", 1.., Fixed(4)), field!("batch_size", 1.., Fixed(4)),
        field!("share_acquire_mode", 2.., Fixed(1)), field!("is_renew_ack", 2.., Fixed(1)),
        field!("topics", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(56, [
                field!("partition_index", 0.., Fixed(4)), field!("partition_max_bytes", 0..=0, Fixed(4)),
                field!("acknowledgement_batches", 0.., Array(&Struct(&layout!(64, [
                    field!("first_offset", 0.., Fixed(8)), field!("last_offset", 0.., Fixed(8)),
                    field!("acknowledge_types", 0.., Array(&Fixed(1))),
                ], [])))),
            ], [])))),
        ], [])))),
        field!("forgotten_topics_data", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
    ], []) },
    Message { api: 79, flexible: 0, body: layout!(117, [
        field!("group_id", 0.., Text), field!("member_id", 0.., Text),
        field!("share_session_epoch", 0.., Fixed(4)), field!("is_renew_ack", 2.., Fixed(1)),
        field!("topics", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(52, [
                field!("partition_index", 0.., Fixed(4)),
                field!("acknowledgement_batches", 0.., Array(&Struct(&layout!(64, [
                    field!("first_offset", 0.., Fixed(8)), field!("last_offset", 0.., Fixed(8)),
                    field!("acknowledge_types", 0.., Array(&Fixed(1))),
                ], [])))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 80, flexible: 0, body: layout!(105, [
        field!("cluster_id", 0.., Text), field!("timeout_ms", 0.., Fixed(4)),
        field!("voter_id", 0.., Fixed(4)), field!("voter_directory_id", 0.., Fixed(16)),
        field!("listeners", 0.., Array(&Struct(&layout!(90, [
            field!("name", 0.., Text), field!("host", 0.., Text), field!("port", 0.., Fixed(2)),
        ], [])))),
        field!("ack_when_committed", 1.., Fixed(1)),
    ], []) },
    Message { api: 81, flexible: 0, body: layout!(76, [
        field!("cluster_id", 0.., Text), field!("voter_id", 0.., Fixed(4)),
        field!("voter_directory_id", 0.., Fixed(16)),
    ], []) },
    Message { api: 82, flexible: 0, body: layout!(140, [
        field!("cluster_id", 0.., Text), field!("current_leader_epoch", 0.., Fixed(4)),
        field!("voter_id", 0.., Fixed(4)), field!("voter_directory_id", 0.., Fixed(16)),
        field!("listeners", 0.., Array(&Struct(&layout!(90, [
            field!("name", 0.., Text), field!("host", 0.., Text), field!("port", 0.., Fixed(2)),
        ], [])))),
        field!("kraft_version_feature", 0.., Struct(&layout!(28, [
            field!("min_supported_version", 0.., Fixed(2)), field!("max_supported_version", 0.., Fixed(2)),
        ], []))),
    ], []) },
    Message { api: 83, flexible: 0, body: layout!(80, [
        field!("group_id", 0.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(40, [
                field!("partition", 0.., Fixed(4)), field!("state_epoch", 0.., Fixed(4)),
                field!("start_offset", 0.., Fixed(8)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 84, flexible: 0, body: layout!(80, [
        field!("group_id", 0.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(32, [
                field!("partition", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 85, flexible: 0, body: layout!(80, [
        field!("group_id", 0.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(72, [
                field!("partition", 0.., Fixed(4)), field!("state_epoch", 0.., Fixed(4)),
                field!("leader_epoch", 0.., Fixed(4)), field!("start_offset", 0.., Fixed(8)),
                field!("delivery_complete_count", 1.., Fixed(4)),
                field!("state_batches", 0.., Array(&Struct(&layout!(43, [
                    field!("first_offset", 0.., Fixed(8)), field!("last_offset", 0.., Fixed(8)),
                    field!("delivery_state", 0.., Fixed(1)), field!("delivery_count", 0.., Fixed(2)),
                ], [])))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 86, flexible: 0, body: layout!(80, [
        field!("group_id", 0.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(28, [
                field!("partition", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 87, flexible: 0, body: layout!(80, [
        field!("group_id", 0.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(32, [
                field!("partition", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 88, flexible: 0, body: layout!(467, [
        field!("group_id", 0.., Text), field!("member_id", 0.., Text), field!("member_epoch", 0.., Fixed(4)),
        field!("endpoint_information_epoch", 0.., Fixed(4)), field!("instance_id", 0.., Text),
        field!("rack_id", 0.., Text), field!("rebalance_timeout_ms", 0.., Fixed(4)),
        field!("topology", 0.., Optional(0, 32767, &layout!(52, [
            field!("epoch", 0.., Fixed(4)),
            field!("subtopologies", 0.., Array(&Struct(&layout!(200, [
                field!("subtopology_id", 0.., Text), field!("source_topics", 0.., Array(&Text)),
                field!("source_topic_regex", 0.., Array(&Text)),
                field!("state_changelog_topics", 0.., Array(&Struct(&layout!(86, [
                    field!("name", 0.., Text), field!("partitions", 0.., Fixed(4)),
                    field!("replication_factor", 0.., Fixed(2)),
                    field!("topic_configs", 0.., Array(&Struct(&layout!(88, [
                        field!("key", 0.., Text), field!("value", 0.., Text),
                    ], [])))),
                ], [])))),
                field!("repartition_sink_topics", 0.., Array(&Text)),
                field!("repartition_source_topics", 0.., Array(&Struct(&layout!(86, [
                    field!("name", 0.., Text), field!("partitions", 0.., Fixed(4)),
                    field!("replication_factor", 0.., Fixed(2)),
                    field!("topic_configs", 0.., Array(&Struct(&layout!(88, [
                        field!("key", 0.., Text), field!("value", 0.., Text),
                    ], [])))),
                ], [])))),
                field!("copartition_groups", 0.., Array(&Struct(&layout!(96, [
                    field!("source_topics", 0.., Array(&Fixed(2))),
                    field!("source_topic_regex", 0.., Array(&Fixed(2))),
                    field!("repartition_source_topics", 0.., Array(&Fixed(2))),
                ], [])))),
            ], [])))),
        ], []))),
        field!("active_tasks", 0.., Array(&Struct(&layout!(80, [
            field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
        field!("standby_tasks", 0.., Array(&Struct(&layout!(80, [
            field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
        field!("warmup_tasks", 0.., Array(&Struct(&layout!(80, [
            field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
        field!("process_id", 0.., Text),
        field!("user_endpoint", 0.., Optional(0, 32767, &layout!(58, [
            field!("host", 0.., Text), field!("port", 0.., Fixed(2)),
        ], []))),
        field!("client_tags", 0.., Array(&Struct(&layout!(88, [
            field!("key", 0.., Text), field!("value", 0.., Text),
        ], [])))),
        field!("task_offsets", 0.., Array(&Struct(&layout!(68, [
            field!("subtopology_id", 0.., Text), field!("partition", 0.., Fixed(4)),
            field!("offset", 0.., Fixed(8)),
        ], [])))),
        field!("task_end_offsets", 0.., Array(&Struct(&layout!(68, [
            field!("subtopology_id", 0.., Text), field!("partition", 0.., Fixed(4)),
            field!("offset", 0.., Fixed(8)),
        ], [])))),
        field!("shutdown_application", 0.., Fixed(1)),
    ], []) },
    Message { api: 89, flexible: 0, body: layout!(49, [
        field!("group_ids", 0.., Array(&Text)), field!("include_authorized_operations", 0.., Fixed(1)),
    ], []) },
    Message { api: 90, flexible: 0, body: layout!(48, [
        field!("groups", 0.., Array(&Struct(&layout!(80, [
            field!("group_id", 0.., Text),
            field!("topics", 0.., Array(&Struct(&layout!(80, [
                field!("topic_name", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 91, flexible: 0, body: layout!(80, [
        field!("group_id", 0.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic_name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(36, [
                field!("partition_index", 0.., Fixed(4)), field!("start_offset", 0.., Fixed(8)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 92, flexible: 0, body: layout!(80, [
        field!("group_id", 0.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(56, [
            field!("topic_name", 0.., Text),
        ], [])))),
    ], []) },
];

/// What brokers answer, by the number of the API.
#[rustfmt::skip]
pub(crate) const ANSWERS: &[Message] = &[
    Message { api: 0, flexible: 9, body: layout!(76, [
        field!("responses", 0.., Array(&Struct(&layout!(96, [
            field!("name", 0..=12, Text), field!("topic_id", 13.., Fixed(16)),
            field!("partition_responses", 0.., Array(&Struct(&layout!(150, [
                field!("index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("base_offset", 0.., Fixed(8)), field!("log_append_time_ms", 2.., Fixed(8)),
                field!("log_start_offset", 5.., Fixed(8)),
                field!("record_errors", 8.., Array(&Struct(&layout!(60, [
                    field!("batch_index", 8.., Fixed(4)), field!("batch_index_error_message", 8.., Text),
                ], [])))),
                field!("error_message", 8.., Text),
            ], [
                field!(0, "current_leader", 10.., Struct(&layout!(32, [
                    field!("leader_id", 10.., Fixed(4)), field!("leader_epoch", 10.., Fixed(4)),
                ], []))),
            ])))),
        ], [])))),
        field!("throttle_time_ms", 1.., Fixed(4)),
    ], [
        field!(0, "node_endpoints", 10.., Array(&Struct(&layout!(96, [
            field!("node_id", 10.., Fixed(4)), field!("host", 10.., Text), field!("port", 10.., Fixed(4)),
            field!("rack", 10.., Text),
        ], [])))),
    ]) },
    Message { api: 1, flexible: 12, body: layout!(82, [
        field!("throttle_time_ms", 1.., Fixed(4)), field!("error_code", 7.., Fixed(2)),
        field!("session_id", 7.., Fixed(4)),
        field!("responses", 0.., Array(&Struct(&layout!(96, [
            field!("topic", 0..=12, Text), field!("topic_id", 13.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(242, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("high_watermark", 0.., Fixed(8)), field!("last_stable_offset", 4.., Fixed(8)),
                field!("log_start_offset", 5.., Fixed(8)),
                field!("aborted_transactions", 4.., Array(&Struct(&layout!(40, [
                    field!("producer_id", 4.., Fixed(8)), field!("first_offset", 4.., Fixed(8)),
                ], [])))),
                field!("preferred_read_replica", 11.., Fixed(4)), field!("records", 0.., Bytes),
            ], [
                field!(0, "diverging_epoch", 12.., Struct(&layout!(36, [
                    field!("epoch", 12.., Fixed(4)), field!("end_offset", 12.., Fixed(8)),
                ], []))),
                field!(1, "current_leader", 12.., Struct(&layout!(32, [
                    field!("leader_id", 12.., Fixed(4)), field!("leader_epoch", 12.., Fixed(4)),
                ], []))),
                field!(2, "snapshot_id", 12.., Struct(&layout!(36, [
                    field!("end_offset", 0.., Fixed(8)), field!("epoch", 0.., Fixed(4)),
                ], []))),
            ])))),
        ], [])))),
    ], [
        field!(0, "node_endpoints", 16.., Array(&Struct(&layout!(96, [
            field!("node_id", 16.., Fixed(4)), field!("host", 16.., Text), field!("port", 16.., Fixed(4)),
            field!("rack", 16.., Text),
        ], [])))),
    ]) },
    Message { api: 2, flexible: 6, body: layout!(52, [
        field!("throttle_time_ms", 2.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(50, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("timestamp", 1.., Fixed(8)), field!("offset", 1.., Fixed(8)),
                field!("leader_epoch", 4.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 3, flexible: 9, body: layout!(118, [
        field!("throttle_time_ms", 3.., Fixed(4)),
        field!("brokers", 0.., Array(&Struct(&layout!(96, [
            field!("node_id", 0.., Fixed(4)), field!("host", 0.., Text), field!("port", 0.., Fixed(4)),
            field!("rack", 1.., Text),
        ], [])))),
        field!("cluster_id", 2.., Text), field!("controller_id", 1.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(103, [
            field!("error_code", 0.., Fixed(2)), field!("name", 0.., Text),
            field!("topic_id", 10.., Fixed(16)), field!("is_internal", 1.., Fixed(1)),
            field!("partitions", 0.., Array(&Struct(&layout!(110, [
                field!("error_code", 0.., Fixed(2)), field!("partition_index", 0.., Fixed(4)),
                field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 7.., Fixed(4)),
                field!("replica_nodes", 0.., Array(&Fixed(4))), field!("isr_nodes", 0.., Array(&Fixed(4))),
                field!("offline_replicas", 5.., Array(&Fixed(4))),
            ], [])))),
            field!("topic_authorized_operations", 8.., Fixed(4)),
        ], [])))),
        field!("cluster_authorized_operations", 8..=10, Fixed(4)), field!("error_code", 13.., Fixed(2)),
    ], []) },
    Message { api: 8, flexible: 8, body: layout!(52, [
        field!("throttle_time_ms", 3.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(96, [
            field!("name", 0..=9, Text), field!("topic_id", 10.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(30, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 9, flexible: 6, body: layout!(78, [
        field!("throttle_time_ms", 3.., Fixed(4)),
        field!("topics", 0..=7, Array(&Struct(&layout!(80, [
            field!("name", 0..=7, Text),
            field!("partitions", 0..=7, Array(&Struct(&layout!(74, [
                field!("partition_index", 0..=7, Fixed(4)), field!("committed_offset", 0..=7, Fixed(8)),
                field!("committed_leader_epoch", 5..=7, Fixed(4)), field!("metadata", 0..=7, Text),
                field!("error_code", 0..=7, Fixed(2)),
            ], [])))),
        ], [])))),
        field!("error_code", 2..=7, Fixed(2)),
        field!("groups", 8.., Array(&Struct(&layout!(82, [
            field!("group_id", 8.., Text),
            field!("topics", 8.., Array(&Struct(&layout!(96, [
                field!("name", 8..=9, Text), field!("topic_id", 10.., Fixed(16)),
                field!("partitions", 8.., Array(&Struct(&layout!(74, [
                    field!("partition_index", 8.., Fixed(4)), field!("committed_offset", 8.., Fixed(8)),
                    field!("committed_leader_epoch", 8.., Fixed(4)), field!("metadata", 8.., Text),
                    field!("error_code", 8.., Fixed(2)),
                ], [])))),
            ], [])))),
            field!("error_code", 8.., Fixed(2)),
        ], [])))),
    ], []) },
    Message { api: 10, flexible: 3, body: layout!(126, [
        field!("throttle_time_ms", 1.., Fixed(4)), field!("error_code", 0..=3, Fixed(2)),
        field!("error_message", 1..=3, Text), field!("node_id", 0..=3, Fixed(4)), field!("host", 0..=3, Text),
        field!("port", 0..=3, Fixed(4)),
        field!("coordinators", 4.., Array(&Struct(&layout!(130, [
            field!("key", 4.., Text), field!("node_id", 4.., Fixed(4)), field!("host", 4.., Text),
            field!("port", 4.., Fixed(4)), field!("error_code", 4.., Fixed(2)),
            field!("error_message", 4.., Text),
        ], [])))),
    ], []) },
    Message { api: 11, flexible: 6, body: layout!(187, [
        field!("throttle_time_ms", 2.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("generation_id", 0.., Fixed(4)), field!("protocol_type", 7.., Text),
        field!("protocol_name", 0.., Text), field!("leader", 0.., Text),
        field!("skip_assignment", 9.., Fixed(1)), field!("member_id", 0.., Text),
        field!("members", 0.., Array(&Struct(&layout!(120, [
            field!("member_id", 0.., Text), field!("group_instance_id", 5.., Text),
            field!("metadata", 0.., Bytes),
        ], [])))),
    ], []) },
    Message { api: 12, flexible: 4, body: layout!(30, [
        field!("throttle_time_ms", 1.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
    ], []) },
    Message { api: 13, flexible: 4, body: layout!(54, [
        field!("throttle_time_ms", 1.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("members", 3.., Array(&Struct(&layout!(90, [
            field!("member_id", 3.., Text), field!("group_instance_id", 3.., Text),
            field!("error_code", 3.., Fixed(2)),
        ], [])))),
    ], []) },
    Message { api: 14, flexible: 4, body: layout!(126, [
        field!("throttle_time_ms", 1.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("protocol_type", 5.., Text), field!("protocol_name", 5.., Text),
        field!("assignment", 0.., Bytes),
    ], []) },
    Message { api: 15, flexible: 5, body: layout!(52, [
        field!("throttle_time_ms", 1.., Fixed(4)),
        field!("groups", 0.., Array(&Struct(&layout!(214, [
            field!("error_code", 0.., Fixed(2)), field!("error_message", 6.., Text),
            field!("group_id", 0.., Text), field!("group_state", 0.., Text),
            field!("protocol_type", 0.., Text), field!("protocol_data", 0.., Text),
            field!("members", 0.., Array(&Struct(&layout!(216, [
                field!("member_id", 0.., Text), field!("group_instance_id", 4.., Text),
                field!("client_id", 0.., Text), field!("client_host", 0.., Text),
                field!("member_metadata", 0.., Bytes), field!("member_assignment", 0.., Bytes),
            ], [])))),
            field!("authorized_operations", 3.., Fixed(4)),
        ], [])))),
    ], []) },
    Message { api: 16, flexible: 3, body: layout!(54, [
        field!("throttle_time_ms", 1.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("groups", 0.., Array(&Struct(&layout!(152, [
            field!("group_id", 0.., Text), field!("protocol_type", 0.., Text),
            field!("group_state", 4.., Text), field!("group_type", 5.., Text),
        ], [])))),
    ], []) },
    Message { api: 17, flexible: 32767, body: layout!(50, [
        field!("error_code", 0.., Fixed(2)), field!("mechanisms", 0.., Array(&Text)),
    ], []) },
    Message { api: 18, flexible: 3, body: layout!(111, [
        field!("error_code", 0.., Fixed(2)),
        field!("api_keys", 0.., Array(&Struct(&layout!(30, [
            field!("api_key", 0.., Fixed(2)), field!("min_version", 0.., Fixed(2)),
            field!("max_version", 0.., Fixed(2)),
        ], [])))),
        field!("throttle_time_ms", 1.., Fixed(4)),
    ], [
        field!(0, "supported_features", 3.., Array(&Struct(&layout!(60, [
            field!("name", 3.., Text), field!("min_version", 3.., Fixed(2)),
            field!("max_version", 3.., Fixed(2)),
        ], [])))),
        field!(1, "finalized_features_epoch", 3.., Fixed(8)),
        field!(2, "finalized_features", 3.., Array(&Struct(&layout!(60, [
            field!("name", 3.., Text), field!("max_version_level", 3.., Fixed(2)),
            field!("min_version_level", 3.., Fixed(2)),
        ], [])))),
        field!(3, "zk_migration_ready", 3.., Fixed(1)),
    ]) },
    Message { api: 19, flexible: 5, body: layout!(52, [
        field!("throttle_time_ms", 2.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(138, [
            field!("name", 0.., Text), field!("topic_id", 7.., Fixed(16)),
            field!("error_code", 0.., Fixed(2)), field!("error_message", 1.., Text),
            field!("num_partitions", 5.., Fixed(4)), field!("replication_factor", 5.., Fixed(2)),
            field!("configs", 5.., Array(&Struct(&layout!(91, [
                field!("name", 5.., Text), field!("value", 5.., Text), field!("read_only", 5.., Fixed(1)),
                field!("config_source", 5.., Fixed(1)), field!("is_sensitive", 5.., Fixed(1)),
            ], [])))),
        ], [
            field!(0, "topic_config_error_code", 5.., Fixed(2)),
        ])))),
    ], []) },
    Message { api: 20, flexible: 4, body: layout!(52, [
        field!("throttle_time_ms", 1.., Fixed(4)),
        field!("responses", 0.., Array(&Struct(&layout!(106, [
            field!("name", 0.., Text), field!("topic_id", 6.., Fixed(16)),
            field!("error_code", 0.., Fixed(2)), field!("error_message", 5.., Text),
        ], [])))),
    ], []) },
    Message { api: 21, flexible: 2, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(38, [
                field!("partition_index", 0.., Fixed(4)), field!("low_watermark", 0.., Fixed(8)),
                field!("error_code", 0.., Fixed(2)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 22, flexible: 2, body: layout!(50, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("producer_id", 0.., Fixed(8)), field!("producer_epoch", 0.., Fixed(2)),
        field!("ongoing_txn_producer_id", 6.., Fixed(8)), field!("ongoing_txn_producer_epoch", 6.., Fixed(2)),
    ], []) },
    Message { api: 23, flexible: 4, body: layout!(52, [
        field!("throttle_time_ms", 2.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(42, [
                field!("error_code", 0.., Fixed(2)), field!("partition", 0.., Fixed(4)),
                field!("leader_epoch", 1.., Fixed(4)), field!("end_offset", 0.., Fixed(8)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 24, flexible: 3, body: layout!(78, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 4.., Fixed(2)),
        field!("results_by_transaction", 4.., Array(&Struct(&layout!(80, [
            field!("transactional_id", 4.., Text),
            field!("topic_results", 4.., Array(&Struct(&layout!(80, [
                field!("name", 0.., Text),
                field!("results_by_partition", 0.., Array(&Struct(&layout!(30, [
                    field!("partition_index", 0.., Fixed(4)), field!("partition_error_code", 0.., Fixed(2)),
                ], [])))),
            ], [])))),
        ], [])))),
        field!("results_by_topic_v3_and_below", 0..=3, Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("results_by_partition", 0.., Array(&Struct(&layout!(30, [
                field!("partition_index", 0.., Fixed(4)), field!("partition_error_code", 0.., Fixed(2)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 25, flexible: 3, body: layout!(30, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
    ], []) },
    Message { api: 26, flexible: 3, body: layout!(40, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("producer_id", 5.., Fixed(8)), field!("producer_epoch", 5.., Fixed(2)),
    ], []) },
    Message { api: 27, flexible: 1, body: layout!(48, [
        field!("markers", 0.., Array(&Struct(&layout!(56, [
            field!("producer_id", 0.., Fixed(8)),
            field!("topics", 0.., Array(&Struct(&layout!(80, [
                field!("name", 0.., Text),
                field!("partitions", 0.., Array(&Struct(&layout!(30, [
                    field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                ], [])))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 28, flexible: 3, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(30, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 29, flexible: 2, body: layout!(86, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
        field!("resources", 0.., Array(&Struct(&layout!(82, [
            field!("resource_type", 0.., Fixed(1)), field!("resource_name", 0.., Text),
            field!("pattern_type", 1.., Fixed(1)),
            field!("acls", 0.., Array(&Struct(&layout!(90, [
                field!("principal", 0.., Text), field!("host", 0.., Text), field!("operation", 0.., Fixed(1)),
                field!("permission_type", 0.., Fixed(1)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 30, flexible: 2, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("results", 0.., Array(&Struct(&layout!(58, [
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 31, flexible: 2, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("filter_results", 0.., Array(&Struct(&layout!(82, [
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
            field!("matching_acls", 0.., Array(&Struct(&layout!(158, [
                field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
                field!("resource_type", 0.., Fixed(1)), field!("resource_name", 0.., Text),
                field!("pattern_type", 1.., Fixed(1)), field!("principal", 0.., Text),
                field!("host", 0.., Text), field!("operation", 0.., Fixed(1)),
                field!("permission_type", 0.., Fixed(1)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 32, flexible: 4, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("results", 0.., Array(&Struct(&layout!(115, [
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
            field!("resource_type", 0.., Fixed(1)), field!("resource_name", 0.., Text),
            field!("configs", 0.., Array(&Struct(&layout!(148, [
                field!("name", 0.., Text), field!("value", 0.., Text), field!("read_only", 0.., Fixed(1)),
                field!("config_source", 1.., Fixed(1)), field!("is_sensitive", 0.., Fixed(1)),
                field!("synonyms", 1.., Array(&Struct(&layout!(89, [
                    field!("name", 1.., Text), field!("value", 1.., Text), field!("source", 1.., Fixed(1)),
                ], [])))),
                field!("config_type", 3.., Fixed(1)), field!("documentation", 3.., Text),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 33, flexible: 2, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("responses", 0.., Array(&Struct(&layout!(91, [
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
            field!("resource_type", 0.., Fixed(1)), field!("resource_name", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 34, flexible: 2, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("results", 0.., Array(&Struct(&layout!(80, [
            field!("topic_name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(30, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 35, flexible: 2, body: layout!(54, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 3.., Fixed(2)),
        field!("results", 0.., Array(&Struct(&layout!(99, [
            field!("error_code", 0.., Fixed(2)), field!("log_dir", 0.., Text),
            field!("topics", 0.., Array(&Struct(&layout!(80, [
                field!("name", 0.., Text),
                field!("partitions", 0.., Array(&Struct(&layout!(45, [
                    field!("partition_index", 0.., Fixed(4)), field!("partition_size", 0.., Fixed(8)),
                    field!("offset_lag", 0.., Fixed(8)), field!("is_future_key", 0.., Fixed(1)),
                ], [])))),
            ], [])))),
            field!("total_bytes", 4.., Fixed(8)), field!("usable_bytes", 4.., Fixed(8)),
            field!("is_cordoned", 5.., Fixed(1)),
        ], [])))),
    ], []) },
    Message { api: 36, flexible: 2, body: layout!(98, [
        field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
        field!("auth_bytes", 0.., Bytes), field!("session_lifetime_ms", 1.., Fixed(8)),
    ], []) },
    Message { api: 37, flexible: 2, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("results", 0.., Array(&Struct(&layout!(90, [
            field!("name", 0.., Text), field!("error_code", 0.., Fixed(2)),
            field!("error_message", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 38, flexible: 2, body: layout!(246, [
        field!("error_code", 0.., Fixed(2)), field!("principal_type", 0.., Text),
        field!("principal_name", 0.., Text), field!("token_requester_principal_type", 3.., Text),
        field!("token_requester_principal_name", 3.., Text), field!("issue_timestamp_ms", 0.., Fixed(8)),
        field!("expiry_timestamp_ms", 0.., Fixed(8)), field!("max_timestamp_ms", 0.., Fixed(8)),
        field!("token_id", 0.., Text), field!("hmac", 0.., Bytes), field!("throttle_time_ms", 0.., Fixed(4)),
    ], []) },
    Message { api: 39, flexible: 2, body: layout!(38, [
        field!("error_code", 0.., Fixed(2)), field!("expiry_timestamp_ms", 0.., Fixed(8)),
        field!("throttle_time_ms", 0.., Fixed(4)),
    ], []) },
    Message { api: 40, flexible: 2, body: layout!(38, [
        field!("error_code", 0.., Fixed(2)), field!("expiry_timestamp_ms", 0.., Fixed(8)),
        field!("throttle_time_ms", 0.., Fixed(4)),
    ], []) },
    Message { api: 41, flexible: 2, body: layout!(54, [
        field!("error_code", 0.., Fixed(2)),
        field!("tokens", 0.., Array(&Struct(&layout!(264, [
            field!("principal_type", 0.., Text), field!("principal_name", 0.., Text),
            field!("token_requester_principal_type", 3.., Text),
            field!("token_requester_principal_name", 3.., Text), field!("issue_timestamp", 0.., Fixed(8)),
            field!("expiry_timestamp", 0.., Fixed(8)), field!("max_timestamp", 0.., Fixed(8)),
            field!("token_id", 0.., Text), field!("hmac", 0.., Bytes),
            field!("renewers", 0.., Array(&Struct(&layout!(88, [
                field!("principal_type", 0.., Text), field!("principal_name", 0.., Text),
            ], [])))),
        ], [])))),
        field!("throttle_time_ms", 0.., Fixed(4)),
    ], []) },
    Message { api: 42, flexible: 2, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("results", 0.., Array(&Struct(&layout!(58, [
            field!("group_id", 0.., Text), field!("error_code", 0.., Fixed(2)),
        ], [])))),
    ], []) },
    Message { api: 43, flexible: 2, body: layout!(54, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 1.., Fixed(2)),
        field!("replica_election_results", 0.., Array(&Struct(&layout!(80, [
            field!("topic", 0.., Text),
            field!("partition_result", 0.., Array(&Struct(&layout!(62, [
                field!("partition_id", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 44, flexible: 1, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("responses", 0.., Array(&Struct(&layout!(91, [
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
            field!("resource_type", 0.., Fixed(1)), field!("resource_name", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 45, flexible: 0, body: layout!(87, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("allow_replication_factor_change", 1.., Fixed(1)),
        field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
        field!("responses", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(62, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 46, flexible: 0, body: layout!(86, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(100, [
                field!("partition_index", 0.., Fixed(4)), field!("replicas", 0.., Array(&Fixed(4))),
                field!("adding_replicas", 0.., Array(&Fixed(4))),
                field!("removing_replicas", 0.., Array(&Fixed(4))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 47, flexible: 32767, body: layout!(54, [
        field!("error_code", 0.., Fixed(2)), field!("throttle_time_ms", 0.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(30, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 48, flexible: 1, body: layout!(86, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
        field!("entries", 0.., Array(&Struct(&layout!(72, [
            field!("entity", 0.., Array(&Struct(&layout!(88, [
                field!("entity_type", 0.., Text), field!("entity_name", 0.., Text),
            ], [])))),
            field!("values", 0.., Array(&Struct(&layout!(64, [
                field!("key", 0.., Text), field!("value", 0.., Fixed(8)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 49, flexible: 1, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("entries", 0.., Array(&Struct(&layout!(82, [
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
            field!("entity", 0.., Array(&Struct(&layout!(88, [
                field!("entity_type", 0.., Text), field!("entity_name", 0.., Text),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 50, flexible: 0, body: layout!(86, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
        field!("results", 0.., Array(&Struct(&layout!(114, [
            field!("user", 0.., Text), field!("error_code", 0.., Fixed(2)),
            field!("error_message", 0.., Text),
            field!("credential_infos", 0.., Array(&Struct(&layout!(29, [
                field!("mechanism", 0.., Fixed(1)), field!("iterations", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 51, flexible: 0, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("results", 0.., Array(&Struct(&layout!(90, [
            field!("user", 0.., Text), field!("error_code", 0.., Fixed(2)),
            field!("error_message", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 52, flexible: 0, body: layout!(74, [
        field!("error_code", 0.., Fixed(2)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic_name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(39, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
                field!("vote_granted", 0.., Fixed(1)),
            ], [])))),
        ], [])))),
    ], [
        field!(0, "node_endpoints", 1.., Array(&Struct(&layout!(62, [
            field!("node_id", 1.., Fixed(4)), field!("host", 1.., Text), field!("port", 1.., Fixed(2)),
        ], [])))),
    ]) },
    Message { api: 53, flexible: 1, body: layout!(74, [
        field!("error_code", 0.., Fixed(2)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic_name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(38, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], [
        field!(0, "node_endpoints", 1.., Array(&Struct(&layout!(62, [
            field!("node_id", 1.., Fixed(4)), field!("host", 1.., Text), field!("port", 1.., Fixed(2)),
        ], [])))),
    ]) },
    Message { api: 54, flexible: 1, body: layout!(74, [
        field!("error_code", 0.., Fixed(2)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic_name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(38, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], [
        field!(0, "node_endpoints", 1.., Array(&Struct(&layout!(62, [
            field!("node_id", 1.., Fixed(4)), field!("host", 1.., Text), field!("port", 1.., Fixed(2)),
        ], [])))),
    ]) },
    Message { api: 55, flexible: 0, body: layout!(106, [
        field!("error_code", 0.., Fixed(2)), field!("error_message", 2.., Text),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("topic_name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(126, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 2.., Text), field!("leader_id", 0.., Fixed(4)),
                field!("leader_epoch", 0.., Fixed(4)), field!("high_watermark", 0.., Fixed(8)),
                field!("current_voters", 0.., Array(&Struct(&layout!(68, [
                    field!("replica_id", 0.., Fixed(4)), field!("replica_directory_id", 2.., Fixed(16)),
                    field!("log_end_offset", 0.., Fixed(8)), field!("last_fetch_timestamp", 1.., Fixed(8)),
                    field!("last_caught_up_timestamp", 1.., Fixed(8)),
                ], [])))),
                field!("observers", 0.., Array(&Struct(&layout!(68, [
                    field!("replica_id", 0.., Fixed(4)), field!("replica_directory_id", 2.., Fixed(16)),
                    field!("log_end_offset", 0.., Fixed(8)), field!("last_fetch_timestamp", 1.., Fixed(8)),
                    field!("last_caught_up_timestamp", 1.., Fixed(8)),
                ], [])))),
            ], [])))),
        ], [])))),
        field!("nodes", 2.., Array(&Struct(&layout!(52, [
            field!("node_id", 2.., Fixed(4)),
            field!("listeners", 2.., Array(&Struct(&layout!(90, [
                field!("name", 2.., Text), field!("host", 2.., Text), field!("port", 2.., Fixed(2)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 56, flexible: 0, body: layout!(54, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("topics", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 2.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(67, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
                field!("isr", 0.., Array(&Fixed(4))), field!("leader_recovery_state", 1.., Fixed(1)),
                field!("partition_epoch", 0.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 57, flexible: 0, body: layout!(86, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
        field!("results", 0..=1, Array(&Struct(&layout!(90, [
            field!("feature", 0.., Text), field!("error_code", 0.., Fixed(2)),
            field!("error_message", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 58, flexible: 0, body: layout!(58, [
        field!("response_data", 0.., Bytes), field!("error_code", 0.., Fixed(2)),
    ], []) },
    Message { api: 59, flexible: 0, body: layout!(78, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(162, [
                field!("index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("snapshot_id", 0.., Struct(&layout!(36, [
                    field!("end_offset", 0.., Fixed(8)), field!("epoch", 0.., Fixed(4)),
                ], []))),
                field!("size", 0.., Fixed(8)), field!("position", 0.., Fixed(8)),
                field!("unaligned_records", 0.., Bytes),
            ], [
                field!(0, "current_leader", 0.., Struct(&layout!(32, [
                    field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
                ], []))),
            ])))),
        ], [])))),
    ], [
        field!(0, "node_endpoints", 1.., Array(&Struct(&layout!(62, [
            field!("node_id", 1.., Fixed(4)), field!("host", 1.., Text), field!("port", 1.., Fixed(2)),
        ], [])))),
    ]) },
    Message { api: 60, flexible: 0, body: layout!(127, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text), field!("endpoint_type", 1.., Fixed(1)),
        field!("cluster_id", 0.., Text), field!("controller_id", 0.., Fixed(4)),
        field!("brokers", 0.., Array(&Struct(&layout!(97, [
            field!("broker_id", 0.., Fixed(4)), field!("host", 0.., Text), field!("port", 0.., Fixed(4)),
            field!("rack", 0.., Text), field!("is_fenced", 2.., Fixed(1)),
        ], [])))),
        field!("cluster_authorized_operations", 0.., Fixed(4)),
    ], []) },
    Message { api: 61, flexible: 0, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(80, [
            field!("name", 0.., Text),
            field!("partitions", 0.., Array(&Struct(&layout!(86, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text),
                field!("active_producers", 0.., Array(&Struct(&layout!(60, [
                    field!("producer_id", 0.., Fixed(8)), field!("producer_epoch", 0.., Fixed(4)),
                    field!("last_sequence", 0.., Fixed(4)), field!("last_timestamp", 0.., Fixed(8)),
                    field!("coordinator_epoch", 0.., Fixed(4)),
                    field!("current_txn_start_offset", 0.., Fixed(8)),
                ], [])))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 62, flexible: 0, body: layout!(38, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("broker_epoch", 0.., Fixed(8)),
    ], []) },
    Message { api: 63, flexible: 0, body: layout!(33, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("is_caught_up", 0.., Fixed(1)), field!("is_fenced", 0.., Fixed(1)),
        field!("should_shut_down", 0.., Fixed(1)),
    ], []) },
    Message { api: 64, flexible: 0, body: layout!(62, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
    ], []) },
    Message { api: 65, flexible: 0, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("transaction_states", 0.., Array(&Struct(&layout!(136, [
            field!("error_code", 0.., Fixed(2)), field!("transactional_id", 0.., Text),
            field!("transaction_state", 0.., Text), field!("transaction_timeout_ms", 0.., Fixed(4)),
            field!("transaction_start_time_ms", 0.., Fixed(8)), field!("producer_id", 0.., Fixed(8)),
            field!("producer_epoch", 0.., Fixed(2)),
            field!("topics", 0.., Array(&Struct(&layout!(80, [
                field!("topic", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 66, flexible: 0, body: layout!(78, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("unknown_state_filters", 0.., Array(&Text)),
        field!("transaction_states", 0.., Array(&Struct(&layout!(96, [
            field!("transactional_id", 0.., Text), field!("producer_id", 0.., Fixed(8)),
            field!("transaction_state", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 67, flexible: 0, body: layout!(42, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("producer_id_start", 0.., Fixed(8)), field!("producer_id_len", 0.., Fixed(4)),
    ], []) },
    Message { api: 68, flexible: 0, body: layout!(158, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text), field!("member_id", 0.., Text),
        field!("member_epoch", 0.., Fixed(4)), field!("heartbeat_interval_ms", 0.., Fixed(4)),
        field!("assignment", 0.., Optional(0, 32767, &layout!(48, [
            field!("topic_partitions", 0.., Array(&Struct(&layout!(64, [
                field!("topic_id", 0.., Fixed(16)), field!("partitions", 0.., Array(&Fixed(4))),
            ], [])))),
        ], []))),
    ], []) },
    Message { api: 69, flexible: 0, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("groups", 0.., Array(&Struct(&layout!(190, [
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
            field!("group_id", 0.., Text), field!("group_state", 0.., Text),
            field!("group_epoch", 0.., Fixed(4)), field!("assignment_epoch", 0.., Fixed(4)),
            field!("assignor_name", 0.., Text),
            field!("members", 0.., Array(&Struct(&layout!(357, [
                field!("member_id", 0.., Text), field!("instance_id", 0.., Text),
                field!("rack_id", 0.., Text), field!("member_epoch", 0.., Fixed(4)),
                field!("client_id", 0.., Text), field!("client_host", 0.., Text),
                field!("subscribed_topic_names", 0.., Array(&Text)),
                field!("subscribed_topic_regex", 0.., Text),
                field!("assignment", 0.., Struct(&layout!(48, [
                    field!("topic_partitions", 0.., Array(&Struct(&layout!(96, [
                        field!("topic_id", 0.., Fixed(16)), field!("topic_name", 0.., Text),
                        field!("partitions", 0.., Array(&Fixed(4))),
                    ], [])))),
                ], []))),
                field!("target_assignment", 0.., Struct(&layout!(48, [
                    field!("topic_partitions", 0.., Array(&Struct(&layout!(96, [
                        field!("topic_id", 0.., Fixed(16)), field!("topic_name", 0.., Text),
                        field!("partitions", 0.., Array(&Fixed(4))),
                    ], [])))),
                ], []))),
                field!("member_type", 1.., Fixed(1)),
            ], [])))),
            field!("authorized_operations", 0.., Fixed(4)),
        ], [])))),
    ], []) },
    Message { api: 70, flexible: 0, body: layout!(62, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
    ], []) },
    Message { api: 71, flexible: 0, body: layout!(107, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("client_instance_id", 0.., Fixed(16)), field!("subscription_id", 0.., Fixed(4)),
        field!("accepted_compression_types", 0.., Array(&Fixed(1))),
        field!("push_interval_ms", 0.., Fixed(4)), field!("telemetry_max_bytes", 0.., Fixed(4)),
        field!("delta_temporality", 0.., Fixed(1)), field!("requested_metrics", 0.., Array(&Text)),
    ], []) },
    Message { api: 72, flexible: 0, body: layout!(30, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
    ], []) },
    Message { api: 73, flexible: 0, body: layout!(54, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("directories", 0.., Array(&Struct(&layout!(64, [
            field!("id", 0.., Fixed(16)),
            field!("topics", 0.., Array(&Struct(&layout!(64, [
                field!("topic_id", 0.., Fixed(16)),
                field!("partitions", 0.., Array(&Struct(&layout!(30, [
                    field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                ], [])))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 74, flexible: 0, body: layout!(54, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("config_resources", 0.., Array(&Struct(&layout!(57, [
            field!("resource_name", 0.., Text), field!("resource_type", 1.., Fixed(1)),
        ], [])))),
    ], []) },
    Message { api: 75, flexible: 0, body: layout!(120, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("topics", 0.., Array(&Struct(&layout!(103, [
            field!("error_code", 0.., Fixed(2)), field!("name", 0.., Text),
            field!("topic_id", 0.., Fixed(16)), field!("is_internal", 0.., Fixed(1)),
            field!("partitions", 0.., Array(&Struct(&layout!(158, [
                field!("error_code", 0.., Fixed(2)), field!("partition_index", 0.., Fixed(4)),
                field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
                field!("replica_nodes", 0.., Array(&Fixed(4))), field!("isr_nodes", 0.., Array(&Fixed(4))),
                field!("eligible_leader_replicas", 0.., Array(&Fixed(4))),
                field!("last_known_elr", 0.., Array(&Fixed(4))),
                field!("offline_replicas", 0.., Array(&Fixed(4))),
            ], [])))),
            field!("topic_authorized_operations", 0.., Fixed(4)),
        ], [])))),
        field!("next_cursor", 0.., Optional(0, 32767, &layout!(60, [
            field!("topic_name", 0.., Text), field!("partition_index", 0.., Fixed(4)),
        ], []))),
    ], []) },
    Message { api: 76, flexible: 0, body: layout!(158, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text), field!("member_id", 0.., Text),
        field!("member_epoch", 0.., Fixed(4)), field!("heartbeat_interval_ms", 0.., Fixed(4)),
        field!("assignment", 0.., Optional(0, 32767, &layout!(48, [
            field!("topic_partitions", 0.., Array(&Struct(&layout!(64, [
                field!("topic_id", 0.., Fixed(16)), field!("partitions", 0.., Array(&Fixed(4))),
            ], [])))),
        ], []))),
    ], []) },
    Message { api: 77, flexible: 0, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("groups", 0.., Array(&Struct(&layout!(190, [
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
            field!("group_id", 0.., Text), field!("group_state", 0.., Text),
            field!("group_epoch", 0.., Fixed(4)), field!("assignment_epoch", 0.., Fixed(4)),
            field!("assignor_name", 0.., Text),
            field!("members", 0.., Array(&Struct(&layout!(236, [
                field!("member_id", 0.., Text), field!("rack_id", 0.., Text),
                field!("member_epoch", 0.., Fixed(4)), field!("client_id", 0.., Text),
                field!("client_host", 0.., Text), field!("subscribed_topic_names", 0.., Array(&Text)),
                field!("assignment", 0.., Struct(&layout!(48, [
                    field!("topic_partitions", 0.., Array(&Struct(&layout!(96, [
                        field!("topic_id", 0.., Fixed(16)), field!("topic_name", 0.., Text),
                        field!("partitions", 0.., Array(&Fixed(4))),
                    ], [])))),
                ], []))),
            ], [])))),
            field!("authorized_operations", 0.., Fixed(4)),
        ], [])))),
    ], []) },
    Message { api: 78, flexible: 0, body: layout!(114, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text), field!("acquisition_lock_timeout_ms", 1.., Fixed(4)),
        field!("responses", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(192, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text), field!("acknowledge_error_code", 0.., Fixed(2)),
                field!("acknowledge_error_message", 0.., Text),
                field!("current_leader", 0.., Struct(&layout!(32, [
                    field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
                ], []))),
                field!("records", 0.., Bytes),
                field!("acquired_records", 0.., Array(&Struct(&layout!(42, [
                    field!("first_offset", 0.., Fixed(8)), field!("last_offset", 0.., Fixed(8)),
                    field!("delivery_count", 0.., Fixed(2)),
                ], [])))),
            ], [])))),
        ], [])))),
        field!("node_endpoints", 0.., Array(&Struct(&layout!(96, [
            field!("node_id", 0.., Fixed(4)), field!("host", 0.., Text), field!("port", 0.., Fixed(4)),
            field!("rack", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 79, flexible: 0, body: layout!(114, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text), field!("acquisition_lock_timeout_ms", 2.., Fixed(4)),
        field!("responses", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(102, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text),
                field!("current_leader", 0.., Struct(&layout!(32, [
                    field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
                ], []))),
            ], [])))),
        ], [])))),
        field!("node_endpoints", 0.., Array(&Struct(&layout!(96, [
            field!("node_id", 0.., Fixed(4)), field!("host", 0.., Text), field!("port", 0.., Fixed(4)),
            field!("rack", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 80, flexible: 0, body: layout!(62, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
    ], []) },
    Message { api: 81, flexible: 0, body: layout!(62, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
    ], []) },
    Message { api: 82, flexible: 0, body: layout!(106, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
    ], [
        field!(0, "current_leader", 0.., Struct(&layout!(68, [
            field!("leader_id", 0.., Fixed(4)), field!("leader_epoch", 0.., Fixed(4)),
            field!("host", 0.., Text), field!("port", 0.., Fixed(4)),
        ], []))),
    ]) },
    Message { api: 83, flexible: 0, body: layout!(48, [
        field!("results", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(62, [
                field!("partition", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 84, flexible: 0, body: layout!(48, [
        field!("results", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(98, [
                field!("partition", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text), field!("state_epoch", 0.., Fixed(4)),
                field!("start_offset", 0.., Fixed(8)),
                field!("state_batches", 0.., Array(&Struct(&layout!(43, [
                    field!("first_offset", 0.., Fixed(8)), field!("last_offset", 0.., Fixed(8)),
                    field!("delivery_state", 0.., Fixed(1)), field!("delivery_count", 0.., Fixed(2)),
                ], [])))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 85, flexible: 0, body: layout!(48, [
        field!("results", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(62, [
                field!("partition", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 86, flexible: 0, body: layout!(48, [
        field!("results", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(62, [
                field!("partition", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 87, flexible: 0, body: layout!(48, [
        field!("results", 0.., Array(&Struct(&layout!(64, [
            field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(82, [
                field!("partition", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text), field!("state_epoch", 0.., Fixed(4)),
                field!("leader_epoch", 0.., Fixed(4)), field!("start_offset", 0.., Fixed(8)),
                field!("delivery_complete_count", 1.., Fixed(4)),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 88, flexible: 0, body: layout!(234, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text), field!("member_id", 0.., Text),
        field!("member_epoch", 0.., Fixed(4)), field!("heartbeat_interval_ms", 0.., Fixed(4)),
        field!("acceptable_recovery_lag", 0.., Fixed(4)), field!("task_offset_interval_ms", 0.., Fixed(4)),
        field!("status", 0.., Array(&Struct(&layout!(57, [
            field!("status_code", 0.., Fixed(1)), field!("status_detail", 0.., Text),
        ], [])))),
        field!("active_tasks", 0.., Array(&Struct(&layout!(80, [
            field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
        field!("standby_tasks", 0.., Array(&Struct(&layout!(80, [
            field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
        field!("warmup_tasks", 0.., Array(&Struct(&layout!(80, [
            field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
        ], [])))),
        field!("endpoint_information_epoch", 0.., Fixed(4)),
        field!("partitions_by_user_endpoint", 0.., Array(&Struct(&layout!(138, [
            field!("user_endpoint", 0.., Struct(&layout!(58, [
                field!("host", 0.., Text), field!("port", 0.., Fixed(2)),
            ], []))),
            field!("active_partitions", 0.., Array(&Struct(&layout!(80, [
                field!("topic", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
            ], [])))),
            field!("standby_partitions", 0.., Array(&Struct(&layout!(80, [
                field!("topic", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 89, flexible: 0, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("groups", 0.., Array(&Struct(&layout!(218, [
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
            field!("group_id", 0.., Text), field!("group_state", 0.., Text),
            field!("group_epoch", 0.., Fixed(4)), field!("assignment_epoch", 0.., Fixed(4)),
            field!("topology", 0.., Optional(0, 32767, &layout!(52, [
                field!("epoch", 0.., Fixed(4)),
                field!("subtopologies", 0.., Array(&Struct(&layout!(152, [
                    field!("subtopology_id", 0.., Text), field!("source_topics", 0.., Array(&Text)),
                    field!("repartition_sink_topics", 0.., Array(&Text)),
                    field!("state_changelog_topics", 0.., Array(&Struct(&layout!(86, [
                        field!("name", 0.., Text), field!("partitions", 0.., Fixed(4)),
                        field!("replication_factor", 0.., Fixed(2)),
                        field!("topic_configs", 0.., Array(&Struct(&layout!(88, [
                            field!("key", 0.., Text), field!("value", 0.., Text),
                        ], [])))),
                    ], [])))),
                    field!("repartition_source_topics", 0.., Array(&Struct(&layout!(86, [
                        field!("name", 0.., Text), field!("partitions", 0.., Fixed(4)),
                        field!("replication_factor", 0.., Fixed(2)),
                        field!("topic_configs", 0.., Array(&Struct(&layout!(88, [
                            field!("key", 0.., Text), field!("value", 0.., Text),
                        ], [])))),
                    ], [])))),
                ], [])))),
            ], []))),
            field!("members", 0.., Array(&Struct(&layout!(571, [
                field!("member_id", 0.., Text), field!("member_epoch", 0.., Fixed(4)),
                field!("instance_id", 0.., Text), field!("rack_id", 0.., Text),
                field!("client_id", 0.., Text), field!("client_host", 0.., Text),
                field!("topology_epoch", 0.., Fixed(4)), field!("process_id", 0.., Text),
                field!("user_endpoint", 0.., Optional(0, 32767, &layout!(58, [
                    field!("host", 0.., Text), field!("port", 0.., Fixed(2)),
                ], []))),
                field!("client_tags", 0.., Array(&Struct(&layout!(88, [
                    field!("key", 0.., Text), field!("value", 0.., Text),
                ], [])))),
                field!("task_offsets", 0.., Array(&Struct(&layout!(68, [
                    field!("subtopology_id", 0.., Text), field!("partition", 0.., Fixed(4)),
                    field!("offset", 0.., Fixed(8)),
                ], [])))),
                field!("task_end_offsets", 0.., Array(&Struct(&layout!(68, [
                    field!("subtopology_id", 0.., Text), field!("partition", 0.., Fixed(4)),
                    field!("offset", 0.., Fixed(8)),
                ], [])))),
                field!("assignment", 0.., Struct(&layout!(96, [
                    field!("active_tasks", 0.., Array(&Struct(&layout!(80, [
                        field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
                    ], [])))),
                    field!("standby_tasks", 0.., Array(&Struct(&layout!(80, [
                        field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
                    ], [])))),
                    field!("warmup_tasks", 0.., Array(&Struct(&layout!(80, [
                        field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
                    ], [])))),
                ], []))),
                field!("target_assignment", 0.., Struct(&layout!(96, [
                    field!("active_tasks", 0.., Array(&Struct(&layout!(80, [
                        field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
                    ], [])))),
                    field!("standby_tasks", 0.., Array(&Struct(&layout!(80, [
                        field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
                    ], [])))),
                    field!("warmup_tasks", 0.., Array(&Struct(&layout!(80, [
                        field!("subtopology_id", 0.., Text), field!("partitions", 0.., Array(&Fixed(4))),
                    ], [])))),
                ], []))),
                field!("is_classic", 0.., Fixed(1)),
            ], [])))),
            field!("authorized_operations", 0.., Fixed(4)),
        ], [])))),
    ], []) },
    Message { api: 90, flexible: 0, body: layout!(52, [
        field!("throttle_time_ms", 0.., Fixed(4)),
        field!("groups", 0.., Array(&Struct(&layout!(114, [
            field!("group_id", 0.., Text),
            field!("topics", 0.., Array(&Struct(&layout!(96, [
                field!("topic_name", 0.., Text), field!("topic_id", 0.., Fixed(16)),
                field!("partitions", 0.., Array(&Struct(&layout!(82, [
                    field!("partition_index", 0.., Fixed(4)), field!("start_offset", 0.., Fixed(8)),
                    field!("leader_epoch", 0.., Fixed(4)), field!("lag", 1.., Fixed(8)),
                    field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
                ], [])))),
            ], [])))),
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
        ], [])))),
    ], []) },
    Message { api: 91, flexible: 0, body: layout!(86, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
        field!("responses", 0.., Array(&Struct(&layout!(96, [
            field!("topic_name", 0.., Text), field!("topic_id", 0.., Fixed(16)),
            field!("partitions", 0.., Array(&Struct(&layout!(62, [
                field!("partition_index", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
                field!("error_message", 0.., Text),
            ], [])))),
        ], [])))),
    ], []) },
    Message { api: 92, flexible: 0, body: layout!(86, [
        field!("throttle_time_ms", 0.., Fixed(4)), field!("error_code", 0.., Fixed(2)),
        field!("error_message", 0.., Text),
        field!("responses", 0.., Array(&Struct(&layout!(106, [
            field!("topic_name", 0.., Text), field!("topic_id", 0.., Fixed(16)),
            field!("error_code", 0.., Fixed(2)), field!("error_message", 0.., Text),
        ], [])))),
    ], []) },
];
