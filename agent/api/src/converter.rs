//! Converters between Connect data and the bytes of Kafka records.
//!
//! A converter is configured once and then shared by the loop of one task; it keeps caches behind `&self`.
//! Calls answer at once. One that needs something from outside, such as a schema from a registry, answers
//! [`ErrorKind::NotReady`](crate::ErrorKind::NotReady); the caller awaits [`Converter::ready`] and repeats
//! it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::config::Props;
use crate::data::schema::{Schema, SchemaAndValue};
use crate::data::value::Value;
use crate::error::Result;

/// What a converter is used for (`converter.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConverterType {
    /// Keys.
    Key,
    /// Values.
    Value,
    /// Headers.
    Header,
}

impl ConverterType {
    /// The value of `converter.type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
            Self::Header => "header",
        }
    }
}

/// Converts keys or values.
#[async_trait]
pub trait Converter: Send + Sync {
    /// Takes its properties, without prefix.
    fn configure(&mut self, props: &Props, kind: ConverterType) -> Result<()>;

    /// The bytes of a value, `None` for null bytes.
    ///
    /// The answer borrows from `value` where the bytes are there already, or from `buffer`, to which encoders
    /// append; what stands in the buffer before the call is left alone.
    #[expect(
        clippy::wrong_self_convention,
        reason = "the name in Kafka's interface"
    )]
    fn from_connect_data<'a>(
        &self,
        topic: &str,
        schema: Option<&Arc<Schema>>,
        value: &'a Value,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>>;

    /// The value of bytes; text and bytes are slices of `data` where possible.
    fn to_connect_data(&self, topic: &str, data: Option<&Bytes>) -> Result<SchemaAndValue>;

    /// Fetches what calls were not ready for. Repeated after it, they give their result, or the error of the
    /// fetching.
    async fn ready(&self) {}
}

/// Converts headers.
pub trait HeaderConverter: Send + Sync {
    /// Takes its properties, without prefix.
    fn configure(&mut self, props: &Props) -> Result<()>;

    /// The bytes of a header, as [`Converter::from_connect_data`].
    #[expect(
        clippy::wrong_self_convention,
        reason = "the name in Kafka's interface"
    )]
    fn from_connect_header<'a>(
        &self,
        topic: &str,
        header_key: &str,
        schema: Option<&Arc<Schema>>,
        value: &'a Value,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>>;

    /// The value of a header's bytes.
    fn to_connect_header(
        &self,
        topic: &str,
        header_key: &str,
        data: Option<&Bytes>,
    ) -> Result<SchemaAndValue>;
}
