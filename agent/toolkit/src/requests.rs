//! Sinks that send records in requests: all of such a connector but the request itself. A task has one
//! request under way, so records keep their order. Of a request that is refused for what is in it the bad
//! records are found by halving, and reported; all others are sent.
//!
//! What a system says of one record (500, 404, 403 ...) may be that record's fault or the system's. It is the
//! record's as soon as the system takes another one: until then the record is set aside. Where nothing else
//! comes to show it, a few records are reported without proof, as Aiven's connector reports all; when one
//! refusal follows the other the task fails instead of sending a whole topic to the dead letter queue.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::config::{ConfigDef, ParsedConfig, Props};
use crate::connector::{Connector, ConnectorContext, KeyFault};
use crate::error::{ConnectError, Result};
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

    /// Whether two records, one behind the other, may be in one request.
    fn share_a_request(&self, _one: &SinkRecord, _other: &SinkRecord) -> bool {
        true
    }

    /// Sends records in one request. Secrets of the configuration are taken out of errors.
    ///
    /// # Errors
    /// Whose fault it is that nothing of it was kept.
    async fn send(&self, records: &[SinkRecord]) -> std::result::Result<(), Refusal>;
}

/// Why the records of a request were not taken.
#[derive(Debug)]
pub struct Refusal {
    error: ConnectError,
    blame: Blame,
    /// How long the system asks to wait.
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// What is in the records.
    Records,
    /// The records, or the system: it answered.
    Unclear {
        /// Whether the same request may be taken later.
        may_pass: bool,
    },
    /// Nothing was said of the records.
    System,
}

/// A pause that a system may ask for at most; with a longer one it would look stuck, and nobody would know
/// why.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

impl Refusal {
    /// There was no answer. Text for whoever reads the log: what was tried, and why it failed.
    #[must_use]
    pub fn unanswered(message: String) -> Self {
        Self {
            error: ConnectError::retriable(message),
            blame: Blame::System,
            pause: Duration::ZERO,
        }
    }

    /// The answer of an HTTP server with a status that is not one of success, and its header `Retry-After`,
    /// in seconds or as a date (RFC 9110, 10.2.3).
    #[must_use]
    pub fn answered(status: u16, retry_after: Option<&str>, message: String) -> Self {
        let (error, blame) = match status {
            408 | 429 | 500.. => (
                ConnectError::retriable(message),
                Blame::Unclear { may_pass: true },
            ),
            ..=399 | 401 | 403..=405 | 407 | 410 => (
                ConnectError::connect(message),
                Blame::Unclear { may_pass: false },
            ),
            _ => (ConnectError::data(message), Blame::Records),
        };
        let pause = retry_after.and_then(pause_of).unwrap_or_default();
        Self {
            error,
            blame,
            pause: pause.min(LONGEST_PAUSE),
        }
    }

    /// The same refusal where the configuration says whether such an answer may pass, and not its status.
    /// What is in the records stays at fault unless it may.
    #[must_use]
    pub fn passing(self, may_pass: bool) -> Self {
        let message = self.error.message().to_owned();
        let error = match (may_pass, self.blame) {
            (true, _) => ConnectError::retriable(message),
            (false, Blame::Unclear { may_pass: true }) => ConnectError::connect(message),
            (false, _) => return self,
        };
        Self {
            error,
            blame: Blame::Unclear { may_pass },
            ..self
        }
    }

    /// Whether the same request may be taken later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self.blame,
            Blame::System | Blame::Unclear { may_pass: true }
        )
    }

    /// What was tried, and why it failed.
    #[must_use]
    pub fn message(&self) -> &str {
        self.error.message()
    }
}

/// Records that cannot be written are at fault themselves.
impl From<ConnectError> for Refusal {
    fn from(error: ConnectError) -> Self {
        Self {
            error,
            blame: Blame::Records,
            pause: Duration::ZERO,
        }
    }
}

fn pause_of(header: &str) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = chrono::DateTime::parse_from_rfc2822(header).ok()?;
    (until.to_utc() - chrono::Utc::now()).to_std().ok()
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

/// A body of records: text and bytes as they are, so that JSON in them passes through, all else as JSON; with
/// texts before, between and after the records.
///
/// # Errors
/// A null value, or one that does not fit its schema, or needs one.
pub fn body(records: &[SinkRecord], around: &[String; 3]) -> Result<Vec<u8>> {
    let [before, between, after] = around.each_ref().map(String::as_bytes);
    let mut body = before.to_vec();
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(between);
        }
        append(&mut body, record)?;
    }
    body.extend_from_slice(after);
    Ok(body)
}

