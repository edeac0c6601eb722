//! Rounds of zombie fencing before exactly-once source tasks start (KIP-618).
//!
//! After every new set of task configs the leader fences the producers of the earlier tasks, once,
//! and records how many producers the new set may have. There is one round at a time per connector;
//! whoever asks meanwhile shares its result.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared as SharedFuture};
use sluice_api::ConnectError;
use sluice_api::config::Props;
use sluice_kafka::admin::Admin;
use sluice_kafka::backoff::jittered;
use sluice_protocol::{ConnectorName, ConnectorTaskId, ConnectorType};
use tokio_util::sync::CancellationToken;

use super::actor::Actor;
use super::{DistributedHerder, HerderError, HerderResult};
use crate::herder::answers;
use crate::stored_config::StoredConnector;
use crate::worker::client_configs::connector_admin_props;
use crate::worker::lifecycle::transactional_id;
use crate::worker::source_task::ProducerChecks;

/// Transactional ids fenced at the same time.
const PARALLEL: usize = 8;
/// Pause before a leader that could not be reached is asked again, or the one that there is then.
const FENCING_RETRY: Duration = Duration::from_secs(1);

type Outcome = SharedFuture<BoxFuture<'static, HerderResult<()>>>;

/// The rounds under way.
#[derive(Default)]
pub(super) struct Fencings(HashMap<ConnectorName, Fencing>);

struct Fencing {
    outcome: Outcome,
    /// New task configs came during the round.
    superseded: CancellationToken,
}

impl Fencings {
    /// New task configs of a connector were applied: a round under way is worth nothing any more.
    pub(super) fn supersede(&mut self, connector: &ConnectorName) {
        if let Some(fencing) = self.0.remove(connector) {
            fencing.superseded.cancel();
        }
    }

    fn under_way(&self, connector: &ConnectorName) -> Option<Outcome> {
        let fencing = self.0.get(connector)?;
        fencing
            .outcome
            .peek()
            .is_none()
            .then(|| fencing.outcome.clone())
    }
}

/// What a round does, as decided from the config topic.
struct Round {
    connector: ConnectorName,
    /// Transactional ids to fence first.
    fence: Vec<String>,
    /// Client properties for that.
    admin: Props,
    /// Task count to record.
    tasks: u32,
    generation: Option<u32>,
}

impl Actor {
    /// Joins or begins a round for a connector; `None` if none is needed.
    async fn begin_fencing(&mut self, connector: ConnectorName) -> HerderResult<Option<Outcome>> {
        self.as_leader()?;
        self.config.existing(&connector)?;
        let config = self.config.snapshot.connector_config(&connector).cloned();
        let kind = answers::connector_type(self.shared.worker.plugins(), config.as_deref());
        if kind != ConnectorType::Source {
            let text = format!("Connector {connector} is not a source connector");
            return Err(HerderError::Invalid(text));
        }
        let limit = self.shared.cluster.sync_timeout;
        self.shared.configs.refresh(limit).await.map_err(|_| {
            HerderError::failed(
                "Failed to read to end of config topic before performing zombie fencing",
            )
        })?;
        self.take_snapshot();
        if !self.config.snapshot.pending_fencing(&connector) {
            return Ok(None);
        }
        if let Some(outcome) = self.fencings.under_way(&connector) {
            return Ok(Some(outcome));
        }
        let tasks = self.config.snapshot.task_count(&connector);
        let fence = match self.config.snapshot.task_count_record(&connector) {
            None => 0,
            // The new producer fences the old one by itself.
            Some(1) if tasks == 1 => 0,
            Some(earlier) => earlier,
        };
        let (plugins, config) = (self.shared.worker.plugins(), config.unwrap_or_default());
        let stored =
            StoredConnector::new(plugins, &self.shared.config, &config).map_err(|error| {
                HerderError::Failed(format!("config of connector {connector}: {error}"))
            })?;
        let round = Round {
            fence: (0..fence)
                .map(|task| {
                    let id = ConnectorTaskId::new(connector.clone(), task);
                    transactional_id(&self.shared.cluster.group_id, &id)
                })
                .collect(),
            admin: connector_admin_props(&self.shared.config, &stored.settings.overrides),
            tasks,
            generation: self.config.snapshot.task_config_generation(&connector),
            connector: connector.clone(),
        };
        let superseded = CancellationToken::new();
        let running = tokio::spawn(run_round(self.herder.clone(), round, superseded.clone()));
        let outcome = async move {
            running
                .await
                .unwrap_or_else(|error| Err(HerderError::failed(error)))
        };
        let outcome = outcome.boxed().shared();
        self.fencings.0.insert(
            connector,
            Fencing {
                outcome: outcome.clone(),
                superseded,
            },
        );
        Ok(Some(outcome))
    }

    /// Records the task count after the producers were fenced.
    async fn finish_fencing(
        &mut self,
        connector: &ConnectorName,
        tasks: u32,
        generation: Option<u32>,
    ) -> HerderResult<()> {
        self.as_leader()?;
        let limit = self.shared.cluster.sync_timeout;
        self.shared.configs.refresh(limit).await.map_err(|_| {
            HerderError::failed(
                "Failed to read to end of config topic when finishing zombie fencing",
            )
        })?;
        let configs = self.shared.configs.snapshot();
        if configs.task_config_generation(connector) != generation {
            return Err(HerderError::Conflict(
                "Failed to complete zombie fencing because a new set of task configs was generated"
                    .to_owned(),
            ));
        }
        self.shared
            .configs
            .put_task_count_record(connector, tasks)
            .await
            .map_err(HerderError::failed)
    }
}

