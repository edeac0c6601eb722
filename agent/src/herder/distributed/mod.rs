//! The distributed herder: one of a group that shares connectors and tasks (Kafka's `DistributedHerder`).
//!
//! * [`DistributedHerder`] is the handle the REST server and the process hold. It answers from the
//!   stores, and sends everything else to the herder's task as a job.
//! * `actor` is that task: one loop over group events, changes of the config topic and jobs. Only
//!   it touches the group membership and decides what runs, so nothing there needs a lock.
//! * `requests` are the jobs behind REST calls, `reconfiguration` publishes the task configs of
//!   connectors, `fencing` keeps zombies of exactly-once source tasks out.
//!
//! Invariant: jobs run only while no rebalance is under way, so they see a settled assignment.

mod actor;
mod config_topic;
mod config_view;
mod fencing;
mod placed;
mod reconfiguration;
mod reports;
mod requests;
mod session_key;
mod troubles;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sluice_kafka::admin::Admin;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::actor::Actor;
use self::troubles::Troubles;
use super::{HerderError, HerderResult};
use crate::cluster::{ClusterConfigState, ConfigUpdate};
use crate::group::WorkerCoordinator;
use crate::logging::Loggers;
use crate::session::LeaderClient;
use crate::settings::{DistributedSettings, WorkerSettings};
use crate::status::EventLog;
use crate::status::StatusReporter;
use crate::storage::{ConfigBackingStore, OffsetBackingStore, StatusBackingStore, StorageError};
use crate::telemetry::metrics::ClusterView;
use crate::worker::lifecycle::Worker;

/// How long a REST call waits for the herder.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a health check waits for the herder (KIP-1017).
const HEALTH_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything the herder works with.
pub(crate) struct Parts {
    pub config: Arc<WorkerSettings>,
    /// What it is set to as a member of its cluster.
    pub cluster: Arc<DistributedSettings>,
    /// The cluster id of Kafka.
    pub kafka_cluster_id: String,
    /// Connector configs and target states.
    pub configs: Arc<dyn ConfigBackingStore>,
    /// States and active topics.
    pub statuses: Arc<dyn StatusBackingStore>,
    pub offsets: Arc<dyn OffsetBackingStore>,
    pub reporter: Arc<StatusReporter>,
    /// Runs connectors and tasks.
    pub worker: Arc<Worker>,
    pub loggers: Arc<Loggers>,
    /// For requests to other workers.
    pub client: reqwest::Client,
    /// Consumer groups of sinks.
    pub groups: Arc<Admin>,
    /// Events for the telemetry topic.
    pub events: EventLog,
    /// What telemetry shows of the group.
    pub view: Arc<ClusterView>,
}

type Job = Box<dyn for<'a> FnOnce(&'a mut Actor) -> BoxFuture<'a, ()> + Send>;

struct Shared {
    parts: Parts,
    stage: Mutex<Stage>,
    troubles: Troubles,
    jobs: mpsc::UnboundedSender<Job>,
}

impl std::ops::Deref for Shared {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// The handle of the herder. Clones share it.
#[derive(Clone)]
pub(crate) struct DistributedHerder {
    shared: Arc<Shared>,
}

/// Why the herder's task ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum HerderFailure {
    /// A store cannot start.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The group does not take this worker, and trying again would not help.
    #[error("cannot be a member of the group: {0}")]
    Membership(String),
    /// The cluster has connectors that this build cannot run.
    #[error(
        "does not join the group, since this agent cannot run {0}; remove or stop them, leave them to JVM \
         workers, or set sluice.join=always to join all the same, with these FAILED wherever an agent gets \
         them"
    )]
    Incapable(String),
}

/// A herder whose task still has to be run.
pub(crate) struct HerderTask {
    actor: Actor,
}

impl HerderTask {
    /// Starts the stores, then herds until `stop`, then stops all work and leaves the group.
    ///
    /// # Errors
    /// If a store cannot start, or the group refuses the worker.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), HerderFailure> {
        self.actor.run(stop).await
    }
}

impl DistributedHerder {
    /// A herder and its task.
    pub(crate) fn new(
        parts: Parts,
        group: WorkerCoordinator,
        updates: mpsc::UnboundedReceiver<ConfigUpdate>,
    ) -> (Self, HerderTask) {
        let (jobs, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            parts,
            stage: Mutex::new(Stage::default()),
            troubles: Troubles::default(),
            jobs,
        });
        let herder = Self { shared };
        let actor = Actor::new(herder.clone(), group, updates, inbox);
        (herder, HerderTask { actor })
    }

    /// Runs a job on the herder's task and waits for its answer.
    async fn on_herder<T, F>(&self, job: F) -> HerderResult<T>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Actor) -> BoxFuture<'a, HerderResult<T>> + Send + 'static,
    {
        match self.on_herder_within(REQUEST_TIMEOUT, job).await {
            Some(answer) => answer,
            None => Err(HerderError::Failed(self.timeout_text())),
        }
    }

    async fn on_herder_within<T, F>(&self, limit: Duration, job: F) -> Option<HerderResult<T>>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Actor) -> BoxFuture<'a, HerderResult<T>> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |actor| {
            Box::pin(async move {
                // A caller that gave up waiting must not have its change carried out behind its back.
                if !sender.is_closed() {
                    let _ = sender.send(job(actor).await);
                }
            })
        });
        let down = || HerderError::failed("Worker is shutting down");
        if self.shared.jobs.send(job).is_err() {
            return Some(Err(down()));
        }
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(_)) => Some(Err(down())),
            Err(_) => None,
        }
    }

    /// Sends a job without waiting.
    fn send_job<F>(&self, job: F)
    where
        F: for<'a> FnOnce(&'a mut Actor) -> BoxFuture<'a, ()> + Send + 'static,
    {
        // After shutdown there is nothing left to do.
        let _ = self.shared.jobs.send(Box::new(job));
    }

    /// The leader at this URL, for requests signed with the session key of `configs`.
    fn leader<'a>(&'a self, url: &'a str, configs: &'a ClusterConfigState) -> LeaderClient<'a> {
        LeaderClient {
            client: &self.shared.client,
            url,
            key: configs.session_key().map(|key| key.key.as_slice()),
        }
    }

    fn timeout_text(&self) -> String {
        match self.shared.stage.lock().sentence() {
            Some(sentence) => format!("Request timed out. {sentence}"),
            None => "Request timed out".to_owned(),
        }
    }
}

/// What the herder's task is doing, for the text of timeouts.
#[derive(Debug, Default)]
struct Stage {
    description: Option<String>,
    began: DateTime<Utc>,
    completed: Option<DateTime<Utc>>,
}

impl Stage {
    fn sentence(&self) -> Option<String> {
        let instant = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let description = self.description.as_ref()?;
        let began = instant(self.began);
        Some(match self.completed {
            None => format!("The worker is currently {description}, which began at {began}."),
            Some(completed) => format!(
                "The last operation the worker completed was {description}, which began at {began} \
                 and completed at {}.",
                instant(completed)
            ),
        })
    }
}

impl Shared {
    fn enter(&self, description: impl Into<String>) {
        *self.stage.lock() = Stage {
            description: Some(description.into()),
            began: Utc::now(),
            completed: None,
        };
    }

    fn leave(&self) {
        self.stage.lock().completed = Some(Utc::now());
    }
}
