//! Files that changed their names: the item stays what it was.

use std::path::PathBuf;

use rusqlite::params;

use super::convert::path_bytes;
use super::{Id, Store, fail, writer};
use crate::error::Result;

impl Store {
    /// Gives items of a root new paths; key, probe and history stay. A path that another item has is left to it.
    /// Returns how many were moved.
    pub async fn move_items(&self, root: Id, moves: Vec<(Id, PathBuf)>) -> Result<usize> {
        let mut moved = 0;
        for chunk in moves.chunks(writer::ROWS_PER_TRANSACTION) {
            let chunk = chunk.to_vec();
            moved += self
                .write_rows(chunk.len(), move |db| {
                    let run = || -> rusqlite::Result<usize> {
                        let mut statement = db.prepare(
                            "UPDATE OR IGNORE items SET path = ?3, missing_since_ms = NULL \
                             WHERE id = ?1 AND root_id = ?2",
                        )?;
                        let mut moved = 0;
                        for (id, path) in &chunk {
                            moved += statement.execute(params![id, root, path_bytes(path)])?;
                        }
                        Ok(moved)
                    };
                    run().map_err(|e| fail::sql("noting files that were renamed", e))
                })
                .await?;
        }
        Ok(moved)
    }
}
