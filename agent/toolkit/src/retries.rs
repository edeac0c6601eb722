//! Attempts at what a system did not take, and the time between them.

use std::time::Duration;

use sluice_api::{ConnectError, ParsedConfig, SinkTaskContext};

/// Counts failed attempts, for the keys `max.retries` and `retry.backoff.ms` of most sinks.
#[derive(Debug, Clone)]
pub struct Retries {
    most: u32,
    backoff: Duration,
    failed: u32,
}

impl Retries {
    /// As a configuration says, whose definition has both keys, of type INT.
    #[must_use]
    pub fn of(config: &ParsedConfig) -> Self {
        let backoff = u64::try_from(config.int("retry.backoff.ms")).unwrap_or_default();
        Self {
            most: u32::try_from(config.int("max.retries")).unwrap_or_default(),
            backoff: Duration::from_millis(backoff),
            failed: 0,
        }
    }

    /// Whether the attempt under way is the last one.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.failed >= self.most
    }

    /// An attempt was successful; the next one is the first again.
    pub fn succeeded(&mut self) {
        self.failed = 0;
    }

    /// What `put` answers after a failed attempt: the error as it is, whose repetition waits for the backoff,
    /// or one that is not retriable when no attempt is left.
    #[must_use]
    pub fn failed(&mut self, error: ConnectError, context: &dyn SinkTaskContext) -> ConnectError {
        self.failed_for(error, Duration::ZERO, context)
    }

    /// The same for a system that says how long to wait: the backoff is at least `pause`.
    #[must_use]
    pub fn failed_for(
        &mut self,
        error: ConnectError,
        pause: Duration,
        context: &dyn SinkTaskContext,
    ) -> ConnectError {
        if !error.is_retriable() {
            return error;
        }
        self.failed += 1;
        if self.failed > self.most {
            let most = self.most;
            let text = format!(
                "gave up after {} attempts (max.retries={most})",
                self.failed
            );
            return ConnectError::connect(text).caused_by(error);
        }
        tracing::warn!(attempt = self.failed, "{}", error.message());
        context.timeout(self.backoff.max(pause));
        error
    }
}
