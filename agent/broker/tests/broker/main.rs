//! The broker over TCP, with a bare client.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod address;
mod client;
mod crash;
mod disk;
mod hostile;
mod log;
mod transactions;
mod versions;

use client::Client;
use sluice_broker::{Broker, BrokerConfig};

/// A broker on a folder of its own.
pub(crate) struct Served {
    broker: Broker,
    _folder: tempfile::TempDir,
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut BrokerConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(folder.path().join("data"));
        config.limits.free_disk_bytes = 0;
        change(&mut config);
        Self {
            broker: Broker::start(config).await.unwrap(),
            _folder: folder,
        }
    }

    pub(crate) fn address(&self) -> String {
        self.broker.bootstrap()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.address()).await.unwrap()
    }
}
