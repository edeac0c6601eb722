//! Workers, group, rebalances, lag and task figures into the model.

use std::collections::{BTreeMap, BTreeSet};

use sluice_protocol::ConnectorName;

use super::data::note;
use crate::message::{GroupMember, GroupReport, LagReport, TaskReport, WorkerReport};
use crate::model::Model;
use crate::model::cluster::{Group, PartitionLag, Rebalance, Worker, WorkerKind};
use crate::model::event::{NewEvent, Severity};
use crate::text::Text;
use crate::units::Millis;

/// Rebalances remembered.
const REBALANCES: usize = 200;

/// A worker described itself.
pub(super) fn worker(model: &mut Model, report: WorkerReport) {
    let cluster = &mut model.cluster;
    cluster.telemetry_at = cluster.telemetry_at.max(Some(report.at));
    if report.stopping {
        if let Some(worker) = cluster.workers.get_mut(&report.worker) {
            worker.member = Some(false);
        }
        let id = report.worker;
        note(
            model,
            Severity::Warn,
            "worker",
            &id,
            "is shutting down",
            None,
        );
        return;
    }
    let worker = cluster
        .workers
        .entry(report.worker.clone())
        .or_insert_with(|| Worker::new(report.worker));
    worker.kind = Some(report.kind);
    worker.version = Some(report.version);
    worker.cpu = Some(report.cpu);
    worker.memory = Some(report.memory);
    worker.started = Some(report.at - report.uptime);
    worker.seen = Some(report.at);
    if report.leader.is_some() {
        worker.leader = report.leader;
    }
    if let Some(generation) = report.generation
        && let Some(group) = &mut cluster.group
    {
        group.generation = group.generation.max(Some(generation));
        if report.leader == Some(true) {
            group.delay = report.delay;
        }
    }
}

/// The coordinator described the group.
pub(super) fn group(model: &mut Model, report: GroupReport) {
    let cluster = &mut model.cluster;
    cluster.group_at = Some(report.at);
    // Before the first settled look there are no members to compare with.
    let compared = cluster
        .workers
        .values()
        .any(|worker| worker.member.is_some());
    let before: Option<(Group, BTreeSet<Text>)> = cluster.group.clone().map(|group| {
        let members = cluster
            .workers
            .values()
            .filter(|worker| worker.member == Some(true))
            .map(|worker| worker.id.clone())
            .collect();
        (group, members)
    });
    let stable = matches!(report.state.as_str(), "Stable" | "Empty" | "Dead");
    let now_members: BTreeSet<Text> = report.members.iter().map(|m| m.worker.clone()).collect();
    // While members join, the coordinator lists them without their data: membership is only read when it settled.
    if stable {
        for worker in cluster.workers.values_mut() {
            worker.member = Some(now_members.contains(&worker.id));
            if worker.member == Some(false) {
                // What it last said of itself holds no longer.
                worker.leader = None;
                worker.cpu = None;
                worker.memory = None;
                worker.rate = None;
                worker.started = None;
            }
        }
        for member in &report.members {
            join(
                cluster.workers.entry(member.worker.clone()),
                member,
                &report.leader,
            );
        }
    }
    let agents = cluster
        .workers
        .values()
        .any(|worker| worker.kind == Some(WorkerKind::Agent) && worker.member == Some(true));
    let mut group = before.as_ref().map_or_else(
        || Group {
            id: report.id.clone(),
            state: report.state.clone(),
            protocol: report.protocol.clone(),
            generation: None,
            delay: report.delay,
            changes: 0,
        },
        |(group, _)| group.clone(),
    );
    let was_stable = group.state.as_str() == "Stable";
    group.id = report.id;
    group.state = report.state;
    group.protocol = report.protocol;
    group.delay = report.delay;
    if stable && !agents {
        // Only agents tell the generation.
        group.generation = None;
    }
    let members_before = before.map(|(_, members)| members);
    let jvm_only = cluster
        .workers
        .values()
        .all(|w| w.kind != Some(WorkerKind::Agent));
    if let Some(earlier) = members_before
        && stable
        && compared
    {
        let joined = now_members.difference(&earlier).count();
        let left = earlier.difference(&now_members).count();
        if joined + left > 0 || !was_stable {
            group.changes += 1;
            if jvm_only {
                let cause = cause(&earlier, &now_members);
                cluster.rebalances.push_front(Rebalance {
                    generation: None,
                    start: report.at,
                    duration: None,
                    cause: Text::line(&cause),
                    joined: Some(joined),
                    left: Some(left),
                    assigned: None,
                    revoked: None,
                    delay: group.delay,
                });
                cluster.rebalances.truncate(REBALANCES);
                cluster.group = Some(group);
                note(
                    model,
                    Severity::Warn,
                    "rebalance",
                    &Text::from("group"),
                    &cause,
                    None,
                );
                return;
            }
        }
    }
    cluster.group = Some(group);
}

