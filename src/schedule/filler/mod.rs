//! What is put around programmes and into the time that they leave.

mod around;
mod cuts;
mod fill;
mod lists;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::content::Pick;
use super::expression::Condition;

pub(super) use around::{Content, Part, around, length_ms, put_on_air};
pub(super) use fill::pad_target;
pub(super) use fill::{cover, draw, draw_all, tail};
pub use lists::{FillerList, Hours};

/// A filler: what, and how much of it. Written with one `pick`, with `lists`, or with both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Filler {
    /// Its name, for people.
    pub name: Arc<str>,
    /// What it draws from: of several lists one for each item.
    pub lists: Vec<FillerList>,
    /// How much; of no meaning for tails and fallbacks, which take what fits.
    pub amount: Amount,
    /// Hide the channel's watermarks while it is on.
    pub hide_watermarks: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Filler", deny_unknown_fields)]
struct Written {
    name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pick: Option<Pick>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lists: Vec<FillerList>,
    #[serde(default)]
    amount: Amount,
    #[serde(default)]
    hide_watermarks: bool,
}

impl From<Written> for Filler {
    fn from(written: Written) -> Self {
        let first = written.pick.map(FillerList::from);
        Self {
            name: written.name,
            lists: first.into_iter().chain(written.lists).collect(),
            amount: written.amount,
            hide_watermarks: written.hide_watermarks,
        }
    }
}

impl From<Filler> for Written {
    fn from(filler: Filler) -> Self {
        let (pick, lists) = match <[FillerList; 1]>::try_from(filler.lists) {
            Ok([list]) if list == list.pick.clone().into() => (Some(list.pick), Vec::new()),
            Ok([list]) => (None, vec![list]),
            Err(lists) => (None, lists),
        };
        Self {
            name: filler.name,
            pick,
            lists,
            amount: filler.amount,
            hide_watermarks: filler.hide_watermarks,
        }
    }
}

impl Filler {
    /// A filler of one collection that lets watermarks be.
    pub fn new(name: impl Into<Arc<str>>, pick: Pick, amount: Amount) -> Self {
        Self {
            name: name.into(),
            lists: vec![pick.into()],
            amount,
            hide_watermarks: false,
        }
    }

    /// What it draws from.
    pub fn picks(&self) -> impl Iterator<Item = &Pick> {
        self.lists.iter().map(|list| &list.pick)
    }

    /// That of which it plays single chapters.
    pub fn in_chapters(&self) -> impl Iterator<Item = &Pick> {
        let lists = self.lists.iter().filter(|list| list.chapters);
        lists.map(|list| &list.pick)
    }
}

/// Filler in the breaks of a programme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MidRoll {
    /// What, and how much of it: a number or a length for each break, a pad for all of them together.
    pub filler: Filler,
    /// Where there may be breaks. A programme that has no such places is followed by the filler.
    #[serde(default)]
    pub at: BreakAt,
    /// Which of these places become breaks; all of them without a condition. Where none does the programme is played in one
    /// piece, and only a pad follows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
}

/// Where a programme may be interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakAt {
    /// Between its chapters.
    #[default]
    Chapters,
    /// At the places that were found to suit, such as black pictures.
    Points,
    /// Every so many minutes of it.
    EveryMinutes(u32),
}

/// How much filler there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// So many items; of a playlist so many passes.
    Count(u32),
    /// Any number up to this one.
    RandomCount(u32),
    /// As many whole items as fit into so many milliseconds.
    DurationMs(i64),
    /// Up to the next full so many minutes of the hour. What ends on such a mark is filled up to the next one.
    PadMinutes(u32),
    /// The same, but what ends on such a mark needs nothing.
    PadMinutesUnlessFull(u32),
}

impl Default for Amount {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl Amount {
    fn pad(self) -> Option<(u32, bool)> {
        let pad = match self {
            Self::PadMinutes(minutes) => (minutes, false),
            Self::PadMinutesUnlessFull(minutes) => (minutes, true),
            _ => return None,
        };
        (pad.0 > 0).then_some(pad)
    }
}

/// The fillers of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fillers {
    /// Before each programme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_roll: Option<Filler>,
    /// In the breaks of each programme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid_roll: Option<MidRoll>,
    /// Behind each programme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_roll: Option<Filler>,
    /// Whole items up to a fixed start, as long as they fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<Filler>,
    /// Items that cover what is left, the last of them cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Filler>,
}

impl Fillers {
    /// What they draw from.
    pub fn picks(&self) -> impl Iterator<Item = &Pick> {
        self.all().flat_map(Filler::picks)
    }

    /// That of which they play single chapters.
    pub fn in_chapters(&self) -> impl Iterator<Item = &Pick> {
        self.all().flat_map(Filler::in_chapters)
    }

    /// Whether they ask for the [`Breaks`](super::Breaks) of programmes.
    pub fn want_breaks(&self) -> bool {
        self.mid_roll.is_some()
    }

    fn all(&self) -> impl Iterator<Item = &Filler> {
        let mid_roll = self.mid_roll.as_ref().map(|mid| &mid.filler);
        let others = [&self.pre_roll, &self.post_roll, &self.tail, &self.fallback];
        mid_roll.into_iter().chain(others.into_iter().flatten())
    }
}
