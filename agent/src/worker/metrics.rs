//! Counters of one task: what Connect's JMX beans `connector-task-metrics`, `source-task-metrics`,
//! `sink-task-metrics` and `task-error-metrics` hold.
//!
//! Loops count per batch; readers take a [`TaskMetricsSnapshot`]. Rates, averages and maxima are
//! over a window of one to two times 30 s, as Kafka's default of two samples.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sluice_api::{SourceOffset, SourcePartition, TopicPartition};

use crate::clock::now;

/// Length of one of the two samples (`metrics.sample.window.ms`).
const SAMPLE: Duration = Duration::from_secs(30);

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds what happened since the last call.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The sum since the start of the task.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    count: u64,
    sum: f64,
    max: f64,
    min: f64,
}

#[derive(Debug)]
struct Window {
    started: Instant,
    current: Sample,
    previous: Option<Sample>,
    total_count: u64,
}

/// Average, maximum and rate over the last 30 to 60 seconds.
#[derive(Debug)]
pub struct Windowed(Mutex<Window>);

impl Default for Windowed {
    fn default() -> Self {
        Self(Mutex::new(Window {
            started: Instant::now(),
            current: Sample::default(),
            previous: None,
            total_count: 0,
        }))
    }
}

/// What a [`Windowed`] holds; all NaN when nothing was recorded in the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowedValue {
    /// Mean of the values recorded.
    pub avg: f64,
    /// Largest of the values recorded.
    pub max: f64,
    /// Smallest of the values recorded.
    pub min: f64,
    /// Sum of the values, per second of the window.
    pub per_second: f64,
}

impl Window {
    fn roll(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.started);
        if elapsed >= SAMPLE {
            self.previous = (elapsed < 2 * SAMPLE).then_some(self.current);
            self.current = Sample::default();
            self.started = if elapsed < 2 * SAMPLE {
                self.started + SAMPLE
            } else {
                now
            };
        }
    }
}

impl Windowed {
    /// Records a value, in the unit of the metric.
    #[expect(clippy::cast_precision_loss, reason = "statistics")]
    pub fn record(&self, value: u64) {
        self.record_f64(value as f64);
    }

    /// Records a duration, in milliseconds.
    pub fn record_time(&self, time: Duration) {
        self.record_f64(time.as_secs_f64() * 1000.0);
    }

    fn record_f64(&self, value: f64) {
        let mut window = self.0.lock();
        window.roll(Instant::now());
        let sample = &mut window.current;
        sample.max = if sample.count == 0 {
            value
        } else {
            sample.max.max(value)
        };
        sample.min = if sample.count == 0 {
            value
        } else {
            sample.min.min(value)
        };
        sample.count += 1;
        sample.sum += value;
        window.total_count += 1;
    }

    /// Mean, extremes and rate over the window that ends now.
    #[must_use]
    pub fn get(&self) -> WindowedValue {
        let mut window = self.0.lock();
        let now = Instant::now();
        window.roll(now);
        let previous = window.previous.unwrap_or_default();
        let current = window.current;
        let count = previous.count + current.count;
        let sum = previous.sum + current.sum;
        let seconds = (now.saturating_duration_since(window.started)
            + if window.previous.is_some() {
                SAMPLE
            } else {
                Duration::ZERO
            })
        .max(SAMPLE)
        .as_secs_f64();
        let fold = |pick: fn(&Sample) -> f64, best: fn(f64, f64) -> f64| {
            [previous, current]
                .iter()
                .filter(|sample| sample.count > 0)
                .map(pick)
                .reduce(best)
                .unwrap_or(f64::NAN)
        };
        #[expect(clippy::cast_precision_loss, reason = "statistics")]
        WindowedValue {
            avg: if count == 0 {
                f64::NAN
            } else {
                sum / count as f64
            },
            max: fold(|sample| sample.max, f64::max),
            min: fold(|sample| sample.min, f64::min),
            per_second: sum / seconds,
        }
    }
}

