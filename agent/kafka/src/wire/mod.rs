//! Kafka's wire protocol over tokio, for what librdkafka's Rust binding lacks.
//!
//! [`settings`] say how brokers are reached; [`bootstrap`], [`security`] and [`jaas`] take the keys apart
//! that Java's clients have for it. A [`connection`] is TCP or TLS ([`tls`]), authenticated ([`sasl`]);
//! [`discovery`] finds any broker, and coordinators.

pub mod bootstrap;
pub mod connection;
pub mod discovery;
pub mod jaas;
pub mod props;
mod sasl;
pub mod security;
pub mod settings;
pub mod tls;
