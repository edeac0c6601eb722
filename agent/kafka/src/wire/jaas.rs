//! The text of `sasl.jaas.config`: one login module with its options.
//!
//! Form, with comments as in Java: `<class> <required|requisite|sufficient|optional> key="value" key=value
//! ... ;`

use std::iter::Peekable;
use std::str::Chars;

use indexmap::IndexMap;

/// One login module entry. `Debug` shows no option values, which include passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct JaasEntry {
    /// Class name of the login module.
    pub module: String,
    /// Its options.
    pub options: IndexMap<String, String>,
}

impl std::fmt::Debug for JaasEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JaasEntry")
            .field("module", &self.module)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// Why the text is no login module entry. Never shows the text itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JaasError {
    /// A part is missing.
    #[error("sasl.jaas.config: {0} missing")]
    Missing(&'static str),
    /// The control flag is none of Java's.
    #[error("sasl.jaas.config: control flag is none of required, requisite, sufficient, optional")]
    ControlFlag,
    /// An option is not `key=value`.
    #[error("sasl.jaas.config: option {0} is not of the form key=\"value\"")]
    Option(usize),
    /// A quote is never closed.
    #[error("sasl.jaas.config: unclosed quote")]
    Unclosed,
    /// There is more than one entry.
    #[error("sasl.jaas.config: only one login module is supported")]
    TooMany,
}

/// Reads the text of `sasl.jaas.config`.
pub fn parse(text: &str) -> Result<JaasEntry, JaasError> {
    let tokens = tokens(text)?;
    let mut tokens = tokens.into_iter();
    let mut word = |what| match tokens.next() {
        Some(Token::Text(text)) => Ok(text),
        _ => Err(JaasError::Missing(what)),
    };
    let module = word("login module class")?;
    let flag = word("control flag")?;
    if !["required", "requisite", "sufficient", "optional"]
        .contains(&flag.to_ascii_lowercase().as_str())
    {
        return Err(JaasError::ControlFlag);
    }
    let mut options = IndexMap::new();
    loop {
        match tokens.next() {
            None => return Err(JaasError::Missing("final semicolon")),
            Some(Token::Semicolon) => break,
            Some(Token::Text(key)) => {
                let number = options.len() + 1;
                match (tokens.next(), tokens.next()) {
                    (Some(Token::Equals), Some(Token::Text(value))) => options.insert(key, value),
                    _ => return Err(JaasError::Option(number)),
                };
            }
            Some(Token::Equals) => return Err(JaasError::Option(options.len() + 1)),
        }
    }
    match tokens.next() {
        None => Ok(JaasEntry { module, options }),
        Some(_) => Err(JaasError::TooMany),
    }
}

enum Token {
    Text(String),
    Equals,
    Semicolon,
}

fn tokens(text: &str) -> Result<Vec<Token>, JaasError> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '/' if chars.peek() == Some(&'/') => {
                chars.by_ref().find(|c| *c == '\n');
            }
            '/' if chars.peek() == Some(&'*') => skip_comment(&mut chars)?,
            '=' => tokens.push(Token::Equals),
            ';' => tokens.push(Token::Semicolon),
            '"' | '\'' => tokens.push(Token::Text(quoted(&mut chars, c)?)),
            first => {
                let mut word = String::from(first);
                while let Some(next) =
                    chars.next_if(|c| !c.is_whitespace() && !matches!(c, '=' | ';' | '"' | '\''))
                {
                    word.push(next);
                }
                tokens.push(Token::Text(word));
            }
        }
    }
    Ok(tokens)
}

/// Passes over a comment up to `*/`.
fn skip_comment(chars: &mut Peekable<Chars<'_>>) -> Result<(), JaasError> {
    chars.next();
    loop {
        let c = chars.next().ok_or(JaasError::Unclosed)?;
        if c == '*' && chars.next_if_eq(&'/').is_some() {
            return Ok(());
        }
    }
}

/// A text up to its closing quote, with Java's escapes (`java.io.StreamTokenizer`).
fn quoted(chars: &mut Peekable<Chars<'_>>, quote: char) -> Result<String, JaasError> {
    let mut text = String::new();
    loop {
        let c = chars.next().ok_or(JaasError::Unclosed)?;
        if c == quote {
            return Ok(text);
        }
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match chars.next().ok_or(JaasError::Unclosed)? {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            first @ '0'..='7' => octal(chars, first),
            other => other,
        });
    }
}

/// The character of up to three octal digits, at most `\377`.
fn octal(chars: &mut Peekable<Chars<'_>>, first: char) -> char {
    let mut number = first.to_digit(8).unwrap_or(0);
    let most = if first <= '3' { 2 } else { 1 };
    for _ in 0..most {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) else {
            break;
        };
        chars.next();
        number = number * 8 + digit;
    }
    char::from_u32(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_read_with_quoted_and_plain_options() {
        let entry =
            parse("a.b.PlainLoginModule required\n username=\"al;ice\" password='x=\"y' n=1;")
                .unwrap();
        assert_eq!(entry.module, "a.b.PlainLoginModule");
        assert_eq!(entry.options["username"], "al;ice");
        assert_eq!(entry.options["password"], "x=\"y");
        assert_eq!(entry.options["n"], "1");
        assert!(!format!("{entry:?}").contains("alice"));
    }

    #[test]
    fn comments_and_escapes_are_javas() {
        let entry = parse(
            "// who\na.B /* how */ required user=\"a\\141\\0601\\478\\t\\q/*x*/\" /* ; */ pass='//';// \
             end\n/**/",
        )
        .unwrap();
        assert_eq!(entry.module, "a.B");
        assert_eq!(entry.options["user"], "aa01'8\tq/*x*/");
        assert_eq!(entry.options["pass"], "//");
        assert_eq!(parse("a required /* x"), Err(JaasError::Unclosed));
        assert_eq!(parse("a required x='\\"), Err(JaasError::Unclosed));
    }

    #[test]
    fn faults_say_what_is_missing_and_not_what_is_there() {
        for (text, expected) in [
            ("", JaasError::Missing("login module class")),
            ("a", JaasError::Missing("control flag")),
            ("a sometimes;", JaasError::ControlFlag),
            (
                "a required user=\"x\"",
                JaasError::Missing("final semicolon"),
            ),
            ("a required user;", JaasError::Option(1)),
            ("a required user=\"x;", JaasError::Unclosed),
            ("a required; b required;", JaasError::TooMany),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }
}
