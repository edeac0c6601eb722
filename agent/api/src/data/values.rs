//! Values as text and back (`org.apache.kafka.connect.data.Values`), for header converters and
//! transformations.
//!
//! Texts of dates are in the local time zone of the process, as the JVM takes its default zone.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytestring::ByteString;
use chrono::{DateTime, Local, Offset as _, TimeZone as _, Utc};

use crate::data::logical;
use crate::data::schema::{
    Schema, SchemaAndValue, SchemaBuilder, SchemaType, same_schema, schemas,
};
use crate::data::value::{MapValue, Value};
use crate::error::{ConnectError, Result};
use sluice_jvm_text::Decimal;
use sluice_jvm_text::number;
use sluice_jvm_text::simple_date_format::SimpleDateFormat;

const TIME_LENGTH: usize = "14:34:54.346Z".len();
const TIMESTAMP_LENGTH: usize = "2019-08-23T14:34:54.346Z".len();
const DATE_LENGTH: usize = "2019-08-23".len();
static TIME_FORMAT: LazyLock<Option<SimpleDateFormat>> =
    LazyLock::new(|| SimpleDateFormat::new("HH:mm:ss.SSS'Z'").ok());
static DATE_FORMAT: LazyLock<Option<SimpleDateFormat>> =
    LazyLock::new(|| SimpleDateFormat::new("yyyy-MM-dd").ok());
static TIMESTAMP_FORMAT: LazyLock<Option<SimpleDateFormat>> =
    LazyLock::new(|| SimpleDateFormat::new("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").ok());
/// Nesting beyond this is taken as text, so that a hostile header can't exhaust the stack.
const MAX_DEPTH: usize = 128;

/// Guesses the type of a text: null, boolean, number, date, array, map, or else the text itself.
#[must_use]
pub fn parse_string(text: Option<&str>) -> SchemaAndValue {
    let Some(text) = text else {
        return SchemaAndValue::NULL;
    };
    if text.is_empty() {
        return SchemaAndValue::new(Some(schemas::STRING.clone()), Value::from_static(""));
    }
    let mut parser = ValueParser {
        tokens: Tokens::new(text),
        depth: 0,
    };
    match parser.parse(false) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => SchemaAndValue::NULL,
        Err(_) => as_string(text),
    }
}

fn as_string(text: &str) -> SchemaAndValue {
    SchemaAndValue::new(Some(schemas::STRING.clone()), Value::from(text))
}

/// Cuts text at unescaped delimiters.
struct Tokens<'a> {
    original: &'a str,
    position: usize,
    peeked: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    fn new(original: &'a str) -> Self {
        Self {
            original,
            position: 0,
            peeked: None,
        }
    }

    fn mark(&self) -> usize {
        self.position - self.peeked.map_or(0, str::len)
    }

    fn rewind(&mut self, position: usize) {
        self.position = position;
        self.peeked = None;
    }

    fn more_text(&self) -> bool {
        self.position < self.original.len()
    }

    fn has_next(&self) -> bool {
        self.peeked.is_some() || self.more_text()
    }

    fn next(&mut self) -> &'a str {
        match self.peeked.take() {
            Some(token) => token,
            None => self.consume(),
        }
    }

    /// The text of the next `count` tokens, or nothing if there are fewer.
    fn next_tokens(&mut self, count: usize) -> Option<&'a str> {
        let start = self.mark();
        for _ in 0..count {
            if !self.has_next() {
                self.rewind(start);
                return None;
            }
            self.next();
        }
        self.original.get(start..self.position)
    }

    fn consume(&mut self) -> &'a str {
        let start = self.position;
        let rest = self.original.get(start..).unwrap_or_default();
        let mut escaped = false;
        for (index, byte) in rest.bytes().enumerate() {
            match byte {
                b'\\' => escaped = !escaped,
                b':' | b',' | b'{' | b'}' | b'[' | b']' | b'"' if !escaped => {
                    let length = index.max(1);
                    self.position = start + length;
                    return rest.get(..length).unwrap_or_default();
                }
                _ => escaped = false,
            }
        }
        self.position = self.original.len();
        rest
    }

    fn can_consume(&mut self, expected: &str) -> bool {
        if self.peeked.is_none() {
            if !self.more_text() {
                return false;
            }
            self.peeked = Some(self.consume());
        }
        while self
            .peeked
            .is_some_and(|token| number::trim(token).is_empty())
            && self.more_text()
        {
            self.peeked = Some(self.consume());
        }
        if self
            .peeked
            .is_some_and(|token| number::trim(token) == expected)
        {
            self.peeked = None;
            return true;
        }
        false
    }
}

