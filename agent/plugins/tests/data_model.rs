//! Texts, guesses, conversions, projections and checks of values are those of Kafka's data model: see `golden/README.md`.

#![expect(
    clippy::unwrap_used,
    reason = "a file of cases that is not well-formed is a fault of the test's files"
)]

mod typed_json;

use serde_json::{Value as Json, json};
use sluice_api::{ConnectError, Value, projection, values};

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
const DIFFERENCES: [(&str, &str); 5] = [
    (
        "texts \"\u{663}\"",
        "digits of other scripts are digits for Java; here they are text",
    ),
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

#[test]
fn the_data_model_is_that_of_kafka() {
    let cases: Json = serde_json::from_str(CASES).unwrap();
    let outcomes: Vec<(String, Json)> = [
        ("texts", text as fn(&Json) -> Json),
        ("values", value),
        ("projections", projection),
        ("validations", validation),
    ]
    .into_iter()
    .flat_map(|(kind, outcome)| {
        let cases = cases[kind].as_array().unwrap();
        cases
            .iter()
            .map(move |case| (format!("{kind} {case}"), outcome(case)))
    })
    .collect();
    let golden: Vec<Json> = GOLDEN
        .lines()
        .map(|line| typed_json::with_shortest_numbers(serde_json::from_str(line).unwrap()))
        .collect();
    assert_eq!(outcomes.len(), golden.len());
    let differing: Vec<String> = outcomes
        .iter()
        .zip(&golden)
        .filter(|((_, ours), theirs)| ours != *theirs)
        .filter(|((name, _), _)| !DIFFERENCES.iter().any(|(case, _)| name == case))
        .map(|((name, ours), theirs)| format!("{name}\n  ours   {ours}\n  theirs {theirs}"))
        .collect();
    assert!(
        differing.is_empty(),
        "{} of {} differ:\n{}",
        differing.len(),
        golden.len(),
        differing.join("\n")
    );
}
