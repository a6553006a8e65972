//! All collections of a build with the places in them: what schedulers draw from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::groups::{marathon_groups, members, named_groups, usable};
use super::hand::Hand;
use super::lanes::{Lane, Lanes};
use super::{Cursor, MarathonBy, Order, PlayOrder};
use crate::clock::UtcMs;
use crate::schedule::content::{Content, Contents, CursorKey, Pick, Take};
use crate::schedule::draw::{Seed, stable_hash};
use crate::schedule::{Aired, Catalog, History, Ix};

/// The places in all collections, by key.
pub(in crate::schedule) type Cursors = BTreeMap<CursorKey, Cursor>;

/// So many places are kept of collections that may not be in use any more.
const MOST_PLACES: usize = 2_000;

/// Under what part of a collection's key it is kept when it was last drawn from.
const DRAWN: &[u8] = b"when a list of fillers was last drawn from";

/// An item that is next, and what becomes of the places when it is taken.
#[derive(Clone, Debug)]
pub(in crate::schedule) struct Dealt {
    /// The item.
    pub(in crate::schedule) ix: Ix,
    /// Whether the guide may show it: playlists have entries that it does not.
    pub(in crate::schedule) in_guide: bool,
    /// The place behind it; with playlists also the place in the part.
    writes: Vec<(CursorKey, Cursor)>,
}

impl Dealt {
    /// The round (or pass, or draw) of the collection that it belongs to.
    pub(in crate::schedule) fn round(&self) -> u64 {
        self.writes.last().map_or(0, |(_, cursor)| cursor.round())
    }
}

/// A moment to which a [`Deck`] can be rewound.
#[derive(Clone, Copy, Debug)]
pub(in crate::schedule) struct DeckMark(usize);

#[derive(Debug)]
enum Undo {
    Cursor(CursorKey, Option<Cursor>),
    Aired(i64, Option<Aired>),
}

#[derive(Debug)]
struct Opened {
    kind: Kind,
    /// For reruns: what was aired is wanted, or what was not.
    aired: Option<bool>,
    shortest_ms: i64,
    /// What is next, as long as the place is this one.
    next: Option<Option<Dealt>>,
}

#[derive(Debug)]
enum Kind {
    Hand(Hand),
    Lanes(Lanes),
}

/// All collections of a build with the places in them.
#[derive(Debug)]
pub(in crate::schedule) struct Deck<'a> {
    catalog: &'a Catalog,
    contents: &'a Contents,
    history: &'a History,
    seed: Seed,
    opened: HashMap<CursorKey, Opened>,
    cursors: Cursors,
    /// What was aired since the build began.
    aired: HashMap<i64, Aired>,
    undo: Vec<Undo>,
    touched: BTreeSet<CursorKey>,
}

