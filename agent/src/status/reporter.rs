//! Turns the state changes of connectors and tasks into status records, log lines and events.
//!
//! It also remembers the state of everything that runs here, for telemetry and `/metrics`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;
use sluice_protocol::status_topic::StatusValue;
use sluice_protocol::telemetry::{Event, Severity};
use sluice_protocol::{ConnectorName, ConnectorTaskId, Generation, Millis, State, WorkerId};

use super::{ConnectorStatusListener, EventLog, TaskStatusListener};
use crate::clock::now;
use crate::storage::StatusBackingStore;

/// Users set the level of state changes with the herder's, as in the JVM worker.
const TARGET: &str = "sluice_agent::herder";

/// Traces in events are cut to this many bytes; the status record keeps all of it.
const MAX_EVENT_TRACE: usize = 8 * 1024;

/// What is known here of a connector or task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalState {
    pub state: State,
    pub since: Millis,
    /// Version of its plugin.
    pub version: Option<String>,
    pub trace: Option<String>,
}

/// The one listener of everything that runs on a worker.
pub(crate) struct StatusReporter {
    statuses: Arc<dyn StatusBackingStore>,
    worker_id: WorkerId,
    generation: AtomicI32,
    events: EventLog,
    connectors: Mutex<HashMap<ConnectorName, LocalState>>,
    tasks: Mutex<HashMap<ConnectorTaskId, LocalState>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    Plain,
    Safe,
}

impl StatusReporter {
    /// A reporter of generation 0.
    pub(crate) fn new(
        statuses: Arc<dyn StatusBackingStore>,
        worker_id: WorkerId,
        events: EventLog,
    ) -> Self {
        Self {
            statuses,
            worker_id,
            generation: AtomicI32::new(0),
            events,
            connectors: Mutex::default(),
            tasks: Mutex::default(),
        }
    }

    /// The generation that records carry from now on.
    pub(crate) fn set_generation(&self, generation: Generation) {
        self.generation.store(generation.get(), Ordering::Relaxed);
    }

    /// Names the version of a connector that is about to start here.
    pub(crate) fn connector_starts(&self, connector: &ConnectorName, version: Option<&str>) {
        self.connectors.lock().insert(
            connector.clone(),
            LocalState::new(State::Unassigned, version),
        );
    }

    /// Names the version of a task that is about to start here.
    pub(crate) fn task_starts(&self, id: &ConnectorTaskId, version: Option<&str>) {
        self.tasks
            .lock()
            .insert(id.clone(), LocalState::new(State::Unassigned, version));
    }

    /// RESTARTING, by a restart plan.
    pub(crate) fn connector_restarts(&self, connector: &ConnectorName) {
        self.connector(connector, State::Restarting, None, Put::Plain);
    }

    /// RESTARTING, by a restart plan.
    pub(crate) fn task_restarts(&self, id: &ConnectorTaskId) {
        self.task(id, State::Restarting, None, Put::Plain);
    }

    /// Tombstones the state of a connector and of the tasks it has a state of.
    pub(crate) fn connector_deleted(&self, connector: &ConnectorName) {
        for (task, _) in self.statuses.tasks(connector) {
            self.task_deleted(&ConnectorTaskId::new(connector.clone(), task));
        }
        self.statuses
            .put_connector(connector, self.value(State::Destroyed, None, None));
        self.connectors.lock().remove(connector);
    }

    /// Tombstones the state of a task.
    pub(crate) fn task_deleted(&self, id: &ConnectorTaskId) {
        self.statuses
            .put_task(id, self.value(State::Destroyed, None, None));
        self.tasks.lock().remove(id);
    }

    /// States of the connectors that run here.
    pub(crate) fn local_connectors(&self) -> HashMap<ConnectorName, LocalState> {
        self.connectors.lock().clone()
    }

    /// States of the tasks that run here.
    pub(crate) fn local_tasks(&self) -> HashMap<ConnectorTaskId, LocalState> {
        self.tasks.lock().clone()
    }

    fn value(&self, state: State, trace: Option<String>, version: Option<String>) -> StatusValue {
        StatusValue {
            state,
            trace,
            worker_id: self.worker_id.clone(),
            generation: Generation(self.generation.load(Ordering::Relaxed)),
            version,
        }
    }

