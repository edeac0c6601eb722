//! Member metadata and assignments of the group protocol type `connect`, binary, as `ConnectProtocol` (v0)
//! and `IncrementalCooperativeConnectProtocol` (v1, v2) of Kafka lay them out.
//!
//! Big-endian. STRING = int16 length + UTF-8, BYTES = int32 length (-1 = null) + data, ARRAY = int32 count
//! (-1 = null). One reader serves all versions: fields a shorter message lacks at its end have their
//! defaults, versions above 2 are read as 2. Sizes in a message are never trusted: nothing is allocated
//! beyond what the message really holds.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::{ConnectorName, ConnectorTaskId, MemberId, Offset};

/// Task number which on the wire stands for the connector instance itself.
const CONNECTOR_TASK: i32 = -1;

/// The subprotocols a worker can offer, in the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subprotocol {
    /// `default`, metadata version 0: everything stops at every rebalance.
    Default,
    /// `compatible`, version 1: incremental cooperative rebalancing (KIP-415).
    Compatible,
    /// `sessioned`, version 2: the same with signed internal requests (KIP-507).
    Sessioned,
}

impl Subprotocol {
    /// The protocol type all Connect groups have.
    pub const PROTOCOL_TYPE: &'static str = "connect";

    /// The name in JoinGroup.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Compatible => "compatible",
            Self::Sessioned => "sessioned",
        }
    }

    /// The version in front of metadata and assignments.
    pub const fn version(self) -> i16 {
        match self {
            Self::Default => 0,
            Self::Compatible => 1,
            Self::Sessioned => 2,
        }
    }

    /// Reads the name the coordinator chose.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "default" => Some(Self::Default),
            "compatible" => Some(Self::Compatible),
            "sessioned" => Some(Self::Sessioned),
            _ => None,
        }
    }

    /// Whether members keep their work through a rebalance.
    pub const fn is_cooperative(self) -> bool {
        !matches!(self, Self::Default)
    }
}

impl std::fmt::Display for Subprotocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Connector instances and tasks, in the order in which they were handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// Connectors whose instances run on this worker.
    pub connectors: Vec<ConnectorName>,
    /// Tasks that run on this worker.
    pub tasks: Vec<ConnectorTaskId>,
}

impl Work {
    /// Whether there is neither a connector nor a task.
    pub fn is_empty(&self) -> bool {
        self.connectors.is_empty() && self.tasks.is_empty()
    }

    /// Connector instances and tasks together.
    pub fn len(&self) -> usize {
        self.connectors.len() + self.tasks.len()
    }
}

/// What a member tells the leader when it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    /// Version of the layout: that of the subprotocol it is written for.
    pub version: i16,
    /// The member's REST URL, with trailing slash.
    pub url: String,
    /// Offset behind the last config record the member has read, -1 before any.
    pub config_offset: Offset,
    /// What the member holds; `None` when it never had an assignment, and always in version 0.
    pub allocation: Option<Assignment>,
}

/// What the leader tells a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Version of the layout.
    pub version: i16,
    /// [`Assignment::NO_ERROR`] or [`Assignment::CONFIG_MISMATCH`].
    pub error: i16,
    /// Member id of the leader.
    pub leader: MemberId,
    /// REST URL of the leader, with trailing slash.
    pub leader_url: String,
    /// Config offset to start from.
    pub config_offset: Offset,
    /// Version 0: all work of the member. Later: what it gets in addition; in an allocation: all it holds.
    pub assigned: Work,
    /// What the member has to stop; not in version 0.
    pub revoked: Work,
    /// Time until the scheduled rebalance in ms, 0 when none; not in version 0.
    pub delay_ms: i32,
}

impl Assignment {
    /// The assignment is valid and to be followed.
    pub const NO_ERROR: i16 = 0;
    /// The members' configs do not match: read the config topic and join again.
    pub const CONFIG_MISMATCH: i16 = 1;

    /// Whether there is no error.
    pub const fn is_ok(&self) -> bool {
        self.error == Self::NO_ERROR
    }

    /// Writes the assignment in the layout of its version.
    pub fn encode(&self) -> Result<Bytes, GroupError> {
        let mut out = BytesMut::with_capacity(128);
        self.write(&mut out)?;
        Ok(out.freeze())
    }

    fn write(&self, out: &mut BytesMut) -> Result<(), GroupError> {
        out.put_i16(self.version);
        out.put_i16(self.error);
        put_string(out, "leader", &self.leader)?;
        put_string(out, "leader-url", &self.leader_url)?;
        out.put_i64(self.config_offset.get());
        put_work(out, &self.assigned)?;
        if self.version >= 1 {
            put_work(out, &self.revoked)?;
            out.put_i32(self.delay_ms);
        }
        Ok(())
    }

