//! `MirrorCheckpointConnector`: finds consumer groups and gives them to tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use sluice_api::causes::with_causes;
use sluice_api::{
    Connector, ConnectorContext, KeyFault, Props, Result, SourceOffset, SourcePartition,
    async_trait,
};
use sluice_kafka::admin::{Admin, AdminError, ListedGroup};
use sluice_kafka::backoff::jittered;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::checkpoints::{self, Offsets};
use crate::clients;
use crate::config::{Location, MirrorConfig};
use crate::filter::Filter;
use crate::keys;
use crate::offsets::{self, Allowed};
use crate::schedule::{Ticks, first_found};
use crate::source_connector::create_compacted_topic;

/// Pause before the first search for groups is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// Groups asked for their offsets at the same time.
pub(crate) const GROUPS_AT_ONCE: usize = 8;

type Groups = BTreeSet<String>;

#[derive(Default)]
pub(crate) struct MirrorCheckpointConnector {
    running: Option<Running>,
}

struct Running {
    config: MirrorConfig,
    stopping: CancellationToken,
    /// Groups to replicate; `None` until they were found for the first time.
    groups: watch::Receiver<Option<Groups>>,
}

#[async_trait]
impl Connector for MirrorCheckpointConnector {
    async fn start(&mut self, context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()> {
        let config = MirrorConfig::parse(&keys::checkpoint_def(), props)?;
        let (found, groups) = watch::channel(None);
        let stopping = context.stopping().child_token();
        if config.enabled() && config.interval(keys::EMIT_CHECKPOINTS).is_some() {
            let search = Search::new(config.clone())?;
            let ended = stopping.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = search.run(&*context, &found) => {}
                    () = ended.cancelled() => {}
                }
            });
        } else {
            found.send_replace(Some(Groups::new()));
        }
        self.running = Some(Running {
            config,
            stopping,
            groups,
        });
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        let Some(running) = &mut self.running else {
            return Ok(Vec::new());
        };
        let groups = tokio::select! {
            found = first_found(&mut running.groups, running.config.admin_timeout, "consumer groups") => found?,
            () = running.stopping.cancelled() => return Ok(Vec::new()),
        };
        Ok(split(groups, max_tasks)
            .into_iter()
            .enumerate()
            .map(|(index, groups)| {
                running
                    .config
                    .task_config(keys::TASK_GROUPS, groups.join(","), index)
            })
            .collect())
    }

    async fn stop(&mut self) -> Result<()> {
        if let Some(running) = self.running.take() {
            running.stopping.cancel();
        }
        Ok(())
    }

    async fn validate(&self, props: &Props) -> Vec<KeyFault> {
        let is_off = |key: &str| props.get(key).map(String::as_str) == Some("false");
        if is_off(keys::ENABLED) {
            return Vec::new();
        }
        let mut faults = Vec::new();
        let emit_checkpoints = keys::enabled(keys::EMIT_CHECKPOINTS);
        if is_off(&emit_checkpoints) {
            faults.push(KeyFault {
                message: format!(
                    "MirrorCheckpointConnector can't run with {emit_checkpoints} set to false"
                ),
                key: emit_checkpoints,
            });
        }
        if is_off(keys::EMIT_OFFSET_SYNCS) {
            faults.push(KeyFault {
                key: keys::EMIT_OFFSET_SYNCS.to_owned(),
                message: "MirrorCheckpointConnector can't run without offset syncs".to_owned(),
            });
        }
        faults
    }

    async fn alter_source_offsets(
        &self,
        _props: &Props,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool> {
        offsets::check(offsets, &["group", "topic"], true, Allowed::Zero)?;
        Ok(true)
    }
}

/// Groups in runs of nearly equal length, one for each task (`ConnectorUtils.groupPartitions`).
fn split(groups: Groups, max_tasks: usize) -> Vec<Vec<String>> {
    let tasks = max_tasks.min(groups.len());
    if tasks == 0 {
        return Vec::new();
    }
    let (least, longer) = (groups.len() / tasks, groups.len() % tasks);
    let mut groups = groups.into_iter();
    (0..tasks)
        .map(|task| {
            let count = least + usize::from(task < longer);
            groups.by_ref().take(count).collect()
        })
        .collect()
}

/// Whether it is a group of consumers, or one that only has offsets.
pub(crate) fn is_consumer_group(group: &ListedGroup) -> bool {
    let classic = group.group_type.is_empty() || group.group_type.eq_ignore_ascii_case("classic");
    let consumer = group.group_type.eq_ignore_ascii_case("consumer");
    (classic || consumer) && matches!(&*group.protocol_type, "" | "consumer")
}

