//! Workers, group, rebalances, lag and task figures into the model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sluice_protocol::{ConnectorName, ConnectorType};

use super::data::note;
use crate::message::{GroupMember, GroupReport, LagReport, TaskReport, WorkerReport};
use crate::model::Model;
use crate::model::cluster::{Cluster, Group, PartitionLag, Rebalance, Task, Worker, WorkerKind};
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
            group.delay_until = report
                .delay
                .filter(|delay| *delay > 0)
                .map(|delay| report.at + delay);
        }
    }
}

/// The coordinator described the group.
pub(super) fn group(model: &mut Model, report: &GroupReport) {
    let now = model.now;
    let cluster = &mut model.cluster;
    cluster.group_at = Some(report.at);
    let was_empty = cluster
        .group
        .as_ref()
        .is_none_or(|group| is_empty(&group.state));
    let mut group = cluster.group.take().unwrap_or_else(|| Group {
        id: report.id.clone(),
        state: report.state.clone(),
        protocol: report.protocol.clone(),
        generation: None,
        delay: None,
        delay_until: None,
        unsettled: None,
        assigned: BTreeMap::new(),
        changes: 0,
    });
    group.id = report.id.clone();
    group.state = report.state.clone();
    group.protocol = report.protocol.clone();
    // A coordinator that starts again knows its members only after they have joined it: one empty look proves nothing.
    let settled = report.state.as_str() == "Stable" || (is_empty(&report.state) && was_empty);
    if !settled {
        // While members join, the coordinator lists them without their data.
        group.unsettled.get_or_insert(report.at);
        cluster.group = Some(group);
        return;
    }
    let earlier = members(cluster);
    let present: BTreeSet<Text> = report.members.iter().map(|m| m.worker.clone()).collect();
    for worker in cluster.workers.values_mut() {
        enter_or_leave(worker, present.contains(&worker.id));
    }
    for member in &report.members {
        join(
            cluster.workers.entry(member.worker.clone()),
            member,
            &report.leader,
        );
    }
    let agents = cluster
        .workers
        .values()
        .any(|worker| worker.kind == Some(WorkerKind::Agent) && worker.member == Some(true));
    if !agents {
        // Only agents tell the generation, and how much of the delay is left.
        group.generation = None;
        follow_delay(&mut group, report);
    }
    let assigned = assignments(report);
    let before = std::mem::replace(&mut group.assigned, assigned);
    let unsettled = group.unsettled.take();
    if let Some(earlier) = earlier {
        let seen = Seen {
            at: report.at,
            unsettled,
            earlier: &earlier,
            present: &present,
            before: &before,
            revoked: report.members.iter().map(|member| member.revoked).sum(),
        };
        if let Some(rebalance) = seen.rebalance(&group) {
            group.changes += 1;
            if !agents
                && cluster
                    .workers
                    .values()
                    .all(|w| w.kind != Some(WorkerKind::Agent))
            {
                let cause = rebalance.cause.clone();
                cluster.rebalances.push_front(rebalance);
                cluster.rebalances.truncate(REBALANCES);
                let group = Text::from("group");
                note(
                    model,
                    Severity::Warn,
                    "rebalance",
                    &group,
                    cause.as_str(),
                    None,
                );
            }
        }
    }
    model.cluster.group = Some(group);
    model.cluster.mark_lost(now);
}

fn is_empty(state: &Text) -> bool {
    matches!(state.as_str(), "Empty" | "Dead")
}

/// Members as of the last settled look; `None` before the first.
fn members(cluster: &Cluster) -> Option<BTreeSet<Text>> {
    let known = |worker: &&Worker| worker.member.is_some();
    cluster.workers.values().find(known)?;
    let member = |worker: &&Worker| worker.member == Some(true);
    let ids = cluster.workers.values().filter(member);
    Some(ids.map(|worker| worker.id.clone()).collect())
}

fn enter_or_leave(worker: &mut Worker, present: bool) {
    let was = worker.member.replace(present);
    if !present {
        // What it last said of itself holds no longer.
        worker.leader = None;
        worker.cpu = None;
        worker.memory = None;
        worker.rate = None;
        worker.started = None;
    } else if was == Some(false) {
        // Nor does how it answered while it was away.
        worker.health = None;
    }
}

