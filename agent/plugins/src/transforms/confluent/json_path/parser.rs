//! The text of a path to its steps.

use sluice_api::Value;
use sluice_jvm_text::regex::JavaRegex;

use super::Step;
use super::filter::{Expression, Operand, Operator};

/// Nesting of conditions beyond this is refused.
const MAX_DEPTH: usize = 50;

type Parsed<T> = Result<T, String>;

/// Reads a whole path.
pub(super) fn path(text: &str) -> Parsed<Vec<Step>> {
    let mut parser = Parser {
        text,
        position: 0,
        depth: 0,
    };
    parser.blanks();
    parser.expect("$")?;
    let steps = parser.steps()?;
    parser.blanks();
    if parser.rest().is_empty() {
        Ok(steps)
    } else {
        Err(parser.wrong("a step of the path"))
    }
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn wrong(&self, expected: &str) -> String {
        format!("expected {expected} at character {}", self.position + 1)
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let taken = self.rest().starts_with(token);
        if taken {
            self.position += token.len();
        }
        taken
    }

    fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.take(token) {
            return Ok(());
        }
        Err(self.wrong(token))
    }

    /// The characters up to the first one that is not part of a word.
    fn word(&mut self, part: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        self.position += end;
        rest.get(..end).unwrap_or_default()
    }

    fn steps(&mut self) -> Parsed<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            if self.take("..") {
                steps.push(Step::Descend);
                if !self.rest().starts_with('[') {
                    steps.push(self.name()?);
                }
            } else if self.take(".") {
                steps.push(self.name()?);
            } else if self.take("[") {
                self.blanks();
                steps.push(self.bracket()?);
                self.blanks();
                self.expect("]")?;
            } else {
                return Ok(steps);
            }
        }
    }

    fn name(&mut self) -> Parsed<Step> {
        if self.take("*") {
            return Ok(Step::Every);
        }
        let name = self.word(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@'));
        if name.is_empty() || self.rest().starts_with('(') {
            return Err(self.wrong("the name of a field"));
        }
        Ok(Step::Name(name.to_owned()))
    }

    fn bracket(&mut self) -> Parsed<Step> {
        if self.take("*") {
            return Ok(Step::Every);
        }
        if self.take("?") {
            self.blanks();
            self.expect("(")?;
            let condition = self.any()?;
            self.expect(")")?;
            return Ok(Step::Filter(Box::new(condition)));
        }
        if self.rest().starts_with(['\'', '"']) {
            return self.quoted().map(Step::Name);
        }
        let index = self.word(|c| c.is_ascii_digit() || c == '-');
        index
            .parse()
            .map(Step::Index)
            .map_err(|_| self.wrong("a number, a name in quotes, * or ?("))
    }

    fn quoted(&mut self) -> Parsed<String> {
        let mut characters = self.rest().char_indices();
        let quote = characters.next().map(|(_, quote)| quote);
        let mut text = String::new();
        while let Some((at, character)) = characters.next() {
            if Some(character) == quote {
                self.position += at + character.len_utf8();
                return Ok(text);
            }
            match character {
                '\\' => text.extend(characters.next().map(|(_, escaped)| match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                })),
                other => text.push(other),
            }
        }
        Err(self.wrong("a text that ends with its quote"))
    }

    /// Conditions joined by `||`.
    fn any(&mut self) -> Parsed<Expression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong("fewer parentheses"));
        }
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        self.depth -= 1;
        Ok(Expression::Any(parts))
    }

    fn all(&mut self) -> Parsed<Expression> {
        let mut parts = vec![self.condition()?];
        while self.take("&&") {
            parts.push(self.condition()?);
        }
        Ok(Expression::All(parts))
    }

    fn condition(&mut self) -> Parsed<Expression> {
        self.blanks();
        let mut negations = 0_usize;
        while !self.rest().starts_with("!=") && self.take("!") {
            negations += 1;
            self.blanks();
        }
        let condition = if self.take("(") {
            let inner = self.any()?;
            self.expect(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.blanks();
        if negations % 2 == 1 {
            return Ok(Expression::Not(Box::new(condition)));
        }
        Ok(condition)
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        let left = self.operand()?;
        self.blanks();
        if self.take("=~") {
            self.blanks();
            return Ok(Expression::Matches(left, self.regex()?));
        }
        let operators = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        for (token, operator) in operators {
            if self.take(token) {
                self.blanks();
                return Ok(Expression::Compare(left, operator, self.operand()?));
            }
        }
        let rest = self.rest();
        match self.word(char::is_alphabetic) {
            "" if matches!(left, Operand::Literal(_)) => Err(self.wrong("an operator")),
            "" => Ok(Expression::Exists(left)),
            word @ ("in" | "IN" | "nin" | "NIN") => {
                self.blanks();
                let not = word.eq_ignore_ascii_case("nin");
                Ok(Expression::Among(left, self.list()?, not))
            }
            word => Err(format!(
                "{word} is not supported at character {}",
                self.text.len() - rest.len() + 1
            )),
        }
    }

    fn operand(&mut self) -> Parsed<Operand> {
        let from_root = self.rest().starts_with('$');
        if !self.take("@") && !self.take("$") {
            return self.literal().map(Operand::Literal);
        }
        let steps = self.steps()?;
        if !steps.iter().all(Step::is_definite) {
            return Err(self.wrong("a path to one value"));
        }
        Ok(if from_root {
            Operand::FromRoot(steps)
        } else {
            Operand::Path(steps)
        })
    }

    fn literal(&mut self) -> Parsed<Value> {
        if self.rest().starts_with(['\'', '"']) {
            return self.quoted().map(Value::from);
        }
        let start = self.position;
        let word = self.word(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
        match word {
            "true" => return Ok(Value::Boolean(true)),
            "false" => return Ok(Value::Boolean(false)),
            "null" => return Ok(Value::Null),
            _ => {}
        }
        let numeric = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let number = word.parse::<i64>().map(Value::Int64);
        let number = number.or_else(|_| word.parse::<f64>().map(Value::Float64));
        match number {
            Ok(number) if numeric => Ok(number),
            _ => {
                self.position = start;
                Err(self.wrong("a path, a text in quotes, a number, true, false or null"))
            }
        }
    }

    fn list(&mut self) -> Parsed<Vec<Value>> {
        self.expect("[")?;
        let mut values = Vec::new();
        loop {
            self.blanks();
            if self.take("]") {
                return Ok(values);
            }
            values.push(self.literal()?);
            self.blanks();
            if !self.take(",") && !self.rest().starts_with(']') {
                return Err(self.wrong("a comma or ]"));
            }
        }
    }

    fn regex(&mut self) -> Parsed<JavaRegex> {
        self.expect("/")?;
        let rest = self.rest();
        let mut escaped = false;
        let end = rest
            .find(|c| {
                let ends = c == '/' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })
            .ok_or_else(|| self.wrong("an expression that ends with /"))?;
        self.position += end + 1;
        let flags = self.word(char::is_alphabetic);
        let pattern = rest.get(..end).unwrap_or_default();
        let pattern = if flags.is_empty() {
            pattern.to_owned()
        } else {
            format!("(?{flags}){pattern}")
        };
        JavaRegex::new(&pattern)
            .map_err(|why| format!("the expression /{pattern}/ is wrong: {why}"))
    }
}
