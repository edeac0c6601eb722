//! The calls of the REST API on a distributed worker: which run on the herder's task, which on the
//! leader or owner.

use std::sync::Arc;

use async_trait::async_trait;
use sluice_protocol::config_topic::RestartRequest;
use sluice_protocol::group::Subprotocol;
use sluice_protocol::rest::{
    ConnectorInfo, ConnectorOffsets, ConnectorStateInfo, Health, HealthStatus, Message, ServerInfo,
    TaskInfo,
};
use sluice_protocol::telemetry::{Caller, ConfigAction, Event, Severity};
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, ConnectorType, TargetState};

use super::super::restart_plan::RestartPlan;
use super::super::{
    Herder, HerderError, HerderResult, LoggerScope, OwnParts, RestartOptions, answers, capability,
};
use super::actor::Actor;
use super::{DistributedHerder, HEALTH_TIMEOUT, Shared};
use crate::herder::offsets::OffsetAccess;
use crate::logging::Loggers;
use crate::session::RequestSignature;
use crate::settings::ExactlyOnceSupport;
use crate::telemetry::metrics;
use crate::validation;

impl Actor {
    pub(super) fn as_leader(&self) -> HerderResult<()> {
        if self.group.is_leader() {
            return Ok(());
        }
        Err(HerderError::NotHere {
            url: self.group.leader_url().map(str::to_owned),
        })
    }

    /// Where to send a call for a connector's owner: the owner if this worker leads, else the leader.
    fn not_assigned(&self, owner: Option<&str>) -> HerderError {
        let url = if self.group.is_leader() {
            owner
        } else {
            self.group.leader_url()
        };
        HerderError::NotHere {
            url: url.map(str::to_owned),
        }
    }

    async fn write_connector(
        &mut self,
        name: ConnectorName,
        config: ConfigMap,
        initial_state: Option<TargetState>,
        allow_replace: bool,
        action: Option<ConfigAction>,
        caller: Caller,
    ) -> HerderResult<(bool, ConnectorInfo)> {
        self.as_leader()?;
        let exists = self.config.snapshot.contains(&name);
        if exists && !allow_replace {
            return Err(HerderError::Conflict(format!(
                "Connector {name} already exists"
            )));
        }
        let keys = answers::changed_keys(
            self.config.snapshot.connector_config(&name).map(|c| &**c),
            &config,
        );
        self.shared
            .configs
            .put_connector_config(&name, config, initial_state)
            .await?;
        let action = action.unwrap_or(if exists {
            ConfigAction::Update
        } else {
            ConfigAction::Create
        });
        self.shared.config_written(&name, action, keys, &caller);
        let configs = self.shared.configs.snapshot();
        let info = answers::connector_info(&configs, self.shared.worker.plugins(), &name)?;
        Ok((!exists, info))
    }

    async fn stop(&mut self, name: ConnectorName, caller: Caller) -> HerderResult<()> {
        if !self.config.snapshot.contains(&name) {
            return Err(HerderError::unknown_connector(&name));
        }
        self.as_leader()?;
        let configs = self.shared.configs.clone();
        configs.put_task_configs(&name, Vec::new()).await?;
        configs
            .put_target_state(&name, TargetState::Stopped)
            .await?;
        let limit = self.shared.cluster.sync_timeout;
        configs.refresh(limit).await?;
        self.shared
            .config_written(&name, ConfigAction::Stop, Vec::new(), &caller);
        Ok(())
    }
}

impl Shared {
    fn config_written(
        &self,
        connector: &ConnectorName,
        action: ConfigAction,
        keys: Vec<String>,
        caller: &Caller,
    ) {
        tracing::info!(%connector, ?action, client = caller.address, "connector config written");
        self.events.record(
            Severity::Info,
            Event::ConfigWrite {
                connector: connector.clone(),
                action,
                keys,
                requested_by: Some(caller.clone()),
            },
        );
    }

    fn restart_asked(
        &self,
        connector: &ConnectorName,
        task: Option<u32>,
        options: RestartOptions,
        caller: &Caller,
    ) {
        self.events.record(
            Severity::Info,
            Event::Restart {
                connector: connector.clone(),
                task,
                include_tasks: options.include_tasks,
                only_failed: options.only_failed,
                requested_by: Some(caller.clone()),
            },
        );
    }
}

