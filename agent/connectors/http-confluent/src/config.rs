//! Keys of the connector.

use sluice_api::config::ConfigType::{Boolean, Int, Password, String as Text};
use sluice_api::config::ConfigValue;
use sluice_api::config::validators::{at_least, between, one_of, one_of_ignoring_case};
use sluice_api::{ConfigDef, ConfigKey, Place, Props};

pub(crate) const URL: &str = "http.api.url";
pub(crate) const METHOD: &str = "request.method";
pub(crate) const NULLS: &str = "behavior.on.null.values";
pub(crate) const ERRORS: &str = "behavior.on.error";
pub(crate) const HEADERS: &str = "headers";
pub(crate) const HEADER_SEPARATOR: &str = "header.separator";
pub(crate) const FORMAT: &str = "request.body.format";
pub(crate) const AUTH: &str = "auth.type";
pub(crate) const USER: &str = "connection.user";
pub(crate) const PASSWORD: &str = "connection.password";
pub(crate) const TOKEN_URL: &str = "oauth2.token.url";
pub(crate) const CLIENT_ID: &str = "oauth2.client.id";
pub(crate) const CLIENT_SECRET: &str = "oauth2.client.secret";
pub(crate) const TOKEN_PROPERTY: &str = "oauth2.token.property";
pub(crate) const CLIENT_MODE: &str = "oauth2.client.auth.mode";
pub(crate) const SCOPE: &str = "oauth2.client.scope";
pub(crate) const BATCH_KEY: &str = "batch.key.pattern";
pub(crate) const BATCH_SIZE: &str = "batch.max.size";
pub(crate) const AS_ARRAY: &str = "batch.json.as.array";
pub(crate) const PATTERNS: &str = "regex.patterns";
pub(crate) const REPLACEMENTS: &str = "regex.replacements";
pub(crate) const REGEX_SEPARATOR: &str = "regex.separator";
pub(crate) const RETRIES: &str = "max.retries";
pub(crate) const BACKOFF: &str = "retry.backoff.ms";
pub(crate) const RETRY_CODES: &str = "retry.on.status.codes";
pub(crate) const CONNECT_TIMEOUT: &str = "http.connect.timeout.ms";
pub(crate) const REQUEST_TIMEOUT: &str = "http.request.timeout.ms";

/// Beginnings of keys of the original that have no effect here; a warning names each.
const WITHOUT_EFFECT: [&str; 3] = ["reporter.", "report.errors.as", "confluent."];

/// The server of the URL. One that parts of records make up is none that a worker could have allowed.
fn hosts(url: &ConfigValue) -> Vec<Place> {
    match url {
        ConfigValue::String(url) if !url.is_empty() => {
            vec![Place::of_url(url).unwrap_or_else(|| Place::host(url, None))]
        }
        _ => Vec::new(),
    }
}

