//! Dialogs: what will happen, in numbers, and the choices. Cancel has the focus unless a choice is harmless.

use std::sync::Arc;

use sluice_protocol::{ConfigMap, ConnectorName};

use super::action::Verb;
use super::prompt::{Prompt, PromptKind};
use super::secrets::PasswordKeys;
use crate::text::Text;

/// How a line of a dialog or text is meant; the theme gives it a colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    /// Less important, or not known.
    Dim,
    /// A heading or key.
    Strong,
    Good,
    /// On the way, or to be looked at.
    Warn,
    Bad,
    /// Names and what can be opened.
    Accent,
}

/// One verb on one connector, planned but not asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) connector: ConnectorName,
    pub(crate) verb: Verb,
    /// Tasks a restart is about, by number.
    pub(crate) tasks: Vec<u32>,
}

/// What a choice leads to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Closes the dialog, and nothing is done.
    Cancel,
    /// Ask the cluster for all of these.
    Act(Vec<Planned>),
    /// Back into the editor with the text as it was left.
    EditAgain(Box<EditSession>),
    /// Forget the text that was left, for this connector or a new one.
    Discard(Option<ConnectorName>),
    /// Forget it, and edit what is stored.
    StartAnew(Option<ConnectorName>),
}

impl Outcome {
    /// Whether it leaves the cluster alone and ends the dialog.
    pub(crate) const fn is_harmless(&self) -> bool {
        matches!(self, Self::Cancel | Self::Discard(_))
    }
}

/// A choice of a dialog, drawn as a button.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) label: &'static str,
    pub(crate) outcome: Outcome,
    /// Explanation shown while it has the focus.
    pub(crate) hint: String,
    /// What exactly it does, a line for each; shown below the body while it has the focus.
    pub(crate) list: Vec<(Tone, Text)>,
}

impl Choice {
    /// A choice without a list of its own.
    pub(crate) fn new(label: &'static str, hint: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            label,
            outcome,
            hint: hint.into(),
            list: Vec::new(),
        }
    }
}

/// A name to be typed before anything happens.
#[derive(Clone, Debug)]
pub(crate) struct TypedName {
    /// What must be typed.
    pub(crate) expected: String,
    /// What has been typed.
    pub(crate) line: Prompt,
}

impl TypedName {
    pub(crate) fn new(expected: &str) -> Self {
        Self {
            expected: expected.to_owned(),
            line: Prompt::new(PromptKind::Command, ""),
        }
    }

    /// Whether the name is complete.
    pub(crate) fn is_right(&self) -> bool {
        self.line.text() == self.expected
    }
}

/// A question over the screen, with choices.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) title: String,
    /// Text above the choices.
    pub(crate) body: Vec<(Tone, Text)>,
    /// First line of the body shown.
    pub(crate) scroll: usize,
    /// A name that must be typed before anything happens.
    pub(crate) typed: Option<TypedName>,
    pub(crate) choices: Vec<Choice>,
    /// Which has the focus.
    pub(crate) selected: usize,
    /// Whether a line is being typed as if no dialog were open: nothing counts until its end.
    pub(crate) swallows: bool,
}

impl Dialog {
    /// A dialog without a name to type.
    pub(crate) fn new(
        title: String,
        body: Vec<(Tone, Text)>,
        choices: Vec<Choice>,
        selected: usize,
    ) -> Self {
        Self {
            title,
            body,
            scroll: 0,
            typed: None,
            choices,
            selected,
            swallows: false,
        }
    }

    /// All lines above the buttons: the body, and what the choice that has the focus does.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &(Tone, Text)> {
        let list = self.choices.get(self.selected).into_iter();
        self.body.iter().chain(list.flat_map(|choice| &choice.list))
    }

    /// Whether enter on the selected choice does something now. Nothing does while a wrong name stands there.
    pub(crate) fn is_ready(&self) -> bool {
        if let Some(typed) = &self.typed
            && !typed.is_right()
            && !typed.line.text().is_empty()
        {
            return false;
        }
        self.typed.as_ref().is_none_or(TypedName::is_right)
            || self
                .choices
                .get(self.selected)
                .is_some_and(|choice| !matches!(choice.outcome, Outcome::Act(_)))
    }
}

/// An edit of a configuration from opening the editor to writing.
#[derive(Clone, PartialEq)]
pub(crate) struct EditSession {
    /// The connector; `None` for a new one.
    pub(crate) connector: Option<ConnectorName>,
    /// The configuration as stored when the edit began.
    pub(crate) base: Arc<ConfigMap>,
    /// Keys with type PASSWORD.
    pub(crate) passwords: PasswordKeys,
    /// The text in the editor.
    pub(crate) text: String,
    /// What the text means, once read.
    pub(crate) merged: Option<Arc<ConfigMap>>,
}

impl std::fmt::Debug for EditSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The text may hold a secret just typed.
        f.debug_struct("EditSession")
            .field("connector", &self.connector)
            .finish_non_exhaustive()
    }
}
