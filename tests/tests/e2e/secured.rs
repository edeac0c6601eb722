//! Brokers with TLS and SASL: agents in a group, the clients of their tasks, and the terminal.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sluice_tests::certificates::{Authority, Identity, STORE_PASSWORD, write_key_store, write_pem};
use sluice_tests::command::{self, Output};
use sluice_tests::kafka::{Kafka, Listener, PASSWORD, USER};
use sluice_tests::pipeline::Pipeline;
use sluice_tests::pty::Terminal;
use sluice_tests::servers::sluice_binary;
use sluice_tests::wait::{seconds, wait_until};
use sluice_tests::worker::{Kind, WorkerProperties};

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "secured::agents_copy_over_every_listener_with_every_mechanism",
        needs: Needs::JAVA,
        run: every_way_in,
    },
    Test {
        name: "secured::the_environments_certificates_are_trusted_where_settings_name_none",
        needs: Needs::JAVA,
        run: trust_of_the_environment,
    },
    Test {
        name: "secured::workers_of_one_group_may_come_in_by_different_doors",
        needs: Needs::JAVA,
        run: different_doors,
    },
    Test {
        name: "secured::the_terminal_and_its_commands_come_in_with_the_properties_of_their_context",
        needs: Needs::JAVA,
        run: terminal,
    },
    Test {
        name: "secured::a_wrong_password_or_certificate_is_told_without_the_secret",
        needs: Needs::JAVA,
        run: turned_away,
    },
];

/// A secured broker, and a certificate for its clients.
struct Castle {
    kafka: Kafka,
    authority: Authority,
    client: Identity,
}

/// How a client comes in.
#[derive(Debug, Clone, Copy)]
struct Way {
    listener: Listener,
    mechanism: Option<&'static str>,
}

const WAYS: [Way; 7] = [
    way(Listener::Ssl, None),
    way(Listener::SaslSsl, Some("PLAIN")),
    way(Listener::SaslSsl, Some("SCRAM-SHA-256")),
    way(Listener::SaslSsl, Some("SCRAM-SHA-512")),
    way(Listener::SaslPlaintext, Some("PLAIN")),
    way(Listener::SaslPlaintext, Some("SCRAM-SHA-256")),
    way(Listener::SaslPlaintext, Some("SCRAM-SHA-512")),
];

const fn way(listener: Listener, mechanism: Option<&'static str>) -> Way {
    Way {
        listener,
        mechanism,
    }
}

const WRONG_PASSWORD: &str = "abracadabra-0815";

impl Castle {
    fn new(context: &Context) -> Result<Self> {
        let authority = Authority::new("sluice tests")?;
        Ok(Self {
            kafka: Kafka::start_secured(&context.servers, &authority)?,
            client: authority.issue("client")?,
            authority,
        })
    }

