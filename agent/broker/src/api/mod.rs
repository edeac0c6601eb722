//! The APIs, one file per family. A handler takes a request and gives an answer; bytes and sockets are
//! elsewhere.

mod cluster;
mod configs;
mod fetch;
mod group_admin;
mod groups;
mod list_offsets;
mod metadata;
mod node;
mod offsets;
mod produce;
mod topics;
mod transactions;

use std::collections::HashSet;
use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use kafka_protocol::messages::{RequestKind, ResponseKind, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::data::Data;
use crate::error_code::{KAFKA_STORAGE_ERROR, UNSUPPORTED_VERSION};
use crate::groups::Groups;
use crate::store::StoreError;
use crate::wire::{self, Header, Held, Request};

pub(crate) use fetch::Fetches;
pub(crate) use node::Node;

/// What follows from a request.
pub(crate) enum Outgoing {
    /// An answer, with the budget it holds until it has left.
    Answer(Bytes, Option<OwnedSemaphorePermit>),
    /// Nothing: a produce request that wants no answer.
    Nothing,
    /// The connection ends: there is no answer that the client would understand.
    Close,
}

/// An answer that will be due.
pub(crate) type Due = BoxFuture<'static, Outgoing>;

/// What the handlers work with, of which each family takes the parts that it uses.
pub(crate) struct Handlers {
    pub(crate) node: Node,
    pub(crate) data: Arc<Data>,
    pub(crate) groups: Arc<Groups>,
    pub(crate) fetches: Fetches,
}

/// Begins to handle a request. Produce requests have their place in the order when this returns; the budget
/// of the request is held until then, or until it is handled.
pub(crate) async fn begin(
    handlers: &Arc<Handlers>,
    request: Request,
    held: Held,
    peer: SocketAddr,
) -> Due {
    let handlers = Arc::clone(handlers);
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
            let due = produce::begin(&handlers.data, request).await;
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
            let (answer, budget) = fetch::handle(&handlers.fetches, request, header.version).await;
            drop(held);
            finish(&header, &ResponseKind::Fetch(answer), budget)
        }),
        request => Box::pin(async move {
            let answer = handle(&handlers, &header, request, peer).await;
            drop(held);
            match answer {
                Some(answer) => finish(&header, &answer, None),
                None => Outgoing::Close,
            }
        }),
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
    handlers: &Handlers,
    header: &Header,
    request: RequestKind,
    peer: SocketAddr,
) -> Option<ResponseKind> {
    use RequestKind as Q;
    use ResponseKind as R;
    let version = header.version;
    let Handlers {
        node, data, groups, ..
    } = handlers;
    let Data { shared, writer, .. } = &**data;
    Some(match request {
        Q::ApiVersions(_) => R::ApiVersions(cluster::api_versions(0)),
        Q::Metadata(q) => R::Metadata(metadata::handle(node, data, q, version).await),
        Q::DescribeCluster(q) => R::DescribeCluster(cluster::describe(node, &q)),
        Q::DescribeLogDirs(q) => R::DescribeLogDirs(cluster::log_dirs(node, shared, &q)),
        Q::DescribeAcls(_) => R::DescribeAcls(cluster::describe_acls()),
        Q::ListPartitionReassignments(_) => {
            R::ListPartitionReassignments(cluster::list_reassignments())
        }
        Q::CreateTopics(q) => R::CreateTopics(topics::create(node, data, q, version).await),
        Q::DeleteTopics(q) => R::DeleteTopics(topics::delete(data, q, version).await),
        Q::CreatePartitions(q) => R::CreatePartitions(topics::grow(node, data, q).await),
        Q::DeleteRecords(q) => R::DeleteRecords(topics::delete_records(data, q).await),
        Q::DescribeConfigs(q) => R::DescribeConfigs(configs::describe(node, shared, q)),
        Q::AlterConfigs(q) => R::AlterConfigs(configs::alter(writer, q).await),
        Q::IncrementalAlterConfigs(q) => {
            R::IncrementalAlterConfigs(configs::alter_incrementally(writer, q).await)
        }
        Q::ListConfigResources(q) => R::ListConfigResources(configs::list(shared, &q, version)),
        Q::ListOffsets(q) => R::ListOffsets(list_offsets::handle(data, q, version).await),
        Q::OffsetForLeaderEpoch(q) => {
            R::OffsetForLeaderEpoch(list_offsets::for_leader_epoch(shared, q))
        }
        Q::FindCoordinator(q) => R::FindCoordinator(cluster::find_coordinator(node, q, version)),
        Q::JoinGroup(q) => R::JoinGroup(groups::join(groups, writer, q, header, peer).await),
        Q::SyncGroup(q) => R::SyncGroup(groups::sync(groups, q).await),
        Q::Heartbeat(q) => R::Heartbeat(groups::heartbeat(groups, &q)),
        Q::LeaveGroup(q) => R::LeaveGroup(groups::leave(groups, q, version)),
        Q::OffsetCommit(q) => R::OffsetCommit(offsets::commit(groups, data, q).await),
        Q::OffsetFetch(q) => R::OffsetFetch(offsets::fetch(data, q, version).await),
        Q::OffsetDelete(q) => R::OffsetDelete(offsets::delete(groups, writer, q).await),
        Q::ListGroups(q) => R::ListGroups(group_admin::list(groups, &q)),
        Q::DescribeGroups(q) => R::DescribeGroups(group_admin::describe(groups, q, version)),
        Q::DeleteGroups(q) => R::DeleteGroups(group_admin::delete(groups, writer, q).await),
        Q::InitProducerId(q) => R::InitProducerId(
            transactions::init(node.config.longest_transaction, writer, q, version).await,
        ),
        Q::AddPartitionsToTxn(q) => {
            R::AddPartitionsToTxn(transactions::add_partitions(data, q, version).await)
        }
        Q::AddOffsetsToTxn(q) => {
            R::AddOffsetsToTxn(transactions::add_offsets(writer, q, version).await)
        }
        Q::TxnOffsetCommit(q) => {
            R::TxnOffsetCommit(transactions::commit_offsets(groups, data, q).await)
        }
        Q::EndTxn(q) => R::EndTxn(transactions::end(writer, q, version).await),
        Q::DescribeProducers(q) => {
            R::DescribeProducers(transactions::describe_producers(writer, q).await)
        }
        Q::DescribeTransactions(q) => {
            R::DescribeTransactions(transactions::describe(writer, q).await)
        }
        Q::ListTransactions(q) => R::ListTransactions(transactions::list(writer, q).await),
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
