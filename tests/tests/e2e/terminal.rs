//! The terminal as a person has it: the real binary in a pseudo terminal, on a real cluster.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use sluice_tests::pipeline::Pipeline;
use sluice_tests::pty::{Terminal, keys};
use sluice_tests::rest::Rest;
use sluice_tests::servers::sluice_binary;
use sluice_tests::wait::{seconds, wait_until};
use sluice_tests::worker::Worker;

use crate::context::{Cluster, Context, Needs, Test, tested_kind};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "terminal::pause_resume_stop_and_delete_reach_the_cluster",
        needs: Needs::EMBEDDED,
        run: verbs,
    },
    Test {
        name: "terminal::restart_takes_the_failed_tasks_and_nothing_else",
        needs: Needs::NOTHING,
        run: restart,
    },
    Test {
        name: "terminal::edit_shows_the_difference_and_writes_only_when_told",
        needs: Needs::NOTHING,
        run: edit,
    },
    Test {
        name: "terminal::filter_sort_and_marks_choose_what_a_verb_acts_on",
        needs: Needs::NOTHING,
        run: filter_sort_marks,
    },
    Test {
        name: "terminal::read_only_shows_everything_and_changes_nothing",
        needs: Needs::NOTHING,
        run: read_only,
    },
    Test {
        name: "terminal::it_leaves_the_terminal_whole_however_it_ends",
        needs: Needs::NOTHING,
        run: ends_whole,
    },
    Test {
        name: "terminal::a_dead_worker_is_said_and_a_living_one_found_again",
        needs: Needs::NOTHING,
        run: dead_worker,
    },
];

/// A cluster of one worker with pipelines, and the files for the terminal.
struct Stage<'a> {
    cluster: Cluster<'a>,
    worker: Worker,
    pipelines: Vec<Pipeline>,
}

impl<'a> Stage<'a> {
    fn new(context: &'a Context, name: &str, pipelines: usize) -> Result<Self> {
        let cluster = context.cluster(name)?;
        let worker = cluster.worker(tested_kind(), &cluster.properties()?)?;
        let mut all = Vec::new();
        for n in 0..pipelines {
            let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, &format!("pipe{n}"));
            pipeline.add_lines(100)?;
            pipeline.create(worker.rest())?;
            all.push(pipeline);
        }
        for pipeline in &all {
            pipeline.wait_running(worker.rest(), seconds(60))?;
            pipeline.wait_count(seconds(60))?;
        }
        Ok(Self {
            cluster,
            worker,
            pipelines: all,
        })
    }

    fn rest(&self) -> &Rest {
        self.worker.rest()
    }

    /// A context file that names the cluster's topics, so that nothing is guessed on a shared broker.
    fn config(&self) -> Result<PathBuf> {
        let name = &self.cluster.name;
        let text = format!(
            "current = \"test\"\n\
             [contexts.test]\n\
             connect = \"{url}\"\n\
             bootstrap_servers = \"{bootstrap}\"\n\
             group = \"{name}\"\n\
             config_topic = \"{name}-configs\"\n\
             status_topic = \"{name}-status\"\n",
            url = self.rest().url(),
            bootstrap = self.cluster.bootstrap,
        );
        let file = self.cluster.folder.join("sluice.toml");
        std::fs::write(&file, text)?;
        Ok(file)
    }

    /// Opens the terminal and waits until it lists the connectors.
    fn open(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Terminal> {
        let mut command = vec![sluice_binary()?.display().to_string()];
        command.push("--config".to_owned());
        command.push(self.config()?.display().to_string());
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let terminal = Terminal::start(&command, environment, 140, 40)?;
        terminal.wait_text("connectors[", seconds(20))?;
        for pipeline in &self.pipelines {
            for connector in pipeline.connectors() {
                terminal.wait_line(&[&connector], seconds(20))?;
            }
        }
        Ok(terminal)
    }
}

