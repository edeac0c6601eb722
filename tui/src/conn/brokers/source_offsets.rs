//! Follows the offset topic: when an offset of each source last moved.
//!
//! JVM workers report no figures, but each record of their offset topic has the time at which it was written.
//! Only a record whose offset differs from the one before of the same source partition counts. The tail of
//! the topic is read, a bounded number of records; of a source that is not in it nothing is known.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::Offset;
use rdkafka::message::BorrowedMessage;
use sluice_protocol::{ConnectorName, offset_topic};

use super::{Shared, tail};
use crate::model::news::Update;
use crate::units::Millis;

/// Records of the tail that are read at first, of all partitions together.
const TAIL: i64 = 200_000;
/// Longest time for that.
const LOAD: Duration = Duration::from_secs(60);
/// How many source partitions are remembered.
const KEYS_CAP: usize = 500_000;
/// Distance between reports of what moved.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// What is known of all source partitions.
#[derive(Default)]
struct Moves {
    /// By fingerprint of the record's key, that of the offset seen last.
    seen: HashMap<u64, u64>,
    /// When an offset of a connector moved, since the last report.
    moved: BTreeMap<ConnectorName, Millis>,
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

impl Moves {
    /// Takes a record over. A tombstone does not count as a move: it is deleted, or its offsets were set
    /// back.
    fn add(&mut self, key: &[u8], value: Option<&[u8]>, at: Option<Millis>) {
        let Some(value) = value else {
            self.seen.remove(&fingerprint(key));
            return;
        };
        let (key_print, print) = (fingerprint(key), fingerprint(value));
        if self.seen.get(&key_print) == Some(&print) {
            return;
        }
        if self.seen.len() < KEYS_CAP {
            self.seen.insert(key_print, print);
        }
        let (Some(at), Ok((connector, _))) = (at, offset_topic::decode_key(key)) else {
            return;
        };
        let newest = self.moved.entry(connector).or_insert(at);
        *newest = (*newest).max(at);
    }

    fn message(&mut self, message: &BorrowedMessage<'_>) {
        if let Some(key) = message.key() {
            self.add(key, message.payload(), message.timestamp().to_millis());
        }
    }

    fn report(&mut self, shared: &Shared) {
        let moved = std::mem::take(&mut self.moved);
        if !moved.is_empty() {
            shared.feed.send_blocking(Update::SourcesMoved(moved));
        }
    }
}

/// Follows the offset topic until the cluster is left or the brokers come back.
pub(super) fn follow(shared: &Shared, topic: &str) {
    let birth = shared.birth();
    let tail = |partitions| Offset::OffsetTail(TAIL / i64::try_from(partitions).unwrap_or(TAIL));
    let Some((consumer, partitions)) = tail::retry(shared, || tail::assign(shared, topic, tail))
    else {
        return;
    };
    let mut moves = Moves::default();
    // What could not be read in time is read with what comes after it.
    tail::read_to_end(shared, &consumer, partitions, LOAD, |message| {
        moves.message(message);
    });
    let mut reported = Instant::now();
    moves.report(shared);
    while shared.is_current(birth) {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(500)) {
            moves.message(&message);
        }
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            moves.report(shared);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(records: &[(&str, Option<&str>, Millis)]) -> Vec<(String, Millis)> {
        let mut moves = Moves::default();
        for (key, value, at) in records {
            moves.add(key.as_bytes(), value.map(str::as_bytes), Some(*at));
        }
        let moved = moves.moved.into_iter();
        moved.map(|(name, at)| (name.to_string(), at)).collect()
    }

    #[test]
    fn only_an_offset_that_differs_from_the_one_before_has_moved() {
        let (a, b) = (r#"["s",{"file":"a"}]"#, r#"["s",{"file":"b"}]"#);
        let records = [
            (a, Some(r#"{"position":1}"#), 10),
            (b, Some(r#"{"position":5}"#), 20),
            (a, Some(r#"{"position":2}"#), 30),
            (a, Some(r#"{"position":2}"#), 90),
            (b, Some(r#"{"position":5}"#), 95),
        ];
        assert_eq!(moved(&records), [("s".to_owned(), 30)]);
        let other = (r#"["t",{}]"#, Some("{}"), 5);
        assert_eq!(moved(&[records[0], other]).len(), 2);
        // What was set back and begins anew moves with its next offset.
        let reset = [
            records[0],
            (a, None, 40),
            (a, Some(r#"{"position":1}"#), 50),
        ];
        assert_eq!(moved(&reset), [("s".to_owned(), 50)]);
        assert_eq!(moved(&[("no key of Connect", Some("{}"), 1)]), []);
    }
}
