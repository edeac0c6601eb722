//! Producers shared by source tasks, and the acknowledgements of what they send.
//!
//! Tasks whose producer settings are equal share one producer and its threads. Records are sent in
//! chunks ([`AckChunk`]): one allocation holds the state of all its records, the delivery callback
//! stores one byte per record, and the task hears when a chunk is complete or something failed.
//! There is no future, allocation or contended lock per record.
//!
//! Tasks share the memory of a producer so that none can keep the others from it: a task may hold
//! as much as is free, and 64 KiB always. One whose partition takes nothing, be it for hours, is
//! held back when it has half of the memory (dynamic thresholds, Choudhury and Hahne 1998).
//!
//! # How a send ends
//!
//! What was handed over and not acknowledged is never passed by. Each of these ends a send:
//!
//! | ending | reported |
//! |---|---|
//! | the broker has the record | by delivery |
//! | too large for `max.request.size` | at once |
//! | a name that no topic has | at once, or by delivery |
//! | a partition that the topic does not have | at once; a topic not known yet is waited for, as in Java |
//! | no room (`buffer.memory`) | at once; every path waits and sends again, telemetry drops |
//! | refused by the broker: size, rights, policy, invalid topic, record or timestamp | by delivery |
//! | not taken in time (`delivery.timeout.ms`, `transaction.timeout.ms`) | by delivery |
//! | thrown away: the transaction was aborted, the producer closed | by delivery |
//! | the transactional producer was fenced | by the transaction |
//! | fatal: the idempotent producer refuses all from now on | at once; the next task gets a new producer |
//!
//! What each path does with a record that was not taken:
//!
//! | path | then |
//! |---|---|
//! | source, at least once | the task fails, offsets stop before it; tolerance skips it (KIP-779) |
//! | source, exactly once | the transaction is aborted and the task fails, whatever the tolerance |
//! | offsets of a transaction | the same |
//! | dead letter queue | the task fails, and commits no offset any more |
//! | offsets, at least once | the commit fails and is tried again with the next one |
//! | config topic | the call fails; a leader's transaction is aborted and its privileges are claimed again |
//! | status topic | tried again if it may pass, else logged |
//! | offset syncs of a mirror | logged; the next sync of the partition says more |
//! | telemetry | dropped, and counted in the log |
//!
//! `storage/send_endings_tests.rs` tries each ending on each path.
//!
//! Contract: librdkafka reports each record that [`OpenChunk::send`] took exactly once; until then
//! the chunk stays in the producer's table, whether or not the task is still there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytestring::ByteString;
use parking_lot::{Mutex, RwLock};
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use sluice_api::record::same_name;
use sluice_api::{ConnectError, ErrorKind, Result};
use sluice_kafka::producer::polled::PolledProducer;
use sluice_kafka::producer::topic::ProducerTopic;
use tokio::sync::Notify;

use super::partitioner::BuiltInPartitioner;

/// Bits of an opaque that number the record within its chunk.
const INDEX_BITS: u32 = 16;
/// Most records of a chunk.
pub const MAX_CHUNK: usize = 1 << INDEX_BITS;

/// Bytes that librdkafka keeps beside key and value of a record, about.
const RECORD_OVERHEAD: usize = 250;
/// Bytes that are counted together at most, to spare counting for each record.
const COUNTED: i64 = 256 * 1024;
/// Bytes that each task may hold, whatever the others do.
const LEAST: i64 = 64 * 1024;
/// KiB that a producer may hold without `queue.buffering.max.kbytes`: librdkafka's default.
const DEFAULT_MEMORY: i64 = 1 << 20;

/// `max.request.size` of Java's producer.
const MAX_REQUEST_SIZE: usize = 1_048_576;

/// State of a record that was sent.
const PENDING: u8 = 0;
const ACKED: u8 = 1;
const FAILED: u8 = 2;

/// Tells a task about its acknowledgements.
#[derive(Debug, Default)]
pub struct AckSignal {
    /// Wakes the task when a chunk is complete or a record failed.
    pub notify: Notify,
    /// Whether a record failed since [`AckSignal::take_failed`].
    failed: AtomicBool,
    /// Bytes of the task's records that the producer holds. Less than none for a moment, when
    /// reports are counted first.
    held: AtomicI64,
}

