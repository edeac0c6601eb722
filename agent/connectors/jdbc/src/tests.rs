//! Both tasks on a SQLite file, from a table to records and from records to a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::Connection;
use sluice_api::{
    ConnectRecord, Props, SinkRecord, SinkTask, SourceOffset, SourceRecord, TimestampType,
    TopicPartition, Value,
};
use sluice_toolkit::testing::{Reported, TestContext};
use tempfile::TempDir;

struct Database {
    folder: TempDir,
}

impl Database {
    fn new(sql: &str) -> Self {
        let database = Self {
            folder: TempDir::new().unwrap(),
        };
        database.connection().execute_batch(sql).unwrap();
        database
    }

    fn path(&self) -> String {
        self.folder.path().join("test.db").display().to_string()
    }

    fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn props(&self, pairs: &[(&str, &str)]) -> Props {
        let mut props: Props = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        props.insert(
            "connection.url".to_owned(),
            format!("jdbc:sqlite:{}", self.path()),
        );
        props.insert("name".to_owned(), "c".to_owned());
        props
    }

    async fn read(
        &self,
        pairs: &[(&str, &str)],
        stored: Option<SourceOffset>,
        count: usize,
    ) -> Vec<SourceRecord> {
        let mut props = self.props(pairs);
        props.insert("topic.prefix".to_owned(), "p-".to_owned());
        props.insert("tables".to_owned(), "[[null,null,\"orders\"]]".to_owned());
        let context = Arc::new(TestContext {
            stored,
            ..TestContext::new(props)
        });
        let mut task = (crate::source().start_task)(context).await.unwrap();
        let mut records = Vec::new();
        while records.len() < count {
            records.extend(task.poll().await.unwrap().unwrap_or_default());
        }
        records
    }

    async fn sink(&self, pairs: &[(&str, &str)]) -> (Box<dyn SinkTask>, Arc<TestContext>) {
        let props = self.props(pairs);
        let context = Arc::new(TestContext {
            assignment: vec![TopicPartition::new("orders", 0)],
            reported: Some(Reported::default()),
            ..TestContext::new(props)
        });
        let mut task = (crate::sink().start_task)(context.clone()).await.unwrap();
        task.open(&[TopicPartition::new("orders", 0)])
            .await
            .unwrap();
        (task, context)
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        let connection = self.connection();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement
            .query_map([], |row| row.get::<_, String>(0))
            .unwrap();
        rows.map(|row| row.unwrap()).collect()
    }
}

const ORDERS: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'x', price DECIMAL(10,2), \
                      at DATETIME);
    INSERT INTO orders VALUES (1, 'a', '1.50', '2024-01-01 00:00:00'), (2, 'b', NULL, '2024-01-01 00:00:00.5'),
                              (3, 'c', 3, '2024-01-02 00:00:00');";

/// Records of the table `orders` as a sink gets them.
async fn orders(count: usize) -> Vec<SinkRecord> {
    let database = Database::new(ORDERS);
    let read = database
        .read(&[("mode", "incrementing")], None, count)
        .await;
    read.into_iter()
        .enumerate()
        .map(|(offset, record)| sink_record(record.record, i64::try_from(offset).unwrap()))
        .collect()
}

fn sink_record(mut record: ConnectRecord, offset: i64) -> SinkRecord {
    record.topic = "orders".into();
    record.kafka_partition = Some(0);
    let id = record
        .value
        .as_struct()
        .map(|value| value.value_at(0).clone());
    if let Some(id) = id {
        record.key_schema = Some(sluice_api::schemas::INT64.clone());
        record.key = id;
    }
    SinkRecord {
        original_topic: record.topic.clone(),
        record,
        kafka_offset: offset,
        timestamp_type: TimestampType::CreateTime,
        original_kafka_partition: 0,
        original_kafka_offset: offset,
    }
}

#[tokio::test]
async fn rows_become_records_with_types_nulls_and_offsets() {
    let database = Database::new(ORDERS);
    let records = database.read(&[("mode", "incrementing")], None, 3).await;
    assert_eq!(records[0].record.topic, "p-orders");
    let value = records[0].record.value.as_struct().unwrap();
    value.validate().unwrap();
    assert_eq!(
        value.to_string(),
        "Struct{id=1,name=a,price=1.50,at=Mon Jan 01 00:00:00 UTC 2024}"
    );
    let schema = value.schema();
    // The default of a column is not that of a field: a database computes it, and another value may stand
    // there.
    let name = schema.field("name").unwrap().schema();
    assert!(name.default_value().is_none() && !name.is_optional());
    assert!(
        records[1]
            .record
            .value
            .as_struct()
            .unwrap()
            .get("price")
            .unwrap()
            .is_null()
    );
    assert_eq!(
        records[2].source_partition.as_ref().unwrap().to_string(),
        "{protocol=1, table=orders}"
    );
    assert_eq!(
        records[2].source_offset,
        Some(SourceOffset::of("incrementing", 3_i64))
    );
}

