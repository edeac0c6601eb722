//! JSON paths as Jayway's JsonPath reads them, on Connect's values: a record costs no JSON.
//!
//! A path is `$` and steps: `.name`, `['name']`, `[0]`, `[-1]`, `.*`, `[*]`, `..name` and filters `[?(...)]`.
//! A filter on a list chooses members, on an object the object itself. Within it stand paths from `@` or `$`
//! that lead to one value, texts in either quotes, numbers, `true`, `false`, `null`, `==`, `!=`, `<`, `<=`,
//! `>`, `>=`, `=~ /regex/flags`, `in [...]`, `nin [...]`, `&&`, `||`, `!` and parentheses. Functions, slices,
//! several names or places at once and Jayway's other words (`contains`, `size`, `empty`, ...) are refused by
//! the parser.

mod filter;
mod parser;

use std::fmt;

use sluice_api::Value;

use self::filter::Expression;

/// A path, and its text.
#[derive(Debug, Default)]
pub(super) struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Name(String),
    /// Counted from the end if negative.
    Index(i64),
    Every,
    /// What follows is looked for at any depth.
    Descend,
    Filter(Box<Expression>),
}

/// What a path found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Something,
    Nothing,
    /// A step that has to be there leads nowhere, or to null.
    Missing,
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let steps = parser::path(text)?;
        Ok(Self {
            text: text.to_owned(),
            steps,
        })
    }

    /// The path of a field of the outermost object, whatever its name.
    pub(super) fn of_field(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            steps: vec![Step::Name(name.to_owned())],
        }
    }

    /// The same path, if it leads to one value at most.
    pub(super) fn checked_for_one_value(self) -> Result<Self, String> {
        if self.steps.iter().all(Step::is_definite) {
            return Ok(self);
        }
        Err("the path may lead to many values".to_owned())
    }

    /// The value at the end of a path to one.
    pub(super) fn one<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        one(&self.steps, value)
    }

    /// Whether the path finds something.
    pub(super) fn find(&self, value: &Value) -> Found {
        let found = Search { root: value }.walk(&self.steps, value, true);
        // Null at the end of a path to one value is nothing to be found.
        if self.steps.iter().all(Step::is_definite) && self.one(value).is_none_or(Value::is_null) {
            return Found::Missing;
        }
        found
    }
}

impl Step {
    fn is_definite(&self) -> bool {
        matches!(self, Self::Name(_) | Self::Index(_))
    }
}

fn one<'a>(steps: &[Step], value: &'a Value) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => member(value, name),
        Step::Index(index) => item(value, *index),
        Step::Every | Step::Descend | Step::Filter(_) => None,
    })
}

/// A field of a struct, or the entry of a map.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Struct(value) => {
            let field = value.schema().field(name)?;
            Some(value.get_field(field))
        }
        Value::Map(map) => map.get_str(name),
        _ => None,
    }
}

fn item(value: &Value, index: i64) -> Option<&Value> {
    let Value::Array(items) = value else {
        return None;
    };
    let index = if index < 0 {
        i64::try_from(items.len()).ok()? + index
    } else {
        index
    };
    items.get(usize::try_from(index).ok()?)
}

/// The members of an object or list.
fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Map(map) => map.iter().map(|(_, value)| value).collect(),
        Value::Struct(value) => {
            let fields = value.schema().fields().iter();
            fields.map(|field| value.get_field(field)).collect()
        }
        _ => Vec::new(),
    }
}

struct Search<'a> {
    root: &'a Value,
}

impl<'a> Search<'a> {
    /// `must` says that all steps before led to one value, so that this one has to be there.
    fn walk(&self, steps: &[Step], value: &'a Value, must: bool) -> Found {
        let Some((step, rest)) = steps.split_first() else {
            return Found::Something;
        };
        let absent = if must { Found::Missing } else { Found::Nothing };
        match step {
            Step::Name(name) => {
                member(value, name).map_or(absent, |value| self.walk(rest, value, must))
            }
            Step::Index(index) => {
                item(value, *index).map_or(absent, |value| self.walk(rest, value, must))
            }
            Step::Every => self.any(rest, children(value).into_iter()),
            Step::Descend => {
                if self.walk(rest, value, false) == Found::Something {
                    return Found::Something;
                }
                self.any(steps, children(value).into_iter())
            }
            Step::Filter(expression) => match value {
                Value::Array(items) => {
                    let chosen = items.iter().filter(|item| expression.fits(item, self.root));
                    self.any(rest, chosen)
                }
                Value::Map(_) | Value::Struct(_) => {
                    let chosen = Some(value).filter(|value| expression.fits(value, self.root));
                    self.any(rest, chosen.into_iter())
                }
                _ => absent,
            },
        }
    }

