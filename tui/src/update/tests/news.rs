//! News of the cluster.

use super::*;

#[test]
fn the_first_list_is_no_news_but_changes_after_it_are_events() {
    use State::{Failed, Running};
    let mut model = fixtures::empty();
    model.cluster_mut().listed = None;
    listed(
        &mut model,
        NOW,
        &[("a", Running, &[Failed]), ("b", Running, &[Running])],
    );
    assert_eq!(model.cluster().events.iter().count(), 0);
    let a = &model.cluster().connectors["a"];
    assert_eq!(
        (a.changed, a.restarts),
        (None, None),
        "what happened before we watched is not known"
    );
    update(&mut model, Message::Now(NOW + 2_000));
    listed(
        &mut model,
        NOW + 2_000,
        &[("b", Running, &[Failed]), ("n", Running, &[Running])],
    );
    let told: Vec<String> = model
        .cluster()
        .events
        .iter()
        .map(|e| format!("{} {}", events::object(e), events::what(e)))
        .collect();
    assert_eq!(told, ["a deleted", "b-0 RUNNING -> FAILED: boom", "n new"]);
    assert_eq!(
        model.cluster().connectors["b"].tasks[&0].changed,
        Some(NOW + 2_000)
    );
    assert!(!model.cluster().connectors.contains_key("a"));
}

fn change(task: Option<u32>, state: Option<State>, generation: i32, at: i64) -> StatusChange {
    StatusChange {
        connector: "c".into(),
        task,
        state,
        worker: Text::line("w1:8083"),
        trace: None,
        generation: Some(generation),
        version: None,
        at,
        old: false,
    }
}

/// It may be new, or of another cluster whose topic is followed by mistake.
#[test]
fn a_connector_that_only_the_status_topic_knows_is_looked_up_and_not_shown() {
    let mut model = fixtures::empty();
    model.cluster_mut().listed = Some(NOW - 1_000);
    let told = |model: &mut Model| {
        let news = Update::Status(change(None, Some(State::Running), 1, NOW));
        update(model, Message::Data(model.cluster().epoch, Box::new(news)))
    };
    assert_eq!(told(&mut model), [Effect::Refresh]);
    assert!(model.cluster().connectors.is_empty() && model.cluster().workers.is_empty());
    model.cluster_mut().listed = Some(NOW);
    assert_eq!(told(&mut model), [], "not more than once a second");
    let effects = update(&mut model, Message::Now(NOW + 1_000));
    assert_eq!(effects, [Effect::Refresh]);
}

fn tell(model: &mut Model, news: Update) {
    let epoch = model.cluster().epoch;
    update(model, Message::Data(epoch, Box::new(news)));
    settle(model);
}

#[test]
fn a_late_unassigned_does_not_hide_a_running_task() {
    let mut model = fixtures::empty();
    listed(
        &mut model,
        NOW - 60_000,
        &[("c", State::Running, &[State::Running])],
    );
    model.cluster_mut().live = true;
    tell(
        &mut model,
        Update::Status(change(Some(0), Some(State::Running), 7, NOW)),
    );
    tell(
        &mut model,
        Update::Status(change(Some(0), Some(State::Unassigned), 6, NOW + 10)),
    );
    assert_eq!(
        model.cluster().connectors["c"].tasks[&0].state,
        State::Running
    );
    tell(
        &mut model,
        Update::Status(change(Some(0), Some(State::Unassigned), 8, NOW + 20)),
    );
    assert_eq!(
        model.cluster().connectors["c"].tasks[&0].state,
        State::Unassigned
    );
}

