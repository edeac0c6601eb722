//! The herder's task: group events, changes of the config topic, jobs.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluice_protocol::config_topic::{RestartRequest, SessionKey};
use sluice_protocol::group::{Subprotocol, Work};
use sluice_protocol::telemetry::{Event, RebalanceEvent, Severity};
use sluice_protocol::{ConnectorName, ConnectorTaskId, TargetState};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::restart_plan::RestartPlan;
use super::super::{RestartOptions, answers, capability};
use super::fencing::{Fencings, TaskChecks};
use super::reconfiguration::Reconfigurations;
use super::{DistributedHerder, HerderFailure, Job, Shared};
use crate::clock::now;
use crate::cluster::{ClusterConfigState, ConfigUpdate};
use crate::group::{GroupEvent, Rebalance, WorkerCoordinator};
use crate::storage::StorageError;
use crate::worker::lifecycle::TaskStart;
use crate::worker::source_task::ProducerChecks;
use crate::worker_config::ExactlyOnceSupport;

/// What may fail again and again, as `/health` shows it.
const WRITE_KEY: &str = "cannot write a session key to the config topic";
const READ_CONFIGS: &str = "cannot read the config topic";
const CLAIM_WRITES: &str = "cannot claim the right to write to the config topic";

/// Time for the last states, the group and the stores together, when everything here has stopped: with Kafka gone each of them
/// would wait for a time of its own.
const FAREWELL: Duration = Duration::from_secs(3);

/// Failed reads of the config topic before all own work is stopped.
const BACKOFF_STEPS: u32 = 5;

/// The state of the herder's task.
pub(super) struct Tick {
    pub(super) herder: DistributedHerder,
    pub(super) shared: Arc<Shared>,
    pub(super) group: WorkerCoordinator,
    /// The picture of the config topic that decisions are made on.
    pub(super) snapshot: Arc<ClusterConfigState>,
    pub(super) reconfigurations: Reconfigurations,
    pub(super) fencings: Fencings,
    updates: mpsc::UnboundedReceiver<ConfigUpdate>,
    jobs: mpsc::UnboundedReceiver<Job>,
    changes: Changes,
    /// A rebalance of which the work was not started yet.
    pending: Option<Box<Rebalance>>,
    /// What was started here and not stopped since, failed or not.
    placed_connectors: HashSet<ConnectorName>,
    placed_tasks: HashSet<ConnectorTaskId>,
    config_topic_readable: bool,
    backoff_steps_left: u32,
    /// Why the worker cannot go on.
    failed: Option<String>,
    /// Before which no session key is written again.
    key_retry: Option<Instant>,
}

/// Changes of the config topic since they were last acted on.
#[derive(Default)]
struct Changes {
    rejoin: Option<String>,
    configs: BTreeSet<ConnectorName>,
    removed: BTreeSet<ConnectorName>,
    target_states: BTreeSet<ConnectorName>,
    tasks: BTreeSet<ConnectorName>,
    restarts: BTreeMap<ConnectorName, RestartRequest>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.rejoin.is_none()
            && self.configs.is_empty()
            && self.removed.is_empty()
            && self.target_states.is_empty()
            && self.tasks.is_empty()
            && self.restarts.is_empty()
    }
}

