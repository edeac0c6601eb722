//! Plugins, their config definitions, and the answer of validation.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One entry of `GET /connector-plugins`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginInfo {
    /// Full class name, as configurations have it.
    pub class: String,
    /// What kind of plugin it is.
    #[serde(rename = "type")]
    pub plugin_type: PluginType,
    /// Its version; left out when it reports none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The kinds of plugins, in the order in which listings show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginType {
    /// A connector out of Kafka.
    Sink,
    /// A connector into Kafka.
    Source,
    /// A transformation of single records (SMT).
    Transformation,
    /// Condition of a transformation.
    Predicate,
    /// Key or value converter.
    Converter,
    /// A converter of the headers of records.
    HeaderConverter,
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for PluginType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sink => "sink",
            Self::Source => "source",
            Self::Transformation => "transformation",
            Self::Predicate => "predicate",
            Self::Converter => "converter",
            Self::HeaderConverter => "header_converter",
            Self::Unknown => "unknown",
        })
    }
}

/// Answer of `PUT /connector-plugins/{name}/config/validate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigInfos {
    /// What `connector.class` says in the request.
    pub name: String,
    /// Number of faults found.
    pub error_count: u32,
    /// Names of the groups of keys, in order.
    #[serde(default)]
    pub groups: Vec<String>,
    /// One entry per key.
    #[serde(default)]
    pub configs: Vec<ConfigInfo>,
}

/// One key: what it is and what was given for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigInfo {
    /// `None` for a key without definition.
    #[serde(default)]
    pub definition: Option<ConfigKeyInfo>,
    /// `None` for a key the connector's own validator said nothing about.
    #[serde(default)]
    pub value: Option<ConfigValueInfo>,
}

/// Definition of a config key; also the entries of `GET /connector-plugins/{name}/config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigKeyInfo {
    /// Name of the key. As configurations have it.
    pub name: String,
    /// BOOLEAN, STRING, INT, SHORT, LONG, DOUBLE, LIST, CLASS or PASSWORD.
    #[serde(rename = "type")]
    pub key_type: String,
    /// Whether it has no default.
    pub required: bool,
    /// Text form of the default; null also when there is none.
    #[serde(default)]
    pub default_value: Option<String>,
    /// HIGH, MEDIUM or LOW.
    pub importance: String,
    /// What the key means.
    #[serde(default)]
    pub documentation: Option<String>,
    /// The group it is shown in.
    #[serde(default)]
    pub group: Option<String>,
    /// Place in the group, from 1; -1 without a group. Older workers name it `order`.
    #[serde(alias = "order", default = "no_order")]
    pub order_in_group: i32,
    /// NONE, SHORT, MEDIUM or LONG.
    #[serde(default)]
    pub width: Option<String>,
    /// Name of the key for people, in forms.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Keys whose validity depends on this one.
    #[serde(default)]
    pub dependents: Vec<String>,
}

fn no_order() -> i32 {
    -1
}

/// The value given for a key, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigValueInfo {
    /// Name of the key. As configurations have it.
    pub name: String,
    /// Text form of the parsed value or the default; null when it can't be parsed; passwords show as
    /// `[hidden]`.
    #[serde(default)]
    pub value: Option<String>,
    /// Values to choose from; empty when any will do.
    #[serde(default)]
    pub recommended_values: Vec<String>,
    /// Faults, in Kafka's words; empty when fine.
    #[serde(default)]
    pub errors: Vec<String>,
    /// Whether the key makes sense beside the other values.
    #[serde(default = "visible")]
    pub visible: bool,
}

fn visible() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_infos_keep_nulls_and_field_order() {
        let json = concat!(
            r#"{"name":"X","error_count":1,"groups":["Common"],"configs":[{"definition":{"name":"k","type":"STRING","#,
            r#""required":true,"default_value":null,"importance":"HIGH","documentation":"d","group":null,"#,
            r#""order_in_group":-1,"width":"NONE","display_name":"k","dependents":[]},"value":{"name":"k","value":null,"#,
            r#""recommended_values":[],"errors":["e"],"visible":true}},{"definition":null,"value":null}]}"#
        );
        let infos: ConfigInfos = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&infos).unwrap(), json);
    }

    #[test]
    fn older_workers_say_order() {
        let json = r#"{"name":"k","type":"INT","required":false,"importance":"LOW","order":3}"#;
        let key: ConfigKeyInfo = serde_json::from_str(json).unwrap();
        assert_eq!(key.order_in_group, 3);
    }
}