    /// A Connect cluster on the broker; which way its workers come in is theirs to say.
    fn cluster<'a>(&self, context: &'a Context, name: &str) -> Result<Cluster<'a>> {
        context.cluster_on(name, &self.kafka.bootstrap())
    }

    /// The keys of Kafka's Java clients for a way in.
    fn client_properties(
        &self,
        cluster: &Cluster<'_>,
        way: Way,
        password: &str,
        trusted: &str,
    ) -> Result<Vec<(String, String)>> {
        let file = |name: &str, pem: &str| write_pem(&cluster.folder.join(name), pem);
        let mut all = vec![("security.protocol", way.listener.protocol().to_owned())];
        if way.listener != Listener::SaslPlaintext {
            all.push(("ssl.truststore.type", "PEM".to_owned()));
            all.push(("ssl.truststore.location", file("trusted.pem", trusted)?));
        }
        if way.listener == Listener::Ssl {
            // A store of Java, which agents read as well.
            let own = write_key_store(&cluster.folder.join("client.p12"), &self.client)?;
            all.push(("ssl.keystore.type", "PKCS12".to_owned()));
            all.push(("ssl.keystore.location", own));
            all.push(("ssl.keystore.password", STORE_PASSWORD.to_owned()));
        }
        if let Some(mechanism) = way.mechanism {
            let module = match mechanism {
                "PLAIN" => "plain.PlainLoginModule",
                _ => "scram.ScramLoginModule",
            };
            all.push(("sasl.mechanism", mechanism.to_owned()));
            all.push((
                "sasl.jaas.config",
                format!(
                    "org.apache.kafka.common.security.{module} required username=\"{USER}\" \
                     password=\"{password}\";"
                ),
            ));
        }
        Ok(all
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect())
    }

    /// Properties of a worker that comes in this way, and whose tasks' clients do: JVM workers want them told
    /// apart.
    fn properties(&self, cluster: &Cluster<'_>, way: Way) -> Result<WorkerProperties> {
        self.properties_with(cluster, way, PASSWORD, self.authority.pem())
    }

    fn properties_with(
        &self,
        cluster: &Cluster<'_>,
        way: Way,
        password: &str,
        trusted: &str,
    ) -> Result<WorkerProperties> {
        let address = self.kafka.address(way.listener)?;
        let mut properties = cluster.properties()?.with("bootstrap.servers", &address);
        for (key, value) in self.client_properties(cluster, way, password, trusted)? {
            for prefix in ["", "producer.", "consumer.", "admin."] {
                properties = properties.with(&format!("{prefix}{key}"), &value);
            }
        }
        Ok(properties)
    }

    /// A context file for the terminal, with the keys of librdkafka.
    fn terminal_config(
        &self,
        cluster: &Cluster<'_>,
        url: &str,
        way: Way,
        password: &str,
    ) -> Result<String> {
        let name = &cluster.name;
        let trusted = cluster.folder.join("terminal-trusted.pem");
        let trusted = write_pem(&trusted, self.authority.pem())?;
        let mut text = format!(
            "current = \"test\"\n[contexts.test]\nconnect = \"{url}\"\nbootstrap_servers = \"{}\"\n\
             group = \"{name}\"\nconfig_topic = \"{name}-configs\"\nstatus_topic = \"{name}-status\"\n\
             [contexts.test.client]\n\"security.protocol\" = \"{}\"\n\"ssl.ca.location\" = \"{trusted}\"\n",
            self.kafka.address(way.listener)?,
            way.listener.protocol(),
        );
        match way.mechanism {
            Some(mechanism) => writeln!(
                text,
                "\"sasl.mechanism\" = \"{mechanism}\"\n\"sasl.username\" = \"{USER}\"\n\"sasl.password\" = \
                 \"{password}\""
            )?,
            None => {
                let own = cluster.folder.join("terminal.pem");
                let own = write_pem(&own, &self.client.pem())?;
                writeln!(
                    text,
                    "\"ssl.certificate.location\" = \"{own}\"\n\"ssl.key.location\" = \"{own}\""
                )?;
            }
        }
        let file = cluster.folder.join("sluice.toml");
        std::fs::write(&file, text)?;
        Ok(file.display().to_string())
    }
}

fn no_secret(text: &str) -> Result<()> {
    for secret in [PASSWORD, WRONG_PASSWORD, "PRIVATE KEY"] {
        ensure!(!text.contains(secret), "shows {secret:?}:\n{text}");
    }
    Ok(())
}

fn every_way_in(context: &Context) -> Result<()> {
    let castle = Castle::new(context)?;
    for way in WAYS {
        let what = || format!("{way:?}");
        let cluster = castle.cluster(context, "secured")?;
        let properties = castle.properties(&cluster, way)?;
        let mut worker = cluster
            .worker(Kind::Agent, &properties)
            .with_context(what)?;
        let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
        pipeline.add_lines(500)?;
        pipeline.create(worker.rest()).with_context(what)?;
        pipeline
            .wait_running(worker.rest(), seconds(60))
            .with_context(what)?;
        pipeline.wait_count(seconds(60)).with_context(what)?;
        // Offsets of a sink's group are read and deleted by the worker's own client.
        let rest = worker.rest();
        rest.verb("PUT", &pipeline.sink(), "stop")?;
        rest.wait_state(&pipeline.sink(), "STOPPED", 0, seconds(30))?;
        wait_until("the sink's offsets", seconds(30), || {
            Ok(rest.offsets(&pipeline.sink())?.len() == 1)
        })?;
        let offsets = format!("/connectors/{}/offsets", pipeline.sink());
        wait_until("offsets to be reset", seconds(30), || {
            rest.patient("DELETE", &offsets, None)?.success()?;
            Ok(true)
        })
        .with_context(what)?;
        let output = worker.process().output();
        worker.stop().with_context(what)?;
        pipeline
            .delivery()?
            .none_lost_or_repeated()
            .with_context(what)?;
        no_secret(&output).with_context(what)?;
    }
    Ok(())
}

