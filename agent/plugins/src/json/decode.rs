//! JSON to values, guided by a schema or without one, with the leniency of Jackson's `JsonNode` getters.

use std::ops::Range;
use std::sync::Arc;

use crate::json::encode::Dialect;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use bytestring::ByteString;
use sluice_api::{
    ConnectError, Decimal, MapValue, Result, Schema, SchemaType, Struct, Value, logical,
};

use super::token::{Kind, MAX_DEPTH, Reader, Text};

/// Places of the two fields of an envelope.
pub(super) struct Envelope {
    pub(super) schema: Range<usize>,
    pub(super) payload: Range<usize>,
    /// The schema comes first and the payload second: what stands before the payload is the same in all
    /// messages of that schema from one writer.
    pub(super) schema_leads: bool,
}

pub(crate) struct Decoder<'a> {
    data: &'a Bytes,
    reader: Reader<'a>,
    replace_null_with_default: bool,
    dialect: Dialect,
    depth: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(data: &'a Bytes, replace_null_with_default: bool) -> Self {
        Self::of_dialect(data, replace_null_with_default, Dialect::Connect)
    }

    pub(crate) fn of_dialect(
        data: &'a Bytes,
        replace_null_with_default: bool,
        dialect: Dialect,
    ) -> Self {
        Self {
            data,
            reader: Reader::new(data, matches!(dialect, Dialect::Connect)),
            replace_null_with_default,
            dialect,
            depth: 0,
        }
    }

    /// Where schema and payload stand; the object must have exactly these two fields.
    pub(super) fn read_envelope(&mut self) -> Result<Envelope> {
        let not_an_envelope = || {
            ConnectError::data(
                "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not \
                 contain additional fields. If you are trying to deserialize plain JSON data, set \
                 schemas.enable=false in your converter configuration.",
            )
        };
        if self.is_blank() {
            return Err(not_an_envelope());
        }
        let kind = self.reader.begin_value()?;
        if kind != Kind::Object {
            self.reader.skip_rest(kind, 0)?;
            return Err(not_an_envelope());
        }
        self.reader.expect(b'{')?;
        let (mut schema, mut payload, mut others) = (None, None, false);
        let mut fields = 0;
        let mut schema_leads = false;
        let mut first = true;
        while self.reader.next_item(b'}', &mut first)? {
            let key = self.reader.key()?;
            let key = self.reader.resolve(key)?;
            self.reader.skip_blanks();
            let start = self.reader.position();
            self.reader.skip_value(1)?;
            let range = start..self.reader.position();
            match key.as_ref() {
                "schema" => schema = Some(range),
                "payload" => {
                    schema_leads = fields == 1 && schema.is_some();
                    payload = Some(range);
                }
                _ => others = true,
            }
            fields += 1;
        }
        match (schema, payload) {
            (Some(schema), Some(payload)) if !others => Ok(Envelope {
                schema_leads: schema_leads && fields == 2,
                schema,
                payload,
            }),
            _ => Err(not_an_envelope()),
        }
    }

    /// The payload of an envelope that begins as one before did, with this schema, up to `position`.
    /// `None` if it is not followed by the end of the envelope, or is wrong in any way: then the whole is
    /// to be read.
    pub(super) fn read_payload_from(
        &mut self,
        position: usize,
        schema: Option<&Arc<Schema>>,
    ) -> Option<Value> {
        self.reader.go_back_to(position);
        // Inside the envelope.
        self.depth = 1;
        let value = match schema {
            Some(schema) => self.read_value(schema),
            None => self.read_schemaless(),
        };
        value.ok().filter(|_| self.reader.take(b'}'))
    }

    /// Whether nothing but blanks is left; they are taken.
    pub(super) fn is_blank(&mut self) -> bool {
        self.reader.skip_blanks();
        self.reader.position() == self.data.len()
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.reader.error("nested too deeply"));
        }
        Ok(())
    }

    fn text(&self, text: Text) -> Result<ByteString> {
        match text {
            Text::Plain(range) => ByteString::try_from(self.data.slice(range))
                .map_err(|_| self.reader.error("invalid UTF-8")),
            Text::Unescaped(text) => Ok(text.into()),
        }
    }

    /// A value without schema: integers are 64-bit and wrap, other numbers are doubles.
    pub(super) fn read_schemaless(&mut self) -> Result<Value> {
        let kind = self.reader.begin_value()?;
        self.read_schemaless_rest(kind)
    }

    fn read_schemaless_rest(&mut self, kind: Kind) -> Result<Value> {
        Ok(match kind {
            Kind::Null | Kind::Missing => Value::Null,
            Kind::Boolean(v) => Value::Boolean(v),
            Kind::Number => {
                let text = self.reader.number()?;
                if is_integral(text) {
                    Value::Int64(wrapping_integer(text))
                } else {
                    Value::Float64(without_sign_of_zero(text).parse().unwrap_or(f64::NAN))
                }
            }
            Kind::String => {
                let text = self.reader.string()?;
                Value::String(self.text(text)?)
            }
            Kind::Array => {
                self.enter()?;
                self.reader.expect(b'[')?;
                let mut items = Vec::new();
                let mut first = true;
                while self.reader.next_item(b']', &mut first)? {
                    items.push(self.read_schemaless()?);
                }
                self.depth -= 1;
                Value::Array(items)
            }
            Kind::Object => {
                self.enter()?;
                let fields = self.read_fields(Self::read_schemaless)?;
                self.depth -= 1;
                Value::Map(fields.into_iter().collect())
            }
        })
    }

    /// The fields of an object, each value as `read` takes it.
    fn read_fields(
        &mut self,
        read: impl Fn(&mut Self) -> Result<Value>,
    ) -> Result<Vec<(Value, Value)>> {
        self.reader.expect(b'{')?;
        let mut fields = Vec::new();
        let mut first = true;
        while self.reader.next_item(b'}', &mut first)? {
            let key = self.reader.key()?;
            let key = Value::String(self.text(key)?);
            fields.push((key, read(self)?));
        }
        Ok(fields)
    }

    /// The value of the whole data by a schema. Jackson reads all of it first, so that broken JSON is what is
    /// reported, whatever else is wrong; data of blanks alone are a value that fits nothing.
    pub(super) fn read_all(&mut self, schema: &Arc<Schema>) -> Result<Value> {
        if self.is_blank() {
            return self.read_rest(schema, Kind::Missing);
        }
        let start = self.reader.position();
        self.read_value(schema).or_else(|error| {
            self.reader.go_back_to(start);
            self.reader.skip_value(0)?;
            Err(error)
        })
    }

    /// A value by its schema.
    pub(crate) fn read_value(&mut self, schema: &Arc<Schema>) -> Result<Value> {
        let kind = self.reader.begin_value()?;
        self.read_rest(schema, kind)
    }

    fn read_rest(&mut self, schema: &Arc<Schema>, kind: Kind) -> Result<Value> {
        if kind == Kind::Null {
            return self.null(schema);
        }
        if let Some(name) = schema.name()
            && let Some(value) = self.read_logical(schema, name, kind)?
        {
            return Ok(value);
        }
        match schema.schema_type() {
            SchemaType::Boolean => {
                self.reader.skip_rest(kind, self.depth)?;
                Ok(Value::Boolean(kind == Kind::Boolean(true)))
            }
            SchemaType::Int8
            | SchemaType::Int16
            | SchemaType::Int32
            | SchemaType::Int64
            | SchemaType::Float32
            | SchemaType::Float64 => self.read_number(schema.schema_type(), kind),
            SchemaType::String => {
                if kind == Kind::String {
                    let text = self.reader.string()?;
                    return Ok(Value::String(self.text(text)?));
                }
                self.reader.skip_rest(kind, self.depth)?;
                Ok(Value::Null)
            }
            SchemaType::Bytes => {
                if kind == Kind::String {
                    return Ok(Value::Bytes(self.base64()?));
                }
                self.reader.skip_rest(kind, self.depth)?;
                Ok(Value::Null)
            }
            SchemaType::Array => self.read_array(schema, kind),
            SchemaType::Map => self.read_map(schema, kind),
            SchemaType::Struct => self.read_struct(schema, kind),
        }
    }

    fn null(&self, schema: &Schema) -> Result<Value> {
        if let Some(default) = schema.default_value()
            && self.replace_null_with_default
        {
            return Ok(default.clone());
        }
        if schema.is_optional() {
            return Ok(Value::Null);
        }
        Err(ConnectError::data(format!(
            "Invalid null value for required {} field",
            schema.schema_type()
        )))
    }

    fn base64(&mut self) -> Result<Bytes> {
        let text = self.reader.string()?;
        let text = self.reader.resolve(text)?;
        STANDARD
            .decode(text.as_bytes())
            .map(Bytes::from)
            .map_err(|_| ConnectError::data("Invalid bytes field"))
    }

    /// What `JsonNode.intValue`, `longValue` and so on give: 0 for anything but a number.
    #[expect(clippy::cast_possible_truncation, reason = "as Java's casts")]
    fn read_number(&mut self, schema_type: SchemaType, kind: Kind) -> Result<Value> {
        let (integer, float) = if kind == Kind::Number {
            let text = self.reader.number()?;
            let integer = if is_integral(text) {
                wrapping_integer(text)
            } else {
                wrapping_decimal(text)
            };
            (integer, without_sign_of_zero(text))
        } else {
            self.reader.skip_rest(kind, self.depth)?;
            (0, "0")
        };
        Ok(match schema_type {
            SchemaType::Int8 => Value::Int8(integer as i8),
            SchemaType::Int16 => Value::Int16(integer as i16),
            SchemaType::Int32 => Value::Int32(integer as i32),
            SchemaType::Int64 => Value::Int64(integer),
            SchemaType::Float32 => Value::Float32(float.parse().unwrap_or(0.0)),
            _ => Value::Float64(float.parse().unwrap_or(0.0)),
        })
    }

    /// An array; of an object the values of its fields are taken, and anything else is empty, as by Jackson's
    /// iteration.
    fn read_array(&mut self, schema: &Schema, kind: Kind) -> Result<Value> {
        let inner = known(schema.value_schema()?)?;
        match kind {
            Kind::Array => {
                self.enter()?;
                self.reader.expect(b'[')?;
                let mut items = Vec::new();
                let mut first = true;
                while self.reader.next_item(b']', &mut first)? {
                    items.push(self.read_value(inner)?);
                }
                self.depth -= 1;
                Ok(Value::Array(items))
            }
            Kind::Object if self.dialect == Dialect::Connect => {
                self.enter()?;
                let fields = self.read_fields(|decoder| decoder.read_value(inner))?;
                self.depth -= 1;
                let distinct: MapValue = fields.into_iter().collect();
                let values = distinct.into_iter().map(|(_, value)| value);
                Ok(Value::Array(values.collect()))
            }
            _ if self.dialect == Dialect::Connect => {
                self.reader.skip_rest(kind, self.depth)?;
                Ok(Value::Array(Vec::new()))
            }
            _ => Err(ConnectError::data(format!(
                "Invalid type for ARRAY: {}",
                kind.node_type()
            ))),
        }
    }

    fn read_map(&mut self, schema: &Schema, kind: Kind) -> Result<Value> {
        let key_schema = known(schema.key_schema()?)?;
        let value_schema = known(schema.value_schema()?)?;
        let mut entries = Vec::new();
        let mut first = true;
        self.enter()?;
        let is_object = key_schema.schema_type() == SchemaType::String
            && (self.dialect == Dialect::Connect || !key_schema.is_optional());
        if is_object {
            if kind != Kind::Object {
                return Err(ConnectError::data(format!(
                    "Maps with string fields should be encoded as JSON objects, but found {}",
                    kind.node_type()
                )));
            }
            entries = self.read_fields(|decoder| decoder.read_value(value_schema))?;
        } else {
            if kind != Kind::Array {
                return Err(ConnectError::data(format!(
                    "Maps with non-string fields should be encoded as JSON array of tuples, but found {}",
                    kind.node_type()
                )));
            }
            self.reader.expect(b'[')?;
            while self.dialect == Dialect::JsonSchema && self.reader.next_item(b']', &mut first)? {
                entries.push(self.read_entry(key_schema, value_schema)?);
            }
            while self.dialect == Dialect::Connect && self.reader.next_item(b']', &mut first)? {
                let wrong = || {
                    ConnectError::data(
                        "Found invalid map entry, expected an array of a key and a value",
                    )
                };
                if !self.reader.take(b'[') {
                    return Err(wrong());
                }
                let key = self.read_value(key_schema)?;
                if !self.reader.take(b',') {
                    return Err(wrong());
                }
                let value = self.read_value(value_schema)?;
                if !self.reader.take(b']') {
                    return Err(wrong());
                }
                entries.push((key, value));
            }
        }
        self.depth -= 1;
        Ok(Value::Map(entries.into_iter().collect()))
    }

    /// An entry of a map as an object with `key` and `value`.
    fn read_entry(
        &mut self,
        key_schema: &Arc<Schema>,
        value_schema: &Arc<Schema>,
    ) -> Result<(Value, Value)> {
        let wrong =
            || ConnectError::data("Found invalid map entry, expected an object with key and value");
        if self.reader.begin_value()? != Kind::Object {
            return Err(wrong());
        }
        self.reader.expect(b'{')?;
        let (mut key, mut value) = (None, None);
        let mut first = true;
        while self.reader.next_item(b'}', &mut first)? {
            let name = self.reader.key()?;
            match self.reader.resolve(name)?.as_ref() {
                "key" => key = Some(self.read_value(key_schema)?),
                "value" => value = Some(self.read_value(value_schema)?),
                _ => return Err(wrong()),
            }
        }
        key.zip(value).ok_or_else(wrong)
    }

    /// The member of a union that a value is of: the first of its simple type, or the struct with most of its
    /// fields.
    fn read_union(&mut self, schema: &Arc<Schema>, kind: Kind) -> Result<Value> {
        let start = self.reader.position();
        let mut names = Vec::new();
        let mut is_integral_number = false;
        match kind {
            Kind::Object => {
                self.reader.expect(b'{')?;
                let mut first = true;
                while self.reader.next_item(b'}', &mut first)? {
                    let name = self.reader.key()?;
                    names.push(self.reader.resolve(name)?);
                    self.reader.skip_value(self.depth + 1)?;
                }
            }
            Kind::Number => is_integral_number = is_integral(self.reader.number()?),
            _ => {}
        }
        let fits = |member: &Schema| match member.schema_type() {
            SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 | SchemaType::Int64 => {
                kind == Kind::Number && is_integral_number
            }
            SchemaType::Float32 | SchemaType::Float64 => kind == Kind::Number,
            SchemaType::Boolean => matches!(kind, Kind::Boolean(_)),
            SchemaType::String | SchemaType::Bytes => kind == Kind::String,
            SchemaType::Array => kind == Kind::Array,
            SchemaType::Map => matches!(kind, Kind::Object | Kind::Array),
            SchemaType::Struct => false,
        };
        let common = |member: &Schema| {
            names
                .iter()
                .filter(|name| member.field(name).is_some())
                .count()
        };
        let fields = schema.fields();
        let simple = fields.iter().find(|field| fits(field.schema()));
        let found = simple.or_else(|| {
            fields
                .iter()
                .rev()
                .filter(|field| common(field.schema()) > 0)
                .max_by_key(|field| common(field.schema()))
        });
        let Some(field) = found else {
            return Err(ConnectError::data(
                "Did not find matching oneof field for data",
            ));
        };
        // Literals were taken when the value began.
        let value = if let Kind::Boolean(flag) = kind {
            Value::Boolean(flag)
        } else {
            self.reader.go_back_to(start);
            self.read_value(field.schema())?
        };
        let mut values = vec![Value::Null; fields.len()];
        if let Some(slot) = values.get_mut(field.index()) {
            *slot = value;
        }
        Ok(Value::from(Struct::from_values(
            Arc::clone(schema),
            values,
        )?))
    }

    fn read_struct(&mut self, schema: &Arc<Schema>, kind: Kind) -> Result<Value> {
        if self.dialect.is_union(schema) {
            self.enter()?;
            let union = self.read_union(schema, kind)?;
            self.depth -= 1;
            return Ok(union);
        }
        if kind != Kind::Object {
            return Err(ConnectError::data(format!(
                "Structs should be encoded as JSON objects, but found {}",
                kind.node_type()
            )));
        }
        self.enter()?;
        self.reader.expect(b'{')?;
        let fields = schema.fields();
        let mut values = vec![None; fields.len()];
        let mut expected = 0;
        let mut first = true;
        while self.reader.next_item(b'}', &mut first)? {
            let key = self.reader.key()?;
            let key = self.reader.resolve(key)?;
            // Fields mostly come in the order of the schema.
            let field = match fields.get(expected) {
                Some(field) if **field.name() == *key => Some(field),
                _ => schema.field(&key),
            };
            match field {
                Some(field) => {
                    let value = self.read_value(field.schema())?;
                    if let Some(slot) = values.get_mut(field.index()) {
                        *slot = Some(value);
                    }
                    expected = field.index() + 1;
                }
                None => self.reader.skip_value(self.depth)?,
            }
        }
        self.depth -= 1;
        let values = values
            .into_iter()
            .zip(fields)
            .map(|(value, field)| match value {
                Some(value) => Ok(value),
                None => self.null(field.schema()),
            })
            .collect::<Result<Vec<_>>>()?;
        for (value, field) in values.iter().zip(fields) {
            // `Struct.put` refuses null for required fields, which a text of the wrong type has become.
            if value.is_null() && !field.schema().is_optional() {
                field.schema().validate_field(field.name(), value)?;
            }
        }
        Ok(Value::from(Struct::from_values(
            Arc::clone(schema),
            values,
        )?))
    }

    fn read_logical(&mut self, schema: &Schema, name: &str, kind: Kind) -> Result<Option<Value>> {
        let wrong = |kind_name: &str, wanted: &str| {
            ConnectError::data(format!(
                "Invalid type for {kind_name}, underlying representation should be {wanted} but was {}",
                kind.node_type()
            ))
        };
        Ok(Some(match name {
            logical::DECIMAL => match kind {
                Kind::Number => {
                    Value::from(self.reader.number()?.parse::<Decimal>().map_err(|error| {
                        ConnectError::data("Invalid number for Decimal").caused_by(error)
                    })?)
                }
                Kind::String => {
                    let bytes = self.base64().map_err(|e| {
                        ConnectError::data("Invalid bytes for Decimal field").caused_by(e)
                    })?;
                    logical::decimal_from_bytes(schema, &bytes)?
                }
                _ => return Err(wrong("Decimal", "numeric or bytes")),
            },
            logical::DATE | logical::TIME => {
                let kind_name = if name == logical::DATE {
                    "Date"
                } else {
                    "Time"
                };
                let number = match kind {
                    Kind::Number => {
                        let text = self.reader.number()?;
                        if is_integral(text) {
                            text.parse::<i32>().ok()
                        } else {
                            None
                        }
                    }
                    _ => None,
                };
                let number = number.ok_or_else(|| wrong(kind_name, "integer"))?;
                if name == logical::DATE {
                    logical::date_from_days(number)
                } else {
                    logical::time_from_millis(number)?
                }
            }
            logical::TIMESTAMP => {
                let text = match kind {
                    Kind::Number => Some(self.reader.number()?).filter(|text| is_integral(text)),
                    _ => None,
                };
                let text = text.ok_or_else(|| wrong("Timestamp", "integral"))?;
                Value::Date(wrapping_integer(text))
            }
            _ => return Ok(None),
        }))
    }
}

