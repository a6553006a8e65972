//! Searches: queries to SQL, and what they find.

pub(super) mod sql;

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::items::PLAYABLE;
use super::{Id, MAX_PAGE, Store, fail};
use crate::clock::UtcMs;
use crate::error::Result;
use crate::schedule::query::Query;

/// What "today" is for a query with ages and anniversaries.
#[derive(Clone, Debug)]
pub struct Today {
    /// The moment.
    pub now: UtcMs,
    /// The zone whose calendar counts.
    pub zone: jiff::tz::TimeZone,
}

impl Store {
    /// Keys above `after` of the items that a query finds, in order of their keys, at most `limit` (and [`MAX_PAGE`]);
    /// with `playable` only what channels can play.
    ///
    /// A query asks of films and clips themselves. Of an episode it asks three things: the episode itself, its season
    /// and its show; the episode is found when one of them is as asked (`title:friends` finds every episode of that show).
    /// `Invalid` when a smart collection was not replaced before.
    pub async fn search(
        &self,
        query: &Query,
        today: &Today,
        playable: bool,
        after: Id,
        limit: usize,
    ) -> Result<Vec<Id>> {
        let (sql, values) = statement(query, today, playable, after, limit)?;
        self.read(move |db| {
            db.prepare(&sql)
                .and_then(|mut statement| {
                    statement
                        .query_map(params_from_iter(values), |row| row.get(0))?
                        .collect()
                })
                .map_err(|e| fail::sql("searching the library", e))
        })
        .await
    }
}

pub(super) fn statement(
    query: &Query,
    today: &Today,
    playable: bool,
    after: Id,
    limit: usize,
) -> Result<(String, Vec<Value>)> {
    let (filter, mut values) = sql::condition(query, today)?;
    let only = if playable { PLAYABLE } else { "TRUE" };
    values.push(Value::Integer(after));
    values.push(Value::Integer(
        i64::try_from(limit.min(MAX_PAGE)).unwrap_or_default(),
    ));
    let sql = format!(
        "SELECT id FROM items INDEXED BY items_facts WHERE ({filter}) AND {only} AND id > ? ORDER BY id LIMIT ?"
    );
    Ok((sql, values))
}
