//! Parquet and Avro files as PyArrow, DuckDB and fastavro read them, which share no code with the connectors.

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;

use crate::command;
use crate::servers::{python, tests_folder};
use crate::wait::seconds;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Read by PyArrow.
    Parquet,
    /// An object container file, read by fastavro.
    Avro,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Contents {
    /// Parquet: `[{"name":..., "type":..., "nullable":...}]` with PyArrow's names of types. Avro: the
    /// writer's schema.
    pub schema: Value,
    /// The name of the compression, such as `SNAPPY` (Parquet) or `snappy` (Avro); `null` if nothing says.
    #[serde(default)]
    pub codec: Value,
    /// Parquet: DuckDB's names of types by column; `null` for Avro.
    #[serde(default)]
    pub duckdb: Value,
    /// The rows in order, each an object. Bytes are hexadecimal, dates, times and decimals text, as Python
    /// writes them.
    pub rows: Vec<Value>,
}

/// Reads a whole file.
///
/// # Errors
/// When Python's packages are not installed, or the reader refuses the file.
pub fn read(format: Format, bytes: &[u8]) -> Result<Contents> {
    let file = tempfile::NamedTempFile::with_prefix("sluice-data-file-")?;
    std::fs::write(file.path(), bytes)?;
    let command = [
        python()?.display().to_string(),
        tests_folder().join("data_file.py").display().to_string(),
        match format {
            Format::Parquet => "parquet".to_owned(),
            Format::Avro => "avro".to_owned(),
        },
        file.path().display().to_string(),
    ];
    let output = command::run(&command, &[], "", seconds(60))?.expect(0)?;
    Ok(serde_json::from_str(&output.stdout)?)
}
