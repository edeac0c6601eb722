//! What each key of the table does.

use sluice_protocol::ConnectorName;

use super::{edit, said, verbs};
use crate::effect::Effect;
use crate::keys::Command;
use crate::model::Model;
use crate::model::action::{Action, Outcome, Stage, Verb};
use crate::model::filter::Filter;
use crate::model::nav::{CONNECTOR, Detail, HELP, Pane, Place, TextState};
use crate::model::prompt::{Prompt, PromptKind};
use crate::model::table::{RowKey, Sort, TableState};
use crate::screen::connector::{OwnTasks, lower};
use crate::screen::connectors::Connectors;
use crate::screen::events::Events;
use crate::screen::lag::Lag;
use crate::screen::rows::{Rows, Table};
use crate::screen::workers::Workers;
use crate::screen::{Go, Screen, current, current_row, focused};

/// Runs a command on the present screen.
pub(super) fn run(model: &mut Model, command: Command) -> Vec<Effect> {
    if command.writes() && model.is_readonly() {
        return said(model, Outcome::Bad, "read-only: writes are off");
    }
    if model.ui.dialog.is_none() {
        model.ui.flash = model
            .ui
            .flash
            .take()
            .filter(|flash| flash.outcome == Outcome::Bad && model.now() - flash.at < 2_000);
    }
    match command {
        Command::Quit => model.session.quitting = true,
        Command::Help => {
            *model.text_mut(HELP) = TextState::default();
            model.ui.nav.push(Place::of(HELP));
        }
        Command::OpenLine => model.ui.prompt = Some(Prompt::new(PromptKind::Command, "")),
        Command::FilterLine => filter_line(model),
        Command::Enter => return follow(model, current(model).enter(model)),
        Command::Back => return back(model),
        Command::HistoryBack => {
            return revisit(model, "before this one", |model| model.ui.nav.back());
        }
        Command::HistoryForward => {
            return revisit(model, "after this one", |model| model.ui.nav.forward());
        }
        Command::LastView => {
            return revisit(model, "before this one", |model| model.ui.nav.toggle());
        }
        Command::Refresh => {
            model.say(Outcome::Pending, "refreshing");
            return vec![Effect::Refresh];
        }
        Command::Redraw => return vec![Effect::Redraw],
        Command::ToggleAgent => {
            let whole = model
                .session
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
            model.ui.stale_index = true;
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
        Command::SortBy(letter) => sort_by(model, letter),
        Command::SortLeft => sort_step(model, -1),
        Command::SortRight => sort_step(model, 1),
        Command::SortReverse => {
            if let Some(table) = sortable(model) {
                let sort = table.sort(model);
                sort_again(model, table, sort.column, !sort.reverse);
            }
        }
        Command::Restart => verbs::restart_dialog(model),
        Command::Pause => verbs::confirm(model, &Verb::Pause),
        Command::Resume => verbs::confirm(model, &Verb::Resume),
        Command::Stop => verbs::confirm(model, &Verb::Stop),
        Command::Delete => verbs::confirm(model, &Verb::Delete),
        Command::Edit => return edit::begin(model),
        Command::New => return edit::begin_new(model),
        Command::Copy => return copy(model),
        Command::Trace => return look(model, Pane::Trace),
        Command::Config => return look(model, Pane::Config),
        Command::Offsets => return look(model, Pane::Offsets),
        Command::Topics => filtered(model, &Lag),
        Command::EventsOfRow => filtered(model, &Events),
        Command::Workers => return jump(model, &Workers),
        Command::OwnerWorker => owner(model),
        Command::Reveal => reveal(model),
        Command::NextPane => return next_pane(model, 1),
        Command::PreviousPane => return next_pane(model, Pane::ALL.len() - 1),
        Command::OpenPane(pane) if model.ui.detail.focus == pane && !model.ui.detail.full => {
            return nothing(model, "this pane has the focus already");
        }
        Command::OpenPane(pane) => return open_pane(model, pane),
        Command::Full => model.ui.detail.full = !model.ui.detail.full,
        Command::NextMatch => search(model, true),
        Command::PreviousMatch => search(model, false),
    }
    Vec::new()
}

/// Goes to a screen by word.
pub(super) fn jump(model: &mut Model, screen: &'static dyn Screen) -> Vec<Effect> {
    moved(model, |model| model.ui.nav.jump(screen.place()))
}

fn moved(model: &mut Model, go: impl FnOnce(&mut Model)) -> Vec<Effect> {
    let before = model.open_connector().cloned();
    go(model);
    model.ui.stale_index = true;
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
        model.ui.nav.push(Place::connector(name));
    });
    super::rebuild(model);
    let task = task.or_else(|| {
        let connector = model.cluster().connectors.get(name)?;
        connector
            .tasks
            .values()
            .find(|task| task.trace.is_some())
            .map(|task| task.id)
    });
    if let Some(task) = task {
        let key = RowKey::task(name, task);
        model.table_mut(OwnTasks::ID).select(&key);
    }
    let failed = model
        .cluster()
        .connectors
        .get(name)
        .is_some_and(|connector| connector.first_trace().is_some());
    if !failed {
        model.ui.detail.lower = Pane::Config;
    }
    if let Some(pane) = pane {
        effects.extend(open_pane(model, pane));
    }
    effects
}

