//! Validation of connector configurations: every fault of every key at once, in the composition of the REST answer
//! (Kafka's `AbstractHerder.validateConnectorConfig`).

use std::sync::Arc;

use indexmap::IndexMap;
use sluice_api::config::{
    ConfigDef, ConfigError, ConfigKey, ConfigType, ConfigValue, DefaultValue, Importance, Password,
    Props, Recommendation, Recommender, ValidatedKey, Width,
};
use sluice_api::connector::{Connector, ExactlyOnceSupport};
use sluice_api::java_regex::JavaRegex;
use sluice_protocol::rest::{
    ConfigInfo, ConfigInfos, ConfigKeyInfo, ConfigValueInfo, PluginType, RestError,
};
use sluice_protocol::{ConfigMap, ConnectorType};

use crate::client_overrides::OverridePolicy;
use crate::config_transformer::Resolved;
use crate::connector_config::{self, ConverterSuggestion, Suggestions};
use crate::plugin_version::VersionRange;
use crate::plugins::{ConnectorPlugin, Plugins};
use crate::worker_config::{self, Mode, WorkerConfig};

/// Validates a connector configuration.
///
/// # Errors
/// 400 if there is no connector to validate it with.
pub async fn validate(
    plugins: &Plugins,
    worker: &WorkerConfig,
    config: &ConfigMap,
) -> Result<ConfigInfos, RestError> {
    let resolved = worker
        .transformer
        .resolve(&given(config))
        .map_err(|error| RestError::internal(error.to_string()))?;
    match validate_resolved(plugins, worker, config, &resolved.props).await {
        Ok(infos) => Ok(with_variables(infos, &resolved)),
        Err(error) => Err(RestError::new(error.status, resolved.hide(&error.message))),
    }
}

/// Shows the text with variables instead of the values that came from config providers. (A JVM worker shows the values.)
fn with_variables(mut infos: ConfigInfos, resolved: &Resolved) -> ConfigInfos {
    if resolved.is_plain() {
        return infos;
    }
    for value in infos
        .configs
        .iter_mut()
        .filter_map(|config| config.value.as_mut())
    {
        if let (Some(raw), Some(shown)) = (resolved.raw(&value.name), value.value.as_mut())
            && *shown != Password::HIDDEN
        {
            raw.clone_into(shown);
        }
        for error in &mut value.errors {
            *error = resolved.hide(error);
        }
    }
    infos
}

async fn validate_resolved(
    plugins: &Plugins,
    worker: &WorkerConfig,
    config: &ConfigMap,
    props: &Props,
) -> Result<ConfigInfos, RestError> {
    let class = props
        .get("connector.class")
        .filter(|class| !class.is_empty())
        .ok_or_else(|| {
            RestError::bad_request(format!(
                "Connector config {} contains no connector type",
                shown(config)
            ))
        })?;
    let plugin = plugins.connector(class)?;
    if let Some(infos) = wrong_version(&plugin, class, props)? {
        return Ok(infos);
    }
    let connector = plugin.new_connector();
    let connector_def = plugin.config_def();

    let mut framework_def = connector_config::definition(
        plugin.kind(),
        &suggestions(plugins, worker, props, plugin.version()),
    );
    let mut found = FoundAliases::default();
    add_aliased(
        &mut framework_def,
        &mut found,
        plugins,
        props,
        Aliased::Transforms,
    );
    add_aliased(
        &mut framework_def,
        &mut found,
        plugins,
        props,
        Aliased::Predicates,
    );
    let mut values: IndexMap<String, ValidatedKey> = framework_def
        .validate(props)
        .into_iter()
        .map(|value| (value.name.clone(), value))
        .collect();
    for (key, class) in found.classes {
        if let Some(value) = values.get_mut(&key) {
            value.value = class;
        }
    }
    for (key, fault) in found.faults {
        add_fault(&mut values, &key, fault);
    }
    match plugin.kind() {
        ConnectorType::Sink => sink_rules(&mut values, worker, props),
        ConnectorType::Source => source_rules(&mut values, worker, connector.as_ref(), props),
        ConnectorType::Unknown => {}
    }

    for (key, value) in config {
        if value.is_none() && !connector_def.contains(key) {
            add_fault(
                &mut values,
                key,
                "Null value can not be supplied as the configuration value.".to_owned(),
            );
        }
    }

    let converters = converter_entries(plugins, &mut values, props);
    let overrides = override_entries(worker, plugin.kind(), props);

    for result in connector_def.validate(props) {
        // The connector's word on a key replaces the framework's.
        values.insert(result.name.clone(), result);
    }
    for fault in connector.validate(props).await {
        add_fault(&mut values, &fault.key, fault.message);
    }

    Ok(compose(
        class,
        &framework_def,
        &connector_def,
        values,
        overrides,
        converters,
    ))
}

