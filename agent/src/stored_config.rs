//! Configurations of connectors and tasks as they are put to use after they were stored: with values
//! for variables, within reach, and as settings.

use std::sync::Arc;

use sluice_api::config::Props;
use sluice_api::error::ConnectError;
use sluice_protocol::ConfigMap;

use crate::config_transformer::Resolved;
use crate::connector_reach::faults;
use crate::plugins::{ConnectorPlugin, NoConnector, Plugins};
use crate::properties::given;
use crate::settings::{ConnectorSettings, WorkerSettings};

/// A stored configuration with values for variables, and nothing out of reach in it.
///
/// # Errors
/// A config provider failed, or a key names what is out of reach: the configuration was stored
/// before the worker's file said so, or by another worker.
pub(crate) fn usable(
    plugins: &Plugins,
    worker: &WorkerSettings,
    config: &ConfigMap,
) -> Result<Resolved, ConnectError> {
    let resolved = worker.transformer.resolve(&given(config))?;
    match faults(plugins, &worker.reach, &resolved.props)
        .into_iter()
        .next()
    {
        None => Ok(resolved),
        Some(fault) => Err(resolved.hide_in(&fault.into())),
    }
}

/// The plugin that a configuration names, which says by which table its keys are read.
///
/// # Errors
/// There is none of that class, in Kafka's words.
pub(crate) fn plugin_of(plugins: &Plugins, props: &Props) -> Result<ConnectorPlugin, NoConnector> {
    let class = props.get("connector.class");
    plugins.connector(class.map_or("", String::as_str))
}

/// A stored configuration of a connector.
pub(crate) struct StoredConnector {
    /// The plugin it names.
    pub plugin: ConnectorPlugin,
    /// What it is set to.
    pub settings: Arc<ConnectorSettings>,
    /// Hides values of variables again.
    pub resolved: Arc<Resolved>,
}

impl StoredConnector {
    /// The connector that a configuration describes.
    ///
    /// # Errors
    /// Those of [`usable`], there is no such connector, or a key is at fault.
    pub(crate) fn new(
        plugins: &Plugins,
        worker: &WorkerSettings,
        config: &ConfigMap,
    ) -> Result<Self, ConnectError> {
        let resolved = usable(plugins, worker, config)?;
        let plugin = plugin_of(plugins, &resolved.props)?;
        let settings = ConnectorSettings::new(worker, plugin.kind(), resolved.props.clone())
            .map_err(|fault| resolved.hide_in(&fault.into()))?;
        Ok(Self {
            plugin,
            settings: Arc::new(settings),
            resolved: Arc::new(resolved),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Mode;

    /// What becomes of a stored configuration on a worker with a provider `env` that knows `MANY`.
    fn stored(more: &[(&str, &str)]) -> Result<StoredConnector, ConnectError> {
        let worker = [
            ("bootstrap.servers", "localhost:9092"),
            ("key.converter", "StringConverter"),
            ("value.converter", "StringConverter"),
            ("offset.storage.file.filename", "o"),
            ("config.providers", "env"),
            (
                "config.providers.env.class",
                "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            ),
        ];
        let worker = worker.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let environment = [("MANY".to_owned(), "geheim".to_owned())].into();
        let worker = WorkerSettings::with_environment(
            worker.into_iter().collect(),
            Mode::Standalone,
            &environment,
        );
        let connector = [("name", "c"), ("connector.class", "FileStreamSource")];
        let config: ConfigMap = connector.iter().chain(more).copied().collect();
        StoredConnector::new(&Plugins::built_in(), &worker.unwrap(), &config)
    }

    #[test]
    fn a_stored_configuration_becomes_settings_with_values_for_variables() {
        let stored = stored(&[("topic", "${env:MANY}"), ("tasks.max", "3")]).unwrap();
        assert_eq!(stored.settings.tasks_max, 3);
        assert_eq!(stored.settings.props["topic"], "geheim");
        assert_eq!(
            stored.plugin.task_class(),
            "org.apache.kafka.connect.file.FileStreamSourceTask"
        );
    }

    #[test]
    fn a_value_that_became_faulty_is_an_error_and_hidden_again() {
        let fault = |key: &str, value: &str| match stored(&[(key, value)]) {
            Ok(stored) => panic!("{:?}", stored.settings),
            Err(error) => error.message().to_owned(),
        };
        assert_eq!(
            fault("tasks.max", "${env:MANY}"),
            "Invalid value ${env:MANY} for configuration tasks.max: Not a number of type INT"
        );
        assert_eq!(
            fault("errors.retry.timeout", "soon"),
            "Invalid value soon for configuration errors.retry.timeout: Not a number of type LONG"
        );
        let missing = fault("topic.creation.default.partitions", "1");
        assert!(
            missing.contains("topic.creation.default.replication.factor"),
            "{missing}"
        );
        let class = fault("connector.class", "com.example.No");
        assert!(class.contains("com.example.No"), "{class}");
    }
}
