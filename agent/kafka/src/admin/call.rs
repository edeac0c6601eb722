//! One call: to which broker it goes, over a connection that is kept, and tried until it is answered.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{ApiKey, BrokerId, MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::Request;
use sluice_api::causes::with_causes;
use tokio::time::Instant;

use super::{Admin, AdminError};
use crate::types::topic_name;
use crate::wire::connection::{BrokerConnection, ConnectionError};
use crate::wire::discovery::{self, CoordinatorOf, DiscoveryError};

/// The broker that a call goes to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    /// Any of them: all know the cluster.
    Any,
    /// The controller, or with KRaft a broker that passes calls on to it.
    Controller,
    /// The coordinator of the group or transactional id.
    Coordinator(CoordinatorOf, &'a str),
    /// The broker at this address, `host:port`.
    At(&'a str),
}

/// The newest version in which a request is sent. Later ones name topics by their ids, or want what no call
/// here has.
fn newest<R: Request>() -> i16 {
    match ApiKey::try_from(R::KEY) {
        Ok(ApiKey::OffsetFetch | ApiKey::OffsetCommit | ApiKey::ListOffsets) => 9,
        Ok(ApiKey::Fetch) => 12,
        Ok(ApiKey::InitProducerId) => 4,
        _ => i16::MAX,
    }
}

impl Admin {
    /// Sends a request and reads its answer, until that has success or can have none.
    pub(super) async fn call<R: Request, T>(
        &self,
        what: &'static str,
        target: Target<'_>,
        request: &R,
        read: impl Fn(R::Response) -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        self.retrying(what, || async {
            let connection = self.connection(what, target).await?;
            read(self.ask(what, &connection, request).await?)
        })
        .await
    }

    /// Makes a call of several requests again until it has success, can have none, or the time is over.
    pub(super) async fn retrying<T, F: Future<Output = Result<T, AdminError>>>(
        &self,
        what: &'static str,
        call: impl Fn() -> F,
    ) -> Result<T, AdminError> {
        let limit = self.settings.api_timeout;
        let deadline = Instant::now() + limit;
        let mut backoff = self.settings.backoff();
        let mut last = "no answer yet".to_owned();
        loop {
            let pause = match tokio::time::timeout_at(deadline, call()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) if error.is_retriable() => {
                    let pause = backoff.next_pause();
                    last = with_causes(&error);
                    let failed = backoff.failures();
                    if failed == 1 && was_closed(&error) {
                        // As a rule a kept connection that the broker gave up meanwhile.
                        Duration::ZERO
                    } else {
                        if failed.is_power_of_two() {
                            tracing::warn!(
                                what,
                                failed,
                                error = last,
                                "Kafka does not answer, trying again"
                            );
                        }
                        pause
                    }
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(AdminError::Timeout { what, limit, last }),
            };
            if Instant::now() + pause >= deadline {
                return Err(AdminError::Timeout { what, limit, last });
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends a request over a connection, which is not kept if no answer comes.
    pub(super) async fn ask<R: Request>(
        &self,
        what: &'static str,
        connection: &Arc<BrokerConnection>,
        request: &R,
    ) -> Result<R::Response, AdminError> {
        let in_use = self.connections.using(connection);
        let limit = self.settings.request_timeout;
        let answer = match connection.send_at_most(request, newest::<R>(), limit) {
            Ok(mut pending) => pending.wait().await,
            Err(error) => Err(error),
        };
        if matches!(answer, Ok(_) | Err(ConnectionError::NoVersion { .. })) {
            in_use.answered();
        }
        answer.map_err(|source| AdminError::Connection { what, source })
    }

    /// The version in which a request of this kind goes to a broker.
    pub(super) fn version<R: Request>(
        &self,
        what: &'static str,
        connection: &BrokerConnection,
    ) -> Result<i16, AdminError> {
        let version = connection.version::<R>(newest::<R>());
        version.map_err(|source| AdminError::Connection { what, source })
    }

    /// A connection to a broker: one that is open, or a new one.
    pub(super) async fn connection(
        &self,
        what: &'static str,
        target: Target<'_>,
    ) -> Result<Arc<BrokerConnection>, AdminError> {
        match target {
            Target::Any => {
                if let Some(open) = self.connections.get(None, self.settings.max_idle) {
                    return Ok(open);
                }
                let new = discovery::any_broker(&self.settings).await;
                let new = new.map_err(|source| AdminError::Discovery { what, source })?;
                Ok(self.connections.keep(new))
            }
            Target::Controller => {
                let metadata = self.metadata(what, Some(&[])).await?;
                match address_of(&metadata, metadata.controller_id) {
                    Some(address) => self.connect(what, &address).await,
                    None => Box::pin(self.connection(what, Target::Any)).await,
                }
            }
            Target::Coordinator(of, key) => {
                let broker = Box::pin(self.connection(what, Target::Any)).await?;
                let in_use = self.connections.using(&broker);
                let found = discovery::coordinator(&broker, of, key, &self.settings).await;
                if !matches!(found, Err(DiscoveryError::Connection(_))) {
                    in_use.answered();
                }
                let address = found.map_err(|source| AdminError::Discovery { what, source })?;
                self.connect(what, &address).await
            }
            Target::At(address) => self.connect(what, address).await,
        }
    }

    async fn connect(
        &self,
        what: &'static str,
        address: &str,
    ) -> Result<Arc<BrokerConnection>, AdminError> {
        if let Some(open) = self.connections.get(Some(address), self.settings.max_idle) {
            return Ok(open);
        }
        let new = BrokerConnection::connect(address, &self.settings).await;
        let new = new.map_err(|source| AdminError::Connection { what, source })?;
        Ok(self.connections.keep(new))
    }

    /// Brokers, cluster id, and the named topics; without names all topics.
    pub(super) async fn metadata(
        &self,
        what: &'static str,
        topics: Option<&[&str]>,
    ) -> Result<MetadataResponse, AdminError> {
        let connection = Box::pin(self.connection(what, Target::Any)).await?;
        let topics = topics.map(|names| {
            names
                .iter()
                .map(|topic| MetadataRequestTopic::default().with_name(Some(topic_name(topic))))
                .collect()
        });
        let request = MetadataRequest::default()
            .with_topics(topics)
            .with_allow_auto_topic_creation(false);
        self.ask(what, &connection, &request).await
    }

    /// `request.timeout.ms`, as requests carry it.
    pub(super) fn request_timeout_ms(&self) -> i32 {
        i32::try_from(self.settings.request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

/// Whether a connection broke that was open before.
fn was_closed(error: &AdminError) -> bool {
    let source = match error {
        AdminError::Connection { source, .. } => Some(source),
        AdminError::Discovery { source, .. } => source.connection(),
        AdminError::Refused { .. } | AdminError::Timeout { .. } => None,
    };
    matches!(source, Some(ConnectionError::Closed(_)))
}

/// Address of a broker, `host:port`; `None` if the cluster has no such broker now.
pub(super) fn address_of(metadata: &MetadataResponse, id: BrokerId) -> Option<String> {
    let broker = metadata
        .brokers
        .iter()
        .find(|broker| broker.node_id == id)?;
    Some(discovery::address(&broker.host, broker.port))
}
