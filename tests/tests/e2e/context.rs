//! What the tests of this binary share: the servers' jars, one broker, a folder, unique names.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use sluice_tests::kafka::Kafka;
use sluice_tests::servers::Servers;
use tempfile::TempDir;

/// A test: its name, a sentence about behaviour, and what it does.
pub(crate) struct Test {
    pub(crate) name: &'static str,
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

    /// The address of the broker that tests share; the first caller starts it. Tests that stop brokers have their own.
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

    /// A name nobody else uses, for a Connect cluster and the start of its topics' names.
    pub(crate) fn unique(&self, name: &str) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{name}-{}-{number}", std::process::id())
    }

    /// An empty folder for a test.
    pub(crate) fn folder(&self, unique: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(unique);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}
