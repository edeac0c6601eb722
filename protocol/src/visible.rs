//! Text from outside that people read: what cannot be seen in it, or could be taken for more than text.

use std::borrow::Cow;

/// Whether a character is drawn as itself, and can't reorder or hide its neighbours: no control character, no
/// bidirectional override, no invisible format character.
#[must_use]
pub fn is_plain(c: char) -> bool {
    if c.is_control() {
        return false;
    }
    !matches!(c,
        '\u{00ad}' | '\u{061c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// A text in which every character that is not plain is shown by its code (`\u{200b}`), line ends and tabs
/// excepted.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let stays = |c: char| is_plain(c) || matches!(c, '\n' | '\t');
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if stays(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown_by_its_code() {
        assert!(matches!(
            visible("a\n\tb \u{e4}\u{1f600}"),
            Cow::Borrowed(_)
        ));
        assert_eq!(
            visible("a\u{200b}b\u{1b}[31m\r"),
            "a\\u{200b}b\\u{1b}[31m\\r"
        );
        assert_ne!(visible("a\u{200b}"), visible("a\u{200c}"));
        assert_eq!(
            visible(&visible("a\u{85}")),
            "a\\u{85}",
            "twice is the same"
        );
    }
}