struct ValueParser<'a> {
    tokens: Tokens<'a>,
    depth: usize,
}

type Parsed = Result<Option<SchemaAndValue>>;

impl ValueParser<'_> {
    fn parse(&mut self, embedded: bool) -> Parsed {
        if !self.tokens.has_next() {
            return Ok(None);
        }
        if embedded && self.tokens.can_consume("\"") {
            return Ok(Some(self.quoted_string()));
        }
        if self.literal(embedded, "null") {
            return Ok(None);
        }
        for (text, value) in [("true", true), ("false", false)] {
            if self.literal(embedded, text) {
                let schema = Some(schemas::BOOLEAN.clone());
                return Ok(Some(SchemaAndValue::new(schema, Value::Boolean(value))));
            }
        }
        let start = self.tokens.mark();
        if self.depth < MAX_DEPTH {
            self.depth += 1;
            let parsed = if self.tokens.can_consume("[") {
                Some(self.array())
            } else if self.tokens.can_consume("{") {
                Some(self.map())
            } else {
                None
            };
            self.depth -= 1;
            match parsed {
                Some(Ok(parsed)) => return Ok(Some(parsed)),
                Some(Err(_)) => self.tokens.rewind(start),
                None => {}
            }
        }
        let token = self.tokens.next();
        if number::trim(token).is_empty() {
            return Ok(Some(as_string(token)));
        }
        self.single(embedded, number::trim(token)).map(Some)
    }

    /// A word that must be the whole text, unless it is embedded.
    fn literal(&mut self, embedded: bool, word: &str) -> bool {
        let start = self.tokens.mark();
        if self.tokens.can_consume(word) && (embedded || !self.tokens.has_next()) {
            return true;
        }
        self.tokens.rewind(start);
        false
    }

    fn single(&mut self, embedded: bool, token: &str) -> Result<SchemaAndValue> {
        let first = token.chars().next().unwrap_or(' ');
        if number::digit(first).is_some() {
            // Times hold colons, which end a token: try five tokens together first.
            let start = self.tokens.mark();
            if let Some(rest) = self.tokens.next_tokens(4)
                && let Some(parsed) = parse_temporal(&format!("{token}{rest}"))
            {
                return Ok(parsed);
            }
            self.tokens.rewind(start);
            if let Some(parsed) = parse_temporal(token) {
                return Ok(parsed);
            }
        }
        if (number::digit(first).is_some() || first == '+' || first == '-')
            && let Some(parsed) = parse_number(token)
        {
            return Ok(parsed);
        }
        if embedded {
            return Err(ConnectError::data("Failed to parse embedded value"));
        }
        Ok(as_string(self.tokens.original))
    }

    fn quoted_string(&mut self) -> SchemaAndValue {
        let mut content = String::new();
        while self.tokens.has_next() {
            if self.tokens.can_consume("\"") {
                break;
            }
            content.push_str(self.tokens.next());
        }
        parse_temporal(&content).unwrap_or_else(|| as_string(&content))
    }

    fn array(&mut self) -> Result<SchemaAndValue> {
        let mut items = Vec::new();
        let mut common = CommonSchema::default();
        while self.tokens.has_next() {
            if self.tokens.can_consume("]") {
                let schema = match common.get() {
                    Some(element) => {
                        refuse_null(items.iter())?;
                        items = items
                            .into_iter()
                            .map(|item| widen(&element, item))
                            .collect::<Result<_>>()?;
                        SchemaBuilder::array(element)
                    }
                    None => SchemaBuilder::of(SchemaType::Array),
                };
                return Ok(SchemaAndValue::new(
                    Some(schema.build()?),
                    Value::Array(items),
                ));
            }
            if self.tokens.can_consume(",") {
                return Err(ConnectError::data("Unable to parse an empty array element"));
            }
            let element = self.parse(true)?;
            common.merge(element.as_ref());
            items.push(element.map(|element| element.value).unwrap_or_default());

            let position = self.tokens.mark();
            if self.tokens.can_consume("]") {
                self.tokens.rewind(position);
            } else if !self.tokens.can_consume(",") {
                return Err(ConnectError::data("Array elements missing ',' delimiter"));
            }
        }
        Err(ConnectError::data(
            "Array is missing terminating ']' delimiter",
        ))
    }

    fn map(&mut self) -> Result<SchemaAndValue> {
        let mut entries = MapValue::new();
        let mut keys = CommonSchema::default();
        let mut values = CommonSchema::default();
        while self.tokens.has_next() {
            if self.tokens.can_consume("}") {
                let key_schema = keys.get();
                let value_schema = key_schema.as_ref().and_then(|_| values.get());
                if value_schema.is_some() {
                    refuse_null(entries.iter().map(|(_, value)| value))?;
                }
                let align = |schema: &Option<Arc<Schema>>, value| match schema {
                    Some(schema) => widen(schema, value),
                    None => Ok(value),
                };
                let entries: MapValue = entries
                    .into_iter()
                    .map(|(key, value)| {
                        Ok((align(&key_schema, key)?, align(&value_schema, value)?))
                    })
                    .collect::<Result<_>>()?;
                let schema = SchemaBuilder::map_of(key_schema, value_schema).build()?;
                return Ok(SchemaAndValue::new(Some(schema), Value::Map(entries)));
            }
            if self.tokens.can_consume(",") {
                return Err(ConnectError::data(
                    "Unable to parse a map entry with no key or value",
                ));
            }
            let key = self.parse(true)?;
            let Some(key) = key.filter(|key| !key.value.is_null()) else {
                return Err(ConnectError::data("Map entry may not have a null key"));
            };
            if !self.tokens.can_consume(":") {
                return Err(ConnectError::data("Map entry is missing ':'"));
            }
            let value = self.parse(true)?;
            self.tokens.can_consume(",");
            keys.merge(Some(&key));
            values.merge(value.as_ref());
            entries.insert(
                key.value,
                value.map(|value| value.value).unwrap_or_default(),
            );
        }
        Err(ConnectError::data(
            "Map is missing terminating '}' delimiter",
        ))
    }
}

