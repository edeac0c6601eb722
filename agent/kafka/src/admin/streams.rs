//! StreamsGroupDescribe (KIP-1071), which the protocol crate does not have yet: its frames by the layouts of
//! Kafka's own definitions (`agent/wire/src/layouts.rs`), as far as groups are described.

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use kafka_protocol::messages::GroupId;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};

use super::groups::{DescribedGroup, DescribedMember, GroupType};
use crate::types::TopicPartition;

/// Number of this API, as brokers list it.
const STREAMS_GROUP_DESCRIBE: i16 = 89;
const VERSIONS: VersionRange = VersionRange { min: 0, max: 0 };

/// A request about groups, by their ids.
pub(super) struct StreamsGroupDescribeRequest {
    groups: Vec<GroupId>,
}

impl StreamsGroupDescribeRequest {
    /// Asks about these groups, without what we may do with them.
    pub(super) fn of(groups: &[GroupId]) -> Self {
        Self {
            groups: groups.to_vec(),
        }
    }
}

impl Message for StreamsGroupDescribeRequest {
    const VERSIONS: VersionRange = VERSIONS;
    const DEPRECATED_VERSIONS: Option<VersionRange> = None;
}

impl HeaderVersion for StreamsGroupDescribeRequest {
    fn header_version(_version: i16) -> i16 {
        2
    }
}

impl Request for StreamsGroupDescribeRequest {
    const KEY: i16 = STREAMS_GROUP_DESCRIBE;
    type Response = StreamsGroupDescribeResponse;
}

impl Encodable for StreamsGroupDescribeRequest {
    fn encode<B: ByteBufMut>(&self, buf: &mut B, _version: i16) -> Result<()> {
        put_length(buf, self.groups.len())?;
        for group in &self.groups {
            put_length(buf, group.len())?;
            buf.put_slice(group.as_bytes());
        }
        // Operations that we may do are not asked for, and there are no tagged fields.
        buf.put_slice(&[0, 0]);
        Ok(())
    }

    fn compute_size(&self, version: i16) -> Result<usize> {
        let mut bytes = bytes::BytesMut::new();
        self.encode(&mut bytes, version)?;
        Ok(bytes.len())
    }
}

/// A client never reads one; the protocol crate's trait wants it.
impl Decodable for StreamsGroupDescribeRequest {
    fn decode<B: ByteBuf>(_buf: &mut B, _version: i16) -> Result<Self> {
        bail!("a request is not read by a client")
    }
}

/// A compact length: one more than it is.
fn put_length<B: ByteBufMut>(buf: &mut B, length: usize) -> Result<()> {
    let mut rest = u32::try_from(length)?.saturating_add(1);
    while rest >= 0x80 {
        buf.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    buf.put_u8(rest as u8);
    Ok(())
}

/// The answer, as far as groups are described.
pub(super) struct StreamsGroupDescribeResponse {
    groups: Vec<(GroupId, i16, DescribedGroup)>,
}

impl StreamsGroupDescribeResponse {
    /// The groups, each with the code of its error.
    pub(super) fn described(self) -> Vec<(GroupId, i16, DescribedGroup)> {
        self.groups
    }
}

impl Message for StreamsGroupDescribeResponse {
    const VERSIONS: VersionRange = VERSIONS;
    const DEPRECATED_VERSIONS: Option<VersionRange> = None;
}

impl HeaderVersion for StreamsGroupDescribeResponse {
    fn header_version(_version: i16) -> i16 {
        1
    }
}

/// A client never writes one; the protocol crate's trait wants it.
impl Encodable for StreamsGroupDescribeResponse {
    fn encode<B: ByteBufMut>(&self, _buf: &mut B, _version: i16) -> Result<()> {
        bail!("an answer is not written by a client")
    }

    fn compute_size(&self, _version: i16) -> Result<usize> {
        bail!("an answer is not written by a client")
    }
}

impl Decodable for StreamsGroupDescribeResponse {
    fn decode<B: ByteBuf>(buf: &mut B, _version: i16) -> Result<Self> {
        let mut read = Read(buf);
        read.i32()?; // throttle time
        let groups = read.array(Read::group)?;
        read.tags()?;
        Ok(Self { groups })
    }
}

/// Topics of a part of the topology, by its id.
type Subtopology = (StrBytes, Vec<StrBytes>);
/// Partitions of a part of the topology that a member works on.
type Tasks = (StrBytes, Vec<i32>);

/// Reads the fields of a flexible version. The lengths were walked before ([`sluice_wire::answer`]).
struct Read<'a, B>(&'a mut B);

