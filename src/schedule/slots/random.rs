//! Slots that follow each other by draw or in order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::visit::{Progress, Visit};
use super::{Slot, Spacing, fillers, is_default, picks};
use crate::clock::UtcMs;
use crate::schedule::build::{Build, Scheduler, Stop};
use crate::schedule::content::Pick;
use crate::schedule::draw::stable_hash;
use crate::schedule::filler::Fillers;
use crate::schedule::span::SHORTEST_MS;

const SECOND_MS: i64 = 1000;
/// The longest time that a slot may last.
const LONGEST_S: u32 = 7 * 86_400;

/// Slots that follow each other by draw or in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomSlots {
    /// The slots.
    pub slots: Vec<RandomSlot>,
    /// Which comes next.
    pub drawing: Drawing,
    /// What becomes of the time between programmes.
    pub spacing: Spacing,
}

/// Which slot comes next, among those that are not in their cooldown and have something to play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drawing {
    /// Any, all alike.
    #[default]
    Uniform,
    /// Any, by weight.
    Weighted,
    /// The one behind the last.
    InOrder,
}

/// A slot that has its turn now and then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomSlot {
    /// What it plays.
    #[serde(default)]
    pub plays: Slot,
    /// How long it lasts.
    pub length: Length,
    /// How often it comes, against the weights of the others; 0 is never. Counts when the draw is by weight.
    #[serde(default = "one")]
    pub weight: u32,
    /// For how many seconds behind its end it does not come again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cooldown_s: u32,
}

fn one() -> u32 {
    1
}

/// How long a slot lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Length {
    /// So many seconds, with flex behind what fits.
    Seconds(u32),
    /// So many programmes.
    Programmes(u32),
}

/// Where random slots are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RandomSlotsState {
    /// How many slots there were.
    #[serde(rename = "r", skip_serializing_if = "is_default")]
    drawn: u64,
    /// Which was the last one.
    #[serde(rename = "i", skip_serializing_if = "is_default")]
    slot: Option<u32>,
    /// When it ends, as long as it is on.
    #[serde(rename = "u", skip_serializing_if = "is_default")]
    until: Option<UtcMs>,
    /// How many programmes it has left, likewise.
    #[serde(rename = "c", skip_serializing_if = "is_default")]
    left: Option<u32>,
    #[serde(rename = "p", skip_serializing_if = "is_default")]
    progress: Progress,
    /// From when on, in seconds since 1970, those may come again that are in their cooldown.
    #[serde(rename = "w", skip_serializing_if = "is_default")]
    resting: BTreeMap<u32, i64>,
}

/// Whose turn it is.
enum Turn {
    Of(u32),
    /// Nobody's before that moment.
    Wait(UtcMs),
}

impl RandomSlots {
    /// Everything that they draw from: first what is played, then what fills.
    pub fn picks(&self) -> Vec<Pick> {
        picks(&self.spacing, self.slots.iter().map(|slot| &slot.plays))
    }

    /// All their fillers.
    pub(in crate::schedule) fn fillers(&self) -> impl Iterator<Item = &Fillers> {
        fillers(&self.spacing, self.slots.iter().map(|slot| &slot.plays))
    }

    fn visit(&self, place: u32) -> Option<(&RandomSlot, Visit<'_>)> {
        let slot = self.slots.get(place as usize)?;
        let rule = match &slot.plays.name {
            Some(name) => name.to_string(),
            None => format!("slot {}", u64::from(place) + 1),
        };
        Some((slot, Visit::new(&slot.plays, &self.spacing, &rule)))
    }

    fn weight(&self, slot: &RandomSlot) -> u64 {
        match self.drawing {
            Drawing::Weighted => u64::from(slot.weight),
            Drawing::Uniform | Drawing::InOrder => 1,
        }
    }

