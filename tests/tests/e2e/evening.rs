//! An evening on call: hundreds of connectors, twenty of them failing in four ways, and an operator who must
//! be able to believe what he reads. On agents and on a JVM worker.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::command::{self, Output};
use sluice_tests::kafka::Kafka;
use sluice_tests::pty::{Terminal, keys};
use sluice_tests::servers::{is_long, sluice_binary};
use sluice_tests::topics::{create_topic, produce};
use sluice_tests::wait::{seconds, wait_until};
use sluice_tests::worker::{Kind, Worker};

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "evening::on_agents_nothing_is_green_that_is_not",
        needs: Needs::NOTHING,
        run: |context| {
            let mut evening = Evening::new(context, Kind::Agent, 2, 280)?;
            evening.looks()?;
            evening.restarts()?;
            evening.typing()?;
            evening.loses_a_worker()
        },
    },
    Test {
        name: "evening::on_a_jvm_worker_nothing_is_green_that_is_not",
        needs: Needs::JAVA,
        run: |context| {
            // A JVM worker takes a second and more for each.
            let well = if is_long() { 280 } else { 40 };
            let mut evening = Evening::new(context, Kind::Jvm, 1, well)?;
            evening.looks()?;
            evening.restarts()?;
            evening.typing()?;
            evening.freezes()?;
            evening.loses_a_worker()
        },
    },
    Test {
        name: "evening::two_clusters_on_one_kafka_are_told_apart",
        needs: Needs::NOTHING,
        run: two_clusters,
    },
    Test {
        name: "evening::secrets_in_parts_of_values_are_masked_and_kept",
        needs: Needs::NOTHING,
        run: secrets,
    },
    Test {
        name: "evening::a_bulk_action_is_given_up_in_the_middle_and_says_what_was_not_sent",
        needs: Needs::NOTHING,
        run: aborted,
    },
    Test {
        name: "evening::a_refused_text_is_kept_without_secrets_where_the_dialog_says",
        needs: Needs::NOTHING,
        run: kept,
    },
    Test {
        name: "evening::ctrl_z_in_the_editor_gives_the_shell_back",
        needs: Needs::NOTHING,
        run: suspended,
    },
];

/// A cluster with connectors that run, and five of each way to fail.
struct Evening<'a> {
    cluster: Cluster<'a>,
    workers: Vec<Worker>,
    well: usize,
}

/// Ways to fail: at the start, at the first record in a converter (two), at the first record in a
/// transformation.
const WAYS: [&str; 4] = ["nofile", "notjson", "noschema", "nostruct"];
/// Connectors of each way.
const EACH: usize = 5;

