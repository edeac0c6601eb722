//! What the author of a plugin needs (Kafka's `connect-api`): the data model, the traits of connectors,
//! tasks, converters and transformations, and configuration definitions. It knows neither Kafka clients nor
//! the worker.
//!
//! * [`schema`], [`value`], [`struct_`], [`logical`], [`decimal`]: the data model; [`values`] reads and
//!   writes it as text, [`projection`] moves data from one schema to another, [`java_text`] has the JVM's
//!   number texts, [`java_number`] what it reads as a number, [`simple_date_format`] its patterns of dates,
//!   [`java_regex`] its regular expressions.
//! * [`json`]: values as JSON.
//! * [`record`]: records, headers, source partitions and offsets.
//! * [`connector`], [`source`], [`sink`], [`converter`], [`transformation`], [`config_provider`]: the traits.
//! * [`requests`]: sinks that send records in requests.
//! * [`config`]: definitions of configurations; [`reach`]: files and hosts that they may name.
//! * [`plugin`]: descriptors for the worker's list of plugins.
//! * [`testing`]: a context for tasks in the tests of connectors.
//! * [`error`]: the error all of them answer with; [`causes`] writes any error with what is behind it.

pub mod causes;
pub mod config;
pub mod config_provider;
pub mod connector;
pub mod converter;
pub mod decimal;
pub mod error;
pub mod java_calendar;
pub mod java_number;
pub mod java_regex;
pub mod java_text;
pub mod json;
pub mod logical;
pub mod plugin;
pub mod projection;
pub mod reach;
pub mod record;
pub mod requests;
pub mod schema;
pub mod simple_date_format;
pub mod sink;
pub mod source;
pub mod struct_;
pub mod testing;
pub mod transformation;
pub mod value;
pub mod values;

pub use async_trait::async_trait;
pub use config::{ConfigDef, ConfigError, ConfigKey, ParsedConfig, Password, Props};
pub use connector::{
    Connector, ConnectorContext, ExactlyOnceSupport, KeyFault, OffsetStorageReader,
};
pub use converter::{Converter, ConverterType, HeaderConverter};
pub use decimal::Decimal;
pub use error::{ConnectError, ErrorKind, Result};
pub use reach::{Place, Reach};
pub use record::{
    ConnectRecord, Header, Headers, OffsetAndMetadata, RawRecord, RecordMetadata, SinkRecord,
    SourceOffset, SourcePartition, SourceRecord, TimestampType, TopicPartition,
};
pub use schema::{Schema, SchemaAndValue, SchemaBuilder, SchemaType, schemas};
pub use sink::{ErrantRecordReporter, SinkOffsets, SinkTask, SinkTaskContext};
pub use source::{CommittedRecord, SourceTask, SourceTaskContext, TransactionContext};
pub use struct_::Struct;
pub use transformation::{Predicate, RecordOrigin, Transformation};
pub use value::{MapValue, Value};
