//! HttpSink: POSTs records to a URL, with the class name and keys of Aiven's HTTP sink connector.

use std::{collections::HashMap, time::Duration};

use reqwest::{Client, Url, header::HeaderMap, redirect::Policy};
use sluice_api::causes::with_causes;
use sluice_api::config::ConfigType::{Boolean, Int, List, Password, String as Text};
use sluice_api::config::validators::{at_least, between, one_of};
use sluice_api::{
    ConfigDef, ConfigKey, KeyFault, ParsedConfig, Props, SinkRecord, async_trait,
    plugin::SinkConnectorPlugin,
};
use sluice_toolkit::requests::{self, Refusal, Target};

const URL: &str = "http.url";
const AUTHORIZATION: &str = "http.headers.authorization";
const HEADERS: &str = "http.headers.additional";

/// `HttpSinkConnector`.
#[must_use]
pub fn sink() -> SinkConnectorPlugin {
    const CLASS: &str = "io.aiven.kafka.connect.http.HttpSinkConnector";
    requests::plugin::<Http>(CLASS, env!("CARGO_PKG_VERSION"))
}

struct Http {
    client: Client,
    url: Url,
    batch_size: usize,
    /// Texts before, between and after the records of a request.
    around: [String; 3],
}

impl Http {
    /// The URL without the query, which may hold a secret.
    fn place(&self) -> &str {
        self.url.as_str().split('?').next().unwrap_or_default()
    }
}

#[async_trait]
impl Target for Http {
    const KEYS: &[&str] = &["http.", "batch", "oauth2.", "kafka.retry.", "ssl."];

    #[rustfmt::skip] // A key to a line.
    fn config_def() -> ConfigDef {
        let key = |name: &str, kind, doc: &str| ConfigKey::new(name, kind).doc(doc);
        ConfigDef::new()
            .define(key(URL, Text, "Where to POST to. Example: https://example.com/orders").names_urls())
            .define(key("http.authorization.type", Text, "none, or static: send http.headers.authorization.").default("none").validator(one_of(&["none", "static"])))
            .define(key(AUTHORIZATION, Password, "The header Authorization. Examples: Bearer TOKEN, Basic BASE64").optional())
            .define(key("http.headers.content.type", Text, "The header Content-Type. Example: application/json").optional())
            .define(key(HEADERS, List, "More headers, separated by commas. Example: X-Team:shop").default(""))
            .define(key("http.timeout", Int, "Seconds after which a request has failed.").default("30").validator(at_least(1)))
            .define(key("batching.enabled", Boolean, "Whether a request has many records.").default("false"))
            .define(key("batch.max.size", Int, "The most records of a request.").default("500").validator(between(1, 1_000_000)))
            .define(key("batch.prefix", Text, "Before the first record: [ for a JSON array, by default nothing.").optional())
            .define(key("batch.separator", Text, "Between records: a comma for a JSON array, by default a line end.").optional())
            .define(key("batch.suffix", Text, "After the last record: ] for a JSON array, by default a line end.").optional())
            .define(key("max.retries", Int, "Attempts after a failed one, until the task fails.").default("1").validator(at_least(0)))
            .define(key("retry.backoff.ms", Int, "Milliseconds between attempts.").default("3000").validator(at_least(0)))
    }

    fn new(config: &ParsedConfig, props: &Props) -> Result<Self, KeyFault> {
        let url = Url::parse(config.string(URL)).map_err(|why| KeyFault::new(URL, why))?;
        if !url.username().is_empty() {
            let why = "has a user; set http.headers.authorization instead";
            return Err(KeyFault::new(URL, why));
        }
        let secret = config.optional_password(AUTHORIZATION);
        if secret.is_some() != (config.string("http.authorization.type") == "static") {
            let why = "goes with http.authorization.type=static; set both or neither";
            return Err(KeyFault::new(AUTHORIZATION, why));
        }
        let media = config.optional_string("http.headers.content.type");
        let mut headers = config.list(HEADERS).to_vec();
        headers.extend(media.map(|media| format!("content-type:{media}")));
        headers.extend(secret.map(|secret| format!("authorization:{}", secret.reveal())));
        let headers = headers.iter().map(|header| header.split_once(':'));
        let headers: HashMap<String, String> = headers
            .map(|header| header.unwrap_or_default())
            .map(|(name, value)| (name.trim().to_lowercase(), value.to_owned()))
            .collect();
        let headers = HeaderMap::try_from(&headers)
            .map_err(|why| KeyFault::new(HEADERS, format!("{why}; write NAME:VALUE, in ASCII")))?;
        let timeout = Duration::from_secs(config.int("http.timeout").unsigned_abs().into());
        let client = Client::builder()
            .default_headers(headers)
            .redirect(Policy::none())
            .timeout(timeout)
            .no_proxy()
            .build()
            .map_err(|why| KeyFault::new(URL, with_causes(&why)))?;
        // As they were written: blanks and line ends count.
        let text = |key, default| props.get(key).map_or(default, String::as_str).to_owned();
        let (batch_size, around) = if config.boolean("batching.enabled") {
            let [prefix, suffix] = [text("batch.prefix", ""), text("batch.suffix", "\n")];
            let batch_size = config.int("batch.max.size").unsigned_abs() as usize;
            (batch_size, [prefix, text("batch.separator", "\n"), suffix])
        } else {
            (1, Default::default())
        };
        Ok(Self {
            client,
            url,
            batch_size,
            around,
        })
    }

    async fn check(&self) -> Result<(), KeyFault> {
        // Any answer will do; a POST would be one too many.
        let answer = self.client.head(self.url.clone()).send().await;
        answer.map(drop).map_err(|error| {
            let (place, why) = (self.place(), with_causes(&error.without_url()));
            let why = format!("{place}: {why}; check that the server runs, and its certificate");
            KeyFault::new(URL, why)
        })
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    async fn send(&self, records: &[SinkRecord]) -> Result<(), Refusal> {
        let body = requests::body(records, &self.around)?;
        let place = self.place();
        let request = self.client.post(self.url.clone()).body(body);
        let mut reply = request.send().await.map_err(|error| {
            let why = with_causes(&error.without_url());
            Refusal::unanswered(format!("POST to {place} failed: {why}"))
        })?;
        let (status, wait) = (reply.status(), reply.headers().get("retry-after").cloned());
        let said = reply.chunk().await.ok().flatten().unwrap_or_default();
        let advice = match status.as_u16() {
            200..=299 => return Ok(()),
            401 | 403 | 407 => "; check http.headers.authorization",
            ..=399 | 404 | 405 | 410 => "; check http.url",
            _ => "",
        };
        let said = String::from_utf8_lossy(&said);
        let message = format!("POST to {place} was answered {status}: {said:.300}{advice}");
        let wait = wait.as_ref().and_then(|wait| wait.to_str().ok());
        Err(Refusal::answered(status.as_u16(), wait, message))
    }
}