impl<'a> Evening<'a> {
    fn new(context: &'a Context, kind: Kind, workers: usize, well: usize) -> Result<Self> {
        let cluster = context.cluster("evening")?;
        let topic = format!("{}-t", cluster.name);
        create_topic(&cluster.bootstrap, &topic, 1)?;
        let lines: Vec<String> = (0..40).map(|n| format!("line {n}")).collect();
        produce(
            &cluster.bootstrap,
            &topic,
            lines.iter().map(|line| (None, Some(line.as_bytes()))),
        )?;
        let mut all = Vec::new();
        for _ in 0..workers {
            // Long enough to see what is lost meanwhile.
            let properties = cluster
                .properties()?
                .with("scheduled.rebalance.max.delay.ms", "60000");
            all.push(cluster.worker(kind, &properties)?);
        }
        let evening = Self {
            cluster,
            workers: all,
            well,
        };
        evening.create(&topic)?;
        Ok(evening)
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.cluster.name)
    }

    fn create(&self, topic: &str) -> Result<()> {
        let rest = self.workers[0].rest();
        let file = |name: &str| self.cluster.folder.join(name).display().to_string();
        let config = |name: &str| {
            json!({
                "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
                "topics": topic,
                "tasks.max": "1",
                "file": file(&format!("{name}.out")),
            })
        };
        for n in 0..self.well {
            let name = format!("well-{n}");
            rest.put_config(&self.name(&name), &config(&name))?;
        }
        for way in WAYS {
            for n in 0..EACH {
                let name = format!("{way}-{n}");
                let mut config = config(&name);
                match way {
                    "nofile" => config["file"] = json!("/no/such/folder/out"),
                    "nostruct" => {
                        config["transforms"] = json!("x");
                        config["transforms.x.type"] =
                            json!("org.apache.kafka.connect.transforms.ExtractField$Value");
                        config["transforms.x.field"] = json!("f");
                    }
                    _ => {
                        let schemas = (way == "noschema").to_string();
                        config["value.converter"] =
                            json!("org.apache.kafka.connect.json.JsonConverter");
                        config["value.converter.schemas.enable"] = json!(schemas);
                    }
                }
                rest.put_config(&self.name(&name), &config)?;
            }
        }
        let limit = 120 + 2 * self.well as u64;
        wait_until("all to run or to have failed", seconds(limit), || {
            let found = self.sluice(&["get", "connectors", "-o", "json"])?;
            let rows = found.json()?;
            let rows = rows.as_array().context("no list")?;
            let count = |health: &str| rows.iter().filter(|row| row["health"] == health).count();
            let (bad, well) = (count("UNHEALTHY"), count("HEALTHY"));
            ensure!(
                bad == WAYS.len() * EACH && well == self.well,
                "{bad} bad, {well} well"
            );
            Ok(true)
        })
    }

    fn sluice(&self, arguments: &[&str]) -> Result<Output> {
        sluice(
            self.workers[0].rest().url(),
            &self.cluster.bootstrap,
            arguments,
        )
    }

    /// A context without telemetry, as every JVM cluster is.
    fn open(&self) -> Result<Terminal> {
        let name = &self.cluster.name;
        let text = format!(
            "current = \"on-call\"\n[contexts.on-call]\nconnect = \"{}\"\nbootstrap_servers = \"{}\"\n\
             group = \"{name}\"\nconfig_topic = \"{name}-configs\"\nstatus_topic = \"{name}-status\"\n\
             telemetry_topic = \"none\"\ncareful = true\nskin = \"red\"\n",
            self.workers[0].rest().url(),
            self.cluster.bootstrap,
        );
        let file = self.cluster.folder.join("sluice.toml");
        std::fs::write(&file, text)?;
        start(&["--config", &file.display().to_string()], &[])
    }

    fn all(&self) -> usize {
        self.well + WAYS.len() * EACH
    }

    /// What is seen without a key: how many are bad, and the whole lag, soon.
    fn looks(&self) -> Result<()> {
        let all = self.all();
        let bad = self.sluice(&["get", "connectors", "-f", "health=bad", "-o", "json"])?;
        let rows = bad.quietly(2)?.json()?;
        ensure!(
            rows.as_array().is_some_and(|rows| rows.len() == 20),
            "{rows}"
        );

        let began = Instant::now();
        let lag = self
            .sluice(&["get", "lag", "-o", "json"])?
            .quietly(0)?
            .json()?;
        let took = began.elapsed();
        let lag = lag.as_array().context("no list")?;
        let unknown = lag.iter().filter(|row| row["lag"].is_null()).count();
        ensure!(
            lag.len() == all && unknown == 0,
            "{} rows, {unknown} unknown",
            lag.len()
        );
        ensure!(took < seconds(5), "the lag of {all} sinks took {took:?}");

        let terminal = self.open()?;
        let began = Instant::now();
        let total = WAYS.len() * EACH * 40;
        terminal.wait_screen("the lag of all sinks", seconds(10), |screen| {
            let head = screen.lines().next().unwrap_or("");
            head.contains("20 bad")
                && head.contains(&format!("{all} conn"))
                && head.contains("lag 800")
        })?;
        ensure!(
            total == 800 && began.elapsed() < seconds(5),
            "{:?}",
            began.elapsed()
        );
        // What is bad is readable in the red skin: no red ground under it.
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        let before = raw.split("20 bad").next().unwrap_or("");
        let ground = before.rfind("\u{1b}[48;5;1m").map_or(0, |at| at + 1);
        let reset = before
            .rfind("\u{1b}[49m")
            .or_else(|| before.rfind("\u{1b}[0m"))
            .map_or(0, |at| at + 1);
        ensure!(ground <= reset, "the number of bad ones stands on red");
        Ok(())
    }

    /// A restart of what fails at its first record is not a success, and says why.
    fn restarts(&self) -> Result<()> {
        let failing = self.name("notjson-0");
        let restarted = self.sluice(&["restart", &failing])?.expect(1)?;
        for part in ["1 of 1", "FAILED", "SerializationException"] {
            let part = if self.workers[0].kind() == Kind::Jvm && part.starts_with("Serial") {
                "Exception"
            } else {
                part
            };
            ensure!(restarted.stderr.contains(part), "{restarted:?}");
        }
        let well = self
            .sluice(&["restart", &self.name("well-0")])?
            .quietly(0)?;
        ensure!(well.stdout.contains("nothing was restarted"), "{well:?}");
        let all = self
            .sluice(&["restart", "--all", "--watch", "5", &self.name("well-0")])?
            .quietly(0)?;
        ensure!(all.stdout.contains("RUNNING"), "{all:?}");
        // Some of the filter's are asked, and all of them fail again.
        let filter = format!("{}-noschema-[01]", self.cluster.name);
        let some = self.sluice(&["restart", "-f", &filter])?.expect(1)?;
        ensure!(
            some.stderr.lines().count() == 2 && some.stdout.is_empty(),
            "{some:?}"
        );

        let mut terminal = self.open()?;
        terminal.wait_text("20 bad", seconds(20))?;
        crate::terminal::choose(&mut terminal, &failing)?;
        terminal.send("r")?;
        terminal.wait_text("1 of 1 tasks FAILED", seconds(10))?;
        // A careful context wants the name first: enter alone does nothing.
        terminal.send(keys::ENTER)?;
        terminal.wait_no_text("[failed only]", seconds(10))?;
        terminal.send("r")?;
        terminal.wait_text("to do it", seconds(10))?;
        terminal.send(&failing)?;
        terminal.send(keys::ENTER)?;
        terminal.wait_screen("the verdict", seconds(40), |screen| {
            let last = screen.lines().last().unwrap_or("");
            assert!(!last.contains('✔'), "{last}");
            // Of a long verdict the middle is left out.
            last.contains("✖ restart failed")
        })
    }

    /// What is typed after a slash is text.
    fn typing(&self) -> Result<()> {
        let mut terminal = self.open()?;
        terminal.wait_text("20 bad", seconds(20))?;
        crate::terminal::choose(&mut terminal, &self.name("notjson-1"))?;
        terminal.send(keys::ENTER)?;
        terminal.wait_text("root cause first", seconds(10))?;
        terminal.send("/refused")?;
        terminal.wait_text("/refused", seconds(10))?;
        terminal.send(keys::ENTER)?;
        terminal.wait_text("no match", seconds(10))?;
        ensure!(
            !terminal.screen().contains("[failed only]"),
            "{}",
            terminal.screen()
        );
        terminal.send(&format!("/{}Exception", keys::ctrl('u')))?;
        terminal.send(keys::ENTER)?;
        terminal.wait_text("/Exception/", seconds(10))
    }

    /// A worker that stands still is said to, and found again at once.
    fn freezes(&mut self) -> Result<()> {
        let url = self.workers[0].rest().url().to_owned();
        let terminal = start(&["--connect", &url], &[])?;
        terminal.wait_text("20 bad", seconds(20))?;
        self.workers[0].process().freeze()?;
        terminal.wait_text("no answer for", seconds(20))?;
        terminal.wait_text("STALE", seconds(20))?;
        self.workers[0].process().thaw()?;
        terminal.wait_screen("a fresh list", seconds(15), |screen| {
            let head = screen.lines().next().unwrap_or("");
            head.contains("upd now") && !head.contains("no answer")
        })
    }

    /// The work of a worker that is gone is lost, on the screen and for scripts.
    fn loses_a_worker(&mut self) -> Result<()> {
        let terminal = self.open()?;
        terminal.wait_text("live", seconds(20))?;
        let leader = self.sluice(&["get", "workers", "-o", "json"])?.json()?;
        let leads =
            |worker: &Worker| {
                leader.as_array().into_iter().flatten().any(|row| {
                    row["leader"] == true && row["worker_id"] == json!(worker.worker_id())
                })
            };
        let place = match self.workers.len() {
            1 => 0,
            _ => self
                .workers
                .iter()
                .position(|w| !leads(w))
                .context("two leaders")?,
        };
        let worker = self.workers.remove(place);
        let id = worker.worker_id();
        worker.kill()?;
        terminal.wait_screen("lost work", seconds(30), |screen| {
            screen.lines().next().unwrap_or("").contains("LOST")
                && screen
                    .lines()
                    .any(|line| line.contains("LOST") && line.contains("L1"))
        })?;
        let Some(rest) = self.workers.first() else {
            return terminal.wait_text("REST down", seconds(20));
        };
        ensure!(
            !leads(rest) || rest.worker_id() != id,
            "the wrong one was killed"
        );
        let lost = self
            .sluice(&["get", "tasks", "-f", "state=lost", "-o", "json"])?
            .quietly(2)?;
        let rows = lost.json()?;
        let rows = rows.as_array().context("no list")?;
        ensure!(
            !rows.is_empty()
                && rows
                    .iter()
                    .all(|row| row["worker_id"] == json!(id) && row["lost"] == true),
            "{rows:?}"
        );
        let bad = self.sluice(&["get", "connectors", "-f", "health=LOST"])?;
        ensure!(bad.code == 2, "{bad:?}");
        Ok(())
    }
}

