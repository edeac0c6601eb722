//! A whole standalone worker whose tasks hold every thread that they get.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sluice_api::config::{ConfigDef, Props};
use sluice_api::plugin::{Definition, SourceConnectorPlugin, connectors, source_tasks};
use sluice_api::{Connector, ConnectorContext, Result, SourceRecord, SourceTask};
use sluice_kafka::admin::Admin;
use sluice_protocol::telemetry::Caller;
use sluice_protocol::{ConfigMap, WorkerId};

use super::TaskRuntime;
use crate::herder::Herder as _;
use crate::herder::standalone::{Parts, StandaloneHerder};
use crate::logging::Loggers;
use crate::plugins::Plugins;
use crate::rest::RestServer;
use crate::settings::{Mode, WorkerSettings};
use crate::status::EventLog;
use crate::status::StatusReporter;
use crate::storage::file::FileOffsetBackingStore;
use crate::storage::memory::{MemoryConfigBackingStore, MemoryStatusBackingStore};
use crate::worker::lifecycle::Worker;

/// What the tasks wait for, holding their threads.
static GATE: Gate = Gate {
    state: Mutex::new((0, false)),
    changed: Condvar::new(),
};

struct Gate {
    /// Threads that are held, and whether they may go.
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    fn hold_this_thread(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |(_, open)| !*open));
    }

    fn wait_until_held(&self, threads: usize) -> bool {
        let state = self.state.lock().unwrap();
        let limit = Duration::from_secs(30);
        let waited = self
            .changed
            .wait_timeout_while(state, limit, |(held, _)| *held < threads);
        !waited.unwrap().1.timed_out()
    }

    fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

#[derive(Default)]
struct Plugin;

#[async_trait]
impl Connector for Plugin {
    async fn start(&mut self, _: Arc<dyn ConnectorContext>, _: &Props) -> Result<()> {
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(vec![Props::new(); max_tasks])
    }
}

#[async_trait]
impl SourceTask for Plugin {
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        std::future::pending().await
    }
}

const BLOCKING: &str = "com.example.BlockingSourceConnector";

fn blocking() -> SourceConnectorPlugin {
    SourceConnectorPlugin {
        class: BLOCKING.into(),
        task_class: "com.example.BlockingSourceTask".into(),
        version: "1".into(),
        config_def: Definition::at_hand(ConfigDef::new),
        new_connector: connectors(Plugin::default),
        start_task: source_tasks(|_| async {
            GATE.hold_this_thread();
            Ok(Plugin)
        }),
    }
}

fn worker_config() -> Arc<WorkerSettings> {
    let props = [
        // Nobody is asked: a task that holds its thread in `start` has sent nothing yet.
        ("bootstrap.servers", "127.0.0.1:1"),
        ("listeners", "http://127.0.0.1:0"),
        (
            "key.converter",
            "org.apache.kafka.connect.storage.StringConverter",
        ),
        (
            "value.converter",
            "org.apache.kafka.connect.storage.StringConverter",
        ),
        ("offset.storage.file.filename", "/dev/null"),
        ("task.shutdown.graceful.timeout.ms", "100"),
    ];
    let props = props.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let settings = WorkerSettings::from_props(props.into_iter().collect(), Mode::Standalone);
    Arc::new(settings.unwrap())
}

fn standalone(config: &Arc<WorkerSettings>) -> StandaloneHerder {
    let statuses = Arc::new(MemoryStatusBackingStore::default());
    let offsets = Arc::new(FileOffsetBackingStore::new("/dev/null"));
    let id = WorkerId::from("here:1".to_owned());
    let reporter = Arc::new(StatusReporter::new(
        statuses.clone(),
        id,
        EventLog::default(),
    ));
    let worker = Worker::new(
        Plugins::built_in().with_source(blocking()),
        config.clone(),
        offsets.clone(),
        reporter.clone(),
        None,
        TaskRuntime::start().unwrap(),
    );
    StandaloneHerder::new(Parts {
        config: config.clone(),
        kafka_cluster_id: "k".to_owned(),
        configs: Arc::new(MemoryConfigBackingStore::default()),
        statuses,
        offsets,
        reporter,
        worker: Arc::new(worker),
        loggers: Arc::new(Loggers::detached()),
        groups: Arc::new(Admin::new(&config.props).unwrap()),
    })
}

/// `GET /` by a client with threads of its own, and how long it took.
fn ask(port: u16) -> (String, Duration) {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    // An answer that does not come is an empty one.
    let _ = stream.read_to_string(&mut answer);
    (answer, begin.elapsed())
}

#[test]
fn tasks_that_hold_all_their_threads_hold_up_neither_rest_nor_timers() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = worker_config();
    let (rest, herder) = runtime.block_on(async {
        let rest = RestServer::bind(&config).await.unwrap();
        let herder = standalone(&config);
        rest.serve(Arc::new(herder.clone()));
        (rest, herder)
    });
    let port = rest.bound()[0].1;
    let class = BLOCKING.to_owned();
    let connector: ConfigMap = [
        ("name".to_owned(), "blocking".to_owned()),
        ("connector.class".to_owned(), class),
        ("tasks.max".to_owned(), (2 * cores).to_string()),
    ]
    .into_iter()
    .collect();
    let creating = {
        let herder = herder.clone();
        runtime.spawn(async move {
            let name = "blocking";
            herder
                .put_connector(name, connector, None, false, &Caller::default())
                .await
                .map(drop)
        })
    };
    let held = GATE.wait_until_held(cores);
    // As the heartbeats do: a timer of the worker's own runtime.
    let (ticked, tick) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        ticked.send(()).unwrap();
    });
    let tick = tick.recv_timeout(Duration::from_secs(1));
    let (answer, took) = ask(port);
    GATE.open();
    runtime.block_on(creating).unwrap().unwrap();
    assert!(held, "the tasks did not get as many threads as there are");
    assert!(tick.is_ok(), "a timer was a second late");
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "{answer:?} after {took:?}"
    );
    assert!(took < Duration::from_secs(1), "{took:?}");
    runtime.block_on(async {
        rest.close();
        herder.stop().await;
        rest.stop().await;
    });
}
