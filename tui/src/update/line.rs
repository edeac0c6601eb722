//! The line for commands, filters and searches: editing, completion, running.

use crossterm::event::KeyCode;

use super::{commands, verbs};
use crate::effect::Effect;
use crate::keys::{Command, Key};
use crate::model::Model;
use crate::model::action::{Outcome, RestartMode, Verb};
use crate::model::filter::Filter;
use crate::model::prompt::{Prompt, PromptKind};
use crate::model::screen::Screen;
use crate::model::table::{RowKey, TableId};

/// Words after `:` with their short forms, and what they do in a few words.
pub(crate) const COMMANDS: &[(&str, &[&str], &str)] = &[
    (
        "connectors",
        &["c", "conn"],
        "home; :c /re filters, :c name opens one",
    ),
    ("tasks", &["t"], "tasks of all connectors"),
    (
        "workers",
        &["w", "rebalances", "rb"],
        "workers and rebalances",
    ),
    ("lag", &["topics"], "topics and lag"),
    ("events", &["ev"], "what happened"),
    ("contexts", &["ctx"], "contexts; :ctx name switches"),
    ("faults", &[], "tasks that are not well; :faults /re"),
    ("abort", &[], "give up what is asked for and not sent yet"),
    ("restart", &[], ":restart failed|all|connector [/re]"),
    ("pause", &[], ":pause [/re]"),
    ("resume", &[], ":resume [/re]"),
    ("stop", &[], ":stop [/re]"),
    ("delete", &[], "delete the connector, name to be typed"),
    ("edit", &[], "edit the configuration in $EDITOR"),
    ("new", &[], "new connector in $EDITOR"),
    ("unmark", &[], "clear marks"),
    ("wide", &[], "wide columns"),
    ("refresh", &[], "look at everything now"),
    ("help", &["h"], "keys and words"),
    ("quit", &["q", "q!", "exit"], "leave"),
];

/// Pasted text goes where one types.
pub(super) fn paste(model: &mut Model, text: &str) {
    let first = text.lines().next().unwrap_or("");
    if let Some(dialog) = &mut model.dialog {
        if let Some(typed) = &mut dialog.typed {
            first.chars().for_each(|c| typed.line.insert(c));
        }
    } else if let Some(prompt) = &mut model.prompt {
        first.chars().for_each(|c| prompt.insert(c));
        live_filter(model);
    }
}

/// A key while the line is open.
pub(super) fn key(model: &mut Model, key: Key) -> Vec<Effect> {
    let ghost = suggestion(model);
    let Some(prompt) = &mut model.prompt else {
        return Vec::new();
    };
    match key.code {
        KeyCode::Esc => return cancel(model),
        KeyCode::Char('c') if key.ctrl => return cancel(model),
        KeyCode::Enter => return submit(model),
        KeyCode::Backspace if prompt.text().is_empty() => return cancel(model),
        KeyCode::Backspace => {
            prompt.backspace();
        }
        KeyCode::Delete => prompt.delete(),
        KeyCode::Left => prompt.left(),
        KeyCode::Home => prompt.home(),
        KeyCode::End => prompt.end(),
        KeyCode::Char('a') if key.ctrl => prompt.home(),
        KeyCode::Char('e') if key.ctrl => prompt.end(),
        KeyCode::Char('w') if key.ctrl => prompt.delete_word(),
        KeyCode::Char('u') if key.ctrl => prompt.clear(),
        KeyCode::Right | KeyCode::Tab => {
            if !(key.code == KeyCode::Right && prompt.right())
                && let Some(ghost) = ghost
            {
                let full = format!("{}{ghost}", prompt.text());
                prompt.set(&full);
            }
        }
        KeyCode::Up | KeyCode::Down if prompt.kind == PromptKind::Command => {
            prompt.recall(&model.history, key.code == KeyCode::Up);
        }
        KeyCode::Char(c) if !key.ctrl => prompt.insert(c),
        _ => {}
    }
    live_filter(model);
    Vec::new()
}

