//! What is known about one Connect cluster: connectors, tasks, workers, group, lag, events. Built from
//! [news](super::news::Update) alone: the same news at the same times make the same cluster.
//!
//! `None` always means "not known"; it is never shown as 0. Times are wall-clock milliseconds from the data
//! or from the moment of observation.

mod apply;
mod figures;
mod group;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use sluice_protocol::{ConfigMap, ConnectorName, ConnectorType, State, TargetState};

use super::event::Events;
use super::health::{self, Health, STALL_AFTER, TaskCounts};
use super::trace::Trace;
use crate::text::Text;
use crate::units::Millis;

/// Brokers that answered and are silent for so long, in milliseconds, leave nobody who knows whether work
/// gets on.
const UNSURE_AFTER: Millis = 5_000;

/// Samples kept for a trend, one per [`TREND_EVERY`].
pub(crate) const TREND_SAMPLES: usize = 60;
/// Distance between two samples of a trend.
pub(crate) const TREND_EVERY: Millis = 15_000;

/// A connector with its tasks.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    /// The name as Kafka knows it; for requests and keys, not for drawing.
    pub(crate) name: ConnectorName,
    /// The name for drawing.
    pub(crate) label: Text,
    pub(crate) kind: ConnectorType,
    /// State of the connector instance.
    pub(crate) state: State,
    /// Worker that runs the connector instance.
    pub(crate) worker: Text,
    /// Plugin version, where the server reports it.
    pub(crate) version: Option<Text>,
    /// Why the connector instance failed.
    pub(crate) trace: Option<Arc<Trace>>,
    /// State asked for, from the config topic.
    pub(crate) target: Option<TargetState>,
    /// Stored configuration; holds secrets, so it is drawn only through `mask`.
    pub(crate) config: Arc<ConfigMap>,
    pub(crate) tasks: BTreeMap<u32, Task>,
    /// How often the state of the instance was heard of: each record of the status topic, each change that
    /// REST reported.
    pub(crate) heard: u64,
    /// The worker of the instance is gone, see [`Cluster::mark_lost`].
    pub(crate) lost: bool,
    /// When a state last changed: record time, or when we saw it. `None` before the first change we know of.
    pub(crate) changed: Option<Millis>,
    /// When it appeared, if that was after we started to watch.
    pub(crate) appeared: Option<Millis>,
    /// Restarts seen since we watch, `None` when restarts can't be seen (REST only).
    pub(crate) restarts: Option<u32>,
    /// Records behind the end of the input topics.
    pub(crate) lag: Option<i64>,
    /// When the lag was taken.
    pub(crate) lag_at: Option<Millis>,
    /// When a committed offset last moved, or when we first looked.
    pub(crate) moved: Option<Millis>,
    /// Records per second through the connector.
    pub(crate) rate: Option<f64>,
    /// Errors counted by its tasks.
    pub(crate) errors: Option<i64>,
    /// Trend: lag for sinks, rate for sources.
    pub(crate) trend: VecDeque<Option<f64>>,
    /// When the last sample of the trend was taken.
    pub(crate) trend_at: Millis,
    /// Computed: counts of task states.
    pub(crate) counts: TaskCounts,
    pub(crate) health: Health,
}

impl Connector {
    /// A connector of which only the name is known yet.
    pub(crate) fn new(name: ConnectorName) -> Self {
        Self {
            label: Text::name(&name),
            name,
            kind: ConnectorType::Unknown,
            state: State::Unassigned,
            worker: Text::default(),
            version: None,
            trace: None,
            target: None,
            config: Arc::default(),
            tasks: BTreeMap::new(),
            heard: 0,
            lost: false,
            changed: None,
            appeared: None,
            restarts: None,
            lag: None,
            lag_at: None,
            moved: None,
            rate: None,
            errors: None,
            trend: VecDeque::new(),
            trend_at: 0,
            counts: TaskCounts::default(),
            health: Health::Rebalance,
        }
    }

    /// The plugin class, cut for drawing.
    pub(crate) fn class(&self) -> Text {
        Text::line(self.config.text("connector.class").unwrap_or("?"))
    }

