//! Task loops on a broker: Kafka, if `SLUICE_TEST_BOOTSTRAP` (host:port) names one, else the embedded one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/broker.rs"]
mod broker;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use broker::TestBroker;
use sluice_agent::embedded;
use sluice_agent::settings::{ConnectorSettings, Mode, WorkerSettings};
use sluice_agent::status::TaskStatusListener;
use sluice_agent::storage::{OffsetBackingStore, StorageError};
use sluice_agent::worker::connector_offsets::OffsetStores;
use sluice_agent::worker::metrics::TaskMetrics;
use sluice_agent::worker::producer::ProducerPool;
use sluice_agent::worker::sink_task::SinkTaskLoop;
use sluice_agent::worker::source_task::SourceTaskLoop;
use sluice_agent::worker::task_context::{TaskContext, TaskPlugins, TopicTracker};
use sluice_agent::worker::transformation_chain::{TransformationChain, TransformationStage};
use sluice_api::config::Props;
use sluice_api::plugin::{StartSinkTask, StartSourceTask};
use sluice_api::{
    ConnectError, ConnectRecord, RecordOrigin, Result, SinkOffsets, SinkRecord, SinkTask,
    SourceOffset, SourcePartition, SourceRecord, SourceTask, TopicPartition, Transformation, Value,
    async_trait, schemas,
};
use sluice_protocol::{ConnectorName, ConnectorTaskId, ConnectorType, JsonObject, TargetState};
use sluice_toolkit::testing::{sink_task_of, source_task_of};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

fn unique(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{nanos}-{count}", std::process::id())
}

/// The stores of a worker whose own one is `store`.
fn stores(store: Arc<dyn OffsetBackingStore>) -> Arc<OffsetStores> {
    Arc::new(OffsetStores::new(worker("127.0.0.1:1", "60000"), store))
}

/// A worker with these brokers, and this `offset.flush.interval.ms`.
fn worker(bootstrap: &str, flush_interval: &str) -> Arc<WorkerSettings> {
    let props = [
        ("bootstrap.servers", bootstrap),
        ("key.converter", "StringConverter"),
        ("value.converter", "StringConverter"),
        ("offset.storage.file.filename", "not-used"),
        ("offset.flush.interval.ms", flush_interval),
    ];
    let props = props.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let settings = WorkerSettings::from_props(props.into_iter().collect(), Mode::Standalone);
    Arc::new(settings.unwrap())
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn has(&self, text: &str) -> bool {
        self.0
            .lock()
            .unwrap()
            .iter()
            .any(|heard| heard.starts_with(text))
    }
}

impl TaskStatusListener for Heard {
    fn on_startup(&self, _id: &ConnectorTaskId, _version: Option<&str>) {
        self.push("startup".into());
    }
    fn on_pause(&self, _id: &ConnectorTaskId) {
        self.push("pause".into());
    }
    fn on_resume(&self, _id: &ConnectorTaskId) {
        self.push("resume".into());
    }
    fn on_shutdown(&self, _id: &ConnectorTaskId) {
        self.push("shutdown".into());
    }
    fn on_failure(&self, _id: &ConnectorTaskId, trace: String) {
        self.push(format!("failure {trace}"));
    }
}

impl TopicTracker for Heard {
    fn on_topic_used(&self, _id: &ConnectorTaskId, topic: &str) {
        let text = format!("topic {topic}");
        if !self.has(&text) {
            self.push(text);
        }
    }
}

#[derive(Default)]
struct MemoryOffsets(Mutex<HashMap<Vec<u8>, Option<Vec<u8>>>>);

impl MemoryOffsets {
    fn texts(&self) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let stored = self.0.lock().unwrap();
        stored
            .iter()
            .map(|(key, value)| {
                format!(
                    "{} {}",
                    text(key),
                    value.as_ref().map_or("null".into(), |v| text(v))
                )
            })
            .collect()
    }
}

