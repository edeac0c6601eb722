//! [`WorkerCoordinator`]: the member of the group that the herder drives.

mod join;
mod leader;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::{
    JoinGroupRequest, JoinGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use sluice_api::causes::with_causes;
use sluice_kafka::backoff::Backoff;
use sluice_kafka::types::group_id;
use sluice_kafka::wire::connection::{BrokerConnection, ConnectionError, PendingResponse};
use sluice_kafka::wire::discovery;
use sluice_protocol::group::{Assignment, Subprotocol, Work};
use sluice_protocol::{ConnectorName, ConnectorTaskId, Generation, MemberId, Millis};
use tokio::time::Instant;

use super::assignor::incremental::IncrementalAssignor;
use super::config::GroupConfig;
use super::heartbeat::{Heartbeat, Membership, PollWatch, Signal, leave};
use super::{CurrentAssignment, GroupEvent, Rebalance};
use crate::clock::now;
use crate::cluster::{ClusterConfigState, ConfigSnapshotSource};
use join::{JoinError, send_join, send_sync};

/// The worker as a member of its group. See the [module](super) for its contract.
pub(crate) struct WorkerCoordinator {
    config: GroupConfig,
    configs: Arc<dyn ConfigSnapshotSource>,
    connection: Option<Arc<BrokerConnection>>,
    heartbeat: Option<Heartbeat>,
    watch: Arc<PollWatch>,
    assignor: IncrementalAssignor,
    clock: Instant,

    /// Empty before the coordinator gave us one.
    member_id: String,
    /// Generation to heartbeat and sync with, -1 when none.
    session_generation: Generation,
    /// Generation this worker last completed a join of.
    generation: Generation,
    protocol: Option<Subprotocol>,
    /// What we report as held, with the envelope of the last assignment.
    allocation: Option<Assignment>,
    current: Option<CurrentAssignment>,
    is_leader: bool,
    routing: Option<Routing>,

    /// Why the next poll joins; `None` when it does not.
    rejoin: Option<String>,
    /// Whether the herder was told to stop everything before the coming join (eager).
    prepared: bool,
    phase: Phase,
    /// When the scheduled rebalance is due.
    rejoin_at: Option<Instant>,
    /// Since when there is no coordinator.
    lost_since: Option<Instant>,
    backoff: Backoff,
    /// Not before this time is the next attempt made.
    retry_at: Option<Instant>,
}

/// Where requests for other members' work go. Only the leader knows.
struct Routing {
    urls: BTreeMap<MemberId, String>,
    connectors: HashMap<ConnectorName, MemberId>,
    tasks: HashMap<ConnectorTaskId, MemberId>,
}

enum Phase {
    Idle,
    Joining {
        answer: PendingResponse<JoinGroupRequest>,
        join: Join,
    },
    Syncing {
        answer: PendingResponse<SyncGroupRequest>,
        join: Join,
        joined: Joined,
    },
}

/// A join under way.
struct Join {
    /// The snapshot whose offset we reported.
    snapshot: Arc<ClusterConfigState>,
    cause: String,
    started_at: Millis,
}

/// What the answer to JoinGroup said.
struct Joined {
    generation: Generation,
    protocol: Subprotocol,
    lead: Option<Lead>,
}

/// What only the leader knows after its computation.
struct Lead {
    routing: Routing,
    joined: Vec<MemberId>,
    left: Vec<MemberId>,
}

impl WorkerCoordinator {
    /// A member that has not joined yet; the first poll joins.
    pub(crate) fn new(config: GroupConfig, configs: Arc<dyn ConfigSnapshotSource>) -> Self {
        Self {
            backoff: config.client.backoff(),
            config,
            configs,
            connection: None,
            heartbeat: None,
            watch: PollWatch::new(),
            assignor: IncrementalAssignor::new(),
            clock: Instant::now(),
            member_id: String::new(),
            session_generation: Generation::NONE,
            generation: Generation::NONE,
            protocol: None,
            allocation: None,
            current: None,
            is_leader: false,
            routing: None,
            rejoin: Some("worker started".to_owned()),
            prepared: false,
            phase: Phase::Idle,
            rejoin_at: None,
            lost_since: None,
            retry_at: None,
        }
    }

    /// Goes on until there is something for the herder to do. Cancel-safe.
    pub(crate) async fn poll(&mut self) -> GroupEvent {
        let _polling = self.watch.polling();
        loop {
            if let Some(event) = self.step().await {
                return event;
            }
        }
    }

