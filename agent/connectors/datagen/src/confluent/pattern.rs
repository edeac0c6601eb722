//! Text that matches a regular expression.
//!
//! The expressions are those of `avro-random-generator` (dk.brics.automaton, by way of Generex) without what
//! only automata have. They describe the whole text. A length is a wish: text gets as near to it as the
//! expression allows.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::java_random::JavaRandom;

/// More characters than a pattern may ask for at least.
const MOST_CHARACTERS: u64 = 1 << 20;
/// Characters that stand for sets of texts in the expressions of the JVM's generator unless they are escaped.
const SPECIAL: &str = "\"@&~<>#^$";

/// An expression with what its texts may measure in characters.
#[derive(Debug)]
pub(crate) struct Pattern {
    kind: Kind,
    shortest: u64,
    longest: u64,
}

#[derive(Debug)]
enum Kind {
    Text(String),
    /// First character and count of each range, and the count of all.
    Class(Vec<(u32, u32)>, u32),
    Concat(Vec<Pattern>),
    Either(Vec<Pattern>),
    Repeat {
        of: Box<Pattern>,
        least: u64,
        most: Option<u64>,
    },
}

impl Pattern {
    /// # Errors
    /// Why the expression cannot be used.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let hir = regex_syntax::Parser::new()
            .parse(&translated(text)?)
            .map_err(|error| {
                let why = error.to_string();
                why.lines().last().unwrap_or_default().to_owned()
            })?;
        let pattern = Self::of(&hir)?;
        if pattern.shortest > MOST_CHARACTERS {
            return Err(format!(
                "it matches only text of more than {MOST_CHARACTERS} characters"
            ));
        }
        Ok(pattern)
    }

    fn of(hir: &Hir) -> Result<Self, String> {
        match hir.kind() {
            HirKind::Empty => Ok(Self::text(String::new())),
            HirKind::Literal(literal) => {
                let text = String::from_utf8(literal.0.to_vec());
                Ok(Self::text(text.map_err(|error| error.to_string())?))
            }
            HirKind::Class(class) => Self::class(class),
            HirKind::Look(_) => Err(
                "it holds an anchor or a word boundary; texts always match as a whole".to_owned(),
            ),
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Repetition(repetition) => {
                let of = Box::new(Self::of(&repetition.sub)?);
                let (least, most) = (repetition.min.into(), repetition.max.map(u64::from));
                Ok(Self {
                    shortest: of.shortest.saturating_mul(least),
                    longest: of.longest.saturating_mul(most.unwrap_or(u64::MAX)),
                    kind: Kind::Repeat { of, least, most },
                })
            }
            HirKind::Concat(parts) => {
                let parts: Vec<Self> = parts.iter().map(Self::of).collect::<Result<_, _>>()?;
                Ok(Self {
                    shortest: sum(&parts, |part| part.shortest),
                    longest: sum(&parts, |part| part.longest),
                    kind: Kind::Concat(parts),
                })
            }
            HirKind::Alternation(parts) => {
                let parts: Vec<Self> = parts.iter().map(Self::of).collect::<Result<_, _>>()?;
                let shortest = parts.iter().map(|part| part.shortest).min();
                let longest = parts.iter().map(|part| part.longest).max();
                Ok(Self {
                    shortest: shortest.unwrap_or(0),
                    longest: longest.unwrap_or(0),
                    kind: Kind::Either(parts),
                })
            }
        }
    }

    fn text(text: String) -> Self {
        let length = text.chars().count() as u64;
        Self {
            kind: Kind::Text(text),
            shortest: length,
            longest: length,
        }
    }

    /// A class, of which only what ASCII can print is taken if it has any of that.
    fn class(class: &Class) -> Result<Self, String> {
        let ranges: Vec<(u32, u32)> = match class {
            Class::Unicode(class) => {
                let ranges = class.ranges().iter();
                ranges
                    .map(|range| (range.start().into(), range.end().into()))
                    .collect()
            }
            Class::Bytes(class) => {
                let ranges = class.ranges().iter();
                ranges
                    .map(|range| (range.start().into(), range.end().into()))
                    .collect()
            }
        };
        let printable: Vec<(u32, u32)> = ranges
            .iter()
            .map(|(start, end)| ((*start).max(0x20), (*end).min(0x7E)))
            .filter(|(start, end)| start <= end)
            .collect();
        let taken = if printable.is_empty() {
            ranges
        } else {
            printable
        };
        let counted: Vec<(u32, u32)> = taken
            .iter()
            .map(|(start, end)| (*start, end - start + 1))
            .collect();
        let total = counted.iter().map(|(_, count)| count).sum();
        if total == 0 {
            return Err("it matches no text".to_owned());
        }
        Ok(Self {
            kind: Kind::Class(counted, total),
            shortest: 1,
            longest: 1,
        })
    }

    /// Appends a text, of a length within the two ends if that is possible. Answers how many characters it
    /// has.
    pub(crate) fn write(
        &self,
        random: &mut JavaRandom,
        shortest: u64,
        longest: u64,
        out: &mut String,
    ) -> u64 {
        match &self.kind {
            Kind::Text(text) => {
                out.push_str(text);
                self.shortest
            }
            Kind::Class(ranges, total) => {
                let mut index = random.index(*total as usize) as u32;
                for (start, count) in ranges {
                    if index < *count {
                        out.push(char::from_u32(start + index).unwrap_or('?'));
                        break;
                    }
                    index -= count;
                }
                1
            }
            Kind::Concat(parts) => write_all(parts.iter(), random, shortest, longest, out),
            Kind::Either(parts) => {
                let fits = |part: &&Self| part.shortest <= longest && part.longest >= shortest;
                let fitting: Vec<&Self> = parts.iter().filter(fits).collect();
                let part = match fitting.is_empty() {
                    true => &parts[random.index(parts.len())],
                    false => fitting[random.index(fitting.len())],
                };
                part.write(random, shortest, longest, out)
            }
            Kind::Repeat { of, least, most } => {
                let times = times(of, *least, *most, shortest, longest);
                let spread = i32::try_from(times.1 - times.0 + 1).unwrap_or(i32::MAX);
                let count = times.0 + u64::try_from(random.below(spread)).unwrap_or(0);
                let copies = std::iter::repeat_n(&**of, usize::try_from(count).unwrap_or(0));
                write_all(copies, random, shortest, longest, out)
            }
        }
    }
}

