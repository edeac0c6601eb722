//! The REST API over TLS: served, forwarded between workers, refused to whoever is not trusted.

use std::net::TcpStream;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sluice_tests::certificates::{Authority, write_pem};
use sluice_tests::command;
use sluice_tests::pipeline::Pipeline;
use sluice_tests::pty::Terminal;
use sluice_tests::rest::Rest;
use sluice_tests::servers::sluice_binary;
use sluice_tests::wait::seconds;
use sluice_tests::worker::{Kind, Worker};

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "https::two_agents_answer_and_forward_over_tls_and_the_terminal_trusts_them",
        needs: Needs::NOTHING,
        run: agents,
    },
    Test {
        name: "https::an_agent_and_a_jvm_worker_forward_to_each_other_over_tls",
        needs: Needs::JAVA,
        run: |context| forwards(context, &[Kind::Jvm, Kind::Agent], "none").map(|_| ()),
    },
    Test {
        name: "https::workers_that_ask_for_certificates_show_their_own_to_each_other",
        needs: Needs::NOTHING,
        run: client_auth,
    },
    Test {
        name: "https::whoever_trusts_another_authority_gets_an_error_and_no_answer",
        needs: Needs::NOTHING,
        run: wrong_authority,
    },
    Test {
        name: "https::a_silent_or_plain_connection_holds_up_nobody",
        needs: Needs::NOTHING,
        run: silent_connection,
    },
    Test {
        name: "https::an_agent_reads_the_stores_of_a_jvm_worker_and_keeps_to_the_versions_of_tls",
        needs: Needs::JAVA,
        run: java_stores,
    },
    Test {
        name: "https::certificates_that_cannot_be_used_end_the_start_with_their_key",
        needs: Needs::NOTHING,
        run: unusable,
    },
];

/// A group of workers over TLS, with one pipeline created through the first.
struct Group<'a> {
    cluster: Cluster<'a>,
    authority: Authority,
    workers: Vec<Worker>,
    pipeline: Pipeline,
}

/// Starts workers of these kinds and does with the pipeline through every one of them what only leader or
/// owner can do.
fn forwards<'a>(context: &'a Context, kinds: &[Kind], client_auth: &str) -> Result<Group<'a>> {
    let cluster = context.cluster("https")?;
    let authority = Authority::new("sluice tests")?;
    let mut workers = Vec::new();
    for kind in kinds {
        let properties =
            cluster
                .properties()?
                .with_https(*kind, &cluster.folder, &authority, client_auth)?;
        workers.push(cluster.worker(*kind, &properties)?);
    }
    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(100)?;
    pipeline.create(workers[0].rest())?;
    for (turn, worker) in workers.iter().enumerate() {
        let rest = worker.rest();
        ensure!(rest.url().starts_with("https://"), "{}", rest.url());
        pipeline.wait_running(rest, seconds(60))?;
        // Configs are written by the leader, restarts are done by the owner.
        for connector in pipeline.connectors() {
            rest.verb("POST", &connector, "restart")?;
            rest.verb("POST", &connector, "tasks/0/restart")?;
            rest.wait_running(&connector, 1, seconds(30))?;
        }
        let mut config = pipeline.source_config();
        config["batch.size"] = (2001 + turn).to_string().into();
        rest.put_config(&pipeline.source(), &config)?;
        pipeline.wait_running(rest, seconds(60))?;
        pipeline.add_lines(100)?;
        pipeline.wait_count(seconds(60))?;
    }
    // Two connectors on two workers: each has had to ask the other for something.
    let states = workers[0].rest();
    let mut owners = Vec::new();
    for connector in pipeline.connectors() {
        let states = states.states(&connector)?.context("no status")?;
        owners.extend(states.workers().map(str::to_owned).collect::<Vec<_>>());
    }
    owners.sort();
    owners.dedup();
    ensure!(owners.len() == workers.len(), "all work is on {owners:?}");
    Ok(Group {
        cluster,
        authority,
        workers,
        pipeline,
    })
}

