//! A part of an item that can be an entry of a timeline.

use crate::media::Ticks90k;

/// The shortest length that is put on air: the guide counts in whole seconds.
pub const SHORTEST_MS: i64 = 1000;
/// The longest: a file that claims more is damaged, and would hold a channel for weeks.
const LONGEST_MS: i64 = 7 * 24 * HOUR_MS;
pub(super) const HOUR_MS: i64 = 3_600_000;

/// From where to where an item is played, in item time: at least [`SHORTEST_MS`] and at most a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    from: Ticks90k,
    to: Ticks90k,
}

impl Span {
    /// A part of an item; `None` when it is shorter than a second or longer than a week.
    pub fn new(from: Ticks90k, to: Ticks90k) -> Option<Self> {
        Self::why_not(from, to)
            .is_none()
            .then_some(Self { from, to })
    }

    /// Why this cannot be put on air, for people.
    pub fn why_not(from: Ticks90k, to: Ticks90k) -> Option<String> {
        match (to - from).round_ms() {
            ..=0 => Some("it has no known length".to_owned()),
            1..SHORTEST_MS => Some("it is shorter than a second".to_owned()),
            ms @ LONGEST_MS.. => Some(format!("it claims to last {} hours", ms / HOUR_MS)),
            _ => None,
        }
    }

    /// In.
    pub fn from(self) -> Ticks90k {
        self.from
    }

    /// Out, not including.
    pub fn to(self) -> Ticks90k {
        self.to
    }

    /// What an entry that plays it lasts: `round_ms(to - from)`.
    pub fn length_ms(self) -> i64 {
        (self.to - self.from).round_ms()
    }

    /// Its beginning, `ms` long; all of it when it is not longer, `None` when `ms` is less than a second.
    pub fn cut_to(self, ms: i64) -> Option<Self> {
        if ms >= self.length_ms() {
            return Some(self);
        }
        Self::new(self.from, self.from + Ticks90k::from_ms(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_neither_shorter_than_a_second_nor_longer_than_a_week() {
        for (ticks, fits) in [
            (-90, false),
            (0, false),
            (89_954, false),
            (89_955, true),
            (90_000, true),
            (7 * 24 * 3600 * 90_000 - 46, true),
            (7 * 24 * 3600 * 90_000, false),
            (i64::MAX, false),
        ] {
            let span = Span::new(Ticks90k(7), Ticks90k(7) + Ticks90k(ticks));
            assert_eq!(span.is_some(), fits, "{ticks}");
        }
    }

    #[test]
    fn a_cut_lasts_exactly_as_long_as_asked() {
        let span = Span::new(Ticks90k(11), Ticks90k(11 + 90_001 * 60)).unwrap();
        for ms in [1000, 1001, 33_333, 59_999] {
            assert_eq!(span.cut_to(ms).unwrap().length_ms(), ms);
        }
        assert_eq!(span.cut_to(60_001), Some(span));
        assert_eq!(span.cut_to(999), None);
    }
}
