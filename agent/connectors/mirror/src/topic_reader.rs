//! Reads partition 0 of a topic of MirrorMaker's own from its beginning, and follows it.

use sluice_api::{ConnectError, RawRecord, Result, TopicPartition};
use sluice_kafka::consumer::{BatchConsumer, ConsumerEvent, EARLIEST};

use crate::clients;
use crate::config::{Location, MirrorConfig};

/// Reads one partition from its beginning.
pub(crate) struct TopicReader {
    consumer: BatchConsumer,
    topic: String,
    events: Vec<ConsumerEvent>,
    records: Vec<RawRecord>,
}

/// What [`TopicReader::next`] found.
pub(crate) struct Found {
    pub(crate) records: Vec<RawRecord>,
    /// Everything that was there is read.
    pub(crate) at_end: bool,
}

impl TopicReader {
    /// # Errors
    /// Settings the consumer does not take.
    pub(crate) fn new(
        config: &MirrorConfig,
        location: Location,
        role: &str,
        topic: String,
    ) -> Result<Self> {
        let consumer = clients::consumer(config, location, role, true)?;
        consumer.assign(&[(TopicPartition::new(topic.as_str(), 0), Some(EARLIEST))])?;
        Ok(Self {
            consumer,
            topic,
            events: Vec::new(),
            records: Vec::new(),
        })
    }

    /// Waits for records or for the end. Cancel-safe.
    ///
    /// # Errors
    /// The topic may not be read.
    pub(crate) async fn next(&mut self) -> Result<Found> {
        let mut at_end = false;
        loop {
            self.consumer.poll(&mut self.records, &mut self.events);
            let mut failed: Option<ConnectError> = None;
            for event in self.events.drain(..) {
                match event {
                    ConsumerEvent::EndOfPartition(_) => at_end = true,
                    ConsumerEvent::Fatal(error) | ConsumerEvent::NoOffset(_, error) => {
                        failed = Some(error);
                    }
                    ConsumerEvent::Warning(text) => tracing::warn!(topic = self.topic, "{text}"),
                    ConsumerEvent::Assign(_)
                    | ConsumerEvent::Revoke(_)
                    | ConsumerEvent::Lost(_)
                    | ConsumerEvent::Committed { .. } => {}
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
            if at_end || !self.records.is_empty() {
                break;
            }
            self.consumer.wait().await;
        }
        Ok(Found {
            records: std::mem::take(&mut self.records),
            at_end,
        })
    }

    /// Ends the consumer.
    pub(crate) async fn close(self) {
        self.consumer.close().await;
    }
}
