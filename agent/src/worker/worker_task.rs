//! What source and sink loops have in common (`WorkerTask`): waiting while paused, and the end,
//! where what failed is reported to the listener. Calls of plugins, connectors too, go through
//! [`catch`], which makes an error of a panic.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use sluice_api::{ConnectError, ErrorKind, Result};
use tokio_util::sync::CancellationToken;

use super::task_context::TaskContext;

/// Why a loop ended without an error.
pub(super) enum End {
    /// It was to stop.
    Stopped,
    /// The time for an orderly end is over.
    Cancelled,
}

/// Reports PAUSED and waits for another target state if a task is started while its connector is
/// paused; false if it is to end at once.
pub(super) async fn wait_for_start(context: &mut TaskContext) -> bool {
    if context.is_paused() && !context.is_stopping() {
        context.metrics.set_state(false, true);
        context.listener.on_pause(&context.id);
        while context.is_paused() && !context.is_stopping() {
            target_state_changed(context).await;
        }
    }
    !context.is_stopping()
}

/// Waits for another target state, or to be asked to stop.
pub(super) async fn target_state_changed(context: &mut TaskContext) {
    tokio::select! {
        changed = context.target_state.changed() => {
            if changed.is_err() {
                // Nobody can change the state any more: only a stop can follow.
                context.stopping.cancelled().await;
            }
        }
        () = context.stopping.cancelled() => {}
    }
}

/// Lets a loop end what it has begun (`rest`), unless the time for an orderly end is over.
pub(super) async fn finish(
    outcome: &Result<End>,
    cancelled: &CancellationToken,
    rest: impl Future<Output = ()>,
) {
    if !matches!(outcome, Ok(End::Cancelled)) {
        cancelled.run_until_cancelled(rest).await;
    }
}

/// Ends a task: waits for its `stop`, if there is a task to stop, and reports the outcome to the listener
/// unless the task was cancelled.
pub(super) async fn end(
    context: &TaskContext,
    stopping: &CancellationToken,
    stop: Option<impl Future<Output = Result<()>>>,
    outcome: Result<End>,
) {
    stopping.cancel();
    if let Some(stop) = stop
        && let Err(error) = catch(stop).await
    {
        tracing::warn!(task = %context.id, "stopping the task failed: {}", error.trace());
    }
    context.metrics.set_state(false, false);
    if context.cancelled.is_cancelled() {
        return;
    }
    match outcome {
        Ok(End::Stopped) => context.listener.on_shutdown(&context.id),
        Ok(End::Cancelled) => {}
        Err(error) => context.listener.on_failure(&context.id, error.trace()),
    }
}

/// Runs a step of a plugin; a panic in it becomes an error.
pub(super) async fn catch<T>(step: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(step)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("without a message");
            let text = format!("the plugin panicked: {text}");
            Err(ConnectError::new(ErrorKind::Panic, text))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_with_its_text() {
        let error = catch(async {
            let empty: Vec<i32> = Vec::new();
            Ok(empty.first().copied().expect("nothing here"))
        })
        .await
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panic);
        assert_eq!(error.message(), "the plugin panicked: nothing here");
    }
}
