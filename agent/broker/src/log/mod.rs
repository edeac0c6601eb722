//! The log of a partition: batches as bytes, who wrote them, which transactions are open.
//!
//! [`partition`] decides and is owned by the writer; [`view`] is what everybody else sees, after the commit.

pub(crate) mod batch;
pub(crate) mod compaction;
pub(crate) mod partition;
pub(crate) mod producer;
pub(crate) mod read;
pub(crate) mod view;