#[async_trait]
impl OffsetBackingStore for MemoryOffsets {
    async fn start(&self) -> std::result::Result<(), StorageError> {
        Ok(())
    }

    async fn stop(&self) {}

    async fn get(
        &self,
        keys: Vec<Vec<u8>>,
    ) -> std::result::Result<HashMap<Vec<u8>, Option<Vec<u8>>>, StorageError> {
        let stored = self.0.lock().unwrap();
        Ok(keys
            .into_iter()
            .map(|key| (key.clone(), stored.get(&key).cloned().flatten()))
            .collect())
    }

    async fn set(
        &self,
        values: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> std::result::Result<(), StorageError> {
        self.0.lock().unwrap().extend(values);
        Ok(())
    }

    async fn connector_partitions(
        &self,
        _connector: &ConnectorName,
    ) -> std::result::Result<Vec<JsonObject>, StorageError> {
        Ok(Vec::new())
    }
}

struct Running {
    heard: Arc<Heard>,
    target: watch::Sender<TargetState>,
    stopping: CancellationToken,
    metrics: Arc<TaskMetrics>,
    handle: JoinHandle<()>,
}

impl Running {
    async fn stop(self) -> Arc<Heard> {
        self.stopping.cancel();
        tokio::time::timeout(Duration::from_secs(30), self.handle)
            .await
            .unwrap()
            .unwrap();
        self.heard
    }
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(45);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

struct Setup {
    bootstrap: String,
    connector: String,
    task: u32,
    props: Vec<(String, String)>,
    flush_interval: Duration,
    transformations: Vec<TransformationStage>,
    target: TargetState,
}

impl Setup {
    fn new(bootstrap: &str, connector: &str, props: &[(&str, &str)]) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            connector: connector.to_owned(),
            task: 0,
            props: props
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            flush_interval: Duration::from_millis(200),
            transformations: Vec::new(),
            target: TargetState::Started,
        }
    }

    fn context(self, kind: ConnectorType) -> (TaskContext, Running) {
        let converter = || {
            let all = sluice_plugins::converters();
            let string = all
                .into_iter()
                .find(|p| p.class.ends_with("StringConverter"))
                .unwrap();
            (string.new)()
        };
        let header = sluice_plugins::header_converters().remove(0);
        let heard = Arc::new(Heard::default());
        let (target, target_state) = watch::channel(self.target);
        let stopping = CancellationToken::new();
        let metrics = TaskMetrics::new();
        let mut props: Props = self.props.into_iter().collect();
        let interval = self.flush_interval.as_millis().to_string();
        let worker = worker(&self.bootstrap, &interval);
        for (key, value) in [("name", "c"), ("connector.class", "C")] {
            props.insert(key.to_owned(), value.to_owned());
        }
        let connector = ConnectorSettings::new(&worker, kind, props.clone()).unwrap();
        let context = TaskContext {
            id: ConnectorTaskId::new(self.connector.as_str(), self.task),
            task_class: "T".into(),
            connector: Arc::new(connector),
            task_props: props,
            worker,
            plugins: Arc::new(TaskPlugins {
                key_converter: converter(),
                key_converter_class: "K".into(),
                value_converter: converter(),
                value_converter_class: "V".into(),
                header_converter: (header.new)(),
                header_converter_class: "H".into(),
                transformations: TransformationChain::new(self.transformations),
            }),
            listener: heard.clone(),
            topics: heard.clone(),
            target_state,
            stopping: stopping.clone(),
            cancelled: CancellationToken::new(),
            metrics: metrics.clone(),
        };
        let running = Running {
            heard,
            target,
            stopping,
            metrics,
            handle: tokio::spawn(async {}),
        };
        (context, running)
    }

    fn source(self, start: StartSourceTask, store: &Arc<MemoryOffsets>) -> Running {
        let (context, mut running) = self.context(ConnectorType::Source);
        let run = SourceTaskLoop::new(context, start, stores(store.clone()), Arc::default(), None);
        running.handle = tokio::spawn(run.run());
        running
    }

