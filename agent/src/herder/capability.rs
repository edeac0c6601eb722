//! Which connectors of a cluster this build can run.
//!
//! An agent that joins a group of JVM workers takes its share of all connectors, and those whose
//! classes it lacks are FAILED on it until it leaves. So it compares the config topic with its
//! plugins first.

use std::fmt;

use sluice_protocol::{ConfigMap, ConnectorName, TargetState};

use crate::cluster::ClusterConfigState;
use crate::named_classes::{NamedClass, named_classes};
use crate::plugins::Plugins;

/// A class that a connector's configuration names and this build does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingClass {
    /// The key that names it, such as `transforms.unwrap.type`.
    pub key: String,
    pub class: String,
}

impl fmt::Display for MissingClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.class)
    }
}

/// The classes that a connector's configuration names and `plugins` lack: connector, converters,
/// transformations and predicates. Values with variables are not known here, and pass.
pub(crate) fn missing_classes(plugins: &Plugins, config: &ConfigMap) -> Vec<MissingClass> {
    named_classes(|key| config.text(key))
        .into_iter()
        .filter(|named| !named.class.contains("${") && named.definition(plugins).is_none())
        .map(|NamedClass { key, class, .. }| MissingClass { key, class })
        .collect()
}

/// The connectors that `plugins` cannot run, each with what it lacks. Those that are STOPPED run
/// nowhere, and are left out.
pub(crate) fn incapable_of(
    plugins: &Plugins,
    configs: &ClusterConfigState,
) -> Vec<(ConnectorName, Vec<MissingClass>)> {
    configs
        .connectors()
        .filter(|name| configs.target_state(name) != Some(TargetState::Stopped))
        .filter_map(|name| {
            let missing = missing_classes(plugins, configs.connector_config(name)?);
            (!missing.is_empty()).then(|| (name.clone(), missing))
        })
        .collect()
}

/// The first of them as one text: `"orders" (connector.class=a.B), "clicks" (transforms.x.type=a.C)
/// and 3 more`.
pub(crate) fn named(incapable: &[(ConnectorName, Vec<MissingClass>)]) -> String {
    const NAMED: usize = 20;
    let mut texts: Vec<String> = incapable
        .iter()
        .take(NAMED)
        .map(|(name, missing)| {
            let classes: Vec<String> = missing.iter().map(ToString::to_string).collect();
            format!("\"{name}\" ({})", classes.join(", "))
        })
        .collect();
    if let Some(more @ 1..) = incapable.len().checked_sub(NAMED) {
        texts.push(format!("and {more} more"));
    }
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> ConfigMap {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        pairs.collect()
    }

    #[test]
    fn every_class_of_a_configuration_is_looked_for() {
        let config = config(&[
            (
                "connector.class",
                "io.debezium.connector.postgresql.PostgresConnector",
            ),
            (
                "key.converter",
                " org.apache.kafka.connect.json.JsonConverter ",
            ),
            ("value.converter", "com.example.ProtoConverter"),
            ("header.converter", "com.example.Headers"),
            ("transforms", "a, b"),
            ("transforms.a.type", "InsertField$Value"),
            (
                "transforms.b.type",
                "org.apache.kafka.connect.transforms.HoistField$Key",
            ),
            ("predicates", "p"),
            ("predicates.p.type", "com.example.IsOdd"),
        ]);
        let missing = missing_classes(&Plugins::built_in(), &config);
        let keys: Vec<&str> = missing.iter().map(|missing| missing.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "connector.class",
                "value.converter",
                "header.converter",
                // Nested classes have no short names, in the JVM worker either.
                "transforms.a.type",
                "predicates.p.type",
            ]
        );
    }

    #[test]
    fn what_this_build_has_lacks_nothing() {
        let fine = config(&[
            ("connector.class", "FileStreamSink"),
            ("transforms", ""),
            ("value.converter", "${file:/etc/x:converter}"),
        ]);
        assert_eq!(missing_classes(&Plugins::built_in(), &fine), []);
    }
}
