//! Texts, guesses, conversions, projections and checks of values are those of Kafka's data model: see
//! `golden/README.md`.

#![expect(
    clippy::unwrap_used,
    reason = "a file of cases that is not well-formed is a fault of the test's files"
)]

mod kafka;
mod typed_json;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafka::random::Random;
use serde_json::{Value as Json, json};
use sluice_api::config::{ConfigType, ConfigValue};
use sluice_api::{ConnectError, Converter, ConverterType, Props, Value, values};
use sluice_toolkit::projection;

const CASES: &str = include_str!("golden/data_model_cases.json");
const GOLDEN: &str = include_str!("golden/data_model_golden.jsonl");

fn error(error: &ConnectError) -> Json {
    json!({"error": {"class": error.class_name(), "message": error.message()}})
}

fn fails_or<T>(converted: sluice_api::Result<Option<T>>, form: impl Fn(T) -> Value) -> Json {
    match converted {
        Ok(Some(value)) => typed_json::from_value(&form(value)),
        Ok(None) => Json::Null,
        Err(_) => json!("fails"),
    }
}

fn text(case: &Json) -> Json {
    let parsed = values::parse_string(case.as_str());
    let text = values::convert_to_string(parsed.schema.as_deref(), &parsed.value).unwrap();
    json!({
        "schema": typed_json::from_schema(parsed.schema.as_deref()),
        "value": typed_json::from_value(&parsed.value),
        "text": text.map(|text| text.to_string()),
    })
}

fn value(case: &Json) -> Json {
    let (schema, value) = typed_json::data(case);
    let schema = schema.as_deref();
    let text = values::convert_to_string(schema, &value).unwrap();
    json!({
        "inferred": typed_json::from_schema(values::infer_schema(&value).as_deref()),
        "text": text.map(|text| text.to_string()),
        "toString": value.to_string(),
        "long": fails_or(values::convert_to_i64(schema, &value), Value::Int64),
        "double": fails_or(values::convert_to_f64(schema, &value), Value::Float64),
        "boolean": fails_or(values::convert_to_boolean(schema, &value), Value::Boolean),
    })
}

fn projection(case: &Json) -> Json {
    let (schema, value) = typed_json::data(&case["source"]);
    let target = typed_json::schema(&case["target"]);
    match projection::project(&schema.unwrap(), &value, &target) {
        Ok(value) => json!({"result": typed_json::from_value(&value)}),
        Err(failure) => error(&failure),
    }
}

fn validation(case: &Json) -> Json {
    let (schema, value) = typed_json::data(case);
    match schema.unwrap().validate(&value) {
        Ok(()) => json!({"result": true}),
        Err(failure) => error(&failure),
    }
}

/// Differences that are meant to be: the case, and the reason.
const DIFFERENCES: [(&str, &str); 4] = [
    (
        "values {\"value\":{\"bytes\":\"AQID\"}}",
        "Java shows an identity hash, ours the number of bytes",
    ),
    (
        "values {\"value\":[{\"bytes\":\"AQID\"}]}",
        "Java shows an identity hash, ours the number of bytes",
    ),
    (
        "values {\"value\":[null]}",
        "a list of nulls only breaks Java's guess with an exception of its builder; it has no schema here",
    ),
    (
        "values {\"value\":{\"map\":[[\"k\",null]]}}",
        "a map of nulls only breaks Java's guess with an exception of its builder; it has no schema here",
    ),
];

/// A text as a key of a type.
fn configured(case: &Json) -> Json {
    let kind = match case["type"].as_str().unwrap() {
        "BOOLEAN" => ConfigType::Boolean,
        "STRING" => ConfigType::String,
        "INT" => ConfigType::Int,
        "SHORT" => ConfigType::Short,
        "LONG" => ConfigType::Long,
        "DOUBLE" => ConfigType::Double,
        "LIST" => ConfigType::List,
        "PASSWORD" => ConfigType::Password,
        other => panic!("unknown type {other}"),
    };
    match ConfigValue::parse("key", case["text"].as_str().unwrap(), kind) {
        Err(fault) => json!({"error": fault.to_string()}),
        Ok(ConfigValue::List(list)) => json!({"value": list}),
        Ok(ConfigValue::Password(secret)) => json!({"value": secret.reveal()}),
        Ok(value) => json!({"value": value.display()}),
    }
}

