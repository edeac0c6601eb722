//! The settings of the wire client from librdkafka's own keys, which users of the terminal write, as those of
//! kcat: the other direction of [`super::config`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sluice_api::config::{ConfigError, Props};
use sluice_keystore::settings::Fault;

use crate::wire::bootstrap;
use crate::wire::props::text;
use crate::wire::security::{
    Sasl, ScramAlgorithm, Secret, SecurityError, SecurityProtocol, Tls, Verify,
};
use crate::wire::settings::{ClientSettings, ClientSettingsError};
use crate::wire::tls::TlsClient;

/// Keys of librdkafka whose meaning no other client has.
const LIBRDKAFKA_ONLY: [&str; 2] = ["ssl.engine.location", "ssl.ca.certificate.stores"];

/// Value of `ssl.ca.location` that stands for the system's store, as no value does.
const PROBE: &str = "probe";

/// Keys that name files in PEM, each with its Java key for the text itself, and librdkafka's for that.
const PEM_FILES: [(&str, &str, &str); 3] = [
    (
        "ssl.ca.location",
        "ssl.truststore.certificates",
        "ssl.ca.pem",
    ),
    (
        "ssl.certificate.location",
        "ssl.keystore.certificate.chain",
        "ssl.certificate.pem",
    ),
    ("ssl.key.location", "ssl.keystore.key", "ssl.key.pem"),
];

/// Settings for these servers from librdkafka's properties. Every wait, for a connection, an answer or a
/// whole call, ends after `limit`. Reads the files that TLS keys name.
///
/// # Errors
/// The first setting that the wire client does not have, or that can't be used.
pub fn wire_settings(
    config: &BTreeMap<String, String>,
    servers: &str,
    client_id: &str,
    limit: Duration,
) -> Result<ClientSettings, ClientSettingsError> {
    let props: Props = config
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let Some(key) = LIBRDKAFKA_ONLY
        .iter()
        .find(|key| config.contains_key(**key))
    {
        return Err(ConfigError(format!("{key} is not supported")).into());
    }
    let protocol = SecurityProtocol::from_props(&props)?;
    let sasl = protocol.has_sasl().then(|| sasl(&props)).transpose()?;
    let servers: Vec<String> = servers.split(',').map(with_port).collect();
    let servers = bootstrap::parse(&servers.join(","))?;
    Ok(ClientSettings {
        bootstrap_servers: servers.iter().map(ToString::to_string).collect(),
        sasl,
        tls: protocol
            .has_tls()
            .then(|| tls(props))
            .transpose()
            .map_err(SecurityError::from)?,
        client_id: client_id.to_owned(),
        request_timeout: limit,
        connect_timeout: limit,
        retry_backoff: Duration::from_millis(100),
        retry_backoff_max: Duration::from_secs(1),
        api_timeout: limit,
        max_idle: Duration::from_secs(300),
    })
}

/// A server with librdkafka's port where it names none.
fn with_port(server: &str) -> String {
    let server = server.trim();
    let port = server.rsplit_once(':').map(|(_, port)| port);
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if server.is_empty() || port.is_some_and(is_port) {
        return server.to_owned();
    }
    format!("{server}:9092")
}

fn tls(props: Props) -> Result<Arc<TlsClient>, Fault> {
    let named = PEM_FILES.iter().map(|(file, _, _)| *file);
    let named = named.chain(["ssl.keystore.location"]);
    let files = named.filter_map(|key| text(&props, key)).map(PathBuf::from);
    TlsClient::new(files.collect(), move || read_tls(&props))
}

/// Reads TLS settings under Java's names.
fn read_tls(props: &Props) -> Result<Tls, Fault> {
    let mut java = Props::new();
    let mut set = |key: &str, value: &str| java.insert(key.to_owned(), value.to_owned());
    for (file_key, java_key, pem_key) in PEM_FILES {
        if let Some(pem) = text(props, pem_key) {
            set(java_key, pem);
        } else if let Some(path) = text(props, file_key) {
            if path == PROBE {
                continue;
            }
            let pem = read_pem(Path::new(path)).map_err(|error| Fault {
                key: file_key.to_owned(),
                reason: format!("cannot read {path}: {error}"),
            })?;
            set(java_key, &pem);
        }
    }
    if let Some(path) = text(props, "ssl.keystore.location") {
        set("ssl.keystore.location", path);
        set("ssl.keystore.type", "PKCS12");
        set(
            "ssl.keystore.password",
            text(props, "ssl.keystore.password").unwrap_or_default(),
        );
    }
    if let Some(password) = text(props, "ssl.key.password") {
        set("ssl.key.password", password);
    }
    if text(props, "ssl.endpoint.identification.algorithm") == Some("none") {
        set("ssl.endpoint.identification.algorithm", "");
    }
    let mut tls = Tls::from_props(&java)?;
    if text(props, "enable.ssl.certificate.verification") == Some("false") {
        tls.verify = Verify::Nothing;
    }
    Ok(tls)
}

/// The text of a file, or of all files of a folder in which authorities stand one by one.
fn read_pem(path: &Path) -> std::io::Result<String> {
    if !path.is_dir() {
        return std::fs::read_to_string(path);
    }
    let mut pem = String::new();
    for entry in std::fs::read_dir(path)? {
        // What is not text is not PEM: a folder may hold other things beside it.
        pem.extend(std::fs::read_to_string(entry?.path()));
        pem.push('\n');
    }
    Ok(pem)
}

