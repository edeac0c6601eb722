//! Which source offsets may be committed (`SubmittedRecords`).
//!
//! Each source partition has a queue of the records that were sent. An offset may be committed when
//! its record and all before it in the same partition are acknowledged; one that is not holds up
//! its own partition only.

use std::collections::VecDeque;
use std::sync::Arc;

use bytestring::ByteString;
use indexmap::IndexMap;
use sluice_api::{
    CommittedRecord, RecordMetadata, SourceOffset, SourcePartition, SourceRecord, TopicPartition,
};

use super::offset_writer::OffsetsByPartition;
use super::producer::{AckChunk, Refusal};

struct Entry {
    /// Number of the chunk, counted over the life of the task.
    chunk: u64,
    index: u32,
    offset: Option<SourceOffset>,
    /// The record as polled, only for tasks that want to hear of each.
    record: Option<Box<SourceRecord>>,
}

struct SentChunk {
    chunk: Arc<AckChunk>,
    /// Records still in a queue.
    left: usize,
    topics: Vec<ByteString>,
}

struct Queue {
    entries: VecDeque<Entry>,
}

/// A record whose write failed.
pub(crate) struct FailedRecord {
    /// Why the producer did not take or deliver it.
    pub error: Refusal,
    /// What is known of the record, for the log.
    pub described: String,
    chunk: Arc<AckChunk>,
    index: usize,
}

impl FailedRecord {
    /// Lets offsets move past the record.
    pub(crate) fn tolerate(&self) {
        self.chunk.tolerate(self.index);
    }
}

/// What has been acknowledged since the last look.
#[derive(Default)]
pub(crate) struct Committable {
    /// How many records that were.
    pub records: u64,
    /// Topics that records were written to.
    pub topics: Vec<ByteString>,
    /// Records for tasks that want to hear of each.
    pub committed: Vec<CommittedRecord>,
}

#[derive(Default)]
pub(crate) struct SubmittedRecords {
    queues: IndexMap<Arc<SourcePartition>, Queue>,
    /// Records without source partition; they are counted, their offsets are not stored.
    without_partition: VecDeque<Entry>,
    chunks: VecDeque<SentChunk>,
    /// Number of the first chunk in `chunks`.
    first_chunk: u64,
    /// The partition of the last record, and its place in `queues`.
    last: Option<(Arc<SourcePartition>, usize)>,
    pending: usize,
}

impl SubmittedRecords {
    /// Begins a chunk; records submitted next belong to it.
    pub(crate) fn begin_chunk(&mut self, chunk: Arc<AckChunk>) {
        self.chunks.push_back(SentChunk {
            chunk,
            left: 0,
            topics: Vec::new(),
        });
    }

    /// Notes that the chunk's records go to a topic.
    pub(crate) fn use_topic(&mut self, topic: &ByteString) {
        if let Some(sent) = self.chunks.back_mut()
            && !sent.topics.contains(topic)
        {
            sent.topics.push(topic.clone());
        }
    }

    /// Notes a record that was handed to the producer as number `index` of the current chunk.
    pub(crate) fn submit(
        &mut self,
        index: usize,
        partition: Option<Arc<SourcePartition>>,
        offset: Option<SourceOffset>,
        record: Option<Box<SourceRecord>>,
    ) {
        let Some(sent) = self.chunks.back_mut() else {
            return;
        };
        sent.left += 1;
        self.pending += 1;
        let chunk = self.first_chunk + (self.chunks.len() as u64 - 1);
        let entry = Entry {
            chunk,
            index: u32::try_from(index).unwrap_or(0),
            offset,
            record,
        };
        let Some(partition) = partition else {
            self.without_partition.push_back(entry);
            return;
        };
        let place = match &self.last {
            Some((last, place)) if Arc::ptr_eq(last, &partition) => *place,
            _ => {
                let (place, known) = match self.queues.get_full(&partition) {
                    Some((place, known, _)) => (place, Arc::clone(known)),
                    None => {
                        let queue = Queue {
                            entries: VecDeque::new(),
                        };
                        let (place, _) = self.queues.insert_full(Arc::clone(&partition), queue);
                        (place, Arc::clone(&partition))
                    }
                };
                drop(known);
                self.last = Some((partition, place));
                place
            }
        };
        if let Some((_, queue)) = self.queues.get_index_mut(place) {
            queue.entries.push_back(entry);
        }
    }