/// Adds one record to a body, as [`body`] does it.
///
/// # Errors
/// The value is null, or cannot be written as JSON.
pub fn append(body: &mut Vec<u8>, record: &SinkRecord) -> Result<()> {
    let SinkRecord { record, .. } = record;
    match &record.value {
        Value::Null => return Err(ConnectError::data("a null value cannot be sent")),
        Value::String(text) => body.extend_from_slice(text.as_bytes()),
        Value::Bytes(bytes) => body.extend_from_slice(bytes),
        value => {
            let schema = record.value_schema.as_ref();
            json::Encoder::default().write_value(body, schema, value)?;
        }
    }
    Ok(())
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
    batch: Batch,
    /// Records reported without proof since the last one that was taken.
    unproven: usize,
}

/// How far the batch under way is, should it come again after a retriable error.
#[derive(Default)]
struct Batch {
    /// Records from the first on that are sent, or set aside.
    done: usize,
    /// Up to here the attempts for requests of several records are used up: a bad record is looked for.
    searched: usize,
    /// Records that were refused, by their index, and whether there is proof that they are at fault. They
    /// wait for it together, so that reports keep the order of the records.
    aside: Vec<(usize, ConnectError, bool)>,
}

impl Batch {
    fn unproven(&self) -> usize {
        let unproven = self.aside.iter().filter(|(_, _, proven)| !proven);
        unproven.count()
    }

    /// The error of a system that took none of the last `refused` records.
    fn systems_fault(&mut self, refused: usize) -> ConnectError {
        let text = format!("none of the last {refused} records was taken");
        let first = self.aside.drain(..).find(|(_, _, proven)| !proven);
        match first {
            Some((_, why, _)) => ConnectError::connect(text).caused_by(why),
            None => ConnectError::connect(text),
        }
    }
}

/// Most records that are reported without proof, one after the other.
const MOST_UNPROVEN: usize = 100;

impl<T> Default for RequestTask<T> {
    fn default() -> Self {
        Self {
            started: None,
            batch: Batch::default(),
            unproven: 0,
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
        let batch = &mut self.batch;
        let rest = records.get(batch.done..).unwrap_or_default();
        // Ranges still to be sent, the next one last.
        let target = &started.target;
        let requests = rest
            .chunk_by(|one, other| target.share_a_request(one, other))
            .flat_map(|records| records.chunks(target.batch_size()));
        let mut open: Vec<&[SinkRecord]> = requests.collect();
        open.reverse();
        while let Some(range) = open.pop() {
            let Err(refusal) = started.target.send(range).await else {
                started.retries.succeeded();
                batch.done += range.len();
                self.unproven = 0;
                started.report_aside(batch, records).await?;
                continue;
            };
            let (error, proven) = started.blame(refusal, range.len(), batch)?;
            if range.len() > 1 {
                batch.searched = batch.searched.max(batch.done + range.len());
                let (first, second) = range.split_at(range.len() / 2);
                open.extend([second, first]);
                continue;
            }
            batch.aside.push((batch.done, error, proven));
            batch.done += 1;
            if started.context.errant_record_reporter().is_none() {
                // Nobody waits for proof where the first fault ends the task.
                started.report_aside(batch, records).await?;
            }
            let refused = self.unproven + batch.unproven();
            if refused > MOST_UNPROVEN {
                return Err(batch.systems_fault(refused));
            }
        }
        self.unproven += batch.unproven();
        started.report_aside(batch, records).await?;
        self.batch = Batch::default();
        Ok(())
    }

    async fn close(&mut self, _: &[TopicPartition]) -> Result<()> {
        // The batch may lose records, so what is done of it is not known: some may be sent twice.
        self.batch = Batch::default();
        Ok(())
    }
}

impl<T: Target> Started<T> {
    /// Whether the records that were refused are at fault for certain, and why; the error that `put` ends
    /// with where the request is repeated, or the system is at fault.
    fn blame(
        &mut self,
        refusal: Refusal,
        records: usize,
        batch: &Batch,
    ) -> Result<(ConnectError, bool)> {
        let Refusal {
            error,
            blame,
            pause,
        } = refusal;
        let error = error.map_message(|text| self.config.hide_in(text));
        let searching = records > 1 && batch.done < batch.searched;
        let reports = self.context.errant_record_reporter().is_some();
        match blame {
            Blame::Records => Ok((error, true)),
            Blame::Unclear { may_pass: false } if !reports => Err(error),
            Blame::Unclear { may_pass } if !may_pass || searching => Ok((error, false)),
            Blame::Unclear { .. } | Blame::System => {
                let context = self.context.as_ref();
                let error = self.retries.failed_for(error, pause, context);
                if error.is_retriable() || blame == Blame::System || !reports {
                    return Err(error);
                }
                self.retries.succeeded();
                Ok((error, false))
            }
        }
    }

    /// Reports what was set aside.
    async fn report_aside(&self, batch: &mut Batch, records: &[SinkRecord]) -> Result<()> {
        for (index, error, _) in std::mem::take(&mut batch.aside) {
            if let Some(record) = records.get(index) {
                let reporter = self.context.errant_record_reporter();
                report(reporter.as_deref(), record, &error)?.await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