/// Null does not fit the schema that the other members have in common, which is never optional: all is taken
/// as text.
fn refuse_null<'a>(mut members: impl Iterator<Item = &'a Value>) -> Result<()> {
    if members.any(Value::is_null) {
        return Err(ConnectError::data("Null among members of one type"));
    }
    Ok(())
}

/// The schema that fits all members; numbers are widened.
#[derive(Default)]
struct CommonSchema {
    schema: Option<Arc<Schema>>,
    incompatible: bool,
}

impl CommonSchema {
    fn merge(&mut self, latest: Option<&SchemaAndValue>) {
        let Some(latest) = latest.and_then(|latest| latest.schema.as_ref()) else {
            return;
        };
        if self.incompatible {
            return;
        }
        self.schema = match self.schema.take() {
            None => Some(Arc::clone(latest)),
            Some(previous) => merge_schemas(&previous, latest),
        };
        self.incompatible = self.schema.is_none();
    }

    fn get(&self) -> Option<Arc<Schema>> {
        self.schema.clone()
    }
}

fn number_rank(schema: &Schema) -> Option<u8> {
    Some(match schema.schema_type() {
        SchemaType::Int8 => 0,
        SchemaType::Int16 => 1,
        SchemaType::Int32 => 2,
        SchemaType::Int64 => 3,
        SchemaType::Float32 => 4,
        SchemaType::Float64 => 5,
        _ => return None,
    })
}

