//! The one computed HEALTH of a connector, from the states of the connector and all of its tasks.
//!
//! `RUNNING` of the connector instance says nothing about its tasks, so nothing here trusts it alone: zero
//! tasks are as bad as failed ones, and a connector asked to pause is `PAUSED` only once every task is.

use sluice_protocol::{State, TargetState};

use super::cluster::{Connector, Task};
use crate::units::{self, Millis};

/// How long a sink may have lag without moving its offsets before it counts as stalled.
pub(crate) const STALL_AFTER: Millis = 60_000;
/// How long a connector first seen without tasks is given to get them.
pub(crate) const START_GRACE: Millis = 10_000;

/// Health, ordered from worst to best: the order of the home screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// The connector failed, or all of its tasks did, or it has none.
    Unhealthy,
    /// Said to run by a worker that is gone: no worker does the work until it is given to another one.
    Lost,
    Degraded,
    /// Says RUNNING, but offsets stand still although there is input.
    Stalled,
    /// Tasks or the connector belong to no worker.
    Rebalance,
    /// Something is being started again.
    Restarting,
    /// Asked to pause or stop, and not all of it has.
    Changing,
    /// New, and has no tasks yet.
    Starting,
    /// All of it is paused.
    Paused,
    /// Stopped: no tasks on purpose.
    Stopped,
    /// All of it is running.
    Healthy,
}

impl Health {
    /// Whether this needs a human; decides the exit code of `sluice get`.
    pub(crate) const fn is_bad(self) -> bool {
        matches!(
            self,
            Self::Unhealthy | Self::Lost | Self::Degraded | Self::Stalled
        )
    }

    /// Whether the faults toggle shows it: bad, or on the way from or to it.
    pub(crate) const fn is_fault(self) -> bool {
        (self as u8) <= (Self::Restarting as u8)
    }

    /// The word for filters and machine output.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unhealthy => "UNHEALTHY",
            Self::Lost => "LOST",
            Self::Degraded => "DEGRADED",
            Self::Stalled => "STALLED",
            Self::Rebalance => "REBALANCE",
            Self::Restarting => "RESTARTING",
            Self::Changing => "CHANGING",
            Self::Starting => "STARTING",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
            Self::Healthy => "HEALTHY",
        }
    }
}

/// How many tasks are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskCounts {
    pub(crate) total: usize,
    pub(crate) running: usize,
    pub(crate) failed: usize,
    pub(crate) unassigned: usize,
    pub(crate) paused: usize,
    pub(crate) restarting: usize,
    /// RUNNING or RESTARTING on a worker that is gone; counted in no other state.
    pub(crate) lost: usize,
}

impl TaskCounts {
    /// Counts the states of some tasks.
    pub(crate) fn of<'a>(tasks: impl Iterator<Item = &'a Task>) -> Self {
        let mut counts = Self::default();
        for task in tasks {
            counts.total += 1;
            match task.state {
                _ if task.lost => counts.lost += 1,
                State::Running => counts.running += 1,
                State::Failed => counts.failed += 1,
                State::Unassigned => counts.unassigned += 1,
                State::Paused => counts.paused += 1,
                State::Restarting => counts.restarting += 1,
                State::Stopped | State::Destroyed => {}
            }
        }
        counts
    }

    /// The TASKS column: `3/4 F1`, `1/4 L3`, `1/4 U3`, `2/4 P2`, `4/4`.
    pub(crate) fn label(self) -> String {
        let mut label = format!("{}/{}", self.running, self.total);
        let (letter, n) = if self.failed > 0 {
            ('F', self.failed)
        } else if self.lost > 0 {
            ('L', self.lost)
        } else if self.unassigned > 0 {
            ('U', self.unassigned)
        } else if self.restarting > 0 {
            ('R', self.restarting)
        } else if self.paused > 0 {
            ('P', self.paused)
        } else {
            return label;
        };
        label.push_str(&format!(" {letter}{n}"));
        label
    }
}

