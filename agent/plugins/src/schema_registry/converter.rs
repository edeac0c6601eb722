//! The converter, for any format.
//!
//! Plans are kept in maps that never change: readers take the current one without a lock, whoever learns a
//! new schema puts a new one in its place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sluice_api::config::ConfigDef;
use sluice_api::schema::same_schemas;
use sluice_api::{
    ConnectError, Converter, ConverterType, ErrorKind, ParsedConfig, Props, Result, Schema,
    SchemaAndValue, Value,
};

use super::client::{Client, NewSchema, RegisteredSchema, RegistryError, SchemaFormat};
use super::settings::{Settings, WriterSchema, define};
use super::wire::{read_header, write_header};

/// How long a failed lookup is remembered if the registry gave a clear answer.
const REFUSED_TTL: Duration = Duration::from_secs(10);
/// How long it is remembered if the registry could not be asked.
const FAILED_TTL: Duration = Duration::from_secs(1);

/// What a converter with a registry has of its own: the mapping of schemas and the encoding of values.
pub(crate) trait Format: Send + Sync + 'static {
    /// The format's name in the registry.
    const FORMAT: SchemaFormat;
    /// A compiled plan for writing values of one Connect schema.
    type Writer: Send + Sync;
    /// A compiled plan for reading values of one registered schema.
    type Reader: Send + Sync;

    /// The keys beside those all converters of this kind have.
    fn config_def() -> ConfigDef;

    /// From a parsed configuration.
    fn configured(config: &ParsedConfig) -> Result<Self>
    where
        Self: Sized;

    /// Whether a value becomes null bytes; an error if it must not be null.
    fn is_null(&self, schema: Option<&Arc<Schema>>, value: &Value) -> Result<bool> {
        if !value.is_null() {
            return Ok(false);
        }
        match schema {
            Some(schema) if !schema.is_optional() => Err(ConnectError::data(
                "Found null value for non-optional schema",
            )),
            _ => Ok(true),
        }
    }

    /// The text of the registry's schema that a Connect schema becomes.
    fn schema_text(&self, schema: Option<&Arc<Schema>>) -> Result<String>;

    /// The full name of the record of a schema of the registry, for subjects that are named after it.
    fn record_name(&self, schema: &RegisteredSchema) -> Result<Option<String>>;

    /// A plan for writing values of a Connect schema as the registry's schema has it.
    fn writer(
        &self,
        schema: Option<&Arc<Schema>>,
        registered: &RegisteredSchema,
    ) -> Result<Self::Writer>;

    /// Appends the payload of a value.
    fn write(&self, writer: &Self::Writer, value: &Value, buffer: &mut Vec<u8>) -> Result<()>;

    /// A plan for reading; `version` is that of the schema in its subject.
    fn reader(&self, registered: &RegisteredSchema, version: Option<i32>) -> Result<Self::Reader>;

    /// Whether the schema says its version itself, so that the registry need not be asked.
    fn has_version(&self, registered: &RegisteredSchema) -> bool;

    /// The value of a payload.
    fn read(&self, reader: &Self::Reader, payload: &Bytes) -> Result<SchemaAndValue>;
}

struct Writing<F: Format> {
    topic: Box<str>,
    schema: Option<Arc<Schema>>,
    id: i32,
    writer: F::Writer,
    /// When the latest version has to be asked for again.
    until: Option<Instant>,
}

impl<F: Format> Writing<F> {
    fn is_for(&self, topic: &str, schema: Option<&Arc<Schema>>) -> bool {
        let same_object = match (&self.schema, schema) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        };
        same_object && *self.topic == *topic
    }

    fn is_current(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

struct Reading<F: Format> {
    topic: Box<str>,
    reader: F::Reader,
}

type Readings<F> = HashMap<i32, Vec<Arc<Reading<F>>>>;

/// Something to be fetched.
#[derive(Debug, Clone)]
enum Wanted {
    Writer {
        topic: Box<str>,
        schema: Option<Arc<Schema>>,
    },
    Reader {
        topic: Box<str>,
        id: i32,
    },
}

impl Wanted {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Writer { topic, schema },
                Self::Writer {
                    topic: other_topic,
                    schema: other_schema,
                },
            ) => topic == other_topic && same_schemas(schema.as_ref(), other_schema.as_ref()),
            (
                Self::Reader { topic, id },
                Self::Reader {
                    topic: other_topic,
                    id: other_id,
                },
            ) => topic == other_topic && id == other_id,
            _ => false,
        }
    }
}