/// What Connect's MBean `task-error-metrics` holds.
#[derive(Debug, Default)]
pub struct ErrorMetrics {
    /// Failed operations, each attempt counted: `total-record-failures`.
    pub record_failures: Counter,
    /// Records that no attempt was left for: `total-record-errors`.
    pub record_errors: Counter,
    /// Records passed over by tolerance: `total-records-skipped`.
    pub records_skipped: Counter,
    /// Operations tried again: `total-retries`.
    pub retries: Counter,
    /// Errors written to the log: `total-errors-logged`.
    pub errors_logged: Counter,
    /// Records sent to the dead letter queue: `deadletterqueue-produce-requests`.
    pub dlq_requests: Counter,
    /// Records that the queue did not take: `deadletterqueue-produce-failures`.
    pub dlq_failures: Counter,
    /// `last-error-timestamp`, 0 for none.
    last_error: AtomicI64,
}

impl ErrorMetrics {
    /// Notes the time of an error.
    pub fn on_error(&self) {
        self.last_error.store(now().get(), Ordering::Relaxed);
    }

    /// Milliseconds since the epoch, 0 for none.
    #[must_use]
    pub fn last_error_timestamp(&self) -> i64 {
        self.last_error.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct StateTimes {
    running: bool,
    paused: bool,
    since: Instant,
    running_time: Duration,
    paused_time: Duration,
    started: Instant,
}

/// A source offset that was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct CommittedSourceOffset {
    /// The source's partition, as the connector names it.
    pub partition: Arc<SourcePartition>,
    /// Offset, `None` for a tombstone.
    pub offset: Option<SourceOffset>,
    /// Milliseconds since the epoch.
    pub committed_at: i64,
}

/// Where a sink task stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkPartitionState {
    /// The topic partition that these numbers are of.
    pub partition: TopicPartition,
    /// Next offset to put, `None` if unknown.
    pub position: Option<i64>,
    /// Offset that the group committed last, `None` if unknown.
    pub committed: Option<i64>,
    /// End of the partition as last seen.
    pub end_offset: Option<i64>,
    /// When it was committed, in milliseconds since the epoch.
    pub committed_at: Option<i64>,
}

/// At most this many source partitions are remembered for display; the number of all is counted.
const SHOWN_SOURCE_PARTITIONS: usize = 100;

/// Counters of one task.
#[derive(Debug)]
pub struct TaskMetrics {
    /// Errors of the task, shared with what counts them.
    pub errors: Arc<ErrorMetrics>,
    /// Source: `source-record-poll-total`. Sink: `sink-record-read-total`.
    pub records_in: Counter,
    /// Source: `source-record-write-total`. Sink: `sink-record-send-total`.
    pub records_out: Counter,
    /// Bytes of keys and values written to or read from Kafka.
    pub bytes: Counter,
    /// Per batch: its number of records. The rate is that of records polled or put.
    pub batch_size: Windowed,
    /// Records per second of `records_in`.
    pub in_rate: Windowed,
    /// Records per second of `records_out`.
    pub out_rate: Windowed,
    /// Bytes per second of `bytes`.
    pub byte_rate: Windowed,
    /// Time of a poll or a put: `poll-batch-*-time-ms` or `put-batch-*-time-ms`.
    pub batch_time: Windowed,
    /// Time of successful offset commits.
    pub commit_time: Windowed,
    /// Source, exactly-once: records per committed transaction.
    pub transaction_size: Windowed,
    /// Offset commits that Kafka acknowledged: `offset-commit-success-*`.
    pub commit_success: Counter,
    /// Offset commits that failed or took too long: `offset-commit-failure-*`.
    pub commit_failure: Counter,
    /// Sink: commits whose answers came too late, `offset-commit-skip-total`.
    pub commit_skip: Counter,
    /// Sink: commits that were answered, `offset-commit-completion-total`.
    pub commit_completion: Counter,
    /// Sink: number of the last commit begun, `offset-commit-seq-no`.
    pub commit_seq: AtomicU64,
    /// Records under way: `source-record-active-count`, `sink-record-active-count`.
    active: AtomicU64,
    /// Averages of `active`, recorded per batch.
    pub active_window: Windowed,
    last_commit: AtomicI64,
    last_record: AtomicI64,
    state: Mutex<StateTimes>,
    source_offsets: Mutex<(Vec<CommittedSourceOffset>, u64)>,
    sink: Mutex<SinkProgress>,
}

/// Where a sink task stands, as its loop said last, and the ends of partitions that were asked for beside it.
#[derive(Debug, Default)]
struct SinkProgress {
    partitions: Vec<SinkPartitionState>,
    /// Whether everything assigned is being fetched.
    fetching: bool,
    said: Option<Instant>,
    /// Empty while the consumer's own knowledge is enough.
    asked: BTreeMap<TopicPartition, Option<i64>>,
}

