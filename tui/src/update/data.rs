//! News of the cluster into the model. Several sources may tell the same; the newer word on a state wins.

use std::sync::Arc;

use sluice_protocol::rest::{ExpandedConnector, ExpandedConnectors};
use sluice_protocol::{ConfigMap, ConnectorName, State, TargetState};

use super::telemetry;
use crate::message::{StatusChange, Update};
use crate::model::Model;
use crate::model::cluster::{Connector, Link, Task, Worker};
use crate::model::event::{NewEvent, Severity};
use crate::model::trace::Trace;
use crate::text::Text;
use crate::units::Millis;

/// Whether a state is told of a connector that no list has named yet: its class and configuration are for REST to tell.
pub(super) fn tells_of_unlisted(model: &Model, update: &Update) -> bool {
    let unlisted = |change: &StatusChange| {
        change.state.is_some() && !model.cluster.connectors.contains_key(&change.connector)
    };
    match update {
        Update::Status(change) => unlisted(change),
        Update::StatusBatch(changes) => changes.iter().any(unlisted),
        _ => false,
    }
}

/// Applies one piece of news.
pub(super) fn apply(model: &mut Model, update: Update) {
    let was_stale = std::mem::replace(&mut model.stale_index, true);
    match update {
        Update::Rest(link) => rest_link(model, link),
        Update::Waiting(since) => {
            model.stale_index = was_stale;
            model.cluster.waiting = Some(since);
        }
        Update::Brokers(link) => {
            model.cluster.brokers_seen |= link == Link::Up;
            model.cluster.brokers = link;
        }
        Update::Server {
            url,
            version,
            kafka_cluster_id,
        } => {
            if model
                .cluster
                .url
                .as_ref()
                .is_some_and(|before| *before != url)
            {
                note(
                    model,
                    Severity::Warn,
                    "worker",
                    &url,
                    "REST goes through this worker now",
                    None,
                );
            }
            model.cluster.url = Some(url);
            model.cluster.version = Some(version);
            model.cluster.kafka_cluster_id = kafka_cluster_id;
        }
        Update::Listed { asked, list } => listed(model, asked, *list),
        Update::ListedSame { asked } => {
            model.stale_index = was_stale;
            model.cluster.listed = Some(asked);
            model.cluster.waiting = None;
        }
        Update::Live(live) => model.cluster.live = live,
        Update::Status(change) => status(model, &change),
        Update::StatusBatch(changes) => {
            for change in &changes {
                status(model, change);
            }
        }
        Update::Targets(targets) => {
            for connector in model.cluster.connectors.values_mut() {
                connector.target = Some(targets.get(&connector.name).copied().unwrap_or_default());
                connector.recompute(model.now);
            }
            model.cluster.targets = Some(targets);
        }
        Update::Target(connector, target) => set_target(model, &connector, target),
        Update::Config(connector, config) => set_config(model, &connector, config),
        Update::WorkerHealth {
            worker,
            health,
            version,
            kind,
        } => {
            let entry = model
                .cluster
                .workers
                .entry(worker.clone())
                .or_insert_with(|| Worker::new(worker));
            entry.health = Some(health);
            if version.is_some() {
                entry.version = version;
            }
            if kind.is_some() {
                entry.kind = kind;
            }
        }
        Update::Worker(report) => telemetry::worker(model, report),
        Update::Group(report) => telemetry::group(model, &report),
        Update::Lag { at, partitions } => telemetry::lag(model, at, partitions),
        Update::SourcesMoved(moved) => telemetry::sources_moved(model, moved),
        Update::Task(report) => telemetry::task(model, *report),
        Update::Rebalance(rebalance) => telemetry::rebalance(model, rebalance),
        Update::Event(event) => model.events.push(event),
        Update::Notes(notes) => model.cluster.topic_notes = notes,
        Update::Guessed(what) => model.cluster.guessed = what,
    }
    if model.stale_index {
        model.cluster.mark_lost(model.now);
    }
    remember_context(model);
}

fn remember_context(model: &mut Model) {
    let Some(at) = model.cluster.listed else {
        return;
    };
    let seen = crate::model::Seen {
        version: model.cluster.version.clone(),
        connectors: model.cluster.connectors.len(),
        bad: model.cluster.bad(),
        at,
    };
    if let Some(context) = model.contexts.get_mut(model.context) {
        context.seen = Some(seen);
    }
}