/// What is not known yet, and what cannot be known for now.
#[derive(Default)]
struct Unknown {
    wanted: Vec<Wanted>,
    failed: Vec<(Wanted, ConnectError, Instant)>,
}

/// Failures remembered at most.
const MAX_FAILED: usize = 100;

impl Unknown {
    /// The error of a lookup that failed lately, or a note that it is to be done.
    fn ask(&mut self, wanted: Wanted) -> ConnectError {
        let now = Instant::now();
        self.failed.retain(|(_, _, until)| now < *until);
        if let Some((_, error, _)) = self.failed.iter().find(|(known, ..)| known.is(&wanted)) {
            return error.clone();
        }
        if !self.wanted.iter().any(|known| known.is(&wanted)) {
            self.wanted.push(wanted);
        }
        ConnectError::not_ready("the schema registry has to be asked")
    }

    fn fail(&mut self, wanted: Wanted, error: ConnectError) {
        let ttl = if error.kind() == ErrorKind::Data {
            REFUSED_TTL
        } else {
            FAILED_TTL
        };
        if self.failed.len() >= MAX_FAILED {
            self.failed.remove(0);
        }
        self.failed.push((wanted, error, Instant::now() + ttl));
    }
}

/// What a configured converter works with.
struct Configured<F> {
    format: F,
    client: Client,
    kind: ConverterType,
}

/// A converter whose schemas are in a registry.
pub(crate) struct RegistryConverter<F: Format> {
    configured: Option<Configured<F>>,
    writings: ArcSwap<Vec<Arc<Writing<F>>>>,
    readings: ArcSwap<Readings<F>>,
    unknown: Mutex<Unknown>,
}

impl<F: Format> Default for RegistryConverter<F> {
    fn default() -> Self {
        Self {
            configured: None,
            writings: ArcSwap::default(),
            readings: ArcSwap::from_pointee(HashMap::new()),
            unknown: Mutex::default(),
        }
    }
}

/// The keys of a converter with a registry.
pub(crate) fn config_def<F: Format>() -> ConfigDef {
    let mut def = define(ConfigDef::new().define(crate::converter_support::converter_type_key()));
    for key in F::config_def().keys() {
        def.add(key.clone());
    }
    def
}

impl<F: Format> RegistryConverter<F> {
    fn configured(&self) -> Result<&Configured<F>> {
        self.configured.as_ref().ok_or_else(|| {
            ConnectError::new(ErrorKind::IllegalState, "converter is not configured")
        })
    }

    /// The writer of a schema, found by its pointer, or else by equality.
    fn find_writing<'a>(
        writings: &'a [Arc<Writing<F>>],
        topic: &str,
        schema: Option<&Arc<Schema>>,
    ) -> Option<&'a Arc<Writing<F>>> {
        writings
            .iter()
            .find(|writing| writing.is_for(topic, schema))
            .or_else(|| {
                writings.iter().find(|writing| {
                    *writing.topic == *topic && same_schemas(writing.schema.as_ref(), schema)
                })
            })
            .filter(|writing| writing.is_current())
    }

    async fn fetch(&self, configured: &Configured<F>, wanted: Wanted) {
        let result = match &wanted {
            Wanted::Writer { topic, schema } => {
                let result = configured.fetch_writing(topic, schema.as_ref()).await;
                result.map(|writing| self.keep_writing(configured, writing))
            }
            Wanted::Reader { topic, id } => {
                let result = configured.fetch_reading(topic, *id).await;
                result.map(|reading| self.keep_reading(configured, *id, reading))
            }
        };
        if let Err(error) = result {
            self.unknown.lock().fail(wanted, error);
        }
    }

    fn keep_writing(&self, configured: &Configured<F>, writing: Writing<F>) {
        let mut all = Vec::clone(&self.writings.load());
        all.retain(|other| {
            !(other.topic == writing.topic
                && same_schemas(other.schema.as_ref(), writing.schema.as_ref()))
        });
        if all.len() >= configured.client.settings().cache_size {
            all.clear();
        }
        all.push(Arc::new(writing));
        self.writings.store(Arc::new(all));
    }

    fn keep_reading(&self, configured: &Configured<F>, id: i32, reading: Reading<F>) {
        let mut all = HashMap::clone(&self.readings.load());
        if all.len() >= configured.client.settings().cache_size {
            all.clear();
        }
        let of_id = all.entry(id).or_default();
        of_id.retain(|other| other.topic != reading.topic);
        of_id.push(Arc::new(reading));
        self.readings.store(Arc::new(all));
    }
}

