//! What keys and news do to the model, and which effects they ask for.

use std::sync::Arc;

use crossterm::event::KeyCode;
use sluice_protocol::rest::{
    ConfigInfo, ConfigInfos, ConfigKeyInfo, ConfigValueInfo, ConnectorInfo, ConnectorState,
    ConnectorStateInfo, ExpandedConnector, ExpandedConnectors, TaskState,
};
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorType, State};

use super::{settle, update};
use crate::effect::Effect;
use crate::keys::Key;
use crate::message::{
    ActionNews, GroupMember, GroupReport, LagReport, Message, StatusChange, Update,
};
use crate::model::Model;
use crate::model::action::{RestartMode, Stage, Verb};
use crate::model::cluster::Link;
use crate::model::fixtures::{self, NOW};
use crate::model::health::Health;
use crate::model::screen::Screen;
use crate::model::table::{Column, RowKey, TableId};
use crate::text::Text;

fn ctrl(c: char) -> Key {
    Key {
        code: KeyCode::Char(c),
        ctrl: true,
        shift: false,
    }
}

fn esc() -> Key {
    Key::plain(KeyCode::Esc)
}

fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    settle(model);
    let effects = update(model, Message::Key(key));
    settle(model);
    effects
}

/// Types text; `\n` is enter. Returns the effects of the last key.
fn type_in(model: &mut Model, text: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in text.chars() {
        let code = if c == '\n' {
            KeyCode::Enter
        } else {
            KeyCode::Char(c)
        };
        effects = press(model, Key::plain(code));
    }
    effects
}

fn names(model: &Model) -> Vec<&str> {
    model
        .table(TableId::Connectors)
        .rows
        .iter()
        .filter_map(|row| row.connector())
        .map(ConnectorName::as_str)
        .collect()
}

fn flash(model: &Model) -> &str {
    model.flash.as_ref().map_or("", |flash| flash.text.as_str())
}

/// An entry of the list.
fn entry(name: &str, state: State, tasks: &[State]) -> ExpandedConnector {
    let trace = |state: State| (state == State::Failed).then(|| "boom".to_owned());
    ExpandedConnector {
        status: Some(ConnectorStateInfo {
            name: name.into(),
            connector: ConnectorState {
                state,
                worker_id: "w1:8083".into(),
                version: Some("4.3.0".into()),
                trace: trace(state),
            },
            tasks: (0..)
                .zip(tasks)
                .map(|(id, state)| TaskState {
                    id,
                    state: *state,
                    worker_id: "w2:8083".into(),
                    version: None,
                    trace: trace(*state),
                })
                .collect(),
            connector_type: ConnectorType::Sink,
        }),
        info: Some(ConnectorInfo {
            name: name.into(),
            config: ConfigMap::from([("name", name), ("connector.class", "X"), ("topics", "t")]),
            tasks: Vec::new(),
            connector_type: ConnectorType::Sink,
        }),
    }
}

fn listed(model: &mut Model, asked: i64, entries: &[(&str, State, &[State])]) -> Vec<Effect> {
    let list: ExpandedConnectors = entries
        .iter()
        .map(|(name, state, tasks)| (ConnectorName::from(*name), entry(name, *state, tasks)))
        .collect();
    let effects = update(
        model,
        Message::Data(
            model.epoch,
            Box::new(Update::Listed {
                asked,
                list: Box::new(list),
            }),
        ),
    );
    settle(model);
    effects
}

#[test]
fn the_worst_connector_is_on_top_at_once() {
    let mut model = fixtures::failing();
    settle(&mut model);
    let order: Vec<Health> = model
        .table(TableId::Connectors)
        .rows
        .iter()
        .filter_map(|row| Some(model.cluster.connectors.get(row.connector()?)?.health))
        .collect();
    assert!(order.is_sorted());
    assert_eq!(order.first(), Some(&Health::Unhealthy));
}

#[test]
fn sort_keys_choose_the_column_and_reverse_on_the_second_press() {
    let mut model = fixtures::failing();
    type_in(&mut model, "N");
    assert!(names(&model).is_sorted());
    type_in(&mut model, "N");
    assert!(names(&model).iter().rev().is_sorted());
    type_in(&mut model, "L");
    assert_eq!(
        names(&model).first(),
        Some(&"orders-jdbc-0113"),
        "most lag first"
    );
    assert_eq!(
        names(&model).last(),
        Some(&"inv-dbz-0007"),
        "unknown lag last"
    );
    type_in(&mut model, "O");
    assert_eq!(
        names(&model).last(),
        Some(&"inv-dbz-0007"),
        "unknown stays last in either direction"
    );
    press(
        &mut model,
        Key {
            code: KeyCode::Left,
            ctrl: false,
            shift: true,
        },
    );
    assert_eq!(model.table(TableId::Connectors).sort.column, Column::Tasks);
}

