//! Exactly-once sources (KIP-618): whoever reads committed records sees every line of every file once,
//! whatever happens to workers and brokers.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::files::{Delivery, line, write_lines};
use sluice_tests::kafka::Kafka;
use sluice_tests::rest::Rest;
use sluice_tests::topics::consume_all;
use sluice_tests::wait::{seconds, wait_for};
use sluice_tests::worker::{Kind, Worker, WorkerProperties};

use crate::context::{Cluster, Context, Needs, Test, tested_kind};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "exactly_once::thirty_rounds_of_killed_agents_and_restarted_brokers_repeat_nothing",
        needs: Needs::NOTHING,
        run: killed_agents,
    },
    Test {
        name: "exactly_once::a_zombie_that_wakes_up_writes_nothing",
        needs: Needs::NOTHING,
        run: zombie,
    },
    Test {
        name: "exactly_once::a_task_that_starts_while_the_leader_is_gone_waits_for_the_next_one",
        needs: Needs::NOTHING,
        run: killed_leader,
    },
    Test {
        name: "exactly_once::agents_and_a_jvm_worker_share_a_cluster",
        needs: Needs::JAVA,
        run: mixed_group,
    },
    Test {
        name: "exactly_once::the_config_topic_tells_what_was_fenced",
        needs: Needs::NOTHING,
        run: fencing_records,
    },
    Test {
        name: "exactly_once::a_connector_has_offsets_in_a_topic_of_its_own_which_can_be_changed",
        needs: Needs::EMBEDDED,
        run: own_offsets,
    },
];

/// Source connectors on growing files.
struct Files {
    folder: PathBuf,
    cluster: String,
    count: usize,
    written: u64,
}

impl Files {
    fn new(cluster: &Cluster<'_>, count: usize) -> Self {
        Self {
            folder: cluster.folder.clone(),
            cluster: cluster.name.clone(),
            count,
            written: 0,
        }
    }

    fn name(&self, number: usize) -> String {
        format!("{}-file{number}", self.cluster)
    }

    fn add_lines(&mut self, lines: u64) -> Result<()> {
        for number in 0..self.count {
            let file = self.folder.join(format!("{number}.in"));
            write_lines(
                &file,
                &self.name(number),
                self.written,
                self.written + lines,
            )?;
        }
        self.written += lines;
        Ok(())
    }

    fn config(&self, number: usize) -> Value {
        // Boundaries of each kind that a file source can have.
        let boundary = if number.is_multiple_of(2) {
            "poll"
        } else {
            "interval"
        };
        json!({
            "connector.class": "FileStreamSource",
            "tasks.max": "1",
            "file": self.folder.join(format!("{number}.in")),
            "topic": self.name(number),
            "exactly.once.support": "required",
            "transaction.boundary": boundary,
            "transaction.boundary.interval.ms": "300",
            "producer.override.transaction.timeout.ms": "20000",
        })
    }

    fn create(&self, rest: &Rest) -> Result<()> {
        for number in 0..self.count {
            rest.put_config(&self.name(number), &self.config(number))?;
        }
        Ok(())
    }

    fn wait_running(&self, rest: &Rest) -> Result<()> {
        for number in 0..self.count {
            wait_for("the connector to run", seconds(120), || {
                let name = self.name(number);
                let states = rest.states(&name)?.context("no status")?;
                // A transaction that a restart of the broker cut off fails its task, as in the JVM worker.
                if states.tasks.iter().any(|task| task.state == "FAILED") {
                    rest.call("POST", &format!("/connectors/{name}/tasks/0/restart"), None)?;
                }
                rest.wait_running(&name, 1, Duration::ZERO).map(Some)
            })?;
        }
        Ok(())
    }

    /// Waits until each line of each file was committed, and checks that none was twice.
    fn wait_each_once(&self, bootstrap: &str) -> Result<()> {
        for number in 0..self.count {
            let name = self.name(number);
            let sent: Vec<String> = (0..self.written).map(|n| line(&name, n)).collect();
            wait_for(&format!("the lines of {name}"), seconds(120), || {
                let records = consume_all(bootstrap, &name)?;
                let arrived = records.iter().filter_map(|record| record.value.as_deref());
                let delivery = Delivery::of(sent.iter().map(String::as_bytes), arrived);
                ensure!(delivery.repeated == 0, "{delivery}");
                delivery.none_lost_or_repeated().map(Some)
            })?;
        }
        Ok(())
    }
}

fn properties(cluster: &Cluster<'_>) -> Result<WorkerProperties> {
    Ok(cluster
        .properties()?
        .with("exactly.once.source.support", "enabled")
        .with("scheduled.rebalance.max.delay.ms", "500"))
}

fn start(cluster: &Cluster<'_>, count: usize) -> Result<Vec<Worker>> {
    (0..count)
        .map(|_| cluster.worker(tested_kind(), &properties(cluster)?))
        .collect()
}

