//! A worker as the whole of a process: logs to stderr, a runtime, signals.
//!
//! SIGTERM, SIGINT and SIGHUP stop it in order. What the environment says is for `main` to read and pass in.

use std::path::PathBuf;
use std::sync::Arc;

pub use sluice_api::plugin::Environment;
use sluice_broker::{Broker, BrokerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::embedded::{self, EmbeddedError};
use crate::logging::{self, LogFormat, Loggers};
use crate::plugins::Plugins;
use crate::run::{Ready, WorkerError, run_distributed, run_standalone};
use crate::settings::{
    ConverterSettings, Mode, WorkerSettings, WorkerSettingsError, read_properties,
};

/// How the process logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// A line for people, or a JSON object for each event.
    pub format: LogFormat,
    /// Level of the root logger, by its name in log4j.
    pub level: String,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "INFO".to_owned(),
        }
    }
}

/// What the process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A member of a Connect cluster, as `connect-distributed` starts it.
    Distributed {
        /// The worker's properties file.
        worker: PathBuf,
    },
    /// A worker alone, as `connect-standalone` starts it.
    Standalone {
        /// The worker's properties file.
        worker: PathBuf,
        /// A properties or JSON file for each connector.
        connectors: Vec<PathBuf>,
    },
}

/// Why a worker process ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Logs cannot be set up.
    #[error("cannot log: {0}")]
    Logging(String),
    /// The system gives no runtime or no signals.
    #[error("cannot start")]
    System(#[from] std::io::Error),
    /// The broker of the process.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The worker could not start, or ended by itself.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

impl ProcessError {
    /// The exit code for this, as of `connect-distributed`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Worker(error) => error.exit_code(),
            Self::Embedded(error) if error.is_configuration() => 2,
            Self::Embedded(_) | Self::Logging(_) | Self::System(_) => 1,
        }
    }
}

/// Lets glibc keep two arenas instead of eight per core: records that pass from librdkafka's
/// threads to the runtime's leave memory in each, which doubled what a worker had under load.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library's setting has no safe binding")]
fn limit_arenas() {
    // SAFETY: sets a number in the allocator, under its own lock.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

#[cfg(not(target_env = "gnu"))]
fn limit_arenas() {}

/// Runs until a signal, or until the worker fails.
///
/// # Errors
/// Why the worker did not start, or did not go on.
pub fn run(role: Role, log: &LogOptions, environment: &Environment) -> Result<(), ProcessError> {
    limit_arenas();
    let loggers =
        logging::init(log.format, &log.level, std::io::stderr).map_err(ProcessError::Logging)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(until_signal(role, Arc::new(loggers), environment));
    // Plugins that were abandoned may still hold threads of the runtime.
    runtime.shutdown_background();
    ended
}

/// Runs a broker until a signal; `ready` is told its address for clients.
///
/// # Errors
/// Why it did not start.
pub fn run_broker(
    config: BrokerConfig,
    log: &LogOptions,
    ready: impl FnOnce(&str),
) -> Result<(), ProcessError> {
    logging::init(log.format, &log.level, std::io::stderr).map_err(ProcessError::Logging)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        stop_at_signals(&stop)?;
        let broker = Broker::start(config).await.map_err(EmbeddedError::from)?;
        ready(&broker.bootstrap());
        stop.cancelled().await;
        broker.shutdown().await;
        Ok(())
    })
}

async fn until_signal(
    role: Role,
    loggers: Arc<Loggers>,
    environment: &Environment,
) -> Result<(), ProcessError> {
    let stop = CancellationToken::new();
    stop_at_signals(&stop)?;
    let (worker, mode) = match &role {
        Role::Distributed { worker } => (worker, Mode::Distributed),
        Role::Standalone { worker, .. } => (worker, Mode::Standalone),
    };
    let mut props = read_properties(worker).map_err(WorkerError::from)?;
    let broker = embedded::start(&mut props).await?;
    let ended = match WorkerSettings::with_environment(props, mode, environment) {
        Ok(config) => work(&role, config, loggers, stop).await,
        Err(error) => Err(error.into()),
    };
    // The worker is a client of the broker, so the broker goes last.
    if let Some(broker) = broker {
        broker.shutdown().await;
    }
    Ok(ended?)
}

/// Cancels `stop` at the first signal that asks for an end.
fn stop_at_signals(stop: &CancellationToken) -> std::io::Result<()> {
    let mut signals = [
        ("SIGTERM", signal(SignalKind::terminate())?),
        ("SIGINT", signal(SignalKind::interrupt())?),
        ("SIGHUP", signal(SignalKind::hangup())?),
    ];
    // With a handler a file that reaches its size limit is an error of its task; without one it
    // ends the process.
    drop(signal(SignalKind::from_raw(libc::SIGXFSZ))?);
    let stopped = stop.clone();
    tokio::spawn(async move {
        let all = signals.iter_mut().map(|(name, signal)| {
            Box::pin(async move {
                signal.recv().await;
                *name
            })
        });
        let (name, _, _) = futures::future::select_all(all).await;
        tracing::info!(signal = name, "stopping");
        stopped.cancel();
    });
    Ok(())
}

async fn work(
    role: &Role,
    config: WorkerSettings,
    loggers: Arc<Loggers>,
    stop: CancellationToken,
) -> Result<(), WorkerError> {
    check_converters(&config)?;
    let ready: Ready = Box::new(|_| ());
    match role {
        Role::Distributed { .. } => run_distributed(config, loggers, stop, ready).await,
        Role::Standalone { connectors, .. } => {
            run_standalone(config, connectors, loggers, stop, ready).await
        }
    }
}

fn check_converters(config: &WorkerSettings) -> Result<(), WorkerSettingsError> {
    let faults = converter_faults(config);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(WorkerSettingsError::Invalid(faults))
    }
}

/// A worker whose converters do not exist could not run any task, so it does not start.
pub(crate) fn converter_faults(config: &WorkerSettings) -> Vec<String> {
    let plugins = Plugins::built_in();
    let ConverterSettings { key, value, header } = &config.converters;
    let known = [key, value].map(|choice| (choice, plugins.converter(&choice.class).is_some()));
    let header = (header, plugins.header_converter(&header.class).is_some());
    let missing = known
        .into_iter()
        .chain([header])
        .filter(|(_, known)| !known);
    missing
        .map(|(choice, _)| choice.missing().message().to_owned())
        .collect()
}
