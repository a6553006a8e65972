//! What programs draw from: read from the database once for all channels of a round, and gone with the round.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use crate::clock::UtcMs;
use crate::error::Result;
use crate::schedule::{
    Catalog, Collection, Content, Contents, History, Ix, Needs, Playable, Program,
};
use crate::store::{Id, MAX_PAGE, Store};

/// The most places of items that lists of a round take up together, 4 bytes each; lists beyond it are read again for
/// each channel that wants them.
const MOST_KEPT: usize = 4 << 20;

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
    catalog: Arc<Catalog>,
    lists: BTreeMap<Collection, Listed>,
}

/// What is in a collection, and its hash.
#[derive(Clone)]
struct Listed {
    content: Content,
    hash: u64,
}

impl Shelf {
    /// An empty one.
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
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
            None => read(&self.store, &held.wanted).await?,
        };
        let stock = held.stock.insert(stock);
        let mut collections: Vec<_> = program.picks().into_iter().map(|pick| pick.of).collect();
        collections.sort();
        collections.dedup();
        let mut contents = Contents::default();
        let mut hasher = DefaultHasher::new();
        for of in collections {
            let listed = match stock.lists.get(&of) {
                Some(listed) => listed.clone(),
                None => {
                    let ids = self.store.playable_ids(&of).await?;
                    listed(&stock.catalog, &ids)
                }
            };
            (&of, listed.hash).hash(&mut hasher);
            contents.put(of, listed.content);
        }
        Ok(Library {
            catalog: stock.catalog.clone(),
            contents,
            fingerprint: format!("{:016x}", hasher.finish()),
            needs,
        })
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

async fn read(store: &Store, wanted: &BTreeMap<Collection, Depth>) -> Result<Stock> {
    let (mut all, mut interrupted, mut divided) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lists, mut kept) = (Vec::new(), 0);
    for (of, depth) in wanted {
        let ids = store.playable_ids(of).await?;
        add(&mut all, &ids);
        if *depth >= Depth::Breaks {
            add(&mut interrupted, &ids);
        }
        if *depth == Depth::Chapters {
            add(&mut divided, &ids);
        }
        if kept + ids.len() <= MOST_KEPT {
            kept += ids.len();
            lists.push((of.clone(), ids));
        }
    }
    let mut items = Vec::with_capacity(all.len());
    for page in all.chunks(MAX_PAGE) {
        items.extend(store.playables(page).await?);
    }
    items.sort_by_key(|item| item.id);
    for page in interrupted.chunks(MAX_PAGE) {
        for (id, breaks) in store.breaks(page).await? {
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
    let lists = lists
        .map(|(of, ids)| (of, listed(&catalog, &ids)))
        .collect();
    Ok(Stock { catalog, lists })
}

/// Adds keys to a sorted list of them.
fn add(to: &mut Vec<Id>, ids: &[Id]) {
    to.extend(ids);
    to.sort();
    to.dedup();
}

/// The items of these keys that are still there.
fn listed(catalog: &Catalog, ids: &[Id]) -> Listed {
    let items: Arc<[Ix]> = ids.iter().filter_map(|id| catalog.find(*id)).collect();
    let mut hasher = DefaultHasher::new();
    for item in items.iter().filter_map(|ix| catalog.get(*ix)) {
        hash(item, &mut hasher);
    }
    Listed {
        content: Content::Items(items),
        hash: hasher.finish(),
    }
}

/// What a schedule depends on.
fn hash(item: &Playable, hasher: &mut DefaultHasher) {
    (item.id, item.start.0, item.end.0, &item.title, &item.show).hash(hasher);
    (item.season, item.episode, item.year, &item.date).hash(hasher);
    (&item.artist, &item.album, item.track, &item.director).hash(hasher);
}
