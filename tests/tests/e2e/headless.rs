//! The commands for scripts: the real binary without a terminal, on a real cluster.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::command::{self, Output};
use sluice_tests::kafka::Kafka;
use sluice_tests::pipeline::Pipeline;
use sluice_tests::ports::free_port;
use sluice_tests::rest::Rest;
use sluice_tests::servers::{BrokerKind, sluice_binary};
use sluice_tests::wait::{seconds, wait_until};
use sluice_tests::worker::{Kind, Worker};

use crate::context::{Cluster, Context, Needs, Test, merge};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "headless::get_lists_everything_in_every_form_and_nothing_else",
        needs: Needs::NOTHING,
        run: |context| lists(&Stage::new(context, Kind::Agent)?),
    },
    Test {
        name: "headless::exit_status_2_says_that_something_is_unhealthy_until_it_is_restarted",
        needs: Needs::NOTHING,
        run: |context| exit_status(&Stage::new(context, Kind::Agent)?),
    },
    Test {
        name: "headless::apply_writes_all_or_nothing_and_says_what_changes",
        needs: Needs::NOTHING,
        run: |context| apply(&Stage::new(context, Kind::Agent)?),
    },
    Test {
        name: "headless::verbs_return_when_the_cluster_has_done_it",
        needs: Needs::EMBEDDED,
        run: |context| verbs(&Stage::new(context, Kind::Agent)?),
    },
    Test {
        name: "headless::secrets_are_masked_and_a_mask_is_never_written",
        needs: Needs::NOTHING,
        run: |context| secrets(&Stage::new(context, Kind::Agent)?),
    },
    Test {
        name: "headless::dead_workers_and_brokers_are_errors_that_name_them",
        needs: Needs::NOTHING,
        run: nobody_there,
    },
    Test {
        name: "headless::check_says_what_is_wrong_with_files_and_clusters_and_changes_nothing",
        needs: Needs::NOTHING,
        run: |context| check(&Stage::new(context, Kind::Agent)?),
    },
    Test {
        name: "headless::lag_says_which_task_reads_in_groups_of_either_protocol_of_agents_and_jvm_workers",
        needs: Needs::JAVA,
        run: owners,
    },
    Test {
        name: "headless::all_of_it_works_on_a_jvm_worker",
        needs: Needs::JAVA,
        run: |context| {
            let stage = Stage::new(context, Kind::Jvm)?;
            lists(&stage)?;
            exit_status(&stage)?;
            apply(&stage)?;
            check(&stage)?;
            verbs(&stage)
        },
    },
];

/// A cluster of one worker with one pipeline.
struct Stage<'a> {
    cluster: Cluster<'a>,
    worker: Worker,
    pipeline: Pipeline,
}

impl<'a> Stage<'a> {
    fn new(context: &'a Context, kind: Kind) -> Result<Self> {
        let cluster = context.cluster("headless")?;
        let worker = cluster.worker(kind, &cluster.properties()?)?;
        let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
        pipeline.add_lines(100)?;
        pipeline.create(worker.rest())?;
        pipeline.wait_running(worker.rest(), seconds(60))?;
        pipeline.wait_count(seconds(60))?;
        Ok(Self {
            cluster,
            worker,
            pipeline,
        })
    }

    fn rest(&self) -> &Rest {
        self.worker.rest()
    }

    /// Runs `sluice` with these arguments on the cluster.
    fn sluice(&self, arguments: &[&str]) -> Result<Output> {
        self.sluice_with(arguments, "")
    }

    fn sluice_with(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let url = self.rest().url();
        let mut all = vec!["--connect", url];
        all.extend(["--bootstrap-servers", &self.cluster.bootstrap]);
        all.extend(arguments);
        // Other tests are about what is watched; here a second of it is enough.
        if matches!(arguments.first(), Some(&("apply" | "resume" | "restart"))) {
            all.extend(["--watch", "1"]);
        }
        sluice(&all, input)
    }

    /// Writes a file into the cluster's folder.
    fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.cluster.folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// A name for one more connector.
    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.cluster.name)
    }

    fn exists(&self, connector: &str) -> Result<bool> {
        Ok(self.rest().get(&format!("/connectors/{connector}"))?.status == 200)
    }

    /// A source that waits for lines of an empty file.
    fn idle_config(&self, name: &str) -> Result<Value> {
        Ok(json!({
            "name": self.name(name),
            "connector.class": "FileStreamSource",
            "file": self.file(&format!("{name}.in"), "")?,
            "topic": self.pipeline.topic,
            "tasks.max": "1",
        }))
    }
}

