//! A consumer that gives batches from librdkafka's queue, without a thread of ours: for sink tasks, and for
//! connectors that read from Kafka.
//!
//! It has `unsafe` code because per-message calls cost three times the CPU of `rd_kafka_consume_batch_queue`,
//! and because rebalances must wait for the task: its last offsets are committed before partitions go.
//! Everything else about librdkafka is used through the `rdkafka` crate.
//!
//! Contract:
//! * [`BatchConsumer::poll`] never waits. [`BatchConsumer::wait`] ends when there may be something to poll.
//! * Keys and values are copied once, into one block per batch. Values of a kilobyte and more are not: they
//!   keep librdkafka's message, its fetch's memory, and what is left of the consumer after its end.
//! * A rebalance is answered as [`ConsumerEvent::Assign`], [`ConsumerEvent::Revoke`] or
//!   [`ConsumerEvent::Lost`]. The group waits until the owner calls [`BatchConsumer::assign`] or
//!   [`BatchConsumer::unassign`] with the same partitions. Records that a call to `poll` gives together with
//!   a revocation came before it.
//! * A consumer [`BatchConsumer::without_group`] is assigned what its owner wants and is told of no
//!   rebalances.
//! * `poll` must be called at least every `max.poll.interval.ms`, or the group takes the partitions away.
//!
//! Safety: `rd_kafka_t` and its queue are safe to use from any thread. The pointer that callbacks get is that
//! of `Shared`, which lives until after `rd_kafka_destroy`. Callbacks run inside calls of `poll` and `close`,
//! except the wake-up and error callbacks, which any thread may run and which only use `Shared` through its
//! own locks.
#![expect(
    unsafe_code,
    reason = "librdkafka's batch interface has no safe binding; see the module's documentation"
)]

mod messages;

use std::collections::VecDeque;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::bindings as rd;
use rdkafka::config::ClientConfig;
use sluice_api::{ConnectError, ErrorKind, RawRecord, Result, SinkOffsets, TopicPartition};
use tokio::sync::Notify;

use messages::MessageBatch;

/// Offset for [`BatchConsumer::assign`]: from the first record on.
pub const EARLIEST: i64 = -2;
/// Offset for [`BatchConsumer::assign`]: from the next record on.
pub const LATEST: i64 = -1;
/// Offset that lets librdkafka look for the committed one.
const OFFSET_INVALID: i64 = -1001;

/// What [`BatchConsumer::poll`] found besides records.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// Partitions are given to this consumer; with the eager protocol all of them.
    Assign(Vec<TopicPartition>),
    /// Partitions are taken after their last commit.
    Revoke(Vec<TopicPartition>),
    /// Partitions are gone already.
    Lost(Vec<TopicPartition>),
    /// An asynchronous commit ended.
    Committed {
        /// Number given to [`BatchConsumer::commit_async`].
        seq: u64,
        /// How it ended.
        result: Result<()>,
    },
    /// Everything of a partition up to now was given; only with `enable.partition.eof`.
    EndOfPartition(TopicPartition),
    /// A partition has no committed offset, or one that is gone, and `auto.offset.reset` names no offset to
    /// go on from.
    NoOffset(TopicPartition, ConnectError),
    /// Something is wrong that the client deals with by itself.
    Warning(String),
    /// The consumer can't go on.
    Fatal(ConnectError),
}

/// Text of Kafka's `InvalidGroupIdException`.
const NO_GROUP: &str = "To use the group management or offset commit APIs, you must provide a valid group.id \
                        in the consumer configuration.";

struct Shared {
    events: Mutex<VecDeque<ConsumerEvent>>,
    wake: Notify,
    /// The task is gone: rebalances are answered at once.
    closing: AtomicBool,
    /// The group; `None` if there is one in name only, whose coordinator does not matter.
    group: Option<String>,
}

impl Shared {
    fn push(&self, event: ConsumerEvent) {
        self.events.lock().push_back(event);
        self.wake.notify_one();
    }
}

