//! How the time of a channel is related to that of the timeline that it shows.

use super::{Playout, lock};
use crate::clock::UtcMs;
use crate::error::Result;
use crate::store::{Channel, Entry, Id, Mirror, Progress};

/// What a channel shows, and by how much later than it stands in the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whose timeline.
    pub of: Id,
    /// In whole seconds, so that what the guide has rounded stays so.
    pub later_ms: i64,
}

/// What of a channel's row decides on it.
#[derive(Clone, Copy, Debug)]
pub(super) enum View {
    /// Its own timeline.
    Own {
        /// So much later than planned.
        behind_ms: i64,
        /// And later by the time since then, as long as nobody watches.
        watched_to: Option<UtcMs>,
    },
    /// That of another.
    Mirror(Mirror),
}

impl View {
    fn of(channel: &Channel) -> Self {
        if let Some(mirror) = channel.mirror {
            return Self::Mirror(mirror);
        }
        Self::Own {
            behind_ms: channel.behind_ms,
            watched_to: channel
                .watched_to
                .filter(|_| channel.progress == Progress::OnDemand),
        }
    }
}

/// How far behind its timeline a channel is at `now`, which nobody has watched since `watched_to`.
pub(super) fn behind_ms(behind_ms: i64, watched_to: Option<UtcMs>, now: UtcMs) -> i64 {
    let paused_ms = watched_to.map_or(0, |since| now.since(since).max(0));
    behind_ms.saturating_add(paused_ms / 1000 * 1000)
}

impl Playout {
    /// What a channel shows at present.
    pub async fn seen(&self, channel: Id) -> Result<Seen> {
        let (of, offset_ms) = match self.view(channel).await? {
            View::Mirror(mirror) => (mirror.of, mirror.offset_ms),
            View::Own { .. } => (channel, 0),
        };
        let View::Own {
            behind_ms: behind,
            watched_to,
        } = self.view(of).await?
        else {
            crate::bail!(
                Internal,
                "the channel with key {channel} mirrors a mirror: remove it and add it again"
            );
        };
        let live = self.live(of).await?;
        let watched_to = watched_to.filter(|_| !live.is_watched());
        let behind = behind_ms(behind, watched_to, self.0.clock.utc());
        Ok(Seen {
            of,
            later_ms: behind.saturating_add(offset_ms),
        })
    }

    async fn view(&self, channel: Id) -> Result<View> {
        let live = self.live(channel).await?;
        let known = *lock(&live.view);
        if let Some(view) = known {
            return Ok(view);
        }
        let version = *live.version.borrow();
        let row = self.0.store.channel(channel).await?;
        let view = View::of(&row);
        // Whoever changes the row raises the version first and then clears this.
        if row.timeline_version == version {
            *lock(&live.view) = Some(view);
        }
        Ok(view)
    }

    /// Where a channel's own timeline is at present.
    pub(super) async fn now_planned(&self, channel: Id) -> Result<UtcMs> {
        let later_ms = self.later_ms(channel).await?;
        Ok(self.0.clock.utc().plus(-later_ms))
    }

    /// How much later than in the timeline everything is on air, in milliseconds: whole seconds. Rises with the time while
    /// a channel waits for its viewers.
    pub async fn later_ms(&self, channel: Id) -> Result<i64> {
        Ok(self.seen(channel).await?.later_ms)
    }

    /// What a channel shows from `from` to `to`: entries that overlap, in order, at most `limit`. The next page begins at the
    /// stop of the last.
    pub async fn timeline(
        &self,
        channel: Id,
        from: UtcMs,
        to: UtcMs,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let seen = self.seen(channel).await?;
        let earlier = -seen.later_ms;
        let (from, to) = (from.plus(earlier), to.plus(earlier));
        let page = self.0.store.timeline(seen.of, from, to, limit).await?;
        let shown = page.into_iter().map(|entry| seen.shown(channel, entry));
        Ok(shown.collect())
    }
}

impl Seen {
    /// An entry as the channel shows it.
    pub fn shown(self, channel: Id, entry: Entry) -> Entry {
        let later_s = self.later_ms / 1000;
        Entry {
            channel_id: channel,
            start: entry.start.plus(self.later_ms),
            stop: entry.stop.plus(self.later_ms),
            guide_start_s: entry.guide_start_s + later_s,
            guide_stop_s: entry.guide_stop_s + later_s,
            ..entry
        }
    }
}
