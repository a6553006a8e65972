//! Collections with names: made, filled, changed and removed.

use std::path::PathBuf;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use serde::{Deserialize, Serialize};

use super::convert::{path_bytes, path_of, trimmed};
use super::definitions::{
    DEEPEST, Definition, Definitions, MOST_PARTS, NamedCollection, named, too_much,
};
use super::items::page;
use super::{Id, MAX_PAGE, Store, fail};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::schedule::query::{self, Query};
use crate::schedule::{Collection, Program, Take};

/// The most collections that there can be.
const MAX_COLLECTIONS: i64 = 10_000;
/// The most members that a manual collection can have.
const MAX_MEMBERS: i64 = 1_000_000;

/// What somebody put into a manual collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "member", rename_all = "lowercase", deny_unknown_fields)]
pub enum ManualMember {
    /// One item.
    Item {
        /// Its key.
        id: Id,
    },
    /// Every episode of a show, by season and episode.
    Show {
        /// Its title.
        title: String,
    },
    /// Every episode of a season.
    Season {
        /// The title of the show.
        title: String,
        /// Which; 0 is specials.
        season: u32,
    },
    /// Everything below a folder, by path.
    Folder {
        /// Absolute.
        path: PathBuf,
    },
}

impl Store {
    /// Makes a collection, or changes what the one with the name is: of a manual one nothing changes, see
    /// [`Store::set_members`].
    ///
    /// `Invalid` for an empty name, a query that is none, a collection that contains itself (the message names the
    /// circle) or has parts that its kind cannot have; `NotFound` when a part is not there; `Conflict` when the name is
    /// taken by one of another kind.
    pub async fn set_collection(
        &self,
        name: &str,
        definition: Definition,
        now: UtcMs,
    ) -> Result<NamedCollection> {
        let Some(name) = trimmed(Some(name)).map(str::to_owned) else {
            crate::bail!(Invalid, "a collection needs a name");
        };
        let mut all = self.definitions().await?;
        if let Some(known) = all.get(&name)
            && known.definition.kind() != definition.kind()
        {
            crate::bail!(
                Conflict,
                "\u{201c}{}\u{201d} is a {} collection already: choose another name, or remove it first",
                known.name,
                known.definition.kind()
            );
        }
        let wish = NamedCollection {
            id: 0,
            name: name.clone(),
            definition,
            created: now,
        };
        all.put(wish.clone());
        all.check(&wish)?;
        let text = serde_json::to_string(&wish.definition).map_err(|e| {
            Error::with_source(
                ErrorKind::Internal,
                "writing a collection down".to_owned(),
                e,
            )
        })?;
        self.write(move |db| {
            let count: i64 = db
                .query_row("SELECT count(*) FROM collections", [], |row| row.get(0))
                .map_err(|e| fail::sql("counting collections", e))?;
            if count >= MAX_COLLECTIONS {
                crate::bail!(
                    Invalid,
                    "there are {count} collections already; remove some first"
                );
            }
            db.query_row(
                "INSERT INTO collections (name, definition, created_ms) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (name) DO UPDATE SET definition = excluded.definition \
                 RETURNING id, name, definition, created_ms",
                params![name, text, now.0],
                named,
            )
            .map_err(|e| fail::sql("writing a collection", e))
        })
        .await
    }

    /// Puts members behind those of a manual collection, at most [`MAX_PAGE`] at a time; with `anew` instead of them.
    /// `NotFound` when there is no such collection or an item does not exist.
    pub async fn set_members(
        &self,
        name: &str,
        members: Vec<ManualMember>,
        anew: bool,
    ) -> Result<()> {
        if members.len() > MAX_PAGE {
            crate::bail!(
                Invalid,
                "at most {MAX_PAGE} members can be put in at a time"
            );
        }
        let id = self.manual(name).await?;
        self.write_rows(members.len(), move |db| put(db, id, &members, anew))
            .await
    }

