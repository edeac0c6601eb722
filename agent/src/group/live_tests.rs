//! Membership on a broker: Kafka, if `SLUICE_TEST_BOOTSTRAP` (host:port) names one, else the embedded one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sluice_api::OffsetAndMetadata;
use sluice_kafka::admin::{Admin, AdminError, GroupType};
use sluice_kafka::types::TopicPartition;
use sluice_protocol::ConfigMap;
use sluice_protocol::config_topic::ConfigRecord;
use sluice_protocol::group::{Subprotocol, Work};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

#[path = "../../tests/support/broker.rs"]
mod broker;

use broker::TestBroker;

use super::{GroupConfig, GroupEvent, Rebalance, WorkerCoordinator};
use crate::cluster::ConfigStateMachine;
use crate::cluster::{ClusterConfigState, ConfigSnapshotSource};
use crate::embedded;
use crate::settings::{Mode, WorkerSettings};

/// A config topic in memory that all members of a test share.
#[derive(Default)]
struct Configs(Mutex<ConfigStateMachine>);

impl ConfigSnapshotSource for Configs {
    fn snapshot(&self) -> Arc<ClusterConfigState> {
        self.0.lock().snapshot()
    }
}

impl Configs {
    fn connector(&self, name: &str, tasks: u32) {
        let mut machine = self.0.lock();
        let mut write = |record: ConfigRecord| {
            let offset = machine.snapshot().offset().get().max(0);
            let encoded = record.encode();
            machine
                .feed(offset, Some(&encoded.key), encoded.value.as_deref())
                .unwrap();
        };
        write(ConfigRecord::Connector {
            connector: name.into(),
            config: Some(ConfigMap::from([("name", name)])),
        });
        for task in 0..tasks {
            write(ConfigRecord::Task {
                id: sluice_protocol::ConnectorTaskId::new(name, task),
                config: ConfigMap::new(),
            });
        }
        write(ConfigRecord::Commit {
            connector: name.into(),
            tasks,
        });
    }
}

/// A worker that does as told and notes what it was told.
struct Worker {
    seen: Arc<Mutex<Seen>>,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    held: Work,
    last: Option<Rebalance>,
    revoked_before_join: usize,
    owner_url: Option<String>,
}

impl Worker {
    fn start(config: GroupConfig, configs: Arc<Configs>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let notes = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut group = WorkerCoordinator::new(config, configs);
            loop {
                let event = tokio::select! {
                    event = group.poll() => event,
                    _ = &mut stopped => break,
                    // Polls are broken off all the time, as by a busy herder.
                    () = tokio::time::sleep(Duration::from_millis(3)) => continue,
                };
                match event {
                    GroupEvent::Revoke { .. } => {
                        let mut notes = notes.lock();
                        notes.held = Work::default();
                        notes.revoked_before_join += 1;
                    }
                    GroupEvent::Assigned(rebalance) => {
                        if rebalance.config_mismatch {
                            group.request_rejoin("configs do not match");
                        } else if !rebalance.revoked.is_empty() {
                            group.request_rejoin("work was revoked");
                        }
                        let mut notes = notes.lock();
                        notes.held = rebalance.held.clone();
                        notes.owner_url = group.connector_owner_url("c0").map(str::to_owned);
                        notes.last = Some(*rebalance);
                    }
                    GroupEvent::CoordinatorLost { .. } => notes.lock().held = Work::default(),
                    GroupEvent::Failed { reason } => panic!("{reason}"),
                }
            }
            group.close("test is over").await;
        });
        Self { seen, stop, task }
    }

    fn connectors(&self) -> BTreeSet<String> {
        let seen = self.seen.lock();
        seen.held
            .connectors
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn tasks(&self) -> BTreeSet<String> {
        let seen = self.seen.lock();
        seen.held.tasks.iter().map(ToString::to_string).collect()
    }

    fn is_leader(&self) -> bool {
        self.seen
            .lock()
            .last
            .as_ref()
            .is_some_and(|last| last.is_leader)
    }

    async fn leave(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }

    fn die(self) {
        self.task.abort();
    }
}

