//! Variables in configurations, such as `${file:/secrets.properties:password}`, and the providers
//! that give their values (Kafka's `ConfigTransformer` and `WorkerConfigTransformer`, KIP-297).
//!
//! Variables are resolved when a configuration is validated and when connectors and tasks start.
//! What is stored and shown keeps the text with the variable. A resolved value may be a secret, so
//! [`Resolved`] can hide it again in whatever text a plugin makes of it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use regex::Regex;
use sluice_api::config::Props;
use sluice_api::config_provider::ConfigProvider;
use sluice_api::error::ConnectError;
use sluice_api::plugin::{ConfigProviderPlugin, Environment};
use sluice_api::{Place, Reach};
use sluice_protocol::ConfigMap;

use crate::properties::with_prefix;

/// A variable of a value: `${provider:key}` or `${provider:path:key}`.
static VARIABLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}").ok());

/// The config providers of a worker.
#[derive(Clone, Default)]
pub struct ConfigTransformer {
    providers: HashMap<String, Arc<dyn ConfigProvider>>,
    reach: Reach,
}

impl ConfigTransformer {
    /// Makes the providers that `config.providers` names.
    ///
    /// # Errors
    /// One text per provider that there is not, or that refuses its parameters.
    pub fn from_props(
        props: &Props,
        plugins: &[ConfigProviderPlugin],
        environment: &Environment,
    ) -> Result<Self, Vec<String>> {
        let mut providers: HashMap<String, Arc<dyn ConfigProvider>> = HashMap::new();
        let mut faults = Vec::new();
        let aliases = props.get("config.providers").map_or("", String::as_str);
        for alias in aliases
            .split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
        {
            match provider(alias, props, plugins, environment) {
                Ok(provider) => {
                    providers.insert(alias.to_owned(), provider);
                }
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            let reach = Reach::default();
            Ok(Self { providers, reach })
        } else {
            Err(faults)
        }
    }

    /// The same providers for configurations of connectors, which may name no file out of reach.
    #[must_use]
    pub fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// Puts values for variables. A variable without a value, or of an unknown provider, stays as it is.
    ///
    /// # Errors
    /// What a provider failed with.
    pub fn resolve(&self, raw: &Props) -> Result<Resolved, ConnectError> {
        let mut resolved = Resolved {
            props: raw.clone(),
            ..Resolved::default()
        };
        let Some(pattern) = VARIABLE.as_ref().filter(|_| !self.providers.is_empty()) else {
            return Ok(resolved);
        };
        let mut wanted: HashMap<(String, String), Vec<String>> = HashMap::new();
        for captures in raw.values().flat_map(|text| pattern.captures_iter(text)) {
            let variable = Variable::of(&captures);
            let keys = wanted
                .entry((variable.provider, variable.path))
                .or_default();
            if !keys.contains(&variable.key) {
                keys.push(variable.key);
            }
        }
        let mut found = HashMap::new();
        for ((name, path), keys) in wanted {
            let Some(provider) = self.providers.get(&name) else {
                continue;
            };
            for file in provider.unbounded_files(&path, &keys) {
                if let Some(why) = self.reach.refusal(&Place::File(file)) {
                    let why = format!(
                        "config provider {name}: {why}, and \
                         config.providers.{name}.param.allowed.paths is not set"
                    );
                    return Err(ConnectError::config(why));
                }
            }
            let given = provider.get(&path, &keys)?;
            if let Some(ttl) = given.ttl {
                resolved.ttl = Some(resolved.ttl.map_or(ttl, |other| other.min(ttl)));
            }
            found.insert((name, path), given.data);
        }
        for (key, text) in &mut resolved.props {
            let mut values = Vec::new();
            let replaced = pattern.replace_all(text, |captures: &regex::Captures<'_>| {
                let original = captures.get(0).map_or("", |all| all.as_str());
                let variable = Variable::of(captures);
                let value = found
                    .get(&(variable.provider, variable.path))
                    .and_then(|data| data.get(&variable.key));
                match value {
                    Some(value) => {
                        values.push((value.clone(), original.to_owned()));
                        value.clone()
                    }
                    None => original.to_owned(),
                }
            });
            if values.is_empty() {
                continue;
            }
            let replaced = replaced.into_owned();
            resolved.raw.insert(key.clone(), text.clone());
            resolved.values.push((replaced.clone(), text.clone()));
            resolved.values.append(&mut values);
            *text = replaced;
        }
        // Longer values first: one may be part of another.
        resolved
            .values
            .sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        resolved.values.dedup();
        Ok(resolved)
    }
}

