//! Writes to the status topic, one after another, again and again until they are acknowledged or out of date.
//!
//! A report must not arrive late: after an outage a worker's old "unassigned" would hide the
//! "running" of the worker that has taken over. So records wait here rather than in the producer:
//! each attempt lasts [`ATTEMPT_LIMIT`], and before the next one a record is dropped if there is a
//! newer one for the same entry, if the entry was deleted, or if it is a safe put and another
//! worker has reported something newer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use sluice_protocol::status_topic::{StatusKey, StatusRecord};
use tokio::sync::{Notify, OnceCell};

use super::kafka_based_log::KafkaBasedLog;
use super::log_producer::Acknowledgement;
use crate::cluster::StatusCache;

/// How long one attempt may take.
pub(super) const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);
/// Pause after an attempt that failed.
const PAUSE: Duration = Duration::from_millis(100);
/// Most records under way at once.
const BATCH: usize = 1000;

/// The records waiting to be written. The task of [`StatusSender::run`] writes them.
#[derive(Default)]
pub(super) struct StatusSender {
    queue: Mutex<Queue>,
    work: Notify,
    done: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Put>,
    under_way: bool,
    /// Number of the newest put per entry, while there is one to be written.
    newest: HashMap<StatusKey, u64>,
    next: u64,
}

pub(super) struct Put {
    record: StatusRecord,
    key: StatusKey,
    number: u64,
    safe: bool,
    /// Whether the entry existed when this was put.
    known: bool,
    tried: bool,
}

impl Queue {
    fn number(&mut self, key: &StatusKey) -> u64 {
        self.next += 1;
        self.newest.insert(key.clone(), self.next);
        self.next
    }

    fn is_newest(&self, put: &Put) -> bool {
        self.newest.get(&put.key) == Some(&put.number)
    }

    fn forget(&mut self, put: &Put) {
        if self.is_newest(put) {
            self.newest.remove(&put.key);
        }
    }
}

impl StatusSender {
    /// Queues a record. A safe put that is not allowed now is skipped, but still outdates earlier ones.
    pub(super) fn put(&self, record: StatusRecord, safe: bool, cache: &Mutex<StatusCache>) {
        let key = record.key();
        let (known, allowed) = {
            let cache = cache.lock();
            (cache.contains(&key), !safe || allows(&cache, &record))
        };
        let mut queue = self.queue.lock();
        let number = queue.number(&key);
        if !allowed {
            return;
        }
        queue.waiting.push_back(Put {
            record,
            key,
            number,
            safe,
            known,
            tried: false,
        });
        drop(queue);
        self.work.notify_one();
    }

    /// Waits until nothing is waiting or under way, at most `limit`.
    pub(super) async fn flush(&self, limit: Duration) {
        let idle = async {
            loop {
                let done = self.done.notified();
                {
                    let queue = self.queue.lock();
                    if queue.waiting.is_empty() && !queue.under_way {
                        return;
                    }
                }
                done.await;
            }
        };
        if tokio::time::timeout(limit, idle).await.is_err() {
            tracing::warn!("statuses were not acknowledged in time");
        }
    }

    /// Writes what is put, until it is dropped.
    pub(super) async fn run(
        self: Arc<Self>,
        log: Arc<OnceCell<KafkaBasedLog>>,
        cache: Arc<Mutex<StatusCache>>,
    ) {
        loop {
            let batch = self.take();
            if batch.is_empty() {
                self.done.notify_waiters();
                self.work.notified().await;
                continue;
            }
            let Some(log) = log.get() else { return };
            let send = |key: &[u8], value: Option<&[u8]>| log.send(key, value);
            let again = self.attempt(&send, &cache, batch).await;
            let failed = !again.is_empty();
            {
                let mut queue = self.queue.lock();
                queue.under_way = false;
                for put in again.into_iter().rev() {
                    queue.waiting.push_front(put);
                }
            }
            if failed {
                tokio::time::sleep(sluice_kafka::backoff::jittered(PAUSE)).await;
            }
        }
    }

    pub(super) fn take(&self) -> Vec<Put> {
        let mut queue = self.queue.lock();
        let count = queue.waiting.len().min(BATCH);
        let batch: Vec<Put> = queue.waiting.drain(..count).collect();
        queue.under_way = !batch.is_empty();
        batch
    }