struct Native {
    rk: *mut rd::rd_kafka_t,
    queue: *mut rd::rd_kafka_queue_t,
    /// Callbacks have its address.
    shared: Arc<Shared>,
}

// SAFETY: librdkafka's handles may be used from any thread at the same time; `Shared` is Sync by itself.
unsafe impl Send for Native {}
// SAFETY: as above.
unsafe impl Sync for Native {}

fn error_text(code: rd::rd_kafka_resp_err_t) -> String {
    // SAFETY: `rd_kafka_err2str` gives a static, terminated text for every code.
    unsafe { CStr::from_ptr(rd::rd_kafka_err2str(code)) }
        .to_string_lossy()
        .into_owned()
}

fn kafka_error(doing: &str, code: rd::rd_kafka_resp_err_t) -> ConnectError {
    let kind = match code {
        rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT
        | rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT => ErrorKind::Timeout,
        _ => ErrorKind::Kafka,
    };
    ConnectError::new(kind, format!("{doing}: {}", error_text(code)))
}

fn check(doing: &str, code: rd::rd_kafka_resp_err_t) -> Result<()> {
    if code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    Err(kafka_error(doing, code))
}

/// The error of calls that answer an error object, which is freed.
///
/// # Safety
/// `error` is null or an error object that nobody else frees.
unsafe fn check_object(doing: &str, error: *mut rd::rd_kafka_error_t) -> Result<()> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null, and freed only after its text was copied.
    let text = unsafe {
        let text = CStr::from_ptr(rd::rd_kafka_error_string(error))
            .to_string_lossy()
            .into_owned();
        rd::rd_kafka_error_destroy(error);
        text
    };
    Err(ConnectError::new(
        ErrorKind::Kafka,
        format!("{doing}: {text}"),
    ))
}

/// The partitions of a list that librdkafka lends to a callback.
///
/// # Safety
/// `list` is null or a valid list for the time of the call.
unsafe fn partitions_of(list: *const rd::rd_kafka_topic_partition_list_t) -> Vec<TopicPartition> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: `elems` has `cnt` initialised elements with terminated topic names.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        if count == 0 {
            return Vec::new();
        }
        slice::from_raw_parts((*list).elems, count)
            .iter()
            .map(|element| {
                let topic = CStr::from_ptr(element.topic).to_string_lossy();
                TopicPartition::new(&*topic, element.partition)
            })
            .collect()
    }
}

unsafe extern "C" fn on_rebalance(
    rk: *mut rd::rd_kafka_t,
    err: rd::rd_kafka_resp_err_t,
    partitions: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: `opaque` is the `Shared` of this client, see the module; `partitions` is valid during the call.
    unsafe {
        let shared = &*opaque.cast::<Shared>();
        let assign = err == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if shared.closing.load(Ordering::Acquire) {
            if is_cooperative(rk) && !assign {
                let error = rd::rd_kafka_incremental_unassign(rk, partitions);
                let _ = check_object("unassign", error);
            } else {
                rd::rd_kafka_assign(rk, ptr::null());
            }
            return;
        }
        let list = partitions_of(partitions);
        shared.push(if assign {
            ConsumerEvent::Assign(list)
        } else if rd::rd_kafka_assignment_lost(rk) != 0 {
            ConsumerEvent::Lost(list)
        } else {
            ConsumerEvent::Revoke(list)
        });
    }
}

unsafe extern "C" fn on_commit(
    _rk: *mut rd::rd_kafka_t,
    err: rd::rd_kafka_resp_err_t,
    _offsets: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: `opaque` is the box that `commit_async` made for this one call.
    let call = unsafe { Box::from_raw(opaque.cast::<CommitCall>()) };
    call.shared.push(ConsumerEvent::Committed {
        seq: call.seq,
        result: check("commit", err),
    });
}

struct CommitCall {
    shared: Arc<Shared>,
    seq: u64,
}

unsafe extern "C" fn on_wake(_rk: *mut rd::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `opaque` is the `Shared` of this client, see the module.
    unsafe { &*opaque.cast::<Shared>() }.wake.notify_one();
}

