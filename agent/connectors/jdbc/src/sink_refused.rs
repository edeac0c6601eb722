//! What becomes of a batch of which the server has refused something: the records it accepts are written,
//! each of the others is reported.
//!
//! Whatever the server says about one record, by whichever code and at whichever moment, is that record's
//! fault, unless it concerns all: the table is gone, a privilege is missing, or a fault that may pass is
//! still waited for. A fault of that kind which does not pass is a record's if the same connection accepts a
//! later one.

use std::collections::BTreeMap;

use crate::dialect::{Operation, Privilege, Unit};
use crate::error::{DatabaseError, DatabaseResult, Fault};
use crate::row_groups::{PlannedRow, grouped};
use crate::sink_writer::{Attempt, Batch, Outcome, PutError, Refused, Writer, place_of, writing};

/// Records in a row that fail for a reason which is not theirs, before all are given up.
const MOST_SUSPECTS: usize = 16;

/// Whose fault an error of one record is.
enum Blame {
    Record,
    /// Everything's: the batch is given up, or tried again later.
    All,
    /// It should have passed by now; the next records tell.
    Unclear,
}

/// A record alone.
enum Single {
    Written,
    Changed,
    Refused(DatabaseError),
}

/// Records that are not written, in the order in which they are to be reported.
#[derive(Default)]
struct Waiting {
    refused: Vec<Refused>,
    /// The first of those whose fault is unclear, as the database has it, and how many there are.
    suspect: Option<(DatabaseError, usize)>,
}

