//! The incremental cooperative assignor (KIP-415; `IncrementalCooperativeAssignor` of Kafka 4.3).
//!
//! Members keep what they hold. Work of a member that left waits up to
//! `scheduled.rebalance.max.delay.ms` for it to come back, then it is handed out; work is revoked
//! only from members that have more than their share, and one round of revocations in a row is
//! followed by a growing pause. "Item" below is a connector instance or a task; the two kinds never
//! mix, and every rule applies to each.
//!
//! The steps and names in [`IncrementalAssignor::assign`] follow `performTaskAssignment` there, so that
//! the two can be held side by side. A JVM worker that leads after us, or before, must come to the same
//! result from the same group.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use indexmap::IndexSet;
use sluice_protocol::group::Work;
use sluice_protocol::{ConnectorName, ConnectorTaskId, Generation, MemberId};

use super::{Assignments, Configured, MemberAssignment};

/// Base of the growing pause between revocations, in ms: 40, 1600, 64000 ...
const BACKOFF_BASE: i64 = 40;

/// What the assignor remembers from one computation to the next, for the life of the process.
#[derive(Clone, Debug)]
pub(crate) struct IncrementalAssignor {
    connectors: Remembered<ConnectorName>,
    tasks: Remembered<ConnectorTaskId>,
    previous_members: HashSet<MemberId>,
    previous_generation: Generation,
    /// When the delayed rebalance is due; 0 exactly when `delay` is 0.
    schedule: i64,
    delay: i64,
    /// Members that came without work during a delay, in the order they came.
    candidates: IndexSet<MemberId>,
    revoked_last: bool,
    streak: u32,
}

/// What is remembered per kind of item.
#[derive(Clone, Debug)]
struct Remembered<T> {
    /// Placed by the last computation, plus those still lost.
    assigned: HashSet<T>,
    /// Revoked by the last computation.
    revoked: HashSet<T>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self {
            assigned: HashSet::new(),
            revoked: HashSet::new(),
        }
    }
}

/// One call of the assignor: the group as the leader sees it.
#[derive(Clone, Debug)]
pub(crate) struct Round<'a> {
    /// The generation now being assigned.
    pub generation: Generation,
    /// The generation this worker last completed, as leader or follower; -1 if none.
    pub last_completed_generation: Generation,
    /// Members and what they hold, in wire order; empty without allocation.
    pub members: Vec<(MemberId, Work)>,
    /// Everything that should run.
    pub configured: &'a Configured,
    /// `scheduled.rebalance.max.delay.ms` of the worker.
    pub max_delay_ms: i64,
    /// The leader's clock in ms; only differences count.
    pub now_ms: i64,
}

impl Default for IncrementalAssignor {
    fn default() -> Self {
        Self::new()
    }
}

impl IncrementalAssignor {
    /// An assignor that has not led yet.
    pub(crate) fn new() -> Self {
        Self {
            connectors: Remembered::default(),
            tasks: Remembered::default(),
            previous_members: HashSet::new(),
            previous_generation: Generation::NONE,
            schedule: 0,
            delay: 0,
            candidates: IndexSet::new(),
            revoked_last: false,
            streak: 0,
        }
    }

    /// Members of the last computation.
    pub(crate) fn previous_members(&self) -> &HashSet<MemberId> {
        &self.previous_members
    }