impl Tick {
    pub(super) fn new(
        herder: DistributedHerder,
        group: WorkerCoordinator,
        updates: mpsc::UnboundedReceiver<ConfigUpdate>,
        jobs: mpsc::UnboundedReceiver<Job>,
    ) -> Self {
        Self {
            shared: herder.shared.clone(),
            herder,
            group,
            snapshot: Arc::new(ClusterConfigState::empty()),
            reconfigurations: Reconfigurations::default(),
            fencings: Fencings::default(),
            updates,
            jobs,
            changes: Changes::default(),
            pending: None,
            placed_connectors: HashSet::new(),
            placed_tasks: HashSet::new(),
            config_topic_readable: true,
            backoff_steps_left: BACKOFF_STEPS,
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
        self.snapshot = shared.configs.snapshot();
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
        let incapable = capability::incapable_of(self.shared.worker.plugins(), &self.snapshot);
        if incapable.is_empty() {
            return Ok(());
        }
        let named = capability::named(&incapable);
        if self.shared.config.string("sluice.join") == "capable" {
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
        if !self.config_topic_readable && !self.catch_up().await {
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
            Some(update) = self.updates.recv() => {
                self.collect(update);
                while let Ok(update) = self.updates.try_recv() {
                    self.collect(update);
                }
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
            GroupEvent::Revoke { work } => self.stop_work(&work).await,
            GroupEvent::Assigned(rebalance) => self.on_assigned(rebalance).await,
            GroupEvent::CoordinatorLost { work } => {
                self.trouble(
                    "the group coordinator cannot be found, all work is stopped",
                    false,
                );
                self.pending = None;
                self.stop_work(&work).await;
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
        self.stop_work(&rebalance.revoked).await;
        if rebalance.is_leader {
            self.forget_deleted();
            // A failure is repeated before the next step.
            self.claim_write_privileges().await;
        }
        self.report_rebalance(&rebalance);
        self.pending = Some(rebalance);
        self.finish_rebalance().await;
    }

    /// Reads configs as far as the assignment needs, then starts what is new.
    async fn finish_rebalance(&mut self) {
        let Some(rebalance) = self.pending.take() else {
            return;
        };
        let behind = self.snapshot.offset() < rebalance.config_offset;
        if behind || rebalance.config_mismatch {
            let limit = self.shared.config.millis("worker.sync.timeout.ms");
            if let Err(error) = self.shared.configs.refresh(limit).await {
                tracing::warn!(%error, "cannot read the config topic to its end, leaving the group");
                self.config_topic_readable = false;
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
        if self.snapshot.offset() != rebalance.config_offset {
            self.group.request_rejoin(format!(
                "own config offset {} is not that of the assignment, {}",
                self.snapshot.offset(),
                rebalance.config_offset
            ));
            return;
        }
        self.shared.enter("starting connectors and tasks");
        self.start_work(&rebalance.held).await;
        self.shared.leave();
        if !rebalance.revoked.is_empty() && rebalance.protocol != Subprotocol::Default {
            self.group.request_rejoin("own revoked work can be placed");
        }
    }

    /// Takes a fresh picture. Collected updates stay: the picture includes them, but they have not been acted on.
    pub(super) fn take_snapshot(&mut self) {
        while let Ok(update) = self.updates.try_recv() {
            self.collect(update);
        }
        self.snapshot = self.shared.configs.snapshot();
    }

    fn collect(&mut self, update: ConfigUpdate) {
        let changes = &mut self.changes;
        match update {
            ConfigUpdate::Connector(name) => {
                if self.snapshot.contains(&name) {
                    changes.configs.insert(name);
                } else {
                    changes
                        .rejoin
                        .get_or_insert_with(|| format!("connector {name} is new"));
                }
            }
            ConfigUpdate::ConnectorRemoved(name) => {
                if self.snapshot.contains(&name) {
                    changes
                        .rejoin
                        .get_or_insert_with(|| format!("connector {name} was deleted"));
                } else {
                    changes.removed.insert(name);
                }
            }
            ConfigUpdate::Tasks { connector, applied } => {
                changes
                    .rejoin
                    .get_or_insert_with(|| format!("connector {connector} has new tasks"));
                if !applied.is_empty() {
                    self.fencings.supersede(&connector);
                    changes.tasks.insert(connector);
                }
            }
            ConfigUpdate::TargetState(name) => {
                changes.target_states.insert(name);
            }
            ConfigUpdate::SessionKey(_) => {}
            ConfigUpdate::Restart(request) => {
                let wider = changes
                    .restarts
                    .get(&request.connector)
                    .is_none_or(|known| known.rank() < request.rank());
                if wider {
                    changes.restarts.insert(request.connector.clone(), request);
                }
            }
            ConfigUpdate::LoggerLevel { namespace, level } => {
                if let Err(error) = self.shared.loggers.set(&namespace, &level) {
                    tracing::warn!(logger = namespace, level, %error, "log level from the config topic");
                }
            }
        }
    }

    async fn act_on_changes(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        self.take_snapshot();
        let changes = std::mem::take(&mut self.changes);
        if let Some(reason) = changes.rejoin {
            self.group.request_rejoin(reason);
        }
        if self.group.protocol() != Some(Subprotocol::Default) {
            self.stop_reconfigured_tasks(&changes.tasks).await;
        }
        let gone: Vec<ConnectorName> = changes
            .removed
            .into_iter()
            .filter(|name| !self.snapshot.contains(name) && self.shared.worker.has_connector(name))
            .collect();
        self.shared.worker.stop_connectors(&gone).await;
        for name in changes.configs {
            if self.shared.worker.has_connector(&name) {
                self.restart_instance(&name).await;
            }
        }
        for name in changes.target_states {
            self.change_target_state(&name);
        }
        for request in changes.restarts.into_values() {
            self.restart_by_plan(&request).await;
        }
    }

    /// Tasks with new configs stop at once; the rebalance starts those that are still held.
    async fn stop_reconfigured_tasks(&mut self, connectors: &BTreeSet<ConnectorName>) {
        let tasks: Vec<ConnectorTaskId> = self
            .placed_tasks
            .extract_if(|id| connectors.contains(&id.connector))
            .collect();
        self.shared.worker.stop_tasks(&tasks).await;
    }

    fn change_target_state(&mut self, name: &ConnectorName) {
        let Some(target) = self.snapshot.target_state(name) else {
            return;
        };
        // Tasks of a stopped connector go with the rebalance that its empty set of tasks causes.
        if target != TargetState::Stopped {
            self.shared.worker.set_task_target(name, target);
        }
        if let Some(transition) = self.shared.worker.transition_connector(name, target) {
            self.reconfigure_after(name.clone(), target, transition);
        }
    }

    async fn restart_by_plan(&mut self, request: &RestartRequest) {
        let options = RestartOptions {
            include_tasks: request.include_tasks,
            only_failed: request.only_failed,
        };
        let state = answers::connector_status(
            &self.snapshot,
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
        if connector {
            self.shared
                .worker
                .stop_connectors(std::slice::from_ref(&request.connector))
                .await;
            self.shared.reporter.connector_restarts(&request.connector);
        }
        if !tasks.is_empty() {
            self.shared.worker.stop_tasks(&tasks).await;
            for id in &tasks {
                self.shared.reporter.task_restarts(id);
            }
        }
        if connector {
            self.start_instance(&request.connector);
        }
        for id in &tasks {
            self.start_task(id);
        }
    }

    /// Stops a connector's instance and starts it with its current config, which makes new task configs.
    pub(super) async fn restart_instance(&mut self, name: &ConnectorName) {
        self.shared
            .worker
            .stop_connectors(std::slice::from_ref(name))
            .await;
        self.start_instance(name);
    }

    fn start_instance(&mut self, name: &ConnectorName) {
        if let Some((target, started)) = self.start_connector(name) {
            self.reconfigure_after(name.clone(), target, started);
        }
    }

    /// Starts a connector's instance; the future ends when it is in its target state.
    pub(super) fn start_connector(
        &mut self,
        name: &ConnectorName,
    ) -> Option<(
        TargetState,
        impl Future<Output = Result<(), sluice_api::error::ConnectError>> + Send + use<>,
    )> {
        let config = self.snapshot.connector_config(name)?.clone();
        let target = self.snapshot.target_state(name)?;
        let requests = Arc::new(super::reconfiguration::Requests::new(&self.herder));
        Some((
            target,
            self.shared
                .worker
                .start_connector(name, &config, target, requests),
        ))
    }

    pub(super) fn start_task(&mut self, id: &ConnectorTaskId) -> bool {
        let (Some(connector), Some(task), Some(target)) = (
            self.snapshot.connector_config(&id.connector).cloned(),
            self.snapshot.task_config(id).cloned(),
            self.snapshot.target_state(&id.connector),
        ) else {
            return false;
        };
        let start = TaskStart {
            connector_config: &connector,
            task_config: &task,
            task_count: self.snapshot.task_count(&id.connector),
            target,
        };
        let exactly_once = self.shared.config.exactly_once() == ExactlyOnceSupport::Enabled;
        let checks = exactly_once.then(|| {
            let generation = self.snapshot.task_config_generation(&id.connector);
            Arc::new(TaskChecks::new(&self.herder, id, generation)) as Arc<dyn ProducerChecks>
        });
        self.shared.worker.start_task(id, start, checks).is_ok()
    }

    pub(super) fn holds_task(&self, id: &ConnectorTaskId) -> bool {
        self.placed_tasks.contains(id)
    }

    async fn start_work(&mut self, held: &Work) {
        let kept: HashSet<&ConnectorTaskId> = held.tasks.iter().collect();
        // An eager rebalance, or a downgrade to one, gives the whole assignment: nothing else may go on running.
        let surplus = Work {
            connectors: self
                .placed_connectors
                .iter()
                .filter(|name| !held.connectors.contains(name))
                .cloned()
                .collect(),
            tasks: self
                .placed_tasks
                .iter()
                .filter(|id| !kept.contains(id))
                .cloned()
                .collect(),
        };
        self.stop_work(&surplus).await;
        for name in &held.connectors {
            if self.placed_connectors.insert(name.clone()) {
                self.start_instance(name);
            }
        }
        for id in &held.tasks {
            if self.placed_tasks.insert(id.clone()) {
                self.start_task(id);
            }
        }
    }

    async fn stop_work(&mut self, work: &Work) {
        if work.is_empty() {
            return;
        }
        let shared = self.shared.clone();
        shared.enter("stopping revoked connectors and tasks");
        for name in &work.connectors {
            self.reconfigurations.cancel(name);
            self.placed_connectors.remove(name);
        }
        for id in &work.tasks {
            self.placed_tasks.remove(id);
        }
        shared.worker.stop_connectors(&work.connectors).await;
        shared.worker.stop_tasks(&work.tasks).await;
        let configs = shared.configs.snapshot();
        if shared.config.boolean("topic.tracking.enable") {
            for name in work
                .connectors
                .iter()
                .filter(|name| !configs.contains(name))
            {
                for topic in shared.statuses.topics(name) {
                    shared.statuses.delete_topic(name, &topic.name);
                }
            }
        }
        shared.statuses.flush().await;
        shared.leave();
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

    /// Reads the config topic again after that failed; false if it failed once more.
    async fn catch_up(&mut self) -> bool {
        let limit = self.shared.config.millis("worker.sync.timeout.ms");
        self.shared.enter("reading to the end of the config topic");
        match self.shared.configs.refresh(limit).await {
            Ok(()) => {
                self.shared.leave();
                self.take_snapshot();
                self.config_topic_readable = true;
                self.backoff_steps_left = BACKOFF_STEPS;
                self.passed(READ_CONFIGS);
                true
            }
            Err(error) => {
                self.failed(READ_CONFIGS, &error.to_string());
                self.back_off().await;
                false
            }
        }
    }

    /// A leader that writes in transactions fences earlier leaders before it writes, and again after a write failed;
    /// false if that did not work.
    async fn claim_write_privileges(&mut self) -> bool {
        if !self.group.is_leader() || !self.shared.configs.lacks_write_privileges() {
            return true;
        }
        self.shared
            .enter("reclaiming write privileges to the config topic");
        match self.shared.configs.claim_write_privileges().await {
            Ok(()) => {
                self.shared.leave();
                self.backoff_steps_left = BACKOFF_STEPS;
                self.passed(CLAIM_WRITES);
                true
            }
            Err(error) => {
                self.failed(CLAIM_WRITES, &error.to_string());
                self.back_off().await;
                false
            }
        }
    }

    async fn back_off(&mut self) {
        if self.group.protocol() == Some(Subprotocol::Default) {
            tokio::time::sleep(self.shared.config.millis("worker.unsync.backoff.ms")).await;
        } else if self.backoff_steps_left == 0 {
            tracing::warn!("the config topic cannot be read for long, all own work is stopped");
            let work = self.group.forget_assignment();
            self.stop_work(&work).await;
            self.backoff_steps_left = BACKOFF_STEPS;
        } else {
            let max_delay = self
                .shared
                .config
                .millis("scheduled.rebalance.max.delay.ms");
            let pause = max_delay / (10 * self.backoff_steps_left);
            self.backoff_steps_left -= 1;
            // With delays disabled there would be no pause at all.
            tokio::time::sleep(pause.max(Duration::from_millis(100))).await;
        }
    }

    /// When the session key has to be renewed; `None` if that is not this worker's duty.
    fn session_key_due(&self) -> Option<Instant> {
        if !self.group.is_leader() || self.group.protocol() != Some(Subprotocol::Sessioned) {
            return None;
        }
        let configs = self.shared.configs.snapshot();
        let earliest = self.key_retry.unwrap_or_else(Instant::now);
        let Some(key) = configs.session_key() else {
            return Some(earliest);
        };
        if key.algorithm != crate::session::HMAC_SHA256 || key.key.len() != self.session_key_bytes()
        {
            return Some(earliest);
        }
        let ttl = self.shared.config.long("inter.worker.key.ttl.ms");
        if ttl == 0 {
            return None;
        }
        let left = ttl - now().since(key.creation_timestamp);
        let due = Instant::now() + Duration::from_millis(u64::try_from(left).unwrap_or(0));
        Some(due.max(earliest))
    }

    fn session_key_bytes(&self) -> usize {
        match usize::try_from(self.shared.config.long("inter.worker.key.size")) {
            Ok(bits) if bits >= 8 => bits / 8,
            _ => 32,
        }
    }

    async fn renew_session_key(&mut self) {
        self.shared
            .enter("writing a session key to the config topic");
        let mut key = vec![0; self.session_key_bytes()];
        rand::RngCore::fill_bytes(&mut rand::rng(), &mut key);
        let key = SessionKey {
            key,
            algorithm: crate::session::HMAC_SHA256.to_owned(),
            creation_timestamp: now(),
        };
        match self.shared.configs.put_session_key(key).await {
            Ok(()) => {
                self.shared.leave();
                self.key_retry = None;
                self.passed(WRITE_KEY);
            }
            Err(error) => {
                let pause = self.failed(WRITE_KEY, &error.to_string());
                self.key_retry = Some(Instant::now() + pause);
                self.config_topic_readable = false;
            }
        }
    }

    fn report_rebalance(&self, rebalance: &Rebalance) {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let event = RebalanceEvent {
            generation: rebalance.generation,
            cause: rebalance.cause.clone(),
            started_at: rebalance.started_at,
            ended_at: now(),
            is_leader: rebalance.is_leader,
            leader_id: Some(rebalance.leader_id.clone()),
            protocol: rebalance.protocol.name().to_owned(),
            members: rebalance
                .members
                .clone()
                .map(|members| members.into_iter().collect()),
            joined: rebalance.joined.clone(),
            left: rebalance.left.clone(),
            assigned: rebalance.assigned.clone(),
            revoked: rebalance.revoked.clone(),
            delay_ms: rebalance.delay.map_or(0, millis),
            config_mismatch: rebalance.config_mismatch,
        };
        self.shared
            .view
            .rebalanced(rebalance.ended_at.since(rebalance.started_at));
        self.shared
            .events
            .record(Severity::Info, Event::Rebalance(Box::new(event)));
    }

    fn publish_view(&self) {
        let mut view = self.shared.view.group.lock();
        view.member_id = self.group.member_id();
        view.generation = self.group.generation();
        view.is_leader = self.group.is_leader();
        view.protocol = self
            .group
            .protocol()
            .map(|protocol| protocol.name().to_owned())
            .unwrap_or_default();
        view.rebalancing = self.group.is_joining() || self.group.rejoin_needed();
        view.delay_ms = self.group.delay_remaining().map_or(0, |delay| {
            u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
        });
        view.config_offset = self.snapshot.offset();
        if let Some(assignment) = self.group.assignment() {
            view.leader_id = Some(assignment.leader_id.clone());
            view.leader_url = Some(assignment.leader_url.clone());
        }
    }

    /// Notes a failed attempt, and returns how long the next one has to wait.
    fn failed(&self, what: &'static str, cause: &str) -> Duration {
        let failed = self.shared.troubles.failed(what, cause);
        if let Some(line) = failed.line {
            self.trouble(&line, false);
        }
        failed.pause
    }

    /// Notes that what may have failed before works.
    fn passed(&self, what: &'static str) {
        if self.shared.troubles.passed(what) {
            self.trouble(&format!("works again: {what}"), true);
        }
    }

    fn trouble(&self, what: &str, recovered: bool) {
        let severity = if recovered {
            Severity::Info
        } else {
            Severity::Warning
        };
        if recovered {
            tracing::info!("{what}");
        } else {
            tracing::warn!("{what}");
        }
        self.shared.events.record(
            severity,
            Event::Trouble {
                what: what.to_owned(),
                recovered,
            },
        );
    }

    async fn stop_stores(shared: &Shared) {
        shared.statuses.stop().await;
        shared.configs.stop().await;
        shared.offsets.stop().await;
    }

    async fn shut_down(mut self) {
        tracing::info!("stopping connectors and tasks");
        self.shared.enter("shutting down");
        self.reconfigurations.cancel_all();
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
                    "Kafka does not answer, {FAREWELL:?} were spent on waiting for {waiting}; the worker ends without"
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
