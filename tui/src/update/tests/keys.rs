//! Keys, commands, verbs and navigation.

use super::*;

#[test]
fn the_worst_connector_is_on_top_at_once() {
    let mut model = fixtures::failing();
    settle(&mut model);
    let order: Vec<Health> = model
        .table(Connectors::ID)
        .rows
        .iter()
        .filter_map(|row| {
            Some(
                model
                    .cluster()
                    .connectors
                    .get(row.connector.as_ref()?)?
                    .health,
            )
        })
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
    let table: &dyn Table = &Connectors;
    let sorted = table.headings()[table.sort(&model).column].title;
    assert_eq!(sorted, "TASKS");
}

#[test]
fn a_table_with_an_order_of_its_own_says_so() {
    let mut model = fixtures::failing();
    type_in(&mut model, ":ctx\n");
    for key in ["N", "O", "H"] {
        model.ui.flash = None;
        type_in(&mut model, key);
        assert_eq!(flash(&model), "this table keeps its order", "{key}");
        assert_eq!(model.table(Contexts::ID).sort, None);
    }
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
    assert_eq!(*model.ui.nav.current(), Place::of("tasks"));
    assert_eq!(model.table(Tasks::ID).rows.len(), 8);
    type_in(&mut model, ":c orders-s3-0042\n");
    assert_eq!(
        *model.ui.nav.current(),
        Place::connector(&"orders-s3-0042".into())
    );
    type_in(&mut model, ":nonsense\n");
    assert_eq!(flash(&model), "no command \"nonsense\" (? shows all)");
    type_in(&mut model, ":q\n");
    assert!(model.session.quitting);
}

#[test]
fn tab_completes_words_and_names_and_up_recalls() {
    let mut model = fixtures::failing();
    type_in(&mut model, ":ta");
    press(&mut model, Key::plain(KeyCode::Tab));
    assert_eq!(model.ui.prompt.as_ref().map(|p| p.text()), Some("tasks"));
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
        model.ui.prompt.as_ref().map(|p| p.text()),
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
    assert!(model.ui.dialog.is_none() && model.ui.actions.is_empty());
    type_in(&mut model, "p");
    let effects = type_in(&mut model, "y");
    assert!(matches!(
        effects.get(1),
        Some(Effect::Act {
            verb: Verb::Pause,
            ..
        })
    ));
    assert_eq!(model.ui.actions.len(), 1);
}

