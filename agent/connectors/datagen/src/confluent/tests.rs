use std::sync::Arc;

use serde_json::{Value as Json, json};
use sluice_api::{Props, Reach, SourceOffset, SourceRecord, SourceTask, Value};
use sluice_toolkit::testing::TestContext;

use super::generator::Generator;
use super::quickstarts;

fn props(settings: &[(&str, &str)]) -> Props {
    [("kafka.topic", "t"), ("max.interval", "0")]
        .iter()
        .chain(settings)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

async fn start(
    settings: &[(&str, &str)],
    stored: Option<SourceOffset>,
    reach: Reach,
) -> sluice_api::Result<Box<dyn SourceTask>> {
    let props = props(settings);
    let context = TestContext {
        stored,
        reach,
        ..TestContext::new(props)
    };
    (super::source().start_task)(Arc::new(context)).await
}

async fn take(task: &mut Box<dyn SourceTask>, count: usize) -> Vec<SourceRecord> {
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(task.poll().await.expect("records").unwrap_or_default());
    }
    records.truncate(count);
    records
}

/// Records of a schema with these fields.
fn made(fields: &Json, count: usize) -> Vec<Vec<Value>> {
    let schema = json!({"type": "record", "name": "r", "fields": fields}).to_string();
    let mut generator = Generator::new(&schema, 7, None).expect("a generator");
    (0..count)
        .map(|_| {
            let record = generator.next().expect("a record");
            let schema = record.schema.expect("a schema");
            schema.validate(&record.value).expect("a value that fits");
            record
                .value
                .as_struct()
                .expect("a struct")
                .values()
                .to_vec()
        })
        .collect()
}

/// Values of one field of a type.
fn values(kind: &Json, count: usize) -> Vec<Value> {
    let records = made(&json!([{"name": "f", "type": kind}]), count);
    records.into_iter().flatten().collect()
}

fn typed(kind: &str, properties: &Json) -> Json {
    json!({"type": kind, "arg.properties": properties})
}

async fn faults(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let connector = (super::source().new_connector)();
    let faults = connector.validate(&props(settings)).await;
    faults
        .into_iter()
        .map(|fault| (fault.key, fault.message))
        .collect()
}

#[tokio::test]
async fn every_quickstart_makes_records_with_its_key() {
    let names: Vec<String> = quickstarts::names()
        .split(", ")
        .map(str::to_owned)
        .collect();
    assert_eq!(names.len(), 38);
    for name in names {
        assert_eq!(faults(&[("quickstart", &name)]).await, [], "{name}");
        let mut task = start(
            &[("quickstart", &name.to_uppercase())],
            None,
            Reach::default(),
        )
        .await
        .expect("a task");
        let field = &quickstarts::find(&name).expect("a quickstart").key;
        for record in take(&mut task, 50).await {
            let record = record.record;
            let schema = record.value_schema.expect("a schema");
            schema.validate(&record.value).expect("a value that fits");
            let value = record.value.as_struct().expect("a struct");
            assert_eq!(record.key, *value.get(field).expect("the key"), "{name}");
            let field = schema.field(field).expect("the key's field");
            assert_eq!(record.key_schema.as_ref(), Some(field.schema()), "{name}");
        }
    }
}

