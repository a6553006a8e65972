//! Entries back to back.

use super::order::{Cursor, Dealer};
use super::{PlayOrder, Playable};
use crate::clock::UtcMs;
use crate::media::Ticks90k;

/// The most entries that one call makes; the caller asks again from where it ended.
pub const MAX_ENTRIES: usize = 20_000;

/// The shortest length that is put on air: the guide counts in whole seconds.
pub const SHORTEST_MS: i64 = 1000;

/// The longest: a file that claims more is damaged, and would hold a channel for weeks.
const LONGEST_MS: i64 = 7 * 24 * HOUR_MS;

/// Gaps end on full hours at the latest, so that what appears meanwhile is not long in coming.
const HOUR_MS: i64 = 3_600_000;

/// What a planned entry plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plays {
    /// An item from `from` to `to`, in item time.
    Item {
        /// Which.
        id: i64,
        /// In.
        from: Ticks90k,
        /// Out.
        to: Ticks90k,
    },
    /// Nothing.
    Gap,
}

/// An entry to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// On air from.
    pub start: UtcMs,
    /// On air until, not including. For items it is `start` + round_ms(`to` − `from`).
    pub stop: UtcMs,
    /// What.
    pub plays: Plays,
    /// The place in the order behind it; `None` behind gaps.
    pub cursor: Option<Cursor>,
}

/// An item that cannot be put on air, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Key of the item.
    pub id: i64,
    /// Why, for people.
    pub why: String,
}

/// What [`build`] made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Built {
    /// Entries, each starting where the one before stops.
    pub entries: Vec<Planned>,
    /// The place behind the last of them; what was given when nothing was dealt.
    pub cursor: Option<Cursor>,
    /// Items left out.
    pub skipped: Vec<Skipped>,
}

/// Puts items back to back from `from` on, in `order` behind `cursor`, until an entry stops at `until` or later or
/// [`MAX_ENTRIES`] are made. Nothing to play gives gaps up to each full hour and, last, to `until`.
///
/// `items` may come in any order and hold items without a usable length, which are left out and named.
pub fn build(
    items: &[Playable],
    order: PlayOrder,
    seed: u64,
    cursor: Option<Cursor>,
    from: UtcMs,
    until: UtcMs,
) -> Built {
    let mut skipped = Vec::new();
    let mut usable = Vec::with_capacity(items.len());
    for item in items {
        match why_not(item) {
            None => usable.push(item),
            Some(why) => skipped.push(Skipped { id: item.id, why }),
        }
    }
    let mut built = Built {
        entries: Vec::new(),
        cursor: cursor.clone(),
        skipped,
    };
    if usable.is_empty() {
        gaps(&mut built, from, until);
        return built;
    }
    let mut dealer = Dealer::new(usable, order, seed, cursor);
    let mut start = from;
    while start < until && built.entries.len() < MAX_ENTRIES {
        let Some((item, cursor)) = dealer.deal() else {
            break;
        };
        let stop = start.plus(length_ms(item));
        built.entries.push(Planned {
            start,
            stop,
            plays: Plays::Item {
                id: item.id,
                from: item.start,
                to: item.end,
            },
            cursor: Some(cursor.clone()),
        });
        built.cursor = Some(cursor);
        start = stop;
    }
    built
}

/// Whether an item can be put on air at all.
pub fn can_play(item: &Playable) -> bool {
    why_not(item).is_none()
}

fn length_ms(item: &Playable) -> i64 {
    (item.end - item.start).round_ms()
}

fn why_not(item: &Playable) -> Option<String> {
    match length_ms(item) {
        ..=0 => Some("it has no known length".to_owned()),
        1..SHORTEST_MS => Some("it is shorter than a second".to_owned()),
        LONGEST_MS.. => Some(format!(
            "it claims to last {} hours",
            length_ms(item) / HOUR_MS
        )),
        _ => None,
    }
}

fn gaps(built: &mut Built, from: UtcMs, until: UtcMs) {
    let mut start = from;
    while start < until && built.entries.len() < MAX_ENTRIES {
        let hour = UtcMs((start.0.div_euclid(HOUR_MS) + 1).saturating_mul(HOUR_MS));
        // A rest shorter than an entry may be goes to the gap before or past `until`.
        let mut stop = hour.min(until);
        if stop.since(start) < SHORTEST_MS {
            stop = start.plus(SHORTEST_MS);
        }
        if until.since(stop) < SHORTEST_MS && until > stop {
            stop = until;
        }
        built.entries.push(Planned {
            start,
            stop,
            plays: Plays::Gap,
            cursor: None,
        });
        start = stop;
    }
}
