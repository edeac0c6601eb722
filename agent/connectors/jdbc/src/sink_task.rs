//! The sink task: plans what becomes of records, and has each batch written in one transaction.
//!
//! The result of a batch is that of its records' statements in their order. When `put` answers, it is
//! committed, so there is nothing to flush. Records that the database refuses go to the errant record
//! reporter and all others stay. Faults that may pass are tried again with the whole batch after
//! `retry.backoff.ms`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sluice_api::{
    ConnectError, ErrantRecordReporter, ErrorKind, Result, SinkRecord, SinkTask, SinkTaskContext,
    TopicPartition, async_trait,
};
use sluice_toolkit::retries::Retries;

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

/// The task: a session, and the plans of the records it has met.
pub(crate) struct JdbcSinkTask {
    context: Arc<dyn SinkTaskContext>,
    settings: Arc<SinkSettings>,
    reporter: Option<Arc<dyn ErrantRecordReporter>>,
    /// `None` after a fault, until it is opened again.
    session: Option<Box<dyn Session>>,
    plans: Vec<Arc<SinkPlan>>,
    /// With exactly-once.
    offsets: Option<StoredOffsets>,
    /// Partitions whose stored offsets are not known yet.
    unloaded: BTreeSet<TopicPartition>,
    retries: Retries,
    /// What of the current batch is done, though it will come again.
    settled: Settled,
}

impl JdbcSinkTask {
    /// Connects; a server that is down now is waited for by `put`.
    pub(crate) async fn start(context: Arc<dyn SinkTaskContext>) -> Result<Self> {
        let settings = SinkSettings::parse(context.configs())?;
        let opened = dialect::connect(&settings.connection, &context.stopping()).await;
        let session = match opened {
            Ok(session) => Some(session),
            Err(error) if error.fault.is_retriable() => {
                tracing::warn!("{}", error.explain("connecting", &settings.connection.url));
                None
            }
            Err(error) => return Err(error.into_connect("connecting", &settings.connection.url)),
        };
        Ok(Self {
            reporter: context.errant_record_reporter(),
            context,
            session,
            plans: Vec::new(),
            offsets: settings.exactly_once.then(|| StoredOffsets::new(&settings)),
            unloaded: BTreeSet::new(),
            retries: settings.retries.clone(),
            settled: Settled::default(),
            settings: Arc::new(settings),
        })
    }

    /// The session, opened again if a fault has ended it.
    async fn connected<'a>(
        session: &'a mut Option<Box<dyn Session>>,
        settings: &SinkSettings,
    ) -> Result<&'a mut dyn Session, PutError> {
        let open = match session.take() {
            Some(open) => open,
            None => dialect::connect_once(&settings.connection)
                .await
                .map_err(|error| PutError::Database(error, "connecting".to_owned()))?,
        };
        Ok(session.insert(open).as_mut())
    }

    /// Reads stored offsets of partitions that are new here, and goes on from them.
    async fn load_offsets(&mut self) -> Result<BTreeSet<TopicPartition>, PutError> {
        if self.unloaded.is_empty() {
            return Ok(BTreeSet::new());
        }
        let Some(offsets) = &mut self.offsets else {
            return Ok(BTreeSet::new());
        };
        let session = Self::connected(&mut self.session, &self.settings).await?;
        let partitions: Vec<TopicPartition> = self.unloaded.iter().cloned().collect();
        let stored = offsets
            .load(session, &partitions)
            .await
            .map_err(|error| PutError::Database(error, "reading stored offsets".to_owned()))?;
        self.unloaded.clear();
        if !stored.is_empty() {
            self.context.offsets(&stored);
        }
        Ok(stored.into_keys().collect())
    }

    /// The plan for a record, made anew if it is the first of its kind.
    async fn plan(&mut self, record: &SinkRecord, delete: bool) -> Result<Arc<SinkPlan>, PutError> {
        // The plan that was used last is the most likely one.
        let known = self.plans.iter().rfind(|plan| plan.fits(&record.record));
        if let Some(plan) = known {
            return Ok(Arc::clone(plan));
        }
        let session = Self::connected(&mut self.session, &self.settings).await?;
        let plan = SinkPlan::make(&self.settings, session, &record.record, delete).await?;
        let plan = Arc::new(plan);
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
        let settings = Arc::clone(&self.settings);
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
            let mut writer = Writer {
                session: Self::connected(&mut self.session, &self.settings).await?,
                settings: &self.settings,
                reporter: self.reporter.as_deref(),
                offsets: self.offsets.as_mut(),
                last_attempt: self.retries.is_last(),
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
        let place = &self.settings.connection.url;
        let error = match error {
            PutError::Connect(error) => return Err(error),
            PutError::Fenced => {
                self.unloaded.extend(self.context.assignment());
                ConnectError::retriable(format!(
                    "another task has written records of the same partitions to {place}; reading on from its \
                     offsets"
                ))
            }
            PutError::Database(error, what) => error.into_connect(&what, place),
        };
        Err(self.retries.failed(error, self.context.as_ref()))
    }
}

#[async_trait]
impl SinkTask for JdbcSinkTask {
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
                self.retries.succeeded();
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
}
