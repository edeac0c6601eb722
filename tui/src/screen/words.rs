//! Words after `:`. Screens bring their own; here are those that do something, and how all are found and
//! completed.

use super::{ALL, Screen, Word};
use crate::keys::Command;
use crate::model::Model;
use crate::model::action::Verb;
use crate::model::prompt::PromptKind;

/// What a word does.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    /// Opens the screen, with a filter or what else it takes behind its word.
    Open(&'static dyn Screen),
    /// Opens the tasks that are not well.
    Faults,
    /// Gives up what was not sent yet.
    Abort,
    /// Restarts failed tasks, all of them or the connector instance, as it says behind the word.
    Restart,
    /// A verb on connectors: those that match, else the marked or the selected.
    Act(&'static Verb),
    /// The same as a key does.
    Press(Command),
}

const fn word(
    word: &'static str,
    short: &'static [&'static str],
    what: &'static str,
    does: Does,
) -> (Word, Does) {
    (Word::new(word, short, what), does)
}

const VERBS: &[(Word, Does)] = &[
    word(
        "faults",
        &[],
        "tasks that are not well; :faults /re",
        Does::Faults,
    ),
    word(
        "abort",
        &[],
        "give up what is asked for and not sent yet",
        Does::Abort,
    ),
    word(
        "restart",
        &[],
        ":restart failed|all|connector [/re]",
        Does::Restart,
    ),
    word("pause", &[], ":pause [/re]", Does::Act(&Verb::Pause)),
    word("resume", &[], ":resume [/re]", Does::Act(&Verb::Resume)),
    word("stop", &[], ":stop [/re]", Does::Act(&Verb::Stop)),
    word(
        "delete",
        &[],
        "delete the connector, name to be typed",
        Does::Act(&Verb::Delete),
    ),
    word(
        "edit",
        &[],
        "edit the configuration in $EDITOR",
        Does::Press(Command::Edit),
    ),
    word(
        "new",
        &[],
        "new connector in $EDITOR",
        Does::Press(Command::New),
    ),
    word("unmark", &[], "clear marks", Does::Press(Command::Unmark)),
    word("wide", &[], "wide columns", Does::Press(Command::Wide)),
    word(
        "refresh",
        &[],
        "look at everything now",
        Does::Press(Command::Refresh),
    ),
    word("help", &["h"], "keys and words", Does::Press(Command::Help)),
    word(
        "quit",
        &["q", "q!", "exit"],
        "leave",
        Does::Press(Command::Quit),
    ),
];

/// All words, in the order of the help.
pub(crate) fn all() -> impl Iterator<Item = (Word, Does)> {
    let open = |screen: &&'static dyn Screen| (screen.word(), Does::Open(*screen));
    let words = ALL.iter().map(open).chain(VERBS.iter().copied());
    words.filter(|(word, _)| !word.what.is_empty())
}

/// What a word or one of its short forms does.
pub(crate) fn find(typed: &str) -> Option<Does> {
    let is = |word: &Word| word.word == typed || word.short.contains(&typed);
    all().find(|(word, _)| is(word)).map(|(_, does)| does)
}

/// The rest of the best completion of the line being typed; `None` where there is none, or within the line.
pub(crate) fn suggestion(model: &Model) -> Option<String> {
    let prompt = model.ui.prompt.as_ref()?;
    let (before, after) = prompt.split();
    if prompt.kind != PromptKind::Command || !after.is_empty() || before.is_empty() {
        return None;
    }
    let Some((word, rest)) = before.split_once(' ') else {
        return rest_of(before, all().map(|(word, _)| word.word));
    };
    match find(word)? {
        Does::Open(screen) => rest_of(rest.trim_start(), screen.completions(model)),
        Does::Restart => rest_of(rest.trim_start(), ["failed", "all", "connector"]),
        Does::Faults | Does::Abort | Does::Act(_) | Does::Press(_) => None,
    }
}

/// What is missing to the first text that begins with `typed`.
fn rest_of<T: AsRef<str>>(typed: &str, texts: impl IntoIterator<Item = T>) -> Option<String> {
    let mut rests = texts
        .into_iter()
        .filter_map(|text| text.as_ref().strip_prefix(typed).map(str::to_owned));
    rests.find(|rest| !typed.is_empty() && !rest.is_empty())
}