    fn sink(self, start: StartSinkTask) -> Running {
        let (context, mut running) = self.context(ConnectorType::Sink);
        let run = SinkTaskLoop::new(context, start, Arc::<ProducerPool>::default());
        running.handle = tokio::spawn(run.run());
        running
    }
}

/// What a sink task of these tests saw.
#[derive(Default)]
struct Seen {
    values: Mutex<Vec<String>>,
    events: Mutex<Vec<String>>,
}

impl Seen {
    fn count(&self) -> usize {
        self.values.lock().unwrap().len()
    }

    fn sorted(&self) -> Vec<String> {
        let mut values = self.values.lock().unwrap().clone();
        values.sort();
        values
    }

    fn event(&self, text: &str) {
        self.events.lock().unwrap().push(text.to_owned());
    }
}

#[derive(Default)]
struct CollectingSink {
    seen: Arc<Seen>,
    /// Puts that fail with a retriable error first.
    refuse: usize,
    /// Fails for good at this value.
    poison: Option<&'static str>,
    /// Waits for a permit in each `put` of records.
    gate: Option<Arc<tokio::sync::Semaphore>>,
}

fn started(sink: CollectingSink) -> StartSinkTask {
    let seen = sink.seen.clone();
    let start = sink_task_of(sink);
    Arc::new(move |context| {
        seen.event("start");
        start(context)
    })
}

#[async_trait]
impl SinkTask for CollectingSink {
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.seen.event(&format!("open {}", partitions.len()));
        Ok(())
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        if self.refuse > 0 {
            self.refuse -= 1;
            self.seen.event(&format!("refused {}", records.len()));
            return Err(ConnectError::retriable("later"));
        }
        for record in records {
            let value = record.record.value.to_string();
            if self.poison == Some(value.as_str()) {
                return Err(ConnectError::data("poison"));
            }
            self.seen.values.lock().unwrap().push(value);
        }
        Ok(())
    }

    async fn flush(&mut self, _current: &SinkOffsets) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.seen.event(&format!("close {}", partitions.len()));
        Ok(())
    }

    async fn stop(self: Box<Self>) -> Result<()> {
        self.seen.event("stop");
        Ok(())
    }
}

/// Writes lines `0..count` of `prefix` to a topic, through the file source.
async fn produce(bootstrap: &str, topic: &str, prefix: &str, count: usize, extra: &[(&str, &str)]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    let text: String = (0..count).map(|n| format!("{prefix}{n:06}\n")).collect();
    std::fs::write(&path, text).unwrap();
    let mut props = vec![("file", path.to_str().unwrap()), ("topic", topic)];
    props.extend_from_slice(extra);
    let running = Setup::new(bootstrap, &unique("produce"), &props)
        .source(sluice_connector_file::source().start_task, &Arc::default());
    let metrics = running.metrics.clone();
    let heard = running.heard.clone();
    eventually("records written", || {
        assert!(!heard.has("failure"), "{:?}", heard.all());
        metrics.records_out.get() >= count as u64
    })
    .await;
    running.stop().await;
}

const PARTITIONS: [(&str, &str); 2] = [
    ("topic.creation.default.partitions", "4"),
    ("topic.creation.default.replication.factor", "1"),
];

