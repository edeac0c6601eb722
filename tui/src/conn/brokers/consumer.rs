//! The Kafka client of this side: a consumer that remembers why it could not connect.
//!
//! When a question to the brokers fails, librdkafka only says that no broker is there. What happened (a
//! name that resolves to nothing, a wrong password, a certificate that is not trusted) it reports in events
//! beside that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::lock;

/// Most events read before an error is explained.
const MOST_EVENTS: usize = 100;

/// A consumer that remembers its last failure to connect.
pub(super) type BrokerConsumer = BaseConsumer<LastFailure>;

/// The last failure to connect. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct LastFailure {
    text: Arc<Mutex<Option<String>>>,
}

/// An error of a client in words, with why it could not connect if that is the cause.
pub(super) fn explain(consumer: &BrokerConsumer, error: &KafkaError) -> String {
    // Events wait in the queue of the consumer, which is not read while it has nothing assigned.
    for _ in 0..MOST_EVENTS {
        let _ = consumer.poll(Duration::from_millis(1));
    }
    consumer.context().explain(error)
}

impl LastFailure {
    fn explain(&self, error: &KafkaError) -> String {
        match lock(&self.text).as_ref() {
            Some(why) => format!("{why} ({error})"),
            None => error.to_string(),
        }
    }

    /// The brokers have answered: what was before does not explain what comes.
    pub(super) fn forget(&self) {
        *lock(&self.text) = None;
    }
}

impl ClientContext for LastFailure {
    fn error(&self, error: KafkaError, reason: &str) {
        // That no broker is left says less than what was reported of each before.
        let none_left = KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        if error != none_left {
            *lock(&self.text) = Some(reason.to_owned());
        }
    }

    /// What the log says, the events say too.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}
}

impl ConsumerContext for LastFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_explained_by_the_last_failure_to_connect() {
        let failure = LastFailure::default();
        let error = KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure);
        assert_eq!(failure.explain(&error), error.to_string());
        let refused = KafkaError::Global(RDKafkaErrorCode::Authentication);
        failure.error(refused, "h:1: SASL authentication error: no");
        let none_left = KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        failure.error(none_left, "1/1 brokers are down");
        let text = failure.explain(&error);
        assert!(
            text.starts_with("h:1: SASL authentication error: no ("),
            "{text}"
        );
        failure.forget();
        assert_eq!(failure.explain(&error), error.to_string());
    }
}