/// Runs `sluice` with these arguments, away from any configuration of whoever runs the tests.
fn sluice(arguments: &[&str], input: &str) -> Result<Output> {
    let mut command = vec![sluice_binary()?.display().to_string()];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let nowhere = std::env::temp_dir().join("sluice-no-home");
    let nowhere = nowhere.display().to_string();
    let environment = [("HOME", nowhere.as_str()), ("XDG_CONFIG_HOME", &nowhere)];
    command::run(&command, &environment, input, seconds(150))
}

/// Kafka describes groups of the two protocols by two calls. On Kafka, since the embedded broker has one
/// protocol.
fn owners(context: &Context) -> Result<()> {
    let kafka = Kafka::start_kind(&context.servers, BrokerKind::Kafka)?;
    for kind in [Kind::Jvm, Kind::Agent] {
        let cluster = context.cluster_on("owners", &kafka.bootstrap())?;
        let worker = cluster.worker(kind, &cluster.properties()?)?;
        for protocol in ["classic", "consumer"] {
            owner(&cluster, &worker, protocol)
                .with_context(|| format!("{kind:?}, protocol {protocol}"))?;
        }
    }
    Ok(())
}

/// Waits until `get lag` names the task of a sink whose group has that protocol.
fn owner(cluster: &Cluster<'_>, worker: &Worker, protocol: &str) -> Result<()> {
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, protocol);
    pipeline.add_lines(10)?;
    let source = pipeline.source_config();
    worker.rest().put_config(&pipeline.source(), &source)?;
    let mut sink = pipeline.sink_config();
    merge(
        &mut sink,
        &json!({"consumer.override.group.protocol": protocol}),
    );
    worker.rest().put_config(&pipeline.sink(), &sink)?;
    pipeline.wait_running(worker.rest(), seconds(60))?;
    let mut all = vec!["--connect", worker.rest().url()];
    all.extend(["--bootstrap-servers", &cluster.bootstrap]);
    all.extend(["get", "lag", "-o", "json"]);
    wait_until("a partition with its task", seconds(60), || {
        let lag = rows(&sluice(&all, "")?.quietly(0)?)?;
        let of_sink = |row: &&Value| row["connector"] == json!(pipeline.sink());
        let found = lag.iter().find(of_sink);
        Ok(found.is_some_and(|row| row["task"] == 0 && row["committed"] == 10))
    })
}

fn rows(output: &Output) -> Result<Vec<Value>> {
    Ok(output.json()?.as_array().context("no list")?.clone())
}

fn column<'a>(rows: &'a [Value], key: &str) -> BTreeSet<&'a str> {
    rows.iter().filter_map(|row| row[key].as_str()).collect()
}

