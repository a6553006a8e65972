//! Days and spans of time, as queries write them.

/// A day of the calendar as `YYYYMMDD`: 19990331.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// The first and the last day that this text can mean: `1999`, `199903`, `19990331` or the same with hyphens.
    pub(super) fn range(text: &str) -> Option<(Day, Day)> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number: i64 = digits.parse().ok()?;
        let (first, last) = match digits.len() {
            4 => (number * 10_000, number * 10_000 + 9_999),
            6 => (number * 100, number * 100 + 99),
            8 => (number, number),
            _ => return None,
        };
        Some((Day(first), Day(last)))
    }

    /// The days whose text begins so: `199*` is the nineties.
    pub(super) fn beginning(digits: &str) -> Option<(Day, Day)> {
        let missing = 8_usize.checked_sub(digits.len())?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let unit = 10_i64.pow(u32::try_from(missing).ok()?);
        let number: i64 = digits.parse().ok()?;
        Some((Day(number * unit), Day(number * unit + unit - 1)))
    }
}

/// A span of time on the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Days; weeks are seven of them.
    Days(u16),
    /// Months.
    Months(u16),
    /// Years.
    Years(u16),
}

impl Span {
    /// Reads `3 weeks`, `1 month`, `2 years`, `10 days`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let count: u16 = words.next()?.parse().ok().filter(|n| *n <= 9_999)?;
        let unit = words.next()?.to_ascii_lowercase();
        if words.next().is_some() {
            return None;
        }
        match unit.strip_suffix('s').unwrap_or(&unit) {
            "day" => Some(Span::Days(count)),
            "week" => Some(Span::Days(count.checked_mul(7)?)),
            "month" => Some(Span::Months(count)),
            "year" => Some(Span::Years(count)),
            _ => None,
        }
    }
}