async fn run_round(
    herder: DistributedHerder,
    round: Round,
    superseded: CancellationToken,
) -> HerderResult<()> {
    let Round {
        connector,
        fence,
        admin,
        tasks,
        generation,
    } = round;
    let fencing = async {
        if fence.is_empty() {
            return Ok::<(), HerderError>(());
        }
        let failed = |error: &dyn std::fmt::Display| {
            HerderError::Failed(format!("Failed to perform zombie fencing: {error}"))
        };
        let admin = Admin::new(&admin).map_err(|error| failed(&error))?;
        tracing::info!(%connector, producers = fence.len(), "fencing the producers of earlier tasks");
        for ids in fence.chunks(PARALLEL) {
            futures::future::try_join_all(ids.iter().map(|id| admin.fence_producer(id)))
                .await
                .map_err(|error| failed(&error))?;
        }
        Ok(())
    };
    tokio::select! {
        fenced = fencing => fenced?,
        () = superseded.cancelled() => {
            return Err(HerderError::Conflict(
                "Fencing failed because new task configurations were generated for the connector".to_owned(),
            ));
        }
    }
    herder
        .on_herder(move |actor| {
            Box::pin(async move { actor.finish_fencing(&connector, tasks, generation).await })
        })
        .await
        .map_err(HerderError::unforwarded)
}

impl DistributedHerder {
    /// Makes sure, as the leader, that producers of earlier task configs of a connector are fenced.
    ///
    /// # Errors
    /// This worker does not lead, the connector is unknown or no source, or the round failed.
    pub(super) async fn fence_producers(&self, connector: &ConnectorName) -> HerderResult<()> {
        let name = connector.clone();
        let round = self
            .on_herder(move |actor| Box::pin(actor.begin_fencing(name)))
            .await?;
        match round {
            None => Ok(()),
            Some(outcome) => Ok(outcome.await?),
        }
    }
}

/// What an exactly-once task asks before and after its producer starts.
pub(super) struct TaskChecks {
    herder: DistributedHerder,
    id: ConnectorTaskId,
    /// Generation of the task configs it was started with.
    generation: Option<u32>,
}

impl TaskChecks {
    pub(super) fn new(
        herder: &DistributedHerder,
        id: &ConnectorTaskId,
        generation: Option<u32>,
    ) -> Self {
        Self {
            herder: herder.clone(),
            id: id.clone(),
            generation,
        }
    }
}

impl TaskChecks {
    /// Has producers of earlier task configs fenced, by this worker if it leads.
    async fn fence(&self) -> HerderResult<()> {
        let connector = &self.id.connector;
        match self.herder.fence_producers(connector).await {
            Err(HerderError::NotHere { url }) => {
                let url = url.filter(|url| !url.is_empty());
                let url = url.ok_or_else(HerderError::rebalance_conflict)?;
                let session = self.herder.shared.configs.snapshot();
                Ok(self
                    .herder
                    .leader(&url, &session)
                    .put_fence(connector)
                    .await?)
            }
            outcome => outcome,
        }
    }
}

fn refused(doing: &str, error: &HerderError) -> ConnectError {
    ConnectError::connect(doing).caused_by(ConnectError::connect(error.to_string()))
}

#[async_trait]
impl ProducerChecks for TaskChecks {
    /// A leader that is gone is waited for until the group must have another one: a JVM worker's
    /// task fails, and stays so although nothing is wrong with it.
    async fn before(&self) -> sluice_api::Result<()> {
        let cluster = &self.herder.shared.cluster;
        let patience = cluster.session_timeout + cluster.rebalance_timeout;
        let deadline = Instant::now() + patience;
        let mut logged = false;
        loop {
            match self.fence().await {
                Err(error) if error.is_retriable() && Instant::now() < deadline => {
                    if !logged {
                        tracing::warn!(task = %self.id, "the task starts when its zombies are \
                             fenced: {error}");
                        logged = true;
                    }
                    tokio::time::sleep(jittered(FENCING_RETRY)).await;
                }
                outcome => {
                    let doing = "Failed to perform round of zombie fencing";
                    return outcome.map_err(|error| refused(doing, &error));
                }
            }
        }
    }

    async fn after(&self) -> sluice_api::Result<()> {
        let (id, generation) = (self.id.clone(), self.generation);
        let current = self
            .herder
            .on_herder(move |actor| {
                Box::pin(async move {
                    let limit = actor.shared.cluster.sync_timeout;
                    actor
                        .shared
                        .configs
                        .refresh(limit)
                        .await
                        .map_err(HerderError::failed)?;
                    let configs = actor.shared.configs.snapshot();
                    let unchanged = configs.task_config_generation(&id.connector) == generation;
                    Ok((unchanged, actor.placed.holds_task(&id)))
                })
            })
            .await
            .map_err(|error| refused("Failed to read the config topic", &error.unforwarded()))?;
        let why = match current {
            (true, true) => return Ok(()),
            (false, _) => "the connector has already generated a new set of task configs",
            (true, false) => "it has already been revoked from this worker",
        };
        Err(ConnectError::connect(format!(
            "Cannot start source task {} with exactly-once support as {why}",
            self.id
        )))
    }
}
