//! `sluice demo`: three agents in this process, five pipelines on them, and the terminal to watch and steer
//! it all.
//!
//! By default on a Kafka of its own, the embedded broker, in a temporary folder or in one that is kept. On
//! the brokers everything lives in topics and groups of its own and is taken back at exit. One pipeline
//! fails now and then, one falls behind because its output is read slowly; agents can be killed and
//! started.

mod agents;
mod pipelines;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use serde_json::json;
use sluice_agent::settings::{Mode, WorkerSettings};
use sluice_broker::{Broker, BrokerConfig};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::agents::Agents;
use self::pipelines::{PIPELINES, Pipeline, drain_slowly};
use crate::contexts::{Context, Contexts};
use crate::runtime::{self, DemoControls, TerminalSettings};
use crate::text::Text;

const AGENTS: usize = 3;
const START_LIMIT: Duration = Duration::from_secs(60);
/// The terminal opens on pipelines at work if they are there so soon, else it shows how they come to be.
const FIRST_SIGHT: Duration = Duration::from_secs(2);
/// How long brokers may take for their first answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long a person waits for the prompt before a message says why.
const SILENCE: Duration = Duration::from_secs(3);
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// Which Kafka the demo works on.
pub(crate) enum Place {
    /// Brokers that exist already; everything is taken back from them.
    Brokers(String),
    /// A broker of its own in this process.
    Embedded {
        /// Where its data stays; `None` for a temporary folder.
        dir: Option<PathBuf>,
        /// Port, 0 for a free one.
        port: u16,
    },
}

/// Runs the demo until the terminal is left, then takes everything back that is not to stay.
///
/// A signal while it starts ends it in the same good order; one while it takes things back leaves them
/// where they are. `say` shows a person what is being waited for.
///
/// # Errors When Kafka does not answer, an agent or connector does not start, or something of the demo
/// stays on the brokers.
pub(crate) async fn run(
    place: Place,
    settings: TerminalSettings,
    say: &(dyn Fn(&str) + Sync),
) -> anyhow::Result<()> {
    // From here on a signal is noted, so that nothing is left behind by one that comes early.
    let signalled = signalled()?;
    let (demo, broker) = Demo::prepare(place).await?;
    let ended = demo.run(settings, signalled, say).await;
    if let Some(broker) = broker {
        broker.shutdown().await;
    }
    ended
}

/// Waits for a signal that asks the process to end, of those that come after this call.
fn signalled() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

struct Demo {
    bootstrap: String,
    /// In front of all names, so that nothing else on the brokers is touched.
    id: String,
    /// Where pipelines write to.
    output: PathBuf,
    /// Everything that does not stay is in it.
    _temporary: TempDir,
    /// Whether the brokers existed before: topics and groups are to be taken back.
    takes_back: bool,
    admin: AdminClient<DefaultClientContext>,
}

impl Demo {
    async fn prepare(place: Place) -> anyhow::Result<(Self, Option<Broker>)> {
        let temporary = tempfile::Builder::new().prefix("sluice-demo-").tempdir()?;
        let unique = temporary
            .path()
            .file_name()
            .and_then(|name| name.to_str())
            .map(|name| name.replace('.', "-"))
            .context("the temporary folder has no name")?;
        let takes_back = matches!(place, Place::Brokers(_));
        let (bootstrap, broker, id, output) = match place {
            Place::Brokers(bootstrap) => (bootstrap, None, unique, temporary.path().to_owned()),
            Place::Embedded { dir, port } => {
                let folder = dir.unwrap_or_else(|| temporary.path().to_owned());
                let output = folder.join("output");
                std::fs::create_dir_all(&output)
                    .with_context(|| format!("cannot make the folder {}", output.display()))?;
                let mut config = BrokerConfig::new(folder.join("kafka"));
                config.port = port;
                let broker = Broker::start(config).await?;
                (broker.bootstrap(), Some(broker), "demo".to_owned(), output)
            }
        };
        let admin = ClientConfig::new()
            .set("bootstrap.servers", &bootstrap)
            .create()?;
        let demo = Self {
            bootstrap,
            id,
            output,
            _temporary: temporary,
            takes_back,
            admin,
        };
        Ok((demo, broker))
    }

