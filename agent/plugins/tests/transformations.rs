//! Transformations and predicates give what Kafka's own give: see `golden/README.md`.

#![expect(
    clippy::unwrap_used,
    reason = "a file of cases that is not well-formed is a fault of the test's files"
)]

mod kafka;
mod typed_json;

use std::collections::BTreeMap;

use kafka::random::Random;
use serde_json::{Value as Json, json};
use sluice_api::config::{ConfigDef, DefaultValue};
use sluice_api::{
    ConnectError, ConnectRecord, Predicate, Props, RecordOrigin, TimestampType, Transformation,
};

/// Cases, what Java's classes make of them, and differences that are meant to be, by a part of the case's
/// name and the reason.
struct Golden {
    cases: &'static str,
    golden: &'static str,
    differences: &'static [(&'static str, &'static str)],
}

const KAFKA: Golden = Golden {
    cases: include_str!("golden/transformation_cases.json"),
    golden: include_str!("golden/transformation_golden.jsonl"),
    differences: &[
        (
            "InsertField$Value {\"static.field\":\"s\"}",
            "Java shows the identity hash of an object, ours the name of the field",
        ),
        (
            "ReplaceField$Value {\"renames\":\"null:i8\"} map",
            "which of two entries of the same new name stays depends on the order of a hash in Java",
        ),
    ],
};

const DEBEZIUM: Golden = Golden {
    cases: include_str!("golden/debezium_cases.json"),
    golden: include_str!("golden/debezium_golden.jsonl"),
    differences: &[
        (
            " keys",
            "the keys of both generations are defined here, with texts of our own",
        ),
        (
            "mode\":\"nonsense\"}",
            "Debezium names neither the key nor the value",
        ),
        (
            "mode\":\"\"}",
            "Debezium names neither the key nor the value",
        ),
        ("\"op:a:b\"}", "the text of the fault is ours"),
        (
            "\"rewrite-with-tombstone\"} named",
            "Debezium fails with a null pointer where headers are added",
        ),
        (
            "\"transaction.id,nope\"} named",
            "Debezium fails with a null pointer",
        ),
        (
            "source.lsn,transaction.id\"} named",
            "Debezium fails with a null pointer",
        ),
        (
            "\"add.fields\":\"source,id,total_order,transaction\"}",
            "Debezium cannot add structs, since the schema that it adds is not that of the value",
        ),
        (
            "\"add.headers\":\"source,after\"}",
            "structs in headers have the schema of their header",
        ),
        (
            "{\"drop.fields.header.name\":\"h\"}",
            "Debezium fails with a class cast",
        ),
    ],
};

/// Of Debezium 2.4, whose keys were others.
const DEBEZIUM_LEGACY: Golden = Golden {
    cases: include_str!("golden/debezium_legacy_cases.json"),
    golden: include_str!("golden/debezium_legacy_golden.jsonl"),
    differences: &[
        (
            " keys",
            "the keys of both generations are defined here, with texts of our own",
        ),
        (
            "{\"add.fields\":\"op\",\"delete.handling.mode\":\"rewrite\"}",
            "__deleted stands in front of added fields, as in later versions",
        ),
        (
            "{\"delete.handling.mode\":\"rewrite\",\"add.fields\":\"op\"}",
            "__deleted stands in front of added fields, as in later versions",
        ),
    ],
};

const PACKAGE: &str = "org.apache.kafka.connect.transforms.";

enum Plugin {
    Transformation(Box<dyn Transformation>),
    Predicate(Box<dyn Predicate>),
}

fn plugin(class: &str) -> (Plugin, ConfigDef) {
    let class = if class.starts_with("io.") {
        class.to_owned()
    } else {
        format!("{PACKAGE}{class}")
    };
    if let Some(found) = sluice_plugins::transforms::transformations()
        .iter()
        .find(|plugin| *plugin.class == *class)
    {
        return (
            Plugin::Transformation((found.new)()),
            found.config_def.if_at_hand().expect("a definition"),
        );
    }
    let found = sluice_plugins::predicates::predicates()
        .into_iter()
        .find(|plugin| *plugin.class == *class)
        .unwrap_or_else(|| panic!("no plugin {class}"));
    (
        Plugin::Predicate((found.new)()),
        found.config_def.if_at_hand().expect("a definition"),
    )
}

fn definition(def: &ConfigDef) -> Json {
    def.keys()
        .map(|key| {
            let default = match &key.default {
                DefaultValue::Required => None,
                DefaultValue::Value(value) => value.display(),
            };
            json!({
                "name": key.name,
                "type": key.kind.name(),
                "required": key.default == DefaultValue::Required,
                "default": default,
                "importance": key.importance.name(),
                "documentation": key.documentation,
            })
        })
        .collect()
}

