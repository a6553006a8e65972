//! Facts about this database and this installation.

use rusqlite::OptionalExtension;

use super::{Store, fail};
use crate::error::Result;

impl Store {
    /// The fact named `key`; `None` when it was never set.
    pub async fn meta(&self, key: &str) -> Result<Option<String>> {
        let key = key.to_owned();
        self.read(move |db| {
            db.query_row("SELECT value FROM meta WHERE key = ?1", [&key], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|e| fail::sql(&format!("reading the fact {key}"), e))
        })
        .await
    }

    /// Sets the fact named `key`; `None` removes it.
    pub async fn set_meta(&self, key: &str, value: Option<&str>) -> Result<()> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        self.write(move |db| {
            let done = match &value {
                Some(value) => db.execute(
                    "INSERT INTO meta (key, value) VALUES (?1, ?2) \
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    [&key, value],
                ),
                None => db.execute("DELETE FROM meta WHERE key = ?1", [&key]),
            };
            done.map(drop)
                .map_err(|e| fail::sql(&format!("setting the fact {key}"), e))
        })
        .await
    }
}
