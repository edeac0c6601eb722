//! Agents and a group that has connectors which only JVM workers can run.

use anyhow::{Result, ensure};
use serde_json::json;
use sluice_tests::command::{self, Output};
use sluice_tests::pty::Terminal;
use sluice_tests::rest::Rest;
use sluice_tests::servers::sluice_binary;
use sluice_tests::wait::{seconds, wait_until};
use sluice_tests::worker::{Kind, Worker};

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "joining::an_agent_does_not_join_jvm_workers_whose_connectors_it_cannot_run",
        needs: Needs::JAVA,
        run: not_capable,
    },
    Test {
        name: "joining::a_connector_that_appears_later_fails_by_name_on_the_agent_that_a_jvm_worker_shares_with",
        needs: Needs::JAVA,
        run: appears_later,
    },
];

/// A transformation that JVM workers find in a `plugin.path`.
const FOREIGN: &str = "com.example.Pass";

/// A JVM worker that has it.
fn jvm_worker(context: &Context, cluster: &Cluster<'_>) -> Result<Worker> {
    let plugins = cluster.folder.join("plugins");
    std::fs::create_dir_all(plugins.join("plugin"))?;
    context.servers.compile_plugin("Pass.java", &plugins)?;
    let properties = cluster
        .properties()?
        .with("plugin.path", &plugins.display().to_string());
    cluster.worker(Kind::Jvm, &properties)
}

fn create_foreign(cluster: &Cluster<'_>, rest: &Rest) -> Result<()> {
    let lines = cluster.folder.join("foreign.txt");
    std::fs::write(&lines, "one\n")?;
    let topic = format!("{}-foreign", cluster.name);
    rest.put_config(
        "foreign",
        &json!({"connector.class": "FileStreamSource", "file": lines, "topic": topic, "tasks.max": "1",
            "transforms": "pass", "transforms.pass.type": FOREIGN}),
    )
}

fn create_native(cluster: &Cluster<'_>, rest: &Rest) -> Result<()> {
    let lines = cluster.folder.join("lines.txt");
    std::fs::write(&lines, "one\n")?;
    let topic = format!("{}-lines", cluster.name);
    rest.put_config(
        "native",
        &json!({"connector.class": "FileStreamSource", "file": lines, "topic": topic, "tasks.max": "1",
            "transforms": "drop", "transforms.drop.type": "org.apache.kafka.connect.transforms.DropHeaders",
            "transforms.drop.headers": "x"}),
    )
}

fn not_capable(context: &Context) -> Result<()> {
    let cluster = context.cluster("joining")?;
    let jvm = jvm_worker(context, &cluster)?;
    create_foreign(&cluster, jvm.rest())?;
    create_native(&cluster, jvm.rest())?;
    for connector in ["foreign", "native"] {
        jvm.rest().wait_running(connector, 1, seconds(60))?;
    }

    // Known before it tries: from the file of the agent that would join, and from the running cluster.
    let file = cluster.folder.join("agent.properties");
    std::fs::write(&file, cluster.properties()?.text())?;
    let file = file.display().to_string();
    for arguments in [["check", &file], ["check", "--connect"]] {
        let mut arguments = arguments.to_vec();
        if arguments[1] == "--connect" {
            arguments.push(jvm.rest().url());
        }
        let found = sluice(&arguments)?.quietly(2)?;
        let line = format!("ERROR    connector foreign: transforms.pass.type={FOREIGN}: ");
        ensure!(found.stdout.contains(&line), "{found:?}");
        ensure!(!found.stdout.contains("native"), "{found:?}");
    }

    let mut refused = cluster.launch(Kind::Agent, &cluster.properties()?)?;
    let status = refused.process().wait_exit(seconds(60))?;
    let log = refused.process().output();
    ensure!(status.code() == Some(3), "{status}\n{log}");
    let named = format!("\"foreign\" (transforms.pass.type={FOREIGN})");
    ensure!(
        log.contains(&named) && log.contains("sluice.join=always"),
        "{log}"
    );
    ensure!(
        !log.contains("\"native\""),
        "what it can run is named too\n{log}"
    );
    for connector in ["foreign", "native"] {
        jvm.rest().wait_running(connector, 1, seconds(1))?;
    }

    // Stopped, it runs nowhere, and is in nobody's way.
    jvm.rest().verb("PUT", "foreign", "stop")?;
    jvm.rest()
        .wait_state("foreign", "STOPPED", 0, seconds(30))?;
    let found = sluice(&["check", &file])?.quietly(0)?;
    ensure!(
        found.stdout.contains("WARNING  connector foreign"),
        "{found:?}"
    );
    let agent = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    agent.rest().wait_running("native", 1, seconds(60))?;
    agent.stop()?;
    jvm.stop()
}