impl AckSignal {
    /// Whether a record failed since [`AckSignal::take_failed`] was last called.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Whether a record failed since the last call.
    pub fn take_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed) && self.failed.swap(false, Ordering::AcqRel)
    }
}

/// Where a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Partition that the record went to.
    pub partition: i32,
    /// Offset that the broker gave it.
    pub offset: i64,
}

/// States of some records that were sent one after another.
#[derive(Debug)]
pub struct AckChunk {
    id: u64,
    states: Box<[AtomicU8]>,
    /// Records not reported, plus one as long as the task may send more.
    open: AtomicU32,
    failures: Mutex<Vec<(usize, Refusal)>>,
    /// Kept only for tasks that want to know.
    written: Option<Mutex<HashMap<usize, Written>>>,
    signal: Arc<AckSignal>,
}

impl AckChunk {
    /// Whether the broker has the record, or its failure is tolerated.
    #[must_use]
    pub fn is_acked(&self, index: usize) -> bool {
        self.states
            .get(index)
            .is_some_and(|state| state.load(Ordering::Acquire) == ACKED)
    }

    /// Counts a failed record as done.
    pub fn tolerate(&self, index: usize) {
        if let Some(state) = self.states.get(index) {
            state.store(ACKED, Ordering::Release);
        }
    }

    /// Failures since the last call: the record's number and why.
    pub fn take_failures(&self) -> Vec<(usize, Refusal)> {
        std::mem::take(&mut *self.failures.lock())
    }

    /// Where a record was written, if that is kept.
    pub fn take_written(&self, index: usize) -> Option<Written> {
        self.written.as_ref()?.lock().remove(&index)
    }

    /// Whether nothing is outstanding.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    fn set(&self, index: usize, state: u8) {
        if let Some(slot) = self.states.get(index) {
            slot.store(state, Ordering::Release);
        }
    }

    fn fail(&self, index: usize, refusal: Refusal) {
        self.failures.lock().push((index, refusal));
        self.set(index, FAILED);
        self.signal.failed.store(true, Ordering::Release);
        self.signal.notify.notify_one();
    }

    /// So many reports less to wait for; true if nothing is left.
    fn close(&self, count: u32) -> bool {
        let last = self.open.fetch_sub(count, Ordering::AcqRel) == count;
        if last {
            self.signal.notify.notify_one();
        }
        last
    }
}

/// Why a record was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// It is larger than the producer takes, by Java's count (`KafkaProducer.ensureValidRecordSize`).
    #[error(
        "The message is {size} bytes when serialized which is larger than {most}, which is the value of the \
         max.request.size configuration."
    )]
    TooLarge {
        /// Bytes of a batch with this record alone, at most.
        size: usize,
        /// The limit: `max.request.size`, in bytes.
        most: usize,
    },
    /// What librdkafka or the broker says.
    #[error("topic {topic}: {error}")]
    Kafka {
        /// Topic of the refused record.
        topic: String,
        /// What librdkafka or the broker answered.
        error: KafkaError,
    },
}

/// Bytes of a batch with a single record, at most (`AbstractRecords.estimateSizeInBytesUpperBound`).
fn batch_size(key: Option<&[u8]>, value: Option<&[u8]>, headers: Option<&OwnedHeaders>) -> usize {
    /// Of a batch, and of a record beside its key, value and headers.
    const OVERHEAD: usize = 61 + 21;
    let varint = |number: usize| match number {
        0..64 => 1,
        64..8_192 => 2,
        8_192..1_048_576 => 3,
        1_048_576..134_217_728 => 4,
        _ => 5,
    };
    let field = |bytes: Option<&[u8]>| bytes.map_or(1, |bytes| varint(bytes.len()) + bytes.len());
    let headers = headers.map_or(1, |headers| {
        let sizes = headers
            .iter()
            .map(|header| field(Some(header.key.as_bytes())) + field(header.value));
        varint(headers.count()) + sizes.sum::<usize>()
    });
    OVERHEAD + field(key) + field(value) + headers
}

/// Why [`OpenChunk::send`] did not take a record.
#[derive(Debug)]
pub enum SendError {
    /// The queue is full, or the task's share of it; wait with [`SharedProducer::space`] and send again.
    QueueFull,
    /// The record can't be sent.
    Kafka(KafkaError),
}

