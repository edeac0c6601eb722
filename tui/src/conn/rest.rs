//! The REST source: one request for the whole list, at a pace that suits its size, and a look at each worker.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sluice_protocol::rest::{ConnectorInfo, ExpandedConnectors};
use sluice_protocol::{ConnectorName, ConnectorType};
use tokio::sync::watch;

use super::client::Client;
use super::{DataSource, Feed, Pacing, backoff, now, shown};
use crate::model::cluster::Link;
use crate::model::news::Update;
use crate::text::Text;
use crate::units::Millis;

/// Pause between two lists while nothing is under way.
const PACE: Duration = Duration::from_secs(2);
/// Pace while an action is under way.
const FAST: Duration = Duration::from_millis(400);
/// Pace while the status topic is followed.
const LIVE: Duration = Duration::from_secs(15);
/// A list may take at most one part in this many of the server's time,
const SHARE: u32 = 10;
/// but it is never asked for less often than this: one slow answer says nothing about the next.
const SLOWEST: Duration = Duration::from_secs(10);
/// A list that takes longer than this is said to be waited for.
const SLOW: Duration = Duration::from_secs(2);
/// Distance between looks at each worker.
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// Polls the REST API.
pub(crate) struct RestSource {
    client: Client,
    publish: Option<watch::Sender<Arc<Known>>>,
}

/// What the brokers' threads must know of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Whether the list was read at all.
    pub(crate) listed: bool,
    pub(crate) connectors: BTreeSet<String>,
    /// Worker ids found in states.
    pub(crate) workers: BTreeSet<String>,
    /// `host:port` of the URLs we were given.
    pub(crate) urls: BTreeSet<String>,
    /// Sinks and what they read.
    pub(crate) sinks: Vec<Sink>,
}

/// A sink and what it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sink {
    pub(crate) connector: ConnectorName,
    pub(crate) group: String,
    /// Topics that its configuration names.
    pub(crate) topics: Vec<String>,
    /// The expression that topics match instead.
    pub(crate) topics_regex: Option<String>,
    /// Whether it begins at the start of a partition of which nothing is committed, Connect's default.
    pub(crate) from_start: bool,
}

impl Known {
    /// What is known from a list.
    pub(crate) fn of(list: &ExpandedConnectors, client: &Client) -> Self {
        let workers = list
            .values()
            .filter_map(|entry| entry.status.as_ref())
            .flat_map(|status| {
                let tasks = status.tasks.iter().map(|task| task.worker_id.to_string());
                tasks.chain([status.connector.worker_id.to_string()])
            })
            .collect();
        let sinks = list
            .values()
            .filter_map(|entry| entry.info.as_ref())
            .filter(|info| info.connector_type == ConnectorType::Sink)
            .map(sink)
            .collect();
        Self {
            listed: true,
            connectors: list.keys().map(ToString::to_string).collect(),
            workers,
            urls: client.addresses(),
            sinks,
        }
    }
}

fn sink(info: &ConnectorInfo) -> Sink {
    let topics = info.config.text("topics").unwrap_or("");
    Sink {
        connector: info.name.clone(),
        group: info
            .config
            .text("consumer.override.group.id")
            .map_or_else(|| format!("connect-{}", info.name), str::to_owned),
        topics: topics
            .split(',')
            .map(|t| t.trim().to_owned())
            .filter(|t| !t.is_empty())
            .collect(),
        topics_regex: info
            .config
            .text("topics.regex")
            .filter(|r| !r.is_empty())
            .map(str::to_owned),
        from_start: info
            .config
            .text("consumer.override.auto.offset.reset")
            .is_none_or(|reset| reset.eq_ignore_ascii_case("earliest")),
    }
}

impl RestSource {
    /// A source that asks through `client`.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            publish: None,
        }
    }

    /// Also passes what it learns to the threads that read the brokers.
    pub(crate) fn publishing(mut self, publish: watch::Sender<Arc<Known>>) -> Self {
        self.publish = Some(publish);
        self
    }
}

#[async_trait]
impl DataSource for RestSource {
    async fn run(self: Box<Self>, feed: Feed, mut pacing: watch::Receiver<Pacing>) {
        let mut attempt = 0;
        let mut down_since = None;
        let mut greeted: Option<Text> = None;
        let mut probed: Option<Instant> = None;
        let mut fingerprint = None;
        let mut workers = BTreeSet::new();
        if !feed.send(Update::Rest(Link::Connecting)).await {
            return;
        }
        loop {
            let asked = now();
            let began = Instant::now();
            let list = self.client.connectors_unless(fingerprint);
            let pause = match said_to_be_waited_for(list, asked, &feed).await {
                Ok((list, new)) => {
                    let took = began.elapsed();
                    fingerprint = Some(new);
                    let update = match list {
                        Some(list) => {
                            let known = Known::of(&list, &self.client);
                            workers = known.workers.clone();
                            // Without connectors and brokers the URL we use is the only worker known.
                            if workers.is_empty() && self.publish.is_none() {
                                workers = known.urls.clone();
                            }
                            if let Some(publish) = &self.publish {
                                publish.send_replace(Arc::new(known));
                            }
                            Update::Listed {
                                asked,
                                list: Box::new(list),
                            }
                        }
                        None => Update::ListedSame { asked },
                    };
                    if attempt > 0 || greeted.is_none() {
                        feed.send(Update::Rest(Link::Up)).await;
                    }
                    if !feed.send(update).await {
                        return;
                    }
                    if greeted.as_ref() != Some(&self.client.url()) || attempt > 0 {
                        greeted = self.greet(&feed).await;
                    }
                    attempt = 0;
                    down_since = None;
                    if probed.is_none_or(|at| at.elapsed() >= PROBE_EVERY) {
                        probed = Some(Instant::now());
                        let (client, workers) = (self.client.clone(), workers.clone());
                        let feed = feed.clone();
                        tokio::spawn(async move {
                            for update in client.probe_all(workers).await {
                                feed.send(update).await;
                            }
                        });
                    }
                    let wanted = *pacing.borrow_and_update();
                    if wanted.fast {
                        FAST.max(took.min(PACE))
                    } else if wanted.live {
                        LIVE
                    } else {
                        PACE.max((took * SHARE).min(SLOWEST))
                    }
                }
                Err(error) => {
                    attempt += 1;
                    let since = *down_since.get_or_insert(asked);
                    let link = Link::Down {
                        error: shown(&error),
                        since,
                        attempt,
                    };
                    if !feed.send(Update::Rest(link)).await {
                        return;
                    }
                    backoff(attempt)
                }
            };
            // A request cuts the pause short, but not below a moment: a burst of requests is one look.
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = pacing.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(150)).await;
                }
            }
        }
    }
}

impl RestSource {
    /// Asks who it is that answers.
    async fn greet(&self, feed: &Feed) -> Option<Text> {
        let info = self.client.server().await.ok()?;
        let url = self.client.url();
        let update = Update::Server {
            url: url.clone(),
            version: Text::line(&info.version),
            kafka_cluster_id: info.kafka_cluster_id.as_deref().map(Text::line),
        };
        feed.send(update).await.then_some(url)
    }
}

/// Waits for a list, and says so when that takes long.
async fn said_to_be_waited_for<T>(list: impl Future<Output = T>, asked: Millis, feed: &Feed) -> T {
    let mut list = std::pin::pin!(list);
    tokio::select! {
        answer = &mut list => return answer,
        () = tokio::time::sleep(SLOW) => {}
    }
    feed.send(Update::Waiting(asked)).await;
    list.await
}
