//! One running connector: its instance, its state, and the transitions between them (Kafka's
//! `WorkerConnector`).
//!
//! The instance lives in a task of its own, which takes one command after another; a connector that
//! hangs in `start` holds up nobody else. A panic of the plugin becomes FAILED with its message.

use std::sync::Arc;

use sluice_api::config::Props;
use sluice_api::connector::{Connector, ConnectorContext, OffsetStorageReader};
use sluice_api::error::ConnectError;
use sluice_protocol::{ConnectorName, TargetState};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::worker_task::catch;
use crate::status::ConnectorStatusListener;

/// What a connector may ask of the herder. Calls are short and never wait.
pub(crate) trait ConnectorRequests: Send + Sync {
    /// Make new task configs.
    fn request_task_reconfiguration(&self, connector: &ConnectorName);
    /// Stop and start the connector's instance, since values of its config have expired.
    fn request_restart(&self, connector: &ConnectorName);
}

/// Everything a connector is started with.
pub(crate) struct ConnectorParts {
    pub name: ConnectorName,
    pub instance: Box<dyn Connector>,
    /// Its config with variables resolved.
    pub props: Props,
    /// Hears of its states.
    pub listener: Arc<dyn ConnectorStatusListener>,
    /// Hears of its requests.
    pub requests: Arc<dyn ConnectorRequests>,
    /// Offsets, for source connectors.
    pub offsets: Option<Arc<dyn OffsetStorageReader>>,
}

type Outcome<T> = oneshot::Sender<Result<T, ConnectError>>;

enum Command {
    Transition(TargetState, Outcome<()>),
    TaskConfigs(usize, Outcome<TaskConfigs>),
    Fail(ConnectError),
    Shutdown(oneshot::Sender<()>),
}

/// What a connector gives its tasks.
#[derive(Debug)]
pub(crate) struct TaskConfigs {
    /// Class of the tasks, if the instance says so.
    pub class: Option<String>,
    /// One configuration for each task.
    pub configs: Vec<Props>,
}

/// The handle of a running connector.
pub(crate) struct WorkerConnector {
    commands: mpsc::UnboundedSender<Command>,
    stopping: CancellationToken,
}

impl WorkerConnector {
    /// Takes over an instance, and answers its handle and the future that it lives in, for the
    /// worker to spawn. Nothing is started before the first [`WorkerConnector::transition`].
    pub(crate) fn new(parts: ConnectorParts) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (commands, inbox) = mpsc::unbounded_channel();
        let stopping = CancellationToken::new();
        let context: Arc<dyn ConnectorContext> = Arc::new(Context {
            name: parts.name.clone(),
            requests: parts.requests,
            offsets: parts.offsets,
            commands: commands.downgrade(),
            stopping: stopping.clone(),
        });
        let actor = Actor {
            name: parts.name,
            instance: parts.instance,
            props: parts.props,
            listener: parts.listener,
            context,
            state: State::Initial,
        };
        (Self { commands, stopping }, actor.run(inbox))
    }

    /// Moves the connector towards a target state, and returns when it is there.
    ///
    /// # Errors
    /// What the plugin failed with, or that a failed connector cannot go there.
    pub(crate) fn transition(
        &self,
        target: TargetState,
    ) -> impl Future<Output = Result<(), ConnectError>> + Send + use<> {
        let (sender, outcome) = oneshot::channel();
        let sent = self.commands.send(Command::Transition(target, sender));
        async move { answer(sent.is_ok(), outcome).await }
    }

    /// Asks for task configs.
    ///
    /// # Errors
    /// What the plugin failed with.
    pub(crate) fn task_configs(
        &self,
        max_tasks: usize,
    ) -> impl Future<Output = Result<TaskConfigs, ConnectError>> + Send + use<> {
        let (sender, outcome) = oneshot::channel();
        let sent = self.commands.send(Command::TaskConfigs(max_tasks, sender));
        async move { answer(sent.is_ok(), outcome).await }
    }

    /// Makes the connector FAILED.
    pub(crate) fn fail(&self, error: ConnectError) {
        // A connector that has ended cannot fail any more.
        let _ = self.commands.send(Command::Fail(error));
    }

    /// Stops the instance and ends its task; returns when that is done.
    pub(crate) fn shutdown(&self) -> impl Future<Output = ()> + Send + use<> {
        self.stopping.cancel();
        let (sender, done) = oneshot::channel();
        let sent = self.commands.send(Command::Shutdown(sender));
        async move {
            if sent.is_ok() {
                let _ = done.await;
            }
        }
    }
}