fn merge_schemas(previous: &Arc<Schema>, latest: &Arc<Schema>) -> Option<Arc<Schema>> {
    if previous.schema_type() != latest.schema_type() {
        let (a, b) = (number_rank(previous)?, number_rank(latest)?);
        return Some(Arc::clone(if a > b { previous } else { latest }));
    }
    if previous.is_optional() == latest.is_optional() {
        return Some(Arc::clone(if previous.is_optional() {
            previous
        } else {
            latest
        }));
    }
    same_schema(previous, latest).then(|| Arc::clone(previous))
}

/// A parsed member as the common schema wants it (`Values.convertTo`).
fn widen(schema: &Schema, value: Value) -> Result<Value> {
    Ok(match (schema.name(), &value) {
        (Some(logical::TIMESTAMP), Value::Date(_)) => value,
        // Numbers among times are milliseconds, as Java has it.
        (Some(logical::TIMESTAMP), other) => match other.as_i64() {
            Some(millis) => Value::Date(millis),
            None => return Err(cannot_convert(&value, "INT64")),
        },
        (Some(_), _) => value,
        (None, Value::Date(_)) if number_rank(schema).is_some() => {
            return Err(cannot_convert(&value, schema.schema_type().as_str()));
        }
        (None, _) => number_as(schema, value),
    })
}

/// A number as another type; other values stay.
#[expect(
    clippy::cast_possible_truncation,
    reason = "widening only, as Java's Number methods"
)]
fn number_as(schema: &Schema, value: Value) -> Value {
    match (schema.schema_type(), value.as_i64(), value.as_f64()) {
        (SchemaType::Int8, Some(v), _) => Value::Int8(v as i8),
        (SchemaType::Int16, Some(v), _) => Value::Int16(v as i16),
        (SchemaType::Int32, Some(v), _) => Value::Int32(v as i32),
        (SchemaType::Int64, Some(v), _) => Value::Int64(v),
        (SchemaType::Float32, _, Some(v)) => Value::Float32(v as f32),
        (SchemaType::Float64, _, Some(v)) => Value::Float64(v),
        _ => value,
    }
}

fn parse_number(token: &str) -> Option<SchemaAndValue> {
    let decimal: Decimal = token.parse().ok()?;
    // Without this an exponent makes an integer of that many digits only to find that it is no long.
    let integer = if decimal.scale() < -20 {
        None
    } else {
        decimal.to_integer()
    };
    if let Some(value) = integer.and_then(|value| i64::try_from(value).ok()) {
        let (schema, value) = if let Ok(v) = i8::try_from(value) {
            (&schemas::INT8, Value::Int8(v))
        } else if let Ok(v) = i16::try_from(value) {
            (&schemas::INT16, Value::Int16(v))
        } else if let Ok(v) = i32::try_from(value) {
            (&schemas::INT32, Value::Int32(v))
        } else {
            (&schemas::INT64, Value::Int64(value))
        };
        return Some(SchemaAndValue::new(Some((*schema).clone()), value));
    }
    if decimal.scale() != 0 {
        let value = decimal.to_f64();
        let narrow = decimal.to_f32();
        if narrow.is_finite() {
            return Some(SchemaAndValue::new(
                Some(schemas::FLOAT32.clone()),
                Value::Float32(narrow),
            ));
        }
        if value.is_finite() {
            return Some(SchemaAndValue::new(
                Some(schemas::FLOAT64.clone()),
                Value::Float64(value),
            ));
        }
    }
    let schema = logical::decimal_schema(decimal.scale()).ok()?;
    Some(SchemaAndValue::new(Some(schema), Value::from(decimal)))
}

