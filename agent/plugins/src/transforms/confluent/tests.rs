//! The examples of Confluent's reference, and what stands between them.

use sluice_api::{
    ConnectError, ConnectRecord, Headers, MapValue, RecordOrigin, SchemaBuilder, Value, schemas,
};

/// What a transformation makes of a record: `None` if it drops it.
fn apply(
    class: &str,
    config: &[(&str, &str)],
    record: ConnectRecord,
) -> Result<Option<ConnectRecord>, ConnectError> {
    let class = format!("io.confluent.connect.transforms.{class}");
    let plugins = crate::transforms::transformations();
    let plugin = plugins
        .iter()
        .find(|plugin| *plugin.class == *class)
        .unwrap();
    let mut transformation = (plugin.new)();
    let config = config
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    transformation.configure(&config.collect())?;
    let origin = RecordOrigin::Source {
        partition: None,
        offset: None,
    };
    transformation.apply(record, &origin)
}

fn record(value: Value) -> ConnectRecord {
    ConnectRecord {
        topic: "bar".into(),
        kafka_partition: None,
        key_schema: Some(schemas::STRING.clone()),
        key: Value::from("key"),
        value_schema: None,
        value,
        timestamp: None,
        headers: Headers::new(),
    }
}

fn map(entries: &[(&str, Value)]) -> Value {
    let entries = entries
        .iter()
        .map(|(key, value)| (Value::from(*key), value.clone()));
    Value::Map(entries.collect::<MapValue>())
}

#[test]
fn filter_keeps_or_drops_what_its_path_finds() {
    let paid = || record(map(&[("state", Value::from("paid"))]));
    let open = || record(map(&[("state", Value::from("open"))]));
    let condition = ("filter.condition", "$[?(@.state == 'paid')]");
    let keeps = |how: &str, record| {
        let config = [condition, ("filter.type", how)];
        apply("Filter$Value", &config, record).unwrap().is_some()
    };
    assert!(keeps("include", paid()) && !keeps("include", open()));
    assert!(!keeps("exclude", paid()) && keeps("exclude", open()));

    // The whole value is null, or a field on the path is not there.
    for (path, record) in [("$.nope", paid()), ("$.state", record(Value::Null))] {
        let with = |behavior: &str, kind: &str| {
            let config = [
                ("filter.condition", path),
                ("filter.type", kind),
                ("missing.or.null.behavior", behavior),
            ];
            apply("Filter$Value", &config, record.clone())
        };
        for kind in ["include", "exclude"] {
            assert!(with("include", kind).unwrap().is_some(), "{path}");
            assert!(with("exclude", kind).unwrap().is_none(), "{path}");
            let failure = with("fail", kind).unwrap_err();
            assert!(failure.message().contains(path), "{failure}");
        }
    }
    let wrong = [("filter.condition", "state"), ("filter.type", "include")];
    let failure = apply("Filter$Value", &wrong, paid()).unwrap_err();
    assert!(failure.message().contains("filter.condition"), "{failure}");
}

#[test]
fn filter_reads_structs_and_keys() {
    let schema = SchemaBuilder::structure()
        .field("total", schemas::INT32.clone())
        .build()
        .unwrap();
    let value = sluice_api::Struct::new(schema)
        .unwrap()
        .with("total", 5)
        .unwrap();
    let config = [
        ("filter.condition", "$[?(@.total > 4.5)]"),
        ("filter.type", "include"),
    ];
    assert!(
        apply("Filter$Value", &config, record(value.into()))
            .unwrap()
            .is_some()
    );
    let config = [
        ("filter.condition", "$"),
        ("filter.type", "exclude"),
        ("missing.or.null.behavior", "include"),
    ];
    assert!(
        apply("Filter$Key", &config, record(Value::Null))
            .unwrap()
            .is_none()
    );
}

#[test]
fn drop_does_with_the_schema_what_its_key_says() {
    let key = |behavior: &str| {
        let config = [("schema.behavior", behavior)];
        let dropped = apply("Drop$Key", &config, record(Value::from("v")))?;
        let dropped = dropped.unwrap();
        assert!(dropped.key.is_null());
        assert_eq!(dropped.value, Value::from("v"));
        Ok::<_, ConnectError>(dropped.key_schema)
    };
    assert_eq!(key("nullify").unwrap(), None);
    assert_eq!(key("retain").unwrap(), Some(schemas::STRING.clone()));
    assert_eq!(
        key("force_optional").unwrap(),
        Some(schemas::OPTIONAL_STRING.clone())
    );
    assert!(
        key("validate")
            .unwrap_err()
            .message()
            .contains("not optional")
    );
    assert!(key("nonsense").is_err());
}

#[test]
fn a_time_in_the_message_makes_the_topic() {
    let config = [
        ("topic.format", "foo-${topic}-${timestamp}"),
        ("message.timestamp.format", "yyyy-MM-dd"),
        ("topic.timestamp.format", "yyyy.MM.dd"),
        ("message.timestamp.keys", "timestamp,time,ts"),
    ];
    let routed = |value| apply("MessageTimestampRouter", &config, record(value));
    let time = map(&[
        ("timestamp", Value::Null),
        ("time", Value::from("2019-08-06")),
    ]);
    assert_eq!(&*routed(time).unwrap().unwrap().topic, "foo-bar-2019.08.06");
    for value in [map(&[]), map(&[("ts", Value::from("today"))]), Value::Null] {
        assert!(routed(value).is_err());
    }
}

#[test]
fn a_topic_is_taken_from_where_it_stands() {
    let topic = |class: &str, config: &[(&str, &str)], record| {
        apply(class, config, record).map(|record| record.unwrap().topic.to_string())
    };
    let inner = map(&[("f3", Value::from("deep"))]);
    let value = || map(&[("f1", inner.clone()), ("f.2", Value::from("flat"))]);
    assert_eq!(
        topic("ExtractTopic$Key", &[], record(value())).unwrap(),
        "key"
    );
    let plain = [("field", "f.2")];
    assert_eq!(
        topic("ExtractTopic$Value", &plain, record(value())).unwrap(),
        "flat"
    );
    let path = [("field", r#"$["f1"]["f3"]"#), ("field.format", "JSON_PATH")];
    assert_eq!(
        topic("ExtractTopic$Value", &path, record(value())).unwrap(),
        "deep"
    );
    let missing = [("field", "nope"), ("skip.missing.or.null", "true")];
    assert_eq!(
        topic("ExtractTopic$Value", &missing, record(value())).unwrap(),
        "bar"
    );
    assert!(topic("ExtractTopic$Value", &missing[..1], record(value())).is_err());
    let mut with_header = record(value());
    with_header
        .headers
        .add("h", None, Value::from("head"))
        .unwrap();
    assert_eq!(
        topic("ExtractTopic$Header", &[("field", "h")], with_header).unwrap(),
        "head"
    );
    assert!(topic("ExtractTopic$Header", &[], record(value())).is_err());
}

#[test]
fn records_without_value_are_handled() {
    let handled =
        |behavior: &str, value| apply("TombstoneHandler", &[("behavior", behavior)], record(value));
    for behavior in ["ignore", "warn", "fail"] {
        assert!(handled(behavior, Value::from(1)).unwrap().is_some());
    }
    assert!(handled("ignore", Value::Null).unwrap().is_none());
    assert!(handled("warn", Value::Null).unwrap().is_none());
    assert!(handled("fail", Value::Null).is_err());
}
