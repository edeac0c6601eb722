//! Every type, from a topic into files, read by PyArrow and fastavro.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::data_file::{self, Format};
use sluice_tests::topics::create_topic;
use sluice_tests::wait::{seconds, wait_for};

use super::{files, lines, send, sink, start};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "hdfs::types::pyarrow_reads_every_type_from_parquet",
        needs: Needs::HDFS,
        run: |context| there_and_back(context, "Parquet", &["none", "gzip", "snappy", "zstd"]),
    },
    Test {
        name: "hdfs::types::fastavro_reads_every_type_from_avro",
        needs: Needs::HDFS,
        run: |context| there_and_back(context, "Avro", &["null", "deflate", "snappy"]),
    },
    Test {
        name: "hdfs::types::every_type_is_in_json_lines",
        needs: Needs::HDFS,
        run: |context| there_and_back(context, "Json", &["none", "gzip"]),
    },
];

fn logical(kind: &str, class: &str, field: &str) -> Value {
    json!({"type": kind, "name": format!("org.apache.kafka.connect.data.{class}"), "version": 1, "field": field})
}

fn schema() -> Value {
    let mut fields: Vec<Value> = [
        "int8", "int16", "int32", "int64", "float", "double", "boolean", "string", "bytes",
    ]
    .into_iter()
    .flat_map(|kind| {
        [false, true].map(|optional| {
            let name = if optional {
                format!("{kind}_or_null")
            } else {
                kind.to_owned()
            };
            json!({"field": name, "type": kind, "optional": optional})
        })
    })
    .collect();
    let mut decimal = logical("bytes", "Decimal", "decimal");
    decimal["parameters"] = json!({"scale": "2"});
    fields.push(decimal);
    fields.push(logical("int32", "Date", "date"));
    fields.push(logical("int32", "Time", "time"));
    fields.push(logical("int64", "Timestamp", "timestamp"));
    fields.push(
        json!({"field": "list", "type": "array", "items": {"type": "string", "optional": true}}),
    );
    fields.push(json!({"field": "map", "type": "map", "keys": {"type": "string"}, "values": {"type": "int32"}}));
    fields.push(json!({"field": "inner", "type": "struct", "optional": true, "name": "Inner",
        "fields": [{"field": "lists", "type": "array", "items": {"type": "array", "items": {"type": "int32"}}}]}));
    json!({"type": "struct", "name": "Every", "fields": fields})
}

/// Two records: extreme values, and nothing where nothing may be.
fn payloads() -> [Value; 2] {
    let full = json!({
        "int8": -128, "int8_or_null": 127, "int16": -32768, "int16_or_null": 32767,
        "int32": i32::MIN, "int32_or_null": i32::MAX, "int64": i64::MIN, "int64_or_null": i64::MAX,
        "float": 1.5, "float_or_null": -0.25, "double": 0.1, "double_or_null": 1e300,
        "boolean": true, "boolean_or_null": false,
        "string": "tab\t\"quote\" \u{1F600}", "string_or_null": "", "bytes": "AP8=", "bytes_or_null": "",
        // 1234567890.12
        "decimal": "HL6ZGhQ=",
        // 2024-02-29, 23:59:59.999, 2024-02-29T12:34:56.789Z
        "date": 19782, "time": 86_399_999, "timestamp": 1_709_210_096_789_i64,
        "list": ["a", null, "c"], "map": {"k": 1, "l": -1}, "inner": {"lists": [[1, 2], [], [3]]},
    });
    let mut empty = full.clone();
    for (name, value) in empty.as_object_mut().into_iter().flatten() {
        if name.ends_with("_or_null") || name == "inner" {
            *value = Value::Null;
        }
    }
    empty["list"] = json!([]);
    empty["map"] = json!({});
    // -0.01
    empty["decimal"] = "/w==".into();
    [full, empty]
}

