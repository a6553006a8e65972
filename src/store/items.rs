//! The files of the library.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use super::convert::{
    METADATA, Word, bad_value, count_of, maybe_moment_of, metadata_of, moment_of, path_bytes,
    path_of, range_below, signed, trimmed,
};
use super::{
    Id, Item, ItemCounts, ItemFile, MAX_PAGE, ProbeState, Scanned, ScannedItem, Selection, Show,
    Store, ToProbe, fail, shapes, timeline, writer,
};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::guide::{Facets, ItemKind};
use crate::media::Probe;
use crate::media::format::shape_of;

const FIRST_COLUMNS: &str = "id, root_id, path, size_bytes, mtime_ns, kind, added_ms, missing_since_ms, \
                             probe_state, probe, probe_reason";
/// Where [`METADATA`] begins behind [`FIRST_COLUMNS`].
const METADATA_AT: usize = 11;

/// What channels can play. Whether its folder is reachable just now does not matter: nothing is
/// scheduled anew because a mount is away.
pub(super) const PLAYABLE: &str = "probe_state = 'known' AND missing_since_ms IS NULL";

impl Store {
    /// One item; `NotFound` when there is none with this key.
    pub async fn item(&self, id: Id) -> Result<Item> {
        self.read(move |db| {
            db.query_row(
                &format!("SELECT {FIRST_COLUMNS}, {METADATA} FROM items WHERE id = ?1"),
                [id],
                item_of,
            )
            .optional()
            .map_err(|e| fail::sql(&format!("reading item {id}"), e))?
            .ok_or_else(|| no_item(id))
        })
        .await
    }

    /// The items of these keys that there are, by key; at most [`MAX_PAGE`] are looked up.
    pub async fn items(&self, ids: &[Id]) -> Result<Vec<Item>> {
        self.items_where(
            "id IN (SELECT value FROM json_each(?))",
            vec![Value::Text(keys(ids))],
            0,
            MAX_PAGE,
        )
        .await
    }

    /// Items of a folder of the library with keys above `after`, at most `limit` (and [`MAX_PAGE`]).
    pub async fn items_of_root(&self, root: Id, after: Id, limit: usize) -> Result<Vec<Item>> {
        self.items_where("root_id = ?", vec![Value::Integer(root)], after, limit)
            .await
    }

    /// Items of a selection with keys above `after`, at most `limit` (and [`MAX_PAGE`]), playable or not.
    pub async fn items_in(&self, of: &Selection, after: Id, limit: usize) -> Result<Vec<Item>> {
        let Selection { filter, values } = of.clone();
        self.items_where(&filter, values, after, limit).await
    }

    pub(super) async fn items_where(
        &self,
        filter: &str,
        mut values: Vec<Value>,
        after: Id,
        limit: usize,
    ) -> Result<Vec<Item>> {
        values.push(Value::Integer(after));
        values.push(page(limit));
        let sql = format!(
            "SELECT {FIRST_COLUMNS}, {METADATA} FROM items WHERE {filter} AND id > ? ORDER BY id LIMIT ?"
        );
        self.read(move |db| {
            db.prepare(&sql)
                .and_then(|mut statement| {
                    statement
                        .query_map(params_from_iter(values), item_of)?
                        .collect()
                })
                .map_err(|e| fail::sql("listing items", e))
        })
        .await
    }

