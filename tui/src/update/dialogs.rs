//! Keys while a dialog is open: arrows and digits choose, enter does, esc leaves, letters go into the name
//! to type.

use crossterm::event::KeyCode;

use super::{edit, verbs};
use crate::effect::Effect;
use crate::keys::Key;
use crate::model::Model;
use crate::model::action::Outcome as ActionOutcome;
use crate::model::dialog::Outcome;

/// A key while a dialog is open.
pub(super) fn key(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(dialog) = &mut model.ui.dialog else {
        return Vec::new();
    };
    let last = dialog.choices.len().saturating_sub(1);
    if dialog.swallows {
        dialog.swallows = !matches!(key.code, KeyCode::Enter | KeyCode::Esc);
        return Vec::new();
    }
    match key.code {
        KeyCode::Esc => return close(model),
        KeyCode::Char('c') if key.ctrl => return close(model),
        KeyCode::Enter => return choose(model),
        KeyCode::Tab if key.shift => {
            dialog.selected = dialog.selected.checked_sub(1).unwrap_or(last);
        }
        KeyCode::Tab => {
            dialog.selected = if dialog.selected >= last {
                0
            } else {
                dialog.selected + 1
            }
        }
        KeyCode::Up | KeyCode::PageUp => {
            dialog.scroll = dialog.scroll.saturating_sub(step(key.code));
        }
        KeyCode::Down | KeyCode::PageDown => {
            dialog.scroll =
                (dialog.scroll + step(key.code)).min(dialog.lines().count().saturating_sub(1));
        }
        _ if dialog.typed.is_some() => typing(model, key),
        // A filter or a command, typed without looking: its letters must not choose here, nor its enter act.
        KeyCode::Char('/' | ':') => {
            dialog.swallows = true;
            let text = "a dialog is open: this line is not taken, esc twice closes both";
            model.say(ActionOutcome::Bad, text);
        }
        KeyCode::Left | KeyCode::Char('h') => dialog.selected = dialog.selected.saturating_sub(1),
        KeyCode::Right | KeyCode::Char('l') => {
            dialog.selected = (dialog.selected + 1).min(last);
            dialog.scroll = 0;
        }
        KeyCode::Char('n' | 'q') => return close(model),
        KeyCode::Char('y') => {
            // `y` is the one choice that does something, when there is only one such.
            let doing: Vec<usize> = acting(model);
            if let [only] = doing[..] {
                select(model, only);
                return choose(model);
            }
        }
        KeyCode::Char(c @ '1'..='9') => {
            let place = c as usize - '1' as usize;
            if place <= last {
                select(model, place);
            }
        }
        _ => {}
    }
    Vec::new()
}

fn step(code: KeyCode) -> usize {
    if matches!(code, KeyCode::PageUp | KeyCode::PageDown) {
        10
    } else {
        1
    }
}

fn acting(model: &Model) -> Vec<usize> {
    model
        .ui
        .dialog
        .iter()
        .flat_map(|dialog| dialog.choices.iter().enumerate())
        .filter(|(_, choice)| matches!(choice.outcome, Outcome::Act(_)))
        .map(|(i, _)| i)
        .collect()
}

fn select(model: &mut Model, place: usize) {
    if let Some(dialog) = &mut model.ui.dialog {
        dialog.selected = place;
    }
}

fn typing(model: &mut Model, key: Key) {
    let Some(dialog) = &mut model.ui.dialog else {
        return;
    };
    let Some(typed) = &mut dialog.typed else {
        return;
    };
    match key.code {
        KeyCode::Backspace => {
            typed.line.backspace();
        }
        KeyCode::Left => typed.line.left(),
        KeyCode::Right => {
            typed.line.right();
        }
        KeyCode::Char('u') if key.ctrl => typed.line.clear(),
        KeyCode::Char(c) if !key.ctrl => typed.line.insert(c),
        _ => {}
    }
    // A complete name puts the focus on the deed; anything else puts it back on Cancel.
    let right = typed.is_right();
    let wanted = dialog
        .choices
        .iter()
        .position(|choice| match choice.outcome {
            Outcome::Act(_) => right,
            _ if choice.outcome.is_harmless() => !right,
            _ => false,
        });
    if let Some(place) = wanted {
        dialog.selected = place;
    }
}

fn close(model: &mut Model) -> Vec<Effect> {
    model.ui.dialog = None;
    Vec::new()
}

fn choose(model: &mut Model) -> Vec<Effect> {
    let Some(dialog) = model.ui.dialog.take_if(|dialog| dialog.is_ready()) else {
        return Vec::new();
    };
    match dialog
        .choices
        .into_iter()
        .nth(dialog.selected)
        .map(|choice| choice.outcome)
    {
        Some(Outcome::Act(plan)) => verbs::act(model, plan),
        Some(Outcome::EditAgain(session)) => edit::again(*session),
        Some(Outcome::Discard(connector)) => {
            model.ui.drafts.remove(&connector);
            vec![Effect::DropDraft(connector)]
        }
        Some(Outcome::StartAnew(connector)) => {
            model.ui.drafts.remove(&connector);
            let mut effects = vec![Effect::DropDraft(connector.clone())];
            effects.extend(edit::start(model, connector));
            effects
        }
        Some(Outcome::Cancel) | None => Vec::new(),
    }
}
