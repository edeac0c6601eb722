//! Kafka Connect's logical types: Decimal, Date, Time and Timestamp.
//!
//! A logical type is recognised by the name of its schema only. Records hold logical values
//! ([`Value::Decimal`], [`Value::Date`]); converters turn them into the physical form and back.

use std::sync::{Arc, LazyLock};

use crate::data::schema::{Schema, SchemaBuilder};
use crate::data::value::Value;
use crate::error::{ConnectError, Result};
use sluice_jvm_text::Decimal;

/// Name of Decimal: bytes, big-endian two's complement of the unscaled value.
pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// Name of Date: INT32, days since the epoch.
pub const DATE: &str = "org.apache.kafka.connect.data.Date";
/// Name of Time: INT32, milliseconds since midnight.
pub const TIME: &str = "org.apache.kafka.connect.data.Time";
/// Name of Timestamp: INT64, milliseconds since the epoch.
pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
/// Parameter of Decimal: digits after the point.
pub const SCALE_FIELD: &str = "scale";
/// Milliseconds of a day.
pub const MILLIS_PER_DAY: i64 = 86_400_000;

fn fixed(builder: SchemaBuilder, optional: bool) -> Arc<Schema> {
    let builder = if optional {
        builder.optional()
    } else {
        builder
    };
    builder
        .build()
        .unwrap_or_else(|_| crate::data::schema::schemas::INT32.clone())
}

/// Required Date.
pub static DATE_SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| fixed(date_builder(), false));
/// Required Time.
pub static TIME_SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| fixed(time_builder(), false));
/// Required Timestamp.
pub static TIMESTAMP_SCHEMA: LazyLock<Arc<Schema>> =
    LazyLock::new(|| fixed(timestamp_builder(), false));
/// Optional Date.
pub static OPTIONAL_DATE_SCHEMA: LazyLock<Arc<Schema>> =
    LazyLock::new(|| fixed(date_builder(), true));
/// Optional Time.
pub static OPTIONAL_TIME_SCHEMA: LazyLock<Arc<Schema>> =
    LazyLock::new(|| fixed(time_builder(), true));
/// Optional Timestamp.
pub static OPTIONAL_TIMESTAMP_SCHEMA: LazyLock<Arc<Schema>> =
    LazyLock::new(|| fixed(timestamp_builder(), true));

/// Builder of a Decimal schema of the given scale.
#[must_use]
pub fn decimal_builder(scale: i32) -> SchemaBuilder {
    SchemaBuilder::bytes()
        .name(DECIMAL)
        .parameter(SCALE_FIELD, scale.to_string())
        .version(1)
}

/// Builder of a Date schema.
#[must_use]
pub fn date_builder() -> SchemaBuilder {
    SchemaBuilder::int32().name(DATE).version(1)
}

/// Builder of a Time schema.
#[must_use]
pub fn time_builder() -> SchemaBuilder {
    SchemaBuilder::int32().name(TIME).version(1)
}

/// Builder of a Timestamp schema.
#[must_use]
pub fn timestamp_builder() -> SchemaBuilder {
    SchemaBuilder::int64().name(TIMESTAMP).version(1)
}

/// Required Decimal of the given scale.
pub fn decimal_schema(scale: i32) -> Result<Arc<Schema>> {
    decimal_builder(scale).build()
}

/// Scale of a Decimal schema.
pub fn scale(schema: &Schema) -> Result<i32> {
    let text = schema
        .parameters()
        .and_then(|parameters| parameters.get(SCALE_FIELD))
        .ok_or_else(|| ConnectError::data("Invalid Decimal schema: scale parameter not found."))?;
    text.parse()
        .map_err(|_| ConnectError::data("Invalid scale parameter found in Decimal schema: "))
}

/// Bytes of a decimal, whose scale must be that of the schema.
pub fn decimal_to_bytes(schema: &Schema, value: &Decimal) -> Result<Vec<u8>> {
    let scale = scale(schema)?;
    if value.scale() != scale {
        return Err(ConnectError::data(format!(
            "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value \
             has scale {}.",
            value.scale()
        )));
    }
    Ok(value.to_be_bytes())
}

/// Decimal from bytes.
pub fn decimal_from_bytes(schema: &Schema, bytes: &[u8]) -> Result<Value> {
    Ok(Value::from(Decimal::from_be_bytes(bytes, scale(schema)?)))
}

/// Days of a Date, which must be at midnight UTC.
pub fn date_to_days(millis: i64) -> Result<i32> {
    if millis.rem_euclid(MILLIS_PER_DAY) != 0 {
        return Err(ConnectError::data(
            "Kafka Connect Date type should not have any time fields set to non-zero values.",
        ));
    }
    // Java's cast from long to int truncates.
    #[expect(clippy::cast_possible_truncation, reason = "as Java does")]
    Ok((millis / MILLIS_PER_DAY) as i32)
}

/// Date from days.
#[must_use]
pub fn date_from_days(days: i32) -> Value {
    Value::Date(i64::from(days) * MILLIS_PER_DAY)
}

/// Milliseconds of a Time, which must be within the first day of the epoch.
pub fn time_to_millis(millis: i64) -> Result<i32> {
    match i32::try_from(millis) {
        Ok(value) if (0..=MILLIS_PER_DAY).contains(&millis) => Ok(value),
        _ => Err(ConnectError::data(
            "Kafka Connect Time type should not have any date fields set to non-zero values.",
        )),
    }
}

/// Time from milliseconds.
pub fn time_from_millis(millis: i32) -> Result<Value> {
    if (0..=MILLIS_PER_DAY).contains(&i64::from(millis)) {
        return Ok(Value::Date(millis.into()));
    }
    Err(ConnectError::data(
        "Time values must use number of milliseconds greater than 0 and less than 86400000",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_no_time_of_day() {
        assert_eq!(date_to_days(2 * MILLIS_PER_DAY).unwrap(), 2);
        assert_eq!(date_to_days(-MILLIS_PER_DAY).unwrap(), -1);
        assert!(date_to_days(1).is_err());
    }

    #[test]
    fn a_time_is_within_a_day() {
        assert_eq!(time_to_millis(MILLIS_PER_DAY).unwrap(), 86_400_000);
        assert!(time_to_millis(MILLIS_PER_DAY + 1).is_err());
        assert!(time_to_millis(-1).is_err());
        assert!(time_from_millis(-1).is_err());
    }

    #[test]
    fn a_decimal_keeps_its_scale() {
        let schema = decimal_schema(2).unwrap();
        let value: Decimal = "12.34".parse().unwrap();
        let bytes = decimal_to_bytes(&schema, &value).unwrap();
        assert_eq!(bytes, [0x04, 0xd2]);
        assert_eq!(
            decimal_from_bytes(&schema, &bytes).unwrap(),
            Value::from(value)
        );
        assert!(decimal_to_bytes(&schema, &"1.2".parse().unwrap()).is_err());
    }
}
