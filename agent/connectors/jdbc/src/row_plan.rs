//! From columns to the schema of records, and from cells to records.
//!
//! The mapping of exact numbers is `numeric.mapping` of the Confluent connector (`GenericDatabaseDialect`).

use std::sync::Arc;

use sluice_api::logical;
use sluice_api::{Schema, SchemaBuilder, Struct, Value};

use crate::cell::{Cell, Target};
use crate::table::{Column, ColumnType};
use crate::time::Zone;

/// Digits that a 64-bit integer always holds.
const MAX_INTEGER_PRECISION: i32 = 18;
/// Scale of exact numbers of any size, which have none of their own.
const UNLIMITED_SCALE: i32 = 38;

/// `numeric.mapping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumericMapping {
    None,
    PrecisionOnly,
    BestFit,
    BestFitEagerDouble,
}

impl NumericMapping {
    pub(crate) const NAMES: &'static [&'static str] = &[
        "none",
        "precision_only",
        "best_fit",
        "best_fit_eager_double",
    ];

    /// Of its name, one of [`Self::NAMES`] in any case.
    pub(crate) fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "precision_only" => Self::PrecisionOnly,
            "best_fit" => Self::BestFit,
            "best_fit_eager_double" => Self::BestFitEagerDouble,
            _ => Self::None,
        }
    }

    fn integer(precision: i32) -> Target {
        match precision {
            ..=2 => Target::Int8,
            3..=4 => Target::Int16,
            5..=9 => Target::Int32,
            _ => Target::Int64,
        }
    }

    fn target(self, precision: Option<i32>, scale: i32) -> Target {
        let Some(precision) = precision else {
            return match self {
                Self::None | Self::PrecisionOnly => Target::Decimal(UNLIMITED_SCALE),
                Self::BestFit | Self::BestFitEagerDouble => Target::Float64,
            };
        };
        // A negative scale adds digits before the point.
        let digits = precision - scale.min(0);
        let small = digits <= MAX_INTEGER_PRECISION;
        match self {
            Self::PrecisionOnly if scale == 0 && small => Self::integer(digits),
            Self::BestFit | Self::BestFitEagerDouble if small && scale < 1 => Self::integer(digits),
            Self::BestFit if small && scale > 0 => Target::Float64,
            Self::BestFitEagerDouble if scale > 0 => Target::Float64,
            // Other formats have no decimals of negative scale.
            _ => Target::Decimal(scale.max(0)),
        }
    }
}

fn target(kind: ColumnType, mapping: NumericMapping) -> Target {
    match kind {
        ColumnType::Boolean => Target::Boolean,
        ColumnType::Int8 => Target::Int8,
        ColumnType::Int16 => Target::Int16,
        ColumnType::Int32 => Target::Int32,
        ColumnType::Int64 => Target::Int64,
        ColumnType::Float32 => Target::Float32,
        ColumnType::Float64 => Target::Float64,
        ColumnType::Numeric { precision, scale } => mapping.target(precision, scale),
        ColumnType::Text => Target::Text,
        ColumnType::Bytes => Target::Bytes,
        ColumnType::Date => Target::Date,
        ColumnType::Time => Target::Time,
        ColumnType::Timestamp { instant } => Target::Timestamp { instant },
    }
}

/// Digits of an exact number in all, as a parameter of its schema: what Avro's and Parquet's decimals are
/// declared with.
const PRECISION: &str = "connect.decimal.precision";

/// Digits in all that values of a column have at most, at the scale of their schema; `None` if the database
/// says nothing, or does not keep to it.
fn precision(column: &Column) -> Option<i32> {
    match column.kind {
        ColumnType::Numeric {
            precision: Some(precision),
            scale,
        } if column.keeps_precision => Some((precision - scale.min(0)).max(scale)),
        _ => None,
    }
}