/// Narrows the list to one connector, which is then the one under the cursor.
pub(crate) fn choose(terminal: &mut Terminal, connector: &str) -> Result<()> {
    terminal.send(&format!("/{connector}"))?;
    terminal.send(keys::ENTER)?;
    terminal.wait_text("connectors[1/", seconds(10))?;
    terminal.wait_line(&[connector], seconds(10))
}

fn unfilter(terminal: &mut Terminal) -> Result<()> {
    terminal.send(keys::ESCAPE)?;
    terminal.wait_screen("the whole list", seconds(10), |screen| {
        screen.contains("connectors[") && !screen.contains("connectors[1/")
    })
}

/// Chooses the button `label` of the open dialog and presses it.
pub(crate) fn press(terminal: &mut Terminal, title: &str, label: &str) -> Result<()> {
    terminal.wait_text(title, seconds(10))?;
    let screen = terminal.screen();
    let buttons = screen
        .lines()
        .find(|line| line.contains(&format!("[{label}]")))
        .with_context(|| format!("no button {label} in\n{screen}"))?;
    // The dialog opens on the harmless choice; moving to an end first makes the way countable.
    let labels: Vec<&str> = buttons
        .split('[')
        .skip(1)
        .filter_map(|part| part.split(']').next())
        .collect();
    let at = labels
        .iter()
        .position(|other| *other == label)
        .context("the button just found")?;
    for _ in 0..labels.len() {
        terminal.send(keys::LEFT)?;
    }
    for _ in 0..at {
        terminal.send(keys::RIGHT)?;
    }
    terminal.send(keys::ENTER)
}

fn verbs(context: &Context) -> Result<()> {
    let stage = Stage::new(context, "ui-verbs", 1)?;
    let rest = stage.rest();
    let source = stage.pipelines[0].source();
    let mut terminal = stage.open(&[], &[])?;
    choose(&mut terminal, &source)?;

    // Cancel is what a dialog opens with, so a hasty enter changes nothing.
    terminal.send("p")?;
    terminal.wait_text(&format!("pause {source}"), seconds(10))?;
    terminal.send(keys::ENTER)?;
    terminal.wait_no_text("[pause]", seconds(10))?;
    rest.wait_running(&source, 1, seconds(1))?;

    terminal.send("p")?;
    press(&mut terminal, &format!("pause {source}"), "pause")?;
    rest.wait_state(&source, "PAUSED", 1, seconds(30))?;
    terminal.wait_line(&["PAUSED", &source], seconds(20))?;

    terminal.send("u")?;
    press(&mut terminal, &format!("resume {source}"), "resume")?;
    rest.wait_running(&source, 1, seconds(30))?;
    terminal.wait_line(&["HEALTHY", &source], seconds(20))?;

    terminal.send("s")?;
    press(&mut terminal, &format!("stop {source}"), "stop")?;
    rest.wait_state(&source, "STOPPED", 0, seconds(30))?;
    terminal.wait_line(&["STOPPED", &source], seconds(20))?;

    terminal.send(&keys::ctrl('d'))?;
    terminal.wait_text(&format!("delete {source}"), seconds(10))?;
    // A wrong name does not open the way.
    terminal.send("wrong")?;
    terminal.send(keys::ENTER)?;
    ensure!(
        rest.get(&format!("/connectors/{source}"))?.status == 200,
        "deleted"
    );
    terminal.wait_text(&format!("delete {source}"), seconds(5))?;
    for _ in 0..5 {
        terminal.send(keys::BACKSPACE)?;
    }
    terminal.send(&source)?;
    press(&mut terminal, &format!("delete {source}"), "delete")?;
    rest.wait_gone(&source, seconds(30))?;
    unfilter_all(&mut terminal)?;
    terminal.wait_screen(
        "the deleted connector to leave the list",
        seconds(20),
        |screen| {
            !screen
                .lines()
                .any(|line| line.contains(&source) && line.contains("source"))
        },
    )
}