#[rustfmt::skip] // A key to a line.
pub(crate) fn config_def() -> ConfigDef {
    let key = |name: &str, kind, doc: &str| ConfigKey::new(name, kind).doc(doc);
    ConfigDef::new()
        .define(key(URL, Text, "Where to send to. ${topic}, ${key} and ${NAME} of a field of the key or value stand for parts of the record. Example: https://example.com/${topic}/${key}").names(hosts))
        .define(key(METHOD, Text, "POST, PUT or PATCH.").default("POST").validator(one_of_ignoring_case(&["POST", "PUT", "PATCH"])))
        .define(key(NULLS, Text, "What becomes of a record without value: ignore drops it, log drops it with a line in the log, delete sends DELETE to the URL (with the key behind it unless ${key} is in it), fail is an error.").default("ignore").validator(one_of(&["fail", "log", "ignore", "delete"])))
        .define(key(ERRORS, Text, "What a refused record, or a server that does not answer, leads to after the retries: fail is an error, log and ignore go on with the next record.").default("fail").validator(one_of(&["fail", "log", "ignore"])))
        .define(key(HEADERS, Text, "Headers of all requests. Example: Content-Type:application/json|X-Team:shop").default(""))
        .define(key(HEADER_SEPARATOR, Text, "What stands between headers.").default("|"))
        .define(key(FORMAT, Text, "string or json: what is made of values that are not text or bytes.").default("string").validator(one_of_ignoring_case(&["string", "json"])))
        .define(key(AUTH, Text, "NONE, BASIC or OAUTH2 (client credentials).").default("NONE").validator(one_of_ignoring_case(&["NONE", "BASIC", "OAUTH2"])))
        .define(key(USER, Text, "User for auth.type=BASIC.").default(""))
        .define(key(PASSWORD, Password, "Its password.").default(""))
        .define(key(TOKEN_URL, Text, "Where tokens are made, for auth.type=OAUTH2.").default("").names_urls())
        .define(key(CLIENT_ID, Text, "Id of the client, for auth.type=OAUTH2.").default(""))
        .define(key(CLIENT_SECRET, Password, "Its secret.").default(""))
        .define(key(TOKEN_PROPERTY, Text, "The property of the answer that has the token.").default("access_token"))
        .define(key(CLIENT_MODE, Text, "Where id and secret go: header (Basic) or url (the form).").default("header").validator(one_of_ignoring_case(&["header", "url"])))
        .define(key(SCOPE, Text, "The scope to ask for.").default("any"))
        .define(key(BATCH_KEY, Text, "Neighbours for which this text is the same share a request. ${topic}, ${key} and fields as in http.api.url.").default("someKey"))
        .define(key(BATCH_SIZE, Int, "The most records of a request.").default("1").validator(between(1, 1_000_000)))
        .define(key("batch.prefix", Text, "Before the first record of a request.").default(""))
        .define(key("batch.suffix", Text, "After the last record of a request.").default(""))
        .define(key("batch.separator", Text, "Between records of a request.").default(","))
        .define(key(AS_ARRAY, Boolean, "With request.body.format=json: makes each request a JSON array, in place of prefix, separator and suffix.").default("false"))
        .define(key(PATTERNS, Text, "Java's regular expressions, with regex.separator between them; what they find in the text of a record is replaced.").default(""))
        .define(key(REPLACEMENTS, Text, "As many replacements, with regex.separator between them; $1 stands for a group.").default(""))
        .define(key(REGEX_SEPARATOR, Text, "What stands between expressions and between replacements.").default("~"))
        .define(key(RETRIES, Int, "Attempts after a failed one.").default("10").validator(at_least(0)))
        .define(key(BACKOFF, Int, "Milliseconds between attempts.").default("3000").validator(at_least(0)))
        .define(key(RETRY_CODES, Text, "The statuses to try again after: numbers and ranges, separated by commas; a range without end is open. Example: 408,429,500-").default("400-"))
        .define(key(CONNECT_TIMEOUT, Int, "Milliseconds after which a connection has failed.").default("30000").validator(at_least(1)))
        .define(key(REQUEST_TIMEOUT, Int, "Milliseconds after which a request has failed.").default("30000").validator(at_least(1)))
}

/// Says which keys of a configuration have no effect.
pub(crate) fn warn_of_keys_without_effect(props: &Props) {
    for key in props.keys() {
        if WITHOUT_EFFECT
            .iter()
            .any(|beginning| key.starts_with(beginning))
        {
            tracing::warn!(
                key,
                "has no effect: errors are reported by errors.deadletterqueue.topic.name, and there is no license"
            );
        }
    }
}

/// The statuses of [`RETRY_CODES`].
#[derive(Debug)]
pub(crate) struct Statuses(Vec<(u16, u16)>);

impl Statuses {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            |part: &str| format!("{part:?} is not a status or a range of them, such as 500-599");
        let range = |part: &str| {
            let number = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong(part));
            Ok(match part.split_once('-') {
                None => (number(part)?, number(part)?),
                Some((first, last)) if last.trim().is_empty() => (number(first)?, u16::MAX),
                Some((first, last)) => (number(first)?, number(last)?),
            })
        };
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts.map(range).collect::<Result<_, String>>().map(Self)
    }

    pub(crate) fn contain(&self, status: u16) -> bool {
        self.0
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&status))
    }
}
