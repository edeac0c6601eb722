//! Names of finished files, `topic+partition+startOffset+endOffset.extension`, as the Confluent connector
//! makes them.
//!
//! They are all that is kept of progress: a task goes on after the greatest end offset of its partition.

use sluice_api::TopicPartition;

/// What stands between the parts of a name; topics cannot hold it.
const DELIMITER: char = '+';

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    /// Offset of the first record.
    pub(crate) start: i64,
    /// Offset of the last record.
    pub(crate) end: i64,
}

impl<'a> FileName<'a> {
    /// Reads the last part of a path; `None` if it is no name of ours.
    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        let name = path.rsplit('/').next()?;
        let mut parts = name.split(DELIMITER);
        let topic = parts.next().filter(|topic| !topic.is_empty())?;
        let partition = digits(parts.next()?)?;
        let start = digits(parts.next()?)?;
        let last = parts.next()?;
        if parts.next().is_some() {
            return None;
        }
        let end = digits(last.split('.').next()?)?;
        Some(Self {
            topic,
            partition,
            start,
            end,
        })
    }
}

fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// The name of a file; offsets have at least `width` digits, `extension` begins with its dot.
pub(crate) fn file_name(
    partition: &TopicPartition,
    start: i64,
    end: i64,
    width: usize,
    extension: &str,
) -> String {
    let TopicPartition { topic, partition } = partition;
    format!(
        "{topic}{DELIMITER}{partition}{DELIMITER}{start:0width$}{DELIMITER}{end:0width$}{extension}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_confluent_connector() {
        let partition = TopicPartition::new("web.clicks-1", 3);
        let name = file_name(&partition, 20, 1_234, 10, ".avro");
        assert_eq!(name, "web.clicks-1+3+0000000020+0000001234.avro");
        let path = format!("/topics/web.clicks-1/partition=3/{name}");
        let read = FileName::parse(&path).unwrap();
        assert_eq!(
            (read.topic, read.partition, read.start, read.end),
            ("web.clicks-1", 3, 20, 1234)
        );
        assert_eq!(
            file_name(&partition, 0, 9, 0, ".json"),
            "web.clicks-1+3+0+9.json"
        );
        let wide = file_name(&partition, 0, 12_345_678_901, 10, ".json.gz");
        assert_eq!(FileName::parse(&wide).unwrap().end, 12_345_678_901);
    }

    #[test]
    fn other_files_are_none_of_ours() {
        for name in [
            "",
            "_SUCCESS",
            "t+0+1",
            "t+0+1+2+3.avro",
            "t+x+1+2.avro",
            "t+0+-1+2.avro",
            "+0+1+2.avro",
            "t+0+1+.avro",
            "t+0+1+99999999999999999999.avro",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
