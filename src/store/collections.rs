//! Smart collections: what a query finds, by name.

use std::collections::BTreeMap;

use rusqlite::{Row, params};

use super::convert::{moment_of, trimmed};
use super::{Id, Store, fail};
use crate::clock::UtcMs;
use crate::error::Result;
use crate::schedule::query::{self, Query};

/// The most collections that there can be.
const MAX_COLLECTIONS: i64 = 10_000;

/// A query with a name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SmartCollection {
    /// Key.
    pub id: Id,
    /// As the user wrote it; names that differ in ASCII capitals are one.
    pub name: String,
    /// What it finds, in the query language.
    pub query: String,
    /// When it was made.
    pub created: UtcMs,
}

impl Store {
    /// Makes a collection, or changes the query of the one that has the name. `Invalid` for an empty name, for a
    /// query that is none, or one that names unknown collections or itself.
    pub async fn set_smart_collection(
        &self,
        name: &str,
        text: &str,
        now: UtcMs,
    ) -> Result<SmartCollection> {
        let Some(name) = trimmed(Some(name)).map(str::to_owned) else {
            crate::bail!(Invalid, "a collection needs a name");
        };
        let mut texts = self.smart_texts().await?;
        texts.insert(name.to_lowercase(), text.to_owned());
        query::expand(Query::Smart(name.clone()), &|n| {
            texts.get(&n.to_lowercase()).cloned()
        })?;
        let text = text.to_owned();
        self.write(move |db| {
            let count: i64 = db
                .query_row("SELECT count(*) FROM collections", [], |row| row.get(0))
                .map_err(|e| fail::sql("counting collections", e))?;
            if count >= MAX_COLLECTIONS {
                crate::bail!(Invalid, "there are {count} collections already; remove some first");
            }
            db.query_row(
                "INSERT INTO collections (name, query, created_ms) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (name) DO UPDATE SET query = excluded.query RETURNING id, name, query, created_ms",
                params![name, text, now.0],
                collection_of,
            )
            .map_err(|e| fail::sql("writing a collection", e))
        })
        .await
    }

    /// All collections, by name.
    pub async fn collections(&self) -> Result<Vec<SmartCollection>> {
        self.read(|db| {
            db.prepare("SELECT id, name, query, created_ms FROM collections ORDER BY name")
                .and_then(|mut s| s.query_map([], collection_of)?.collect())
                .map_err(|e| fail::sql("listing collections", e))
        })
        .await
    }

    /// Removes a collection; its items stay. `NotFound` when there is none of this name, `Conflict` while the query of
    /// another one names it.
    pub async fn remove_collection(&self, name: &str) -> Result<()> {
        let mut texts = self.smart_texts().await?;
        texts.remove(&name.to_lowercase());
        for other in texts.keys() {
            let others = query::expand(Query::Smart(other.clone()), &|n| {
                texts.get(&n.to_lowercase()).cloned()
            });
            if others.is_err() {
                crate::bail!(
                    Conflict,
                    "the smart collection \u{201c}{other}\u{201d} names \u{201c}{}\u{201d}: change or remove it first",
                    name.escape_debug()
                );
            }
        }
        let name = name.to_owned();
        self.write(move |db| {
            match db
                .execute("DELETE FROM collections WHERE name = ?1", [&name])
                .map_err(|e| fail::sql("removing a collection", e))?
            {
                0 => crate::bail!(
                    NotFound,
                    "there is no collection \u{201c}{}\u{201d}",
                    name.escape_debug()
                ),
                _ => Ok(()),
            }
        })
        .await
    }

    /// A query with the smart collections that it names replaced by theirs; errors as in [`query::expand`].
    pub async fn with_smart_collections(&self, query: Query) -> Result<Query> {
        let texts = self.smart_texts().await?;
        query::expand(query, &|name| texts.get(&name.to_lowercase()).cloned())
    }

    /// The queries of all smart collections by their names in lower case.
    async fn smart_texts(&self) -> Result<BTreeMap<String, String>> {
        self.read(|db| {
            db.prepare("SELECT name, query FROM collections")
                .and_then(|mut s| {
                    s.query_map([], |row| {
                        let name: String = row.get(0)?;
                        Ok((name.to_lowercase(), row.get(1)?))
                    })?
                    .collect()
                })
                .map_err(|e| fail::sql("reading the smart collections", e))
        })
        .await
    }
}

fn collection_of(row: &Row<'_>) -> rusqlite::Result<SmartCollection> {
    Ok(SmartCollection {
        id: row.get(0)?,
        name: row.get(1)?,
        query: row.get(2)?,
        created: moment_of(row, 3)?,
    })
}
