//! Connector and task configs in the config topic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_api::config::Props;
use sluice_protocol::config_topic::{ConfigRecord, RestartRequest, SessionKey};
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, TargetState};
use tokio::sync::OnceCell;

use super::internal_topic::{internal_topic, isolation};
use super::kafka_based_log::{KafkaBasedLog, LogClients, LogRecord, TopicSettings};
use super::transactional_writer::TransactionalWriter;
use super::{ConfigBackingStore, ConfigUpdateListener, StorageError};
use crate::cluster::ConfigStateMachine;
use crate::cluster::{ClusterConfigState, ConfigSnapshotSource};
use crate::settings::{DistributedSettings, ExactlyOnceSupport};

/// How long a write and its read back may take.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct KafkaConfigBackingStore {
    worker: Props,
    client_id: String,
    settings: TopicSettings,
    machine: Arc<Mutex<ConfigStateMachine>>,
    listener: Arc<dyn ConfigUpdateListener>,
    log: OnceCell<KafkaBasedLog>,
    consumer: Props,
    /// Set if the leader writes in transactions (`exactly.once.source.support` preparing or enabled).
    transactions: Option<Transactions>,
}

/// How a leader writes in transactions.
struct Transactions {
    transactional_id: String,
    /// The producer, from a claim of write privileges to the first failure.
    producer: tokio::sync::Mutex<Option<TransactionalWriter>>,
    claimed: AtomicBool,
}

impl KafkaConfigBackingStore {
    /// A store that is not started yet.
    pub(crate) fn new(
        props: &Props,
        cluster: &DistributedSettings,
        client_id_base: &str,
        listener: Arc<dyn ConfigUpdateListener>,
    ) -> Self {
        Self {
            worker: props.clone(),
            client_id: format!("{client_id_base}configs"),
            settings: internal_topic(cluster, &cluster.config_topic, "connector configurations"),
            machine: Arc::default(),
            listener,
            log: OnceCell::new(),
            consumer: isolation(cluster),
            transactions: (cluster.exactly_once != ExactlyOnceSupport::Disabled).then(|| {
                Transactions {
                    transactional_id: format!("connect-cluster-{}", cluster.group_id),
                    producer: tokio::sync::Mutex::default(),
                    claimed: AtomicBool::new(false),
                }
            }),
        }
    }

    fn log(&self) -> Result<&KafkaBasedLog, StorageError> {
        self.log.get().ok_or_else(|| StorageError::Stopped {
            topic: self.settings.topic.clone(),
        })
    }

    async fn write(
        &self,
        what: &'static str,
        records: &[ConfigRecord],
    ) -> Result<(), StorageError> {
        let records: Vec<_> = records
            .iter()
            .map(|record| {
                let encoded = record.encode();
                (encoded.key, encoded.value)
            })
            .collect();
        self.log()?.send_all(what, &records, WRITE_LIMIT).await
    }

    /// A write that only the leader makes.
    async fn write_and_read_back(
        &self,
        what: &'static str,
        records: &[ConfigRecord],
    ) -> Result<(), StorageError> {
        let Some(transactions) = &self.transactions else {
            self.write(what, records).await?;
            return self.log()?.read_to_end(WRITE_LIMIT).await;
        };
        let mut producer = transactions.producer.lock().await;
        let Some(writer) = &*producer else {
            return Err(StorageError::NoWritePrivileges {
                topic: self.settings.topic.clone(),
            });
        };
        match writer.write(what, records, WRITE_LIMIT).await {
            Ok(last) => self.log()?.read_past(last, WRITE_LIMIT).await,
            Err(error) => {
                tracing::error!(%error, what, "a write to the config topic failed, privileges have \
                     to be claimed again");
                *producer = None;
                transactions.claimed.store(false, Ordering::Release);
                Err(error)
            }
        }
    }
}

fn feed(
    machine: &Mutex<ConfigStateMachine>,
    listener: &dyn ConfigUpdateListener,
    topic: &str,
    record: &LogRecord<'_>,
) {
    let update = machine.lock().feed(record.offset, record.key, record.value);
    match update {
        Ok(Some(update)) => listener.on_update(update),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(
                topic,
                partition = record.partition,
                offset = record.offset,
                %error,
                "record of the config topic passed over"
            );
        }
    }
}

impl ConfigSnapshotSource for KafkaConfigBackingStore {
    fn snapshot(&self) -> Arc<ClusterConfigState> {
        self.machine.lock().snapshot()
    }
}

