//! Local time: what schedules are written in.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::clock::UtcMs;

/// A time of day on the clock on the wall, in milliseconds since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u32);

const DAY_MS: u32 = 86_400_000;

impl TimeOfDay {
    /// The beginning of a day.
    pub const MIDNIGHT: Self = Self(0);

    /// So many milliseconds behind midnight; `None` from 24 hours on.
    pub fn from_ms(ms: u32) -> Option<Self> {
        (ms < DAY_MS).then_some(Self(ms))
    }

    /// Reads `H:MM`, `HH:MM`, `HH:MM:SS` or `HH:MM:SS.mmm`.
    pub fn parse(text: &str) -> Option<Self> {
        let (text, ms) = match text.trim().split_once('.') {
            None => (text, 0),
            Some((time, ms)) => {
                let fits = ms.len() == 3 && ms.bytes().all(|b| b.is_ascii_digit());
                (time, fits.then(|| ms.parse::<u32>().ok())??)
            }
        };
        let mut parts = text.trim().split(':');
        let mut part = |longest: usize, bound: u32| {
            let text = parts.next()?;
            let fits =
                (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            let value = fits.then(|| text.parse::<u32>().ok())??;
            (value < bound).then_some(value)
        };
        let (hour, minute) = (part(2, 24)?, part(2, 60)?);
        let second = match text.matches(':').count() {
            1 if ms == 0 => 0,
            _ => part(2, 60)?,
        };
        parts
            .next()
            .is_none()
            .then(|| Self(((hour * 60 + minute) * 60 + second) * 1000 + ms))
    }

    /// Milliseconds since midnight.
    pub fn ms(self) -> u32 {
        self.0
    }

    fn time(self) -> Time {
        let of = |ms: u32, bound: u32| i8::try_from(ms % bound).unwrap_or_default();
        Time::new(
            of(self.0 / 3_600_000, 24),
            of(self.0 / 60_000, 60),
            of(self.0 / 1000, 60),
            i32::try_from(self.0 % 1000).unwrap_or_default() * 1_000_000,
        )
        .unwrap_or(Time::midnight())
    }
}

impl std::fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (minutes, seconds) = (self.0 / 60_000, self.0 / 1000 % 60);
        write!(f, "{:02}:{:02}", minutes / 60, minutes % 60)?;
        match (seconds, self.0 % 1000) {
            (0, 0) => Ok(()),
            (s, 0) => write!(f, ":{s:02}"),
            (s, ms) => write!(f, ":{s:02}.{ms:03}"),
        }
    }
}

impl serde::Serialize for TimeOfDay {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for TimeOfDay {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not a time of day: write 20:15 or 20:15:30"
            ))
        })
    }
}

/// The local time of a place, both switch days of a year included.
#[derive(Clone, Debug)]
pub struct Wall(TimeZone);

impl Wall {
    /// Local time in a zone.
    pub fn new(zone: TimeZone) -> Self {
        Self(zone)
    }

    /// The local date of a moment. Moments beyond the years that dates can tell are taken for the nearest that they can.
    pub fn date(&self, t: UtcMs) -> Date {
        self.local(t).date()
    }

    /// The local time of day of a moment.
    pub fn time_of_day(&self, t: UtcMs) -> TimeOfDay {
        let time = self.local(t).time();
        let since = time - Time::midnight();
        let ms = since.total(jiff::Unit::Millisecond).unwrap_or_default();
        TimeOfDay((ms as u32).min(DAY_MS - 1))
    }

    /// The moment when the clock on the wall shows a time on a date. A time that is skipped in spring is as much
    /// later as the clock is moved; of a time that comes twice in autumn the first is meant (as in RFC 5545 §3.3.5).
    pub fn at(&self, date: Date, time: TimeOfDay) -> UtcMs {
        let moment = self.0.to_ambiguous_timestamp(date.to_datetime(time.time()));
        UtcMs(
            moment
                .compatible()
                .map_or(i64::MAX, Timestamp::as_millisecond),
        )
    }

    /// The first moment behind `t` at which the clock on the wall shows `time` on a date that `fits`, within a year.
    pub fn next(&self, t: UtcMs, time: TimeOfDay, fits: impl Fn(Date) -> bool) -> Option<UtcMs> {
        let today = self.date(t);
        (0..=366)
            .filter_map(|days| today.checked_add(i64::from(days).days()).ok())
            .filter(|date| fits(*date))
            .map(|date| self.at(date, time))
            .find(|moment| *moment > t)
    }

    /// The day of the week of a moment.
    pub fn weekday(&self, t: UtcMs) -> Weekday {
        self.date(t).weekday()
    }

    fn local(&self, t: UtcMs) -> jiff::civil::DateTime {
        let (first, last) = (
            Timestamp::MIN.as_millisecond(),
            Timestamp::MAX.as_millisecond(),
        );
        let moment = Timestamp::from_millisecond(t.0.clamp(first + 1, last - 1));
        self.0.to_datetime(moment.unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn times_of_day_are_read_and_written() {
        for (text, expected) in [
            ("0:00", Some("00:00")),
            ("7:05", Some("07:05")),
            (" 20:15 ", Some("20:15")),
            ("23:59:59", Some("23:59:59")),
            ("20:15:00", Some("20:15")),
            ("20:15:00.250", Some("20:15:00.250")),
            ("20:15:07.000", Some("20:15:07")),
            ("20:15.250", None),
            ("20:15:00.25", None),
            ("24:00", None),
            ("12:60", None),
            ("12:00:60", None),
            ("12", None),
            ("12:", None),
            ("12:5:7:9", None),
            ("+1:00", None),
            ("-1:00", None),
            ("012:00", None),
            ("", None),
        ] {
            let read = TimeOfDay::parse(text).map(|t| t.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_clock_on_the_wall_is_read_and_found_again_all_year() {
        for zone in [
            "CST6CDT,M3.2.0,M11.1.0",
            "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
            "<-03>3<-02>,M10.3.0/0,M2.3.0/0",
            "UTC0",
        ] {
            let wall = Wall::new(TimeZone::posix(zone).unwrap());
            let mut same = 0;
            for hour in 0..366 * 24 {
                let t = UtcMs(1_735_689_600_000 + hour * 60 * MINUTE_MS);
                let back = wall.at(wall.date(t), wall.time_of_day(t));
                // The second time of an hour that comes twice is found as the first.
                assert!(
                    (0..=60 * MINUTE_MS).contains(&t.since(back)),
                    "{zone} {t:?}"
                );
                same += i64::from(back == t);
            }
            assert!(same >= 366 * 24 - 1, "{zone}: {same}");
        }
    }

    #[test]
    fn the_next_time_is_looked_for_among_the_days_that_fit() {
        let wall = Wall::new(TimeZone::UTC);
        let time = TimeOfDay::parse("20:15").unwrap();
        let start = UtcMs(0);
        assert_eq!(wall.weekday(start), Weekday::Thursday);
        let found = wall.next(start, time, |date| date.weekday() == Weekday::Monday);
        assert_eq!(found, Some(UtcMs((4 * 24 * 60 + 20 * 60 + 15) * MINUTE_MS)));
        // Behind it, not at it.
        let again = wall.next(found.unwrap(), time, |_| true);
        assert_eq!(again, found.map(|t| t.plus(24 * 60 * MINUTE_MS)));
        assert_eq!(wall.next(start, time, |_| false), None);
        for t in [i64::MIN, i64::MAX] {
            wall.date(UtcMs(t));
        }
    }
}
