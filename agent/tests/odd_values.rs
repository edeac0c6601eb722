//! Odd values of every key of every plugin: each ends with an answer or an error, soon, and nothing panics.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure is the finding of the test"
)]

use std::sync::Arc;
use std::time::Duration;

use sluice_agent::plugins::{ConnectorPlugin, Plugins};
use sluice_agent::settings::{Mode, WorkerSettings};
use sluice_agent::validation::validate;
use sluice_api::config::ConfigDef;
use sluice_api::{
    ConnectRecord, Converter, ConverterType, MapValue, Props, RecordOrigin, SchemaBuilder, Struct,
    TimestampType, TopicPartition, Value, schemas,
};
use sluice_protocol::ConfigMap;
use sluice_protocol::rest::PluginType;
use sluice_toolkit::testing::TestContext;

/// What users and programs put where a value was wanted.
fn odd_values() -> Vec<String> {
    let short = [
        "",
        " ",
        "\t\r\n",
        ",",
        ",,a,",
        ":",
        "a:b:c",
        "-1",
        "0",
        "1e400",
        "NaN",
        "true",
        "null",
        "2147483648",
        "9223372036854775807",
        "99999999999999999999999999",
        "\u{0}",
        "\u{1b}[31m",
        "\u{200b}",
        "ä\u{301}\u{1f600}",
        "${file:/none:key}",
        "$0$1\\",
        "(((((",
        "[a-",
        "*",
        ".*",
        "%s%n{}",
        "../../etc/passwd",
        "file:///etc/passwd",
        "http://[::1",
        "http://127.0.0.1:1/",
        "127.0.0.1:1",
        "jdbc:postgresql://127.0.0.1:1/d",
        "{\"type\":\"record\"}",
        "{\"a\":[1,2",
        "yyyy-MM-dd'T'HH",
        "'",
        "' OR 1=1 --",
        "Europe/Nowhere",
        "java.lang.Object",
    ];
    let mut values: Vec<String> = short.iter().map(|value| (*value).to_owned()).collect();
    values.push("x".repeat(100_000));
    values.push("(".repeat(5_000));
    values.push("[".repeat(5_000));
    values.push("a,".repeat(20_000));
    values
}

/// Keys that every connector has, of each kind one.
const FRAMEWORK: [&str; 9] = [
    "transforms",
    "predicates",
    "errors.tolerance",
    "tasks.max",
    "topics.regex",
    "errors.deadletterqueue.topic.name",
    "key.converter",
    "producer.override.acks",
    "consumer.override.bootstrap.servers",
];

/// What a plugin of a class needs beside the key that is tried.
fn needed(class: &str) -> Vec<(&'static str, &'static str)> {
    let simple = class.rsplit('.').next().unwrap_or_default();
    match simple {
        "JdbcSinkConnector" => vec![
            ("topics", "t"),
            ("connection.url", "jdbc:postgresql://127.0.0.1:1/d"),
        ],
        "JdbcSourceConnector" => vec![
            ("connection.url", "jdbc:postgresql://127.0.0.1:1/d"),
            ("mode", "bulk"),
            ("topic.prefix", "p"),
        ],
        "FileStreamSourceConnector" => vec![("topic", "t"), ("file", "/none/in")],
        "FileStreamSinkConnector" => vec![("topics", "t"), ("file", "/none/out")],
        name if name.starts_with("Mirror") => vec![
            ("source.cluster.alias", "a"),
            ("target.cluster.alias", "b"),
            ("source.cluster.bootstrap.servers", "127.0.0.1:1"),
            ("target.cluster.bootstrap.servers", "127.0.0.1:1"),
            ("topics", "t"),
        ],
        _ => vec![("topics", "t")],
    }
}

fn plugins() -> Arc<Plugins> {
    Arc::new(Plugins::built_in())
}

fn keys(def: &ConfigDef) -> Vec<String> {
    def.keys().map(|key| key.name.clone()).collect()
}

