//! What a check found: the rows of `sluice check`, for people and for programs that read its JSON.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It does not work: a worker does not start, a connector is refused or cannot run.
    Error,
    /// It works, and is hardly what was meant.
    Warning,
}

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is about: a file, `connector orders`, `worker w1:8083`, `topic connect-configs`.
    pub subject: String,
    /// The configuration key, if one is at fault.
    pub key: Option<String>,
    /// The value of that key as it stands in the file; null when it is secret or not given.
    pub value: Option<String>,
    /// A sentence without a final stop: what is wrong and, where known, what to do.
    pub text: String,
}

impl Finding {
    /// An error about `subject`.
    pub fn error(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            subject: subject.into(),
            key: None,
            value: None,
            text: text.into(),
        }
    }

    /// A warning about `subject`.
    pub fn warning(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            ..Self::error(subject, text)
        }
    }

    /// The same, of a key and its value.
    #[must_use]
    pub fn at(self, key: impl Into<String>, value: Option<String>) -> Self {
        Self {
            key: Some(key.into()),
            value,
            ..self
        }
    }
}
