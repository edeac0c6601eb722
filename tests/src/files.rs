//! Files full of distinguishable lines, and what was lost or repeated on their way.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Writes lines `from..to` to the end of a file: each is unique within and across names, about 60 bytes,
/// ASCII.
///
/// # Errors
/// When the file cannot be written.
pub fn write_lines(file: &Path, name: &str, from: u64, to: u64) -> Result<()> {
    let mut out = BufWriter::new(
        File::options()
            .create(true)
            .append(true)
            .open(file)
            .with_context(|| file.display().to_string())?,
    );
    for n in from..to {
        writeln!(out, "{}", line(name, n))?;
    }
    out.flush()?;
    Ok(())
}

/// The text of line `n` of `name`.
pub fn line(name: &str, n: u64) -> String {
    format!("{name} line {n:010} of a file that goes through Kafka")
}

/// The number of complete lines in a file; 0 when there is no file yet.
///
/// # Errors
/// When it cannot be read.
pub fn count_lines(file: &Path) -> Result<u64> {
    if !file.exists() {
        return Ok(0);
    }
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    Ok(bytes.iter().filter(|&&byte| byte == b'\n').count() as u64)
}

/// What arrived, compared with what was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// How many lines were sent.
    pub sent: u64,
    /// How many different lines sent did not arrive.
    pub missing: u64,
    /// How many lines arrived once more than sent, each further time counted.
    pub repeated: u64,
    /// How many lines arrived with something before them, as when a writer was killed within the line before;
    /// the line at their end counts as arrived.
    pub glued: u64,
    /// How many lines arrived that were never sent.
    pub foreign: u64,
    /// One example of each fault.
    pub examples: Vec<String>,
}

impl Delivery {
    /// Compares all lines of the files `sent` with all lines of the files `arrived`.
    ///
    /// # Errors
    /// When a file cannot be read; a file in `arrived` that does not exist counts as empty.
    pub fn compare<P: AsRef<Path>, Q: AsRef<Path>>(sent: &[P], arrived: &[Q]) -> Result<Self> {
        let read = |file: &Path| std::fs::read(file).with_context(|| file.display().to_string());
        let sent: Vec<Vec<u8>> = sent
            .iter()
            .map(|file| read(file.as_ref()))
            .collect::<Result<_>>()?;
        let arrived: Vec<Vec<u8>> = arrived
            .iter()
            .filter(|file| file.as_ref().exists())
            .map(|file| read(file.as_ref()))
            .collect::<Result<_>>()?;
        Ok(Self::of(
            sent.iter().flat_map(|bytes| lines(bytes)),
            arrived.iter().flat_map(|bytes| lines(bytes)),
        ))
    }

    /// Compares two sequences of lines, of which those in `sent` are all different.
    pub fn of<'a>(
        sent: impl Iterator<Item = &'a [u8]>,
        arrived: impl Iterator<Item = &'a [u8]>,
    ) -> Self {
        let mut times: HashMap<&[u8], u32> = sent.map(|line| (line, 0)).collect();
        let lengths: BTreeSet<usize> = times.keys().map(|line| line.len()).collect();
        let mut delivery = Self {
            sent: times.len() as u64,
            ..Self::default()
        };
        let mut example = |count: u64, fault: &str, line: &[u8]| {
            if count == 1 {
                let line = String::from_utf8_lossy(line);
                delivery.examples.push(format!("{fault}: {line:?}"));
            }
        };
        let (mut missing, mut repeated, mut glued, mut foreign) = (0, 0, 0, 0);
        for mut line in arrived {
            if !times.contains_key(line) {
                let end = lengths
                    .range(..line.len())
                    .map(|length| &line[line.len() - length..])
                    .find(|end| times.contains_key(*end));
                if let Some(end) = end {
                    glued += 1;
                    example(glued, "glued", line);
                    line = end;
                }
            }
            match times.get_mut(line) {
                Some(0) => *times.entry(line).or_default() = 1,
                Some(count) => {
                    *count += 1;
                    repeated += 1;
                    example(repeated, "repeated", line);
                }
                None => {
                    foreign += 1;
                    example(foreign, "foreign", line);
                }
            }
        }
        for (line, _) in times.iter().filter(|(_, count)| **count == 0) {
            missing += 1;
            example(missing, "missing", line);
        }
        Self {
            missing,
            repeated,
            glued,
            foreign,
            ..delivery
        }
    }

    /// Fails unless every line arrived at least once and nothing else did (at-least-once).
    ///
    /// # Errors
    /// With the counts and examples.
    pub fn none_lost(&self) -> Result<()> {
        if self.missing + self.foreign > 0 {
            bail!("{self}");
        }
        Ok(())
    }

    /// Fails unless every line arrived exactly once and nothing else did.
    ///
    /// # Errors
    /// With the counts and examples.
    pub fn none_lost_or_repeated(&self) -> Result<()> {
        if self.missing + self.repeated + self.glued + self.foreign > 0 {
            bail!("{self}");
        }
        Ok(())
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            missing,
            repeated,
            glued,
            foreign,
            examples,
        } = self;
        write!(
            f,
            "of {sent} lines {missing} missing, {repeated} repeated, {glued} glued, {foreign} foreign; \
             {examples:?}"
        )
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(sent: &str, arrived: &str) -> Delivery {
        Delivery::of(lines(sent.as_bytes()), lines(arrived.as_bytes()))
    }

    #[test]
    fn order_does_not_matter_for_a_complete_delivery() {
        assert!(delivery("a\nb\n", "b\na\n").none_lost_or_repeated().is_ok());
    }

    #[test]
    fn lost_repeated_and_foreign_lines_are_counted_apart() {
        let found = delivery("a\nb\nc\n", "a\na\na\nx\nc\n");
        assert_eq!((found.missing, found.repeated, found.foreign), (1, 2, 1));
        assert!(found.none_lost().is_err());
        assert_eq!(found.examples.len(), 3);
    }

    #[test]
    fn repeated_lines_are_fine_where_at_least_once_is_promised() {
        let found = delivery("a\nb\n", "a\na\nb\n");
        assert!(found.none_lost().is_ok());
        assert!(found.none_lost_or_repeated().is_err());
    }

    #[test]
    fn a_line_after_half_of_another_has_arrived_but_not_in_good_order() {
        let found = delivery("one\ntwo\n", "one\non\x00two\n");
        assert_eq!((found.missing, found.glued), (0, 1));
        assert!(found.none_lost().is_ok());
        assert!(found.none_lost_or_repeated().is_err());
    }

    #[test]
    fn written_lines_are_all_different() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lines");
        write_lines(&file, "x", 0, 10).unwrap();
        write_lines(&file, "x", 10, 20).unwrap();
        assert_eq!(count_lines(&file).unwrap(), 20);
        let same = Delivery::compare(&[&file], &[&file]).unwrap();
        assert_eq!(
            (same.sent, same.none_lost_or_repeated().is_ok()),
            (20, true)
        );
    }
}
