//! Measures the source and the sink loop against bare clients on one broker.
//!
//! `cargo run --release -p sluice-agent --example data_plane -- 127.0.0.1:9092 1000000
//! [source|producer|sink|consumer ...]`
//!
//! Each part prints records per second and per CPU-second of the whole process, in rounds; the ratios are
//! those of the medians.
#![expect(clippy::print_stdout, reason = "it is a command-line tool")]

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use sluice_agent::settings::{ConnectorSettings, Mode, WorkerSettings};
use sluice_agent::status::TaskStatusListener;
use sluice_agent::storage::{OffsetBackingStore, StorageError};
use sluice_agent::worker::connector_offsets::OffsetStores;
use sluice_agent::worker::metrics::TaskMetrics;
use sluice_agent::worker::producer::ProducerPool;
use sluice_agent::worker::sink_task::SinkTaskLoop;
use sluice_agent::worker::source_task::SourceTaskLoop;
use sluice_agent::worker::task_context::{NoTopicTracking, TaskContext, TaskPlugins};
use sluice_agent::worker::transformation_chain::TransformationChain;
use sluice_api::config::Props;
use sluice_kafka::consumer::BatchConsumer;
use sluice_protocol::{ConnectorName, ConnectorTaskId, ConnectorType, JsonObject, TargetState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const LINE: usize = 100;
const ROUNDS: usize = 5;

struct Listener;

impl TaskStatusListener for Listener {
    fn on_startup(&self, _id: &ConnectorTaskId, _version: Option<&str>) {}
    fn on_pause(&self, _id: &ConnectorTaskId) {}
    fn on_resume(&self, _id: &ConnectorTaskId) {}
    fn on_shutdown(&self, _id: &ConnectorTaskId) {}
    fn on_failure(&self, id: &ConnectorTaskId, trace: String) {
        println!("{id} failed: {trace}");
        std::process::exit(1);
    }
}

#[derive(Default)]
struct Offsets(std::sync::Mutex<HashMap<Vec<u8>, Option<Vec<u8>>>>);

#[async_trait]
impl OffsetBackingStore for Offsets {
    async fn start(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn stop(&self) {}

    async fn get(
        &self,
        keys: Vec<Vec<u8>>,
    ) -> Result<HashMap<Vec<u8>, Option<Vec<u8>>>, StorageError> {
        let stored = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(keys
            .into_iter()
            .map(|key| {
                let value = stored.get(&key).cloned().flatten();
                (key, value)
            })
            .collect())
    }

    async fn set(&self, values: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<(), StorageError> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .extend(values);
        Ok(())
    }

    async fn connector_partitions(
        &self,
        _connector: &ConnectorName,
    ) -> Result<Vec<JsonObject>, StorageError> {
        Ok(Vec::new())
    }
}

fn cpu() -> Duration {
    // The clock of all threads of this process.
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

struct Measured {
    per_second: f64,
    per_cpu: f64,
}

fn median(rounds: &[Measured], figure: fn(&Measured) -> f64) -> f64 {
    let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(name: &str, count: u64, started: Instant, cpu_before: Duration) -> Measured {
    let wall = started.elapsed().as_secs_f64();
    let used = (cpu() - cpu_before).as_secs_f64();
    let measured = Measured {
        per_second: count as f64 / wall,
        per_cpu: count as f64 / used.max(0.01),
    };
    println!(
        "{name:10} {:>10.0} records/s {:>10.0} records per CPU-second ({wall:.2} s, {used:.2} CPU-s)",
        measured.per_second, measured.per_cpu
    );
    measured
}

fn context(
    connector: &str,
    kind: ConnectorType,
    props: &[(&str, &str)],
    worker: &Arc<WorkerSettings>,
) -> anyhow::Result<(
    TaskContext,
    CancellationToken,
    Arc<TaskMetrics>,
    watch::Sender<TargetState>,
)> {
    let converter = |class: &str| {
        sluice_plugins::converters()
            .into_iter()
            .find(|plugin| plugin.class.ends_with(class))
            .map(|plugin| (plugin.new)())
            .ok_or_else(|| anyhow::anyhow!("no {class}"))
    };
    let header = sluice_plugins::header_converters().into_iter().next();
    let header = header.ok_or_else(|| anyhow::anyhow!("no header converter"))?;
    let framework = [("name", connector), ("connector.class", "measured")];
    let props: Props = props
        .iter()
        .chain(&framework)
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let (target, target_state) = watch::channel(TargetState::Started);
    let stopping = CancellationToken::new();
    let metrics = TaskMetrics::new();
    let context = TaskContext {
        id: ConnectorTaskId::new(connector, 0),
        task_class: String::new(),
        connector: Arc::new(ConnectorSettings::new(worker, kind, props.clone())?),
        task_props: props,
        worker: Arc::clone(worker),
        plugins: Arc::new(TaskPlugins {
            key_converter: converter("StringConverter")?,
            key_converter_class: String::new(),
            value_converter: converter("StringConverter")?,
            value_converter_class: String::new(),
            header_converter: (header.new)(),
            header_converter_class: String::new(),
            transformations: TransformationChain::default(),
        }),
        listener: Arc::new(Listener),
        topics: Arc::new(NoTopicTracking),
        target_state,
        stopping: stopping.clone(),
        cancelled: CancellationToken::new(),
        metrics: Arc::clone(&metrics),
    };
    Ok((context, stopping, metrics, target))
}

async fn until(metrics: &TaskMetrics, count: u64) {
    while metrics.records_out.get() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[derive(Default)]
struct Counting {
    delivered: AtomicU64,
}

impl ClientContext for Counting {}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &DeliveryResult<'_>, (): ()) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }
}

fn bare_producer(bootstrap: &str, topic: &str, count: u64) -> anyhow::Result<Measured> {
    use rdkafka::producer::Producer as _;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("max.in.flight.requests.per.connection", "1")
        .set("enable.idempotence", "false")
        .set("queue.buffering.max.kbytes", "32768");
    let producer: ThreadedProducer<Counting> =
        ThreadedProducer::from_config_and_context(&config, Counting::default())?;
    let line = vec![b'x'; LINE];
    let (started, before) = (Instant::now(), cpu());
    for _ in 0..count {
        let mut record = BaseRecord::<(), [u8], ()>::to(topic)
            .payload(&line)
            .timestamp(1);
        while let Err((_, refused)) = producer.send(record) {
            record = refused;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    while producer.context().delivered.load(Ordering::Relaxed) < count {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(report("producer", count, started, before))
}

async fn source(
    topic: &str,
    file: &str,
    count: u64,
    worker: &Arc<WorkerSettings>,
) -> anyhow::Result<Measured> {
    let (context, stopping, metrics, _target) = context(
        "measure-source",
        ConnectorType::Source,
        &[("file", file), ("topic", topic)],
        worker,
    )?;
    let task = sluice_connector_file::source().start_task;
    let offsets = OffsetStores::new(Arc::clone(worker), Arc::new(Offsets::default()));
    let offsets = Arc::new(offsets);
    let run = SourceTaskLoop::new(context, task, offsets, Arc::default(), None);
    let (started, before) = (Instant::now(), cpu());
    let running = tokio::spawn(run.run());
    until(&metrics, count).await;
    let measured = report("source", count, started, before);
    stopping.cancel();
    running.await?;
    Ok(measured)
}

async fn sink(
    topic: &str,
    file: &str,
    count: u64,
    worker: &Arc<WorkerSettings>,
) -> anyhow::Result<Measured> {
    let name = format!("measure-sink-{topic}");
    let (context, stopping, metrics, _target) = context(
        &name,
        ConnectorType::Sink,
        &[("file", file), ("topics", topic)],
        worker,
    )?;
    let task = sluice_connector_file::sink().start_task;
    let run = SinkTaskLoop::new(context, task, Arc::<ProducerPool>::default());
    let running = tokio::spawn(run.run());
    until(&metrics, 1).await;
    let (started, before) = (Instant::now(), cpu());
    until(&metrics, count).await;
    let measured = report("sink", count, started, before);
    stopping.cancel();
    running.await?;
    Ok(measured)
}

async fn bare_consumer(bootstrap: &str, topic: &str, count: u64) -> anyhow::Result<Measured> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", format!("measure-bare-{topic}"))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("queued.max.messages.kbytes", "16384")
        .set("queued.min.messages", "20000")
        .set("fetch.queue.backoff.ms", "5");
    let mut consumer = BatchConsumer::new(&config, 500)?;
    consumer.subscribe(&[topic.to_owned()])?;
    let (mut records, mut events) = (Vec::new(), Vec::new());
    let mut seen = 0;
    let mut clock: Option<(Instant, Duration)> = None;
    while seen < count {
        let more = consumer.poll(&mut records, &mut events);
        for event in events.drain(..) {
            if let sluice_kafka::consumer::ConsumerEvent::Assign(partitions) = event {
                let all: Vec<_> = partitions.into_iter().map(|tp| (tp, None)).collect();
                consumer.assign(&all)?;
            }
        }
        if !records.is_empty() && clock.is_none() {
            clock = Some((Instant::now(), cpu()));
        }
        seen += records.len() as u64;
        records.clear();
        if !more && seen < count {
            consumer.wait().await;
        }
    }
    let (started, before) = clock.unwrap_or((Instant::now(), cpu()));
    let measured = report("consumer", count, started, before);
    consumer.close().await;
    Ok(measured)
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, count, parts @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: data_plane HOST:PORT RECORDS [source|producer|sink|consumer ...]");
    };
    let count: u64 = count.parse()?;
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let dir = std::env::temp_dir().join(format!("sluice-measure-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let (input, output) = (dir.join("in.txt"), dir.join("out.txt"));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&input)?);
    for number in 0..count {
        writeln!(file, "{number:0width$}", width = LINE)?;
    }
    file.flush()?;
    let topic = format!("measure-{}", std::process::id());
    let worker = [
        ("bootstrap.servers", bootstrap.as_str()),
        // The counts of a task that has nothing more to read are those of its last commit.
        ("offset.flush.interval.ms", "20"),
        ("key.converter", "StringConverter"),
        ("value.converter", "StringConverter"),
        ("offset.storage.file.filename", "not-used"),
    ];
    let worker = worker.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let worker = WorkerSettings::from_props(worker.into_iter().collect(), Mode::Standalone)?;
    let worker = Arc::new(worker);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut measured: HashMap<&str, Vec<Measured>> = HashMap::new();
    let (input_text, output_text) = (input.display().to_string(), output.display().to_string());
    for round in 0..ROUNDS {
        let topic = format!("{topic}-{round}");
        let mut note = |part, result| measured.entry(part).or_default().push(result);
        if wants("producer") {
            note(
                "producer",
                bare_producer(bootstrap, &format!("{topic}-bare"), count)?,
            );
        }
        let result = runtime.block_on(source(&topic, &input_text, count, &worker))?;
        note("source", result);
        if wants("sink") {
            let result = runtime.block_on(sink(&topic, &output_text, count, &worker))?;
            note("sink", result);
            let same = std::fs::read(&input)? == std::fs::read(&output)?;
            std::fs::remove_file(&output)?;
            println!("output equals input: {same}");
        }
        if wants("consumer") {
            let result = runtime.block_on(bare_consumer(bootstrap, &topic, count))?;
            note("consumer", result);
        }
    }
    for (ours, bare) in [("source", "producer"), ("sink", "consumer")] {
        if let (Some(a), Some(b)) = (measured.get(ours), measured.get(bare)) {
            let ratio = |figure: fn(&Measured) -> f64| median(a, figure) / median(b, figure);
            println!(
                "{ours} / {bare}: {:.2} by time, {:.2} by CPU",
                ratio(|measured| measured.per_second),
                ratio(|measured| measured.per_cpu)
            );
        }
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
