//! The broker as a whole: started on a folder, stopped in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::BrokerConfig;
use crate::groups::Groups;
use crate::maintenance;
use crate::server;
use crate::state::{Shared, State};
use crate::store::{Store, StoreError, StoreHandle};
use crate::wire::UNIT;
use crate::writer::{self, Writer, WriterSettings};

/// Reads of the store at the same time.
const READERS: usize = 4;

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The folder cannot be made.
    #[error("cannot make the data folder {path}", path = .path.display())]
    Folder {
        /// The folder.
        path: std::path::PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// `host:port`.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// It listens on all addresses, and nobody said which of them clients are to connect to.
    #[error(
        "it listens on all addresses ({0}), which is not an address that clients can connect to: give one as \
         the advertised host"
    )]
    Advertised(String),
    /// The data.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What handlers work with.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: BrokerConfig,
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: Writer,
    pub(crate) groups: Groups,
    pub(crate) cluster_id: String,
    /// What clients are told to connect to.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) clock: fn() -> i64,
    pub(crate) stop: CancellationToken,
    /// In units of [`UNIT`] bytes.
    pub(crate) request_budget: Arc<Semaphore>,
    /// Memory of decoded requests, in units of `UNIT` bytes.
    pub(crate) decode_budget: Arc<Semaphore>,
    /// In units of [`UNIT`] bytes.
    pub(crate) fetch_budget: Arc<Semaphore>,
    store: StoreHandle,
    readers: Semaphore,
}

impl Core {
    /// Reads from the store on a thread that may wait for the disk.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) async fn blocking<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let _place = self
            .readers
            .acquire()
            .await
            .map_err(|_| StoreError::Closed)?;
        let store = self.store.clone();
        let read = tokio::task::spawn_blocking(move || read(&*store.get()?));
        read.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, maintenance::millis)
}

/// A running broker. Dropping it stops it too, but does not wait for it.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    bootstrap: String,
    stop: CancellationToken,
    /// Closes when the last task has ended.
    ended: mpsc::Receiver<()>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl Broker {
    /// Opens the data, listens, and serves on the runtime of the caller, until [`Self::shutdown`].
    ///
    /// # Errors
    /// If the folder is in use or damaged, or the address cannot be listened on.
    pub async fn start(config: BrokerConfig) -> Result<Self, BrokerError> {
        let host = config.host.trim_matches(['[', ']']);
        let everywhere = host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_unspecified());
        if everywhere && config.advertised_host.is_none() {
            return Err(BrokerError::Advertised(config.host));
        }
        // Whoever may read the folder reads every record.
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.dir);
        made.map_err(|source| BrokerError::Folder {
            path: config.dir.clone(),
            source,
        })?;
        let listen_error = |source| BrokerError::Listen {
            address: format!("{}:{}", config.host, config.port),
            source,
        };
        let listener = TcpListener::bind((host, config.port))
            .await
            .map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;

        let path = config.dir.join("store");
        let shared = Arc::new(Shared::default());
        let (loaded, opened_path, batch_bytes) =
            (Arc::clone(&shared), path.clone(), config.limits.batch_bytes);
        let opening = tokio::task::spawn_blocking(move || {
            let store = Store::open(&opened_path)?;
            let mut state = State::load(&store, loaded, batch_bytes)?;
            let groups = Groups::load(&store)?;
            state.publish_all();
            Ok::<_, StoreError>((store, state, groups))
        });
        let (store, state, groups) = opening.await.unwrap_or(Err(StoreError::Closed))?;
        let cluster_id = state.cluster_id.clone();
        let handle = StoreHandle::default();
        handle.set(Some(Arc::new(store)));
        let settings = WriterSettings {
            path,
            fsync: config.fsync,
            free_disk_bytes: config.limits.free_disk_bytes,
            clock: now,
        };
        let (writer, thread) = writer::start(settings, handle.clone(), state)?;

        let stop = CancellationToken::new();
        let (alive, ended) = mpsc::channel::<()>(1);
        let host = config
            .advertised_host
            .clone()
            .unwrap_or_else(|| config.host.clone());
        let port = config.advertised_port.unwrap_or(address.port());
        let host = host.trim_matches(['[', ']']).to_owned();
        let bootstrap = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let core = Arc::new(Core {
            shared,
            writer,
            groups,
            cluster_id,
            host,
            port,
            clock: now,
            stop: stop.clone(),
            request_budget: Arc::new(Semaphore::new(config.limits.requests_in_memory / UNIT)),
            decode_budget: Arc::new(Semaphore::new(config.limits.requests_in_memory / UNIT)),
            fetch_budget: Arc::new(Semaphore::new(config.limits.fetches_in_memory / UNIT)),
            store: handle,
            readers: Semaphore::new(READERS),
            config,
        });
        let watches = [
            tokio::spawn(Groups::watch(Arc::clone(&core))),
            tokio::spawn(maintenance::watch_transactions(Arc::clone(&core))),
            tokio::spawn(maintenance::run(Arc::clone(&core))),
        ];
        tokio::spawn(async move {
            server::accept(core, listener, alive.clone()).await;
            for watch in watches {
                if let Err(error) = watch.await {
                    tracing::error!(%error, "a task of the broker ended out of order");
                }
            }
            drop(alive);
        });
        tracing::info!(%address, bootstrap, "broker answers");
        Ok(Self {
            address,
            bootstrap,
            stop,
            ended,
            writer: Some(thread),
        })
    }

    /// The address for clients, `host:port`.
    pub fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, writes what was acknowledged to the disk and gives the folder back.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        // Nothing is ever sent: this waits until every task has dropped its end.
        let _ = self.ended.recv().await;
        if let Some(writer) = self.writer.take() {
            // The writer ends by itself when nobody can reach it any more.
            let joined = tokio::task::spawn_blocking(move || writer.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the broker's writer ended out of order");
            }
        }
        tracing::info!(address = %self.address, "broker has stopped");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
