//! What files hold: bytes made of the values of records, one encoder per file.

mod avro;
mod parquet;
mod text;

use std::sync::Arc;

use sluice_api::{Result, Schema, Value};

/// What a file is (`format.class`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatKind {
    /// A container file, with the schema in its header (`AvroFormat`).
    Avro,
    /// Columns in row groups; values must be structs (`ParquetFormat`).
    Parquet,
    /// A line of JSON for each value (`JsonFormat`).
    Json,
    /// A line of text for each value, as Java's `toString` has it (`StringFormat`).
    Text,
}

/// Compression of an Avro file's blocks (`avro.codec`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AvroCodec {
    /// As they are.
    Null,
    /// RFC 1951, without a checksum.
    Deflate,
    /// Snappy, with the CRC32 that Avro wants behind each block.
    Snappy,
}

/// Compression of a Parquet file's pages (`parquet.codec`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParquetCodec {
    /// As they are.
    None,
    /// RFC 1952.
    Gzip,
    /// Raw Snappy.
    Snappy,
    /// Zstandard at its default level.
    Zstd,
}

/// Compression of files of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// RFC 1952, the whole file as one stream.
    Gzip,
}

/// What files hold.
#[derive(Debug, Clone)]
pub struct FormatSettings {
    /// The format itself; each looks at its own compression below.
    pub kind: FormatKind,
    /// Of Avro files.
    pub avro_codec: AvroCodec,
    /// Of Parquet files.
    pub parquet_codec: ParquetCodec,
    /// Of JSON and text files.
    pub compression: Compression,
    /// Keys of the Avro converter, whose schemas those of Avro files are.
    pub avro: Vec<(&'static str, &'static str)>,
}

/// Makes the bytes of one file. Those that are ready are appended to `out`, whose beginning its owner may
/// take away at any time; what an encoder keeps back is told by `held`.
pub trait Encoder: Send {
    /// Adds a value, of the schema that the encoder was made for.
    ///
    /// # Errors
    /// The value does not fit; nothing of it is in the file.
    fn write(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<()>;

    /// Bytes of memory, roughly, that values take which are not in `out` yet.
    fn held(&self) -> usize {
        0
    }

    /// Gives up what is held back, as far as the format lets it.
    ///
    /// # Errors
    /// The format's own.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let _ = out;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The format's own.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()>;
}

impl FormatSettings {
    /// The end of names, with its dot.
    pub fn extension(&self) -> &'static str {
        match (self.kind, self.compression) {
            (FormatKind::Avro, _) => ".avro",
            (FormatKind::Parquet, _) => ".parquet",
            (FormatKind::Json, Compression::None) => ".json",
            (FormatKind::Json, Compression::Gzip) => ".json.gz",
            (FormatKind::Text, Compression::None) => ".txt",
            (FormatKind::Text, Compression::Gzip) => ".txt.gz",
        }
    }

    /// An encoder for a file of values of a schema.
    ///
    /// # Errors
    /// The format has no form for the schema.
    pub fn encoder(&self, schema: Option<&Arc<Schema>>) -> Result<Box<dyn Encoder>> {
        match self.kind {
            FormatKind::Avro => avro::encoder(self, schema),
            FormatKind::Parquet => parquet::encoder(self.parquet_codec, schema),
            FormatKind::Json => Ok(text::json(schema.cloned(), self.compression)),
            FormatKind::Text => Ok(text::text(self.compression)),
        }
    }
}
