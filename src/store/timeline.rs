//! What is, was and will be on air.
//!
//! Every change to a channel's rows is one transaction that also checks that they touch and raises the
//! channel's timeline version, so the guide and the streams see either all of it or nothing.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use super::channels::no_channel;
use super::convert::{METADATA, Word, count_of, metadata_of, moment_of};
use super::{Entry, EntryContent, Id, MAX_PAGE, NewEntry, Store, TimelineSpan, fail};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::guide::ItemKind;
use crate::media::Ticks90k;
use crate::schedule::SHORTEST_MS;

const FIRST_COLUMNS: &str = "id, channel_id, start_ms, stop_ms, item_id, in_90k, out_90k, guide_group, \
                             guide_start_s, guide_stop_s, kind";
/// Where [`METADATA`] begins behind [`FIRST_COLUMNS`].
const METADATA_AT: usize = 11;

/// What the guide shows where nothing is planned.
const GAP_TITLE: &str = "Off air";

impl Store {
    /// Writes entries behind the last one of a channel, all or none, and returns the new timeline version. They
    /// must touch each other and the last one. The place of an item that is gone meanwhile stays empty.
    pub async fn append_timeline(&self, channel: Id, entries: Vec<NewEntry>) -> Result<u64> {
        self.write_rows(entries.len(), move |db| {
            append(db, channel, &entries)?;
            bump(db, channel)
        })
        .await
    }

    /// Puts `entries` in the place of everything that starts at `from` or later, all or none, and returns the
    /// new timeline version. A gap that runs on past `from` is cut there; an item that does is an error
    /// (`Conflict`): what has begun is played to its end.
    pub async fn replace_timeline(
        &self,
        channel: Id,
        from: UtcMs,
        entries: Vec<NewEntry>,
    ) -> Result<u64> {
        self.write_rows(entries.len(), move |db| {
            clear_from(db, channel, from)?;
            append(db, channel, &entries)?;
            bump(db, channel)
        })
        .await
    }

    /// The part of a channel's timeline made of the entries that start before `before` (all without it): `None`
    /// when there are none.
    pub async fn timeline_span(
        &self,
        channel: Id,
        before: Option<UtcMs>,
    ) -> Result<Option<TimelineSpan>> {
        let before = before.map_or(i64::MAX, |t| t.0);
        self.read(move |db| {
            let edge = |column: &str, order: &str| {
                db.query_row(
                    &format!(
                        "SELECT {column} FROM timeline WHERE channel_id = ?1 AND start_ms < ?2 \
                         ORDER BY start_ms {order} LIMIT 1"
                    ),
                    [channel, before],
                    |row| moment_of(row, 0),
                )
                .optional()
            };
            let run = || {
                let (Some(start), Some(stop)) = (edge("start_ms", "ASC")?, edge("stop_ms", "DESC")?)
                else {
                    return Ok(None);
                };
                let cursor = db
                    .query_row(
                        "SELECT cursor FROM timeline WHERE channel_id = ?1 AND start_ms < ?2 AND cursor IS NOT NULL \
                         ORDER BY start_ms DESC LIMIT 1",
                        [channel, before],
                        |row| row.get(0),
                    )
                    .optional()?;
                Ok(Some(TimelineSpan {
                    start,
                    stop,
                    cursor,
                }))
            };
            run().map_err(|e| fail::sql("reading how far a timeline reaches", e))
        })
        .await
    }

    /// The entry on air at `t`.
    pub async fn entry_at(&self, channel: Id, t: UtcMs) -> Result<Option<Entry>> {
        self.one_entry("start_ms <= ?2 ORDER BY start_ms DESC LIMIT 1", channel, t)
            .await
            .map(|entry| entry.filter(|e| t < e.stop))
    }

    /// The first entry that starts after `t`.
    pub async fn entry_after(&self, channel: Id, t: UtcMs) -> Result<Option<Entry>> {
        self.one_entry("start_ms > ?2 ORDER BY start_ms LIMIT 1", channel, t)
            .await
    }

