//! Where the data comes from. Every source stands behind [`DataSource`] and sends [`Update`]s; no other
//! part knows that the network can fail. Reconnecting and waiting are done by the source itself and
//! reported as `Link`s.

pub(crate) mod brokers;
pub(crate) mod client;
pub(crate) mod rest;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use crate::contexts::Context;
use crate::message::Message;
use crate::model::news::Update;
use crate::units::Millis;
use client::{CallError, Client};

/// How often a source is to look at the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pacing {
    /// Counts requests to look now.
    pub(crate) refreshes: u64,
    /// Look often: an action is under way.
    pub(crate) fast: bool,
    /// The status topic is being followed: REST need not be asked often.
    pub(crate) live: bool,
}

/// Where a source sends its news. The channel is bounded: a terminal that can't keep up slows the source
/// down.
#[derive(Clone)]
pub(crate) struct Feed {
    epoch: u64,
    sender: mpsc::Sender<Message>,
}

impl Feed {
    /// A feed for the connection with this number.
    pub(crate) fn new(epoch: u64, sender: mpsc::Sender<Message>) -> Self {
        Self { epoch, sender }
    }

    /// Sends; false when the terminal has ended.
    pub(crate) async fn send(&self, update: Update) -> bool {
        self.sender
            .send(Message::Data(self.epoch, Box::new(update)))
            .await
            .is_ok()
    }

    /// The same from a thread of its own.
    pub(crate) fn send_blocking(&self, update: Update) -> bool {
        self.sender
            .blocking_send(Message::Data(self.epoch, Box::new(update)))
            .is_ok()
    }

    /// Whether the terminal has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// A source of data on one cluster.
#[async_trait]
pub(crate) trait DataSource: Send + Sync {
    /// Sends news until the feed is closed or the task is dropped.
    async fn run(self: Box<Self>, feed: Feed, pacing: watch::Receiver<Pacing>);
}

/// The source for a context: REST alone, or topics and REST when brokers are known.
pub(crate) fn open(
    context: &Context,
    client: Client,
    pacing: &watch::Sender<Pacing>,
) -> Box<dyn DataSource> {
    let rest = rest::RestSource::new(client);
    match &context.bootstrap {
        None => Box::new(rest),
        Some(bootstrap) => Box::new(brokers::TopicsAndRest::new(
            context,
            bootstrap,
            rest,
            pacing.clone(),
        )),
    }
}

/// Wall-clock time in milliseconds since the epoch.
pub(crate) fn now() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| {
            i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
        })
}

/// Waiting time before attempt number `attempt` (from 1): 0.5 s, 1 s, 2 s, 4 s, then 5 s.
pub(crate) fn backoff(attempt: u32) -> Duration {
    let millis = 500_u64.saturating_mul(1 << attempt.saturating_sub(1).min(6));
    Duration::from_millis(millis.min(5_000))
}

/// Text of an error for the screen.
pub(crate) fn shown(error: &CallError) -> crate::text::Text {
    crate::text::Text::line(&error.to_string())
}
