//! The REST server of a worker: where it listens, and the URL that other workers reach it at.

use sluice_api::config::ConfigError;

use super::Values;

/// One element of `listeners`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Whether it speaks https.
    pub tls: bool,
    /// Host to bind, empty for all addresses. IPv6 without brackets.
    pub host: String,
    /// Port to bind; 0 lets the system choose.
    pub port: u16,
}

impl Listener {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "listener \"{text}\": Listener doesn't have the right format (protocol://hostname:port)."
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => {
                return Err(format!(
                    "listener \"{text}\": Listener protocol must be either \"http\" or \"https\"."
                ));
            }
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: port.parse().map_err(|_| wrong())?,
        })
    }
}

/// What the worker's file says of REST. TLS is read by `rest/tls.rs`, from the `ssl.*` keys behind
/// the prefix of each listener.
#[derive(Debug, Clone)]
pub struct RestSettings {
    /// The listeners, in order; one at least.
    pub listeners: Vec<Listener>,
    /// Those of the admin resources: `None` shares the main ones, empty disables them.
    pub admin_listeners: Option<Vec<Listener>>,
    /// `rest.advertised.host.name`, if it is not empty.
    pub advertised_host: Option<String>,
    /// `rest.advertised.port`, 0 to 65535.
    pub advertised_port: Option<i32>,
    /// `rest.advertised.listener`: a scheme in lower case, if it is not empty.
    pub advertised_scheme: Option<String>,
    /// `access.control.allow.origin`; empty for no CORS.
    pub cors_origins: String,
    /// `access.control.allow.methods`, comma separated; empty for GET, POST and HEAD.
    pub cors_methods: String,
    /// `response.http.headers.config`: actions on headers, comma separated.
    pub headers: String,
}

impl RestSettings {
    /// Takes the keys of REST, and adds faults of listeners to those that are known.
    pub(super) fn take(values: &mut Values, faults: &mut Vec<String>) -> Result<Self, ConfigError> {
        let mut listeners = |key: &str, given: Option<Vec<String>>| -> Option<Vec<Listener>> {
            let parsed = given?.into_iter().filter_map(|text| {
                Listener::parse(&text)
                    .map_err(|fault| faults.push(format!("{key}: {fault}")))
                    .ok()
            });
            Some(parsed.collect())
        };
        let main = values.take("listeners")?;
        let main = listeners("listeners", main).unwrap_or_default();
        let admin = values.take("admin.listeners")?;
        let admin_listeners = listeners("admin.listeners", admin);
        if main.is_empty() && faults.is_empty() {
            faults.push("listeners: at least one listener is needed".to_owned());
        }
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let scheme: Option<String> = values.take("rest.advertised.listener")?;
        Ok(Self {
            listeners: main,
            admin_listeners,
            advertised_host: given(values.take("rest.advertised.host.name")?),
            advertised_port: values.take("rest.advertised.port")?,
            advertised_scheme: given(scheme).map(|scheme| scheme.to_ascii_lowercase()),
            cors_origins: values.take("access.control.allow.origin")?,
            cors_methods: values.take("access.control.allow.methods")?,
            headers: values.take("response.http.headers.config")?,
        })
    }

    /// The URL other workers reach this one at, with a trailing slash, once the REST server is
    /// bound to `bound` (scheme, host, port by the rules of `RestServer.advertisedUrl`:
    /// `rest.advertised.*`, else the first listener of that scheme).
    pub fn advertised_url(&self, bound: &[(Listener, u16)]) -> String {
        let scheme = match self.advertised_scheme.as_deref() {
            Some(scheme) => scheme,
            None if self.listeners.iter().any(|listener| !listener.tls) => "http",
            None => "https",
        };
        let listener = bound
            .iter()
            .find(|(listener, _)| listener.tls == (scheme == "https"));
        let of_listener = || {
            let host = listener.map(|(listener, _)| listener.host.clone());
            host.filter(|host| !host.is_empty())
        };
        let host = self.advertised_host.clone();
        let host = host.or_else(of_listener).unwrap_or_else(local_host);
        let port = match self.advertised_port {
            Some(port) => port,
            None => listener.map_or(8083, |(_, port)| i32::from(*port)),
        };
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host
        };
        format!("{scheme}://{host}:{port}/")
    }
}

fn local_host() -> String {
    // Connecting a datagram socket sends nothing; it only asks the system which address it would use.
    std::net::UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| {
            socket.connect("192.0.2.1:9")?;
            socket.local_addr()
        })
        .map_or_else(
            |_| "127.0.0.1".to_owned(),
            |address| address.ip().to_string(),
        )
}
