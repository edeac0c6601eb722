//! Small clusters for tests, at a fixed time, in every state the screens must be good in.

use std::sync::Arc;

use sluice_protocol::{ConfigMap, ConnectorType, State, TargetState};

use super::cluster::{
    Connector, Group, Link, PartitionLag, Rebalance, Task, TaskFigures, Worker, WorkerHealth,
    WorkerKind,
};
use super::event::{By, ClusterEvent, Object, Severity};
use super::trace::Trace;
use super::{ContextSummary, Model};
use crate::text::Text;
use crate::units::Millis;

/// The time of all fixtures, 2026-11-22 14:07:02 UTC.
pub(crate) const NOW: Millis = 1_795_356_422_000;

const TRACE: &str = "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.\n\
    \tat org.apache.kafka.connect.runtime.WorkerSinkTask.deliverMessages(WorkerSinkTask.java:632)\n\
    \tat org.apache.kafka.connect.runtime.WorkerSinkTask.poll(WorkerSinkTask.java:350)\n\
    Caused by: com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied; Request ID: 4442587FB7D0A2F9)\n\
    \tat io.confluent.connect.s3.storage.S3OutputStream.uploadPart(S3OutputStream.java:211)\n\
    \t... 12 more\n";

/// A sink in `state` with tasks in these states, spread over three workers.
pub(crate) fn connector(name: &str, state: State, tasks: &[State]) -> Connector {
    let mut connector = Connector::new(name.into());
    connector.kind = ConnectorType::Sink;
    connector.state = state;
    connector.worker = Text::line("w1:8083");
    for (id, state) in (0_u32..).zip(tasks) {
        let mut task = Task::new(id, *state);
        if *state != State::Unassigned {
            task.worker = Text::line(&format!("w{}:8083", id % 3 + 1));
        }
        if *state == State::Failed {
            task.trace = Some(Arc::new(Trace::parse(TRACE)));
        }
        connector.tasks.insert(id, task);
    }
    connector.recompute(NOW);
    connector
}

fn config(class: &str, more: &[(&str, &str)]) -> Arc<ConfigMap> {
    let mut config = ConfigMap::from([("connector.class", class), ("tasks.max", "4")]);
    for (key, value) in more {
        config.set(*key, *value);
    }
    Arc::new(config)
}

fn context() -> Vec<ContextSummary> {
    let one = |name: &str, url: &str, readonly| ContextSummary {
        name: Text::line(name),
        urls: Text::line(url),
        bootstrap: Some(Text::line("k1:9092")),
        readonly,
        careful: false,
        assumed: false,
        seen: None,
    };
    vec![
        one("prod-eu", "http://w1:8083, http://w2:8083", false),
        one("staging", "http://s1:8083", true),
    ]
}

/// Nothing heard of yet.
pub(crate) fn connecting() -> Model {
    let mut model = Model::new(context(), 0, false, NOW - 300_000);
    model.session.now = NOW;
    model.cluster_mut().rest = Link::Connecting;
    model
}

/// A cluster without connectors.
pub(crate) fn empty() -> Model {
    let mut model = connecting();
    model.cluster_mut().rest = Link::Up;
    model.cluster_mut().brokers = Link::Up;
    model.cluster_mut().listed = Some(NOW - 400);
    model.cluster_mut().version = Some(Text::line("4.3.0"));
    model.ui.stale_index = true;
    model
}

fn workers(model: &mut Model) {
    for (i, kind) in [WorkerKind::Jvm, WorkerKind::Jvm, WorkerKind::Agent]
        .into_iter()
        .enumerate()
    {
        let id = Text::line(&format!("w{}:8083", i + 1));
        let mut worker = Worker::new(id.clone());
        worker.kind = Some(kind);
        worker.member = Some(true);
        worker.leader = Some(i == 0);
        worker.health = Some(WorkerHealth::Ok);
        worker.version = Some(Text::line(if kind == WorkerKind::Jvm {
            "4.3.0"
        } else {
            "0.1.0"
        }));
        if kind == WorkerKind::Agent {
            worker.cpu = Some(0.08);
            worker.memory = Some(61 << 20);
            worker.started = Some(NOW - 7_200_000);
            worker.seen = Some(NOW - 900);
        }
        model.cluster_mut().workers.insert(id, worker);
    }
    model.cluster_mut().group = Some(Group {
        id: Text::line("connect-prod"),
        state: Text::line("Stable"),
        protocol: Text::line("sessioned"),
        generation: Some(41),
        delay: Some(0),
        delay_until: None,
        unsettled: None,
        assigned: Default::default(),
        changes: 0,
    });
    model.cluster_mut().group_at = Some(NOW - 800);
}