async fn answer<T>(
    sent: bool,
    outcome: oneshot::Receiver<Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let gone = || ConnectError::connect("the connector was shut down");
    if !sent {
        return Err(gone());
    }
    outcome.await.unwrap_or_else(|_| Err(gone()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Initial,
    Started,
    Paused,
    Stopped,
    Failed,
}

struct Actor {
    name: ConnectorName,
    instance: Box<dyn Connector>,
    props: Props,
    listener: Arc<dyn ConnectorStatusListener>,
    context: Arc<dyn ConnectorContext>,
    state: State,
}

impl Actor {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        while let Some(command) = inbox.recv().await {
            match command {
                Command::Transition(target, outcome) => {
                    let _ = outcome.send(self.transition(target).await);
                }
                Command::TaskConfigs(max_tasks, outcome) => {
                    let configs = catch(self.instance.task_configs(max_tasks)).await;
                    let class = self.instance.task_class();
                    let _ = outcome.send(configs.map(|configs| TaskConfigs { class, configs }));
                }
                Command::Fail(error) => self.failed(&error),
                Command::Shutdown(done) => {
                    self.shutdown().await;
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    async fn transition(&mut self, target: TargetState) -> Result<(), ConnectError> {
        if self.state == State::Failed && target != TargetState::Stopped {
            return Err(ConnectError::connect(format!(
                "connector {} cannot go to {} since it has failed",
                self.name,
                target.as_str()
            )));
        }
        match target {
            TargetState::Started => self.start().await,
            TargetState::Paused => self.suspend(State::Paused).await,
            TargetState::Stopped => self.suspend(State::Stopped).await,
        }
    }

    async fn start(&mut self) -> Result<(), ConnectError> {
        if self.state == State::Started {
            return Ok(());
        }
        let resumed = self.state != State::Initial;
        let started = catch(self.instance.start(self.context.clone(), &self.props)).await;
        if let Err(error) = started {
            self.failed(&error);
            return Err(error);
        }
        self.state = State::Started;
        tracing::info!(connector = %self.name, "connector started");
        if resumed {
            self.listener.on_resume(&self.name);
        } else {
            self.listener.on_startup(&self.name);
        }
        Ok(())
    }

    async fn suspend(&mut self, to: State) -> Result<(), ConnectError> {
        if self.state == to {
            return Ok(());
        }
        let stopped = if self.state == State::Started {
            catch(self.instance.stop()).await
        } else {
            Ok(())
        };
        match (stopped, to) {
            (Err(error), State::Paused) => {
                self.failed(&error);
                return Err(error);
            }
            (Err(error), _) => {
                tracing::warn!(connector = %self.name, %error, "stop of the connector failed");
            }
            (Ok(()), _) => {}
        }
        self.state = to;
        if to == State::Paused {
            self.listener.on_pause(&self.name);
        } else {
            self.listener.on_stop(&self.name);
        }
        Ok(())
    }

    /// The first failure is the one that is reported.
    fn failed(&mut self, error: &ConnectError) {
        if self.state != State::Failed {
            self.state = State::Failed;
            self.listener.on_failure(&self.name, error.trace());
        }
    }

    async fn shutdown(&mut self) {
        let stopped = match self.state {
            State::Started | State::Failed => catch(self.instance.stop()).await,
            State::Initial | State::Paused | State::Stopped => Ok(()),
        };
        match stopped {
            Err(error) if self.state != State::Failed => self.failed(&error),
            Err(error) => {
                tracing::warn!(connector = %self.name, %error, "stop of the connector failed");
            }
            Ok(()) => self.listener.on_shutdown(&self.name),
        }
    }
}

struct Context {
    name: ConnectorName,
    requests: Arc<dyn ConnectorRequests>,
    offsets: Option<Arc<dyn OffsetStorageReader>>,
    commands: mpsc::WeakUnboundedSender<Command>,
    stopping: CancellationToken,
}

impl ConnectorContext for Context {
    fn request_task_reconfiguration(&self) {
        if !self.stopping.is_cancelled() {
            self.requests.request_task_reconfiguration(&self.name);
        }
    }

    fn raise_error(&self, error: ConnectError) {
        if let Some(commands) = self.commands.upgrade() {
            let _ = commands.send(Command::Fail(error));
        }
    }

    fn offset_storage_reader(&self) -> Option<Arc<dyn OffsetStorageReader>> {
        self.offsets.clone()
    }

    fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use parking_lot::Mutex;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Heard {
        fn all(&self) -> Vec<String> {
            self.0.lock().clone()
        }
    }

    impl ConnectorStatusListener for Heard {
        fn on_startup(&self, _: &ConnectorName) {
            self.0.lock().push("RUNNING".into());
        }
        fn on_pause(&self, _: &ConnectorName) {
            self.0.lock().push("PAUSED".into());
        }
        fn on_resume(&self, _: &ConnectorName) {
            self.0.lock().push("RESUMED".into());
        }
        fn on_stop(&self, _: &ConnectorName) {
            self.0.lock().push("STOPPED".into());
        }
        fn on_shutdown(&self, _: &ConnectorName) {
            self.0.lock().push("UNASSIGNED".into());
        }
        fn on_failure(&self, _: &ConnectorName, trace: String) {
            self.0.lock().push(format!(
                "FAILED {}",
                trace.lines().next().unwrap_or_default()
            ));
        }
    }

    impl ConnectorRequests for Heard {
        fn request_task_reconfiguration(&self, _: &ConnectorName) {}

        fn request_restart(&self, _: &ConnectorName) {}
    }

    struct Plugin {
        panics: bool,
    }

    #[async_trait]
    impl Connector for Plugin {
        async fn start(
            &mut self,
            _: Arc<dyn ConnectorContext>,
            _: &Props,
        ) -> sluice_api::error::Result<()> {
            assert!(!self.panics, "boom");
            Ok(())
        }

        async fn task_configs(
            &mut self,
            max_tasks: usize,
        ) -> sluice_api::error::Result<Vec<Props>> {
            Ok(vec![Props::new(); max_tasks])
        }
    }

    fn spawn(panics: bool) -> (WorkerConnector, Arc<Heard>) {
        let heard = Arc::new(Heard::default());
        let (connector, actor) = WorkerConnector::new(ConnectorParts {
            name: "c".into(),
            instance: Box::new(Plugin { panics }),
            props: Props::new(),
            listener: heard.clone(),
            requests: heard.clone(),
            offsets: None,
        });
        tokio::spawn(actor);
        (connector, heard)
    }

    #[tokio::test]
    async fn every_transition_is_reported_once() {
        let (connector, heard) = spawn(false);
        for target in [
            TargetState::Started,
            TargetState::Started,
            TargetState::Paused,
            TargetState::Started,
            TargetState::Stopped,
            TargetState::Paused,
        ] {
            connector.transition(target).await.unwrap();
        }
        assert_eq!(connector.task_configs(3).await.unwrap().configs.len(), 3);
        connector.shutdown().await;
        assert_eq!(
            heard.all(),
            [
                "RUNNING",
                "PAUSED",
                "RESUMED",
                "STOPPED",
                "PAUSED",
                "UNASSIGNED"
            ]
        );
        assert!(connector.transition(TargetState::Started).await.is_err());
    }

    #[tokio::test]
    async fn a_panic_makes_the_connector_fail_and_only_stop_gets_it_out() {
        let (connector, heard) = spawn(true);
        let error = connector
            .transition(TargetState::Started)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("boom"), "{error}");
        assert!(connector.transition(TargetState::Paused).await.is_err());
        connector.transition(TargetState::Stopped).await.unwrap();
        let heard = heard.all();
        assert!(heard[0].starts_with("FAILED java.lang.Error"), "{heard:?}");
        assert_eq!(heard[1..], ["STOPPED"]);
    }
}
