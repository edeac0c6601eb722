//! What each key of the table does.

use sluice_protocol::ConnectorName;

use super::{edit, verbs};
use crate::effect::Effect;
use crate::keys::Command;
use crate::model::Model;
use crate::model::action::{Action, Outcome, Stage};
use crate::model::filter::Filter;
use crate::model::prompt::{Prompt, PromptKind};
use crate::model::screen::{Detail, Pane, Screen};
use crate::model::table::{Column, RowKey, TableId, columns};

/// Runs a command on the present screen.
pub(super) fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    if command.writes() && model.is_readonly() {
        model.say(Outcome::Bad, "read-only: writes are off");
        return Vec::new();
    }
    if model.dialog.is_none() {
        model.flash = model
            .flash
            .take()
            .filter(|flash| flash.outcome == Outcome::Bad && model.now - flash.at < 2_000);
    }
    match command {
        Command::Quit => model.quitting = true,
        Command::Help => {
            model.help_scroll = 0;
            model.help_filter.clear();
            model.nav.push(Screen::Help);
        }
        Command::OpenLine => model.prompt = Some(Prompt::new(PromptKind::Command, "")),
        Command::FilterLine => filter_line(model),
        Command::Enter => return enter(model),
        Command::Back => return back(model),
        Command::HistoryBack => return revisit(model, "before this one", |model| model.nav.back()),
        Command::HistoryForward => {
            return revisit(model, "after this one", |model| model.nav.forward());
        }
        Command::LastView => return revisit(model, "before this one", |model| model.nav.toggle()),
        Command::Refresh => {
            model.say(Outcome::Pending, "refreshing");
            return vec![Effect::Refresh];
        }
        Command::Redraw => return vec![Effect::Redraw],
        Command::ToggleAgent => {
            let whole = model
                .demo
                .as_ref()
                .is_some_and(|demo| demo.running == demo.agents);
            let word = if whole { "killing" } else { "starting" };
            model.say(Outcome::Pending, &format!("{word} an agent"));
            return vec![Effect::ToggleAgent];
        }
        Command::Wide => wide(model),
        Command::Faults => {
            with_table(model, |table| table.faults = !table.faults);
            model.stale_index = true;
        }
        Command::Up => step(model, -1),
        Command::Down => step(model, 1),
        Command::PageUp => page(model, -1),
        Command::PageDown => page(model, 1),
        Command::Top => step(model, isize::MIN / 2),
        Command::Bottom => step(model, isize::MAX / 2),
        Command::Mark => with_table(model, |table| table.toggle_mark()),
        Command::MarkRange => with_table(model, |table| table.mark_range()),
        Command::Unmark => {
            with_table(model, |table| table.marks.clear());
            model.say(Outcome::Pending, "no marks");
        }
        Command::SortBy(column) => sort_by(model, column),
        Command::SortLeft => sort_step(model, -1),
        Command::SortRight => sort_step(model, 1),
        Command::SortReverse => match model.focused() {
            Some(id) => {
                let sort = &mut model.table_mut(id).sort;
                sort.reverse = !sort.reverse;
                model.stale_index = true;
            }
            None => nothing_to_sort(model),
        },
        Command::Restart => verbs::restart_dialog(model),
        Command::Pause => verbs::confirm(model, &crate::model::action::Verb::Pause),
        Command::Resume => verbs::confirm(model, &crate::model::action::Verb::Resume),
        Command::Stop => verbs::confirm(model, &crate::model::action::Verb::Stop),
        Command::Delete => verbs::confirm(model, &crate::model::action::Verb::Delete),
        Command::Edit => return edit::begin(model),
        Command::New => return edit::begin_new(model),
        Command::Copy => return copy(model),
        Command::Trace => return look(model, Pane::Trace),
        Command::Config => return look(model, Pane::Config),
        Command::Offsets => return look(model, Pane::Offsets),
        Command::Topics => filtered(model, Screen::Lag, TableId::Lag, "connector"),
        Command::EventsOfRow => filtered(model, Screen::Events, TableId::Events, "connector"),
        Command::Workers => return jump(model, Screen::Workers),
        Command::OwnerWorker => owner(model),
        Command::Reveal => reveal(model),
        Command::NextPane => return next_pane(model, 1),
        Command::PreviousPane => return next_pane(model, Pane::ALL.len() - 1),
        Command::OpenPane(pane) if model.detail.focus == pane && !model.detail.full => {
            return nothing(model, "this pane has the focus already");
        }
        Command::OpenPane(pane) => return open_pane(model, pane),
        Command::Full => model.detail.full = !model.detail.full,
        Command::NextMatch => search(model, true),
        Command::PreviousMatch => search(model, false),
    }
    Vec::new()
}

