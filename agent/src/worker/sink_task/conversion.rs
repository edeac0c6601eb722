//! From a consumed record to one of the next `put`: converters, then transformations.

use sluice_api::{
    ConnectError, ConnectRecord, Headers, RawRecord, RecordOrigin, Result, SchemaAndValue,
    SinkRecord, TimestampType,
};

use super::reporting::Reporting;
use crate::worker::errors::{Attempts, Decision, Stage, Tolerated};
use crate::worker::sink_context::ConsumedSubject;
use crate::worker::task_context::TaskContext;

/// What converting takes. It changes nothing of the loop.
pub(super) struct Conversion<'a> {
    pub(super) context: &'a TaskContext,
    pub(super) reporting: &'a Reporting,
}

impl Conversion<'_> {
    /// Converts a record that needs nothing but its converters, without the cost of a future; false if it needs more,
    /// or if anything went wrong, which happens in [`Conversion::record`] again.
    pub(super) fn at_once(&self, raw: &RawRecord, records: &mut Vec<SinkRecord>) -> bool {
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
        records.push(sink_record(raw, record));
        true
    }

    /// Converts and transforms a record; `None` if it is dropped.
    pub(super) async fn record(&self, raw: &RawRecord) -> Result<Option<SinkRecord>> {
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
                                .reporting
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
                .apply(record, &origin, &self.reporting.operator, &subject)
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
