//! The sink task: plans what becomes of records, and has each batch written in one transaction.
//!
//! The result of a batch is that of its records' statements in their order. When `put` answers, it is
//! committed, so there is nothing to flush. Records that the database refuses go to the errant record
//! reporter and all others stay. Faults that may pass are tried again with the whole batch after
//! `retry.backoff.ms`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sluice_api::sink::Retries;
use sluice_api::{
    ConnectError, ErrantRecordReporter, ErrorKind, Props, Result, SinkRecord, SinkTask,
    SinkTaskContext, TopicPartition, async_trait,
};

use crate::config::SinkSettings;
use crate::dialect::{self, Session};
use crate::exactly_once::StoredOffsets;
use crate::row_groups::PlannedRow;
use crate::sink_plan::SinkPlan;
use crate::sink_writer::{Batch, Outcome, PutError, Settled, Writer, place_of};

/// Plans that are kept; topics whose schemas never come to rest would fill the memory.
const MAX_PLANS: usize = 256;
/// Attempts at a batch whose tables change meanwhile.
const MAX_CHANGES: usize = 10;

/// See the module.
#[derive(Default)]
pub(crate) struct JdbcSinkTask {
    context: Option<Arc<dyn SinkTaskContext>>,
    settings: Option<Arc<SinkSettings>>,
    reporter: Option<Arc<dyn ErrantRecordReporter>>,
    session: Option<Box<dyn Session>>,
    plans: Vec<Arc<SinkPlan>>,
    offsets: Option<StoredOffsets>,
    /// Partitions whose stored offsets are not known yet.
    unloaded: BTreeSet<TopicPartition>,
    retries: Option<Retries>,
    /// What of the current batch is done, though it will come again.
    settled: Settled,
}

impl JdbcSinkTask {
    fn settings(&self) -> Result<Arc<SinkSettings>> {
        self.settings
            .clone()
            .ok_or_else(|| ConnectError::connect("the task was not started"))
    }

    async fn connected(&mut self) -> Result<(), PutError> {
        if self.session.is_none() {
            let settings = self.settings()?;
            let session = dialect::connect_once(&settings.connection)
                .await
                .map_err(|error| PutError::Database(error, "connecting".to_owned()))?;
            self.session = Some(session);
        }
        Ok(())
    }

    /// Reads stored offsets of partitions that are new here, and goes on from them.
    async fn load_offsets(&mut self) -> Result<BTreeSet<TopicPartition>, PutError> {
        if self.unloaded.is_empty() {
            return Ok(BTreeSet::new());
        }
        self.connected().await?;
        let (Some(offsets), Some(session)) = (&mut self.offsets, &mut self.session) else {
            return Ok(BTreeSet::new());
        };
        let partitions: Vec<TopicPartition> = self.unloaded.iter().cloned().collect();
        let stored = offsets
            .load(session.as_mut(), &partitions)
            .await
            .map_err(|error| PutError::Database(error, "reading stored offsets".to_owned()))?;
        self.unloaded.clear();
        if let Some(context) = &self.context
            && !stored.is_empty()
        {
            context.offsets(&stored);
        }
        Ok(stored.into_keys().collect())
    }

    /// The plan for a record, made anew if it is the first of its kind.
    async fn plan(&mut self, record: &SinkRecord, delete: bool) -> Result<Arc<SinkPlan>, PutError> {
        // The plan that was used last is the most likely one.
        if let Some(position) = self
            .plans
            .iter()
            .rposition(|plan| plan.fits(&record.record))
        {
            return self
                .plans
                .get(position)
                .cloned()
                .ok_or_else(|| PutError::Connect(ConnectError::connect("a plan is gone")));
        }
        self.connected().await?;
        let settings = self.settings()?;
        let Some(session) = &mut self.session else {
            return Err(ConnectError::connect("there is no session").into());
        };
        let plan =
            Arc::new(SinkPlan::make(&settings, session.as_mut(), &record.record, delete).await?);
        if self.plans.len() >= MAX_PLANS {
            self.plans.clear();
        }
        self.plans.push(Arc::clone(&plan));
        Ok(plan)
    }

