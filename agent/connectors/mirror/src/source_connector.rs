//! `MirrorSourceConnector`: finds topics, makes their copies, keeps configs and ACLs up to date, and gives
//! partitions to tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use sluice_api::causes::with_causes;
use sluice_api::{
    ConnectError, Connector, ConnectorContext, ExactlyOnceSupport, KeyFault, Props, Result,
    SourceOffset, SourcePartition, async_trait,
};
use sluice_kafka::admin::{
    Admin, AdminError, ConfigChange, ConfigEntry, ConfigSource, NewTopic, TopicAcl,
};
use sluice_kafka::backoff::jittered;
use sluice_kafka::client::keys::ClientKind;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clients;
use crate::config::{Location, MirrorConfig};
use crate::filter::{Filter, Patterns};
use crate::keys;
use crate::offsets::{self, Allowed};
use crate::schedule::{Ticks, first_found};

/// Pause before the first search for topics is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// Topics and the number of their partitions.
type Topics = BTreeMap<String, i32>;

#[derive(Default)]
pub(crate) struct MirrorSourceConnector {
    running: Option<Running>,
}

struct Running {
    config: MirrorConfig,
    stopping: CancellationToken,
    /// Topics to replicate; `None` until they were found for the first time.
    topics: watch::Receiver<Option<Topics>>,
}

