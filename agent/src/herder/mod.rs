//! The herder: what decides over connectors (Kafka's `Herder`).
//!
//! [`Herder`] is what the REST server sees. A distributed herder shares the work of a group through
//! the config, offset and status topics; a standalone herder does all of it alone.
//!
//! Contract: a call that only the leader or the owner of a connector may carry out answers
//! [`HerderError::NotHere`] with the URL of the worker to ask; the REST server forwards it.

pub(crate) mod answers;
pub(crate) mod capability;
pub(crate) mod distributed;
mod error;
pub(crate) mod offsets;
pub(crate) mod restart_plan;
pub(crate) mod standalone;

pub(crate) use error::{HerderError, HerderResult};

use async_trait::async_trait;
use sluice_protocol::rest::{
    ActiveTopics, ConfigInfos, ConfigKeyInfo, ConnectorInfo, ConnectorOffsets, ConnectorStateInfo,
    Health, LoggerLevel, LoggerLevels, Message, PluginInfo, PluginType, ServerInfo, TaskInfo,
    TaskState,
};
use sluice_protocol::telemetry::Caller;
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, TargetState};

use crate::logging::Loggers;
use crate::plugins::Plugins;
use crate::session::RequestSignature;
use crate::settings::WorkerSettings;
use crate::storage::StatusBackingStore;
use crate::validation;

/// Where a logger level is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoggerScope {
    /// On the worker that is asked.
    Worker,
    /// On all workers, through the config topic.
    Cluster,
}

/// A restart with options (KIP-745).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RestartOptions {
    pub include_tasks: bool,
    /// Only what is FAILED.
    pub only_failed: bool,
}

/// What a worker answers calls with that concern itself or the stores alone, whatever kind of herder it has.
pub(crate) struct OwnParts<'a> {
    pub config: &'a WorkerSettings,
    pub plugins: &'a Plugins,
    /// States and active topics.
    pub statuses: &'a dyn StatusBackingStore,
    pub loggers: &'a Loggers,
}