impl<'a> Deck<'a> {
    pub(in crate::schedule) fn new(
        catalog: &'a Catalog,
        contents: &'a Contents,
        history: &'a History,
        seed: Seed,
        cursors: Cursors,
    ) -> Self {
        Self {
            catalog,
            contents,
            history,
            seed,
            opened: HashMap::new(),
            cursors,
            aired: HashMap::new(),
            undo: Vec::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Makes a collection ready. One that is open under that key already stays as it is.
    pub(in crate::schedule) fn open(&mut self, pick: &Pick) -> CursorKey {
        let key = pick.key();
        if !self.opened.contains_key(&key) {
            let nothing = Content::Items([].into());
            let content = self.contents.get(&pick.of).unwrap_or(&nothing);
            self.open_content(key, content, &pick.order);
        }
        key
    }

    /// Makes the chapters of a collection's items ready, as items of their own: where the catalogue has them. A playlist
    /// has none.
    pub(in crate::schedule) fn open_chapters(&mut self, pick: &Pick) -> CursorKey {
        // These are opened when their turn comes: who comes first must not decide on the order of all.
        let how = serde_json::to_string(&("chapters", &pick.order)).unwrap_or_default();
        let key = pick.key().part(stable_hash(how.as_bytes()));
        if let (false, Some(content)) =
            (self.opened.contains_key(&key), self.contents.get(&pick.of))
        {
            let members = members(content);
            let items = members.iter().flat_map(|m| m.items.iter());
            let items = items.flat_map(|ix| self.catalog.chapters(*ix)).collect();
            self.open_content(key, &Content::Items(items), &pick.order);
        }
        key
    }

    fn open_content(&mut self, key: CursorKey, content: &Content, order: &Order) {
        let seed = self.seed.of(key.0);
        let (content, aired) = match content {
            Content::Rerun { of, aired } => (&**of, Some(*aired)),
            content => (content, None),
        };
        let kind = match content {
            Content::Playlist(list) => {
                let contents = self.contents;
                let nothing = Content::Items([].into());
                let lanes = list.entries.iter().zip(0_u64..).map(|(entry, n)| {
                    let of = key.part(entry.pick.key().0);
                    // A playlist in a playlist has no end to look for: its own entries are not followed.
                    let content = match contents.get(&entry.pick.of) {
                        Some(Content::Playlist(_)) | None => &nothing,
                        Some(content) => content,
                    };
                    if !self.opened.contains_key(&of) {
                        self.open_content(of, content, &entry.pick.order);
                    }
                    Lane {
                        key: n,
                        of,
                        items: self.count(of),
                        take: entry.take,
                        in_guide: entry.in_guide,
                    }
                });
                Kind::Lanes(Lanes::new(lanes.collect(), list.shuffled))
            }
            content if order.by == PlayOrder::Marathon => self.marathon(key, content, order),
            content => Kind::Hand(Hand::new(content, order, self.catalog, seed)),
        };
        let opened = Opened {
            shortest_ms: self.shortest_of(&kind),
            kind,
            aired,
            next: None,
        };
        self.opened.insert(key, opened);
    }

    fn marathon(&mut self, key: CursorKey, content: &Content, order: &Order) -> Kind {
        let items: Vec<_> = members(content)
            .iter()
            .flat_map(|m| usable(&m.items, order, self.catalog))
            .collect();
        let marathon = order.marathon;
        let within = Order {
            by: match (marathon.shuffle_items, marathon.by) {
                (true, _) => PlayOrder::Shuffle,
                (_, MarathonBy::Show | MarathonBy::Season) => PlayOrder::SeasonEpisode,
                _ => PlayOrder::Chronological,
            },
            ..*order
        };
        let groups = marathon_groups(&items, marathon.by, self.catalog);
        let take = match marathon.batch {
            0 => Take::All,
            n => Take::Count(n),
        };
        let lanes = self.lanes(key, groups, take, &within);
        Kind::Lanes(Lanes::new(lanes, marathon.shuffle_groups))
    }

    /// Groups of items as parts of the collection under a key, each with its own place.
    fn lanes(
        &mut self,
        key: CursorKey,
        groups: Vec<(u64, Vec<Ix>)>,
        take: Take,
        order: &Order,
    ) -> Vec<Lane> {
        let lanes = groups.into_iter().map(|(group, items)| {
            let of = key.part(group);
            self.open_content(of, &Content::Items(items.into()), order);
            Lane {
                key: group,
                of,
                items: self.count(of),
                take,
                in_guide: true,
            }
        });
        lanes.collect()
    }

    /// Makes the shows and artists of a collection ready, which take turns: see [`Deck::next_group`].
    pub(in crate::schedule) fn open_groups(&mut self, pick: &Pick, shuffled: bool) -> CursorKey {
        // These are opened when their turn comes: who comes first must not decide on the order of all.
        let how = serde_json::to_string(&(&pick.order, shuffled)).unwrap_or_default();
        let key = pick.key().part(stable_hash(how.as_bytes()));
        let contents = self.contents;
        if let (false, Some(content)) = (self.opened.contains_key(&key), contents.get(&pick.of)) {
            let members = members(content);
            let items: Vec<_> = members
                .iter()
                .flat_map(|m| usable(&m.items, &pick.order, self.catalog))
                .collect();
            let groups = named_groups(&items, self.catalog);
            let lanes = self.lanes(key, groups, Take::Count(1), &pick.order);
            let kind = Kind::Lanes(Lanes::new(lanes, shuffled));
            let opened = Opened {
                shortest_ms: self.shortest_of(&kind),
                kind,
                aired: None,
                next: None,
            };
            self.opened.insert(key, opened);
        }
        key
    }

    /// Whose turn is next among the groups of a collection: the key to draw from. `None` when there are none.
    pub(in crate::schedule) fn next_group(&mut self, groups: CursorKey) -> Option<CursorKey> {
        let seed = self.seed.of(groups.0);
        let Kind::Lanes(lanes) = &self.opened.get(&groups)?.kind else {
            return None;
        };
        let turn = lanes.turn(seed, self.cursors.get(&groups))?;
        let group = lanes.get(turn.lane)?.of;
        let behind = lanes.behind(turn, 0);
        self.set(groups, behind);
        Some(group)
    }

    fn set(&mut self, key: CursorKey, cursor: Cursor) {
        let before = self.cursors.insert(key, cursor);
        self.undo.push(Undo::Cursor(key, before));
        self.touched.insert(key);
    }

    fn shortest_of(&self, kind: &Kind) -> i64 {
        let items = match kind {
            Kind::Hand(hand) => hand.items(),
            Kind::Lanes(lanes) => {
                let shortest = lanes.all().iter().map(|lane| self.shortest_ms(lane.of));
                return shortest.min().unwrap_or(i64::MAX);
            }
        };
        let length = |ix: &Ix| self.catalog.get(*ix).map_or(i64::MAX, |i| i.length_ms());
        items.iter().map(length).min().unwrap_or(i64::MAX)
    }

    /// How many items a collection has; a playlist: how many one pass plays.
    pub(in crate::schedule) fn count(&self, key: CursorKey) -> u32 {
        match self.opened.get(&key).map(|o| &o.kind) {
            Some(Kind::Hand(hand)) => u32::try_from(hand.items().len()).unwrap_or(u32::MAX),
            Some(Kind::Lanes(lanes)) => {
                let turns = lanes.all().iter().map(Lane::turn);
                turns.fold(0, u32::saturating_add)
            }
            None => 0,
        }
    }

    /// How many items one pass of a playlist plays; 1 for everything else.
    pub(in crate::schedule) fn pass(&self, pick: &Pick) -> u32 {
        match self.contents.get(&pick.of) {
            Some(Content::Playlist(_)) => self.count(pick.key()),
            _ => 1,
        }
    }

    /// When a collection was last drawn from as a list of fillers, see [`Deck::note_drawn`].
    pub(in crate::schedule) fn drawn_at(&self, key: CursorKey) -> Option<UtcMs> {
        match self.cursors.get(&key.part(stable_hash(DRAWN)))? {
            Cursor::Drawn { at } => Some(*at),
            _ => None,
        }
    }

    /// Notes that what was drawn from a collection is to begin at some time.
    pub(in crate::schedule) fn note_drawn(&mut self, key: CursorKey, at: UtcMs) {
        self.set(key.part(stable_hash(DRAWN)), Cursor::Drawn { at });
    }

    /// The shortest item of a collection; `i64::MAX` for an empty one.
    pub(in crate::schedule) fn shortest_ms(&self, key: CursorKey) -> i64 {
        self.opened.get(&key).map_or(i64::MAX, |o| o.shortest_ms)
    }

    /// How many items of what is next belong together: the parts of a story, or what the present entry of a
    /// playlist still has to play.
    pub(in crate::schedule) fn together(&mut self, key: CursorKey) -> u32 {
        let Some(next) = self.peek(key) else { return 0 };
        match self.opened.get(&key).map(|o| &o.kind) {
            Some(Kind::Hand(hand)) => hand.unit_of(next.ix, self.catalog),
            Some(Kind::Lanes(lanes)) => {
                let turn = lanes.turn(self.seed.of(key.0), self.cursors.get(&key));
                turn.and_then(|t| lanes.get(t.lane)).map_or(1, Lane::turn)
            }
            None => 0,
        }
    }

    /// What is next; `None` for an empty collection only.
    pub(in crate::schedule) fn peek(&mut self, key: CursorKey) -> Option<Dealt> {
        if let Some(next) = self.opened.get(&key)?.next.clone() {
            return next;
        }
        let next = self.find(key);
        if let Some(opened) = self.opened.get_mut(&key) {
            opened.next = Some(next.clone());
        }
        next
    }

    /// Takes what is next.
    pub(in crate::schedule) fn deal(&mut self, key: CursorKey) -> Option<Dealt> {
        let dealt = self.peek(key)?;
        for (key, cursor) in &dealt.writes {
            self.set(*key, cursor.clone());
        }
        self.forget();
        Some(dealt)
    }

    /// What was found is true no more: collections may share parts, and reruns depend on what was aired.
    fn forget(&mut self) {
        for opened in self.opened.values_mut() {
            opened.next = None;
        }
    }

    fn find(&mut self, key: CursorKey) -> Option<Dealt> {
        let opened = self.opened.get(&key)?;
        // Whose turn it is in a playlist or a marathon does not depend on what was aired.
        let wanted = match opened.kind {
            Kind::Hand(_) => opened.aired,
            Kind::Lanes(_) => None,
        };
        let first = self.step(key, self.cursors.get(&key).cloned())?;
        let Some(wanted) = wanted else {
            return Some(first);
        };
        // Once around: who is left to find then is nobody, and everything is taken as it comes.
        let mut dealt = first.clone();
        for _ in 0..self.count(key) {
            if self.aired(self.catalog.id(dealt.ix)).is_some() == wanted {
                return Some(dealt);
            }
            let at = dealt.writes.pop().map(|(_, cursor)| cursor);
            dealt = self.step(key, at)?;
        }
        Some(first)
    }

    fn step(&mut self, key: CursorKey, at: Option<Cursor>) -> Option<Dealt> {
        let (catalog, seed) = (self.catalog, self.seed.of(key.0));
        let part = match &mut self.opened.get_mut(&key)?.kind {
            Kind::Hand(hand) => {
                let (ix, cursor) = hand.next(catalog, seed, at.as_ref())?;
                return Some(Dealt {
                    ix,
                    in_guide: true,
                    writes: vec![(key, cursor)],
                });
            }
            Kind::Lanes(lanes) => {
                let turn = lanes.turn(seed, at.as_ref())?;
                (turn, lanes.get(turn.lane)?.clone())
            }
        };
        let (turn, lane) = part;
        let mut dealt = self.peek(lane.of)?;
        let Kind::Lanes(lanes) = &self.opened.get(&key)?.kind else {
            return None;
        };
        let behind = lanes.behind(turn, catalog.id(dealt.ix));
        dealt.writes.push((key, behind));
        dealt.in_guide &= lane.in_guide;
        Some(dealt)
    }

    /// When an item was aired before; `None` when it never was.
    pub(in crate::schedule) fn aired(&self, id: i64) -> Option<Aired> {
        let known = self.aired.get(&id).or_else(|| self.history.get(&id));
        known.copied()
    }

    /// Notes that an item is aired.
    pub(in crate::schedule) fn note_aired(&mut self, ix: Ix, at: UtcMs) {
        let id = self.catalog.id(ix);
        let plays = self.aired(id).map_or(0, |a| a.plays).saturating_add(1);
        let before = self.aired.insert(id, Aired { last: at, plays });
        self.undo.push(Undo::Aired(id, before));
        let rerun = |o: &&mut Opened| o.aired.is_some();
        self.opened
            .values_mut()
            .filter(rerun)
            .for_each(|o| o.next = None);
    }

    /// A moment to come back to. Does not outlive the next [`Deck::settle`].
    pub(in crate::schedule) fn mark(&self) -> DeckMark {
        DeckMark(self.undo.len())
    }

    /// Puts every place back to where it was at a mark.
    pub(in crate::schedule) fn rewind(&mut self, to: DeckMark) {
        while self.undo.len() > to.0 {
            match self.undo.pop() {
                Some(Undo::Cursor(key, Some(cursor))) => drop(self.cursors.insert(key, cursor)),
                Some(Undo::Cursor(key, None)) => drop(self.cursors.remove(&key)),
                Some(Undo::Aired(id, Some(aired))) => drop(self.aired.insert(id, aired)),
                Some(Undo::Aired(id, None)) => drop(self.aired.remove(&id)),
                None => {}
            }
        }
        self.forget();
    }

    /// Makes what was dealt final, and says which places have changed since the last time.
    pub(in crate::schedule) fn settle(&mut self) -> Cursors {
        self.undo.clear();
        let touched = std::mem::take(&mut self.touched);
        let moved = |key| Some((key, self.cursors.get(&key)?.clone()));
        touched.into_iter().filter_map(moved).collect()
    }

    /// How many places are kept.
    pub(in crate::schedule) fn places(&self) -> usize {
        self.cursors.len()
    }

    /// Every place, also in collections that nothing has drawn from yet: a program that is changed and changed back goes on
    /// where it was. Of very many only those that are in use.
    pub(in crate::schedule) fn cursors(&self) -> Cursors {
        if self.cursors.len() <= MOST_PLACES {
            return self.cursors.clone();
        }
        let open = |key: &CursorKey| self.opened.contains_key(key);
        let all = self.cursors.iter().filter(|(key, _)| open(key));
        all.map(|(key, cursor)| (*key, cursor.clone())).collect()
    }
}
