//! Every screen at 80x24 and 140x40 in every state, as text.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::keys::Key;
use crate::message::Message;
use crate::model::Model;
use crate::model::fixtures;
use crate::model::nav::{Pane, Place};
use crate::screen::connectors::Connectors;
use crate::screen::rows::Rows;
use crate::theme::Theme;
use crate::update::{settle, update};
use crate::view::view;

const SIZES: [(u16, u16); 2] = [(80, 24), (140, 40)];

/// Draws a model at a size.
fn draw(model: &Model, width: u16, height: u16) -> String {
    let mut model = model.clone();
    update(&mut model, Message::Resize(width, height));
    model.ui.stale_index = true;
    settle(&mut model);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| view(&model, Theme::Default, frame))
        .unwrap();
    terminal.backend().to_string()
}

fn press(model: &mut Model, keys: &[Key]) {
    for key in keys {
        settle(model);
        update(model, Message::Key(*key));
    }
}

fn typed(text: &str) -> Vec<Key> {
    use crossterm::event::KeyCode;
    text.chars()
        .map(|c| {
            Key::plain(if c == '\n' {
                KeyCode::Enter
            } else {
                KeyCode::Char(c)
            })
        })
        .collect()
}

/// Snapshots `model` at both sizes.
fn snapshot(name: &str, model: &Model) {
    for (width, height) in SIZES {
        insta::assert_snapshot!(
            format!("{name}_{width}x{height}"),
            draw(model, width, height)
        );
    }
}

fn states() -> Vec<(&'static str, Model)> {
    vec![
        ("healthy", fixtures::healthy()),
        ("failing", fixtures::failing()),
        ("rebalancing", fixtures::rebalancing()),
        ("empty", fixtures::empty()),
        ("disconnected", fixtures::disconnected()),
    ]
}

fn on(name: &'static str) {
    for (state, mut model) in states() {
        model.ui.nav.jump(Place::of(name));
        snapshot(&format!("{name}_{state}"), &model);
    }
}

#[test]
fn connectors_screen() {
    on("connectors");
}

#[test]
fn tasks_screen() {
    on("tasks");
}

#[test]
fn workers_screen() {
    on("workers");
}

#[test]
fn lag_screen() {
    on("lag");
}

#[test]
fn events_screen() {
    on("events");
}

#[test]
fn contexts_screen() {
    on("contexts");
}

#[test]
fn connector_screen() {
    for (state, model) in states() {
        let name = match state {
            "healthy" | "empty" => "orders-jdbc-0001",
            "rebalancing" => "clicks-es-0201",
            _ => "orders-s3-0042",
        };
        let mut model = model;
        model.ui.nav.push(Place::connector(&name.into()));
        settle(&mut model);
        press(&mut model, &typed("j"));
        snapshot(&format!("connector_{state}"), &model);
    }
}

#[test]
fn connector_panes() {
    for (digit, pane) in ('1'..).zip(Pane::ALL) {
        let mut model = fixtures::failing();
        model
            .ui
            .nav
            .push(Place::connector(&"orders-s3-0042".into()));
        settle(&mut model);
        press(&mut model, &typed(&digit.to_string()));
        snapshot(&format!("connector_pane_{}", pane.name()), &model);
    }
}

#[test]
fn help_screen() {
    let mut model = fixtures::failing();
    press(&mut model, &typed("?"));
    snapshot("help", &model);
    model.session.readonly = true;
    let text = draw(&model, 80, 40);
    assert!(
        !text.contains("restart") || !text.contains("delete"),
        "writes are hidden in read-only mode"
    );
}

#[test]
fn never_connected() {
    snapshot("unreachable", &fixtures::unreachable());
    snapshot("connecting", &fixtures::connecting());
}

#[test]
fn dialogs() {
    let mut model = fixtures::failing();
    press(&mut model, &typed("r"));
    snapshot("dialog_restart", &model);
    let mut model = fixtures::failing();
    press(&mut model, &typed("  p"));
    snapshot("dialog_pause_marked", &model);
    let mut model = fixtures::failing();
    press(&mut model, &typed(":delete\nghost"));
    snapshot("dialog_delete", &model);
}

