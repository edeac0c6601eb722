//! The Connect group as its coordinator describes it: members, leader, state, delay.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sluice_kafka::admin::{Admin, AdminError, DescribedGroup};
use sluice_protocol::group::{Assignment, MemberMetadata, Subprotocol};
use url::Url;

use super::{Shared, lock};
use crate::conn::now;
use crate::conn::rest::Known;
use crate::model::news::{GroupMember, GroupReport, Update};
use crate::text::Text;

/// Distance between searches for the group, which describe every Connect group of the brokers: two seconds at
/// first, since REST may not have named any worker yet, then doubled up to this.
const SEARCH_EVERY: Duration = Duration::from_secs(30);
/// State of a group that does not exist any more.
const DEAD: &str = "Dead";

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
    pub(super) fn look(&mut self, shared: &Shared) {
        if let Some(report) = self.report(shared) {
            shared.feed.send_blocking(Update::Group(report));
        }
    }

    /// The group as it is now; `None` when it is not found or not described.
    pub(super) fn report(&mut self, shared: &Shared) -> Option<GroupReport> {
        let admin = shared.admin()?;
        if self.id.is_none() {
            self.search(shared, admin);
        }
        let id = self.id.as_ref()?;
        let group = shared.runtime.block_on(admin.describe_group(id)).ok()?;
        let report = report(id, group.as_ref(), &mut self.leader);
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

    fn search(&mut self, shared: &Shared, admin: &Admin) {
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
        let answer = shared.runtime.block_on(connect_groups(admin));
        self.searched = Some(Instant::now());
        self.searches += 1;
        let Ok(groups) = answer else {
            return;
        };
        let groups: Vec<(&str, &DescribedGroup)> =
            groups.iter().map(|(id, group)| (&**id, group)).collect();
        let is_ours = |(_, group): &(&str, &DescribedGroup)| is_ours(group, &known);
        let ours: Vec<(&str, &DescribedGroup)> = groups.iter().copied().filter(is_ours).collect();
        // Without connectors no worker is known by the name it has in the group.
        let guess = known.workers.is_empty() && ours.is_empty();
        match (&ours[..], &groups[..]) {
            ([(id, _)], _) => {
                shared.note("group", (*id).to_owned());
                shared.guess("group", None);
                self.id = Some((*id).to_owned());
            }
            ([], [(only, _)]) if guess => {
                shared.note("group", format!("{only} (guessed)"));
                shared.guess("group", Some(only));
                self.id = Some((*only).to_owned());
            }
            _ => shared.note(
                "group",
                format!("not found among {} Connect groups", groups.len()),
            ),
        }
    }
}

/// All groups of Connect workers, by their ids.
async fn connect_groups(admin: &Admin) -> Result<BTreeMap<String, DescribedGroup>, AdminError> {
    let listed = admin.list_groups().await?;
    let of_connect = listed
        .iter()
        .filter(|group| group.protocol_type == Subprotocol::PROTOCOL_TYPE);
    let ids: Vec<&str> = of_connect.map(|group| &*group.group).collect();
    admin.describe_groups(&ids).await
}

/// Whether a member is one of the workers that REST named, or the one we are connected to.
fn is_ours(group: &DescribedGroup, known: &Known) -> bool {
    group.members.iter().any(|member| {
        MemberMetadata::decode(&member.metadata)
            .ok()
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

/// What the coordinator says about the group; nothing if it does not exist.
fn report(id: &str, group: Option<&DescribedGroup>, leader: &mut Option<Text>) -> GroupReport {
    let mut members = Vec::new();
    let mut delay = None;
    for member in group.into_iter().flat_map(|group| &group.members) {
        let Ok(metadata) = MemberMetadata::decode(&member.metadata) else {
            continue;
        };
        let Some(worker) = worker_id(&metadata.url) else {
            continue;
        };
        let (mut connectors, mut tasks, mut revoked) = (Vec::new(), Vec::new(), 0);
        // Empty while a rebalance is under way.
        if !member.assignment.is_empty()
            && let Ok(assignment) = Assignment::decode(&member.assignment)
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
        id: Text::line(id),
        state: Text::line(group.map_or(DEAD, |group| &group.state)),
        protocol: Text::line(group.map_or("", |group| &group.protocol)),
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
