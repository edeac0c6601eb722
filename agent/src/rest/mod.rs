//! The REST API of a worker: the paths, bodies, statuses and messages of JVM Connect 4.3.
//!
//! [`RestServer::bind`] opens the listeners first, because the port may be part of the worker's
//! advertised URL; until [`RestServer::serve`] names the herder every path answers 404. [`routes`]
//! is the table of calls, `calls` carries them out, `forward` passes them on, `headers` adds CORS
//! and configured headers.

mod answer;
mod calls;
mod forward;
mod headers;
mod listener;
mod places;
pub(crate) mod routes;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::headers::{Cors, ExtraHeaders};
use self::listener::Listening;
use self::places::{Place, Places};
use self::routes::{Resolved, Surface};
use crate::herder::Herder;
use crate::settings::{Listener, WorkerSettings};

/// Why the REST server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RestServerError {
    /// A listener cannot be opened.
    #[error("cannot listen on {address}")]
    Bind {
        /// Host and port as configured.
        address: String,
        /// What the operating system reported.
        source: std::io::Error,
    },
    /// A TLS setting is wrong.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// Another REST setting is wrong.
    #[error("{0}")]
    Config(String),
}

/// How long requests may take that the herder has ended with: their answers have to leave.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// Largest body of a request, in bytes.
const MAX_BODY_BYTES: usize = 16 << 20;
/// Time for the body of a request after its head.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The listeners of a worker and what serves them.
pub(crate) struct RestServer {
    bound: Vec<(Listener, u16)>,
    herder: Arc<OnceLock<Arc<dyn Herder>>>,
    client: reqwest::Client,
    places: Arc<Places>,
    stop: CancellationToken,
    /// Every listener and every connection.
    open: TaskTracker,
}

/// What every request sees.
struct Server {
    herder: Arc<OnceLock<Arc<dyn Herder>>>,
    client: reqwest::Client,
    surface: Surface,
    /// `http` or `https`, of the advertised URL.
    scheme: &'static str,
    cors: Option<Cors>,
    extra_headers: ExtraHeaders,
}

/// The header by which clients know agents, as they know JVM workers by Jetty's.
const SERVER: &str = concat!("Sluice/", env!("CARGO_PKG_VERSION"));

/// What the file says of REST that keeps it from starting, and of what it warns, without opening a port.
pub(crate) fn check(config: &WorkerSettings) -> (Vec<RestServerError>, Vec<String>) {
    let mut faults = Vec::new();
    faults.extend(tls::client(config).err().map(RestServerError::from));
    faults.extend(cors(config).err());
    faults.extend(extra_headers(config).err());
    let main = config
        .rest
        .listeners
        .iter()
        .map(|one| (one, "listeners.https."));
    let admin = config.rest.admin_listeners.iter().flatten();
    let admin = admin.map(|one| (one, "admin.listeners.https."));
    let mut warnings = Vec::new();
    for (listener, prefix) in main.chain(admin) {
        if listener.tls {
            let fault = tls::server(config, prefix).err();
            faults.extend(fault.map(RestServerError::from));
        }
        warnings.extend(open_to_everyone(config, listener, prefix));
    }
    (faults, warnings)
}

fn cors(config: &WorkerSettings) -> Result<Option<Cors>, RestServerError> {
    Cors::new(&config.rest.cors_origins, &config.rest.cors_methods).map_err(RestServerError::Config)
}

fn extra_headers(config: &WorkerSettings) -> Result<ExtraHeaders, RestServerError> {
    ExtraHeaders::parse(&config.rest.headers).map_err(RestServerError::Config)
}

/// The warning about a listener on all addresses whose clients need no certificate.
fn open_to_everyone(
    config: &WorkerSettings,
    listener: &Listener,
    tls_prefix: &str,
) -> Option<String> {
    let everywhere = listener.host.is_empty()
        || listener
            .host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_unspecified());
    let asks = listener.tls && tls::requires_certificates(config, tls_prefix);
    (everywhere && !asks).then(|| {
        format!(
            "everyone who reaches this port can use REST: connectors read and write files as this user and \
             reach what this machine reaches; set listeners to one address, or to https with \
             {tls_prefix}ssl.client.auth=required, or bound connectors by sluice.plugins.allow, \
             sluice.file.roots and sluice.http.hosts"
        )
    })
}

