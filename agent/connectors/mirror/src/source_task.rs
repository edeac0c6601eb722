//! `MirrorSourceTask`: records of its partitions, as they are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytestring::ByteString;
use sluice_api::record::shared_name;
use sluice_api::{
    CommittedRecord, ConnectError, ConnectRecord, Headers, RawRecord, Result, SourceOffset,
    SourcePartition, SourceRecord, SourceTask, SourceTaskContext, TopicPartition, Value,
    async_trait, schemas,
};
use sluice_kafka::client::keys::ClientKind;
use sluice_kafka::client::keys::{OffsetReset, offset_reset};
use sluice_kafka::consumer::{BatchConsumer, ConsumerEvent, EARLIEST, LATEST};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clients;
use crate::config::{Location, MirrorConfig};
use crate::format;
use crate::keys;
use crate::offset_sync_writer::OffsetSyncWriter;

const OFFSET: ByteString = ByteString::from_static("offset");
/// How soon offset syncs that could not be sent at once are tried again.
const SYNC_RETRY: Duration = Duration::from_millis(50);

pub(crate) struct MirrorSourceTask {
    config: MirrorConfig,
    stopping: CancellationToken,
    consumer: BatchConsumer,
    poll_timeout: Duration,
    syncs: Option<OffsetSyncWriter>,
    partitions: HashMap<TopicPartition, Destination>,
    raw: Vec<RawRecord>,
    events: Vec<ConsumerEvent>,
}

/// What the records of a partition have in common.
#[derive(Clone)]
struct Destination {
    /// Topic on the target.
    topic: ByteString,
    source: Arc<SourcePartition>,
}

impl MirrorSourceTask {
    pub(crate) async fn start(context: Arc<dyn SourceTaskContext>) -> Result<Self> {
        let config = MirrorConfig::parse(&keys::source_def(), context.configs())?;
        let syncs = if config.boolean(keys::EMIT_OFFSET_SYNCS) {
            let (location, role) = match config.offset_syncs_location() {
                Location::Source => (Location::Source, "offset-syncs-source-producer"),
                Location::Target => (Location::Target, "offset-syncs-target-producer"),
            };
            let settings = clients::producer_config(&config, location, role)?;
            Some(OffsetSyncWriter::new(
                &settings,
                config.offset_syncs_topic(),
                config.max_offset_lag(),
            )?)
        } else {
            None
        };
        let consumer = clients::consumer(&config, Location::Source, "replication-consumer", false)?;
        let partitions = config.task_partitions();
        let starts = start_offsets(&config, &*context, &consumer, &partitions).await?;
        tracing::info!(
            mirror = config.label(),
            partitions = partitions.len(),
            new = starts
                .iter()
                .filter(|(_, offset)| offset.is_none_or(|at| at < 0))
                .count(),
            "replicating partitions"
        );
        consumer.assign(&starts)?;
        let partitions = partitions
            .into_iter()
            .map(|partition| {
                let destination = Destination {
                    topic: shared_name(
                        &config
                            .policy
                            .remote_topic(&config.source_alias, &partition.topic),
                    ),
                    source: Arc::new(format::source_partition(&config.source_alias, &partition)),
                };
                (partition, destination)
            })
            .collect();
        Ok(Self {
            poll_timeout: config.poll_timeout(),
            stopping: context.stopping(),
            config,
            consumer,
            syncs,
            partitions,
            raw: Vec::new(),
            events: Vec::new(),
        })
    }
}

#[async_trait]
impl SourceTask for MirrorSourceTask {
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        Ok(self.records().await)
    }

    async fn commit(&mut self) -> Result<()> {
        if let Some(syncs) = &mut self.syncs {
            // Topics with few records must not stay behind for ever.
            syncs.promote_delayed();
            syncs.send_pending();
        }
        Ok(())
    }

    fn wants_record_commits(&self) -> bool {
        true
    }

    async fn commit_records(&mut self, records: &[CommittedRecord]) -> Result<()> {
        let Some(syncs) = &mut self.syncs else {
            return Ok(());
        };
        for committed in records {
            note_written(syncs, committed);
        }
        syncs.send_pending();
        Ok(())
    }

    async fn stop(self: Box<Self>) -> Result<()> {
        self.consumer.close().await;
        if let Some(syncs) = self.syncs {
            syncs.close().await;
        }
        Ok(())
    }
}

fn note_written(syncs: &mut OffsetSyncWriter, committed: &CommittedRecord) {
    // Dropped by a transformation.
    let Some(metadata) = &committed.metadata else {
        return;
    };
    let record = &committed.record;
    if metadata.offset < 0 {
        tracing::error!(topic = %record.record.topic, "the broker told no offset, offsets can't be synced");
        return;
    }
    let partition = record.source_partition.as_deref();
    let topic = partition.and_then(|partition| match partition.get("topic") {
        Some(Value::String(topic)) => Some(topic.clone()),
        _ => None,
    });
    let number = partition.and_then(|partition| match partition.get("partition") {
        Some(Value::Int32(number)) => Some(*number),
        _ => None,
    });
    let upstream = record.source_offset.as_ref().and_then(stored_offset);
    if let (Some(topic), Some(number), Some(upstream)) = (topic, number, upstream) {
        syncs.record_written(
            &TopicPartition::new(topic, number),
            upstream,
            metadata.offset,
        );
    }
}