#[test]
fn delete_wants_the_name_typed() {
    let mut model = fixtures::failing();
    press(&mut model, ctrl('d'));
    assert!(type_in(&mut model, "ghost-es-000").is_empty());
    assert!(
        type_in(&mut model, "\n").is_empty() && model.ui.dialog.is_some(),
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
    assert_eq!(model.table(Connectors::ID).marks.len(), 3);
    type_in(&mut model, "s");
    let title = model.ui.dialog.as_ref().map(|dialog| dialog.title.clone());
    assert_eq!(title.as_deref(), Some("stop: 3 selected"));
    let effects = type_in(&mut model, "y");
    assert_eq!(
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Act { .. }))
            .count(),
        3
    );
    assert!(model.table(Connectors::ID).marks.is_empty());
    let plans: Vec<u64> = model.ui.actions.iter().map(|action| action.plan).collect();
    assert!(plans.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn bulk_restart_by_expression_counts_only_what_failed() {
    let mut model = fixtures::failing();
    type_in(&mut model, ":restart failed /orders\n");
    let dialog = model.ui.dialog.clone().unwrap();
    assert_eq!(dialog.title, "restart failed: 2 selected");
    let body: Vec<&str> = dialog.body.iter().map(|(_, line)| line.as_str()).collect();
    assert!(body[2].contains("1 other"), "{body:?}");
    assert!(
        body[3].contains("orders-jdbc-0113") && body[3].contains("tasks 0,1,2,3"),
        "{body:?}"
    );
    assert!(
        body[4].contains("orders-s3-0042") && body[4].contains("task 1"),
        "{body:?}"
    );
    assert_eq!(body.len(), 5, "{body:?}");
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
    model.session.readonly = true;
    for keys in ["r", "p", "s", "e", "a", ":delete\n", ":pause /x\n"] {
        let effects = type_in(&mut model, keys);
        assert!(
            effects
                .iter()
                .all(|effect| matches!(effect, Effect::Remember(_))),
            "{keys}"
        );
        assert!(model.ui.dialog.is_none(), "{keys}");
        assert_eq!(flash(&model), "read-only: writes are off");
    }
}

#[test]
fn stop_is_refused_on_a_server_that_has_no_stop() {
    let mut model = fixtures::failing();
    model.cluster_mut().version = Some(Text::line("3.4.1"));
    type_in(&mut model, "s");
    assert!(model.ui.dialog.is_none() && flash(&model).contains("needs 3.5"));
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
    let id = model.ui.actions[0].id;
    let waiting = ActionNews::Waiting {
        reason: Text::line("rebalance"),
        retry_at: NOW + 2_000,
    };
    update(&mut model, Message::Action(id, waiting));
    assert_eq!(
        model.ui.actions[0].line(NOW).1,
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
        matches!(model.ui.actions[0].stage, Stage::Accepted { .. }),
        "one task still runs"
    );
    let effects = listed(&mut model, NOW + 3_000, &[("c", Paused, &[Paused, Paused])]);
    assert!(matches!(model.ui.actions[0].stage, Stage::Confirmed { .. }));
    assert_eq!(effects, [Effect::Pace(false)]);
    let last = model.cluster().events.iter().next_back().unwrap();
    assert_eq!(events::kind(last), "action");
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
        model.table(OwnTasks::ID).current(),
        Some(&RowKey::task(&"orders-s3-0042".into(), 1)),
        "the failed task is selected"
    );
    type_in(&mut model, "J");
    assert_eq!(*model.ui.nav.current(), Place::of("workers"));
    assert_eq!(
        model.table(Workers::ID).current(),
        Some(&RowKey::named(&Text::line("w2:8083")))
    );
    type_in(&mut model, "\n");
    assert_eq!(*model.ui.nav.current(), Place::of("tasks"));
    assert!(model.table(Tasks::ID).rows.len() < model.table(Tasks::ID).total);
    for back in [
        Place::of("workers"),
        Place::connector(&"orders-s3-0042".into()),
        Place::of("connectors"),
    ] {
        press(&mut model, esc());
        assert_eq!(
            *model.ui.nav.current(),
            back,
            "the filter ends with the visit it came with"
        );
    }
    assert_eq!(
        model.table(Connectors::ID).filter.text(),
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
    let line = lower::lines(&model)[model.text(CONNECTOR).scroll].1.clone();
    assert!(line.contains("poll"), "{line}");
    let effects = type_in(&mut model, "c");
    assert!(
        matches!(effects.first(), Some(Effect::Copy(text)) if text.starts_with("org.apache.kafka.connect.errors")),
        "the trace as it was written"
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
    assert!(lower::lines(&model)[0].1.contains("kafka_offset"));
}

/// Everything a key can change that one sees.
fn seen(model: &Model) -> String {
    let tables: Vec<String> = ALL
        .iter()
        .flat_map(|screen| screen.tables())
        .map(|table| {
            let t = model.table(table.id());
            format!(
                "{} {} {:?} {} {:?} {:?}",
                t.selected,
                t.filter.text(),
                t.sort,
                t.faults,
                t.marks,
                t.rows
            )
        })
        .collect();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {} {} {} {} {:?}",
        model.ui.nav.current(),
        tables,
        model.ui.detail,
        model.ui.prompt.as_ref().map(|p| p.text()),
        model.ui.dialog.as_ref().map(|d| &d.title),
        flash(model),
        model.session.wide,
        model.session.quitting,
        model.text(HELP).scroll,
        model.text(CONNECTOR).scroll,
        model.ui.focus,
    )
}

/// Each screen with rows, the cursor in their middle.
fn on_every_screen() -> Vec<Model> {
    let open = |screen: &Place| {
        let mut model = fixtures::failing();
        model.ui.nav.jump(Place::of("events"));
        if *screen != Place::of("events") {
            model.ui.nav.push(screen.clone());
        }
        model.session.width = 140;
        model.session.height = 20;
        settle(&mut model);
        if let Some(table) = focused(&model) {
            model.table_mut(table.id()).move_by(1);
        }
        if *screen == Place::of("help") {
            model.text_mut(HELP).scroll = 3;
        }
        model
    };
    crate::screen::places().iter().map(open).collect()
}

/// `/` on the connector screen did nothing, and what was typed after it restarted tasks.
#[test]
fn every_key_that_is_shown_does_something_or_says_why_not() {
    for start in on_every_screen() {
        let screen = start.ui.nav.current().clone();
        for (group, bindings) in at(&screen).groups(false) {
            for binding in bindings {
                let mut model = start.clone();
                let before = seen(&model);
                let effects = press(&mut model, binding.key);
                // At an end a table can't be moved any further.
                let at_an_end = group == "move";
                assert!(
                    at_an_end || !effects.is_empty() || seen(&model) != before,
                    "{screen:?}: {} does nothing, silently",
                    binding.key.name()
                );
            }
        }
    }
}

#[test]
fn a_key_without_a_meaning_says_so() {
    for mut model in on_every_screen() {
        let key = Key::plain(KeyCode::Char('%'));
        assert_eq!(press(&mut model, key), []);
        assert_eq!(flash(&model), "% does nothing here; ? shows the keys");
    }
}

#[test]
fn what_is_typed_after_a_slash_never_runs_as_keys() {
    for start in on_every_screen() {
        for word in ["refused", "replay", "Jackson", "yes", "q"] {
            let mut model = start.clone();
            let screen = model.ui.nav.current().clone();
            let effects = type_in(&mut model, &format!("/{word}\n"));
            assert_eq!(effects, [], "{screen:?} /{word}");
            assert_eq!(*model.ui.nav.current(), screen, "/{word}");
            assert!(
                model.ui.dialog.is_none()
                    && model.ui.actions.is_empty()
                    && model.ui.prompt.is_none()
            );
        }
    }
}

#[test]
fn a_slash_on_the_connector_screen_searches_the_pane_below() {
    let mut model = fixtures::failing();
    type_in(&mut model, ":c orders-s3-0042\n");
    type_in(&mut model, "/uploadpart\n");
    assert_eq!(model.text(CONNECTOR).needle, "uploadpart");
    assert!(
        model.text(CONNECTOR).scroll > 0 || flash(&model).is_empty(),
        "{}",
        flash(&model)
    );
    type_in(&mut model, "/nowhere\n");
    assert_eq!(flash(&model), "no match");
}

/// What stands across the place where a line is broken used to be "no match" though it was on the screen.
#[test]
fn a_search_finds_what_a_broken_line_holds() {
    let long = format!(
        "java.io.IOException: {}\n\tat a.B",
        "one two three ".repeat(40)
    );
    let mut model = fixtures::failing();
    for connector in model.cluster_mut().connectors.values_mut() {
        for task in connector.tasks.values_mut() {
            task.trace = Some(std::sync::Arc::new(crate::model::trace::Trace::parse(
                &long,
            )));
        }
    }
    model.session.width = 80;
    type_in(&mut model, ":c orders-s3-0042\n");
    let lines = lower::lines(&model);
    assert!(lines.len() > 5, "{lines:?}");
    let broken = lines
        .windows(2)
        .find(|pair| pair[1].1.starts_with(lower::CONTINUED));
    let [(_, first), (_, second)] = broken.unwrap() else {
        panic!("two lines");
    };
    assert!(first.ends_with(' '), "broken within a word: {first}");
    let end = first.get(first.len() - 4..).unwrap();
    let begin = second.trim_start().get(..3).unwrap();
    type_in(&mut model, &format!("/{end}{begin}\n"));
    assert!(flash(&model).is_empty(), "{}", flash(&model));
}

#[test]
fn help_contexts_and_rebalances_are_filtered() {
    let mut model = fixtures::failing();
    type_in(&mut model, "?");
    let all = at(&Place::of(HELP)).text(&model).0.len();
    type_in(&mut model, "/restart\n");
    assert!(
        at(&Place::of(HELP)).text(&model).0.len() < all
            && !at(&Place::of(HELP)).text(&model).0.is_empty()
    );
    press(&mut model, esc());
    assert_eq!(at(&Place::of(HELP)).text(&model).0.len(), all);
    type_in(&mut model, ":ctx\n/stag\n");
    assert_eq!(model.table(Contexts::ID).rows.len(), 1);
    let mut model = fixtures::rebalancing();
    type_in(&mut model, ":w\n");
    press(&mut model, Key::plain(KeyCode::Tab));
    type_in(&mut model, "/back\n");
    assert_eq!(model.table(Rebalances::ID).rows.len(), 1);
}

/// A line typed while a dialog is open chooses nothing there.
#[test]
fn a_dialog_swallows_a_line() {
    for line in ["/refused\n", ":yes\n", "/ly\n"] {
        let mut model = fixtures::failing();
        type_in(&mut model, "r");
        assert!(model.ui.dialog.is_some());
        assert_eq!(type_in(&mut model, line), [], "{line}");
        assert!(
            model.ui.dialog.is_some() && model.ui.actions.is_empty(),
            "{line}"
        );
        assert!(flash(&model).contains("a dialog is open"));
    }
}

/// A dialog that opens by itself must not get the rest of a line.
#[test]
fn a_line_goes_on_when_a_dialog_opens_by_itself() {
    let mut model = fixtures::failing();
    type_in(&mut model, "p");
    let dialog = model.ui.dialog.take();
    type_in(&mut model, "/pa");
    model.ui.dialog = dialog;
    assert_eq!(type_in(&mut model, "y\n"), []);
    assert!(model.ui.actions.is_empty() && model.ui.dialog.is_some());
    assert_eq!(model.table(Connectors::ID).filter.text(), "pay");
}

#[test]
fn a_careful_context_wants_the_name_typed_for_every_verb() {
    for keys in ["r", "p", "u", "s", ":restart all\n", ":t\nr"] {
        let mut model = fixtures::failing();
        model.session.contexts[0].careful = true;
        type_in(&mut model, keys);
        let dialog = model.ui.dialog.as_ref().unwrap();
        let expected = dialog.typed.as_ref().unwrap().expected.clone();
        assert!(type_in(&mut model, "\n").is_empty(), "{keys}: enter alone");
        assert!(model.ui.actions.is_empty());
        type_in(
            &mut model,
            if keys.ends_with('r') && keys.len() > 1 {
                "r"
            } else {
                keys
            },
        );
        type_in(&mut model, &expected);
        type_in(&mut model, "\n");
        assert_eq!(model.ui.actions.len(), 1, "{keys}: with {expected:?}");
    }
}

#[test]
fn a_filter_is_the_same_wherever_it_is_typed() {
    for line in [":c health=bad\n", "/health=bad\n", "/-l health=bad\n"] {
        let mut model = fixtures::failing();
        type_in(&mut model, line);
        assert_eq!(names(&model).len(), 4, "{line}");
    }
    for line in [
        ":restart failed health=bad\n",
        ":restart health=bad\n",
        ":restart -l health=bad\n",
        ":restart failed -l health=bad\n",
    ] {
        let mut model = fixtures::failing();
        type_in(&mut model, line);
        assert!(model.ui.dialog.is_some(), "{line}: {}", flash(&model));
    }
    let mut model = fixtures::failing();
    type_in(&mut model, ":t health=bad\n");
    let tasks = model.table(Tasks::ID);
    assert!(tasks.rows.len() > 4 && tasks.rows.len() < tasks.total);
}

#[test]
fn a_filter_lives_as_long_as_its_visit() {
    let mut model = fixtures::failing();
    type_in(&mut model, ":faults\n");
    assert!(model.table(Tasks::ID).faults);
    press(&mut model, esc());
    assert_eq!(names(&model).len(), 7, "home shows everything");
    type_in(&mut model, ":w\n\n");
    assert_eq!(*model.ui.nav.current(), Place::of("tasks"));
    press(&mut model, esc());
    assert_eq!(
        *model.ui.nav.current(),
        Place::of("workers"),
        "back to where one came from"
    );
    type_in(&mut model, ":t\n");
    let tasks = model.table(Tasks::ID);
    assert_eq!(tasks.rows.len(), tasks.total);
    for name in ["orders-s3-0042", "ghost-es-0003", "orders-jdbc-0113"] {
        type_in(&mut model, &format!(":c {name}\n"));
    }
    assert_eq!(model.ui.nav.stack().len(), 2);
}

#[test]
fn the_cursor_stays_with_the_failures_when_its_row_gets_well() {
    use State::{Failed, Running};
    let mut model = fixtures::empty();
    let list = |well: &[usize]| -> Vec<(String, State, Vec<State>)> {
        (0..6)
            .map(|i| {
                let state = if well.contains(&i) { Running } else { Failed };
                (format!("c{i}"), Running, vec![state])
            })
            .collect()
    };
    let tell = |model: &mut Model, well: &[usize], at| {
        let list = list(well);
        let entries: Vec<(&str, State, &[State])> = list
            .iter()
            .map(|(n, s, t)| (n.as_str(), *s, &t[..]))
            .collect();
        listed(model, at, &entries);
    };
    tell(&mut model, &[4, 5], NOW);
    type_in(&mut model, "jj");
    let at = model.table(Connectors::ID).selected;
    tell(&mut model, &[2, 4, 5], NOW + 1_000);
    let table = model.table(Connectors::ID);
    assert_eq!(table.selected, at);
    assert_eq!(table.current(), Some(&RowKey::connector(&"c3".into())));
}

/// Over a slow line several keys come between two frames.
#[test]
fn keys_that_come_at_once_act_on_what_the_filter_left() {
    let mut model = fixtures::failing();
    settle(&mut model);
    for c in "/orders-s3\n\n".chars() {
        let code = if c == '\n' {
            KeyCode::Enter
        } else {
            KeyCode::Char(c)
        };
        update(&mut model, Message::Key(Key::plain(code)));
    }
    assert_eq!(
        model.open_connector().map(ConnectorName::as_str),
        Some("orders-s3-0042")
    );
}
