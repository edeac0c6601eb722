//! JDBC URLs: `jdbc:postgresql://host:port/database?key=value`, the same with `mariadb` or `mysql`, and
//! `jdbc:sqlite:path`.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sluice_api::Place;

/// Which database a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatabaseKind {
    PostgreSql,
    MariaDb,
    Sqlite,
}

/// A parsed URL. [`fmt::Display`] shows hosts and database, never parameters, which may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct JdbcUrl {
    pub(crate) kind: DatabaseKind,
    scheme: String,
    /// Host and port, tried in order; empty for SQLite.
    pub(crate) hosts: Vec<(String, u16)>,
    /// Name of the database, or the path of a SQLite file; may be empty.
    pub(crate) database: String,
    /// Parameters after `?`, decoded, in order.
    pub(crate) parameters: Vec<(String, String)>,
}

impl fmt::Debug for JdbcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for JdbcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == DatabaseKind::Sqlite {
            return write!(f, "sqlite:{}", self.database);
        }
        write!(f, "{}://", self.scheme)?;
        for (index, (host, port)) in self.hosts.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let (open, close) = if host.contains(':') {
                ("[", "]")
            } else {
                ("", "")
            };
            write!(f, "{comma}{open}{host}{close}:{port}")?;
        }
        write!(f, "/{}", self.database)
    }
}

/// Why a text is no JDBC URL we can use. Texts of the URL are shown only where no secret can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    #[error(
        "a JDBC URL begins with jdbc:postgresql:, jdbc:mariadb:, jdbc:mysql: or jdbc:sqlite:; other \
         databases are not supported"
    )]
    Scheme,
    #[error(
        "the form jdbc:{0} is not supported; name hosts as jdbc:mariadb://host1:3306,host2:3306/database"
    )]
    Form(String),
    #[error(
        "user and password do not belong before the host; set connection.user and connection.password"
    )]
    UserInfo,
    #[error(
        "parameters of the URL begin with ? and are separated by &, but something else stands behind the \
         database's name"
    )]
    Separator,
    #[error("the port of host {0:?} is not a number")]
    Port(String),
    #[error("the path of the database file is missing after jdbc:sqlite:")]
    Path,
    #[error("{name}={text} is not a number of {unit}")]
    Limit {
        name: &'static str,
        text: String,
        unit: &'static str,
    },
}

/// What errors may show of a URL that was not understood, whatever else is in it: `jdbc:oracle:...`.
pub(crate) fn shown_url(text: &str) -> String {
    if let Ok(url) = JdbcUrl::parse(text) {
        return format!("jdbc:{url}");
    }
    let rest = text.trim().strip_prefix("jdbc:").unwrap_or_default();
    let scheme: String = rest
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-'))
        .take(20)
        .collect();
    match scheme.is_empty() {
        true => "...".to_owned(),
        false => format!("jdbc:{scheme}:..."),
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Splits `host:port`, `[v6]:port` or `host`.
fn host_and_port(text: &str, default: u16) -> Result<(String, u16), UrlError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        None | Some("") => default,
        Some(port) => port.parse().map_err(|_| UrlError::Port(host.to_owned()))?,
    };
    let host = if host.is_empty() { "localhost" } else { host };
    Ok((host.to_owned(), port))
}