unsafe extern "C" fn on_error(
    _rk: *mut rd::rd_kafka_t,
    err: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: `opaque` is the `Shared` of this client; `reason` is a terminated text.
    unsafe {
        let shared = &*opaque.cast::<Shared>();
        let reason = CStr::from_ptr(reason).to_string_lossy().into_owned();
        let fatal = [
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__FATAL,
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__AUTHENTICATION,
        ]
        .iter()
        .any(|code| *code as c_int == err);
        shared.push(if fatal {
            ConsumerEvent::Fatal(ConnectError::new(ErrorKind::Kafka, reason))
        } else {
            ConsumerEvent::Warning(reason)
        });
    }
}

unsafe extern "C" fn on_log(
    rk: *const rd::rd_kafka_t,
    level: c_int,
    fac: *const c_char,
    text: *const c_char,
) {
    // SAFETY: all texts are terminated and valid during the call; `rk` may be null while a client is made.
    let (client, fac, text) = unsafe {
        let client = if rk.is_null() {
            String::new()
        } else {
            CStr::from_ptr(rd::rd_kafka_name(rk))
                .to_string_lossy()
                .into_owned()
        };
        (
            client,
            CStr::from_ptr(fac).to_string_lossy(),
            CStr::from_ptr(text).to_string_lossy(),
        )
    };
    match level {
        0..=3 => tracing::error!(client, %fac, "{text}"),
        4 => tracing::warn!(client, %fac, "{text}"),
        5 | 6 => tracing::info!(client, %fac, "{text}"),
        _ => tracing::debug!(client, %fac, "{text}"),
    }
}

unsafe fn is_cooperative(rk: *mut rd::rd_kafka_t) -> bool {
    // SAFETY: `rk` is a live client; the answer is null or a static text.
    unsafe {
        let protocol = rd::rd_kafka_rebalance_protocol(rk);
        !protocol.is_null() && CStr::from_ptr(protocol).to_bytes() == b"COOPERATIVE"
    }
}

impl Native {
    fn new(config: &ClientConfig, group: Option<String>) -> Result<Self> {
        let failed = |reason: &str| {
            ConnectError::new(
                ErrorKind::Kafka,
                format!("Failed to construct kafka consumer: {reason}"),
            )
        };
        let native = config
            .create_native_config()
            .map_err(|error| failed(&error.to_string()))?;
        let shared = Arc::new(Shared {
            events: Mutex::default(),
            wake: Notify::new(),
            closing: AtomicBool::new(false),
            group,
        });
        let opaque = Arc::as_ptr(&shared).cast_mut().cast::<c_void>();
        let mut reason = [0 as c_char; 512];
        // SAFETY: the configuration is live; `rd_kafka_new` takes it over exactly if it succeeds, and then it
        // is not dropped here. `opaque` is valid until `shared` is dropped, after the client.
        let rk = unsafe {
            let conf = native.ptr();
            rd::rd_kafka_conf_set_opaque(conf, opaque);
            rd::rd_kafka_conf_set_rebalance_cb(conf, Some(on_rebalance));
            rd::rd_kafka_conf_set_error_cb(conf, Some(on_error));
            rd::rd_kafka_conf_set_log_cb(conf, Some(on_log));
            rd::rd_kafka_new(
                rd::rd_kafka_type_t::RD_KAFKA_CONSUMER,
                conf,
                reason.as_mut_ptr(),
                reason.len(),
            )
        };
        if rk.is_null() {
            // SAFETY: `rd_kafka_new` left a terminated text.
            let reason = unsafe { CStr::from_ptr(reason.as_ptr()) };
            return Err(failed(&reason.to_string_lossy()));
        }
        let _taken_over = ManuallyDrop::new(native);
        // SAFETY: the client is live; both calls answer an error, or null, for a client without group.
        let (code, queue) = unsafe {
            let code = rd::rd_kafka_poll_set_consumer(rk);
            (code, rd::rd_kafka_queue_get_consumer(rk))
        };
        if queue.is_null() {
            // SAFETY: nobody else has the client.
            unsafe { rd::rd_kafka_destroy(rk) };
            return Err(failed(&error_text(code)));
        }
        // SAFETY: the queue is live, and `opaque` until the callback is taken off.
        unsafe { rd::rd_kafka_queue_cb_event_enable(queue, Some(on_wake), opaque) };
        Ok(Self { rk, queue, shared })
    }

    fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        // SAFETY: the client is live; rebalances during the call are answered by `on_rebalance`.
        unsafe {
            rd::rd_kafka_consumer_close(self.rk);
        }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        // SAFETY: nobody else has this client any more. The wake-up is taken off first; `shared` is dropped
        // after.
        unsafe {
            rd::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            rd::rd_kafka_queue_destroy(self.queue);
            rd::rd_kafka_destroy(self.rk);
        }
    }
}

fn list_of(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for tp in partitions {
        list.add_partition(&tp.topic, tp.partition);
    }
    list
}

fn offset_list(offsets: &SinkOffsets) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (tp, offset) in offsets {
        let mut element = list.add_partition(&tp.topic, tp.partition);
        element
            .set_offset(Offset::Offset(offset.offset))
            .map_err(|error| ConnectError::new(ErrorKind::Kafka, error.to_string()))?;
        if let Some(metadata) = &offset.metadata {
            element.set_metadata(metadata);
        }
    }
    Ok(list)
}

/// See the module.
pub struct BatchConsumer {
    native: Arc<Native>,
    batch: MessageBatch,
}

impl BatchConsumer {
    /// A consumer that gives up to `max_records` at once, as a member of the group of its settings.
    ///
    /// # Errors
    /// There is no `group.id`, or a setting is not valid.
    pub fn new(config: &ClientConfig, max_records: usize) -> Result<Self> {
        let group = config.get("group.id").filter(|group| !group.is_empty());
        let Some(group) = group else {
            return Err(ConnectError::new(ErrorKind::Kafka, NO_GROUP));
        };
        Ok(Self {
            native: Arc::new(Native::new(config, Some(group.to_owned()))?),
            batch: MessageBatch::new(max_records),
        })
    }

    /// A consumer that belongs to no group; [`BatchConsumer::assign`] says what it reads, and must give each
    /// partition an offset, or [`EARLIEST`] or [`LATEST`].
    ///
    /// librdkafka's queue of batches needs a `group.id`; one that is not given is made up. Nothing joins it
    /// and nothing is committed to it, and a cluster that does not allow it is not minded.
    pub fn without_group(config: &ClientConfig, max_records: usize) -> Result<Self> {
        let mut config = config.clone();
        if config.get("group.id").is_none_or(str::is_empty) {
            config.set("group.id", "sluice-without-group");
        }
        Ok(Self {
            native: Arc::new(Native::new(&config, None)?),
            batch: MessageBatch::new(max_records),
        })
    }

