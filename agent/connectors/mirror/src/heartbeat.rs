//! `MirrorHeartbeatConnector` and its task.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_api::{
    Connector, ConnectorContext, Props, Result, SourceOffset, SourcePartition, SourceRecord,
    SourceTask, SourceTaskContext, async_trait,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clients;
use crate::config::{Location, MirrorConfig};
use crate::format::{self, Heartbeat};
use crate::keys;
use crate::offsets::{self, Allowed};
use crate::source_connector::create_compacted_topic;

/// The longest wait of a poll.
const MOST_WAIT: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct MirrorHeartbeatConnector {
    running: Option<RunningConnector>,
}

struct RunningConnector {
    config: MirrorConfig,
    stopping: CancellationToken,
    /// Ends when the topic is there, or can't be made.
    created: Option<JoinHandle<()>>,
}

#[async_trait]
impl Connector for MirrorHeartbeatConnector {
    async fn start(&mut self, context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()> {
        let config = MirrorConfig::parse(&keys::heartbeat_def(), props)?;
        let admin = clients::admin(&config, Location::Target, "heartbeats-target-admin")?;
        let topic = config.policy.heartbeats_topic();
        let replicas = config.short(keys::HEARTBEATS_REPLICATION_FACTOR);
        let stopping = context.stopping().child_token();
        let ended = stopping.clone();
        let created = tokio::spawn(async move {
            tokio::select! {
                () = create_compacted_topic(&admin, topic, replicas) => {}
                () = ended.cancelled() => {}
            }
        });
        self.running = Some(RunningConnector {
            config,
            stopping,
            created: Some(created),
        });
        Ok(())
    }

    async fn task_configs(&mut self, _max_tasks: usize) -> Result<Vec<Props>> {
        let Some(running) = &mut self.running else {
            return Ok(Vec::new());
        };
        if running.config.interval(keys::EMIT_HEARTBEATS).is_none() {
            return Ok(Vec::new());
        }
        // A task that came first would let the broker make another topic than we want.
        if let Some(created) = running.created.take() {
            let _ = tokio::time::timeout(running.config.admin_timeout, created).await;
        }
        Ok(vec![running.config.props.clone()])
    }

    async fn stop(&mut self) -> Result<()> {
        if let Some(running) = self.running.take() {
            running.stopping.cancel();
        }
        Ok(())
    }

    async fn alter_source_offsets(
        &self,
        _props: &Props,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool> {
        let texts = ["sourceClusterAlias", "targetClusterAlias"];
        offsets::check(offsets, &texts, false, Allowed::Zero)?;
        Ok(true)
    }
}

pub(crate) struct MirrorHeartbeatTask {
    config: MirrorConfig,
    stopping: CancellationToken,
    interval: Duration,
    due: Instant,
}

impl MirrorHeartbeatTask {
    pub(crate) async fn start(context: Arc<dyn SourceTaskContext>) -> Result<Self> {
        let config = MirrorConfig::parse(&keys::heartbeat_def(), context.configs())?;
        let interval = config
            .interval(keys::EMIT_HEARTBEATS)
            .unwrap_or_default()
            .max(Duration::from_millis(10));
        Ok(Self {
            config,
            stopping: context.stopping(),
            interval,
            due: Instant::now() + interval,
        })
    }
}

#[async_trait]
impl SourceTask for MirrorHeartbeatTask {
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        let wake = self.due.min(Instant::now() + MOST_WAIT);
        tokio::select! {
            () = tokio::time::sleep_until(wake) => {}
            () = self.stopping.cancelled() => return Ok(None),
        }
        if Instant::now() < self.due {
            return Ok(None);
        }
        self.due = Instant::now() + self.interval;
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let heartbeat = Heartbeat {
            source_alias: self.config.source_alias.clone(),
            target_alias: self.config.target_alias.clone(),
            timestamp: i64::try_from(elapsed.as_millis()).unwrap_or(0),
        };
        Ok(Some(vec![format::internal_record(
            self.config.policy.heartbeats_topic(),
            heartbeat.source_partition(),
            heartbeat.key(),
            heartbeat.value(),
            heartbeat.timestamp,
        )]))
    }
}
