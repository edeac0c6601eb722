//! Parameters of JDBC URLs: what is honoured, what is refused since it would change values or security, and
//! the rest, which only tunes a Java driver and is passed over with a warning.

use crate::url::{DatabaseKind, JdbcUrl};

/// A parameter and the values of it that ask for what is done here anyway, all in lower case; without any it
/// is refused always.
type Refused = (&'static str, &'static [&'static str]);

const POSTGRESQL: &[&str] = &[
    "user",
    "password",
    "ssl",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "currentschema",
    "applicationname",
    "connecttimeout",
    "logintimeout",
    "sockettimeout",
    "options",
    "targetservertype",
];

const POSTGRESQL_REFUSED: &[Refused] = &[
    ("authenticationpluginclassname", &[]),
    ("channelbinding", &["prefer", "disable"]),
    ("gssencmode", &["allow", "prefer", "disable"]),
    ("localsocketaddress", &[]),
    ("readonly", &["false"]),
    ("replication", &["false"]),
    ("requireauth", &[]),
    ("service", &[]),
    ("socketfactory", &[]),
    ("sslfactory", &["org.postgresql.ssl.libpqfactory"]),
    ("sslhostnameverifier", &[]),
    ("sslnegotiation", &["postgres"]),
    ("sslpassword", &[]),
    ("sslpasswordcallback", &[]),
];

const MARIADB: &[&str] = &[
    "user",
    "password",
    "usessl",
    "sslmode",
    "serversslcert",
    "connecttimeout",
    "sockettimeout",
    "tinyint1isbit",
];

const MARIADB_REFUSED: &[Refused] = &[
    ("clientcertificatekeystoreurl", &[]),
    ("connectionattributes", &[]),
    ("credentialtype", &[]),
    ("disablesslhostnameverification", &["false"]),
    ("enabledtlsprotocols", &[]),
    ("enabledsslciphersuites", &[]),
    ("jdbccomplianttruncation", &["true"]),
    ("keystore", &[]),
    ("localsocket", &[]),
    ("pipe", &[]),
    ("readonly", &["false"]),
    ("requiressl", &["false"]),
    ("sessionvariables", &[]),
    ("socketfactory", &[]),
    ("tlsciphersuites", &[]),
    ("tlsversions", &[]),
    ("trustcertificatekeystoreurl", &[]),
    ("trustservercertificate", &["false"]),
    ("truststore", &[]),
    ("verifyservercertificate", &["false"]),
    (
        "zerodatetimebehavior",
        &["converttonull", "convert_to_null"],
    ),
];

const SQLITE: &[&str] = &["mode", "busy_timeout", "foreign_keys"];

const SQLITE_REFUSED: &[Refused] = &[
    ("cipher", &[]),
    ("date_class", &["integer"]),
    ("date_precision", &["milliseconds"]),
    ("date_string_format", &[]),
    ("encoding", &["utf8", "utf-8"]),
    ("key", &[]),
    ("password", &[]),
    ("vfs", &[]),
];

fn tables(kind: DatabaseKind) -> (&'static [&'static str], &'static [Refused]) {
    match kind {
        DatabaseKind::PostgreSql => (POSTGRESQL, POSTGRESQL_REFUSED),
        DatabaseKind::MariaDb => (MARIADB, MARIADB_REFUSED),
        DatabaseKind::Sqlite => (SQLITE, SQLITE_REFUSED),
    }
}

/// Names the parameters that can't be honoured; never their values, which may be secrets.
pub(crate) fn check_parameters(url: &JdbcUrl) -> Result<(), String> {
    let (_, refused) = tables(url.kind);
    let mut unsupported = Vec::new();
    for (key, value) in &url.parameters {
        let (name, value) = (key.to_ascii_lowercase(), value.to_ascii_lowercase());
        let Some((_, same)) = refused.iter().find(|(known, _)| *known == name) else {
            continue;
        };
        if !same.contains(&value.as_str()) {
            unsupported.push(match same {
                [] => key.clone(),
                same => format!("{key} (but for {key}={})", same.join(" or ")),
            });
        }
    }
    if unsupported.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the parameters {} of the URL change values or security and are not supported; remove them",
        unsupported.join(", ")
    ))
}

/// Names of parameters that have no effect.
pub(crate) fn without_effect(url: &JdbcUrl) -> Vec<&str> {
    let (honoured, refused) = tables(url.kind);
    url.parameters
        .iter()
        .map(|(key, _)| key.as_str())
        .filter(|key| {
            let name = key.to_ascii_lowercase();
            !honoured.contains(&name.as_str()) && !refused.iter().any(|(known, _)| *known == name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_honoured_refused_or_passed_over() {
        for (text, refused, ignored) in [
            (
                "jdbc:mysql://h/d?serverTimezone=UTC&nullCatalogMeansCurrent=true&autoReconnect=true",
                "",
                3,
            ),
            (
                "jdbc:mysql://h/d?useLegacyDatetimeCode=false&connectionTimeZone=LOCAL",
                "",
                2,
            ),
            (
                "jdbc:mysql://h/d?sslMode=PREFERRED&zeroDateTimeBehavior=CONVERT_TO_NULL",
                "",
                0,
            ),
            (
                "jdbc:mysql://h/d?zeroDateTimeBehavior=round",
                "zeroDateTimeBehavior",
                0,
            ),
            (
                "jdbc:mysql://h/d?sessionVariables=sql_mode=''",
                "sessionVariables",
                0,
            ),
            (
                "jdbc:postgresql://h/d?prepareThreshold=0&reWriteBatchedInserts=true&anything=1",
                "",
                3,
            ),
            (
                "jdbc:postgresql://h/d?sslfactory=org.postgresql.ssl.NonValidatingFactory",
                "sslfactory",
                0,
            ),
            ("jdbc:postgresql://h/d?sslpassword=geheim", "sslpassword", 0),
            (
                "jdbc:sqlite:/f.db?journal_mode=WAL&foreign_keys=true",
                "",
                1,
            ),
            ("jdbc:sqlite:/f.db?date_class=text", "date_class", 0),
        ] {
            let url = JdbcUrl::parse(text).unwrap();
            match check_parameters(&url) {
                Ok(()) => assert_eq!(refused, "", "{text}"),
                Err(why) => {
                    assert!(
                        !refused.is_empty() && why.contains(refused),
                        "{text}: {why}"
                    );
                    assert!(!why.contains("geheim"), "{why}");
                }
            }
            assert_eq!(without_effect(&url).len(), ignored, "{text}");
        }
    }
}