/// The calls of the REST API. See the module for who answers them.
///
/// A herder has to say what only it knows; calls that every worker answers alike are provided, from its
/// [`own_parts`](Herder::own_parts).
#[async_trait]
pub(crate) trait Herder: Send + Sync + 'static {
    /// What the calls that need no decision are answered with.
    fn own_parts(&self) -> OwnParts<'_>;

    /// Version and Kafka cluster.
    fn server_info(&self) -> ServerInfo;
    /// Whether the herder still answers (KIP-1017).
    async fn health(&self) -> Health;

    /// Names of all connectors, sorted.
    fn connectors(&self) -> Vec<ConnectorName>;
    /// Config, tasks and type of a connector.
    async fn connector_info(&self, name: &str) -> HerderResult<ConnectorInfo>;
    /// The same for every connector, in one step.
    async fn connector_infos(&self) -> HerderResult<Vec<ConnectorInfo>>;
    /// States of a connector and its tasks, from the status store.
    fn connector_status(&self, name: &str) -> HerderResult<ConnectorStateInfo>;
    /// State of a task, from the status store.
    fn task_status(&self, id: &ConnectorTaskId) -> HerderResult<TaskState> {
        answers::task_status(self.own_parts().statuses, id)
    }
    /// Tasks with their configs.
    async fn task_infos(&self, name: &str) -> HerderResult<Vec<TaskInfo>>;

    /// Creates or replaces a connector; true if it is new.
    async fn put_connector(
        &self,
        name: &str,
        config: ConfigMap,
        initial_state: Option<TargetState>,
        allow_replace: bool,
        caller: &Caller,
    ) -> HerderResult<(bool, ConnectorInfo)>;
    /// Merges a patch into a connector's config; null deletes a key (KIP-477).
    async fn patch_connector(
        &self,
        name: &str,
        patch: ConfigMap,
        caller: &Caller,
    ) -> HerderResult<ConnectorInfo>;
    async fn delete_connector(&self, name: &str, caller: &Caller) -> HerderResult<()>;

    /// Sets the target state PAUSED or STARTED.
    async fn set_target_state(
        &self,
        name: &str,
        target: TargetState,
        caller: &Caller,
    ) -> HerderResult<()>;
    /// Stops a connector and frees its tasks (KIP-875).
    async fn stop_connector(&self, name: &str, caller: &Caller) -> HerderResult<()>;
    /// Restarts a connector's instance alone.
    async fn restart_connector(&self, name: &str, caller: &Caller) -> HerderResult<()>;
    /// Restarts by a plan and answers with what will restart.
    async fn restart_with_plan(
        &self,
        name: &str,
        options: RestartOptions,
        caller: &Caller,
    ) -> HerderResult<ConnectorStateInfo>;
    async fn restart_task(&self, id: &ConnectorTaskId, caller: &Caller) -> HerderResult<()>;

    /// Topics a connector has used since the last reset.
    fn active_topics(&self, name: &str) -> HerderResult<ActiveTopics> {
        let own = self.own_parts();
        answers::active_topics(own.config, own.statuses, name)
    }
    /// Forgets the topics a connector has used.
    fn reset_active_topics(&self, name: &str) -> HerderResult<()> {
        let own = self.own_parts();
        answers::reset_active_topics(own.config, own.statuses, name)
    }

    /// Offsets of a connector.
    async fn offsets(&self, name: &str) -> HerderResult<ConnectorOffsets>;
    /// Alters offsets, or resets them all if `None` is given.
    async fn modify_offsets(
        &self,
        name: &str,
        offsets: Option<ConnectorOffsets>,
        caller: &Caller,
    ) -> HerderResult<Message>;

    /// Takes over task configs from the connector's owner (internal).
    async fn put_task_configs(
        &self,
        name: &str,
        configs: Vec<ConfigMap>,
        signature: RequestSignature,
    ) -> HerderResult<()>;
    /// Fences the producers of earlier tasks (internal, KIP-618).
    async fn fence(&self, name: &str, signature: RequestSignature) -> HerderResult<()>;

    /// All plugins, or connectors only.
    fn plugins(&self, connectors_only: bool) -> Vec<PluginInfo> {
        let connector =
            |info: &PluginInfo| matches!(info.plugin_type, PluginType::Sink | PluginType::Source);
        let infos = self.own_parts().plugins.infos();
        infos
            .filter(|info| !connectors_only || connector(info))
            .collect()
    }
    /// Definition of a plugin's keys.
    async fn plugin_config(
        &self,
        plugin: &str,
        version: Option<&str>,
    ) -> HerderResult<Vec<ConfigKeyInfo>> {
        let plugins = self.own_parts().plugins;
        Ok(validation::plugin_config(plugins, plugin, version).await?)
    }
    /// Validates a connector config.
    async fn validate(&self, config: ConfigMap) -> HerderResult<ConfigInfos> {
        let own = self.own_parts();
        Ok(validation::validate(own.plugins, own.config, &config).await?)
    }

    /// Levels of all loggers.
    fn loggers(&self) -> LoggerLevels {
        self.own_parts().loggers.all()
    }
    /// Level of one logger.
    fn logger(&self, name: &str) -> HerderResult<LoggerLevel> {
        Ok(self.own_parts().loggers.get(name)?)
    }
    /// Sets a level and answers with the loggers changed here; `None` for the cluster scope.
    async fn set_logger(
        &self,
        name: &str,
        level: &str,
        scope: LoggerScope,
    ) -> HerderResult<Option<Vec<String>>>;

    /// Everything measured, as Prometheus text.
    fn metrics_text(&self) -> String;
}

/// Version of Kafka Connect whose behaviour this worker has, as `GET /` says it.
pub(crate) const CONNECT_VERSION: &str = sluice_api::plugin::KAFKA_VERSION;

/// Commit of this build, 16 hexadecimal digits as of Kafka's, since clients expect them. Release
/// builds set `SLUICE_COMMIT`; others do not know theirs, and have zeros.
const COMMIT: &str = match option_env!("SLUICE_COMMIT") {
    Some(commit) => commit,
    None => "0000000000000000",
};

const _: () = {
    let mut rest = COMMIT.as_bytes();
    assert!(rest.len() == 16, "SLUICE_COMMIT has to have 16 digits");
    while let [digit, after @ ..] = rest {
        assert!(
            matches!(digit, b'0'..=b'9' | b'a'..=b'f'),
            "SLUICE_COMMIT has to be of hexadecimal digits in lower case"
        );
        rest = after;
    }
};

/// The answer of `GET /`. That it is an agent's says the header `Server`.
fn server_info(kafka_cluster_id: Option<String>) -> ServerInfo {
    ServerInfo {
        version: CONNECT_VERSION.to_owned(),
        commit: COMMIT.to_owned(),
        kafka_cluster_id,
    }
}