    /// Sends a batch in order and waits for all acknowledgements. Returns what has to be tried again.
    pub(super) async fn attempt(
        &self,
        send: &(impl Fn(&[u8], Option<&[u8]>) -> KafkaResult<Acknowledgement> + Sync),
        cache: &Mutex<StatusCache>,
        batch: Vec<Put>,
    ) -> Vec<Put> {
        let mut again = Vec::new();
        let mut sent = Vec::with_capacity(batch.len());
        for mut put in batch {
            if !self.still_counts(&put, cache) {
                self.queue.lock().forget(&put);
                continue;
            }
            put.tried = true;
            let encoded = put.record.encode();
            match send(&encoded.key, encoded.value.as_deref()) {
                Ok(acknowledged) => sent.push((put, acknowledged)),
                Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => again.push(put),
                Err(error) => self.give_up(&put, &error),
            }
        }
        let mut failed = Vec::new();
        for (put, acknowledged) in sent {
            match acknowledged.await {
                Ok(Ok(_)) => self.queue.lock().forget(&put),
                Ok(Err(error)) if is_retriable(&error) => failed.push(put),
                Ok(Err(error)) => self.give_up(&put, &error),
                Err(_) => self.give_up(&put, &KafkaError::Canceled),
            }
        }
        // What did not fit into the producer came later than what failed.
        failed.append(&mut again);
        failed
    }

    fn still_counts(&self, put: &Put, cache: &Mutex<StatusCache>) -> bool {
        if !put.safe && !put.tried {
            return true;
        }
        if put.tried && !self.queue.lock().is_newest(put) {
            return false;
        }
        let cache = cache.lock();
        let deleted = put.tried && put.known && !cache.contains(&put.key);
        !deleted && (!put.safe || allows(&cache, &put.record))
    }

    fn give_up(&self, put: &Put, error: &KafkaError) {
        tracing::warn!(key = %put.key, %error, "status is lost");
        self.queue.lock().forget(put);
    }
}

/// Whether the safe put rule lets a record be written.
fn allows(cache: &StatusCache, record: &StatusRecord) -> bool {
    match record {
        StatusRecord::Connector {
            connector,
            status: Some(status),
        } => StatusCache::allows(cache.connector(connector), status),
        StatusRecord::Task {
            id,
            status: Some(status),
        } => StatusCache::allows(cache.task(id), status),
        _ => true,
    }
}

/// Whether the same record may get through later.
fn is_retriable(error: &KafkaError) -> bool {
    !matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::InvalidRecord
                | RDKafkaErrorCode::InvalidRequiredAcks
                | RDKafkaErrorCode::InvalidTimestamp
                | RDKafkaErrorCode::UnsupportedForMessageFormat
                | RDKafkaErrorCode::UnsupportedVersion
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::InvalidTopic
                | RDKafkaErrorCode::PolicyViolation
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::status_topic::StatusValue;
    use sluice_protocol::{Generation, State};

    fn record(state: State, worker: &str, generation: i32) -> StatusRecord {
        StatusRecord::Connector {
            connector: "c".into(),
            status: Some(StatusValue {
                state,
                trace: None,
                worker_id: worker.into(),
                generation: Generation(generation),
                version: None,
            }),
        }
    }

    fn waiting(sender: &StatusSender) -> Vec<Put> {
        sender.take()
    }

    #[test]
    fn a_safe_put_is_dropped_before_the_next_attempt_when_another_worker_took_over() {
        let (sender, cache) = (StatusSender::default(), Mutex::new(StatusCache::default()));
        sender.put(record(State::Unassigned, "me", 4), true, &cache);
        let mut batch = waiting(&sender);
        let mut put = batch.remove(0);
        assert!(sender.still_counts(&put, &cache));
        put.tried = true;
        cache.lock().feed(record(State::Running, "other", 5));
        assert!(!sender.still_counts(&put, &cache));
    }

    #[test]
    fn a_newer_put_outdates_one_that_failed_even_when_it_is_skipped() {
        let (sender, cache) = (StatusSender::default(), Mutex::new(StatusCache::default()));
        sender.put(record(State::Running, "me", 4), false, &cache);
        let mut put = waiting(&sender).remove(0);
        put.tried = true;
        assert!(sender.still_counts(&put, &cache));
        cache.lock().feed(record(State::Running, "other", 9));
        sender.put(record(State::Unassigned, "me", 5), true, &cache);
        assert!(waiting(&sender).is_empty());
        assert!(!sender.still_counts(&put, &cache));
    }

    #[test]
    fn a_resend_for_an_entry_that_was_deleted_meanwhile_is_dropped() {
        let (sender, cache) = (StatusSender::default(), Mutex::new(StatusCache::default()));
        cache.lock().feed(record(State::Running, "me", 3));
        sender.put(record(State::Failed, "me", 3), false, &cache);
        let mut put = waiting(&sender).remove(0);
        put.tried = true;
        assert!(sender.still_counts(&put, &cache));
        cache.lock().feed(StatusRecord::Connector {
            connector: "c".into(),
            status: None,
        });
        assert!(!sender.still_counts(&put, &cache));
    }

    #[test]
    fn records_of_one_entry_that_were_not_tried_yet_all_go_out_in_order() {
        let (sender, cache) = (StatusSender::default(), Mutex::new(StatusCache::default()));
        sender.put(record(State::Restarting, "me", 4), false, &cache);
        sender.put(record(State::Running, "me", 4), false, &cache);
        let batch = waiting(&sender);
        assert_eq!(batch.len(), 2);
        assert!(batch.iter().all(|put| sender.still_counts(put, &cache)));
    }
}
