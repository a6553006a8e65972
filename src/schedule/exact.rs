//! Programmes at exact times, as somebody else has planned them: once, or again and again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::build::{Build, Scheduler, Stop};
use super::content::Pick;
use super::planned::{Role, Why};
use super::span::{SHORTEST_MS, Span};
use super::timeline::{Airing, Guide};
use crate::clock::UtcMs;
use crate::media::Ticks90k;

const DAY_MS: i64 = 86_400_000;

/// Programmes at exact times. The channel is off the air where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exact {
    /// From when on its times count.
    #[serde(with = "moment")]
    pub since: UtcMs,
    /// After so long it begins anew; without it everything is played once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_ms: Option<i64>,
    /// Where its items are looked for.
    pub within: Vec<Pick>,
    /// What is played when. Of two that overlap the later ends the earlier.
    pub entries: Vec<Entry>,
}

/// Something at an exact time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When, from [`Exact::since`] on.
    pub at_ms: i64,
    /// For how long; at least a second.
    pub length_ms: i64,
    /// From where in the item, counted from its beginning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub from_ms: i64,
    /// Key of the item.
    pub item: i64,
    /// What it is called, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// What is on at a moment, or next.
struct On<'a> {
    start: UtcMs,
    stop: UtcMs,
    entry: &'a Entry,
}

impl Exact {
    /// The part of one pass that is on at `at`, for a second at least, or next in it: start, stop and what.
    fn within_pass(&self, at: i64) -> Option<(i64, i64, &Entry)> {
        let ends = self.repeat_ms.unwrap_or(i64::MAX);
        let good = || {
            let entries = self.entries.iter();
            entries.filter(|e| e.length_ms >= SHORTEST_MS && (0..ends).contains(&e.at_ms))
        };
        let stop_of = |entry: &Entry| {
            let next = good().map(|e| e.at_ms).filter(|at| *at > entry.at_ms).min();
            let stop = entry.at_ms.saturating_add(entry.length_ms);
            stop.min(next.unwrap_or(i64::MAX)).min(ends)
        };
        let on = good().filter(|e| e.at_ms <= at).max_by_key(|e| e.at_ms);
        let on = on.map(|e| (e.at_ms, stop_of(e), e));
        let next = || {
            let next = good().filter(|e| e.at_ms > at).min_by_key(|e| e.at_ms);
            next.map(|e| (e.at_ms, stop_of(e), e))
        };
        on.filter(|(_, stop, _)| stop - at >= SHORTEST_MS)
            .or_else(next)
    }

    fn on(&self, now: UtcMs) -> Option<On<'_>> {
        let at = now.since(self.since);
        let shown = |base: UtcMs, (start, stop, entry)| On {
            start: base.plus(start),
            stop: base.plus(stop),
            entry,
        };
        let Some(length) = self.repeat_ms.filter(|ms| *ms >= SHORTEST_MS) else {
            return self.within_pass(at).map(|found| shown(self.since, found));
        };
        let pass = at.div_euclid(length).max(0).saturating_mul(length);
        let base = self.since.plus(pass);
        let this = self.within_pass(at.saturating_sub(pass));
        this.map(|found| shown(base, found)).or_else(|| {
            let first = self.within_pass(-1);
            first.map(|found| shown(base.plus(length), found))
        })
    }
}

impl Scheduler for Exact {
    type State = ();

    fn patience(&self) -> u32 {
        4
    }

    fn step(&self, _: &mut (), build: &mut Build<'_>) -> Result<(), Stop> {
        let now = build.now();
        let why = Arc::new(Why {
            rule: "exact".into(),
            ..Why::default()
        });
        let tomorrow = now.plus(DAY_MS);
        let Some(On { start, stop, entry }) = self.on(now) else {
            build.gap(tomorrow, Role::Gap, Guide::OFF_AIR, &why);
            return Ok(());
        };
        if start.since(now) >= SHORTEST_MS {
            build.gap(start.min(tomorrow), Role::Gap, Guide::OFF_AIR, &why);
            return Ok(());
        }
        let late = now.since(start).max(0);
        let name = entry.name.as_deref().unwrap_or("an item");
        let Some((ix, item)) = build.find(entry.item) else {
            build.warn(format!(
                "exact: {name} is no longer in the library: import the plan again"
            ));
            build.gap(stop, Role::Gap, Guide::OFF_AIR, &why);
            return Ok(());
        };
        let from = item.start + Ticks90k::from_ms(entry.from_ms.saturating_add(late));
        let length = stop.since(start).saturating_sub(late);
        let to = (from + Ticks90k::from_ms(length)).min(item.end);
        match Span::new(from, to) {
            Some(span) if from >= item.start => {
                let airing = Airing {
                    role: Role::Programme,
                    guide: Guide::of(ix),
                    dress: None,
                    why,
                };
                build.play(ix, span, airing)?;
            }
            // The item is shorter than planned: the rest of its time is empty.
            _ => build.gap(stop, Role::Gap, Guide::Join, &why),
        }
        Ok(())
    }
}

/// Moments as people read them: `2026-01-31T19:15:00Z`.
mod moment {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de, ser};

    use crate::clock::UtcMs;

    pub(super) fn serialize<S: Serializer>(moment: &UtcMs, to: S) -> Result<S::Ok, S::Error> {
        let time = Timestamp::from_millisecond(moment.0).map_err(ser::Error::custom)?;
        to.collect_str(&time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UtcMs, D::Error> {
        let text = String::deserialize(from)?;
        let time: Timestamp = text.parse().map_err(|_| {
            de::Error::custom(format!(
                "{text:?} is no moment: write 2026-01-31T20:15:00+01:00"
            ))
        })?;
        Ok(UtcMs(time.as_millisecond()))
    }
}