#[test]
fn lines_being_typed() {
    let mut model = fixtures::failing();
    press(&mut model, &typed("/s3"));
    snapshot("filter", &model);
    let mut model = fixtures::failing();
    press(&mut model, &typed(":wor"));
    let text = draw(&model, 80, 24);
    assert!(
        text.contains(":workers"),
        "completion is shown as ghost text"
    );
}

#[test]
fn faults_and_wide_columns() {
    let mut model = fixtures::failing();
    model.table_mut(Connectors::ID).faults = true;
    model.session.wide = true;
    for (width, height) in [(80, 24), (240, 30)] {
        insta::assert_snapshot!(
            format!("faults_wide_{width}x{height}"),
            draw(&model, width, height)
        );
    }
}

#[test]
fn tiny_screens_say_what_matters() {
    for (width, height) in [(20, 5), (35, 30), (80, 4), (1, 1), (40, 10)] {
        let text = draw(&fixtures::failing(), width, height);
        if (width, height) == (20, 5) {
            insta::assert_snapshot!("tiny_20x5", text);
        }
    }
}

#[test]
fn no_size_and_no_screen_panics() {
    for (_, model) in states() {
        for screen in crate::screen::places() {
            for (width, height) in [
                (1, 1),
                (36, 8),
                (37, 9),
                (50, 12),
                (61, 17),
                (200, 60),
                (300, 10),
            ] {
                let mut model = model.clone();
                model.ui.nav.push(screen.clone());
                draw(&model, width, height);
                press(&mut model, &typed("r"));
                draw(&model, width, height);
                press(&mut model, &[Key::plain(crossterm::event::KeyCode::Esc)]);
                press(&mut model, &typed("6Gfg:conn"));
                draw(&model, width, height);
            }
        }
    }
}

#[test]
fn secrets_are_not_on_any_screen_unless_revealed() {
    for name in ["orders-s3-0042", "orders-jdbc-0001"] {
        let mut model = fixtures::failing();
        model.ui.nav.push(Place::connector(&name.into()));
        settle(&mut model);
        press(&mut model, &typed("3"));
        let hidden = draw(&model, 140, 40);
        assert!(!hidden.contains("geheim"));
        press(&mut model, &typed("x"));
        assert!(draw(&model, 140, 40).contains("geheim"));
    }
    let mut model = fixtures::failing();
    model
        .ui
        .nav
        .push(Place::connector(&"orders-jdbc-0001".into()));
    settle(&mut model);
    press(&mut model, &typed("3"));
    assert!(
        draw(&model, 140, 40).contains("${file:/etc/s.props:key}"),
        "a reference stays visible"
    );
}

#[test]
fn what_an_agent_cannot_run_is_said_at_every_size_and_only_then() {
    use crate::model::cluster::WorkerHealth;
    let mut model = fixtures::healthy();
    for (width, height) in SIZES {
        assert!(!draw(&model, width, height).contains("cannot run"));
    }
    let text = "this agent cannot run \"foreign\" (transforms.pass.type=com.example.Pass), \
                \"odd\" (connector.class=a.B).";
    let worker = model.cluster_mut().workers.values_mut().next().unwrap();
    worker.health = Some(WorkerHealth::Warns(crate::text::Text::line(text)));
    for (width, height) in SIZES {
        let screen = draw(&model, width, height);
        let head = screen.lines().next().unwrap_or("");
        assert!(
            head.contains("agent cannot run \"foreign\", \"odd\""),
            "{head}"
        );
        assert!(head.contains("0 bad") && head.contains(" conn"), "{head}");
    }
}

/// `sluice` alone, where nothing is set up, used to advise what leads nowhere.
#[test]
fn whoever_named_no_cluster_reads_how_to() {
    let mut model = fixtures::unreachable();
    assert!(!draw(&model, 80, 24).contains("demo`"));
    model.session.contexts[0].assumed = true;
    for (width, height) in SIZES {
        let screen = draw(&model, width, height);
        for part in ["--connect", "config.toml", "demo`"] {
            assert!(screen.contains(part), "{part} in\n{screen}");
        }
    }
}