impl RestServer {
    /// Opens all listeners.
    ///
    /// # Errors
    /// If an address is taken or unknown, or a REST setting is wrong.
    pub(crate) async fn bind(config: &WorkerSettings) -> Result<Self, RestServerError> {
        let client = tls::client(config)?;
        let cors = cors(config)?;
        let extra_headers = extra_headers(config)?;
        let mut server = Self {
            bound: Vec::new(),
            herder: Arc::new(OnceLock::new()),
            client,
            places: Places::by_descriptors(),
            stop: CancellationToken::new(),
            open: TaskTracker::new(),
        };
        let main = if config.rest.admin_listeners.is_some() {
            Surface::Main
        } else {
            Surface::All
        };
        for listener in &config.rest.listeners {
            let port = server
                .listen(
                    config,
                    listener,
                    "listeners.https.",
                    main,
                    cors.clone(),
                    extra_headers.clone(),
                )
                .await?;
            server.bound.push((listener.clone(), port));
        }
        for listener in config.rest.admin_listeners.iter().flatten() {
            server
                .listen(
                    config,
                    listener,
                    "admin.listeners.https.",
                    Surface::Admin,
                    None,
                    ExtraHeaders::default(),
                )
                .await?;
        }
        Ok(server)
    }

    async fn listen(
        &mut self,
        config: &WorkerSettings,
        listener: &Listener,
        tls_prefix: &str,
        surface: Surface,
        cors: Option<Cors>,
        extra_headers: ExtraHeaders,
    ) -> Result<u16, RestServerError> {
        let host = if listener.host.is_empty() {
            "0.0.0.0"
        } else {
            &listener.host
        };
        let failed = |source| RestServerError::Bind {
            address: format!("{host}:{}", listener.port),
            source,
        };
        let tls = if listener.tls {
            Some(tls::server(config, tls_prefix)?)
        } else {
            None
        };
        let socket = TcpListener::bind((host, listener.port))
            .await
            .map_err(failed)?;
        let port = socket.local_addr().map_err(failed)?.port();
        let listening = Listening {
            socket,
            tls,
            server: Arc::new(Server {
                herder: self.herder.clone(),
                client: self.client.clone(),
                surface,
                scheme: if listener.tls { "https" } else { "http" },
                cors,
                extra_headers,
            }),
            places: self.places.clone(),
            stop: self.stop.clone(),
            open: self.open.clone(),
        };
        self.open.spawn(listening.accept());
        if let Some(warning) = open_to_everyone(config, listener, tls_prefix) {
            tracing::warn!(port, "{warning}");
        }
        tracing::info!(
            host,
            port,
            tls = listener.tls,
            ?surface,
            "REST listener opened"
        );
        Ok(port)
    }

    /// Main listeners with the ports they are bound to.
    pub(crate) fn bound(&self) -> &[(Listener, u16)] {
        &self.bound
    }

    /// The client for requests to other workers.
    pub(crate) fn client(&self) -> reqwest::Client {
        self.client.clone()
    }

    pub(crate) fn serve(&self, herder: Arc<dyn Herder>) {
        // A second herder would be a bug of the caller; the first one stays.
        let _ = self.herder.set(herder);
    }

    /// Takes no more connections and requests. Those that the herder works on are answered; the others end.
    pub(crate) fn close(&self) {
        self.stop.cancel();
        self.open.close();
    }

    /// Waits for the answers of requests that the herder, which has to be stopped before, was
    /// working on: two seconds at most, since what is open then waits for something else.
    pub(crate) async fn stop(self) {
        self.close();
        let ended = tokio::time::timeout(SHUTDOWN_GRACE, self.open.wait()).await;
        if ended.is_err() {
            tracing::warn!(
                connections = self.open.len(),
                "REST connections still open after {SHUTDOWN_GRACE:?} are cut"
            );
        }
    }
}

/// Answers one request of a connection that has `place`.
async fn answer(server: &Server, address: SocketAddr, request: Request, place: &Place) -> Response {
    let start = Instant::now();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let preflight = request
        .headers()
        .get(header::ACCESS_CONTROL_REQUEST_METHOD)
        .cloned();
    let mut response = match whole(request).await {
        Ok(request) => {
            let _working = place.occupy();
            dispatch(server, address, request).await
        }
        Err(status) => generic_error(status),
    };
    if let Some(cors) = &server.cors {
        cors.apply(&method, origin.as_ref(), preflight.as_ref(), &mut response);
    }
    response
        .headers_mut()
        .insert(header::SERVER, HeaderValue::from_static(SERVER));
    server.extra_headers.apply(response.headers_mut());
    tracing::info!(
        target: "sluice_agent::rest::requests",
        client = %address.ip(),
        %method,
        path = uri.path(),
        status = response.status().as_u16(),
        millis = start.elapsed().as_millis(),
        "request"
    );
    response
}

