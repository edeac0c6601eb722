//! Verbs for scripts: on names or on all that match, a few at a time, until the cluster has done it.

use std::time::{Duration, Instant};

use futures::StreamExt;

use super::{CommandError, ERROR, Report, Session, look, patiently};
use crate::actions::{self, Request};
use crate::cli::Names;
use crate::conn::client::Client;
use crate::conn::{now, shown};
use crate::model::Model;
use crate::model::action::{Action, RestartMode, Sight, Stage, Verb};
use crate::model::filter::Filter;
use crate::model::news::Update;
use crate::text::Text;
use crate::update::apply_update;

/// Requests under way at the same time.
const AT_ONCE: usize = 4;
/// Distance between looks at the cluster. A restart may be over in less than this.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Least time for the cluster to do something, beside that for watching it.
const LEAST: Duration = Duration::from_secs(5);

/// Names to act on; every one of them must exist, and a filter must match something. A filter sees what
/// `get` sees: with brokers also what is lost or stalled.
pub(super) async fn targets(
    session: &Session<'_>,
    client: &Client,
    names: &Names,
) -> Result<Vec<String>, CommandError> {
    match &names.filter {
        Some(text) => {
            let (model, complaints) = look(session, client, true).await?;
            complaints.iter().for_each(|text| (session.progress)(text));
            let filter = Filter::parse(text);
            let found: Vec<String> = model
                .cluster()
                .connectors
                .values()
                .filter(|c| filter.accepts(*c))
                .map(|c| c.name.as_str().to_owned())
                .collect();
            if found.is_empty() {
                return Err(CommandError::NoConnector(Text::name(text)));
            }
            Ok(found)
        }
        None => {
            let mut model = watched();
            listed(&mut model, client).await?;
            for name in &names.names {
                if !model.cluster().connectors.contains_key(name.as_str()) {
                    // One without a status record yet is not in the list.
                    client.config(name).await?;
                }
            }
            Ok(names.names.clone())
        }
    }
}

/// A model that is filled by list after list, so that what happens between them is heard of.
pub(super) fn watched() -> Model {
    Model::new(Vec::new(), 0, false, now())
}

/// Takes over one more list of all connectors.
pub(super) async fn listed(model: &mut Model, client: &Client) -> Result<(), CommandError> {
    let asked = now();
    let list = Box::new(patiently(client).await?);
    model.session.now = now();
    apply_update(model, Update::Listed { asked, list });
    Ok(())
}

/// How verbs are carried out.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// Longest time for the cluster to take a request, and then to have done it.
    pub(super) timeout: Duration,
    /// How long what was started is watched.
    pub(super) watch: Duration,
    /// Whether to wait until it is done.
    pub(super) wait: bool,
}

/// Asks for the verb on each target and waits until the cluster has done it.
pub(super) async fn run(
    session: &Session<'_>,
    client: &Client,
    targets: Vec<(String, Verb)>,
    pace: Pace,
) -> Result<Vec<Action>, CommandError> {
    let mut model = watched();
    listed(&mut model, client).await?;
    let total = targets.len();
    let mut actions: Vec<Action> = futures::stream::iter(targets.into_iter().enumerate())
        .map(|(i, (name, verb))| {
            let before = &model;
            async move {
                (session.progress)(&format!("{verb} {} ({}/{total})", Text::name(&name), i + 1));
                one(session, client, i as u64, &name, verb, before, pace).await
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    if pace.wait {
        wait(session, client, &mut model, &mut actions, pace).await?;
    }
    Ok(actions)
}

/// What came of verbs, a line for each.
pub(super) fn report(actions: &[Action], waited: bool) -> Report {
    let mut report = Report::default();
    for action in actions {
        let (_, line) = action.line(now());
        if matches!(action.stage, Stage::Failed { .. }) {
            report.code = ERROR;
            report.complaints.push(line);
        } else if !action.is_over() && waited {
            report.code = ERROR;
            report.complaints.push(format!("{line} (gave up waiting)"));
        } else {
            report.out.push_str(&line);
            report.out.push('\n');
        }
    }
    report
}

async fn one(
    session: &Session<'_>,
    client: &Client,
    id: u64,
    name: &str,
    verb: Verb,
    before: &Model,
    pace: Pace,
) -> Action {
    let connector = before.cluster().connectors.get(name);
    let tasks = |failed: bool| -> Vec<u32> {
        connector
            .iter()
            .flat_map(|c| c.tasks.values())
            .filter(|task| !failed || task.state == sluice_protocol::State::Failed)
            .map(|task| task.id)
            .collect()
    };
    let request = Request {
        connector: name.to_owned(),
        verb: verb.clone(),
        failed_tasks: tasks(true),
        all_tasks: tasks(false),
    };
    let mut action = Action::new(id, 0, verb, name.into(), now(), connector);
    if action.verb == Verb::Restart(RestartMode::OnlyFailed) {
        action.tasks.clone_from(&request.failed_tasks);
    }
    action.watch = i64::try_from(pace.watch.as_millis()).unwrap_or(i64::MAX);
    let waiting = |reason: Text, _| {
        let verb = &request.verb;
        (session.progress)(&format!("{verb} {}: waits for {reason}", Text::name(name)));
        std::future::ready(())
    };
    match actions::run(client, &request, pace.timeout, waiting).await {
        Ok(plan) => action.accepted(plan.as_ref(), now()),
        Err(error) => {
            action.stage = Stage::Failed {
                at: now(),
                error: shown(&error),
            }
        }
    }
    action
}

/// Looks at the cluster until every action is over or time is up.
async fn wait(
    session: &Session<'_>,
    client: &Client,
    model: &mut Model,
    actions: &mut [Action],
    pace: Pace,
) -> Result<(), CommandError> {
    let until = Instant::now() + pace.timeout.max(pace.watch + LEAST);
    let mut trouble = None;
    while actions.iter().any(|action| !action.is_over()) {
        if Instant::now() >= until {
            // That it could not be looked at says more than that it was not confirmed.
            return trouble.map_or(Ok(()), Err);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        // A worker that does not answer for a moment is asked again: the verb was taken already.
        trouble = listed(model, client).await.err();
        if trouble.is_some() {
            continue;
        }
        let sight = Sight {
            listed: model.cluster().listed.unwrap_or(0),
            live: false,
        };
        for action in actions.iter_mut().filter(|action| !action.is_over()) {
            let connector = model.cluster().connectors.get(&action.connector);
            action.settle(connector, sight, now());
        }
        let left = actions.iter().filter(|action| !action.is_over()).count();
        if left > 0 {
            (session.progress)(&format!("waiting for {left} of {}", actions.len()));
        }
    }
    Ok(())
}
