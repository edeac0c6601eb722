//! Where failed records go: the log, the dead letter queue, and what the plugin itself reports.

use std::sync::Arc;

use sluice_api::{RawRecord, Result};
use tokio_util::sync::CancellationToken;

use super::unrecoverable;
use crate::worker::dead_letter_queue::DeadLetterQueue;
use crate::worker::errors::ErrorOperator;
use crate::worker::producer::ProducerPool;
use crate::worker::sink_context::Reporter;
use crate::worker::task_context::TaskContext;

/// The error handling of a sink task (KIP-298, KIP-610).
pub(super) struct Reporting {
    pub(super) operator: Arc<ErrorOperator>,
    /// What the plugin reports to; `None` if reports would go nowhere.
    pub(super) reporter: Option<Arc<Reporter>>,
    dead_letters: Option<Arc<DeadLetterQueue>>,
}

impl Reporting {
    /// Opens the dead letter queue, if there is to be one.
    pub(super) async fn open(
        context: &mut TaskContext,
        producers: &ProducerPool,
        stopping: &CancellationToken,
    ) -> Result<Self> {
        let settings = context.connector.errors.clone();
        let dead_letters = DeadLetterQueue::open(context, &settings, producers)
            .await?
            .map(Arc::new);
        let reports = settings.log || dead_letters.is_some();
        let mut operator = ErrorOperator::new(
            context.id.clone(),
            settings,
            Arc::clone(&context.metrics.errors),
            stopping.clone(),
            context.cancelled.clone(),
        );
        if let Some(queue) = &dead_letters {
            operator = operator.with_reporter(queue.clone());
        }
        let operator = Arc::new(operator);
        let reporter = reports.then(|| {
            let plugins = Arc::clone(&context.plugins);
            Arc::new(Reporter::new(Arc::clone(&operator), plugins))
        });
        Ok(Self {
            operator,
            reporter,
            dead_letters,
        })
    }

    /// Keeps the consumed records for reports on the converted ones, or drops them; the room is used again.
    pub(super) fn keep(&self, raw: &mut Vec<RawRecord>) {
        match &self.reporter {
            Some(reporter) => reporter.keep(raw),
            None => raw.clear(),
        }
    }

    /// Drops what was kept for a batch that a `put` took.
    pub(super) fn forget_batch(&self) {
        if let Some(reporter) = &self.reporter {
            reporter.forget_batch();
        }
    }

    /// Fails if a report was not tolerated, or a dead letter could not be written.
    pub(super) fn check(&self) -> Result<()> {
        self.not_tolerated()?;
        match &self.dead_letters {
            Some(dead_letters) => dead_letters.check().map_err(unrecoverable),
            None => Ok(()),
        }
    }

    /// Waits until what was reported is in the dead letter queue.
    pub(super) async fn settle(&self) -> Result<()> {
        if let Some(reporter) = &self.reporter {
            reporter.settle().await;
            self.not_tolerated()?;
        }
        self.operator.settle().await
    }

    fn not_tolerated(&self) -> Result<()> {
        let error = self
            .reporter
            .as_ref()
            .and_then(|reporter| reporter.not_tolerated());
        error.map_or(Ok(()), Err)
    }
}
