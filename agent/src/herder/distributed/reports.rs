//! What telemetry and `/metrics` show of the group.

use std::time::Duration;

use sluice_protocol::telemetry::{Event, RebalanceEvent, Severity};

use super::Shared;
use super::actor::Actor;
use crate::clock::now;
use crate::group::Rebalance;

impl Shared {
    pub(super) fn report_rebalance(&self, rebalance: &Rebalance) {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let event = RebalanceEvent {
            generation: rebalance.generation,
            cause: rebalance.cause.clone(),
            started_at: rebalance.started_at,
            ended_at: now(),
            is_leader: rebalance.is_leader,
            leader_id: Some(rebalance.leader_id.clone()),
            protocol: rebalance.protocol.name().to_owned(),
            members: rebalance
                .members
                .clone()
                .map(|members| members.into_iter().collect()),
            joined: rebalance.joined.clone(),
            left: rebalance.left.clone(),
            assigned: rebalance.assigned.clone(),
            revoked: rebalance.revoked.clone(),
            delay_ms: rebalance.delay.map_or(0, millis),
            config_mismatch: rebalance.config_mismatch,
        };
        self.view
            .rebalanced(rebalance.ended_at.since(rebalance.started_at));
        self.events
            .record(Severity::Info, Event::Rebalance(Box::new(event)));
    }
}

impl Actor {
    /// Shows the membership as it is now.
    pub(super) fn publish_view(&self) {
        let mut view = self.shared.view.group.lock();
        view.member_id = self.group.member_id();
        view.generation = self.group.generation();
        view.is_leader = self.group.is_leader();
        view.protocol = self
            .group
            .protocol()
            .map(|protocol| protocol.name().to_owned())
            .unwrap_or_default();
        view.rebalancing = self.group.is_joining() || self.group.rejoin_needed();
        view.delay_ms = self.group.delay_remaining().map_or(0, |delay| {
            u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
        });
        view.config_offset = self.config.snapshot.offset();
        if let Some(assignment) = self.group.assignment() {
            view.leader_id = Some(assignment.leader_id.clone());
            view.leader_url = Some(assignment.leader_url.clone());
        }
    }
}
