//! Commands for scripts: the same client, health and masking as the terminal, without a screen.
//!
//! A command returns a [`Report`]; `main` prints it and exits with its code: 0 fine, 1 error, 2 something is
//! unhealthy. Progress goes through a callback, which `main` connects to a terminal or to nothing.

mod apply;
mod check;
mod get;
mod output;
mod rows;
mod verbs;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sluice_protocol::rest::ExpandedConnectors;

pub(crate) use self::check::{LocalAgent, check};
use crate::cli::{Command, Names, Waiting};
use crate::conn::client::{CallError, Client};
use crate::conn::now;
use crate::conn::rest::Known;
use crate::contexts::Context;
use crate::model::Model;
use crate::model::action::{RestartMode, Verb};
use crate::model::news::Update;
use crate::text::Text;
use crate::update::{apply_update, settle};

/// What a command has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Text for standard output.
    pub(crate) out: String,
    /// Lines for standard error.
    pub(crate) complaints: Vec<String>,
    pub(crate) code: u8,
}

impl Report {
    fn fine(out: String) -> Self {
        Self {
            out,
            ..Self::default()
        }
    }
}

/// How long a worker that is busy or still starting is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Exit status when nothing is wrong.
pub(crate) const FINE: u8 = 0;
/// Something did not work.
pub(crate) const ERROR: u8 = 1;
/// It worked, and something is unhealthy.
pub(crate) const UNHEALTHY: u8 = 2;

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The cluster said no, or nothing.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The brokers said nothing.
    #[error("{0}")]
    Brokers(Text),
    /// Lag was asked for where no brokers are configured.
    #[error("lag is read from the brokers: give --bootstrap-servers HOST:PORT")]
    NoBrokers,
    /// The cluster has no connector of this name.
    #[error("no connector \"{0}\"")]
    NoConnector(Text),
    /// A verb was asked for in read-only mode.
    #[error("read-only: this context allows no writes")]
    ReadOnly,
    /// A file can't be read or understood.
    #[error("{file}: {why}")]
    File { file: String, why: String },
    /// A file can't be read; the text names it.
    #[error("{0}")]
    Unreadable(Text),
    /// Deleting must be confirmed.
    #[error("delete needs --yes when standard input is no terminal")]
    NotConfirmed,
    /// Not answered with yes.
    #[error("nothing deleted")]
    Declined,
}

impl CommandError {
    /// Whether no worker answered.
    pub(crate) const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Call(CallError::Unreachable(_)))
    }
}

/// What a command works with.
pub(crate) struct Session<'a> {
    pub(crate) context: &'a Context,
    /// Whether verbs are off.
    pub(crate) readonly: bool,
    /// Shows how far a command got, over the line before.
    pub(crate) progress: &'a (dyn Fn(&str) + Sync),
    /// Asks a question on the terminal; `None` without a person to ask.
    pub(crate) confirm: Option<&'a (dyn Fn(&str) -> bool + Sync)>,
    /// Reads standard input to its end.
    pub(crate) stdin: &'a (dyn Fn() -> std::io::Result<String> + Sync),
}

/// Runs one command for scripts.
pub(crate) async fn run(command: Command, session: &Session<'_>) -> Result<Report, CommandError> {
    let client = Client::new(session.context)?;
    match command {
        Command::Get {
            kind,
            filter,
            faults,
            output,
        } => get::get(session, &client, kind, filter.as_deref(), faults, output).await,
        Command::Describe { name, output } => get::describe(session, &client, &name, output).await,
        Command::Apply {
            file,
            dry_run,
            waiting,
        } => {
            if !dry_run {
                writable(session)?;
            }
            apply::apply(session, &client, &file, dry_run, pace(&waiting)).await
        }
        Command::Pause(names) => act(session, &client, &names, Verb::Pause).await,
        Command::Resume(names) => act(session, &client, &names, Verb::Resume).await,
        Command::Stop(names) => act(session, &client, &names, Verb::Stop).await,
        Command::Restart {
            names,
            all,
            connector_only,
        } => {
            let mode = match (all, connector_only) {
                (true, _) => RestartMode::All,
                (_, true) => RestartMode::ConnectorOnly,
                _ => RestartMode::OnlyFailed,
            };
            act(session, &client, &names, Verb::Restart(mode)).await
        }
        Command::Delete { names, yes } => {
            writable(session)?;
            let targets = verbs::targets(session, &client, &names).await?;
            if !yes {
                let Some(confirm) = session.confirm else {
                    return Err(CommandError::NotConfirmed);
                };
                let question = format!("delete {}? [y/N] ", targets.join(", "));
                if !confirm(&Text::line(&question).to_string()) {
                    return Err(CommandError::Declined);
                }
            }
            carry_out(session, &client, targets, &names.waiting, &Verb::Delete).await
        }
        // `main` carries these out itself.
        Command::Agent { .. }
        | Command::Check(_)
        | Command::Standalone { .. }
        | Command::Broker(_)
        | Command::Demo { .. }
        | Command::Completions { .. } => Ok(Report::default()),
    }
}

