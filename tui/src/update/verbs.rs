//! Verbs: who they act on, what will happen in numbers, and asking for it.

use std::collections::BTreeSet;

use sluice_protocol::{ConnectorName, State};

use crate::effect::Effect;
use crate::model::Model;
use crate::model::action::{Action, Outcome, RestartMode, Verb};
use crate::model::cluster::Connector;
use crate::model::dialog::{Choice, Dialog, Outcome as Choose, Planned, Tone, TypedName};
use crate::model::health;
use crate::model::table::RowKey;
use crate::screen::current;
use crate::text::Text;
use crate::units;

/// `r`: failed only, all, connector only; the first has the focus. On tasks: the tasks themselves.
pub(super) fn restart_dialog(model: &mut Model) {
    let keys = current(model).targets(model);
    let tasks: Vec<Planned> = keys
        .iter()
        .filter_map(RowKey::task_id)
        .map(|(name, id)| Planned {
            connector: name.clone(),
            verb: Verb::Restart(RestartMode::Task(id)),
            tasks: vec![id],
        })
        .collect();
    if !tasks.is_empty() {
        return restart_tasks(model, tasks);
    }
    let names = connectors_of(&keys);
    if names.is_empty() {
        return model.say(Outcome::Bad, "nothing selected");
    }
    let plan = |mode| -> Vec<Planned> {
        names
            .iter()
            .map(|name| planned(model, name, Verb::Restart(mode)))
            .collect()
    };
    let mut failed = plan(RestartMode::OnlyFailed);
    failed.retain(|p| has_failed(model, &p.connector));
    let (all, only) = (plan(RestartMode::All), plan(RestartMode::ConnectorOnly));
    let failed_tasks: usize = failed.iter().map(|p| p.tasks.len()).sum();
    let all_tasks: usize = all.iter().map(|p| p.tasks.len()).sum();
    let tone = if failed_tasks > 0 {
        Tone::Bad
    } else {
        Tone::Dim
    };
    let counts = format!(
        "{failed_tasks} of {all_tasks} tasks FAILED{}",
        lag_note(model, &names)
    );
    let body = vec![
        (Tone::Plain, Text::line(&subject(&names))),
        (tone, Text::line(&counts)),
    ];
    let hints = [
        format!(
            "restarts {} that failed, on {}",
            units::plural(failed_tasks, "task"),
            workers(model, &failed)
        ),
        format!(
            "restarts {} and the connector, on {}",
            units::plural(all_tasks, "task"),
            workers(model, &all)
        ),
        "restarts the connector instance, leaves its tasks".to_owned(),
    ];
    let focus_failed = !failed.is_empty();
    let mut choices: Vec<Choice> = ["failed only", "all tasks", "connector only"]
        .into_iter()
        .zip(hints)
        .zip([failed, all, only])
        .map(|((label, hint), plan)| act_on(model, label, hint, plan))
        .collect();
    choices.push(cancel());
    if !focus_failed {
        choices.retain(|choice| choice.label != "failed only");
    }
    let selected = if focus_failed { 0 } else { choices.len() - 1 };
    open(model, "restart", body, &names, choices, selected);
    guard(model, &names, "restart", false);
}

/// A choice that carries out a plan, and lists all of it.
fn act_on(model: &Model, label: &'static str, hint: String, plan: Vec<Planned>) -> Choice {
    let list = list(model, &plan);
    let mut choice = Choice::new(label, hint, Choose::Act(plan));
    choice.list = list;
    choice
}

fn restart_tasks(model: &mut Model, plan: Vec<Planned>) {
    let names: Vec<ConnectorName> = plan.iter().map(|p| p.connector.clone()).collect();
    let count = units::plural(plan.len(), "task");
    let body = plan
        .iter()
        .map(|p| {
            let id = p.tasks.first().copied().unwrap_or(0);
            let state = model
                .cluster()
                .task(&p.connector, id)
                .map_or(State::Unassigned, |task| task.state);
            let line = format!("{}-{id}  {state}", Text::name(&p.connector));
            (Tone::Plain, Text::line(&line))
        })
        .collect();
    let title = format!("restart {count}");
    let hint = format!("restarts {count}, one request each");
    let choices = vec![Choice::new("restart", hint, Choose::Act(plan)), cancel()];
    open(model, &title, body, &names, choices, 0);
    guard(model, &names, &title, false);
}

