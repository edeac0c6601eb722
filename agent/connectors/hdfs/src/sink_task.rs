//! The sink task: gives records to the writers of their partitions, and tells the consumer where to read.
//!
//! What counts as written are finished files, and their names say up to where; so a task that takes
//! partitions sets the consumer to what the names say, whatever the consumer group has stored. After a fault
//! of HDFS the files under way of the partition it met are given up, the partition is taken anew, and its
//! records are read again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::{BoxFuture, join_all};
use sluice_api::{
    ConnectError, ErrantRecordReporter, Result, SinkOffsets, SinkRecord, SinkTask, SinkTaskContext,
    TopicPartition, async_trait, record::OffsetAndMetadata,
};
use sluice_toolkit::reports::report;

use crate::config::SinkSettings;
use crate::error::{StoreError, StoreResult};
use crate::ownership::{Ownership, last_offsets};
use crate::partition_writer::{PartitionWriter, WriteError};
use crate::store::Store;

/// How often the clock is looked at where files end by it.
const TICK: Duration = Duration::from_secs(1);

type Reports = Vec<BoxFuture<'static, Result<()>>>;

/// What the task has from its start to its end.
struct Started {
    context: Arc<dyn SinkTaskContext>,
    settings: SinkSettings,
    store: Store,
    reporter: Option<Arc<dyn ErrantRecordReporter>>,
}

/// The task: its partitions, and how often HDFS has failed it in a row.
pub(crate) struct HdfsSinkTask {
    started: Arc<Started>,
    writers: BTreeMap<TopicPartition, PartitionWriter>,
    attempts: u32,
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn is_same_partition(one: &SinkRecord, other: &SinkRecord) -> bool {
    one.original_kafka_partition == other.original_kafka_partition
        && one.original_topic == other.original_topic
}

impl Started {
    /// Hands a bad record to the reporter; the error itself without one.
    fn refuse(
        &self,
        record: &SinkRecord,
        error: &ConnectError,
        reports: &mut Reports,
    ) -> Result<()> {
        reports.push(report(self.reporter.as_deref(), record, error)?);
        Ok(())
    }
}

impl HdfsSinkTask {
    /// Nothing is asked of HDFS yet: partitions come with `open`.
    pub(crate) async fn start(context: Arc<dyn SinkTaskContext>) -> Result<Self> {
        let settings = SinkSettings::parse(context.configs())?;
        let store = Store::new(&settings.connection)?;
        let started = Started {
            reporter: context.errant_record_reporter(),
            context,
            settings,
            store,
        };
        Ok(Self {
            started: Arc::new(started),
            writers: BTreeMap::new(),
            attempts: 0,
        })
    }

    /// Takes the partitions that are not ours, or not any more, and answers where each is to be read on from.
    async fn take_partitions(
        &mut self,
        started: &Started,
    ) -> StoreResult<BTreeMap<TopicPartition, i64>> {
        let Started {
            settings, store, ..
        } = started;
        let lost: Vec<TopicPartition> = self
            .writers
            .iter()
            .filter(|(_, writer)| writer.is_lost())
            .map(|(partition, _)| partition.clone())
            .collect();
        let mut owned = Vec::with_capacity(lost.len());
        for partition in lost {
            let (folder, connector) = (&settings.topics_dir, &settings.connector);
            let ownership = Ownership::take(store, folder, connector, &partition).await?;
            owned.push((partition, ownership));
        }
        // Names are read once nobody else can add any.
        let topics: BTreeSet<_> = owned.iter().map(|(one, _)| one.topic.clone()).collect();
        let mut last = HashMap::new();
        for topic in topics {
            let offsets = last_offsets(store, &settings.topics_dir, &topic).await?;
            last.insert(topic, offsets);
        }
        let now = now();
        let mut positions = BTreeMap::new();
        for (partition, ownership) in owned {
            let last = last
                .get(&partition.topic)
                .and_then(|offsets| offsets.get(&partition.partition));
            let position = self
                .writers
                .get_mut(&partition)
                .and_then(|writer| writer.taken(ownership, last.copied(), &settings.rotation, now));
            if let Some(position) = position {
                positions.insert(partition, position);
            }
        }
        Ok(positions)
    }

