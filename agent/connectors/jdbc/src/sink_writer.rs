//! Writes a batch: first all of it in one transaction, as fast as the result allows.
//!
//! What becomes of a batch that the server refuses is in `sink_refused`. Before a transaction is committed
//! the catalog is looked at again: the locks of its own statements keep the tables as they are until then, so
//! that a plan which still fits was right for all of them. A plan that does not fit any more is made anew,
//! and the batch begins again.

use std::collections::{BTreeMap, HashSet};

use sluice_api::{ConnectError, ErrantRecordReporter, SinkRecord, TopicPartition};
use sluice_toolkit::reports::report;

use crate::config::SinkSettings;
use crate::dialect::{Session, Unit};
use crate::error::{DatabaseError, DatabaseResult};
use crate::exactly_once::StoredOffsets;
use crate::row_groups::{PlannedRow, RowGroup, grouped};
use crate::sink_plan::PlanError;

/// Tables whose names an error shows.
const SHOWN_TABLES: usize = 3;

/// Why a batch was not written.
#[derive(Debug)]
pub(crate) enum PutError {
    Connect(ConnectError),
    /// With what was tried.
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

/// A record that is not written, and why, by its position in the batch.
pub(crate) type Refused = (usize, ConnectError);

/// The records of one `put`.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) records: &'a [SinkRecord],
    /// In the order of records.
    pub(crate) rows: Vec<PlannedRow>,
    /// Records of which no row can be made.
    pub(crate) refused: Vec<Refused>,
    /// Offsets to be stored with them.
    pub(crate) after: BTreeMap<TopicPartition, i64>,
}

/// Partition and offset of records.
pub(crate) type Settled = HashSet<(TopicPartition, i64)>;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Written,
    /// A table is not what the plans say; nothing is written but what is settled.
    Changed,
}

/// What came of one transaction.
pub(crate) enum Attempt {
    Ended(Outcome),
    /// The server has refused something.
    Refused(DatabaseError),
}

/// What writing needs; see the module.
pub(crate) struct Writer<'a> {
    pub(crate) session: &'a mut dyn Session,
    pub(crate) settings: &'a SinkSettings,
    pub(crate) reporter: Option<&'a dyn ErrantRecordReporter>,
    pub(crate) offsets: Option<&'a mut StoredOffsets>,
    /// Whether a fault that may pass is not waited for any more.
    pub(crate) last_attempt: bool,
    /// Records of the batch that are written or reported though the batch as a whole is not done.
    pub(crate) settled: &'a mut Settled,
}

/// Partition and offset of a record.
pub(crate) fn place_of(record: &SinkRecord) -> (TopicPartition, i64) {
    (record.original_partition(), record.original_kafka_offset)
}

/// What is tried, for errors.
pub(crate) fn writing(rows: &[PlannedRow]) -> String {
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        let name = row.plan.write.table.short();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len() > SHOWN_TABLES;
    names.truncate(SHOWN_TABLES);
    let shown = if more { ", ..." } else { "" };
    format!("writing to table {}{shown}", names.join(", "))
}

impl Writer<'_> {
    /// Writes a batch, and reports what of it can't be written.
    pub(crate) async fn write(&mut self, batch: &Batch<'_>) -> Result<Outcome, PutError> {
        if batch.rows.is_empty() && batch.after.is_empty() {
            self.report_all(batch.records, &batch.refused).await?;
            return Ok(Outcome::Written);
        }
        if !batch.rows.iter().all(|row| row.plan.facts.transactional) {
            // What a statement has done can't be taken back.
            return self.write_each(batch).await;
        }
        let groups = grouped(&batch.rows, self.settings.batch_size, true);
        match self.write_at_once(batch, &groups).await? {
            Attempt::Ended(outcome) => Ok(outcome),
            Attempt::Refused(error) => self.write_what_is_accepted(batch, error).await,
        }
    }

    async fn write_at_once(
        &mut self,
        batch: &Batch<'_>,
        groups: &[RowGroup],
    ) -> Result<Attempt, PutError> {
        self.begin(&batch.after).await?;
        let units: Vec<Unit<'_>> = groups
            .iter()
            .map(|group| group.unit(&batch.rows, &group.rows))
            .collect();
        if let Err(error) = self.session.write(&units).await {
            return Ok(Attempt::Refused(error));
        }
        self.end(batch, &batch.refused).await
    }

    /// Commits, once the tables are what the plans say and dead letters are safe.
    pub(crate) async fn end(
        &mut self,
        batch: &Batch<'_>,
        refused: &[Refused],
    ) -> Result<Attempt, PutError> {
        match self.unchanged(&batch.rows).await {
            Ok(true) => {}
            Ok(false) => {
                self.roll_back().await;
                return Ok(Attempt::Ended(Outcome::Changed));
            }
            Err(error) => return Ok(Attempt::Refused(error)),
        }
        self.report_all(batch.records, refused).await?;
        if let Err(error) = self.session.execute("COMMIT").await {
            return Ok(Attempt::Refused(error));
        }
        if let Some(offsets) = &mut self.offsets {
            offsets.advanced(batch.after.clone());
        }
        Ok(Attempt::Ended(Outcome::Written))
    }

    /// Begins a transaction, in which stored offsets move.
    pub(crate) async fn begin(
        &mut self,
        after: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), PutError> {
        self.session
            .begin()
            .await
            .map_err(|error| PutError::Database(error, "beginning a transaction".to_owned()))?;
        if let Some(offsets) = &self.offsets {
            let moved = offsets.advance(self.session, after).await;
            let moved = moved
                .map_err(|error| PutError::Database(error, "moving stored offsets".to_owned()))?;
            if !moved {
                return Err(PutError::Fenced);
            }
        }
        Ok(())
    }

    /// Ends a transaction without its effects; false if the connection does not answer.
    pub(crate) async fn roll_back(&mut self) -> bool {
        let ended = self.session.execute("ROLLBACK").await;
        // SQLite may have ended the transaction itself.
        ended.is_ok() || self.session.execute("SELECT 1").await.is_ok()
    }

    /// Whether all plans fit their tables.
    pub(crate) async fn unchanged(&mut self, rows: &[PlannedRow]) -> DatabaseResult<bool> {
        let mut seen = HashSet::new();
        for row in rows {
            let table = &row.plan.write.table;
            if !seen.insert((table, &row.plan.facts.fingerprint)) {
                continue;
            }
            let now = self.session.facts(table).await?;
            if now.is_none_or(|now| now.fingerprint != row.plan.facts.fingerprint) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands bad records to the reporter, in their order; without one, the error of the first.
    pub(crate) async fn report_all(
        &self,
        records: &[SinkRecord],
        refused: &[Refused],
    ) -> Result<(), PutError> {
        let mut reports = Vec::with_capacity(refused.len());
        for (index, error) in refused {
            if let Some(record) = records.get(*index) {
                reports.push(report(self.reporter, record, error)?);
            }
        }
        // Dead letters are safe before anything says that their records are done.
        for report in reports {
            report.await?;
        }
        Ok(())
    }

    /// The server's word about one row, as an error of its record.
    pub(crate) fn refusal(&self, row: &PlannedRow, error: DatabaseError) -> ConnectError {
        let error = match self.settings.trim_sensitive {
            true => error.trimmed(),
            false => error,
        };
        let what = writing(std::slice::from_ref(row));
        let text = error.explain(&what, &self.settings.connection.url);
        ConnectError::data(text)
    }
}
