//! One group as a state machine: members join, a leader assigns, members sync, and beat until one comes
//! or goes.
//!
//! Nothing here waits or reads a clock. Time comes in as `now`, milliseconds that only grow; who asked is a
//! `Reply` of the caller's, which comes back with the answer, at once or later. The rules are those of
//! Kafka's `ClassicGroup` and `GroupMetadataManager`, with an initial rebalance delay of zero.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use indexmap::IndexMap;

use crate::error_code::{
    FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL, INVALID_SESSION_TIMEOUT,
    MEMBER_ID_REQUIRED, NONE, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID,
};

/// Bounds of session timeouts in milliseconds (`group.min.session.timeout.ms`,
/// `group.max.session.timeout.ms`).
const SESSION_TIMEOUTS: std::ops::RangeInclusive<i64> = 6_000..=1_800_000;

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupState {
    /// There are no members; offsets may be committed all the same.
    Empty,
    /// A rebalance has begun, and members have to join again.
    PreparingRebalance,
    /// The leader's assignment is awaited.
    CompletingRebalance,
    /// Everybody has an assignment.
    Stable,
}

impl GroupState {
    /// The name in answers (`ClassicGroupState`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// Who wants to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinRequest {
    /// Empty for a new member.
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// Milliseconds without a heartbeat after which the member counts as gone.
    pub(crate) session_timeout: i64,
    /// Milliseconds that others wait for the member to join again.
    pub(crate) rebalance_timeout: i64,
    pub(crate) protocol_type: String,
    /// In the order of preference, with the member's metadata.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// Whether a new member is given an id first, to join again with it (KIP-394).
    pub(crate) id_required: bool,
    /// Whether the client understands that it need not assign although it leads (KIP-814).
    pub(crate) can_skip_assignment: bool,
    /// Id for the member if it gets a new one.
    pub(crate) fresh_id: String,
}

/// The answer to a member that joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinAnswer {
    pub(crate) error: i16,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: String,
    pub(crate) member_id: String,
    pub(crate) skip_assignment: bool,
    /// For the leader: id, instance id and metadata of all members.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

impl JoinAnswer {
    /// An answer that only says why not.
    pub(crate) fn error(error: i16, member_id: &str) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            member_id: member_id.to_owned(),
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

/// The answer to a member that syncs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyncAnswer {
    pub(crate) error: i16,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignment: Bytes,
}

impl SyncAnswer {
    /// An answer that only says why not.
    pub(crate) fn error(error: i16) -> Self {
        Self {
            error,
            protocol_type: None,
            protocol: None,
            assignment: Bytes::new(),
        }
    }
}

/// Which member speaks, and of which generation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaker<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) generation: i32,
}

#[derive(Debug)]
pub(crate) struct Member<J, S> {
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    session_timeout: i64,
    rebalance_timeout: i64,
    pub(crate) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    /// When it counts as gone, unless it is heard of.
    deadline: i64,
    joining: Option<J>,
    syncing: Option<S>,
}

/// Answers that have become due.
#[derive(Debug)]
pub(crate) struct Answers<J, S> {
    pub(crate) joins: Vec<(J, JoinAnswer)>,
    pub(crate) syncs: Vec<(S, SyncAnswer)>,
}

impl<J, S> Default for Answers<J, S> {
    fn default() -> Self {
        Self {
            joins: Vec::new(),
            syncs: Vec::new(),
        }
    }
}

/// A group. `J` and `S` stand for those who wait for a join and for a sync.
#[derive(Debug)]
pub(crate) struct Group<J, S> {
    pub(crate) state: GroupState,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) generation: i32,
    leader: Option<String>,
    pub(crate) members: IndexMap<String, Member<J, S>>,
    /// Instance id to member id.
    statics: HashMap<String, String>,
    /// Ids that were given out and not used yet, with the time until which they can be.
    pending: BTreeMap<String, i64>,
    /// End of the phase of the rebalance.
    deadline: i64,
    /// Since when there are no members.
    pub(crate) empty_since: i64,
}

impl<J, S> Group<J, S> {
    /// A group without members; `generation` is the last one it had.
    pub(crate) fn new(protocol_type: Option<String>, generation: i32, now: i64) -> Self {
        Self {
            state: GroupState::Empty,
            protocol_type,
            protocol: None,
            generation,
            leader: None,
            members: IndexMap::new(),
            statics: HashMap::new(),
            pending: BTreeMap::new(),
            deadline: 0,
            empty_since: now,
        }
    }

