//! Classic schedules: items that follow each other for ever, some at fixed times of day, each playing one thing, several,
//! for a length of time, or until the next fixed time; other schedules on certain days.

mod run;
#[cfg(test)]
mod tests;
mod times;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calendar::Days;
use super::content::{CursorKey, Pick};
use super::expression::Sum;
use super::filler::Fillers;
use super::planned::Dress;
use super::wall::TimeOfDay;
use crate::clock::UtcMs;

/// A schedule, and others for certain days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classic {
    /// The schedule of all days that have no other.
    pub schedule: Schedule,
    /// Schedules for certain days: the first whose days hold a date is that date's. The day begins with its local midnight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternates: Vec<Alternate>,
}

/// A schedule for certain days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternate {
    /// Which days.
    pub on: Days,
    /// What is played on them.
    pub schedule: Schedule,
}

/// Items that follow each other for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Its items.
    pub items: Vec<Item>,
    /// Shuffle the items for each round. Fixed starts mean little then.
    pub shuffle_items: bool,
    /// How fixed starts are meant, where an item does not say.
    pub fixed_start: FixedStart,
    /// A strict start that was missed by no more seconds than this is made up for at once; one missed by more has to wait
    /// for the next day.
    pub grace_s: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            shuffle_items: false,
            fixed_start: FixedStart::default(),
            grace_s: 600,
        }
    }
}

/// How a fixed start is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FixedStart {
    /// At that time: when it has passed, on the next day.
    #[default]
    Strict,
    /// Not before that time: when it has passed, at once.
    Flexible,
}

/// An item of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// What it plays.
    pub pick: Pick,
    /// How much of it.
    pub mode: Mode,
    /// When it begins; without it when the item before has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<TimeOfDay>,
    /// How that time is meant, where it is not as the schedule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_start: Option<FixedStart>,
    /// Do not show its programmes in the guide: the one before them is shown for longer.
    #[serde(default)]
    pub hidden: bool,
    /// The guide shows what it plays as one programme of this title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Arc<str>>,
    /// Each visit plays from one show or artist of the collection only, and the next visit from another.
    #[serde(default)]
    pub from_one_group: FromOneGroup,
    /// What is put around its programmes and behind them.
    #[serde(default)]
    pub fillers: Fillers,
    /// How its programmes look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dress: Option<Arc<Dress>>,
}

/// How much an item plays before the next item's turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One programme.
    One,
    /// Several.
    Multiple(Count),
    /// What fits into a length of time.
    Duration {
        /// The time.
        ms: i64,
        /// What becomes of the time that is left.
        #[serde(default)]
        tail: TailMode,
        /// How many programmes that do not fit are passed over to find one that does.
        #[serde(default)]
        discard: u32,
    },
    /// What fits until the next item's fixed start; for ever, when it has none.
    Flood,
}

/// How many programmes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// The value of a sum in which `count` is the size of the collection and `random` any number from 0 to 1.
    Of(Sum),
    /// As many as the collection has.
    CollectionSize,
    /// What an entry of a playlist plays at a time.
    PlaylistEntry,
    /// The parts of the story that is next.
    Story,
}

/// What becomes of the time that a duration leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TailMode {
    /// The next item begins earlier.
    #[default]
    None,
    /// The channel is off the air, or plays the fallback.
    Offline,
    /// The slate is shown, and in the guide the programme goes on.
    Slate,
    /// The tail filler is played, then the fallback.
    Filler,
}

/// Whether each visit plays from one show or artist only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromOneGroup {
    /// No.
    #[default]
    No,
    /// They take turns by name.
    InOrder,
    /// They take turns in an order that is shuffled for each pass.
    Shuffled,
}

/// Where a classic schedule is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassicState {
    /// Which schedule: 0 for that of all days, 1 for the first alternate.
    #[serde(rename = "s", skip_serializing_if = "is_default")]
    schedule: u32,
    /// How often its items have been gone through.
    #[serde(rename = "r", skip_serializing_if = "is_default")]
    round: u64,
    /// Which item is next, or under way.
    #[serde(rename = "i", skip_serializing_if = "is_default")]
    item: u32,
    /// How many programmes of the item are left.
    #[serde(rename = "n", skip_serializing_if = "is_default")]
    left: Option<u32>,
    /// When the item's time is over.
    #[serde(rename = "u", skip_serializing_if = "is_default")]
    until: Option<UtcMs>,
    /// How many programmes were passed over since one fitted.
    #[serde(rename = "d", skip_serializing_if = "is_default")]
    discarded: u32,
    /// Whether the item has put something on air in this visit.
    #[serde(rename = "b", skip_serializing_if = "is_default")]
    begun: bool,
    /// The show or artist that this visit plays from.
    #[serde(rename = "g", skip_serializing_if = "is_default")]
    group: Option<CursorKey>,
    /// The fixed start that was kept last: it is not kept twice.
    #[serde(rename = "k", skip_serializing_if = "is_default")]
    kept: Option<UtcMs>,
    /// The item whose tail and fallback are due.
    #[serde(rename = "t", skip_serializing_if = "is_default")]
    tail_of: Option<u32>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Classic {
    /// Everything that it draws from: first what is played, then what fills.
    pub fn picks(&self) -> Vec<Pick> {
        let played = self.items().map(|item| &item.pick);
        let fillers = self.fillers().flat_map(Fillers::picks);
        played.chain(fillers).cloned().collect()
    }

    /// The fillers of all its items.
    pub(super) fn fillers(&self) -> impl Iterator<Item = &Fillers> {
        self.items().map(|item| &item.fillers)
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        let alternates = self.alternates.iter().map(|a| &a.schedule);
        let schedules = std::iter::once(&self.schedule).chain(alternates);
        schedules.flat_map(|s| &s.items)
    }

    /// The schedule of a date, as [`ClassicState::schedule`] counts.
    fn of_date(&self, date: jiff::civil::Date) -> u32 {
        let alternate = self.alternates.iter().position(|a| a.on.hold(date));
        alternate.map_or(0, |n| u32::try_from(n + 1).unwrap_or_default())
    }

    fn get(&self, schedule: u32) -> &Schedule {
        let n = (schedule as usize).checked_sub(1);
        n.and_then(|n| self.alternates.get(n))
            .map_or(&self.schedule, |a| &a.schedule)
    }
}
