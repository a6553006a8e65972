//! Times of day, lengths of time and counts, as they are written in schedules.

use crate::schedule::wall::TimeOfDay;

/// The longest time that an instruction may fill.
const LONGEST_MS: i64 = 7 * 86_400_000;

/// What a length of time must be, for messages.
pub(super) const LENGTH: &str =
    "a time from 1 second to 7 days such as \"30 minutes\", \"1h 30m\" or \"01:30:00\"";
/// What a time of day must be, for messages.
pub(super) const TIME_OF_DAY: &str = "a time of day such as \"20:15\" or \"8:15 PM\"";
/// What a count must be, for messages.
pub(super) const COUNT: &str = "a number, or a sum of numbers, `count` and `random`";

/// The units of lengths, by the words that name them, in milliseconds.
const UNITS: &[(&[&str], i64)] = &[
    (&["ms", "millisecond", "milliseconds"], 1),
    (&["s", "sec", "secs", "second", "seconds"], 1000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
];

/// A length of time in milliseconds: `30 minutes`, `1h 30m`, `1.5 hours`, `01:30`, `01:30:00`.
pub(super) fn length_ms(text: &str) -> Option<i64> {
    let ms = match text.contains(':') {
        true => clock_ms(text)?,
        false => worded_ms(text)?,
    };
    (1000..=LONGEST_MS).contains(&ms).then_some(ms)
}

/// Hours, minutes and perhaps seconds.
fn clock_ms(text: &str) -> Option<i64> {
    let parts: Vec<_> = text.trim().split(':').collect();
    let number = |n: usize, bound: i64| {
        let part = parts.get(n)?;
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let value: i64 = digits.then(|| part.parse().ok())??;
        (value < bound).then_some(value)
    };
    let seconds = match parts.len() {
        2 => 0,
        3 => number(2, 60)?,
        _ => return None,
    };
    Some(((number(0, 1000)? * 60 + number(1, 60)?) * 60 + seconds) * 1000)
}

/// Numbers with units, which are added up.
fn worded_ms(text: &str) -> Option<i64> {
    let mut rest = text.trim_start();
    let mut total = None;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (whole, behind) = rest.split_at_checked(end)?;
        let (tenths, behind) = match behind.strip_prefix('.') {
            None => ("", behind),
            Some(behind) => {
                let end = behind.find(|c: char| !c.is_ascii_digit())?;
                behind
                    .split_at_checked(end)
                    .filter(|(t, _)| !t.is_empty())?
            }
        };
        let behind = behind.trim_start();
        let end = behind.find(|c: char| !c.is_alphabetic());
        let (word, behind) = behind.split_at_checked(end.unwrap_or(behind.len()))?;
        let word = word.to_lowercase();
        let (_, unit) = UNITS.iter().find(|(names, _)| names.contains(&&*word))?;
        if whole.len() > 9 || tenths.len() > 9 {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        let scale = 10_i64.checked_pow(u32::try_from(tenths.len()).ok()?)?;
        let part: i64 = match tenths {
            "" => 0,
            tenths => tenths.parse().ok()?,
        };
        let ms = whole
            .checked_mul(*unit)?
            .checked_add(part.checked_mul(*unit)? / scale)?;
        total = Some(total.unwrap_or(0_i64).checked_add(ms)?);
        rest = behind.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
    }
    total
}

/// A time of day: `20:15`, `20:15:30`, `8:15 PM`, `8pm`.
pub(super) fn time_of_day(text: &str) -> Option<TimeOfDay> {
    let text = text.trim().to_ascii_lowercase();
    let half = [("am", false), ("pm", true)];
    let half = half
        .iter()
        .find_map(|(end, pm)| Some((text.strip_suffix(end)?.trim(), *pm)));
    let Some((time, pm)) = half else {
        return TimeOfDay::parse(&text);
    };
    let time = match time.contains(':') {
        true => TimeOfDay::parse(time)?,
        false => TimeOfDay::parse(&format!("{time}:00"))?,
    };
    let (hour, behind) = (time.ms() / 3_600_000, time.ms() % 3_600_000);
    // 12 AM is midnight, 12 PM is noon.
    (1..=12)
        .contains(&hour)
        .then(|| TimeOfDay::from_ms((hour % 12 + if pm { 12 } else { 0 }) * 3_600_000 + behind))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_words_or_clocks() {
        let minutes = |m: i64| Some(m * 60_000);
        for (text, expected) in [
            ("30 minutes", minutes(30)),
            ("1 hour", minutes(60)),
            ("1h 30m", minutes(90)),
            ("1h30m", minutes(90)),
            ("1 hour, 30 minutes", minutes(90)),
            ("1.5 hours", minutes(90)),
            ("0.25h", minutes(15)),
            ("90s", Some(90_000)),
            ("1500 ms", Some(1500)),
            ("2 Days", minutes(2 * 24 * 60)),
            ("00:30:00", minutes(30)),
            ("01:30", minutes(90)),
            ("100:00:00", minutes(6000)),
            ("7 days", minutes(7 * 24 * 60)),
            ("8 days", None),
            ("30", None),
            ("", None),
            ("0 minutes", None),
            ("999 ms", None),
            ("-5 minutes", None),
            ("5 fortnights", None),
            ("1. h", None),
            (".5 h", None),
            ("00:60:00", None),
            ("1:2:3:4", None),
            ("99999999999 s", None),
            ("minutes", None),
            ("5 m x", None),
        ] {
            assert_eq!(length_ms(text), expected, "{text:?}");
        }
    }

    #[test]
    fn times_of_day_have_24_hours_or_twice_12() {
        for (text, expected) in [
            ("20:15", Some("20:15")),
            ("20:15:30", Some("20:15:30")),
            ("8:15 PM", Some("20:15")),
            ("8:15pm", Some("20:15")),
            ("8pm", Some("20:00")),
            ("6:00 AM", Some("06:00")),
            ("12:00 am", Some("00:00")),
            ("12:30 PM", Some("12:30")),
            ("13:00 PM", None),
            ("0:30 am", None),
            ("24:00", None),
            ("pm", None),
            ("8", None),
            ("8:15 xm", None),
        ] {
            let read = time_of_day(text).map(|t| t.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        }
    }
}
