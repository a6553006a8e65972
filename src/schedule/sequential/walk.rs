//! From a place to its instruction, through the sequences that it lies in.

use std::sync::Arc;

use super::state::{Frame, Place, Settings};
use super::{Instruction, Sequence, Sequential};
use crate::schedule::draw::{Seed, stable_hash};

/// The deepest nesting of sequences that is followed.
pub(super) const DEEPEST: usize = 32;

/// A list of instructions.
#[derive(Clone, Copy, Debug)]
pub(super) enum List<'r> {
    Reset(&'r [Instruction]),
    Playout(&'r [Instruction]),
    Sequence(&'r Sequence),
}

impl<'r> List<'r> {
    fn instructions(self) -> &'r [Instruction] {
        match self {
            Self::Reset(list) | Self::Playout(list) => list,
            Self::Sequence(sequence) => &sequence.items,
        }
    }
}

/// An instruction that is next.
#[derive(Clone, Debug)]
pub(super) struct Found<'r> {
    pub(super) instruction: &'r Instruction,
    /// The title that a sequence gives it.
    pub(super) title: Option<Arc<str>>,
    list: List<'r>,
    /// Its place in the list as that is written.
    number: usize,
}

impl Found<'_> {
    /// Which instruction it is, for people.
    pub(super) fn rule(&self) -> Arc<str> {
        let list = match self.list {
            List::Reset(_) => "reset",
            List::Playout(_) => "playout",
            List::Sequence(sequence) => &*sequence.key,
        };
        format!("{list} {} ({})", self.number + 1, self.instruction.name()).into()
    }
}

impl Sequential {
    pub(super) fn sequence(&self, key: &str) -> Option<&Sequence> {
        self.sequences.iter().find(|s| *s.key == *key)
    }

    /// The instruction at a place. `None` behind the last one. A place of other rules is moved to the nearest that exists.
    pub(super) fn find<'r>(
        &'r self,
        root: List<'r>,
        place: &mut Place,
        seed: Seed,
    ) -> Option<Found<'r>> {
        if place.path.is_empty() {
            place.path.push(Frame::default());
        }
        place.path.truncate(DEEPEST);
        let mut list = root;
        let mut title = None;
        let mut depth = 0;
        loop {
            let deepest = depth + 1 == place.path.len();
            let frame = place.path.get_mut(depth)?;
            let instructions = list.instructions();
            if frame.at as usize >= instructions.len() {
                // A list is over, or was cut off since: once more through it, or on behind where it was called.
                place.path.truncate(depth + 1);
                place.arrive();
                let frame = place.path.last_mut()?;
                if frame.again > 0 && !instructions.is_empty() {
                    frame.again -= 1;
                    frame.at = 0;
                } else if depth == 0 {
                    return None;
                } else {
                    place.path.pop();
                    place.next();
                    (list, title, depth) = (root, None, 0);
                }
                continue;
            }
            let number = match list {
                List::Sequence(sequence) if frame.shuffles > 0 => {
                    sequence.turn(frame.at as usize, frame.shuffles, seed)
                }
                _ => frame.at as usize,
            };
            let instruction = instructions.get(number)?;
            let below = match instruction {
                Instruction::Sequence { key, .. } => self.sequence(key),
                _ => None,
            };
            match (instruction, below) {
                (Instruction::Sequence { title: own, .. }, Some(below)) if !deepest => {
                    title = own.clone().or(title);
                    (list, depth) = (List::Sequence(below), depth + 1);
                }
                _ => {
                    if !deepest {
                        place.path.truncate(depth + 1);
                        place.arrive();
                    }
                    return Some(Found {
                        instruction,
                        title,
                        list,
                        number,
                    });
                }
            }
        }
    }
}

impl Sequence {
    /// Which instruction is at a place of the shuffled sequence.
    fn turn(&self, at: usize, shuffles: u32, seed: Seed) -> usize {
        let seed = seed.of(stable_hash(self.key.as_bytes()));
        let turns = seed.turns(self.items.len(), u64::from(shuffles), |n| n as u64);
        turns.get(at).copied().unwrap_or(at)
    }

    /// Where it begins, gone through so many times.
    pub(super) fn begin(&self, times: u32, settings: &Settings) -> Frame {
        Frame {
            at: 0,
            again: times.saturating_sub(1),
            shuffles: settings.shuffles.get(&self.key).copied().unwrap_or(0),
        }
    }
}

impl Instruction {
    /// Its name, as it is written.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::All(_) => "all",
            Self::Count { .. } => "count",
            Self::Duration { .. } => "duration",
            Self::PadToNext { .. } => "pad_to_next",
            Self::PadUntil { .. } => "pad_until",
            Self::PadUntilExact { .. } => "pad_until_exact",
            Self::WaitUntil { .. } => "wait_until",
            Self::WaitUntilExact { .. } => "wait_until_exact",
            Self::Rewind { .. } => "rewind",
            Self::EpgGroup { .. } => "epg_group",
            Self::GraphicsOn { .. } => "graphics_on",
            Self::GraphicsOff { .. } => "graphics_off",
            Self::Watermark { .. } => "watermark",
            Self::PreRoll(_) => "pre_roll",
            Self::MidRoll(_) => "mid_roll",
            Self::PostRoll(_) => "post_roll",
            Self::Sequence { .. } => "sequence",
            Self::ShuffleSequence(_) => "shuffle_sequence",
            Self::SkipItems { .. } => "skip_items",
            Self::SkipToItem { .. } => "skip_to_item",
            Self::Repeat(_) => "repeat",
        }
    }
}
