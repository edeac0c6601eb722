//! Each ending that a send can have, on each path that sends, as [`crate::worker::producer`] lists them.
//! librdkafka's mock cluster plays the brokers that refuse.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};
use sluice_api::config::Props;
use sluice_api::{
    ConnectError, ConnectRecord, RawRecord, Result, SourceOffset, SourcePartition, SourceRecord,
    SourceTask, TimestampType, Value, async_trait, schemas,
};
use sluice_kafka::client::config::librdkafka_config;
use sluice_kafka::client::keys::ClientKind;
use sluice_protocol::config_topic::ConfigRecord;
use sluice_protocol::status_topic::{StatusRecord, StatusValue};
use sluice_protocol::{
    ConfigMap, ConnectorName, ConnectorTaskId, ConnectorType, Generation, JsonObject, State,
    TargetState,
};
use sluice_toolkit::testing::source_task_of;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::log_producer::LogProducer;
use super::status_sender::StatusSender;
use super::transactional_writer::TransactionalWriter;
use super::{OffsetBackingStore, StorageError};
use crate::cluster::StatusCache;
use crate::settings::{ConnectorSettings, Mode, WorkerSettings};
use crate::status::TaskStatusListener;
use crate::worker::connector_offsets::OffsetStores;
use crate::worker::dead_letter_queue::DeadLetterQueue;
use crate::worker::errors::{ErrorReporter as _, Stage};
use crate::worker::metrics::TaskMetrics;
use crate::worker::producer::ProducerPool;
use crate::worker::source_task::{ExactlyOnce, ProducerChecks, SourceTaskLoop};
use crate::worker::task_context::{NoTopicTracking, TaskContext, TaskPlugins};
use crate::worker::transformation_chain::TransformationChain;

const TOPIC: &str = "t";
/// Bytes that the producers of these tests take as one request.
const MOST: usize = 4000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Taken,
    NoRoom,
    TooLargeHere,
    NoSuchPartition,
    NotATopic,
    Refused(RDKafkaRespErr),
    NotInTime,
}

use RDKafkaRespErr as Code;

/// What a broker refuses for good.
const REFUSALS: [Code; 8] = [
    Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    Code::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
    Code::RD_KAFKA_RESP_ERR_INVALID_RECORD,
    Code::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
    Code::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
    Code::RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
];

fn endings() -> Vec<Ending> {
    let mut all = vec![
        Ending::Taken,
        Ending::NoRoom,
        Ending::TooLargeHere,
        Ending::NoSuchPartition,
        Ending::NotATopic,
        Ending::NotInTime,
    ];
    all.extend(REFUSALS.map(Ending::Refused));
    all
}

impl Ending {
    fn is_taken(self) -> bool {
        matches!(self, Self::Taken | Self::NoRoom)
    }

    /// The record that ends so, between two that do not.
    fn victim(self) -> (ConnectRecord, usize) {
        let size = if self == Self::TooLargeHere {
            2 * MOST
        } else {
            MOST / 2
        };
        let topic = if self == Self::NotATopic {
            "a\0b"
        } else {
            TOPIC
        };
        let value = Value::from("x".repeat(size));
        let mut record = ConnectRecord::new(topic.into(), Some(schemas::STRING.clone()), value);
        record.kafka_partition = Some(if self == Self::NoSuchPartition { 99 } else { 0 });
        (record, size)
    }
}

struct Cluster {
    mock: MockCluster<'static, DefaultProducerContext>,
    ending: Ending,
}

impl Cluster {
    fn new(ending: Ending) -> Self {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic(TOPIC, 1, 1).unwrap();
        mock.create_topic("offsets", 1, 1).unwrap();
        Self { mock, ending }
    }

    /// From now on the brokers do what makes sends end so.
    fn arm(&self) {
        match self.ending {
            Ending::Refused(code) => self
                .mock
                .request_errors(RDKafkaApiKey::Produce, &[code; 100]),
            Ending::NotInTime => self.mock.request_errors(
                RDKafkaApiKey::Produce,
                &[Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 10_000],
            ),
            _ => {}
        }
    }