    /// Takes partitions in the middle of things: those whose records at hand do not go on where the files end
    /// are read again.
    async fn take_again(&mut self, started: &Started, records: &[SinkRecord]) -> StoreResult<()> {
        let mut positions = self.take_partitions(started).await?;
        positions.retain(|partition, position| {
            let first = records
                .iter()
                .find(|record| record.original_partition() == *partition);
            first.is_none_or(|record| record.original_kafka_offset > *position)
        });
        for partition in positions.keys() {
            if let Some(writer) = self.writers.get_mut(partition) {
                writer.rewinding = true;
            }
        }
        if !positions.is_empty() {
            started.context.offsets(&positions);
        }
        Ok(())
    }

    async fn try_put(
        &mut self,
        started: &Started,
        records: &[SinkRecord],
        reports: &mut Reports,
    ) -> std::result::Result<(), WriteError> {
        let Started {
            settings, store, ..
        } = started;
        self.take_again(started, records).await?;
        let now = now();
        for run in records.chunk_by(is_same_partition) {
            let Some(first) = run.first() else {
                continue;
            };
            let partition = first.original_partition();
            let Some(writer) = self.writers.get_mut(&partition) else {
                return Err(WriteError::Fatal(ConnectError::connect(format!(
                    "a record of partition {partition}, which is not this task's"
                ))));
            };
            let goes_on = writer
                .next()
                .is_none_or(|next| first.original_kafka_offset <= next);
            if writer.rewinding && !goes_on {
                continue;
            }
            let mut refuse =
                |record: &SinkRecord, error: ConnectError| started.refuse(record, &error, reports);
            let written = writer.write(store, settings, run, now, &mut refuse).await;
            if let Err(error) = written {
                writer.lose();
                return Err(error);
            }
        }
        for writer in self.writers.values_mut() {
            if let Err(error) = writer.rotate(store, settings, now).await {
                writer.lose();
                return Err(error);
            }
        }
        if let Some(shortest) = settings.rotation.shortest() {
            started.context.timeout(shortest.min(TICK));
        }
        Ok(())
    }

    /// Waits and has the batch come again, or ends the task.
    fn failed(&mut self, started: &Started, error: StoreError) -> ConnectError {
        if error.fault.is_retriable() {
            self.attempts += 1;
            tracing::warn!(attempt = self.attempts, "{error}");
            started.context.timeout(started.settings.retry_backoff);
        }
        error.into()
    }

    async fn give_up(&mut self, partitions: Vec<PartitionWriter>) {
        let started = &self.started;
        let store = &started.store;
        let all = join_all(partitions.into_iter().map(|writer| writer.give_up(store)));
        let limit = started.settings.shutdown_timeout;
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!(
                "temporary files were not deleted within {} ms; the next task does it",
                limit.as_millis()
            );
        }
    }
}

#[async_trait]
impl SinkTask for HdfsSinkTask {
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let started = Arc::clone(&self.started);
        for partition in partitions {
            let writer = PartitionWriter::new(partition.clone());
            self.writers.insert(partition.clone(), writer);
        }
        match self.take_partitions(&started).await {
            Ok(positions) => {
                if !positions.is_empty() {
                    started.context.offsets(&positions);
                }
                Ok(())
            }
            // `put` tries again before it writes.
            Err(error) if error.fault.is_retriable() => {
                tracing::warn!("{error}");
                started.context.timeout(started.settings.retry_backoff);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        let started = Arc::clone(&self.started);
        let mut reports = Reports::new();
        let written = self.try_put(&started, records, &mut reports).await;
        // Dead letters are safe before anything says that their records are done.
        for report in reports {
            report.await?;
        }
        match written {
            Ok(()) => {
                self.attempts = 0;
                for writer in self.writers.values_mut() {
                    writer.rewinding = false;
                }
                Ok(())
            }
            Err(WriteError::Store(error)) => Err(self.failed(&started, error)),
            Err(WriteError::Fatal(error)) => Err(error),
        }
    }

    async fn pre_commit(&mut self, current: &SinkOffsets) -> Result<SinkOffsets> {
        let safe = |partition: &TopicPartition| self.writers.get(partition)?.safe_offset();
        Ok(current
            .keys()
            .filter_map(|partition| {
                let offset = safe(partition)?;
                Some((partition.clone(), OffsetAndMetadata::new(offset)))
            })
            .collect())
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let closed = partitions
            .iter()
            .filter_map(|partition| self.writers.remove(partition))
            .collect();
        self.give_up(closed).await;
        Ok(())
    }

    async fn stop(mut self: Box<Self>) -> Result<()> {
        let all = std::mem::take(&mut self.writers).into_values().collect();
        self.give_up(all).await;
        Ok(())
    }
}
