//! Compaction of one partition: planned in one pass, carried out in small jobs in a second.

use std::sync::Arc;

use super::STEP;
use crate::clock;
use crate::data::Data;
use crate::log::batch::BatchHeader;
use crate::log::compaction::{Outcome, Plan};
use crate::log::read;
use crate::log::view::{PartitionView, Published};
use crate::state::Topic;
use crate::store::keys::PartitionId;
use crate::store::{Store, StoreError};

/// Bytes of batches written again by one job.
const STEP_BYTES: usize = 1 << 20;
/// A log is compacted when this many bytes of it are new.
const LEAST_DIRTY: u64 = 64 << 10;

/// Compacts a partition if enough of it is new.
pub(super) async fn compact(
    data: &Data,
    topic: &Topic,
    view: &PartitionView,
) -> Result<(), StoreError> {
    let published = view.read();
    if !is_due(&published, topic.settings.min_cleanable_ratio) {
        return Ok(());
    }
    let id = view.id;
    let now = clock::now();
    let horizon = now.saturating_sub(topic.settings.delete_retention_ms);
    let youngest = now.saturating_sub(topic.settings.min_compaction_lag_ms);
    let mut from = published.start;
    let plan = data
        .reader
        .read(move |store| plan(store, id, &published, horizon, youngest))
        .await?;
    let plan = Arc::new(plan);
    while from < plan.upto {
        let planned = Arc::clone(&plan);
        let step = data
            .reader
            .read(move |store| Step::judge(store, id, from, &planned))
            .await?;
        from = step.next;
        replace(data, id, step).await?;
    }
    Ok(())
}

fn is_due(published: &Published, least_ratio: f64) -> bool {
    let dirty: u64 = published
        .segments()
        .filter(|(_, end)| *end > published.compacted)
        .map(|(segment, _)| segment.bytes)
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "a ratio of sizes")]
    let ratio = dirty as f64 / (published.bytes.max(1)) as f64;
    published.stable > published.compacted && dirty >= LEAST_DIRTY && ratio >= least_ratio
}

/// Notes the keys of all batches that are new and old enough.
fn plan(
    store: &Store,
    id: PartitionId,
    published: &Published,
    horizon: i64,
    youngest: i64,
) -> Result<Plan, StoreError> {
    let mut plan = Plan::new(published, horizon);
    // What was compacted before has each key once; only what came since can supersede.
    for batch in read::iterate(store, id, plan.upto, published.stable) {
        let (_, batch) = batch?;
        let young = BatchHeader::read(&batch).is_ok_and(|header| header.max_timestamp > youngest);
        if young || !plan.note(&batch) {
            break;
        }
    }
    Ok(plan)
}

/// What one job changes.
struct Step {
    /// Last offset and size of each batch that changes, and the batch that takes its place, if one does.
    changed: Vec<(i64, usize, Option<Vec<u8>>)>,
    /// Offset at which the next step begins.
    next: i64,
}

impl Step {
    fn judge(store: &Store, id: PartitionId, from: i64, plan: &Plan) -> Result<Self, StoreError> {
        let (mut changed, mut bytes) = (Vec::new(), 0);
        for batch in read::iterate(store, id, from, plan.upto) {
            let (last, batch) = batch?;
            match plan.judge(&batch) {
                Outcome::Keep => (),
                Outcome::Remove => changed.push((last, batch.len(), None)),
                Outcome::Replace(new) => {
                    bytes += new.len();
                    changed.push((last, batch.len(), Some(new)));
                }
            }
            if changed.len() >= STEP || bytes >= STEP_BYTES {
                let next = last + 1;
                return Ok(Self { changed, next });
            }
        }
        let next = plan.upto;
        Ok(Self { changed, next })
    }
}

async fn replace(data: &Data, id: PartitionId, step: Step) -> Result<(), StoreError> {
    data.writer
        .run(move |state, commit| {
            let Some(log) = state.partitions.get_mut(&id) else {
                return;
            };
            for (last, before, new) in step.changed {
                // Retention may have removed it meanwhile.
                if last >= log.start {
                    let after = new.as_ref().map_or(0, Vec::len);
                    log.shrink(last, before.saturating_sub(after) as u64);
                    commit.replace_batch(id, last, new);
                }
            }
            log.compacted = log.compacted.max(step.next);
            commit.changed.partitions.insert(id);
        })
        .await
}
