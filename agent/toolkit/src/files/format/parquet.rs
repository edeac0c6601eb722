//! Parquet files: values are taken apart into columns, which are written a row group at a time.
//!
//! `layout` maps a Connect schema to a Parquet schema and to the way its values take; `columns` holds what a
//! row group will be. Lists and maps have the three levels that Parquet's format wants.

mod columns;
mod layout;

use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use sluice_api::{ConnectError, Result, Schema, SchemaType, Value};

use self::columns::Column;
use self::layout::{Layout, Node};
use super::Encoder;
use super::ParquetCodec;

/// Bytes of memory, roughly, of a row group; its owner may want smaller ones.
const ROW_GROUP: usize = 16 << 20;

struct ParquetEncoder {
    root: Node,
    columns: Vec<Column>,
    /// Records in `columns`.
    rows: usize,
    /// Writes into memory that is taken away after each row group.
    writer: SerializedFileWriter<Vec<u8>>,
}

/// An encoder for a file of values of a schema, which is that of a struct.
pub(super) fn encoder(
    codec: ParquetCodec,
    schema: Option<&Arc<Schema>>,
) -> Result<Box<dyn Encoder>> {
    let Some(schema) = schema.filter(|schema| schema.schema_type() == SchemaType::Struct) else {
        let found = schema.map_or_else(|| "no schema".to_owned(), |schema| schema.to_string());
        return Err(ConnectError::data(format!(
            "Parquet files need values with the schema of a struct, found {found}; use a converter with \
             schemas, or JsonFormat"
        )));
    };
    let Layout {
        root,
        columns,
        schema,
    } = Layout::of(schema)?;
    let properties = WriterProperties::builder()
        .set_compression(match codec {
            ParquetCodec::None => Compression::UNCOMPRESSED,
            ParquetCodec::Gzip => Compression::GZIP(Default::default()),
            ParquetCodec::Snappy => Compression::SNAPPY,
            ParquetCodec::Zstd => Compression::ZSTD(Default::default()),
        })
        .set_created_by(format!("sluice version {}", env!("CARGO_PKG_VERSION")))
        .build();
    let writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))
        .map_err(|error| failed(&error))?;
    Ok(Box::new(ParquetEncoder {
        root,
        columns,
        rows: 0,
        writer,
    }))
}

fn failed(error: &ParquetError) -> ConnectError {
    ConnectError::connect(format!("writing Parquet failed: {error}"))
}

impl ParquetEncoder {
    fn write_row_group(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut write = || {
            let mut group = self.writer.next_row_group()?;
            for column in &mut self.columns {
                if let Some(mut writer) = group.next_column()? {
                    column.write(writer.untyped())?;
                    writer.close()?;
                }
            }
            group.close()?;
            self.writer.flush()?;
            Ok(())
        };
        write().map_err(|error: ParquetError| failed(&error))?;
        self.rows = 0;
        out.append(self.writer.inner_mut());
        Ok(())
    }
}

impl Encoder for ParquetEncoder {
    fn write(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<()> {
        if let Err(error) = self.root.write(value, &mut self.columns, 0, 0) {
            for column in &mut self.columns {
                column.truncate(self.rows);
            }
            return Err(error);
        }
        self.rows += 1;
        // Adding up columns for each record would cost more than some records do.
        if self.rows.is_multiple_of(64) && self.held() >= ROW_GROUP {
            self.write_row_group(out)?;
        }
        Ok(())
    }

    fn held(&self) -> usize {
        self.columns.iter().map(Column::size).sum()
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.write_row_group(out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.write_row_group(out)?;
        self.writer.finish().map_err(|error| failed(&error))?;
        out.append(self.writer.inner_mut());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