/// Goes to a screen by word.
pub(super) fn jump(model: &mut Model, screen: Screen) -> Vec<Effect> {
    moved(model, |model| {
        if screen == Screen::Help {
            model.nav.push(screen);
        } else {
            model.nav.jump(screen);
        }
    })
}

fn moved(model: &mut Model, go: impl FnOnce(&mut Model)) -> Vec<Effect> {
    let before = model.open_connector().cloned();
    go(model);
    model.stale_index = true;
    let after = model.open_connector().cloned();
    match after {
        Some(name) if before.as_ref() != Some(&name) => arrive(model, &name),
        _ => Vec::new(),
    }
}

/// Opens the screen of a connector, with a task selected and a pane open.
pub(super) fn open_connector(
    model: &mut Model,
    name: &ConnectorName,
    task: Option<u32>,
    pane: Option<Pane>,
) -> Vec<Effect> {
    let mut effects = moved(model, |model| {
        model.nav.push(Screen::Connector(name.clone()));
    });
    super::index::rebuild(model);
    let task = task.or_else(|| {
        let connector = model.cluster.connectors.get(name)?;
        connector
            .tasks
            .values()
            .find(|task| task.trace.is_some())
            .map(|task| task.id)
    });
    if let Some(task) = task {
        let key = RowKey::Task(name.clone(), task);
        model.table_mut(TableId::ConnectorTasks).select(&key);
    }
    let failed = model
        .cluster
        .connectors
        .get(name)
        .is_some_and(|connector| connector.first_trace().is_some());
    if !failed {
        model.detail.lower = Pane::Config;
    }
    if let Some(pane) = pane {
        effects.extend(open_pane(model, pane));
    }
    effects
}

fn arrive(model: &mut Model, name: &ConnectorName) -> Vec<Effect> {
    model.detail = Detail::default();
    *model.table_mut(TableId::ConnectorTasks) =
        crate::model::table::TableState::new(TableId::ConnectorTasks);
    let Some(connector) = model.cluster.connectors.get(name) else {
        return Vec::new();
    };
    match connector.config.text("connector.class") {
        Some(class) => vec![Effect::LoadPasswords {
            connector: name.clone(),
            class: class.to_owned(),
        }],
        None => Vec::new(),
    }
}

/// Says why a key does nothing here.
fn nothing(model: &mut Model, why: &str) -> Vec<Effect> {
    model.say(Outcome::Pending, why);
    Vec::new()
}

fn nothing_to_sort(model: &mut Model) {
    model.say(
        Outcome::Pending,
        "no table has the focus here; 1 goes to the tasks",
    );
}

fn revisit(model: &mut Model, which: &str, go: impl FnOnce(&mut Model)) -> Vec<Effect> {
    let before = model.nav.current().clone();
    let effects = moved(model, go);
    if *model.nav.current() == before {
        return nothing(model, &format!("no view {which}"));
    }
    effects
}

/// Wide columns need a wide screen: where none has room the user is told.
fn wide(model: &mut Model) {
    model.wide = !model.wide;
    let shown = |wide| {
        let id = model.focused()?;
        Some(crate::model::table::fit(id, model.width.saturating_sub(3), wide).len())
    };
    let text = match (model.wide, shown(true) == shown(false)) {
        (true, true) => "wide columns: no room for more, or none here",
        (true, false) => "wide columns",
        (false, _) => "narrow columns",
    };
    model.say(Outcome::Pending, text);
}

fn enter(model: &mut Model) -> Vec<Effect> {
    let Some(row) = model.current_row().cloned() else {
        return nothing(model, "no row to open");
    };
    match row {
        RowKey::Connector(name) => open_connector(model, &name, None, None),
        RowKey::Partition(name, ..) => open_connector(model, &name, None, Some(Pane::Lag)),
        RowKey::Task(name, id) => match model.nav.current() {
            Screen::Connector(_) => open_pane(model, Pane::Trace),
            _ => open_connector(model, &name, Some(id), None),
        },
        RowKey::Worker(id) => {
            let filter = Filter::parse(&format!("-l worker={}", id.as_str()));
            visit(model, Screen::Tasks, TableId::Tasks, filter)
        }
        RowKey::Rebalance(_) => nothing(
            model,
            "a rebalance has nothing to open; tab goes to the workers",
        ),
        RowKey::Event(number) => {
            let connector = model
                .events
                .get(number)
                .and_then(|event| event.event.connector.clone());
            match connector {
                Some(name) if model.cluster.connectors.contains_key(&name) => {
                    open_connector(model, &name, None, None)
                }
                _ => nothing(model, "this event belongs to no connector that is here"),
            }
        }
        RowKey::Context(place) => connect(model, place),
    }
}

