//! What was asked of the cluster and how far it got: asked for, waiting, accepted, confirmed.
//!
//! The server accepting a request is not the cluster having done it, so the two are kept apart: an action
//! is confirmed only by what was heard after it was asked for. What it starts is then watched for some
//! seconds, since many tasks fail at their first record, and only then called running.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use sluice_protocol::rest::ConnectorStateInfo;
use sluice_protocol::{ConfigMap, ConnectorName, State, TargetState};

use super::cluster::Connector;
use super::health;
use crate::text::Text;
use crate::units::{self, Millis};

/// What a restart covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestartMode {
    /// Connector and tasks that are FAILED.
    OnlyFailed,
    /// Connector and all tasks.
    All,
    /// The connector instance alone.
    ConnectorOnly,
    Task(u32),
}

/// What can be asked of a connector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verb {
    Pause,
    Resume,
    /// Stop; frees the tasks.
    Stop,
    Restart(RestartMode),
    Delete,
    /// Write a configuration; the base it was made from guards against a change in between.
    PutConfig {
        config: Arc<ConfigMap>,
        /// What was stored when the edit began; `None` creates.
        base: Option<Arc<ConfigMap>>,
    },
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Stop => f.write_str("stop"),
            Self::Restart(RestartMode::OnlyFailed) => f.write_str("restart failed"),
            Self::Restart(RestartMode::All) => f.write_str("restart all"),
            Self::Restart(RestartMode::ConnectorOnly) => f.write_str("restart connector"),
            Self::Restart(RestartMode::Task(task)) => write!(f, "restart task {task}"),
            Self::Delete => f.write_str("delete"),
            Self::PutConfig { base: Some(_), .. } => f.write_str("edit"),
            Self::PutConfig { base: None, .. } => f.write_str("create"),
        }
    }
}

/// Why an action failed that was given up while it waited for its turn.
pub(crate) const NOT_SENT: &str = "given up before it was sent";
/// Why an action failed that was given up before the cluster answered.
pub(crate) const UNANSWERED: &str = "given up while it was asked for; it may have been taken";

/// How far an action got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// On its way to the cluster.
    Asked,
    /// The server can't do it right now; tried again by itself.
    Waiting {
        /// Why, in the server's words.
        reason: Text,
        /// When it is tried again.
        retry_at: Millis,
    },
    /// The server said yes.
    Accepted { at: Millis },
    /// The cluster has done it.
    Confirmed {
        at: Millis,
        /// What came of it.
        verdict: Text,
    },
    /// It did not work.
    Failed { at: Millis, error: Text },
}

/// What was known of a connector when a verb was asked for, so that only what happens afterwards proves
/// anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// [`Connector::heard`] of the instance.
    instance: u64,
    /// The same of its tasks, by number.
    tasks: BTreeMap<u32, u64>,
    /// Tasks that were FAILED.
    failed: BTreeSet<u32>,
}

impl Before {
    /// As the connector is now; nothing for one that is not known.
    pub(crate) fn of(connector: Option<&Connector>) -> Self {
        let Some(c) = connector else {
            return Self::default();
        };
        Self {
            instance: c.heard,
            tasks: c.tasks.values().map(|t| (t.id, t.heard)).collect(),
            failed: c
                .tasks
                .values()
                .filter(|task| task.state == State::Failed)
                .map(|task| task.id)
                .collect(),
        }
    }
}

/// How up to date the states are that an action is settled by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    /// When the last list of connectors was asked for; 0 before the first.
    pub(crate) listed: Millis,
    /// The status topic is followed.
    pub(crate) live: bool,
}

/// One verb on one connector.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    /// Number, unique in this run.
    pub(crate) id: u64,
    /// Number shared by the actions of one plan.
    pub(crate) plan: u64,
    pub(crate) verb: Verb,
    pub(crate) connector: ConnectorName,
    /// When it was asked for.
    pub(crate) asked_at: Millis,
    pub(crate) stage: Stage,
    /// Tasks in the plan of a restart, by number; empty when not known.
    pub(crate) tasks: Vec<u32>,
    /// Whether the server reported that the connector instance is part of the plan of a restart.
    pub(crate) instance: bool,
    /// What was known when it was asked for.
    pub(crate) before: Before,
    /// How long what was started is watched before it counts as running, in milliseconds.
    pub(crate) watch: Millis,
    /// Since when all that was started runs, and how many parts that are.
    pub(crate) running: Option<(Millis, String)>,
    /// The server said yes.
    taken: bool,
}

