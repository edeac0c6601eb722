//! Topics and REST together: REST for the list and for writes, the brokers for everything that REST does not
//! report.
//!
//! Threads of their own, because librdkafka blocks: one per followed topic (status, config, telemetry) and
//! one that looks at the group and at the lag of sinks. They only read, join no group and commit nothing.

mod consumer;
mod group;
mod lag;
mod source_offsets;
mod tail;
mod telemetry;
mod topics;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use sluice_kafka::admin::Admin;
use sluice_kafka::client::librdkafka::wire_settings;
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::consumer::{BrokerConsumer, LastFailure, explain};
use super::rest::{Known, RestSource};
use super::{DataSource, Feed, Pacing, now};
use crate::contexts::Context;
use crate::model::cluster::{Link, PartitionLag};
use crate::model::news::{GroupReport, Update};
use crate::text::Text;

/// Distance between looks at the brokers.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// The same while the list of connectors is not there yet.
const LOOK_SOON: Duration = Duration::from_millis(200);
/// The same while the group rebalances.
const LOOK_OFTEN: Duration = Duration::from_secs(1);
/// After this many looks without an answer a new client is made.
const GIVE_UP_AFTER: u32 = 3;
/// Longest wait for an answer of the brokers.
const TIMEOUT: Duration = Duration::from_secs(5);

/// `client.id` of all clients of the terminal.
const CLIENT_ID: &str = "sluice-terminal";

/// What all threads share.
pub(crate) struct Shared {
    config: BTreeMap<String, String>,
    bootstrap: String,
    wanted: Wanted,
    known: watch::Receiver<Arc<Known>>,
    pacing: watch::Sender<Pacing>,
    feed: Feed,
    ended: AtomicBool,
    status_followed: AtomicBool,
    /// Sinks of which telemetry reports tasks.
    reported: Mutex<HashMap<String, Reported>>,
    notes: Mutex<BTreeMap<&'static str, String>>,
    guesses: Mutex<BTreeMap<&'static str, String>>,
    /// Workers that are members of the cluster's group.
    members: Mutex<BTreeSet<String>>,
    /// Counts how often the brokers came back: clients from before may never connect again.
    births: AtomicU64,
    /// For what librdkafka's binding lacks; `None` if the client properties can't be used.
    admin: OnceLock<Option<Admin>>,
    /// For calls of the admin client, which are asynchronous.
    runtime: Handle,
}

/// Tasks of a sink by number: whether the last report of each has a lag, and when it came.
type Reported = BTreeMap<u32, (bool, Instant)>;

/// Names given by the context.
#[derive(Clone, Debug, Default)]
struct Wanted {
    group: Option<String>,
    status: Option<String>,
    config: Option<String>,
    telemetry: Option<String>,
    offsets: Option<String>,
}

impl Shared {
    /// Nothing found and nothing reported yet; no name given. Needs a runtime around it.
    fn new(
        config: BTreeMap<String, String>,
        bootstrap: String,
        known: watch::Receiver<Arc<Known>>,
        pacing: watch::Sender<Pacing>,
        feed: Feed,
    ) -> Self {
        Self {
            admin: OnceLock::new(),
            config,
            bootstrap,
            wanted: Wanted::default(),
            known,
            pacing,
            feed,
            ended: AtomicBool::new(false),
            status_followed: AtomicBool::new(false),
            reported: Mutex::default(),
            notes: Mutex::default(),
            guesses: Mutex::default(),
            members: Mutex::default(),
            births: AtomicU64::new(0),
            runtime: Handle::current(),
        }
    }

    /// The admin client; `None` if the client properties can't be used, which the consumer reports. Blocks
    /// with its first call, which reads files.
    fn admin(&self) -> Option<&Admin> {
        let new = || {
            wire_settings(&self.config, &self.bootstrap, CLIENT_ID, TIMEOUT)
                .map(Admin::with)
                .map_err(|error| tracing::debug!(%error, "no admin client"))
                .ok()
        };
        self.admin.get_or_init(new).as_ref()
    }

    /// Whether the terminal has left this cluster.
    fn is_over(&self) -> bool {
        self.ended.load(Ordering::Relaxed) || self.feed.is_closed()
    }

