//! Publishing the task configs of connectors: compare, write or send to the leader, retry.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sluice_api::error::ConnectError;
use sluice_protocol::telemetry::{ConfigAction, Event, Severity};
use sluice_protocol::{ConfigMap, ConnectorName, TargetState};
use tokio::task::AbortHandle;

use super::actor::Actor;
use super::placed::Placed;
use super::{DistributedHerder, HerderError, HerderResult};
use crate::session::LeaderError;
use crate::worker::connector::ConnectorRequests;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A refused signature this early means that the session key is being renewed.
const KEY_RENEWAL: Duration = Duration::from_secs(60);

/// Passes a connector's requests on to the herder.
pub(super) struct Requests {
    herder: DistributedHerder,
}

impl Requests {
    pub(super) fn new(herder: &DistributedHerder) -> Self {
        Self {
            herder: herder.clone(),
        }
    }
}

impl ConnectorRequests for Requests {
    fn request_task_reconfiguration(&self, connector: &ConnectorName) {
        let connector = connector.clone();
        self.herder.send_job(move |actor| {
            Box::pin(async move {
                actor.placed.reconfigure(connector);
            })
        });
    }

    fn request_restart(&self, connector: &ConnectorName) {
        let connector = connector.clone();
        self.herder.send_job(move |actor| {
            Box::pin(async move {
                if actor.shared.worker.has_connector(&connector) {
                    actor
                        .placed
                        .restart_instance(&actor.config.snapshot, &connector)
                        .await;
                }
            })
        });
    }
}

/// One retried attempt per connector; a newer one replaces it.
#[derive(Default)]
pub(super) struct Reconfigurations(HashMap<ConnectorName, AbortHandle>);

impl Reconfigurations {
    pub(super) fn cancel(&mut self, connector: &ConnectorName) {
        if let Some(running) = self.0.remove(connector) {
            running.abort();
        }
    }

    pub(super) fn cancel_all(&mut self) {
        for (_, running) in self.0.drain() {
            running.abort();
        }
    }

    fn replace(&mut self, connector: ConnectorName, started: AbortHandle) {
        if let Some(older) = self.0.insert(connector, started) {
            older.abort();
        }
    }
}