#[test]
fn the_faults_toggle_shows_only_what_is_not_well() {
    let mut model = fixtures::failing();
    press(&mut model, ctrl('z'));
    assert_eq!(
        names(&model),
        [
            "ghost-es-0003",
            "orders-jdbc-0113",
            "orders-s3-0042",
            "clicks-hdfs-0009"
        ]
    );
    press(&mut model, esc());
    assert_eq!(names(&model).len(), 7, "esc at home clears it");
}

#[test]
fn a_filter_acts_while_typing_and_esc_restores_then_clears() {
    let mut model = fixtures::failing();
    type_in(&mut model, "/s3");
    assert_eq!(names(&model), ["orders-s3-0042", "audit-s3-0005"]);
    type_in(&mut model, "\n");
    type_in(&mut model, "/-l topics=audit");
    assert_eq!(
        names(&model),
        Vec::<&str>::new(),
        "the text before is kept for editing"
    );
    press(&mut model, esc());
    assert_eq!(names(&model).len(), 2, "esc goes back to the filter before");
    press(&mut model, esc());
    assert_eq!(names(&model).len(), 7);
}

#[test]
fn commands_take_filters_names_and_short_forms() {
    let mut model = fixtures::failing();
    type_in(&mut model, ":c health=bad\n");
    assert_eq!(names(&model).len(), 4);
    type_in(&mut model, ":t /jdbc\n");
    assert_eq!(*model.nav.current(), Screen::Tasks);
    assert_eq!(model.table(TableId::Tasks).rows.len(), 8);
    type_in(&mut model, ":c orders-s3-0042\n");
    assert_eq!(
        *model.nav.current(),
        Screen::Connector("orders-s3-0042".into())
    );
    type_in(&mut model, ":nonsense\n");
    assert_eq!(flash(&model), "no command \"nonsense\" (? shows all)");
    type_in(&mut model, ":q\n");
    assert!(model.quitting);
}

#[test]
fn tab_completes_words_and_names_and_up_recalls() {
    let mut model = fixtures::failing();
    type_in(&mut model, ":ta");
    press(&mut model, Key::plain(KeyCode::Tab));
    assert_eq!(model.prompt.as_ref().map(|p| p.text()), Some("tasks"));
    type_in(&mut model, "\n");
    type_in(&mut model, ":c ghost");
    press(&mut model, Key::plain(KeyCode::Tab));
    type_in(&mut model, "\n");
    assert_eq!(
        model.open_connector().map(ConnectorName::as_str),
        Some("ghost-es-0003")
    );
    type_in(&mut model, ":");
    press(&mut model, Key::plain(KeyCode::Up));
    assert_eq!(
        model.prompt.as_ref().map(|p| p.text()),
        Some("c ghost-es-0003")
    );
}

#[test]
fn restart_of_a_degraded_connector_takes_failed_only_by_default() {
    let mut model = fixtures::failing();
    type_in(&mut model, "/orders-s3\nr");
    let effects = type_in(&mut model, "\n");
    let Some(Effect::Act {
        verb,
        connector,
        failed_tasks,
        ..
    }) = effects.get(1)
    else {
        panic!("{effects:?}");
    };
    assert_eq!(*verb, Verb::Restart(RestartMode::OnlyFailed));
    assert_eq!(connector.as_str(), "orders-s3-0042");
    assert_eq!(failed_tasks, &[1]);
    assert_eq!(effects.first(), Some(&Effect::Pace(true)));
}

#[test]
fn a_verb_needs_more_than_enter() {
    let mut model = fixtures::failing();
    type_in(&mut model, "p");
    assert!(type_in(&mut model, "\n").is_empty(), "Cancel has the focus");
    assert!(model.dialog.is_none() && model.actions.is_empty());
    type_in(&mut model, "p");
    let effects = type_in(&mut model, "y");
    assert!(matches!(
        effects.get(1),
        Some(Effect::Act {
            verb: Verb::Pause,
            ..
        })
    ));
    assert_eq!(model.actions.len(), 1);
}

