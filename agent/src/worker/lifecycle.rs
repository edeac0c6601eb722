//! The connectors and tasks that run on this worker: starting and stopping them (Kafka's `Worker`).
//!
//! Nothing here knows of groups or topics of configs; the herder says what runs. What is slow to
//! stop is abandoned after its timeout: it is cancelled, reports nothing any more, and a new start
//! does not wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sluice_api::config::Props;
use sluice_api::converter::ConverterType;
use sluice_api::error::ConnectError;
use sluice_api::{Converter, HeaderConverter};
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, TargetState};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::config_secrets::{hiding, hiding_of_task};
use super::connector::{ConnectorParts, ConnectorRequests, WorkerConnector};
use super::connector_offsets::OffsetStores;
use super::metrics::TaskMetrics;
use super::offset_writer::OffsetReader;
use super::producer::ProducerPool;
use super::sink_task::SinkTaskLoop;
use super::source_task::{ExactlyOnce, ProducerChecks, SourceTaskLoop};
use super::task_context::{
    NoTopicTracking, TaskContext, TaskPlugins, TopicTracker, WorkerTaskSettings,
};
use super::task_runtime::TaskRuntime;
use super::transformation_chain::{TransformationChain, TransformationStage};
use crate::config_transformer::{Resolved, reverse};
use crate::connector_reach;
use crate::plugins::{ConnectorPlugin, Plugins};
use crate::properties::given;
use crate::properties::with_prefix;
use crate::status::StatusReporter;
use crate::storage::OffsetBackingStore;
use crate::worker_config::WorkerConfig;

/// How long connectors of one call may take to stop, together.
const CONNECTOR_STOP_TIMEOUT: Duration = Duration::from_secs(5);

struct RunningTask {
    target: watch::Sender<TargetState>,
    stopping: CancellationToken,
    cancelled: CancellationToken,
    handle: JoinHandle<()>,
    metrics: Arc<TaskMetrics>,
    plugin: ConnectorPlugin,
}

/// How a task is started.
#[derive(Clone, Copy)]
pub(crate) struct TaskStart<'a> {
    /// Config of the connector, as stored.
    pub connector_config: &'a ConfigMap,
    /// Config of the task, as stored.
    pub task_config: &'a ConfigMap,
    /// Tasks of the connector.
    pub task_count: u32,
    /// Target state of the connector.
    pub target: TargetState,
}

/// A task that runs here, for telemetry.
pub(crate) struct TaskView {
    /// Which task.
    pub id: ConnectorTaskId,
    /// Its numbers.
    pub metrics: Arc<TaskMetrics>,
    /// The connector's plugin.
    pub plugin: ConnectorPlugin,
}

pub(crate) struct Worker {
    plugins: Plugins,
    config: WorkerConfig,
    settings: Arc<WorkerTaskSettings>,
    offsets: Arc<OffsetStores>,
    reporter: Arc<StatusReporter>,
    topics: Arc<dyn TopicTracker>,
    runtime: TaskRuntime,
    producers: Arc<ProducerPool>,
    connectors: Mutex<HashMap<ConnectorName, (Arc<WorkerConnector>, ConnectorPlugin)>>,
    tasks: Mutex<HashMap<ConnectorTaskId, RunningTask>>,
    /// Restarts to come of connectors whose configs have values that expire.
    reloads: Mutex<HashMap<ConnectorName, AbortHandle>>,
}

impl Worker {
    /// A worker on which nothing runs. `topics` is `None` when topics are not tracked.
    pub(crate) fn new(
        plugins: Plugins,
        config: WorkerConfig,
        offsets: Arc<dyn OffsetBackingStore>,
        reporter: Arc<StatusReporter>,
        topics: Option<Arc<dyn TopicTracker>>,
        runtime: TaskRuntime,
    ) -> Self {
        let settings = Arc::new(WorkerTaskSettings {
            offset_flush_interval: config.millis("offset.flush.interval.ms"),
            offset_flush_timeout: config.millis("offset.flush.timeout.ms"),
            topic_creation_enabled: config.boolean("topic.creation.enable"),
            worker_props: Arc::new(config.raw.clone()),
            reach: config.reach.clone(),
        });
        Self {
            plugins,
            offsets: Arc::new(OffsetStores::new(config.clone(), offsets)),
            config,
            settings,
            reporter,
            topics: topics.unwrap_or_else(|| Arc::new(NoTopicTracking)),
            runtime,
            producers: Arc::new(ProducerPool::default()),
            connectors: Mutex::default(),
            tasks: Mutex::default(),
            reloads: Mutex::default(),
        }
    }