/// The work beside the tasks.
struct Search {
    config: MirrorConfig,
    topics: Filter,
    groups: Filter,
    source: Admin,
}

impl Search {
    fn new(config: MirrorConfig) -> Result<Self> {
        Ok(Self {
            topics: config.topic_filter()?,
            groups: config.group_filter()?,
            source: clients::admin(&config, Location::Source, "checkpoint-source-admin")?,
            config,
        })
    }

    async fn run(&self, context: &dyn ConnectorContext, found: &watch::Sender<Option<Groups>>) {
        self.create_checkpoints_topic().await;
        let mut known = loop {
            match self.find().await {
                Ok(groups) => break groups,
                Err(error) => {
                    let error = with_causes(&error);
                    let mirror = self.config.label();
                    tracing::error!(
                        mirror,
                        error,
                        "consumer groups were not found, will try again"
                    );
                    tokio::time::sleep(jittered(RETRY_PAUSE)).await;
                }
            }
        };
        tracing::info!(
            mirror = self.config.label(),
            groups = known.len(),
            "replicating consumer groups"
        );
        found.send_replace(Some(known.clone()));
        let mut refresh = Ticks::delayed(self.config.interval(keys::REFRESH_GROUPS));
        loop {
            refresh.next().await;
            match self.find().await {
                Ok(groups) if groups == known => {}
                Ok(groups) => {
                    tracing::info!(
                        mirror = self.config.label(),
                        new = groups.difference(&known).count(),
                        removed = known.difference(&groups).count(),
                        "consumer groups have changed"
                    );
                    known = groups;
                    found.send_replace(Some(known.clone()));
                    context.request_task_reconfiguration();
                }
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::error!(
                        mirror = self.config.label(),
                        error,
                        "refreshing consumer groups failed"
                    );
                }
            }
        }
    }

    async fn create_checkpoints_topic(&self) {
        match clients::admin(&self.config, Location::Target, "checkpoint-target-admin") {
            Ok(admin) => {
                let replicas = self.config.short(keys::CHECKPOINTS_REPLICATION_FACTOR);
                create_compacted_topic(&admin, &self.config.checkpoints_topic(), replicas).await;
            }
            Err(error) => {
                tracing::error!(mirror = self.config.label(), %error, "checkpoints have no admin client");
            }
        }
    }

    /// Groups that the filter accepts and that have an offset in an accepted topic.
    async fn find(&self) -> std::result::Result<Groups, AdminError> {
        let names = self
            .source
            .list_groups()
            .await?
            .into_iter()
            .filter(|group| is_consumer_group(group) && self.groups.accepts(&group.group))
            .map(|group| group.group);
        let offsets = offsets_of(&self.source, names).await?;
        Ok(offsets
            .into_iter()
            .filter(|(_, offsets)| {
                offsets
                    .keys()
                    .any(|partition| self.topics.accepts(&partition.topic))
            })
            .map(|(group, _)| group)
            .collect())
    }
}

/// Committed offsets of groups.
pub(crate) async fn offsets_of(
    admin: &Admin,
    groups: impl Iterator<Item = String>,
) -> std::result::Result<BTreeMap<String, Offsets>, AdminError> {
    futures::stream::iter(groups)
        .map(|group| async move {
            let offsets = admin.offsets(&group, false).await?;
            Ok((group, checkpoints::from_admin(offsets)))
        })
        .buffer_unordered(GROUPS_AT_ONCE)
        .try_collect()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_split_in_runs_of_nearly_equal_length() {
        let groups: Groups = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        assert_eq!(
            split(groups.clone(), 2),
            [vec!["a", "b", "c"], vec!["d", "e"]]
        );
        assert_eq!(split(groups, 9).len(), 5);
        assert!(split(Groups::new(), 3).is_empty());
    }

    #[tokio::test]
    async fn without_checkpoints_or_offset_syncs_it_cannot_run() {
        let props: Props = [
            ("emit.checkpoints.enabled", "false"),
            ("emit.offset-syncs.enabled", "false"),
        ]
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
        let connector = MirrorCheckpointConnector::default();
        let faults = connector.validate(&props).await;
        assert_eq!(
            faults[0].message,
            "MirrorCheckpointConnector can't run with emit.checkpoints.enabled set to false"
        );
        assert_eq!(
            faults[1].message,
            "MirrorCheckpointConnector can't run without offset syncs"
        );
        let mut off = props;
        off.insert(keys::ENABLED.to_owned(), "false".to_owned());
        assert!(connector.validate(&off).await.is_empty());
    }
}
