//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Kafka Connect in a terminal: watch and steer connectors, tasks and workers.
///
/// Without a command the terminal opens. It works on Sluice agents and on JVM Connect clusters.
#[derive(Debug, Parser)]
#[command(
    name = "sluice",
    version,
    about,
    max_term_width = 100,
    after_help = "Exit status of commands: 0 fine, 1 error, 2 something is unhealthy."
)]
pub(crate) struct Cli {
    /// REST URLs of Connect workers; the next one is used when one does not answer.
    #[arg(long, value_name = "URL[,URL]", value_delimiter = ',', global = true)]
    pub(crate) connect: Vec<String>,
    /// Kafka brokers, for lag, workers, rebalances and live updates.
    #[arg(long, value_name = "HOST:PORT", global = true)]
    pub(crate) bootstrap_servers: Option<String>,
    /// Context of the configuration file to begin with.
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) context: Option<String>,
    /// Configuration file with contexts [default: ~/.config/sluice/config.toml].
    #[arg(long, value_name = "FILE", env = "SLUICE_CONFIG", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Hide and refuse everything that changes the cluster.
    #[arg(long, global = true)]
    pub(crate) readonly: bool,
    /// What to do; nothing opens the terminal.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Form of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Columns for people.
    #[default]
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// What `get` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Connectors with computed health.
    Connectors,
    /// Tasks of all connectors.
    Tasks,
    /// Workers.
    Workers,
    /// Plugins installed on the worker that answers.
    Plugins,
    /// Lag of sinks (needs --bootstrap-servers).
    Lag,
}

/// Connectors to act on.
#[derive(Debug, clap::Args)]
pub(crate) struct Names {
    /// Names of connectors.
    #[arg(required_unless_present = "filter", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Act on all that match: a regular expression, !expression, or -l key=value.
    #[arg(
        long,
        short = 'f',
        value_name = "FILTER",
        conflicts_with = "names",
        allow_hyphen_values = true
    )]
    pub(crate) filter: Option<String>,
    /// How long to wait.
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// How long a verb waits for the cluster.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Waiting {
    /// Return when the cluster has taken the request, not when it has done it.
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Longest time to wait for it to be done, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) timeout: u64,
    /// How long what was started is watched before it counts as running, in seconds: many tasks fail at
    /// their first record.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) watch: u64,
}

/// What to check.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Worker properties, of `sluice agent` or `sluice standalone`.
    #[arg(value_name = "WORKER")]
    pub(crate) worker: Option<PathBuf>,
    /// Connectors: JSON, YAML or properties, one or many, or a folder of such files; - reads standard input.
    #[arg(short, long = "file", value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// Ask nobody: no brokers, no databases, no names of hosts.
    #[arg(long, conflicts_with_all = ["connect", "context"])]
    pub(crate) offline: bool,
    /// Longest time to wait for the brokers of a worker's file, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    pub(crate) timeout: u64,
    /// Form of output.
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// How a worker logs, to standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    /// text or json.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        env = "SLUICE_LOG_FORMAT"
    )]
    pub(crate) log_format: String,
    /// Level of the root logger: OFF, ERROR, WARN, INFO, DEBUG or TRACE.
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "INFO",
        env = "SLUICE_LOG_LEVEL"
    )]
    pub(crate) log_level: String,
}

/// The broker for this machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Broker {
    /// Folder of the data; made if missing, used by one broker at a time.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Port to listen on; 0 takes a free one. The address is printed.
    #[arg(long, value_name = "PORT", default_value_t = 9092)]
    pub(crate) port: u16,
    /// Address to listen on.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Host that clients are told to connect to, if it is not the one listened on.
    #[arg(long, value_name = "HOST")]
    pub(crate) advertised_host: Option<String>,
    /// When data is forced to the disk: always (before each acknowledgement), never (when the system
    /// likes), or at most every so many milliseconds. What was acknowledged survives a kill of the process
    /// in any case.
    #[arg(long, value_name = "POLICY", default_value = "1000", value_parser = fsync_policy)]
    pub(crate) fsync: FsyncPolicy,
    /// How it logs.
    #[command(flatten)]
    pub(crate) log: Log,
}

/// When data is forced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FsyncPolicy {
    /// Before each acknowledgement.
    Always,
    /// When the system likes.
    Never,
    /// At most every so many milliseconds.
    Millis(u64),
}

fn fsync_policy(text: &str) -> Result<FsyncPolicy, String> {
    match text {
        "always" => Ok(FsyncPolicy::Always),
        "never" => Ok(FsyncPolicy::Never),
        millis => millis
            .parse()
            .map(FsyncPolicy::Millis)
            .map_err(|_| "expected always, never or a number of milliseconds".to_owned()),
    }
}

