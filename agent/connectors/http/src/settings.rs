//! Keys of the connector, and the client and texts they come to.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::{Client, Url, header::HeaderMap, redirect::Policy};
use sluice_api::causes::with_causes;
use sluice_api::config::ConfigType::{Boolean, Int, List, Password, String as Text};
use sluice_api::config::validators::{at_least, between, one_of};
use sluice_api::{ConfigDef, ConfigKey, KeyFault, ParsedConfig, Props};

const URL: &str = "http.url";
const AUTHORIZATION: &str = "http.headers.authorization";
const HEADERS: &str = "http.headers.additional";

#[rustfmt::skip] // A key to a line.
pub(crate) fn config_def() -> ConfigDef {
    let key = |name: &str, kind, doc: &str| ConfigKey::new(name, kind).doc(doc);
    ConfigDef::new()
        .define(key(URL, Text, "Where to POST to. Example: https://example.com/orders"))
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

/// What the keys come to.
pub(crate) struct Settings {
    pub(crate) config: ParsedConfig,
    pub(crate) client: Client,
    pub(crate) url: Url,
    pub(crate) batch_size: usize,
    /// Texts before, between and after the records of a request.
    pub(crate) around: [String; 3],
}

impl Settings {
    pub(crate) fn parse(props: &Props) -> Result<Self, KeyFault> {
        let def = config_def();
        def.refuse_unknown(
            props,
            &["http.", "batch", "oauth2.", "kafka.retry.", "ssl."],
        )?;
        let config = def.parse(props).map_err(|why| KeyFault::new(URL, why))?;
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
        let own = [
            media.map(|media| ("content-type", media)),
            secret.map(|secret| ("authorization", secret.reveal())),
        ];
        let more = config.list(HEADERS).iter();
        let more = more.map(|header| header.split_once(':').unwrap_or((header, "\n")));
        let headers: HashMap<String, String> = more
            .chain(own.into_iter().flatten())
            .map(|(name, value)| (name.trim().to_lowercase(), value.to_owned()))
            .collect();
        let headers = HeaderMap::try_from(&headers)
            .map_err(|why| KeyFault::new(HEADERS, format!("{why}; write NAME:VALUE, in ASCII")))?;
        let timeout = u64::try_from(config.int("http.timeout")).unwrap_or_default();
        let client = Client::builder()
            .default_headers(headers)
            .redirect(Policy::none())
            .timeout(Duration::from_secs(timeout))
            .no_proxy()
            .build()
            .map_err(|why| KeyFault::new(URL, with_causes(&why)))?;
        let mut settings = Self {
            client,
            url,
            batch_size: 1,
            around: Default::default(),
            config,
        };
        if settings.config.boolean("batching.enabled") {
            // As they were written: blanks and line ends count.
            let text = |key, default: &str| props.get(key).map_or(default, |text| text).to_owned();
            settings.batch_size = settings.config.int("batch.max.size").unsigned_abs() as usize;
            settings.around = [
                text("batch.prefix", ""),
                text("batch.separator", "\n"),
                text("batch.suffix", "\n"),
            ];
        }
        Ok(settings)
    }

    /// The beginning of an answer, which may repeat what was sent.
    pub(crate) fn shown(&self, answer: &[u8]) -> String {
        let answer = String::from_utf8_lossy(answer);
        let secret = self.config.optional_password(AUTHORIZATION);
        let answer = secret.map_or(answer.to_string(), |secret| secret.hide_in(&answer));
        answer.chars().take(300).collect()
    }
}

/// What is wrong with a configuration, or with the server.
pub(crate) async fn validate(props: Props) -> Result<(), KeyFault> {
    let settings = Settings::parse(&props)?;
    // Any answer will do; a POST would be one too many.
    let answer = settings.client.head(settings.url).send().await;
    answer.map(drop).map_err(|error| {
        let why = with_causes(&error.without_url());
        KeyFault::new(
            URL,
            format!("{why}; check host and port, and that the server runs"),
        )
    })
}
