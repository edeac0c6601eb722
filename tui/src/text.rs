//! The one type for text that comes from outside (topics, REST, connectors, files) and may reach a terminal.
//!
//! A [`Text`] never holds a control character, an escape sequence, a bidirectional override or an invisible
//! format character, and its size is capped. Views draw nothing from outside that is not a `Text`.

use std::fmt;
use std::sync::Arc;

use sluice_protocol::visible::is_plain;

/// Largest single-line text kept, in bytes. Of longer input the middle is left out: the end of a message is
/// its reason.
const LINE_CAP: usize = 1_024;
/// Largest multi-line text (a stack trace, a configuration value) kept, in bytes.
const BLOCK_CAP: usize = 64 * 1_024;

/// One line of sanitized text, cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Text(Arc<str>);

impl Text {
    /// Sanitizes `raw` into one line: line breaks and tabs become one space each.
    pub(crate) fn line(raw: &str) -> Self {
        if raw.len() <= LINE_CAP && raw.chars().all(is_plain) {
            return Self(Arc::from(raw));
        }
        Self(Arc::from(shortened(cleaned(raw))))
    }

    /// The same without a limit of its own; for lines of a block, which has one.
    pub(crate) fn whole(raw: &str) -> Self {
        if raw.chars().all(is_plain) {
            return Self(Arc::from(raw));
        }
        Self(Arc::from(cleaned(raw)))
    }

    /// Sanitizes a name into one line. What a line would drop is shown by its code (`\u{200b}`), since
    /// names that differ by an invisible character are different things.
    pub(crate) fn name(raw: &str) -> Self {
        if raw.len() <= LINE_CAP && raw.chars().all(is_plain) {
            return Self(Arc::from(raw));
        }
        let mut shown = String::with_capacity(raw.len());
        for c in raw.chars() {
            if is_plain(c) {
                shown.push(c);
            } else {
                shown.extend(c.escape_default());
            }
        }
        Self::line(&shown)
    }

    /// The text, safe to draw.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing is left to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Arc::from(""))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<&str> for Text {
    fn from(raw: &str) -> Self {
        Self::line(raw)
    }
}

/// A line without what a terminal could take for more than text.
fn cleaned(raw: &str) -> String {
    let mut clean = String::with_capacity(raw.len());
    for c in Escapes::new(raw) {
        match c {
            '\n' | '\t' => clean.push(' '),
            c if is_plain(c) => clean.push(c),
            _ => {}
        }
    }
    clean
}

/// A text of at most [`LINE_CAP`] bytes and an ellipsis in its middle.
fn shortened(text: String) -> String {
    if text.len() <= LINE_CAP {
        return text;
    }
    let head = floor(&text, LINE_CAP / 2);
    let tail = floor(&text, text.len() - LINE_CAP / 2 + 3);
    format!("{}…{}", &text[..head], &text[tail..])
}

/// The last border of a character up to `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0)
}

/// Sanitizes a block of text into lines; tabs become four spaces. Of a block larger than 64 KiB the middle
/// is left out: a stack trace has its outermost exception first and the reason last.
pub(crate) fn lines(raw: &str) -> Vec<Text> {
    if raw.len() <= BLOCK_CAP {
        return block(raw);
    }
    let head = floor(raw, BLOCK_CAP / 2);
    let tail = floor(raw, raw.len() - BLOCK_CAP / 2);
    let mut out = block(&raw[..head]);
    let bytes = tail - head;
    out.push(Text::line(&format!("… ({bytes} bytes left out here)")));
    out.extend(block(&raw[tail..]));
    out
}

fn block(raw: &str) -> Vec<Text> {
    let mut out = Vec::new();
    for line in raw.lines() {
        let expanded;
        let line = if line.contains('\t') {
            expanded = line.replace('\t', "    ");
            &expanded
        } else {
            line
        };
        out.push(Text::whole(line));
    }
    out
}

/// Characters of a text without its ECMA-48 escape sequences, so that `ESC[31mred` leaves `red`, not
/// `[31mred`.
struct Escapes<'a> {
    rest: std::str::Chars<'a>,
}

impl<'a> Escapes<'a> {
    fn new(raw: &'a str) -> Self {
        Self { rest: raw.chars() }
    }

    /// Skips what follows an introducer: parameters up to a final byte, or a string up to its terminator.
    fn skip_csi(&mut self) {
        for c in self.rest.by_ref() {
            if ('\u{40}'..='\u{7e}').contains(&c) {
                break;
            }
        }
    }

    fn skip_string(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\u{7}' || c == '\u{9c}' {
                break;
            }
            if c == '\u{1b}' {
                self.rest.next();
                break;
            }
        }
    }
}

impl Iterator for Escapes<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            match self.rest.next()? {
                '\u{1b}' => match self.rest.next()? {
                    '[' => self.skip_csi(),
                    ']' | 'P' | '_' | '^' | 'X' => self.skip_string(),
                    _ => {}
                },
                '\u{9b}' => self.skip_csi(),
                '\u{9d}' | '\u{90}' => self.skip_string(),
                c => return Some(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_leave_only_their_visible_text() {
        assert_eq!(Text::line("\u{1b}[31mred\u{1b}[0m").as_str(), "red");
        assert_eq!(Text::line("a\u{1b}]0;title\u{7}b").as_str(), "ab");
        assert_eq!(Text::line("a\u{9b}2Jb\u{1b}cc").as_str(), "abc");
    }

    #[test]
    fn control_and_bidi_characters_are_dropped() {
        assert_eq!(Text::line("a\u{202e}b\u{0}\u{7f}c\u{200b}").as_str(), "abc");
        assert_eq!(Text::line("a\nb\tc").as_str(), "a b c");
    }

    #[test]
    fn names_show_what_is_invisible_in_them() {
        assert_eq!(Text::name("orders").as_str(), "orders");
        assert_eq!(Text::name("a\u{200b}b\n").as_str(), "a\\u{200b}b\\n");
        assert_eq!(Text::name("\u{1b}[2Jx").as_str(), "\\u{1b}[2Jx");
        assert_ne!(Text::name("a\u{200b}"), Text::name("a"));
    }

    #[test]
    fn long_text_is_cut_with_an_ellipsis() {
        let long = "é".repeat(LINE_CAP);
        let text = Text::line(&long);
        assert!(text.as_str().len() <= LINE_CAP + '…'.len_utf8());
        assert!(text.as_str().contains('…'));
        let reason = format!(
            "Batch entry 0 INSERT {} was aborted: duplicate key",
            "x".repeat(3_000)
        );
        assert!(Text::line(&reason).as_str().ends_with("duplicate key"));
        assert!(Text::line(&reason).as_str().starts_with("Batch entry 0"));
    }

    #[test]
    fn a_long_line_of_a_block_is_whole() {
        let reason = format!("{} was aborted: duplicate key", "x".repeat(3_000));
        assert_eq!(lines(&reason)[0].as_str(), reason);
    }

    #[test]
    fn a_huge_block_is_capped() {
        let block = "x".repeat(500) + "\n";
        let lines = lines(&block.repeat(1_000));
        assert!(lines.len() < 140);
        assert!(lines[0].as_str().starts_with('x'));
        let trace = format!("{}\nCaused by: the reason", "\tat x\n".repeat(20_000));
        let lines = super::lines(&trace);
        assert_eq!(
            lines.last().map(Text::as_str),
            Some("Caused by: the reason")
        );
    }
}