fn error(error: &ConnectError) -> Json {
    json!({"class": error.class_name(), "message": error.message()})
}

/// What ours make of a record.
fn outcome(plugin: &Plugin, record: ConnectRecord, offset: Option<i64>) -> Json {
    let origin = match offset {
        Some(offset) => RecordOrigin::Sink {
            offset,
            timestamp_type: TimestampType::CreateTime,
        },
        None => RecordOrigin::Source {
            partition: None,
            offset: None,
        },
    };
    match plugin {
        Plugin::Transformation(plugin) => match plugin.apply(record, &origin) {
            Ok(None) => json!({"result": null}),
            Ok(Some(record)) => json!({"result": typed_json::from_record(&record)}),
            Err(failure) => json!({"error": error(&failure)}),
        },
        Plugin::Predicate(plugin) => match plugin.test(&record, &origin) {
            Ok(answer) => json!({"result": answer}),
            Err(failure) => json!({"error": error(&failure)}),
        },
    }
}

/// Position of a case: group, configuration (-1 for the definition of keys), record.
type Position = (u64, i64, String);

/// Runs all cases; gives a name to show and the outcome of each.
fn run(cases: &Json) -> BTreeMap<Position, (String, Json)> {
    let mut outcomes = BTreeMap::new();
    for (group, number) in cases["groups"].as_array().unwrap().iter().zip(0..) {
        let class = group["class"].as_str().unwrap();
        let (_, def) = plugin(class);
        let keys = json!({"def": definition(&def)});
        outcomes.insert((number, -1, String::new()), (format!("{class} keys"), keys));
        for (config, config_number) in group["configs"].as_array().unwrap().iter().zip(0..) {
            let props: Props = config
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
                .collect();
            let (mut plugin, _) = plugin(class);
            let configured = match &mut plugin {
                Plugin::Transformation(plugin) => plugin.configure(&props),
                Plugin::Predicate(plugin) => plugin.configure(&props),
            };
            if let Err(failure) = configured {
                outcomes.insert(
                    (number, config_number, String::new()),
                    (
                        format!("{class} {config}"),
                        json!({"error": error(&failure)}),
                    ),
                );
                continue;
            }
            for name in group["records"].as_array().unwrap() {
                let name = name.as_str().unwrap();
                let template = &cases["records"][name];
                let record = || typed_json::record(template);
                let offset = template["offset"].as_i64();
                let outcome_of_own = outcome(&plugin, record(), offset);
                // A record that is held elsewhere too, as when errors are retried, gives the same and stays
                // as it is.
                let shared = record();
                let outcome_of_shared = outcome(&plugin, shared.clone(), offset);
                assert_eq!(outcome_of_shared, outcome_of_own, "{class} {config} {name}");
                assert_eq!(shared, record(), "{class} {config} {name}");
                outcomes.insert(
                    (number, config_number, name.to_owned()),
                    (format!("{class} {config} {name}"), outcome_of_own),
                );
            }
        }
    }
    outcomes
}

/// The golden outcomes. Floating point numbers are written as ours: before JDK 19 Java used more digits than
/// needed.
fn golden(golden: &str) -> BTreeMap<Position, Json> {
    golden
        .lines()
        .map(|line| {
            let mut line: Json = serde_json::from_str(line).unwrap();
            let line = line.as_object_mut().unwrap();
            let group = line.remove("group").unwrap().as_u64().unwrap();
            let config = line.remove("config").unwrap().as_i64().unwrap();
            let record = line.remove("record").unwrap();
            let record = record.as_str().unwrap_or_default().to_owned();
            let outcome = typed_json::with_shortest_numbers(Json::Object(line.clone()));
            ((group, config, record), outcome)
        })
        .collect()
}

#[test]
fn transformations_and_predicates_give_what_those_of_kafka_give() {
    compare(&KAFKA);
}

#[test]
fn transformations_of_debezium_give_what_its_own_give() {
    compare(&DEBEZIUM);
}

#[test]
fn keys_of_debezium_before_3_keep_their_meaning() {
    compare(&DEBEZIUM_LEGACY);
}

fn compare(of: &Golden) {
    let cases = serde_json::from_str(of.cases).unwrap();
    let agreed = |name: &str, _: &Json| of.differences.iter().any(|(part, _)| name.contains(part));
    compare_outcomes("", &cases, of.golden, &agreed);
}

