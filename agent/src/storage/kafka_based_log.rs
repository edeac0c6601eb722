//! A topic as a log that is read from its beginning and kept up with, and written with
//! acknowledgement (Kafka's `KafkaBasedLog`).
//!
//! One task reads and hands every record to the handler, in order per partition.
//! [`KafkaBasedLog::read_to_end`] finds the end offsets and waits until the reader is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer;
use rdkafka::{Message, Offset, TopicPartitionList};
use sluice_api::config::Props;
use sluice_kafka::admin::{Admin, AdminError};
use sluice_kafka::backoff::jittered;
use sluice_kafka::client::config::librdkafka_config;
use sluice_kafka::client::keys::ClientKind;
use sluice_kafka::client::logs::TracingContext;
use sluice_kafka::types::TopicPartition;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::StorageError;
use super::log_producer::{Acknowledgement, LogProducer};

const METADATA_TIMEOUT: Duration = Duration::from_secs(10);
/// How long records that are on their way may take before the reader looks again. Longer than a
/// fetch waits at the broker (500 ms): looking again throws away the fetch under way, and whatever
/// it would have brought.
const FETCH_PAUSE: Duration = Duration::from_millis(700);
/// How long to wait for records before asking whether only transaction markers are missing.
const MARKER_PAUSE: Duration = Duration::from_millis(100);
/// How long to wait for a partition to get a leader.
const LEADER_PAUSE: Duration = Duration::from_millis(50);
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// How often the log tells that reading fails.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(10);
/// How long the first reading may look for the end offsets.
const START_LIMIT: Duration = Duration::from_secs(15 * 60);

/// A topic of a worker and how it is created.
#[derive(Debug, Clone)]
pub(crate) struct TopicSettings {
    pub topic: String,
    /// The worker key that names it, for errors.
    pub key: &'static str,
    /// What is kept in it, for errors.
    pub holds: &'static str,
    /// Partitions if it is created; -1 for the broker's default.
    pub partitions: i32,
    /// Copies if it is created; -1 for the broker's default.
    pub replication: i32,
    /// Topic settings if it is created.
    pub settings: Props,
    /// Whether it has to be compacted, and is created so.
    pub compacted: bool,
    /// How long creating may be tried.
    pub limit: Duration,
}

/// Properties of the clients of a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogClients {
    /// Of the admin client.
    pub admin: Props,
    /// Of producer and consumer.
    pub base: Props,
    /// Of the consumer, over `base`.
    pub consumer: Props,
    /// Of the producer, over `base`.
    pub producer: Props,
}

impl LogClients {
    /// Clients of the worker's own topics, which have all that the worker's file says.
    pub(crate) fn of_worker(worker: &Props) -> Self {
        Self {
            admin: worker.clone(),
            base: worker.clone(),
            ..Self::default()
        }
    }
}

/// A record as it was read.
pub(crate) struct LogRecord<'a> {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<&'a [u8]>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

type Handler = Box<dyn FnMut(LogRecord<'_>) + Send>;

pub(crate) struct KafkaBasedLog {
    topic: String,
    admin: Admin,
    producer: LogProducer,
    consumer: Arc<StreamConsumer<TracingContext>>,
    progress: Arc<Progress>,
    reader: JoinHandle<()>,
    /// Records of open transactions are not read.
    read_committed: bool,
}

/// What counts as having read to an end offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// The record before it was read.
    Records,
    /// That, or nothing more came since the last look.
    RecordsOrEnd,
}

#[derive(Default)]
struct Progress {
    partitions: Mutex<Vec<PartitionProgress>>,
    moved: Notify,
}

#[derive(Debug, Clone, Copy, Default)]
struct PartitionProgress {
    /// Behind the last record read.
    next: i64,
    /// The end was reached since the last record. Behind the last record may be transaction
    /// markers, which are never delivered, so this can hold before `next` is the end offset.
    at_end: bool,
    /// An end offset up to which nothing but transaction markers is missing.
    seen_end: i64,
}

