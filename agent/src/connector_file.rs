//! The connector files of a standalone worker: what
//! `ConnectStandalone.parseConnectorConfigurationFile` takes.
//!
//! The content decides, not the name of the file: a flat JSON object of keys, else a JSON body of
//! `POST /connectors`, else Java's properties. A broken JSON file is "properties" without a name to
//! the JVM worker; here its fault is named.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sluice_protocol::rest::InitialState;
use sluice_protocol::{ConfigMap, TargetState};

use crate::properties::parse_properties;

/// A connector to be created.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConnectorFile {
    /// Its name, which is not empty.
    pub(crate) name: String,
    /// Its configuration, `name` included.
    pub(crate) config: ConfigMap,
    /// The state to begin in (`initial_state`).
    pub(crate) target_state: Option<TargetState>,
}

/// A body of `POST /connectors`, in which other fields are passed over.
#[derive(Deserialize)]
struct Body {
    name: Option<String>,
    config: ConfigMap,
    initial_state: Option<InitialState>,
}

impl ConnectorFile {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, without its path.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        Self::parse(&bytes)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        // Jackson passes over a byte order mark, and so do we in properties.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if !text.trim_ascii_start().starts_with(b"{") {
            let props = parse_properties(bytes)?;
            return Self::new(props.into_iter().collect(), None);
        }
        if let Ok(flat) = first_json::<ConfigMap>(text) {
            return Self::new(flat, None);
        }
        let Body {
            name,
            mut config,
            initial_state,
        } = first_json(text).map_err(|error| {
            format!("is neither a flat JSON object of keys nor a body of POST /connectors: {error}")
        })?;
        match (config.text("name"), name) {
            (Some(inside), Some(outside)) if inside != outside => {
                return Err(format!(
                    "its \"name\" is {outside:?}, and {inside:?} in its \"config\""
                ));
            }
            (Some(inside), None) => {
                return Err(format!(
                    "has no \"name\" beside \"config\", in which it is {inside:?}"
                ));
            }
            (None, Some(outside)) => {
                config.insert("name".to_owned(), Some(outside));
            }
            _ => {}
        }
        Self::new(config, initial_state.map(InitialState::target_state))
    }

    fn new(config: ConfigMap, target_state: Option<TargetState>) -> Result<Self, String> {
        match config.text("name") {
            None | Some("") => Err("has no \"name\"".to_owned()),
            Some(name) => Ok(Self {
                name: name.to_owned(),
                config,
                target_state,
            }),
        }
    }
}

/// The JSON value that `text` begins with; Jackson does not look at what is behind it.
fn first_json<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    T::deserialize(&mut serde_json::Deserializer::from_slice(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name and configuration, or `None` for an error: what Kafka 4.3's
    /// `parseConnectorConfigurationFile` answers for each.
    #[test]
    fn every_form_of_file_is_read_as_kafka_reads_it() {
        let a = |more: &[(&str, &str)]| -> Option<(String, ConfigMap)> {
            let pairs = more.iter().copied().chain([("name", "a")]);
            Some(("a".to_owned(), pairs.collect()))
        };
        let cases: [(&str, Option<(String, ConfigMap)>); 23] = [
            (r#"{"name":"a","x":1}"#, a(&[("x", "1")])),
            (
                r#"{"name":"a","b":true,"n":1.5}"#,
                a(&[("b", "true"), ("n", "1.5")]),
            ),
            (
                r#"{"name":"a","config":{"x":"C"},"initial_state":"stopped"}"#,
                a(&[("x", "C")]),
            ),
            (r#"{"name":"a","config":{"name":"b"}}"#, None),
            (r#"{"config":{"name":"b"}}"#, None),
            (r#"{"config":{"x":"b"}}"#, None),
            (r#"{"name":"a","config":{},"initial_state":"up"}"#, None),
            ("\u{feff}{\"name\":\"a\"}", a(&[])),
            (r#"{"name":"a"} trailing"#, a(&[])),
            ("name=a\nx=C\n", a(&[("x", "C")])),
            // Java makes the mark part of the first key, which nobody can have meant.
            ("\u{feff}name=a\nx=1\n", a(&[("x", "1")])),
            ("x=1\n", None),
            ("", None),
            ("{}", None),
            ("[]", None),
            (r#"{"name":"a","config":{"q":{"r":1}}}"#, None),
            (
                r#"{"name":"a","config":{"q":1},"extra":{}}"#,
                a(&[("q", "1")]),
            ),
            (r#"{"name":"a""#, None),
            (r#"{"name":1,"config":{"q":[1]}}"#, None),
            (r#"{"name":"","x":"1"}"#, None),
            (r#"{"name":null,"x":"1"}"#, None),
            ("{'name':'a'}", None),
            (
                "name=b\nname=a\nk\n=v\nuni=\\u00e4\n",
                a(&[("k", ""), ("", "v"), ("uni", "ä")]),
            ),
        ];
        for (text, expected) in cases {
            let read = ConnectorFile::parse(text.as_bytes());
            let same = match (&read, &expected) {
                (Ok(file), Some((name, config))) => {
                    file.name == *name
                        && file.config.len() == config.len()
                        && config
                            .iter()
                            .all(|(key, value)| file.config.get(key) == Some(value))
                }
                (Err(_), None) => true,
                _ => false,
            };
            assert!(same, "{text}: {read:?}");
        }
    }

    #[test]
    fn the_state_to_begin_in_is_read() {
        let state =
            |text: &str| ConnectorFile::parse(text.as_bytes()).map(|file| file.target_state);
        assert_eq!(
            state(r#"{"name":"a","config":{"x":"C"},"initial_state":"STOPPED"}"#),
            Ok(Some(TargetState::Stopped))
        );
        assert_eq!(state(r#"{"name":"a","config":{"x":"C"}}"#), Ok(None));
        let fault = state(r#"{"name":"a","config":{},"initial_state":"up"}"#);
        assert!(fault.is_err_and(|fault| fault.contains("initial_state \"up\"")));
    }
}
