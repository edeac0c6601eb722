//! The ends of a sink's partitions while nothing is fetched from them.
//!
//! The consumer knows the end of a partition from its last fetch. A task whose records are refused,
//! whose `put` takes long, that paused its partitions, or whose consumer has read ahead as far as
//! it may, fetches nothing: the end it saw stands still while the partition grows, and a lag
//! computed from it lies. Such a task asks the brokers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sluice_kafka::consumer::Ends;

use crate::worker::metrics::TaskMetrics;

/// How often a task that lags asks; a task that has read everything never does.
const INTERVAL: Duration = Duration::from_secs(3);

/// Keeps the ends in the numbers of a task up to date for as long as it is polled.
pub(super) async fn watch(consumer: Ends, metrics: Arc<TaskMetrics>) -> Infallible {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let partitions = metrics.sinks_without_fetches(INTERVAL);
        let ends = if partitions.is_empty() {
            Vec::new()
        } else {
            match consumer.latest(&partitions).await {
                Ok(ends) => ends,
                Err(error) => {
                    // What was known stays: without brokers nobody knows more.
                    tracing::debug!("the ends of partitions: {error}");
                    continue;
                }
            }
        };
        metrics.set_sink_ends(partitions.into_iter().zip(ends).collect());
    }
}