impl KafkaBasedLog {
    /// Creates the topic if it is missing, checks it, and reads it to its end.
    ///
    /// `client_id` is the name of its clients, `handler` sees every record.
    ///
    /// # Errors
    /// If the topic cannot be created or is not as it has to be, or a client cannot be made.
    pub(crate) async fn start(
        clients: &LogClients,
        client_id: &str,
        settings: &TopicSettings,
        handler: Handler,
    ) -> Result<Self, StorageError> {
        let topic = settings.topic.clone();
        let kafka = |doing| {
            let topic = topic.clone();
            move |source| StorageError::Kafka {
                topic,
                doing,
                source,
            }
        };
        let context = || TracingContext::new(client_id);
        let named = |pairs: &[(&str, &str)]| -> Props {
            let pairs = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            pairs
                .chain([("client.id".to_owned(), client_id.to_owned())])
                .collect()
        };
        let admin: AdminClient<TracingContext> =
            librdkafka_config(ClientKind::Admin, &clients.admin, &named(&[]))?
                .create_with_context(context())
                .map_err(kafka("cannot make an admin client"))?;
        create_if_missing(&admin, settings).await?;
        let partitions = partition_count(&admin, settings).await?;
        check_policy(&admin, settings).await?;

        let mut own = named(&[
            ("acks", "all"),
            ("enable.idempotence", "false"),
            ("max.in.flight.requests.per.connection", "1"),
            ("delivery.timeout.ms", "2147483647"),
            ("linger.ms", "0"),
        ]);
        own.extend(clients.producer.clone());
        let config = librdkafka_config(ClientKind::Producer, &clients.base, &own)?;
        let producer =
            LogProducer::new(&config, client_id).map_err(kafka("cannot make a producer"))?;

        let mut own = named(&[
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
        ]);
        own.extend(clients.consumer.clone());
        let mut config = librdkafka_config(ClientKind::Consumer, &clients.base, &own)?;
        let read_committed = config.get("isolation.level") == Some("read_committed");
        // Nothing joins this group: partitions are assigned by hand, but librdkafka asks for a name.
        config.set("group.id", client_id);
        config.set("enable.partition.eof", "true");
        config.set("queued.max.messages.kbytes", "4096");
        let consumer: StreamConsumer<TracingContext> = config
            .create_with_context(context())
            .map_err(kafka("cannot make a consumer"))?;
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(&topic, partition, Offset::Beginning)
                .map_err(kafka("cannot assign partitions"))?;
        }
        consumer
            .assign(&list)
            .map_err(kafka("cannot assign partitions"))?;