    /// The consumer group of a sink.
    pub(crate) fn group(&self) -> Option<String> {
        (self.kind == ConnectorType::Sink).then(|| {
            self.config
                .text("consumer.override.group.id")
                .map_or_else(|| format!("connect-{}", self.name), str::to_owned)
        })
    }

    /// The topics of a sink as configured, or the topic of a source.
    pub(crate) fn topics(&self) -> Option<&str> {
        ["topics", "topics.regex", "topic"]
            .into_iter()
            .find_map(|key| self.config.text(key))
    }

    /// The dead letter queue topic, if one is configured.
    pub(crate) fn dlq(&self) -> Option<&str> {
        self.config
            .text("errors.deadletterqueue.topic.name")
            .filter(|name| !name.is_empty())
    }

    /// Whether there is input but committed offsets stand still.
    pub(crate) fn is_stalled(&self, now: Millis) -> bool {
        self.lag.is_some_and(|lag| lag > 0)
            && self.moved.is_some_and(|moved| now - moved > STALL_AFTER)
    }

    /// Computes counts and health anew.
    pub(crate) fn recompute(&mut self, now: Millis) {
        self.counts = TaskCounts::of(self.tasks.values());
        self.health = health::of(self, now);
    }

    /// Adds a sample to the trend when the last one is old enough.
    pub(crate) fn sample(&mut self, now: Millis) {
        if now - self.trend_at < TREND_EVERY {
            return;
        }
        self.trend_at = now;
        let value = match self.kind {
            ConnectorType::Sink => self.lag.map(|lag| lag as f64),
            _ => self.rate,
        };
        if value.is_none() && self.trend.is_empty() {
            return;
        }
        if self.trend.len() == TREND_SAMPLES {
            self.trend.pop_front();
        }
        self.trend.push_back(value);
    }

    /// The trace worth showing first: that of the connector, else of the first failed task.
    pub(crate) fn first_trace(&self) -> Option<(Option<u32>, &Arc<Trace>)> {
        self.trace.as_ref().map(|trace| (None, trace)).or_else(|| {
            self.tasks
                .values()
                .find_map(|task| task.trace.as_ref().map(|trace| (Some(task.id), trace)))
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Number within the connector.
    pub(crate) id: u32,
    pub(crate) state: State,
    /// Worker it runs on.
    pub(crate) worker: Text,
    /// Why it failed; `None` unless it did.
    pub(crate) trace: Option<Arc<Trace>>,
    /// How often its state was heard of, as for [`Connector::heard`].
    pub(crate) heard: u64,
    /// Its worker is gone, see [`Cluster::mark_lost`].
    pub(crate) lost: bool,
    /// When the state last changed, as for [`Connector::changed`].
    pub(crate) changed: Option<Millis>,
    /// Generation of the worker when it wrote the state (status topic only).
    pub(crate) generation: Option<i32>,
    /// Restarts, as for [`Connector::restarts`].
    pub(crate) restarts: Option<u32>,
    /// Figures from telemetry, `None` where the worker writes none. Boxed, because on most clusters there
    /// are none and tasks are many.
    pub(crate) figures: Option<Box<TaskFigures>>,
    /// Lag of a sink task, where its partitions are known.
    pub(crate) lag: Option<i64>,
}

impl Task {
    /// A task just heard of.
    pub(crate) fn new(id: u32, state: State) -> Self {
        Self {
            id,
            state,
            worker: Text::default(),
            trace: None,
            heard: 0,
            lost: false,
            changed: None,
            generation: None,
            restarts: None,
            figures: None,
            lag: None,
        }
    }
}

/// Figures a worker reports of one task.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TaskFigures {
    /// Records per second in the last interval of its worker.
    pub(crate) rate: Option<f64>,
    /// Mean records of a batch.
    pub(crate) batch_avg: Option<f64>,
    /// Mean time of an offset commit in milliseconds.
    pub(crate) commit_ms: Option<f64>,
    /// Errors: failed, skipped or dead-lettered records.
    pub(crate) errors: Option<i64>,
    pub(crate) last_error: Option<Text>,
    /// Topic partitions of a sink task.
    pub(crate) partitions: Vec<(Text, i32)>,
    /// When the source last committed an offset.
    pub(crate) committed_at: Option<Millis>,
    /// When the worker reported this.
    pub(crate) at: Millis,
}

/// Kind of a worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WorkerKind {
    /// A JVM Connect worker.
    Jvm,
    /// A Sluice agent, which writes telemetry.
    Agent,
}

impl WorkerKind {
    /// The word for the KIND column.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Jvm => "jvm",
            Self::Agent => "agent",
        }
    }
}

