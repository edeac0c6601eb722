//! What a sink task's plugin can ask of its loop, kept until the loop looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sluice_api::config::Props;
use sluice_api::{
    ConnectError, ErrantRecordReporter, ErrorKind, RawRecord, Reach, Result, SinkRecord,
    SinkTaskContext, TimestampType, TopicPartition,
};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::errors::{ErrorOperator, FailureSubject, Stage, Tolerated};
use super::task_context::TaskPlugins;
use super::worker_task::catch;

/// Class that reports of a task name.
const SINK_TASK_CLASS: &str = "org.apache.kafka.connect.sink.SinkTask";

/// A request to stop or to go on reading from partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flow {
    Pause(Vec<TopicPartition>),
    Resume(Vec<TopicPartition>),
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) rewinds: BTreeMap<TopicPartition, i64>,
    pub(super) timeout: Option<Duration>,
    pub(super) flows: Vec<Flow>,
    pub(super) commit: bool,
}

#[derive(Debug, Default)]
struct State {
    assignment: BTreeSet<TopicPartition>,
    /// Partitions that the task paused, also while the whole connector is paused.
    paused: BTreeSet<TopicPartition>,
    requests: Requests,
}

/// Shared between the loop and its plugin.
pub(super) struct SinkContext {
    props: Props,
    state: Mutex<State>,
    /// Wakes the loop when a commit is asked for.
    pub(super) wake: Notify,
    stopping: CancellationToken,
    reporter: Option<Arc<Reporter>>,
    reach: Reach,
}

impl SinkContext {
    pub(super) fn new(
        props: Props,
        stopping: CancellationToken,
        reporter: Option<Arc<Reporter>>,
        reach: Reach,
    ) -> Self {
        Self {
            props,
            reach,
            state: Mutex::default(),
            wake: Notify::new(),
            stopping,
            reporter,
        }
    }

    pub(super) fn take_requests(&self) -> Requests {
        std::mem::take(&mut self.state.lock().requests)
    }

    pub(super) fn set_assignment(&self, assignment: BTreeSet<TopicPartition>) {
        let mut state = self.state.lock();
        state.paused.retain(|tp| assignment.contains(tp));
        state
            .requests
            .rewinds
            .retain(|tp, _| assignment.contains(tp));
        state.assignment = assignment;
    }

    pub(super) fn assigned(&self) -> BTreeSet<TopicPartition> {
        self.state.lock().assignment.clone()
    }

    pub(super) fn paused_by_task(&self) -> BTreeSet<TopicPartition> {
        self.state.lock().paused.clone()
    }

    fn check_assigned(state: &State, partitions: &[TopicPartition], doing: &str) -> Result<()> {
        match partitions.iter().find(|tp| !state.assignment.contains(tp)) {
            None => Ok(()),
            Some(tp) => Err(ConnectError::illegal_worker_state(format!(
                "SinkTasks may not {doing} partitions that are not currently assigned to them: {tp}"
            ))),
        }
    }
}

impl SinkTaskContext for SinkContext {
    fn configs(&self) -> &Props {
        &self.props
    }

    fn offsets(&self, offsets: &BTreeMap<TopicPartition, i64>) {
        let offsets = offsets.iter().map(|(tp, offset)| (tp.clone(), *offset));
        self.state.lock().requests.rewinds.extend(offsets);
    }

    fn timeout(&self, timeout: Duration) {
        self.state.lock().requests.timeout = Some(timeout);
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.state.lock().assignment.iter().cloned().collect()
    }

    fn pause(&self, partitions: &[TopicPartition]) -> Result<()> {
        let mut state = self.state.lock();
        Self::check_assigned(&state, partitions, "pause")?;
        state.paused.extend(partitions.iter().cloned());
        state.requests.flows.push(Flow::Pause(partitions.to_vec()));
        Ok(())
    }

    fn resume(&self, partitions: &[TopicPartition]) -> Result<()> {
        let mut state = self.state.lock();
        Self::check_assigned(&state, partitions, "resume")?;
        state.paused.retain(|tp| !partitions.contains(tp));
        state.requests.flows.push(Flow::Resume(partitions.to_vec()));
        Ok(())
    }