    async fn one_entry(&self, which: &'static str, channel: Id, t: UtcMs) -> Result<Option<Entry>> {
        self.read(move |db| {
            db.query_row(
                &format!(
                    "SELECT {FIRST_COLUMNS}, {METADATA} FROM timeline WHERE channel_id = ?1 AND {which}"
                ),
                [channel, t.0],
                entry_of,
            )
            .optional()
            .map_err(|e| fail::sql("reading an entry of a timeline", e))
        })
        .await
    }

    /// Entries that overlap `from` .. `to`, in order, at most `limit` (and [`MAX_PAGE`]). The next page begins
    /// at the stop of the last.
    pub async fn timeline(
        &self,
        channel: Id,
        from: UtcMs,
        to: UtcMs,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let limit = i64::try_from(limit.min(MAX_PAGE)).unwrap_or_default();
        self.read(move |db| {
            // Rows touch, so the first that overlaps is the last that starts at or before `from`, if it lasts.
            db.prepare(&format!(
                "SELECT {FIRST_COLUMNS}, {METADATA} FROM timeline WHERE channel_id = ?1 \
                 AND start_ms >= coalesce((SELECT max(start_ms) FROM timeline WHERE channel_id = ?1 AND start_ms <= ?2), ?2) \
                 AND start_ms < ?3 AND stop_ms > ?2 ORDER BY start_ms LIMIT ?4"
            ))
            .and_then(|mut statement| {
                statement
                    .query_map(params![channel, from.0, to.0, limit], entry_of)?
                    .collect()
            })
            .map_err(|e| fail::sql("reading a timeline", e))
        })
        .await
    }

    /// Where the first gap that stops after `from` starts: a time for which nothing was planned, not the
    /// place of an item removed since.
    pub async fn first_gap(&self, channel: Id, from: UtcMs) -> Result<Option<UtcMs>> {
        self.read(move |db| {
            db.query_row(
                "SELECT start_ms FROM timeline WHERE channel_id = ?1 AND stop_ms > ?2 AND in_90k IS NULL \
                 ORDER BY start_ms LIMIT 1",
                [channel, from.0],
                |row| moment_of(row, 0),
            )
            .optional()
            .map_err(|e| fail::sql("looking for gaps in a timeline", e))
        })
        .await
    }

    /// How many entries of a channel start after `t`.
    pub async fn entries_after(&self, channel: Id, t: UtcMs) -> Result<u64> {
        self.read(move |db| {
            db.query_row(
                "SELECT count(*) FROM timeline WHERE channel_id = ?1 AND start_ms > ?2",
                [channel, t.0],
                |row| count_of(row, 0),
            )
            .map_err(|e| fail::sql("counting the entries of a timeline", e))
        })
        .await
    }

    /// Clears away what stopped at `before` or earlier and keeps of it when each item was last played. The last
    /// entry of a channel always stays: it holds the scheduler's place. Returns how many rows went.
    pub async fn prune_timeline(&self, channel: Id, before: UtcMs) -> Result<usize> {
        const DUE: &str = "channel_id = ?1 AND stop_ms <= ?2 \
                           AND start_ms < (SELECT max(start_ms) FROM timeline WHERE channel_id = ?1)";
        self.write_rows(super::writer::ROWS_PER_TRANSACTION, move |db| {
            let run = || {
                db.execute(
                    &format!(
                        "INSERT INTO history (channel_id, item_id, last_start_ms, plays) \
                         SELECT channel_id, item_id, max(start_ms), count(*) FROM timeline \
                         WHERE {DUE} AND item_id IS NOT NULL GROUP BY channel_id, item_id \
                         ON CONFLICT (channel_id, item_id) DO UPDATE SET \
                         last_start_ms = max(last_start_ms, excluded.last_start_ms), plays = plays + excluded.plays"
                    ),
                    [channel, before.0],
                )?;
                db.execute(
                    &format!("DELETE FROM timeline WHERE {DUE}"),
                    [channel, before.0],
                )
            };
            run().map_err(|e| fail::sql("clearing old entries away", e))
        })
        .await
    }