fn killed_agents(context: &Context) -> Result<()> {
    const ROUNDS: usize = 30;
    let mut kafka = Kafka::start(&context.servers)?;
    let bootstrap = kafka.bootstrap();
    let cluster = context.cluster_on("once", &bootstrap)?;
    let mut workers = start(&cluster, 2)?;
    let mut files = Files::new(&cluster, 4);
    files.add_lines(200)?;
    files.create(workers[0].rest())?;
    files.wait_running(workers[0].rest())?;
    for round in 0..ROUNDS {
        files.add_lines(400)?;
        let victim = workers.remove(0);
        let again = victim.properties().clone();
        // Each round meets another moment of a transaction.
        std::thread::sleep(Duration::from_millis(37 * (round as u64 % 11)));
        victim.kill()?;
        files.add_lines(400)?;
        if round % 10 == 9 {
            kafka.kill()?;
            kafka.restart()?;
        }
        workers.push(cluster.worker(tested_kind(), &again)?);
    }
    files.wait_running(workers[0].rest())?;
    files.wait_each_once(&bootstrap)
}

fn zombie(context: &Context) -> Result<()> {
    let cluster = context.cluster("zombie")?;
    let mut workers = start(&cluster, 2)?;
    let mut files = Files::new(&cluster, 2);
    files.add_lines(500)?;
    files.create(workers[0].rest())?;
    files.wait_running(workers[0].rest())?;
    files.wait_each_once(&cluster.bootstrap)?;
    let states = workers[0]
        .rest()
        .states(&files.name(0))?
        .context("no status")?;
    let owner = states.tasks[0].worker_id.clone();
    let place = workers
        .iter()
        .position(|worker| worker.worker_id() == owner)
        .context("nobody runs the task")?;
    let mut frozen = workers.remove(place);
    frozen.process().freeze()?;
    files.add_lines(2000)?;
    let rest = workers[0].rest();
    wait_for("the task on the other worker", seconds(60), || {
        let states = rest.wait_running(&files.name(0), 1, Duration::ZERO)?;
        ensure!(states.tasks[0].worker_id != owner, "{}", states.text());
        Ok(Some(()))
    })?;
    files.wait_each_once(&cluster.bootstrap)?;
    // The zombie wakes up in the middle of whatever it did, with lines to write.
    frozen.process().thaw()?;
    files.add_lines(2000)?;
    frozen.wait_healthy(seconds(60))?;
    files.wait_each_once(&cluster.bootstrap)
}

fn killed_leader(context: &Context) -> Result<()> {
    let cluster = context.cluster("leaderless")?;
    // The first to join leads.
    let leader = cluster.worker(Kind::Agent, &properties(&cluster)?)?;
    let mut other = cluster.worker(Kind::Agent, &properties(&cluster)?)?;
    let mut files = Files::new(&cluster, 4);
    files.add_lines(100)?;
    files.create(leader.rest())?;
    files.wait_running(leader.rest())?;
    let name = wait_for("a task beside the leader", seconds(60), || {
        for number in 0..4 {
            let states = other
                .rest()
                .states(&files.name(number))?
                .context("no status")?;
            if states
                .tasks
                .iter()
                .any(|task| task.worker_id == other.worker_id())
            {
                return Ok(Some(files.name(number)));
            }
        }
        Ok(None)
    })?;
    leader.kill()?;
    // The group has not noticed, and the task asks the leader that it knows to fence its producers.
    let path = format!("/connectors/{name}/tasks/0/restart");
    other.rest().call("POST", &path, None)?.success()?;
    wait_for("the task to run again", seconds(60), || {
        let states = other.rest().states(&name)?.context("no status")?;
        ensure!(
            states.tasks.iter().all(|task| task.state != "FAILED"),
            "{}",
            states.text()
        );
        let waited = other
            .process()
            .output()
            .contains("the task starts when its zombies are fenced");
        let runs = states.tasks.iter().all(|task| task.state == "RUNNING");
        Ok((waited && runs).then_some(()))
    })?;
    files.add_lines(100)?;
    files.wait_running(other.rest())?;
    files.wait_each_once(&cluster.bootstrap)
}

fn mixed_group(context: &Context) -> Result<()> {
    let cluster = context.cluster("oncemix")?;
    let jvm = cluster.worker(Kind::Jvm, &properties(&cluster)?)?;
    let agents = start(&cluster, 2)?;
    let mut files = Files::new(&cluster, 3);
    files.add_lines(1000)?;
    // The JVM worker leads and is asked by the agents to fence; reconfiguring causes one more round for each.
    files.create(jvm.rest())?;
    files.wait_running(jvm.rest())?;
    for number in 0..3 {
        let mut config = files.config(number);
        config["batch.size"] = "500".into();
        agents[0].rest().put_config(&files.name(number), &config)?;
    }
    files.add_lines(1000)?;
    files.wait_running(agents[0].rest())?;
    files.wait_each_once(&cluster.bootstrap)?;
    // An agent leads after it is gone.
    jvm.stop()?;
    files.add_lines(1000)?;
    files.wait_running(agents[0].rest())?;
    for number in 0..3 {
        let mut config = files.config(number);
        config["batch.size"] = "300".into();
        agents[0].rest().put_config(&files.name(number), &config)?;
    }
    let jvm = cluster.worker(Kind::Jvm, &properties(&cluster)?)?;
    files.add_lines(1000)?;
    files.wait_running(jvm.rest())?;
    files.wait_each_once(&cluster.bootstrap)
}

