//! From a consumed record to one of the next `put`: converters, then transformations.

use sluice_api::{
    ConnectError, ConnectRecord, Headers, RawRecord, RecordOrigin, Result, SchemaAndValue,
    SinkRecord, TimestampType,
};

use super::reporting::Reporting;
use crate::worker::errors::{Stage, Tolerated, attempt};
use crate::worker::sink_context::ConsumedSubject;
use crate::worker::task_context::TaskContext;

/// What converting takes. It changes nothing of the loop.
pub(super) struct Conversion<'a> {
    pub(super) context: &'a TaskContext,
    pub(super) reporting: &'a Reporting,
}

impl Conversion<'_> {
    /// Converts and transforms a record without the cost of a future; false if it needs more, or if
    /// anything went wrong, which happens in [`Conversion::record`] again.
    pub(super) fn at_once(&self, raw: &RawRecord, records: &mut Vec<SinkRecord>) -> bool {
        let plugins = &self.context.plugins;
        let transforms = !plugins.transformations.is_empty();
        if !raw.headers.is_empty()
            || raw.timestamp < -1
            || (transforms && self.reporting.operator.retries())
        {
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
        let mut record = connect_record(raw, key, value, Headers::new());
        if transforms {
            match plugins.transformations.apply_at_once(record, &origin(raw)) {
                Ok(Some(changed)) => record = changed,
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        records.push(sink_record(raw, record));
        true
    }

    /// Converts and transforms a record; `None` if it is dropped.
    pub(super) async fn record(&self, raw: &RawRecord) -> Result<Option<SinkRecord>> {
        let plugins = &self.context.plugins;
        let subject = ConsumedSubject(raw);
        let operator = &self.reporting.operator;
        let key = attempt!(
            plugins
                .key_converter
                .to_connect_data(&raw.topic, raw.key.as_ref()),
            |attempts, error| {
                let stage = Stage::KeyConverter;
                operator
                    .after_conversion(plugins, stage, &subject, &mut attempts, error)
                    .await
            }
        );
        let Some(key) = key? else { return Ok(None) };
        let value = attempt!(
            plugins
                .value_converter
                .to_connect_data(&raw.topic, raw.value.as_ref()),
            |attempts, error| {
                let stage = Stage::ValueConverter;
                operator
                    .after_conversion(plugins, stage, &subject, &mut attempts, error)
                    .await
            }
        );
        let Some(value) = value? else { return Ok(None) };
        let Some(headers) = self.headers(raw, &subject).await? else {
            return Ok(None);
        };
        if raw.timestamp < -1 {
            return Err(ConnectError::data(format!(
                "Invalid record timestamp {}",
                raw.timestamp
            )));
        }
        let mut record = connect_record(raw, key, value, headers);
        if !plugins.transformations.is_empty() {
            let transformed = plugins
                .transformations
                .apply(record, &origin(raw), operator, &subject)
                .await;
            record = match transformed {
                Tolerated::Done(record) => record,
                Tolerated::Skipped => return Ok(None),
                Tolerated::Fatal(error) => return Err(error),
            };
        }
        Ok(Some(sink_record(raw, record)))
    }

    /// The converted headers of a record; `None` if it is dropped.
    async fn headers(
        &self,
        raw: &RawRecord,
        subject: &ConsumedSubject<'_>,
    ) -> Result<Option<Headers>> {
        let plugins = &self.context.plugins;
        let mut headers = Headers::with_capacity(raw.headers.len());
        for (name, data) in &raw.headers {
            let converted = attempt!(
                plugins
                    .header_converter
                    .to_connect_header(&raw.topic, name, data.as_ref()),
                |attempts, error| {
                    let class = &plugins.header_converter_class;
                    let operator = &self.reporting.operator;
                    operator
                        .after_failure(Stage::HeaderConverter, class, subject, &mut attempts, error)
                        .await
                }
            );
            let Some(converted) = converted? else {
                return Ok(None);
            };
            headers.add_converted(name.clone(), converted);
        }
        Ok(Some(headers))
    }
}

/// What transformations are told of where a record comes from.
fn origin(raw: &RawRecord) -> RecordOrigin<'static> {
    RecordOrigin::Sink {
        offset: raw.offset,
        timestamp_type: raw.timestamp_type,
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