#[test]
fn delete_wants_the_name_typed() {
    let mut model = fixtures::failing();
    press(&mut model, ctrl('d'));
    assert!(type_in(&mut model, "ghost-es-000").is_empty());
    assert!(
        type_in(&mut model, "\n").is_empty() && model.dialog.is_some(),
        "a wrong name does nothing"
    );
    type_in(&mut model, "3");
    let effects = type_in(&mut model, "\n");
    assert!(
        matches!(
            effects.get(1),
            Some(Effect::Act {
                verb: Verb::Delete,
                ..
            })
        ),
        "{effects:?}"
    );
}

#[test]
fn marks_make_one_plan_of_many() {
    let mut model = fixtures::failing();
    press(&mut model, Key::plain(KeyCode::Char(' ')));
    type_in(&mut model, "j");
    press(&mut model, ctrl(' '));
    assert_eq!(model.table(TableId::Connectors).marks.len(), 3);
    type_in(&mut model, "s");
    let title = model.dialog.as_ref().map(|dialog| dialog.title.clone());
    assert_eq!(title.as_deref(), Some("stop: 3 selected"));
    let effects = type_in(&mut model, "y");
    assert_eq!(
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Act { .. }))
            .count(),
        3
    );
    assert!(model.table(TableId::Connectors).marks.is_empty());
    let plans: Vec<u64> = model.actions.iter().map(|action| action.plan).collect();
    assert!(plans.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn bulk_restart_by_expression_counts_only_what_failed() {
    let mut model = fixtures::failing();
    type_in(&mut model, ":restart failed /orders\n");
    let dialog = model.dialog.clone().unwrap();
    assert_eq!(dialog.title, "restart failed: 3 selected");
    let effects = type_in(&mut model, "y");
    let acted: Vec<&str> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Act { connector, .. } => Some(connector.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(acted, ["orders-jdbc-0113", "orders-s3-0042"]);
    type_in(&mut model, ":restart failed /dbz\n");
    assert_eq!(flash(&model), "nothing has failed there");
}

#[test]
fn tasks_are_restarted_one_by_one_from_the_tasks_screen() {
    let mut model = fixtures::failing();
    type_in(&mut model, ":t\n");
    press(&mut model, Key::plain(KeyCode::Char(' ')));
    press(&mut model, Key::plain(KeyCode::Char(' ')));
    type_in(&mut model, "r");
    let effects = type_in(&mut model, "\n");
    let tasks = effects
        .iter()
        .filter(|e| {
            matches!(
                e,
                Effect::Act {
                    verb: Verb::Restart(RestartMode::Task(_)),
                    ..
                }
            )
        })
        .count();
    assert_eq!(tasks, 2);
}

#[test]
fn read_only_refuses_and_says_so() {
    let mut model = fixtures::failing();
    model.readonly = true;
    for keys in ["r", "p", "s", "e", "a", ":delete\n", ":pause /x\n"] {
        let effects = type_in(&mut model, keys);
        assert!(
            effects
                .iter()
                .all(|effect| matches!(effect, Effect::Remember(_))),
            "{keys}"
        );
        assert!(model.dialog.is_none(), "{keys}");
        assert_eq!(flash(&model), "read-only: writes are off");
    }
}

#[test]
fn stop_is_refused_on_a_server_that_has_no_stop() {
    let mut model = fixtures::failing();
    model.cluster.version = Some(Text::line("3.4.1"));
    type_in(&mut model, "s");
    assert!(model.dialog.is_none() && flash(&model).contains("needs 3.5"));
    assert!(super::restarts_by_plan("3.0.0") && !super::restarts_by_plan("2.8.2"));
    assert!(
        super::restarts_by_plan("0.1.0"),
        "agents count their own versions"
    );
}

#[test]
fn an_action_waits_out_a_rebalance_is_accepted_and_then_confirmed() {
    use State::{Paused, Running};
    let mut model = fixtures::empty();
    listed(&mut model, NOW, &[("c", Running, &[Running, Running])]);
    type_in(&mut model, "p");
    type_in(&mut model, "y");
    let id = model.actions[0].id;
    let waiting = ActionNews::Waiting {
        reason: Text::line("rebalance"),
        retry_at: NOW + 2_000,
    };
    update(&mut model, Message::Action(id, waiting));
    assert_eq!(
        model.actions[0].line(NOW).1,
        "pause c: waits for rebalance, again in 2s"
    );
    update(&mut model, Message::Now(NOW + 2_000));
    update(&mut model, Message::Action(id, ActionNews::Accepted(None)));
    listed(
        &mut model,
        NOW + 2_500,
        &[("c", Paused, &[Running, Paused])],
    );
    assert!(
        matches!(model.actions[0].stage, Stage::Accepted { .. }),
        "one task still runs"
    );
    let effects = listed(&mut model, NOW + 3_000, &[("c", Paused, &[Paused, Paused])]);
    assert!(matches!(model.actions[0].stage, Stage::Confirmed { .. }));
    assert_eq!(effects, [Effect::Pace(false)]);
    let last = model.events.iter().next_back().unwrap();
    assert_eq!(last.event.kind, "action");
}

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

fn edit(model: &mut Model, change: impl Fn(&str) -> String) -> Vec<Effect> {
    let effects = type_in(model, "e");
    let Some(Effect::LoadConfig(name)) = effects.first().cloned() else {
        panic!("{effects:?}");
    };
    let stored = ConfigMap::from([
        ("name", name.as_str()),
        ("connector.class", "X"),
        ("db.password", "geheim"),
        ("a", "1"),
    ]);
    let effects = update(
        model,
        Message::ConfigLoaded(name, Ok((stored, Default::default()))),
    );
    let Some(Effect::Edit(session)) = effects.into_iter().next() else {
        panic!("no editor");
    };
    assert!(!session.text.contains("geheim"));
    let text = change(&session.text);
    update(model, Message::EditorClosed(session, Ok(text)))
}

#[test]
fn an_edit_is_validated_shown_and_written_with_the_stored_secret() {
    let mut model = fixtures::failing();
    let effects = edit(&mut model, |text| text.replace("\"1\"", "\"2\""));
    let Some(Effect::Validate { session, config }) = effects.into_iter().next() else {
        panic!("not validated");
    };
    assert_eq!(config.text("db.password"), Some("geheim"));
    let fine = ConfigInfos {
        name: "X".into(),
        error_count: 0,
        groups: Vec::new(),
        configs: Vec::new(),
    };
    update(&mut model, Message::Validated(session, Ok(Box::new(fine))));
    let dialog = model.dialog.clone().unwrap();
    let body: Vec<&str> = dialog.body.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(body[0], "~ a: 1 -> 2");
    assert_eq!(dialog.selected, 0, "Cancel has the focus");
    let effects = type_in(&mut model, "y");
    let Some(Effect::Act {
        verb: Verb::PutConfig {
            config,
            base: Some(base),
        },
        ..
    }) = effects.get(1)
    else {
        panic!("{effects:?}");
    };
    assert_eq!((config.text("a"), base.text("a")), (Some("2"), Some("1")));
    assert_eq!(config.text("db.password"), Some("geheim"));
}

#[test]
fn an_edit_without_change_writes_nothing() {
    let mut model = fixtures::failing();
    assert!(edit(&mut model, str::to_owned).is_empty());
    assert_eq!(flash(&model), "nothing changed, nothing written");
}

#[test]
fn a_wrong_edit_offers_the_editor_again_with_the_text() {
    let mut model = fixtures::failing();
    assert!(edit(&mut model, |_| "{ not json".to_owned()).is_empty());
    let effects = type_in(&mut model, "\n");
    assert!(matches!(effects.first(), Some(Effect::Edit(session)) if session.text == "{ not json"));
    let mut model = fixtures::failing();
    edit(&mut model, |text| {
        text.replace("\"name\": \"", "\"name\": \"x")
    });
    let body = &model.dialog.as_ref().unwrap().body;
    assert!(
        body[0].1.as_str().starts_with("name: can't be changed"),
        "{body:?}"
    );
}

#[test]
fn errors_of_validation_are_shown_by_key_without_secret_values() {
    let mut model = fixtures::failing();
    let effects = edit(&mut model, |text| text.replace("\"1\"", "\"2\""));
    let Some(Effect::Validate { session, .. }) = effects.into_iter().next() else {
        panic!("not validated");
    };
    let wrong = |name: &str, kind: &str| ConfigInfo {
        definition: Some(ConfigKeyInfo {
            name: name.into(),
            key_type: kind.into(),
            required: true,
            default_value: None,
            importance: "HIGH".into(),
            documentation: None,
            group: None,
            order_in_group: -1,
            width: None,
            display_name: None,
            dependents: Vec::new(),
        }),
        value: Some(ConfigValueInfo {
            name: name.into(),
            value: None,
            recommended_values: Vec::new(),
            errors: vec!["Invalid value geheim".into()],
            visible: true,
        }),
    };
    let infos = ConfigInfos {
        name: "X".into(),
        error_count: 2,
        groups: Vec::new(),
        configs: vec![wrong("tasks.max", "INT"), wrong("blob", "PASSWORD")],
    };
    update(&mut model, Message::Validated(session, Ok(Box::new(infos))));
    let body: Vec<String> = model
        .dialog
        .unwrap()
        .body
        .iter()
        .map(|(_, line)| line.to_string())
        .collect();
    assert_eq!(
        body,
        ["tasks.max: Invalid value geheim", "blob: not accepted"]
    );
}

#[test]
fn a_new_connector_needs_a_name_that_is_free() {
    let mut model = fixtures::failing();
    let effects = type_in(&mut model, "a");
    let Some(Effect::Edit(session)) = effects.into_iter().next() else {
        panic!("no editor");
    };
    let taken = r#"{"name":"ghost-es-0003","connector.class":"X"}"#;
    assert!(
        update(
            &mut model,
            Message::EditorClosed(session.clone(), Ok(taken.into()))
        )
        .is_empty()
    );
    assert!(
        model.dialog.take().unwrap().body[0]
            .1
            .as_str()
            .contains("exists already")
    );
    let free = r#"{"name":"n","connector.class":"X"}"#;
    let effects = update(&mut model, Message::EditorClosed(session, Ok(free.into())));
    assert!(matches!(effects.first(), Some(Effect::Validate { .. })));
}

#[test]
fn navigation_goes_down_up_and_sideways() {
    let mut model = fixtures::failing();
    type_in(&mut model, "/orders-s3\n");
    let effects = type_in(&mut model, "\n");
    assert!(matches!(
        effects.first(),
        Some(Effect::LoadPasswords { .. })
    ));
    assert_eq!(
        model.table(TableId::ConnectorTasks).current(),
        Some(&RowKey::Task("orders-s3-0042".into(), 1)),
        "the failed task is selected"
    );
    type_in(&mut model, "J");
    assert_eq!(*model.nav.current(), Screen::Workers);
    assert_eq!(
        model.table(TableId::Workers).current(),
        Some(&RowKey::Worker(Text::line("w2:8083")))
    );
    type_in(&mut model, "\n");
    assert_eq!(*model.nav.current(), Screen::Tasks);
    assert!(model.table(TableId::Tasks).rows.len() < model.table(TableId::Tasks).total);
    press(&mut model, esc());
    assert_eq!(
        *model.nav.current(),
        Screen::Tasks,
        "esc clears the filter first"
    );
    press(&mut model, esc());
    assert_eq!(*model.nav.current(), Screen::Connectors);
    assert_eq!(
        model.table(TableId::Connectors).filter.text(),
        "orders-s3",
        "state survives going back"
    );
}

#[test]
fn text_is_searched_copied_and_scrolled() {
    let mut model = fixtures::failing();
    update(&mut model, Message::Resize(80, 24));
    type_in(&mut model, ":c orders-s3-0042\n");
    type_in(&mut model, "6/poll\n");
    let line = crate::view::lower_lines(&model)[model.detail.scroll]
        .1
        .clone();
    assert!(line.contains("poll"), "{line}");
    let effects = type_in(&mut model, "c");
    assert!(
        matches!(effects.first(), Some(Effect::Copy(text)) if text.starts_with("com.amazonaws"))
    );
    type_in(&mut model, "/zzz\n");
    assert_eq!(flash(&model), "no match");
    type_in(&mut model, "o");
    type_in(&mut model, "g");
}

#[test]
fn offsets_are_fetched_when_their_pane_opens() {
    let mut model = fixtures::failing();
    let effects = type_in(&mut model, "o");
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::LoadOffsets(_)))
    );
    let name = model.open_connector().cloned().unwrap();
    let offsets = vec![(
        Text::line("{\"kafka_topic\":\"t\"}"),
        Text::line("{\"kafka_offset\":7}"),
    )];
    update(&mut model, Message::OffsetsLoaded(name, Ok(offsets)));
    assert!(
        crate::view::lower_lines(&model)[0]
            .1
            .contains("kafka_offset")
    );
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