fn parse_temporal(token: &str) -> Option<SchemaAndValue> {
    let unescaped;
    let token = if token.contains("\\:") {
        unescaped = token.replace("\\:", ":");
        unescaped.as_str()
    } else {
        token
    };
    let (schema, format): (&Arc<Schema>, &Option<SimpleDateFormat>) =
        match token.encode_utf16().count() {
            TIME_LENGTH => (&logical::TIME_SCHEMA, &TIME_FORMAT),
            TIMESTAMP_LENGTH => (&logical::TIMESTAMP_SCHEMA, &TIMESTAMP_FORMAT),
            DATE_LENGTH => (&logical::DATE_SCHEMA, &DATE_FORMAT),
            _ => return None,
        };
    let wall = DateTime::<Utc>::from_timestamp_millis(format.as_ref()?.parse(token)?)?;
    let millis = Local
        .from_local_datetime(&wall.naive_utc())
        .earliest()?
        .timestamp_millis();
    Some(SchemaAndValue::new(
        Some(Arc::clone(schema)),
        Value::Date(millis),
    ))
}

/// The text of a value; `None` for null. A text is given as it is, without quotes.
///
/// # Errors
/// A field of a struct can't be read.
pub fn convert_to_string(schema: Option<&Schema>, value: &Value) -> Result<Option<ByteString>> {
    let _ = schema;
    Ok(match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => {
            let mut text = String::new();
            append(&mut text, value, false);
            Some(text.into())
        }
    })
}

fn append(text: &mut String, value: &Value, embedded: bool) {
    use std::fmt::Write as _;
    match value {
        Value::Null => text.push_str("null"),
        Value::String(content) if embedded => {
            text.push('"');
            for c in content.chars() {
                if matches!(c, '\\' | '"') {
                    text.push('\\');
                }
                text.push(c);
            }
            text.push('"');
        }
        Value::String(content) => text.push_str(content),
        Value::Bytes(bytes) => {
            let quote = if embedded { "\"" } else { "" };
            text.push_str(quote);
            STANDARD.encode_string(bytes, text);
            text.push_str(quote);
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                append(text, item, true);
            }
            text.push(']');
        }
        Value::Map(map) => {
            text.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                append(text, key, true);
                text.push(':');
                append(text, value, true);
            }
            text.push('}');
        }
        Value::Struct(value) => {
            text.push('{');
            for (index, field) in value.schema().fields().iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                append(text, &Value::String(field.name().clone()), true);
                text.push(':');
                append(text, value.get_field(field), true);
            }
            text.push('}');
        }
        Value::Date(millis) => text.push_str(&date_text(*millis)),
        other => {
            // Writing to a String can't fail.
            let _ = write!(text, "{other}");
        }
    }
}

fn date_text(millis: i64) -> String {
    let format: &Option<SimpleDateFormat> = if millis < logical::MILLIS_PER_DAY {
        &TIME_FORMAT
    } else if millis % logical::MILLIS_PER_DAY == 0 {
        &DATE_FORMAT
    } else {
        &TIMESTAMP_FORMAT
    };
    let wall = DateTime::<Utc>::from_timestamp_millis(millis).map_or(millis, |time| {
        let offset = time.with_timezone(&Local).offset().fix().local_minus_utc();
        millis + i64::from(offset) * 1000
    });
    match format {
        Some(format) => format.format(wall),
        None => millis.to_string(),
    }
}

