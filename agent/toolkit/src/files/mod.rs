//! What sinks need that write files, wherever these are: bytes of values, folders of records, and when a file
//! ends. Behaviour and names are those of Confluent's storage connectors (`io.confluent.connect.storage`).

pub mod format;
pub mod partitioner;
pub mod rotation;
