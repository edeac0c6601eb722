//! Generated schemas with values for them, for tests that hold for any data.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use sluice_api::{Decimal, MapValue, Schema, SchemaBuilder, Struct, Value, logical, schemas};

/// A schema and values for it; all of them are of the same schema.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) schema: Arc<Schema>,
    pub(crate) values: Vec<Value>,
}

/// How many values each schema has.
const VALUES: usize = 3;

/// What a format cannot keep is not generated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Floats other than numbers: not a number, infinity.
    pub(crate) special_floats: bool,
    /// Maps with keys that are no texts.
    pub(crate) any_map_keys: bool,
    /// Optional elements of arrays and values of maps.
    pub(crate) optional_elements: bool,
    /// Whether fields have defaults.
    pub(crate) defaults: bool,
    /// Whether schemas have versions and documentation.
    pub(crate) metadata: bool,
    /// Arrays and maps within arrays and maps.
    pub(crate) nested_collections: bool,
}

impl Limits {
    pub(crate) const NONE: Self = Self {
        special_floats: true,
        any_map_keys: true,
        optional_elements: true,
        defaults: true,
        metadata: true,
        nested_collections: true,
    };
}

fn typed<T: std::fmt::Debug + Clone + 'static>(
    schema: SchemaBuilder,
    values: impl Strategy<Value = T> + 'static,
    into: fn(T) -> Value,
) -> BoxedStrategy<(SchemaBuilder, Vec<Value>)> {
    prop::collection::vec(values, VALUES)
        .prop_map(move |values| (schema.clone(), values.into_iter().map(into).collect()))
        .boxed()
}

/// Whether JSON has a text for a number that gives it back: zero has no sign there, as in Java, where it is a
/// decimal first.
fn is_json_number(number: f64) -> bool {
    number.is_finite() && (number != 0.0 || number.is_sign_positive())
}

fn primitive(limits: Limits) -> BoxedStrategy<(SchemaBuilder, Vec<Value>)> {
    let float = any::<f32>().prop_filter("finite", move |v| {
        limits.special_floats || is_json_number((*v).into())
    });
    let double = any::<f64>().prop_filter("finite", move |v| {
        limits.special_floats || is_json_number(*v)
    });
    let date = |builder: SchemaBuilder, name: &str| builder.name(name).version(1);
    let decimal = (0..6_i32).prop_flat_map(|scale| {
        prop::collection::vec(any::<i64>(), VALUES).prop_map(move |values| {
            let values = values
                .into_iter()
                .map(|unscaled| Value::from(Decimal::new(unscaled, scale)));
            (logical::decimal_builder(scale), values.collect())
        })
    });
    prop_oneof![
        typed(SchemaBuilder::int8(), any::<i8>(), Value::from),
        typed(SchemaBuilder::int16(), any::<i16>(), Value::from),
        typed(SchemaBuilder::int32(), any::<i32>(), Value::from),
        typed(SchemaBuilder::int64(), any::<i64>(), Value::from),
        typed(SchemaBuilder::float32(), float, Value::from),
        typed(SchemaBuilder::float64(), double, Value::from),
        typed(SchemaBuilder::boolean(), any::<bool>(), Value::from),
        typed(SchemaBuilder::string(), ".{0,12}", Value::from),
        typed(
            SchemaBuilder::bytes(),
            prop::collection::vec(any::<u8>(), 0..12),
            |v| Value::Bytes(Bytes::from(v))
        ),
        decimal,
        typed(
            date(SchemaBuilder::int64(), logical::TIMESTAMP),
            -60_000_000_000_000..200_000_000_000_000_i64,
            Value::Date
        ),
        typed(
            date(SchemaBuilder::int32(), logical::DATE),
            -300_000..1_000_000_i64,
            |days| Value::Date(days * logical::MILLIS_PER_DAY)
        ),
        typed(
            date(SchemaBuilder::int32(), logical::TIME),
            0..logical::MILLIS_PER_DAY,
            Value::Date
        ),
    ]
    .boxed()
}

/// Makes a schema optional sometimes, with nulls among its values.
fn maybe_null(
    allowed: bool,
    inner: BoxedStrategy<(SchemaBuilder, Vec<Value>)>,
) -> BoxedStrategy<Typed> {
    (
        inner,
        any::<bool>(),
        prop::collection::vec(any::<bool>(), VALUES),
    )
        .prop_map(move |((builder, values), optional, nulls)| {
            let optional = optional && allowed;
            let builder = if optional {
                builder.optional()
            } else {
                builder
            };
            let values = values
                .into_iter()
                .zip(nulls)
                .map(|(value, null)| if null && optional { Value::Null } else { value })
                .collect();
            Typed {
                schema: builder.build().unwrap(),
                values,
            }
        })
        .boxed()
}

/// Splits values into the elements of arrays.
fn lists(values: &[Value]) -> Vec<Vec<Value>> {
    (0..VALUES)
        .map(|length| values.iter().take(length).cloned().collect())
        .collect()
}

fn array(inner: Typed) -> (SchemaBuilder, Vec<Value>) {
    let values = lists(&inner.values).into_iter().map(Value::Array).collect();
    (SchemaBuilder::array(inner.schema), values)
}

fn map(key: SchemaBuilder, keys: &[Value], inner: &Typed) -> (SchemaBuilder, Vec<Value>) {
    let values = lists(&inner.values)
        .into_iter()
        .map(|list| Value::Map(keys.iter().cloned().zip(list).collect::<MapValue>()))
        .collect();
    let schema = SchemaBuilder::map(key.build().unwrap(), Arc::clone(&inner.schema));
    (schema, values)
}