#[async_trait]
impl Herder for DistributedHerder {
    fn own_parts(&self) -> OwnParts<'_> {
        OwnParts {
            config: &self.shared.config,
            plugins: self.shared.worker.plugins(),
            statuses: self.shared.statuses.as_ref(),
            loggers: &self.shared.loggers,
        }
    }

    fn server_info(&self) -> ServerInfo {
        crate::herder::server_info(Some(self.shared.kafka_cluster_id.clone()))
    }

    async fn health(&self) -> Health {
        let answered = self
            .on_herder_within(HEALTH_TIMEOUT, |_| Box::pin(async { Ok(()) }))
            .await
            .is_some_and(|answer| answer.is_ok());
        if answered {
            self.shared.view.mark_started();
            return self.health_of_answering();
        }
        let (status, text) = if self.shared.view.has_started() {
            (
                HealthStatus::Unhealthy,
                "Worker was unable to handle this request and may be unable to handle other requests.",
            )
        } else {
            (HealthStatus::Starting, "Worker is still starting up.")
        };
        let message = match self.shared.stage.lock().sentence() {
            Some(sentence) => format!("{text} {sentence}"),
            None => text.to_owned(),
        };
        Health { status, message }
    }

    fn connectors(&self) -> Vec<ConnectorName> {
        self.shared
            .configs
            .snapshot()
            .connectors()
            .cloned()
            .collect()
    }

    async fn connector_info(&self, name: &str) -> HerderResult<ConnectorInfo> {
        let name = name.to_owned();
        self.on_herder(move |actor| {
            Box::pin(async move {
                let plugins = actor.shared.worker.plugins();
                answers::connector_info(&actor.config.snapshot, plugins, &name)
            })
        })
        .await
    }

    async fn connector_infos(&self) -> HerderResult<Vec<ConnectorInfo>> {
        self.on_herder(|actor| {
            Box::pin(async move {
                let plugins = actor.shared.worker.plugins();
                let info = |name: &ConnectorName| {
                    answers::connector_info(&actor.config.snapshot, plugins, name)
                };
                actor
                    .config
                    .snapshot
                    .connectors()
                    .map(info)
                    .collect::<Result<_, _>>()
            })
        })
        .await
    }

    fn connector_status(&self, name: &str) -> HerderResult<ConnectorStateInfo> {
        let configs = self.shared.configs.snapshot();
        let statuses = self.shared.statuses.as_ref();
        answers::connector_status(&configs, statuses, self.shared.worker.plugins(), name)
    }

    async fn task_infos(&self, name: &str) -> HerderResult<Vec<TaskInfo>> {
        let name = name.to_owned();
        self.on_herder(move |actor| {
            Box::pin(async move { answers::task_infos(&actor.config.snapshot, &name) })
        })
        .await
    }

    async fn put_connector(
        &self,
        name: &str,
        config: ConfigMap,
        initial_state: Option<TargetState>,
        allow_replace: bool,
        caller: &Caller,
    ) -> HerderResult<(bool, ConnectorInfo)> {
        validation::refuse_faults(&self.validate(config.clone()).await?)?;
        let (name, caller) = (ConnectorName::from(name), caller.clone());
        self.on_herder(move |actor| {
            Box::pin(actor.write_connector(
                name,
                config,
                initial_state,
                allow_replace,
                None,
                caller,
            ))
        })
        .await
    }

    async fn patch_connector(
        &self,
        name: &str,
        patch: ConfigMap,
        caller: &Caller,
    ) -> HerderResult<ConnectorInfo> {
        let wanted = name.to_owned();
        let current = self
            .on_herder(move |actor| {
                Box::pin(async move {
                    actor.as_leader()?;
                    actor.config.existing(&wanted)?;
                    Ok(actor
                        .config
                        .snapshot
                        .connector_config(&wanted)
                        .cloned()
                        .unwrap_or_default())
                })
            })
            .await?;
        let config = answers::patched(&current, patch);
        validation::refuse_faults(&self.validate(config.clone()).await?)?;
        let (name, caller) = (ConnectorName::from(name), caller.clone());
        let (_, info) = self
            .on_herder(move |actor| {
                let action = Some(ConfigAction::Patch);
                Box::pin(actor.write_connector(name, config, None, true, action, caller))
            })
            .await?;
        Ok(info)
    }

    async fn delete_connector(&self, name: &str, caller: &Caller) -> HerderResult<()> {
        let (name, caller) = (ConnectorName::from(name), caller.clone());
        self.on_herder(move |actor| {
            Box::pin(async move {
                actor.as_leader()?;
                actor.config.existing(&name)?;
                actor.shared.configs.remove_connector_config(&name).await?;
                actor
                    .shared
                    .config_written(&name, ConfigAction::Delete, Vec::new(), &caller);
                Ok(())
            })
        })
        .await
    }

    async fn set_target_state(
        &self,
        name: &str,
        target: TargetState,
        caller: &Caller,
    ) -> HerderResult<()> {
        if !self.shared.configs.snapshot().contains(name) {
            return Err(HerderError::unknown_connector(name));
        }
        let name = ConnectorName::from(name);
        self.shared.configs.put_target_state(&name, target).await?;
        let action = if target == TargetState::Paused {
            ConfigAction::Pause
        } else {
            ConfigAction::Resume
        };
        self.shared
            .config_written(&name, action, Vec::new(), caller);
        Ok(())
    }

    async fn stop_connector(&self, name: &str, caller: &Caller) -> HerderResult<()> {
        let (name, caller) = (ConnectorName::from(name), caller.clone());
        self.on_herder(move |actor| Box::pin(actor.stop(name, caller)))
            .await
    }

    async fn restart_connector(&self, name: &str, caller: &Caller) -> HerderResult<()> {
        let wanted = ConnectorName::from(name);
        let started = self
            .on_herder(move |actor| {
                Box::pin(async move {
                    if !actor.config.snapshot.contains(&wanted) {
                        let text = format!("Unknown connector: {wanted}");
                        return Err(HerderError::NotFound(text));
                    }
                    if !actor.shared.worker.has_connector(&wanted) {
                        return Err(actor.not_assigned(actor.group.connector_owner_url(&wanted)));
                    }
                    actor
                        .shared
                        .worker
                        .stop_connectors(std::slice::from_ref(&wanted))
                        .await;
                    Ok(actor
                        .placed
                        .start_connector(&actor.config.snapshot, &wanted))
                })
            })
            .await?;
        let name = ConnectorName::from(name);
        self.shared
            .restart_asked(&name, None, RestartOptions::default(), caller);
        let Some((target, started)) = started else {
            return Ok(());
        };
        started
            .await
            .map_err(|_| HerderError::Failed(format!("Failed to start connector: {name}")))?;
        self.send_job(move |actor| {
            Box::pin(async move {
                actor
                    .herder
                    .reconfigure_after(name, target, std::future::ready(Ok(())));
            })
        });
        Ok(())
    }

    async fn restart_with_plan(
        &self,
        name: &str,
        options: RestartOptions,
        caller: &Caller,
    ) -> HerderResult<ConnectorStateInfo> {
        let (name, caller) = (ConnectorName::from(name), caller.clone());
        self.on_herder(move |actor| {
            Box::pin(async move {
                actor.as_leader()?;
                if !actor.config.snapshot.contains(&name) {
                    return Err(HerderError::NotFound(format!("Unknown connector: {name}")));
                }
                let shared = actor.shared.clone();
                let missing =
                    |_| HerderError::NotFound(format!("Status for connector {name} not found"));
                let state = answers::connector_status(
                    &actor.config.snapshot,
                    shared.statuses.as_ref(),
                    shared.worker.plugins(),
                    &name,
                )
                .map_err(missing)?;
                let request = RestartRequest {
                    connector: name.clone(),
                    include_tasks: options.include_tasks,
                    only_failed: options.only_failed,
                };
                shared.configs.put_restart_request(request).await?;
                shared.restart_asked(&name, None, options, &caller);
                Ok(RestartPlan::new(options, state).state)
            })
        })
        .await
    }

    async fn restart_task(&self, id: &ConnectorTaskId, caller: &Caller) -> HerderResult<()> {
        let (id, caller) = (id.clone(), caller.clone());
        self.on_herder(move |actor| {
            Box::pin(async move {
                answers::known_task(&actor.config.snapshot, &id)?;
                if !actor.placed.holds_task(&id) {
                    return Err(actor.not_assigned(actor.group.task_owner_url(&id)));
                }
                actor.shared.restart_asked(
                    &id.connector,
                    Some(id.task),
                    RestartOptions::default(),
                    &caller,
                );
                actor
                    .shared
                    .worker
                    .stop_tasks(std::slice::from_ref(&id))
                    .await;
                if actor.placed.start_task(&actor.config.snapshot, &id) {
                    Ok(())
                } else {
                    Err(HerderError::Failed(format!("Failed to start task: {id}")))
                }
            })
        })
        .await
    }

    async fn offsets(&self, name: &str) -> HerderResult<ConnectorOffsets> {
        let wanted = name.to_owned();
        let config = self
            .on_herder(move |actor| {
                Box::pin(async move {
                    actor.config.existing(&wanted)?;
                    Ok(actor
                        .config
                        .snapshot
                        .connector_config(&wanted)
                        .cloned()
                        .unwrap_or_default())
                })
            })
            .await?;
        self.offset_access().read(&name.into(), &config).await
    }

    async fn modify_offsets(
        &self,
        name: &str,
        offsets: Option<ConnectorOffsets>,
        caller: &Caller,
    ) -> HerderResult<Message> {
        let name = ConnectorName::from(name);
        let mut config = self.stopped_connector(&name).await?;
        let kind = answers::connector_type(self.shared.worker.plugins(), Some(&config));
        let exactly_once = self.shared.cluster.exactly_once == ExactlyOnceSupport::Enabled;
        if exactly_once && kind == ConnectorType::Source {
            self.fence_producers(&name).await.map_err(|error| match error {
                not_here @ HerderError::NotHere { .. } => not_here,
                error => {
                    tracing::warn!(connector = %name, %error, "zombie fencing before a change of offsets");
                    HerderError::failed(
                        "Failed to perform zombie fencing for source connector prior to modifying offsets",
                    )
                }
            })?;
            config = self.stopped_connector(&name).await?;
        }
        let changed = self.offset_access().modify(&name, &config, offsets).await?;
        self.shared.events.record(
            Severity::Info,
            Event::OffsetChange {
                connector: name,
                reset: changed.reset,
                partitions: changed.partitions,
                requested_by: Some(caller.clone()),
            },
        );
        Ok(changed.message)
    }

    async fn put_task_configs(
        &self,
        name: &str,
        configs: Vec<ConfigMap>,
        signature: RequestSignature,
    ) -> HerderResult<()> {
        self.verify(&signature)?;
        let name = ConnectorName::from(name);
        self.on_herder(move |actor| {
            Box::pin(async move {
                actor.as_leader()?;
                actor.config.existing(&name)?;
                // What the herder has taken in may be behind a stop that was just written.
                let target = actor.shared.configs.snapshot().target_state(&name);
                if target == Some(TargetState::Stopped) && !configs.is_empty() {
                    return Err(HerderError::Invalid(format!(
                        "Cannot submit non-empty set of task configs for stopped connector {name}"
                    )));
                }
                actor.write_task_configs(&name, configs).await
            })
        })
        .await
    }

    async fn fence(&self, name: &str, signature: RequestSignature) -> HerderResult<()> {
        self.verify(&signature)?;
        self.fence_producers(&ConnectorName::from(name)).await
    }

    async fn set_logger(
        &self,
        name: &str,
        level: &str,
        scope: LoggerScope,
    ) -> HerderResult<Option<Vec<String>>> {
        match scope {
            LoggerScope::Worker => Ok(Some(self.shared.loggers.set(name, level)?)),
            LoggerScope::Cluster => {
                Loggers::validate_level(level)?;
                self.shared.configs.put_logger_level(name, level).await?;
                Ok(None)
            }
        }
    }

    fn metrics_text(&self) -> String {
        metrics::prometheus(
            &self.shared.worker,
            &self.shared.reporter,
            self.shared.statuses.as_ref(),
            Some(&self.shared.view),
        )
    }
}

