//! The orders in which a collection is played, and the place within them that outlives changes to it.
//!
//! Every order sorts the collection by a key that an item carries itself, and the cursor remembers the key
//! of the last item played. So an item added later falls into its place, one removed leaves no trace, and
//! the next item is the same whether the timeline was built in one go or in pieces.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{PlayOrder, Playable};

/// The form of [`Cursor`] that this version writes.
const VERSION: u8 = 1;

/// A place in an order: behind the item played last. Small, and kept with every entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The form of the cursor; other forms than our own are not understood.
    #[serde(rename = "v")]
    version: u8,
    /// The order that it belongs to; in another it only says what was played last.
    order: PlayOrder,
    /// How often the collection has been played through.
    round: u64,
    /// The item played last.
    last: i64,
    /// The item that marks the place in the round, where that is not `last`: see `held`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<i64>,
    /// The item that should have opened the round and was put second because it closed the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<i64>,
    /// The sort key of `last`, in orders that have one: it outlives the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<SortKey>,
}

impl Cursor {
    /// Reads a stored cursor; `None` when it is damaged or from another version: the order starts anew.
    pub fn from_json(json: &str) -> Option<Self> {
        serde_json::from_str(json)
            .ok()
            .filter(|c: &Self| c.version == VERSION)
    }

