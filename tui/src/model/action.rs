//! What was asked of the cluster and how far it got: asked for, waiting, accepted, confirmed.
//!
//! The server accepting a request is not the cluster having done it, so the two are kept apart: an action is
//! confirmed only by states that were taken after the acceptance.

use std::fmt;
use std::sync::Arc;

use sluice_protocol::{ConfigMap, ConnectorName, State};

use super::cluster::Connector;
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
    /// One task.
    Task(u32),
}

/// A verb.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verb {
    /// Pause.
    Pause,
    /// Resume.
    Resume,
    /// Stop; frees the tasks.
    Stop,
    /// Restart.
    Restart(RestartMode),
    /// Delete the connector.
    Delete,
    /// Write a configuration; the base it was made from guards against a change in between.
    PutConfig {
        /// What to write.
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

/// How far an action got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// On its way.
    Asked,
    /// The server can't do it right now; tried again by itself.
    Waiting {
        /// Why, in the server's words.
        reason: Text,
        /// When it is tried again.
        retry_at: Millis,
    },
    /// The server said yes.
    Accepted {
        /// When.
        at: Millis,
    },
    /// The cluster has done it.
    Confirmed {
        /// When.
        at: Millis,
        /// What came of it.
        verdict: Text,
    },
    /// It did not work.
    Failed {
        /// When.
        at: Millis,
        /// Why.
        error: Text,
    },
}

/// One verb on one connector.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    /// Number, unique in this run.
    pub(crate) id: u64,
    /// Number shared by the actions of one plan.
    pub(crate) plan: u64,
    /// The verb.
    pub(crate) verb: Verb,
    /// The connector.
    pub(crate) connector: ConnectorName,
    /// When it was asked for.
    pub(crate) asked_at: Millis,
    /// Progress.
    pub(crate) stage: Stage,
    /// Tasks in the plan of a restart, by number; empty when not known.
    pub(crate) tasks: Vec<u32>,
    /// Some part of the plan was seen in another state than before.
    pub(crate) moved: bool,
}

/// After this time without any sign a failed task counts as failed again.
const VERDICT_AFTER: Millis = 10_000;
/// After this time an accepted action is given up as not confirmed.
const PATIENCE: Millis = 90_000;

impl Action {
    /// Whether nothing more will come of it.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Confirmed { .. } | Stage::Failed { .. })
    }

    /// Looks at states known at `now`, taken at `seen`, and settles the action if they tell its end.
    pub(crate) fn settle(&mut self, connector: Option<&Connector>, seen: Millis, now: Millis) {
        let Stage::Accepted { at } = self.stage else {
            return;
        };
        if seen <= at {
            return;
        }
        let verdict = match (&self.verb, connector) {
            (Verb::Delete, None) => Some(Ok("gone".to_owned())),
            (_, None) => Some(Err("the connector is gone".to_owned())),
            (Verb::Delete, Some(_)) => None,
            (Verb::Pause, Some(c)) => all(c, State::Paused).then(|| {
                Ok(format!(
                    "{}/{} tasks PAUSED",
                    c.counts.paused, c.counts.total
                ))
            }),
            (Verb::Resume, Some(c)) => (c.state == State::Running
                && c.counts.total > 0
                && c.counts.paused == 0
                && c.counts.unassigned == 0
                && c.counts.restarting == 0)
                .then(|| {
                    Ok(format!(
                        "{}/{} tasks RUNNING",
                        c.counts.running, c.counts.total
                    ))
                }),
            (Verb::Stop, Some(c)) => (c.state == State::Stopped && c.counts.total == 0)
                .then(|| Ok("STOPPED, no tasks".to_owned())),
            (Verb::PutConfig { config, .. }, Some(c)) => {
                (*c.config == **config).then(|| Ok("configuration stored".to_owned()))
            }
            (Verb::Restart(_), Some(c)) => self.restarted(c, at, now),
        };
        match verdict {
            Some(Ok(verdict)) => {
                let took = units::duration(now - self.asked_at);
                self.stage = Stage::Confirmed {
                    at: now,
                    verdict: Text::line(&format!("{verdict} after {took}")),
                };
            }
            Some(Err(error)) => self.fail(&error, now),
            None if now - at > PATIENCE => {
                self.fail("accepted, but not confirmed within 90 s", now);
            }
            None => {}
        }
    }

    fn fail(&mut self, error: &str, now: Millis) {
        self.stage = Stage::Failed {
            at: now,
            error: Text::line(error),
        };
    }

    fn restarted(
        &mut self,
        c: &Connector,
        at: Millis,
        now: Millis,
    ) -> Option<Result<String, String>> {
        let states: Vec<State> = match &self.verb {
            Verb::Restart(RestartMode::ConnectorOnly) => vec![c.state],
            _ if self.tasks.is_empty() => c
                .tasks
                .values()
                .map(|task| task.state)
                .chain([c.state])
                .collect(),
            _ => self
                .tasks
                .iter()
                .filter_map(|id| c.tasks.get(id))
                .map(|task| task.state)
                .collect(),
        };
        let failed = states
            .iter()
            .filter(|state| **state == State::Failed)
            .count();
        let running = states
            .iter()
            .filter(|state| **state == State::Running)
            .count();
        let under_way = states
            .iter()
            .any(|state| matches!(state, State::Restarting | State::Unassigned));
        let changed_since = c
            .tasks
            .values()
            .filter(|task| self.tasks.is_empty() || self.tasks.contains(&task.id))
            .filter_map(|task| task.changed)
            .chain(c.changed)
            .any(|changed| changed >= self.asked_at);
        self.moved |= under_way || changed_since || (failed == 0 && running > 0);
        if under_way || !(self.moved || now - at > VERDICT_AFTER) {
            return None;
        }
        if failed > 0 {
            // A state read right after the restart may still be that from before it.
            if now - at < 1_500 {
                return None;
            }
            return Some(Err(format!("{failed} of {} FAILED again", states.len())));
        }
        Some(Ok(match self.verb {
            Verb::Restart(RestartMode::ConnectorOnly) => "connector RUNNING".to_owned(),
            _ => format!("{running} RUNNING"),
        }))
    }

    /// One line for the footer.
    pub(crate) fn line(&self, now: Millis) -> (Outcome, String) {
        let name = Text::line(&self.connector);
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
            Stage::Accepted { at } => (
                Outcome::Pending,
                format!(
                    "{verb} {name}: accepted, not confirmed for {}",
                    units::span(now - at)
                ),
            ),
            Stage::Confirmed { verdict, .. } => {
                (Outcome::Good, format!("{verb} {name}: {verdict}"))
            }
            Stage::Failed { error, .. } => (Outcome::Bad, format!("{verb} {name}: {error}")),
        }
    }
}

