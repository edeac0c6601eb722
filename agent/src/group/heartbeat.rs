//! The heartbeat: a task that tells the coordinator we are alive, and us what the coordinator answers.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::error::ParseResponseErrorCode as _;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{HeartbeatRequest, LeaveGroupRequest};
use kafka_protocol::protocol::StrBytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use sluice_kafka::types::group_id;
use sluice_kafka::wire::connection::BrokerConnection;

/// What the heartbeat found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Others (re)joined: join too. The heartbeat goes on.
    Rebalance,
    /// The generation is over: join again with the same member id.
    GenerationOver,
    /// The coordinator does not know us any more: join as a new member.
    MemberUnknown,
    /// The coordinator is gone or is another broker now.
    CoordinatorGone(String),
    /// The herder did not poll in time; we left the group.
    PollTimeout,
    /// Nothing that can get better.
    Fatal(String),
}

/// Knows when the herder polled last.
#[derive(Debug)]
pub(super) struct PollWatch {
    /// `None` while a poll is going on.
    last: Mutex<Option<Instant>>,
}

impl PollWatch {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            last: Mutex::new(Some(Instant::now())),
        })
    }

    /// Notes that a poll begins; it ends when the guard is dropped.
    pub(super) fn polling(self: &Arc<Self>) -> PollGuard {
        *self.last.lock() = None;
        PollGuard(Arc::clone(self))
    }

    fn idle(&self) -> Duration {
        self.last
            .lock()
            .map_or(Duration::ZERO, |last| last.elapsed())
    }
}

pub(super) struct PollGuard(Arc<PollWatch>);

impl Drop for PollGuard {
    fn drop(&mut self) {
        *self.0.last.lock() = Some(Instant::now());
    }
}

/// The longest time between two heartbeats, however long `heartbeat.interval.ms` is.
///
/// A member hears of a rebalance in the answer to a heartbeat only, and the group waits for every
/// member, twice where work moves.
const MOST: Duration = Duration::from_millis(250);

/// A running heartbeat; dropping it stops it.
pub(super) struct Heartbeat {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    signal: Mutex<Option<Signal>>,
    changed: Notify,
}

/// Whom and what the heartbeat is for.
pub(super) struct Membership {
    pub(super) group_id: String,
    pub(super) member_id: String,
    pub(super) generation: i32,
    pub(super) interval: Duration,
    pub(super) session_timeout: Duration,
    pub(super) poll_timeout: Duration,
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Heartbeat {
    pub(super) fn start(
        connection: Arc<BrokerConnection>,
        membership: Membership,
        watch: Arc<PollWatch>,
    ) -> Self {
        let shared = Arc::new(Shared {
            signal: Mutex::new(None),
            changed: Notify::new(),
        });
        let task = tokio::spawn(run(connection, membership, watch, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Takes the signal that is there, if any.
    pub(super) fn take(&self) -> Option<Signal> {
        self.shared.signal.lock().take()
    }

    /// Waits until there is a signal; cancel-safe.
    pub(super) async fn changed(&self) {
        loop {
            let changed = self.shared.changed.notified();
            if self.shared.signal.lock().is_some() {
                return;
            }
            changed.await;
        }
    }
}

async fn run(
    connection: Arc<BrokerConnection>,
    membership: Membership,
    watch: Arc<PollWatch>,
    shared: Arc<Shared>,
) {
    let request = HeartbeatRequest::default()
        .with_group_id(group_id(&membership.group_id))
        .with_generation_id(membership.generation)
        .with_member_id(StrBytes::from_string(membership.member_id.clone()));
    let tell = |signal| {
        *shared.signal.lock() = Some(signal);
        shared.changed.notify_waiters();
    };
    loop {
        tokio::time::sleep(membership.interval.min(MOST)).await;
        if watch.idle() > membership.poll_timeout {
            tracing::warn!(
                limit = ?membership.poll_timeout,
                "herder did not poll in time, leaving the group; work goes on until the next join"
            );
            leave(&connection, &membership, "worker poll timeout has expired.").await;
            tell(Signal::PollTimeout);
            return;
        }
        match connection.call(&request, membership.session_timeout).await {
            Err(error) => {
                tell(Signal::CoordinatorGone(error.to_string()));
                return;
            }
            Ok(answer) => match answer.error_code.err() {
                None => {}
                Some(ResponseError::RebalanceInProgress) => tell(Signal::Rebalance),
                Some(ResponseError::IllegalGeneration) => {
                    tell(Signal::GenerationOver);
                    return;
                }
                Some(ResponseError::UnknownMemberId) => {
                    tell(Signal::MemberUnknown);
                    return;
                }
                Some(
                    error
                    @ (ResponseError::CoordinatorNotAvailable | ResponseError::NotCoordinator),
                ) => {
                    tell(Signal::CoordinatorGone(error.to_string()));
                    return;
                }
                Some(ResponseError::GroupAuthorizationFailed) => {
                    tell(Signal::Fatal(format!(
                        "Not authorized to access group: {}",
                        membership.group_id
                    )));
                    return;
                }
                Some(error) => tracing::warn!(%error, "heartbeat answered with an error"),
            },
        }
    }
}

/// Leaves the group; failures are only logged, the session runs out by itself.
pub(super) async fn leave(connection: &BrokerConnection, membership: &Membership, reason: &str) {
    let group = group_id(&membership.group_id);
    let id = StrBytes::from_string(membership.member_id.clone());
    // Version 3 and later name members in a list, with the reason from version 5 on; older ones one member.
    let member = MemberIdentity::default().with_member_id(id.clone());
    let requests = [
        (
            5,
            LeaveGroupRequest::default()
                .with_group_id(group.clone())
                .with_members(vec![
                    member
                        .clone()
                        .with_reason(Some(StrBytes::from_string(super::shorten(reason)))),
                ]),
        ),
        (
            4,
            LeaveGroupRequest::default()
                .with_group_id(group.clone())
                .with_members(vec![member]),
        ),
        (
            2,
            LeaveGroupRequest::default()
                .with_group_id(group)
                .with_member_id(id),
        ),
    ];
    for (version, request) in requests {
        let Ok(mut pending) = connection.send_at_most(&request, version, Duration::from_secs(5))
        else {
            continue;
        };
        match pending.wait().await {
            Ok(answer) => {
                let codes = answer.members.iter().map(|member| member.error_code);
                for code in codes.chain([answer.error_code]).filter(|code| *code != 0) {
                    tracing::info!(code, "leaving the group answered with an error");
                }
            }
            Err(error) => tracing::info!(%error, "leaving the group was not answered"),
        }
        return;
    }
}
