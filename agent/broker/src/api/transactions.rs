//! Producer ids and transactions.

use std::time::Duration;

use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::describe_transactions_response::{
    TopicData, TransactionState as DescribedTransaction,
};
use kafka_protocol::messages::list_transactions_response::TransactionState as ListedTransaction;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, DescribeProducersRequest, DescribeProducersResponse,
    DescribeTransactionsRequest, DescribeTransactionsResponse, EndTxnRequest, EndTxnResponse,
    InitProducerIdRequest, InitProducerIdResponse, ListTransactionsRequest,
    ListTransactionsResponse, ProducerId, TransactionalId, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::offsets::Entries;
use super::{storage_error, text, topic_name};
use crate::clock::millis;
use crate::data::Data;
use crate::error_code::{
    INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING, INVALID_REQUEST,
    INVALID_TRANSACTION_TIMEOUT, INVALID_TXN_STATE, KAFKA_STORAGE_ERROR, NONE,
    OPERATION_NOT_ATTEMPTED, PRODUCER_FENCED, TRANSACTIONAL_ID_NOT_FOUND,
    UNKNOWN_TOPIC_OR_PARTITION,
};
use crate::groups::Groups;
use crate::groups::group::Speaker;
use crate::state::{InitError, State, Transaction, TxnError, TxnStatus};
use crate::store::StoreError;
use crate::store::keys::{self, tag};
use crate::writer::Writer;

/// The error code of a job. `fenced` is the one for an old epoch: clients before KIP-588 know only one for
/// all cases.
fn code(outcome: Result<Result<(), TxnError>, StoreError>, fenced: i16) -> i16 {
    match outcome {
        Ok(Ok(())) => NONE,
        Ok(Err(TxnError::Mapping)) => INVALID_PRODUCER_ID_MAPPING,
        Ok(Err(TxnError::Fenced)) => fenced,
        Ok(Err(TxnError::State)) => INVALID_TXN_STATE,
        Ok(Err(TxnError::Full)) => KAFKA_STORAGE_ERROR,
        Err(error) => storage_error(&error),
    }
}

fn fenced(version: i16, since: i16) -> i16 {
    if version >= since {
        PRODUCER_FENCED
    } else {
        INVALID_PRODUCER_EPOCH
    }
}

pub(super) async fn init(
    longest: Duration,
    writer: &Writer,
    request: InitProducerIdRequest,
    version: i16,
) -> InitProducerIdResponse {
    let outcome = init_producer(longest, writer, request, version).await;
    let mut answer = InitProducerIdResponse::default();
    match outcome {
        Ok((id, epoch)) => {
            answer.producer_id = ProducerId(id);
            answer.producer_epoch = epoch;
        }
        Err(code) => {
            answer.error_code = code;
            answer.producer_id = ProducerId(-1);
            answer.producer_epoch = -1;
        }
    }
    answer
}

async fn init_producer(
    longest: Duration,
    writer: &Writer,
    request: InitProducerIdRequest,
    version: i16,
) -> Result<(i64, i16), i16> {
    let Some(transactional_id) = request.transactional_id else {
        return writer
            .run(|state, commit| {
                commit.check_space()?;
                Ok((state.new_producer_id(commit), 0))
            })
            .await
            .and_then(|id| id)
            .map_err(|error| storage_error(&error));
    };
    let transactional_id = transactional_id.to_string();
    if transactional_id.is_empty() {
        return Err(INVALID_REQUEST);
    }
    // A transaction holds all readers of committed records back while it is open, so its time has a bound.
    let timeout = request.transaction_timeout_ms;
    if timeout <= 0 || i64::from(timeout) > millis(longest) {
        return Err(INVALID_TRANSACTION_TIMEOUT);
    }
    let (id, epoch) = (request.producer_id.0, request.producer_epoch);
    let current = match (id, epoch) {
        (-1, -1) => None,
        // A producer that recovers (KIP-360).
        (id, epoch) if id >= 0 && epoch >= 0 => Some((id, epoch)),
        _ => return Err(INVALID_REQUEST),
    };
    let given = writer
        .run(move |state, commit| state.init_producer(commit, &transactional_id, timeout, current))
        .await
        .map_err(|error| storage_error(&error))?;
    given.map_err(|error| match error {
        InitError::Fenced => fenced(version, 4),
        InitError::Mapping => INVALID_PRODUCER_ID_MAPPING,
        InitError::Full => KAFKA_STORAGE_ERROR,
    })
}

