//! Tables and columns as the connectors see them, whatever the database.

use std::fmt;

/// Name of a table. Which parts are given depends on the database: PostgreSQL has all three,
/// MariaDB catalog and name, SQLite the name only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableId {
    pub(crate) catalog: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

/// `catalog.schema.table`, parts that are not given left out. Offsets are stored under this name.
impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.catalog, &self.schema].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        f.write_str(&self.name)
    }
}

impl TableId {
    /// A name without catalog and schema.
    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self {
            catalog: None,
            schema: None,
            name: name.to_owned(),
        }
    }

    /// Splits `a.b.c` at the points; parts may be quoted with `"` or `` ` ``.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = vec![String::new()];
        let mut quote = None;
        for c in text.chars() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '"' | '`') => quote = Some(c),
                (None, '.') => parts.push(String::new()),
                (_, c) => {
                    if let Some(part) = parts.last_mut() {
                        part.push(c);
                    }
                }
            }
        }
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        // More than two points belong to the catalog, so that nothing gets lost.
        let catalog = (!parts.is_empty()).then(|| parts.join("."));
        Self {
            catalog,
            schema,
            name,
        }
    }

    /// Schema and name, as people write it.
    pub(crate) fn short(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// What a column holds, in the terms that all databases share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    /// Exact numbers: digits in all, and digits after the point; without precision for numbers of any size.
    Numeric {
        precision: Option<i32>,
        scale: i32,
    },
    Text,
    Bytes,
    Date,
    Time,
    /// `instant` is false for a wall clock's time.
    Timestamp {
        instant: bool,
    },
}

/// A column of a table or of the result of a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
    /// The database's own name of the type, as statements can cast to it.
    pub(crate) type_name: String,
    /// Whether it has to be selected as a text, since no common type fits.
    pub(crate) as_text: bool,
    pub(crate) nullable: bool,
    pub(crate) primary_key: bool,
    pub(crate) auto_increment: bool,
    /// Whether the database refuses numbers of more digits than it says.
    pub(crate) keeps_precision: bool,
}

/// A table that exists.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) id: TableId,
    pub(crate) columns: Vec<Column>,
}

impl Table {
    /// The column of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_name_is_split_at_points_outside_quotes() {
        let id = TableId::parse("shop.\"a.b\"");
        assert_eq!(id.schema.as_deref(), Some("shop"));
        assert_eq!(id.name, "a.b");
        assert_eq!(TableId::parse("db.public.t").to_string(), "db.public.t");
        assert_eq!(TableId::parse("t"), TableId::named("t"));
    }
}
