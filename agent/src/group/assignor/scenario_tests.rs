//! Plays rounds of a group: members join and leave, a leader computes, everybody does as told. The
//! scenario files say what must come out; the property tests make up their own histories.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use serde::Deserialize;
use sluice_protocol::group::Work;
use sluice_protocol::{ConnectorName, ConnectorTaskId, Generation, MemberId};

use super::incremental::{IncrementalAssignor, Round};
use super::{Assignments, Configured, eager};

/// A group whose members always do as told.
struct Group {
    members: BTreeMap<MemberId, Member>,
    configured: BTreeMap<ConnectorName, u32>,
    generation: i32,
    now: i64,
    max_delay: i64,
    delay: i64,
}

struct Member {
    held: Work,
    assignor: IncrementalAssignor,
    completed: Generation,
}

impl Group {
    fn new(max_delay: i64) -> Self {
        Self {
            members: BTreeMap::new(),
            configured: BTreeMap::new(),
            generation: 0,
            now: 1_000_000,
            max_delay,
            delay: 0,
        }
    }

    fn join(&mut self, id: &str) {
        self.members.insert(
            id.into(),
            Member {
                held: Work::default(),
                assignor: IncrementalAssignor::new(),
                completed: Generation::NONE,
            },
        );
    }

    fn configured(&self) -> Configured {
        Configured::new(
            self.configured
                .iter()
                .map(|(name, count)| (name.clone(), *count)),
        )
    }

    /// One rebalance led by `leader`.
    fn round(&mut self, leader: &MemberId) -> Assignments {
        self.generation += 1;
        let generation = Generation(self.generation);
        let configured = self.configured();
        let members = self
            .members
            .iter()
            .map(|(id, member)| (id.clone(), member.held.clone()))
            .collect();
        let lead = self.members.get_mut(leader).unwrap();
        let result = lead.assignor.assign(Round {
            generation,
            last_completed_generation: lead.completed,
            members,
            configured: &configured,
            max_delay_ms: self.max_delay,
            now_ms: self.now,
        });
        self.delay = result.delay_ms;
        for (id, told) in &result.members {
            let member = self.members.get_mut(id).unwrap();
            member.completed = generation;
            let mut held = told.assigned.clone();
            held.connectors.extend(
                member
                    .held
                    .connectors
                    .iter()
                    .filter(|item| !told.revoked.connectors.contains(item))
                    .cloned(),
            );
            held.tasks.extend(
                member
                    .held
                    .tasks
                    .iter()
                    .filter(|item| !told.revoked.tasks.contains(item))
                    .cloned(),
            );
            member.held = held;
        }
        result
    }

    fn holders(&self) -> HashMap<String, Vec<MemberId>> {
        let mut holders: HashMap<String, Vec<MemberId>> = HashMap::new();
        for (id, member) in &self.members {
            for item in items(&member.held) {
                holders.entry(item).or_default().push(id.clone());
            }
        }
        holders
    }

    fn configured_items(&self) -> BTreeSet<String> {
        let configured = self.configured();
        configured
            .connectors()
            .map(ToString::to_string)
            .chain(
                configured
                    .tasks()
                    .map(|task| format!("{}:{}", task.connector, task.task)),
            )
            .collect()
    }
}

/// `c` for a connector, `c:0` for a task.
fn items(work: &Work) -> Vec<String> {
    work.connectors
        .iter()
        .map(ToString::to_string)
        .chain(
            work.tasks
                .iter()
                .map(|task| format!("{}:{}", task.connector, task.task)),
        )
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    what: String,
    max_delay_ms: i64,
    steps: Vec<Step>,
}

/// One rebalance: what happened before it, and what must come out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Time passed since the last step.
    #[serde(default)]
    after_ms: i64,
    /// Members that come without work.
    #[serde(default)]
    join: Vec<String>,
    #[serde(default)]
    leave: Vec<String>,
    /// Connectors and their number of tasks from now on; null deletes one.
    #[serde(default)]
    configure: BTreeMap<String, Option<u32>>,
    /// Makes a member hold something, as after a split brain.
    #[serde(default)]
    hold: BTreeMap<String, Vec<String>>,
    leader: String,
    expect: Expectation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    #[serde(default)]
    delay_ms: i64,
    /// Member to items; members and kinds left out must have none.
    #[serde(default)]
    assigned: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    revoked: BTreeMap<String, Vec<String>>,
}

fn work(names: &[String]) -> Work {
    let mut work = Work::default();
    for name in names {
        match name.split_once(':') {
            Some((connector, task)) => work
                .tasks
                .push(ConnectorTaskId::new(connector, task.parse().unwrap())),
            None => work.connectors.push(name.into()),
        }
    }
    work
}

