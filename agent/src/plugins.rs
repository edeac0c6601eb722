//! The one visible list of everything that `connector.class` and its like can name.
//!
//! A new plugin is a line in [`Plugins::built_in`]. Names are Java class names, so that existing
//! configurations run unchanged; the short forms of JVM Connect work too: the simple name, with or
//! without its suffix.

use std::sync::Arc;

use sluice_api::ConnectError;
use sluice_api::connector::Connector;
use sluice_api::plugin::{
    ConfigProviderPlugin, ConverterPlugin, Definition, HeaderConverterPlugin, PredicatePlugin,
    SinkConnectorPlugin, SourceConnectorPlugin, TransformationPlugin,
};
use sluice_protocol::ConnectorType;
use sluice_protocol::rest::{PluginInfo, PluginType};

/// Why there is no connector of a class, in the words of the JVM worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoConnector {
    /// The worker's file excludes it.
    #[error(
        "{0} is not allowed on this worker, by sluice.plugins.allow or sluice.plugins.deny in its file"
    )]
    NotAllowed(String),
    /// This program was built without it.
    #[error(
        "{class} is not in this build of Sluice: it needs the feature {feature} (cargo build --release \
         --features full)"
    )]
    NotBuilt {
        /// As it was given.
        class: String,
        /// The feature that brings it.
        feature: &'static str,
    },
    /// None has this class name or alias.
    #[error(
        "Failed to find any class that implements Connector and which name matches {class}, available \
         connectors are: {known}"
    )]
    Unknown {
        /// As it was given.
        class: String,
        /// Those there are, as Java shows their descriptors.
        known: String,
    },
}

impl From<NoConnector> for ConnectError {
    fn from(error: NoConnector) -> Self {
        Self::connect(error.to_string())
    }
}

/// A connector of either direction.
#[derive(Clone)]
pub enum ConnectorPlugin {
    /// Reads another system, and its records go into Kafka.
    Source(SourceConnectorPlugin),
    /// Is given records out of Kafka.
    Sink(SinkConnectorPlugin),
}

impl ConnectorPlugin {
    /// Full class name, as `connector.class` has it.
    pub fn class(&self) -> &str {
        match self {
            Self::Source(plugin) => &plugin.class,
            Self::Sink(plugin) => &plugin.class,
        }
    }

    /// Full name of the class of its tasks.
    pub fn task_class(&self) -> &str {
        match self {
            Self::Source(plugin) => &plugin.task_class,
            Self::Sink(plugin) => &plugin.task_class,
        }
    }

    /// Version of the class, as `GET /connector-plugins` answers it.
    pub fn version(&self) -> &str {
        match self {
            Self::Source(plugin) => &plugin.version,
            Self::Sink(plugin) => &plugin.version,
        }
    }

    /// Whether it is a source or a sink.
    pub fn kind(&self) -> ConnectorType {
        match self {
            Self::Source(_) => ConnectorType::Source,
            Self::Sink(_) => ConnectorType::Sink,
        }
    }

    /// Its own keys, without those that all connectors have.
    pub fn config_def(&self) -> &Definition {
        match self {
            Self::Source(plugin) => &plugin.config_def,
            Self::Sink(plugin) => &plugin.config_def,
        }
    }

    /// A new connector, which is not started.
    pub fn new_connector(&self) -> Box<dyn Connector> {
        match self {
            Self::Source(plugin) => (plugin.new_connector)(),
            Self::Sink(plugin) => (plugin.new_connector)(),
        }
    }
}

/// The connectors that come with a feature, so that a build without it can say which.
const BY_FEATURE: [(&str, &str); 9] = [
    ("io.aiven.kafka.connect.http.HttpSinkConnector", "http"),
    ("io.confluent.connect.hdfs.HdfsSinkConnector", "hdfs"),
    ("io.confluent.connect.hdfs3.Hdfs3SinkConnector", "hdfs"),
    ("io.confluent.connect.http.HttpSinkConnector", "http"),
    ("io.confluent.connect.jdbc.JdbcSinkConnector", "jdbc"),
    ("io.confluent.connect.jdbc.JdbcSourceConnector", "jdbc"),
    (
        "org.apache.kafka.connect.mirror.MirrorCheckpointConnector",
        "mirror",
    ),
    (
        "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
        "mirror",
    ),
    (
        "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        "mirror",
    ),
];

