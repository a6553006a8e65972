//! What channels can play and have played, as schedulers want it.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::convert::moment_of;
use super::definitions::{MEMBERS, MEMBERS_PARAMETERS};
use super::items::{PLAYABLE, keys, probe_of};
use super::{Collection, Definitions, Id, Store, Today, fail};
use crate::clock::UtcMs;
use crate::error::Result;
use crate::media::Ticks90k;
use crate::schedule::{Aired, Breaks, History, Playable};

impl Store {
    /// The keys of what a channel of this collection can play: of everything that is understood and not missing, in the
    /// order that the collection itself has. Of what is several collections in one, in no order. Errors as of
    /// [`Store::selection`].
    pub async fn playable_ids(
        &self,
        of: &Collection,
        definitions: &Definitions,
        today: &Today,
    ) -> Result<Vec<Id>> {
        let (sql, values) = match (of, definitions.of(of)?) {
            (Collection::Manual { .. }, Some(found)) => (
                format!(
                    "SELECT items.id FROM (SELECT id, min(place) AS place, season, episode, path FROM ({MEMBERS}) GROUP BY id) \
                     AS member JOIN items ON items.id = member.id WHERE {PLAYABLE} ORDER BY member.place, \
                     member.season = 0, member.season, member.episode, member.path, items.id"
                ),
                vec![Value::Integer(found.id); MEMBERS_PARAMETERS],
            ),
            _ => {
                let chosen = definitions.selection(of, today)?;
                let index = match of {
                    Collection::Smart { .. } | Collection::Search { .. } => {
                        "INDEXED BY items_facts"
                    }
                    _ => "",
                };
                let filter = chosen.filter;
                let sql = format!(
                    "SELECT id FROM items {index} WHERE {filter} AND {PLAYABLE} ORDER BY id"
                );
                (sql, chosen.values)
            }
        };
        self.read(move |db| {
            db.prepare(&sql)
                .and_then(|mut statement| {
                    statement
                        .query_map(params_from_iter(values), |row| row.get(0))?
                        .collect()
                })
                .map_err(|e| fail::sql("listing what a channel can play", e))
        })
        .await
    }

    /// Those items of these keys that can be played, as the scheduler wants them: light rows, without breaks. At most
    /// [`MAX_PAGE`](super::MAX_PAGE) are looked up.
    pub async fn playables(&self, ids: &[Id]) -> Result<Vec<Playable>> {
        let ids = keys(ids);
        self.read(move |db| {
            db.prepare(&format!(
                "SELECT id, start_90k, end_90k, title, show, season, episode, year, date, facets ->> '$.artist[0]', \
                 facets ->> '$.album[0]', facets ->> '$.director[0]' \
                 FROM items WHERE id IN (SELECT value FROM json_each(?1)) AND {PLAYABLE}"
            ))
            .and_then(|mut statement| statement.query_map([ids], playable_of)?.collect())
            .map_err(|e| fail::sql("reading what a channel can play", e))
        })
        .await
    }

    /// Where the items of these keys may be interrupted, by what their probes say. At most [`MAX_PAGE`](super::MAX_PAGE) are looked up.
    pub async fn breaks(&self, ids: &[Id]) -> Result<Vec<(Id, Breaks)>> {
        let ids = keys(ids);
        self.read(move |db| {
            db.prepare(&format!(
                "SELECT id, probe FROM items WHERE id IN (SELECT value FROM json_each(?1)) AND {PLAYABLE}"
            ))
            .and_then(|mut statement| {
                statement
                    .query_map([ids], |row| {
                        let probe = probe_of(row, 1)?;
                        let clean = probe.video.as_ref().is_some_and(|video| video.clean_raps);
                        let raps = probe.video.map(|video| video.raps).unwrap_or_default();
                        let (raps, rough_raps) = match clean {
                            true => (raps, Vec::new()),
                            false => (Vec::new(), raps),
                        };
                        let breaks = Breaks {
                            chapters: probe.chapters,
                            points: Vec::new(),
                            raps,
                            rough_raps,
                        };
                        Ok((row.get(0)?, breaks))
                    })?
                    .collect()
            })
            .map_err(|e| fail::sql("reading where items may be interrupted", e))
        })
        .await
    }

    /// What a channel put on air as programmes before a moment, planned or played.
    pub async fn aired_before(&self, channel: Id, before: UtcMs) -> Result<History> {
        self.read(move |db| {
            db.prepare(
                "SELECT item_id, max(t), sum(plays) FROM (\
                 SELECT item_id, last_start_ms AS t, plays FROM history WHERE channel_id = ?1 \
                 UNION ALL \
                 SELECT item_id, max(start_ms), count(DISTINCT guide_group) FROM timeline \
                 WHERE channel_id = ?1 AND start_ms < ?2 AND item_id IS NOT NULL AND role IN ('programme', 'hidden') \
                 GROUP BY item_id) GROUP BY item_id",
            )
            .and_then(|mut statement| {
                let aired = |row: &Row<'_>| {
                    let last = moment_of(row, 1)?;
                    Ok((row.get(0)?, Aired { last, plays: row.get(2)? }))
                };
                statement.query_map([channel, before.0], aired)?.collect()
            })
            .map_err(|e| fail::sql("reading what a channel has aired", e))
        })
        .await
    }
}

fn playable_of(row: &Row<'_>) -> rusqlite::Result<Playable> {
    Ok(Playable {
        id: row.get(0)?,
        start: Ticks90k(row.get(1)?),
        end: Ticks90k(row.get(2)?),
        title: row.get(3)?,
        show: row.get(4)?,
        season: row.get(5)?,
        episode: row.get(6)?,
        year: row.get(7)?,
        date: row.get(8)?,
        artist: row.get(9)?,
        album: row.get(10)?,
        director: row.get(11)?,
        ..Playable::default()
    })
}