/// What the herder's task found about a connector that shall be reconfigured.
enum Step {
    /// It does not run here, or is not to run: nothing to do.
    Skip,
    /// Task configs are on their way from the connector.
    Ask(BoxFuture<'static, Result<Vec<ConfigMap>, ConnectError>>),
}

/// What is to be done with new task configs.
enum Publication {
    /// They are as stored, or were written.
    Done,
    /// This leader has to be sent them.
    Send { leader_url: String },
}

impl DistributedHerder {
    /// Waits for a transition of a connector's instance, then makes task configs if it went to STARTED.
    pub(super) fn reconfigure_after(
        &self,
        connector: ConnectorName,
        target: TargetState,
        transition: impl Future<Output = Result<(), ConnectError>> + Send + 'static,
    ) {
        let herder = self.clone();
        tokio::spawn(async move {
            // A failure was reported already, as the state of the connector.
            if transition.await.is_ok() && target == TargetState::Started {
                herder.send_job(move |actor| {
                    Box::pin(async move {
                        actor.placed.reconfigure(connector);
                    })
                });
            }
        });
    }
}

impl Placed {
    /// Asks a connector for task configs and publishes them if they differ, until that works.
    pub(super) fn reconfigure(&mut self, connector: ConnectorName) {
        let (herder, name) = (self.herder.clone(), connector.clone());
        let running = tokio::spawn(async move {
            let began = Instant::now();
            let mut pause = FIRST_PAUSE;
            while let Err(error) = attempt(&herder, &name).await {
                let renewal = matches!(error, HerderError::Leader(LeaderError::OtherKey(_)))
                    && began.elapsed() < KEY_RENEWAL;
                if renewal {
                    tracing::debug!(connector = %name, %error, "the leader has another session key, \
                         trying again");
                } else {
                    tracing::warn!(connector = %name, %error, ?pause, "cannot publish task configs, \
                         trying again");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
        self.reconfigurations
            .replace(connector, running.abort_handle());
    }
}

impl Actor {
    fn begin_reconfiguration(&self, connector: &ConnectorName) -> Step {
        if self.config.snapshot.target_state(connector) != Some(TargetState::Started) {
            return Step::Skip;
        }
        let Some(config) = self.config.snapshot.connector_config(connector) else {
            return Step::Skip;
        };
        match self.shared.worker.task_configs(connector, config) {
            Some(asked) => Step::Ask(Box::pin(asked)),
            None => Step::Skip,
        }
    }

    async fn publish(
        &mut self,
        connector: &ConnectorName,
        configs: Vec<ConfigMap>,
    ) -> HerderResult<Publication> {
        // The connector may have been paused or stopped while it was asked; a stopped one has no tasks.
        let target = self.shared.configs.snapshot().target_state(connector);
        if target != Some(TargetState::Started) || !self.task_configs_differ(connector, &configs) {
            return Ok(Publication::Done);
        }
        if self.group.is_leader() {
            self.write_task_configs(connector, configs).await?;
            return Ok(Publication::Done);
        }
        let leader_url = self.group.leader_url().unwrap_or_default().to_owned();
        if leader_url.is_empty() {
            return Err(HerderError::failed(
                "Request to leader to reconfigure connector tasks failed because the URL of the \
                 leader's REST interface is empty!",
            ));
        }
        Ok(Publication::Send { leader_url })
    }

    /// Writes task configs as the leader.
    pub(super) async fn write_task_configs(
        &mut self,
        connector: &ConnectorName,
        configs: Vec<ConfigMap>,
    ) -> HerderResult<()> {
        self.shared
            .configs
            .put_task_configs(connector, configs)
            .await
            .map_err(HerderError::failed)?;
        self.shared.events.record(
            Severity::Info,
            Event::ConfigWrite {
                connector: connector.clone(),
                action: ConfigAction::TaskConfigs,
                keys: Vec::new(),
                requested_by: None,
            },
        );
        Ok(())
    }

    fn task_configs_differ(&self, connector: &ConnectorName, configs: &[ConfigMap]) -> bool {
        let stored = self.config.snapshot.all_task_configs(connector);
        let count =
            usize::try_from(self.config.snapshot.task_count(connector)).unwrap_or(usize::MAX);
        count != configs.len()
            || stored.len() != configs.len()
            || stored
                .iter()
                .zip(configs)
                .any(|(stored, new)| **stored != *new)
            || self.config.snapshot.applied_connector_config(connector)
                != self.config.snapshot.connector_config(connector)
    }
}

async fn attempt(herder: &DistributedHerder, connector: &ConnectorName) -> HerderResult<()> {
    let name = connector.clone();
    let step = herder
        .on_herder(move |actor| Box::pin(async move { Ok(actor.begin_reconfiguration(&name)) }))
        .await
        .map_err(HerderError::unforwarded)?;
    let Step::Ask(asked) = step else {
        return Ok(());
    };
    let configs = match asked.await {
        Ok(configs) => configs,
        // Too many tasks have made the connector FAILED; asking again would not help.
        Err(error) if error.kind() == sluice_api::error::ErrorKind::TooManyTasks => return Ok(()),
        Err(error) => return Err(HerderError::failed(error)),
    };
    let (name, published) = (connector.clone(), configs.clone());
    let publication = herder
        .on_herder(move |actor| Box::pin(async move { actor.publish(&name, published).await }))
        .await
        .map_err(HerderError::unforwarded)?;
    match publication {
        Publication::Done => Ok(()),
        Publication::Send { leader_url } => {
            let body = serde_json::to_vec(&configs).map_err(|error| {
                HerderError::Failed(format!("cannot send task configs to the leader: {error}"))
            })?;
            let session = herder.shared.configs.snapshot();
            let leader = herder.leader(&leader_url, &session);
            Ok(leader.post_task_configs(connector, body).await?)
        }
    }
}
