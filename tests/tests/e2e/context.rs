//! What the tests of this binary share: the servers' jars, one broker, a folder, unique names.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use serde_json::Value;
use sluice_tests::database::DatabaseKind;
use sluice_tests::kafka::Kafka;
use sluice_tests::servers::Servers;
use sluice_tests::wait::seconds;
use sluice_tests::worker::{Kind, Worker, WorkerProperties};
use tempfile::TempDir;

thread_local! {
    /// The folders of the test that runs on this thread.
    static FOLDERS: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
}

/// Forgets the folders of a test that ran on this thread before.
pub(crate) fn begin_test() {
    FOLDERS.take();
}

/// What a test needs of the machine, and the broker on which it says most. `tests/run` installs all of it
/// but the right to mount.
#[derive(Clone, Copy)]
pub(crate) struct Needs {
    /// Kafka's jars: for a JVM worker, for Kafka as the broker whatever the others have, or for its tools.
    pub(crate) java: bool,
    pub(crate) database: Option<DatabaseKind>,
    /// An HDFS, and Python's packages that read the files in it.
    pub(crate) hdfs: bool,
    /// Python with the packages of `tests/servers/requirements.txt`.
    pub(crate) python: bool,
    /// The right to mount a disk in a namespace.
    pub(crate) mounts: bool,
    /// Where a run in two parts has the test, see [`Broker`].
    pub(crate) broker: Broker,
}

/// The broker on which a test runs where each runs once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broker {
    /// The judge of almost everything.
    Kafka,
    /// Of how it is started, of one test of each thing that groups, transactions and the terminal ask of a
    /// broker, and of the HTTP sinks, which ask little of any.
    Embedded,
}

impl Needs {
    pub(crate) const NOTHING: Self = Self {
        java: false,
        database: None,
        hdfs: false,
        python: false,
        mounts: false,
        broker: Broker::Kafka,
    };
    pub(crate) const EMBEDDED: Self = Self {
        broker: Broker::Embedded,
        ..Self::NOTHING
    };
    pub(crate) const JAVA: Self = Self {
        java: true,
        ..Self::NOTHING
    };
    pub(crate) const PYTHON: Self = Self {
        python: true,
        ..Self::NOTHING
    };
    pub(crate) const HDFS: Self = Self {
        hdfs: true,
        ..Self::NOTHING
    };
    pub(crate) const POSTGRESQL: Self = Self::database(DatabaseKind::PostgreSql);
    pub(crate) const MARIADB: Self = Self::database(DatabaseKind::MariaDb);
    pub(crate) const SQLITE: Self = Self::database(DatabaseKind::Sqlite);

    const fn database(kind: DatabaseKind) -> Self {
        Self {
            database: Some(kind),
            ..Self::NOTHING
        }
    }
}

/// A test: its name, a sentence about behaviour, what it needs, and what it does.
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
    pub(crate) run: fn(&Context) -> Result<()>,
}

/// Shared by all tests.
pub(crate) struct Context {
    pub(crate) servers: Servers,
    folder: TempDir,
    broker: Mutex<Option<Kafka>>,
    next: AtomicU32,
}

impl Context {
    pub(crate) fn new(servers: Servers) -> Result<Self> {
        Ok(Self {
            servers,
            folder: TempDir::with_prefix("sluice-e2e-")?,
            broker: Mutex::new(None),
            next: AtomicU32::new(0),
        })
    }

    /// The address of the broker that tests share; the first caller starts it. Tests that stop brokers have
    /// their own.
    pub(crate) fn bootstrap(&self) -> Result<String> {
        let mut broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kafka) = broker.as_ref() {
            return Ok(kafka.bootstrap());
        }
        let kafka = Kafka::start(&self.servers)?;
        let bootstrap = kafka.bootstrap();
        *broker = Some(kafka);
        Ok(bootstrap)
    }

    /// A Connect cluster of its own, with its folder, on the shared broker.
    pub(crate) fn cluster(&self, name: &str) -> Result<Cluster<'_>> {
        self.cluster_on(name, &self.bootstrap()?)
    }

    /// A Connect cluster of its own, with its folder, on a given broker.
    pub(crate) fn cluster_on(&self, name: &str, bootstrap: &str) -> Result<Cluster<'_>> {
        let name = self.unique(name);
        Ok(Cluster {
            folder: self.folder(&name)?,
            bootstrap: bootstrap.to_owned(),
            servers: &self.servers,
            name,
        })
    }

    /// A name nobody else uses, for a Connect cluster and the start of its topics' names.
    pub(crate) fn unique(&self, name: &str) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{name}-{}-{number}", std::process::id())
    }

    /// An empty folder for a test.
    pub(crate) fn folder(&self, unique: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(unique);
        std::fs::create_dir_all(&folder)?;
        FOLDERS.with_borrow_mut(|folders| folders.push(folder.clone()));
        Ok(folder)
    }

    /// The end of each log in the folders the test of this thread has used.
    pub(crate) fn logs(&self) -> String {
        const LINES: usize = 25;
        let mut text = String::new();
        for folder in FOLDERS.take() {
            let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            for file in files.map(|entry| entry.path()) {
                if file.extension().is_some_and(|extension| extension == "log") {
                    let log = std::fs::read(&file).unwrap_or_default();
                    let log = String::from_utf8_lossy(&log);
                    let lines: Vec<&str> = log.lines().collect();
                    let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
                    text.push_str(&format!("--- end of {} ---\n{end}\n", file.display()));
                }
            }
        }
        text
    }
}

/// A Connect cluster: a name, a broker, a folder for the files of its workers and pipelines.
pub(crate) struct Cluster<'a> {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) bootstrap: String,
    servers: &'a Servers,
}

impl Cluster<'_> {
    /// The properties of one more worker.
    pub(crate) fn properties(&self) -> Result<WorkerProperties> {
        WorkerProperties::new(&self.bootstrap, &self.name)
    }

    /// Starts a worker and waits until it is healthy.
    pub(crate) fn worker(&self, kind: Kind, properties: &WorkerProperties) -> Result<Worker> {
        Worker::start(kind, self.servers, &self.folder, properties)
    }

    /// Starts a worker without waiting for it.
    pub(crate) fn launch(&self, kind: Kind, properties: &WorkerProperties) -> Result<Worker> {
        Worker::launch(kind, self.servers, &self.folder, properties)
    }

    /// An editor of the terminal's that runs these commands, with the file in `$1`; answers its path.
    pub(crate) fn editor(&self, commands: &str) -> Result<String> {
        let editor = self.folder.join("editor.sh");
        std::fs::write(&editor, format!("#!/bin/sh\n{commands}\n"))?;
        std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755))?;
        Ok(editor.display().to_string())
    }

    /// Starts `count` agents (or JVM workers, see [`tested_kind`]) and waits until all are healthy.
    pub(crate) fn start(&self, count: usize) -> Result<Vec<Worker>> {
        let mut workers = Vec::with_capacity(count);
        for _ in 0..count {
            workers.push(self.launch(tested_kind(), &self.properties()?)?);
        }
        for worker in &mut workers {
            worker.wait_healthy(seconds(90))?;
        }
        Ok(workers)
    }
}

/// Puts the keys of a configuration over those of another.
pub(crate) fn merge(all: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
}

/// The workers under test: agents, or JVM workers with `SLUICE_TESTED_WORKER=jvm`, which shows whether a test
/// that fails asks for more than the reference gives.
pub(crate) fn tested_kind() -> Kind {
    match std::env::var("SLUICE_TESTED_WORKER") {
        Ok(kind) if kind == "jvm" => Kind::Jvm,
        _ => Kind::Agent,
    }
}
