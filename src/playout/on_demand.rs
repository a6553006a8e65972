//! Channels that wait: where nobody watches, time stands still.
//!
//! Nothing of their timeline is rewritten. It is planned in a time of its own, which is behind that on the wall by as much as
//! nobody has watched: what was interrupted goes on where it was, and the guide shows at any moment what somebody who
//! tunes in then would see.

use std::sync::atomic::Ordering::Relaxed;

use super::view::behind_ms;
use super::{Live, Playout, lock};
use crate::clock::UtcMs;
use crate::error::{ErrorKind, Result};
use crate::store::{Id, Progress};

impl Live {
    pub(super) fn is_watched(&self) -> bool {
        self.watched_by.load(Relaxed) > 0
    }
}

impl Playout {
    /// A channel goes on air, for somebody has tuned in. One that waits goes on where it was left. Says whether it is one:
    /// then [`Playout::watched`] has to be told from time to time how far it was watched.
    ///
    /// Each call is followed by one of [`Playout::left`], also one that fails.
    pub async fn tuned_in(&self, channel: Id) -> Result<bool> {
        let live = self.live(channel).await?;
        let _turn = live.tuning.lock().await;
        let done = self.go_on(channel, &live).await;
        live.watched_by.fetch_add(1, Relaxed);
        done
    }

    async fn go_on(&self, channel: Id, live: &Live) -> Result<bool> {
        let row = self.0.store.channel(channel).await?;
        if row.progress != Progress::OnDemand {
            return Ok(false);
        }
        if !live.is_watched() {
            let now = self.0.clock.utc();
            let behind = behind_ms(row.behind_ms, row.watched_to, now);
            live.changed(self.0.store.go_on(channel, behind, now).await?);
        }
        Ok(true)
    }

    /// Somebody has watched a channel that waits up to this moment.
    pub async fn watched(&self, channel: Id, to: UtcMs) -> Result<()> {
        self.0.store.set_watched_to(channel, to).await
    }

    /// A channel has gone off the air, for nobody watches it since `to`.
    pub async fn left(&self, channel: Id, to: UtcMs) -> Result<()> {
        let live = match self.live(channel).await {
            // Removed while it was on air.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            live => live?,
        };
        let _turn = live.tuning.lock().await;
        let last = live.watched_by.load(Relaxed) <= 1;
        let done = match last {
            true => self.0.store.set_watched_to(channel, to).await,
            false => Ok(()),
        };
        *lock(&live.view) = None;
        let one_less = |n: u32| n.checked_sub(1);
        // There is none to take away after a restart of the daemon.
        let _ = live.watched_by.fetch_update(Relaxed, Relaxed, one_less);
        done
    }
}