fn sasl(props: &Props) -> Result<Sasl, SecurityError> {
    let mechanism = text(props, "sasl.mechanism")
        .or_else(|| text(props, "sasl.mechanisms"))
        .unwrap_or("GSSAPI");
    let option = |key: &'static str| text(props, key).ok_or(SecurityError::NoKey(key));
    let algorithm = match mechanism {
        "PLAIN" => None,
        "SCRAM-SHA-256" => Some(ScramAlgorithm::Sha256),
        "SCRAM-SHA-512" => Some(ScramAlgorithm::Sha512),
        "OAUTHBEARER" => return token(option("sasl.oauthbearer.config")?),
        other => return Err(SecurityError::Mechanism(other.to_owned())),
    };
    let username = option("sasl.username")?.to_owned();
    let password = Secret::new(option("sasl.password")?);
    Ok(match algorithm {
        None => Sasl::Plain { username, password },
        Some(algorithm) => Sasl::Scram {
            algorithm,
            username,
            password,
        },
    })
}

/// `sasl.oauthbearer.config` of unsigned tokens: `principal=NAME scope=ONE,TWO`.
fn token(config: &str) -> Result<Sasl, SecurityError> {
    let value = |name: &str| config.split_whitespace().find_map(|w| w.strip_prefix(name));
    let principal = value("principal=").ok_or(SecurityError::NoKey("sasl.oauthbearer.config"))?;
    Ok(Sasl::UnsecuredToken {
        principal: principal.to_owned(),
        scope: value("scope=").map(|scopes| scopes.replace(',', " ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<ClientSettings, String> {
        let config = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let limit = Duration::from_secs(5);
        wire_settings(&config.collect(), "a:1, b", "c", limit).map_err(|error| error.to_string())
    }

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn librdkafkas_keys_become_settings_of_the_wire_client() {
        let plain = settings(&[]).unwrap();
        assert_eq!(plain.bootstrap_servers, ["a:1", "b:9092"]);
        assert!(plain.tls.is_none() && plain.sasl.is_none());
        let scram = settings(&[
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanisms", "SCRAM-SHA-512"),
            ("sasl.username", "u"),
            ("sasl.password", "p"),
            ("ssl.ca.pem", PEM),
        ]);
        let scram = scram.unwrap();
        assert!(matches!(scram.sasl, Some(Sasl::Scram { .. })));
        assert!(scram.tls.is_some());
        let token = settings(&[
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.config", "principal=me scope=a,b"),
        ]);
        let wanted = Sasl::UnsecuredToken {
            principal: "me".to_owned(),
            scope: Some("a b".to_owned()),
        };
        assert_eq!(token.unwrap().sasl, Some(wanted));
    }

    #[test]
    fn authorities_are_those_of_a_file_of_a_folder_or_of_the_system() {
        let trusted = |path: &str| {
            let props = [("ssl.ca.location".to_owned(), path.to_owned())].into();
            read_tls(&props).unwrap().stores.trusted
        };
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("one.pem"), PEM).unwrap();
        std::fs::write(path("two.pem"), PEM).unwrap();
        std::fs::write(path("other"), [0xff, 0xfe]).unwrap();
        let count = |pem: Option<String>| pem.unwrap().matches("BEGIN CERTIFICATE").count();
        assert_eq!(count(trusted(&path("one.pem"))), 1);
        assert_eq!(count(trusted(&path(""))), 2);
        assert_eq!(trusted("probe"), None);
    }

    #[test]
    fn servers_have_librdkafkas_port_where_they_name_none() {
        for (server, wanted) in [
            ("h", "h:9092"),
            ("h:1", "h:1"),
            ("[::1]", "[::1]:9092"),
            ("[::1]:7", "[::1]:7"),
            ("SSL://h", "SSL://h:9092"),
            ("", ""),
        ] {
            assert_eq!(with_port(server), wanted);
        }
    }

    #[test]
    fn what_the_broker_shows_is_checked_as_far_as_the_keys_say() {
        let verify = |pairs: &[(&str, &str)]| {
            let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
            let pairs = pairs.iter().chain(&[("ssl.ca.pem", PEM)]);
            read_tls(&pairs.map(own).collect()).unwrap().verify
        };
        assert_eq!(verify(&[]), Verify::Everything);
        let name = ("ssl.endpoint.identification.algorithm", "none");
        assert_eq!(verify(&[name]), Verify::AllButName);
        let all = ("enable.ssl.certificate.verification", "false");
        assert_eq!(verify(&[all]), Verify::Nothing);
    }

    #[test]
    fn what_cannot_be_used_is_named_without_its_secrets() {
        let ssl = ("security.protocol", "SSL");
        let sasl = ("security.protocol", "sasl_plaintext");
        for (pairs, wanted) in [
            (&[("security.protocol", "odd")][..], "odd"),
            (
                &[ssl, ("ssl.engine.location", "/e.so")],
                "ssl.engine.location",
            ),
            (
                &[ssl, ("ssl.certificate.location", "/no/such.pem")],
                "ssl.certificate.location: cannot read /no/such.pem",
            ),
            (&[ssl, ("ssl.keystore.location", "/no.p12")], "/no.p12"),
            (&[sasl, ("sasl.mechanisms", "GSSAPI")], "GSSAPI"),
            (
                &[
                    sasl,
                    ("sasl.mechanism", "PLAIN"),
                    ("sasl.password", "geheim"),
                ],
                "sasl.username",
            ),
        ] {
            let error = settings(pairs).unwrap_err();
            assert!(error.contains(wanted), "{error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