    /// Records not acknowledged, or behind one that is not.
    #[must_use]
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// Whether all records were reported by the producer.
    #[must_use]
    pub(crate) fn all_reported(&self) -> bool {
        self.chunks.iter().all(|sent| sent.chunk.is_complete())
    }

    /// Moves what may be committed to `offsets`.
    pub(crate) fn take_committable(&mut self, offsets: &mut OffsetsByPartition) -> Committable {
        let mut taken = Committable::default();
        if self.pending == 0 {
            self.drop_finished_chunks(&mut taken);
            return taken;
        }
        let Self {
            queues,
            without_partition,
            chunks,
            first_chunk,
            ..
        } = self;
        for (partition, queue) in queues.iter_mut() {
            if let Some(offset) = drain_acked(&mut queue.entries, chunks, *first_chunk, &mut taken)
            {
                offsets.insert(Arc::clone(partition), offset);
            }
        }
        drain_acked(without_partition, chunks, *first_chunk, &mut taken);
        self.pending -= usize::try_from(taken.records).unwrap_or(0);
        self.drop_finished_chunks(&mut taken);
        if self.queues.len() > 64 && self.queues.values().all(|queue| queue.entries.is_empty()) {
            // A source with ever new partitions must not grow for ever.
            self.queues.clear();
            self.last = None;
        }
        taken
    }

    fn drop_finished_chunks(&mut self, taken: &mut Committable) {
        while self
            .chunks
            .front()
            .is_some_and(|sent| sent.left == 0 && sent.chunk.is_complete())
        {
            if let Some(sent) = self.chunks.pop_front() {
                for topic in sent.topics {
                    if !taken.topics.contains(&topic) {
                        taken.topics.push(topic);
                    }
                }
            }
            self.first_chunk += 1;
        }
    }

    /// Records that failed since the last call.
    pub(crate) fn take_failures(&mut self) -> Vec<FailedRecord> {
        let mut failed = Vec::new();
        for (number, sent) in (self.first_chunk..).zip(&self.chunks) {
            for (index, error) in sent.chunk.take_failures() {
                let described = self.describe(number, index);
                failed.push(FailedRecord {
                    error,
                    described,
                    chunk: Arc::clone(&sent.chunk),
                    index,
                });
            }
        }
        failed
    }

    fn describe(&self, chunk: u64, index: usize) -> String {
        let is_it =
            |entry: &&Entry| entry.chunk == chunk && usize::try_from(entry.index) == Ok(index);
        for (partition, queue) in &self.queues {
            if let Some(entry) = queue.entries.iter().find(is_it) {
                let offset = entry
                    .offset
                    .as_ref()
                    .map_or("null".to_owned(), ToString::to_string);
                return format!(
                    ", where source record is = SourceRecord{{sourcePartition={partition}, \
                     sourceOffset={offset}}}"
                );
            }
        }
        String::new()
    }
}

