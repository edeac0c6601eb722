//! Schemas that the key `quickstart` names: those of Confluent's connector in names, fields and types, with
//! values of our own.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value as Json;

/// A schema that a name stands for, with the key of its records.
#[derive(Debug)]
pub(crate) struct Quickstart {
    /// The field that is the key of records.
    pub(crate) key: String,
    pub(crate) schema: Json,
}

static ALL: LazyLock<BTreeMap<String, Quickstart>> = LazyLock::new(|| {
    let parsed: BTreeMap<String, Json> =
        serde_json::from_str(include_str!("quickstarts.json")).unwrap_or_default();
    let quickstart = |(name, mut entry): (String, Json)| {
        let key = entry["key"].as_str().unwrap_or_default().to_owned();
        let schema = entry["schema"].take();
        (name, Quickstart { key, schema })
    };
    parsed.into_iter().map(quickstart).collect()
});

/// A quickstart by its name, in whatever case.
pub(crate) fn find(name: &str) -> Option<&'static Quickstart> {
    ALL.get(&name.to_lowercase())
}

/// All names, with commas between.
pub(crate) fn names() -> String {
    let names: Vec<&str> = ALL.keys().map(String::as_str).collect();
    names.join(", ")
}
