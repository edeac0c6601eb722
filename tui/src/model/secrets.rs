//! Secrets in connector configurations: which values or parts of values are hidden, and how an edited text
//! becomes a configuration again without ever writing a mask.
//!
//! A value is secret as a whole when its key has type PASSWORD in the plugin's ConfigDef or a name that
//! says so. In any other value the parts that are secrets by their form are hidden: passwords in URLs,
//! parameters such as `password=` and `api_key=`, tokens after `Bearer`, headers such as `Authorization:`.
//! What is only a reference (`${provider:path:key}`) is never hidden. In the editor [`MASK`] stands for a
//! value and [`PART`] for a part of one; what comes back with them at the same place keeps what is stored,
//! and a mask anywhere else is refused.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use indexmap::IndexMap;
use regex::Regex;
use sluice_protocol::ConfigMap;

/// What stands for a secret on the screen and in the editor.
pub(crate) const MASK: &str = "••••••••";
/// What stands for a secret part of a value.
pub(crate) const PART: &str = "••••";

/// Words in names of keys, parameters and headers that carry secrets.
const SECRET_WORDS: &str = r"passw(?:or)?d|passwort|passphrase|passcode|secret|credential|token|jaas\.config|(?:private|api|access|sas|account|shared|encryption|signing|master|subscription|license)[._-]?key|apikey|connection[._-]?string|user\.info|authorization|auth[._-]?header|bearer|cookie|session[._-]?id";

static SECRET_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r"(?i)(?:{SECRET_WORDS}|ssl\.key(?:store)?\.key|(?:^|[._-])(?:pass|pwd|pw|sig)(?:$|[._-]))"
    ))
    .ok()
});
static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(\$\{[^}]*\})+$").ok());
/// `scheme://user:password@host`; the last `@` of the authority ends the password.
static USER_INFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"://[^/\s:@?#]*:([^\s/?#]*)@").ok());
/// The same with a password that holds what a URL would escape.
static ODD_USER_INFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"://[^/\s:@?#]*:([^\s@]*)@").ok());
/// A user and password as in `jdbc:oracle:thin:user/password@host`.
static ORACLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i):(?:thin|oci):[^/\s:@]+/([^@\s]+)@").ok());
/// A name that may carry a secret and its value: `;password=x`, `&api_key=x`, `"token": "x"`, `X-Api-Key: x`.
static PARAMETER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r#"(?i)(?:^|[?&;,|\s{{(\["'])([\w.-]*(?:{SECRET_WORDS}|\bpass|\bpwd|\bsig)[\w.-]*)["']?\s*([=:])\s*(?:(\$\{{[^}}]*\}})|"([^"]*)"|'([^']*)'|\{{([^}}]*)\}}|([^&;,|\s"'}})\]]+))"#
    ))
    .ok()
});
/// `Authorization: Basic dXNlcjpwdw==`: scheme and credentials.
static AUTHORIZATION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)authorization["']?\s*[=:]\s*["']?(?:[A-Za-z-]+\s+)?([^\s,|;"'&]+)"#).ok()
});
/// A token as in `Authorization: Bearer eyJhbGciOi`.
static BEARER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)\bbearer\s+([A-Za-z0-9._~+/=•-]{4,})").ok());

/// A key and its text in JSON.
static PAIR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#""((?:[^"\\]|\\.)*)"\s*:\s*"((?:[^"\\]|\\.)*)""#).ok());

/// Keys known to be secret by their ConfigDef type.
pub(crate) type PasswordKeys = BTreeSet<String>;

fn is_reference(value: &str) -> bool {
    REFERENCE
        .as_ref()
        .is_some_and(|regex| regex.is_match(value))
}

fn is_secret_name(name: &str) -> bool {
    SECRET_NAME
        .as_ref()
        // A key that names where a secret is kept or how it is read is not the secret.
        .is_some_and(|regex| regex.is_match(name) && !names_a_place(name))
}

/// Whether the whole value of `key` is hidden.
pub(crate) fn is_secret(key: &str, value: &str, passwords: &PasswordKeys) -> bool {
    !value.is_empty() && !is_reference(value) && (passwords.contains(key) || is_secret_name(key))
}

/// Whether anything of the value is hidden.
pub(crate) fn has_secret(key: &str, value: &str, passwords: &PasswordKeys) -> bool {
    is_secret(key, value, passwords) || !parts(value).is_empty()
}