impl Writer<'_> {
    /// After a batch was refused as a whole.
    pub(crate) async fn write_what_is_accepted(
        &mut self,
        batch: &Batch<'_>,
        error: DatabaseError,
    ) -> Result<Outcome, PutError> {
        if !self.roll_back().await {
            return Err(PutError::Database(error.lost(), writing(&batch.rows)));
        }
        match self.unchanged(&batch.rows).await {
            Ok(true) => {}
            Ok(false) => return Ok(Outcome::Changed),
            Err(error) => return Err(PutError::Database(error, writing(&batch.rows))),
        }
        if error.fault.is_retriable() {
            return match self.last_attempt {
                false => Err(PutError::Database(error, writing(&batch.rows))),
                true => self.write_each(batch).await,
            };
        }
        if !batch.rows.iter().all(|row| row.plan.facts.savepoints) {
            return self.write_each(batch).await;
        }
        match self.write_by_savepoints(batch).await? {
            Attempt::Ended(outcome) => Ok(outcome),
            Attempt::Refused(error) if self.roll_back().await => {
                if error.fault.is_retriable() && !self.last_attempt {
                    return Err(PutError::Database(error, writing(&batch.rows)));
                }
                self.write_each(batch).await
            }
            Attempt::Refused(error) => Err(PutError::Database(error.lost(), writing(&batch.rows))),
        }
    }

    /// All rows in one transaction; those that are refused are found by halving, and left out by savepoints.
    async fn write_by_savepoints(&mut self, batch: &Batch<'_>) -> Result<Attempt, PutError> {
        self.begin(&batch.after).await?;
        let mut refused = batch.refused.clone();
        for group in grouped(&batch.rows, self.settings.batch_size, false) {
            // Parts still to be written, the next one last.
            let mut parts = vec![&*group.rows];
            while let Some(part) = parts.pop() {
                let unit = group.unit(&batch.rows, part);
                let Err(error) = self.write_part(&unit).await else {
                    continue;
                };
                let Some(row) = part.first().and_then(|index| batch.rows.get(*index)) else {
                    continue;
                };
                if error.fault.is_retriable() {
                    return Ok(Attempt::Refused(error));
                }
                if self
                    .session
                    .execute("ROLLBACK TO SAVEPOINT sluice_rows")
                    .await
                    .is_err()
                {
                    return Ok(Attempt::Refused(error));
                }
                if part.len() > 1 {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                    continue;
                }
                match self.blame(row, &error).await {
                    Blame::Record => refused.push((row.record, self.refusal(row, error))),
                    _ => return Err(PutError::Database(error, writing(&batch.rows))),
                }
            }
        }
        refused.sort_by_key(|(index, _)| *index);
        self.end(batch, &refused).await
    }

    async fn write_part(&mut self, unit: &Unit<'_>) -> DatabaseResult<()> {
        self.session.execute("SAVEPOINT sluice_rows").await?;
        self.session.write(std::slice::from_ref(unit)).await?;
        self.session.execute("RELEASE SAVEPOINT sluice_rows").await
    }

    /// Each record in a transaction of its own.
    pub(crate) async fn write_each(&mut self, batch: &Batch<'_>) -> Result<Outcome, PutError> {
        let transactional = batch.rows.iter().all(|row| row.plan.facts.transactional);
        if self.reporter.is_none() && transactional {
            // The first record that is refused fails the task, and nothing of the batch is to be written
            // then.
            return Err(self.first_refused(batch).await);
        }
        let mut unreported = batch.refused.iter().peekable();
        let mut waiting = Waiting::default();
        for row in &batch.rows {
            while let Some(refused) = unreported.next_if(|(index, _)| *index < row.record) {
                waiting.refused.push(refused.clone());
            }
            match self.write_single(batch, row, &mut waiting).await? {
                Single::Written => {}
                Single::Changed => return Ok(Outcome::Changed),
                Single::Refused(error) => self.take_refused(row, error, &mut waiting).await?,
            }
            if waiting.suspect.is_none() {
                self.settle(batch, &mut waiting).await?;
            }
        }
        waiting.refused.extend(unreported.cloned());
        if let Some((error, _)) = waiting.suspect.take()
            && error.fault != Fault::Transient
        {
            return Err(PutError::Database(error, writing(&batch.rows)));
        }
        self.settle(batch, &mut waiting).await?;
        if !batch.after.is_empty() {
            self.begin(&batch.after).await?;
            let ended = self.session.execute("COMMIT").await;
            ended.map_err(|error| PutError::Database(error, "moving stored offsets".to_owned()))?;
            if let Some(offsets) = &mut self.offsets {
                offsets.advanced(batch.after.clone());
            }
        }
        Ok(Outcome::Written)
    }

    /// Reports what waits for it; those records are done.
    async fn settle(&mut self, batch: &Batch<'_>, waiting: &mut Waiting) -> Result<(), PutError> {
        let refused = std::mem::take(&mut waiting.refused);
        waiting.suspect = None;
        self.report_all(batch.records, &refused).await?;
        let records = refused
            .iter()
            .filter_map(|(index, _)| batch.records.get(*index));
        self.settled.extend(records.map(place_of));
        Ok(())
    }

    async fn write_single(
        &mut self,
        batch: &Batch<'_>,
        row: &PlannedRow,
        waiting: &mut Waiting,
    ) -> Result<Single, PutError> {
        let mut after = BTreeMap::new();
        let place = batch.records.get(row.record).map(place_of);
        if let (Some((partition, offset)), true) = (&place, self.offsets.is_some()) {
            after.insert(partition.clone(), offset + 1);
        }
        self.begin(&after).await?;
        // What can't be taken back is written only if the plan fits; else the statement's locks keep the
        // answer true.
        let undoes = row.plan.facts.transactional;
        if undoes && let Err(error) = self.session.write(&[row.unit()]).await {
            return Ok(Single::Refused(error));
        }
        match self.unchanged(std::slice::from_ref(row)).await {
            Ok(true) => {}
            Ok(false) => {
                self.roll_back().await;
                return Ok(Single::Changed);
            }
            Err(error) => return Ok(Single::Refused(error)),
        }
        if !undoes && let Err(error) = self.session.write(&[row.unit()]).await {
            return Ok(Single::Refused(error));
        }
        // The connection accepts records, so what was unclear was theirs.
        self.settle(batch, waiting).await?;
        if let Err(error) = self.session.execute("COMMIT").await {
            return Ok(Single::Refused(error));
        }
        if let Some(offsets) = &mut self.offsets {
            offsets.advanced(after);
        }
        self.settled.extend(place);
        Ok(Single::Written)
    }

    async fn take_refused(
        &mut self,
        row: &PlannedRow,
        error: DatabaseError,
        waiting: &mut Waiting,
    ) -> Result<(), PutError> {
        let what = || writing(std::slice::from_ref(row));
        if !self.roll_back().await {
            return Err(PutError::Database(error.lost(), what()));
        }
        let blame = self.blame(row, &error).await;
        let refused = (row.record, self.refusal(row, error.clone()));
        match blame {
            Blame::Record => waiting.refused.push(refused),
            Blame::All => return Err(PutError::Database(error, what())),
            Blame::Unclear => {
                waiting.refused.push(refused);
                let (first, count) = waiting.suspect.take().unwrap_or((error, 0));
                if count + 1 >= MOST_SUSPECTS {
                    return Err(PutError::Database(first, what()));
                }
                waiting.suspect = Some((first, count + 1));
            }
        }
        Ok(())
    }

    /// Whose fault it is, seen on a connection that has answered since.
    async fn blame(&mut self, row: &PlannedRow, error: &DatabaseError) -> Blame {
        match error.fault {
            Fault::Data | Fault::Other | Fault::Authentication | Fault::MissingDatabase => {
                Blame::Record
            }
            Fault::Unreachable | Fault::Transient | Fault::Full => match self.last_attempt {
                true => Blame::Unclear,
                false => Blame::All,
            },
            Fault::Permission | Fault::MissingTable => match self.is_writable(row).await {
                true => Blame::Record,
                false => Blame::All,
            },
        }
    }

    /// Whether the table is there and may be written, as far as the catalog says.
    async fn is_writable(&mut self, row: &PlannedRow) -> bool {
        let write = &row.plan.write;
        if !matches!(self.session.facts(&write.table).await, Ok(Some(_))) {
            return false;
        }
        let needed: &[Privilege] = match write.operation {
            Operation::Insert => &[Privilege::Insert],
            Operation::Upsert => &[Privilege::Insert, Privilege::Update],
            Operation::Update => &[Privilege::Update],
            Operation::Delete => &[Privilege::Delete],
        };
        for privilege in needed {
            let checked = self.session.check_privilege(*privilege, &write.table).await;
            if checked.is_err_and(|error| error.fault == Fault::Permission) {
                return false;
            }
        }
        true
    }

    /// The error of the first record that is refused, nothing being written.
    async fn first_refused(&mut self, batch: &Batch<'_>) -> PutError {
        let unknown = |error| PutError::Database(error, writing(&batch.rows));
        if let Err(error) = self.begin(&BTreeMap::new()).await {
            return error;
        }
        // The record after which what is checked at the commit does not hold, up to the end.
        let mut broken: Option<(&PlannedRow, DatabaseError)> = None;
        for row in &batch.rows {
            if let Err(error) = self.session.write(&[row.unit()]).await {
                if !self.roll_back().await {
                    return unknown(error.lost());
                }
                return match self.blame(row, &error).await {
                    Blame::Record => self.named(batch, row, error),
                    _ => unknown(error),
                };
            }
            match self.session.check_deferred().await {
                Ok(()) => broken = None,
                Err(error) => broken = broken.or(Some((row, error))),
            }
        }
        let ended = match broken {
            Some((row, error)) => self.named(batch, row, error),
            None => unknown(DatabaseError::new(
                Fault::Transient,
                "the batch was refused and would be accepted now",
            )),
        };
        self.roll_back().await;
        ended
    }

    fn named(&self, batch: &Batch<'_>, row: &PlannedRow, error: DatabaseError) -> PutError {
        let error = self.refusal(row, error);
        let reported = batch
            .records
            .get(row.record)
            .map(|record| sluice_toolkit::reports::report(None, record, &error).map(drop));
        match reported {
            Some(Err(named)) => named.into(),
            _ => error.into(),
        }
    }
}
