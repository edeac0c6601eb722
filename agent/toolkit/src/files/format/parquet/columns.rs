//! The columns of a row group: values and the levels that say where they stand.

use bytes::Bytes;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::{ParquetError, Result};

/// Values of one physical type, without those that are null.
#[derive(Debug)]
pub(super) enum Values {
    Boolean(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    /// All bytes one after another, and where each value ends.
    Bytes {
        data: Vec<u8>,
        ends: Vec<usize>,
    },
}

/// A column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) values: Values,
    /// How much of the path is there, per value or gap; all are `max_definition` for a value.
    definitions: Vec<i16>,
    /// Which list goes on, per value or gap; 0 begins a record.
    repetitions: Vec<i16>,
    max_definition: i16,
    max_repetition: i16,
}

impl Column {
    pub(super) fn new(values: Values, max_definition: i16, max_repetition: i16) -> Self {
        Self {
            values,
            definitions: Vec::new(),
            repetitions: Vec::new(),
            max_definition,
            max_repetition,
        }
    }

    /// Notes a value that was added to `values`, or a gap.
    pub(super) fn push_level(&mut self, definition: i16, repetition: i16) {
        if self.max_definition > 0 {
            self.definitions.push(definition);
        }
        if self.max_repetition > 0 {
            self.repetitions.push(repetition);
        }
    }

    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        let levels = 2 * (self.definitions.len() + self.repetitions.len());
        levels
            + match &self.values {
                Values::Boolean(values) => values.len(),
                Values::Int32(values) => 4 * values.len(),
                Values::Int64(values) => 8 * values.len(),
                Values::Float(values) => 4 * values.len(),
                Values::Double(values) => 8 * values.len(),
                Values::Bytes { data, ends } => data.len() + 8 * ends.len(),
            }
    }

    /// Takes back what is beyond the first `rows` records, after one that failed half-way.
    pub(super) fn truncate(&mut self, rows: usize) {
        let entries = if self.max_repetition == 0 {
            rows
        } else {
            let mut begins = self
                .repetitions
                .iter()
                .enumerate()
                .filter(|(_, level)| **level == 0)
                .map(|(index, _)| index);
            begins.nth(rows).unwrap_or(self.repetitions.len())
        };
        self.repetitions.truncate(entries);
        self.definitions.truncate(entries);
        let count = if self.max_definition == 0 {
            entries
        } else {
            let is_value = |level: &&i16| **level == self.max_definition;
            self.definitions.iter().filter(is_value).count()
        };
        match &mut self.values {
            Values::Boolean(values) => values.truncate(count),
            Values::Int32(values) => values.truncate(count),
            Values::Int64(values) => values.truncate(count),
            Values::Float(values) => values.truncate(count),
            Values::Double(values) => values.truncate(count),
            Values::Bytes { data, ends } => {
                ends.truncate(count);
                data.truncate(ends.last().copied().unwrap_or(0));
            }
        }
    }

    /// Writes all of it and is empty then.
    pub(super) fn write(&mut self, writer: &mut ColumnWriter<'_>) -> Result<()> {
        let definitions = (self.max_definition > 0).then_some(self.definitions.as_slice());
        let repetitions = (self.max_repetition > 0).then_some(self.repetitions.as_slice());
        macro_rules! write {
            ($writer:expr, $values:expr) => {{
                $writer.write_batch($values, definitions, repetitions)?;
            }};
        }
        match (&mut self.values, writer) {
            (Values::Boolean(values), ColumnWriter::BoolColumnWriter(writer)) => {
                write!(writer, values);
                values.clear();
            }
            (Values::Int32(values), ColumnWriter::Int32ColumnWriter(writer)) => {
                write!(writer, values);
                values.clear();
            }
            (Values::Int64(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                write!(writer, values);
                values.clear();
            }
            (Values::Float(values), ColumnWriter::FloatColumnWriter(writer)) => {
                write!(writer, values);
                values.clear();
            }
            (Values::Double(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                write!(writer, values);
                values.clear();
            }
            (Values::Bytes { data, ends }, ColumnWriter::ByteArrayColumnWriter(writer)) => {
                let values: Vec<ByteArray> = slices(data, ends).map(ByteArray::from).collect();
                write!(writer, &values);
            }
            (Values::Bytes { data, ends }, ColumnWriter::FixedLenByteArrayColumnWriter(writer)) => {
                let values: Vec<FixedLenByteArray> = slices(data, ends)
                    .map(|value| ByteArray::from(value).into())
                    .collect();
                write!(writer, &values);
            }
            _ => {
                return Err(ParquetError::General(
                    "a column is not of the type that it was laid out for".to_owned(),
                ));
            }
        }
        self.definitions.clear();
        self.repetitions.clear();
        Ok(())
    }
}

/// The values of one allocation, which are taken out of their column.
fn slices<'a>(
    data: &mut Vec<u8>,
    ends: &'a mut Vec<usize>,
) -> impl Iterator<Item = Bytes> + use<'a> {
    let all = Bytes::from(std::mem::take(data));
    let mut start = 0;
    ends.drain(..).map(move |end| {
        let value = all.slice(start..end);
        start = end;
        value
    })
}
