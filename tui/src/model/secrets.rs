//! Secrets in connector configurations: which values are hidden, and how an edited text becomes a configuration
//! again without ever writing a mask.
//!
//! A value is secret when its key has type PASSWORD in the plugin's ConfigDef or a name that says so. A value that is
//! only a reference (`${provider:path:key}`) is never hidden. In the editor a secret stands as [`MASK`]; a key that
//! comes back with exactly that text keeps its stored value, any other text with the mask's character in it is
//! refused.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use indexmap::IndexMap;
use regex::Regex;
use sluice_protocol::ConfigMap;

/// What stands for a secret on the screen and in the editor.
pub(crate) const MASK: &str = "••••••••";

static SECRET_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(passw(or)?d|passphrase|secret|credential|token|jaas\.config|private[._-]?key|api[._-]?key|access[._-]?key|sas[._-]?key|ssl\.key(store)?\.(key|password)|connection[._-]?string|user\.info)",
    )
    .ok()
});
static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(\$\{[^}]*\})+$").ok());
/// `scheme://user:password@host` inside a value.
static URL_PASSWORD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(://[^/\s:@]*:)([^/\s@]+)(@)").ok());

/// Keys known to be secret by their ConfigDef type.
pub(crate) type PasswordKeys = BTreeSet<String>;

/// Whether the value of `key` is hidden.
pub(crate) fn is_secret(key: &str, value: &str, passwords: &PasswordKeys) -> bool {
    if value.is_empty()
        || REFERENCE
            .as_ref()
            .is_some_and(|regex| regex.is_match(value))
    {
        return false;
    }
    passwords.contains(key)
        || SECRET_NAME
            .as_ref()
            // A key that names where a secret is kept or how it is read is not the secret.
            .is_some_and(|regex| regex.is_match(key) && !names_a_place(key))
        || URL_PASSWORD
            .as_ref()
            .is_some_and(|regex| regex.is_match(value))
}

fn names_a_place(key: &str) -> bool {
    ["location", ".class", ".path", ".file", ".type", ".name"]
        .iter()
        .any(|end| key.ends_with(end))
}

/// The value as it may be shown.
pub(crate) fn shown<'a>(key: &str, value: &'a str, passwords: &PasswordKeys) -> &'a str {
    if is_secret(key, value, passwords) {
        MASK
    } else {
        value
    }
}

/// The text for the editor: pretty JSON, keys sorted, secrets masked.
pub(crate) fn editor_text(config: &ConfigMap, passwords: &PasswordKeys) -> String {
    let mut keys: Vec<&String> = config.keys().collect();
    keys.sort();
    let shown: IndexMap<&str, Option<&str>> = keys
        .into_iter()
        .map(|key| {
            let value = config.text(key).map(|value| shown(key, value, passwords));
            (key.as_str(), value)
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&shown).unwrap_or_default();
    text.push('\n');
    text
}

/// Why an edited text is not a configuration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum EditError {
    /// Not JSON, or not a flat map.
    #[error("not a flat JSON map of configuration keys: {0}")]
    Json(String),
    /// A mask at a place where no secret is stored, or with other text around it.
    #[error("{key}: the mask {MASK} stands for a stored value and can't be part of a new one")]
    Masked {
        /// The key.
        key: String,
    },
}

/// Reads an edited text and puts the stored values back where the mask still stands.
pub(crate) fn merge(text: &str, stored: &ConfigMap) -> Result<ConfigMap, EditError> {
    let mut edited: ConfigMap =
        serde_json::from_str(text).map_err(|error| EditError::Json(error.to_string()))?;
    for (key, value) in edited.iter_mut() {
        let Some(text) = value else { continue };
        if text == MASK {
            match stored.get(key) {
                Some(kept) => value.clone_from(kept),
                None => return Err(EditError::Masked { key: key.clone() }),
            }
        } else if text.contains('•') {
            return Err(EditError::Masked { key: key.clone() });
        }
    }
    Ok(edited)
}

/// One changed key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Only in the new configuration.
    Added(String, String),
    /// Only in the old one.
    Removed(String, String),
    /// In both, with another value: old, new.
    Changed(String, String, String),
}

