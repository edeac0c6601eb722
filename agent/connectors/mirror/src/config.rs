//! Configurations as connectors and tasks use them.

use std::time::Duration;

use sluice_api::{ConfigDef, ParsedConfig, Props, Result, TopicPartition};

use crate::filter::{Filter, Patterns};
use crate::keys;
use crate::policy::ReplicationPolicy;

/// Where a topic of MirrorMaker's own is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    Source,
    Target,
}

/// What all three connectors and their tasks have in common.
#[derive(Debug, Clone)]
pub(crate) struct MirrorConfig {
    pub(crate) props: Props,
    parsed: ParsedConfig,
    pub(crate) source_alias: String,
    pub(crate) target_alias: String,
    pub(crate) policy: ReplicationPolicy,
    pub(crate) admin_timeout: Duration,
    label: String,
}

impl MirrorConfig {
    /// Of a connector, or of a task if there is a task index.
    ///
    /// # Errors
    /// The first key that is missing or wrong.
    pub(crate) fn parse(def: &ConfigDef, props: &Props) -> Result<Self> {
        let parsed = def.parse(props)?;
        let source_alias = parsed.string(keys::SOURCE_ALIAS).to_owned();
        let target_alias = parsed.string(keys::TARGET_ALIAS).to_owned();
        let name = props.get(keys::NAME).map_or("", String::as_str);
        let mut label = format!("{source_alias}->{target_alias}|{name}");
        if let Some(index) = props.get(keys::TASK_INDEX) {
            label.push('-');
            label.push_str(index);
        }
        Ok(Self {
            admin_timeout: millis(parsed.long(keys::ADMIN_TIMEOUT)),
            policy: ReplicationPolicy::new(props),
            props: props.clone(),
            parsed,
            source_alias,
            target_alias,
            label,
        })
    }

    /// Names connector and task in client ids and logs: `SOURCE->TARGET|CONNECTOR-TASK`.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn enabled(&self) -> bool {
        self.parsed.boolean(keys::ENABLED)
    }

    /// The interval of something that is done again and again; `None` if it is switched off.
    pub(crate) fn interval(&self, feature: &str) -> Option<Duration> {
        if !self.parsed.boolean(&keys::enabled(feature)) {
            return None;
        }
        u64::try_from(self.parsed.long(&keys::interval(feature)))
            .ok()
            .map(Duration::from_secs)
    }

    /// The longest wait of a poll. Tasks must not wait longer than about a second.
    pub(crate) fn poll_timeout(&self) -> Duration {
        millis(self.parsed.long(keys::POLL_TIMEOUT)).min(Duration::from_secs(1))
    }

    pub(crate) fn short(&self, key: &str) -> i16 {
        self.parsed.short(key)
    }

    pub(crate) fn replication_factor(&self) -> i16 {
        i16::try_from(self.parsed.int(keys::REPLICATION_FACTOR)).unwrap_or(i16::MAX)
    }

    pub(crate) fn boolean(&self, key: &str) -> bool {
        self.parsed.boolean(key)
    }

    pub(crate) fn max_offset_lag(&self) -> i64 {
        self.parsed.long(keys::OFFSET_LAG_MAX)
    }

    pub(crate) fn offset_syncs_location(&self) -> Location {
        match self.parsed.string(keys::OFFSET_SYNCS_LOCATION) {
            "target" => Location::Target,
            _ => Location::Source,
        }
    }

    /// The topic of offset syncs, which is named after the cluster where it is not.
    pub(crate) fn offset_syncs_topic(&self) -> String {
        self.policy
            .offset_syncs_topic(match self.offset_syncs_location() {
                Location::Source => &self.target_alias,
                Location::Target => &self.source_alias,
            })
    }

    pub(crate) fn checkpoints_topic(&self) -> String {
        self.policy.checkpoints_topic(&self.source_alias)
    }

    pub(crate) fn topic_filter(&self) -> Result<Filter> {
        Filter::of(
            &self.props,
            keys::TOPICS,
            keys::TOPICS_EXCLUDE,
            keys::TOPICS_EXCLUDE_DEFAULT,
        )
    }

    pub(crate) fn group_filter(&self) -> Result<Filter> {
        Filter::of(
            &self.props,
            keys::GROUPS,
            keys::GROUPS_EXCLUDE,
            keys::GROUPS_EXCLUDE_DEFAULT,
        )
    }

    /// Configs of topics that are not replicated.
    pub(crate) fn excluded_configs(&self) -> Result<Patterns> {
        Patterns::of(
            &self.props,
            keys::CONFIG_PROPERTIES_EXCLUDE,
            keys::CONFIG_PROPERTIES_EXCLUDE_DEFAULT,
        )
    }

    /// Whether defaults of the source are set on the target, where it has others.
    pub(crate) fn uses_source_defaults(&self) -> bool {
        self.props
            .get(keys::USE_DEFAULTS_FROM)
            .is_some_and(|from| from.trim() == "source")
    }

    /// The partitions of a source task.
    pub(crate) fn task_partitions(&self) -> Vec<TopicPartition> {
        let text = self
            .props
            .get(keys::TASK_PARTITIONS)
            .map_or("", String::as_str);
        text.split(',')
            .filter_map(|one| {
                let (topic, partition) = one.trim().rsplit_once('-')?;
                Some(TopicPartition::new(topic, partition.parse().ok()?))
            })
            .collect()
    }

    /// The groups of a checkpoint task.
    pub(crate) fn task_groups(&self) -> Vec<String> {
        let text = self.props.get(keys::TASK_GROUPS).map_or("", String::as_str);
        text.split(',')
            .map(|group| group.trim().to_owned())
            .filter(|group| !group.is_empty())
            .collect()
    }

    /// The config of a task: the connector's with one key more, and the task's number.
    pub(crate) fn task_config(&self, key: &str, value: String, index: usize) -> Props {
        let mut props = self.props.clone();
        props.insert(key.to_owned(), value);
        props.insert(keys::TASK_INDEX.to_owned(), index.to_string());
        props
    }
}

fn millis(value: i64) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}
