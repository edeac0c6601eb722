//! What is done without being asked: retention, compaction, expiry, removal of deleted partitions.
//!
//! One task looks around every now and then. It reads on a thread for blocking work and writes through the
//! writer, in small jobs, so that clients do not wait for it.

mod compaction;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::{self, millis};
use crate::data::Data;
use crate::groups::Groups;
use crate::log::read;
use crate::log::view::PartitionView;
use crate::state::{OffsetEntry, Topic};
use crate::store::StoreError;
use crate::store::keys::{self, PartitionId, tag};

/// Batches removed or written by one job.
const STEP: usize = 512;
/// Producers that have not written for this long are forgotten, as `producer.id.expiration.ms`.
const PRODUCER_EXPIRY: Duration = Duration::from_secs(24 * 3600);
/// The same for transactional ids, as `transactional.id.expiration.ms`.
const TRANSACTIONAL_EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often transactions are looked at, as `transaction.abort.timed.out.transaction.cleanup.interval.ms`,
/// but sooner.
const TRANSACTIONS_EVERY: Duration = Duration::from_secs(1);
/// Space that may lie waste on the disk, beside half of what is used.
const WASTE: u64 = 64 << 20;

/// Aborts transactions that are open for longer than their producers asked for, until the broker stops: such
/// a transaction would hold back all that read committed records only.
pub(crate) async fn watch_transactions(data: Arc<Data>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TRANSACTIONS_EVERY) => (),
        }
        let expired = data
            .writer
            .run(|state, commit| {
                let oldest = commit.now - millis(TRANSACTIONAL_EXPIRY);
                state.expire_transactions(commit, oldest);
            })
            .await;
        if let Err(error) = expired {
            tracing::warn!(%error, "transactions could not be looked at");
        }
    }
}

/// The task that looks around.
pub(crate) struct Maintenance {
    pub(crate) data: Arc<Data>,
    pub(crate) groups: Arc<Groups>,
    /// Pause between two rounds.
    pub(crate) interval: Duration,
    /// How long the offsets of a group without members are kept.
    pub(crate) offsets_retention: Duration,
    pub(crate) stop: CancellationToken,
}

impl Maintenance {
    /// Looks around until the broker stops.
    pub(crate) async fn run(self) {
        let mut reclaimed = 0;
        loop {
            if let Err(error) = self.round(&mut reclaimed).await {
                tracing::warn!(%error, "maintenance was interrupted");
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(self.interval) => (),
            }
        }
    }

    async fn round(&self, reclaimed: &mut u64) -> Result<(), StoreError> {
        let data = &*self.data;
        purge_deleted(data).await?;
        for topic in data.shared.topics().by_name.values() {
            for view in &topic.partitions {
                if self.stop.is_cancelled() {
                    return Ok(());
                }
                if topic.settings.delete {
                    retain(data, topic, view).await?;
                }
                if topic.settings.compact {
                    compaction::compact(data, topic, view).await?;
                }
            }
        }
        expire_producers(data).await?;
        expire_offsets(data, &self.groups, millis(self.offsets_retention)).await?;
        reclaim(data, reclaimed).await
    }
}

/// Has the store give back the space of what was removed, if that is much. `size` is what the log took when
/// that was last done: what did not go then would not go now.
async fn reclaim(data: &Data, size: &mut u64) -> Result<(), StoreError> {
    let topics = data.shared.topics();
    let views = topics.by_name.values().flat_map(|topic| &topic.partitions);
    let used: u64 = views.map(|view| view.read().bytes).sum();
    let before = *size;
    let after = data
        .reader
        .read(move |store| {
            let taken = store.log_size();
            if taken < used + used / 2 + WASTE || taken < before + WASTE / 2 {
                return Ok(None);
            }
            store.reclaim()?;
            Ok(Some(store.log_size()))
        })
        .await?;
    if let Some(after) = after {
        tracing::info!(bytes = after, used, "the log was reduced to what is used");
        *size = after;
    }
    Ok(())
}

/// Removes the batches of partitions that were deleted.
async fn purge_deleted(data: &Data) -> Result<(), StoreError> {
    let deleted = data.reader.read(|store| store.prefix(&[tag::DELETED]));
    for (key, _) in deleted.await? {
        let id = key
            .get(1..9)
            .and_then(|id| id.try_into().ok())
            .map(PartitionId::from_be_bytes)
            .ok_or(StoreError::Damaged("deleted partition"))?;
        remove_before(data, id, i64::MAX).await?;
        data.writer
            .run(move |_, commit| commit.remove(keys::partition(tag::DELETED, id)))
            .await?;
    }
    Ok(())
}

/// Removes the batches of a partition that end before `offset`.
pub(crate) async fn remove_before(
    data: &Data,
    id: PartitionId,
    offset: i64,
) -> Result<(), StoreError> {
    loop {
        let gone = data
            .reader
            .read(move |store| read::last_offsets(store, id, 0, offset, STEP))
            .await?;
        let last = gone.len() < STEP;
        data.writer
            .run(move |_, commit| {
                for offset in gone {
                    commit.replace_batch(id, offset, None);
                }
            })
            .await?;
        if last {
            return Ok(());
        }
    }
}

/// Removes what is too old or too much.
async fn retain(data: &Data, topic: &Topic, view: &PartitionView) -> Result<(), StoreError> {
    let id = view.id;
    let (age, largest) = (topic.settings.retention_ms, topic.settings.retention_bytes);
    let start = data
        .writer
        .run(move |state, commit| {
            let log = state.partitions.get_mut(&id)?;
            let oldest = age.map(|age| commit.now.saturating_sub(age));
            let start = log.retention_start(oldest, largest);
            if start == log.start {
                return None;
            }
            log.delete_before(start);
            commit.changed.partitions.insert(id);
            Some(start)
        })
        .await?;
    match start {
        Some(start) => remove_before(data, id, start).await,
        None => Ok(()),
    }
}

/// Forgets producers that have not written for long.
async fn expire_producers(data: &Data) -> Result<(), StoreError> {
    data.writer
        .run(|state, commit| {
            let oldest = commit.now - millis(PRODUCER_EXPIRY);
            for log in state.partitions.values_mut() {
                log.expire_producers(oldest);
                if !log.changes.producers.is_empty() {
                    commit.changed.partitions.insert(log.id);
                }
            }
        })
        .await
}

/// Removes offsets of groups that have had no members for `retention` milliseconds, if the offsets are that
/// old too, and the groups of which none is left.
async fn expire_offsets(data: &Data, groups: &Groups, retention: i64) -> Result<(), StoreError> {
    let oldest = clock::now() - retention;
    for name in groups.abandoned(retention) {
        let prefix = keys::offsets_of(&name);
        let offsets = data.reader.read(move |store| store.prefix(&prefix)).await?;
        let all = offsets.len();
        let old: Vec<_> = offsets
            .into_iter()
            .filter(|(_, value)| {
                OffsetEntry::decode(value).is_some_and(|entry| entry.timestamp < oldest)
            })
            .map(|(key, _)| key.to_vec())
            .collect();
        let whole = old.len() == all && groups.delete(&name).is_ok();
        data.writer
            .run(move |_, commit| {
                for key in old {
                    commit.remove(key);
                }
                if whole {
                    commit.remove(keys::named(tag::GROUP, &name));
                }
            })
            .await?;
    }
    Ok(())
}
