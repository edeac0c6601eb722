//! What each transformation promises, over generated schemas and values.

#![expect(clippy::unwrap_used, reason = "a failure is the finding of the test")]

use std::sync::Arc;

use proptest::prelude::*;
use sluice_api::schema::Field;
use sluice_api::{
    ConnectRecord, Decimal, MapValue, Props, RecordOrigin, Schema, SchemaBuilder, SchemaType,
    Struct, TimestampType, Transformation, Value, logical, schemas,
};

const ORIGIN: RecordOrigin<'_> = RecordOrigin::Sink {
    offset: 7,
    timestamp_type: TimestampType::CreateTime,
};

fn transformation(class: &str, config: &[(&str, &str)]) -> Box<dyn Transformation> {
    let class = format!("org.apache.kafka.connect.transforms.{class}");
    let plugin = sluice_plugins::transforms::transformations()
        .into_iter()
        .find(|plugin| *plugin.class == *class)
        .unwrap();
    let props: Props = config
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let mut transformation = (plugin.new)();
    transformation.configure(&props).unwrap();
    transformation
}

/// Applies a transformation that is not to drop the record.
fn applied(class: &str, config: &[(&str, &str)], record: ConnectRecord) -> ConnectRecord {
    transformation(class, config)
        .apply(record, &ORIGIN)
        .unwrap()
        .unwrap()
}

/// A schema without inner ones, and a value for it.
fn primitive() -> impl Strategy<Value = (SchemaBuilder, Value)> {
    let decimal = |(unscaled, scale): (i64, i32)| {
        let value = Decimal::new(unscaled, scale);
        (logical::decimal_builder(scale), Value::from(value))
    };
    prop_oneof![
        any::<i8>().prop_map(|v| (SchemaBuilder::int8(), Value::from(v))),
        any::<i16>().prop_map(|v| (SchemaBuilder::int16(), Value::from(v))),
        any::<i32>().prop_map(|v| (SchemaBuilder::int32(), Value::from(v))),
        any::<i64>().prop_map(|v| (SchemaBuilder::int64(), Value::from(v))),
        any::<f32>().prop_map(|v| (SchemaBuilder::float32(), Value::from(v))),
        any::<f64>().prop_map(|v| (SchemaBuilder::float64(), Value::from(v))),
        any::<bool>().prop_map(|v| (SchemaBuilder::boolean(), Value::from(v))),
        ".{0,8}".prop_map(|v| (SchemaBuilder::string(), Value::from(v))),
        prop::collection::vec(any::<u8>(), 0..8)
            .prop_map(|v| (SchemaBuilder::bytes(), Value::Bytes(v.into()))),
        (any::<i64>(), 0..6_i32).prop_map(decimal),
        (-100_000_000_000_000..100_000_000_000_000_i64).prop_map(|v| (
            SchemaBuilder::int64().name(logical::TIMESTAMP).version(1),
            Value::Date(v)
        )),
        (0..30_000_i64).prop_map(|v| (
            SchemaBuilder::int32().name(logical::DATE).version(1),
            Value::Date(v * logical::MILLIS_PER_DAY)
        )),
    ]
}