    /// Java settings of a producer.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("linger.ms", "0".to_owned()),
            ("retry.backoff.ms", "20".to_owned()),
            ("max.request.size", MOST.to_string()),
        ];
        if self.ending == Ending::NotInTime {
            settings.push(("delivery.timeout.ms", "400".to_owned()));
            settings.push(("request.timeout.ms", "300".to_owned()));
            settings.push(("transaction.timeout.ms", "1500".to_owned()));
        }
        if self.ending == Ending::NoRoom {
            settings.push(("buffer.memory", "4096".to_owned()));
        }
        settings
    }

    fn connector_props(&self, tolerance: &str) -> Props {
        let settings = self.settings().into_iter();
        let mut props: Props = settings
            .map(|(key, value)| (format!("producer.override.{key}"), value))
            .collect();
        for (key, value) in [
            ("name", "c"),
            ("connector.class", "C"),
            ("errors.tolerance", tolerance),
        ] {
            props.insert(key.to_owned(), value.to_owned());
        }
        props
    }

    fn worker_props(&self) -> Props {
        Props::from_iter([(
            "bootstrap.servers".to_owned(),
            self.mock.bootstrap_servers(),
        )])
    }

    fn producer_config(&self) -> ClientConfig {
        let own: Props = self
            .settings()
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        librdkafka_config(ClientKind::Producer, &self.worker_props(), &own).unwrap()
    }

    /// Sizes of the values in a topic.
    fn sizes_in(&self, topic: &str) -> BTreeSet<usize> {
        self.mock.clear_request_errors(RDKafkaApiKey::Produce);
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.mock.bootstrap_servers())
            .set("group.id", "check")
            .set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning)
            .unwrap();
        consumer.assign(&list).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        let mut sizes = BTreeSet::new();
        while let Some(message) = consumer.poll(Duration::from_secs(10)) {
            assert!(Instant::now() < end, "the topic has no end");
            match message {
                Ok(message) => {
                    sizes.insert(message.payload_len());
                }
                Err(_) => break,
            }
        }
        sizes
    }
}

struct Heard {
    failure: Mutex<Option<String>>,
    /// A task whose target state nobody can change any more stops.
    _target: watch::Sender<TargetState>,
}

impl TaskStatusListener for Heard {
    fn on_startup(&self, _id: &ConnectorTaskId, _version: Option<&str>) {}
    fn on_pause(&self, _id: &ConnectorTaskId) {}
    fn on_resume(&self, _id: &ConnectorTaskId) {}
    fn on_shutdown(&self, _id: &ConnectorTaskId) {}
    fn on_failure(&self, _id: &ConnectorTaskId, trace: String) {
        *self.failure.lock() = Some(trace);
    }
}

#[derive(Default)]
struct Offsets(Mutex<HashMap<Vec<u8>, Option<Vec<u8>>>>);

impl Offsets {
    /// The number of the last record that is stored as done.
    fn last(&self) -> Option<u64> {
        let stored = self.0.lock();
        let value = stored.values().next()?.as_ref()?;
        let offset: JsonObject = serde_json::from_slice(value).unwrap();
        offset["o"].as_str()?.parse().ok()
    }
}

#[async_trait]
impl OffsetBackingStore for Offsets {
    async fn start(&self) -> std::result::Result<(), StorageError> {
        Ok(())
    }

    async fn stop(&self) {}

    async fn get(
        &self,
        keys: Vec<Vec<u8>>,
    ) -> std::result::Result<HashMap<Vec<u8>, Option<Vec<u8>>>, StorageError> {
        Ok(keys.into_iter().map(|key| (key, None)).collect())
    }

    async fn set(
        &self,
        values: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> std::result::Result<(), StorageError> {
        self.0.lock().extend(values);
        Ok(())
    }

    async fn connector_partitions(
        &self,
        _connector: &ConnectorName,
    ) -> std::result::Result<Vec<JsonObject>, StorageError> {
        Ok(Vec::new())
    }
}

/// Gives three records: the second ends as the test wants.
struct Three(Vec<SourceRecord>);

impl Three {
    fn new(ending: Ending) -> (Self, [usize; 3]) {
        let small = |size: usize| {
            let value = Value::from("x".repeat(size));
            let mut record = ConnectRecord::new(TOPIC.into(), Some(schemas::STRING.clone()), value);
            record.kafka_partition = Some(0);
            (record, size)
        };
        let records = [small(11), ending.victim(), small(13)];
        let sizes = [records[0].1, records[1].1, records[2].1];
        let partition = Arc::new(SourcePartition::of("p", "x"));
        let records = (0..)
            .zip(records)
            .map(|(number, (record, _))| SourceRecord {
                record,
                source_partition: Some(partition.clone()),
                source_offset: Some(SourceOffset::of("o", number.to_string().as_str())),
            });
        (Self(records.collect()), sizes)
    }
}

#[async_trait]
impl SourceTask for Three {
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        if self.0.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.0)))
    }
}