    /// Reads from these topics, as a member of the group.
    pub fn subscribe(&self, topics: &[String]) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(topics.len());
        for topic in topics {
            list.add_topic_unassigned(topic);
        }
        // SAFETY: client and list are live; the list is copied.
        check("subscribe", unsafe {
            rd::rd_kafka_subscribe(self.native.rk, list.ptr())
        })
    }

    /// Names of all topics of the cluster, except internal ones.
    pub async fn list_topics(&self) -> Result<Vec<String>> {
        self.metadata(true).await
    }

    /// Asks for the metadata of the subscribed topics anew, so that one that was created meanwhile is found.
    pub async fn refresh_metadata(&self) -> Result<()> {
        self.metadata(false).await.map(drop)
    }

    async fn metadata(&self, all: bool) -> Result<Vec<String>> {
        const TIMEOUT_MS: c_int = 30_000;
        self.blocking(move |native| {
            let mut metadata = ptr::null();
            // SAFETY: the client is live; the answer is read within its counts and freed once.
            unsafe {
                check(
                    "metadata",
                    rd::rd_kafka_metadata(
                        native.rk,
                        c_int::from(all),
                        ptr::null_mut(),
                        &raw mut metadata,
                        TIMEOUT_MS,
                    ),
                )?;
                let count = usize::try_from((*metadata).topic_cnt).unwrap_or(0);
                let topics = if count == 0 {
                    Vec::new()
                } else {
                    slice::from_raw_parts((*metadata).topics, count)
                        .iter()
                        .map(|topic| CStr::from_ptr(topic.topic).to_string_lossy().into_owned())
                        .filter(|name| {
                            name != "__consumer_offsets" && name != "__transaction_state"
                        })
                        .collect()
                };
                rd::rd_kafka_metadata_destroy(metadata);
                Ok(topics)
            }
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Native) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        blocking(&self.native, call).await
    }

    /// Waits until there may be records or events.
    pub async fn wait(&self) {
        self.native.shared.wake.notified().await;
    }

    /// Records and events that are there, without waiting. `records` is appended to.
    ///
    /// Answers whether there may be more.
    pub fn poll(&mut self, records: &mut Vec<RawRecord>, events: &mut Vec<ConsumerEvent>) -> bool {
        let more = self.batch.take(&self.native, records);
        events.extend(self.native.shared.events.lock().drain(..));
        more
    }

    /// Takes over partitions: all of the group's answer with the eager protocol, the new ones with the
    /// cooperative. Reading begins at the offset given, else at the committed one.
    pub fn assign(&self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (tp, offset) in partitions {
            let mut element = list.add_partition(&tp.topic, tp.partition);
            let offset = Offset::from_raw(offset.unwrap_or(OFFSET_INVALID));
            element
                .set_offset(offset)
                .map_err(|error| ConnectError::new(ErrorKind::Kafka, error.to_string()))?;
        }
        // SAFETY: client and list are live; the list is copied.
        unsafe {
            if is_cooperative(self.native.rk) {
                let error = rd::rd_kafka_incremental_assign(self.native.rk, list.ptr());
                check_object("assign", error)
            } else {
                check("assign", rd::rd_kafka_assign(self.native.rk, list.ptr()))
            }
        }
    }

    /// Gives partitions up, so that the group can go on.
    pub fn unassign(&self, partitions: &[TopicPartition]) -> Result<()> {
        // SAFETY: client and list are live; the list is copied.
        unsafe {
            if is_cooperative(self.native.rk) {
                let list = list_of(partitions);
                let error = rd::rd_kafka_incremental_unassign(self.native.rk, list.ptr());
                check_object("unassign", error)
            } else {
                check("unassign", rd::rd_kafka_assign(self.native.rk, ptr::null()))
            }
        }
    }

    /// Stops reading from partitions; what was fetched and not polled is dropped and read again later.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<()> {
        let list = list_of(partitions);
        // SAFETY: client and list are live.
        check("pause", unsafe {
            rd::rd_kafka_pause_partitions(self.native.rk, list.ptr())
        })
    }

    /// Reads from paused partitions again.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<()> {
        let list = list_of(partitions);
        // SAFETY: client and list are live.
        check("resume", unsafe {
            rd::rd_kafka_resume_partitions(self.native.rk, list.ptr())
        })
    }

    /// Reads on from other offsets.
    pub async fn seek(&self, offsets: &[(TopicPartition, i64)]) -> Result<()> {
        const TIMEOUT_MS: c_int = 10_000;
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (tp, offset) in offsets {
            list.add_partition_offset(&tp.topic, tp.partition, Offset::from_raw(*offset))
                .map_err(|error| ConnectError::new(ErrorKind::Kafka, error.to_string()))?;
        }
        let list = self
            .blocking(move |native| {
                // SAFETY: client and list are live; the error object is ours.
                unsafe {
                    let error = rd::rd_kafka_seek_partitions(native.rk, list.ptr(), TIMEOUT_MS);
                    check_object("seek", error)?;
                }
                Ok(list)
            })
            .await?;
        for element in list.elements() {
            element.error().map_err(|error| {
                ConnectError::new(
                    ErrorKind::Kafka,
                    format!("seek {}-{}: {error}", element.topic(), element.partition()),
                )
            })?;
        }
        Ok(())
    }

    /// Reads one of the assigned partitions from another offset, also if reading it has ended; `positions`
    /// are those of all.
    pub fn restart(
        &self,
        partition: &TopicPartition,
        offset: i64,
        positions: &[(TopicPartition, Option<i64>)],
    ) -> Result<()> {
        // SAFETY: the client is live.
        if unsafe { is_cooperative(self.native.rk) } {
            self.unassign(std::slice::from_ref(partition))?;
            return self.assign(&[(partition.clone(), Some(offset))]);
        }
        let mut positions = positions.to_vec();
        positions.retain(|(other, _)| other != partition);
        positions.push((partition.clone(), Some(offset)));
        self.assign(&positions)
    }

    /// The first offsets of records that are not older than a time (milliseconds since 1970), in the order
    /// asked for; [`LATEST`] where there is none.
    pub async fn offsets_at(
        &self,
        partitions: &[TopicPartition],
        timestamp: i64,
    ) -> Result<Vec<i64>> {
        const TIMEOUT_MS: c_int = 30_000;
        let time = Offset::Offset(timestamp);
        let list = offsets_for_times(&self.native, partitions, time, TIMEOUT_MS).await?;
        let offsets = list.elements().into_iter().map(|element| {
            element.error().map_err(|error| {
                let (topic, partition) = (element.topic(), element.partition());
                let reason = format!("offsets for times, {topic}-{partition}: {error}");
                ConnectError::new(ErrorKind::Kafka, reason)
            })?;
            Ok(match element.offset() {
                Offset::Offset(offset) => offset,
                _ => LATEST,
            })
        });
        offsets.collect()
    }

    /// Offsets that the group has committed, in the order asked for.
    pub async fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>> {
        const TIMEOUT_MS: c_int = 30_000;
        let list = list_of(partitions);
        let list = self
            .blocking(move |native| {
                // SAFETY: client and list are live.
                check("committed", unsafe {
                    rd::rd_kafka_committed(native.rk, list.ptr(), TIMEOUT_MS)
                })?;
                Ok(list)
            })
            .await?;
        Ok(list
            .elements()
            .iter()
            .map(|element| match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
            .collect())
    }

    /// What asks for the ends of partitions beside the consumer's own work.
    #[must_use]
    pub fn ends(&self) -> Ends {
        Ends {
            native: Arc::clone(&self.native),
        }
    }

    /// The end of a partition as the last fetch saw it.
    #[must_use]
    pub fn end_offset(&self, partition: &TopicPartition) -> Option<i64> {
        let topic = CString::new(&*partition.topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is live, the topic is terminated, both targets are valid.
        let code = unsafe {
            rd::rd_kafka_get_watermark_offsets(
                self.native.rk,
                topic.as_ptr(),
                partition.partition,
                &raw mut low,
                &raw mut high,
            )
        };
        (code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
    }

    /// Commits; [`ConsumerEvent::Committed`] with `seq` tells how it ended.
    pub fn commit_async(&self, offsets: &SinkOffsets, seq: u64) -> Result<()> {
        let list = offset_list(offsets)?;
        let call = Box::new(CommitCall {
            shared: Arc::clone(&self.native.shared),
            seq,
        });
        let opaque = Box::into_raw(call);
        // SAFETY: client, queue and list are live; the list is copied; `on_commit` takes the box over. If the
        // call itself fails, the callback is not called and the box is ours again.
        unsafe {
            let code = rd::rd_kafka_commit_queue(
                self.native.rk,
                list.ptr(),
                self.native.queue,
                Some(on_commit),
                opaque.cast(),
            );
            if code != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                drop(Box::from_raw(opaque));
                return Err(kafka_error("commit", code));
            }
        }
        Ok(())
    }

    /// Commits and waits for the answer.
    pub async fn commit_sync(&self, offsets: &SinkOffsets) -> Result<()> {
        let list = offset_list(offsets)?;
        self.blocking(move |native| {
            // SAFETY: client and list are live.
            check("commit", unsafe {
                rd::rd_kafka_commit(native.rk, list.ptr(), 0)
            })
        })
        .await
    }

    /// Leaves the group and frees everything, without holding up the caller's thread.
    pub async fn close(self) {
        let closed = self.blocking(|native| {
            native.close();
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::warn!("closing the consumer failed: {error}");
        }
        let native = self.native;
        let _ = tokio::task::spawn_blocking(move || drop(native)).await;
    }
}

async fn blocking<T: Send + 'static>(
    native: &Arc<Native>,
    call: impl FnOnce(&Native) -> Result<T> + Send + 'static,
) -> Result<T> {
    let native = Arc::clone(native);
    tokio::task::spawn_blocking(move || call(&native))
        .await
        .map_err(|error| ConnectError::connect(error.to_string()))?
}

/// Asks for the offsets of one time, in milliseconds since 1970 as [`Offset::Offset`], or [`Offset::End`].
async fn offsets_for_times(
    native: &Arc<Native>,
    partitions: &[TopicPartition],
    time: Offset,
    timeout_ms: c_int,
) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for tp in partitions {
        list.add_partition_offset(&tp.topic, tp.partition, time)
            .map_err(|error| ConnectError::new(ErrorKind::Kafka, error.to_string()))?;
    }
    blocking(native, move |native| {
        // SAFETY: client and list are live.
        check("offsets for times", unsafe {
            rd::rd_kafka_offsets_for_times(native.rk, list.ptr(), timeout_ms)
        })?;
        Ok(list)
    })
    .await
}

