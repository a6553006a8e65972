//! Where a sequential schedule is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::UtcMs;

/// Where a sequential schedule is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SequentialState {
    /// Whether the reset is over.
    #[serde(rename = "b", skip_serializing_if = "is_default")]
    pub(super) begun: bool,
    /// Whether the time that the reset asks for is the one it began at: then its waits are over.
    #[serde(rename = "r", skip_serializing_if = "is_default")]
    pub(super) rewound: bool,
    /// When the playout began its present round.
    #[serde(rename = "s", skip_serializing_if = "is_default")]
    pub(super) since: Option<UtcMs>,
    #[serde(rename = "p", skip_serializing_if = "is_default")]
    pub(super) place: Place,
    #[serde(rename = "o", skip_serializing_if = "is_default")]
    pub(super) settings: Settings,
}

impl SequentialState {
    /// Where it is that begins earlier because its reset says so.
    pub(in crate::schedule) fn rewound() -> Self {
        Self {
            rewound: true,
            ..Self::default()
        }
    }
}

/// A place in a list of instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    /// From the list to the present instruction, through the sequences that it lies in. Empty for the first.
    #[serde(rename = "a", skip_serializing_if = "is_default")]
    pub(super) path: Vec<Frame>,
    /// How many items the instruction still has to play.
    #[serde(rename = "n", skip_serializing_if = "is_default")]
    pub(super) left: Option<u32>,
    /// When its time is over.
    #[serde(rename = "u", skip_serializing_if = "is_default")]
    pub(super) until: Option<UtcMs>,
    /// How many items it has passed over.
    #[serde(rename = "d", skip_serializing_if = "is_default")]
    pub(super) discarded: u32,
}

/// A place in one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) at: u32,
    /// How often the list is gone through again.
    pub(super) again: u32,
    /// How often it had been shuffled when this began.
    pub(super) shuffles: u32,
}

impl Serialize for Frame {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.at, self.again, self.shuffles).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (at, again, shuffles) = Deserialize::deserialize(from)?;
        Ok(Self {
            at,
            again,
            shuffles,
        })
    }
}

/// What instructions have switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    #[serde(rename = "g", skip_serializing_if = "is_default")]
    pub(super) group: Lock,
    #[serde(rename = "b", skip_serializing_if = "is_default")]
    pub(super) pre_roll: Option<Arc<str>>,
    #[serde(rename = "e", skip_serializing_if = "is_default")]
    pub(super) post_roll: Option<Arc<str>>,
    #[serde(rename = "w", skip_serializing_if = "is_default")]
    pub(super) watermarks: Vec<String>,
    /// How often sequences were shuffled.
    #[serde(rename = "s", skip_serializing_if = "is_default")]
    pub(super) shuffles: BTreeMap<Arc<str>, u32>,
}

/// Whether the guide shows one programme for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Lock {
    /// No: one for each item.
    #[default]
    Off,
    /// Yes, and it has yet to begin.
    Fresh,
    /// Yes: the one under way.
    On,
}

impl Place {
    /// Goes on to the next instruction of the list that the present one is in.
    pub(super) fn next(&mut self) {
        match self.path.last_mut() {
            Some(frame) => frame.at = frame.at.saturating_add(1),
            None => self.path.push(Frame {
                at: 1,
                ..Frame::default()
            }),
        }
        self.arrive();
    }

    /// Nothing has been done yet of the instruction.
    pub(super) fn arrive(&mut self) {
        (self.left, self.until, self.discarded) = (None, None, 0);
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
