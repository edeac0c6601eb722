//! Keys that are handed on without their prefix: to converters, and to Kafka clients.

use indexmap::IndexMap;
use sluice_api::Result;
use sluice_api::config::{ConfigError, ConfigValue, Props, ValidatedKey};
use sluice_protocol::ConnectorType;

use super::answer::Entry;
use super::{add_fault, looks_secret};
use crate::plugins::Plugins;
use crate::properties::with_prefix;
use crate::settings::{ExactlyOnceSupport, WorkerSettings};

pub(super) async fn converter_entries(
    plugins: &Plugins,
    values: &mut IndexMap<String, ValidatedKey>,
    props: &Props,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for kind in ["header", "key", "value"] {
        let key = format!("{kind}.converter");
        let Some(class) = props.get(&key) else {
            continue;
        };
        if values
            .get(&key)
            .is_none_or(|value| !value.errors.is_empty())
        {
            continue;
        }
        let found = if kind == "header" {
            plugins
                .header_converter(class)
                .map(|plugin| plugin.config_def)
        } else {
            plugins.converter(class).map(|plugin| plugin.config_def)
        };
        let Some(def) = found else {
            add_fault(
                values,
                &key,
                ConfigError::invalid(&key, class, format!("Class {class} could not be found.")).0,
            );
            if let Some(value) = values.get_mut(&key) {
                value.value = ConfigValue::Null;
            }
            continue;
        };
        let prefix = format!("{key}.");
        let mut own = with_prefix(props, &prefix);
        own.entry("converter.type".to_owned())
            .or_insert_with(|| kind.to_owned());
        let def = def.get().await?;
        for mut result in def.validate(&own) {
            let definition = def.get(&result.name).cloned().map(|mut key| {
                key.name = format!("{prefix}{}", key.name);
                key
            });
            result.name = format!("{prefix}{}", result.name);
            entries.push((definition, result));
        }
    }
    Ok(entries)
}

pub(super) fn override_entries(
    worker: &WorkerSettings,
    kind: ConnectorType,
    props: &Props,
) -> Vec<Entry> {
    let dlq = props
        .get("errors.deadletterqueue.topic.name")
        .is_some_and(|topic| !topic.trim().is_empty());
    let exactly_once = worker.exactly_once() == ExactlyOnceSupport::Enabled;
    let own_offsets = props.contains_key("offsets.storage.topic");
    let creates = props.keys().any(|key| key.starts_with("topic.creation."));
    let (sink, source) = (kind == ConnectorType::Sink, kind == ConnectorType::Source);
    let groups = [
        ("producer.override.", source || (sink && dlq)),
        (
            "consumer.override.",
            sink || (source && (exactly_once || own_offsets)),
        ),
        (
            "admin.override.",
            (source && (creates || exactly_once || own_offsets)) || (sink && dlq),
        ),
    ];
    let mut entries = Vec::new();
    for (prefix, checked) in groups {
        if !checked {
            continue;
        }
        for (key, value) in with_prefix(props, prefix) {
            let mut result = ValidatedKey::new(format!("{prefix}{key}"));
            result.value = ConfigValue::String(if looks_secret(&key) {
                "[hidden]".to_owned()
            } else {
                value
            });
            result.errors.extend(worker.overrides.refuse(&key));
            entries.push((None, result));
        }
    }
    entries
}
