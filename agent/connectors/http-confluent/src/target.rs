//! The requests.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect::Policy};
use sluice_api::causes::with_causes;
use sluice_api::{ConfigDef, ConnectError, KeyFault, ParsedConfig, Props, SinkRecord, async_trait};
use sluice_jvm_text::Exception;
use sluice_jvm_text::regex::JavaRegex;
use sluice_toolkit::requests::{Refusal, Target, append};

use crate::authorization::Authorization;
use crate::config::{self, Statuses};
use crate::template::{Template, key_text};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nulls {
    Ignore,
    Log,
    Delete,
    Fail,
}

/// What ends the attempts for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errors {
    Fail,
    Log,
    Ignore,
}

pub(crate) struct Http {
    client: Client,
    method: Method,
    url: Template,
    batch_key: Template,
    batch_size: usize,
    /// Texts before, between and after the records of a request.
    around: [String; 3],
    json: bool,
    nulls: Nulls,
    errors: Errors,
    retries: u32,
    backoff: Duration,
    retried: Statuses,
    replacements: Vec<(JavaRegex, String)>,
    authorization: Authorization,
}

#[async_trait]
impl Target for Http {
    // Without "header.", of which header.converter is.
    const KEYS: &[&str] = &[
        "http.",
        "https.",
        "batch.",
        "oauth2.",
        "retry.",
        "regex.",
        "headers",
        "request.",
        "behavior.",
        "auth.",
        "connection.",
        "ssl.",
    ];

    fn config_def() -> ConfigDef {
        config::config_def()
    }

    fn new(settings: &ParsedConfig, props: &Props) -> Result<Self, KeyFault> {
        config::warn_of_keys_without_effect(props);
        let url = settings.string(config::URL);
        // With letters in the place of what comes from a record.
        let parsed = Url::parse(&url.replace("${", "").replace('}', ""));
        match parsed.as_ref().map(Url::scheme) {
            Ok("http" | "https") => {}
            Ok(_) => return Err(KeyFault::new(config::URL, "is not http:// or https://")),
            Err(why) => return Err(KeyFault::new(config::URL, why)),
        }
        let json = settings.string(config::FORMAT).eq_ignore_ascii_case("json");
        let millis = |key| Duration::from_millis(settings.int(key).unsigned_abs().into());
        let client = Client::builder()
            .default_headers(headers(settings, json)?)
            .redirect(Policy::none())
            .connect_timeout(millis(config::CONNECT_TIMEOUT))
            .timeout(millis(config::REQUEST_TIMEOUT))
            .no_proxy()
            .build()
            .map_err(|why| KeyFault::new(config::URL, with_causes(&why)))?;
        // As they were written: blanks and line ends count.
        let text = |key, default| props.get(key).map_or(default, String::as_str).to_owned();
        let around = if json && settings.boolean(config::AS_ARRAY) {
            ["[", ",", "]"].map(str::to_owned)
        } else {
            [
                text("batch.prefix", ""),
                text("batch.separator", ","),
                text("batch.suffix", ""),
            ]
        };
        Ok(Self {
            client,
            method: method(settings.string(config::METHOD)),
            url: Template::parse(url),
            batch_key: Template::parse(settings.string(config::BATCH_KEY)),
            batch_size: settings.int(config::BATCH_SIZE).unsigned_abs() as usize,
            around,
            json,
            nulls: match settings.string(config::NULLS) {
                "log" => Nulls::Log,
                "delete" => Nulls::Delete,
                "fail" => Nulls::Fail,
                _ => Nulls::Ignore,
            },
            errors: match settings.string(config::ERRORS) {
                "log" => Errors::Log,
                "ignore" => Errors::Ignore,
                _ => Errors::Fail,
            },
            retries: settings.int(config::RETRIES).unsigned_abs(),
            backoff: millis(config::BACKOFF),
            retried: Statuses::parse(settings.string(config::RETRY_CODES))
                .map_err(|why| KeyFault::new(config::RETRY_CODES, why))?,
            replacements: replacements(settings)?,
            authorization: Authorization::of(settings)?,
        })
    }

