//! The standalone herder: one worker that does everything alone (Kafka's `StandaloneHerder`).
//!
//! Configs and states live in memory, offsets in a file. Changes happen one after another under one
//! lock; the config and status machines are those of the distributed worker.

use std::sync::Arc;

use async_trait::async_trait;
use sluice_api::causes::with_causes;
use sluice_api::error::ConnectError;
use sluice_kafka::admin::Admin;
use sluice_protocol::rest::{
    ConnectorInfo, ConnectorOffsets, ConnectorStateInfo, Health, HealthStatus, Message, ServerInfo,
    TaskInfo,
};
use sluice_protocol::telemetry::Caller;
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, TargetState};
use tokio::sync::Mutex;

use super::offsets::{OffsetAccess, not_stopped};
use super::restart_plan::RestartPlan;
use super::{Herder, HerderError, HerderResult, LoggerScope, OwnParts, RestartOptions, answers};
use crate::cluster::ClusterConfigState;
use crate::logging::Loggers;
use crate::session::RequestSignature;
use crate::settings::WorkerSettings;
use crate::status::StatusReporter;
use crate::storage::{ConfigBackingStore, OffsetBackingStore, StatusBackingStore};
use crate::telemetry::metrics;
use crate::validation;
use crate::worker::connector::ConnectorRequests;
use crate::worker::lifecycle::{TaskStart, Worker};

/// Everything the herder works with.
pub(crate) struct Parts {
    pub config: Arc<WorkerSettings>,
    /// The cluster id of Kafka.
    pub kafka_cluster_id: String,
    /// Connector configs and target states.
    pub configs: Arc<dyn ConfigBackingStore>,
    /// States and active topics.
    pub statuses: Arc<dyn StatusBackingStore>,
    pub offsets: Arc<dyn OffsetBackingStore>,
    pub reporter: Arc<StatusReporter>,
    /// Runs connectors and tasks.
    pub worker: Arc<Worker>,
    pub loggers: Arc<Loggers>,
    /// Consumer groups of sinks.
    pub groups: Arc<Admin>,
}

/// The handle of the standalone herder. Clones share it.
#[derive(Clone)]
pub(crate) struct StandaloneHerder {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    changing: Mutex<()>,
}

