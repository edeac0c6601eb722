use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::reader::RowIter;
use sluice_api::{MapValue, SchemaBuilder, Struct, schemas};

use super::*;

fn schema() -> Arc<Schema> {
    let point = SchemaBuilder::structure()
        .optional()
        .field("x", schemas::INT32.clone())
        .build()
        .unwrap();
    let lists = SchemaBuilder::array(
        SchemaBuilder::array(schemas::OPTIONAL_STRING.clone())
            .build()
            .unwrap(),
    )
    .optional()
    .build()
    .unwrap();
    let map = SchemaBuilder::map(schemas::STRING.clone(), schemas::OPTIONAL_INT64.clone())
        .build()
        .unwrap();
    SchemaBuilder::structure()
        .field("id", schemas::INT64.clone())
        .field("p", point)
        .field("l", lists)
        .field("m", map)
        .build()
        .unwrap()
}

fn list(items: Vec<Value>) -> Value {
    Value::Array(items)
}

fn row(id: i64, point: Option<i32>, lists: Value, entries: &[(&str, Option<i64>)]) -> Value {
    let schema = schema();
    let point = point.map_or(Value::Null, |x| {
        let schema = schema.field("p").unwrap().schema().clone();
        Value::from(Struct::new(schema).unwrap().with("x", x).unwrap())
    });
    let map: MapValue = entries
        .iter()
        .map(|(key, value)| (Value::from(*key), value.map_or(Value::Null, Value::Int64)))
        .collect();
    let values = vec![Value::Int64(id), point, lists, Value::Map(map)];
    Value::from(Struct::from_values(schema, values).unwrap())
}

fn read(bytes: Vec<u8>) -> Vec<String> {
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    RowIter::from_file_into(Box::new(reader))
        .map(|row| row.unwrap().to_string())
        .collect()
}

#[test]
fn nested_values_are_read_back_across_row_groups() {
    for codec in [
        ParquetCodec::None,
        ParquetCodec::Gzip,
        ParquetCodec::Snappy,
        ParquetCodec::Zstd,
    ] {
        let mut encoder = encoder(codec, Some(&schema())).unwrap();
        let mut out = Vec::new();
        let texts = list(vec![Value::from("a"), Value::Null, Value::from("c")]);
        let rows = [
            row(
                1,
                Some(7),
                list(vec![texts, list(vec![])]),
                &[("k", Some(1)), ("n", None)],
            ),
            row(2, None, Value::Null, &[]),
            row(3, Some(8), list(vec![]), &[("z", Some(-1))]),
        ];
        for row in &rows {
            encoder.write(row, &mut out).unwrap();
            encoder.flush(&mut out).unwrap();
        }
        encoder.finish(&mut out).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(out.clone())).unwrap();
        assert_eq!(reader.num_row_groups(), 3);
        assert_eq!(
            read(out),
            [
                r#"{id: 1, p: {x: 7}, l: [["a", null, "c"], []], m: {"k" -> 1, "n" -> null}}"#,
                r#"{id: 2, p: null, l: null, m: {}}"#,
                r#"{id: 3, p: {x: 8}, l: [], m: {"z" -> -1}}"#,
            ]
        );
    }
}

#[test]
fn a_record_that_does_not_fit_leaves_no_trace() {
    let mut encoder = encoder(ParquetCodec::Snappy, Some(&schema())).unwrap();
    let mut out = Vec::new();
    let good = row(
        1,
        Some(7),
        list(vec![list(vec![Value::from("a")])]),
        &[("k", Some(1))],
    );
    let bad = row(
        2,
        Some(9),
        list(vec![list(vec![Value::from("b"), Value::Int32(3)])]),
        &[],
    );
    encoder.write(&good, &mut out).unwrap();
    let error = encoder.write(&bad, &mut out).unwrap_err();
    assert!(error.message().starts_with("field l: "), "{error}");
    encoder.write(&good, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    let rows = read(out);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], rows[1]);
}

#[test]
fn what_parquet_cannot_hold_is_told() {
    let error = encoder(ParquetCodec::None, None).err().unwrap();
    assert!(error.message().contains("found no schema"), "{error}");
    let error = encoder(ParquetCodec::None, Some(&schemas::INT8))
        .err()
        .unwrap();
    assert!(error.message().contains("Schema{INT8}"), "{error}");
    let empty = SchemaBuilder::structure().build().unwrap();
    let outer = SchemaBuilder::structure()
        .field("e", empty)
        .build()
        .unwrap();
    let error = encoder(ParquetCodec::None, Some(&outer)).err().unwrap();
    assert!(error.message().contains("field e"), "{error}");
}

/// One column of decimals, and what is found of a number written to it.
fn decimal_read_back(precision: Option<&str>, scale: i32, unscaled: &str) -> Result<String> {
    let mut decimal = sluice_api::logical::decimal_builder(scale);
    if let Some(precision) = precision {
        decimal = decimal.parameter("connect.decimal.precision", precision);
    }
    let schema = SchemaBuilder::structure()
        .field("d", decimal.build()?)
        .build()?;
    let number: sluice_api::Decimal = unscaled.parse().unwrap();
    let value = Value::from(sluice_api::Decimal::new(number.unscaled().clone(), scale));
    let row = Value::from(Struct::from_values(schema.clone(), vec![value])?);
    let mut out = Vec::new();
    let mut encoder = encoder(ParquetCodec::None, Some(&schema))?;
    encoder.write(&row, &mut out)?;
    encoder.finish(&mut out)?;
    Ok(read(out).concat())
}

#[test]
fn decimals_of_every_precision_are_read_back_and_larger_ones_are_refused() {
    for precision in 1..=76_usize {
        let given = precision.to_string();
        for number in [
            "9".repeat(precision),
            format!("-{}", "9".repeat(precision)),
            "0".to_owned(),
            "-1".to_owned(),
        ] {
            let found = decimal_read_back(Some(&given), 0, &number).unwrap();
            // The reader writes a point, whatever the scale.
            assert_eq!(found, format!("{{d: {number}.}}"), "{precision} digits");
        }
        for sign in ["", "-"] {
            let large = format!("{sign}1{}", "0".repeat(precision));
            let error = decimal_read_back(Some(&given), 0, &large).unwrap_err();
            let wanted = format!("has {} digits, its schema {precision}", precision + 1);
            assert!(error.message().contains(&wanted), "{}", error.message());
        }
    }
    assert_eq!(
        decimal_read_back(None, 2, "-12345").unwrap(),
        "{d: -123.45}"
    );
    for wrong in ["0", "-1", "x", "1001", ""] {
        let error = decimal_read_back(Some(wrong), 0, "1").unwrap_err();
        assert!(
            error.message().contains("connect.decimal.precision"),
            "{}",
            error.message()
        );
    }
}