/// Puts the text with variables back into task configs, for each key whose value in the connector's
/// config has a variable (`AbstractHerder.reverseTransform`). So no secret is stored.
pub(crate) fn reverse(connector: &ConfigMap, task: &mut ConfigMap) {
    let Some(pattern) = VARIABLE.as_ref() else {
        return;
    };
    for (key, raw) in connector {
        if let Some(raw) = raw
            && pattern.is_match(raw)
            && task.iter().any(|(given, _)| given == key)
        {
            task.set(key.clone(), raw.clone());
        }
    }
}

fn provider(
    alias: &str,
    props: &Props,
    plugins: &[ConfigProviderPlugin],
    environment: &Environment,
) -> Result<Arc<dyn ConfigProvider>, String> {
    let prefix = format!("config.providers.{alias}.");
    let key = format!("{prefix}class");
    let class = props.get(&key).map(|class| class.trim()).ok_or_else(|| {
        format!("Missing required configuration \"{key}\" which has no default value.")
    })?;
    let plugin = plugins
        .iter()
        .find(|plugin| &*plugin.class == class || plugin.class.rsplit('.').next() == Some(class))
        .ok_or_else(|| {
            format!(
                "Invalid value {class} for configuration {key}: Class {class} could not be found."
            )
        })?;
    let mut provider = (plugin.new)(environment);
    provider
        .configure(&with_prefix(props, &format!("{prefix}param.")))
        .map_err(|error| format!("config provider {alias}: {error}"))?;
    Ok(Arc::from(provider))
}

struct Variable {
    provider: String,
    path: String,
    key: String,
}

impl Variable {
    fn of(captures: &regex::Captures<'_>) -> Self {
        let group = |index| {
            captures
                .get(index)
                .map_or_else(String::new, |group| group.as_str().to_owned())
        };
        Self {
            provider: group(1),
            path: group(2),
            key: group(3),
        }
    }
}

/// A configuration with values for its variables.
#[derive(Clone, Default)]
pub struct Resolved {
    /// The configuration. It may hold secrets.
    pub props: Props,
    /// After what time the first of the values is no longer good.
    pub ttl: Option<Duration>,
    /// The texts with variables, by key.
    raw: Props,
    /// Values and the texts that they stand for, the longest first.
    values: Vec<(String, String)>,
}

/// Names keys only: values may be secrets.
impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolved")
            .field("keys", &self.raw.keys())
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

impl Resolved {
    /// The text with variables of a key whose value came from a provider.
    pub fn raw(&self, key: &str) -> Option<&str> {
        self.raw.get(key).map(String::as_str)
    }

    /// True if no value came from a provider.
    pub fn is_plain(&self) -> bool {
        self.raw.is_empty()
    }

    /// A text in which values from providers stand as the variables that they came from.
    ///
    /// Values are found where no letter or digit stands beside them, so that a short one, such as a
    /// number, does not tear words and numbers that only contain it.
    pub fn hide(&self, text: &str) -> String {
        let mut result = text.to_owned();
        for (value, raw) in &self.values {
            if !value.trim().is_empty() {
                result = replace_whole(&result, value, raw);
            }
        }
        result
    }

    /// An error in whose messages values from providers are hidden.
    pub fn hide_in(&self, error: &ConnectError) -> ConnectError {
        error.map_texts(&|text| self.hide(text))
    }
}