    /// Makes the next poll join. The reason is shown to the coordinator and in events, one line.
    pub(crate) fn request_rejoin(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::debug!(reason, "rejoin requested");
        self.rejoin.get_or_insert(reason);
    }

    /// Leaves the group. Held work stays known and is reported at the next join, which the next poll begins.
    pub(crate) async fn leave(&mut self, reason: &str) {
        self.heartbeat = None;
        let in_flight = !matches!(self.phase, Phase::Idle);
        self.phase = Phase::Idle;
        if !self.member_id.is_empty() {
            let connection = if in_flight {
                // The coordinator answers in order, and the answer to a join may take minutes.
                self.connection = None;
                let limit = Duration::from_secs(5);
                let found =
                    discovery::group_coordinator(&self.config.client, &self.config.group_id);
                tokio::time::timeout(limit, found)
                    .await
                    .ok()
                    .and_then(Result::ok)
                    .map(Arc::new)
            } else {
                self.connection.clone()
            };
            if let Some(connection) = connection {
                tracing::info!(reason, "leaving the group");
                leave(&connection, &self.membership(), reason).await;
            }
        }
        self.reset_member();
        self.rejoin = Some(reason.to_owned());
    }

    /// Leaves the group for good.
    pub(crate) async fn close(mut self, reason: &str) {
        self.leave(reason).await;
    }

    /// Forgets what is held, as when all work was stopped because the config topic can't be read. Returns it.
    pub(crate) fn forget_assignment(&mut self) -> Work {
        self.rejoin_at = None;
        self.current = None;
        self.is_leader = false;
        self.routing = None;
        self.allocation
            .take()
            .map(|allocation| allocation.assigned)
            .unwrap_or_default()
    }

    /// Whether a join is under way: requests that need the assignment have to wait.
    pub(crate) fn is_joining(&self) -> bool {
        !matches!(self.phase, Phase::Idle) || self.rejoin.is_some()
    }

    /// Whether the next poll joins.
    pub(crate) fn rejoin_needed(&self) -> bool {
        self.rejoin.is_some()
    }

    /// Own member id, once the coordinator gave one.
    pub(crate) fn member_id(&self) -> Option<MemberId> {
        (!self.member_id.is_empty()).then(|| self.member_id.as_str().into())
    }

    /// Generation of the last assignment, -1 before the first.
    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Subprotocol of the last assignment.
    pub(crate) fn protocol(&self) -> Option<Subprotocol> {
        self.protocol
    }

    /// Whether this worker led the last rebalance.
    pub(crate) fn is_leader(&self) -> bool {
        self.is_leader
    }

    /// The last assignment; `None` before the first and after it was forgotten.
    pub(crate) fn assignment(&self) -> Option<&CurrentAssignment> {
        self.current.as_ref()
    }

    /// REST URL of the leader; `None` when it is not known.
    pub(crate) fn leader_url(&self) -> Option<&str> {
        self.current
            .as_ref()
            .map(|current| current.leader_url.as_str())
            .filter(|url| !url.is_empty())
    }

    /// REST URL of the worker that runs a connector. Only the leader knows, and not while a rejoin is due.
    pub(crate) fn connector_owner_url(&self, connector: &str) -> Option<&str> {
        let routing = self.routing()?;
        let owner = routing.connectors.get(connector)?;
        routing.urls.get(owner).map(String::as_str)
    }

    /// REST URL of the worker that runs a task. Only the leader knows, and not while a rejoin is due.
    pub(crate) fn task_owner_url(&self, id: &ConnectorTaskId) -> Option<&str> {
        let routing = self.routing()?;
        let owner = routing.tasks.get(id)?;
        routing.urls.get(owner).map(String::as_str)
    }