fn names(prefix: &str, range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("{prefix}{n:06}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_commits_what_was_written_and_resumes_after_it() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    let (topic, connector) = (unique("t"), unique("src"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    let file = path.to_str().unwrap().to_owned();
    std::fs::write(&path, names("a", 0..5000).join("\n") + "\n").unwrap();
    let store = Arc::new(MemoryOffsets::default());
    let start = || {
        Setup::new(
            &bootstrap,
            &connector,
            &[("file", &file), ("topic", &topic)],
        )
        .source(sluice_connector_file::source().start_task, &store)
    };
    let running = start();
    let metrics = running.metrics.clone();
    eventually("5000 records", || metrics.records_out.get() == 5000).await;
    // The interval commits without a stop.
    eventually("offset", || {
        store
            .texts()
            .iter()
            .any(|t| t.ends_with(r#"{"position":40000}"#))
    })
    .await;
    let heard = running.stop().await;
    let topic_used = format!("topic {topic}");
    assert_eq!(heard.all(), ["startup", topic_used.as_str(), "shutdown"]);
    assert_eq!(
        store.texts(),
        [format!(
            r#"["{connector}",{{"filename":"{file}"}}] {{"position":40000}}"#
        )]
    );

    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str(&(names("b", 0..100).join("\n") + "\n"));
    std::fs::write(&path, text).unwrap();
    let running = start();
    let metrics = running.metrics.clone();
    eventually("100 more", || metrics.records_out.get() == 100).await;
    running.stop().await;

    let seen = Arc::new(Seen::default());
    let sink = CollectingSink {
        seen: seen.clone(),
        ..CollectingSink::default()
    };
    let running =
        Setup::new(&bootstrap, &unique("check"), &[("topics", &topic)]).sink(started(sink));
    eventually("5100 records", || seen.count() >= 5100).await;
    running.stop().await;
    let mut expected = names("a", 0..5000);
    expected.extend(names("b", 0..100));
    assert_eq!(
        *seen.values.lock().unwrap(),
        expected,
        "in order, none lost, none repeated"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_commits_at_its_stop_and_resumes_after_it() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    let (topic, connector) = (unique("t"), unique("snk"));
    produce(&bootstrap, &topic, "a", 3000, &PARTITIONS).await;
    let run = async |count: usize| {
        let seen = Arc::new(Seen::default());
        let sink = CollectingSink {
            seen: seen.clone(),
            ..CollectingSink::default()
        };
        let mut setup = Setup::new(&bootstrap, &connector, &[("topics", &topic)]);
        setup.flush_interval = Duration::from_secs(60);
        let running = setup.sink(started(sink));
        eventually("records", || seen.count() >= count).await;
        let metrics = running.metrics.clone();
        running.stop().await;
        (seen, metrics)
    };
    let (seen, metrics) = run(3000).await;
    assert_eq!(seen.sorted(), names("a", 0..3000));
    assert_eq!(
        *seen.events.lock().unwrap(),
        ["start", "open 4", "close 4", "stop"]
    );
    assert_eq!(metrics.snapshot().commit_success_total, 1);
    produce(&bootstrap, &topic, "b", 10, &[]).await;
    let (seen, _) = run(10).await;
    assert_eq!(
        seen.sorted(),
        names("b", 0..10),
        "nothing again, nothing lost"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_batch_is_put_again_and_offsets_wait_for_it() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    let topic = unique("t");
    produce(&bootstrap, &topic, "a", 100, &[]).await;
    let seen = Arc::new(Seen::default());
    let sink = CollectingSink {
        seen: seen.clone(),
        refuse: 2,
        ..CollectingSink::default()
    };
    let running = Setup::new(&bootstrap, &unique("snk"), &[("topics", &topic)]).sink(started(sink));
    eventually("records", || seen.count() >= 100).await;
    produce(&bootstrap, &topic, "b", 10, &[]).await;
    eventually("records after the pause", || seen.count() >= 110).await;
    running.stop().await;
    let refused: Vec<String> = seen
        .events
        .lock()
        .unwrap()
        .iter()
        .filter(|event| event.starts_with("refused"))
        .cloned()
        .collect();
    assert_eq!(refused.len(), 2);
    assert_eq!(refused[0], refused[1], "the same batch");
    let mut expected = names("a", 0..100);
    expected.extend(names("b", 0..10));
    assert_eq!(*seen.values.lock().unwrap(), expected);
}

/// The end of the only partition of a sink, as its numbers have it.
fn end_of(running: &Running) -> Option<i64> {
    let partitions = running.metrics.snapshot().sink_partitions;
    partitions.first().and_then(|state| state.end_offset)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_partition_grows_while_a_task_refuses_or_hangs() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    let refusing = CollectingSink {
        refuse: usize::MAX,
        ..CollectingSink::default()
    };
    let hanging = CollectingSink {
        gate: Some(Arc::new(tokio::sync::Semaphore::new(0))),
        ..CollectingSink::default()
    };
    let mut all = Vec::new();
    for sink in [refusing, hanging] {
        let topic = unique("t");
        produce(&bootstrap, &topic, "a", 10, &[]).await;
        let props = [("topics", topic.as_str())];
        let running = Setup::new(&bootstrap, &unique("snk"), &props).sink(started(sink));
        eventually("the first end", || end_of(&running) == Some(10)).await;
        all.push((topic, running));
    }
    for (topic, running) in &all {
        produce(&bootstrap, topic, "b", 20, &[]).await;
        eventually("the end with the records of later", || {
            end_of(running) == Some(30)
        })
        .await;
        running.handle.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_put_fails_the_task_alone_with_its_causes() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    let topic = unique("t");
    produce(&bootstrap, &topic, "a", 10, &[]).await;
    let seen = Arc::new(Seen::default());
    let sink = CollectingSink {
        seen: seen.clone(),
        poison: Some("a000005"),
        ..CollectingSink::default()
    };
    let running = Setup::new(&bootstrap, &unique("snk"), &[("topics", &topic)]).sink(started(sink));
    let heard = running.heard.clone();
    eventually("failure", || heard.has("failure")).await;
    let failure = heard.all().pop().unwrap();
    assert!(
        failure.contains(
            "Exiting WorkerSinkTask due to unrecoverable exception.\nCaused by: \
                          org.apache.kafka.connect.errors.DataException: poison"
        ),
        "{failure}"
    );
    assert_eq!(
        seen.events.lock().unwrap().last().map(String::as_str),
        Some("stop")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_come_and_go_neither_lose_nor_repeat() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    for assignor in ["range", "cooperative-sticky"] {
        let (topic, connector) = (unique("t"), unique("snk"));
        produce(&bootstrap, &topic, "a", 20_000, &PARTITIONS).await;
        let seen = Arc::new(Seen::default());
        let start = |task: u32| {
            let sink = CollectingSink {
                seen: seen.clone(),
                ..CollectingSink::default()
            };
            let class = if assignor == "range" {
                "org.apache.kafka.clients.consumer.RangeAssignor"
            } else {
                "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
            };
            let mut setup = Setup::new(
                &bootstrap,
                &connector,
                &[
                    ("topics", &topic),
                    ("consumer.override.partition.assignment.strategy", class),
                    ("consumer.override.max.poll.records", "100"),
                    ("consumer.override.heartbeat.interval.ms", "500"),
                ],
            );
            setup.task = task;
            setup.sink(started(sink))
        };
        let first = start(0);
        eventually("some records", || seen.count() >= 500).await;
        let second = start(1);
        let third = start(2);
        produce(&bootstrap, &topic, "b", 5000, &[]).await;
        let share = third.metrics.clone();
        eventually("a share for the third", || {
            !share.snapshot().sink_partitions.is_empty()
        })
        .await;
        second.stop().await;
        produce(&bootstrap, &topic, "c", 5000, &[]).await;
        eventually("all records", || seen.count() >= 30_000).await;
        first.stop().await;
        third.stop().await;
        let mut expected = names("a", 0..20_000);
        expected.extend(names("b", 0..5000));
        expected.extend(names("c", 0..5000));
        assert_eq!(seen.sorted(), expected, "{assignor}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pause_and_resume_are_reported_and_obeyed() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    let topic = unique("t");
    produce(&bootstrap, &topic, "a", 10, &[]).await;
    let seen = Arc::new(Seen::default());
    let sink = CollectingSink {
        seen: seen.clone(),
        ..CollectingSink::default()
    };
    let mut setup = Setup::new(&bootstrap, &unique("snk"), &[("topics", &topic)]);
    setup.target = TargetState::Paused;
    let running = setup.sink(started(sink));
    let heard = running.heard.clone();
    eventually("paused", || heard.has("pause")).await;
    assert!(
        seen.events.lock().unwrap().is_empty(),
        "not started while paused"
    );
    running.target.send(TargetState::Started).unwrap();
    eventually("records", || seen.count() >= 10).await;
    running.target.send(TargetState::Paused).unwrap();
    eventually("paused again", || {
        heard.all().iter().filter(|h| *h == "pause").count() == 2
    })
    .await;
    produce(&bootstrap, &topic, "b", 10, &[]).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(seen.count(), 10, "nothing is read while paused");
    running.target.send(TargetState::Started).unwrap();
    eventually("the rest", || seen.count() >= 20).await;
    running.target.send(TargetState::Stopped).unwrap();
    eventually("shutdown", || heard.has("shutdown")).await;
    assert_eq!(seen.count(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_found_by_pattern_and_when_created_later() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    let prefix = unique("pattern");
    produce(&bootstrap, &format!("{prefix}-one"), "a", 10, &[]).await;
    let seen = Arc::new(Seen::default());
    let sink = CollectingSink {
        seen: seen.clone(),
        ..CollectingSink::default()
    };
    let pattern = format!("{prefix}-(one|two)");
    let by_pattern =
        Setup::new(&bootstrap, &unique("snk"), &[("topics.regex", &pattern)]).sink(started(sink));
    let later = unique("later");
    let seen_later = Arc::new(Seen::default());
    let sink = CollectingSink {
        seen: seen_later.clone(),
        ..CollectingSink::default()
    };
    let by_name = Setup::new(&bootstrap, &unique("snk"), &[("topics", &later)]).sink(started(sink));
    eventually("records of the first topic", || seen.count() >= 10).await;
    produce(&bootstrap, &later, "c", 10, &[]).await;
    eventually("records of the later topic", || seen_later.count() >= 10).await;
    by_pattern.stop().await;
    by_name.stop().await;
}

/// Gives one record per poll and what a test wants besides.
struct ScriptedSource {
    script: Vec<Result<Option<&'static str>>>,
    panics: bool,
}

#[async_trait]
impl SourceTask for ScriptedSource {
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        let Some(next) = self.script.pop() else {
            assert!(!self.panics, "out of lines");
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Ok(None);
        };
        Ok(next?.map(|text| {
            vec![SourceRecord {
                record: ConnectRecord::new(
                    "scripted".into(),
                    Some(schemas::STRING.clone()),
                    Value::from(text),
                ),
                source_partition: Some(Arc::new(SourcePartition::of("p", "x"))),
                source_offset: Some(SourceOffset::of("o", text)),
            }]
        }))
    }
}

fn script(mut steps: Vec<Result<Option<&'static str>>>) -> Vec<Result<Option<&'static str>>> {
    steps.reverse();
    steps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_fails_the_task_and_commits_what_came_before() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    let store = Arc::new(MemoryOffsets::default());
    let task = ScriptedSource {
        script: script(vec![
            Ok(Some("1")),
            Err(ConnectError::retriable("wait")),
            Ok(Some("2")),
        ]),
        panics: true,
    };
    let running = Setup::new(&bootstrap, &unique("src"), &[]).source(source_task_of(task), &store);
    let heard = running.heard.clone();
    eventually("failure", || heard.has("failure")).await;
    assert!(
        heard.has("failure java.lang.Error: the plugin panicked: out of lines"),
        "{:?}",
        heard.all()
    );
    assert!(
        store.texts()[0].ends_with(r#"{"o":"2"}"#),
        "{:?}",
        store.texts()
    );
}

/// Drops `drop`, fails at `bad`, marks the others.
struct Marking;

impl Transformation for Marking {
    fn configure(&mut self, _props: &Props) -> Result<()> {
        Ok(())
    }

    fn apply(
        &self,
        mut record: ConnectRecord,
        _origin: &RecordOrigin<'_>,
    ) -> Result<Option<ConnectRecord>> {
        match record.value.as_str() {
            Some("drop") => Ok(None),
            Some("bad") => Err(ConnectError::data("bad value")),
            _ => {
                record.value = Value::from(format!("{}!", record.value));
                Ok(Some(record))
            }
        }
    }
}

fn marking() -> Vec<TransformationStage> {
    vec![TransformationStage {
        transformation: Box::new(Marking),
        class: "Marking".into(),
        alias: "mark".into(),
        predicate: None,
        negate: false,
    }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_and_tolerated_records_leave_no_offset_and_others_go_on() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    for tolerance in ["all", "none"] {
        let store = Arc::new(MemoryOffsets::default());
        let task = ScriptedSource {
            script: script(vec![
                Ok(Some("1")),
                Ok(Some("drop")),
                Ok(Some("bad")),
                Ok(Some("2")),
            ]),
            panics: false,
        };
        let mut setup = Setup::new(
            &bootstrap,
            &unique("src"),
            &[
                ("errors.tolerance", tolerance),
                ("errors.log.enable", "true"),
            ],
        );
        setup.transformations = marking();
        let running = setup.source(source_task_of(task), &store);
        let (heard, metrics) = (running.heard.clone(), running.metrics.clone());
        if tolerance == "all" {
            eventually("both written", || metrics.records_out.get() == 2).await;
            running.stop().await;
            assert!(store.texts()[0].ends_with(r#"{"o":"2"}"#));
            let numbers = metrics.snapshot();
            assert_eq!(
                (
                    numbers.record_errors,
                    numbers.records_skipped,
                    numbers.errors_logged
                ),
                (1, 1, 1)
            );
            assert_eq!(numbers.active_count, 0);
        } else {
            eventually("failure", || heard.has("failure")).await;
            let failure = heard.all().pop().unwrap();
            assert!(
                failure.contains("Tolerance exceeded in error handler"),
                "{failure}"
            );
            assert!(failure.contains("DataException: bad value"), "{failure}");
            assert!(
                store.texts()[0].ends_with(r#"{"o":"1"}"#),
                "{:?}",
                store.texts()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_too_large_fail_the_task_or_are_skipped_as_configured() {
    let broker = TestBroker::start();
    let bootstrap = broker.bootstrap().to_owned();
    let large: &'static str = Box::leak("x".repeat(3_000_000).into_boxed_str());
    for tolerance in ["all", "none"] {
        let store = Arc::new(MemoryOffsets::default());
        let task = ScriptedSource {
            script: script(vec![Ok(Some("1")), Ok(Some(large)), Ok(Some("3"))]),
            panics: false,
        };
        let running = Setup::new(
            &bootstrap,
            &unique("src"),
            &[("errors.tolerance", tolerance)],
        )
        .source(source_task_of(task), &store);
        let (heard, metrics) = (running.heard.clone(), running.metrics.clone());
        if tolerance == "all" {
            eventually("the offset moves past", || {
                store
                    .texts()
                    .first()
                    .is_some_and(|text| text.ends_with(r#"{"o":"3"}"#))
            })
            .await;
            assert_eq!(metrics.snapshot().records_skipped, 1);
            running.stop().await;
        } else {
            eventually("failure", || heard.has("failure")).await;
            let failure = heard.all().pop().unwrap();
            assert!(
                failure.contains("Unrecoverable exception from producer send callback"),
                "{failure}"
            );
            assert!(
                store.texts()[0].ends_with(r#"{"o":"1"}"#),
                "{:?}",
                store.texts()
            );
        }
    }
}
