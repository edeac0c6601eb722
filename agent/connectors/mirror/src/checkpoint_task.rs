//! `MirrorCheckpointTask`: writes translated offsets of its groups, and commits them on the target if wanted.
//!
//! A future beside the task reads earlier checkpoints, then follows the offset syncs, and commits; `poll`
//! only translates.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt as _;
use parking_lot::Mutex;
use sluice_api::causes::with_causes;
use sluice_api::{Result, SourceRecord, SourceTask, SourceTaskContext, async_trait};
use sluice_kafka::admin::{Admin, AdminError};
use sluice_kafka::backoff::jittered;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::checkpoint_connector::{GROUPS_AT_ONCE, is_consumer_group, offsets_of};
use crate::checkpoints::{self, Checkpoints, Offsets};
use crate::clients;
use crate::config::{Location, MirrorConfig};
use crate::filter::Filter;
use crate::format::{self, Checkpoint, OffsetSync};
use crate::keys;
use crate::offset_sync_store::OffsetSyncStore;
use crate::schedule::Ticks;
use crate::topic_reader::TopicReader;

/// The longest wait of a poll.
const MOST_WAIT: Duration = Duration::from_secs(1);
/// Pause before a topic that could not be read is read again.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct MirrorCheckpointTask {
    shared: Arc<Shared>,
    source: Admin,
    topics: Filter,
    stopping: CancellationToken,
    interval: Duration,
    due: Instant,
    follower: JoinHandle<()>,
    ended: CancellationToken,
}

/// What the task and the future beside it both know.
struct Shared {
    config: MirrorConfig,
    groups: Vec<String>,
    state: Mutex<State>,
}

struct State {
    /// `None` until earlier checkpoints were read.
    checkpoints: Option<Checkpoints>,
    syncs: OffsetSyncStore,
}

impl MirrorCheckpointTask {
    pub(crate) async fn start(context: Arc<dyn SourceTaskContext>) -> Result<Self> {
        let config = MirrorConfig::parse(&keys::checkpoint_def(), context.configs())?;
        let source = clients::admin(&config, Location::Source, "checkpoint-source-admin")?;
        let topics = config.topic_filter()?;
        let interval = config
            .interval(keys::EMIT_CHECKPOINTS)
            .unwrap_or_default()
            .max(Duration::from_millis(10));
        let groups = config.task_groups();
        tracing::info!(
            mirror = config.label(),
            groups = groups.len(),
            "checkpointing consumer groups"
        );
        let shared = Arc::new(Shared {
            config,
            groups,
            state: Mutex::new(State {
                checkpoints: None,
                syncs: OffsetSyncStore::new(false),
            }),
        });
        let ended = CancellationToken::new();
        let follower = Follower {
            target: clients::admin(&shared.config, Location::Target, "checkpoint-target-admin")?,
            shared: Arc::clone(&shared),
            ended: ended.clone(),
        };
        Ok(Self {
            shared,
            source,
            topics,
            stopping: context.stopping(),
            interval,
            due: Instant::now() + interval,
            follower: tokio::spawn(follower.run()),
            ended,
        })
    }
}

#[async_trait]
impl SourceTask for MirrorCheckpointTask {
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        let wake = self.due.min(Instant::now() + MOST_WAIT);
        tokio::select! {
            () = tokio::time::sleep_until(wake) => {}
            () = self.stopping.cancelled() => return Ok(None),
        }
        if Instant::now() < self.due {
            return Ok(None);
        }
        let records = tokio::select! {
            records = self.checkpoint() => records,
            () = self.stopping.cancelled() => return Ok(None),
        };
        self.due = Instant::now() + self.interval;
        Ok(Some(records).filter(|records| !records.is_empty()))
    }

    async fn stop(self: Box<Self>) -> Result<()> {
        self.ended.cancel();
        if self.follower.await.is_err() {
            tracing::warn!("reading offset syncs panicked");
        }
        Ok(())
    }
}

fn now_millis() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(0)
}

