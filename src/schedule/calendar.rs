//! On which days of the year something applies.

use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

/// Days of the calendar: those that fulfil every condition given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Days {
    /// Days of the week; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<Day>,
    /// Days of the month, 1 to 31; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days_of_month: Vec<u8>,
    /// Months, 1 to 12; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<u8>,
    /// A part of the year, or of certain years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub between: Option<Between>,
}

/// From one day to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// The first day.
    pub from: YearDay,
    /// The last day. One that lies before the first in a range without years means the next year: from December to January.
    pub to: YearDay,
}

/// A day of any year, or of one. A day that its month does not have is the 1st of the next as a first day, and the last of
/// the month as a last day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YearDay {
    /// The year; without it every year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<i16>,
    /// The month, 1 to 12.
    pub month: i8,
    /// The day of the month, 1 to 31.
    pub day: i8,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Monday,
            Weekday::Tuesday => Self::Tuesday,
            Weekday::Wednesday => Self::Wednesday,
            Weekday::Thursday => Self::Thursday,
            Weekday::Friday => Self::Friday,
            Weekday::Saturday => Self::Saturday,
            Weekday::Sunday => Self::Sunday,
        }
    }
}

impl Days {
    /// Whether a date is one of these days.
    pub fn hold(&self, date: Date) -> bool {
        fn one<T: PartialEq>(of: &[T], value: &T) -> bool {
            of.is_empty() || of.contains(value)
        }
        one(&self.weekdays, &date.weekday().into())
            && one(&self.days_of_month, &date.day().unsigned_abs())
            && one(&self.months, &date.month().unsigned_abs())
            && self.between.is_none_or(|between| between.holds(date))
    }
}

impl Between {
    fn holds(self, date: Date) -> bool {
        let (from, to) = (self.from, self.to);
        let first = from.first_in(from.year.unwrap_or(date.year()));
        let last = to.last_in(to.year.unwrap_or(date.year()));
        let (Some(first), Some(last)) = (first, last) else {
            return false;
        };
        let years = from.year.is_some() || to.year.is_some();
        match (from.month, from.day) > (to.month, to.day) && !years {
            true => date >= first || date <= last,
            false => first <= date && date <= last,
        }
    }
}

impl YearDay {
    fn first_in(self, year: i16) -> Option<Date> {
        let next_month = || {
            let (year, month) = match self.month {
                12 => (year.checked_add(1)?, 1),
                m => (year, m.checked_add(1)?),
            };
            Date::new(year, month, 1).ok()
        };
        Date::new(year, self.month, self.day)
            .ok()
            .or_else(next_month)
    }

    fn last_in(self, year: i16) -> Option<Date> {
        let last_of_month = || Some(Date::new(year, self.month, 1).ok()?.last_of_month());
        Date::new(year, self.month, self.day)
            .ok()
            .or_else(last_of_month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(json: &str) -> Days {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn days_are_those_that_fulfil_every_condition() {
        for (json, date, expected) in [
            ("{}", "2024-06-01", true),
            (r#"{"weekdays":["saturday"]}"#, "2024-06-01", true),
            (r#"{"weekdays":["sunday","monday"]}"#, "2024-06-01", false),
            (r#"{"days_of_month":[1,15]}"#, "2024-06-01", true),
            (r#"{"days_of_month":[2]}"#, "2024-06-01", false),
            (r#"{"months":[6,7]}"#, "2024-06-01", true),
            (r#"{"months":[5]}"#, "2024-06-01", false),
            (
                r#"{"weekdays":["saturday"],"months":[5]}"#,
                "2024-06-01",
                false,
            ),
        ] {
            assert_eq!(
                days(json).hold(date.parse().unwrap()),
                expected,
                "{json} {date}"
            );
        }
    }

    #[test]
    fn ranges_wrap_around_the_year_and_bend_days_that_do_not_exist() {
        let check =
            |from: (Option<i16>, i8, i8), to: (Option<i16>, i8, i8), date: &str, expected| {
                let day = |(year, month, day)| YearDay { year, month, day };
                let between = Between {
                    from: day(from),
                    to: day(to),
                };
                let found = between.holds(date.parse().unwrap());
                assert_eq!(found, expected, "{from:?} {to:?} {date}");
            };
        let every = |m, d| (None, m, d);
        for (date, expected) in [
            ("2024-12-01", true),
            ("2024-12-31", true),
            ("2025-01-06", true),
            ("2025-01-07", false),
            ("2024-11-30", false),
        ] {
            check(every(12, 1), every(1, 6), date, expected);
        }
        for (date, expected) in [
            ("2024-06-01", true),
            ("2024-06-30", true),
            ("2024-07-01", false),
        ] {
            check(every(6, 1), every(6, 31), date, expected);
        }
        // From 30 February is from 1 March; to 30 February is to its last day.
        check(every(2, 30), every(3, 5), "2024-02-29", false);
        check(every(2, 30), every(3, 5), "2024-03-01", true);
        check(every(2, 1), every(2, 30), "2023-02-28", true);
        check(every(2, 1), every(2, 30), "2024-02-29", true);
        check(every(2, 1), every(2, 30), "2024-03-01", false);
        check(every(12, 31), every(12, 31), "2024-12-31", true);
        // Exact years do not come again.
        check((Some(2024), 12, 20), (Some(2025), 1, 6), "2025-01-01", true);
        check(
            (Some(2024), 12, 20),
            (Some(2025), 1, 6),
            "2025-12-25",
            false,
        );
        check(
            (Some(2024), 13, 1),
            (Some(2024), 14, 1),
            "2024-12-25",
            false,
        );
    }
}