fn appears_later(context: &Context) -> Result<()> {
    let cluster = context.cluster("later")?;
    let jvm = jvm_worker(context, &cluster)?;
    create_native(&cluster, jvm.rest())?;
    jvm.rest().wait_running("native", 1, seconds(60))?;
    let agent = cluster.worker(Kind::Agent, &cluster.properties()?)?;
    let terminals = [(80, 24), (140, 40)].map(|(columns, rows)| home(&agent, columns, rows));
    let terminals = terminals.into_iter().collect::<Result<Vec<_>>>()?;
    for terminal in &terminals {
        terminal.wait_text("connectors[1]", seconds(30))?;
        ensure!(
            !terminal.screen().contains("cannot run"),
            "{}",
            terminal.screen()
        );
    }
    create_foreign(&cluster, jvm.rest())?;
    wait_until("a warning on /health", seconds(60), || {
        let health = agent.rest().get("/health")?;
        ensure!(health.status == 200, "{} {}", health.status, health.text);
        Ok(health.text.contains("foreign") && health.text.contains(FOREIGN))
    })?;
    // Whoever looks at the first screen reads it, and still sees how many connectors there are.
    for terminal in &terminals {
        terminal.wait_screen("the warning", seconds(60), |screen| {
            let head = screen.lines().next().unwrap_or("");
            head.contains("agent cannot run \"foreign\"") && head.contains("2 conn")
        })?;
    }
    let found = sluice(&["check", "--connect", agent.rest().url()])?;
    let line = format!(
        "WARNING  worker {}: this agent cannot run",
        agent.worker_id()
    );
    ensure!(found.stdout.contains(&line), "{found:?}");
    drop(terminals);
    // Once the agent is alone it gets it, and says which class it lacks.
    jvm.stop()?;
    let trace = agent.rest().wait_failed("foreign")?;
    ensure!(trace.contains(FOREIGN), "{trace}");
    agent.stop()?;

    // With the key it joins all the same.
    let properties = cluster.properties()?.with("sluice.join", "always");
    let mut agent = cluster.worker(Kind::Agent, &properties)?;
    agent.rest().wait_failed("foreign")?;
    let log = agent.process().output();
    ensure!(
        log.contains("joins although it cannot run \"foreign\""),
        "{log}"
    );
    agent.stop()
}

/// Runs `sluice` with these arguments, away from any configuration of whoever runs the tests.
fn sluice(arguments: &[&str]) -> Result<Output> {
    let mut command = vec![sluice_binary()?.display().to_string()];
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command::run(
        &command,
        &[("XDG_CONFIG_HOME", "/nowhere")],
        "",
        seconds(90),
    )
}

/// The first screen of the terminal on a worker.
fn home(worker: &Worker, columns: u16, rows: u16) -> Result<Terminal> {
    let binary = sluice_binary()?.display().to_string();
    let command = [
        binary,
        "--connect".to_owned(),
        worker.rest().url().to_owned(),
    ];
    Terminal::start(&command, &[("XDG_CONFIG_HOME", "/nowhere")], columns, rows)
}
