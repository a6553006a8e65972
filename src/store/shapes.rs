//! What a collection consists of, as far as formats and proposals ask: sums over the index of playable items, without
//! reading an item or its probe.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::convert::{count_of, path_of, range_below};
use super::items::{PLAYABLE, page, probe_of};
use super::{Id, Selection, ShapeSum, Show, Store, fail};
use crate::error::Result;

/// The key of a shape, which is made when there is none.
pub(super) fn id_of(db: &Connection, shape: &str) -> rusqlite::Result<Id> {
    let known = db
        .query_row("SELECT id FROM shapes WHERE shape = ?1", [shape], |row| {
            row.get(0)
        })
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => db.query_row(
            "INSERT INTO shapes (shape) VALUES (?1) RETURNING id",
            [shape],
            |row| row.get(0),
        ),
    }
}

/// Removes the shapes that no file has any more.
pub(super) fn forget_unused(db: &Connection) -> rusqlite::Result<()> {
    db.execute(
        "DELETE FROM shapes WHERE NOT EXISTS (SELECT 1 FROM items WHERE items.shape_id = shapes.id)",
        [],
    )
    .map(drop)
}

impl Store {
    /// The shapes of what channels can play of a selection, those with keys above `after`, at most `limit` (and
    /// [`super::MAX_PAGE`]).
    pub async fn shapes(&self, of: &Selection, after: Id, limit: usize) -> Result<Vec<ShapeSum>> {
        let Selection { filter, mut values } = of.clone();
        values.push(Value::Integer(after));
        values.push(page(limit));
        self.read(move |db| {
            db.prepare(&format!(
                "SELECT sums.id, shape, items, ticks FROM \
                 (SELECT shape_id AS id, count(*) AS items, sum(max(end_90k - start_90k, 0)) AS ticks \
                  FROM items WHERE {filter} AND {PLAYABLE} AND shape_id > ? \
                  GROUP BY shape_id ORDER BY shape_id LIMIT ?) AS sums \
                 JOIN shapes ON shapes.id = sums.id ORDER BY sums.id"
            ))
            .and_then(|mut statement| {
                statement
                    .query_map(params_from_iter(values), |row| {
                        Ok(ShapeSum {
                            id: row.get(0)?,
                            shape: probe_of(row, 1)?,
                            items: count_of(row, 2)?,
                            length_ms: row.get::<_, i64>(3)? / 90,
                        })
                    })?
                    .collect()
            })
            .map_err(|e| fail::sql("summing up a collection", e))
        })
        .await
    }

    /// Files of these shapes among what channels can play of a selection, with the key of the shape of each: those with
    /// keys above `after`, at most `limit` (and [`super::MAX_PAGE`]).
    pub async fn files_of_shapes(
        &self,
        of: &Selection,
        shapes: &[Id],
        after: Id,
        limit: usize,
    ) -> Result<Vec<(Id, PathBuf, Id)>> {
        let Selection { filter, mut values } = of.clone();
        let keys: Vec<String> = shapes.iter().map(Id::to_string).collect();
        values.push(Value::Text(format!("[{}]", keys.join(","))));
        values.push(Value::Integer(after));
        values.push(page(limit));
        self.read(move |db| {
            db.prepare(&format!(
                "SELECT id, path, shape_id FROM items WHERE {filter} AND {PLAYABLE} \
                 AND shape_id IN (SELECT value FROM json_each(?)) AND id > ? ORDER BY id LIMIT ?"
            ))
            .and_then(|mut statement| {
                statement
                    .query_map(params_from_iter(values), |row| {
                        Ok((row.get(0)?, path_of(row, 1)?, row.get(2)?))
                    })?
                    .collect()
            })
            .map_err(|e| fail::sql("listing the files of a shape", e))
        })
        .await
    }

    /// The shows with at least `fewest` episodes that can be played, those with most first, at most `limit` (and
    /// [`super::MAX_PAGE`]). Spellings that differ in ASCII capitals are one show.
    pub async fn largest_shows(&self, fewest: u64, limit: usize) -> Result<Vec<Show>> {
        let (fewest, limit) = (super::convert::signed(fewest), page(limit));
        self.read(move |db| {
            db.prepare(&format!(
                "SELECT min(show) AS title, count(*) AS episodes FROM items INDEXED BY items_playable \
                 WHERE kind = 'episode' AND show IS NOT NULL AND {PLAYABLE} GROUP BY show COLLATE NOCASE \
                 HAVING episodes >= ?1 ORDER BY episodes DESC, title LIMIT ?2"
            ))
            .and_then(|mut statement| {
                statement
                    .query_map(params![fewest, limit], |row| {
                        Ok(Show {
                            title: row.get(0)?,
                            episodes: count_of(row, 1)?,
                        })
                    })?
                    .collect()
            })
            .map_err(|e| fail::sql("listing the largest shows", e))
        })
        .await
    }

    /// How many films can be played, and the deepest folder that all of them lie below when nothing else that can
    /// be played does.
    pub async fn films(&self) -> Result<(u64, Option<PathBuf>)> {
        self.read(|db| {
            let run = || -> rusqlite::Result<(u64, Option<PathBuf>)> {
                let (films, ends) = db.query_row(
                    &format!(
                        "SELECT count(*), min(path), max(path) FROM items WHERE kind = 'movie' AND {PLAYABLE}"
                    ),
                    [],
                    |row| {
                        let films = count_of(row, 0)?;
                        let ends = match films {
                            0 => None,
                            _ => Some((path_of(row, 1)?, path_of(row, 2)?)),
                        };
                        Ok((films, ends))
                    },
                )?;
                let Some(folder) = ends.map(|(first, last)| common_folder(&first, &last)) else {
                    return Ok((films, None));
                };
                let (from, to) = range_below(&folder);
                let mixed: bool = db.query_row(
                    &format!(
                        "SELECT EXISTS (SELECT 1 FROM items WHERE path >= ?1 AND path < ?2 AND kind <> 'movie' \
                         AND {PLAYABLE})"
                    ),
                    [from, to],
                    |row| row.get(0),
                )?;
                Ok((films, (!mixed).then_some(folder)))
            };
            run().map_err(|e| fail::sql("looking for films", e))
        })
        .await
    }
}

/// The deepest folder that two files lie below; of the first and the last of many by bytes, that of all.
fn common_folder(a: &Path, b: &Path) -> PathBuf {
    let (a, b) = (a.parent().unwrap_or(a), b.parent().unwrap_or(b));
    let same = a.components().zip(b.components());
    same.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}
