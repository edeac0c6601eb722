//! Retries and tolerance of errors in transformations and converters (`RetryWithToleranceOperator`).
//!
//! Only Connect's own retriable errors are repeated, until `errors.retry.timeout`. What still fails
//! is fatal with `errors.tolerance=none`, and skips the record with `all`. Every failed record is
//! reported to the log if that is enabled, the fatal one too.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::Rng as _;
use sluice_api::{ConnectError, ErrorKind, Result};
use sluice_protocol::ConnectorTaskId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::metrics::ErrorMetrics;
use super::task_context::TaskPlugins;
use crate::settings::ErrorSettings;

/// Delay before the first repetition.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(300);

/// What was done when an error happened (`Stage`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `SinkTask.put`, by way of the errant record reporter.
    TaskPut,
    /// A transformation or predicate.
    Transformation,
    KeyConverter,
    ValueConverter,
    HeaderConverter,
    /// The producer of a source task.
    KafkaProduce,
}

impl Stage {
    /// Name as Kafka writes it.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TaskPut => "TASK_PUT",
            Self::Transformation => "TRANSFORMATION",
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::KafkaProduce => "KAFKA_PRODUCE",
        }
    }
}

/// The record an error is about, for reports; rendered only when needed.
pub(crate) trait FailureSubject {
    /// `, where consumed record is {...}` or `, where source record is = ...`.
    fn describe(&self) -> String;

    /// The record as it was consumed; `None` for source records.
    fn consumed(&self) -> Option<&sluice_api::RawRecord> {
        None
    }
}

/// Takes failed records, such as a dead letter queue.
#[async_trait]
pub(crate) trait ErrorReporter: Send + Sync {
    /// Reports one failed record.
    async fn report(
        &self,
        stage: Stage,
        class: &str,
        consumed: &sluice_api::RawRecord,
        error: &ConnectError,
    );

    /// Waits until everything reported so far is written.
    ///
    /// # Errors
    /// A report could not be written.
    async fn settle(&self) -> Result<()>;
}

/// Outcome of a step that errors may be tolerated in.
#[derive(Debug)]
pub(crate) enum Tolerated<T> {
    Done(T),
    /// It failed and the record is skipped.
    Skipped,
    /// It failed and the task must fail.
    Fatal(ConnectError),
}

/// The attempts at one step so far.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    started: Option<Instant>,
    failed: u32,
}

/// What follows a failure.
#[derive(Debug)]
pub(crate) enum Decision {
    Retry,
    Skip,
    Fail(ConnectError),
}

/// Repeats a call until it works or the decision on its error is another one: `Ok(None)` for a
/// record that is skipped, `Err` for a failure that is not tolerated. `$decision` may wait.
///
/// A macro rather than a method with a closure: what a converter answers borrows the buffer it
/// writes to, and a closure could lend that only once.
macro_rules! attempt {
    ($call:expr, |$attempts:ident, $error:ident| $decision:expr) => {{
        let mut $attempts = $crate::worker::errors::Attempts::default();
        loop {
            match $call {
                Ok(done) => break Ok(Some(done)),
                Err($error) => match $decision {
                    $crate::worker::errors::Decision::Retry => {}
                    $crate::worker::errors::Decision::Skip => break Ok(None),
                    $crate::worker::errors::Decision::Fail(error) => break Err(error),
                },
            }
        }
    }};
}
pub(crate) use attempt;

/// Runs steps with the retries and the tolerance of a connector.
pub(crate) struct ErrorOperator {
    id: ConnectorTaskId,
    settings: ErrorSettings,
    metrics: Arc<ErrorMetrics>,
    cancelled: CancellationToken,
    stopping: CancellationToken,
    reporter: Option<Arc<dyn ErrorReporter>>,
    /// Held for each report, so that reports are made in the order in which they were asked for.
    turn: tokio::sync::Mutex<()>,
}

/// The right to make the next report.
pub(crate) type Turn<'a> = tokio::sync::MutexGuard<'a, ()>;

