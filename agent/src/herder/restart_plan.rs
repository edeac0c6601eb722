//! What a restart with options restarts (KIP-745): a pure decision over the states of a connector
//! and its tasks.

use sluice_protocol::State;
use sluice_protocol::rest::ConnectorStateInfo;

use super::RestartOptions;

/// The parts of a connector that restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RestartPlan {
    /// The connector's instance restarts.
    pub connector: bool,
    /// Numbers of the tasks that restart.
    pub tasks: Vec<u32>,
    /// The states to show: RESTARTING for what restarts.
    pub state: ConnectorStateInfo,
}

impl RestartPlan {
    /// Decides by the states at this moment. What is RESTARTING already is part of the plan.
    pub(crate) fn new(options: RestartOptions, mut state: ConnectorStateInfo) -> Self {
        let hit = |current: State| {
            current == State::Restarting || !options.only_failed || current == State::Failed
        };
        let connector = hit(state.connector.state);
        if connector {
            state.connector.state = State::Restarting;
        }
        let mut tasks = Vec::new();
        for task in &mut state.tasks {
            let restarts =
                task.state == State::Restarting || (options.include_tasks && hit(task.state));
            if restarts {
                task.state = State::Restarting;
                tasks.push(task.id);
            }
        }
        Self {
            connector,
            tasks,
            state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_protocol::ConnectorType;
    use sluice_protocol::rest::{ConnectorState, TaskState};

    fn state(connector: State, tasks: &[State]) -> ConnectorStateInfo {
        ConnectorStateInfo {
            name: "c".into(),
            connector: ConnectorState {
                state: connector,
                worker_id: "w".into(),
                version: None,
                trace: None,
            },
            tasks: tasks
                .iter()
                .zip(0..)
                .map(|(&state, id)| TaskState {
                    id,
                    state,
                    worker_id: "w".into(),
                    version: None,
                    trace: Some("t".into()),
                })
                .collect(),
            connector_type: ConnectorType::Source,
        }
    }

    fn plan(include_tasks: bool, only_failed: bool) -> (bool, Vec<u32>) {
        let state = state(
            State::Running,
            &[State::Running, State::Failed, State::Restarting],
        );
        let plan = RestartPlan::new(
            RestartOptions {
                include_tasks,
                only_failed,
            },
            state,
        );
        (plan.connector, plan.tasks)
    }

    #[test]
    fn only_failed_with_tasks_restarts_what_failed_and_what_restarts_already() {
        assert_eq!(plan(true, true), (false, vec![1, 2]));
    }

    #[test]
    fn everything_restarts_with_tasks_and_without_only_failed() {
        assert_eq!(plan(true, false), (true, vec![0, 1, 2]));
    }

    #[test]
    fn without_tasks_only_the_connector_restarts_and_only_if_it_failed() {
        assert_eq!(plan(false, true), (false, vec![2]));
        let failed = RestartPlan::new(
            RestartOptions {
                include_tasks: false,
                only_failed: true,
            },
            state(State::Failed, &[State::Failed]),
        );
        assert_eq!((failed.connector, failed.tasks.len()), (true, 0));
        assert_eq!(failed.state.connector.state, State::Restarting);
        assert_eq!(failed.state.tasks[0].state, State::Failed);
    }
}