fn fencing_records(context: &Context) -> Result<()> {
    let cluster = context.cluster("fencing")?;
    let workers = start(&cluster, 1)?;
    let rest = workers[0].rest();
    let mut files = Files::new(&cluster, 1);
    files.add_lines(10)?;
    files.create(rest)?;
    files.wait_running(rest)?;
    let name = files.name(0);
    let records = || -> Result<Vec<String>> {
        let records = consume_all(&cluster.bootstrap, &format!("{}-configs", cluster.name))?;
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        Ok(records
            .iter()
            .filter(|record| record.key.as_deref() != Some(b"session-key"))
            .map(|record| {
                let key = text(record.key.as_deref()).replace(&name, "c");
                let value = text(record.value.as_deref());
                let value = if value.contains("properties") {
                    "{..}".to_owned()
                } else {
                    value
                };
                format!("{key} {value}")
            })
            .collect())
    };
    let written = records()?;
    ensure!(
        written
            == [
                "connector-c {..}",
                "task-c-0 {..}",
                r#"commit-c {"tasks":1}"#,
                r#"tasks-fencing-c {"task-count":1}"#,
            ],
        "{written:#?}"
    );
    rest.verb("PUT", &name, "stop")?;
    rest.wait_state(&name, "STOPPED", 0, seconds(30))?;
    files.wait_each_once(&cluster.bootstrap)?;
    rest.patient("DELETE", &format!("/connectors/{name}/offsets"), None)?
        .success()?;
    let written = records()?;
    ensure!(
        written[4..]
            == [
                r#"commit-c {"tasks":0}"#,
                r#"target-state-c {"state":"PAUSED","state.v2":"STOPPED"}"#,
                r#"tasks-fencing-c {"task-count":0}"#,
            ],
        "{written:#?}"
    );
    ensure!(rest.offsets(&name)?.is_empty(), "offsets after a reset");
    Ok(())
}

fn own_offsets(context: &Context) -> Result<()> {
    for support in ["disabled", "enabled"] {
        let cluster = context.cluster("own")?;
        let properties = properties(&cluster)?.with("exactly.once.source.support", support);
        let worker = cluster.worker(tested_kind(), &properties)?;
        let rest = worker.rest();
        let mut files = Files::new(&cluster, 1);
        files.add_lines(100)?;
        let name = files.name(0);
        let topic = format!("{}-own-offsets", cluster.name);
        let mut config = files.config(0);
        config["offsets.storage.topic"] = topic.clone().into();
        if support == "disabled" {
            config["exactly.once.support"] = "requested".into();
        }
        rest.put_config(&name, &config)?;
        files.wait_running(rest)?;
        files.wait_each_once(&cluster.bootstrap)?;
        let bytes = 100 * (line(&name, 0).len() + 1);
        let stored = |topic: &str, wanted: &Value| {
            wait_for(&format!("an offset in {topic}"), seconds(30), || {
                let records = consume_all(&cluster.bootstrap, topic)?;
                let last = records
                    .iter()
                    .rfind(|record| record.key.as_ref().is_some_and(|key| key.starts_with(b"[")))
                    .context("none")?;
                let value: Value = match &last.value {
                    Some(value) => serde_json::from_slice(value)?,
                    None => Value::Null,
                };
                ensure!(value == *wanted, "{value}");
                Ok(Some(()))
            })
        };
        // In its own topic, with a copy in the worker's.
        stored(&topic, &json!({ "position": bytes }))?;
        stored(
            properties
                .get("offset.storage.topic")
                .context("offset topic")?,
            &json!({ "position": bytes }),
        )?;
        rest.verb("PUT", &name, "stop")?;
        rest.wait_state(&name, "STOPPED", 0, seconds(30))?;
        let mut offsets = rest.offsets(&name)?;
        ensure!(offsets.len() == 1, "{offsets:?}");
        offsets[0]["offset"]["position"] = (bytes / 2).into();
        let body = json!({ "offsets": offsets });
        let path = format!("/connectors/{name}/offsets");
        rest.patient("PATCH", &path, Some(&body))?.success()?;
        stored(&topic, &json!({ "position": bytes / 2 }))?;
        rest.verb("PUT", &name, "resume")?;
        rest.wait_running(&name, 1, seconds(30))?;
        wait_for("half of the lines once more", seconds(30), || {
            let count = consume_all(&cluster.bootstrap, &name)?.len();
            ensure!(count == 150, "{count}");
            Ok(Some(()))
        })?;
        worker.stop()?;
    }
    Ok(())
}
