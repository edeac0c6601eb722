//! The threads of connectors and tasks, apart from those of REST, group membership and the herder.
//!
//! A conversion, a transformation or a connector may hold a thread for as long as a record takes,
//! and with as many of them as there are threads nothing else would run on these: heartbeats would
//! stop, the group would give the work to another worker, and the same record would hold that one
//! up. On threads of their own they hold up other tasks only, and the system shares the cores
//! between both.
//!
//! What a task makes (clients, timers, blocking calls) belongs to its runtime; what it shares with
//! the herder are channels and stores, which both may wait for.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// A runtime for connectors and tasks, with a thread per core. Dropped, it ends without waiting:
/// plugins that were abandoned may hold its threads.
pub(crate) struct TaskRuntime {
    handle: Handle,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl TaskRuntime {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives none.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("sluice-task")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Runs a future on these threads.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.handle.spawn(future)
    }
}

impl Drop for TaskRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests;