fn sluice(url: &str, bootstrap: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = vec![sluice_binary()?.display().to_string()];
    command.extend(["--connect", url, "--bootstrap-servers", bootstrap].map(str::to_owned));
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let nowhere = std::env::temp_dir().join("sluice-no-home");
    let nowhere = nowhere.display().to_string();
    let environment = [("HOME", nowhere.as_str()), ("XDG_CONFIG_HOME", &nowhere)];
    command::run(&command, &environment, "", seconds(150))
}

fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Terminal> {
    let mut command = vec![sluice_binary()?.display().to_string()];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let nowhere = std::env::temp_dir().join("sluice-no-home");
    let nowhere = nowhere.display().to_string();
    let mut all = vec![("XDG_CONFIG_HOME", nowhere.as_str())];
    all.extend(environment);
    Terminal::start(&command, &all, 140, 40)
}

/// A source that waits for lines of a file that is empty.
fn idle(cluster: &Cluster<'_>, topic: &str) -> Result<Value> {
    let file: PathBuf = cluster.folder.join("idle.in");
    std::fs::write(&file, "")?;
    Ok(json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "file": file,
        "topic": topic,
        "tasks.max": "1",
    }))
}

/// An agent with one connector that runs and does nothing, and the name of that.
fn with_idle<'a>(context: &'a Context, cluster: &str) -> Result<(Cluster<'a>, Worker, String)> {
    let cluster = context.cluster(cluster)?;
    let worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let name = format!("{}-c", cluster.name);
    worker
        .rest()
        .put_config(&name, &idle(&cluster, &cluster.name)?)?;
    worker.rest().wait_running(&name, 1, seconds(30))?;
    Ok((cluster, worker, name))
}