/// The schema of a value, where its class tells (`Values.inferSchema`).
#[must_use]
pub fn infer_schema(value: &Value) -> Option<Arc<Schema>> {
    Some(match value {
        Value::Int8(_) => schemas::INT8.clone(),
        Value::Int16(_) => schemas::INT16.clone(),
        Value::Int32(_) => schemas::INT32.clone(),
        Value::Int64(_) => schemas::INT64.clone(),
        Value::Float32(_) => schemas::FLOAT32.clone(),
        Value::Float64(_) => schemas::FLOAT64.clone(),
        Value::Boolean(_) => schemas::BOOLEAN.clone(),
        Value::String(_) => schemas::STRING.clone(),
        Value::Bytes(_) => schemas::BYTES.clone(),
        Value::Array(items) => SchemaBuilder::array(uniform(items.iter())?).build().ok()?,
        Value::Map(map) => SchemaBuilder::map(
            uniform(map.iter().map(|(key, _)| key))?,
            uniform(map.iter().map(|(_, value)| value))?,
        )
        .build()
        .ok()?,
        Value::Struct(value) => Arc::clone(value.schema()),
        Value::Null | Value::Date(_) | Value::Decimal(_) => return None,
    })
}

/// The schema of members of one type, optional if one of them is null. As in Kafka it tells the type only,
/// not what is inside.
fn uniform<'a>(values: impl Iterator<Item = &'a Value>) -> Option<Arc<Schema>> {
    let mut known = None;
    let mut optional = false;
    for value in values {
        if value.is_null() {
            optional = true;
            continue;
        }
        let found = infer_schema(value)?.schema_type();
        if known.is_some_and(|known| known != found) {
            return None;
        }
        known = Some(found);
    }
    let builder = SchemaBuilder::of(known?);
    let builder = if optional {
        builder.optional()
    } else {
        builder
    };
    builder.build().ok()
}

/// A number from a value: numbers are cut to 64 bits, texts are read as decimals, dates with a logical schema
/// are milliseconds (days for a Date schema).
pub fn convert_to_i64(schema: Option<&Schema>, value: &Value) -> Result<Option<i64>> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "as Java's Number.longValue"
    )]
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Float32(_) | Value::Float64(_) => value.as_f64().unwrap_or_default() as i64,
        Value::Date(millis) => match schema.and_then(Schema::name) {
            Some(logical::DATE) => millis.div_euclid(logical::MILLIS_PER_DAY),
            Some(logical::TIME | logical::TIMESTAMP) => *millis,
            _ => return Err(cannot_convert(value, "INT64")),
        },
        Value::Decimal(decimal) => low_64_bits(&decimal.truncate()),
        Value::String(text) => low_64_bits(&decimal_of(text)?.truncate()),
        other => other
            .as_i64()
            .ok_or_else(|| cannot_convert(other, "INT64"))?,
    }))
}

/// A floating point number from a value, as [`convert_to_i64`].
pub fn convert_to_f64(schema: Option<&Schema>, value: &Value) -> Result<Option<f64>> {
    #[expect(clippy::cast_precision_loss, reason = "as Java's Number.doubleValue")]
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Decimal(decimal) => decimal.to_f64(),
        Value::String(text) => decimal_of(text)?.to_f64(),
        Value::Date(_) => convert_to_i64(schema, value)?.unwrap_or_default() as f64,
        other => other
            .as_f64()
            .ok_or_else(|| cannot_convert(other, "FLOAT64"))?,
    }))
}

/// A boolean from a value: numbers, also as text, are true unless 0, other texts are parsed.
pub fn convert_to_boolean(schema: Option<&Schema>, value: &Value) -> Result<Option<bool>> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Boolean(v) => *v,
        Value::String(text) => match parse_string(Some(text)).value {
            Value::Boolean(v) => v,
            _ => convert_to_i64(schema, value)? != Some(0),
        },
        other => convert_to_i64(schema, other)? != Some(0),
    }))
}

fn decimal_of(text: &str) -> Result<Decimal> {
    Ok(text.parse::<Decimal>()?)
}