fn rates(connector: &mut Connector, rate: f64) {
    connector.rate = Some(rate);
    connector.errors = Some(0);
    connector.restarts = Some(0);
    connector.changed = Some(NOW - 172_800_000);
    let n = connector.tasks.len().max(1) as f64;
    for task in connector
        .tasks
        .values_mut()
        .filter(|task| task.state == State::Running)
    {
        task.changed = Some(NOW - 172_800_000);
        task.restarts = Some(0);
        task.figures = Some(Box::new(TaskFigures {
            rate: Some(rate / n),
            batch_avg: Some(500.0),
            commit_ms: Some(21.4),
            errors: Some(0),
            partitions: vec![
                (Text::line("orders"), task.id as i32),
                (Text::line("orders"), task.id as i32 + 4),
            ],
            committed_at: Some(NOW - 2_000),
            at: NOW - 900,
            ..TaskFigures::default()
        }));
    }
}

fn lagging(connector: &mut Connector, lag: i64) {
    connector.lag = Some(lag);
    connector.lag_at = Some(NOW - 1_000);
    connector.moved = Some(NOW - 2_000);
    let n = connector.tasks.len().max(1) as i64;
    for task in connector.tasks.values_mut() {
        task.lag = Some(lag / n);
    }
    connector.trend = (0..24).map(|i| Some((lag * i / 24) as f64)).collect();
}

fn add(model: &mut Model, mut connector: Connector) {
    connector.recompute(NOW);
    for (partition, task) in (0..).zip(connector.tasks.keys()) {
        if let Some(lag) = connector.lag {
            let share = lag / connector.tasks.len().max(1) as i64;
            let place = PartitionLag {
                connector: connector.name.clone(),
                topic: Text::line("orders"),
                partition,
                end: Some(9_100_000),
                committed: Some(9_100_000 - share),
                start: None,
                task: Some(*task),
                slope: Some(if share > 1_000 { 9.5 } else { -3.0 }),
                at: NOW - 1_000,
            };
            let key = (connector.name.clone(), place.topic.clone(), partition);
            model.cluster_mut().partitions.insert(key, place);
        }
    }
    model
        .cluster_mut()
        .connectors
        .insert(connector.name.clone(), connector);
}

/// A cluster in which everything runs.
pub(crate) fn healthy() -> Model {
    use State::Running;
    let mut model = empty();
    workers(&mut model);
    let mut jdbc = connector("orders-jdbc-0001", Running, &[Running; 4]);
    jdbc.config = config(
        "io.confluent.connect.jdbc.JdbcSinkConnector",
        &[
            ("topics", "orders"),
            ("connection.url", "jdbc:postgresql://db:5432/orders"),
            ("connection.password", "geheim"),
            ("ssl.key.password", "${file:/etc/s.props:key}"),
        ],
    );
    rates(&mut jdbc, 3_400.0);
    lagging(&mut jdbc, 12);
    add(&mut model, jdbc);
    let mut cdc = connector("inv-dbz-0007", Running, &[Running]);
    cdc.kind = ConnectorType::Source;
    cdc.config = config(
        "io.debezium.connector.postgresql.PostgresConnector",
        &[("topic.prefix", "inv")],
    );
    rates(&mut cdc, 210.0);
    cdc.moved = Some(NOW - 3_000);
    add(&mut model, cdc);
    let mut audit = connector("audit-s3-0005", State::Paused, &[State::Paused; 2]);
    audit.config = config(
        "io.confluent.connect.s3.S3SinkConnector",
        &[("topics", "audit")],
    );
    rates(&mut audit, 0.0);
    lagging(&mut audit, 77_000);
    add(&mut model, audit);
    model.cluster_mut().live = true;
    model.cluster_mut().lag_at = Some(NOW - 1_000);
    model.cluster_mut().telemetry_at = Some(NOW - 900);
    model.ui.stale_index = true;
    model
}

/// As healthy, and some of it broken in each way.
pub(crate) fn failing() -> Model {
    use State::{Failed, Running};
    let mut model = healthy();
    let mut jdbc = connector("orders-jdbc-0113", Running, &[Failed; 4]);
    jdbc.config = config(
        "io.confluent.connect.jdbc.JdbcSinkConnector",
        &[("topics", "orders")],
    );
    rates(&mut jdbc, 0.0);
    lagging(&mut jdbc, 812_000);
    jdbc.errors = Some(4);
    jdbc.restarts = Some(7);
    jdbc.changed = Some(NOW - 120_000);
    add(&mut model, jdbc);
    let mut s3 = connector(
        "orders-s3-0042",
        Running,
        &[Running, Failed, Running, Running],
    );
    s3.config = config(
        "io.confluent.connect.s3.S3SinkConnector",
        &[
            ("topics", "orders"),
            ("errors.deadletterqueue.topic.name", "dlq.orders"),
            ("aws.secret.access.key", "geheim"),
        ],
    );
    s3.version = Some(Text::line("10.5.7"));
    rates(&mut s3, 1_200.0);
    lagging(&mut s3, 41_000);
    s3.restarts = Some(2);
    s3.changed = Some(NOW - 660_000);
    if let Some(task) = s3.tasks.get_mut(&1) {
        task.changed = Some(NOW - 660_000);
        task.restarts = Some(2);
    }
    add(&mut model, s3);
    let mut none = connector("ghost-es-0003", Running, &[]);
    none.config = config(
        "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
        &[("topics", "ghost")],
    );
    add(&mut model, none);
    let mut stalled = connector("clicks-hdfs-0009", Running, &[Running; 2]);
    stalled.config = config(
        "io.confluent.connect.hdfs.HdfsSinkConnector",
        &[("topics", "clicks")],
    );
    rates(&mut stalled, 0.0);
    lagging(&mut stalled, 9_800);
    stalled.moved = Some(NOW - 2_280_000);
    add(&mut model, stalled);
    let denied = || ClusterEvent::State {
        from: Some(Running),
        to: Failed,
        root: Some(Text::line("AmazonS3Exception: Access Denied")),
    };
    let task = |connector: &str, id| Object::Task(connector.into(), id);
    let jdbc = Object::Connector("orders-jdbc-0001".into());
    let paused = ClusterEvent::Target(TargetState::Paused);
    for (ago, severity, object, what) in [
        (
            660_000,
            Severity::Error,
            task("orders-s3-0042", 1),
            denied(),
        ),
        (
            120_000,
            Severity::Error,
            task("orders-jdbc-0113", 2),
            denied(),
        ),
        (60_000, Severity::Info, jdbc, paused),
    ] {
        let by = By::Worker(Text::line("w2:8083"));
        let cluster = model.cluster_mut();
        cluster.record(NOW - ago, severity, by, object, what);
    }
    model.ui.stale_index = true;
    model
}

