//! Which of its lists a filler draws from.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Filler;
use super::around::Part;
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Stop};
use crate::schedule::calendar::Days;
use crate::schedule::content::{CursorKey, Pick};
use crate::schedule::draw::{Seed, stable_hash};
use crate::schedule::planned::{Dress, Role, Why};
use crate::schedule::wall::TimeOfDay;

/// So many items of a list are looked at in search of one that fits: in a list of thousands there may be one in all.
const MOST_TRIES: u32 = 50;

/// A list that a filler draws from, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillerList {
    /// What is in it, and in which order it is played.
    pub pick: Pick,
    /// Whether each chapter of its items is an item of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chapters: bool,
    /// How often it is drawn from, in proportion to the others. One of 0 is drawn from when none of the others will do.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
    /// For so many seconds from the beginning of what was drawn from it nothing is drawn from it again, whichever filler
    /// of the channel it belongs to.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cooldown_s: u32,
    /// In which hours of the day; in all of them without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// On which days.
    #[serde(default, skip_serializing_if = "is_every_day")]
    pub on: Days,
}

/// Hours of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The first moment.
    pub from: TimeOfDay,
    /// The moment when they are over. One that is not behind the first means the next day: from 22:00 to 6:00.
    pub to: TimeOfDay,
}

fn one() -> u32 {
    1
}

fn is_one(n: &u32) -> bool {
    *n == 1
}

fn is_none(n: &u32) -> bool {
    *n == 0
}

fn is_every_day(days: &Days) -> bool {
    *days == Days::default()
}

impl From<Pick> for FillerList {
    fn from(pick: Pick) -> Self {
        Self {
            pick,
            chapters: false,
            weight: 1,
            cooldown_s: 0,
            hours: None,
            on: Days::default(),
        }
    }
}

impl Hours {
    fn hold(self, time: TimeOfDay) -> bool {
        match self.from < self.to {
            true => self.from <= time && time < self.to,
            false => self.from <= time || time < self.to,
        }
    }
}

/// How long what is drawn may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    /// As long as it is.
    Any,
    /// So many milliseconds; what is longer is passed over, see [`MOST_TRIES`].
    Within(i64),
    /// So many milliseconds; what is longer stays next.
    IfNext(i64),
}

/// What is being drawn for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling<'f> {
    pub(super) filler: &'f Filler,
    pub(super) role: Role,
    /// Of the programme.
    pub(super) why: &'f Why,
}

/// Draws an item that is to begin at `at`, from a list that may be drawn from then. `None` when there is none that fits.
pub(super) fn draw_item(
    build: &mut Build<'_>,
    filling: &Filling<'_>,
    at: UtcMs,
    fits: Fits,
) -> Result<Option<Part>, Stop> {
    let mut lists = Candidates::at(at, build, filling);
    while let Some((list, key)) = lists.next() {
        let part = match fits {
            Fits::Any => take(build, filling, list, key)?,
            Fits::Within(ms) => take_within(ms, build, filling, list, key)?,
            Fits::IfNext(ms) => match build.peek(key)? {
                Some(next) if build.length_ms(next.ix) <= ms => take(build, filling, list, key)?,
                _ => None,
            },
        };
        if part.is_some() {
            note(build, list, key, at);
            return Ok(part);
        }
    }
    Ok(None)
}

/// The same, of a playlist all that one pass plays, at most so many items.
pub(super) fn draw_pass(
    build: &mut Build<'_>,
    filling: &Filling<'_>,
    at: UtcMs,
    most: usize,
    out: &mut Vec<Part>,
) -> Result<(), Stop> {
    let mut lists = Candidates::at(at, build, filling);
    if let Some((list, key)) = lists.next() {
        note(build, list, key, at);
        let pass = match list.chapters {
            true => 1,
            false => build.deck().pass(&list.pick) as usize,
        };
        for _ in 0..pass.min(most) {
            out.extend(take(build, filling, list, key)?);
        }
    }
    Ok(())
}

/// The lists that may be drawn from, one after the other: by weight, and then those without.
struct Candidates<'f> {
    lists: Vec<(&'f FillerList, CursorKey)>,
    seed: Seed,
}