fn names_a_place(key: &str) -> bool {
    const ENDS: [&str; 12] = [
        "location",
        ".class",
        ".path",
        ".file",
        ".type",
        ".url",
        ".uri",
        ".endpoint",
        ".ms",
        ".seconds",
        ".enabled",
        ".provider",
    ];
    let key = key.to_ascii_lowercase();
    ENDS.iter().any(|end| key.ends_with(end))
}

/// A secret within a value: what it belongs to (the name of a parameter, or a form), and where it is.
type Part = (String, Range<usize>);

/// All secret parts of a value, in their order, none within another. In prose a colon is no assignment:
/// what follows it is most often the reason of an error.
fn find_parts(value: &str, prose: bool) -> Vec<Part> {
    // No form does without one of these.
    if !value.contains(['=', ':', '@']) && !value.contains(' ') {
        return Vec::new();
    }
    let mut found: Vec<Part> = Vec::new();
    let mut add = |label: &str, place: Range<usize>| {
        let text = value.get(place.clone()).unwrap_or("");
        let apart = |(_, other): &Part| place.end <= other.start || other.end <= place.start;
        if !text.is_empty() && !is_reference(text) && found.iter().all(apart) {
            found.push((label.to_owned(), place));
        }
    };
    let mut all = |regex: &LazyLock<Option<Regex>>, label: &str| {
        for hit in regex.iter().flat_map(|regex| regex.captures_iter(value)) {
            if let Some(secret) = hit.get(1) {
                add(label, secret.range());
            }
        }
    };
    all(&USER_INFO, "user info");
    all(&ORACLE, "user info");
    all(&AUTHORIZATION, "authorization");
    all(&BEARER, "bearer");
    for hit in ODD_USER_INFO
        .iter()
        .flat_map(|regex| regex.captures_iter(value))
    {
        // `host:8080/path?mail=a@b` is a port and not a password.
        let port = |text: &str| {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            digits > 0
                && text
                    .as_bytes()
                    .get(digits)
                    .is_some_and(|b| b"/?,#".contains(b))
        };
        if let Some(secret) = hit.get(1).filter(|secret| !port(secret.as_str())) {
            add("user info", secret.range());
        }
    }
    for hit in PARAMETER
        .iter()
        .flat_map(|regex| regex.captures_iter(value))
    {
        let name = hit.get(1).map_or("", |name| name.as_str());
        // Those have a scheme before the secret.
        if name.to_ascii_lowercase().ends_with("authorization") {
            continue;
        }
        let secret = (3..=7).find_map(|group| hit.get(group));
        let colon = hit.get(2).is_some_and(|sign| sign.as_str() == ":");
        if let Some(secret) = secret.filter(|_| !(names_a_place(name) || prose && colon)) {
            add(&name.to_ascii_lowercase(), secret.range());
        }
    }
    found.sort_by_key(|(_, place)| place.start);
    found
}

/// All secret parts of a value.
fn parts(value: &str) -> Vec<Part> {
    find_parts(value, false)
}

/// The value as it may be shown.
pub(crate) fn shown<'a>(key: &str, value: &'a str, passwords: &PasswordKeys) -> Cow<'a, str> {
    if is_secret(key, value, passwords) {
        Cow::Borrowed(MASK)
    } else {
        without(value, parts(value))
    }
}

/// A message, which may quote values, without their secret parts.
pub(crate) fn masked_text(text: &str) -> Cow<'_, str> {
    without(text, find_parts(text, true))
}

fn without(value: &str, parts: Vec<Part>) -> Cow<'_, str> {
    if parts.is_empty() {
        return Cow::Borrowed(value);
    }
    let mut masked = String::with_capacity(value.len());
    let mut from = 0;
    for (_, place) in parts {
        masked.push_str(value.get(from..place.start).unwrap_or(""));
        masked.push_str(PART);
        from = place.end;
    }
    masked.push_str(value.get(from..).unwrap_or(""));
    Cow::Owned(masked)
}

/// Puts the stored parts back where their masks still stand; `None` when a mask stands for nothing that is
/// stored.
fn unmasked(edited: &str, stored: &str) -> Option<String> {
    let mut known: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (label, place) in parts(stored) {
        known.entry(label).or_default().push(stored.get(place)?);
    }
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut text = String::with_capacity(edited.len());
    let mut from = 0;
    for (label, place) in parts(edited) {
        let nth = taken.entry(label.clone()).or_default();
        let secret = known.get(&label).and_then(|secrets| secrets.get(*nth));
        *nth += 1;
        if edited.get(place.clone())? == PART {
            text.push_str(edited.get(from..place.start)?);
            text.push_str(secret?);
            from = place.end;
        }
    }
    text.push_str(edited.get(from..)?);
    (!text.contains('•')).then_some(text)
}

