//! The registry's REST API, as far as converters need it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sluice_api::{ConnectError, ErrorKind};
use url::Url;

use super::settings::{Credentials, Settings};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// Subjects are one segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// Answers beyond this are not read.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// References to references beyond this are refused.
const MAX_REFERENCE_DEPTH: usize = 32;

/// The format of a schema (`schemaType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum SchemaFormat {
    Avro,
    Protobuf,
    Json,
}

impl SchemaFormat {
    /// As errors call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Avro => "Avro",
            Self::Protobuf => "Protobuf",
            Self::Json => "JSON",
        }
    }

    /// Text of the error of a value that could not be written.
    pub(super) fn write_failed(self, topic: &str) -> String {
        match self {
            Self::Json => format!(
                "Converting Kafka Connect data to byte[] failed due to serialization error of topic {topic}: "
            ),
            _ => format!(
                "Failed to serialize {} data from topic {topic}:",
                self.name()
            ),
        }
    }

    /// Text of the error of a message that could not be read.
    pub(super) fn read_failed(self, topic: &str) -> String {
        match self {
            Self::Json => format!(
                "Converting byte[] to Kafka Connect data failed due to serialization error of topic {topic}: "
            ),
            _ => format!(
                "Failed to deserialize data for topic {topic} to {}:",
                self.name()
            ),
        }
    }
}

/// A name in a schema, and where the schema stands that it means.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) version: i32,
}

/// A schema to be registered or looked up.
#[derive(Debug, Clone)]
pub(crate) struct NewSchema {
    pub(crate) format: SchemaFormat,
    pub(crate) text: String,
}

/// A schema of the registry with everything it refers to.
#[derive(Debug)]
pub(crate) struct RegisteredSchema {
    pub(crate) text: String,
    /// Names and texts of what it refers to; what others need comes first.
    pub(crate) references: Vec<(String, String)>,
}

/// What the registry says of a version of a subject.
#[derive(Debug, Deserialize)]
struct Version {
    id: i32,
    #[serde(default)]
    version: Option<i32>,
    #[serde(default)]
    schema: Option<String>,
    #[serde(default, rename = "schemaType")]
    format: Option<SchemaFormat>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
}

#[derive(Debug, Deserialize)]
struct ById {
    schema: String,
    #[serde(default, rename = "schemaType")]
    format: Option<SchemaFormat>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
}

#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error_code: i32,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    schema: &'a str,
    /// Not written for Avro, which old registries do not know by name.
    #[serde(rename = "schemaType", skip_serializing_if = "Option::is_none")]
    format: Option<SchemaFormat>,
}

/// Why a request failed. Texts name address, subject and the registry's own words, never credentials.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum RegistryError {
    /// The registry answered with an error.
    #[error("{request} at {url}: {message}; status {status}, error code: {code}")]
    Refused {
        request: String,
        url: String,
        status: u16,
        code: i32,
        message: String,
    },
    /// No address answered in time.
    #[error("{request} at {url}: no answer in time ({reason})")]
    Timeout {
        request: String,
        url: String,
        reason: String,
    },
    /// No address could be reached.
    #[error("{request} at {url}: {reason}")]
    Unreachable {
        request: String,
        url: String,
        reason: String,
    },
    /// An answer that is none of the registry's.
    #[error("{request} at {url}: the answer cannot be used: {reason}")]
    Answer {
        request: String,
        url: String,
        reason: String,
    },
}

impl RegistryError {
    /// Whether the registry knows neither subject, schema nor id.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the same request may succeed elsewhere or later.
    fn is_transient(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            Self::Timeout { .. } | Self::Unreachable { .. } => true,
            Self::Answer { .. } => false,
        }
    }

    /// The error as the JVM's serializers have it (`AbstractKafkaSchemaSerDe.toKafkaException`).
    pub(super) fn into_connect_error(self, what: &str) -> ConnectError {
        let kind = match &self {
            Self::Refused { status, .. } => match status {
                408 | 500 | 503 | 504 => ErrorKind::Timeout,
                429 | 502 => ErrorKind::KafkaRetriable,
                401 | 403 => ErrorKind::Kafka,
                _ => ErrorKind::Serialization,
            },
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Unreachable { .. } => ErrorKind::KafkaRetriable,
            Self::Answer { .. } => ErrorKind::Serialization,
        };
        let hint = match &self {
            Self::Refused { status: 409, .. } => {
                " (the schema is not compatible with earlier versions of the subject)"
            }
            _ => "",
        };
        ConnectError::new(kind, format!("{what}{hint}: {self}"))
    }
}