fn rest_link(model: &mut Model, link: Link) {
    match (&model.cluster.rest, &link) {
        (Link::Down { .. }, Link::Up) => {
            note(
                model,
                Severity::Info,
                "worker",
                &Text::from("REST"),
                "answers again",
                None,
            );
        }
        (before, Link::Down { error, .. }) if !matches!(before, Link::Down { .. }) => {
            let error = error.clone();
            note(
                model,
                Severity::Error,
                "worker",
                &Text::from("REST"),
                error.as_str(),
                None,
            );
        }
        _ => {}
    }
    if matches!(link, Link::Down { .. }) {
        model.cluster.waiting = None;
    }
    model.cluster.rest = link;
}

/// Adds an event of our own.
pub(super) fn note(
    model: &mut Model,
    severity: Severity,
    kind: &'static str,
    object: &Text,
    what: &str,
    connector: Option<ConnectorName>,
) {
    model.events.push(NewEvent {
        at: model.now,
        severity,
        kind,
        object: object.clone(),
        what: Text::line(what),
        by: Text::from("seen here"),
        connector,
    });
}

fn listed(model: &mut Model, asked: Millis, list: ExpandedConnectors) {
    let first = model.cluster.listed.is_none();
    let gone: Vec<ConnectorName> = model
        .cluster
        .connectors
        .keys()
        .filter(|name| !list.contains_key(*name))
        .cloned()
        .collect();
    for name in gone {
        model.cluster.connectors.remove(&name);
        model
            .cluster
            .partitions
            .retain(|(connector, _, _), _| *connector != name);
        if !first {
            note(
                model,
                Severity::Info,
                "connector",
                &Text::name(&name),
                "deleted",
                Some(name.clone()),
            );
        }
    }
    let mut workers = Shared::default();
    for (name, entry) in list {
        one(model, name, entry, asked, first, &mut workers);
    }
    model.cluster.listed = Some(asked);
    model.cluster.waiting = None;
}

/// Texts that come again and again in one list (workers, versions), kept once.
#[derive(Default)]
struct Shared(Vec<Text>);

impl Shared {
    /// How many different texts are looked for before each gets a copy of its own.
    const MOST: usize = 64;

    fn share(&mut self, raw: &str) -> Text {
        if let Some(known) = self.0.iter().find(|known| known.as_str() == raw) {
            return known.clone();
        }
        let text = Text::line(raw);
        if self.0.len() < Self::MOST {
            self.0.push(text.clone());
        }
        text
    }
}

/// Takes over one entry of the list.
fn one(
    model: &mut Model,
    name: ConnectorName,
    entry: ExpandedConnector,
    asked: Millis,
    first: bool,
    workers: &mut Shared,
) {
    let now = model.now;
    if !first && !model.cluster.connectors.contains_key(&name) {
        note(
            model,
            Severity::Info,
            "connector",
            &Text::name(&name),
            "new",
            Some(name.clone()),
        );
    }
    let live = model.cluster.live;
    let mut changes = Vec::new();
    let target = model
        .cluster
        .targets
        .as_ref()
        .map(|targets| targets.get(&name).copied().unwrap_or_default());
    let connector = model
        .cluster
        .connectors
        .entry(name.clone())
        .or_insert_with(|| {
            let mut connector = Connector::new(name);
            connector.appeared = (!first).then_some(now);
            connector
        });
    connector.target = target;
    if let Some(info) = entry.info {
        connector.kind = info.connector_type;
        if *connector.config != info.config {
            connector.config = Arc::new(info.config);
        }
    }
    if let Some(status) = entry.status {
        if connector.kind == sluice_protocol::ConnectorType::Unknown {
            connector.kind = status.connector_type;
        }
        let told = status.tasks.iter().map(|task| StatusChange {
            connector: connector.name.clone(),
            task: Some(task.id),
            state: Some(task.state),
            worker: workers.share(&task.worker_id),
            trace: task.trace.clone(),
            generation: -1,
            version: task
                .version
                .as_deref()
                .map(|version| workers.share(version)),
            at: asked,
            old: first,
        });
        changes.extend(told);
        changes.push(StatusChange {
            connector: connector.name.clone(),
            task: None,
            state: Some(status.connector.state),
            worker: workers.share(&status.connector.worker_id),
            trace: status.connector.trace,
            generation: -1,
            version: status
                .connector
                .version
                .as_deref()
                .map(|version| workers.share(version)),
            at: asked,
            old: first,
        });
        let gone: Vec<u32> = connector
            .tasks
            .keys()
            .copied()
            .filter(|id| !status.tasks.iter().any(|task| task.id == *id))
            .collect();
        for id in gone {
            connector.tasks.remove(&id);
        }
    }
    connector.recompute(now);
    for change in changes {
        // The status topic is ahead of the REST answer of any worker; REST then only fills gaps.
        if live && known_newer(model, &change) {
            continue;
        }
        status(model, &change);
    }
}