impl<B: ByteBuf> Read<'_, B> {
    fn group(&mut self) -> Result<(GroupId, i16, DescribedGroup)> {
        let code = self.0.try_get_i16()?;
        self.text()?; // error message
        let id = self.text()?;
        let state = self.text()?;
        self.i32()?; // group epoch
        self.i32()?; // assignment epoch
        let topology = self.optional(Self::topology)?.unwrap_or_default();
        let members = self.array(|read| read.member(&topology))?;
        self.i32()?; // authorized operations
        self.tags()?;
        let described = DescribedGroup {
            group_type: GroupType::Streams,
            state: state.to_string(),
            protocol_type: "streams".to_owned(),
            protocol: String::new(),
            members,
        };
        Ok((GroupId(id), code, described))
    }

    fn topology(&mut self) -> Result<Vec<Subtopology>> {
        self.i32()?; // epoch
        let subtopologies = self.array(Self::subtopology)?;
        self.tags()?;
        Ok(subtopologies)
    }

    fn subtopology(&mut self) -> Result<Subtopology> {
        let id = self.text()?;
        let mut sources = self.array(Self::text)?;
        self.array(Self::text)?; // repartition sinks
        self.array(Self::topic)?; // changelogs
        sources.extend(self.array(Self::topic)?);
        self.tags()?;
        Ok((id, sources))
    }

    fn topic(&mut self) -> Result<StrBytes> {
        let name = self.text()?;
        self.i32()?; // partitions
        self.0.try_get_i16()?; // replication factor
        self.array(Self::pair)?; // configs
        self.tags()?;
        Ok(name)
    }

    fn pair(&mut self) -> Result<()> {
        self.text()?;
        self.text()?;
        self.tags()
    }

    fn member(&mut self, topology: &[Subtopology]) -> Result<DescribedMember> {
        let member_id = self.text()?;
        self.i32()?; // member epoch
        self.text()?; // instance id
        self.text()?; // rack id
        let client_id = self.text()?;
        let client_host = self.text()?;
        self.i32()?; // topology epoch
        self.text()?; // process id
        self.optional(|read| {
            read.text()?; // host
            read.0.try_get_u16()?; // port
            read.tags()
        })?;
        self.array(Self::pair)?; // client tags
        self.array(Self::task_offset)?;
        self.array(Self::task_offset)?; // end offsets
        let active = self.assignment()?;
        self.assignment()?; // target
        self.0.try_get_u8()?; // is classic
        self.tags()?;
        Ok(DescribedMember {
            member_id: member_id.to_string(),
            client_id: client_id.to_string(),
            client_host: client_host.to_string(),
            metadata: Bytes::new(),
            assignment: Bytes::new(),
            partitions: partitions(topology, &active),
        })
    }

    fn task_offset(&mut self) -> Result<()> {
        self.text()?;
        self.i32()?; // partition
        self.0.try_get_i64()?; // offset
        self.tags()
    }

    /// The active tasks of an assignment; its others read nothing new.
    fn assignment(&mut self) -> Result<Vec<Tasks>> {
        let active = self.array(Self::tasks)?;
        self.array(Self::tasks)?; // standby
        self.array(Self::tasks)?; // warm-up
        self.tags()?;
        Ok(active)
    }

    fn tasks(&mut self) -> Result<Tasks> {
        let subtopology = self.text()?;
        let partitions = self.array(Self::i32)?;
        self.tags()?;
        Ok((subtopology, partitions))
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(self.0.try_get_i32()?)
    }

    /// A compact length; `None` is null.
    fn length(&mut self) -> Result<Option<usize>> {
        Ok((self.varint()? as usize).checked_sub(1))
    }

    fn varint(&mut self) -> Result<u32> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.0.try_get_u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("a length has more than five bytes")
    }

    /// A text; null is an empty one.
    fn text(&mut self) -> Result<StrBytes> {
        let length = self.length()?.unwrap_or(0);
        Ok(StrBytes::try_from(self.0.try_get_bytes(length)?)?)
    }

    /// Elements; null has none. Room is made for one after the other, whatever the count claims.
    fn array<T>(&mut self, mut element: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.length()?.unwrap_or(0);
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        match self.0.try_get_i8()? {
            -1 => Ok(None),
            marker => {
                ensure!(marker == 1, "a struct begins with {marker}");
                read(self).map(Some)
            }
        }
    }

    /// Passes over tagged fields, none of which is known.
    fn tags(&mut self) -> Result<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let size = self.varint()? as usize;
            self.0.try_get_bytes(size)?;
        }
        Ok(())
    }
}

