//! Both tasks beside tokio-postgres alone, in one run on one PostgreSQL: what the library does, what the task
//! does, the ratio.
//!
//! `jdbc_throughput HOST PORT DATABASE USER PASSWORD ROWS`; `tests/bench-jdbc` starts a server and runs it.
//! Each is measured three times in turn, the best counts. The library writes prepared text by COPY and reads
//! a query as a stream into typed values.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures::{SinkExt as _, TryStreamExt as _};
use sluice_api::{
    ConnectRecord, Props, SchemaBuilder, SinkRecord, Struct, TimestampType, Value, logical, schemas,
};
use sluice_toolkit::testing::TestContext;
use tokio_postgres::NoTls;

/// Records of a batch.
const BATCH: usize = 1000;
const ROUNDS: usize = 3;
const COLUMNS: &str = "id bigint NOT NULL, name text NOT NULL, price double precision NOT NULL, at timestamp \
                       NOT NULL";

type AnyResult<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn name(id: usize) -> String {
    format!("customer number {id:08}")
}

fn batches(rows: usize) -> AnyResult<Vec<Vec<SinkRecord>>> {
    let schema = SchemaBuilder::structure()
        .field("id", schemas::INT64.clone())
        .field("name", schemas::STRING.clone())
        .field("price", schemas::FLOAT64.clone())
        .field("at", logical::TIMESTAMP_SCHEMA.clone())
        .build()?;
    let mut all = Vec::new();
    for begin in (0..rows).step_by(BATCH) {
        let mut batch = Vec::with_capacity(BATCH);
        for id in begin..(begin + BATCH).min(rows) {
            let offset = i64::try_from(id)?;
            let values = vec![
                Value::Int64(offset),
                Value::from(name(id)),
                Value::Float64(f64::from(u32::try_from(id)?) / 100.0),
                Value::Date(1_700_000_000_000 + offset),
            ];
            let value = Value::from(Struct::from_values(Arc::clone(&schema), values)?);
            let mut record = ConnectRecord::new("bench".into(), Some(Arc::clone(&schema)), value);
            record.kafka_partition = Some(0);
            batch.push(SinkRecord {
                original_topic: record.topic.clone(),
                record,
                kafka_offset: offset,
                timestamp_type: TimestampType::CreateTime,
                original_kafka_partition: 0,
                original_kafka_offset: offset,
            });
        }
        all.push(batch);
    }
    Ok(all)
}

struct Bench {
    client: tokio_postgres::Client,
    props: Props,
    rows: usize,
}

impl Bench {
    async fn empty_table(&self) -> AnyResult<()> {
        let sql = format!("DROP TABLE IF EXISTS bench; CREATE TABLE bench ({COLUMNS})");
        Ok(self.client.batch_execute(&sql).await?)
    }

    fn with(&self, more: &[(&str, &str)]) -> Props {
        let mut props = self.props.clone();
        props.extend(
            more.iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        props
    }

    /// COPY of prepared texts, a transaction per batch.
    async fn write_alone(&self, bodies: &[Bytes]) -> AnyResult<Duration> {
        self.empty_table().await?;
        let begin = Instant::now();
        for body in bodies {
            self.client.batch_execute("BEGIN").await?;
            let sink = self
                .client
                .copy_in::<_, Bytes>("COPY bench FROM STDIN")
                .await?;
            futures::pin_mut!(sink);
            sink.send(body.clone()).await?;
            sink.finish().await?;
            self.client.batch_execute("COMMIT").await?;
        }
        Ok(begin.elapsed())
    }

    async fn write_task(&self, batches: &[Vec<SinkRecord>]) -> AnyResult<Duration> {
        self.empty_table().await?;
        let props = self.with(&[("topics", "bench"), ("table.name.format", "bench")]);
        let context = Arc::new(TestContext::new(props));
        let mut task = (sluice_connector_jdbc::sink().start_task)(context).await?;
        let begin = Instant::now();
        for batch in batches {
            task.put(batch).await?;
        }
        let elapsed = begin.elapsed();
        task.stop().await?;
        Ok(elapsed)
    }

    async fn read_alone(&self) -> AnyResult<Duration> {
        let begin = Instant::now();
        let statement = self
            .client
            .prepare("SELECT id, name, price, at FROM bench ORDER BY id")
            .await?;
        let rows = self.client.query_raw(&statement, Vec::<i32>::new()).await?;
        futures::pin_mut!(rows);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            let row: (i64, String, f64, SystemTime) = (
                row.try_get(0)?,
                row.try_get(1)?,
                row.try_get(2)?,
                row.try_get(3)?,
            );
            std::hint::black_box(row);
            count += 1;
        }
        assert_eq!(count, self.rows);
        Ok(begin.elapsed())
    }