/// A client of one registry.
pub(crate) struct Client {
    settings: Settings,
    /// Made with the first request: an idle task needs none.
    http: OnceLock<reqwest::Client>,
    /// The address that answered last.
    current: AtomicUsize,
    /// Schemas by id, with their formats.
    by_id: Mutex<HashMap<i32, (SchemaFormat, Arc<RegisteredSchema>)>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

type Result<T, E = RegistryError> = std::result::Result<T, E>;

impl Client {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            http: OnceLock::new(),
            current: AtomicUsize::new(0),
            by_id: Mutex::default(),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Registers a schema and answers its id; one that is there already keeps its id.
    pub(super) async fn register(&self, subject: &str, schema: &NewSchema) -> Result<i32> {
        let path = format!("subjects/{}/versions", segment(subject));
        let version: Version = self.post(&path, schema).await?;
        Ok(version.id)
    }

    /// The id and version of a schema in its subject.
    pub(super) async fn lookup(
        &self,
        subject: &str,
        schema: &NewSchema,
    ) -> Result<(i32, Option<i32>)> {
        let version: Version = self
            .post(&format!("subjects/{}", segment(subject)), schema)
            .await?;
        Ok((version.id, version.version))
    }

    /// The version that a schema with references has in a subject.
    pub(super) async fn version_of_id(&self, subject: &str, id: i32) -> Result<Option<i32>> {
        #[derive(Deserialize)]
        struct Use {
            subject: String,
            version: i32,
        }
        let uses: Vec<Use> = self.get(&format!("schemas/ids/{id}/versions")).await?;
        Ok(uses
            .into_iter()
            .find(|one| one.subject == subject)
            .map(|one| one.version))
    }

    /// The latest version of a subject: its id and schema.
    pub(super) async fn latest(
        &self,
        subject: &str,
        format: SchemaFormat,
    ) -> Result<(i32, Arc<RegisteredSchema>)> {
        let path = format!("subjects/{}/versions/latest", segment(subject));
        let version: Version = self.get(&path).await?;
        self.check_format(&path, version.format, format)?;
        let text = version.schema.unwrap_or_default();
        let references = self.resolve(version.references.unwrap_or_default()).await?;
        Ok((version.id, Arc::new(RegisteredSchema { text, references })))
    }

    /// The schema of an id, which never changes and is asked for once.
    pub(super) async fn by_id(
        &self,
        id: i32,
        format: SchemaFormat,
    ) -> Result<Arc<RegisteredSchema>> {
        let path = format!("schemas/ids/{id}");
        let known = self.by_id.lock().get(&id).cloned();
        if let Some((found, schema)) = known {
            self.check_format(&path, Some(found), format)?;
            return Ok(schema);
        }
        let answer: ById = self.get(&path).await?;
        let found = answer.format.unwrap_or(SchemaFormat::Avro);
        self.check_format(&path, Some(found), format)?;
        let references = self.resolve(answer.references.unwrap_or_default()).await?;
        let schema = Arc::new(RegisteredSchema {
            text: answer.schema,
            references,
        });
        let mut by_id = self.by_id.lock();
        if by_id.len() >= self.settings.cache_size {
            by_id.clear();
        }
        by_id.insert(id, (found, Arc::clone(&schema)));
        Ok(schema)
    }

    fn check_format(
        &self,
        path: &str,
        found: Option<SchemaFormat>,
        wanted: SchemaFormat,
    ) -> Result<()> {
        let found = found.unwrap_or(SchemaFormat::Avro);
        if found == wanted {
            return Ok(());
        }
        Err(RegistryError::Answer {
            request: format!("GET {path}"),
            url: self.address().to_string(),
            reason: format!(
                "its schema is {}, this converter reads {}",
                found.name(),
                wanted.name()
            ),
        })
    }

    /// Everything that references lead to, each once, what others need first.
    async fn resolve(&self, references: Vec<Reference>) -> Result<Vec<(String, String)>> {
        enum Step {
            Enter(Reference, usize),
            Leave(String, String),
        }
        let mut resolved: Vec<(String, String)> = Vec::new();
        let mut begun = std::collections::HashSet::new();
        let mut steps: Vec<Step> = references
            .into_iter()
            .rev()
            .map(|reference| Step::Enter(reference, 0))
            .collect();
        while let Some(step) = steps.pop() {
            let (reference, depth) = match step {
                Step::Leave(name, text) => {
                    resolved.push((name, text));
                    continue;
                }
                Step::Enter(reference, depth) => (reference, depth),
            };
            if !begun.insert(reference.name.clone()) {
                continue;
            }
            let path = format!(
                "subjects/{}/versions/{}",
                segment(&reference.subject),
                reference.version
            );
            if depth > MAX_REFERENCE_DEPTH {
                return Err(RegistryError::Answer {
                    request: format!("GET {path}"),
                    url: self.address().to_string(),
                    reason: "references lead on and on".to_owned(),
                });
            }
            let version: Version = self.get(&path).await?;
            steps.push(Step::Leave(
                reference.name,
                version.schema.unwrap_or_default(),
            ));
            for inner in version.references.unwrap_or_default().into_iter().rev() {
                steps.push(Step::Enter(inner, depth + 1));
            }
        }
        Ok(resolved)
    }