/// An error around its cause, of the kind that the cause asks for; what is wrong with the data itself stays
/// as it is.
fn wrapped(text: impl FnOnce() -> String, cause: ConnectError) -> ConnectError {
    let kind = match cause.kind() {
        ErrorKind::Timeout => ErrorKind::Retriable,
        ErrorKind::KafkaRetriable => ErrorKind::KafkaRetriable,
        ErrorKind::Serialization | ErrorKind::Kafka => ErrorKind::Data,
        _ => return cause,
    };
    ConnectError::new(kind, text()).caused_by(cause)
}

impl<F: Format> Configured<F> {
    fn write_failed(topic: &str, cause: ConnectError) -> ConnectError {
        wrapped(|| F::FORMAT.write_failed(topic), cause)
    }

    fn read_failed(topic: &str, cause: ConnectError) -> ConnectError {
        wrapped(|| F::FORMAT.read_failed(topic), cause)
    }

    async fn fetch_writing(&self, topic: &str, schema: Option<&Arc<Schema>>) -> Result<Writing<F>> {
        let text = self.format.schema_text(schema)?;
        let own = RegisteredSchema {
            text,
            references: Vec::new(),
        };
        self.fetch_writing_for(topic, schema, own)
            .await
            .map_err(|error| Self::write_failed(topic, error))
    }

    async fn fetch_writing_for(
        &self,
        topic: &str,
        schema: Option<&Arc<Schema>>,
        own: RegisteredSchema,
    ) -> Result<Writing<F>> {
        let settings = self.client.settings();
        let record = self.format.record_name(&own)?;
        let subject = settings
            .strategy
            .subject(topic, self.kind, record.as_deref())?;
        let new = NewSchema {
            format: F::FORMAT,
            text: own.text.clone(),
        };
        let name = F::FORMAT.name();
        let failed = |what: &str| {
            let what = format!("{what} in subject \"{subject}\"");
            move |error: RegistryError| error.into_connect_error(&what)
        };
        let mut until = None;
        let (id, registered) = match settings.writer_schema {
            WriterSchema::Register => {
                let id = self.client.register(&subject, &new).await;
                let id = id.map_err(failed(&format!("Error registering {name} schema")))?;
                (id, Arc::new(own))
            }
            WriterSchema::Lookup => {
                let found = self.client.lookup(&subject, &new).await;
                let (id, _) = found.map_err(failed(&format!("Error retrieving {name} schema")))?;
                (id, Arc::new(own))
            }
            WriterSchema::Latest => {
                let latest = self.client.latest(&subject, F::FORMAT).await;
                let what = format!("Error retrieving latest version of {name} schema");
                let (id, latest) = latest.map_err(failed(&what))?;
                until = settings.latest_ttl.map(|ttl| Instant::now() + ttl);
                (id, latest)
            }
            WriterSchema::Id(id) => {
                let found = self.client.by_id(id, F::FORMAT).await;
                let found = found.map_err(failed("Error retrieving schema ID"))?;
                (id, found)
            }
        };
        let writer = self.format.writer(schema, &registered).map_err(|cause| {
            ConnectError::serialization(format!(
                "Incompatible schema {id} of subject \"{subject}\""
            ))
            .caused_by(cause)
        })?;
        Ok(Writing {
            topic: topic.into(),
            schema: schema.cloned(),
            id,
            writer,
            until,
        })
    }

    async fn fetch_reading(&self, topic: &str, id: i32) -> Result<Reading<F>> {
        self.fetch_reading_of(topic, id)
            .await
            .map_err(|error| Self::read_failed(topic, error))
    }

