//! Stack traces, with the root cause first.
//!
//! A Java trace names the outermost exception first and the reason last ("Caused by"); an operator wants
//! the reason. The chain is turned round: the last cause, its frames, then what it led to. Text without
//! frames (an agent's chain of causes, one `caused by:` a line) is treated the same.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::secrets;
use crate::text::{self, Text};

/// A trace ready to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// The root cause in one line: class without package, and message.
    pub(crate) root: Text,
    /// All lines, root cause first.
    pub(crate) lines: Vec<Text>,
    /// All lines as they were written.
    original: Vec<Text>,
    /// Fingerprint of the text it was read from, to recognise the same trace without reading it.
    source: u64,
}

fn fingerprint(raw: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    raw.hash(&mut hasher);
    hasher.finish()
}

impl Trace {
    /// Reads a trace as found in a status; any text is accepted.
    pub(crate) fn parse(raw: &str) -> Self {
        let masked = secrets::masked_text(raw);
        let lines = text::lines(&masked);
        let original = lines.clone();
        let mut sections: Vec<Vec<Text>> = Vec::new();
        for line in lines {
            if sections.is_empty() || cause(line.as_str()).is_some() {
                sections.push(Vec::new());
            }
            if let Some(section) = sections.last_mut() {
                section.push(line);
            }
        }
        let root = sections
            .last()
            .and_then(|section| section.first())
            .map(|line| short(cause(line.as_str()).unwrap_or(line.as_str())))
            .unwrap_or_default();
        let mut ordered = Vec::new();
        for (depth, section) in sections.into_iter().rev().enumerate() {
            let mut section = section.into_iter();
            if let Some(head) = section.next() {
                let head = cause(head.as_str()).unwrap_or(head.as_str()).to_owned();
                ordered.push(if depth == 0 {
                    Text::whole(&head)
                } else {
                    Text::whole(&format!("led to: {head}"))
                });
            }
            ordered.extend(section);
        }
        Self {
            root,
            lines: ordered,
            original,
            source: fingerprint(raw),
        }
    }

    /// Whether this trace was read from `raw`.
    pub(crate) fn is_of(&self, raw: &str) -> bool {
        self.source == fingerprint(raw)
    }

    /// The whole trace in its own order, for the clipboard: tickets, searches and other tools know no other.
    pub(crate) fn text(&self) -> String {
        let mut all = String::new();
        for line in &self.original {
            all.push_str(line.as_str());
            all.push('\n');
        }
        all
    }
}

/// The rest of a line that opens a cause. Suppressed exceptions are not causes.
fn cause(line: &str) -> Option<&str> {
    let trimmed = line.trim_start();
    trimmed
        .strip_prefix("Caused by: ")
        .or_else(|| trimmed.strip_prefix("caused by: "))
}

/// `org.apache.kafka.X: message` without the package.
fn short(head: &str) -> Text {
    let (class, message) = match head.split_once(": ") {
        Some((class, message)) if !class.contains(' ') => (class, Some(message)),
        _ => (head, None),
    };
    if class.contains(' ') {
        return Text::line(head);
    }
    let class = class.rsplit(['.', '$']).next().unwrap_or(class);
    match message {
        Some(message) => Text::line(&format!("{class}: {message}")),
        None => Text::line(class),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAVA: &str = "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask\n\
        \tat org.apache.kafka.connect.A.a(A.java:1)\n\
        Caused by: com.amazonaws.AmazonS3Exception: Access Denied (403)\n\
        \tat S3OutputStream.uploadPart(S3OutputStream.java:211)\n\
        \t... 12 more\n";

    #[test]
    fn the_last_cause_comes_first() {
        let trace = Trace::parse(JAVA);
        assert_eq!(
            trace.root.as_str(),
            "AmazonS3Exception: Access Denied (403)"
        );
        let lines: Vec<&str> = trace.lines.iter().map(Text::as_str).collect();
        assert_eq!(
            lines,
            [
                "com.amazonaws.AmazonS3Exception: Access Denied (403)",
                "    at S3OutputStream.uploadPart(S3OutputStream.java:211)",
                "    ... 12 more",
                "led to: org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask",
                "    at org.apache.kafka.connect.A.a(A.java:1)",
            ]
        );
    }

    #[test]
    fn plain_text_is_its_own_root_cause() {
        assert_eq!(
            Trace::parse("cannot open /x: denied").root.as_str(),
            "cannot open /x: denied"
        );
        assert_eq!(Trace::parse("").lines.len(), 0);
        let agent = Trace::parse("task failed\ncaused by: no such file");
        assert_eq!(agent.root.as_str(), "no such file");
    }
}
