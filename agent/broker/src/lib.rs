//! A Kafka-protocol broker in process: one node, data on disk, for the laptop, the demo and the edge box
//! without Kafka.
//!
//! Any Kafka client can connect over TCP. What it is not: there is no replication, there are no users and no
//! rights, and whoever reaches its port may do everything, which is why it listens on the loopback interface
//! unless it is configured otherwise.
//!
//! ```no_run
//! # async fn run() -> Result<(), sluice_broker::BrokerError> {
//! let broker = sluice_broker::Broker::start(sluice_broker::BrokerConfig::new("data")).await?;
//! println!("{}", broker.bootstrap());
//! broker.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Layers: `wire` turns bytes into requests, `api` handles them, `state` and `log` decide on the writer's
//! thread, `store` keeps; `groups` is a state machine beside them; `server` has the sockets.

mod api;
mod broker;
mod clock;
mod codec;
mod config;
mod data;
mod error_code;
mod groups;
mod log;
mod maintenance;
mod server;
mod state;
mod store;
mod topic_config;
mod wire;
mod writer;

pub use broker::{Broker, BrokerError};
pub use config::{BrokerConfig, FsyncPolicy, Limits};
pub use store::StoreError;
