//! `sluice-agent`: a worker alone, for hosts that need no terminal.

use std::path::PathBuf;
use std::process::ExitCode;

use sluice_agent::process::{Environment, LogOptions, Role, run};
use sluice_agent::with_causes;

const USAGE: &str = "\
usage: sluice-agent WORKER.properties                 join a cluster, as connect-distributed
       sluice-agent WORKER.properties CONNECTOR...    run alone, as connect-standalone

bootstrap.servers=embedded:DIR runs a Kafka broker in the process: one node, no replication, no users and no ACLs,
on the loopback interface unless embedded.host says otherwise.

environment: SLUICE_LOG_LEVEL (INFO), SLUICE_LOG_FORMAT (text or json)";

#[expect(
    clippy::print_stderr,
    reason = "what the program says before and after it logs"
)]
fn main() -> ExitCode {
    let mut files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty()
        || files
            .iter()
            .any(|file| file.to_string_lossy().starts_with('-'))
    {
        eprintln!("{USAGE}");
        return ExitCode::from(1);
    }
    let worker = files.remove(0);
    let role = if files.is_empty() {
        Role::Distributed { worker }
    } else {
        Role::Standalone {
            worker,
            connectors: files,
        }
    };
    let ended = log_options().and_then(|log| {
        run(role, &log, &environment()).map_err(|error| (with_causes(&error), error.exit_code()))
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err((text, code)) => {
            eprintln!("sluice-agent: {text}");
            ExitCode::from(code)
        }
    }
}

fn log_options() -> Result<LogOptions, (String, u8)> {
    let mut log = LogOptions::default();
    if let Ok(level) = std::env::var("SLUICE_LOG_LEVEL") {
        log.level = level;
    }
    if let Ok(format) = std::env::var("SLUICE_LOG_FORMAT") {
        log.format = format.parse().map_err(|error| (error, 1))?;
    }
    Ok(log)
}

/// The variables of the environment whose names and values are text, for config providers.
fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
