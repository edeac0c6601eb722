//! The sink task beside hdfs-native alone, in one run on one HDFS: what the library does, what the task does,
//! the ratio.
//!
//! `hdfs_throughput URL USER FOLDER RECORDS`; `tests/bench-hdfs` starts a server and runs it. For each format
//! and size of files the task writes all records, in batches of 1,000; then the library writes files of the
//! same bytes, in pieces as large, and renames them. Each is measured three times in turn, the best counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdfs_native::{Client, ClientBuilder, WriteOptions};
use sluice_api::{
    ConnectRecord, Props, SchemaBuilder, SinkRecord, Struct, TopicPartition, Value, logical,
    record::TimestampType, schemas,
};
use sluice_toolkit::testing::TestContext;

/// Records of a batch.
const BATCH: usize = 1000;
const ROUNDS: usize = 3;
/// Bytes that the library is given at once.
const PIECE: usize = 256 << 10;

type AnyResult<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn batches(records: usize) -> AnyResult<Vec<Vec<SinkRecord>>> {
    let schema = SchemaBuilder::structure()
        .name("Bench")
        .field("id", schemas::INT64.clone())
        .field("name", schemas::STRING.clone())
        .field("price", schemas::FLOAT64.clone())
        .field("at", logical::TIMESTAMP_SCHEMA.clone())
        .build()?;
    let mut all = Vec::new();
    for begin in (0..records).step_by(BATCH) {
        let mut batch = Vec::with_capacity(BATCH);
        for id in begin..(begin + BATCH).min(records) {
            let offset = i64::try_from(id)?;
            let values = vec![
                Value::Int64(offset),
                Value::from(format!("customer number {id:08}")),
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
    client: Client,
    url: String,
    user: String,
    folder: String,
}

impl Bench {
    async fn write_task(
        &self,
        format: &str,
        flush: usize,
        batches: &[Vec<SinkRecord>],
    ) -> AnyResult<Duration> {
        self.client.delete(&self.folder, true).await?;
        let props: Props = [
            ("name", "bench"),
            ("hdfs.url", &self.url),
            ("sluice.hdfs.user", &self.user),
            ("topics.dir", &self.folder),
            ("topics", "bench"),
            ("format.class", format),
            ("flush.size", &flush.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let context = Arc::new(TestContext::new(props));
        let mut task = (sluice_connector_hdfs::sink().start_task)(context).await?;
        task.open(&[TopicPartition::new("bench", 0)]).await?;
        let begin = Instant::now();
        for batch in batches {
            task.put(batch).await?;
        }
        let elapsed = begin.elapsed();
        task.stop().await?;
        Ok(elapsed)
    }

    /// What the task has written, file by file.
    async fn contents(&self) -> AnyResult<Vec<Bytes>> {
        let listed = self
            .client
            .list_status(&format!("{}/bench", self.folder), true)
            .await?;
        let mut all = Vec::new();
        for status in listed.iter().filter(|status| !status.isdir) {
            let mut reader = self.client.read(&status.path).await?;
            all.push(reader.read_bytes(status.length).await?);
        }
        Ok(all)
    }

    async fn write_alone(&self, contents: &[Bytes]) -> AnyResult<Duration> {
        self.client.delete(&self.folder, true).await?;
        self.client.mkdirs(&self.folder, 0o755, true).await?;
        let begin = Instant::now();
        for (index, bytes) in contents.iter().enumerate() {
            let (temporary, last) = (
                format!("{}/{index}.tmp", self.folder),
                format!("{}/{index}", self.folder),
            );
            let mut file = self
                .client
                .create(&temporary, WriteOptions::default())
                .await?;
            let mut rest = bytes.clone();
            while !rest.is_empty() {
                let piece = rest.split_to(rest.len().min(PIECE));
                file.write_bytes(piece).await?;
            }
            file.close().await?;
            self.client.rename(&temporary, &last, false).await?;
        }
        Ok(begin.elapsed())
    }
}

#[expect(clippy::print_stdout, reason = "a bench talks to its user")]
fn report(what: &str, records: usize, bytes: usize, alone: Duration, task: Duration) {
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let rate = |number: usize, time: Duration| count(number) / time.as_secs_f64();
    println!(
        "{what:<26} hdfs-native {:>9.0} records/s {:>6.1} MB/s   task {:>9.0} records/s {:>6.1} MB/s   ratio \
         {:.2}",
        rate(records, alone),
        rate(bytes, alone) / 1e6,
        rate(records, task),
        rate(bytes, task) / 1e6,
        alone.as_secs_f64() / task.as_secs_f64()
    );
}

#[tokio::main]
async fn main() -> AnyResult<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, user, folder, records] = &arguments[..] else {
        return Err("arguments: URL USER FOLDER RECORDS".into());
    };
    let records: usize = records.parse()?;
    let bench = Bench {
        client: ClientBuilder::new().with_url(url).with_user(user).build()?,
        url: url.clone(),
        user: user.clone(),
        folder: folder.clone(),
    };
    // Whole batches, and so whole files: what is not finished at the end would not be counted.
    let large = (records / 5).next_multiple_of(BATCH);
    let batches = batches(large * 5)?;
    for format in ["Json", "Avro", "Parquet"] {
        for (flush, part) in [(large, batches.len()), (BATCH, batches.len().min(20))] {
            let batches = batches.get(..part).unwrap_or_default();
            let mut best = [Duration::MAX; 2];
            let mut bytes = 0;
            for _ in 0..ROUNDS {
                let task = bench.write_task(format, flush, batches).await?;
                let contents = bench.contents().await?;
                bytes = contents.iter().map(Bytes::len).sum();
                let alone = bench.write_alone(&contents).await?;
                for (best, time) in best.iter_mut().zip([alone, task]) {
                    *best = time.min(*best);
                }
            }
            let [alone, task] = best;
            let what = format!("{format}, {flush} per file");
            report(&what, part * BATCH, bytes, alone, task);
        }
    }
    Ok(())
}
