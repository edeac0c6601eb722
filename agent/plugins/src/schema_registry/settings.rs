//! The keys that all converters with a Schema Registry have, and what they mean.

use std::time::Duration;

use sluice_api::config::{ConfigDef, ConfigError, ConfigKey, ConfigType, ConfigValue, Importance};
use sluice_api::{ConnectError, ConverterType, ParsedConfig, Password, Place, Props, Result};
use url::Url;

use super::subject::SubjectNameStrategy;
use super::tls::TlsSettings;

/// How a request proves who asks.
pub(super) enum Credentials {
    None,
    Basic { user: String, password: Password },
    Bearer(Password),
}

/// Which schema is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriterSchema {
    /// Registers the schema of the data (`auto.register.schemas`).
    Register,
    /// The schema of the data, which must be registered.
    Lookup,
    /// The latest version of the subject (`use.latest.version`).
    Latest,
    /// The schema of that id (`use.schema.id`).
    Id(i32),
}

/// Settings of the client and of lookups.
pub(crate) struct Settings {
    /// Addresses without credentials, ending in a slash; tried in this order.
    pub(super) urls: Vec<Url>,
    pub(super) credentials: Credentials,
    pub(super) headers: Vec<(String, Password)>,
    pub(super) tls: TlsSettings,
    pub(super) proxy: Option<String>,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    /// Repetitions after the first attempt at all addresses.
    pub(super) max_retries: u32,
    pub(super) retry_wait: Duration,
    pub(super) retry_max_wait: Duration,
    pub(super) strategy: SubjectNameStrategy,
    pub(super) writer_schema: WriterSchema,
    pub(super) normalize: bool,
    /// After which time the latest version is asked for again; `None` for never.
    pub(super) latest_ttl: Option<Duration>,
    /// Schemas kept in each direction.
    pub(super) cache_size: usize,
}

const HEADER_PREFIX: &str = "request.header.";

struct KeyRow(
    &'static str,
    ConfigType,
    Option<&'static str>,
    Importance,
    &'static str,
);

