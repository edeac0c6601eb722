//! The group and its workers: members, who leads, rebalances.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Cluster, Group, Rebalance, Worker, WorkerKind};
use crate::model::event::{By, ClusterEvent, Object, Severity};
use crate::model::news::{GroupMember, GroupReport, WorkerReport};
use crate::text::Text;
use crate::units::Millis;

/// How many rebalances are remembered.
const REBALANCES: usize = 200;

impl Cluster {
    /// Takes over what a worker reports of itself.
    pub(super) fn worker_report(&mut self, now: Millis, report: WorkerReport) {
        self.telemetry_at = self.telemetry_at.max(Some(report.at));
        if report.stopping {
            if let Some(worker) = self.workers.get_mut(&report.worker) {
                worker.member = Some(false);
            }
            let worker = Object::Worker(report.worker);
            return self.note(now, Severity::Warn, worker, ClusterEvent::WorkerLeaves);
        }
        let worker = self.worker(&report.worker);
        worker.kind = Some(report.kind);
        worker.version = Some(report.version);
        worker.cpu = Some(report.cpu);
        worker.memory = Some(report.memory);
        worker.started = Some(report.at - report.uptime);
        worker.seen = Some(report.at);
        worker.leader = report.leader.or(worker.leader);
        if let (Some(generation), Some(group)) = (report.generation, &mut self.group) {
            group.generation = group.generation.max(Some(generation));
            if report.leader == Some(true) {
                group.delay = report.delay;
                group.delay_until = until(report.at, report.delay);
            }
        }
    }

    /// Takes over how the coordinator describes the group.
    pub(super) fn group_report(&mut self, now: Millis, report: &GroupReport) {
        self.group_at = Some(report.at);
        let before = self.group.as_ref();
        let was_empty = before.is_none_or(|group| is_empty(&group.state));
        let mut group = self.group.take().unwrap_or_default();
        group.id = report.id.clone();
        group.state = report.state.clone();
        group.protocol = report.protocol.clone();
        // A coordinator that starts again knows its members only after they have joined it: one empty look
        // proves nothing.
        let settled = report.state.as_str() == "Stable" || (is_empty(&report.state) && was_empty);
        if settled {
            self.settled(now, &mut group, report);
        } else {
            // While members join, the coordinator lists them without their data.
            group.unsettled.get_or_insert(report.at);
        }
        self.group = Some(group);
        if settled {
            self.mark_lost(now);
        }
    }

    /// Takes over members and assignments of a group that does not rebalance.
    fn settled(&mut self, now: Millis, group: &mut Group, report: &GroupReport) {
        let earlier = self.members();
        let present: BTreeSet<Text> = report.members.iter().map(|m| m.worker.clone()).collect();
        for worker in self.workers.values_mut() {
            enter_or_leave(worker, present.contains(&worker.id));
        }
        for member in &report.members {
            join(self.worker(&member.worker), member, &report.leader);
        }
        let is_agent = |worker: &&Worker| worker.kind == Some(WorkerKind::Agent);
        let agents = || self.workers.values().filter(is_agent);
        let reported = agents().any(|worker| worker.member == Some(true));
        let ever_reported = agents().next().is_some();
        if !reported {
            // Only agents report the generation, and how much of the delay is left.
            group.generation = None;
            if group.delay != report.delay {
                // The delay of an assignment is what was left of it when that was made.
                group.delay_until = until(report.at, report.delay);
            }
            group.delay = report.delay;
        }
        let before = std::mem::replace(&mut group.assigned, assignments(report));
        let unsettled = group.unsettled.take();
        let Some(earlier) = earlier else { return };
        let looks = Looks {
            at: report.at,
            unsettled,
            earlier: &earlier,
            present: &present,
            before: &before,
            revoked: report.members.iter().map(|member| member.revoked).sum(),
        };
        let Some(rebalance) = looks.rebalance(group) else {
            return;
        };
        group.changes += 1;
        if !ever_reported {
            let event = ClusterEvent::Rebalance {
                generation: None,
                cause: rebalance.cause.clone(),
            };
            self.rebalances.push_front(rebalance);
            self.rebalances.truncate(REBALANCES);
            self.note(now, Severity::Warn, Object::Group, event);
        }
    }

    /// Members as of the last settled look; `None` before the first.
    fn members(&self) -> Option<BTreeSet<Text>> {
        let known = |worker: &&Worker| worker.member.is_some();
        self.workers.values().find(known)?;
        let member = |worker: &&Worker| worker.member == Some(true);
        let ids = self.workers.values().filter(member);
        Some(ids.map(|worker| worker.id.clone()).collect())
    }

