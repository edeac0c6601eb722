//! `java.util.Random`, so that `random.seed` means the same numbers as in the JVM.

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const MASK: u64 = (1 << 48) - 1;

/// The linear congruential generator that the documentation of `java.util.Random` lays down.
#[derive(Debug, Clone)]
pub(crate) struct JavaRandom {
    state: u64,
}

impl JavaRandom {
    pub(crate) fn new(seed: i64) -> Self {
        Self {
            state: (seed.cast_unsigned() ^ MULTIPLIER) & MASK,
        }
    }

    fn next(&mut self, bits: u32) -> i32 {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        (self.state >> (48 - bits)) as i32
    }

    pub(crate) fn int(&mut self) -> i32 {
        self.next(32)
    }

    /// From 0 up to `bound`, exclusive; 0 for a bound that is not positive.
    pub(crate) fn below(&mut self, bound: i32) -> i32 {
        if bound <= 0 {
            return 0;
        }
        let bits = self.next(31);
        if bound & (bound - 1) == 0 {
            return ((i64::from(bound) * i64::from(bits)) >> 31) as i32;
        }
        let (mut bits, mut value) = (bits, bits % bound);
        while bits.wrapping_sub(value).wrapping_add(bound - 1) < 0 {
            bits = self.next(31);
            value = bits % bound;
        }
        value
    }

    /// An index of a list of that many items.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        let bound = i32::try_from(count).unwrap_or(i32::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }

    pub(crate) fn long(&mut self) -> i64 {
        let high = i64::from(self.next(32)) << 32;
        high.wrapping_add(i64::from(self.next(32)))
    }

    pub(crate) fn boolean(&mut self) -> bool {
        self.next(1) != 0
    }

    /// From 0 up to 1, exclusive.
    pub(crate) fn float(&mut self) -> f32 {
        self.next(24) as f32 / (1_u32 << 24) as f32
    }

    /// From 0 up to 1, exclusive.
    pub(crate) fn double(&mut self) -> f64 {
        let high = i64::from(self.next(26)) << 27;
        (high + i64::from(self.next(27))) as f64 / (1_u64 << 53) as f64
    }

    /// Appends random bytes.
    pub(crate) fn bytes(&mut self, count: usize, out: &mut Vec<u8>) {
        let mut rest = count;
        while rest > 0 {
            let four = self.int().to_le_bytes();
            let taken = rest.min(four.len());
            out.extend_from_slice(&four[..taken]);
            rest -= taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::JavaRandom;

    /// What `java.util.Random` of OpenJDK answers with these seeds.
    #[test]
    fn a_seed_gives_the_numbers_of_the_jvm() {
        let mut random = JavaRandom::new(42);
        assert_eq!(random.int(), -1_170_105_035);
        assert_eq!(
            [10, 64, 1 << 30 | 5].map(|bound| random.below(bound)),
            [3, 43, 102_948_884]
        );
        assert_eq!(random.long(), 5_694_868_678_511_409_995);
        assert!(!random.boolean());
        assert_eq!(random.float(), 0.707_710_56);
        assert_eq!(random.double(), 0.665_548_951_794_573_6);
        let mut bytes = Vec::new();
        random.bytes(6, &mut bytes);
        let signed: Vec<i8> = bytes.iter().map(|byte| byte.cast_signed()).collect();
        assert_eq!(signed, [-67, 103, 67, -25, -36, -105]);
        assert_eq!(random.long(), 6_802_844_026_563_419_272);
        assert_eq!(JavaRandom::new(-7).int(), 1_155_869_324);
    }
}