/// Keys with their defaults, `None` for null. Sources: `AbstractKafkaSchemaSerDeConfig`,
/// `SchemaRegistryClientConfig`.
const KEYS: &[KeyRow] = {
    use ConfigType::{Boolean, Int, Long, Password, String};
    use Importance::{Low, Medium};
    &[
        KeyRow(
            "max.schemas.per.subject",
            Int,
            Some("1000"),
            Low,
            "How many schemas are kept in each direction before the cache starts anew.",
        ),
        KeyRow(
            "auto.register.schemas",
            Boolean,
            Some("true"),
            Medium,
            "Whether schemas of data that is written are registered. If not, they must be there.",
        ),
        KeyRow(
            "normalize.schemas",
            Boolean,
            Some("false"),
            Medium,
            "Whether the registry normalizes schemas when it registers or looks them up.",
        ),
        KeyRow(
            "use.latest.version",
            Boolean,
            Some("false"),
            Low,
            "Whether data is written with the latest version of its subject. Only if auto.register.schemas \
             is false.",
        ),
        KeyRow(
            "latest.compatibility.strict",
            Boolean,
            Some("true"),
            Low,
            "Accepted; data that does not fit the latest version is refused either way.",
        ),
        KeyRow(
            "use.schema.id",
            Int,
            Some("-1"),
            Low,
            "Id of the schema that data is written with; -1 for none. Only if auto.register.schemas is \
             false.",
        ),
        KeyRow(
            "id.compatibility.strict",
            Boolean,
            Some("true"),
            Low,
            "As latest.compatibility.strict, for use.schema.id.",
        ),
        KeyRow(
            "latest.cache.ttl.sec",
            Long,
            Some("-1"),
            Low,
            "Seconds after which the latest version is asked for again; -1 for never.",
        ),
        KeyRow(
            "basic.auth.credentials.source",
            String,
            Some("URL"),
            Medium,
            "Where user and password come from: URL, or USER_INFO for basic.auth.user.info.",
        ),
        KeyRow(
            "basic.auth.user.info",
            Password,
            Some(""),
            Medium,
            "USER:PASSWORD for basic authentication.",
        ),
        KeyRow(
            "schema.registry.basic.auth.user.info",
            Password,
            Some(""),
            Low,
            "Older name of basic.auth.user.info.",
        ),
        KeyRow(
            "bearer.auth.credentials.source",
            String,
            Some("STATIC_TOKEN"),
            Medium,
            "Where the token comes from; only STATIC_TOKEN.",
        ),
        KeyRow(
            "bearer.auth.token",
            Password,
            Some(""),
            Medium,
            "Token for bearer authentication.",
        ),
        KeyRow(
            "proxy.host",
            String,
            Some(""),
            Low,
            "Host of an HTTP proxy.",
        ),
        KeyRow(
            "proxy.port",
            Int,
            Some("-1"),
            Low,
            "Port of the HTTP proxy.",
        ),
        KeyRow(
            "http.connect.timeout.ms",
            Int,
            Some("60000"),
            Low,
            "Milliseconds until a connection has to be there.",
        ),
        KeyRow(
            "http.read.timeout.ms",
            Int,
            Some("60000"),
            Low,
            "Milliseconds until an answer has to be there.",
        ),
        KeyRow(
            "max.retries",
            Int,
            Some("3"),
            Low,
            "Repetitions of a request that no address answered, or that was answered with an error of the \
             server.",
        ),
        KeyRow(
            "retries.wait.ms",
            Int,
            Some("1000"),
            Low,
            "Milliseconds before the first repetition; doubled each time.",
        ),
        KeyRow(
            "retries.max.wait.ms",
            Int,
            Some("20000"),
            Low,
            "Milliseconds before a repetition at most.",
        ),
        KeyRow(
            "schema.registry.ssl.truststore.type",
            String,
            Some("JKS"),
            Medium,
            "Kind of the trust store: JKS, PKCS12 or PEM.",
        ),
        KeyRow(
            "schema.registry.ssl.truststore.location",
            String,
            None,
            Medium,
            "File with trusted certificates.",
        ),
        KeyRow(
            "schema.registry.ssl.truststore.password",
            Password,
            None,
            Medium,
            "Password of the trust store.",
        ),
        KeyRow(
            "schema.registry.ssl.truststore.certificates",
            Password,
            None,
            Medium,
            "Trusted certificates, PEM.",
        ),
        KeyRow(
            "schema.registry.ssl.keystore.type",
            String,
            Some("JKS"),
            Medium,
            "Kind of the key store: JKS, PKCS12 or PEM.",
        ),
        KeyRow(
            "schema.registry.ssl.keystore.location",
            String,
            None,
            Medium,
            "File with the client's certificate and key.",
        ),
        KeyRow(
            "schema.registry.ssl.keystore.password",
            Password,
            None,
            Medium,
            "Password of the key store.",
        ),
        KeyRow(
            "schema.registry.ssl.key.password",
            Password,
            None,
            Medium,
            "Password of the client's key.",
        ),
        KeyRow(
            "schema.registry.ssl.enabled.protocols",
            String,
            None,
            Low,
            "Versions of TLS that may be used, of TLSv1.2 and TLSv1.3; both if it is not given.",
        ),
        KeyRow(
            "schema.registry.ssl.protocol",
            String,
            None,
            Low,
            "Java's implementation of TLS; checked, and without effect.",
        ),
        KeyRow(
            "schema.registry.ssl.cipher.suites",
            String,
            None,
            Low,
            "Refused: the client chooses among secure cipher suites by itself.",
        ),
        KeyRow(
            "schema.registry.ssl.keystore.certificate.chain",
            Password,
            None,
            Medium,
            "The client's certificate, PEM.",
        ),
        KeyRow(
            "schema.registry.ssl.keystore.key",
            Password,
            None,
            Medium,
            "The client's key, PEM.",
        ),
        KeyRow(
            "schema.registry.ssl.endpoint.identification.algorithm",
            String,
            Some("https"),
            Low,
            "Empty: certificates may be for any host.",
        ),
    ]
};

