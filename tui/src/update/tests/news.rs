//! News of the cluster.

use super::*;

#[test]
fn the_first_list_is_no_news_but_changes_after_it_are_events() {
    use State::{Failed, Running};
    let mut model = fixtures::empty();
    model.cluster.listed = None;
    listed(
        &mut model,
        NOW,
        &[("a", Running, &[Failed]), ("b", Running, &[Running])],
    );
    assert_eq!(model.events.iter().count(), 0);
    let a = &model.cluster.connectors["a"];
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
        .events
        .iter()
        .map(|e| format!("{} {}", e.event.object, e.event.what))
        .collect();
    assert_eq!(told, ["a deleted", "b-0 RUNNING -> FAILED: boom", "n new"]);
    assert_eq!(
        model.cluster.connectors["b"].tasks[&0].changed,
        Some(NOW + 2_000)
    );
    assert!(!model.cluster.connectors.contains_key("a"));
}

fn change(task: Option<u32>, state: Option<State>, generation: i32, at: i64) -> StatusChange {
    StatusChange {
        connector: "c".into(),
        task,
        state,
        worker: Text::line("w1:8083"),
        trace: None,
        generation,
        version: None,
        at,
        old: false,
    }
}

#[test]
fn a_connector_that_only_the_status_topic_knows_is_looked_up_at_once() {
    let mut model = fixtures::empty();
    let told = |model: &mut Model| {
        let news = Update::Status(change(None, Some(State::Running), 1, NOW));
        update(model, Message::Data(model.epoch, Box::new(news)))
    };
    assert_eq!(told(&mut model), [Effect::Refresh]);
    assert_eq!(told(&mut model), []);
}

fn tell(model: &mut Model, news: Update) {
    let epoch = model.epoch;
    update(model, Message::Data(epoch, Box::new(news)));
    settle(model);
}

#[test]
fn a_late_unassigned_does_not_hide_a_running_task() {
    let mut model = fixtures::empty();
    model.cluster.live = true;
    tell(
        &mut model,
        Update::Status(change(Some(0), Some(State::Running), 7, NOW)),
    );
    tell(
        &mut model,
        Update::Status(change(Some(0), Some(State::Unassigned), 6, NOW + 10)),
    );
    assert_eq!(
        model.cluster.connectors["c"].tasks[&0].state,
        State::Running
    );
    tell(
        &mut model,
        Update::Status(change(Some(0), Some(State::Unassigned), 8, NOW + 20)),
    );
    assert_eq!(
        model.cluster.connectors["c"].tasks[&0].state,
        State::Unassigned
    );
}

#[test]
fn restarts_are_counted_and_tombstones_remove() {
    let mut model = fixtures::empty();
    model.cluster.live = true;
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
    assert_eq!(model.cluster.connectors["c"].restarts, Some(2));
    tell(
        &mut model,
        Update::Status(change(Some(0), None, 0, NOW + 9)),
    );
    assert!(model.cluster.connectors["c"].tasks.is_empty());
    tell(&mut model, Update::Status(change(None, None, 0, NOW + 9)));
    assert!(model.cluster.connectors.is_empty());
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
    assert_eq!(model.cluster.connectors["c"].tasks[&0].state, Failed);
}

