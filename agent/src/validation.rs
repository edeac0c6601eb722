//! Validation of connector configurations: every fault of every key at once, in the composition of
//! the REST answer (Kafka's `AbstractHerder.validateConnectorConfig`).

mod aliases;
mod answer;
mod prefixed;
mod rules;

use std::time::Duration;

use indexmap::IndexMap;
use sluice_api::ConnectError;
use sluice_api::config::{ConfigDef, Password, Props, ValidatedKey};
use sluice_protocol::rest::{ConfigInfos, ConfigKeyInfo, PluginType};
use sluice_protocol::{ConfigMap, ConnectorType};

use aliases::{Aliased, FoundAliases, add_aliased, concrete_classes};
use answer::{compose, key_info};
use prefixed::{converter_entries, override_entries};
use rules::{sink_rules, source_rules};

use crate::config_transformer::Resolved;
use crate::connector_reach;
use crate::plugin_version::VersionRange;
use crate::plugins::{ConnectorPlugin, NoConnector, Plugins};
use crate::properties::given;
use crate::settings::keys::connector::{ConverterSuggestion, Suggestions, definition};
use crate::settings::{PluginChoice, WorkerSettings};

/// Why a configuration cannot be validated at all, or is refused, in the words of the JVM worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidationError {
    /// It is at fault.
    #[error("{0}")]
    Invalid(String),
    /// There is no plugin of this name.
    #[error("Unknown plugin {0}.")]
    UnknownPlugin(String),
    /// Its variables have no values, or a plugin does not answer.
    #[error("{0}")]
    Failed(String),
}

impl ValidationError {
    fn mapped(self, map: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Invalid(text) => Self::Invalid(map(&text)),
            Self::UnknownPlugin(name) => Self::UnknownPlugin(map(&name)),
            Self::Failed(text) => Self::Failed(map(&text)),
        }
    }
}

impl From<NoConnector> for ValidationError {
    fn from(error: NoConnector) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// A plugin that failed while it was asked: class and message, as `Throwable.toString` has them.
impl From<ConnectError> for ValidationError {
    fn from(error: ConnectError) -> Self {
        let class = error.class_name();
        Self::Failed(match error.message() {
            "" => class.to_owned(),
            message => format!("{class}: {message}"),
        })
    }
}

/// Validates a connector configuration.
///
/// # Errors
/// There is no connector to validate it with, or its checks do not end.
pub async fn validate(
    plugins: &Plugins,
    worker: &WorkerSettings,
    config: &ConfigMap,
) -> Result<ConfigInfos, ValidationError> {
    validate_with(plugins, worker, config, OwnChecks::Made).await
}

/// Whether a connector is asked for what its definition cannot show, for which it may connect to its system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnChecks {
    /// It is, as by REST.
    Made,
    /// Definitions decide alone, and nothing is connected to.
    Skipped,
}

/// Validates a connector configuration, with or without the connector's own checks.
///
/// # Errors
/// There is no connector to validate it with, or its checks do not end.
pub async fn validate_with(
    plugins: &Plugins,
    worker: &WorkerSettings,
    config: &ConfigMap,
    own: OwnChecks,
) -> Result<ConfigInfos, ValidationError> {
    let resolved = worker
        .transformer
        .resolve(&given(config))
        .map_err(|error| ValidationError::Failed(error.to_string()))?;
    match validate_resolved(plugins, worker, config, &resolved.props, own).await {
        Ok(infos) => Ok(with_variables(infos, &resolved)),
        Err(error) => Err(error.mapped(|text| resolved.hide(text))),
    }
}

/// Shows the text with variables instead of the values that came from config providers. (A JVM
/// worker shows the values.)
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

/// Time for all checks of a configuration, as for every request of REST
/// (`RestClient.DEFAULT_REST_REQUEST_TIMEOUT_MS`).
const LIMIT: Duration = Duration::from_secs(90);

