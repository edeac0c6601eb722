//! What the author of a plugin needs (Kafka's `connect-api`): the data model, the traits of connectors,
//! tasks, converters and transformations, and configuration definitions. It knows neither Kafka clients nor
//! the worker.
//!
//! * [`data`]: the data model, and how it is read and written as text.
//! * [`record`]: records, headers, source partitions and offsets.
//! * [`connector`], [`source`], [`sink`], [`converter`], [`transformation`], [`config_provider`]: the traits.
//! * [`config`]: definitions of configurations; [`reach`]: files and hosts that they may name.
//! * [`plugin`]: descriptors for the worker's list of plugins.
//! * [`error`]: the error all of them answer with; [`causes`] writes any error with what is behind it.
//!
//! What several connectors share beyond it is in `sluice-toolkit`, Java's texts in `sluice-jvm-text`.

pub mod causes;
pub mod config;
pub mod config_provider;
pub mod connector;
pub mod converter;
pub mod data;
pub mod error;
pub mod plugin;
pub mod reach;
pub mod record;
pub mod sink;
pub mod source;
pub mod transformation;

pub use async_trait::async_trait;
pub use config::{ConfigDef, ConfigKey, ParsedConfig, Password, Props};
pub use connector::{Connector, ConnectorContext, ExactlyOnceSupport, OffsetStorageReader};
pub use converter::{Converter, ConverterType, HeaderConverter};
pub use data::schema::{Schema, SchemaAndValue, SchemaBuilder, SchemaType, schemas};
pub use data::struct_::Struct;
pub use data::value::{MapValue, Value};
pub use data::{logical, schema, struct_, value, values};
pub use error::{ConfigError, ConnectError, ErrorKind, KeyFault, Result};
pub use reach::{Place, Reach};
pub use record::{
    ConnectRecord, Header, Headers, OffsetAndMetadata, RawRecord, RecordMetadata, SinkRecord,
    SourceOffset, SourcePartition, SourceRecord, TimestampType, TopicPartition,
};
pub use sink::{ErrantRecordReporter, SinkOffsets, SinkTask, SinkTaskContext};
pub use sluice_jvm_text::Decimal;
pub use source::{CommittedRecord, SourceTask, SourceTaskContext, TransactionContext};
pub use transformation::{Predicate, RecordOrigin, Transformation};