fn trust_of_the_environment(context: &Context) -> Result<()> {
    let castle = Castle::new(context)?;
    let stranger = Authority::new("sluice tests")?;
    let way = WAYS[1];
    // Names as `openssl rehash` gives them do not matter.
    for (variable, is_folder) in [("SSL_CERT_FILE", false), ("SSL_CERT_DIR", true)] {
        let cluster = castle.cluster(context, "environment")?;
        let place = |pem: &str| -> Result<String> {
            let folder = cluster.folder.join(format!("trusted-{}", pem.len()));
            std::fs::create_dir_all(&folder)?;
            let file = write_pem(&folder.join("authority.pem"), pem)?;
            Ok(if is_folder {
                folder.display().to_string()
            } else {
                file
            })
        };
        let mut properties = castle.properties(&cluster, way)?;
        for prefix in ["", "producer.", "consumer.", "admin."] {
            for key in ["ssl.truststore.type", "ssl.truststore.location"] {
                properties = properties.without(&format!("{prefix}{key}"));
            }
        }
        let trusting = properties
            .clone()
            .environment(variable, &place(castle.authority.pem())?);
        let worker = cluster.worker(Kind::Agent, &trusting).context(variable)?;
        let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
        pipeline.add_lines(100)?;
        pipeline.create(worker.rest())?;
        pipeline
            .wait_running(worker.rest(), seconds(60))
            .context(variable)?;
        pipeline.wait_count(seconds(60)).context(variable)?;
        worker.stop()?;
        let wrong = format!("{}\n", stranger.pem());
        let refusing = properties.environment(variable, &place(&wrong)?);
        let refused = cluster.worker(Kind::Agent, &refusing);
        let why = format!(
            "{:?}",
            refused
                .err()
                .context("a stranger's authority was trusted")?
        );
        ensure!(why.contains("certificate"), "{variable}: {why}");
    }
    Ok(())
}

fn different_doors(context: &Context) -> Result<()> {
    let castle = Castle::new(context)?;
    let cluster = castle.cluster(context, "doors")?;
    let mut workers = Vec::new();
    // The JVM worker is the reference for what the properties mean.
    for (kind, way) in [
        (Kind::Agent, WAYS[0]),
        (Kind::Jvm, WAYS[3]),
        (Kind::Agent, WAYS[4]),
    ] {
        let properties = castle.properties(&cluster, way)?;
        workers.push(cluster.worker(kind, &properties)?);
    }
    let mut pipelines: Vec<Pipeline> = (0..3)
        .map(|n| Pipeline::new(&cluster.folder, &cluster.name, &format!("pipe{n}")))
        .collect();
    for pipeline in &mut pipelines {
        pipeline.add_lines(200)?;
        pipeline.create(workers[0].rest())?;
    }
    for worker in &workers {
        wait_until("work on every worker", seconds(60), || {
            let mut on_it = 0;
            for pipeline in &pipelines {
                for connector in pipeline.connectors() {
                    let states = worker.rest().states(&connector)?.context("no status")?;
                    let id = worker.worker_id();
                    on_it += states.workers().filter(|one| *one == id).count();
                }
            }
            Ok(on_it > 0)
        })?;
    }
    for pipeline in &pipelines {
        pipeline.wait_running(workers[2].rest(), seconds(60))?;
        pipeline.wait_count(seconds(60))?;
    }
    for worker in workers {
        worker.stop()?;
    }
    for pipeline in &pipelines {
        pipeline.delivery()?.none_lost_or_repeated()?;
    }
    Ok(())
}

