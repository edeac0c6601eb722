//! The worker's numbers as Prometheus text, under the names of Connect's JMX attributes.
//!
//! `kafka.connect:type=source-task-metrics,connector=c,task=0` with attribute
//! `source-record-poll-total` becomes
//! `kafka_connect_source_task_source_record_poll_total{connector="c",task="0"}`: the names that the JMX
//! exporter makes with the rules of Strimzi, so that dashboards made for those find them. [`tables`] has
//! each of them, with its help.

mod tables;
mod text;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;
use sluice_protocol::telemetry::GroupTelemetry;
use sluice_protocol::{ConnectorName, ConnectorTaskId, ConnectorType, State};

use self::tables::{
    CONNECTOR, CONNECTOR_INFO, COORDINATOR, Connector, REBALANCE, REBALANCE_INFO, Rebalances,
    SINK_TASK, SOURCE_TASK, TASK, TASK_ERROR, TASK_INFO, WORKER, Work,
};
pub use self::tables::{Subject, documented};
use self::text::{Text, labels};
use crate::clock::now;
use crate::plugins::ConnectorPlugin;
use crate::status::{LocalState, StatusReporter};
use crate::storage::StatusBackingStore;
use crate::worker::lifecycle::Worker;
use crate::worker::metrics::TaskMetricsSnapshot;

/// What the herder's task lets others see of the group.
#[derive(Default)]
pub(crate) struct ClusterView {
    /// Membership at this moment.
    pub group: Mutex<GroupTelemetry>,
    rebalances: AtomicU64,
    last_rebalance_at: AtomicI64,
    last_rebalance_millis: AtomicI64,
    longest_rebalance_millis: AtomicI64,
    all_rebalance_millis: AtomicI64,
    started: AtomicBool,
}

impl ClusterView {
    /// Counts a completed rebalance that took this many milliseconds.
    pub(crate) fn rebalanced(&self, millis: i64) {
        self.rebalances.fetch_add(1, Ordering::Relaxed);
        self.last_rebalance_at.store(now().get(), Ordering::Relaxed);
        self.last_rebalance_millis.store(millis, Ordering::Relaxed);
        self.longest_rebalance_millis
            .fetch_max(millis, Ordering::Relaxed);
        self.all_rebalance_millis
            .fetch_add(millis, Ordering::Relaxed);
        self.mark_started();
    }

    /// The worker has joined its group for the first time.
    pub(crate) fn mark_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Whether the worker has ever joined its group.
    pub(crate) fn has_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// Membership, with the counts of rebalances filled in.
    pub(crate) fn snapshot(&self) -> GroupTelemetry {
        let mut group = self.group.lock().clone();
        group.rebalances = self.rebalances.load(Ordering::Relaxed);
        group.last_rebalance_ms =
            u64::try_from(self.last_rebalance_millis.load(Ordering::Relaxed)).unwrap_or(0);
        group
    }

    /// The figures of `connect-worker-rebalance-metrics` now.
    fn rebalances(&self) -> Rebalances {
        let group = self.snapshot();
        let millis = |value: &AtomicI64| u64::try_from(value.load(Ordering::Relaxed)).unwrap_or(0);
        let since = now().get() - self.last_rebalance_at.load(Ordering::Relaxed);
        Rebalances {
            longest_ms: millis(&self.longest_rebalance_millis),
            average_ms: millis(&self.all_rebalance_millis).checked_div(group.rebalances),
            since_ms: u64::try_from(since).ok().filter(|_| group.rebalances > 0),
            group,
        }
    }
}

/// Everything measured on this worker. `view` is `None` on a standalone worker.
pub(crate) fn prometheus(
    worker: &Worker,
    reporter: &StatusReporter,
    statuses: &dyn StatusBackingStore,
    view: Option<&ClusterView>,
) -> String {
    let mut text = Text::default();
    let connectors = connectors(worker, reporter, statuses);
    let states = reporter.local_tasks();
    let work = Work {
        connectors: connectors.len(),
        tasks: states.len(),
    };
    text.numbers(WORKER, &[(String::new(), &work)]);
    if let Some(view) = view {
        let rebalances = view.rebalances();
        text.numbers(COORDINATOR, &[(String::new(), &work)]);
        text.numbers(REBALANCE, &[(String::new(), &rebalances)]);
        text.infos(REBALANCE_INFO, &[(String::new(), &rebalances)]);
    }
    let connectors: Vec<_> = connectors
        .iter()
        .map(|(of, one)| (of.clone(), one))
        .collect();
    text.infos(CONNECTOR_INFO, &connectors);
    text.numbers(CONNECTOR, &connectors);
    tasks(&mut text, worker, &states);
    text.finish()
}

/// The connectors that run here, in the sequence of their names, behind their labels.
fn connectors(
    worker: &Worker,
    reporter: &StatusReporter,
    statuses: &dyn StatusBackingStore,
) -> Vec<(String, Connector)> {
    let plugins: HashMap<ConnectorName, ConnectorPlugin> = worker.connector_plugins();
    let mut local: Vec<_> = reporter.local_connectors().into_iter().collect();
    local.sort_unstable_by(|(first, _), (second, _)| first.cmp(second));
    let connector = |(name, local): (ConnectorName, LocalState)| {
        let tasks = statuses.tasks(&name).into_iter();
        let connector = Connector {
            state: local.state,
            version: local.version,
            plugin: plugins.get(&name).cloned(),
            tasks: tasks.map(|(_, status)| status.state).collect(),
        };
        (labels(&[("connector", &name)]), connector)
    };
    local.into_iter().map(connector).collect()
}

/// The figures of all tasks that run here, in the sequence of their ids.
fn tasks(text: &mut Text, worker: &Worker, states: &HashMap<ConnectorTaskId, LocalState>) {
    let mut running = worker.tasks();
    running.sort_unstable_by(|first, second| first.id.cmp(&second.id));
    let measured: Vec<(String, ConnectorType, Option<State>, TaskMetricsSnapshot)> = running
        .iter()
        .map(|task| {
            let number = task.id.task.to_string();
            let labels = labels(&[("connector", &task.id.connector), ("task", &number)]);
            let state = states.get(&task.id).map(|local| local.state);
            (labels, task.plugin.kind(), state, task.metrics.snapshot())
        })
        .collect();
    let of_kind = |wanted: Option<ConnectorType>| -> Vec<(String, &TaskMetricsSnapshot)> {
        measured
            .iter()
            .filter(|(_, kind, ..)| wanted.is_none_or(|wanted| wanted == *kind))
            .map(|(labels, _, _, numbers)| (labels.clone(), numbers))
            .collect()
    };
    let states: Vec<_> = measured
        .iter()
        .map(|(labels, _, state, _)| (labels.clone(), state))
        .collect();
    text.infos(TASK_INFO, &states);
    text.numbers(TASK, &of_kind(None));
    text.numbers(SOURCE_TASK, &of_kind(Some(ConnectorType::Source)));
    text.numbers(SINK_TASK, &of_kind(Some(ConnectorType::Sink)));
    text.numbers(TASK_ERROR, &of_kind(None));
}