/// Switches to another context; everything known of the old one is dropped.
pub(super) fn connect(model: &mut Model, place: usize) -> Vec<Effect> {
    let Some(context) = model.contexts.get(place) else {
        return Vec::new();
    };
    let name = context.name.clone();
    let old = std::mem::replace(model, Model::new(Vec::new(), place, false, 0));
    model.contexts = old.contexts;
    model.readonly = old.readonly;
    model.now = old.now;
    model.since = old.now;
    model.width = old.width;
    model.height = old.height;
    model.history = old.history;
    model.wide = old.wide;
    model.next_number = old.next_number;
    model.epoch = old.epoch + 1;
    model.cluster.rest = crate::model::cluster::Link::Connecting;
    model.say(Outcome::Pending, &format!("context {name}"));
    vec![Effect::Connect {
        context: place,
        epoch: model.epoch,
    }]
}

/// Esc: closes what is open, innermost first, then clears the filter, then goes up.
fn back(model: &mut Model) -> Vec<Effect> {
    if model.open_connector().is_some() && model.detail.full {
        model.detail.full = false;
        return Vec::new();
    }
    if *model.nav.current() == Screen::Help && !model.help_filter.is_empty() {
        model.help_filter.clear();
        return Vec::new();
    }
    model.stale_index = true;
    if let Some(id) = model.focused() {
        let table = model.table_mut(id);
        if table.filter.text() != table.given.text() {
            table.filter = table.given.clone();
            return Vec::new();
        }
    }
    let left = model.nav.current().table();
    if model.nav.pop() {
        // A filter lives as long as the visit.
        if let Some(id) = left {
            model.table_mut(id).begin_visit(Filter::default());
        }
        return Vec::new();
    }
    let home = model.table_mut(TableId::Connectors);
    if home.faults || !home.given.is_empty() {
        home.begin_visit(Filter::default());
        return Vec::new();
    }
    nothing(model, "this is home; :q quits")
}

/// Goes down to a screen that shows a part of its table.
pub(super) fn visit(
    model: &mut Model,
    screen: Screen,
    table: TableId,
    filter: Filter,
) -> Vec<Effect> {
    model.table_mut(table).begin_visit(filter);
    moved(model, |model| model.nav.push(screen))
}

fn with_table(model: &mut Model, change: impl FnOnce(&mut crate::model::table::TableState)) {
    if let Some(id) = model.focused() {
        change(model.table_mut(id));
    }
}

fn step(model: &mut Model, delta: isize) {
    if let Some(id) = model.focused() {
        model.table_mut(id).move_by(delta);
        if id == TableId::ConnectorTasks && model.detail.lower == Pane::Trace {
            model.detail.scroll = 0;
        }
        return;
    }
    match model.nav.current() {
        Screen::Help => {
            let shown = usize::from(model.body_height().saturating_sub(2));
            let last = crate::view::help_lines(model).saturating_sub(shown);
            model.help_scroll = model.help_scroll.saturating_add_signed(delta).min(last);
        }
        _ => scroll_text(model, delta),
    }
}

fn scroll_text(model: &mut Model, delta: isize) {
    let last = crate::view::lower_lines(model)
        .len()
        .saturating_sub(crate::view::layout::lower_rows(model));
    model.detail.scroll = model.detail.scroll.saturating_add_signed(delta).min(last);
}

fn page(model: &mut Model, direction: isize) {
    let rows = match model.focused() {
        Some(id) => crate::view::layout::table_rows(model, id),
        None if *model.nav.current() == Screen::Help => {
            usize::from(model.body_height().saturating_sub(2))
        }
        None => crate::view::layout::lower_rows(model),
    };
    let rows = isize::try_from(rows.max(2) - 1).unwrap_or(1);
    step(model, direction * rows);
}

