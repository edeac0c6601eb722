//! The task: one request after the other, so that records keep their order. Of a request that is refused for what is in it
//! the bad records are found by halving, and reported; all others are sent.

use std::sync::Arc;

use sluice_api::causes::with_causes;
use sluice_api::sink::{self, Retries};
use sluice_api::{
    ConnectError, ErrorKind, Props, Result, SinkRecord, SinkTask, SinkTaskContext, TopicPartition,
    async_trait, json,
};

use crate::settings::Settings;

#[derive(Default)]
pub(crate) struct HttpSinkTask {
    started: Option<(Arc<dyn SinkTaskContext>, Settings, Retries)>,
    /// Records of the batch under way that are done, should it come again after a retriable error.
    done: usize,
}

/// The body of a request.
fn body(around: &[String; 3], records: &[SinkRecord]) -> Result<Vec<u8>> {
    let [prefix, separator, suffix] = around;
    let mut body = prefix.clone().into_bytes();
    for (index, SinkRecord { record, .. }) in records.iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(separator.as_bytes());
        }
        if record.value.is_null() {
            return Err(ConnectError::data("a null value cannot be sent"));
        }
        json::write_text(&mut body, record.value_schema.as_ref(), &record.value)?;
    }
    body.extend_from_slice(suffix.as_bytes());
    Ok(body)
}

/// Sends records in one request. An error of kind `Data` is a fault of theirs, a retriable one may pass.
async fn post(settings: &Settings, records: &[SinkRecord]) -> Result<()> {
    let body = body(&settings.around, records)?;
    let request = settings.client.post(settings.url.clone()).body(body);
    // Without the query, which may hold a secret.
    let place = settings.url.as_str().split('?').next().unwrap_or_default();
    let mut reply = request.send().await.map_err(|error| {
        let why = with_causes(&error.without_url());
        ConnectError::retriable(format!("POST to {place} failed: {why}"))
    })?;
    let status = reply.status();
    if status.is_success() {
        return Ok(());
    }
    let said = reply.chunk().await.ok().flatten().unwrap_or_default();
    let message = format!(
        "POST to {place} was answered {status}: {}",
        settings.shown(&said)
    );
    Err(match status.as_u16() {
        408 | 429 | 500.. => ConnectError::retriable(message),
        401 | 403 | 407 => ConnectError::connect(message + "; check http.headers.authorization"),
        ..=399 | 404 | 405 | 410 => ConnectError::connect(message + "; check http.url"),
        _ => ConnectError::data(message),
    })
}

#[async_trait]
impl SinkTask for HttpSinkTask {
    async fn start(&mut self, context: Arc<dyn SinkTaskContext>, props: &Props) -> Result<()> {
        let settings = Settings::parse(props)?;
        let retries = Retries::of(&settings.config);
        self.started = Some((context, settings, retries));
        Ok(())
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        let Some((context, settings, retries)) = &mut self.started else {
            return Err(ConnectError::connect("the task was not started"));
        };
        let rest = records.get(self.done..).unwrap_or_default();
        // Ranges still to be sent, the next one last.
        let mut open: Vec<&[SinkRecord]> = rest.chunks(settings.batch_size).rev().collect();
        while let Some(range) = open.pop() {
            match (post(settings, range).await, range) {
                (Err(error), [record]) if error.kind() == ErrorKind::Data => {
                    let reporter = context.errant_record_reporter();
                    sink::report(reporter.as_deref(), record, &error)?.await?;
                }
                (Err(error), _) if error.kind() == ErrorKind::Data => {
                    let (first, second) = range.split_at(range.len() / 2);
                    open.extend([second, first]);
                    continue;
                }
                (Err(error), _) => return Err(retries.failed(error, context.as_ref())),
                (Ok(()), _) => retries.succeeded(),
            }
            self.done += range.len();
        }
        self.done = 0;
        Ok(())
    }

    async fn close(&mut self, _: &[TopicPartition]) -> Result<()> {
        // The batch may lose records, so what is done of it is not known: some may be sent twice.
        self.done = 0;
        Ok(())
    }
}
