//! Who runs what: the leader's computation, as pure functions over plain values.
//!
//! [`eager`] is the assignor of subprotocol `default` (everything is dealt out anew each time),
//! [`incremental`] that of `compatible` and `sessioned` (KIP-415: members keep what they have, and
//! lost work waits for its holder to come back). Neither reads a clock: `now` is an argument.
//!
//! The scenario files in `scenarios/` play rounds of members joining, leaving and following the
//! assignor's word.

pub(crate) mod eager;
pub(crate) mod incremental;

#[cfg(test)]
mod scenario_tests;

use std::collections::BTreeMap;

use sluice_protocol::group::Work;
use sluice_protocol::{ConnectorName, ConnectorTaskId, MemberId};

/// Everything that should run: connectors and how many tasks each has.
///
/// Inconsistent connectors come with 0 tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Configured {
    connectors: Vec<(ConnectorName, u32)>,
}

impl Configured {
    /// Connectors with the number of their tasks, in any order.
    pub(crate) fn new(connectors: impl IntoIterator<Item = (ConnectorName, u32)>) -> Self {
        let mut connectors: Vec<_> = connectors.into_iter().collect();
        connectors.sort_by(|a, b| a.0.java_cmp(&b.0));
        connectors.dedup_by(|a, b| a.0 == b.0);
        Self { connectors }
    }

    /// All connector names in the JVM's order.
    pub(crate) fn connectors(&self) -> impl Iterator<Item = &ConnectorName> {
        self.connectors.iter().map(|(name, _)| name)
    }

    /// All tasks in the JVM's order: by connector, then by number.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = ConnectorTaskId> {
        self.connectors.iter().flat_map(|(name, count)| {
            (0..*count).map(|task| ConnectorTaskId::new(name.clone(), task))
        })
    }
}

/// What one member is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemberAssignment {
    /// Eager: all its work; incremental: what it gets in addition.
    pub assigned: Work,
    /// What it has to stop; always empty with the eager protocol.
    pub revoked: Work,
    /// What the member holds once it did as told: for routing of requests, not sent.
    pub total: Work,
}

/// The outcome of one computation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assignments {
    /// One entry per member.
    pub members: BTreeMap<MemberId, MemberAssignment>,
    /// Time until the scheduled rebalance in ms; 0 when none.
    pub delay_ms: i64,
}
