//! One connection to a broker: TCP or TLS, version negotiation, SASL, requests and their answers.
//!
//! Requests may overlap; answers are matched by correlation id. Two small tasks read and write, so dropping a
//! [`PendingResponse`] never leaves the stream in the middle of a message.

use std::collections::HashMap;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::{
    ApiVersionsRequest, RequestHeader, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable as _, HeaderVersion, Request, StrBytes};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::sasl::{self, Exchange};
use super::security::Sasl;
use super::settings::ClientSettings;
use super::tls::TlsError;

/// Largest answer accepted, in bytes.
const LARGEST_ANSWER: usize = 64 << 20;
/// Most memory that an answer may take when it is decoded, in bytes.
const LARGEST_DECODED: usize = 160 << 20;

/// Why a broker can't be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The address is not `host:port`, or can't be reached.
    #[error("broker {address}: {doing}")]
    Io {
        /// The broker.
        address: String,
        /// What was attempted.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The connection was closed while an answer was due.
    #[error("broker {0} closed the connection")]
    Closed(String),
    /// No answer in time.
    #[error("broker {address} did not answer within {limit:?}")]
    Timeout {
        /// The broker.
        address: String,
        /// The time allowed.
        limit: Duration,
    },
    /// TLS settings can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The broker does not take our credentials.
    #[error("broker {address} refused authentication: {reason}")]
    Authentication {
        /// The broker.
        address: String,
        /// Its answer.
        reason: String,
    },
    /// The broker and we share no version of an API.
    #[error("broker {address} supports no version of API {api} we know")]
    NoVersion {
        /// The broker.
        address: String,
        /// Number of the API.
        api: i16,
    },
    /// A message can't be written or read.
    #[error("broker {address}: message of API {api} is malformed: {reason}")]
    Malformed {
        /// The broker.
        address: String,
        /// Number of the API.
        api: i16,
        /// What is wrong.
        reason: String,
    },
}

