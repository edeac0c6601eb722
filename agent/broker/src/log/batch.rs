//! Record batches of format 2, as bytes. The broker reads the header, checks the checksum and writes the base
//! offset and the leader epoch; the records stay as they are, but for compaction and lookups by time.

use std::io::Read as _;
use std::ops::Range;

use crate::codec::{put_varint, put_varlong};

/// Bytes in front of the records.
pub(crate) const HEADER: usize = 61;
/// Bytes before the part that the batch's length counts.
const LENGTH_PREFIX: usize = 12;
/// Where the part begins that the checksum covers.
const CRC_FROM: usize = 21;
/// Records of one batch are unpacked up to this size; larger ones are left alone by compaction.
const LARGEST_UNPACKED: u64 = 64 << 20;

const COMPRESSION: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// Why bytes are no acceptable batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    /// Shorter or longer than it says.
    #[error("batch is not complete")]
    Incomplete,
    /// Format 0 or 1.
    #[error("batch has format {0}")]
    Format(i8),
    /// The bytes were damaged.
    #[error("checksum does not match")]
    Checksum,
    /// Counts contradict each other.
    #[error("header contradicts itself")]
    Header,
    /// Its records cannot be read.
    #[error("records cannot be read")]
    Records,
}

/// The header of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: i64,
    /// Bytes of the whole batch.
    pub(crate) size: usize,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    if let Some(found) = bytes.get(at..at + N) {
        value.copy_from_slice(found);
    }
    value
}

impl BatchHeader {
    /// Reads the header of the first batch in `bytes`, which holds at least all of it.
    ///
    /// # Errors
    /// If the bytes end before the batch does, or it is of an old format.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() < LENGTH_PREFIX + 5 {
            return Err(BatchError::Incomplete);
        }
        let length = i32::from_be_bytes(field(bytes, 8));
        let [magic] = field::<1>(bytes, 16);
        let magic = i8::from_be_bytes([magic]);
        if magic != 2 {
            return Err(BatchError::Format(magic));
        }
        let size = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(LENGTH_PREFIX))
            .filter(|size| (HEADER..=bytes.len()).contains(size))
            .ok_or(BatchError::Incomplete)?;
        Ok(Self {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            size,
            attributes: i16::from_be_bytes(field(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)),
            producer_id: i64::from_be_bytes(field(bytes, 43)),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
            record_count: i32::from_be_bytes(field(bytes, 57)),
        })
    }

    /// Reads and checks a batch that a producer sent: checksum, counts, no control batch.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(bytes: &[u8]) -> Result<Self, BatchError> {
        let header = Self::read(bytes)?;
        if header.size != bytes.len() {
            return Err(BatchError::Incomplete);
        }
        let crc = u32::from_be_bytes(field(bytes, 17));
        if crc32c::crc32c(bytes.get(CRC_FROM..).unwrap_or_default()) != crc {
            return Err(BatchError::Checksum);
        }
        let counts = header.record_count > 0
            && header.last_offset_delta == header.record_count - 1
            && (header.attributes & COMPRESSION) <= 4
            && header.max_timestamp >= -1;
        let producer = if header.producer_id >= 0 {
            header.producer_epoch >= 0 && header.base_sequence >= 0
        } else {
            !header.is_transactional()
        };
        if counts && producer && !header.is_control() {
            Ok(header)
        } else {
            Err(BatchError::Header)
        }
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Sequence number of the last record; numbers go on at 0 after the largest.
    pub(crate) fn last_sequence(&self) -> i32 {
        advance_sequence(self.base_sequence, self.last_offset_delta)
    }
}

/// `sequence` and `delta` more, going on at 0 after the largest number.
pub(crate) fn advance_sequence(sequence: i32, delta: i32) -> i32 {
    sequence.checked_add(delta).unwrap_or_else(|| {
        let sum = i64::from(sequence) + i64::from(delta) - (i64::from(i32::MAX) + 1);
        i32::try_from(sum).unwrap_or(0)
    })
}

/// Writes what the broker decides: the offset of the first record and the leader epoch, which is always 0.
pub(crate) fn assign_offset(batch: &mut [u8], base_offset: i64) {
    if let Some(head) = batch.get_mut(..8) {
        head.copy_from_slice(&base_offset.to_be_bytes());
    }
    if let Some(epoch) = batch.get_mut(12..16) {
        epoch.copy_from_slice(&0_i32.to_be_bytes());
    }
}