    async fn run(
        &self,
        settings: TerminalSettings,
        signalled_early: impl Future<Output = ()>,
        say: &(dyn Fn(&str) + Sync),
    ) -> anyhow::Result<()> {
        tokio::pin!(signalled_early);
        let stop = CancellationToken::new();
        let mut agents = Agents::new(self.worker_config()?);
        say(&format!(
            "starting {AGENTS} agents and {} pipelines on {}",
            PIPELINES.len(),
            self.bootstrap
        ));
        let started = tokio::select! {
            biased;
            () = &mut signalled_early => Ok(false),
            started = self.start(&mut agents) => started.map(|()| true),
        };
        let shown = match started {
            Ok(true) => {
                self.show(&mut agents, settings, signalled_early, &stop)
                    .await
            }
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        stop.cancel();
        agents.ask_to_stop();
        let signalled = signalled()?;
        let taken_back = tokio::select! {
            biased;
            () = signalled => {
                if self.takes_back {
                    bail!("interrupted: {}", self.still_there())
                }
                Ok(())
            }
            taken_back = self.take_back(&mut agents, say) => taken_back,
        };
        shown.and(taken_back)
    }

    /// A name of the demo's own, for a topic or a group.
    fn internal(&self, name: &str) -> String {
        format!("{}-{name}", self.id)
    }

    /// Creates topics and starts agents.
    async fn start(&self, agents: &mut Agents) -> anyhow::Result<()> {
        self.create_topics().await?;
        agents
            .start(AGENTS)
            .await
            .with_context(|| format!("on {}", self.bootstrap))
    }

    /// Shows the terminal until it is left, creates the pipelines meanwhile, kills and starts agents when
    /// asked to.
    async fn show(
        &self,
        agents: &mut Agents,
        settings: TerminalSettings,
        signalled_early: impl Future<Output = ()>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let urls = agents.urls();
        let (toggle, mut toggled) = mpsc::channel(1);
        let (running, seen) = watch::channel(agents.running());
        let controls = DemoControls {
            shown: crate::model::demo::Demo {
                bootstrap: Text::line(&self.bootstrap),
                running: agents.running(),
                agents: AGENTS,
            },
            toggle,
            running: seen,
        };
        let terminal = runtime::run(self.contexts(&urls)?, settings, Some(controls));
        let pipelines = self.create_pipelines(&urls, stop);
        tokio::pin!(terminal, pipelines);
        let mut creating = tokio::select! {
            biased;
            // The terminal, which listens to signals itself, is not open yet.
            () = signalled_early => return Ok(()),
            created = &mut pipelines => created.map(|()| false)?,
            () = tokio::time::sleep(FIRST_SIGHT) => true,
        };
        loop {
            tokio::select! {
                ended = &mut terminal => return Ok(ended?),
                // What cannot be created would be missing for no visible reason.
                created = &mut pipelines, if creating => {
                    created?;
                    creating = false;
                }
                Some(()) = toggled.recv() => {
                    agents.toggle().await?;
                    running.send_replace(agents.running());
                }
            }
        }
    }

    async fn create_topics(&self) -> anyhow::Result<()> {
        let names: Vec<String> = PIPELINES
            .iter()
            .map(|one| self.internal(one.name))
            .collect();
        let topics: Vec<NewTopic<'_>> = PIPELINES
            .iter()
            .zip(&names)
            .map(|(one, name)| NewTopic::new(name, one.partitions, TopicReplication::Fixed(-1)))
            .collect();
        let options = AdminOptions::new().request_timeout(Some(ANSWER_LIMIT));
        let created = self
            .admin
            .create_topics(&topics, &options)
            .await
            .with_context(|| format!("no Kafka answers at {}", self.bootstrap))?;
        for result in created {
            if let Err((topic, code)) = result
                && code != RDKafkaErrorCode::TopicAlreadyExists
            {
                bail!("cannot create topic {topic} on {}: {code}", self.bootstrap);
            }
        }
        Ok(())
    }

    fn worker_config(&self) -> anyhow::Result<WorkerSettings> {
        let props = [
            ("bootstrap.servers", self.bootstrap.clone()),
            ("group.id", self.id.clone()),
            (
                "key.converter",
                "org.apache.kafka.connect.storage.StringConverter".to_owned(),
            ),
            (
                "value.converter",
                "org.apache.kafka.connect.json.JsonConverter".to_owned(),
            ),
            ("value.converter.schemas.enable", "false".to_owned()),
            ("config.storage.topic", self.internal("configs")),
            ("offset.storage.topic", self.internal("offsets")),
            ("status.storage.topic", self.internal("status")),
            ("config.storage.replication.factor", "-1".to_owned()),
            ("offset.storage.replication.factor", "-1".to_owned()),
            ("status.storage.replication.factor", "-1".to_owned()),
            ("offset.storage.partitions", "1".to_owned()),
            ("status.storage.partitions", "1".to_owned()),
            ("offset.flush.interval.ms", "1000".to_owned()),
            // Quick, so that a viewer sees a killed agent's work move.
            ("heartbeat.interval.ms", "300".to_owned()),
            ("session.timeout.ms", "6000".to_owned()),
            ("scheduled.rebalance.max.delay.ms", "5000".to_owned()),
            ("listeners", "http://127.0.0.1:0".to_owned()),
        ];
        let props = props
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        Ok(WorkerSettings::from_props(props, Mode::Distributed)?)
    }

    async fn create_pipelines(
        &self,
        urls: &[String],
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = urls.first().context("no agent")?;
        for one in &PIPELINES {
            let file = self.output.join(format!("{}.jsonl", one.name));
            if let Some(bytes_per_second) = one.drained_at {
                drain_slowly(&file, bytes_per_second, stop.clone())?;
            }
            let topic = self.internal(one.name);
            let mut source = json!({
                "connector.class": "io.sluice.connect.datagen.DatagenSourceConnector",
                "topic": topic,
                "generator": one.generator,
                "records.per.second": one.rate,
                "tasks.max": "1",
            });
            if let (Some(records), Some(source)) = (one.fails_after, source.as_object_mut()) {
                source.insert("fail.after".to_owned(), json!(records));
            }
            // The usual group, named after the connector alone, may already be used on these brokers.
            let sink = json!({
                "connector.class": "FileStreamSink",
                "topics": topic,
                "file": file,
                "tasks.max": "1",
                "consumer.override.group.id": self.sink_group(one),
            });
            for (kind, config) in [("source", source), ("sink", sink)] {
                let name = format!("{}-{kind}", one.name);
                self.create_connector(&client, url, &name, &config).await?;
            }
        }
        Ok(())
    }

    /// Creates a connector, waiting out rebalances.
    async fn create_connector(
        &self,
        client: &reqwest::Client,
        url: &str,
        name: &str,
        config: &serde_json::Value,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let reply = client
                .put(format!("{url}connectors/{name}/config"))
                .json(config)
                .send()
                .await
                .with_context(|| format!("the agent at {url} does not answer"))?;
            let status = reply.status();
            if status.is_success() {
                return Ok(());
            }
            let text = reply.text().await.unwrap_or_default();
            if status.as_u16() != 409 || Instant::now() > deadline {
                bail!("connector {name} cannot be created: {status} {text}");
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    fn contexts(&self, urls: &[String]) -> anyhow::Result<Contexts> {
        let urls = urls
            .iter()
            .map(|url| url.parse())
            .collect::<Result<Vec<_>, _>>()?;
        let context = Context {
            name: "demo".to_owned(),
            urls,
            bootstrap: Some(self.bootstrap.clone()),
            client: Default::default(),
            group: Some(self.id.clone()),
            status_topic: Some(self.internal("status")),
            config_topic: Some(self.internal("configs")),
            offset_topic: Some(self.internal("offsets")),
            telemetry_topic: Some(self.internal("status-telemetry")),
            readonly: false,
            assumed: false,
            careful: false,
            skin: None,
            ca_file: None,
        };
        Ok(Contexts {
            all: vec![context],
            current: 0,
            readonly: false,
        })
    }

    /// The consumer group of a pipeline's sink.
    fn sink_group(&self, pipeline: &Pipeline) -> String {
        self.internal(&format!("{}-sink", pipeline.name))
    }

    /// What is to be said when the demo's traces could not be removed.
    fn still_there(&self) -> String {
        format!(
            "topics and groups {}-* are still on {}",
            self.id, self.bootstrap
        )
    }

    /// Stops the agents, deletes topics and groups; the folder goes by itself. Says so when that takes long.
    async fn take_back(
        &self,
        agents: &mut Agents,
        say: &(dyn Fn(&str) + Sync),
    ) -> anyhow::Result<()> {
        let work = async {
            // Agents that still wait for a broker have had their time; deleting shows whether it is there.
            let _ = tokio::time::timeout(STOP_LIMIT, agents.stopped(say)).await;
            if !self.takes_back {
                return Ok(());
            }
            self.delete_groups().await?;
            self.delete_topics().await
        };
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SILENCE) => {
                if self.takes_back {
                    say(&format!(
                        "waiting for {} to take back topics and groups {}-*; ctrl-c leaves them there",
                        self.bootstrap, self.id
                    ));
                } else {
                    say("waiting for the agents to stop; ctrl-c ends at once");
                }
            }
        }
        work.await
    }

    async fn delete_groups(&self) -> anyhow::Result<()> {
        let options = AdminOptions::new().request_timeout(Some(STOP_LIMIT));
        let mut left: Vec<String> = PIPELINES
            .iter()
            .map(|one| self.sink_group(one))
            .chain([self.id.clone()])
            .collect();
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            let names: Vec<&str> = left.iter().map(String::as_str).collect();
            let results = self
                .admin
                .delete_groups(&names, &options)
                .await
                .with_context(|| self.still_there())?;
            left = Vec::new();
            for result in results {
                match result {
                    // A group that never came to be is as good as deleted.
                    Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
                    // A member that could not say goodbye is dropped when its session ends.
                    Err((group, RDKafkaErrorCode::NonEmptyGroup)) if Instant::now() < deadline => {
                        left.push(group);
                    }
                    Err((group, code)) => {
                        bail!("group {group} is still on {}: {code}", self.bootstrap)
                    }
                }
            }
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn delete_topics(&self) -> anyhow::Result<()> {
        let options = AdminOptions::new().request_timeout(Some(STOP_LIMIT));
        let topics: Vec<String> = PIPELINES
            .iter()
            .map(|one| one.name)
            .chain(["configs", "offsets", "status", "status-telemetry"])
            .map(|topic| self.internal(topic))
            .collect();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        // A client that is on its way out may ask for its topic, and so make it, just after it was deleted.
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            let results = self
                .admin
                .delete_topics(&topics, &options)
                .await
                .with_context(|| self.still_there())?;
            let mut deleted = false;
            for result in results {
                match result {
                    Ok(_) => deleted = true,
                    // Left before it was created, or gone already.
                    Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                    Err((topic, code)) => {
                        bail!("topic {topic} is still on {}: {code}", self.bootstrap)
                    }
                }
            }
            if !deleted || Instant::now() > deadline {
                return Ok(());
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}