impl SinkProgress {
    /// What a fetch saw and what was asked for are both true of their time, and the later is the larger.
    fn raise(&mut self) {
        for state in &mut self.partitions {
            if let Some(asked) = self.asked.get(&state.partition) {
                state.end_offset = state.end_offset.max(*asked);
            }
        }
    }
}

impl Default for TaskMetrics {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            errors: Arc::default(),
            records_in: Counter::default(),
            records_out: Counter::default(),
            bytes: Counter::default(),
            batch_size: Windowed::default(),
            in_rate: Windowed::default(),
            out_rate: Windowed::default(),
            byte_rate: Windowed::default(),
            batch_time: Windowed::default(),
            commit_time: Windowed::default(),
            transaction_size: Windowed::default(),
            commit_success: Counter::default(),
            commit_failure: Counter::default(),
            commit_skip: Counter::default(),
            commit_completion: Counter::default(),
            commit_seq: AtomicU64::new(0),
            active: AtomicU64::new(0),
            active_window: Windowed::default(),
            last_commit: AtomicI64::new(0),
            last_record: AtomicI64::new(0),
            state: Mutex::new(StateTimes {
                running: false,
                paused: false,
                since: now,
                running_time: Duration::ZERO,
                paused_time: Duration::ZERO,
                started: now,
            }),
            source_offsets: Mutex::new((Vec::new(), 0)),
            sink: Mutex::default(),
        }
    }
}

impl TaskMetrics {
    /// Counters of a new task.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(super) fn on_batch_in(&self, count: u64) {
        self.records_in.add(count);
        self.in_rate.record(count);
        if count > 0 {
            self.batch_size.record(count);
            self.last_record.store(now().get(), Ordering::Relaxed);
        }
    }

    pub(super) fn on_records_out(&self, count: u64) {
        self.records_out.add(count);
        self.out_rate.record(count);
    }

    pub(super) fn on_bytes(&self, count: u64) {
        self.bytes.add(count);
        self.byte_rate.record(count);
    }

    pub(super) fn set_active(&self, count: u64) {
        self.active.store(count, Ordering::Relaxed);
        self.active_window.record(count);
    }

    pub(super) fn on_commit(&self, time: Duration, success: bool) {
        if success {
            self.commit_success.add(1);
            self.commit_time.record_time(time);
            self.last_commit.store(now().get(), Ordering::Relaxed);
        } else {
            self.commit_failure.add(1);
        }
    }

    pub(super) fn set_state(&self, running: bool, paused: bool) {
        let mut state = self.state.lock();
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(state.since);
        if state.running {
            state.running_time += elapsed;
        }
        if state.paused {
            state.paused_time += elapsed;
        }
        state.since = now;
        state.running = running;
        state.paused = paused;
    }

    pub(super) fn on_source_offsets(
        &self,
        offsets: impl Iterator<Item = (Arc<SourcePartition>, Option<SourceOffset>)>,
    ) {
        let committed_at = now().get();
        let mut shown = self.source_offsets.lock();
        for (partition, offset) in offsets {
            let entry = CommittedSourceOffset {
                partition,
                offset,
                committed_at,
            };
            if let Some(known) = shown
                .0
                .iter_mut()
                .find(|known| known.partition == entry.partition)
            {
                *known = entry;
            } else {
                shown.1 += 1;
                if shown.0.len() < SHOWN_SOURCE_PARTITIONS {
                    shown.0.push(entry);
                }
            }
        }
    }

    /// Where a sink task stands; `fetching` if nothing that is assigned is paused.
    pub(super) fn set_sink_partitions(&self, partitions: Vec<SinkPartitionState>, fetching: bool) {
        let mut sink = self.sink.lock();
        sink.partitions = partitions;
        sink.fetching = fetching;
        sink.said = Some(Instant::now());
        sink.raise();
    }

    /// Partitions of which no fetch tells the end: all of a task that paused or was silent for that
    /// long, else those that are not read to their end, because a consumer reads ahead only so far.
    pub(super) fn sinks_without_fetches(&self, silent: Duration) -> Vec<TopicPartition> {
        let sink = self.sink.lock();
        let all = !sink.fetching || sink.said.is_none_or(|said| said.elapsed() > silent);
        let behind = |state: &&SinkPartitionState| {
            all || state.end_offset.is_none() || state.position < state.end_offset
        };
        let partitions = sink.partitions.iter().filter(behind);
        partitions.map(|state| state.partition.clone()).collect()
    }

    /// The ends that were asked for; they replace those of before.
    pub(super) fn set_sink_ends(&self, ends: BTreeMap<TopicPartition, Option<i64>>) {
        let mut sink = self.sink.lock();
        sink.asked = ends;
        sink.raise();
    }

    /// A copy of all numbers as they are now.
    #[must_use]
    pub fn snapshot(&self) -> TaskMetricsSnapshot {
        let (running_ratio, pause_ratio) = {
            let state = self.state.lock();
            let now = Instant::now();
            let elapsed = now.saturating_duration_since(state.since);
            let total = now
                .saturating_duration_since(state.started)
                .as_secs_f64()
                .max(1e-9);
            let ratio = |time: Duration, on: bool| {
                (time + if on { elapsed } else { Duration::ZERO }).as_secs_f64() / total
            };
            (
                ratio(state.running_time, state.running),
                ratio(state.paused_time, state.paused),
            )
        };
        let time = |atomic: &AtomicI64| Some(atomic.load(Ordering::Relaxed)).filter(|at| *at > 0);
        let (source_offsets, source_partitions) = self.source_offsets.lock().clone();
        TaskMetricsSnapshot {
            records_in_total: self.records_in.get(),
            records_in_rate: self.in_rate.get().per_second,
            records_out_total: self.records_out.get(),
            records_out_rate: self.out_rate.get().per_second,
            bytes_total: self.bytes.get(),
            bytes_rate: self.byte_rate.get().per_second,
            active_count: self.active.load(Ordering::Relaxed),
            active: self.active_window.get(),
            batch_size: self.batch_size.get(),
            batch_time_ms: self.batch_time.get(),
            commit_time_ms: self.commit_time.get(),
            transaction_size: self.transaction_size.get(),
            commit_success_total: self.commit_success.get(),
            commit_failure_total: self.commit_failure.get(),
            commit_skip_total: self.commit_skip.get(),
            commit_completion_total: self.commit_completion.get(),
            commit_seq: self.commit_seq.load(Ordering::Relaxed),
            last_commit_at: time(&self.last_commit),
            last_record_at: time(&self.last_record),
            running_ratio,
            pause_ratio,
            record_failures: self.errors.record_failures.get(),
            record_errors: self.errors.record_errors.get(),
            records_skipped: self.errors.records_skipped.get(),
            retries: self.errors.retries.get(),
            errors_logged: self.errors.errors_logged.get(),
            dlq_requests: self.errors.dlq_requests.get(),
            dlq_failures: self.errors.dlq_failures.get(),
            last_error_timestamp: self.errors.last_error_timestamp(),
            source_offsets,
            source_partitions,
            sink_partitions: self.sink.lock().partitions.clone(),
        }
    }
}

