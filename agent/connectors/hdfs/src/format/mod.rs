//! What files hold: bytes made of the values of records, one encoder per file.

mod avro;
mod parquet;
mod text;

use sluice_api::{Result, Value};

use crate::compatibility::FileSchema;
use crate::config::{Compression, FormatKind, FormatSettings};

/// Makes the bytes of one file. Those that are ready are appended to `out`, whose beginning its owner may
/// take away at any time; what an encoder keeps back is told by `held`.
pub(crate) trait Encoder: Send {
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
    pub(crate) fn extension(&self) -> &'static str {
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
    pub(crate) fn encoder(&self, schema: &FileSchema) -> Result<Box<dyn Encoder>> {
        match self.kind {
            FormatKind::Avro => avro::encoder(self, schema.as_ref()),
            FormatKind::Parquet => parquet::encoder(self.parquet_codec, schema.as_ref()),
            FormatKind::Json => Ok(text::json(schema.clone(), self.compression)),
            FormatKind::Text => Ok(text::text(self.compression)),
        }
    }
}