fn props(pairs: &[(&str, &str)]) -> Props {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// A record with a struct, one with a map, one of text and a tombstone.
fn records() -> Vec<ConnectRecord> {
    let schema = SchemaBuilder::structure()
        .field("a", schemas::STRING.clone())
        .field("b", schemas::INT64.clone())
        .build()
        .unwrap();
    let mut value = Struct::new(schema.clone()).unwrap();
    value.put("a", Value::from("text")).unwrap();
    value.put("b", Value::from(7_i64)).unwrap();
    let map: MapValue = [(Value::from("a"), Value::from(1_i64))]
        .into_iter()
        .collect();
    let record = |schema, value| ConnectRecord::new("topic".into(), schema, value);
    vec![
        record(Some(schema), Value::Struct(Arc::new(value))),
        record(None, Value::Map(map)),
        record(Some(schemas::STRING.clone()), Value::from("1.5")),
        record(None, Value::Null),
    ]
}

#[test]
fn transformations_and_predicates_take_or_refuse_every_value() {
    let origin = RecordOrigin::Sink {
        offset: 7,
        timestamp_type: TimestampType::CreateTime,
    };
    let plugins = plugins();
    let mut tried = 0;
    for class in plugins.classes(PluginType::Transformation) {
        let plugin = plugins.transformation(&class).unwrap();
        for key in keys(&plugin.config_def.if_at_hand().unwrap()) {
            for value in odd_values() {
                let mut transformation = (plugin.new)();
                let configured = transformation.configure(&props(&[(&key, &value)]));
                if configured.is_ok() {
                    for record in records() {
                        let _ = transformation.apply(record, &origin);
                    }
                }
                tried += 1;
            }
        }
    }
    for class in plugins.classes(PluginType::Predicate) {
        let plugin = plugins.predicate(&class).unwrap();
        for key in keys(&plugin.config_def.if_at_hand().unwrap()) {
            for value in odd_values() {
                let mut predicate = (plugin.new)();
                if predicate.configure(&props(&[(&key, &value)])).is_ok() {
                    for record in records() {
                        let _ = predicate.test(&record, &origin);
                    }
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
}

fn convert(converter: &dyn Converter) {
    for record in records() {
        let mut buffer = Vec::new();
        let schema = record.value_schema.as_ref();
        let _ = converter.from_connect_data("topic", schema, &record.value, &mut buffer);
    }
    for value in odd_values() {
        let _ = converter.to_connect_data("topic", Some(&value.into_bytes().into()));
    }
}

#[test]
fn converters_take_or_refuse_every_value_and_every_text() {
    let plugins = plugins();
    for class in plugins.classes(PluginType::Converter) {
        let plugin = plugins.converter(&class).unwrap();
        for key in keys(&plugin.config_def.if_at_hand().unwrap()) {
            for value in odd_values() {
                let mut converter = (plugin.new)();
                if converter
                    .configure(&props(&[(&key, &value)]), ConverterType::Value)
                    .is_ok()
                {
                    convert(&*converter);
                }
            }
        }
    }
}

/// A task of whatever passes validation is started, and may fail then. What it does before it waits for
/// something is enough: it has looked at its configuration by then.
async fn start(plugin: &ConnectorPlugin, config: Props) {
    let context = Arc::new(TestContext {
        assignment: vec![TopicPartition::new("t", 0)],
        ..TestContext::new(config)
    });
    let limit = Duration::from_millis(5);
    match plugin {
        ConnectorPlugin::Source(plugin) => {
            let _ = tokio::time::timeout(limit, (plugin.start_task)(context)).await;
        }
        ConnectorPlugin::Sink(plugin) => {
            let _ = tokio::time::timeout(limit, (plugin.start_task)(context)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connectors_answer_soon_to_every_value_and_never_panic() {
    // Files that sinks make of odd names are made here.
    let folder = tempfile::tempdir().unwrap();
    std::env::set_current_dir(folder.path()).unwrap();
    // As the agent does when it starts.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let plugins = plugins();
    let worker = [
        ("bootstrap.servers", "127.0.0.1:1"),
        (
            "key.converter",
            "org.apache.kafka.connect.storage.StringConverter",
        ),
        (
            "value.converter",
            "org.apache.kafka.connect.storage.StringConverter",
        ),
        ("offset.storage.file.filename", "/none/offsets"),
    ];
    let worker = WorkerSettings::from_props(props(&worker), Mode::Standalone).unwrap();
    let classes = [PluginType::Source, PluginType::Sink].map(|kind| plugins.classes(kind));
    let all = classes
        .iter()
        .flatten()
        .map(|class| try_all(&plugins, &worker, class));
    let faults: usize = futures::future::join_all(all).await.into_iter().sum();
    assert!(faults > 1_000, "{faults}");
}

/// Tries every value of every key of a connector; answers how many were refused.
async fn try_all(plugins: &Plugins, worker: &WorkerSettings, class: &str) -> usize {
    let plugin = plugins.connector(class).unwrap();
    let mut refused = 0;
    let own = keys(&plugin.config_def().if_at_hand().unwrap());
    let all = own.into_iter().chain(FRAMEWORK.map(str::to_owned));
    for (index, key) in all.enumerate() {
        for (number, value) in odd_values().into_iter().enumerate() {
            // Starting takes thousands of Kafka clients and sessions, so each key has two values' turn.
            let starts = (index + number) % 22 == 0;
            let mut config = props(&needed(class));
            config.extend(props(&[("name", "c"), ("connector.class", class)]));
            config.insert(key.clone(), value.clone());
            let given: ConfigMap = config.clone().into_iter().collect();
            let checks = validate(plugins, worker, &given);
            let answer = tokio::time::timeout(Duration::from_secs(30), checks).await;
            let shown: String = value.chars().take(40).collect();
            let answer = answer.unwrap_or_else(|_| panic!("{class} {key}={shown:?}: no answer"));
            match answer {
                Ok(infos) if infos.error_count == 0 => {
                    if starts {
                        start(&plugin, config).await;
                    }
                }
                _ => refused += 1,
            }
        }
    }
    refused
}
