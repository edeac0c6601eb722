//! Lag and figures of tasks, and the sums over a connector and a worker.

use std::collections::{BTreeMap, BTreeSet};

use sluice_protocol::{ConnectorName, ConnectorType, State};

use super::{Cluster, Connector, PartitionLag, Partitions, Task, TaskFigures};
use crate::model::news::TaskReport;
use crate::text::Text;
use crate::units::Millis;

/// Figures older than this are past, in milliseconds: a worker reports all of them every 30 s.
const FIGURES_FOR: Millis = 45_000;

impl Cluster {
    /// Lets time pass; true when rows look different for it.
    pub(crate) fn tick(&mut self, now: Millis) -> bool {
        let mut changed = false;
        for connector in self.connectors.values_mut() {
            changed |= connector.forget_old_figures(now);
            connector.sample(now);
            // Time alone changes two kinds of health only: lag that stands still, and tasks that do not come.
            if connector.lag.is_some_and(|lag| lag > 0) || connector.appeared.is_some() {
                let before = connector.health;
                connector.recompute(now);
                changed |= before != connector.health;
            }
        }
        changed
    }

    /// Takes over the lag of some sinks, all their partitions at once.
    pub(super) fn lag(&mut self, now: Millis, at: Millis, partitions: Vec<PartitionLag>) {
        let mut by_connector: BTreeMap<ConnectorName, Vec<PartitionLag>> = BTreeMap::new();
        for partition in partitions {
            let own = by_connector.entry(partition.connector.clone());
            own.or_default().push(partition);
        }
        for (name, partitions) in by_connector {
            let seen: BTreeSet<(&Text, i32)> =
                partitions.iter().map(|p| (&p.topic, p.partition)).collect();
            self.partitions.retain(|(connector, topic, partition), _| {
                *connector != name || seen.contains(&(topic, *partition))
            });
            let moved = self.update_partitions(at, partitions);
            self.sum_lag(now, &name, at, moved);
        }
        self.lag_at = self.lag_at.max(Some(at));
    }

    /// Takes over when offsets of sources moved, by the offset topic. Names that are not sources of this
    /// cluster are passed over: what was deleted stays in that topic.
    pub(super) fn sources_moved(&mut self, now: Millis, moved: BTreeMap<ConnectorName, Millis>) {
        for (name, at) in moved {
            if let Some(connector) = self.connectors.get_mut(&name)
                && connector.kind == ConnectorType::Source
            {
                connector.moved = connector.moved.max(Some(at.min(now)));
            }
        }
    }

    /// Takes over partitions looked at `at`; true when any committed offset moved.
    fn update_partitions(&mut self, at: Millis, partitions: Vec<PartitionLag>) -> bool {
        let mut moved = false;
        for partition in partitions {
            let key = (
                partition.connector.clone(),
                partition.topic.clone(),
                partition.partition,
            );
            let old = self.partitions.get(&key);
            moved |= old.is_none_or(|old| old.committed != partition.committed);
            let slope = old.and_then(|old| slope(old, &partition, at));
            let partition = PartitionLag {
                slope,
                at,
                ..partition
            };
            self.partitions.insert(key, partition);
        }
        moved
    }

    /// Sums the partitions of a connector and of its tasks.
    fn sum_lag(&mut self, now: Millis, name: &ConnectorName, at: Millis, moved: bool) {
        let Some(connector) = self.connectors.get_mut(name) else {
            return;
        };
        let mut sum = None;
        let mut by_task: BTreeMap<u32, i64> = BTreeMap::new();
        for partition in of(&self.partitions, name) {
            let Some(lag) = partition.lag() else { continue };
            sum = Some(sum.unwrap_or(0) + lag);
            if let Some(task) = partition.task {
                *by_task.entry(task).or_default() += lag;
            }
        }
        connector.lag = sum;
        connector.lag_at = Some(at);
        connector.lag_moved(at, moved);
        // A task that owns nothing now has no lag of its own; the one it had is not it.
        for task in connector.tasks.values_mut() {
            task.lag = by_task.get(&task.id).copied();
        }
        connector.recompute(now);
        connector.sample(now);
    }