fn lists(stage: &Stage<'_>) -> Result<()> {
    let [source, sink] = stage.pipeline.connectors();
    let both = BTreeSet::from([source.as_str(), sink.as_str()]);

    let found = rows(
        &stage
            .sluice(&["get", "connectors", "-o", "json"])?
            .quietly(0)?,
    )?;
    ensure!(column(&found, "name") == both, "{found:?}");
    ensure!(
        column(&found, "health") == BTreeSet::from(["HEALTHY"]),
        "{found:?}"
    );
    ensure!(
        column(&found, "type") == BTreeSet::from(["sink", "source"]),
        "{found:?}"
    );
    ensure!(
        column(&found, "worker_id") == BTreeSet::from([stage.worker.worker_id().as_str()]),
        "{found:?}"
    );
    let yaml = stage
        .sluice(&["get", "connectors", "-o", "yaml"])?
        .quietly(0)?;
    let names = yaml.yaml()?;
    let names = names.as_array().context("no list")?;
    ensure!(column(names, "name") == both, "{yaml:?}");
    let table = stage.sluice(&["get", "connectors"])?.quietly(0)?;
    let lines: Vec<&str> = table.stdout.lines().collect();
    ensure!(
        lines.len() == 3 && lines[0].starts_with("HEALTH ") && !table.stdout.contains('\u{1b}'),
        "{}",
        table.stdout
    );

    let only = stage.sluice(&["get", "connectors", "-f", "-l type=sink", "-o", "json"])?;
    let only = rows(&only.quietly(0)?)?;
    ensure!(
        column(&only, "name") == BTreeSet::from([sink.as_str()]),
        "{only:?}"
    );
    let faults = stage.sluice(&["get", "connectors", "--faults", "-o", "json"])?;
    ensure!(
        rows(&faults.quietly(0)?)?.is_empty(),
        "faults of a healthy cluster"
    );

    let tasks = rows(&stage.sluice(&["get", "tasks", "-o", "json"])?.quietly(0)?)?;
    ensure!(column(&tasks, "connector") == both, "{tasks:?}");
    ensure!(
        column(&tasks, "state") == BTreeSet::from(["RUNNING"]),
        "{tasks:?}"
    );

    let workers = rows(
        &stage
            .sluice(&["get", "workers", "-o", "json"])?
            .quietly(0)?,
    )?;
    ensure!(
        workers.len() == 1 && workers[0]["worker_id"] == json!(stage.worker.worker_id()),
        "{workers:?}"
    );
    ensure!(
        workers[0]["tasks"] == 2 && workers[0]["connectors"] == 2,
        "{workers:?}"
    );

    let plugins = rows(
        &stage
            .sluice(&["get", "plugins", "-o", "json"])?
            .quietly(0)?,
    )?;
    let classes = column(&plugins, "class");
    for class in [
        "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "org.apache.kafka.connect.json.JsonConverter",
    ] {
        ensure!(classes.contains(class), "no {class} in {classes:?}");
    }

    // Offsets are committed every half second.
    wait_until("a lag of nothing", seconds(20), || {
        let lag = rows(&stage.sluice(&["get", "lag", "-o", "json"])?.quietly(0)?)?;
        ensure!(
            lag.len() == 1
                && lag[0]["connector"] == json!(sink)
                && lag[0]["topic"] == json!(stage.pipeline.topic)
                && lag[0]["partition"] == 0
                && lag[0]["end"] == 100,
            "{lag:?}"
        );
        Ok(lag[0]["lag"] == 0 && lag[0]["committed"] == 100)
    })?;
    let url = stage.rest().url();
    sluice(&["--connect", url, "get", "lag"], "")?.refuses(1, "--bootstrap-servers")?;

    let described = stage
        .sluice(&["describe", &sink, "-o", "json"])?
        .quietly(0)?;
    let described = described.json()?;
    ensure!(
        described["name"] == json!(sink)
            && described["state"] == "RUNNING"
            && described["tasks"]
                .as_array()
                .is_some_and(|tasks| tasks.len() == 1)
            && described["config"]["topics"] == json!(stage.pipeline.topic),
        "{described}"
    );
    let people = stage.sluice(&["describe", &sink])?.quietly(0)?;
    for part in [&sink, "HEALTHY", "TASKS", "CONFIG", "topics = "] {
        ensure!(
            people.stdout.contains(part),
            "no {part} in\n{}",
            people.stdout
        );
    }
    let nobody = stage.name("nobody");
    stage.sluice(&["describe", &nobody])?.refuses(1, &nobody)?;
    Ok(())
}

