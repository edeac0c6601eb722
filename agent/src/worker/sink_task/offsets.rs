//! Commits of the offsets that the task says are safe.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use sluice_api::{OffsetAndMetadata, Result, SinkOffsets, SinkTask, TopicPartition};
use tokio::time::Instant;

use super::{Loop, unrecoverable};
use crate::clock::now;
use crate::worker::worker_task::catch;

/// A commit on its way.
pub(super) struct Committing {
    pub(super) seq: u64,
    pub(super) started: Instant,
}

impl Loop<'_> {
    /// Commits what is safe of these partitions; the task closes them if they are given up.
    pub(super) async fn commit(
        &mut self,
        task: &mut Box<dyn SinkTask>,
        partitions: &BTreeSet<TopicPartition>,
        closing: bool,
    ) -> Result<()> {
        let offsets: SinkOffsets = self
            .current
            .iter()
            .filter(|(tp, _)| partitions.contains(tp))
            .map(|(tp, offset)| (tp.clone(), offset.clone()))
            .collect();
        if offsets.is_empty() && !closing {
            return Ok(());
        }
        let started = Instant::now();
        self.seq += 1;
        let seq = self.seq;
        self.context
            .metrics
            .commit_seq
            .store(seq, Ordering::Relaxed);
        let committable = if offsets.is_empty() {
            Ok(SinkOffsets::new())
        } else {
            catch(task.pre_commit(&offsets)).await
        };
        if closing {
            let list: Vec<TopicPartition> = partitions.iter().cloned().collect();
            catch(task.close(&list)).await.map_err(unrecoverable)?;
        } else {
            self.apply_requests(false).await?;
        }
        // After the task's last word, since it may report records while it flushes and closes.
        if let Err(error) = self.settle_reports().await {
            self.context.metrics.on_commit(started.elapsed(), false);
            return Err(unrecoverable(error));
        }
        let committable = match committable {
            Ok(committable) => committable,
            Err(error) => {
                self.context.metrics.on_commit(started.elapsed(), false);
                if closing {
                    tracing::warn!(
                        task = %self.context.id,
                        "Offset commit failed during close: {}",
                        error.trace().trim_end()
                    );
                    return Ok(());
                }
                tracing::error!(
                    task = %self.context.id,
                    "Offset commit failed, rewinding to last committed offsets: {}",
                    error.trace().trim_end()
                );
                return self.rewind_to_committed().await;
            }
        };
        if committable.is_empty() {
            self.context.metrics.on_commit(started.elapsed(), true);
            return Ok(());
        }
        let mut to_commit: SinkOffsets = self
            .last_committed
            .iter()
            .filter(|(tp, _)| partitions.contains(tp))
            .map(|(tp, offset)| (tp.clone(), offset.clone()))
            .collect();
        let mut changed = false;
        for (tp, offset) in committable {
            match offsets.get(&tp) {
                Some(current) if offset.offset <= current.offset => {
                    changed |= to_commit.get(&tp) != Some(&offset);
                    to_commit.insert(tp, offset);
                }
                Some(current) => tracing::warn!(
                    task = %self.context.id,
                    "Ignoring invalid task provided offset {}/{} -- not yet consumed, taskOffset={} currentOffset={}",
                    tp, offset.offset, offset.offset, current.offset
                ),
                None => tracing::warn!(
                    task = %self.context.id,
                    "Ignoring invalid task provided offset {}/{} -- partition not assigned",
                    tp, offset.offset
                ),
            }
        }
        if !changed {
            self.context.metrics.on_commit(started.elapsed(), true);
            return Ok(());
        }
        if closing {
            let result = self.consumer.commit_sync(&to_commit).await;
            self.sent = to_commit;
            self.committing = Some(Committing { seq, started });
            self.committed(seq, result);
            return Ok(());
        }
        self.sent = to_commit;
        self.committing = Some(Committing { seq, started });
        if let Err(error) = self.consumer.commit_async(&self.sent, seq) {
            self.committed(seq, Err(error));
        }
        Ok(())
    }

    /// Waits until what was reported is in the dead letter queue.
    async fn settle_reports(&self) -> Result<()> {
        if let Some(reporter) = &self.reporter {
            reporter.settle().await;
            reporter.not_tolerated().map_or(Ok(()), Err)?;
        }
        self.operator.settle().await
    }

    async fn rewind_to_committed(&mut self) -> Result<()> {
        let assigned = self.plugin.assigned();
        let back: Vec<(TopicPartition, i64)> = self
            .last_committed
            .iter()
            .filter(|(tp, _)| assigned.contains(tp))
            .map(|(tp, offset)| (tp.clone(), offset.offset))
            .collect();
        if back.is_empty() {
            return Ok(());
        }
        self.consumer.seek(&back).await?;
        for (tp, offset) in back {
            self.current.insert(tp, OffsetAndMetadata::new(offset));
        }
        Ok(())
    }

    pub(super) fn committed(&mut self, seq: u64, result: Result<()>) {
        let Some(committing) = self.committing.take_if(|committing| committing.seq == seq) else {
            tracing::debug!(task = %self.context.id, seq, "late answer to a commit of offsets");
            self.context.metrics.commit_skip.add(1);
            return;
        };
        match result {
            Ok(()) => {
                self.context.metrics.commit_completion.add(1);
                self.context
                    .metrics
                    .on_commit(committing.started.elapsed(), true);
                self.committed_at = Some(now().get());
                let sent = std::mem::take(&mut self.sent);
                self.last_committed.extend(sent);
                self.show_metrics(true);
            }
            Err(error) => {
                tracing::error!(
                    task = %self.context.id,
                    "Commit of offsets threw an unexpected exception for sequence number {seq}: {}",
                    error.trace().trim_end()
                );
                self.context
                    .metrics
                    .on_commit(committing.started.elapsed(), false);
            }
        }
    }

    /// The last commit, at the end of the task; what an earlier `put` took is committed whatever failed after it.
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