/// A task or connector instance that an action starts.
struct Part<'a> {
    state: State,
    lost: bool,
    heard: bool,
    root: Option<&'a Text>,
}

/// How long what was started is watched: a sink joins its group within some three seconds of its start, and
/// fails at its first record only then.
pub(crate) const WATCH: Millis = 10_000;
/// After this time without any sign a failed task counts as failed again.
const VERDICT_AFTER: Millis = 10_000;
/// A FAILED read within this time of the acceptance may be that of before, still on its way.
const SETTLED_AFTER: Millis = 1_500;
/// After this time an accepted action is given up as not confirmed.
const PATIENCE: Millis = 90_000;

impl Action {
    /// A verb that is about to be asked for.
    pub(crate) fn new(
        id: u64,
        plan: u64,
        verb: Verb,
        connector: ConnectorName,
        asked_at: Millis,
        known: Option<&Connector>,
    ) -> Self {
        Self {
            id,
            plan,
            verb,
            connector,
            asked_at,
            stage: Stage::Asked,
            tasks: Vec::new(),
            instance: false,
            before: Before::of(known),
            watch: WATCH,
            running: None,
            taken: false,
        }
    }

    /// Whether the server said yes, whatever came of it.
    pub(crate) fn was_accepted(&self) -> bool {
        self.taken
    }

