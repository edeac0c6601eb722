//! `sluice demo`: three agents in this process, five pipelines on them, and the terminal to watch and steer it all.
//!
//! Everything lives in topics and groups of its own and in a temporary folder, and is taken back at exit. One pipeline
//! fails now and then, one falls behind because whoever reads its output is slow.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use serde_json::json;
use sluice_agent::logging::Loggers;
use sluice_agent::run::{WorkerError, run_distributed};
use sluice_agent::worker_config::{Mode, WorkerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::contexts::{Context, Contexts};
use crate::runtime::{self, Surroundings};

const AGENTS: usize = 3;
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long brokers may take for their first answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long a person waits for the prompt without being told why.
const SILENCE: Duration = Duration::from_secs(3);
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// One pipeline: a generator, a topic and a file.
struct Pipeline {
    name: &'static str,
    generator: &'static str,
    /// Records per second.
    rate: &'static str,
    partitions: i32,
    /// The source fails after so many records.
    fails_after: Option<&'static str>,
    /// The output is a pipe that is read at this many bytes per second.
    drained_at: Option<usize>,
}

const PIPELINES: [Pipeline; 5] = [
    Pipeline {
        name: "orders",
        generator: "orders",
        rate: "200",
        partitions: 4,
        fails_after: None,
        drained_at: None,
    },
    Pipeline {
        name: "clicks",
        generator: "clicks",
        rate: "2000",
        partitions: 4,
        fails_after: None,
        drained_at: None,
    },
    Pipeline {
        name: "sensors",
        generator: "sensors",
        rate: "50",
        partitions: 2,
        fails_after: None,
        drained_at: None,
    },
    Pipeline {
        name: "payments",
        generator: "orders",
        rate: "40",
        partitions: 1,
        fails_after: Some("1200"),
        drained_at: None,
    },
    Pipeline {
        name: "audit",
        generator: "clicks",
        rate: "300",
        partitions: 2,
        fails_after: None,
        drained_at: Some(20_000),
    },
];

/// Runs the demo on the brokers at `bootstrap` until the terminal is left, then takes everything back.
///
/// A signal while it starts ends it in the same good order; one while it takes things back leaves them where they are.
/// `say` tells a person what is being waited for.
///
/// # Errors
/// When Kafka does not answer, an agent or connector does not start, or something of the demo stays on the brokers.
pub(crate) async fn run(
    bootstrap: &str,
    surroundings: Surroundings,
    say: &(dyn Fn(&str) + Sync),
) -> anyhow::Result<()> {
    let demo = Demo::new(bootstrap)?;
    let stop = CancellationToken::new();
    let mut agents = Agents::new();
    say(&format!(
        "starting {AGENTS} agents and {} pipelines on {bootstrap}",
        PIPELINES.len()
    ));
    let started = tokio::select! {
        biased;
        signalled = signalled() => signalled.map(|()| None).map_err(Into::into),
        urls = demo.start(&mut agents, &stop) => urls.map(Some),
    };
    let shown = match started {
        Ok(Some(urls)) => demo.show(&urls, surroundings).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    stop.cancel();
    let taken_back = tokio::select! {
        biased;
        signalled = signalled() => signalled.map_err(Into::into).and_then(|()| {
            bail!("interrupted: {}", demo.still_there())
        }),
        taken_back = demo.take_back(&mut agents, say) => taken_back,
    };
    shown.and(taken_back)
}

/// Waits for a signal that asks the process to end.
async fn signalled() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// The agents that run; one that ends early says why.
type Agents = JoinSet<Result<(), WorkerError>>;

struct Demo {
    bootstrap: String,
    /// In front of all names, so that nothing else on the brokers is touched.
    id: String,
    folder: tempfile::TempDir,
    admin: AdminClient<DefaultClientContext>,
}

impl Demo {
    fn new(bootstrap: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sluice-demo-").tempdir()?;
        let id = folder
            .path()
            .file_name()
            .and_then(|name| name.to_str())
            .map(|name| name.replace('.', "-"))
            .context("the temporary folder has no name")?;
        let admin = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .create()?;
        Ok(Self {
            bootstrap: bootstrap.to_owned(),
            id,
            folder,
            admin,
        })
    }

    /// A name of the demo's own, for a topic or a group.
    fn internal(&self, name: &str) -> String {
        format!("{}-{name}", self.id)
    }

    /// Creates topics, agents and pipelines; returns the URLs of the agents.
    async fn start(
        &self,
        agents: &mut Agents,
        stop: &CancellationToken,
    ) -> anyhow::Result<Vec<String>> {
        self.create_topics().await?;
        let mut urls = Vec::new();
        for _ in 0..AGENTS {
            urls.push(self.start_agent(agents, stop).await?);
        }
        self.create_pipelines(&urls, stop).await?;
        Ok(urls)
    }

    /// Shows the terminal until it is left.
    async fn show(&self, urls: &[String], surroundings: Surroundings) -> anyhow::Result<()> {
        Ok(runtime::run(self.contexts(urls)?, surroundings).await?)
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
            if let Err((topic, code)) = result {
                bail!("cannot create topic {topic} on {}: {code}", self.bootstrap);
            }
        }
        Ok(())
    }

    async fn start_agent(
        &self,
        agents: &mut Agents,
        stop: &CancellationToken,
    ) -> anyhow::Result<String> {
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
            ("scheduled.rebalance.max.delay.ms", "10000".to_owned()),
            ("listeners", "http://127.0.0.1:0".to_owned()),
        ];
        let props = props
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let config = WorkerConfig::from_props(props, Mode::Distributed)?;
        let (ready, url) = tokio::sync::oneshot::channel();
        let stop = stop.clone();
        agents.spawn(async move {
            let ready = Box::new(move |url: &str| {
                // Nobody waits any more when the demo is given up meanwhile.
                let _ = ready.send(url.to_owned());
            });
            run_distributed(config, Arc::new(Loggers::detached()), stop, ready).await
        });
        let failed = || format!("an agent does not start on {}", self.bootstrap);
        tokio::select! {
            biased;
            Ok(url) = url => Ok(url),
            Some(ended) = agents.join_next() => {
                ended.with_context(failed)?.with_context(failed)?;
                bail!("{}", failed())
            }
            () = tokio::time::sleep(START_LIMIT) => bail!("{}", failed()),
        }
    }

    async fn create_pipelines(
        &self,
        urls: &[String],
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = urls.first().context("no agent")?;
        for one in &PIPELINES {
            let file = self.folder.path().join(format!("{}.jsonl", one.name));
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
            // The usual group, named after the connector alone, may be somebody's on these brokers.
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
            telemetry_topic: Some(self.internal("status-telemetry")),
            readonly: false,
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
            let all_ended = async {
                while let Some(ended) = agents.join_next().await {
                    if let Ok(Err(error)) = ended {
                        say(&format!(
                            "an agent failed: {:#}",
                            anyhow::Error::from(error)
                        ));
                    }
                }
            };
            // Agents that still wait for a broker have had their time; deleting tells whether it is there.
            let _ = tokio::time::timeout(STOP_LIMIT, all_ended).await;
            self.delete_groups().await?;
            self.delete_topics().await
        };
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SILENCE) => say(&format!(
                "waiting for {} to take back topics and groups {}-*; ctrl-c leaves them there",
                self.bootstrap, self.id
            )),
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
        let results = self
            .admin
            .delete_topics(&topics, &options)
            .await
            .with_context(|| self.still_there())?;
        for result in results {
            match result {
                // Left before it was created.
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((topic, code)) => bail!("topic {topic} is still on {}: {code}", self.bootstrap),
            }
        }
        Ok(())
    }
}

/// Makes a named pipe and reads it at a limited rate, so that whoever writes it falls behind.
fn drain_slowly(
    path: &Path,
    bytes_per_second: usize,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .with_context(|| format!("cannot make the pipe {}", path.display()))?;
    // Opened for reading and writing: it opens at once, and never ends while writers come and go.
    let mut pipe = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .with_context(|| format!("cannot open the pipe {}", path.display()))?;
    tokio::spawn(async move {
        let mut buffer = vec![0; bytes_per_second / 10];
        let mut interval = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                _ = interval.tick() => {
                    // Empty for the moment is an error of a pipe that does not block.
                    let _ = pipe.read(&mut buffer);
                }
                () = stop.cancelled() => break,
            }
        }
        // A writer that waits for room has to get on, or its task could not stop.
        while pipe.read(&mut buffer).is_ok_and(|read| read > 0) {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    Ok(())
}
