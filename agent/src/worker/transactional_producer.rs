//! The producer of one exactly-once source task: transactions on top of [`SharedProducer`].
//!
//! librdkafka's transaction calls block, so they run on blocking threads, in short slices: a
//! producer whose task was abandoned lets go of its thread soon.

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use sluice_api::{ConnectError, ErrorKind, Result};
use sluice_protocol::ConnectorTaskId;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::offset_writer::OffsetRecord;
use super::producer::{AckChunk, MAX_CHUNK, SendError, SharedProducer, release};

/// Longest time that a blocking call goes on without looking whether it is still wanted.
const SLICE: Duration = Duration::from_secs(1);
/// How long an abort after a failure may take; after that the broker's transaction timeout ends the
/// transaction.
const ABORT_LIMIT: Duration = Duration::from_secs(5);

pub struct TransactionalProducer {
    id: ConnectorTaskId,
    producer: Option<Arc<SharedProducer>>,
    abandoned: CancellationToken,
    _abandon: DropGuard,
}

impl TransactionalProducer {
    /// A producer with the `transactional.id` of the settings, not initialised yet.
    ///
    /// # Errors
    /// A setting is not valid.
    pub fn new(config: &ClientConfig, id: &ConnectorTaskId) -> Result<Self> {
        let abandoned = CancellationToken::new();
        Ok(Self {
            id: id.clone(),
            producer: Some(Arc::new(SharedProducer::new(config)?)),
            _abandon: abandoned.clone().drop_guard(),
            abandoned,
        })
    }

    /// Sends records.
    ///
    /// # Errors
    /// The producer is closed.
    pub fn shared(&self) -> Result<Arc<SharedProducer>> {
        self.producer
            .clone()
            .ok_or_else(|| ConnectError::illegal_worker_state("the producer is closed"))
    }

    /// Fences earlier producers of the same id, waits for their transactions to end, and begins a
    /// transaction.
    ///
    /// # Errors
    /// The brokers refused.
    pub async fn initialise(&self) -> Result<()> {
        self.blocking(|producer, wanted| {
            sliced(wanted, || producer.init_transactions(SLICE))?;
            producer.begin_transaction()
        })
        .await
        .map_err(|error| {
            ConnectError::connect(format!(
                "cannot initialise the transactional producer of task {}",
                self.id
            ))
            .caused_by(error)
        })
    }

    /// Puts records into the open transaction. The answer tells of those that the broker refuses.
    ///
    /// # Errors
    /// The producer does not take one of them, such as one that is too large: librdkafka would commit the
    /// others.
    pub(super) async fn send(
        &self,
        topic: &str,
        records: &[OffsetRecord],
    ) -> Result<Vec<Arc<AckChunk>>> {
        let producer = self.shared()?;
        let signal = Arc::default();
        let topic = ByteString::from(topic);
        let mut chunks = Vec::new();
        for part in records.chunks(MAX_CHUNK) {
            let mut open = producer.open_chunk(part.len(), &signal, false);
            for (index, (key, value)) in part.iter().enumerate() {
                loop {
                    let sent =
                        open.send(index, &topic, None, None, Some(key), value.as_deref(), None);
                    match sent {
                        Ok(()) => break,
                        Err(SendError::QueueFull) => producer.space().await,
                        Err(SendError::Kafka(error)) => {
                            return Err(ConnectError::new(ErrorKind::Kafka, error.to_string()));
                        }
                    }
                }
            }
            chunks.push(Arc::clone(open.chunk()));
        }
        if let Some(refused) = chunks.iter().find_map(|chunk| first_refusal(chunk, 0)) {
            return Err(refused);
        }
        Ok(chunks)
    }

    /// Waits for all records, commits them, and begins the next transaction.
    ///
    /// # Errors
    /// Nothing of the transaction will be seen; the producer is of no more use.
    pub async fn commit(&self) -> Result<()> {
        self.blocking(|producer, wanted| {
            sliced(wanted, || producer.commit_transaction(SLICE))?;
            producer.begin_transaction()
        })
        .await
    }