impl MirrorCheckpointTask {
    /// Records for everything that is news about the groups.
    async fn checkpoint(&self) -> Vec<SourceRecord> {
        if self.shared.state.lock().checkpoints.is_none() {
            return Vec::new();
        }
        let answers: Vec<_> = futures::stream::iter(self.shared.groups.clone())
            .map(|group| async move {
                let offsets = self.source.offsets(&group, false).await;
                (group, offsets.map(checkpoints::from_admin))
            })
            .buffered(GROUPS_AT_ONCE)
            .collect()
            .await;
        let topic = self.shared.config.checkpoints_topic();
        let timestamp = now_millis();
        let mut records = Vec::new();
        for (group, offsets) in answers {
            match offsets {
                Ok(offsets) => {
                    for checkpoint in self.news(&group, &offsets) {
                        records.push(format::internal_record(
                            &topic,
                            checkpoint.source_partition(),
                            checkpoint.key(),
                            checkpoint.value(),
                            timestamp,
                        ));
                    }
                }
                Err(error) => {
                    let error = with_causes(&error);
                    let mirror = self.shared.config.label();
                    tracing::error!(mirror, group, error, "offsets of the group are not known");
                }
            }
        }
        records
    }

    /// New checkpoints of a group, which count as written from now on.
    fn news(&self, group: &str, offsets: &Offsets) -> Vec<Checkpoint> {
        let config = &self.shared.config;
        let aliases = (&*config.source_alias, &*config.target_alias);
        let mut state = self.shared.state.lock();
        let State { checkpoints, syncs } = &mut *state;
        let Some(known) = checkpoints else {
            return Vec::new();
        };
        let mut news = Vec::new();
        for (partition, committed) in offsets {
            if !self.topics.accepts(&partition.topic) {
                continue;
            }
            let found =
                checkpoints::translate(syncs, &config.policy, aliases, group, partition, committed);
            if let Some(checkpoint) = found.filter(|checkpoint| known.is_news(checkpoint)) {
                known.add(checkpoint.clone());
                news.push(checkpoint);
            }
        }
        news
    }
}

/// The future beside the task.
struct Follower {
    shared: Arc<Shared>,
    target: Admin,
    ended: CancellationToken,
}

impl Follower {
    async fn run(self) {
        let ended = self.ended.clone();
        let known = tokio::select! {
            known = self.read_checkpoints() => known,
            () = ended.cancelled() => return,
        };
        {
            let mut state = self.shared.state.lock();
            // Without earlier checkpoints only syncs from now on are safe.
            state.syncs = OffsetSyncStore::new(known.is_none());
            state.checkpoints = Some(known.unwrap_or_default());
        }
        tokio::join!(self.follow_syncs(), async {
            tokio::select! {
                () = self.commit_offsets() => {}
                () = ended.cancelled() => {}
            }
        });
    }

    /// Earlier checkpoints of the groups; `None` if they can't be read.
    async fn read_checkpoints(&self) -> Option<Checkpoints> {
        let config = &self.shared.config;
        let topic = config.checkpoints_topic();
        let read = async {
            let mut reader = TopicReader::new(
                config,
                Location::Target,
                "checkpoints-target-consumer",
                topic.clone(),
            )?;
            let groups: HashSet<&str> = self.shared.groups.iter().map(String::as_str).collect();
            let mut known = Checkpoints::default();
            loop {
                let found = reader.next().await?;
                let at_end = found.at_end;
                for record in found.records {
                    let (Some(key), Some(value)) = (&record.key, &record.value) else {
                        continue;
                    };
                    match Checkpoint::read(key, value) {
                        Ok(checkpoint) if groups.contains(&*checkpoint.group) => {
                            known.add(checkpoint);
                        }
                        Ok(_) => {}
                        Err(error) => {
                            let offset = record.offset;
                            tracing::warn!(topic, offset, %error, "ignored a record that is no checkpoint");
                        }
                    }
                }
                if at_end {
                    reader.close().await;
                    return Ok::<_, sluice_api::ConnectError>(known);
                }
            }
        };
        let why = match tokio::time::timeout(config.admin_timeout, read).await {
            Ok(Ok(known)) => return Some(known),
            Ok(Err(error)) => error.message().to_owned(),
            Err(_) => "it was not read in time".to_owned(),
        };
        tracing::warn!(
            mirror = config.label(),
            topic,
            why,
            "checkpoints can't be read: only what is mirrored from now on will be translated"
        );
        None
    }

    /// Reads the offset syncs until the task ends.
    async fn follow_syncs(&self) {
        while !self.ended.is_cancelled() {
            if let Err(error) = self.read_syncs().await {
                tracing::error!(
                    mirror = self.shared.config.label(),
                    %error,
                    "offset syncs can't be read, will try again"
                );
                tokio::select! {
                    () = tokio::time::sleep(jittered(RETRY_PAUSE)) => {}
                    () = self.ended.cancelled() => {}
                }
            }
        }
    }