    /// Reads an assignment of any version.
    pub fn decode(bytes: &[u8]) -> Result<Self, GroupError> {
        let mut input = Input::new(bytes);
        let version = input.version()?;
        let error = input.i16("error")?;
        let leader = input.string("leader")?.into();
        let leader_url = input.string("leader-url")?.to_owned();
        let config_offset = Offset(input.i64("config-offset")?);
        let assigned = input.optional("assignment", Input::work)?;
        let revoked = input.optional("revoked", Input::work)?;
        let delay_ms = input.optional("delay", Input::i32)?;
        Ok(Self {
            version,
            error,
            leader,
            leader_url,
            config_offset,
            assigned,
            revoked,
            delay_ms,
        })
    }
}

impl MemberMetadata {
    /// Writes the metadata in the layout of its version.
    pub fn encode(&self) -> Result<Bytes, GroupError> {
        let mut out = BytesMut::with_capacity(128);
        out.put_i16(self.version);
        put_string(&mut out, "url", &self.url)?;
        out.put_i64(self.config_offset.get());
        if self.version >= 1 {
            match &self.allocation {
                None => out.put_i32(-1),
                Some(allocation) => {
                    let bytes = allocation.encode()?;
                    out.put_i32(length("allocation", bytes.len())?);
                    out.put_slice(&bytes);
                }
            }
        }
        Ok(out.freeze())
    }

    /// Reads metadata of any version.
    pub fn decode(bytes: &[u8]) -> Result<Self, GroupError> {
        let mut input = Input::new(bytes);
        let version = input.version()?;
        let url = input.string("url")?.to_owned();
        let config_offset = Offset(input.i64("config-offset")?);
        let allocation = input
            .optional("allocation", Input::nullable_bytes)?
            .map(Assignment::decode)
            .transpose()?;
        Ok(Self {
            version,
            url,
            config_offset,
            allocation,
        })
    }
}

/// Why metadata or an assignment can't be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The message ends inside a field.
    #[error("field {field:?}: message ends {missing} bytes early")]
    Truncated {
        /// Name of the field, as Kafka has it.
        field: &'static str,
        /// Bytes that are not there.
        missing: u64,
    },
    /// A field has a value it can't have.
    #[error("field {field:?}: {what}: {value}")]
    Invalid {
        /// Name of the field, as Kafka has it.
        field: &'static str,
        /// What is wrong with it, in words.
        what: &'static str,
        /// The value that was read.
        value: i64,
    },
    /// A text is not UTF-8.
    #[error("field {field:?}: no UTF-8 text")]
    NotText {
        /// Name of the field, as Kafka has it.
        field: &'static str,
    },
    /// A value is too long for its layout.
    #[error("field {field:?}: {length} bytes or entries are too many")]
    TooLong {
        /// Name of the field, as Kafka has it.
        field: &'static str,
        /// Its length in bytes or entries.
        length: usize,
    },
}

fn length(field: &'static str, length: usize) -> Result<i32, GroupError> {
    i32::try_from(length).map_err(|_| GroupError::TooLong { field, length })
}

fn put_string(out: &mut BytesMut, field: &'static str, text: &str) -> Result<(), GroupError> {
    let length = i16::try_from(text.len()).map_err(|_| GroupError::TooLong {
        field,
        length: text.len(),
    })?;
    out.put_i16(length);
    out.put_slice(text.as_bytes());
    Ok(())
}

/// Writes one entry per connector: those with an instance first, then those with tasks only.
fn put_work(out: &mut BytesMut, work: &Work) -> Result<(), GroupError> {
    let mut places: HashMap<&ConnectorName, usize> = HashMap::new();
    let mut entries: Vec<(&ConnectorName, Vec<i32>)> = Vec::new();
    let mut add = |connector, task| {
        let place = *places.entry(connector).or_insert_with(|| {
            entries.push((connector, Vec::new()));
            entries.len() - 1
        });
        if let Some((_, tasks)) = entries.get_mut(place) {
            tasks.push(task);
        }
    };
    for connector in &work.connectors {
        add(connector, CONNECTOR_TASK);
    }
    for id in &work.tasks {
        let task = i32::try_from(id.task).map_err(|_| GroupError::Invalid {
            field: "tasks",
            what: "task number out of range",
            value: i64::from(id.task),
        })?;
        add(&id.connector, task);
    }
    out.put_i32(length("assignment", entries.len())?);
    for (connector, tasks) in entries {
        put_string(out, "connector", connector)?;
        out.put_i32(length("tasks", tasks.len())?);
        for task in tasks {
            out.put_i32(task);
        }
    }
    Ok(())
}

