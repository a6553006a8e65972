//! What is, was and will be on air.
//!
//! Every change to a channel's rows is one transaction that also checks that they touch and raises the
//! channel's timeline version, so the guide and the streams see either all of it or nothing.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use super::channels::no_channel;
use super::convert::{METADATA, Word, count_of, metadata_of, moment_of};
use super::{Entry, EntryContent, Id, MAX_PAGE, NewEntry, NewPlan, Store, TimelineSpan, fail};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::guide::ItemKind;
use crate::media::Ticks90k;
use crate::schedule::{Role, SHORTEST_MS};

const FIRST_COLUMNS: &str = "id, channel_id, start_ms, stop_ms, item_id, in_90k, out_90k, guide_group, \
                             guide_start_s, guide_stop_s, kind, role";
/// Where [`METADATA`] begins behind [`FIRST_COLUMNS`].
const METADATA_AT: usize = 12;

/// What the guide shows where nothing is planned.
pub const GAP_TITLE: &str = "Off air";

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
        let plan = NewPlan {
            from,
            entries,
            ..NewPlan::default()
        };
        self.plan_timeline(channel, plan).await
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
                let (Some(start), Some(stop)) =
                    (edge("start_ms", "ASC")?, edge("stop_ms", "DESC")?)
                else {
                    return Ok(None);
                };
                Ok(Some(TimelineSpan { start, stop }))
            };
            run().map_err(|e| fail::sql("reading how far a timeline reaches", e))
        })
        .await
    }

    /// Where the step of the scheduler ends that made the last of the entries that start before `before`: the first
    /// moment from there on at which it can be resumed. `None` when there are no such entries.
    pub async fn step_end(&self, channel: Id, before: UtcMs) -> Result<Option<UtcMs>> {
        self.read(move |db| {
            let run = || {
                let last = db
                    .query_row(
                        "SELECT start_ms, stop_ms FROM timeline WHERE channel_id = ?1 AND start_ms < ?2 \
                         ORDER BY start_ms DESC LIMIT 1",
                        [channel, before.0],
                        |row| Ok((row.get::<_, i64>(0)?, moment_of(row, 1)?)),
                    )
                    .optional()?;
                let Some((start, stop)) = last else {
                    return Ok(None);
                };
                let marked = db
                    .query_row(
                        "SELECT stop_ms FROM timeline WHERE channel_id = ?1 AND start_ms >= ?2 \
                         AND mark IS NOT NULL ORDER BY start_ms LIMIT 1",
                        [channel, start],
                        |row| moment_of(row, 0),
                    )
                    .optional()?;
                Ok(Some(marked.unwrap_or(stop)))
            };
            run().map_err(|e| fail::sql("looking for the end of a step of a schedule", e))
        })
        .await
    }

    /// The scheduler's marks that together say where it is behind the entries that start before `before`: the last
    /// full one and those behind it. Empty when there is none.
    pub async fn marks(&self, channel: Id, before: UtcMs) -> Result<Vec<String>> {
        self.read(move |db| {
            db.prepare(
                "SELECT mark FROM timeline WHERE channel_id = ?1 AND start_ms < ?2 AND mark IS NOT NULL \
                 AND start_ms >= (SELECT start_ms FROM timeline WHERE channel_id = ?1 AND start_ms < ?2 \
                 AND mark_is_full = 1 ORDER BY start_ms DESC LIMIT 1) ORDER BY start_ms",
            )
            .and_then(|mut statement| {
                statement
                    .query_map([channel, before.0], |row| row.get(0))?
                    .collect()
            })
            .map_err(|e| fail::sql("reading where a schedule is", e))
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

    /// Where the first gap that stops after `from` starts for which there was nothing to play: not one that is there
    /// by the will of the schedule, nor the place of an item removed since.
    pub async fn first_gap(&self, channel: Id, from: UtcMs) -> Result<Option<UtcMs>> {
        self.read(move |db| {
            db.query_row(
                "SELECT start_ms FROM timeline WHERE channel_id = ?1 AND stop_ms > ?2 AND role = 'empty' \
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

    /// Clears away what stopped at `before` or earlier and keeps of it when each item was last played as a programme.
    /// What says where the scheduler is stays: the last entry with a full mark, and all behind it. Returns how many
    /// rows went.
    pub async fn prune_timeline(&self, channel: Id, before: UtcMs) -> Result<usize> {
        const DUE: &str = "channel_id = ?1 AND stop_ms <= ?2 \
                           AND start_ms < (SELECT start_ms FROM timeline WHERE channel_id = ?1 AND start_ms <= ?2 \
                           AND mark_is_full = 1 ORDER BY start_ms DESC LIMIT 1)";
        self.write_rows(super::writer::ROWS_PER_TRANSACTION, move |db| {
            let run = || -> rusqlite::Result<usize> {
                db.execute(
                    &format!(
                        "INSERT INTO history (channel_id, item_id, last_start_ms, plays) \
                         SELECT channel_id, item_id, max(start_ms), count(DISTINCT guide_group) FROM timeline \
                         WHERE {DUE} AND item_id IS NOT NULL AND role IN ('programme', 'hidden') GROUP BY channel_id, item_id \
                         ON CONFLICT (channel_id, item_id) DO UPDATE SET \
                         last_start_ms = max(last_start_ms, excluded.last_start_ms), plays = plays + excluded.plays"
                    ),
                    [channel, before.0],
                )?;
                let gone = db.execute(
                    &format!("DELETE FROM timeline WHERE {DUE}"),
                    [channel, before.0],
                )?;
                if gone > 0 {
                    super::plans::prune(db, channel, before)?;
                }
                Ok(gone)
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

/// Takes items that are about to be removed, those that meet a condition of the items table with one parameter, out of
/// timelines and history. Returns the channels that had planned some of them. No index leads from an item to its
/// entries: items go seldom, and entries come all the time, each of which would write a page of it somewhere.
pub(super) fn forget_items(db: &Connection, condition: &str, parameter: i64) -> Result<Vec<Id>> {
    let of_them = format!("IN (SELECT id FROM items WHERE {condition})");
    let run = || -> rusqlite::Result<Vec<Id>> {
        let any = format!("SELECT 1 FROM items WHERE {condition} LIMIT 1");
        if !db.prepare(&any)?.exists([parameter])? {
            return Ok(Vec::new());
        }
        let channels: Vec<Id> = db
            .prepare(&format!(
                "SELECT DISTINCT channel_id FROM timeline WHERE item_id {of_them} ORDER BY 1"
            ))?
            .query_map([parameter], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let forget = [
            format!("UPDATE timeline SET item_id = NULL WHERE item_id {of_them}"),
            format!("DELETE FROM history WHERE item_id {of_them}"),
        ];
        for statement in forget {
            db.execute(&statement, [parameter])?;
        }
        Ok(channels)
    };
    run().map_err(|e| fail::sql("taking items out of timelines", e))
}

/// Removes what starts at `from` or later and cuts a gap that runs on.
pub(super) fn clear_from(db: &Connection, channel: Id, from: UtcMs) -> Result<()> {
    let doing = "clearing the future of a timeline";
    db.execute(
        "DELETE FROM timeline WHERE channel_id = ?1 AND start_ms >= ?2",
        [channel, from.0],
    )
    .map_err(|e| fail::sql(doing, e))?;
    let Some(mut last) = last_of(db, channel)? else {
        return Ok(());
    };
    if last.stop > from {
        if !last.is_gap {
            crate::bail!(
                Conflict,
                "{doing}: channel {channel} plays an item until {} ms, past {} ms",
                last.stop.0,
                from.0
            );
        }
        db.execute(
            "UPDATE timeline SET stop_ms = ?2 WHERE id = ?1",
            [last.id, from.0],
        )
        .map_err(|e| fail::sql(doing, e))?;
        last.stop = from;
    }
    end_group(db, channel, last.group, last.stop)
}

/// Says where a programme of the guide ends that may have lost or gained entries at its end.
fn end_group(db: &Connection, channel: Id, group: i64, stop: UtcMs) -> Result<()> {
    // The rows of a programme follow each other, none starts before its id says.
    let since = group.saturating_sub(1).saturating_mul(1000);
    db.execute(
        "UPDATE timeline SET guide_stop_s = ?3 \
         WHERE channel_id = ?1 AND start_ms >= ?4 AND guide_group = ?2 AND guide_stop_s <> ?3",
        [channel, group, rounded_s(stop), since],
    )
    .map(drop)
    .map_err(|e| fail::sql("changing the end of a programme", e))
}

pub(super) fn append(db: &Connection, channel: Id, entries: &[NewEntry]) -> Result<()> {
    let last = last_of(db, channel)?;
    let mut end = last.as_ref().map(|last| last.stop);
    // The programme of the entry before: its key, and where it begins and ends.
    let mut group = last.map(|last| (last.group, last.group_start_s, rounded_s(last.stop)));
    let sql = |e| {
        if fail::is_orphan(&e) {
            return no_channel(channel);
        }
        fail::sql("writing a timeline", e)
    };
    const COLUMNS: &str = "channel_id, start_ms, stop_ms, in_90k, out_90k, guide_group, guide_start_s, guide_stop_s, \
                           role, why, mark, mark_is_full, item_id, kind";
    const VALUES: &str =
        "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, (SELECT id FROM items WHERE id = ?13)";
    // The titles of what the guide shows; where that is gone, of what is played.
    let titles = METADATA.replace("plot", "CASE WHEN ?15 THEN plot END");
    let mut with_titles = db
        .prepare(&format!(
            "INSERT INTO timeline ({COLUMNS}, {METADATA}) SELECT {VALUES}, kind, {titles} FROM items \
             WHERE id = coalesce((SELECT id FROM items WHERE id = ?14), ?13)"
        ))
        .map_err(sql)?;
    let mut with_words = db
        .prepare(&format!(
            "INSERT INTO timeline ({COLUMNS}, title) VALUES ({VALUES}, 'other', ?14)"
        ))
        .map_err(sql)?;
    for (n, entry) in entries.iter().enumerate() {
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
        let joins = group.is_some_and(|(id, ..)| id == entry.guide_group);
        let (id, start_s, stop_s) = match group {
            Some(known) if joins && n > 0 => known,
            before => {
                let following = entries.iter().skip(n);
                let of_group = following.take_while(|e| e.guide_group == entry.guide_group);
                let stop = of_group.last().map_or(entry.stop, |e| e.stop);
                let start_s = match before {
                    Some((_, start_s, _)) if joins => {
                        end_group(db, channel, entry.guide_group, stop)?;
                        start_s
                    }
                    _ => rounded_s(entry.start),
                };
                (entry.guide_group, start_s, rounded_s(stop))
            }
        };
        group = Some((id, start_s, stop_s));
        let (item, from, to) = match &entry.content {
            EntryContent::Item { item_id, from, to } => (Some(*item_id), Some(from.0), Some(to.0)),
            EntryContent::Gap => (None, None, None),
        };
        let role = entry.role.word();
        let values: [&dyn ToSql; 13] = [
            &channel,
            &entry.start.0,
            &entry.stop.0,
            &from,
            &to,
            &id,
            &start_s,
            &stop_s,
            &role,
            &entry.why,
            &entry.mark,
            &entry.mark_is_full,
            &item,
        ];
        let mut written = 0;
        if entry.title.is_none() {
            let opens = !joins;
            let values = values
                .into_iter()
                .chain([&entry.shows as &dyn ToSql, &opens]);
            written = with_titles.execute(params_from_iter(values)).map_err(sql)?;
        }
        if written == 0 {
            let title = entry.title.as_deref().unwrap_or(GAP_TITLE);
            let values = values.into_iter().chain([&title as &dyn ToSql]);
            with_words.execute(params_from_iter(values)).map_err(sql)?;
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
    match &entry.content {
        EntryContent::Item { from, to, .. } if (*to - *from).round_ms() != length => {
            Err("lasts longer or shorter than what it plays")
        }
        EntryContent::Item { .. } if matches!(entry.role, Role::Gap | Role::Empty) => {
            Err("plays an item and says that it is a gap")
        }
        EntryContent::Gap if !matches!(entry.role, Role::Gap | Role::Empty) => {
            Err("plays nothing and says that it is no gap")
        }
        _ => Ok(()),
    }
}

/// The last entry of a channel.
struct Last {
    id: Id,
    stop: UtcMs,
    is_gap: bool,
    group: i64,
    group_start_s: i64,
}

fn last_of(db: &Connection, channel: Id) -> Result<Option<Last>> {
    db.query_row(
        "SELECT id, stop_ms, in_90k IS NULL, guide_group, guide_start_s FROM timeline WHERE channel_id = ?1 ORDER BY start_ms DESC LIMIT 1",
        [channel],
        |row| {
            Ok(Last {
                id: row.get(0)?,
                stop: moment_of(row, 1)?,
                is_gap: row.get(2)?,
                group: row.get(3)?,
                group_start_s: row.get(4)?,
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
        role: Role::of(row, 11)?,
        metadata: metadata_of(row, METADATA_AT)?,
    })
}
