//! Things that happened in a cluster, newest last, in a ring of fixed size. What they are called on the
//! screen is said in `screen/events.rs`.

use std::collections::VecDeque;

use sluice_protocol::telemetry::ConfigAction;
use sluice_protocol::{ConnectorName, State, TargetState};

use crate::text::Text;
use crate::units::Millis;

/// How bad an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Info,
    /// Should be looked at.
    Warn,
    /// Something does not work.
    Error,
}

impl Severity {
    /// The word for the SEV column.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What an event happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Connector(ConnectorName),
    Task(ConnectorName, u32),
    /// A worker by its id or the URL of its REST API.
    Worker(Text),
    /// A logger of a worker.
    Logger(Text),
    /// The group of the workers.
    Group,
    /// The REST API, whichever worker answers.
    Rest,
}

impl Object {
    /// A connector, or one of its tasks.
    pub(crate) fn of(connector: ConnectorName, task: Option<u32>) -> Self {
        match task {
            Some(task) => Self::Task(connector, task),
            None => Self::Connector(connector),
        }
    }

    /// The connector that it is or belongs to.
    pub(crate) const fn connector(&self) -> Option<&ConnectorName> {
        match self {
            Self::Connector(name) | Self::Task(name, _) => Some(name),
            Self::Worker(_) | Self::Logger(_) | Self::Group | Self::Rest => None,
        }
    }
}

/// What happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClusterEvent {
    /// A connector instance or a task has another state.
    State {
        /// `None` where only the new state was reported.
        from: Option<State>,
        to: State,
        /// Root cause of a failure.
        root: Option<Text>,
    },
    /// A connector is listed that was not.
    New,
    /// A connector is gone.
    Deleted,
    /// The config topic has another target state.
    Target(TargetState),
    /// The config topic has another configuration.
    Config {
        /// How many keys have another value, came or went.
        keys: usize,
        /// Names of the first of them.
        first: Vec<Text>,
    },
    /// A restart was requested (reported by an agent).
    Restart {
        task: Option<u32>,
        include_tasks: bool,
        only_failed: bool,
    },
    /// A configuration or target state was written (reported by an agent).
    ConfigWrite {
        action: ConfigAction,
        /// Names of the keys with a new value, separated by commas.
        keys: Text,
    },
    /// Offsets of this many partitions were altered or reset (reported by an agent).
    Offsets { reset: bool, partitions: u64 },
    /// A log level was set (reported by an agent).
    LoggerLevel { level: Text, scope: Text },
    /// An agent of this version started.
    WorkerStarted(Text),
    /// An agent stops, for this reason if it gives one, as its event says.
    WorkerStops(Option<Text>),
    /// An agent stops, as its last report says.
    WorkerLeaves,
    /// An agent lost its coordinator or can't read the config topic, or that is over.
    Trouble { what: Text, recovered: bool },
    /// The group rebalanced. The generation is known where agents report it.
    Rebalance {
        generation: Option<i32>,
        cause: Text,
    },
    /// REST answers after it did not.
    RestUp,
    /// REST answers no more, for this reason.
    RestDown(Text),
    /// Another worker answers for the one that answered before.
    RestMoved,
    /// An action of this terminal ended with this verdict.
    Action(Text),
}

/// Who caused an event, or who reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Noticed here, by a difference to what was known.
    Here,
    /// The user of this terminal.
    Terminal,
    /// Agents, by their telemetry.
    Telemetry,
    /// A worker; empty where it has no name.
    Worker(Text),
    /// A client of a worker's REST API: user or address, and its `User-Agent`.
    Caller(Text, Option<Text>),
}

/// Something that happened in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Number within its cluster, counted from 0; [`Events::push`] gives it.
    pub(crate) number: u64,
    /// When it happened, or when it was noticed.
    pub(crate) at: Millis,
    pub(crate) severity: Severity,
    pub(crate) by: By,
    pub(crate) object: Object,
    pub(crate) what: ClusterEvent,
}

/// How many events are kept.
const CAP: usize = 2_000;

/// The ring of events; the oldest are forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    ring: VecDeque<Event>,
    next: u64,
}

impl Events {
    /// Adds an event and numbers it.
    pub(crate) fn push(&mut self, event: Event) {
        if self.ring.len() == CAP {
            self.ring.pop_front();
        }
        self.ring.push_back(Event {
            number: self.next,
            ..event
        });
        self.next += 1;
    }

    /// All that are kept, the oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.ring.iter()
    }

    /// The event with this number, if it is still kept.
    pub(crate) fn get(&self, number: u64) -> Option<&Event> {
        let first = self.ring.front()?.number;
        self.ring
            .get(usize::try_from(number.checked_sub(first)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_forgets_the_oldest_and_keeps_numbers() {
        let mut events = Events::default();
        for i in 0..(CAP as i64 + 10) {
            events.push(Event {
                number: 0,
                at: i,
                severity: Severity::Info,
                by: By::Here,
                object: Object::Rest,
                what: ClusterEvent::RestUp,
            });
        }
        assert_eq!(events.iter().count(), CAP);
        assert_eq!(events.get(9), None);
        assert_eq!(events.get(10).map(|event| event.at), Some(10));
    }
}