#[async_trait]
impl Connector for MirrorSourceConnector {
    async fn start(&mut self, context: Arc<dyn ConnectorContext>, props: &Props) -> Result<()> {
        let config = MirrorConfig::parse(&keys::source_def(), props)?;
        let (found, topics) = watch::channel(None);
        let stopping = context.stopping().child_token();
        if config.enabled() {
            let replication = Replication::new(config.clone())?;
            tokio::spawn(replication.run(context, found, stopping.clone()));
        } else {
            found.send_replace(Some(Topics::new()));
        }
        self.running = Some(Running {
            config,
            stopping,
            topics,
        });
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>> {
        let Some(running) = &mut self.running else {
            return Ok(Vec::new());
        };
        let topics = tokio::select! {
            found = first_found(&mut running.topics, running.config.admin_timeout, "topics") => found?,
            () = running.stopping.cancelled() => return Ok(Vec::new()),
        };
        Ok(spread(&topics, max_tasks)
            .into_iter()
            .enumerate()
            .map(|(index, partitions)| {
                running
                    .config
                    .task_config(keys::TASK_PARTITIONS, partitions.join(","), index)
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
        let mut faults = Vec::new();
        if props.get("exactly.once.support").map(String::as_str) == Some("required")
            && !reads_committed(props)
        {
            faults.push(KeyFault {
                key: "exactly.once.support".to_owned(),
                message: "MirrorSourceConnector can only provide exactly-once guarantees when its source \
                          consumer is configured with isolation.level set to 'read_committed'; otherwise, \
                          records from aborted and uncommitted transactions will be replicated from the \
                          source cluster to the target cluster."
                    .to_owned(),
            });
        }
        let syncs_set_up = props
            .keys()
            .any(|key| key.starts_with("offset-syncs-") || key.starts_with("offset-syncs.topic."));
        if props.get(keys::EMIT_OFFSET_SYNCS).map(String::as_str) == Some("false") && syncs_set_up {
            faults.push(KeyFault {
                key: keys::EMIT_OFFSET_SYNCS.to_owned(),
                message: format!(
                    "MirrorSourceConnector can't setup offset-syncs feature while {} set to false",
                    keys::EMIT_OFFSET_SYNCS
                ),
            });
        }
        faults
    }

    async fn exactly_once_support(&self, props: &Props) -> Result<Option<ExactlyOnceSupport>> {
        Ok(Some(reads_committed(props).into()))
    }

    async fn alter_source_offsets(
        &self,
        _props: &Props,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> Result<bool> {
        offsets::check(offsets, &["cluster", "topic"], true, Allowed::NotNegative)?;
        Ok(true)
    }
}

fn reads_committed(props: &Props) -> bool {
    clients::client_props(props, Location::Source, ClientKind::Consumer)
        .get("isolation.level")
        .is_some_and(|level| level == "read_committed")
}

/// Partitions in turn to tasks, as texts of task configs: topics differ in traffic, so each task gets of
/// each.
fn spread(topics: &Topics, max_tasks: usize) -> Vec<Vec<String>> {
    let partitions: Vec<String> = topics
        .iter()
        .flat_map(|(topic, count)| (0..*count).map(move |partition| format!("{topic}-{partition}")))
        .collect();
    let tasks = max_tasks.min(partitions.len());
    let mut spread = vec![Vec::new(); tasks];
    for (index, partition) in partitions.into_iter().enumerate() {
        if let Some(task) = spread.get_mut(index % tasks) {
            task.push(partition);
        }
    }
    spread
}

/// The work beside the tasks.
struct Replication {
    config: MirrorConfig,
    filter: Filter,
    excluded_configs: Patterns,
    source: Admin,
    target: Admin,
    known_source: Topics,
    known_target: Topics,
    told_of_no_authorizer: bool,
}

impl Replication {
    fn new(config: MirrorConfig) -> Result<Self> {
        Ok(Self {
            filter: config.topic_filter()?,
            excluded_configs: config.excluded_configs()?,
            source: clients::admin(&config, Location::Source, "replication-source-admin")?,
            target: clients::admin(&config, Location::Target, "replication-target-admin")?,
            known_source: Topics::new(),
            known_target: Topics::new(),
            told_of_no_authorizer: false,
            config,
        })
    }

    async fn run(
        mut self,
        context: Arc<dyn ConnectorContext>,
        found: watch::Sender<Option<Topics>>,
        stopping: CancellationToken,
    ) {
        tokio::select! {
            () = self.work(&*context, &found) => {}
            () = stopping.cancelled() => {}
        }
    }

    async fn work(
        &mut self,
        context: &dyn ConnectorContext,
        found: &watch::Sender<Option<Topics>>,
    ) {
        self.create_offset_syncs_topic().await;
        while let Err(error) = self.load().await {
            let error = with_causes(&error);
            tracing::error!(
                mirror = self.config.label(),
                error,
                "topics were not found, will try again"
            );
            tokio::time::sleep(jittered(RETRY_PAUSE)).await;
        }
        tracing::info!(
            mirror = self.config.label(),
            topics = self.known_source.len(),
            "replicating topics"
        );
        found.send_replace(Some(self.known_source.clone()));
        let mut acls = Ticks::at_once(self.config.interval(keys::SYNC_TOPIC_ACLS));
        let mut configs = Ticks::at_once(self.config.interval(keys::SYNC_TOPIC_CONFIGS));
        let mut refresh = Ticks::delayed(self.config.interval(keys::REFRESH_TOPICS));
        loop {
            let (doing, done) = tokio::select! {
                biased;
                () = refresh.next() => {
                    let refreshed = self.refresh().await.map(|changed| {
                        if changed {
                            found.send_replace(Some(self.known_source.clone()));
                            context.request_task_reconfiguration();
                        }
                    });
                    ("refreshing topics", refreshed)
                }
                () = acls.next() => ("syncing topic ACLs", self.sync_acls().await),
                () = configs.next() => ("syncing topic configs", self.sync_configs(context).await),
            };
            if let Err(error) = done {
                let error = with_causes(&error);
                tracing::error!(mirror = self.config.label(), error, "{doing} failed");
            }
        }
    }

    async fn create_offset_syncs_topic(&self) {
        if !self.config.boolean(keys::EMIT_OFFSET_SYNCS) {
            return;
        }
        let (admin, role) = match self.config.offset_syncs_location() {
            Location::Source => (Location::Source, "offset-syncs-source-admin"),
            Location::Target => (Location::Target, "offset-syncs-target-admin"),
        };
        let admin = match clients::admin(&self.config, admin, role) {
            Ok(admin) => admin,
            Err(error) => {
                tracing::error!(mirror = self.config.label(), %error, "offset syncs have no admin client");
                return;
            }
        };
        let replicas = self.config.short(keys::OFFSET_SYNCS_REPLICATION_FACTOR);
        create_compacted_topic(&admin, &self.config.offset_syncs_topic(), replicas).await;
    }

    async fn load(&mut self) -> std::result::Result<(), AdminError> {
        self.known_source = self.find_source().await?;
        self.known_target = self.find_target().await?;
        self.create_missing().await?;
        self.known_target = self.find_target().await?;
        Ok(())
    }

    async fn find_source(&self) -> std::result::Result<Topics, AdminError> {
        let mut topics = self.source.topics().await?;
        topics.retain(|topic, _| self.replicates(topic));
        Ok(topics)
    }

    async fn find_target(&self) -> std::result::Result<Topics, AdminError> {
        let checkpoints = self.config.checkpoints_topic();
        let mut topics = self.target.topics().await?;
        topics.retain(|topic, _| {
            self.config.policy.source(topic) == Some(&*self.config.source_alias)
                && *topic != checkpoints
        });
        Ok(topics)
    }

    fn replicates(&self, topic: &str) -> bool {
        let policy = &self.config.policy;
        let wanted = self.filter.accepts(topic)
            || (self.config.boolean(keys::HEARTBEATS_REPLICATION)
                && policy.is_heartbeats_topic(topic));
        wanted
            && !policy.is_internal_topic(topic)
            && !policy.is_cycle(topic, &self.config.target_alias)
    }

    fn remote(&self, topic: &str) -> String {
        self.config
            .policy
            .remote_topic(&self.config.source_alias, topic)
    }

    /// Looks for new topics and partitions; true if tasks have to change.
    async fn refresh(&mut self) -> std::result::Result<bool, AdminError> {
        let source = self.find_source().await?;
        let target = self.find_target().await?;
        let missing = source.iter().any(|(topic, count)| {
            target
                .get(&self.remote(topic))
                .is_none_or(|there| there < count)
        });
        self.known_target = target;
        if source == self.known_source && !missing {
            return Ok(false);
        }
        let names = |topics: &Topics| topics.keys().cloned().collect::<BTreeSet<String>>();
        let (before, now) = (names(&self.known_source), names(&source));
        tracing::info!(
            mirror = self.config.label(),
            new = ?before_not_in(&now, &before),
            deleted = ?before_not_in(&before, &now),
            missing,
            "topics have changed"
        );
        self.known_source = source;
        self.create_missing().await?;
        Ok(true)
    }

    /// Creates topics and partitions that the target lacks.
    async fn create_missing(&self) -> std::result::Result<(), AdminError> {
        let mut new_topics = Vec::new();
        let mut grown = BTreeMap::new();
        for (topic, count) in &self.known_source {
            match self.known_target.get(&self.remote(topic)) {
                None => new_topics.push(topic.clone()),
                Some(there) if there < count => {
                    grown.insert(self.remote(topic), *count);
                }
                Some(_) => {}
            }
        }
        self.create_topics(&new_topics).await?;
        for (topic, outcome) in self.target.create_partitions(&grown).await? {
            match outcome {
                Ok(()) => tracing::info!(
                    topic,
                    partitions = grown.get(&topic),
                    "partitions were added"
                ),
                Err(refusal) if refusal.error == ResponseError::InvalidPartitions => {}
                Err(refusal) => tracing::warn!(topic, %refusal, "partitions were not added"),
            }
        }
        Ok(())
    }

    async fn create_topics(&self, topics: &[String]) -> std::result::Result<(), AdminError> {
        let configs = self.source.describe_configs(topics).await?;
        let new: Vec<NewTopic> = configs
            .into_iter()
            .filter_map(|(topic, configs)| {
                Some(NewTopic {
                    name: self.remote(&topic),
                    partitions: *self.known_source.get(&topic)?,
                    replication_factor: self.config.replication_factor(),
                    configs: configs
                        .into_iter()
                        .filter(|config| self.copies_config(config, false))
                        .filter_map(|config| Some((config.name, config.value?)))
                        .collect(),
                })
            })
            .collect();
        for (topic, outcome) in self.target.create_topics(&new).await? {
            match outcome {
                Ok(()) => tracing::info!(topic, "topic was created"),
                Err(refusal) => tracing::warn!(topic, %refusal, "topic was not created"),
            }
        }
        Ok(())
    }

    /// Whether a config is brought to the target. With `deleting`, a default counts too, since it undoes what
    /// is set there.
    fn copies_config(&self, config: &ConfigEntry, deleting: bool) -> bool {
        let from_source = config.source != ConfigSource::Default
            || deleting
            || self.config.uses_source_defaults();
        from_source
            && !config.read_only
            && !config.sensitive
            && config.source != ConfigSource::StaticBroker
            && !self.excluded_configs.matches(&config.name)
    }

    async fn sync_configs(
        &self,
        context: &dyn ConnectorContext,
    ) -> std::result::Result<(), AdminError> {
        let topics: Vec<String> = self
            .known_source
            .keys()
            .filter(|topic| self.known_target.contains_key(&self.remote(topic)))
            .cloned()
            .collect();
        let changes: BTreeMap<String, Vec<ConfigChange>> = self
            .source
            .describe_configs(&topics)
            .await?
            .into_iter()
            .map(|(topic, configs)| {
                let changes = configs
                    .into_iter()
                    .filter(|config| self.copies_config(config, true))
                    .map(|config| match config.source {
                        ConfigSource::Default if !self.config.uses_source_defaults() => {
                            ConfigChange::Delete(config.name)
                        }
                        _ => ConfigChange::Set(config.name, config.value),
                    })
                    .collect();
                (self.remote(&topic), changes)
            })
            .collect();
        let answers = match self.target.alter_configs(&changes).await {
            Err(error) if error.is_unsupported() => {
                context.raise_error(ConnectError::connect(format!(
                    "the target cluster '{}' is not compatible with IncrementalAlterConfigs API",
                    self.config.target_alias
                )));
                return Ok(());
            }
            other => other?,
        };
        for (topic, outcome) in answers {
            if let Err(refusal) = outcome {
                tracing::warn!(topic, %refusal, "configs of the topic were not changed");
            }
        }
        Ok(())
    }

    async fn sync_acls(&mut self) -> std::result::Result<(), AdminError> {
        let Some(acls) = self.source.topic_acls().await? else {
            if !std::mem::replace(&mut self.told_of_no_authorizer, true) {
                tracing::info!(
                    mirror = self.config.label(),
                    "the source cluster has no authorizer, so there are no ACLs to bring to the target; \
                     sync.topic.acls.enabled=false saves asking"
                );
            }
            return Ok(());
        };
        let wanted: Vec<TopicAcl> = acls
            .into_iter()
            .filter(|acl| acl.pattern_type == LITERAL && self.replicates(&acl.topic))
            .filter_map(|acl| self.target_acl(acl))
            .collect();
        let outcomes = self.target.create_acls(&wanted).await?;
        for (acl, outcome) in wanted.iter().zip(outcomes) {
            if let Err(refusal) = outcome {
                tracing::warn!(topic = acl.topic, %refusal, "an ACL of the topic was not created");
            }
        }
        Ok(())
    }

    /// What may be done on the source, as it is on the target: nobody but MirrorMaker writes there.
    fn target_acl(&self, acl: TopicAcl) -> Option<TopicAcl> {
        let operation = match (acl.permission_type, acl.operation) {
            (ALLOW, WRITE) => return None,
            (ALLOW, ALL) => READ,
            (_, operation) => operation,
        };
        Some(TopicAcl {
            topic: self.remote(&acl.topic),
            operation,
            ..acl
        })
    }
}

/// `PatternType.LITERAL`.
const LITERAL: i8 = 3;
/// `AclPermissionType.ALLOW`.
const ALLOW: i8 = 3;
/// `AclOperation.ALL`.
const ALL: i8 = 2;
/// `AclOperation.READ`.
const READ: i8 = 3;
/// `AclOperation.WRITE`.
const WRITE: i8 = 4;

fn before_not_in(these: &BTreeSet<String>, those: &BTreeSet<String>) -> Vec<String> {
    const MOST_SHOWN: usize = 20;
    these.difference(those).take(MOST_SHOWN).cloned().collect()
}

/// Creates a topic of MirrorMaker's own: one partition, compacted. One that exists is fine, any failure is
/// logged.
pub(crate) async fn create_compacted_topic(admin: &Admin, topic: &str, replicas: i16) {
    let new = NewTopic {
        name: topic.to_owned(),
        partitions: 1,
        replication_factor: replicas,
        configs: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
    };
    match admin.create_topics(&[new]).await {
        Ok(outcomes) => match outcomes.get(topic) {
            Some(Err(refusal)) if refusal.error == ResponseError::TopicAlreadyExists => {}
            Some(Err(refusal)) => tracing::error!(topic, %refusal, "topic was not created"),
            Some(Ok(())) | None => tracing::info!(topic, "topic was created"),
        },
        Err(error) => {
            let error = with_causes(&error);
            tracing::error!(topic, error, "topic was not created");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(keys: &[(&str, &str)]) -> MirrorConfig {
        let mut props: Props = [
            (keys::SOURCE_ALIAS, "a"),
            (keys::TARGET_ALIAS, "b"),
            ("source.cluster.bootstrap.servers", "127.0.0.1:1"),
            ("target.cluster.bootstrap.servers", "127.0.0.1:1"),
        ]
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
        props.extend(keys.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        MirrorConfig::parse(&keys::source_def(), &props).unwrap()
    }

    fn replication(keys: &[(&str, &str)]) -> Replication {
        Replication::new(config(keys)).unwrap()
    }

    #[test]
    fn partitions_go_to_tasks_in_turn() {
        let topics = Topics::from([
            ("t0".to_owned(), 8),
            ("t1".to_owned(), 2),
            ("t2".to_owned(), 2),
        ]);
        let spread = spread(&topics, 3);
        assert_eq!(spread[0], ["t0-0", "t0-3", "t0-6", "t1-1"]);
        assert_eq!(spread[1], ["t0-1", "t0-4", "t0-7", "t2-0"]);
        assert_eq!(spread[2], ["t0-2", "t0-5", "t1-0", "t2-1"]);
        assert!(super::spread(&Topics::new(), 3).is_empty());
        assert_eq!(
            super::spread(&Topics::from([("t".to_owned(), 2)]), 9).len(),
            2
        );
    }

    #[test]
    fn topics_of_mirrormaker_and_of_the_target_are_not_copied_but_heartbeats_are() {
        let all = replication(&[]);
        assert!(all.replicates("orders"));
        assert!(all.replicates("c.orders"));
        for topic in [
            "b.orders",
            "mm2-offset-syncs.b.internal",
            "a.checkpoints.internal",
            "__consumer_offsets",
            ".x",
            "orders.replica",
            "b.heartbeats",
        ] {
            assert!(!all.replicates(topic), "{topic}");
        }
        let some = replication(&[("topics", "orders"), ("topics.exclude", "orders-.*")]);
        assert!(!some.replicates("clicks"));
        assert!(some.replicates("heartbeats"));
        assert!(some.replicates("c.heartbeats"));
        let none = replication(&[
            ("topics", "orders"),
            (keys::HEARTBEATS_REPLICATION, "false"),
        ]);
        assert!(!none.replicates("heartbeats"));
    }

    #[test]
    fn configs_that_belong_to_a_cluster_stay_there() {
        let entry = |name: &str, source| ConfigEntry {
            name: name.to_owned(),
            value: Some("v".to_owned()),
            source,
            read_only: false,
            sensitive: false,
        };
        let plain = replication(&[]);
        assert!(plain.copies_config(&entry("retention.ms", ConfigSource::Dynamic), false));
        assert!(!plain.copies_config(&entry("retention.ms", ConfigSource::Default), false));
        assert!(plain.copies_config(&entry("retention.ms", ConfigSource::Default), true));
        assert!(!plain.copies_config(&entry("retention.ms", ConfigSource::StaticBroker), true));
        assert!(!plain.copies_config(&entry("min.insync.replicas", ConfigSource::Dynamic), true));
        let source_defaults = replication(&[(keys::USE_DEFAULTS_FROM, "source")]);
        assert!(
            source_defaults.copies_config(&entry("retention.ms", ConfigSource::Default), false)
        );
    }

    #[test]
    fn who_may_do_all_on_the_source_may_read_the_copy_and_nobody_may_write_it() {
        let acl = |operation, permission_type| TopicAcl {
            topic: "t".to_owned(),
            pattern_type: LITERAL,
            principal: "User:alice".to_owned(),
            host: "*".to_owned(),
            operation,
            permission_type,
        };
        let deny = 2;
        let some = replication(&[]);
        assert_eq!(some.target_acl(acl(WRITE, ALLOW)), None);
        let read = some.target_acl(acl(ALL, ALLOW)).unwrap();
        assert_eq!((read.topic.as_str(), read.operation), ("a.t", READ));
        assert_eq!(some.target_acl(acl(WRITE, deny)).unwrap().operation, WRITE);
        assert_eq!(some.target_acl(acl(ALL, deny)).unwrap().operation, ALL);
    }

    #[tokio::test]
    async fn exactly_once_needs_a_consumer_that_reads_what_is_committed() {
        let connector = MirrorSourceConnector::default();
        let mut props = config(&[("exactly.once.support", "required")]).props;
        assert_eq!(
            connector.exactly_once_support(&props).await.unwrap(),
            Some(ExactlyOnceSupport::Unsupported)
        );
        let faults = connector.validate(&props).await;
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].key, "exactly.once.support");
        props.insert(
            "consumer.isolation.level".to_owned(),
            "read_committed".to_owned(),
        );
        assert!(connector.validate(&props).await.is_empty());
        assert_eq!(
            connector.exactly_once_support(&props).await.unwrap(),
            Some(ExactlyOnceSupport::Supported)
        );
        props.insert(keys::EMIT_OFFSET_SYNCS.to_owned(), "false".to_owned());
        assert!(connector.validate(&props).await.is_empty());
        props.insert(keys::OFFSET_SYNCS_LOCATION.to_owned(), "target".to_owned());
        assert_eq!(
            connector.validate(&props).await[0].message,
            "MirrorSourceConnector can't setup offset-syncs feature while emit.offset-syncs.enabled set to \
             false"
        );
    }
}
