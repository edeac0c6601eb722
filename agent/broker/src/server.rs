//! Sockets: connections are accepted, requests of each are handled in order, answers leave in order.
//!
//! A connection is one task. Its requests wait in a short queue, so that a client that sends faster than it
//! reads is held up and not the broker. Produce requests get their place with the writer as they arrive,
//! everything else begins when the answers before it have left, as in Kafka.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::api::{self, Due, Handlers, Outgoing};
use crate::config::Limits;
use crate::wire::{self, FrameError, FrameReader, Held, SMALL, UNIT};

/// Connections that say nothing for this long are closed, as `connections.max.idle.ms`.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// Pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The sockets of the broker, with the bounds on what they hold.
pub(crate) struct Server {
    handlers: Arc<Handlers>,
    limits: Limits,
    /// Bytes of requests, in units of [`UNIT`].
    request_budget: Arc<Semaphore>,
    /// Memory of decoded requests, in units of [`UNIT`] bytes.
    decode_budget: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Server {
    /// A server that lets `handlers` answer, until `stop`.
    pub(crate) fn new(handlers: Handlers, limits: Limits, stop: CancellationToken) -> Arc<Self> {
        let units = limits.requests_in_memory / UNIT;
        Arc::new(Self {
            handlers: Arc::new(handlers),
            request_budget: Arc::new(Semaphore::new(units)),
            decode_budget: Arc::new(Semaphore::new(units)),
            limits,
            stop,
        })
    }
}

/// Takes connections until the broker stops. Every connection holds a clone of `alive` until it has ended.
pub(crate) async fn accept(server: Arc<Server>, listener: TcpListener, alive: mpsc::Sender<()>) {
    let places = Arc::new(Semaphore::new(server.limits.connections));
    loop {
        let accepted = tokio::select! {
            () = server.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    tracing::warn!(%address, "too many connections: one was refused");
                    continue;
                };
                let (server, alive) = (Arc::clone(&server), alive.clone());
                tokio::spawn(async move {
                    let stop = server.stop.clone();
                    tokio::select! {
                        () = stop.cancelled() => (),
                        () = serve(server, stream, address) => (),
                    }
                    drop((place, alive));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(server: Arc<Server>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection cannot be set up");
        return;
    }
    let (reader, writer) = stream.into_split();
    let limits = &server.limits;
    let units = u32::try_from(limits.requests_in_memory / UNIT).unwrap_or(u32::MAX);
    let frames = FrameReader::new(
        reader,
        limits.request_bytes,
        Arc::clone(&server.request_budget),
        units,
        limits.request_read_time,
    );
    let (queue, due) = mpsc::channel(limits.requests_per_connection);
    let write_limit = limits.request_read_time;
    tokio::select! {
        () = read(&server, frames, peer, queue) => (),
        () = write(writer, due, write_limit) => (),
    }
}

async fn read(
    server: &Server,
    mut frames: FrameReader<tokio::net::tcp::OwnedReadHalf>,
    peer: SocketAddr,
    queue: mpsc::Sender<Due>,
) {
    loop {
        let frame = match tokio::time::timeout(IDLE, frames.next()).await {
            Ok(Ok(Some(frame))) => frame,
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(error)) => {
                if !matches!(error, FrameError::Io(_)) {
                    tracing::warn!(%peer, %error, "connection is closed");
                }
                return;
            }
        };
        let Some(due) = begin(server, frame, peer).await else {
            return;
        };
        if queue.send(due).await.is_err() {
            return;
        }
    }
}

/// Begins a request; `None` if it cannot be read, which ends the connection.
async fn begin(server: &Server, (frame, mut held): (Bytes, Held), peer: SocketAddr) -> Option<Due> {
    let most = server.limits.requests_in_memory;
    let decoded = async {
        let walked = wire::walk(frame, most)?;
        if walked.memory > SMALL {
            // A budget of its own: whoever waits for it holds only bytes, and nobody who has it waits for
            // bytes.
            let units = u32::try_from(walked.memory / UNIT).unwrap_or(u32::MAX);
            let budget = Arc::clone(&server.decode_budget);
            held.extend(budget.acquire_many_owned(units).await);
        }
        walked.decode()
    };
    match decoded.await {
        Ok(request) => Some(api::begin(&server.handlers, request, held, peer).await),
        Err(error) => {
            tracing::warn!(%peer, %error, "connection is closed");
            None
        }
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut due: mpsc::Receiver<Due>, limit: Duration) {
    while let Some(due) = due.recv().await {
        match due.await {
            Outgoing::Answer(bytes, held) => {
                let written = tokio::time::timeout(limit, writer.write_all(&bytes)).await;
                if !matches!(written, Ok(Ok(()))) {
                    return;
                }
                drop(held);
            }
            Outgoing::Nothing => (),
            Outgoing::Close => return,
        }
    }
}