/// The text for the editor: pretty JSON, keys sorted, secrets masked.
pub(crate) fn editor_text(config: &ConfigMap, passwords: &PasswordKeys) -> String {
    let mut keys: Vec<&String> = config.keys().collect();
    keys.sort();
    let shown: IndexMap<&str, Option<Cow<'_, str>>> = keys
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
    #[error("{key}: the mask {PART} stands for a stored value and can't be part of a new one")]
    Masked { key: String },
}

/// An edited text as it may be kept in a file: whatever of it is or may be a secret is masked, also where it
/// is not JSON.
pub(crate) fn draft_text(text: &str, passwords: &PasswordKeys) -> String {
    let lines = text.lines().map(|line| {
        let mut masked = String::with_capacity(line.len());
        let mut from = 0;
        for pair in PAIR.iter().flat_map(|regex| regex.captures_iter(line)) {
            if let (Some(key), Some(value)) = (pair.get(1), pair.get(2)) {
                masked.push_str(line.get(from..value.start()).unwrap_or(""));
                masked.push_str(&shown(key.as_str(), value.as_str(), passwords));
                from = value.end();
            }
        }
        let rest = line.get(from..).unwrap_or("");
        let odd = is_secret_name(rest) || passwords.iter().any(|key| rest.contains(key.as_str()));
        masked.push_str(if odd { MASK } else { rest });
        masked
    });
    lines.fold(String::with_capacity(text.len()), |all, line| {
        all + &line + "\n"
    })
}

/// The text for the editor: and puts the stored values back where the mask still stands.
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
            let stored = stored.get(key).and_then(Option::as_deref);
            match stored.and_then(|stored| unmasked(text, stored)) {
                Some(kept) => *text = kept,
                None => return Err(EditError::Masked { key: key.clone() }),
            }
        }
    }
    Ok(edited)
}