    /// The members of a manual collection behind the place `after`, in their order, each with its place, at most
    /// `limit` (and [`MAX_PAGE`]). `NotFound` when there is no such collection.
    pub async fn members(
        &self,
        name: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, ManualMember)>> {
        let id = self.manual(name).await?;
        let values = [Value::Integer(id), Value::Integer(after), page(limit)];
        self.read(move |db| {
            db.prepare(
                "SELECT place, item_id, show, season, folder FROM collection_members \
                 WHERE collection_id = ? AND place > ? ORDER BY place LIMIT ?",
            )
            .and_then(|mut s| s.query_map(params_from_iter(values), member_of)?.collect())
            .map_err(|e| fail::sql("listing the members of a collection", e))
        })
        .await
    }

    async fn manual(&self, name: &str) -> Result<Id> {
        let of = Collection::Manual {
            name: name.to_owned(),
        };
        let all = self.definitions().await?;
        Ok(all.of(&of)?.map_or(0, |found| found.id))
    }

    /// Removes a collection; its items stay. `NotFound` when there is none of this name, `Conflict` while a channel or
    /// another collection names it.
    pub async fn remove_collection(&self, name: &str) -> Result<()> {
        let mut all = self.definitions().await?;
        let Some(gone) = all.take(name) else {
            crate::bail!(
                NotFound,
                "there is no collection \u{201c}{}\u{201d}",
                name.escape_debug()
            );
        };
        let is_it = |of: &Collection| of.name().is_some_and(|name| same(name, &gone.name));
        let in_use = |user: String| {
            Error::new(
                ErrorKind::Conflict,
                format!(
                    "{user} names \u{201c}{}\u{201d}: change or remove it first",
                    gone.name
                ),
            )
        };
        for other in all.all() {
            let broken = all.smart(other).is_err();
            if broken || other.definition.parts().into_iter().any(is_it) {
                return Err(in_use(format!(
                    "the {} collection \u{201c}{}\u{201d}",
                    other.definition.kind(),
                    other.name
                )));
            }
        }
        for channel in self.channels().await? {
            let picks = channel.program.as_ref().map(Program::picks);
            let picked = picks.iter().flatten().map(|pick| &pick.of);
            if picked.chain([&channel.collection]).any(is_it) {
                return Err(in_use(format!("channel {}", channel.number)));
            }
        }
        self.write(move |db| {
            db.execute("DELETE FROM collections WHERE id = ?1", [gone.id])
                .map(drop)
                .map_err(|e| fail::sql("removing a collection", e))
        })
        .await
    }
}

impl Definitions {
    /// Refuses what cannot be, as [`Store::set_collection`] says.
    fn check(&self, wish: &NamedCollection) -> Result<()> {
        self.smart(wish)?;
        let mut path = vec![wish.name.clone()];
        let mut left = MOST_PARTS - 1;
        self.circle(wish, &mut path, &mut left)?;
        for part in wish.definition.parts() {
            if let Collection::Search { query } = part {
                self.expanded(query::parse(query)?)?;
            }
        }
        match &wish.definition {
            Definition::Smart { .. } | Definition::Manual => Ok(()),
            Definition::Rerun { of } => match of {
                Collection::FirstRun { .. } | Collection::Rerun { .. } => {
                    crate::bail!(
                        Invalid,
                        "a rerun of a rerun is not possible: name what that one is of"
                    )
                }
                _ => Ok(()),
            },
            Definition::Multi { members } => {
                for (n, member) in members.iter().enumerate() {
                    if let Collection::Playlist { name }
                    | Collection::FirstRun { name }
                    | Collection::Rerun { name } = &member.of
                    {
                        crate::bail!(
                            Invalid,
                            "a multi-collection cannot hold \u{201c}{name}\u{201d}: it holds items, not their order or history"
                        );
                    }
                    if members.iter().take(n).any(|other| other.of == member.of) {
                        crate::bail!(Invalid, "member {} is there already", n + 1);
                    }
                }
                Ok(())
            }
            Definition::Playlist(list) => {
                for (n, entry) in list.entries.iter().enumerate() {
                    if entry.take == Take::Count(0) {
                        crate::bail!(
                            Invalid,
                            "entry {} plays nothing: let it play 1 or more",
                            n + 1
                        );
                    }
                    let within = matches!(entry.pick.of, Collection::Playlist { .. });
                    if within && entry.take != Take::All {
                        crate::bail!(
                            Invalid,
                            "entry {} is a playlist, whose entries stand in its place: let it play all",
                            n + 1
                        );
                    }
                }
                Ok(())
            }
        }
    }