    /// The offsets topics of this worker and its connectors.
    pub(crate) fn offsets(&self) -> &Arc<OffsetStores> {
        &self.offsets
    }

    /// The plugins of this worker.
    pub(crate) fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// Starts a connector in a target state; the future ends when it is there.
    ///
    /// # Errors
    /// If there is no such plugin, or the plugin failed. Both are reported as FAILED.
    pub(crate) fn start_connector(
        &self,
        name: &ConnectorName,
        config: &ConfigMap,
        target: TargetState,
        requests: Arc<dyn ConnectorRequests>,
    ) -> impl Future<Output = Result<(), ConnectError>> + Send + use<> {
        use crate::status::ConnectorStatusListener as _;
        let raw = given(config);
        let resolved = connector_reach::usable(&self.plugins, &self.config, config);
        let class = resolved
            .as_ref()
            .map_or(&raw, |resolved| &resolved.props)
            .get("connector.class")
            .cloned()
            .unwrap_or_default();
        let found = self
            .plugins
            .connector(&class)
            .map_err(|error| ConnectError::connect(error.to_string()));
        let started = match resolved.and_then(|resolved| Ok((found?, resolved))) {
            Ok((plugin, resolved)) => {
                let resolved = Arc::new(resolved);
                self.reload_after_expiry(name, &resolved, &requests);
                self.reporter.connector_starts(name, Some(plugin.version()));
                let reader =
                    OffsetReader::new(name.clone(), self.offsets.lazily(name, &resolved.props));
                let (connector, actor) = WorkerConnector::new(ConnectorParts {
                    name: name.clone(),
                    instance: plugin.new_connector(),
                    props: resolved.props.clone(),
                    listener: hiding(self.reporter.clone(), &resolved),
                    requests,
                    offsets: matches!(plugin, ConnectorPlugin::Source(_))
                        .then(|| Arc::new(reader) as Arc<_>),
                });
                self.runtime.spawn(actor);
                let connector = Arc::new(connector);
                self.connectors
                    .lock()
                    .insert(name.clone(), (connector.clone(), plugin));
                Ok(connector.transition(target))
            }
            Err(error) => {
                self.reporter.connector_starts(name, None);
                self.reporter.on_failure(name, error.trace());
                Err(error)
            }
        };
        async move { started?.await }
    }

    /// Asks for a restart of the connector when the first of its values from config providers is no
    /// longer good, unless `config.action.reload` says otherwise. One that is to come is replaced.
    fn reload_after_expiry(
        &self,
        name: &ConnectorName,
        resolved: &Resolved,
        requests: &Arc<dyn ConnectorRequests>,
    ) {
        let wanted = resolved
            .props
            .get("config.action.reload")
            .is_none_or(|action| !action.trim().eq_ignore_ascii_case("none"));
        let Some(ttl) = resolved.ttl.filter(|_| wanted) else {
            return;
        };
        tracing::info!(connector = %name, ttl_ms = ttl.as_millis(), "the connector restarts when its \
             config expires");
        let (requests, connector) = (Arc::clone(requests), name.clone());
        let waiting = tokio::spawn(async move {
            tokio::time::sleep(ttl).await;
            requests.request_restart(&connector);
        });
        if let Some(older) = self
            .reloads
            .lock()
            .insert(name.clone(), waiting.abort_handle())
        {
            older.abort();
        }
    }

    fn cancel_reload(&self, name: &ConnectorName) {
        if let Some(waiting) = self.reloads.lock().remove(name) {
            waiting.abort();
        }
    }

    /// Moves a running connector to a target state; `None` if it does not run here.
    pub(crate) fn transition_connector(
        &self,
        name: &str,
        target: TargetState,
    ) -> Option<impl Future<Output = Result<(), ConnectError>> + Send + use<>> {
        Some(self.connectors.lock().get(name)?.0.transition(target))
    }

