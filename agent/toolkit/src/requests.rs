//! Sinks that send records in requests: all of such a connector but the request itself. A task has one
//! request under way, so records keep their order. Of a request that is refused for what is in it the bad
//! records are found by halving, and reported; all others are sent.
//!
//! What a system says of one record (500, 404, 403 ...) may be that record's fault or the system's. It is the
//! record's as soon as the system takes another one: until then the record is set aside. Where nothing else
//! comes to show it, a few records are reported without proof, as Aiven's connector reports all; when one
//! refusal follows the other the task fails instead of sending a whole topic to the dead letter queue.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use sluice_api::plugin::{Definition, SinkConnectorPlugin, connectors, sink_tasks};
use sluice_api::{
    ConfigDef, ConnectError, KeyFault, ParsedConfig, Props, Result, SinkRecord, SinkTask,
    SinkTaskContext, TopicPartition, Value,
};
use sluice_plugins::json::encode::Encoder;

use crate::reports::report;
use crate::retries::Retries;
use crate::sink_connector::{SameForEachTask, System};

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
            Encoder::default().write_value(body, schema, value)?;
        }
    }
    Ok(())
}

/// The descriptor of a target's connector, whose task is named like it, with `Task` for `Connector`.
#[must_use]
pub fn plugin<T: Target>(class: &str, version: &str) -> SinkConnectorPlugin {
    let name = class.strip_suffix("Connector").unwrap_or(class);
    SinkConnectorPlugin {
        class: class.into(),
        task_class: format!("{name}Task").into(),
        version: version.into(),
        config_def: Definition::at_hand(T::config_def),
        new_connector: connectors(RequestSink::<T>::default),
        start_task: sink_tasks(RequestTask::<T>::start),
    }
}

/// The connector. Its check asks the system whether it can be reached.
pub type RequestSink<T> = SameForEachTask<Requests<T>>;

/// A target as the system of a connector.
pub struct Requests<T>(PhantomData<fn() -> T>);

#[async_trait]
impl<T: Target> System for Requests<T> {
    fn starting(_: &Props) -> Result<()> {
        Ok(())
    }

    async fn validate(props: &Props) -> Vec<KeyFault> {
        let checked = match target::<T>(props) {
            Ok((_, target)) => target.check().await,
            Err(fault) => Err(fault),
        };
        checked.err().into_iter().collect()
    }
}

/// The task.
pub struct RequestTask<T> {
    system: Reached<T>,
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

/// The system, and what is needed to judge its answers.
struct Reached<T> {
    context: Arc<dyn SinkTaskContext>,
    config: ParsedConfig,
    target: T,
    retries: Retries,
}

impl<T: Target> RequestTask<T> {
    /// Starts the task.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub async fn start(context: Arc<dyn SinkTaskContext>) -> Result<Self> {
        let (config, target) = target(context.configs())?;
        Ok(Self {
            system: Reached {
                context,
                retries: Retries::of(&config),
                config,
                target,
            },
            batch: Batch::default(),
            unproven: 0,
        })
    }
}

#[async_trait]
impl<T: Target> SinkTask for RequestTask<T> {
    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        let system = &mut self.system;
        let batch = &mut self.batch;
        let rest = records.get(batch.done..).unwrap_or_default();
        // Ranges still to be sent, the next one last.
        let target = &system.target;
        let requests = rest
            .chunk_by(|one, other| target.share_a_request(one, other))
            .flat_map(|records| records.chunks(target.batch_size()));
        let mut open: Vec<&[SinkRecord]> = requests.collect();
        open.reverse();
        while let Some(range) = open.pop() {
            let Err(refusal) = system.target.send(range).await else {
                system.retries.succeeded();
                batch.done += range.len();
                self.unproven = 0;
                system.report_aside(batch, records).await?;
                continue;
            };
            let (error, proven) = system.blame(refusal, range.len(), batch)?;
            if range.len() > 1 {
                batch.searched = batch.searched.max(batch.done + range.len());
                let (first, second) = range.split_at(range.len() / 2);
                open.extend([second, first]);
                continue;
            }
            batch.aside.push((batch.done, error, proven));
            batch.done += 1;
            if system.context.errant_record_reporter().is_none() {
                // No proof is awaited where the first fault ends the task.
                system.report_aside(batch, records).await?;
            }
            let refused = self.unproven + batch.unproven();
            if refused > MOST_UNPROVEN {
                return Err(batch.systems_fault(refused));
            }
        }
        self.unproven += batch.unproven();
        system.report_aside(batch, records).await?;
        self.batch = Batch::default();
        Ok(())
    }

    async fn close(&mut self, _: &[TopicPartition]) -> Result<()> {
        // The batch may lose records, so what is done of it is not known: some may be sent twice.
        self.batch = Batch::default();
        Ok(())
    }
}

impl<T: Target> Reached<T> {
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
        let error = error.map_texts(&|text| self.config.hide_in(text));
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