/// Asks brokers for the ends of partitions; see [`BatchConsumer::ends`].
pub struct Ends {
    native: Arc<Native>,
}

impl Ends {
    /// The ends of partitions in the order asked for, `None` where the broker has none; last stable offsets
    /// for a consumer that reads committed records only.
    ///
    /// # Errors
    /// No broker answered within two seconds.
    pub async fn latest(&self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>> {
        // Short, because a consumer that ends waits for this call.
        const TIMEOUT_MS: c_int = 2_000;
        let list = offsets_for_times(&self.native, partitions, Offset::End, TIMEOUT_MS).await?;
        let ends =
            list.elements()
                .into_iter()
                .map(|element| match (element.error(), element.offset()) {
                    (Ok(()), Offset::Offset(offset)) => Some(offset),
                    _ => None,
                });
        Ok(ends.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_setting_is_an_error() {
        let mut config = ClientConfig::new();
        config.set("group.id", "g").set("no.such.setting", "x");
        assert!(BatchConsumer::new(&config, 10).is_err());
    }

    #[test]
    fn a_blank_group_is_an_error_and_one_that_nothing_joins_is_made_up() {
        for group in [None, Some("")] {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", "127.0.0.1:1");
            if let Some(group) = group {
                config.set("group.id", group);
            }
            let Err(error) = BatchConsumer::new(&config, 10) else {
                panic!("{group:?} is a group");
            };
            assert!(error.message().contains("valid group.id"), "{error}");
            assert!(BatchConsumer::without_group(&config, 10).is_ok());
            assert!(Native::new(&config, None).is_err());
        }
    }

    #[test]
    fn room_is_made_for_what_may_come_and_not_for_what_is_allowed() {
        let mut config = ClientConfig::new();
        config.set("group.id", "g");
        assert!(BatchConsumer::new(&config, i32::MAX.unsigned_abs() as usize).is_ok());
    }

    #[tokio::test]
    async fn a_consumer_without_broker_gives_nothing_and_closes() {
        let mut config = ClientConfig::new();
        config
            .set("group.id", "g")
            .set("bootstrap.servers", "127.0.0.1:1");
        let mut consumer = BatchConsumer::new(&config, 10).unwrap();
        consumer.subscribe(&["t".to_owned()]).unwrap();
        let (mut records, mut events) = (Vec::new(), Vec::new());
        assert!(!consumer.poll(&mut records, &mut events));
        assert!(records.is_empty());
        consumer.close().await;
    }
}