fn sort_by(model: &mut Model, column: Column) {
    let Some(id) = model.focused() else {
        return nothing_to_sort(model);
    };
    // The same letter means the nearest column of the table one looks at.
    let has = |column: Column| columns(id).iter().any(|spec| spec.column == column);
    let column = match column {
        column if has(column) => column,
        Column::Health if has(Column::State) => Column::State,
        Column::State if has(Column::Health) => Column::Health,
        Column::Changed if has(Column::Time) => Column::Time,
        Column::Changed if has(Column::Up) => Column::Up,
        Column::Name if has(Column::Worker) => Column::Worker,
        Column::Tasks if has(Column::Topic) => Column::Topic,
        _ => return model.say(Outcome::Pending, "this table has no such column"),
    };
    let sort = &mut model.table_mut(id).sort;
    if sort.column == column {
        sort.reverse = !sort.reverse;
    } else {
        sort.column = column;
        sort.reverse = false;
    }
    model.stale_index = true;
}

fn sort_step(model: &mut Model, step: isize) {
    let Some(id) = model.focused() else {
        return nothing_to_sort(model);
    };
    let shown: Vec<Column> = columns(id)
        .iter()
        .filter(|spec| model.wide || !spec.wide)
        .filter(|spec| spec.column != Column::Trend)
        .map(|spec| spec.column)
        .collect();
    let at = shown
        .iter()
        .position(|column| *column == model.table(id).sort.column)
        .unwrap_or(0);
    let next = at
        .saturating_add_signed(step)
        .min(shown.len().saturating_sub(1));
    if next == at {
        return model.say(
            Outcome::Pending,
            "sorted by the last column in this direction",
        );
    }
    if let Some(column) = shown.get(next) {
        let sort = &mut model.table_mut(id).sort;
        sort.column = *column;
        sort.reverse = false;
        model.stale_index = true;
    }
}

fn filter_line(model: &mut Model) {
    let (kind, text) = match model.focused() {
        // What one looks for on this screen is in the text below the tasks.
        Some(TableId::ConnectorTasks) => {
            model.detail.focus = model.detail.lower;
            (PromptKind::Search, model.detail.search.clone())
        }
        Some(id) => (PromptKind::Filter, model.table(id).filter.text().to_owned()),
        None if *model.nav.current() == Screen::Help => {
            (PromptKind::Filter, model.help_filter.clone())
        }
        None => (PromptKind::Search, model.detail.search.clone()),
    };
    model.prompt = Some(Prompt::new(kind, &text));
}

/// The connector under the cursor or open.
pub(super) fn current_connector(model: &Model) -> Option<ConnectorName> {
    model
        .open_connector()
        .or_else(|| model.current_row().and_then(RowKey::connector))
        .cloned()
}

fn look(model: &mut Model, pane: Pane) -> Vec<Effect> {
    if model.open_connector().is_some() {
        return open_pane(model, pane);
    }
    match model.current_row().cloned() {
        Some(RowKey::Task(name, id)) => open_connector(model, &name, Some(id), Some(pane)),
        Some(row) => match row.connector() {
            Some(name) => open_connector(model, &name.clone(), None, Some(pane)),
            None => nothing(model, "no connector in this row"),
        },
        None => nothing(model, "no row to look into"),
    }
}

fn open_pane(model: &mut Model, pane: Pane) -> Vec<Effect> {
    model.detail.focus = pane;
    if pane == Pane::Tasks {
        model.detail.full = false;
        return Vec::new();
    }
    if model.detail.lower != pane {
        model.detail.lower = pane;
        model.detail.scroll = 0;
        model.detail.search.clear();
    }
    if pane == Pane::Offsets
        && let Some(name) = model.open_connector().cloned()
    {
        return vec![Effect::LoadOffsets(name)];
    }
    Vec::new()
}

fn next_pane(model: &mut Model, step: usize) -> Vec<Effect> {
    if *model.nav.current() == Screen::Workers {
        model.rebalances_focused = !model.rebalances_focused;
        return Vec::new();
    }
    let at = Pane::ALL
        .iter()
        .position(|pane| *pane == model.detail.focus)
        .unwrap_or(0);
    match Pane::ALL.get((at + step) % Pane::ALL.len()) {
        Some(pane) => open_pane(model, *pane),
        None => Vec::new(),
    }
}

fn filtered(model: &mut Model, screen: Screen, table: TableId, label: &str) {
    match current_connector(model) {
        Some(name) => {
            let filter = Filter::parse(&format!("-l {label}={name}"));
            visit(model, screen, table, filter);
        }
        None => model.say(Outcome::Pending, "no connector in this row"),
    }
}

fn owner(model: &mut Model) {
    if let Some(RowKey::Task(name, id)) = model.current_row().cloned()
        && let Some(task) = model.cluster.task(&name, id)
    {
        let key = RowKey::Worker(task.worker.clone());
        model.rebalances_focused = false;
        model.nav.push(Screen::Workers);
        super::index::rebuild(model);
        model.table_mut(TableId::Workers).select(&key);
    } else {
        model.say(
            Outcome::Pending,
            "no task under the cursor; 1 goes to the tasks",
        );
    }
}

