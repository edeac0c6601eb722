//! A topic of a producer, found once instead of for every record.
//!
//! A record that is sent by its topic's name costs a C string and a search through all topics of the
//! producer, one after another: with a thousand tasks on one producer that is a thousand names. The `rdkafka`
//! crate sends by name only.
//!
//! Safety: a handle may be used from any thread and must be gone before its producer, which it therefore
//! holds.
#![expect(
    unsafe_code,
    reason = "librdkafka's topic handles have no safe binding; see the module's documentation"
)]

use std::ffi::{CString, c_void};
use std::ptr::{self, NonNull};

use rdkafka::error::{IsError as _, KafkaError, KafkaResult};
use rdkafka::producer::{Partitioner, Producer as _, ProducerContext};
use rdkafka::util::IntoOpaque as _;
use rdkafka_sys::bindings as rd;

use super::polled::PolledProducer;

/// `RD_KAFKA_PARTITION_UA`: the partitioner chooses.
const PARTITION_UNASSIGNED: i32 = -1;

/// A topic of a producer, whose handle is looked up once and not for each record.
pub struct ProducerTopic<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> {
    handle: NonNull<rd::rd_kafka_topic_t>,
    producer: PolledProducer<C, P>,
}

// SAFETY: librdkafka locks a topic by itself, and the producer is Send and Sync.
unsafe impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> Send
    for ProducerTopic<C, P>
{
}
// SAFETY: as above.
unsafe impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> Sync
    for ProducerTopic<C, P>
{
}

impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> ProducerTopic<C, P> {
    /// The topic of that name.
    ///
    /// # Errors
    /// No topic can have the name.
    pub fn new(producer: PolledProducer<C, P>, name: &str) -> KafkaResult<Self> {
        let name = CString::new(name)?;
        // SAFETY: the producer lives, the name ends with NUL and is copied, and the settings are the
        // producer's own.
        let handle = unsafe {
            rd::rd_kafka_topic_new(
                producer.client().native_ptr(),
                name.as_ptr(),
                ptr::null_mut(),
            )
        };
        match NonNull::new(handle) {
            Some(handle) => Ok(Self { handle, producer }),
            None => {
                // SAFETY: reads what librdkafka keeps for this thread.
                let code = unsafe { rd::rd_kafka_last_error() };
                Err(KafkaError::MessageProduction(code.into()))
            }
        }
    }

    /// Hands a record to the producer, which copies key and value. `ProducerContext::delivery` is called with
    /// `opaque` if it is taken. `None` lets the producer choose the partition, and the time of the call be
    /// the timestamp (milliseconds).
    ///
    /// # Errors
    /// The record was not taken: the queue is full, the record too large, or the topic or partition unknown.
    pub fn send(
        &self,
        partition: Option<i32>,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        opaque: C::DeliveryOpaque,
    ) -> KafkaResult<()> {
        let parts = |bytes: Option<&[u8]>| match bytes {
            None => (ptr::null_mut::<c_void>(), 0),
            Some(bytes) => (bytes.as_ptr().cast_mut().cast::<c_void>(), bytes.len()),
        };
        let ((key, key_len), (value, value_len)) = (parts(key), parts(value));
        let opaque = opaque.into_ptr();
        // SAFETY: tags and arguments go in pairs of the types that librdkafka reads; the bytes outlive the
        // call, which copies them, and are not written to.
        let code = unsafe {
            rd::rd_kafka_producev(
                self.producer.client().native_ptr(),
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT,
                self.handle.as_ptr(),
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_PARTITION,
                partition.unwrap_or(PARTITION_UNASSIGNED),
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS,
                rd::RD_KAFKA_MSG_F_COPY,
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE,
                value,
                value_len,
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY,
                key,
                key_len,
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_OPAQUE,
                opaque,
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp.unwrap_or(0),
                rd::rd_kafka_vtype_t::RD_KAFKA_VTYPE_END,
            )
        };
        if code.is_error() {
            // SAFETY: the pointer was made above, and librdkafka does not keep that of a record it refuses.
            drop(unsafe { C::DeliveryOpaque::from_ptr(opaque) });
            return Err(KafkaError::MessageProduction(code.into()));
        }
        Ok(())
    }
}

impl<C: ProducerContext<P> + 'static, P: Partitioner + Send + Sync + 'static> Drop
    for ProducerTopic<C, P>
{
    fn drop(&mut self) {
        // SAFETY: the handle came from `rd_kafka_topic_new` and is given back once, before the producer.
        unsafe { rd::rd_kafka_topic_destroy(self.handle.as_ptr()) }
    }
}
