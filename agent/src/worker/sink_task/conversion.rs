//! From what was consumed to the records of the next `put`: converters, then transformations.

use sluice_api::record::same_name;
use sluice_api::{
    ConnectError, ConnectRecord, Headers, OffsetAndMetadata, RawRecord, RecordOrigin, Result,
    SchemaAndValue, SinkRecord, TimestampType, TopicPartition,
};

use super::Loop;
use crate::worker::errors::{Attempts, Decision, Stage, Tolerated};
use crate::worker::sink_context::ConsumedSubject;

impl Loop<'_> {
    /// Converts what was polled and appends it to the batch. What was dropped counts as read all the same.
    pub(super) async fn convert(&mut self) -> Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let raw = std::mem::take(&mut self.raw);
        self.context.metrics.on_batch_in(raw.len() as u64);
        self.batch.reserve(raw.len());
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
                    self.note_run(run.take());
                    self.note_position(record);
                    run = Some((record, record.offset + 1));
                }
            }
            if !self.convert_at_once(record)
                && let Some(converted) = self.convert_record(record).await?
            {
                self.batch.push(converted);
            }
        }
        self.note_run(run);
        self.context.metrics.on_bytes(bytes);
        // The room is used again.
        self.raw = raw;
        match &self.reporter {
            Some(reporter) => reporter.keep(&mut self.raw),
            None => self.raw.clear(),
        }
        Ok(())
    }

    fn note_run(&mut self, run: Option<(&RawRecord, i64)>) {
        if let Some((record, next)) = run {
            self.original.insert(
                TopicPartition::new(record.topic.clone(), record.partition),
                next,
            );
        }
    }

    /// The first record of a partition shows where reading began; and its topic is in use.
    fn note_position(&mut self, record: &RawRecord) {
        let tp = TopicPartition::new(record.topic.clone(), record.partition);
        self.last_committed
            .entry(tp)
            .or_insert_with(|| OffsetAndMetadata::new(record.offset));
        self.context
            .topics
            .on_topic_used(&self.context.id, &record.topic);
    }

    /// Converts a record that needs nothing but its converters, without the cost of a future; false if it needs more,
    /// or if anything went wrong, which happens in [`Loop::convert_record`] again.
    fn convert_at_once(&mut self, raw: &RawRecord) -> bool {
        let plugins = &self.context.plugins;
        if !plugins.transformations.is_empty() || !raw.headers.is_empty() || raw.timestamp < -1 {
            return false;
        }
        let (Ok(key), Ok(value)) = (
            plugins
                .key_converter
                .to_connect_data(&raw.topic, raw.key.as_ref()),
            plugins
                .value_converter
                .to_connect_data(&raw.topic, raw.value.as_ref()),
        ) else {
            return false;
        };
        let record = connect_record(raw, key, value, Headers::new());
        self.batch.push(sink_record(raw, record));
        true
    }

    async fn convert_record(&self, raw: &RawRecord) -> Result<Option<SinkRecord>> {
        let plugins = &self.context.plugins;
        let subject = ConsumedSubject(raw);
        macro_rules! step {
            ($call:expr, $after_error:ident($($argument:expr),*)) => {
                match $call {
                    Ok(converted) => converted,
                    Err(first) => {
                        let mut attempts = Attempts::default();
                        let mut error = first;
                        loop {
                            let decision = self
                                .operator
                                .$after_error($($argument),*, &subject, &mut attempts, error)
                                .await;
                            match decision {
                                Decision::Skip => return Ok(None),
                                Decision::Fail(error) => return Err(error),
                                Decision::Retry => match $call {
                                    Ok(converted) => break converted,
                                    Err(next) => error = next,
                                },
                            }
                        }
                    }
                }
            };
        }
        let key: SchemaAndValue = step!(
            plugins
                .key_converter
                .to_connect_data(&raw.topic, raw.key.as_ref()),
            after_conversion(
                &*plugins.key_converter,
                Stage::KeyConverter,
                &plugins.key_converter_class
            )
        );
        let value: SchemaAndValue = step!(
            plugins
                .value_converter
                .to_connect_data(&raw.topic, raw.value.as_ref()),
            after_conversion(
                &*plugins.value_converter,
                Stage::ValueConverter,
                &plugins.value_converter_class
            )
        );
        let mut headers = Headers::new();
        if !raw.headers.is_empty() {
            headers = Headers::with_capacity(raw.headers.len());
            for (name, data) in &raw.headers {
                let converted = step!(
                    plugins
                        .header_converter
                        .to_connect_header(&raw.topic, name, data.as_ref()),
                    after_failure(Stage::HeaderConverter, &plugins.header_converter_class)
                );
                headers.add_converted(name.clone(), converted);
            }
        }
        if raw.timestamp < -1 {
            return Err(ConnectError::data(format!(
                "Invalid record timestamp {}",
                raw.timestamp
            )));
        }
        let mut record = connect_record(raw, key, value, headers);
        if !plugins.transformations.is_empty() {
            let origin = RecordOrigin::Sink {
                offset: raw.offset,
                timestamp_type: raw.timestamp_type,
            };
            let transformed = plugins
                .transformations
                .apply(record, &origin, &self.operator, &subject)
                .await;
            record = match transformed {
                Tolerated::Done(record) => record,
                Tolerated::Skipped => return Ok(None),
                Tolerated::Fatal(error) => return Err(error),
            };
        }
        Ok(Some(sink_record(raw, record)))
    }
}

/// A record as it is before transformations.
#[inline]
fn connect_record(
    raw: &RawRecord,
    key: SchemaAndValue,
    value: SchemaAndValue,
    headers: Headers,
) -> ConnectRecord {
    let has_timestamp = raw.timestamp >= 0 && raw.timestamp_type != TimestampType::NoTimestampType;
    ConnectRecord {
        topic: raw.topic.clone(),
        kafka_partition: Some(raw.partition),
        key_schema: key.schema,
        key: key.value,
        value_schema: value.schema,
        value: value.value,
        timestamp: has_timestamp.then_some(raw.timestamp),
        headers,
    }
}

/// A record with the place where it was consumed.
#[inline]
fn sink_record(raw: &RawRecord, record: ConnectRecord) -> SinkRecord {
    SinkRecord {
        record,
        kafka_offset: raw.offset,
        timestamp_type: raw.timestamp_type,
        original_topic: raw.topic.clone(),
        original_kafka_partition: raw.partition,
        original_kafka_offset: raw.offset,
    }
}
