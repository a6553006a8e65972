//! A place in an order.

use serde::{Deserialize, Serialize};

use super::{SortKey, Sorted};
use crate::clock::UtcMs;

/// A place in an order: behind the item dealt last. A few numbers, whatever the size of the collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "o", rename_all = "kebab-case")]
pub enum Cursor {
    /// In an order that sorts.
    Sorted {
        /// Which.
        by: Sorted,
        /// How often the collection has been played through.
        #[serde(rename = "r", default, skip_serializing_if = "zero")]
        round: u64,
        /// The item dealt last.
        #[serde(rename = "l")]
        last: i64,
        /// Its sort key, which outlives it.
        #[serde(rename = "k")]
        key: SortKey,
    },
    /// In the collection's own order.
    Custom {
        /// Rounds played.
        #[serde(rename = "r", default, skip_serializing_if = "zero")]
        round: u64,
        /// The item dealt last.
        #[serde(rename = "l")]
        last: i64,
        /// Its place in the collection.
        at: u32,
    },
    /// In a shuffle.
    Round {
        /// Whether the shuffle is a balanced one.
        #[serde(rename = "b", default, skip_serializing_if = "is_false")]
        balanced: bool,
        /// Rounds played.
        #[serde(rename = "r", default, skip_serializing_if = "zero")]
        round: u64,
        /// The item dealt last.
        #[serde(rename = "l")]
        last: i64,
        /// The place in the round that chance gave the unit that marks the cursor.
        at: u64,
        /// The unit that `last` belongs to, where that is more than `last` alone.
        #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
        unit: Option<u64>,
        /// How many items of that unit were dealt.
        #[serde(rename = "n", default, skip_serializing_if = "none")]
        dealt: u32,
        /// The unit that should have opened the round and was put second because it closed the one before.
        #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
        held: Option<u64>,
    },
    /// In a shuffle that another program began, see [`super::super::dotnet`]. It goes on as there for as long as
    /// the number of items is what it was, and then as a shuffle of ours.
    Imported {
        /// The seed of the present round.
        #[serde(rename = "s")]
        seed: i32,
        /// How many items of the round were dealt.
        #[serde(rename = "n")]
        dealt: u32,
        /// How many items the round has.
        of: u32,
        /// The item dealt last.
        #[serde(rename = "l")]
        last: i64,
    },
    /// In draws by chance.
    Random {
        /// How many there were.
        #[serde(rename = "n")]
        draws: u64,
        /// The item dealt last.
        #[serde(rename = "l")]
        last: i64,
    },
    /// In a random rotation.
    Rotation {
        /// How many draws there were.
        #[serde(rename = "n")]
        draws: u64,
        /// The item dealt last.
        #[serde(rename = "l")]
        last: i64,
        /// The group that it was drawn from.
        #[serde(rename = "g")]
        group: u64,
    },
    /// In a playlist or a marathon, whose parts have cursors of their own.
    Lanes {
        /// How often it has been played through.
        #[serde(rename = "r", default, skip_serializing_if = "zero")]
        pass: u64,
        /// The part whose turn it is.
        #[serde(rename = "u")]
        lane: u64,
        /// Its place in the pass.
        at: u32,
        /// How many items of its turn are left.
        #[serde(rename = "n", default, skip_serializing_if = "none")]
        left: u32,
        /// The item dealt last.
        #[serde(rename = "l")]
        last: i64,
    },
    /// When a list of fillers was last drawn from: no place, but kept as one.
    Drawn {
        /// When what was drawn was to begin.
        at: UtcMs,
    },
}

impl Cursor {
    /// The item dealt last.
    pub fn last(&self) -> i64 {
        match self {
            Self::Sorted { last, .. }
            | Self::Custom { last, .. }
            | Self::Round { last, .. }
            | Self::Imported { last, .. }
            | Self::Random { last, .. }
            | Self::Rotation { last, .. }
            | Self::Lanes { last, .. } => *last,
            Self::Drawn { .. } => 0,
        }
    }

    /// Which round is under way, or how many draws there were: for people, and to begin another order with a fresh
    /// round.
    pub fn round(&self) -> u64 {
        match self {
            Self::Sorted { round, .. } | Self::Custom { round, .. } | Self::Round { round, .. } => {
                *round
            }
            Self::Imported { .. } | Self::Drawn { .. } => 0,
            Self::Random { draws, .. } | Self::Rotation { draws, .. } => *draws,
            Self::Lanes { pass, .. } => *pass,
        }
    }
}

fn zero(n: &u64) -> bool {
    *n == 0
}

fn none(n: &u32) -> bool {
    *n == 0
}

fn is_false(b: &bool) -> bool {
    !*b
}
