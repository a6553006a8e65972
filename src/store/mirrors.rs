//! Channels that show the timeline of another.

use rusqlite::{Connection, params};

use super::channels::{by, no_channel};
use super::{Id, Mirror, Progress, Store, fail};
use crate::error::Result;

impl Store {
    /// Makes a channel the mirror of another. `Invalid` for an offset of more than a day or of parts of a second, for a
    /// channel that mirrors itself or is mirrored, and for a source that is a mirror or waits for its viewers; `NotFound`.
    pub async fn set_mirror(&self, channel: Id, mirror: Mirror) -> Result<()> {
        self.write(move |db| {
            let row = by(db, "id", channel)?.ok_or_else(|| no_channel(channel))?;
            let source = by(db, "id", mirror.of)?.ok_or_else(|| no_channel(mirror.of))?;
            let (number, of) = (&row.number, &source.number);
            if source.id == row.id {
                crate::bail!(Invalid, "channel {number} cannot mirror itself: name another channel");
            }
            if let Some(mirror) = source.mirror {
                let first = by(db, "id", mirror.of)?.ok_or_else(|| no_channel(mirror.of))?;
                crate::bail!(
                    Invalid,
                    "channel {of} is itself a mirror of channel {}: mirror that one, with both offsets added up",
                    first.number
                );
            }
            if source.progress == Progress::OnDemand || row.progress == Progress::OnDemand {
                crate::bail!(
                    Invalid,
                    "neither a mirror nor what it mirrors can wait for viewers: set --progress continuous first"
                );
            }
            not_mirrored(db, channel, "be a mirror itself")?;
            if mirror.offset_ms.abs() > Mirror::MOST_MS || mirror.offset_ms % 1000 != 0 {
                crate::bail!(
                    Invalid,
                    "a mirror is at most a day earlier or later, in whole seconds: {} ms is not possible",
                    mirror.offset_ms
                );
            }
            db.execute(
                "UPDATE channels SET mirror_of = ?2, mirror_offset_ms = ?3, timeline_version = timeline_version + 1 \
                 WHERE id = ?1",
                params![channel, mirror.of, mirror.offset_ms],
            )
            .map(drop)
            .map_err(|e| fail::sql("making a mirror", e))
        })
        .await
    }
}

/// `Conflict` when other channels mirror this one, which therefore cannot do something.
pub(super) fn not_mirrored(db: &Connection, channel: Id, doing: &str) -> Result<()> {
    let mirrors: Vec<String> = db
        .prepare(
            "SELECT number FROM channels WHERE mirror_of = ?1 ORDER BY number_hundredths LIMIT 10",
        )
        .and_then(|mut statement| statement.query_map([channel], |row| row.get(0))?.collect())
        .map_err(|e| fail::sql("looking for mirrors", e))?;
    if mirrors.is_empty() {
        return Ok(());
    }
    let list = mirrors.join(", ");
    crate::bail!(
        Conflict,
        "the channel is mirrored by {list} and so cannot {doing}: remove its mirrors first"
    )
}