fn builder(target: Target, precision: Option<i32>) -> SchemaBuilder {
    match target {
        Target::Boolean => SchemaBuilder::boolean(),
        Target::Int8 => SchemaBuilder::int8(),
        Target::Int16 => SchemaBuilder::int16(),
        Target::Int32 => SchemaBuilder::int32(),
        Target::Int64 => SchemaBuilder::int64(),
        Target::Float32 => SchemaBuilder::float32(),
        Target::Float64 => SchemaBuilder::float64(),
        Target::Decimal(scale) => match precision {
            None => logical::decimal_builder(scale),
            Some(digits) => {
                logical::decimal_builder(scale).parameter(PRECISION, digits.to_string())
            }
        },
        Target::Text => SchemaBuilder::string(),
        Target::Bytes => SchemaBuilder::bytes(),
        Target::Date => SchemaBuilder::int32().name(logical::DATE).version(1),
        Target::Time => SchemaBuilder::int32().name(logical::TIME).version(1),
        Target::Timestamp { .. } => SchemaBuilder::int64().name(logical::TIMESTAMP).version(1),
    }
}

/// How rows of one result become values of records.
#[derive(Debug)]
pub(crate) struct RowPlan {
    pub(crate) schema: Arc<Schema>,
    /// Targets and names by column.
    columns: Vec<(String, Target)>,
    /// By column whether null has no place in the schema.
    required: Vec<bool>,
    incrementing: Option<usize>,
    timestamps: Vec<usize>,
    zone: Zone,
}

/// A row as a record's value, with what its offset is made of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) value: Value,
    pub(crate) incrementing: Option<i64>,
    /// Microseconds since the epoch.
    pub(crate) timestamp: Option<i64>,
}

impl RowPlan {
    /// A plan for columns; `schema_name` becomes the name of the struct.
    pub(crate) fn new(
        schema_name: Option<&str>,
        columns: &[Column],
        mapping: NumericMapping,
        zone: Zone,
    ) -> sluice_api::Result<Self> {
        let mut schema = SchemaBuilder::structure();
        if let Some(name) = schema_name {
            schema = schema.name(name);
        }
        let mut targets = Vec::with_capacity(columns.len());
        for column in columns {
            let target = target(column.kind, mapping);
            let mut field = builder(target, precision(column));
            if column.nullable {
                field = field.optional();
            }
            schema = schema.field(column.name.as_str(), field.build()?);
            targets.push((column.name.clone(), target));
        }
        Ok(Self {
            schema: schema.build()?,
            columns: targets,
            required: columns.iter().map(|column| !column.nullable).collect(),
            incrementing: None,
            timestamps: Vec::new(),
            zone,
        })
    }

    /// Says which columns, by position, make offsets; a row's timestamp is the first of several that is not
    /// null.
    #[must_use]
    pub(crate) fn with_offsets(
        mut self,
        incrementing: Option<usize>,
        timestamps: Vec<usize>,
    ) -> Self {
        self.incrementing = incrementing;
        self.timestamps = timestamps;
        self
    }

