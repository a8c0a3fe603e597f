//! Reading bits, most significant first; never past the end.

/// A cursor over bits.
#[derive(Debug, Clone)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// How many bits are left.
    pub(super) fn remaining(&self) -> usize {
        self.data.len() * 8 - self.position
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        Some(self.read(1)? == 1)
    }

    /// The next `count` bits, at most 32, as a number.
    pub(super) fn read(&mut self, count: usize) -> Option<u32> {
        if count > 32 || count > self.remaining() {
            return None;
        }
        let mut value = 0;
        for _ in 0..count {
            let byte = self.data[self.position / 8];
            value = value << 1 | u32::from(byte >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Some(value)
    }

    /// An unsigned Exp-Golomb code, `ue(v)` (ITU-T H.264 §9.1); up to 2³² − 2.
    pub(super) fn unsigned_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let suffix = self.read(zeros)?;
        u32::try_from((1_u64 << zeros) - 1 + u64::from(suffix)).ok()
    }

    /// A signed Exp-Golomb code, `se(v)` (ITU-T H.264 §9.1.1).
    pub(super) fn signed_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned_golomb()?);
        Some(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golomb_codes_are_those_of_the_table_in_h264() {
        // 1 | 010 | 011 | 00100 | 00101
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let codes: Vec<_> = (0..5).map(|_| bits.unsigned_golomb().unwrap()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4]);
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let codes: Vec<_> = (0..5).map(|_| bits.signed_golomb().unwrap()).collect();
        assert_eq!(codes, [0, 1, -1, 2, -2]);
    }

    #[test]
    fn the_end_is_an_answer_and_not_a_panic() {
        assert_eq!(Bits::new(&[]).flag(), None);
        assert_eq!(Bits::new(&[0; 16]).unsigned_golomb(), None);
        assert_eq!(Bits::new(&[0xff]).read(9), None);
    }
}
