//! The state of the terminal. Changed by `update` only, read by `view`; holds the time, the size of the screen, the
//! selection and the scroll position, so that neither of the two needs anything else.

pub(crate) mod action;
pub(crate) mod cluster;
pub(crate) mod demo;
pub(crate) mod dialog;
pub(crate) mod event;
pub(crate) mod filter;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod health;
pub(crate) mod nav;
pub(crate) mod prompt;
pub(crate) mod secrets;
pub(crate) mod table;
pub(crate) mod trace;

use std::collections::{BTreeMap, VecDeque};

use sluice_protocol::ConnectorName;

use crate::text::Text;
use crate::units::Millis;
use action::{Action, Outcome};
use cluster::Cluster;
use demo::Demo;
use dialog::{Dialog, EditSession};
use event::Events;
use nav::{Detail, Nav, TextState};
use prompt::Prompt;
use table::{TableId, TableState};

/// What the screen needs to know of a context.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContextSummary {
    /// Name.
    pub(crate) name: Text,
    /// REST URLs.
    pub(crate) urls: Text,
    /// Brokers, if configured.
    pub(crate) bootstrap: Option<Text>,
    /// No writes.
    pub(crate) readonly: bool,
    /// Every verb needs the connector's name typed.
    pub(crate) careful: bool,
    /// Nobody named it: it is the worker that may be on this machine.
    pub(crate) assumed: bool,
    /// Last picture of it: version, connectors, bad ones, and when.
    pub(crate) seen: Option<Seen>,
}

/// What was last known of a context.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Server version.
    pub(crate) version: Option<Text>,
    /// Connectors.
    pub(crate) connectors: usize,
    /// Bad ones.
    pub(crate) bad: usize,
    /// When.
    pub(crate) at: Millis,
}

/// A short word to the user.
#[derive(Clone, Debug)]
pub(crate) struct Flash {
    /// How it is meant.
    pub(crate) outcome: Outcome,
    /// The word.
    pub(crate) text: Text,
    /// When it was said.
    pub(crate) at: Millis,
}

static UNSEEN: TableState = TableState::new();
static UNREAD: TextState = TextState::new();

/// The state of the terminal.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Wall-clock time as of the last message.
    pub(crate) now: Millis,
    /// Width of the screen in cells.
    pub(crate) width: u16,
    /// Height of the screen in rows.
    pub(crate) height: u16,
    /// Contexts of the configuration.
    pub(crate) contexts: Vec<ContextSummary>,
    /// Which of them is on the screen.
    pub(crate) context: usize,
    /// Read-only for the whole run.
    pub(crate) readonly: bool,
    /// The cluster.
    pub(crate) cluster: Cluster,
    /// When we began to watch this cluster.
    pub(crate) since: Millis,
    /// Counts connections, so that news of an old one is told apart.
    pub(crate) epoch: u64,
    /// Screens.
    pub(crate) nav: Nav,
    tables: BTreeMap<TableId, TableState>,
    texts: BTreeMap<&'static str, TextState>,
    /// Which of its tables has the focus on screens that have several, counted from 0.
    pub(crate) focus: BTreeMap<&'static str, usize>,
    /// Connector screen.
    pub(crate) detail: Detail,
    /// Texts edited and not written, by connector; `None` is that of a new one.
    pub(crate) drafts: BTreeMap<Option<ConnectorName>, EditSession>,
    /// Events.
    pub(crate) events: Events,
    /// Line being typed.
    pub(crate) prompt: Option<Prompt>,
    /// Commands typed, oldest first.
    pub(crate) history: Vec<String>,
    /// Dialogs, the topmost last.
    pub(crate) dialog: Option<Dialog>,
    /// Actions, oldest first.
    pub(crate) actions: VecDeque<Action>,
    /// Number for the next action or plan.
    pub(crate) next_number: u64,
    /// Word to the user.
    pub(crate) flash: Option<Flash>,
    /// Something is being fetched that the user waits for.
    pub(crate) busy: Option<Text>,
    /// Wide columns.
    pub(crate) wide: bool,
    /// Row indexes must be made anew.
    pub(crate) stale_index: bool,
    /// What the demo shows beside the cluster.
    pub(crate) demo: Option<Demo>,
    /// The terminal is to end.
    pub(crate) quitting: bool,
}

impl Model {
    /// The state at the start: nothing known.
    pub(crate) fn new(
        contexts: Vec<ContextSummary>,
        context: usize,
        readonly: bool,
        now: Millis,
    ) -> Self {
        Self {
            now,
            width: 80,
            height: 24,
            contexts,
            context,
            readonly,
            cluster: Cluster::default(),
            since: now,
            epoch: 0,
            nav: Nav::default(),
            tables: BTreeMap::new(),
            texts: BTreeMap::new(),
            focus: BTreeMap::new(),
            detail: Detail::default(),
            drafts: BTreeMap::new(),
            events: Events::default(),
            prompt: None,
            history: Vec::new(),
            dialog: None,
            actions: VecDeque::new(),
            next_number: 1,
            flash: None,
            busy: None,
            wide: false,
            stale_index: true,
            demo: None,
            quitting: false,
        }
    }

    /// The state of a table; that of one never shown is empty.
    pub(crate) fn table(&self, id: TableId) -> &TableState {
        self.tables.get(&id).unwrap_or(&UNSEEN)
    }

    /// The state of a table, to change it.
    pub(crate) fn table_mut(&mut self, id: TableId) -> &mut TableState {
        self.tables.entry(id).or_insert_with(TableState::new)
    }

    /// The states of all tables, to change them.
    pub(crate) fn tables_mut(&mut self) -> impl Iterator<Item = &mut TableState> {
        self.tables.values_mut()
    }

    /// The state of a screen's text.
    pub(crate) fn text(&self, screen: &str) -> &TextState {
        self.texts.get(screen).unwrap_or(&UNREAD)
    }

    /// The state of a screen's text, to change it.
    pub(crate) fn text_mut(&mut self, screen: &'static str) -> &mut TextState {
        self.texts.entry(screen).or_default()
    }

    /// The context on the screen.
    pub(crate) fn current_context(&self) -> Option<&ContextSummary> {
        self.contexts.get(self.context)
    }

    /// Whether verbs are off.
    pub(crate) fn is_readonly(&self) -> bool {
        self.readonly
            || self
                .current_context()
                .is_some_and(|context| context.readonly)
    }

    /// Whether brokers are configured.
    pub(crate) fn has_brokers(&self) -> bool {
        self.current_context()
            .is_some_and(|context| context.bootstrap.is_some())
    }

    /// The connector whose screen is open.
    pub(crate) fn open_connector(&self) -> Option<&ConnectorName> {
        self.nav.current().connector.as_ref()
    }

    /// Says something to the user.
    pub(crate) fn say(&mut self, outcome: Outcome, text: &str) {
        self.flash = Some(Flash {
            outcome,
            text: Text::line(text),
            at: self.now,
        });
    }

    /// The next free number.
    pub(crate) fn take_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }
}
