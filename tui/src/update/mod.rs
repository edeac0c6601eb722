//! `update(&mut Model, Message) -> Vec<Effect>`: the only place where the model changes. No I/O, no clock.

mod commands;
mod data;
mod dialogs;
mod edit;
mod line;
mod telemetry;
mod verbs;

use crate::effect::Effect;
use crate::message::{ActionNews, Message};
use crate::model::Model;
use crate::model::action::{Action, Outcome, Sight, Stage, Verb};
use crate::model::event::{NewEvent, Severity};
use crate::screen;
use crate::text::Text;

pub(crate) use edit::{errors as validation_errors, restarts_by_plan};

/// Least age of a list before it is asked for again because of a connector it does not name.
const RELIST_AFTER: i64 = 1_000;
/// How long a word to the user stays.
const FLASH_FOR: i64 = 8_000;
/// Actions remembered after they are over.
const ACTIONS_KEPT: usize = 200;

/// Applies one message.
pub(crate) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Now(now) => tick(model, now),
        Message::Key(key) => {
            // Keys may come faster than frames: each acts on the rows that the ones before it left.
            settle(model);
            // A dialog may open by itself while a line is being typed: what is typed goes on to the line.
            if model.prompt.is_some() {
                line::key(model, key)
            } else if model.dialog.is_some() {
                dialogs::key(model, key)
            } else {
                match screen::current(model).command(model.demo.is_some(), key) {
                    Some(command) => commands::run(model, command),
                    None => {
                        let text = format!("{} does nothing here; ? shows the keys", key.name());
                        model.say(Outcome::Pending, &text);
                        Vec::new()
                    }
                }
            }
        }
        Message::Paste(text) => {
            line::paste(model, &text);
            Vec::new()
        }
        Message::Resize(width, height) => {
            model.width = width;
            model.height = height;
            Vec::new()
        }
        Message::Data(epoch, update) => {
            if epoch == model.epoch {
                let unlisted = data::tells_of_unlisted(model, &update);
                data::apply(model, *update);
                let mut effects = settle_actions(model);
                model.cluster.relist |= unlisted;
                effects.extend(relist(model));
                effects
            } else {
                Vec::new()
            }
        }
        Message::Action(id, news) => action_news(model, id, news),
        Message::ConfigLoaded(connector, loaded) => edit::loaded(model, connector, loaded),
        Message::PasswordsLoaded(connector, passwords) => {
            if model.open_connector() == Some(&connector) {
                model.detail.passwords = Some(passwords);
            }
            Vec::new()
        }
        Message::OffsetsLoaded(connector, offsets) => {
            if model.open_connector() == Some(&connector) {
                model.detail.offsets = Some(offsets);
            }
            Vec::new()
        }
        Message::EditorClosed(session, text) => edit::closed(model, session, text),
        Message::DraftKept(connector, place) => {
            edit::draft_kept(model, &connector, place);
            Vec::new()
        }
        Message::Validated(session, infos) => edit::validated(model, *session, infos),
        Message::AgentsRun(running) => {
            if let Some(demo) = &mut model.demo {
                demo.running = running;
            }
            Vec::new()
        }
        Message::Copied(result) => {
            match result {
                Ok(bytes) => model.say(Outcome::Good, &format!("copied {bytes} bytes (OSC 52)")),
                Err(error) => model.say(Outcome::Bad, error.as_str()),
            }
            Vec::new()
        }
    }
}

/// Applies news of the cluster alone, for commands.
pub(crate) fn apply_update(model: &mut Model, news: crate::message::Update) {
    data::apply(model, news);
}

/// Brings row indexes, selections and scroll positions up to date; called once before each frame.
///
/// Indexes are made only when data, filter or order changed; the view then formats visible rows only.
pub(crate) fn settle(model: &mut Model) {
    if std::mem::take(&mut model.stale_index) {
        rebuild(model);
    }
    let screen = screen::current(model);
    for table in screen.tables() {
        let height = screen.table_rows(model, table.id());
        model.table_mut(table.id()).scroll_to_selection(height);
    }
}

/// Makes the row indexes of the screen that is shown.
fn rebuild(model: &mut Model) {
    model.cluster.recount_workers();
    telemetry::worker_rates(model);
    for table in screen::current(model).tables() {
        let index = table.index(model);
        let worst_first = table.sort(model).column == table.order();
        model.table_mut(table.id()).replace(index, worst_first);
    }
    for table in screen::ALL.iter().flat_map(|screen| screen.tables()) {
        let mut marks = std::mem::take(&mut model.table_mut(table.id()).marks);
        marks.retain(|key| table.contains(model, key));
        model.table_mut(table.id()).marks = marks;
    }
}