fn exit_status(stage: &Stage<'_>) -> Result<()> {
    let name = stage.name("failing");
    let folder = stage.cluster.folder.join("later");
    // The folder of its file does not exist yet, so its task fails at its start.
    let config = json!({
        "connector.class": "FileStreamSink",
        "topics": stage.pipeline.topic,
        "file": folder.join("out"),
        "tasks.max": "1",
    });
    stage.rest().put_config(&name, &config)?;
    stage.rest().wait_failed(&name)?;
    let found = stage
        .sluice(&["get", "connectors", "-o", "json"])?
        .quietly(2)?;
    let found = rows(&found)?;
    ensure!(found.len() == 3, "{found:?}");
    // The worst comes first, with what is behind it.
    ensure!(
        found[0]["name"] == json!(name)
            && found[0]["health"] == "UNHEALTHY"
            && found[0]["failed"] == 1
            && found[0]["root_cause"]
                .as_str()
                .is_some_and(|cause| !cause.is_empty()),
        "{found:?}"
    );
    let faults = stage
        .sluice(&["get", "tasks", "--faults", "-o", "json"])?
        .quietly(2)?;
    let faults = rows(&faults)?;
    ensure!(
        faults.len() == 1
            && faults[0]["state"] == "FAILED"
            && faults[0]["connector"] == json!(name),
        "{faults:?}"
    );
    // What is left out by a filter does not count.
    stage
        .sluice(&["get", "connectors", "-f", &stage.pipeline.name])?
        .quietly(0)?;
    let described = stage.sluice(&["describe", &name])?.quietly(2)?;
    ensure!(
        described.stdout.contains("TRACE OF TASK 0") && described.stdout.contains("FAILED"),
        "{}",
        described.stdout
    );
    let described = stage
        .sluice(&["describe", &name, "-o", "yaml"])?
        .quietly(2)?;
    let trace = described.yaml()?["tasks"][0]["trace"].clone();
    ensure!(
        trace.as_array().is_some_and(|lines| !lines.is_empty()),
        "{trace}"
    );

    // A restart that does not help is an error; one that does is fine, and so is everything then.
    let failed = stage.sluice(&["restart", &name, "--timeout", "20"])?;
    ensure!(failed.code == 1, "{failed:?}");
    std::fs::create_dir(&folder)?;
    stage.sluice(&["restart", &name])?.quietly(0)?;
    stage.rest().wait_running(&name, 1, seconds(1))?;
    wait_until("a healthy cluster", seconds(20), || {
        Ok(stage.sluice(&["get", "connectors"])?.code == 0)
    })?;
    stage.sluice(&["delete", "--yes", &name])?.quietly(0)?;
    Ok(())
}

fn apply(stage: &Stage<'_>) -> Result<()> {
    let rest = stage.rest();
    let (one, two, three) = (stage.name("one"), stage.name("two"), stage.name("three"));
    let path = |name: &str| format!("/connectors/{name}/config");

    // Faults in one of them, and none is written.
    let mut broken = stage.idle_config("broken")?;
    broken["tasks.max"] = json!("none");
    let good = stage.idle_config("one")?;
    let file = stage.file("faults.json", &json!([good, broken]).to_string())?;
    let refused = stage
        .sluice(&["apply", "-f", &file])?
        .refuses(1, "tasks.max")?;
    ensure!(
        refused.stderr.contains("nothing written"),
        "{}",
        refused.stderr
    );
    ensure!(!stage.exists(&one)?, "written beside one that is refused");
    // A folder stands for the files in it.
    let folder = stage.cluster.folder.join("connectors");
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("README"), "not a connector")?;
    let folder = folder.display().to_string();
    stage
        .sluice(&["apply", "-f", &folder])?
        .refuses(1, "no .json, .yaml or .yml file")?;
    std::fs::write(format!("{folder}/one.json"), good.to_string())?;
    let dry = stage
        .sluice(&["apply", "-f", &folder, "--dry-run"])?
        .quietly(0)?;
    ensure!(dry.stdout.contains("would be created"), "{}", dry.stdout);
    let file = stage.file("not.json", "{\"name\":")?;
    stage.sluice(&["apply", "-f", &file])?.refuses(1, &file)?;
    let missing = stage
        .cluster
        .folder
        .join("no-such-file")
        .display()
        .to_string();
    stage
        .sluice(&["apply", "-f", &missing])?
        .refuses(1, &missing)?;
    let unknown = json!({ "name": one, "connector.class": "NoSuchConnector" });
    let file = stage.file("unknown.json", &unknown.to_string())?;
    stage
        .sluice(&["apply", "-f", &file])?
        .refuses(1, "NoSuchConnector")?;

    // One, as JSON: first only shown, then written, then the same as before.
    let file = stage.file("one.json", &good.to_string())?;
    let dry = stage
        .sluice(&["apply", "-f", &file, "--dry-run"])?
        .quietly(0)?;
    ensure!(dry.stdout.contains("would be created"), "{}", dry.stdout);
    ensure!(!stage.exists(&one)?, "written by a dry run");
    let written = stage.sluice(&["apply", "-f", &file])?.quietly(0)?;
    ensure!(
        written.stdout == format!("{one}: created\n"),
        "{}",
        written.stdout
    );
    rest.wait_running(&one, 1, seconds(30))?;
    let same = stage.sluice(&["apply", "-f", &file])?.quietly(0)?;
    ensure!(
        same.stdout == format!("{one}: unchanged\n"),
        "{}",
        same.stdout
    );

    // Many, as YAML, one of them changed.
    let config = stage.idle_config("two")?;
    let documents = format!(
        "name: {one}\nconfig:\n  connector.class: FileStreamSource\n  file: {}\n  topic: {}\n  tasks.max: \
         1\n  batch.size: 77\n---\n{}",
        good["file"].as_str().context("no file")?,
        stage.pipeline.topic,
        serde_yaml_ng::to_string(&config)?,
    );
    let file = stage.file("many.yaml", &documents)?;
    let written = stage.sluice(&["apply", "-f", &file])?.quietly(0)?;
    for part in [
        format!("{one}: changed"),
        "+ batch.size = 77".to_owned(),
        format!("{two}: created"),
    ] {
        ensure!(
            written.stdout.contains(&part),
            "no {part} in\n{}",
            written.stdout
        );
    }
    ensure!(
        rest.patient("GET", &path(&one), None)?.json()?["batch.size"] == "77",
        "not written"
    );
    rest.wait_running(&two, 1, seconds(30))?;

    // From standard input.
    let written = stage.sluice_with(
        &["apply", "-f", "-"],
        &stage.idle_config("three")?.to_string(),
    )?;
    ensure!(
        written.quietly(0)?.stdout.contains("created"),
        "not created"
    );
    rest.wait_running(&three, 1, seconds(30))?;
    let mut refused = stage.idle_config("three")?;
    refused["batch.size"] = json!("78");
    stage
        .sluice_with(&["--readonly", "apply", "-f", "-"], &refused.to_string())?
        .refuses(1, "read-only")?;
    ensure!(
        rest.get(&path(&three))?.json()?["batch.size"].is_null(),
        "written"
    );

    let filter = format!("{}-(one|two|three)", stage.cluster.name);
    let deleted = stage.sluice(&["delete", "-y", "-f", &filter])?.quietly(0)?;
    ensure!(deleted.stdout.lines().count() == 3, "{}", deleted.stdout);
    for name in [&one, &two, &three] {
        rest.wait_gone(name, seconds(10))?;
    }
    Ok(())
}

