//! `sluice demo`: three agents, five pipelines and the terminal on somebody's brokers, and nothing left
//! behind.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sluice_tests::files::count_lines;
use sluice_tests::kafka::Kafka;
use sluice_tests::ports::free_port;
use sluice_tests::pty::{Terminal, keys};
use sluice_tests::servers::sluice_binary;
use sluice_tests::topics::{consume_all, group_lag, groups_beginning_with, topics_beginning_with};
use sluice_tests::wait::{seconds, wait_for, wait_until};

use crate::context::{Context, Needs, Test};
use crate::terminal::{choose, press};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "demo::five_pipelines_flow_one_fails_and_is_repaired_and_one_falls_behind",
        needs: Needs::EMBEDDED,
        run: shows_a_cluster_at_work,
    },
    Test {
        name: "demo::it_takes_everything_back_however_it_is_left",
        needs: Needs::EMBEDDED,
        run: takes_everything_back,
    },
    Test {
        name: "demo::it_says_what_it_waits_for_when_its_broker_is_gone",
        needs: Needs::EMBEDDED,
        run: broker_gone,
    },
    Test {
        name: "demo::it_has_a_kafka_of_its_own_and_its_agents_can_be_killed_and_started",
        needs: Needs::EMBEDDED,
        run: own_kafka,
    },
    Test {
        name: "demo::its_own_kafka_keeps_its_data_in_a_folder_if_told_so",
        needs: Needs::EMBEDDED,
        run: kept_folder,
    },
    Test {
        name: "demo::without_a_broker_it_says_so_and_ends",
        needs: Needs::EMBEDDED,
        run: no_broker,
    },
];

const PIPELINES: [&str; 5] = ["orders", "clicks", "sensors", "payments", "audit"];

/// A running demo, with a folder for its temporary files alone.
struct Demo {
    terminal: Terminal,
    bootstrap: String,
    temporary: PathBuf,
}

impl Demo {
    /// Starts `sluice demo` and waits for nothing.
    fn launch(context: &Context, name: &str, bootstrap: &str) -> Result<Self> {
        let arguments = ["--bootstrap-servers", bootstrap];
        Self::launch_with(context, name, bootstrap, &arguments, (140, 40))
    }

    fn launch_with(
        context: &Context,
        name: &str,
        bootstrap: &str,
        arguments: &[&str],
        (columns, rows): (u16, u16),
    ) -> Result<Self> {
        let folder = context.folder(&context.unique(name))?;
        let temporary = folder.join("tmp");
        std::fs::create_dir(&temporary)?;
        let mut command = vec![sluice_binary()?.display().to_string(), "demo".to_owned()];
        command.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let (home, tmp) = (
            folder.display().to_string(),
            temporary.display().to_string(),
        );
        let environment = [
            ("TMPDIR", tmp.as_str()),
            ("HOME", home.as_str()),
            ("XDG_CONFIG_HOME", home.as_str()),
            ("XDG_STATE_HOME", home.as_str()),
        ];
        Ok(Self {
            terminal: Terminal::start(&command, &environment, columns, rows)?,
            bootstrap: bootstrap.to_owned(),
            temporary,
        })
    }

    /// Starts `sluice demo` and waits until its terminal shows all connectors at work.
    fn start(context: &Context, name: &str, bootstrap: &str) -> Result<Self> {
        let demo = Self::launch(context, name, bootstrap)?;
        demo.terminal.wait_text("connectors[10]", seconds(90))?;
        for pipeline in PIPELINES {
            for kind in ["source", "sink"] {
                demo.terminal
                    .wait_line(&["HEALTHY", &format!("{pipeline}-{kind}")], seconds(60))?;
            }
        }
        Ok(demo)
    }

    /// What all names of the demo begin with, which is also the name of its folder.
    fn id(&self) -> Result<String> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.temporary)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        match names.as_slice() {
            [name] if name.starts_with("sluice-demo-") => Ok(name.replace('.', "-")),
            other => anyhow::bail!("not one folder of the demo but {other:?}"),
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.terminal.process_id().context("no process")?;
        Ok(kill(Pid::from_raw(i32::try_from(id)?), signal)?)
    }

    /// Waits for its end, which must be a good one, and checks that nothing of it is left.
    fn left_nothing(&mut self, id: &str) -> Result<()> {
        let status = self.terminal.wait_exit(seconds(90))?;
        ensure!(status.success(), "{status:?}\n{}", self.terminal.screen());
        self.terminal_is_whole()?;
        let entries: Vec<_> = std::fs::read_dir(&self.temporary)?.collect();
        ensure!(entries.is_empty(), "temporary files remain: {entries:?}");
        wait_until("nothing of the demo on the broker", seconds(20), || {
            let topics = topics_beginning_with(&self.bootstrap, id)?;
            let groups = groups_beginning_with(&self.bootstrap, id)?;
            ensure!(
                topics.is_empty() && groups.is_empty(),
                "topics {topics:?}, groups {groups:?}"
            );
            Ok(true)
        })
    }

    fn terminal_is_whole(&self) -> Result<()> {
        ensure!(
            !self.terminal.in_alternate_screen(),
            "left in its own screen"
        );
        ensure!(!self.terminal.cursor_hidden(), "cursor left hidden");
        Ok(())
    }
}

