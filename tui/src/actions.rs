//! Does what the user asked for: sends the request, waits out a rebalance by itself, reports each step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_protocol::rest::ConnectorStateInfo;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::conn::client::{CallError, Client};
use crate::conn::{backoff, now, shown};
use crate::message::{ActionNews, Message};
use crate::model::action::{NOT_SENT, RestartMode, UNANSWERED, Verb};
use crate::text::Text;
use crate::update::restarts_by_plan;

/// How long an action is tried again while the cluster rebalances.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long it is tried again while no worker answers, or the one that was asked can't reach its leader.
const PATIENCE_WITHOUT_ANSWER: Duration = Duration::from_secs(30);
/// Requests under way at the same time; a bulk verb must not storm the workers.
const AT_ONCE: usize = 4;

/// One request of the user.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) connector: String,
    pub(crate) verb: Verb,
    /// Failed tasks, for servers without restart by plan.
    pub(crate) failed_tasks: Vec<u32>,
    /// All tasks, for the same.
    pub(crate) all_tasks: Vec<u32>,
}

/// Runs requests, a few at a time.
#[derive(Clone)]
pub(crate) struct Executor {
    client: Client,
    slots: Arc<Semaphore>,
    /// Cancelled when what waits is to be given up; the next requests get a new one.
    aborted: CancellationToken,
}

impl Executor {
    /// An executor that asks through `client`.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            aborted: CancellationToken::new(),
        }
    }

    /// Gives up all requests that wait for their turn, for a rebalance or for an answer.
    pub(crate) fn abort(&mut self) {
        std::mem::take(&mut self.aborted).cancel();
    }

    /// Starts a request; its news go to `out` under `id`.
    pub(crate) fn start(&self, id: u64, request: Request, out: mpsc::Sender<Message>) {
        let executor = self.clone();
        tokio::spawn(async move {
            let aborted = executor.aborted.clone();
            // What is given up frees slots: no request that waits may then be sent.
            let slot = tokio::select! {
                biased;
                () = aborted.cancelled() => {
                    let news = ActionNews::Failed(Text::from(NOT_SENT));
                    let _ = out.send(Message::Action(id, news)).await;
                    return;
                }
                slot = executor.slots.acquire() => slot,
            };
            let Ok(_slot) = slot else {
                return;
            };
            let waiting = |reason: Text, retry_at| {
                let out = out.clone();
                async move {
                    let news = ActionNews::Waiting { reason, retry_at };
                    // A closed channel means that the terminal has ended.
                    let _ = out.send(Message::Action(id, news)).await;
                }
            };
            let done = tokio::select! {
                done = run(&executor.client, &request, PATIENCE, waiting) => done,
                () = aborted.cancelled() => {
                    Err(CallError::Unreachable(Text::from(UNANSWERED)))
                }
            };
            let news = match done {
                Ok(plan) => ActionNews::Accepted(plan.map(Box::new)),
                Err(error) => ActionNews::Failed(shown(&error)),
            };
            let _ = out.send(Message::Action(id, news)).await;
        });
    }
}

/// Sends a request until the cluster takes it, says no, or `patience` ends. `waiting` hears of each pause.
pub(crate) async fn run<F: Future<Output = ()>>(
    client: &Client,
    request: &Request,
    patience: Duration,
    waiting: impl Fn(Text, i64) -> F,
) -> Result<Option<ConnectorStateInfo>, CallError> {
    let began = Instant::now();
    let mut attempt = 0;
    loop {
        let error = match once(client, request).await {
            Ok(plan) => return Ok(plan),
            Err(error) => error,
        };
        let short = patience.min(PATIENCE_WITHOUT_ANSWER);
        let (reason, patience) = match &error {
            error if error.is_forwarding() => {
                (Text::from("the leader, which can't be reached"), short)
            }
            error if error.is_rebalance() => (Text::from("rebalance"), patience.min(PATIENCE)),
            CallError::Unreachable(_) => (Text::from("a worker that answers"), short),
            _ => return Err(error),
        };
        attempt += 1;
        let pause = backoff(attempt);
        if began.elapsed() + pause > patience {
            return Err(error);
        }
        let pause_millis = i64::try_from(pause.as_millis()).unwrap_or(0);
        waiting(reason, now() + pause_millis).await;
        tokio::time::sleep(pause).await;
    }
}

/// Sends the request once, whatever comes of it.
async fn once(client: &Client, request: &Request) -> Result<Option<ConnectorStateInfo>, CallError> {
    let name = request.connector.as_str();
    match &request.verb {
        Verb::Pause => client.put_state(name, "pause").await.map(|()| None),
        Verb::Resume => client.put_state(name, "resume").await.map(|()| None),
        Verb::Stop => client.put_state(name, "stop").await.map(|()| None),
        Verb::Delete => match client.delete(name).await {
            Ok(()) => Ok(None),
            // A try before this one may have done it although its answer was lost.
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        },
        Verb::PutConfig { config, base } => {
            if let Some(base) = base {
                let stored = client.config(name).await?;
                if stored != **base && stored != **config {
                    return Err(CallError::Changed);
                }
            }
            client.put_config(name, config).await.map(|_| None)
        }
        Verb::Restart(mode) => restart(client, request, *mode).await,
    }
}

async fn restart(
    client: &Client,
    request: &Request,
    mode: RestartMode,
) -> Result<Option<ConnectorStateInfo>, CallError> {
    let name = request.connector.as_str();
    match mode {
        RestartMode::Task(task) => client.restart_task(name, task).await.map(|()| None),
        RestartMode::ConnectorOnly => client.restart(name, false, false).await,
        RestartMode::OnlyFailed | RestartMode::All => {
            let only_failed = mode == RestartMode::OnlyFailed;
            let version = client.server().await?.version;
            if restarts_by_plan(&version) {
                return client.restart(name, true, only_failed).await;
            }
            // Before 3.0 (KIP-745) a restart covers the connector instance alone; tasks go one by one.
            let tasks = if only_failed {
                &request.failed_tasks
            } else {
                &request.all_tasks
            };
            let status = client.status(name).await?;
            if !only_failed || status.connector.state == sluice_protocol::State::Failed {
                client.restart(name, false, false).await?;
            }
            for task in tasks {
                client.restart_task(name, *task).await?;
            }
            Ok(None)
        }
    }
}