    /// Computes what every member is told, and remembers it.
    pub(crate) fn assign(&mut self, round: Round<'_>) -> Assignments {
        let mut members = round.members;
        members.sort_by(|a, b| a.0.java_cmp(&b.0));
        members.dedup_by(|a, b| a.0 == b.0);
        let (ids, held): (Vec<MemberId>, Vec<Work>) = members.into_iter().unzip();
        let (held_connectors, held_tasks): (Vec<_>, Vec<_>) = held
            .into_iter()
            .map(|work| (work.connectors, work.tasks))
            .unzip();

        // Step 1: somebody else led in between, or our last round failed. What we remember is worth nothing.
        if self.previous_generation != round.last_completed_generation {
            self.connectors.assigned.clear();
            self.tasks.assigned.clear();
        }

        // Steps 2 to 5.
        let configured_connectors: Vec<_> = round.configured.connectors().cloned().collect();
        let configured_tasks: Vec<_> = round.configured.tasks().collect();
        let active_connectors = union(&held_connectors);
        let active_tasks = union(&held_tasks);
        if self.connectors.ignored_revocation(&active_connectors)
            || self.tasks.ignored_revocation(&active_tasks)
        {
            self.connectors.assigned.clone_from(&active_connectors);
            self.tasks.assigned.clone_from(&active_tasks);
        }
        self.connectors.revoked.clear();
        self.tasks.revoked.clear();
        let mut connectors = KindRound::new(
            held_connectors,
            &active_connectors,
            &configured_connectors,
            &self.connectors.assigned,
        );
        let mut tasks = KindRound::new(
            held_tasks,
            &active_tasks,
            &configured_tasks,
            &self.tasks.assigned,
        );

        // Step 6.
        let reassign_lost = self.handle_lost(
            &ids,
            &mut connectors,
            &mut tasks,
            round.now_ms,
            round.max_delay_ms,
        );

        // Step 7.
        self.balance(
            &mut connectors,
            &mut tasks,
            (configured_connectors.len(), configured_tasks.len()),
            round.now_ms,
            round.max_delay_ms,
        );

        // Step 8.
        connectors.place(reassign_lost);
        tasks.place(reassign_lost);

        // Steps 9 and 10.
        connectors.remember(&mut self.connectors);
        tasks.remember(&mut self.tasks);
        self.previous_members = ids.iter().cloned().collect();
        self.previous_generation = round.generation;
        Assignments {
            members: messages(ids, connectors, tasks),
            delay_ms: self.delay,
        }
    }

    /// Step 6: decides about lost items. Returns whether they are to be placed like new ones.
    fn handle_lost(
        &mut self,
        ids: &[MemberId],
        connectors: &mut KindRound<ConnectorName>,
        tasks: &mut KindRound<ConnectorTaskId>,
        now: i64,
        max: i64,
    ) -> bool {
        // a
        if connectors.lost.is_empty() && tasks.lost.is_empty() && !self.revoked_last {
            self.clear_delay();
            return false;
        }
        // b
        if self.schedule == 0 && self.previous_members.iter().all(|id| ids.contains(id)) {
            return true;
        }
        // c
        if max == 0 {
            return true;
        }
        // d
        if self.schedule > 0 && now >= self.schedule {
            let candidates: Vec<usize> = self
                .candidates
                .iter()
                .filter_map(|id| ids.iter().position(|member| member == id))
                .collect();
            let reassign = candidates.is_empty();
            connectors.deal_lost(&candidates);
            tasks.deal_lost(&candidates);
            self.clear_delay();
            self.revoked_last = false;
            return reassign;
        }
        // e
        for (index, id) in ids.iter().enumerate() {
            if connectors.load_of(index) == 0 && tasks.load_of(index) == 0 {
                self.candidates.insert(id.clone());
            }
        }
        self.delay = if self.schedule > 0 {
            (self.schedule - now).min(max)
        } else {
            max
        };
        self.schedule = now + self.delay;
        false
    }

    /// Step 7: revokes what members hold beyond their share, unless a delay is pending.
    fn balance(
        &mut self,
        connectors: &mut KindRound<ConnectorName>,
        tasks: &mut KindRound<ConnectorTaskId>,
        (configured_connectors, configured_tasks): (usize, usize),
        now: i64,
        max: i64,
    ) {
        if self.delay != 0 {
            self.revoked_last = false;
            return;
        }
        let idle =
            connectors.load.iter().all(Vec::is_empty) && tasks.load.iter().all(Vec::is_empty);
        let nothing_to_do = idle || configured_connectors == 0;
        let (connector_plan, task_plan) = if nothing_to_do {
            (Vec::new(), Vec::new())
        } else {
            (
                connectors.surplus(configured_connectors),
                tasks.surplus(configured_tasks),
            )
        };
        if connector_plan.is_empty() && task_plan.is_empty() {
            if self.revoked_last {
                self.revoked_last = false;
                self.streak = 0;
            }
            return;
        }
        if self.revoked_last {
            self.streak = self.streak.saturating_add(1);
            self.delay = BACKOFF_BASE.saturating_pow(self.streak).min(max);
            if self.delay > 0 {
                self.schedule = now + self.delay;
                return;
            }
        }
        self.revoked_last = true;
        connectors.revoke_front(&connector_plan);
        tasks.revoke_front(&task_plan);
    }