/// Receives the reports of one producer, on its own thread.
pub struct Deliveries {
    chunks: RwLock<HashMap<u64, Arc<AckChunk>>>,
    /// Only the producer's thread locks.
    reports: Mutex<Reports>,
    /// Bytes of records that the producer holds.
    held: AtomicI64,
    /// Bytes that it may hold.
    memory: i64,
    space: Notify,
    partitioner: BuiltInPartitioner,
}

#[derive(Default)]
struct Reports {
    /// The chunk of the last report; reports of one chunk mostly follow each other.
    last: Option<Arc<AckChunk>>,
    /// Bytes of reported records of that chunk that are not yet taken off what is held.
    freed: i64,
}

impl Deliveries {
    /// Bytes that are counted together: what is not counted yet must not fill the memory.
    fn counted(&self) -> i64 {
        COUNTED.min(self.memory / 16)
    }

    /// Tells about space now and then: waking a task costs more than sending a record.
    fn give_back(&self, reports: &mut Reports) {
        let freed = std::mem::take(&mut reports.freed);
        if let Some(chunk) = &reports.last
            && freed > 0
        {
            chunk.signal.held.fetch_sub(freed, Ordering::Relaxed);
            self.held.fetch_sub(freed, Ordering::Relaxed);
            self.space.notify_waiters();
        }
    }
}

/// Bytes that a record counts for.
fn size_in_memory(key: usize, value: usize) -> i64 {
    i64::try_from(RECORD_OVERHEAD + key + value).unwrap_or(i64::MAX)
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "producer");
    }
}

impl ProducerContext<BuiltInPartitioner> for Deliveries {
    type DeliveryOpaque = usize;

    fn get_custom_partitioner(&self) -> Option<&BuiltInPartitioner> {
        Some(&self.partitioner)
    }

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let id = (opaque >> INDEX_BITS) as u64;
        let index = opaque & (MAX_CHUNK - 1);
        let reports = &mut *self.reports.lock();
        if reports.last.as_ref().is_none_or(|chunk| chunk.id != id) {
            self.give_back(reports);
            reports.last = self.chunks.read().get(&id).cloned();
        }
        let Some(chunk) = &reports.last else {
            return;
        };
        let (Ok(message) | Err((_, message))) = result;
        reports.freed += size_in_memory(message.key_len(), message.payload_len());
        match result {
            Ok(message) => {
                if let Some(written) = &chunk.written {
                    written.lock().insert(
                        index,
                        Written {
                            partition: message.partition(),
                            offset: message.offset(),
                        },
                    );
                }
                chunk.set(index, ACKED);
            }
            Err((error, message)) => chunk.fail(
                index,
                Refusal::Kafka {
                    topic: message.topic().to_owned(),
                    error: error.clone(),
                },
            ),
        }
        let complete = chunk.close(1);
        if complete {
            self.chunks.write().remove(&id);
        }
        if complete || reports.freed >= self.counted() {
            self.give_back(reports);
        }
    }
}

type Topic = ProducerTopic<Deliveries, BuiltInPartitioner>;

/// A chunk that records may be sent with, until it is dropped, be it by a panic of a plugin.
pub struct OpenChunk {
    /// The topic of the last record, and its name.
    topic: Option<(ByteString, Arc<Topic>)>,
    producer: Arc<SharedProducer>,
    chunk: Arc<AckChunk>,
    /// Records of the chunk that the producer has not taken.
    left: u32,
    /// Bytes that may be sent before the task's share is looked at again.
    allowed: i64,
    /// Bytes that were sent since then.
    uncounted: i64,
}

impl OpenChunk {
    /// The chunk that the records sent through this are counted in.
    #[must_use]
    pub fn chunk(&self) -> &Arc<AckChunk> {
        &self.chunk
    }

