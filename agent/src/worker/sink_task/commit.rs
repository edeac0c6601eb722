//! Commits of the offsets that the task says are safe.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_api::{ConnectError, Result, SinkOffsets, SinkTask, TopicPartition};
use tokio::time::Instant;

use super::{Loop, unrecoverable};
use crate::worker::worker_task::catch;

impl Loop<'_> {
    /// Begins a commit that is due, and gives up one that is not answered.
    pub(super) async fn commit_if_due(
        &mut self,
        task: &mut Box<dyn SinkTask>,
        now: Instant,
    ) -> Result<()> {
        if self.offsets.committing.is_none() && self.clock.take_commit(now) {
            let partitions = self.plugin.assigned();
            self.commit(task, &partitions, false).await?;
        }
        if let Some(committing) = &self.offsets.committing
            && now >= self.clock.expires(committing)
        {
            tracing::warn!(task = %self.context.id, "commit of offsets timed out");
            self.context.metrics.on_commit(Duration::ZERO, false);
            self.offsets.committing = None;
        }
        Ok(())
    }

    /// Commits what is safe of these partitions; the task closes them if they are given up.
    pub(super) async fn commit(
        &mut self,
        task: &mut Box<dyn SinkTask>,
        partitions: &BTreeSet<TopicPartition>,
        closing: bool,
    ) -> Result<()> {
        let taken = self.offsets.taken(partitions);
        if taken.is_empty() && !closing {
            return Ok(());
        }
        let started = Instant::now();
        let seq = self.offsets.next_seq();
        self.context
            .metrics
            .commit_seq
            .store(seq, Ordering::Relaxed);
        let committable = if taken.is_empty() {
            Ok(SinkOffsets::new())
        } else {
            catch(task.pre_commit(&taken)).await
        };
        if closing {
            let list: Vec<TopicPartition> = partitions.iter().cloned().collect();
            catch(task.close(&list)).await.map_err(unrecoverable)?;
        } else {
            self.apply_requests(false).await?;
        }
        // After the task's last word, since it may report records while it flushes and closes.
        if let Err(error) = self.reporting.settle().await {
            self.context.metrics.on_commit(started.elapsed(), false);
            return Err(unrecoverable(error));
        }
        let committable = match committable {
            Ok(committable) => committable,
            Err(error) => {
                self.context.metrics.on_commit(started.elapsed(), false);
                return self.not_committable(&error, closing).await;
            }
        };
        let id = &self.context.id;
        let Some(offsets) = self.offsets.to_commit(id, partitions, &taken, committable) else {
            self.context.metrics.on_commit(started.elapsed(), true);
            return Ok(());
        };
        let answer = if closing {
            Some(self.consumer.commit_sync(&offsets).await)
        } else {
            self.consumer.commit_async(&offsets, seq).err().map(Err)
        };
        self.offsets.begin_commit(seq, started, offsets);
        if let Some(answer) = answer {
            self.committed(seq, answer);
        }
        Ok(())
    }

    /// The task could not say what is safe: what it took since the last commit is put again, but
    /// for a task that closes.
    async fn not_committable(&mut self, error: &ConnectError, closing: bool) -> Result<()> {
        let trace = error.trace();
        let (task, trace) = (&self.context.id, trace.trim_end());
        if closing {
            tracing::warn!(%task, "Offset commit failed during close: {trace}");
            return Ok(());
        }
        tracing::error!(%task, "Offset commit failed, rewinding to last committed offsets: {trace}");
        let back = self.offsets.committed(&self.plugin.assigned());
        if !back.is_empty() {
            self.consumer.seek(&back).await?;
            self.offsets.rewound(back);
        }
        Ok(())
    }

    pub(super) fn committed(&mut self, seq: u64, result: Result<()>) {
        let metrics = &self.context.metrics;
        let Some(started) = self.offsets.end_commit(seq, result.is_ok()) else {
            tracing::debug!(task = %self.context.id, seq, "late answer to a commit of offsets");
            metrics.commit_skip.add(1);
            return;
        };
        metrics.on_commit(started.elapsed(), result.is_ok());
        match result {
            Ok(()) => {
                metrics.commit_completion.add(1);
                self.show_metrics();
            }
            Err(error) => tracing::error!(
                task = %self.context.id,
                "Commit of offsets threw an unexpected exception for sequence number {seq}: {}",
                error.trace().trim_end()
            ),
        }
    }

    /// The last commit, at the end of the task; what an earlier `put` took is committed whatever
    /// failed after it.
    pub(super) async fn finish(&mut self, task: &mut Box<dyn SinkTask>) {
        let partitions = self.plugin.assigned();
        if partitions.is_empty() {
            return;
        }
        if let Err(error) = self.commit(task, &partitions, true).await {
            tracing::error!(
                task = %self.context.id,
                "closing the task's partitions failed: {}",
                error.trace().trim_end()
            );
        }
    }
}
