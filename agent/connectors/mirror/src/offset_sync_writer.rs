//! Writes offset syncs (`OffsetSyncWriter`): few of them, and not too many at a time under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indexmap::IndexMap;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext};
use sluice_api::{ConnectError, ErrorKind, Result, TopicPartition};
use sluice_kafka::client::logs::TracingContext;
use sluice_kafka::producer::polled::PolledProducer;
use std::collections::HashMap;

use crate::format::OffsetSync;

/// Syncs under way at the same time; of what is due beyond, only the last of each partition is kept. Kafka
/// allows ten, but hears of records one by one, as they are acknowledged: here hundreds come at once.
const MOST_UNDER_WAY: usize = 1000;
/// How long what is under way is waited for at the end.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// When a sync of one partition is due (`PartitionState`).
#[derive(Debug)]
pub(crate) struct SyncRule {
    max_lag: i64,
    upstream: i64,
    downstream: i64,
    synced_downstream: i64,
    due: bool,
}

impl SyncRule {
    pub(crate) fn new(max_lag: i64) -> Self {
        Self {
            max_lag,
            upstream: -1,
            downstream: -1,
            synced_downstream: -1,
            due: false,
        }
    }

    /// Notes a record that was written. True if a sync of it is to be written at once: the first in this
    /// life, when translated offsets would lag too far, after a gap on the source, or when the target went
    /// back.
    pub(crate) fn update(&mut self, upstream: i64, downstream: i64) -> bool {
        let first = self.synced_downstream == -1;
        // Offsets translate to one after the last sync.
        let stale = downstream - (self.synced_downstream + 1) >= self.max_lag;
        let gap = upstream - self.upstream != 1;
        let went_back = downstream < self.downstream;
        if first || stale || gap || went_back {
            self.synced_downstream = downstream;
            self.due = true;
        }
        self.upstream = upstream;
        self.downstream = downstream;
        std::mem::take(&mut self.due)
    }
}

#[derive(Debug, Default)]
struct Deliveries {
    tracing: TracingContext,
    under_way: Arc<AtomicUsize>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.tracing.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.tracing.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        if let Err((error, _)) = result {
            tracing::error!(%error, "an offset sync was not written");
        }
    }
}

/// See the module. No call waits but [`OffsetSyncWriter::close`].
pub(crate) struct OffsetSyncWriter {
    topic: String,
    max_lag: i64,
    rules: HashMap<TopicPartition, SyncRule>,
    /// Due with the next commit of offsets.
    delayed: IndexMap<TopicPartition, OffsetSync>,
    /// Due now.
    pending: IndexMap<TopicPartition, OffsetSync>,
    under_way: Arc<AtomicUsize>,
    producer: PolledProducer<Deliveries>,
}

impl OffsetSyncWriter {
    /// # Errors
    /// Settings the producer does not take.
    pub(crate) fn new(config: &ClientConfig, topic: String, max_lag: i64) -> Result<Self> {
        let under_way = Arc::new(AtomicUsize::new(0));
        let context = Deliveries {
            tracing: TracingContext::new(config.get("client.id").unwrap_or_default()),
            under_way: Arc::clone(&under_way),
        };
        let producer = PolledProducer::new(config, context).map_err(|error| {
            ConnectError::new(
                ErrorKind::Kafka,
                format!("Failed to construct kafka producer: {error}"),
            )
        })?;
        Ok(Self {
            topic,
            max_lag,
            rules: HashMap::new(),
            delayed: IndexMap::new(),
            pending: IndexMap::new(),
            under_way,
            producer,
        })
    }

    /// Notes a record that was written to the target, and sends a sync if one is due.
    pub(crate) fn record_written(
        &mut self,
        partition: &TopicPartition,
        upstream: i64,
        downstream: i64,
    ) {
        if !self.rules.contains_key(partition) {
            self.rules
                .insert(partition.clone(), SyncRule::new(self.max_lag));
        }
        let due = self
            .rules
            .get_mut(partition)
            .is_some_and(|rule| rule.update(upstream, downstream));
        if due {
            self.delayed.shift_remove(partition);
        }
        let queue = if due {
            &mut self.pending
        } else {
            &mut self.delayed
        };
        match queue.get_mut(partition) {
            Some(sync) => {
                sync.upstream = upstream;
                sync.downstream = downstream;
            }
            None => {
                queue.insert(
                    partition.clone(),
                    OffsetSync {
                        partition: partition.clone(),
                        upstream,
                        downstream,
                    },
                );
            }
        }
        if due {
            self.send_pending();
        }
    }

    /// What was delayed is due now: called when offsets are committed.
    pub(crate) fn promote_delayed(&mut self) {
        for (partition, sync) in self.delayed.drain(..) {
            self.pending.insert(partition, sync);
        }
    }

    /// Sends what is due, as far as that is allowed.
    pub(crate) fn send_pending(&mut self) {
        let mut sent = 0;
        for sync in self.pending.values() {
            if self.under_way.load(Ordering::Acquire) >= MOST_UNDER_WAY {
                break;
            }
            let (key, value) = (sync.key(), sync.value());
            let record = BaseRecord::to(&self.topic)
                .partition(0)
                .key(&key[..])
                .payload(&value[..]);
            self.under_way.fetch_add(1, Ordering::AcqRel);
            match self.producer.send(record) {
                Ok(()) => sent += 1,
                Err((error, _)) => {
                    self.under_way.fetch_sub(1, Ordering::AcqRel);
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) {
                        break;
                    }
                    tracing::error!(%error, partition = %sync.partition, "an offset sync was not sent");
                    sent += 1;
                }
            }
        }
        self.pending.drain(..sent);
    }

    /// Whether something is due and could not be sent yet.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Sends what is due and waits for it a short time.
    pub(crate) async fn close(mut self) {
        let closed = tokio::task::spawn_blocking(move || {
            self.send_pending();
            if let Err(error) = self.producer.flush(LAST_WAIT) {
                tracing::warn!(%error, "the last offset syncs were not written in time");
            }
        });
        if closed.await.is_err() {
            tracing::warn!("the writer of offset syncs did not close");
        }
    }
}
