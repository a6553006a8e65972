//! What a build has made, written in one go: entries, what it had to say, and from what it was planned.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::Serialize;

use super::channels::planned_from;
use super::convert::moment_of;
use super::timeline::{append, bump, clear_from};
use super::{Id, MAX_PAGE, NewEntry, Store, fail};
use crate::clock::UtcMs;
use crate::error::Result;

/// The most warnings that are kept of a channel: the earliest on its timeline.
const MOST_WARNINGS: i64 = 200;
/// The most items of which a channel remembers that it played them, besides those on its timeline: the latest.
const MOST_PLAYED: i64 = 20_000;

/// What a build has made of a channel's timeline, about to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPlan {
    /// What starts here or later is replaced.
    pub from: UtcMs,
    /// The scheduler's place at `from`, as JSON and whole, in the place of what the entry before says; `None` leaves that.
    pub place: Option<String>,
    /// The first starts where what stays ends, and each where the one before stops.
    pub entries: Vec<NewEntry>,
    /// What the build had to say.
    pub warnings: Vec<PlanWarning>,
    /// From what all of it is planned, in whatever form tells such things apart; `None` leaves what was noted.
    pub planned_from: Option<String>,
    /// Given when the channel begins anew: its seed from now on. What it played before is forgotten.
    pub seed: Option<u64>,
}

/// What a build had to say about a channel's timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanWarning {
    /// Where on the timeline; `None`: all over it.
    pub at: Option<UtcMs>,
    /// What, for people, and how to mend it.
    pub text: String,
}

/// A time in which a channel plays nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// From then on.
    pub start: UtcMs,
    /// Until then.
    pub stop: UtcMs,
    /// Why.
    pub kind: GapKind,
}

/// Why a channel plays nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GapKind {
    /// The schedule wants it so.
    Planned,
    /// There was nothing that could be played: planned anew as soon as there is.
    Empty,
    /// What was planned there has been removed from the library since.
    Removed,
}

impl Store {
    /// Puts a plan in the place of everything that starts at its `from` or later, all of it or nothing, and returns
    /// the new timeline version. A gap that runs on past `from` is cut there; an item that does is an error
    /// (`Conflict`): what has begun is played to its end.
    pub async fn plan_timeline(&self, channel: Id, plan: NewPlan) -> Result<u64> {
        self.write_rows(plan.entries.len(), move |db| {
            clear_from(db, channel, plan.from)?;
            if let Some(place) = &plan.place {
                db.execute(
                    "UPDATE timeline SET mark = ?3, mark_is_full = 1 WHERE channel_id = ?1 AND stop_ms = ?2 \
                     AND start_ms = (SELECT max(start_ms) FROM timeline WHERE channel_id = ?1)",
                    params![channel, plan.from.0, place],
                )
                .map_err(|e| fail::sql("noting where a schedule is", e))?;
            }
            append(db, channel, &plan.entries)?;
            let version = bump(db, channel)?;
            note(db, channel, &plan)
                .map_err(|e| fail::sql("noting how a channel was planned", e))?;
            Ok(version)
        })
        .await
    }