    /// Takes a member in, or asks it to wait for the others.
    pub(crate) fn join(
        &mut self,
        now: i64,
        request: JoinRequest,
        reply: J,
        answers: &mut Answers<J, S>,
    ) {
        let refusal = self.refusal(&request);
        if refusal != NONE {
            let answer = JoinAnswer::error(refusal, &request.member_id);
            answers.joins.push((reply, answer));
            return;
        }
        if let Some(instance) = request.instance_id.clone() {
            self.join_static(now, &instance, request, reply, answers);
        } else if request.member_id.is_empty() {
            if request.id_required {
                let until = now + request.session_timeout;
                self.pending.insert(request.fresh_id.clone(), until);
                let answer = JoinAnswer::error(MEMBER_ID_REQUIRED, &request.fresh_id);
                answers.joins.push((reply, answer));
            } else {
                let id = request.fresh_id.clone();
                self.add(now, &id, request, reply, answers);
            }
        } else {
            let id = request.member_id.clone();
            self.join_known(now, &id, request, reply, answers);
        }
    }

    fn refusal(&self, request: &JoinRequest) -> i16 {
        if !SESSION_TIMEOUTS.contains(&request.session_timeout) {
            return INVALID_SESSION_TIMEOUT;
        }
        let agrees = if self.members.is_empty() {
            !request.protocol_type.is_empty() && !request.protocols.is_empty()
        } else {
            self.protocol_type.as_ref() == Some(&request.protocol_type)
                && request.protocols.iter().any(|(name, _)| {
                    self.members
                        .values()
                        .all(|member| member.protocols.iter().any(|(known, _)| known == name))
                })
        };
        if agrees {
            NONE
        } else {
            INCONSISTENT_GROUP_PROTOCOL
        }
    }

    /// A member with an instance id takes the place of the one that had it before (KIP-345).
    fn join_static(
        &mut self,
        now: i64,
        instance: &str,
        request: JoinRequest,
        reply: J,
        answers: &mut Answers<J, S>,
    ) {
        let known = self.statics.get(instance).cloned();
        match known {
            None if request.member_id.is_empty() => {
                let id = request.fresh_id.clone();
                self.statics.insert(instance.to_owned(), id.clone());
                self.add(now, &id, request, reply, answers);
            }
            None => {
                let answer = JoinAnswer::error(UNKNOWN_MEMBER_ID, &request.member_id);
                answers.joins.push((reply, answer));
            }
            Some(id) if request.member_id.is_empty() => {
                self.replace_static(now, instance, &id, request, reply, answers);
            }
            Some(id) if id == request.member_id => {
                self.join_known(now, &id, request, reply, answers);
            }
            Some(_) => {
                let answer = JoinAnswer::error(FENCED_INSTANCE_ID, &request.member_id);
                answers.joins.push((reply, answer));
            }
        }
    }

    fn replace_static(
        &mut self,
        now: i64,
        instance: &str,
        old_id: &str,
        request: JoinRequest,
        reply: J,
        answers: &mut Answers<J, S>,
    ) {
        let new_id = request.fresh_id.clone();
        self.statics.insert(instance.to_owned(), new_id.clone());
        let Some(mut member) = self.members.shift_remove(old_id) else {
            self.add(now, &new_id, request, reply, answers);
            return;
        };
        if let Some(old) = member.joining.take() {
            answers
                .joins
                .push((old, JoinAnswer::error(FENCED_INSTANCE_ID, old_id)));
        }
        if let Some(old) = member.syncing.take() {
            answers
                .syncs
                .push((old, SyncAnswer::error(FENCED_INSTANCE_ID)));
        }
        if self.leader.as_deref() == Some(old_id) {
            self.leader = Some(new_id.clone());
        }
        let unchanged = member.protocols == request.protocols;
        let can_skip = request.can_skip_assignment;
        member.take_over(now, request);
        self.members.insert(new_id.clone(), member);
        if self.state == GroupState::Stable && unchanged {
            let mut answer = self.current(&new_id);
            if answer.leader == new_id {
                if can_skip {
                    answer.skip_assignment = true;
                } else {
                    // An old client would assign as the leader; shown another leader, it asks for what
                    // there is.
                    answer.leader = old_id.to_owned();
                    answer.members.clear();
                }
            }
            answers.joins.push((reply, answer));
        } else {
            self.await_join(now, &new_id, reply, answers);
        }
    }