/// How a worker answered `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WorkerHealth {
    /// Status 200: it is ready.
    Ok,
    /// 200 with a warning: an agent has connectors in its cluster that it cannot run.
    Warns(Text),
    /// 503, or the endpoint is there but the worker is not ready.
    NotReady(Text),
    /// No answer: no such host, timeout.
    Unreachable(Text),
    /// Its host is there, and nothing listens at its address.
    Refused(Text),
    /// Too old to have the endpoint (before 3.9), but it answers.
    Answers,
}

/// A process that runs connectors and tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Worker {
    /// `host:port` of its REST URL, for drawing.
    pub(crate) id: Text,
    pub(crate) kind: Option<WorkerKind>,
    /// Version that it reports of itself.
    pub(crate) version: Option<Text>,
    /// Whether it leads the group.
    pub(crate) leader: Option<bool>,
    /// Answer to the health request.
    pub(crate) health: Option<WorkerHealth>,
    /// Connector instances on it, computed from states.
    pub(crate) connectors: usize,
    /// Tasks on it, computed from states.
    pub(crate) tasks: usize,
    /// Share of one core, 1.0 = one core busy.
    pub(crate) cpu: Option<f64>,
    /// Resident memory in bytes.
    pub(crate) memory: Option<u64>,
    /// Records per second through its tasks.
    pub(crate) rate: Option<f64>,
    /// When the process started.
    pub(crate) started: Option<Millis>,
    /// Whether it is a member of the group now; `None` when the group can't be seen.
    pub(crate) member: Option<bool>,
    /// When it last reported (telemetry).
    pub(crate) seen: Option<Millis>,
}

impl Worker {
    /// Whether its process is known to be gone: it is not a member of the group. Where the group can't be
    /// seen, a refused connection at its address says so; silence does not.
    pub(crate) fn is_gone(&self) -> bool {
        match self.member {
            Some(member) => !member,
            None => matches!(self.health, Some(WorkerHealth::Refused(_))),
        }
    }

    /// What it warns of although it is well.
    pub(crate) fn warning(&self) -> Option<&str> {
        match &self.health {
            Some(WorkerHealth::Warns(warning)) => Some(warning.as_str()),
            _ => None,
        }
    }

    /// A worker just heard of.
    pub(crate) fn new(id: Text) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }
}

/// The Connect group as the coordinator describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// Id of the group, for drawing.
    pub(crate) id: Text,
    /// Coordinator state: `Stable`, `PreparingRebalance`, ...
    pub(crate) state: Text,
    /// Subprotocol: `sessioned`, `compatible`, `default`.
    pub(crate) protocol: Text,
    /// Generation, from telemetry. Coordinators do not report it.
    pub(crate) generation: Option<i32>,
    /// Delay of the current rebalance in milliseconds.
    pub(crate) delay: Option<i64>,
    /// When that delay is over and work of workers that left is given to others.
    pub(crate) delay_until: Option<Millis>,
    /// Since when it is not settled, if a look saw that.
    pub(crate) unsettled: Option<Millis>,
    /// Which worker got which connectors (`name`) and tasks (`name-n`) with the last rebalance seen.
    pub(crate) assigned: BTreeMap<Text, Text>,
    /// Changes of membership or assignment seen since we watch; stands in for the generation on JVM clusters.
    pub(crate) changes: u32,
}

/// One rebalance, reported by an agent or noticed by us.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rebalance {
    /// Generation it made, if known.
    pub(crate) generation: Option<i32>,
    pub(crate) start: Millis,
    /// How long it took; `None` while it lasts or when not known.
    pub(crate) duration: Option<Millis>,
    pub(crate) cause: Text,
    pub(crate) joined: Option<usize>,
    pub(crate) left: Option<usize>,
    /// Connectors and tasks given to a worker.
    pub(crate) assigned: Option<usize>,
    /// Connectors and tasks taken from a worker.
    pub(crate) revoked: Option<usize>,
    /// Scheduled delay in milliseconds.
    pub(crate) delay: Option<i64>,
    /// Members after it; `None` where only a report without them came.
    pub(crate) members: Option<BTreeSet<Text>>,
    /// Who leads after it.
    pub(crate) leader: Option<Text>,
}