    /// Asks a running connector for task configs, completed with what the framework adds; `None`
    /// if it does not run here.
    pub(crate) fn task_configs(
        &self,
        name: &str,
        config: &ConfigMap,
    ) -> Option<impl Future<Output = Result<Vec<ConfigMap>, ConnectError>> + Send + use<>> {
        let (connector, plugin) = self.connectors.lock().get(name)?.clone();
        let resolved = self.config.transformer.resolve(&given(config));
        let raw = config.clone();
        let props = match &resolved {
            Ok(resolved) => resolved.props.clone(),
            Err(_) => Props::new(),
        };
        let max_tasks = props
            .get("tasks.max")
            .and_then(|text| text.trim().parse::<usize>().ok())
            .unwrap_or(1);
        let enforced = enforces_tasks_max(&props);
        let name = name.to_owned();
        Some(async move {
            let resolved = resolved?;
            let configs = connector
                .task_configs(max_tasks)
                .await
                .map_err(|error| resolved.hide_in(&error))?;
            if enforced && configs.len() > max_tasks {
                let error = too_many_tasks(&name, configs.len(), max_tasks);
                connector.fail(error.clone());
                return Err(error);
            }
            Ok(configs
                .into_iter()
                .map(|task| {
                    let mut task: ConfigMap = task.into_iter().collect();
                    task.set("task.class", plugin.task_class());
                    for key in ["topics", "topics.regex"] {
                        if let Some(value) = props.get(key) {
                            task.set(key, value.clone());
                        }
                    }
                    reverse(&raw, &mut task);
                    task
                })
                .collect())
        })
    }

    /// True if the connector runs here, in whatever state.
    pub(crate) fn has_connector(&self, name: &str) -> bool {
        self.connectors.lock().contains_key(name)
    }

    /// True if the task runs here, in whatever state.
    pub(crate) fn has_task(&self, id: &ConnectorTaskId) -> bool {
        self.tasks.lock().contains_key(id)
    }

    /// Names of the connectors that run here.
    pub(crate) fn connector_names(&self) -> Vec<ConnectorName> {
        self.connectors.lock().keys().cloned().collect()
    }

    /// The plugins of the connectors that run here.
    pub(crate) fn connector_plugins(&self) -> HashMap<ConnectorName, ConnectorPlugin> {
        self.connectors
            .lock()
            .iter()
            .map(|(name, (_, plugin))| (name.clone(), plugin.clone()))
            .collect()
    }

    /// The tasks that run here.
    pub(crate) fn tasks(&self) -> Vec<TaskView> {
        self.tasks
            .lock()
            .iter()
            .map(|(id, task)| TaskView {
                id: id.clone(),
                metrics: task.metrics.clone(),
                plugin: task.plugin.clone(),
            })
            .collect()
    }

    /// Stops connectors; those that take longer than 5 s together are abandoned.
    pub(crate) async fn stop_connectors(&self, names: &[ConnectorName]) {
        let stopping: Vec<(ConnectorName, _)> = {
            let mut connectors = self.connectors.lock();
            names
                .iter()
                .filter_map(|name| {
                    self.cancel_reload(name);
                    let (connector, _) = connectors.remove(name)?;
                    Some((name.clone(), connector.shutdown()))
                })
                .collect()
        };
        let deadline = tokio::time::Instant::now() + CONNECTOR_STOP_TIMEOUT;
        let all = stopping.into_iter().map(|(name, stopped)| async move {
            use crate::status::ConnectorStatusListener as _;
            if tokio::time::timeout_at(deadline, stopped).await.is_err() {
                tracing::warn!(connector = %name, "connector does not stop, it is abandoned");
                self.reporter.on_shutdown(&name);
            }
        });
        futures::future::join_all(all).await;
    }

    /// Starts a task; a source task with `checks` is exactly-once.
    ///
    /// # Errors
    /// Why it cannot start; that is reported as FAILED too.
    pub(crate) fn start_task(
        &self,
        id: &ConnectorTaskId,
        start: TaskStart<'_>,
        checks: Option<Arc<dyn ProducerChecks>>,
    ) -> Result<(), ConnectError> {
        use crate::status::TaskStatusListener as _;
        let built = self.build_task(id, start, checks);
        match built {
            Ok(task) => {
                self.tasks.lock().insert(id.clone(), task);
                Ok(())
            }
            Err(error) => {
                self.reporter.on_failure(id, error.trace());
                Err(error)
            }
        }
    }