/// What a converter makes of a value, or of bytes.
fn conversion(case: &Json) -> Json {
    let class = case["class"].as_str().unwrap();
    let plugin = sluice_plugins::converters()
        .into_iter()
        .find(|plugin| *plugin.class == *class)
        .unwrap();
    let mut converter: Box<dyn Converter> = (plugin.new)();
    let props: Props = case["config"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    converter.configure(&props, ConverterType::Value).unwrap();
    if let Some(bytes) = case["bytes"].as_str() {
        let bytes = STANDARD.decode(bytes).unwrap().into();
        return match converter.to_connect_data("t", Some(&bytes)) {
            Err(failure) => json!({"error": failure.message()}),
            Ok(data) => json!({
                "schema": typed_json::from_schema(data.schema.as_deref()),
                "value": typed_json::from_value(&data.value),
            }),
        };
    }
    let (schema, value) = typed_json::data(case);
    let mut buffer = Vec::new();
    match converter.from_connect_data("t", schema.as_ref(), &value, &mut buffer) {
        Err(failure) => json!({"error": failure.message()}),
        Ok(bytes) => json!({"text": bytes.map(String::from_utf8_lossy)}),
    }
}

/// The key of a kind of cases, and what ours make of one.
type Kind = (&'static str, fn(&Json) -> Json);

/// Kinds of cases in the order in which Java's program answers them.
const KINDS: [Kind; 6] = [
    ("texts", text),
    ("values", value),
    ("configs", configured),
    ("conversions", conversion),
    ("projections", projection),
    ("validations", validation),
];

/// The cases whose outcome is not what Java's lines say, with both.
fn differing(cases: &Json, golden: &str, agreed: &dyn Fn(&str) -> bool) -> Vec<String> {
    let outcomes: Vec<(String, Json)> = KINDS
        .into_iter()
        .flat_map(|(kind, outcome)| {
            let cases = cases[kind]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            cases
                .iter()
                .map(move |case| (format!("{kind} {case}"), outcome(case)))
        })
        .collect();
    let golden: Vec<Json> = golden
        .lines()
        .map(|line| typed_json::with_shortest_numbers(serde_json::from_str(line).unwrap()))
        .collect();
    assert_eq!(outcomes.len(), golden.len());
    outcomes
        .iter()
        .zip(&golden)
        .filter(|((_, ours), theirs)| ours != *theirs)
        .filter(|((_, ours), theirs)| {
            typed_json::with_short_texts(ours) != typed_json::with_short_texts(theirs)
        })
        .filter(|((name, _), _)| !agreed(name))
        .map(|((name, ours), theirs)| format!("{name}\n  ours   {ours}\n  theirs {theirs}"))
        .collect()
}

fn assert_none(differing: &[String]) {
    assert!(
        differing.is_empty(),
        "{} differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
}

#[test]
fn the_data_model_is_that_of_kafka() {
    let cases: Json = serde_json::from_str(CASES).unwrap();
    let agreed = |name: &str| DIFFERENCES.iter().any(|(case, _)| name == *case);
    assert_none(&differing(&cases, GOLDEN, &agreed));
}

/// How many cases of each kind a seed makes.
const GENERATED: usize = 3000;

fn generated(seed: u64) -> Json {
    const TYPES: [&str; 8] = [
        "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "PASSWORD",
    ];
    let mut random = Random(seed);
    let texts: Vec<String> = (0..GENERATED).map(|_| random.text()).collect();
    let data = |random: &mut Random, with_schema: bool| {
        let (schema, value) = random.data(2);
        if with_schema {
            json!({"schema": schema, "value": value})
        } else {
            json!({"value": value})
        }
    };
    let values: Vec<Json> = (0..GENERATED).map(|_| data(&mut random, true)).collect();
    let configs: Vec<Json> = (0..GENERATED)
        .map(|_| {
            let kind = TYPES[random.below(TYPES.len())];
            let text = if random.once_in(2) {
                random.number()
            } else {
                random.text()
            };
            json!({"type": kind, "text": text})
        })
        .collect();
    let conversions: Vec<Json> = (0..GENERATED)
        .map(|_| generated_conversion(&mut random))
        .collect();
    json!({
        "texts": texts,
        "values": values,
        "configs": configs,
        "conversions": conversions,
        "projections": [],
        "validations": [],
    })
}

fn generated_conversion(random: &mut Random) -> Json {
    const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
    const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
    const NUMBERS: [&str; 6] = ["Short", "Integer", "Long", "Float", "Double", "Boolean"];
    let json_config = |random: &mut Random| {
        json!({
            "schemas.enable": random.once_in(2).to_string(),
            "decimal.format": random.pick(&["BASE64", "NUMERIC"]),
        })
    };
    match random.below(6) {
        4 => {
            // Nearly UTF-8: parts of characters, surrogates, forms that are too long.
            let parts: [&[u8]; 12] = [
                b"a",
                "\u{e4}".as_bytes(),
                "\u{20ac}".as_bytes(),
                "\u{1F600}".as_bytes(),
                b"\xED\xA0\x80",
                b"\xC0\x80",
                b"\xF4\x90\x80\x80",
                b"\xE2\x82",
                b"\xF0\x9F\x98",
                b"\x80",
                b"\xFF",
                b"\xF0\x80\x80\x80",
            ];
            let bytes: Vec<u8> = (0..random.below(5))
                .flat_map(|_| parts[random.below(parts.len())].to_vec())
                .collect();
            json!({"class": STRING, "config": {}, "bytes": STANDARD.encode(bytes)})
        }
        5 => {
            let (schema, payload) = random.json_with_schema();
            let text = format!("{{\"schema\":{schema},\"payload\":{payload}}}");
            json!({"class": JSON, "config": {}, "bytes": STANDARD.encode(text)})
        }
        0 => {
            let (schema, value) = random.data(2);
            json!({"class": STRING, "config": {}, "schema": schema, "value": value})
        }
        1 => {
            let (schema, value) = random.data(2);
            json!({"class": JSON, "config": json_config(random), "schema": schema, "value": value})
        }
        2 => {
            let config = json!({"schemas.enable": "false"});
            json!({"class": JSON, "config": config, "bytes": STANDARD.encode(random.text())})
        }
        _ => {
            let class = format!(
                "org.apache.kafka.connect.converters.{}Converter",
                NUMBERS[random.below(NUMBERS.len())]
            );
            let (schema, value) = random.primitive();
            let bytes: Vec<u8> = (0..random.below(9))
                .map(|_| random.next().to_be_bytes()[0])
                .collect();
            if random.once_in(2) {
                json!({"class": class, "config": {}, "schema": schema, "value": value})
            } else {
                json!({"class": class, "config": {}, "bytes": STANDARD.encode(bytes)})
            }
        }
    }
}

/// Differences of generated cases that are meant to be: exponents of decimals beyond 100,000, which would
/// make texts of any length from a few bytes, are not read.
fn meant(case: &str) -> bool {
    let mut parts = case.split(['e', 'E']).skip(1);
    parts.any(|exponent| {
        let digits = exponent.trim_start_matches(['+', '-']);
        digits.chars().take_while(|c| c.is_numeric()).count() > 5
    })
}

#[test]
fn texts_and_values_by_chance_are_those_of_kafka() {
    for seed in kafka::seeds() {
        let cases = generated(seed);
        let Some(answers) = kafka::answers(&cases) else {
            return;
        };
        let differing = differing(&cases, &answers, &meant);
        assert!(
            differing.is_empty(),
            "SLUICE_TEST_SEED={seed}\n{}",
            differing.join("\n")
        );
    }
}
