//! Producers of librdkafka without what costs time: a thread each ([`polled`]), and the search for the topic
//! of every record ([`topic`]).

pub mod polled;
pub mod topic;
