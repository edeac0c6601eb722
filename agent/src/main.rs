//! `sluice-agent`: a worker alone, for hosts that need no terminal.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use sluice_agent::process::{Environment, LogOptions, Role, run};
use sluice_agent::with_causes;

/// A Kafka Connect worker: with connectors it runs alone, as connect-standalone; without it joins a cluster,
/// as connect-distributed.
///
/// bootstrap.servers=embedded:DIR runs a Kafka broker in the process: one node, no replication, no users and
/// no ACLs, on the loopback interface unless embedded.host says otherwise.
#[derive(Parser)]
#[command(name = "sluice-agent", version)]
struct Cli {
    /// Worker properties.
    worker: PathBuf,
    /// Connectors: properties, or JSON as the REST API takes it.
    connectors: Vec<PathBuf>,
    /// text or json.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        env = "SLUICE_LOG_FORMAT"
    )]
    log_format: String,
    /// Level of the root logger: OFF, ERROR, WARN, INFO, DEBUG or TRACE.
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "INFO",
        env = "SLUICE_LOG_LEVEL"
    )]
    log_level: String,
}

#[expect(
    clippy::print_stderr,
    reason = "what the program says before and after it logs"
)]
fn main() -> ExitCode {
    // A mistake on the command line is 1, as any error: 2 says that the worker's file is wrong.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match work(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err((text, code)) => {
            eprintln!("sluice-agent: {text}");
            ExitCode::from(code)
        }
    }
}

/// Runs until a signal; an error has the exit status with it.
fn work(cli: Cli) -> Result<(), (String, u8)> {
    let log = LogOptions {
        format: cli.log_format.parse().map_err(|error| (error, 1))?,
        level: cli.log_level,
    };
    let role = if cli.connectors.is_empty() {
        Role::Distributed { worker: cli.worker }
    } else {
        Role::Standalone {
            worker: cli.worker,
            connectors: cli.connectors,
        }
    };
    run(role, &log, &environment()).map_err(|error| (with_causes(&error), error.exit_code()))
}

/// The variables of the environment whose names and values are text, for config providers.
fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
