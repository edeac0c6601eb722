//! What Kafka's clients take: each key with its type, limits and valid values.
//!
//! `client_keys.tsv` is written by Kafka's own classes (`tests/golden/README.md`), so that a value is
//! accepted or refused here exactly if Kafka does so, and with its text (`ConfigException`).

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use sluice_api::Place;
use sluice_api::config::{ConfigError, ConfigType, ConfigValue, Props};

use crate::wire::bootstrap;

/// Kind, name, type, default and limits per line.
const KEYS: &str = include_str!("client_keys.tsv");
/// Before the duration in `auto.offset.reset` (KIP-1106).
const BY_DURATION: &str = "by_duration:";

/// What kind of client settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientKind {
    /// A producer; gets Java's partitioner, so that keys go where JVM workers put them.
    Producer,
    /// A consumer; gets Java's defaults for isolation and offset storing.
    Consumer,
    /// An admin client; has few keys of its own.
    Admin,
}

struct Definition {
    kind: ConfigType,
    limits: Limits,
}

/// What may stand in a key, beside its type.
enum Limits {
    Any,
    /// Both ends included, as Java writes them.
    Range(Option<&'static str>, Option<&'static str>),
    OneOf(Vec<&'static str>),
    OneOfIgnoringCase(Vec<&'static str>),
    NonEmpty,
    List,
    GzipLevel,
    OffsetReset,
    ShareMode(Vec<&'static str>),
}

static DEFINITIONS: LazyLock<HashMap<(ClientKind, &str), Definition>> = LazyLock::new(|| {
    let lines = KEYS.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(definition).collect()
});

fn definition(line: &'static str) -> Option<((ClientKind, &'static str), Definition)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [client, name, kind, _, limits] = fields[..] else {
        return None;
    };
    let client = match client {
        "producer" => ClientKind::Producer,
        "consumer" => ClientKind::Consumer,
        _ => ClientKind::Admin,
    };
    let kind = match kind {
        "BOOLEAN" => ConfigType::Boolean,
        "INT" => ConfigType::Int,
        "SHORT" => ConfigType::Short,
        "LONG" => ConfigType::Long,
        "DOUBLE" => ConfigType::Double,
        "LIST" => ConfigType::List,
        "CLASS" => ConfigType::Class,
        "PASSWORD" => ConfigType::Password,
        _ => ConfigType::String,
    };
    let limits = limits_of(name, limits);
    Some(((client, name), Definition { kind, limits }))
}

fn limits_of(name: &str, text: &'static str) -> Limits {
    let inside = text
        .split_once('[')
        .and_then(|(_, rest)| rest.strip_suffix(']'))
        .unwrap_or_default();
    let listed = || inside.split(", ").collect::<Vec<_>>();
    match text.split(' ').next().unwrap_or_default() {
        "Range" => {
            let mut ends = inside.split(',').filter(|end| *end != "...");
            Limits::Range(ends.next(), ends.next())
        }
        "ValidString" => Limits::OneOf(listed()),
        "CaseInsensitiveValidString" => Limits::OneOfIgnoringCase(listed()),
        "NonEmptyString" => Limits::NonEmpty,
        "ValidList" => Limits::List,
        "LambdaValidator" => Limits::GzipLevel,
        "Validator" if name == "auto.offset.reset" => Limits::OffsetReset,
        "Validator" => Limits::ShareMode(listed()),
        _ => Limits::Any,
    }
}

/// Whether such a client has the key.
pub(crate) fn is_known(client: ClientKind, name: &str) -> bool {
    DEFINITIONS.contains_key(&(client, name))
}

/// The value of a client's key; `None` if no such client has the key.
///
/// # Errors
/// Kafka's client would not take it.
pub(crate) fn parse(
    client: ClientKind,
    name: &str,
    text: &str,
) -> Result<Option<ConfigValue>, ConfigError> {
    let Some(definition) = DEFINITIONS.get(&(client, name)) else {
        return Ok(None);
    };
    let value = ConfigValue::parse(name, text, definition.kind)?;
    match &definition.limits {
        Limits::Any => {}
        Limits::Range(least, most) => in_range(name, &value, *least, *most)?,
        Limits::List => list(name, &value)?,
        limits => text_in(name, text.trim(), limits)?,
    }
    Ok(Some(value))
}

fn in_range(
    name: &str,
    value: &ConfigValue,
    least: Option<&str>,
    most: Option<&str>,
) -> Result<(), ConfigError> {
    let shown = value.display().unwrap_or_default();
    let number: f64 = shown.parse().unwrap_or(f64::NAN);
    let beyond = |end: Option<&str>, is: fn(&f64, &f64) -> bool| {
        end.filter(|end| end.parse().is_ok_and(|end| is(&number, &end)))
            .map(str::to_owned)
    };
    if let Some(least) = beyond(least, f64::lt) {
        return Err(ConfigError::invalid(
            name,
            shown,
            format!("Value must be at least {least}"),
        ));
    }
    if let Some(most) = beyond(most, f64::gt) {
        return Err(ConfigError::invalid(
            name,
            shown,
            format!("Value must be no more than {most}"),
        ));
    }
    Ok(())
}

/// `ConfigDef.ValidList` as clients have it; what is repeated counts once.
fn list(name: &str, value: &ConfigValue) -> Result<(), ConfigError> {
    let ConfigValue::List(values) = value else {
        return Ok(());
    };
    if values.is_empty() && name == "bootstrap.servers" {
        return Err(ConfigError(format!(
            "Configuration '{name}' must not be empty. Valid values include: any non-empty value"
        )));
    }
    if values.iter().any(String::is_empty) {
        return Err(ConfigError(format!(
            "Configuration '{name}' values must not be empty."
        )));
    }
    Ok(())
}

fn text_in(name: &str, text: &str, limits: &Limits) -> Result<(), ConfigError> {
    let refused = |why: String| Err(ConfigError::invalid(name, text, why));
    match limits {
        Limits::OneOf(all) if !all.contains(&text) => {
            refused(format!("String must be one of: {}", all.join(", ")))
        }
        Limits::OneOfIgnoringCase(all) if !all.iter().any(|one| one.eq_ignore_ascii_case(text)) => {
            refused(format!(
                "String must be one of (case insensitive): {}",
                all.join(", ")
            ))
        }
        Limits::NonEmpty if text.is_empty() => refused("String must be non-empty".to_owned()),
        Limits::GzipLevel if !matches!(text.parse(), Ok(-1 | 1..=9)) => {
            refused("Value must be between 1 and 9 or equal to -1".to_owned())
        }
        Limits::OffsetReset if offset_reset(text).is_none() => refused(format!(
            "Invalid value `{text}` for configuration {name}. The value must be either 'earliest', 'latest', \
             'none' or of the format '{BY_DURATION}<PnDTnHnMn.nS.>'."
        )),
        Limits::ShareMode(all) if !share_mode(name, all, text) => refused(format!(
            "Invalid value `{text}` for configuration {name}. The value must either be '{}'.",
            all.join("' or '")
        )),
        _ => Ok(()),
    }
}

fn share_mode(name: &str, all: &[&str], text: &str) -> bool {
    if name == "share.acquire.mode" {
        return all.iter().any(|one| one.eq_ignore_ascii_case(text));
    }
    all.contains(&text)
}

/// Where a consumer begins that has no committed offset, or one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the first record.
    Earliest,
    /// Behind the last record.
    Latest,
    /// Nowhere: it fails.
    None,
    /// At the first record that is not older (KIP-1106).
    ByDuration(Duration),
}

