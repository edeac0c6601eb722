//! Bad records on their way to the errant record reporter (KIP-610).

use futures::future::BoxFuture;
use sluice_api::{ConnectError, ErrantRecordReporter, Result, SinkRecord};

/// Reports a bad record, the error naming it by topic, partition and offset. The future ends when the report
/// is written.
///
/// # Errors
/// The error itself if nobody takes reports; errors are not tolerated.
pub fn report(
    reporter: Option<&dyn ErrantRecordReporter>,
    record: &SinkRecord,
    error: &ConnectError,
) -> Result<BoxFuture<'static, Result<()>>> {
    let error = ConnectError::new(
        error.kind(),
        format!(
            "record {}-{}@{}: {}",
            record.original_topic,
            record.original_kafka_partition,
            record.original_kafka_offset,
            error.message()
        ),
    );
    match reporter {
        Some(reporter) => reporter.report(record, error),
        None => Err(error),
    }
}