/// A dialog for a verb on the marked or selected connectors.
pub(super) fn confirm(model: &mut Model, verb: &Verb) {
    let keys = current(model).targets(model);
    confirm_on(model, verb, &keys);
}

/// A dialog for a verb on these rows.
pub(super) fn confirm_on(model: &mut Model, verb: &Verb, keys: &[RowKey]) {
    let names = connectors_of(keys);
    if names.is_empty() {
        return model.say(Outcome::Bad, "nothing selected");
    }
    if *verb == Verb::Stop && !supports_stop(model) {
        return model.say(
            Outcome::Bad,
            "this server can't stop connectors (needs 3.5); pause instead",
        );
    }
    let mut plan: Vec<Planned> = names
        .iter()
        .map(|name| planned(model, name, verb.clone()))
        .collect();
    if *verb == Verb::Restart(RestartMode::OnlyFailed) {
        plan.retain(|p| has_failed(model, &p.connector));
        if plan.is_empty() {
            return model.say(Outcome::Good, "nothing has failed there");
        }
    }
    // What is not in the plan is not asked, not counted and not listed.
    let selected = names.len();
    let names: Vec<ConnectorName> = plan.iter().map(|p| p.connector.clone()).collect();
    let tasks: usize = names
        .iter()
        .filter_map(|name| model.cluster().connectors.get(name))
        .map(|c| c.counts.total)
        .sum();
    let tasks = units::plural(tasks, "task");
    let what = match verb {
        Verb::Pause => format!("{tasks} stand still and keep their resources"),
        Verb::Resume => "tasks go on where they stopped".to_owned(),
        Verb::Stop => format!("{tasks} are shut down and freed; offsets stay"),
        Verb::Delete => {
            format!("{tasks} end and the configuration is gone; committed offsets stay")
        }
        _ => format!("on {}", workers(model, &plan)),
    };
    let tone = if *verb == Verb::Delete {
        Tone::Bad
    } else {
        Tone::Plain
    };
    let mut body = vec![
        (Tone::Plain, Text::line(&subject(&names))),
        (
            tone,
            Text::line(&format!("{what}{}", lag_note(model, &names))),
        ),
    ];
    if selected > names.len() {
        let rest = units::plural(selected - names.len(), "other");
        let line = format!("nothing failed in {rest} that match");
        body.push((Tone::Dim, Text::line(&line)));
    }
    body.extend(list(model, &plan));
    let title = verb.to_string();
    let choices = vec![cancel(), Choice::new(label(verb), what, Choose::Act(plan))];
    open(model, &title, body, &names, choices, 0);
    guard(model, &names, &title, *verb == Verb::Delete);
}

/// Wants the name typed before anything happens: always, or where the context is to be treated with care.
pub(super) fn guard(model: &mut Model, names: &[ConnectorName], title: &str, always: bool) {
    let careful = model
        .current_context()
        .is_some_and(|context| context.careful);
    let Some(dialog) = model.ui.dialog.as_mut().filter(|_| always || careful) else {
        return;
    };
    let expected = match names {
        [one] => Text::name(one).to_string(),
        many => format!("{title} {}", many.len()),
    };
    let several = dialog.choices.len() > 2;
    let tab = if several { ", tab chooses" } else { "" };
    let line = format!("type \"{expected}\" to do it{tab}");
    dialog.body.insert(0, (Tone::Strong, Text::line(&line)));
    dialog.typed = Some(TypedName::new(&expected));
    let cancel = |choice: &Choice| choice.outcome.is_harmless();
    dialog.selected = dialog.choices.iter().position(cancel).unwrap_or(0);
}

const fn label(verb: &Verb) -> &'static str {
    match verb {
        Verb::Pause => "pause",
        Verb::Resume => "resume",
        Verb::Stop => "stop",
        Verb::Delete => "delete",
        Verb::Restart(_) => "restart",
        Verb::PutConfig { .. } => "write",
    }
}

fn cancel() -> Choice {
    Choice::new("Cancel", "", Choose::Cancel)
}

fn open(
    model: &mut Model,
    title: &str,
    body: Vec<(Tone, Text)>,
    names: &[ConnectorName],
    choices: Vec<Choice>,
    selected: usize,
) {
    let title = match names {
        [one] => format!("{title} {}", Text::name(one)),
        many => format!("{title}: {} selected", many.len()),
    };
    model.ui.dialog = Some(Dialog::new(title, body, choices, selected));
}