fn join(
    entry: std::collections::btree_map::Entry<'_, Text, Worker>,
    member: &GroupMember,
    leader: &Option<Text>,
) {
    let worker = entry.or_insert_with(|| Worker::new(member.worker.clone()));
    worker.member = Some(true);
    if worker.kind.is_none() {
        worker.kind = member.kind;
    }
    if let Some(leader) = leader {
        worker.leader = Some(*leader == member.worker);
    }
}

fn cause(before: &BTreeSet<Text>, after: &BTreeSet<Text>) -> String {
    let list = |set: Vec<&Text>| {
        set.iter()
            .map(|text| text.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let joined: Vec<&Text> = after.difference(before).collect();
    let left: Vec<&Text> = before.difference(after).collect();
    match (joined.is_empty(), left.is_empty()) {
        (true, true) => "assignment changed".to_owned(),
        (false, true) => format!("{} joined", list(joined)),
        (true, false) => format!("{} left", list(left)),
        (false, false) => format!("{} joined, {} left", list(joined), list(left)),
    }
}

/// An agent reported a rebalance; every member reports the same one, the leader knows most.
pub(super) fn rebalance(model: &mut Model, new: Rebalance) {
    let rebalances = &mut model.cluster.rebalances;
    let generation = new.generation;
    if let Some(known) = rebalances
        .iter_mut()
        .find(|known| known.generation.is_some() && known.generation == generation)
    {
        known.start = known.start.min(new.start);
        known.duration = known.duration.max(new.duration);
        known.assigned = Some(known.assigned.unwrap_or(0) + new.assigned.unwrap_or(0));
        known.revoked = Some(known.revoked.unwrap_or(0) + new.revoked.unwrap_or(0));
        known.joined = known.joined.or(new.joined);
        known.left = known.left.or(new.left);
        known.delay = known.delay.max(new.delay);
        return;
    }
    let event = NewEvent {
        at: new.start,
        severity: Severity::Warn,
        kind: "rebalance",
        object: Text::from("group"),
        what: match generation {
            Some(generation) => Text::line(&format!("generation {generation}: {}", new.cause)),
            None => new.cause.clone(),
        },
        by: Text::from("telemetry"),
        connector: None,
    };
    let place = rebalances
        .iter()
        .position(|known| known.start <= new.start)
        .unwrap_or(rebalances.len());
    rebalances.insert(place, new);
    rebalances.truncate(REBALANCES);
    model.events.push(event);
}

/// Lag of some sinks, all their partitions at once.
pub(super) fn lag(model: &mut Model, at: Millis, reports: Vec<LagReport>) {
    let mut by_connector: BTreeMap<ConnectorName, Vec<LagReport>> = BTreeMap::new();
    for report in reports {
        by_connector
            .entry(report.connector.clone())
            .or_default()
            .push(report);
    }
    for (name, reports) in by_connector {
        let seen: BTreeSet<(Text, i32)> = reports
            .iter()
            .map(|r| (r.topic.clone(), r.partition))
            .collect();
        model
            .cluster
            .partitions
            .retain(|(connector, topic, partition), _| {
                *connector != name || seen.contains(&(topic.clone(), *partition))
            });
        let moved = partitions(model, at, reports);
        total(model, &name, at, moved);
    }
    model.cluster.lag_at = model.cluster.lag_at.max(Some(at));
}

/// Takes over partitions; true when any committed offset moved.
fn partitions(model: &mut Model, at: Millis, reports: Vec<LagReport>) -> bool {
    let mut moved = false;
    for report in reports {
        let key = (
            report.connector.clone(),
            report.topic.clone(),
            report.partition,
        );
        let old = model.cluster.partitions.get(&key);
        moved |= old.is_none_or(|old| old.committed != report.committed);
        let mut new = PartitionLag {
            connector: report.connector,
            topic: report.topic,
            partition: report.partition,
            end: report.end,
            committed: report.committed,
            task: report.task,
            slope: old.and_then(|old| old.slope),
            at,
        };
        if let Some(old) = old
            && at > old.at
            && let (Some(before), Some(after)) = (old.lag(), new.lag())
        {
            let slope = (after - before) as f64 * 1_000.0 / (at - old.at) as f64;
            // Smoothed, because commits come in steps.
            new.slope = Some(
                old.slope
                    .map_or(slope, |earlier| earlier * 0.7 + slope * 0.3),
            );
        }
        model.cluster.partitions.insert(key, new);
    }
    moved
}

/// Sums the partitions of a connector and of its tasks.
fn total(model: &mut Model, name: &ConnectorName, at: Millis, moved: bool) {
    let now = model.now;
    let Some(connector) = model.cluster.connectors.get_mut(name) else {
        return;
    };
    let mut sum = None;
    let mut by_task: BTreeMap<u32, i64> = BTreeMap::new();
    let range = model
        .cluster
        .partitions
        .range((name.clone(), Text::default(), i32::MIN)..)
        .take_while(|((connector, _, _), _)| connector == name);
    for (_, partition) in range {
        let Some(lag) = partition.lag() else { continue };
        sum = Some(sum.unwrap_or(0) + lag);
        if let Some(task) = partition.task {
            *by_task.entry(task).or_default() += lag;
        }
    }
    connector.lag = sum;
    connector.lag_at = Some(at);
    // Nothing to read counts as moving, else the first record after a quiet hour would look like a stall.
    if moved || sum == Some(0) || connector.moved.is_none() {
        connector.moved = Some(at);
    }
    for (id, lag) in by_task {
        if let Some(task) = connector.tasks.get_mut(&id) {
            task.lag = Some(lag);
        }
    }
    connector.recompute(now);
    connector.sample(now);
}

/// Figures of a task from telemetry.
pub(super) fn task(model: &mut Model, report: TaskReport) {
    let now = model.now;
    model.cluster.telemetry_at = model.cluster.telemetry_at.max(Some(report.figures.at));
    let name = report.connector.clone();
    let at = report.figures.at;
    let moved = if report.partitions.is_empty() {
        None
    } else {
        Some(partitions(model, at, report.partitions))
    };
    let Some(connector) = model.cluster.connectors.get_mut(&name) else {
        return;
    };
    let Some(task) = connector.tasks.get_mut(&report.task) else {
        return;
    };
    if report.removed {
        if task.worker == report.worker {
            task.figures = None;
            task.lag = None;
        }
    } else {
        task.lag = report.lag;
        if task.state == report.state && report.since.is_some() {
            task.changed = report.since;
        }
        let partitions = if report.figures.partitions.is_empty() {
            task.figures
                .take()
                .map(|old| old.partitions)
                .unwrap_or_default()
        } else {
            report.figures.partitions.clone()
        };
        task.figures = Some(Box::new(crate::model::cluster::TaskFigures {
            partitions,
            ..report.figures
        }));
    }
    sum_figures(connector);
    match moved {
        Some(moved) => {
            let lag = connector.lag;
            if moved || lag == Some(0) || connector.moved.is_none() {
                connector.moved = Some(at);
            }
        }
        None => {
            let committed = connector
                .tasks
                .values()
                .filter_map(|task| task.figures.as_ref()?.committed_at)
                .max();
            if connector.kind == sluice_protocol::ConnectorType::Source {
                connector.moved = committed;
            }
        }
    }
    connector.recompute(now);
    connector.sample(now);
    model.cluster.lag_at = model.cluster.lag_at.max(Some(at));
}

fn sum_figures(connector: &mut crate::model::cluster::Connector) {
    let figures: Vec<_> = connector
        .tasks
        .values()
        .filter_map(|t| t.figures.as_ref())
        .collect();
    connector.rate = figures.iter().filter_map(|f| f.rate).reduce(|a, b| a + b);
    connector.errors = figures.iter().filter_map(|f| f.errors).reduce(|a, b| a + b);
    let lags: Vec<i64> = connector
        .tasks
        .values()
        .filter_map(|task| task.lag)
        .collect();
    if connector.kind == sluice_protocol::ConnectorType::Sink && !lags.is_empty() {
        connector.lag = Some(lags.iter().sum());
        connector.lag_at = figures.iter().map(|f| f.at).max();
    }
}

/// Figures older than this are past: a worker tells all of them every 30 s.
const FIGURES_FOR: Millis = 45_000;

/// Forgets figures of tasks whose worker has fallen silent; true when there were any.
pub(super) fn forget_old_figures(
    connector: &mut crate::model::cluster::Connector,
    now: Millis,
) -> bool {
    let mut forgot = false;
    for task in connector.tasks.values_mut() {
        if task
            .figures
            .as_ref()
            .is_some_and(|figures| now - figures.at > FIGURES_FOR)
        {
            task.figures = None;
            forgot = true;
        }
    }
    if forgot {
        sum_figures(connector);
    }
    forgot
}

/// Records per second of each worker, from its tasks.
pub(super) fn worker_rates(model: &mut Model) {
    let mut rates: BTreeMap<&Text, f64> = BTreeMap::new();
    for task in model
        .cluster
        .connectors
        .values()
        .flat_map(|c| c.tasks.values())
    {
        if let Some(rate) = task.figures.as_ref().and_then(|figures| figures.rate) {
            *rates.entry(&task.worker).or_default() += rate;
        }
    }
    for (id, worker) in &mut model.cluster.workers {
        if worker.kind == Some(WorkerKind::Agent) && worker.member != Some(false) {
            worker.rate = Some(rates.get(id).copied().unwrap_or(0.0));
        }
    }
}