fn low_64_bits(value: &num_bigint::BigInt) -> i64 {
    let digits = value.iter_u64_digits().next().unwrap_or(0).cast_signed();
    if value.sign() == num_bigint::Sign::Minus {
        digits.wrapping_neg()
    } else {
        digits
    }
}

fn cannot_convert(value: &Value, target: &str) -> ConnectError {
    ConnectError::data(format!(
        "Unable to convert a value of class {} to {target}",
        value.java_class()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String) {
        let parsed = parse_string(Some(text));
        let schema = parsed.schema.map_or("null".to_owned(), |schema| {
            let inner = match schema.schema_type() {
                SchemaType::Array | SchemaType::Map => format!(
                    "<{}>",
                    schema
                        .value_schema()
                        .unwrap()
                        .map_or("null".to_owned(), |inner| inner.schema_type().to_string())
                ),
                _ => schema
                    .name()
                    .map(|name| format!(" {}", name.rsplit('.').next().unwrap()))
                    .unwrap_or_default(),
            };
            format!("{}{inner}", schema.schema_type())
        });
        (schema, format!("{:?}", parsed.value))
    }

    #[test]
    fn texts_are_parsed_as_kafka_does() {
        let decimal = |text: &str| text.to_owned();
        for (text, schema, value) in [
            ("1", "INT8", "Int8(1)"),
            ("127", "INT8", "Int8(127)"),
            ("128", "INT16", "Int16(128)"),
            ("40000", "INT32", "Int32(40000)"),
            ("3000000000", "INT64", "Int64(3000000000)"),
            ("1.0", "INT8", "Int8(1)"),
            ("0.0", "INT8", "Int8(0)"),
            ("1e3", "INT16", "Int16(1000)"),
            ("007", "INT8", "Int8(7)"),
            ("+7", "INT8", "Int8(7)"),
            ("-7", "INT8", "Int8(-7)"),
            (
                "9223372036854775808",
                "BYTES Decimal",
                "Decimal(9223372036854775808)",
            ),
            ("1e400", "BYTES Decimal", "Decimal(1E+400)"),
            ("1.5", "FLOAT32", "Float32(1.5)"),
            ("3.14159265358979", "FLOAT32", "Float32(3.1415927)"),
            ("1e-3", "FLOAT32", "Float32(0.001)"),
            ("1e40", "FLOAT64", "Float64(1e40)"),
            ("TRUE", "STRING", "String(\"TRUE\")"),
            ("NaN", "STRING", "String(\"NaN\")"),
            ("0x10", "STRING", "String(\"0x10\")"),
            ("1 2", "STRING", "String(\"1 2\")"),
            ("true}", "STRING", "String(\"true}\")"),
            (" lead", "STRING", "String(\" lead\")"),
            ("{a:1}", "STRING", "String(\"{a:1}\")"),
            ("[a]", "STRING", "String(\"[a]\")"),
            ("\"quoted\"", "STRING", "String(\"\\\"quoted\\\"\")"),
            ("1,2", "INT8", "Int8(1)"),
            (
                "[1,2,300]",
                "ARRAY<INT16>",
                "Array([Int16(1), Int16(2), Int16(300)])",
            ),
            (
                "[1, 2.5]",
                "ARRAY<FLOAT32>",
                "Array([Float32(1.0), Float32(2.5)])",
            ),
            (
                "[1,\"a\"]",
                "ARRAY<null>",
                "Array([Int8(1), String(\"a\")])",
            ),
            (
                "{\"a\":1,\"b\":\"x\"}",
                "MAP<null>",
                "Map([(String(\"a\"), Int8(1)), (String(\"b\"), String(\"x\"))])",
            ),
            ("[]", "ARRAY<null>", "Array([])"),
            ("[null]", "ARRAY<null>", "Array([Null])"),
            ("{}", "MAP<null>", "Map([])"),
            ("{\"a\":null}", "MAP<null>", "Map([(String(\"a\"), Null)])"),
            ("[1,]", "ARRAY<INT8>", "Array([Int8(1)])"),
            ("{1:2,}", "MAP<INT8>", "Map([(Int8(1), Int8(2))])"),
            (" true ", "BOOLEAN", "Boolean(true)"),
            ("false", "BOOLEAN", "Boolean(false)"),
            ("null", "null", "Null"),
            ("", "STRING", "String(\"\")"),
        ] {
            assert_eq!(parsed(text), (decimal(schema), decimal(value)), "{text}");
        }
        assert_eq!(parse_string(None), SchemaAndValue::NULL);
    }

    #[test]
    fn dates_are_parsed_when_their_length_is_exact() {
        assert_eq!(parsed("2019-08-23").0, "INT32 Date");
        assert_eq!(parsed("14:34:54.346Z").0, "INT32 Time");
        assert_eq!(parsed("2019-08-23T14:34:54.346Z").0, "INT64 Timestamp");
        assert_eq!(parsed("2019-08-23T14:34:54Z").0, "STRING");
        assert_eq!(parsed("[\"2019-08-23\"]").0, "ARRAY<INT32>");
        let parsed = parse_string(Some("2019-08-23T14:34:54.346Z"));
        let text = convert_to_string(None, &parsed.value).unwrap().unwrap();
        assert_eq!(&*text, "2019-08-23T14:34:54.346Z");
    }

    #[test]
    fn texts_have_no_blanks_and_quote_embedded_strings() {
        let text = |value: Value| {
            convert_to_string(None, &value)
                .unwrap()
                .map(|t| t.to_string())
        };
        assert_eq!(text(Value::Null), None);
        assert_eq!(text(Value::from("a\"b")).as_deref(), Some("a\"b"));
        assert_eq!(
            text(parse_string(Some("[1, 2.5, 300]")).value).as_deref(),
            Some("[1.0,2.5,300.0]")
        );
        assert_eq!(
            text(Value::Array(vec![Value::from("a\"\\b"), Value::Null])).as_deref(),
            Some("[\"a\\\"\\\\b\",null]")
        );
        let map: MapValue = [(Value::from("k"), Value::from(true))]
            .into_iter()
            .collect();
        assert_eq!(text(Value::Map(map)).as_deref(), Some("{\"k\":true}"));
        assert_eq!(text(Value::from(1e10)).as_deref(), Some("1.0E10"));
        assert_eq!(
            text(Value::Bytes(bytes::Bytes::from_static(b"abc"))).as_deref(),
            Some("YWJj")
        );
        assert_eq!(
            text(Value::from("1E+3".parse::<Decimal>().unwrap())).as_deref(),
            Some("1E+3")
        );
    }

    #[test]
    fn schemas_are_inferred_from_uniform_members() {
        assert_eq!(
            infer_schema(&Value::from(1_i8)),
            Some(schemas::INT8.clone())
        );
        assert_eq!(infer_schema(&Value::Array(vec![])), None);
        assert_eq!(
            infer_schema(&Value::Array(vec![Value::from(1_i8), Value::from("x")])),
            None
        );
        assert!(infer_schema(&Value::Array(vec![Value::from(1_i8)])).is_some());
        assert_eq!(infer_schema(&Value::Date(1)), None);
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let text = "[".repeat(100_000);
        assert_eq!(parse_string(Some(&text)).value, Value::from(text));
    }

    #[test]
    fn numbers_convert_by_truncation() {
        assert_eq!(
            convert_to_i64(None, &Value::from(1.9_f64)).unwrap(),
            Some(1)
        );
        assert_eq!(
            convert_to_i64(None, &Value::from("12.7")).unwrap(),
            Some(12)
        );
        assert_eq!(
            convert_to_boolean(None, &Value::from(0)).unwrap(),
            Some(false)
        );
        assert_eq!(
            convert_to_boolean(None, &Value::from("true")).unwrap(),
            Some(true)
        );
        assert!(convert_to_i64(None, &Value::from("x")).is_err());
    }
}
