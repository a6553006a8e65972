//! Sequential schedules: instructions that are carried out one after the other, written as YAML.
//!
//! [`read()`] makes one of text and [`Sequential::to_yaml`] makes text of one. Pure: the texts of imported files come from who calls.
//! Must never: accept what it does not understand, or let instructions go in circles without end.

mod fill;
mod guide;
mod moment;
mod read;
mod run;
mod state;
#[cfg(test)]
mod tests;
mod walk;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::content::{Collection, Pick};
use super::expression::Sum;
use super::order::Order;
use super::planned::Role;
use super::wall::TimeOfDay;

pub use moment::Moment;
pub use read::{Reading, read};
pub use state::SequentialState;

/// A sequential schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sequential {
    /// What it draws from.
    pub content: Vec<Source>,
    /// Instructions under a name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sequences: Vec<Sequence>,
    /// What is done once, when the channel begins anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reset: Vec<Instruction>,
    /// What is done then, in this order. Behind the last instruction the channel is off the air.
    pub playout: Vec<Instruction>,
}

/// What instructions draw from, under a key. Each key has a place of its own in its collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its key.
    pub key: Arc<str>,
    /// From what.
    pub of: Collection,
    /// In which order.
    #[serde(default)]
    pub order: Order,
}

impl Sequential {
    /// Everything that it draws from.
    pub fn picks(&self) -> Vec<Pick> {
        self.content.iter().map(Source::pick).collect()
    }
}

impl Source {
    /// What is drawn from.
    pub fn pick(&self) -> Pick {
        Pick {
            of: self.of.clone(),
            order: self.order,
            place: Some(self.key.to_string()),
        }
    }
}

/// Instructions under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Its name.
    pub key: Arc<str>,
    /// The instructions.
    pub items: Vec<Instruction>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Instruction {
    /// Plays as many items as there are.
    All(Play),
    /// Plays so many.
    Count {
        /// The value of a sum in which `count` is how many there are and `random` any number from 0 to 1.
        count: Sum,
        /// What.
        play: Play,
    },
    /// Plays what fits into a time.
    Duration {
        /// The time.
        ms: i64,
        /// What.
        play: Play,
        /// How the time is filled.
        fill: Fill,
    },
    /// Plays up to the next full so many minutes of the hour, which are never none.
    PadToNext {
        /// The minutes.
        minutes: u32,
        /// What.
        play: Play,
        /// How the time is filled.
        fill: Fill,
    },
    /// Plays up to a time of day.
    PadUntil {
        /// The time of day.
        time: TimeOfDay,
        /// Whether it means tomorrow when it has passed today; else nothing is played then.
        #[serde(default)]
        tomorrow: bool,
        /// What.
        play: Play,
        /// How the time is filled.
        fill: Fill,
    },
    /// Plays up to a moment; nothing when it has passed.
    PadUntilExact {
        /// The moment.
        moment: Moment,
        /// What.
        play: Play,
        /// How the time is filled.
        fill: Fill,
    },
    /// Is off the air until a time of day.
    WaitUntil {
        /// The time of day.
        time: TimeOfDay,
        /// Whether it means tomorrow when it has passed today; else there is no wait.
        #[serde(default)]
        tomorrow: bool,
        /// Of a reset: when it has passed today, the channel begins as if it had been there since.
        #[serde(default)]
        rewind_on_reset: bool,
    },
    /// Is off the air until a moment; no wait when it has passed.
    WaitUntilExact {
        /// The moment.
        moment: Moment,
        /// Of a reset: when it has passed, the channel begins as if it had been there since.
        #[serde(default)]
        rewind_on_reset: bool,
    },
    /// Of a reset: the channel begins as if it had been there for so long.
    Rewind {
        /// How long.
        ms: i64,
    },
    /// From here on the guide shows one programme, or again one for each item.
    EpgGroup {
        /// One for all.
        on: bool,
        /// It begins here; else it is the one before that goes on.
        #[serde(default = "yes")]
        advance: bool,
    },
    /// Has no effect: graphics are not drawn.
    GraphicsOn {
        /// Name of the element.
        element: String,
        /// Its variables.
        #[serde(default)]
        variables: BTreeMap<String, String>,
    },
    /// Has no effect: graphics are not drawn.
    GraphicsOff {
        /// Name of the element; `None` for all.
        element: Option<String>,
    },
    /// Shows a watermark from here on, or no longer; with none of them it is the channel's.
    Watermark {
        /// Shows it.
        on: bool,
        /// Its name; `None` for all.
        name: Option<String>,
    },
    /// From here on a sequence is played before each item; `None` to end.
    PreRoll(Option<Arc<str>>),
    /// Has no effect: items are not interrupted. A sequence for their breaks; `None` to end.
    MidRoll(Option<MidRoll>),
    /// From here on a sequence is played behind each item; `None` to end.
    PostRoll(Option<Arc<str>>),
    /// Does what a sequence says.
    Sequence {
        /// Its name.
        key: Arc<str>,
        /// So many times.
        #[serde(default = "once")]
        repeat: u32,
        /// The title that the guide shows for all of it, where its instructions have none of their own.
        #[serde(default)]
        title: Option<Arc<str>>,
    },
    /// Shuffles the instructions of a sequence, for the next time it is played.
    ShuffleSequence(Arc<str>),
    /// Passes over items.
    SkipItems {
        /// How many: a sum as in `Count`.
        count: Sum,
        /// The key of what is drawn from.
        content: Arc<str>,
    },
    /// Goes on with an episode.
    SkipToItem {
        /// The key of what is drawn from.
        content: Arc<str>,
        /// The season.
        season: u32,
        /// The episode.
        episode: u32,
    },
    /// Begins again with the first instruction of the playout; false does nothing.
    Repeat(bool),
}

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Play {
    /// The key of what is drawn from.
    pub content: Arc<str>,
    /// The title that the guide shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Arc<str>>,
    /// What it is for, when it is no programme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filler: Option<FillerKind>,
    /// Shows no watermark.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_watermarks: bool,
}