/// What a connector's checks find, which may wait for a system that does not answer.
async fn within<T>(
    limit: Duration,
    class: &str,
    checks: impl Future<Output = T>,
) -> Result<T, ValidationError> {
    tokio::time::timeout(limit, checks).await.map_err(|_| {
        ValidationError::Failed(format!(
            "Request timed out. {class} did not end its checks within {limit:?}; does the system \
             that it connects to answer?"
        ))
    })
}

/// Finds the connector of a configuration and has everything checked, within the time of a request.
async fn validate_resolved(
    plugins: &Plugins,
    worker: &WorkerSettings,
    config: &ConfigMap,
    props: &Props,
    own: OwnChecks,
) -> Result<ConfigInfos, ValidationError> {
    let class = props
        .get("connector.class")
        .filter(|class| !class.is_empty())
        .ok_or_else(|| {
            ValidationError::Invalid(format!(
                "Connector config {} contains no connector type",
                shown(config)
            ))
        })?;
    let plugin = plugins.connector(class)?;
    if let Some(infos) = wrong_version(&plugin, class, props)? {
        return Ok(infos);
    }
    let checks = validate_by(&plugin, plugins, worker, config, props, own);
    within(LIMIT, plugin.class(), checks).await?
}

async fn validate_by(
    plugin: &ConnectorPlugin,
    plugins: &Plugins,
    worker: &WorkerSettings,
    config: &ConfigMap,
    props: &Props,
    own: OwnChecks,
) -> Result<ConfigInfos, ValidationError> {
    let connector = plugin.new_connector();
    let connector_def = plugin.config_def().get().await?;
    let mut framework_def = definition(
        plugin.kind(),
        &suggestions(plugins, worker, props, plugin.version()),
    );
    let mut found = FoundAliases::default();
    for kind in [Aliased::Transforms, Aliased::Predicates] {
        add_aliased(&mut framework_def, &mut found, plugins, props, kind).await?;
    }
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
        ConnectorType::Source => {
            source_rules(&mut values, worker, connector.as_ref(), props).await?;
        }
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

    let mut converters = converter_entries(plugins, &mut values, props).await?;
    let mut overrides = override_entries(worker, plugin.kind(), props);

    for result in connector.validate_config(&connector_def, props).await? {
        // The connector's word on a key replaces the framework's.
        values.insert(result.name.clone(), result);
    }
    let mut faults = connector_reach::faults(plugins, &worker.reach, props);
    if faults.is_empty() && own == OwnChecks::Made {
        // Never with what is out of reach: what the checks find there would be in the answer.
        faults = connector.validate(props).await;
    }
    for fault in faults {
        let mut behind = overrides.iter_mut().chain(&mut converters);
        match behind.find(|(_, value)| value.name == fault.key) {
            Some((_, value)) => value.errors.push(fault.message),
            None => add_fault(&mut values, &fault.key, fault.message),
        }
    }

    Ok(compose(
        props.get("connector.class").map_or("", String::as_str),
        &framework_def,
        &connector_def,
        values,
        overrides,
        converters,
    ))
}

/// Refuses to create or update a connector with faults (`AbstractHerder.maybeAddConfigErrors`).
///
/// # Errors
/// All faults of all keys as one text.
pub fn refuse_faults(infos: &ConfigInfos) -> Result<(), ValidationError> {
    if infos.error_count == 0 {
        return Ok(());
    }
    let errors: Vec<&str> = infos
        .configs
        .iter()
        .filter_map(|config| config.value.as_ref())
        .flat_map(|value| value.errors.iter().map(String::as_str))
        .collect();
    Err(ValidationError::Invalid(format!(
        "Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can \
         also find the above list of errors at the endpoint \
         `/connector-plugins/{{connectorType}}/config/validate`",
        infos.error_count,
        errors.join("\n")
    )))
}