fn stored_offset(offset: &SourceOffset) -> Option<i64> {
    match offset.get(&OFFSET) {
        Some(Value::Int64(offset)) => Some(*offset),
        _ => None,
    }
}

/// Where to read on: after the stored offset, or where `auto.offset.reset` says.
async fn start_offsets(
    config: &MirrorConfig,
    context: &dyn SourceTaskContext,
    consumer: &BatchConsumer,
    partitions: &[TopicPartition],
) -> Result<Vec<(TopicPartition, Option<i64>)>> {
    let wanted: Vec<SourcePartition> = partitions
        .iter()
        .map(|partition| format::source_partition(&config.source_alias, partition))
        .collect();
    let stored = context.offset_storage_reader().offsets(&wanted).await?;
    let props = clients::client_props(&config.props, Location::Source, ClientKind::Consumer);
    let reset = props.get("auto.offset.reset").map(|reset| reset.trim());
    let reset = reset
        .and_then(offset_reset)
        .unwrap_or(OffsetReset::Earliest);
    let resets: Vec<Option<i64>> = match reset {
        OffsetReset::Earliest => vec![Some(EARLIEST); partitions.len()],
        OffsetReset::Latest => vec![Some(LATEST); partitions.len()],
        OffsetReset::None => vec![None; partitions.len()],
        OffsetReset::ByDuration(back) => {
            let time = SystemTime::now().checked_sub(back);
            let time = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let time = time.map_or(0, |time| {
                i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
            });
            let found = consumer.offsets_at(partitions, time).await?;
            found.into_iter().map(Some).collect()
        }
    };
    partitions
        .iter()
        .zip(stored)
        .zip(resets)
        .map(|((partition, stored), reset)| {
            let stored = stored.as_ref().and_then(stored_offset).filter(|offset| *offset >= 0);
            match stored.map(|offset| offset + 1).or(reset) {
                Some(start) => Ok((partition.clone(), Some(start))),
                None => Err(ConnectError::connect(format!(
                    "no offset is stored for {partition}, and auto.offset.reset=none forbids to choose one"
                ))),
            }
        })
        .collect()
}

impl MirrorSourceTask {
    async fn records(&mut self) -> Option<Vec<SourceRecord>> {
        let deadline = Instant::now() + self.poll_timeout;
        loop {
            if self.stopping.is_cancelled() {
                return None;
            }
            let waits_for_syncs = self.syncs.as_mut().is_some_and(|syncs| {
                syncs.send_pending();
                syncs.has_pending()
            });
            self.consumer.poll(&mut self.raw, &mut self.events);
            for event in self.events.drain(..) {
                match event {
                    // As Kafka's task, which goes on whatever its consumer says.
                    ConsumerEvent::Fatal(error) | ConsumerEvent::NoOffset(_, error) => {
                        tracing::warn!(mirror = self.config.label(), %error, "failure during poll");
                    }
                    ConsumerEvent::Warning(text) => {
                        tracing::warn!(mirror = self.config.label(), "{text}");
                    }
                    _ => {}
                }
            }
            if !self.raw.is_empty() {
                return Some(self.convert());
            }
            if Instant::now() >= deadline {
                return None;
            }
            let wake = if waits_for_syncs {
                deadline.min(Instant::now() + SYNC_RETRY)
            } else {
                deadline
            };
            tokio::select! {
                () = self.consumer.wait() => {}
                () = tokio::time::sleep_until(wake) => {}
                () = self.stopping.cancelled() => {}
            }
        }
    }

    fn convert(&mut self) -> Vec<SourceRecord> {
        let mut last: Option<(ByteString, i32, Destination)> = None;
        let partitions = &self.partitions;
        self.raw
            .drain(..)
            .filter_map(|raw| {
                let known = last.as_ref().filter(|(topic, partition, _)| {
                    *partition == raw.partition && *topic == raw.topic
                });
                let destination = match known {
                    Some((_, _, destination)) => destination.clone(),
                    None => {
                        let key = TopicPartition::new(raw.topic.clone(), raw.partition);
                        let destination = partitions.get(&key)?.clone();
                        last = Some((key.topic, key.partition, destination.clone()));
                        destination
                    }
                };
                Some(source_record(raw, destination))
            })
            .collect()
    }
}

fn source_record(raw: RawRecord, destination: Destination) -> SourceRecord {
    let mut record = ConnectRecord::new(
        destination.topic,
        Some(schemas::BYTES.clone()),
        raw.value.map_or(Value::Null, Value::Bytes),
    )
    .with_key(
        Some(schemas::OPTIONAL_BYTES.clone()),
        raw.key.map_or(Value::Null, Value::Bytes),
    )
    .with_timestamp(Some(raw.timestamp).filter(|timestamp| *timestamp >= 0));
    record.kafka_partition = Some(raw.partition);
    if !raw.headers.is_empty() {
        let mut headers = Headers::with_capacity(raw.headers.len());
        for (key, value) in raw.headers {
            headers.add_converted(
                key,
                match value {
                    Some(value) => sluice_api::SchemaAndValue {
                        schema: Some(schemas::BYTES.clone()),
                        value: Value::Bytes(value),
                    },
                    None => sluice_api::SchemaAndValue {
                        schema: Some(schemas::OPTIONAL_BYTES.clone()),
                        value: Value::Null,
                    },
                },
            );
        }
        record.headers = headers;
    }
    SourceRecord {
        record,
        source_partition: Some(destination.source),
        source_offset: Some(SourceOffset::of(OFFSET, raw.offset)),
    }
}