impl fmt::Debug for ErrorOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorOperator")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl ErrorOperator {
    /// An operator for one task.
    #[must_use]
    pub(crate) fn new(
        id: ConnectorTaskId,
        settings: ErrorSettings,
        metrics: Arc<ErrorMetrics>,
        stopping: CancellationToken,
        cancelled: CancellationToken,
    ) -> Self {
        Self {
            id,
            settings,
            metrics,
            cancelled,
            stopping,
            reporter: None,
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Adds a reporter, such as a dead letter queue.
    #[must_use]
    pub(crate) fn with_reporter(mut self, reporter: Arc<dyn ErrorReporter>) -> Self {
        self.reporter = Some(reporter);
        self
    }

    /// Waits until everything reported so far is written.
    ///
    /// # Errors
    /// A report could not be written.
    pub(crate) async fn settle(&self) -> Result<()> {
        match &self.reporter {
            Some(reporter) => reporter.settle().await,
            None => Ok(()),
        }
    }

    #[must_use]
    pub(crate) fn id(&self) -> &ConnectorTaskId {
        &self.id
    }

    #[must_use]
    pub(crate) fn settings(&self) -> &ErrorSettings {
        &self.settings
    }

    /// Whether failed steps may be repeated at all.
    #[must_use]
    pub(crate) fn retries(&self) -> bool {
        self.settings.retry_timeout != Some(Duration::ZERO)
    }

    /// Runs a step until it works, fails for good, or time is over.
    pub(crate) async fn run<T>(
        &self,
        stage: Stage,
        class: &str,
        subject: &(dyn FailureSubject + Sync),
        mut step: impl FnMut() -> Result<T>,
    ) -> Tolerated<T> {
        let done = attempt!(step(), |attempts, error| {
            self.after_failure(stage, class, subject, &mut attempts, error)
                .await
        });
        match done {
            Ok(Some(value)) => Tolerated::Done(value),
            Ok(None) => Tolerated::Skipped,
            Err(error) => Tolerated::Fatal(error),
        }
    }

    /// What to do after a step failed; waits before it answers [`Decision::Retry`].
    pub(crate) async fn after_failure(
        &self,
        stage: Stage,
        class: &str,
        subject: &(dyn FailureSubject + Sync),
        attempts: &mut Attempts,
        error: ConnectError,
    ) -> Decision {
        if error.is_retriable() && self.retries() {
            self.metrics.on_error();
            self.metrics.record_failures.add(1);
            let now = Instant::now();
            let started = *attempts.started.get_or_insert(now);
            attempts.failed = attempts.failed.saturating_add(1);
            let left = self
                .settings
                .retry_timeout
                .map(|timeout| (started + timeout).saturating_duration_since(now));
            if left != Some(Duration::ZERO) {
                let delay = self.delay_before(attempts.failed);
                let delay = left.map_or(delay, |left| delay.min(left));
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = self.stopping.cancelled() => return Decision::Skip,
                    () = self.cancelled.cancelled() => return Decision::Skip,
                }
                self.metrics.retries.add(1);
                return Decision::Retry;
            }
        }
        match self.failed::<()>(stage, class, subject, error).await {
            Tolerated::Fatal(error) => Decision::Fail(error),
            Tolerated::Done(()) | Tolerated::Skipped => Decision::Skip,
        }
    }

    /// What to do after a converter did not convert: fetches what it waits for, or decides as after
    /// any failure.
    pub(crate) async fn after_conversion(
        &self,
        plugins: &TaskPlugins,
        stage: Stage,
        subject: &(dyn FailureSubject + Sync),
        attempts: &mut Attempts,
        error: ConnectError,
    ) -> Decision {
        let (converter, class) = plugins.converter(stage);
        if error.kind() != ErrorKind::NotReady {
            return self
                .after_failure(stage, class, subject, attempts, error)
                .await;
        }
        tokio::select! {
            () = converter.ready() => Decision::Retry,
            () = self.cancelled.cancelled() => Decision::Skip,
        }
    }

    /// `300 ms * 2^(n-1)`, or a random time below the maximum if that is larger.
    fn delay_before(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX);
        let delay = FIRST_RETRY_DELAY.saturating_mul(factor);
        if delay <= self.settings.retry_delay_max {
            return delay;
        }
        let max = u64::try_from(self.settings.retry_delay_max.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(if max == 0 {
            0
        } else {
            rand::rng().random_range(0..max)
        })
    }

    /// What becomes of a record whose step failed for good.
    pub(crate) async fn failed<T>(
        &self,
        stage: Stage,
        class: &str,
        subject: &(dyn FailureSubject + Sync),
        error: ConnectError,
    ) -> Tolerated<T> {
        let turn = self.turn().await;
        self.failed_in(turn.as_ref(), stage, class, subject, error)
            .await
    }

    /// Waits until all reports that were asked for before are made; `None` if the task is cancelled
    /// meanwhile. The place in the order is that of the first poll.
    pub(crate) async fn turn(&self) -> Option<Turn<'_>> {
        tokio::select! {
            biased;
            turn = self.turn.lock() => Some(turn),
            () = self.cancelled.cancelled() => None,
        }
    }

    /// As [`ErrorOperator::failed`], for a caller whose turn it is; without a turn nothing is reported.
    pub(crate) async fn failed_in<T>(
        &self,
        turn: Option<&Turn<'_>>,
        stage: Stage,
        class: &str,
        subject: &(dyn FailureSubject + Sync),
        error: ConnectError,
    ) -> Tolerated<T> {
        self.metrics.on_error();
        self.metrics.record_failures.add(1);
        self.metrics.record_errors.add(1);
        if turn.is_some() {
            self.report(stage, class, subject, &error).await;
        }
        if self.settings.tolerate_all {
            self.metrics.records_skipped.add(1);
            return Tolerated::Skipped;
        }
        Tolerated::Fatal(
            ConnectError::connect("Tolerance exceeded in error handler").caused_by(error),
        )
    }

    async fn report(
        &self,
        stage: Stage,
        class: &str,
        subject: &(dyn FailureSubject + Sync),
        error: &ConnectError,
    ) {
        if self.settings.log {
            self.metrics.errors_logged.add(1);
            let described = if self.settings.log_messages {
                subject.describe()
            } else {
                String::new()
            };
            tracing::error!(
                connector = %self.id.connector,
                task = self.id.task,
                "Error encountered in task {}. Executing stage '{}' with class '{class}'{described}. {}",
                self.id,
                stage.as_str(),
                error.trace().trim_end()
            );
        }
        if let (Some(reporter), Some(consumed)) = (&self.reporter, subject.consumed()) {
            reporter.report(stage, class, consumed, error).await;
        }
    }
}