fn tick(model: &mut Model, now: i64) -> Vec<Effect> {
    let new_second = now / 1_000 != model.now / 1_000;
    model.now = now;
    if !new_second {
        return Vec::new();
    }
    if model
        .flash
        .as_ref()
        .is_some_and(|flash| now - flash.at > FLASH_FOR)
    {
        model.flash = None;
    }
    let mut changed = false;
    for connector in model.cluster.connectors.values_mut() {
        changed |= telemetry::forget_old_figures(connector, now);
        connector.sample(now);
        // Time alone changes two kinds of health only: lag that stands still, and tasks that do not come.
        if connector.lag.is_some_and(|lag| lag > 0) || connector.appeared.is_some() {
            let before = connector.health;
            connector.recompute(now);
            changed |= before != connector.health;
        }
    }
    model.stale_index |= changed;
    let mut effects = settle_actions(model);
    effects.extend(relist(model));
    effects
}

/// Asks for the list again when something unlisted was told of; at most once a second, since the topic followed may be
/// busy with connectors that no list will ever name.
fn relist(model: &mut Model) -> Option<Effect> {
    let recent = model
        .cluster
        .listed
        .is_some_and(|at| model.now - at < RELIST_AFTER);
    if recent || !model.cluster.relist {
        return None;
    }
    model.cluster.relist = false;
    Some(Effect::Refresh)
}

/// Looks whether states tell the end of actions under way.
fn settle_actions(model: &mut Model) -> Vec<Effect> {
    let was_busy = model.actions.iter().any(|action| !action.is_over());
    if !was_busy {
        return Vec::new();
    }
    let sight = Sight {
        listed: model.cluster.listed.unwrap_or(0),
        live: model.cluster.live,
    };
    let now = model.now;
    let mut finished = Vec::new();
    for action in &mut model.actions {
        if action.is_over() {
            continue;
        }
        let connector = model.cluster.connectors.get(&action.connector);
        action.settle(connector, sight, now);
        if action.is_over() {
            finished.push(action.clone());
        }
    }
    for action in &finished {
        record(model, action);
    }
    pace(model, was_busy)
}

fn pace(model: &Model, was_busy: bool) -> Vec<Effect> {
    let busy = model.actions.iter().any(|action| !action.is_over());
    if was_busy && !busy {
        vec![Effect::Pace(false)]
    } else {
        Vec::new()
    }
}

/// Writes the end of an action into the events.
fn record(model: &mut Model, action: &Action) {
    let (outcome, line) = action.line(model.now);
    model.events.push(NewEvent {
        at: model.now,
        severity: if outcome == Outcome::Bad {
            Severity::Error
        } else {
            Severity::Info
        },
        kind: "action",
        object: Text::line(&action.connector),
        what: Text::line(
            line.split_once(": ")
                .map_or(line.as_str(), |(_, what)| what),
        ),
        by: Text::from("this terminal"),
        connector: Some(action.connector.clone()),
    });
    model.stale_index = true;
}

fn action_news(model: &mut Model, id: u64, news: ActionNews) -> Vec<Effect> {
    let now = model.now;
    let was_busy = model.actions.iter().any(|action| !action.is_over());
    let Some(action) = model.actions.iter_mut().find(|action| action.id == id) else {
        return Vec::new();
    };
    let mut ended = None;
    let mut effects = Vec::new();
    match news {
        ActionNews::Waiting { reason, retry_at } => {
            action.stage = Stage::Waiting { reason, retry_at }
        }
        ActionNews::Accepted(plan) => {
            if let Verb::PutConfig { base, .. } = &action.verb {
                let connector = base.is_some().then(|| action.connector.clone());
                model.drafts.remove(&connector);
                effects.push(Effect::DropDraft(connector));
            }
            action.accepted(plan.as_deref(), now);
            ended = action.is_over().then(|| action.clone());
        }
        ActionNews::Failed(error) => {
            action.stage = Stage::Failed { at: now, error };
            ended = Some(action.clone());
        }
    }
    if let Some(action) = ended {
        record(model, &action);
        if let (Verb::PutConfig { base, .. }, Outcome::Bad) = (&action.verb, action.outcome()) {
            let connector = base.is_some().then(|| action.connector.clone());
            effects.extend(edit::not_written(model, &connector, &action.line(now).1));
        }
    }
    effects.extend(pace(model, was_busy));
    effects.push(Effect::Refresh);
    effects
}

/// Forgets the oldest actions that are over.
fn trim_actions(model: &mut Model) {
    while model.actions.len() > ACTIONS_KEPT && model.actions.front().is_some_and(Action::is_over) {
        model.actions.pop_front();
    }
}

#[cfg(test)]
mod tests;