    /// A number for clients made from now on, see [`Shared::is_current`].
    fn birth(&self) -> u64 {
        self.births.load(Ordering::Relaxed)
    }

    /// Whether a client of that number is still to be used.
    fn is_current(&self, birth: u64) -> bool {
        !self.is_over() && self.birth() == birth
    }

    /// Notes what was chosen without proof that it is this cluster's; `None` when it is proven now.
    fn guess(&self, about: &'static str, what: Option<&str>) {
        let mut guesses = lock(&self.guesses);
        let before = guesses.clone();
        match what {
            Some(what) => guesses.insert(about, what.to_owned()),
            None => guesses.remove(about),
        };
        if *guesses == before {
            return;
        }
        let all: Vec<&str> = guesses.values().map(String::as_str).collect();
        let text = (!all.is_empty()).then(|| Text::line(&all.join(", ")));
        drop(guesses);
        self.feed.send_blocking(Update::Guessed(text));
    }

    /// Whether what was chosen for this is not proven.
    fn is_guess(&self, about: &'static str) -> bool {
        lock(&self.guesses).contains_key(about)
    }

    /// Waits, but not beyond the end.
    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_over() && Instant::now() < until {
            std::thread::sleep(
                Duration::from_millis(100).min(until.saturating_duration_since(Instant::now())),
            );
        }
    }

    /// A consumer with the context's client properties; `group` is only named, never joined.
    fn consumer(&self, group: &str) -> KafkaResult<BrokerConsumer> {
        let mut config = ClientConfig::new();
        for (key, value) in &self.config {
            config.set(key, value);
        }
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", CLIENT_ID)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .set("topic.metadata.refresh.interval.ms", "60000")
            .set("reconnect.backoff.max.ms", "5000")
            .set("fetch.wait.max.ms", "500")
            .set("queued.max.messages.kbytes", "8192")
            .set("fetch.message.max.bytes", "1048576");
        BrokerConsumer::from_config_and_context(&config, LastFailure::default())
    }

    /// Puts a note on what was found into the help.
    fn note(&self, about: &'static str, text: String) {
        let mut notes = lock(&self.notes);
        if notes.get(about) == Some(&text) {
            return;
        }
        notes.insert(about, text);
        let lines = notes
            .iter()
            .map(|(about, text)| Text::line(&format!("{about}: {text}")))
            .collect();
        drop(notes);
        self.feed.send_blocking(Update::Notes(lines));
    }
}

/// A poisoned lock only means that a thread panicked; the data are counters and notes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The source for a context with brokers.
pub(crate) struct TopicsAndRest {
    config: BTreeMap<String, String>,
    bootstrap: String,
    wanted: Wanted,
    rest: RestSource,
    pacing: watch::Sender<Pacing>,
}

impl TopicsAndRest {
    /// A source on these brokers, beside `rest`.
    pub(crate) fn new(
        context: &Context,
        bootstrap: &str,
        rest: RestSource,
        pacing: watch::Sender<Pacing>,
    ) -> Self {
        Self {
            config: context.client.clone(),
            bootstrap: bootstrap.to_owned(),
            wanted: Wanted {
                group: context.group.clone(),
                status: context.status_topic.clone(),
                config: context.config_topic.clone(),
                telemetry: context.telemetry_topic.clone(),
                offsets: context.offset_topic.clone(),
            },
            rest,
            pacing,
        }
    }
}

