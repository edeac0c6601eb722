//! The records of the next `put`.

use std::collections::BTreeSet;

use sluice_api::record::same_name;
use sluice_api::{RawRecord, Result, SinkRecord, TopicPartition};

use super::conversion::Conversion;
use super::offsets::Offsets;

/// Records between the consumer and the task.
#[derive(Default)]
pub(super) struct Batch {
    /// What was polled and is not converted yet; room that is used again.
    pub(super) raw: Vec<RawRecord>,
    /// Converted records that no `put` took yet.
    pub(super) records: Vec<SinkRecord>,
    /// A `put` failed and the same records are put again; all partitions are paused.
    pub(super) refused: bool,
}

impl Batch {
    /// Converts what was polled and appends it. What is dropped counts as read all the same.
    pub(super) async fn convert(
        &mut self,
        conversion: &Conversion<'_>,
        offsets: &mut Offsets,
    ) -> Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let context = conversion.context;
        let mut raw = std::mem::take(&mut self.raw);
        context.metrics.on_batch_in(raw.len() as u64);
        self.records.reserve(raw.len());
        let mut bytes = 0_u64;
        let mut run: Option<(&RawRecord, i64)> = None;
        for record in &raw {
            bytes += (record.key.as_ref().map_or(0, bytes::Bytes::len)
                + record.value.as_ref().map_or(0, bytes::Bytes::len)) as u64;
            match &mut run {
                Some((first, next))
                    if first.partition == record.partition
                        && same_name(&first.topic, &record.topic) =>
                {
                    *next = record.offset + 1;
                }
                _ => {
                    if let Some((record, next)) = run.take() {
                        offsets.consumed(record, next);
                    }
                    offsets.begins_with(record);
                    context.topics.on_topic_used(&context.id, &record.topic);
                    run = Some((record, record.offset + 1));
                }
            }
            if !conversion.at_once(record, &mut self.records) {
                self.records.extend(conversion.record(record).await?);
            }
        }
        if let Some((record, next)) = run {
            offsets.consumed(record, next);
        }
        context.metrics.on_bytes(bytes);
        conversion.reporting.keep(&mut raw);
        self.raw = raw;
        Ok(())
    }

    /// Drops the records of partitions that are not this task's any more; as in Kafka, by the topic
    /// after transformations.
    pub(super) fn forget(&mut self, gone: &BTreeSet<TopicPartition>) {
        self.records.retain(|record| {
            let partition = record
                .record
                .kafka_partition
                .unwrap_or(record.original_kafka_partition);
            !gone.contains(&TopicPartition::new(record.record.topic.clone(), partition))
        });
    }
}