/// Filters and searches act while one types.
fn live_filter(model: &mut Model) {
    let Some(prompt) = &model.prompt else { return };
    let text = prompt.text().to_owned();
    match prompt.kind {
        PromptKind::Filter => {
            if let Some(id) = model.focused() {
                model.table_mut(id).filter = Filter::parse(&text);
                model.stale_index = true;
            } else {
                model.help_filter = text;
                model.help_scroll = 0;
            }
        }
        PromptKind::Search => model.detail.search = text,
        PromptKind::Command => {}
    }
}

fn cancel(model: &mut Model) -> Vec<Effect> {
    if let Some(prompt) = model.prompt.take() {
        match prompt.kind {
            PromptKind::Filter => {
                if let Some(id) = model.focused() {
                    model.table_mut(id).filter = Filter::parse(&prompt.before);
                    model.stale_index = true;
                } else {
                    model.help_filter = prompt.before;
                }
            }
            PromptKind::Search => model.detail.search = prompt.before,
            PromptKind::Command => {}
        }
    }
    Vec::new()
}

fn submit(model: &mut Model) -> Vec<Effect> {
    let Some(prompt) = model.prompt.take() else {
        return Vec::new();
    };
    match prompt.kind {
        PromptKind::Filter => Vec::new(),
        PromptKind::Search => commands::run(model, Command::NextMatch),
        PromptKind::Command => {
            let line = prompt.text().trim().to_owned();
            if line.is_empty() {
                return Vec::new();
            }
            model.history.retain(|old| *old != line);
            model.history.push(line.clone());
            let mut effects = run(model, &line);
            effects.push(Effect::Remember(line));
            effects
        }
    }
}

/// The rest of the best completion of what is typed, if there is one.
pub(crate) fn suggestion(model: &Model) -> Option<String> {
    let prompt = model
        .prompt
        .as_ref()
        .filter(|prompt| prompt.kind == PromptKind::Command)?;
    let (before, after) = prompt.split();
    if !after.is_empty() || before.is_empty() {
        return None;
    }
    match before.split_once(' ') {
        None => COMMANDS
            .iter()
            .map(|(word, _, _)| *word)
            .find(|word| word.len() > before.len() && word.starts_with(before))
            .map(|word| word[before.len()..].to_owned()),
        Some((word, rest)) => {
            let rest = rest.trim_start();
            if rest.is_empty() {
                return None;
            }
            let names: Vec<String> = match canonical(word)? {
                "connectors" => model
                    .cluster
                    .connectors
                    .values()
                    .map(|c| c.label.to_string())
                    .collect(),
                "contexts" => model.contexts.iter().map(|c| c.name.to_string()).collect(),
                "restart" => ["failed", "all", "connector"].map(str::to_owned).to_vec(),
                _ => return None,
            };
            names
                .into_iter()
                .find(|name| name.len() > rest.len() && name.starts_with(rest))
                .map(|name| name[rest.len()..].to_owned())
        }
    }
}

/// The full word of a command or its short form.
fn canonical(word: &str) -> Option<&'static str> {
    COMMANDS
        .iter()
        .find(|(full, short, _)| *full == word || short.contains(&word))
        .map(|(full, _, _)| *full)
}

/// Runs a line typed after `:`.
fn run(model: &mut Model, line: &str) -> Vec<Effect> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    let Some(word) = canonical(word) else {
        model.say(
            Outcome::Bad,
            &format!("no command \"{word}\" (? shows all)"),
        );
        return Vec::new();
    };
    match word {
        "connectors" => return connectors(model, rest),
        "tasks" => return screen(model, Screen::Tasks, TableId::Tasks, rest),
        "workers" => return screen(model, Screen::Workers, TableId::Workers, rest),
        "lag" => return screen(model, Screen::Lag, TableId::Lag, rest),
        "events" => return screen(model, Screen::Events, TableId::Events, rest),
        "contexts" => return contexts(model, rest),
        "faults" => {
            let effects = screen(model, Screen::Tasks, TableId::Tasks, rest);
            model.table_mut(TableId::Tasks).faults = true;
            return effects;
        }
        "abort" => return commands::abort(model),
        "restart" => restart(model, rest),
        "pause" => bulk(model, rest, &Verb::Pause),
        "resume" => bulk(model, rest, &Verb::Resume),
        "stop" => bulk(model, rest, &Verb::Stop),
        "delete" => bulk(model, rest, &Verb::Delete),
        "edit" => return commands::run(model, Command::Edit),
        "new" => return commands::run(model, Command::New),
        "unmark" => return commands::run(model, Command::Unmark),
        "wide" => return commands::run(model, Command::Wide),
        "refresh" => return commands::run(model, Command::Refresh),
        "help" => return commands::run(model, Command::Help),
        _ => model.quitting = true,
    }
    Vec::new()
}

