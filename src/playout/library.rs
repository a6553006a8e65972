//! What programs draw from: read from the database once for all channels of a round, and gone with the round.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use crate::clock::UtcMs;
use crate::error::{ErrorKind, Result};
use crate::schedule::{
    Catalog, Collection, Content, Contents, History, Ix, Member, Needs, Playable, Playlist,
    PlaylistEntry, Program, stable_hash,
};
use crate::store::{Definition, Definitions, Id, MAX_PAGE, Part, Store, Today};

/// The most places of items that lists of a round take up together, 4 bytes each; lists beyond it are read again for
/// each channel that wants them.
const MOST_KEPT: usize = 4 << 20;

/// How deep collections are followed into each other: deeper than any can be made.
const DEEPEST: usize = 32;
/// The most entries of a playlist, those of playlists in it included.
const MOST_ENTRIES: usize = 10_000;

/// What a program draws from.
pub(super) struct Library {
    /// The items, and those of other channels.
    pub(super) catalog: Arc<Catalog>,
    /// What is in the program's collections.
    pub(super) contents: Contents,
    /// Tells libraries apart by what a schedule depends on. Where the hash of another build of this program differs, a
    /// channel is planned anew once more than need be.
    pub(super) fingerprint: String,
    needs: Needs,
}

impl Library {
    /// Whether there is anything that can be put on air.
    pub(super) fn can_play(&self) -> bool {
        let lists = self.contents.iter().flat_map(|(_, found)| found.lists());
        lists
            .flatten()
            .any(|ix| self.catalog.playable(*ix).is_some())
    }

    /// What a channel aired before a moment, when the program depends on it.
    pub(super) async fn history(
        &self,
        store: &Store,
        channel: Id,
        before: UtcMs,
    ) -> Result<History> {
        match self.needs.history {
            true => store.aired_before(channel, before).await,
            false => Ok(History::default()),
        }
    }
}

/// The libraries of the channels of a round. Holds every item once.
pub(super) struct Shelf {
    store: Store,
    today: Today,
    /// See [`MOST_KEPT`].
    pub(super) most_kept: usize,
    held: tokio::sync::Mutex<Held>,
}

/// What is read of the items of a collection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Items,
    /// Where they may be interrupted, too.
    Breaks,
    /// Their chapters as items of their own, too.
    Chapters,
}

#[derive(Default)]
struct Held {
    /// What is asked for.
    wanted: BTreeMap<Collection, Depth>,
    /// What was read of that; `None` when nothing was, or less than is asked for.
    stock: Option<Stock>,
}

/// What was read.
struct Stock {
    definitions: Definitions,
    catalog: Arc<Catalog>,
    /// Of collections that are not made of others; not of all of them, see [`MOST_KEPT`].
    lists: BTreeMap<Collection, Listed>,
}

/// What is in a collection that is not made of others.
#[derive(Clone, Default)]
struct Listed {
    items: Arc<[Ix]>,
    hash: u64,
    /// Why there is nothing.
    note: Option<String>,
}

impl Shelf {
    /// An empty one.
    pub(super) fn new(store: Store, today: Today) -> Self {
        Self {
            store,
            today,
            most_kept: MOST_KEPT,
            held: tokio::sync::Mutex::default(),
        }
    }

    /// Says what will be asked for, so that it is read together.
    pub(super) async fn want(&self, program: &Program) {
        self.held.lock().await.want(program, program.needs());
    }

    /// What a program draws from.
    pub(super) async fn library(&self, program: &Program) -> Result<Library> {
        self.library_with(program, program.needs()).await
    }

    pub(super) async fn library_with(&self, program: &Program, needs: Needs) -> Result<Library> {
        let mut held = self.held.lock().await;
        held.want(program, needs);
        let stock = match held.stock.take() {
            Some(stock) => stock,
            None => self.read(&held.wanted).await?,
        };
        let stock = held.stock.insert(stock);
        let mut assembly = Assembly {
            definitions: &stock.definitions,
            lists: BTreeMap::new(),
            contents: Contents::default(),
            hasher: DefaultHasher::new(),
            history: needs.history,
        };
        let picked: BTreeSet<_> = program.picks().into_iter().map(|pick| pick.of).collect();
        for of in leaves(&stock.definitions, &picked) {
            let listed = match stock.lists.get(&of) {
                Some(listed) => listed.clone(),
                None => {
                    let ids = self.ids(&of, &stock.definitions).await?;
                    listed(&stock.catalog, ids)
                }
            };
            assembly.lists.insert(of, listed);
        }
        for of in &picked {
            assembly.put(of);
        }
        Ok(Library {
            catalog: stock.catalog.clone(),
            contents: assembly.contents,
            fingerprint: format!("{:016x}", assembly.hasher.finish()),
            needs: Needs {
                history: assembly.history,
                ..needs
            },
        })
    }