    /// Takes over the figures that a worker reports of a task.
    pub(super) fn task_report(&mut self, now: Millis, mut report: TaskReport) {
        let at = report.figures.at;
        self.telemetry_at = self.telemetry_at.max(Some(at));
        let name = report.connector.clone();
        let partitions = std::mem::take(&mut report.partitions);
        let moved = (!partitions.is_empty()).then(|| self.update_partitions(at, partitions));
        let Some(connector) = self.connectors.get_mut(&name) else {
            return;
        };
        let Some(task) = connector.tasks.get_mut(&report.task) else {
            return;
        };
        task.report(report);
        connector.sum_figures();
        let runs = |task: &Task| task.state == State::Running && task.lag.is_some();
        // While all run, each reports its own lag, also of more partitions than it lists.
        if connector.kind == ConnectorType::Sink && !connector.tasks.values().all(runs) {
            let lags = of(&self.partitions, &name).filter_map(PartitionLag::lag);
            connector.lag = lags.reduce(i64::saturating_add);
        }
        if let Some(moved) = moved {
            connector.lag_moved(at, moved);
        } else if connector.kind == ConnectorType::Source {
            let figures = connector.tasks.values().filter_map(|t| t.figures.as_ref());
            let committed = figures.filter_map(|figures| figures.committed_at).max();
            // The offset topic may know more: figures begin with the task.
            connector.moved = connector.moved.max(committed);
        }
        connector.recompute(now);
        connector.sample(now);
        self.lag_at = self.lag_at.max(Some(at));
    }
}

/// The partitions that a connector reads.
fn of<'a>(all: &'a Partitions, name: &'a ConnectorName) -> impl Iterator<Item = &'a PartitionLag> {
    let own = all.range((name.clone(), Text::default(), i32::MIN)..);
    let own = own.map(|(_, partition)| partition);
    own.take_while(move |partition| partition.connector == *name)
}

/// The change of lag per second since the look before, smoothed, because commits come in steps.
fn slope(old: &PartitionLag, new: &PartitionLag, at: Millis) -> Option<f64> {
    let (Some(before), Some(after), true) = (old.lag(), new.lag(), at > old.at) else {
        return old.slope;
    };
    let slope = (after - before) as f64 * 1_000.0 / (at - old.at) as f64;
    let earlier = old.slope.map(|earlier| earlier * 0.7 + slope * 0.3);
    Some(earlier.unwrap_or(slope))
}

impl Task {
    fn report(&mut self, report: TaskReport) {
        if report.removed {
            if self.worker == report.worker {
                self.figures = None;
                self.lag = None;
            }
            return;
        }
        self.lag = report.lag;
        if self.state == report.state && report.since.is_some() {
            self.changed = report.since;
        }
        let mut figures = report.figures;
        if figures.partitions.is_empty() {
            let old = self.figures.take();
            figures.partitions = old.map(|old| old.partitions).unwrap_or_default();
        }
        self.figures = Some(Box::new(figures));
    }
}

impl Connector {
    /// Notes whether offsets of a sink moved. Nothing to read counts as moving, else the first record after
    /// a quiet hour would look like a stall.
    fn lag_moved(&mut self, at: Millis, moved: bool) {
        if moved || self.lag == Some(0) || self.moved.is_none() {
            self.moved = Some(at);
        }
    }

    /// Sums the figures of its tasks.
    fn sum_figures(&mut self) {
        let figures = || {
            self.tasks
                .values()
                .filter_map(|task| task.figures.as_deref())
        };
        let rate = figures().filter_map(|f| f.rate).reduce(|a, b| a + b);
        let errors = figures().filter_map(|f| f.errors).reduce(|a, b| a + b);
        let newest = figures().map(|figures: &TaskFigures| figures.at).max();
        let lags: Option<Vec<i64>> = self.tasks.values().map(|task| task.lag).collect();
        if let (Some(lags), Some(_), ConnectorType::Sink) = (lags, newest, self.kind) {
            self.lag = Some(lags.iter().sum());
            self.lag_at = newest.max(self.lag_at);
        }
        self.rate = rate;
        self.errors = errors;
    }

    /// Forgets figures of tasks whose worker has fallen silent; true when there were any.
    fn forget_old_figures(&mut self, now: Millis) -> bool {
        let mut forgot = false;
        for task in self.tasks.values_mut() {
            let old = |figures: &mut Box<TaskFigures>| now - figures.at > FIGURES_FOR;
            forgot |= task.figures.take_if(old).is_some();
        }
        if forgot {
            self.sum_figures();
        }
        forgot
    }
}
