//! What the demo shows beside the cluster: where its Kafka is, its agents, and what is worth trying now.

use sluice_protocol::State;

use super::Model;
use super::dialog::Tone;
use crate::text::Text;

/// The demo as the terminal knows it.
#[derive(Clone, Debug)]
pub(crate) struct Demo {
    /// Address of its brokers, for other clients.
    pub(crate) bootstrap: Text,
    /// How many of its agents run.
    pub(crate) running: usize,
    /// How many agents it has.
    pub(crate) agents: usize,
}

impl Demo {
    /// What can be tried now, most urgent first; short enough for 100 cells with the address before it.
    pub(crate) fn hint(&self, model: &Model) -> (Tone, String) {
        let listed = &model.cluster().connectors;
        // Unhealthy alone is not worth a word: a connector whose tasks are about to start is that too.
        let failed = listed.values().find(|connector| {
            let mut tasks = connector.tasks.values();
            connector.state == State::Failed || tasks.any(|task| task.state == State::Failed)
        });
        if let Some(connector) = failed {
            let text = format!(
                "{} failed: go there, l shows why, r restarts it",
                connector.name
            );
            return (Tone::Bad, text);
        }
        if self.running < self.agents {
            let text = "an agent was killed: watch its work move in :workers; K starts one again";
            return (Tone::Warn, text.to_owned());
        }
        if listed.is_empty() {
            return (Tone::Dim, "pipelines are being created".to_owned());
        }
        let text = "try enter, K (kills an agent), :lag, :workers, ? for all keys, :q to leave";
        (Tone::Dim, text.to_owned())
    }
}