pub(super) async fn add_partitions(
    data: &Data,
    request: AddPartitionsToTxnRequest,
    version: i16,
) -> AddPartitionsToTxnResponse {
    let transactional_id = request.v3_and_below_transactional_id.to_string();
    let producer = (
        request.v3_and_below_producer_id.0,
        request.v3_and_below_producer_epoch,
    );
    let topics = request.v3_and_below_topics;
    let partition = |topic: &str, index| Some(data.shared.topic(topic)?.partition(index)?.id);
    let known: Option<Vec<_>> = topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|index| (&*topic.name, *index)))
        .map(|(topic, index)| partition(topic, index))
        .collect();
    // All or none, as in Kafka: a partition that is missing leaves the others untried.
    let outcome = match known {
        Some(known) => {
            let added = data
                .writer
                .run(move |state, commit| {
                    state.add_partitions_to_txn(commit, &transactional_id, producer, &known)
                })
                .await;
            code(added, fenced(version, 2))
        }
        None => OPERATION_NOT_ATTEMPTED,
    };
    let mut answer = AddPartitionsToTxnResponse::default();
    answer.results_by_topic_v3_and_below = topics
        .into_iter()
        .map(|topic| {
            let name = topic.name.clone();
            let partitions = topic.partitions.into_iter().map(|index| {
                let code = match outcome {
                    OPERATION_NOT_ATTEMPTED if partition(&name, index).is_none() => {
                        UNKNOWN_TOPIC_OR_PARTITION
                    }
                    code => code,
                };
                AddPartitionsToTxnPartitionResult::default()
                    .with_partition_index(index)
                    .with_partition_error_code(code)
            });
            AddPartitionsToTxnTopicResult::default()
                .with_name(topic.name)
                .with_results_by_partition(partitions.collect())
        })
        .collect();
    answer
}

pub(super) async fn add_offsets(
    writer: &Writer,
    request: AddOffsetsToTxnRequest,
    version: i16,
) -> AddOffsetsToTxnResponse {
    let producer = (request.producer_id.0, request.producer_epoch);
    let outcome = writer
        .run(move |state, commit| {
            state.add_group_to_txn(
                commit,
                &request.transactional_id,
                producer,
                &request.group_id,
            )
        })
        .await;
    AddOffsetsToTxnResponse::default().with_error_code(code(outcome, fenced(version, 2)))
}