#[test]
fn restarts_are_counted_and_tombstones_remove() {
    let mut model = fixtures::empty();
    listed(
        &mut model,
        NOW - 60_000,
        &[("c", State::Running, &[State::Running])],
    );
    model.cluster_mut().live = true;
    for (i, state) in [
        State::Running,
        State::Restarting,
        State::Running,
        State::Restarting,
    ]
    .into_iter()
    .enumerate()
    {
        tell(
            &mut model,
            Update::Status(change(Some(0), Some(state), 1, NOW + i as i64)),
        );
    }
    assert_eq!(model.cluster().connectors["c"].restarts, Some(2));
    // A start that fails at once leaves no RESTARTING, only FAILED once more.
    for (i, state) in [State::Failed, State::Failed].into_iter().enumerate() {
        let at = NOW + 5 + i as i64;
        tell(
            &mut model,
            Update::Status(change(Some(0), Some(state), 1, at)),
        );
    }
    assert_eq!(model.cluster().connectors["c"].restarts, Some(3));
    tell(
        &mut model,
        Update::Status(change(Some(0), None, 0, NOW + 9)),
    );
    assert!(model.cluster().connectors["c"].tasks.is_empty());
    tell(&mut model, Update::Status(change(None, None, 0, NOW + 9)));
    assert!(model.cluster().connectors.is_empty());
}

#[test]
fn rest_does_not_undo_what_the_topic_told_later() {
    use State::{Failed, Running};
    let mut model = fixtures::empty();
    listed(&mut model, NOW, &[("c", Running, &[Running])]);
    tell(&mut model, Update::Live(true));
    tell(
        &mut model,
        Update::Status(change(Some(0), Some(Failed), 1, NOW + 500)),
    );
    listed(&mut model, NOW + 400, &[("c", Running, &[Running])]);
    assert_eq!(model.cluster().connectors["c"].tasks[&0].state, Failed);
}

#[test]
fn lag_is_summed_and_a_sink_that_stands_still_is_stalled() {
    let mut model = fixtures::empty();
    listed(&mut model, NOW, &[("c", State::Running, &[State::Running])]);
    let report = |end| PartitionLag {
        connector: "c".into(),
        topic: Text::line("t"),
        partition: 0,
        end: Some(end),
        committed: Some(10),
        start: None,
        task: Some(0),
        slope: None,
        at: NOW,
    };
    tell(
        &mut model,
        Update::Lag {
            at: NOW,
            partitions: vec![report(30)],
        },
    );
    tell(
        &mut model,
        Update::Lag {
            at: NOW + 5_000,
            partitions: vec![report(40)],
        },
    );
    let c = &model.cluster().connectors["c"];
    assert_eq!(
        (c.lag, c.tasks[&0].lag, c.health),
        (Some(30), Some(30), Health::Healthy)
    );
    let partition = model.cluster().partitions.values().next().unwrap();
    assert_eq!((partition.slope, partition.eta()), (Some(2.0), None));
    update(&mut model, Message::Now(NOW + 61_000));
    assert_eq!(model.cluster().connectors["c"].health, Health::Stalled);
}

#[test]
fn a_partition_without_a_commit_has_no_lag_and_not_zero() {
    let mut model = fixtures::empty();
    listed(&mut model, NOW, &[("c", State::Running, &[State::Running])]);
    let report = PartitionLag {
        connector: "c".into(),
        topic: Text::line("t"),
        partition: 0,
        end: Some(40),
        committed: None,
        start: None,
        task: None,
        slope: None,
        at: NOW,
    };
    tell(
        &mut model,
        Update::Lag {
            at: NOW,
            partitions: vec![report],
        },
    );
    assert_eq!(model.cluster().connectors["c"].lag, None);
}

#[test]
fn figures_of_a_silent_worker_are_forgotten() {
    let mut model = fixtures::healthy();
    assert!(
        model.cluster().connectors["orders-jdbc-0001"]
            .rate
            .is_some()
    );
    update(&mut model, Message::Now(NOW + 40_000));
    assert!(
        model.cluster().connectors["orders-jdbc-0001"]
            .rate
            .is_some()
    );
    update(&mut model, Message::Now(NOW + 50_000));
    assert_eq!(model.cluster().connectors["orders-jdbc-0001"].rate, None);
}

