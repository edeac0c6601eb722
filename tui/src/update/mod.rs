//! `update(&mut Model, Message) -> Vec<Effect>`: the only place where the model changes. No I/O, no clock.

mod commands;
mod dialogs;
mod edit;
mod line;
mod verbs;

use crate::effect::Effect;
use crate::keys::Key;
use crate::message::{ActionNews, Message};
use crate::model::action::{Action, Outcome, Sight, Stage, Verb};
use crate::model::event::{By, ClusterEvent, Object, Severity};
use crate::model::news::Update;
use crate::model::{Model, Seen};
use crate::screen;

pub(crate) use edit::{errors as validation_errors, restarts_by_plan};

/// Least age of a list before it is asked for again because of a connector it does not name.
const RELIST_AFTER: i64 = 1_000;
/// How long a word to the user stays.
const FLASH_FOR: i64 = 8_000;
/// Actions remembered after they are over.
const ACTIONS_KEPT: usize = 200;

/// Applies one message; answers with what it wants done.
pub(crate) fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Now(now) => tick(model, now),
        Message::Key(key) => press(model, key),
        Message::Paste(text) => {
            line::paste(model, &text);
            Vec::new()
        }
        Message::Resize(width, height) => {
            model.session.width = width;
            model.session.height = height;
            Vec::new()
        }
        Message::Data(epoch, update) if epoch == model.cluster().epoch => {
            let unlisted = model.cluster().is_unlisted(&update);
            apply_update(model, *update);
            let mut effects = settle_actions(model);
            model.ui.relist |= unlisted;
            effects.extend(relist(model));
            effects
        }
        // News of a cluster that was left.
        Message::Data(..) => Vec::new(),
        Message::Action(id, news) => action_news(model, id, news),
        Message::ConfigLoaded(connector, loaded) => edit::loaded(model, connector, loaded),
        Message::PasswordsLoaded(connector, passwords) => {
            if model.open_connector() == Some(&connector) {
                model.ui.detail.passwords = Some(passwords);
            }
            Vec::new()
        }
        Message::OffsetsLoaded(connector, offsets) => {
            if model.open_connector() == Some(&connector) {
                model.ui.detail.offsets = Some(offsets);
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
            if let Some(demo) = &mut model.session.demo {
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

/// A key: into the line or the dialog that is open, else a command of the screen.
fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    // Keys may come faster than frames: each acts on the rows that the ones before it left.
    settle(model);
    // A dialog may open by itself while a line is being typed: what is typed still goes to the line.
    if model.ui.prompt.is_some() {
        return line::key(model, key);
    }
    if model.ui.dialog.is_some() {
        return dialogs::key(model, key);
    }
    match screen::current(model).command(model.session.demo.is_some(), key) {
        Some(command) => commands::run(model, command),
        None => {
            let text = format!("{} does nothing here; ? shows the keys", key.name());
            said(model, Outcome::Pending, &text)
        }
    }
}

/// Shows a message to the user, and wants nothing done.
fn said(model: &mut Model, outcome: Outcome, text: &str) -> Vec<Effect> {
    model.say(outcome, text);
    Vec::new()
}

/// Applies news of the cluster alone, for commands.
pub(crate) fn apply_update(model: &mut Model, news: Update) {
    let now = model.now();
    model.ui.stale_index |= model.cluster_mut().apply(now, news);
    let cluster = model.cluster();
    let seen = cluster.listed.map(|at| Seen {
        version: cluster.version.clone(),
        connectors: cluster.connectors.len(),
        bad: cluster.bad(),
        at,
    });
    let context = model.session.context;
    if let (Some(seen), Some(context)) = (seen, model.session.contexts.get_mut(context)) {
        context.seen = Some(seen);
    }
}

/// Brings row indexes, selections and scroll positions up to date; called once before each frame.
///
/// Indexes are made only when data, filter or order changed; the view then formats visible rows only.
pub(crate) fn settle(model: &mut Model) {
    if std::mem::take(&mut model.ui.stale_index) {
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
    let cluster = model.cluster_mut();
    cluster.recount_workers();
    cluster.sum_worker_rates();
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
    let new_second = now / 1_000 != model.now() / 1_000;
    model.session.now = now;
    if !new_second {
        return Vec::new();
    }
    model.ui.flash.take_if(|flash| now - flash.at > FLASH_FOR);
    model.ui.stale_index |= model.cluster_mut().tick(now);
    let mut effects = settle_actions(model);
    effects.extend(relist(model));
    effects
}

/// Asks for the list again when a state of something unlisted was reported; at most once a second, since
/// the topic followed may be busy with connectors that no list will ever name.
fn relist(model: &mut Model) -> Option<Effect> {
    let now = model.now();
    let listed = model.cluster().listed;
    let recent = listed.is_some_and(|at| now - at < RELIST_AFTER);
    (!recent && std::mem::take(&mut model.ui.relist)).then_some(Effect::Refresh)
}

/// Looks whether states show the end of actions under way.
fn settle_actions(model: &mut Model) -> Vec<Effect> {
    let was_busy = is_busy(model);
    if !was_busy {
        return Vec::new();
    }
    let now = model.now();
    // Taken out, because they are settled by what the rest of the model knows.
    let mut actions = std::mem::take(&mut model.ui.actions);
    for action in actions.iter_mut().filter(|action| !action.is_over()) {
        let cluster = model.cluster();
        let sight = Sight {
            listed: cluster.listed.unwrap_or(0),
            live: cluster.live,
        };
        action.settle(cluster.connectors.get(&action.connector), sight, now);
        record(model, action);
    }
    model.ui.actions = actions;
    pace(model, was_busy)
}

fn is_busy(model: &Model) -> bool {
    model.ui.actions.iter().any(|action| !action.is_over())
}

fn pace(model: &Model, was_busy: bool) -> Vec<Effect> {
    if was_busy && !is_busy(model) {
        vec![Effect::Pace(false)]
    } else {
        Vec::new()
    }
}

/// Writes the end of an action into the events, if it is over.
fn record(model: &mut Model, action: &Action) {
    let (severity, verdict) = match &action.stage {
        Stage::Confirmed { verdict, .. } => (Severity::Info, verdict),
        Stage::Failed { error, .. } => (Severity::Error, error),
        Stage::Asked | Stage::Waiting { .. } | Stage::Accepted { .. } => return,
    };
    let object = Object::Connector(action.connector.clone());
    let event = ClusterEvent::Action(verdict.clone());
    let now = model.now();
    let cluster = model.cluster_mut();
    cluster.record(now, severity, By::Terminal, object, event);
    model.ui.stale_index = true;
}

fn action_news(model: &mut Model, id: u64, news: ActionNews) -> Vec<Effect> {
    let now = model.now();
    let was_busy = is_busy(model);
    let Some(action) = model.ui.actions.iter_mut().find(|action| action.id == id) else {
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
                model.ui.drafts.remove(&connector);
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
    while model.ui.actions.len() > ACTIONS_KEPT
        && model.ui.actions.front().is_some_and(Action::is_over)
    {
        model.ui.actions.pop_front();
    }
}

#[cfg(test)]
mod tests;
