//! Configurations as texts by key: how they are read, and parts of them.

use sluice_api::config::Props;
use sluice_protocol::ConfigMap;

/// Parses Java's properties format, which is ISO 8859-1 with `\\uXXXX` escapes for everything else.
///
/// # Errors
/// The place and kind of a malformed escape.
pub(crate) fn parse_properties(bytes: &[u8]) -> Result<Props, String> {
    let mut props = Props::new();
    java_properties::PropertiesIter::new(bytes)
        .read_into(|key, value| {
            props.insert(key, value);
        })
        .map_err(|error| error.to_string())?;
    Ok(props)
}

/// The entries of `props` below `prefix`, without it.
pub(crate) fn with_prefix(props: &Props, prefix: &str) -> Props {
    props
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
        .collect()
}

/// A config without its null values, as connectors get it.
pub(crate) fn given(config: &ConfigMap) -> Props {
    config
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
        .collect()
}
