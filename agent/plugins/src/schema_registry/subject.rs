//! Subjects: the names under which the registry keeps the versions of a schema.

use sluice_api::{ConnectError, ConverterType, Result};

/// How the subject of a message's schema is found (`key.subject.name.strategy`,
/// `value.subject.name.strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubjectNameStrategy {
    /// The subject is `TOPIC-key` or `TOPIC-value`.
    Topic,
    /// The full name of the record.
    Record,
    /// `TOPIC-` and the full name of the record.
    TopicRecord,
}

impl SubjectNameStrategy {
    const PACKAGE: &'static str = "io.confluent.kafka.serializers.subject.";

    /// The strategy of a Java class name, with or without its package.
    pub(crate) fn named(class: &str) -> Option<Self> {
        match class.strip_prefix(Self::PACKAGE).unwrap_or(class) {
            // The one that asks the registry for associations falls back to the name of the topic without
            // any.
            "TopicNameStrategy" | "AssociatedNameStrategy" => Some(Self::Topic),
            "RecordNameStrategy" => Some(Self::Record),
            "TopicRecordNameStrategy" => Some(Self::TopicRecord),
            _ => None,
        }
    }

    /// The subject; `record` is the full name of the message's record, if it is one.
    pub(crate) fn subject(
        self,
        topic: &str,
        kind: ConverterType,
        record: Option<&str>,
    ) -> Result<String> {
        let kind = kind.as_str();
        let record = || {
            record.ok_or_else(|| {
                ConnectError::serialization(format!(
                    "in configuration {kind}.subject.name.strategy = {self:?}NameStrategy, the message \
                     {kind} of topic {topic} must be a record with a name"
                ))
            })
        };
        Ok(match self {
            Self::Topic => format!("{topic}-{kind}"),
            Self::Record => record()?.to_owned(),
            Self::TopicRecord => format!("{topic}-{}", record()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_named_after_topic_and_record() {
        let subject = |class: &str, record| {
            SubjectNameStrategy::named(class)
                .unwrap()
                .subject("t", ConverterType::Value, record)
        };
        let package = SubjectNameStrategy::PACKAGE;
        for (class, expected) in [
            ("TopicNameStrategy", "t-value"),
            ("RecordNameStrategy", "com.R"),
            ("TopicRecordNameStrategy", "t-com.R"),
        ] {
            for class in [class.to_owned(), format!("{package}{class}")] {
                assert_eq!(subject(&class, Some("com.R")).unwrap(), expected);
            }
        }
        assert_eq!(subject("TopicNameStrategy", None).unwrap(), "t-value");
        assert!(subject("RecordNameStrategy", None).is_err());
        assert_eq!(SubjectNameStrategy::named("com.Mine"), None);
    }
}
