//! Slots that begin at times of day.

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::visit::{Progress, Visit};
use super::{SLACK_MS, Slot, Spacing, fillers, is_default, picks};
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Scheduler, Stop};
use crate::schedule::calendar::Days;
use crate::schedule::content::Pick;
use crate::schedule::filler::Fillers;
use crate::schedule::planned::{Role, Why};
use crate::schedule::span::{HOUR_MS, SHORTEST_MS};
use crate::schedule::timeline::Guide;
use crate::schedule::wall::{TimeOfDay, Wall};

const WEEK_DAYS: i64 = 7;
const WEEK_MS: i64 = WEEK_DAYS * 24 * HOUR_MS;

/// Slots that begin at times of day, each of which lasts until the next one begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeSlots {
    /// The slots, in any order. Of two that begin at one time on one day the first counts.
    pub slots: Vec<TimeSlot>,
    /// How many seconds late a slot may begin because what was before it ran over. One that is later is left out: the
    /// next programme is that of the next slot.
    pub lateness_s: u32,
    /// What becomes of the time between programmes.
    pub spacing: Spacing,
}

/// A slot that begins at a time of day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeSlot {
    /// When it begins, on the clock on the wall.
    pub start: TimeOfDay,
    /// On which days it does: on every day, on certain days of the week, or in a part of the year.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on: Days,
    /// What it plays.
    #[serde(default)]
    pub plays: Slot,
}

/// Where time slots are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeSlotsState {
    /// When the slot began that was on last.
    #[serde(rename = "s", skip_serializing_if = "is_default")]
    start: Option<UtcMs>,
    /// Where it had come to: what goes on elsewhere has missed nothing.
    #[serde(rename = "t", skip_serializing_if = "is_default")]
    at: Option<UtcMs>,
    #[serde(rename = "p", skip_serializing_if = "is_default")]
    progress: Progress,
}

/// The slot that a moment lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Here<'r> {
    /// `None` in a time without slots.
    slot: Option<&'r TimeSlot>,
    start: UtcMs,
    end: UtcMs,
}

impl TimeSlots {
    /// Everything that they draw from: first what is played, then what fills.
    pub fn picks(&self) -> Vec<Pick> {
        picks(&self.spacing, self.slots.iter().map(|slot| &slot.plays))
    }

    /// All their fillers.
    pub(in crate::schedule) fn fillers(&self) -> impl Iterator<Item = &Fillers> {
        fillers(&self.spacing, self.slots.iter().map(|slot| &slot.plays))
    }

    /// When which slots of a date begin. Where the clock skips them they begin in their order, none behind the one that
    /// follows it.
    fn starts(&self, date: Date, wall: &Wall) -> Vec<(UtcMs, &TimeSlot)> {
        let mut slots: Vec<_> = self.slots.iter().filter(|s| s.on.hold(date)).collect();
        slots.sort_by_key(|slot| slot.start);
        slots.dedup_by_key(|slot| slot.start);
        let begin = |slot: &'_ TimeSlot| wall.at(date, slot.start);
        let mut starts: Vec<_> = slots.into_iter().map(|slot| (begin(slot), slot)).collect();
        let mut following = UtcMs(i64::MAX);
        for (start, _) in starts.iter_mut().rev() {
            *start = following.min(*start);
            following = *start;
        }
        starts
    }

    /// The slot that `now` lies in: it began within a week, and ends within one.
    fn here(&self, now: UtcMs, wall: &Wall) -> Here<'_> {
        let today = wall.date(now);
        let starts = |days: i64| {
            let date = today.checked_add(days.days());
            date.map_or(Vec::new(), |date| self.starts(date, wall))
        };
        let began = (-1..=WEEK_DAYS).find_map(|days| {
            let of_day = starts(-days);
            of_day.into_iter().rfind(|(start, _)| *start <= now)
        });
        let began = began.filter(|(start, _)| now.since(*start) < WEEK_MS);
        let mut coming = (0..=WEEK_DAYS).flat_map(starts);
        let next = coming.find(|(start, _)| *start > now);
        let (start, slot) = match began {
            Some((start, slot)) => (start, Some(slot)),
            None => (now, None),
        };
        let end = next.map_or(UtcMs(i64::MAX), |(start, _)| start);
        Here {
            slot,
            start,
            end: end.min(start.plus(WEEK_MS)),
        }
    }
}

impl Scheduler for TimeSlots {
    type State = TimeSlotsState;

    fn patience(&self) -> u32 {
        4
    }

    fn step(&self, state: &mut TimeSlotsState, build: &mut Build<'_>) -> Result<(), Stop> {
        if !self.slots.iter().any(|slot| slot.plays.is_playable(build)) {
            return Err(Stop::Nothing);
        }
        let now = build.now();
        // A slot that is less than a second away begins now.
        let here = self.here(now.plus(SHORTEST_MS - 1), build.wall());
        let went_on = state.at == Some(now);
        let same = went_on && state.start == Some(here.start);
        if !same {
            state.progress = Progress::default();
        }
        state.start = Some(here.start);
        match here.slot {
            Some(slot) => {
                let late_ms = now.since(here.start).max(0);
                let too_late = late_ms > i64::from(self.lateness_s) * 1000 + SLACK_MS;
                let missed = too_late && went_on && !same;
                self.play(slot, here.end, missed.then_some(late_ms), state, build)?;
            }
            None => {
                let why = Why {
                    rule: "no slot".into(),
                    ..Why::default()
                };
                let until = here.end.min(now.plus(24 * HOUR_MS));
                build.gap(until, Role::Gap, Guide::OFF_AIR, &why.into());
            }
        }
        state.at = Some(build.now());
        Ok(())
    }
}

impl TimeSlots {
    fn play(
        &self,
        slot: &TimeSlot,
        end: UtcMs,
        missed_by_ms: Option<i64>,
        state: &mut TimeSlotsState,
        build: &mut Build<'_>,
    ) -> Result<(), Stop> {
        let rule = match &slot.plays.name {
            Some(name) => format!("{} {name}", slot.start),
            None => slot.start.to_string(),
        };
        let visit = Visit::new(&slot.plays, &self.spacing, &rule);
        let Some(pick) = &slot.plays.pick else {
            return visit.filler_only(end, &mut state.progress, build);
        };
        let progress = &mut state.progress;
        if progress.rests {
            return visit.rest(end, None, progress, build);
        }
        if let Some(ms) = missed_by_ms {
            let minutes = ms / 60_000;
            build.warn(format!(
                "{rule}: left out, for what was before it ran {minutes} minutes over: allow more lateness or make the slot before it longer"
            ));
            return visit.rest(end, None, progress, build);
        }
        if !slot.plays.is_playable(build) {
            build.warn(format!("{rule}: its collection is empty"));
            return visit.rest(end, None, progress, build);
        }
        if !progress.begun {
            visit.warn_if_short(pick, end.since(build.now()), build);
        }
        if !visit.play(pick, Some(end), progress, build)? {
            visit.rest(end, None, progress, build)?;
        }
        Ok(())
    }
}
