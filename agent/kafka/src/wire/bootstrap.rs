//! `bootstrap.servers` as Kafka's clients read it (`ClientUtils.parseAndValidateAddresses`): `host:port`,
//! with or without a protocol in front, which counts for nothing.

use std::fmt;

use sluice_api::config::ConfigError;

const KEY: &str = "bootstrap.servers";

/// An address to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The servers of a list; what is repeated counts once.
///
/// # Errors
/// An entry is no address, or there is none.
pub fn parse(list: &str) -> Result<Vec<Server>, ConfigError> {
    let mut servers = Vec::new();
    for entry in list.split(',').map(str::trim) {
        if entry.is_empty() {
            continue;
        }
        let invalid = |what| ConfigError(format!("Invalid {what} in {KEY}: {entry}"));
        let (host, port) = host_and_port(entry).ok_or_else(|| invalid("url"))?;
        let port = port.parse().map_err(|_| invalid("port"))?;
        let host = host.to_owned();
        let server = Server { host, port };
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    if servers.is_empty() {
        return Err(unresolvable());
    }
    Ok(servers)
}

/// Host and port of `PROTOCOL://[host]:port`, where protocol and brackets may be missing.
fn host_and_port(entry: &str) -> Option<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-%._".contains(c);
    let rest = match entry.split_once("://") {
        Some((protocol, rest)) if protocol.chars().all(is_name) => rest,
        Some(_) => return None,
        None => entry,
    };
    let (host, port) = rest.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    let is_host = !host.is_empty() && host.chars().all(|c| is_name(c) || c == ':');
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_host && is_port).then_some((host, port))
}

fn unresolvable() -> ConfigError {
    ConfigError(format!("No resolvable bootstrap urls given in {KEY}"))
}

/// Looks servers up. Kafka's clients do so when they are made.
///
/// # Errors
/// None of them has an address, or an entry is none.
pub async fn resolve(list: &str) -> Result<(), ConfigError> {
    let servers = parse(list)?;
    for server in &servers {
        match tokio::net::lookup_host((server.host.as_str(), server.port)).await {
            Ok(mut addresses) => {
                if addresses.next().is_some() {
                    return Ok(());
                }
            }
            Err(error) => {
                tracing::warn!(%error, "Couldn't resolve server {server} from {KEY}");
            }
        }
    }
    let ConfigError(text) = unresolvable();
    Err(ConfigError(format!("{text}: {list}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_kafka_reads_them() {
        let read = |list: &str| {
            parse(list)
                .map(|servers| servers.iter().map(ToString::to_string).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(" a:1 , b.c-d:2,a:1,").unwrap(), ["a:1", "b.c-d:2"]);
        assert_eq!(
            read("PLAINTEXT://a:9092,SASL_SSL://[::1]:9,mailto://b:3").unwrap(),
            ["a:9092", "[::1]:9", "b:3"]
        );
        assert_eq!(read("::1:9092").unwrap(), ["[::1]:9092"]);
        for (list, refusal) in [
            ("a", "Invalid url in bootstrap.servers: a"),
            ("a:", "Invalid url in bootstrap.servers: a:"),
            (":1", "Invalid url in bootstrap.servers: :1"),
            ("a:b", "Invalid url in bootstrap.servers: a:b"),
            ("a b:1", "Invalid url in bootstrap.servers: a b:1"),
            ("x y://a:1", "Invalid url in bootstrap.servers: x y://a:1"),
            ("b:1,a:99999", "Invalid port in bootstrap.servers: a:99999"),
            (
                " ",
                "No resolvable bootstrap urls given in bootstrap.servers",
            ),
        ] {
            assert_eq!(read(list), Err(refusal.to_owned()), "{list}");
        }
    }

    #[tokio::test]
    async fn one_server_that_resolves_is_enough() {
        let both = "no-such-host.invalid:1,127.0.0.1:1";
        assert_eq!(resolve(both).await, Ok(()));
        let error = resolve("no-such-host.invalid:1").await.unwrap_err();
        assert!(error.0.contains("no-such-host.invalid"), "{error}");
    }
}