impl DistributedHerder {
    /// The health of a worker whose herder answers: what it tries in vain, and what it cannot run.
    fn health_of_answering(&self) -> Health {
        if let Some(troubles) = self.shared.troubles.text() {
            return Health {
                status: HealthStatus::Unhealthy,
                message: format!("Worker may be unable to handle requests: it {troubles}."),
            };
        }
        let mut health = Health {
            status: HealthStatus::Healthy,
            message: "Worker has completed startup and is ready to handle requests.".to_owned(),
        };
        let configs = self.shared.configs.snapshot();
        let incapable = capability::incapable_of(self.shared.worker.plugins(), &configs);
        if !incapable.is_empty() {
            let named = capability::named(&incapable);
            health.warn(&format!("this agent cannot run {named}."));
        }
        health
    }

    fn verify(&self, signature: &RequestSignature) -> HerderResult<()> {
        let sessioned = self.shared.view.group.lock().protocol == Subprotocol::Sessioned.name();
        let configs = self.shared.configs.snapshot();
        let key = configs.session_key().map(|key| key.key.as_slice());
        let allowed = &self.shared.cluster.verification_algorithms;
        Ok(signature.verify(sessioned, allowed, key)?)
    }

    /// The config of a connector whose offsets may be changed now.
    async fn stopped_connector(&self, name: &ConnectorName) -> HerderResult<Arc<ConfigMap>> {
        let name = name.clone();
        self.on_herder(move |actor| {
            Box::pin(async move {
                actor.as_leader()?;
                let limit = actor.shared.cluster.sync_timeout;
                actor.shared.configs.refresh(limit).await.map_err(|_| {
                    HerderError::failed(
                        "Failed to read to end of config topic before modifying connector offsets",
                    )
                })?;
                let configs = actor.shared.configs.snapshot();
                let Some(config) = configs.connector_config(&name) else {
                    return Err(HerderError::connector_not_found(&name));
                };
                if configs.target_state(&name) != Some(TargetState::Stopped)
                    || configs.task_count(&name) != 0
                {
                    return Err(crate::herder::offsets::not_stopped(&name));
                }
                Ok(config.clone())
            })
        })
        .await
    }

    fn offset_access(&self) -> OffsetAccess<'_> {
        OffsetAccess {
            plugins: self.shared.worker.plugins(),
            config: &self.shared.config,
            offsets: self.shared.worker.offsets(),
            groups: &self.shared.groups,
        }
    }
}