/// Whether the topic told of this state after the list was asked for.
fn known_newer(model: &Model, change: &StatusChange) -> bool {
    let Some(connector) = model.cluster.connectors.get(&change.connector) else {
        return false;
    };
    let changed = match change.task {
        None => connector.changed,
        Some(id) => connector.tasks.get(&id).and_then(|task| task.changed),
    };
    changed.is_some_and(|at| at >= change.at - 2_000)
}

/// Takes over one state.
fn status(model: &mut Model, change: &StatusChange) {
    let now = model.now;
    let when = if change.old && change.generation < 0 {
        None
    } else {
        Some(change.at)
    };
    let counts_restarts = model.cluster.live || change.generation >= 0;
    let label = Text::name(&change.connector);
    let worker = change.worker.clone();
    let Some(state) = change.state else {
        remove(model, change);
        return;
    };
    let listed = model.cluster.connectors.contains_key(&change.connector);
    if listed && !worker.is_empty() {
        model
            .cluster
            .workers
            .entry(worker.clone())
            .or_insert_with(|| Worker::new(worker.clone()));
    }
    // What REST does not list is not shown: it may belong to another cluster on the same brokers, or be gone.
    let Some(connector) = model.cluster.connectors.get_mut(&change.connector) else {
        return;
    };
    let topic = change.generation >= 0 && !change.old;
    let before;
    let object;
    let first_word;
    let trace = change.trace.as_deref().filter(|trace| !trace.is_empty());
    match change.task {
        None => {
            before = connector.state;
            first_word = connector.worker.is_empty() && connector.changed.is_none();
            object = label;
            connector.worker = worker;
            if change.version.is_some() {
                connector.version = change.version.clone();
            }
            connector.trace = parsed(connector.trace.take(), trace);
            connector.state = state;
            connector.heard += u64::from(topic || before != state);
            if before != state || (change.generation >= 0 && connector.changed.is_none()) {
                connector.changed = when;
            }
            if counts_restarts {
                let seen = connector.restarts.get_or_insert(0);
                if !change.old && is_restart(before, state) {
                    *seen += 1;
                }
            }
        }
        Some(id) => {
            let fresh = !connector.tasks.contains_key(&id);
            let task = connector
                .tasks
                .entry(id)
                .or_insert_with(|| Task::new(id, state));
            before = task.state;
            first_word = fresh;
            object = Text::line(&format!("{}-{id}", label.as_str()));
            // A late UNASSIGNED of the worker that lost the task must not hide the RUNNING of the one that has it.
            if change.generation >= 0
                && state == State::Unassigned
                && before == State::Running
                && task
                    .generation
                    .is_some_and(|known| known >= change.generation)
            {
                return;
            }
            task.worker = worker;
            task.trace = parsed(task.trace.take(), trace);
            task.state = state;
            task.heard += u64::from(topic || fresh || before != state);
            if change.generation >= 0 {
                task.generation = Some(change.generation);
            }
            if before != state || (task.changed.is_none() && change.generation >= 0) {
                task.changed = when;
            }
            if counts_restarts {
                let seen = task.restarts.get_or_insert(0);
                // A record that says FAILED once more is that of a start that failed at once.
                let failed_again = topic && before == State::Failed && state == State::Failed;
                if !change.old && !fresh && (failed_again || is_restart(before, state)) {
                    *seen += 1;
                }
                let most = connector.restarts.unwrap_or(0).max(*seen);
                connector.restarts = Some(most);
            }
            if before != state && !fresh {
                connector.changed = when.or(connector.changed);
            }
        }
    }
    let root = match change.task {
        None => connector.trace.as_ref(),
        Some(id) => connector
            .tasks
            .get(&id)
            .and_then(|task| task.trace.as_ref()),
    };
    let root = root.map(|trace| trace.root.clone());
    connector.recompute(now);
    if before != state && !first_word && !change.old {
        state_event(model, change, object, before, state, root);
    }
}

