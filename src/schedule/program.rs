//! What a channel plays.

use serde::{Deserialize, Serialize};

use super::block::Blocks;
use super::classic::Classic;
use super::content::Pick;
use super::loops::Loop;

/// What a channel plays: one kind of scheduler with its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Program {
    /// One collection, again and again.
    Loop(Loop),
    /// A classic schedule.
    Classic(Classic),
    /// A block schedule.
    Block(Blocks),
}

impl Program {
    /// Whether it is written for days, see [`super::begin`].
    pub(super) fn begins_at_midnight(&self) -> bool {
        match self {
            Self::Loop(_) => false,
            Self::Classic(_) | Self::Block(_) => true,
        }
    }

    /// Everything that it draws from, what it plays before what it fills with.
    pub fn picks(&self) -> Vec<Pick> {
        match self {
            Self::Loop(rules) => vec![rules.pick.clone()],
            Self::Classic(rules) => rules.picks(),
            Self::Block(rules) => rules.picks(),
        }
    }
}