/// `:t /re` and `:t -l k=v` filter the table they open; without a filter all of it is shown.
fn screen(model: &mut Model, screen: Screen, table: TableId, rest: &str) -> Vec<Effect> {
    let filter = Filter::parse(rest.strip_prefix('/').unwrap_or(rest));
    let state = model.table_mut(table);
    state.begin_visit(Filter::default());
    state.filter = filter;
    model.stale_index = true;
    commands::jump(model, screen)
}

fn connectors(model: &mut Model, rest: &str) -> Vec<Effect> {
    if let Some(context) = rest.strip_prefix('@') {
        return contexts(model, context);
    }
    if let Some(found) = model
        .cluster
        .connectors
        .keys()
        .find(|name| name.as_str() == rest)
        .cloned()
    {
        model.nav.jump(Screen::Connectors);
        return commands::open_connector(model, &found, None, None);
    }
    screen(model, Screen::Connectors, TableId::Connectors, rest)
}

fn contexts(model: &mut Model, rest: &str) -> Vec<Effect> {
    if rest.is_empty() {
        return commands::jump(model, Screen::Contexts);
    }
    match model
        .contexts
        .iter()
        .position(|context| context.name.as_str() == rest)
    {
        Some(place) => commands::connect(model, place),
        None => {
            model.say(Outcome::Bad, &format!("no context \"{rest}\""));
            Vec::new()
        }
    }
}

fn restart(model: &mut Model, rest: &str) {
    let (mode, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let whole;
    let (mode, rest) = if mode.starts_with(['/', '-', '!']) || mode.contains('=') {
        whole = format!("{mode} {rest}");
        ("", whole.as_str())
    } else {
        (mode, rest)
    };
    let mode = match mode {
        "" | "failed" => RestartMode::OnlyFailed,
        "all" => RestartMode::All,
        "connector" => RestartMode::ConnectorOnly,
        other => {
            model.say(
                Outcome::Bad,
                &format!("restart what? failed, all or connector, not \"{other}\""),
            );
            return;
        }
    };
    bulk(model, rest.trim(), &Verb::Restart(mode));
}

/// A verb on the marked, the selected, or with `/re` on all that match.
fn bulk(model: &mut Model, rest: &str, verb: &Verb) {
    if model.is_readonly() {
        model.say(Outcome::Bad, "read-only: writes are off");
        return;
    }
    if rest.is_empty() {
        verbs::confirm(model, verb);
        return;
    }
    let filter = Filter::parse(rest.strip_prefix('/').unwrap_or(rest));
    let by_name = !rest.starts_with(['/', '-', '!']) && !rest.contains('=');
    let names: Vec<RowKey> = model
        .cluster
        .connectors
        .values()
        .filter(|c| {
            if by_name {
                c.name.as_str() == rest
            } else {
                filter.accepts(*c)
            }
        })
        .map(|c| RowKey::Connector(c.name.clone()))
        .collect();
    if names.is_empty() {
        model.say(Outcome::Bad, &format!("no connector matches \"{rest}\""));
        return;
    }
    verbs::confirm_on(model, verb, &names);
}

/// The line while it is typed, for tests and the view.
impl Prompt {
    /// The sign in front of it.
    pub(crate) fn sign(&self) -> char {
        if self.kind == PromptKind::Command {
            ':'
        } else {
            '/'
        }
    }
}