#[test]
fn numbers_stay_within_their_ranges() {
    for (kind, min, max) in [
        ("int", -3, 4),
        ("long", 1_487_715_775_521, 1_487_715_775_530),
    ] {
        let kind = typed(kind, &json!({"range": {"min": min, "max": max}}));
        let seen: std::collections::BTreeSet<i64> = values(&kind, 300)
            .iter()
            .map(|value| match value {
                Value::Int32(number) => i64::from(*number),
                Value::Int64(number) => *number,
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(seen, (min..max).collect(), "{kind}");
    }
    // Open at one end, and all that the type holds.
    for range in [json!({"min": 5}), json!({"max": -5}), json!({})] {
        for kind in ["int", "long", "float", "double"] {
            values(&typed(kind, &json!({"range": range})), 100);
        }
    }
    let fractions = values(
        &typed("double", &json!({"range": {"min": 0.5, "max": 0.75}})),
        100,
    );
    for fraction in fractions {
        assert!(matches!(fraction, Value::Float64(number) if (0.5..0.75).contains(&number)));
    }
}

#[test]
fn lengths_prefixes_and_odds_are_kept() {
    let length = |value: &Value| match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(items) => items.len(),
        other => panic!("{other}"),
    };
    for (length_of, from, to) in [
        (json!(5), 5, 5),
        (json!({"max": 3}), 0, 2),
        (json!({"min": 2, "max": 4}), 2, 3),
    ] {
        let array =
            json!({"type": "array", "items": "boolean", "arg.properties": {"length": length_of}});
        for kind in [
            typed("string", &json!({"length": length_of})),
            typed("string", &json!({"length": length_of, "regex": "[a-z]*"})),
            typed("bytes", &json!({"length": length_of})),
            array,
        ] {
            for value in values(&kind, 60) {
                assert!((from..=to).contains(&length(&value)), "{kind}: {value}");
            }
        }
    }
    let text = typed(
        "string",
        &json!({"regex": "[0-9]{2}", "prefix": "<", "suffix": ">"}),
    );
    for value in values(&text, 20) {
        let Value::String(value) = value else {
            panic!("{value}")
        };
        assert!(value.starts_with('<') && value.ends_with('>') && value.len() == 4);
    }
    for (odds, expected) in [(0.0, false), (1.0, true)] {
        let all = values(&typed("boolean", &json!({"odds": odds})), 50);
        assert!(all.iter().all(|value| *value == Value::Boolean(expected)));
    }
}

#[test]
fn options_have_the_type_of_the_schema_at_every_depth() {
    let inner = json!([
        {"name": "id", "type": "long"}, {"name": "of", "type": ["null", "string"]},
        {"name": "rest", "type": "double", "default": 1.5},
    ]);
    let record = json!({
        "type": "record", "name": "o", "fields": inner,
        "arg.properties": {"options": [{"id": 1, "of": null}, {"id": 2, "of": "x", "rest": 3}]},
    });
    let seen: std::collections::BTreeSet<String> = values(&record, 60)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        ["Struct{id=1,rest=1.5}", "Struct{id=2,of=x,rest=3.0}"]
    );
    let symbols = json!({
        "type": "enum", "name": "e", "symbols": ["A", "B", "C"], "arg.properties": {"options": ["C"]},
    });
    assert_eq!(values(&symbols, 1), [Value::from("C")]);
    let map = json!({
        "type": "map", "values": "int",
        "arg.properties": {"length": 1, "keys": {"options": ["k"]}},
    });
    assert_eq!(made(&json!([{"name": "f", "type": map}]), 1).len(), 1);
    let decimal = json!({
        "type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2,
        "arg.properties": {"range": {"min": 10.0, "max": 50.0}},
    });
    for value in values(&decimal, 50) {
        let Value::Decimal(value) = value else {
            panic!("{value}")
        };
        let number: f64 = value.to_string().parse().expect("a number");
        assert!((10.0..50.0).contains(&number), "{value}");
    }
    let fixed = json!({
        "type": "fixed", "name": "d", "size": 10, "logicalType": "decimal", "precision": 20, "scale": 3,
    });
    values(&fixed, 50);
}

#[test]
fn iterations_of_a_named_type_count_together() {
    let counted = json!({
        "type": "record", "name": "c",
        "fields": [{"name": "n", "type": typed("int", &json!({"iteration": {"start": 0}}))}],
    });
    let records = made(
        &json!([{"name": "a", "type": counted}, {"name": "b", "type": "c"}]),
        2,
    );
    let texts: Vec<String> = records.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["Struct{n=0}", "Struct{n=1}", "Struct{n=2}", "Struct{n=3}"]
    );
    let label = typed(
        "string",
        &json!({"iteration": {"start": 8, "step": 2}, "prefix": "no "}),
    );
    assert_eq!(values(&label, 2), ["no 8", "no 10"].map(Value::from));
}