/// How a time is filled: items as long as they fit; for the one that does not, these are tried in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// So many items are passed over to find one that fits.
    #[serde(default)]
    pub discard_attempts: u32,
    /// Play it and cut it off.
    #[serde(default)]
    pub trim: bool,
    /// The key of what is played instead: one item, again and again, and cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Arc<str>>,
    /// Be off the air for the rest of the time; else what comes next begins earlier.
    #[serde(default)]
    pub offline_tail: bool,
    /// What does not fit is not played; else the last item may last longer than the time.
    #[serde(default = "yes")]
    pub stop_before_end: bool,
}

impl Default for Fill {
    fn default() -> Self {
        Self {
            discard_attempts: 0,
            trim: false,
            fallback: None,
            offline_tail: false,
            stop_before_end: true,
        }
    }
}

/// A sequence for breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MidRoll {
    /// Its name.
    pub sequence: Arc<str>,
    /// Which of an item's breaks are used; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
}

/// What an item is for that is no programme: the guide shows the programme that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillerKind {
    /// Before a programme: the guide shows that programme from here on.
    PreRoll,
    /// In a programme.
    MidRoll,
    /// Behind a programme.
    PostRoll,
    /// Up to what has a fixed start.
    Tail,
    /// In a time that nothing else fits into.
    Fallback,
}

impl FillerKind {
    /// As what it is put on air.
    pub fn role(self) -> Role {
        match self {
            Self::PreRoll => Role::PreRoll,
            Self::MidRoll => Role::MidRoll,
            Self::PostRoll => Role::PostRoll,
            Self::Tail => Role::Tail,
            Self::Fallback => Role::Fallback,
        }
    }
}

fn yes() -> bool {
    true
}

fn once() -> u32 {
    1
}
