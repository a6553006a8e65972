//! Slots: stretches of a channel's time, each of which plays from one collection. Time slots begin at times of day, random
//! slots follow each other by draw or in order.
//!
//! A slot plays whole programmes as long as they fit. The time that they leave is flex: filler, and where there is none
//! a gap. Ten seconds more or less are nothing: files of half an hour are seldom that to the second.

mod random;
#[cfg(test)]
mod tests;
mod time;
mod visit;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::content::Pick;
use super::filler::Fillers;
use super::planned::Dress;

pub use random::{Drawing, Length, RandomSlot, RandomSlots, RandomSlotsState};
pub use time::{TimeSlot, TimeSlots, TimeSlotsState};

/// What may be late, or run over, without being so.
const SLACK_MS: i64 = 10_000;

/// What a slot plays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slot {
    /// Its name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// What it plays; without it nothing but fillers. Slots that draw from one collection go on where the other ended,
    /// unless they name places of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<Pick>,
    /// The guide shows all of the slot as one programme of this title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Arc<str>>,
    /// As [`Spacing::pad_minutes`], for this slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_minutes: Option<u32>,
    /// As [`Spacing::fillers`], for this slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fillers: Option<Fillers>,
    /// How its programmes look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dress: Option<Arc<Dress>>,
}

/// What becomes of the time between programmes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spacing {
    /// Programmes begin at full so many minutes of the day; 0 for when the one before has ended. What begins a slot does
    /// so when the slot does.
    pub pad_minutes: u32,
    /// What is padded so.
    pub pad: Padded,
    /// Where the time goes that a slot has left.
    pub flex: Flex,
    /// What the guide shows for five minutes of flex and more. Without it the programme before them is shown for longer,
    /// and what is a gap is off the air.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flex_title: Option<Arc<str>>,
    /// What is put around programmes and into flex: tails, and fallbacks behind them.
    pub fillers: Fillers,
}

/// What begins at full minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padded {
    /// Each programme.
    #[default]
    Programmes,
    /// Each slot only: within it programmes follow each other.
    Slots,
}

/// Where the time goes that a slot has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flex {
    /// To the end of the slot.
    #[default]
    End,
    /// Behind each programme, in equal parts: of whole pads where programmes are padded, else of whole seconds. The
    /// first ones get what does not divide.
    Between,
}

impl Slot {
    fn is_playable(&self, build: &mut super::build::Build<'_>) -> bool {
        self.pick.as_ref().is_none_or(|pick| {
            let key = build.open(pick);
            build.deck().count(key) > 0
        })
    }
}

/// Everything that slots draw from: first what is played, then what fills.
fn picks<'s>(spacing: &'s Spacing, slots: impl Iterator<Item = &'s Slot> + Clone) -> Vec<Pick> {
    let played = slots.clone().filter_map(|slot| slot.pick.as_ref());
    let fillers = fillers(spacing, slots).flat_map(Fillers::picks);
    played.chain(fillers).cloned().collect()
}

/// All their fillers.
fn fillers<'s>(
    spacing: &'s Spacing,
    slots: impl Iterator<Item = &'s Slot>,
) -> impl Iterator<Item = &'s Fillers> {
    let own = slots.filter_map(|slot| slot.fillers.as_ref());
    own.chain([&spacing.fillers])
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
