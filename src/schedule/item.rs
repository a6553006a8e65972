//! Items as the scheduler sees them, and the catalogue that all collections of a build share.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::order::SortKey;
use super::span::{SHORTEST_MS, Span};
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
    /// Key of the item of which this is a chapter; `None` for a whole item.
    pub chapter_of: Option<i64>,
}

/// Keys of chapters lie from here on, far below those of items.
const CHAPTERS: i64 = i64::MIN / 2;
/// The most chapters of an item.
const MOST_CHAPTERS: i64 = 1 << 12;
/// A part begins no further than this, or one group of pictures, from where it should, if it loses no picture there.
const REACH: Ticks90k = Ticks90k::from_ms(5_000);

/// Where an item may be interrupted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaks {
    /// Its chapters, in order.
    pub chapters: Vec<Chapter>,
    /// Other places that suit, such as black pictures, in item time and in order.
    pub points: Vec<Ticks90k>,
    /// Random access points known, in item time and in order: a part begins at one of them. Without any, anywhere.
    pub raps: Vec<Ticks90k>,
    /// Those at which pictures are lost or held for a moment, such as those with leading pictures and recovery points: a
    /// part begins there only where none of the others is near.
    pub rough_raps: Vec<Ticks90k>,
}

impl Playable {
    /// All of it; `None` when it cannot be put on air, see [`Span::new`].
    pub fn whole(&self) -> Option<Span> {
        Span::new(self.start, self.end)
    }

    /// Key of what is played: of a chapter that of its item.
    pub fn media_id(&self) -> i64 {
        self.chapter_of.unwrap_or(self.id)
    }

    /// The key of the first chapter of an item.
    fn first_chapter(id: i64) -> Option<i64> {
        CHAPTERS.checked_add(id.checked_mul(MOST_CHAPTERS)?)
    }

    /// Its chapters as items of their own, each with a key of its own; nothing without [`Playable::breaks`], and nothing for
    /// a chapter of less than a second.
    pub fn chapters(&self) -> Vec<Self> {
        let (Some(breaks), Some(span)) = (&self.breaks, self.whole()) else {
            return Vec::new();
        };
        let begins = breaks.chapters.iter().filter_map(|chapter| {
            let at = match chapter.start <= self.start {
                true => Some(self.start),
                false => breaks.playable_from(chapter.start, span),
            };
            Some((at.filter(|at| *at < self.end)?, chapter.title.as_str()))
        });
        let begins: Vec<_> = begins.collect();
        let ends = begins.iter().skip(1).map(|(at, _)| *at).chain([self.end]);
        let first = Self::first_chapter(self.id);
        let keys = first
            .into_iter()
            .flat_map(|key| key..key.saturating_add(MOST_CHAPTERS));
        let chapter = |((key, (start, title)), end): ((i64, &(Ticks90k, &str)), Ticks90k)| {
            let chapter = Self {
                id: key,
                start: *start,
                end,
                title: if title.is_empty() {
                    &self.title
                } else {
                    *title
                }
                .to_owned(),
                breaks: None,
                chapter_of: Some(self.id),
                ..self.clone()
            };
            chapter.whole().map(|_| chapter)
        };
        keys.zip(&begins).zip(ends).filter_map(chapter).collect()
    }

    /// How long it lasts.
    pub fn length_ms(&self) -> i64 {
        (self.end - self.start).round_ms()
    }
}

impl Breaks {
    /// The random access point at which a part begins that should begin at `at`: the nearest one within reach at which no
    /// picture is lost, else the nearest of all. `None` when some are known and none lies within the span.
    pub(super) fn playable_from(&self, at: Ticks90k, span: Span) -> Option<Ticks90k> {
        let (clean, rough) = (&self.raps, &self.rough_raps);
        if clean.is_empty() && rough.is_empty() {
            return Some(at);
        }
        let margin = Ticks90k::from_ms(SHORTEST_MS);
        let (first, last) = (span.from() + margin, span.to() - margin);
        // On both sides, in a list that is in order.
        let beside = |all: &[Ticks90k]| {
            let behind = all.partition_point(|rap| *rap < at);
            let before = behind.checked_sub(1).and_then(|n| all.get(n).copied());
            (before, all.get(behind).copied())
        };
        let nearest = |all: &[Ticks90k]| {
            let from = all.partition_point(|rap| *rap < first);
            let to = all.partition_point(|rap| *rap <= last);
            let (before, behind) = beside(all.get(from..to)?);
            let both = before.into_iter().chain(behind);
            both.min_by_key(|rap| distance(*rap, at))
        };
        let (clean_before, clean_behind) = beside(clean);
        let (rough_before, rough_behind) = beside(rough);
        let before = clean_before.max(rough_before).unwrap_or(span.from());
        let behind = clean_behind.into_iter().chain(rough_behind).min();
        let group = behind.unwrap_or(span.to()) - before;
        let near = nearest(clean).filter(|rap| distance(*rap, at) <= REACH.max(group));
        near.or_else(|| {
            let both = nearest(rough).into_iter().chain(nearest(clean));
            both.min_by_key(|rap| distance(*rap, at))
        })
    }
}