fn play(scenario: &Scenario) {
    let mut group = Group::new(scenario.max_delay_ms);
    for (number, step) in scenario.steps.iter().enumerate() {
        group.now += step.after_ms;
        for id in &step.leave {
            group.members.remove(id.as_str()).unwrap();
        }
        for id in &step.join {
            group.join(id);
        }
        for (name, tasks) in &step.configure {
            match tasks {
                Some(count) => group.configured.insert(name.into(), *count),
                None => group.configured.remove(name.as_str()),
            };
        }
        for (id, held) in &step.hold {
            group.members.get_mut(id.as_str()).unwrap().held = work(held);
        }
        let result = group.round(&step.leader.as_str().into());
        let at = format!("{}, step {}", scenario.what, number + 1);
        assert_eq!(result.delay_ms, step.expect.delay_ms, "{at}: delay");
        for (id, told) in &result.members {
            let expected = |map: &BTreeMap<String, Vec<String>>| {
                map.get(id.as_str()).cloned().unwrap_or_default()
            };
            assert_eq!(
                items(&told.assigned),
                expected(&step.expect.assigned),
                "{at}: assigned to {id}"
            );
            assert_eq!(
                items(&told.revoked),
                expected(&step.expect.revoked),
                "{at}: revoked from {id}"
            );
            assert_eq!(
                items(&told.total).into_iter().collect::<BTreeSet<_>>(),
                items(&group.members[id].held).into_iter().collect(),
                "{at}: total of {id}"
            );
        }
    }
}

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                let text = include_str!(concat!("scenarios/", stringify!($name), ".json"));
                play(&serde_json::from_str(text).unwrap());
            }
        )*
    };
}

scenarios!(
    a_joining_worker_gets_its_share_in_two_rounds,
    a_leaving_follower_is_waited_for,
    a_worker_that_comes_back_gets_exactly_the_lost_work,
    a_dying_leader_is_not_waited_for,
    deleted_work_is_revoked,
    work_held_twice_is_taken_from_all_holders,
    revocations_in_a_row_are_spaced_out,
    a_change_of_leader_hides_a_deletion_for_one_round,
    an_early_rebalance_ends_the_back_off,
    no_delay_when_it_is_switched_off,
);

/// What can happen to a group.
#[derive(Clone, Debug)]
enum Happening {
    Join(u8),
    Leave(u8),
    Configure(u8, u32),
    Delete(u8),
    Wait(i64),
    ChangeLeader,
    Rebalance,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..6u8).prop_map(Happening::Join),
        (0..6u8).prop_map(Happening::Leave),
        (0..8u8, 0..6u32).prop_map(|(name, tasks)| Happening::Configure(name, tasks)),
        (0..8u8).prop_map(Happening::Delete),
        (0..30_000i64).prop_map(Happening::Wait),
        Just(Happening::ChangeLeader),
        Just(Happening::Rebalance),
    ]
}

/// Plays a history; every join, leave and rebalance runs one round. Returns the group and its leader.
fn history(happenings: Vec<Happening>, max_delay: i64) -> (Group, MemberId) {
    let mut group = Group::new(max_delay);
    group.join("m-first");
    let mut leader = MemberId::from("m-first");
    let mut births = 0;
    for happening in happenings {
        match happening {
            Happening::Join(id) => {
                let name = format!("m{id}-");
                if !group.members.keys().any(|member| member.starts_with(&name)) {
                    births += 1;
                    group.join(&format!("{name}{births}"));
                }
                group.round(&leader);
            }
            Happening::Leave(id) => {
                let name = format!("m{id}-");
                let found = group
                    .members
                    .keys()
                    .find(|id| id.starts_with(&name))
                    .cloned();
                if let Some(found) = found.filter(|_| group.members.len() > 1) {
                    group.members.remove(&found);
                    if leader == found {
                        leader = group.members.keys().next().unwrap().clone();
                    }
                }
                group.round(&leader);
            }
            Happening::Configure(name, tasks) => {
                group.configured.insert(format!("c{name}").into(), tasks);
            }
            Happening::Delete(name) => {
                group.configured.remove(format!("c{name}").as_str());
            }
            Happening::Wait(ms) => group.now += ms,
            Happening::ChangeLeader => {
                leader = group.members.keys().last().unwrap().clone();
            }
            Happening::Rebalance => {
                group.round(&leader);
            }
        }
    }
    (group, leader)
}