/// Stamps a batch with the time of its arrival (`message.timestamp.type=LogAppendTime`).
pub(crate) fn stamp(batch: &mut [u8], now: i64) {
    let attributes = i16::from_be_bytes(field(batch, 21)) | LOG_APPEND_TIME;
    if let Some(at) = batch.get_mut(21..23) {
        at.copy_from_slice(&attributes.to_be_bytes());
    }
    if let Some(at) = batch.get_mut(35..43) {
        at.copy_from_slice(&now.to_be_bytes());
    }
    seal(batch);
}

/// Writes length and checksum.
fn seal(batch: &mut [u8]) {
    let length = i32::try_from(batch.len() - LENGTH_PREFIX).unwrap_or(i32::MAX);
    if let Some(at) = batch.get_mut(8..12) {
        at.copy_from_slice(&length.to_be_bytes());
    }
    let crc = crc32c::crc32c(batch.get(CRC_FROM..).unwrap_or_default());
    if let Some(at) = batch.get_mut(17..21) {
        at.copy_from_slice(&crc.to_be_bytes());
    }
}

/// The end of a transaction in a partition (`EndTransactionMarker`): a batch of one control record.
pub(crate) fn control_batch(
    base_offset: i64,
    producer_id: i64,
    producer_epoch: i16,
    committed: bool,
    now: i64,
) -> Vec<u8> {
    // Key: version 0 and the kind; value: version 0 and the coordinator's epoch.
    let key = [0, 0, 0, u8::from(committed)];
    let value = [0_u8; 6];
    let mut record = vec![0_u8];
    put_varlong(&mut record, 0);
    put_varint(&mut record, 0);
    put_varint(&mut record, 4);
    record.extend_from_slice(&key);
    put_varint(&mut record, 6);
    record.extend_from_slice(&value);
    put_varint(&mut record, 0);
    let mut batch = Vec::with_capacity(HEADER + record.len() + 1);
    batch.extend_from_slice(&base_offset.to_be_bytes());
    batch.extend_from_slice(&[0; 8]);
    batch.push(2);
    batch.extend_from_slice(&[0; 4]);
    batch.extend_from_slice(&(TRANSACTIONAL | CONTROL).to_be_bytes());
    batch.extend_from_slice(&0_i32.to_be_bytes());
    batch.extend_from_slice(&now.to_be_bytes());
    batch.extend_from_slice(&now.to_be_bytes());
    batch.extend_from_slice(&producer_id.to_be_bytes());
    batch.extend_from_slice(&producer_epoch.to_be_bytes());
    batch.extend_from_slice(&(-1_i32).to_be_bytes());
    batch.extend_from_slice(&1_i32.to_be_bytes());
    put_varint(&mut batch, i32::try_from(record.len()).unwrap_or(0));
    batch.extend_from_slice(&record);
    seal(&mut batch);
    batch
}

/// The records of a batch, unpacked.
#[derive(Debug)]
pub(crate) struct Records {
    header: BatchHeader,
    unpacked: Vec<u8>,
}

/// One record in [`Records`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub(crate) value: Option<&'a [u8]>,
    /// The record with its length.
    raw: Range<usize>,
}

impl Records {
    /// Unpacks the records of a whole batch.
    ///
    /// # Errors
    /// If they cannot be unpacked, or are too large for that.
    pub(crate) fn read(batch: &[u8]) -> Result<Self, BatchError> {
        let header = BatchHeader::read(batch)?;
        let packed = batch.get(HEADER..header.size).unwrap_or_default();
        let unpacked = match header.attributes & COMPRESSION {
            0 => packed.to_vec(),
            1 => unpack(flate2::read::GzDecoder::new(packed))?,
            2 => unpack_snappy(packed)?,
            3 => unpack(lz4_flex::frame::FrameDecoder::new(packed))?,
            4 => unpack(zstd::Decoder::with_buffer(packed).map_err(|_| BatchError::Records)?)?,
            _ => return Err(BatchError::Records),
        };
        Ok(Self { header, unpacked })
    }

