//! The connectors and tasks that run on this worker: starting and stopping them (Kafka's `Worker`).
//!
//! Nothing here knows of groups or topics of configs; the herder says what runs. What is slow to
//! stop is abandoned after its timeout: it is cancelled, reports nothing any more, and a new start
//! does not wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sluice_api::config::{ConfigError, Props};
use sluice_api::converter::ConverterType;
use sluice_api::error::ConnectError;
use sluice_api::{Converter, HeaderConverter};
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorTaskId, TargetState};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::config_secrets::{hiding, hiding_of_task};
use super::connector::{ConnectorParts, ConnectorRequests, TaskConfigs, WorkerConnector};
use super::connector_offsets::OffsetStores;
use super::metrics::TaskMetrics;
use super::offset_writer::OffsetReader;
use super::producer::ProducerPool;
use super::sink_task::SinkTaskLoop;
use super::source_task::{ExactlyOnce, SourceTaskLoop};
use super::task_context::{NoTopicTracking, TaskContext, TaskPlugins, TopicTracker};
use super::task_runtime::TaskRuntime;
use super::transformation_chain::{TransformationChain, TransformationStage};
use crate::config_transformer::{Resolved, reverse};
use crate::plugins::{ConnectorPlugin, Plugins};
use crate::properties::given;
use crate::settings::{ConnectorSettings, PluginChoice, TransformChoice, WorkerSettings};
use crate::status::StatusReporter;
use crate::storage::OffsetBackingStore;
use crate::stored_config::{StoredConnector, plugin_of, usable};

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
    pub id: ConnectorTaskId,
    pub metrics: Arc<TaskMetrics>,
    pub plugin: ConnectorPlugin,
}

