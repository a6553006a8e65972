//! What belongs together: units of a shuffle, shows, artists, albums.

use std::collections::BTreeMap;

use super::key::natural;
use super::parts;
use super::{MarathonBy, Order, Parts, PlayOrder, Sorted};
use crate::schedule::content::{Content, Member};
use crate::schedule::draw::stable_hash;
use crate::schedule::{Catalog, Ix, Playable};

/// Items in units that a shuffle leaves whole. Most have one item, which costs four bytes.
#[derive(Debug, Default)]
pub(in crate::schedule) struct Units {
    items: Vec<Ix>,
    /// Where each unit ends in `items`, with its key; empty when each unit is one item, whose key is the item's.
    ends: Vec<(u32, u64)>,
}

impl Units {
    pub(super) fn singles(items: Vec<Ix>) -> Self {
        Self {
            items,
            ends: Vec::new(),
        }
    }

    fn of(units: Vec<(Option<u64>, Vec<Ix>)>, catalog: &Catalog) -> Self {
        if units.iter().all(|(_, items)| items.len() == 1) {
            return Self::singles(units.into_iter().flat_map(|(_, items)| items).collect());
        }
        let mut all = Self::default();
        for (key, items) in units {
            let Some(first) = items.first() else { continue };
            let key = key.unwrap_or(catalog.id(*first).cast_unsigned());
            all.items.extend(items);
            all.ends
                .push((u32::try_from(all.items.len()).unwrap_or(u32::MAX), key));
        }
        all
    }

    /// The units of a content for a shuffle.
    pub(super) fn for_shuffle(content: &Content, order: &Order, catalog: &Catalog) -> Self {
        let mut units = Vec::new();
        for part in members(content) {
            let items = usable(&part.items, order, catalog);
            match part.together {
                Some(by) => units.push((Some(part.key), sorted(items, by, catalog))),
                None => units.extend(stories(items, order, catalog).map(|items| (None, items))),
            }
        }
        Self::of(units, catalog)
    }

    /// How many units there are.
    pub(super) fn len(&self) -> usize {
        match self.ends.is_empty() {
            true => self.items.len(),
            false => self.ends.len(),
        }
    }

    /// All items.
    pub(super) fn items(&self) -> &[Ix] {
        &self.items
    }

    /// The items of a unit, in order; empty beyond the last.
    pub(super) fn get(&self, unit: usize) -> &[Ix] {
        let place = |n: usize| self.ends.get(n).map_or(0, |(end, _)| *end as usize);
        let (from, to) = match (self.ends.is_empty(), unit) {
            (true, n) => (n, n + 1),
            (false, 0) => (0, place(0)),
            (false, n) => (place(n - 1), place(n)),
        };
        self.items.get(from..to).unwrap_or_default()
    }

    /// What tells a unit from the others: for a single item its key.
    pub(super) fn key(&self, unit: usize, catalog: &Catalog) -> u64 {
        match self.ends.get(unit) {
            Some((_, key)) => *key,
            None => self
                .items
                .get(unit)
                .map_or(0, |ix| catalog.id(*ix).cast_unsigned()),
        }
    }

    /// The unit with a key.
    pub(super) fn find(&self, key: u64, catalog: &Catalog) -> Option<usize> {
        (0..self.len()).find(|unit| self.key(*unit, catalog) == key)
    }
}

/// The parts of a content: a collection that is not a multi-collection is its own only part.
pub(super) fn members(content: &Content) -> Vec<Member> {
    match content {
        Content::Items(items) => vec![Member {
            key: 0,
            items: items.clone(),
            together: None,
        }],
        Content::Multi(members) => members.clone(),
        Content::Rerun { of, .. } => members(of),
        Content::Playlist(_) => Vec::new(),
    }
}

/// What of these can be put on air in this order.
pub(super) fn usable(items: &[Ix], order: &Order, catalog: &Catalog) -> Vec<Ix> {
    let fits = |ix: &&Ix| {
        let playable = catalog.playable(**ix);
        playable.is_some_and(|(item, _)| !(order.no_specials && item.season == Some(0)))
    };
    items.iter().filter(fits).copied().collect()
}

pub(super) fn sorted(mut items: Vec<Ix>, by: Sorted, catalog: &Catalog) -> Vec<Ix> {
    items.sort_by_cached_key(|ix| catalog.rank(by, *ix));
    items
}