fn known(schema: Option<&Arc<Schema>>) -> Result<&Arc<Schema>> {
    schema.ok_or_else(|| ConnectError::data("schema of elements is not known"))
}

/// The text of a number that was a decimal before it became a floating point number, as by Kafka's setting of
/// Jackson: zero has no sign then.
fn without_sign_of_zero(text: &str) -> &str {
    match text.strip_prefix('-') {
        Some(digits)
            if digits
                .bytes()
                .take_while(|b| !b.eq_ignore_ascii_case(&b'e'))
                .all(|b| matches!(b, b'0' | b'.')) =>
        {
            digits
        }
        _ => text,
    }
}

fn is_integral(text: &str) -> bool {
    !text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E'))
}

/// The low 64 bits of an integer, as `BigInteger.longValue`.
fn wrapping_integer(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| {
        let (negative, digits) = unsigned(text);
        signed(negative, digits.bytes().fold(0, append_digit))
    })
}

/// The low 64 bits of a number without its fraction, as `BigDecimal.longValue`.
fn wrapping_decimal(text: &str) -> i64 {
    let (negative, digits) = unsigned(text);
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // What does not fit moves the point further than there are digits or bits.
    let exponent: i64 = exponent.parse().unwrap_or(if exponent.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    });
    let whole = i64::try_from(integer.len())
        .unwrap_or(i64::MAX)
        .saturating_add(exponent);
    let Ok(whole) = usize::try_from(whole) else {
        return 0;
    };
    let mut value = integer
        .bytes()
        .chain(fraction.bytes())
        .take(whole)
        .fold(0, append_digit);
    // Ten to the power of 64 has 64 bits that are zero.
    for _ in 0..whole.saturating_sub(integer.len() + fraction.len()).min(64) {
        value = value.wrapping_mul(10);
    }
    signed(negative, value)
}

fn unsigned(text: &str) -> (bool, &str) {
    text.strip_prefix('-')
        .map_or((false, text), |digits| (true, digits))
}

fn append_digit(value: u64, digit: u8) -> u64 {
    value
        .wrapping_mul(10)
        .wrapping_add(u64::from(digit.wrapping_sub(b'0')))
}

fn signed(negative: bool, value: u64) -> i64 {
    let value = value.cast_signed();
    if negative {
        value.wrapping_neg()
    } else {
        value
    }
}
