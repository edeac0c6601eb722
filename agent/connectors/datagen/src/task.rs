//! The task: paces itself and counts.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytestring::ByteString;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use sluice_api::record::shared_name;
use sluice_api::{
    ConnectError, ConnectRecord, Result, SourceOffset, SourcePartition, SourceRecord, SourceTask,
    SourceTaskContext, Value, async_trait, schemas,
};

use crate::config::TaskSettings;

pub(crate) const GENERATOR_FIELD: &str = "generator";
pub(crate) const TASK_FIELD: &str = "task";
pub(crate) const COUNT_FIELD: &str = "count";

/// The longest wait of a poll.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Arrears beyond this are forgotten, so that a pause is not followed by a flood.
const MAX_ARREARS_SECONDS: f64 = 1.0;

pub(crate) struct DatagenSourceTask {
    context: Arc<dyn SourceTaskContext>,
    settings: TaskSettings,
    topic: ByteString,
    partition: Arc<SourcePartition>,
    /// Records made so far, over restarts.
    count: u64,
    /// Records made since the start.
    made: u64,
    /// When the credit was last reckoned.
    reckoned: Instant,
    /// Records due.
    credit: f64,
}

/// Mixes seed, task and position to the seed of one record (splitmix64).
fn seed_of(seed: u64, task: u32, position: u64) -> u64 {
    let mut z = seed
        .wrapping_add(u64::from(task).wrapping_mul(0xD1B5_4A32_D192_ED03))
        .wrapping_add(position.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl DatagenSourceTask {
    pub(crate) async fn start(context: Arc<dyn SourceTaskContext>) -> Result<Self> {
        let settings = TaskSettings::parse(context.configs())?;
        let partition = SourcePartition::of(GENERATOR_FIELD, settings.generator.name())
            .with(TASK_FIELD, i64::from(settings.task));
        let stored = context.offset_storage_reader().offset(&partition).await?;
        let count = match stored.as_ref().and_then(|offset| offset.get(COUNT_FIELD)) {
            None | Some(Value::Null) => 0,
            Some(Value::Int64(count)) => u64::try_from(*count).unwrap_or(0),
            Some(_) => {
                return Err(ConnectError::connect(format!(
                    "the stored offset's field '{COUNT_FIELD}' is not a number"
                )));
            }
        };
        Ok(Self {
            context,
            topic: shared_name(&settings.topic),
            settings,
            partition: Arc::new(partition),
            count,
            made: 0,
            reckoned: Instant::now(),
            credit: 0.0,
        })
    }

    async fn wait(&self, time: Duration) {
        let stopping = self.context.stopping();
        // Either way the poll ends.
        let _ = tokio::time::timeout(time.min(MAX_WAIT), stopping.cancelled()).await;
    }

    /// How many records are due now; waits for the first if none is.
    async fn due(&mut self) -> usize {
        let mut most = self.settings.batch_size;
        if let Some(max) = self.settings.max_count {
            most = most.min(usize::try_from(max.saturating_sub(self.count)).unwrap_or(most));
        }
        if let Some(limit) = self.settings.fail_after {
            most = most.min(usize::try_from(limit.saturating_sub(self.made)).unwrap_or(most));
        }
        if most == 0 {
            self.wait(MAX_WAIT).await;
            return 0;
        }
        let rate = self.settings.rate;
        if rate <= 0.0 {
            return most;
        }
        self.reckon();
        if self.credit < 1.0 {
            let wait = Duration::try_from_secs_f64((1.0 - self.credit) / rate).unwrap_or(MAX_WAIT);
            // Not more than a few polls a second per task, however high the rate.
            self.wait(wait.max(Duration::from_millis(10))).await;
            self.reckon();
        }
        let due = (self.credit.floor() as usize).min(most);
        self.credit -= due as f64;
        due
    }

    fn reckon(&mut self) {
        let now = Instant::now();
        let rate = self.settings.rate;
        self.credit += now.duration_since(self.reckoned).as_secs_f64() * rate;
        self.credit = self.credit.min((rate * MAX_ARREARS_SECONDS).max(1.0));
        self.reckoned = now;
    }

    fn make(&mut self, now: i64) -> SourceRecord {
        let position = self.count;
        self.count += 1;
        self.made += 1;
        let settings = &self.settings;
        let mut rng = SmallRng::seed_from_u64(seed_of(settings.seed, settings.task, position));
        let content = settings.generator.content(&mut rng, position, now);
        let record = ConnectRecord::new(
            self.topic.clone(),
            Some(Arc::clone(settings.generator.schema())),
            content.value,
        )
        .with_key(Some(schemas::STRING.clone()), Value::String(content.key))
        .with_timestamp(Some(now));
        SourceRecord {
            record,
            source_partition: Some(Arc::clone(&self.partition)),
            source_offset: Some(SourceOffset::of(
                ByteString::from_static(COUNT_FIELD),
                Value::Int64(i64::try_from(self.count).unwrap_or(i64::MAX)),
            )),
        }
    }
}

fn now_millis() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(0)
}

#[async_trait]
impl SourceTask for DatagenSourceTask {
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        if let Some(limit) = self.settings.fail_after
            && self.made >= limit
        {
            return Err(ConnectError::connect(format!(
                "failing after {limit} records, as fail.after asks"
            )));
        }
        let due = self.due().await;
        if due == 0 {
            return Ok(None);
        }
        let now = now_millis();
        Ok(Some((0..due).map(|_| self.make(now)).collect()))
    }
}
