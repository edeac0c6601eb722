//! The keys of declared transformations and predicates, `transforms.ALIAS.…` and `predicates.ALIAS.…`.

use std::sync::Arc;

use sluice_api::ConnectError;
use sluice_api::config::{
    ConfigDef, ConfigError, ConfigKey, ConfigType, ConfigValue, DefaultValue, Importance, Props,
    Recommendation, Recommender, Width,
};
use sluice_api::plugin::Definition;
use sluice_protocol::rest::PluginType;

use super::no_such_version;
use crate::plugin_version::VersionRange;
use crate::plugins::Plugins;
use crate::settings::framework_keys;

/// What can be declared under an alias.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Aliased {
    Transforms,
    Predicates,
}

/// What was found out about declared transformations and predicates beside their keys.
#[derive(Default)]
pub(super) struct FoundAliases {
    /// What is wrong: the key at fault, and the text for it.
    pub(super) faults: Vec<(String, String)>,
    /// Key of a type and the class to show for it.
    pub(super) classes: Vec<(String, ConfigValue)>,
}

/// Adds the keys of each declared transformation or predicate (`ConnectorConfig.EnrichablePlugin`).
///
/// # Errors
/// A plugin does not give its definition.
pub(super) async fn add_aliased(
    def: &mut ConfigDef,
    found: &mut FoundAliases,
    plugins: &Plugins,
    props: &Props,
    kind: Aliased,
) -> Result<(), ConnectError> {
    let (key, title, one, plugin_type) = match kind {
        Aliased::Transforms => (
            "transforms",
            "Transforms",
            "Transformation",
            PluginType::Transformation,
        ),
        Aliased::Predicates => (
            "predicates",
            "Predicates",
            "Predicate",
            PluginType::Predicate,
        ),
    };
    let Some(ConfigValue::List(aliases)) = props
        .get(key)
        .and_then(|text| ConfigValue::parse(key, text, ConfigType::List).ok())
    else {
        return Ok(());
    };
    for alias in aliases {
        let prefix = format!("{key}.{alias}.");
        let group = format!("{title}: {alias}");
        let type_key = format!("{prefix}type");
        if def.contains(&type_key) {
            continue;
        }
        let classes = plugins.classes(plugin_type);
        def.add(
            ConfigKey::new(&type_key, ConfigType::Class)
                .importance(Importance::High)
                .doc(format!(
                    "Class for the '{alias}' {}.",
                    title.to_lowercase().trim_end_matches('s')
                ))
                .group(&group, 0, Width::Long, &format!("{one} type for {alias}"))
                .recommender(suggested(classes)),
        );
        let plugin = props
            .get(&type_key)
            .map(|class| aliased_plugin(plugins, kind, one, class));
        let version = match &plugin {
            Some(Ok(plugin)) => Some(plugin.version.to_string()),
            _ => None,
        };
        def.add(
            match &version {
                Some(version) => ConfigKey::new(version_key(&prefix), ConfigType::String)
                    .default(version)
                    .recommender(suggested(vec![version.clone()])),
                None => ConfigKey::new(version_key(&prefix), ConfigType::String).optional(),
            }
            .importance(Importance::High)
            .doc(format!("Version of the '{alias}' plugin."))
            .group(
                &group,
                1,
                Width::Long,
                &format!("{one} version for {alias}"),
            ),
        );
        match plugin {
            None => {}
            Some(Ok(plugin)) => {
                let class = ConfigValue::Class(plugin.class.to_string());
                found.classes.push((type_key.clone(), class));
                if let Some(fault) = aliased_version_fault(props, &prefix, &plugin) {
                    found.faults.push((type_key, fault.clone()));
                    found.faults.push((version_key(&prefix), fault));
                    continue;
                }
                let negate = props.contains_key(&format!("{prefix}negate"));
                if kind == Aliased::Transforms
                    && negate
                    && !props.contains_key(&format!("{prefix}predicate"))
                {
                    found.faults.push((
                        type_key,
                        format!(
                            "Config '{prefix}negate' was provided but there is no config \
                             '{prefix}predicate' defining a predicate to be negated."
                        ),
                    ));
                }
                let own = plugin.config_def.get().await?;
                add_plugin_keys(def, &prefix, &group, &own, kind);
            }
            Some(Err(WrongClass::Unknown(class))) => {
                let why = format!("Class {class} could not be found.");
                let fault = ConfigError::invalid(&type_key, class, why).0;
                found.classes.push((type_key.clone(), ConfigValue::Null));
                found.faults.push((type_key, fault));
            }
            Some(Err(WrongClass::Unfit(fault))) => found.faults.push((type_key, fault)),
        }
    }
    Ok(())
}

