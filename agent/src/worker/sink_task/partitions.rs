//! What the group gives to the task and takes from it.

use std::collections::{BTreeMap, BTreeSet};

use sluice_api::{OffsetAndMetadata, Result, SinkTask, SinkTaskContext, TopicPartition};

use super::{Loop, unrecoverable};
use crate::worker::worker_task::catch;

impl Loop<'_> {
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
            // Rewinds asked for in `open` are where reading begins.
            let requests = self.plugin.take_requests();
            self.commit_requested |= requests.commit;
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
        for (tp, start) in &starts {
            if let Some(offset) = start {
                let offset = OffsetAndMetadata::new(*offset);
                self.last_committed.insert(tp.clone(), offset.clone());
                self.current.insert(tp.clone(), offset);
            }
        }
        self.consumer.assign(&starts)?;
        if self.put_failed && self.batch.is_empty() {
            self.put_failed = false;
            if !self.paused {
                self.resume_all()?;
            }
        }
        if self.paused || self.put_failed {
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
        self.show_metrics(true);
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
        self.original.retain(|tp, _| !gone.contains(tp));
        self.current.retain(|tp, _| !gone.contains(tp));
        self.last_committed.retain(|tp, _| !gone.contains(tp));
        self.sent.retain(|tp, _| !gone.contains(tp));
        // As in Kafka, by the topic after transformations.
        self.batch.retain(|record| {
            let partition = record
                .record
                .kafka_partition
                .unwrap_or(record.original_kafka_partition);
            !gone.contains(&TopicPartition::new(record.record.topic.clone(), partition))
        });
        let mut assignment = self.plugin.assigned();
        assignment.retain(|tp| !gone.contains(tp));
        self.plugin.set_assignment(assignment);
        self.show_metrics(true);
    }
}
