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
mod native;

use std::collections::HashSet;
use std::ffi::{CStr, CString, c_int};
use std::ptr;
use std::slice;
use std::sync::Arc;

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka_sys::bindings as rd;
use sluice_api::{ConnectError, ErrorKind, RawRecord, Result, SinkOffsets, TopicPartition};

use messages::MessageBatch;
use native::{CommitCall, Native, check, check_object, is_cooperative, kafka_error, on_commit};

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

/// Checks what librdkafka does not: it ends the process where a partition to read has a name that no topic can
/// have, or stands twice. They come from configurations of tasks and from whoever leads the group.
fn check_readable<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> Result<()> {
    /// Most characters of a topic's name (`org.apache.kafka.common.internals.Topic`).
    const LONGEST: usize = 249;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut seen = HashSet::new();
    for tp in partitions {
        let name = &*tp.topic;
        let why = if name.is_empty() || name.len() > LONGEST || !name.chars().all(legal) {
            "no topic can have this name"
        } else if tp.partition < 0 {
            "partitions are numbered from 0"
        } else if !seen.insert(tp) {
            "it is to be read twice"
        } else {
            continue;
        };
        return Err(ConnectError::new(
            ErrorKind::IllegalArgument,
            format!(
                "partition {:?} of topic {name:.260?} cannot be read: {why}",
                tp.partition
            ),
        ));
    }
    Ok(())
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

/// A consumer that gives records in batches, and what the group does as events.
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
    ///
    /// # Errors
    /// A partition cannot exist or stands twice, or librdkafka refuses the list.
    pub fn assign(&self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<()> {
        check_readable(partitions.iter().map(|(tp, _)| tp))?;
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
    fn a_partition_that_cannot_exist_or_stands_twice_is_refused_and_ends_no_process() {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1");
        let consumer = BatchConsumer::without_group(&config, 10).unwrap();
        let long = "x".repeat(250);
        for (names, partition) in [
            (&[""][..], 1),
            (&["a\0b"], 0),
            (&[&long], 0),
            (&["a b"], 0),
            (&["a"], -1),
            (&["a", "b", "a"], 0),
        ] {
            let partitions = names
                .iter()
                .map(|name| (TopicPartition::new(*name, partition), None));
            let partitions: Vec<_> = partitions.collect();
            let error = consumer.assign(&partitions).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::IllegalArgument, "{names:?}");
        }
        let fine = [(TopicPartition::new(long[1..].to_owned(), 0), Some(EARLIEST))];
        assert!(consumer.assign(&fine).is_ok());
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