/// The fewest and the most repetitions by which a text can have the wished length, or come near it.
fn times(of: &Pattern, least: u64, most: Option<u64>, shortest: u64, longest: u64) -> (u64, u64) {
    if of.longest == 0 {
        return (0, 0);
    }
    // Repetitions that may be empty are left out beyond the length that is wished.
    let least = if of.shortest == 0 {
        least.min(longest)
    } else {
        least
    };
    let most = most.unwrap_or(u64::MAX).max(least);
    let fewest = shortest.div_ceil(of.longest).clamp(least, most);
    let room = longest / of.shortest.max(1);
    (fewest, room.clamp(fewest, most.max(fewest)))
}

/// Writes parts one after another; each leaves to the rest what those need.
fn write_all<'a>(
    parts: impl Iterator<Item = &'a Pattern> + Clone,
    random: &mut JavaRandom,
    shortest: u64,
    longest: u64,
    out: &mut String,
) -> u64 {
    let mut least_of_rest = parts
        .clone()
        .fold(0_u64, |sum, part| sum.saturating_add(part.shortest));
    let mut most_of_rest = parts
        .clone()
        .fold(0_u64, |sum, part| sum.saturating_add(part.longest));
    let mut written = 0_u64;
    for part in parts {
        least_of_rest = least_of_rest.saturating_sub(part.shortest);
        most_of_rest = most_of_rest.saturating_sub(part.longest);
        let wish = (
            shortest
                .saturating_sub(written)
                .saturating_sub(most_of_rest),
            longest
                .saturating_sub(written)
                .saturating_sub(least_of_rest),
        );
        written += part.write(random, wish.0, wish.1, out);
    }
    written
}

