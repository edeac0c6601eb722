//! Sinks that send records in requests: all of such a connector but the request itself. A task has one request under way, so
//! records keep their order. Of a request that is refused for what is in it the bad records are found by halving, and
//! reported; all others are sent.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;

use crate::config::{ConfigDef, ParsedConfig, Props};
use crate::connector::{Connector, ConnectorContext, KeyFault};
use crate::error::{ConnectError, ErrorKind, Result};
use crate::json;
use crate::record::{SinkRecord, TopicPartition};
use crate::sink::{Retries, SinkTask, SinkTaskContext, report};
use crate::value::Value;

/// A system that takes records in requests.
#[async_trait]
pub trait Target: Sized + Send + Sync + 'static {
    /// Beginnings of keys that are the connector's, so that one which is not defined is refused.
    const KEYS: &'static [&'static str];

    /// The keys, `max.retries` and `retry.backoff.ms` of type INT among them.
    fn config_def() -> ConfigDef;

    /// From a configuration, parsed and as it was written.
    ///
    /// # Errors
    /// A key whose value is wrong.
    fn new(config: &ParsedConfig, props: &Props) -> Result<Self, KeyFault>;

    /// Whether the system can be reached, for validation.
    ///
    /// # Errors
    /// The key to correct, and what is wrong.
    async fn check(&self) -> Result<(), KeyFault>;

    /// The most records of a request.
    fn batch_size(&self) -> usize;

    /// Sends records in one request. Secrets of the configuration are taken out of errors.
    ///
    /// # Errors
    /// `Data` if it is refused for what is in it, and nothing of it kept; `Retriable` if the fault may pass; any other kind fails
    /// the task.
    async fn send(&self, records: &[SinkRecord]) -> Result<()>;
}

fn target<T: Target>(props: &Props) -> Result<(ParsedConfig, T), KeyFault> {
    let def = T::config_def();
    def.refuse_unknown(props, T::KEYS)?;
    let config = def.parse(props).map_err(|why| KeyFault {
        key: "connector.class".to_owned(),
        message: why.to_string(),
    })?;
    let target = T::new(&config, props)?;
    Ok((config, target))
}

/// A body of records: text and bytes as they are, so that JSON in them passes through, all else as JSON; with texts before,
/// between and after the records.
///
/// # Errors
/// A null value, or one that does not fit its schema, or needs one.
pub fn body(records: &[SinkRecord], around: &[String; 3]) -> Result<Vec<u8>> {
    let [before, between, after] = around.each_ref().map(String::as_bytes);
    let mut body = before.to_vec();
    for (index, SinkRecord { record, .. }) in records.iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(between);
        }
        match &record.value {
            Value::Null => return Err(ConnectError::data("a null value cannot be sent")),
            Value::String(text) => body.extend_from_slice(text.as_bytes()),
            Value::Bytes(bytes) => body.extend_from_slice(bytes),
            value => {
                let schema = record.value_schema.as_ref();
                json::Encoder::default().write_value(&mut body, schema, value)?;
            }
        }
    }
    body.extend_from_slice(after);
    Ok(body)
}

/// The connector, whose tasks all have its configuration: Kafka spreads the partitions over them.
pub struct RequestSink<T> {
    props: Props,
    target: PhantomData<fn() -> T>,
}

impl<T> Default for RequestSink<T> {
    fn default() -> Self {
        Self {
            props: Props::new(),
            target: PhantomData,
        }
    }
}

#[async_trait]
impl<T: Target> Connector for RequestSink<T> {
    async fn start(&mut self, _context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()> {
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone(); max_tasks])
    }

    async fn validate(&self, props: &Props) -> Vec<KeyFault> {
        let checked = match target::<T>(props) {
            Ok((_, target)) => target.check().await,
            Err(fault) => Err(fault),
        };
        checked.err().into_iter().collect()
    }

    async fn alter_sink_offsets(
        &self,
        _props: &Props,
        _offsets: &BTreeMap<TopicPartition, Option<i64>>,
    ) -> Result<bool> {
        Ok(true)
    }
}

struct Started<T> {
    context: Arc<dyn SinkTaskContext>,
    config: ParsedConfig,
    target: T,
    retries: Retries,
}

/// The task.
pub struct RequestTask<T> {
    started: Option<Started<T>>,
    /// Records of the batch under way that are done, should it come again after a retriable error.
    done: usize,
}

impl<T> Default for RequestTask<T> {
    fn default() -> Self {
        Self {
            started: None,
            done: 0,
        }
    }
}

#[async_trait]
impl<T: Target> SinkTask for RequestTask<T> {
    async fn start(&mut self, context: Arc<dyn SinkTaskContext>, props: &Props) -> Result<()> {
        let (config, target) = target(props)?;
        self.started = Some(Started {
            context,
            retries: Retries::of(&config),
            config,
            target,
        });
        Ok(())
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        let Some(started) = &mut self.started else {
            return Err(ConnectError::connect("the task was not started"));
        };
        let context = started.context.as_ref();
        let rest = records.get(self.done..).unwrap_or_default();
        // Ranges still to be sent, the next one last.
        let mut open: Vec<&[SinkRecord]> = rest.chunks(started.target.batch_size()).rev().collect();
        while let Some(range) = open.pop() {
            let sent = started.target.send(range).await;
            let sent = sent.map_err(|error| error.map_message(|text| started.config.hide_in(text)));
            match (sent, range) {
                (Err(error), [record]) if error.kind() == ErrorKind::Data => {
                    let reporter = context.errant_record_reporter();
                    report(reporter.as_deref(), record, &error)?.await?;
                }
                (Err(error), _) if error.kind() == ErrorKind::Data => {
                    let (first, second) = range.split_at(range.len() / 2);
                    open.extend([second, first]);
                    continue;
                }
                (Err(error), _) => return Err(started.retries.failed(error, context)),
                (Ok(()), _) => started.retries.succeeded(),
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