impl StandaloneHerder {
    /// A herder without connectors.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            shared: Arc::new(Shared {
                parts,
                changing: Mutex::new(()),
            }),
        }
    }

    /// Stops all connectors and tasks.
    pub(crate) async fn stop(&self) {
        let _changing = self.shared.changing.lock().await;
        self.parts().worker.stop_all().await;
        self.parts().offsets.stop().await;
    }

    fn parts(&self) -> &Parts {
        &self.shared.parts
    }

    fn snapshot(&self) -> Arc<ClusterConfigState> {
        self.parts().configs.snapshot()
    }

    fn existing(&self, name: &str) -> HerderResult<()> {
        if self.snapshot().contains(name) {
            return Ok(());
        }
        Err(HerderError::connector_not_found(name))
    }

    /// Starts a connector in its target state, and its tasks if it is to run.
    async fn start(&self, name: &ConnectorName) -> Result<(), ConnectError> {
        let configs = self.snapshot();
        let (Some(config), Some(target)) =
            (configs.connector_config(name), configs.target_state(name))
        else {
            return Ok(());
        };
        let requests = Arc::new(Requests {
            herder: self.clone(),
        });
        self.parts()
            .worker
            .start_connector(name, config, target, requests)
            .await?;
        if target == TargetState::Started {
            self.update_tasks(name).await?;
        }
        Ok(())
    }

    /// Makes task configs; if they or the connector's config changed, the tasks start anew.
    async fn update_tasks(&self, name: &ConnectorName) -> Result<(), ConnectError> {
        let parts = self.parts();
        let before = self.snapshot();
        let Some(config) = before.connector_config(name) else {
            return Ok(());
        };
        let Some(asked) = parts.worker.task_configs(name, config) else {
            return Ok(());
        };
        let new = asked.await?;
        let old = before.all_task_configs(name);
        let changed = old.len() != new.len()
            || old.iter().zip(&new).any(|(old, new)| **old != *new)
            || before.applied_connector_config(name) != Some(config);
        if changed {
            self.remove_tasks(name).await?;
            parts
                .configs
                .put_task_configs(name, new)
                .await
                .map_err(|error| ConnectError::connect(with_causes(&error)))?;
        }
        self.start_tasks(name);
        Ok(())
    }

    async fn remove_tasks(&self, name: &ConnectorName) -> Result<(), ConnectError> {
        let parts = self.parts();
        let tasks = self.snapshot().tasks(name);
        parts.worker.stop_tasks(&tasks).await;
        for id in &tasks {
            parts.reporter.task_deleted(id);
        }
        parts
            .configs
            .put_task_configs(name, Vec::new())
            .await
            .map_err(|error| ConnectError::connect(with_causes(&error)))
    }

    fn start_tasks(&self, name: &ConnectorName) {
        let configs = self.snapshot();
        for id in configs.tasks(name) {
            if !self.parts().worker.has_task(&id) {
                self.start_task(&configs, &id);
            }
        }
    }

    fn start_task(&self, configs: &ClusterConfigState, id: &ConnectorTaskId) -> bool {
        let (Some(connector), Some(task), Some(target)) = (
            configs.connector_config(&id.connector),
            configs.task_config(id),
            configs.target_state(&id.connector),
        ) else {
            return false;
        };
        let start = TaskStart {
            connector_config: connector,
            task_config: task,
            task_count: configs.task_count(&id.connector),
            target,
        };
        self.parts().worker.start_task(id, start, None).is_ok()
    }

    async fn restart_instance(&self, name: &ConnectorName) -> HerderResult<()> {
        self.parts()
            .worker
            .stop_connectors(std::slice::from_ref(name))
            .await;
        self.start(name)
            .await
            .map_err(|_| HerderError::Failed(format!("Failed to start connector: {name}")))
    }

    async fn write(
        &self,
        name: &ConnectorName,
        config: ConfigMap,
        initial_state: Option<TargetState>,
        allow_replace: bool,
    ) -> HerderResult<(bool, ConnectorInfo)> {
        let _changing = self.shared.changing.lock().await;
        let parts = self.parts();
        let exists = self.snapshot().contains(name);
        if exists && !allow_replace {
            return Err(HerderError::Conflict(format!(
                "Connector {name} already exists"
            )));
        }
        if exists {
            parts
                .worker
                .stop_connectors(std::slice::from_ref(name))
                .await;
        }
        parts
            .configs
            .put_connector_config(name, config, initial_state)
            .await?;
        if let Err(error) = self.start(name).await {
            return Err(HerderError::failed(error));
        }
        Ok((
            !exists,
            answers::connector_info(&self.snapshot(), parts.worker.plugins(), name)?,
        ))
    }

    fn offset_access(&self) -> OffsetAccess<'_> {
        let parts = self.parts();
        OffsetAccess {
            plugins: parts.worker.plugins(),
            config: &parts.config,
            offsets: parts.worker.offsets(),
            groups: &parts.groups,
        }
    }
}

/// Passes a connector's requests on to the herder.
struct Requests {
    herder: StandaloneHerder,
}

impl ConnectorRequests for Requests {
    fn request_task_reconfiguration(&self, connector: &ConnectorName) {
        let (herder, connector) = (self.herder.clone(), connector.clone());
        tokio::spawn(async move {
            let _changing = herder.shared.changing.lock().await;
            if let Err(error) = herder.update_tasks(&connector).await {
                tracing::error!(%connector, %error, "cannot make new task configs");
            }
        });
    }

    fn request_restart(&self, connector: &ConnectorName) {
        let (herder, connector) = (self.herder.clone(), connector.clone());
        tokio::spawn(async move {
            if let Err(error) = herder
                .restart_connector(&connector, &Caller::default())
                .await
            {
                tracing::error!(%connector, %error, "cannot restart the connector");
            }
        });
    }
}