impl ConnectionError {
    /// Whether the next attempt ends as this one did: the broker does not take our credentials, the two sides
    /// do not agree on TLS or on versions, or one does not understand the other.
    pub(crate) fn is_for_good(&self) -> bool {
        match self {
            Self::Authentication { .. }
            | Self::Tls(_)
            | Self::NoVersion { .. }
            | Self::Malformed { .. } => true,
            // rustls reports so what one side refuses of the other: a certificate that is not trusted, or no
            // TLS at all. A connection that merely broke may be made the next time.
            Self::Io { source, .. } => source.kind() == io::ErrorKind::InvalidData,
            Self::Closed(_) | Self::Timeout { .. } => false,
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

type Waiting = HashMap<i32, oneshot::Sender<Bytes>>;

/// An open, authenticated connection. Dropping it closes it.
pub struct BrokerConnection {
    address: String,
    client_id: StrBytes,
    outgoing: mpsc::UnboundedSender<Bytes>,
    /// `None` once the connection is closed.
    waiting: Arc<Mutex<Option<Waiting>>>,
    next_id: AtomicI32,
    /// API number to the versions the broker has.
    versions: HashMap<i16, (i16, i16)>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for BrokerConnection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl BrokerConnection {
    /// Connects to `host:port`, agrees on versions and authenticates.
    pub async fn connect(address: &str, config: &ClientSettings) -> Result<Self, ConnectionError> {
        let limit = config.connect_timeout;
        let io_error = |doing| {
            move |source| ConnectionError::Io {
                address: address.to_owned(),
                doing,
                source,
            }
        };
        let open = async {
            let tcp = TcpStream::connect(address)
                .await
                .map_err(io_error("can't connect"))?;
            tcp.set_nodelay(true).map_err(io_error("can't set up"))?;
            let stream: Box<dyn Stream> = match &config.tls {
                None => Box::new(tcp),
                Some(tls) => {
                    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                    let (connector, name) = tls.connector(host).await?;
                    let stream = connector
                        .connect(name, tcp)
                        .await
                        .map_err(io_error("TLS handshake failed"))?;
                    Box::new(stream)
                }
            };
            Ok::<_, ConnectionError>(stream)
        };
        let stream =
            tokio::time::timeout(limit, open)
                .await
                .map_err(|_| ConnectionError::Timeout {
                    address: address.to_owned(),
                    limit,
                })??;
        let mut connection = Self::start(address, stream, &config.client_id);
        connection.negotiate(config.request_timeout).await?;
        if let Some(sasl) = &config.sasl {
            connection
                .authenticate(sasl, config.request_timeout)
                .await?;
        }
        Ok(connection)
    }

    fn start(address: &str, stream: Box<dyn Stream>, client_id: &str) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let (outgoing, requests) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(Some(Waiting::new())));
        let tasks = [
            tokio::spawn(write(writer, requests, Arc::clone(&waiting))),
            tokio::spawn(read(reader, Arc::clone(&waiting))),
        ];
        Self {
            address: address.to_owned(),
            client_id: StrBytes::from_string(client_id.to_owned()),
            outgoing,
            waiting,
            next_id: AtomicI32::new(0),
            versions: HashMap::new(),
            tasks,
        }
    }

    /// The broker's address, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the connection is known to be closed.
    pub fn is_closed(&self) -> bool {
        self.waiting.lock().is_none()
    }

    /// Asks the broker which versions it has; brokers too old for our question answer in the oldest form.
    async fn negotiate(&mut self, limit: Duration) -> Result<(), ConnectionError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("sluice"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let mut answer = self.send_version(&request, 3, limit)?.wait().await?;
        if answer.error_code.err() == Some(ResponseError::UnsupportedVersion) {
            answer = self.send_version(&request, 0, limit)?.wait().await?;
        }
        self.versions = answer
            .api_keys
            .iter()
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        Ok(())
    }

    async fn authenticate(&self, sasl: &Sasl, limit: Duration) -> Result<(), ConnectionError> {
        let mechanism = sasl::mechanism(sasl);
        let request =
            SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
        let answer = self.call(&request, limit).await?;
        if answer.error_code.is_err() {
            let offered: Vec<&str> = answer.mechanisms.iter().map(|name| name.as_str()).collect();
            let offered = offered.join(", ");
            return Err(self.refused(format!("it does not offer {mechanism} but {offered}")));
        }
        let (mut exchange, mut message) = Exchange::begin(sasl);
        loop {
            let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
            let answer = self.call(&request, limit).await?;
            if let Some(error) = answer.error_code.err() {
                let reason = answer.error_message.map(|text| text.to_string());
                let code = || format!("error {}", error.code());
                return Err(self.refused(reason.unwrap_or_else(code)));
            }
            let next = exchange.answer(&answer.auth_bytes);
            match next.map_err(|reason| self.refused(reason))? {
                Some(next) => (exchange, message) = next,
                None => return Ok(()),
            }
        }
    }

    fn refused(&self, reason: String) -> ConnectionError {
        ConnectionError::Authentication {
            address: self.address.clone(),
            reason,
        }
    }

    /// The version in which requests of this kind are sent: the newest that both sides know, and no version
    /// above `newest`.
    ///
    /// # Errors
    /// [`ConnectionError::NoVersion`] if there is none.
    pub fn version<R: Request>(&self, newest: i16) -> Result<i16, ConnectionError> {
        self.versions
            .get(&R::KEY)
            .map(|(least, most)| {
                (
                    (*least).max(R::VERSIONS.min),
                    (*most).min(R::VERSIONS.max).min(newest),
                )
            })
            .filter(|(least, most)| least <= most)
            .map(|(_, most)| most)
            .ok_or_else(|| ConnectionError::NoVersion {
                address: self.address.clone(),
                api: R::KEY,
            })
    }

    /// Sends a request in the newest version both sides know.
    pub fn send<R: Request>(
        &self,
        request: &R,
        limit: Duration,
    ) -> Result<PendingResponse<R>, ConnectionError> {
        self.send_at_most(request, i16::MAX, limit)
    }

    /// The same, in no version above `newest`.
    pub fn send_at_most<R: Request>(
        &self,
        request: &R,
        newest: i16,
        limit: Duration,
    ) -> Result<PendingResponse<R>, ConnectionError> {
        let version = self.version::<R>(newest)?;
        self.send_version(request, version, limit)
    }

    /// Sends a request and waits for its answer.
    pub async fn call<R: Request>(
        &self,
        request: &R,
        limit: Duration,
    ) -> Result<R::Response, ConnectionError> {
        self.send(request, limit)?.wait().await
    }

    fn send_version<R: Request>(
        &self,
        request: &R,
        version: i16,
        limit: Duration,
    ) -> Result<PendingResponse<R>, ConnectionError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(id)
            .with_client_id(Some(self.client_id.clone()));
        let mut body = BytesMut::with_capacity(512);
        body.put_i32(0);
        // Not by the crate's function for it, which knows only the APIs that the crate has.
        header
            .encode(&mut body, R::header_version(version))
            .and_then(|()| request.encode(&mut body, version))
            .map_err(|error| self.malformed(R::KEY, &error))?;
        let length =
            i32::try_from(body.len() - 4).map_err(|error| self.malformed(R::KEY, &error.into()))?;
        if let Some(prefix) = body.get_mut(..4) {
            prefix.copy_from_slice(&length.to_be_bytes());
        }
        let (answer, receiver) = oneshot::channel();
        let closed = || ConnectionError::Closed(self.address.clone());
        match self.waiting.lock().as_mut() {
            Some(waiting) => waiting.insert(id, answer),
            None => return Err(closed()),
        };
        self.outgoing.send(body.freeze()).map_err(|_| closed())?;
        Ok(PendingResponse {
            receiver,
            version,
            deadline: Instant::now() + limit,
            limit,
            address: self.address.clone(),
            request: PhantomData,
        })
    }

    fn malformed(&self, api: i16, error: &anyhow::Error) -> ConnectionError {
        ConnectionError::Malformed {
            address: self.address.clone(),
            api,
            reason: error.to_string(),
        }
    }
}

/// An answer that is due. Waiting for it can be broken off and taken up again.
pub struct PendingResponse<R> {
    receiver: oneshot::Receiver<Bytes>,
    version: i16,
    deadline: Instant,
    limit: Duration,
    address: String,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> PendingResponse<R> {
    /// Waits for the answer; cancel-safe.
    pub async fn wait(&mut self) -> Result<R::Response, ConnectionError> {
        let mut body = match tokio::time::timeout_at(self.deadline, &mut self.receiver).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Err(ConnectionError::Closed(self.address.clone())),
            Err(_) => {
                return Err(ConnectionError::Timeout {
                    address: self.address.clone(),
                    limit: self.limit,
                });
            }
        };
        decode(&mut body, R::KEY, self.version).map_err(|reason| ConnectionError::Malformed {
            address: self.address.clone(),
            api: R::KEY,
            reason,
        })
    }
}

/// Reads an answer whose lengths were checked against its bytes: the decoder makes room for what an array
/// claims.
fn decode<A: Decodable + HeaderVersion>(
    body: &mut Bytes,
    api: i16,
    version: i16,
) -> Result<A, String> {
    let text = |fault: sluice_wire::Fault| fault.to_string();
    // The correlation id was read with the frame.
    body.try_get_i32().map_err(|error| error.to_string())?;
    if A::header_version(version) >= 1 {
        body.advance(sluice_wire::header_tags(body).map_err(text)?);
    }
    let memory = sluice_wire::answer(api, version, body).map_err(text)?;
    if memory > LARGEST_DECODED {
        return Err(format!(
            "it takes {memory} bytes of memory, {LARGEST_DECODED} are allowed"
        ));
    }
    A::decode(body, version).map_err(|error| error.to_string())
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut requests: mpsc::UnboundedReceiver<Bytes>,
    waiting: Arc<Mutex<Option<Waiting>>>,
) {
    while let Some(request) = requests.recv().await {
        if writer.write_all(&request).await.is_err() || writer.flush().await.is_err() {
            break;
        }
    }
    waiting.lock().take();
}

async fn read(mut reader: impl AsyncRead + Unpin, waiting: Arc<Mutex<Option<Waiting>>>) {
    loop {
        match read_frame(&mut reader).await {
            Ok((id, body)) => {
                let answer = waiting
                    .lock()
                    .as_mut()
                    .and_then(|waiting| waiting.remove(&id));
                if let Some(answer) = answer {
                    // Nobody may be waiting any more.
                    let _ = answer.send(body);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "connection to broker ended");
                break;
            }
        }
    }
    // Dropping the senders tells everybody who waits.
    waiting.lock().take();
}

async fn read_frame(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<(i32, Bytes)> {
    let length = reader.read_i32().await?;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| (4..=LARGEST_ANSWER).contains(length))
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "answer has an impossible length",
            )
        })?;
    // Grown as data arrives, so that a wrong length costs nothing.
    let mut body = BytesMut::with_capacity(length.min(64 << 10));
    while body.len() < length {
        let missing = length - body.len();
        body.reserve(missing.min(64 << 10));
        if (&mut *reader)
            .take(missing as u64)
            .read_buf(&mut body)
            .await?
            == 0
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut id = [0; 4];
    if let Some(first) = body.get(..4) {
        id.copy_from_slice(first);
    }
    Ok((i32::from_be_bytes(id), body.freeze()))
}