/// Rounds as members ask for them: again after a revocation, and when the delay is over. Returns
/// the rounds it took.
fn settle(group: &mut Group, leader: &MemberId) -> usize {
    let mut calm = 0;
    for round in 1..200 {
        group.now += group.delay.max(0);
        let before = group.delay;
        let result = group.round(leader);
        let moved = result
            .members
            .values()
            .any(|told| !told.assigned.is_empty() || !told.revoked.is_empty());
        calm = if moved || result.delay_ms > 0 || before > 0 {
            0
        } else {
            calm + 1
        };
        if calm == 3 {
            return round;
        }
    }
    panic!("the group does not come to rest");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn after_any_history_everything_configured_runs_once_and_evenly(
        happenings in prop::collection::vec(happening(), 0..40),
        max_delay in prop_oneof![Just(0i64), Just(20_000), Just(300_000)],
    ) {
        let (mut group, leader) = history(happenings, max_delay);
        settle(&mut group, &leader);
        let holders = group.holders();
        let running: BTreeSet<String> = holders.keys().cloned().collect();
        prop_assert_eq!(running, group.configured_items());
        for (item, holders) in holders {
            prop_assert_eq!(holders.len(), 1, "{} runs on {:?}", item, holders);
        }
        for count in [
            |work: &Work| work.connectors.len(),
            |work: &Work| work.tasks.len(),
        ] {
            let loads: Vec<usize> = group.members.values().map(|m| count(&m.held)).collect();
            let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{:?}", loads);
        }
    }

    #[test]
    fn a_group_at_rest_moves_nothing_and_a_new_member_takes_only_its_share(
        happenings in prop::collection::vec(happening(), 0..30),
    ) {
        let (mut group, leader) = history(happenings, 20_000);
        settle(&mut group, &leader);
        let before = group.holders();
        let quiet = group.round(&leader);
        prop_assert!(quiet.members.values().all(|m| m.assigned.is_empty() && m.revoked.is_empty()));
        prop_assert_eq!(&group.holders(), &before);

        group.join("zz-new");
        settle(&mut group, &leader);
        let moved = before
            .iter()
            .filter(|(item, holders)| group.holders().get(*item) != Some(holders))
            .count();
        let held_by_new = group.members["zz-new"].held.len();
        prop_assert_eq!(moved, held_by_new);
    }

    #[test]
    fn work_of_a_lost_follower_waits_for_the_delay(
        connectors in 1..6u32,
        tasks in 0..5u32,
        members in 2..5usize,
        early in 1..20_000i64,
    ) {
        let mut group = Group::new(20_000);
        let leader = MemberId::from("m0");
        for number in 0..members {
            group.join(&format!("m{number}"));
        }
        for number in 0..connectors {
            group.configured.insert(format!("c{number}").into(), tasks);
        }
        settle(&mut group, &leader);
        let lost = items(&group.members["m1"].held);
        prop_assume!(!lost.is_empty());
        let others = group.holders();
        group.members.remove("m1");
        let result = group.round(&leader);
        prop_assert_eq!(result.delay_ms, 20_000);
        // A rebalance before the time is up changes nothing but the rest of the delay.
        group.now += early;
        let result = group.round(&leader);
        prop_assert_eq!(result.delay_ms, 20_000 - early);
        for item in &lost {
            prop_assert!(!group.holders().contains_key(item), "{} came too early", item);
        }
        group.now += 20_000 - early;
        group.delay = 0;
        group.round(&leader);
        for item in &lost {
            prop_assert!(group.holders().contains_key(item), "{} is still lost", item);
        }
        let now = group.holders();
        for (item, holder) in others {
            if !lost.contains(&item) {
                prop_assert_eq!(now.get(&item), Some(&holder), "{} moved", item);
            }
        }
    }

    #[test]
    fn the_eager_assignor_places_everything_once_and_evenly(
        connectors in 0..10u32,
        tasks in 0..10u32,
        members in 1..7usize,
    ) {
        let configured = Configured::new((0..connectors).map(|n| (format!("c{n}").into(), tasks)));
        let ids = (0..members).map(|n| MemberId::from(format!("m{n}")));
        let result = eager::assign(ids, &configured);
        let mut placed: Vec<String> = result
            .members
            .values()
            .flat_map(|told| items(&told.assigned))
            .collect();
        placed.sort();
        let mut expected: Vec<String> = configured
            .connectors()
            .map(ToString::to_string)
            .chain(configured.tasks().map(|task| format!("{}:{}", task.connector, task.task)))
            .collect();
        expected.sort();
        prop_assert_eq!(placed, expected);
        let loads: Vec<usize> = result.members.values().map(|told| told.assigned.len()).collect();
        prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1);
    }
}