/// How a line of the footer is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done.
    Good,
    /// Went wrong.
    Bad,
    /// Under way.
    Pending,
}

fn all(connector: &Connector, state: State) -> bool {
    connector.state == state && connector.tasks.values().all(|task| task.state == state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::connector;

    fn accepted(verb: Verb) -> Action {
        Action {
            id: 1,
            plan: 1,
            verb,
            connector: "c".into(),
            asked_at: 1_000,
            stage: Stage::Accepted { at: 1_100 },
            tasks: Vec::new(),
            moved: false,
        }
    }

    #[test]
    fn a_pause_is_confirmed_only_when_every_task_is_paused() {
        use State::{Paused, Running};
        let mut action = accepted(Verb::Pause);
        action.settle(
            Some(&connector("c", Paused, &[Paused, Running])),
            2_000,
            2_000,
        );
        assert!(!action.is_over());
        action.settle(
            Some(&connector("c", Paused, &[Paused, Paused])),
            3_000,
            3_100,
        );
        assert_eq!(action.line(3_100).1, "pause c: 2/2 tasks PAUSED after 2.1s");
    }

    #[test]
    fn states_from_before_the_acceptance_prove_nothing() {
        let mut action = accepted(Verb::Pause);
        let paused = connector("c", State::Paused, &[State::Paused]);
        action.settle(Some(&paused), 1_100, 5_000);
        assert!(!action.is_over());
    }

    #[test]
    fn a_restart_that_fails_again_says_so() {
        use State::{Failed, Restarting, Running};
        let mut action = accepted(Verb::Restart(RestartMode::OnlyFailed));
        action.tasks = vec![1];
        action.settle(
            Some(&connector("c", Running, &[Running, Failed])),
            1_200,
            1_200,
        );
        assert!(!action.is_over(), "may still be the old state");
        action.settle(
            Some(&connector("c", Running, &[Running, Restarting])),
            2_000,
            2_000,
        );
        assert!(!action.is_over());
        action.settle(
            Some(&connector("c", Running, &[Running, Failed])),
            4_000,
            4_000,
        );
        assert_eq!(
            action.line(4_000),
            (Outcome::Bad, "restart failed c: 1 of 1 FAILED again".into())
        );
    }

    #[test]
    fn a_restart_that_works_counts_what_runs() {
        use State::Running;
        let mut action = accepted(Verb::Restart(RestartMode::OnlyFailed));
        action.tasks = vec![1];
        action.settle(
            Some(&connector("c", Running, &[Running, Running])),
            3_000,
            3_100,
        );
        assert_eq!(
            action.line(3_100).1,
            "restart failed c: 1 RUNNING after 2.1s"
        );
    }

    #[test]
    fn deleting_ends_when_the_connector_is_gone_and_patience_has_an_end() {
        let mut action = accepted(Verb::Delete);
        action.settle(Some(&connector("c", State::Running, &[])), 2_000, 2_000);
        assert!(!action.is_over());
        action.settle(None, 3_000, 3_000);
        assert!(matches!(action.stage, Stage::Confirmed { .. }));
        let mut stop = accepted(Verb::Stop);
        stop.settle(
            Some(&connector("c", State::Running, &[State::Running])),
            99_000,
            99_000,
        );
        assert!(matches!(stop.stage, Stage::Failed { .. }));
    }
}