    async fn check(&self) -> Result<(), KeyFault> {
        // Only an address without parts of a record is known; any answer will do.
        if !self.url.is_constant() {
            return Ok(());
        }
        let url = self.url.fill(&sluice_api::ConnectRecord::default());
        let url = url.map_err(|why| KeyFault::new(config::URL, why))?;
        let answer = self.client.head(&url).send().await;
        answer.map(drop).map_err(|error| {
            let why = with_causes(&error.without_url());
            let why = format!(
                "{}: {why}; check that the server runs, and its certificate",
                place(&url)
            );
            KeyFault::new(config::URL, why)
        })
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn share_a_request(&self, one: &SinkRecord, other: &SinkRecord) -> bool {
        if one.record.value.is_null() || other.record.value.is_null() {
            return false;
        }
        [&self.url, &self.batch_key].into_iter().all(|template| {
            template.is_constant()
                || matches!(
                    (template.fill(&one.record), template.fill(&other.record)),
                    (Ok(one), Ok(other)) if one == other
                )
        })
    }

    async fn send(&self, records: &[SinkRecord]) -> Result<(), Refusal> {
        if self.errors == Errors::Fail {
            return self.attempt(records).await;
        }
        let mut attempts = 0;
        loop {
            let Err(refusal) = self.attempt(records).await else {
                return Ok(());
            };
            if !refusal.may_pass() || attempts == self.retries {
                if self.errors == Errors::Log {
                    let first = records.first();
                    tracing::error!(
                        topic = first.map(|first| &*first.record.topic),
                        offset = first.map(|first| first.original_kafka_offset),
                        records = records.len(),
                        "not sent, and passed over: {}",
                        refusal.message()
                    );
                }
                return Ok(());
            }
            attempts += 1;
            tokio::time::sleep(self.backoff).await;
        }
    }
}

impl Http {
    async fn attempt(&self, records: &[SinkRecord]) -> Result<(), Refusal> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        let mut url = match (first.record.value.is_null(), self.nulls) {
            (true, Nulls::Ignore) => return Ok(()),
            (true, Nulls::Log) => {
                let (topic, offset) = (&*first.record.topic, first.original_kafka_offset);
                tracing::warn!(topic, offset, "a record without value is not sent");
                return Ok(());
            }
            (true, Nulls::Fail) => {
                return Err(ConnectError::data("a null value cannot be sent").into());
            }
            _ => self.url.fill(&first.record)?,
        };
        if !first.record.value.is_null() {
            let body = self.body(records)?;
            return self.request(self.method.clone(), &url, body).await;
        }
        if !self.url.has_key() {
            url = format!("{}/{}", url.trim_end_matches('/'), key_text(&first.record)?);
        }
        self.request(Method::DELETE, &url, Vec::new()).await
    }

    fn body(&self, records: &[SinkRecord]) -> Result<Vec<u8>, ConnectError> {
        let [before, between, after] = &self.around;
        let mut body = before.clone().into_bytes();
        for (index, record) in records.iter().enumerate() {
            if index > 0 {
                body.extend_from_slice(between.as_bytes());
            }
            if self.json || is_text(record) {
                self.append(&mut body, record)?;
            } else {
                let text = record.record.value.to_string();
                body.extend_from_slice(self.replaced(text)?.as_bytes());
            }
        }
        body.extend_from_slice(after.as_bytes());
        Ok(body)
    }

    fn append(&self, body: &mut Vec<u8>, record: &SinkRecord) -> Result<(), ConnectError> {
        if self.replacements.is_empty() {
            return append(body, record);
        }
        let mut own = Vec::new();
        append(&mut own, record)?;
        let text = String::from_utf8(own).map_err(|_| {
            ConnectError::data("regex.patterns need text, and the value is not UTF-8")
        })?;
        body.extend_from_slice(self.replaced(text)?.as_bytes());
        Ok(())
    }

