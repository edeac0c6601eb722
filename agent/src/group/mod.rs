//! The worker's place in its group: Kafka's classic group protocol with protocol type `connect`.
//!
//! [`WorkerCoordinator`] is what the herder drives. It finds the group coordinator, joins, computes
//! the assignment when this worker leads (see [`assignor`]), keeps the heartbeat going in a task of
//! its own, and tells the herder what to do as [`GroupEvent`]s. The herder stops and starts work;
//! nothing here touches connectors or tasks.
//!
//! Contract of [`WorkerCoordinator::poll`]:
//! * It is cancel-safe: dropped in a `select!`, the next call goes on where it was, a join in
//!   flight included.
//! * A join happens only inside `poll`. So work told to be revoked is stopped before the next join,
//!   as long as the herder stops it before it polls again.
//! * If `poll` is not called for `rebalance.timeout.ms`, the member leaves the group by itself and
//!   keeps its work until it joins again (with the next `poll`).
//! * The delayed rebalance is joined by `poll` itself when its time has come.
//!
//! ```text
//! let mut group = WorkerCoordinator::new(config, configs);
//! loop {
//!     tokio::select! {
//!         event = group.poll() => match event {
//!             GroupEvent::Revoke { work } => { /* eager only: stop all of `work`, then poll again */ }
//!             GroupEvent::Assigned(rebalance) => {
//!                 // 1. stop rebalance.revoked
//!                 // 2. if rebalance.config_mismatch, or our config offset is behind
//!                 //    rebalance.config_offset: read the config topic to its end (if that fails:
//!                 //    group.leave(..), back off)
//!                 // 3. if rebalance.config_mismatch or our offset != rebalance.config_offset:
//!                 //    group.request_rejoin(..)
//!                 // 4. else start rebalance.held minus what runs; if something was revoked,
//!                 //    group.request_rejoin(..)
//!             }
//!             GroupEvent::CoordinatorLost { work } => { /* stop all of `work`; poll goes on looking */ }
//!             GroupEvent::Failed { reason } => { /* end the worker */ }
//!         },
//!         // other inputs: REST requests (not while group.is_joining()), config updates, shutdown
//!         // (then group.leave)
//!     }
//! }
//! ```

pub(crate) mod assignor;
mod config;
mod coordinator;
mod heartbeat;
#[cfg(test)]
mod live_tests;

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_protocol::group::{Subprotocol, Work};
use sluice_protocol::{Generation, MemberId, Millis, Offset};

pub(crate) use config::GroupConfig;
pub(crate) use coordinator::WorkerCoordinator;

/// What the herder has to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GroupEvent {
    /// Eager protocol only, before a join: stop all this work; the join goes on with the next poll.
    Revoke {
        /// All that this worker held until now.
        work: Work,
    },
    /// A join came through.
    Assigned(Box<Rebalance>),
    /// No coordinator can be found: stop all this work. The assignment is forgotten.
    CoordinatorLost {
        /// Everything held until now.
        work: Work,
    },
    /// Membership is impossible and trying again can't help (not authorised, refused settings): end
    /// the worker.
    Failed {
        /// The refusal of the coordinator, one line.
        reason: String,
    },
}

/// The outcome of a join.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rebalance {
    pub generation: Generation,
    /// The subprotocol all members agreed on.
    pub protocol: Subprotocol,
    pub member_id: MemberId,
    /// Member id of the leader.
    pub leader_id: MemberId,
    /// REST URL of the leader, with trailing slash; empty when the leader gave none.
    pub leader_url: String,
    /// Whether this worker leads.
    pub is_leader: bool,
    /// Error 1: configs of the members do not match. Nothing was assigned; read the config topic
    /// and join again.
    pub config_mismatch: bool,
    /// Config offset to start from.
    pub config_offset: Offset,
    /// What has to be stopped. With the eager protocol: what was held and is not in the new
    /// assignment any more, which happens only when the group changed to that protocol.
    pub revoked: Work,
    /// Work that this worker did not hold before.
    pub assigned: Work,
    /// All this worker holds now, `assigned` included.
    pub held: Work,
    /// Time until the scheduled rebalance.
    pub delay: Option<Duration>,
    /// Members and their REST URLs; only the leader knows.
    pub members: Option<BTreeMap<MemberId, String>>,
    /// Members the leader had not seen in its last computation; only the leader knows.
    pub joined: Vec<MemberId>,
    /// Members of the leader's last computation that are gone; only the leader knows.
    pub left: Vec<MemberId>,
    /// Why this worker joined, one line.
    pub cause: String,
    /// When it began to join.
    pub started_at: Millis,
    /// When the assignment was there.
    pub ended_at: Millis,
}

/// The last assignment, as the herder and REST need it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CurrentAssignment {
    /// Member id of the leader.
    pub leader_id: MemberId,
    /// REST URL of the leader, with trailing slash.
    pub leader_url: String,
    /// Config offset it was made for.
    pub config_offset: Offset,
    /// All this worker holds.
    pub held: Work,
}

/// At most 255 bytes of a reason, the most some brokers keep.
fn shorten(reason: &str) -> String {
    let mut end = reason.len().min(255);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default().to_owned()
}