/// All plugins of a worker.
#[derive(Clone, Default)]
pub struct Plugins {
    sinks: Vec<SinkConnectorPlugin>,
    sources: Vec<SourceConnectorPlugin>,
    transformations: Vec<TransformationPlugin>,
    predicates: Vec<PredicatePlugin>,
    converters: Vec<ConverterPlugin>,
    header_converters: Vec<HeaderConverterPlugin>,
    /// Classes of this build that the worker's settings leave out, so that errors can say so.
    denied: Vec<Arc<str>>,
}

impl Plugins {
    /// Everything this build has.
    pub fn built_in() -> Self {
        let mut plugins = Self {
            sinks: vec![sluice_connector_file::sink()],
            sources: vec![
                sluice_connector_file::source(),
                sluice_connector_datagen::source(),
                sluice_connector_datagen::source_of_confluent(),
            ],
            transformations: sluice_plugins::transforms::transformations(),
            predicates: sluice_plugins::predicates::predicates(),
            converters: sluice_plugins::converters(),
            header_converters: sluice_plugins::header_converters(),
            denied: Vec::new(),
        };
        #[cfg(feature = "mirror")]
        plugins.sources.extend(sluice_connector_mirror::plugins());
        #[cfg(feature = "http")]
        plugins.sinks.extend([
            sluice_connector_http::sink(),
            sluice_connector_http_confluent::sink(),
        ]);
        #[cfg(feature = "jdbc")]
        plugins.sources.push(sluice_connector_jdbc::source());
        #[cfg(feature = "jdbc")]
        plugins.sinks.push(sluice_connector_jdbc::sink());
        #[cfg(feature = "hdfs")]
        plugins.sinks.extend([
            sluice_connector_hdfs::sink(),
            sluice_connector_hdfs::sink_of_hdfs_3(),
        ]);
        plugins.sinks.sort_by(|a, b| a.class.cmp(&b.class));
        plugins.sources.sort_by(|a, b| a.class.cmp(&b.class));
        plugins
            .transformations
            .sort_by(|a, b| a.class.cmp(&b.class));
        plugins.predicates.sort_by(|a, b| a.class.cmp(&b.class));
        plugins.converters.sort_by(|a, b| a.class.cmp(&b.class));
        plugins
            .header_converters
            .sort_by(|a, b| a.class.cmp(&b.class));
        plugins
    }

    /// Those that a worker lets its users have: of connectors, with `allow` none but these; of all
    /// kinds none that `deny` names. An entry is a class, one of its aliases, or the beginning of
    /// classes with `*` behind it.
    #[must_use]
    pub fn restricted(mut self, allow: &[String], deny: &[String]) -> Self {
        let mut denied = Vec::new();
        let mut keeps = |class: &Arc<str>, suffix: &str| {
            let named = |list: &[String]| {
                list.iter()
                    .any(|entry| match entry.trim().strip_suffix('*') {
                        Some(beginning) => class.starts_with(beginning),
                        None => is_named(class, suffix, entry),
                    })
            };
            let allowed = suffix != "Connector" || allow.is_empty() || named(allow);
            let keeps = allowed && !named(deny);
            if !keeps {
                denied.push(Arc::clone(class));
            }
            keeps
        };
        self.sinks
            .retain(|plugin| keeps(&plugin.class, "Connector"));
        self.sources
            .retain(|plugin| keeps(&plugin.class, "Connector"));
        self.transformations
            .retain(|plugin| keeps(&plugin.class, "Transformation"));
        self.predicates
            .retain(|plugin| keeps(&plugin.class, "Predicate"));
        self.converters
            .retain(|plugin| keeps(&plugin.class, "Converter"));
        self.header_converters
            .retain(|plugin| keeps(&plugin.class, "HeaderConverter"));
        self.denied = denied;
        self
    }

    /// Adds a source connector of a test.
    #[cfg(test)]
    pub(crate) fn with_source(mut self, plugin: SourceConnectorPlugin) -> Self {
        self.sources.push(plugin);
        self
    }

    /// The config providers of this build, which `config.providers.A.class` can name.
    pub fn config_providers() -> Vec<ConfigProviderPlugin> {
        sluice_plugins::config_providers::config_providers()
    }

