//! The eager assignor: all work is dealt out round-robin in every rebalance (`EagerAssignor` of Kafka).

use std::collections::BTreeMap;

use sluice_protocol::MemberId;

use super::{Assignments, Configured, MemberAssignment};

/// Deals all connectors, then all tasks, to the members in the order of their ids, going round
/// without a break.
pub(crate) fn assign(
    members: impl IntoIterator<Item = MemberId>,
    configured: &Configured,
) -> Assignments {
    let mut members: Vec<(MemberId, MemberAssignment)> = members
        .into_iter()
        .map(|id| (id, MemberAssignment::default()))
        .collect();
    members.sort_by(|a, b| a.0.java_cmp(&b.0));
    let count = members.len();
    if count == 0 {
        return Assignments::default();
    }
    let mut next = 0;
    let mut turn = || {
        let index = next;
        next = (next + 1) % count;
        index
    };
    for connector in configured.connectors() {
        if let Some((_, member)) = members.get_mut(turn()) {
            member.assigned.connectors.push(connector.clone());
        }
    }
    for task in configured.tasks() {
        if let Some((_, member)) = members.get_mut(turn()) {
            member.assigned.tasks.push(task);
        }
    }
    let members: BTreeMap<_, _> = members
        .into_iter()
        .map(|(id, mut member)| {
            member.total = member.assigned.clone();
            (id, member)
        })
        .collect();
    Assignments {
        members,
        delay_ms: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::ConnectorTaskId;

    #[test]
    fn tasks_go_on_where_connectors_ended() {
        let configured = Configured::new([("b".into(), 2), ("a".into(), 1), ("c".into(), 0)]);
        let result = assign(["m2".into(), "m1".into()], &configured);
        let first = &result.members[&MemberId::from("m1")];
        let second = &result.members[&MemberId::from("m2")];
        assert_eq!(first.assigned.connectors, ["a", "c"]);
        assert_eq!(second.assigned.connectors, ["b"]);
        assert_eq!(
            second.assigned.tasks,
            [ConnectorTaskId::new("a", 0), ConnectorTaskId::new("b", 1)]
        );
        assert_eq!(first.assigned.tasks, [ConnectorTaskId::new("b", 0)]);
    }

    #[test]
    fn no_member_gets_nothing() {
        let configured = Configured::new([("a".into(), 1)]);
        assert_eq!(assign([], &configured), Assignments::default());
    }
}