    fn clear_delay(&mut self) {
        self.candidates.clear();
        self.schedule = 0;
        self.delay = 0;
    }
}

impl<T: Eq + Hash> Remembered<T> {
    /// Step 3: whether something revoked last time is still held, so that the revocation did not happen.
    fn ignored_revocation(&self, active: &HashSet<T>) -> bool {
        self.revoked.iter().any(|item| active.contains(item))
    }
}

/// An item of either kind.
trait Item: Clone + Eq + Hash {
    /// The order in which the JVM's assignor goes through such items.
    fn order(&self, other: &Self) -> Ordering;
}

impl Item for ConnectorName {
    fn order(&self, other: &Self) -> Ordering {
        self.java_cmp(other)
    }
}

impl Item for ConnectorTaskId {
    fn order(&self, other: &Self) -> Ordering {
        self.java_cmp(other)
    }
}

/// The computation for one kind of item; vectors have one entry per member, in the order of member ids.
struct KindRound<T> {
    held: Vec<Vec<T>>,
    load: Vec<Vec<T>>,
    revoke: Vec<Vec<T>>,
    deleted: HashSet<T>,
    /// Items that no member holds any more, sorted.
    lost: Vec<T>,
    /// Items that were configured since the last round, sorted.
    created: Vec<T>,
}

impl<T: Item> KindRound<T> {
    /// Steps 4 and 5.
    fn new(
        held: Vec<Vec<T>>,
        active: &HashSet<T>,
        configured_sorted: &[T],
        previously_assigned: &HashSet<T>,
    ) -> Self {
        let held: Vec<Vec<T>> = held.into_iter().map(without_repeats).collect();
        let configured: HashSet<&T> = configured_sorted.iter().collect();
        let deleted: HashSet<T> = previously_assigned
            .iter()
            .filter(|item| !configured.contains(item))
            .cloned()
            .collect();
        let mut holders: HashMap<&T, usize> = HashMap::new();
        for item in held.iter().flatten() {
            *holders.entry(item).or_default() += 1;
        }
        let (mut load, mut revoke) = (Vec::new(), Vec::new());
        for items in &held {
            let (gone, kept): (Vec<T>, Vec<T>) = items.iter().cloned().partition(|item| {
                deleted.contains(item) || holders.get(item).is_some_and(|count| *count > 1)
            });
            load.push(kept);
            revoke.push(gone);
        }
        let mut lost: Vec<T> = previously_assigned
            .iter()
            .filter(|item| !active.contains(item) && !deleted.contains(item))
            .cloned()
            .collect();
        lost.sort_by(T::order);
        let created = configured_sorted
            .iter()
            .filter(|item| !previously_assigned.contains(item) && !active.contains(item))
            .cloned()
            .collect();
        Self {
            held,
            load,
            revoke,
            deleted,
            lost,
            created,
        }
    }

    fn load_of(&self, member: usize) -> usize {
        self.load.get(member).map_or(0, Vec::len)
    }

    /// Deals the lost items to members, going round, whatever they hold already.
    fn deal_lost(&mut self, members: &[usize]) {
        for (item, member) in self.lost.iter().zip(members.iter().cycle()) {
            if let Some(load) = self.load.get_mut(*member) {
                load.push(item.clone());
            }
        }
    }

