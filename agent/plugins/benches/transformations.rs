//! A chain of three transformations on records with schema, as the throughput figures have it, and each of
//! them alone.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sluice_api::{
    ConnectRecord, RecordOrigin, Result, Schema, SchemaBuilder, Struct, Transformation, Value,
    logical, schemas,
};

const ORIGIN: RecordOrigin<'_> = RecordOrigin::Source {
    partition: None,
    offset: None,
};
/// Few enough to stay in the cache, as the records of a batch on their way do.
const RECORDS: usize = 50;

const INSERT: (&str, &[(&str, &str)]) = (
    "InsertField$Value",
    &[("static.field", "source"), ("static.value", "bench")],
);
const RENAME: (&str, &[(&str, &str)]) = ("ReplaceField$Value", &[("renames", "product:item")]);
const CAST: (&str, &[(&str, &str)]) = ("Cast$Value", &[("spec", "quantity:int64")]);

fn transformation((class, config): (&str, &[(&str, &str)])) -> Box<dyn Transformation> {
    let class = format!("org.apache.kafka.connect.transforms.{class}");
    let plugin = sluice_plugins::transforms::transformations()
        .into_iter()
        .find(|plugin| *plugin.class == *class)
        .unwrap_or_else(|| panic!("no {class}"));
    let props = config
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let mut made = (plugin.new)();
    made.configure(&props)
        .unwrap_or_else(|error| panic!("{error}"));
    made
}

fn schema() -> Result<Arc<Schema>> {
    SchemaBuilder::structure()
        .name("Order")
        .field("id", schemas::INT64.clone())
        .field("product", schemas::STRING.clone())
        .field("quantity", schemas::INT32.clone())
        .field("price", schemas::FLOAT64.clone())
        .field("coupon", schemas::OPTIONAL_STRING.clone())
        .field("at", logical::TIMESTAMP_SCHEMA.clone())
        .build()
}

fn record(schema: &Arc<Schema>) -> Result<ConnectRecord> {
    let value = Struct::new(Arc::clone(schema))?
        .with("id", 4711_i64)?
        .with("product", "coffee beans 1 kg")?
        .with("quantity", 3)?
        .with("price", 18.9)?
        .with("at", Value::Date(1_795_367_687_000))?;
    Ok(ConnectRecord::new(
        "orders".into(),
        Some(Arc::clone(schema)),
        value.into(),
    ))
}

fn chain(c: &mut Criterion) {
    let schema = schema().unwrap_or_else(|error| panic!("{error}"));
    let mut group = c.benchmark_group("transformations");
    group.throughput(Throughput::Elements(RECORDS as u64));
    for (name, stages) in [
        ("InsertField", vec![INSERT]),
        ("ReplaceField", vec![RENAME]),
        ("Cast", vec![CAST]),
        ("all three", vec![INSERT, RENAME, CAST]),
    ] {
        let stages: Vec<_> = stages.into_iter().map(transformation).collect();
        group.bench_function(name, |b| {
            b.iter_batched(
                || -> Vec<ConnectRecord> {
                    (0..RECORDS)
                        .map(|_| record(&schema).unwrap_or_else(|error| panic!("{error}")))
                        .collect()
                },
                |records| {
                    for record in records {
                        let applied = stages.iter().try_fold(record, |record, stage| {
                            stage
                                .apply(record, &ORIGIN)
                                .map(|record| record.unwrap_or_else(|| panic!("dropped")))
                        });
                        black_box(applied).unwrap_or_else(|error| panic!("{error}"));
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, chain);
criterion_main!(benches);