    /// Time until the scheduled rebalance, when one is pending.
    pub(crate) fn delay_remaining(&self) -> Option<Duration> {
        self.rejoin_at
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn routing(&self) -> Option<&Routing> {
        if self.is_joining() {
            return None;
        }
        self.routing.as_ref()
    }

    fn membership(&self) -> Membership {
        Membership {
            group_id: self.config.group_id.clone(),
            member_id: self.member_id.clone(),
            generation: self.session_generation.get(),
            interval: self.config.heartbeat_interval,
            session_timeout: self.config.session_timeout,
            poll_timeout: self.config.rebalance_timeout,
        }
    }

    fn reset_member(&mut self) {
        self.member_id.clear();
        self.session_generation = Generation::NONE;
        self.heartbeat = None;
    }

    /// One step: acts on a signal, finds the coordinator, or moves the join on. `None`: nothing for
    /// the herder yet.
    async fn step(&mut self) -> Option<GroupEvent> {
        if let Some(signal) = self.heartbeat.as_ref().and_then(Heartbeat::take) {
            return self.on_signal(signal);
        }
        if let Some(at) = self.retry_at {
            tokio::time::sleep_until(at).await;
            self.retry_at = None;
        }
        if self
            .connection
            .as_ref()
            .is_none_or(|connection| connection.is_closed())
        {
            if !matches!(self.phase, Phase::Idle) {
                self.phase = Phase::Idle;
            }
            return self.find_coordinator().await;
        }
        match &mut self.phase {
            Phase::Joining { answer, .. } => {
                let answer = answer.wait().await;
                self.on_join_answer(answer)
            }
            Phase::Syncing { answer, .. } => {
                let answer = answer.wait().await;
                self.on_sync_answer(answer)
            }
            Phase::Idle if self.rejoin.is_some() => self.begin_join(),
            Phase::Idle => {
                self.wait_for_change().await;
                None
            }
        }
    }

    /// Waits for the heartbeat to say something or the scheduled rebalance to come.
    async fn wait_for_change(&mut self) {
        if self.heartbeat.is_none() {
            self.start_heartbeat();
        }
        let due = async {
            match self.rejoin_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let changed = async {
            match &self.heartbeat {
                Some(heartbeat) => heartbeat.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => {}
            () = due => {
                self.rejoin_at = None;
                self.request_rejoin("scheduled rebalance is due");
            }
        }
    }

    fn start_heartbeat(&mut self) {
        if let Some(connection) = &self.connection {
            self.heartbeat = Some(Heartbeat::start(
                Arc::clone(connection),
                self.membership(),
                Arc::clone(&self.watch),
            ));
        }
    }

    fn on_signal(&mut self, signal: Signal) -> Option<GroupEvent> {
        match signal {
            Signal::Rebalance => self.request_rejoin("group is rebalancing"),
            Signal::GenerationOver => {
                self.session_generation = Generation::NONE;
                self.heartbeat = None;
                self.request_rejoin("generation is over");
            }
            Signal::MemberUnknown => {
                tracing::warn!(
                    "coordinator does not know this member any more, joining as a new one"
                );
                self.reset_member();
                self.request_rejoin("member was removed from the group");
            }
            Signal::PollTimeout => {
                self.reset_member();
                self.request_rejoin("worker poll timeout has expired");
            }
            Signal::CoordinatorGone(reason) => self.lose_connection(&reason),
            Signal::Fatal(reason) => return Some(GroupEvent::Failed { reason }),
        }
        None
    }

    fn lose_connection(&mut self, reason: &str) {
        tracing::info!(reason, "group coordinator is not available, looking for it");
        self.connection = None;
        self.heartbeat = None;
        if !matches!(self.phase, Phase::Idle) {
            self.phase = Phase::Idle;
        }
    }

    /// Tries again a little later, each time later than before.
    fn back_off(&mut self) {
        self.retry_at = Some(Instant::now() + self.backoff.next_pause());
    }

    async fn find_coordinator(&mut self) -> Option<GroupEvent> {
        self.heartbeat = None;
        let since = *self.lost_since.get_or_insert_with(Instant::now);
        match discovery::group_coordinator(&self.config.client, &self.config.group_id).await {
            Ok(connection) => {
                tracing::info!(broker = connection.address(), "found the group coordinator");
                self.connection = Some(Arc::new(connection));
                self.lost_since = None;
                self.backoff.reset();
                None
            }
            Err(error) if error.is_fatal() => Some(GroupEvent::Failed {
                reason: with_causes(&error),
            }),
            Err(error) => {
                tracing::debug!(error = with_causes(&error), "no group coordinator yet");
                self.back_off();
                if since.elapsed() >= self.config.heartbeat_interval && self.allocation.is_some() {
                    tracing::warn!(
                        error = with_causes(&error),
                        "no group coordinator can be found, giving up all work"
                    );
                    let work = self.forget_assignment();
                    self.request_rejoin("coordinator was lost");
                    return Some(GroupEvent::CoordinatorLost { work });
                }
                None
            }
        }
    }

    /// Sends JoinGroup; with the eager protocol the herder has to stop its work first.
    fn begin_join(&mut self) -> Option<GroupEvent> {
        let held = self
            .allocation
            .as_ref()
            .map(|allocation| &allocation.assigned);
        if self.protocol == Some(Subprotocol::Default) && !self.prepared {
            self.prepared = true;
            if let Some(work) = held.filter(|held| !held.is_empty()).cloned() {
                return Some(GroupEvent::Revoke { work });
            }
        }
        let cause = self.rejoin.clone().unwrap_or_default();
        // The routing of the last generation ends here.
        self.routing = None;
        self.heartbeat = None;
        let snapshot = self.configs.snapshot();
        let connection = self.connection.clone()?;
        let sent = self
            .join_request(&snapshot, &cause)
            .and_then(|request| send_join(&connection, request, self.config.join_timeout()));
        match sent {
            Ok(answer) => {
                tracing::info!(cause, generation = %self.session_generation, "joining the group");
                self.phase = Phase::Joining {
                    answer,
                    join: Join {
                        snapshot,
                        cause,
                        started_at: now(),
                    },
                };
                None
            }
            Err(JoinError::Connection(error)) => {
                self.lose_connection(&error.to_string());
                self.back_off();
                None
            }
            Err(JoinError::Metadata(reason)) => Some(GroupEvent::Failed { reason }),
        }
    }

    fn on_join_answer(
        &mut self,
        answer: Result<JoinGroupResponse, ConnectionError>,
    ) -> Option<GroupEvent> {
        let Phase::Joining { join, .. } = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return None;
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.lose_connection(&error.to_string());
                return None;
            }
        };
        match answer.error_code.err() {
            None => {}
            Some(ResponseError::MemberIdRequired) => {
                self.member_id = answer.member_id.to_string();
                return None;
            }
            Some(error) => return self.on_error("JoinGroup", error),
        }
        self.member_id = answer.member_id.to_string();
        self.session_generation = Generation(answer.generation_id);
        let name = answer.protocol_name.as_deref().unwrap_or_default();
        let Some(protocol) = Subprotocol::parse(name) else {
            return Some(GroupEvent::Failed {
                reason: format!("coordinator chose protocol {name:?}, which was not offered"),
            });
        };
        let (assignments, lead) = if *answer.leader == *self.member_id {
            let (assignments, lead) = self.lead(protocol, &join.snapshot, &answer);
            (assignments, Some(lead))
        } else {
            (Vec::new(), None)
        };
        let request = SyncGroupRequest::default()
            .with_group_id(group_id(&self.config.group_id))
            .with_generation_id(answer.generation_id)
            .with_member_id(answer.member_id.clone())
            .with_protocol_type(Some(StrBytes::from_static_str(Subprotocol::PROTOCOL_TYPE)))
            .with_protocol_name(Some(StrBytes::from_static_str(protocol.name())))
            .with_assignments(assignments);
        let connection = self.connection.clone()?;
        match send_sync(&connection, request, self.config.join_timeout()) {
            Ok(answer) => {
                self.phase = Phase::Syncing {
                    answer,
                    join,
                    joined: Joined {
                        generation: self.session_generation,
                        protocol,
                        lead,
                    },
                };
            }
            Err(error) => self.lose_connection(&error.to_string()),
        }
        None
    }

    fn on_error(&mut self, api: &'static str, error: ResponseError) -> Option<GroupEvent> {
        tracing::info!(api, %error, "group coordinator answered with an error");
        match error {
            ResponseError::UnknownMemberId => self.reset_member(),
            ResponseError::IllegalGeneration => self.session_generation = Generation::NONE,
            ResponseError::RebalanceInProgress => {}
            ResponseError::CoordinatorLoadInProgress => self.back_off(),
            ResponseError::CoordinatorNotAvailable | ResponseError::NotCoordinator => {
                self.lose_connection("coordinator moved");
                self.back_off();
            }
            ResponseError::GroupAuthorizationFailed
            | ResponseError::InconsistentGroupProtocol
            | ResponseError::InvalidGroupId
            | ResponseError::InvalidSessionTimeout
            | ResponseError::GroupMaxSizeReached => {
                return Some(GroupEvent::Failed {
                    reason: format!("{api} of group {:?} failed: {error}", self.config.group_id),
                });
            }
            _ => self.back_off(),
        }
        None
    }

    fn on_sync_answer(
        &mut self,
        answer: Result<SyncGroupResponse, ConnectionError>,
    ) -> Option<GroupEvent> {
        let Phase::Syncing { join, joined, .. } = std::mem::replace(&mut self.phase, Phase::Idle)
        else {
            return None;
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.lose_connection(&error.to_string());
                return None;
            }
        };
        if let Some(error) = answer.error_code.err() {
            return self.on_error("SyncGroup", error);
        }
        match Assignment::decode(&answer.assignment) {
            Ok(assignment) => Some(self.complete(join, joined, assignment)),
            Err(error) => {
                tracing::warn!(%error, "assignment is not readable, joining again");
                self.back_off();
                None
            }
        }
    }