fn replace_whole(text: &str, value: &str, raw: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, found) = rest.split_at(at);
        let after = found.get(value.len()..).unwrap_or_default();
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        // What was pushed already stands before it too.
        let previous = before.chars().next_back().or(result.chars().next_back());
        let inside = word(previous) && word(value.chars().next())
            || word(after.chars().next()) && word(value.chars().next_back());
        result.push_str(before);
        result.push_str(if inside { value } else { raw });
        rest = after;
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_api::config_provider::ConfigData;

    struct Fixed;

    impl ConfigProvider for Fixed {
        fn configure(&mut self, _props: &Props) -> sluice_api::Result<()> {
            Ok(())
        }

        fn get(&self, path: &str, keys: &[String]) -> sluice_api::Result<ConfigData> {
            if path == "broken" {
                return Err(ConnectError::config(
                    "Could not read properties from file broken",
                ));
            }
            let known = |key: &&String| key.as_str() != "nope";
            let data = keys
                .iter()
                .filter(known)
                .map(|key| (key.clone(), format!("{path}<{key}>")))
                .collect();
            Ok(ConfigData {
                data,
                ttl: path.parse().ok().map(Duration::from_millis),
            })
        }
    }

    fn transformer() -> ConfigTransformer {
        ConfigTransformer {
            reach: Reach::default(),
            providers: [("fix".to_owned(), Arc::new(Fixed) as Arc<dyn ConfigProvider>)].into(),
        }
    }

    fn resolved(text: &str) -> String {
        let raw = Props::from([("k".to_owned(), text.to_owned())]);
        transformer().resolve(&raw).unwrap().props["k"].clone()
    }

    #[test]
    fn variables_are_replaced_wherever_they_stand_and_others_stay() {
        for (text, expected) in [
            ("${fix:a}", "<a>"),
            ("${fix:p:a}", "p<a>"),
            ("x ${fix:a}${fix:p:b}:y", "x <a>p<b>:y"),
            ("${fix:nope} ${fix:a}", "${fix:nope} <a>"),
            ("${other:a}", "${other:a}"),
            ("${fix}", "${fix}"),
            ("${fix:p:a:b}", "p<a:b>"),
            ("$fix:a", "$fix:a"),
            ("${topic}-${timestamp}", "${topic}-${timestamp}"),
        ] {
            assert_eq!(resolved(text), expected, "{text}");
        }
    }

    #[test]
    fn the_failure_of_a_provider_is_that_of_the_whole() {
        let raw = Props::from([("k".to_owned(), "${fix:broken:a}".to_owned())]);
        assert_eq!(
            transformer().resolve(&raw).unwrap_err().message(),
            "Could not read properties from file broken"
        );
    }

    #[test]
    fn the_shortest_life_of_a_value_counts() {
        let raw = Props::from([
            ("a".to_owned(), "${fix:500:x}".to_owned()),
            ("b".to_owned(), "${fix:20:x}${fix:y}".to_owned()),
        ]);
        let ttl = transformer().resolve(&raw).unwrap().ttl;
        assert_eq!(ttl, Some(Duration::from_millis(20)));
    }

    #[test]
    fn values_are_hidden_in_texts_but_parts_of_words_stay() {
        let resolved = Resolved {
            values: vec![
                ("hunter2".to_owned(), "${f:p}".to_owned()),
                ("1".to_owned(), "${f:n}".to_owned()),
            ],
            ..Resolved::default()
        };
        assert_eq!(
            resolved.hide("login root:hunter2@host, hunter22 (1 of 10)"),
            "login root:${f:p}@host, hunter22 (${f:n} of 10)"
        );
        let error = ConnectError::connect("no").caused_by(ConnectError::data("bad: hunter2"));
        assert!(!resolved.hide_in(&error).trace().contains("hunter2"));
    }

    #[test]
    fn task_configs_are_stored_with_the_variables_of_the_connector() {
        let connector: ConfigMap = [
            ("password", "${fix:a}"),
            ("topic", "t"),
            ("gone", "${fix:b}"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
        let mut task: ConfigMap = [("password", "<a>"), ("topic", "t"), ("own", "<a>")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        reverse(&connector, &mut task);
        assert_eq!(task.text("password"), Some("${fix:a}"));
        assert_eq!(task.text("topic"), Some("t"));
        assert_eq!(task.text("own"), Some("<a>"));
        assert_eq!(task.text("gone"), None);
    }

    #[test]
    fn a_provider_needs_a_class_that_there_is() {
        let props = Props::from([
            ("config.providers".to_owned(), "a, b,file".to_owned()),
            ("config.providers.b.class".to_owned(), "com.Nope".to_owned()),
            (
                "config.providers.file.class".to_owned(),
                "org.apache.kafka.common.config.provider.FileConfigProvider".to_owned(),
            ),
            (
                "config.providers.file.param.allowed.paths".to_owned(),
                "relative".to_owned(),
            ),
        ]);
        let plugins = sluice_plugins::config_providers::config_providers();
        let Err(faults) = ConfigTransformer::from_props(&props, &plugins, &Environment::new())
        else {
            panic!("accepted");
        };
        assert_eq!(
            faults,
            [
                "Missing required configuration \"config.providers.a.class\" which has no default value.",
                "Invalid value com.Nope for configuration config.providers.b.class: Class com.Nope \
                 could not be found.",
                "config provider file: Path relative is not absolute",
            ]
        );
    }
}
