//! What `update` wants done, as data. The runtime does it; results come back as messages.

use std::sync::Arc;

use sluice_protocol::{ConfigMap, ConnectorName};

use crate::model::action::Verb;
use crate::model::dialog::EditSession;

/// Something to be done outside the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Ask the cluster. The executor waits out rebalances by itself.
    Act {
        /// Number of the action.
        id: u64,
        connector: ConnectorName,
        verb: Verb,
        /// Failed tasks, for servers that can't restart by plan.
        failed_tasks: Vec<u32>,
        /// All tasks, for the same.
        all_tasks: Vec<u32>,
    },
    /// Send nothing more of what is waiting to be sent.
    Abort,
    /// Kill an agent of the demo, or start the one that was killed.
    ToggleAgent,
    /// Look at everything now.
    Refresh,
    /// Look often (an action is under way) or at the usual pace.
    Pace(bool),
    /// Fetch a configuration and its PASSWORD keys to edit it.
    LoadConfig(ConnectorName),
    /// Fetch the PASSWORD keys of a plugin, for the configuration pane.
    LoadPasswords {
        connector: ConnectorName,
        class: String,
    },
    /// Fetch the offsets of a connector.
    LoadOffsets(ConnectorName),
    /// Open the editor with the text of this edit.
    Edit(Box<EditSession>),
    /// Keep a copy of an edited text, which has no secrets, in case this terminal is lost.
    KeepDraft(Option<ConnectorName>, String),
    /// Remove the copy that was kept.
    DropDraft(Option<ConnectorName>),
    /// Validate an edited configuration.
    Validate {
        session: Box<EditSession>,
        config: Arc<ConfigMap>,
    },
    /// Put a text on the clipboard of the terminal (OSC 52).
    Copy(String),
    /// Connect to another context.
    Connect {
        /// Place in the configuration.
        context: usize,
        /// Number for its messages.
        epoch: u64,
    },
    /// Draw everything anew, whatever is on the screen.
    Redraw,
    /// Add a command to the history.
    Remember(String),
}
