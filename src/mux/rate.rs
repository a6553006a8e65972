//! A constant rate: packets at even distances, so that a clock reference is exact for its place in the
//! stream (ISO 13818-1 §2.4.2.2), with null packets where there is nothing else to send.
//!
//! Content that needs more than the rate is neither dropped nor held back: its packets follow each other
//! faster, as far as it takes to arrive in time, and are counted.

use std::num::NonZeroU32;

use super::packet::PACKET_BYTES;

/// Bits of a packet times the 27 MHz of the clock.
const PACKET_STEP: i128 = PACKET_BYTES as i128 * 8 * 27_000_000;

/// Where a stream of constant rate is in time. All times are clock references: 27 MHz, not wrapped.
#[derive(Clone, Copy, Debug)]
pub(super) struct FixedRate {
    bits_per_second: i128,
    /// When the next packet begins, times `bits_per_second`: whole numbers, so that nothing is ever rounded away.
    next: i128,
    /// Distance to the packet behind it, likewise.
    step: i128,
    over_packets: u64,
}

impl FixedRate {
    pub(super) fn new(kbit: NonZeroU32) -> Self {
        Self {
            bits_per_second: i128::from(kbit.get()) * 1_000,
            next: 0,
            step: PACKET_STEP,
            over_packets: 0,
        }
    }

    /// The next packet begins at `pcr`, wherever the ones before it were.
    pub(super) fn start(&mut self, pcr: i64) {
        self.next = i128::from(pcr) * self.bits_per_second;
    }

    /// When the next packet begins.
    pub(super) fn pcr(&self) -> i64 {
        self.after(0)
    }

    /// When the packet behind the next `packets` begins.
    pub(super) fn after(&self, packets: usize) -> i64 {
        let at = self.next + self.step * packets as i128;
        i64::try_from(at.div_euclid(self.bits_per_second)).unwrap_or(i64::MAX)
    }

    /// `packets` packets were written.
    pub(super) fn pass(&mut self, packets: usize) {
        self.next += self.step * packets as i128;
        if self.step < PACKET_STEP {
            self.over_packets += packets as u64;
        }
    }

    /// The next `packets` packets have to have arrived by `latest`.
    pub(super) fn hurry(&mut self, packets: usize, latest: i64) {
        let left = i128::from(latest) * self.bits_per_second - self.next;
        self.step = (left / packets.max(1) as i128).clamp(0, PACKET_STEP);
    }

    /// There is no hurry any more.
    pub(super) fn calm(&mut self) {
        self.step = PACKET_STEP;
    }

    /// Packets that followed each other faster than the rate allows.
    pub(super) fn over_packets(&self) -> u64 {
        self.over_packets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(kbit: u32) -> FixedRate {
        let mut rate = FixedRate::new(NonZeroU32::new(kbit).unwrap());
        rate.start(0);
        rate
    }

    #[test]
    fn a_packet_takes_its_bits_divided_by_the_rate_and_nothing_is_rounded_away() {
        // 1,504 bits at 1,504 kbit/s last a millisecond.
        let mut even = rate(1_504);
        even.pass(1);
        assert_eq!(even.pcr(), 27_000);
        // At 7 Mbit/s they do not come to whole ticks; after 7,000,000 packets they do.
        let mut odd = rate(7_000);
        for _ in 0..7_000 {
            odd.pass(1_000);
        }
        assert_eq!(odd.pcr(), 1_504 * 27_000_000);
        odd.start((1 << 50) + 5);
        assert_eq!(odd.pcr(), (1 << 50) + 5);
    }

    #[test]
    fn what_does_not_fit_goes_faster_and_is_counted_and_what_fits_does_not() {
        let mut rate = rate(1_504);
        rate.hurry(10, 27_000 * 10);
        rate.pass(10);
        rate.calm();
        assert_eq!((rate.pcr(), rate.over_packets()), (270_000, 0));
        rate.hurry(10, 270_000 + 27_000 * 5);
        rate.pass(10);
        rate.calm();
        assert_eq!((rate.pcr(), rate.over_packets()), (405_000, 10));
        // Too late already: at once, and never backwards.
        rate.hurry(3, 0);
        rate.pass(3);
        rate.calm();
        assert_eq!((rate.pcr(), rate.over_packets()), (405_000, 13));
        rate.pass(1);
        assert_eq!((rate.pcr(), rate.over_packets()), (432_000, 13));
    }
}