/// A context file for the terminal, with or without the authority of the workers.
fn terminal_config(group: &Group<'_>, trusted: Option<&str>) -> Result<String> {
    let name = &group.cluster.name;
    let urls: Vec<&str> = group.workers.iter().map(|one| one.rest().url()).collect();
    let mut text = format!(
        "current = \"test\"\n[contexts.test]\nconnect = {urls:?}\nbootstrap_servers = \"{}\"\ngroup = \
         \"{name}\"\nconfig_topic = \"{name}-configs\"\nstatus_topic = \"{name}-status\"\n",
        group.cluster.bootstrap
    );
    if let Some(pem) = trusted {
        let file = write_pem(&group.cluster.folder.join("terminal-trusted.pem"), pem)?;
        text += &format!("ca_file = \"{file}\"\n");
    }
    let file = group
        .cluster
        .folder
        .join(format!("sluice-{}.toml", trusted.is_some()));
    std::fs::write(&file, text)?;
    Ok(file.display().to_string())
}

fn agents(context: &Context) -> Result<()> {
    let group = forwards(context, &[Kind::Agent, Kind::Agent], "none")?;
    let binary = sluice_binary()?.display().to_string();
    let get = |config: &str| {
        let command =
            [&binary, "--config", config, "get", "workers", "-o", "json"].map(ToString::to_string);
        command::run(&command, &[], "", seconds(100))
    };
    let trusting = terminal_config(&group, Some(group.authority.pem()))?;
    let workers = get(&trusting)?.quietly(0)?.json()?;
    let healthy = workers
        .as_array()
        .is_some_and(|all| all.len() == 2 && all.iter().all(|one| one["health"] == "ok"));
    ensure!(healthy, "{workers}");
    get(&terminal_config(&group, None)?)?.refuses(1, "certificate")?;
    let other = Authority::new("sluice tests")?;
    get(&terminal_config(&group, Some(other.pem()))?)?.refuses(1, "certificate")?;

    let trusting = terminal_config(&group, Some(group.authority.pem()))?;
    let command = [binary, "--config".to_owned(), trusting];
    let terminal = Terminal::start(&command, &[], 140, 40)?;
    for connector in group.pipeline.connectors() {
        terminal.wait_line(&["HEALTHY", &connector], seconds(30))?;
    }
    group.pipeline.delivery()?.none_lost()
}

fn client_auth(context: &Context) -> Result<()> {
    let group = forwards(context, &[Kind::Agent, Kind::Agent], "required")?;
    let url = group.workers[0].rest().url();
    let nobody = Rest::over_tls(url, group.authority.pem(), None)?;
    ensure!(nobody.get("/").is_err(), "let in without a certificate");
    let stranger = Authority::new("sluice tests")?.issue("stranger")?.pem();
    let stranger = Rest::over_tls(url, group.authority.pem(), Some(&stranger))?;
    ensure!(
        stranger.get("/").is_err(),
        "let in with a stranger's certificate"
    );
    group.workers[0].rest().get("/")?.success()?;
    Ok(())
}

fn wrong_authority(context: &Context) -> Result<()> {
    let cluster = context.cluster("https-wrong")?;
    let authority = Authority::new("sluice tests")?;
    let other = Authority::new("sluice tests")?;
    let properties = |authority: &Authority| {
        cluster
            .properties()?
            .with_https(Kind::Agent, &cluster.folder, authority, "none")
    };
    let leader = cluster.worker(Kind::Agent, &properties(&authority)?)?;
    // This one has a certificate the first would not accept, and does not accept the first one's.
    let follower = cluster.worker(Kind::Agent, &properties(&other)?)?;
    let distrusting = Rest::over_tls(leader.rest().url(), other.pem(), None)?;
    let refused = distrusting.get("/");
    ensure!(refused.is_err(), "{refused:?}");

    let mut pipeline = Pipeline::new(&cluster.folder, &cluster.name, "pipe");
    pipeline.add_lines(10)?;
    let path = format!("/connectors/{}/config", pipeline.source());
    let config = pipeline.source_config();
    let reply = follower.rest().call("PUT", &path, Some(&config))?;
    ensure!(
        reply.status == 500
            && reply
                .text
                .contains("IO Error trying to forward REST request"),
        "{} {}",
        reply.status,
        reply.text
    );
    ensure!(
        reply.text.to_lowercase().contains("certificate"),
        "the reason is not told: {}",
        reply.text
    );
    // The leader itself needs nobody.
    leader.rest().put_config(&pipeline.source(), &config)?;
    leader.rest().get(&path)?.success()?;
    Ok(())
}