    fn build_task(
        &self,
        id: &ConnectorTaskId,
        start: TaskStart<'_>,
        checks: Option<Arc<dyn ProducerChecks>>,
    ) -> Result<RunningTask, ConnectError> {
        let TaskStart {
            connector_config,
            task_config,
            task_count,
            target,
        } = start;
        let resolve =
            |config| connector_reach::usable(&self.plugins, &self.config, config).map(Arc::new);
        let (connector, task) = (resolve(connector_config)?, resolve(task_config)?);
        let connector_props = connector.props.clone();
        let class = connector_props
            .get("connector.class")
            .cloned()
            .unwrap_or_default();
        let plugin = self
            .plugins
            .connector(&class)
            .map_err(|error| ConnectError::connect(error.to_string()))?;
        self.reporter.task_starts(id, Some(plugin.version()));
        let max_tasks = connector_props
            .get("tasks.max")
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(1);
        let count = usize::try_from(task_count).unwrap_or(usize::MAX);
        if count > max_tasks && enforces_tasks_max(&connector_props) {
            return Err(too_many_tasks(&id.connector, count, max_tasks));
        }
        let (target, target_state) = watch::channel(target);
        let (stopping, cancelled) = (CancellationToken::new(), CancellationToken::new());
        let metrics = TaskMetrics::new();
        let context = TaskContext {
            id: id.clone(),
            task_class: plugin.task_class().to_owned(),
            plugins: self
                .task_plugins(&connector_props)
                .map(Arc::new)
                .map_err(|error| connector.hide_in(&error))?,
            connector_props,
            task_props: task.props.clone(),
            settings: self.settings.clone(),
            listener: hiding_of_task(self.reporter.clone(), &connector, &task),
            topics: self.topics.clone(),
            target_state,
            stopping: stopping.clone(),
            cancelled: cancelled.clone(),
            metrics: metrics.clone(),
        };
        let span = tracing::info_span!("task", connector = %id.connector, task = id.task);
        let handle = match &plugin {
            ConnectorPlugin::Source(source) => {
                let exactly_once = checks.map(|checks| ExactlyOnce {
                    transactional_id: transactional_id(&self.config, id),
                    checks,
                });
                let run = SourceTaskLoop::new(
                    context,
                    source.start_task.clone(),
                    self.offsets.clone(),
                    self.producers.clone(),
                    exactly_once,
                );
                self.runtime.spawn(run.run().instrument(span))
            }
            ConnectorPlugin::Sink(sink) => {
                let run =
                    SinkTaskLoop::new(context, sink.start_task.clone(), self.producers.clone());
                self.runtime.spawn(run.run().instrument(span))
            }
        };
        Ok(RunningTask {
            target,
            stopping,
            cancelled,
            handle,
            metrics,
            plugin,
        })
    }

    fn task_plugins(&self, connector: &Props) -> Result<TaskPlugins, ConnectError> {
        let (key_converter, key_converter_class) =
            self.converter(connector, "key.converter", ConverterType::Key)?;
        let (value_converter, value_converter_class) =
            self.converter(connector, "value.converter", ConverterType::Value)?;
        let (header_converter, header_converter_class) = self.header_converter(connector)?;
        Ok(TaskPlugins {
            key_converter,
            key_converter_class,
            value_converter,
            value_converter_class,
            header_converter,
            header_converter_class,
            transformations: self.transformations(connector)?,
        })
    }

    /// The converter that the connector names, with the connector's keys, or else the worker's with
    /// the worker's.
    fn converter(
        &self,
        connector: &Props,
        key: &str,
        kind: ConverterType,
    ) -> Result<(Box<dyn Converter>, String), ConnectError> {
        let (class, props) = self.chosen(connector, key);
        let plugin = self
            .plugins
            .converter(&class)
            .ok_or_else(|| no_class(key, &class))?;
        let mut converter = (plugin.new)();
        converter.configure(&props, kind)?;
        Ok((converter, plugin.class.to_string()))
    }

    fn header_converter(
        &self,
        connector: &Props,
    ) -> Result<(Box<dyn HeaderConverter>, String), ConnectError> {
        let key = "header.converter";
        let (class, props) = self.chosen(connector, key);
        let plugin = self
            .plugins
            .header_converter(&class)
            .ok_or_else(|| no_class(key, &class))?;
        let mut converter = (plugin.new)();
        converter.configure(&props)?;
        Ok((converter, plugin.class.to_string()))
    }

    fn chosen(&self, connector: &Props, key: &str) -> (String, Props) {
        let prefix = format!("{key}.");
        match connector.get(key) {
            Some(class) => (class.clone(), with_prefix(connector, &prefix)),
            None => (
                self.config.raw.get(key).cloned().unwrap_or_else(|| {
                    "org.apache.kafka.connect.storage.SimpleHeaderConverter".to_owned()
                }),
                with_prefix(&self.config.raw, &prefix),
            ),
        }
    }

