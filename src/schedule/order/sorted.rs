//! Orders that sort, and the collection's own.

use super::{Cursor, Order, SortKey, Sorted};
use crate::schedule::draw::Seed;
use crate::schedule::{Catalog, Ix};

/// Items in a fixed order.
#[derive(Debug)]
pub(super) struct InOrder {
    /// What they are sorted by; `None` for the collection's own order.
    by: Option<Sorted>,
    items: Vec<Ix>,
    random_start: bool,
    /// The item dealt last and the place behind it, so that going on needs no search.
    hint: Option<(i64, usize)>,
}

impl InOrder {
    pub(super) fn new(
        items: Vec<Ix>,
        by: Option<Sorted>,
        order: &Order,
        catalog: &Catalog,
    ) -> Self {
        let items = match by {
            Some(by) => super::groups::sorted(items, by, catalog),
            None => items,
        };
        Self {
            by,
            items,
            random_start: order.random_start,
            hint: None,
        }
    }

    pub(super) fn items(&self) -> &[Ix] {
        &self.items
    }

    pub(super) fn next(
        &mut self,
        catalog: &Catalog,
        seed: Seed,
        cursor: Option<&Cursor>,
    ) -> Option<(Ix, Cursor)> {
        let (mut round, mut at) = match cursor {
            None if self.random_start => (0, seed.below(self.items.len() as u64) as usize),
            None => (0, 0),
            Some(cursor) => match self.behind(catalog, cursor) {
                Some(at) => (cursor.round(), at),
                // The order is new to this collection: a fresh round.
                None => (cursor.round().wrapping_add(1), 0),
            },
        };
        if at >= self.items.len() {
            (round, at) = (round.wrapping_add(1), 0);
        }
        let ix = *self.items.get(at)?;
        let item = catalog.get(ix)?;
        self.hint = Some((item.id, at + 1));
        let cursor = match self.by {
            Some(by) => Cursor::Sorted {
                by,
                round,
                last: item.id,
                key: SortKey::of(by, item),
            },
            None => Cursor::Custom {
                round,
                last: item.id,
                at: u32::try_from(at).unwrap_or(u32::MAX),
            },
        };
        Some((ix, cursor))
    }

    /// How many items from this one on are parts of one story, by their titles.
    pub(super) fn story_from(&self, ix: Ix, catalog: &Catalog) -> u32 {
        let from = self.items.iter().skip_while(|i| **i != ix);
        let mut numbers = from.map_while(|i| {
            let item = catalog.get(*i)?;
            Some((&item.show, super::parts::number(&item.title)))
        });
        let Some((show, Some(first))) = numbers.next() else {
            return 1;
        };
        let follows = |((s, n), expected): &((&Option<_>, Option<u32>), u32)| {
            *s == show && *n == Some(*expected)
        };
        let more = numbers.zip(first.saturating_add(1)..).take_while(follows);
        u32::try_from(more.count() + 1).unwrap_or(u32::MAX)
    }

    /// The place behind a cursor; `None` for a cursor of another order.
    fn behind(&self, catalog: &Catalog, cursor: &Cursor) -> Option<usize> {
        let hint = self.hint.filter(|(last, _)| *last == cursor.last());
        match (cursor, self.by) {
            (Cursor::Sorted { by, last, key, .. }, Some(ours)) if *by == ours => {
                let before = |ix: &Ix| {
                    let Some(item) = catalog.get(*ix) else {
                        return false;
                    };
                    let order = SortKey::of(ours, item).cmp(key);
                    order.then_with(|| item.id.cmp(last)).is_le()
                };
                Some(hint.map_or_else(|| self.items.partition_point(before), |(_, at)| at))
            }
            (Cursor::Custom { last, at, .. }, None) => {
                if let Some((_, at)) = hint {
                    return Some(at);
                }
                let found = self.items.iter().position(|ix| catalog.id(*ix) == *last);
                // What stood behind an item that is gone stands in its place now.
                Some(found.map_or(*at as usize, |at| at + 1))
            }
            _ => None,
        }
    }
}