fn config(broker: &TestBroker, name: &str, number: usize, changes: &[(&str, &str)]) -> GroupConfig {
    let mut props: sluice_api::config::Props = [
        ("bootstrap.servers", broker.bootstrap()),
        ("group.id", name),
        ("key.converter", "k"),
        ("value.converter", "v"),
        ("config.storage.topic", "configs"),
        ("offset.storage.topic", "offsets"),
        ("status.storage.topic", "statuses"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "300"),
        ("scheduled.rebalance.max.delay.ms", "1500"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into_iter()
    .collect();
    for (key, value) in changes {
        props.insert((*key).to_owned(), (*value).to_owned());
    }
    let id = format!("w{number}:8083");
    let url = format!("http://{id}/");
    let worker = WorkerSettings::from_props(props, Mode::Distributed).unwrap();
    let cluster = worker.distributed().unwrap();
    GroupConfig::new(&worker.props, cluster, &id.as_str().into(), &url).unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(40);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn group_name(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::new_v4())
}

/// Everything runs once, and loads differ by one at most.
fn placed(workers: &[Worker], connectors: usize, tasks: usize) -> bool {
    let even = |loads: Vec<usize>, total: usize| {
        loads.iter().sum::<usize>() == total
            && loads
                .iter()
                .max()
                .zip(loads.iter().min())
                .is_some_and(|(most, least)| most - least <= 1)
    };
    let distinct: BTreeSet<String> = workers.iter().flat_map(Worker::tasks).collect();
    even(
        workers.iter().map(|w| w.connectors().len()).collect(),
        connectors,
    ) && even(workers.iter().map(|w| w.tasks().len()).collect(), tasks)
        && distinct.len() == tasks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_work_and_take_over_from_one_that_leaves_and_a_leader_that_dies() {
    let broker = TestBroker::start();
    let group = group_name("share");
    let configs = Arc::new(Configs::default());
    for number in 0..6 {
        configs.connector(&format!("c{number}"), 2);
    }
    let mut workers = Vec::new();
    for number in 0..3 {
        let config = config(&broker, &group, number, &[]);
        workers.push(Worker::start(config, Arc::clone(&configs)));
    }
    until("three members share the work", || placed(&workers, 6, 12)).await;
    let protocol = workers[0]
        .seen
        .lock()
        .last
        .as_ref()
        .map(|last| last.protocol);
    assert_eq!(protocol, Some(Subprotocol::Sessioned));
    until("the leader knows the owner of c0", || {
        workers
            .iter()
            .any(|worker| worker.seen.lock().owner_url.is_some())
    })
    .await;

    // A follower leaves: the others wait for the delay, then take over.
    let position = workers
        .iter()
        .position(|worker| !worker.is_leader())
        .unwrap();
    let left = workers.remove(position);
    left.leave().await;
    until("the delay is announced", || {
        workers.iter().all(|worker| {
            worker
                .seen
                .lock()
                .last
                .as_ref()
                .is_some_and(|last| last.delay.is_some())
        })
    })
    .await;
    assert!(!placed(&workers, 6, 12), "taken over without waiting");
    until("two members share the work", || placed(&workers, 6, 12)).await;

    // The leader dies without a word: its session runs out, the other takes over at once.
    let position = workers.iter().position(Worker::is_leader).unwrap();
    workers.remove(position).die();
    until("one member has all the work", || placed(&workers, 6, 12)).await;
    workers.remove(0).leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eager_members_stop_everything_before_they_join() {
    let broker = TestBroker::start();
    let group = group_name("eager");
    let configs = Arc::new(Configs::default());
    for number in 0..3 {
        configs.connector(&format!("c{number}"), 1);
    }
    let mut workers = Vec::new();
    for number in 0..2 {
        let config = config(&broker, &group, number, &[("connect.protocol", "eager")]);
        workers.push(Worker::start(config, Arc::clone(&configs)));
        until("the member has work", || {
            !workers[number].connectors().is_empty()
        })
        .await;
    }
    until("both share the work", || placed(&workers, 3, 3)).await;
    assert!(workers[0].seen.lock().revoked_before_join > 0);
    for worker in workers {
        worker.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_with_one_eager_member_speaks_the_eager_protocol() {
    let broker = TestBroker::start();
    let group = group_name("mixed");
    let configs = Arc::new(Configs::default());
    configs.connector("c0", 3);
    let first = config(&broker, &group, 0, &[]);
    let first = Worker::start(first, Arc::clone(&configs));
    until("the first member has all", || first.tasks().len() == 3).await;
    let second = config(&broker, &group, 1, &[("connect.protocol", "eager")]);
    let workers = [first, Worker::start(second, Arc::clone(&configs))];
    until("both share the work", || placed(&workers, 1, 3)).await;
    let protocol = workers[0]
        .seen
        .lock()
        .last
        .as_ref()
        .map(|last| last.protocol);
    assert_eq!(protocol, Some(Subprotocol::Default));
    for worker in workers {
        worker.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_not_polled_leaves_and_reports_its_work_when_it_comes_back() {
    let broker = TestBroker::start();
    let group = group_name("idle");
    let configs = Arc::new(Configs::default());
    configs.connector("c0", 1);
    let config = config(&broker, &group, 0, &[("rebalance.timeout.ms", "1000")]);
    let mut member = WorkerCoordinator::new(config, configs);
    let GroupEvent::Assigned(first) = member.poll().await else {
        panic!("no assignment");
    };
    assert_eq!(first.held.len(), 2);
    // Long enough for the heartbeat to notice; there is nothing to wait for by condition, the member is idle.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let GroupEvent::Assigned(second) = member.poll().await else {
        panic!("no assignment");
    };
    assert_ne!(second.member_id, first.member_id);
    assert_eq!(second.held, first.held);
    assert!(second.assigned.is_empty() && second.revoked.is_empty());
    member.close("test is over").await;
}

#[tokio::test]
async fn a_coordinator_that_is_gone_costs_the_work() {
    let broker = TestBroker::start();
    let group = group_name("lost");
    let configs = Arc::new(Configs::default());
    configs.connector("c0", 1);
    let mut config = config(&broker, &group, 0, &[]);
    config.heartbeat_interval = Duration::from_millis(300);
    let mut member = WorkerCoordinator::new(config, configs);
    let GroupEvent::Assigned(first) = member.poll().await else {
        panic!("no assignment");
    };
    assert_eq!(first.held.len(), 2);
    // From now on nobody answers, on the bootstrap address neither.
    member.break_for_test("127.0.0.1:9");
    match member.poll().await {
        GroupEvent::CoordinatorLost { work } => assert_eq!(work, first.held),
        other => panic!("{other:?}"),
    }
}

/// What a group committed, without the texts beside it.
async fn offsets(admin: &Admin, group: &str) -> Vec<(TopicPartition, i64)> {
    let offsets = admin.offsets(group, true).await.unwrap().into_iter();
    offsets.map(|(of, found)| (of, found.offset)).collect()
}

#[tokio::test]
async fn offsets_of_a_group_are_altered_listed_deleted_and_the_group_too() {
    let broker = TestBroker::start();
    let config = config(&broker, "unused", 0, &[]);
    let props: sluice_api::config::Props = [(
        "bootstrap.servers".to_owned(),
        config.client.bootstrap_servers.join(","),
    )]
    .into_iter()
    .collect();
    let admin = Admin::new(&props).unwrap();
    assert!(!admin.cluster_id().await.unwrap().is_empty());

    let topic = group_name("topic");
    let client = sluice_kafka::client::config::librdkafka_config(
        sluice_kafka::client::keys::ClientKind::Admin,
        &props,
        &sluice_api::config::Props::new(),
    )
    .unwrap();
    let creator: rdkafka::admin::AdminClient<_> = client.create().unwrap();
    let new = rdkafka::admin::NewTopic::new(&topic, 2, rdkafka::admin::TopicReplication::Fixed(1));
    creator
        .create_topics([&new], &rdkafka::admin::AdminOptions::new())
        .await
        .unwrap();

    let group = group_name("offsets");
    assert_eq!(offsets(&admin, &group).await, []);
    assert_eq!(admin.describe_group(&group).await.unwrap(), None);
    let of = |partition| TopicPartition::new(topic.as_str(), partition);
    let wanted = [(of(0), 5), (of(1), 7)];
    let wanted = wanted.map(|(of, offset)| (of, OffsetAndMetadata::new(offset)));
    admin.alter_offsets(&group, &wanted.into()).await.unwrap();
    assert_eq!(offsets(&admin, &group).await, [(of(0), 5), (of(1), 7)]);
    let listed = admin.list_groups().await.unwrap();
    assert!(
        listed.iter().any(|found| found.group == group),
        "{listed:?}"
    );
    let other = group_name("nobody");
    let many = admin.offsets_of_groups(&[&group, &other]).await.unwrap();
    assert_eq!(many[&group].len(), 2);
    assert!(many[&other].is_empty(), "{many:?}");
    admin.delete_offsets(&group, &[of(0)]).await.unwrap();
    assert_eq!(offsets(&admin, &group).await, [(of(1), 7)]);
    admin.delete_group(&group).await.unwrap();
    admin.delete_group(&group).await.unwrap();
    assert_eq!(offsets(&admin, &group).await, []);
    let ends = admin.end_offsets(&[of(0), of(9)]).await.unwrap();
    assert_eq!(ends, [(of(0), 0)].into());
    admin.fence_producer(&group_name("producer")).await.unwrap();
}

/// A way to a broker that counts connections, and can close or freeze those that are open.
struct Way {
    address: String,
    accepted: Arc<AtomicUsize>,
    close: Arc<Notify>,
    freeze: Arc<Notify>,
}

async fn way_to(broker: String) -> Way {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = Way {
        address: listener.local_addr().unwrap().to_string(),
        accepted: Arc::default(),
        close: Arc::default(),
        freeze: Arc::default(),
    };
    let (accepted, close, freeze) = (
        Arc::clone(&way.accepted),
        Arc::clone(&way.close),
        Arc::clone(&way.freeze),
    );
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::Relaxed);
            let (close, freeze) = (Arc::clone(&close), Arc::clone(&freeze));
            let mut far = TcpStream::connect(&broker).await.unwrap();
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = close.notified() => {}
                    () = freeze.notified() => std::future::pending().await,
                }
            });
        }
    });
    way
}