/// The 400 of a create or update with faults (`AbstractHerder.maybeAddConfigErrors`).
pub fn refuse_faults(infos: &ConfigInfos) -> Result<(), RestError> {
    if infos.error_count == 0 {
        return Ok(());
    }
    let errors: Vec<&str> = infos
        .configs
        .iter()
        .filter_map(|config| config.value.as_ref())
        .flat_map(|value| value.errors.iter().map(String::as_str))
        .collect();
    Err(RestError::bad_request(format!(
        "Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can also find the above list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`",
        infos.error_count,
        errors.join("\n")
    )))
}

/// The keys of a plugin as `GET /connector-plugins/{p}/config` lists them.
///
/// # Errors
/// 404 for an unknown plugin, 400 for a version that there is not.
pub fn plugin_config(
    plugins: &Plugins,
    name: &str,
    version: Option<&str>,
) -> Result<Vec<ConfigKeyInfo>, RestError> {
    let (info, def) = plugins.any(name).ok_or_else(|| {
        if concrete_classes(plugins, name).is_empty() {
            RestError::not_found(format!("Unknown plugin {name}."))
        } else {
            // The JVM worker tries to make an abstract class.
            RestError::internal("Instantiation error")
        }
    })?;
    if let Some(version) = version {
        let installed = info.version.clone().unwrap_or_default();
        let range = VersionRange::parse(version).map_err(|_| {
            RestError::bad_request(format!("Invalid version specification: {version}"))
        })?;
        if !range.contains(&installed) {
            return Err(RestError::bad_request(no_such_version(
                &info.class,
                &range,
                &installed,
            )));
        }
    }
    let mut keys: Vec<ConfigKeyInfo> = def.keys().map(key_info).collect();
    let kind = match info.plugin_type {
        PluginType::Sink => ConnectorType::Sink,
        PluginType::Source => ConnectorType::Source,
        _ => return Ok(keys),
    };
    let suggestions = Suggestions {
        connector_version: info.version,
        ..Suggestions::default()
    };
    let framework = connector_config::definition(kind, &suggestions);
    keys.extend(
        framework
            .keys()
            .filter(|key| !def.contains(&key.name))
            .map(key_info),
    );
    Ok(keys)
}

/// A config without its null values, as connectors get it.
pub fn given(config: &ConfigMap) -> Props {
    config
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
        .collect()
}

/// A config in Java's form of a map, with values that look like secrets hidden.
fn shown(config: &ConfigMap) -> String {
    let entries: Vec<String> = config
        .iter()
        .map(|(key, value)| {
            let value = match value {
                Some(_) if looks_secret(key) => "[hidden]",
                Some(value) => value,
                None => "null",
            };
            format!("{key}={value}")
        })
        .collect();
    format!("{{{}}}", entries.join(", "))
}

/// True for a key whose value should not be shown although nothing declares it a password.
pub fn looks_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "password",
        "passwd",
        "secret",
        "token",
        "credential",
        "jaas",
        "private",
        "user.info",
        "access.key",
        "api.key",
        "apikey",
        "ssl.keystore.key",
    ]
    .iter()
    .any(|part| key.contains(part))
}

fn suggestions(
    plugins: &Plugins,
    worker: &WorkerConfig,
    props: &Props,
    connector_version: &str,
) -> Suggestions {
    let converter = |key: &str, kind: PluginType| {
        let worker_class = worker.optional_class(key).map(str::to_owned);
        let version = props.get(key).or(worker_class.as_ref()).and_then(|class| {
            if kind == PluginType::HeaderConverter {
                plugins.header_converter(class).map(|plugin| plugin.version)
            } else {
                plugins.converter(class).map(|plugin| plugin.version)
            }
        });
        ConverterSuggestion {
            classes: plugins.classes(kind),
            worker_class,
            version: version.map(str::to_owned),
        }
    };
    Suggestions {
        connector_version: Some(connector_version.to_owned()),
        key_converter: converter("key.converter", PluginType::Converter),
        value_converter: converter("value.converter", PluginType::Converter),
        header_converter: converter("header.converter", PluginType::HeaderConverter),
    }
}

fn no_such_version(class: &str, range: &VersionRange, installed: &str) -> String {
    format!(
        "Plugin {class} not found that matches the version range {range}, available versions: [{installed}]"
    )
}