fn version_key(prefix: &str) -> String {
    format!("{prefix}plugin.version")
}

fn suggested(values: Vec<String>) -> Recommender {
    Arc::new(move |_, _| Recommendation {
        values: values.clone(),
        visible: true,
    })
}

/// A transformation or predicate, as far as validation goes.
struct AliasedPlugin {
    class: Arc<str>,
    version: Arc<str>,
    config_def: Definition,
}

/// Why a class can't be used.
enum WrongClass {
    /// There is none of that name.
    Unknown(String),
    /// There is, but not of that kind; with Kafka's text.
    Unfit(String),
}

fn aliased_plugin(
    plugins: &Plugins,
    kind: Aliased,
    one: &str,
    class: &str,
) -> Result<AliasedPlugin, WrongClass> {
    let found = match kind {
        Aliased::Transforms => plugins.transformation(class).map(|plugin| AliasedPlugin {
            class: plugin.class,
            version: plugin.version,
            config_def: plugin.config_def,
        }),
        Aliased::Predicates => plugins.predicate(class).map(|plugin| AliasedPlugin {
            class: plugin.class,
            version: plugin.version,
            config_def: plugin.config_def,
        }),
    };
    if let Some(plugin) = found {
        return Ok(plugin);
    }
    let nested = concrete_classes(plugins, class);
    if !nested.is_empty() {
        return Err(WrongClass::Unfit(format!(
            "This class is abstract and cannot be created. Did you mean {}?",
            nested.join(", ")
        )));
    }
    match plugins.any(class) {
        Some((info, _)) => Err(WrongClass::Unfit(format!(
            "Class class {} does not implement the {one} interface",
            info.class
        ))),
        None => Err(WrongClass::Unknown(class.to_owned())),
    }
}

/// `Cast` is an abstract class in Java; `Cast$Key` and `Cast$Value` are what can be made of it.
pub(super) fn concrete_classes(plugins: &Plugins, class: &str) -> Vec<String> {
    plugins
        .infos()
        .map(|info| info.class)
        .filter(|known| {
            known
                .strip_prefix(class)
                .is_some_and(|rest| rest.starts_with('$'))
        })
        .collect()
}

/// The fault of a `plugin.version` that the plugin there is does not have.
fn aliased_version_fault(props: &Props, prefix: &str, plugin: &AliasedPlugin) -> Option<String> {
    let wanted = props.get(&version_key(prefix))?;
    match VersionRange::parse(wanted) {
        Ok(range) if range.contains(&plugin.version) => None,
        Ok(range) => Some(no_such_version(&plugin.class, &range, &plugin.version)),
        Err(fault) => Some(fault),
    }
}

fn add_plugin_keys(def: &mut ConfigDef, prefix: &str, group: &str, own: &ConfigDef, kind: Aliased) {
    let mut keys: Vec<ConfigKey> = own.keys().cloned().collect();
    if kind == Aliased::Transforms {
        keys.extend(framework_keys());
    }
    keys.sort_by(|a, b| {
        let rank = |key: &ConfigKey| {
            (
                key.group.clone(),
                key.order_in_group,
                matches!(key.default, DefaultValue::Value(_)),
                key.importance,
                key.name.clone(),
            )
        };
        rank(a).cmp(&rank(b))
    });
    for (index, mut key) in keys.into_iter().enumerate() {
        // Checks of plugins name their own key without prefix, in the JVM too.
        if let Some(check) = key.validator.take() {
            let own = key.name.clone();
            key.validator = Some(Arc::new(move |_, value| check(&own, value)));
        }
        key.name = format!("{prefix}{}", key.name);
        key.group = Some(match key.group {
            Some(inner) => format!("{group}: {inner}"),
            None => group.to_owned(),
        });
        key.order_in_group = i32::try_from(index).unwrap_or(i32::MAX - 2) + 2;
        key.dependents = key
            .dependents
            .iter()
            .map(|one| format!("{prefix}{one}"))
            .collect();
        def.add(key);
    }
}
