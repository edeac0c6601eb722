//! Descriptors of plugins: what the worker's list of plugins holds.
//!
//! A descriptor names the Java class that configurations use (`connector.class` and so on), gives the
//! definition of its configuration, and makes new instances. It is a value: plugins may be found while the
//! worker runs, so names are shared texts and what makes instances are closures.
//!
//! ```
//! use sluice_api::plugin::PredicatePlugin;
//! use sluice_api::{ConfigDef, ConnectRecord, Predicate, Props, RecordOrigin, Result};
//!
//! /// Records with a value.
//! #[derive(Default)]
//! struct HasValue;
//!
//! impl Predicate for HasValue {
//!     fn configure(&mut self, _props: &Props) -> Result<()> {
//!         Ok(())
//!     }
//!
//!     fn test(&self, record: &ConnectRecord, _origin: &RecordOrigin<'_>) -> Result<bool> {
//!         Ok(!record.value.is_null())
//!     }
//! }
//!
//! let new = || Box::<HasValue>::default() as Box<dyn Predicate>;
//! let plugin = PredicatePlugin::of("com.example.HasValue", "1.0.0", ConfigDef::new, new);
//! assert_eq!(&*plugin.class, "com.example.HasValue");
//! ```

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::config::ConfigDef;
use crate::config_provider::ConfigProvider;
use crate::connector::Connector;
use crate::converter::{Converter, HeaderConverter};
use crate::error::Result;
use crate::sink::{SinkTask, SinkTaskContext};
use crate::source::{SourceTask, SourceTaskContext};
use crate::transformation::{Predicate, Transformation};

/// Version of Kafka Connect that the plugins under Kafka's class names follow, and report as theirs.
pub const KAFKA_VERSION: &str = "4.3.0";

/// Makes new, unconfigured instances.
pub type New<T> = Arc<dyn Fn() -> Box<T> + Send + Sync>;

/// Definitions of configurations: at hand for plugins of this program, fetched for those of others, which
/// may take seconds the first time and may fail.
#[derive(Clone)]
pub struct Definition(Source);

#[derive(Clone)]
enum Source {
    AtHand(Arc<dyn Fn() -> ConfigDef + Send + Sync>),
    Fetched(Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<ConfigDef>>> + Send + Sync>),
}

impl Definition {
    /// One that a function gives.
    pub fn at_hand(definition: impl Fn() -> ConfigDef + Send + Sync + 'static) -> Self {
        Self(Source::AtHand(Arc::new(definition)))
    }

    /// One that has to be fetched; whoever fetches it keeps it.
    pub fn fetched<F>(fetch: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Arc<ConfigDef>>> + Send + 'static,
    {
        Self(Source::Fetched(Arc::new(move || fetch().boxed())))
    }

    /// The definition.
    ///
    /// # Errors
    /// It could not be fetched, or the plugin failed to give it.
    pub async fn get(&self) -> Result<Arc<ConfigDef>> {
        match &self.0 {
            Source::AtHand(definition) => Ok(Arc::new(definition())),
            Source::Fetched(fetch) => fetch().await,
        }
    }

    /// The definition where it is at hand. One that is not says nothing of the files and hosts that its
    /// values name either.
    #[must_use]
    pub fn if_at_hand(&self) -> Option<ConfigDef> {
        match &self.0 {
            Source::AtHand(definition) => Some(definition()),
            Source::Fetched(_) => None,
        }
    }
}

/// Starts a source task, which exists from then on. The future may wait, for the stored offsets or for the
/// external system. Its error makes the task FAILED; what it holds by then is dropped.
pub type StartSourceTask = Arc<
    dyn Fn(Arc<dyn SourceTaskContext>) -> BoxFuture<'static, Result<Box<dyn SourceTask>>>
        + Send
        + Sync,
>;

/// Starts a sink task, as [`StartSourceTask`] a source task.
pub type StartSinkTask = Arc<
    dyn Fn(Arc<dyn SinkTaskContext>) -> BoxFuture<'static, Result<Box<dyn SinkTask>>> + Send + Sync,
>;

/// What makes connectors, of a function that makes one kind of connector.
pub fn connectors<C: Connector + 'static>(
    new: impl Fn() -> C + Send + Sync + 'static,
) -> New<dyn Connector> {
    Arc::new(move || Box::new(new()))
}