    fn any(&self, steps: &[Step], mut values: impl Iterator<Item = &'a Value>) -> Found {
        if values.any(|value| self.walk(steps, value, false) == Found::Something) {
            Found::Something
        } else {
            Found::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_api::{Converter as _, ConverterType};

    fn value(json: &str) -> Value {
        let mut converter = crate::json::JsonConverter::without_schemas();
        let props = [("schemas.enable".to_owned(), "false".to_owned())]
            .into_iter()
            .collect();
        converter.configure(&props, ConverterType::Value).unwrap();
        let bytes = bytes::Bytes::copy_from_slice(json.as_bytes());
        converter.to_connect_data("t", Some(&bytes)).unwrap().value
    }

    #[test]
    fn paths_find_what_jayway_finds() {
        use Found::{Missing, Nothing, Something};
        let order = value(
            r#"{"state":"paid","total":120.5,"n":null,"key":{"nestedKey":"value1"},
                "items":[{"sku":"a","count":2},{"sku":"b"}],"tags":["x","y"],"text":"10"}"#,
        );
        for (path, found) in [
            ("$.state", Something),
            ("$['state']", Something),
            ("$.nope", Missing),
            ("$.n", Missing),
            ("$.n.deep", Missing),
            (
                "$.key[?(@.nestedKey == \"value1\" || @.nestedKey == 'value2')]",
                Something,
            ),
            ("$.key[?(@.nestedKey == 'other')]", Nothing),
            ("$.nope[?(@.nestedKey == 'other')]", Missing),
            ("$.state[?(@.x == 1)]", Missing),
            ("$[?(@.state == 'paid')]", Something),
            ("$[?(@.state != 'paid')]", Nothing),
            ("$[?(@.total > 100 && @.total <= 120.5)]", Something),
            ("$[?(@.total > 120.5)]", Nothing),
            ("$[?(@.total == '120.5')]", Something),
            ("$[?(@.text == 10)]", Something),
            ("$[?(@.text < 11)]", Nothing),
            ("$[?(@.nope == null)]", Nothing),
            ("$[?(@.nope != 'x')]", Something),
            ("$[?(@.n == null)]", Something),
            ("$[?(@.n)]", Something),
            ("$[?(@.nope)]", Nothing),
            ("$[?(!@.nope)]", Something),
            ("$[?(!(@.state == 'paid'))]", Nothing),
            ("$[?(@.state =~ /PA.*/i)]", Something),
            ("$[?(@.state =~ /a/)]", Nothing),
            ("$[?(@.state in ['open', 'paid'])]", Something),
            ("$[?(@.state nin ['open', 'paid'])]", Nothing),
            ("$.items[?(@.count)]", Something),
            ("$.items[?(@.sku == 'c')]", Nothing),
            ("$.items[?(@.sku == 'b')].count", Nothing),
            ("$.items[*].count", Something),
            ("$.items[0].sku", Something),
            ("$.items[-1].count", Missing),
            ("$.items[7]", Missing),
            ("$..count", Something),
            ("$..nope", Nothing),
            ("$..[?(@.sku == 'b')]", Something),
            ("$.tags[?(@ == 'y')]", Something),
            ("$.*", Something),
            ("$", Something),
        ] {
            assert_eq!(JsonPath::parse(path).unwrap().find(&order), found, "{path}");
        }
        let null = JsonPath::parse("$.a").unwrap().find(&Value::Null);
        assert_eq!(null, Missing);
    }

    #[test]
    fn what_is_not_read_is_refused() {
        for path in [
            "",
            "state",
            "$.",
            "$[",
            "$['a",
            "$[?(@.a == )]",
            "$[?(@.a == 1]",
            "$[?(@.a ~ 1)]",
            "$[0:2]",
            "$['a','b']",
            "$.length()",
            "$[?(@.a =~ /(/)]",
            "$[?(@.a contains 'x')]",
            "$[?(@..a == 1)]",
            "$ x",
            "$[?(@.a == 1)] x",
        ] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
        let deep = format!("$[?({}@.a{})]", "(".repeat(10_000), ")".repeat(10_000));
        assert!(JsonPath::parse(&deep).is_err());
    }
}
