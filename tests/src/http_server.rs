//! An HTTP server, plain or over TLS, that keeps what was POSTed to it, and can refuse, hang, go and come
//! back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::serve::Listener;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates::Identity;
use crate::ports::free_port;

/// Where the server gives [`TOKEN`] to every client, as an OAuth 2 server would.
pub const TOKEN_PATH: &str = "/records/token";
/// The token.
pub const TOKEN: &str = "t0ken-of-the-test";

/// What the server does with a POST.
#[derive(Debug, Clone, Default)]
pub enum Answer {
    /// Keeps it and answers 200.
    #[default]
    Accept,
    /// Answers this status and what the request said.
    Refuse(u16),
    /// Answers this status if the text is in the body, else accepts.
    RefuseIf(u16, &'static str),
    /// Answers the status of the first of these texts that is in the body, else accepts.
    RefuseEach(&'static [(u16, &'static str)]),
    /// Answers 503 and asks to wait this many seconds.
    Later(u64),
    /// Never answers.
    Hang,
}

/// A POST, PUT, PATCH or DELETE.
#[derive(Debug, Clone)]
pub struct Post {
    /// Method and path, such as `PUT /records/a`.
    pub line: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
    /// Whether the server kept it.
    pub accepted: bool,
}

#[derive(Debug, Default)]
struct Log {
    answer: Answer,
    posts: Vec<Post>,
}

/// A server on a port of its own; what it was sent stays when it stops.
#[derive(Debug)]
pub struct HttpServer {
    port: u16,
    tls: Option<Arc<ServerConfig>>,
    log: Arc<Mutex<Log>>,
    runtime: Option<Runtime>,
}

impl HttpServer {
    /// Starts a server that accepts everything.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start() -> Result<Self> {
        Self::new(None)
    }

    /// The same over TLS, with this certificate.
    ///
    /// # Errors
    /// When there is no free port, or the certificate cannot be read.
    pub fn start_over_tls(identity: &Identity) -> Result<Self> {
        Self::new(Some(identity.server_config()?))
    }

    fn new(tls: Option<Arc<ServerConfig>>) -> Result<Self> {
        let mut server = Self {
            port: free_port()?,
            tls,
            log: Arc::default(),
            runtime: None,
        };
        server.restart()?;
        Ok(server)
    }

    /// The address of a path on it.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/records", self.port)
    }

    /// Decides about the POSTs to come.
    pub fn answer(&self, answer: Answer) {
        lock(&self.log).answer = answer;
    }

    /// All POSTs so far, in order.
    pub fn posts(&self) -> Vec<Post> {
        lock(&self.log).posts.clone()
    }

    /// The bodies it has accepted, in order.
    pub fn accepted(&self) -> Vec<String> {
        let posts = self.posts().into_iter().filter(|post| post.accepted);
        posts.map(|post| post.body).collect()
    }

    /// Goes away, with all its connections.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Comes back on its port.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let listener = runtime
            .block_on(TcpListener::bind(address))
            .with_context(|| address.to_string())?;
        let router = Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&self.log));
        match self.tls.clone().map(TlsAcceptor::from) {
            None => runtime.spawn(async { axum::serve(listener, router).await }),
            Some(acceptor) => {
                let listener = TlsListener { listener, acceptor };
                runtime.spawn(async { axum::serve(listener, router).await })
            }
        };
        self.runtime = Some(runtime);
        Ok(())
    }
}

/// Gives the connections whose handshake is done; one after the other is enough for tests.
struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    State(log): State<Arc<Mutex<Log>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, HeaderMap, String) {
    let mut reply = HeaderMap::new();
    if ![Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(&method) {
        return (StatusCode::METHOD_NOT_ALLOWED, reply, String::new());
    }
    let answer = lock(&log).answer.clone();
    let status = match answer {
        Answer::Accept => 200,
        Answer::Refuse(status) => status,
        Answer::RefuseIf(status, text) if body.contains(text) => status,
        Answer::RefuseIf(..) => 200,
        Answer::RefuseEach(texts) => texts
            .iter()
            .find(|(_, text)| body.contains(text))
            .map_or(200, |(status, _)| *status),
        Answer::Later(seconds) => {
            reply.insert("retry-after", seconds.into());
            503
        }
        Answer::Hang => std::future::pending().await,
    };
    let said = match status {
        200 => String::new(),
        _ => format!("refused: {headers:?} {body}"),
    };
    let said = match uri.path() {
        TOKEN_PATH => format!("{{\"access_token\": \"{TOKEN}\"}}"),
        _ => said,
    };
    lock(&log).posts.push(Post {
        line: format!("{method} {uri}"),
        headers,
        body,
        accepted: status == 200,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, reply, said)
}