/// Items in the units that tell one story each.
fn stories(items: Vec<Ix>, order: &Order, catalog: &Catalog) -> impl Iterator<Item = Vec<Ix>> {
    let by_count = order.by == PlayOrder::MultiEpisodeShuffle && order.story_episodes > 1;
    let units = match (by_count, order.parts) {
        (true, _) => {
            let items = sorted(items, Sorted::Episode, catalog);
            parts::join(items, catalog, |item| {
                let season = stable_hash(season_of(item)?.as_bytes());
                Some((
                    season,
                    (item.episode?.checked_sub(1)?) % order.story_episodes + 1,
                ))
            })
        }
        (false, Parts::Apart) => items.into_iter().map(|ix| vec![ix]).collect(),
        (false, Parts::PerShow) => {
            let items = sorted(items, Sorted::Episode, catalog);
            parts::join(items, catalog, |item| {
                let show = stable_hash(natural(item.show.as_deref()?).as_bytes());
                Some((show, parts::number(&item.title)?))
            })
        }
        (false, Parts::Together) => {
            let items = sorted(items, Sorted::Date, catalog);
            parts::join(items, catalog, |item| {
                item.show.as_ref()?;
                Some((0, parts::number(&item.title)?))
            })
        }
    };
    units.into_iter()
}

fn season_of(item: &Playable) -> Option<String> {
    let show = natural(item.show.as_deref()?);
    Some(format!("{show}\n{:010}", item.season.unwrap_or_default()))
}

/// The lane of an item: its show, its artist, or one for all others.
pub(super) fn lane_of(item: &Playable) -> u64 {
    let name = match (&item.show, &item.artist) {
        (Some(show), _) => format!("s{}", natural(show)),
        (None, Some(artist)) => format!("a{}", natural(artist)),
        (None, None) => String::new(),
    };
    stable_hash(name.as_bytes())
}

/// The group of an item in a rotation: its show, its artist, or the item itself.
pub(super) fn rotation_group_of(item: &Playable) -> u64 {
    match (&item.show, &item.artist) {
        (None, None) => stable_hash(&item.id.to_le_bytes()),
        _ => lane_of(item),
    }
}

/// Items by show, artist, or neither, in the order of their names; what has no such name comes last, as one.
pub(super) fn named_groups(items: &[Ix], catalog: &Catalog) -> Vec<(u64, Vec<Ix>)> {
    let mut groups: BTreeMap<(bool, String), Vec<Ix>> = BTreeMap::new();
    for ix in items {
        let item = catalog.get(*ix);
        let name = item.and_then(|item| item.show.as_deref().or(item.artist.as_deref()));
        let key = (name.is_none(), name.map(natural).unwrap_or_default());
        groups.entry(key).or_default().push(*ix);
    }
    let key = |items: &Vec<Ix>| {
        items
            .first()
            .and_then(|ix| catalog.get(*ix))
            .map_or(0, lane_of)
    };
    groups
        .into_values()
        .map(|items| (key(&items), items))
        .collect()
}

/// Items by what a marathon plays in a row, in the order of its names. What has no such name comes last, as one.
pub(super) fn marathon_groups(
    items: &[Ix],
    by: MarathonBy,
    catalog: &Catalog,
) -> Vec<(u64, Vec<Ix>)> {
    let mut groups: BTreeMap<(bool, String), Vec<Ix>> = BTreeMap::new();
    for ix in items {
        let Some(item) = catalog.get(*ix) else {
            continue;
        };
        let name = match by {
            MarathonBy::Show => item.show.as_deref().map(natural),
            MarathonBy::Season => season_of(item),
            MarathonBy::Artist => item.artist.as_deref().map(natural),
            // Albums of two artists may have one name.
            MarathonBy::Album => item.album.as_deref().map(|album| {
                let artist = item.artist.as_deref().map(natural).unwrap_or_default();
                format!("{artist}\n{}", natural(album))
            }),
            MarathonBy::Director => item.director.as_deref().map(natural),
        };
        groups
            .entry((name.is_none(), name.unwrap_or_default()))
            .or_default()
            .push(*ix);
    }
    groups
        .into_iter()
        .map(|((nameless, name), items)| {
            (stable_hash(format!("{nameless}{name}").as_bytes()), items)
        })
        .collect()
}
