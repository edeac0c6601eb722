//! Keys, commands, verbs and navigation.

use super::*;

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
    assert!(crate::update::restarts_by_plan("3.0.0") && !crate::update::restarts_by_plan("2.8.2"));
    assert!(
        crate::update::restarts_by_plan("0.1.0"),
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
