use super::*;

type Tested = Group<u32, u32>;

fn request(member: &str, fresh: &str) -> JoinRequest {
    JoinRequest {
        member_id: member.to_owned(),
        instance_id: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout: 10_000,
        rebalance_timeout: 60_000,
        protocol_type: "connect".to_owned(),
        protocols: vec![("sessioned".to_owned(), Bytes::from_static(b"m"))],
        id_required: false,
        can_skip_assignment: true,
        fresh_id: fresh.to_owned(),
    }
}

fn join(group: &mut Tested, now: i64, request: JoinRequest, reply: u32) -> Answers<u32, u32> {
    let mut answers = Answers::default();
    group.join(now, request, reply, &mut answers);
    answers
}

fn speaker(member_id: &str, generation: i32) -> Speaker<'_> {
    Speaker {
        member_id,
        instance_id: None,
        generation,
    }
}

fn sync(
    group: &mut Tested,
    now: i64,
    who: Speaker<'_>,
    assignments: &[(&str, &'static str)],
    reply: u32,
) -> Answers<u32, u32> {
    let mut answers = Answers::default();
    let assignments = assignments
        .iter()
        .map(|(id, text)| ((*id).to_owned(), Bytes::from_static(text.as_bytes())))
        .collect();
    group.sync(now, who, (None, None), assignments, reply, &mut answers);
    answers
}

/// A stable group of the members `a` (the leader) and `b`, in generation 2.
fn stable_pair() -> Tested {
    let mut group = Tested::new(None, 0, 0);
    join(&mut group, 0, request("", "a"), 1);
    join(&mut group, 0, request("", "b"), 2);
    let answers = join(&mut group, 0, request("a", "-"), 3);
    assert_eq!(answers.joins.len(), 2, "both are answered at once");
    sync(&mut group, 0, speaker("b", 2), &[], 4);
    let answers = sync(&mut group, 0, speaker("a", 2), &[("a", "A"), ("b", "B")], 5);
    assert_eq!(answers.syncs.len(), 2);
    assert_eq!(group.state, GroupState::Stable);
    group
}

#[test]
fn the_first_member_leads_at_once() {
    let mut group = Tested::new(None, 4, 0);
    let answers = join(&mut group, 0, request("", "a"), 1);
    let (reply, answer) = &answers.joins[0];
    assert_eq!((*reply, answer.error, answer.generation), (1, NONE, 5));
    assert_eq!(answer.leader, "a");
    assert_eq!(answer.members.len(), 1);
    assert_eq!(answer.protocol.as_deref(), Some("sessioned"));
}

#[test]
fn new_members_are_given_an_id_first_and_join_again_with_it() {
    let mut group = Tested::new(None, 0, 0);
    let mut first = request("", "a");
    first.id_required = true;
    let answers = join(&mut group, 0, first, 1);
    assert_eq!(answers.joins[0].1.error, MEMBER_ID_REQUIRED);
    assert_eq!(answers.joins[0].1.member_id, "a");
    let answers = join(&mut group, 0, request("a", "-"), 2);
    assert_eq!(answers.joins[0].1.error, NONE);
    let answers = join(&mut group, 0, request("stranger", "-"), 3);
    assert_eq!(answers.joins[0].1.error, UNKNOWN_MEMBER_ID);
}

#[test]
fn everybody_is_told_of_a_rebalance_by_the_heartbeat_and_gets_what_the_leader_assigns() {
    let mut group = stable_pair();
    assert_eq!(group.heartbeat(1, speaker("b", 2)), NONE);
    join(&mut group, 1, request("", "c"), 6);
    assert_eq!(group.heartbeat(2, speaker("b", 2)), REBALANCE_IN_PROGRESS);
    join(&mut group, 3, request("a", "-"), 7);
    let answers = join(&mut group, 3, request("b", "-"), 8);
    assert_eq!(answers.joins.len(), 3);
    let leader = answers
        .joins
        .iter()
        .find(|(reply, _)| *reply == 7)
        .map(|(_, answer)| answer);
    assert_eq!(leader.map(|answer| answer.members.len()), Some(3));
    sync(&mut group, 3, speaker("c", 3), &[], 9);
    let answers = sync(&mut group, 3, speaker("a", 3), &[("c", "C")], 10);
    let given = answers.syncs.iter().find(|(reply, _)| *reply == 9);
    assert_eq!(
        given.map(|(_, answer)| answer.assignment.clone()),
        Some(Bytes::from_static(b"C"))
    );
    let late = sync(&mut group, 4, speaker("b", 3), &[], 11);
    assert_eq!(late.syncs[0].1.error, NONE, "who syncs late gets it too");
}

#[test]
fn a_member_that_is_not_heard_of_makes_place_for_the_others() {
    let mut group = stable_pair();
    group.heartbeat(9_000, speaker("a", 2));
    assert_eq!(group.next_deadline(), Some(10_000));
    let mut answers = Answers::default();
    group.tick(10_000, &mut answers);
    assert_eq!(group.members.len(), 1);
    assert_eq!(
        group.heartbeat(10_001, speaker("a", 2)),
        REBALANCE_IN_PROGRESS
    );
    assert_eq!(group.heartbeat(10_001, speaker("b", 2)), UNKNOWN_MEMBER_ID);
}

#[test]
fn members_that_do_not_join_again_in_time_are_left_behind() {
    let mut group = stable_pair();
    join(&mut group, 0, request("", "c"), 6);
    for time in [9_000, 18_000, 27_000, 36_000, 45_000, 54_000] {
        assert_eq!(
            group.heartbeat(time, speaker("a", 2)),
            REBALANCE_IN_PROGRESS
        );
        assert_eq!(
            group.heartbeat(time, speaker("b", 2)),
            REBALANCE_IN_PROGRESS
        );
    }
    let mut answers = Answers::default();
    group.tick(60_000, &mut answers);
    assert_eq!(answers.joins.len(), 1);
    assert_eq!(answers.joins[0].1.leader, "c");
}

#[test]
fn a_member_that_leaves_is_gone_at_once() {
    let mut group = stable_pair();
    let mut answers = Answers::default();
    assert_eq!(group.leave(1, "b", None, &mut answers), NONE);
    assert_eq!(group.state, GroupState::PreparingRebalance);
    assert_eq!(group.leave(1, "b", None, &mut answers), UNKNOWN_MEMBER_ID);
    assert_eq!(group.leave(1, "a", None, &mut answers), NONE);
    assert_eq!(group.state, GroupState::Empty);
    assert_eq!(group.next_deadline(), None);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_fences_its_former_self() {
    let mut group = Tested::new(None, 0, 0);
    let instance = |fresh: &str| JoinRequest {
        instance_id: Some("i".to_owned()),
        ..request("", fresh)
    };
    join(&mut group, 0, instance("a"), 1);
    sync(&mut group, 0, speaker("a", 1), &[("a", "A")], 2);
    let answers = join(&mut group, 1, instance("a2"), 3);
    let answer = &answers.joins[0].1;
    assert_eq!((answer.error, answer.generation), (NONE, 1));
    assert!(answer.skip_assignment);
    let old = Speaker {
        member_id: "a",
        instance_id: Some("i"),
        generation: 1,
    };
    assert_eq!(group.heartbeat(2, old), FENCED_INSTANCE_ID);
    let again = sync(&mut group, 2, speaker("a2", 1), &[], 4);
    assert_eq!(again.syncs[0].1.assignment, Bytes::from_static(b"A"));
}

#[test]
fn members_that_share_no_protocol_are_refused() {
    let mut group = stable_pair();
    let mut other = request("", "c");
    other.protocols = vec![("eager".to_owned(), Bytes::new())];
    let answers = join(&mut group, 0, other, 6);
    assert_eq!(answers.joins[0].1.error, INCONSISTENT_GROUP_PROTOCOL);
    let mut other = request("", "c");
    other.protocol_type = "consumer".to_owned();
    let answers = join(&mut group, 0, other, 7);
    assert_eq!(answers.joins[0].1.error, INCONSISTENT_GROUP_PROTOCOL);
}

#[test]
fn commits_are_taken_from_members_of_the_generation_only() {
    let mut group = stable_pair();
    assert_eq!(group.check_commit(1, speaker("a", 2), false), NONE);
    assert_eq!(
        group.check_commit(1, speaker("a", 1), false),
        ILLEGAL_GENERATION
    );
    assert_eq!(
        group.check_commit(1, speaker("x", 2), false),
        UNKNOWN_MEMBER_ID
    );
    assert_eq!(
        group.check_commit(1, speaker("", -1), false),
        UNKNOWN_MEMBER_ID
    );
    assert_eq!(group.check_commit(1, speaker("", -1), true), NONE);
    let mut empty = Tested::new(None, 3, 0);
    assert_eq!(empty.check_commit(1, speaker("", -1), false), NONE);
}
