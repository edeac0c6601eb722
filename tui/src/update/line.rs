//! The line for commands, filters and searches: editing, completion, running.

use crossterm::event::KeyCode;

use super::{commands, verbs};

use crate::effect::Effect;
use crate::keys::{Command, Key};
use crate::model::Model;
use crate::model::action::{Outcome, RestartMode, Verb};
use crate::model::filter::Filter;
use crate::model::nav::{CONNECTOR, TextState};
use crate::model::prompt::{Prompt, PromptKind};
use crate::model::table::RowKey;
use crate::screen::rows::Rows;
use crate::screen::tasks::Tasks;
use crate::screen::words::{Does, find, suggestion};
use crate::screen::{Go, Screen, current, focused};

/// Pasted text goes where one types.
pub(super) fn paste(model: &mut Model, text: &str) {
    let first = text.lines().next().unwrap_or("");
    if let Some(dialog) = &mut model.ui.dialog {
        if let Some(typed) = &mut dialog.typed {
            first.chars().for_each(|c| typed.line.insert(c));
        }
    } else if let Some(prompt) = &mut model.ui.prompt {
        first.chars().for_each(|c| prompt.insert(c));
        live_filter(model);
    }
}

/// A key while the line is open.
pub(super) fn key(model: &mut Model, key: Key) -> Vec<Effect> {
    let completion = suggestion(model);
    let Some(prompt) = &mut model.ui.prompt else {
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
                && let Some(rest) = completion
            {
                let full = format!("{}{rest}", prompt.text());
                prompt.set(&full);
            }
        }
        KeyCode::Up | KeyCode::Down if prompt.kind == PromptKind::Command => {
            prompt.recall(&model.session.history, key.code == KeyCode::Up);
        }
        KeyCode::Char(c) if !key.ctrl => prompt.insert(c),
        _ => {}
    }
    live_filter(model);
    Vec::new()
}

/// Filters and searches act while one types.
fn live_filter(model: &mut Model) {
    let Some(prompt) = &model.ui.prompt else {
        return;
    };
    let text = prompt.text().to_owned();
    match prompt.kind {
        PromptKind::Filter => set_filter(model, &text),
        PromptKind::Search => model.text_mut(CONNECTOR).needle = text,
        PromptKind::Command => {}
    }
}

/// Filters the table that has the focus, or the lines of the screen's text.
fn set_filter(model: &mut Model, text: &str) {
    if let Some(table) = focused(model) {
        model.table_mut(table.id()).filter = Filter::parse(text);
        model.ui.stale_index = true;
    } else {
        *model.text_mut(current(model).name()) = TextState {
            scroll: 0,
            needle: text.to_owned(),
        };
    }
}

fn cancel(model: &mut Model) -> Vec<Effect> {
    if let Some(prompt) = model.ui.prompt.take() {
        match prompt.kind {
            PromptKind::Filter => set_filter(model, &prompt.before),
            PromptKind::Search => model.text_mut(CONNECTOR).needle = prompt.before,
            PromptKind::Command => {}
        }
    }
    Vec::new()
}

fn submit(model: &mut Model) -> Vec<Effect> {
    let Some(prompt) = model.ui.prompt.take() else {
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
            model.session.history.retain(|old| *old != line);
            model.session.history.push(line.clone());
            let mut effects = run(model, &line);
            effects.push(Effect::Remember(line));
            effects
        }
    }
}

/// Runs a line typed after `:`.
fn run(model: &mut Model, line: &str) -> Vec<Effect> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match find(word) {
        Some(Does::Open(screen)) => return open(model, screen, rest),
        Some(Does::Faults) => {
            let effects = filtered(model, &Tasks, rest);
            model.table_mut(Tasks::ID).faults = true;
            return effects;
        }
        Some(Does::Abort) => return commands::abort(model),
        Some(Does::Restart) => restart(model, rest),
        Some(Does::Act(verb)) => bulk(model, rest, verb),
        Some(Does::Press(command)) => return commands::run(model, command),
        None => {
            let text = format!("no command \"{word}\" (? shows all)");
            model.say(Outcome::Bad, &text);
        }
    }
    Vec::new()
}

/// Opens a screen by its word, or what it knows by what stands behind that.
fn open(model: &mut Model, screen: &'static dyn Screen, rest: &str) -> Vec<Effect> {
    let Some(go) = screen.argument(model, rest) else {
        return filtered(model, screen, rest);
    };
    if matches!(go, Go::Connector { .. }) {
        model.ui.nav.jump(screen.place());
    }
    commands::follow(model, go)
}

/// `:t /re` and `:t -l k=v` filter the table they open; without a filter all of it is shown.
fn filtered(model: &mut Model, screen: &'static dyn Screen, rest: &str) -> Vec<Effect> {
    if let Some(table) = screen.tables().first() {
        let state = model.table_mut(table.id());
        state.begin_visit(Filter::default());
        state.filter = Filter::parse(rest.strip_prefix('/').unwrap_or(rest));
    }
    model.ui.stale_index = true;
    commands::jump(model, screen)
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
        .cluster()
        .connectors
        .values()
        .filter(|c| {
            if by_name {
                c.name.as_str() == rest
            } else {
                filter.accepts(*c)
            }
        })
        .map(|c| RowKey::connector(&c.name))
        .collect();
    if names.is_empty() {
        model.say(Outcome::Bad, &format!("no connector matches \"{rest}\""));
        return;
    }
    verbs::confirm_on(model, verb, &names);
}

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
