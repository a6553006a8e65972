//! What channels played before somebody changed it, to be had back.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::channels::{by, no_channel};
use super::convert::{Word, bad_value, moment_of};
use super::{Channel, Collection, Id, Store, fail};
use crate::clock::UtcMs;
use crate::error::{Error, ErrorKind, Result};
use crate::schedule::{PlayOrder, Program};

/// How many changes of a channel can be taken back.
const MOST: i64 = 20;

/// What a channel played until it was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PastProgram {
    /// When that was.
    pub until: UtcMs,
    /// The collection of its loop.
    pub collection: Collection,
    /// In which order.
    pub order: PlayOrder,
    /// What it played instead of that, as JSON.
    pub program: Option<String>,
}

const COLUMNS: &str = "until_ms, collection, play_order, program";

fn past(row: &rusqlite::Row<'_>) -> rusqlite::Result<PastProgram> {
    let collection: String = row.get(1)?;
    Ok(PastProgram {
        until: moment_of(row, 0)?,
        collection: serde_json::from_str(&collection).map_err(|e| bad_value(1, e))?,
        order: PlayOrder::of(row, 2)?,
        program: row.get(3)?,
    })
}

/// Keeps what a channel plays if it is about to play something else. `same_program`: its program stays.
pub(super) fn keep(
    db: &Connection,
    id: Id,
    next: &Channel,
    same_program: bool,
    now: UtcMs,
) -> Result<()> {
    let Some(known) = by(db, "id", id)? else {
        return Err(no_channel(id));
    };
    let same_program =
        same_program || (known.program == next.program && known.unreadable.is_none());
    if same_program && known.collection == next.collection && known.order == next.order {
        return Ok(());
    }
    let collection = serde_json::to_string(&known.collection)
        .map_err(|e| Error::with_source(ErrorKind::Internal, "writing a collection down", e))?;
    let run = || -> rusqlite::Result<()> {
        db.execute(
            "INSERT INTO past_programs (channel_id, until_ms, collection, play_order, program) \
             SELECT id, ?2, ?3, play_order, program FROM channels WHERE id = ?1",
            params![id, now.0, collection],
        )?;
        db.execute(
            "DELETE FROM past_programs WHERE channel_id = ?1 AND id NOT IN \
             (SELECT id FROM past_programs WHERE channel_id = ?1 ORDER BY id DESC LIMIT ?2)",
            [id, MOST],
        )?;
        Ok(())
    };
    run().map_err(|e| fail::sql("keeping what a channel played", e))
}

impl Store {
    /// What a channel played before each of its last changes, the latest first.
    pub async fn past_programs(&self, channel: Id) -> Result<Vec<PastProgram>> {
        self.read(move |db| {
            db.prepare(&format!(
                "SELECT {COLUMNS} FROM past_programs WHERE channel_id = ?1 ORDER BY id DESC"
            ))
            .and_then(|mut statement| statement.query_map([channel], past)?.collect())
            .map_err(|e| fail::sql("reading what a channel played before", e))
        })
        .await
    }

    /// Gives a channel back what it played before its last change, and forgets what it was changed to; again, what it
    /// played before that. `Conflict` when nothing is left to take back, `Data` when that cannot be read any more.
    pub async fn undo_program(&self, channel: Id) -> Result<Channel> {
        self.write(move |db| {
            let known = by(db, "id", channel)?.ok_or_else(|| no_channel(channel))?;
            let doing = "taking a change of a channel back";
            let last = db
                .query_row(
                    &format!(
                        "SELECT {COLUMNS}, id FROM past_programs WHERE channel_id = ?1 ORDER BY id DESC LIMIT 1"
                    ),
                    [channel],
                    |row| Ok((past(row)?, row.get::<_, Id>(4)?)),
                )
                .optional()
                .map_err(|e| fail::sql(doing, e))?;
            let Some((past, id)) = last else {
                crate::bail!(
                    Conflict,
                    "nothing of what channel {} plays has been changed that could be taken back",
                    known.number
                );
            };
            if let Some(json) = &past.program
                && let Err(e) = serde_json::from_str::<Program>(json)
            {
                crate::bail!(
                    Data,
                    "what channel {} played before cannot be read any more: {e}",
                    known.number
                );
            }
            let (word, path, show) = super::channels::split(&past.collection);
            let run = || {
                db.execute("DELETE FROM past_programs WHERE id = ?1", [id])?;
                db.execute(
                    "UPDATE channels SET collection = ?2, collection_path = ?3, collection_text = ?4, \
                     play_order = ?5, program = ?6, timeline_version = timeline_version + 1 WHERE id = ?1",
                    params![channel, word, path, show, past.order.word(), past.program],
                )
            };
            run().map_err(|e| fail::sql(doing, e))?;
            by(db, "id", channel)?.ok_or_else(|| no_channel(channel))
        })
        .await
    }
}
