//! How news change a cluster. Several sources may report the same; the newer report of a state wins.

use std::sync::Arc;

use sluice_protocol::rest::{ConnectorStateInfo, ExpandedConnector, ExpandedConnectors};
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorType, State, TargetState};

use super::{Cluster, Connector, Link, Task, Worker};
use crate::model::event::{By, ClusterEvent, Event, Object, Severity};
use crate::model::news::{StatusChange, Update};
use crate::model::trace::Trace;
use crate::text::Text;
use crate::units::Millis;

/// A state that REST reports replaces one of the status topic that is this much newer than the request, in
/// milliseconds: the clocks of workers differ.
const CLOCKS_DIFFER: Millis = 2_000;
/// Most keys that the event of a changed configuration names.
const KEYS_NAMED: usize = 5;

impl Cluster {
    /// Whether this reports the state of a connector that no list has named yet: its class and
    /// configuration come from REST.
    pub(crate) fn is_unlisted(&self, update: &Update) -> bool {
        let unlisted = |change: &StatusChange| {
            change.state.is_some() && !self.connectors.contains_key(&change.connector)
        };
        match update {
            Update::Status(change) => unlisted(change),
            Update::StatusBatch(changes) => changes.iter().any(unlisted),
            _ => false,
        }
    }

    /// Applies one piece of news at `now`; false when all rows stay as they are.
    pub(crate) fn apply(&mut self, now: Millis, update: Update) -> bool {
        match update {
            Update::Waiting(since) => {
                self.waiting = Some(since);
                return false;
            }
            Update::ListedSame { asked } => {
                self.listed = Some(asked);
                self.waiting = None;
                return false;
            }
            Update::Rest(link) => self.rest_link(now, link),
            Update::Brokers(link) => {
                self.brokers_seen |= link == Link::Up;
                self.brokers = link;
            }
            Update::Server {
                url,
                version,
                kafka_cluster_id,
            } => {
                if self.url.as_ref().is_some_and(|before| *before != url) {
                    let worker = Object::Worker(url.clone());
                    self.note(now, Severity::Warn, worker, ClusterEvent::RestMoved);
                }
                self.url = Some(url);
                self.version = Some(version);
                self.kafka_cluster_id = kafka_cluster_id;
            }
            Update::Listed { asked, list } => self.list(now, asked, *list),
            Update::Live(live) => self.live = live,
            Update::Status(change) => self.status(now, &change),
            Update::StatusBatch(changes) => {
                for change in &changes {
                    self.status(now, change);
                }
            }
            Update::Targets(targets) => {
                for connector in self.connectors.values_mut() {
                    let target = targets.get(&connector.name).copied();
                    connector.target = Some(target.unwrap_or_default());
                    connector.recompute(now);
                }
                self.targets = Some(targets);
            }
            Update::Target(connector, target) => {
                self.target(now, &connector, target.unwrap_or_default());
            }
            Update::Config(connector, Some(config)) => self.config(now, &connector, config),
            // The status topic and the list say that it is gone.
            Update::Config(_, None) => {}
            Update::WorkerHealth {
                worker,
                health,
                version,
                kind,
            } => {
                let entry = self.worker(&worker);
                entry.health = Some(health);
                entry.version = version.or(entry.version.take());
                entry.kind = kind.or(entry.kind);
            }
            Update::Worker(report) => self.worker_report(now, report),
            Update::Group(report) => self.group_report(now, &report),
            Update::Lag { at, partitions } => self.lag(now, at, partitions),
            Update::SourcesMoved(moved) => self.sources_moved(now, moved),
            Update::Task(report) => self.task_report(now, *report),
            Update::Rebalance(rebalance) => self.rebalance(rebalance),
            Update::Event(event) => self.events.push(event),
            Update::Notes(notes) => self.topic_notes = notes,
            Update::Guessed(what) => self.guessed = what,
        }
        self.mark_lost(now);
        true
    }

    /// Adds an event of this cluster.
    pub(crate) fn record(
        &mut self,
        at: Millis,
        severity: Severity,
        by: By,
        object: Object,
        what: ClusterEvent,
    ) {
        self.events.push(Event {
            number: 0,
            at,
            severity,
            by,
            object,
            what,
        });
    }

    /// Adds an event that was noticed here.
    pub(super) fn note(
        &mut self,
        now: Millis,
        severity: Severity,
        object: Object,
        what: ClusterEvent,
    ) {
        self.record(now, severity, By::Here, object, what);
    }

    /// The worker with this id, new if it was not known.
    pub(super) fn worker(&mut self, id: &Text) -> &mut Worker {
        let worker = || Worker::new(id.clone());
        self.workers.entry(id.clone()).or_insert_with(worker)
    }

    fn rest_link(&mut self, now: Millis, link: Link) {
        let was_down = matches!(self.rest, Link::Down { .. });
        match &link {
            Link::Up if was_down => {
                self.note(now, Severity::Info, Object::Rest, ClusterEvent::RestUp);
            }
            Link::Down { error, .. } => {
                self.waiting = None;
                if !was_down {
                    let event = ClusterEvent::RestDown(error.clone());
                    self.note(now, Severity::Error, Object::Rest, event);
                }
            }
            _ => {}
        }
        self.rest = link;
    }