    /// The row of cells in the order of columns; an error names the column.
    pub(crate) fn row(
        &self,
        cells: impl IntoIterator<Item = Result<Cell, String>>,
    ) -> Result<Row, String> {
        let mut values = Vec::with_capacity(self.columns.len());
        let mut incrementing = None;
        // With its place among the columns of timestamps.
        let mut timestamp: Option<(usize, i64)> = None;
        for (cell, (index, (name, target))) in
            cells.into_iter().zip(self.columns.iter().enumerate())
        {
            let named = |why: String| format!("column {name:?}: {why}");
            let cell = cell.map_err(named)?;
            if cell == Cell::Null && self.required.get(index) == Some(&true) {
                return Err(named(
                    "there is no value though the column is NOT NULL (a date of zeros, such as 0000-00-00, \
                     has none); correct the row, or read it by a query with NULLIF(...) around the column"
                        .to_owned(),
                ));
            }
            if self.incrementing == Some(index) {
                incrementing = cell.integer().map_err(named)?;
            }
            if let Some(place) = self.timestamps.iter().position(|column| *column == index)
                && timestamp.is_none_or(|(first, _)| place < first)
                && let Some(micros) = cell.micros(*target, self.zone)
            {
                timestamp = Some((place, micros));
            }
            values.push(cell.into_value(*target, self.zone).map_err(named)?);
        }
        let value = Struct::from_values(Arc::clone(&self.schema), values)
            .map_err(|error| error.message().to_owned())?;
        Ok(Row {
            value: Value::from(value),
            incrementing,
            timestamp: timestamp.map(|(_, micros)| micros),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(mapping: NumericMapping, precision: i32, scale: i32) -> Target {
        mapping.target(Some(precision), scale)
    }

    #[test]
    fn exact_numbers_are_mapped_as_the_confluent_connector_maps_them() {
        use NumericMapping::{BestFit, BestFitEagerDouble, None, PrecisionOnly};
        assert_eq!(numeric(None, 5, 0), Target::Decimal(0));
        assert_eq!(numeric(PrecisionOnly, 2, 0), Target::Int8);
        assert_eq!(numeric(PrecisionOnly, 4, 0), Target::Int16);
        assert_eq!(numeric(PrecisionOnly, 9, 0), Target::Int32);
        assert_eq!(numeric(PrecisionOnly, 18, 0), Target::Int64);
        assert_eq!(numeric(PrecisionOnly, 19, 0), Target::Decimal(0));
        assert_eq!(numeric(PrecisionOnly, 5, 2), Target::Decimal(2));
        assert_eq!(numeric(BestFit, 5, 2), Target::Float64);
        assert_eq!(numeric(BestFit, 20, 2), Target::Decimal(2));
        assert_eq!(numeric(BestFitEagerDouble, 20, 2), Target::Float64);
        assert_eq!(numeric(BestFit, 3, -3), Target::Int32);
        assert_eq!(BestFit.target(Option::None, 0), Target::Float64);
        assert_eq!(None.target(Option::None, 0), Target::Decimal(38));
    }

    #[test]
    fn nullability_and_precision_become_those_of_fields() {
        let numeric = |precision, scale| ColumnType::Numeric { precision, scale };
        let column = |name: &str, nullable, kind| Column {
            name: name.to_owned(),
            kind,
            type_name: String::new(),
            as_text: false,
            nullable,
            primary_key: false,
            auto_increment: false,
            keeps_precision: name != "sqlite",
        };
        let columns = [
            column("a", true, numeric(Some(6), 2)),
            column("negative", false, numeric(Some(5), -2)),
            column("small", false, numeric(Some(2), 5)),
            column("free", false, numeric(Option::None, 0)),
            column("sqlite", false, numeric(Some(6), 2)),
        ];
        let plan = RowPlan::new(Some("t"), &columns, NumericMapping::None, Zone::utc()).unwrap();
        let shown = |name: &str| {
            let field = plan.schema.field(name).unwrap();
            let parameters = field.schema().parameters().unwrap();
            let get = |key: &str| parameters.get(key).map(|value| value.to_string());
            (get(logical::SCALE_FIELD).unwrap(), get(PRECISION))
        };
        let both = |scale: &str, precision: &str| (scale.to_owned(), Some(precision.to_owned()));
        assert_eq!(shown("a"), both("2", "6"));
        assert_eq!(shown("negative"), both("0", "7"));
        assert_eq!(shown("small"), both("5", "5"));
        assert_eq!(shown("free"), ("38".to_owned(), Option::None));
        assert_eq!(shown("sqlite"), ("2".to_owned(), Option::None));
        let field = |name: &str| Arc::clone(plan.schema.field(name).unwrap().schema());
        assert!(field("a").is_optional() && !field("small").is_optional());
        assert_eq!(plan.schema.name(), Some("t"));
    }

    #[test]
    fn a_rows_timestamp_is_the_first_that_is_not_null() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            kind: ColumnType::Timestamp { instant: true },
            type_name: String::new(),
            as_text: false,
            nullable: true,
            primary_key: false,
            auto_increment: false,
            keeps_precision: true,
        };
        let plan = RowPlan::new(
            None,
            &[column("a"), column("b")],
            NumericMapping::None,
            Zone::utc(),
        )
        .unwrap()
        .with_offsets(None, vec![0, 1]);
        let row = plan
            .row([Ok(Cell::Null), Ok(Cell::Timestamp(1_234_567))])
            .unwrap();
        assert_eq!(row.timestamp, Some(1_234_567));
    }
}
