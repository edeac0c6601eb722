//! The data plane: task loops between connectors and Kafka, and what they share.
//!
//! * [`lifecycle`], [`connector`]: what runs here, started and stopped by the herder.
//! * [`task_runtime`]: the threads they run on, apart from those of REST, herder and group.
//! * [`task_context`]: what a loop is given and what it reports back; begin here.
//! * [`source_task`], [`sink_task`]: the loops, one future per task.
//! * [`producer`], [`consumer`](sluice_kafka::consumer): the Kafka clients of the loops;
//!   [`client_configs`] makes their settings, `partitioner` chooses partitions.
//! * [`errors`], [`dead_letter_queue`], [`transformation_chain`]: retries and tolerance, failed
//!   records, transformations.
//! * [`offset_writer`], [`submitted`], [`connector_offsets`]: source offsets, from acknowledgement
//!   to the offsets topic.
//! * [`transactional_producer`]: transactions of exactly-once source tasks.
//! * [`topic_creation`]: topics of source connectors.
//! * [`metrics`]: counters of each task.

pub(crate) mod client_configs;
mod config_secrets;
pub(crate) mod connector;
pub mod connector_offsets;
pub(crate) mod dead_letter_queue;
pub(crate) mod errors;
pub(crate) mod lifecycle;
pub mod metrics;
pub(crate) mod offset_writer;
mod partitioner;
pub mod producer;
mod sink_context;
pub mod sink_task;
pub mod source_task;
pub(crate) mod submitted;
pub mod task_context;
pub(crate) mod task_runtime;
pub(crate) mod topic_creation;
pub(crate) mod transactional_producer;
pub mod transformation_chain;
mod worker_task;