fn two_clusters(context: &Context) -> Result<()> {
    // Of its own: on the shared one there are a hundred clusters to be told apart from.
    let kafka = Kafka::start(&context.servers)?;
    let bootstrap = kafka.bootstrap();
    let a = context.cluster_on("blue", &bootstrap)?;
    let b = context.cluster_on("green", &bootstrap)?;
    let worker_a = a.worker(Kind::Agent, &a.properties()?)?;
    let worker_b = b.worker(Kind::Agent, &b.properties()?)?;
    let shared = format!("{}-shared", a.name);
    let others: Vec<String> = (0..3).map(|n| format!("{}-only-{n}", a.name)).collect();
    for name in others.iter().chain([&shared]) {
        worker_a.rest().put_config(name, &idle(&a, &a.name)?)?;
        worker_a.rest().wait_running(name, 1, seconds(30))?;
    }
    worker_b.rest().put_config(&shared, &idle(&b, &b.name)?)?;
    worker_b.rest().wait_running(&shared, 1, seconds(30))?;
    let url = worker_b.rest().url();
    let terminal = start(
        &["--connect", url, "--bootstrap-servers", &b.bootstrap],
        &[],
    )?;
    terminal.wait_text("connectors[1]", seconds(20))?;
    terminal.wait_text("live", seconds(30))?;
    // Stopped in one, running in the other: the state is that of the one asked.
    worker_b.rest().verb("PUT", &shared, "stop")?;
    terminal.wait_line(&["STOPPED", &shared], seconds(20))?;
    let screen = terminal.screen();
    ensure!(others.iter().all(|name| !screen.contains(name)), "{screen}");
    let listed = sluice(url, &b.bootstrap, &["get", "workers", "-o", "json"])?
        .quietly(0)?
        .json()?;
    ensure!(
        listed.as_array().is_some_and(|rows| rows.len() == 1)
            && listed[0]["worker_id"] == json!(worker_b.worker_id()),
        "{listed}"
    );
    Ok(())
}

