//! Contexts: which clusters there are and how to reach them. From the command line or from a TOML file:
//!
//! ```toml
//! current = "prod"
//!
//! [contexts.prod]
//! connect = ["http://c1:8083", "http://c2:8083"]
//! bootstrap_servers = "k1:9092"
//! readonly = true        # no writes
//! careful = true         # every verb wants the name typed
//! skin = "red"           # red, plain, default
//! group = "connect-prod" # found by itself when only one fits
//! [contexts.prod.client] # librdkafka properties
//! "security.protocol" = "SSL"
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use crate::model::ContextSummary;
use crate::text::Text;

/// One cluster and how to reach it. `Debug` shows no credentials.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) name: String,
    /// REST URLs, tried in this order.
    pub(crate) urls: Vec<Url>,
    /// Brokers; without them there is no lag, no group and no live tail.
    pub(crate) bootstrap: Option<String>,
    /// Client properties of librdkafka, by their names.
    pub(crate) client: BTreeMap<String, String>,
    /// Group id of the Connect cluster.
    pub(crate) group: Option<String>,
    pub(crate) status_topic: Option<String>,
    pub(crate) config_topic: Option<String>,
    pub(crate) offset_topic: Option<String>,
    pub(crate) telemetry_topic: Option<String>,
    /// Whether verbs are off.
    pub(crate) readonly: bool,
    /// Every verb wants the name typed.
    pub(crate) careful: bool,
    /// Name of a theme; an unknown one is the default.
    pub(crate) skin: Option<String>,
    /// PEM file with the authority that signed the workers' certificates.
    pub(crate) ca_file: Option<PathBuf>,
    /// Whether no configuration names it: it is the worker that may be on this machine.
    pub(crate) assumed: bool,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("name", &self.name)
            .field("urls", &self.urls.iter().map(shown_url).collect::<Vec<_>>())
            .field("bootstrap", &self.bootstrap)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// What the screen needs of it.
    pub(crate) fn summary(&self) -> ContextSummary {
        let urls: Vec<String> = self.urls.iter().map(shown_url).collect();
        ContextSummary {
            name: Text::line(&self.name),
            urls: Text::line(&urls.join(", ")),
            bootstrap: self.bootstrap.as_deref().map(Text::line),
            readonly: self.readonly,
            careful: self.careful,
            assumed: self.assumed,
            seen: None,
        }
    }
}

/// A URL without user and password.
pub(crate) fn shown_url(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    format!("{}://{host}{port}{path}", url.scheme())
}