    /// Whether it went well, as far as it got.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.stage {
            Stage::Confirmed { .. } => Outcome::Good,
            Stage::Failed { .. } => Outcome::Bad,
            _ => Outcome::Pending,
        }
    }

    /// Whether it failed for this reason.
    pub(crate) fn failed_as(&self, why: &str) -> bool {
        matches!(&self.stage, Stage::Failed { error, .. } if error.as_str() == why)
    }

    /// Whether nothing more will come of it.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Confirmed { .. } | Stage::Failed { .. })
    }

    /// The server said yes; a restart by plan comes with the states the server then reported.
    pub(crate) fn accepted(&mut self, plan: Option<&ConnectorStateInfo>, now: Millis) {
        self.stage = Stage::Accepted { at: now };
        self.taken = true;
        let Some(plan) = plan else { return };
        let restarting = |state: State| state == State::Restarting;
        self.instance = restarting(plan.connector.state);
        self.tasks = plan
            .tasks
            .iter()
            .filter(|task| restarting(task.state))
            .map(|task| task.id)
            .collect();
        if self.tasks.is_empty()
            && !self.instance
            && self.verb == Verb::Restart(RestartMode::OnlyFailed)
        {
            self.confirm("nothing had failed, nothing was restarted", now);
        }
    }

    /// Looks at the states known at `now`, and settles the action if they show its end.
    pub(crate) fn settle(&mut self, connector: Option<&Connector>, sight: Sight, now: Millis) {
        let Stage::Accepted { at } = self.stage else {
            return;
        };
        let listed = sight.listed > at;
        if !sight.live && !listed {
            return;
        }
        let verdict = match connector {
            None if self.verb == Verb::Delete => Some(Ok(format!("gone after {}", self.took(now)))),
            None if listed && !self.creates() => Some(Err("the connector is gone".to_owned())),
            None => None,
            Some(c) => self.verdict(c, at, now),
        };
        match verdict {
            Some(Ok(verdict)) => self.confirm(&verdict, now),
            Some(Err(error)) => self.fail(&error, now),
            None if now - at > PATIENCE + self.watch => self.fail(&self.not_confirmed(), now),
            None => {}
        }
    }

    fn creates(&self) -> bool {
        matches!(self.verb, Verb::PutConfig { base: None, .. })
    }

    fn not_confirmed(&self) -> String {
        let patience = (PATIENCE + self.watch) / 1_000;
        format!("accepted, but not confirmed within {patience} s")
    }

    fn took(&self, now: Millis) -> String {
        units::duration(now - self.asked_at)
    }

    fn confirm(&mut self, verdict: &str, now: Millis) {
        self.stage = Stage::Confirmed {
            at: now,
            verdict: Text::line(verdict),
        };
    }

    fn fail(&mut self, error: &str, now: Millis) {
        self.stage = Stage::Failed {
            at: now,
            error: Text::line(error),
        };
    }

    fn verdict(
        &mut self,
        c: &Connector,
        at: Millis,
        now: Millis,
    ) -> Option<Result<String, String>> {
        let took = self.took(now);
        match &self.verb {
            Verb::Delete => None,
            Verb::Pause => paused(c, now - at).map(|what| Ok(format!("{what} after {took}"))),
            Verb::Stop => (c.state == State::Stopped && c.counts.total == 0)
                .then(|| Ok(format!("STOPPED, no tasks after {took}"))),
            Verb::Resume => self.resumed(c, at, now),
            Verb::PutConfig { config, .. } => {
                if *c.config != **config {
                    return None;
                }
                self.configured(c, at, now)
            }
            Verb::Restart(mode) => self.restarted(*mode, c, at, now),
        }
    }

    fn part<'a>(&self, c: &'a Connector, task: Option<u32>) -> Option<Part<'a>> {
        Some(match task {
            None => Part {
                state: c.state,
                lost: c.lost,
                heard: c.heard != self.before.instance,
                root: c.trace.as_ref().map(|trace| &trace.root),
            },
            Some(id) => {
                let task = c.tasks.get(&id)?;
                Part {
                    state: task.state,
                    lost: task.lost,
                    heard: task.heard != self.before.tasks.get(&id).copied().unwrap_or(0),
                    root: task.trace.as_ref().map(|trace| &trace.root),
                }
            }
        })
    }

    fn restarted(
        &mut self,
        mode: RestartMode,
        c: &Connector,
        at: Millis,
        now: Millis,
    ) -> Option<Result<String, String>> {
        let all = self.tasks.is_empty() && !self.instance;
        let ids: Vec<Option<u32>> = match mode {
            RestartMode::ConnectorOnly => vec![None],
            RestartMode::Task(id) => vec![Some(id)],
            _ if all => c.tasks.keys().copied().map(Some).chain([None]).collect(),
            _ => {
                let instance = self.instance.then_some(None);
                self.tasks
                    .iter()
                    .copied()
                    .map(Some)
                    .chain(instance)
                    .collect()
            }
        };
        let parts: Vec<Part<'_>> = ids.iter().filter_map(|id| self.part(c, *id)).collect();
        let heard = parts.iter().all(|part| part.heard);
        let all = parts.len();
        // What is paused comes up paused.
        let what = match (mode, up(&parts)) {
            (RestartMode::ConnectorOnly, _) => format!("connector {}", c.state),
            (_, states) => states,
        };
        if health::asked_for(c) == TargetState::Stopped && c.counts.total == 0 {
            let text = "it is STOPPED, so there was nothing to restart; resume starts it";
            return Some(Err(text.to_owned()));
        }
        match self.run(&parts, heard, at, now)? {
            Err((failed, root)) => {
                let took = self.took(now);
                // REST alone may not have seen it run in between.
                let again = if heard {
                    "FAILED again"
                } else {
                    "still FAILED"
                };
                Some(Err(format!("{failed} of {all} {again} after {took}{root}")))
            }
            Ok(_) if mode != RestartMode::ConnectorOnly && c.counts.total == 0 => {
                Some(Err("the connector runs, but it has no tasks".to_owned()))
            }
            Ok(since) => {
                let watched = units::span(now - since);
                Some(Ok(if heard {
                    let took = self.took(since);
                    format!("{what} after {took}, and still after {watched}")
                } else {
                    format!("{what} {watched} later; the restart itself was not seen")
                }))
            }
        }
    }

    fn resumed(
        &mut self,
        c: &Connector,
        at: Millis,
        now: Millis,
    ) -> Option<Result<String, String>> {
        let old: BTreeSet<u32> = self.before.failed.clone();
        if c.counts.paused > 0 || matches!(c.state, State::Paused | State::Stopped) {
            self.running = None;
            return None;
        }
        let ids = c.tasks.keys().copied().filter(|id| !old.contains(id));
        let parts: Vec<Part<'_>> = ids
            .map(Some)
            .chain([None])
            .filter_map(|id| self.part(c, id))
            .collect();
        if c.counts.total == 0 {
            self.running = None;
            let late = now - at > VERDICT_AFTER;
            return late.then(|| Err("resumed, but it has no tasks".to_owned()));
        }
        let heard = parts.iter().any(|part| part.heard);
        let (running, total) = (c.counts.running, c.counts.total);
        match self.run(&parts, heard, at, now)? {
            Err((failed, root)) => {
                let took = self.took(now);
                Some(Err(format!(
                    "resumed, but {failed} FAILED after {took}{root}"
                )))
            }
            Ok(since) => {
                let watched = units::span(now - since);
                let took = self.took(since);
                let rest = match c.counts.failed {
                    n if n > 0 && running == 0 => {
                        let text = format!(
                            "resumed, but nothing runs: {n} FAILED as before; restart starts what failed"
                        );
                        return Some(Err(text));
                    }
                    0 => String::new(),
                    n => format!("; {n} FAILED as before"),
                };
                Some(Ok(format!(
                    "{running}/{total} tasks RUNNING after {took}, and still after {watched}{rest}"
                )))
            }
        }
    }

    /// The configuration is stored: what became of the connector with it.
    fn configured(
        &mut self,
        c: &Connector,
        at: Millis,
        now: Millis,
    ) -> Option<Result<String, String>> {
        let stored = "configuration stored";
        match health::asked_for(c) {
            TargetState::Started => {}
            target => return Some(Ok(format!("{stored}; the connector stays {target}"))),
        }
        let ids = c.tasks.keys().copied().map(Some).chain([None]);
        let parts: Vec<Part<'_>> = ids.filter_map(|id| self.part(c, id)).collect();
        let heard = parts.iter().any(|part| part.heard);
        if c.counts.total == 0 && c.state != State::Failed {
            self.running = None;
            let late = now - at > VERDICT_AFTER;
            return late.then(|| Err(format!("{stored}, but the connector has no tasks")));
        }
        match self.run(&parts, heard, at, now)? {
            Err((failed, root)) => {
                let took = self.took(now);
                let again = if heard { "FAILED" } else { "still FAILED" };
                Some(Err(format!(
                    "{stored}, but {failed} {again} after {took}{root}"
                )))
            }
            Ok(since) => {
                let watched = units::span(now - since);
                let running = units::plural(c.counts.running, "task");
                Some(Ok(format!(
                    "{stored}; {running} RUNNING, and still after {watched}"
                )))
            }
        }
    }

    /// What became of parts that were started: nothing to say yet, since when they run, or how many failed
    /// and why.
    fn run(
        &mut self,
        parts: &[Part<'_>],
        heard: bool,
        at: Millis,
        now: Millis,
    ) -> Option<Result<Millis, (usize, String)>> {
        let under_way = |part: &Part<'_>| {
            part.lost
                || matches!(
                    part.state,
                    State::Restarting | State::Unassigned | State::Destroyed | State::Stopped
                )
        };
        if parts.is_empty() || parts.iter().any(under_way) {
            self.running = None;
            return None;
        }
        let failed = |part: &&Part<'_>| part.state == State::Failed;
        let count = parts.iter().filter(failed).count();
        if count > 0 {
            self.running = None;
            let late = now - at > VERDICT_AFTER;
            let settled = heard && now - at >= SETTLED_AFTER;
            let root = parts.iter().filter(failed).find_map(|part| part.root);
            let root = root.map_or_else(String::new, |root| format!(": {root}"));
            return (late || settled).then_some(Err((count, root)));
        }
        let start = if heard { now } else { at };
        let (since, states) = self.running.get_or_insert((start, String::new()));
        *states = up(parts);
        (now - *since >= self.watch).then_some(Ok(*since))
    }

    /// One line for the footer.
    pub(crate) fn line(&self, now: Millis) -> (Outcome, String) {
        let name = Text::name(&self.connector);
        let verb = &self.verb;
        match &self.stage {
            Stage::Asked => (Outcome::Pending, format!("{verb} {name}: asked")),
            Stage::Waiting { reason, retry_at } => (
                Outcome::Pending,
                format!(
                    "{verb} {name}: waits for {reason}, again in {}s",
                    ((retry_at - now).max(0) + 999) / 1_000
                ),
            ),
            Stage::Accepted { at } => {
                let doing = match &self.running {
                    Some((since, states)) if since > at => format!(
                        "{states} after {}, watching {} more",
                        self.took(*since),
                        units::span((since + self.watch - now + 999).max(0))
                    ),
                    _ => format!("accepted, not confirmed for {}", units::span(now - at)),
                };
                (Outcome::Pending, format!("{verb} {name}: {doing}"))
            }
            Stage::Confirmed { verdict, .. } => {
                (Outcome::Good, format!("{verb} {name}: {verdict}"))
            }
            Stage::Failed { error, .. } => (Outcome::Bad, format!("{verb} {name}: {error}")),
        }
    }
}

