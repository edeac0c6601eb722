//! The state of the terminal. Changed by `update` only, read by `view`; holds the time, the size of the
//! screen, the selection and the scroll position, so that neither of the two needs anything else.

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
pub(crate) mod news;
pub(crate) mod prompt;
pub(crate) mod secrets;
pub(crate) mod table;
pub(crate) mod trace;

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

use sluice_protocol::ConnectorName;

use crate::text::Text;
use crate::units::Millis;
use action::{Action, Outcome};
use cluster::Cluster;
use demo::Demo;
use dialog::{Dialog, EditSession};
use nav::{Detail, Nav, TextState};
use prompt::Prompt;
use table::{TableId, TableState};

/// What the screen needs to know of a context.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContextSummary {
    /// Name in the configuration.
    pub(crate) name: Text,
    /// URLs of its workers.
    pub(crate) urls: Text,
    pub(crate) bootstrap: Option<Text>,
    /// Whether verbs are off.
    pub(crate) readonly: bool,
    /// Every verb needs the connector's name typed.
    pub(crate) careful: bool,
    /// Whether no configuration names it: it is the worker that may be on this machine.
    pub(crate) assumed: bool,
    /// What was last known of it, since the start of the terminal.
    pub(crate) seen: Option<Seen>,
}

/// What was last known of a context.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Version of the worker that answered.
    pub(crate) version: Option<Text>,
    /// How many connectors it has.
    pub(crate) connectors: usize,
    /// How many of them are bad.
    pub(crate) bad: usize,
    /// When this was seen.
    pub(crate) at: Millis,
}

/// A short message to the user, in the footer.
#[derive(Clone, Debug)]
pub(crate) struct Flash {
    /// Whether it is good or bad news.
    pub(crate) outcome: Outcome,
    pub(crate) text: Text,
    /// When it was shown first.
    pub(crate) at: Millis,
}

/// What holds for the whole run, whichever cluster is on the screen.
#[derive(Clone, Debug)]
pub(crate) struct Session {
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
    /// Whether verbs are off for the whole run.
    pub(crate) readonly: bool,
    /// Commands typed, oldest first.
    pub(crate) history: Vec<String>,
    /// Whether wide columns are shown.
    pub(crate) wide: bool,
    /// What the demo shows beside the cluster.
    pub(crate) demo: Option<Demo>,
    /// Whether the terminal is about to end.
    pub(crate) quitting: bool,
    /// Number for the next action or plan.
    next_number: u64,
}

/// What the user has open and under way on the cluster of the screen; a switch to another begins with an
/// empty one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ui {
    /// Which screen is open.
    pub(crate) nav: Nav,
    tables: BTreeMap<TableId, TableState>,
    texts: BTreeMap<&'static str, TextState>,
    /// Which of its tables has the focus on screens that have several, counted from 0.
    pub(crate) focus: BTreeMap<&'static str, usize>,
    /// State of the connector screen.
    pub(crate) detail: Detail,
    /// Texts edited and not written, by connector; `None` is that of a new one.
    pub(crate) drafts: BTreeMap<Option<ConnectorName>, EditSession>,
    /// The line being typed.
    pub(crate) prompt: Option<Prompt>,
    /// The dialog that is open.
    pub(crate) dialog: Option<Dialog>,
    pub(crate) actions: VecDeque<Action>,
    /// Message to the user.
    pub(crate) flash: Option<Flash>,
    /// Something is being fetched that the user waits for.
    pub(crate) busy: Option<Text>,
    /// Whether row indexes must be made anew.
    pub(crate) stale_index: bool,
    /// Whether a state of a connector that no list has named yet was reported: the list is to be asked for
    /// again.
    pub(crate) relist: bool,
}

impl Ui {
    /// Home, and nothing under way.
    fn new() -> Self {
        Self {
            stale_index: true,
            ..Self::default()
        }
    }
}

static UNSEEN: LazyLock<TableState> = LazyLock::new(TableState::default);
static UNREAD: LazyLock<TextState> = LazyLock::new(TextState::default);
static UNKNOWN: LazyLock<Cluster> = LazyLock::new(Cluster::default);

/// The state of the terminal.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) session: Session,
    /// What is known of clusters, by the place of their contexts in the configuration.
    pub(crate) clusters: BTreeMap<usize, Cluster>,
    pub(crate) ui: Ui,
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
            session: Session {
                now,
                width: 80,
                height: 24,
                contexts,
                context,
                readonly,
                history: Vec::new(),
                wide: false,
                demo: None,
                quitting: false,
                next_number: 1,
            },
            clusters: BTreeMap::from([(context, Cluster::new(now, 0))]),
            ui: Ui::new(),
        }
    }

    /// Wall-clock time as of the last message.
    pub(crate) const fn now(&self) -> Millis {
        self.session.now
    }

    /// What is known of the cluster on the screen.
    pub(crate) fn cluster(&self) -> &Cluster {
        self.clusters.get(&self.session.context).unwrap_or(&UNKNOWN)
    }

    /// The same, to change it.
    pub(crate) fn cluster_mut(&mut self) -> &mut Cluster {
        self.clusters.entry(self.session.context).or_default()
    }

    /// Leaves the cluster on the screen for that of another context; answers with the number of its
    /// connection.
    pub(crate) fn switch(&mut self, context: usize) -> u64 {
        let epoch = self.cluster().epoch + 1;
        let cluster = Cluster::new(self.session.now, epoch);
        self.clusters = BTreeMap::from([(context, cluster)]);
        self.session.context = context;
        self.ui = Ui::new();
        epoch
    }

    /// The state of a table; that of one never shown is empty.
    pub(crate) fn table(&self, id: TableId) -> &TableState {
        self.ui.tables.get(&id).unwrap_or(&UNSEEN)
    }

    /// The state of a table, to change it.
    pub(crate) fn table_mut(&mut self, id: TableId) -> &mut TableState {
        self.ui.tables.entry(id).or_default()
    }

    /// The states of all tables, to change them.
    pub(crate) fn tables_mut(&mut self) -> impl Iterator<Item = &mut TableState> {
        self.ui.tables.values_mut()
    }

    /// The state of a screen's text.
    pub(crate) fn text(&self, screen: &str) -> &TextState {
        self.ui.texts.get(screen).unwrap_or(&UNREAD)
    }

    /// The state of a screen's text, to change it.
    pub(crate) fn text_mut(&mut self, screen: &'static str) -> &mut TextState {
        self.ui.texts.entry(screen).or_default()
    }

    /// The context on the screen.
    pub(crate) fn current_context(&self) -> Option<&ContextSummary> {
        self.session.contexts.get(self.session.context)
    }

    /// Whether verbs are off on this cluster.
    pub(crate) fn is_readonly(&self) -> bool {
        self.session.readonly
            || self
                .current_context()
                .is_some_and(|context| context.readonly)
    }

    /// Whether its context names brokers.
    pub(crate) fn has_brokers(&self) -> bool {
        self.current_context()
            .is_some_and(|context| context.bootstrap.is_some())
    }

    /// The connector whose screen is open.
    pub(crate) fn open_connector(&self) -> Option<&ConnectorName> {
        self.ui.nav.current().connector.as_ref()
    }

    /// Shows a message to the user.
    pub(crate) fn say(&mut self, outcome: Outcome, text: &str) {
        self.ui.flash = Some(Flash {
            outcome,
            text: Text::line(text),
            at: self.session.now,
        });
    }

    /// The next free number.
    pub(crate) fn take_number(&mut self) -> u64 {
        let number = self.session.next_number;
        self.session.next_number += 1;
        number
    }
}
