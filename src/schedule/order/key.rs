//! What orders that sort sort by: keys that an item carries itself, so that they outlive it.

use serde::{Deserialize, Serialize};

use super::Sorted;
use crate::schedule::Playable;

/// What orders that do not shuffle sort by; compared in this order of fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SortKey(String, u32, u32, String);

impl SortKey {
    /// The key of an item in an order.
    pub(in crate::schedule) fn of(by: Sorted, item: &Playable) -> Self {
        let season = match item.season {
            None => 0,
            Some(0) => u32::MAX,
            Some(n) => n,
        };
        match by {
            Sorted::Date => {
                let date = match (&item.date, item.year) {
                    (Some(date), _) => date.chars().take(DATE_CHARS).collect(),
                    (None, Some(year)) => format!("{year:04}"),
                    // Behind every digit.
                    (None, None) => "~".to_owned(),
                };
                // Songs of one day by album and track.
                let (second, name) = match (&item.album, item.track) {
                    (Some(album), track) => (track, natural(album)),
                    (None, _) => (item.episode, natural(&item.title)),
                };
                Self(date, season, second.unwrap_or(u32::MAX), name)
            }
            // Films and clips stand between the shows under their own titles.
            Sorted::Episode => Self(
                natural(item.show.as_deref().unwrap_or(&item.title)),
                season,
                item.episode.unwrap_or(u32::MAX),
                natural(&item.title),
            ),
        }
    }
}

/// Longest part of a title that sorting looks at, in characters: cursors stay small.
const NATURAL_CHARS: usize = 48;
/// The length of `YYYY-MM-DD`.
const DATE_CHARS: usize = 10;

/// Text in the form that sorts as people expect: capitals do not count, and numbers sort by value.
pub(super) fn natural(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut digits = String::new();
    let flush = |digits: &mut String, out: &mut String| {
        let number = digits.trim_start_matches('0');
        if !digits.is_empty() {
            // The count of digits before the digits: 9 < 10. A letter keeps both one character wide.
            let count = u8::try_from(number.len()).unwrap_or(u8::MAX).min(25);
            out.push('0');
            out.push(char::from(b'a' + count));
            out.push_str(number);
        }
        digits.clear();
    };
    for c in text.trim().chars().take(NATURAL_CHARS) {
        if c.is_ascii_digit() {
            digits.push(c);
        } else {
            flush(&mut digits, &mut out);
            out.extend(c.to_lowercase());
        }
    }
    flush(&mut digits, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_sort_as_people_expect() {
        for (before, after) in [
            ("Part 2", "Part 10"),
            ("part 002", "Part 10"),
            ("alpha", "Beta"),
            ("9", "Alien"),
            ("Film", "Film 2"),
            ("99999999999999999999999998", "99999999999999999999999999"),
        ] {
            assert!(natural(before) < natural(after), "{before} {after}");
        }
        assert_eq!(natural("Part 01"), natural("PART 1"));
    }
}
