//! The harness of the end-to-end tests: real servers as child processes, and what tests do with them.
//!
//! * [`servers`]: where the jars of Kafka and JVM Connect are, or why there are none.
//! * [`process`]: a child process that can be stopped, killed and frozen and never outlives the test run.
//! * [`certificates`]: certificates for loopback, signed by authorities of the test's own.
//! * [`command`]: a program that runs to its end, and what it wrote.
//! * [`kafka`]: a real one-node Kafka broker that can be stopped and started again on its data and ports.
//! * [`database`]: a real PostgreSQL, MariaDB or SQLite.
//! * [`hdfs`]: a real HDFS, and a client for it.
//! * [`http_server`]: an HTTP server that keeps what it was sent, refuses, hangs, goes and comes back.
//! * [`data_file`]: Parquet and Avro files as PyArrow and fastavro read them.
//! * [`spark`]: what Spark reads in files on HDFS, in the long form of the tests.
//! * [`worker`]: a Connect worker, JVM or agent, started from the same properties file.
//! * [`proxy`]: a proxy before a server that can fall silent.
//! * [`rest`]: the Connect REST API of a worker, as tests use it.
//! * [`schema_registry`]: a small Schema Registry.
//! * [`topics`]: records into and out of topics.
//! * [`files`]: files full of distinguishable lines, and what was lost or repeated on their way.
//! * [`wait`]: waiting for a condition, with a deadline and a text that says what did not happen.
//! * [`pipeline`]: a file through a topic into a file.
//! * [`corpus`]: records of every shape, valid and broken.
//! * [`pty`]: a program in a pseudo terminal, its keys and its screen.
//! * [`conversation`]: a REST conversation as data, played to a worker, and the comparison of two of its
//!   recordings.
//!
//! Everything blocks; a test is a plain function that returns a `Result`. Nothing here mocks anything.

pub mod certificates;
pub mod command;
pub mod conversation;
pub mod corpus;
pub mod data_file;
pub mod database;
pub mod differences;
pub mod files;
pub mod hdfs;
pub mod hostile;
pub mod http_server;
pub mod kafka;
pub mod mariadb;
pub mod pipeline;
pub mod ports;
pub mod postgresql;
pub mod process;
pub mod proxy;
pub mod pty;
pub mod rest;
pub mod schema_registry;
pub mod servers;
pub mod spark;
pub mod sqlite;
pub mod topics;
pub mod wait;
pub mod worker;

#[cfg(test)]
mod documents;
#[cfg(test)]
mod module_arrows;
#[cfg(test)]
mod patches;
#[cfg(test)]
mod workspace;
