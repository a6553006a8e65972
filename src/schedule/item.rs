//! Items as the scheduler sees them, and the catalogue that all collections of a build share.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::order::SortKey;
use super::span::Span;
use crate::media::Ticks90k;
use crate::media::probe::Chapter;

/// An item as the scheduler sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Playable {
    /// Key of the item.
    pub id: i64,
    /// Where it begins, in item time.
    pub start: Ticks90k,
    /// Where it ends.
    pub end: Ticks90k,
    /// Title of the film or episode.
    pub title: String,
    /// Title of the show.
    pub show: Option<Arc<str>>,
    /// Season; 0 is specials.
    pub season: Option<u32>,
    /// Episode number.
    pub episode: Option<u32>,
    /// Year of release.
    pub year: Option<u16>,
    /// Date of release or first airing, `YYYY-MM-DD`.
    pub date: Option<Arc<str>>,
    /// Artist, of music.
    pub artist: Option<Arc<str>>,
    /// Album, of music.
    pub album: Option<Arc<str>>,
    /// Place on the album.
    pub track: Option<u32>,
    /// The (first) director.
    pub director: Option<Arc<str>>,
    /// Where it may be interrupted; loaded only for programs that ask for it.
    pub breaks: Option<Arc<Breaks>>,
}

/// Where an item may be interrupted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaks {
    /// Its chapters, in order.
    pub chapters: Vec<Chapter>,
    /// Other places that suit, such as black pictures, in item time and in order.
    pub points: Vec<Ticks90k>,
    /// Random access points known, in item time and in order: a part begins at one of them.
    pub raps: Vec<Ticks90k>,
}

impl Playable {
    /// All of it; `None` when it cannot be put on air, see [`Span::new`].
    pub fn whole(&self) -> Option<Span> {
        Span::new(self.start, self.end)
    }

    /// How long it lasts.
    pub fn length_ms(&self) -> i64 {
        (self.end - self.start).round_ms()
    }
}

/// The place of an item in a [`Catalog`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ix(u32);

/// Every item that the collections of a build (or of many builds) draw from, held once.
///
/// Sorting costs are paid once per catalogue, not once per channel: it remembers the place of each item in each
/// sorted order.
#[derive(Debug, Default)]
pub struct Catalog {
    /// By key.
    items: Vec<Playable>,
    by_date: OnceLock<Vec<u32>>,
    by_episode: OnceLock<Vec<u32>>,
}

impl Catalog {
    /// A catalogue of these items, which may come in any order. Of two with one key the first counts.
    pub fn new(mut items: Vec<Playable>) -> Self {
        items.sort_by_key(|item| item.id);
        items.dedup_by_key(|item| item.id);
        items.truncate(u32::MAX as usize);
        Self {
            items,
            ..Self::default()
        }
    }

    /// All items, by key.
    pub fn items(&self) -> &[Playable] {
        &self.items
    }

    /// The item at a place; `None` for a place of another catalogue.
    pub fn get(&self, ix: Ix) -> Option<&Playable> {
        self.items.get(ix.0 as usize)
    }

    /// The place of the item with a key.
    pub fn find(&self, id: i64) -> Option<Ix> {
        let at = self.items.binary_search_by_key(&id, |item| item.id).ok()?;
        u32::try_from(at).ok().map(Ix)
    }

    /// The key of the item at a place.
    pub fn id(&self, ix: Ix) -> i64 {
        self.get(ix).map_or(0, |item| item.id)
    }

    /// Every place, by key.
    pub fn all(&self) -> impl Iterator<Item = Ix> + use<> {
        (0..u32::try_from(self.items.len()).unwrap_or(u32::MAX)).map(Ix)
    }

    /// The item at a place when it can be put on air, with all of its length.
    pub fn playable(&self, ix: Ix) -> Option<(&Playable, Span)> {
        let item = self.get(ix)?;
        Some((item, item.whole()?))
    }

    /// The rank of an item in an order that sorts, equal to nobody else's.
    pub(super) fn rank(&self, by: super::order::Sorted, ix: Ix) -> u32 {
        use super::order::Sorted;
        let cell = match by {
            Sorted::Date => &self.by_date,
            Sorted::Episode => &self.by_episode,
        };
        let ranks = cell.get_or_init(|| self.ranks(by));
        ranks.get(ix.0 as usize).copied().unwrap_or(u32::MAX)
    }

    fn ranks(&self, by: super::order::Sorted) -> Vec<u32> {
        let mut sorted: Vec<_> = self
            .items
            .iter()
            .zip(0_u32..)
            .map(|(item, ix)| (SortKey::of(by, item), ix))
            .collect();
        sorted.sort_unstable();
        let mut ranks = vec![0; sorted.len()];
        for ((_, ix), rank) in sorted.into_iter().zip(0..) {
            if let Some(place) = ranks.get_mut(ix as usize) {
                *place = rank;
            }
        }
        ranks
    }
}

/// When a channel aired an item before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aired {
    /// When it last went on air.
    pub last: crate::clock::UtcMs,
    /// How often it did.
    pub plays: u32,
}

/// What a channel aired before the moment that is built from, by item: programmes only, not filler.
pub type History = HashMap<i64, Aired>;
