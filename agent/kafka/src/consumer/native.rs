//! librdkafka's handles of a consumer, and its callbacks. What makes them safe stands at the module above.

use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rdkafka::config::ClientConfig;
use rdkafka_sys::bindings as rd;
use sluice_api::{ConnectError, ErrorKind, Result, TopicPartition};
use tokio::sync::Notify;

use super::ConsumerEvent;

pub(super) struct Shared {
    pub(super) events: Mutex<VecDeque<ConsumerEvent>>,
    pub(super) wake: Notify,
    /// The task is gone: rebalances are answered at once.
    closing: AtomicBool,
    /// The group; `None` if there is one in name only, whose coordinator does not matter.
    pub(super) group: Option<String>,
}

impl Shared {
    pub(super) fn push(&self, event: ConsumerEvent) {
        self.events.lock().push_back(event);
        self.wake.notify_one();
    }
}

pub(super) struct Native {
    pub(super) rk: *mut rd::rd_kafka_t,
    pub(super) queue: *mut rd::rd_kafka_queue_t,
    /// Callbacks have its address.
    pub(super) shared: Arc<Shared>,
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

pub(super) fn kafka_error(doing: &str, code: rd::rd_kafka_resp_err_t) -> ConnectError {
    let kind = match code {
        rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT
        | rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT => ErrorKind::Timeout,
        _ => ErrorKind::Kafka,
    };
    ConnectError::new(kind, format!("{doing}: {}", error_text(code)))
}

pub(super) fn check(doing: &str, code: rd::rd_kafka_resp_err_t) -> Result<()> {
    if code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    Err(kafka_error(doing, code))
}

/// The error of calls that answer an error object, which is freed.
///
/// # Safety
/// `error` is null or an error object that nobody else frees.
pub(super) unsafe fn check_object(doing: &str, error: *mut rd::rd_kafka_error_t) -> Result<()> {
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

pub(super) unsafe extern "C" fn on_commit(
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

/// What the answer to one commit needs.
pub(super) struct CommitCall {
    pub(super) shared: Arc<Shared>,
    pub(super) seq: u64,
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

pub(super) unsafe fn is_cooperative(rk: *mut rd::rd_kafka_t) -> bool {
    // SAFETY: `rk` is a live client; the answer is null or a static text.
    unsafe {
        let protocol = rd::rd_kafka_rebalance_protocol(rk);
        !protocol.is_null() && CStr::from_ptr(protocol).to_bytes() == b"COOPERATIVE"
    }
}

impl Native {
    /// A new client; `group` is that of its settings, `None` if it is one in name only.
    pub(super) fn new(config: &ClientConfig, group: Option<String>) -> Result<Self> {
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

    /// Leaves the group. Blocks.
    pub(super) fn close(&self) {
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
