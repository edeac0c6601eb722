//! Offsets kept in the database, in the transaction of the rows: `sluice.exactly.once`.
//!
//! The table has a row per connector, topic and partition with the next offset to read. A transaction begins
//! by moving the offset from where this task knows it to be: the row's lock makes two tasks of one partition
//! wait for each other, and the second finds the offset moved and gives up. So a task that was left for dead
//! can't write anything twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt as _;
use sluice_api::{SinkRecord, TopicPartition, Value};

use crate::config::SinkSettings;
use crate::dialect::{self, Dialect, Select, Session};
use crate::error::{DatabaseError, DatabaseResult, Fault};
use crate::row_plan::{NumericMapping, RowPlan};
use crate::table::{Column, ColumnType};
use crate::time::Zone;

/// What stands in the table before the first record.
const NONE_YET: i64 = -1;

/// The offsets of the partitions of one task.
#[derive(Debug)]
pub(crate) struct StoredOffsets {
    dialect: Dialect,
    table: String,
    connector: String,
    next: BTreeMap<TopicPartition, i64>,
}

fn column(name: &str, kind: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        kind,
        type_name: String::new(),
        as_text: false,
        nullable: false,
        primary_key: false,
        auto_increment: false,
        keeps_precision: true,
    }
}

impl StoredOffsets {
    /// Of a connector; nothing is read yet.
    pub(crate) fn new(settings: &SinkSettings) -> Self {
        let dialect = settings.connection.dialect();
        Self {
            dialect,
            table: dialect.table(&settings.offsets_table),
            connector: settings.connector.clone(),
            next: BTreeMap::new(),
        }
    }

    fn row(&self, partition: &TopicPartition) -> String {
        format!(
            "connector = {} AND topic = {} AND part = {}",
            self.dialect.literal(&self.connector),
            self.dialect.literal(&partition.topic),
            partition.partition
        )
    }

    async fn ensure_table(&self, session: &mut dyn Session) -> DatabaseResult<()> {
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} (connector VARCHAR(255) NOT NULL, topic VARCHAR(249) NOT NULL, \
             part INT NOT NULL, next_offset BIGINT NOT NULL, PRIMARY KEY (connector, topic, part))",
            self.table
        );
        let probe = format!("SELECT 1 FROM {} WHERE 1 = 0", self.table);
        if session.execute(&probe).await.is_ok() {
            return Ok(());
        }
        match session.execute(&sql).await {
            // Tasks that create it at the same time get in each other's way.
            Err(_) if session.execute(&probe).await.is_ok() => Ok(()),
            outcome => outcome,
        }
    }

    /// Reads the offsets of partitions, and answers those that are stored.
    pub(crate) async fn load(
        &mut self,
        session: &mut dyn Session,
        partitions: &[TopicPartition],
    ) -> DatabaseResult<BTreeMap<TopicPartition, i64>> {
        self.ensure_table(session).await?;
        for partition in partitions {
            self.insert_missing(session, partition).await?;
        }
        let columns = [
            column("topic", ColumnType::Text),
            column("part", ColumnType::Int32),
            column("next_offset", ColumnType::Int64),
        ];
        let plan = RowPlan::new(None, &columns, NumericMapping::None, Zone::utc())
            .map_err(|error| DatabaseError::new(Fault::Other, error.message()))?;
        let sql = format!(
            "SELECT topic, part, next_offset FROM {} WHERE connector = {}",
            self.table,
            self.dialect.literal(&self.connector)
        );
        let mut rows = session
            .read(Select {
                sql,
                plan: Arc::new(plan),
            })
            .await?;
        let mut stored = BTreeMap::new();
        while let Some(row) = rows.try_next().await? {
            let Some(fields) = row.value.as_struct() else {
                continue;
            };
            let (Some(topic), Value::Int32(part), Value::Int64(next)) = (
                fields.value_at(0).as_str(),
                fields.value_at(1),
                fields.value_at(2),
            ) else {
                continue;
            };
            let partition = TopicPartition::new(topic.to_owned(), *part);
            if partitions.contains(&partition) {
                self.next.insert(partition.clone(), *next);
                if *next != NONE_YET {
                    stored.insert(partition, *next);
                }
            }
        }
        Ok(stored)
    }

    async fn insert_missing(
        &self,
        session: &mut dyn Session,
        partition: &TopicPartition,
    ) -> DatabaseResult<()> {
        let values = format!(
            "{}, {}, {}, {NONE_YET}",
            self.dialect.literal(&self.connector),
            self.dialect.literal(&partition.topic),
            partition.partition
        );
        session
            .execute(&self.dialect.insert_if_missing(
                &self.table,
                "connector, topic, part, next_offset",
                &values,
            ))
            .await
    }

    /// Forgets partitions that were taken away.
    pub(crate) fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.next.remove(partition);
        }
    }

    /// Whether a record was not written yet.
    pub(crate) fn is_new(&self, record: &SinkRecord) -> bool {
        self.next
            .get(&record.original_partition())
            .is_none_or(|next| record.original_kafka_offset >= *next)
    }

    /// Moves offsets within the transaction under way; false if another task has moved them.
    pub(crate) async fn advance(
        &self,
        session: &mut dyn Session,
        after: &BTreeMap<TopicPartition, i64>,
    ) -> DatabaseResult<bool> {
        for (partition, next) in after {
            let known = self.next.get(partition).copied().unwrap_or(NONE_YET);
            let moved = session
                .affected(&format!(
                    "UPDATE {} SET next_offset = {next} WHERE {} AND next_offset = {known}",
                    self.table,
                    self.row(partition)
                ))
                .await?;
            if moved != 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The transaction was committed.
    pub(crate) fn advanced(&mut self, after: BTreeMap<TopicPartition, i64>) {
        self.next.extend(after);
    }
}

/// Stores offsets that a user has set; `None` forgets them, so that the consumer group's count.
pub(crate) async fn alter(
    settings: &SinkSettings,
    offsets: &BTreeMap<TopicPartition, Option<i64>>,
) -> DatabaseResult<()> {
    let mut session = dialect::connect_once(&settings.connection).await?;
    let session = session.as_mut();
    let stored = StoredOffsets::new(settings);
    stored.ensure_table(session).await?;
    session.begin().await?;
    for (partition, next) in offsets {
        stored.insert_missing(session, partition).await?;
        session
            .execute(&format!(
                "UPDATE {} SET next_offset = {} WHERE {}",
                stored.table,
                next.unwrap_or(NONE_YET),
                stored.row(partition)
            ))
            .await?;
    }
    session.execute("COMMIT").await
}
