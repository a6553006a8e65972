//! Block schedules: blocks of a length, each of a few items, that templates place on the clock on the wall and a calendar
//! gives to days.
//!
//! Every item of a block plays one thing a time, and each block keeps its own place in what its items draw from: it goes
//! on from day to day where it was. Between blocks the channel plays what decos say, or is off the air.

mod between;
mod check;
mod deco;
mod place;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calendar::Days;
use super::content::Pick;
use super::filler::Filler;
use super::planned::Dress;
use super::wall::TimeOfDay;
use crate::clock::UtcMs;

use place::Running;

pub use deco::{Break, Deco, DecoSlot, DecoTemplate, DefaultFiller, Placement, Setting};

pub(super) const MINUTE_MS: i64 = 60_000;

/// A block schedule whose rules make sense: see [`Blocks::new`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Rules")]
pub struct Blocks(Rules);

/// The rules of a block schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Blocks, by name. A block that gets another name begins anew in what it draws from.
    pub blocks: BTreeMap<Arc<str>, Block>,
    /// Days that blocks are placed on, by name.
    pub templates: BTreeMap<Arc<str>, Template>,
    /// Which days are planned after which template: the first entry whose days hold a date is that date's. A date
    /// without one has no blocks.
    pub calendar: Vec<Dated>,
    /// Decos, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub decos: BTreeMap<Arc<str>, Deco>,
    /// Days that decos are placed on, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deco_templates: BTreeMap<Arc<str>, DecoTemplate>,
    /// The name of the deco of the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deco: Option<Arc<str>>,
}

/// A few items that are played together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// How long it lasts, in minutes: a multiple of 5 and no more than a day.
    pub minutes: i64,
    /// What it plays, one after the other, each once.
    pub items: Vec<Item>,
    /// When it is too late for its next item.
    #[serde(default)]
    pub stop: StopScheduling,
    /// The guide shows the block as one programme of this title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Arc<str>>,
}

/// When a block that has not played all of its items stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopScheduling {
    /// When its time is over: the last item may go on beyond it, and what comes next begins later.
    #[default]
    AfterDurationEnd,
    /// Before an item that would not end in time. What is longer than the whole block is passed over.
    BeforeDurationEnd,
}

/// An item of a block: one thing a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What it plays. Without a named place its place in the collection belongs to the block and the order.
    pub pick: Pick,
    /// Do not show it in the guide: the programme before it is shown for longer, or the one behind it from earlier on. Of
    /// a block that would show nothing everything is shown.
    #[serde(default)]
    pub hidden: bool,
    /// How it looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dress: Option<Arc<Dress>>,
}

/// A day, as blocks fill it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its blocks, in any order. A block that has not ended when the next one begins ends there.
    pub slots: Vec<Slot>,
}

/// A block's place in a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// When it begins, on the clock on the wall. It may end on the next day.
    pub at: TimeOfDay,
    /// The name of the block.
    pub block: Arc<str>,
    /// The name of a deco for as long as the block lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deco: Option<Arc<str>>,
}

/// What certain days are planned after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dated {
    /// Which days.
    #[serde(default)]
    pub on: Days,
    /// The name of the template.
    pub template: Arc<str>,
    /// The name of the template of decos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decos: Option<Arc<str>>,
}

/// Where a block schedule is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockState {
    /// When the block that was begun last was to begin.
    #[serde(rename = "b", skip_serializing_if = "is_default")]
    block: Option<UtcMs>,
    /// Which of its items is next; `None` when it is over.
    #[serde(rename = "i", skip_serializing_if = "is_default")]
    item: Option<u32>,
    /// Whether it has put something on air.
    #[serde(rename = "n", skip_serializing_if = "is_default")]
    begun: bool,
    /// Whether the guide shows all of its items, for none of them wants to be shown.
    #[serde(rename = "v", skip_serializing_if = "is_default")]
    shows_all: bool,
    /// What the guide shows, where that is no block.
    #[serde(rename = "g", skip_serializing_if = "is_default")]
    between: Option<Between>,
}

/// What the guide shows between blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Between {
    /// That the channel is off the air.
    OffAir,
    /// The filler.
    Filler,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Block {
    fn length_ms(&self) -> i64 {
        self.minutes.saturating_mul(MINUTE_MS)
    }

    /// What an item of the block of a name draws from: the place belongs to the block, unless the item names one.
    fn pick(name: &str, item: &Item) -> Pick {
        let mut pick = item.pick.clone();
        if pick.place.is_none() {
            // Nothing in an order can fail to serialize.
            let order = serde_json::to_string(&pick.order).unwrap_or_default();
            pick.place = Some(format!("block {name}\n{order}"));
        }
        pick
    }
}

impl Blocks {
    /// Everything that it draws from: first what is played, then what fills.
    pub fn picks(&self) -> Vec<Pick> {
        self.0.picks()
    }

    /// That of which it plays single chapters.
    pub(super) fn in_chapters(&self) -> impl Iterator<Item = &Pick> {
        self.0.deco_fillers().flat_map(Filler::in_chapters)
    }

    /// Whether it asks for the [`Breaks`](super::Breaks) of programmes.
    pub(super) fn want_breaks(&self) -> bool {
        self.0.decos.values().any(Deco::want_breaks)
    }

    /// The scheduler of a build.
    pub(super) fn running(&self) -> Running<'_> {
        Running::new(&self.0)
    }
}

impl Rules {
    fn picks(&self) -> Vec<Pick> {
        let blocks = self.blocks.iter();
        let items = blocks.flat_map(|(name, block)| block.items.iter().map(move |i| (name, i)));
        let items = items.map(|(name, item)| Block::pick(name, item));
        items.chain(self.deco_picks().cloned()).collect()
    }
}