/// Committed and end offset of one partition that a sink reads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartitionLag {
    pub(crate) connector: ConnectorName,
    pub(crate) topic: Text,
    pub(crate) partition: i32,
    pub(crate) end: Option<i64>,
    /// Committed offset; `None` when nothing was committed yet.
    pub(crate) committed: Option<i64>,
    /// First offset, where a sink that committed nothing yet begins with it.
    pub(crate) start: Option<i64>,
    /// Task that reads it, where known.
    pub(crate) task: Option<u32>,
    /// Change of lag per second between the last two looks.
    pub(crate) slope: Option<f64>,
    /// When it was taken.
    pub(crate) at: Millis,
}

impl PartitionLag {
    /// End minus committed; where nothing is committed yet, end minus start, if the sink is known to begin
    /// there.
    pub(crate) fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed.or(self.start)?).max(0))
    }

    /// Seconds until the lag is gone at the present pace; `None` when it does not shrink.
    pub(crate) fn eta(&self) -> Option<i64> {
        let lag = self.lag()?;
        let slope = self.slope?;
        (slope < -0.01).then(|| (lag as f64 / -slope) as i64)
    }
}

/// How the connection to one source of data fares.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) enum Link {
    /// Not configured, with the reason to show.
    #[default]
    Absent,
    /// Asked, no answer yet.
    Connecting,
    Up,
    Down {
        error: Text,
        /// When it answered last, or was asked first.
        since: Millis,
        /// How many times it was asked since then.
        attempt: u32,
    },
}

/// Partitions by connector, topic and number.
pub(crate) type Partitions = BTreeMap<(ConnectorName, Text, i32), PartitionLag>;

/// Everything known about a cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    /// When the terminal began to watch it.
    pub(crate) since: Millis,
    /// Number of the connection that reports it; news of others are not about it.
    pub(crate) epoch: u64,
    /// What happened in it.
    pub(crate) events: Events,
    pub(crate) connectors: BTreeMap<ConnectorName, Connector>,
    pub(crate) workers: BTreeMap<Text, Worker>,
    /// Group, when the brokers can be asked.
    pub(crate) group: Option<Group>,
    /// Rebalances that were seen, the newest first.
    pub(crate) rebalances: VecDeque<Rebalance>,
    /// Partitions read by sinks.
    pub(crate) partitions: Partitions,
    pub(crate) rest: Link,
    pub(crate) brokers: Link,
    /// Whether the brokers ever answered.
    pub(crate) brokers_seen: bool,
    /// When the list was asked for that has not been answered for some seconds.
    pub(crate) waiting: Option<Millis>,
    /// Topics or group that were chosen without proof that they are this cluster's, for the header.
    pub(crate) guessed: Option<Text>,
    /// URL that answers at the moment.
    pub(crate) url: Option<Text>,
    /// Version that its server reports.
    pub(crate) version: Option<Text>,
    pub(crate) kafka_cluster_id: Option<Text>,
    /// When the list of connectors was last known to be right.
    pub(crate) listed: Option<Millis>,
    /// When lag was last looked at.
    pub(crate) lag_at: Option<Millis>,
    /// When the group was last looked at.
    pub(crate) group_at: Option<Millis>,
    /// Whether the status topic is being tailed.
    pub(crate) live: bool,
    /// Target states of the config topic; `None` while it is not read.
    pub(crate) targets: Option<BTreeMap<ConnectorName, TargetState>>,
    /// Whether any worker writes telemetry.
    pub(crate) telemetry_at: Option<Millis>,
    /// Internal topics found, or why not; for the facts of the workers screen.
    pub(crate) topic_notes: Vec<Text>,
}

impl Cluster {
    /// A cluster of which nothing is known yet, watched since then by this connection.
    pub(crate) fn new(since: Millis, epoch: u64) -> Self {
        Self {
            since,
            epoch,
            ..Self::default()
        }
    }