        let consumer = Arc::new(consumer);
        let progress = Arc::new(Progress::default());
        *progress.partitions.lock() =
            vec![PartitionProgress::default(); usize::try_from(partitions).unwrap_or(0)];
        let reader = tokio::spawn(read(
            consumer.clone(),
            progress.clone(),
            topic.clone(),
            handler,
        ));
        let log = Self {
            topic,
            admin: Admin::new(&clients.admin)?,
            producer,
            consumer,
            progress,
            reader,
            read_committed,
        };
        let began = Instant::now();
        while let Err(error) = log.read_to_end(START_LIMIT).await {
            if began.elapsed() > START_LIMIT || !error.is_retriable() {
                return Err(error);
            }
            tracing::info!(topic = log.topic, %error, "cannot read the topic yet, trying again");
            tokio::time::sleep(jittered(RETRY_PAUSE)).await;
        }
        Ok(log)
    }

    fn of(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), partition)
    }

    /// How many partitions the topic has.
    pub(crate) fn partitions(&self) -> usize {
        self.progress.partitions.lock().len()
    }

    /// Sends a record; the future ends with its acknowledgement. The record is queued when this returns.
    ///
    /// # Errors
    /// If the producer's queue is full or the record too large.
    pub(crate) fn send(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Acknowledgement, KafkaError> {
        self.producer.send(&self.topic, key, value)
    }

    /// Sends records in order and waits until all are acknowledged.
    ///
    /// # Errors
    /// If one was not acknowledged within `limit`.
    pub(crate) async fn send_all<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        what: &'static str,
        records: &[(K, Option<V>)],
        limit: Duration,
    ) -> Result<(), StorageError> {
        let failed = |source| StorageError::Write {
            what,
            topic: self.topic.clone(),
            source,
        };
        let send_all = async {
            let sent = self.producer.send_all(&self.topic, records).await;
            sent.map_err(failed)
        };
        tokio::time::timeout(limit, send_all)
            .await
            .unwrap_or_else(|_| {
                Err(StorageError::WriteTimeout {
                    what,
                    topic: self.topic.clone(),
                    limit,
                })
            })
    }

    /// Waits until everything that is in the topic now was handed to the handler.
    ///
    /// # Errors
    /// [`StorageError::Timeout`] if that takes longer than `limit`.
    pub(crate) async fn read_to_end(&self, limit: Duration) -> Result<(), StorageError> {
        let timeout = || StorageError::Timeout {
            topic: self.topic.clone(),
            limit,
        };
        tokio::time::timeout(limit, async {
            let mut ends = self.end_offsets().await?;
            if self.read_committed {
                self.wait_for_open_transactions(&ends).await?;
            }
            // Records are on their way, as a rule. Only what stays behind may be short of a
            // transaction marker.
            let arrived = self.wait_for(&ends, Reached::Records);
            if let Ok(arrived) = tokio::time::timeout(MARKER_PAUSE, arrived).await {
                return arrived;
            }
            self.look_for_markers(&ends).await?;
            let arrived = self.wait_for(&ends, Reached::Records);
            if let Ok(arrived) = tokio::time::timeout(FETCH_PAUSE, arrived).await {
                return arrived;
            }
            self.fetch_again(&mut ends)?;
            self.wait_for(&ends, Reached::RecordsOrEnd).await?;
            self.note_seen(&ends);
            Ok(())
        })
        .await
        .unwrap_or_else(|_| Err(timeout()))
    }

    /// Waits until the record at `offset` was handed to the handler, in a topic of one partition.
    ///
    /// # Errors
    /// [`StorageError::Timeout`] if that takes longer than `limit`.
    pub(crate) async fn read_past(&self, offset: i64, limit: Duration) -> Result<(), StorageError> {
        let arrived = [(0, offset + 1)];
        tokio::time::timeout(limit, self.wait_for(&arrived, Reached::Records))
            .await
            .unwrap_or_else(|_| {
                Err(StorageError::Timeout {
                    topic: self.topic.clone(),
                    limit,
                })
            })
    }

    /// Waits until the transactions that were open before these ends have ended.
    async fn wait_for_open_transactions(&self, ends: &[(i32, i64)]) -> Result<(), StorageError> {
        let partitions: Vec<TopicPartition> = ends.iter().map(|(p, _)| self.of(*p)).collect();
        loop {
            let stable = self
                .admin
                .stable_offsets(&partitions)
                .await
                .map_err(|source| StorageError::EndOffsets {
                    topic: self.topic.clone(),
                    source,
                })?;
            let open = ends.iter().any(|(partition, end)| {
                let stable = stable.get(&self.of(*partition));
                stable.is_none_or(|stable| stable < end)
            });
            if !open {
                return Ok(());
            }
            tokio::time::sleep(LEADER_PAUSE).await;
        }
    }

    /// Asks the broker whether the partitions that are behind lack nothing but transaction markers.
    async fn look_for_markers(&self, ends: &[(i32, i64)]) -> Result<(), StorageError> {
        let behind: Vec<(i32, i64, i64)> = {
            let partitions = self.progress.partitions.lock();
            ends.iter()
                .filter_map(|(partition, end)| {
                    let known = partitions.get(usize::try_from(*partition).ok()?)?;
                    let next = known.next.max(known.seen_end);
                    (next < *end).then_some((*partition, next, *end))
                })
                .collect()
        };
        for (partition, next, end) in behind {
            let only_markers = self
                .admin
                .only_markers(&self.of(partition), next, end)
                .await
                .map_err(|source| StorageError::EndOffsets {
                    topic: self.topic.clone(),
                    source,
                })?;
            if only_markers {
                self.note_seen(&[(partition, end)]);
            }
        }
        Ok(())
    }

    async fn wait_for(&self, ends: &[(i32, i64)], reached: Reached) -> Result<(), StorageError> {
        loop {
            if self.reader.is_finished() {
                return Err(StorageError::Stopped {
                    topic: self.topic.clone(),
                });
            }
            let moved = self.progress.moved.notified();
            if self.is_at(ends, reached) {
                return Ok(());
            }
            moved.await;
        }
    }

    fn is_at(&self, ends: &[(i32, i64)], reached: Reached) -> bool {
        let partitions = self.progress.partitions.lock();
        ends.iter().all(|(partition, end)| {
            usize::try_from(*partition)
                .ok()
                .and_then(|index| partitions.get(index))
                .is_none_or(|progress| {
                    progress.next.max(progress.seen_end) >= *end
                        || (reached == Reached::RecordsOrEnd && progress.at_end)
                })
        })
    }

    /// Remembers that nothing is missing up to these ends, so that nobody has to look for it again.
    fn note_seen(&self, ends: &[(i32, i64)]) {
        let mut partitions = self.progress.partitions.lock();
        for (partition, end) in ends {
            let index = usize::try_from(*partition).unwrap_or(usize::MAX);
            if let Some(progress) = partitions.get_mut(index) {
                progress.seen_end = progress.seen_end.max(*end);
            }
        }
    }

    /// Makes idle partitions that are short of their end look once more, so that their next "at end" is news.
    fn fetch_again(&self, ends: &mut Vec<(i32, i64)>) -> Result<(), StorageError> {
        let mut seek = Vec::new();
        {
            let mut partitions = self.progress.partitions.lock();
            ends.retain(|(partition, end)| {
                let index = usize::try_from(*partition).unwrap_or(usize::MAX);
                let Some(progress) = partitions.get_mut(index) else {
                    return false;
                };
                if progress.next.max(progress.seen_end) >= *end {
                    return false;
                }
                if progress.at_end {
                    progress.at_end = false;
                    seek.push((*partition, progress.next));
                }
                true
            });
        }
        for (partition, next) in seek {
            self.consumer
                .seek(&self.topic, partition, Offset::Offset(next), Duration::ZERO)
                .map_err(|source| StorageError::Kafka {
                    topic: self.topic.clone(),
                    doing: "cannot go on reading",
                    source,
                })?;
        }
        Ok(())
    }

    /// The end offsets of all partitions. Waits for partitions that have no leader yet.
    ///
    /// Asked for over a connection of their own: a broker answers in order, and the reader's fetch
    /// may be waiting there for up to half a second.
    async fn end_offsets(&self) -> Result<Vec<(i32, i64)>, StorageError> {
        let count = self.progress.partitions.lock().len();
        let partitions = 0..i32::try_from(count).unwrap_or(i32::MAX);
        let partitions: Vec<TopicPartition> = partitions.map(|p| self.of(p)).collect();
        loop {
            match self.admin.end_offsets(&partitions).await {
                Ok(ends) if ends.len() == partitions.len() => {
                    let ends = ends.into_iter();
                    return Ok(ends.map(|(of, end)| (of.partition, end)).collect());
                }
                Ok(_) => tokio::time::sleep(LEADER_PAUSE).await,
                // The broker may be away for a moment; whoever asked decides how long to go on.
                Err(AdminError::Timeout { limit, .. }) => {
                    return Err(StorageError::Timeout {
                        topic: self.topic.clone(),
                        limit,
                    });
                }
                Err(source) => {
                    return Err(StorageError::EndOffsets {
                        topic: self.topic.clone(),
                        source,
                    });
                }
            }
        }
    }

    /// Waits until everything sent was acknowledged, or `limit` is over.
    pub(crate) async fn flush(&self, limit: Duration) {
        let producer = self.producer.clone();
        match tokio::task::spawn_blocking(move || producer.flush(limit)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(topic = self.topic, %error, "records were not acknowledged in time");
            }
            Err(error) => tracing::warn!(topic = self.topic, %error, "flush did not run"),
        }
    }

    pub(crate) fn stop(&self) {
        self.reader.abort();
    }
}

