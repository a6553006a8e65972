//! Shuffles: every unit once per round, in an order drawn from nothing but seed, round and unit.

use std::collections::HashMap;

use super::groups::{Units, lane_of, sorted};
use super::{Cursor, Order, Sorted};
use crate::schedule::content::Content;
use crate::schedule::dotnet::DotNetRandom;
use crate::schedule::draw::Seed;
use crate::schedule::{Catalog, Ix};

/// How often an imported shuffle is drawn again for its first item to differ from the last one played.
const MOST_REDRAWS: u32 = 1000;

/// A collection that is shuffled anew for each round.
#[derive(Debug)]
pub(super) struct Rounds {
    units: Units,
    /// For a balanced shuffle: of each unit its lane, its place in it and the lane's length.
    lanes: Option<Vec<Lane>>,
    /// The units of a round in order, with the places that chance gave them.
    round: Option<(u64, Vec<(u64, u32)>)>,
    /// The unit dealt from last, by its key.
    unit_hint: Option<(u64, usize)>,
    /// The items of an imported round, and the seed of the next.
    imported: Option<(i32, Vec<Ix>, i32)>,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    key: u64,
    at: u32,
    of: u32,
}

impl Rounds {
    pub(super) fn shuffle(content: &Content, order: &Order, catalog: &Catalog) -> Self {
        Self::of(Units::for_shuffle(content, order, catalog), None)
    }

    /// Lanes are in order of date.
    pub(super) fn balanced(items: Vec<Ix>, order: &Order, catalog: &Catalog, seed: Seed) -> Self {
        let items = sorted(items, Sorted::Date, catalog);
        let mut lengths: HashMap<u64, u32> = HashMap::new();
        let mut lanes: Vec<_> = items
            .iter()
            .map(|ix| {
                let key = catalog.get(*ix).map_or(0, lane_of);
                let length = lengths.entry(key).or_default();
                *length += 1;
                Lane {
                    key,
                    at: *length - 1,
                    of: 0,
                }
            })
            .collect();
        for lane in &mut lanes {
            lane.of = lengths.get(&lane.key).copied().unwrap_or(1).max(1);
            if order.random_start {
                let turn = seed.of(lane.key).below(u64::from(lane.of));
                let turned = u64::from(lane.at) + u64::from(lane.of) - turn;
                lane.at = u32::try_from(turned % u64::from(lane.of)).unwrap_or_default();
            }
        }
        Self::of(Units::singles(items), Some(lanes))
    }

    fn of(units: Units, lanes: Option<Vec<Lane>>) -> Self {
        Self {
            units,
            lanes,
            round: None,
            unit_hint: None,
            imported: None,
        }
    }

    pub(super) fn items(&self) -> &[Ix] {
        self.units.items()
    }

    /// How many items of the unit that an item belongs to come in a row; 1 for an item on its own.
    pub(super) fn unit_of(&self, ix: Ix) -> u32 {
        let holds = |unit: &usize| self.units.get(*unit).contains(&ix);
        let unit = (0..self.units.len()).find(holds);
        unit.map_or(1, |unit| {
            u32::try_from(self.units.get(unit).len()).unwrap_or(u32::MAX)
        })
    }

    pub(super) fn next(
        &mut self,
        catalog: &Catalog,
        seed: Seed,
        cursor: Option<&Cursor>,
    ) -> Option<(Ix, Cursor)> {
        if self.units.len() == 0 {
            return None;
        }
        let ours = self.lanes.is_some();
        match cursor {
            Some(Cursor::Round {
                balanced,
                round,
                last,
                at,
                unit,
                dealt,
                held,
            }) if *balanced == ours => {
                if let Some(next) = unit.and_then(|u| self.rest_of(u, *last, *dealt, catalog)) {
                    let (unit, nth) = next;
                    return self.deal(catalog, (*round, *at, *held), unit, nth);
                }
                // A unit that was put second is due as soon as another has been played.
                if let Some(unit) = held.and_then(|key| self.find(key, catalog)) {
                    return self.deal(catalog, (*round, *at, None), unit, 0);
                }
                let order = self.order(catalog, seed, *round);
                let behind = order.partition_point(|(place, _)| place <= at);
                match order.get(behind).copied() {
                    Some((at, unit)) => self.deal(catalog, (*round, at, None), unit as usize, 0),
                    None => self.open(catalog, seed, round.wrapping_add(1), Some(*last)),
                }
            }
            Some(Cursor::Imported {
                seed: theirs,
                dealt,
                of,
                last,
            }) if !ours && *of as usize == self.items().len() => {
                self.next_imported(catalog, *theirs, *dealt, *last)
            }
            // The order is new to this collection: a fresh round.
            Some(other) => {
                let round = other.round().wrapping_add(1);
                self.open(catalog, seed, round, Some(other.last()))
            }
            None => self.open(catalog, seed, 0, None),
        }
    }

