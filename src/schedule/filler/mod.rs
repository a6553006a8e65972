//! What is put around programmes and into the time that they leave.

mod fill;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::content::Pick;

pub(super) use fill::{Content, Part, around, cover, draw, draw_all, put_on_air, tail};

/// A filler: what, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filler {
    /// Its name, for people.
    pub name: Arc<str>,
    /// What it draws from.
    pub pick: Pick,
    /// How much; of no meaning for tails and fallbacks, which take what fits.
    #[serde(default)]
    pub amount: Amount,
    /// Hide the channel's watermarks while it is on.
    #[serde(default)]
    pub hide_watermarks: bool,
}

impl Filler {
    /// What it draws from.
    pub fn picks(&self) -> impl Iterator<Item = &Pick> {
        std::iter::once(&self.pick)
    }
}

/// How much filler there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// So many items.
    Count(u32),
    /// Any number of items up to this one.
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
        match self {
            Self::PadMinutes(minutes) => Some((minutes, false)),
            Self::PadMinutesUnlessFull(minutes) => Some((minutes, true)),
            _ => None,
        }
    }
}

/// The fillers of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fillers {
    /// Before each programme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_roll: Option<Filler>,
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
        [&self.pre_roll, &self.post_roll, &self.tail, &self.fallback]
            .into_iter()
            .flatten()
            .map(|filler| &filler.pick)
    }
}
