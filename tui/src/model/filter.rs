//! Row filters as k9s has them: `re`, `!re`, `-l key=value`, `-f fuzzy`.

use regex::{Regex, RegexBuilder};

/// What a filter may look at in a row.
pub(crate) trait Subject {
    /// All visible text of the row, for expressions and fuzzy matching.
    fn haystack(&self) -> String;
    /// The value of a label: `health`, `type`, `state`, `worker`, or a configuration key.
    fn label(&self, key: &str) -> Option<String>;
    /// Further values that a label also has: `health` of everything that is not well is also `bad`.
    fn also(&self, _key: &str) -> Option<&'static str> {
        None
    }
}

/// A filter as typed and as understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    text: String,
    rule: Rule,
}

#[derive(Clone, Debug, Default)]
enum Rule {
    #[default]
    All,
    Matches(Regex),
    Not(Regex),
    Fuzzy(String),
    Labels(Vec<(String, Regex)>),
}

impl<S: Subject> Subject for &S {
    fn haystack(&self) -> String {
        (**self).haystack()
    }

    fn label(&self, key: &str) -> Option<String> {
        (**self).label(key)
    }

    fn also(&self, key: &str) -> Option<&'static str> {
        (**self).also(key)
    }
}

impl Filter {
    /// Reads what was typed after `/`. Never fails: an incomplete expression is taken literally, so that
    /// filtering works while typing.
    pub(crate) fn parse(text: &str) -> Self {
        let trimmed = text.trim_start();
        let rule = if trimmed.trim_end().is_empty() {
            Rule::All
        } else if let Some(rest) = trimmed.strip_prefix("-l") {
            labels(rest)
        } else if let Some(rest) = trimmed.strip_prefix("-f") {
            let needle = rest.trim().to_lowercase();
            if needle.is_empty() {
                Rule::All
            } else {
                Rule::Fuzzy(needle)
            }
        } else if let Some(rest) = trimmed.strip_prefix('!') {
            if rest.is_empty() {
                Rule::All
            } else {
                expression(rest).map_or(Rule::All, Rule::Not)
            }
        } else if is_labels(trimmed) {
            labels(trimmed)
        } else {
            expression(trimmed).map_or(Rule::All, Rule::Matches)
        };
        Self {
            text: text.to_owned(),
            rule,
        }
    }

    /// The filter as it was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether every row passes.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.rule, Rule::All)
    }

    /// Whether a row passes.
    pub(crate) fn accepts(&self, subject: &impl Subject) -> bool {
        match &self.rule {
            Rule::All => true,
            Rule::Matches(regex) => regex.is_match(&subject.haystack()),
            Rule::Not(regex) => !regex.is_match(&subject.haystack()),
            Rule::Fuzzy(needle) => is_subsequence(needle, &subject.haystack().to_lowercase()),
            Rule::Labels(pairs) => pairs.iter().all(|(key, glob)| {
                let label = subject.label(key);
                label.is_some_and(|value| glob.is_match(&value))
                    || subject.also(key).is_some_and(|value| glob.is_match(value))
            }),
        }
    }
}

/// `health=bad,type=sink` is short for a label filter: keys are words, and no expression one would type
/// looks like it.
fn is_labels(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.split(',').all(|pair| {
        pair.split_once('=').is_some_and(|(key, value)| {
            !key.is_empty() && key.chars().all(word) && !value.trim().is_empty()
        })
    })
}

/// Compiles with smart case; what isn't a valid expression is matched literally.
fn expression(source: &str) -> Option<Regex> {
    let insensitive = !source.chars().any(char::is_uppercase);
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .case_insensitive(insensitive)
            .size_limit(1 << 20)
            .build()
            .ok()
    };
    build(source).or_else(|| build(&regex::escape(source)))
}

fn labels(source: &str) -> Rule {
    let pairs: Vec<(String, Regex)> = source
        .split(',')
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let (key, value) = (key.trim(), value.trim());
            if key.is_empty() || value.is_empty() {
                return None;
            }
            Some((key.to_owned(), glob(value)?))
        })
        .collect();
    if pairs.is_empty() {
        Rule::All
    } else {
        Rule::Labels(pairs)
    }
}

/// `*` stands for any text, everything else for itself; case does not count.
fn glob(value: &str) -> Option<Regex> {
    let body: Vec<String> = value.split('*').map(regex::escape).collect();
    RegexBuilder::new(&format!("^{}$", body.join(".*")))
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .build()
        .ok()
}

fn is_subsequence(needle: &str, haystack: &str) -> bool {
    let mut rest = haystack.chars();
    needle
        .chars()
        .filter(|c| !c.is_whitespace())
        .all(|wanted| rest.any(|c| c == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(&'static str);
    impl Subject for Row {
        fn haystack(&self) -> String {
            self.0.to_owned()
        }
        fn label(&self, key: &str) -> Option<String> {
            (key == "connector.class").then(|| "io.x.JdbcSink".to_owned())
        }
    }

    fn passes(filter: &str, row: &'static str) -> bool {
        Filter::parse(filter).accepts(&Row(row))
    }

    #[test]
    fn expressions_match_anywhere_with_smart_case() {
        assert!(passes("ord.*s3", "x Orders-S3"));
        assert!(!passes("Ord.*S3", "orders-s3"));
        assert!(!passes("!s3", "orders-s3"));
        assert!(passes("!jdbc", "orders-s3"));
    }

    #[test]
    fn an_unfinished_expression_is_literal_and_an_empty_one_passes_all() {
        assert!(passes("a(", "xa(b"));
        assert!(!passes("a(", "ab"));
        for all in ["", " ", "!", "-f ", "-l x", "-l"] {
            assert!(passes(all, "anything"), "{all}");
            assert!(Filter::parse(all).is_empty());
        }
    }

    #[test]
    fn labels_are_configuration_keys_with_globs() {
        assert!(passes("-l connector.class=*jdbc*", "x"));
        assert!(!passes("-l connector.class=*s3*", "x"));
        assert!(!passes("-l topic=a", "x"));
        assert!(!passes("-l connector.class=*jdbc*,topic=a", "x"));
    }

    #[test]
    fn pairs_of_key_and_value_are_labels_with_or_without_the_switch() {
        assert!(passes("connector.class=*jdbc*", "x"));
        assert!(!passes("connector.class=*s3*", "x"));
        assert!(passes("a=", "x a= y") && passes("(a=b)", "x a=b"));
    }

    #[test]
    fn fuzzy_letters_come_in_order() {
        assert!(passes("-f ods3", "orders-s3"));
        assert!(!passes("-f 3so", "orders-s3"));
    }
}
