//! Flat config maps as they travel in REST bodies and in the config topic.

use std::fmt;
use std::ops::{Deref, DerefMut};

use indexmap::IndexMap;
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// A connector or task config: keys to text values in the order given; a value may be JSON `null`.
///
/// Reading turns JSON numbers and booleans into their text, as Jackson does for a `Map<String, String>`;
/// objects and arrays as values are an error. `Debug` shows keys only, because values may be secrets.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigMap(pub IndexMap<String, Option<String>>);

impl ConfigMap {
    /// A map without any key.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `key`; `None` when it is absent or null.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Option::as_deref)
    }

    /// Sets `key` to a text, replacing what was there and keeping its place.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), Some(value.into()));
    }
}

impl Deref for ConfigMap {
    type Target = IndexMap<String, Option<String>>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for ConfigMap {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for ConfigMap {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        Self(
            items
                .into_iter()
                .map(|(key, value)| (key.into(), Some(value.into())))
                .collect(),
        )
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for ConfigMap {
    fn from(items: [(K, V); N]) -> Self {
        items.into_iter().collect()
    }
}

impl IntoIterator for ConfigMap {
    type Item = (String, Option<String>);
    type IntoIter = indexmap::map::IntoIter<String, Option<String>>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ConfigMap {
    type Item = (&'a String, &'a Option<String>);
    type IntoIter = indexmap::map::Iter<'a, String, Option<String>>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Debug for ConfigMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConfigMap")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<'de> Deserialize<'de> for ConfigMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ConfigMapVisitor)
    }
}

struct ConfigMapVisitor;

impl<'de> Visitor<'de> for ConfigMapVisitor {
    type Value = ConfigMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of config keys to strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ConfigMap, A::Error> {
        let mut config = IndexMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value::<ConfigValue>()?;
            config.insert(key, value.0);
        }
        Ok(ConfigMap(config))
    }
}

/// One value of a config map while it is read: numbers keep the text they were written with (`1.50`,
/// `1E400`), as by Jackson's `StringDeserializer`.
struct ConfigValue(Option<String>);

impl<'de> Deserialize<'de> for ConfigValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &&str = &"a string, number, boolean or null as config value";
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text)
                .map(|text| Self(Some(text)))
                .map_err(D::Error::custom),
            Some(b'{') => Err(D::Error::invalid_type(Unexpected::Map, EXPECTED)),
            Some(b'[') => Err(D::Error::invalid_type(Unexpected::Seq, EXPECTED)),
            Some(b'n') => Ok(Self(None)),
            _ => Ok(Self(Some(text.to_owned()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_become_text_and_null_stays_null() {
        let config: ConfigMap =
            serde_json::from_str(r#"{"b":1,"a":"x","t":true,"n":null,"f":1.0,"m":-2}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            r#"{"b":"1","a":"x","t":"true","n":null,"f":"1.0","m":"-2"}"#
        );
        assert_eq!(config.text("n"), None);
    }

    #[test]
    fn numbers_keep_their_text() {
        let numbers = [
            "1.50",
            "1e3",
            "1E400",
            "-0",
            "-0.0",
            "12345678901234567890123",
            "0.10000000000000000000001",
            "1E+2",
        ];
        for number in numbers {
            let json = format!(r#"{{"x": {number} }}"#);
            let config: ConfigMap = serde_json::from_str(&json).unwrap();
            assert_eq!(config.text("x"), Some(number));
        }
        let config: ConfigMap =
            serde_json::from_value(serde_json::json!({"x": "a\"b", "y": 5})).unwrap();
        assert_eq!(
            (config.text("x"), config.text("y")),
            (Some("a\"b"), Some("5"))
        );
    }

    #[test]
    fn nested_values_are_refused_by_name() {
        let error = serde_json::from_str::<ConfigMap>(r#"{"a":{}}"#).unwrap_err();
        assert!(error.to_string().contains("config value"), "{error}");
        assert!(serde_json::from_str::<ConfigMap>("[]").is_err());
    }

    #[test]
    fn debug_output_shows_no_value() {
        let config = ConfigMap::from([("password", "geheim")]);
        assert_eq!(format!("{config:?}"), r#"ConfigMap{"password"}"#);
    }
}