/// Whether a change of state is a restart: it is said to be one, or what failed runs.
fn is_restart(before: State, state: State) -> bool {
    match state {
        State::Restarting => before != State::Restarting,
        State::Running => before == State::Failed,
        _ => false,
    }
}

/// The parsed trace; the old one is kept when the text is the same.
fn parsed(old: Option<Arc<Trace>>, raw: Option<&str>) -> Option<Arc<Trace>> {
    let raw = raw?;
    match old {
        Some(old) if old.is_of(raw) => Some(old),
        _ => Some(Arc::new(Trace::parse(raw))),
    }
}

fn state_event(
    model: &mut Model,
    change: &StatusChange,
    object: Text,
    before: State,
    state: State,
    root: Option<Text>,
) {
    let severity = match state {
        State::Failed => Severity::Error,
        State::Unassigned | State::Restarting => Severity::Warn,
        _ => Severity::Info,
    };
    let what = match root {
        Some(root) => format!("{before} -> {state}: {root}"),
        None => format!("{before} -> {state}"),
    };
    let by = if change.worker.is_empty() {
        Text::from("?")
    } else {
        change.worker.clone()
    };
    model.events.push(NewEvent {
        at: change.at.max(model.since),
        severity,
        kind: if change.task.is_some() {
            "task"
        } else {
            "connector"
        },
        object,
        what: Text::line(&what),
        by,
        connector: Some(change.connector.clone()),
    });
}

/// A tombstone in the status topic.
fn remove(model: &mut Model, change: &StatusChange) {
    match change.task {
        Some(id) => {
            if let Some(connector) = model.cluster.connectors.get_mut(&change.connector) {
                connector.tasks.remove(&id);
                connector.recompute(model.now);
            }
        }
        None => {
            if model.cluster.connectors.remove(&change.connector).is_some() && !change.old {
                let label = Text::name(&change.connector);
                note(
                    model,
                    Severity::Info,
                    "connector",
                    &label,
                    "deleted",
                    Some(change.connector.clone()),
                );
            }
        }
    }
}

fn set_target(model: &mut Model, name: &ConnectorName, target: Option<TargetState>) {
    let now = model.now;
    if let Some(targets) = &mut model.cluster.targets {
        targets.insert(name.clone(), target.unwrap_or_default());
    }
    let Some(connector) = model.cluster.connectors.get_mut(name) else {
        return;
    };
    let before = connector.target;
    connector.target = Some(target.unwrap_or_default());
    connector.recompute(now);
    if before.is_some() && before != connector.target {
        let what = format!("asked to be {}", target.unwrap_or_default());
        note(
            model,
            Severity::Info,
            "config",
            &Text::name(name),
            &what,
            Some(name.clone()),
        );
    }
}

fn set_config(model: &mut Model, name: &ConnectorName, config: Option<ConfigMap>) {
    let now = model.now;
    let Some(config) = config else { return };
    let Some(connector) = model.cluster.connectors.get_mut(name) else {
        return;
    };
    if *connector.config == config {
        return;
    }
    let changed: Vec<&String> = config
        .keys()
        .filter(|key| connector.config.get(*key) != config.get(*key))
        .chain(
            connector
                .config
                .keys()
                .filter(|key| !config.contains_key(*key)),
        )
        .collect();
    let names: Vec<&str> = changed.iter().take(5).map(|key| key.as_str()).collect();
    let what = format!(
        "configuration changed: {} ({})",
        crate::units::plural(changed.len(), "key"),
        names.join(", ")
    );
    let known = !connector.config.is_empty();
    connector.config = Arc::new(config);
    connector.recompute(now);
    if known {
        note(
            model,
            Severity::Info,
            "config",
            &Text::name(name),
            &what,
            Some(name.clone()),
        );
    }
}