    fn replaced(&self, text: String) -> Result<String, ConnectError> {
        self.replacements
            .iter()
            .try_fold(text, |text, (pattern, replacement)| {
                pattern.replace_all(&text, replacement)
            })
            .map_err(Into::into)
    }

    async fn request(&self, method: Method, url: &str, body: Vec<u8>) -> Result<(), Refusal> {
        let place = place(url);
        let mut again = true;
        loop {
            let request = self.client.request(method.clone(), url).body(body.clone());
            let request = self.authorization.sign(&self.client, request).await;
            let request = request.map_err(Refusal::unanswered)?;
            let mut reply = request.send().await.map_err(|error| {
                let why = with_causes(&error.without_url());
                Refusal::unanswered(format!("{method} to {place} failed: {why}"))
            })?;
            let status = reply.status();
            if status.is_success() {
                return Ok(());
            }
            if status.as_u16() == 401 && again && self.authorization.was_refused().await {
                again = false;
                continue;
            }
            let wait = reply.headers().get("retry-after").cloned();
            let said = reply.chunk().await.ok().flatten().unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let message = format!("{method} to {place} was answered {status}: {said:.300}");
            let wait = wait.as_ref().and_then(|wait| wait.to_str().ok());
            // Statuses of retry.on.status.codes may pass, no others do.
            let may_pass = self.retried.contain(status.as_u16());
            return Err(Refusal::answered(status.as_u16(), wait, message).passing(may_pass));
        }
    }
}

/// A URL without the query, which may hold a secret.
fn place(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

fn is_text(record: &SinkRecord) -> bool {
    use sluice_api::Value;
    matches!(record.record.value, Value::String(_) | Value::Bytes(_))
}

fn method(name: &str) -> Method {
    match name.to_ascii_uppercase().as_str() {
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        _ => Method::POST,
    }
}

fn headers(settings: &ParsedConfig, json: bool) -> Result<HeaderMap, KeyFault> {
    let mut headers = HeaderMap::new();
    if json {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let separator = settings.string(config::HEADER_SEPARATOR);
    let given = settings.string(config::HEADERS);
    let parts: Vec<&str> = if separator.is_empty() {
        vec![given]
    } else {
        given.split(separator).collect()
    };
    for header in parts.into_iter().filter(|header| !header.trim().is_empty()) {
        // The value may be a secret, so faults do not show it.
        let wrong = || {
            KeyFault::new(
                config::HEADERS,
                "a header is not of the form NAME:VALUE, in ASCII",
            )
        };
        let (name, value) = header.split_once(':').ok_or_else(wrong)?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        let mut value: HeaderValue = value.trim().parse().map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn replacements(settings: &ParsedConfig) -> Result<Vec<(JavaRegex, String)>, KeyFault> {
    let patterns = settings.string(config::PATTERNS);
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let separator = settings.string(config::REGEX_SEPARATOR);
    let split = |text: &str| -> Vec<String> {
        if separator.is_empty() {
            return vec![text.to_owned()];
        }
        text.split(separator).map(str::to_owned).collect()
    };
    let (patterns, texts) = (
        split(patterns),
        split(settings.string(config::REPLACEMENTS)),
    );
    if patterns.len() != texts.len() {
        let why = format!(
            "has {} texts for {} of regex.patterns",
            texts.len(),
            patterns.len()
        );
        return Err(KeyFault::new(config::REPLACEMENTS, why));
    }
    let compiled = patterns.iter().map(|pattern| JavaRegex::new(pattern));
    let compiled: Result<Vec<JavaRegex>, Exception> = compiled.collect();
    let compiled = compiled.map_err(|why| KeyFault::new(config::PATTERNS, why))?;
    Ok(compiled.into_iter().zip(texts).collect())
}
