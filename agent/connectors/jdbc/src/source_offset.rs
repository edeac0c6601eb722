//! Source partitions and offsets, as the Confluent connector stores them.
//!
//! Partition of a table: `{"protocol":"1","table":"schema.table"}`, with the other forms of
//! [`partitions_of_table`] read too; what was found goes on under its own. Partition of a query:
//! `{"query":"query"}`. Offset: `incrementing`, the last value of that column; `timestamp` in milliseconds
//! with `timestamp_nanos`, the nanoseconds within its second.

use sluice_api::{ConnectError, Result, SourceOffset, SourcePartition, Value};

use crate::table::TableId;

const TABLE: &str = "table";
const PROTOCOL: &str = "protocol";
const QUERY: &str = "query";
const INCREMENTING: &str = "incrementing";
const TIMESTAMP: &str = "timestamp";
const TIMESTAMP_NANOS: &str = "timestamp_nanos";

/// The partitions under which a table's offsets may be stored, the one for a table without offsets first.
///
/// The name is that of the table as its driver gives it to the JVM connector, which puts its parts together
/// with points (`OffsetProtocols`): PostgreSQL's driver leaves out the database but in its newest versions,
/// versions of the connector before 5.1 stored the name alone without a protocol, some with quotes around the
/// parts.
pub(crate) fn partitions_of_table(table: &TableId, quote: char) -> Vec<SourcePartition> {
    let parts = |names: &[&Option<String>], quoted: bool| {
        let all = names
            .iter()
            .filter_map(|name| name.as_deref())
            .chain([table.name.as_str()]);
        let all: Vec<String> = all
            .map(|name| match quoted {
                true => format!("{quote}{name}{quote}"),
                false => name.to_owned(),
            })
            .collect();
        all.join(".")
    };
    let forms = [
        // Of a database without schemas the catalog is all there is.
        match table.schema {
            Some(_) => vec![&table.schema],
            None => vec![&table.catalog],
        },
        vec![&table.catalog, &table.schema],
        vec![],
    ];
    let mut partitions: Vec<SourcePartition> = Vec::new();
    let mut add = |partition: SourcePartition| {
        if !partitions.contains(&partition) {
            partitions.push(partition);
        }
    };
    let versioned = |name: String| SourcePartition::of(PROTOCOL, "1").with(TABLE, name);
    for quoted in [false, true] {
        for names in &forms {
            add(versioned(parts(names, quoted)));
        }
    }
    for quoted in [false, true] {
        for names in forms.iter().rev() {
            add(SourcePartition::of(TABLE, parts(names, quoted)));
        }
    }
    partitions
}

/// The partition of query mode.
pub(crate) fn partition_of_query() -> SourcePartition {
    SourcePartition::of(QUERY, QUERY)
}

/// A position in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    pub(crate) incrementing: Option<i64>,
    /// Microseconds since the epoch.
    pub(crate) timestamp: Option<i64>,
}

impl Position {
    /// Reads a stored offset.
    pub(crate) fn of(offset: &SourceOffset) -> Result<Self> {
        let number = |key: &str| match offset.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| {
                ConnectError::connect(format!(
                    "the stored offset {offset} has no integer as {key}"
                ))
            }),
        };
        let nanos = number(TIMESTAMP_NANOS)?;
        let timestamp = number(TIMESTAMP)?.map(|millis| match nanos {
            // The nanoseconds hold the milliseconds of the second again.
            Some(nanos) => millis
                .div_euclid(1000)
                .saturating_mul(1_000_000)
                .saturating_add(nanos / 1000),
            None => millis.saturating_mul(1000),
        });
        Ok(Self {
            incrementing: number(INCREMENTING)?,
            timestamp,
        })
    }

    /// Whether more rows come before this position than before the other; the same position is not.
    pub(crate) fn is_after(self, other: Self) -> bool {
        (self.timestamp, self.incrementing) > (other.timestamp, other.incrementing)
    }

    /// As it is stored.
    pub(crate) fn to_offset(self) -> SourceOffset {
        let mut offset = SourceOffset::new();
        if let Some(value) = self.incrementing {
            offset.insert(bytestring::ByteString::from_static(INCREMENTING), value);
        }
        if let Some(micros) = self.timestamp {
            offset.insert(
                bytestring::ByteString::from_static(TIMESTAMP),
                micros.div_euclid(1000),
            );
            offset.insert(
                bytestring::ByteString::from_static(TIMESTAMP_NANOS),
                micros.rem_euclid(1_000_000) * 1000,
            );
        }
        offset
    }
}

/// Checks partitions and offsets that a user wants to store.
pub(crate) fn check_altered(offsets: &[(SourcePartition, Option<SourceOffset>)]) -> Result<()> {
    for (partition, offset) in offsets {
        if partition.get(TABLE).and_then(Value::as_str).is_none()
            && partition.get(QUERY).and_then(Value::as_str).is_none()
        {
            return Err(ConnectError::connect(format!(
                "the partition {partition} has neither {TABLE:?} nor {QUERY:?} with a name"
            )));
        }
        if let Some(offset) = offset {
            Position::of(offset)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_of_the_confluent_connector() {
        let position = Position {
            incrementing: Some(7),
            timestamp: Some(1_700_000_000_123_456),
        };
        let offset = position.to_offset();
        assert_eq!(
            offset.to_string(),
            "{incrementing=7, timestamp=1700000000123, timestamp_nanos=123456000}"
        );
        assert_eq!(Position::of(&offset).unwrap(), position);
        let before_the_epoch = Position {
            incrementing: None,
            timestamp: Some(-1),
        };
        assert_eq!(
            Position::of(&before_the_epoch.to_offset()).unwrap(),
            before_the_epoch
        );
        let old = SourceOffset::of("timestamp", 5_i64);
        assert_eq!(Position::of(&old).unwrap().timestamp, Some(5000));
    }

    #[test]
    fn partitions_are_those_of_the_confluent_connector() {
        let shown = |name: &str, quote| -> Vec<String> {
            let partitions = partitions_of_table(&TableId::parse(name), quote);
            partitions.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            shown("d.s.t", '"'),
            [
                "{protocol=1, table=s.t}",
                "{protocol=1, table=d.s.t}",
                "{protocol=1, table=t}",
                "{protocol=1, table=\"s\".\"t\"}",
                "{protocol=1, table=\"d\".\"s\".\"t\"}",
                "{protocol=1, table=\"t\"}",
                "{table=t}",
                "{table=d.s.t}",
                "{table=s.t}",
                "{table=\"t\"}",
                "{table=\"d\".\"s\".\"t\"}",
                "{table=\"s\".\"t\"}",
            ]
        );
        let mariadb = TableId {
            catalog: Some("d".to_owned()),
            schema: None,
            name: "t".to_owned(),
        };
        assert_eq!(
            partitions_of_table(&mariadb, '`')
                .first()
                .map(ToString::to_string),
            Some("{protocol=1, table=d.t}".to_owned())
        );
    }

    #[test]
    fn altered_offsets_are_checked() {
        let table = SourcePartition::of("table", "t");
        assert!(check_altered(&[(table.clone(), None)]).is_ok());
        let wrong = SourceOffset::of("incrementing", "x");
        assert!(check_altered(&[(table, Some(wrong))]).is_err());
        assert!(check_altered(&[(SourcePartition::of("file", "t"), None)]).is_err());
    }
}