    /// Refuses a smart collection whose query is none or goes round in circles.
    fn smart(&self, named: &NamedCollection) -> Result<()> {
        match &named.definition {
            Definition::Smart { .. } => self.expanded(Query::Smart(named.name.clone())).map(drop),
            _ => Ok(()),
        }
    }

    /// Follows the parts of the last of `path`, at most `left` of them.
    fn circle(&self, of: &NamedCollection, path: &mut Vec<String>, left: &mut usize) -> Result<()> {
        if path.len() > DEEPEST {
            return Err(too_much());
        }
        for part in of.definition.parts() {
            *left = left.checked_sub(1).ok_or_else(too_much)?;
            let Some(part) = self.of(part)? else { continue };
            let known = path.iter().any(|name| same(name, &part.name));
            path.push(part.name.clone());
            if known {
                crate::bail!(
                    Invalid,
                    "the collection contains itself: \u{201c}{}\u{201d}",
                    path.join("\u{201d} \u{2192} \u{201c}")
                );
            }
            self.circle(part, path, left)?;
            path.pop();
        }
        Ok(())
    }
}

fn same(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

fn put(db: &Connection, id: Id, members: &[ManualMember], anew: bool) -> Result<()> {
    let sql = |e| fail::sql("putting items into a collection", e);
    if anew {
        db.execute(
            "DELETE FROM collection_members WHERE collection_id = ?1",
            [id],
        )
        .map_err(sql)?;
    }
    let last: i64 = db
        .query_row(
            "SELECT coalesce(max(place), 0) FROM collection_members WHERE collection_id = ?1",
            [id],
            |row| row.get(0),
        )
        .map_err(sql)?;
    let behind = last.saturating_add(i64::try_from(members.len()).unwrap_or(i64::MAX));
    if behind > MAX_MEMBERS {
        crate::bail!(
            Invalid,
            "a collection holds {MAX_MEMBERS} members at most: put whole folders in, or make it a smart one"
        );
    }
    let mut insert = db
        .prepare(
            "INSERT INTO collection_members (collection_id, place, item_id, show, season, folder) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .map_err(sql)?;
    for (place, member) in (last + 1..).zip(members) {
        if let ManualMember::Show { title } | ManualMember::Season { title, .. } = member
            && title.trim().is_empty()
        {
            crate::bail!(Invalid, "member {} needs the title of a show", place - last);
        }
        let done = match member {
            ManualMember::Item { id: item } => insert.execute(params![
                id,
                place,
                item,
                None::<&str>,
                None::<u32>,
                None::<&[u8]>
            ]),
            ManualMember::Show { title } => insert.execute(params![
                id,
                place,
                None::<Id>,
                title.trim(),
                None::<u32>,
                None::<&[u8]>
            ]),
            ManualMember::Season { title, season } => insert.execute(params![
                id,
                place,
                None::<Id>,
                title.trim(),
                season,
                None::<&[u8]>
            ]),
            ManualMember::Folder { path } => {
                let bytes = path_bytes(path);
                let end = bytes.iter().rposition(|b| *b != b'/').map_or(0, |n| n + 1);
                let folder = bytes.get(..end);
                insert.execute(params![
                    id,
                    place,
                    None::<Id>,
                    None::<&str>,
                    None::<u32>,
                    folder
                ])
            }
        };
        match done {
            Ok(_) => {}
            Err(e) if fail::is_orphan(&e) => {
                crate::bail!(
                    NotFound,
                    "member {} is no item of the library: {member:?}",
                    place - last
                )
            }
            Err(e) => return Err(sql(e)),
        }
    }
    Ok(())
}

fn member_of(row: &Row<'_>) -> rusqlite::Result<(i64, ManualMember)> {
    let (item, show, season): (Option<Id>, Option<String>, Option<u32>) =
        (row.get(1)?, row.get(2)?, row.get(3)?);
    let member = match (item, show, season) {
        (Some(id), _, _) => ManualMember::Item { id },
        (None, Some(title), Some(season)) => ManualMember::Season { title, season },
        (None, Some(title), None) => ManualMember::Show { title },
        (None, None, _) => ManualMember::Folder {
            path: path_of(row, 4)?,
        },
    };
    Ok((row.get(0)?, member))
}