    fn transformations(&self, connector: &Props) -> Result<TransformationChain, ConnectError> {
        let aliases = |key: &str| -> Vec<String> {
            connector
                .get(key)
                .map(|text| {
                    text.split(',')
                        .map(str::trim)
                        .filter(|one| !one.is_empty())
                        .map(str::to_owned)
                        .collect()
                })
                .unwrap_or_default()
        };
        let mut stages = Vec::new();
        for alias in aliases("transforms") {
            let prefix = format!("transforms.{alias}.");
            let props = with_prefix(connector, &prefix);
            let class = props.get("type").cloned().unwrap_or_default();
            let plugin = self
                .plugins
                .transformation(&class)
                .ok_or_else(|| no_class(&format!("{prefix}type"), &class))?;
            let mut transformation = (plugin.new)();
            transformation.configure(&props)?;
            let predicate = match props.get("predicate").filter(|name| !name.is_empty()) {
                None => None,
                Some(name) => {
                    let prefix = format!("predicates.{name}.");
                    let props = with_prefix(connector, &prefix);
                    let class = props.get("type").cloned().unwrap_or_default();
                    let plugin = self
                        .plugins
                        .predicate(&class)
                        .ok_or_else(|| no_class(&format!("{prefix}type"), &class))?;
                    let mut predicate = (plugin.new)();
                    predicate.configure(&props)?;
                    Some(Arc::from(predicate))
                }
            };
            stages.push(TransformationStage {
                transformation,
                class: plugin.class.to_string(),
                alias,
                predicate,
                negate: props
                    .get("negate")
                    .is_some_and(|text| text.trim().eq_ignore_ascii_case("true")),
            });
        }
        Ok(TransformationChain::new(stages))
    }

    /// Tells the running tasks of a connector its target state. STOPPED ends them.
    pub(crate) fn set_task_target(&self, connector: &str, target: TargetState) {
        for (id, task) in self.tasks.lock().iter() {
            if id.connector == *connector {
                task.target.send_replace(target);
            }
        }
    }

    /// Stops tasks; those that take longer than `task.shutdown.graceful.timeout.ms` together are abandoned.
    pub(crate) async fn stop_tasks(&self, ids: &[ConnectorTaskId]) {
        let stopping: Vec<(ConnectorTaskId, RunningTask)> = {
            let mut tasks = self.tasks.lock();
            ids.iter()
                .filter_map(|id| Some((id.clone(), tasks.remove(id)?)))
                .collect()
        };
        for (_, task) in &stopping {
            task.stopping.cancel();
        }
        let deadline =
            tokio::time::Instant::now() + self.config.millis("task.shutdown.graceful.timeout.ms");
        for (id, mut task) in stopping {
            match tokio::time::timeout_at(deadline, &mut task.handle).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(connector = %id.connector, task = id.task, %error, "the task panicked");
                }
                Err(_) => {
                    tracing::warn!(connector = %id.connector, task = id.task, "task does not stop in \
                         time, it is cancelled");
                    task.cancelled.cancel();
                }
            }
        }
    }

    /// Stops everything: connectors first, then tasks.
    pub(crate) async fn stop_all(&self) {
        self.stop_connectors(&self.connector_names()).await;
        let tasks: Vec<ConnectorTaskId> = self.tasks.lock().keys().cloned().collect();
        self.stop_tasks(&tasks).await;
    }
}

/// The `transactional.id` of an exactly-once source task (KIP-618).
pub(crate) fn transactional_id(config: &WorkerConfig, id: &ConnectorTaskId) -> String {
    format!("{}-{id}", config.group_id())
}

fn no_class(key: &str, class: &str) -> ConnectError {
    ConnectError::config(format!(
        "Invalid value {class} for configuration {key}: Class {class} could not be found."
    ))
}

fn enforces_tasks_max(props: &Props) -> bool {
    props
        .get("tasks.max.enforce")
        .is_none_or(|text| !text.trim().eq_ignore_ascii_case("false"))
}

fn too_many_tasks(connector: &str, generated: usize, max_tasks: usize) -> ConnectError {
    ConnectError::new(
        sluice_api::error::ErrorKind::TooManyTasks,
        format!(
            "The connector {connector} has generated {generated} tasks, which is greater than \
             {max_tasks}, the maximum number of tasks it is configured to create. This behaviour \
             should be considered a bug and is disallowed. If necessary, it can be permitted by \
             reconfiguring the connector with 'tasks.max.enforce' set to false; however, this option \
             will be removed in a future release of Kafka Connect."
        ),
    )
}
