//! The files of the library that channels cannot play, with the reason.

use super::convert::{bad_value, maybe_moment_of, path_of};
use super::{Id, MAX_PAGE, Store, Unplayable, WhyNot, fail};
use crate::error::Result;

impl Store {
    /// Items of a folder of the library that cannot be played now, with keys above `after`, at most `limit`
    /// (and [`MAX_PAGE`]).
    pub async fn unplayable(&self, root: Id, after: Id, limit: usize) -> Result<Vec<Unplayable>> {
        let limit = i64::try_from(limit.min(MAX_PAGE)).unwrap_or_default();
        self.read(move |db| {
            db.prepare(
                "SELECT id, path, missing_since_ms, probe_state, probe_reason FROM items WHERE root_id = ?1 \
                 AND id > ?2 AND (probe_state <> 'known' OR missing_since_ms IS NOT NULL) ORDER BY id LIMIT ?3",
            )
            .and_then(|mut statement| {
                statement
                    .query_map([root, after, limit], unplayable_of)?
                    .collect()
            })
            .map_err(|e| fail::sql("listing what cannot be played", e))
        })
        .await
    }
}

fn unplayable_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Unplayable> {
    let why = match maybe_moment_of(row, 2)? {
        Some(since) => WhyNot::Missing { since },
        None => match row.get::<_, String>(3)?.as_str() {
            "pending" => WhyNot::Pending,
            "waiting" => WhyNot::WaitingForFfmpeg,
            "broken" => WhyNot::Broken {
                reason: row.get(4)?,
            },
            word => return Err(bad_value(3, format!("unknown word \"{word}\""))),
        },
    };
    Ok(Unplayable {
        id: row.get(0)?,
        path: path_of(row, 1)?,
        why,
    })
}