    /// Takes over an assignment: merges it into what is held, and tells the herder.
    fn complete(&mut self, join: Join, joined: Joined, told: Assignment) -> GroupEvent {
        let before = self
            .allocation
            .take()
            .map(|allocation| allocation.assigned)
            .unwrap_or_default();
        let (held, revoked) = if joined.protocol.is_cooperative() {
            (
                merged(&told.assigned, before, &told.revoked),
                told.revoked.clone(),
            )
        } else {
            // Stopped before the join already, unless the group came to this protocol only now.
            let stopped = std::mem::take(&mut self.prepared);
            let gone = if stopped {
                Work::default()
            } else {
                minus(before, &told.assigned)
            };
            (told.assigned.clone(), gone)
        };
        self.prepared = false;
        let delay = u64::try_from(told.delay_ms)
            .ok()
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis);
        self.rejoin_at = delay.map(|delay| Instant::now() + delay);
        self.rejoin = None;
        self.backoff.reset();
        self.protocol = Some(joined.protocol);
        self.generation = joined.generation;
        self.is_leader = *told.leader == *self.member_id;
        self.allocation = Some(Assignment {
            assigned: held.clone(),
            revoked: Work::default(),
            ..told.clone()
        });
        self.current = Some(CurrentAssignment {
            leader_id: told.leader.clone(),
            leader_url: told.leader_url.clone(),
            config_offset: told.config_offset,
            held: held.clone(),
        });
        self.start_heartbeat();
        let (members, joined_members, left) = match joined.lead {
            Some(lead) => {
                let urls = lead.routing.urls.clone();
                self.routing = Some(lead.routing);
                (Some(urls), lead.joined, lead.left)
            }
            None => (None, Vec::new(), Vec::new()),
        };
        let rebalance = Rebalance {
            generation: joined.generation,
            protocol: joined.protocol,
            member_id: self.member_id.as_str().into(),
            leader_id: told.leader,
            leader_url: told.leader_url,
            is_leader: self.is_leader,
            config_mismatch: told.error == Assignment::CONFIG_MISMATCH,
            config_offset: told.config_offset,
            revoked,
            assigned: told.assigned,
            held,
            delay,
            members,
            joined: joined_members,
            left,
            cause: join.cause,
            started_at: join.started_at,
            ended_at: now(),
        };
        tracing::info!(
            generation = %rebalance.generation,
            leader = %rebalance.leader_id,
            assigned = rebalance.assigned.len(),
            revoked = rebalance.revoked.len(),
            held = rebalance.held.len(),
            delay_ms = told.delay_ms,
            "rebalance completed"
        );
        GroupEvent::Assigned(Box::new(rebalance))
    }
}

