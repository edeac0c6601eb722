//! Avro's container files: a header with the schema, and blocks of values that may be compressed.
//!
//! Values and schemas are encoded by the Avro converter's own plans.

use std::io::Write as _;
use std::sync::Arc;

use flate2::write::DeflateEncoder;
use sluice_api::{ConnectError, Result, Schema, SchemaType, Value};
use sluice_plugins::avro::{fixed_size, write_bytes, write_long};
use sluice_plugins::schema_registry::codec::Codec;
use uuid::Uuid;

use super::Encoder;
use super::{AvroCodec, FormatSettings};

const MAGIC: &[u8] = b"Obj\x01";
/// Bytes of values that make a block, as in Java's writer.
const BLOCK: usize = 64_000;

struct Container {
    values: Box<dyn Codec>,
    codec: AvroCodec,
    sync: [u8; 16],
    /// Values of the block under way.
    block: Vec<u8>,
    count: i64,
    has_header: bool,
    /// Whether values are bare bytes, whose length the codec leaves out.
    is_bytes: bool,
    bare: Vec<u8>,
}

/// An encoder for a container of values of a schema.
pub(super) fn encoder(
    settings: &FormatSettings,
    schema: Option<&Arc<Schema>>,
) -> Result<Box<dyn Encoder>> {
    let is_bytes = schema.is_some_and(|schema| {
        schema.schema_type() == SchemaType::Bytes
            && !schema.is_optional()
            && fixed_size(schema).is_none()
    });
    let values = sluice_plugins::avro::codec(&settings.avro, schema)?;
    Ok(Box::new(Container {
        values,
        codec: settings.avro_codec,
        sync: *Uuid::new_v4().as_bytes(),
        block: Vec::new(),
        count: 0,
        has_header: false,
        is_bytes,
        bare: Vec::new(),
    }))
}

impl Container {
    fn write_header(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_header, true) {
            return;
        }
        let codec: &[u8] = match self.codec {
            AvroCodec::Null => b"null",
            AvroCodec::Deflate => b"deflate",
            AvroCodec::Snappy => b"snappy",
        };
        out.extend_from_slice(MAGIC);
        write_long(out, 2);
        write_bytes(out, b"avro.schema");
        write_bytes(out, self.values.schema_text().as_bytes());
        write_bytes(out, b"avro.codec");
        write_bytes(out, codec);
        out.push(0);
        out.extend_from_slice(&self.sync);
    }

    fn write_block(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.write_header(out);
        if self.count == 0 {
            return Ok(());
        }
        write_long(out, self.count);
        match self.codec {
            AvroCodec::Null => write_bytes(out, &self.block),
            AvroCodec::Deflate => {
                let mut deflate = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                deflate.write_all(&self.block)?;
                write_bytes(out, &deflate.finish()?);
            }
            AvroCodec::Snappy => {
                let mut packed = snap::raw::Encoder::new()
                    .compress_vec(&self.block)
                    .map_err(|error| ConnectError::connect(error.to_string()))?;
                let mut sum = flate2::Crc::new();
                sum.update(&self.block);
                packed.extend_from_slice(&sum.sum().to_be_bytes());
                write_bytes(out, &packed);
            }
        }
        out.extend_from_slice(&self.sync);
        self.block.clear();
        self.count = 0;
        Ok(())
    }
}

impl Encoder for Container {
    fn write(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<()> {
        let start = self.block.len();
        let written = if self.is_bytes {
            self.bare.clear();
            self.values.write(value, &mut self.bare).map(|()| {
                write_bytes(&mut self.block, &self.bare);
            })
        } else {
            self.values.write(value, &mut self.block)
        };
        if let Err(error) = written {
            self.block.truncate(start);
            return Err(error);
        }
        self.count += 1;
        if self.block.len() >= BLOCK {
            self.write_block(out)?;
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.block.len()
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.write_block(out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.write_block(out)
    }
}
