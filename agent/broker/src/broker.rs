//! The broker as a whole: started on a folder, stopped in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{Fetches, Handlers, Node};
use crate::config::BrokerConfig;
use crate::data::Data;
use crate::groups::Groups;
use crate::maintenance::{self, Maintenance};
use crate::server::{self, Server};
use crate::state::{Shared, State};
use crate::store::{Store, StoreError, StoreHandle, StoreReader};
use crate::writer::{self, WriterSettings};

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The folder cannot be made.
    #[error("cannot make the data folder {path}", path = .path.display())]
    Folder {
        /// The folder, as configured.
        path: std::path::PathBuf,
        /// What the system says about it.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// As `host:port`, from the configuration.
        address: String,
        /// What the system says about it.
        source: io::Error,
    },
    /// It listens on all addresses, and the configuration does not say which of them clients are to connect to.
    #[error(
        "it listens on all addresses ({0}), which is not an address that clients can connect to: give one as \
         the advertised host"
    )]
    Advertised(String),
    /// The stored data cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct Opened {
    data: Arc<Data>,
    groups: Arc<Groups>,
    cluster_id: String,
    /// Thread of the writer, to be joined at the end.
    writer: std::thread::JoinHandle<()>,
}

/// Makes the folder, listens on the address. The folder comes first, so that a broker that cannot have one
/// does not take a port.
async fn listen(config: &BrokerConfig) -> Result<TcpListener, BrokerError> {
    let host = bare(&config.host);
    let everywhere = host
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified());
    if everywhere && config.advertised_host.is_none() {
        return Err(BrokerError::Advertised(config.host.clone()));
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
    let listener = TcpListener::bind((host, config.port)).await;
    listener.map_err(listen_error(config))
}

fn listen_error(config: &BrokerConfig) -> impl FnOnce(io::Error) -> BrokerError {
    let address = format!("{}:{}", config.host, config.port);
    move |source| BrokerError::Listen { address, source }
}

/// A host without the brackets that an IPv6 address may have.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

/// Host and port that clients are to connect to.
fn advertised(config: &BrokerConfig, address: SocketAddr) -> (String, u16) {
    let host = config.advertised_host.as_ref().unwrap_or(&config.host);
    let port = config.advertised_port.unwrap_or(address.port());
    (bare(host).to_owned(), port)
}

/// Opens the store, reads the state from it and starts the writer on both.
async fn open(config: &BrokerConfig) -> Result<Opened, StoreError> {
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
    };
    let (writer, thread) = writer::start(settings, handle.clone(), state)?;
    let data = Data {
        shared,
        reader: StoreReader::new(handle),
        writer,
    };
    Ok(Opened {
        data: Arc::new(data),
        groups: Arc::new(groups),
        cluster_id,
        writer: thread,
    })
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
        let listener = listen(&config).await?;
        let address = listener.local_addr().map_err(listen_error(&config))?;
        let (host, port) = advertised(&config, address);
        let bootstrap = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let Opened {
            data,
            groups,
            cluster_id,
            writer,
        } = open(&config).await?;
        let stop = CancellationToken::new();
        let (alive, ended) = mpsc::channel::<()>(1);
        let maintenance = Maintenance {
            data: Arc::clone(&data),
            groups: Arc::clone(&groups),
            interval: config.maintenance_interval,
            offsets_retention: config.offsets_retention,
            stop: stop.clone(),
        };
        let watches = [
            tokio::spawn(Arc::clone(&groups).watch(stop.clone())),
            tokio::spawn(maintenance::watch_transactions(
                Arc::clone(&data),
                stop.clone(),
            )),
            tokio::spawn(maintenance.run()),
        ];
        let limits = config.limits.clone();
        let handlers = Handlers {
            fetches: Fetches::new(Arc::clone(&data), &limits, stop.clone()),
            node: Node {
                config,
                cluster_id,
                host,
                port,
            },
            data,
            groups,
        };
        let server = Server::new(handlers, limits, stop.clone());
        tokio::spawn(async move {
            server::accept(server, listener, alive.clone()).await;
            for watch in watches {
                if let Err(error) = watch.await {
                    tracing::error!(%error, "a task of the broker panicked");
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
            writer: Some(writer),
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
            // The writer ends by itself when nothing can reach it any more.
            let joined = tokio::task::spawn_blocking(move || writer.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the broker's writer panicked");
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
