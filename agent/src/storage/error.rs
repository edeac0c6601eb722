//! What can go wrong with a store.

use std::time::Duration;

use rdkafka::error::KafkaError;

/// Why a store can't do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A write was not acknowledged.
    #[error("error writing {what} to topic {topic:?}")]
    Write {
        /// Kind of the record, as the message names it.
        what: &'static str,
        /// Name of the internal topic.
        topic: String,
        /// The error of librdkafka.
        #[source]
        source: KafkaError,
    },
    /// A transactional write failed: another leader has fenced this one, or the brokers did not answer.
    #[error(
        "Failed to write to config topic; this may be due to a transient error and the request can \
         be safely retried"
    )]
    PrivilegedWrite {
        /// Kind of the record, as the message names it.
        what: &'static str,
        /// Name of the internal topic.
        topic: String,
        /// What the producer reported, with its causes.
        reason: String,
    },
    /// A privileged write before its producer was initialised.
    #[error(
        "Cannot produce to config topic without claiming write privileges first (topic {topic:?})"
    )]
    NoWritePrivileges {
        /// Name of the internal topic.
        topic: String,
    },
    /// A write was not acknowledged in time. Whether it happened is not known.
    #[error("writing {what} to topic {topic:?} took longer than {limit:?}")]
    WriteTimeout {
        /// Kind of the record, as the message names it.
        what: &'static str,
        /// Name of the internal topic.
        topic: String,
        /// The limit that has passed.
        limit: Duration,
    },
    /// Reading to the end took too long.
    #[error("reading topic {topic:?} to its end took longer than {limit:?}")]
    Timeout {
        /// Name of the internal topic.
        topic: String,
        /// The limit that has passed.
        limit: Duration,
    },
    /// A Kafka client can't be made or does not work.
    #[error("topic {topic:?}: {doing}")]
    Kafka {
        /// Name of the internal topic.
        topic: String,
        /// The step that failed, in words.
        doing: &'static str,
        /// The cause, as the system or the client reported it.
        #[source]
        source: KafkaError,
    },
    /// The topic has another number of partitions than the store can work with.
    #[error(
        "topic {topic:?} supplied via the {key:?} property is required to have a single partition in \
         order to guarantee consistency of connector configurations, but found {found} partitions"
    )]
    Partitions {
        /// Name of the internal topic.
        topic: String,
        /// The worker key that names it.
        key: &'static str,
        /// How many partitions it has; 1 is expected.
        found: usize,
    },
    /// The topic is not compacted, so it would lose data.
    #[error(
        "topic {topic:?} supplied via the {key:?} property is required to have 'cleanup.policy=compact' to \
         guarantee consistency and durability of {holds}, but found the topic currently has \
         'cleanup.policy={found}'; continuing would likely result in eventually losing them and problems \
         restarting this Connect cluster"
    )]
    CleanupPolicy {
        /// Name of the internal topic.
        topic: String,
        /// The worker key that names it.
        key: &'static str,
        /// What is kept in it.
        holds: &'static str,
        /// Its `cleanup.policy`, which has no `compact`.
        found: String,
    },
    /// The topic can't be created.
    #[error("topic {topic:?} can't be created: {reason}")]
    CreateTopic {
        /// Name of the internal topic.
        topic: String,
        /// The refusal of the broker, one line.
        reason: String,
    },
    /// The end of the topic can't be found.
    #[error("topic {topic:?}: end offsets can't be found")]
    EndOffsets {
        /// Name of the internal topic.
        topic: String,
        /// The refusal of the brokers, or why none was reached.
        #[source]
        source: sluice_kafka::admin::AdminError,
    },
    /// A client property can't be used.
    #[error(transparent)]
    ClientProperty(#[from] sluice_kafka::wire::settings::ClientSettingsError),
    /// A client setting can't be honoured.
    #[error(transparent)]
    ClientConfig(#[from] sluice_kafka::client::config::ClientConfigError),
    /// The offset file can't be read or written.
    #[error("offset file {path:?}: {doing}")]
    File {
        /// Path of the file of `offset.storage.file.filename`.
        path: String,
        /// The step that failed, in words.
        doing: &'static str,
        /// The cause, as the system or the client reported it.
        #[source]
        source: std::io::Error,
    },
    /// The offset file is not a Java-serialised map of bytes.
    #[error("offset file {path:?}: {reason}")]
    FileFormat {
        /// Path of the file of `offset.storage.file.filename`.
        path: String,
        /// What is wrong and where.
        reason: String,
    },
    /// The store was stopped, or its reader ended by an error that was logged.
    #[error("store on topic {topic:?} is stopped")]
    Stopped {
        /// Name of the internal topic.
        topic: String,
    },
}

impl StorageError {
    /// Whether the same operation may succeed later.
    pub const fn is_retriable(&self) -> bool {
        matches!(
            self,
            Self::Write { .. } | Self::WriteTimeout { .. } | Self::Timeout { .. }
        )
    }
}
