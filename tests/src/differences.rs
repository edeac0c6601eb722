//! The comparison of two recordings of a conversation, and the differences that are agreed upon.
//!
//! Status, headers and bodies have to be equal, key by key and text by text. Of values that differ by nature
//! (versions, times, stack traces, ids of the cluster) only the type is compared. Lists of objects that carry
//! a name are compared by that name, and the order of the names both have in common by itself.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::conversation::Answer;

/// Keys of which only presence and type are compared.
const BY_TYPE: [&str; 5] = [
    "version",
    "commit",
    "kafka_cluster_id",
    "trace",
    "last_modified",
];

/// One difference between two recordings.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The step.
    pub step: String,
    /// Where in the answer: `status`, `header location`, or `body` and a path of keys and names.
    pub place: String,
    /// What the first recording has, shortened; `nothing` where it has nothing.
    pub first: String,
    /// What the second recording has.
    pub second: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step,
            place,
            first,
            second,
        } = self;
        write!(
            f,
            "{step}: {place}\n    first:  {first}\n    second: {second}"
        )
    }
}

/// A difference that is agreed upon, with the reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreed {
    /// The step; `*` stands for any text.
    pub step: String,
    /// The place; `*` stands for any text.
    pub place: String,
    /// Why it is right that the answers differ here.
    pub reason: String,
}

/// Reads the agreed differences.
///
/// # Errors
/// When the file is not a list of them.
pub fn read_agreed(file: &Path) -> Result<Vec<Agreed>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let agreed: Option<Vec<Agreed>> =
        serde_yaml_ng::from_str(&text).with_context(|| file.display().to_string())?;
    Ok(agreed.unwrap_or_default())
}

/// Splits differences into those not agreed upon and the agreements that nothing needed.
pub fn judge(differences: Vec<Difference>, agreed: &[Agreed]) -> (Vec<Difference>, Vec<Agreed>) {
    let mut used = vec![false; agreed.len()];
    let open = differences
        .into_iter()
        .filter(|difference| {
            let mut fits = false;
            for (agreed, used) in agreed.iter().zip(&mut used) {
                if matches(&agreed.step, &difference.step)
                    && matches(&agreed.place, &difference.place)
                {
                    fits = true;
                    *used = true;
                }
            }
            !fits
        })
        .collect();
    let idle = agreed
        .iter()
        .zip(used)
        .filter(|(_, used)| !used)
        .map(|(agreed, _)| agreed.clone())
        .collect();
    (open, idle)
}

/// Compares two recordings of the same conversation.
pub fn compare(first: &[Answer], second: &[Answer]) -> Vec<Difference> {
    let mut differences = Vec::new();
    let others: BTreeMap<&str, &Answer> = second
        .iter()
        .map(|answer| (answer.step.as_str(), answer))
        .collect();
    for answer in first {
        let mut found = Found {
            step: &answer.step,
            differences: &mut differences,
        };
        let Some(other) = others.get(answer.step.as_str()) else {
            found.add("step", "an answer", "nothing");
            continue;
        };
        if answer.status != other.status {
            found.add("status", answer.status, other.status);
        }
        for name in ["content-type", "location", "allow"] {
            let (one, two) = (answer.headers.get(name), other.headers.get(name));
            if one != two {
                found.add(&format!("header {name}"), show(one), show(two));
            }
        }
        found.values("body", "", &answer.body, &other.body);
    }
    for answer in second {
        if !first.iter().any(|one| one.step == answer.step) {
            differences.push(Difference {
                step: answer.step.clone(),
                place: "step".to_owned(),
                first: "nothing".to_owned(),
                second: "an answer".to_owned(),
            });
        }
    }
    differences
}

fn show(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| "nothing".to_owned())
}

struct Found<'a> {
    step: &'a str,
    differences: &'a mut Vec<Difference>,
}