fn arrive(model: &mut Model, name: &ConnectorName) -> Vec<Effect> {
    model.ui.detail = Detail::default();
    *model.text_mut(CONNECTOR) = TextState::default();
    *model.table_mut(OwnTasks::ID) = TableState::default();
    let Some(connector) = model.cluster().connectors.get(name) else {
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
    said(model, Outcome::Pending, why)
}

fn revisit(model: &mut Model, which: &str, go: impl FnOnce(&mut Model)) -> Vec<Effect> {
    let before = model.ui.nav.current().clone();
    let effects = moved(model, go);
    if *model.ui.nav.current() == before {
        return nothing(model, &format!("no view {which}"));
    }
    effects
}

/// Wide columns need a wide screen: where none has room the user reads that.
fn wide(model: &mut Model) {
    model.session.wide = !model.session.wide;
    let shown = |wide| {
        let width = model.session.width.saturating_sub(3);
        Some(focused(model)?.fitted(width, wide).len())
    };
    let text = match (model.session.wide, shown(true) == shown(false)) {
        (true, true) => "wide columns: no room for more, or none here",
        (true, false) => "wide columns",
        (false, _) => "narrow columns",
    };
    model.say(Outcome::Pending, text);
}

/// Goes where a key or a word of a screen leads.
pub(super) fn follow(model: &mut Model, go: Go) -> Vec<Effect> {
    match go {
        Go::Connector { name, task, pane } => open_connector(model, &name, task, pane),
        Go::Pane(pane) => open_pane(model, pane),
        Go::Rows(screen, filter) => visit(model, screen, filter),
        Go::Context(place) => connect(model, place),
        Go::Nowhere(outcome, why) => said(model, outcome, &why),
    }
}

/// Switches to another context; everything known of the old one is dropped.
fn connect(model: &mut Model, place: usize) -> Vec<Effect> {
    let Some(context) = model.session.contexts.get(place) else {
        return Vec::new();
    };
    let text = format!("context {}", context.name);
    let epoch = model.switch(place);
    model.say(Outcome::Pending, &text);
    vec![Effect::Connect {
        context: place,
        epoch,
    }]
}

/// Esc: closes what is open, innermost first, then clears the filter, then goes up.
fn back(model: &mut Model) -> Vec<Effect> {
    if model.open_connector().is_some() && model.ui.detail.full {
        model.ui.detail.full = false;
        return Vec::new();
    }
    let screen = current(model);
    if screen.prompt() == PromptKind::Filter {
        let needle = &mut model.text_mut(screen.name()).needle;
        if !std::mem::take(needle).is_empty() {
            return Vec::new();
        }
    }
    model.ui.stale_index = true;
    if let Some(table) = focused(model) {
        let table = model.table_mut(table.id());
        if table.filter.text() != table.given.text() {
            table.filter = table.given.clone();
            return Vec::new();
        }
    }
    let table = screen.tables().first();
    if model.ui.nav.pop() {
        // A filter lives as long as the visit.
        if let Some(table) = table {
            model.table_mut(table.id()).begin_visit(Filter::default());
        }
        return Vec::new();
    }
    let home = model.table_mut(Connectors::ID);
    if home.faults || !home.given.is_empty() {
        home.begin_visit(Filter::default());
        return Vec::new();
    }
    nothing(model, "this is home; :q quits")
}

/// Goes down to a screen that shows a part of its first table.
fn visit(model: &mut Model, screen: &'static dyn Screen, filter: Filter) -> Vec<Effect> {
    if let Some(table) = screen.tables().first() {
        model.table_mut(table.id()).begin_visit(filter);
    }
    moved(model, |model| model.ui.nav.push(screen.place()))
}

fn with_table(model: &mut Model, change: impl FnOnce(&mut TableState)) {
    if let Some(table) = focused(model) {
        change(model.table_mut(table.id()));
    }
}

/// Moves the selection, or the text where no table has the focus.
fn step(model: &mut Model, delta: isize) {
    if focused(model).is_some() {
        with_table(model, |table| table.move_by(delta));
        if model.open_connector().is_some() && model.ui.detail.lower == Pane::Trace {
            model.text_mut(CONNECTOR).scroll = 0;
        }
        return;
    }
    let screen = current(model);
    let (lines, rows) = screen.text(model);
    let last = lines.len().saturating_sub(rows);
    let state = model.text_mut(screen.name());
    state.scroll = state.scroll.saturating_add_signed(delta).min(last);
}

fn page(model: &mut Model, direction: isize) {
    let screen = current(model);
    let rows = match focused(model) {
        Some(table) => screen.table_rows(model, table.id()),
        None => screen.text(model).1,
    };
    let rows = isize::try_from(rows.max(2) - 1).unwrap_or(1);
    step(model, direction * rows);
}

/// The table that has the focus; where that can't be sorted the user reads why.
fn sortable(model: &mut Model) -> Option<&'static dyn Table> {
    let table = focused(model);
    let why = match table {
        None => "no table has the focus here; 1 goes to the tasks",
        Some(table) if !table.headings().iter().any(|h| h.ranked) => "this table keeps its order",
        Some(_) => return table,
    };
    model.say(Outcome::Pending, why);
    None
}