    /// Takes over the list of all connectors, asked for at `asked`.
    fn list(&mut self, now: Millis, asked: Millis, list: ExpandedConnectors) {
        let first = self.listed.is_none();
        let known = self.connectors.keys();
        let gone = known.filter(|name| !list.contains_key(*name));
        let gone: Vec<ConnectorName> = gone.cloned().collect();
        for name in gone {
            self.connectors.remove(&name);
            self.partitions
                .retain(|(connector, _, _), _| *connector != name);
            if !first {
                let gone = Object::Connector(name);
                self.note(now, Severity::Info, gone, ClusterEvent::Deleted);
            }
        }
        let mut texts = Shared::default();
        for (name, entry) in list {
            if !first && !self.connectors.contains_key(&name) {
                let new = Object::Connector(name.clone());
                self.note(now, Severity::Info, new, ClusterEvent::New);
            }
            let states = self.list_entry(now, &name, entry, first);
            let changes = states.map(|states| changes(&name, states, asked, first, &mut texts));
            for change in changes.into_iter().flatten() {
                // The status topic is ahead of the REST answer of any worker; REST then only fills gaps.
                if !self.live || !self.is_newer_than(&change) {
                    self.status(now, &change);
                }
            }
        }
        self.listed = Some(asked);
        self.waiting = None;
    }

