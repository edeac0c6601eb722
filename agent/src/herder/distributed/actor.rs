//! The herder's task: group events, changes of the config topic, jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluice_protocol::config_topic::RestartRequest;
use sluice_protocol::group::Subprotocol;
use sluice_protocol::{ConnectorName, ConnectorTaskId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::restart_plan::RestartPlan;
use super::super::{RestartOptions, answers, capability};
use super::config_view::ConfigView;
use super::fencing::Fencings;
use super::placed::Placed;
use super::{DistributedHerder, HerderFailure, Job, Shared};
use crate::cluster::ConfigUpdate;
use crate::group::{GroupEvent, Rebalance, WorkerCoordinator};
use crate::settings::JoinPolicy;
use crate::storage::StorageError;

/// Time for the last states, the group and the stores together, when everything here has stopped:
/// with Kafka gone each of them would wait for a time of its own.
const FAREWELL: Duration = Duration::from_secs(3);

/// The state of the herder's task, by what belongs together: configs are in `config`, what runs
/// here in `placed`, and neither has access to the group or to the other.
pub(super) struct Actor {
    pub(super) herder: DistributedHerder,
    pub(super) shared: Arc<Shared>,
    pub(super) group: WorkerCoordinator,
    pub(super) config: ConfigView,
    pub(super) placed: Placed,
    pub(super) fencings: Fencings,
    jobs: mpsc::UnboundedReceiver<Job>,
    /// A rebalance of which the work was not started yet.
    pending: Option<Box<Rebalance>>,
    /// Why the worker cannot continue.
    failed: Option<String>,
    /// Before which no session key is written again.
    pub(super) key_retry: Option<Instant>,
}

impl Actor {
    pub(super) fn new(
        herder: DistributedHerder,
        group: WorkerCoordinator,
        updates: mpsc::UnboundedReceiver<ConfigUpdate>,
        jobs: mpsc::UnboundedReceiver<Job>,
    ) -> Self {
        Self {
            shared: herder.shared.clone(),
            placed: Placed::new(herder.clone()),
            config: ConfigView::new(updates),
            herder,
            group,
            fencings: Fencings::default(),
            jobs,
            pending: None,
            failed: None,
            key_retry: None,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), HerderFailure> {
        let shared = self.shared.clone();
        let started = tokio::select! {
            started = self.start_stores() => started,
            () = stop.cancelled() => Ok(()),
        };
        if let Err(error) = started {
            Self::stop_stores(&shared).await;
            return Err(error.into());
        }
        self.config.snapshot = shared.configs.snapshot();
        if let Err(failure) = self.check_capability() {
            Self::stop_stores(&shared).await;
            return Err(failure);
        }
        while !stop.is_cancelled() && self.failed.is_none() {
            tokio::select! {
                () = self.turn() => {}
                () = stop.cancelled() => {}
            }
        }
        let failed = self.failed.take();
        self.shut_down().await;
        failed.map_or(Ok(()), |reason| Err(HerderFailure::Membership(reason)))
    }

    /// Whether this worker may take its share of the cluster's connectors (`sluice.join`).
    fn check_capability(&self) -> Result<(), HerderFailure> {
        let incapable =
            capability::incapable_of(self.shared.worker.plugins(), &self.config.snapshot);
        if incapable.is_empty() {
            return Ok(());
        }
        let named = capability::named(&incapable);
        if self.shared.cluster.join == JoinPolicy::Capable {
            return Err(HerderFailure::Incapable(named));
        }
        tracing::warn!("this agent joins although it cannot run {named} (sluice.join=always)");
        Ok(())
    }

    async fn start_stores(&mut self) -> Result<(), StorageError> {
        let shared = self.shared.clone();
        shared.enter("reading to the end of the offsets topic");
        shared.offsets.start().await?;
        shared.enter("reading to the end of the status topic");
        shared.statuses.start().await?;
        shared.enter("reading to the end of the config topic");
        shared.configs.start().await?;
        shared.leave();
        Ok(())
    }

    /// One step: whatever comes first. Cancelled only at shutdown.
    async fn turn(&mut self) {
        if !self.config.is_readable && !self.catch_up().await {
            return;
        }
        if !self.claim_write_privileges().await {
            return;
        }
        self.act_on_changes().await;
        if self.pending.is_some() {
            self.finish_rebalance().await;
        }
        let key_due = self.session_key_due();
        if key_due.is_some_and(|due| due <= Instant::now()) {
            self.renew_session_key().await;
        }
        self.publish_view();
        let settled =
            !self.group.is_joining() && !self.group.rejoin_needed() && self.pending.is_none();
        if !settled {
            self.shared.enter("ensuring membership in the cluster");
        }
        tokio::select! {
            biased;
            event = self.group.poll() => self.on_group_event(event).await,
            Some(update) = self.config.next_update() => {
                self.collect(update);
                self.collect_waiting();
            }
            Some(job) = self.jobs.recv(), if settled => {
                self.shared.enter("handling a request");
                job(self).await;
                self.shared.leave();
            }
            () = sleep_until(key_due), if settled && key_due.is_some() => {}
        }
    }

    async fn on_group_event(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Revoke { work } => self.placed.stop(&work).await,
            GroupEvent::Assigned(rebalance) => self.on_assigned(rebalance).await,
            GroupEvent::CoordinatorLost { work } => {
                self.shared.trouble(
                    "the group coordinator cannot be found, all work is stopped",
                    false,
                );
                self.pending = None;
                self.placed.stop(&work).await;
            }
            GroupEvent::Failed { reason } => {
                tracing::error!(reason, "cannot be a member of the group");
                self.failed = Some(reason);
            }
        }
    }

    async fn on_assigned(&mut self, rebalance: Box<Rebalance>) {
        self.shared.leave();
        tracing::info!(
            generation = rebalance.generation.get(),
            leader = %rebalance.leader_url,
            is_leader = rebalance.is_leader,
            protocol = %rebalance.protocol,
            assigned = rebalance.assigned.len(),
            revoked = rebalance.revoked.len(),
            delay_ms = rebalance.delay.map_or(0, |delay| delay.as_millis()),
            cause = %rebalance.cause,
            "joined the group"
        );
        self.shared.reporter.set_generation(rebalance.generation);
        self.placed.stop(&rebalance.revoked).await;
        if rebalance.is_leader {
            self.forget_deleted();
            // A failure is repeated before the next step.
            self.claim_write_privileges().await;
        }
        self.shared.report_rebalance(&rebalance);
        self.pending = Some(rebalance);
        self.finish_rebalance().await;
    }

    /// Reads configs as far as the assignment needs, then starts what is new.
    async fn finish_rebalance(&mut self) {
        let Some(rebalance) = self.pending.take() else {
            return;
        };
        let behind = self.config.snapshot.offset() < rebalance.config_offset;
        if behind || rebalance.config_mismatch {
            let limit = self.shared.cluster.sync_timeout;
            if let Err(error) = self.shared.configs.refresh(limit).await {
                tracing::warn!(%error, "cannot read the config topic to its end, leaving the group");
                self.config.is_readable = false;
                self.group.leave("taking too long to read the log").await;
                return;
            }
            self.take_snapshot();
        }
        if rebalance.config_mismatch {
            self.group
                .request_rejoin("config offsets of the workers differ");
            return;
        }
        if self.config.snapshot.offset() != rebalance.config_offset {
            self.group.request_rejoin(format!(
                "own config offset {} is not that of the assignment, {}",
                self.config.snapshot.offset(),
                rebalance.config_offset
            ));
            return;
        }
        self.shared.enter("starting connectors and tasks");
        self.placed
            .start(&self.config.snapshot, &rebalance.held)
            .await;
        self.shared.leave();
        if !rebalance.revoked.is_empty() && rebalance.protocol != Subprotocol::Default {
            self.group.request_rejoin("own revoked work can be placed");
        }
    }

    /// Takes a fresh picture. Collected updates stay: the picture includes them, but they have not
    /// been acted on.
    pub(super) fn take_snapshot(&mut self) {
        self.collect_waiting();
        self.config.snapshot = self.shared.configs.snapshot();
    }

    fn collect_waiting(&mut self) {
        while let Some(update) = self.config.waiting_update() {
            self.collect(update);
        }
    }

    /// Notes an update, and acts on what cannot wait: a round of fencing that is worth nothing any
    /// more, and log levels.
    fn collect(&mut self, update: ConfigUpdate) {
        match &update {
            ConfigUpdate::Tasks { connector, applied } if !applied.is_empty() => {
                self.fencings.supersede(connector);
            }
            ConfigUpdate::LoggerLevel { namespace, level } => {
                if let Err(error) = self.shared.loggers.set(namespace, level) {
                    tracing::warn!(logger = namespace, level, %error, "log level from the config topic");
                }
            }
            _ => {}
        }
        self.config.note(update);
    }

    async fn act_on_changes(&mut self) {
        if !self.config.has_changes() {
            return;
        }
        self.take_snapshot();
        let Some(changes) = self.config.take_changes() else {
            return;
        };
        if let Some(reason) = changes.rejoin {
            self.group.request_rejoin(reason);
        }
        if self.group.protocol() != Some(Subprotocol::Default) {
            self.placed.stop_tasks_of(&changes.tasks).await;
        }
        let (configs, worker) = (&self.config.snapshot, &self.shared.worker);
        let gone: Vec<ConnectorName> = changes
            .removed
            .into_iter()
            .filter(|name| !configs.contains(name) && worker.has_connector(name))
            .collect();
        worker.stop_connectors(&gone).await;
        for name in changes.configs {
            if worker.has_connector(&name) {
                self.placed.restart_instance(configs, &name).await;
            }
        }
        for name in changes.target_states {
            self.placed.change_target_state(configs, &name);
        }
        for request in changes.restarts.into_values() {
            self.restart_by_plan(&request).await;
        }
    }

    async fn restart_by_plan(&self, request: &RestartRequest) {
        let options = RestartOptions {
            include_tasks: request.include_tasks,
            only_failed: request.only_failed,
        };
        let configs = &self.config.snapshot;
        let state = answers::connector_status(
            configs,
            self.shared.statuses.as_ref(),
            self.shared.worker.plugins(),
            &request.connector,
        );
        let Ok(state) = state else { return };
        let plan = RestartPlan::new(options, state);
        let held = self
            .group
            .assignment()
            .map(|assignment| assignment.held.clone());
        let held = held.unwrap_or_default();
        let connector = plan.connector && held.connectors.contains(&request.connector);
        let tasks: Vec<ConnectorTaskId> = plan
            .tasks
            .into_iter()
            .map(|task| ConnectorTaskId::new(request.connector.clone(), task))
            .filter(|id| held.tasks.contains(id))
            .collect();
        self.placed
            .restart(configs, &request.connector, connector, &tasks)
            .await;
    }

    /// The leader tombstones states of what is not configured any more.
    fn forget_deleted(&self) {
        let configs = self.shared.configs.snapshot();
        for name in self.shared.statuses.connectors() {
            if !configs.contains(&name) {
                self.shared.reporter.connector_deleted(&name);
                continue;
            }
            let count = configs.task_count(&name);
            for (task, _) in self.shared.statuses.tasks(&name) {
                if task >= count {
                    self.shared
                        .reporter
                        .task_deleted(&ConnectorTaskId::new(name.clone(), task));
                }
            }
        }
    }

    async fn stop_stores(shared: &Shared) {
        shared.statuses.stop().await;
        shared.configs.stop().await;
        shared.offsets.stop().await;
    }

    async fn shut_down(mut self) {
        tracing::info!("stopping connectors and tasks");
        self.shared.enter("shutting down");
        self.placed.reconfigurations.cancel_all();
        self.shared.worker.stop_all().await;
        // Answering dropped jobs is the receivers' end of the channel: they read "Worker is shutting down".
        self.jobs.close();
        while self.jobs.try_recv().is_ok() {}
        let shared = self.shared.clone();
        let (group, step) = (self.group, AtomicUsize::new(0));
        let farewell = async {
            shared.statuses.flush().await;
            step.store(1, Ordering::Relaxed);
            group.close("worker is shutting down").await;
            step.store(2, Ordering::Relaxed);
            Self::stop_stores(&shared).await;
        };
        match tokio::time::timeout(FAREWELL, farewell).await {
            Ok(()) => tracing::info!("left the group"),
            Err(_) => {
                let waiting = [
                    "the last states to be acknowledged",
                    "the group to be left",
                    "the last records to be acknowledged",
                ];
                let waiting = waiting.get(step.into_inner()).copied().unwrap_or_default();
                tracing::warn!(
                    "Kafka does not answer, {FAREWELL:?} were spent on waiting for {waiting}; the \
                     worker ends without"
                );
            }
        }
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