    async fn read_task(&self) -> AnyResult<Duration> {
        let props = self.with(&[
            ("mode", "incrementing"),
            ("incrementing.column.name", "id"),
            ("topic.prefix", "bench-"),
            ("batch.max.rows", "1000"),
            ("tables", "[[null,\"public\",\"bench\"]]"),
        ]);
        let context = Arc::new(TestContext::new(props));
        let mut task = (sluice_connector_jdbc::source().start_task)(context).await?;
        let begin = Instant::now();
        let mut count = 0;
        while count < self.rows {
            count += task.poll().await?.map_or(0, |records| records.len());
        }
        let elapsed = begin.elapsed();
        task.stop().await?;
        Ok(elapsed)
    }
}

#[expect(clippy::print_stdout, reason = "a bench talks to its user")]
fn report(what: &str, rows: usize, alone: Duration, task: Duration) {
    let rate =
        |time: Duration| f64::from(u32::try_from(rows).unwrap_or(u32::MAX)) / time.as_secs_f64();
    println!(
        "{what:<8} tokio-postgres {:>9.0} rows/s   task {:>9.0} rows/s   ratio {:.2}",
        rate(alone),
        rate(task),
        alone.as_secs_f64() / task.as_secs_f64()
    );
}

#[tokio::main]
async fn main() -> AnyResult<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, database, user, password, rows] = &arguments[..] else {
        return Err("arguments: HOST PORT DATABASE USER PASSWORD ROWS".into());
    };
    let rows: usize = rows.parse()?;
    let mut config = tokio_postgres::Config::new();
    config
        .host(host)
        .port(port.parse()?)
        .dbname(database)
        .user(user)
        .password(password);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    let url = format!("jdbc:postgresql://{host}:{port}/{database}?sslmode=disable");
    let props = [
        ("name", "bench"),
        ("connection.url", &url),
        ("connection.user", user),
        ("connection.password", password),
    ];
    let props = props.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let bench = Bench {
        client,
        props: props.into(),
        rows,
    };
    let batches = batches(rows)?;
    let bodies: Vec<Bytes> = (0..rows)
        .step_by(BATCH)
        .map(|begin| {
            let lines = (begin..(begin + BATCH).min(rows)).map(|id| {
                let (whole, cents, millis) = (id / 100, id % 100, id % 1000);
                format!(
                    "{id}\t{}\t{whole}.{cents:02}\t2023-11-14 22:13:20.{millis:03}\n",
                    name(id)
                )
            });
            Bytes::from(lines.collect::<String>())
        })
        .collect();
    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        let times = [
            bench.write_alone(&bodies).await?,
            bench.write_task(&batches).await?,
            bench.read_alone().await?,
            bench.read_task().await?,
        ];
        for (best, time) in best.iter_mut().zip(times) {
            *best = time.min(*best);
        }
    }
    let [write_alone, write_task, read_alone, read_task] = best;
    report("writing", rows, write_alone, write_task);
    report("reading", rows, read_alone, read_task);
    Ok(())
}
