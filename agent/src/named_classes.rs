//! The classes that a connector's configuration names: connector, converters, transformations and predicates.
//!
//! Whether this build has them ([`crate::herder::capability`]) and what their keys may reach
//! ([`crate::connector_reach`]) has to be asked of the same ones.

use sluice_api::plugin::Definition;

use crate::plugins::{ConnectorPlugin, Plugins};

/// Finds the definition of a plugin of one kind by class name or alias.
type Lookup = fn(&Plugins, &str) -> Option<Definition>;

/// A class, and where it stands.
pub(crate) struct NamedClass {
    /// The key, such as `transforms.unwrap.type`.
    pub key: String,
    /// The class name or alias.
    pub class: String,
    /// What the keys of the plugin begin with, such as `transforms.unwrap.`; empty for a connector.
    pub prefix: String,
    lookup: Lookup,
}

impl NamedClass {
    /// The definition of the plugin; `None` if there is no such plugin of the kind that the key wants.
    pub(crate) fn definition(&self, plugins: &Plugins) -> Option<Definition> {
        (self.lookup)(plugins, &self.class)
    }
}

/// All that are named, in the order of connector, converters, transformations, predicates; `value`
/// gives the values of keys.
pub(crate) fn named_classes<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Vec<NamedClass> {
    let mut found = Vec::new();
    let mut look = |key: String, prefix: String, lookup: Lookup| {
        let class = value(&key).map_or("", str::trim);
        if !class.is_empty() {
            let class = class.to_owned();
            found.push(NamedClass {
                key,
                class,
                prefix,
                lookup,
            });
        }
    };
    look("connector.class".into(), String::new(), |plugins, class| {
        plugins.connector(class).ok().map(|plugin| match plugin {
            ConnectorPlugin::Source(plugin) => plugin.config_def,
            ConnectorPlugin::Sink(plugin) => plugin.config_def,
        })
    });
    for key in ["key.converter", "value.converter"] {
        look(key.into(), format!("{key}."), |plugins, class| {
            plugins.converter(class).map(|plugin| plugin.config_def)
        });
    }
    look(
        "header.converter".into(),
        "header.converter.".into(),
        |plugins, class| {
            let plugin = plugins.header_converter(class);
            plugin.map(|plugin| plugin.config_def)
        },
    );
    let kinds: [(&str, Lookup); 2] = [
        ("transforms", |plugins, class| {
            plugins
                .transformation(class)
                .map(|plugin| plugin.config_def)
        }),
        ("predicates", |plugins, class| {
            plugins.predicate(class).map(|plugin| plugin.config_def)
        }),
    ];
    for (kind, lookup) in kinds {
        let aliases = value(kind).unwrap_or_default().split(',').map(str::trim);
        for alias in aliases.filter(|alias| !alias.is_empty()) {
            let prefix = format!("{kind}.{alias}.");
            look(format!("{prefix}type"), prefix, lookup);
        }
    }
    found
}