/// Commands for scripts. Exit status: 0 fine, 1 error, 2 something is unhealthy.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List connectors, tasks, workers, plugins or lag.
    Get {
        /// What to list.
        kind: Kind,
        /// Only what matches: a regular expression, !expression, or -l key=value.
        #[arg(long, short = 'f', value_name = "FILTER", allow_hyphen_values = true)]
        filter: Option<String>,
        /// Only what is not well.
        #[arg(long)]
        faults: bool,
        /// Form of output.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Show one connector: states, traces, configuration.
    Describe {
        /// Name of the connector.
        name: String,
        /// Form of output.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Create or change connectors from files; validates all of them first, and watches what becomes of them.
    Apply {
        /// JSON or YAML, one connector or many, or a folder of such files; - reads standard input.
        #[arg(short, long = "file", value_name = "FILE", required = true)]
        file: Vec<PathBuf>,
        /// Validate and show what would change, write nothing.
        #[arg(long)]
        dry_run: bool,
        /// How long to wait.
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Check a worker's file, connectors in files, or a running cluster, without changing anything.
    ///
    /// Of a worker's file it says what `sluice agent` would refuse or warn about, and which connectors in
    /// the config topic of its cluster an agent could not run. Connectors in files (-f) are checked by the
    /// definitions of this build and, with --connect, by the cluster. With --connect or --context alone, or
    /// with nothing, the connectors of that cluster are checked: what is not well, and what an agent could
    /// not run.
    ///
    /// Exit status: 0 no errors (there may be warnings), 1 something could not be checked, 2 errors were
    /// found.
    ///
    /// JSON: {"findings": [{"level": "error" or "warning", "subject", "key", "value", "text"}], "summary":
    /// {"checked", "errors", "warnings", "unchecked"}}; unchecked is a list of texts, key and value are
    /// null where there is none or it is secret.
    Check(Check),
    /// Pause connectors.
    Pause(Names),
    /// Resume connectors.
    Resume(Names),
    /// Stop connectors; frees their tasks.
    Stop(Names),
    /// Restart what failed, or all of it.
    Restart {
        /// Which connectors.
        #[command(flatten)]
        names: Names,
        /// Restart the connector and all of its tasks, not only what failed.
        #[arg(long, conflicts_with = "connector_only")]
        all: bool,
        /// Restart the connector instance alone.
        #[arg(long)]
        connector_only: bool,
    },
    /// Delete connectors.
    Delete {
        /// Which connectors.
        #[command(flatten)]
        names: Names,
        /// Delete without asking; needed when standard input is no terminal.
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Run a worker of a Connect cluster (an agent), with the file of connect-distributed.
    ///
    /// With bootstrap.servers=embedded:DIR the broker of `sluice broker` runs in its process: one node, no
    /// replication, no users and no ACLs, on the loopback interface unless embedded.host says otherwise.
    Agent {
        /// Worker properties.
        worker: PathBuf,
        /// How it logs.
        #[command(flatten)]
        log: Log,
    },
    /// Run a worker alone, with the files of connect-standalone.
    ///
    /// bootstrap.servers=embedded:DIR runs a broker in its process, as for `sluice agent`.
    Standalone {
        /// Worker properties.
        worker: PathBuf,
        /// Connectors: properties, or JSON as the REST API takes it.
        connectors: Vec<PathBuf>,
        /// How it logs.
        #[command(flatten)]
        log: Log,
    },
    /// Run a Kafka broker for this machine: one node, no replication, no users and no ACLs.
    ///
    /// Any Kafka client can use it. Whoever reaches its port may do everything, so it listens on the
    /// loopback interface unless --host says otherwise. A worker with bootstrap.servers=embedded:DIR runs
    /// the same broker in its process.
    Broker(Broker),
    /// Show three agents and five pipelines at work, on a Kafka of its own or on --bootstrap-servers.
    ///
    /// Its own Kafka is the one of `sluice broker`: one node, no replication, no users and no ACLs, on the
    /// loopback interface; any client can look at it. Everything is taken back at exit, unless --dir keeps
    /// it.
    Demo {
        /// Keep the data of the demo's own Kafka in this folder, and go on with it next time.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Port of the demo's own Kafka; 0 takes a free one.
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
    },
    /// Print a script that completes commands in a shell.
    Completions {
        /// Shell.
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_reads_as_it_should() {
        let mut command = Cli::command().term_width(100);
        insta::assert_snapshot!("help", command.render_long_help().to_string());
    }
}