/// A worker has left; its tasks wait for the delay to end.
pub(crate) fn rebalancing() -> Model {
    use State::{Restarting, Running, Unassigned};
    let mut model = healthy();
    let mut clicks = connector(
        "clicks-es-0201",
        Running,
        &[Running, Unassigned, Unassigned, Unassigned],
    );
    clicks.config = config(
        "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
        &[("topics", "clicks")],
    );
    rates(&mut clicks, 210.0);
    lagging(&mut clicks, 9_800);
    clicks.changed = Some(NOW - 3_000);
    add(&mut model, clicks);
    let mut users = connector("users-mm2-0009", Running, &[Restarting, Restarting]);
    users.kind = ConnectorType::Source;
    users.config = config(
        "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        &[("topics", "users")],
    );
    users.changed = Some(NOW - 1_000);
    users.restarts = Some(3);
    add(&mut model, users);
    let mut pausing = connector(
        "audit-s3-0006",
        State::Paused,
        &[State::Paused, Running, Running, State::Paused],
    );
    pausing.config = config(
        "io.confluent.connect.s3.S3SinkConnector",
        &[("topics", "audit")],
    );
    pausing.changed = Some(NOW - 9_000);
    add(&mut model, pausing);
    if let Some(worker) = model.cluster_mut().workers.get_mut(&Text::line("w2:8083")) {
        worker.member = Some(false);
        worker.leader = None;
        worker.health = Some(WorkerHealth::Unreachable(Text::line("connection refused")));
    }
    if let Some(group) = &mut model.cluster_mut().group {
        group.state = Text::line("PreparingRebalance");
        group.delay = Some(240_000);
        group.delay_until = Some(NOW + 240_000);
    }
    for (generation, start, duration, cause, joined, left, moved, delay) in [
        (39, NOW - 800_000, 900, "w2:8083 left", 0, 1, 0, 300_000),
        (
            40,
            NOW - 500_000,
            2_000,
            "delay over, w2:8083 back",
            1,
            0,
            441,
            0,
        ),
        (41, NOW - 3_100, 3_100, "w2:8083 left", 0, 1, 0, 300_000),
    ] {
        model.cluster_mut().rebalances.push_front(Rebalance {
            generation: Some(generation),
            start,
            duration: Some(duration),
            cause: Text::line(cause),
            joined: Some(joined),
            left: Some(left),
            assigned: Some(moved),
            revoked: Some(0),
            delay: Some(delay),
            members: None,
            leader: None,
        });
    }
    model.cluster_mut().mark_lost(NOW);
    model.ui.stale_index = true;
    model
}

/// As failing, and neither REST nor the brokers answer any more.
pub(crate) fn disconnected() -> Model {
    let mut model = failing();
    model.cluster_mut().rest = Link::Down {
        error: Text::line("http://w1:8083: Connection refused (os error 111)"),
        since: NOW - 42_000,
        attempt: 9,
    };
    model.cluster_mut().brokers = Link::Down {
        error: Text::line("k1:9092: all broker connections are down"),
        since: NOW - 40_000,
        attempt: 8,
    };
    model.cluster_mut().live = false;
    model.cluster_mut().listed = Some(NOW - 43_000);
    model.ui.stale_index = true;
    model
}

/// Never connected, and it does not work.
pub(crate) fn unreachable() -> Model {
    let mut model = connecting();
    model.cluster_mut().rest = Link::Down {
        error: Text::line("http://w1:8083: Connection refused (os error 111)"),
        since: NOW - 5_000,
        attempt: 3,
    };
    model.ui.stale_index = true;
    model
}