/// What tasks read: their partition of each topic that feeds their part of the topology.
fn partitions(topology: &[Subtopology], tasks: &[Tasks]) -> Vec<TopicPartition> {
    let mut found = Vec::new();
    for (subtopology, partitions) in tasks {
        let topics = topology.iter().find(|(id, _)| id == subtopology);
        for topic in topics.into_iter().flat_map(|(_, topics)| topics) {
            let of = |partition: &i32| TopicPartition::new(topic.as_str(), *partition);
            found.extend(partitions.iter().map(of));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts fields of a flexible version one behind the other.
    #[derive(Default)]
    struct Write(Vec<u8>);

    impl Write {
        fn bytes(mut self, bytes: &[u8]) -> Self {
            self.0.extend(bytes);
            self
        }

        fn text(self, text: &str) -> Self {
            let length = u8::try_from(text.len() + 1).unwrap();
            self.bytes(&[length]).bytes(text.as_bytes())
        }

        fn i32(self, number: i32) -> Self {
            self.bytes(&number.to_be_bytes())
        }

        fn count(self, count: u8) -> Self {
            self.bytes(&[count + 1])
        }

        /// Ends a struct, with no tagged fields.
        fn end(self) -> Self {
            self.bytes(&[0])
        }

        fn topic(self, name: &str) -> Self {
            let topic = self.text(name).i32(2).bytes(&[0, 1]);
            topic.count(1).text("k").text("v").end().end()
        }

        fn tasks(self, subtopology: &str, partitions: &[i32]) -> Self {
            let count = u8::try_from(partitions.len()).unwrap();
            let tasks = self.count(1).text(subtopology).count(count);
            partitions.iter().fold(tasks, |to, p| to.i32(*p)).end()
        }

        fn member(self) -> Self {
            let member = self.text("m").i32(4).bytes(&[0]).bytes(&[0]);
            let member = member.text("app-1").text("/127.0.0.1").i32(1).text("p");
            let endpoint = member.bytes(&[1]).text("h").bytes(&[0x23, 0x84]).end();
            let tags = endpoint.count(1).text("zone").text("a").end();
            let offsets = tags.count(1).text("0").i32(1).bytes(&[0; 8]).end().count(0);
            let active = offsets.tasks("0", &[0, 1]).tasks("0", &[2]).count(0).end();
            active.count(0).count(0).count(0).end().bytes(&[0]).end()
        }
    }

    fn answer() -> Vec<u8> {
        let head = Write::default().i32(0).count(2);
        let group = head
            .bytes(&[0, 0, 0])
            .text("app")
            .text("Stable")
            .i32(3)
            .i32(3);
        let topology = group.bytes(&[1]).i32(1).count(1).text("0");
        let topics = topology.count(1).text("in").count(1).text("sink");
        let topics = topics.count(1).topic("changes").count(1).topic("again");
        let members = topics.end().end().count(1).member();
        let unknown = members
            .i32(i32::MIN)
            .end()
            .bytes(&[0, 69])
            .text("none")
            .text("x");
        let unknown = unknown.text("Dead").i32(0).i32(0).bytes(&[0xff]).count(0);
        unknown.i32(i32::MIN).end().end().0
    }

    #[test]
    fn a_streams_group_is_described_with_the_partitions_that_its_members_work_on() {
        let bytes = answer();
        // What is written here is what Kafka's definitions say.
        sluice_wire::answer(STREAMS_GROUP_DESCRIBE, 0, &bytes).unwrap();
        let mut left = Bytes::from(bytes);
        let groups = StreamsGroupDescribeResponse::decode(&mut left, 0).unwrap();
        assert!(left.is_empty());
        let [(id, code, group), (other, error, _)] = &groups.described()[..] else {
            panic!("not two groups");
        };
        assert_eq!(
            (id.as_str(), *code, other.as_str(), *error),
            ("app", 0, "x", 69)
        );
        assert_eq!(
            (group.group_type, group.state.as_str()),
            (GroupType::Streams, "Stable")
        );
        let [member] = &group.members[..] else {
            panic!("{:?}", group.members);
        };
        assert_eq!(
            (member.member_id.as_str(), member.client_id.as_str()),
            ("m", "app-1")
        );
        let read: Vec<String> = member.partitions.iter().map(ToString::to_string).collect();
        assert_eq!(read, ["in-0", "in-1", "again-0", "again-1"]);
    }

    #[test]
    fn an_answer_that_ends_early_is_an_error() {
        let bytes = answer();
        for cut in 0..bytes.len() {
            let mut left = Bytes::copy_from_slice(&bytes[..cut]);
            assert!(
                StreamsGroupDescribeResponse::decode(&mut left, 0).is_err(),
                "{cut}"
            );
        }
    }

    #[test]
    fn a_request_is_what_kafkas_definitions_say() {
        let ids = ["a", "long-enough-for-a-length-of-two-bytes"].map(|id| id.repeat(4));
        let request = StreamsGroupDescribeRequest::of(&ids.map(|id| GroupId(id.into())));
        let mut bytes = bytes::BytesMut::new();
        request.encode(&mut bytes, 0).unwrap();
        sluice_wire::request(STREAMS_GROUP_DESCRIBE, 0, &bytes).unwrap();
        assert_eq!(request.compute_size(0).unwrap(), bytes.len());
    }
}