#[async_trait]
impl ConfigBackingStore for KafkaConfigBackingStore {
    async fn start(&self) -> Result<(), StorageError> {
        let (machine, listener) = (self.machine.clone(), self.listener.clone());
        let topic = self.settings.topic.clone();
        let handler = Box::new(move |record: LogRecord<'_>| {
            feed(&machine, listener.as_ref(), &topic, &record);
        });
        let clients = LogClients {
            consumer: self.consumer.clone(),
            ..LogClients::of_worker(&self.worker)
        };
        let log = KafkaBasedLog::start(&clients, &self.client_id, &self.settings, handler).await?;
        let partitions = log.partitions();
        if partitions != 1 {
            return Err(StorageError::Partitions {
                topic: self.settings.topic.clone(),
                key: self.settings.key,
                found: partitions,
            });
        }
        self.machine.lock().loaded();
        // A store is started once; the herder owns it.
        let _ = self.log.set(log);
        Ok(())
    }

    async fn stop(&self) {
        if let Some(transactions) = &self.transactions {
            *transactions.producer.lock().await = None;
        }
        if let Some(log) = self.log.get() {
            log.flush(super::CLOSE_LIMIT).await;
            log.stop();
        }
    }

    async fn refresh(&self, timeout: Duration) -> Result<(), StorageError> {
        self.log()?.read_to_end(timeout).await
    }

    async fn put_connector_config(
        &self,
        connector: &ConnectorName,
        config: ConfigMap,
        target_state: Option<TargetState>,
    ) -> Result<(), StorageError> {
        let target = target_state.map(|state| ConfigRecord::TargetState {
            connector: connector.clone(),
            state: Some(state),
        });
        let config = ConfigRecord::Connector {
            connector: connector.clone(),
            config: Some(config),
        };
        let records: Vec<ConfigRecord> = target.into_iter().chain([config]).collect();
        self.write_and_read_back("connector configuration", &records)
            .await
    }

    async fn remove_connector_config(&self, connector: &ConnectorName) -> Result<(), StorageError> {
        let records = [
            ConfigRecord::Connector {
                connector: connector.clone(),
                config: None,
            },
            ConfigRecord::TargetState {
                connector: connector.clone(),
                state: None,
            },
        ];
        self.write_and_read_back("removal of a connector", &records)
            .await
    }

    async fn put_task_configs(
        &self,
        connector: &ConnectorName,
        configs: Vec<ConfigMap>,
    ) -> Result<(), StorageError> {
        self.log()?.read_to_end(WRITE_LIMIT).await?;
        let tasks = u32::try_from(configs.len()).unwrap_or(u32::MAX);
        if !configs.is_empty() {
            let records: Vec<ConfigRecord> = (0..)
                .zip(configs)
                .map(|(task, config)| ConfigRecord::Task {
                    id: ConnectorTaskId::new(connector.clone(), task),
                    config,
                })
                .collect();
            self.write_and_read_back("task configurations", &records)
                .await?;
        }
        let commit = ConfigRecord::Commit {
            connector: connector.clone(),
            tasks,
        };
        self.write_and_read_back("commit of task configurations", &[commit])
            .await
    }

    async fn put_target_state(
        &self,
        connector: &ConnectorName,
        state: TargetState,
    ) -> Result<(), StorageError> {
        let record = ConfigRecord::TargetState {
            connector: connector.clone(),
            state: Some(state),
        };
        self.write("target state", &[record]).await
    }

    async fn put_session_key(&self, key: SessionKey) -> Result<(), StorageError> {
        self.write_and_read_back("session key", &[ConfigRecord::SessionKey(key)])
            .await
    }

    async fn put_restart_request(&self, request: RestartRequest) -> Result<(), StorageError> {
        self.write_and_read_back("restart request", &[ConfigRecord::Restart(request)])
            .await
    }

    fn lacks_write_privileges(&self) -> bool {
        self.transactions
            .as_ref()
            .is_some_and(|transactions| !transactions.claimed.load(Ordering::Acquire))
    }

    async fn claim_write_privileges(&self) -> Result<(), StorageError> {
        let Some(transactions) = &self.transactions else {
            return Ok(());
        };
        let mut producer = transactions.producer.lock().await;
        if producer.is_none() {
            let writer = TransactionalWriter::new(
                &self.worker,
                &format!("{}-leader", self.client_id),
                &transactions.transactional_id,
                &self.settings.topic,
            )?;
            writer.initialise(WRITE_LIMIT).await?;
            *producer = Some(writer);
        }
        transactions.claimed.store(true, Ordering::Release);
        Ok(())
    }

    async fn put_task_count_record(
        &self,
        connector: &ConnectorName,
        task_count: u32,
    ) -> Result<(), StorageError> {
        let record = ConfigRecord::TasksFencing {
            connector: connector.clone(),
            task_count,
        };
        self.write_and_read_back("task count", &[record]).await
    }

    async fn put_logger_level(&self, namespace: &str, level: &str) -> Result<(), StorageError> {
        let record = ConfigRecord::LoggerLevel {
            namespace: namespace.to_owned(),
            level: level.to_owned(),
        };
        self.write("log level", &[record]).await
    }
}
