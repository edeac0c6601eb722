//! Whole workers: from a properties file to a running process, and back down again.
//!
//! [`run_distributed`] and [`run_standalone`] are what `sluice agent` and `sluice standalone` call;
//! they return when `stop` is cancelled and everything has been put away. Nothing here reads the
//! environment or ends the process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sluice_api::config::ConfigError;
use sluice_kafka::admin::{Admin, AdminError};
use sluice_kafka::wire::bootstrap;
use sluice_kafka::wire::settings::ClientSettingsError;
use sluice_protocol::status_topic::TopicStatus;
use sluice_protocol::telemetry::{Caller, Event, Severity};
use sluice_protocol::{ConnectorTaskId, WorkerId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::now;
use crate::connector_file::ConnectorFile;
use crate::group::{GroupConfig, WorkerCoordinator};
use crate::herder::Herder as _;
use crate::herder::distributed::{self, DistributedHerder, HerderFailure};
use crate::herder::standalone::{self, StandaloneHerder};
use crate::logging::Loggers;
use crate::rest::{RestServer, RestServerError};
use crate::settings::{
    DistributedSettings, Mode, Role, WorkerSettings, WorkerSettingsError, keys_without_effect,
    unknown_keys, worker_id,
};
use crate::status::EventLog;
use crate::status::StatusReporter;
use crate::storage::file::FileOffsetBackingStore;
use crate::storage::kafka_config::KafkaConfigBackingStore;
use crate::storage::kafka_offset::KafkaOffsetBackingStore;
use crate::storage::kafka_status::KafkaStatusBackingStore;
use crate::storage::memory::{MemoryConfigBackingStore, MemoryStatusBackingStore};
use crate::storage::{OffsetBackingStore, StatusBackingStore, StorageError};
use crate::telemetry::metrics::ClusterView;
use crate::telemetry::publisher::{Observed, Publisher};
use crate::worker::lifecycle::Worker;
use crate::worker::task_context::TopicTracker;
use crate::worker::task_runtime::TaskRuntime;

/// Why a worker did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The worker's file has a value that cannot be used.
    #[error(transparent)]
    Config(#[from] WorkerSettingsError),
    /// A key of the client for group membership cannot be used.
    #[error(transparent)]
    Group(#[from] ClientSettingsError),
    /// The REST server cannot listen, or its certificates cannot be used.
    #[error(transparent)]
    Rest(#[from] RestServerError),
    /// The topic or file of a store cannot be read or made.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A store, or the group.
    #[error(transparent)]
    Herder(#[from] HerderFailure),
    /// Kafka cannot be reached.
    #[error("cannot reach Kafka at {servers}")]
    Kafka {
        /// What `bootstrap.servers` says.
        servers: String,
        /// Why no broker answered.
        source: AdminError,
    },
    /// A connector given on the command line.
    #[error("connector file {path}: {reason}")]
    Connector {
        /// Path of the file, as on the command line.
        path: String,
        /// What is wrong with it, with key or place.
        reason: String,
    },
    /// The system has no threads left.
    #[error("cannot start threads for tasks")]
    Threads(#[source] std::io::Error),
    /// The herder's task panicked: a bug.
    #[error("the herder ended unexpectedly: {0}")]
    Bug(String),
}

impl WorkerError {
    /// The exit code of `connect-distributed` for this: 2 for a bad configuration and a Kafka that cannot be
    /// reached, 3 if starting failed after that, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Group(_) | Self::Kafka { .. } => 2,
            Self::Rest(_) | Self::Storage(_) | Self::Herder(_) | Self::Connector { .. } => 3,
            Self::Threads(_) | Self::Bug(_) => 1,
        }
    }
}

/// Told once the worker answers at its URL.
pub type Ready = Box<dyn FnOnce(&str) + Send>;

/// Runs a worker of a cluster until `stop`. `ready` is told its URL as soon as the REST server answers.
///
/// # Errors
/// If it cannot start.
pub async fn run_distributed(
    config: WorkerSettings,
    loggers: Arc<Loggers>,
    stop: CancellationToken,
    ready: Ready,
) -> Result<(), WorkerError> {
    let config = Arc::new(config);
    let cluster = match &config.role {
        Role::Distributed(cluster) => Arc::clone(cluster),
        Role::Standalone { .. } => {
            return Err(WorkerSettingsError::Role("a standalone worker").into());
        }
    };
    announce(&config);
    let rest = RestServer::bind(&config).await?;
    let url = config.rest.advertised_url(rest.bound());
    let id = WorkerId::from(worker_id(&url));
    let groups = Arc::new(Admin::new(&config.props)?);
    let group_config = GroupConfig::new(&config.props, &cluster, &id, &url)?;
    let Some(kafka_cluster_id) = cluster_id(&config, &groups, &stop).await? else {
        rest.stop().await;
        return Ok(());
    };

    let base = client_id_base(&cluster);
    let (update_sender, updates) = mpsc::unbounded_channel();
    let configs = Arc::new(KafkaConfigBackingStore::new(
        &config.props,
        &cluster,
        &base,
        Arc::new(update_sender),
    ));
    let statuses: Arc<dyn StatusBackingStore> =
        Arc::new(KafkaStatusBackingStore::new(&config.props, &cluster, &base));
    let offsets: Arc<dyn OffsetBackingStore> =
        Arc::new(KafkaOffsetBackingStore::new(&config.props, &cluster, &base));
    let events = EventLog::default();
    let reporter = Arc::new(StatusReporter::new(
        statuses.clone(),
        id.clone(),
        events.clone(),
    ));
    let worker = Arc::new(new_worker(&config, &offsets, &statuses, &reporter)?);
    let view = Arc::new(ClusterView::default());
    let parts = distributed::Parts {
        config: config.clone(),
        cluster: cluster.clone(),
        kafka_cluster_id,
        configs: configs.clone(),
        statuses,
        offsets,
        reporter: reporter.clone(),
        worker: worker.clone(),
        loggers,
        client: rest.client(),
        groups,
        events: events.clone(),
        view: view.clone(),
    };
    let group = WorkerCoordinator::new(group_config, configs);
    let (herder, task) = DistributedHerder::new(parts, group, updates);

    let stop_telemetry = CancellationToken::new();
    let telemetry = cluster.telemetry.clone().map(|telemetry| {
        let observed = Observed {
            worker,
            reporter,
            view,
            events: events.clone(),
        };
        let group_id = cluster.group_id.clone();
        let publisher = Publisher::new(
            config,
            group_id,
            telemetry,
            id.clone(),
            url.clone(),
            observed,
        );
        tokio::spawn(publisher.run(stop_telemetry.clone()))
    });
    let version = env!("CARGO_PKG_VERSION").to_owned();
    events.record(Severity::Info, Event::WorkerStart { version });

    let stop_herder = CancellationToken::new();
    let mut herding = tokio::spawn(task.run(stop_herder.clone()));
    rest.serve(Arc::new(herder));
    tracing::info!(worker_id = %id, url, group = cluster.group_id, "worker answers");
    ready(&url);
    let outcome = tokio::select! {
        () = stop.cancelled() => None,
        ended = &mut herding => Some(ended),
    };
    events.record(
        Severity::Info,
        Event::WorkerStop {
            reason: Some("stopped".to_owned()),
        },
    );
    // Connectors stop first: a client that is slow must not cost them their last commit.
    rest.close();
    stop_herder.cancel();
    let ended = match outcome {
        Some(ended) => ended,
        None => herding.await,
    };
    rest.stop().await;
    stop_telemetry.cancel();
    if let Some(telemetry) = telemetry {
        // It flushes for two seconds at most; a failure was logged.
        let _ = telemetry.await;
    }
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(error) => Err(WorkerError::Bug(error.to_string())),
    }
}

/// Runs a worker alone until `stop`, with the connectors of the given files (properties, or JSON as
/// the REST API takes it).
///
/// # Errors
/// If it or one of the connectors cannot start.
pub async fn run_standalone(
    config: WorkerSettings,
    connectors: &[PathBuf],
    loggers: Arc<Loggers>,
    stop: CancellationToken,
    ready: Ready,
) -> Result<(), WorkerError> {
    let config = Arc::new(config);
    let offset_file = match &config.role {
        Role::Standalone { offset_file } => offset_file,
        Role::Distributed(_) => {
            return Err(WorkerSettingsError::Role("a worker of a cluster").into());
        }
    };
    announce(&config);
    let files: Vec<ConnectorFile> = connectors
        .iter()
        .map(|path| connector_file(path))
        .collect::<Result<_, _>>()?;
    let rest = RestServer::bind(&config).await?;
    let url = config.rest.advertised_url(rest.bound());
    let id = WorkerId::from(worker_id(&url));
    let groups = Arc::new(Admin::new(&config.props)?);
    let Some(kafka_cluster_id) = cluster_id(&config, &groups, &stop).await? else {
        rest.stop().await;
        return Ok(());
    };
    let statuses: Arc<dyn StatusBackingStore> = Arc::new(MemoryStatusBackingStore::default());
    let offsets: Arc<dyn OffsetBackingStore> = Arc::new(FileOffsetBackingStore::new(offset_file));
    offsets.start().await?;
    let reporter = Arc::new(StatusReporter::new(
        statuses.clone(),
        id.clone(),
        EventLog::default(),
    ));
    let worker = Arc::new(new_worker(&config, &offsets, &statuses, &reporter)?);
    let herder = StandaloneHerder::new(standalone::Parts {
        config: config.clone(),
        kafka_cluster_id,
        configs: Arc::new(MemoryConfigBackingStore::default()),
        statuses,
        offsets,
        reporter,
        worker,
        loggers,
        groups,
    });
    rest.serve(Arc::new(herder.clone()));
    tracing::info!(worker_id = %id, url, "standalone worker answers");
    ready(&url);
    let mut failed = None;
    for (path, file) in connectors.iter().zip(files) {
        // A second file of the same name is refused, as by the JVM worker.
        let created = herder
            .put_connector(
                &file.name,
                file.config,
                file.target_state,
                false,
                &Caller::default(),
            )
            .await;
        if let Err(error) = created {
            failed = Some(WorkerError::Connector {
                path: path.display().to_string(),
                reason: error.to_string(),
            });
            break;
        }
    }
    if failed.is_none() {
        stop.cancelled().await;
    }
    rest.close();
    herder.stop().await;
    rest.stop().await;
    failed.map_or(Ok(()), Err)
}

/// Reads a connector file.
fn connector_file(path: &Path) -> Result<ConnectorFile, WorkerError> {
    ConnectorFile::read(path).map_err(|reason| WorkerError::Connector {
        path: path.display().to_string(),
        reason,
    })
}

fn announce(config: &WorkerSettings) {
    // A process may run several workers; the first one has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mode = match config.role {
        Role::Distributed(_) => Mode::Distributed,
        Role::Standalone { .. } => Mode::Standalone,
    };
    for key in unknown_keys(&config.props, mode) {
        tracing::warn!(key, "worker property is not known and has no effect");
    }
    for key in keys_without_effect(&config.props) {
        tracing::warn!(
            key,
            "worker property names Java classes or jars, which are not loaded here: it has no effect"
        );
    }
}

/// `GROUP-` or `GROUP-CLIENT-`, in front of the client ids of the worker's own clients.
fn client_id_base(cluster: &DistributedSettings) -> String {
    match cluster.client_id.as_str() {
        "" => format!("{}-", cluster.group_id),
        client_id => format!("{}-{client_id}-", cluster.group_id),
    }
}

/// Asks Kafka for its cluster id, for as long as an admin call may take; `None` if the worker is
/// stopped meanwhile.
///
/// Servers without an address are an error at once, as are logins and certificates that are refused. One that
/// does not answer is reported from the first second on.
async fn cluster_id(
    config: &WorkerSettings,
    groups: &Admin,
    stop: &CancellationToken,
) -> Result<Option<String>, WorkerError> {
    let servers = config.bootstrap_servers.join(",");
    if let Err(ConfigError(reason)) = bootstrap::resolve(&servers).await {
        return Err(WorkerSettingsError::Invalid(vec![reason]).into());
    }
    let waiting = async {
        for seconds in [1_u64, 4, 10].into_iter().chain(std::iter::repeat(15)) {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            tracing::warn!(servers, "waiting for Kafka");
        }
    };
    tokio::select! {
        found = groups.cluster_id() => match found {
            Ok(id) => Ok(Some(id)),
            Err(source) => Err(WorkerError::Kafka { servers, source }),
        },
        () = waiting => Ok(None),
        () = stop.cancelled() => Ok(None),
    }
}

fn new_worker(
    config: &Arc<WorkerSettings>,
    offsets: &Arc<dyn OffsetBackingStore>,
    statuses: &Arc<dyn StatusBackingStore>,
    reporter: &Arc<StatusReporter>,
) -> Result<Worker, WorkerError> {
    let topics = config.topic_tracking.enabled.then(|| {
        Arc::new(ActiveTopicTracker {
            statuses: statuses.clone(),
        }) as Arc<dyn TopicTracker>
    });
    Ok(Worker::new(
        config.plugins.clone(),
        config.clone(),
        offsets.clone(),
        reporter.clone(),
        topics,
        TaskRuntime::start().map_err(WorkerError::Threads)?,
    ))
}

/// Records the topics that connectors use in the status store (KIP-558).
struct ActiveTopicTracker {
    statuses: Arc<dyn StatusBackingStore>,
}

impl TopicTracker for ActiveTopicTracker {
    fn on_topic_used(&self, id: &ConnectorTaskId, topic: &str) {
        if self.statuses.topic(&id.connector, topic).is_none() {
            self.statuses.put_topic(TopicStatus {
                name: topic.into(),
                connector: id.connector.clone(),
                task: id.task,
                discover_timestamp: now(),
            });
        }
    }
}