/// The short answer for a connector of which there is no fitting version (KIP-891).
fn wrong_version(
    plugin: &ConnectorPlugin,
    class: &str,
    props: &Props,
) -> Result<Option<ConfigInfos>, RestError> {
    let Some(version) = props.get("connector.plugin.version") else {
        return Ok(None);
    };
    let range = VersionRange::parse(version).map_err(RestError::bad_request)?;
    if range.contains(plugin.version()) {
        return Ok(None);
    }
    let fault = no_such_version(plugin.class(), &range, plugin.version());
    let suggestions = Suggestions {
        connector_version: Some(plugin.version().to_owned()),
        ..Suggestions::default()
    };
    let def = connector_config::definition(ConnectorType::Unknown, &suggestions);
    let mut values: IndexMap<String, ValidatedKey> = def
        .validate(props)
        .into_iter()
        .map(|value| (value.name.clone(), value))
        .collect();
    for key in ["connector.class", "connector.plugin.version"] {
        add_fault(&mut values, key, fault.clone());
    }
    let mut infos = compose(
        class,
        &def,
        &ConfigDef::new(),
        values,
        Vec::new(),
        Vec::new(),
    );
    infos.error_count = 2;
    Ok(Some(infos))
}

fn add_fault(values: &mut IndexMap<String, ValidatedKey>, key: &str, fault: String) {
    values
        .entry(key.to_owned())
        .or_insert_with(|| ValidatedKey::new(key))
        .errors
        .push(fault);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Aliased {
    Transforms,
    Predicates,
}

/// What was found out about declared transformations and predicates beside their keys.
#[derive(Default)]
struct FoundAliases {
    /// Key and fault.
    faults: Vec<(String, String)>,
    /// Key of a type and the class to show for it.
    classes: Vec<(String, ConfigValue)>,
}

/// Adds the keys of each declared transformation or predicate (`ConnectorConfig.EnrichablePlugin`).
fn add_aliased(
    def: &mut ConfigDef,
    found: &mut FoundAliases,
    plugins: &Plugins,
    props: &Props,
    kind: Aliased,
) {
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
        return;
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
            Some(Ok(plugin)) => Some(plugin.version.to_owned()),
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
                let class = ConfigValue::Class(plugin.class.to_owned());
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
                            "Config '{prefix}negate' was provided but there is no config '{prefix}predicate' defining a predicate to be negated."
                        ),
                    ));
                }
                add_plugin_keys(def, &prefix, &group, &(plugin.config_def)(), kind);
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
    class: &'static str,
    version: &'static str,
    config_def: fn() -> ConfigDef,
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
fn concrete_classes(plugins: &Plugins, class: &str) -> Vec<String> {
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
        Ok(range) if range.contains(plugin.version) => None,
        Ok(range) => Some(no_such_version(plugin.class, &range, plugin.version)),
        Err(fault) => Some(fault),
    }
}

fn add_plugin_keys(def: &mut ConfigDef, prefix: &str, group: &str, own: &ConfigDef, kind: Aliased) {
    let mut keys: Vec<ConfigKey> = own.keys().cloned().collect();
    if kind == Aliased::Transforms {
        keys.push(
            ConfigKey::new("predicate", ConfigType::String)
                .optional()
                .doc("Alias of a predicate that decides whether the transformation applies."),
        );
        keys.push(
            ConfigKey::new("negate", ConfigType::Boolean)
                .default("false")
                .doc("Whether the predicate's answer is turned around."),
        );
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

fn text<'a>(values: &'a IndexMap<String, ValidatedKey>, key: &str) -> &'a str {
    match values.get(key).map(|value| &value.value) {
        Some(ConfigValue::String(text) | ConfigValue::Class(text)) => text,
        _ => "",
    }
}

fn sink_rules(values: &mut IndexMap<String, ValidatedKey>, worker: &WorkerConfig, props: &Props) {
    let topics = match values.get("topics").map(|value| &value.value) {
        Some(ConfigValue::List(topics)) => topics.clone(),
        _ => Vec::new(),
    };
    let regex = text(values, "topics.regex").to_owned();
    let dlq = text(values, "errors.deadletterqueue.topic.name")
        .trim()
        .to_owned();
    let has_topics = props
        .get("topics")
        .is_some_and(|text| !text.trim().is_empty());
    match (has_topics, !regex.is_empty()) {
        (true, true) => {
            let fault = "topics and topics.regex are mutually exclusive options, but both are set.";
            add_fault(values, "topics", fault.to_owned());
            add_fault(values, "topics.regex", fault.to_owned());
        }
        (false, false) => {
            let fault = "Must configure one of topics or topics.regex";
            add_fault(values, "topics", fault.to_owned());
            add_fault(values, "topics.regex", fault.to_owned());
        }
        _ => {}
    }
    if !dlq.is_empty() {
        if topics.contains(&dlq) {
            add_fault(
                values,
                "topics",
                format!(
                    "The DLQ topic '{dlq}' may not be included in the list of topics ('topics=[{}]') consumed by the connector",
                    topics.join(", ")
                ),
            );
        }
        let matches = !regex.is_empty()
            && JavaRegex::new(&regex).is_ok_and(|regex| regex.matches(&dlq).unwrap_or(false));
        if matches {
            add_fault(
                values,
                "topics.regex",
                format!(
                    "The DLQ topic '{dlq}' may not be matched by the regex for the topics ('topics.regex={regex}') consumed by the connector"
                ),
            );
        }
    }
    if worker.mode == Mode::Distributed {
        let name = text(values, "name").to_owned();
        let own_group = props.get("consumer.override.group.id");
        let group = own_group
            .cloned()
            .unwrap_or_else(|| format!("connect-{name}"));
        if group == worker.group_id() {
            match own_group {
                Some(_) => add_fault(
                    values,
                    "consumer.override.group.id",
                    format!(
                        "Consumer group {group} conflicts with Connect worker group {}",
                        worker.group_id()
                    ),
                ),
                None => add_fault(
                    values,
                    "name",
                    format!(
                        "Consumer group for sink connector named {name} conflicts with Connect worker group {}",
                        worker.group_id()
                    ),
                ),
            }
        }
    }
}

