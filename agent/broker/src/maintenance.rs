//! What is done without being asked: retention, compaction, expiry, removal of deleted partitions.
//!
//! One task looks around every now and then. It reads on a thread for blocking work and writes through the
//! writer, in small jobs, so that clients do not wait for it.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::Core;
use crate::log::compaction::{Outcome, Plan};
use crate::log::read;
use crate::log::view::PartitionView;
use crate::state::Topic;
use crate::store::StoreError;
use crate::store::keys::{self, PartitionId, tag};

/// Batches removed or written by one job.
const STEP: usize = 512;
/// Bytes of batches written again by one job.
const STEP_BYTES: usize = 1 << 20;
/// Producers that have not written for so long are forgotten, as `producer.id.expiration.ms`.
const PRODUCER_EXPIRY: Duration = Duration::from_secs(24 * 3600);
/// The same for transactional ids, as `transactional.id.expiration.ms`.
const TRANSACTIONAL_EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often transactions are looked at, as `transaction.abort.timed.out.transaction.cleanup.interval.ms`,
/// but sooner.
const TRANSACTIONS_EVERY: Duration = Duration::from_secs(1);
/// Space that may lie waste on the disk, beside half of what is used.
const WASTE: u64 = 64 << 20;
/// A log is compacted when so much of it is new.
const LEAST_DIRTY: u64 = 64 << 10;

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Ends transactions whose time is over, until the broker stops.
pub(crate) async fn watch_transactions(core: Arc<Core>) {
    loop {
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(TRANSACTIONS_EVERY) => (),
        }
        let expired = core
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

/// Looks around until the broker stops.
pub(crate) async fn run(core: Arc<Core>) {
    let mut reclaimed = 0;
    loop {
        if let Err(error) = round(&core, &mut reclaimed).await {
            tracing::warn!(%error, "maintenance was broken off");
        }
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(core.config.maintenance_interval) => (),
        }
    }
}

async fn round(core: &Arc<Core>, reclaimed: &mut u64) -> Result<(), StoreError> {
    purge_deleted(core).await?;
    let topics = core.shared.topics();
    for topic in topics.by_name.values() {
        for view in &topic.partitions {
            if core.stop.is_cancelled() {
                return Ok(());
            }
            if topic.settings.delete {
                retain(core, topic, view).await?;
            }
            if topic.settings.compact {
                compact(core, topic, view).await?;
            }
        }
    }
    core.writer
        .run(|state, commit| {
            let oldest = commit.now - millis(PRODUCER_EXPIRY);
            for log in state.partitions.values_mut() {
                log.expire_producers(oldest);
                if !log.changes.producers.is_empty() {
                    commit.changed.partitions.insert(log.id);
                }
            }
        })
        .await?;
    core.groups.expire_offsets(core).await?;
    reclaim(core, reclaimed).await
}

/// Has the store give back the space of what was removed, if that is much. `size` is what the log took when
/// that was last done: what did not go then would not go now.
async fn reclaim(core: &Arc<Core>, size: &mut u64) -> Result<(), StoreError> {
    let topics = core.shared.topics();
    let views = topics.by_name.values().flat_map(|topic| &topic.partitions);
    let used: u64 = views.map(|view| view.read().bytes).sum();
    let before = *size;
    let after = core
        .blocking(move |store| {
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
async fn purge_deleted(core: &Arc<Core>) -> Result<(), StoreError> {
    let deleted = core.blocking(|store| store.prefix(&[tag::DELETED])).await?;
    for (key, _) in deleted {
        let id = key
            .get(1..9)
            .and_then(|id| id.try_into().ok())
            .map(PartitionId::from_be_bytes)
            .ok_or(StoreError::Damaged("deleted partition"))?;
        remove_before(core, id, i64::MAX).await?;
        core.writer
            .run(move |_, commit| commit.remove(keys::partition(tag::DELETED, id)))
            .await?;
    }
    Ok(())
}

/// Removes the batches of a partition that end before `offset`.
pub(crate) async fn remove_before(
    core: &Arc<Core>,
    id: PartitionId,
    offset: i64,
) -> Result<(), StoreError> {
    loop {
        let gone = core
            .blocking(move |store| read::last_offsets(store, id, 0, offset, STEP))
            .await?;
        let last = gone.len() < STEP;
        core.writer
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
async fn retain(core: &Arc<Core>, topic: &Topic, view: &PartitionView) -> Result<(), StoreError> {
    let id = view.id;
    let (age, largest) = (topic.settings.retention_ms, topic.settings.retention_bytes);
    let start = core
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
        Some(start) => remove_before(core, id, start).await,
        None => Ok(()),
    }
}

/// Compacts a partition if enough of it is new.
pub(crate) async fn compact(
    core: &Arc<Core>,
    topic: &Topic,
    view: &PartitionView,
) -> Result<(), StoreError> {
    let published = view.read();
    let dirty: u64 = published
        .segments()
        .filter(|(_, end)| *end > published.compacted)
        .map(|(segment, _)| segment.bytes)
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "a ratio of sizes")]
    let ratio = dirty as f64 / (published.bytes.max(1)) as f64;
    if published.stable <= published.compacted
        || dirty < LEAST_DIRTY
        || ratio < topic.settings.min_cleanable_ratio
    {
        return Ok(());
    }
    let id = view.id;
    let now = (core.clock)();
    let horizon = now.saturating_sub(topic.settings.delete_retention_ms);
    let youngest = now.saturating_sub(topic.settings.min_compaction_lag_ms);
    let start = published.start;
    let plan = core
        .blocking(move |store| {
            let mut plan = Plan::new(&published, horizon);
            // What was compacted before has each key once; only what came since can supersede.
            for batch in read::iterate(store, id, plan.upto, published.stable) {
                let (_, batch) = batch?;
                let young = crate::log::batch::BatchHeader::read(&batch)
                    .is_ok_and(|header| header.max_timestamp > youngest);
                if young || !plan.note(&batch) {
                    break;
                }
            }
            Ok(plan)
        })
        .await?;
    let plan = Arc::new(plan);
    let mut from = start;
    while from < plan.upto {
        let step = Arc::clone(&plan);
        let (changed, next) = core
            .blocking(move |store| {
                let (mut changed, mut bytes, mut next) = (Vec::new(), 0, step.upto);
                for batch in read::iterate(store, id, from, step.upto) {
                    let (last, batch) = batch?;
                    match step.judge(&batch) {
                        Outcome::Keep => (),
                        Outcome::Remove => changed.push((last, batch.len(), None)),
                        Outcome::Replace(new) => {
                            bytes += new.len();
                            changed.push((last, batch.len(), Some(new)));
                        }
                    }
                    if changed.len() >= STEP || bytes >= STEP_BYTES {
                        next = last + 1;
                        break;
                    }
                }
                Ok((changed, next))
            })
            .await?;
        from = next;
        core.writer
            .run(move |state, commit| {
                let Some(log) = state.partitions.get_mut(&id) else {
                    return;
                };
                for (last, before, new) in changed {
                    // Retention may have removed it meanwhile.
                    if last >= log.start {
                        let after = new.as_ref().map_or(0, Vec::len);
                        log.shrink(last, before.saturating_sub(after) as u64);
                        commit.replace_batch(id, last, new);
                    }
                }
                log.compacted = log.compacted.max(next);
                commit.changed.partitions.insert(id);
            })
            .await?;
    }
    Ok(())
}