    /// The rows of the records that are still to be written.
    async fn batch<'a>(
        &mut self,
        records: &'a [SinkRecord],
        skipped: &BTreeSet<TopicPartition>,
    ) -> Result<Batch<'a>, PutError> {
        let settings = self.settings()?;
        let mut batch = Batch {
            records,
            rows: Vec::with_capacity(records.len()),
            refused: Vec::new(),
            after: BTreeMap::new(),
        };
        for (index, record) in records.iter().enumerate() {
            if self.is_skipped(record, skipped) {
                continue;
            }
            if self.offsets.is_some() {
                let (partition, offset) = place_of(record);
                batch.after.insert(partition, offset + 1);
            }
            if !self.settled.is_empty() && self.settled.contains(&place_of(record)) {
                continue;
            }
            let delete = record.record.value.is_null();
            if delete && !settings.delete_enabled {
                let error = ConnectError::data(
                    "the value is null; set delete.enabled=true to delete the row of its key",
                );
                batch.refused.push((index, error));
                continue;
            }
            let row = match self.plan(record, delete).await {
                Ok(plan) => plan
                    .row(record, settings.replace_null_with_default)
                    .map(|cells| (plan, cells)),
                Err(PutError::Connect(error)) if error.kind() == ErrorKind::Data => Err(error),
                Err(error) => return Err(error),
            };
            match row {
                Ok((plan, cells)) => batch.rows.push(PlannedRow {
                    plan,
                    cells,
                    record: index,
                }),
                Err(error) => batch.refused.push((index, error)),
            }
        }
        Ok(batch)
    }

    fn is_skipped(&self, record: &SinkRecord, skipped: &BTreeSet<TopicPartition>) -> bool {
        match &self.offsets {
            None => false,
            Some(offsets) => {
                (!skipped.is_empty() && skipped.contains(&record.original_partition()))
                    || !offsets.is_new(record)
            }
        }
    }

    async fn try_put(&mut self, records: &[SinkRecord]) -> Result<(), PutError> {
        let skipped = self.load_offsets().await?;
        for _ in 0..MAX_CHANGES {
            let batch = self.batch(records, &skipped).await?;
            self.connected().await?;
            let settings = self.settings()?;
            let Some(session) = &mut self.session else {
                return Err(ConnectError::connect("there is no session").into());
            };
            let mut writer = Writer {
                session: session.as_mut(),
                settings: &settings,
                reporter: self.reporter.as_deref(),
                offsets: self.offsets.as_mut(),
                last_attempt: self.retries.as_ref().is_none_or(Retries::is_last),
                settled: &mut self.settled,
            };
            if writer.write(&batch).await? == Outcome::Written {
                self.settled.clear();
                return Ok(());
            }
            tracing::info!("a table has changed; looking at it again");
            self.plans.clear();
        }
        Err(ConnectError::retriable("the tables change again and again").into())
    }

    /// What becomes of a batch that was not written: another attempt, or the end of the task.
    fn failed(&mut self, error: PutError) -> Result<()> {
        // The transaction ends with the session; the plans may be outdated.
        self.session = None;
        self.plans.clear();
        let settings = self.settings()?;
        let place = &settings.connection.url;
        let error = match error {
            PutError::Connect(error) => return Err(error),
            PutError::Fenced => {
                if let Some(context) = &self.context {
                    self.unloaded.extend(context.assignment());
                }
                ConnectError::retriable(format!(
                    "another task has written records of the same partitions to {place}; reading on from its \
                     offsets"
                ))
            }
            PutError::Database(error, what) => error.into_connect(&what, place),
        };
        match (&mut self.retries, &self.context) {
            (Some(retries), Some(context)) => Err(retries.failed(error, context.as_ref())),
            _ => Err(error),
        }
    }
}

#[async_trait]
impl SinkTask for JdbcSinkTask {
    async fn start(&mut self, context: Arc<dyn SinkTaskContext>, props: &Props) -> Result<()> {
        let settings = SinkSettings::parse(props)?;
        self.reporter = context.errant_record_reporter();
        self.retries = Some(settings.retries.clone());
        if settings.exactly_once {
            self.offsets = Some(StoredOffsets::new(&settings));
        }
        let opened = dialect::connect(&settings.connection, &context.stopping()).await;
        self.context = Some(context);
        let place = settings.connection.url.clone();
        self.settings = Some(Arc::new(settings));
        match opened {
            Ok(session) => self.session = Some(session),
            // A server that is down now is waited for by `put`.
            Err(error) if error.fault.is_retriable() => {
                tracing::warn!("{}", error.explain("connecting", &place));
            }
            Err(error) => return Err(error.into_connect("connecting", &place)),
        }
        Ok(())
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        if self.offsets.is_none() {
            return Ok(());
        }
        self.unloaded.extend(partitions.iter().cloned());
        match self.load_offsets().await {
            Ok(_) => Ok(()),
            Err(error) => match self.failed(error) {
                // `put` tries again before it writes.
                Err(error) if error.is_retriable() => Ok(()),
                other => other,
            },
        }
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        if records.is_empty() && self.unloaded.is_empty() {
            return Ok(());
        }
        match self.try_put(records).await {
            Ok(()) => {
                if let Some(retries) = &mut self.retries {
                    retries.succeeded();
                }
                Ok(())
            }
            Err(error) => self.failed(error),
        }
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        if let Some(offsets) = &mut self.offsets {
            offsets.forget(partitions);
        }
        for partition in partitions {
            self.unloaded.remove(partition);
        }
        self.settled.clear();
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.session = None;
        Ok(())
    }
}
