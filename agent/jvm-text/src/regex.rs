//! Regular expressions as `java.util.regex` reads them.
//!
//! The engine is `fancy-regex`: it knows look-around, back references, atomic groups and possessive
//! quantifiers, which Java users have in their configurations, and hands everything simpler to the linear
//! engine of `regex`. What is spelled differently is translated: `\Q...\E`, the ASCII meaning of `\d`, `\w`,
//! `\s`, `\h`, `\Z`, and POSIX classes such as `\p{Alpha}`. A pattern that would go on for ever in Java fails
//! here after a million steps back.
//!
//! Not translated, for want of use in names of topics: `\G`, `\R`, `\X`, `\N{...}` and classes of Java's own
//! (`\p{javaLowerCase}`); they are refused. So is a back reference to a group that is not there, which never
//! matches in Java.

use crate::Exception;

type Result<T> = std::result::Result<T, Exception>;
use fancy_regex::Regex;

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct JavaRegex {
    whole: Regex,
    first: Regex,
}

/// The empty expression.
impl Default for JavaRegex {
    fn default() -> Self {
        match Self::new("") {
            Ok(regex) => regex,
            Err(error) => unreachable!("the empty expression is valid: {error}"),
        }
    }
}

impl JavaRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// [`Exception::PatternSyntax`] with the engine's words.
    pub fn new(pattern: &str) -> Result<Self> {
        let translated = translate(pattern);
        let compile = |pattern: &str| {
            Regex::new(pattern).map_err(|error| Exception::PatternSyntax(error.to_string()))
        };
        // Alone first, so that a parenthesis too many can't close the group put around it.
        let first = compile(&translated)?;
        let whole = compile(&format!(r"\A(?:{translated})\z"))?;
        Ok(Self { whole, first })
    }

    /// Whether the expression matches all of a text (`Matcher.matches`).
    pub fn matches(&self, text: &str) -> Result<bool> {
        self.whole.is_match(text).map_err(|error| too_hard(&error))
    }

    /// Replaces the first match within a text (`Matcher.replaceFirst`): `$1` and `${name}` stand for groups,
    /// a backslash for the character after it.
    pub fn replace_first(&self, text: &str, replacement: &str) -> Result<String> {
        let Some(captures) = self
            .first
            .captures(text)
            .map_err(|error| too_hard(&error))?
        else {
            return Ok(text.to_owned());
        };
        let (start, end) = captures
            .get(0)
            .map_or((0, 0), |found| (found.start(), found.end()));
        let mut result = text.get(..start).unwrap_or_default().to_owned();
        expand(&captures, replacement, &mut result)?;
        result.push_str(text.get(end..).unwrap_or_default());
        Ok(result)
    }

    /// Replaces every match within a text (`Matcher.replaceAll`), as [`JavaRegex::replace_first`] the first.
    pub fn replace_all(&self, text: &str, replacement: &str) -> Result<String> {
        let mut result = String::with_capacity(text.len());
        let mut end = 0;
        for captures in self.first.captures_iter(text) {
            let captures = captures.map_err(|error| too_hard(&error))?;
            let Some(found) = captures.get(0) else {
                continue;
            };
            result.push_str(text.get(end..found.start()).unwrap_or_default());
            expand(&captures, replacement, &mut result)?;
            end = found.end();
        }
        result.push_str(text.get(end..).unwrap_or_default());
        Ok(result)
    }
}

fn too_hard(error: &fancy_regex::Error) -> Exception {
    Exception::TooManySteps(error.to_string())
}

fn illegal(message: impl Into<String>) -> Exception {
    Exception::IllegalArgument(message.into())
}

fn expand(
    captures: &fancy_regex::Captures<'_, str>,
    replacement: &str,
    result: &mut String,
) -> Result<()> {
    let mut rest = replacement.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(escaped) => result.push(escaped),
                None => return Err(illegal("character to be escaped is missing")),
            },
            '$' => {
                let group = match rest.clone().next() {
                    None => return Err(illegal("Illegal group reference: group index is missing")),
                    Some('{') => {
                        rest.next();
                        named_group(captures, &mut rest)?
                    }
                    Some(digit) if digit.is_ascii_digit() => {
                        let number = group_number(captures.len(), &mut rest)?;
                        captures.get(number)
                    }
                    Some(_) => return Err(illegal("Illegal group reference")),
                };
                if let Some(group) = group {
                    result.push_str(group.as_str());
                }
            }
            other => result.push(other),
        }
    }
    Ok(())
}

fn named_group<'t>(
    captures: &fancy_regex::Captures<'t, str>,
    rest: &mut std::str::Chars<'_>,
) -> Result<Option<fancy_regex::Match<'t>>> {
    let text = rest.as_str();
    let length = text
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    let (name, after) = text.split_at(length);
    if name.is_empty() {
        return Err(illegal("named capturing group is missing trailing '}'"));
    }
    let Some(after) = after.strip_prefix('}') else {
        return Err(illegal("named capturing group is missing trailing '}'"));
    };
    *rest = after.chars();
    match captures.name(name) {
        Some(group) => Ok(Some(group)),
        None => Err(illegal(format!("No group with name {{{name}}}"))),
    }
}