fn verbs(stage: &Stage<'_>) -> Result<()> {
    let rest = stage.rest();
    let [source, sink] = stage.pipeline.connectors();
    // The command returns when it is done, so nothing has to be waited for after it.
    let now = seconds(1);
    let done = stage.sluice(&["pause", &source, &sink])?.quietly(0)?;
    ensure!(done.stdout.lines().count() == 2, "{}", done.stdout);
    rest.wait_state(&source, "PAUSED", 1, now)?;
    rest.wait_state(&sink, "PAUSED", 1, now)?;
    stage.sluice(&["resume", &source])?.quietly(0)?;
    rest.wait_running(&source, 1, now)?;
    rest.wait_state(&sink, "PAUSED", 1, now)?;
    stage
        .sluice(&["resume", "-f", &stage.pipeline.name])?
        .quietly(0)?;
    rest.wait_running(&sink, 1, now)?;
    stage
        .sluice(&["restart", "--all", &source, &sink])?
        .quietly(0)?;
    rest.wait_running(&source, 1, now)?;
    stage
        .sluice(&["restart", "--connector-only", &source])?
        .quietly(0)?;
    rest.wait_running(&source, 1, now)?;
    stage.sluice(&["stop", &sink])?.quietly(0)?;
    rest.wait_state(&sink, "STOPPED", 0, now)?;
    stage.sluice(&["resume", &sink])?.quietly(0)?;
    rest.wait_running(&sink, 1, now)?;

    let nobody = stage.name("nobody");
    for verb in ["pause", "resume", "stop", "restart"] {
        let refused = stage.sluice(&[verb, &source, &nobody])?;
        refused.refuses(1, &nobody)?;
        stage
            .sluice(&[verb, "-f", "matches-nothing"])?
            .refuses(1, "matches-nothing")?;
        stage
            .sluice(&["--readonly", verb, &source])?
            .refuses(1, "read-only")?;
    }
    rest.wait_running(&source, 1, now)?;
    stage.sluice(&["delete", &source])?.refuses(1, "--yes")?;
    stage
        .sluice(&["delete", "--yes", &nobody])?
        .refuses(1, &nobody)?;
    ensure!(stage.exists(&source)?, "deleted without being sure");
    stage
        .sluice(&["delete", "--yes", &source, &sink])?
        .quietly(0)?;
    ensure!(
        !stage.exists(&source)? && !stage.exists(&sink)?,
        "still there"
    );
    Ok(())
}