struct NoChecks;

#[async_trait]
impl ProducerChecks for NoChecks {
    async fn before(&self) -> Result<()> {
        Ok(())
    }

    async fn after(&self) -> Result<()> {
        Ok(())
    }
}

fn context(cluster: &Cluster, kind: ConnectorType, tolerance: &str) -> (TaskContext, Arc<Heard>) {
    let converter = || {
        let all = sluice_plugins::converters();
        let string = all
            .into_iter()
            .find(|p| p.class.ends_with("StringConverter"));
        (string.unwrap().new)()
    };
    let (target, target_state) = watch::channel(TargetState::Started);
    let heard = Arc::new(Heard {
        failure: Mutex::default(),
        _target: target,
    });
    let worker = worker(cluster, Mode::Standalone);
    let props = cluster.connector_props(tolerance);
    let connector = ConnectorSettings::new(&worker, kind, props.clone()).unwrap();
    let context = TaskContext {
        id: ConnectorTaskId::new("c", 0),
        task_class: "T".into(),
        connector: Arc::new(connector),
        task_props: props,
        worker,
        plugins: Arc::new(TaskPlugins {
            key_converter: converter(),
            key_converter_class: "K".into(),
            value_converter: converter(),
            value_converter_class: "V".into(),
            header_converter: (sluice_plugins::header_converters().remove(0).new)(),
            header_converter_class: "H".into(),
            transformations: TransformationChain::new(Vec::new()),
        }),
        listener: heard.clone(),
        topics: Arc::new(NoTopicTracking),
        target_state,
        stopping: CancellationToken::new(),
        cancelled: CancellationToken::new(),
        metrics: TaskMetrics::new(),
    };
    (context, heard)
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn worker(cluster: &Cluster, mode: Mode) -> Arc<WorkerSettings> {
    let mut props = cluster.worker_props();
    for (key, value) in [
        ("group.id", "g"),
        ("key.converter", "StringConverter"),
        ("value.converter", "StringConverter"),
        ("offset.storage.file.filename", "not-used"),
        ("offset.storage.topic", "offsets"),
        ("config.storage.topic", "configs"),
        ("status.storage.topic", "statuses"),
        ("offset.flush.interval.ms", "50"),
    ] {
        props.insert(key.to_owned(), value.to_owned());
    }
    Arc::new(WorkerSettings::from_props(props, mode).unwrap())
}

fn stores(cluster: &Cluster, store: &Arc<Offsets>, mode: Mode) -> Arc<OffsetStores> {
    Arc::new(OffsetStores::new(worker(cluster, mode), store.clone()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_at_least_once_passes_by_nothing_that_was_not_taken() {
    for ending in endings() {
        for tolerance in ["none", "all"] {
            let named = format!("{ending:?}, errors.tolerance={tolerance}");
            let cluster = Cluster::new(ending);
            cluster.arm();
            let (task, sizes) = Three::new(ending);
            let store = Arc::new(Offsets::default());
            let (context, heard) = context(&cluster, ConnectorType::Source, tolerance);
            let (stopping, metrics) = (context.stopping.clone(), context.metrics.clone());
            let stores = stores(&cluster, &store, Mode::Standalone);
            let task =
                SourceTaskLoop::new(context, source_task_of(task), stores, Arc::default(), None);
            let running = tokio::spawn(task.run());
            if ending == Ending::NoSuchPartition {
                // While the topic is not known the record waits, as in Java (`max.block.ms`): the partition
                // may come.
                eventually(&named, || {
                    store.last().is_some() || heard.failure.lock().is_some()
                })
                .await;
            } else if ending.is_taken() || tolerance == "all" {
                eventually(&named, || store.last() == Some(2)).await;
                assert_eq!(*heard.failure.lock(), None, "{named}");
            } else {
                eventually(&named, || heard.failure.lock().is_some()).await;
            }
            stopping.cancel();
            running.await.unwrap();
            let written = cluster.sizes_in(TOPIC);
            let passed = store
                .last()
                .map_or(0, |last| usize::try_from(last).unwrap() + 1);
            let lost = sizes[..passed]
                .iter()
                .filter(|size| !written.contains(size))
                .count();
            let skipped = metrics.snapshot().records_skipped;
            assert_eq!(
                u64::try_from(lost).unwrap(),
                skipped,
                "{named}: {written:?}"
            );
            let skips = tolerance == "all" && !ending.is_taken();
            if ending == Ending::NoSuchPartition {
                assert!(skips || skipped == 0, "{named}");
            } else {
                assert_eq!(skipped > 0, skips, "{named}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_exactly_once_commits_nothing_of_a_transaction_that_was_not_taken_whole() {
    for ending in endings() {
        for tolerance in ["none", "all"] {
            let named = format!("{ending:?}, errors.tolerance={tolerance}");
            let cluster = Cluster::new(ending);
            let (task, sizes) = Three::new(ending);
            let store = Arc::new(Offsets::default());
            let (context, heard) = context(&cluster, ConnectorType::Source, tolerance);
            let (stopping, metrics) = (context.stopping.clone(), context.metrics.clone());
            let stores = stores(&cluster, &store, Mode::Distributed);
            let exactly_once = ExactlyOnce {
                transactional_id: "id".to_owned(),
                checks: Arc::new(NoChecks),
            };
            cluster.arm();
            let task = SourceTaskLoop::new(
                context,
                source_task_of(task),
                stores,
                Arc::default(),
                Some(exactly_once),
            );
            let running = tokio::spawn(task.run());
            if ending.is_taken() {
                eventually(&named, || metrics.records_out.get() == 3).await;
            } else {
                eventually(&named, || heard.failure.lock().is_some()).await;
                let failure = heard.failure.lock().clone().unwrap_or_default();
                assert!(
                    failure.contains("Failed to flush offsets and/or records for task c-0"),
                    "{failure}"
                );
            }
            stopping.cancel();
            running.await.unwrap();
            let committed = metrics.records_out.get();
            if ending.is_taken() {
                assert_eq!(cluster.sizes_in(TOPIC), BTreeSet::from(sizes), "{named}");
                assert!(!cluster.sizes_in("offsets").is_empty(), "{named}");
            } else {
                assert_eq!(committed, 0, "{named}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fenced_exactly_once_source_fails() {
    for code in [
        Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
        Code::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ] {
        let cluster = Cluster::new(Ending::Taken);
        let (task, _) = Three::new(Ending::Taken);
        let store = Arc::new(Offsets::default());
        let (context, heard) = context(&cluster, ConnectorType::Source, "all");
        let metrics = context.metrics.clone();
        let stores = stores(&cluster, &store, Mode::Distributed);
        cluster
            .mock
            .request_errors(RDKafkaApiKey::EndTxn, &[code; 10]);
        let exactly_once = ExactlyOnce {
            transactional_id: "id".to_owned(),
            checks: Arc::new(NoChecks),
        };
        let task = SourceTaskLoop::new(
            context,
            source_task_of(task),
            stores,
            Arc::default(),
            Some(exactly_once),
        );
        let running = tokio::spawn(task.run());
        eventually("the failure", || heard.failure.lock().is_some()).await;
        running.await.unwrap();
        assert_eq!(metrics.records_out.get(), 0, "{code:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_was_not_taken_is_a_failure_for_good() {
    for ending in endings() {
        let cluster = Cluster::new(ending);
        let (context, _) = context(&cluster, ConnectorType::Sink, "all");
        let mut config = cluster.producer_config();
        config.set("queue.buffering.max.kbytes", "32768");
        let producer = ProducerPool::default().get(&config).unwrap();
        let settings = context.connector.errors.clone();
        let topic = if ending == Ending::NotATopic {
            "a\0b"
        } else {
            TOPIC
        };
        let queue = DeadLetterQueue::writing(&context, &settings, topic, producer.clone());
        let (_, size) = ending.victim();
        let consumed = RawRecord {
            topic: "from".into(),
            partition: 0,
            offset: 0,
            timestamp: -1,
            timestamp_type: TimestampType::NoTimestampType,
            key: None,
            value: Some(Bytes::from(vec![b'x'; size])),
            headers: Vec::new(),
        };
        cluster.arm();
        let error = ConnectError::connect("bad");
        queue.report(Stage::TaskPut, "S", &consumed, &error).await;
        let settled = queue.settle().await;
        // The queue chooses partitions that are there.
        let taken = ending.is_taken() || ending == Ending::NoSuchPartition;
        assert_eq!(settled.is_ok(), taken, "{ending:?}: {settled:?}");
        assert_eq!(cluster.sizes_in(TOPIC).contains(&size), taken, "{ending:?}");
        let again = queue.settle().await;
        assert_eq!(again.is_ok(), taken, "{ending:?}: {again:?}");
        assert_eq!(
            context.metrics.snapshot().dlq_failures,
            u64::from(!taken),
            "{ending:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_internal_topic_acknowledges_only_what_was_taken() {
    for ending in endings() {
        let cluster = Cluster::new(ending);
        let producer = LogProducer::new(&cluster.producer_config(), "log").unwrap();
        let topic = if ending == Ending::NotATopic {
            "a\0b"
        } else {
            TOPIC
        };
        let (_, size) = ending.victim();
        let records: Vec<(&str, Option<Vec<u8>>)> = [11, size, 13]
            .map(|size| ("k", Some(vec![b'x'; size])))
            .to_vec();
        cluster.arm();
        let sent = producer.send_all(topic, &records).await;
        let taken = ending.is_taken() || ending == Ending::NoSuchPartition;
        assert_eq!(sent.is_ok(), taken, "{ending:?}: {sent:?}");
        let written = cluster.sizes_in(TOPIC);
        if taken {
            assert_eq!(written, BTreeSet::from([11, size, 13]), "{ending:?}");
        } else {
            assert!(!written.contains(&size), "{ending:?}: {written:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_privileged_write_that_was_not_taken_fails() {
    for ending in endings() {
        let cluster = Cluster::new(ending);
        let mut worker = cluster.worker_props();
        for (key, value) in cluster.settings() {
            worker.insert(key.to_owned(), value);
        }
        let topic = if ending == Ending::NotATopic {
            "a\0b"
        } else {
            TOPIC
        };
        let writer = TransactionalWriter::new(&worker, "leader", "id", topic).unwrap();
        let limit = Duration::from_secs(10);
        writer.initialise(limit).await.unwrap();
        let (_, size) = ending.victim();
        let config = ConfigMap::from_iter([("k".to_owned(), "x".repeat(size))]);
        let record = ConfigRecord::Connector {
            connector: "c".into(),
            config: Some(config),
        };
        cluster.arm();
        let written = writer.write("configuration", &[record], limit).await;
        let taken = ending.is_taken() || ending == Ending::NoSuchPartition;
        assert_eq!(written.is_ok(), taken, "{ending:?}: {written:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_was_not_taken_is_tried_again_if_that_may_help() {
    for ending in endings() {
        let cluster = Cluster::new(ending);
        let producer = LogProducer::new(&cluster.producer_config(), "status").unwrap();
        let topic = if ending == Ending::NotATopic {
            "a\0b"
        } else {
            TOPIC
        };
        let (sender, cache) = (StatusSender::default(), Mutex::new(StatusCache::default()));
        let (_, size) = ending.victim();
        let status = StatusValue {
            state: State::Failed,
            trace: Some("x".repeat(size)),
            worker_id: "w:1".into(),
            generation: Generation(1),
            version: None,
        };
        let record = StatusRecord::Connector {
            connector: "c".into(),
            status: Some(status),
        };
        sender.put(record, false, &cache);
        cluster.arm();
        let send = |key: &[u8], value: Option<&[u8]>| producer.send(topic, key, value);
        let again = sender.attempt(&send, &cache, sender.take()).await;
        assert_eq!(
            again.len(),
            usize::from(ending == Ending::NotInTime),
            "{ending:?}"
        );
        let taken = ending.is_taken() || ending == Ending::NoSuchPartition;
        assert_eq!(
            cluster.sizes_in(TOPIC).len(),
            usize::from(taken),
            "{ending:?}"
        );
    }
}
