//! What collections with names are, and the items that they hold.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

use super::convert::{bad_value, moment_of, range_below};
use super::search::{Today, sql};
use super::{Id, Store, fail};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::schedule::query::{self, Query};
use crate::schedule::{Collection, Playlist, Sorted};

/// How deep collections may lie in each other.
pub(super) const DEEPEST: usize = 16;
/// How many collections one may be made of, counted as often as they occur.
pub(super) const MOST_PARTS: usize = 500;

/// A collection with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedCollection {
    /// Key.
    pub id: Id,
    /// As the user wrote it; names that differ in capitals are one, whatever the kinds.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub definition: Definition,
    /// When it was made.
    pub created: UtcMs,
}

/// What a collection with a name is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Definition {
    /// What a query finds.
    Smart {
        /// In the query language.
        query: String,
    },
    /// What somebody put in: see [`super::ManualMember`].
    Manual,
    /// Several collections in one.
    Multi {
        /// They.
        members: Vec<Part>,
    },
    /// One thing after the other.
    Playlist(Playlist),
    /// Told by whether the channel has aired it before.
    Rerun {
        /// What.
        of: Collection,
    },
}

/// A part of a multi-collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What.
    #[serde(flatten)]
    pub of: Collection,
    /// Shuffles leave it whole, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Sorted>,
}

impl NamedCollection {
    /// All of it, as programs name it.
    pub fn collection(&self) -> Collection {
        let name = self.name.clone();
        match self.definition {
            Definition::Smart { .. } => Collection::Smart { name },
            Definition::Manual => Collection::Manual { name },
            Definition::Multi { .. } => Collection::Multi { name },
            Definition::Playlist(_) => Collection::Playlist { name },
            Definition::Rerun { .. } => Collection::Rerun { name },
        }
    }
}

impl Definition {
    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Smart { .. } => "smart",
            Self::Manual => "manual",
            Self::Multi { .. } => "multi",
            Self::Playlist(_) => "playlist",
            Self::Rerun { .. } => "rerun",
        }
    }

    /// What it is made of.
    pub fn parts(&self) -> Vec<&Collection> {
        match self {
            Self::Smart { .. } | Self::Manual => Vec::new(),
            Self::Multi { members } => members.iter().map(|m| &m.of).collect(),
            Self::Playlist(list) => list.entries.iter().map(|e| &e.pick.of).collect(),
            Self::Rerun { of } => vec![of],
        }
    }
}

/// All collections with names.
#[derive(Clone, Debug, Default)]
pub struct Definitions(BTreeMap<String, NamedCollection>);

impl Store {
    /// All collections with names.
    pub async fn definitions(&self) -> Result<Definitions> {
        let all = self.collections().await?.into_iter();
        Ok(Definitions(
            all.map(|c| (c.name.to_lowercase(), c)).collect(),
        ))
    }

    /// All collections with names, by name.
    pub async fn collections(&self) -> Result<Vec<NamedCollection>> {
        self.read(|db| {
            db.prepare("SELECT id, name, definition, created_ms FROM collections ORDER BY name")
                .and_then(|mut s| s.query_map([], named)?.collect())
                .map_err(|e| fail::sql("listing collections", e))
        })
        .await
    }

    /// A query with the smart collections that it names replaced by theirs; errors as in [`query::expand`].
    pub async fn with_smart_collections(&self, query: Query) -> Result<Query> {
        self.definitions().await?.expanded(query)
    }

    /// The items of a collection as a condition on items. `NotFound` where something that it names is not there,
    /// `Invalid` for a query that is none.
    pub async fn selection(&self, of: &Collection, today: &Today) -> Result<Selection> {
        let definitions = match of.is_plain() {
            true => Definitions::default(),
            false => self.definitions().await?,
        };
        definitions.selection(of, today)
    }
}

pub(super) fn named(row: &Row<'_>) -> rusqlite::Result<NamedCollection> {
    let definition: String = row.get(2)?;
    Ok(NamedCollection {
        id: row.get(0)?,
        name: row.get(1)?,
        definition: serde_json::from_str(&definition).map_err(|e| bad_value(2, e))?,
        created: moment_of(row, 3)?,
    })
}

/// A condition on `items` with nameless parameters, and their values.
#[derive(Clone, Debug)]
pub struct Selection {
    pub(super) filter: String,
    pub(super) values: Vec<Value>,
}

impl Definitions {
    /// The collection that a name stands for.
    pub fn get(&self, name: &str) -> Option<&NamedCollection> {
        self.0.get(&name.trim().to_lowercase())
    }

    pub(super) fn put(&mut self, named: NamedCollection) {
        self.0.insert(named.name.to_lowercase(), named);
    }