/// How far a pause got; `None` while tasks still run. A failed task can't be paused, and is no reason to
/// wait.
fn paused(c: &Connector, waited: Millis) -> Option<String> {
    let stands = |state: State| matches!(state, State::Paused | State::Failed);
    if !c.tasks.values().all(|task| stands(task.state)) {
        return None;
    }
    let failed = match c.counts.failed {
        0 => String::new(),
        n => format!(", {n} FAILED as before"),
    };
    match c.state {
        State::Paused => Some(format!(
            "{}/{} tasks PAUSED{failed}",
            c.counts.paused, c.counts.total
        )),
        State::Failed if c.target == Some(TargetState::Paused) || waited > VERDICT_AFTER => {
            Some("asked to pause; the connector itself is FAILED".to_owned())
        }
        _ => None,
    }
}

/// How a line of the footer is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Good,
    Bad,
    Pending,
}

/// `2 RUNNING`, `1 RUNNING, 1 PAUSED`: parts that came up, by what they do now.
fn up(parts: &[Part<'_>]) -> String {
    let paused = parts
        .iter()
        .filter(|part| part.state == State::Paused)
        .count();
    match (parts.len() - paused, paused) {
        (running, 0) => format!("{running} RUNNING"),
        (0, paused) => format!("{paused} PAUSED"),
        (running, paused) => format!("{running} RUNNING, {paused} PAUSED"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::fixtures::connector;

    const LIVE: Sight = Sight {
        listed: 0,
        live: true,
    };

    fn listed(at: Millis) -> Sight {
        Sight {
            listed: at,
            live: false,
        }
    }

    /// A verb accepted 100 ms after it was asked for, on a connector as it was then.
    fn accepted(verb: Verb, known: &Connector) -> Action {
        let mut action = Action::new(1, 1, verb, "c".into(), 1_000, Some(known));
        action.stage = Stage::Accepted { at: 1_100 };
        action
    }

    /// The same connector with other states; every task and the instance were heard of again.
    fn heard(c: &Connector, state: State, tasks: &[State]) -> Connector {
        let mut next = connector("c", state, tasks);
        next.heard = c.heard + 1;
        for task in next.tasks.values_mut() {
            task.heard = c.tasks.get(&task.id).map_or(0, |old| old.heard) + 1;
        }
        next
    }

    #[test]
    fn a_pause_is_confirmed_only_when_every_task_is_paused() {
        use State::{Paused, Running};
        let before = connector("c", Running, &[Running, Running]);
        let mut action = accepted(Verb::Pause, &before);
        let half = connector("c", Paused, &[Paused, Running]);
        action.settle(Some(&half), listed(2_000), 2_000);
        assert!(!action.is_over());
        let all = connector("c", Paused, &[Paused, Paused]);
        action.settle(Some(&all), listed(3_000), 3_100);
        assert_eq!(action.line(3_100).1, "pause c: 2/2 tasks PAUSED after 2.1s");
    }

    #[test]
    fn a_failed_task_does_not_hold_up_a_pause() {
        use State::{Failed, Paused, Running};
        let before = connector("c", Running, &[Running, Failed]);
        let mut action = accepted(Verb::Pause, &before);
        let paused = connector("c", Paused, &[Paused, Failed]);
        action.settle(Some(&paused), listed(2_000), 2_100);
        assert_eq!(
            action.line(2_100),
            (
                Outcome::Good,
                "pause c: 1/2 tasks PAUSED, 1 FAILED as before after 1.1s".into()
            )
        );
    }

    #[test]
    fn states_from_before_the_acceptance_prove_nothing() {
        let paused = connector("c", State::Paused, &[State::Paused]);
        let mut action = accepted(Verb::Pause, &paused);
        action.settle(Some(&paused), listed(1_100), 5_000);
        assert!(!action.is_over());
    }

    /// A sink that fails at its first record: RUNNING for a moment.
    #[test]
    fn a_restart_is_watched_and_a_task_that_fails_again_says_why() {
        use State::{Failed, Restarting, Running};
        let before = connector("c", Running, &[Running, Failed]);
        let mut action = accepted(Verb::Restart(RestartMode::OnlyFailed), &before);
        action.tasks = vec![1];
        action.settle(Some(&before), LIVE, 1_200);
        assert!(!action.is_over(), "that is the state of before");
        let restarting = heard(&before, Running, &[Running, Restarting]);
        action.settle(Some(&restarting), LIVE, 1_300);
        let running = heard(&restarting, Running, &[Running, Running]);
        action.settle(Some(&running), LIVE, 1_600);
        assert_eq!(
            action.line(1_600),
            (
                Outcome::Pending,
                "restart failed c: 1 RUNNING after 0.6s, watching 10s more".into()
            )
        );
        let failed = heard(&running, Running, &[Running, Failed]);
        action.settle(Some(&failed), LIVE, 1_700);
        action.settle(Some(&failed), LIVE, 3_000);
        let (outcome, line) = action.line(3_000);
        assert_eq!(outcome, Outcome::Bad);
        assert!(
            line.starts_with("restart failed c: 1 of 1 FAILED again after 2.0s: AmazonS3Exception"),
            "{line}"
        );
    }

    #[test]
    fn a_restart_that_works_is_confirmed_after_the_watch() {
        use State::{Failed, Running};
        let before = connector("c", Running, &[Running, Failed]);
        let mut action = accepted(Verb::Restart(RestartMode::OnlyFailed), &before);
        action.tasks = vec![1];
        let running = heard(&before, Running, &[Running, Running]);
        action.settle(Some(&running), listed(1_500), 1_600);
        action.settle(Some(&running), listed(11_000), 11_500);
        assert!(!action.is_over());
        action.settle(Some(&running), listed(11_600), 11_700);
        assert_eq!(
            action.line(11_700),
            (
                Outcome::Good,
                "restart failed c: 1 RUNNING after 0.6s, and still after 10s".into()
            )
        );
    }

    /// A paused connector used to be "2 RUNNING" after its restart, a stopped one was waited for in vain.
    #[test]
    fn a_restart_says_what_became_of_paused_and_stopped_ones() {
        use State::{Paused, Stopped};
        let before = connector("c", Paused, &[Paused]);
        let mut action = accepted(Verb::Restart(RestartMode::All), &before);
        let paused = heard(&before, Paused, &[Paused]);
        action.settle(Some(&paused), LIVE, 2_000);
        assert!(action.line(2_000).1.contains("2 PAUSED"), "{action:?}");
        action.settle(Some(&paused), LIVE, 30_000);
        let (outcome, line) = action.line(30_000);
        assert_eq!(outcome, Outcome::Good, "{line}");
        assert!(
            line.contains("2 PAUSED") && !line.contains("RUNNING"),
            "{line}"
        );
        let before = connector("c", Stopped, &[]);
        let mut action = accepted(Verb::Restart(RestartMode::All), &before);
        action.settle(Some(&before), LIVE, 2_000);
        let (outcome, line) = action.line(2_000);
        assert_eq!(outcome, Outcome::Bad, "{line}");
        assert!(line.contains("STOPPED"), "{line}");
    }

    /// A resume of what had failed altogether used to be green, with "0/2 tasks RUNNING".
    #[test]
    fn a_resume_after_which_nothing_runs_is_not_good() {
        use State::{Failed, Paused, Running};
        for (states, good) in [(vec![Failed, Failed], false), (vec![Failed, Paused], true)] {
            let before = connector("c", Paused, &states);
            let mut action = accepted(Verb::Resume, &before);
            let after: Vec<State> = states
                .iter()
                .map(|state| if *state == Paused { Running } else { *state })
                .collect();
            let after = heard(&before, Running, &after);
            action.settle(Some(&after), LIVE, 2_000);
            action.settle(Some(&after), LIVE, 30_000);
            let (outcome, line) = action.line(30_000);
            assert_eq!(outcome == Outcome::Good, good, "{line}");
            assert!(line.contains("FAILED as before"), "{line}");
        }
    }

    /// A task blocked in a write runs as before until it is torn away.
    #[test]
    fn what_runs_is_not_restarted_by_having_run_before() {
        use State::{Restarting, Running};
        let before = connector("c", Running, &[Running]);
        let mut action = accepted(Verb::Restart(RestartMode::All), &before);
        action.settle(Some(&before), LIVE, 1_200);
        action.settle(Some(&before), LIVE, 5_000);
        assert!(!action.is_over());
        let restarting = heard(&before, Running, &[Restarting]);
        action.settle(Some(&restarting), LIVE, 6_000);
        assert_eq!(action.running, None);
        // REST alone may never see it: then it says so, and still waits as long.
        let mut unseen = accepted(Verb::Restart(RestartMode::All), &before);
        unseen.settle(Some(&before), listed(10_000), 10_500);
        assert!(!unseen.is_over());
        unseen.settle(Some(&before), listed(11_000), 11_200);
        assert!(unseen.line(11_200).1.ends_with("not seen"), "{unseen:?}");
    }

    #[test]
    fn a_task_on_a_worker_that_is_gone_does_not_run() {
        use State::{Failed, Running};
        let before = connector("c", Running, &[Failed]);
        let mut action = accepted(Verb::Restart(RestartMode::OnlyFailed), &before);
        let mut running = heard(&before, Running, &[Running]);
        if let Some(task) = running.tasks.get_mut(&0) {
            task.lost = true;
        }
        action.settle(Some(&running), LIVE, 2_000);
        action.settle(Some(&running), LIVE, 30_000);
        assert!(!action.is_over());
    }

    #[test]
    fn a_plan_of_nothing_restarted_nothing() {
        use State::Running;
        let c = connector("c", Running, &[Running]);
        let mut action = Action::new(
            1,
            1,
            Verb::Restart(RestartMode::OnlyFailed),
            "c".into(),
            1_000,
            Some(&c),
        );
        let plan = ConnectorStateInfo {
            name: "c".into(),
            connector: sluice_protocol::rest::ConnectorState {
                state: Running,
                worker_id: "w:1".into(),
                version: None,
                trace: None,
            },
            tasks: Vec::new(),
            connector_type: sluice_protocol::ConnectorType::Sink,
        };
        action.accepted(Some(&plan), 1_100);
        assert!(action.line(1_100).1.ends_with("nothing was restarted"));
    }

    #[test]
    fn resume_and_edit_are_watched_as_a_restart_is() {
        use State::{Failed, Paused, Running};
        let before = connector("c", Paused, &[Paused]);
        let config = Arc::new(ConfigMap::from([("a", "1")]));
        let edit = Verb::PutConfig {
            config: Arc::clone(&config),
            base: Some(Arc::default()),
        };
        for verb in [Verb::Resume, edit] {
            let mut action = accepted(verb.clone(), &before);
            let mut running = heard(&before, Running, &[Running]);
            running.config = Arc::clone(&config);
            action.settle(Some(&running), LIVE, 1_500);
            assert!(!action.is_over(), "{verb}");
            let mut failed = heard(&running, Running, &[Failed]);
            failed.config = Arc::clone(&config);
            action.settle(Some(&failed), LIVE, 4_000);
            let (outcome, line) = action.line(4_000);
            assert_eq!(outcome, Outcome::Bad, "{line}");
            assert!(line.contains("AmazonS3Exception"), "{line}");
        }
    }

    #[test]
    fn a_new_connector_that_is_not_listed_yet_is_not_gone() {
        let create = Verb::PutConfig {
            config: Arc::default(),
            base: None,
        };
        let mut action = Action::new(1, 1, create, "c".into(), 1_000, None);
        action.accepted(None, 1_100);
        action.settle(None, LIVE, 1_200);
        action.settle(None, listed(2_000), 2_100);
        assert!(!action.is_over());
        let empty = connector("c", State::Running, &[]);
        action.settle(Some(&empty), LIVE, 3_000);
        assert!(!action.is_over());
        action.settle(Some(&empty), LIVE, 12_000);
        assert!(
            action.line(12_000).1.ends_with("has no tasks"),
            "{action:?}"
        );
    }

    #[test]
    fn deleting_ends_when_the_connector_is_gone_and_patience_has_an_end() {
        let c = connector("c", State::Running, &[]);
        let mut action = accepted(Verb::Delete, &c);
        action.settle(Some(&c), listed(2_000), 2_000);
        assert!(!action.is_over());
        action.settle(None, listed(3_000), 3_000);
        assert!(matches!(action.stage, Stage::Confirmed { .. }));
        let running = connector("c", State::Running, &[State::Running]);
        let mut stop = accepted(Verb::Stop, &running);
        stop.settle(Some(&running), listed(109_000), 109_000);
        assert!(matches!(stop.stage, Stage::Failed { .. }));
    }
}