    /// Files of a folder with keys above `after`, at most `limit` (and [`MAX_PAGE`]): what a scan compares with.
    pub async fn files_of_root(&self, root: Id, after: Id, limit: usize) -> Result<Vec<ItemFile>> {
        let limit = page(limit);
        self.read(move |db| {
            db.prepare(
                "SELECT id, path, size_bytes, mtime_ns, missing_since_ms FROM items \
                 WHERE root_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            )
            .and_then(|mut statement| {
                statement
                    .query_map(params![root, after, limit], |row| {
                        Ok(ItemFile {
                            id: row.get(0)?,
                            path: path_of(row, 1)?,
                            size_bytes: count_of(row, 2)?,
                            mtime_ns: row.get(3)?,
                            missing_since: maybe_moment_of(row, 4)?,
                        })
                    })?
                    .collect()
            })
            .map_err(|e| fail::sql("listing the files of a folder", e))
        })
        .await
    }

    /// Writes what a scan found, in the order given, in transactions of a few hundred rows. A file that changed
    /// is to be probed anew; one that was missing is found again.
    pub async fn upsert_items(
        &self,
        root: Id,
        found: Vec<ScannedItem>,
        now: UtcMs,
    ) -> Result<Vec<Scanned>> {
        let mut outcomes = Vec::with_capacity(found.len());
        let mut rest = found.into_iter();
        loop {
            let chunk: Vec<_> = rest.by_ref().take(writer::ROWS_PER_TRANSACTION).collect();
            if chunk.is_empty() {
                return Ok(outcomes);
            }
            let written = self
                .write_rows(chunk.len(), move |db| {
                    upsert(db, root, &chunk, now).map_err(|e| {
                        if fail::is_orphan(&e) {
                            return Error::new(
                                ErrorKind::NotFound,
                                format!("the library has no folder {root} any more"),
                            );
                        }
                        fail::sql("writing what a scan found", e)
                    })
                })
                .await?;
            outcomes.extend(written);
        }
    }

    /// Items whose probe is due, with keys above `after`, at most `limit` (and [`MAX_PAGE`]); with
    /// `ffmpeg_is_there` also those that waited for it. Items of unreachable folders are left out.
    pub async fn items_to_probe(
        &self,
        after: Id,
        limit: usize,
        ffmpeg_is_there: bool,
    ) -> Result<Vec<ToProbe>> {
        let limit = page(limit);
        self.read(move |db| {
            db.prepare(
                "SELECT i.id, i.path, i.size_bytes, i.mtime_ns FROM items i JOIN roots r ON r.id = i.root_id \
                 WHERE i.probe_state IN ('pending', 'waiting') AND (?3 OR i.probe_state = 'pending') \
                   AND i.missing_since_ms IS NULL AND r.unreachable_since_ms IS NULL AND i.id > ?1 \
                 ORDER BY i.id LIMIT ?2",
            )
            .and_then(|mut statement| {
                statement
                    .query_map(params![after, limit, ffmpeg_is_there], |row| {
                        Ok(ToProbe {
                            id: row.get(0)?,
                            path: path_of(row, 1)?,
                            size_bytes: count_of(row, 2)?,
                            mtime_ns: row.get(3)?,
                        })
                    })?
                    .collect()
            })
            .map_err(|e| fail::sql("listing the items to probe", e))
        })
        .await
    }

    /// Sets what the probe of `file` said. Nothing happens, and the answer is `false`, when the item is gone or
    /// a scan has seen another file in its place since.
    pub async fn set_probe(&self, file: &ToProbe, probe: ProbeState) -> Result<bool> {
        let doing = format!("writing the probe of item {}", file.id);
        let (id, size, mtime) = (file.id, signed(file.size_bytes), file.mtime_ns);
        let (word, json, known, reason) = match probe {
            ProbeState::Pending => ("pending", None, None, None),
            ProbeState::WaitingForFfmpeg => ("waiting", None, None, None),
            ProbeState::Broken { reason } => ("broken", None, None, Some(reason)),
            ProbeState::Known(probe) => {
                let text = |probe: &Probe| {
                    serde_json::to_string(probe)
                        .map_err(|e| Error::with_source(ErrorKind::Internal, doing.clone(), e))
                };
                let shape = text(&shape_of(&probe))?;
                let known = (probe.start.0, probe.end.0, shape);
                ("known", Some(text(&probe)?), Some(known), None)
            }
        };
        self.write(move |db| {
            let run = || {
                let shape = known.as_ref().map(|(.., shape)| shapes::id_of(db, shape));
                db.execute(
                    "UPDATE items SET probe_state = ?4, probe = ?5, start_90k = ?6, end_90k = ?7, shape_id = ?8, \
                     probe_reason = ?9, width = json_extract(?5, '$.video.width'), \
                     height = json_extract(?5, '$.video.height'), bit_depth = json_extract(?5, '$.video.bit_depth'), \
                     video_codec = json_extract(?5, '$.video.codec'), chapters = json_array_length(?5, '$.chapters') \
                     WHERE id = ?1 AND size_bytes = ?2 AND mtime_ns = ?3",
                    params![
                        id,
                        size,
                        mtime,
                        word,
                        json,
                        known.as_ref().map(|(start, ..)| start),
                        known.as_ref().map(|(_, end, _)| end),
                        shape.transpose()?,
                        reason
                    ],
                )
            };
            run()
                .map(|changed| changed > 0)
                .map_err(|e| fail::sql(&doing, e))
        })
        .await
    }

    /// Notes that files are gone since `now`. Only of a folder that is present: when it is unreachable nothing
    /// changes. Returns how many were not missing before.
    pub async fn mark_missing(&self, root: Id, ids: Vec<Id>, now: UtcMs) -> Result<usize> {
        self.each_of(
            "UPDATE items SET missing_since_ms = ?3 WHERE id = ?1 AND root_id = ?2 AND missing_since_ms IS NULL \
             AND EXISTS (SELECT 1 FROM roots WHERE id = ?2 AND unreachable_since_ms IS NULL)",
            root,
            ids,
            Some(now.0),
        )
        .await
    }

    /// Notes that files are there again. Returns how many were missing.
    pub async fn mark_found(&self, root: Id, ids: Vec<Id>) -> Result<usize> {
        self.each_of(
            "UPDATE items SET missing_since_ms = ?3 WHERE id = ?1 AND root_id = ?2 AND missing_since_ms IS NOT NULL",
            root,
            ids,
            None,
        )
        .await
    }

    async fn each_of(
        &self,
        sql: &'static str,
        root: Id,
        ids: Vec<Id>,
        value: Option<i64>,
    ) -> Result<usize> {
        let mut changed = 0;
        for chunk in ids.chunks(writer::ROWS_PER_TRANSACTION) {
            let chunk = chunk.to_vec();
            changed += self
                .write_rows(chunk.len(), move |db| {
                    let run = || -> rusqlite::Result<usize> {
                        let mut statement = db.prepare(sql)?;
                        let mut changed = 0;
                        for id in &chunk {
                            changed += statement.execute(params![id, root, value])?;
                        }
                        Ok(changed)
                    };
                    run().map_err(|e| fail::sql("marking missing files", e))
                })
                .await?;
        }
        Ok(changed)
    }

    /// Removes items that have been missing since `before` or longer, except below unreachable folders. Returns
    /// how many, and the channels that had planned some of them.
    pub async fn prune_missing(&self, before: UtcMs) -> Result<(usize, Vec<Id>)> {
        const DUE: &str = "missing_since_ms <= ?1 AND root_id IN (SELECT id FROM roots WHERE unreachable_since_ms IS NULL)";
        self.write_rows(writer::ROWS_PER_TRANSACTION, move |db| {
            let touched = timeline::forget_items(db, DUE, before.0)?;
            let removed = db
                .execute(&format!("DELETE FROM items WHERE {DUE}"), [before.0])
                .and_then(|removed| shapes::forget_unused(db).map(|()| removed))
                .map_err(|e| fail::sql("removing items that have long been missing", e))?;
            for channel in &touched {
                timeline::bump(db, *channel)?;
            }
            Ok((removed, touched))
        })
        .await
    }

    /// How many items there are, in one folder or in all.
    pub async fn item_counts(&self, root: Option<Id>) -> Result<ItemCounts> {
        self.read(move |db| {
            db.query_row(
                &format!(
                    "SELECT count(*), count(*) FILTER (WHERE {PLAYABLE}), \
                     count(*) FILTER (WHERE probe_state = 'pending'), count(*) FILTER (WHERE probe_state = 'waiting'), \
                     count(*) FILTER (WHERE probe_state = 'broken'), count(*) FILTER (WHERE missing_since_ms IS NOT NULL) \
                     FROM items WHERE ?1 IS NULL OR root_id = ?1"
                ),
                [root],
                |row| {
                    Ok(ItemCounts {
                        items: count_of(row, 0)?,
                        playable: count_of(row, 1)?,
                        pending: count_of(row, 2)?,
                        waiting_for_ffmpeg: count_of(row, 3)?,
                        broken: count_of(row, 4)?,
                        missing: count_of(row, 5)?,
                    })
                },
            )
            .map_err(|e| fail::sql("counting items", e))
        })
        .await
    }

    /// Shows by title, those behind `after`, at most `limit` (and [`MAX_PAGE`]). Spellings that differ in ASCII
    /// capitals are one show.
    pub async fn shows(&self, after: &str, limit: usize) -> Result<Vec<Show>> {
        let (after, limit) = (after.to_owned(), page(limit));
        self.read(move |db| {
            db.prepare(
                "SELECT min(show), count(*) FROM items WHERE show IS NOT NULL AND show > ?1 COLLATE NOCASE \
                 GROUP BY show COLLATE NOCASE ORDER BY show COLLATE NOCASE LIMIT ?2",
            )
            .and_then(|mut statement| {
                statement
                    .query_map(params![after, limit], |row| {
                        Ok(Show {
                            title: row.get(0)?,
                            episodes: count_of(row, 1)?,
                        })
                    })?
                    .collect()
            })
            .map_err(|e| fail::sql("listing shows", e))
        })
        .await
    }

    /// How many items, playable or not, lie below a folder.
    pub async fn count_below(&self, folder: &Path) -> Result<u64> {
        let (from, to) = range_below(folder);
        self.read(move |db| {
            db.query_row(
                "SELECT count(*) FROM items WHERE path >= ?1 AND path < ?2",
                [from, to],
                |row| count_of(row, 0),
            )
            .map_err(|e| fail::sql("counting the items below a folder", e))
        })
        .await
    }
}

fn upsert(
    db: &Connection,
    root: Id,
    found: &[ScannedItem],
    now: UtcMs,
) -> rusqlite::Result<Vec<Scanned>> {
    let mut select = db.prepare("SELECT id, size_bytes, mtime_ns FROM items WHERE path = ?1")?;
    let mut insert = db.prepare(
        "INSERT INTO items (title, show, season, episode, episode_end, year, date, plot, kind, \
         root_id, size_bytes, mtime_ns, facets, path, added_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) RETURNING id",
    )?;
    let mut update = db.prepare(
        "UPDATE items SET title = ?1, show = ?2, season = ?3, episode = ?4, episode_end = ?5, year = ?6, \
         date = ?7, plot = ?8, kind = ?9, root_id = ?10, size_bytes = ?11, mtime_ns = ?12, facets = ?13, \
         missing_since_ms = NULL WHERE path = ?14",
    )?;
    let mut forget = db.prepare(
        "UPDATE items SET probe_state = 'pending', probe = NULL, start_90k = NULL, end_90k = NULL, \
         shape_id = NULL, probe_reason = NULL, width = NULL, height = NULL, bit_depth = NULL, video_codec = NULL, \
         chapters = NULL WHERE id = ?1",
    )?;
    let mut outcomes = Vec::with_capacity(found.len());
    for item in found {
        let known: Option<(Id, i64, i64)> = select
            .query_row([path_bytes(&item.path)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let size = signed(item.size_bytes);
        let m = &item.metadata;
        let stem = item.path.file_stem().map(|s| s.to_string_lossy());
        let title = trimmed(Some(&m.title))
            .or(trimmed(stem.as_deref()))
            .unwrap_or("?");
        let (show, date, plot) = (
            trimmed(m.show.as_deref()),
            trimmed(m.date.as_deref()),
            trimmed(m.plot.as_deref()),
        );
        let path = path_bytes(&item.path);
        let word = item.kind.word();
        let facets = facets_of(&item.facets);
        let values: [&dyn ToSql; 14] = [
            &title,
            &show,
            &m.season,
            &m.episode,
            &m.episode_end,
            &m.year,
            &date,
            &plot,
            &word,
            &root,
            &size,
            &item.mtime_ns,
            &facets,
            &path,
        ];
        outcomes.push(match known {
            None => {
                let with_date = values.into_iter().chain([&now.0 as &dyn ToSql]);
                Scanned::New(insert.query_row(params_from_iter(with_date), |row| row.get(0))?)
            }
            Some((id, old_size, old_mtime)) => {
                update.execute(values)?;
                if (old_size, old_mtime) == (size, item.mtime_ns) {
                    Scanned::Same(id)
                } else {
                    forget.execute([id])?;
                    Scanned::Changed(id)
                }
            }
        });
    }
    Ok(outcomes)
}

/// As JSON; lists of texts cannot fail to become that.
fn facets_of(facets: &Facets) -> Option<String> {
    match facets.is_empty() {
        true => None,
        false => serde_json::to_string(facets).ok(),
    }
}

fn item_of(row: &Row<'_>) -> rusqlite::Result<Item> {
    let state: String = row.get(8)?;
    Ok(Item {
        id: row.get(0)?,
        root_id: row.get(1)?,
        path: path_of(row, 2)?,
        size_bytes: count_of(row, 3)?,
        mtime_ns: row.get(4)?,
        kind: ItemKind::of(row, 5)?,
        metadata: metadata_of(row, METADATA_AT)?,
        added: moment_of(row, 6)?,
        missing_since: maybe_moment_of(row, 7)?,
        probe: match state.as_str() {
            "pending" => ProbeState::Pending,
            "known" => ProbeState::Known(Box::new(probe_of(row, 9)?)),
            "waiting" => ProbeState::WaitingForFfmpeg,
            "broken" => ProbeState::Broken {
                reason: row.get(10)?,
            },
            word => return Err(bad_value(8, format!("unknown word \"{word}\""))),
        },
    })
}

pub(super) fn probe_of(row: &Row<'_>, index: usize) -> rusqlite::Result<Probe> {
    let json: String = row.get(index)?;
    serde_json::from_str(&json).map_err(|e| bad_value(index, e))
}

/// A page of keys as JSON.
pub(super) fn keys(ids: &[Id]) -> String {
    let page = ids.get(..MAX_PAGE).unwrap_or(ids);
    serde_json::to_string(page).unwrap_or_default()
}

pub(super) fn page(limit: usize) -> Value {
    Value::Integer(i64::try_from(limit.min(MAX_PAGE)).unwrap_or_default())
}

fn no_item(id: Id) -> Error {
    Error::new(ErrorKind::NotFound, format!("the library has no item {id}"))
}