fn secrets(context: &Context) -> Result<()> {
    let cluster = context.cluster("secret-parts")?;
    let worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let name = format!("{}-c", cluster.name);
    let mut config = idle(&cluster, &cluster.name)?;
    let url = "jdbc:sqlserver://h;user=sa;password=geheim-1;encrypt=true";
    config["connection.url"] = json!(url);
    config["http.headers"] = json!("Accept:a/b,Authorization:Bearer geheim-2");
    let rest = worker.rest();
    rest.put_config(&name, &config)?;
    rest.wait_running(&name, 1, seconds(30))?;
    for output in ["table", "json", "yaml"] {
        let shown = sluice(
            rest.url(),
            &cluster.bootstrap,
            &["describe", &name, "-o", output],
        )?
        .quietly(0)?;
        ensure!(
            !shown.stdout.contains("geheim")
                && shown
                    .stdout
                    .contains("jdbc:sqlserver://h;user=sa;password=••••"),
            "{}",
            shown.stdout
        );
    }
    // An editor that changes what is around the secret, and keeps a copy of what it was shown.
    let copy = cluster.folder.join("shown");
    let editor = cluster.editor(&format!(
        "cp \"$1\" '{}'\nsed -i 's,//h;,//new;,' \"$1\"",
        copy.display()
    ))?;
    let mut terminal = start(
        &["--connect", rest.url()],
        &[("EDITOR", &editor), ("VISUAL", &editor)],
    )?;
    terminal.wait_line(&["HEALTHY", &name], seconds(20))?;
    terminal.send("e")?;
    crate::terminal::press(&mut terminal, &format!("edit {name}"), "write")?;
    let path = format!("/connectors/{name}/config");
    wait_until("the new address with the old password", seconds(30), || {
        let stored = rest.get(&path)?.json()?;
        Ok(
            stored["connection.url"] == json!(url.replace("//h;", "//new;"))
                && stored["http.headers"] == config["http.headers"],
        )
    })?;
    let shown = std::fs::read_to_string(&copy)?;
    ensure!(
        !shown.contains("geheim") && shown.contains("Bearer ••••"),
        "{shown}"
    );
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    ensure!(!raw.contains("geheim"), "a secret was on the screen");
    Ok(())
}

