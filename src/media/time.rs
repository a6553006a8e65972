//! 90 kHz time, the unit of every time stamp between a file and a client (ISO 13818-1 §2.4.3.7).

use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// A moment or a length in ticks of 1/90,000 s: signed and never wrapped. It is masked to the 33 bits
/// of the wire only when it is written into a packet.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Ticks90k(pub i64);

impl Ticks90k {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// One second.
    pub const SECOND: Self = Self(90_000);

    /// `ms` milliseconds.
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(90))
    }

    /// `value` units of 1/`scale` s, rounded to the nearest tick (halves up). A zero scale gives zero.
    pub const fn from_scaled(value: i64, scale: u32) -> Self {
        if scale == 0 {
            return Self(0);
        }
        let wide = value as i128 * 90_000 * 2 + scale as i128;
        let ticks = wide.div_euclid(2 * scale as i128);
        if ticks > i64::MAX as i128 || ticks < i64::MIN as i128 {
            Self(0)
        } else {
            Self(ticks as i64)
        }
    }

    /// Rounded to whole milliseconds, halves up.
    pub const fn round_ms(self) -> i64 {
        self.0.saturating_add(45).div_euclid(90)
    }

    /// As seconds, for people.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 90_000.0
    }
}

impl Add for Ticks90k {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Ticks90k {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Ticks90k {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl AddAssign for Ticks90k {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Ticks90k {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_rounds_to_the_nearest_tick_on_both_sides_of_zero() {
        for (value, scale, ticks) in [
            (1, 1, 90_000),
            (1001, 30_000, 3003),
            (1024, 44_100, 2090),
            (-1024, 44_100, -2090),
            (1, 0, 0),
            (i64::MAX, 1, 0),
        ] {
            assert_eq!(
                Ticks90k::from_scaled(value, scale),
                Ticks90k(ticks),
                "{value}/{scale}"
            );
        }
    }

    #[test]
    fn milliseconds_round_half_up() {
        for (ticks, ms) in [(0, 0), (44, 0), (45, 1), (90, 1), (-45, 0), (-46, -1)] {
            assert_eq!(Ticks90k(ticks).round_ms(), ms, "{ticks}");
        }
    }
}