#[async_trait]
impl Herder for StandaloneHerder {
    fn own_parts(&self) -> OwnParts<'_> {
        let parts = self.parts();
        OwnParts {
            config: &parts.config,
            plugins: parts.worker.plugins(),
            statuses: parts.statuses.as_ref(),
            loggers: &parts.loggers,
        }
    }

    fn server_info(&self) -> ServerInfo {
        super::server_info(Some(self.parts().kafka_cluster_id.clone()))
    }

    async fn health(&self) -> Health {
        let _changing = self.shared.changing.lock().await;
        Health {
            status: HealthStatus::Healthy,
            message: "Worker has completed startup and is ready to handle requests.".into(),
        }
    }

    fn connectors(&self) -> Vec<ConnectorName> {
        self.snapshot().connectors().cloned().collect()
    }

    async fn connector_info(&self, name: &str) -> HerderResult<ConnectorInfo> {
        answers::connector_info(&self.snapshot(), self.parts().worker.plugins(), name)
    }

    async fn connector_infos(&self) -> HerderResult<Vec<ConnectorInfo>> {
        let (configs, plugins) = (self.snapshot(), self.parts().worker.plugins());
        let info = |name: &ConnectorName| answers::connector_info(&configs, plugins, name);
        configs.connectors().map(info).collect::<Result<_, _>>()
    }

    fn connector_status(&self, name: &str) -> HerderResult<ConnectorStateInfo> {
        let parts = self.parts();
        let statuses = parts.statuses.as_ref();
        answers::connector_status(&self.snapshot(), statuses, parts.worker.plugins(), name)
    }

    async fn task_infos(&self, name: &str) -> HerderResult<Vec<TaskInfo>> {
        answers::task_infos(&self.snapshot(), name)
    }

    async fn put_connector(
        &self,
        name: &str,
        config: ConfigMap,
        initial_state: Option<TargetState>,
        allow_replace: bool,
        _caller: &Caller,
    ) -> HerderResult<(bool, ConnectorInfo)> {
        validation::refuse_faults(&self.validate(config.clone()).await?)?;
        self.write(&name.into(), config, initial_state, allow_replace)
            .await
    }

    async fn patch_connector(
        &self,
        name: &str,
        patch: ConfigMap,
        _caller: &Caller,
    ) -> HerderResult<ConnectorInfo> {
        self.existing(name)?;
        let current = self
            .snapshot()
            .connector_config(name)
            .cloned()
            .unwrap_or_default();
        let config = answers::patched(&current, patch);
        validation::refuse_faults(&self.validate(config.clone()).await?)?;
        let (_, info) = self.write(&name.into(), config, None, true).await?;
        Ok(info)
    }

    async fn delete_connector(&self, name: &str, _caller: &Caller) -> HerderResult<()> {
        let _changing = self.shared.changing.lock().await;
        self.existing(name)?;
        let (parts, name) = (self.parts(), ConnectorName::from(name));
        self.remove_tasks(&name)
            .await
            .map_err(HerderError::failed)?;
        parts
            .worker
            .stop_connectors(std::slice::from_ref(&name))
            .await;
        parts.configs.remove_connector_config(&name).await?;
        parts.reporter.connector_deleted(&name);
        for topic in parts.statuses.topics(&name) {
            parts.statuses.delete_topic(&name, &topic.name);
        }
        Ok(())
    }

    async fn set_target_state(
        &self,
        name: &str,
        target: TargetState,
        _caller: &Caller,
    ) -> HerderResult<()> {
        let _changing = self.shared.changing.lock().await;
        if !self.snapshot().contains(name) {
            return Err(HerderError::unknown_connector(name));
        }
        let (parts, name) = (self.parts(), ConnectorName::from(name));
        parts.configs.put_target_state(&name, target).await?;
        parts.worker.set_task_target(&name, target);
        if let Some(transition) = parts.worker.transition_connector(&name, target) {
            let herder = self.clone();
            tokio::spawn(async move {
                if transition.await.is_ok() && target == TargetState::Started {
                    let _changing = herder.shared.changing.lock().await;
                    if let Err(error) = herder.update_tasks(&name).await {
                        tracing::error!(connector = %name, %error, "cannot make task configs");
                    }
                }
            });
        }
        Ok(())
    }

    async fn stop_connector(&self, name: &str, _caller: &Caller) -> HerderResult<()> {
        let _changing = self.shared.changing.lock().await;
        if !self.snapshot().contains(name) {
            return Err(HerderError::Failed(format!("Connector {name} not found")));
        }
        let (parts, name) = (self.parts(), ConnectorName::from(name));
        self.remove_tasks(&name)
            .await
            .map_err(HerderError::failed)?;
        parts
            .configs
            .put_target_state(&name, TargetState::Stopped)
            .await?;
        if let Some(transition) = parts
            .worker
            .transition_connector(&name, TargetState::Stopped)
        {
            transition.await.map_err(HerderError::failed)?;
        }
        Ok(())
    }

    async fn restart_connector(&self, name: &str, _caller: &Caller) -> HerderResult<()> {
        let _changing = self.shared.changing.lock().await;
        self.existing(name)?;
        self.restart_instance(&name.into()).await
    }

    async fn restart_with_plan(
        &self,
        name: &str,
        options: RestartOptions,
        _caller: &Caller,
    ) -> HerderResult<ConnectorStateInfo> {
        let _changing = self.shared.changing.lock().await;
        if !self.snapshot().contains(name) {
            return Err(HerderError::NotFound(format!("Unknown connector: {name}")));
        }
        let parts = self.parts();
        let state = self
            .connector_status(name)
            .map_err(|_| HerderError::NotFound(format!("Status for connector {name} not found")))?;
        let plan = RestartPlan::new(options, state);
        let name = ConnectorName::from(name);
        let tasks: Vec<ConnectorTaskId> = plan
            .tasks
            .iter()
            .map(|&task| ConnectorTaskId::new(name.clone(), task))
            .collect();
        parts.worker.stop_tasks(&tasks).await;
        for id in &tasks {
            parts.reporter.task_restarts(id);
        }
        if plan.connector {
            parts
                .worker
                .stop_connectors(std::slice::from_ref(&name))
                .await;
            parts.reporter.connector_restarts(&name);
            // A failure shows as the connector's state, the restart itself was asked for and done.
            let _ = self.start(&name).await;
        }
        let configs = self.snapshot();
        for id in tasks.iter().filter(|id| !parts.worker.has_task(id)) {
            self.start_task(&configs, id);
        }
        Ok(plan.state)
    }

    async fn restart_task(&self, id: &ConnectorTaskId, _caller: &Caller) -> HerderResult<()> {
        let _changing = self.shared.changing.lock().await;
        self.existing(&id.connector)?;
        let configs = self.snapshot();
        if configs.task_config(id).is_none() {
            return Err(HerderError::NotFound(format!("Task {id} not found")));
        }
        self.parts()
            .worker
            .stop_tasks(std::slice::from_ref(id))
            .await;
        if self.start_task(&configs, id) {
            Ok(())
        } else {
            Err(HerderError::Failed(format!("Failed to start task: {id}")))
        }
    }

    async fn offsets(&self, name: &str) -> HerderResult<ConnectorOffsets> {
        self.existing(name)?;
        let config = self
            .snapshot()
            .connector_config(name)
            .cloned()
            .unwrap_or_default();
        self.offset_access().read(&name.into(), &config).await
    }

    async fn modify_offsets(
        &self,
        name: &str,
        offsets: Option<ConnectorOffsets>,
        _caller: &Caller,
    ) -> HerderResult<Message> {
        let _changing = self.shared.changing.lock().await;
        self.existing(name)?;
        let configs = self.snapshot();
        if configs.target_state(name) != Some(TargetState::Stopped) || configs.task_count(name) != 0
        {
            return Err(not_stopped(name));
        }
        let config = configs.connector_config(name).cloned().unwrap_or_default();
        Ok(self
            .offset_access()
            .modify(&name.into(), &config, offsets)
            .await?
            .message)
    }

    async fn put_task_configs(
        &self,
        _name: &str,
        _configs: Vec<ConfigMap>,
        _signature: RequestSignature,
    ) -> HerderResult<()> {
        Err(HerderError::failed(
            "Kafka Connect in standalone mode does not support externally setting task configurations.",
        ))
    }

    async fn fence(&self, _name: &str, _signature: RequestSignature) -> HerderResult<()> {
        Err(HerderError::failed(
            "Kafka Connect in standalone mode does not support exactly-once source connectors.",
        ))
    }

    async fn set_logger(
        &self,
        name: &str,
        level: &str,
        _scope: LoggerScope,
    ) -> HerderResult<Option<Vec<String>>> {
        Ok(Some(self.parts().loggers.set(name, level)?))
    }

    fn metrics_text(&self) -> String {
        let parts = self.parts();
        metrics::prometheus(
            &parts.worker,
            &parts.reporter,
            parts.statuses.as_ref(),
            None,
        )
    }
}
