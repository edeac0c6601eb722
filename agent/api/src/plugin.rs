//! Descriptors of plugins: what the worker's list of plugins holds.
//!
//! A descriptor names the Java class that configurations use (`connector.class` and so on), gives the
//! definition of its configuration, and makes new instances.

use crate::config::ConfigDef;
use crate::config_provider::ConfigProvider;
use crate::connector::Connector;
use crate::converter::{Converter, HeaderConverter};
use crate::sink::SinkTask;
use crate::source::SourceTask;
use crate::transformation::{Predicate, Transformation};

/// Version of Kafka Connect that the plugins under Kafka's class names follow, and report as theirs.
pub const KAFKA_VERSION: &str = "4.3.0";

/// A source connector and its task.
#[derive(Clone, Copy)]
pub struct SourceConnectorPlugin {
    /// Full class name of the connector.
    pub class: &'static str,
    /// Full class name of its task (`task.class` in task configurations).
    pub task_class: &'static str,
    /// Version.
    pub version: &'static str,
    /// Definition of its own keys, without those of the framework.
    pub config_def: fn() -> ConfigDef,
    /// A new connector.
    pub new_connector: fn() -> Box<dyn Connector>,
    /// A new task.
    pub new_task: fn() -> Box<dyn SourceTask>,
}

/// A sink connector and its task.
#[derive(Clone, Copy)]
pub struct SinkConnectorPlugin {
    /// Full class name of the connector.
    pub class: &'static str,
    /// Full class name of its task (`task.class` in task configurations).
    pub task_class: &'static str,
    /// Version.
    pub version: &'static str,
    /// Definition of its own keys, without those of the framework.
    pub config_def: fn() -> ConfigDef,
    /// A new connector.
    pub new_connector: fn() -> Box<dyn Connector>,
    /// A new task.
    pub new_task: fn() -> Box<dyn SinkTask>,
}

macro_rules! simple_plugin {
    ($(#[$doc:meta])* $name:ident, $plugin:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name {
            /// Full class name.
            pub class: &'static str,
            /// Version.
            pub version: &'static str,
            /// Definition of its keys.
            pub config_def: fn() -> ConfigDef,
            /// A new, unconfigured instance.
            pub new: fn() -> Box<dyn $plugin>,
        }
    };
}

simple_plugin! {
    /// A converter of keys and values.
    ConverterPlugin, Converter
}
simple_plugin! {
    /// A converter of headers.
    HeaderConverterPlugin, HeaderConverter
}
simple_plugin! {
    /// A transformation.
    TransformationPlugin, Transformation
}
simple_plugin! {
    /// A predicate.
    PredicatePlugin, Predicate
}
/// Variables of the process's environment. Only the binaries read them; everything else is given this.
pub type Environment = std::collections::HashMap<String, String>;

/// A config provider.
#[derive(Clone, Copy)]
pub struct ConfigProviderPlugin {
    /// Full class name.
    pub class: &'static str,
    /// Version.
    pub version: &'static str,
    /// A new, unconfigured instance, which may look into the environment.
    pub new: fn(&Environment) -> Box<dyn ConfigProvider>,
}