    async fn fetch_reading_of(&self, topic: &str, id: i32) -> Result<Reading<F>> {
        let registered =
            self.client.by_id(id, F::FORMAT).await.map_err(|error| {
                error.into_connect_error(&format!("Error retrieving schema {id}"))
            })?;
        let version = if self.format.has_version(&registered) {
            None
        } else {
            self.version(topic, id, &registered).await?
        };
        Ok(Reading {
            topic: topic.into(),
            reader: self.format.reader(&registered, version)?,
        })
    }

    /// The version of a schema in the subject it should be in; `None` if it is not there, as after a copy of
    /// the topic.
    async fn version(
        &self,
        topic: &str,
        id: i32,
        registered: &RegisteredSchema,
    ) -> Result<Option<i32>> {
        let record = self.format.record_name(registered)?;
        let strategy = self.client.settings().strategy;
        let Ok(subject) = strategy.subject(topic, self.kind, record.as_deref()) else {
            return Ok(None);
        };
        let found = if registered.references.is_empty() {
            let new = NewSchema {
                format: F::FORMAT,
                text: registered.text.clone(),
            };
            let found = self.client.lookup(&subject, &new).await;
            found.map(|(_, version)| version)
        } else {
            self.client.version_of_id(&subject, id).await
        };
        match found {
            Ok(version) => Ok(version),
            Err(error) if error.is_not_found() => {
                tracing::debug!("schema {id} has no version: {error}");
                Ok(None)
            }
            Err(error) => Err(error.into_connect_error(&format!(
                "Error retrieving {} {} schema version for id {id} in subject \"{subject}\"",
                F::FORMAT.name(),
                self.kind.as_str(),
            ))),
        }
    }
}

#[async_trait]
impl<F: Format> Converter for RegistryConverter<F> {
    fn configure(&mut self, props: &Props, kind: ConverterType) -> Result<()> {
        let mut props = props.clone();
        props
            .entry("converter.type".to_owned())
            .or_insert_with(|| kind.as_str().to_owned());
        let config = config_def::<F>().parse(&props)?;
        self.configured = Some(Configured {
            format: F::configured(&config)?,
            client: Client::new(Settings::read(&config, &props, kind)?),
            kind,
        });
        Ok(())
    }

    fn from_connect_data<'a>(
        &self,
        topic: &str,
        schema: Option<&Arc<Schema>>,
        value: &'a Value,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>> {
        let configured = self.configured()?;
        if configured.format.is_null(schema, value)? {
            return Ok(None);
        }
        let writings = self.writings.load();
        let Some(writing) = Self::find_writing(&writings, topic, schema) else {
            return Err(self.unknown.lock().ask(Wanted::Writer {
                topic: topic.into(),
                schema: schema.cloned(),
            }));
        };
        let start = buffer.len();
        write_header(buffer, writing.id);
        if let Err(error) = configured.format.write(&writing.writer, value, buffer) {
            buffer.truncate(start);
            return Err(Configured::<F>::write_failed(topic, error));
        }
        Ok(buffer.get(start..))
    }

    fn to_connect_data(&self, topic: &str, data: Option<&Bytes>) -> Result<SchemaAndValue> {
        let Some(data) = data else {
            return Ok(SchemaAndValue::NULL);
        };
        let configured = self.configured()?;
        let failed = |error| Configured::<F>::read_failed(topic, error);
        let (id, payload) = read_header(data).map_err(failed)?;
        let readings = self.readings.load();
        let reading = readings
            .get(&id)
            .and_then(|of_id| of_id.iter().find(|reading| *reading.topic == *topic));
        match reading {
            Some(reading) => configured
                .format
                .read(&reading.reader, &payload)
                .map_err(failed),
            None => Err(self.unknown.lock().ask(Wanted::Reader {
                topic: topic.into(),
                id,
            })),
        }
    }

    async fn ready(&self) {
        let Some(configured) = &self.configured else {
            return;
        };
        let wanted = std::mem::take(&mut self.unknown.lock().wanted);
        for wanted in wanted {
            self.fetch(configured, wanted).await;
        }
    }
}
