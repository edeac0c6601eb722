//! Topics of source connectors, created by the rules of `topic.creation.*` (KIP-158).
//!
//! Active only if the worker allows it and the connector has any such key; else the broker's own
//! creation applies.

use std::collections::HashSet;
use std::time::Duration;

use bytestring::ByteString;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sluice_api::{ConnectError, ErrorKind, Result};

use crate::settings::TopicCreationRules;

/// Time for one look-up or creation.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Creates the topics of one task, each at most once.
pub(crate) struct TopicCreation {
    rules: TopicCreationRules,
    admin: ClientConfig,
    known: HashSet<ByteString>,
    last: ByteString,
}

impl TopicCreation {
    /// Creates topics by rules, with an admin client of these settings that lives only as long as
    /// it is needed.
    #[must_use]
    pub(crate) fn new(rules: TopicCreationRules, admin: ClientConfig) -> Self {
        Self {
            rules,
            admin,
            known: HashSet::new(),
            last: ByteString::new(),
        }
    }

    /// Whether a topic is known to exist; asked for each record.
    #[must_use]
    pub(crate) fn is_known(&mut self, topic: &ByteString) -> bool {
        if self.last == *topic && !topic.is_empty() {
            return true;
        }
        let known = self.known.contains(topic);
        if known {
            self.last = topic.clone();
        }
        known
    }

    /// Makes sure that a topic exists.
    ///
    /// # Errors
    /// Retriable if the brokers did not answer in time, fatal if they refused.
    pub(crate) async fn ensure(&mut self, topic: &ByteString) -> Result<()> {
        let config = self.admin.clone();
        let name = topic.clone();
        let (admin, exists) = tokio::task::spawn_blocking(move || {
            let admin: AdminClient<DefaultClientContext> = config.create()?;
            // Asking for one topic would let the broker create it by its own rules.
            let metadata = admin.inner().fetch_metadata(None, TIMEOUT)?;
            let exists = metadata
                .topics()
                .iter()
                .any(|found| found.name() == &*name && found.error().is_none());
            Ok::<_, KafkaError>((admin, exists))
        })
        .await
        .map_err(|error| ConnectError::connect(error.to_string()))?
        .map_err(|error| kafka_error(topic, &error))?;
        let outcome = if exists {
            Ok(())
        } else {
            self.create(&admin, topic).await
        };
        tokio::task::spawn_blocking(move || drop(admin));
        outcome?;
        self.known.insert(topic.clone());
        Ok(())
    }

    async fn create(
        &self,
        admin: &AdminClient<DefaultClientContext>,
        topic: &ByteString,
    ) -> Result<()> {
        let group = self.rules.group_of(topic);
        tracing::info!(
            topic = %topic,
            group = group.name,
            partitions = group.partitions,
            replication = group.replication,
            "creating topic"
        );
        let mut new_topic = NewTopic::new(
            topic,
            group.partitions,
            TopicReplication::Fixed(group.replication),
        );
        for (key, value) in &group.configs {
            new_topic = new_topic.set(key, value);
        }
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let results = admin
            .create_topics([&new_topic], &options)
            .await
            .map_err(|error| kafka_error(topic, &error))?;
        match results.into_iter().next() {
            Some(Ok(_)) | Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => {
                Err(refused(topic).caused_by(ConnectError::new(ErrorKind::Kafka, code.to_string())))
            }
            None => Err(refused(topic)),
        }
    }
}

fn refused(topic: &str) -> ConnectError {
    ConnectError::connect(format!(
        "Task failed to create new topic {topic}. Ensure that the task is authorized to create topics or \
         that the topic exists and restart the task"
    ))
}

fn kafka_error(topic: &str, error: &KafkaError) -> ConnectError {
    let retriable = matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::NotController
                | RDKafkaErrorCode::CoordinatorLoadInProgress
        )
    );
    let cause = ConnectError::new(ErrorKind::Kafka, error.to_string());
    if retriable {
        ConnectError::retriable(format!("failed to look up or create topic {topic}"))
            .caused_by(cause)
    } else {
        refused(topic).caused_by(cause)
    }
}