    /// Takes over one entry of the list but for the states, which are returned.
    fn list_entry(
        &mut self,
        now: Millis,
        name: &ConnectorName,
        entry: ExpandedConnector,
        first: bool,
    ) -> Option<ConnectorStateInfo> {
        let target = self.targets.as_ref();
        let target = target.map(|targets| targets.get(name).copied().unwrap_or_default());
        let connector = self.connectors.entry(name.clone()).or_insert_with(|| {
            let mut connector = Connector::new(name.clone());
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
        if let Some(states) = &entry.status {
            if connector.kind == ConnectorType::Unknown {
                connector.kind = states.connector_type;
            }
            let listed = |id: &u32| states.tasks.iter().any(|task| task.id == *id);
            connector.tasks.retain(|id, _| listed(id));
        }
        connector.recompute(now);
        entry.status
    }

    /// Whether the topic reported this state after the list was asked for.
    fn is_newer_than(&self, change: &StatusChange) -> bool {
        let Some(connector) = self.connectors.get(&change.connector) else {
            return false;
        };
        let changed = match change.task {
            None => connector.changed,
            Some(id) => connector.tasks.get(&id).and_then(|task| task.changed),
        };
        changed.is_some_and(|at| at >= change.at - CLOCKS_DIFFER)
    }

    /// Takes over one state. What REST does not list is not shown: it may belong to another cluster on the
    /// same brokers, or be gone.
    fn status(&mut self, now: Millis, change: &StatusChange) {
        let Some(state) = change.state else {
            return self.remove(now, change);
        };
        if !self.connectors.contains_key(&change.connector) {
            return;
        }
        if !change.worker.is_empty() {
            self.worker(&change.worker);
        }
        let counts_restarts = self.live || change.generation.is_some();
        let Some(connector) = self.connectors.get_mut(&change.connector) else {
            return;
        };
        let from = match change.task {
            None => Some(instance_state(connector, change, state, counts_restarts)),
            Some(id) => task_state(connector, id, change, state, counts_restarts),
        };
        let Some((from, is_first)) = from else {
            return;
        };
        let trace = match change.task {
            None => connector.trace.as_ref(),
            Some(id) => connector.tasks.get(&id).and_then(|t| t.trace.as_ref()),
        };
        let root = trace.map(|trace| trace.root.clone());
        connector.recompute(now);
        if from == state || is_first || change.old {
            return;
        }
        let severity = match state {
            State::Failed => Severity::Error,
            State::Unassigned | State::Restarting => Severity::Warn,
            _ => Severity::Info,
        };
        let (from, to) = (Some(from), state);
        let by = By::Worker(change.worker.clone());
        let object = Object::of(change.connector.clone(), change.task);
        let event = ClusterEvent::State { from, to, root };
        self.record(change.at.max(self.since), severity, by, object, event);
    }

    /// A tombstone in the status topic.
    fn remove(&mut self, now: Millis, change: &StatusChange) {
        let name = &change.connector;
        if let Some(id) = change.task {
            if let Some(connector) = self.connectors.get_mut(name) {
                connector.tasks.remove(&id);
                connector.recompute(now);
            }
        } else if self.connectors.remove(name).is_some() && !change.old {
            let gone = Object::Connector(name.clone());
            self.note(now, Severity::Info, gone, ClusterEvent::Deleted);
        }
    }

    fn target(&mut self, now: Millis, name: &ConnectorName, target: TargetState) {
        if let Some(targets) = &mut self.targets {
            targets.insert(name.clone(), target);
        }
        let Some(connector) = self.connectors.get_mut(name) else {
            return;
        };
        let before = connector.target.replace(target);
        connector.recompute(now);
        if before.is_some_and(|before| before != target) {
            let object = Object::Connector(name.clone());
            self.note(now, Severity::Info, object, ClusterEvent::Target(target));
        }
    }

    fn config(&mut self, now: Millis, name: &ConnectorName, config: ConfigMap) {
        let Some(connector) = self.connectors.get_mut(name) else {
            return;
        };
        let old = &connector.config;
        if **old == config {
            return;
        }
        let differs = config
            .keys()
            .filter(|key| old.get(*key) != config.get(*key));
        let gone = old.keys().filter(|key| !config.contains_key(*key));
        let changed: Vec<&String> = differs.chain(gone).collect();
        let event = ClusterEvent::Config {
            keys: changed.len(),
            first: changed
                .iter()
                .take(KEYS_NAMED)
                .map(|key| Text::line(key))
                .collect(),
        };
        let was_known = !old.is_empty();
        connector.config = Arc::new(config);
        connector.recompute(now);
        if was_known {
            let object = Object::Connector(name.clone());
            self.note(now, Severity::Info, object, event);
        }
    }
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

/// The states of a connector and its tasks in a list asked for at `at`, the connector last.
fn changes(
    name: &ConnectorName,
    states: ConnectorStateInfo,
    at: Millis,
    old: bool,
    texts: &mut Shared,
) -> Vec<StatusChange> {
    let own = states.connector;
    let own = (None, own.state, own.worker_id, own.version, own.trace);
    let tasks = states.tasks.into_iter();
    tasks
        .map(|t| (Some(t.id), t.state, t.worker_id, t.version, t.trace))
        .chain([own])
        .map(|(task, state, worker, version, trace)| StatusChange {
            connector: name.clone(),
            task,
            state: Some(state),
            worker: texts.share(&worker),
            trace,
            generation: None,
            version: version.map(|version| texts.share(&version)),
            at,
            old,
        })
        .collect()
}

/// Takes over the state of a connector instance; answers with the state before and whether none was known.
fn instance_state(
    connector: &mut Connector,
    change: &StatusChange,
    state: State,
    counts_restarts: bool,
) -> (State, bool) {
    let from = connector.state;
    let is_first = connector.worker.is_empty() && connector.changed.is_none();
    let by_topic = change.generation.is_some();
    connector.worker = change.worker.clone();
    if change.version.is_some() {
        connector.version = change.version.clone();
    }
    connector.trace = parsed(connector.trace.take(), change.trace.as_deref());
    connector.state = state;
    connector.heard += u64::from((by_topic && !change.old) || from != state);
    if from != state || (by_topic && connector.changed.is_none()) {
        connector.changed = change.when();
    }
    if counts_restarts {
        let seen = connector.restarts.get_or_insert(0);
        *seen += u32::from(!change.old && is_restart(from, state));
    }
    (from, is_first)
}

/// Takes over the state of a task; as [`instance_state`], and `None` for a state that a newer one has
/// replaced.
fn task_state(
    connector: &mut Connector,
    id: u32,
    change: &StatusChange,
    state: State,
    counts_restarts: bool,
) -> Option<(State, bool)> {
    let is_first = !connector.tasks.contains_key(&id);
    let task = connector.tasks.entry(id);
    let task = task.or_insert_with(|| Task::new(id, state));
    let from = task.state;
    let by_topic = change.generation.is_some();
    // A late UNASSIGNED of the worker that lost the task must not hide the RUNNING of the one that has it.
    let is_late = by_topic && task.generation >= change.generation;
    if is_late && state == State::Unassigned && from == State::Running {
        return None;
    }
    task.worker = change.worker.clone();
    task.trace = parsed(task.trace.take(), change.trace.as_deref());
    task.state = state;
    task.heard += u64::from((by_topic && !change.old) || is_first || from != state);
    task.generation = change.generation.or(task.generation);
    if from != state || (by_topic && task.changed.is_none()) {
        task.changed = change.when();
    }
    if counts_restarts {
        let seen = task.restarts.get_or_insert(0);
        // A record that says FAILED once more is that of a start that failed at once.
        let failed_again = by_topic && from == State::Failed && state == State::Failed;
        let restarted = failed_again || is_restart(from, state);
        *seen += u32::from(!change.old && !is_first && restarted);
        let most = connector.restarts.unwrap_or(0).max(*seen);
        connector.restarts = Some(most);
    }
    if from != state && !is_first {
        connector.changed = change.when().or(connector.changed);
    }
    Some((from, is_first))
}

impl StatusChange {
    /// When the state changed; `None` for the first list of REST, which does not say.
    fn when(&self) -> Option<Millis> {
        (!self.old || self.generation.is_some()).then_some(self.at)
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

/// The parsed trace, `None` for an empty one; the old one is kept when the text is the same.
fn parsed(old: Option<Arc<Trace>>, raw: Option<&str>) -> Option<Arc<Trace>> {
    let raw = raw.filter(|raw| !raw.is_empty())?;
    match old {
        Some(old) if old.is_of(raw) => Some(old),
        _ => Some(Arc::new(Trace::parse(raw))),
    }
}