    pub(super) fn take(&mut self, name: &str) -> Option<NamedCollection> {
        self.0.remove(&name.trim().to_lowercase())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &NamedCollection> {
        self.0.values()
    }

    /// The definition of what programs name: `None` for what needs none. `NotFound` when it is not there, or is of another
    /// kind.
    pub fn of(&self, of: &Collection) -> Result<Option<&NamedCollection>> {
        let Some(name) = of.name() else {
            return Ok(None);
        };
        let found = self.get(name);
        if let Some(found) = found.filter(|f| f.definition.kind() == of.kind()) {
            return Ok(Some(found));
        }
        let other = found.map(|f| format!("; that is a {} collection", f.definition.kind()));
        crate::bail!(
            NotFound,
            "there is no {} collection \u{201c}{}\u{201d}{}",
            of.kind(),
            name.escape_debug(),
            other.unwrap_or_default()
        );
    }

    pub(super) fn expanded(&self, query: Query) -> Result<Query> {
        query::expand(query, &|name| match &self.get(name)?.definition {
            Definition::Smart { query } => Some(query.clone()),
            _ => None,
        })
    }

    /// See [`Store::selection`].
    pub(super) fn selection(&self, of: &Collection, today: &Today) -> Result<Selection> {
        let mut left = MOST_PARTS;
        self.select(of, today, DEEPEST, &mut left)
    }

    fn select(
        &self,
        of: &Collection,
        today: &Today,
        depth: usize,
        left: &mut usize,
    ) -> Result<Selection> {
        let (Some(depth), Some(fewer)) = (depth.checked_sub(1), left.checked_sub(1)) else {
            return Err(too_much());
        };
        *left = fewer;
        let plain = |filter: &str, values| Selection {
            filter: filter.to_owned(),
            values,
        };
        let searched = |query| {
            let (filter, values) = sql::condition(&self.expanded(query)?, today)?;
            Ok(Selection {
                filter: format!("({filter})"),
                values,
            })
        };
        match (of, self.of(of)?.map(|named| (named.id, &named.definition))) {
            (Collection::Library, _) => Ok(plain("TRUE", Vec::new())),
            (Collection::Folder { path }, _) => {
                let (from, to) = range_below(path);
                let values = vec![Value::Blob(from), Value::Blob(to)];
                Ok(plain("(path >= ? AND path < ?)", values))
            }
            (Collection::Show { title }, _) => {
                let title = Value::Text(title.trim().to_owned());
                Ok(plain("show = ? COLLATE NOCASE", vec![title]))
            }
            (Collection::Search { query }, _) => searched(query::parse(query)?),
            (_, Some((_, Definition::Smart { query }))) => searched(query::parse(query)?),
            (_, Some((id, Definition::Manual))) => Ok(Selection {
                filter: format!("id IN (SELECT id FROM ({MEMBERS}))"),
                values: vec![Value::Integer(id); MEMBERS_PARAMETERS],
            }),
            (_, Some((_, definition))) => {
                let mut any = plain("(FALSE", Vec::new());
                for part in definition.parts() {
                    let part = self.select(part, today, depth, left)?;
                    any.filter.push_str(" OR ");
                    any.filter.push_str(&part.filter);
                    any.values.extend(part.values);
                }
                any.filter.push(')');
                Ok(any)
            }
            // What has a name has a definition, or there was an error above.
            (_, None) => Ok(plain("FALSE", Vec::new())),
        }
    }
}

pub(super) fn too_much() -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!(
            "collections may lie {DEEPEST} deep in each other and be made of {MOST_PARTS} at most, theirs included"
        ),
    )
}

/// The items of a manual collection: `place` of the member, key, and by what those of one member are in order.
pub(super) const MEMBERS: &str = "\
    SELECT place, item_id AS id, NULL AS season, NULL AS episode, NULL AS path FROM collection_members \
    WHERE collection_id = ? AND item_id IS NOT NULL \
    UNION ALL \
    SELECT place, items.id, items.season, items.episode, items.path FROM collection_members AS whole \
    JOIN items ON items.show = whole.show COLLATE NOCASE \
    WHERE collection_id = ? AND item_id IS NULL AND whole.show IS NOT NULL \
    AND (whole.season IS NULL OR items.season = whole.season) \
    UNION ALL \
    SELECT place, items.id, NULL, NULL, items.path FROM collection_members AS whole \
    JOIN items ON items.path >= CAST(whole.folder || '/' AS BLOB) AND items.path < CAST(whole.folder || '0' AS BLOB) \
    WHERE collection_id = ? AND item_id IS NULL AND whole.folder IS NOT NULL";
/// How often [`MEMBERS`] asks for the collection's key.
pub(super) const MEMBERS_PARAMETERS: usize = 3;
