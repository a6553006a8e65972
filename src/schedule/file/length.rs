//! Lengths of time as people write them: `30 min`, `1 h 30 min`, `1:30:00`, `45 s`.

/// The unit that a number in a program counts. The names of such fields end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Ms,
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl Unit {
    const ENDS: [(&'static str, Self); 5] = [
        ("ms", Self::Ms),
        ("s", Self::Seconds),
        ("minutes", Self::Minutes),
        ("hours", Self::Hours),
        ("days", Self::Days),
    ];

    /// A name without its unit: `grace_s` is `grace` in seconds. A name that is nothing but a unit stays as it is.
    pub(super) fn split(name: &str) -> Option<(&str, Self)> {
        Self::ENDS.into_iter().find_map(|(end, unit)| {
            if name == end {
                return Some((name, unit));
            }
            let stem = name.strip_suffix(end)?;
            let stem = stem.strip_suffix('_').or(stem.strip_suffix('-'))?;
            (!stem.is_empty()).then_some((stem, unit))
        })
    }

    fn ms(self) -> i64 {
        match self {
            Self::Ms => 1,
            Self::Seconds => 1000,
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
            Self::Days => 86_400_000,
        }
    }

    /// A length in this unit; the error says how to write one.
    pub(super) fn parse(self, text: &str) -> Result<i64, String> {
        let Some(ms) = parse_ms(text) else {
            return Err(format!(
                "{text:?} is no length of time: write 30 min, 1 h 30 min, 1:30:00 or 45 s"
            ));
        };
        if ms % self.ms() != 0 {
            let name = match self {
                Self::Ms => "milliseconds",
                Self::Seconds => "seconds",
                Self::Minutes => "minutes",
                Self::Hours => "hours",
                Self::Days => "days",
            };
            return Err(format!(
                "{text:?} is not possible here: only whole {name} are"
            ));
        }
        Ok(ms / self.ms())
    }

    /// So many of this unit as text; `None` for what has no such text.
    pub(super) fn write(self, n: i64) -> Option<String> {
        let ms = n.checked_mul(self.ms()).filter(|ms| *ms >= 0)?;
        if ms == 0 {
            return Some("0 s".to_owned());
        }
        let mut left = ms;
        let mut words = Vec::new();
        for (name, unit) in [("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)] {
            if left >= unit {
                words.push(format!("{} {name}", left / unit));
                left %= unit;
            }
        }
        Some(words.join(" "))
    }
}

/// Reads a length in milliseconds.
fn parse_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.contains(':') {
        let parts: Vec<&str> = text.split(':').collect();
        let [hours, minutes, seconds] = parts.as_slice() else {
            return None;
        };
        let part = |text: &str, bound: i64| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let n = digits.then(|| text.parse::<i64>().ok())??;
            (n < bound).then_some(n)
        };
        let (h, m, s) = (
            part(hours, 1_000_000)?,
            part(minutes, 60)?,
            part(seconds, 60)?,
        );
        return Some(((h * 60 + m) * 60 + s) * 1000);
    }
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let behind = behind.trim_start();
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at(letters);
        let ms = match unit.to_ascii_lowercase().as_str() {
            "ms" => 1,
            "s" | "sec" | "second" | "seconds" => 1000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => return None,
        };
        let n = number.parse::<i64>().ok()?;
        total = total.checked_add(n.checked_mul(ms)?)?;
        rest = behind.trim_start_matches([' ', ',', '\t']);
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        for (text, expected) in [
            ("30 min", Some(1_800_000)),
            ("30min", Some(1_800_000)),
            ("1 h 30 min", Some(5_400_000)),
            ("1:30:00", Some(5_400_000)),
            ("0:00:45", Some(45_000)),
            ("90 seconds", Some(90_000)),
            ("2 days", Some(172_800_000)),
            ("1 day, 2 hours", Some(93_600_000)),
            ("1500 ms", Some(1500)),
            ("1:30", None),
            ("1:60:00", None),
            ("30", None),
            ("-5 min", None),
            ("5 fortnights", None),
            ("min", None),
            ("", None),
            ("99999999999999999999 h", None),
            ("9223372036854775807 h", None),
        ] {
            assert_eq!(parse_ms(text), expected, "{text:?}");
        }
        assert_eq!(Unit::Minutes.parse("1 h"), Ok(60));
        assert!(
            Unit::Minutes
                .parse("90 s")
                .is_err_and(|e| e.contains("whole minutes"))
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (unit, n, text) in [
            (Unit::Ms, 5_400_000, "1 h 30 min"),
            (Unit::Ms, 1_500, "1 s 500 ms"),
            (Unit::Seconds, 600, "10 min"),
            (Unit::Minutes, 30, "30 min"),
            (Unit::Days, 2, "48 h"),
            (Unit::Ms, 0, "0 s"),
        ] {
            assert_eq!(unit.write(n).as_deref(), Some(text));
            assert_eq!(unit.parse(text), Ok(n), "{text}");
        }
        assert_eq!(Unit::Ms.write(-1), None);
        assert_eq!(Unit::Days.write(i64::MAX), None);
    }

    #[test]
    fn names_end_with_their_unit() {
        assert_eq!(Unit::split("grace_s"), Some(("grace", Unit::Seconds)));
        assert_eq!(Unit::split("pad-minutes"), Some(("pad", Unit::Minutes)));
        assert_eq!(Unit::split("duration-ms"), Some(("duration", Unit::Ms)));
        assert_eq!(Unit::split("ms"), Some(("ms", Unit::Ms)));
        assert_eq!(Unit::split("items"), None);
        assert_eq!(Unit::split("weekdays"), None);
    }
}