/// Makes the threads end, also when the task is aborted.
struct EndOnDrop(Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl DataSource for TopicsAndRest {
    async fn run(self: Box<Self>, feed: Feed, pacing: watch::Receiver<Pacing>) {
        let (publish, known) = watch::channel(Arc::default());
        let shared = Shared {
            wanted: self.wanted,
            ..Shared::new(
                self.config,
                self.bootstrap,
                known,
                self.pacing,
                feed.clone(),
            )
        };
        let shared = Arc::new(shared);
        let _end = EndOnDrop(Arc::clone(&shared));
        if !feed.send(Update::Brokers(Link::Connecting)).await {
            return;
        }
        let look = Arc::clone(&shared);
        spawn("sluice-brokers", move || watch_brokers(&look));
        let discover = Arc::clone(&shared);
        spawn("sluice-topics", move || topics::follow(&discover));
        Box::new(self.rest.publishing(publish))
            .run(feed, pacing)
            .await;
    }
}

/// Looks once at the group and at the lag of all sinks; blocks. For commands, which have no use for a
/// stream of news.
pub(crate) fn look_once(
    context: &Context,
    bootstrap: &str,
    known: Known,
) -> Result<(Option<GroupReport>, Vec<PartitionLag>), Text> {
    let (_publish, known) = watch::channel(Arc::new(known));
    let (pacing, _) = watch::channel(Pacing::default());
    let (sender, _news) = tokio::sync::mpsc::channel(64);
    let feed = Feed::new(0, sender);
    let config = context.client.clone();
    let mut shared = Shared::new(config, bootstrap.to_owned(), known, pacing, feed);
    shared.wanted.group = context.group.clone();
    let fail = |error: rdkafka::error::KafkaError| Text::line(&format!("{bootstrap}: {error}"));
    let consumer = shared.consumer(CLIENT_ID).map_err(fail)?;
    let metadata = consumer
        .fetch_metadata(None, Duration::from_secs(10))
        .map_err(|error| {
            let why = explain(&consumer, &error);
            Text::line(&format!("{bootstrap}: {why}"))
        })?;
    let group = group::GroupWatch::default().report(&shared);
    let lag = lag::LagWatch::default().collect(&shared, &metadata);
    Ok((group, lag))
}

/// Starts a thread. One that can't be started leaves its part unknown, which the screen shows.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
    {
        tracing::warn!(%error, thread = name, "thread not started");
    }
}

/// Looks at brokers, group and lag until the end.
fn watch_brokers(shared: &Shared) {
    let mut consumer = match shared.consumer(CLIENT_ID) {
        Ok(consumer) => consumer,
        Err(error) => {
            let error = Text::line(&format!("client properties: {error}"));
            let link = Link::Down {
                error,
                since: now(),
                attempt: 1,
            };
            shared.feed.send_blocking(Update::Brokers(link));
            return;
        }
    };
    let mut group = group::GroupWatch::default();
    let mut lag = lag::LagWatch::default();
    let mut attempt = 0;
    let mut since = None;
    let mut reported_up = None;
    let mut reported_live = None;
    while !shared.is_over() {
        match consumer.fetch_metadata(None, TIMEOUT) {
            Ok(metadata) => {
                consumer.context().forget();
                if attempt > 0 {
                    // Those who follow topics begin anew, too.
                    shared.births.fetch_add(1, Ordering::Relaxed);
                }
                attempt = 0;
                since = None;
                if reported_up != Some(true) {
                    reported_up = Some(true);
                    shared.feed.send_blocking(Update::Brokers(Link::Up));
                }
                group.look(shared);
                lag.look(shared, &metadata);
            }
            Err(error) => {
                attempt += 1;
                let since = *since.get_or_insert_with(now);
                reported_up = Some(false);
                let why = explain(&consumer, &error);
                let error = Text::line(&format!("{}: {why}", shared.bootstrap));
                shared.feed.send_blocking(Update::Brokers(Link::Down {
                    error,
                    since,
                    attempt,
                }));
                // A client that lost its brokers for long may not try them again.
                if attempt % GIVE_UP_AFTER == 0
                    && let Ok(new) = shared.consumer(CLIENT_ID)
                {
                    consumer = new;
                }
            }
        }
        let live = attempt == 0 && shared.status_followed.load(Ordering::Relaxed);
        if reported_live != Some(live) {
            reported_live = Some(live);
            shared.feed.send_blocking(Update::Live(live));
            shared.pacing.send_modify(|pacing| pacing.live = live);
        }
        let listed = shared.known.borrow().listed;
        shared.pause(match (listed, group.is_unsettled()) {
            (false, _) => LOOK_SOON,
            (true, true) => LOOK_OFTEN,
            (true, false) => LOOK_EVERY,
        });
    }
}