    /// Hands a record to the producer; `index` numbers it within its chunk, and is used once.
    ///
    /// A record that the producer refuses for good, such as one that is too large, counts as failed
    /// later, as an answer of the broker would.
    #[expect(clippy::too_many_arguments, reason = "the parts of a record")]
    pub fn send(
        &mut self,
        index: usize,
        topic: &ByteString,
        partition: Option<i32>,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Option<OwnedHeaders>,
    ) -> std::result::Result<(), SendError> {
        let size = batch_size(key, value, headers.as_ref());
        if size > self.producer.most {
            let most = self.producer.most;
            self.chunk.fail(index, Refusal::TooLarge { size, most });
            return Ok(());
        }
        let size = size_in_memory(key.map_or(0, <[u8]>::len), value.map_or(0, <[u8]>::len));
        if self.uncounted >= self.allowed && !self.look_at_share() {
            return Err(SendError::QueueFull);
        }
        let id = usize::try_from(self.chunk.id).unwrap_or(0);
        let opaque = (id << INDEX_BITS) | (index & (MAX_CHUNK - 1));
        let sent = match headers {
            None => self
                .topic(topic)
                .and_then(|topic| topic.send(partition, timestamp, key, value, opaque)),
            // The binding keeps its headers to itself.
            Some(headers) => self
                .producer
                .producer
                .send(BaseRecord {
                    topic,
                    partition,
                    payload: value,
                    key,
                    timestamp,
                    headers: Some(headers),
                    delivery_opaque: opaque,
                })
                .map_err(|(error, _)| error),
        };
        match sent {
            Ok(()) => {
                self.left = self.left.saturating_sub(1);
                self.uncounted += size;
                Ok(())
            }
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => {
                Err(SendError::QueueFull)
            }
            Err(error @ KafkaError::MessageProduction(_)) => {
                let topic = topic.to_string();
                self.chunk.fail(index, Refusal::Kafka { topic, error });
                Ok(())
            }
            // A name that holds a NUL is no name of a topic either.
            Err(KafkaError::Nul(_)) => {
                let code = RDKafkaErrorCode::InvalidTopic;
                let error = KafkaError::MessageProduction(code);
                let topic = topic.escape_debug().to_string();
                self.chunk.fail(index, Refusal::Kafka { topic, error });
                Ok(())
            }
            Err(other) => Err(SendError::Kafka(other)),
        }
    }

    /// Whether the task holds less than its share.
    fn look_at_share(&mut self) -> bool {
        self.count();
        let deliveries = self.producer.producer.context();
        let held = self.chunk.signal.held.load(Ordering::Relaxed);
        let free = deliveries.memory - deliveries.held.load(Ordering::Relaxed);
        let share = free.max(LEAST.min(deliveries.memory));
        self.allowed = (share - held).min(deliveries.counted());
        self.allowed > 0
    }

    fn count(&mut self) {
        let sent = std::mem::take(&mut self.uncounted);
        if sent > 0 {
            self.chunk.signal.held.fetch_add(sent, Ordering::Relaxed);
            let deliveries = self.producer.producer.context();
            deliveries.held.fetch_add(sent, Ordering::Relaxed);
            deliveries.partitioner.on_sent(sent.unsigned_abs());
        }
    }

    fn topic(&mut self, name: &ByteString) -> KafkaResult<&Topic> {
        let topic = match self.topic.take() {
            Some(last) if same_name(&last.0, name) => last,
            _ => (name.clone(), self.producer.topic(name)?),
        };
        Ok(&self.topic.insert(topic).1)
    }
}

impl Drop for OpenChunk {
    fn drop(&mut self) {
        self.count();
        if self.chunk.close(self.left + 1) {
            let deliveries = self.producer.producer.context();
            deliveries.chunks.write().remove(&self.chunk.id);
        }
    }
}

/// A producer used by any number of tasks.
pub struct SharedProducer {
    topics: RwLock<HashMap<String, Arc<Topic>>>,
    producer: PolledProducer<Deliveries, BuiltInPartitioner>,
    next_chunk: AtomicU64,
    /// The limit: `max.request.size`, in bytes.
    most: usize,
}

impl SharedProducer {
    /// A producer of these settings.
    ///
    /// # Errors
    /// A setting is not valid.
    pub(super) fn new(config: &ClientConfig) -> Result<Self> {
        let deliveries = Deliveries {
            chunks: RwLock::default(),
            reports: Mutex::default(),
            held: AtomicI64::new(0),
            memory: config
                .get("queue.buffering.max.kbytes")
                .and_then(|kbytes| kbytes.parse::<i64>().ok())
                .unwrap_or(DEFAULT_MEMORY)
                * 1024,
            space: Notify::new(),
            partitioner: BuiltInPartitioner::default(),
        };
        // Only the shares bound the memory: librdkafka would let the first task have all, and
        // counts records without what it keeps beside them.
        let mut config = config.clone();
        config.set("queue.buffering.max.kbytes", i32::MAX.to_string());
        // Records without key get their partition from the partitioner too. The binding crashes
        // when it sets one where no setting of topics is; ours wins over the one that is named.
        config.set("sticky.partitioning.linger.ms", "0");
        config.set("partitioner", "murmur2_random");
        if config.get("queue.buffering.max.messages").is_none() {
            config.set("queue.buffering.max.messages", "0");
        }
        let producer = PolledProducer::new(&config, deliveries).map_err(|error| {
            ConnectError::new(
                ErrorKind::Kafka,
                format!("Failed to construct kafka producer: {error}"),
            )
        })?;
        Ok(Self {
            topics: RwLock::default(),
            producer,
            next_chunk: AtomicU64::new(1),
            most: config
                .get("message.max.bytes")
                .and_then(|bytes| bytes.parse().ok())
                .unwrap_or(MAX_REQUEST_SIZE),
        })
    }