/// The request with its whole body, so that whoever works on it never waits for the client.
async fn whole(request: Request) -> Result<axum::http::Request<Bytes>, StatusCode> {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => Ok(axum::http::Request::from_parts(head, body)),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

async fn dispatch(
    server: &Server,
    address: SocketAddr,
    request: axum::http::Request<Bytes>,
) -> Response {
    let Some(herder) = server.herder.get() else {
        return plain(StatusCode::NOT_FOUND, "text/html", "<h1>404 Not Found</h1>");
    };
    let path = request.uri().path();
    if path.to_ascii_lowercase().contains("%2f") {
        return empty(StatusCode::BAD_REQUEST);
    }
    let segments: Option<Vec<String>> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| {
            percent_encoding::percent_decode_str(segment)
                .decode_utf8()
                .ok()
                .map(Into::into)
        })
        .collect();
    let Some(segments) = segments else {
        return empty(StatusCode::BAD_REQUEST);
    };
    match routes::resolve(request.method(), &segments, server.surface) {
        Resolved::NotFound => generic_error(StatusCode::NOT_FOUND),
        Resolved::OtherMethods(methods) if request.method() == Method::OPTIONS => options(&methods),
        Resolved::OtherMethods(methods) => {
            let mut response = generic_error(StatusCode::METHOD_NOT_ALLOWED);
            if let Ok(allow) = HeaderValue::from_str(&allowed(&methods).replace(' ', "")) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            response
        }
        Resolved::Call(route) => {
            let head = request.method() == Method::HEAD;
            let mut response = calls::carry_out(
                herder,
                &server.client,
                server.scheme,
                address,
                route,
                request,
            )
            .await;
            if head {
                *response.body_mut() = Body::empty();
            }
            response
        }
    }
}

fn allowed(methods: &[Method]) -> String {
    let head = methods.contains(&Method::GET).then_some("HEAD");
    head.into_iter()
        .chain(methods.iter().map(Method::as_str))
        .chain(["OPTIONS"])
        .collect::<Vec<_>>()
        .join(", ")
}

fn options(methods: &[Method]) -> Response {
    let text = allowed(methods);
    let mut response = plain(StatusCode::OK, "text/plain", &text);
    if let Ok(allow) = HeaderValue::from_str(&text.replace(' ', "")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// An error of the HTTP layer: a JSON body without a `Content-Type`, as the JVM worker sends it.
fn generic_error(status: StatusCode) -> Response {
    let reason = match status {
        // Jersey's name for it differs from the HTTP standard's.
        StatusCode::NOT_ACCEPTABLE => "Not Acceptable",
        other => other.canonical_reason().unwrap_or_default(),
    };
    let body = format!(
        "{{\"error_code\":{0},\"message\":\"HTTP {0} {reason}\"}}",
        status.as_u16()
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn plain(status: StatusCode, content_type: &'static str, text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Mode;

    #[test]
    fn a_listener_is_open_unless_clients_need_a_certificate_by_whichever_keys_hold_for_it() {
        let warnings = |more: &[(&str, &str)]| {
            let worker = [
                ("bootstrap.servers", "localhost:9092"),
                ("key.converter", "k"),
                ("value.converter", "v"),
                ("offset.storage.file.filename", "o"),
            ];
            let props = worker.iter().chain(more);
            let props = props.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            let config = WorkerSettings::from_props(props.collect(), Mode::Standalone).unwrap();
            let listener = &config.rest.listeners[0];
            open_to_everyone(&config, listener, "listeners.https.").is_some()
        };
        let https = ("listeners", "https://:8443");
        let own = "listeners.https.ssl.client.auth";
        assert!(warnings(&[]));
        assert!(warnings(&[https]));
        assert!(!warnings(&[("listeners", "https://127.0.0.1:8443")]));
        assert!(
            warnings(&[("ssl.client.auth", "required")]),
            "http asks for none"
        );
        assert!(!warnings(&[https, (own, " required ")]));
        assert!(!warnings(&[https, ("ssl.client.auth", "required")]));
        assert!(warnings(&[
            https,
            ("ssl.client.auth", "required"),
            (own, "requested")
        ]));
    }
}