fn sum(parts: &[Pattern], of: fn(&Pattern) -> u64) -> u64 {
    parts
        .iter()
        .fold(0, |sum, part| sum.saturating_add(of(part)))
}

/// The expression in the syntax of the parser: an escaped sign is that sign.
fn translated(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_ascii_alphanumeric() => {
                    out.push_str(&regex_syntax::escape(&escaped.to_string()));
                }
                Some(escaped) => out.extend(['\\', escaped]),
                None => return Err("it ends with a backslash".to_owned()),
            },
            '[' if !in_class => {
                in_class = true;
                out.push(c);
                if let Some(rest) = chars.as_str().strip_prefix('^') {
                    out.push('^');
                    chars = rest.chars();
                }
            }
            ']' => {
                in_class = false;
                out.push(c);
            }
            c if !in_class && SPECIAL.contains(c) => {
                return Err(format!(
                    "{c} has a meaning of its own in these expressions; write \\{c} for the character"
                ));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{JavaRandom, Pattern};

    fn texts(pattern: &str, shortest: u64, longest: u64) -> Vec<String> {
        let parsed = Pattern::parse(pattern).expect("a pattern");
        let mut random = JavaRandom::new(1);
        (0..200)
            .map(|_| {
                let mut out = String::new();
                let written = parsed.write(&mut random, shortest, longest, &mut out);
                assert_eq!(written, out.chars().count() as u64, "{pattern}: {out}");
                out
            })
            .collect()
    }

    #[test]
    fn texts_match_as_a_whole_and_have_the_length_where_that_is_possible() {
        for (pattern, shortest, longest) in [
            ("User_[1-9]", 6, 6),
            ("Item_[1-9][0-9]{0,2}", 8, 8),
            ("City_[1-9]{0,2}", 7, 7),
            (r"[A-Z]{2}\d{6}[A-Z]", 9, 9),
            (r"\[[0-9][0-9],[0-9][0-9]\]", 7, 7),
            ("https://www[.]acme[.]com/product/[a-z]{5}", 34, 34),
            ("[a-z]+", 8, 15),
            (".*", 8, 15),
            ("([a-c]{2})*x?", 8, 15),
            (r"(a|bb)+\@\w{3}", 8, 15),
            ("[^a-z]{8,40}", 8, 15),
        ] {
            // A matcher of another kind, that of the transformations.
            let regex = sluice_jvm_text::regex::JavaRegex::new(pattern).expect("an expression");
            for text in texts(pattern, 8, 15) {
                let length = text.chars().count();
                assert!((shortest..=longest).contains(&length), "{pattern}: {text}");
                assert!(regex.matches(&text).expect("a match"), "{pattern}: {text}");
            }
        }
    }

    #[test]
    fn all_branches_are_taken() {
        for pattern in ["yes|no|maybe", "(a|b|c)x", "ab?"] {
            let found: std::collections::BTreeSet<String> =
                texts(pattern, 0, 15).into_iter().collect();
            assert_eq!(
                found.len(),
                if pattern == "ab?" { 2 } else { 3 },
                "{found:?}"
            );
        }
        let found: std::collections::BTreeSet<String> =
            texts("yes|no|maybe", 8, 15).into_iter().collect();
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn what_has_another_meaning_or_no_end_is_refused() {
        for (pattern, why) in [
            ("a@b", "write \\@"),
            ("^a$", "write \\^"),
            ("(a", "unclosed group"),
            ("a\\", "backslash"),
            (r"\bx", "word boundary"),
            ("(a{1000}){10000}", "more than 1048576 characters"),
        ] {
            let error = Pattern::parse(pattern).expect_err(pattern);
            assert!(error.contains(why), "{pattern}: {error}");
        }
        // What may be empty takes no time, however often it is repeated.
        for pattern in ["(a?){4000000000}", "(()){4000000000}"] {
            assert!(texts(pattern, 8, 15).iter().all(|text| text.len() <= 15));
        }
    }
}