/// What differs between two configurations, sorted by key, values as they may be shown.
pub(crate) fn diff(old: &ConfigMap, new: &ConfigMap, passwords: &PasswordKeys) -> Vec<Change> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let show = |key: &str, value: &Option<String>| match value {
        Some(value) => shown(key, value, passwords).to_owned(),
        None => "null".to_owned(),
    };
    keys.into_iter()
        .filter_map(|key| match (old.get(key), new.get(key)) {
            (Some(before), Some(after)) if before == after => None,
            (Some(before), Some(after)) => {
                let (mut from, mut to) = (show(key, before), show(key, after));
                if from == to {
                    from.push_str(" (old)");
                    to.push_str(" (new)");
                }
                Some(Change::Changed(key.clone(), from, to))
            }
            (Some(before), None) => Some(Change::Removed(key.clone(), show(key, before))),
            (None, Some(after)) => Some(Change::Added(key.clone(), show(key, after))),
            (None, None) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(keys: &[&str]) -> PasswordKeys {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn a_key_is_secret_by_type_or_by_name() {
        let typed = passwords(&["s3.blob"]);
        assert!(is_secret("s3.blob", "x", &typed));
        for key in [
            "database.password",
            "aws.secret.access.key",
            "sasl.jaas.config",
            "basic.auth.user.info",
            "producer.override.ssl.key.password",
            "api_key",
        ] {
            assert!(is_secret(key, "x", &typed), "{key}");
        }
        for key in [
            "key.converter",
            "topics",
            "ssl.keystore.location",
            "pk.mode",
            "message.key.columns",
        ] {
            assert!(!is_secret(key, "x", &typed), "{key}");
        }
    }

    #[test]
    fn a_reference_is_never_hidden_and_a_url_password_always() {
        let none = PasswordKeys::new();
        assert!(!is_secret("db.password", "${file:/etc/s.props:key}", &none));
        assert!(is_secret("db.password", "x${file:/etc/s.props:key}", &none));
        assert!(is_secret(
            "connection.url",
            "jdbc:postgresql://u:geheim@h/db",
            &none
        ));
        assert!(!is_secret(
            "connection.url",
            "jdbc:postgresql://h:5432/db",
            &none
        ));
    }

    #[test]
    fn a_mask_left_alone_keeps_the_stored_value() {
        let stored = ConfigMap::from([("a", "1"), ("db.password", "geheim")]);
        let text = editor_text(&stored, &PasswordKeys::new());
        assert!(!text.contains("geheim") && text.contains(MASK));
        let edited = text.replace("\"1\"", "\"2\"");
        let merged = merge(&edited, &stored).unwrap();
        assert_eq!(merged.text("db.password"), Some("geheim"));
        assert_eq!(merged.text("a"), Some("2"));
        let changes = diff(&stored, &merged, &PasswordKeys::new());
        assert_eq!(
            changes,
            [Change::Changed("a".into(), "1".into(), "2".into())]
        );
    }

    #[test]
    fn a_mask_is_never_written() {
        let stored = ConfigMap::from([("db.password", "geheim")]);
        let partly = format!(r#"{{"db.password":"x{MASK}"}}"#);
        assert!(matches!(
            merge(&partly, &stored),
            Err(EditError::Masked { .. })
        ));
        let moved = format!(r#"{{"other.password":"{MASK}"}}"#);
        assert!(matches!(
            merge(&moved, &stored),
            Err(EditError::Masked { .. })
        ));
        assert!(matches!(merge("{", &stored), Err(EditError::Json(_))));
        assert!(matches!(
            merge(r#"{"a":{}}"#, &stored),
            Err(EditError::Json(_))
        ));
    }

    #[test]
    fn a_changed_secret_shows_as_changed_without_its_value() {
        let old = ConfigMap::from([("db.password", "geheim")]);
        let new = ConfigMap::from([("db.password", "neu"), ("x", "1")]);
        let changes = format!("{:?}", diff(&old, &new, &PasswordKeys::new()));
        assert!(!changes.contains("geheim") && !changes.contains("neu\""));
        assert!(changes.contains("(new)") && changes.contains("Added"));
    }
}