    fn request_commit(&self) {
        self.state.lock().requests.commit = true;
        self.wake.notify_one();
    }

    fn errant_record_reporter(&self) -> Option<Arc<dyn ErrantRecordReporter>> {
        self.reporter
            .clone()
            .map(|reporter| reporter as Arc<dyn ErrantRecordReporter>)
    }

    fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    fn reach(&self) -> &Reach {
        &self.reach
    }
}

/// A report that may not be written yet.
struct Outstanding {
    ended: Arc<Notify>,
    done: Arc<AtomicBool>,
}

/// Takes the records that a task reports (KIP-610).
pub(super) struct Reporter {
    operator: Arc<ErrorOperator>,
    outstanding: Mutex<Vec<Outstanding>>,
    /// Set when a report was not tolerated or not made; the loop fails the task even if the task swallowed
    /// the error.
    not_tolerated: Arc<Mutex<Option<ConnectError>>>,
    /// The records of the current batch as they were consumed.
    consumed: Mutex<Vec<RawRecord>>,
    plugins: Arc<TaskPlugins>,
}

/// A consumed record, for error reports.
pub(super) struct ConsumedSubject<'a>(pub(super) &'a RawRecord);

impl FailureSubject for ConsumedSubject<'_> {
    fn describe(&self) -> String {
        let RawRecord {
            topic,
            partition,
            offset,
            timestamp,
            timestamp_type,
            ..
        } = self.0;
        let timestamp = if *timestamp_type == TimestampType::NoTimestampType {
            String::new()
        } else {
            format!(", timestamp={timestamp}, timestampType={timestamp_type}")
        };
        format!(
            ", where consumed record is {{topic='{topic}', partition={partition}, \
             offset={offset}{timestamp}}}"
        )
    }

    fn consumed(&self) -> Option<&RawRecord> {
        Some(self.0)
    }
}

impl Reporter {
    pub(super) fn new(operator: Arc<ErrorOperator>, plugins: Arc<TaskPlugins>) -> Self {
        Self {
            operator,
            outstanding: Mutex::default(),
            not_tolerated: Arc::default(),
            consumed: Mutex::default(),
            plugins,
        }
    }

    /// Keeps records as they were consumed, until the batch they belong to was put.
    pub(super) fn keep(&self, records: &mut Vec<RawRecord>) {
        self.consumed.lock().append(records);
    }

    /// The batch was put.
    pub(super) fn forget_batch(&self) {
        self.consumed.lock().clear();
    }

    /// The consumed form of a record: as it was read if it belongs to the current batch, else by
    /// the task's converters.
    fn as_consumed(&self, record: &SinkRecord) -> Result<RawRecord> {
        let kept = self
            .consumed
            .lock()
            .iter()
            .find(|raw| {
                raw.offset == record.original_kafka_offset
                    && raw.partition == record.original_kafka_partition
                    && raw.topic == record.original_topic
            })
            .cloned();
        kept.map_or_else(|| serialized(&self.plugins, record), Ok)
    }

    /// Lets a report go on by itself; [`Reporter::settle`] waits for it.
    fn spawn(&self, report: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let ended = Arc::new(Notify::new());
        let done = Arc::new(AtomicBool::new(false));
        self.outstanding.lock().push(Outstanding {
            ended: Arc::clone(&ended),
            done: Arc::clone(&done),
        });
        let not_tolerated = Arc::clone(&self.not_tolerated);
        tokio::spawn(async move {
            let made = catch(async move {
                report.await;
                Ok(())
            });
            if let Err(panic) = made.await {
                *not_tolerated.lock() = Some(panic);
            }
            done.store(true, Ordering::Release);
            ended.notify_one();
        })
    }

    /// The error of a report that was not tolerated.
    pub(super) fn not_tolerated(&self) -> Option<ConnectError> {
        self.not_tolerated.lock().clone()
    }

    /// Waits until all reports are written.
    pub(super) async fn settle(&self) {
        loop {
            let next = {
                let mut outstanding = self.outstanding.lock();
                outstanding.retain(|report| !report.done.load(Ordering::Acquire));
                outstanding.first().map(|report| Arc::clone(&report.ended))
            };
            match next {
                None => return,
                Some(notify) => {
                    // The timeout covers an end between the look and the wait.
                    let _ =
                        tokio::time::timeout(Duration::from_millis(50), notify.notified()).await;
                }
            }
        }
    }
}

