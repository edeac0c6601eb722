//! Sluice: the terminal for Kafka Connect clusters, and the commands for scripts.
//!
//! This file puts the parts together. It is the only one that reads the environment and decides the exit
//! status.

mod actions;
mod cli;
mod conn;
mod contexts;
mod demo;
mod editor;
mod effect;
mod headless;
mod keys;
mod layout;
mod message;
mod model;
mod runtime;
mod screen;
mod terminal;
mod text;
mod theme;
mod units;
mod update;
mod view;

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{CommandFactory, Parser};

use cli::{Cli, Command};
use contexts::{Contexts, Wanted};
use runtime::TerminalSettings;
use sluice_agent::check::Checker;
use sluice_agent::process::{Environment, LogOptions, Role};
use sluice_agent::validation::OwnChecks;
use sluice_agent::with_causes;
use sluice_broker::{BrokerConfig, FsyncPolicy};
use sluice_protocol::{ConfigMap, Finding};

fn main() -> ExitCode {
    // A mistake on the command line is an error, 1; clap's own 2 would say that something is unhealthy.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(1)
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where the program says why it failed"
)]
fn complain(text: &str) {
    let clean = text::lines(text)
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    eprintln!("sluice: {clean}");
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // reqwest is built without a crypto provider of its own; a second installation would only say "already
    // there".
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli.command {
        Some(Command::Agent { worker, log }) => {
            return Ok(work(Role::Distributed { worker }, &log));
        }
        Some(Command::Standalone {
            worker,
            connectors,
            log,
        }) => {
            return Ok(work(Role::Standalone { worker, connectors }, &log));
        }
        Some(Command::Broker(broker)) => return Ok(run_broker(&broker)),
        _ => {}
    }
    let contexts = contexts(&cli)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = match cli.command {
        None => runtime.block_on(open_terminal(contexts)),
        Some(Command::Demo { dir, port }) => {
            let place = match (cli.bootstrap_servers, dir) {
                (Some(bootstrap), None) => demo::Place::Brokers(bootstrap),
                (Some(_), Some(_)) => anyhow::bail!(
                    "--dir is the folder of the demo's own Kafka, --bootstrap-servers names another: give \
                     one of them"
                ),
                (None, dir) => demo::Place::Embedded { dir, port },
            };
            let settings = terminal_settings()?;
            let say = |text: &str| {
                // The terminal may be gone; then there is no reader.
                let _ = writeln!(std::io::stderr(), "sluice demo: {text}");
            };
            runtime
                .block_on(demo::run(place, settings, &say))
                .map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "sluice", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Some(command) => {
            let named = !cli.connect.is_empty() || cli.context.is_some();
            runtime.block_on(headless(command, &contexts, named))
        }
    };
    // Threads that wait for brokers must not hold the process up.
    runtime.shutdown_background();
    outcome
}

/// Runs a command for scripts. Progress is for people: only on a terminal, only on standard error.
///
/// `named` says that the command line names a cluster.
async fn headless(command: Command, contexts: &Contexts, named: bool) -> anyhow::Result<ExitCode> {
    let context = contexts
        .all
        .get(contexts.current)
        .context("no context to work on")?;
    let person = std::io::stderr().is_terminal();
    let progress = |text: &str| {
        if person {
            let mut err = std::io::stderr().lock();
            // Progress that can't be shown is no error.
            let _ = write!(err, "\r\u{1b}[K{text}");
            let _ = err.flush();
        }
    };
    let confirm = |question: &str| {
        let mut err = std::io::stderr().lock();
        let asked = write!(err, "{question}").and_then(|()| err.flush());
        let mut answer = String::new();
        asked.is_ok()
            && std::io::stdin().read_line(&mut answer).is_ok()
            && matches!(answer.trim(), "y" | "Y" | "yes")
    };
    let stdin = || std::io::read_to_string(std::io::stdin());
    let asks = std::io::stdin().is_terminal() && person;
    let session = headless::Session {
        context,
        readonly: contexts.readonly || context.readonly,
        progress: &progress,
        confirm: asks.then_some(&confirm as &(dyn Fn(&str) -> bool + Sync)),
        stdin: &stdin,
    };
    let report = match command {
        Command::Check(options) => {
            let cluster = named || (options.worker.is_none() && options.file.is_empty());
            let mut agent = Checker::new(environment())?;
            headless::check(&options, &session, cluster, &mut agent).await
        }
        command => headless::run(command, &session).await,
    };
    progress("");
    let report = match report {
        Err(error) if context.assumed && error.is_unreachable() => {
            anyhow::bail!("{error}; {}", contexts::NAME_A_CLUSTER)
        }
        report => report?,
    };
    // A reader that has seen enough (`| head`) closes the pipe; that is its right.
    let _ = std::io::stdout().lock().write_all(report.out.as_bytes());
    for line in &report.complaints {
        complain(line);
    }
    Ok(ExitCode::from(report.code))
}

fn contexts(cli: &Cli) -> anyhow::Result<Contexts> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let default = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(home?.join(".config")))
        .map(|folder| folder.join("sluice/config.toml"));
    let wanted = Wanted {
        connect: cli.connect.clone(),
        bootstrap: cli.bootstrap_servers.clone(),
        context: cli.context.clone(),
        readonly: cli.readonly,
        file_required: cli.config.is_some(),
        file: cli.config.clone().or(default),
    };
    Ok(contexts::resolve(&wanted)?)
}

