//! Orders that draw each item anew.

use std::collections::BTreeMap;

use super::Cursor;
use super::groups::rotation_group_of;
use crate::schedule::draw::Seed;
use crate::schedule::{Catalog, Ix};

/// Any item at any time.
#[derive(Debug)]
pub(super) struct AnyItem(pub(super) Vec<Ix>);

impl AnyItem {
    pub(super) fn next(
        &self,
        catalog: &Catalog,
        seed: Seed,
        cursor: Option<&Cursor>,
    ) -> Option<(Ix, Cursor)> {
        let draws = match cursor {
            Some(Cursor::Random { draws, .. }) => *draws,
            _ => 0,
        };
        let at = seed.of(draws).below(self.0.len() as u64);
        let ix = *self.0.get(usize::try_from(at).ok()?)?;
        let cursor = Cursor::Random {
            draws: draws.wrapping_add(1),
            last: catalog.id(ix),
        };
        Some((ix, cursor))
    }
}

/// Any group but the last, and of it any item.
#[derive(Debug)]
pub(super) struct Rotation {
    items: Vec<Ix>,
    groups: Vec<(u64, Vec<Ix>)>,
}

impl Rotation {
    pub(super) fn new(items: Vec<Ix>, catalog: &Catalog) -> Self {
        let mut groups: BTreeMap<u64, Vec<Ix>> = BTreeMap::new();
        for ix in &items {
            if let Some(item) = catalog.get(*ix) {
                groups.entry(rotation_group_of(item)).or_default().push(*ix);
            }
        }
        Self {
            items,
            groups: groups.into_iter().collect(),
        }
    }

    pub(super) fn items(&self) -> &[Ix] {
        &self.items
    }

    pub(super) fn next(
        &self,
        catalog: &Catalog,
        seed: Seed,
        cursor: Option<&Cursor>,
    ) -> Option<(Ix, Cursor)> {
        let (draws, before) = match cursor {
            Some(Cursor::Rotation { draws, group, .. }) => (*draws, Some(*group)),
            _ => (0, None),
        };
        let draw = seed.of(draws);
        let others = || {
            let other = |(key, _): &&(u64, Vec<Ix>)| Some(*key) != before;
            self.groups.iter().filter(other)
        };
        // Each of the other groups is as likely as any; with one group there is no other.
        let chosen = others().nth(draw.of(0).below(others().count() as u64) as usize);
        let (key, items) = chosen.or_else(|| self.groups.first())?;
        let ix = *items.get(draw.of(1).below(items.len() as u64) as usize)?;
        let cursor = Cursor::Rotation {
            draws: draws.wrapping_add(1),
            last: catalog.id(ix),
            group: *key,
        };
        Some((ix, cursor))
    }
}
