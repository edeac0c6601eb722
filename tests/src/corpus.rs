//! Records of every shape, valid and broken, for comparing what an agent and a JVM worker make of them.
//!
//! [`json_records`] is for converters that read JSON with schemas: every type with values that fit, nearly
//! fit and do not fit, as a whole value and as a field, optional and required, with and without default;
//! nested data; headers; and messages that are not what they should be. [`text_lines`] is for sources of
//! text. Both are the same in every run.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A record to be written to a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorpusRecord {
    /// Bytes of the key; `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Types by their names in JSON schemas, logical ones with the name and the physical type.
const TYPES: [(&str, Option<&str>); 13] = [
    ("int8", None),
    ("int16", None),
    ("int32", None),
    ("int64", None),
    ("float", None),
    ("double", None),
    ("boolean", None),
    ("string", None),
    ("bytes", None),
    ("bytes", Some("Decimal")),
    ("int32", Some("Date")),
    ("int32", Some("Time")),
    ("int64", Some("Timestamp")),
];

/// Payloads of which some fit each type and some do not, as JSON.
const PAYLOADS: [&str; 20] = [
    "null",
    "0",
    "1",
    "-1",
    "127",
    "128",
    "40000",
    "86399999",
    "3000000000",
    "1700000000000",
    "1.5",
    "-0.25",
    "1e20",
    "true",
    "\"text\"",
    "\"5\"",
    "\"AQID\"",
    "\"\\u00e4\\u20ac\\ud83d\\ude00\"",
    "[]",
    "{}",
];

fn schema(kind: (&str, Option<&str>), optional: bool) -> Value {
    let mut schema = json!({ "type": kind.0, "optional": optional });
    if let Some(logical) = kind.1 {
        schema["name"] = format!("org.apache.kafka.connect.data.{logical}").into();
        schema["version"] = 1.into();
        if logical == "Decimal" {
            schema["parameters"] = json!({ "scale": "2" });
        }
    }
    schema
}

/// A payload that fits a type.
fn fitting(kind: (&str, Option<&str>)) -> Value {
    match kind {
        (_, Some("Decimal")) => json!("BNI="),
        (_, Some("Time")) => json!(52_494_346),
        (_, Some("Timestamp")) => json!(1_566_570_894_346_i64),
        ("string", _) => json!("some text"),
        ("bytes", _) => json!("AQID"),
        ("boolean", _) => json!(true),
        ("float" | "double", _) => json!(2.5),
        _ => json!(42),
    }
}

fn envelope(schema: &Value, payload: &Value) -> Vec<u8> {
    json!({ "schema": schema, "payload": payload })
        .to_string()
        .into_bytes()
}

/// Over 350 records for a JSON converter with schemas, keys included.
pub fn json_records() -> Vec<CorpusRecord> {
    let mut values: Vec<Option<Vec<u8>>> = Vec::new();
    for kind in TYPES {
        for payload in PAYLOADS {
            let optional = payload.len() % 2 == 0;
            let schema = schema(kind, optional);
            // Written by hand: numbers must arrive as they stand here.
            values.push(Some(
                format!(r#"{{"schema":{schema},"payload":{payload}}}"#).into_bytes(),
            ));
        }
        values.extend(fields(kind).into_iter().map(Some));
    }
    values.extend(nested().into_iter().map(Some));
    values.extend(broken().into_iter().map(|text| Some(text.to_vec())));
    values.push(None);
    let keys = keys();
    values
        .into_iter()
        .enumerate()
        .map(|(number, value)| CorpusRecord {
            key: keys[number % keys.len()].clone(),
            value,
            headers: headers(number),
        })
        .collect()
}

/// Structs with one field of a type: present, missing, null; required, optional, with default.
fn fields(kind: (&str, Option<&str>)) -> Vec<Vec<u8>> {
    let value = fitting(kind);
    let mut records = Vec::new();
    for (optional, default) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut field = schema(kind, optional);
        field["field"] = "a".into();
        if default {
            field["default"] = value.clone();
        }
        let mut b = schema(("string", None), true);
        b["field"] = "b".into();
        let schema = json!({
            "type": "struct", "name": "com.acme.Row", "version": 3, "doc": "a row",
            "fields": [field, b], "optional": optional,
        });
        for payload in [
            json!({ "a": value, "b": "bee" }),
            json!({ "b": "no a" }),
            json!({ "a": null, "b": null, "c": 1 }),
        ] {
            records.push(envelope(&schema, &payload));
        }
    }
    records
}