fn connectors_of(keys: &[RowKey]) -> Vec<ConnectorName> {
    let set: BTreeSet<ConnectorName> = keys
        .iter()
        .filter_map(|key| key.connector.clone())
        .collect();
    set.into_iter().collect()
}

fn has_failed(model: &Model, name: &ConnectorName) -> bool {
    model
        .cluster()
        .connectors
        .get(name)
        .is_some_and(|c| c.state == State::Failed || c.counts.failed > 0)
}

fn planned(model: &Model, name: &ConnectorName, verb: Verb) -> Planned {
    let tasks = match (&verb, model.cluster().connectors.get(name)) {
        (Verb::Restart(RestartMode::OnlyFailed), Some(c)) => failed(c),
        (Verb::Restart(RestartMode::All), Some(c)) => c.tasks.keys().copied().collect(),
        _ => Vec::new(),
    };
    Planned {
        connector: name.clone(),
        verb,
        tasks,
    }
}

fn failed(connector: &Connector) -> Vec<u32> {
    connector
        .tasks
        .values()
        .filter(|task| task.state == State::Failed)
        .map(|task| task.id)
        .collect()
}

fn subject(names: &[ConnectorName]) -> String {
    match names {
        [one] => Text::name(one).to_string(),
        many => format!("{} connectors", many.len()),
    }
}

/// All of a plan for several connectors: one line each, with the tasks it is about.
fn list(model: &Model, plan: &[Planned]) -> Vec<(Tone, Text)> {
    if plan.len() < 2 {
        return Vec::new();
    }
    plan.iter()
        .map(|p| {
            let health = model
                .cluster()
                .connectors
                .get(&p.connector)
                .map(|c| format!("  {} {}", health::label(c), c.counts.label()));
            let tasks = match &p.tasks[..] {
                [] => String::new(),
                [one] => format!("  task {one}"),
                many => {
                    let ids: Vec<String> = many.iter().map(u32::to_string).collect();
                    format!("  tasks {}", ids.join(","))
                }
            };
            let name = Text::name(&p.connector);
            let line = format!("  {name}{}{tasks}", health.unwrap_or_default());
            (Tone::Dim, Text::line(&line))
        })
        .collect()
}

fn workers(model: &Model, plan: &[Planned]) -> String {
    let set: BTreeSet<&Text> = plan
        .iter()
        .filter_map(|p| Some((p, model.cluster().connectors.get(&p.connector)?)))
        .flat_map(|(p, c)| {
            p.tasks
                .iter()
                .filter_map(|id| c.tasks.get(id))
                .map(|task| &task.worker)
        })
        .filter(|worker| !worker.is_empty())
        .collect();
    match set.len() {
        1 => "1 worker".to_owned(),
        n => format!("{n} workers"),
    }
}

fn lag_note(model: &Model, names: &[ConnectorName]) -> String {
    names
        .iter()
        .filter_map(|name| model.cluster().connectors.get(name)?.lag)
        .reduce(i64::saturating_add)
        .map(|lag| format!("; lag now {}", units::count(lag)))
        .unwrap_or_default()
}

/// STOP came with 3.5; an unknown version is tried.
fn supports_stop(model: &Model) -> bool {
    match model
        .cluster()
        .version
        .as_ref()
        .and_then(|version| major_minor(version.as_str()))
    {
        // Agents have a version of their own and know all of it.
        Some((0, _)) | None => true,
        Some(version) => version >= (3, 5),
    }
}

/// The first two numbers of a version.
pub(crate) fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Asks the cluster for everything planned.
pub(super) fn act(model: &mut Model, plan: Vec<Planned>) -> Vec<Effect> {
    let number = model.take_number();
    let mut effects = vec![Effect::Pace(true)];
    for planned in plan {
        let id = model.take_number();
        let connector = model.cluster().connectors.get(&planned.connector);
        let failed_tasks = connector.map(failed).unwrap_or_default();
        let all_tasks = connector
            .map(|c| c.tasks.keys().copied().collect())
            .unwrap_or_default();
        let mut action = Action::new(
            id,
            number,
            planned.verb.clone(),
            planned.connector.clone(),
            model.now(),
            connector,
        );
        action.tasks = planned.tasks;
        model.ui.actions.push_back(action);
        effects.push(Effect::Act {
            id,
            connector: planned.connector,
            verb: planned.verb,
            failed_tasks,
            all_tasks,
        });
    }
    super::trim_actions(model);
    for table in model.tables_mut() {
        table.marks.clear();
    }
    model.ui.flash = None;
    effects
}