fn aborted(context: &Context) -> Result<()> {
    const ALL: usize = 24;
    let cluster = context.cluster("aborted")?;
    let mut worker = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let names: Vec<String> = (0..ALL).map(|n| format!("{}-b{n}", cluster.name)).collect();
    for name in &names {
        worker
            .rest()
            .put_config(name, &idle(&cluster, &cluster.name)?)?;
    }
    for name in &names {
        worker.rest().wait_running(name, 1, seconds(60))?;
    }
    let mut terminal = start(&["--connect", worker.rest().url()], &[])?;
    terminal.wait_text(&format!("{ALL} conn"), seconds(20))?;
    terminal.send(&format!(":pause /{}-b\r", cluster.name))?;
    terminal.wait_text("24 connectors", seconds(10))?;
    // Four are asked for at a time; nobody answers, so the others wait for their turn.
    worker.process().freeze()?;
    terminal.send("y")?;
    terminal.wait_text("pause: 0 of 24 done", seconds(10))?;
    terminal.send(":abort\r")?;
    terminal.wait_text("20 not sent, 4 may have been taken", seconds(20))?;
    worker.process().thaw()?;
    let mut paused = 0;
    for name in &names {
        let states = worker
            .rest()
            .get(&format!("/connectors/{name}/status"))?
            .json()?;
        paused += usize::from(states["connector"]["state"] != "RUNNING");
    }
    ensure!(paused <= 4, "{paused} were paused");
    // The next one is not given up with them.
    terminal.send(&format!(":pause {}\r", names[20]))?;
    terminal.send("y")?;
    worker
        .rest()
        .wait_state(&names[20], "PAUSED", 1, seconds(30))
        .map(drop)
}

fn kept(context: &Context) -> Result<()> {
    let (cluster, worker, name) = with_idle(context, "kept")?;
    let new = "\"tasks.max\": \"many\"\\, \"db.password\": \"geheim\"";
    let change = format!("sed -i 's,\"tasks.max\": \"1\",{new},' \"$1\"");
    let editor = cluster.editor(&change)?;
    let state = cluster.folder.join("state");
    let state_text = state.display().to_string();
    let environment = [
        ("EDITOR", editor.as_str()),
        ("VISUAL", &editor),
        ("XDG_STATE_HOME", &state_text),
    ];
    let mut terminal = start(&["--connect", worker.rest().url()], &environment)?;
    terminal.wait_line(&["HEALTHY", &name], seconds(20))?;
    terminal.send("e")?;
    terminal.wait_text("not written", seconds(20))?;
    terminal.wait_text("a copy without secrets is in", seconds(20))?;
    let copy = state.join(format!("sluice/drafts/edit-{name}.json"));
    let text = std::fs::read_to_string(&copy)?;
    ensure!(
        text.contains("\"many\"") && !text.contains("geheim"),
        "{text}"
    );
    let mode = std::fs::metadata(&copy)?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "{mode:o}");
    // Left with esc, the text is offered with the next e; discarded, it is gone everywhere.
    terminal.send(keys::ESCAPE)?;
    terminal.wait_no_text("not written", seconds(10))?;
    terminal.send("e")?;
    terminal.wait_text("there is a text of yours", seconds(10))?;
    crate::terminal::press(&mut terminal, &format!("edit {name}"), "edit again")?;
    crate::terminal::press(
        &mut terminal,
        &format!("edit {name}: not written"),
        "discard",
    )?;
    wait_until("the copy to be gone", seconds(10), || Ok(!copy.exists()))
}

fn suspended(context: &Context) -> Result<()> {
    let (cluster, worker, name) = with_idle(context, "ctrl-z")?;
    // An editor that stops its group, as vim does at ctrl-z.
    let editor = cluster.editor("kill -TSTP 0\nexit 0")?;
    let shell: Vec<String> = ["bash", "--norc", "--noprofile", "-i"]
        .map(str::to_owned)
        .to_vec();
    let home = cluster.folder.display().to_string();
    let environment = [
        ("EDITOR", editor.as_str()),
        ("VISUAL", &editor),
        ("HOME", &home),
        ("PS1", "prompt> "),
    ];
    let mut terminal = Terminal::start(&shell, &environment, 140, 40)?;
    terminal.wait_text("prompt>", seconds(10))?;
    let binary = sluice_binary()?.display().to_string();
    terminal.send(&format!("{binary} --connect {}\r", worker.rest().url()))?;
    terminal.wait_line(&["HEALTHY", &name], seconds(20))?;
    terminal.send("e")?;
    terminal.wait_text("Stopped", seconds(20))?;
    terminal.send("fg\r")?;
    terminal.wait_text("nothing changed", seconds(20))?;
    terminal.wait_line(&["HEALTHY", &name], seconds(20))
}