    async fn read(&self, wanted: &BTreeMap<Collection, Depth>) -> Result<Stock> {
        let definitions = match wanted.keys().all(Collection::is_plain) {
            true => Definitions::default(),
            false => self.store.definitions().await?,
        };
        let as_deep_as = |least| {
            let deep = wanted.iter().filter(move |(_, depth)| **depth >= least);
            leaves(&definitions, deep.map(|(of, _)| of))
        };
        let (with_breaks, in_chapters) = (as_deep_as(Depth::Breaks), as_deep_as(Depth::Chapters));
        let (mut all, mut interrupted, mut divided) = (Vec::new(), Vec::new(), Vec::new());
        let (mut lists, mut kept) = (Vec::new(), 0);
        for of in leaves(&definitions, wanted.keys()) {
            let ids = self.ids(&of, &definitions).await?;
            if let Ok(ids) = &ids {
                add(&mut all, ids);
                if with_breaks.contains(&of) {
                    add(&mut interrupted, ids);
                }
                if in_chapters.contains(&of) {
                    add(&mut divided, ids);
                }
            }
            let size = ids.as_ref().map_or(0, Vec::len);
            if kept + size <= self.most_kept {
                kept += size;
                lists.push((of, ids));
            }
        }
        let mut items = Vec::with_capacity(all.len());
        for page in all.chunks(MAX_PAGE) {
            items.extend(self.store.playables(page).await?);
        }
        items.sort_by_key(|item| item.id);
        for page in interrupted.chunks(MAX_PAGE) {
            for (id, breaks) in self.store.breaks(page).await? {
                if let Ok(at) = items.binary_search_by_key(&id, |item| item.id)
                    && let Some(item) = items.get_mut(at)
                {
                    item.breaks = Some(Arc::new(breaks));
                }
            }
        }
        let of_divided = |item: &&Playable| divided.binary_search(&item.id).is_ok();
        let chapters: Vec<_> = items
            .iter()
            .filter(of_divided)
            .flat_map(Playable::chapters)
            .collect();
        items.extend(chapters);
        let catalog = Arc::new(Catalog::new(items));
        let lists = lists.into_iter();
        let lists = lists.map(|(of, ids)| (of, listed(&catalog, ids))).collect();
        Ok(Stock {
            definitions,
            catalog,
            lists,
        })
    }

    /// The keys of what can be played of a collection; why there is nothing, for people, when it is not there.
    async fn ids(
        &self,
        of: &Collection,
        definitions: &Definitions,
    ) -> Result<Result<Vec<Id>, String>> {
        match self.store.playable_ids(of, definitions, &self.today).await {
            Ok(ids) if ids.is_empty() && of.name().is_some() => {
                let name = of.name().unwrap_or_default();
                Ok(Err(format!(
                    "nothing in the {} collection \u{201c}{name}\u{201d} can be played",
                    of.kind()
                )))
            }
            Ok(ids) => Ok(Ok(ids)),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {
                Ok(Err(format!("{e:#}: it counts as empty")))
            }
            Err(e) => Err(e),
        }
    }
}

impl Held {
    fn want(&mut self, program: &Program, needs: Needs) {
        let depth = match needs.breaks {
            true => Depth::Breaks,
            false => Depth::Items,
        };
        let items = program.picks().into_iter().map(|pick| (pick, depth));
        let chapters = program.in_chapters().into_iter();
        for (pick, depth) in items.chain(chapters.map(|pick| (pick, Depth::Chapters))) {
            let known = self.wanted.get(&pick.of).copied();
            if known.is_none_or(|known| known < depth) {
                self.wanted.insert(pick.of, depth);
                self.stock = None;
            }
        }
    }
}

/// The collections that are not made of others, of which these are made.
fn leaves<'a>(
    definitions: &Definitions,
    of: impl IntoIterator<Item = &'a Collection>,
) -> BTreeSet<Collection> {
    let mut left: Vec<Collection> = of.into_iter().cloned().collect();
    let (mut seen, mut leaves) = (BTreeSet::new(), BTreeSet::new());
    while let Some(of) = left.pop() {
        if !seen.insert(of.clone()) {
            continue;
        }
        match made_of(definitions, &of) {
            Some(definition) => left.extend(definition.parts().into_iter().cloned()),
            None => drop(leaves.insert(of)),
        }
    }
    leaves
}

/// What a collection is that is made of others.
fn made_of<'a>(definitions: &'a Definitions, of: &Collection) -> Option<&'a Definition> {
    let definition = &definitions.of(of).ok()??.definition;
    match definition {
        Definition::Smart { .. } | Definition::Manual => None,
        Definition::Multi { .. } | Definition::Playlist(_) | Definition::Rerun { .. } => {
            Some(definition)
        }
    }
}