/// The number after `$`: as many digits as still name a group, at least one. `groups` counts the whole match
/// too.
fn group_number(groups: usize, rest: &mut std::str::Chars<'_>) -> Result<usize> {
    let mut number = 0;
    let mut first = true;
    while let Some(digit) = rest.clone().next().and_then(|c| c.to_digit(10)) {
        let longer = number * 10 + digit as usize;
        if !first && longer >= groups {
            break;
        }
        if longer >= groups {
            return Err(Exception::IndexOutOfBounds(format!("No group {longer}")));
        }
        number = longer;
        first = false;
        rest.next();
    }
    Ok(number)
}

/// Spells a Java expression for the engine.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut class_depth = 0_usize;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '[' => {
                class_depth += 1;
                out.push(c);
            }
            ']' => {
                class_depth = class_depth.saturating_sub(1);
                out.push(c);
            }
            '\\' => rest = escape(rest, class_depth > 0, &mut out),
            other => out.push(other),
        }
    }
    out
}

/// Translates what follows a backslash and gives the text behind it.
fn escape<'a>(rest: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(c) = rest.chars().next() else {
        out.push('\\');
        return rest;
    };
    let after = rest.get(c.len_utf8()..).unwrap_or_default();
    let class = match c {
        'Q' => {
            let (literal, after) = after.split_once("\\E").unwrap_or((after, ""));
            out.push_str(&fancy_regex::escape(literal));
            return after;
        }
        'p' | 'P' => {
            if let Some((set, after)) = posix_class(after) {
                push_class(out, set, c == 'P', in_class);
                return after;
            }
            None
        }
        'd' | 'D' => Some("0-9"),
        'w' | 'W' => Some("a-zA-Z0-9_"),
        's' | 'S' => Some(r" \t\n\x0B\x0C\r"),
        'h' | 'H' => Some(r" \t\u{A0}\u{1680}\u{180E}\u{2000}-\u{200A}\u{202F}\u{205F}\u{3000}"),
        'Z' if !in_class => {
            out.push_str(r"(?=\n?\z)");
            return after;
        }
        _ => None,
    };
    match class {
        Some(set) => push_class(out, set, c.is_ascii_uppercase(), in_class),
        None if c == '<' || c == '>' => out.push(c),
        None => {
            out.push('\\');
            out.push(c);
        }
    }
    after
}

fn push_class(out: &mut String, set: &str, negated: bool, in_class: bool) {
    match (negated, in_class) {
        (false, true) => out.push_str(set),
        (false, false) => {
            out.push('[');
            out.push_str(set);
            out.push(']');
        }
        (true, _) => {
            out.push_str("[^");
            out.push_str(set);
            out.push(']');
        }
    }
}

/// The ASCII set of a POSIX class in braces, and the text behind it.
fn posix_class(rest: &str) -> Option<(&'static str, &str)> {
    let (name, after) = rest.strip_prefix('{')?.split_once('}')?;
    let set = match name {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => r"\x00-\x7F",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "a-zA-Z0-9",
        "Punct" => r"!-/:-@\[-`{-~",
        "Graph" => "!-~",
        "Print" => " -~",
        "Blank" => r" \t",
        "Cntrl" => r"\x00-\x1F\x7F",
        "XDigit" => "0-9a-fA-F",
        "Space" => r" \t\n\x0B\x0C\r",
        _ => return None,
    };
    Some((set, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(regex: &str, replacement: &str, topic: &str) -> String {
        let regex = JavaRegex::new(regex).unwrap();
        if regex.matches(topic).unwrap() {
            regex.replace_first(topic, replacement).unwrap()
        } else {
            topic.to_owned()
        }
    }

    #[test]
    fn the_whole_text_must_match_and_the_first_match_is_replaced() {
        assert_eq!(routed("(.*)-v\\d+", "$1", "orders-v12"), "orders");
        assert_eq!(routed("orders", "x", "orders2"), "orders2");
        assert_eq!(
            routed("a|ab", "x", "ab"),
            "xb",
            "as Java: found again from the start"
        );
        assert_eq!(routed("(?=o)(?<n>.*)", "${n}!", "orders"), "orders!");
        assert_eq!(routed("\\Qa.b\\E(.*)", "\\$1$1\\\\", "a.bc"), "$1c\\");
        assert_eq!(routed("(\\p{Alpha}+)[\\d_]*", "$1", "abc_12"), "abc");
    }

    #[test]
    fn group_numbers_take_as_many_digits_as_name_a_group() {
        assert_eq!(routed("(a)(b)", "$2$11", "ab"), "ba1");
        let regex = JavaRegex::new("(a)").unwrap();
        assert_eq!(
            regex.replace_first("a", "$2").unwrap_err().to_string(),
            "No group 2"
        );
        assert!(regex.replace_first("a", "$").is_err());
        assert!(regex.replace_first("a", "x\\").is_err());
        assert!(regex.replace_first("a", "${n}").is_err());
    }

    #[test]
    fn a_stray_parenthesis_is_refused() {
        assert!(JavaRegex::new("a)(b").is_err());
        assert!(JavaRegex::new("[a").is_err());
    }
}
