//! JSON there and back, with and without envelope; serde_json's tree as the peer. The formats with a registry
//! beside it.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice_api::{Converter, ConverterType, Props, SchemaBuilder, Struct, Value, logical, schemas};
use sluice_plugins::json::JsonConverter;
use sluice_plugins::schema_registry::codec::Codec;
use sluice_plugins::{avro, json_schema, protobuf};

fn converter(schemas: bool) -> JsonConverter {
    let mut converter = JsonConverter::default();
    let props: Props = [("schemas.enable".to_owned(), schemas.to_string())]
        .into_iter()
        .collect();
    Converter::configure(&mut converter, &props, ConverterType::Value)
        .unwrap_or_else(|error| panic!("{error}"));
    converter
}

fn order() -> sluice_api::Result<(std::sync::Arc<sluice_api::Schema>, Value)> {
    let schema = SchemaBuilder::structure()
        .name("Order")
        .field("id", schemas::INT64.clone())
        .field("product", schemas::STRING.clone())
        .field("quantity", schemas::INT32.clone())
        .field("price", schemas::FLOAT64.clone())
        .field("coupon", schemas::OPTIONAL_STRING.clone())
        .field("at", logical::TIMESTAMP_SCHEMA.clone())
        .build()?;
    let value = Struct::new(schema.clone())?
        .with("id", 4711_i64)?
        .with("product", "coffee beans 1 kg")?
        .with("quantity", 3)?
        .with("price", 18.9)?
        .with("at", Value::Date(1_795_367_687_000))?;
    Ok((schema, Value::from(value)))
}

fn json(c: &mut Criterion) {
    let (schema, value) = order().unwrap_or_else(|error| panic!("{error}"));
    for with_schemas in [true, false] {
        let converter = converter(with_schemas);
        let mut buffer = Vec::new();
        let written = converter
            .from_connect_data("t", Some(&schema), &value, &mut buffer)
            .ok()
            .flatten()
            .map(Bytes::copy_from_slice)
            .unwrap_or_default();
        let mut group = c.benchmark_group(format!("json, schemas {with_schemas}"));
        group.throughput(Throughput::Bytes(written.len() as u64));
        group.bench_function("write", |b| {
            b.iter(|| {
                buffer.clear();
                converter
                    .from_connect_data("t", Some(&schema), &value, &mut buffer)
                    .map(|w| w.map(<[u8]>::len))
            });
        });
        group.bench_function("read", |b| {
            b.iter(|| converter.to_connect_data("t", Some(&written)));
        });
        group.bench_function("peer: serde_json tree, read", |b| {
            b.iter(|| serde_json::from_slice::<serde_json::Value>(&written));
        });
        group.finish();
    }
}

/// The formats with a registry, without the header of the schema's id.
fn with_registry(c: &mut Criterion) {
    let (schema, value) = order().unwrap_or_else(|error| panic!("{error}"));
    let codecs: [(&str, sluice_api::Result<Box<dyn Codec>>); 3] = [
        ("avro", avro::codec(&[], Some(&schema))),
        ("protobuf", protobuf::codec(&[], &schema)),
        ("json schema", json_schema::codec(&[], &schema)),
    ];
    for (name, codec) in codecs {
        let codec = codec.unwrap_or_else(|error| panic!("{error}"));
        let mut buffer = Vec::new();
        codec
            .write(&value, &mut buffer)
            .unwrap_or_else(|error| panic!("{error}"));
        let written = Bytes::copy_from_slice(&buffer);
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(written.len() as u64));
        group.bench_function("write", |b| {
            b.iter(|| {
                buffer.clear();
                codec.write(&value, &mut buffer).map(|()| buffer.len())
            });
        });
        group.bench_function("read", |b| b.iter(|| codec.read(&written)));
        group.finish();
    }
}

criterion_group!(benches, json, with_registry);
criterion_main!(benches);