/// The value of `auto.offset.reset`; `None` if it is none.
#[must_use]
pub fn offset_reset(text: &str) -> Option<OffsetReset> {
    Some(match text {
        "earliest" => OffsetReset::Earliest,
        "latest" => OffsetReset::Latest,
        "none" => OffsetReset::None,
        _ => OffsetReset::ByDuration(duration(text.strip_prefix(BY_DURATION)?)?),
    })
}

/// A duration as `java.time.Duration.parse` reads it, if it is not negative.
fn duration(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let (negated, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let text = text.strip_prefix('P')?;
    let (days, times) = match text.split_once('T') {
        Some((days, times)) if !times.is_empty() => (days, times),
        Some(_) => return None,
        None => (text, ""),
    };
    let mut millis: i128 = 0;
    let mut found = false;
    for (part, units) in [
        (days, &[('D', 86_400_000)][..]),
        (times, &[('H', 3_600_000), ('M', 60_000), ('S', 1000)][..]),
    ] {
        let mut rest = part;
        for (unit, factor) in units {
            if let Some((number, after)) = rest.split_once(*unit) {
                millis += scaled(number, *factor, *unit == 'S')?;
                rest = after;
                found = true;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    let millis = if negated { -millis } else { millis };
    found.then_some(())?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// A number, with decimals if it may have some, times `factor`.
fn scaled(number: &str, factor: i128, decimals: bool) -> Option<i128> {
    let (whole, fraction) = match number.split_once(['.', ',']) {
        Some((whole, fraction)) if decimals && fraction.len() <= 9 => (whole, fraction),
        Some(_) => return None,
        None => (number, ""),
    };
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || !all_digits(digits) || !all_digits(fraction) {
        return None;
    }
    let thousandths: i128 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let amount = digits.parse::<i128>().ok()?.checked_mul(factor)? + thousandths;
    Some(if whole.starts_with('-') {
        -amount
    } else {
        amount
    })
}

/// What the keys of a client say about each other in Kafka, beyond what each may be.
///
/// # Errors
/// Kafka's client would not take them together.
pub(crate) fn check_relations(client: ClientKind, props: &Props) -> Result<(), ConfigError> {
    let text = |key: &str| props.get(key).map(|value| value.trim());
    let number = |key: &str, default: i64| {
        text(key)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let refused = |text: &str| Err(ConfigError(text.to_owned()));
    match client {
        ClientKind::Producer => {
            let least = number("linger.ms", 5)
                .saturating_add(number("request.timeout.ms", 30_000))
                .min(i64::from(i32::MAX));
            if props.contains_key("delivery.timeout.ms")
                && number("delivery.timeout.ms", 120_000) < least
            {
                return refused(
                    "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms",
                );
            }
            let idempotent =
                text("enable.idempotence").is_some_and(|text| text.eq_ignore_ascii_case("true"));
            let transactional = props.contains_key("transactional.id");
            if transactional && text("enable.idempotence").is_some() && !idempotent {
                return refused("Cannot set a transactional.id without also enabling idempotence.");
            }
            if !idempotent && !transactional {
                return Ok(());
            }
            if number("retries", 1) == 0 {
                return refused("Must set retries to non-zero when using the idempotent producer.");
            }
            if text("acks").is_some_and(|acks| acks != "all" && acks != "-1") {
                return refused(
                    "Must set acks to all in order to use the idempotent producer. Otherwise we cannot \
                     guarantee idempotence.",
                );
            }
            if number("max.in.flight.requests.per.connection", 5) > 5 {
                return refused(
                    "Must set max.in.flight.requests.per.connection to at most 5 to use the idempotent \
                     producer.",
                );
            }
            Ok(())
        }
        ClientKind::Consumer => check_group(props, &number),
        ClientKind::Admin => Ok(()),
    }
}

fn check_group(props: &Props, number: &dyn Fn(&str, i64) -> i64) -> Result<(), ConfigError> {
    let consumer_protocol = props
        .get("group.protocol")
        .is_some_and(|protocol| protocol.trim().eq_ignore_ascii_case("consumer"));
    let (protocol, unsupported): (_, &[&str]) = if consumer_protocol {
        (
            "CONSUMER",
            &[
                "partition.assignment.strategy",
                "heartbeat.interval.ms",
                "session.timeout.ms",
                "share.acknowledgement.mode",
                "share.acquire.mode",
            ],
        )
    } else {
        (
            "CLASSIC",
            &[
                "group.remote.assignor",
                "share.acknowledgement.mode",
                "share.acquire.mode",
            ],
        )
    };
    for key in unsupported {
        if props
            .get(*key)
            .is_some_and(|value| !value.trim().is_empty())
        {
            return Err(ConfigError(format!(
                "{key} cannot be set when group.protocol={protocol}"
            )));
        }
    }
    if !consumer_protocol
        && number("heartbeat.interval.ms", 3000) >= number("session.timeout.ms", 45_000)
        && (props.contains_key("heartbeat.interval.ms") || props.contains_key("session.timeout.ms"))
    {
        return Err(ConfigError(
            "Heartbeat must be set lower than the session timeout".to_owned(),
        ));
    }
    Ok(())
}

/// Keys of clients that name files.
const FILES: &[&str] = &[
    "ssl.keystore.location",
    "ssl.truststore.location",
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.template.file",
];

/// The files and servers that a client's key names, behind whatever prefix it stands. Values that no client
/// takes name nothing.
#[must_use]
pub fn places(key: &str, value: &str) -> Vec<Place> {
    let is = |name: &str| {
        let prefix = key.strip_suffix(name);
        prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
    };
    if is("bootstrap.servers") {
        let servers = bootstrap::parse(value).unwrap_or_default();
        let hosts = servers
            .iter()
            .map(|server| Place::host(&server.host, Some(server.port)));
        return hosts.collect();
    }
    let path = value.trim();
    let names_file = FILES.iter().any(|name| is(name)) && !path.is_empty();
    names_file
        .then(|| Place::File(path.into()))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_java_reads_them() {
        for (text, millis) in [
            ("PT1H", Some(3_600_000)),
            ("pt1m30s", Some(90_000)),
            ("P1DT2H3M4.5S", Some(93_784_500)),
            ("P2D", Some(172_800_000)),
            ("PT0S", Some(0)),
            ("PT-1H61M", Some(60_000)),
            ("-PT-1S", Some(1000)),
            ("PT-1S", None),
            ("-PT1S", None),
            ("PT", None),
            ("P", None),
            ("1h", None),
            ("PT1S1H", None),
            ("P1H", None),
            ("PT1.5H", None),
            ("", None),
        ] {
            let read = duration(text).map(|duration| duration.as_millis());
            assert_eq!(read, millis, "{text}");
        }
    }
}