fn distance(a: Ticks90k, b: Ticks90k) -> Ticks90k {
    (a - b).max(b - a)
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

    /// The key of what is played of the item at a place.
    pub(super) fn media_id(&self, ix: Ix) -> i64 {
        self.get(ix).map_or(0, Playable::media_id)
    }

    /// The chapters of the item at a place, where there are two or more in the catalogue; else the item.
    pub(super) fn chapters(&self, ix: Ix) -> Vec<Ix> {
        let first = Playable::first_chapter(self.id(ix)).unwrap_or(i64::MAX);
        let from = self.items.partition_point(|item| item.id < first);
        let all = self.items.get(from..).unwrap_or_default().iter();
        let count = all
            .take_while(|c| c.chapter_of == Some(self.id(ix)))
            .count();
        match count {
            0 | 1 => vec![ix],
            _ => (from..from + count)
                .filter_map(|n| u32::try_from(n).ok().map(Ix))
                .collect(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: i64) -> Ticks90k {
        Ticks90k(s * 90_000)
    }

    #[test]
    fn chapters_become_items_that_begin_where_pictures_can() {
        let item = |starts: &[i64], raps: &[i64]| Playable {
            id: 7,
            start: seconds(10),
            end: seconds(110),
            title: "Reel".to_owned(),
            breaks: Some(Arc::new(Breaks {
                chapters: starts
                    .iter()
                    .map(|s| Chapter {
                        start: seconds(*s),
                        title: if *s == 40 { "Ad" } else { "" }.to_owned(),
                    })
                    .collect(),
                raps: raps.iter().map(|s| seconds(*s)).collect(),
                ..Breaks::default()
            })),
            ..Playable::default()
        };
        for (starts, raps, expected) in [
            (
                &[10, 40, 70][..],
                &[][..],
                &[(10, 40), (40, 70), (70, 110)][..],
            ),
            // From the beginning whatever the file says, and not beyond the end.
            (&[0, 40, 200], &[], &[(10, 40), (40, 110)]),
            (&[20], &[], &[(20, 110)]),
            (&[10, 40], &[10, 42, 80], &[(10, 42), (42, 110)]),
            // Out of order, or all at once: what has no length is none.
            (&[70, 40, 50], &[], &[(40, 50), (50, 110)]),
            (&[40, 40], &[], &[(40, 110)]),
            (&[], &[], &[]),
        ] {
            let chapters = item(starts, raps).chapters();
            let spans: Vec<_> = chapters
                .iter()
                .map(|c| (c.start.0 / 90_000, c.end.0 / 90_000))
                .collect();
            assert_eq!(spans, expected, "{starts:?}");
            for chapter in &chapters {
                let is_ad = (40..=42).contains(&(chapter.start.0 / 90_000));
                assert_eq!(chapter.title, if is_ad { "Ad" } else { "Reel" });
                assert_eq!((chapter.media_id(), chapter.id < 0), (7, true));
            }
        }
    }

    #[test]
    fn a_catalogue_finds_the_chapters_of_an_item() {
        let reel = |id: i64, chapters: i64| Playable {
            id,
            end: seconds(1000),
            breaks: Some(Arc::new(Breaks {
                chapters: (0..chapters)
                    .map(|n| Chapter {
                        start: seconds(n * 10),
                        title: String::new(),
                    })
                    .collect(),
                ..Breaks::default()
            })),
            ..Playable::default()
        };
        let mut items = vec![reel(1, 3), reel(2, 0), reel(3, 1), reel(4, 2)];
        let chapters: Vec<_> = items.iter().flat_map(Playable::chapters).collect();
        items.extend(chapters);
        let catalog = Catalog::new(items);
        for (id, count) in [(1, 3), (2, 1), (3, 1), (4, 2)] {
            let chapters = catalog.chapters(catalog.find(id).unwrap());
            assert_eq!(chapters.len(), count, "{id}");
            assert!(chapters.iter().all(|ix| catalog.media_id(*ix) == id));
        }
        assert!(reel(i64::MAX, 3).chapters().is_empty());
    }
}
