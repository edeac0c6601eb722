//! The source task: reads its tables in turn, each as a stream of rows, and remembers how far it came.
//!
//! A table is queried at most once per `poll.interval.ms`; a query is read to its end before the next table's
//! turn. In memory are at most `batch.max.rows` rows of a poll and a few hundred of the stream. A query that
//! fails begins again after the last row that was handed over; a whole table in mode bulk begins anew.
//!
//! In mode timestamp, rows with one timestamp get the offset of the timestamp before, except the last of
//! them: after a failure amid them all of them are read again, and none is lost.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use futures::TryStreamExt as _;
use sluice_api::record::shared_name;
use sluice_api::{
    ConnectError, ConnectRecord, ErrorKind, Result, SourcePartition, SourceRecord, SourceTask,
    SourceTaskContext, async_trait,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::SourceSettings;
use crate::dialect::{self, Rows, Select, Session};
use crate::error::{DatabaseError, DatabaseResult, Fault};
use crate::row_plan::{Row, RowPlan};
use crate::source_offset::{Position, partition_of_query, partitions_of_table};
use crate::source_query::{SourceQuery, Subject};
use crate::table::{Column, ColumnType};

/// The longest wait within a poll.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Wait after a failure, so that a server that is down is not hammered.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// A query under way.
struct Reading {
    rows: Rows,
    plan: Arc<RowPlan>,
    /// The row read ahead, in mode timestamp.
    ahead: Option<Row>,
}

/// One table, or the query.
struct Source {
    subject: Subject,
    topic: ByteString,
    partition: Arc<SourcePartition>,
    /// After the last row that was handed over.
    position: Position,
    /// When its next query is due.
    due: Instant,
    reading: Option<Reading>,
}

/// The task: its tables, read in turn over one session.
pub(crate) struct JdbcSourceTask {
    context: Arc<dyn SourceTaskContext>,
    settings: Arc<SourceSettings>,
    /// `None` while the server cannot be reached.
    session: Option<Box<dyn Session>>,
    sources: Vec<Source>,
    /// The source that is being read, or the next one.
    current: usize,
    failures: u32,
}

/// The text of errors: what is being read.
fn shown(subject: &Subject) -> String {
    match subject {
        Subject::Table(table) => format!("reading table {}", table.short()),
        Subject::Query(_) => "reading the query".to_owned(),
    }
}

fn configured(message: String) -> DatabaseError {
    DatabaseError::new(Fault::Other, message)
}

fn position_of(columns: &[Column], name: &str) -> Option<usize> {
    columns
        .iter()
        .position(|column| column.name == name)
        .or_else(|| {
            columns
                .iter()
                .position(|column| column.name.eq_ignore_ascii_case(name))
        })
}

/// The column of offsets by name, checked.
fn offset_column(
    settings: &SourceSettings,
    subject: &Subject,
    columns: &[Column],
    name: &str,
) -> DatabaseResult<usize> {
    let place = shown(subject);
    let Some(index) = position_of(columns, name) else {
        let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        return Err(configured(format!(
            "{place}: there is no column {name:?}; there are {}",
            known.join(", ")
        )));
    };
    let nullable = columns.get(index).is_some_and(|column| column.nullable);
    if nullable && settings.validate_non_null && matches!(subject, Subject::Table(_)) {
        return Err(configured(format!(
            "{place}: column {name:?} may be null, and such rows would not be read; make it NOT NULL, or set \
             validate.non.null=false"
        )));
    }
    Ok(index)
}

/// Works out query and plan of a subject from its columns as they are now.
pub(crate) async fn plan_of(
    settings: &SourceSettings,
    session: &mut dyn Session,
    subject: &Subject,
) -> DatabaseResult<(SourceQuery, Arc<RowPlan>)> {
    let columns = match subject {
        Subject::Query(query) => session.describe(query.trim().trim_end_matches(';')).await?,
        Subject::Table(id) => {
            let table = session.table(id).await?.ok_or_else(|| {
                DatabaseError::new(
                    Fault::MissingTable,
                    format!("table {} does not exist", id.short()),
                )
            })?;
            table.columns
        }
    };
    let mut timestamps = Vec::new();
    if settings.mode.timestamp {
        for name in &settings.timestamp_columns {
            let several = settings.timestamp_columns.len() > 1;
            let index = match offset_column(settings, subject, &columns, name) {
                // Of several columns one that is not null is enough.
                Err(_) if several && position_of(&columns, name).is_some() => {
                    position_of(&columns, name).unwrap_or_default()
                }
                other => other?,
            };
            let kind = columns.get(index).map(|column| column.kind);
            if !matches!(kind, Some(ColumnType::Timestamp { .. } | ColumnType::Date)) {
                return Err(configured(format!(
                    "{}: column {name:?} is not a timestamp",
                    shown(subject)
                )));
            }
            timestamps.push(index);
        }
    }
    let incrementing = match (&settings.incrementing_column, settings.mode.incrementing) {
        (_, false) => None,
        (Some(name), true) => {
            let index = offset_column(settings, subject, &columns, name)?;
            if let Some(column) = columns.get(index).filter(|column| !counts(column)) {
                return Err(configured(format!(
                    "{}: column {name:?} has the type {}, but incrementing.column.name needs a column of \
                     whole numbers",
                    shown(subject),
                    column.type_name
                )));
            }
            Some(index)
        }
        (None, true) => {
            let found: Vec<usize> = columns
                .iter()
                .enumerate()
                .filter(|(_, column)| column.auto_increment)
                .map(|(index, _)| index)
                .collect();
            match found[..] {
                [index] => Some(index),
                _ => {
                    return Err(configured(format!(
                        "{}: {} auto-increment columns found; name one in incrementing.column.name",
                        shown(subject),
                        found.len()
                    )));
                }
            }
        }
    };
    let name = match subject {
        Subject::Table(table) => Some(table.name.as_str()),
        Subject::Query(_) => None,
    };
    let zone = settings.connection.zone;
    let plan = RowPlan::new(name, &columns, settings.numeric_mapping, zone)
        .map_err(|error| configured(format!("{}: {}", shown(subject), error.message())))?
        .with_offsets(incrementing, timestamps.clone());
    let pick = |index: &usize| columns.get(*index).cloned();
    let query = SourceQuery {
        dialect: settings.connection.dialect(),
        zone,
        subject: subject.clone(),
        incrementing: incrementing.as_ref().and_then(pick),
        timestamps: timestamps.iter().filter_map(pick).collect(),
        columns,
        suffix: settings.query_suffix.clone(),
    };
    Ok((query, Arc::new(plan)))
}

/// Prepares the query with the conditions that it gets once there are offsets, so that what it can't do shows
/// at once.
pub(crate) async fn check_query(
    settings: &SourceSettings,
    session: &mut dyn Session,
    subject: &Subject,
) -> DatabaseResult<()> {
    let (query, _) = plan_of(settings, session, subject).await?;
    let position = Position {
        incrementing: Some(0),
        timestamp: Some(0),
    };
    let checked = session.describe(&query.text(position, 0)).await;
    checked.map(drop).map_err(|error| {
        let message = format!(
            "{error}; the query gets a WHERE of its own at its end: columns of it must be those of tables, \
             or the query be wrapped as SELECT * FROM (...) AS q"
        );
        DatabaseError::new(error.fault, message)
    })
}

/// Whether offsets can be made of a column's values.
fn counts(column: &Column) -> bool {
    match column.kind {
        ColumnType::Int8 | ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => true,
        ColumnType::Numeric { precision, scale } => precision.is_none() || scale <= 0,
        // SQLite declares no type for what an expression gives.
        ColumnType::Text => column.type_name.is_empty() && !column.keeps_precision,
        _ => false,
    }
}

/// Waits, at most so long as a poll may.
async fn wait(stopping: &CancellationToken, longest: Duration) {
    // Either way the poll ends.
    let _ = tokio::time::timeout(longest.min(MAX_WAIT), stopping.cancelled()).await;
}

/// The stored position with the partition it was found under; the further one of two, since an older version
/// may have gone on under another form than the JVM connector.
async fn stored(
    context: &dyn SourceTaskContext,
    partitions: &[SourcePartition],
) -> Result<Option<(usize, Position)>> {
    let offsets = context.offset_storage_reader().offsets(partitions).await?;
    let mut best: Option<(usize, Position)> = None;
    for (index, offset) in offsets.into_iter().enumerate() {
        let Some(offset) = offset else { continue };
        let position = Position::of(&offset)?;
        if best.is_none_or(|(_, before)| position.is_after(before)) {
            best = Some((index, position));
        }
    }
    Ok(best)
}

impl JdbcSourceTask {
    /// Finds where each table is to be read on, and connects.
    pub(crate) async fn start(context: Arc<dyn SourceTaskContext>) -> Result<Self> {
        let settings = SourceSettings::parse(context.configs())?;
        let subjects: Vec<Subject> = match &settings.query {
            Some(query) => vec![Subject::Query(query.clone())],
            None => settings
                .tables
                .iter()
                .cloned()
                .map(Subject::Table)
                .collect(),
        };
        let mut sources = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let (topic, partitions) = match &subject {
                Subject::Table(table) => (
                    format!("{}{}", settings.topic_prefix, table.name),
                    partitions_of_table(table, settings.connection.dialect().quote_mark()),
                ),
                Subject::Query(_) => (settings.topic_prefix.clone(), vec![partition_of_query()]),
            };
            let found = match settings.mode.is_bulk() {
                true => None,
                false => stored(&*context, &partitions).await?,
            };
            let (form, position) = found.unwrap_or_default();
            sources.push(Source {
                subject,
                topic: shared_name(&topic),
                partition: Arc::new(partitions.into_iter().nth(form).unwrap_or_default()),
                position,
                due: Instant::now(),
                reading: None,
            });
        }
        let mut task = Self {
            context,
            settings: Arc::new(settings),
            session: None,
            sources,
            current: 0,
            failures: 0,
        };
        if let Err(error) = task.session(true).await {
            let place = &task.settings.connection.url;
            if !error.fault.is_retriable() {
                return Err(error.into_connect("connecting", place));
            }
            // A server that is down now is waited for by the polls.
            tracing::warn!("{}", error.explain("connecting", place));
        }
        Ok(task)
    }

    fn stopping(&self) -> CancellationToken {
        self.context.stopping()
    }

    /// The session; opened if there is none, with several attempts if `patient`.
    async fn session(&mut self, patient: bool) -> DatabaseResult<&mut Box<dyn Session>> {
        let settings = &self.settings;
        if self.session.is_none() {
            let mut session = match patient {
                true => dialect::connect(&settings.connection, &self.context.stopping()).await?,
                false => dialect::connect_once(&settings.connection).await?,
            };
            if let Some(sql) = settings
                .connection
                .dialect()
                .set_isolation(&settings.isolation)
            {
                session.execute(&sql).await?;
            }
            self.session = Some(session);
        }
        match &mut self.session {
            Some(session) => Ok(session),
            None => Err(configured("there is no session".to_owned())),
        }
    }

    /// Begins the query of the source whose turn it is.
    async fn begin(&mut self, index: usize) -> DatabaseResult<()> {
        let settings = Arc::clone(&self.settings);
        let Some(source) = self.sources.get(index) else {
            return Ok(());
        };
        let subject = source.subject.clone();
        let mut position = source.position;
        let session = self.session(false).await?;
        let mut end = 0;
        if settings.mode.timestamp {
            let delay = i64::try_from(settings.timestamp_delay.as_micros()).unwrap_or(i64::MAX);
            let now = session.now().await?;
            end = now.saturating_sub(delay);
            if position.timestamp.is_none() {
                position.timestamp = match settings.timestamp_initial {
                    Some(-1) => Some(now),
                    initial => initial.map(|millis| millis.saturating_mul(1000)),
                };
            }
        }
        let (query, plan) = plan_of(&settings, session.as_mut(), &subject).await?;
        let rows = session
            .read(Select {
                sql: query.text(position, end),
                plan: Arc::clone(&plan),
            })
            .await?;
        if let Some(source) = self.sources.get_mut(index) {
            source.position = position;
            source.due = Instant::now() + settings.poll_interval;
            source.reading = Some(Reading {
                rows,
                plan,
                ahead: None,
            });
        }
        Ok(())
    }

    /// Takes rows of the query under way into `records`; answers whether the query has ended.
    async fn take(
        &mut self,
        index: usize,
        records: &mut Vec<SourceRecord>,
    ) -> DatabaseResult<bool> {
        let stopping = self.stopping();
        let settings = &self.settings;
        let Some(source) = self.sources.get_mut(index) else {
            return Ok(true);
        };
        let Some(reading) = &mut source.reading else {
            return Ok(true);
        };
        let bulk = settings.mode.is_bulk();
        let looks_ahead = settings.mode.timestamp && !settings.mode.incrementing;
        let mut patience = pin!(tokio::time::timeout(MAX_WAIT, stopping.cancelled()));
        while records.len() < settings.batch_max_rows {
            let next = tokio::select! {
                biased;
                next = reading.rows.try_next() => next?,
                // A slow server, or the end: what there is goes on its way.
                _ = &mut patience => return Ok(false),
            };
            let ended = next.is_none();
            let row = if looks_ahead {
                let Some(row) = std::mem::replace(&mut reading.ahead, next) else {
                    if ended {
                        return Ok(true);
                    }
                    continue;
                };
                let follower = reading.ahead.as_ref().map(|row| row.timestamp);
                if follower != Some(row.timestamp) {
                    source.position.timestamp = row.timestamp.or(source.position.timestamp);
                }
                row
            } else {
                let Some(row) = next else {
                    return Ok(true);
                };
                if !bulk {
                    source.position = Position {
                        incrementing: row.incrementing.or(source.position.incrementing),
                        timestamp: row.timestamp.or(source.position.timestamp),
                    };
                }
                row
            };
            records.push(SourceRecord {
                record: ConnectRecord::new(
                    source.topic.clone(),
                    Some(Arc::clone(&reading.plan.schema)),
                    row.value,
                ),
                source_partition: Some(Arc::clone(&source.partition)),
                source_offset: (!bulk).then(|| source.position.to_offset()),
            });
            if ended {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What becomes of a failed query: another attempt later, or the end of the task.
    async fn failed(&mut self, index: usize, error: DatabaseError) -> Result<()> {
        let settings = &self.settings;
        let retries = settings.retries;
        let backoff = settings.connection.backoff.min(MAX_BACKOFF);
        let what = self
            .sources
            .get(index)
            .map(|source| shown(&source.subject))
            .unwrap_or_default();
        let fault = error.fault;
        let error = error.into_connect(&what, &settings.connection.url);
        let missing = fault == Fault::MissingTable;
        if fault == Fault::Unreachable {
            self.session = None;
        }
        let Some(source) = self.sources.get_mut(index) else {
            return Err(error);
        };
        source.reading = None;
        source.due = Instant::now() + backoff;
        if !(fault.is_retriable() || missing) {
            return Err(error);
        }
        self.failures += 1;
        // A table that is gone for good is taken away by the connector, which looks for that.
        if retries.is_some_and(|retries| self.failures > retries) {
            return Err(ConnectError::new(
                ErrorKind::Connect,
                format!("gave up after {} attempts", self.failures),
            )
            .caused_by(error));
        }
        tracing::warn!(attempt = self.failures, "{}", error.message());
        self.current = index + 1;
        Ok(())
    }
}

#[async_trait]
impl SourceTask for JdbcSourceTask {
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        if self.sources.is_empty() {
            wait(&self.stopping(), MAX_WAIT).await;
            return Ok(None);
        }
        let count = self.sources.len();
        let now = Instant::now();
        let ready = (0..count)
            .map(|step| (self.current + step) % count)
            .find(|index| {
                self.sources
                    .get(*index)
                    .is_some_and(|source| source.reading.is_some() || source.due <= now)
            });
        let Some(index) = ready else {
            let due = self
                .sources
                .iter()
                .map(|source| source.due)
                .min()
                .unwrap_or(now);
            wait(&self.stopping(), due - now).await;
            return Ok(None);
        };
        self.current = index;
        let reads = |source: &Source| source.reading.is_some();
        let begun = if self.sources.get(index).is_some_and(reads) {
            Ok(())
        } else {
            let stopping = self.stopping();
            tokio::select! {
                begun = self.begin(index) => begun,
                () = stopping.cancelled() => {
                    // The connection is in the middle of something, and the task ends.
                    self.session = None;
                    return Ok(None);
                }
            }
        };
        if let Err(error) = begun {
            self.failed(index, error).await?;
            return Ok(None);
        }
        let mut records = Vec::with_capacity(self.settings.batch_max_rows.min(1024));
        match self.take(index, &mut records).await {
            Ok(false) => {}
            Ok(true) => {
                if let Some(source) = self.sources.get_mut(index) {
                    source.reading = None;
                }
                self.failures = 0;
                self.current = index + 1;
            }
            Err(error) => self.failed(index, error).await?,
        }
        Ok((!records.is_empty()).then_some(records))
    }
}