pub(super) async fn commit_offsets(
    groups: &Groups,
    data: &Data,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let group = request.group_id.to_string();
    let speaker = Speaker {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let refused = groups.check_commit(&group, speaker, true);
    let mut entries = Entries::new(&data.shared, refused);
    let mut answer = TxnOffsetCommitResponse::default();
    for topic in request.topics {
        let partitions = topic.partitions.into_iter().map(|partition| {
            let index = partition.partition_index;
            let offset = (partition.committed_offset, partition.committed_leader_epoch);
            let code = entries.take(&topic.name, index, offset, partition.committed_metadata);
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(code)
        });
        let partitions = partitions.collect();
        answer.topics.push(
            TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    let entries = entries.taken;
    if entries.is_empty() {
        return answer;
    }
    // The group is stored even if the transaction aborts: it exists from its first commit on.
    let record = groups.touch(&group);
    let producer = (request.producer_id.0, request.producer_epoch);
    let transactional_id = request.transactional_id;
    let outcome = data
        .writer
        .run(move |state: &mut State, commit| {
            // Kept with the transaction: readers see them only if it commits.
            state.add_offsets(commit, &transactional_id, producer, &group, entries)?;
            let key = keys::named(tag::GROUP, &group);
            commit.put(key, record);
            Ok::<_, TxnError>(())
        })
        .await;
    let refused = code(outcome, INVALID_PRODUCER_EPOCH);
    if refused != NONE {
        for topic in &mut answer.topics {
            for partition in &mut topic.partitions {
                partition.error_code = refused;
            }
        }
    }
    answer
}

pub(super) async fn end(writer: &Writer, request: EndTxnRequest, version: i16) -> EndTxnResponse {
    let producer = (request.producer_id.0, request.producer_epoch);
    let outcome = writer
        .run(move |state, commit| {
            state.end_txn(
                commit,
                &request.transactional_id,
                producer,
                request.committed,
            )
        })
        .await;
    EndTxnResponse::default().with_error_code(code(outcome, fenced(version, 2)))
}

pub(super) async fn describe_producers(
    writer: &Writer,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let mut answer = DescribeProducersResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let name = topic.name.to_string();
            let producers = writer
                .run(move |state, _| {
                    let id = state.partition_id(&name, index)?;
                    Some(active_producers(state, id))
                })
                .await;
            let part = PartitionResponse::default()
                .with_partition_index(index)
                .with_error_message(None);
            partitions.push(match producers {
                Ok(Some(producers)) => part.with_active_producers(producers),
                Ok(None) => part.with_error_code(UNKNOWN_TOPIC_OR_PARTITION),
                Err(error) => part.with_error_code(storage_error(&error)),
            });
        }
        answer.topics.push(
            TopicResponse::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    answer
}

fn active_producers(state: &State, id: u64) -> Vec<ProducerState> {
    let Some(log) = state.partitions.get(&id) else {
        return Vec::new();
    };
    log.producers()
        .map(|(producer, entry)| {
            ProducerState::default()
                .with_producer_id(ProducerId(producer))
                .with_producer_epoch(i32::from(entry.epoch))
                .with_last_sequence(entry.batches.back().map_or(-1, |batch| batch.last_sequence))
                .with_last_timestamp(entry.last_timestamp)
                .with_coordinator_epoch(0)
                .with_current_txn_start_offset(entry.transaction_start.unwrap_or(-1))
        })
        .collect()
}

pub(super) async fn describe(
    writer: &Writer,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let ids = request.transactional_ids;
    let described = writer
        .run(move |state, _| {
            ids.into_iter()
                .map(|id| match state.transactions.get(id.as_str()) {
                    Some(transaction) => describe_one(state, id.clone(), transaction),
                    None => DescribedTransaction::default()
                        .with_transactional_id(id)
                        .with_error_code(TRANSACTIONAL_ID_NOT_FOUND),
                })
                .collect()
        })
        .await;
    DescribeTransactionsResponse::default().with_transaction_states(described.unwrap_or_default())
}

fn describe_one(
    state: &State,
    id: TransactionalId,
    transaction: &Transaction,
) -> DescribedTransaction {
    let mut topics: Vec<TopicData> = Vec::new();
    for partition in &transaction.partitions {
        let Some((topic, index)) = state.owners.get(partition) else {
            continue;
        };
        match topics.iter_mut().find(|data| *data.topic.0 == **topic) {
            Some(data) => data.partitions.push(*index),
            None => topics.push(
                TopicData::default()
                    .with_topic(topic_name(topic.to_string()))
                    .with_partitions(vec![*index]),
            ),
        }
    }
    DescribedTransaction::default()
        .with_transactional_id(id)
        .with_transaction_state(StrBytes::from_static_str(transaction.status.name()))
        .with_transaction_timeout_ms(transaction.timeout_ms)
        .with_transaction_start_time_ms(transaction.started)
        .with_producer_id(ProducerId(transaction.producer_id))
        .with_producer_epoch(transaction.epoch)
        .with_topics(topics)
}

pub(super) async fn list(
    writer: &Writer,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    const KNOWN: [&str; 4] = ["Empty", "Ongoing", "CompleteCommit", "CompleteAbort"];
    let unknown = request
        .state_filters
        .iter()
        .filter(|state| !KNOWN.contains(&&***state))
        .cloned()
        .collect();
    let listed = writer
        .run(move |state, commit| {
            let now = commit.now;
            state
                .transactions
                .iter()
                .filter(|(id, transaction)| is_wanted(&request, now, id, transaction))
                .map(|(id, transaction)| {
                    ListedTransaction::default()
                        .with_transactional_id(TransactionalId(text(id.clone())))
                        .with_producer_id(ProducerId(transaction.producer_id))
                        .with_transaction_state(StrBytes::from_static_str(
                            transaction.status.name(),
                        ))
                })
                .collect()
        })
        .await;
    let answer = ListTransactionsResponse::default().with_unknown_state_filters(unknown);
    match listed {
        Ok(states) => answer.with_transaction_states(states),
        Err(error) => answer.with_error_code(storage_error(&error)),
    }
}

fn is_wanted(
    request: &ListTransactionsRequest,
    now: i64,
    id: &str,
    transaction: &Transaction,
) -> bool {
    let state = request.state_filters.is_empty()
        || request
            .state_filters
            .iter()
            .any(|state| **state == *transaction.status.name());
    let producer = request.producer_id_filters.is_empty()
        || request
            .producer_id_filters
            .contains(&ProducerId(transaction.producer_id));
    let long_enough = request.duration_filter < 0
        || (transaction.status == TxnStatus::Ongoing
            && now - transaction.started > request.duration_filter);
    let name = request
        .transactional_id_pattern
        .as_ref()
        .is_none_or(|pattern| pattern.is_empty() || **pattern == *id);
    state && producer && long_enough && name
}