    /// A chunk for up to `size` records.
    pub fn open_chunk(
        self: &Arc<Self>,
        size: usize,
        signal: &Arc<AckSignal>,
        keep_written: bool,
    ) -> OpenChunk {
        let states: Box<[AtomicU8]> = (0..size.min(MAX_CHUNK))
            .map(|_| AtomicU8::new(PENDING))
            .collect();
        let left = u32::try_from(states.len()).unwrap_or(0);
        let chunk = Arc::new(AckChunk {
            id: self.next_chunk.fetch_add(1, Ordering::Relaxed),
            states,
            open: AtomicU32::new(left + 1),
            failures: Mutex::default(),
            written: keep_written.then(Mutex::default),
            signal: Arc::clone(signal),
        });
        self.producer
            .context()
            .chunks
            .write()
            .insert(chunk.id, Arc::clone(&chunk));
        OpenChunk {
            topic: None,
            producer: Arc::clone(self),
            chunk,
            left,
            allowed: 0,
            uncounted: 0,
        }
    }

    fn topic(&self, name: &str) -> KafkaResult<Arc<Topic>> {
        if let Some(known) = self.topics.read().get(name) {
            return Ok(Arc::clone(known));
        }
        let topic = Arc::new(ProducerTopic::new(self.producer.clone(), name)?);
        let mut topics = self.topics.write();
        Ok(Arc::clone(topics.entry(name.to_owned()).or_insert(topic)))
    }

    /// Waits until there may be space in the queue.
    pub async fn space(&self) {
        // The timeout covers a report between the refused send and this wait.
        let wait = self.producer.context().space.notified();
        let _ = tokio::time::timeout(Duration::from_millis(20), wait).await;
    }

    /// librdkafka's producer, for transactions.
    pub(super) fn inner(&self) -> &BaseProducer<Deliveries, BuiltInPartitioner> {
        &self.producer
    }

    /// Whether the producer refuses everything from now on, as an idempotent one does after a fatal error.
    fn is_broken(&self) -> bool {
        self.producer.client().fatal_error().is_some()
    }

    /// Records in the queue or under way, of all tasks.
    #[must_use]
    pub fn in_flight(&self) -> i32 {
        self.producer.in_flight_count()
    }
}

/// Settings in alphabetical order.
type Settings = Vec<(String, String)>;

/// The producers in use, by their settings.
#[derive(Default)]
pub struct ProducerPool {
    producers: Mutex<HashMap<Settings, Weak<SharedProducer>>>,
}

impl ProducerPool {
    /// The producer of these settings; made when nobody has one that works, closed when nobody uses it any
    /// more.
    ///
    /// # Errors
    /// A setting is not valid.
    pub fn get(&self, config: &ClientConfig) -> Result<Arc<SharedProducer>> {
        let mut key: Settings = config
            .config_map()
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        key.sort_unstable();
        let mut producers = self.producers.lock();
        if let Some(producer) = producers.get(&key).and_then(Weak::upgrade)
            && !producer.is_broken()
        {
            return Ok(producer);
        }
        producers.retain(|_, producer| producer.strong_count() > 0);
        let producer = Arc::new(SharedProducer::new(config)?);
        producers.insert(key, Arc::downgrade(&producer));
        Ok(producer)
    }
}

/// Lets go of a producer without holding up the caller: closing one may take a moment.
pub fn release(producer: Arc<SharedProducer>) {
    if let Some(last) = Arc::into_inner(producer) {
        tokio::task::spawn_blocking(move || drop(last));
    }
}

#[cfg(test)]
mod tests {
    use sluice_api::config::Props;

    use super::*;
    use sluice_kafka::client::config::librdkafka_config;
    use sluice_kafka::client::keys::ClientKind;