fn nested() -> Vec<Vec<u8>> {
    let text = json!({ "type": "string", "optional": true });
    let number = json!({ "type": "int32", "optional": false });
    let list = |items: &Value| json!({ "type": "array", "items": items, "optional": true });
    let map = |keys: &Value, values: &Value| json!({ "type": "map", "keys": keys, "values": values, "optional": false });
    let field = |schema: &Value, name: &str| {
        let mut schema = schema.clone();
        schema["field"] = name.into();
        schema
    };
    let inner = json!({
        "type": "struct", "optional": true, "name": "com.acme.Inner",
        "fields": [field(&number, "n"), field(&text, "t")],
    });
    let outer = json!({
        "type": "struct", "optional": false, "name": "com.acme.Outer",
        "fields": [
            field(&inner, "in"), field(&text, "s"), field(&number, "i"),
            field(&list(&text), "tags"), field(&list(&inner), "items"),
        ],
    });
    let with_map = json!({
        "type": "struct", "optional": false,
        "fields": [field(&map(&json!({ "type": "string" }), &number), "m")],
    });
    let times = json!({
        "type": "struct", "optional": false,
        "fields": [
            field(&schema(("int64", Some("Timestamp")), true), "a"),
            field(&schema(("int64", None), true), "b"),
            field(&text, "s"),
        ],
    });
    vec![
        envelope(&list(&number), &json!([1, 2, 3])),
        envelope(&list(&text), &json!(["a", null, "c \"quoted\""])),
        envelope(&list(&number), &json!([1, null])),
        envelope(&list(&list(&number)), &json!([[1], [], null])),
        envelope(&list(&number), &json!({})),
        envelope(
            &map(&json!({ "type": "string" }), &number),
            &json!({ "k": 1 }),
        ),
        envelope(&map(&number, &text), &json!([[7, "z"]])),
        envelope(&map(&number, &text), &json!({ "7": "z" })),
        envelope(&map(&json!({ "type": "string" }), &number), &json!([])),
        envelope(
            &outer,
            &json!({ "in": { "n": 1, "t": "x" }, "s": "y", "i": 5, "tags": ["q"], "items": [{ "n": 2 }] }),
        ),
        envelope(
            &outer,
            &json!({ "in": null, "s": null, "i": -5, "tags": [], "items": null }),
        ),
        envelope(&outer, &json!({ "in": { "t": "n is missing" }, "i": 1 })),
        envelope(&outer, &json!({ "i": "5" })),
        envelope(&outer, &json!([])),
        envelope(&with_map, &json!({ "m": { "one": 1 } })),
        envelope(
            &times,
            &json!({ "a": 1_566_570_894_346_i64, "b": 1_566_570_894, "s": "2019-08-23 14:34:54" }),
        ),
        envelope(&times, &json!({ "a": null, "b": null, "s": "no time" })),
        envelope(&json!(null), &json!({ "one": 1 })),
        envelope(&json!(null), &json!("text")),
        envelope(&json!(null), &json!([1, 2.5, "x", null])),
        envelope(&json!(null), &json!(null)),
        envelope(&json!(null), &json!({ "a": { "b": { "c": [1] } } })),
    ]
}