    /// The stored form.
    pub fn to_json(&self) -> String {
        // A cursor has no maps and no foreign types: nothing in it can fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What orders that do not shuffle sort by; compared in this order of fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct SortKey(String, u32, u32, String);

impl SortKey {
    fn of(order: PlayOrder, item: &Playable) -> Self {
        let season = match item.season {
            None => 0,
            Some(0) => u32::MAX,
            Some(n) => n,
        };
        let episode = item.episode.unwrap_or(u32::MAX);
        let title = natural(&item.title);
        match order {
            PlayOrder::Chronological => {
                let date = match (&item.date, item.year) {
                    (Some(date), _) => date.chars().take(DATE_CHARS).collect(),
                    (None, Some(year)) => format!("{year:04}"),
                    // Behind every digit.
                    (None, None) => "~".to_owned(),
                };
                Self(date, season, episode, title)
            }
            // Films and clips stand between the shows under their own titles.
            _ => Self(
                natural(item.show.as_deref().unwrap_or(&item.title)),
                season,
                episode,
                title,
            ),
        }
    }
}

/// Longest part of a title that sorting looks at, in characters: cursors stay small.
const NATURAL_CHARS: usize = 48;
/// The length of `YYYY-MM-DD`.
const DATE_CHARS: usize = 10;

/// Text in the form that sorts as people expect: capitals do not count, and numbers sort by value.
fn natural(text: &str) -> String {
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

/// SplitMix64's finalizer (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): every
/// bit of the input moves every bit of the output.
const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// An item's place in a round: a number drawn from nothing but seed, round and item.
fn drawn(seed: u64, round: u64, id: i64) -> (u64, i64) {
    (mix(mix(mix(seed) ^ round) ^ id.cast_unsigned()), id)
}

/// Deals the items of a collection in an order, round after round.
pub(super) struct Dealer<'a> {
    items: Vec<&'a Playable>,
    order: PlayOrder,
    seed: u64,
    cursor: Option<Cursor>,
    /// The items of the present round in order, as indices.
    round: Vec<u32>,
    /// The next one within `round`.
    next: usize,
    /// The items in fixed order, sorted by their keys.
    keys: Vec<SortKey>,
}

impl<'a> Dealer<'a> {
    /// Continues behind `cursor`, or begins the first round. `items` may come in any order.
    pub(super) fn new(
        items: Vec<&'a Playable>,
        order: PlayOrder,
        seed: u64,
        cursor: Option<Cursor>,
    ) -> Self {
        let keys = match order {
            PlayOrder::Shuffle => Vec::new(),
            _ => items.iter().map(|item| SortKey::of(order, item)).collect(),
        };
        let mut dealer = Self {
            round: (0..u32::try_from(items.len()).unwrap_or(u32::MAX)).collect(),
            items,
            order,
            seed,
            next: 0,
            keys,
            cursor,
        };
        dealer.sort();
        let behind = dealer
            .cursor
            .as_ref()
            .filter(|c| c.order == order)
            .map(|c| dealer.behind(c));
        match (behind, &dealer.cursor) {
            (Some(next), _) => dealer.next = next,
            // The order is new to this channel: a fresh round.
            (None, Some(_)) => dealer.start_round(),
            (None, None) => {}
        }
        dealer
    }

    /// The number of the present round.
    fn round_number(&self) -> u64 {
        self.cursor.as_ref().map_or(0, |c| c.round)
    }

    /// Puts the items of the present round in order.
    fn sort(&mut self) {
        let (items, keys) = (&self.items, &self.keys);
        let id = |i: u32| items.get(i as usize).map_or(0, |item| item.id);
        match self.order {
            PlayOrder::Shuffle => {
                let (seed, round) = (self.seed, self.round_number());
                self.round
                    .sort_by_cached_key(|&i| drawn(seed, round, id(i)));
            }
            _ => self.round.sort_by(|&a, &b| {
                let key = |i: u32| keys.get(i as usize);
                key(a).cmp(&key(b)).then_with(|| id(a).cmp(&id(b)))
            }),
        }
    }

    /// The place in the sorted round of the first item behind a cursor's last one.
    fn behind(&self, cursor: &Cursor) -> usize {
        let compare = |&i: &u32| -> Ordering {
            let Some(item) = self.items.get(i as usize) else {
                return Ordering::Greater;
            };
            match self.order {
                PlayOrder::Shuffle => drawn(self.seed, cursor.round, item.id).cmp(&drawn(
                    self.seed,
                    cursor.round,
                    cursor.place.unwrap_or(cursor.last),
                )),
                _ => self
                    .keys
                    .get(i as usize)
                    .cmp(&cursor.key.as_ref())
                    .then_with(|| item.id.cmp(&cursor.last)),
            }
        };
        self.round
            .partition_point(|i| compare(i) != Ordering::Greater)
    }

    /// Begins the next round.
    fn start_round(&mut self) {
        if let Some(cursor) = &mut self.cursor {
            cursor.round = cursor.round.wrapping_add(1);
            cursor.held = None;
        }
        if self.order == PlayOrder::Shuffle {
            self.sort();
        }
        self.next = 0;
    }

    /// The next item and the cursor behind it; `None` for an empty collection only.
    pub(super) fn deal(&mut self) -> Option<(&'a Playable, Cursor)> {
        // An item that was put second is due as soon as another has been played.
        let held = self.cursor.as_mut().and_then(|c| c.held.take());
        if let Some(id) = held
            && let Some(index) = self.items.iter().position(|item| item.id == id)
        {
            let place = self.cursor.as_ref().map(|c| c.last);
            return self.play(index, None, place);
        }
        if self.next >= self.round.len() {
            self.start_round();
        }
        let first = *self.round.get(self.next)? as usize;
        self.next += 1;
        let last = self.cursor.as_ref().map(|c| c.last);
        let id = self.items.get(first).map(|item| item.id);
        if self.order == PlayOrder::Shuffle
            && id == last
            && let Some(&second) = self.round.get(self.next)
        {
            self.next += 1;
            return self.play(second as usize, id, None);
        }
        self.play(first, None, None)
    }

    fn play(
        &mut self,
        index: usize,
        held: Option<i64>,
        place: Option<i64>,
    ) -> Option<(&'a Playable, Cursor)> {
        let item = *self.items.get(index)?;
        let cursor = Cursor {
            version: VERSION,
            order: self.order,
            round: self.round_number(),
            last: item.id,
            place,
            held,
            key: self.keys.get(index).cloned(),
        };
        self.cursor = Some(cursor.clone());
        Some((item, cursor))
    }
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

    #[test]
    fn a_cursor_survives_storage_and_others_are_refused() {
        let cursor = Cursor {
            version: VERSION,
            order: PlayOrder::SeasonEpisode,
            round: 3,
            last: 42,
            place: None,
            held: None,
            key: Some(SortKey("a".to_owned(), 1, 2, "b".to_owned())),
        };
        assert_eq!(Cursor::from_json(&cursor.to_json()), Some(cursor.clone()));
        let later = cursor.to_json().replace("\"v\":1", "\"v\":9");
        for json in [later.as_str(), "", "{}", "[1,2]"] {
            assert_eq!(Cursor::from_json(json), None, "{json}");
        }
    }
}