fn structure(
    name: String,
    fields: &[(Typed, bool)],
    limits: Limits,
) -> (SchemaBuilder, Vec<Value>) {
    let mut builder = SchemaBuilder::structure().name(name);
    if limits.metadata {
        builder = builder.version(3).doc("what it is").parameter("p", "v");
    }
    for (index, (field, default)) in fields.iter().enumerate() {
        let plain = field.schema.schema_type().is_primitive();
        let finite = !matches!(
            field.values[0],
            Value::Float32(_) | Value::Float64(_) | Value::Null
        );
        let schema = if *default && limits.defaults && plain && finite {
            with_default(&field.schema, field.values[0].clone())
        } else {
            Arc::clone(&field.schema)
        };
        builder = builder.field(format!("f{index}"), schema);
    }
    let schema = builder.clone().build().unwrap();
    let values = (0..VALUES)
        .map(|number| {
            let values = fields
                .iter()
                .zip(schema.fields())
                .map(|((field, _), own)| match &field.values[number] {
                    // What is null with a default is read as the default.
                    Value::Null => own.schema().default_value().cloned().unwrap_or_default(),
                    value => value.clone(),
                })
                .collect();
            Value::from(Struct::from_values(Arc::clone(&schema), values).unwrap())
        })
        .collect();
    (builder, values)
}

fn with_default(schema: &Schema, default: Value) -> Arc<Schema> {
    let builder = SchemaBuilder::of(schema.schema_type()).basics_of(schema);
    let builder = if schema.is_optional() {
        builder.optional()
    } else {
        builder
    };
    builder.default_value(default).build().unwrap()
}

/// Makes the structs of a value those of its schema, which came to be after the value.
fn fitted(schema: &Arc<Schema>, value: &Value) -> Value {
    match value {
        Value::Struct(own) => {
            let values = schema
                .fields()
                .iter()
                .zip(own.values())
                .map(|(field, value)| fitted(field.schema(), value))
                .collect();
            Value::from(Struct::from_values(Arc::clone(schema), values).unwrap())
        }
        Value::Array(items) => {
            let inner = schema.value_schema().unwrap().unwrap();
            Value::Array(items.iter().map(|item| fitted(inner, item)).collect())
        }
        Value::Map(map) => {
            let inner = schema.value_schema().unwrap().unwrap();
            Value::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), fitted(inner, value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

fn nested(limits: Limits, depth: u32) -> BoxedStrategy<(SchemaBuilder, Vec<Value>)> {
    if depth == 0 {
        return primitive(limits);
    }
    let element = if limits.nested_collections {
        nested(limits, depth - 1)
    } else {
        prop_oneof![primitive(limits), fields(limits, depth - 1)].boxed()
    };
    let element = maybe_null(limits.optional_elements, element);
    let texts = vec!["a", "b é", "\"c\""]
        .into_iter()
        .map(Value::from)
        .collect::<Vec<_>>();
    let numbers = vec![7_i32, -1, 0]
        .into_iter()
        .map(Value::from)
        .collect::<Vec<_>>();
    let any_keys = limits.any_map_keys;
    prop_oneof![
        4 => primitive(limits),
        1 => element.clone().prop_map(array),
        1 => (element, any::<bool>(), any::<u64>()).prop_map(move |(inner, numeric, number)| {
            // Avro and Protocol Buffers name the type of entries after the map.
            let (builder, values) = if numeric && any_keys {
                map(SchemaBuilder::int32(), &numbers, &inner)
            } else {
                map(SchemaBuilder::string(), &texts, &inner)
            };
            (builder.name(format!("com.M{number}")), values)
        }),
        2 => fields(limits, depth - 1),
    ]
    .boxed()
}

fn fields(limits: Limits, depth: u32) -> BoxedStrategy<(SchemaBuilder, Vec<Value>)> {
    (
        prop::collection::vec(
            (maybe_null(true, nested(limits, depth)), any::<bool>()),
            1..5,
        ),
        any::<u64>(),
    )
        .prop_map(move |(fields, number)| structure(format!("com.S{number}"), &fields, limits))
        .boxed()
}

fn finished((builder, values): (SchemaBuilder, Vec<Value>)) -> Typed {
    let schema = builder.build().unwrap();
    let values = values.iter().map(|value| fitted(&schema, value)).collect();
    Typed { schema, values }
}

/// A schema of any type with values.
pub(crate) fn any_typed(limits: Limits) -> impl Strategy<Value = Typed> {
    maybe_null(true, nested(limits, 3)).prop_map(|typed| {
        let values = typed
            .values
            .iter()
            .map(|value| fitted(&typed.schema, value))
            .collect();
        Typed {
            schema: typed.schema,
            values,
        }
    })
}

/// A schema of a struct with values, none of them null.
pub(crate) fn any_struct(limits: Limits) -> impl Strategy<Value = Typed> {
    fields(limits, 2).prop_map(finished)
}

/// Data without schema: what JSON and Avro's `Anything` can hold of it.
pub(crate) fn schemaless() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |v| is_json_number(*v))
            .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((".{0,4}", inner), 0..4).prop_map(|entries| Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (Value::from(key), value))
                    .collect()
            )),
        ]
    })
}

/// Required text with values.
pub(crate) fn texts() -> impl Strategy<Value = Typed> {
    prop::collection::vec(".{0,12}", VALUES).prop_map(|values| Typed {
        schema: schemas::STRING.clone(),
        values: values.into_iter().map(Value::from).collect(),
    })
}