/// Sorts by the column that has this letter, or against its order if that is so already.
fn sort_by(model: &mut Model, letter: char) {
    let Some(table) = sortable(model) else { return };
    let headings = table.headings();
    let mut columns = headings.iter();
    let Some(column) = columns.position(|heading| heading.letters.contains(letter)) else {
        return model.say(Outcome::Pending, "this table has no such column");
    };
    let sort = table.sort(model);
    sort_again(model, table, column, sort.column == column && !sort.reverse);
}

fn sort_again(model: &mut Model, table: &dyn Table, column: usize, reverse: bool) {
    model.table_mut(table.id()).sort = Some(Sort { column, reverse });
    model.ui.stale_index = true;
}

/// Sorts by the next column to the left (-1) or right (1).
fn sort_step(model: &mut Model, step: isize) {
    let Some(table) = sortable(model) else { return };
    let headings = table.headings();
    let shown = headings.iter().enumerate();
    let shown =
        shown.filter(|(_, heading)| heading.ranked && (model.session.wide || !heading.wide));
    let shown: Vec<usize> = shown.map(|(column, _)| column).collect();
    let sorted = table.sort(model).column;
    let at = shown.iter().position(|column| *column == sorted);
    let next = at.unwrap_or(0).checked_add_signed(step);
    match next.and_then(|next| shown.get(next)) {
        Some(column) => sort_again(model, table, *column, false),
        None => model.say(
            Outcome::Pending,
            "sorted by the last column in this direction",
        ),
    }
}

fn filter_line(model: &mut Model) {
    let screen = current(model);
    let mut kind = screen.prompt();
    let mut text = model.text(screen.name()).needle.clone();
    if model.open_connector().is_some() {
        // What one looks for on this screen is in the text below the tasks.
        if focused(model).is_some() {
            model.ui.detail.focus = model.ui.detail.lower;
        }
    } else if let Some(table) = focused(model) {
        kind = PromptKind::Filter;
        text = model.table(table.id()).filter.text().to_owned();
    }
    model.ui.prompt = Some(Prompt::new(kind, &text));
}

/// The connector under the cursor or open.
pub(super) fn current_connector(model: &Model) -> Option<ConnectorName> {
    model
        .open_connector()
        .or_else(|| current_row(model)?.1.connector.as_ref())
        .cloned()
}

