//! The key partitioner of the Java producer: `(murmur2(key) & 0x7fffffff) % partitions`.
//!
//! Compaction works per partition, so whoever writes a key must choose the partition a JVM worker would.

/// Partition of a key among `partitions` (at least one; 0 partitions give 0).
pub fn partition_for_key(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff)
        .checked_rem(partitions)
        .unwrap_or(0)
}

/// Kafka's 32-bit murmur2 (`Utils.murmur2`), seed `0x9747b28c`.
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Java lengths are 32 bits; longer keys can't exist in Kafka.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut h = SEED ^ length;
    let mut blocks = data.chunks_exact(4);
    for block in &mut blocks {
        let mut k = block
            .iter()
            .rev()
            .fold(0u32, |word, byte| (word << 8) | u32::from(*byte));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        k = k.wrapping_mul(M);
        h = h.wrapping_mul(M);
        h ^= k;
    }
    let rest = blocks.remainder();
    if !rest.is_empty() {
        h ^= rest
            .iter()
            .rev()
            .fold(0u32, |word, byte| (word << 8) | u32::from(*byte));
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_match_those_seen_on_a_jvm_cluster() {
        let offset_key = br#"["src1",{"filename":"/data/in.txt"}]"#;
        assert_eq!(partition_for_key(offset_key, 5), 1);
        assert_eq!(partition_for_key(offset_key, 25), 16);
        assert_eq!(partition_for_key(b"status-connector-src1", 5), 4);
    }

    #[test]
    fn hashes_match_the_vectors_of_kafka() {
        // From `UtilsTest.testMurmur2`.
        for (text, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }

    #[test]
    fn no_partitions_give_zero() {
        assert_eq!(partition_for_key(b"x", 0), 0);
    }
}