#[test]
fn comments_of_schemas_are_passed_over() {
    let schema = r#"/* a "comment" */ {"type": "record", "name": "r", // and "one" more
        "fields": [{"name": "f", "type": {"type": "string", "arg.properties": {"options": ["a//b/*c*/\"d"]}}}]}"#;
    let record = Generator::new(schema, 0, None).expect("a generator").next();
    assert_eq!(
        record.expect("a record").value.to_string(),
        r#"Struct{f=a//b/*c*/"d}"#
    );
}

#[test]
fn a_record_without_end_is_an_error() {
    let mut nested = json!("boolean");
    for _ in 0..4 {
        nested = json!({"type": "array", "items": nested, "arg.properties": {"length": 1_000_000}});
    }
    let schema = json!({"type": "record", "name": "r", "fields": [{"name": "f", "type": nested}]});
    let mut endless = Generator::new(&schema.to_string(), 0, None).expect("a generator");
    let error = endless.next().expect_err("too much");
    assert!(error.message().contains("more than 16 MiB"), "{error}");
    let timeout = Some(std::time::Duration::from_millis(1));
    let mut slow = Generator::new(&schema.to_string(), 0, timeout).expect("a generator");
    let error = slow.next().expect_err("too slow");
    assert!(
        error.message().contains("1 ms of generate.timeout"),
        "{error}"
    );
}

#[tokio::test]
async fn offsets_and_headers_are_those_of_the_class_and_resume() {
    let settings = [
        ("quickstart", "orders"),
        ("random.seed", "42"),
        ("task.id", "1"),
    ];
    let default = Reach::default;
    let mut task = start(&settings, None, default()).await.expect("a task");
    let first = take(&mut task, 20).await;
    let offset = first[9].source_offset.clone().expect("an offset");
    assert_eq!(offset.get("task.generation"), Some(&Value::Int64(1)));
    assert_eq!(offset.get("current.iteration"), Some(&Value::Int64(10)));
    assert!(matches!(offset.get("random.seed"), Some(Value::Int64(_))));
    let mut again = start(&settings, None, default()).await.expect("a task");
    let mut resumed = start(&settings, Some(offset), default())
        .await
        .expect("a task");
    let texts = |records: &[SourceRecord]| -> Vec<String> {
        records
            .iter()
            .map(|record| record.record.value.to_string())
            .collect()
    };
    assert_eq!(texts(&first), texts(&take(&mut again, 20).await));
    let resumed = take(&mut resumed, 10).await;
    assert_eq!(texts(&first[10..]), texts(&resumed));
    let headers: Vec<(&str, &Value)> = resumed[0]
        .record
        .headers
        .iter()
        .map(|header| (&*header.key, &header.value))
        .collect();
    let numbers = [1, 1, 10].map(Value::Int64);
    assert_eq!(
        headers,
        ["task.generation", "task.id", "current.iteration"]
            .into_iter()
            .zip(&numbers)
            .collect::<Vec<_>>()
    );
    let other = [
        ("quickstart", "orders"),
        ("random.seed", "42"),
        ("task.id", "0"),
    ];
    let mut other = start(&other, None, default()).await.expect("a task");
    assert_ne!(texts(&first), texts(&take(&mut other, 20).await));
}

#[tokio::test]
async fn the_task_ends_after_its_iterations_and_keeps_to_the_interval() {
    let settings = [("quickstart", "users"), ("iterations", "700")];
    let mut task = start(&settings, None, Reach::default())
        .await
        .expect("a task");
    assert_eq!(take(&mut task, 700).await.len(), 700);
    let error = task.poll().await.expect_err("the end");
    assert_eq!(
        error.message(),
        "Stopping connector: generated the configured 700 number of messages"
    );
    let started = std::time::Instant::now();
    let paced = [("quickstart", "users"), ("max.interval", "20")];
    let mut paced = start(&paced, None, Reach::default()).await.expect("a task");
    take(&mut paced, 30).await;
    // 30 waits of 9.5 ms on average; a third of that is out of the question for chance.
    assert!(started.elapsed().as_millis() >= 95);
}