fn unfilter_all(terminal: &mut Terminal) -> Result<()> {
    terminal.send(keys::ESCAPE)?;
    terminal.wait_no_text("connectors[0/", seconds(10))
}

fn restart(context: &Context) -> Result<()> {
    let stage = Stage::new(context, "ui-restart", 1)?;
    let rest = stage.rest();
    let failing = format!("{}-failing", stage.cluster.name);
    let failing = failing.as_str();
    let request = format!("restart-connector-{failing}");
    let file = stage.cluster.folder.join("failing.out");
    // Lines are not JSON, so the task fails with its first record.
    let config = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "topics": stage.pipelines[0].topic,
        "file": file,
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    });
    rest.put_config(failing, &config)?;
    let task_failed = |rest: &Rest, what: &str| {
        wait_until(what, seconds(60), || {
            let states = rest.states(failing)?.context("no status")?;
            Ok(states.connector.state == "RUNNING"
                && states.tasks.iter().any(|task| task.state == "FAILED"))
        })
    };
    task_failed(rest, "the task to fail")?;
    let mut terminal = stage.open(&[], &[])?;
    // The worst comes first.
    terminal.wait_line(&["UNHEALTHY", failing], seconds(20))?;
    let screen = terminal.screen();
    let first = screen.lines().find(|line| line.contains("HEALTHY"));
    ensure!(first.is_some_and(|line| line.contains(failing)), "{screen}");
    // Faults only, and all again.
    terminal.send(&keys::ctrl('z'))?;
    terminal.wait_no_text(&stage.pipelines[0].sink(), seconds(10))?;
    terminal.send(&keys::ctrl('z'))?;
    terminal.wait_text(&stage.pipelines[0].sink(), seconds(10))?;
    // The trace shows the root cause.
    choose(&mut terminal, failing)?;
    terminal.send("l")?;
    terminal.wait_text("DataException", seconds(20))?;
    terminal.send(keys::ESCAPE)?;
    terminal.wait_text("connectors[", seconds(10))?;

    // Repaired, but only a restart of the failed task makes use of it.
    rest.put_config(
        failing,
        &json!({
            "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
            "topics": stage.pipelines[0].topic,
            "file": file,
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            "errors.tolerance": "all",
        }),
    )?;
    rest.wait_running(failing, 1, seconds(60))?;
    terminal.wait_line(&["HEALTHY", failing], seconds(20))?;
    // Broken again, this time restarted by hand: it fails anew, which the cluster's record of it shows.
    let Stage {
        cluster,
        worker,
        mut pipelines,
    } = stage;
    let rest = worker.rest();
    rest.put_config(failing, &config)?;
    // What was skipped is committed, and the task may skip some more before it has its new config: only new
    // lines, again and again, make it fail for certain.
    wait_until("the task to fail again", seconds(60), || {
        pipelines[0].add_lines(1)?;
        let states = rest.states(failing)?.context("no status")?;
        Ok(states.tasks.iter().any(|task| task.state == "FAILED"))
    })?;
    terminal.wait_line(&["UNHEALTHY", failing], seconds(20))?;
    terminal.send("r")?;
    terminal.wait_text("1 of 1 tasks FAILED", seconds(10))?;
    press(&mut terminal, &format!("restart {failing}"), "failed only")?;
    let configs = format!("{}-configs", cluster.name);
    wait_until(
        "the restart request in the config topic",
        seconds(30),
        || {
            let records = sluice_tests::topics::consume_all(&cluster.bootstrap, &configs)?;
            Ok(records.iter().any(|record| {
                record.key.as_deref() == Some(request.as_bytes())
                    && record
                        .value
                        .as_deref()
                        .and_then(|value| serde_json::from_slice::<serde_json::Value>(value).ok())
                        .is_some_and(|value| {
                            value["include-tasks"] == true && value["only-failed"] == true
                        })
            }))
        },
    )?;
    task_failed(rest, "the task to fail once more")
}