#[cfg(test)]
impl WorkerCoordinator {
    /// As if the cluster moved to an address where nobody answers.
    pub(super) fn break_for_test(&mut self, address: &str) {
        self.config.client.bootstrap_servers = vec![address.to_owned()];
        self.lose_connection("test");
    }
}

/// New items first, then those kept, in their old order.
fn merged(assigned: &Work, held: Work, revoked: &Work) -> Work {
    let kept = minus(held, revoked);
    let mut all = assigned.clone();
    let known: HashSet<ConnectorName> = all.connectors.iter().cloned().collect();
    all.connectors.extend(
        kept.connectors
            .into_iter()
            .filter(|item| !known.contains(item)),
    );
    let known: HashSet<ConnectorTaskId> = all.tasks.iter().cloned().collect();
    all.tasks
        .extend(kept.tasks.into_iter().filter(|item| !known.contains(item)));
    all
}

fn minus(work: Work, gone: &Work) -> Work {
    let connectors: HashSet<&ConnectorName> = gone.connectors.iter().collect();
    let tasks: HashSet<&ConnectorTaskId> = gone.tasks.iter().collect();
    Work {
        connectors: work
            .connectors
            .into_iter()
            .filter(|item| !connectors.contains(item))
            .collect(),
        tasks: work
            .tasks
            .into_iter()
            .filter(|item| !tasks.contains(item))
            .collect(),
    }
}
