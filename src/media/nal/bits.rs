//! Reading bits from parameter sets and slice headers: fixed length and Exp-Golomb codes
//! (ITU-T H.264 §7.2 and §9.1, H.265 §9.2), with or without emulation prevention bytes.

/// A cursor over the bits of one NAL unit or MPEG-2 header. Everything answers `None` past the end.
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    /// Bytes taken from `data` so far.
    taken: usize,
    /// The byte being read and how many of its bits are left.
    byte: u8,
    left: u8,
    /// Zero bytes seen in a row, to spot 00 00 03.
    zeros: u8,
    escaped: bool,
}

impl<'a> Bits<'a> {
    /// Over the payload of an H.264 or HEVC NAL unit: 03 behind 00 00 is skipped (H.264 §7.3.1).
    pub(crate) fn escaped(data: &'a [u8]) -> Self {
        Self::new(data, true)
    }

    /// Over plain bytes (MPEG-2 has no emulation prevention).
    pub(crate) fn plain(data: &'a [u8]) -> Self {
        Self::new(data, false)
    }

    fn new(data: &'a [u8], escaped: bool) -> Self {
        Self {
            data,
            taken: 0,
            byte: 0,
            left: 0,
            zeros: 0,
            escaped,
        }
    }

    fn refill(&mut self) -> Option<()> {
        let mut byte = *self.data.get(self.taken)?;
        self.taken += 1;
        if self.escaped && self.zeros >= 2 && byte == 3 {
            byte = *self.data.get(self.taken)?;
            self.taken += 1;
            self.zeros = 0;
        }
        self.zeros = if byte == 0 {
            self.zeros.saturating_add(1)
        } else {
            0
        };
        self.byte = byte;
        self.left = 8;
        Some(())
    }

    /// One bit.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.refill()?;
        }
        self.left -= 1;
        Some(self.byte >> self.left & 1 == 1)
    }

    /// `count` bits, at most 32, most significant first: u(n).
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u32;
        let mut wanted = count.min(32);
        while wanted > 0 {
            if self.left == 0 {
                self.refill()?;
            }
            let take = wanted.min(u32::from(self.left));
            let shifted = u32::from(self.byte) >> (u32::from(self.left) - take);
            value = value.checked_shl(take).unwrap_or(0) | (shifted & ((1 << take) - 1));
            self.left -= take as u8;
            wanted -= take;
        }
        Some(value)
    }

    /// Passes over `count` bits.
    pub(crate) fn skip(&mut self, count: u32) -> Option<()> {
        for _ in 0..count / 32 {
            self.bits(32)?;
        }
        self.bits(count % 32)?;
        Some(())
    }

    /// An unsigned Exp-Golomb code: ue(v).
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1_u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// An unsigned Exp-Golomb code that the standard limits to `max`.
    pub(crate) fn ue_max(&mut self, max: u32) -> Option<u32> {
        self.ue().filter(|value| *value <= max)
    }

    /// A signed Exp-Golomb code: se(v).
    pub(crate) fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 {
            (code + 1) / 2
        } else {
            -(code / 2)
        })
    }

    /// Bits read so far, of plain bytes.
    pub(crate) fn position(&self) -> usize {
        self.taken * 8 - usize::from(self.left)
    }

    /// A whole byte, when standing on a byte boundary.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.bits(8).map(|value| value as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_read_as_the_standard_tabulates_them() {
        // 1, 010, 011, 00100, 00101, 0001000: codes 0, 1, 2, 3, 4, 7.
        let mut bits = Bits::plain(&[0b1010_0110, 0b0100_0010, 0b1000_1000]);
        let codes: Vec<_> = (0..6).map(|_| bits.ue().unwrap()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 7]);
        let mut bits = Bits::plain(&[0b1010_0110, 0b0100_0010, 0b1000_1000]);
        let codes: Vec<_> = (0..6).map(|_| bits.se().unwrap()).collect();
        assert_eq!(codes, [0, 1, -1, 2, -2, 4]);
    }

    #[test]
    fn emulation_prevention_is_skipped_only_when_asked() {
        let data = [0, 0, 3, 1, 0, 0, 3];
        let mut bits = Bits::escaped(&data);
        assert_eq!(bits.bits(24), Some(1));
        assert_eq!(bits.bits(16), Some(0));
        assert_eq!(bits.flag(), None, "the trailing 03 is no payload");
        assert_eq!(Bits::plain(&data).bits(32), Some(0x0000_0301));
    }

    #[test]
    fn the_end_and_endless_codes_answer_none() {
        assert_eq!(Bits::plain(&[0; 4]).ue(), None);
        assert_eq!(Bits::plain(&[0; 9]).ue(), None);
        assert_eq!(Bits::plain(&[]).flag(), None);
        assert_eq!(Bits::plain(&[0xff]).skip(9), None);
        assert_eq!(
            Bits::plain(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]).ue(),
            Some(u32::MAX - 1)
        );
    }
}
