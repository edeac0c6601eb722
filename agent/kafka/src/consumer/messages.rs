//! librdkafka's messages, taken from its queue in batches and copied to records.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::slice;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys::bindings as rd;
use sluice_api::record::shared_name;
use sluice_api::{ConnectError, ErrorKind, RawRecord, TimestampType, TopicPartition};

use super::ConsumerEvent;
use super::native::Native;

/// Values of this many bytes are not copied: they keep their message.
const LARGE: usize = 1024;
/// Bytes of a record before its key and value at most: its length, attributes, differences of timestamp and
/// offset, and the lengths of key and value.
const FIELDS: usize = 5 + 1 + 10 + 5 + 5 + 5;
/// Messages of one batch at most, since `max.poll.records` may be any number.
const MOST: usize = 100_000;

/// A message that lives as long as somebody has its value.
struct LargeValue {
    message: *mut rd::rd_kafka_message_t,
    client: Option<Arc<Native>>,
}

// SAFETY: nobody else has the message, which is only read; the client may be used from any thread.
unsafe impl Send for LargeValue {}
// SAFETY: as above.
unsafe impl Sync for LargeValue {}

impl AsRef<[u8]> for LargeValue {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the message is live and has a value of that length.
        unsafe { slice::from_raw_parts((*self.message).payload.cast::<u8>(), (*self.message).len) }
    }
}

impl Drop for LargeValue {
    fn drop(&mut self) {
        // SAFETY: the message is given back once, and before its client.
        unsafe { rd::rd_kafka_message_destroy(self.message) }
        if let Some(last) = self.client.take().and_then(Arc::into_inner) {
            // The consumer was closed before. What is left of it waits for its threads, which may hold up
            // nobody.
            let _ = std::thread::Builder::new().spawn(move || drop(last));
        }
    }
}

/// Room for a batch of messages, used again for each.
pub(super) struct MessageBatch {
    messages: Vec<*mut rd::rd_kafka_message_t>,
    topics: Vec<ByteString>,
}

// SAFETY: `messages` holds no message between calls, only its room is kept.
unsafe impl Send for MessageBatch {}
// SAFETY: as above; what uses `messages` takes `&mut self`.
unsafe impl Sync for MessageBatch {}

impl MessageBatch {
    /// Room for this many messages at once, or for [`MOST`].
    pub(super) fn new(max_records: usize) -> Self {
        Self {
            messages: Vec::with_capacity(max_records.clamp(1, MOST)),
            topics: Vec::new(),
        }
    }

    /// Appends the records that the client's queue has now; its errors become events. Answers whether the
    /// room was filled, so that there may be more.
    pub(super) fn take(&mut self, native: &Arc<Native>, records: &mut Vec<RawRecord>) -> bool {
        let room = self.messages.capacity();
        // SAFETY: the queue is live; at most `room` pointers are written, and as many as answered are
        // initialised.
        let count = unsafe {
            let count =
                rd::rd_kafka_consume_batch_queue(native.queue, 0, self.messages.as_mut_ptr(), room);
            let count = usize::try_from(count).unwrap_or(0);
            self.messages.set_len(count);
            count
        };
        // SAFETY: the messages are live until they are destroyed, below or with their values.
        unsafe {
            self.copy(native, records);
            for message in self.messages.drain(..) {
                if !is_large(message) {
                    rd::rd_kafka_message_destroy(message);
                }
            }
        }
        count == room
    }