#[test]
fn lag_is_summed_and_a_sink_that_stands_still_is_stalled() {
    let mut model = fixtures::empty();
    listed(&mut model, NOW, &[("c", State::Running, &[State::Running])]);
    let report = |end| LagReport {
        connector: "c".into(),
        topic: Text::line("t"),
        partition: 0,
        end: Some(end),
        committed: Some(10),
        task: Some(0),
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
    let c = &model.cluster.connectors["c"];
    assert_eq!(
        (c.lag, c.tasks[&0].lag, c.health),
        (Some(30), Some(30), Health::Healthy)
    );
    let partition = model.cluster.partitions.values().next().unwrap();
    assert_eq!((partition.slope, partition.eta()), (Some(2.0), None));
    update(&mut model, Message::Now(NOW + 61_000));
    assert_eq!(model.cluster.connectors["c"].health, Health::Stalled);
}

#[test]
fn a_partition_without_a_commit_has_no_lag_and_not_zero() {
    let mut model = fixtures::empty();
    listed(&mut model, NOW, &[("c", State::Running, &[State::Running])]);
    let report = LagReport {
        connector: "c".into(),
        topic: Text::line("t"),
        partition: 0,
        end: Some(40),
        committed: None,
        task: None,
    };
    tell(
        &mut model,
        Update::Lag {
            at: NOW,
            partitions: vec![report],
        },
    );
    assert_eq!(model.cluster.connectors["c"].lag, None);
}

#[test]
fn figures_of_a_silent_worker_are_forgotten() {
    let mut model = fixtures::healthy();
    assert!(model.cluster.connectors["orders-jdbc-0001"].rate.is_some());
    update(&mut model, Message::Now(NOW + 40_000));
    assert!(model.cluster.connectors["orders-jdbc-0001"].rate.is_some());
    update(&mut model, Message::Now(NOW + 50_000));
    assert_eq!(model.cluster.connectors["orders-jdbc-0001"].rate, None);
}

#[test]
fn members_that_come_and_go_are_rebalances() {
    let mut model = fixtures::empty();
    let group = |members: &[&str], state: &str| {
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
                    kind: None,
                })
                .collect(),
            leader: Some(Text::line("w1:1")),
            delay: Some(0),
        })
    };
    tell(&mut model, group(&["w1:1", "w2:1"], "Stable"));
    assert!(
        model.cluster.rebalances.is_empty(),
        "the first look is no news"
    );
    tell(&mut model, group(&[], "PreparingRebalance"));
    tell(&mut model, group(&["w1:1"], "Stable"));
    let first = model.cluster.rebalances.front().unwrap();
    assert_eq!((first.cause.as_str(), first.left), ("w2:1 left", Some(1)));
    assert_eq!(
        model.cluster.workers[&Text::line("w2:1")].member,
        Some(false)
    );
    assert_eq!(
        model.cluster.workers[&Text::line("w1:1")].leader,
        Some(true)
    );
}

#[test]
fn every_member_reports_a_rebalance_and_it_is_told_once() {
    let mut model = fixtures::empty();
    let report = |assigned, joined| {
        Update::Rebalance(crate::model::cluster::Rebalance {
            generation: Some(7),
            start: NOW,
            duration: Some(10),
            cause: Text::line("worker started"),
            joined,
            left: joined,
            assigned: Some(assigned),
            revoked: Some(0),
            delay: Some(0),
        })
    };
    tell(&mut model, report(1, None));
    tell(&mut model, report(3, Some(2)));
    assert_eq!(model.events.iter().count(), 1);
    let only = model.cluster.rebalances.front().unwrap();
    assert_eq!((only.assigned, only.joined), (Some(4), Some(2)));
    assert_eq!(model.cluster.rebalances.len(), 1);
}

#[test]
fn losing_the_cluster_keeps_the_rows_and_says_so_once() {
    let mut model = fixtures::failing();
    model.cluster.live = false;
    let down = |attempt| {
        Update::Rest(Link::Down {
            error: Text::line("refused"),
            since: NOW,
            attempt,
        })
    };
    let before = model.events.iter().count();
    tell(&mut model, down(1));
    tell(&mut model, down(2));
    assert_eq!(model.events.iter().count(), before + 1);
    assert_eq!(model.cluster.connectors.len(), 7);
    update(&mut model, Message::Now(NOW + 60_000));
    assert!(model.cluster.is_stale(model.now));
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
    assert!(model.cluster.connectors.is_empty() && model.is_readonly());
    let old = Update::Status(change(None, Some(State::Running), 1, NOW));
    update(&mut model, Message::Data(0, Box::new(old)));
    assert!(model.cluster.connectors.is_empty());
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
    let connector = model.cluster.connectors.values().next().unwrap();
    assert_eq!(connector.label.as_str(), "xy");
    assert_eq!(
        connector.name.as_str(),
        evil,
        "requests still name the real one"
    );
    let _ = Arc::clone(&connector.config);
}
