//! The leader's part of a join: compare what members have read, have the assignor decide, write
//! what each is told.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::JoinGroupResponse;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::protocol::StrBytes;
use sluice_protocol::group::{Assignment, MemberMetadata, Subprotocol};
use sluice_protocol::{MemberId, Offset};

use super::super::assignor::incremental::Round;
use super::super::assignor::{Assignments, Configured, MemberAssignment, eager};
use super::{Lead, Routing, WorkerCoordinator};
use crate::cluster::ClusterConfigState;

impl WorkerCoordinator {
    /// The leader's part: decodes what members told, compares config offsets, and has the assignor decide.
    pub(super) fn lead(
        &mut self,
        protocol: Subprotocol,
        reported: &Arc<ClusterConfigState>,
        answer: &JoinGroupResponse,
    ) -> (Vec<SyncGroupRequestAssignment>, Lead) {
        let mut metadata: BTreeMap<MemberId, MemberMetadata> = BTreeMap::new();
        for member in &answer.members {
            let id = MemberId::from(member.member_id.as_str());
            let decoded = MemberMetadata::decode(&member.metadata).unwrap_or_else(|error| {
                tracing::warn!(member = %id, %error, "member metadata is not readable, it counts as \
                     a member without work");
                MemberMetadata {
                    version: protocol.version(),
                    url: String::new(),
                    config_offset: Offset::NONE,
                    allocation: None,
                }
            });
            metadata.insert(id, decoded);
        }
        let members_before: HashSet<MemberId> = self.assignor.previous_members().clone();
        let known = |id: &MemberId| members_before.contains(id);
        let joined = metadata.keys().filter(|id| !known(id)).cloned().collect();
        let left = members_before
            .iter()
            .filter(|id| !metadata.contains_key(*id))
            .cloned()
            .collect();

        let max = metadata
            .values()
            .map(|member| member.config_offset)
            .max()
            .unwrap_or(Offset::NONE);
        let (snapshot, offset) = if reported.offset() < max {
            let fresh = self.configs.snapshot();
            let offset = fresh.offset();
            (fresh, offset)
        } else {
            (Arc::clone(reported), max)
        };
        let mismatch = snapshot.offset() < max;
        let (assignments, offset) = if mismatch {
            tracing::info!(%max, ours = %snapshot.offset(), "a member has read more configs than \
                 this leader, assigning nothing");
            let members = metadata
                .keys()
                .map(|id| (id.clone(), MemberAssignment::default()))
                .collect();
            (
                Assignments {
                    members,
                    delay_ms: 0,
                },
                max,
            )
        } else {
            (self.compute(protocol, &snapshot, &metadata), offset)
        };
        let error = if mismatch {
            Assignment::CONFIG_MISMATCH
        } else {
            Assignment::NO_ERROR
        };
        let encoded = assignments
            .members
            .iter()
            .map(|(id, told)| {
                let assignment = Assignment {
                    version: protocol.version(),
                    error,
                    leader: self.member_id.as_str().into(),
                    leader_url: self.config.rest_url.clone(),
                    config_offset: offset,
                    assigned: told.assigned.clone(),
                    revoked: told.revoked.clone(),
                    delay_ms: i32::try_from(assignments.delay_ms).unwrap_or(i32::MAX),
                };
                let bytes = assignment.encode().unwrap_or_else(|error| {
                    tracing::error!(member = %id, %error, "assignment can't be written");
                    Bytes::new()
                });
                SyncGroupRequestAssignment::default()
                    .with_member_id(StrBytes::from_string(id.to_string()))
                    .with_assignment(bytes)
            })
            .collect();
        let mut routing = Routing {
            urls: metadata
                .into_iter()
                .map(|(id, member)| (id, member.url))
                .collect(),
            connectors: HashMap::new(),
            tasks: HashMap::new(),
        };
        for (id, told) in assignments.members {
            for connector in told.total.connectors {
                routing.connectors.insert(connector, id.clone());
            }
            for task in told.total.tasks {
                routing.tasks.insert(task, id.clone());
            }
        }
        let lead = Lead {
            routing,
            joined,
            left,
        };
        (encoded, lead)
    }

    fn compute(
        &mut self,
        protocol: Subprotocol,
        snapshot: &ClusterConfigState,
        metadata: &BTreeMap<MemberId, MemberMetadata>,
    ) -> Assignments {
        let inconsistent = snapshot.inconsistent_connectors();
        let configured = Configured::new(snapshot.connectors().map(|name| {
            let tasks = if inconsistent.contains(name) {
                0
            } else {
                snapshot.task_count(name)
            };
            (name.clone(), tasks)
        }));
        if !protocol.is_cooperative() {
            return eager::assign(metadata.keys().cloned(), &configured);
        }
        let members = metadata
            .iter()
            .map(|(id, member)| {
                let held = member.allocation.as_ref().map(|held| held.assigned.clone());
                (id.clone(), held.unwrap_or_default())
            })
            .collect();
        self.assignor.assign(Round {
            generation: self.session_generation,
            last_completed_generation: self.generation,
            members,
            configured: &configured,
            max_delay_ms: i64::try_from(self.config.max_delay.as_millis()).unwrap_or(i64::MAX),
            // The schedule counts from 1 on, 0 means none.
            now_ms: 1 + i64::try_from(self.clock.elapsed().as_millis()).unwrap_or(i64::MAX - 1),
        })
    }
}