    /// Copies `self.messages` to records, which take over those with large values.
    ///
    /// # Safety
    /// All messages are live.
    unsafe fn copy(&mut self, client: &Arc<Native>, records: &mut Vec<RawRecord>) {
        let shared = &client.shared;
        // SAFETY: fields of live messages are read within their lengths.
        unsafe {
            let records_only = || self.messages.iter().filter(|message| is_record(**message));
            let copied = records_only().map(|message| {
                let raw = &**message;
                raw.key_len + if is_large(*message) { 0 } else { raw.len }
            });
            let mut block = BytesMut::with_capacity(copied.sum());
            for message in records_only() {
                let raw = &**message;
                append(&mut block, raw.key, raw.key_len);
                if !is_large(*message) {
                    append(&mut block, raw.payload, raw.len);
                }
            }
            let block = block.freeze();
            let mut position = 0;
            let mut take = |pointer: *mut c_void, len: usize| {
                if pointer.is_null() {
                    return None;
                }
                let slice = block.slice(position..position + len);
                position += len;
                Some(slice)
            };
            let mut last_topic = (ptr::null_mut(), ByteString::new());
            records.reserve(self.messages.len());
            for (index, message) in self.messages.iter().enumerate() {
                let raw = &**message;
                if raw.err == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF {
                    let topic = CStr::from_ptr(rd::rd_kafka_topic_name(raw.rkt)).to_string_lossy();
                    let ended = TopicPartition::new(&*topic, raw.partition);
                    shared.push(ConsumerEvent::EndOfPartition(ended));
                    continue;
                }
                if !is_record(*message) {
                    let text =
                        CStr::from_ptr(rd::rd_kafka_message_errstr(*message)).to_string_lossy();
                    let no_matter = shared.group.is_none()
                        && raw.err
                            == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
                    if raw.err == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
                        && !raw.rkt.is_null()
                    {
                        let topic =
                            CStr::from_ptr(rd::rd_kafka_topic_name(raw.rkt)).to_string_lossy();
                        let partition = TopicPartition::new(&*topic, raw.partition);
                        let error = ConnectError::new(ErrorKind::Kafka, text.into_owned());
                        shared.push(ConsumerEvent::NoOffset(partition, error));
                    } else if !no_matter {
                        shared.push(message_error(raw.err, &text, shared.group.as_deref()));
                    }
                    continue;
                }
                if last_topic.0 != raw.rkt {
                    let name = CStr::from_ptr(rd::rd_kafka_topic_name(raw.rkt)).to_bytes();
                    last_topic = (raw.rkt, self_topic(&mut self.topics, name));
                }
                let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
                let timestamp = rd::rd_kafka_message_timestamp(*message, &raw mut kind);
                records.push(RawRecord {
                    topic: last_topic.1.clone(),
                    partition: raw.partition,
                    offset: raw.offset,
                    timestamp,
                    timestamp_type: match kind {
                        rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => {
                            TimestampType::CreateTime
                        }
                        rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => {
                            TimestampType::LogAppendTime
                        }
                        _ => TimestampType::NoTimestampType,
                    },
                    key: take(raw.key, raw.key_len),
                    value: if is_large(*message) {
                        Some(Bytes::from_owner(LargeValue {
                            message: *message,
                            client: Some(Arc::clone(client)),
                        }))
                    } else {
                        take(raw.payload, raw.len)
                    },
                    headers: match self.messages.get(index + 1) {
                        Some(next) if is_without_headers(*message, *next) => Vec::new(),
                        _ => headers_of(*message),
                    },
                });
            }
        }
    }
}

/// The shared text of a topic's name.
fn self_topic(topics: &mut Vec<ByteString>, name: &[u8]) -> ByteString {
    if let Some(known) = topics.iter().find(|topic| topic.as_bytes()[..] == *name) {
        return known.clone();
    }
    let topic = shared_name(&String::from_utf8_lossy(name));
    topics.push(topic.clone());
    topic
}

/// # Safety
/// `message` is live.
unsafe fn is_record(message: *const rd::rd_kafka_message_t) -> bool {
    // SAFETY: as this function demands.
    unsafe { (*message).err == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR }
}

/// Whether the value keeps its message.
///
/// # Safety
/// `message` is live.
unsafe fn is_large(message: *const rd::rd_kafka_message_t) -> bool {
    // SAFETY: as this function demands.
    unsafe { is_record(message) && !(*message).payload.is_null() && (*message).len >= LARGE }
}

