//! Small clusters for tests.

use sluice_protocol::{ConnectorType, State};

use super::cluster::{Connector, Task};
use crate::text::Text;

/// A sink in `state` with tasks in these states, spread over three workers.
pub(crate) fn connector(name: &str, state: State, tasks: &[State]) -> Connector {
    let mut connector = Connector::new(name.into());
    connector.kind = ConnectorType::Sink;
    connector.state = state;
    connector.worker = Text::line("w1:8083");
    for (id, state) in (0_u32..).zip(tasks) {
        let mut task = Task::new(id, *state);
        if *state != State::Unassigned {
            task.worker = Text::line(&format!("w{}:8083", id % 3 + 1));
        }
        connector.tasks.insert(id, task);
    }
    connector.recompute(1_000_000);
    connector
}
