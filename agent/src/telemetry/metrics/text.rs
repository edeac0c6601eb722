//! Prometheus' text format 0.0.4: a family of numbers under one name, with its help and its type.

use std::fmt::Write as _;

/// Whether a number only grows, from the start of what it counts, or moves both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

impl Kind {
    /// As a `# TYPE` line says it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// What a metric of a subject is now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Count(u64),
    /// NaN where nothing happened in the window, as JMX has it.
    Number(f64),
    /// The subject has no such number; nothing is written of it.
    Absent,
}

impl Value {
    pub(super) fn of(number: usize) -> Self {
        Self::Count(u64::try_from(number).unwrap_or(u64::MAX))
    }

    pub(super) fn known(count: Option<u64>) -> Self {
        count.map_or(Self::Absent, Self::Count)
    }
}

/// A number of subjects of one sort, a row of a table.
pub(super) struct Metric<T: 'static> {
    pub(super) name: &'static str,
    /// A sentence for people, with the unit where the name has none.
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) get: fn(&T) -> Value,
}

/// A text about subjects of one sort: written as a label of a number that is always 1.
pub(super) struct Info<T: 'static> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    /// The label that holds the text.
    pub(super) label: &'static str,
    /// `None` or an empty text where there is none; nothing is written then.
    pub(super) get: fn(&T) -> Option<String>,
}

/// Labels as they stand between braces, their values escaped.
pub(super) fn labels(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        let comma = if text.is_empty() { "" } else { "," };
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        // Writing to a String does not fail, here and below.
        let _ = write!(text, "{comma}{name}=\"{value}\"");
    }
    text
}

/// The text of an answer. Subjects come with their labels; a family whose subjects have no value is left
/// out, with its help.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn numbers<T>(&mut self, table: &[Metric<T>], subjects: &[(String, &T)]) {
        for metric in table {
            let mut headed = false;
            for (labels, subject) in subjects {
                let value = match (metric.get)(subject) {
                    Value::Absent => continue,
                    Value::Count(count) => count.to_string(),
                    // Prometheus reads NaN and inf as Rust writes them.
                    Value::Number(number) => number.to_string(),
                };
                if !std::mem::replace(&mut headed, true) {
                    self.head(metric.name, metric.help, metric.kind);
                }
                self.sample(metric.name, labels, &value);
            }
        }
    }

    pub(super) fn infos<T>(&mut self, table: &[Info<T>], subjects: &[(String, &T)]) {
        for info in table {
            let mut headed = false;
            for (of, subject) in subjects {
                let Some(value) = (info.get)(subject).filter(|text| !text.is_empty()) else {
                    continue;
                };
                if !std::mem::replace(&mut headed, true) {
                    self.head(info.name, info.help, Kind::Gauge);
                }
                let label = labels(&[(info.label, &value)]);
                let comma = if of.is_empty() { "" } else { "," };
                self.sample(info.name, &format!("{of}{comma}{label}"), "1");
            }
        }
    }

    fn head(&mut self, name: &str, help: &str, kind: Kind) {
        let _ = writeln!(self.0, "# HELP {name} {help}");
        let _ = writeln!(self.0, "# TYPE {name} {}", kind.name());
    }

    fn sample(&mut self, name: &str, labels: &str, value: &str) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Metric<Option<u64>>] = &[
        Metric {
            name: "first_total",
            help: "Counts.",
            kind: Kind::Counter,
            get: |count| Value::known(*count),
        },
        Metric {
            name: "second",
            help: "Of nobody.",
            kind: Kind::Gauge,
            get: |_| Value::Absent,
        },
        Metric {
            name: "third",
            help: "A mean.",
            kind: Kind::Gauge,
            get: |count| Value::Number(if count.is_some() { 0.5 } else { f64::NAN }),
        },
    ];

    const INFO: &[Info<Option<u64>>] = &[Info {
        name: "class",
        help: "A class.",
        label: "of",
        get: |count| count.map(|count| format!("C\"{count}")),
    }];

    #[test]
    fn a_family_stands_together_behind_its_help_and_its_type() {
        let subjects = [
            (labels(&[("connector", "a\\b\"c\nd")]), &Some(7)),
            (labels(&[("connector", "e"), ("task", "0")]), &None),
        ];
        let mut text = Text::default();
        text.numbers(TABLE, &subjects);
        text.infos(INFO, &subjects);
        text.numbers(TABLE, &[(String::new(), &Some(u64::MAX))]);
        let expected = "# HELP first_total Counts.\n\
                        # TYPE first_total counter\n\
                        first_total{connector=\"a\\\\b\\\"c\\nd\"} 7\n\
                        # HELP third A mean.\n\
                        # TYPE third gauge\n\
                        third{connector=\"a\\\\b\\\"c\\nd\"} 0.5\n\
                        third{connector=\"e\",task=\"0\"} NaN\n\
                        # HELP class A class.\n\
                        # TYPE class gauge\n\
                        class{connector=\"a\\\\b\\\"c\\nd\",of=\"C\\\"7\"} 1\n\
                        # HELP first_total Counts.\n\
                        # TYPE first_total counter\n\
                        first_total 18446744073709551615\n\
                        # HELP third A mean.\n\
                        # TYPE third gauge\n\
                        third 0.5\n";
        assert_eq!(text.finish(), expected);
    }
}
