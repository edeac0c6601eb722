//! Configs and states in memory, for the standalone worker; the same machines as behind the topics.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_protocol::config_topic::{ConfigRecord, RestartRequest, SessionKey};
use sluice_protocol::status_topic::StatusRecord;
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, TargetState};

use super::{ConfigBackingStore, StatusBackingStore, StorageError};
use crate::cluster::ConfigStateMachine;
use crate::cluster::StatusCache;
use crate::cluster::{ClusterConfigState, ConfigSnapshotSource};

/// Configs that are gone with the process.
#[derive(Default)]
pub(crate) struct MemoryConfigBackingStore {
    machine: Mutex<(ConfigStateMachine, i64)>,
}

impl MemoryConfigBackingStore {
    fn write(&self, records: &[ConfigRecord]) {
        let mut machine = self.machine.lock();
        for record in records {
            let encoded = record.encode();
            let offset = machine.1;
            machine.1 += 1;
            if let Err(error) = machine
                .0
                .feed(offset, Some(&encoded.key), encoded.value.as_deref())
            {
                tracing::error!(key = record.key(), %error, "own record is not readable");
            }
        }
    }
}

impl ConfigSnapshotSource for MemoryConfigBackingStore {
    fn snapshot(&self) -> Arc<ClusterConfigState> {
        self.machine.lock().0.snapshot()
    }
}

#[async_trait]
impl ConfigBackingStore for MemoryConfigBackingStore {
    async fn start(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn stop(&self) {}

    async fn refresh(&self, _timeout: Duration) -> Result<(), StorageError> {
        Ok(())
    }

    async fn put_connector_config(
        &self,
        connector: &ConnectorName,
        config: ConfigMap,
        target_state: Option<TargetState>,
    ) -> Result<(), StorageError> {
        if let Some(state) = target_state {
            self.put_target_state(connector, state).await?;
        }
        self.write(&[ConfigRecord::Connector {
            connector: connector.clone(),
            config: Some(config),
        }]);
        Ok(())
    }

    async fn remove_connector_config(&self, connector: &ConnectorName) -> Result<(), StorageError> {
        self.write(&[
            ConfigRecord::Connector {
                connector: connector.clone(),
                config: None,
            },
            ConfigRecord::TargetState {
                connector: connector.clone(),
                state: None,
            },
        ]);
        Ok(())
    }

    async fn put_task_configs(
        &self,
        connector: &ConnectorName,
        configs: Vec<ConfigMap>,
    ) -> Result<(), StorageError> {
        let tasks = u32::try_from(configs.len()).unwrap_or(u32::MAX);
        let mut records: Vec<ConfigRecord> = (0..)
            .zip(configs)
            .map(|(task, config)| ConfigRecord::Task {
                id: ConnectorTaskId::new(connector.clone(), task),
                config,
            })
            .collect();
        records.push(ConfigRecord::Commit {
            connector: connector.clone(),
            tasks,
        });
        self.write(&records);
        Ok(())
    }

    async fn put_target_state(
        &self,
        connector: &ConnectorName,
        state: TargetState,
    ) -> Result<(), StorageError> {
        self.write(&[ConfigRecord::TargetState {
            connector: connector.clone(),
            state: Some(state),
        }]);
        Ok(())
    }

    async fn put_session_key(&self, key: SessionKey) -> Result<(), StorageError> {
        self.write(&[ConfigRecord::SessionKey(key)]);
        Ok(())
    }

    async fn put_restart_request(&self, request: RestartRequest) -> Result<(), StorageError> {
        self.write(&[ConfigRecord::Restart(request)]);
        Ok(())
    }

    async fn put_task_count_record(
        &self,
        connector: &ConnectorName,
        task_count: u32,
    ) -> Result<(), StorageError> {
        self.write(&[ConfigRecord::TasksFencing {
            connector: connector.clone(),
            task_count,
        }]);
        Ok(())
    }

    async fn put_logger_level(&self, namespace: &str, level: &str) -> Result<(), StorageError> {
        self.write(&[ConfigRecord::LoggerLevel {
            namespace: namespace.to_owned(),
            level: level.to_owned(),
        }]);
        Ok(())
    }
}

/// States that are gone with the process.
#[derive(Default)]
pub(crate) struct MemoryStatusBackingStore {
    cache: Mutex<StatusCache>,
}

#[async_trait]
impl StatusBackingStore for MemoryStatusBackingStore {
    async fn start(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn stop(&self) {}

    async fn flush(&self) {}

    fn cache(&self) -> &Mutex<StatusCache> {
        &self.cache
    }

    fn put(&self, record: StatusRecord) {
        self.cache.lock().feed(record);
    }

    fn put_safe(&self, record: StatusRecord) {
        self.put(record);
    }
}
