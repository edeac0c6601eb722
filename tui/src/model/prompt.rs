//! The line one types into: a command after `:`, a filter after `/`, a search in a text.

/// What the line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromptKind {
    /// After `:`, to be run.
    Command,
    /// `/` over a table.
    Filter,
    /// `/` over a text.
    Search,
}

/// A line being edited.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) kind: PromptKind,
    text: String,
    /// Cursor as a byte place on a character border.
    cursor: usize,
    /// Place in the history while walking it.
    recall: Option<usize>,
    /// What was there before, to restore on esc.
    pub(crate) before: String,
}

/// Longest line accepted, in bytes.
const CAP: usize = 512;

impl Prompt {
    /// A line that starts with `text`.
    pub(crate) fn new(kind: PromptKind, text: &str) -> Self {
        Self {
            kind,
            text: text.to_owned(),
            cursor: text.len(),
            recall: None,
            before: text.to_owned(),
        }
    }

    /// The text typed so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Text before and after the cursor.
    pub(crate) fn split(&self) -> (&str, &str) {
        self.text.split_at(self.cursor)
    }

    /// Replaces the text, cursor at the end.
    pub(crate) fn set(&mut self, text: &str) {
        self.text = text.to_owned();
        self.cursor = self.text.len();
    }

    /// Types a character at the cursor.
    pub(crate) fn insert(&mut self, c: char) {
        if !c.is_control() && self.text.len() + c.len_utf8() <= CAP {
            self.text.insert(self.cursor, c);
            self.cursor += c.len_utf8();
        }
    }

    /// Removes the character before the cursor; false when there is none.
    pub(crate) fn backspace(&mut self) -> bool {
        let Some(c) = self.text[..self.cursor].chars().next_back() else {
            return false;
        };
        self.cursor -= c.len_utf8();
        self.text.remove(self.cursor);
        true
    }

    /// Removes the character under the cursor.
    pub(crate) fn delete(&mut self) {
        if self.cursor < self.text.len() {
            self.text.remove(self.cursor);
        }
    }

    /// Removes the word before the cursor.
    pub(crate) fn delete_word(&mut self) {
        let head = self.text[..self.cursor].trim_end();
        let start = head.rfind(char::is_whitespace).map_or(0, |i| {
            i + head[i..].chars().next().map_or(1, char::len_utf8)
        });
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }

    /// Removes everything before the cursor.
    pub(crate) fn clear(&mut self) {
        self.text.replace_range(..self.cursor, "");
        self.cursor = 0;
    }

    /// Moves the cursor one character left.
    pub(crate) fn left(&mut self) {
        if let Some(c) = self.text[..self.cursor].chars().next_back() {
            self.cursor -= c.len_utf8();
        }
    }

    /// Moves the cursor one character right; false when it is at the end.
    pub(crate) fn right(&mut self) -> bool {
        match self.text[self.cursor..].chars().next() {
            Some(c) => {
                self.cursor += c.len_utf8();
                true
            }
            None => false,
        }
    }

    /// Moves the cursor to the start.
    pub(crate) fn home(&mut self) {
        self.cursor = 0;
    }

    /// Moves the cursor to the end.
    pub(crate) fn end(&mut self) {
        self.cursor = self.text.len();
    }

    /// Walks the history, newest last; `older` goes back in time.
    pub(crate) fn recall(&mut self, history: &[String], older: bool) {
        let place = match (self.recall, older) {
            (None, true) => history.len().checked_sub(1),
            (Some(i), true) => Some(i.saturating_sub(1)),
            (Some(i), false) => Some(i + 1),
            (None, false) => None,
        };
        self.recall = place.filter(|i| *i < history.len());
        match self.recall.and_then(|i| history.get(i)) {
            Some(line) => self.set(&line.clone()),
            None if place.is_some() => self.set(""),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_like_in_a_shell() {
        let mut line = Prompt::new(PromptKind::Command, "tasks é");
        line.left();
        assert_eq!(line.split(), ("tasks ", "é"));
        line.delete_word();
        assert_eq!(line.text(), "é");
        line.insert('x');
        line.end();
        assert!(!line.right());
        assert!(line.backspace());
        assert_eq!(line.text(), "x");
        line.clear();
        assert!(!line.backspace());
    }

    #[test]
    fn history_is_walked_both_ways() {
        let history = vec!["one".to_owned(), "two".to_owned()];
        let mut line = Prompt::new(PromptKind::Command, "");
        line.recall(&history, true);
        assert_eq!(line.text(), "two");
        line.recall(&history, true);
        line.recall(&history, true);
        assert_eq!(line.text(), "one");
        line.recall(&history, false);
        line.recall(&history, false);
        assert_eq!(line.text(), "");
    }
}