    fn join_known(
        &mut self,
        now: i64,
        id: &str,
        request: JoinRequest,
        reply: J,
        answers: &mut Answers<J, S>,
    ) {
        if self.pending.remove(id).is_some() {
            self.add(now, id, request, reply, answers);
            return;
        }
        let is_leader = self.leader.as_deref() == Some(id);
        let state = self.state;
        let Some(member) = self.members.get_mut(id) else {
            let answer = JoinAnswer::error(UNKNOWN_MEMBER_ID, id);
            answers.joins.push((reply, answer));
            return;
        };
        let unchanged = member.protocols == request.protocols;
        let stays = match state {
            GroupState::CompletingRebalance => unchanged,
            GroupState::Stable => unchanged && !is_leader,
            GroupState::Empty | GroupState::PreparingRebalance => false,
        };
        member.take_over(now, request);
        if stays {
            let answer = self.current(id);
            answers.joins.push((reply, answer));
        } else {
            self.await_join(now, id, reply, answers);
        }
    }

    fn add(
        &mut self,
        now: i64,
        id: &str,
        request: JoinRequest,
        reply: J,
        answers: &mut Answers<J, S>,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        let mut member = Member {
            instance_id: request.instance_id.clone(),
            client_id: String::new(),
            client_host: String::new(),
            session_timeout: 0,
            rebalance_timeout: 0,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            deadline: 0,
            joining: None,
            syncing: None,
        };
        member.take_over(now, request);
        self.members.insert(id.to_owned(), member);
        self.await_join(now, id, reply, answers);
    }

    fn await_join(&mut self, now: i64, id: &str, reply: J, answers: &mut Answers<J, S>) {
        if let Some(member) = self.members.get_mut(id)
            && let Some(before) = member.joining.replace(reply)
        {
            // The client asked again, so nobody reads the first answer.
            answers
                .joins
                .push((before, JoinAnswer::error(UNKNOWN_MEMBER_ID, id)));
        }
        self.prepare_rebalance(now, answers);
        self.try_complete_join(now, answers);
    }