/// The group with these members.
fn group(members: &[&str], state: &str) -> Update {
    Update::Group(GroupReport {
        at: NOW,
        id: Text::line("g"),
        state: Text::line(state),
        protocol: Text::line("sessioned"),
        members: members
            .iter()
            .map(|id| GroupMember {
                worker: Text::line(id),
                connectors: Vec::new(),
                tasks: Vec::new(),
                revoked: 0,
                kind: None,
            })
            .collect(),
        leader: members.first().map(|id| Text::line(id)),
        delay: Some(0),
    })
}

#[test]
fn members_that_come_and_go_are_rebalances() {
    let mut model = fixtures::empty();
    tell(&mut model, group(&["w1:1", "w2:1"], "Stable"));
    assert!(
        model.cluster().rebalances.is_empty(),
        "the first look is no news"
    );
    tell(&mut model, group(&[], "PreparingRebalance"));
    tell(&mut model, group(&["w1:1"], "Stable"));
    let first = model.cluster().rebalances.front().unwrap();
    assert_eq!((first.cause.as_str(), first.left), ("w2:1 left", Some(1)));
    assert_eq!(
        model.cluster().workers[&Text::line("w2:1")].member,
        Some(false)
    );
    assert_eq!(
        model.cluster().workers[&Text::line("w1:1")].leader,
        Some(true)
    );
}

/// A rebalance as a member reports it; the leader also tells who the members are.
fn reported(generation: i32, assigned: usize, leader: Option<(&str, &[&str])>) -> Update {
    Update::Rebalance(crate::model::cluster::Rebalance {
        generation: Some(generation),
        start: NOW + i64::from(generation),
        duration: Some(10),
        cause: Text::line("group is rebalancing"),
        joined: None,
        left: None,
        assigned: Some(assigned),
        revoked: Some(0),
        delay: Some(0),
        members: leader.map(|(_, members)| members.iter().map(|id| Text::line(id)).collect()),
        leader: leader.map(|(leader, _)| Text::line(leader)),
    })
}

#[test]
fn every_member_reports_a_rebalance_and_it_is_told_once() {
    let mut model = fixtures::empty();
    tell(&mut model, reported(7, 1, None));
    tell(
        &mut model,
        reported(7, 3, Some(("w1:1", &["w1:1", "w2:1"]))),
    );
    assert_eq!(model.cluster().events.iter().count(), 1);
    let only = model.cluster().rebalances.front().unwrap();
    assert_eq!(
        (only.assigned, only.joined),
        (Some(4), None),
        "who was there before is not known"
    );
    assert_eq!(model.cluster().rebalances.len(), 1);
}

/// The leader only heard of it, and used to be shown with "group is rebalancing" although another member knew
/// why.
#[test]
fn the_cause_of_a_rebalance_is_that_of_whoever_began_it() {
    let began = |cause: &str| match reported(7, 1, None) {
        Update::Rebalance(mut rebalance) => {
            rebalance.cause = Text::line(cause);
            Update::Rebalance(rebalance)
        }
        other => other,
    };
    let leader = || reported(7, 3, Some(("w1:1", &["w1:1", "w2:1"])));
    for leader_first in [false, true] {
        let mut model = fixtures::empty();
        let mut all = [began("connector x is new"), leader()];
        if leader_first {
            all.reverse();
        }
        for update in all {
            tell(&mut model, update);
        }
        let only = model.cluster().rebalances.front().unwrap();
        assert_eq!(only.cause.as_str(), "connector x is new");
    }
    let mut model = fixtures::empty();
    tell(&mut model, leader());
    let only = model.cluster().rebalances.front().unwrap();
    assert_eq!(only.cause.as_str(), "another member asked for it");
}