/// The delay of an assignment is what was left of it when that was made.
fn follow_delay(group: &mut Group, report: &GroupReport) {
    if group.delay != report.delay {
        group.delay_until = report
            .delay
            .filter(|delay| *delay > 0)
            .map(|delay| report.at + delay);
    }
    group.delay = report.delay;
}

/// Connectors and tasks with the worker that has them.
fn assignments(report: &GroupReport) -> BTreeMap<Text, Text> {
    let of = |member: &GroupMember| {
        let work = member.connectors.iter().chain(&member.tasks).cloned();
        let worker = member.worker.clone();
        work.map(move |work| (work, worker.clone()))
            .collect::<Vec<_>>()
    };
    report.members.iter().flat_map(of).collect()
}

/// Two settled looks at the group, and what lies between them.
struct Seen<'a> {
    at: Millis,
    unsettled: Option<Millis>,
    earlier: &'a BTreeSet<Text>,
    present: &'a BTreeSet<Text>,
    before: &'a BTreeMap<Text, Text>,
    revoked: usize,
}

impl Seen<'_> {
    /// The rebalance between the looks; `None` when nothing changed and none was seen.
    fn rebalance(&self, group: &Group) -> Option<Rebalance> {
        let joined = self.present.difference(self.earlier).count();
        let left = self.earlier.difference(self.present).count();
        // Work that an empty group had is with nobody; nothing tells how much that was.
        let told = !self.present.is_empty();
        let changed = *self.before != group.assigned;
        if joined + left == 0 && !changed && self.unsettled.is_none() {
            return None;
        }
        let assigned = group.assigned.len();
        let cause = match who(self.earlier, self.present, None) {
            Some(who) => who,
            None if assigned + self.revoked > 0 => "the same members, work moved".to_owned(),
            None => "the same members, nothing moved".to_owned(),
        };
        Some(Rebalance {
            generation: None,
            start: self.unsettled.unwrap_or(self.at),
            duration: self.unsettled.map(|since| self.at - since),
            cause: Text::line(&cause),
            joined: Some(joined),
            left: Some(left),
            assigned: told.then_some(assigned),
            revoked: told.then_some(self.revoked),
            delay: group.delay,
            members: Some(self.present.clone()),
            leader: None,
        })
    }
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

