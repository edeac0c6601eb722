//! Producers shared by source tasks, and the acknowledgements of what they send.
//!
//! Tasks whose producer settings are equal share one producer and its threads. Records are sent in chunks
//! ([`AckChunk`]): one allocation holds the state of all its records, the delivery callback stores one byte per record,
//! and the task hears when a chunk is complete or something failed. There is no future, allocation or contended lock
//! per record.
//!
//! Contract: librdkafka reports each record that [`SharedProducer::send`] took exactly once; until then the chunk stays
//! in the producer's table, whether or not the task is still there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use sluice_api::{ConnectError, ErrorKind, Result};
use tokio::sync::Notify;

/// Bits of an opaque that number the record within its chunk.
const INDEX_BITS: u32 = 16;
/// Most records of a chunk.
pub const MAX_CHUNK: usize = 1 << INDEX_BITS;

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
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// States of some records that were sent one after another.
#[derive(Debug)]
pub struct AckChunk {
    id: u64,
    states: Box<[AtomicU8]>,
    /// Records sent and not reported, plus one as long as the task may send more.
    open: AtomicU32,
    failures: Mutex<Vec<(usize, KafkaError)>>,
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
    pub fn take_failures(&self) -> Vec<(usize, KafkaError)> {
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

    fn fail(&self, index: usize, error: KafkaError) {
        self.failures.lock().push((index, error));
        self.set(index, FAILED);
        self.signal.failed.store(true, Ordering::Release);
        self.signal.notify.notify_one();
    }

    /// One report less to wait for; true if it was the last.
    fn close_one(&self) -> bool {
        let last = self.open.fetch_sub(1, Ordering::AcqRel) == 1;
        if last {
            self.signal.notify.notify_one();
        }
        last
    }
}

/// Why [`SharedProducer::send`] did not take a record.
#[derive(Debug)]
pub enum SendError {
    /// The queue is full; wait with [`SharedProducer::space`] and send again.
    QueueFull,
    /// The record can't be sent.
    Kafka(KafkaError),
}

/// Receives the reports of one producer, on its own thread.
pub struct Deliveries {
    chunks: RwLock<HashMap<u64, Arc<AckChunk>>>,
    /// The chunk of the last report; reports of one chunk mostly follow each other. Only the producer's thread locks.
    last: Mutex<Option<Arc<AckChunk>>>,
    reported: AtomicU64,
    space: Notify,
}

impl Deliveries {
    fn chunk(&self, id: u64) -> Option<Arc<AckChunk>> {
        let mut last = self.last.lock();
        if let Some(chunk) = &*last
            && chunk.id == id
        {
            return Some(Arc::clone(chunk));
        }
        let chunk = self.chunks.read().get(&id).cloned();
        last.clone_from(&chunk);
        chunk
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "producer");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let id = (opaque >> INDEX_BITS) as u64;
        let index = opaque & (MAX_CHUNK - 1);
        // Space is told about now and then: waking a task costs more than sending a record.
        if self
            .reported
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(512)
        {
            self.space.notify_waiters();
        }
        let Some(chunk) = self.chunk(id) else {
            return;
        };
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
            Err((error, _)) => chunk.fail(index, error.clone()),
        }
        if chunk.close_one() {
            self.chunks.write().remove(&id);
            self.space.notify_waiters();
        }
    }
}

/// A chunk that records may be sent with, until it is dropped, be it by a panic of a plugin.
pub struct OpenChunk {
    producer: Arc<SharedProducer>,
    chunk: Arc<AckChunk>,
}

impl OpenChunk {
    /// The chunk.
    #[must_use]
    pub fn chunk(&self) -> &Arc<AckChunk> {
        &self.chunk
    }
}

impl Drop for OpenChunk {
    fn drop(&mut self) {
        self.producer.close_chunk(&self.chunk);
    }
}

/// A producer used by any number of tasks.
pub struct SharedProducer {
    producer: ThreadedProducer<Deliveries>,
    next_chunk: AtomicU64,
}