/// A field's schema, optional or with a default sometimes, and a value, null sometimes.
fn field() -> impl Strategy<Value = (Arc<Schema>, Value)> {
    (primitive(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |((mut builder, value), optional, default, null)| {
            if optional {
                builder = builder.optional();
            }
            if default {
                builder = builder.default_value(value.clone());
            }
            let value = if null && (optional || default) {
                Value::Null
            } else {
                value
            };
            (builder.build().unwrap(), value)
        },
    )
}

fn structure(fields: Vec<(Arc<Schema>, Value)>, optional: bool) -> (Arc<Schema>, Value) {
    let mut builder = SchemaBuilder::structure().name("com.S").version(2).doc("d");
    if optional {
        builder = builder.optional();
    }
    let mut values = Vec::new();
    for ((schema, value), index) in fields.into_iter().zip(0..) {
        builder = builder.field(format!("f{index}"), schema);
        values.push(value);
    }
    let schema = builder.build().unwrap();
    let value = Struct::from_values(Arc::clone(&schema), values).unwrap();
    (schema, value.into())
}

fn flat() -> impl Strategy<Value = (Arc<Schema>, Value)> {
    prop::collection::vec(field(), 1..6).prop_map(|fields| structure(fields, false))
}

/// A struct with structs and arrays inside.
fn nested() -> impl Strategy<Value = (Arc<Schema>, Value)> {
    let inner = (
        prop::collection::vec(field(), 0..4),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(fields, optional, null)| {
            let (schema, value) = structure(fields, optional);
            let value = if optional && null { Value::Null } else { value };
            (schema, value)
        });
    let array = prop::collection::vec(any::<i32>(), 0..4).prop_map(|items| {
        let schema = SchemaBuilder::array(schemas::INT32.clone())
            .build()
            .unwrap();
        (
            schema,
            Value::Array(items.into_iter().map(Value::from).collect()),
        )
    });
    prop::collection::vec(
        prop_oneof![3 => field().boxed(), 1 => inner.boxed(), 1 => array.boxed()],
        1..6,
    )
    .prop_map(|fields| structure(fields, false))
}

fn record((schema, value): (Arc<Schema>, Value)) -> ConnectRecord {
    let mut record = ConnectRecord::new("topic".into(), Some(schema), value)
        .with_key(Some(schemas::STRING.clone()), Value::from("key"))
        .with_timestamp(Some(1_566_570_894_346));
    record.kafka_partition = Some(3);
    record
        .headers
        .add("h", Some(schemas::INT32.clone()), Value::from(1))
        .unwrap();
    record
}

fn schemaless() -> impl Strategy<Value = ConnectRecord> {
    prop::collection::vec(primitive(), 0..5).prop_map(|fields| {
        let map: MapValue = fields
            .into_iter()
            .zip(0..)
            .map(|((_, value), index)| (Value::from(format!("f{index}")), value))
            .collect();
        ConnectRecord::new("topic".into(), None, Value::Map(map))
    })
}

fn fields(record: &ConnectRecord) -> &[Field] {
    record.value_schema.as_ref().unwrap().fields()
}

fn get(record: &ConnectRecord, name: &str) -> Value {
    record.value.as_struct().unwrap().get(name).unwrap().clone()
}

/// The record with defaults in place of nulls, as the transformations read it.
fn with_defaults(record: ConnectRecord) -> ConnectRecord {
    applied(
        "SetSchemaMetadata$Value",
        &[("schema.version", "2")],
        record,
    )
}

const CONFIGS: [(&str, &[(&str, &str)]); 22] = [
    ("Cast$Value", &[("spec", "f0:string,f1:int8,f2:float64")]),
    ("Cast$Value", &[("spec", "string")]),
    ("DropHeaders", &[("headers", "h")]),
    ("ExtractField$Value", &[("field", "f0")]),
    (
        "ExtractField$Value",
        &[("field", "f0.f1"), ("field.syntax.version", "V2")],
    ),
    ("Filter", &[]),
    ("Flatten$Value", &[("delimiter", "_")]),
    (
        "HeaderFrom$Value",
        &[
            ("fields", "f0,f1"),
            ("headers", "a,b"),
            ("operation", "move"),
        ],
    ),
    (
        "HeaderFrom$Value",
        &[("fields", "f0"), ("headers", "h"), ("operation", "copy")],
    ),
    ("HoistField$Value", &[("field", "x")]),
    (
        "InsertField$Value",
        &[
            ("topic.field", "t!"),
            ("offset.field", "o"),
            ("timestamp.field", "z?"),
        ],
    ),
    (
        "InsertHeader",
        &[("header", "x"), ("value.literal", "[1,2]")],
    ),
    ("MaskField$Value", &[("fields", "f0,f1")]),
    (
        "MaskField$Value",
        &[("fields", "f0,f1"), ("replacement", "12")],
    ),
    (
        "RegexRouter",
        &[("regex", "(.)(.*)"), ("replacement", "$2$1")],
    ),
    (
        "ReplaceField$Value",
        &[("exclude", "f0"), ("renames", "f1:g,f2:f1")],
    ),
    ("SetSchemaMetadata$Value", &[("schema.name", "n")]),
    (
        "TimestampConverter$Value",
        &[("field", "f0"), ("target.type", "unix"), ("format", "yyyy")],
    ),
    (
        "TimestampConverter$Value",
        &[("target.type", "string"), ("format", "yyyyMMdd")],
    ),
    ("TimestampRouter", &[]),
    ("ValueToKey", &[("fields", "f0")]),
    (
        "InsertField$Key",
        &[("static.field", "s"), ("static.value", "v")],
    ),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_comes_out_fits_its_schema(data in nested()) {
        for (class, config) in CONFIGS {
            // Errors are fine: not every transformation takes every record.
            let Ok(Some(out)) = transformation(class, config).apply(record(data.clone()), &ORIGIN) else {
                continue;
            };
            for (schema, value) in [(&out.key_schema, &out.key), (&out.value_schema, &out.value)] {
                // As in Kafka, a whole value keeps the name of its schema when it is cast, and a required
                // field of a struct that is null is null.
                let excepted = matches!(class, "Cast$Value" | "ExtractField$Value");
                if let Some(schema) = schema && !excepted {
                    prop_assert!(schema.validate(value).is_ok(), "{class} {schema:?} {value:?}");
                }
            }
        }
    }

    #[test]
    fn records_without_schema_do_no_harm(record in schemaless()) {
        for (class, config) in CONFIGS {
            let _ = transformation(class, config).apply(record.clone(), &ORIGIN);
        }
    }

    #[test]
    fn insert_field_keeps_every_field_and_adds_one(data in nested()) {
        let before = with_defaults(record(data));
        let config = [("static.field", "new"), ("static.value", "v")];
        let after = applied("InsertField$Value", &config, before.clone());
        prop_assert_eq!(fields(&after).len(), fields(&before).len() + 1);
        for field in fields(&before) {
            prop_assert_eq!(get(&after, field.name()), get(&before, field.name()));
        }
        prop_assert_eq!(get(&after, "new"), Value::from("v"));
        let without = applied("ReplaceField$Value", &[("exclude", "new")], after);
        prop_assert_eq!(without, before);
    }

    #[test]
    fn renaming_there_and_back_changes_nothing(data in nested()) {
        let before = with_defaults(record(data));
        let there = applied("ReplaceField$Value", &[("renames", "f0:x,f1:y")], before.clone());
        let back = applied("ReplaceField$Value", &[("renames", "x:f0,y:f1")], there);
        prop_assert_eq!(back, before);
    }

    #[test]
    fn what_is_hoisted_can_be_extracted(data in nested()) {
        let before = record(data);
        let hoisted = applied("HoistField$Value", &[("field", "x")], before.clone());
        prop_assert_eq!(applied("ExtractField$Value", &[("field", "x")], hoisted), before);
    }

    #[test]
    fn flattening_twice_is_flattening_once(data in nested()) {
        let once = applied("Flatten$Value", &[], record(data));
        prop_assert!(fields(&once).iter().all(|field| field.schema().schema_type() != SchemaType::Struct));
        let twice = applied("Flatten$Value", &[], once.clone());
        // Fields of a struct that was null are null first; the second time they are read with defaults.
        prop_assert_eq!(twice, with_defaults(once));
    }

    #[test]
    fn an_integer_survives_a_cast_to_text_and_back(number in any::<i64>()) {
        let before = record((schemas::INT64.clone(), Value::from(number)));
        let text = applied("Cast$Value", &[("spec", "string")], before.clone());
        prop_assert_eq!(&text.value, &Value::from(number.to_string()));
        prop_assert_eq!(applied("Cast$Value", &[("spec", "int64")], text), before);
    }

    #[test]
    fn casting_touches_only_the_named_field_and_only_once(data in flat()) {
        let before = with_defaults(record(data));
        let once = applied("Cast$Value", &[("spec", "f0:string")], before.clone());
        for field in fields(&before).iter().skip(1) {
            prop_assert_eq!(get(&once, field.name()), get(&before, field.name()));
        }
        let twice = applied("Cast$Value", &[("spec", "f0:string")], once.clone());
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn masking_keeps_schema_and_other_fields_and_masks_only_once(data in flat()) {
        let before = with_defaults(record(data));
        let mask = transformation("MaskField$Value", &[("fields", "f0")]);
        let Ok(Some(once)) = mask.apply(before.clone(), &ORIGIN) else {
            prop_assert!(matches!(get(&before, "f0"), Value::Bytes(_)));
            return Ok(());
        };
        prop_assert_eq!(&once.value_schema, &before.value_schema);
        for field in fields(&before).iter().skip(1) {
            prop_assert_eq!(get(&once, field.name()), get(&before, field.name()));
        }
        prop_assert_eq!(mask.apply(once.clone(), &ORIGIN).unwrap().unwrap(), once);
    }

    #[test]
    fn metadata_is_all_that_set_schema_metadata_changes(data in nested()) {
        let before = with_defaults(record(data));
        let there = applied("SetSchemaMetadata$Value", &[("schema.name", "x"), ("schema.version", "9")], before.clone());
        prop_assert_eq!(there.value_schema.as_ref().unwrap().name(), Some("x"));
        let back = applied("SetSchemaMetadata$Value", &[("schema.name", "com.S"), ("schema.version", "2")], there);
        prop_assert_eq!(back, before);
    }

    #[test]
    fn moving_to_headers_is_copying_and_dropping(data in flat()) {
        let before = with_defaults(record(data));
        let config = |operation| [("fields", "f0"), ("headers", "x"), ("operation", operation)];
        let moved = applied("HeaderFrom$Value", &config("move"), before.clone());
        let copied = applied("HeaderFrom$Value", &config("copy"), before.clone());
        prop_assert_eq!(&copied.value, &before.value);
        prop_assert_eq!(&applied("ReplaceField$Value", &[("exclude", "f0")], copied), &moved);
        prop_assert_eq!(&moved.headers.last_with_name("x").unwrap().value, &get(&before, "f0"));
    }

    #[test]
    fn a_header_that_is_inserted_can_be_dropped(data in flat(), text in "[a-z0-9,:\\[\\]{}\"]{1,12}") {
        let before = record(data);
        let with = applied("InsertHeader", &[("header", "x"), ("value.literal", &text)], before.clone());
        prop_assert_eq!(with.headers.len(), before.headers.len() + 1);
        prop_assert_eq!(applied("DropHeaders", &[("headers", "x")], with), before);
    }

    #[test]
    fn value_to_key_copies_fields_and_leaves_the_value(data in nested()) {
        let before = with_defaults(record(data));
        let after = applied("ValueToKey", &[("fields", "f0")], before.clone());
        prop_assert_eq!(&after.value, &before.value);
        let key = after.key.as_struct().unwrap();
        prop_assert_eq!(key.get("f0").unwrap(), &get(&before, "f0"));
    }

    #[test]
    fn a_timestamp_survives_every_exact_representation(millis in -60_000_000_000_000_i64..200_000_000_000_000) {
        let before = record((logical::TIMESTAMP_SCHEMA.clone(), Value::Date(millis)));
        let format = ("format", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX G");
        for target in ["string", "unix"] {
            let there = applied("TimestampConverter$Value", &[("target.type", target), format], before.clone());
            let back = applied("TimestampConverter$Value", &[("target.type", "Timestamp"), format], there);
            prop_assert_eq!(&back, &before);
        }
        let date = applied("TimestampConverter$Value", &[("target.type", "Date")], before.clone()).value;
        let time = applied("TimestampConverter$Value", &[("target.type", "Time")], before).value;
        let (Value::Date(date), Value::Date(time)) = (date, time) else {
            panic!("no dates");
        };
        prop_assert_eq!(date + time, millis);
        prop_assert!(logical::date_to_days(date).is_ok() && logical::time_to_millis(time).is_ok());
    }

    #[test]
    fn routers_change_nothing_but_the_topic(data in flat()) {
        let before = record(data);
        for (class, config) in [
            ("TimestampRouter", vec![]),
            ("RegexRouter", vec![("regex", ".*"), ("replacement", "x$0")]),
        ] {
            let mut after = applied(class, &config, before.clone());
            prop_assert_ne!(&after.topic, &before.topic);
            after.topic = before.topic.clone();
            prop_assert_eq!(&after, &before);
        }
    }
}

#[test]
fn filter_drops_everything() {
    let record = record((schemas::INT64.clone(), Value::from(1_i64)));
    let filter = transformation("Filter", &[]);
    assert!(filter.apply(record, &ORIGIN).unwrap().is_none());
}
