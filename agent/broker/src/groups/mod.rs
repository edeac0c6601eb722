//! The groups of the broker: one table, one task that watches the time, offsets in the store.

pub(crate) mod group;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::millis;
use crate::codec::{Reader, Writer};
use crate::error_code::{ILLEGAL_GENERATION, NONE};
use crate::store::keys::{self, tag};
use crate::store::{Store, StoreError};
use group::{Answers, Group, GroupState, JoinAnswer, JoinRequest, Speaker, SyncAnswer};

type JoinReply = oneshot::Sender<JoinAnswer>;
type SyncReply = oneshot::Sender<SyncAnswer>;

/// A group of this broker.
pub(crate) type LiveGroup = Group<JoinReply, SyncReply>;

/// All groups of the broker, those without members too as long as they have offsets.
#[derive(Debug)]
pub(crate) struct Groups {
    groups: Mutex<HashMap<String, LiveGroup>>,
    /// Rings when a deadline may have moved.
    bell: Notify,
    started: Instant,
}

fn send(answers: Answers<JoinReply, SyncReply>) {
    // Whoever asked may have gone away.
    for (reply, answer) in answers.joins {
        let _ = reply.send(answer);
    }
    for (reply, answer) in answers.syncs {
        let _ = reply.send(answer);
    }
}

fn record(group: &LiveGroup) -> Vec<u8> {
    Writer::new(0)
        .text(group.protocol_type.as_deref().unwrap_or_default())
        .i32(group.generation)
        .finish()
}

impl Groups {
    /// The groups of a store; none has members yet.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut groups = HashMap::new();
        for (key, value) in store.prefix(&[tag::GROUP])? {
            let group = keys::parse_named(&key).and_then(|name| {
                let mut reader = Reader::new(&value, 0)?;
                let protocol_type = reader.text()?;
                let protocol_type = (!protocol_type.is_empty()).then_some(protocol_type);
                Some((name, Group::new(protocol_type, reader.i32()?, 0)))
            });
            let (name, group) = group.ok_or(StoreError::Damaged("group"))?;
            groups.insert(name, group);
        }
        Ok(Self {
            groups: Mutex::new(groups),
            bell: Notify::new(),
            started: Instant::now(),
        })
    }

    fn now(&self) -> i64 {
        millis(self.started.elapsed())
    }

    /// Lets a member join; the answer comes when everybody has.
    pub(crate) fn join(&self, name: &str, request: JoinRequest) -> oneshot::Receiver<JoinAnswer> {
        let (reply, receiver) = oneshot::channel();
        let now = self.now();
        let mut answers = Answers::default();
        self.groups
            .lock()
            .entry(name.to_owned())
            .or_insert_with(|| Group::new(None, 0, now))
            .join(now, request, reply, &mut answers);
        send(answers);
        self.bell.notify_one();
        receiver
    }

    /// Takes or gives an assignment.
    pub(crate) fn sync(
        &self,
        name: &str,
        speaker: Speaker<'_>,
        protocol: (Option<&str>, Option<&str>),
        assignments: Vec<(String, bytes::Bytes)>,
    ) -> oneshot::Receiver<SyncAnswer> {
        let (reply, receiver) = oneshot::channel();
        let mut answers = Answers::default();
        let now = self.now();
        match self.groups.lock().get_mut(name) {
            Some(group) => {
                group.sync(now, speaker, protocol, assignments, reply, &mut answers);
            }
            None => {
                let unknown = SyncAnswer::error(crate::error_code::UNKNOWN_MEMBER_ID);
                answers.syncs.push((reply, unknown));
            }
        }
        send(answers);
        self.bell.notify_one();
        receiver
    }

    /// Runs `call` on a group with the time, and sends what became due.
    pub(crate) fn with<R>(
        &self,
        name: &str,
        call: impl FnOnce(&mut LiveGroup, i64, &mut Answers<JoinReply, SyncReply>) -> R,
    ) -> Option<R> {
        let mut answers = Answers::default();
        let now = self.now();
        let result = self
            .groups
            .lock()
            .get_mut(name)
            .map(|group| call(group, now, &mut answers));
        send(answers);
        self.bell.notify_one();
        result
    }

    /// Error code for an offset commit to a group; 0 if it is fine. Whoever names no generation may commit to
    /// a group that is not there yet.
    pub(crate) fn check_commit(
        &self,
        name: &str,
        speaker: Speaker<'_>,
        transactional: bool,
    ) -> i16 {
        let known = self.with(name, |group, now, _| {
            group.check_commit(now, speaker, transactional)
        });
        match known {
            Some(code) => code,
            None if speaker.generation < 0 => NONE,
            None => ILLEGAL_GENERATION,
        }
    }

    /// Name and `read` of every group.
    pub(crate) fn each<R>(&self, read: impl Fn(&LiveGroup) -> R) -> Vec<(String, R)> {
        let groups = self.groups.lock();
        groups
            .iter()
            .map(|(name, group)| (name.clone(), read(group)))
            .collect()
    }

    /// Notes a group that has offsets, though no members yet.
    pub(crate) fn touch(&self, name: &str) -> Vec<u8> {
        let now = self.now();
        let mut groups = self.groups.lock();
        let group = groups
            .entry(name.to_owned())
            .or_insert_with(|| Group::new(None, 0, now));
        if group.state == GroupState::Empty {
            group.empty_since = now;
        }
        record(group)
    }

    /// The stored value of a group, if there is one.
    pub(crate) fn record(&self, name: &str) -> Option<Vec<u8>> {
        self.groups.lock().get(name).map(record)
    }

    /// Forgets a group without members.
    ///
    /// # Errors
    /// The error code: there is none, or it has members.
    pub(crate) fn delete(&self, name: &str) -> Result<(), i16> {
        let mut groups = self.groups.lock();
        match groups.get(name) {
            None => Err(crate::error_code::GROUP_ID_NOT_FOUND),
            Some(group) if group.state != GroupState::Empty => {
                Err(crate::error_code::NON_EMPTY_GROUP)
            }
            Some(_) => {
                groups.remove(name);
                Ok(())
            }
        }
    }

    fn tick(&self) -> Option<i64> {
        let now = self.now();
        let mut answers = Answers::default();
        let mut groups = self.groups.lock();
        let mut next: Option<i64> = None;
        for group in groups.values_mut() {
            if group
                .next_deadline()
                .is_some_and(|deadline| deadline <= now)
            {
                group.tick(now, &mut answers);
            }
            next = [next, group.next_deadline()].into_iter().flatten().min();
        }
        drop(groups);
        send(answers);
        next.map(|deadline| deadline - now)
    }

    /// Watches the time until the broker stops.
    pub(crate) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let wait = self.tick();
            let sleep = async {
                match wait {
                    Some(wait) => {
                        let wait = u64::try_from(wait).unwrap_or(0).max(1);
                        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.bell.notified() => (),
                () = sleep => (),
            }
        }
    }

    /// Groups that have had no members for longer than this many milliseconds.
    pub(crate) fn abandoned(&self, longer_than: i64) -> Vec<String> {
        let before = self.now() - longer_than;
        self.each(|group| group.state == GroupState::Empty && group.empty_since < before)
            .into_iter()
            .filter_map(|(name, abandoned)| abandoned.then_some(name))
            .collect()
    }
}
