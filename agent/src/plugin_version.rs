//! Versions of plugins as configurations ask for them (KIP-891): `latest`, a bare version, or Maven ranges.

use std::cmp::Ordering;
use std::fmt;

/// The versions a configuration accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionRange(Vec<Interval>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Interval {
    low: Option<String>,
    low_included: bool,
    high: Option<String>,
    high_included: bool,
}

impl VersionRange {
    /// Parses `latest`, `1.2`, `[1,2)` or `[1.0],[2.0]`.
    ///
    /// # Errors
    /// Maven's text for a malformed range.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "latest" {
            return Ok(Self(vec![Interval {
                low: None,
                low_included: true,
                high: None,
                high_included: true,
            }]));
        }
        if !text.starts_with(['[', '(']) {
            return Ok(Self(vec![Interval::exactly(text)]));
        }
        let mut intervals = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if !rest.starts_with(['[', '(']) {
                return Err(format!(
                    "Only fully-qualified sets allowed in multiple set scenario: {text}"
                ));
            }
            let end = rest
                .find([']', ')'])
                .ok_or_else(|| format!("Unbounded range: {text}"))?;
            intervals.push(Interval::parse(
                &rest[1..end],
                rest.starts_with('['),
                &rest[end..=end] == "]",
            )?);
            rest = rest[end + 1..]
                .trim_start()
                .trim_start_matches(',')
                .trim_start();
        }
        Ok(Self(intervals))
    }

    /// True if a version is accepted.
    pub(crate) fn contains(&self, version: &str) -> bool {
        self.0.iter().any(|interval| interval.contains(version))
    }
}

impl Interval {
    fn exactly(version: &str) -> Self {
        Self {
            low: Some(version.to_owned()),
            low_included: true,
            high: Some(version.to_owned()),
            high_included: true,
        }
    }

    fn parse(inner: &str, low_included: bool, high_included: bool) -> Result<Self, String> {
        let bound = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        match inner.split_once(',') {
            None if low_included && high_included => Ok(Self::exactly(inner.trim())),
            None => Err(format!("Single version must be surrounded by []: {inner}")),
            Some((low, high)) => Ok(Self {
                low: bound(low),
                low_included,
                high: bound(high),
                high_included,
            }),
        }
    }

    fn contains(&self, version: &str) -> bool {
        let above = self
            .low
            .as_deref()
            .is_none_or(|low| match compare(version, low) {
                Ordering::Less => false,
                Ordering::Equal => self.low_included,
                Ordering::Greater => true,
            });
        let below = self
            .high
            .as_deref()
            .is_none_or(|high| match compare(version, high) {
                Ordering::Greater => false,
                Ordering::Equal => self.high_included,
                Ordering::Less => true,
            });
        above && below
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, interval) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(
                f,
                "{}{},{}{}",
                if interval.low_included { "[" } else { "(" },
                interval.low.as_deref().unwrap_or_default(),
                interval.high.as_deref().unwrap_or_default(),
                if interval.high_included { "]" } else { ")" },
            )?;
        }
        Ok(())
    }
}

/// Compares versions part by part: numbers as numbers, and a qualifier such as `rc` before none.
fn compare(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(Option<u64>, String)> {
        text.split(['.', '-'])
            .map(|part| (part.parse().ok(), part.to_ascii_lowercase()))
            .collect()
    };
    let (a, b) = (parts(a), parts(b));
    let release = (Some(0), String::from("0"));
    for index in 0..a.len().max(b.len()) {
        let (left, right) = (
            a.get(index).unwrap_or(&release),
            b.get(index).unwrap_or(&release),
        );
        let ordering = match (left.0, right.0) {
            (Some(left), Some(right)) => left.cmp(&right),
            (None, None) => left.1.cmp(&right.1),
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_accept_what_maven_accepts() {
        let accepts =
            |range: &str, version: &str| VersionRange::parse(range).unwrap().contains(version);
        assert!(accepts("latest", "4.3.0"));
        assert!(accepts("4.3.0", "4.3.0"));
        assert!(accepts("[4,5)", "4.3.0"));
        assert!(!accepts("[4,4.3.0)", "4.3.0"));
        assert!(accepts("[1.0],[4.3.0]", "4.3.0"));
        assert!(!accepts("9.9.9", "4.3.0"));
        assert!(accepts("(,4.10)", "4.3.0"));
        assert!(accepts("[4.3.0-rc1,)", "4.3.0"));
    }

    #[test]
    fn a_bare_version_is_shown_as_a_hard_range_and_an_open_one_is_refused() {
        assert_eq!(
            VersionRange::parse("9.9.9").unwrap().to_string(),
            "[9.9.9,9.9.9]"
        );
        assert_eq!(
            VersionRange::parse("[bad").unwrap_err(),
            "Unbounded range: [bad"
        );
    }
}