/// Puts the contents of a program's collections together.
struct Assembly<'a> {
    definitions: &'a Definitions,
    /// What is in the collections that are not made of others.
    lists: BTreeMap<Collection, Listed>,
    contents: Contents,
    hasher: DefaultHasher,
    /// Whether what was aired matters.
    history: bool,
}

impl Assembly<'_> {
    fn put(&mut self, of: &Collection) {
        if self.contents.get(of).is_none() {
            let content = self.content(of, DEEPEST);
            self.contents.put(of.clone(), content);
        }
    }

    fn content(&mut self, of: &Collection, depth: usize) -> Content {
        of.hash(&mut self.hasher);
        let made_of = made_of(self.definitions, of);
        let (Some(definition), Some(depth)) = (made_of, depth.checked_sub(1)) else {
            let Some(listed) = self.lists.get_mut(of) else {
                return Content::Items([].into());
            };
            listed.hash.hash(&mut self.hasher);
            if let Some(note) = listed.note.take() {
                self.contents.note(note);
            }
            return Content::Items(listed.items.clone());
        };
        match definition {
            Definition::Smart { .. } | Definition::Manual => Content::Items([].into()),
            Definition::Multi { members } => {
                let mut seen = HashSet::new();
                let members = members.iter();
                Content::Multi(
                    members
                        .map(|part| self.member(part, depth, &mut seen))
                        .collect(),
                )
            }
            Definition::Playlist(list) => {
                let mut entries = Vec::new();
                self.entries(list, true, depth, &mut entries);
                for entry in &entries {
                    self.put(&entry.pick.of);
                }
                let list = Playlist {
                    entries,
                    shuffled: list.shuffled,
                };
                let text = serde_json::to_string(&list).unwrap_or_default();
                text.hash(&mut self.hasher);
                Content::Playlist(list)
            }
            Definition::Rerun { of: inner } => {
                self.history = true;
                Content::Rerun {
                    of: Box::new(self.content(inner, depth)),
                    aired: matches!(of, Collection::Rerun { .. }),
                }
            }
        }
    }

    /// A part of a multi-collection. What an earlier one has already is not in it.
    fn member(&mut self, part: &Part, depth: usize, seen: &mut HashSet<Ix>) -> Member {
        part.together.hash(&mut self.hasher);
        let content = self.content(&part.of, depth);
        let items: Vec<Ix> = content
            .lists()
            .into_iter()
            .flatten()
            .copied()
            .filter(|ix| seen.insert(*ix))
            .collect();
        Member {
            key: stable_hash(
                serde_json::to_string(&part.of)
                    .unwrap_or_default()
                    .as_bytes(),
            ),
            items: items.into(),
            together: part.together,
        }
    }

    /// The entries of a playlist; of one in it those that stand in its place.
    fn entries(&self, list: &Playlist, in_guide: bool, depth: usize, to: &mut Vec<PlaylistEntry>) {
        for entry in &list.entries {
            let in_guide = in_guide && entry.in_guide;
            match (
                made_of(self.definitions, &entry.pick.of),
                depth.checked_sub(1),
            ) {
                (Some(Definition::Playlist(inner)), Some(depth)) => {
                    self.entries(inner, in_guide, depth, to);
                }
                _ if to.len() < MOST_ENTRIES => to.push(PlaylistEntry {
                    in_guide,
                    ..entry.clone()
                }),
                _ => {}
            }
        }
    }
}

/// Adds keys to a sorted list of them.
fn add(to: &mut Vec<Id>, ids: &[Id]) {
    to.extend(ids);
    to.sort();
    to.dedup();
}

/// The items of these keys that are still there.
fn listed(catalog: &Catalog, ids: Result<Vec<Id>, String>) -> Listed {
    let (ids, note) = match ids {
        Ok(ids) => (ids, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let items: Arc<[Ix]> = ids.iter().filter_map(|id| catalog.find(*id)).collect();
    let mut hasher = DefaultHasher::new();
    for item in items.iter().filter_map(|ix| catalog.get(*ix)) {
        hash(item, &mut hasher);
    }
    Listed {
        items,
        hash: hasher.finish(),
        note,
    }
}

/// What a schedule depends on.
fn hash(item: &Playable, hasher: &mut DefaultHasher) {
    (item.id, item.start.0, item.end.0, &item.title, &item.show).hash(hasher);
    (item.season, item.episode, item.year, &item.date).hash(hasher);
    (&item.artist, &item.album, item.track, &item.director).hash(hasher);
}
