//! The sink task: writes each batch of records in one transaction, by statements of many rows.
//!
//! When `put` answers, its records are committed, so there is nothing to flush. A row that the database refuses is found
//! by halving the statement it was in, within the transaction by savepoints; it goes to the errant record reporter and
//! all other rows stay. Faults that may pass are tried again with the whole batch after `retry.backoff.ms`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::BoxFuture;
use sluice_api::sink::{self, Retries};
use sluice_api::{
    ConnectError, ErrantRecordReporter, ErrorKind, Props, Result, SinkRecord, SinkTask,
    SinkTaskContext, TopicPartition, async_trait,
};

use crate::cell::Cell;
use crate::config::{InsertMode, SinkSettings};
use crate::dialect::{self, Session};
use crate::error::{DatabaseError, DatabaseResult, Fault};
use crate::exactly_once::StoredOffsets;
use crate::row_groups::{Grouping, RowGroup, SameKey};
use crate::sink_plan::{PlanError, SinkPlan};
use crate::url::DatabaseKind;

/// Plans that are kept; topics whose schemas never come to rest would fill the memory.
const MAX_PLANS: usize = 256;

/// Why a batch was not written.
enum PutError {
    Connect(ConnectError),
    Database(DatabaseError, String),
    /// Another task has written records of the same partition.
    Fenced,
}

impl From<PlanError> for PutError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Connect(error) => Self::Connect(error),
            PlanError::Database(error, what) => Self::Database(error, what),
        }
    }
}

impl From<ConnectError> for PutError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

type Reports = Vec<BoxFuture<'static, Result<()>>>;

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

    /// Hands a bad record to the reporter; the error itself without one.
    fn report(
        &self,
        record: &SinkRecord,
        error: &ConnectError,
        reports: &mut Reports,
    ) -> Result<()> {
        reports.push(sink::report(self.reporter.as_deref(), record, error)?);
        Ok(())
    }

    async fn grouped(
        &mut self,
        records: &[SinkRecord],
        skipped: &BTreeSet<TopicPartition>,
        reports: &mut Reports,
    ) -> Result<Vec<RowGroup>, PutError> {
        let settings = self.settings()?;
        let same_key = match (settings.connection.url.kind, settings.insert_mode) {
            // It runs rows in their order, and its collations may find keys equal that look different.
            (DatabaseKind::MariaDb, _) => SameKey::MayRepeat,
            (_, InsertMode::Upsert) => SameKey::LastCounts,
            _ => SameKey::Splits,
        };
        let mut grouping = Grouping::new(settings.batch_size, same_key);
        for (index, record) in records.iter().enumerate() {
            if self.is_skipped(record, skipped) {
                continue;
            }
            let delete = record.record.value.is_null();
            if delete && !settings.delete_enabled {
                let error = ConnectError::data(
                    "the value is null; set delete.enabled=true to delete the row of its key",
                );
                self.report(record, &error, reports)?;
                continue;
            }
            let row = match self.plan(record, delete).await {
                Ok(plan) => plan
                    .row(record, settings.replace_null_with_default)
                    .map(|row| (plan, row)),
                Err(PutError::Connect(error)) if error.kind() == ErrorKind::Data => Err(error),
                Err(error) => return Err(error),
            };
            match row {
                Ok((plan, row)) => grouping.add(&plan, row, index),
                Err(error) => self.report(record, &error, reports)?,
            }
        }
        Ok(grouping.finish())
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

    /// Writes a group within the transaction; rows that are refused are reported, and those they had taken the place of
    /// written instead.
    async fn write(
        &mut self,
        group: &RowGroup,
        records: &[SinkRecord],
        reports: &mut Reports,
    ) -> Result<(), PutError> {
        let what = format!("writing to table {}", group.plan.write.table.short());
        // Ranges still to be written, the next one last.
        let mut ranges = Vec::new();
        ranges.push(0..group.rows.len());
        while let Some(range) = ranges.pop() {
            let rows = group.rows.get(range.clone()).unwrap_or_default();
            match self.write_rows(group, rows).await {
                Ok(()) => {}
                Err(error) if error.fault != Fault::Data => {
                    return Err(PutError::Database(error, what));
                }
                Err(_) if range.len() > 1 => {
                    let middle = range.start + range.len() / 2;
                    ranges.push(middle..range.end);
                    ranges.push(range.start..middle);
                }
                Err(error) => {
                    let settings = self.settings()?;
                    let error = match settings.trim_sensitive {
                        true => error.trimmed(),
                        false => error,
                    };
                    let error = error.into_connect(&what, &settings.connection.url);
                    let index = group.records.get(range.start);
                    match index.and_then(|index| records.get(*index)) {
                        Some(record) => self.report(record, &error, reports)?,
                        None => return Err(error.into()),
                    }
                    if let Some(Some(before)) = group.replaced.get(range.start) {
                        Box::pin(self.write(before, records, reports)).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes rows as one statement, all or none.
    async fn write_rows(&mut self, group: &RowGroup, rows: &[Vec<Cell>]) -> DatabaseResult<()> {
        let Some(session) = &mut self.session else {
            return Err(DatabaseError::new(
                Fault::Unreachable,
                "there is no session",
            ));
        };
        session.execute("SAVEPOINT sluice_rows").await?;
        let written = session.write(&group.plan.write, rows).await;
        match &written {
            Ok(_) => session.execute("RELEASE SAVEPOINT sluice_rows").await?,
            Err(error) if error.fault == Fault::Data => {
                session.execute("ROLLBACK TO SAVEPOINT sluice_rows").await?;
            }
            Err(_) => {}
        }
        written.map(drop)
    }

    async fn execute(&mut self, sql: &str, what: &str) -> Result<(), PutError> {
        match &mut self.session {
            Some(session) => session
                .execute(sql)
                .await
                .map_err(|error| PutError::Database(error, what.to_owned())),
            None => Err(ConnectError::connect("there is no session").into()),
        }
    }

    async fn try_put(&mut self, records: &[SinkRecord]) -> Result<(), PutError> {
        let skipped = self.load_offsets().await?;
        let mut reports = Reports::new();
        let groups = self.grouped(records, &skipped, &mut reports).await?;
        let mut after = BTreeMap::new();
        if self.offsets.is_some() {
            for record in records
                .iter()
                .filter(|record| !self.is_skipped(record, &skipped))
            {
                after.insert(
                    record.original_partition(),
                    record.original_kafka_offset + 1,
                );
            }
        }
        if !groups.is_empty() || !after.is_empty() {
            self.connected().await?;
            if let Some(session) = &mut self.session {
                session.begin().await.map_err(|error| {
                    PutError::Database(error, "beginning a transaction".to_owned())
                })?;
            }
            if let (Some(offsets), Some(session)) = (&self.offsets, &mut self.session) {
                let moved = offsets
                    .advance(session.as_mut(), &after)
                    .await
                    .map_err(|error| {
                        PutError::Database(error, "moving stored offsets".to_owned())
                    })?;
                if !moved {
                    return Err(PutError::Fenced);
                }
            }
            for group in &groups {
                self.write(group, records, &mut reports).await?;
            }
        }
        // Dead letters are safe before anything says that their records are done.
        for report in reports {
            report.await?;
        }
        if !groups.is_empty() || !after.is_empty() {
            self.execute("COMMIT", "committing").await?;
        }
        if let Some(offsets) = &mut self.offsets {
            offsets.advanced(after);
        }
        Ok(())
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
                    "another task has written records of the same partitions to {place}; reading on from its offsets"
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
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.session = None;
        Ok(())
    }
}
