//! `Fetch`: what is there from an offset, or a wait for it.
//!
//! There are no fetch sessions: session id 0 tells clients to say in each request what they want. A fetch
//! that waits holds nothing but its request; budget for records is taken when there are some.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, ProducerId, TopicName};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Limits;
use crate::data::Data;
use crate::error_code::{
    FENCED_LEADER_EPOCH, NONE, OFFSET_OUT_OF_RANGE, UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_ID,
    UNKNOWN_TOPIC_OR_PARTITION,
};
use crate::log::batch::BatchHeader;
use crate::log::read;
use crate::log::view::{PartitionView, Published, Waiting};
use crate::state::Shared;
use crate::store::{Store, StoreError, StoreReader};
use crate::wire::UNIT;

/// Kafka's `FETCH_SESSION_ID_NOT_FOUND`, after which a client sends full fetches.
const SESSION_NOT_FOUND: i16 = 70;

/// One partition of the request.
#[derive(Clone)]
struct Wanted {
    topic: usize,
    index: i32,
    offset: i64,
    most: usize,
    /// The partition, or the error code.
    view: Result<Arc<PartitionView>, i16>,
}

/// What a partition has to give.
struct Given {
    error: i16,
    published: Option<Published>,
    records: Bytes,
}

/// What fetches work with.
pub(crate) struct Fetches {
    data: Arc<Data>,
    /// Most bytes of records in one answer.
    bytes: usize,
    /// Units of [`UNIT`] bytes in the whole budget.
    units: usize,
    budget: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Fetches {
    pub(crate) fn new(data: Arc<Data>, limits: &Limits, stop: CancellationToken) -> Self {
        let units = limits.fetches_in_memory / UNIT;
        Self {
            data,
            bytes: limits.fetch_bytes,
            units,
            budget: Arc::new(Semaphore::new(units)),
            stop,
        }
    }

    /// Waits for room for `most` bytes of records.
    async fn budget(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        let units = (most / UNIT).clamp(1, self.units.max(1));
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        // The budget is never closed.
        Arc::clone(&self.budget)
            .acquire_many_owned(units)
            .await
            .ok()
    }
}

pub(super) async fn handle(
    fetches: &Fetches,
    request: FetchRequest,
    version: i16,
) -> (FetchResponse, Option<OwnedSemaphorePermit>) {
    if request.session_id != 0 && request.session_epoch > 0 {
        return (
            FetchResponse::default().with_error_code(SESSION_NOT_FOUND),
            None,
        );
    }
    let committed = request.isolation_level == 1;
    let wait = u64::try_from(request.max_wait_ms).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_millis(wait);
    let least = usize::try_from(request.min_bytes).unwrap_or(0);
    let most = usize::try_from(request.max_bytes)
        .unwrap_or(0)
        .min(fetches.bytes);
    let (names, wanted) = resolve(&fetches.data.shared, request, version);

    let bell = Arc::new(Notify::new());
    let _waiting: Vec<Waiting> = wanted
        .iter()
        .filter_map(|wanted| wanted.view.as_ref().ok())
        .map(|view| view.wait(&bell))
        .collect();
    let mut needed = 0_u64;
    let mut seen = appended(&wanted);
    loop {
        let late = Instant::now() >= deadline || fetches.stop.is_cancelled();
        let ready = late || is_ready(&wanted, committed);
        if ready && (late || appended(&wanted).wrapping_sub(seen) >= needed) {
            seen = appended(&wanted);
            let permit = fetches.budget(most).await;
            let given = give(&fetches.data.reader, &wanted, committed, most).await;
            let size: usize = given.iter().map(|given| given.records.len()).sum();
            let failed = given.iter().any(|given| given.error != NONE);
            if late || failed || size >= least {
                return (respond(names, &wanted, given, committed), permit);
            }
            needed = (least - size) as u64;
        }
        tokio::select! {
            () = bell.notified() => (),
            () = tokio::time::sleep_until(deadline) => (),
            () = fetches.stop.cancelled() => (),
        }
    }
}

type Names = Vec<(TopicName, Uuid)>;

fn resolve(shared: &Shared, request: FetchRequest, version: i16) -> (Names, Vec<Wanted>) {
    let topics = shared.topics();
    let (mut names, mut wanted) = (Vec::new(), Vec::new());
    for (place, topic) in request.topics.into_iter().enumerate() {
        let (found, unknown) = if version >= 13 {
            (topics.by_id.get(&topic.topic_id), UNKNOWN_TOPIC_ID)
        } else {
            (
                topics.by_name.get(topic.topic.as_str()),
                UNKNOWN_TOPIC_OR_PARTITION,
            )
        };
        for partition in topic.partitions {
            let view = found
                .ok_or(unknown)
                .and_then(|topic| {
                    let view = topic.partition(partition.partition);
                    view.cloned().ok_or(UNKNOWN_TOPIC_OR_PARTITION)
                })
                .and_then(|view| match partition.current_leader_epoch {
                    -1 | 0 => Ok(view),
                    epoch if epoch < 0 => Err(FENCED_LEADER_EPOCH),
                    _ => Err(UNKNOWN_LEADER_EPOCH),
                });
            wanted.push(Wanted {
                topic: place,
                index: partition.partition,
                offset: partition.fetch_offset,
                most: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
                view,
            });
        }
        names.push((topic.topic, topic.topic_id));
    }
    (names, wanted)
}

fn appended(wanted: &[Wanted]) -> u64 {
    wanted
        .iter()
        .filter_map(|wanted| wanted.view.as_ref().ok())
        .fold(0, |sum, view| sum.wrapping_add(view.appended()))
}

fn limit(published: &Published, committed: bool) -> i64 {
    if committed {
        published.stable
    } else {
        published.end
    }
}

fn in_range(published: &Published, offset: i64) -> bool {
    (published.start..=published.end).contains(&offset)
}

/// Whether there is something to say: records, or an error.
fn is_ready(wanted: &[Wanted], committed: bool) -> bool {
    wanted.is_empty()
        || wanted.iter().any(|wanted| match &wanted.view {
            Err(_) => true,
            Ok(view) => {
                let published = view.read();
                !in_range(&published, wanted.offset) || limit(&published, committed) > wanted.offset
            }
        })
}

async fn give(reader: &StoreReader, wanted: &[Wanted], committed: bool, most: usize) -> Vec<Given> {
    let asked = wanted.to_vec();
    let given = reader
        .read(move |store| Ok(give_all(store, &asked, committed, most)))
        .await;
    given.unwrap_or_else(|error| {
        let code = super::storage_error(&error);
        wanted.iter().map(|_| Given::error(code)).collect()
    })
}

impl Given {
    fn error(error: i16) -> Self {
        Self {
            error,
            published: None,
            records: Bytes::new(),
        }
    }
}

fn give_all(store: &Store, wanted: &[Wanted], committed: bool, most: usize) -> Vec<Given> {
    let mut left = most;
    let mut nothing_yet = true;
    wanted
        .iter()
        .map(|wanted| {
            let view = match &wanted.view {
                Ok(view) => view,
                Err(error) => return Given::error(*error),
            };
            let published = view.read();
            if !in_range(&published, wanted.offset) {
                return Given::error(OFFSET_OUT_OF_RANGE);
            }
            let upto = limit(&published, committed);
            let room = wanted.most.min(left);
            let read: Result<_, StoreError> =
                read::batches(store, view.id, wanted.offset, upto, room, nothing_yet);
            match read {
                Ok(batches) => {
                    left = left.saturating_sub(batches.size);
                    nothing_yet &= batches.size == 0;
                    Given {
                        error: NONE,
                        published: Some(published),
                        records: batches.join(),
                    }
                }
                Err(error) => Given::error(super::storage_error(&error)),
            }
        })
        .collect()
}

fn respond(names: Names, wanted: &[Wanted], given: Vec<Given>, committed: bool) -> FetchResponse {
    let mut answer = FetchResponse::default();
    answer.responses = names
        .into_iter()
        .map(|(name, id)| {
            FetchableTopicResponse::default()
                .with_topic(name)
                .with_topic_id(id)
        })
        .collect();
    for (wanted, given) in wanted.iter().zip(given) {
        let mut data = PartitionData::default()
            .with_partition_index(wanted.index)
            .with_error_code(given.error)
            .with_high_watermark(-1)
            .with_last_stable_offset(-1)
            .with_log_start_offset(-1)
            .with_preferred_read_replica(BrokerId(-1))
            .with_aborted_transactions(None);
        if let Some(published) = given.published {
            data.high_watermark = published.end;
            data.last_stable_offset = published.stable;
            data.log_start_offset = published.start;
            if committed {
                let upto = end_of(&given.records).unwrap_or(wanted.offset);
                data.aborted_transactions = Some(aborted(&published, wanted.offset, upto));
            }
        }
        data.records = Some(given.records);
        if let Some(topic) = answer.responses.get_mut(wanted.topic) {
            topic.partitions.push(data);
        }
    }
    answer
}

/// The offset after the last of these batches.
fn end_of(mut records: &[u8]) -> Option<i64> {
    let mut end = None;
    while let Ok(header) = BatchHeader::read(records) {
        end = Some(header.last_offset() + 1);
        records = records.get(header.size..).unwrap_or_default();
    }
    end
}

/// Aborted transactions that have records in `from..upto`.
fn aborted(published: &Published, from: i64, upto: i64) -> Vec<AbortedTransaction> {
    let begin = published
        .aborted
        .partition_point(|aborted| aborted.last_offset < from);
    published
        .aborted
        .iter()
        .skip(begin)
        .filter(|aborted| aborted.first_offset < upto)
        .map(|aborted| {
            AbortedTransaction::default()
                .with_producer_id(ProducerId(aborted.producer_id))
                .with_first_offset(aborted.first_offset)
        })
        .collect()
}
