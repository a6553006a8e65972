//! Playlists and marathons: several collections that take turns, each from where it was left.

use super::Cursor;
use crate::schedule::content::{CursorKey, Take};
use crate::schedule::draw::Seed;

/// A collection that takes turns with others.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// What tells it from the others, and stays when they change.
    pub(super) key: u64,
    /// Where its items come from.
    pub(super) of: CursorKey,
    /// How many items it has.
    pub(super) items: u32,
    pub(super) take: Take,
    pub(super) in_guide: bool,
}

impl Lane {
    /// How many items a turn has.
    pub(super) fn turn(&self) -> u32 {
        match self.take {
            Take::All => self.items,
            Take::Count(n) if self.items > 0 => n.max(1),
            Take::Count(_) => 0,
        }
    }
}

/// Collections that take turns.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    shuffled: bool,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) lane: usize,
    pass: u64,
    at: u32,
    left: u32,
}

impl Lanes {
    /// Lanes without an item have no turn.
    pub(super) fn new(mut lanes: Vec<Lane>, shuffled: bool) -> Self {
        lanes.retain(|lane| lane.turn() > 0);
        Self { lanes, shuffled }
    }

    pub(super) fn get(&self, lane: usize) -> Option<&Lane> {
        self.lanes.get(lane)
    }

    pub(super) fn all(&self) -> &[Lane] {
        &self.lanes
    }

    /// Whose turn is behind a cursor.
    pub(super) fn turn(&self, seed: Seed, cursor: Option<&Cursor>) -> Option<Turn> {
        let Some(Cursor::Lanes {
            pass,
            lane,
            at,
            left,
            ..
        }) = cursor
        else {
            return self.first(seed, 0);
        };
        let order = self.order(seed, *pass);
        let found = order
            .iter()
            .position(|n| self.get(*n).is_some_and(|l| l.key == *lane));
        if let (Some(place), 1..) = (found, *left) {
            return Some(Turn {
                lane: *order.get(place)?,
                pass: *pass,
                at: u32::try_from(place).ok()?,
                left: *left,
            });
        }
        // What stood behind a lane that is gone stands in its place now.
        let next = found.map_or(*at as usize, |place| place + 1);
        match order.get(next) {
            Some(lane) => self.fresh(*lane, *pass, next),
            None => self.first(seed, pass.wrapping_add(1)),
        }
    }

    /// The cursor behind an item of a turn.
    pub(super) fn behind(&self, turn: Turn, last: i64) -> Cursor {
        Cursor::Lanes {
            pass: turn.pass,
            lane: self.get(turn.lane).map_or(0, |lane| lane.key),
            at: turn.at,
            left: turn.left.saturating_sub(1),
            last,
        }
    }

    fn first(&self, seed: Seed, pass: u64) -> Option<Turn> {
        let lane = *self.order(seed, pass).first()?;
        self.fresh(lane, pass, 0)
    }

    fn fresh(&self, lane: usize, pass: u64, at: usize) -> Option<Turn> {
        Some(Turn {
            lane,
            pass,
            at: u32::try_from(at).ok()?,
            left: self.get(lane)?.turn(),
        })
    }

    /// Who comes after whom in a pass.
    fn order(&self, seed: Seed, pass: u64) -> Vec<usize> {
        match self.shuffled {
            false => (0..self.lanes.len()).collect(),
            true => {
                let key = |n: usize| self.get(n).map_or(0, |lane| lane.key);
                seed.turns(self.lanes.len(), pass, key)
            }
        }
    }
}