    /// When a channel last began to play an item, at `now` or before; `None` when it never did.
    pub async fn last_played(&self, channel: Id, item: Id, now: UtcMs) -> Result<Option<UtcMs>> {
        self.read(move |db| {
            db.query_row(
                "SELECT max(t) FROM (\
                 SELECT last_start_ms AS t FROM history WHERE channel_id = ?1 AND item_id = ?2 \
                 UNION ALL \
                 SELECT max(start_ms) FROM timeline WHERE channel_id = ?1 AND item_id = ?2 AND start_ms <= ?3)",
                [channel, item, now.0],
                |row| super::convert::maybe_moment_of(row, 0),
            )
            .map_err(|e| fail::sql("reading the history of a channel", e))
        })
        .await
    }
}

/// Raises a channel's timeline version and returns it.
pub(super) fn bump(db: &Connection, channel: Id) -> Result<u64> {
    db.query_row(
        "UPDATE channels SET timeline_version = timeline_version + 1 WHERE id = ?1 RETURNING timeline_version",
        [channel],
        |row| count_of(row, 0),
    )
    .optional()
    .map_err(|e| fail::sql("raising a timeline version", e))?
    .ok_or_else(|| no_channel(channel))
}

/// Channels whose timelines hold items that meet a condition of the items table with one parameter.
pub(super) fn channels_that_play(
    db: &Connection,
    condition: &str,
    parameter: i64,
) -> Result<Vec<Id>> {
    db.prepare(&format!(
        "SELECT DISTINCT channel_id FROM timeline WHERE item_id IN (SELECT id FROM items WHERE {condition}) ORDER BY 1"
    ))
    .and_then(|mut statement| {
        statement
            .query_map([parameter], |row| row.get(0))?
            .collect()
    })
    .map_err(|e| fail::sql("looking up who plays an item", e))
}

/// Removes what starts at `from` or later and cuts a gap that runs on.
fn clear_from(db: &Connection, channel: Id, from: UtcMs) -> Result<()> {
    let doing = "clearing the future of a timeline";
    db.execute(
        "DELETE FROM timeline WHERE channel_id = ?1 AND start_ms >= ?2",
        [channel, from.0],
    )
    .map_err(|e| fail::sql(doing, e))?;
    let Some(last) = last_of(db, channel)? else {
        return Ok(());
    };
    if last.stop <= from {
        return Ok(());
    }
    if !last.is_gap {
        crate::bail!(
            Conflict,
            "{doing}: channel {channel} plays an item until {} ms, past {} ms",
            last.stop.0,
            from.0
        );
    }
    db.execute(
        "UPDATE timeline SET stop_ms = ?2, guide_stop_s = ?3 WHERE id = ?1",
        [last.id, from.0, rounded_s(from)],
    )
    .map(drop)
    .map_err(|e| fail::sql(doing, e))
}