/// A record by the task's converters.
fn serialized(plugins: &TaskPlugins, record: &SinkRecord) -> Result<RawRecord> {
    let SinkRecord {
        record,
        kafka_offset,
        timestamp_type,
        original_kafka_partition,
        ..
    } = record;
    let topic = &record.topic;
    let mut buffer = Vec::new();
    let key = plugins
        .key_converter
        .from_connect_data(topic, record.key_schema.as_ref(), &record.key, &mut buffer)?
        .map(Bytes::copy_from_slice);
    buffer.clear();
    let value = plugins
        .value_converter
        .from_connect_data(
            topic,
            record.value_schema.as_ref(),
            &record.value,
            &mut buffer,
        )?
        .map(Bytes::copy_from_slice);
    let mut headers = Vec::with_capacity(record.headers.len());
    for header in &record.headers {
        buffer.clear();
        let value = plugins
            .header_converter
            .from_connect_header(
                topic,
                &header.key,
                header.schema.as_ref(),
                &header.value,
                &mut buffer,
            )?
            .map(Bytes::copy_from_slice);
        headers.push((header.key.clone(), value));
    }
    Ok(RawRecord {
        topic: topic.clone(),
        partition: record.kafka_partition.unwrap_or(*original_kafka_partition),
        offset: *kafka_offset,
        timestamp: record.timestamp.unwrap_or(-1),
        timestamp_type: *timestamp_type,
        key,
        value,
        headers,
    })
}

/// As [`serialized`], when the converters have what they need; without key and value if they cannot
/// get it, since a report without them is better than none.
async fn serialized_when_ready(plugins: &TaskPlugins, record: SinkRecord) -> RawRecord {
    loop {
        match serialized(plugins, &record) {
            Ok(raw) => return raw,
            Err(error) if error.kind() == ErrorKind::NotReady => {
                plugins.key_converter.ready().await;
                plugins.value_converter.ready().await;
            }
            Err(error) => {
                tracing::error!(
                    topic = %record.original_topic,
                    offset = record.original_kafka_offset,
                    "reporting a record without its key and value: {}",
                    error.trace().trim_end()
                );
                return RawRecord {
                    topic: record.original_topic,
                    partition: record.original_kafka_partition,
                    offset: record.original_kafka_offset,
                    timestamp: record.record.timestamp.unwrap_or(-1),
                    timestamp_type: record.timestamp_type,
                    key: None,
                    value: None,
                    headers: Vec::new(),
                };
            }
        }
    }
}

impl ErrantRecordReporter for Reporter {
    fn report(
        &self,
        record: &SinkRecord,
        error: ConnectError,
    ) -> Result<BoxFuture<'static, Result<()>>> {
        let consumed = match self.as_consumed(record) {
            Ok(raw) => Ok(raw),
            Err(error) if error.kind() == ErrorKind::NotReady => Err(record.clone()),
            Err(error) => return Err(error),
        };
        let plugins = Arc::clone(&self.plugins);
        let operator = Arc::clone(&self.operator);
        let tolerate = operator.settings().tolerate_all;
        let fatal =
            ConnectError::connect("Tolerance exceeded in error handler").caused_by(error.clone());
        let mut report = Box::pin(tokio::task::unconstrained(async move {
            let turn = operator.turn().await;
            let raw = match consumed {
                Ok(raw) => raw,
                Err(record) => serialized_when_ready(&plugins, record).await,
            };
            let subject = ConsumedSubject(&raw);
            let _: Tolerated<()> = operator
                .failed_in(
                    turn.as_ref(),
                    Stage::TaskPut,
                    SINK_TASK_CLASS,
                    &subject,
                    error,
                )
                .await;
        }));
        // The first poll takes the place in the order of reports, so that dead letters come in the order of
        // their records. It is the last one as a rule.
        let under_way = match (&mut report).now_or_never() {
            Some(()) => None,
            None => Some(self.spawn(report)),
        };
        if !tolerate {
            *self.not_tolerated.lock() = Some(fatal.clone());
            return Err(fatal);
        }
        let operator = Arc::clone(&self.operator);
        Ok(Box::pin(async move {
            if let Some(report) = under_way {
                report
                    .await
                    .map_err(|error| ConnectError::new(ErrorKind::Panic, error.to_string()))?;
            }
            operator.settle().await
        }))
    }
}