    /// All records in order.
    ///
    /// # Errors
    /// If one of them is malformed.
    pub(crate) fn all(&self) -> Result<Vec<Record<'_>>, BatchError> {
        let mut records = Vec::new();
        let mut at = 0;
        for _ in 0..self.header.record_count {
            let record = self.record(at).ok_or(BatchError::Records)?;
            at = record.raw.end;
            records.push(record);
        }
        Ok(records)
    }

    fn record(&self, from: usize) -> Option<Record<'_>> {
        let mut cursor = Cursor {
            bytes: &self.unpacked,
            at: from,
        };
        let length = usize::try_from(cursor.varint()?).ok()?;
        let end = cursor.at.checked_add(length)?;
        self.unpacked.get(..end)?;
        cursor.bytes = self.unpacked.get(..end)?;
        cursor.at += 1;
        let timestamp = cursor.varlong()?;
        let offset = cursor.varint()?;
        let key = cursor.field()?;
        let value = cursor.field()?;
        let appended = self.header.attributes & LOG_APPEND_TIME != 0;
        Some(Record {
            offset: self.header.base_offset + i64::from(offset),
            timestamp: if appended {
                self.header.max_timestamp
            } else {
                self.header.base_timestamp.checked_add(timestamp)?
            },
            key,
            value,
            raw: from..end,
        })
    }

    /// The batch again with only the `kept` records, not compressed, at the same offsets.
    pub(crate) fn rebuild(&self, original: &[u8], kept: &[Record<'_>]) -> Vec<u8> {
        let mut batch = original.get(..HEADER).unwrap_or_default().to_vec();
        for record in kept {
            batch.extend_from_slice(self.unpacked.get(record.raw.clone()).unwrap_or_default());
        }
        let attributes = self.header.attributes & !COMPRESSION;
        if let Some(at) = batch.get_mut(21..23) {
            at.copy_from_slice(&attributes.to_be_bytes());
        }
        let count = i32::try_from(kept.len()).unwrap_or(i32::MAX);
        if let Some(at) = batch.get_mut(57..61) {
            at.copy_from_slice(&count.to_be_bytes());
        }
        seal(&mut batch);
        batch
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn varlong(&mut self) -> Option<i64> {
        let mut raw = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            raw |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let half = i64::try_from(raw >> 1).ok()?;
                return Some(if raw & 1 == 0 { half } else { -half - 1 });
            }
        }
        None
    }

    fn varint(&mut self) -> Option<i32> {
        i32::try_from(self.varlong()?).ok()
    }

    /// Bytes with their length; the outer `None` is damage, the inner one null.
    #[expect(clippy::option_option, reason = "damage and null differ")]
    fn field(&mut self) -> Option<Option<&'a [u8]>> {
        let length = self.varint()?;
        if length == -1 {
            return Some(None);
        }
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        let field = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(Some(field))
    }
}

fn unpack(reader: impl std::io::Read) -> Result<Vec<u8>, BatchError> {
    let mut unpacked = Vec::new();
    let size = reader
        .take(LARGEST_UNPACKED + 1)
        .read_to_end(&mut unpacked)
        .map_err(|_| BatchError::Records)?;
    if size as u64 > LARGEST_UNPACKED {
        return Err(BatchError::Records);
    }
    Ok(unpacked)
}

/// Snappy as Java's library frames it: a header of 16 bytes, then blocks with their length; or one bare
/// block.
fn unpack_snappy(packed: &[u8]) -> Result<Vec<u8>, BatchError> {
    const MAGIC: &[u8] = b"\x82SNAPPY\0";
    let mut decoder = snap::raw::Decoder::new();
    let mut block = |bytes: &[u8], room: u64| {
        let size = snap::raw::decompress_len(bytes).map_err(|_| BatchError::Records)?;
        if size as u64 > room {
            return Err(BatchError::Records);
        }
        decoder
            .decompress_vec(bytes)
            .map_err(|_| BatchError::Records)
    };
    if !packed.starts_with(MAGIC) {
        return block(packed, LARGEST_UNPACKED);
    }
    let mut rest = packed.get(16..).ok_or(BatchError::Records)?;
    let mut unpacked = Vec::new();
    while !rest.is_empty() {
        let (length, tail) = rest.split_at_checked(4).ok_or(BatchError::Records)?;
        let length = u32::from_be_bytes(field(length, 0)) as usize;
        let (bytes, tail) = tail.split_at_checked(length).ok_or(BatchError::Records)?;
        unpacked.extend(block(bytes, LARGEST_UNPACKED - unpacked.len() as u64)?);
        rest = tail;
    }
    Ok(unpacked)
}