pub(crate) struct Worker {
    plugins: Plugins,
    config: Arc<WorkerSettings>,
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
        config: Arc<WorkerSettings>,
        offsets: Arc<dyn OffsetBackingStore>,
        reporter: Arc<StatusReporter>,
        topics: Option<Arc<dyn TopicTracker>>,
        runtime: TaskRuntime,
    ) -> Self {
        Self {
            plugins,
            offsets: Arc::new(OffsetStores::new(config.clone(), offsets)),
            config,
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
        let started = match StoredConnector::new(&self.plugins, &self.config, config) {
            Ok(StoredConnector {
                plugin,
                settings,
                resolved,
            }) => {
                self.reload_after_expiry(name, &settings, &resolved, &requests);
                self.reporter.connector_starts(name, Some(plugin.version()));
                let reader = OffsetReader::new(name.clone(), self.offsets.lazily(name, &settings));
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
        settings: &ConnectorSettings,
        resolved: &Resolved,
        requests: &Arc<dyn ConnectorRequests>,
    ) {
        let Some(ttl) = resolved.ttl.filter(|_| settings.reloads) else {
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
        let settings = resolved.and_then(|resolved| {
            ConnectorSettings::new(&self.config, plugin.kind(), resolved.props.clone())
                .map_err(|fault| resolved.hide_in(&fault.into()))
                .map(|settings| (settings, resolved))
        });
        let (name, raw) = (name.to_owned(), config.clone());
        Some(async move {
            let (settings, resolved) = settings?;
            let TaskConfigs { class, configs } = connector
                .task_configs(settings.tasks_max)
                .await
                .map_err(|error| resolved.hide_in(&error))?;
            let checked = check_tasks_max(&name, &settings, configs.len());
            checked.inspect_err(|error| connector.fail(error.clone()))?;
            let complete = |task: Props| {
                let mut task: ConfigMap = task.into_iter().collect();
                task.set(
                    "task.class",
                    class.as_deref().unwrap_or(plugin.task_class()),
                );
                settings.complete_task(&mut task);
                reverse(&raw, &mut task);
                task
            };
            Ok(configs.into_iter().map(complete).collect())
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

    /// Starts a task; `exactly_once` makes that of a source exactly-once.
    ///
    /// # Errors
    /// Why it cannot start; that is reported as FAILED too.
    pub(crate) fn start_task(
        &self,
        id: &ConnectorTaskId,
        start: TaskStart<'_>,
        exactly_once: Option<ExactlyOnce>,
    ) -> Result<(), ConnectError> {
        use crate::status::TaskStatusListener as _;
        let built = self.build_task(id, start, exactly_once);
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
        exactly_once: Option<ExactlyOnce>,
    ) -> Result<RunningTask, ConnectError> {
        let TaskStart {
            connector_config,
            task_config,
            task_count,
            target,
        } = start;
        let resolve = |config| usable(&self.plugins, &self.config, config).map(Arc::new);
        let (connector, task) = (resolve(connector_config)?, resolve(task_config)?);
        let plugin = plugin_of(&self.plugins, &connector.props)?;
        self.reporter.task_starts(id, Some(plugin.version()));
        let hidden = |error: ConnectError| connector.hide_in(&error);
        let settings = self.task_settings(&plugin, &connector, &task);
        let settings = settings.map_err(|fault| hidden(fault.into()))?;
        let count = usize::try_from(task_count).unwrap_or(usize::MAX);
        check_tasks_max(&id.connector, &settings, count)?;
        let (target, target_state) = watch::channel(target);
        let (stopping, cancelled) = (CancellationToken::new(), CancellationToken::new());
        let metrics = TaskMetrics::new();
        let context = TaskContext {
            id: id.clone(),
            task_class: task
                .props
                .get("task.class")
                .cloned()
                .unwrap_or_else(|| plugin.task_class().to_owned()),
            plugins: self.task_plugins(&settings).map(Arc::new).map_err(hidden)?,
            connector: Arc::new(settings),
            task_props: task.props.clone(),
            worker: self.config.clone(),
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

    /// The connector's settings as they hold for a task.
    fn task_settings(
        &self,
        plugin: &ConnectorPlugin,
        connector: &Resolved,
        task: &Resolved,
    ) -> Result<ConnectorSettings, ConfigError> {
        let props = connector.props.clone();
        match plugin {
            ConnectorPlugin::Sink(_) => {
                ConnectorSettings::of_sink_task(&self.config, props, &task.props)
            }
            ConnectorPlugin::Source(_) => {
                ConnectorSettings::new(&self.config, plugin.kind(), props)
            }
        }
    }

    fn task_plugins(&self, settings: &ConnectorSettings) -> Result<TaskPlugins, ConnectError> {
        let of_worker = &self.config.converters;
        let key = settings.key_converter.as_ref().unwrap_or(&of_worker.key);
        let value = settings.value_converter.as_ref();
        let value = value.unwrap_or(&of_worker.value);
        let header = settings.header_converter.as_ref();
        let header = header.unwrap_or(&of_worker.header);
        let (key_converter, key_converter_class) = self.converter(key, ConverterType::Key)?;
        let (value_converter, value_converter_class) =
            self.converter(value, ConverterType::Value)?;
        let (header_converter, header_converter_class) = self.header_converter(header)?;
        let stages = settings.transforms.iter().map(|one| self.stage(one));
        Ok(TaskPlugins {
            key_converter,
            key_converter_class,
            value_converter,
            value_converter_class,
            header_converter,
            header_converter_class,
            transformations: TransformationChain::new(stages.collect::<Result<_, _>>()?),
        })
    }

    fn converter(
        &self,
        choice: &PluginChoice,
        kind: ConverterType,
    ) -> Result<(Box<dyn Converter>, String), ConnectError> {
        let plugin = self.plugins.converter(&choice.class);
        let plugin = plugin.ok_or_else(|| choice.missing())?;
        let mut converter = (plugin.new)();
        converter.configure(&choice.props, kind)?;
        Ok((converter, plugin.class.to_string()))
    }

    fn header_converter(
        &self,
        choice: &PluginChoice,
    ) -> Result<(Box<dyn HeaderConverter>, String), ConnectError> {
        let plugin = self.plugins.header_converter(&choice.class);
        let plugin = plugin.ok_or_else(|| choice.missing())?;
        let mut converter = (plugin.new)();
        converter.configure(&choice.props)?;
        Ok((converter, plugin.class.to_string()))
    }

    fn stage(&self, choice: &TransformChoice) -> Result<TransformationStage, ConnectError> {
        let plugin = self.plugins.transformation(&choice.plugin.class);
        let plugin = plugin.ok_or_else(|| choice.plugin.missing())?;
        let mut transformation = (plugin.new)();
        transformation.configure(&choice.plugin.props)?;
        let predicate = choice.predicate.as_ref().map(|choice| {
            let plugin = self.plugins.predicate(&choice.class);
            let mut predicate = (plugin.ok_or_else(|| choice.missing())?.new)();
            predicate.configure(&choice.props)?;
            Ok::<_, ConnectError>(Arc::from(predicate))
        });
        Ok(TransformationStage {
            transformation,
            class: plugin.class.to_string(),
            alias: choice.alias.clone(),
            predicate: predicate.transpose()?,
            negate: choice.negate,
        })
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
        let deadline = tokio::time::Instant::now() + self.config.task_shutdown_timeout;
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
pub(crate) fn transactional_id(group_id: &str, id: &ConnectorTaskId) -> String {
    format!("{group_id}-{id}")
}

/// Fails if a connector has more tasks than it may.
fn check_tasks_max(
    connector: &str,
    settings: &ConnectorSettings,
    tasks: usize,
) -> Result<(), ConnectError> {
    if tasks <= settings.tasks_max || !settings.tasks_max_enforced {
        return Ok(());
    }
    Err(too_many_tasks(connector, tasks, settings.tasks_max))
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

#[cfg(test)]
mod tests {
    use sluice_api::plugin::{Definition, SourceConnectorPlugin, connectors, source_tasks};
    use sluice_api::{
        ConfigDef, Connector, ConnectorContext, SourceRecord, SourceTask, async_trait,
    };
    use sluice_protocol::{State, WorkerId};

    use super::*;
    use crate::settings::Mode;
    use crate::status::EventLog;
    use crate::storage::StatusBackingStore;
    use crate::storage::file::FileOffsetBackingStore;
    use crate::storage::memory::MemoryStatusBackingStore;

    struct NoRequests;

    impl ConnectorRequests for NoRequests {
        fn request_task_reconfiguration(&self, _: &ConnectorName) {}

        fn request_restart(&self, _: &ConnectorName) {}
    }

    fn worker(statuses: &Arc<MemoryStatusBackingStore>, plugins: Plugins) -> Worker {
        let props = [
            ("bootstrap.servers", "127.0.0.1:1"),
            ("key.converter", "StringConverter"),
            ("value.converter", "StringConverter"),
            ("offset.storage.file.filename", "/dev/null"),
        ];
        let props = props.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let settings = WorkerSettings::from_props(props.into_iter().collect(), Mode::Standalone);
        let here = WorkerId::from("here:1".to_owned());
        let reporter = StatusReporter::new(statuses.clone(), here, EventLog::default());
        Worker::new(
            plugins,
            Arc::new(settings.unwrap()),
            Arc::new(FileOffsetBackingStore::new("/dev/null")),
            Arc::new(reporter),
            None,
            TaskRuntime::start().unwrap(),
        )
    }

    /// A connector whose instances say what their descriptor cannot know.
    #[derive(Default)]
    struct Found;

    #[async_trait]
    impl Connector for Found {
        async fn start(
            &mut self,
            _: Arc<dyn ConnectorContext>,
            _: &Props,
        ) -> Result<(), ConnectError> {
            Ok(())
        }

        fn task_class(&self) -> Option<String> {
            Some("com.example.FoundTask".to_owned())
        }

        async fn task_configs(&mut self, _: usize) -> Result<Vec<Props>, ConnectError> {
            Ok(vec![Props::new()])
        }
    }

    #[async_trait]
    impl SourceTask for Found {
        fn version(&self) -> Option<&str> {
            Some("1.0-task")
        }

        async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>, ConnectError> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn class_and_version_of_a_task_are_those_that_instances_say() {
        let plugin = SourceConnectorPlugin {
            class: "com.example.Found".into(),
            task_class: "com.example.NotKnown".into(),
            version: "1.0-connector".into(),
            config_def: Definition::at_hand(ConfigDef::new),
            new_connector: connectors(Found::default),
            start_task: source_tasks(|_| async { Ok(Found) }),
        };
        let statuses = Arc::new(MemoryStatusBackingStore::default());
        let worker = worker(&statuses, Plugins::built_in().with_source(plugin));
        let config: ConfigMap = [("name", "c"), ("connector.class", "com.example.Found")]
            .into_iter()
            .collect();
        let (name, id) = (ConnectorName::from("c"), ConnectorTaskId::new("c", 0));
        let target = TargetState::Started;
        let started = worker.start_connector(&name, &config, target, Arc::new(NoRequests));
        started.await.unwrap();
        let configs = worker.task_configs("c", &config).unwrap().await.unwrap();
        assert_eq!(configs[0].text("task.class"), Some("com.example.FoundTask"));
        let start = TaskStart {
            connector_config: &config,
            task_config: &configs[0],
            task_count: 1,
            target,
        };
        worker.start_task(&id, start, None).unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        let status = loop {
            let status = statuses.task(&id);
            if let Some(status) = status.filter(|status| status.state != State::Unassigned) {
                break status;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "the task does not start"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(status.state, State::Running, "{:?}", status.trace);
        assert_eq!(status.version.as_deref(), Some("1.0-task"));
        let connector = statuses.connector("c").unwrap();
        assert_eq!(connector.version.as_deref(), Some("1.0-connector"));
        worker.stop_all().await;
    }

    /// Configurations that REST refuses, and another worker stored all the same.
    #[tokio::test]
    async fn a_stored_configuration_at_fault_makes_connector_and_task_failed() {
        for (key, value, text) in [
            ("tasks.max", "many", "Not a number of type INT"),
            ("tasks.max.enforce", "maybe", "either true or false"),
            ("errors.tolerance", "some", "must be one of: none, all"),
            ("errors.log.enable", "1", "either true or false"),
            ("errors.retry.timeout", "soon", "Not a number of type LONG"),
            ("transaction.boundary", "never", "POLL, INTERVAL, CONNECTOR"),
            ("topic.creation.default.partitions", "1", "Missing required"),
        ] {
            let statuses = Arc::new(MemoryStatusBackingStore::default());
            let worker = worker(&statuses, Plugins::built_in());
            let config: ConfigMap = [
                ("name", "c"),
                ("connector.class", "FileStreamSource"),
                ("topic", "t"),
                (key, value),
            ]
            .into_iter()
            .collect();
            let (name, id) = (ConnectorName::from("c"), ConnectorTaskId::new("c", 0));
            let target = TargetState::Started;
            let started = worker.start_connector(&name, &config, target, Arc::new(NoRequests));
            assert!(
                started
                    .await
                    .is_err_and(|error| error.message().contains(text)),
                "{key}"
            );
            let start = TaskStart {
                connector_config: &config,
                task_config: &config,
                task_count: 1,
                target,
            };
            assert!(worker.start_task(&id, start, None).is_err(), "{key}");
            for status in [statuses.connector("c"), statuses.task(&id)] {
                let status = status.unwrap();
                assert_eq!(status.state, State::Failed, "{key}");
                let trace = status.trace.unwrap_or_default();
                assert!(trace.contains(text), "{key}: {trace}");
            }
        }
    }
}