/// The unread rest of a message.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], GroupError> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(GroupError::Truncated {
                field,
                missing: (count - self.rest.len()) as u64,
            }),
        }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], GroupError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(field, N)?);
        Ok(bytes)
    }

    fn i16(&mut self, field: &'static str) -> Result<i16, GroupError> {
        self.array(field).map(i16::from_be_bytes)
    }

    fn i32(&mut self, field: &'static str) -> Result<i32, GroupError> {
        self.array(field).map(i32::from_be_bytes)
    }

    fn i64(&mut self, field: &'static str) -> Result<i64, GroupError> {
        self.array(field).map(i64::from_be_bytes)
    }

    fn version(&mut self) -> Result<i16, GroupError> {
        let version = self.i16("version")?;
        if version < 0 {
            return Err(GroupError::Invalid {
                field: "version",
                what: "negative version",
                value: i64::from(version),
            });
        }
        Ok(version)
    }

    fn string(&mut self, field: &'static str) -> Result<&'a str, GroupError> {
        let length = self.i16(field)?;
        let length = usize::try_from(length).map_err(|_| GroupError::Invalid {
            field,
            what: "negative length",
            value: i64::from(length),
        })?;
        std::str::from_utf8(self.take(field, length)?).map_err(|_| GroupError::NotText { field })
    }

    fn nullable_bytes(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, GroupError> {
        match self.i32(field)? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| GroupError::Invalid {
                    field,
                    what: "negative length",
                    value: i64::from(length),
                })?;
                self.take(field, length).map(Some)
            }
        }
    }

    /// Count of an array whose entries take at least `least` bytes each; null counts as 0.
    fn count(&mut self, field: &'static str, least: usize) -> Result<usize, GroupError> {
        let count = self.i32(field)?;
        if count == -1 {
            return Ok(0);
        }
        let count = usize::try_from(count).map_err(|_| GroupError::Invalid {
            field,
            what: "negative count",
            value: i64::from(count),
        })?;
        let missing = (count as u64)
            .saturating_mul(least as u64)
            .saturating_sub(self.rest.len() as u64);
        if missing > 0 {
            return Err(GroupError::Truncated { field, missing });
        }
        Ok(count)
    }

    fn work(&mut self, field: &'static str) -> Result<Work, GroupError> {
        let mut work = Work::default();
        for _ in 0..self.count(field, 6)? {
            let connector = ConnectorName::from(self.string("connector")?);
            for _ in 0..self.count("tasks", 4)? {
                match self.i32("tasks")? {
                    CONNECTOR_TASK => work.connectors.push(connector.clone()),
                    task => {
                        let task = u32::try_from(task).map_err(|_| GroupError::Invalid {
                            field: "tasks",
                            what: "task number out of range",
                            value: i64::from(task),
                        })?;
                        work.tasks.push(ConnectorTaskId {
                            connector: connector.clone(),
                            task,
                        });
                    }
                }
            }
        }
        Ok(work)
    }

    /// A field that may be missing at the end of the message.
    fn optional<T: Default>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, GroupError>,
    ) -> Result<T, GroupError> {
        if self.rest.is_empty() {
            return Ok(T::default());
        }
        read(self, field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:18083/";
    const LEADER: &str = "connect-127.0.0.1:18083-420fffc7-6ee0-468d-8c91-cdb711e15422";

    /// Bytes from hexadecimal digits; quoted parts are text.
    fn wire(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, part) in text.split('"').enumerate() {
            if index % 2 == 1 {
                bytes.extend_from_slice(part.as_bytes());
                continue;
            }
            let digits: Vec<u32> = part.chars().filter_map(|c| c.to_digit(16)).collect();
            bytes.extend(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8));
        }
        bytes
    }

    fn first_join() -> Vec<u8> {
        wire(&format!("0002 0017 \"{URL}\" ffffffffffffffff ffffffff"))
    }

    fn reply() -> Vec<u8> {
        wire(&format!(
            "0002 0000 003c \"{LEADER}\" 0017 \"{URL}\" ffffffffffffffff 00000000 00000000 00000000"
        ))
    }

    fn member_with_work() -> Vec<u8> {
        wire(&format!(
            "0002 0017 \"{URL}\" 0000000000000013 00000093 0002 0000 003c \"{LEADER}\" 0017 \"{URL}\" \
             0000000000000013 00000002 0006 \"conn-3\" 00000001 ffffffff 0006 \"conn-1\" 00000002 ffffffff \
             00000000 00000000 00003a98"
        ))
    }

    fn eager_assignment() -> Vec<u8> {
        wire(&format!(
            "0000 0000 003c \"{LEADER}\" 0017 \"{URL}\" 0000000000000013 \
             00000002 0006 \"conn-2\" 00000001 ffffffff 0006 \"conn-1\" 00000001 00000000"
        ))
    }

    #[test]
    fn captured_metadata_is_read_and_written_back_to_the_byte() {
        let first = MemberMetadata::decode(&first_join()).unwrap();
        assert_eq!(
            first,
            MemberMetadata {
                version: 2,
                url: URL.to_owned(),
                config_offset: Offset(-1),
                allocation: None,
            }
        );
        assert_eq!(first.encode().unwrap(), first_join());

        let busy = MemberMetadata::decode(&member_with_work()).unwrap();
        let allocation = busy.allocation.clone().unwrap();
        assert_eq!(busy.config_offset, Offset(0x13));
        assert_eq!(allocation.assigned.connectors, ["conn-3", "conn-1"]);
        assert_eq!(
            allocation.assigned.tasks,
            [ConnectorTaskId::new("conn-1", 0)]
        );
        assert_eq!(allocation.delay_ms, 15_000);
        assert_eq!(busy.encode().unwrap(), member_with_work());

        let eager = wire(&format!("0000 0017 \"{URL}\" 0000000000000013"));
        let read = MemberMetadata::decode(&eager).unwrap();
        assert_eq!(read.allocation, None);
        assert_eq!(read.encode().unwrap(), eager);
    }

    #[test]
    fn captured_assignments_are_read_and_written_back_to_the_byte() {
        let read = Assignment::decode(&reply()).unwrap();
        assert!(read.is_ok() && read.assigned.is_empty() && read.revoked.is_empty());
        assert_eq!(read.encode().unwrap(), reply());

        let read = Assignment::decode(&eager_assignment()).unwrap();
        assert_eq!(read.assigned.connectors, ["conn-2"]);
        assert_eq!(read.assigned.tasks, [ConnectorTaskId::new("conn-1", 0)]);
        assert_eq!(read.encode().unwrap(), eager_assignment());
    }

    #[test]
    fn a_message_may_end_behind_the_config_offset_and_nowhere_before() {
        let full = reply();
        let least = full.len() - 12;
        for end in 0..full.len() {
            let result = Assignment::decode(&full[..end]);
            let at_field_end = [least, least + 4, least + 8].contains(&end);
            assert_eq!(result.is_ok(), at_field_end, "{end}: {result:?}");
        }
        let full = member_with_work();
        for end in 0..full.len() {
            let result = MemberMetadata::decode(&full[..end]);
            assert_eq!(result.is_ok(), end == 2 + 2 + 23 + 8, "{end}: {result:?}");
        }
    }

    #[test]
    fn null_arrays_count_as_empty() {
        let bytes = wire("0001 0001 0001 \"L\" 0000 0000000000000005 ffffffff ffffffff 00000007");
        let read = Assignment::decode(&bytes).unwrap();
        assert!(read.assigned.is_empty() && read.revoked.is_empty());
        assert_eq!(
            (read.error, read.delay_ms),
            (Assignment::CONFIG_MISMATCH, 7)
        );
    }

    #[test]
    fn later_versions_are_read_and_negative_ones_refused() {
        let mut bytes = reply();
        bytes[1] = 9;
        assert_eq!(Assignment::decode(&bytes).unwrap().version, 9);
        bytes[0] = 0xff;
        assert_eq!(
            Assignment::decode(&bytes).unwrap_err().to_string(),
            "field \"version\": negative version: -247"
        );
    }

    #[test]
    fn huge_counts_and_lengths_are_refused_without_allocating() {
        let head = "0002 0000 0001 \"L\" 0000 0000000000000005";
        for (tail, field) in [
            ("7fffffff", "assignment"),
            ("80000000", "assignment"),
            ("00000001 7fff", "assignment"),
            ("00000001 0001 \"c\" 7fffffff 0000", "tasks"),
            ("00000001 0001 \"c\" 00000001 fffffffe 0000", "tasks"),
        ] {
            let error = Assignment::decode(&wire(&format!("{head} {tail}"))).unwrap_err();
            assert!(error.to_string().contains(field), "{tail}: {error}");
        }
        let error = MemberMetadata::decode(&wire("0002 0001 \"u\" 0000000000000005 7fffffff 00"))
            .unwrap_err();
        assert!(error.to_string().contains("allocation"), "{error}");
    }

    #[test]
    fn names_too_long_for_the_layout_are_an_error() {
        let metadata = MemberMetadata {
            version: 0,
            url: "x".repeat(40_000),
            config_offset: Offset(0),
            allocation: None,
        };
        assert!(matches!(
            metadata.encode(),
            Err(GroupError::TooLong { field: "url", .. })
        ));
    }
}