fn source_rules(
    values: &mut IndexMap<String, ValidatedKey>,
    worker: &WorkerConfig,
    connector: &dyn Connector,
    props: &Props,
) {
    let without_fault = |values: &IndexMap<String, ValidatedKey>, key: &str| {
        values.get(key).is_some_and(|value| value.errors.is_empty())
    };
    if without_fault(values, "exactly.once.support")
        && text(values, "exactly.once.support").eq_ignore_ascii_case("required")
    {
        let fault = if worker.exactly_once() != worker_config::ExactlyOnceSupport::Enabled {
            Some("This worker does not have exactly-once source support enabled.".to_owned())
        } else {
            match connector.exactly_once_support(props) {
                Some(ExactlyOnceSupport::Supported) => None,
                Some(ExactlyOnceSupport::Unsupported) => Some(
                    "The connector does not support exactly-once semantics with the provided configuration.".to_owned(),
                ),
                None => Some(
                    "The connector does not implement the API required for preflight validation of exactly-once source support. Please consult the documentation for the connector to determine whether it supports exactly-once semantics, and then consider reconfiguring the connector to use the value \"requested\" for this property (which will disable this preflight check).".to_owned(),
                ),
            }
        };
        if let Some(fault) = fault {
            add_fault(values, "exactly.once.support", fault);
        }
    }
    if without_fault(values, "transaction.boundary")
        && text(values, "transaction.boundary").eq_ignore_ascii_case("connector")
        && !connector.can_define_transaction_boundaries(props)
    {
        add_fault(
            values,
            "transaction.boundary",
            "The connector does not support connector-defined transaction boundaries with the given configuration. Please reconfigure it to use a different transaction boundary definition.".to_owned(),
        );
    }
}

/// A key with its definition, for the parts of the answer behind the connector's own keys.
type Entry = (Option<ConfigKey>, ValidatedKey);

fn converter_entries(
    plugins: &Plugins,
    values: &mut IndexMap<String, ValidatedKey>,
    props: &Props,
) -> Vec<Entry> {
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
        let mut own = worker_config::with_prefix(props, &prefix);
        own.entry("converter.type".to_owned())
            .or_insert_with(|| kind.to_owned());
        let def = def();
        for mut result in def.validate(&own) {
            let definition = def.get(&result.name).cloned().map(|mut key| {
                key.name = format!("{prefix}{}", key.name);
                key
            });
            result.name = format!("{prefix}{}", result.name);
            entries.push((definition, result));
        }
    }
    entries
}

fn override_entries(worker: &WorkerConfig, kind: ConnectorType, props: &Props) -> Vec<Entry> {
    let dlq = props
        .get("errors.deadletterqueue.topic.name")
        .is_some_and(|topic| !topic.trim().is_empty());
    let exactly_once = worker.exactly_once() == worker_config::ExactlyOnceSupport::Enabled;
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
    let policy = OverridePolicy::new(worker);
    let mut entries = Vec::new();
    for (prefix, checked) in groups {
        if !checked {
            continue;
        }
        for (key, value) in worker_config::with_prefix(props, prefix) {
            let mut result = ValidatedKey::new(format!("{prefix}{key}"));
            result.value = ConfigValue::String(if looks_secret(&key) {
                "[hidden]".to_owned()
            } else {
                value
            });
            result.errors.extend(policy.refuse(&key));
            entries.push((None, result));
        }
    }
    entries
}

fn compose(
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

fn key_info(key: &ConfigKey) -> ConfigKeyInfo {
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