    /// Throws the records of the transaction away, and begins the next one.
    ///
    /// # Errors
    /// The producer is of no more use.
    pub async fn abort(&self) -> Result<()> {
        self.blocking(|producer, wanted| {
            sliced(wanted, || producer.abort_transaction(SLICE))?;
            producer.begin_transaction()
        })
        .await
    }

    /// Ends after a failure: aborts what is open, so that readers of committed records need not wait for the
    /// transaction to time out.
    pub async fn abandon(self) {
        let aborted = self.blocking(|producer, _| producer.abort_transaction(ABORT_LIMIT));
        if let Err(error) = aborted.await {
            tracing::debug!(task = %self.id, %error, "the open transaction was not aborted");
        }
    }

    fn close(&mut self) {
        if let Some(producer) = self.producer.take() {
            release(producer);
        }
    }

    async fn blocking(
        &self,
        call: impl FnOnce(&SharedProducer, &CancellationToken) -> std::result::Result<(), KafkaError>
        + Send
        + 'static,
    ) -> Result<()> {
        let producer = self.shared()?;
        let abandoned = self.abandoned.clone();
        tokio::task::spawn_blocking(move || call(&producer, &abandoned))
            .await
            .map_err(|error| ConnectError::connect(error.to_string()))?
            .map_err(|error| self.explained(&error))
    }

    /// Fenced by its successor, timed out, or whatever else it was.
    fn explained(&self, error: &KafkaError) -> ConnectError {
        let cause = ConnectError::new(ErrorKind::Kafka, error.to_string());
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::Fenced) => {
                ConnectError::connect(format!(
                    "the producer of task {} was fenced: another worker has started the task",
                    self.id
                ))
                .caused_by(cause)
            }
            Some(RDKafkaErrorCode::InvalidProducerEpoch) => ConnectError::connect(format!(
                "the transaction of task {} has expired, or another worker has started the task. If it \
                 expired: raise producer.override.transaction.timeout.ms, or commit more often \
                 (transaction.boundary poll, or a shorter transaction.boundary.interval.ms)",
                self.id
            ))
            .caused_by(cause),
            _ => cause,
        }
    }
}

impl Drop for TransactionalProducer {
    fn drop(&mut self) {
        self.close();
    }
}

/// The first record of a chunk, from number `first` on, that was refused; records before it belong to a
/// transaction that was aborted.
pub(super) fn first_refusal(chunk: &AckChunk, first: usize) -> Option<ConnectError> {
    let mut failures = chunk.take_failures();
    failures.retain(|(index, _)| *index >= first);
    let (_, refused) = failures.into_iter().min_by_key(|(index, _)| *index)?;
    Some(ConnectError::new(ErrorKind::Kafka, refused.to_string()))
}

/// The error of a transaction, with the first record that was refused as its cause, if there is one.
pub(super) fn with_refusal(error: ConnectError, refused: Option<ConnectError>) -> ConnectError {
    match refused {
        Some(refused) => ConnectError::connect(error.message()).caused_by(refused),
        None => error,
    }
}

/// Repeats a call that can be resumed, as long as anybody wants it.
fn sliced(
    abandoned: &CancellationToken,
    call: impl Fn() -> std::result::Result<(), KafkaError>,
) -> std::result::Result<(), KafkaError> {
    loop {
        match call() {
            Err(KafkaError::Transaction(error))
                if error.is_retriable() && !abandoned.is_cancelled() =>
            {
                // librdkafka answers a retriable error at once while no broker can be reached.
                if error.code() != RDKafkaErrorCode::OperationTimedOut {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            other => return other,
        }
    }
}

impl SharedProducer {
    fn init_transactions(&self, limit: Duration) -> std::result::Result<(), KafkaError> {
        self.inner().init_transactions(limit)
    }

    fn begin_transaction(&self) -> std::result::Result<(), KafkaError> {
        self.inner().begin_transaction()
    }

    fn commit_transaction(&self, limit: Duration) -> std::result::Result<(), KafkaError> {
        self.inner().commit_transaction(limit)
    }

    fn abort_transaction(&self, limit: Duration) -> std::result::Result<(), KafkaError> {
        self.inner().abort_transaction(limit)
    }
}
