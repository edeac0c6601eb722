//! Which tables a source reads.

use std::sync::Arc;

use regex::Regex;
use sluice_api::config::ConfigValue;
use sluice_api::{ConfigError, ConnectError, ParsedConfig, Result};

use crate::table::TableId;

pub(super) fn regex_list_validator() -> sluice_api::config::Validator {
    Arc::new(|name, value| {
        if let ConfigValue::List(patterns) = value {
            for pattern in patterns {
                anchored(pattern).map_err(|error| ConfigError::invalid(name, pattern, error))?;
            }
        }
        Ok(())
    })
}

fn anchored(pattern: &str) -> std::result::Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

/// Which tables are read.
#[derive(Debug, Clone)]
pub(crate) struct TableFilter {
    pub(crate) whitelist: Vec<String>,
    pub(super) blacklist: Vec<String>,
    pub(super) include: Vec<Regex>,
    pub(super) exclude: Vec<Regex>,
    pub(super) schema_pattern: Option<Regex>,
    pub(super) catalog: Option<String>,
    pub(crate) kinds: Vec<String>,
}

/// A LIKE pattern as a regular expression.
pub(super) fn like(pattern: &str) -> Option<Regex> {
    let body: String = pattern
        .chars()
        .map(|c| match c {
            '%' => ".*".to_owned(),
            '_' => ".".to_owned(),
            other => regex::escape(&other.to_string()),
        })
        .collect();
    anchored(&body).ok()
}

fn is_named(table: &TableId, name: &str) -> bool {
    let unquoted: String = name.chars().filter(|c| !matches!(c, '"' | '`')).collect();
    unquoted == table.name || unquoted == table.short() || unquoted == table.to_string()
}

impl TableFilter {
    /// Whether a table is to be read.
    pub(crate) fn accepts(&self, table: &TableId) -> bool {
        if let (Some(pattern), Some(schema)) = (&self.schema_pattern, &table.schema)
            && !pattern.is_match(schema)
        {
            return false;
        }
        if let (Some(wanted), Some(catalog)) = (&self.catalog, &table.catalog)
            && wanted != catalog
        {
            return false;
        }
        let names = [table.to_string(), table.short()];
        let listed = |patterns: &[Regex]| {
            patterns
                .iter()
                .any(|pattern| names.iter().any(|name| pattern.is_match(name)))
        };
        let wanted = self.whitelist.is_empty() && self.include.is_empty()
            || self.whitelist.iter().any(|name| is_named(table, name))
            || listed(&self.include);
        wanted && !self.blacklist.iter().any(|name| is_named(table, name)) && !listed(&self.exclude)
    }

    /// Names of the whitelist that no table has.
    pub(crate) fn missing<'a>(&'a self, tables: &[TableId]) -> Vec<&'a str> {
        self.whitelist
            .iter()
            .filter(|name| !tables.iter().any(|table| is_named(table, name)))
            .map(String::as_str)
            .collect()
    }
}

pub(super) fn regexes(config: &ParsedConfig, key: &str) -> Result<Vec<Regex>> {
    config
        .list(key)
        .iter()
        .map(|pattern| {
            anchored(pattern).map_err(|error| ConnectError::config(format!("{key}: {error}")))
        })
        .collect()
}