fn append(db: &Connection, channel: Id, entries: &[NewEntry]) -> Result<()> {
    let mut end = last_of(db, channel)?.map(|last| last.stop);
    let sql = |e| {
        if fail::is_orphan(&e) {
            return no_channel(channel);
        }
        fail::sql("writing a timeline", e)
    };
    const COLUMNS: &str = "channel_id, start_ms, stop_ms, in_90k, out_90k, guide_group, guide_start_s, guide_stop_s, \
                           cursor, item_id, kind";
    let mut item = db
        .prepare(&format!(
            "INSERT INTO timeline ({COLUMNS}, {METADATA}) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, id, kind, {METADATA} FROM items WHERE id = ?10"
        ))
        .map_err(sql)?;
    let mut gap = db
        .prepare(&format!(
            "INSERT INTO timeline ({COLUMNS}, title) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, 'other', ?10)"
        ))
        .map_err(sql)?;
    for entry in entries {
        check(entry, end).map_err(|why| {
            Error::new(
                ErrorKind::Internal,
                format!(
                    "writing the timeline of channel {channel}: the entry at {} ms {why}",
                    entry.start.0
                ),
            )
        })?;
        end = Some(entry.stop);
        let (start_s, stop_s) = (rounded_s(entry.start), rounded_s(entry.stop));
        // Starts are at least a second apart: the second tells the programmes of a channel apart.
        let group = start_s;
        let times: [&dyn ToSql; 3] = [&channel, &entry.start.0, &entry.stop.0];
        let guide: [&dyn ToSql; 4] = [&group, &start_s, &stop_s, &entry.cursor];
        let (id, from, to) = match &entry.content {
            EntryContent::Item { item_id, from, to } => (Some(*item_id), Some(from.0), Some(to.0)),
            EntryContent::Gap => (None, None, None),
        };
        let place: [&dyn ToSql; 2] = [&from, &to];
        let mut written = 0;
        if id.is_some() {
            let values = times.into_iter().chain(place).chain(guide);
            let values = values.chain([&id as &dyn ToSql]);
            written = item.execute(params_from_iter(values)).map_err(sql)?;
        }
        if written == 0 {
            let values = times.into_iter().chain(place).chain(guide);
            let values = values.chain([&GAP_TITLE as &dyn ToSql]);
            gap.execute(params_from_iter(values)).map_err(sql)?;
        }
    }
    Ok(())
}

/// What every entry keeps to, behind one that stops at `end`.
fn check(entry: &NewEntry, end: Option<UtcMs>) -> std::result::Result<(), &'static str> {
    let length = entry.stop.since(entry.start);
    if end.is_some_and(|end| end != entry.start) {
        return Err("does not touch the one before");
    }
    // Guide edges are whole seconds: from a second on two of them never fall together.
    if length < SHORTEST_MS {
        return Err("is shorter than a second");
    }
    if let EntryContent::Item { from, to, .. } = &entry.content
        && (*to - *from).round_ms() != length
    {
        return Err("lasts longer or shorter than what it plays");
    }
    Ok(())
}

/// The last entry of a channel.
struct Last {
    id: Id,
    stop: UtcMs,
    is_gap: bool,
}

fn last_of(db: &Connection, channel: Id) -> Result<Option<Last>> {
    db.query_row(
        "SELECT id, stop_ms, in_90k IS NULL FROM timeline WHERE channel_id = ?1 ORDER BY start_ms DESC LIMIT 1",
        [channel],
        |row| {
            Ok(Last {
                id: row.get(0)?,
                stop: moment_of(row, 1)?,
                is_gap: row.get(2)?,
            })
        },
    )
    .optional()
    .map_err(|e| fail::sql("reading the end of a timeline", e))
}

/// A moment in whole seconds, halves up: the guide's only rounding.
fn rounded_s(t: UtcMs) -> i64 {
    t.0.saturating_add(500).div_euclid(1000)
}

fn entry_of(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let place: (Option<Id>, Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?, row.get(6)?);
    Ok(Entry {
        id: row.get(0)?,
        channel_id: row.get(1)?,
        start: moment_of(row, 2)?,
        stop: moment_of(row, 3)?,
        content: match place {
            (Some(item_id), Some(from), Some(to)) => EntryContent::Item {
                item_id,
                from: Ticks90k(from),
                to: Ticks90k(to),
            },
            _ => EntryContent::Gap,
        },
        guide_group: row.get(7)?,
        guide_start_s: row.get(8)?,
        guide_stop_s: row.get(9)?,
        kind: ItemKind::of(row, 10)?,
        metadata: metadata_of(row, METADATA_AT)?,
    })
}
