//! What the author of a plugin needs (Kafka's `connect-api`): the data model, the traits of connectors, tasks,
//! converters and transformations, and configuration definitions. It knows neither Kafka clients nor the worker.

pub mod config;