/// The leader dies: the new one knows nobody of before, and used to be shown as the one that joined.
#[test]
fn who_left_is_what_differs_from_the_generation_before() {
    let mut model = fixtures::empty();
    tell(
        &mut model,
        reported(7, 3, Some(("w1:1", &["w1:1", "w2:1"]))),
    );
    tell(&mut model, reported(8, 3, Some(("w2:1", &["w2:1"]))));
    let row = model.cluster().rebalances.front().unwrap();
    assert_eq!((row.joined, row.left), (Some(0), Some(1)));
    assert_eq!(row.cause.as_str(), "w1:1 (leader) left");
    tell(
        &mut model,
        reported(9, 3, Some(("w2:1", &["w2:1", "w3:1"]))),
    );
    let row = model.cluster().rebalances.front().unwrap();
    assert_eq!((row.cause.as_str(), row.joined), ("w3:1 joined", Some(1)));
}

/// Its only worker is killed: the group stays Empty, and every look at it used to be a rebalance.
#[test]
fn a_group_that_stays_empty_is_one_rebalance_and_its_work_is_lost() {
    use State::Running;
    let mut model = fixtures::empty();
    listed(&mut model, NOW, &[("c", Running, &[Running])]);
    tell(&mut model, group(&["w1:8083", "w2:8083"], "Stable"));
    assert_eq!(model.cluster().connectors["c"].health, Health::Healthy);
    for _ in 0..5 {
        tell(&mut model, group(&[], "Empty"));
    }
    assert_eq!(model.cluster().rebalances.len(), 1);
    let row = model.cluster().rebalances.front().unwrap();
    assert_eq!(
        (row.cause.as_str(), row.left),
        ("w1:8083, w2:8083 left", Some(2))
    );
    let c = &model.cluster().connectors["c"];
    assert_eq!(
        (c.health, c.counts.label()),
        (Health::Lost, "0/1 L1".into())
    );
    assert_eq!(model.cluster().bad(), 1);
    tell(&mut model, group(&["w1:8083", "w2:8083"], "Stable"));
    assert_eq!(model.cluster().connectors["c"].health, Health::Healthy);
}

#[test]
fn work_of_a_worker_that_left_is_lost_until_it_is_somewhere_else() {
    use State::Running;
    let mut model = fixtures::empty();
    listed(&mut model, NOW, &[("c", Running, &[Running])]);
    tell(&mut model, group(&["w1:8083", "w2:8083"], "Stable"));
    let mut alone = group(&["w1:8083"], "Stable");
    if let Update::Group(report) = &mut alone {
        report.delay = Some(60_000);
    }
    tell(&mut model, alone);
    let c = &model.cluster().connectors["c"];
    assert_eq!(c.health, Health::Lost);
    assert_eq!(model.cluster().waits(NOW + 18_000), Some(42_000));
    tell(&mut model, Update::Live(true));
    let mut moved = change(Some(0), Some(Running), 9, NOW + 61_000);
    moved.worker = Text::line("w1:8083");
    tell(&mut model, Update::Status(moved));
    assert_eq!(model.cluster().connectors["c"].health, Health::Healthy);
}

/// Where the group can't be seen: nothing listens at the worker's address, and other workers answer.
#[test]
fn a_refused_connection_says_that_a_worker_is_gone_and_silence_does_not() {
    use crate::model::cluster::WorkerHealth;
    use State::Running;
    let mut model = fixtures::empty();
    listed(&mut model, NOW, &[("c", Running, &[Running])]);
    let mut probed = |health| {
        tell(
            &mut model,
            Update::WorkerHealth {
                worker: Text::line("w2:8083"),
                health,
                version: None,
                kind: None,
            },
        );
        model.cluster().connectors["c"].health
    };
    let why = || Text::line("why");
    assert_eq!(probed(WorkerHealth::Unreachable(why())), Health::Healthy);
    assert_eq!(probed(WorkerHealth::Refused(why())), Health::Lost);
    assert_eq!(probed(WorkerHealth::Ok), Health::Healthy);
}