    async fn read_syncs(&self) -> Result<()> {
        let config = &self.shared.config;
        let (location, role) = match config.offset_syncs_location() {
            Location::Source => (Location::Source, "offset-syncs-source-consumer"),
            Location::Target => (Location::Target, "offset-syncs-target-consumer"),
        };
        let topic = config.offset_syncs_topic();
        let mut reader = TopicReader::new(config, location, role, topic.clone())?;
        let outcome = loop {
            let found = tokio::select! {
                found = reader.next() => found,
                () = self.ended.cancelled() => break Ok(()),
            };
            let found = match found {
                Ok(found) => found,
                Err(error) => break Err(error),
            };
            let at_end = found.at_end;
            let mut state = self.shared.state.lock();
            for record in found.records {
                let (Some(key), Some(value)) = (&record.key, &record.value) else {
                    continue;
                };
                match OffsetSync::read(key, value) {
                    Ok(sync) => state.syncs.add(&sync),
                    Err(error) => {
                        let offset = record.offset;
                        tracing::warn!(topic, offset, %error, "ignored a record that is no offset sync");
                    }
                }
            }
            if at_end {
                state.syncs.set_complete();
            }
        };
        reader.close().await;
        outcome
    }

    /// Commits translated offsets again and again; not at all if that is switched off.
    async fn commit_offsets(&self) {
        let mut ticks = Ticks::delayed(self.shared.config.interval(keys::SYNC_GROUP_OFFSETS));
        loop {
            ticks.next().await;
            if let Err(error) = self.commit_once().await {
                let error = with_causes(&error);
                tracing::error!(
                    mirror = self.shared.config.label(),
                    error,
                    "groups of the target are not known, their offsets are not synced"
                );
            }
        }
    }

    async fn commit_once(&self) -> std::result::Result<(), AdminError> {
        let translated: BTreeMap<String, Offsets> = {
            let state = self.shared.state.lock();
            let Some(known) = &state.checkpoints else {
                return Ok(());
            };
            let groups = self.shared.groups.iter();
            groups
                .map(|group| (group.clone(), known.translated(group)))
                .filter(|(_, offsets)| !offsets.is_empty())
                .collect()
        };
        if translated.is_empty() {
            return Ok(());
        }
        let idle = self.idle_groups(&translated).await?;
        for (group, offsets) in translated {
            let Some(on_target) = idle.get(&group) else {
                // Somebody reads there: what is committed is theirs.
                continue;
            };
            let wanted = checkpoints::to_commit(offsets, on_target);
            if wanted.is_empty() {
                continue;
            }
            match self
                .target
                .alter_offsets(&group, &checkpoints::to_admin(&wanted))
                .await
            {
                Ok(()) => tracing::debug!(group, partitions = wanted.len(), "offsets were synced"),
                Err(error) if error.group_has_members() => {
                    tracing::warn!(
                        group,
                        "offsets are not synced: consumers use the group on the target"
                    );
                }
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::error!(group, error, "offsets of the group were not synced");
                }
            }
        }
        Ok(())
    }

    /// Offsets on the target of those groups that nobody uses there, none for a group that does not exist.
    async fn idle_groups(
        &self,
        wanted: &BTreeMap<String, Offsets>,
    ) -> std::result::Result<BTreeMap<String, Offsets>, AdminError> {
        let mut idle = Vec::new();
        let mut absent: HashSet<&str> = wanted.keys().map(String::as_str).collect();
        for listed in self.target.list_groups().await? {
            if !absent.remove(&*listed.group) {
                continue;
            }
            let state = if listed.state.is_empty() {
                // Brokers before 2.6 don't tell.
                let described = self.target.describe_group(&listed.group).await?;
                described.map_or_else(|| EMPTY.to_owned(), |group| group.state)
            } else {
                listed.state.clone()
            };
            if is_consumer_group(&listed) && state.eq_ignore_ascii_case(EMPTY) {
                idle.push(listed.group);
            }
        }
        let mut offsets = offsets_of(&self.target, idle.into_iter()).await?;
        offsets.extend(
            absent
                .into_iter()
                .map(|group| (group.to_owned(), Offsets::new())),
        );
        Ok(offsets)
    }
}

/// State of a group without members.
const EMPTY: &str = "Empty";