/// Computes the health of `connector` as of `now`.
pub(crate) fn of(connector: &Connector, now: Millis) -> Health {
    let counts = connector.counts;
    if connector.state == State::Failed {
        return Health::Unhealthy;
    }
    if counts.failed > 0 && counts.failed < counts.total && counts.lost > 0 {
        return Health::Lost;
    }
    if counts.failed > 0 {
        return if counts.failed == counts.total {
            Health::Unhealthy
        } else {
            Health::Degraded
        };
    }
    if connector.lost || counts.lost > 0 {
        return Health::Lost;
    }
    if connector.state == State::Restarting || counts.restarting > 0 {
        return Health::Restarting;
    }
    match asked_for(connector) {
        TargetState::Stopped => {
            if connector.state == State::Stopped && counts.total == 0 {
                Health::Stopped
            } else {
                Health::Changing
            }
        }
        TargetState::Paused => {
            if connector.state == State::Paused && counts.paused == counts.total {
                Health::Paused
            } else {
                Health::Changing
            }
        }
        TargetState::Started => started(connector, now),
    }
}

fn started(connector: &Connector, now: Millis) -> Health {
    let counts = connector.counts;
    if connector.state == State::Unassigned || counts.unassigned > 0 {
        return Health::Rebalance;
    }
    // A resume that was accepted but has not reached every task.
    if counts.paused > 0 || matches!(connector.state, State::Paused | State::Stopped) {
        return Health::Changing;
    }
    if counts.total == 0 {
        let young = connector.appeared.is_some_and(|at| now - at < START_GRACE);
        return if young {
            Health::Starting
        } else {
            Health::Unhealthy
        };
    }
    if connector.is_stalled(now) {
        return Health::Stalled;
    }
    Health::Healthy
}

/// The state asked for: the target state when the config topic is read, else what the connector instance
/// says.
pub(crate) fn asked_for(connector: &Connector) -> TargetState {
    connector.target.unwrap_or(match connector.state {
        State::Paused => TargetState::Paused,
        State::Stopped => TargetState::Stopped,
        _ => TargetState::Started,
    })
}

/// The HEALTH column: the word, with `n/m` while a pause, stop or resume has reached n of m tasks.
pub(crate) fn label(connector: &Connector) -> String {
    let counts = connector.counts;
    match connector.health {
        Health::Changing => match asked_for(connector) {
            TargetState::Paused => format!("PAUSED {}/{}", counts.paused, counts.total),
            TargetState::Stopped => format!("STOP -{}", counts.total),
            TargetState::Started => format!("RESUME {}/{}", counts.running, counts.total),
        },
        health => health.as_str().to_owned(),
    }
}

/// Why the connector has this health, in one sentence for the facts pane.
pub(crate) fn reason(connector: &Connector) -> String {
    let counts = connector.counts;
    match connector.health {
        Health::Unhealthy if connector.state == State::Failed => {
            "the connector itself failed".to_owned()
        }
        Health::Unhealthy if counts.total == 0 => "no tasks at all".to_owned(),
        Health::Unhealthy => match counts.total {
            1 => "its task failed".to_owned(),
            n => format!("all {n} tasks failed"),
        },
        Health::Lost => lost(connector),
        Health::Degraded => format!("{} of {} tasks failed", counts.failed, counts.total),
        Health::Stalled => format!("lag, but no offset moved for {}s", STALL_AFTER / 1_000),
        Health::Rebalance => {
            format!(
                "{} without a worker",
                units::plural(counts.unassigned, "task")
            )
        }
        Health::Restarting => "being started again".to_owned(),
        Health::Changing => "asked for, not reached by all tasks".to_owned(),
        Health::Starting => "new, no tasks yet".to_owned(),
        Health::Paused => "paused on purpose".to_owned(),
        Health::Stopped => "stopped on purpose, has no tasks".to_owned(),
        Health::Healthy => "all tasks run".to_owned(),
    }
}

