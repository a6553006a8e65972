//! How far channels were watched that wait for their viewers.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::channels::{by, no_channel};
use super::mirrors::not_mirrored;
use super::{Id, Progress, Store, fail};
use crate::clock::UtcMs;
use crate::error::Result;

impl Store {
    /// Says whether a channel waits for its viewers. From `now` on it is where its timeline is. Returns the timeline version.
    pub async fn set_progress(&self, channel: Id, progress: Progress, now: UtcMs) -> Result<u64> {
        let watched_to = (progress == Progress::OnDemand).then_some(now);
        self.write(move |db| {
            if progress == Progress::OnDemand {
                not_mirrored(db, channel, "wait for viewers")?;
                if by(db, "id", channel)?.is_some_and(|row| row.mirror.is_some()) {
                    crate::bail!(
                        Invalid,
                        "a mirror cannot wait for viewers: it shows what its source does"
                    );
                }
            }
            db.execute(
                "UPDATE channels SET progress = ?2, watched_to_ms = ?3 WHERE id = ?1",
                params![
                    channel,
                    super::convert::Word::word(progress),
                    watched_to.map(|t| t.0)
                ],
            )
            .map_err(|e| fail::sql("changing the progress of a channel", e))?;
            go_on(db, channel, 0)
        })
        .await
    }

    /// A channel that waited goes on at `now`, so much behind its timeline. Returns the timeline version.
    pub async fn go_on(&self, channel: Id, behind_ms: i64, now: UtcMs) -> Result<u64> {
        self.write(move |db| {
            set_watched_to(db, channel, now)?;
            go_on(db, channel, behind_ms)
        })
        .await
    }

    /// Somebody has watched a channel that waits up to this moment.
    pub async fn set_watched_to(&self, channel: Id, to: UtcMs) -> Result<()> {
        self.write(move |db| set_watched_to(db, channel, to)).await
    }
}

fn go_on(db: &Connection, channel: Id, behind_ms: i64) -> Result<u64> {
    db.query_row(
        "UPDATE channels SET behind_ms = ?2, timeline_version = timeline_version + 1 WHERE id = ?1 \
         RETURNING timeline_version",
        params![channel, behind_ms],
        |row| super::convert::count_of(row, 0),
    )
    .optional()
    .map_err(|e| fail::sql("going on with a channel", e))?
    .ok_or_else(|| no_channel(channel))
}

fn set_watched_to(db: &Connection, channel: Id, to: UtcMs) -> Result<()> {
    db.execute(
        "UPDATE channels SET watched_to_ms = ?2 WHERE id = ?1 AND progress = 'on-demand'",
        params![channel, to.0],
    )
    .map(drop)
    .map_err(|e| fail::sql("noting how far a channel was watched", e))
}