impl SharedProducer {
    /// A producer of these settings.
    ///
    /// # Errors
    /// A setting is not valid.
    pub(super) fn new(config: &ClientConfig) -> Result<Self> {
        let deliveries = Deliveries {
            chunks: RwLock::default(),
            last: Mutex::default(),
            reported: AtomicU64::new(1),
            space: Notify::new(),
        };
        let producer =
            ThreadedProducer::from_config_and_context(config, deliveries).map_err(|error| {
                ConnectError::new(
                    ErrorKind::Kafka,
                    format!("Failed to construct kafka producer: {error}"),
                )
            })?;
        Ok(Self {
            producer,
            next_chunk: AtomicU64::new(1),
        })
    }

    /// A chunk for up to `size` records.
    pub fn open_chunk(
        self: &Arc<Self>,
        size: usize,
        signal: &Arc<AckSignal>,
        keep_written: bool,
    ) -> OpenChunk {
        let chunk = Arc::new(AckChunk {
            id: self.next_chunk.fetch_add(1, Ordering::Relaxed),
            states: (0..size.min(MAX_CHUNK))
                .map(|_| AtomicU8::new(PENDING))
                .collect(),
            open: AtomicU32::new(1),
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
            producer: Arc::clone(self),
            chunk,
        }
    }

    /// Nothing more will be sent with this chunk.
    fn close_chunk(&self, chunk: &AckChunk) {
        if chunk.close_one() {
            self.producer.context().chunks.write().remove(&chunk.id);
        }
    }

    /// Hands a record to the producer; `index` numbers it within its chunk.
    ///
    /// A record that the producer refuses for good, such as one that is too large, counts as failed later, as an
    /// answer of the broker would.
    #[expect(clippy::too_many_arguments, reason = "the parts of a record")]
    pub fn send(
        &self,
        chunk: &AckChunk,
        index: usize,
        topic: &str,
        partition: Option<i32>,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Option<OwnedHeaders>,
    ) -> std::result::Result<(), SendError> {
        let id = usize::try_from(chunk.id).unwrap_or(0);
        let record = BaseRecord {
            topic,
            partition,
            payload: value,
            key,
            timestamp,
            headers,
            delivery_opaque: (id << INDEX_BITS) | (index & (MAX_CHUNK - 1)),
        };
        // Counted before, because the report may come before `send` returns.
        chunk.open.fetch_add(1, Ordering::AcqRel);
        let Err((error, _)) = self.producer.send(record) else {
            return Ok(());
        };
        match error {
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => {
                chunk.open.fetch_sub(1, Ordering::AcqRel);
                Err(SendError::QueueFull)
            }
            KafkaError::MessageProduction(_) => {
                chunk.fail(index, error);
                chunk.open.fetch_sub(1, Ordering::AcqRel);
                Ok(())
            }
            other => {
                chunk.open.fetch_sub(1, Ordering::AcqRel);
                Err(SendError::Kafka(other))
            }
        }
    }

    /// Waits until there may be space in the queue.
    pub async fn space(&self) {
        // The timeout covers a report between the refused send and this wait.
        let wait = self.producer.context().space.notified();
        let _ = tokio::time::timeout(Duration::from_millis(20), wait).await;
    }

    /// librdkafka's producer, for transactions.
    pub(super) fn inner(&self) -> &ThreadedProducer<Deliveries> {
        &self.producer
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
    /// The producer of these settings; made when nobody has one, closed when nobody uses it any more.
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
        if let Some(producer) = producers.get(&key).and_then(Weak::upgrade) {
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
    use super::*;

    fn pool_config() -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1");
        config
    }

    #[test]
    fn equal_settings_share_a_producer() {
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

    #[test]
    fn a_bad_setting_is_an_error() {
        let mut config = pool_config();
        config.set("no.such.setting", "x");
        assert!(ProducerPool::default().get(&config).is_err());
    }

    #[test]
    fn a_full_queue_is_told_and_a_record_that_is_too_large_fails_later() {
        let mut config = pool_config();
        config
            .set("queue.buffering.max.messages", "1")
            .set("message.max.bytes", "1000");
        let producer = ProducerPool::default().get(&config).unwrap();
        let signal = Arc::new(AckSignal::default());
        let open = producer.open_chunk(3, &signal, false);
        let chunk = open.chunk();
        let send = |index, value: &[u8]| {
            producer.send(chunk, index, "t", None, None, None, Some(value), None)
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
}