fn secrets(stage: &Stage<'_>) -> Result<()> {
    let name = stage.name("secret");
    let mut config = stage.idle_config("secret")?;
    config["database.password"] = json!("geheim-1");
    let file = stage.file("secret.json", &config.to_string())?;
    let written = stage.sluice(&["apply", "-f", &file])?.quietly(0)?;
    config["database.password"] = json!("geheim-2");
    let file = stage.file("secret.json", &config.to_string())?;
    let changed = stage.sluice(&["apply", "-f", &file])?.quietly(0)?;
    ensure!(
        changed.stdout.contains("database.password"),
        "{}",
        changed.stdout
    );
    for output in ["table", "json", "yaml"] {
        let described = stage
            .sluice(&["describe", &name, "-o", output])?
            .quietly(0)?;
        for text in [&described.stdout, &written.stdout, &changed.stdout] {
            ensure!(!text.contains("geheim"), "{text}");
        }
    }
    // What `describe` shows, given back, does not overwrite the secret.
    let described = stage.sluice(&["describe", &name, "-o", "json"])?.json()?;
    let file = stage.file("masked.json", &described["config"].to_string())?;
    stage
        .sluice(&["apply", "-f", &file])?
        .refuses(1, "database.password")?;
    let stored = stage.rest().get(&format!("/connectors/{name}/config"))?;
    ensure!(
        stored.json()?["database.password"] == "geheim-2",
        "overwritten"
    );
    Ok(())
}

fn nobody_there(context: &Context) -> Result<()> {
    let stage = Stage::new(context, Kind::Agent)?;
    let dead = format!("http://127.0.0.1:{}", free_port()?);
    let source = stage.pipeline.source();
    let empty = stage.file("empty.json", &stage.idle_config("one")?.to_string())?;
    let commands: [&[&str]; 7] = [
        &["get", "connectors"],
        &["get", "workers", "-o", "json"],
        &["get", "plugins"],
        &["describe", &source],
        &["apply", "-f", &empty],
        &["pause", &source],
        &["delete", "--yes", &source],
    ];
    for command in commands {
        let mut all = vec!["--connect", dead.as_str()];
        all.extend(command);
        sluice(&all, "")?.refuses(1, &dead)?;
    }
    // The next worker is asked when one is dead.
    let both = format!("{dead},{}", stage.rest().url());
    sluice(&["--connect", &both, "pause", &source], "")?.quietly(0)?;
    sluice(&["--connect", &both, "resume", &source], "")?.quietly(0)?;

    let broker = format!("127.0.0.1:{}", free_port()?);
    let url = stage.rest().url();
    let all = [
        "--connect",
        url,
        "--bootstrap-servers",
        &broker,
        "get",
        "lag",
    ];
    sluice(&all, "")?.refuses(1, &broker)?;
    // The list does not need brokers: it is there, and the complaint beside it.
    let all = [
        "--connect",
        url,
        "--bootstrap-servers",
        &broker,
        "get",
        "connectors",
    ];
    let listed = sluice(&all, "")?.expect(0)?;
    ensure!(
        listed.stdout.contains(&source) && listed.stderr.contains(&broker),
        "{listed:?}"
    );
    let nowhere: PathBuf = stage.cluster.folder.join("no.toml");
    let nowhere = nowhere.display().to_string();
    sluice(&["--config", &nowhere, "get", "connectors"], "")?.refuses(1, &nowhere)?;
    sluice(&["--connect", "ftp://x", "get", "connectors"], "")?.refuses(1, "ftp://x")?;
    Ok(())
}

/// Level, subject and key of each finding.
fn findings(output: &Output) -> Result<Vec<(String, String, String)>> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let found = output.json()?["findings"].clone();
    let found = found.as_array().context("no list")?;
    let brief = |one: &Value| {
        (
            text(&one["level"]),
            text(&one["subject"]),
            text(&one["key"]),
        )
    };
    Ok(found.iter().map(brief).collect())
}