impl<'f> Candidates<'f> {
    fn at(at: UtcMs, build: &mut Build<'_>, filling: &Filling<'f>) -> Self {
        let filler = filling.filler;
        let mut lists = Vec::with_capacity(filler.lists.len());
        let mut is_empty = true;
        for list in &filler.lists {
            let key = list.open(build);
            let has_items = build.deck().count(key) > 0;
            is_empty &= !has_items;
            if has_items && list.may(build, key, at) {
                lists.push((list, key));
            }
        }
        // What fills up has others to do it in its place.
        if is_empty && !matches!(filling.role, Role::Tail | Role::Fallback) {
            let (rule, name) = (&filling.why.rule, &filler.name);
            build.warn(format!(
                "{rule}: the filler {name} has nothing to play: put something into its collections"
            ));
        }
        let seed = build.seed().of(stable_hash(filler.name.as_bytes()));
        Self {
            lists,
            // Drawn from the moment: the same in a timeline built in pieces.
            seed: seed.of(at.0.cast_unsigned()),
        }
    }

    fn next(&mut self) -> Option<(&'f FillerList, CursorKey)> {
        let weights = self.lists.iter().map(|(list, _)| u64::from(list.weight));
        let sum: u64 = weights.clone().fold(0, u64::saturating_add);
        self.seed = self.seed.of(1);
        let mut drawn = self.seed.below(sum);
        let found = weights.clone().position(|weight| {
            let is_it = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            is_it
        });
        let first = (!self.lists.is_empty()).then_some(0);
        found.or(first).map(|n| self.lists.remove(n))
    }
}

impl FillerList {
    /// Makes it ready to draw from.
    fn open(&self, build: &mut Build<'_>) -> CursorKey {
        match self.chapters {
            true => build.deck().open_chapters(&self.pick),
            false => build.open(&self.pick),
        }
    }

    fn may(&self, build: &mut Build<'_>, key: CursorKey, at: UtcMs) -> bool {
        let cooldown_ms = i64::from(self.cooldown_s) * 1000;
        let last = match cooldown_ms {
            0 => None,
            _ => build.deck().drawn_at(key),
        };
        let wall = build.wall();
        last.is_none_or(|last| at >= last.plus(cooldown_ms))
            && self.hours.is_none_or(|h| h.hold(wall.time_of_day(at)))
            && (is_every_day(&self.on) || self.on.hold(wall.date(at)))
    }
}

/// Notes that a list was drawn from, where that matters.
fn note(build: &mut Build<'_>, list: &FillerList, key: CursorKey, at: UtcMs) {
    if list.cooldown_s > 0 {
        build.deck().note_drawn(key, at);
    }
}

/// Takes the next item that is no longer than this.
fn take_within(
    ms: i64,
    build: &mut Build<'_>,
    filling: &Filling<'_>,
    list: &FillerList,
    key: CursorKey,
) -> Result<Option<Part>, Stop> {
    if build.deck().shortest_ms(key) > ms {
        return Ok(None);
    }
    for _ in 0..build.deck().count(key).min(MOST_TRIES) {
        let part = take(build, filling, list, key)?;
        if part.as_ref().is_none_or(|p| p.span.length_ms() <= ms) {
            return Ok(part);
        }
    }
    Ok(None)
}

fn take(
    build: &mut Build<'_>,
    filling: &Filling<'_>,
    list: &FillerList,
    key: CursorKey,
) -> Result<Option<Part>, Stop> {
    let Some(dealt) = build.deal(key)? else {
        return Ok(None);
    };
    let Some(span) = build.item(dealt.ix).and_then(|item| item.whole()) else {
        return Ok(None);
    };
    Ok(Some(Part {
        ix: dealt.ix,
        span,
        role: filling.role,
        dress: filling.filler.hide_watermarks.then(|| {
            Arc::new(Dress {
                watermarks: Some(Vec::new()),
            })
        }),
        why: Arc::new(Why {
            rule: filling.why.rule.clone(),
            order: Some(list.pick.order.by),
            round: dealt.round(),
            seed: None,
            filler: Some(filling.filler.name.clone()),
        }),
    }))
}