impl Drop for KafkaBasedLog {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(
    consumer: Arc<StreamConsumer<TracingContext>>,
    progress: Arc<Progress>,
    topic: String,
    mut handler: Handler,
) {
    let mut complained: Option<Instant> = None;
    loop {
        let (partition, next) = match consumer.recv().await {
            Ok(message) => {
                handler(LogRecord {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key(),
                    value: message.payload(),
                });
                (message.partition(), Some(message.offset() + 1))
            }
            Err(KafkaError::PartitionEOF(partition)) => (partition, None),
            Err(error) => {
                // librdkafka goes on by itself: brokers come back, leaders are found. It reports
                // every attempt, and the records behind the reports must not wait, so there is no
                // pause here.
                if complained.is_none_or(|at| at.elapsed() > COMPLAINT_PAUSE) {
                    tracing::warn!(topic, %error, "reading");
                    complained = Some(Instant::now());
                }
                tokio::task::yield_now().await;
                continue;
            }
        };
        let index = usize::try_from(partition).unwrap_or(usize::MAX);
        if let Some(known) = progress.partitions.lock().get_mut(index) {
            known.at_end = next.is_none();
            known.next = next.unwrap_or(known.next);
        }
        progress.moved.notify_waiters();
    }
}

/// Creates a topic if it is missing, for one that is only written.
///
/// # Errors
/// If that cannot be done, or an admin client cannot be made.
pub(crate) async fn create_topic(
    worker: &Props,
    client_id: &str,
    settings: &TopicSettings,
) -> Result<(), StorageError> {
    let own = Props::from_iter([("client.id".to_owned(), client_id.to_owned())]);
    let admin: AdminClient<TracingContext> = librdkafka_config(ClientKind::Admin, worker, &own)?
        .create_with_context(TracingContext::new(client_id))
        .map_err(|source| StorageError::Kafka {
            topic: settings.topic.clone(),
            doing: "cannot make an admin client",
            source,
        })?;
    create_if_missing(&admin, settings).await
}

async fn create_if_missing(
    admin: &AdminClient<TracingContext>,
    settings: &TopicSettings,
) -> Result<(), StorageError> {
    let began = Instant::now();
    let mut topic = NewTopic::new(
        &settings.topic,
        settings.partitions,
        TopicReplication::Fixed(settings.replication),
    );
    for (key, value) in &settings.settings {
        topic = topic.set(key, value);
    }
    if settings.compacted {
        topic = topic.set("cleanup.policy", "compact");
    }
    let options = AdminOptions::new().operation_timeout(Some(METADATA_TIMEOUT));
    loop {
        let reason = match admin.create_topics([&topic], &options).await {
            Ok(results) => match results.into_iter().next() {
                Some(Ok(_)) => {
                    tracing::info!(topic = settings.topic, "created the topic");
                    return Ok(());
                }
                None | Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => return Ok(()),
                // Not allowed to create: the topic may be there all the same, the next steps will tell.
                Some(Err((
                    _,
                    RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed,
                ))) => return Ok(()),
                Some(Err((_, code))) => {
                    let transient = matches!(
                        code,
                        RDKafkaErrorCode::RequestTimedOut
                            | RDKafkaErrorCode::NotController
                            | RDKafkaErrorCode::OperationTimedOut
                            | RDKafkaErrorCode::LeaderNotAvailable
                    );
                    let reason = code.to_string();
                    if !transient {
                        return Err(StorageError::CreateTopic {
                            topic: settings.topic.clone(),
                            reason,
                        });
                    }
                    reason
                }
            },
            Err(error) => error.to_string(),
        };
        if began.elapsed() > settings.limit {
            return Err(StorageError::CreateTopic {
                topic: settings.topic.clone(),
                reason,
            });
        }
        tracing::warn!(
            topic = settings.topic,
            reason,
            "cannot create the topic yet, trying again"
        );
        tokio::time::sleep(jittered(RETRY_PAUSE)).await;
    }
}

async fn partition_count(
    admin: &AdminClient<TracingContext>,
    settings: &TopicSettings,
) -> Result<i32, StorageError> {
    let began = Instant::now();
    loop {
        let metadata = tokio::task::block_in_place(|| {
            admin
                .inner()
                .fetch_metadata(Some(&settings.topic), METADATA_TIMEOUT)
        });
        let reason = match metadata {
            Ok(metadata) => {
                let found = metadata
                    .topics()
                    .iter()
                    .find(|topic| topic.name() == settings.topic)
                    .map_or(0, |topic| topic.partitions().len());
                if found > 0 {
                    return Ok(i32::try_from(found).unwrap_or(i32::MAX));
                }
                KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition)
            }
            Err(error) => error,
        };
        if began.elapsed() > settings.limit {
            return Err(StorageError::Kafka {
                topic: settings.topic.clone(),
                doing: "cannot find its partitions",
                source: reason,
            });
        }
        tokio::time::sleep(jittered(RETRY_PAUSE)).await;
    }
}

async fn check_policy(
    admin: &AdminClient<TracingContext>,
    settings: &TopicSettings,
) -> Result<(), StorageError> {
    if !settings.compacted {
        return Ok(());
    }
    let topic = ResourceSpecifier::Topic(&settings.topic);
    let described = admin.describe_configs([&topic], &AdminOptions::new()).await;
    let policy = match described.as_ref().map(|results| results.first()) {
        Ok(Some(Ok(resource))) => resource
            .get("cleanup.policy")
            .and_then(|entry| entry.value.clone()),
        // Without the right to look the check is skipped, as by the JVM worker.
        _ => None,
    };
    match policy {
        Some(found) if found.trim() != "compact" => Err(StorageError::CleanupPolicy {
            topic: settings.topic.clone(),
            key: settings.key,
            holds: settings.holds,
            found,
        }),
        _ => Ok(()),
    }
}