/// Numbers of a task at one moment; see [`TaskMetrics`] for their meaning. Times are in
/// milliseconds, averages and maxima NaN when nothing happened in the window.
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "named and described as the counters of TaskMetrics"
)]
pub struct TaskMetricsSnapshot {
    pub records_in_total: u64,
    pub records_in_rate: f64,
    pub records_out_total: u64,
    pub records_out_rate: f64,
    pub bytes_total: u64,
    pub bytes_rate: f64,
    pub active_count: u64,
    pub active: WindowedValue,
    pub batch_size: WindowedValue,
    pub batch_time_ms: WindowedValue,
    pub commit_time_ms: WindowedValue,
    pub transaction_size: WindowedValue,
    pub commit_success_total: u64,
    pub commit_failure_total: u64,
    pub commit_skip_total: u64,
    pub commit_completion_total: u64,
    pub commit_seq: u64,
    pub last_commit_at: Option<i64>,
    pub last_record_at: Option<i64>,
    pub running_ratio: f64,
    pub pause_ratio: f64,
    pub record_failures: u64,
    pub record_errors: u64,
    pub records_skipped: u64,
    pub retries: u64,
    pub errors_logged: u64,
    pub dlq_requests: u64,
    pub dlq_failures: u64,
    pub last_error_timestamp: i64,
    pub source_offsets: Vec<CommittedSourceOffset>,
    /// Number of all source partitions with a stored offset; `source_offsets` shows the first 100.
    pub source_partitions: u64,
    pub sink_partitions: Vec<SinkPartitionState>,
}
