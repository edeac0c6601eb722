//! The last line: breadcrumbs, or what is being typed; on the right what became of actions.

use ratatui::Frame;
use ratatui::layout::Position;
use ratatui::text::{Line, Span};

use crate::layout;
use crate::model::Model;
use crate::model::action::{Action, NOT_SENT, Outcome, RestartMode, Stage, UNANSWERED, Verb};
use crate::model::dialog::Tone;
use crate::screen::{self, words};
use crate::theme::Theme;
use crate::units;

/// How long the end of an action stays in the footer.
const SHOWN_FOR: i64 = 15_000;

pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let area = layout::footer(model);
    if let Some(prompt) = &model.ui.prompt {
        let (before, after) = prompt.split();
        let mut spans = vec![
            Span::styled(prompt.sign().to_string(), theme.tone(Tone::Accent)),
            Span::raw(before.to_owned()),
            Span::raw(after.to_owned()),
        ];
        if let Some(ghost) = words::suggestion(model) {
            spans.push(Span::styled(ghost, theme.tone(Tone::Dim)));
        }
        let cursor = u16::try_from(1 + Line::raw(before).width()).unwrap_or(u16::MAX);
        frame.render_widget(Line::from(spans), area);
        frame.set_cursor_position(Position::new(
            cursor.min(area.width.saturating_sub(1)),
            area.y,
        ));
        return;
    }
    let right = word(model);
    let right_width = right.as_ref().map_or(0, |(_, text)| text.chars().count());
    let mut spans = vec![Span::raw(" ")];
    let crumbs: Vec<String> = model
        .ui
        .nav
        .stack()
        .iter()
        .map(|s| format!("<{}>", s.crumb()))
        .collect();
    let width = usize::from(area.width);
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
    let room = width.saturating_sub(right_width + 4).max(12.min(width));
    if text.chars().count() > room {
        let skip = text.chars().count() - room + 1;
        text = std::iter::once('…')
            .chain(text.chars().skip(skip))
            .collect();
    }
    let left_width = text.chars().count() + 1;
    spans.push(Span::styled(text, theme.tone(Tone::Accent)));
    if let Some((tone, text)) = right {
        let room = width.saturating_sub(left_width + 2);
        let mut text = text;
        if text.chars().count() > room {
            text = units::middle(&text, room);
        }
        let gap = width
            .saturating_sub(left_width + text.chars().count() + 1)
            .max(1);
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::styled(text, theme.tone(tone)));
    }
    frame.render_widget(Line::from(spans), area);
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
