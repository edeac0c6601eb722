//! The APIs, one file per family. A handler takes a request and gives an answer; bytes and sockets are
//! elsewhere.

mod cluster;
mod configs;
mod fetch;
mod group_admin;
mod groups;
mod list_offsets;
mod metadata;
mod offsets;
mod produce;
mod topics;
mod transactions;

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use kafka_protocol::messages::{RequestKind, ResponseKind, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::broker::Core;
use crate::error_code::{KAFKA_STORAGE_ERROR, UNSUPPORTED_VERSION};
use crate::server::{Due, Outgoing, Peer};
use crate::store::StoreError;
use crate::wire::{self, Header, Held, Request};

/// The id of the one node.
pub(crate) const NODE: i32 = 1;

/// Begins to handle a request. Produce requests have their place in the order when this returns; the budget
/// of the request is held until then, or until it is handled.
pub(crate) async fn begin(core: &Arc<Core>, request: Request, held: Held, peer: &Peer) -> Due {
    let core = Arc::clone(core);
    let (header, request) = match request {
        Request::Known(header, request) => (header, request),
        Request::UnknownApiVersions(header) => {
            let header = Header {
                version: 0,
                ..header
            };
            let answer = ResponseKind::ApiVersions(cluster::api_versions(UNSUPPORTED_VERSION));
            return Box::pin(async move { finish(&header, &answer, None) });
        }
    };
    match *request {
        RequestKind::Produce(request) => {
            let due = produce::begin(&core, request).await;
            Box::pin(async move {
                let answer = due.await;
                drop(held);
                match answer {
                    Some(answer) => finish(&header, &ResponseKind::Produce(answer), None),
                    None => Outgoing::Nothing,
                }
            })
        }
        RequestKind::Fetch(request) => Box::pin(async move {
            let (answer, budget) = fetch::handle(&core, request, header.version).await;
            drop(held);
            finish(&header, &ResponseKind::Fetch(answer), budget)
        }),
        request => {
            let peer = peer.clone();
            Box::pin(async move {
                let answer = handle(&core, &header, request, &peer).await;
                drop(held);
                match answer {
                    Some(answer) => finish(&header, &answer, None),
                    None => Outgoing::Close,
                }
            })
        }
    }
}

fn finish(
    header: &Header,
    answer: &ResponseKind,
    budget: Option<OwnedSemaphorePermit>,
) -> Outgoing {
    match wire::encode(header, answer) {
        Ok(bytes) => Outgoing::Answer(bytes, budget),
        Err(error) => {
            tracing::error!(api = ?header.api, version = header.version, %error, "answer cannot be written");
            Outgoing::Close
        }
    }
}

async fn handle(
    core: &Arc<Core>,
    header: &Header,
    request: RequestKind,
    peer: &Peer,
) -> Option<ResponseKind> {
    use RequestKind as Q;
    use ResponseKind as R;
    let version = header.version;
    Some(match request {
        Q::ApiVersions(_) => R::ApiVersions(cluster::api_versions(0)),
        Q::Metadata(q) => R::Metadata(metadata::handle(core, q, version).await),
        Q::DescribeCluster(q) => R::DescribeCluster(cluster::describe(core, &q)),
        Q::DescribeLogDirs(q) => R::DescribeLogDirs(cluster::log_dirs(core, &q)),
        Q::DescribeAcls(_) => R::DescribeAcls(cluster::describe_acls()),
        Q::ListPartitionReassignments(_) => {
            R::ListPartitionReassignments(cluster::list_reassignments())
        }
        Q::CreateTopics(q) => R::CreateTopics(topics::create(core, q, version).await),
        Q::DeleteTopics(q) => R::DeleteTopics(topics::delete(core, q, version).await),
        Q::CreatePartitions(q) => R::CreatePartitions(topics::grow(core, q).await),
        Q::DeleteRecords(q) => R::DeleteRecords(topics::delete_records(core, q).await),
        Q::DescribeConfigs(q) => R::DescribeConfigs(configs::describe(core, q)),
        Q::AlterConfigs(q) => R::AlterConfigs(configs::alter(core, q).await),
        Q::IncrementalAlterConfigs(q) => {
            R::IncrementalAlterConfigs(configs::alter_incrementally(core, q).await)
        }
        Q::ListConfigResources(q) => R::ListConfigResources(configs::list(core, &q, version)),
        Q::ListOffsets(q) => R::ListOffsets(list_offsets::handle(core, q, version).await),
        Q::OffsetForLeaderEpoch(q) => {
            R::OffsetForLeaderEpoch(list_offsets::for_leader_epoch(core, q))
        }
        Q::FindCoordinator(q) => R::FindCoordinator(cluster::find_coordinator(core, q, version)),
        Q::JoinGroup(q) => R::JoinGroup(groups::join(core, q, header, peer).await),
        Q::SyncGroup(q) => R::SyncGroup(groups::sync(core, q).await),
        Q::Heartbeat(q) => R::Heartbeat(groups::heartbeat(core, &q)),
        Q::LeaveGroup(q) => R::LeaveGroup(groups::leave(core, q, version)),
        Q::OffsetCommit(q) => R::OffsetCommit(offsets::commit(core, q).await),
        Q::OffsetFetch(q) => R::OffsetFetch(offsets::fetch(core, q, version).await),
        Q::OffsetDelete(q) => R::OffsetDelete(offsets::delete(core, q).await),
        Q::ListGroups(q) => R::ListGroups(group_admin::list(core, &q)),
        Q::DescribeGroups(q) => R::DescribeGroups(group_admin::describe(core, q, version)),
        Q::DeleteGroups(q) => R::DeleteGroups(group_admin::delete(core, q).await),
        Q::InitProducerId(q) => R::InitProducerId(transactions::init(core, q, version).await),
        Q::AddPartitionsToTxn(q) => {
            R::AddPartitionsToTxn(transactions::add_partitions(core, q, version).await)
        }
        Q::AddOffsetsToTxn(q) => {
            R::AddOffsetsToTxn(transactions::add_offsets(core, q, version).await)
        }
        Q::TxnOffsetCommit(q) => R::TxnOffsetCommit(transactions::commit_offsets(core, q).await),
        Q::EndTxn(q) => R::EndTxn(transactions::end(core, q, version).await),
        Q::DescribeProducers(q) => {
            R::DescribeProducers(transactions::describe_producers(core, q).await)
        }
        Q::DescribeTransactions(q) => {
            R::DescribeTransactions(transactions::describe(core, q).await)
        }
        Q::ListTransactions(q) => R::ListTransactions(transactions::list(core, q).await),
        _ => {
            // Decoding lets only offered APIs through, and all of those are above.
            tracing::error!(api = ?header.api, "an offered API has no handler");
            return None;
        }
    })
}

/// The error code for a store that does not work.
fn storage_error(error: &StoreError) -> i16 {
    tracing::warn!(%error, "a request failed");
    KAFKA_STORAGE_ERROR
}

/// The elements without those whose key was there before. What is asked for again and again is answered once,
/// as by Kafka: a request of megabytes that names one large topic a million times would otherwise ask for an
/// answer of terabytes.
fn distinct<T, K: Hash + Eq>(elements: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = HashSet::new();
    elements
        .into_iter()
        .filter(|element| seen.insert(key(element)))
        .collect()
}

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

fn topic_name(name: impl Into<String>) -> TopicName {
    TopicName(text(name))
}
