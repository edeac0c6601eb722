//! Membership of groups: join, sync, heartbeat, leave.

use std::net::SocketAddr;

use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::text;
use crate::error_code::{COORDINATOR_NOT_AVAILABLE, INVALID_GROUP_ID, NONE, UNKNOWN_MEMBER_ID};
use crate::groups::Groups;
use crate::groups::group::{JoinAnswer, JoinRequest, Speaker, SyncAnswer};
use crate::store::keys::{self, tag};
use crate::wire::Header;
use crate::writer::Writer;

fn owned(text: Option<StrBytes>) -> Option<String> {
    text.map(|text| text.to_string())
}

pub(super) async fn join(
    groups: &Groups,
    writer: &Writer,
    request: JoinGroupRequest,
    header: &Header,
    peer: SocketAddr,
) -> JoinGroupResponse {
    let name = request.group_id.to_string();
    let answer = if name.is_empty() {
        JoinAnswer::error(INVALID_GROUP_ID, &request.member_id)
    } else {
        let answer = groups.join(&name, wanted(request, header, peer)).await;
        answer.unwrap_or_else(|_| JoinAnswer::error(COORDINATOR_NOT_AVAILABLE, ""))
    };
    if answer.error == NONE && answer.member_id == answer.leader {
        remember(groups, writer, &name).await;
    }
    joined(answer, header.version)
}

fn wanted(request: JoinGroupRequest, header: &Header, peer: SocketAddr) -> JoinRequest {
    let prefix = match &request.group_instance_id {
        Some(instance) => instance,
        None => &header.client_id,
    };
    let session_timeout = i64::from(request.session_timeout_ms);
    JoinRequest {
        fresh_id: format!("{prefix}-{}", Uuid::new_v4()),
        member_id: request.member_id.to_string(),
        instance_id: owned(request.group_instance_id),
        client_id: header.client_id.to_string(),
        client_host: format!("/{}", peer.ip()),
        session_timeout,
        // Version 0 has one timeout for both.
        rebalance_timeout: if header.version == 0 {
            session_timeout
        } else {
            i64::from(request.rebalance_timeout_ms).max(0)
        },
        protocol_type: request.protocol_type.to_string(),
        protocols: request
            .protocols
            .into_iter()
            .map(|protocol| (protocol.name.to_string(), protocol.metadata))
            .collect(),
        id_required: header.version >= 4,
        can_skip_assignment: header.version >= 9,
    }
}

fn joined(answer: JoinAnswer, version: i16) -> JoinGroupResponse {
    let mut response = JoinGroupResponse::default();
    response.error_code = answer.error;
    response.generation_id = answer.generation;
    response.protocol_type = answer.protocol_type.map(StrBytes::from_string);
    response.protocol_name = match answer.protocol {
        Some(protocol) => Some(text(protocol)),
        // Null is known since version 7.
        None => (version < 7).then(StrBytes::new),
    };
    response.leader = text(answer.leader);
    response.skip_assignment = answer.skip_assignment;
    response.member_id = text(answer.member_id);
    response.members = answer
        .members
        .into_iter()
        .map(|(id, instance, metadata)| {
            JoinGroupResponseMember::default()
                .with_member_id(text(id))
                .with_group_instance_id(instance.map(StrBytes::from_string))
                .with_metadata(metadata)
        })
        .collect();
    response
}

/// Stores the generation, so that it continues after a restart. A group works without that.
async fn remember(groups: &Groups, writer: &Writer, name: &str) {
    let Some(record) = groups.record(name) else {
        return;
    };
    let key = keys::named(tag::GROUP, name);
    let ordered = writer
        .order(move |_, commit| {
            if commit.check_space().is_ok() {
                commit.put(key, record);
            }
        })
        .await;
    if let Err(error) = ordered {
        tracing::warn!(group = name, %error, "the generation of a group was not stored");
    }
}

pub(super) async fn sync(groups: &Groups, request: SyncGroupRequest) -> SyncGroupResponse {
    let assignments = request
        .assignments
        .into_iter()
        .map(|assignment| (assignment.member_id.to_string(), assignment.assignment))
        .collect();
    let due = groups.sync(
        &request.group_id,
        Speaker {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id,
        },
        (
            request.protocol_type.as_deref(),
            request.protocol_name.as_deref(),
        ),
        assignments,
    );
    let answer = due
        .await
        .unwrap_or_else(|_| SyncAnswer::error(COORDINATOR_NOT_AVAILABLE));
    let mut response = SyncGroupResponse::default();
    response.error_code = answer.error;
    response.protocol_type = answer.protocol_type.map(StrBytes::from_string);
    response.protocol_name = answer.protocol.map(StrBytes::from_string);
    response.assignment = answer.assignment;
    response
}

pub(super) fn heartbeat(groups: &Groups, request: &HeartbeatRequest) -> HeartbeatResponse {
    let speaker = Speaker {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let code = groups
        .with(&request.group_id, |group, now, _| {
            group.heartbeat(now, speaker)
        })
        .unwrap_or(UNKNOWN_MEMBER_ID);
    HeartbeatResponse::default().with_error_code(code)
}

pub(super) fn leave(
    groups: &Groups,
    request: LeaveGroupRequest,
    version: i16,
) -> LeaveGroupResponse {
    let members = if version >= 3 {
        request.members
    } else {
        vec![MemberIdentity::default().with_member_id(request.member_id)]
    };
    let results: Vec<MemberResponse> = members
        .into_iter()
        .map(|member| {
            let code = groups
                .with(&request.group_id, |group, now, answers| {
                    let instance = member.group_instance_id.as_deref();
                    group.leave(now, &member.member_id, instance, answers)
                })
                .unwrap_or(UNKNOWN_MEMBER_ID);
            MemberResponse::default()
                .with_member_id(member.member_id)
                .with_group_instance_id(member.group_instance_id)
                .with_error_code(code)
        })
        .collect();
    if version >= 3 {
        return LeaveGroupResponse::default().with_members(results);
    }
    let code = results.first().map_or(NONE, |result| result.error_code);
    LeaveGroupResponse::default().with_error_code(code)
}
