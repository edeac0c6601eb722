//! The task: waits a random time before each record, counts, and stores how to go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytestring::ByteString;
use rand::Rng as _;
use sluice_api::record::shared_name;
use sluice_api::{
    ConnectError, ConnectRecord, Headers, Result, SourceOffset, SourcePartition, SourceRecord,
    SourceTask, SourceTaskContext, Value, async_trait, schemas,
};
use tokio::task::spawn_blocking;

use super::config::{Settings, TASK_ID};

/// How many times tasks of this partition were started before.
pub(crate) const TASK_GENERATION: &str = "task.generation";
/// Records made before, over all starts.
pub(crate) const CURRENT_ITERATION: &str = "current.iteration";
/// Seed of the next record's random numbers.
pub(crate) const RANDOM_SEED: &str = "random.seed";

/// The most records of a poll.
const MOST_RECORDS: usize = 500;
/// The longest wait of a poll.
const MAX_WAIT: Duration = Duration::from_secs(1);

pub(crate) struct DatagenTask {
    context: Arc<dyn SourceTaskContext>,
    settings: Settings,
    topic: ByteString,
    partition: Arc<SourcePartition>,
    generation: i64,
    count: i64,
    /// When the next record is due.
    due: Instant,
}

impl DatagenTask {
    pub(crate) async fn start(context: Arc<dyn SourceTaskContext>) -> Result<Self> {
        let (reach, props) = (context.reach().clone(), context.configs().clone());
        let read = spawn_blocking(move || Settings::read(&props, &reach)).await;
        let mut settings = read
            .map_err(|error| ConnectError::connect(error.to_string()))?
            .map_err(|faults| {
                let messages: Vec<String> = faults.into_iter().map(|fault| fault.message).collect();
                ConnectError::config(messages.join("; "))
            })?;
        let partition = SourcePartition::of(TASK_ID, settings.task);
        let (mut generation, mut count) = (0, 0);
        if let Some(offset) = context.offset_storage_reader().offset(&partition).await? {
            generation = stored(&offset, TASK_GENERATION)?;
            count = stored(&offset, CURRENT_ITERATION)?;
            settings.generator.seed(stored(&offset, RANDOM_SEED)?);
            settings.generator.skip(count);
        }
        let mut task = Self {
            context,
            topic: shared_name(&settings.topic),
            settings,
            partition: Arc::new(partition),
            generation,
            count,
            due: Instant::now(),
        };
        task.due = task.next_due(task.due);
        Ok(task)
    }

    /// When the record after this moment is due: a random time of whole milliseconds below the interval.
    fn next_due(&self, now: Instant) -> Instant {
        match self.settings.max_interval {
            0 => now,
            most => now + Duration::from_millis(rand::rng().random_range(0..most)),
        }
    }

    fn is_complete(&self) -> bool {
        let made = u64::try_from(self.count).unwrap_or(0);
        self.settings.iterations.is_some_and(|most| made >= most)
    }

    /// Waits for the next record, not for long; answers whether it is due.
    async fn is_due(&self) -> bool {
        let wait = self.due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return true;
        }
        let stopping = self.context.stopping();
        let stopped = tokio::time::timeout(wait.min(MAX_WAIT), stopping.cancelled()).await;
        stopped.is_err() && wait <= MAX_WAIT
    }

    fn make(&mut self) -> Result<SourceRecord> {
        let made = self.settings.generator.next()?;
        let mut record = ConnectRecord::new(self.topic.clone(), made.schema, made.value);
        let (schema, key) = self.key(&record.value)?;
        record = record.with_key(schema, key);
        record.headers = self.headers()?;
        let seed = self.settings.generator.reseed();
        self.count += 1;
        Ok(SourceRecord {
            record,
            source_partition: Some(Arc::clone(&self.partition)),
            source_offset: Some(
                SourceOffset::of(TASK_GENERATION, self.generation + 1)
                    .with(CURRENT_ITERATION, self.count)
                    .with(RANDOM_SEED, seed),
            ),
        })
    }

    /// The key field of a record, or null of optional text as in the JVM's task.
    fn key(&self, value: &Value) -> Result<(Option<Arc<sluice_api::Schema>>, Value)> {
        let keyfield = &self.settings.keyfield;
        if keyfield.is_empty() {
            return Ok((Some(schemas::OPTIONAL_STRING.clone()), Value::Null));
        }
        let field = value.as_struct().and_then(|record| {
            let field = record.schema().field(keyfield)?;
            Some((Arc::clone(field.schema()), record.get_field(field).clone()))
        });
        let (schema, key) = field.ok_or_else(|| {
            ConnectError::data(format!("a record without the key field {keyfield}"))
        })?;
        Ok((Some(schema), key))
    }

    fn headers(&self) -> Result<Headers> {
        let mut headers = Headers::with_capacity(3);
        for (name, number) in [
            (TASK_GENERATION, self.generation),
            (TASK_ID, self.settings.task.into()),
            (CURRENT_ITERATION, self.count),
        ] {
            let name = ByteString::from_static(name);
            headers.add(name, Some(schemas::INT64.clone()), Value::Int64(number))?;
        }
        Ok(headers)
    }
}

/// A number of a stored offset.
fn stored(offset: &SourceOffset, key: &str) -> Result<i64> {
    match offset.get(key) {
        Some(Value::Int64(number)) => Ok(*number),
        _ => Err(ConnectError::connect(format!(
            "the stored offset's field '{key}' is not a number"
        ))),
    }
}

#[async_trait]
impl SourceTask for DatagenTask {
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        if self.is_complete() {
            return Err(ConnectError::connect(format!(
                "Stopping connector: generated the configured {} number of messages",
                self.count
            )));
        }
        if !self.is_due().await {
            return Ok(None);
        }
        let mut records = Vec::new();
        let now = Instant::now();
        while self.due <= now && records.len() < MOST_RECORDS && !self.is_complete() {
            records.push(self.make()?);
            self.due = self.next_due(now);
        }
        Ok(Some(records))
    }
}