#[tokio::test]
async fn exactly_one_schema_is_given() {
    let why = "Must set exactly one of schema.string, schema.filename, quickstart";
    let at = |keys: &[&str]| -> Vec<(String, String)> {
        keys.iter()
            .map(|key| ((*key).to_owned(), format!("{key}: {why}")))
            .collect()
    };
    assert_eq!(
        faults(&[]).await,
        at(&["schema.string", "schema.filename", "quickstart"])
    );
    let two = [("quickstart", "users"), ("schema.string", "{}")];
    assert_eq!(faults(&two).await, at(&["schema.string", "quickstart"]));
}

#[tokio::test]
async fn wrong_schemas_and_keys_are_faults_of_their_keys() {
    let field = |kind: &str| {
        format!(r#"{{"type": "record", "name": "r", "fields": [{{"name": "f", "type": {kind}}}]}}"#)
    };
    let text = |properties: &str| {
        field(&format!(
            r#"{{"type": "string", "arg.properties": {properties}}}"#
        ))
    };
    for (key, value, why) in [
        (
            "quickstart",
            "movies",
            "movies is not among the quickstarts",
        ),
        ("schema.string", "{", "Unable to parse the provided schema"),
        (
            "schema.string",
            &field("\"integer\""),
            "\"integer\" is not a defined name",
        ),
        (
            "schema.string",
            "\"string\"",
            "the schema has to be a record, not string",
        ),
        ("schema.string", &field("\"r\""), "Unable to parse"),
        (
            "schema.string",
            &text(r#"{"options": []}"#),
            "field f: options cannot be empty",
        ),
        (
            "schema.string",
            &text(r#"{"options": [1]}"#),
            "the option 1 is not of type string",
        ),
        (
            "schema.string",
            &text(r#"{"options": {"file": "/etc/passwd"}}"#),
            "options in a file",
        ),
        (
            "schema.string",
            &text(r#"{"regex": "a@b"}"#),
            "regex a@b cannot be used",
        ),
        (
            "schema.string",
            &text(r#"{"length": {"min": 1}}"#),
            "length has to have the field max",
        ),
        (
            "schema.string",
            &text(r#"{"iteration": {}}"#),
            "the field start",
        ),
        (
            "schema.string",
            &text(r#"{"options": ["a"], "regex": "b"}"#),
            "together with options",
        ),
        (
            "schema.filename",
            "/nonexistent/schema",
            "/nonexistent/schema cannot be read",
        ),
        ("schema.filename", "/dev/zero", "it is not a file"),
        ("generate.timeout", "60001", "60001 is not from 1 to 60000"),
        (
            "schema.keyfield",
            "nothing",
            "does not contain the field nothing; it has registertime",
        ),
    ] {
        let mut settings = vec![(key, value)];
        if matches!(key, "generate.timeout" | "schema.keyfield") {
            settings.push(("quickstart", "users"));
        }
        let faults = faults(&settings).await;
        assert_eq!(faults.len(), 1, "{key} {value}: {faults:?}");
        assert_eq!(faults[0].0, key, "{faults:?}");
        assert!(faults[0].1.contains(why), "{key} {value}: {faults:?}");
    }
}

#[tokio::test]
async fn a_file_holds_the_schema_unless_it_is_out_of_reach() {
    let folder = std::env::temp_dir().join(format!("sluice-datagen-{}", std::process::id()));
    let roots = folder.join("allowed");
    std::fs::create_dir_all(&roots).expect("folders");
    let schema = quickstarts::find("users")
        .expect("a quickstart")
        .schema
        .to_string();
    let (inside, outside) = (roots.join("users.avro"), folder.join("users.avro"));
    for path in [&inside, &outside] {
        std::fs::write(path, &schema).expect("a file");
    }
    let reach = Reach::new(&[roots.display().to_string()], &[]).expect("a root");
    let key = ("schema.filename", &*inside.display().to_string());
    let mut task = start(&[key], None, reach.clone()).await.expect("a task");
    let record = &take(&mut task, 1).await[0].record;
    assert!(record.key.is_null() && record.key_schema.is_some());
    let key = ("schema.filename", &*outside.display().to_string());
    let refused = start(&[key], None, reach).await.err().expect("an error");
    assert!(refused.message().contains("sluice.file.roots"), "{refused}");
    std::fs::remove_dir_all(&folder).expect("to remove files");
}