    /// What the latest builds of a channel had to say: first what holds for all of its timeline, then by place.
    pub async fn plan_warnings(&self, channel: Id) -> Result<Vec<PlanWarning>> {
        self.read(move |db| {
            db.prepare(
                "SELECT at_ms, text FROM warnings WHERE channel_id = ?1 ORDER BY at_ms, id LIMIT ?2",
            )
            .and_then(|mut statement| {
                let row = |row: &rusqlite::Row<'_>| {
                    Ok(PlanWarning {
                        at: super::convert::maybe_moment_of(row, 0)?,
                        text: row.get(1)?,
                    })
                };
                statement
                    .query_map([channel, MOST_WARNINGS], row)?
                    .collect()
            })
            .map_err(|e| fail::sql("reading the warnings of a schedule", e))
        })
        .await
    }

    /// Why entries that overlap `from` .. `to` are there, as JSON, by their starts: of the first 5,000.
    pub async fn whys(
        &self,
        channel: Id,
        from: UtcMs,
        to: UtcMs,
    ) -> Result<BTreeMap<UtcMs, String>> {
        self.read(move |db| {
            db.prepare(
                "SELECT start_ms, why FROM timeline WHERE channel_id = ?1 AND start_ms < ?3 AND start_ms >= \
                 coalesce((SELECT max(start_ms) FROM timeline WHERE channel_id = ?1 AND start_ms <= ?2), ?2) \
                 AND why IS NOT NULL ORDER BY start_ms LIMIT 5000",
            )
            .and_then(|mut statement| {
                let row = |row: &rusqlite::Row<'_>| Ok((moment_of(row, 0)?, row.get(1)?));
                statement.query_map([channel, from.0, to.0], row)?.collect()
            })
            .map_err(|e| fail::sql("reading why a timeline is as it is", e))
        })
        .await
    }

    /// The times from `from` on in which a channel plays nothing: those of the first 1,000 such rows, rows of one kind
    /// that touch being one.
    pub async fn gaps(&self, channel: Id, from: UtcMs) -> Result<Vec<Gap>> {
        let most = i64::try_from(MAX_PAGE).unwrap_or_default();
        let rows: Vec<Gap> = self
            .read(move |db| {
                db.prepare(
                    "SELECT start_ms, stop_ms, role, in_90k IS NOT NULL FROM timeline \
                     WHERE channel_id = ?1 AND stop_ms > ?2 AND item_id IS NULL ORDER BY start_ms LIMIT ?3",
                )
                .and_then(|mut statement| {
                    let row = |row: &rusqlite::Row<'_>| {
                        let role: String = row.get(2)?;
                        let kind = match (row.get::<_, bool>(3)?, role.as_str()) {
                            (true, _) => GapKind::Removed,
                            (false, "gap") => GapKind::Planned,
                            (false, _) => GapKind::Empty,
                        };
                        let (start, stop) = (moment_of(row, 0)?, moment_of(row, 1)?);
                        Ok(Gap { start, stop, kind })
                    };
                    statement
                        .query_map(params![channel, from.0, most], row)?
                        .collect()
                })
                .map_err(|e| fail::sql("reading the gaps of a timeline", e))
            })
            .await?;
        let mut gaps: Vec<Gap> = Vec::new();
        for row in rows {
            match gaps.last_mut() {
                Some(last) if last.stop == row.start && last.kind == row.kind => {
                    last.stop = row.stop;
                }
                _ => gaps.push(row),
            }
        }
        Ok(gaps)
    }
}

/// All of a plan but its entries.
fn note(db: &Connection, channel: Id, plan: &NewPlan) -> rusqlite::Result<()> {
    db.execute(
        "DELETE FROM warnings WHERE channel_id = ?1 AND (at_ms IS NULL OR at_ms >= ?2)",
        [channel, plan.from.0],
    )?;
    let mut add =
        db.prepare("INSERT INTO warnings (channel_id, at_ms, text) VALUES (?1, ?2, ?3)")?;
    for warning in &plan.warnings {
        add.execute(params![channel, warning.at.map(|t| t.0), warning.text])?;
    }
    db.execute(
        "DELETE FROM warnings WHERE channel_id = ?1 AND id NOT IN \
         (SELECT id FROM warnings WHERE channel_id = ?1 ORDER BY at_ms, id LIMIT ?2)",
        [channel, MOST_WARNINGS],
    )?;
    if let Some(known) = &plan.planned_from {
        db.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            params![planned_from(channel), known],
        )?;
    }
    if let Some(seed) = plan.seed {
        db.execute("DELETE FROM history WHERE channel_id = ?1", [channel])?;
        db.execute(
            "UPDATE channels SET seed = ?2 WHERE id = ?1",
            params![channel, seed.cast_signed()],
        )?;
    }
    Ok(())
}

/// Clears away what is told of times before `before`, and what a channel has not played for longest.
pub(super) fn prune(db: &Connection, channel: Id, before: UtcMs) -> rusqlite::Result<()> {
    db.execute(
        "DELETE FROM warnings WHERE channel_id = ?1 AND at_ms < ?2",
        [channel, before.0],
    )?;
    db.execute(
        "DELETE FROM history WHERE channel_id = ?1 AND last_start_ms < (SELECT last_start_ms FROM history \
         WHERE channel_id = ?1 ORDER BY last_start_ms DESC LIMIT 1 OFFSET ?2)",
        [channel, MOST_PLAYED - 1],
    )?;
    Ok(())
}