/// Adds the common keys to a definition.
pub(crate) fn define(mut def: ConfigDef) -> ConfigDef {
    def.add(
        ConfigKey::new("schema.registry.url", ConfigType::List)
            .importance(Importance::High)
            .validator(std::sync::Arc::new(|name, value| match value {
                ConfigValue::List(urls) => read_urls(name, urls).map(drop),
                _ => Ok(()),
            }))
            .names_urls()
            .doc("Addresses of the Schema Registry, separated by commas; the next is tried when one does not \
                  answer."),
    );
    for KeyRow(name, kind, default, importance, doc) in KEYS {
        let key = ConfigKey::new(*name, *kind)
            .importance(*importance)
            .doc(*doc);
        let key = match *name {
            "proxy.host" => key.names(|value| {
                let host = value.display().filter(|host| !host.is_empty());
                host.iter().map(|host| Place::host(host, None)).collect()
            }),
            _ => key,
        };
        def.add(match default {
            Some(default) => key.default(default),
            None => key.optional(),
        });
    }
    for side in ["key", "value"] {
        def.add(
            ConfigKey::new(format!("{side}.subject.name.strategy"), ConfigType::Class)
                .default("io.confluent.kafka.serializers.subject.TopicNameStrategy")
                .validator(std::sync::Arc::new(|name, value| match value {
                    ConfigValue::Class(class) if SubjectNameStrategy::named(class).is_none() => {
                        Err(ConfigError::invalid(
                            name,
                            class,
                            "the strategies are TopicNameStrategy, RecordNameStrategy and \
                             TopicRecordNameStrategy",
                        ))
                    }
                    _ => Ok(()),
                }))
                .doc(format!(
                    "How the subject of a {side}'s schema is named: TopicNameStrategy, RecordNameStrategy or \
                     TopicRecordNameStrategy."
                )),
        );
    }
    def
}

/// Keys of a format that are on or off: name, default, meaning.
pub(crate) fn switches(rows: &[(&str, &str, &str)]) -> ConfigDef {
    let mut def = ConfigDef::new();
    for (name, default, doc) in rows {
        def.add(
            ConfigKey::new(*name, ConfigType::Boolean)
                .default(default)
                .importance(Importance::Low)
                .doc(*doc),
        );
    }
    def
}

fn read_urls(name: &str, urls: &[String]) -> Result<Vec<Url>, ConfigError> {
    // Addresses may hold credentials, so faults do not show them.
    let fault = |number: usize, why: &str| {
        ConfigError(format!(
            "Invalid value for configuration {name}: address {} of {}: {why}",
            number + 1,
            urls.len()
        ))
    };
    if urls.is_empty() {
        return Err(ConfigError(format!(
            "Configuration '{name}' must not be empty."
        )));
    }
    urls.iter()
        .enumerate()
        .map(|(number, text)| {
            let mut url = Url::parse(text).map_err(|_| fault(number, "not a URL"))?;
            if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
                return Err(fault(number, "it must begin with http:// or https://"));
            }
            if !url.path().ends_with('/') {
                let path = format!("{}/", url.path());
                url.set_path(&path);
            }
            Ok(url)
        })
        .collect()
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

impl Settings {
    /// Settings from a parsed configuration and, for the keys with free ends, the properties themselves.
    ///
    /// # Errors
    /// A value that is not supported, or a store that cannot be read.
    pub(crate) fn read(config: &ParsedConfig, props: &Props, kind: ConverterType) -> Result<Self> {
        let mut urls = read_urls("schema.registry.url", config.list("schema.registry.url"))?;
        let credentials = credentials(config, &urls)?;
        for url in &mut urls {
            // Neither fails: the scheme is one of those that may have them.
            let _ = url.set_username("");
            let _ = url.set_password(None);
        }
        let millis =
            |key: &str| Duration::from_millis(u64::try_from(config.int(key)).unwrap_or_default());
        let strategy_key = format!("{}.subject.name.strategy", kind.as_str());
        let class = config.class(&strategy_key);
        let strategy = SubjectNameStrategy::named(class)
            .ok_or_else(|| ConfigError::invalid(&strategy_key, class, "no such strategy"))?;
        let host = config.string("proxy.host");
        let proxy =
            (!host.is_empty()).then(|| format!("http://{host}:{}", config.int("proxy.port")));
        Ok(Self {
            urls,
            credentials,
            headers: props
                .iter()
                .filter_map(|(key, value)| {
                    let name = key.strip_prefix(HEADER_PREFIX)?;
                    Some((name.to_owned(), Password::new(value.as_str())))
                })
                .collect(),
            tls: TlsSettings::read(config)?,
            proxy,
            connect_timeout: millis("http.connect.timeout.ms"),
            read_timeout: millis("http.read.timeout.ms"),
            max_retries: u32::try_from(config.int("max.retries")).unwrap_or_default(),
            retry_wait: millis("retries.wait.ms"),
            retry_max_wait: millis("retries.max.wait.ms"),
            strategy,
            writer_schema: writer_schema(config),
            normalize: config.boolean("normalize.schemas"),
            // At least a second, so that what was fetched can be used.
            latest_ttl: u64::try_from(config.long("latest.cache.ttl.sec"))
                .ok()
                .map(|seconds| Duration::from_secs(seconds.max(1))),
            cache_size: usize::try_from(config.int("max.schemas.per.subject"))
                .unwrap_or_default()
                .max(1),
        })
    }
}

