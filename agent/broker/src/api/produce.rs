//! `Produce`: batches are checked here, get their offsets from the writer, and are answered when they are
//! committed.

use bytes::Bytes;
use futures::future::BoxFuture;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use crate::data::Data;
use crate::error_code::{
    CORRUPT_MESSAGE, INVALID_PRODUCER_EPOCH, INVALID_RECORD, INVALID_REQUIRED_ACKS,
    INVALID_TXN_STATE, KAFKA_STORAGE_ERROR, MESSAGE_TOO_LARGE, NONE, OUT_OF_ORDER_SEQUENCE_NUMBER,
    UNKNOWN_TOPIC_OR_PARTITION, UNSUPPORTED_FOR_MESSAGE_FORMAT,
};
use crate::log::batch::{BatchError, BatchHeader};
use crate::log::partition::AppendError;
use crate::state::{Shared, State, Topic, TxnError};
use crate::store::Commit;
use crate::store::keys::PartitionId;
use crate::writer::settle;

/// A batch that was checked, for a partition that is there.
struct Incoming {
    /// Where its answer belongs: topic and partition of the request.
    place: (usize, usize),
    partition: PartitionId,
    header: BatchHeader,
    bytes: Bytes,
    stamp: bool,
}

/// What became of a batch.
struct Outcome {
    error: i16,
    base_offset: i64,
    append_time: i64,
    log_start: i64,
}

/// Checks the batches and orders them to be written; the answer is due after the commit. `None` if the
/// producer wants no answer.
pub(super) async fn begin(
    data: &Data,
    request: ProduceRequest,
) -> BoxFuture<'static, Option<ProduceResponse>> {
    let acks = request.acks;
    let (mut answer, incoming) = check_all(&data.shared, request);
    let places: Vec<(usize, usize)> = incoming.iter().map(|batch| batch.place).collect();
    let ordered = if incoming.is_empty() {
        None
    } else {
        let job = move |state: &mut State, commit: &mut Commit| {
            incoming
                .into_iter()
                .map(|batch| append(state, commit, &batch))
                .collect::<Vec<_>>()
        };
        Some(data.writer.order(job).await)
    };
    Box::pin(async move {
        let outcomes = match ordered {
            None => Ok(Vec::new()),
            Some(Ok(receipt)) => settle(receipt).await,
            Some(Err(error)) => Err(error),
        };
        let outcomes = outcomes.unwrap_or_else(|error| {
            let code = super::storage_error(&error);
            places.iter().map(|_| Outcome::error(code)).collect()
        });
        for ((topic, partition), outcome) in places.into_iter().zip(outcomes) {
            let part = answer
                .responses
                .get_mut(topic)
                .and_then(|topic| topic.partition_responses.get_mut(partition));
            if let Some(part) = part {
                part.error_code = outcome.error;
                part.base_offset = outcome.base_offset;
                part.log_append_time_ms = outcome.append_time;
                part.log_start_offset = outcome.log_start;
            }
        }
        (acks != 0).then_some(answer)
    })
}

/// The answer with the refusals in it and gaps for the batches that may be written, and those batches.
fn check_all(shared: &Shared, request: ProduceRequest) -> (ProduceResponse, Vec<Incoming>) {
    let acks_known = matches!(request.acks, -1..=1);
    let mut answer = ProduceResponse::default();
    let mut incoming = Vec::new();
    for (topic_place, topic) in request.topic_data.into_iter().enumerate() {
        let found = shared.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for (place, part) in topic.partition_data.into_iter().enumerate() {
            let index = part.index;
            let checked = if acks_known {
                check(found.as_deref(), part, (topic_place, place))
            } else {
                Err(refusal(INVALID_REQUIRED_ACKS, None))
            };
            let part = match checked {
                Ok(batch) => {
                    incoming.push(batch);
                    PartitionProduceResponse::default()
                }
                Err(refused) => refused,
            };
            partitions.push(part.with_index(index));
        }
        answer.responses.push(
            TopicProduceResponse::default()
                .with_name(topic.name)
                .with_partition_responses(partitions),
        );
    }
    (answer, incoming)
}

fn refusal(code: i16, message: Option<String>) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_error_code(code)
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(-1)
        .with_error_message(message.map(StrBytes::from_string))
}

fn check(
    topic: Option<&Topic>,
    data: PartitionProduceData,
    place: (usize, usize),
) -> Result<Incoming, PartitionProduceResponse> {
    let unknown = || refusal(UNKNOWN_TOPIC_OR_PARTITION, None);
    let topic = topic.ok_or_else(unknown)?;
    let partition = topic.partition(data.index).ok_or_else(unknown)?;
    let bytes = data.records.unwrap_or_default();
    if bytes.len() > topic.settings.max_message_bytes {
        return Err(refusal(
            MESSAGE_TOO_LARGE,
            Some(format!(
                "The record batch size is {} bytes which exceeds the maximum configured value of {}.",
                bytes.len(),
                topic.settings.max_message_bytes
            )),
        ));
    }
    match BatchHeader::check(&bytes) {
        Ok(header) => Ok(Incoming {
            place,
            partition: partition.id,
            header,
            bytes,
            stamp: topic.settings.log_append_time,
        }),
        Err(error) => {
            let code = match error {
                BatchError::Incomplete | BatchError::Checksum => CORRUPT_MESSAGE,
                BatchError::Format(_) => UNSUPPORTED_FOR_MESSAGE_FORMAT,
                BatchError::Header | BatchError::Records => INVALID_RECORD,
            };
            Err(refusal(code, Some(error.to_string())))
        }
    }
}

impl Outcome {
    fn error(error: i16) -> Self {
        Self {
            error,
            base_offset: -1,
            append_time: -1,
            log_start: -1,
        }
    }
}

fn append(state: &mut State, commit: &mut Commit, batch: &Incoming) -> Outcome {
    let header = &batch.header;
    if commit.check_space().is_err() {
        return Outcome::error(KAFKA_STORAGE_ERROR);
    }
    if header.is_transactional() {
        let producer = (header.producer_id, header.producer_epoch);
        match state.check_transactional_write(producer, batch.partition) {
            Ok(()) => (),
            Err(TxnError::Fenced) => return Outcome::error(INVALID_PRODUCER_EPOCH),
            Err(_) => return Outcome::error(INVALID_TXN_STATE),
        }
    }
    let Some(log) = state.partitions.get_mut(&batch.partition) else {
        return Outcome::error(UNKNOWN_TOPIC_OR_PARTITION);
    };
    match log.append(header, &batch.bytes, batch.stamp, commit.now) {
        Ok((appended, stored)) => {
            let log_start = log.start;
            if let Some(stored) = stored {
                commit.put_batch(batch.partition, stored.last_offset, stored.bytes);
            }
            Outcome {
                error: NONE,
                base_offset: appended.base_offset,
                append_time: appended.append_time,
                log_start,
            }
        }
        Err(AppendError::OldEpoch) => Outcome::error(INVALID_PRODUCER_EPOCH),
        Err(AppendError::OutOfOrder) => Outcome::error(OUT_OF_ORDER_SEQUENCE_NUMBER),
    }
}