fn broken() -> Vec<&'static [u8]> {
    vec![
        b"",
        b" ",
        b"null",
        b"5",
        b"{}",
        b"{\"payload\":1}",
        b"{\"schema\":{\"type\":\"int32\"}}",
        b"{\"schema\":{\"type\":\"int32\"},\"payload\":1,\"more\":2}",
        b"{\"schema\":{\"type\":\"float64\"},\"payload\":1}",
        b"{\"schema\":{\"type\":\"no such type\"},\"payload\":1}",
        b"{\"schema\":{},\"payload\":1}",
        b"{\"schema\":\"string\",\"payload\":\"x\"}",
        b"{\"schema\":{\"type\":\"struct\"},\"payload\":{}}",
        b"{\"schema\":{\"type\":\"array\"},\"payload\":[]}",
        b"{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int32\"}]},\"payload\":{}}",
        b"{\"schema\":{\"type\":\"int32\"},\"payload\":1} and more",
        b"{\"schema\":{\"type\":\"int32\"},\"payload\":",
        b"plain text",
        b"\xff\xfe\x00\x01",
        b"[1,2",
    ]
}

fn keys() -> Vec<Option<Vec<u8>>> {
    let text = json!({ "type": "string", "optional": false });
    let row = json!({
        "type": "struct", "optional": false,
        "fields": [{ "type": "int64", "optional": false, "field": "id" }, { "type": "string", "optional": true, "field": "n" }],
    });
    vec![
        Some(envelope(&text, &json!("key"))),
        Some(envelope(&row, &json!({ "id": 7, "n": "seven" }))),
        None,
        Some(envelope(
            &json!({ "type": "int32", "optional": true }),
            &json!(null),
        )),
        Some(envelope(&text, &json!("300"))),
    ]
}

fn headers(number: usize) -> Vec<(String, Option<Vec<u8>>)> {
    let one = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
    match number % 7 {
        1 => vec![one("h", "text"), one("n", "42")],
        3 => vec![
            one("h", "1.5"),
            one("h", "again"),
            ("empty".to_owned(), None),
        ],
        5 => vec![
            one("list", "[1, 2, 300]"),
            one("date", "2019-08-23"),
            one("bad", "[1,"),
        ],
        _ => Vec::new(),
    }
}

/// Over 300 lines of text: numbers, times, words, odd characters.
pub fn text_lines() -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    for odd in [
        "",
        " ",
        "text",
        "TRUE",
        "false",
        "null",
        "NaN",
        "Infinity",
        "-0",
        "007",
        "+7",
        "1e3",
        "1.5",
        "0x10",
        "1,2",
        "2019-08-23",
        "2019-08-23T14:34:54.346Z",
        "14:34:54.346Z",
        "2019-08-23 14:34:54",
        "1566570894346",
        "\"quoted\"",
        "{\"a\":1}",
        "[1,2]",
        "tab\there",
        "back\\slash",
        "caf\u{e9} \u{20ac} \u{1f600}",
        "a.b.c",
        "${file:x:y}",
    ] {
        line(odd);
    }
    for power in 0..31_u32 {
        let number = 1_i64 << power;
        for number in [number - 1, number, -number] {
            line(&number.to_string());
        }
        line(&format!("{number}.5"));
    }
    for day in 1..=28 {
        line(&format!("2024-02-{day:02} 0{}:1{}:00", day % 10, day % 6));
        line(&format!("word{day} other{}", day * day));
        line(&format!("{day}e-{day}"));
    }
    for number in 0..80 {
        line(&format!("order {number} of {}", number * 7919 % 1000));
    }
    // Whatever a configuration takes, it takes one of the last three: its offset tells that it is at the end.
    for last in ["2024-02-29 04:05:06", "true", "7"] {
        line(last);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_at_least_three_hundred_of_each() {
        assert!(json_records().len() >= 300, "{}", json_records().len());
        assert!(text_lines().lines().count() >= 300);
        assert_eq!(json_records(), json_records());
    }
}
