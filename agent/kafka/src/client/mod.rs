//! librdkafka's clients: their settings from the keys of Java's clients, and what they log.

pub mod config;
pub mod keys;
pub mod librdkafka;
pub mod logs;
