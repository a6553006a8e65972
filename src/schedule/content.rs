//! What programs draw from: collections by name, and what is in them once somebody has looked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::draw::stable_hash;
use super::item::{Catalog, Ix};
use super::order::{Order, Sorted};
use super::warning::Skipped;

/// A collection, as programs name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "collection", rename_all = "kebab-case")]
pub enum Collection {
    /// Every playable item.
    Library,
    /// Everything below a folder.
    Folder {
        /// Absolute path.
        path: PathBuf,
    },
    /// Every episode of a show.
    Show {
        /// Its title.
        title: String,
    },
    /// What a query finds, see [`super::query`].
    Search {
        /// It.
        query: String,
    },
    /// The smart collection of a name.
    Smart {
        /// It.
        name: String,
    },
    /// The manual collection of a name.
    Manual {
        /// It.
        name: String,
    },
    /// The multi-collection of a name.
    Multi {
        /// It.
        name: String,
    },
    /// The playlist of a name.
    Playlist {
        /// It.
        name: String,
    },
    /// Of the rerun collection of a name, what the channel has not aired before.
    FirstRun {
        /// It.
        name: String,
    },
    /// Of the rerun collection of a name, what the channel has aired before.
    Rerun {
        /// It.
        name: String,
    },
}

impl Collection {
    /// The word for what kind of collection it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Folder { .. } => "folder",
            Self::Show { .. } => "show",
            Self::Search { .. } => "search",
            Self::Smart { .. } => "smart",
            Self::Manual { .. } => "manual",
            Self::Multi { .. } => "multi",
            Self::Playlist { .. } => "playlist",
            Self::FirstRun { .. } | Self::Rerun { .. } => "rerun",
        }
    }

    /// Whether it says itself what it is: what names others, by name or in a query, does not.
    pub fn is_plain(&self) -> bool {
        matches!(
            self,
            Self::Library | Self::Folder { .. } | Self::Show { .. }
        )
    }

    /// The name that it was given; `None` for what has none.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Library | Self::Folder { .. } | Self::Show { .. } | Self::Search { .. } => None,
            Self::Smart { name }
            | Self::Manual { name }
            | Self::Multi { name }
            | Self::Playlist { name }
            | Self::FirstRun { name }
            | Self::Rerun { name } => Some(name),
        }
    }
}

/// What a rule draws from, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pick {
    /// From what.
    #[serde(flatten)]
    pub of: Collection,
    /// In which order. Of picks that share a place the first decides.
    #[serde(default)]
    pub order: Order,
    /// The name of a place of its own. Without it all rules of a program that draw from one collection share
    /// their place in it: each goes on where the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Pick {
    /// A pick with the shared place.
    pub fn new(of: Collection, order: impl Into<Order>) -> Self {
        Self {
            of,
            order: order.into(),
            place: None,
        }
    }

    /// Under which key its place is kept.
    pub fn key(&self) -> CursorKey {
        // Neither a collection nor a name can fail to serialize.
        let mut name = serde_json::to_string(&self.of).unwrap_or_default();
        if let Some(place) = &self.place {
            name.push('\n');
            name.push_str(place);
        }
        CursorKey(stable_hash(name.as_bytes()))
    }
}

/// The key of a place in a collection: the same in every build of every program that names the collection alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CursorKey(pub(super) u64);

impl CursorKey {
    /// The key of a part of a collection.
    #[must_use]
    pub(super) fn part(self, part: u64) -> Self {
        Self(super::draw::Seed(self.0).of(part).bits())
    }
}

impl Serialize for CursorKey {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:x}", self.0))
    }
}

impl<'de> Deserialize<'de> for CursorKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let hex = std::borrow::Cow::<'de, str>::deserialize(from)?;
        u64::from_str_radix(&hex, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// What is in a collection.
#[derive(Clone, Debug)]
pub enum Content {
    /// Items, in the order that the collection itself has.
    Items(Arc<[Ix]>),
    /// Several collections in one.
    Multi(Vec<Member>),
    /// One thing after the other, each in its own order. Other orders than its own do not apply.
    Playlist(Playlist),
    /// The part of a collection that the channel has aired before, or the part that it has not; everything when
    /// that part is empty.
    Rerun {
        /// Of what.
        of: Box<Content>,
        /// True for what was aired before.
        aired: bool,
    },
}

impl Content {
    /// Its items, in lists. A playlist has none of its own: its entries name collections.
    pub fn lists(&self) -> Vec<&[Ix]> {
        match self {
            Self::Items(items) => vec![items],
            Self::Multi(members) => members.iter().map(|m| &*m.items).collect(),
            Self::Playlist(_) => Vec::new(),
            Self::Rerun { of, .. } => of.lists(),
        }
    }
}

/// A part of a multi-collection.
#[derive(Clone, Debug)]
pub struct Member {
    /// What tells it from the others, and stays when they change.
    pub key: u64,
    /// Its items.
    pub items: Arc<[Ix]>,
    /// The order in which its items stay together, as one unit of a shuffle; `None` when they do not.
    pub together: Option<Sorted>,
}

/// A playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playlist {
    /// What comes after what.
    pub entries: Vec<PlaylistEntry>,
    /// Whether the entries are shuffled for each pass.
    #[serde(default)]
    pub shuffled: bool,
}

/// An entry of a playlist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaylistEntry {
    /// From what. Entries with equal picks share one place.
    pub pick: Pick,
    /// How much of it.
    #[serde(default)]
    pub take: Take,
    /// Whether the guide shows it as a programme.
    #[serde(default = "yes")]
    pub in_guide: bool,
}

fn yes() -> bool {
    true
}

/// How many items are taken before the next thing comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Take {
    /// As many as it has.
    All,
    /// So many.
    Count(u32),
}

impl Default for Take {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// What is in the collections of a program.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    all: BTreeMap<Collection, Content>,
    notes: Vec<String>,
}

impl Contents {
    /// What is in nothing but this collection: every item of a catalogue.
    pub fn all(of: Collection, catalog: &Catalog) -> Self {
        let mut contents = Self::default();
        contents.put(of, Content::Items(catalog.all().collect()));
        contents
    }

    /// Says what is in a collection.
    pub fn put(&mut self, of: Collection, content: Content) {
        self.all.insert(of, content);
    }

    /// Notes what people should know, such as that a collection is gone: builds warn of it.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// What was noted.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What is in a collection; `None` when nobody has said.
    pub fn get(&self, of: &Collection) -> Option<&Content> {
        self.all.get(of)
    }

    /// All collections with what is in them, in an order that depends on nothing else.
    pub fn iter(&self) -> impl Iterator<Item = (&Collection, &Content)> {
        self.all.iter()
    }

    /// What is in them and cannot be put on air, and why.
    pub(super) fn skipped(&self, catalog: &Catalog) -> Vec<Skipped> {
        let lists = self.all.values().flat_map(Content::lists);
        let items = lists.flatten().filter_map(|ix| catalog.get(*ix));
        let mut skipped: Vec<_> = items.filter_map(Skipped::of).collect();
        skipped.sort_by_key(|s| s.id);
        skipped.dedup_by_key(|s| s.id);
        skipped
    }
}