fn shows_a_cluster_at_work(context: &Context) -> Result<()> {
    let bootstrap = context.bootstrap()?;
    let mut demo = Demo::start(context, "demo", &bootstrap)?;
    let id = demo.id()?;
    let output = demo.temporary.join(&id);

    // Every pipeline flows: into its file, or into the pipe that is read slowly.
    for pipeline in PIPELINES.iter().filter(|name| **name != "audit") {
        let file = output.join(format!("{pipeline}.jsonl"));
        let before = count_lines(&file)?;
        wait_until(&format!("records of {pipeline}"), seconds(30), || {
            Ok(count_lines(&file)? > before + 20)
        })?;
    }
    // All groups are the demo's own: a group named after the connector alone may be somebody else's.
    let foreign = groups_beginning_with(&bootstrap, "connect-orders-sink")?;
    ensure!(foreign.is_empty(), "joined {foreign:?}");
    let group = format!("{id}-audit-sink");
    let topic = format!("{id}-audit");
    let lag = || group_lag(&bootstrap, &group, &topic);
    wait_until("audit to fall behind", seconds(60), || Ok(lag()? > 500))?;
    let first = lag()?;
    wait_until("audit to fall behind further", seconds(60), || {
        let now = lag()?;
        ensure!(now > first + 1000, "lag {first}, then {now}");
        Ok(true)
    })?;
    wait_for("its lag on the screen", seconds(20), || {
        let screen = demo.terminal.screen();
        let shown = shown_lag(&screen, "audit-sink").context(screen)?;
        Ok((shown >= 500.0).then_some(()))
    })?;
    demo.terminal.send(":workers")?;
    demo.terminal.send(keys::ENTER)?;
    demo.terminal.wait_text("workers[3]", seconds(20))?;
    demo.terminal.send(":connectors")?;
    demo.terminal.send(keys::ENTER)?;

    // One source fails now and then; the restart of what failed repairs it.
    demo.terminal
        .wait_line(&["UNHEALTHY", "payments-source"], seconds(90))?;
    choose(&mut demo.terminal, "payments-source")?;
    let file = output.join("payments.jsonl");
    demo.terminal.send("r")?;
    demo.terminal
        .wait_text("1 of 1 tasks FAILED", seconds(10))?;
    let before = count_lines(&file)?;
    press(&mut demo.terminal, "restart payments-source", "failed only")?;
    demo.terminal
        .wait_screen("payments-source to be well", seconds(30), |screen| {
            let mut lines = screen.lines();
            lines.any(|line| {
                line.contains("payments-source")
                    && line.contains("HEALTHY")
                    && !line.contains("UNHEALTHY")
            })
        })?;
    wait_until("payments to flow again", seconds(30), || {
        Ok(count_lines(&file)? > before + 20)
    })?;

    demo.terminal.send(":q")?;
    demo.terminal.send(keys::ENTER)?;
    demo.left_nothing(&id)
}

/// The lag a row of the list shows, `12`, `1.2k` or `3M`: what stands behind the count of tasks.
fn shown_lag(screen: &str, connector: &str) -> Option<f64> {
    let line = screen.lines().find(|line| line.contains(connector))?;
    let behind = line.split_once(connector)?.1;
    let cell = behind
        .split_whitespace()
        .skip_while(|word| !word.contains('/'))
        .nth(1)?;
    let (number, factor) = match cell.strip_suffix(['k', 'M']) {
        Some(number) if cell.ends_with('k') => (number, 1e3),
        Some(number) => (number, 1e6),
        None => (cell, 1.0),
    };
    Some(number.parse::<f64>().ok()? * factor)
}

fn takes_everything_back(context: &Context) -> Result<()> {
    let bootstrap = context.bootstrap()?;
    for how in ["ctrl-c", "SIGHUP", "SIGTERM", "SIGTERM at its start"] {
        let at_start = how.ends_with("start");
        let mut demo = if at_start {
            let demo = Demo::launch(context, "demo-ends", &bootstrap)?;
            wait_until("its folder", seconds(20), || Ok(demo.id().is_ok()))?;
            demo
        } else {
            Demo::start(context, "demo-ends", &bootstrap)?
        };
        let id = demo.id()?;
        match how {
            "ctrl-c" => demo.terminal.send(&keys::ctrl('c'))?,
            "SIGHUP" => demo.signal(Signal::SIGHUP)?,
            _ => demo.signal(Signal::SIGTERM)?,
        }
        demo.left_nothing(&id).context(how)?;
    }
    Ok(())
}