    /// Finds a connector by class name or alias.
    ///
    /// # Errors
    /// There is none, or the worker's file excludes it.
    pub fn connector(&self, name: &str) -> Result<ConnectorPlugin, NoConnector> {
        self.connectors()
            .find(|plugin| is_named(plugin.class(), "Connector", name))
            .ok_or_else(|| {
                if self
                    .denied
                    .iter()
                    .any(|class| is_named(class, "Connector", name))
                {
                    return NoConnector::NotAllowed(name.to_owned());
                }
                if let Some((_, feature)) = BY_FEATURE
                    .iter()
                    .find(|(class, _)| is_named(class, "Connector", name))
                {
                    return NoConnector::NotBuilt {
                        class: name.to_owned(),
                        feature,
                    };
                }
                let known: Vec<String> = self
                    .connectors()
                    .map(|plugin| {
                        format!(
                            "PluginDesc{{klass=class {}, name='{0}', version='{}', type={}}}",
                            plugin.class(),
                            plugin.version(),
                            plugin.kind()
                        )
                    })
                    .collect();
                NoConnector::Unknown {
                    class: name.to_owned(),
                    known: known.join(", "),
                }
            })
    }

    /// All connectors, sinks first.
    pub fn connectors(&self) -> impl Iterator<Item = ConnectorPlugin> {
        self.sinks
            .iter()
            .map(|plugin| ConnectorPlugin::Sink(plugin.clone()))
            .chain(
                self.sources
                    .iter()
                    .map(|plugin| ConnectorPlugin::Source(plugin.clone())),
            )
    }

    /// Finds a converter by class name or alias.
    pub fn converter(&self, name: &str) -> Option<ConverterPlugin> {
        self.converters
            .iter()
            .find(|plugin| is_named(&plugin.class, "Converter", name))
            .cloned()
    }

    /// Finds a header converter by class name or alias.
    pub fn header_converter(&self, name: &str) -> Option<HeaderConverterPlugin> {
        self.header_converters
            .iter()
            .find(|plugin| {
                is_named(&plugin.class, "HeaderConverter", name)
                    || is_named(&plugin.class, "Converter", name)
            })
            .cloned()
    }

    /// Finds a transformation by class name or alias.
    pub fn transformation(&self, name: &str) -> Option<TransformationPlugin> {
        self.transformations
            .iter()
            .find(|plugin| is_named(&plugin.class, "Transformation", name))
            .cloned()
    }

    /// Finds a predicate by class name or alias.
    pub fn predicate(&self, name: &str) -> Option<PredicatePlugin> {
        self.predicates
            .iter()
            .find(|plugin| is_named(&plugin.class, "Predicate", name))
            .cloned()
    }

    /// Class names of all plugins of a kind, sorted.
    pub fn classes(&self, kind: PluginType) -> Vec<String> {
        self.infos()
            .filter(|info| info.plugin_type == kind)
            .map(|info| info.class)
            .collect()
    }

    /// The listing of the REST API, in its order of kinds.
    pub fn infos(&self) -> impl Iterator<Item = PluginInfo> {
        let info = |class: &str, plugin_type, version: &str| PluginInfo {
            class: class.to_owned(),
            plugin_type,
            version: Some(version.to_owned()),
        };
        let sinks = self
            .sinks
            .iter()
            .map(move |p| info(&p.class, PluginType::Sink, &p.version));
        let sources = self
            .sources
            .iter()
            .map(move |p| info(&p.class, PluginType::Source, &p.version));
        let transformations = self
            .transformations
            .iter()
            .map(move |p| info(&p.class, PluginType::Transformation, &p.version));
        let predicates = self
            .predicates
            .iter()
            .map(move |p| info(&p.class, PluginType::Predicate, &p.version));
        let converters = self
            .converters
            .iter()
            .map(move |p| info(&p.class, PluginType::Converter, &p.version));
        let header_converters = self
            .header_converters
            .iter()
            .map(move |p| info(&p.class, PluginType::HeaderConverter, &p.version));
        sinks
            .chain(sources)
            .chain(transformations)
            .chain(predicates)
            .chain(converters)
            .chain(header_converters)
    }

    /// Class, kind, version and keys of the plugin with a name, whatever its kind.
    pub fn any(&self, name: &str) -> Option<(PluginInfo, Definition)> {
        let info = self.infos().find(|info| {
            let suffix = match info.plugin_type {
                PluginType::Sink | PluginType::Source => "Connector",
                PluginType::Transformation => "Transformation",
                PluginType::Predicate => "Predicate",
                PluginType::HeaderConverter => "HeaderConverter",
                PluginType::Converter | PluginType::Unknown => "Converter",
            };
            is_named(&info.class, suffix, name)
        })?;
        let def = match info.plugin_type {
            PluginType::Sink | PluginType::Source => {
                self.connector(&info.class).ok()?.config_def().clone()
            }
            PluginType::Transformation => self.transformation(&info.class)?.config_def,
            PluginType::Predicate => self.predicate(&info.class)?.config_def,
            PluginType::Converter => self.converter(&info.class)?.config_def,
            PluginType::HeaderConverter => self.header_converter(&info.class)?.config_def,
            PluginType::Unknown => return None,
        };
        Some((info, def))
    }
}

