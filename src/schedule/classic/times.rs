//! When items of a classic schedule are due.

use super::{Classic, FixedStart, Item, Schedule};
use crate::clock::UtcMs;
use crate::schedule::draw::Seed;
use crate::schedule::wall::{TimeOfDay, Wall};

/// When an item is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) at: UtcMs,
    /// The fixed start that is kept by beginning then.
    pub(super) keeps: Option<UtcMs>,
}

impl Schedule {
    /// When an item is due that is next at `now`. `kept` is the fixed start that was kept last; `flooded` says that the
    /// item before goes on until then.
    pub(super) fn due(
        &self,
        item: &Item,
        kept: Option<UtcMs>,
        now: UtcMs,
        wall: &Wall,
        flooded: bool,
    ) -> Due {
        let Some(time) = item.start else {
            return Due {
                at: now,
                keeps: None,
            };
        };
        let day = |days: i64| {
            let date = wall.date(now);
            let date = date.checked_add(jiff::Span::new().days(days));
            wall.at(date.unwrap_or(wall.date(now)), time)
        };
        let due = |at: UtcMs, start| Due {
            at,
            keeps: Some(start),
        };
        let today = day(0);
        let next = if today >= now { today } else { day(1) };
        match item.fixed_start.unwrap_or(self.fixed_start) {
            FixedStart::Flexible if today < now && !flooded => due(now, today),
            FixedStart::Flexible => due(next, next),
            FixedStart::Strict => {
                let grace_ms = i64::from(self.grace_s) * 1000;
                let missed = |start: &UtcMs| {
                    (0..=grace_ms).contains(&now.since(*start)) && kept < Some(*start)
                };
                // Just behind midnight it was a start of yesterday that was missed.
                match [today, day(-1)].into_iter().find(missed) {
                    Some(start) => due(now, start),
                    None => due(next, next),
                }
            }
        }
    }

    /// The places of the items in a round, in order.
    pub(super) fn order(&self, seed: Seed, round: u64) -> Vec<usize> {
        match self.shuffle_items {
            false => (0..self.items.len()).collect(),
            true => seed.turns(self.items.len(), round, |n| n as u64),
        }
    }
}

impl Classic {
    /// The first local midnight behind `now`, and not behind `until`, that begins a day of another schedule; else `until`.
    pub(super) fn until_switch(
        &self,
        schedule: u32,
        now: UtcMs,
        until: UtcMs,
        wall: &Wall,
    ) -> UtcMs {
        if self.alternates.is_empty() {
            return until;
        }
        let mut date = wall.date(now);
        while let Ok(next) = date.tomorrow() {
            let midnight = wall.at(next, TimeOfDay::MIDNIGHT);
            if midnight >= until {
                break;
            }
            if self.of_date(next) != schedule && midnight > now {
                return midnight;
            }
            date = next;
        }
        until
    }
}
