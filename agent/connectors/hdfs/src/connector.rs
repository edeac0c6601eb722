//! The connector: it checks the configuration against HDFS; tasks share partitions as the consumer group
//! assigns them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use sluice_api::{ConnectError, KeyFault, Props, Result, TopicPartition, async_trait};
use sluice_toolkit::sink_connector::System;
use uuid::Uuid;

use crate::config::{HDFS_URL, SinkSettings, TOPICS_DIR};
use crate::error::{Fault, StoreError, StoreResult};
use crate::ownership::{TEMPORARY, last_offsets};
use crate::store::Store;

/// How long one call may take while a configuration is validated.
const PATIENCE: Duration = Duration::from_secs(10);

fn key_fault(key: &str, message: String) -> KeyFault {
    KeyFault {
        key: key.to_owned(),
        message,
    }
}

/// The connector's side of HDFS.
pub(crate) struct Hdfs;

/// Makes and deletes a folder where temporary files go.
async fn try_write(settings: &SinkSettings) -> StoreResult<()> {
    let mut connection = settings.connection.clone();
    connection.timeout = connection.timeout.min(PATIENCE);
    // Nobody wants to wait for a second attempt.
    for (key, value) in &mut connection.hadoop {
        if key == "dfs.client.failover.max.attempts" {
            "1".clone_into(value);
        }
    }
    let store = Store::new(&connection)?;
    let probe = format!(
        "{}/{TEMPORARY}/validation-{}",
        settings.topics_dir,
        Uuid::new_v4().simple()
    );
    store.make_folder(&probe).await?;
    store.delete(&probe).await
}

fn key_of(error: &StoreError) -> &'static str {
    match error.fault {
        Fault::Permission | Fault::Path | Fault::Quota | Fault::Exists => TOPICS_DIR,
        _ => HDFS_URL,
    }
}

#[async_trait]
impl System for Hdfs {
    fn starting(props: &Props) -> Result<()> {
        SinkSettings::parse(props).map(drop)
    }

    async fn validate(props: &Props) -> Vec<KeyFault> {
        let settings = match SinkSettings::parse(props) {
            Ok(settings) => settings,
            Err(error) => {
                let key = error.message().split(' ').next().unwrap_or_default();
                return vec![key_fault(
                    if props.contains_key(key) || crate::config::sink_def().contains(key) {
                        key
                    } else {
                        HDFS_URL
                    },
                    error.message().to_owned(),
                )];
            }
        };
        let faults = settings.faults(props);
        if !faults.is_empty() {
            return faults;
        }
        match try_write(&settings).await {
            Ok(()) => Vec::new(),
            Err(error) => vec![key_fault(key_of(&error), error.to_string())],
        }
    }

    async fn alter_offsets(
        props: &Props,
        offsets: &BTreeMap<TopicPartition, Option<i64>>,
    ) -> Result<()> {
        let settings = SinkSettings::parse(props)?;
        let store = Store::new(&settings.connection)?;
        let mut known: HashMap<&str, HashMap<i32, i64>> = HashMap::new();
        for (partition, wanted) in offsets {
            let topic: &str = &partition.topic;
            if !known.contains_key(topic) {
                known.insert(
                    topic,
                    last_offsets(&store, &settings.topics_dir, topic).await?,
                );
            }
            let last = known
                .get(topic)
                .and_then(|offsets| offsets.get(&partition.partition));
            if let Some(last) = last
                && *wanted != Some(last + 1)
            {
                return Err(ConnectError::connect(format!(
                    "the offset of {partition} cannot be changed: files in {}/{topic} at {} hold its records \
                     up to offset {last}, and the task goes on after them; move the files away, or use \
                     another topics.dir, to have them written again",
                    settings.topics_dir, settings.connection.url
                )));
            }
        }
        Ok(())
    }
}