#[tokio::test]
async fn reading_goes_on_after_the_stored_offset() {
    let database = Database::new(ORDERS);
    let stored = SourceOffset::of("incrementing", 2_i64);
    let records = database
        .read(&[("mode", "incrementing")], Some(stored), 1)
        .await;
    assert_eq!(records.len(), 1);
    let mode = [
        ("mode", "timestamp"),
        ("timestamp.column.name", "at"),
        ("validate.non.null", "false"),
    ];
    let records = database.read(&mode, None, 3).await;
    assert_eq!(
        records[1].source_offset.as_ref().unwrap().to_string(),
        "{timestamp=1704067200500, timestamp_nanos=500000000}"
    );
    let rest = database
        .read(&mode, records[1].source_offset.clone(), 1)
        .await;
    assert_eq!(rest.len(), 1);
    assert_eq!(
        rest[0].record.value.as_struct().unwrap().value_at(0),
        &Value::Int64(3)
    );
}

#[tokio::test]
async fn a_missing_table_is_created_extended_and_upserted() {
    let database = Database::new("");
    let keys = [
        ("auto.create", "true"),
        ("insert.mode", "upsert"),
        ("pk.mode", "record_key"),
        ("pk.fields", "id"),
        ("delete.enabled", "true"),
    ];
    let (mut task, _) = database.sink(&keys).await;
    let mut records = orders(3).await;
    // Twice each: the last one of a key counts.
    records.extend(orders(3).await);
    task.put(&records).await.unwrap();
    assert_eq!(
        database.rows("SELECT id || name || coalesce(price, '-') || at FROM orders ORDER BY id"),
        ["1a1.51704067200000", "2b-1704067200500", "3c31704153600000"]
    );
    let mut gone = records[1].clone();
    gone.record.value = Value::Null;
    gone.record.value_schema = None;
    task.put(&[gone]).await.unwrap();
    assert_eq!(
        database.rows("SELECT name FROM orders ORDER BY id"),
        ["a", "c"]
    );
}

#[tokio::test]
async fn a_row_that_is_refused_goes_to_the_reporter_and_the_others_stay() {
    let database = Database::new(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> 'b'), price NUMERIC, at \
         DATETIME)",
    );
    let (mut task, context) = database.sink(&[]).await;
    task.put(&orders(3).await).await.unwrap();
    assert_eq!(
        database.rows("SELECT name FROM orders ORDER BY id"),
        ["a", "c"]
    );
    let reported = context.reported.as_ref().unwrap().messages();
    assert_eq!(reported.len(), 1);
    assert!(
        reported[0].starts_with("record orders-0@1: writing to table orders"),
        "{reported:?}"
    );
}

#[tokio::test]
async fn a_row_that_takes_the_place_of_another_and_is_refused_gives_it_back() {
    let database = Database::new(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> 'b'), price NUMERIC, at \
         DATETIME)",
    );
    let keys = [
        ("insert.mode", "upsert"),
        ("pk.mode", "record_key"),
        ("pk.fields", "id"),
        ("trim.sensitive.log", "true"),
    ];
    let (mut task, context) = database.sink(&keys).await;
    let mut records = orders(3).await;
    // All three rows have the key of the first one now; the one in the middle is refused.
    let first = records[0].record.key.clone();
    for record in &mut records {
        record.record.key = first.clone();
    }
    task.put(&records[..2]).await.unwrap();
    assert_eq!(database.rows("SELECT name FROM orders"), ["a"]);
    task.put(&records).await.unwrap();
    assert_eq!(database.rows("SELECT name FROM orders"), ["c"]);
    // It was in both batches.
    let reported = context.reported.as_ref().unwrap().messages();
    assert_eq!(reported.len(), 2, "{reported:?}");
    assert!(
        reported[0].contains("the database refused the row") && !reported[0].contains("CHECK"),
        "{reported:?}"
    );
}

#[tokio::test]
async fn stored_offsets_make_every_record_count_once_and_shut_out_the_left_for_dead() {
    let database =
        Database::new("CREATE TABLE orders (id INTEGER, name TEXT, price NUMERIC, at DATETIME)");
    let keys = [("sluice.exactly.once", "true")];
    let records = orders(3).await;
    let (mut left_for_dead, _) = database.sink(&keys).await;
    let (mut task, _) = database.sink(&keys).await;
    task.put(&records[..2]).await.unwrap();
    let error = left_for_dead.put(&records[..2]).await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
    // It learns where the other is, and skips what is there.
    left_for_dead.put(&records[..2]).await.unwrap();
    assert_eq!(
        database.rows("SELECT name FROM orders ORDER BY id"),
        ["a", "b"]
    );
    let (mut next, context) = database.sink(&keys).await;
    assert_eq!(
        *context.rewound.lock().unwrap(),
        BTreeMap::from([(TopicPartition::new("orders", 0), 2)])
    );
    next.put(&records).await.unwrap();
    assert_eq!(
        database.rows("SELECT name FROM orders ORDER BY id"),
        ["a", "b", "c"]
    );
}

#[tokio::test]
async fn validation_says_what_is_missing_and_where() {
    let database = Database::new(ORDERS);
    let source = (crate::source().new_connector)();
    let props = database.props(&[
        ("mode", "incrementing"),
        ("topic.prefix", "p-"),
        ("table.whitelist", "nowhere"),
    ]);
    let faults = source.validate(&props).await;
    assert_eq!(faults[0].key, "table.whitelist");
    assert!(
        faults[0].message.contains("nowhere") && faults[0].message.contains("orders"),
        "{faults:?}"
    );
    let sink = (crate::sink().new_connector)();
    let faults = sink
        .validate(&database.props(&[("topics", "orders,other")]))
        .await;
    assert_eq!(faults[0].key, "table.name.format");
    assert!(faults[0].message.contains("no table other"), "{faults:?}");
}
