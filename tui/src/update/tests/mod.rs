//! What keys and news do to the model, and which effects they ask for.

mod editing;
mod keys;
mod news;

use std::sync::Arc;

use crossterm::event::KeyCode;
use sluice_protocol::rest::{
    ConfigInfo, ConfigInfos, ConfigKeyInfo, ConfigValueInfo, ConnectorInfo, ConnectorState,
    ConnectorStateInfo, ExpandedConnector, ExpandedConnectors, TaskState,
};
use sluice_protocol::{ConfigMap, ConnectorName, ConnectorType, State};

use super::{settle, update};
use crate::effect::Effect;
use crate::keys::Key;
use crate::message::{ActionNews, Message};
use crate::model::Model;
use crate::model::action::{RestartMode, Stage, Verb};
use crate::model::cluster::{Link, PartitionLag};
use crate::model::fixtures::{self, NOW};
use crate::model::health::Health;
use crate::model::nav::{CONNECTOR, HELP, Place};
use crate::model::news::{GroupMember, GroupReport, StatusChange, Update};
use crate::model::table::{RowKey, Sort};
use crate::screen::connector::{OwnTasks, lower};
use crate::screen::connectors::Connectors;
use crate::screen::contexts::Contexts;
use crate::screen::events;
use crate::screen::rows::{Rows, Table};
use crate::screen::tasks::Tasks;
use crate::screen::workers::{Rebalances, Workers};
use crate::screen::{ALL, at, focused};
use crate::text::Text;

fn ctrl(c: char) -> Key {
    Key {
        code: KeyCode::Char(c),
        ctrl: true,
        shift: false,
    }
}

fn esc() -> Key {
    Key::plain(KeyCode::Esc)
}

fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    settle(model);
    let effects = update(model, Message::Key(key));
    settle(model);
    effects
}

/// Types text; `\n` is enter. Returns the effects of the last key.
fn type_in(model: &mut Model, text: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in text.chars() {
        let code = if c == '\n' {
            KeyCode::Enter
        } else {
            KeyCode::Char(c)
        };
        effects = press(model, Key::plain(code));
    }
    effects
}

fn names(model: &Model) -> Vec<&str> {
    model
        .table(Connectors::ID)
        .rows
        .iter()
        .filter_map(|row| row.connector.as_ref())
        .map(ConnectorName::as_str)
        .collect()
}

fn flash(model: &Model) -> &str {
    model
        .ui
        .flash
        .as_ref()
        .map_or("", |flash| flash.text.as_str())
}

/// An entry of the list.
fn entry(name: &str, state: State, tasks: &[State]) -> ExpandedConnector {
    let trace = |state: State| (state == State::Failed).then(|| "boom".to_owned());
    ExpandedConnector {
        status: Some(ConnectorStateInfo {
            name: name.into(),
            connector: ConnectorState {
                state,
                worker_id: "w1:8083".into(),
                version: Some("4.3.0".into()),
                trace: trace(state),
            },
            tasks: (0..)
                .zip(tasks)
                .map(|(id, state)| TaskState {
                    id,
                    state: *state,
                    worker_id: "w2:8083".into(),
                    version: None,
                    trace: trace(*state),
                })
                .collect(),
            connector_type: ConnectorType::Sink,
        }),
        info: Some(ConnectorInfo {
            name: name.into(),
            config: ConfigMap::from([("name", name), ("connector.class", "X"), ("topics", "t")]),
            tasks: Vec::new(),
            connector_type: ConnectorType::Sink,
        }),
    }
}

fn listed(model: &mut Model, asked: i64, entries: &[(&str, State, &[State])]) -> Vec<Effect> {
    let list: ExpandedConnectors = entries
        .iter()
        .map(|(name, state, tasks)| (ConnectorName::from(*name), entry(name, *state, tasks)))
        .collect();
    let effects = update(
        model,
        Message::Data(
            model.cluster().epoch,
            Box::new(Update::Listed {
                asked,
                list: Box::new(list),
            }),
        ),
    );
    settle(model);
    effects
}