    fn prepare_rebalance(&mut self, now: i64, answers: &mut Answers<J, S>) {
        if self.state == GroupState::PreparingRebalance {
            return;
        }
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if let Some(reply) = member.syncing.take() {
                answers
                    .syncs
                    .push((reply, SyncAnswer::error(REBALANCE_IN_PROGRESS)));
            }
        }
        self.state = GroupState::PreparingRebalance;
        let longest = self.members.values().map(|member| member.rebalance_timeout);
        self.deadline = now + longest.max().unwrap_or(0);
    }

    fn try_complete_join(&mut self, now: i64, answers: &mut Answers<J, S>) {
        let complete =
            self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.state == GroupState::PreparingRebalance && complete {
            self.complete_join(now, answers);
        }
    }

    fn complete_join(&mut self, now: i64, answers: &mut Answers<J, S>) {
        // Members with an instance id keep their place until their session ends.
        self.members
            .retain(|_, member| member.joining.is_some() || member.instance_id.is_some());
        if self.members.is_empty() {
            self.become_empty(now);
            return;
        }
        if self.members.values().all(|member| member.joining.is_none()) {
            // Only those are left that keep their place without asking: nobody could lead yet.
            let longest = self.members.values().map(|member| member.rebalance_timeout);
            self.deadline = now + longest.max().unwrap_or(0);
            return;
        }
        self.generation += 1;
        let leads = |id: &String| {
            self.members
                .get(id)
                .is_some_and(|member| member.joining.is_some())
        };
        if !self.leader.as_ref().is_some_and(leads) {
            self.leader = self
                .members
                .iter()
                .find(|(_, member)| member.joining.is_some())
                .map(|(id, _)| id.clone());
        }
        self.protocol = self.choose_protocol();
        self.state = GroupState::CompletingRebalance;
        let longest = self.members.values().map(|member| member.rebalance_timeout);
        self.deadline = now + longest.max().unwrap_or(0);
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.current(&id);
            if let Some(member) = self.members.get_mut(&id)
                && let Some(reply) = member.joining.take()
            {
                member.deadline = now + member.session_timeout;
                answers.joins.push((reply, answer));
            }
        }
    }

    fn become_empty(&mut self, now: i64) {
        if self.state != GroupState::Empty {
            self.generation += 1;
        }
        self.state = GroupState::Empty;
        self.protocol = None;
        self.leader = None;
        self.empty_since = now;
    }

    /// The protocol that all members know and most prefer.
    fn choose_protocol(&self) -> Option<String> {
        let known_to_all = |name: &String| {
            self.members
                .values()
                .all(|member| member.protocols.iter().any(|(known, _)| known == name))
        };
        let mut votes: IndexMap<&String, usize> = IndexMap::new();
        for member in self.members.values() {
            let vote = member
                .protocols
                .iter()
                .map(|(name, _)| name)
                .find(|name| known_to_all(name));
            if let Some(vote) = vote {
                *votes.entry(vote).or_default() += 1;
            }
        }
        let most = votes.values().max().copied()?;
        votes
            .into_iter()
            .find(|(_, count)| *count == most)
            .map(|(name, _)| name.clone())
    }

    /// What a member learns of the generation.
    fn current(&self, id: &str) -> JoinAnswer {
        let leader = self.leader.clone().unwrap_or_default();
        let members = if leader == id {
            self.members
                .iter()
                .map(|(id, member)| {
                    (
                        id.clone(),
                        member.instance_id.clone(),
                        member.metadata(self.protocol.as_deref()),
                    )
                })
                .collect()
        } else {
            Vec::new()
        };
        JoinAnswer {
            error: NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader,
            member_id: id.to_owned(),
            skip_assignment: false,
            members,
        }
    }

    /// Takes the leader's assignment, or asks for one's own. `protocol` is what the member believes, if it
    /// says so.
    pub(crate) fn sync(
        &mut self,
        now: i64,
        speaker: Speaker<'_>,
        protocol: (Option<&str>, Option<&str>),
        assignments: Vec<(String, Bytes)>,
        reply: S,
        answers: &mut Answers<J, S>,
    ) {
        let differs = |said: Option<&str>, is: &Option<String>| {
            said.is_some_and(|said| is.as_deref() != Some(said))
        };
        let mut error = self.check(speaker);
        if error == NONE
            && (differs(protocol.0, &self.protocol_type) || differs(protocol.1, &self.protocol))
        {
            error = INCONSISTENT_GROUP_PROTOCOL;
        }
        if error == NONE && self.state == GroupState::PreparingRebalance {
            error = REBALANCE_IN_PROGRESS;
        }
        if error != NONE {
            answers.syncs.push((reply, SyncAnswer::error(error)));
            return;
        }
        let (protocol_type, protocol) = (self.protocol_type.clone(), self.protocol.clone());
        let Some(member) = self.members.get_mut(speaker.member_id) else {
            return;
        };
        member.deadline = now + member.session_timeout;
        if self.state == GroupState::Stable {
            let answer = SyncAnswer {
                error: NONE,
                protocol_type,
                protocol,
                assignment: member.assignment.clone(),
            };
            answers.syncs.push((reply, answer));
            return;
        }
        if let Some(before) = member.syncing.replace(reply) {
            answers
                .syncs
                .push((before, SyncAnswer::error(REBALANCE_IN_PROGRESS)));
        }
        if self.leader.as_deref() != Some(speaker.member_id) {
            return;
        }
        let mut assignments: HashMap<String, Bytes> = assignments.into_iter().collect();
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
            if let Some(reply) = member.syncing.take() {
                member.deadline = now + member.session_timeout;
                let answer = SyncAnswer {
                    error: NONE,
                    protocol_type: protocol_type.clone(),
                    protocol: protocol.clone(),
                    assignment: member.assignment.clone(),
                };
                answers.syncs.push((reply, answer));
            }
        }
        self.state = GroupState::Stable;
    }

    /// Error code for a member that is not what it says; 0 if it is.
    fn check(&self, speaker: Speaker<'_>) -> i16 {
        if let Some(instance) = speaker.instance_id {
            match self.statics.get(instance) {
                None => return UNKNOWN_MEMBER_ID,
                Some(id) if id != speaker.member_id => return FENCED_INSTANCE_ID,
                Some(_) => (),
            }
        }
        if !self.members.contains_key(speaker.member_id) {
            UNKNOWN_MEMBER_ID
        } else if self.generation != speaker.generation {
            ILLEGAL_GENERATION
        } else {
            NONE
        }
    }

    /// Notes that a member lives; the code says whether there is a rebalance.
    pub(crate) fn heartbeat(&mut self, now: i64, speaker: Speaker<'_>) -> i16 {
        let error = self.check(speaker);
        if error != NONE {
            return error;
        }
        if let Some(member) = self.members.get_mut(speaker.member_id) {
            member.deadline = now + member.session_timeout;
        }
        if self.state == GroupState::PreparingRebalance {
            REBALANCE_IN_PROGRESS
        } else {
            NONE
        }
    }

    /// Lets a member go; the code is for it alone.
    pub(crate) fn leave(
        &mut self,
        now: i64,
        member_id: &str,
        instance_id: Option<&str>,
        answers: &mut Answers<J, S>,
    ) -> i16 {
        if self.pending.remove(member_id).is_some() {
            self.try_complete_join(now, answers);
            return NONE;
        }
        let id = match instance_id {
            None => member_id.to_owned(),
            Some(instance) => match self.statics.get(instance) {
                None => return UNKNOWN_MEMBER_ID,
                Some(id) if member_id.is_empty() || id == member_id => id.clone(),
                Some(_) => return FENCED_INSTANCE_ID,
            },
        };
        if !self.members.contains_key(&id) {
            return UNKNOWN_MEMBER_ID;
        }
        self.remove(now, &id, answers);
        NONE
    }

    fn remove(&mut self, now: i64, id: &str, answers: &mut Answers<J, S>) {
        let Some(member) = self.members.shift_remove(id) else {
            return;
        };
        if let Some(instance) = &member.instance_id {
            self.statics.remove(instance);
        }
        if let Some(reply) = member.joining {
            answers
                .joins
                .push((reply, JoinAnswer::error(UNKNOWN_MEMBER_ID, id)));
        }
        if let Some(reply) = member.syncing {
            answers
                .syncs
                .push((reply, SyncAnswer::error(UNKNOWN_MEMBER_ID)));
        }
        if self.members.is_empty() && self.pending.is_empty() {
            self.become_empty(now);
            return;
        }
        self.prepare_rebalance(now, answers);
        self.try_complete_join(now, answers);
    }

    /// Error code for an offset commit; 0 if it is fine. `transactional` commits may come from producers that
    /// name no member.
    pub(crate) fn check_commit(
        &mut self,
        now: i64,
        speaker: Speaker<'_>,
        transactional: bool,
    ) -> i16 {
        if speaker.generation < 0 && self.state == GroupState::Empty {
            return NONE;
        }
        let anonymous =
            speaker.generation < 0 && speaker.member_id.is_empty() && speaker.instance_id.is_none();
        if anonymous {
            return if transactional {
                NONE
            } else {
                UNKNOWN_MEMBER_ID
            };
        }
        let error = self.check(speaker);
        if error != NONE {
            return error;
        }
        if !transactional && self.state == GroupState::CompletingRebalance {
            return REBALANCE_IN_PROGRESS;
        }
        if let Some(member) = self.members.get_mut(speaker.member_id) {
            member.deadline = now + member.session_timeout;
        }
        NONE
    }

    /// Does what is due: members that were not heard of go, phases that last too long end.
    pub(crate) fn tick(&mut self, now: i64, answers: &mut Answers<J, S>) {
        let before = self.pending.len();
        self.pending.retain(|_, until| *until > now);
        if self.pending.len() != before {
            if self.members.is_empty() && self.pending.is_empty() {
                if self.state != GroupState::Empty {
                    self.become_empty(now);
                }
            } else {
                self.try_complete_join(now, answers);
            }
        }
        let silent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.is_silent(now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in silent {
            tracing::info!(member = id, "member was not heard of and left its group");
            self.remove(now, &id, answers);
        }
        if self.deadline > now {
            return;
        }
        match self.state {
            GroupState::PreparingRebalance => {
                self.pending.clear();
                self.complete_join(now, answers);
            }
            GroupState::CompletingRebalance => {
                let missing: Vec<String> = self
                    .members
                    .iter()
                    .filter(|(_, member)| member.syncing.is_none())
                    .map(|(id, _)| id.clone())
                    .collect();
                for id in missing {
                    self.remove(now, &id, answers);
                }
                // The leader may have gone with them; the others join again.
                if self.state == GroupState::CompletingRebalance {
                    self.prepare_rebalance(now, answers);
                }
            }
            GroupState::Empty | GroupState::Stable => (),
        }
    }

    /// When [`Self::tick`] has something to do, if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Option<i64> {
        let members = self
            .members
            .values()
            .filter(|member| member.is_idle())
            .map(|member| member.deadline);
        let phase = matches!(
            self.state,
            GroupState::PreparingRebalance | GroupState::CompletingRebalance
        )
        .then_some(self.deadline);
        members
            .chain(self.pending.values().copied())
            .chain(phase)
            .min()
    }
}

impl<J, S> Member<J, S> {
    fn take_over(&mut self, now: i64, request: JoinRequest) {
        self.client_id = request.client_id;
        self.client_host = request.client_host;
        self.session_timeout = request.session_timeout;
        self.rebalance_timeout = request.rebalance_timeout;
        self.protocols = request.protocols;
        self.deadline = now + self.session_timeout;
    }

    /// Metadata for the protocol that was chosen.
    pub(crate) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| Some(name.as_str()) == protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    /// Neither joins nor syncs; while it does, the broker owes it an answer and it need not beat.
    fn is_idle(&self) -> bool {
        self.joining.is_none() && self.syncing.is_none()
    }

    fn is_silent(&self, now: i64) -> bool {
        self.is_idle() && self.deadline <= now
    }
}

#[cfg(test)]
mod tests;