/// What went wrong with the configuration; the text says where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    #[error("configuration {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("configuration {path}: {source}")]
    Parse {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    /// A URL is none.
    #[error("\"{url}\" is no REST URL of a Connect worker, such as http://localhost:8083: {why}")]
    Url { url: String, why: String },
    /// The file has no context of this name.
    #[error("no context \"{name}\" (there are: {known})")]
    Unknown {
        name: String,
        /// Names of the contexts that exist.
        known: String,
    },
    /// A context without a URL.
    #[error("context \"{0}\" has no connect URL")]
    NoUrl(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    current: Option<String>,
    #[serde(default)]
    readonly: bool,
    #[serde(default)]
    contexts: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    connect: OneOrMany,
    bootstrap_servers: Option<String>,
    #[serde(default)]
    client: BTreeMap<String, String>,
    group: Option<String>,
    status_topic: Option<String>,
    config_topic: Option<String>,
    offset_topic: Option<String>,
    telemetry_topic: Option<String>,
    #[serde(default)]
    readonly: bool,
    #[serde(default)]
    careful: bool,
    skin: Option<String>,
    ca_file: Option<PathBuf>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Contexts and which of them to begin with.
#[derive(Clone, Debug)]
pub(crate) struct Contexts {
    pub(crate) all: Vec<Context>,
    /// The one to begin with.
    pub(crate) current: usize,
    /// No writes at all.
    pub(crate) readonly: bool,
}

/// What the command line says about contexts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) connect: Vec<String>,
    pub(crate) bootstrap: Option<String>,
    pub(crate) context: Option<String>,
    /// Whether verbs are off.
    pub(crate) readonly: bool,
    /// The file; absent is fine unless it was named.
    pub(crate) file: Option<PathBuf>,
    /// Whether the file was named on the command line.
    pub(crate) file_required: bool,
}

/// What to do when the worker of this machine, which no configuration names, is not there.
pub(crate) const NAME_A_CLUSTER: &str = "no cluster was named: give --connect URL, or name contexts in \
     ~/.config/sluice/config.toml; `sluice demo` shows one at work";

/// Puts file and command line together. Without any of them: a worker on this machine, port 8083.
pub(crate) fn resolve(wanted: &Wanted) -> Result<Contexts, ConfigError> {
    let file = match &wanted.file {
        Some(path) => read(path, wanted.file_required)?,
        None => File::default(),
    };
    let mut all = Vec::new();
    for (name, entry) in file.contexts {
        all.push(context(name, entry)?);
    }
    let mut current = 0;
    if !wanted.connect.is_empty() || (all.is_empty() && wanted.context.is_none()) {
        let urls = if wanted.connect.is_empty() {
            vec!["http://localhost:8083".to_owned()]
        } else {
            wanted.connect.clone()
        };
        let urls = urls
            .iter()
            .map(|url| parse_url(url))
            .collect::<Result<Vec<_>, _>>()?;
        let name = urls.first().map_or_else(String::new, |url| {
            format!(
                "{}{}",
                url.host_str().unwrap_or("?"),
                url.port().map(|p| format!(":{p}")).unwrap_or_default()
            )
        });
        all.insert(
            0,
            Context {
                name,
                urls,
                bootstrap: wanted.bootstrap.clone(),
                client: BTreeMap::new(),
                group: None,
                status_topic: None,
                config_topic: None,
                offset_topic: None,
                telemetry_topic: None,
                readonly: false,
                careful: false,
                skin: None,
                ca_file: None,
                assumed: wanted.connect.is_empty(),
            },
        );
    } else {
        let name = wanted.context.clone().or(file.current);
        if let Some(name) = name {
            current =
                all.iter()
                    .position(|c| c.name == name)
                    .ok_or_else(|| ConfigError::Unknown {
                        name,
                        known: all
                            .iter()
                            .map(|c| c.name.as_str())
                            .collect::<Vec<_>>()
                            .join(", "),
                    })?;
        }
        if let (Some(bootstrap), Some(context)) = (&wanted.bootstrap, all.get_mut(current)) {
            context.bootstrap = Some(bootstrap.clone());
        }
    }
    Ok(Contexts {
        all,
        current,
        readonly: wanted.readonly || file.readonly,
    })
}

fn read(path: &Path, required: bool) -> Result<File, ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
            return Ok(File::default());
        }
        Err(source) => {
            return Err(ConfigError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    toml::from_str(&text).map_err(|source| ConfigError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

fn context(name: String, entry: Entry) -> Result<Context, ConfigError> {
    let urls = match entry.connect {
        OneOrMany::One(url) => url.split(',').map(|part| part.trim().to_owned()).collect(),
        OneOrMany::Many(urls) => urls,
    };
    if urls.is_empty() {
        return Err(ConfigError::NoUrl(name));
    }
    Ok(Context {
        urls: urls
            .iter()
            .map(|url| parse_url(url))
            .collect::<Result<Vec<_>, _>>()?,
        name,
        bootstrap: entry.bootstrap_servers,
        client: entry.client,
        group: entry.group,
        status_topic: entry.status_topic,
        config_topic: entry.config_topic,
        offset_topic: entry.offset_topic,
        telemetry_topic: entry.telemetry_topic,
        readonly: entry.readonly,
        careful: entry.careful,
        skin: entry.skin,
        ca_file: entry.ca_file,
        assumed: false,
    })
}

/// `host:port` is taken as `http://host:port`.
fn parse_url(raw: &str) -> Result<Url, ConfigError> {
    let text = if raw.contains("://") {
        raw.to_owned()
    } else {
        format!("http://{raw}")
    };
    let fail = |why: String| ConfigError::Url {
        url: Text::line(raw).to_string(),
        why,
    };
    let url = Url::parse(&text).map_err(|error| fail(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(fail("scheme is neither http nor https".to_owned()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Wanted {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.keep().join("config.toml");
        std::fs::write(&path, text).unwrap();
        Wanted {
            file: Some(path),
            ..Wanted::default()
        }
    }

    #[test]
    fn the_command_line_alone_makes_a_context() {
        let wanted = Wanted {
            connect: vec!["h1:8083".into(), "https://u:p@h2:8443".into()],
            bootstrap: Some("k:9092".into()),
            ..Wanted::default()
        };
        let contexts = resolve(&wanted).unwrap();
        assert_eq!(contexts.all[0].name, "h1:8083");
        assert_eq!(
            contexts.all[0].summary().urls.as_str(),
            "http://h1:8083, https://h2:8443"
        );
        assert!(!format!("{contexts:?}").contains("u:p"));
    }

    #[test]
    fn the_file_gives_contexts_and_the_current_one() {
        let mut wanted = file(
            "current='b'\n[contexts.a]\nconnect='http://a:1'\n[contexts.b]\nconnect=['http://b:1']\nreadonly=true\n",
        );
        let contexts = resolve(&wanted).unwrap();
        assert_eq!(contexts.current, 1);
        assert!(contexts.all[1].readonly);
        wanted.context = Some("x".into());
        let error = resolve(&wanted).unwrap_err().to_string();
        assert_eq!(error, "no context \"x\" (there are: a, b)");
    }

    #[test]
    fn mistakes_are_named() {
        let error = resolve(&file("[contexts.a]\nconnekt='x'\n"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("connekt"), "{error}");
        let wanted = Wanted {
            connect: vec!["ftp://h".into()],
            ..Wanted::default()
        };
        assert!(
            resolve(&wanted)
                .unwrap_err()
                .to_string()
                .contains("neither http nor https")
        );
        let missing = Wanted {
            file: Some("/nowhere/x.toml".into()),
            file_required: true,
            ..Wanted::default()
        };
        assert!(resolve(&missing).is_err());
        let absent = Wanted {
            file: Some("/nowhere/x.toml".into()),
            ..Wanted::default()
        };
        assert_eq!(resolve(&absent).unwrap().all[0].name, "localhost:8083");
    }
}