#[test]
fn losing_the_cluster_keeps_the_rows_and_says_so_once() {
    let mut model = fixtures::failing();
    model.cluster_mut().live = false;
    let down = |attempt| {
        Update::Rest(Link::Down {
            error: Text::line("refused"),
            since: NOW,
            attempt,
        })
    };
    let before = model.cluster().events.iter().count();
    tell(&mut model, down(1));
    tell(&mut model, down(2));
    assert_eq!(model.cluster().events.iter().count(), before + 1);
    assert_eq!(model.cluster().connectors.len(), 7);
    update(&mut model, Message::Now(NOW + 60_000));
    assert!(model.cluster().is_stale(model.now()));
}

#[test]
fn news_of_the_cluster_before_are_dropped_after_a_switch() {
    let mut model = fixtures::failing();
    let effects = type_in(&mut model, ":ctx staging\n");
    assert!(matches!(
        effects.first(),
        Some(Effect::Connect {
            context: 1,
            epoch: 1
        })
    ));
    assert!(model.cluster().connectors.is_empty() && model.is_readonly());
    let old = Update::Status(change(None, Some(State::Running), 1, NOW));
    update(&mut model, Message::Data(0, Box::new(old)));
    assert!(model.cluster().connectors.is_empty());
}

/// The switch copied field by field, and the demo was not among them.
#[test]
fn a_switch_keeps_the_session_and_nothing_of_the_cluster() {
    let mut model = fixtures::failing();
    model.session.demo = Some(crate::model::demo::Demo {
        bootstrap: Text::line("localhost:9092"),
        running: 2,
        agents: 2,
    });
    model.session.wide = true;
    type_in(&mut model, ":t /jdbc\n");
    type_in(&mut model, ":ctx staging\n");
    let session = &model.session;
    assert!(session.demo.is_some() && session.wide && session.context == 1);
    assert_eq!(session.history, ["t /jdbc", "ctx staging"]);
    assert_eq!(model.clusters.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!(model.cluster().events.iter().count(), 0);
    assert_eq!(*model.ui.nav.current(), Place::of("connectors"));
    assert!(model.table(Tasks::ID).filter.is_empty());
    let effects = type_in(&mut model, "K");
    assert_eq!(effects, [Effect::ToggleAgent], "the demo's keys still act");
}

/// Columns without a rank of their own sorted by name, or by time, without a word.
#[test]
fn every_column_sorts_by_what_it_shows() {
    let mut model = fixtures::failing();
    model.session.wide = true;
    let table: &dyn Table = &Connectors;
    let headings = table.headings();
    let column = headings.iter().position(|h| h.title == "TOPICS");
    let sort = Sort {
        column: column.unwrap(),
        reverse: false,
    };
    model.table_mut(Connectors::ID).sort = Some(sort);
    model.ui.stale_index = true;
    settle(&mut model);
    assert_eq!(
        names(&model).first(),
        Some(&"audit-s3-0005"),
        "audit, clicks, ghost, orders"
    );
    assert_eq!(names(&model).get(1), Some(&"clicks-hdfs-0009"));
    assert_eq!(names(&model).last(), Some(&"inv-dbz-0007"), "it has none");
}

#[test]
fn names_from_outside_can_not_write_to_the_terminal() {
    let mut model = fixtures::empty();
    let evil = "x\u{1b}[2J\u{202e}y";
    listed(
        &mut model,
        NOW,
        &[(evil, State::Running, &[State::Running])],
    );
    let connector = model.cluster().connectors.values().next().unwrap();
    assert_eq!(connector.label.as_str(), "x\\u{1b}[2J\\u{202e}y");
    assert_eq!(
        connector.name.as_str(),
        evil,
        "requests still name the real one"
    );
    let _ = Arc::clone(&connector.config);
}