    /// The first item of a round; not the unit of the item played last, where there is another.
    fn open(
        &mut self,
        catalog: &Catalog,
        seed: Seed,
        round: u64,
        last: Option<i64>,
    ) -> Option<(Ix, Cursor)> {
        let order = self.order(catalog, seed, round);
        let (&(at, first), second) = (order.first()?, order.get(1).copied());
        let repeats = |ix: &Ix| Some(catalog.id(*ix)) == last;
        match second {
            Some((at, second)) if self.units.get(first as usize).iter().any(repeats) => {
                let held = self.units.key(first as usize, catalog);
                self.deal(catalog, (round, at, Some(held)), second as usize, 0)
            }
            _ => self.deal(catalog, (round, at, None), first as usize, 0),
        }
    }

    fn deal(
        &mut self,
        catalog: &Catalog,
        (round, at, held): (u64, u64, Option<u64>),
        unit: usize,
        nth: usize,
    ) -> Option<(Ix, Cursor)> {
        let items = self.units.get(unit);
        let ix = *items.get(nth)?;
        let key = self.units.key(unit, catalog);
        let single = items.len() == 1;
        self.unit_hint = Some((key, unit));
        let cursor = Cursor::Round {
            balanced: self.lanes.is_some(),
            round,
            last: catalog.id(ix),
            at,
            unit: (!single).then_some(key),
            dealt: match single {
                true => 0,
                false => u32::try_from(nth + 1).unwrap_or(u32::MAX),
            },
            held,
        };
        Some((ix, cursor))
    }

    /// The unit that is under way and the place in it behind `last`; `None` when it is over or gone.
    fn rest_of(
        &self,
        key: u64,
        last: i64,
        dealt: u32,
        catalog: &Catalog,
    ) -> Option<(usize, usize)> {
        let unit = self.find(key, catalog)?;
        let items = self.units.get(unit);
        let found = items.iter().position(|ix| catalog.id(*ix) == last);
        // What stood behind an item that is gone stands in its place now.
        let next = found.map_or((dealt as usize).saturating_sub(1), |at| at + 1);
        (next < items.len()).then_some((unit, next))
    }

    fn find(&self, key: u64, catalog: &Catalog) -> Option<usize> {
        match self.unit_hint {
            Some((hinted, unit)) if hinted == key => Some(unit),
            _ => self.units.find(key, catalog),
        }
    }

    fn order(&mut self, catalog: &Catalog, seed: Seed, round: u64) -> &[(u64, u32)] {
        if self.round.as_ref().is_none_or(|(known, _)| *known != round) {
            let draw = seed.of(round);
            let mut order: Vec<_> = (0..u32::try_from(self.units.len()).unwrap_or(u32::MAX))
                .map(|unit| {
                    let chance = draw.of(self.units.key(unit as usize, catalog)).bits();
                    let lane = self.lanes.as_ref().and_then(|l| l.get(unit as usize));
                    (lane.map_or(chance, |lane| lane.place(draw, chance)), unit)
                })
                .collect();
            order.sort_unstable();
            self.round = Some((round, order));
        }
        self.round
            .as_ref()
            .map_or(&[], |(_, order)| order.as_slice())
    }

    /// The next item as the program had dealt it that began the shuffle: a round ends, its generator's next number is
    /// the seed of the next round, again and again while that would begin with the item played last.
    fn next_imported(
        &mut self,
        catalog: &Catalog,
        mut seed: i32,
        mut dealt: u32,
        last: i64,
    ) -> Option<(Ix, Cursor)> {
        let of = u32::try_from(self.items().len()).ok()?;
        if dealt >= of {
            dealt = 0;
            for _ in 0..MOST_REDRAWS {
                seed = self.imported_round(seed).1;
                let first = self.imported_round(seed).0.first();
                if of == 1 || first.is_none_or(|ix| catalog.id(*ix) != last) {
                    break;
                }
            }
        }
        let ix = *self.imported_round(seed).0.get(dealt as usize)?;
        let cursor = Cursor::Imported {
            seed,
            dealt: dealt + 1,
            of,
            last: catalog.id(ix),
        };
        Some((ix, cursor))
    }

    fn imported_round(&mut self, seed: i32) -> (&[Ix], i32) {
        if self
            .imported
            .as_ref()
            .is_none_or(|(known, ..)| *known != seed)
        {
            let mut random = DotNetRandom::new(seed);
            let mut units: Vec<usize> = (0..self.units.len()).collect();
            random.shuffle(&mut units);
            let items = units.iter().flat_map(|unit| self.units.get(*unit));
            self.imported = Some((seed, items.copied().collect(), random.next_number()));
        }
        self.imported
            .as_ref()
            .map_or((&[], 0), |(_, items, next)| (items.as_slice(), *next))
    }
}

impl Lane {
    /// Where in the round the item stands: its lane's items are spread over the whole of it at equal distances, which
    /// chance moves by up to a tenth, and each lane begins anywhere in the first of these distances.
    fn place(self, draw: Seed, chance: u64) -> u64 {
        /// The distance between two items of a lane, in steps.
        const STEPS: u64 = 1000;
        let phase = draw.of(self.key).below(STEPS * 8 / 10) + STEPS / 10;
        let jitter = Seed(chance).below(STEPS / 5);
        let place = u64::from(self.at) * STEPS + phase + jitter - STEPS / 10;
        // 40 bits of place, and chance below so that no two places are equal.
        let wide = (u128::from(place) << 40) / (u128::from(self.of) * u128::from(STEPS));
        (u64::try_from(wide).unwrap_or(u64::MAX) << 24) | (chance >> 40)
    }
}