/// Who came and who went, in words; `None` when nobody did. `leader` is who led before.
fn who(before: &BTreeSet<Text>, after: &BTreeSet<Text>, leader: Option<&Text>) -> Option<String> {
    let list = |set: Vec<&Text>| {
        set.iter()
            .map(|worker| match leader {
                Some(leader) if leader == *worker => format!("{worker} (leader)"),
                _ => worker.to_string(),
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let joined: Vec<&Text> = after.difference(before).collect();
    let left: Vec<&Text> = before.difference(after).collect();
    match (joined.is_empty(), left.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("{} joined", list(joined))),
        (true, false) => Some(format!("{} left", list(left))),
        (false, false) => Some(format!("{} left, {} joined", list(left), list(joined))),
    }
}

/// The cause that a member reports which did not begin a rebalance.
const HEARD: &str = "group is rebalancing";
/// What that says to people.
const ASKED: &str = "another member asked for it";

/// An agent reported a rebalance; every member reports the same one, and the leader who the members are.
///
/// Who joined and left is what differs from the members of the generation before. A new leader does not know them, and
/// what it then reports is not shown.
pub(super) fn rebalance(model: &mut Model, new: Rebalance) {
    let mut new = new;
    match new.cause.as_str() {
        HEARD => new.cause = Text::from(ASKED),
        // The second round of a move, in the words of the protocol.
        "own revoked work can be placed" => {
            new.cause = Text::from("revoked work finds its new place");
        }
        _ => {}
    }
    let rebalances = &mut model.cluster.rebalances;
    let generation = new.generation;
    let by_leader = new.members.is_some();
    if let Some(known) = rebalances
        .iter_mut()
        .find(|known| known.generation.is_some() && known.generation == generation)
    {
        known.start = known.start.min(new.start);
        known.duration = known.duration.max(new.duration);
        known.assigned = Some(known.assigned.unwrap_or(0) + new.assigned.unwrap_or(0));
        known.revoked = Some(known.revoked.unwrap_or(0) + new.revoked.unwrap_or(0));
        known.delay = known.delay.max(new.delay);
        // Whoever began it knows why; the others only heard of it.
        let heard = |cause: &Text| cause.as_str() == HEARD || cause.as_str() == ASKED;
        if !heard(&new.cause) && (by_leader || heard(&known.cause)) {
            known.cause = new.cause;
        }
        if by_leader {
            known.members = new.members;
            known.leader = new.leader;
        }
    } else {
        let place = rebalances
            .iter()
            .position(|known| known.start <= new.start)
            .unwrap_or(rebalances.len());
        rebalances.insert(place, new);
        rebalances.truncate(REBALANCES);
    }
    name_who(rebalances);
    let found = rebalances
        .iter()
        .find(|known| known.generation == generation);
    if let Some(found) = found.filter(|_| by_leader) {
        let what = match generation {
            Some(generation) => format!("generation {generation}: {}", found.cause),
            None => found.cause.to_string(),
        };
        let event = NewEvent {
            at: found.start,
            severity: Severity::Warn,
            kind: "rebalance",
            object: Text::from("group"),
            what: Text::line(&what),
            by: Text::from("telemetry"),
            connector: None,
        };
        model.events.push(event);
    }
}

/// Works out who joined and left from the members of each generation and the one before it.
fn name_who(rebalances: &mut VecDeque<Rebalance>) {
    let mut known: Vec<(i32, BTreeSet<Text>, Option<Text>)> = rebalances
        .iter()
        .filter_map(|r| Some((r.generation?, r.members.clone()?, r.leader.clone())))
        .collect();
    known.sort_by_key(|(generation, ..)| *generation);
    for pair in known.windows(2) {
        let [(_, before, leader), (generation, after, _)] = pair else {
            continue;
        };
        let Some(row) = rebalances
            .iter_mut()
            .find(|row| row.generation == Some(*generation))
        else {
            continue;
        };
        row.joined = Some(after.difference(before).count());
        row.left = Some(before.difference(after).count());
        if let Some(who) = who(before, after, leader.as_ref()) {
            row.cause = Text::line(&who);
        }
    }
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

/// When offsets of sources moved, by the offset topic. Names that are not sources of this cluster are passed
/// over: what was deleted stays in that topic.
pub(super) fn sources_moved(model: &mut Model, moved: BTreeMap<ConnectorName, Millis>) {
    let now = model.now;
    for (name, at) in moved {
        if let Some(connector) = model.cluster.connectors.get_mut(&name)
            && connector.kind == ConnectorType::Source
        {
            connector.moved = connector.moved.max(Some(at.min(now)));
        }
    }
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
            start: report.start,
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
    // A task that owns nothing now has no lag of its own; the one it had is not it.
    for task in connector.tasks.values_mut() {
        task.lag = by_task.get(&task.id).copied();
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
    if connector.kind == sluice_protocol::ConnectorType::Sink {
        let runs = |task: &Task| task.state == sluice_protocol::State::Running;
        // While all run, each tells its own lag, also of more partitions than it lists.
        if !connector
            .tasks
            .values()
            .all(|task| runs(task) && task.lag.is_some())
        {
            let range = model
                .cluster
                .partitions
                .range((name.clone(), Text::default(), i32::MIN)..)
                .take_while(|((connector, _, _), _)| *connector == name);
            connector.lag = range
                .filter_map(|(_, partition)| partition.lag())
                .reduce(i64::saturating_add);
        }
    }
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
            if connector.kind == ConnectorType::Source {
                // The offset topic may know more: figures begin with the task.
                connector.moved = connector.moved.max(committed);
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
    let lags: Option<Vec<i64>> = connector.tasks.values().map(|task| task.lag).collect();
    let lags = lags.filter(|lags| !lags.is_empty() && !figures.is_empty());
    if let Some(lags) = lags.filter(|_| connector.kind == sluice_protocol::ConnectorType::Sink) {
        connector.lag = Some(lags.iter().sum());
        connector.lag_at = figures.iter().map(|f| f.at).max().max(connector.lag_at);
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
