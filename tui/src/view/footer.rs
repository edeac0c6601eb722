//! The last line: breadcrumbs, or what is being typed; on the right what became of actions.

use ratatui::Frame;
use ratatui::layout::Position;
use ratatui::text::Line;

use super::part;
use crate::layout;
use crate::model::Model;
use crate::model::action::{Action, NOT_SENT, Outcome, RestartMode, Stage, UNANSWERED, Verb};
use crate::model::dialog::Tone;
use crate::screen::{self, words};
use crate::theme::Theme;
use crate::units;

/// How long the end of an action stays in the footer.
const SHOWN_FOR: i64 = 15_000;

/// Draws the line at the bottom of the screen.
pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let area = layout::footer(model);
    if let Some(prompt) = &model.ui.prompt {
        let (before, after) = prompt.split();
        let completion = words::suggestion(model).unwrap_or_default();
        let spans = vec![
            (Tone::Accent, prompt.sign().to_string()),
            (Tone::Plain, format!("{before}{after}")),
            (Tone::Dim, completion),
        ];
        frame.render_widget(part::line(theme, spans), area);
        let cursor = u16::try_from(1 + Line::raw(before).width()).unwrap_or(u16::MAX);
        let cursor = cursor.min(area.width.saturating_sub(1));
        frame.set_cursor_position(Position::new(cursor, area.y));
        return;
    }
    let right = word(model);
    let length = |text: &str| text.chars().count();
    let right_width = right.as_ref().map_or(0, |(_, text)| length(text));
    let width = usize::from(area.width);
    let room = width.saturating_sub(right_width + 4).max(12.min(width));
    let mut left = crumbs(model);
    if length(&left) > room {
        let skip = length(&left) - room + 1;
        left = std::iter::once('…')
            .chain(left.chars().skip(skip))
            .collect();
    }
    let left_width = length(&left) + 1;
    let mut spans = vec![(Tone::Plain, " ".to_owned()), (Tone::Accent, left)];
    if let Some((tone, text)) = right {
        let room = width.saturating_sub(left_width + 2);
        let text = match length(&text) > room {
            true => units::middle(&text, room),
            false => text,
        };
        let gap = width.saturating_sub(left_width + length(&text) + 1).max(1);
        spans.push((Tone::Plain, " ".repeat(gap)));
        spans.push((tone, text));
    }
    frame.render_widget(part::line(theme, spans), area);
}

/// The way to the screen that is open, and what is particular to its table.
fn crumbs(model: &Model) -> String {
    let stack = model.ui.nav.stack().iter();
    let crumbs: Vec<String> = stack.map(|place| format!("<{}>", place.crumb())).collect();
    let mut text = crumbs.join(" ");
    if let Some(table) = screen::focused(model) {
        let state = model.table(table.id());
        if !state.marks.is_empty() {
            text.push_str(&format!("  marked {}", state.marks.len()));
        }
        if state.faults {
            text.push_str("  faults only");
        }
    }
    text
}

/// The one thing worth saying now: something fetched, an action under way, the word to the user, the last
/// verdict.
fn word(model: &Model) -> Option<(Tone, String)> {
    if let Some(busy) = &model.ui.busy {
        return Some((Tone::Warn, format!("{busy} …")));
    }
    if let Some(flash) = &model.ui.flash {
        return Some((
            tone(flash.outcome),
            sign(flash.outcome, flash.text.as_str()),
        ));
    }
    let last = model.ui.actions.back()?;
    let plan: Vec<_> = model
        .ui
        .actions
        .iter()
        .filter(|action| action.plan == last.plan)
        .collect();
    let ended = plan.iter().filter(|action| action.is_over()).count();
    if plan.len() > 1 {
        let failed: Vec<_> = plan
            .iter()
            .filter(|action| matches!(action.stage, Stage::Failed { .. }))
            .collect();
        let over_at = plan
            .iter()
            .filter_map(|action| over_at(&action.stage))
            .max();
        if ended == plan.len() && over_at.is_some_and(|at| model.now() - at > SHOWN_FOR) {
            return None;
        }
        let verb = match last.verb {
            Verb::Restart(RestartMode::Task(_)) => "restart tasks".to_owned(),
            _ => last.verb.to_string(),
        };
        let done = ended - failed.len();
        let mut text = format!("{verb}: {done} of {} done", plan.len());
        // What was given up is counted apart: what was never sent has certainly not happened.
        let of = |why: &str| failed.iter().filter(|action| action.failed_as(why)).count();
        let (unsent, unsure) = (of(NOT_SENT), of(UNANSWERED));
        if unsent > 0 {
            text.push_str(&format!(", {unsent} not sent"));
        }
        if unsure > 0 {
            text.push_str(&format!(", {unsure} may have been taken"));
        }
        let answered =
            |action: &&&&Action| !action.failed_as(NOT_SENT) && !action.failed_as(UNANSWERED);
        if let Some(first) = failed.iter().find(answered) {
            let (count, why) = (failed.len() - unsent - unsure, first.line(model.now()).1);
            text.push_str(&format!(", {count} not ({why})"));
        }
        let outcome = match (failed.is_empty(), ended == plan.len()) {
            (false, _) => Outcome::Bad,
            (true, true) => Outcome::Good,
            (true, false) => Outcome::Pending,
        };
        return Some((tone(outcome), sign(outcome, &text)));
    }
    if over_at(&last.stage).is_some_and(|at| model.now() - at > SHOWN_FOR) {
        return None;
    }
    let (outcome, text) = last.line(model.now());
    Some((tone(outcome), sign(outcome, &text)))
}

fn over_at(stage: &Stage) -> Option<i64> {
    match stage {
        Stage::Confirmed { at, .. } | Stage::Failed { at, .. } => Some(*at),
        _ => None,
    }
}

fn sign(outcome: Outcome, text: &str) -> String {
    let sign = match outcome {
        Outcome::Good => '✔',
        Outcome::Bad => '✖',
        Outcome::Pending => '…',
    };
    format!("{sign} {text}")
}

const fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Good => Tone::Good,
        Outcome::Bad => Tone::Bad,
        Outcome::Pending => Tone::Warn,
    }
}