fn terminal(context: &Context) -> Result<()> {
    let castle = Castle::new(context)?;
    let binary = sluice_binary()?.display().to_string();
    let cluster = castle.cluster(context, "secured-terminal")?;
    let worker = cluster.worker(Kind::Agent, &castle.properties(&cluster, WAYS[2])?)?;
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(100)?;
    pipeline.create(worker.rest())?;
    pipeline.wait_count(seconds(60))?;
    let url = worker.rest().url();
    let get_lag = |config: &str| -> Result<Output> {
        let command =
            [&binary, "--config", config, "get", "lag", "-o", "json"].map(ToString::to_string);
        command::run(&command, &[], "", seconds(100))
    };
    for way in WAYS {
        let config = castle.terminal_config(&cluster, url, way, PASSWORD)?;
        wait_until(&format!("no lag by {way:?}"), seconds(30), || {
            let lag = get_lag(&config)?.quietly(0)?.json()?;
            ensure!(lag[0]["connector"] == json!(pipeline.sink()), "{lag}");
            Ok(lag[0]["lag"] == 0)
        })?;
    }
    let config = castle.terminal_config(&cluster, url, WAYS[3], PASSWORD)?;
    let command = [binary.clone(), "--config".to_owned(), config];
    let screen = Terminal::start(&command, &[], 140, 40)?;
    // "live" is what it says when it follows the status topic.
    screen.wait_line(&[" live"], seconds(30))?;
    screen.wait_line(&["HEALTHY", &pipeline.sink()], seconds(30))?;
    no_secret(&screen.screen())?;
    drop(screen);

    for way in [WAYS[1], WAYS[2]] {
        let config = castle.terminal_config(&cluster, url, way, WRONG_PASSWORD)?;
        let refused = get_lag(&config)?.refuses(1, "brokers")?;
        ensure!(
            refused.stderr.to_lowercase().contains("authentication"),
            "the reason is not told: {}",
            refused.stderr
        );
        no_secret(&refused.stderr)?;
    }
    Ok(())
}

fn turned_away(context: &Context) -> Result<()> {
    let castle = Castle::new(context)?;
    let stranger = Authority::new("sluice tests")?;
    for (way, password, trusted, part) in [
        (
            WAYS[1],
            WRONG_PASSWORD,
            castle.authority.pem(),
            "uthentication",
        ),
        (
            WAYS[2],
            WRONG_PASSWORD,
            castle.authority.pem(),
            "uthentication",
        ),
        (
            WAYS[6],
            WRONG_PASSWORD,
            castle.authority.pem(),
            "uthentication",
        ),
        (WAYS[1], PASSWORD, stranger.pem(), "certificate"),
        (WAYS[0], PASSWORD, stranger.pem(), "certificate"),
    ] {
        let what = || format!("{way:?} expecting {part}");
        let cluster = castle.cluster(context, "secured-out")?;
        let properties = castle.properties_with(&cluster, way, password, trusted)?;
        let mut worker = cluster.launch(Kind::Agent, &properties)?;
        // At once: what may pass would be tried for a minute.
        let status = worker.process().wait_exit(seconds(30)).with_context(what)?;
        ensure!(status.code() == Some(2), "{}: {status}", what());
        let output = worker.process().output();
        ensure!(output.contains(part), "{}:\n{output}", what());
        no_secret(&output).with_context(what)?;
    }

    // A connector that brings a wrong password of its own fails alone, and says why.
    let cluster = castle.cluster(context, "secured-override")?;
    let mut worker = cluster.worker(Kind::Agent, &castle.properties(&cluster, WAYS[1])?)?;
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(10)?;
    pipeline.create(worker.rest())?;
    pipeline.wait_count(seconds(60))?;
    let wrong = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"{USER}\" \
         password=\"{WRONG_PASSWORD}\";"
    );
    let name = format!("{}-wrong", cluster.name);
    let mut config = pipeline.sink_config();
    config["file"] = json!(cluster.folder.join("wrong.out"));
    config["consumer.override.sasl.jaas.config"] = json!(wrong);
    worker.rest().put_config(&name, &config)?;
    wait_until(
        "the sink with a wrong password to fail",
        seconds(60),
        || {
            let states = worker.rest().states(&name)?.context("no status")?;
            let failed = states.tasks.iter().find(|task| task.state == "FAILED");
            let failed = failed.with_context(|| states.text())?;
            ensure!(
                failed.trace.to_lowercase().contains("authentication"),
                "{}",
                failed.trace
            );
            no_secret(&failed.trace)?;
            Ok(true)
        },
    )?;
    pipeline.wait_running(worker.rest(), seconds(5))?;
    no_secret(&worker.process().output())
}
