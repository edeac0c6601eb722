//! The Connect group as its coordinator describes it: members, leader, state, delay.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::groups::GroupInfo;
use sluice_protocol::group::{Assignment, MemberMetadata, Subprotocol};
use url::Url;

use super::consumer::BrokerConsumer;
use super::{Shared, TIMEOUT, lock};
use crate::conn::now;
use crate::conn::rest::Known;
use crate::model::news::{GroupMember, GroupReport, Update};
use crate::text::Text;

/// Distance between searches for the group, which describe every group of the brokers: two seconds at first,
/// since REST may not have named any worker yet, then doubled up to this.
const SEARCH_EVERY: Duration = Duration::from_secs(30);
/// Longest wait for the description of all groups, of which there may be hundreds.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(10);

/// What is known of the group between looks.
#[derive(Default)]
pub(super) struct GroupWatch {
    id: Option<String>,
    searched: Option<Instant>,
    /// How many searches had no success.
    searches: u32,
    /// Members as last seen with their data, to hold on to while a rebalance hides them.
    leader: Option<Text>,
    unsettled: bool,
}

impl GroupWatch {
    /// Whether a rebalance was under way at the last look.
    pub(super) fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// Looks at the group once and reports it.
    pub(super) fn look(&mut self, shared: &Shared, consumer: &BrokerConsumer) {
        if let Some(report) = self.report(shared, consumer) {
            shared.feed.send_blocking(Update::Group(report));
        }
    }

    /// The group as it is now; `None` when it is not found or not described.
    pub(super) fn report(
        &mut self,
        shared: &Shared,
        consumer: &BrokerConsumer,
    ) -> Option<GroupReport> {
        if self.id.is_none() {
            self.search(shared, consumer);
        }
        let id = self.id.as_ref()?;
        let list = consumer.fetch_group_list(Some(id), TIMEOUT).ok()?;
        let group = list.groups().iter().find(|group| group.name() == id)?;
        let report = report(group, &mut self.leader);
        self.unsettled = report.state.as_str().ends_with("Rebalance");
        if !report.members.is_empty() {
            let ids = report
                .members
                .iter()
                .map(|member| member.worker.to_string());
            *lock(&shared.members) = ids.collect();
        }
        Some(report)
    }

    fn search(&mut self, shared: &Shared, consumer: &BrokerConsumer) {
        if let Some(id) = &shared.wanted.group {
            self.id = Some(id.clone());
            shared.note("group", id.clone());
            return;
        }
        let known = shared.known.borrow().clone();
        let pause = SEARCH_EVERY.min(Duration::from_secs(1) * 2_u32.pow(self.searches.min(5)));
        if !known.listed || self.searched.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        let answer = consumer.fetch_group_list(None, SEARCH_TIMEOUT);
        self.searched = Some(Instant::now());
        self.searches += 1;
        let Ok(list) = answer else {
            return;
        };
        let groups: Vec<&GroupInfo> = list
            .groups()
            .iter()
            .filter(|group| group.protocol_type() == Subprotocol::PROTOCOL_TYPE)
            .collect();
        let ours: Vec<&GroupInfo> = groups
            .iter()
            .copied()
            .filter(|group| is_ours(group, &known))
            .collect();
        // Without connectors no worker is known by the name it has in the group.
        let guess = known.workers.is_empty() && ours.is_empty();
        match (&ours[..], &groups[..]) {
            ([group], _) => {
                shared.note("group", group.name().to_owned());
                shared.guess("group", None);
                self.id = Some(group.name().to_owned());
            }
            ([], [only]) if guess => {
                shared.note("group", format!("{} (guessed)", only.name()));
                shared.guess("group", Some(only.name()));
                self.id = Some(only.name().to_owned());
            }
            _ => shared.note(
                "group",
                format!("not found among {} Connect groups", groups.len()),
            ),
        }
    }
}

/// Whether a member is one of the workers that REST named, or the one we are connected to.
fn is_ours(group: &GroupInfo, known: &Known) -> bool {
    group.members().iter().any(|member| {
        member
            .metadata()
            .and_then(|bytes| MemberMetadata::decode(bytes).ok())
            .and_then(|metadata| worker_id(&metadata.url))
            .is_some_and(|worker| known.workers.contains(&worker) || known.urls.contains(&worker))
    })
}

/// `host:port` of a URL.
pub(crate) fn worker_id(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(format!(
        "{}:{}",
        url.host_str()?,
        url.port_or_known_default()?
    ))
}

fn report(group: &GroupInfo, leader: &mut Option<Text>) -> GroupReport {
    let mut members = Vec::new();
    let mut delay = None;
    for member in group.members() {
        let Some(metadata) = member
            .metadata()
            .and_then(|bytes| MemberMetadata::decode(bytes).ok())
        else {
            continue;
        };
        let Some(worker) = worker_id(&metadata.url) else {
            continue;
        };
        let (mut connectors, mut tasks, mut revoked) = (Vec::new(), Vec::new(), 0);
        if let Some(assignment) = member
            .assignment()
            .filter(|bytes| !bytes.is_empty())
            .and_then(|bytes| Assignment::decode(bytes).ok())
        {
            let work = &assignment.assigned;
            connectors = work
                .connectors
                .iter()
                .map(|name| Text::name(name))
                .collect();
            tasks = work
                .tasks
                .iter()
                .map(|id| Text::name(&id.to_string()))
                .collect();
            revoked = assignment.revoked.connectors.len() + assignment.revoked.tasks.len();
            *leader = worker_id(&assignment.leader_url)
                .as_deref()
                .map(Text::line)
                .or(leader.take());
            delay = delay.max(Some(i64::from(assignment.delay_ms)));
        }
        members.push(GroupMember {
            worker: Text::line(&worker),
            connectors,
            tasks,
            revoked,
            kind: None,
        });
    }
    members.sort();
    GroupReport {
        at: now(),
        id: Text::line(group.name()),
        state: Text::line(group.state()),
        protocol: Text::line(group.protocol()),
        members,
        leader: leader.clone(),
        delay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_id_is_host_and_port_of_its_url() {
        assert_eq!(
            worker_id("http://127.0.0.1:8083/").as_deref(),
            Some("127.0.0.1:8083")
        );
        assert_eq!(worker_id("https://h/").as_deref(), Some("h:443"));
        assert_eq!(worker_id("nonsense"), None);
    }
}