fn broker_gone(context: &Context) -> Result<()> {
    let mut kafka = Kafka::start(&context.servers)?;
    let mut demo = Demo::start(context, "demo-gone", &kafka.bootstrap())?;
    kafka.kill()?;
    demo.terminal.send(":q")?;
    demo.terminal.send(keys::ENTER)?;
    demo.terminal.wait_text("waiting for", seconds(30))?;
    demo.terminal_is_whole()?;
    demo.terminal.send(&keys::ctrl('c'))?;
    let status = demo.terminal.wait_exit(seconds(20))?;
    ensure!(status.exit_code() == 1, "{status:?}");
    let screen = demo.terminal.screen();
    ensure!(screen.contains("are still on"), "{screen}");
    ensure!(
        std::fs::read_dir(&demo.temporary)?.next().is_none(),
        "temporary files remain"
    );
    Ok(())
}

fn no_broker(context: &Context) -> Result<()> {
    let nobody = format!("127.0.0.1:{}", free_port()?);
    let mut demo = Demo::launch(context, "demo-alone", &nobody)?;
    let status = demo.terminal.wait_exit(seconds(90))?;
    ensure!(status.exit_code() == 1, "{status:?}");
    let screen = demo.terminal.screen();
    ensure!(
        screen.contains(&format!("no Kafka answers at {nobody}")),
        "{screen}"
    );
    Ok(())
}

/// Where the guide of the demo says that its own Kafka is.
fn kafka_of(demo: &Demo) -> Result<String> {
    wait_for("the address of the demo's Kafka", seconds(60), || {
        let screen = demo.terminal.screen();
        let address = screen
            .lines()
            .rev()
            .find_map(|line| line.trim_start().strip_prefix("kafka "))
            .and_then(|rest| rest.split_whitespace().next());
        Ok(address.map(str::to_owned))
    })
}

fn own_kafka(context: &Context) -> Result<()> {
    for size in [(100, 30), (140, 40)] {
        let mut demo = Demo::launch_with(context, "own", "", &[], size)?;
        let bootstrap = kafka_of(&demo)?;
        demo.terminal.wait_text("connectors[10]", seconds(60))?;
        demo.terminal.wait_text("3 workers", seconds(30))?;
        // Any client can look at it.
        wait_until("records for other clients", seconds(30), || {
            Ok(consume_all(&bootstrap, "demo-orders")?.len() > 20)
        })?;
        // One fails, which is said, and the terminal's own verb repairs it.
        demo.terminal
            .wait_text("payments-source failed", seconds(90))?;
        choose(&mut demo.terminal, "payments-source")?;
        demo.terminal.send("r")?;
        press(&mut demo.terminal, "restart payments-source", "failed only")?;
        demo.terminal
            .wait_no_text("payments-source failed", seconds(30))?;
        // An agent is killed, its work moves to the others, and another takes its place.
        demo.terminal.send("K")?;
        demo.terminal.wait_text("2 workers", seconds(60))?;
        demo.terminal.send("K")?;
        demo.terminal.wait_text("3 workers", seconds(60))?;
        demo.terminal.send(&keys::ctrl('c'))?;
        let status = demo.terminal.wait_exit(seconds(60))?;
        ensure!(status.success(), "{status:?}\n{}", demo.terminal.screen());
        demo.terminal_is_whole()?;
        let left: Vec<_> = std::fs::read_dir(&demo.temporary)?.collect();
        ensure!(left.is_empty(), "temporary files remain: {left:?}");
    }
    Ok(())
}

fn kept_folder(context: &Context) -> Result<()> {
    let folder = context.folder(&context.unique("kept"))?;
    let dir = folder.join("data").display().to_string();
    let mut counts = Vec::new();
    for _ in 0..2 {
        let mut demo = Demo::launch_with(context, "kept", "", &["--dir", &dir], (140, 40))?;
        let bootstrap = kafka_of(&demo)?;
        demo.terminal.wait_text("connectors[10]", seconds(60))?;
        let before = counts.last().copied().unwrap_or(0);
        wait_until("more records than before", seconds(60), || {
            counts.push(consume_all(&bootstrap, "demo-orders")?.len());
            Ok(counts.last().is_some_and(|count| *count > before + 20))
        })?;
        demo.terminal.send(":q")?;
        demo.terminal.send(keys::ENTER)?;
        let status = demo.terminal.wait_exit(seconds(60))?;
        ensure!(status.success(), "{status:?}\n{}", demo.terminal.screen());
    }
    Ok(())
}
