//! Things that happened, newest last, in a ring of fixed size.

use std::collections::VecDeque;

use sluice_protocol::ConnectorName;

use crate::text::Text;
use crate::units::Millis;

/// How bad an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Worth knowing.
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

/// One event, not numbered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewEvent {
    /// When it happened, or when we noticed.
    pub(crate) at: Millis,
    /// How bad.
    pub(crate) severity: Severity,
    /// `task`, `connector`, `rebalance`, `config`, `restart`, `worker`, `action`.
    pub(crate) kind: &'static str,
    /// What it happened to.
    pub(crate) object: Text,
    /// What happened.
    pub(crate) what: Text,
    /// Who caused it, or who reported it.
    pub(crate) by: Text,
    /// The connector it belongs to.
    pub(crate) connector: Option<ConnectorName>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Number, counted from the start of this run.
    pub(crate) number: u64,
    /// The event.
    pub(crate) event: NewEvent,
}

/// Events kept.
const CAP: usize = 2_000;

/// The ring.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    ring: VecDeque<Event>,
    next: u64,
}

impl Events {
    /// Adds an event.
    pub(crate) fn push(&mut self, event: NewEvent) {
        if self.ring.len() == CAP {
            self.ring.pop_front();
        }
        self.ring.push_back(Event {
            number: self.next,
            event,
        });
        self.next += 1;
    }

    /// Oldest first.
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
            events.push(NewEvent {
                at: i,
                severity: Severity::Info,
                kind: "task",
                object: Text::default(),
                what: Text::default(),
                by: Text::default(),
                connector: None,
            });
        }
        assert_eq!(events.iter().count(), CAP);
        assert_eq!(events.get(9), None);
        assert_eq!(events.get(10).map(|event| event.event.at), Some(10));
    }
}
