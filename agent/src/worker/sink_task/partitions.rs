//! What the group gives to the task and takes from it.

use std::collections::{BTreeMap, BTreeSet};

use sluice_api::{ConnectError, Result, SinkTask, SinkTaskContext, TopicPartition};
use sluice_kafka::client::keys::OffsetReset;
use sluice_kafka::consumer::LATEST;

use super::{Loop, unrecoverable};
use crate::clock::now;
use crate::worker::worker_task::catch;

impl Loop<'_> {
    /// The time from which `auto.offset.reset=by_duration` begins, in milliseconds since 1970.
    fn reset_time(&self) -> Option<i64> {
        let OffsetReset::ByDuration(back) = self.reset else {
            return None;
        };
        let back = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
        Some(now().get().saturating_sub(back).max(0))
    }

    /// Gives partitions without a committed offset the one of their time.
    async fn start_by_duration(&self, starts: &mut [(TopicPartition, Option<i64>)]) -> Result<()> {
        let Some(time) = self.reset_time() else {
            return Ok(());
        };
        let open = starts.iter().filter(|(_, start)| start.is_none());
        let open: Vec<TopicPartition> = open.map(|(tp, _)| tp.clone()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let mut found = self.consumer.offsets_at(&open, time).await?.into_iter();
        for (_, start) in starts.iter_mut().filter(|(_, start)| start.is_none()) {
            *start = found.next();
        }
        Ok(())
    }

    /// A partition's offset is gone: reading continues at that of its time, or the task fails.
    pub(super) async fn no_offset(
        &mut self,
        partition: TopicPartition,
        error: ConnectError,
    ) -> Result<()> {
        let Some(time) = self.reset_time() else {
            return Err(unrecoverable(error));
        };
        let assigned = self.plugin.assigned();
        if !assigned.contains(&partition) {
            return Ok(());
        }
        let found = self
            .consumer
            .offsets_at(std::slice::from_ref(&partition), time)
            .await?;
        tracing::warn!(
            task = %self.context.id,
            "resetting {partition} to the offset of its time: {error}"
        );
        let positions: Vec<(TopicPartition, Option<i64>)> = assigned
            .iter()
            .map(|tp| (tp.clone(), self.offsets.position(tp)))
            .collect();
        let offset = found.first().copied().unwrap_or(LATEST);
        self.consumer.restart(&partition, offset, &positions)?;
        // What is assigned anew is not paused.
        if self.is_held() {
            return self.consumer.pause(&self.plugin.assignment());
        }
        let paused: Vec<TopicPartition> = self.plugin.paused_by_task().into_iter().collect();
        self.consumer.pause(&paused)
    }

    pub(super) async fn assigned(
        &mut self,
        task: &mut Box<dyn SinkTask>,
        partitions: Vec<TopicPartition>,
    ) -> Result<()> {
        tracing::debug!(task = %self.context.id, ?partitions, "partitions assigned");
        let mut assignment = self.plugin.assigned();
        assignment.extend(partitions.iter().cloned());
        self.plugin.set_assignment(assignment);
        let committed = if partitions.is_empty() {
            Vec::new()
        } else {
            match self.consumer.committed(&partitions).await {
                Ok(committed) => committed,
                Err(error) => {
                    tracing::warn!(task = %self.context.id, %error, "cannot look up committed offsets");
                    vec![None; partitions.len()]
                }
            }
        };
        let mut starts: Vec<(TopicPartition, Option<i64>)> =
            partitions.iter().cloned().zip(committed).collect();
        if !partitions.is_empty() {
            catch(task.open(&partitions)).await.map_err(unrecoverable)?;
            // Rewinds requested in `open` are where reading begins.
            let requests = self.plugin.take_requests();
            self.clock.request_commit(requests.commit);
            for (tp, start) in &mut starts {
                if let Some(offset) = requests.rewinds.get(tp) {
                    *start = Some(*offset);
                }
            }
            let others: BTreeMap<TopicPartition, i64> = requests
                .rewinds
                .into_iter()
                .filter(|(tp, _)| !partitions.contains(tp))
                .collect();
            self.plugin.offsets(&others);
        }
        let known = starts.iter();
        let known = known.filter_map(|(tp, start)| Some((tp.clone(), (*start)?)));
        self.offsets.start_at(known);
        self.start_by_duration(&mut starts).await?;
        self.consumer.assign(&starts)?;
        if self.batch.refused && self.batch.records.is_empty() {
            self.batch.refused = false;
            if !self.paused {
                self.resume_all()?;
            }
        }
        if self.is_held() {
            self.consumer.pause(&partitions)?;
        } else {
            let by_task = self.plugin.paused_by_task();
            let again: Vec<TopicPartition> = partitions
                .iter()
                .filter(|tp| by_task.contains(tp))
                .cloned()
                .collect();
            if !again.is_empty() {
                self.consumer.pause(&again)?;
            }
        }
        self.show_metrics();
        Ok(())
    }

    pub(super) async fn revoked(
        &mut self,
        task: &mut Box<dyn SinkTask>,
        partitions: Vec<TopicPartition>,
    ) -> Result<()> {
        tracing::debug!(task = %self.context.id, ?partitions, "partitions revoked");
        let gone: BTreeSet<TopicPartition> = partitions.iter().cloned().collect();
        let outcome = if gone.is_empty() {
            Ok(())
        } else {
            self.commit(task, &gone, true).await
        };
        self.forget(&gone);
        // The group waits for this, whatever became of the commit.
        self.consumer.unassign(&partitions)?;
        outcome
    }

    pub(super) async fn lost(
        &mut self,
        task: &mut Box<dyn SinkTask>,
        partitions: Vec<TopicPartition>,
    ) -> Result<()> {
        tracing::warn!(task = %self.context.id, ?partitions, "partitions lost");
        let gone: BTreeSet<TopicPartition> = partitions.iter().cloned().collect();
        let outcome = if gone.is_empty() {
            Ok(())
        } else {
            catch(task.close(&partitions)).await.map_err(unrecoverable)
        };
        self.forget(&gone);
        self.consumer.unassign(&partitions)?;
        outcome
    }

    fn forget(&mut self, gone: &BTreeSet<TopicPartition>) {
        self.offsets.forget(gone);
        self.batch.forget(gone);
        let mut assignment = self.plugin.assigned();
        assignment.retain(|tp| !gone.contains(tp));
        self.plugin.set_assignment(assignment);
        self.show_metrics();
    }
}