    /// The task with this number.
    pub(crate) fn task(&self, connector: &str, task: u32) -> Option<&Task> {
        self.connectors.get(connector)?.tasks.get(&task)
    }

    /// How many connectors are bad.
    pub(crate) fn bad(&self) -> usize {
        self.connectors
            .values()
            .filter(|c| c.health.is_bad())
            .count()
    }

    /// Sum of known lag, and of how many sinks it is not known.
    pub(crate) fn total_lag(&self) -> (Option<i64>, usize) {
        let sinks = || {
            let kind = |c: &&Connector| c.kind == ConnectorType::Sink;
            self.connectors.values().filter(kind)
        };
        let known = sinks().filter_map(|c| c.lag).reduce(i64::saturating_add);
        (known, sinks().filter(|c| c.lag.is_none()).count())
    }

    /// Since when REST gives no answer.
    pub(crate) fn silent_since(&self) -> Option<Millis> {
        match &self.rest {
            Link::Down { since, .. } => Some(*since),
            _ => self.waiting,
        }
    }

    /// Whether the states shown are known to be old: REST does not answer, and no other source reports them.
    pub(crate) fn is_stale(&self, now: Millis) -> bool {
        let followed = self.live && self.brokers == Link::Up;
        self.silent_since().is_some_and(|since| now - since > 3_000)
            && !followed
            && self.listed.is_none_or(|at| now - at > 3_000)
    }

    /// Whether it is unknown that work still proceeds: the brokers answered before and have not for a
    /// while. Workers then report the states that they knew last. Where the brokers never answered, it may
    /// be this terminal that cannot reach them.
    pub(crate) fn is_unsure(&self, now: Millis) -> bool {
        self.brokers_seen
            && matches!(self.brokers, Link::Down { since, .. } if now - since > UNSURE_AFTER)
    }

    /// Whether lag taken at `at` is known to be old: the brokers do not answer, or it was not looked at for
    /// a while.
    pub(crate) fn is_old_lag(&self, at: Option<Millis>, now: Millis) -> bool {
        matches!(self.brokers, Link::Down { .. }) || at.is_some_and(|at| now - at > 60_000)
    }

    /// How much longer the group waits for a worker that left, in milliseconds; `None` when it does not.
    pub(crate) fn waits(&self, now: Millis) -> Option<Millis> {
        let until = self.group.as_ref()?.delay_until?;
        (until > now).then_some(until - now)
    }

    /// Marks what is said to run on workers that are gone. Connect leaves such states as they are until the
    /// work is given to another worker, which takes `scheduled.rebalance.max.delay.ms`, five minutes by
    /// default.
    pub(crate) fn mark_lost(&mut self, now: Millis) {
        let gone: BTreeSet<&Text> = self
            .workers
            .values()
            .filter(|worker| worker.is_gone())
            .map(|worker| &worker.id)
            .collect();
        let runs = |state| matches!(state, State::Running | State::Restarting);
        for connector in self.connectors.values_mut() {
            let mut changed = false;
            let lost = runs(connector.state) && gone.contains(&connector.worker);
            changed |= std::mem::replace(&mut connector.lost, lost) != lost;
            for task in connector.tasks.values_mut() {
                let lost = runs(task.state) && gone.contains(&task.worker);
                changed |= std::mem::replace(&mut task.lost, lost) != lost;
            }
            if changed {
                connector.recompute(now);
            }
        }
    }

    /// Counts connectors and tasks per worker from their states.
    pub(crate) fn recount_workers(&mut self) {
        for worker in self.workers.values_mut() {
            worker.connectors = 0;
            worker.tasks = 0;
        }
        for connector in self.connectors.values() {
            let placed = |state| !matches!(state, State::Unassigned | State::Destroyed);
            if placed(connector.state)
                && let Some(worker) = self.workers.get_mut(&connector.worker)
            {
                worker.connectors += 1;
            }
            for task in connector.tasks.values() {
                if placed(task.state)
                    && let Some(worker) = self.workers.get_mut(&task.worker)
                {
                    worker.tasks += 1;
                }
            }
        }
    }
}