    /// Takes over a rebalance that an agent reports; every member reports the same one, and the leader who
    /// the members are.
    ///
    /// Who joined and left is what differs from the members of the generation before. A new leader does not
    /// know them, and what it then reports is not shown.
    pub(super) fn rebalance(&mut self, mut new: Rebalance) {
        match new.cause.as_str() {
            HEARD => new.cause = Text::from(ASKED),
            // The second round of a move, in the words of the protocol.
            "own revoked work can be placed" => {
                new.cause = Text::from("revoked work finds its new place");
            }
            _ => {}
        }
        let generation = new.generation;
        let by_leader = new.members.is_some();
        let same = |known: &&mut Rebalance| generation.is_some() && known.generation == generation;
        if let Some(known) = self.rebalances.iter_mut().find(same) {
            known.merge(new);
        } else {
            let mut all = self.rebalances.iter();
            let place = all.position(|known| known.start <= new.start);
            let place = place.unwrap_or(self.rebalances.len());
            self.rebalances.insert(place, new);
            self.rebalances.truncate(REBALANCES);
        }
        name_who(&mut self.rebalances);
        let mut all = self.rebalances.iter();
        let found = all.find(|known| known.generation == generation);
        if let Some(found) = found.filter(|_| by_leader) {
            let (at, cause) = (found.start, found.cause.clone());
            let event = ClusterEvent::Rebalance { generation, cause };
            self.record(at, Severity::Warn, By::Telemetry, Object::Group, event);
        }
    }

    /// Sums the records per second of each worker from its tasks.
    pub(crate) fn sum_worker_rates(&mut self) {
        let mut rates: BTreeMap<&Text, f64> = BTreeMap::new();
        let connectors = self.connectors.values();
        for task in connectors.flat_map(|connector| connector.tasks.values()) {
            if let Some(rate) = task.figures.as_ref().and_then(|figures| figures.rate) {
                *rates.entry(&task.worker).or_default() += rate;
            }
        }
        for (id, worker) in &mut self.workers {
            if worker.kind == Some(WorkerKind::Agent) && worker.member != Some(false) {
                worker.rate = Some(rates.get(id).copied().unwrap_or(0.0));
            }
        }
    }
}

impl Rebalance {
    /// Adds what another member reports of the same rebalance.
    fn merge(&mut self, new: Self) {
        self.start = self.start.min(new.start);
        self.duration = self.duration.max(new.duration);
        self.assigned = Some(self.assigned.unwrap_or(0) + new.assigned.unwrap_or(0));
        self.revoked = Some(self.revoked.unwrap_or(0) + new.revoked.unwrap_or(0));
        self.delay = self.delay.max(new.delay);
        let by_leader = new.members.is_some();
        // The member that began it knows why; the others only heard of it.
        let heard = |cause: &Text| matches!(cause.as_str(), HEARD | ASKED);
        if !heard(&new.cause) && (by_leader || heard(&self.cause)) {
            self.cause = new.cause;
        }
        if by_leader {
            self.members = new.members;
            self.leader = new.leader;
        }
    }
}

/// When a delay that is pending at `at` is over.
fn until(at: Millis, delay: Option<i64>) -> Option<Millis> {
    let delay = delay.filter(|delay| *delay > 0);
    delay.map(|delay| at + delay)
}

fn is_empty(state: &Text) -> bool {
    matches!(state.as_str(), "Empty" | "Dead")
}

/// Takes over whether a worker is in the group.
fn enter_or_leave(worker: &mut Worker, present: bool) {
    let was = worker.member.replace(present);
    if !present {
        // What it last reported of itself holds no longer.
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
struct Looks<'a> {
    at: Millis,
    unsettled: Option<Millis>,
    earlier: &'a BTreeSet<Text>,
    present: &'a BTreeSet<Text>,
    before: &'a BTreeMap<Text, Text>,
    revoked: usize,
}

impl Looks<'_> {
    /// The rebalance between the looks; `None` when nothing changed and none was seen.
    fn rebalance(&self, group: &Group) -> Option<Rebalance> {
        let joined = self.present.difference(self.earlier).count();
        let left = self.earlier.difference(self.present).count();
        // Work that an empty group had is with no worker; nothing reports how much that was.
        let reported = !self.present.is_empty();
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
            assigned: reported.then_some(assigned),
            revoked: reported.then_some(self.revoked),
            delay: group.delay,
            members: Some(self.present.clone()),
            leader: None,
        })
    }
}

/// Takes over what the group knows of a member.
fn join(worker: &mut Worker, member: &GroupMember, leader: &Option<Text>) {
    worker.member = Some(true);
    worker.kind = worker.kind.or(member.kind);
    if let Some(leader) = leader {
        worker.leader = Some(*leader == member.worker);
    }
}

/// Which workers joined and left, in words; `None` when none did. `leader` is the one that led before.
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
/// What that cause means to a reader.
const ASKED: &str = "another member asked for it";

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
