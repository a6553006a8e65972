//! What a build has to say to people.

use serde::{Deserialize, Serialize};

use super::item::Playable;
use super::span::Span;
use crate::clock::UtcMs;

/// An item that cannot be put on air, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Key of the item.
    pub id: i64,
    /// Why, for people.
    pub why: String,
}

impl Skipped {
    /// Says why an item cannot be put on air; `None` when it can.
    pub(super) fn of(item: &Playable) -> Option<Self> {
        let why = Span::why_not(item.start, item.end)?;
        let id = item.media_id();
        Some(Self { id, why })
    }
}

/// Something that did not go as the program says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Where on the timeline.
    pub at: UtcMs,
    /// What, for people, with the rule's name first.
    pub text: String,
}

/// The most warnings that a build keeps; the rest are counted.
const MOST: usize = 100;

/// The warnings of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warnings {
    /// The first of them, in the order of the timeline.
    pub list: Vec<Warning>,
    /// How many more there were.
    pub more: u64,
}

impl Warnings {
    /// Keeps a warning; one with the text of one before it is counted only.
    pub(super) fn add(&mut self, at: UtcMs, text: impl Into<String>) {
        let text = text.into();
        if self.list.len() < MOST && self.list.iter().all(|known| known.text != text) {
            self.list.push(Warning { at, text });
        } else {
            self.more += 1;
        }
    }
}