async fn act(
    session: &Session<'_>,
    client: &Client,
    names: &Names,
    verb: Verb,
) -> Result<Report, CommandError> {
    writable(session)?;
    let targets = verbs::targets(session, client, names).await?;
    carry_out(session, client, targets, &names.waiting, &verb).await
}

async fn carry_out(
    session: &Session<'_>,
    client: &Client,
    targets: Vec<String>,
    waiting: &Waiting,
    verb: &Verb,
) -> Result<Report, CommandError> {
    let targets = targets
        .into_iter()
        .map(|name| (name, verb.clone()))
        .collect();
    let actions = verbs::run(session, client, targets, pace(waiting)).await?;
    Ok(verbs::report(&actions, !waiting.no_wait))
}

fn pace(waiting: &Waiting) -> verbs::Pace {
    verbs::Pace {
        timeout: Duration::from_secs(waiting.timeout),
        watch: Duration::from_secs(waiting.watch),
        wait: !waiting.no_wait,
    }
}

fn writable(session: &Session<'_>) -> Result<(), CommandError> {
    if session.readonly {
        Err(CommandError::ReadOnly)
    } else {
        Ok(())
    }
}

/// The list of connectors; a worker that is busy or still starting is asked again for some time.
async fn patiently(client: &Client) -> Result<ExpandedConnectors, CallError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match client.connectors().await {
            Err(error) if error.is_momentary() && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            answer => return answer,
        }
    }
}

/// Asks the workers named in states whether they are there, where the group can't be seen.
async fn probe(model: &mut Model, client: &Client) {
    let workers: BTreeSet<String> = model
        .cluster()
        .workers
        .values()
        .filter(|worker| worker.member.is_none())
        .map(|worker| worker.id.to_string())
        .collect();
    for update in client.probe_all(workers).await {
        apply_update(model, update);
    }
}

/// The cluster as of now, in the terminal's own model: health, counts and masking are the same everywhere.
async fn look(
    session: &Session<'_>,
    client: &Client,
    brokers: bool,
) -> Result<(Model, Vec<String>), CommandError> {
    let mut model = Model::new(vec![session.context.summary()], 0, session.readonly, now());
    let list = patiently(client).await?;
    let known = Known::of(&list, client);
    let asked = now();
    apply_update(
        &mut model,
        Update::Listed {
            asked,
            list: Box::new(list),
        },
    );
    let mut complaints = Vec::new();
    if brokers && let Some(bootstrap) = session.context.bootstrap.clone() {
        let context = session.context.clone();
        let looked = tokio::task::spawn_blocking(move || {
            crate::conn::brokers::look_once(&context, &bootstrap, known)
        })
        .await
        .unwrap_or_else(|_| Err(Text::from("look ended early")));
        match looked {
            Ok((group, partitions)) => {
                if let Some(group) = group {
                    apply_update(&mut model, Update::Group(group));
                }
                apply_update(
                    &mut model,
                    Update::Lag {
                        at: now(),
                        partitions,
                    },
                );
            }
            Err(error) => complaints.push(format!("brokers: {error}")),
        }
    }
    probe(&mut model, client).await;
    settle(&mut model);
    Ok((model, complaints))
}