#[tokio::test]
async fn admin_calls_keep_their_connection_as_long_as_the_broker_answers_on_it() {
    let broker = TestBroker::start();
    let way = way_to(broker.bootstrap().to_owned()).await;
    let props: sluice_api::config::Props = [
        ("bootstrap.servers", way.address.as_str()),
        ("default.api.timeout.ms", "1000"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let admin = Admin::new(&props).unwrap();
    let accepted = || way.accepted.load(Ordering::Relaxed);
    for _ in 0..5 {
        admin.clone().cluster_id().await.unwrap();
    }
    assert_eq!(accepted(), 1);

    // Whether the end was seen before the call or only by it, the call does not fail.
    way.close.notify_waiters();
    admin.cluster_id().await.unwrap();
    assert_eq!(accepted(), 2);

    // Nothing answers and nothing is closed: the call that waits in vain is the only one.
    way.freeze.notify_waiters();
    let error = admin.cluster_id().await.unwrap_err();
    assert!(matches!(error, AdminError::Timeout { .. }), "{error}");
    admin.cluster_id().await.unwrap();
    assert_eq!(accepted(), 3);
}

#[tokio::test]
async fn a_group_with_members_refuses_to_be_changed_and_can_be_described() {
    let broker = TestBroker::start();
    let group = group_name("busy");
    let config = config(&broker, &group, 0, &[]);
    let props: sluice_api::config::Props = [(
        "bootstrap.servers".to_owned(),
        config.client.bootstrap_servers.join(","),
    )]
    .into_iter()
    .collect();
    let admin = Admin::new(&props).unwrap();
    let mut member = WorkerCoordinator::new(config, Arc::new(Configs::default()));
    assert!(matches!(member.poll().await, GroupEvent::Assigned(_)));
    let error = admin.delete_group(&group).await.unwrap_err();
    assert!(error.group_has_members(), "{error}");
    let described = admin.describe_group(&group).await.unwrap().unwrap();
    assert_eq!(described.group_type, GroupType::Classic);
    assert_eq!(described.protocol, "sessioned");
    let nobody = group_name("nobody");
    let many = admin.describe_groups(&[&group, &nobody]).await.unwrap();
    assert_eq!(many, [(group.clone(), described.clone())].into());
    let metadata =
        sluice_protocol::group::MemberMetadata::decode(&described.members[0].metadata).unwrap();
    assert_eq!(metadata.url, "http://w0:8083/");
    member.close("test is over").await;
}
