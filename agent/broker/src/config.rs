//! The configuration of a broker: where it keeps its data, where it listens, how safe and how large things may
//! be.

use std::path::PathBuf;
use std::time::Duration;

/// When written data is forced to the disk.
///
/// Whatever is chosen, an acknowledged write has reached the operating system, so that it survives a SIGKILL
/// of the process. The policy decides what a power failure can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FsyncPolicy {
    /// The operating system decides, as with Kafka's defaults.
    Never,
    /// At most this long after the write.
    Every(Duration),
    /// Before every acknowledgement; writes that wait together share one.
    #[default]
    Always,
}

/// Bounds on what clients can make the broker hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest request in bytes, as Kafka's `socket.request.max.bytes`.
    pub request_bytes: usize,
    /// Largest record batch in bytes, unless the topic's `max.message.bytes` says otherwise.
    pub batch_bytes: usize,
    /// Bytes of requests held at the same time, over all connections, and once more of what they are decoded
    /// to: a request whose elements take more in memory is refused.
    pub requests_in_memory: usize,
    /// Bytes of records of one answer to a fetch, whatever the client asks for, as `fetch.max.bytes` of
    /// brokers.
    pub fetch_bytes: usize,
    /// Bytes of fetched records held at the same time, over all connections.
    pub fetches_in_memory: usize,
    /// Requests of one connection that are under way or wait.
    pub requests_per_connection: usize,
    /// Connections open at the same time; further ones are refused.
    pub connections: usize,
    /// Partitions of one topic.
    pub partitions_per_topic: usize,
    /// Bytes that stay free on the disk: below it appends are refused with `KAFKA_STORAGE_ERROR`.
    pub free_disk_bytes: u64,
    /// Time for the rest of a request after its first byte.
    pub request_read_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 100 << 20,
            batch_bytes: 1_048_588,
            requests_in_memory: 32 << 20,
            fetch_bytes: 4 << 20,
            fetches_in_memory: 16 << 20,
            requests_per_connection: 5,
            connections: 10_000,
            partitions_per_topic: 10_000,
            free_disk_bytes: 64 << 20,
            request_read_time: Duration::from_secs(60),
        }
    }
}

/// How a broker is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Folder of the data; made if missing. One broker at a time can have it.
    pub dir: PathBuf,
    /// Address to listen on. The broker knows no users and no rights: whoever reaches it may do everything.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Host that clients are to connect to, if it differs from `host`.
    pub advertised_host: Option<String>,
    /// Port that clients are to connect to, if it differs from the one listened on.
    pub advertised_port: Option<u16>,
    /// When data is forced to the disk.
    pub fsync: FsyncPolicy,
    /// Partitions of topics that are created without a number, as `num.partitions`.
    pub default_partitions: i32,
    /// Whether topics that clients ask for come to be, as `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// Longest timeout of a transaction, as `transaction.max.timeout.ms`.
    pub longest_transaction: Duration,
    /// How long the offsets of a group without members are kept, as `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// How often retention, compaction and expiry look for work, as `log.retention.check.interval.ms`.
    pub maintenance_interval: Duration,
    /// Bounds on what clients can make the broker hold.
    pub limits: Limits,
}

impl BrokerConfig {
    /// A broker on `dir`, on a free port of the loopback interface, with Kafka's defaults.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            host: "127.0.0.1".to_owned(),
            port: 0,
            advertised_host: None,
            advertised_port: None,
            fsync: FsyncPolicy::Every(Duration::from_secs(1)),
            default_partitions: 1,
            auto_create_topics: true,
            longest_transaction: Duration::from_secs(15 * 60),
            offsets_retention: Duration::from_secs(7 * 24 * 3600),
            maintenance_interval: Duration::from_secs(15),
            limits: Limits::default(),
        }
    }
}
