//! What connections see of a partition: published after each commit, with a bell for those who wait for more.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::codec::{Reader, Writer};
use crate::store::keys::PartitionId;

/// A run of batches: the grain of retention and of lookups by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    pub(crate) bytes: u64,
    /// -1 while it is empty.
    pub(crate) max_timestamp: i64,
}

impl Segment {
    pub(crate) fn new(base_offset: i64) -> Self {
        Self {
            base_offset,
            bytes: 0,
            max_timestamp: -1,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        Writer::new(0)
            .u64(self.bytes)
            .i64(self.max_timestamp)
            .finish()
    }

    pub(crate) fn decode(base_offset: i64, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, 0)?;
        Some(Self {
            base_offset,
            bytes: reader.u64()?,
            max_timestamp: reader.i64()?,
        })
    }
}

/// An aborted transaction in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// Offset of its marker.
    pub(crate) last_offset: i64,
}

impl Aborted {
    pub(crate) fn encode(&self) -> Vec<u8> {
        Writer::new(0)
            .i64(self.producer_id)
            .i64(self.first_offset)
            .finish()
    }

    pub(crate) fn decode(last_offset: i64, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, 0)?;
        Some(Self {
            producer_id: reader.i64()?,
            first_offset: reader.i64()?,
            last_offset,
        })
    }
}

/// The committed state of a partition.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) start: i64,
    /// The high watermark: there is one copy, so it is the end.
    pub(crate) end: i64,
    /// The last stable offset.
    pub(crate) stable: i64,
    pub(crate) bytes: u64,
    pub(crate) compacted: i64,
    pub(crate) closed: Arc<Vec<Segment>>,
    pub(crate) open: Segment,
    pub(crate) aborted: Arc<Vec<Aborted>>,
}

impl Published {
    /// The segments in order, with the offset at which each one ends.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (Segment, i64)> {
        let ends = self
            .closed
            .iter()
            .skip(1)
            .map(|segment| segment.base_offset)
            .chain([self.open.base_offset]);
        self.closed
            .iter()
            .copied()
            .zip(ends)
            .chain([(self.open, self.end)])
    }
}

/// A partition for readers.
#[derive(Debug)]
pub(crate) struct PartitionView {
    pub(crate) id: PartitionId,
    published: Mutex<Published>,
    /// Bytes ever appended, for fetches that wait for a number of them.
    appended: AtomicU64,
    waiting: Mutex<HashMap<u64, Arc<Notify>>>,
    next_waiter: AtomicU64,
}

impl PartitionView {
    /// A partition in this state.
    pub(crate) fn new(id: PartitionId, published: Published) -> Self {
        Self {
            id,
            published: Mutex::new(published),
            appended: AtomicU64::new(0),
            waiting: Mutex::default(),
            next_waiter: AtomicU64::new(0),
        }
    }

    /// The partition as of the last commit.
    pub(crate) fn read(&self) -> Published {
        self.published.lock().clone()
    }

    /// Bytes appended since the broker began, for fetches that wait for more; wraps around.
    pub(crate) fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    /// Shows a new state and wakes those who wait.
    pub(crate) fn publish(&self, published: Published, appended: u64) {
        *self.published.lock() = published;
        self.appended.fetch_add(appended, Ordering::AcqRel);
        for waiter in self.waiting.lock().values() {
            waiter.notify_one();
        }
    }

    /// Rings `bell` at every change until the guard is dropped.
    pub(crate) fn wait(self: &Arc<Self>, bell: &Arc<Notify>) -> Waiting {
        let number = self.next_waiter.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().insert(number, Arc::clone(bell));
        Waiting {
            view: Arc::clone(self),
            number,
        }
    }
}

/// Somebody waits for a partition to change.
#[derive(Debug)]
pub(crate) struct Waiting {
    view: Arc<PartitionView>,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.view.waiting.lock().remove(&self.number);
    }
}
