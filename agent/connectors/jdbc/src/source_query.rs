//! The text of the queries of a source task (`TimestampIncrementingCriteria` of the Confluent connector).

use crate::dialect::Dialect;
use crate::source_offset::Position;
use crate::table::{Column, TableId};
use crate::time::Zone;

/// What is read: a table, or a query of the user.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Subject {
    Table(TableId),
    Query(String),
}

/// Everything that a query's text is made of.
#[derive(Debug, Clone)]
pub(crate) struct SourceQuery {
    pub(crate) dialect: Dialect,
    pub(crate) zone: Zone,
    pub(crate) subject: Subject,
    pub(crate) columns: Vec<Column>,
    pub(crate) incrementing: Option<Column>,
    pub(crate) timestamps: Vec<Column>,
    pub(crate) suffix: String,
}

impl SourceQuery {
    fn from(&self) -> String {
        match &self.subject {
            Subject::Table(table) => {
                let columns: Vec<String> = self
                    .columns
                    .iter()
                    .map(|column| self.dialect.selected(column))
                    .collect();
                let quoted = Dialect {
                    quote: true,
                    ..self.dialect
                };
                format!("SELECT {} FROM {}", columns.join(", "), quoted.table(table))
            }
            // A comment at its end must not swallow what follows.
            Subject::Query(query) => format!("{}\n", query.trim().trim_end_matches(';')),
        }
    }

    fn timestamp(&self) -> Option<(String, &Column)> {
        let first = self.timestamps.first()?;
        if self.timestamps.len() == 1 {
            return Some((self.dialect.name(&first.name), first));
        }
        Some((
            format!("COALESCE({})", self.dialect.names(&self.timestamps)),
            first,
        ))
    }

    /// Rows after `position`, and before `end` in microseconds if there are timestamps.
    pub(crate) fn text(&self, position: Position, end: i64) -> String {
        let mut conditions = Vec::new();
        let mut order = Vec::new();
        let incrementing = self
            .incrementing
            .as_ref()
            .map(|column| self.dialect.name(&column.name));
        if let Some((timestamp, column)) = self.timestamp() {
            let literal = |micros| self.dialect.timestamp_literal(micros, column, self.zone);
            conditions.push(format!("{timestamp} < {}", literal(end)));
            if let Some(micros) = position.timestamp {
                let after = literal(micros);
                match (&incrementing, position.incrementing) {
                    (Some(id), Some(last)) => conditions.push(format!(
                        "(({timestamp} = {after} AND {id} > {last}) OR {timestamp} > {after})"
                    )),
                    (Some(_), None) => conditions.push(format!("{timestamp} >= {after}")),
                    (None, _) => conditions.push(format!("{timestamp} > {after}")),
                }
            }
            order.push(timestamp);
        } else if let (Some(id), Some(last)) = (&incrementing, position.incrementing) {
            conditions.push(format!("{id} > {last}"));
        }
        order.extend(incrementing);
        let conditions = conditions.join(" AND ");
        let order = order.join(", ");
        let mut sql = self.from();
        if !conditions.is_empty() {
            sql.push_str(&format!(" WHERE {conditions}"));
        }
        if !order.is_empty() {
            sql.push_str(&format!(" ORDER BY {order}"));
        }
        if !self.suffix.is_empty() {
            sql.push(' ');
            sql.push_str(&self.suffix);
        }
        // Types without a common form become texts in a query around that of the user, which keeps its order.
        if matches!(self.subject, Subject::Query(_))
            && self.columns.iter().any(|column| column.as_text)
        {
            let columns: Vec<String> = self
                .columns
                .iter()
                .map(|column| self.dialect.selected(column))
                .collect();
            sql = format!("SELECT {} FROM ({sql}) AS sluice_query", columns.join(", "));
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ColumnType;
    use crate::url::DatabaseKind;

    fn column(name: &str, kind: ColumnType) -> Column {
        Column {
            name: name.to_owned(),
            kind,
            type_name: String::new(),
            as_text: name == "odd",
            nullable: false,
            primary_key: false,
            auto_increment: false,
            keeps_precision: true,
        }
    }

    fn query(timestamps: &[&str], incrementing: bool) -> SourceQuery {
        let timestamp = ColumnType::Timestamp { instant: false };
        SourceQuery {
            dialect: Dialect {
                kind: DatabaseKind::PostgreSql,
                quote: true,
            },
            zone: Zone::utc(),
            subject: Subject::Table(TableId::parse("d.s.t")),
            columns: vec![
                column("id", ColumnType::Int64),
                column("odd", ColumnType::Text),
            ],
            incrementing: incrementing.then(|| column("id", ColumnType::Int64)),
            timestamps: timestamps
                .iter()
                .map(|name| column(name, timestamp))
                .collect(),
            suffix: String::new(),
        }
    }

    const BASE: &str = "SELECT \"id\", \"odd\"::text AS \"odd\" FROM \"s\".\"t\"";
    const AT: Position = Position {
        incrementing: Some(7),
        timestamp: Some(1_500_000),
    };

    #[test]
    fn every_mode_reads_what_comes_after_the_position() {
        let none = Position::default();
        assert_eq!(query(&[], false).text(AT, 0), BASE);
        assert_eq!(
            query(&[], true).text(none, 0),
            format!("{BASE} ORDER BY \"id\"")
        );
        assert_eq!(
            query(&[], true).text(AT, 0),
            format!("{BASE} WHERE \"id\" > 7 ORDER BY \"id\"")
        );
        let at = "'1970-01-01 00:00:01.500'";
        let end = "'1970-01-01 00:00:02'";
        assert_eq!(
            query(&["c"], false).text(AT, 2_000_000),
            format!("{BASE} WHERE \"c\" < {end} AND \"c\" > {at} ORDER BY \"c\"")
        );
        assert_eq!(
            query(&["c", "u"], true).text(AT, 2_000_000),
            format!(
                "{BASE} WHERE COALESCE(\"c\", \"u\") < {end} AND ((COALESCE(\"c\", \"u\") = {at} AND \"id\" \
                 > 7) OR COALESCE(\"c\", \"u\") > {at}) ORDER BY COALESCE(\"c\", \"u\"), \"id\""
            )
        );
        assert_eq!(
            query(&["c"], true).text(none, 2_000_000),
            format!("{BASE} WHERE \"c\" < {end} ORDER BY \"c\", \"id\"")
        );
    }

    #[test]
    fn a_query_keeps_its_text_and_gets_a_suffix() {
        let mut query = query(&[], true);
        query.subject = Subject::Query("SELECT * FROM a JOIN b USING (id);".to_owned());
        query.suffix = "FOR SHARE".to_owned();
        assert_eq!(
            query.text(AT, 0),
            "SELECT \"id\", \"odd\"::text AS \"odd\" FROM (SELECT * FROM a JOIN b USING (id)\n WHERE \"id\" \
             > 7 ORDER BY \"id\" FOR SHARE) AS sluice_query"
        );
    }
}