    fn turn(&self, state: &mut RandomSlotsState, build: &mut Build<'_>) -> Result<Turn, Stop> {
        let (mut able, mut empty) = (Vec::new(), Vec::new());
        for (slot, place) in self.slots.iter().zip(0_u32..) {
            let has_time = slot.plays.pick.is_some() || matches!(slot.length, Length::Seconds(_));
            if has_time && self.weight(slot) > 0 && slot.plays.is_playable(build) {
                able.push((place, self.weight(slot)));
            } else {
                empty.push(self.visit(place).map(|(_, visit)| visit.why.rule.clone()));
            }
        }
        if able.is_empty() {
            return Err(Stop::Nothing);
        }
        let empty: Vec<_> = empty.iter().flatten().map(AsRef::as_ref).collect();
        if !empty.is_empty() {
            build.warn(format!(
                "slots without their turn, for they have no items, no length or no weight: {}",
                empty.join(", ")
            ));
        }
        let now_s = build.now().plus(SHORTEST_MS - 1).0.div_euclid(SECOND_MS);
        state.resting.retain(|_, until_s| *until_s > now_s);
        let wait = able
            .iter()
            .filter_map(|(place, _)| state.resting.get(place));
        let wait = wait.copied().min();
        able.retain(|(place, _)| !state.resting.contains_key(place));
        let Some((first, _)) = able.first() else {
            let until_s = wait.unwrap_or(now_s).max(now_s + 1);
            return Ok(Turn::Wait(UtcMs(until_s.saturating_mul(SECOND_MS))));
        };
        let place = match (self.drawing, state.slot) {
            (Drawing::InOrder, None) => *first,
            (Drawing::InOrder, Some(last)) => {
                let behind = able.iter().find(|(place, _)| *place > last);
                behind.map_or(*first, |(place, _)| *place)
            }
            _ => {
                let all = able.iter().map(|(_, weight)| weight).sum();
                let seed = build.seed().of(stable_hash(b"turns of random slots"));
                let mut drawn = seed.of(state.drawn).below(all);
                let hit = able.iter().find(|(_, weight)| {
                    let hit = drawn < *weight;
                    drawn = drawn.saturating_sub(*weight);
                    hit
                });
                hit.map_or(*first, |(place, _)| *place)
            }
        };
        Ok(Turn::Of(place))
    }

    /// The slot is over, unless it lasts for a time that is not.
    fn over_in_time(&self, state: &mut RandomSlotsState, build: &Build<'_>) {
        let lasts = |until: UtcMs| until.since(build.now()) >= SHORTEST_MS;
        if !state.until.is_some_and(lasts) {
            self.over(state, build);
        }
    }

    /// The slot is over.
    fn over(&self, state: &mut RandomSlotsState, build: &Build<'_>) {
        (state.until, state.left) = (None, None);
        state.progress = Progress::default();
        let Some(place) = state.slot else { return };
        let slot = self.slots.get(place as usize);
        if let Some(cooldown_s) = slot.map(|slot| slot.cooldown_s).filter(|s| *s > 0) {
            let now_s = build.now().plus(SECOND_MS - 1).0.div_euclid(SECOND_MS);
            let until_s = now_s.saturating_add(i64::from(cooldown_s));
            state.resting.insert(place, until_s);
        }
    }
}

impl Scheduler for RandomSlots {
    type State = RandomSlotsState;

    fn patience(&self) -> u32 {
        let slots = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        slots.saturating_mul(4).saturating_add(4)
    }

    fn step(&self, state: &mut RandomSlotsState, build: &mut Build<'_>) -> Result<(), Stop> {
        // What goes on behind the end of a slot, after a pause, begins with another one.
        if state.until.is_some_and(|until| until <= build.now()) {
            self.over(state, build);
        }
        let on = state
            .slot
            .filter(|_| state.until.is_some() || state.left.is_some());
        let on = on.and_then(|place| self.visit(place));
        let (slot, visit) = match on {
            Some(on) => on,
            None => match self.turn(state, build)? {
                Turn::Wait(until) => {
                    build.warn("every slot is in its cooldown: shorten cooldowns or add slots");
                    let slot = Slot::default();
                    let nobody = Visit::new(&slot, &self.spacing, "cooldown");
                    return nobody.rest(until, None, &mut Progress::default(), build);
                }
                Turn::Of(place) => {
                    state.drawn = state.drawn.wrapping_add(1);
                    state.slot = Some(place);
                    let Some((slot, visit)) = self.visit(place) else {
                        return Err(Stop::Nothing);
                    };
                    let start = visit.slot_start(build.now(), build.wall());
                    visit.flex(start, None, build)?;
                    (state.until, state.left) = match slot.length {
                        Length::Seconds(s) => {
                            let ms = i64::from(s.clamp(1, LONGEST_S)) * SECOND_MS;
                            (Some(build.now().plus(ms)), None)
                        }
                        Length::Programmes(n) => (None, Some(n.max(1))),
                    };
                    (slot, visit)
                }
            },
        };
        let Some(pick) = &slot.plays.pick else {
            if let Some(until) = state.until {
                visit.filler_only(until, &mut state.progress, build)?;
            }
            self.over_in_time(state, build);
            return Ok(());
        };
        if let (Some(until), true) = (state.until, state.progress.rests) {
            visit.rest(until, None, &mut state.progress, build)?;
            self.over_in_time(state, build);
            return Ok(());
        }
        if let (Some(until), false) = (state.until, state.progress.begun) {
            visit.warn_if_short(pick, until.since(build.now()), build);
        }
        let played = visit.play(pick, state.until, &mut state.progress, build)?;
        match (played, state.until, state.left) {
            (true, None, Some(left @ 2..)) => {
                state.left = Some(left - 1);
                return Ok(());
            }
            (false, Some(until), _) => visit.rest(until, None, &mut state.progress, build)?,
            _ => {}
        }
        self.over_in_time(state, build);
        Ok(())
    }
}