/// A key whose value differs.
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
        Some(value) => shown(key, value, passwords).into_owned(),
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
    fn a_copy_of_a_text_holds_no_secret_whatever_its_form() {
        let passwords = PasswordKeys::from(["blob".to_owned()]);
        let kept = r#"{ "file": "/x", "url": "jdbc:x://h/d?password=geheim1&a=b", "db.password": "geheim\"2",
            "blob": "geheim3",
            "n": 1, "other.secret": "geheim4
            "blob": geheim5
            "tasks.max": "7" "#;
        let copy = draft_text(kept, &passwords);
        assert!(!copy.contains("geheim"), "{copy}");
        for part in [
            "\"/x\"",
            "jdbc:x://h/d?password=",
            "&a=b",
            "\"tasks.max\": \"7\"",
        ] {
            assert!(copy.contains(part), "{part} in {copy}");
        }
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
        for key in [
            "database.pass",
            "db.pwd",
            "client.secret.name",
            "http.authorization",
        ] {
            assert!(is_secret(key, "x", &none), "{key}");
        }
        for key in [
            "oauth.token.url",
            "passthrough.mode",
            "compass.id",
            "delegation.token.expiry.ms",
        ] {
            assert!(!is_secret(key, "x", &none), "{key}");
        }
    }

    #[test]
    fn messages_keep_their_reason_and_lose_the_secrets_they_quote() {
        for (text, seen) in [
            (
                "Connection to jdbc:x://h/d?user=u&password=geheim refused",
                "Connection to jdbc:x://h/d?user=u&password=•••• refused",
            ),
            (
                "Invalid token: it has expired",
                "Invalid token: it has expired",
            ),
            (
                "Unrecognized token 'line': was expecting",
                "Unrecognized token 'line': was expecting",
            ),
        ] {
            assert_eq!(masked_text(text), seen);
        }
    }

    /// Values with the secret `geheim` in them, and what is left to see of each.
    const FORMS: &[(&str, &str)] = &[
        (
            "jdbc:postgresql://u:geheim@h/db",
            "jdbc:postgresql://u:••••@h/db",
        ),
        ("http://u:ge/heim@h:80/p", "http://u:••••@h:80/p"),
        ("redis://:geheim@h:6379/0", "redis://:••••@h:6379/0"),
        (
            "jdbc:postgresql://h/db?user=u&password=geheim&ssl=true",
            "jdbc:postgresql://h/db?user=u&password=••••&ssl=true",
        ),
        (
            "jdbc:sqlserver://h;user=sa;password=geheim;encrypt=true",
            "jdbc:sqlserver://h;user=sa;password=••••;encrypt=true",
        ),
        (
            "jdbc:sqlserver://h;password={ge;heim};x=1",
            "jdbc:sqlserver://h;password={••••};x=1",
        ),
        (
            "jdbc:oracle:thin:scott/geheim@//h:1521/s",
            "jdbc:oracle:thin:scott/••••@//h:1521/s",
        ),
        (
            "jdbc:db2://h:50000/d:user=u;password=geheim;",
            "jdbc:db2://h:50000/d:user=u;password=••••;",
        ),
        ("amqp://u:gehe@im@h/v", "amqp://u:••••@h/v"),
        (
            "mongodb+srv://u:geheim@a,b/db?x=1",
            "mongodb+srv://u:••••@a,b/db?x=1",
        ),
        (
            "https://hooks/x?api_key=geheim&a=1",
            "https://hooks/x?api_key=••••&a=1",
        ),
        (
            "https://h/?access_token=geheim",
            "https://h/?access_token=••••",
        ),
        (
            "https://s.blob.x/c?sv=1&sig=geheim",
            "https://s.blob.x/c?sv=1&sig=••••",
        ),
        ("Bearer geheim-token", "Bearer ••••"),
        (
            "Accept:text/plain,Authorization:Bearer geheim,X:1",
            "Accept:text/plain,Authorization:Bearer ••••,X:1",
        ),
        (
            "Authorization: Basic Z2VoZWlt|X-Y: 1",
            "Authorization: Basic ••••|X-Y: 1",
        ),
        (
            "X-Api-Key: geheim, Accept: a/b",
            "X-Api-Key: ••••, Accept: a/b",
        ),
        (
            r#"{"user":"u","password":"geheim 2"}"#,
            r#"{"user":"u","password":"••••"}"#,
        ),
        ("user=u pass=geheim pwd=geheim", "user=u pass=•••• pwd=••••"),
    ];

    #[test]
    fn secret_parts_of_values_are_masked_and_the_rest_is_seen() {
        let none = PasswordKeys::new();
        for (value, seen) in FORMS {
            assert_eq!(shown("some.key", value, &none), *seen);
            assert!(has_secret("some.key", value, &none), "{value}");
        }
        for harmless in [
            "jdbc:postgresql://h:5432/db?user=u&ssl=true",
            "http://h:8080/path?mail=a@b",
            "orders,payments",
            "org.apache.kafka.connect.json.JsonConverter",
            "password=${file:/etc/s.props:pw}",
            "http://u:${env:PW}@h/",
            "select pass_id, token_count from t where a = 1",
        ] {
            assert_eq!(shown("some.key", harmless, &none), harmless);
        }
    }

    #[test]
    fn a_masked_part_left_alone_keeps_what_is_stored() {
        for (value, _) in FORMS {
            let stored = ConfigMap::from([("some.key", *value), ("a", "1")]);
            let text = editor_text(&stored, &PasswordKeys::new());
            assert!(!text.contains("geheim") && !text.contains("Z2Vo"), "{text}");
            let merged = merge(&text.replace("\"1\"", "\"2\""), &stored).unwrap();
            assert_eq!(merged.text("some.key"), Some(*value));
        }
    }

    #[test]
    fn the_text_around_a_masked_part_can_be_edited() {
        let url = "jdbc:sqlserver://old;user=sa;password=geheim";
        let stored = ConfigMap::from([("connection.url", url)]);
        let edited = |text: &str| {
            let text = format!(r#"{{"connection.url":"{text}"}}"#);
            merge(&text, &stored).map(|merged| merged.text("connection.url").map(str::to_owned))
        };
        assert_eq!(
            edited("jdbc:sqlserver://new:1;user=me;password=••••;encrypt=true").unwrap(),
            Some("jdbc:sqlserver://new:1;user=me;password=geheim;encrypt=true".to_owned())
        );
        assert_eq!(
            edited("jdbc:sqlserver://new;password=neu").unwrap(),
            Some("jdbc:sqlserver://new;password=neu".to_owned())
        );
        // Nothing is stored for these: they would be written as they are.
        for wrong in [
            "jdbc:x://h;token=••••",
            "••••",
            "a •••• b",
            "x;password=••••;password=••••",
        ] {
            assert!(
                matches!(edited(wrong), Err(EditError::Masked { .. })),
                "{wrong}"
            );
        }
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