    /// How many items each overloaded member has to give up; empty when the load is balanced.
    fn surplus(&self, configured: usize) -> Vec<(usize, usize)> {
        let members = self.load.len();
        let (Some(least), Some(extra)) = (
            configured.checked_div(members),
            configured.checked_rem(members),
        ) else {
            return Vec::new();
        };
        let full = self
            .load
            .iter()
            .filter(|load| load.len() == least + 1)
            .count();
        let rest_at_least = self
            .load
            .iter()
            .all(|load| load.len() == least || load.len() == least + 1);
        if full == extra && rest_at_least {
            return Vec::new();
        }
        let mut extras = 0;
        let mut plan = Vec::new();
        for (member, load) in self.load.iter().enumerate() {
            if load.len() <= least {
                continue;
            }
            let keep = if extras < extra {
                extras += 1;
                least + 1
            } else {
                least
            };
            let surplus = load.len() - keep.min(load.len());
            if surplus > 0 {
                plan.push((member, surplus));
            }
        }
        plan
    }

    /// Takes items from the front of loads: those a member received last.
    fn revoke_front(&mut self, plan: &[(usize, usize)]) {
        for (member, count) in plan {
            if let (Some(load), Some(revoke)) =
                (self.load.get_mut(*member), self.revoke.get_mut(*member))
            {
                revoke.extend(load.drain(..(*count).min(load.len())));
            }
        }
    }

    /// Step 8: places created and, if so decided, lost items, always on those who have least.
    fn place(&mut self, reassign_lost: bool) {
        let mut items = self.created.clone();
        if reassign_lost {
            items.extend(self.lost.iter().cloned());
        }
        let mut items = items.into_iter().peekable();
        // Members are in the order of their ids already, and the sort is stable.
        let mut order: Vec<usize> = (0..self.load.len()).collect();
        order.sort_by_key(|member| self.load_of(*member));
        let Some(first) = order.first().copied() else {
            return;
        };
        while items.peek().is_some() {
            let least = self.load_of(first);
            let tier: Vec<usize> = order
                .iter()
                .copied()
                .take_while(|member| self.load_of(*member) == least)
                .collect();
            for (member, item) in tier.into_iter().zip(&mut items) {
                if let Some(load) = self.load.get_mut(member) {
                    load.push(item);
                }
            }
        }
    }

    /// Keeps what the next round compares with: the work handed out now, and the work revoked now.
    fn remember(&self, remembered: &mut Remembered<T>) {
        let revoked: HashSet<T> = self.revoke.iter().flatten().cloned().collect();
        remembered.assigned = self
            .load
            .iter()
            .flatten()
            .filter(|item| !revoked.contains(item))
            .chain(&self.lost)
            .cloned()
            .collect();
        remembered.revoked = revoked;
    }
}

/// What each member is sent: its own work, and what it has to give up.
fn messages(
    ids: Vec<MemberId>,
    connectors: KindRound<ConnectorName>,
    tasks: KindRound<ConnectorTaskId>,
) -> BTreeMap<MemberId, MemberAssignment> {
    let new_connectors = connectors.newly_assigned();
    let new_tasks = tasks.newly_assigned();
    let mut parts = new_connectors
        .into_iter()
        .zip(new_tasks)
        .zip(connectors.revoke.into_iter().zip(tasks.revoke))
        .zip(connectors.load.into_iter().zip(tasks.load));
    let mut members = BTreeMap::new();
    for id in ids {
        let Some(((assigned, revoked), total)) = parts.next() else {
            break;
        };
        let work = |(connectors, tasks)| Work { connectors, tasks };
        members.insert(
            id,
            MemberAssignment {
                assigned: work(assigned),
                revoked: work(revoked),
                total: work(total),
            },
        );
    }
    members
}

impl<T: Item> KindRound<T> {
    /// Per member: load - (held - deleted), in the order of the load.
    fn newly_assigned(&self) -> Vec<Vec<T>> {
        self.load
            .iter()
            .zip(&self.held)
            .map(|(load, held)| {
                let kept: HashSet<&T> = held
                    .iter()
                    .filter(|item| !self.deleted.contains(item))
                    .collect();
                load.iter()
                    .filter(|item| !kept.contains(item))
                    .cloned()
                    .collect()
            })
            .collect()
    }
}

fn union<T: Item>(held: &[Vec<T>]) -> HashSet<T> {
    held.iter().flatten().cloned().collect()
}

fn without_repeats<T: Item>(items: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items
        .into_iter()
        .filter(|item| seen.insert(item.clone()))
        .collect()
}