fn silent_connection(context: &Context) -> Result<()> {
    let cluster = context.cluster("https-silent")?;
    let authority = Authority::new("sluice tests")?;
    let properties =
        cluster
            .properties()?
            .with_https(Kind::Agent, &cluster.folder, &authority, "none")?;
    let worker = cluster.worker(Kind::Agent, &properties)?;
    let address = worker.worker_id();
    let silent: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(&address))
        .collect::<Result<_, _>>()?;
    let plain = Rest::new(&format!("http://{address}"));
    let refused = plain.get("/");
    ensure!(refused.is_err(), "plain HTTP on a TLS port: {refused:?}");
    worker.rest().get("/")?.success()?;
    drop(silent);
    worker.rest().get("/connectors")?.success()?;
    worker.stop()
}

/// Whether the worker answers a client that speaks one version of TLS alone.
fn speaks(rest: &Rest, version: &str) -> Result<bool> {
    let place = rest.url().trim_start_matches("https://").to_owned();
    let output = std::process::Command::new("openssl")
        .args(["s_client", "-connect", &place, version])
        .stdin(std::process::Stdio::null())
        .output()?;
    Ok(output.status.success())
}

fn java_stores(context: &Context) -> Result<()> {
    let cluster = context.cluster("https-stores")?;
    let authority = Authority::new("sluice tests")?;
    for (enabled, tls12, tls13) in [
        ("TLSv1.2,TLSv1.3", true, true),
        ("TLSv1.3", false, true),
        ("TLSv1.2", true, false),
    ] {
        let properties = cluster
            .properties()?
            .with_https(Kind::Jvm, &cluster.folder, &authority, "none")?
            .with("listeners.https.ssl.enabled.protocols", enabled);
        let worker = cluster.worker(Kind::Agent, &properties)?;
        let rest = worker.rest();
        ensure!(rest.get("/")?.status == 200, "no answer with {enabled}");
        ensure!(speaks(rest, "-tls1_2")? == tls12, "TLS 1.2 with {enabled}");
        ensure!(speaks(rest, "-tls1_3")? == tls13, "TLS 1.3 with {enabled}");
        let name = format!("{}-source", cluster.name);
        let body = json!({
            "name": name,
            "config": {
                "connector.class": "FileStreamSource",
                "file": "/dev/null",
                "topic": name,
            },
        });
        let created = rest.patient("POST", "/connectors", Some(&body))?;
        let location = created.header("location").unwrap_or_default();
        ensure!(location.starts_with("https://"), "Location: {location}");
        rest.delete(&name)?;
        worker.stop()?;
    }
    let properties = cluster
        .properties()?
        .with_https(Kind::Jvm, &cluster.folder, &authority, "none")?
        .with("listeners.https.ssl.cipher.suites", "TLS_RSA_WITH_NULL_MD5");
    let mut worker = cluster.launch(Kind::Agent, &properties)?;
    worker.process().wait_exit(seconds(30))?;
    let output = worker.process().output();
    ensure!(output.contains("TLS_RSA_WITH_NULL_MD5"), "{output}");
    Ok(())
}

fn unusable(context: &Context) -> Result<()> {
    let cluster = context.cluster("https-unusable")?;
    let authority = Authority::new("sluice tests")?;
    let identity = authority.issue("worker")?;
    let file = |name: &str, text: &str| write_pem(&cluster.folder.join(name), text);
    let store = "listeners.https.ssl.keystore";
    let missing = cluster.folder.join("missing.pem").display().to_string();
    for (key, value, part) in [
        ("location", missing.as_str(), missing.as_str()),
        ("type", "JKS", "PEM"),
        (
            "location",
            &file("no-key.pem", &identity.certificate)?,
            "key",
        ),
        (
            "location",
            &file("no-certificate.pem", &identity.key)?,
            store,
        ),
        ("location", &file("text.pem", "no PEM at all\n")?, store),
    ] {
        let properties = cluster
            .properties()?
            .with_https(Kind::Agent, &cluster.folder, &authority, "none")?
            .with(&format!("{store}.{key}"), value);
        let mut worker = cluster.launch(Kind::Agent, &properties)?;
        let status = worker.process().wait_exit(seconds(30))?;
        let output = worker.process().output();
        let what = Path::new(value).display();
        ensure!(
            status.code().is_some_and(|code| code != 0),
            "{what}: {status}"
        );
        ensure!(
            output.contains("listeners.https.ssl.") && output.contains(part),
            "{what}: {output}"
        );
        ensure!(!output.contains("PRIVATE KEY"), "{what}: shows a key");
    }
    Ok(())
}