/// Runs cases and compares with what Java's classes made of them.
fn compare_outcomes(
    about: &str,
    cases: &Json,
    answers: &str,
    agreed: &dyn Fn(&str, &Json) -> bool,
) {
    let golden = golden(answers);
    let outcomes = run(cases);
    let mut differing = Vec::new();
    for (position, (name, ours)) in &outcomes {
        let theirs = golden.get(position).unwrap_or(&Json::Null);
        let same = ours == theirs
            || typed_json::with_short_texts(ours) == typed_json::with_short_texts(theirs);
        if !same && !agreed(name, theirs) {
            let record = &cases["records"][&position.2];
            differing.push(format!(
                "{name} {record}\n  ours   {ours}\n  theirs {theirs}"
            ));
        }
    }
    assert!(
        differing.is_empty(),
        "{about}{} of {} differ:\n{}",
        differing.len(),
        golden.len(),
        differing.join("\n")
    );
    assert_eq!(outcomes.len(), golden.len());
}

/// Records of texts and values by chance, and configurations for which they matter.
fn generated(seed: u64) -> Json {
    let mut random = Random(seed);
    let mut records = serde_json::Map::new();
    let mut add = |name: String, value: Json, topic: &str, timestamp: i64| {
        let record = json!({"value": value, "topic": topic, "timestamp": timestamp});
        records.insert(name.clone(), record);
        name
    };
    let mut data = Vec::new();
    for number in 0..1500 {
        let (schema, value) = random.data(1);
        let value = match random.below(3) {
            0 => json!({"value": random.number()}),
            1 => json!({"value": random.primitive().1}),
            _ => json!({"schema": schema, "value": value}),
        };
        data.push(add(format!("data{number}"), value, "t", 0));
    }
    let mut times = Vec::new();
    for number in 0..400 {
        let time = if random.once_in(4) {
            random.number()
        } else {
            random.temporal()
        };
        times.push(add(format!("time{number}"), json!({"value": time}), "t", 0));
    }
    let mut topics = Vec::new();
    for number in 0..100 {
        let topic = random.topic();
        let timestamp = i64::try_from(random.next() >> 24).unwrap_or(0);
        topics.push(add(
            format!("topic{number}"),
            json!({"value": "v"}),
            &topic,
            timestamp,
        ));
    }
    let casts: Vec<Json> = [
        "int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string",
    ]
    .map(|spec| json!({"spec": spec}))
    .into();
    let formats: Vec<Json> = [
        "yyyy-MM-dd",
        "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
        "yyyyMMdd",
        "HH:mm:ss.SSS'Z'",
        "yy-M-d",
        "dd.MM.yyyy",
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-DDD",
        "yyyy-MM-dd hh:mm a",
        "YYYY-'W'ww-u",
    ]
    .into_iter()
    .flat_map(|format| {
        ["unix", "Timestamp", "Date", "Time", "string"]
            .map(|to| json!({"target.type": to, "format": format}))
    })
    .collect();
    let routes: Vec<Json> = (0..60)
        .map(|_| json!({"regex": random.regex(), "replacement": random.replacement()}))
        .collect();
    let patterns: Vec<Json> = (0..40)
        .map(|_| json!({"pattern": random.regex()}))
        .collect();
    let literals: Vec<Json> = (0..400)
        .map(|_| json!({"header": "h", "value.literal": random.text()}))
        .collect();
    let masks: Vec<Json> = (0..60)
        .map(|_| json!({"fields": "x", "replacement": random.number()}))
        .collect();
    let timestamps = ["yyyyMMdd", "yyyy-MM-dd-HH", "YYYY-ww", "yy.D", "EEE MMM d"]
        .map(|format| json!({"timestamp.format": format}));
    let mut masked = Vec::new();
    for (schema, value) in (0..15).map(|_| random.primitive()).collect::<Vec<_>>() {
        let name = format!("masked{}", masked.len());
        let field = json!({"type": "STRUCT", "fields": [["x", schema]]});
        records.insert(
            name.clone(),
            json!({"value": {"schema": field, "value": {"struct": [value]}}}),
        );
        masked.push(name);
    }
    json!({
        "records": records,
        "groups": [
            {"class": "Cast$Value", "configs": casts, "records": data},
            {"class": "TimestampConverter$Value", "configs": formats, "records": times},
            {"class": "RegexRouter", "configs": routes, "records": topics},
            {"class": "predicates.TopicNameMatches", "configs": patterns, "records": topics},
            {"class": "TimestampRouter", "configs": timestamps, "records": topics},
            {"class": "InsertHeader", "configs": literals, "records": [topics[0]]},
            {"class": "MaskField$Value", "configs": masks, "records": masked},
        ],
    })
}

#[test]
fn records_by_chance_become_what_kafka_makes_of_them() {
    for seed in kafka::seeds() {
        let cases = generated(seed);
        let Some(answers) = kafka::answers(&cases) else {
            return;
        };
        let about = format!("SLUICE_TEST_SEED={seed} ");
        compare_outcomes(&about, &cases, &answers, &|_, _| false);
    }
}
