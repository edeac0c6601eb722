//! Keys of the store. Numbers are big-endian, so that they sort.

/// Names a partition in the store; the number of one that was deleted is never given again, so that what is
/// left of it cannot be taken for records of another.
pub(crate) type PartitionId = u64;

/// What a key of the state begins with.
pub(crate) mod tag {
    pub(crate) const CLUSTER: u8 = b'C';
    pub(crate) const TOPIC: u8 = b'T';
    pub(crate) const PARTITION: u8 = b'P';
    pub(crate) const SEGMENT: u8 = b'S';
    pub(crate) const PRODUCER: u8 = b'Q';
    pub(crate) const ABORTED: u8 = b'A';
    pub(crate) const TRANSACTION: u8 = b'X';
    pub(crate) const GROUP: u8 = b'G';
    pub(crate) const OFFSET: u8 = b'O';
    /// Partitions whose batches are to be removed.
    pub(crate) const DELETED: u8 = b'D';
}

/// Key of a batch in the log: partition and last offset, so that the batch with an offset is the first at or
/// after it.
pub(crate) fn batch(partition: PartitionId, last_offset: i64) -> [u8; 16] {
    let mut key = [0; 16];
    let (head, tail) = key.split_at_mut(8);
    head.copy_from_slice(&partition.to_be_bytes());
    tail.copy_from_slice(&last_offset.to_be_bytes());
    key
}

/// The last offset in a key of the log.
pub(crate) fn batch_offset(key: &[u8]) -> Option<i64> {
    key.get(8..16)?.try_into().ok().map(i64::from_be_bytes)
}

/// A tag and a partition.
pub(crate) fn partition(tag: u8, partition: PartitionId) -> Vec<u8> {
    let mut key = vec![tag];
    key.extend_from_slice(&partition.to_be_bytes());
    key
}

/// A tag, a partition and a number in it.
pub(crate) fn in_partition(tag: u8, id: PartitionId, number: i64) -> Vec<u8> {
    let mut key = partition(tag, id);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// Partition and number of a key made by [`in_partition`].
pub(crate) fn parse_in_partition(key: &[u8]) -> Option<(PartitionId, i64)> {
    let id = key
        .get(1..9)?
        .try_into()
        .ok()
        .map(PartitionId::from_be_bytes)?;
    let number = key.get(9..17)?.try_into().ok().map(i64::from_be_bytes)?;
    Some((id, number))
}

/// A tag and a name.
pub(crate) fn named(tag: u8, name: &str) -> Vec<u8> {
    let mut key = vec![tag];
    key.extend_from_slice(name.as_bytes());
    key
}

/// The name in a key made by [`named`].
pub(crate) fn parse_named(key: &[u8]) -> Option<String> {
    String::from_utf8(key.get(1..)?.to_vec()).ok()
}

/// What all offsets of a group begin with.
pub(crate) fn offsets_of(group: &str) -> Vec<u8> {
    let mut key = vec![tag::OFFSET];
    put_text(&mut key, group);
    key
}

/// The committed offset of a group in a partition.
pub(crate) fn offset(group: &str, topic: &str, partition: i32) -> Vec<u8> {
    let mut key = offsets_of(group);
    put_text(&mut key, topic);
    key.extend_from_slice(&partition.to_be_bytes());
    key
}

/// Group, topic and partition of a key made by [`offset`].
pub(crate) fn parse_offset(key: &[u8]) -> Option<(String, String, i32)> {
    let mut reader = crate::codec::Reader::bare(key.get(1..)?);
    Some((reader.text()?, reader.text()?, reader.i32()?))
}

fn put_text(key: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    key.extend_from_slice(&length.to_be_bytes());
    key.extend_from_slice(text.as_bytes());
}
