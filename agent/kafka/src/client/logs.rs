//! What librdkafka's clients say, for the log.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Client context that sends what librdkafka says to `tracing`, under the target `librdkafka`.
///
/// Lost connections are reported by librdkafka at every attempt to connect, and twice: as a log line and as
/// an event. Here each of them is passed on at most every ten seconds, what comes between at level debug.
#[derive(Debug, Default)]
pub struct TracingContext {
    /// Name put before each message, usually the client id.
    client: String,
    logged: Reports,
    told: Reports,
}

/// Reports of one kind that are due again only after a pause.
#[derive(Debug, Default)]
struct Reports {
    last: Mutex<Option<Instant>>,
}

impl Reports {
    /// Whether the next one is due; then it counts as made.
    fn due(&self) -> bool {
        let mut last = self.last.lock();
        let due = last.is_none_or(|at| at.elapsed() > REPORT_PAUSE);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// How often a client may report that it can't reach brokers.
const REPORT_PAUSE: Duration = Duration::from_secs(10);

impl TracingContext {
    /// A context for the client of this name.
    pub fn new(client: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            ..Self::default()
        }
    }

    /// Name of the client, as in its messages.
    pub fn client(&self) -> &str {
        &self.client
    }
}

impl ClientContext for TracingContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // `FAIL` is a connection that could not be made or broke, `ERROR` the event below once more.
        let connection = matches!(facility, "FAIL" | "ERROR");
        let level = if connection && !self.logged.due() {
            RDKafkaLogLevel::Debug
        } else {
            level
        };
        log_librdkafka(&self.client, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Whoever asked for these gets them from the consumer; they are no errors.
        if matches!(error, KafkaError::Global(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        let lost = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::BrokerTransportFailure
                    | RDKafkaErrorCode::Resolve
                    | RDKafkaErrorCode::OperationTimedOut
            )
        );
        if lost && !self.told.due() {
            tracing::debug!(target: "librdkafka", client = %self.client, %error, "{reason}");
        } else {
            tracing::warn!(target: "librdkafka", client = %self.client, %error, "{reason}");
        }
    }
}

impl ConsumerContext for TracingContext {}

/// Passes a message of librdkafka on to `tracing`.
pub fn log_librdkafka(client: &str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", client, facility, "{message}");
        }
        RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", client, facility, "{message}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", client, facility, "{message}");
        }
        RDKafkaLogLevel::Debug => {
            tracing::debug!(target: "librdkafka", client, facility, "{message}");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn a_client_that_reaches_no_broker_says_so_now_and_then_and_not_at_every_attempt() {
        let context = TracingContext::new("c");
        let lost = || KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        let written = capture(|| {
            for _ in 0..100 {
                context.log(RDKafkaLogLevel::Error, "FAIL", "connection refused");
                context.error(lost(), "all brokers are down");
            }
            context.log(RDKafkaLogLevel::Error, "PROTOERR", "not about connections");
        });
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 3, "{written}");
        assert!(lines[2].contains("not about connections"), "{written}");
    }

    /// What is logged from level info on while `work` runs.
    pub(crate) fn capture(work: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Written(std::sync::Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Written {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = written.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }
}
