//! Values of properties as Kafka's clients read them.

use sluice_api::config::Props;

/// The value of a key without blanks around it; `None` if it is not given or empty.
#[must_use]
pub fn text<'a>(props: &'a Props, key: &str) -> Option<&'a str> {
    props
        .get(key)
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
}