    fn address(&self) -> &Url {
        let index = self.current.load(Ordering::Relaxed) % self.settings.urls.len();
        &self.settings.urls[index]
    }

    async fn get<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T> {
        self.call("GET", path, None).await
    }

    async fn post<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        schema: &NewSchema,
    ) -> Result<T> {
        let body = Body {
            schema: &schema.text,
            format: (schema.format != SchemaFormat::Avro).then_some(schema.format),
        };
        let path = if self.settings.normalize {
            format!("{path}?normalize=true")
        } else {
            path.to_owned()
        };
        let body = serde_json::to_vec(&body).map_err(|error| RegistryError::Answer {
            request: format!("POST {path}"),
            url: self.address().to_string(),
            reason: error.to_string(),
        })?;
        self.call("POST", &path, Some(body)).await
    }

    /// Sends a request to the addresses in turn, and again after a while, until one gives an answer that
    /// counts.
    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T> {
        let mut wait = self.settings.retry_wait;
        let mut round = 0;
        loop {
            let mut last = None;
            for _ in 0..self.settings.urls.len() {
                match self.attempt(method, path, body.as_ref()).await {
                    Err(error) if error.is_transient() => {
                        self.current.fetch_add(1, Ordering::Relaxed);
                        last = Some(error);
                    }
                    result => return result,
                }
            }
            let Some(error) = last else {
                return Err(self.unreachable(method, path, "no address"));
            };
            if round >= self.settings.max_retries {
                return Err(error);
            }
            round += 1;
            tracing::warn!("schema registry: {error}; trying again in {wait:?}");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(self.settings.retry_max_wait);
        }
    }

    fn unreachable(&self, method: &str, path: &str, reason: &str) -> RegistryError {
        RegistryError::Unreachable {
            request: format!("{method} {path}"),
            url: self.address().to_string(),
            reason: reason.to_owned(),
        }
    }

    async fn attempt<T: for<'de> Deserialize<'de>>(
        &self,
        method: &str,
        path: &str,
        body: Option<&Vec<u8>>,
    ) -> Result<T> {
        let address = self.address();
        let request_name = || format!("{method} {path}");
        let failed = |error: reqwest::Error| {
            let timeout = error.is_timeout();
            // The address without credentials is shown beside.
            let reason = causes(&error.without_url());
            let (request, url) = (request_name(), address.to_string());
            if timeout {
                RegistryError::Timeout {
                    request,
                    url,
                    reason,
                }
            } else {
                RegistryError::Unreachable {
                    request,
                    url,
                    reason,
                }
            }
        };
        let url = address
            .join(path)
            .map_err(|error| self.unreachable(method, path, &error.to_string()))?;
        let http = self.http(method, path)?;
        let mut request = match body {
            Some(body) => http
                .post(url)
                .header("Content-Type", CONTENT_TYPE)
                .body(body.clone()),
            None => http.get(url),
        }
        .header("Accept", CONTENT_TYPE);
        request = match &self.settings.credentials {
            Credentials::None => request,
            Credentials::Basic { user, password } => {
                request.basic_auth(user, Some(password.reveal()))
            }
            Credentials::Bearer(token) => request.bearer_auth(token.reveal()),
        };
        for (name, value) in &self.settings.headers {
            request = request.header(name, value.reveal());
        }
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if answer.len() + chunk.len() > MAX_ANSWER {
                return Err(RegistryError::Answer {
                    request: request_name(),
                    url: address.to_string(),
                    reason: format!("more than {MAX_ANSWER} bytes"),
                });
            }
            answer.extend_from_slice(&chunk);
        }
        if !(200..300).contains(&status) {
            let refusal: Refusal = serde_json::from_slice(&answer).unwrap_or_default();
            let code = if refusal.error_code == 0 {
                status.into()
            } else {
                refusal.error_code
            };
            return Err(RegistryError::Refused {
                request: request_name(),
                url: address.to_string(),
                status,
                code,
                message: refusal.message,
            });
        }
        serde_json::from_slice(&answer).map_err(|error| RegistryError::Answer {
            request: request_name(),
            url: address.to_string(),
            reason: error.to_string(),
        })
    }

    fn http(&self, method: &str, path: &str) -> Result<&reqwest::Client> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let settings = &self.settings;
        let mut builder = reqwest::Client::builder()
            .user_agent("kafka-connect")
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(30))
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.read_timeout)
            .no_proxy();
        if let Some(proxy) = &settings.proxy {
            let proxy = reqwest::Proxy::all(proxy)
                .map_err(|error| self.unreachable(method, path, &causes(&error)))?;
            builder = builder.proxy(proxy);
        }
        let http = settings
            .tls
            .apply(builder)
            .build()
            .map_err(|error| self.unreachable(method, path, &causes(&error)))?;
        Ok(self.http.get_or_init(|| http))
    }
}

fn segment(subject: &str) -> String {
    utf8_percent_encode(subject, SEGMENT).to_string()
}

/// An error with all its causes on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