/// What is lost, and with which workers.
fn lost(connector: &Connector) -> String {
    let tasks = connector.tasks.values().filter(|task| task.lost);
    let mut workers: Vec<&str> = tasks.map(|task| task.worker.as_str()).collect();
    if connector.lost {
        workers.push(connector.worker.as_str());
    }
    workers.sort_unstable();
    workers.dedup();
    let what = match connector.counts.lost {
        0 => "the connector instance is".to_owned(),
        1 if connector.counts.total == 1 => "its task is".to_owned(),
        n => format!("{n} of {} tasks are", connector.counts.total),
    };
    format!("{what} on {}, which is gone", workers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::connector;

    fn health(state: State, tasks: &[State]) -> Health {
        let connector = connector("c", state, tasks);
        of(&connector, 100_000)
    }

    #[test]
    fn a_running_connector_with_a_failed_task_is_degraded() {
        use State::{Failed, Running};
        assert_eq!(health(Running, &[Running, Failed]), Health::Degraded);
        assert_eq!(health(Running, &[Failed, Failed]), Health::Unhealthy);
        assert_eq!(health(Failed, &[Running]), Health::Unhealthy);
        assert_eq!(health(Running, &[Running]), Health::Healthy);
    }

    #[test]
    fn running_without_tasks_is_unhealthy_unless_it_just_appeared() {
        let mut connector = connector("c", State::Running, &[]);
        assert_eq!(of(&connector, 100_000), Health::Unhealthy);
        connector.appeared = Some(95_000);
        assert_eq!(of(&connector, 100_000), Health::Starting);
        assert_eq!(of(&connector, 106_000), Health::Unhealthy);
    }

    #[test]
    fn paused_counts_only_when_every_task_is() {
        use State::{Paused, Running, Stopped};
        assert_eq!(health(Paused, &[Paused, Paused]), Health::Paused);
        assert_eq!(health(Paused, &[Paused, Running]), Health::Changing);
        assert_eq!(health(Stopped, &[]), Health::Stopped);
        assert_eq!(health(Stopped, &[Running]), Health::Changing);
        let mut half = connector("c", Paused, &[Paused, Running, Running, Paused]);
        half.health = of(&half, 0);
        assert_eq!(label(&half), "PAUSED 2/4");
    }

    #[test]
    fn the_target_state_beats_the_reported_state() {
        let mut connector = connector("c", State::Running, &[State::Running]);
        connector.target = Some(TargetState::Paused);
        assert_eq!(of(&connector, 0), Health::Changing);
        connector.target = Some(TargetState::Started);
        connector.state = State::Paused;
        assert_eq!(of(&connector, 0), Health::Changing);
    }

    #[test]
    fn tasks_without_a_worker_are_a_rebalance_and_a_failure_beside_them_is_worse() {
        use State::{Failed, Restarting, Running, Unassigned};
        assert_eq!(health(Running, &[Running, Unassigned]), Health::Rebalance);
        assert_eq!(health(Unassigned, &[]), Health::Rebalance);
        assert_eq!(health(Running, &[Failed, Unassigned]), Health::Degraded);
        assert_eq!(
            health(Running, &[Restarting, Unassigned]),
            Health::Restarting
        );
    }

    #[test]
    fn work_on_a_worker_that_is_gone_is_lost_and_bad() {
        use State::{Failed, Paused, Running};
        let gone = |state, tasks: &[State], lost: &[u32]| {
            let mut c = connector("c", state, tasks);
            for id in lost {
                c.tasks.get_mut(id).unwrap().lost = true;
            }
            c.recompute(100_000);
            c
        };
        let one = gone(Running, &[Running, Running], &[1]);
        assert_eq!(
            (one.health, one.counts.label()),
            (Health::Lost, "1/2 L1".into())
        );
        assert!(one.health.is_bad() && one.health.is_fault());
        assert_eq!(reason(&one), "1 of 2 tasks are on w2:8083, which is gone");
        let failed = gone(Running, &[Failed, Running], &[1]);
        assert_eq!(
            failed.health,
            Health::Lost,
            "the outage of a worker explains more"
        );
        let paused = gone(Paused, &[Paused], &[]);
        assert_eq!(paused.health, Health::Paused);
    }

    #[test]
    fn lag_without_movement_is_stalled() {
        let mut connector = connector("c", State::Running, &[State::Running]);
        connector.lag = Some(10);
        connector.moved = Some(30_000);
        assert_eq!(of(&connector, 60_000), Health::Healthy);
        assert_eq!(of(&connector, 90_001), Health::Stalled);
        connector.lag = Some(0);
        assert_eq!(of(&connector, 90_001), Health::Healthy);
    }

    #[test]
    fn worst_is_first_and_only_the_bad_are_bad() {
        assert!(Health::Unhealthy < Health::Degraded && Health::Degraded < Health::Healthy);
        assert!(Health::Stalled.is_bad() && !Health::Rebalance.is_bad());
        assert!(Health::Restarting.is_fault() && !Health::Paused.is_fault());
    }

    #[test]
    fn the_tasks_label_names_the_worst_letter() {
        use State::{Failed, Paused, Running, Unassigned};
        let label = |states: &[State]| connector("c", Running, states).counts.label();
        assert_eq!(label(&[Running, Running, Running, Failed]), "3/4 F1");
        assert_eq!(
            label(&[Running, Unassigned, Unassigned, Unassigned]),
            "1/4 U3"
        );
        assert_eq!(label(&[Paused, Paused, Running, Running]), "2/4 P2");
        assert_eq!(label(&[Running]), "1/1");
    }
}
