//! Verbs for scripts: on names or on all that match, a few at a time, until the cluster has done it.

use std::time::{Duration, Instant};

use futures::StreamExt;

use super::{CommandError, ERROR, Report, Session};
use crate::actions::{self, Request};
use crate::cli::Names;
use crate::conn::client::Client;
use crate::conn::{now, shown};
use crate::message::Update;
use crate::model::Model;
use crate::model::action::{Action, Stage, Verb};
use crate::model::filter::Filter;
use crate::text::Text;
use crate::update::apply_update;

/// Requests under way at the same time.
const AT_ONCE: usize = 4;

/// Names to act on; every one of them must exist, and a filter must match something.
pub(super) async fn targets(client: &Client, names: &Names) -> Result<Vec<String>, CommandError> {
    let model = snapshot(client).await?;
    match &names.filter {
        Some(text) => {
            let filter = Filter::parse(text);
            let found: Vec<String> = model
                .cluster
                .connectors
                .values()
                .filter(|c| filter.accepts(*c))
                .map(|c| c.name.as_str().to_owned())
                .collect();
            if found.is_empty() {
                return Err(CommandError::NoConnector(Text::line(text)));
            }
            Ok(found)
        }
        None => {
            for name in &names.names {
                if !model.cluster.connectors.contains_key(name.as_str()) {
                    // One without a status record yet is not in the list.
                    client.config(name).await?;
                }
            }
            Ok(names.names.clone())
        }
    }
}

async fn snapshot(client: &Client) -> Result<Model, CommandError> {
    let asked = now();
    let list = client.connectors().await?;
    let mut model = Model::new(Vec::new(), 0, false, asked);
    apply_update(
        &mut model,
        Update::Listed {
            asked,
            list: Box::new(list),
        },
    );
    Ok(model)
}

/// Asks for the verb on each target and waits until the cluster has done it.
pub(super) async fn run(
    session: &Session<'_>,
    client: &Client,
    targets: &[String],
    names: &Names,
    verb: Verb,
) -> Result<Report, CommandError> {
    let before = snapshot(client).await?;
    let total = targets.len();
    let mut actions: Vec<Action> = futures::stream::iter(targets.iter().enumerate())
        .map(|(i, name)| {
            let (verb, before) = (&verb, &before);
            async move {
                (session.progress)(&format!("{verb} {} ({}/{total})", Text::line(name), i + 1));
                one(session, client, i as u64, name, verb, before).await
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    if !names.no_wait {
        wait(
            session,
            client,
            &mut actions,
            Duration::from_secs(names.timeout),
        )
        .await?;
    }
    let mut report = Report::default();
    for action in &actions {
        let (_, line) = action.line(now());
        if matches!(action.stage, Stage::Failed { .. }) {
            report.code = ERROR;
            report.complaints.push(line);
        } else if matches!(action.stage, Stage::Accepted { .. }) && !names.no_wait {
            report.code = ERROR;
            report.complaints.push(format!("{line} (gave up waiting)"));
        } else {
            report.out.push_str(&line);
            report.out.push('\n');
        }
    }
    Ok(report)
}

async fn one(
    session: &Session<'_>,
    client: &Client,
    id: u64,
    name: &str,
    verb: &Verb,
    before: &Model,
) -> Action {
    let connector = before.cluster.connectors.get(name);
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
    let asked_at = now();
    let waiting = |reason: Text, _| {
        (session.progress)(&format!("{verb} {}: waits for {reason}", Text::line(name)));
        std::future::ready(())
    };
    let answer = actions::run(client, &request, waiting).await;
    let mut plan = Vec::new();
    let stage = match answer {
        Ok(states) => {
            plan.extend(
                states
                    .iter()
                    .flat_map(|states| &states.tasks)
                    .filter(|task| task.state == sluice_protocol::State::Restarting)
                    .map(|task| task.id),
            );
            Stage::Accepted { at: now() }
        }
        Err(error) => Stage::Failed {
            at: now(),
            error: shown(&error),
        },
    };
    Action {
        id,
        plan: 0,
        verb: verb.clone(),
        connector: name.into(),
        asked_at,
        stage,
        tasks: plan,
        moved: false,
    }
}

/// Looks at the cluster until every action is over or time is up.
async fn wait(
    session: &Session<'_>,
    client: &Client,
    actions: &mut [Action],
    time: Duration,
) -> Result<(), CommandError> {
    let until = Instant::now() + time;
    while actions.iter().any(|action| !action.is_over()) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let model = snapshot(client).await?;
        let seen = model.cluster.listed.unwrap_or(0);
        for action in actions.iter_mut().filter(|action| !action.is_over()) {
            action.settle(model.cluster.connectors.get(&action.connector), seen, now());
        }
        let left = actions.iter().filter(|action| !action.is_over()).count();
        if left > 0 {
            (session.progress)(&format!("waiting for {left} of {}", actions.len()));
        }
    }
    Ok(())
}
