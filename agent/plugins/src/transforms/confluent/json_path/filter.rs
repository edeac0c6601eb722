//! Conditions of filters, with the notion of equality that Jayway has: a number and the text of a number are
//! equal, and what is missing is equal to nothing.

use std::cmp::Ordering;

use sluice_api::Value;
use sluice_jvm_text::regex::JavaRegex;

use super::{Step, one};

#[derive(Debug)]
pub(super) enum Expression {
    Any(Vec<Expression>),
    All(Vec<Expression>),
    Not(Box<Expression>),
    Exists(Operand),
    Compare(Operand, Operator, Operand),
    Matches(Operand, JavaRegex),
    /// Whether a value is among others; or is not, if the flag is set.
    Among(Operand, Vec<Value>, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
pub(super) enum Operand {
    /// From the value that the filter looks at.
    Path(Vec<Step>),
    /// From the whole key or value.
    FromRoot(Vec<Step>),
    Literal(Value),
}

impl Operand {
    fn value<'a>(&'a self, current: &'a Value, root: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Path(steps) => one(steps, current),
            Self::FromRoot(steps) => one(steps, root),
            Self::Literal(value) => Some(value),
        }
    }
}

impl Expression {
    pub(super) fn fits(&self, current: &Value, root: &Value) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.fits(current, root)),
            Self::All(parts) => parts.iter().all(|part| part.fits(current, root)),
            Self::Not(inner) => !inner.fits(current, root),
            Self::Exists(operand) => operand.value(current, root).is_some(),
            Self::Compare(left, operator, right) => {
                let (left, right) = (left.value(current, root), right.value(current, root));
                match operator {
                    Operator::Equal => equal(left, right),
                    Operator::NotEqual => !equal(left, right),
                    _ => order(left, right).is_some_and(|order| match operator {
                        Operator::Less => order.is_lt(),
                        Operator::LessOrEqual => order.is_le(),
                        Operator::Greater => order.is_gt(),
                        _ => order.is_ge(),
                    }),
                }
            }
            Self::Matches(operand, regex) => match operand.value(current, root) {
                Some(Value::String(text)) => regex.matches(text).unwrap_or(false),
                Some(value) if number(value).is_some() => {
                    regex.matches(&value.to_string()).unwrap_or(false)
                }
                _ => false,
            },
            Self::Among(operand, others, not) => {
                let value = operand.value(current, root);
                others.iter().any(|other| equal(value, Some(other))) != *not
            }
        }
    }
}

/// A number, or the milliseconds of a date.
fn number(value: &Value) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "dates have fewer digits")]
    match value {
        Value::Decimal(value) => Some(value.to_f64()),
        Value::Date(millis) => Some(*millis as f64),
        value => value.as_f64(),
    }
}

fn equal(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (Some(Value::Null), Some(Value::Null)) => true,
        (Some(Value::Boolean(left)), Some(Value::Boolean(right))) => left == right,
        (Some(Value::String(left)), Some(Value::String(right))) => left == right,
        (Some(Value::String(text)), Some(other)) => {
            number(other).is_some() && **text == *other.to_string()
        }
        (Some(other), Some(Value::String(text))) => {
            let text = sluice_jvm_text::number::double(text);
            text.is_some() && number(other) == text
        }
        (left, right) => order(left, right).is_some_and(Ordering::is_eq),
    }
}

fn order(left: Option<&Value>, right: Option<&Value>) -> Option<Ordering> {
    match (left?, right?) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (left, right) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => number(left)?.partial_cmp(&number(right)?),
        },
    }
}