/// What starts source tasks, of an async function that answers one kind of task.
pub fn source_tasks<T, F>(
    start: impl Fn(Arc<dyn SourceTaskContext>) -> F + Send + Sync + 'static,
) -> StartSourceTask
where
    T: SourceTask + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    Arc::new(move |context| {
        let started = start(context);
        async move { Ok(Box::new(started.await?) as Box<dyn SourceTask>) }.boxed()
    })
}

/// What starts sink tasks, of an async function that answers one kind of task.
pub fn sink_tasks<T, F>(
    start: impl Fn(Arc<dyn SinkTaskContext>) -> F + Send + Sync + 'static,
) -> StartSinkTask
where
    T: SinkTask + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    Arc::new(move |context| {
        let started = start(context);
        async move { Ok(Box::new(started.await?) as Box<dyn SinkTask>) }.boxed()
    })
}

/// A source connector and its task.
#[derive(Clone)]
pub struct SourceConnectorPlugin {
    /// Full class name of the connector.
    pub class: Arc<str>,
    /// Full class name of its task (`task.class` in task configurations).
    pub task_class: Arc<str>,
    /// Version that REST and the status of connectors show.
    pub version: Arc<str>,
    /// Its own keys, without those of the framework.
    pub config_def: Definition,
    /// A connector that is not started.
    pub new_connector: New<dyn Connector>,
    /// A running task.
    pub start_task: StartSourceTask,
}

/// A sink connector and its task.
#[derive(Clone)]
pub struct SinkConnectorPlugin {
    /// Full class name of the connector.
    pub class: Arc<str>,
    /// Full class name of its task (`task.class` in task configurations).
    pub task_class: Arc<str>,
    /// Version that REST and the status of connectors show.
    pub version: Arc<str>,
    /// Its own keys, without those of the framework.
    pub config_def: Definition,
    /// A connector that is not started.
    pub new_connector: New<dyn Connector>,
    /// A running task.
    pub start_task: StartSinkTask,
}

macro_rules! simple_plugin {
    ($(#[$doc:meta])* $name:ident, $plugin:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            /// Full class name; nested classes with `$`.
            pub class: Arc<str>,
            /// Version that `GET /connector-plugins` shows.
            pub version: Arc<str>,
            /// Definition of its keys.
            pub config_def: Definition,
            /// An instance that is not configured.
            pub new: New<dyn $plugin>,
        }

        impl $name {
            /// From the names, the function that gives the definition, and the one that makes instances.
            pub fn of(
                class: &str,
                version: &str,
                config_def: impl Fn() -> ConfigDef + Send + Sync + 'static,
                new: impl Fn() -> Box<dyn $plugin> + Send + Sync + 'static,
            ) -> Self {
                Self {
                    class: class.into(),
                    version: version.into(),
                    config_def: Definition::at_hand(config_def),
                    new: Arc::new(new),
                }
            }
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
    /// A transformation of records.
    TransformationPlugin, Transformation
}
simple_plugin! {
    /// A predicate, for `transforms.A.predicate`.
    PredicatePlugin, Predicate
}

/// Makes config providers that may look into the environment.
pub type NewConfigProvider = Arc<dyn Fn(&Environment) -> Box<dyn ConfigProvider> + Send + Sync>;

/// Variables of the process's environment. Only the binaries read them; everything else is given this.
pub type Environment = std::collections::HashMap<String, String>;

/// A config provider, for `config.providers.A.class`.
#[derive(Clone)]
pub struct ConfigProviderPlugin {
    /// Full class name.
    pub class: Arc<str>,
    /// Version that REST shows.
    pub version: Arc<str>,
    /// An instance that is not configured, and may look into the environment.
    pub new: NewConfigProvider,
}
