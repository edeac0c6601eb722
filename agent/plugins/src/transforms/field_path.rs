//! The path of one field, plain or nested (`SingleFieldPath`, KIP-821).

use std::sync::Arc;

use sluice_api::config::{ConfigError, ConfigKey, ConfigType, Importance, validators};
use sluice_api::error::ErrorKind;
use sluice_api::schema::Field;
use sluice_api::{ConnectError, MapValue, Result, Schema, SchemaType, Struct, Value};

use super::requirements;

pub(crate) const SYNTAX_VERSION: &str = "field.syntax.version";
const PURPOSE: &str = "nested field access";

/// The key `field.syntax.version` (KIP-821): V2 reads dots as steps into nested fields.
pub(crate) fn syntax_version_key() -> ConfigKey {
    ConfigKey::new(SYNTAX_VERSION, ConfigType::String)
        .default("V1")
        .validator(validators::one_of_ignoring_case(&["V1", "V2"]))
        .importance(Importance::High)
        .doc(
            "Defines the version of the syntax to access fields. If set to <code>V1</code>, then the field \
             paths are limited to access the elements at the root level of the struct or map. If set to \
             <code>V2</code>, the syntax will support accessing nested elements. To access nested elements, \
             dotted notation is used. If dots are already included in the field name, then backtick pairs \
             can be used to wrap field names containing dots. E.g. to access the subfield <code>baz</code> \
             from a field named \"foo.bar\" in a struct/map the following format can be used to access its \
             elements: \"<code>foo.bar</code>.baz\".",
        )
}

/// Names from the outermost field to the wanted one.
#[derive(Debug, Default)]
pub(crate) struct FieldPath {
    steps: Vec<String>,
}

impl FieldPath {
    /// Reads a path: V1 takes the text as one name, V2 cuts it at dots outside backticks.
    pub(crate) fn parse(text: &str, version: &str) -> Result<Self, ConfigError> {
        let steps = if version.eq_ignore_ascii_case("V1") {
            vec![text.to_owned()]
        } else {
            nested(text)?
        };
        Ok(Self { steps })
    }

    fn outer_and_last(&self) -> Result<(&[String], &str)> {
        match self.steps.split_last() {
            Some((last, outer)) => Ok((outer, last)),
            // Only the empty text has no steps in V2; Java fails at the record too.
            None => Err(ConnectError::new(
                ErrorKind::IllegalArgument,
                "fromIndex(0) > toIndex(-1)",
            )),
        }
    }

    /// The field within a schema, if all steps lead to one.
    pub(crate) fn field<'a>(&self, schema: &'a Schema) -> Result<Option<&'a Field>> {
        let (outer, last) = self.outer_and_last()?;
        let mut current = schema;
        for step in outer {
            match lookup(current, step)? {
                Some(field) => current = field.schema(),
                None => return Ok(None),
            }
        }
        lookup(current, last)
    }

    /// The value within a struct; null if a step leads nowhere.
    pub(crate) fn value_in_struct(&self, value: Arc<Struct>, defaults: bool) -> Result<Value> {
        let (outer, last) = self.outer_and_last()?;
        let mut current = value;
        for step in outer {
            let Some(field) = current.schema().field(step) else {
                return Ok(Value::Null);
            };
            let inner = current.get_field(field).clone();
            match requirements::structure_or_null(inner, PURPOSE)? {
                Some(inner) => current = inner,
                None => return Ok(Value::Null),
            }
        }
        let Some(field) = current.schema().field(last) else {
            return Ok(Value::Null);
        };
        Ok(super::struct_values::read(&current, field, defaults))
    }

    /// The value within a map; null if a step leads nowhere.
    pub(crate) fn value_in_map(&self, value: &MapValue) -> Result<Value> {
        let (outer, last) = self.outer_and_last()?;
        let mut current = value;
        for step in outer {
            match current.get_str(step) {
                None | Some(Value::Null) => return Ok(Value::Null),
                Some(Value::Map(inner)) => current = inner,
                Some(other) => {
                    return requirements::map(other.clone(), PURPOSE).map(Value::Map);
                }
            }
        }
        Ok(current.get_str(last).cloned().unwrap_or_default())
    }
}

fn lookup<'a>(schema: &'a Schema, name: &str) -> Result<Option<&'a Field>> {
    if schema.schema_type() == SchemaType::Struct {
        Ok(schema.field(name))
    } else {
        Err(ConnectError::data(
            "Cannot look up fields on non-struct type",
        ))
    }
}

/// Cuts at dots. A step that begins with a backtick ends at the next backtick that a dot or the end follows,
/// unless a backslash stands before it.
fn nested(text: &str) -> Result<Vec<String>, ConfigError> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(quoted) = rest.strip_prefix('`') else {
            match rest.split_once('.') {
                Some((step, after)) => {
                    steps.push(step.to_owned());
                    rest = after;
                }
                None => {
                    steps.push(rest.to_owned());
                    rest = "";
                }
            }
            continue;
        };
        let incomplete = || {
            let position = text.len() - rest.len();
            ConfigError(format!(
                "Incomplete backtick pair in path: [{text}], consider adding a backslash before backtick at \
                 position {position} to escape it"
            ))
        };
        let mut step = String::new();
        let mut start = 0;
        let mut search = 0;
        loop {
            let found = quoted.get(search..).and_then(|tail| tail.find('`'));
            let at = search + found.ok_or_else(incomplete)?;
            let escaped = quoted
                .get(..at)
                .is_some_and(|before| before.ends_with('\\'));
            let after = quoted.get(at + 1..).unwrap_or_default();
            if after.is_empty() {
                if escaped {
                    return Err(incomplete());
                }
                step.push_str(quoted.get(start..at).unwrap_or_default());
                rest = "";
                break;
            }
            search = at + 1;
            let Some(after_dot) = after.strip_prefix('.') else {
                continue;
            };
            if escaped {
                step.push_str(quoted.get(start..at - 1).unwrap_or_default());
                step.push('`');
                start = at + 1;
                continue;
            }
            step.push_str(quoted.get(start..at).unwrap_or_default());
            rest = after_dot;
            break;
        }
        steps.push(step);
    }
    if text.ends_with('.') {
        steps.push(String::new());
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_paths_are_cut_at_dots_outside_backticks() {
        for (text, steps) in [
            ("a", vec!["a"]),
            ("a.b.c", vec!["a", "b", "c"]),
            ("a.", vec!["a", ""]),
            (".a", vec!["", "a"]),
            ("`a.b`.c", vec!["a.b", "c"]),
            ("a.`b.c`", vec!["a", "b.c"]),
            ("`a`b.c`", vec!["a`b.c"]),
            ("`a\\`.b`", vec!["a`.b"]),
            ("a`b.c", vec!["a`b", "c"]),
            ("`a.b`.", vec!["a.b", ""]),
        ] {
            assert_eq!(nested(text).unwrap(), steps, "{text}");
        }
        assert_eq!(
            nested("a.`b.c").unwrap_err().0,
            "Incomplete backtick pair in path: [a.`b.c], consider adding a backslash before backtick at \
             position 2 to escape it"
        );
        assert!(nested("`a\\`").is_err());
    }
}