/// The records as the readers show them.
fn expected(format: &str) -> [Value; 2] {
    let mut rows = payloads();
    for row in &mut rows {
        if format == "Json" {
            continue;
        }
        row["decimal"] = match row["decimal"].as_str() {
            Some("/w==") => "-0.01".into(),
            _ => "1234567890.12".into(),
        };
        for (name, value) in row.as_object_mut().into_iter().flatten() {
            if name.starts_with("bytes") && !value.is_null() {
                *value = if value == "" { "" } else { "00ff" }.into();
            }
        }
        row["date"] = "2024-02-29".into();
        row["time"] = "23:59:59.999000".into();
        row["timestamp"] = "2024-02-29 12:34:56.789000+00:00".into();
        if format == "Parquet" {
            let map = row["map"].as_object().cloned().unwrap_or_default();
            row["map"] = map
                .into_iter()
                .map(|(key, value)| json!([key, value]))
                .collect();
        }
    }
    rows
}

fn there_and_back(context: &Context, format: &str, codecs: &[&str]) -> Result<()> {
    let hdfs = start()?;
    let cluster = context.cluster("types")?;
    let workers = cluster.start(1)?;
    for codec in codecs {
        let topic = format!("{}-{codec}", cluster.name);
        create_topic(&cluster.bootstrap, &topic, 1)?;
        let key = match format {
            "Parquet" => "parquet.codec",
            "Avro" => "avro.codec",
            _ => "sluice.compression.type",
        };
        let config = sink(
            &hdfs,
            &topic,
            &json!({"format.class": format, key: codec, "flush.size": "2", "value.converter.schemas.enable": "true"}),
        );
        workers[0].rest().create(&topic, &config, 1)?;
        let values = payloads().map(|payload| json!({"schema": schema(), "payload": payload}));
        send(&cluster.bootstrap, &topic, &values)?;
        let path = wait_for("a file", seconds(60), || {
            Ok(files(&hdfs, &topic)?.first().cloned())
        })?;
        let rows = match format {
            "Json" if *codec == "none" => lines(&hdfs, &topic)?,
            "Json" => {
                ensure!(path.ends_with("+0000000001.json.gz"), "{path}");
                gunzipped(&hdfs.read(&path)?)?
            }
            _ => {
                let kind = if format == "Avro" {
                    Format::Avro
                } else {
                    Format::Parquet
                };
                let contents = data_file::read(kind, &hdfs.read(&path)?)?;
                let found = contents.codec.as_str().unwrap_or("none");
                let wanted = if *codec == "none" {
                    "uncompressed"
                } else {
                    codec
                };
                ensure!(found.eq_ignore_ascii_case(wanted), "{found} for {codec}");
                if format == "Parquet" {
                    check_types(&contents.schema)?;
                }
                contents.rows
            }
        };
        for (found, wanted) in rows.iter().zip(&expected(format)) {
            ensure!(found == wanted, "{codec}: {found:#}\nexpected {wanted:#}");
        }
        ensure!(rows.len() == 2, "{} rows", rows.len());
    }
    for worker in workers {
        worker.stop()?;
    }
    Ok(())
}

fn check_types(schema: &Value) -> Result<()> {
    for (name, kind) in [
        ("int8", "int32"),
        ("int64_or_null", "int64"),
        ("float", "float"),
        ("string", "string"),
        ("bytes", "binary"),
        ("decimal", "decimal256(64, 2)"),
        ("date", "date32[day]"),
        ("time", "time32[ms]"),
        ("timestamp", "timestamp[ms, tz=UTC]"),
        ("list", "list<element: string>"),
        ("map", "map<string, int32 ('map')>"),
    ] {
        let fields = schema.as_array().context("no fields")?;
        let field = fields.iter().find(|field| field["name"] == name);
        let found = field.with_context(|| name.to_owned())?["type"].as_str();
        ensure!(found == Some(kind), "{name}: {found:?}");
    }
    Ok(())
}

fn gunzipped(bytes: &[u8]) -> Result<Vec<Value>> {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(bytes), &mut text)?;
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}