/// The keys of a plugin as `GET /connector-plugins/{p}/config` lists them.
///
/// # Errors
/// The plugin is unknown, or not there in this version.
pub async fn plugin_config(
    plugins: &Plugins,
    name: &str,
    version: Option<&str>,
) -> Result<Vec<ConfigKeyInfo>, ValidationError> {
    let (info, definition_of_plugin) = plugins.any(name).ok_or_else(|| {
        if concrete_classes(plugins, name).is_empty() {
            ValidationError::UnknownPlugin(name.to_owned())
        } else {
            // The JVM worker tries to make an abstract class.
            ValidationError::Failed("Instantiation error".to_owned())
        }
    })?;
    if let Some(version) = version {
        let installed = info.version.clone().unwrap_or_default();
        let range = VersionRange::parse(version).map_err(|_| {
            ValidationError::Invalid(format!("Invalid version specification: {version}"))
        })?;
        if !range.contains(&installed) {
            return Err(ValidationError::Invalid(no_such_version(
                &info.class,
                &range,
                &installed,
            )));
        }
    }
    let def = within(LIMIT, &info.class, definition_of_plugin.get()).await??;
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
    let framework = definition(kind, &suggestions);
    keys.extend(
        framework
            .keys()
            .filter(|key| !def.contains(&key.name))
            .map(key_info),
    );
    Ok(keys)
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
    worker: &WorkerSettings,
    props: &Props,
    connector_version: &str,
) -> Suggestions {
    let converter = |of_worker: &PluginChoice, kind: PluginType| {
        let class = props.get(&of_worker.key).unwrap_or(&of_worker.class);
        let version = if kind == PluginType::HeaderConverter {
            plugins.header_converter(class).map(|plugin| plugin.version)
        } else {
            plugins.converter(class).map(|plugin| plugin.version)
        };
        ConverterSuggestion {
            classes: plugins.classes(kind),
            worker_class: Some(of_worker.class.clone()),
            version: version.map(|version| version.to_string()),
        }
    };
    Suggestions {
        connector_version: Some(connector_version.to_owned()),
        key_converter: converter(&worker.converters.key, PluginType::Converter),
        value_converter: converter(&worker.converters.value, PluginType::Converter),
        header_converter: converter(&worker.converters.header, PluginType::HeaderConverter),
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
) -> Result<Option<ConfigInfos>, ValidationError> {
    let Some(version) = props.get("connector.plugin.version") else {
        return Ok(None);
    };
    let range = VersionRange::parse(version).map_err(ValidationError::Invalid)?;
    if range.contains(plugin.version()) {
        return Ok(None);
    }
    let fault = no_such_version(plugin.class(), &range, plugin.version());
    let suggestions = Suggestions {
        connector_version: Some(plugin.version().to_owned()),
        ..Suggestions::default()
    };
    let def = definition(ConnectorType::Unknown, &suggestions);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sluice_api::config::{ConfigKey, ConfigType};
    use sluice_api::plugin::{Definition, SourceConnectorPlugin, connectors};
    use sluice_api::{Connector, ConnectorContext, ExactlyOnceSupport};

    use super::*;

    /// A connector of another language, as far as validation sees it: `fails` names what does.
    struct Foreign(&'static str);

    impl Foreign {
        fn outcome<T>(&self, what: &str, done: T) -> Result<T, ConnectError> {
            if self.0 != what {
                return Ok(done);
            }
            let class = "java.lang.NullPointerException";
            let kind = sluice_api::ErrorKind::Connect;
            Err(ConnectError::foreign(kind, class, "", class))
        }
    }

    #[sluice_api::async_trait]
    impl Connector for Foreign {
        async fn start(
            &mut self,
            _: Arc<dyn ConnectorContext>,
            _: &Props,
        ) -> Result<(), ConnectError> {
            Ok(())
        }

        async fn task_configs(&mut self, _: usize) -> Result<Vec<Props>, ConnectError> {
            Ok(Vec::new())
        }

        async fn validate_config(
            &self,
            def: &ConfigDef,
            props: &Props,
        ) -> Result<Vec<ValidatedKey>, ConnectError> {
            let mut keys = self.outcome("validate", def.validate(props))?;
            for key in &mut keys {
                key.recommended_values = vec!["a".to_owned()];
            }
            Ok(keys)
        }

        async fn exactly_once_support(
            &self,
            _: &Props,
        ) -> Result<Option<ExactlyOnceSupport>, ConnectError> {
            self.outcome("exactlyOnceSupport", None)
        }
    }

    fn with_foreign(fails: &'static str) -> Plugins {
        Plugins::built_in().with_source(SourceConnectorPlugin {
            class: "com.example.Foreign".into(),
            task_class: "com.example.Task".into(),
            version: "1".into(),
            config_def: Definition::fetched(move || async move {
                let key = ConfigKey::new("where", ConfigType::String);
                Foreign(fails).outcome("config", Arc::new(ConfigDef::new().define(key)))
            }),
            new_connector: connectors(move || Foreign(fails)),
            start_task: Arc::new(|_| Box::pin(std::future::pending())),
        })
    }

    fn texts(pairs: &[(&str, &str)]) -> Props {
        let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(text).collect()
    }

    async fn validated(
        fails: &'static str,
        of_worker: &[(&str, &str)],
    ) -> Result<ConfigInfos, ValidationError> {
        let mut worker = texts(&[
            ("bootstrap.servers", "127.0.0.1:1"),
            ("group.id", "g"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
            ("exactly.once.source.support", "enabled"),
            ("key.converter", "StringConverter"),
            ("value.converter", "StringConverter"),
        ]);
        worker.extend(texts(of_worker));
        let worker = WorkerSettings::from_props(worker, crate::settings::Mode::Distributed);
        let config: ConfigMap = [
            ("name", "c"),
            ("connector.class", "com.example.Foreign"),
            ("exactly.once.support", "required"),
        ]
        .into_iter()
        .collect();
        validate(&with_foreign(fails), &worker.unwrap(), &config).await
    }

    #[tokio::test]
    async fn a_plugin_that_fails_while_it_is_asked_is_named_by_its_own_exception() {
        for fails in ["config", "validate", "exactlyOnceSupport"] {
            let error = validated(fails, &[]).await.unwrap_err();
            let expected = "java.lang.NullPointerException";
            assert_eq!(
                error,
                ValidationError::Failed(expected.to_owned()),
                "{fails}"
            );
        }
        let keys = plugin_config(&with_foreign("config"), "com.example.Foreign", None).await;
        assert!(matches!(keys, Err(ValidationError::Failed(_))), "{keys:?}");
    }

    #[tokio::test]
    async fn what_a_plugin_says_of_its_keys_is_answered_whole() {
        let infos = validated("", &[]).await.unwrap();
        let values = infos
            .configs
            .iter()
            .filter_map(|config| config.value.as_ref());
        let of = |name: &str| values.clone().find(|value| value.name == name).unwrap();
        assert_eq!(of("where").recommended_values, ["a"]);
        assert!(
            of("where").errors[0].contains("Missing required"),
            "{:?}",
            of("where")
        );
        let once = &of("exactly.once.support").errors;
        assert!(once[0].contains("does not implement the API"), "{once:?}");
        let keys = plugin_config(&with_foreign(""), "com.example.Foreign", None).await;
        assert!(keys.unwrap().iter().any(|key| key.name == "where"));
    }

    /// Definitions of other languages do not say which keys name files and hosts.
    #[tokio::test]
    async fn a_plugin_that_does_not_say_what_it_reaches_is_refused_where_that_is_limited() {
        let infos = validated("", &[("sluice.http.hosts", "only")])
            .await
            .unwrap();
        let values = infos
            .configs
            .iter()
            .filter_map(|config| config.value.as_ref());
        let mut class = values.filter(|value| value.name == "connector.class");
        let errors = &class.next().unwrap().errors;
        assert!(errors[0].contains("sluice.http.hosts"), "{errors:?}");
    }

    #[tokio::test]
    async fn checks_that_never_end_are_an_error_that_names_the_connector() {
        let limit = Duration::from_millis(10);
        let error = within(limit, "com.example.Sink", std::future::pending::<()>());
        let error = error.await.unwrap_err();
        assert!(matches!(error, ValidationError::Failed(_)), "{error:?}");
        assert!(error.to_string().contains("com.example.Sink"), "{error}");
        assert_eq!(
            within(limit, "com.example.Sink", async { 7 }).await.ok(),
            Some(7)
        );
    }
}
