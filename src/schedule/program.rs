//! What a channel plays.

use serde::{Deserialize, Serialize};

use super::block::Blocks;
use super::classic::Classic;
use super::content::Pick;
use super::exact::Exact;
use super::filler::Fillers;
use super::loops::Loop;
use super::sequential::{Sequential, SequentialState};
use super::slots::{RandomSlots, TimeSlots};
use super::state::State;
use super::wall::{TimeOfDay, Wall};
use crate::clock::UtcMs;

/// What a channel plays: one kind of scheduler with its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// One collection, again and again.
    Loop(Loop),
    /// Programmes at exact times, as another program has planned them.
    Exact(Exact),
    /// A classic schedule.
    Classic(Classic),
    /// A block schedule.
    Block(Blocks),
    /// A sequential schedule.
    Sequential(Sequential),
    /// Slots that begin at times of day.
    TimeSlots(TimeSlots),
    /// Slots that follow each other by draw or in order.
    RandomSlots(RandomSlots),
}

/// What a program asks for besides items, for it costs more than they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What the channel has aired.
    pub history: bool,
    /// Where the items may be interrupted.
    pub breaks: bool,
}

impl Program {
    /// What a build of it needs besides items. Reruns need the history whatever draws from them.
    pub fn needs(&self) -> Needs {
        Needs {
            breaks: match self {
                Self::Block(rules) => rules.want_breaks(),
                _ => self.fillers().into_iter().any(Fillers::want_breaks),
            },
            ..Needs::default()
        }
    }

    /// That of which it plays single chapters: they have to be in the catalogue, see
    /// [`Playable::chapters`](super::Playable::chapters).
    pub fn in_chapters(&self) -> Vec<Pick> {
        let fillers = self.fillers().into_iter();
        let mut picks: Vec<Pick> = fillers.flat_map(Fillers::in_chapters).cloned().collect();
        if let Self::Block(rules) = self {
            picks.extend(rules.in_chapters().cloned());
        }
        picks
    }

    /// What it fills with around programmes and behind them. Blocks and sequential schedules have other ways.
    fn fillers(&self) -> Vec<&Fillers> {
        match self {
            Self::Classic(rules) => rules.fillers().collect(),
            Self::TimeSlots(rules) => rules.fillers().collect(),
            Self::RandomSlots(rules) => rules.fillers().collect(),
            Self::Loop(_) | Self::Exact(_) | Self::Block(_) | Self::Sequential(_) => Vec::new(),
        }
    }

    /// The word for what it is, as in files: `loop`, `classic`.
    pub fn kind(&self) -> String {
        // It is the one key of what is stored.
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(kinds)) => kinds.keys().next().cloned(),
            _ => None,
        }
        .unwrap_or_default()
    }

    /// When it begins so that `from` lies within, and in which state, see [`super::begin`].
    pub(super) fn begins(&self, from: UtcMs, wall: &Wall) -> (UtcMs, Option<State>) {
        let midnight = wall.at(wall.date(from), TimeOfDay::MIDNIGHT);
        match self {
            Self::Loop(_) | Self::Exact(_) | Self::RandomSlots(_) => (from, None),
            Self::Classic(_) | Self::Block(_) | Self::TimeSlots(_) => (midnight, None),
            Self::Sequential(rules) => match rules.rewound(from, wall) {
                Some(at) => (at, Some(State::of(SequentialState::rewound()))),
                None => (from, None),
            },
        }
    }

    /// Everything that it draws from, what it plays before what it fills with.
    pub fn picks(&self) -> Vec<Pick> {
        match self {
            Self::Loop(rules) => vec![rules.pick.clone()],
            Self::Exact(rules) => rules.within.clone(),
            Self::Classic(rules) => rules.picks(),
            Self::Block(rules) => rules.picks(),
            Self::Sequential(rules) => rules.picks(),
            Self::TimeSlots(rules) => rules.picks(),
            Self::RandomSlots(rules) => rules.picks(),
        }
    }
}
