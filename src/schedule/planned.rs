//! What a scheduler puts on a timeline.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::order::PlayOrder;
use super::state::Mark;
use crate::clock::UtcMs;
use crate::media::Ticks90k;

/// What an entry plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plays {
    /// An item from `from` to `to`, in item time.
    Item {
        /// Which.
        id: i64,
        /// In.
        from: Ticks90k,
        /// Out.
        to: Ticks90k,
    },
    /// Nothing.
    Gap,
}

/// What an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// What viewers tune in for; also each part of a programme with breaks.
    Programme,
    /// A programme that the guide does not show, by the will of the schedule.
    Hidden,
    /// Filler before a programme.
    PreRoll,
    /// Filler in a break.
    MidRoll,
    /// Filler behind a programme.
    PostRoll,
    /// Filler up to what has a fixed start.
    Tail,
    /// What covers the rest that nothing else fits into.
    Fallback,
    /// Nothing, and so it is planned: the channel is off the air.
    Gap,
    /// Nothing, because there is nothing to play: replaced as soon as there is.
    Empty,
}

/// Where the guide shows an entry: at any moment it shows one programme, and every entry belongs to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The second in which its first entry starts, since 1970 UTC, rounded: tells the programmes of a channel apart.
    pub id: i64,
    /// The item whose titles the guide shows; `None` for the words of a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows: Option<i64>,
    /// The title that the guide shows in their place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Arc<str>>,
}

/// How an entry looks, besides its pictures. Shared by the entries of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dress {
    /// Names of the watermarks to show; `None` leaves it to the channel, an empty list shows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermarks: Option<Vec<String>>,
}

/// Why an entry is where it is: enough to explain it to a person and to make it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The rule, in the words of its program: "3 flood", "block Evening 2".
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub rule: Arc<str>,
    /// In which order the item was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<PlayOrder>,
    /// In which round (pass, draw) of its collection.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub round: u64,
    /// The seed, where it is not the channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The filler that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filler: Option<Arc<str>>,
}

impl Role {
    /// For people.
    pub fn told(self) -> &'static str {
        match self {
            Self::Programme => "a programme",
            Self::Hidden => "a programme that the guide does not show",
            Self::PreRoll => "filler before a programme",
            Self::MidRoll => "filler in a break",
            Self::PostRoll => "filler behind a programme",
            Self::Tail => "filler up to what has a fixed start",
            Self::Fallback => "what covers the rest of a time",
            Self::Gap => "off air, as the schedule says",
            Self::Empty => "off air, for there was nothing to play",
        }
    }
}

impl Why {
    /// For people: "a programme of rule 3 flood, drawn by shuffle, round 2".
    pub fn told(&self, role: Role) -> String {
        let mut text = role.told().to_owned();
        if !self.rule.is_empty() {
            text.push_str(&format!(" of rule {}", self.rule));
        }
        if let Some(filler) = &self.filler {
            text.push_str(&format!(", for the filler {filler}"));
        }
        if let Some(order) = self.order {
            let word = serde_json::to_value(order).unwrap_or_default();
            let (word, round) = (
                word.as_str().unwrap_or_default(),
                self.round.saturating_add(1),
            );
            text.push_str(&format!(", drawn by {word}, round {round}"));
        }
        text
    }

    /// The stored form.
    pub fn to_json(&self) -> String {
        // Nothing in it can fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// An entry to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// On air from.
    pub start: UtcMs,
    /// On air until, not including. For items it is `start` + round_ms(`to` − `from`).
    pub stop: UtcMs,
    /// What.
    pub plays: Plays,
    /// What for.
    pub role: Role,
    /// Where the guide shows it. Entries of one group follow each other.
    pub group: Arc<Group>,
    /// How it looks.
    pub dress: Option<Arc<Dress>>,
    /// Why.
    pub why: Arc<Why>,
    /// The scheduler's place behind it: at the end of each of its steps, which are left whole.
    pub mark: Option<Mark>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}
