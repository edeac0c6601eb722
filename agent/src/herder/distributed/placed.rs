//! What runs on this worker because the group gave it to it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use sluice_api::ConnectError;
use sluice_protocol::group::Work;
use sluice_protocol::{ConnectorName, ConnectorTaskId, TargetState};

use super::fencing::TaskChecks;
use super::reconfiguration::{Reconfigurations, Requests};
use super::{DistributedHerder, Shared};
use crate::cluster::ClusterConfigState;
use crate::settings::ExactlyOnceSupport;
use crate::worker::lifecycle::{TaskStart, transactional_id};
use crate::worker::source_task::ExactlyOnce;

/// The connectors and tasks that were started here and not stopped since, failed or not. It knows
/// nothing of the group: what to start and stop is decided by the [`Actor`](super::actor::Actor).
pub(super) struct Placed {
    pub(super) herder: DistributedHerder,
    connectors: HashSet<ConnectorName>,
    tasks: HashSet<ConnectorTaskId>,
    pub(super) reconfigurations: Reconfigurations,
}

impl Placed {
    pub(super) fn new(herder: DistributedHerder) -> Self {
        Self {
            herder,
            connectors: HashSet::new(),
            tasks: HashSet::new(),
            reconfigurations: Reconfigurations::default(),
        }
    }

    fn shared(&self) -> &Shared {
        &self.herder.shared
    }

    pub(super) fn holds_task(&self, id: &ConnectorTaskId) -> bool {
        self.tasks.contains(id)
    }

    /// Stops a connector's instance and starts it with its current config, which makes new task configs.
    pub(super) async fn restart_instance(
        &self,
        configs: &ClusterConfigState,
        name: &ConnectorName,
    ) {
        self.shared()
            .worker
            .stop_connectors(std::slice::from_ref(name))
            .await;
        self.start_instance(configs, name);
    }

    /// Starts a connector's instance and, when it runs, makes task configs.
    pub(super) fn start_instance(&self, configs: &ClusterConfigState, name: &ConnectorName) {
        if let Some((target, started)) = self.start_connector(configs, name) {
            self.herder.reconfigure_after(name.clone(), target, started);
        }
    }

    /// Starts a connector's instance; the future ends when it is in its target state.
    pub(super) fn start_connector(
        &self,
        configs: &ClusterConfigState,
        name: &ConnectorName,
    ) -> Option<(
        TargetState,
        impl Future<Output = Result<(), ConnectError>> + Send + use<>,
    )> {
        let config = configs.connector_config(name)?.clone();
        let target = configs.target_state(name)?;
        let requests = Arc::new(Requests::new(&self.herder));
        Some((
            target,
            self.shared()
                .worker
                .start_connector(name, &config, target, requests),
        ))
    }

    /// Starts a task with its configs of the snapshot; false if it has none or cannot start.
    pub(super) fn start_task(&self, configs: &ClusterConfigState, id: &ConnectorTaskId) -> bool {
        let (Some(connector), Some(task), Some(target)) = (
            configs.connector_config(&id.connector).cloned(),
            configs.task_config(id).cloned(),
            configs.target_state(&id.connector),
        ) else {
            return false;
        };
        let start = TaskStart {
            connector_config: &connector,
            task_config: &task,
            task_count: configs.task_count(&id.connector),
            target,
        };
        let cluster = &self.shared().cluster;
        let exactly_once = cluster.exactly_once == ExactlyOnceSupport::Enabled;
        let exactly_once = exactly_once.then(|| {
            let generation = configs.task_config_generation(&id.connector);
            ExactlyOnce {
                transactional_id: transactional_id(&cluster.group_id, id),
                checks: Arc::new(TaskChecks::new(&self.herder, id, generation)),
            }
        });
        let worker = &self.shared().worker;
        worker.start_task(id, start, exactly_once).is_ok()
    }

    /// Starts what is held and not here yet.
    pub(super) async fn start(&mut self, configs: &ClusterConfigState, held: &Work) {
        let kept: HashSet<&ConnectorTaskId> = held.tasks.iter().collect();
        // An eager rebalance, or a downgrade to one, gives the whole assignment: nothing else may
        // continue to run.
        let surplus = Work {
            connectors: self
                .connectors
                .iter()
                .filter(|name| !held.connectors.contains(name))
                .cloned()
                .collect(),
            tasks: self
                .tasks
                .iter()
                .filter(|id| !kept.contains(id))
                .cloned()
                .collect(),
        };
        self.stop(&surplus).await;
        for name in &held.connectors {
            if self.connectors.insert(name.clone()) {
                self.start_instance(configs, name);
            }
        }
        for id in &held.tasks {
            if self.tasks.insert(id.clone()) {
                self.start_task(configs, id);
            }
        }
    }

    /// Stops connectors and tasks, and waits until they have.
    pub(super) async fn stop(&mut self, work: &Work) {
        if work.is_empty() {
            return;
        }
        let shared = self.herder.shared.clone();
        shared.enter("stopping revoked connectors and tasks");
        for name in &work.connectors {
            self.reconfigurations.cancel(name);
            self.connectors.remove(name);
        }
        for id in &work.tasks {
            self.tasks.remove(id);
        }
        shared.worker.stop_connectors(&work.connectors).await;
        shared.worker.stop_tasks(&work.tasks).await;
        let configs = shared.configs.snapshot();
        if shared.config.topic_tracking.enabled {
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

    /// Stops the tasks of these connectors, whose configs are new; the rebalance starts those that
    /// are still held.
    pub(super) async fn stop_tasks_of(&mut self, connectors: &BTreeSet<ConnectorName>) {
        let tasks: Vec<ConnectorTaskId> = self
            .tasks
            .extract_if(|id| connectors.contains(&id.connector))
            .collect();
        self.shared().worker.stop_tasks(&tasks).await;
    }

    /// Takes a connector to its target state.
    pub(super) fn change_target_state(&self, configs: &ClusterConfigState, name: &ConnectorName) {
        let Some(target) = configs.target_state(name) else {
            return;
        };
        // Tasks of a stopped connector go with the rebalance that its empty set of tasks causes.
        if target != TargetState::Stopped {
            self.shared().worker.set_task_target(name, target);
        }
        if let Some(transition) = self.shared().worker.transition_connector(name, target) {
            self.herder
                .reconfigure_after(name.clone(), target, transition);
        }
    }

    /// Restarts an instance, tasks or both, which the group gave to this worker.
    pub(super) async fn restart(
        &self,
        configs: &ClusterConfigState,
        name: &ConnectorName,
        connector: bool,
        tasks: &[ConnectorTaskId],
    ) {
        let shared = self.shared();
        if connector {
            shared
                .worker
                .stop_connectors(std::slice::from_ref(name))
                .await;
            shared.reporter.connector_restarts(name);
        }
        if !tasks.is_empty() {
            shared.worker.stop_tasks(tasks).await;
            for id in tasks {
                shared.reporter.task_restarts(id);
            }
        }
        if connector {
            self.start_instance(configs, name);
        }
        for id in tasks {
            self.start_task(configs, id);
        }
    }
}