    fn pool_config() -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1");
        config
    }

    #[tokio::test]
    async fn equal_settings_share_a_producer() {
        let pool = ProducerPool::default();
        let mut other = pool_config();
        other.set("linger.ms", "7");
        let (a, b, c) = (
            pool.get(&pool_config()).unwrap(),
            pool.get(&pool_config()).unwrap(),
            pool.get(&other).unwrap(),
        );
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &c));
    }

    #[tokio::test]
    async fn a_bad_setting_is_an_error() {
        let mut config = pool_config();
        config.set("no.such.setting", "x");
        assert!(ProducerPool::default().get(&config).is_err());
    }

    #[tokio::test]
    async fn a_full_queue_is_told_and_a_record_that_is_too_large_fails_later() {
        let mut config = pool_config();
        config
            .set("queue.buffering.max.messages", "1")
            .set("message.max.bytes", "1000");
        let producer = ProducerPool::default().get(&config).unwrap();
        let signal = Arc::new(AckSignal::default());
        let mut open = producer.open_chunk(3, &signal, false);
        let chunk = Arc::clone(open.chunk());
        let mut send = |index, value: &[u8]| {
            open.send(index, &"t".into(), None, None, None, Some(value), None)
        };
        send(0, b"x").unwrap();
        assert!(matches!(send(1, b"y"), Err(SendError::QueueFull)));
        send(2, &[0; 2000]).unwrap();
        assert!(signal.take_failed());
        assert!(!signal.take_failed());
        let failures = chunk.take_failures();
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].0, 2);
        assert!(!chunk.is_acked(0) && !chunk.is_complete());
        chunk.tolerate(2);
        assert!(chunk.is_acked(2));
    }

    #[tokio::test]
    async fn records_up_to_javas_limit_are_taken() {
        let config = librdkafka_config(
            ClientKind::Producer,
            &Props::from_iter([("bootstrap.servers".to_owned(), "127.0.0.1:1".to_owned())]),
            &Props::new(),
        );
        let producer = ProducerPool::default().get(&config.unwrap()).unwrap();
        let signal = Arc::new(AckSignal::default());
        let value = vec![0; MAX_REQUEST_SIZE];
        // What Java's producer takes (kafka-clients 4.3.0).
        for (index, (key, most)) in [(0, 1_048_489), (100, 1_048_388)].into_iter().enumerate() {
            let key = (key > 0).then(|| &value[..key]);
            for (size, taken) in [(most, true), (most + 1, false)] {
                let mut open = producer.open_chunk(1, &signal, false);
                let value = Some(&value[..size]);
                open.send(0, &"t".into(), None, None, key, value, None)
                    .unwrap();
                assert_eq!(signal.take_failed(), !taken, "{index}: {size}");
            }
        }
    }

    #[tokio::test]
    async fn a_task_that_is_held_up_leaves_half_of_the_memory_to_others_and_gives_all_back() {
        let mut config = pool_config();
        config
            .set("queue.buffering.max.kbytes", "1024")
            .set("message.timeout.ms", "500");
        let producer = ProducerPool::default().get(&config).unwrap();
        let value = [0; 1024];
        let filled = |signal: &Arc<AckSignal>| {
            let mut open = producer.open_chunk(MAX_CHUNK, signal, false);
            let taken = (0..MAX_CHUNK)
                .take_while(|index| {
                    open.send(*index, &"t".into(), None, None, None, Some(&value), None)
                        .is_ok()
                })
                .count();
            taken * (value.len() + RECORD_OVERHEAD) / 1024
        };
        let signals: [Arc<AckSignal>; 6] = Default::default();
        // What is counted together is a sixteenth of the memory.
        for (signal, share) in signals.iter().zip([512, 256, 128, 64, 64, 64]) {
            let got = filled(signal);
            assert!(got.abs_diff(share) <= 64, "{got} KiB instead of {share}");
            assert!(got >= 64, "{got} KiB");
        }
        let deliveries = producer.producer.context();
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while deliveries.held.load(Ordering::Relaxed) > 0 && std::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for held in signals
            .iter()
            .map(|signal| &signal.held)
            .chain([&deliveries.held])
        {
            assert_eq!(held.load(Ordering::Relaxed), 0);
        }
        assert!(filled(&signals[0]).abs_diff(512) <= 64);
    }
}