/// # Safety
/// `pointer` is null or has `len` bytes.
unsafe fn append(block: &mut BytesMut, pointer: *const c_void, len: usize) {
    if !pointer.is_null() && len > 0 {
        // SAFETY: as this function demands.
        block.extend_from_slice(unsafe { slice::from_raw_parts(pointer.cast::<u8>(), len) });
    }
}

/// Whether a record surely has no headers. librdkafka makes a buffer for the headers before it looks, and
/// that costs a third of all that a small record costs here.
///
/// In the format of record batches, the only one that has leader epochs, the number of headers follows the
/// value and belongs to the record. A broker that breaks the format could leave it out; so the byte is read
/// only where the next record of the partition begins right behind it: between the two are the number and at
/// most [`FIELDS`] bytes of the next record.
///
/// That key and value of a message point into the fetch as it came is how librdkafka's version works that
/// Cargo.toml pins, and promised nowhere. `agent/tests/batch_consumer.rs` compares headers of every kind.
///
/// # Safety
/// Both are live.
unsafe fn is_without_headers(
    message: *const rd::rd_kafka_message_t,
    next: *const rd::rd_kafka_message_t,
) -> bool {
    // SAFETY: fields of live messages are read; the byte's place is looked at before it is.
    unsafe {
        let (raw, next) = (&*message, &*next);
        let begin = if next.key_len > 0 {
            next.key
        } else {
            next.payload
        };
        let follows = next.rkt == raw.rkt
            && next.partition == raw.partition
            && next.offset.checked_sub(1) == Some(raw.offset);
        if !follows
            || raw.payload.is_null()
            || raw.len == 0
            || rd::rd_kafka_message_leader_epoch(message) < 0
        {
            return false;
        }
        let count = raw.payload.cast::<u8>().wrapping_add(raw.len);
        let distance = begin.addr().wrapping_sub(count.addr());
        (1..=1 + FIELDS).contains(&distance) && *count == 0
    }
}

/// # Safety
/// `message` is live.
unsafe fn headers_of(message: *const rd::rd_kafka_message_t) -> Vec<(ByteString, Option<Bytes>)> {
    let mut headers = ptr::null_mut();
    let mut list = Vec::new();
    // SAFETY: the headers belong to the message; names are terminated, values have the length told.
    unsafe {
        let code = rd::rd_kafka_message_headers(message, &raw mut headers);
        if code != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return list;
        }
        for index in 0.. {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            let code = rd::rd_kafka_header_get_all(
                headers,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut size,
            );
            if code != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                break;
            }
            let name = CStr::from_ptr(name).to_string_lossy().into_owned();
            let value = (!value.is_null())
                .then(|| Bytes::copy_from_slice(slice::from_raw_parts(value.cast::<u8>(), size)));
            list.push((name.into(), value));
        }
    }
    list
}

fn message_error(code: rd::rd_kafka_resp_err_t, text: &str, group: Option<&str>) -> ConsumerEvent {
    use rd::rd_kafka_resp_err_t as e;
    let name = format!("{:?}", RDKafkaErrorCode::from(code));
    let text = match (code, group) {
        (
            e::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED | e::RD_KAFKA_RESP_ERR_INVALID_GROUP_ID,
            Some(group),
        ) => format!("{name}: group {group}: {text}"),
        _ => format!("{name}: {text}"),
    };
    match code {
        e::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
        | e::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
        | e::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
        | e::RD_KAFKA_RESP_ERR_INVALID_GROUP_ID
        | e::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
        | e::RD_KAFKA_RESP_ERR__FATAL => {
            ConsumerEvent::Fatal(ConnectError::new(ErrorKind::Kafka, text))
        }
        _ => ConsumerEvent::Warning(text),
    }
}