#[cfg(test)]
mod tests {
    use sluice_protocol::ConnectorTaskId;

    use super::*;
    use crate::settings::ErrorSettings;
    use crate::worker::transformation_chain::TransformationChain;

    /// Takes longer for some records than for those after them.
    #[derive(Default)]
    struct Slow(Mutex<Vec<i64>>);

    #[sluice_api::async_trait]
    impl crate::worker::errors::ErrorReporter for Slow {
        async fn report(&self, _: Stage, _: &str, consumed: &RawRecord, _: &ConnectError) {
            for _ in 0..(7 - consumed.offset % 7) * 3 {
                tokio::task::yield_now().await;
            }
            self.0.lock().push(consumed.offset);
        }

        async fn settle(&self) -> Result<()> {
            Ok(())
        }
    }

    fn plugins() -> Arc<TaskPlugins> {
        let string = || {
            let all = sluice_plugins::converters();
            let string = all
                .into_iter()
                .find(|plugin| plugin.class.ends_with("StringConverter"));
            (string.unwrap().new)()
        };
        Arc::new(TaskPlugins {
            key_converter: string(),
            key_converter_class: String::new(),
            value_converter: string(),
            value_converter_class: String::new(),
            header_converter: (sluice_plugins::header_converters().remove(0).new)(),
            header_converter_class: String::new(),
            transformations: TransformationChain::new(Vec::new()),
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn reports_are_made_in_the_order_of_their_records() {
        let slow = Arc::new(Slow::default());
        let operator = ErrorOperator::new(
            ConnectorTaskId::new("c", 0),
            ErrorSettings {
                tolerate_all: true,
                ..ErrorSettings::default()
            },
            Arc::default(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let operator = Arc::new(operator.with_reporter(slow.clone()));
        let reporter = Reporter::new(operator.clone(), plugins());
        let mut reports = Vec::new();
        for offset in 0..100 {
            let record = SinkRecord {
                record: sluice_api::ConnectRecord::new("t".into(), None, sluice_api::Value::Null),
                kafka_offset: offset,
                timestamp_type: TimestampType::NoTimestampType,
                original_topic: "t".into(),
                original_kafka_partition: 0,
                original_kafka_offset: offset,
            };
            let report = reporter.report(&record, ConnectError::connect("bad"));
            reports.push(report.unwrap());
        }
        // What the loop itself reports comes after them.
        let last = RawRecord {
            topic: "t".into(),
            partition: 0,
            offset: 100,
            timestamp: -1,
            timestamp_type: TimestampType::NoTimestampType,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        let subject = ConsumedSubject(&last);
        let error = ConnectError::connect("bad");
        let _: Tolerated<()> = operator
            .failed(Stage::ValueConverter, "V", &subject, error)
            .await;
        for report in reports {
            report.await.unwrap();
        }
        reporter.settle().await;
        assert_eq!(*slow.0.lock(), (0..=100).collect::<Vec<i64>>());
    }

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    #[test]
    fn only_assigned_partitions_can_be_paused_and_forgotten_ones_are_dropped() {
        let context = SinkContext::new(
            Props::new(),
            CancellationToken::new(),
            None,
            Reach::default(),
        );
        assert_eq!(
            context.pause(&[tp(0)]).unwrap_err().kind(),
            ErrorKind::IllegalWorkerState
        );
        context.set_assignment([tp(0), tp(1)].into());
        context.pause(&[tp(0), tp(1)]).unwrap();
        context.resume(&[tp(1)]).unwrap();
        context.offsets(&[(tp(0), 5), (tp(1), 6)].into());
        assert_eq!(context.paused_by_task(), [tp(0)].into());
        context.set_assignment([tp(1)].into());
        assert!(context.paused_by_task().is_empty());
        let requests = context.take_requests();
        assert_eq!(requests.rewinds, [(tp(1), 6)].into());
        assert_eq!(requests.flows.len(), 2);
        assert!(context.take_requests().flows.is_empty());
    }
}