fn edit(context: &Context) -> Result<()> {
    let stage = Stage::new(context, "ui-edit", 1)?;
    let rest = stage.rest();
    let source = stage.pipelines[0].source();
    let path = format!("/connectors/{source}/config");
    let change = stage.cluster.folder.join("change");
    // An editor that replaces one text by what the file `change` says.
    let commands = format!("sed -i \"$(cat '{}')\" \"$1\"", change.display());
    let editor = stage.cluster.editor(&commands)?;
    let mut terminal = stage.open(&[], &[("EDITOR", &editor), ("VISUAL", &editor)])?;
    choose(&mut terminal, &source)?;

    std::fs::write(
        &change,
        r#"s/"tasks.max": "1"/"tasks.max": "1", "batch.size": "77"/"#,
    )?;
    terminal.send("e")?;
    terminal.wait_text(&format!("edit {source}"), seconds(20))?;
    terminal.wait_text("batch.size", seconds(10))?;
    press(&mut terminal, &format!("edit {source}"), "Cancel")?;
    terminal.wait_no_text("[write]", seconds(10))?;
    ensure!(
        !rest.get(&path)?.text.contains("batch.size"),
        "written though cancelled"
    );

    terminal.send("e")?;
    terminal.wait_text("batch.size", seconds(20))?;
    press(&mut terminal, &format!("edit {source}"), "write")?;
    wait_until("the new config", seconds(30), || {
        Ok(rest.get(&path)?.json()?["batch.size"] == "77")
    })?;
    rest.wait_running(&source, 1, seconds(30))?;

    // What the worker does not accept is not written, and the fault is shown.
    terminal.wait_no_text("[write]", seconds(10))?;
    std::fs::write(&change, r#"s/"tasks.max": "1"/"tasks.max": "none"/"#)?;
    terminal.send("e")?;
    terminal.wait_text("Not a number", seconds(20))?;
    terminal.send(keys::ESCAPE)?;
    ensure!(
        rest.get(&path)?.json()?["tasks.max"] == "1",
        "an invalid config was written"
    );
    Ok(())
}

fn filter_sort_marks(context: &Context) -> Result<()> {
    let stage = Stage::new(context, "ui-marks", 3)?;
    let rest = stage.rest();
    let sinks: Vec<String> = stage.pipelines.iter().map(Pipeline::sink).collect();
    let sinks: Vec<&str> = sinks.iter().map(String::as_str).collect();
    let backwards: Vec<&str> = sinks.iter().rev().copied().collect();
    let source = stage.pipelines[0].source();
    let mut terminal = stage.open(&[], &[])?;
    terminal.send("/-sink")?;
    terminal.send(keys::ENTER)?;
    terminal.wait_text("connectors[3/6]", seconds(10))?;
    terminal.wait_no_text(&source, seconds(10))?;
    terminal.send("N")?;
    terminal.wait_text("sort NAME", seconds(10))?;
    in_order(&terminal, &sinks)?;
    terminal.send("O")?;
    in_order(&terminal, &backwards)?;
    terminal.send("O")?;
    in_order(&terminal, &sinks)?;
    // The first two are marked; a mark moves the cursor on.
    terminal.send("g")?;
    terminal.send("  ")?;
    terminal.wait_text("marked 2", seconds(10))?;
    terminal.send("p")?;
    press(&mut terminal, "2 selected", "pause")?;
    for sink in &sinks[..2] {
        rest.wait_state(sink, "PAUSED", 1, seconds(30))?;
        terminal.wait_line(&["PAUSED", sink], seconds(20))?;
    }
    rest.wait_running(sinks[2], 1, seconds(1))?;
    rest.wait_running(&source, 1, seconds(1))?;
    unfilter(&mut terminal)?;
    terminal.wait_text("connectors[6]", seconds(10))
}

fn in_order(terminal: &Terminal, names: &[&str]) -> Result<()> {
    terminal.wait_screen(&format!("the order {names:?}"), seconds(10), |screen| {
        let lines: Vec<Option<usize>> = names
            .iter()
            .map(|name| screen.lines().position(|line| line.contains(name)))
            .collect();
        lines.iter().all(Option::is_some) && lines.is_sorted()
    })
}

fn read_only(context: &Context) -> Result<()> {
    let stage = Stage::new(context, "ui-readonly", 1)?;
    let source = stage.pipelines[0].source();
    let mut terminal = stage.open(&["--readonly"], &[])?;
    terminal.wait_text("[RO]", seconds(10))?;
    choose(&mut terminal, &source)?;
    for key in ["p", "s", "r", "e"] {
        terminal.send(key)?;
    }
    terminal.send(&keys::ctrl('d'))?;
    for (command, title) in [
        ("tasks", "tasks["),
        ("workers", "workers["),
        ("events", "events["),
        ("lag", "lag["),
        ("connectors", "connectors["),
    ] {
        terminal.send(&format!(":{command}"))?;
        terminal.send(keys::ENTER)?;
        terminal.wait_text(title, seconds(10))?;
    }
    let screen = terminal.screen();
    ensure!(!screen.contains("[Cancel]"), "a dialog is open\n{screen}");
    stage.rest().wait_running(&source, 1, seconds(1))?;
    Ok(())
}

fn ends_whole(context: &Context) -> Result<()> {
    let stage = Stage::new(context, "ui-ends", 1)?;
    for how in ["quit", "ctrl-c", "SIGTERM", "SIGHUP"] {
        let mut terminal = stage.open(&[], &[])?;
        ensure!(
            terminal.in_alternate_screen(),
            "{how}: no screen of its own"
        );
        // Small, then large again: it says so, and draws again.
        terminal.resize(20, 5)?;
        terminal.wait_text("too small", seconds(10))?;
        terminal.resize(140, 40)?;
        terminal.wait_text("connectors[", seconds(10))?;
        let id = i32::try_from(terminal.process_id().context("no process")?)?;
        match how {
            "quit" => {
                terminal.send(":q")?;
                terminal.send(keys::ENTER)?;
            }
            "ctrl-c" => terminal.send(&keys::ctrl('c'))?,
            "SIGTERM" => kill(Pid::from_raw(id), Signal::SIGTERM)?,
            _ => kill(Pid::from_raw(id), Signal::SIGHUP)?,
        }
        let status = terminal.wait_exit(seconds(15)).context(how)?;
        if matches!(how, "quit" | "ctrl-c") {
            ensure!(status.success(), "{how}: {status:?}");
        }
        ensure!(
            !terminal.in_alternate_screen(),
            "{how}: left in its own screen"
        );
        ensure!(!terminal.cursor_hidden(), "{how}: cursor left hidden");
    }
    Ok(())
}

fn dead_worker(context: &Context) -> Result<()> {
    let stage = Stage::new(context, "ui-dead", 1)?;
    let terminal = stage.open(&[], &[])?;
    let Stage {
        cluster,
        worker,
        pipelines,
    } = stage;
    let properties = worker.properties().clone();
    worker.kill()?;
    // It keeps showing what it knows, and says how old that is.
    terminal.wait_screen("the worker's absence", seconds(30), |screen| {
        let head: String = screen.lines().take(3).collect();
        head.contains("ago") || head.contains("down") || head.contains("disconnected")
    })?;
    ensure!(
        terminal.screen().contains(&pipelines[0].sink()),
        "the list is gone\n{}",
        terminal.screen()
    );
    let worker = cluster.worker(tested_kind(), &properties)?;
    for pipeline in &pipelines {
        pipeline.wait_running(worker.rest(), seconds(60))?;
        for connector in pipeline.connectors() {
            terminal.wait_line(&["HEALTHY", &connector], seconds(60))?;
        }
    }
    terminal.wait_screen("a fresh picture", seconds(30), |screen| {
        let head: String = screen.lines().take(3).collect();
        head.contains("now") || head.contains("live")
    })
}