fn reveal(model: &mut Model) {
    if model.detail.lower == Pane::Config {
        model.detail.reveal = !model.detail.reveal;
    } else {
        model.say(
            Outcome::Pending,
            "secrets are in the configuration: 3 opens it, x reveals",
        );
    }
}

fn search(model: &mut Model, forward: bool) {
    let needle = model.detail.search.to_lowercase();
    if needle.is_empty() {
        return model.say(
            Outcome::Pending,
            "nothing to look for: / searches this text",
        );
    }
    let lines = crate::view::lower_lines(model);
    let count = lines.len();
    if count == 0 {
        return model.say(Outcome::Bad, "no match");
    }
    // What is looked for may stand across the place where a line is broken.
    let hit = |i: &usize| {
        let Some((_, first)) = lines.get(*i) else {
            return false;
        };
        let mut whole = first.to_lowercase();
        let own = whole.len();
        for (_, text) in lines.iter().skip(*i + 1) {
            let Some(rest) = text.strip_prefix(crate::view::CONTINUED) else {
                break;
            };
            if whole.len() > own + needle.len() {
                break;
            }
            whole.push_str(&rest.to_lowercase());
        }
        whole.find(&needle).is_some_and(|at| at < own)
    };
    let start = model.detail.scroll;
    let found = if forward {
        (start + 1..count).chain(0..=start.min(count - 1)).find(hit)
    } else {
        (0..start).rev().chain((start..count).rev()).find(hit)
    };
    match found {
        Some(line) => model.detail.scroll = line,
        None => model.say(Outcome::Bad, "no match"),
    }
}

fn copy(model: &mut Model) -> Vec<Effect> {
    let text = match (model.nav.current(), model.current_row()) {
        (Screen::Connector(name), _)
            if model.detail.lower == Pane::Config && model.detail.focus == Pane::Config =>
        {
            let none = Default::default();
            let passwords = model.detail.passwords.as_ref().unwrap_or(&none);
            let connector = model.cluster.connectors.get(name);
            connector.map(|c| crate::model::secrets::editor_text(&c.config, passwords))
        }
        (Screen::Connector(_), _)
            if model.detail.lower != Pane::Trace && model.detail.focus != Pane::Tasks =>
        {
            let lines: Vec<String> = crate::view::lower_lines(model)
                .into_iter()
                .map(|(_, text)| text)
                .collect();
            Some(lines.join("\n"))
        }
        (Screen::Connector(name), row) => {
            let connector = model.cluster.connectors.get(name);
            let task = match row {
                Some(RowKey::Task(_, id)) => connector.and_then(|c| c.tasks.get(id)),
                _ => None,
            };
            task.and_then(|task| task.trace.as_ref())
                .or_else(|| {
                    connector
                        .and_then(|c| c.first_trace())
                        .map(|(_, trace)| trace)
                })
                .map(|trace| trace.text())
                .or_else(|| Some(name.to_string()))
        }
        (_, Some(RowKey::Task(name, id))) => model
            .cluster
            .task(name, *id)
            .and_then(|task| task.trace.as_ref())
            .map(|trace| trace.root.to_string())
            .or_else(|| Some(format!("{name}-{id}"))),
        (_, Some(RowKey::Connector(name))) => Some(name.to_string()),
        (_, Some(RowKey::Worker(id))) => Some(id.to_string()),
        (_, Some(RowKey::Partition(_, topic, partition))) => Some(format!("{topic}-{partition}")),
        (_, Some(RowKey::Event(number))) => model.events.get(*number).map(|event| {
            let event = &event.event;
            format!(
                "{} {} {}",
                crate::units::clock(event.at),
                event.object,
                event.what
            )
        }),
        _ => None,
    };
    match text {
        Some(text) => vec![Effect::Copy(text)],
        None => nothing(model, "nothing to copy in this row"),
    }
}

/// `:abort`: what is asked for and not taken by the cluster yet is given up; what it has taken can't be called back.
pub(super) fn abort(model: &mut Model) -> Vec<Effect> {
    let waiting = |action: &&Action| matches!(action.stage, Stage::Asked | Stage::Waiting { .. });
    match model.actions.iter().filter(waiting).count() {
        0 => nothing(model, "nothing waits to be sent"),
        // What came of each is said by the line of its plan.
        _ => {
            model.flash = None;
            vec![Effect::Abort]
        }
    }
}
