//! Everything that can happen to the model, as data.

use sluice_protocol::rest::{ConfigInfos, ConnectorStateInfo};
use sluice_protocol::{ConfigMap, ConnectorName};

use crate::keys::Key;
use crate::model::dialog::EditSession;
use crate::model::news::Update;
use crate::model::secrets::PasswordKeys;
use crate::text::Text;
use crate::units::Millis;

/// A message to `update`.
#[derive(Debug)]
pub(crate) enum Message {
    /// The time; sent before every other message.
    Now(Millis),
    /// A key was pressed.
    Key(Key),
    Paste(String),
    /// The screen has this size now.
    Resize(u16, u16),
    /// News of the cluster, from the connection with this number.
    Data(u64, Box<Update>),
    /// News of an action.
    Action(u64, ActionNews),
    /// A configuration was fetched to be edited.
    ConfigLoaded(ConnectorName, Result<(ConfigMap, PasswordKeys), Text>),
    /// The PASSWORD keys of the open connector were fetched.
    PasswordsLoaded(ConnectorName, PasswordKeys),
    /// Offsets of a connector were fetched: partition and offset as JSON text.
    OffsetsLoaded(ConnectorName, Result<Vec<(Text, Text)>, Text>),
    /// The editor was closed.
    EditorClosed(Box<EditSession>, Result<String, Text>),
    /// A copy of an edited text was kept at this place, or could not be.
    DraftKept(Option<ConnectorName>, Result<Text, Text>),
    /// A configuration was validated.
    Validated(Box<EditSession>, Result<Box<ConfigInfos>, Text>),
    /// This many agents of the demo run.
    AgentsRun(usize),
    /// Copying worked or not.
    Copied(Result<usize, Text>),
}

/// News of an action.
#[derive(Debug)]
pub(crate) enum ActionNews {
    /// The server can't do it now; it is tried again later.
    Waiting {
        /// Why, in the words of the server.
        reason: Text,
        /// When it is tried again.
        retry_at: Millis,
    },
    /// The server said yes; for a restart by plan, with the states it then reported.
    Accepted(Option<Box<ConnectorStateInfo>>),
    /// The server said no, or can't be reached.
    Failed(Text),
}