/// Takes records from the front while they are acknowledged; answers the offset of the last one.
fn drain_acked(
    entries: &mut VecDeque<Entry>,
    chunks: &mut VecDeque<SentChunk>,
    first_chunk: u64,
    taken: &mut Committable,
) -> Option<Option<SourceOffset>> {
    let mut committable = None;
    while let Some(entry) = entries.front() {
        let place = usize::try_from(entry.chunk - first_chunk).unwrap_or(usize::MAX);
        let index = usize::try_from(entry.index).unwrap_or(usize::MAX);
        let Some(sent) = chunks.get_mut(place) else {
            break;
        };
        if !sent.chunk.is_acked(index) {
            break;
        }
        sent.left -= 1;
        taken.records += 1;
        let Some(entry) = entries.pop_front() else {
            break;
        };
        if let Some(record) = entry.record {
            let metadata = sent
                .chunk
                .take_written(index)
                .map(|written| RecordMetadata {
                    topic_partition: TopicPartition::new(
                        record.record.topic.clone(),
                        written.partition,
                    ),
                    offset: written.offset,
                });
            taken.committed.push(CommittedRecord {
                record: *record,
                metadata,
            });
        }
        committable = Some(entry.offset);
    }
    committable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::producer::{AckSignal, ProducerPool};
    use rdkafka::ClientConfig;

    fn partition(name: &str) -> Arc<SourcePartition> {
        Arc::new(SourcePartition::of("p", name))
    }

    fn offset(n: i64) -> Option<SourceOffset> {
        Some(SourceOffset::of("o", n))
    }

    /// A chunk of a producer that reaches no broker; tests acknowledge by `tolerate`.
    fn chunk(size: usize) -> Arc<AckChunk> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1");
        let producer = ProducerPool::default().get(&config).unwrap();
        let open = producer.open_chunk(size, &Arc::new(AckSignal::default()), false);
        Arc::clone(open.chunk())
    }

    #[tokio::test]
    async fn a_record_without_acknowledgement_holds_up_its_own_partition_only() {
        let mut submitted = SubmittedRecords::default();
        let sent = chunk(4);
        submitted.begin_chunk(sent.clone());
        let (a, b) = (partition("a"), partition("b"));
        submitted.submit(0, Some(a.clone()), offset(1), None);
        submitted.submit(1, Some(b.clone()), offset(1), None);
        submitted.submit(2, Some(a.clone()), offset(2), None);
        submitted.submit(3, Some(b.clone()), offset(2), None);
        for acked in [1, 2, 3] {
            sent.tolerate(acked);
        }
        let mut offsets = OffsetsByPartition::new();
        let taken = submitted.take_committable(&mut offsets);
        assert_eq!(taken.records, 2);
        assert_eq!(offsets.len(), 1);
        assert_eq!(offsets[&b], offset(2));
        assert_eq!(submitted.pending(), 2);

        sent.tolerate(0);
        let taken = submitted.take_committable(&mut offsets);
        assert_eq!(taken.records, 2);
        assert_eq!(offsets[&a], offset(2));
        assert_eq!(submitted.pending(), 0);
    }

    #[tokio::test]
    async fn equal_partitions_in_different_objects_are_one() {
        let mut submitted = SubmittedRecords::default();
        let sent = chunk(2);
        submitted.begin_chunk(sent.clone());
        submitted.submit(0, Some(partition("a")), offset(1), None);
        submitted.submit(1, Some(partition("a")), None, None);
        sent.tolerate(1);
        let mut offsets = OffsetsByPartition::new();
        assert_eq!(submitted.take_committable(&mut offsets).records, 0);
        sent.tolerate(0);
        assert_eq!(submitted.take_committable(&mut offsets).records, 2);
        assert_eq!(offsets[&partition("a")], None);
    }

    #[tokio::test]
    async fn chunks_are_forgotten_in_order() {
        let mut submitted = SubmittedRecords::default();
        let (first, second) = (chunk(1), chunk(1));
        submitted.begin_chunk(first.clone());
        submitted.use_topic(&"t1".into());
        submitted.submit(0, Some(partition("a")), offset(1), None);
        submitted.begin_chunk(second.clone());
        submitted.use_topic(&"t2".into());
        submitted.submit(0, Some(partition("b")), offset(1), None);
        second.tolerate(0);
        let mut offsets = OffsetsByPartition::new();
        let taken = submitted.take_committable(&mut offsets);
        assert_eq!((taken.records, taken.topics.len()), (1, 0));
        first.tolerate(0);
        let taken = submitted.take_committable(&mut offsets);
        assert_eq!(taken.topics, ["t1", "t2"].map(ByteString::from));
        assert_eq!(offsets.len(), 2);
    }
}
