//! Groups from outside: list, describe, delete.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    GroupId, ListGroupsRequest, ListGroupsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::cluster::{GROUP_OPERATIONS, operations};
use super::{distinct, text};
use crate::error_code::{GROUP_ID_NOT_FOUND, NONE};
use crate::groups::group::GroupState;
use crate::groups::{Groups, LiveGroup};
use crate::store::StoreError;
use crate::store::keys::{self, tag};
use crate::writer::Writer;

pub(super) fn list(groups: &Groups, request: &ListGroupsRequest) -> ListGroupsResponse {
    let fits = |filter: &[StrBytes], value: &str| {
        filter.is_empty()
            || filter
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let mut listed: Vec<ListedGroup> = groups
        .each(|group| {
            (
                group.state.name(),
                group.protocol_type.clone().unwrap_or_default(),
            )
        })
        .into_iter()
        .filter(|(_, (state, _))| fits(&request.states_filter, state))
        .filter(|_| fits(&request.types_filter, "classic"))
        .map(|(name, (state, protocol_type))| {
            ListedGroup::default()
                .with_group_id(GroupId(text(name)))
                .with_protocol_type(text(protocol_type))
                .with_group_state(StrBytes::from_static_str(state))
                .with_group_type(StrBytes::from_static_str("classic"))
        })
        .collect();
    listed.sort_by(|a, b| a.group_id.0.cmp(&b.group_id.0));
    ListGroupsResponse::default().with_groups(listed)
}

pub(super) fn describe(
    groups: &Groups,
    request: DescribeGroupsRequest,
    version: i16,
) -> DescribeGroupsResponse {
    let operations = operations(request.include_authorized_operations, GROUP_OPERATIONS);
    let described = distinct(request.groups, Clone::clone)
        .into_iter()
        .map(|id| {
            let described = groups
                .with(&id, |group, _, _| describe_one(group))
                .unwrap_or_else(|| unknown(&id, version));
            described
                .with_group_id(id)
                .with_authorized_operations(operations)
        })
        .collect();
    DescribeGroupsResponse::default().with_groups(described)
}

/// Since version 6 a group that is not there is an error (KIP-1043); before, it is a dead one.
fn unknown(id: &GroupId, version: i16) -> DescribedGroup {
    let dead = DescribedGroup::default().with_group_state(StrBytes::from_static_str("Dead"));
    if version >= 6 {
        dead.with_error_code(GROUP_ID_NOT_FOUND)
            .with_error_message(Some(text(format!("Group {} not found.", id.as_str()))))
    } else {
        dead
    }
}

fn describe_one(group: &mut LiveGroup) -> DescribedGroup {
    let stable = group.state == GroupState::Stable;
    let protocol = group.protocol.clone().filter(|_| stable);
    let members = group
        .members
        .iter()
        .map(|(id, member)| {
            DescribedGroupMember::default()
                .with_member_id(text(id.clone()))
                .with_group_instance_id(member.instance_id.clone().map(StrBytes::from_string))
                .with_client_id(text(member.client_id.clone()))
                .with_client_host(text(member.client_host.clone()))
                .with_member_metadata(member.metadata(protocol.as_deref()))
                .with_member_assignment(if stable {
                    member.assignment.clone()
                } else {
                    bytes::Bytes::new()
                })
        })
        .collect();
    DescribedGroup::default()
        .with_error_message(None)
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_protocol_type(text(group.protocol_type.clone().unwrap_or_default()))
        .with_protocol_data(text(protocol.unwrap_or_default()))
        .with_members(members)
}

pub(super) async fn delete(
    groups: &Groups,
    writer: &Writer,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut answer = DeleteGroupsResponse::default();
    for id in request.groups_names {
        let code = match groups.delete(&id) {
            Err(code) => code,
            Ok(()) => match forget(writer, &id).await {
                Ok(()) => NONE,
                Err(error) => super::storage_error(&error),
            },
        };
        answer.results.push(
            DeletableGroupResult::default()
                .with_group_id(id)
                .with_error_code(code),
        );
    }
    answer
}

/// Removes what is stored of a group.
async fn forget(writer: &Writer, name: &str) -> Result<(), StoreError> {
    let prefix = keys::offsets_of(name);
    let key = keys::named(tag::GROUP, name);
    writer
        .run(move |_, commit| {
            let offsets = commit.store().prefix(&prefix)?;
            for (key, _) in offsets {
                commit.remove(key.to_vec());
            }
            commit.remove(key);
            Ok(())
        })
        .await?
}