fn look(model: &mut Model, pane: Pane) -> Vec<Effect> {
    if model.open_connector().is_some() {
        return open_pane(model, pane);
    }
    let Some((_, row)) = current_row(model) else {
        return nothing(model, "no row to look into");
    };
    let task = row.task_id().map(|(_, id)| id);
    match row.connector.clone() {
        Some(name) => open_connector(model, &name, task, Some(pane)),
        None => nothing(model, "no connector in this row"),
    }
}

fn open_pane(model: &mut Model, pane: Pane) -> Vec<Effect> {
    model.ui.detail.focus = pane;
    if pane == Pane::Tasks {
        model.ui.detail.full = false;
        return Vec::new();
    }
    if model.ui.detail.lower != pane {
        model.ui.detail.lower = pane;
        *model.text_mut(CONNECTOR) = TextState::default();
    }
    if pane == Pane::Offsets
        && let Some(name) = model.open_connector().cloned()
    {
        return vec![Effect::LoadOffsets(name)];
    }
    Vec::new()
}

/// Gives the focus to the pane that many steps on: a pane of the connector, or a table of the screen.
fn next_pane(model: &mut Model, step: usize) -> Vec<Effect> {
    if model.open_connector().is_none() {
        let screen = current(model);
        if let Some(focus) = screen.focus(model) {
            let next = (focus + step) % screen.tables().len();
            model.ui.focus.insert(screen.name(), next);
        }
        return Vec::new();
    }
    let focus = |pane: &Pane| *pane == model.ui.detail.focus;
    let at = Pane::ALL.iter().position(focus).unwrap_or(0);
    match Pane::ALL.get((at + step) % Pane::ALL.len()) {
        Some(pane) => open_pane(model, *pane),
        None => Vec::new(),
    }
}

fn filtered(model: &mut Model, screen: &'static dyn Screen) {
    match current_connector(model) {
        Some(name) => {
            let filter = Filter::parse(&format!("-l connector={name}"));
            visit(model, screen, filter);
        }
        None => model.say(Outcome::Pending, "no connector in this row"),
    }
}

fn owner(model: &mut Model) {
    let row = current_row(model).and_then(|(_, row)| row.task_id());
    let Some(task) = row.and_then(|(name, id)| model.cluster().task(name, id)) else {
        let text = "no task under the cursor; 1 goes to the tasks";
        return model.say(Outcome::Pending, text);
    };
    let key = RowKey::named(&task.worker);
    let workers: &dyn Screen = &Workers;
    model.ui.focus.remove(workers.name());
    model.ui.nav.push(workers.place());
    super::rebuild(model);
    model.table_mut(Workers::ID).select(&key);
}

fn reveal(model: &mut Model) {
    if model.ui.detail.lower == Pane::Config {
        model.ui.detail.reveal = !model.ui.detail.reveal;
    } else {
        model.say(
            Outcome::Pending,
            "secrets are in the configuration: 3 opens it, x reveals",
        );
    }
}

fn search(model: &mut Model, forward: bool) {
    let state = model.text(CONNECTOR);
    let needle = state.needle.to_lowercase();
    let start = state.scroll;
    if needle.is_empty() {
        let text = "nothing to look for: / searches this text";
        return model.say(Outcome::Pending, text);
    }
    let lines = lower::lines(model);
    let count = lines.len();
    let hit = |i: &usize| lower::begins_in(&lines, *i, &needle);
    let found = if forward {
        let last = count.saturating_sub(1);
        (start + 1..count).chain(0..=start.min(last)).find(hit)
    } else {
        (0..start).rev().chain((start..count).rev()).find(hit)
    };
    match found {
        Some(line) => model.text_mut(CONNECTOR).scroll = line,
        None => model.say(Outcome::Bad, "no match"),
    }
}

fn copy(model: &mut Model) -> Vec<Effect> {
    match current(model).copy(model) {
        Some(text) => vec![Effect::Copy(text)],
        None => nothing(model, "nothing to copy in this row"),
    }
}

/// `:abort`: what is asked for and not taken by the cluster yet is given up; what it has taken can't be
/// called back.
pub(super) fn abort(model: &mut Model) -> Vec<Effect> {
    let waiting = |action: &&Action| matches!(action.stage, Stage::Asked | Stage::Waiting { .. });
    match model.ui.actions.iter().filter(waiting).count() {
        0 => nothing(model, "nothing waits to be sent"),
        // What came of each is said by the line of its plan.
        _ => {
            model.ui.flash = None;
            vec![Effect::Abort]
        }
    }
}