fn check(stage: &Stage<'_>) -> Result<()> {
    let has = |output: &Output, level: &str, subject: &str, key: &str| -> Result<()> {
        let found = findings(output)?;
        let one = (level.to_owned(), subject.to_owned(), key.to_owned());
        ensure!(found.contains(&one), "no {one:?} in {found:?}");
        Ok(())
    };
    // A worker's file: of one that runs, with mistakes, and with brokers that are not there.
    let properties = stage.cluster.properties()?;
    let fine = stage.file("fine.properties", &properties.text())?;
    let found = sluice(&["check", &fine, "-o", "json"], "")?.quietly(0)?;
    ensure!(found.json()?["summary"]["checked"] == 1, "{found:?}");
    let text =
        properties.text() + "\ngroup.idd=x\noffset.flush.interval.ms=often\nodd.password=geheim\n";
    let wrong = stage.file("wrong.properties", &text)?;
    let found = sluice(&["check", &wrong, "-o", "json"], "")?.quietly(2)?;
    has(&found, "error", &wrong, "offset.flush.interval.ms")?;
    has(&found, "warning", &wrong, "group.idd")?;
    ensure!(!found.stdout.contains("geheim"), "{found:?}");
    let nobody = format!("127.0.0.1:{}", free_port()?);
    let dead = properties.with("bootstrap.servers", &nobody).text();
    let dead = stage.file("dead.properties", &dead)?;
    let found = sluice(&["check", &dead, "--timeout", "3"], "")?.expect(1)?;
    ensure!(found.stderr.contains(&nobody), "{found:?}");
    sluice(&["check", &dead, "--offline"], "")?.quietly(0)?;
    let found = sluice(&["check", "--offline", "-f", &fine], "")?.quietly(2)?;
    ensure!(found.stdout.contains("check it without -f"), "{found:?}");
    sluice(&["check", "/no/such.properties"], "")?.refuses(1, "/no/such.properties")?;

    // Connectors in files, by themselves and with what the cluster says.
    let folder = stage.cluster.folder.join("files");
    std::fs::create_dir_all(&folder)?;
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text);
    let good = stage.idle_config("checked")?;
    write("good.json", &good.to_string())?;
    write(
        "other.properties",
        "name=other\nconnector.class=FileStreamSink\ntopics=t\nfile=/tmp/x\n",
    )?;
    let files = folder.display().to_string();
    sluice(&["check", "--offline", "-f", &files], "")?.quietly(0)?;
    stage.sluice(&["check", "-f", &files])?.quietly(0)?;
    write(
        "twice.yaml",
        "name: other\nconnector.class: FileStreamSink\ntopics: t\ntasks.max: many\ndb.password: geheim\n",
    )?;
    write(
        "foreign.json",
        r#"{"name":"foreign","config":{"connector.class":"com.example.No","x.secret":"geheim"}}"#,
    )?;
    write("broken.json", r#"{"name":"#)?;
    for online in [false, true] {
        let found = if online {
            stage.sluice(&["check", "-o", "json", "-f", &files])?
        } else {
            sluice(&["check", "-o", "json", "-f", &files], "")?
        };
        let found = found.quietly(2)?;
        has(&found, "error", "connector other", "tasks.max")?;
        has(&found, "error", "connector foreign", "connector.class")?;
        has(&found, "error", &format!("{files}/broken.json"), "-")?;
        let twice = format!("connector other in {files}/twice.yaml");
        has(&found, "error", &twice, "name")?;
        ensure!(!found.stdout.contains("geheim"), "{found:?}");
    }
    ensure!(!stage.exists(&stage.name("checked"))?, "a check wrote");

    // The cluster: all is well, then a task fails.
    let [source, sink] = stage.pipeline.connectors();
    let found = stage.sluice(&["check"])?.quietly(0)?;
    ensure!(found.stdout.contains("0 errors"), "{found:?}");
    let failing = stage.name("check-failing");
    let config = json!({
        "connector.class": "FileStreamSink",
        "topics": stage.pipeline.topic,
        "file": "/no/such/folder/out",
        "tasks.max": "1",
    });
    stage.rest().put_config(&failing, &config)?;
    stage.rest().wait_failed(&failing)?;
    let found = stage.sluice(&["check", "-o", "json"])?.quietly(2)?;
    has(&found, "error", &format!("connector {failing}"), "-")?;
    has(&found, "error", &format!("connector {failing} task 0"), "-")?;
    for well in [source, sink] {
        ensure!(!found.stdout.contains(&well), "{found:?}");
    }
    stage.rest().delete(&failing)?;
    stage.rest().wait_gone(&failing, seconds(30))?;
    sluice(&["--connect", &format!("http://{nobody}"), "check"], "")?.refuses(1, &nobody)?;
    Ok(())
}
