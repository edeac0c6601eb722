//! What is sent to join a group, in whatever version the broker has.

use std::time::Duration;

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::{JoinGroupRequest, SyncGroupRequest};
use kafka_protocol::protocol::StrBytes;
use sluice_kafka::types::group_id;
use sluice_kafka::wire::connection::{BrokerConnection, ConnectionError, PendingResponse};
use sluice_protocol::group::{Assignment, MemberMetadata, Subprotocol};

use super::super::shorten;
use super::WorkerCoordinator;
use crate::cluster::ClusterConfigState;

impl WorkerCoordinator {
    pub(super) fn join_request(
        &self,
        snapshot: &ClusterConfigState,
        cause: &str,
    ) -> Result<JoinGroupRequest, JoinError> {
        let mut protocols = Vec::new();
        for subprotocol in &self.config.subprotocols {
            let metadata = MemberMetadata {
                version: subprotocol.version(),
                url: self.config.rest_url.clone(),
                config_offset: snapshot.offset(),
                allocation: self
                    .allocation
                    .clone()
                    .filter(|_| subprotocol.is_cooperative())
                    .map(|allocation| Assignment {
                        version: subprotocol.version(),
                        ..allocation
                    }),
            };
            let bytes = metadata
                .encode()
                .map_err(|error| JoinError::Metadata(format!("member metadata: {error}")))?;
            protocols.push(
                JoinGroupRequestProtocol::default()
                    .with_name(StrBytes::from_static_str(subprotocol.name()))
                    .with_metadata(bytes),
            );
        }
        Ok(JoinGroupRequest::default()
            .with_group_id(group_id(&self.config.group_id))
            .with_session_timeout_ms(millis(self.config.session_timeout))
            .with_rebalance_timeout_ms(millis(self.config.rebalance_timeout))
            .with_member_id(StrBytes::from_string(self.member_id.clone()))
            .with_protocol_type(StrBytes::from_static_str(Subprotocol::PROTOCOL_TYPE))
            .with_protocols(protocols)
            .with_reason(Some(StrBytes::from_string(shorten(cause)))))
    }
}

/// First version of JoinGroup that says why a member joins (KIP-800).
const WITH_REASON: i16 = 8;
/// First version of SyncGroup that repeats the protocol (KIP-559).
const WITH_PROTOCOL: i16 = 5;

/// Why a join can't be sent.
pub(super) enum JoinError {
    Connection(ConnectionError),
    Metadata(String),
}

/// JoinGroup in the newest version the broker has; brokers before version 8 take no reason.
pub(super) fn send_join(
    connection: &BrokerConnection,
    request: JoinGroupRequest,
    limit: Duration,
) -> Result<PendingResponse<JoinGroupRequest>, JoinError> {
    let reason = request.reason.clone();
    let sent = connection.version::<JoinGroupRequest>(i16::MAX);
    let sent = sent.map(|version| reason.filter(|_| version >= WITH_REASON));
    sent.and_then(|reason| connection.send(&request.with_reason(reason), limit))
        .map_err(JoinError::Connection)
}

/// SyncGroup in the newest version the broker has; brokers before version 5 take no protocol type and name.
pub(super) fn send_sync(
    connection: &BrokerConnection,
    request: SyncGroupRequest,
    limit: Duration,
) -> Result<PendingResponse<SyncGroupRequest>, ConnectionError> {
    if connection.version::<SyncGroupRequest>(i16::MAX)? >= WITH_PROTOCOL {
        return connection.send(&request, limit);
    }
    let request = request.with_protocol_type(None).with_protocol_name(None);
    connection.send(&request, limit)
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
