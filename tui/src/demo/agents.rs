//! The agents of the demo, each on a runtime of its own, so that one can be killed as a process would be:
//! at once, without leaving the group.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sluice_agent::logging::Loggers;
use sluice_agent::run::{WorkerError, run_distributed};
use sluice_agent::settings::WorkerSettings;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const START_LIMIT: Duration = Duration::from_secs(60);

/// A runtime that ends at once when it is dropped, with everything on it; a plain one must not be dropped
/// by a task.
struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A running agent; dropping it kills it.
struct Agent {
    _runtime: OwnRuntime,
    ended: JoinHandle<Result<(), WorkerError>>,
    url: String,
}

/// Agents in a row; a place without one had one that was killed.
pub(super) struct Agents {
    config: WorkerSettings,
    places: Vec<Option<Agent>>,
    stop: CancellationToken,
}

impl Agents {
    /// No agents yet, that will all have this configuration.
    pub(super) fn new(config: WorkerSettings) -> Self {
        Self {
            config,
            places: Vec::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Starts this many agents at the same time and waits until all answer.
    ///
    /// # Errors
    /// Why one did not start.
    pub(super) async fn start(&mut self, count: usize) -> anyhow::Result<()> {
        let starting: Vec<_> = (0..count).map(|_| self.start_one()).collect();
        for agent in futures::future::join_all(starting).await {
            self.places.push(Some(agent?));
        }
        Ok(())
    }

    /// Kills the last agent, or starts one in the place of an agent that was killed.
    ///
    /// # Errors
    /// Why it did not start.
    pub(super) async fn toggle(&mut self) -> anyhow::Result<()> {
        if let Some(free) = self.places.iter().position(Option::is_none) {
            let agent = self.start_one().await?;
            self.places[free] = Some(agent);
        } else if let Some(last) = self.places.last_mut() {
            *last = None;
        }
        Ok(())
    }

    /// How many agents run now.
    pub(super) fn running(&self) -> usize {
        self.places.iter().flatten().count()
    }

    /// The URLs of those that run.
    pub(super) fn urls(&self) -> Vec<String> {
        let running = self.places.iter().flatten();
        running.map(|agent| agent.url.clone()).collect()
    }

    /// Asks all to stop; work that is under way ends by itself.
    pub(super) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Waits until all have stopped; answers with those that failed.
    pub(super) async fn stopped(&mut self, say: &(dyn Fn(&str) + Sync)) {
        for mut agent in self.places.drain(..).flatten() {
            if let Ok(Err(error)) = (&mut agent.ended).await {
                let error = anyhow::Error::from(error);
                say(&format!("an agent failed: {error:#}"));
            }
        }
    }

    fn start_one(&self) -> impl Future<Output = anyhow::Result<Agent>> + use<> {
        let (config, stop) = (self.config.clone(), self.stop.clone());
        async move {
            let runtime = OwnRuntime::new()?;
            let Some(own) = &runtime.0 else {
                bail!("an agent has no runtime");
            };
            let (ready, url) = oneshot::channel();
            let ready = Box::new(move |url: &str| {
                // There is no one waiting when the demo is given up meanwhile.
                let _ = ready.send(url.to_owned());
            });
            let loggers = Arc::new(Loggers::detached());
            let mut ended = own.spawn(run_distributed(config, loggers, stop, ready));
            let failed = "an agent does not start";
            tokio::select! {
                biased;
                Ok(url) = url => Ok(Agent { _runtime: runtime, ended, url }),
                result = &mut ended => {
                    result.context(failed)?.context(failed)?;
                    bail!("{failed}")
                }
                () = tokio::time::sleep(START_LIMIT) => bail!("{failed}"),
            }
        }
    }
}
