//! The folders of the library.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::convert::{Word, count_of, maybe_moment_of, path_bytes, path_of, signed};
use super::{Id, Root, RootKind, RootState, Store, fail, timeline};
use crate::clock::UtcMs;
use crate::error::Result;

const COLUMNS: &str = "id, path, kind, file_system, item_count, unreachable_since_ms, unreachable_reason, \
                       scanned_ms, watching";

impl Store {
    /// Adds a folder. `Conflict` when it is a root already, lies below one or above one.
    pub async fn add_root(&self, path: &Path, kind: RootKind) -> Result<Root> {
        let path: PathBuf = path.components().collect();
        self.write(move |db| {
            let doing = format!("adding the folder {}", path.display());
            if !path.is_absolute() {
                crate::bail!(Invalid, "{doing}: the path must be absolute");
            }
            for other in all(db)? {
                if path.starts_with(&other.path) || other.path.starts_with(&path) {
                    crate::bail!(
                        Conflict,
                        "{doing}: its files belong to the folder {} already; remove that one first",
                        other.path.display()
                    );
                }
            }
            db.query_row(
                &format!("INSERT INTO roots (path, kind) VALUES (?1, ?2) RETURNING {COLUMNS}"),
                params![path_bytes(&path), kind.word()],
                root_of,
            )
            .map_err(|e| fail::sql(&doing, e))
        })
        .await
    }

    /// All folders, by path.
    pub async fn roots(&self) -> Result<Vec<Root>> {
        self.read(all).await
    }

    /// One folder; `NotFound` when there is none with this key.
    pub async fn root(&self, id: Id) -> Result<Root> {
        self.read(move |db| {
            let found = db
                .query_row(
                    &format!("SELECT {COLUMNS} FROM roots WHERE id = ?1"),
                    [id],
                    root_of,
                )
                .optional()
                .map_err(|e| fail::sql("reading a folder", e))?;
            found.ok_or_else(|| no_root(id))
        })
        .await
    }

    /// Takes a folder and its items out of the library; files stay untouched. Returns the channels that had
    /// planned some of them: their entries have become gaps that keep their titles.
    pub async fn remove_root(&self, id: Id) -> Result<Vec<Id>> {
        self.write_rows(super::writer::ROWS_PER_TRANSACTION, move |db| {
            let sql = |e| fail::sql(&format!("removing the folder {id}"), e);
            let touched = timeline::forget_items(db, "root_id = ?1", id)?;
            let removed = db
                .execute("DELETE FROM roots WHERE id = ?1", [id])
                .map_err(sql)?;
            if removed == 0 {
                return Err(no_root(id));
            }
            for channel in &touched {
                timeline::bump(db, *channel)?;
            }
            Ok(touched)
        })
        .await
    }

    /// Says whether a folder can be used.
    pub async fn set_root_state(&self, id: Id, state: RootState) -> Result<()> {
        let (since, reason) = match state {
            RootState::Present => (None, None),
            RootState::Unreachable { since, reason } => (Some(since.0), Some(reason)),
        };
        self.update_root(
            "UPDATE roots SET unreachable_since_ms = ?2, unreachable_reason = ?3 WHERE id = ?1",
            id,
            move |statement| statement.execute(params![id, since, reason]),
        )
        .await
    }

    /// Says how changes of a folder are noticed, for people.
    pub async fn set_root_watching(&self, id: Id, watching: &str) -> Result<()> {
        let watching = watching.to_owned();
        self.update_root(
            "UPDATE roots SET watching = ?2 WHERE id = ?1",
            id,
            move |statement| statement.execute(params![id, watching]),
        )
        .await
    }

    /// Notes a good scan: the folder is present, on `file_system`, with `item_count` items.
    pub async fn root_scanned(
        &self,
        id: Id,
        file_system: Option<String>,
        item_count: u64,
        when: UtcMs,
    ) -> Result<()> {
        self.update_root(
            "UPDATE roots SET file_system = ?2, item_count = ?3, scanned_ms = ?4, \
             unreachable_since_ms = NULL, unreachable_reason = NULL WHERE id = ?1",
            id,
            move |statement| {
                statement.execute(params![id, file_system, signed(item_count), when.0])
            },
        )
        .await
    }

    async fn update_root(
        &self,
        sql: &'static str,
        id: Id,
        run: impl FnOnce(&mut rusqlite::Statement<'_>) -> rusqlite::Result<usize> + Send + 'static,
    ) -> Result<()> {
        self.write(move |db| {
            let changed = db
                .prepare(sql)
                .and_then(|mut statement| run(&mut statement))
                .map_err(|e| fail::sql(&format!("updating the folder {id}"), e))?;
            if changed == 0 {
                return Err(no_root(id));
            }
            Ok(())
        })
        .await
    }
}

fn all(db: &Connection) -> Result<Vec<Root>> {
    db.prepare(&format!("SELECT {COLUMNS} FROM roots ORDER BY path"))
        .and_then(|mut statement| statement.query_map([], root_of)?.collect())
        .map_err(|e| fail::sql("listing the folders of the library", e))
}

fn root_of(row: &Row<'_>) -> rusqlite::Result<Root> {
    let since = maybe_moment_of(row, 5)?;
    let reason: Option<String> = row.get(6)?;
    Ok(Root {
        id: row.get(0)?,
        path: path_of(row, 1)?,
        kind: RootKind::of(row, 2)?,
        file_system: row.get(3)?,
        item_count: count_of(row, 4)?,
        state: match (since, reason) {
            (Some(since), Some(reason)) => RootState::Unreachable { since, reason },
            _ => RootState::Present,
        },
        scanned: maybe_moment_of(row, 7)?,
        watching: row.get(8)?,
    })
}

fn no_root(id: Id) -> crate::error::Error {
    crate::error::Error::new(
        crate::error::ErrorKind::NotFound,
        format!("the library has no folder {id}"),
    )
}
