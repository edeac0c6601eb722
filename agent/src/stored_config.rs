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
    /// What it says.
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
