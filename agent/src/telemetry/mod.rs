//! What the worker reports about itself: the records of the telemetry topic, and the same numbers
//! as Prometheus text.

pub(crate) mod metrics;
pub(crate) mod publisher;

pub use metrics::{Subject, documented};