fn writer_schema(config: &ParsedConfig) -> WriterSchema {
    let id = config.int("use.schema.id");
    if config.boolean("auto.register.schemas") {
        WriterSchema::Register
    } else if id >= 0 {
        WriterSchema::Id(id)
    } else if config.boolean("use.latest.version") {
        WriterSchema::Latest
    } else {
        WriterSchema::Lookup
    }
}

fn credentials(config: &ParsedConfig, urls: &[Url]) -> Result<Credentials> {
    let token = config.password("bearer.auth.token");
    let source = config.string("bearer.auth.credentials.source");
    if source != "STATIC_TOKEN" {
        return Err(ConfigError::invalid(
            "bearer.auth.credentials.source",
            source,
            "only STATIC_TOKEN is supported",
        )
        .into());
    }
    let basic = match config.string("basic.auth.credentials.source") {
        "URL" => urls
            .iter()
            .find(|url| !url.username().is_empty())
            .map(|url| Credentials::Basic {
                user: decoded(url.username()),
                password: Password::new(decoded(url.password().unwrap_or_default())),
            }),
        "USER_INFO" => {
            let info = [
                "basic.auth.user.info",
                "schema.registry.basic.auth.user.info",
            ]
            .into_iter()
            .map(|key| config.password(key).reveal())
            .find(|info| !info.is_empty());
            let Some((user, password)) = info.and_then(|info| info.split_once(':')) else {
                return Err(ConnectError::config(
                    "basic.auth.user.info must be USER:PASSWORD with basic.auth.credentials.source=USER_INFO",
                ));
            };
            Some(Credentials::Basic {
                user: user.to_owned(),
                password: Password::new(password),
            })
        }
        other => {
            return Err(ConfigError::invalid(
                "basic.auth.credentials.source",
                other,
                "only URL and USER_INFO are supported",
            )
            .into());
        }
    };
    match (basic, token.reveal().is_empty()) {
        (Some(_), false) => Err(ConnectError::config(
            "basic.auth and bearer.auth.token exclude each other",
        )),
        (Some(basic), true) => Ok(basic),
        (None, false) => Ok(Credentials::Bearer(token.clone())),
        (None, true) => Ok(Credentials::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings> {
        let props: Props = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let config = define(ConfigDef::new()).parse(&props)?;
        Settings::read(&config, &props, ConverterType::Value)
    }

    #[test]
    fn credentials_of_an_address_are_taken_out_of_it() {
        let settings = read(&[(
            "schema.registry.url",
            "http://user:p%40ss@one:8081, http://two:8081/base",
        )])
        .unwrap();
        let urls: Vec<&str> = settings.urls.iter().map(Url::as_str).collect();
        assert_eq!(urls, ["http://one:8081/", "http://two:8081/base/"]);
        let Credentials::Basic { user, password } = settings.credentials else {
            panic!("no basic authentication");
        };
        assert_eq!((user.as_str(), password.reveal()), ("user", "p@ss"));
    }

    #[test]
    fn faults_do_not_show_credentials() {
        let url = ("schema.registry.url", "http://r:8081");
        for pairs in [
            &[("schema.registry.url", "ftp://user:hunter2@one")][..],
            &[("schema.registry.url", "user:hunter2@")],
            &[
                url,
                ("basic.auth.credentials.source", "USER_INFO"),
                ("basic.auth.user.info", "hunter2"),
            ],
            &[
                ("schema.registry.url", "http://u:hunter2@r"),
                ("bearer.auth.token", "hunter2"),
            ],
            &[
                url,
                ("schema.registry.ssl.truststore.certificates", "hunter2"),
            ],
        ] {
            let error = read(pairs).err().map(|error| error.trace());
            assert!(
                error.as_ref().is_some_and(|text| !text.contains("hunter2")),
                "{error:?}"
            );
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let url = ("schema.registry.url", "http://r:8081");
        for (key, value) in [
            ("basic.auth.credentials.source", "SASL_INHERIT"),
            ("bearer.auth.credentials.source", "OAUTHBEARER"),
            ("value.subject.name.strategy", "com.Mine"),
            ("schema.registry.ssl.truststore.location", "/no/such.jks"),
        ] {
            let error = read(&[url, (key, value)]).err().unwrap();
            let named = key.trim_end_matches(".location");
            assert!(error.message().contains(named), "{error}");
        }
    }
}