impl JdbcUrl {
    /// Parses a URL.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let rest = text.trim().strip_prefix("jdbc:").ok_or(UrlError::Scheme)?;
        let (scheme, rest) = rest.split_once(':').ok_or(UrlError::Scheme)?;
        let (kind, default_port) = match scheme {
            "postgresql" => (DatabaseKind::PostgreSql, 5432),
            "mariadb" | "mysql" => (DatabaseKind::MariaDb, 3306),
            "sqlite" => (DatabaseKind::Sqlite, 0),
            _ => return Err(UrlError::Scheme),
        };
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parameters = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decoded(key), decoded(value))
            })
            .collect();
        if kind == DatabaseKind::Sqlite {
            // All of them: SQLite would take one that is left for a URI, with parameters of its own.
            let path = address.trim_start_matches("file:");
            if path.is_empty() {
                return Err(UrlError::Path);
            }
            return Ok(Self {
                kind,
                scheme: scheme.to_owned(),
                hosts: Vec::new(),
                database: path.to_owned(),
                parameters,
            });
        }
        let (authority, database) = match address.strip_prefix("//") {
            Some(address) => address.split_once('/').unwrap_or((address, "")),
            // The database alone is a form of PostgreSQL's; MariaDB's drivers have words of their own there.
            None if kind == DatabaseKind::PostgreSql && !address.contains(['/', ':']) => {
                ("", address)
            }
            None => {
                let word = address.split([':', '/']).next().unwrap_or_default();
                return Err(UrlError::Form(format!("{scheme}:{word:.20}")));
            }
        };
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        if authority.contains(['(', '=']) {
            return Err(UrlError::Form(format!("{scheme}://(host=...)")));
        }
        if authority.contains([';', '&']) || database.contains([';', '&']) {
            return Err(UrlError::Separator);
        }
        let hosts = authority
            .split(',')
            .map(|host| host_and_port(host, default_port))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            kind,
            scheme: scheme.to_owned(),
            hosts,
            database: decoded(database),
            parameters,
        })
    }

    /// The servers, and the files of this machine.
    pub(crate) fn places(&self) -> Vec<Place> {
        let hosts = self.hosts.iter();
        let mut places: Vec<Place> = hosts
            .map(|(host, port)| Place::host(host, Some(*port)))
            .collect();
        if self.kind == DatabaseKind::Sqlite && self.database != ":memory:" {
            places.push(Place::File(self.database.as_str().into()));
        }
        let files = self.parameters.iter().filter(|(key, _)| {
            let names = ["sslrootcert", "sslcert", "sslkey", "serverSslCert"];
            names.iter().any(|name| key.eq_ignore_ascii_case(name))
        });
        places.extend(files.map(|(_, path)| Place::File(path.as_str().into())));
        places
    }

    /// A parameter that limits a wait, in the unit of the database's JDBC driver; 0 is for ever.
    pub(crate) fn limit(
        &self,
        name: &'static str,
        default: Option<Duration>,
    ) -> Result<Option<Duration>, UrlError> {
        let Some(text) = self.parameter(name) else {
            return Ok(default);
        };
        let (unit, one) = match self.kind {
            DatabaseKind::MariaDb => ("milliseconds", Duration::from_millis(1)),
            DatabaseKind::PostgreSql | DatabaseKind::Sqlite => ("seconds", Duration::from_secs(1)),
        };
        let count: u32 = text.parse().map_err(|_| UrlError::Limit {
            name,
            text: text.to_owned(),
            unit,
        })?;
        Ok((count > 0).then(|| one * count))
    }

    /// The last value of a parameter, whatever the case of its name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .rev()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_every_database_are_read() {
        for (text, shown) in [
            ("jdbc:postgresql://db/shop", "postgresql://db:5432/shop"),
            (
                "jdbc:postgresql://a:1,b/shop?user=u&password=p%40x",
                "postgresql://a:1,b:5432/shop",
            ),
            ("jdbc:mariadb://db/shop", "mariadb://db:3306/shop"),
            ("jdbc:mysql://db:1/shop?useSSL=false", "mysql://db:1/shop"),
            ("jdbc:postgresql:shop", "postgresql://localhost:5432/shop"),
            ("jdbc:postgresql://[::1]:7/x", "postgresql://[::1]:7/x"),
            ("jdbc:sqlite:/tmp/a b.db", "sqlite:/tmp/a b.db"),
        ] {
            assert_eq!(JdbcUrl::parse(text).unwrap().to_string(), shown);
        }
        let url = JdbcUrl::parse("jdbc:postgresql://a/b?user=u&password=p%40x").unwrap();
        assert_eq!(url.parameter("password"), Some("p@x"));
        assert!(!format!("{url:?}").contains("p@x"));
    }

    #[test]
    fn what_is_no_jdbc_url_is_told() {
        assert_eq!(JdbcUrl::parse("jdbc:oracle:thin:@h"), Err(UrlError::Scheme));
        assert_eq!(JdbcUrl::parse("postgresql://h"), Err(UrlError::Scheme));
        assert_eq!(
            JdbcUrl::parse("jdbc:postgresql://h:port/d"),
            Err(UrlError::Port("h".to_owned()))
        );
        for (text, form) in [
            ("jdbc:mysql:replication://h1,h2/db", "mysql:replication"),
            ("jdbc:mysql:loadbalance://h1,h2/db", "mysql:loadbalance"),
            ("jdbc:mariadb:sequential://h1,h2/db", "mariadb:sequential"),
            (
                "jdbc:mysql://(host=h,password=geheim)/db",
                "mysql://(host=...)",
            ),
        ] {
            assert_eq!(JdbcUrl::parse(text), Err(UrlError::Form(form.to_owned())));
        }
        assert_eq!(JdbcUrl::parse("jdbc:sqlite:"), Err(UrlError::Path));
    }

    #[test]
    fn what_is_shown_of_a_url_holds_no_secret() {
        for text in [
            "jdbc:oracle:thin:scott/geheim@//h:1521/orcl",
            "jdbc:sqlserver://h:1433;databaseName=d;user=u;password=geheim",
            "jdbc:db2://h:50000/d:user=u;password=geheim;",
            "jdbc:mysql://u:geheim@h/d",
            "jdbc:mysql:replication://h/d?password=geheim",
            "jdbc:postgresql://u:geheim@h:5432/d",
            "jdbc:postgresql://h/d;password=geheim",
            "jdbc:postgresql://h/d&password=geheim",
            "jdbc:postgresql://h:geheim/d",
            "jdbc:mysql+srv://u:geheim@h/d",
            "geheim",
        ] {
            let shown = shown_url(text);
            assert!(!shown.contains("geheim"), "{shown}");
            let error = JdbcUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
        let known = "jdbc:postgresql://h/d?user=u&password=geheim";
        assert_eq!(shown_url(known), "jdbc:postgresql://h:5432/d");
        assert_eq!(shown_url("jdbc:oracle:thin:u/geheim@h"), "jdbc:oracle:...");
    }

    #[test]
    fn waits_are_limited_in_the_units_of_the_jdbc_drivers() {
        let limit = |text: &str| {
            JdbcUrl::parse(text)
                .unwrap()
                .limit("socketTimeout", Some(Duration::from_secs(1)))
        };
        let seconds = |count| Ok(Some(Duration::from_secs(count)));
        assert_eq!(limit("jdbc:postgresql://h/d"), seconds(1));
        assert_eq!(limit("jdbc:postgresql://h/d?socketTimeout=7"), seconds(7));
        assert_eq!(limit("jdbc:mariadb://h/d?socketTimeout=7000"), seconds(7));
        assert_eq!(limit("jdbc:mariadb://h/d?socketTimeout=0"), Ok(None));
        assert_eq!(
            limit("jdbc:mariadb://h/d?socketTimeout=soon")
                .unwrap_err()
                .to_string(),
            "socketTimeout=soon is not a number of milliseconds"
        );
    }
}