/// True if `name` is the class or one of its aliases; blanks around it do not count, as for all
/// values of type class. Nested classes such as `Cast$Value` have no alias.
fn is_named(class: &str, suffix: &str, name: &str) -> bool {
    let name = name.trim();
    if class == name {
        return true;
    }
    let simple = class.rsplit('.').next().unwrap_or(class);
    !simple.contains('$') && (simple == name || simple.strip_suffix(suffix) == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_is_found_by_class_simple_name_and_short_name() {
        let plugins = Plugins::built_in();
        for name in [
            "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "FileStreamSourceConnector",
            "FileStreamSource",
        ] {
            assert_eq!(
                plugins.connector(name).ok().unwrap().kind(),
                ConnectorType::Source
            );
        }
    }

    #[test]
    fn an_unknown_connector_is_answered_with_the_known_ones() {
        let Err(error) = Plugins::built_in().connector("Nope") else {
            panic!("found")
        };
        assert!(error.to_string().starts_with(
            "Failed to find any class that implements Connector and which name matches Nope, \
             available connectors are: "
        ));
        assert!(error.to_string().contains("FileStreamSinkConnector"));
    }

    #[test]
    fn what_is_denied_or_not_allowed_is_not_there_and_the_error_says_why() {
        let list =
            |entries: &[&str]| -> Vec<String> { entries.iter().map(|e| (*e).to_owned()).collect() };
        let denied =
            Plugins::built_in().restricted(&[], &list(&["FileStreamSink", "io.confluent.*"]));
        assert!(denied.connector("FileStreamSource").is_ok());
        for name in [
            "FileStreamSink",
            "org.apache.kafka.connect.file.FileStreamSinkConnector",
        ] {
            let Err(error) = denied.connector(name) else {
                panic!("{name} is there")
            };
            assert!(error.to_string().contains("sluice.plugins.deny"), "{error}");
        }
        assert!(
            denied
                .converter("io.confluent.connect.avro.AvroConverter")
                .is_none()
        );

        let allowed =
            Plugins::built_in().restricted(&list(&["org.apache.kafka.*"]), &list(&["*Sink"]));
        assert!(
            allowed.connector("FileStreamSink").is_ok(),
            "a star stands at the end alone"
        );
        assert!(allowed.connector("HttpSink").is_err());
        assert!(
            allowed
                .connectors()
                .all(|plugin| plugin.class().starts_with("org.apache.kafka."))
        );
        assert!(
            allowed
                .converter("io.confluent.connect.avro.AvroConverter")
                .is_some()
        );
    }

    #[test]
    fn a_connector_that_was_not_built_names_its_feature() {
        let built = |feature: &str| match feature {
            "hdfs" => cfg!(feature = "hdfs"),
            "http" => cfg!(feature = "http"),
            "jdbc" => cfg!(feature = "jdbc"),
            "mirror" => cfg!(feature = "mirror"),
            other => panic!("{other} is not a feature"),
        };
        let plugins = Plugins::built_in();
        for (class, feature) in BY_FEATURE {
            match plugins.connector(class) {
                Ok(_) => assert!(built(feature), "{class} does not come with {feature}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(&format!("the feature {feature} ")), "{text}");
                    assert!(!built(feature), "{class}");
                }
            }
        }
        // Whatever a feature adds is listed: only files and generated data are always there.
        for plugin in plugins.connectors() {
            let class = plugin.class();
            let always = class.contains(".file.") || class.contains(".datagen.");
            let listed = BY_FEATURE.iter().any(|(known, _)| *known == class);
            assert_eq!(listed, !always, "{class}");
        }
    }

    #[test]
    fn blanks_around_a_name_do_not_count() {
        let plugins = Plugins::built_in();
        let hoist = " org.apache.kafka.connect.transforms.HoistField$Key\t";
        assert!(plugins.transformation(hoist).is_some());
        assert!(plugins.connector(" FileStreamSink ").is_ok());
    }

    #[test]
    fn nested_classes_have_no_alias() {
        assert!(is_named(
            "a.b.Cast$Value",
            "Transformation",
            "a.b.Cast$Value"
        ));
        assert!(!is_named("a.b.Cast$Value", "Transformation", "Cast$Value"));
    }
}
