//! Where a scheduler is, in the form that is kept with the timeline.
//!
//! Behind each step stands a [`Mark`]: the scheduler's own few numbers and the places that have moved. Every so often a
//! mark holds all places, so the state behind any step is that mark and the few that follow it.

use serde::{Deserialize, Serialize};

use super::block::BlockState;
use super::classic::ClassicState;
use super::order::Cursors;
use super::planned::Group;
use super::sequential::SequentialState;
use super::slots::{RandomSlotsState, TimeSlotsState};

/// The form that this version writes.
const VERSION: u8 = 2;

/// The numbers of one kind of scheduler, in its own form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KindState {
    /// Of a loop, which has none.
    #[default]
    Loop,
    /// Of what plays at exact times, which has none.
    Exact,
    /// Of a classic schedule.
    Classic(ClassicState),
    /// Of a block schedule.
    Block(BlockState),
    /// Of a sequential schedule.
    Sequential(SequentialState),
    /// Of time slots.
    TimeSlots(TimeSlotsState),
    /// Of random slots.
    RandomSlots(RandomSlotsState),
}

/// What is kept behind a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    #[serde(rename = "v")]
    version: u8,
    /// Whether `places` are all places, not only those that have moved.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    full: bool,
    #[serde(rename = "k")]
    kind: KindState,
    #[serde(rename = "p", default, skip_serializing_if = "Cursors::is_empty")]
    places: Cursors,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    group: Option<Group>,
}

impl Mark {
    pub(super) fn new(full: bool, kind: KindState, places: Cursors, group: Option<Group>) -> Self {
        Self {
            version: VERSION,
            full,
            kind,
            places,
            group,
        }
    }

    /// Whether it needs no mark before it.
    pub fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn kind(&self) -> &KindState {
        &self.kind
    }

    /// The stored form.
    pub fn to_json(&self) -> String {
        // Its maps have text for keys: nothing in it can fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Where a scheduler is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(super) kind: KindState,
    pub(super) places: Cursors,
    pub(super) group: Option<Group>,
}

impl State {
    /// The state of a sequential schedule that has not drawn anything.
    pub(super) fn of(kind: SequentialState) -> Self {
        Self {
            kind: KindState::Sequential(kind),
            ..Self::default()
        }
    }

    /// The state behind the last of these stored marks, the oldest first. `None` when the first of them is not a full
    /// one, or one is damaged or of another version: then the program begins anew.
    pub fn restore<T: AsRef<str>>(marks: impl IntoIterator<Item = T>) -> Option<Self> {
        let mut state: Option<Self> = None;
        for json in marks {
            let mark: Mark = serde_json::from_str(json.as_ref())
                .ok()
                .filter(|mark: &Mark| mark.version == VERSION)?;
            let mut places = match (mark.full, state) {
                (true, _) => Cursors::new(),
                (false, before) => before?.places,
            };
            places.extend(mark.places);
            state = Some(Self {
                kind: mark.kind,
                places,
                group: mark.group,
            });
        }
        state
    }

    /// The same behind something else than what led to it: what comes next begins a programme of the guide.
    #[must_use]
    pub fn elsewhere(self) -> Self {
        Self {
            group: None,
            ..self
        }
    }

    /// The state in one stored mark.
    pub fn to_mark(&self) -> Mark {
        Mark::new(
            true,
            self.kind.clone(),
            self.places.clone(),
            self.group.clone(),
        )
    }
}
