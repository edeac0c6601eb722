//! Sockets of the REST server, plain and TLS, with HTTP/1.1 on them.
//!
//! A connection has limits: ten seconds for a TLS handshake, thirty for the head of a request and
//! thirty for its body, and there are at most so many as leave descriptors for Kafka. Handshakes
//! run beside the accept loop, so that a client that never finishes one delays nobody.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Server;
use super::places::{Place, Places};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the head of a request, and for silence between two: Jetty's idle timeout of Connect's
/// REST server.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Time in which what was answered already may still leave when the worker stops.
const FLUSH: Duration = Duration::from_secs(1);
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

/// A bound socket and what its connections share.
pub(super) struct Listening {
    pub(super) socket: TcpListener,
    /// With it every connection starts with a handshake.
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) server: Arc<Server>,
    /// Of all listeners together.
    pub(super) places: Arc<Places>,
    /// Cancelled when no more connections and requests are taken.
    pub(super) stop: CancellationToken,
    /// Has every open connection.
    pub(super) open: TaskTracker,
}

impl Listening {
    /// Takes connections until `stop`.
    pub(super) async fn accept(self) {
        let acceptor = self.tls.clone().map(TlsAcceptor::from);
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: connections that end make room again.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE_AFTER_ACCEPT_ERROR).await;
                    continue;
                }
            };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "cannot set TCP_NODELAY");
            }
            let Some(place) = self.places.take() else {
                tracing::warn!(%address, "REST has {} requests under way, a connection is \
                                          refused", self.places.limit());
                continue;
            };
            let socket = self.places.socket().await;
            let (acceptor, server, stop) =
                (acceptor.clone(), self.server.clone(), self.stop.clone());
            self.open.spawn(async move {
                let _until_closed = socket;
                let given_up = place.given_up();
                tokio::select! {
                    () = given_up.cancelled() => tracing::debug!(%address, "a connection that waited \
                         gave way to a new one"),
                    () = serve(stream, acceptor, address, server, place, stop) => (),
                }
            });
        }
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    address: SocketAddr,
    server: Arc<Server>,
    place: Arc<Place>,
    stop: CancellationToken,
) {
    let stream = match acceptor {
        None => Connection::Plain(stream),
        Some(acceptor) => {
            let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
            let shaken = tokio::select! {
                () = stop.cancelled() => return,
                shaken = handshake => shaken,
            };
            match shaken {
                Ok(Ok(stream)) => Connection::Tls(Box::new(stream)),
                Ok(Err(error)) => {
                    tracing::debug!(%address, %error, "TLS handshake failed");
                    return;
                }
                Err(_) => {
                    tracing::debug!(%address, "TLS handshake took too long");
                    return;
                }
            }
        }
    };
    let answers = service_fn(|request: Request<hyper::body::Incoming>| {
        let (server, place) = (server.clone(), place.clone());
        async move {
            let request = request.map(Body::new);
            Ok::<_, Infallible>(super::answer(&server, address, request, &place).await)
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), answers)
    );
    tokio::select! {
        ended = connection.as_mut() => return note(address, ended),
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // What the herder works on is answered. A request that is half there is not waited for.
    tokio::select! {
        ended = connection.as_mut() => note(address, ended),
        () = place.unoccupied(FLUSH) => (),
    }
}

fn note(address: SocketAddr, ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%address, %error, "connection ended");
    }
}

pub(super) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
