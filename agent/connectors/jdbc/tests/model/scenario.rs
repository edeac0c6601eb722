//! A random table with its history, and the random numbers it is made of.

use sluice_api::Props;

/// Numbers that follow from a seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }

    /// True once in `count` times.
    pub(crate) fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let index = self.below(all.len());
        &all[index]
    }
}

/// What happens one after another.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A statement of a DBA, on both sides; it may fail on both.
    Change(String),
    /// A batch of so many records.
    Put(usize),
}

/// `insert.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Insert,
    Upsert,
    Update,
}

/// Tables, settings and batches of one round.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) features: Vec<&'static str>,
    /// Statements that make the tables.
    pub(crate) tables: Vec<String>,
    pub(crate) steps: Vec<Step>,
    /// Table or view that is written.
    pub(crate) target: &'static str,
    pub(crate) mode: Mode,
    pub(crate) batch_size: usize,
    /// Texts of keys; numbers where all are.
    pub(crate) keys: &'static [&'static str],
    pub(crate) numeric_keys: bool,
    pub(crate) names: &'static [&'static str],
    pub(crate) amounts: &'static [i64],
    /// Whether values have a field `note` at times.
    pub(crate) notes: bool,
    /// Whether no value lacks the field `amount`, which a sequence would fill.
    pub(crate) always_amounts: bool,
    /// Whether a batch ends with a record that is accepted, by which faults of another kind are told from its
    /// own.
    pub(crate) ends_well: bool,
    /// Whether statements can be taken back.
    pub(crate) transactional: bool,
}

impl Scenario {
    /// Keys of the sink that depend on it.
    pub(crate) fn props(&self) -> Props {
        let mode = match self.mode {
            Mode::Insert => "insert",
            Mode::Upsert => "upsert",
            Mode::Update => "update",
        };
        [
            ("insert.mode", mode.to_owned()),
            ("pk.mode", "record_key".to_owned()),
            ("pk.fields", "id".to_owned()),
            ("delete.enabled", "true".to_owned()),
            ("batch.size", self.batch_size.to_string()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}

/// Names that constraints tell apart or not.
pub(crate) const NAMES: &[&str] = &["x", "X", "x ", "y", "zz", "abcd", "toolong", "bad", ""];
pub(crate) const AMOUNTS: &[i64] = &[-9, 0, 1, 2, 3, 7, 40_000, 5_000_000_000];
pub(crate) const INTEGER_KEYS: &[&str] = &["1", "2", "3", "4", "5", "70000", "5000000000"];

/// Two to five batches, with changes in between.
pub(crate) fn steps(random: &mut Random, changes: &[&str]) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..2 + random.below(3) {
        steps.push(Step::Put(*random.of(&[1, 2, 3, 6, 12, 30, 70])));
        if !changes.is_empty() && random.once_in(2) {
            steps.push(Step::Change((*random.of(changes)).to_owned()));
        }
    }
    steps.push(Step::Put(*random.of(&[2, 5, 40])));
    steps
}