    fn connector(&self, connector: &ConnectorName, to: State, trace: Option<String>, put: Put) {
        let (from, version) = {
            let mut connectors = self.connectors.lock();
            let from = change(&mut connectors, connector, to, trace.as_ref());
            let version = connectors
                .get(connector)
                .and_then(|state| state.version.clone());
            if to == State::Unassigned {
                connectors.remove(connector);
            }
            (from, version)
        };
        let value = self.value(to, trace.clone(), version);
        match put {
            Put::Plain => self.statuses.put_connector(connector, value),
            Put::Safe => self.statuses.put_connector_safe(connector, value),
        }
        tracing::info!(target: TARGET, %connector, state = %to, "connector state");
        let severity = if to == State::Failed {
            Severity::Error
        } else {
            Severity::Info
        };
        let event = Event::ConnectorState {
            connector: connector.clone(),
            from,
            to,
            trace: trace.map(shortened),
        };
        self.events.record(severity, event);
    }

    fn task(&self, id: &ConnectorTaskId, to: State, trace: Option<String>, put: Put) {
        let (from, version) = {
            let mut tasks = self.tasks.lock();
            let from = change(&mut tasks, id, to, trace.as_ref());
            let version = tasks.get(id).and_then(|state| state.version.clone());
            if to == State::Unassigned {
                tasks.remove(id);
            }
            (from, version)
        };
        let value = self.value(to, trace.clone(), version);
        match put {
            Put::Plain => self.statuses.put_task(id, value),
            Put::Safe => self.statuses.put_task_safe(id, value),
        }
        tracing::info!(target: TARGET, connector = %id.connector, task = id.task, state = %to, "task state");
        let severity = if to == State::Failed {
            Severity::Error
        } else {
            Severity::Info
        };
        let event = Event::TaskState {
            task: id.clone(),
            from,
            to,
            trace: trace.map(shortened),
        };
        self.events.record(severity, event);
    }
}

impl LocalState {
    fn new(state: State, version: Option<&str>) -> Self {
        Self {
            state,
            since: now(),
            version: version.map(str::to_owned),
            trace: None,
        }
    }
}

/// Notes a state and returns the one before.
fn change<K: Clone + Eq + std::hash::Hash>(
    states: &mut HashMap<K, LocalState>,
    key: &K,
    to: State,
    trace: Option<&String>,
) -> Option<State> {
    match states.get_mut(key) {
        Some(known) => {
            let from = known.state;
            *known = LocalState {
                state: to,
                since: now(),
                version: known.version.take(),
                trace: trace.cloned(),
            };
            Some(from)
        }
        None => {
            let mut state = LocalState::new(to, None);
            state.trace = trace.cloned();
            states.insert(key.clone(), state);
            None
        }
    }
}

fn shortened(mut trace: String) -> String {
    if trace.len() > MAX_EVENT_TRACE {
        let mut end = MAX_EVENT_TRACE;
        while !trace.is_char_boundary(end) {
            end -= 1;
        }
        trace.truncate(end);
    }
    trace
}

// Failures are logged here, once: values from config providers are hidden in the traces that arrive.
impl ConnectorStatusListener for StatusReporter {
    fn on_startup(&self, connector: &ConnectorName) {
        self.connector(connector, State::Running, None, Put::Plain);
    }

    fn on_pause(&self, connector: &ConnectorName) {
        self.connector(connector, State::Paused, None, Put::Plain);
    }

    fn on_resume(&self, connector: &ConnectorName) {
        self.connector(connector, State::Running, None, Put::Plain);
    }

    fn on_stop(&self, connector: &ConnectorName) {
        self.connector(connector, State::Stopped, None, Put::Plain);
    }

    fn on_shutdown(&self, connector: &ConnectorName) {
        self.connector(connector, State::Unassigned, None, Put::Safe);
    }

    fn on_failure(&self, connector: &ConnectorName, trace: String) {
        tracing::error!(target: TARGET, %connector, "Connector failed: {}", trace.trim_end());
        self.connector(connector, State::Failed, Some(trace), Put::Safe);
    }
}

impl TaskStatusListener for StatusReporter {
    fn on_startup(&self, id: &ConnectorTaskId, version: Option<&str>) {
        if let (Some(version), Some(task)) = (version, self.tasks.lock().get_mut(id)) {
            task.version = Some(version.to_owned());
        }
        self.task(id, State::Running, None, Put::Plain);
    }

    fn on_pause(&self, id: &ConnectorTaskId) {
        self.task(id, State::Paused, None, Put::Plain);
    }

    fn on_resume(&self, id: &ConnectorTaskId) {
        self.task(id, State::Running, None, Put::Plain);
    }

    fn on_shutdown(&self, id: &ConnectorTaskId) {
        self.task(id, State::Unassigned, None, Put::Safe);
    }

    fn on_failure(&self, id: &ConnectorTaskId, trace: String) {
        tracing::error!(
            target: TARGET, connector = %id.connector,
            task = id.task,
            "Task threw an uncaught and unrecoverable exception. Task is being killed and will not recover \
             until manually restarted: {}",
            trace.trim_end()
        );
        self.task(id, State::Failed, Some(trace), Put::Safe);
    }
}