impl Found<'_> {
    fn add(&mut self, place: &str, first: impl fmt::Display, second: impl fmt::Display) {
        self.differences.push(Difference {
            step: self.step.to_owned(),
            place: place.to_owned(),
            first: shorten(&first.to_string()),
            second: shorten(&second.to_string()),
        });
    }

    /// Compares two values; `key` is the key they stand under, if any.
    fn values(&mut self, place: &str, key: &str, first: &Value, second: &Value) {
        match (first, second) {
            (Value::Object(one), Value::Object(two)) => self.objects(place, one, two),
            // A set: the JVM lists the partitions in the order of a hash map over paths that differ from run
            // to run.
            (Value::Array(one), Value::Array(two)) if key == "offsets" => {
                self.lists(place, &sorted(one), &sorted(two));
            }
            (Value::Array(one), Value::Array(two)) => match (by_name(one), by_name(two)) {
                (Some(one), Some(two)) => self.named(place, &one, &two),
                _ => self.lists(place, one, two),
            },
            _ if BY_TYPE.contains(&key) && kind(first) == kind(second) => {}
            _ if first == second => {}
            _ => self.add(place, first, second),
        }
    }

    fn objects(&mut self, place: &str, one: &Map<String, Value>, two: &Map<String, Value>) {
        for (key, first) in one {
            let place = format!("{place}/{key}");
            match two.get(key) {
                Some(second) => self.values(&place, key, first, second),
                None => self.add(&place, first, "nothing"),
            }
        }
        for (key, second) in two.iter().filter(|(key, _)| !one.contains_key(*key)) {
            self.add(&format!("{place}/{key}"), "nothing", second);
        }
    }

    fn lists(&mut self, place: &str, one: &[Value], two: &[Value]) {
        if one.len() != two.len() {
            let text = |list: &[Value]| Value::Array(list.to_vec()).to_string();
            return self.add(place, text(one), text(two));
        }
        for (index, (first, second)) in one.iter().zip(two).enumerate() {
            self.values(&format!("{place}/{index}"), "", first, second);
        }
    }

    fn named(&mut self, place: &str, one: &[(String, &Value)], two: &[(String, &Value)]) {
        let find = |list: &[(String, &Value)], name: &str| {
            list.iter().position(|(other, _)| other == name)
        };
        for (name, first) in one {
            let place = format!("{place}/[{name}]");
            match find(two, name) {
                Some(index) => self.values(&place, "", first, two[index].1),
                None => self.add(&place, first, "nothing"),
            }
        }
        for (name, second) in two.iter().filter(|(name, _)| find(one, name).is_none()) {
            self.add(&format!("{place}/[{name}]"), "nothing", second);
        }
        let common = |list: &[(String, &Value)], other: &[(String, &Value)]| -> Vec<String> {
            list.iter()
                .filter(|(name, _)| find(other, name).is_some())
                .map(|(name, _)| name.clone())
                .collect()
        };
        let (first, second) = (common(one, two), common(two, one));
        if first != second {
            let place = format!("{place} (order)");
            self.add(&place, first.join(" "), second.join(" "));
        }
    }
}

fn sorted(list: &[Value]) -> Vec<Value> {
    let mut list = list.to_vec();
    list.sort_by_key(Value::to_string);
    list
}

/// The elements with the name each carries; `None` when one has none or two have the same.
fn by_name(list: &[Value]) -> Option<Vec<(String, &Value)>> {
    let mut named: Vec<(String, &Value)> = Vec::with_capacity(list.len());
    for value in list {
        let name = ["/class", "/name", "/value/name"]
            .iter()
            .find_map(|pointer| value.pointer(pointer)?.as_str())?;
        if named.iter().any(|(other, _)| other == name) {
            return None;
        }
        named.push((name.to_owned(), value));
    }
    Some(named)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 400;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start}...")
}

/// Whether `pattern`, in which `*` stands for any text, is `text`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| text.strip_prefix(start)) else {
        return false;
    };
    let Some(last) = pattern.rsplit('*').next().filter(|_| pattern.contains('*')) else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(body: Value) -> Answer {
        Answer {
            step: "s".to_owned(),
            call: "GET /".to_owned(),
            status: 200,
            headers: BTreeMap::new(),
            body,
        }
    }

    fn places(first: Value, second: Value) -> Vec<String> {
        compare(&[answer(first)], &[answer(second)])
            .into_iter()
            .map(|difference| difference.place)
            .collect()
    }

    #[test]
    fn equal_answers_have_no_difference_whatever_the_order_of_keys() {
        let first = json!({"a": 1, "b": [{"name": "x"}]});
        assert_eq!(places(first.clone(), first), Vec::<String>::new());
    }

    #[test]
    fn versions_and_times_are_compared_by_type() {
        assert!(places(json!({"version": "1"}), json!({"version": "2"})).is_empty());
        assert_eq!(
            places(json!({"version": "1"}), json!({"version": null})),
            ["body/version"]
        );
    }

    #[test]
    fn offsets_are_compared_as_a_set() {
        let (a, b) = (
            json!({"partition": {"f": "a"}}),
            json!({"partition": {"f": "b"}}),
        );
        let both = json!({"offsets": [a, b]});
        assert!(places(both.clone(), json!({"offsets": [b, a]})).is_empty());
        assert!(!places(both, json!({"offsets": [a, a]})).is_empty());
    }

    #[test]
    fn a_missing_element_of_a_named_list_is_one_difference_and_order_another() {
        let first = json!([{"class": "a", "n": 1}, {"class": "b"}, {"class": "c"}]);
        let second = json!([{"class": "c"}, {"class": "a", "n": 2}]);
        assert_eq!(
            places(first, second),
            ["body/[a]/n", "body/[b]", "body (order)"]
        );
    }

    #[test]
    fn agreements_cover_places_by_pattern_and_idle_ones_are_reported() {
        let found = compare(
            &[answer(json!({"a": {"x": 1}}))],
            &[answer(json!({"a": {"x": 2}}))],
        );
        let agree = |place: &str| Agreed {
            step: "*".to_owned(),
            place: place.to_owned(),
            reason: "test".to_owned(),
        };
        let (open, idle) = judge(found.clone(), &[agree("body/*/x"), agree("body/b")]);
        assert_eq!((open.len(), idle.len()), (0, 1));
        let (open, _) = judge(found, &[agree("body/a")]);
        assert_eq!(open.len(), 1);
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("a*c", "abc") && matches("a*", "a") && matches("*", ""));
        assert!(!matches("a*c", "abd") && !matches("ab", "abc") && !matches("b*", "abc"));
    }
}
