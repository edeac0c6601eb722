//! The REST answer, in the order that a JVM worker composes it.

use indexmap::IndexMap;
use sluice_api::config::{ConfigDef, ConfigKey, DefaultValue, ValidatedKey};
use sluice_protocol::rest::{ConfigInfo, ConfigInfos, ConfigKeyInfo, ConfigValueInfo};

/// A key with its definition, for the parts of the answer behind the connector's own keys.
pub(super) type Entry = (Option<ConfigKey>, ValidatedKey);

pub(super) fn compose(
    class: &str,
    framework: &ConfigDef,
    connector: &ConfigDef,
    mut values: IndexMap<String, ValidatedKey>,
    overrides: Vec<Entry>,
    converters: Vec<Entry>,
) -> ConfigInfos {
    let mut error_count: usize = values.values().map(|value| value.errors.len()).sum();
    error_count += overrides
        .iter()
        .chain(&converters)
        .filter(|(_, value)| !value.errors.is_empty())
        .count();

    let mut groups = framework.groups();
    let more = connector.groups().into_iter().chain(
        converters
            .iter()
            .filter_map(|(key, _)| key.as_ref()?.group.clone()),
    );
    for group in more {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }

    let mut declared = Vec::new();
    for key in framework.keys() {
        let definition = connector.get(&key.name).unwrap_or(key);
        declared.push(ConfigInfo {
            definition: Some(key_info(definition)),
            value: values.shift_remove(&key.name).map(value_info),
        });
    }
    for key in connector
        .keys()
        .filter(|key| !framework.contains(&key.name))
    {
        declared.push(ConfigInfo {
            definition: Some(key_info(key)),
            value: values.shift_remove(&key.name).map(value_info),
        });
    }
    let undeclared = values.into_values().map(|value| ConfigInfo {
        definition: None,
        value: Some(value_info(value)),
    });
    let behind = overrides
        .into_iter()
        .chain(converters)
        .map(|(key, value)| ConfigInfo {
            definition: key.as_ref().map(key_info),
            value: Some(value_info(value)),
        });
    let mut configs: Vec<ConfigInfo> = undeclared.collect();
    configs.extend(declared);
    configs.extend(behind);
    ConfigInfos {
        name: class.to_owned(),
        error_count: u32::try_from(error_count).unwrap_or(u32::MAX),
        groups,
        configs,
    }
}

pub(super) fn key_info(key: &ConfigKey) -> ConfigKeyInfo {
    let (required, default_value) = match &key.default {
        DefaultValue::Required => (true, None),
        DefaultValue::Value(value) => (false, value.display()),
    };
    ConfigKeyInfo {
        name: key.name.clone(),
        key_type: key.kind.name().to_owned(),
        required,
        default_value,
        importance: key.importance.name().to_owned(),
        documentation: Some(key.documentation.clone()),
        group: key.group.clone(),
        order_in_group: key.order_in_group,
        width: Some(key.width.name().to_owned()),
        display_name: Some(key.display_name.clone()),
        dependents: key.dependents.clone(),
    }
}

fn value_info(value: ValidatedKey) -> ConfigValueInfo {
    ConfigValueInfo {
        value: value.value.display(),
        name: value.name,
        recommended_values: value.recommended_values,
        errors: value.errors,
        visible: value.visible,
    }
}