/// Runs a worker as the whole of this process; exit codes are those of the JVM worker.
fn work(role: Role, log: &cli::Log) -> ExitCode {
    let ended = log
        .log_format
        .parse()
        .map_err(|error| (error, 1))
        .map(|format| LogOptions {
            format,
            level: log.log_level.clone(),
        })
        .and_then(|log| {
            sluice_agent::process::run(role, &log, &environment())
                .map_err(|error| (with_causes(&error), error.exit_code()))
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err((text, code)) => {
            complain(&text);
            ExitCode::from(code)
        }
    }
}

/// Runs the broker as the whole of this process; its address is the one line on standard output.
fn run_broker(options: &cli::Broker) -> ExitCode {
    let log = &options.log;
    let ended = log
        .log_format
        .parse()
        .map(|format| LogOptions {
            format,
            level: log.log_level.clone(),
        })
        .map_err(|error: String| error)
        .and_then(|log| {
            sluice_agent::process::run_broker(broker_config(options), &log, |bootstrap| {
                // There may be no reader.
                let _ = writeln!(std::io::stdout().lock(), "{bootstrap}");
            })
            .map_err(|error| with_causes(&error))
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            complain(&text);
            ExitCode::FAILURE
        }
    }
}

fn broker_config(options: &cli::Broker) -> BrokerConfig {
    let mut config = BrokerConfig::new(&options.dir);
    config.host.clone_from(&options.host);
    config.port = options.port;
    config.advertised_host.clone_from(&options.advertised_host);
    config.fsync = match options.fsync {
        cli::FsyncPolicy::Always => FsyncPolicy::Always,
        cli::FsyncPolicy::Never => FsyncPolicy::Never,
        cli::FsyncPolicy::Millis(millis) => {
            FsyncPolicy::Every(std::time::Duration::from_millis(millis))
        }
    };
    config
}

async fn open_terminal(contexts: Contexts) -> anyhow::Result<ExitCode> {
    runtime::run(contexts, terminal_settings()?, None).await?;
    Ok(ExitCode::SUCCESS)
}

/// What the terminal needs to know of where it runs.
fn terminal_settings() -> anyhow::Result<TerminalSettings> {
    let term = std::env::var("TERM").unwrap_or_default();
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        anyhow::bail!(
            "standard input and output are no terminal; for scripts there is: sluice get connectors -o json"
        );
    }
    if term == "dumb" {
        anyhow::bail!("TERM=dumb can't show screens; set TERM, or use: sluice get connectors");
    }
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| home.map(|home| home.join(".local/state")));
    Ok(TerminalSettings {
        editor: ["VISUAL", "EDITOR"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|editor| !editor.trim().is_empty())
            .unwrap_or_else(|| "vi".to_owned()),
        tmux: set("TMUX"),
        no_color: set("NO_COLOR"),
        history: state.map(|folder| folder.join("sluice/history")),
    })
}

#[async_trait::async_trait]
impl headless::LocalAgent for Checker {
    fn worker_file(&mut self, path: &Path) -> Result<Vec<Finding>, String> {
        Self::worker_file(self, path)
    }

    async fn brokers(&self, limit: Duration) -> Result<Vec<Finding>, String> {
        Self::brokers(self, limit).await
    }

    async fn connector(&self, subject: &str, config: &ConfigMap, connects: bool) -> Vec<Finding> {
        let own = if connects {
            OwnChecks::Made
        } else {
            OwnChecks::Skipped
        };
        Self::connector(self, subject, config, own).await
    }

    fn connector_file(&self, bytes: &[u8]) -> Result<(String, ConfigMap), String> {
        Self::connector_file(self, bytes)
    }
}

/// The variables of the environment whose names and values are text, for config providers.
fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
